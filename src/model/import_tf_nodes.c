/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of TensorFlow's operators: each row names ours and reads the attributes. */
#include <string.h>

#include "model/import_tf_internal.h"

/* Nothing but inputs. */
static mp2ml_status import_plain(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    (void)t;
    (void)def;
    (void)n;
    return MP2ML_OK;
}

/* The switches of training and inference that old files leave open are off. */
static bool is_training_flag(const tf_node *def)
{
    const ModelTf__AttrValue *a = tf_attr(def, "dtype");
    if (a == NULL || a->value_case != MODEL_TF__ATTR_VALUE__VALUE_TYPE || a->type != TF_BOOL)
        return false;
    static const char *const words[] = {"learning_phase", "is_training", "training"};
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
        if (strstr(def->name, words[k]) != NULL)
            return true;
    return false;
}

static mp2ml_status become_false(struct tf_import *t, struct graph_node *n)
{
    n->op = GRAPH_CONST;
    n->integers = true;
    n->rank = 0;
    return graph_tensor_alloc(&t->build, &n->value, true);
}

static mp2ml_status import_placeholder(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    int32_t type = TF_FLOAT;
    TRY(tf_attr_type(&type, def, "dtype", err));
    if (is_training_flag(def))
        return become_false(t, n);
    if (type == TF_BOOL || (!tf_type_is_real(type) && !tf_type_is_integer(type)))
        return tf_fail(
            err, def, MP2ML_ERR_UNSUPPORTED,
            "its values are %s: start the network behind it with --input-node NAME:SHAPE",
            tf_type_name(type));
    if (n->rank != 0) /* given by the user */
        return MP2ML_OK;
    const ModelTf__AttrValue *a = tf_attr(def, "shape");
    if (a != NULL && a->value_case != MODEL_TF__ATTR_VALUE__VALUE_SHAPE)
        return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute 'shape' has the wrong type");
    return tf_batched_shape(&n->rank, n->dims, a != NULL ? a->shape : NULL, def, err);
}

/* An input when it is one of the bounds, or when there are no others; else its default. */
static mp2ml_status import_default(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    if (n->n_inputs != 0)
        return MP2ML_OK;
    n->op = GRAPH_INPUT;
    return import_placeholder(t, def, n);
}

static mp2ml_status import_const(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    const ModelTf__AttrValue *a = tf_attr(def, "value");
    if (a == NULL || a->value_case != MODEL_TF__ATTR_VALUE__VALUE_TENSOR)
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL, "has no value");
    TRY(tf_tensor_read(t, &n->value, a->tensor, def));
    n->integers = tf_type_is_integer(a->tensor->dtype);
    return MP2ML_OK;
}

static mp2ml_status import_matmul(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    TRY(tf_attr_bool(&n->transpose_a, def, "transpose_a", t->build.err));
    return tf_attr_bool(&n->transpose_b, def, "transpose_b", t->build.err);
}

/* Both names of the attribute are in use. */
static mp2ml_status import_squeeze(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, "axis", t->build.err));
    if (count == 0)
        TRY(tf_attr_ints(&list, &count, def, "squeeze_dims", t->build.err));
    if (count > GRAPH_MAX_RANK)
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL,
                       "attribute 'squeeze_dims' has %zu values", count);
    n->n_list = (unsigned)count;
    for (size_t k = 0; k < count; k++)
        n->list[k] = list[k];
    return MP2ML_OK;
}

static mp2ml_status import_softmax(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    (void)t;
    (void)def;
    n->axis = -1;
    return MP2ML_OK;
}

static mp2ml_status import_pack(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    return tf_attr_int(&n->axis, def, "axis", t->build.err);
}

static mp2ml_status import_strided_slice(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    static const char *const keys[5] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                        "shrink_axis_mask"};
    for (size_t k = 0; k < 5; k++)
        TRY(tf_attr_int(&n->mask[k], def, keys[k], t->build.err));
    return MP2ML_OK;
}

static mp2ml_status import_reduce(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    bool keep = false;
    TRY(tf_attr_bool(&keep, def, "keep_dims", t->build.err));
    n->mask[0] = keep;
    return MP2ML_OK;
}

static mp2ml_status import_cast(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    int32_t type = TF_FLOAT;
    TRY(tf_attr_type(&type, def, "DstT", t->build.err));
    if (!tf_type_is_real(type) && !tf_type_is_integer(type))
        return tf_fail(t->build.err, def, MP2ML_ERR_UNSUPPORTED, "attribute 'DstT' is %s",
                       tf_type_name(type));
    n->integers = tf_type_is_integer(type);
    return MP2ML_OK;
}

static mp2ml_status import_leaky_relu(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    n->real = 0.2F;
    return tf_attr_float(&n->real, def, "alpha", t->build.err);
}

