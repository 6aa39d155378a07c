/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ONNX's operators, and those that work value by value or make constants. Opsets from
 * 7 on; what an attribute was in older ones and an input is in newer ones is read from where it
 * is. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "model/import_onnx_internal.h"

/* One of ours. */
static mp2ml_status onnx_plain(struct onnx_call *c, enum graph_op op)
{
    struct graph_node *n;
    TRY(expand_node(&c->x, op, NULL, c->in, c->n_in, &n));
    return expand_settle(&c->x, &c->out[0]);
}

/* The first input is the first output. */
static mp2ml_status onnx_identity(struct onnx_call *c, enum graph_op op)
{
    (void)op;
    c->out[0] = c->in[0];
    return MP2ML_OK;
}

/* A constant of ones of the same shape, where that is known. */
static mp2ml_status ones_like(struct onnx_call *c, int *out, int a)
{
    const struct onnx_shape s = onnx_shape_of(c, a);
    int64_t *values;
    if (s.rank != 0 && s.dims[0] < 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "makes a mask for a batch of unknown size");
    TRY(expand_integers(&c->x, out, "ones", s.dims, s.rank, &values));
    for (size_t k = 0; k < onnx_at(c, *out)->value.count; k++)
        values[k] = 1;
    return MP2ML_OK;
}

/* For inference: before opset 7 if is_test says so, from 12 on unless input 2 says otherwise. With
 * ratio 0 that is no matter. */
static mp2ml_status onnx_dropout(struct onnx_call *c, enum graph_op op)
{
    int64_t test = c->t->model->opset >= 7;
    float ratio = 0.5F, training = 0;
    onnx_attr_int(c, "is_test", &test);
    TRY(onnx_number(c, 1, "ratio", &ratio));
    TRY(onnx_number(c, 2, NULL, &training));
    if ((test == 0 || training < 0 || training > 0) && (ratio < 0 || ratio > 0))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "drops values at random, as in training: export the model for "
                         "inference (model.eval())");
    if (onnx_wanted(c, 1)) /* the mask: nothing is dropped */
        TRY(ones_like(c, &c->out[1], c->in[0]));
    return onnx_identity(c, op);
}

/* Before opset 7 operand 1 lies along the axes of operand 0 from `axis` on. */
static mp2ml_status old_axis(struct onnx_call *c)
{
    const struct onnx_shape x = onnx_shape_of(c, c->in[0]);
    struct onnx_shape y = onnx_shape_of(c, c->in[1]);
    int64_t axis = 0;
    if (c->t->model->opset >= 7 || onnx_attr(c->def, "axis") == NULL)
        return MP2ML_OK;
    onnx_attr_int(c, "axis", &axis);
    axis += axis < 0 ? x.rank : 0;
    if (axis < 0 || axis > (int64_t)x.rank - (int64_t)y.rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "shape %s does not lie along %s from axis %lld on",
                         shape_print(onnx_in(c, 1)).text, shape_print(onnx_in(c, 0)).text,
                         (long long)axis);
    if (axis != 0 && onnx_in(c, 1)->batched && !c->t->whole)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis");
    while (axis + y.rank < x.rank)
        y.dims[y.rank++] = 1;
    return onnx_reshape(c, &c->in[1], "axes", c->in[1], &y);
}

static mp2ml_status onnx_elementwise(struct onnx_call *c, enum graph_op op)
{
    TRY(old_axis(c));
    if (op == GRAPH_DIV) {
        const struct graph_node *y = onnx_in(c, 1);
        if (y->batched)
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "divides by data; a divisor must be a constant");
        if (onnx_in(c, 0)->batched && onnx_value_in(c, 0)->integers)
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "divides integers, which would be cut off: cast them to float before");
    }
    if (op == GRAPH_DIV && onnx_in(c, 0)->integers && onnx_in(c, 1)->integers)
        op = GRAPH_FLOOR_DIV; /* of constants: sizes */
    return onnx_binary(c, &c->out[0], op, NULL, c->in[0], c->in[1]);
}

