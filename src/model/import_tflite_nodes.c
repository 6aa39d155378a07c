/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of TensorFlow Lite's operators, by their numbers, and the rules of those without
 * weights. An operator's options are a table whose fields have the numbers given here. */
#include <stdlib.h>

#include "model/import_tflite_internal.h"

/* A node with all of the operator's inputs. */
static mp2ml_status with_inputs(struct tflite_import *t, const struct tflite_op *op,
                                const char *suffix, struct graph_node **n)
{
    const size_t count = op->inputs.count;
    int *inputs = malloc((count + 1) * sizeof *inputs);
    if (inputs == NULL)
        return status_fail(t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    mp2ml_status status = MP2ML_OK;
    for (size_t k = 0; k < count; k++)
        TRY_OUT(tflite_input(t, op, k, &inputs[k]));
    TRY_OUT(expand_node(&t->expand, op->row->op, suffix, inputs, (unsigned)count, n));
out:
    free(inputs);
    return status;
}

static mp2ml_status settle(struct tflite_import *t, int *out)
{
    return expand_settle(&t->expand, out);
}

static mp2ml_status import_plain(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    return settle(t, out);
}

/* With a number of the options as the node's axis. */
static mp2ml_status with_axis(struct tflite_import *t, const struct tflite_op *op, int *out,
                              unsigned field)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    n->axis = flatbuffer_i32(&op->options, field, 0);
    return settle(t, out);
}

/* Values ---------------------------------------------------------------------------------------- */

static mp2ml_status import_arithmetic(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int node;
    struct graph_node *n;
    const uint8_t activation = flatbuffer_u8(&op->options, 0, TFLITE_NONE);
    TRY(with_inputs(t, op, tflite_hint(activation), &n));
    TRY(settle(t, &node));
    return tflite_activate(t, op, out, node, activation);
}

static mp2ml_status import_batch_matmul(struct tflite_import *t, const struct tflite_op *op,
                                        int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    n->transpose_a = flatbuffer_u8(&op->options, 0, 0) != 0;
    n->transpose_b = flatbuffer_u8(&op->options, 1, 0) != 0;
    return settle(t, out);
}

static mp2ml_status import_relu_1(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a;
    TRY(tflite_input(t, op, 0, &a));
    return compose_clip(&t->expand, out, a, -1, 1);
}

static mp2ml_status import_relu_0_to_1(struct tflite_import *t, const struct tflite_op *op,
                                       int *out)
{
    int a;
    TRY(tflite_input(t, op, 0, &a));
    return compose_clip(&t->expand, out, a, 0, 1);
}

static mp2ml_status import_hard_swish(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a;
    TRY(tflite_input(t, op, 0, &a));
    return compose_hard_swish(&t->expand, out, a);
}

static mp2ml_status import_leaky_relu(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    n->real = flatbuffer_f32(&op->options, 0, 0);
    return settle(t, out);
}

static mp2ml_status import_prelu(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a, slope;
    TRY(tflite_input(t, op, 0, &a));
    TRY(tflite_input(t, op, 1, &slope));
    return compose_prelu(&t->expand, out, a, slope);
}

/* Of beta times the data. */
static mp2ml_status import_softmax(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a, beta;
    struct graph_node *n;
    const float factor = flatbuffer_f32(&op->options, 0, 0);
    if (!(factor > 0))
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "has beta %g", (double)factor);
    TRY(tflite_input(t, op, 0, &a));
    if (factor < 1 || factor > 1) {
        TRY(expand_scalar(&t->expand, &beta, "beta", factor));
        TRY(expand_binary(&t->expand, &a, GRAPH_MUL, "beta*x", a, beta));
    }
    TRY(expand_node(&t->expand, GRAPH_SOFTMAX, NULL, &a, 1, &n));
    n->axis = -1;
    return settle(t, out);
}

static mp2ml_status import_log_softmax(struct tflite_import *t, const struct tflite_op *op,
                                       int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    n->axis = -1;
    return settle(t, out);
}

static mp2ml_status import_reduce(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    n->mask[0] = flatbuffer_u8(&op->options, 0, 0) != 0;
    return settle(t, out);
}

