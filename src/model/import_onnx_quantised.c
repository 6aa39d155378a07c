/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantised ONNX models by their float meaning: a quantised tensor is one of real numbers, in units
 * of its scale around its zero point; rounding is not imitated. What a type cannot hold is clipped
 * where that says something about the network: at outputs, and where a zero point is at an end of
 * the type, since there quantisation stands for a ReLU or ReLU6 (tools that quantise remove those
 * before it), or for a minimum with 0, but not behind what is between 0 and 1 anyway. */
#include <math.h>
#include <string.h>

#include "model/import_onnx_internal.h"

struct quantised { /* scale and zero point: our nodes, constants */
    int scale, zero;
    bool per_channel;
};

/* (C,) to a shape that broadcasts along the file's axis `axis` of data with `rank` axes. */
static mp2ml_status along(struct onnx_call *c, int *a, int64_t axis, unsigned rank)
{
    int64_t dims[GRAPH_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    const struct graph_node *n = onnx_at(c, *a);
    if (n->value.count == 1)
        return expand_reshape(&c->x, a, "parameter", *a, dims, 0);
    if (!shape_axis(&axis, rank) || n->rank != 1)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has scales of shape %s", shape_print(n).text);
    dims[axis] = (int64_t)n->value.count;
    return expand_reshape(&c->x, a, "parameter", *a, dims + axis, rank - (unsigned)axis);
}

/* Inputs k and k + 1; the zero point may be absent. */
static mp2ml_status parameters(struct onnx_call *c, struct quantised *q, unsigned k, unsigned zero,
                               int64_t axis, unsigned rank)
{
    TRY(onnx_want_reals(c, k));
    q->scale = c->in[k];
    q->per_channel = onnx_at(c, q->scale)->value.count > 1;
    const struct graph_tensor scales = onnx_at(c, q->scale)->value;
    for (size_t i = 0; i < scales.count; i++)
        if (!(scales.f[i] > 0 && scales.f[i] < INFINITY))
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has a scale that is not positive");
    TRY(along(c, &q->scale, axis, rank));
    if (!onnx_has(c, zero))
        return onnx_scalar(c, &q->zero, 0);
    TRY(onnx_want_reals(c, zero));
    q->zero = c->in[zero];
    return along(c, &q->zero, axis, rank);
}

/* (a - zero) * scale */
static mp2ml_status real_of(struct onnx_call *c, int *out, const char *suffix, int a,
                            const struct quantised *q)
{
    int shifted;
    if (!onnx_at(c, a)->batched && onnx_at(c, a)->integers)
        TRY(expand_real(&c->x, &a, a));
    TRY(onnx_binary(c, &shifted, GRAPH_SUB, "shifted", a, q->zero));
    return onnx_binary(c, out, GRAPH_MUL, suffix, shifted, q->scale);
}

/* The real values of input k, whose parameters are inputs k + 1 and k + 2. */
static mp2ml_status real_input(struct onnx_call *c, int *out, unsigned k, int64_t axis)
{
    struct quantised q;
    if (onnx_in(c, k)->batched && onnx_value_in(c, k)->real >= 0) {
        *out = onnx_value_in(c, k)->real;
        return MP2ML_OK;
    }
    TRY(parameters(c, &q, k + 1, k + 2, axis, onnx_shape_of(c, c->in[k]).rank));
    return real_of(c, out, "real", c->in[k], &q);
}

/* The numbers that the type of a zero point holds. */
static bool limits_of(enum element_type type, float *low, float *high)
{
    static const struct {
        enum element_type type;
        float low, high;
    } table[] = {{ELEMENT_U8, 0, 255},
                 {ELEMENT_I8, -128, 127},
                 {ELEMENT_U16, 0, 65535},
                 {ELEMENT_I16, -32768, 32767}};
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (table[k].type == type) {
            *low = table[k].low;
            *high = table[k].high;
            return true;
        }
    return false;
}

/* The type of the zero point, which is input k; without one output_dtype says it, or it is uint8.
 * NONE where it is not known, or both say something else. */
static enum element_type type_of(const struct onnx_call *c, unsigned k)
{
    int64_t type = 0;
    onnx_attr_int(c, "output_dtype", &type);
    const enum element_type said = onnx_element(type > 0 && type < 64 ? (int32_t)type : 0);
    if (!onnx_has(c, k))
        return type == 0 ? ELEMENT_U8 : said;
    return type == 0 || said == onnx_value_in(c, k)->type ? onnx_value_in(c, k)->type
                                                          : ELEMENT_NONE;
}

/* True for values from 0 to 1 by themselves, made by the client at the end: the least value of the
 * type says nothing of them. */
static bool is_share(const struct graph_node *n)
{
    return n->op == GRAPH_SOFTMAX || n->op == GRAPH_SIGMOID;
}

/* Real values to an output in units of its scale; what reads it again finds the real ones. */
static mp2ml_status quantise(struct onnx_call *c, int real, unsigned k, unsigned zero, int64_t axis)
{
    struct quantised q;
    float low, high;
    int scaled;
    if (!limits_of(type_of(c, zero), &low, &high))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "quantises to %s; 8 and 16 bits are supported",
                         element_name(type_of(c, zero)));
    TRY(parameters(c, &q, k, zero, axis, onnx_shape_of(c, real).rank));
    const struct graph_tensor zeros = onnx_at(c, q.zero)->value;
    bool clips = onnx_value_out(c, 0)->is_output;
    for (size_t z = 0; z < zeros.count && !is_share(onnx_at(c, real)); z++)
        clips = clips || zeros.f[z] <= low || zeros.f[z] >= high;
    TRY(onnx_binary(c, &scaled, GRAPH_DIV, "scaled", real, q.scale));
    TRY(onnx_binary(c, &scaled, GRAPH_ADD, "shifted", scaled, q.zero));
    if (clips)
        TRY(compose_clip(&c->x, &scaled, scaled, low, high));
    c->out[0] = scaled;
    onnx_value_out(c, 0)->type = type_of(c, zero);
    if (clips)
        TRY(real_of(c, &real, "real", scaled, &q));
    onnx_value_out(c, 0)->real = real;
    onnx_value_out(c, 0)->integers = false;
    return MP2ML_OK;
}

