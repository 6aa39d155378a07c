/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a TensorFlow Lite network starts and ends: the tensors that the user names, by their own
 * name or by the one that the file's signature has for them, or the file's inputs and outputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tflite_internal.h"

enum { /* fields of the schema's tables */
       TENSOR_NAME = 3,
       MAP_NAME = 0,
       MAP_TENSOR = 1
};

void tflite_bounds_wipe(struct tflite_bounds *bounds)
{
    free(bounds->starts);
    free(bounds->ends);
    memset(bounds, 0, sizeof *bounds);
}

/* What the user wrote, in an error. */
static mp2ml_status bad_name(mp2ml_error *err, const char *flag, const char *asked,
                             const char *what)
{
    (void)status_fail(err, MP2ML_ERR_ARGUMENT, "%s %.200s: %s", flag, asked, what);
    graph_clean_text(err);
    return MP2ML_ERR_ARGUMENT;
}

static const char *name_of(struct tflite_model *m, size_t tensor)
{
    const struct flatbuffer_table table = flatbuffer_table_at(&m->tensors, tensor);
    return flatbuffer_string(&table, TENSOR_NAME);
}

/* How well a tensor's name fits: the whole name, the part that listings show, or one of these but
 * for a prefix or suffix. */
enum fit { FIT_WHOLE, FIT_SHOWN, FIT_LOOSE };

static bool fits(const char *name, const char *asked, enum fit how)
{
    const size_t shown = tflite_name_length(name);
    if (how == FIT_SHOWN)
        return strncmp(name, asked, shown) == 0 && asked[shown] == '\0';
    return how == FIT_WHOLE ? strcmp(name, asked) == 0 : graph_name_matches(name, asked);
}

/* The tensor that the signature has under that name; TFLITE_NO_TENSOR: none. */
static int in_signature(const struct tflite_model *m, const struct flatbuffer_vector *names,
                        const char *asked)
{
    for (size_t k = 0; k < names->count; k++) {
        const struct flatbuffer_table map = flatbuffer_table_at(names, k);
        const int32_t tensor = flatbuffer_i32(&map, MAP_TENSOR, 0);
        if (strcmp(flatbuffer_string(&map, MAP_NAME), asked) == 0 && tensor >= 0 &&
            (size_t)tensor < m->tensors.count)
            return tensor;
    }
    return TFLITE_NO_TENSOR;
}

/* *tensor stays TFLITE_NO_TENSOR when there is none; fails when there are several that fit as well. */
static mp2ml_status find_fitting(int *tensor, struct tflite_model *m, enum fit how,
                                 const char *asked, const char *flag, mp2ml_error *err)
{
    *tensor = TFLITE_NO_TENSOR;
    for (size_t k = 0; k < m->tensors.count; k++) {
        if (!fits(name_of(m, k), asked, how))
            continue;
        if (*tensor != TFLITE_NO_TENSOR)
            return bad_name(err, flag, asked, "the model has several tensors of that name");
        *tensor = (int)k;
    }
    return MP2ML_OK;
}

static mp2ml_status find_tensor(int *tensor, struct tflite_model *m,
                                const struct flatbuffer_vector *names, const char *asked,
                                const char *flag, mp2ml_error *err)
{
    TRY(find_fitting(tensor, m, FIT_WHOLE, asked, flag, err));
    if (*tensor == TFLITE_NO_TENSOR)
        *tensor = in_signature(m, names, asked);
    if (*tensor == TFLITE_NO_TENSOR)
        TRY(find_fitting(tensor, m, FIT_SHOWN, asked, flag, err));
    return *tensor == TFLITE_NO_TENSOR ? find_fitting(tensor, m, FIT_LOOSE, asked, flag, err)
                                       : MP2ML_OK;
}

