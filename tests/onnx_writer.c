/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelProto bytes; the numbers are those of ONNX's published message descriptions. */
#include "onnx_writer.h"

#include <stdlib.h>
#include <string.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, MODEL_OPSET = 8, OPSET_VERSION = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT };
enum { NODE_INPUT = 1, NODE_OUTPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 7 };
enum { ATTR_NAME = 1, ATTR_F, ATTR_I, ATTR_S, ATTR_T, ATTR_FLOATS = 7, ATTR_INTS, ATTR_TYPE = 20 };
enum { TYPE_FLOAT = 1, TYPE_INT, TYPE_STRING, TYPE_TENSOR, TYPE_FLOATS = 6, TYPE_INTS };
enum { TENSOR_DIMS = 1, TENSOR_TYPE, TENSOR_NAME = 8, TENSOR_EXTERNAL = 13, TENSOR_LOCATION };

static void text(struct gd_bytes *to, unsigned field, const char *v)
{
    gd_field_bytes(to, field, v, strlen(v));
}

static void names(struct gd_bytes *to, unsigned field, const char *list)
{
    while (*list != '\0') {
        const size_t length = strcspn(list, " ");
        gd_field_bytes(to, field, list, length == 1 && *list == '-' ? 0 : length);
        list += length + (list[length] == ' ' ? 1 : 0);
    }
}

static void close_node(struct onnx_writer *w)
{
    if (w->node.size != 0)
        gd_field_message(&w->graph, GRAPH_NODE, &w->node);
}

/* ValueInfo: name, type: tensor type: element type, shape: dims: value or symbol. */
static void value_info(struct onnx_writer *w, unsigned field, const char *name, int type,
                       const int64_t *dims, int rank)
{
    struct gd_bytes info = {0}, any = {0}, tensor = {0}, shape = {0};
    gd_field_varint(&tensor, 1, (uint64_t)type);
    for (int d = 0; d < rank; d++) {
        struct gd_bytes dim = {0};
        if (dims[d] >= 0)
            gd_field_varint(&dim, 1, (uint64_t)dims[d]);
        else if (dims[d] == -1)
            text(&dim, 2, "N");
        gd_field_message(&shape, 1, &dim);
    }
    if (rank >= 0)
        gd_field_message(&tensor, 2, &shape);
    gd_field_message(&any, 1, &tensor);
    text(&info, 1, name);
    gd_field_message(&info, 2, &any);
    gd_field_message(&w->graph, field, &info);
}

void ow_input(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank)
{
    value_info(w, GRAPH_INPUT, name, type, dims, rank);
}

void ow_output(struct onnx_writer *w, const char *name)
{
    value_info(w, GRAPH_OUTPUT, name, ONNX_FLOAT, NULL, -1);
}

void ow_output_shaped(struct onnx_writer *w, const char *name, int type, const int64_t *dims,
                      int rank)
{
    value_info(w, GRAPH_OUTPUT, name, type, dims, rank);
}

void ow_node(struct onnx_writer *w, const char *op, const char *inputs, const char *outputs)
{
    close_node(w);
    names(&w->node, NODE_INPUT, inputs);
    names(&w->node, NODE_OUTPUT, outputs);
    gd_field_bytes(&w->node, NODE_NAME, outputs, strcspn(outputs, " "));
    text(&w->node, NODE_OP, op);
}

void ow_domain(struct onnx_writer *w, const char *domain)
{
    text(&w->node, NODE_DOMAIN, domain);
}

static struct gd_bytes attr_open(const char *key)
{
    struct gd_bytes a = {0};
    text(&a, ATTR_NAME, key);
    return a;
}

static void attr_close(struct onnx_writer *w, struct gd_bytes *a, unsigned type)
{
    gd_field_varint(a, ATTR_TYPE, type);
    gd_field_message(&w->node, NODE_ATTRIBUTE, a);
}

void ow_attr_int(struct onnx_writer *w, const char *key, int64_t v)
{
    struct gd_bytes a = attr_open(key);
    gd_field_varint(&a, ATTR_I, (uint64_t)v);
    attr_close(w, &a, TYPE_INT);
}

void ow_attr_float(struct onnx_writer *w, const char *key, float v)
{
    struct gd_bytes a = attr_open(key);
    gd_field_float(&a, ATTR_F, v);
    attr_close(w, &a, TYPE_FLOAT);
}

void ow_attr_text(struct onnx_writer *w, const char *key, const char *v)
{
    struct gd_bytes a = attr_open(key);
    text(&a, ATTR_S, v);
    attr_close(w, &a, TYPE_STRING);
}