/* The axis of the parameters; blocks along it have no private form. */
static mp2ml_status parameter_axis(const struct onnx_call *c, int64_t *axis)
{
    int64_t block = 0;
    *axis = 1;
    onnx_attr_int(c, "axis", axis);
    onnx_attr_int(c, "block_size", &block);
    return block == 0 ? MP2ML_OK
                      : ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has scales for blocks of %lld",
                                  (long long)block);
}

mp2ml_status onnx_quantize(struct onnx_call *c, enum graph_op op)
{
    int64_t axis;
    (void)op;
    TRY(parameter_axis(c, &axis));
    if (!onnx_in(c, 0)->batched)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "quantises a constant");
    return quantise(c, c->in[0], 1, 2, axis);
}

mp2ml_status onnx_dequantize(struct onnx_call *c, enum graph_op op)
{
    int64_t axis;
    (void)op;
    TRY(parameter_axis(c, &axis));
    if (onnx_in(c, 0)->batched)
        onnx_value_out(c, 0)->integers = false;
    return real_input(c, &c->out[0], 0, axis);
}

/* x, scale, zero, w, scale, zero, y's scale, zero, [bias in units of both scales]. */
mp2ml_status onnx_qlinear_conv(struct onnx_call *c, enum graph_op op)
{
    int x, w, y, bias = ONNX_ABSENT, unit;
    (void)op;
    if (!onnx_in(c, 0)->batched)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "does not depend on an input");
    TRY(onnx_want_constant(c, 3));
    TRY(real_input(c, &x, 0, 1));
    TRY(real_input(c, &w, 3, 0));
    if (onnx_has(c, 8)) {
        TRY(onnx_want_reals(c, 8));
        TRY(onnx_binary(c, &unit, GRAPH_MUL, "unit", c->in[1], c->in[4]));
        TRY(onnx_binary(c, &bias, GRAPH_MUL, "bias", c->in[8], unit));
    }
    TRY(onnx_conv_of(c, &y, x, w, bias, false));
    return quantise(c, y, 6, 7, 1);
}

/* a, scale, zero, b, scale, zero, y's scale, zero. */
mp2ml_status onnx_qlinear_matmul(struct onnx_call *c, enum graph_op op)
{
    int a, b, y;
    (void)op;
    TRY(real_input(c, &a, 0, -2));
    TRY(real_input(c, &b, 3, -1));
    TRY(onnx_product_of(c, &y, a, b));
    return quantise(c, y, 6, 7, -1);
}

mp2ml_status onnx_qlinear_binary(struct onnx_call *c, enum graph_op op)
{
    int a, b, y;
    TRY(real_input(c, &a, 0, 1));
    TRY(real_input(c, &b, 3, 1));
    TRY(onnx_binary(c, &y, op, "sum", a, b));
    return quantise(c, y, 6, 7, 1);
}

/* a, scale, zero, b, scale, zero, [bias in units of both scales], [y's scale, zero: else reals].
 * alpha * A' * B' + bias, where ' may transpose. */
