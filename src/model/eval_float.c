/* SPDX-License-Identifier: Apache-2.0
 *
 * The network in plain floats. Slices of a few samples run through all nodes on their own, spread
 * over the cores, so that memory does not grow with the batch; with a visitor, who wants a node's
 * values whole, the slices meet after every node. Buffers live until their last reader. */
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

#define MAX_SLICE 32                   /* samples of one call of a rule */
#define SLICE_VALUES ((size_t)1 << 22) /* of the largest node in one slice, if samples permit */

struct eval_view eval_view_of(const struct graph_node *n, size_t batch)
{
    struct eval_view v;
    memset(&v, 0, sizeof v);
    v.rank = n->rank;
    v.count = 1;
    for (unsigned d = 0; d < n->rank; d++) {
        v.dims[d] = n->batched && d == 0 ? batch : (size_t)n->dims[d];
        v.count *= v.dims[d];
    }
    v.integers = n->integers && !n->batched; /* data are floats, class numbers too */
    v.f = n->value.f;
    v.i = n->value.i;
    return v;
}

struct run {
    const struct graph *g;
    size_t batch;
    size_t slice;
    eval_gemm gemm;
    const float **values; /* of each node; NULL: a constant, or not alive */
    float **owned;        /* those of them that we allocated */
    int *last_reader;
};

/* Samples [first, first + count) of one node. */
static mp2ml_status eval_samples(const struct run *r, const struct graph_node *n, float *out,
                                 size_t first, size_t count)
{
    struct eval_view *in = calloc(n->n_inputs + 1, sizeof *in);
    if (in == NULL)
        return MP2ML_ERR_MEMORY;
    for (unsigned k = 0; k < n->n_inputs; k++) {
        const struct graph_node *from = &r->g->nodes[n->inputs[k]];
        in[k] = eval_view_of(from, count);
        if (from->batched)
            in[k].f = r->values[n->inputs[k]] + first * graph_sample_count(from);
    }
    struct eval_call call = {
        n,    in,     n->n_inputs, eval_view_of(n, count), out + first * graph_sample_count(n),
        NULL, r->gemm};
    mp2ml_status status = graph_row(n->op).eval(&call);
    free(in);
    return status;
}

static mp2ml_status eval_node(struct run *r, int index)
{
    const struct graph_node *n = &r->g->nodes[index];
    size_t bytes;
    if (!size_mul(&bytes, graph_sample_count(n) * sizeof(float), r->batch))
        return MP2ML_ERR_MEMORY;
    float *out = malloc(bytes + 1);
    if (out == NULL)
        return MP2ML_ERR_MEMORY;
    r->owned[index] = out;
    r->values[index] = out;
    const ptrdiff_t slices = (ptrdiff_t)((r->batch + r->slice - 1) / r->slice);
    int worst = MP2ML_OK;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) reduction(min : worst) if (slices > 1)
#endif
    for (ptrdiff_t s = 0; s < slices; s++) {
        const size_t first = (size_t)s * r->slice;
        const size_t count = r->batch - first < r->slice ? r->batch - first : r->slice;
        const int status = eval_samples(r, n, out, first, count);
        worst = status < worst ? status : worst; /* failures are negative */
    }
    return (mp2ml_status)worst;
}

static void release_inputs(struct run *r, int index)
{
    const struct graph_node *n = &r->g->nodes[index];
    for (unsigned k = 0; k < n->n_inputs; k++) {
        const int from = n->inputs[k];
        if (r->last_reader[from] == index) {
            free(r->owned[from]);
            r->owned[from] = NULL;
            r->values[from] = NULL;
        }
    }
}

static mp2ml_status eval_nodes(struct run *r, float *const *outputs, size_t first,
                               graph_visit visit, void *context)
{
    for (int k = 0; k < r->g->n_nodes; k++) {
        const struct graph_node *n = &r->g->nodes[k];
        if (!n->batched)
            continue;
        if (n->op != GRAPH_INPUT)
            TRY(eval_node(r, k));
        const size_t sample = graph_sample_count(n);
        if (visit != NULL && visit(context, k, r->values[k], r->batch * sample) != 0)
            return MP2ML_ERR_CANCELLED;
        for (int o = 0; o < r->g->n_outputs; o++)
            if (r->g->outputs[o] == k && outputs != NULL && outputs[o] != NULL)
                memcpy(outputs[o] + first * sample, r->values[k],
                       r->batch * sample * sizeof(float));
        release_inputs(r, k);
    }
    return MP2ML_OK;
}

static void run_wipe(struct run *r)
{
    for (int k = 0; r->owned != NULL && k < r->g->n_nodes; k++)
        free(r->owned[k]);
    free(r->owned);
    free(r->values);
    free(r->last_reader);
}

static mp2ml_status run_init(struct run *r, const struct graph *g, size_t slice, eval_gemm gemm)
{
    const size_t n = (size_t)g->n_nodes + 1;
    memset(r, 0, sizeof *r);
    r->g = g;
    r->slice = slice;
    r->gemm = gemm;
    r->values = calloc(n, sizeof *r->values);
    r->owned = calloc(n, sizeof *r->owned);
    r->last_reader = malloc(n * sizeof *r->last_reader);
    if (r->values == NULL || r->owned == NULL || r->last_reader == NULL) {
        run_wipe(r);
        return MP2ML_ERR_MEMORY;
    }
    for (int k = 0; k < g->n_nodes; k++)
        r->last_reader[k] = -1;
    for (int k = 0; k < g->n_nodes; k++)
        for (unsigned i = 0; i < g->nodes[k].n_inputs; i++)
            r->last_reader[g->nodes[k].inputs[i]] = k;
    return MP2ML_OK;
}

/* Samples [first, first + count) through the whole network. */
static mp2ml_status eval_part(const struct graph *g, size_t slice, eval_gemm gemm, size_t first,
                              size_t count, const float *const *inputs, float *const *outputs,
                              graph_visit visit, void *context)
{
    struct run r;
    TRY(run_init(&r, g, slice, gemm));
    r.batch = count;
    for (int k = 0; k < g->n_inputs; k++)
        r.values[g->inputs[k]] = inputs[k] + first * graph_sample_count(&g->nodes[g->inputs[k]]);
    const mp2ml_status status = eval_nodes(&r, outputs, first, visit, context);
    run_wipe(&r);
    return status;
}

static size_t slice_of(const struct graph *g)
{
    size_t largest = 1;
    for (int k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].batched && graph_sample_count(&g->nodes[k]) > largest)
            largest = graph_sample_count(&g->nodes[k]);
    const size_t fit = SLICE_VALUES / largest;
    return fit < 1 ? 1 : fit > MAX_SLICE ? MAX_SLICE : fit;
}

mp2ml_status graph_eval(const struct graph *g, size_t batch, const float *const *inputs,
                        float *const *outputs, graph_visit visit, void *context)
{
    const size_t slice = slice_of(g);
    const eval_gemm gemm = eval_gemm_pick();
    if (visit != NULL)
        return eval_part(g, slice, gemm, 0, batch, inputs, outputs, visit, context);
    const ptrdiff_t slices = (ptrdiff_t)((batch + slice - 1) / slice);
    int worst = MP2ML_OK;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) reduction(min : worst) if (slices > 1)
#endif
    for (ptrdiff_t s = 0; s < slices; s++) {
        const size_t first = (size_t)s * slice;
        const size_t count = batch - first < slice ? batch - first : slice;
        const int status = eval_part(g, slice, gemm, first, count, inputs, outputs, NULL, NULL);
        worst = status < worst ? status : worst; /* failures are negative */
    }
    return (mp2ml_status)worst;
}
