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

size_t graph_supported_ops(char *out, size_t size)
{
    size_t used = 0;
    if (size != 0)
        out[0] = '\0';
    for (size_t k = 0; import_tf_op_name(k) != NULL; k++) {
        int n = snprintf(used < size ? out + used : NULL, used < size ? size - used : 0, "%s%s",
                         k == 0 ? "" : ", ", import_tf_op_name(k));
        used += n > 0 ? (size_t)n : 0;
    }
    return used;
}

/* What the file is instead, where that can be told from its first bytes. */
static const char *other_format(const uint8_t *data, size_t size)
{
    if (size >= 8 && memcmp(data, "\x89HDF\r\n\x1a\n", 8) == 0)
        return "an HDF5 file: convert it with `mp2ml convert`";
    if (size >= 4 && memcmp(data, "PK\x03\x04", 4) == 0)
        return "a zip archive (.keras?): convert it with `mp2ml convert`";
    if (size >= 8 && memcmp(data + 4, "TFL3", 4) == 0)
        return "a TensorFlow Lite file, which is not supported";
    if (size >= 2 && data[0] == 0x08)
        return "not a GraphDef but an ONNX file or a SavedModel (not supported here; a SavedModel "
               "is converted with `mp2ml convert`)";
    return NULL;
}

static mp2ml_status parse(struct tf_model **model, const void *data, size_t size, const char *name,
                          mp2ml_error *err)
{
    if (size == 0)
        return status_fail(err, MP2ML_ERR_MODEL, "%s: the file is empty", name);
    const char *other = other_format(data, size);
    if (other != NULL)
        return status_fail(err, MP2ML_ERR_UNSUPPORTED, "%s is %s", name, other);
    if (!import_text_is(data, size))
        return import_tf_parse(model, data, size, name, err);
    uint8_t *binary;
    size_t binary_size;
    TRY(import_text_binary(&binary, &binary_size, data, size, name, err));
    const mp2ml_status status = import_tf_parse(model, binary, binary_size, name, err);
    free(binary);
    return status;
}

static mp2ml_status build(struct graph **out, struct tf_model *model, const char *name,
                          const struct graph_cut *cut, mp2ml_error *err)
{
    static const struct graph_cut whole = {NULL, 0, NULL, 0};
    mp2ml_status status = import_tf_graph(out, model, cut != NULL ? cut : &whole, err);
    import_tf_free(model);
    return status == MP2ML_OK ? status : status_within(err, status, "%s", name);
}

mp2ml_status graph_parse(struct graph **out, const void *data, size_t size, const char *name,
                         const struct graph_cut *cut, mp2ml_error *err)
{
    *out = NULL;
    struct tf_model *model = NULL;
    TRY(parse(&model, data, size, name, err));
    return build(out, model, name, cut, err);
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

mp2ml_status graph_load(struct graph **out, const char *path, const struct graph_cut *cut,
                        mp2ml_error *err)
{
    *out = NULL;
    uint8_t *data;
    size_t size = 0;
    TRY(read_file(&data, &size, path, err));
    struct tf_model *model = NULL;
    mp2ml_status status = parse(&model, data, size, path, err);
    free(data); /* before the graph is built: the model holds its own copy */
    TRY(status);
    return build(out, model, path, cut, err);
}
