/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of each operator, beside its row in graph.h. */
#include <assert.h>
#include <stddef.h>

#include "model/graph_internal.h"

struct rules {
    graph_shape_rule shape;
    graph_eval_rule eval;
    unsigned min_inputs, max_inputs;
    bool folds;
};

#define MANY GRAPH_MAX_INPUTS

static const struct rules rules[GRAPH_OP_COUNT] = {
    [GRAPH_INPUT] = {shape_source, NULL, 0, 0, false},
    [GRAPH_CONST] = {shape_source, NULL, 0, 0, false},
    [GRAPH_IDENTITY] = {shape_same, eval_copy, 1, 1, false},
    [GRAPH_CONV2D] = {shape_conv2d, eval_conv2d, 2, 2, false},
    [GRAPH_MATMUL] = {shape_matmul, eval_matmul, 2, 2, false},
    [GRAPH_BIAS_ADD] = {shape_bias_add, eval_bias_add, 2, 2, true},
    [GRAPH_ADD] = {shape_binary, eval_add, 2, 2, true},
    [GRAPH_SUB] = {shape_binary, eval_sub, 2, 2, true},
    [GRAPH_MUL] = {shape_binary, eval_mul, 2, 2, true},
    [GRAPH_DIV] = {shape_binary, eval_div, 2, 2, true},
    [GRAPH_AVG_POOL] = {shape_pool, eval_avg_pool, 1, 1, false},
    [GRAPH_PAD] = {shape_pad, eval_pad, 2, 3, true},
    [GRAPH_RESHAPE] = {shape_reshape, eval_copy, 1, 2, true},
    [GRAPH_SQUEEZE] = {shape_squeeze, eval_copy, 1, 1, true},
    [GRAPH_EXPAND_DIMS] = {shape_expand_dims, eval_copy, 1, 2, true},
    [GRAPH_TRANSPOSE] = {shape_transpose, eval_transpose, 2, 2, true},
    [GRAPH_RELU] = {shape_same, eval_relu, 1, 1, true},
    [GRAPH_MAX_POOL] = {shape_pool, eval_max_pool, 1, 1, false},
    [GRAPH_SOFTMAX] = {shape_softmax, eval_softmax, 1, 1, false},
    [GRAPH_ARGMAX] = {shape_argmax, eval_argmax, 1, 2, false},
    [GRAPH_SHAPE] = {shape_shape, NULL, 1, 1, true},
    [GRAPH_STRIDED_SLICE] = {shape_strided_slice, eval_strided_slice, 4, 4, true},
    [GRAPH_PACK] = {shape_pack, eval_pack, 1, MANY, true},
    [GRAPH_CONCAT] = {shape_concat, eval_concat, 2, MANY, true},
    [GRAPH_PROD] = {shape_prod, eval_prod, 2, 2, true},
    [GRAPH_CAST] = {shape_cast, eval_cast, 1, 1, true},
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
    struct graph_row row = {names[op].name, names[op].kind, r->shape, r->eval,
                            r->min_inputs,  r->max_inputs,  r->folds};
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
