/* SPDX-License-Identifier: Apache-2.0
 *
 * What is always a gain: identities, reshapes to the same shape and dead nodes go, Squeeze and
 * ExpandDims become Reshape, a Pad before a convolution becomes its padding, a factor for each
 * channel behind a convolution or matrix goes into its weights, transposed weights are stored the
 * other way round. Operators that only files have are rewritten first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

static bool same_shape(const struct graph_node *x, const struct graph_node *y)
{
    return x->rank == y->rank && memcmp(x->dims, y->dims, x->rank * sizeof *x->dims) == 0;
}

static bool all_zero(const struct graph_tensor *t)
{
    for (size_t k = 0; k < t->count; k++)
        if (t->i[k] != 0)
            return false;
    return true;
}

static bool keeps_order(const struct graph_node *n)
{
    for (unsigned d = 0; d < n->n_list; d++)
        if (n->list[d] != d)
            return false;
    return true;
}

static bool gathers_all(const struct graph_node *n)
{
    for (size_t k = 0; k < n->value.count; k++)
        if (n->value.i[k] != (int64_t)k)
            return false;
    return true;
}

/* Of an operator, not a weight: what is done must not tell that a weight is 1. */
static bool all_ones(const struct graph_node *n)
{
    for (size_t k = 0; n->value.f != NULL && k < n->value.count; k++)
        if (n->value.f[k] < 1 || n->value.f[k] > 1)
            return false;
    return n->attribute && n->value.f != NULL;
}

/* True when the node gives what its first input is. */
static bool does_nothing(const struct graph_build *b, const struct graph_node *n)
{
    switch (n->op) {
    case GRAPH_IDENTITY:
    case GRAPH_CAST:
        return true;
    case GRAPH_RESHAPE:
        return same_shape(n, graph_input(b, n, 0));
    case GRAPH_PAD:
        return all_zero(&graph_input(b, n, 1)->value);
    case GRAPH_MUL:
    case GRAPH_DIV:
        return graph_input(b, n, 0)->batched && same_shape(n, graph_input(b, n, 0)) &&
               all_ones(graph_input(b, n, 1));
    case GRAPH_GATHER:
        return same_shape(n, graph_input(b, n, 0)) && gathers_all(n);
    case GRAPH_TRANSPOSE:
        return keeps_order(n);
    default:
        return false;
    }
}

static bool is_output(const struct graph *g, int node)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (g->outputs[o] == node)
            return true;
    return false;
}

/* The outputs' names are what users know: a node that takes an output's place takes its name. */
static void drop_from_outputs(struct graph *g, int node)
{
    const int from = g->nodes[node].inputs[0];
    if (!is_output(g, node))
        return;
    if (!is_output(g, from) && g->nodes[from].op != GRAPH_INPUT) {
        char *name = g->nodes[from].name;
        g->nodes[from].name = g->nodes[node].name;
        g->nodes[node].name = name;
    }
    for (int o = 0; o < g->n_outputs; o++)
        if (g->outputs[o] == node)
            g->outputs[o] = from;
}

static void skip_idle_inputs(const struct graph_build *b, struct graph_node *n)
{
    for (unsigned k = 0; k < n->n_inputs; k++)
        while (graph_input(b, n, k)->batched && does_nothing(b, graph_input(b, n, k)))
            n->inputs[k] = graph_input(b, n, k)->inputs[0];
}

/* Height and width only, zeros only: the convolution pads itself. */
static void merge_pad(const struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *pad = graph_input(b, n, 0);
    if (n->op != GRAPH_CONV2D || pad->op != GRAPH_PAD)
        return;
    const int64_t *by = graph_input(b, pad, 1)->value.i;
    const unsigned row = n->window.nchw ? 2 : 1, channel = n->window.nchw ? 1 : 3;
    if (by[2 * channel] != 0 || by[2 * channel + 1] != 0)
        return;
    for (unsigned k = 0; k < 4; k++)
        n->window.pad[k] += by[2 * row + k];
    n->window.padding = GRAPH_EXPLICIT;
    n->inputs[0] = pad->inputs[0];
}

static mp2ml_status straighten_weights(struct graph_build *b, struct graph_node *n,
                                       const int *readers)
{
    if (n->op != GRAPH_MATMUL || !n->transpose_b || readers[n->inputs[1]] != 1)
        return MP2ML_OK;
    struct graph_node *w = graph_input(b, n, 1);
    struct graph_tensor t = {.rank = 2, .dims = {w->dims[1], w->dims[0]}};
    b->budget += w->value.count * sizeof *t.f; /* given back below */
    TRY(graph_tensor_alloc(b, &t, false));
    const size_t rows = (size_t)w->dims[0], columns = (size_t)w->dims[1];
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            t.f[c * rows + r] = w->value.f[r * columns + c];
    graph_tensor_wipe(&w->value);
    w->value = t;
    memcpy(w->dims, t.dims, sizeof w->dims);
    n->transpose_b = false;
    return MP2ML_OK;
}