/* A constant is read where it is used, in the order of axes that is wanted there. */
static mp2ml_status import_quantize(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int tensor, a;
    if (tflite_constant_input(t, op, 0, &tensor)) {
        t->places[flatbuffer_i32_at(&op->outputs, op->part)].constant = tensor;
        *out = TFLITE_NO_NODE;
        return MP2ML_OK;
    }
    TRY(tflite_input(t, op, 0, &a));
    return expand_unary(&t->expand, out, GRAPH_IDENTITY, NULL, a);
}

static mp2ml_status is_integer_tensor(struct tflite_import *t, int32_t tensor, bool *integer)
{
    struct tflite_tensor s;
    TRY(tflite_tensor_read(&s, t->model, tensor, t->build.err));
    *integer = element_is_integer(s.type) && !s.quantised;
    return MP2ML_OK;
}

/* Data that are integers in the file, such as pixels, are real numbers here from the input on. */
static mp2ml_status import_cast(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a;
    bool from, to;
    struct graph_node *n;
    TRY(tflite_input(t, op, 0, &a));
    TRY(is_integer_tensor(t, flatbuffer_i32_at(&op->inputs, 0), &from));
    TRY(is_integer_tensor(t, flatbuffer_i32_at(&op->outputs, op->part), &to));
    const struct graph_node *x = tflite_node(t, a);
    if (x->batched && from && to)
        return expand_unary(&t->expand, out, GRAPH_IDENTITY, NULL, a);
    TRY(with_inputs(t, op, NULL, &n));
    n->integers = to;
    return settle(t, out);
}

/* Shapes ---------------------------------------------------------------------------------------- */

/* The shape asked for: input 1, or in old files the options' list. */
static mp2ml_status wanted_shape(struct tflite_import *t, const struct tflite_op *op, int64_t *dims,
                                 unsigned *rank)
{
    struct graph_tensor values = {0};
    const struct flatbuffer_vector list = flatbuffer_list(&op->options, 0, 4);
    if (tflite_has_input(op, 1))
        TRY(tflite_integers(t, op, 1, &values));
    const bool given = values.i != NULL;
    const size_t count = given ? values.count : list.count;
    if (count > GRAPH_MAX_RANK)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "asks for a shape of %zu axes", count);
    *rank = (unsigned)count;
    for (unsigned d = 0; d < *rank; d++)
        dims[d] = given ? values.i[d] : flatbuffer_i32_at(&list, d);
    return MP2ML_OK;
}

/* The number of samples in front means the batch, a multiple of it several rows a sample. */
static mp2ml_status import_reshape(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a;
    int64_t dims[GRAPH_MAX_RANK];
    unsigned rank = 0;
    TRY(tflite_input(t, op, 0, &a));
    TRY(wanted_shape(t, op, dims, &rank));
    if (tflite_node(t, a)->batched && rank != 0 && dims[0] > 0) {
        if (dims[0] % t->batch != 0)
            return tflite_fail(
                t, op, MP2ML_ERR_UNSUPPORTED,
                "asks for %lld on the first axis, which must be the batch, %lld, or a "
                "multiple of it",
                (long long)dims[0], (long long)t->batch);
        dims[0] = -(dims[0] / t->batch);
    }
    return expand_reshape(&t->expand, out, NULL, a, dims, rank);
}

static mp2ml_status import_squeeze(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    struct graph_node *n;
    const struct flatbuffer_vector axes = flatbuffer_list(&op->options, 0, 4);
    if (axes.count > GRAPH_MAX_RANK)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "removes %zu axes", axes.count);
    TRY(with_inputs(t, op, NULL, &n));
    n->n_list = (unsigned)axes.count;
    for (unsigned k = 0; k < n->n_list; k++)
        n->list[k] = flatbuffer_i32_at(&axes, k);
    return settle(t, out);
}

/* The same integers with another first one. */
static mp2ml_status with_first(struct tflite_import *t, int *out, const struct graph_tensor *values,
                               int64_t first)
{
    int64_t *to;
    TRY(expand_integers(&t->expand, out, "shape", values->dims, values->rank, &to));
    for (size_t k = 0; k < values->count; k++)
        to[k] = k == 0 ? first : values->i[k];
    return MP2ML_OK;
}

/* Inputs: dims, value. A constant that is the same for all samples has 1 on its first axis. */
static mp2ml_status import_fill(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int dims, value;
    struct graph_tensor wanted;
    TRY(tflite_input(t, op, 0, &dims));
    TRY(tflite_input(t, op, 1, &value));
    TRY(tflite_integers(t, op, 0, &wanted));
    if (wanted.count != 0 && wanted.i[0] == GRAPH_BATCH)
        TRY(with_first(t, &dims, &wanted, 1));
    return expand_binary(&t->expand, out, GRAPH_FILL, NULL, dims, value);
}

