/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of each operator, beside its row in graph.h. */
#include <assert.h>
#include <stddef.h>

#include "model/graph_internal.h"

struct rules {
    graph_shape_rule shape;
    graph_eval_rule eval;
    graph_expand_rule expand;
    unsigned min_inputs, max_inputs;
    bool folds;
};

#define MANY GRAPH_MAX_INPUTS

/* None for kind C, which is never a node. */
static const struct rules rules[GRAPH_OP_COUNT] = {
    [GRAPH_INPUT] = {shape_source, NULL, NULL, 0, 0, false},
    [GRAPH_CONST] = {shape_source, NULL, NULL, 0, 0, false},
    [GRAPH_CONV2D] = {shape_conv2d, eval_conv2d, NULL, 2, 2, false},
    [GRAPH_MATMUL] = {shape_matmul, eval_matmul, NULL, 2, 2, false},
    [GRAPH_BIAS_ADD] = {shape_bias_add, eval_bias_add, NULL, 2, 2, true},
    [GRAPH_ADD] = {shape_binary, eval_add, NULL, 2, 2, true},
    [GRAPH_SUB] = {shape_binary, eval_sub, NULL, 2, 2, true},
    [GRAPH_MUL] = {shape_binary, eval_mul, NULL, 2, 2, true},
    [GRAPH_DIV] = {shape_binary, eval_div, NULL, 2, 2, true},
    [GRAPH_AVG_POOL] = {shape_pool, eval_avg_pool, NULL, 1, 1, false},
    [GRAPH_PAD] = {shape_pad, eval_pad, expand_pad, 2, 3, true},
    [GRAPH_RESHAPE] = {shape_reshape, eval_copy, NULL, 1, 2, true},
    [GRAPH_SQUEEZE] = {shape_squeeze, eval_copy, NULL, 1, 1, true},
    [GRAPH_EXPAND_DIMS] = {shape_expand_dims, eval_copy, NULL, 1, 2, true},
    [GRAPH_TRANSPOSE] = {shape_transpose, eval_transpose, NULL, 2, 2, true},
    [GRAPH_GATHER] = {shape_gather, eval_gather, NULL, 1, 1, false},
    [GRAPH_CONCAT] = {shape_concat, eval_concat, expand_concat, 1, MANY, true},
    [GRAPH_RELU] = {shape_same, eval_relu, NULL, 1, 1, true},
    [GRAPH_SIGN] = {shape_same, eval_sign, NULL, 1, 1, true},
    [GRAPH_MAX_POOL] = {shape_pool, eval_max_pool, NULL, 1, 1, false},
    [GRAPH_SOFTMAX] = {shape_softmax, eval_softmax, NULL, 1, 1, false},
    [GRAPH_LOG_SOFTMAX] = {shape_softmax, eval_log_softmax, NULL, 1, 1, false},
    [GRAPH_SIGMOID] = {shape_same, eval_sigmoid, NULL, 1, 1, true},
    [GRAPH_TANH] = {shape_same, eval_tanh, NULL, 1, 1, true},
    [GRAPH_ARGMAX] = {shape_argmax, eval_argmax, NULL, 1, 2, false},
    [GRAPH_ARGMIN] = {shape_argmax, eval_argmin, expand_argmin, 1, 2, false},
    [GRAPH_IDENTITY] = {shape_same, eval_copy, NULL, 1, 1, false},
    [GRAPH_CAST] = {shape_cast, eval_cast, NULL, 1, 1, true},
    [GRAPH_DEPTHWISE] = {shape_depthwise, NULL, expand_depthwise, 2, 2, false},
    [GRAPH_BATCH_NORM] = {shape_batch_norm, eval_batch_norm, expand_batch_norm, 5, 5, false},
    [GRAPH_ADD_N] = {shape_add_n, eval_add_n, expand_add_n, 1, MANY, true},
    [GRAPH_MAXIMUM] = {shape_binary, eval_maximum, expand_maximum, 2, 2, true},
    [GRAPH_MINIMUM] = {shape_binary, eval_minimum, expand_minimum, 2, 2, true},
    [GRAPH_RELU6] = {shape_same, eval_relu6, expand_relu6, 1, 1, true},
    [GRAPH_LEAKY_RELU] = {shape_same, eval_leaky_relu, expand_leaky_relu, 1, 1, true},
    [GRAPH_ABS] = {shape_same, eval_abs, expand_abs, 1, 1, true},
    [GRAPH_NEG] = {shape_same, eval_neg, expand_neg, 1, 1, true},
    [GRAPH_SQUARE] = {shape_same, eval_square, expand_square, 1, 1, true},
    [GRAPH_SQUARED_DIFFERENCE] = {shape_binary, eval_squared_difference, expand_squared_difference,
                                  2, 2, true},
    [GRAPH_POW] = {shape_binary, eval_pow, expand_pow, 2, 2, true},
    [GRAPH_REDUCE_SUM] = {shape_reduce, eval_reduce_sum, expand_reduce, 2, 2, true},
    [GRAPH_REDUCE_MEAN] = {shape_reduce, eval_reduce_mean, expand_reduce, 2, 2, true},
    [GRAPH_REDUCE_MAX] = {shape_reduce, eval_reduce_max, expand_reduce, 2, 2, true},
    [GRAPH_REDUCE_MIN] = {shape_reduce, eval_reduce_min, expand_reduce, 2, 2, true},
    [GRAPH_PROD] = {shape_reduce, eval_prod, NULL, 2, 2, true},
    [GRAPH_SLICE] = {shape_slice, eval_slice, expand_moves, 3, 3, true},
    [GRAPH_STRIDED_SLICE] = {shape_strided_slice, eval_strided_slice, expand_moves, 4, 4, true},
    [GRAPH_SPLIT] = {shape_split, eval_slice, expand_moves, 1, 3, true},
    [GRAPH_UNPACK] = {shape_unpack, eval_slice, expand_moves, 1, 1, true},
    [GRAPH_TILE] = {shape_tile, eval_tile, expand_moves, 2, 2, true},
    [GRAPH_REVERSE] = {shape_reverse, eval_reverse, expand_moves, 2, 2, true},
    [GRAPH_TAKE] = {shape_take, eval_take, expand_take, 2, 3, true},
    [GRAPH_DEPTH_TO_SPACE] = {shape_depth_to_space, eval_depth_to_space, expand_moves, 1, 1, false},
    [GRAPH_SPACE_TO_DEPTH] = {shape_space_to_depth, eval_space_to_depth, expand_moves, 1, 1, false},
    [GRAPH_PACK] = {shape_pack, eval_pack, expand_pack, 1, MANY, true},
    [GRAPH_SPACE_TO_BATCH] = {shape_space_to_batch, NULL, expand_space_to_batch, 3, 3, false},
    [GRAPH_BATCH_TO_SPACE] = {shape_batch_to_space, eval_slice, expand_batch_to_space, 3, 3, false},
    [GRAPH_RANDOM] = {shape_random, NULL, NULL, 1, 3, false},
    [GRAPH_SWITCH] = {shape_switch, NULL, NULL, 2, 2, false},
    [GRAPH_MERGE] = {shape_merge, NULL, NULL, 1, MANY, false},
    [GRAPH_SHAPE] = {shape_shape, NULL, NULL, 1, 1, true},
    [GRAPH_RANK] = {shape_rank, NULL, NULL, 1, 1, true},
    [GRAPH_FILL] = {shape_fill, eval_fill, NULL, 2, 2, true},
    [GRAPH_RANGE] = {shape_range, eval_range, NULL, 3, 3, true},
    [GRAPH_ZEROS_LIKE] = {shape_same, eval_zeros_like, NULL, 1, 1, true},
    [GRAPH_ONES_LIKE] = {shape_same, eval_ones_like, NULL, 1, 1, true},
    [GRAPH_SELECT] = {shape_select, eval_select, NULL, 3, 3, true},
    [GRAPH_SQRT] = {shape_same, eval_sqrt, NULL, 1, 1, true},
    [GRAPH_RSQRT] = {shape_same, eval_rsqrt, NULL, 1, 1, true},
    [GRAPH_RECIPROCAL] = {shape_same, eval_reciprocal, NULL, 1, 1, true},
    [GRAPH_EXP] = {shape_same, eval_exp, NULL, 1, 1, true},
    [GRAPH_LOG] = {shape_same, eval_log, NULL, 1, 1, true},
    [GRAPH_FLOOR] = {shape_same, eval_floor, NULL, 1, 1, true},
    [GRAPH_CEIL] = {shape_same, eval_ceil, NULL, 1, 1, true},
    [GRAPH_ROUND] = {shape_same, eval_round, NULL, 1, 1, true},
    [GRAPH_FLOOR_DIV] = {shape_binary, eval_floor_div, NULL, 2, 2, true},
    [GRAPH_FLOOR_MOD] = {shape_binary, eval_floor_mod, NULL, 2, 2, true},
    [GRAPH_EQUAL] = {shape_compare, eval_equal, NULL, 2, 2, true},
    [GRAPH_NOT_EQUAL] = {shape_compare, eval_not_equal, NULL, 2, 2, true},
    [GRAPH_LESS] = {shape_compare, eval_less, NULL, 2, 2, true},
    [GRAPH_LESS_EQUAL] = {shape_compare, eval_less_equal, NULL, 2, 2, true},
    [GRAPH_GREATER] = {shape_compare, eval_greater, NULL, 2, 2, true},
    [GRAPH_GREATER_EQUAL] = {shape_compare, eval_greater_equal, NULL, 2, 2, true},
    [GRAPH_LOGICAL_AND] = {shape_compare, eval_logical_and, NULL, 2, 2, true},
    [GRAPH_LOGICAL_OR] = {shape_compare, eval_logical_or, NULL, 2, 2, true},
    [GRAPH_LOGICAL_NOT] = {shape_same, eval_logical_not, NULL, 1, 1, true},
};

static const struct {
    const char *name;
    char kind;
} names[GRAPH_OP_COUNT] = {
#define OP_NAME(name, text, kind) {text, kind},
    GRAPH_OP_MAP(OP_NAME)
#undef OP_NAME
};

struct graph_row graph_row(enum graph_op op)
{
    assert((int)op >= 0 && op < GRAPH_OP_COUNT);
    const struct rules *r = &rules[op];
    struct graph_row row = {names[op].name, names[op].kind, r->shape,      r->eval,
                            r->expand,      r->min_inputs,  r->max_inputs, r->folds};
    return row;
}

const char *graph_op_name(enum graph_op op)
{
    return graph_row(op).name;
}

char graph_op_kind(enum graph_op op)
{
    return graph_row(op).kind;
}