/* Any number of operands. */
static mp2ml_status onnx_variadic(struct onnx_call *c, enum graph_op op)
{
    int sum = c->in[0];
    for (unsigned k = 1; k < c->n_in; k++)
        TRY(onnx_binary(c, &sum, op, k + 1 == c->n_in ? NULL : "part", sum, c->in[k]));
    c->out[0] = sum;
    return MP2ML_OK;
}

static mp2ml_status onnx_mean(struct onnx_call *c, enum graph_op op)
{
    int sum = c->in[0], count;
    for (unsigned k = 1; k < c->n_in; k++)
        TRY(onnx_binary(c, &sum, op, "part", sum, c->in[k]));
    TRY(onnx_scalar(c, &count, (float)c->n_in));
    return onnx_binary(c, &c->out[0], GRAPH_DIV, NULL, sum, count);
}

mp2ml_status onnx_leaky_relu(struct onnx_call *c, enum graph_op op)
{
    struct graph_node *n;
    TRY(expand_node(&c->x, op, NULL, c->in, 1, &n));
    n->real = 0.01F;
    onnx_attr_float(c, "alpha", &n->real);
    return expand_settle(&c->x, &c->out[0]);
}

static mp2ml_status onnx_prelu(struct onnx_call *c, enum graph_op op)
{
    (void)op;
    TRY(onnx_want_reals(c, 1));
    int slope = c->in[1], data = c->in[0];
    const struct graph_node *n = onnx_at(c, slope);
    const unsigned rank = onnx_shape_of(c, data).rank;
    if (c->t->model->opset < 7 && n->rank == 1 && n->value.count > 1 && rank > 2) {
        const int64_t channels[GRAPH_MAX_RANK] = {n->dims[0], 1, 1, 1, 1, 1, 1, 1};
        TRY(expand_reshape(&c->x, &slope, "slope", slope, channels, rank - 1));
    }
    TRY(onnx_align(c, &data, &slope));
    return compose_prelu(&c->x, &c->out[0], data, slope);
}

static mp2ml_status onnx_clip(struct onnx_call *c, enum graph_op op)
{
    float low = -INFINITY, high = INFINITY;
    (void)op;
    TRY(onnx_number(c, 1, "min", &low));
    TRY(onnx_number(c, 2, "max", &high));
    if (isnan(low) || isnan(high))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "its bounds are no numbers");
    if (low > high) /* everything becomes the upper bound */
        low = high;
    low = low < -FLT_MAX ? -INFINITY : low; /* as exporters write no bound */
    high = high > FLT_MAX ? INFINITY : high;
    return compose_clip(&c->x, &c->out[0], c->in[0], low, high);
}

static mp2ml_status onnx_hard_sigmoid(struct onnx_call *c, enum graph_op op)
{
    float alpha = 0.2F, beta = 0.5F;
    (void)op;
    onnx_attr_float(c, "alpha", &alpha);
    onnx_attr_float(c, "beta", &beta);
    return compose_hard_sigmoid(&c->x, &c->out[0], c->in[0], alpha, beta);
}

static mp2ml_status onnx_hard_swish(struct onnx_call *c, enum graph_op op)
{
    (void)op;
    return compose_hard_swish(&c->x, &c->out[0], c->in[0]);
}

static mp2ml_status onnx_cast(struct onnx_call *c, enum graph_op op)
{
    int64_t to = 0;
    onnx_attr_int(c, "to", &to);
    const enum element_type type = to > 0 && to < 64 ? onnx_element((int32_t)to) : ELEMENT_NONE;
    if (type == ELEMENT_NONE)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "to a type that is %s (%lld)",
                         onnx_type_name(to > 0 && to < 64 ? (int32_t)to : 0), (long long)to);
    const struct graph_node *x = onnx_in(c, 0);
    const bool integers = element_is_integer(type);
    if (x->batched && integers && !x->integers && !onnx_value_in(c, 0)->integers)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "rounds data to integers, which has no private form");
    if (x->batched && type == ELEMENT_BOOL)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "makes truth values of data");
    onnx_value_out(c, 0)->integers = integers;
    onnx_value_out(c, 0)->type = type;
    if (x->batched) {
        c->out[0] = c->in[0];
        return MP2ML_OK;
    }
    struct graph_node *n;
    TRY(expand_node(&c->x, op, NULL, c->in, 1, &n));
    n->integers = integers;
    return expand_settle(&c->x, &c->out[0]);
}