static void count_readers(const struct graph *g, int *readers)
{
    memset(readers, 0, (size_t)g->n_nodes * sizeof *readers);
    for (int k = 0; k < g->n_nodes; k++)
        for (unsigned i = 0; i < g->nodes[k].n_inputs; i++)
            readers[g->nodes[k].inputs[i]]++;
    for (int k = 0; k < g->n_outputs; k++)
        readers[g->outputs[k]]++;
}

/* map[] is scratch. */
static void drop_dead(struct graph *g, int *map)
{
    memset(map, 0, (size_t)g->n_nodes * sizeof *map);
    for (int k = 0; k < g->n_inputs; k++)
        map[g->inputs[k]] = 1;
    for (int k = 0; k < g->n_outputs; k++)
        map[g->outputs[k]] = 1;
    for (int k = g->n_nodes - 1; k >= 0; k--)
        for (unsigned i = 0; map[k] != 0 && i < g->nodes[k].n_inputs; i++)
            map[g->nodes[k].inputs[i]] = 1;
    int kept = 0;
    for (int k = 0; k < g->n_nodes; k++) {
        struct graph_node *n = &g->nodes[k];
        if (map[k] == 0) {
            graph_node_wipe(n);
            continue;
        }
        for (unsigned i = 0; i < n->n_inputs; i++)
            n->inputs[i] = map[n->inputs[i]];
        map[k] = kept;
        if (kept != k) {
            g->nodes[kept] = *n;
            memset(n, 0, sizeof *n);
        }
        kept++;
    }
    for (int k = 0; k < g->n_inputs; k++)
        g->inputs[k] = map[g->inputs[k]];
    for (int k = 0; k < g->n_outputs; k++)
        g->outputs[k] = map[g->outputs[k]];
    g->n_nodes = kept;
}

mp2ml_status graph_drop_dead(struct graph_build *b)
{
    int *map = malloc(((size_t)b->g->n_nodes + 1) * sizeof *map);
    if (map == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    drop_dead(b->g, map);
    free(map);
    return MP2ML_OK;
}

static mp2ml_status check_nodes(const struct graph_build *b)
{
    for (int k = 0; k < b->g->n_nodes; k++) {
        const struct graph_node *n = &b->g->nodes[k];
        for (size_t i = 0; n->value.f != NULL && i < n->value.count; i++)
            if (!isfinite(n->value.f[i]))
                return graph_node_fail(b, n, MP2ML_ERR_MODEL, "element %zu is not a finite number",
                                       i);
    }
    for (int o = 0; o < b->g->n_outputs; o++) {
        const struct graph_node *n = &b->g->nodes[b->g->outputs[o]];
        if (!n->batched)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "an output that depends on no input");
    }
    return MP2ML_OK;
}

/* Factors for each channel ----------------------------------------------------------------------
 */

/* True when constant c, broadcast to x's shape, is one value for each of `channels` on that axis,
 * or one for all. */
static bool for_each_channel(const struct graph_node *c, const struct graph_node *x, unsigned axis,
                             size_t channels)
{
    if (c->batched || c->value.f == NULL || (c->value.count != channels && c->value.count != 1))
        return false;
    for (unsigned d = 0; d < c->rank; d++)
        if (c->dims[d] != 1 && c->rank - d != x->rank - axis)
            return false;
    return c->rank <= x->rank;
}

static void scale_channels(struct graph_tensor *t, const struct graph_tensor *factor,
                           size_t channels, bool divide)
{
    for (size_t k = 0; k < t->count; k++) {
        const float f = factor->f[factor->count == 1 ? 0 : k % channels];
        t->f[k] = divide ? t->f[k] / f : t->f[k] * f;
    }
}

/* The constant that x adds for each channel of the layer before it and nobody else reads, or NULL.
 */
static struct graph_node *bias_of(const struct graph_build *b, const struct graph_node *x,
                                  unsigned axis, const int *readers)
{
    struct graph_node *bias = graph_input(b, x, 1);
    if (bias->batched || bias->value.f == NULL || readers[x->inputs[1]] != 1 ||
        readers[x->inputs[0]] != 1 || bias->value.count != (size_t)x->dims[axis])
        return NULL;
    const bool fits = x->op == GRAPH_BIAS_ADD
                          ? axis == (x->nchw ? 1 : x->rank - 1)
                          : for_each_channel(bias, x, axis, (size_t)x->dims[axis]);
    return fits ? bias : NULL;
}

/* y = (x * W [+ b]) * f becomes x * (W f) [+ b f], where nothing else reads W, b or what lies
 * between. */
