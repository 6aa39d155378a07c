/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that work on one value, or along one axis. */
#include <math.h>
#include <string.h>

#include "model/graph_internal.h"

/* Functions of one real number v. */
#define UNARY(name, expression)                                                                    \
    mp2ml_status eval_##name(const struct eval_call *c)                                            \
    {                                                                                              \
        const struct eval_view *x = &c->in[0];                                                     \
        if (x->integers)                                                                           \
            return MP2ML_ERR_UNSUPPORTED;                                                          \
        for (size_t k = 0; k < x->count; k++) {                                                    \
            const float v = x->f[k];                                                               \
            c->f[k] = (expression);                                                                \
        }                                                                                          \
        return MP2ML_OK;                                                                           \
    }
UNARY(relu, v > 0 ? v : 0)
UNARY(relu6, v > 6 ? 6 : v > 0 ? v : 0)
UNARY(leaky_relu, v > 0 ? v : c->node->real * v)
UNARY(abs, fabsf(v))
UNARY(neg, -v)
UNARY(square, v *v)
UNARY(sqrt, sqrtf(v))
UNARY(rsqrt, 1 / sqrtf(v))
UNARY(reciprocal, 1 / v)
UNARY(exp, expf(v))
UNARY(log, logf(v))
UNARY(floor, floorf(v))
UNARY(ceil, ceilf(v))
UNARY(round, rintf(v)) /* halves to even, as TensorFlow does */
UNARY(sign, v > 0 ? 1.0F : v < 0 ? -1.0F : 0.0F)
UNARY(sigmoid, (float)(1 / (1 + exp(-(double)v))))
UNARY(tanh, tanhf(v))
#undef UNARY

mp2ml_status eval_logical_not(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    if (!x->integers)
        return MP2ML_ERR_UNSUPPORTED;
    for (size_t k = 0; k < x->count; k++)
        c->i[k] = x->i[k] == 0;
    return MP2ML_OK;
}

static mp2ml_status fill_with(const struct eval_call *c, float real, int64_t integer)
{
    for (size_t k = 0; k < c->shape.count; k++) {
        if (c->shape.integers)
            c->i[k] = integer;
        else
            c->f[k] = real;
    }
    return MP2ML_OK;
}

mp2ml_status eval_zeros_like(const struct eval_call *c)
{
    return fill_with(c, 0, 0);
}

mp2ml_status eval_ones_like(const struct eval_call *c)
{
    return fill_with(c, 1, 1);
}

mp2ml_status eval_fill(const struct eval_call *c)
{
    const struct eval_view *v = &c->in[1];
    return v->integers ? fill_with(c, 0, v->i[0]) : fill_with(c, v->f[0], 0);
}

mp2ml_status eval_range(const struct eval_call *c)
{
    for (size_t k = 0; k < c->shape.count; k++) {
        if (c->shape.integers)
            c->i[k] = c->in[0].i[0] + (int64_t)k * c->in[2].i[0]; /* not beyond the limit */
        else
            c->f[k] = c->in[0].f[0] + (float)k * c->in[2].f[0];
    }
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

mp2ml_status eval_batch_norm(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const size_t channels = c->in[1].count;
    size_t repeat = 1; /* neighbours with the same channel */
    if (c->node->nchw)
        for (unsigned d = 2; d < x->rank; d++)
            repeat *= x->dims[d];
    for (size_t k = 0; k < x->count; k++) {
        const size_t ch = k / repeat % channels;
        const double spread = sqrt((double)c->in[4].f[ch] + (double)c->node->real);
        c->f[k] =
            (float)(((double)x->f[k] - (double)c->in[3].f[ch]) / spread * (double)c->in[1].f[ch] +
                    (double)c->in[2].f[ch]);
    }
    return MP2ML_OK;
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

/* The view as [outer][size][inner] around an axis. */
static void around(size_t *outer, size_t *inner, const struct eval_view *x, size_t axis)
{
    *outer = *inner = 1;
    for (size_t d = 0; d < x->rank; d++) {
        *outer *= d < axis ? x->dims[d] : 1;
        *inner *= d > axis ? x->dims[d] : 1;
    }
}

static mp2ml_status softmax(const struct eval_call *c, bool logarithm)
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
                to[k * inner] =
                    (float)(logarithm ? (double)from[k * inner] - (double)top - log(sum)
                                      : exp((double)from[k * inner] - (double)top) / sum);
        }
    return MP2ML_OK;
}

mp2ml_status eval_softmax(const struct eval_call *c)
{
    return softmax(c, false);
}

mp2ml_status eval_log_softmax(const struct eval_call *c)
{
    return softmax(c, true);
}

/* Of the largest of sign * x. */
static mp2ml_status position(const struct eval_call *c, float sign)
{
    const struct eval_view *x = &c->in[0];
    const size_t axis = (size_t)c->node->axis, size = x->dims[axis];
    size_t outer, inner;
    around(&outer, &inner, x, axis);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < inner; i++) {
            const float *from = x->f + o * size * inner + i;
            size_t best = 0; /* of equals the first, or the last */
            for (size_t k = 1; k < size; k++)
                if (sign * from[k * inner] > sign * from[best * inner] ||
                    (c->node->mask[0] != 0 &&
                     !(sign * from[k * inner] < sign * from[best * inner])))
                    best = k;
            c->f[o * inner + i] = (float)best;
        }
    return MP2ML_OK;
}

mp2ml_status eval_argmax(const struct eval_call *c)
{
    return position(c, 1);
}

mp2ml_status eval_argmin(const struct eval_call *c)
{
    return position(c, -1);
}