/* The same for the first `length` characters. */
static mp2ml_status find_named(int *tensor, struct tflite_model *m,
                               const struct flatbuffer_vector *names, const char *asked,
                               size_t length, const char *flag, mp2ml_error *err)
{
    char *name = strndup(asked, length);
    if (name == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    const mp2ml_status status = find_tensor(tensor, m, names, name, flag, err);
    free(name);
    return status;
}

/* NAME or NAME:D1,D2,...; names have colons, too. */
static mp2ml_status parse_start(struct tflite_start *start, struct tflite_model *m,
                                const char *asked, mp2ml_error *err)
{
    static const char flag[] = "--input-node";
    memset(start, 0, sizeof *start);
    TRY(find_tensor(&start->tensor, m, &m->input_names, asked, flag, err));
    const char *colon = strrchr(asked, ':');
    if (start->tensor != TFLITE_NO_TENSOR)
        return MP2ML_OK;
    if (colon != NULL)
        TRY(find_named(&start->tensor, m, &m->input_names, asked, (size_t)(colon - asked), flag,
                       err));
    if (start->tensor == TFLITE_NO_TENSOR)
        return bad_name(err, flag, asked, "the model has no such tensor");
    if (!graph_parse_shape(&start->rank, start->dims, colon + 1))
        return bad_name(err, flag, asked,
                        "the shape after the colon must be sizes of one sample, as in "
                        "NAME:28,28,1");
    return MP2ML_OK;
}

/* The number of a tensor in one of the file's two lists. */
static mp2ml_status listed(int *tensor, struct tflite_model *m,
                           const struct flatbuffer_vector *list, size_t k, const char *what,
                           mp2ml_error *err)
{
    *tensor = flatbuffer_i32_at(list, k);
    return *tensor >= 0 && (size_t)*tensor < m->tensors.count
               ? MP2ML_OK
               : status_fail(err, MP2ML_ERR_MODEL, "%s %zu of the network is no tensor", what, k);
}

static mp2ml_status make_starts(struct tflite_bounds *bounds, struct tflite_model *m,
                                const struct graph_cut *cut, mp2ml_error *err)
{
    bounds->named = cut->inputs != NULL && cut->n_inputs != 0;
    const size_t count = bounds->named ? cut->n_inputs : m->inputs.count;
    bounds->starts = calloc(count + 1, sizeof *bounds->starts);
    if (bounds->starts == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < count; k++) {
        if (bounds->named)
            TRY(parse_start(&bounds->starts[k], m, cut->inputs[k], err));
        else
            TRY(listed(&bounds->starts[k].tensor, m, &m->inputs, k, "input", err));
        bounds->n_starts = k + 1;
    }
    return MP2ML_OK;
}

static mp2ml_status make_ends(struct tflite_bounds *bounds, struct tflite_model *m,
                              const struct graph_cut *cut, mp2ml_error *err)
{
    static const char flag[] = "--output-node";
    const bool named = cut->outputs != NULL && cut->n_outputs != 0;
    const size_t count = named ? cut->n_outputs : m->outputs.count;
    if (count == 0)
        return status_fail(err, MP2ML_ERR_MODEL, "the network has no outputs");
    bounds->ends = calloc(count, sizeof *bounds->ends);
    if (bounds->ends == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    for (size_t k = 0; k < count; k++) {
        int *end = &bounds->ends[k];
        if (!named) {
            TRY(listed(end, m, &m->outputs, k, "output", err));
        } else {
            const char *asked = cut->outputs[k];
            TRY(find_tensor(end, m, &m->output_names, asked, flag, err));
            if (*end == TFLITE_NO_TENSOR)
                return bad_name(err, flag, asked, "the model has no such tensor");
        }
        bounds->n_ends = k + 1;
    }
    return MP2ML_OK;
}

mp2ml_status tflite_bounds_make(struct tflite_bounds *bounds, struct tflite_model *m,
                                const struct graph_cut *cut, mp2ml_error *err)
{
    memset(bounds, 0, sizeof *bounds);
    TRY(make_starts(bounds, m, cut, err));
    TRY(make_ends(bounds, m, cut, err));
    return m->file.failed ? status_fail(err, MP2ML_ERR_MODEL, "a damaged TensorFlow Lite file")
                          : MP2ML_OK;
}