static void merge_factor(const struct graph_build *b, struct graph_node *n, const int *readers)
{
    if (n->op != GRAPH_MUL && n->op != GRAPH_DIV)
        return;
    const unsigned side = n->op == GRAPH_MUL && !graph_input(b, n, 0)->batched ? 1 : 0;
    const struct graph_node *factor = graph_input(b, n, 1 - side), *sum = graph_input(b, n, side);
    if (factor->batched || !sum->batched || readers[n->inputs[side]] != 1)
        return;
    const bool adds = sum->op == GRAPH_BIAS_ADD || sum->op == GRAPH_ADD;
    const struct graph_node *x = adds ? graph_input(b, sum, 0) : sum;
    if (!x->batched || (x->op != GRAPH_CONV2D && (x->op != GRAPH_MATMUL || x->transpose_b)))
        return;
    const unsigned axis = x->op == GRAPH_CONV2D && x->window.nchw ? 1 : x->rank - 1;
    const size_t channels = (size_t)x->dims[axis];
    struct graph_node *bias = adds && sum->rank == x->rank ? bias_of(b, sum, axis, readers) : NULL;
    if ((adds && bias == NULL) || readers[x->inputs[1]] != 1 || n->rank != x->rank ||
        !for_each_channel(factor, x, axis, channels))
        return;
    scale_channels(&graph_input(b, x, 1)->value, &factor->value, channels, n->op == GRAPH_DIV);
    if (bias != NULL)
        scale_channels(&bias->value, &factor->value, channels, n->op == GRAPH_DIV);
    n->inputs[0] = n->inputs[side];
    n->n_inputs = 1;
    n->op = GRAPH_IDENTITY;
}

/* ---------------------------------------------------------------------------------------------- */

/* Training-time leftovers that no output needs are gone by now. */
static mp2ml_status check_rest(struct graph_build *b)
{
    for (int k = 0; k < b->g->n_nodes; k++) {
        struct graph_node *n = &b->g->nodes[k];
        n->refused = n->refused || graph_any_refused(b, n->inputs, n->n_inputs);
        if (n->random && !n->refused) {
            b->file_node = n->file_node;
            n->refused = true;
            TRY(graph_note(b, n->name, graph_node_op(n),
                           graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                           "random numbers are there for training")));
        }
        if (n->dead)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                                   "is on the side of a condition that is not taken");
    }
    for (int o = 0; o < b->g->n_outputs; o++) {
        const struct graph_node *n = &b->g->nodes[b->g->outputs[o]];
        if (shape_in_pieces(n))
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "an output between SpaceToBatchND and BatchToSpaceND");
        if (n->rows)
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "an output whose first axis is %lld times the batch",
                                   (long long)n->dims[1]);
    }
    return MP2ML_OK;
}

static void drop_idle(const struct graph_build *b, int *scratch)
{
    struct graph *g = b->g;
    for (int k = g->n_nodes - 1; k >= 0; k--)
        if (g->nodes[k].batched && does_nothing(b, &g->nodes[k]))
            drop_from_outputs(g, k);
    drop_dead(g, scratch);
}

/* What has no values needs nothing of what it was cut from: it reads the first input. */
static void cut_empty_nodes(struct graph *g)
{
    int first = g->n_nodes;
    for (int i = 0; i < g->n_inputs; i++)
        first = g->inputs[i] < first ? g->inputs[i] : first;
    for (int k = first + 1; k < g->n_nodes; k++)
        if (g->nodes[k].op == GRAPH_GATHER && graph_is_empty(&g->nodes[k]))
            g->nodes[k].inputs[0] = first;
}

static void simplify_node(const struct graph_build *b, struct graph_node *n)
{
    skip_idle_inputs(b, n);
    if (n->op == GRAPH_SQUEEZE || n->op == GRAPH_EXPAND_DIMS)
        n->op = GRAPH_RESHAPE;
    if (n->op == GRAPH_RESHAPE) { /* the shape is in dims */
        n->n_inputs = 1;
        n->n_list = 0;
    }
    if (n->n_inputs != 0)
        merge_pad(b, n);
}

mp2ml_status graph_simplify(struct graph_build *b)
{
    struct graph *g = b->g;
    cut_empty_nodes(g);
    TRY(graph_drop_dead(b));
    TRY(check_rest(b));
    TRY(graph_expand_all(b));
    TRY(graph_check_refusals(b));
    TRY(graph_drop_dead(b));
    int *scratch = malloc(((size_t)g->n_nodes + 1) * sizeof *scratch);
    if (scratch == NULL)
        return status_fail(b->err, MP2ML_ERR_MEMORY, "out of memory");
    mp2ml_status status = MP2ML_OK;
    for (int k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].batched)
            simplify_node(b, &g->nodes[k]);
    drop_idle(b, scratch);
    count_readers(g, scratch);
    for (int k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].batched) {
            skip_idle_inputs(b, &g->nodes[k]);
            merge_factor(b, &g->nodes[k], scratch);
        }
    drop_idle(b, scratch);
    count_readers(g, scratch);
    for (int k = 0; k < g->n_nodes; k++)
        TRY_OUT(straighten_weights(b, &g->nodes[k], scratch));
    TRY_OUT(check_nodes(b));
out:
    free(scratch);
    return status;
}