void ow_attr_ints(struct onnx_writer *w, const char *key, const int64_t *v, size_t n)
{
    struct gd_bytes a = attr_open(key);
    for (size_t k = 0; k < n; k++)
        gd_field_varint(&a, ATTR_INTS, (uint64_t)v[k]); /* not packed, as proto2 has it */
    attr_close(w, &a, TYPE_INTS);
}

void ow_attr_floats(struct onnx_writer *w, const char *key, const float *v, size_t n)
{
    struct gd_bytes a = attr_open(key);
    for (size_t k = 0; k < n; k++)
        gd_field_float(&a, ATTR_FLOATS, v[k]);
    attr_close(w, &a, TYPE_FLOATS);
}

static struct gd_bytes tensor_open(const char *name, int type, const int64_t *dims, int rank)
{
    struct gd_bytes t = {0};
    for (int d = 0; d < rank; d++)
        gd_field_varint(&t, TENSOR_DIMS, (uint64_t)dims[d]);
    gd_field_varint(&t, TENSOR_TYPE, (uint64_t)type);
    text(&t, TENSOR_NAME, name);
    return t;
}

void ow_attr_tensor(struct onnx_writer *w, const char *key, int type, const int64_t *dims, int rank,
                    int field, const void *content, size_t bytes)
{
    struct gd_bytes a = attr_open(key), t = tensor_open("", type, dims, rank);
    gd_field_bytes(&t, (unsigned)field, content, bytes);
    gd_field_message(&a, ATTR_T, &t);
    attr_close(w, &a, TYPE_TENSOR);
}

void ow_tensor(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
               int field, const void *content, size_t bytes)
{
    struct gd_bytes t = tensor_open(name, type, dims, rank);
    gd_field_bytes(&t, (unsigned)field, content, bytes);
    gd_field_message(&w->graph, GRAPH_INITIALIZER, &t);
}

static size_t product(const int64_t *dims, int rank)
{
    size_t n = 1;
    for (int d = 0; d < rank; d++)
        n *= (size_t)dims[d];
    return n;
}

void ow_floats(struct onnx_writer *w, const char *name, const float *v, const int64_t *dims,
               int rank)
{
    ow_tensor(w, name, ONNX_FLOAT, dims, rank, ONNX_RAW_DATA, v, product(dims, rank) * sizeof *v);
}

void ow_ints(struct onnx_writer *w, const char *name, const int64_t *v, const int64_t *dims,
             int rank)
{
    ow_tensor(w, name, ONNX_INT64, dims, rank, ONNX_RAW_DATA, v, product(dims, rank) * sizeof *v);
}

void ow_float(struct onnx_writer *w, const char *name, float v)
{
    ow_floats(w, name, &v, NULL, 0);
}

void ow_int(struct onnx_writer *w, const char *name, int64_t v)
{
    ow_ints(w, name, &v, NULL, 0);
}

void ow_int_list(struct onnx_writer *w, const char *name, const int64_t *v, size_t n)
{
    const int64_t dims[1] = {(int64_t)n};
    ow_ints(w, name, v, dims, 1);
}

void ow_external(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
                 const char *location, const char *offset, const char *length)
{
    const char *const entries[3][2] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    struct gd_bytes t = tensor_open(name, type, dims, rank);
    for (size_t k = 0; k < 3; k++) {
        struct gd_bytes entry = {0};
        if (entries[k][1] == NULL)
            continue;
        text(&entry, 1, entries[k][0]);
        text(&entry, 2, entries[k][1]);
        gd_field_message(&t, TENSOR_EXTERNAL, &entry);
    }
    gd_field_varint(&t, TENSOR_LOCATION, 1);
    gd_field_message(&w->graph, GRAPH_INITIALIZER, &t);
}

void ow_finish(struct onnx_writer *w, int opset)
{
    struct gd_bytes set = {0};
    close_node(w);
    text(&w->graph, GRAPH_NAME, "test");
    gd_field_varint(&w->file, MODEL_IR_VERSION, 8);
    gd_field_varint(&set, OPSET_VERSION, (uint64_t)opset);
    gd_field_message(&w->file, MODEL_OPSET, &set);
    gd_field_message(&w->file, MODEL_GRAPH, &w->graph);
}

void ow_wipe(struct onnx_writer *w)
{
    free(w->file.data);
    free(w->graph.data);
    free(w->node.data);
    memset(w, 0, sizeof *w);
}