/* Operators whose axis comes first in the file have it last here. */
static mp2ml_status import_axis_first(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    (void)t;
    (void)def;
    if (n->n_inputs < 2)
        return MP2ML_OK; /* refused later, by the number of inputs */
    const int axis = n->inputs[0];
    memmove(n->inputs, n->inputs + 1, (n->n_inputs - 1) * sizeof *n->inputs);
    n->inputs[n->n_inputs - 1] = axis;
    return MP2ML_OK;
}

static mp2ml_status import_unpack(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    return tf_attr_int(&n->axis, def, "axis", t->build.err);
}

static mp2ml_status import_batch_matmul(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    TRY(tf_attr_bool(&n->transpose_a, def, "adj_x", t->build.err));
    return tf_attr_bool(&n->transpose_b, def, "adj_y", t->build.err);
}

static mp2ml_status import_take(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    int64_t dims = 0;
    (void)n;
    TRY(tf_attr_int(&dims, def, "batch_dims", t->build.err));
    return dims == 0 ? MP2ML_OK
                     : tf_fail(t->build.err, def, MP2ML_ERR_UNSUPPORTED,
                               "attribute 'batch_dims' is %lld", (long long)dims);
}

static mp2ml_status parts_of(int64_t *count, const tf_node *def, const char *key, mp2ml_error *err)
{
    *count = 0;
    TRY(tf_attr_int(count, def, key, err));
    return *count >= 1 && *count <= GRAPH_MAX_INPUTS
               ? MP2ML_OK
               : tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' is %lld", key,
                         (long long)*count);
}

static mp2ml_status parts_split(int64_t *count, const tf_node *def, mp2ml_error *err)
{
    return parts_of(count, def, "num_split", err);
}

static mp2ml_status parts_unpack(int64_t *count, const tf_node *def, mp2ml_error *err)
{
    return parts_of(count, def, "num", err);
}

static mp2ml_status parts_two(int64_t *count, const tf_node *def, mp2ml_error *err)
{
    (void)def;
    (void)err;
    *count = 2;
    return MP2ML_OK;
}

static mp2ml_status parts_inputs(int64_t *count, const tf_node *def, mp2ml_error *err)
{
    int64_t n = 0;
    for (size_t k = 0; k < def->n_input; k++)
        n += def->input[k][0] != '^';
    *count = n;
    return n >= 1 && n <= GRAPH_MAX_INPUTS
               ? MP2ML_OK
               : tf_fail(err, def, MP2ML_ERR_MODEL, "has %lld inputs", (long long)n);
}

