/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the model layer: from written bytes to a graph, and one operator run on its own. */
#ifndef MODEL_FIXTURE_H
#define MODEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graphdef_writer.h"
#include "model/model.h"

#define SHAPE(...)                                                                                 \
    ((const int64_t[]){__VA_ARGS__}), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / 8)

/* Closes the writer's file, reads it, and frees the writer. */
static inline mp2ml_status fixture_parse(struct graph **g, struct gd_writer *w,
                                         const struct graph_cut *cut, mp2ml_error *err)
{
    memset(err, 0, sizeof *err);
    gd_finish(w);
    mp2ml_status status = graph_parse(g, w->file.data, w->file.size, "test", cut, err);
    gd_wipe(w);
    if (status != MP2ML_OK)
        assert_null(*g);
    return status;
}

static inline struct graph *fixture_graph(struct gd_writer *w)
{
    mp2ml_error err;
    struct graph *g;
    if (fixture_parse(&g, w, NULL, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return g;
}

static inline void fixture_fails(struct gd_writer *w, mp2ml_status status, const char *word)
{
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(fixture_parse(&g, w, NULL, &err), status);
    assert_int_equal(err.status, status);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

static inline const struct graph_node *fixture_output(const struct graph *g)
{
    return &g->nodes[g->outputs[0]];
}

static inline void fixture_shape(const struct graph_node *n, const int64_t *dims, int rank)
{
    assert_int_equal(n->rank, rank);
    for (int d = 0; d < rank; d++)
        assert_int_equal(n->dims[d], dims[d]);
}

/* Runs a graph of one input and one output, frees it, and compares. */
static inline void fixture_gives(struct graph *g, size_t batch, const float *x, const float *want,
                                 size_t count, double tolerance)
{
    assert_int_equal(batch * graph_sample_count(fixture_output(g)), count);
    float *y = calloc(count + 1, sizeof *y);
    assert_non_null(y);
    const float *in[] = {x};
    float *out[] = {y};
    assert_int_equal(graph_eval(g, batch, in, out, NULL, NULL), MP2ML_OK);
    for (size_t k = 0; k < count; k++)
        if (!(fabs((double)y[k] - (double)want[k]) <= tolerance))
            fail_msg("value %zu is %g, not %g", k, (double)y[k], (double)want[k]);
    free(y);
    graph_free(g);
}

/* Small repeatable numbers in [-1, 1). */
static inline void fixture_fill(float *to, size_t n, uint32_t seed)
{
    for (size_t k = 0; k < n; k++) {
        seed = seed * 1664525U + 1013904223U;
        to[k] = (float)(seed >> 16) / 32768.0F - 1.0F;
    }
}

#endif
