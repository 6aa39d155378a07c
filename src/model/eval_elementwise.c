/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that work value by value, with broadcasting, and those that reduce one axis. Integers
 * are shapes: the batch, GRAPH_BATCH, may be multiplied or divided by 1 and compared with nothing.
 */
#include <math.h>
#include <string.h>

#include "model/graph_internal.h"

mp2ml_status eval_relu(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    if (x->integers)
        return MP2ML_ERR_UNSUPPORTED;
    for (size_t k = 0; k < x->count; k++)
        c->f[k] = x->f[k] > 0 ? x->f[k] : 0;
    return MP2ML_OK;
}

mp2ml_status eval_bias_add(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0], *bias = &c->in[1];
    size_t repeat = 1; /* neighbours with the same channel */
    if (c->node->nchw)
        for (unsigned d = 2; d < x->rank; d++)
            repeat *= x->dims[d];
    size_t k = 0;
    while (k < x->count)
        for (size_t ch = 0; ch < bias->count; ch++)
            for (size_t r = 0; r < repeat; r++, k++)
                c->f[k] = x->f[k] + bias->f[ch];
    return MP2ML_OK;
}

enum arithmetic { PLUS, MINUS, TIMES, OVER };

/* One row of the last axis; steps are 0 (broadcast) or 1. */
static void row_float(float *out, const float *x, size_t x_step, const float *y, size_t y_step,
                      size_t n, enum arithmetic what)
{
    switch (what) {
    case PLUS:
        for (size_t k = 0; k < n; k++)
            out[k] = x[k * x_step] + y[k * y_step];
        return;
    case MINUS:
        for (size_t k = 0; k < n; k++)
            out[k] = x[k * x_step] - y[k * y_step];
        return;
    case TIMES:
        for (size_t k = 0; k < n; k++)
            out[k] = x[k * x_step] * y[k * y_step];
        return;
    case OVER:
        for (size_t k = 0; k < n; k++)
            out[k] = x[k * x_step] / y[k * y_step];
        return;
    }
}

/* False on overflow, on division by zero, and when the batch would become part of a number. */
static bool integer_value(int64_t *out, int64_t x, int64_t y, enum arithmetic what)
{
    const bool batch = x == GRAPH_BATCH || y == GRAPH_BATCH;
    switch (what) {
    case PLUS:
        return !batch && !__builtin_add_overflow(x, y, out);
    case MINUS:
        return !batch && !__builtin_sub_overflow(x, y, out);
    case TIMES:
        return (!batch || x == 1 || y == 1) && !__builtin_mul_overflow(x, y, out);
    case OVER:
        if (y == 0 || (batch && y != 1))
            return false;
        *out = x / y; /* y != -1: that counts as the batch */
        return true;
    }
    return false;
}

static bool row_integer(int64_t *out, const int64_t *x, size_t x_step, const int64_t *y,
                        size_t y_step, size_t n, enum arithmetic what)
{
    for (size_t k = 0; k < n; k++)
        if (!integer_value(&out[k], x[k * x_step], y[k * y_step], what))
            return false;
    return true;
}

