/* SPDX-License-Identifier: Apache-2.0
 *
 * Constant folding: a node whose inputs are all constants is computed with the same rule that
 * evaluates data, and becomes a constant. Shapes fold with the batch as GRAPH_BATCH. */
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

static void become_constant(struct graph_node *n, const struct graph_tensor *value)
{
    n->op = GRAPH_CONST;
    n->value = *value;
    n->n_inputs = 0;
    n->n_list = 0;
    n->batched = false;
}

/* The same with the node's name when it fails. */
static mp2ml_status value_alloc(struct graph_build *b, const struct graph_node *n,
                                struct graph_tensor *t, bool integers)
{
    const mp2ml_status status = graph_tensor_alloc(b, t, integers);
    return status == MP2ML_OK
               ? status
               : status_within(b->err, status, "node '%.200s' (%s)", n->name, graph_node_op(n));
}

static mp2ml_status fold_shape(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    struct graph_tensor t = {.rank = 1, .dims = {n->dims[0]}};
    TRY(value_alloc(b, n, &t, true));
    const unsigned hidden = x->rows ? 1 : 0; /* -k is k times the batch */
    for (unsigned d = 0; d < t.count; d++)
        t.i[d] = d == 0 && x->rows ? -x->dims[1] : x->dims[d + hidden];
    become_constant(n, &t);
    return MP2ML_OK;
}

static mp2ml_status fold_computed(struct graph_build *b, struct graph_node *n)
{
    struct graph_tensor t = {.rank = n->rank};
    memcpy(t.dims, n->dims, sizeof t.dims);
    TRY(value_alloc(b, n, &t, n->integers));
    struct eval_view *in = calloc(n->n_inputs + 1, sizeof *in);
    if (in == NULL) {
        graph_tensor_wipe(&t);
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    }
    for (unsigned k = 0; k < n->n_inputs; k++)
        in[k] = eval_view_of(graph_input(b, n, k), 1);
    struct eval_call call = {n, in, n->n_inputs, eval_view_of(n, 1), t.f, t.i, NULL};
    mp2ml_status status = graph_row(n->op).eval(&call);
    free(in);
    if (status == MP2ML_OK) {
        become_constant(n, &t);
        return MP2ML_OK;
    }
    graph_tensor_wipe(&t);
    return graph_node_fail(b, n, status, "%s",
                           status == MP2ML_ERR_UNSUPPORTED
                               ? "computes with the batch size, or overflows"
                               : "cannot be computed");
}

static mp2ml_status fold_rank(struct graph_build *b, struct graph_node *n)
{
    struct graph_tensor t = {.rank = 0};
    TRY(value_alloc(b, n, &t, true));
    t.i[0] = graph_input(b, n, 0)->rank - (graph_input(b, n, 0)->rows ? 1 : 0);
    become_constant(n, &t);
    return MP2ML_OK;
}

/* What is computed from shapes and attributes alone is no more of a secret than they are. */
static bool follows_from_attributes(const struct graph_build *b, const struct graph_node *n)
{
    bool all = n->n_inputs != 0;
    for (unsigned k = 0; k < n->n_inputs; k++)
        all = all && graph_input(b, n, k)->attribute;
    return all || n->op == GRAPH_SHAPE || n->op == GRAPH_RANK;
}

mp2ml_status fold_node(struct graph_build *b, struct graph_node *n)
{
    n->attribute = follows_from_attributes(b, n);
    if (n->op == GRAPH_SHAPE)
        return fold_shape(b, n);
    return n->op == GRAPH_RANK ? fold_rank(b, n) : fold_computed(b, n);
}
