/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of ONNX files: from written bytes to a graph, and that in floats. */
#ifndef ONNX_FIXTURE_H
#define ONNX_FIXTURE_H

#include "model_fixture.h"
#include "onnx_writer.h"

#define LIST(type, ...)                                                                            \
    ((const type[]){__VA_ARGS__}), (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
#define FLOATS(...) LIST(float, __VA_ARGS__)
#define INTS(...) LIST(int64_t, __VA_ARGS__)

/* A new file with an input x of float32 with these dims, and an output y. */
static inline void onnx_begin(struct onnx_writer *w, const int64_t *dims, int rank)
{
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, dims, rank);
    ow_output(w, "y");
}

/* Closes the writer's file, reads it, and frees the writer. */
static inline mp2ml_status onnx_parse(struct graph **g, struct onnx_writer *w, int opset,
                                      const struct graph_cut *cut, mp2ml_error *err)
{
    memset(err, 0, sizeof *err);
    ow_finish(w, opset);
    mp2ml_status status = graph_parse(g, w->file.data, w->file.size, "test", cut, err);
    ow_wipe(w);
    if (status != MP2ML_OK)
        assert_null(*g);
    return status;
}

static inline struct graph *onnx_graph(struct onnx_writer *w, int opset)
{
    mp2ml_error err;
    struct graph *g;
    if (onnx_parse(&g, w, opset, NULL, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return g;
}

static inline void onnx_fails(struct onnx_writer *w, int opset, mp2ml_status status,
                              const char *word)
{
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(onnx_parse(&g, w, opset, NULL, &err), status);
    assert_int_equal(err.status, status);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

/* A network of one input and one output: the whole tensor x, as one sample or as several, however
 * the importer takes it, gives the whole tensor `want`. Frees the graph. */
static inline void graph_gives(struct graph *g, const float *x, size_t n_x, const float *want,
                               size_t n_want)
{
    assert_int_equal(g->n_inputs, 1);
    assert_int_equal(g->n_outputs, 1);
    const size_t sample = graph_sample_count(&g->nodes[g->inputs[0]]);
    assert_true(sample > 0 && n_x % sample == 0);
    fixture_gives(g, n_x / sample, x, want, n_want, 1e-5);
}

static inline void onnx_gives(struct onnx_writer *w, int opset, const float *x, size_t n_x,
                              const float *want, size_t n_want)
{
    graph_gives(onnx_graph(w, opset), x, n_x, want, n_want);
}

#endif
