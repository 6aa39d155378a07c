/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that join two values, with broadcasting. Integers are shapes: -1 is the batch, -k is k
 * times the batch. That may be multiplied by sizes, and compared with nothing. */
#include <math.h>

#include "model/graph_internal.h"

enum arithmetic {
    PLUS,
    MINUS,
    TIMES,
    OVER,
    MAXIMUM,
    MINIMUM,
    POWER,
    DIFFERENCE_SQUARED,
    FLOOR_OVER,
    FLOOR_REST,
    AND, /* from here on the result is a truth value */
    OR,
    EQUAL,
    NOT_EQUAL,
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL
};

static float float_value(float x, float y, enum arithmetic what)
{
    switch (what) {
    case MAXIMUM:
        return x > y ? x : y;
    case MINIMUM:
        return x < y ? x : y;
    case POWER:
        return powf(x, y);
    case DIFFERENCE_SQUARED:
        return (x - y) * (x - y);
    case FLOOR_OVER:
        return floorf(x / y);
    default: /* FLOOR_REST */
        return x - y * floorf(x / y);
    }
}

static bool truth(double order, enum arithmetic what)
{
    switch (what) {
    case EQUAL:
        return order >= 0 && order <= 0;
    case NOT_EQUAL:
        return order < 0 || order > 0;
    case LESS:
        return order < 0;
    case LESS_EQUAL:
        return order <= 0;
    case GREATER:
        return order > 0;
    default: /* GREATER_EQUAL */
        return order >= 0;
    }
}

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
    default:
        for (size_t k = 0; k < n; k++)
            out[k] = float_value(x[k * x_step], y[k * y_step], what);
    }
}

static int64_t floor_over(int64_t x, int64_t y)
{
    return x / y - ((x % y != 0 && (x < 0) != (y < 0)) ? 1 : 0);
}

/* False on overflow, on division by zero, and when the batch would become part of a number. */
static bool integer_value(int64_t *out, int64_t x, int64_t y, enum arithmetic what)
{
    const bool batch = x == GRAPH_BATCH || y == GRAPH_BATCH;
    switch (what) {
    case PLUS:
        return x >= 0 && y >= 0 && !__builtin_add_overflow(x, y, out);
    case MINUS:
        return x >= 0 && y >= 0 && !__builtin_sub_overflow(x, y, out);
    case TIMES:
        return (x > 0 || y > 0 || !batch) && !__builtin_mul_overflow(x, y, out);
    case OVER:
        if (y == 0 || (batch && y != 1) || (x < 0 && x % y != 0))
            return false;
        *out = x / y; /* y != -1: that counts as the batch */
        return true;
    case FLOOR_OVER:
    case FLOOR_REST:
        if (y == 0 || (batch && (y != 1 || what == FLOOR_REST)))
            return false;
        *out = what == FLOOR_OVER ? floor_over(x, y) : x - y * floor_over(x, y);
        return true;
    case MAXIMUM:
        *out = x > y ? x : y;
        return !batch;
    case MINIMUM:
        *out = x < y ? x : y;
        return !batch;
    case AND:
        *out = x != 0 && y != 0;
        return true;
    case OR:
        *out = x != 0 || y != 0;
        return true;
    default: /* comparisons; powers are none of shapes' */
        *out = truth(x < y ? -1 : x > y ? 1 : 0, what);
        return what > OR && !batch;
    }
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
        if (o->integers && !x->integers) {
            for (size_t j = 0; j < row; j++)
                c->i[k + j] =
                    truth((double)x->f[xi + j * xs[last]] - (double)y->f[yi + j * ys[last]], what);
        } else if (!o->integers)
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

#define BINARY(name, what)                                                                         \
    mp2ml_status eval_##name(const struct eval_call *c)                                            \
    {                                                                                              \
        return binary(c, what);                                                                    \
    }
BINARY(add, PLUS)
BINARY(sub, MINUS)
BINARY(mul, TIMES)
BINARY(div, OVER)
BINARY(maximum, MAXIMUM)
BINARY(minimum, MINIMUM)
BINARY(pow, POWER)
BINARY(squared_difference, DIFFERENCE_SQUARED)
BINARY(floor_div, FLOOR_OVER)
BINARY(floor_mod, FLOOR_REST)
BINARY(logical_and, AND)
BINARY(logical_or, OR)
BINARY(equal, EQUAL)
BINARY(not_equal, NOT_EQUAL)
BINARY(less, LESS)
BINARY(less_equal, LESS_EQUAL)
BINARY(greater, GREATER)
BINARY(greater_equal, GREATER_EQUAL)
#undef BINARY

mp2ml_status eval_add_n(const struct eval_call *c)
{
    for (size_t k = 0; k < c->shape.count; k++) {
        float sum = 0;
        for (unsigned i = 0; i < c->n_in; i++) {
            if (c->shape.integers)
                return MP2ML_ERR_UNSUPPORTED;
            sum += c->in[i].f[k];
        }
        c->f[k] = sum;
    }
    return MP2ML_OK;
}

mp2ml_status eval_select(const struct eval_call *c)
{
    const struct eval_view *when = &c->in[0];
    for (size_t k = 0; k < c->shape.count; k++) {
        const int64_t condition = when->i[when->count == 1 ? 0 : k];
        const struct eval_view *from = condition != 0 ? &c->in[1] : &c->in[2];
        const size_t at = from->count == 1 ? 0 : k;
        if (c->shape.integers)
            c->i[k] = from->i[at];
        else
            c->f[k] = from->f[at];
    }
    return MP2ML_OK;
}