/* Softmax before opset 13 takes all axes from `axis` on as one. */
mp2ml_status onnx_softmax(struct onnx_call *c, enum graph_op op)
{
    const bool flat = c->t->model->opset < 13;
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t axis = flat ? 1 : -1, behind = 1;
    int a = c->in[0];
    unsigned at;
    struct graph_node *n;
    onnx_attr_int(c, "axis", &axis);
    TRY(onnx_axis(c, a, axis, &at));
    axis += axis < 0 ? s.rank : 0;
    for (unsigned d = (unsigned)axis + 1; d < s.rank; d++)
        behind *= s.dims[d];
    const bool reshape = flat && behind != 1;
    if (reshape) {
        struct onnx_shape two = {.rank = (unsigned)axis + 1};
        memcpy(two.dims, s.dims, sizeof two.dims);
        two.dims[axis] = s.dims[axis] * behind;
        TRY(onnx_reshape(c, &a, "rows", a, &two));
    }
    TRY(expand_node(&c->x, op, reshape ? "flat" : NULL, &a, 1, &n));
    n->axis = at;
    TRY(expand_settle(&c->x, &a));
    c->out[0] = a;
    return reshape ? onnx_reshape(c, &c->out[0], NULL, a, &s) : MP2ML_OK;
}

static mp2ml_status onnx_argmax(struct onnx_call *c, enum graph_op op)
{
    int64_t axis = 0, keep = 1, last = 0;
    unsigned at;
    struct graph_node *n;
    onnx_attr_int(c, "axis", &axis);
    onnx_attr_int(c, "keepdims", &keep);
    onnx_attr_int(c, "select_last_index", &last);
    TRY(onnx_axis(c, c->in[0], axis, &at));
    struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    s.dims[axis < 0 ? axis + s.rank : axis] = 1;
    TRY(expand_node(&c->x, op, keep != 0 ? "index" : NULL, c->in, 1, &n));
    n->axis = at;
    n->mask[0] = last != 0;
    TRY(expand_settle(&c->x, &c->out[0]));
    onnx_value_out(c, 0)->integers = true;
    return keep != 0 ? onnx_reshape(c, &c->out[0], NULL, c->out[0], &s) : MP2ML_OK;
}

/* Reductions: the axes are an attribute or, later, input 1. */
static mp2ml_status onnx_reduce(struct onnx_call *c, enum graph_op op)
{
    int64_t keep = 1, idle = 0, *to;
    const int64_t *list;
    size_t count;
    int axes;
    struct graph_node *n;
    onnx_attr_int(c, "keepdims", &keep);
    onnx_attr_int(c, "noop_with_empty_axes", &idle);
    TRY(onnx_ints(c, 1, "axes", &list, &count));
    if (count == 0 && idle != 0)
        return onnx_identity(c, op);
    const unsigned rank = onnx_shape_of(c, c->in[0]).rank;
    const size_t all = count != 0 ? count : rank;
    if (all > GRAPH_MAX_RANK)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "lists %zu axes", all);
    if (op == GRAPH_REDUCE_MEAN && onnx_in(c, 0)->batched && onnx_value_in(c, 0)->integers)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "takes the mean of integers, which is cut off");
    TRY(expand_integers(&c->x, &axes, "axes", (const int64_t[]){(int64_t)all}, 1, &to));
    for (size_t k = 0; k < all; k++) {
        unsigned at;
        TRY(onnx_axis(c, c->in[0], count != 0 ? list[k] : (int64_t)k, &at));
        to[k] = at;
    }
    TRY(expand_node(&c->x, op, NULL, (const int[]){c->in[0], axes}, 2, &n));
    n->mask[0] = keep != 0;
    return expand_settle(&c->x, &c->out[0]);
}

