/* SPDX-License-Identifier: Apache-2.0
 *
 * The outside of a graph: reading a file of any known format, names, sizes, freeing. */
#include "model/graph.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

#define MAX_FILE ((size_t)2 << 30) /* protobuf's own limit */

void graph_free(struct graph *g)
{
    if (g == NULL)
        return;
    for (int k = 0; k < g->n_nodes; k++)
        graph_node_wipe(&g->nodes[k]);
    free(g->nodes);
    free(g->inputs);
    free(g->outputs);
    free(g);
}

size_t graph_sample_count(const struct graph_node *node)
{
    size_t count = 0;
    unsigned first = node->batched ? 1 : 0;
    return graph_count(&count, node->dims + first, node->rank - first) ? count : 0;
}

/* The bare name: without "import/" and ":0". */
static const char *bare(const char *name, size_t *length)
{
    static const char prefix[] = "import/";
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        name += sizeof prefix - 1;
    *length = strlen(name);
    if (*length > 2 && strcmp(name + *length - 2, ":0") == 0)
        *length -= 2;
    return name;
}

bool graph_name_matches(const char *node_name, const char *asked)
{
    size_t a_length, b_length;
    const char *a = bare(node_name, &a_length);
    const char *b = bare(asked, &b_length);
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

/* What the file is instead, where that can be told from its first bytes. */
static const char *other_format(const uint8_t *data, size_t size)
{
    if (size >= 8 && memcmp(data, "\x89HDF\r\n\x1a\n", 8) == 0)
        return "an HDF5 file: convert it with `mp2ml convert`";
    if (size >= 4 && memcmp(data, "PK\x03\x04", 4) == 0)
        return "a zip archive (.keras?): convert it with `mp2ml convert`";
    return NULL;
}

void model_file_drop(struct model_file *file)
{
    if (!file->owned)
        return;
    free(file->data);
    file->data = NULL;
    file->size = 0;
}

/* Formats in the order in which they are tried; the last takes what is left. */
static const struct {
    bool (*is)(const void *data, size_t size);
    mp2ml_status (*import)(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                           mp2ml_error *err);
} formats[] = {
    {import_tflite_is, import_tflite},
    {import_onnx_is, import_onnx},
    {NULL, import_tf},
};

static mp2ml_status import(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                           mp2ml_error *err)
{
    static const struct graph_cut whole = {NULL, 0, NULL, 0};
    if (file->size == 0)
        return status_fail(err, MP2ML_ERR_MODEL, "the file is empty");
    const char *other = other_format(file->data, file->size);
    if (other != NULL)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED, "this is %s", other);
    size_t k = 0;
    while (formats[k].is != NULL && !formats[k].is(file->data, file->size))
        k++;
    return formats[k].import(out, file, cut != NULL ? cut : &whole, err);
}

static mp2ml_status import_named(struct graph **out, struct model_file *file,
                                 const struct graph_cut *cut, mp2ml_error *err)
{
    const mp2ml_status status = import(out, file, cut, err);
    model_file_drop(file);
    if (status != MP2ML_OK) {
        (void)status_within(err, status, "%s", file->name);
        graph_clean_text(err);
    }
    return status;
}

static mp2ml_status read_file(uint8_t **out, size_t *size, const char *path, mp2ml_error *err)
{
    *out = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return status_fail(err, MP2ML_ERR_IO, "%s: %s", path, strerror(errno));
    mp2ml_status status = MP2ML_OK;
    long end = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        end = ftell(file);
    if (end < 0 || (unsigned long)end > MAX_FILE || fseek(file, 0, SEEK_SET) != 0)
        TRY_OUT(status_fail(
            err, MP2ML_ERR_IO,
            "%s: not a file of at most 2 GiB; a SavedModel folder needs `mp2ml convert`", path));
    uint8_t *data = malloc((size_t)end + 1);
    if (data == NULL)
        TRY_OUT(status_fail(err, MP2ML_ERR_MEMORY, "%s: out of memory", path));
    *size = fread(data, 1, (size_t)end, file);
    *out = data;
    if (*size != (size_t)end)
        TRY_OUT(status_fail(err, MP2ML_ERR_IO, "%s: cannot be read", path));
out:
    if (fclose(file) != 0 && status == MP2ML_OK)
        status = status_fail(err, MP2ML_ERR_IO, "%s: cannot be read", path);
    if (status != MP2ML_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

mp2ml_status model_file_again(struct model_file *file, mp2ml_error *err)
{
    return file->data != NULL ? MP2ML_OK : read_file(&file->data, &file->size, file->path, err);
}

/* data NULL: `name` is the path of a file. */
static mp2ml_status import_from(struct graph **out, const void *data, size_t size, const char *name,
                                const struct graph_cut *cut, struct graph_refusals *refusals,
                                mp2ml_error *err)
{
    *out = NULL;
    struct model_file file = {.size = size, .name = name, .refusals = refusals};
    memcpy(&file.data, &data, sizeof file.data); /* read only, unless owned */
    if (data == NULL) {
        file.path = name;
        file.owned = true;
        TRY(read_file(&file.data, &file.size, name, err));
    }
    return import_named(out, &file, cut, err);
}

mp2ml_status graph_parse(struct graph **out, const void *data, size_t size, const char *name,
                         const struct graph_cut *cut, mp2ml_error *err)
{
    return import_from(out, data != NULL ? data : "", size, name, cut, NULL, err);
}

mp2ml_status graph_load(struct graph **out, const char *path, const struct graph_cut *cut,
                        mp2ml_error *err)
{
    return import_from(out, NULL, 0, path, cut, NULL, err);
}

mp2ml_status graph_explain(struct graph **out, struct graph_refusals *refusals, const void *data,
                           size_t size, const char *name, const struct graph_cut *cut,
                           mp2ml_error *err)
{
    mp2ml_error own = {MP2ML_OK, ""};
    const mp2ml_status status = import_from(out, data, size, name, cut, refusals, &own);
    return status == MP2ML_OK ? status : status_fail(err, status, "%s", own.text);
}
