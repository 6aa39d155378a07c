/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators of kind F that stand on data are said with the few that have a private form: a new
 * graph is made in which each of them is replaced by what its expand rule appends. The last of the
 * new nodes has the old one's name, the others that name and a hint. Nodes in between settle at
 * once, so that what is constant about them is computed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

mp2ml_status expand_node(struct graph_expand *x, enum graph_op op, const char *suffix,
                         const int *inputs, unsigned n_inputs, struct graph_node **out)
{
    const char *name = x->node->name;
    const size_t size = strlen(name) + (suffix != NULL ? strlen(suffix) : 0) + 2;
    char *full = malloc(size);
    if (full == NULL)
        return status_fail(x->b->err, MP2ML_ERR_MEMORY, "out of memory");
    (void)snprintf(full, size, "%s%s%s", name, suffix != NULL ? "/" : "",
                   suffix != NULL ? suffix : "");
    const mp2ml_status status = graph_add_node(x->b, full, op, n_inputs, out);
    free(full);
    TRY(status);
    (*out)->file_op = x->node->file_op;
    if (n_inputs != 0)
        memcpy((*out)->inputs, inputs, n_inputs * sizeof *inputs);
    return MP2ML_OK;
}

mp2ml_status expand_settle(struct graph_expand *x, int *out)
{
    *out = x->b->g->n_nodes - 1;
    return graph_settle_node(x->b, &x->b->g->nodes[*out]);
}

mp2ml_status expand_unary(struct graph_expand *x, int *out, enum graph_op op, const char *suffix,
                          int a)
{
    struct graph_node *n;
    TRY(expand_node(x, op, suffix, &a, 1, &n));
    return expand_settle(x, out);
}

mp2ml_status expand_binary(struct graph_expand *x, int *out, enum graph_op op, const char *suffix,
                           int a, int b)
{
    struct graph_node *n;
    TRY(expand_node(x, op, suffix, (const int[]){a, b}, 2, &n));
    return expand_settle(x, out);
}

static mp2ml_status constant(struct graph_expand *x, int *out, const char *suffix,
                             const int64_t *dims, unsigned rank, bool integers)
{
    struct graph_node *n;
    TRY(expand_node(x, GRAPH_CONST, suffix, NULL, 0, &n));
    n->value.rank = rank;
    n->integers = integers;
    if (rank != 0)
        memcpy(n->value.dims, dims, rank * sizeof *dims);
    TRY(graph_tensor_alloc(x->b, &n->value, integers));
    return expand_settle(x, out);
}

mp2ml_status expand_floats(struct graph_expand *x, int *out, const char *suffix,
                           const int64_t *dims, unsigned rank, float **values)
{
    TRY(constant(x, out, suffix, dims, rank, false));
    *values = x->b->g->nodes[*out].value.f;
    return MP2ML_OK;
}

mp2ml_status expand_integers(struct graph_expand *x, int *out, const char *suffix,
                             const int64_t *dims, unsigned rank, int64_t **values)
{
    TRY(constant(x, out, suffix, dims, rank, true));
    *values = x->b->g->nodes[*out].value.i;
    return MP2ML_OK;
}

mp2ml_status expand_scalar(struct graph_expand *x, int *out, const char *suffix, float value)
{
    float *values;
    TRY(expand_floats(x, out, suffix, NULL, 0, &values));
    values[0] = value;
    x->b->g->nodes[*out].attribute = true;
    return MP2ML_OK;
}

mp2ml_status expand_reshape(struct graph_expand *x, int *out, const char *suffix, int a,
                            const int64_t *dims, unsigned rank)
{
    int shape;
    int64_t *values;
    TRY(expand_integers(x, &shape, "shape", (const int64_t[]){rank}, 1, &values));
    memcpy(values, dims, rank * sizeof *dims);
    return expand_binary(x, out, GRAPH_RESHAPE, suffix, a, shape);
}

mp2ml_status expand_transpose(struct graph_expand *x, int *out, const char *suffix, int a,
                              const int64_t *order, unsigned rank)
{
    int list;
    int64_t *values;
    TRY(expand_integers(x, &list, "order", (const int64_t[]){rank}, 1, &values));
    memcpy(values, order, rank * sizeof *order);
    return expand_binary(x, out, GRAPH_TRANSPOSE, suffix, a, list);
}

mp2ml_status expand_real(struct graph_expand *x, int *out, int a)
{
    return expand_unary(x, out, GRAPH_CAST, "real", a); /* a CAST is to real numbers, unless set */
}

/* A copy of the struct owns what the old node owned; the old one is left with a name and inputs. */
mp2ml_status expand_keep(struct graph_expand *x, int *out)
{
    struct graph_node *n;
    const struct graph_node *old = x->node;
    TRY(expand_node(x, old->op, NULL, old->inputs, old->n_inputs, &n));
    char *name = n->name;
    int *inputs = n->inputs;
    *n = *old;
    n->name = name;
    n->inputs = inputs;
    memset(n->block, 0, sizeof n->block); /* pictures are whole from here on */
    *out = x->b->g->n_nodes - 1;
    return MP2ML_OK;
}

static mp2ml_status expand_one(struct graph_expand *x, struct graph_node *old, int *out)
{
    struct graph_build *b = x->b;
    const graph_expand_rule expand = graph_row(old->op).expand;
    const int first = b->g->n_nodes;
    x->node = old;
    b->file_node = old->file_node;
    old->refused = old->refused || graph_any_refused(b, old->inputs, old->n_inputs);
    if (old->batched && expand != NULL && !old->refused) {
        const mp2ml_status status = expand(x, out);
        if (status == MP2ML_OK)
            return MP2ML_OK;
        TRY(graph_refuse(b, first, old->name, graph_node_op(old), old->inputs, old->n_inputs,
                         status));
        *out = first;
        return MP2ML_OK;
    }
    TRY(expand_keep(x, out));
    memset(&old->value, 0, sizeof old->value); /* moved */
    return MP2ML_OK;
}

static mp2ml_status expand_into(struct graph_build *b, struct graph *old, int *map)
{
    struct graph_expand x = {b, NULL};
    for (int k = 0; k < old->n_nodes; k++) {
        struct graph_node *n = &old->nodes[k];
        for (unsigned i = 0; i < n->n_inputs; i++)
            n->inputs[i] = map[n->inputs[i]];
        TRY(expand_one(&x, n, &map[k]));
    }
    for (int k = 0; k < old->n_inputs; k++)
        old->inputs[k] = map[old->inputs[k]];
    for (int k = 0; k < old->n_outputs; k++)
        old->outputs[k] = map[old->outputs[k]];
    return MP2ML_OK;
}

/* The caller keeps its struct graph; only the nodes in it are exchanged. */
mp2ml_status graph_expand_all(struct graph_build *b)
{
    struct graph old = *b->g;
    int *map = malloc(((size_t)old.n_nodes + 1) * sizeof *map);
    if (map == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    b->g->nodes = NULL;
    b->g->n_nodes = 0;
    b->capacity = 0;
    const mp2ml_status status = expand_into(b, &old, map);
    for (int k = 0; k < old.n_nodes; k++)
        graph_node_wipe(&old.nodes[k]);
    free(old.nodes);
    free(map);
    return status;
}