static mp2ml_status import_pack(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    return with_axis(t, op, out, 1);
}

static mp2ml_status import_block(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    return with_axis(t, op, out, 0);
}

static mp2ml_status import_concatenation(struct tflite_import *t, const struct tflite_op *op,
                                         int *out)
{
    int node;
    struct graph_node *n;
    const uint8_t activation = flatbuffer_u8(&op->options, 1, TFLITE_NONE);
    TRY(with_inputs(t, op, tflite_hint(activation), &n));
    n->axis = flatbuffer_i32(&op->options, 0, 0);
    n->parts = 1; /* the axis is no input */
    TRY(settle(t, &node));
    return tflite_activate(t, op, out, node, activation);
}

static mp2ml_status import_gather(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    const int32_t dims = flatbuffer_i32(&op->options, 1, 0);
    return dims == 0 ? with_axis(t, op, out, 0)
                     : tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED, "batch_dims is %ld", (long)dims);
}

static mp2ml_status import_mirror_pad(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int a;
    struct graph_tensor pads;
    const uint8_t mode = flatbuffer_u8(&op->options, 0, 0);
    TRY(tflite_input(t, op, 0, &a));
    TRY(tflite_integers(t, op, 1, &pads));
    const struct graph_node *x = tflite_node(t, a);
    if (pads.count != 2 * (size_t)x->rank || mode > 1)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "paddings or mode do not fit shape %s",
                           shape_print(x).text);
    if (!x->batched || pads.i[0] != 0 || pads.i[1] != 0)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED, "pads the batch axis, or a constant");
    return compose_mirror_pad(&t->expand, out, a, pads.i,
                              mode == 0 ? COMPOSE_REFLECT : COMPOSE_SYMMETRIC);
}

/* Parts ----------------------------------------------------------------------------------------- */

static void set_part(struct graph_node *n, const struct tflite_op *op)
{
    n->part = op->part;
    n->parts = (unsigned)op->outputs.count;
}

/* SPLIT_V's axis is an input. */
static mp2ml_status import_parts(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    struct graph_node *n;
    TRY(with_inputs(t, op, NULL, &n));
    if (op->row->op == GRAPH_UNPACK)
        n->axis = flatbuffer_i32(&op->options, 1, 0);
    set_part(n, op);
    return settle(t, out);
}

/* The axis comes first in the file. */
static mp2ml_status import_split(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int axis, a;
    struct graph_node *n;
    TRY(tflite_input(t, op, 0, &axis));
    TRY(tflite_input(t, op, 1, &a));
    TRY(expand_node(&t->expand, GRAPH_SPLIT, NULL, (const int[]){a, axis}, 2, &n));
    set_part(n, op);
    return settle(t, out);
}

/* Of the first axis, all samples are taken: -1 for whatever number the file has. */
static mp2ml_status import_slice(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int in[3];
    struct graph_tensor size;
    for (size_t k = 0; k < 3; k++)
        TRY(tflite_input(t, op, k, &in[k]));
    TRY(tflite_integers(t, op, 2, &size));
    if (tflite_node(t, in[0])->batched && size.count != 0 && size.i[0] == t->batch)
        TRY(with_first(t, &in[2], &size, GRAPH_BATCH));
    struct graph_node *n;
    TRY(expand_node(&t->expand, GRAPH_SLICE, NULL, in, 3, &n));
    return settle(t, out);
}

static mp2ml_status import_strided_slice(struct tflite_import *t, const struct tflite_op *op,
                                         int *out)
{
    struct graph_node *n;
    struct graph_tensor end;
    int a;
    TRY(tflite_input(t, op, 0, &a));
    TRY(tflite_integers(t, op, 2, &end));
    if (flatbuffer_u8(&op->options, 5, 0) != 0)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED, "its ends are relative to its beginnings");
    TRY(with_inputs(t, op, NULL, &n));
    for (unsigned k = 0; k < 5; k++)
        n->mask[k] = flatbuffer_i32(&op->options, k, 0);
    /* An end of as many samples as there are is open. */
    if (tflite_node(t, a)->batched && end.count != 0 && end.i[0] == t->batch)
        n->mask[1] |= 1;
    return settle(t, out);
}