static mp2ml_status onnx_reduce_of(struct onnx_call *c, enum graph_op first)
{
    TRY(expand_unary(&c->x, &c->in[0], first, "each", c->in[0]));
    return onnx_reduce(c, GRAPH_REDUCE_SUM);
}

/* Constants ----------------------------------------------------------------------------------- */

static mp2ml_status constant_list(struct onnx_call *c, const Onnx__Attribute *a)
{
    const bool integers = strncmp(a->name, "value_int", 9) == 0;
    const bool list = a->name[strlen(a->name) - 1] == 's';
    const size_t count = !list ? 1 : integers ? a->n_ints : a->n_floats;
    const int64_t dims[1] = {(int64_t)count};
    float *f;
    int64_t *i;
    onnx_value_out(c, 0)->type = integers ? ELEMENT_I64 : ELEMENT_F32;
    if (integers) {
        TRY(expand_integers(&c->x, &c->out[0], NULL, dims, list ? 1 : 0, &i));
        for (size_t k = 0; k < count; k++)
            i[k] = list ? a->ints[k] : a->i;
        return MP2ML_OK;
    }
    TRY(expand_floats(&c->x, &c->out[0], NULL, dims, list ? 1 : 0, &f));
    for (size_t k = 0; k < count; k++)
        f[k] = list ? a->floats[k] : a->f;
    return MP2ML_OK;
}

static mp2ml_status onnx_constant(struct onnx_call *c, enum graph_op op)
{
    static const char *const lists[] = {"value_float", "value_floats", "value_int", "value_ints"};
    const Onnx__Attribute *a = onnx_attr(c->def, "value");
    if (c->def->n_attribute != 1)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %zu values", c->def->n_attribute);
    if (a != NULL) {
        struct graph_tensor value = {0};
        bool integers;
        struct graph_node *n;
        TRY(onnx_tensor_read(c->t, &value, &integers, a->t));
        const mp2ml_status status = expand_node(&c->x, op, NULL, NULL, 0, &n);
        if (status != MP2ML_OK) {
            graph_tensor_wipe(&value);
            return status;
        }
        n->value = value;
        n->integers = integers;
        onnx_value_out(c, 0)->type = onnx_element(a->t->data_type);
        return expand_settle(&c->x, &c->out[0]);
    }
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
        if ((a = onnx_attr(c->def, lists[k])) != NULL)
            return constant_list(c, a);
    return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "its value is not a dense tensor of numbers");
}

static mp2ml_status onnx_constant_of_shape(struct onnx_call *c, enum graph_op op)
{
    Onnx__Attribute *a = onnx_attr(c->def, "value");
    int value;
    struct graph_node *n;
    if (a != NULL) {
        struct graph_tensor one = {0};
        bool integers;
        TRY(onnx_tensor_read(c->t, &one, &integers, a->t));
        const mp2ml_status status = expand_node(&c->x, GRAPH_CONST, "value", NULL, 0, &n);
        if (status != MP2ML_OK) {
            graph_tensor_wipe(&one);
            return status;
        }
        n->value = one;
        n->integers = integers;
        onnx_value_out(c, 0)->type = onnx_element(a->t->data_type);
        TRY(expand_settle(&c->x, &value));
    } else {
        onnx_value_out(c, 0)->type = ELEMENT_F32;
        TRY(onnx_scalar(c, &value, 0));
    }
    TRY(onnx_want_constant(c, 0));
    return expand_binary(&c->x, &c->out[0], op, NULL, c->in[0], value);
}

/* A slice of the shape, as it is in the file. */
static mp2ml_status onnx_shape_op(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t start = 0, end = s.rank, *values;
    (void)op;
    onnx_attr_int(c, "start", &start);
    onnx_attr_int(c, "end", &end);
    const int64_t rank = s.rank;
    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    const int64_t count = end > start ? end - start : 0;
    TRY(expand_integers(&c->x, &c->out[0], NULL, (const int64_t[]){count}, 1, &values));
    for (int64_t k = 0; k < count; k++)
        values[k] = s.dims[start + k];
    onnx_value_out(c, 0)->integers = true;
    return MP2ML_OK;
}

