/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of the operators that compute. Axis 0 of a batched operand is the batch, always: what
 * would move or mix it is refused. */
#include <stdio.h>
#include <string.h>

#include "model/graph_internal.h"

struct shape_text shape_print(const struct graph_node *n)
{
    struct shape_text s;
    size_t used = 0;
    s.text[used++] = '(';
    for (unsigned d = 0; d < n->rank && used + 24 < sizeof s.text; d++) {
        const char *comma = d == 0 ? "" : ", ";
        int length = n->dims[d] == GRAPH_BATCH
                         ? snprintf(s.text + used, sizeof s.text - used, "%s?", comma)
                         : snprintf(s.text + used, sizeof s.text - used, "%s%lld", comma,
                                    (long long)n->dims[d]);
        used += length > 0 ? (size_t)length : 0;
    }
    s.text[used++] = ')';
    s.text[used] = '\0';
    return s;
}

bool shape_axis(int64_t *axis, unsigned rank)
{
    if (*axis < -(int64_t)rank || *axis >= (int64_t)rank)
        return false;
    if (*axis < 0)
        *axis += rank;
    return true;
}

mp2ml_status shape_want_integers(struct graph_build *b, const struct graph_node *n, unsigned k)
{
    const struct graph_node *from = graph_input(b, n, k);
    if (from->op != GRAPH_CONST || !from->integers)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "input %u ('%.200s') must be a constant of integers", k, from->name);
    return MP2ML_OK;
}

/* The weights of a layer: constant floats of that rank. */
mp2ml_status shape_want_weights(struct graph_build *b, const struct graph_node *n, unsigned k,
                                unsigned rank)
{
    const struct graph_node *from = graph_input(b, n, k);
    if (from->op != GRAPH_CONST || from->integers)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "input %u ('%.200s') must be a constant of real numbers", k,
                               from->name);
    if (from->rank != rank)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                               "input %u ('%.200s') has shape %s, must have %u axes", k, from->name,
                               shape_print(from).text, rank);
    return MP2ML_OK;
}

mp2ml_status shape_want_number(struct graph_build *b, const struct graph_node *n, unsigned k,
                               int64_t *value)
{
    TRY(shape_want_integers(b, n, k));
    const struct graph_tensor *t = &graph_input(b, n, k)->value;
    if (t->count != 1)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "input %u must be one number, not %zu", k,
                               t->count);
    *value = t->i[0];
    return MP2ML_OK;
}

mp2ml_status shape_source(struct graph_build *b, struct graph_node *n)
{
    if (n->op == GRAPH_CONST) {
        n->rank = n->value.rank;
        memcpy(n->dims, n->value.dims, sizeof n->dims);
        return MP2ML_OK;
    }
    if (n->rank == 0 || n->dims[0] != GRAPH_BATCH) /* the importer's work */
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has no batch axis");
    return MP2ML_OK;
}

mp2ml_status shape_same(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    graph_copy_shape(n, x);
    n->integers = x->integers;
    return MP2ML_OK;
}

mp2ml_status shape_softmax(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_same(b, n));
    if (!shape_axis(&n->axis, n->rank) || (n->batched && n->axis == 0))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "axis %lld of shape %s",
                               (long long)n->axis, shape_print(n).text);
    return MP2ML_OK;
}

mp2ml_status shape_argmax(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (n->n_inputs == 2) {
        TRY(shape_want_number(b, n, 1, &n->axis));
        n->n_inputs = 1;
    }
    if (!shape_axis(&n->axis, x->rank) || (n->batched && n->axis == 0))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "axis %lld of shape %s",
                               (long long)n->axis, shape_print(x).text);
    n->integers = true;
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++)
        if (d != n->axis)
            n->dims[n->rank++] = x->dims[d];
    return MP2ML_OK;
}

/* The product along the last axis; those before it are rows. */
mp2ml_status shape_matmul(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_want_weights(b, n, 1, 2));
    const struct graph_node *x = graph_input(b, n, 0), *w = graph_input(b, n, 1);
    if (x->rank < 2)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                               "input '%.200s' has shape %s, must have 2 axes", x->name,
                               shape_print(x).text);
    if (n->transpose_a)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "transpose_a would put the batch on the second axis");
    const int64_t rows = w->dims[n->transpose_b ? 1 : 0];
    if (x->integers || x->dims[x->rank - 1] != rows)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                               shape_print(x).text, shape_print(w).text);
    graph_copy_shape(n, x);
    n->dims[n->rank - 1] = w->dims[n->transpose_b ? 0 : 1];
    return MP2ML_OK;
}

mp2ml_status shape_bias_add(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_want_weights(b, n, 1, 1));
    const struct graph_node *x = graph_input(b, n, 0), *bias = graph_input(b, n, 1);
    if (x->rank < 2 || (n->nchw && x->rank < 3))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "input has shape %s, with no channels",
                               shape_print(x).text);
    if (x->integers || x->dims[n->nchw ? 1 : x->rank - 1] != bias->dims[0])
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                               shape_print(x).text, shape_print(bias).text);
    graph_copy_shape(n, x);
    return MP2ML_OK;
}