/* Element strides of v seen in the output's axes; 0 where it is broadcast. */
static void broadcast_strides(size_t *strides, const struct eval_view *v,
                              const struct eval_view *out)
{
    size_t stride = 1;
    for (unsigned d = 0; d < out->rank; d++) {
        const bool there = d < v->rank;
        const size_t size = there ? v->dims[v->rank - 1 - d] : 1;
        strides[out->rank - 1 - d] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

static mp2ml_status binary(const struct eval_call *c, enum arithmetic what)
{
    const struct eval_view *x = &c->in[0], *y = &c->in[1], *o = &c->shape;
    const unsigned rank = o->rank, last = rank == 0 ? 0 : rank - 1;
    size_t xs[GRAPH_MAX_RANK] = {0}, ys[GRAPH_MAX_RANK] = {0}, at[GRAPH_MAX_RANK] = {0};
    broadcast_strides(xs, x, o);
    broadcast_strides(ys, y, o);
    const size_t row = rank == 0 ? 1 : o->dims[last];
    size_t xi = 0, yi = 0;
    for (size_t k = 0; k < o->count; k += row) {
        if (!o->integers)
            row_float(c->f + k, x->f + xi, xs[last], y->f + yi, ys[last], row, what);
        else if (!row_integer(c->i + k, x->i + xi, xs[last], y->i + yi, ys[last], row, what))
            return MP2ML_ERR_UNSUPPORTED;
        for (unsigned d = last; d-- > 0;) {
            xi += xs[d];
            yi += ys[d];
            if (++at[d] < o->dims[d])
                break;
            xi -= at[d] * xs[d];
            yi -= at[d] * ys[d];
            at[d] = 0;
        }
    }
    return MP2ML_OK;
}

mp2ml_status eval_add(const struct eval_call *c)
{
    return binary(c, PLUS);
}

mp2ml_status eval_sub(const struct eval_call *c)
{
    return binary(c, MINUS);
}

mp2ml_status eval_mul(const struct eval_call *c)
{
    return binary(c, TIMES);
}

mp2ml_status eval_div(const struct eval_call *c)
{
    return binary(c, OVER);
}

mp2ml_status eval_cast(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    for (size_t k = 0; k < x->count; k++) {
        if (c->shape.integers) {
            if (!x->integers && !(fabsf(x->f[k]) < 9e18f))
                return MP2ML_ERR_UNSUPPORTED;
            c->i[k] = x->integers ? x->i[k] : (int64_t)x->f[k];
        } else {
            c->f[k] = x->integers ? (float)x->i[k] : x->f[k];
        }
    }
    return MP2ML_OK;
}

mp2ml_status eval_prod(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    size_t strides[GRAPH_MAX_RANK] = {0}; /* of the output, 0 on reduced axes */
    bool reduced[GRAPH_MAX_RANK] = {false};
    for (unsigned k = 0; k < c->node->n_list; k++)
        reduced[c->node->list[k]] = true;
    size_t stride = 1;
    for (unsigned d = x->rank; d-- > 0;)
        if (!reduced[d]) {
            strides[d] = stride;
            stride *= x->dims[d];
        }
    for (size_t k = 0; k < c->shape.count; k++) {
        if (x->integers)
            c->i[k] = 1;
        else
            c->f[k] = 1;
    }
    for (size_t k = 0; k < x->count; k++) {
        size_t to = 0, rest = k;
        for (unsigned d = x->rank; d-- > 0; rest /= x->dims[d])
            to += rest % x->dims[d] * strides[d];
        if (!x->integers)
            c->f[to] *= x->f[k];
        else if (!integer_value(&c->i[to], c->i[to], x->i[k], TIMES))
            return MP2ML_ERR_UNSUPPORTED;
    }
    return MP2ML_OK;
}

/* The view as [outer][size][inner] around an axis. */
static void around(size_t *outer, size_t *inner, const struct eval_view *x, size_t axis)
{
    *outer = *inner = 1;
    for (size_t d = 0; d < x->rank; d++) {
        *outer *= d < axis ? x->dims[d] : 1;
        *inner *= d > axis ? x->dims[d] : 1;
    }
}

mp2ml_status eval_softmax(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const size_t axis = (size_t)c->node->axis, size = x->dims[axis];
    size_t outer, inner;
    around(&outer, &inner, x, axis);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            const float *from = x->f + o * size * inner + i;
            float *to = c->f + o * size * inner + i;
            float top = from[0];
            for (size_t k = 1; k < size; k++)
                top = from[k * inner] > top ? from[k * inner] : top;
            double sum = 0;
            for (size_t k = 0; k < size; k++)
                sum += exp((double)from[k * inner] - (double)top);
            for (size_t k = 0; k < size; k++)
                to[k * inner] = (float)(exp((double)from[k * inner] - (double)top) / sum);
        }
    return MP2ML_OK;
}

mp2ml_status eval_argmax(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const size_t axis = (size_t)c->node->axis, size = x->dims[axis];
    size_t outer, inner;
    around(&outer, &inner, x, axis);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            const float *from = x->f + o * size * inner + i;
            size_t best = 0; /* the first of equals */
            for (size_t k = 1; k < size; k++)
                if (from[k * inner] > from[best * inner])
                    best = k;
            c->f[o * inner + i] = (float)best;
        }
    return MP2ML_OK;
}