static mp2ml_status onnx_size(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t *value, count = 1;
    (void)op;
    for (unsigned d = 0; d < s.rank; d++)
        count *=
            s.dims[d]; /* below 2^31 but for the batch; -1 times: of a batch that is not known */
    if (count < 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "computes with the batch size");
    return expand_integers(&c->x, &c->out[0], NULL, NULL, 0, &value) == MP2ML_OK
               ? (*value = count, MP2ML_OK)
               : MP2ML_ERR_MEMORY;
}

#define ANY GRAPH_MAX_INPUTS
#define MICROSOFT "com.microsoft"
#define ML "ai.onnx.ml"

static const struct onnx_row table[] = {
    {"Abs", GRAPH_ABS, onnx_plain, 1, 1, NULL, 1},
    {"Add", GRAPH_ADD, onnx_elementwise, 2, 2, NULL, 1},
    {"And", GRAPH_LOGICAL_AND, onnx_elementwise, 2, 2, NULL, 1},
    {"ArgMax", GRAPH_ARGMAX, onnx_argmax, 1, 1, NULL, 1},
    {"ArgMin", GRAPH_ARGMIN, onnx_argmax, 1, 1, NULL, 1},
    {"AveragePool", GRAPH_AVG_POOL, onnx_pool, 1, 1, NULL, 1},
    {"BatchNormalization", GRAPH_BATCH_NORM, onnx_batch_norm, 5, 5, NULL, 1},
    {"Cast", GRAPH_CAST, onnx_cast, 1, 1, NULL, 6},
    {"Ceil", GRAPH_CEIL, onnx_plain, 1, 1, NULL, 1},
    {"Clip", GRAPH_CLIP, onnx_clip, 1, 3, NULL, 1},
    {"Concat", GRAPH_CONCAT, onnx_concat, 1, ANY, NULL, 4},
    {"Constant", GRAPH_CONST, onnx_constant, 0, 0, NULL, 1},
    {"ConstantOfShape", GRAPH_FILL, onnx_constant_of_shape, 1, 1, NULL, 9},
    {"Conv", GRAPH_CONV2D, onnx_conv, 2, 3, NULL, 1},
    {"ConvInteger", GRAPH_CONV2D, onnx_integer_conv, 2, 4, NULL, 10},
    {"ConvTranspose", GRAPH_CONV_TRANSPOSE, onnx_conv_transpose, 2, 3, NULL, 1},
    {"DepthToSpace", GRAPH_DEPTH_TO_SPACE, onnx_depth_to_space, 1, 1, NULL, 1},
    {"DequantizeLinear", GRAPH_MUL, onnx_dequantize, 2, 3, NULL, 10},
    {"Div", GRAPH_DIV, onnx_elementwise, 2, 2, NULL, 1},
    {"Dropout", GRAPH_IDENTITY, onnx_dropout, 1, 3, NULL, 1},
    {"DynamicQuantizeLinear", GRAPH_IDENTITY, onnx_dynamic_quantize, 1, 1, NULL, 11},
    {"Equal", GRAPH_EQUAL, onnx_elementwise, 2, 2, NULL, 1},
    {"Exp", GRAPH_EXP, onnx_plain, 1, 1, NULL, 1},
    {"Expand", GRAPH_TILE, onnx_expand, 2, 2, NULL, 8},
    {"Flatten", GRAPH_RESHAPE, onnx_flatten, 1, 1, NULL, 1},
    {"Floor", GRAPH_FLOOR, onnx_plain, 1, 1, NULL, 1},
    {"Gather", GRAPH_TAKE, onnx_gather_op, 2, 2, NULL, 1},
    {"Gemm", GRAPH_MATMUL, onnx_gemm, 2, 3, NULL, 1},
    {"GlobalAveragePool", GRAPH_REDUCE_MEAN, onnx_global_pool, 1, 1, NULL, 1},
    {"GlobalMaxPool", GRAPH_REDUCE_MAX, onnx_global_pool, 1, 1, NULL, 1},
    {"Greater", GRAPH_GREATER, onnx_elementwise, 2, 2, NULL, 1},
    {"GreaterOrEqual", GRAPH_GREATER_EQUAL, onnx_elementwise, 2, 2, NULL, 12},
    {"HardSigmoid", GRAPH_HARD_SIGMOID, onnx_hard_sigmoid, 1, 1, NULL, 1},
    {"HardSwish", GRAPH_HARD_SWISH, onnx_hard_swish, 1, 1, NULL, 14},
    {"Identity", GRAPH_IDENTITY, onnx_identity, 1, 1, NULL, 1},
    {"LeakyRelu", GRAPH_LEAKY_RELU, onnx_leaky_relu, 1, 1, NULL, 1},
    {"Less", GRAPH_LESS, onnx_elementwise, 2, 2, NULL, 1},
    {"LessOrEqual", GRAPH_LESS_EQUAL, onnx_elementwise, 2, 2, NULL, 12},
    {"LinearClassifier", GRAPH_MATMUL, onnx_ml_classifier, 1, 1, ML, 1},
    {"LinearRegressor", GRAPH_MATMUL, onnx_ml_regressor, 1, 1, ML, 1},
    {"Log", GRAPH_LOG, onnx_plain, 1, 1, NULL, 1},
    {"LogSoftmax", GRAPH_LOG_SOFTMAX, onnx_softmax, 1, 1, NULL, 1},
    {"MatMul", GRAPH_MATMUL, onnx_matmul, 2, 2, NULL, 1},
    {"MatMulInteger", GRAPH_MATMUL, onnx_integer_matmul, 2, 4, NULL, 10},
    {"Max", GRAPH_MAXIMUM, onnx_variadic, 1, ANY, NULL, 1},
    {"MaxPool", GRAPH_MAX_POOL, onnx_pool, 1, 1, NULL, 1},
    {"Mean", GRAPH_ADD, onnx_mean, 1, ANY, NULL, 1},
    {"Min", GRAPH_MINIMUM, onnx_variadic, 1, ANY, NULL, 1},
    {"Mul", GRAPH_MUL, onnx_elementwise, 2, 2, NULL, 1},
    {"Neg", GRAPH_NEG, onnx_plain, 1, 1, NULL, 1},
    {"Not", GRAPH_LOGICAL_NOT, onnx_plain, 1, 1, NULL, 1},
    {"Or", GRAPH_LOGICAL_OR, onnx_elementwise, 2, 2, NULL, 1},
    {"PRelu", GRAPH_PRELU, onnx_prelu, 2, 2, NULL, 1},
    {"Pad", GRAPH_PAD, onnx_pad, 1, 4, NULL, 1},
    {"Pow", GRAPH_POW, onnx_elementwise, 2, 2, NULL, 1},
    {"QGemm", GRAPH_MATMUL, onnx_qlinear_gemm, 6, 9, MICROSOFT, 1},
    {"QLinearAdd", GRAPH_ADD, onnx_qlinear_binary, 7, 8, MICROSOFT, 1},
    {"QLinearAveragePool", GRAPH_AVG_POOL, onnx_qlinear_unary, 4, 5, MICROSOFT, 1},
    {"QLinearConcat", GRAPH_CONCAT, onnx_qlinear_concat, 5, ANY, MICROSOFT, 1},
    {"QLinearConv", GRAPH_CONV2D, onnx_qlinear_conv, 8, 9, NULL, 10},
    {"QLinearGlobalAveragePool", GRAPH_REDUCE_MEAN, onnx_qlinear_unary, 4, 5, MICROSOFT, 1},
    {"QLinearLeakyRelu", GRAPH_LEAKY_RELU, onnx_qlinear_unary, 4, 5, MICROSOFT, 1},
    {"QLinearMatMul", GRAPH_MATMUL, onnx_qlinear_matmul, 8, 8, NULL, 10},
    {"QLinearMul", GRAPH_MUL, onnx_qlinear_binary, 7, 8, MICROSOFT, 1},
    {"QLinearSigmoid", GRAPH_SIGMOID, onnx_qlinear_unary, 4, 5, MICROSOFT, 1},
    {"QLinearSoftmax", GRAPH_SOFTMAX, onnx_qlinear_unary, 4, 5, MICROSOFT, 1},
    {"QuantizeLinear", GRAPH_CLIP, onnx_quantize, 2, 3, NULL, 10},
    {"Range", GRAPH_RANGE, onnx_plain, 3, 3, NULL, 11},
    {"Reciprocal", GRAPH_RECIPROCAL, onnx_plain, 1, 1, NULL, 1},
    {"ReduceL1", GRAPH_ABS, onnx_reduce_of, 1, 2, NULL, 1},
    {"ReduceMax", GRAPH_REDUCE_MAX, onnx_reduce, 1, 2, NULL, 1},
    {"ReduceMean", GRAPH_REDUCE_MEAN, onnx_reduce, 1, 2, NULL, 1},
    {"ReduceMin", GRAPH_REDUCE_MIN, onnx_reduce, 1, 2, NULL, 1},
    {"ReduceProd", GRAPH_PROD, onnx_reduce, 1, 2, NULL, 1},
    {"ReduceSum", GRAPH_REDUCE_SUM, onnx_reduce, 1, 2, NULL, 1},
    {"ReduceSumSquare", GRAPH_SQUARE, onnx_reduce_of, 1, 2, NULL, 1},
    {"Relu", GRAPH_RELU, onnx_plain, 1, 1, NULL, 1},
    {"Reshape", GRAPH_RESHAPE, onnx_reshape_op, 2, 2, NULL, 5},
    {"Resize", GRAPH_RESIZE, onnx_resize, 1, 4, NULL, 10},
    {"Round", GRAPH_ROUND, onnx_plain, 1, 1, NULL, 11},
    {"Scaler", GRAPH_MUL, onnx_ml_scaler, 1, 1, ML, 1},
    {"Shape", GRAPH_SHAPE, onnx_shape_op, 1, 1, NULL, 1},
    {"Sigmoid", GRAPH_SIGMOID, onnx_plain, 1, 1, NULL, 1},
    {"Sign", GRAPH_SIGN, onnx_plain, 1, 1, NULL, 9},
    {"Size", GRAPH_SHAPE, onnx_size, 1, 1, NULL, 1},
    {"Slice", GRAPH_STRIDED_SLICE, onnx_slice, 1, 5, NULL, 1},
    {"Softmax", GRAPH_SOFTMAX, onnx_softmax, 1, 1, NULL, 1},
    {"SpaceToDepth", GRAPH_SPACE_TO_DEPTH, onnx_space_to_depth, 1, 1, NULL, 1},
    {"Split", GRAPH_SPLIT, onnx_split, 1, 2, NULL, 1},
    {"Sqrt", GRAPH_SQRT, onnx_plain, 1, 1, NULL, 1},
    {"Squeeze", GRAPH_SQUEEZE, onnx_squeeze, 1, 2, NULL, 1},
    {"Sub", GRAPH_SUB, onnx_elementwise, 2, 2, NULL, 1},
    {"Sum", GRAPH_ADD, onnx_variadic, 1, ANY, NULL, 1},
    {"Tanh", GRAPH_TANH, onnx_plain, 1, 1, NULL, 1},
    {"Tile", GRAPH_TILE, onnx_tile, 2, 2, NULL, 1},
    {"Transpose", GRAPH_TRANSPOSE, onnx_transpose_op, 1, 1, NULL, 1},
    {"Unsqueeze", GRAPH_EXPAND_DIMS, onnx_unsqueeze, 1, 2, NULL, 1},
    {"Upsample", GRAPH_RESIZE, onnx_resize, 1, 2, NULL, 7},
    {"Where", GRAPH_SELECT, onnx_plain, 3, 3, NULL, 9},
};

const struct onnx_row *onnx_row_find(const char *domain, const char *op)
{
    domain = strcmp(domain, "ai.onnx") == 0 ? "" : domain;
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (strcmp(table[k].name, op) == 0 &&
            strcmp(table[k].domain != NULL ? table[k].domain : "", domain) == 0)
            return &table[k];
    return NULL;
}

const char *import_onnx_op_name(size_t index)
{
    return index < sizeof table / sizeof table[0] ? table[index].name : NULL;
}