/* ----------------------------------------------------------------------------------------------- */

static const struct tflite_row table[] = {
    [0] = {"ADD", GRAPH_ADD, import_arithmetic, false},
    [1] = {"AVERAGE_POOL_2D", GRAPH_AVG_POOL, tflite_import_pool, false},
    [2] = {"CONCATENATION", GRAPH_CONCAT, import_concatenation, false},
    [3] = {"CONV_2D", GRAPH_CONV2D, tflite_import_conv2d, false},
    [4] = {"DEPTHWISE_CONV_2D", GRAPH_CONV2D, tflite_import_depthwise, false},
    [5] = {"DEPTH_TO_SPACE", GRAPH_DEPTH_TO_SPACE, import_block, false},
    [6] = {"DEQUANTIZE", GRAPH_IDENTITY, import_quantize, false},
    [7] = {.name = "EMBEDDING_LOOKUP"},
    [8] = {"FLOOR", GRAPH_FLOOR, import_plain, false},
    [9] = {"FULLY_CONNECTED", GRAPH_MATMUL, tflite_import_fully_connected, false},
    [10] = {.name = "HASHTABLE_LOOKUP"},
    [11] = {.name = "L2_NORMALIZATION"},
    [12] = {.name = "L2_POOL_2D"},
    [13] = {.name = "LOCAL_RESPONSE_NORMALIZATION"},
    [14] = {"LOGISTIC", GRAPH_SIGMOID, import_plain, false},
    [15] = {.name = "LSH_PROJECTION"},
    [16] = {.name = "LSTM"},
    [17] = {"MAX_POOL_2D", GRAPH_MAX_POOL, tflite_import_pool, false},
    [18] = {"MUL", GRAPH_MUL, import_arithmetic, false},
    [19] = {"RELU", GRAPH_RELU, import_plain, false},
    [20] = {"RELU_N1_TO_1", GRAPH_CLIP, import_relu_1, false},
    [21] = {"RELU6", GRAPH_RELU6, import_plain, false},
    [22] = {"RESHAPE", GRAPH_RESHAPE, import_reshape, false},
    [23] = {"RESIZE_BILINEAR", GRAPH_RESIZE, tflite_import_resize, false},
    [24] = {.name = "RNN"},
    [25] = {"SOFTMAX", GRAPH_SOFTMAX, import_softmax, false},
    [26] = {"SPACE_TO_DEPTH", GRAPH_SPACE_TO_DEPTH, import_block, false},
    [27] = {.name = "SVDF"},
    [28] = {"TANH", GRAPH_TANH, import_plain, false},
    [29] = {.name = "CONCAT_EMBEDDINGS"},
    [30] = {.name = "SKIP_GRAM"},
    [31] = {.name = "CALL"},
    [32] = {.name = "CUSTOM"},
    [33] = {.name = "EMBEDDING_LOOKUP_SPARSE"},
    [34] = {"PAD", GRAPH_PAD, import_plain, false},
    [35] = {.name = "UNIDIRECTIONAL_SEQUENCE_RNN"},
    [36] = {"GATHER", GRAPH_TAKE, import_gather, false},
    [37] = {"BATCH_TO_SPACE_ND", GRAPH_BATCH_TO_SPACE, import_plain, false},
    [38] = {"SPACE_TO_BATCH_ND", GRAPH_SPACE_TO_BATCH, import_plain, false},
    [39] = {"TRANSPOSE", GRAPH_TRANSPOSE, import_plain, false},
    [40] = {"MEAN", GRAPH_REDUCE_MEAN, import_reduce, false},
    [41] = {"SUB", GRAPH_SUB, import_arithmetic, false},
    [42] = {"DIV", GRAPH_DIV, import_arithmetic, false},
    [43] = {"SQUEEZE", GRAPH_SQUEEZE, import_squeeze, false},
    [44] = {.name = "UNIDIRECTIONAL_SEQUENCE_LSTM"},
    [45] = {"STRIDED_SLICE", GRAPH_STRIDED_SLICE, import_strided_slice, false},
    [46] = {.name = "BIDIRECTIONAL_SEQUENCE_RNN"},
    [47] = {"EXP", GRAPH_EXP, import_plain, false},
    [48] = {.name = "TOPK_V2"},
    [49] = {"SPLIT", GRAPH_SPLIT, import_split, true},
    [50] = {"LOG_SOFTMAX", GRAPH_LOG_SOFTMAX, import_log_softmax, false},
    [51] = {.name = "DELEGATE"},
    [52] = {.name = "BIDIRECTIONAL_SEQUENCE_LSTM"},
    [53] = {"CAST", GRAPH_CAST, import_cast, false},
    [54] = {"PRELU", GRAPH_PRELU, import_prelu, false},
    [55] = {"MAXIMUM", GRAPH_MAXIMUM, import_plain, false},
    [56] = {"ARG_MAX", GRAPH_ARGMAX, import_plain, false},
    [57] = {"MINIMUM", GRAPH_MINIMUM, import_plain, false},
    [58] = {"LESS", GRAPH_LESS, import_plain, false},
    [59] = {"NEG", GRAPH_NEG, import_plain, false},
    [60] = {"PADV2", GRAPH_PAD, import_plain, false},
    [61] = {"GREATER", GRAPH_GREATER, import_plain, false},
    [62] = {"GREATER_EQUAL", GRAPH_GREATER_EQUAL, import_plain, false},
    [63] = {"LESS_EQUAL", GRAPH_LESS_EQUAL, import_plain, false},
    [64] = {"SELECT", GRAPH_SELECT, import_plain, false},
    [65] = {"SLICE", GRAPH_SLICE, import_slice, false},
    [66] = {.name = "SIN"},
    [67] = {"TRANSPOSE_CONV", GRAPH_CONV_TRANSPOSE, tflite_import_transpose_conv, false},
    [68] = {.name = "SPARSE_TO_DENSE"},
    [69] = {"TILE", GRAPH_TILE, import_plain, false},
    [70] = {"EXPAND_DIMS", GRAPH_EXPAND_DIMS, import_plain, false},
    [71] = {"EQUAL", GRAPH_EQUAL, import_plain, false},
    [72] = {"NOT_EQUAL", GRAPH_NOT_EQUAL, import_plain, false},
    [73] = {"LOG", GRAPH_LOG, import_plain, false},
    [74] = {"SUM", GRAPH_REDUCE_SUM, import_reduce, false},
    [75] = {"SQRT", GRAPH_SQRT, import_plain, false},
    [76] = {"RSQRT", GRAPH_RSQRT, import_plain, false},
    [77] = {"SHAPE", GRAPH_SHAPE, import_plain, false},
    [78] = {"POW", GRAPH_POW, import_plain, false},
    [79] = {.name = "ARG_MIN"},
    [80] = {.name = "FAKE_QUANT"},
    [81] = {"REDUCE_PROD", GRAPH_PROD, import_reduce, false},
    [82] = {"REDUCE_MAX", GRAPH_REDUCE_MAX, import_reduce, false},
    [83] = {"PACK", GRAPH_PACK, import_pack, false},
    [84] = {"LOGICAL_OR", GRAPH_LOGICAL_OR, import_plain, false},
    [85] = {.name = "ONE_HOT"},
    [86] = {"LOGICAL_AND", GRAPH_LOGICAL_AND, import_plain, false},
    [87] = {"LOGICAL_NOT", GRAPH_LOGICAL_NOT, import_plain, false},
    [88] = {"UNPACK", GRAPH_UNPACK, import_parts, true},
    [89] = {"REDUCE_MIN", GRAPH_REDUCE_MIN, import_reduce, false},
    [90] = {"FLOOR_DIV", GRAPH_FLOOR_DIV, import_plain, false},
    [91] = {.name = "REDUCE_ANY"},
    [92] = {"SQUARE", GRAPH_SQUARE, import_plain, false},
    [93] = {"ZEROS_LIKE", GRAPH_ZEROS_LIKE, import_plain, false},
    [94] = {"FILL", GRAPH_FILL, import_fill, false},
    [95] = {"FLOOR_MOD", GRAPH_FLOOR_MOD, import_plain, false},
    [96] = {"RANGE", GRAPH_RANGE, import_plain, false},
    [97] = {"RESIZE_NEAREST_NEIGHBOR", GRAPH_RESIZE, tflite_import_resize, false},
    [98] = {"LEAKY_RELU", GRAPH_LEAKY_RELU, import_leaky_relu, false},
    [99] = {"SQUARED_DIFFERENCE", GRAPH_SQUARED_DIFFERENCE, import_plain, false},
    [100] = {"MIRROR_PAD", GRAPH_MIRROR_PAD, import_mirror_pad, false},
    [101] = {"ABS", GRAPH_ABS, import_plain, false},
    [102] = {"SPLIT_V", GRAPH_SPLIT, import_parts, true},
    [103] = {.name = "UNIQUE"},
    [104] = {"CEIL", GRAPH_CEIL, import_plain, false},
    [105] = {"REVERSE_V2", GRAPH_REVERSE, import_plain, false},
    [106] = {"ADD_N", GRAPH_ADD_N, import_plain, false},
    [107] = {.name = "GATHER_ND"},
    [108] = {.name = "COS"},
    [109] = {.name = "WHERE"},
    [110] = {"RANK", GRAPH_RANK, import_plain, false},
    [111] = {.name = "ELU"},
    [112] = {.name = "REVERSE_SEQUENCE"},
    [113] = {.name = "MATRIX_DIAG"},
    [114] = {"QUANTIZE", GRAPH_IDENTITY, import_quantize, false},
    [115] = {.name = "MATRIX_SET_DIAG"},
    [116] = {"ROUND", GRAPH_ROUND, import_plain, false},
    [117] = {"HARD_SWISH", GRAPH_HARD_SWISH, import_hard_swish, false},
    [118] = {.name = "IF"},
    [119] = {.name = "WHILE"},
    [120] = {.name = "NON_MAX_SUPPRESSION_V4"},
    [121] = {.name = "NON_MAX_SUPPRESSION_V5"},
    [122] = {.name = "SCATTER_ND"},
    [123] = {"SELECT_V2", GRAPH_SELECT, import_plain, false},
    [124] = {.name = "DENSIFY"},
    [125] = {.name = "SEGMENT_SUM"},
    [126] = {"BATCH_MATMUL", GRAPH_MATMUL, import_batch_matmul, false},
    [127] = {.name = "PLACEHOLDER_FOR_GREATER_OP_CODES"},
    [128] = {.name = "CUMSUM"},
    [129] = {.name = "CALL_ONCE"},
    [130] = {.name = "BROADCAST_TO"},
    [131] = {.name = "RFFT2D"},
    [132] = {.name = "CONV_3D"},
    [133] = {.name = "IMAG"},
    [134] = {.name = "REAL"},
    [135] = {.name = "COMPLEX_ABS"},
    [136] = {.name = "HASHTABLE"},
    [137] = {.name = "HASHTABLE_FIND"},
    [138] = {.name = "HASHTABLE_IMPORT"},
    [139] = {.name = "HASHTABLE_SIZE"},
    [140] = {.name = "REDUCE_ALL"},
    [141] = {.name = "CONV_3D_TRANSPOSE"},
    [142] = {.name = "VAR_HANDLE"},
    [143] = {.name = "READ_VARIABLE"},
    [144] = {.name = "ASSIGN_VARIABLE"},
    [145] = {.name = "BROADCAST_ARGS"},
    [146] = {.name = "RANDOM_STANDARD_NORMAL"},
    [147] = {.name = "BUCKETIZE"},
    [148] = {.name = "RANDOM_UNIFORM"},
    [149] = {.name = "MULTINOMIAL"},
    [150] = {.name = "GELU"},
    [151] = {.name = "DYNAMIC_UPDATE_SLICE"},
    [152] = {"RELU_0_TO_1", GRAPH_CLIP, import_relu_0_to_1, false},
    [153] = {.name = "UNSORTED_SEGMENT_PROD"},
    [154] = {.name = "UNSORTED_SEGMENT_MAX"},
    [155] = {.name = "UNSORTED_SEGMENT_SUM"},
    [156] = {.name = "ATAN2"},
    [157] = {.name = "UNSORTED_SEGMENT_MIN"},
    [158] = {"SIGN", GRAPH_SIGN, import_plain, false},
    [159] = {.name = "BITCAST"},
    [160] = {.name = "BITWISE_XOR"},
    [161] = {.name = "RIGHT_SHIFT"},
};

const struct tflite_row *tflite_row_at(int64_t code)
{
    return code >= 0 && code < (int64_t)(sizeof table / sizeof table[0]) ? &table[code] : NULL;
}

const char *import_tflite_op_name(size_t index)
{
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (table[k].import != NULL && index-- == 0)
            return table[k].name;
    return NULL;
}
