/* SPDX-License-Identifier: Apache-2.0
 *
 * From a written TensorFlow Lite file to a graph, and what it gives. */
#ifndef TFLITE_FIXTURE_H
#define TFLITE_FIXTURE_H

#include "flatbuffer_writer.h"
#include "model_fixture.h"

/* Closes the writer's file, reads it, and frees the writer. */
static inline mp2ml_status tflite_parse(struct graph **g, struct tl_writer *w,
                                        const struct graph_cut *cut, mp2ml_error *err)
{
    memset(err, 0, sizeof *err);
    tl_finish(w);
    const mp2ml_status status = graph_parse(g, w->file.data, w->file.size, "test", cut, err);
    tl_wipe(w);
    if (status != MP2ML_OK)
        assert_null(*g);
    return status;
}

static inline void tflite_gives(struct tl_writer *w, size_t batch, const float *x,
                                const float *want, size_t count, double tolerance)
{
    mp2ml_error err;
    struct graph *g;
    if (tflite_parse(&g, w, NULL, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    fixture_gives(g, batch, x, want, count, tolerance);
}

static inline void tflite_fails(struct tl_writer *w, mp2ml_status status, const char *words)
{
    mp2ml_error err;
    struct graph *g;
    const mp2ml_status got = tflite_parse(&g, w, NULL, &err);
    if (got != status || err.status != status || strstr(err.text, words) == NULL)
        fail_msg("'%s' is not in: %s", words, err.text);
}

#endif