mp2ml_status shape_batch_norm(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    const unsigned axis = n->nchw ? 1 : x->rank - 1;
    if (n->mask[0] != 0)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "normalises by the statistics of the batch (is_training); freeze "
                               "the network for inference");
    if (x->rank < 2 || x->integers)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "input has shape %s, with no channels",
                               shape_print(x).text);
    for (unsigned k = 1; k < 5; k++) {
        TRY(shape_want_weights(b, n, k, 1));
        if (graph_input(b, n, k)->dims[0] != x->dims[axis])
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(graph_input(b, n, k)).text);
    }
    graph_copy_shape(n, x);
    return MP2ML_OK;
}

/* The batch axis must stay alone on axis 0: two batched operands have the same rank; a constant has
 * fewer axes, or 1 in that place. */
static bool batch_fits(const struct graph_node *x, const struct graph_node *y)
{
    if (x->batched && y->batched)
        return x->rank == y->rank;
    const struct graph_node *data = x->batched ? x : y, *constant = x->batched ? y : x;
    if (!data->batched)
        return true;
    return constant->rank < data->rank || (constant->rank == data->rank && constant->dims[0] == 1);
}

mp2ml_status shape_binary(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0), *y = graph_input(b, n, 1);
    if (x->integers != y->integers)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "joins integers and real numbers");
    if (!batch_fits(x, y))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "shapes %s and %s would not keep the batch on the first axis",
                               shape_print(x).text, shape_print(y).text);
    n->integers = x->integers;
    n->rank = x->rank > y->rank ? x->rank : y->rank;
    for (unsigned d = 0; d < n->rank; d++) { /* from the last axis on */
        const int64_t p = d < x->rank ? x->dims[x->rank - 1 - d] : 1;
        const int64_t q = d < y->rank ? y->dims[y->rank - 1 - d] : 1;
        if (p != q && p != 1 && q != 1)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
        n->dims[n->rank - 1 - d] = p == 1 ? q : p;
    }
    return MP2ML_OK;
}

mp2ml_status shape_compare(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0), *y = graph_input(b, n, 1);
    if ((x->batched || y->batched) && x->integers != y->integers) /* data are real numbers here */
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "is supported on shapes and constants only, not on data of shape %s",
                               shape_print(x->batched ? x : y).text);
    TRY(shape_binary(b, n));
    n->integers = true;
    return MP2ML_OK;
}

mp2ml_status shape_add_n(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    for (unsigned k = 1; k < n->n_inputs; k++) {
        const struct graph_node *y = graph_input(b, n, k);
        if (y->integers != x->integers || y->rank != x->rank || y->batched != x->batched ||
            memcmp(y->dims, x->dims, x->rank * sizeof *x->dims) != 0)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
    }
    return shape_same(b, n);
}

/* Operators along the last axis or on single values do not mind that the file has the rows of all
 * samples on one axis; two operands must agree about it. */
mp2ml_status shape_rows(struct graph_build *b, struct graph_node *n)
{
    bool any = false, all = true;
    for (unsigned k = 0; k < n->n_inputs; k++) {
        const struct graph_node *x = graph_input(b, n, k);
        any = any || x->rows;
        all = all && (x->rows || !x->batched);
    }
    if (!any || !n->batched || n->op == GRAPH_RESHAPE)
        return MP2ML_OK;
    const enum graph_op op = n->op;
    const graph_shape_rule rule = graph_row(op).shape;
    n->rows = true;
    if (all && (rule == shape_same || rule == shape_binary || rule == shape_cast ||
                op == GRAPH_ADD_N || op == GRAPH_MATMUL || op == GRAPH_SOFTMAX ||
                op == GRAPH_LOG_SOFTMAX || (op == GRAPH_BIAS_ADD && !n->nchw)))
        return MP2ML_OK;
    return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                           "is not supported on rows of several samples: shape %s",
                           shape_print(graph_input(b, n, 0)).text);
}

static bool fits_select(const struct graph_node *n, const struct graph_node *x)
{
    return (x->rank == 0 && !x->batched) ||
           (x->rank == n->rank && memcmp(x->dims, n->dims, n->rank * sizeof *n->dims) == 0);
}

/* One constant condition for all of some data is an identity. */
static void settle_select(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *condition = graph_input(b, n, 0);
    if (!n->batched || condition->op != GRAPH_CONST || condition->value.count != 1)
        return;
    const int taken = n->inputs[condition->value.i[0] != 0 ? 1 : 2];
    if (!b->g->nodes[taken].batched)
        return;
    n->inputs[0] = taken;
    n->op = GRAPH_IDENTITY;
    n->n_inputs = 1;
    n->random = b->g->nodes[taken].random;
}

/* Each of the three has the result's shape, or is one number. */
mp2ml_status shape_select(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 1), *y = graph_input(b, n, 2);
    graph_copy_shape(n, x->rank >= y->rank ? x : y);
    if (graph_input(b, n, 0)->rank > n->rank)
        graph_copy_shape(n, graph_input(b, n, 0));
    n->integers = x->integers;
    if (x->integers != y->integers || !graph_input(b, n, 0)->integers ||
        !fits_select(n, graph_input(b, n, 0)) || !fits_select(n, x) || !fits_select(n, y))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "chooses between shapes %s and %s",
                               shape_print(x).text, shape_print(y).text);
    settle_select(b, n);
    return MP2ML_OK;
}