mp2ml_status onnx_qlinear_gemm(struct onnx_call *c, enum graph_op op)
{
    float alpha = 1;
    int64_t swap[2] = {0, 0};
    int side[2], y, unit, factor, bias;
    (void)op;
    onnx_attr_float(c, "alpha", &alpha);
    onnx_attr_int(c, "transA", &swap[0]);
    onnx_attr_int(c, "transB", &swap[1]);
    for (unsigned k = 0; k < 2; k++) {
        if (onnx_shape_of(c, c->in[3 * k]).rank != 2)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input %u has shape %s, must have 2 axes", 3 * k,
                             shape_print(onnx_in(c, 3 * k)).text);
        TRY(real_input(c, &side[k], 3 * k, k == 1 && swap[1] == 0 ? 1 : 0));
        if (swap[k] != 0)
            TRY(onnx_transpose(c, &side[k], "transposed", side[k], (const int64_t[]){1, 0}));
    }
    TRY(onnx_scalar(c, &factor, alpha));
    const unsigned constant = onnx_at(c, side[0])->batched ? 1 : 0;
    TRY(onnx_binary(c, &side[constant], GRAPH_MUL, "alpha", side[constant], factor));
    TRY(onnx_product_of(c, &y, side[0], side[1]));
    if (onnx_has(c, 6)) {
        TRY(onnx_want_reals(c, 6));
        TRY(onnx_binary(c, &unit, GRAPH_MUL, "unit", c->in[1], c->in[4]));
        TRY(onnx_binary(c, &unit, GRAPH_MUL, "unit", unit, factor));
        TRY(onnx_binary(c, &bias, GRAPH_MUL, "bias", c->in[6], unit));
        TRY(onnx_binary(c, &y, GRAPH_ADD, NULL, y, bias));
    }
    if (onnx_has(c, 7))
        return quantise(c, y, 7, 8, 1);
    c->out[0] = y;
    onnx_value_out(c, 0)->type = ELEMENT_F32;
    onnx_value_out(c, 0)->integers = false;
    return MP2ML_OK;
}

/* The operator of reals that a quantised one stands for. */
static mp2ml_status of_reals(struct onnx_call *c, enum graph_op op)
{
    switch (op) {
    case GRAPH_AVG_POOL:
        return onnx_pool(c, op);
    case GRAPH_REDUCE_MEAN:
        return onnx_global_pool(c, op);
    case GRAPH_LEAKY_RELU:
        return onnx_leaky_relu(c, op);
    case GRAPH_SOFTMAX:
        return onnx_softmax(c, op);
    default:
        return expand_unary(&c->x, &c->out[0], op, NULL, c->in[0]);
    }
}

/* x, scale, zero, y's scale, zero. */
mp2ml_status onnx_qlinear_unary(struct onnx_call *c, enum graph_op op)
{
    int64_t channels_last = 0;
    onnx_attr_int(c, "channels_last", &channels_last);
    if (channels_last != 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has its channels last");
    TRY(real_input(c, &c->in[0], 0, 1));
    TRY(of_reals(c, op));
    return quantise(c, c->out[0], 3, 4, 1);
}

/* y's scale, zero, and for each part itself, its scale and zero. */
mp2ml_status onnx_qlinear_concat(struct onnx_call *c, enum graph_op op)
{
    const int scale = c->in[0], zero = c->in[1];
    const unsigned n_in = c->n_in;
    if (n_in % 3 != 2)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %u inputs", n_in);
    for (unsigned k = 0; 3 * k + 2 < n_in; k++) /* in front of what is still to be read */
        TRY(real_input(c, &c->in[k], 3 * k + 2, 1));
    c->n_in = n_in / 3;
    TRY(onnx_concat(c, op));
    c->n_in = n_in;
    c->in[0] = scale;
    c->in[1] = zero;
    return quantise(c, c->out[0], 0, 1, 1);
}

/* Its scale and zero point depend on the data; what they are for does not: y = x, in units of 1. */
mp2ml_status onnx_dynamic_quantize(struct onnx_call *c, enum graph_op op)
{
    (void)op;
    c->out[0] = c->in[0];
    if (c->n_out > 1)
        TRY(onnx_scalar(c, &c->out[1], 1));
    if (c->n_out > 2)
        TRY(onnx_scalar(c, &c->out[2], 0));
    return MP2ML_OK;
}

/* Input k less its zero point, input `zero`; an axis for one value a channel. */
static mp2ml_status less_zero(struct onnx_call *c, int *out, unsigned k, unsigned zero,
                              int64_t axis)
{
    *out = c->in[k];
    if (!onnx_in(c, k)->batched) {
        TRY(onnx_want_reals(c, k));
        *out = c->in[k];
    }
    if (!onnx_has(c, zero))
        return MP2ML_OK;
    TRY(onnx_want_reals(c, zero));
    int parameter = c->in[zero];
    TRY(along(c, &parameter, axis, onnx_shape_of(c, *out).rank));
    return onnx_binary(c, out, GRAPH_SUB, "less_zero", *out, parameter);
}

mp2ml_status onnx_integer_conv(struct onnx_call *c, enum graph_op op)
{
    int x, w;
    (void)op;
    TRY(less_zero(c, &x, 0, 2, 1));
    TRY(less_zero(c, &w, 1, 3, 0));
    return onnx_conv_of(c, &c->out[0], x, w, ONNX_ABSENT, false);
}

mp2ml_status onnx_integer_matmul(struct onnx_call *c, enum graph_op op)
{
    int a, b;
    (void)op;
    TRY(less_zero(c, &a, 0, 2, -2));
    TRY(less_zero(c, &b, 1, 3, -1));
    return onnx_product_of(c, &c->out[0], a, b);
}