static const struct tf_row table[] = {
    {"Abs", GRAPH_ABS, import_plain, NULL},
    {"Add", GRAPH_ADD, import_plain, NULL},
    {"AddN", GRAPH_ADD_N, import_plain, NULL},
    {"AddV2", GRAPH_ADD, import_plain, NULL},
    {"ArgMax", GRAPH_ARGMAX, import_plain, NULL},
    {"ArgMin", GRAPH_ARGMIN, import_plain, NULL},
    {"AvgPool", GRAPH_AVG_POOL, tf_import_pool, NULL},
    {"BatchMatMul", GRAPH_MATMUL, import_batch_matmul, NULL},
    {"BatchMatMulV2", GRAPH_MATMUL, import_batch_matmul, NULL},
    {"BatchMatMulV3", GRAPH_MATMUL, import_batch_matmul, NULL},
    {"BatchToSpaceND", GRAPH_BATCH_TO_SPACE, import_plain, NULL},
    {"BiasAdd", GRAPH_BIAS_ADD, tf_import_bias_add, NULL},
    {"Cast", GRAPH_CAST, import_cast, NULL},
    {"Ceil", GRAPH_CEIL, import_plain, NULL},
    {"CheckNumerics", GRAPH_IDENTITY, import_plain, NULL},
    {"Concat", GRAPH_CONCAT, import_axis_first, NULL},
    {"ConcatV2", GRAPH_CONCAT, import_plain, NULL},
    {"Const", GRAPH_CONST, import_const, NULL},
    {"Conv2D", GRAPH_CONV2D, tf_import_conv2d, NULL},
    {"DepthToSpace", GRAPH_DEPTH_TO_SPACE, tf_import_depth_to_space, NULL},
    {"DepthwiseConv2dNative", GRAPH_DEPTHWISE, tf_import_conv2d, NULL},
    {"Div", GRAPH_DIV, import_plain, NULL},
    {"EnsureShape", GRAPH_IDENTITY, import_plain, NULL},
    {"Equal", GRAPH_EQUAL, import_plain, NULL},
    {"Exp", GRAPH_EXP, import_plain, NULL},
    {"ExpandDims", GRAPH_EXPAND_DIMS, import_plain, NULL},
    {"Fill", GRAPH_FILL, import_plain, NULL},
    {"Floor", GRAPH_FLOOR, import_plain, NULL},
    {"FloorDiv", GRAPH_FLOOR_DIV, import_plain, NULL},
    {"FloorMod", GRAPH_FLOOR_MOD, import_plain, NULL},
    {"FusedBatchNorm", GRAPH_BATCH_NORM, tf_import_batch_norm, NULL},
    {"FusedBatchNormV2", GRAPH_BATCH_NORM, tf_import_batch_norm, NULL},
    {"FusedBatchNormV3", GRAPH_BATCH_NORM, tf_import_batch_norm, NULL},
    {"Gather", GRAPH_TAKE, import_plain, NULL},
    {"GatherV2", GRAPH_TAKE, import_take, NULL},
    {"Greater", GRAPH_GREATER, import_plain, NULL},
    {"GreaterEqual", GRAPH_GREATER_EQUAL, import_plain, NULL},
    {"Identity", GRAPH_IDENTITY, import_plain, NULL},
    {"IdentityN", GRAPH_IDENTITY, import_plain, parts_inputs},
    {"Inv", GRAPH_RECIPROCAL, import_plain, NULL},
    {"LeakyRelu", GRAPH_LEAKY_RELU, import_leaky_relu, NULL},
    {"Less", GRAPH_LESS, import_plain, NULL},
    {"LessEqual", GRAPH_LESS_EQUAL, import_plain, NULL},
    {"Log", GRAPH_LOG, import_plain, NULL},
    {"LogSoftmax", GRAPH_LOG_SOFTMAX, import_softmax, NULL},
    {"LogicalAnd", GRAPH_LOGICAL_AND, import_plain, NULL},
    {"LogicalNot", GRAPH_LOGICAL_NOT, import_plain, NULL},
    {"LogicalOr", GRAPH_LOGICAL_OR, import_plain, NULL},
    {"MatMul", GRAPH_MATMUL, import_matmul, NULL},
    {"Max", GRAPH_REDUCE_MAX, import_reduce, NULL},
    {"MaxPool", GRAPH_MAX_POOL, tf_import_pool, NULL},
    {"Maximum", GRAPH_MAXIMUM, import_plain, NULL},
    {"Mean", GRAPH_REDUCE_MEAN, import_reduce, NULL},
    {"Merge", GRAPH_MERGE, import_plain, NULL},
    {"Min", GRAPH_REDUCE_MIN, import_reduce, NULL},
    {"Minimum", GRAPH_MINIMUM, import_plain, NULL},
    {"Mul", GRAPH_MUL, import_plain, NULL},
    {"Neg", GRAPH_NEG, import_plain, NULL},
    {"NotEqual", GRAPH_NOT_EQUAL, import_plain, NULL},
    {"OnesLike", GRAPH_ONES_LIKE, import_plain, NULL},
    {"Pack", GRAPH_PACK, import_pack, NULL},
    {"Pad", GRAPH_PAD, import_plain, NULL},
    {"PadV2", GRAPH_PAD, import_plain, NULL},
    {"Placeholder", GRAPH_INPUT, import_placeholder, NULL},
    {"PlaceholderWithDefault", GRAPH_IDENTITY, import_default, NULL},
    {"Pow", GRAPH_POW, import_plain, NULL},
    {"PreventGradient", GRAPH_IDENTITY, import_plain, NULL},
    {"Prod", GRAPH_PROD, import_reduce, NULL},
    {"RandomUniform", GRAPH_RANDOM, import_plain, NULL},
    {"Range", GRAPH_RANGE, import_plain, NULL},
    {"Rank", GRAPH_RANK, import_plain, NULL},
    {"RealDiv", GRAPH_DIV, import_plain, NULL},
    {"Reciprocal", GRAPH_RECIPROCAL, import_plain, NULL},
    {"Relu", GRAPH_RELU, import_plain, NULL},
    {"Relu6", GRAPH_RELU6, import_plain, NULL},
    {"Reshape", GRAPH_RESHAPE, import_plain, NULL},
    {"ReverseV2", GRAPH_REVERSE, import_plain, NULL},
    {"Rint", GRAPH_ROUND, import_plain, NULL},
    {"Round", GRAPH_ROUND, import_plain, NULL},
    {"Rsqrt", GRAPH_RSQRT, import_plain, NULL},
    {"Select", GRAPH_SELECT, import_plain, NULL},
    {"SelectV2", GRAPH_SELECT, import_plain, NULL},
    {"Shape", GRAPH_SHAPE, import_plain, NULL},
    {"Sigmoid", GRAPH_SIGMOID, import_plain, NULL},
    {"Sign", GRAPH_SIGN, import_plain, NULL},
    {"Slice", GRAPH_SLICE, import_plain, NULL},
    {"Softmax", GRAPH_SOFTMAX, import_softmax, NULL},
    {"SpaceToBatchND", GRAPH_SPACE_TO_BATCH, import_plain, NULL},
    {"SpaceToDepth", GRAPH_SPACE_TO_DEPTH, tf_import_depth_to_space, NULL},
    {"Split", GRAPH_SPLIT, import_axis_first, parts_split},
    {"SplitV", GRAPH_SPLIT, import_plain, parts_split},
    {"Sqrt", GRAPH_SQRT, import_plain, NULL},
    {"Square", GRAPH_SQUARE, import_plain, NULL},
    {"SquaredDifference", GRAPH_SQUARED_DIFFERENCE, import_plain, NULL},
    {"Squeeze", GRAPH_SQUEEZE, import_squeeze, NULL},
    {"StatelessRandomUniform", GRAPH_RANDOM, import_plain, NULL},
    {"StopGradient", GRAPH_IDENTITY, import_plain, NULL},
    {"StridedSlice", GRAPH_STRIDED_SLICE, import_strided_slice, NULL},
    {"Sub", GRAPH_SUB, import_plain, NULL},
    {"Sum", GRAPH_REDUCE_SUM, import_reduce, NULL},
    {"Switch", GRAPH_SWITCH, import_plain, parts_two},
    {"Tanh", GRAPH_TANH, import_plain, NULL},
    {"Tile", GRAPH_TILE, import_plain, NULL},
    {"Transpose", GRAPH_TRANSPOSE, import_plain, NULL},
    {"Unpack", GRAPH_UNPACK, import_unpack, parts_unpack},
    {"ZerosLike", GRAPH_ZEROS_LIKE, import_plain, NULL},
};

