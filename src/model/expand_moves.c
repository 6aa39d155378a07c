/* SPDX-License-Identifier: Apache-2.0
 *
 * Expand rules of what moves values. Most become GATHER: the operator's own evaluation rule is run
 * on the places of one sample instead of its values, and what comes out is the list. */
#include <stdlib.h>
#include <string.h>

#include "model/compose.h"

static struct graph_node *node_at(const struct graph_expand *x, int index)
{
    return &x->b->g->nodes[index];
}

/* Fills list, which has room for a sample of x->node, by its rule; places count from 1 meanwhile,
 * so that a zero that an operator puts in is none of them. */
static mp2ml_status run_on_places(struct graph_expand *x, int64_t *list, int64_t *places)
{
    const struct graph_node *n = x->node;
    struct eval_view in[4] = {{0}};
    for (unsigned k = 0; k < n->n_inputs && k < 4; k++)
        in[k] = eval_view_of(node_at(x, n->inputs[k]), 1);
    for (size_t k = 0; k < in[0].count; k++)
        places[k] = (int64_t)k + 1;
    in[0].integers = true;
    in[0].f = NULL;
    in[0].i = places;
    struct eval_call call = {n, in, n->n_inputs, eval_view_of(n, 1), NULL, list, NULL};
    call.shape.integers = true;
    TRY(graph_row(n->op).eval(&call));
    for (size_t k = 0; k < call.shape.count; k++)
        list[k]--;
    return MP2ML_OK;
}

mp2ml_status expand_gather(struct graph_expand *x, const char *suffix, int a, const int64_t *dims,
                           unsigned rank, int64_t **list)
{
    struct graph_node shape = {.batched = true, .rank = rank}, *n; /* dims may move */
    memcpy(shape.dims, dims, rank * sizeof *dims);
    TRY(expand_node(x, GRAPH_GATHER, suffix, &a, 1, &n));
    graph_copy_shape(n, &shape);
    n->dims[0] = GRAPH_BATCH;
    n->value.rank = 1;
    n->value.dims[0] = (int64_t)graph_sample_count(&shape);
    TRY(graph_tensor_alloc(x->b, &n->value, true));
    *list = n->value.i;
    return MP2ML_OK;
}

mp2ml_status expand_moves(struct graph_expand *x, int *out)
{
    const int from = x->node->inputs[0];
    int64_t *list;
    TRY(expand_gather(x, NULL, from, x->node->dims, x->node->rank, &list));
    const size_t bytes = graph_sample_count(node_at(x, from)) * sizeof *list; /* < 2^35 */
    if (bytes > x->b->budget)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL,
                               "needs far more memory than the file has bytes");
    int64_t *places = malloc(bytes + 1);
    if (places == NULL)
        return status_fail(x->b->err, MP2ML_ERR_MEMORY, "out of memory");
    const mp2ml_status status = run_on_places(x, list, places);
    free(places);
    TRY(status);
    return expand_settle(x, out);
}

mp2ml_status expand_take(struct graph_expand *x, int *out)
{
    const int *in = x->node->inputs;
    return node_at(x, in[0])->batched ? expand_moves(x, out) : compose_lookup(x, out, in[1], in[0]);
}

/* Zeros stay a PAD; another number c is PAD(x - c) + c. */
mp2ml_status expand_pad(struct graph_expand *x, int *out)
{
    const int *in = x->node->inputs;
    int shifted;
    if (x->node->n_inputs == 2)
        return expand_keep(x, out);
    TRY(expand_binary(x, &shifted, GRAPH_SUB, "(x-c)", in[0], in[2]));
    TRY(expand_binary(x, &shifted, GRAPH_PAD, "padded", shifted, in[1]));
    return expand_binary(x, out, GRAPH_ADD, NULL, shifted, in[2]);
}

static mp2ml_status joined(struct graph_expand *x, int *out, const int *inputs, unsigned n,
                           int64_t axis)
{
    struct graph_node *node;
    TRY(expand_node(x, GRAPH_CONCAT, NULL, inputs, n, &node));
    node->axis = axis;
    node->parts = 1; /* the axis is known */
    return expand_settle(x, out);
}

mp2ml_status expand_pack(struct graph_expand *x, int *out)
{
    const struct graph_node *n = x->node;
    int64_t dims[GRAPH_MAX_RANK];
    memcpy(dims, n->dims, sizeof dims);
    dims[n->axis] = 1;
    if (n->n_inputs == 1)
        return expand_reshape(x, out, NULL, n->inputs[0], dims, n->rank);
    for (unsigned k = 0; k < n->n_inputs; k++)
        TRY(expand_reshape(x, &n->inputs[k], "part", n->inputs[k], dims, n->rank));
    return joined(x, out, n->inputs, n->n_inputs, n->axis);
}

/* A constant as data: zeros gathered from any data, plus the constant. */
static mp2ml_status as_data(struct graph_expand *x, int *out, int data, int constant)
{
    int64_t *list;
    int zeros;
    const struct graph_node *like = node_at(x, constant);
    TRY(expand_gather(x, "zeros", data, like->dims, like->rank, &list));
    const size_t count = node_at(x, x->b->g->n_nodes - 1)->value.count;
    for (size_t k = 0; k < count; k++)
        list[k] = -1;
    TRY(expand_settle(x, &zeros));
    return expand_binary(x, out, GRAPH_ADD, "constant", zeros, constant);
}

mp2ml_status expand_concat(struct graph_expand *x, int *out)
{
    const struct graph_node *n = x->node;
    int data = -1;
    for (unsigned k = 0; k < n->n_inputs; k++)
        if (node_at(x, n->inputs[k])->batched)
            data = n->inputs[k];
    if (n->n_inputs == 1)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, data);
    for (unsigned k = 0; k < n->n_inputs; k++)
        if (!node_at(x, n->inputs[k])->batched)
            TRY(as_data(x, &n->inputs[k], data, n->inputs[k]));
    return joined(x, out, n->inputs, n->n_inputs, n->axis);
}

/* The whole picture goes on; see shape_window.c. */
mp2ml_status expand_space_to_batch(struct graph_expand *x, int *out)
{
    const struct graph_node *n = x->node;
    const struct graph_tensor *given = &node_at(x, n->inputs[2])->value;
    const int64_t *from = given->i;
    const size_t axes = given->count / 2;
    int pads;
    int64_t *to;
    TRY(expand_integers(x, &pads, "pads", (const int64_t[]){n->rank, 2}, 2, &to));
    if (axes != 0)
        memcpy(to + 2, from, 2 * axes * sizeof *to);
    return expand_binary(x, out, GRAPH_PAD, NULL, n->inputs[0], pads);
}

mp2ml_status expand_batch_to_space(struct graph_expand *x, int *out)
{
    const struct graph_node *n = x->node, *from = node_at(x, n->inputs[0]);
    if (memcmp(n->dims, from->dims, n->rank * sizeof *n->dims) == 0)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, n->inputs[0]);
    return expand_moves(x, out);
}