static const struct tf_composed composed[] = {
    {"BroadcastTo", GRAPH_TILE, tf_compose_broadcast, 2, 2},
    {"ClipByValue", GRAPH_CLIP, tf_compose_clip, 3, 3},
    {"Conv2DBackpropInput", GRAPH_CONV_TRANSPOSE, tf_compose_conv_transpose, 3, 3},
    {"MirrorPad", GRAPH_MIRROR_PAD, tf_compose_mirror_pad, 2, 2},
    {"ResizeBilinear", GRAPH_RESIZE, tf_compose_resize_linear, 2, 2},
    {"ResizeNearestNeighbor", GRAPH_RESIZE, tf_compose_resize_nearest, 2, 2},
    {"_FusedBatchNormEx", GRAPH_BATCH_NORM, tf_compose_fused_norm, 5, 6},
    {"_FusedConv2D", GRAPH_CONV2D, tf_compose_fused, 2, GRAPH_MAX_INPUTS},
    {"_FusedDepthwiseConv2dNative", GRAPH_DEPTHWISE, tf_compose_fused, 2, GRAPH_MAX_INPUTS},
    {"_FusedMatMul", GRAPH_MATMUL, tf_compose_fused, 2, GRAPH_MAX_INPUTS},
};

const struct tf_composed *tf_composed_find(const char *op)
{
    for (size_t k = 0; k < sizeof composed / sizeof composed[0]; k++)
        if (strcmp(composed[k].name, op) == 0)
            return &composed[k];
    return NULL;
}

const struct tf_row *tf_row_find(const char *op)
{
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (strcmp(table[k].name, op) == 0)
            return &table[k];
    return NULL;
}

const char *import_tf_op_name(size_t index)
{
    return index < sizeof table / sizeof table[0] ? table[index].name : NULL;
}

bool tf_is_placeholder(const tf_node *def)
{
    return strcmp(def->op, "Placeholder") == 0 || strcmp(def->op, "PlaceholderWithDefault") == 0;
}

bool tf_is_input(const struct tf_model *m, int node)
{
    const tf_node *def = m->nodes[node];
    if (strcmp(def->op, "Placeholder") == 0)
        return !is_training_flag(def);
    if (m->has_placeholder || strcmp(def->op, "PlaceholderWithDefault") != 0)
        return false;
    const ModelTf__AttrValue *a = tf_attr(def, "shape"); /* numbers alone are settings */
    return a != NULL && a->value_case == MODEL_TF__ATTR_VALUE__VALUE_SHAPE && a->shape->n_dim > 1;
}

bool tf_is_side_effect(const tf_node *def)
{
    const size_t length = strlen(def->op);
    return strcmp(def->op, "Assert") == 0 || strcmp(def->op, "NoOp") == 0 ||
           (length > 7 && strcmp(def->op + length - 7, "Summary") == 0);
}
