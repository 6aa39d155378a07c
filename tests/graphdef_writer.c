/* SPDX-License-Identifier: Apache-2.0
 *
 * GraphDef bytes: tags, varints and lengths, nothing else. */
#include "graphdef_writer.h"

#include <stdlib.h>
#include <string.h>

static void put(struct gd_bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size) + 64;
        b->data = realloc(b->data, b->capacity);
        if (b->data == NULL)
            abort();
    }
    if (size != 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void gd_varint(struct gd_bytes *b, uint64_t v)
{
    do {
        const unsigned char byte = (unsigned char)((v & 127U) | (v > 127 ? 128U : 0U));
        put(b, &byte, 1);
        v >>= 7;
    } while (v != 0);
}

void gd_field_bytes(struct gd_bytes *b, unsigned field, const void *data, size_t size)
{
    gd_varint(b, field << 3 | 2U);
    gd_varint(b, size);
    put(b, data, size);
}

void gd_field_varint(struct gd_bytes *b, unsigned field, uint64_t v)
{
    gd_varint(b, field << 3);
    gd_varint(b, v);
}

void gd_field_float(struct gd_bytes *b, unsigned field, float v)
{
    gd_varint(b, field << 3 | 5U);
    put(b, &v, sizeof v); /* little-endian, as the reader asks for */
}

void gd_field_message(struct gd_bytes *to, unsigned field, struct gd_bytes *message)
{
    gd_field_bytes(to, field, message->data, message->size);
    free(message->data);
    memset(message, 0, sizeof *message);
}

static void close_node(struct gd_writer *w)
{
    if (w->node.size != 0)
        gd_field_bytes(w->in_function ? &w->function : &w->file, w->in_function ? 3 : 1,
                       w->node.data, w->node.size);
    w->node.size = 0;
}

void gd_node(struct gd_writer *w, const char *name, const char *op, const char *inputs)
{
    close_node(w);
    gd_field_bytes(&w->node, 1, name, strlen(name));
    gd_field_bytes(&w->node, 2, op, strlen(op));
    while (*inputs != '\0') {
        const size_t length = strcspn(inputs, " ");
        gd_field_bytes(&w->node, 3, inputs, length);
        inputs += length + (inputs[length] == ' ' ? 1 : 0);
    }
}

/* Takes the value. */
static void attr(struct gd_writer *w, const char *key, struct gd_bytes *value)
{
    struct gd_bytes pair = {NULL, 0, 0};
    gd_field_bytes(&pair, 1, key, strlen(key));
    gd_field_message(&pair, 2, value);
    gd_field_message(&w->node, 5, &pair);
}

void gd_attr_int(struct gd_writer *w, const char *key, int64_t v)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_varint(&value, 3, (uint64_t)v);
    attr(w, key, &value);
}

void gd_attr_float(struct gd_writer *w, const char *key, float v)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_float(&value, 4, v);
    attr(w, key, &value);
}

void gd_attr_bool(struct gd_writer *w, const char *key, bool v)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_varint(&value, 5, v);
    attr(w, key, &value);
}

void gd_attr_type(struct gd_writer *w, const char *key, int type)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_varint(&value, 6, (uint64_t)type);
    attr(w, key, &value);
}

void gd_attr_text(struct gd_writer *w, const char *key, const char *v)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_bytes(&value, 2, v, strlen(v));
    attr(w, key, &value);
}

void gd_attr_list(struct gd_writer *w, const char *key, const int64_t *v, size_t n)
{
    struct gd_bytes value = {NULL, 0, 0}, list = {NULL, 0, 0}, packed = {NULL, 0, 0};
    for (size_t k = 0; k < n; k++)
        gd_varint(&packed, (uint64_t)v[k]);
    gd_field_message(&list, 3, &packed);
    gd_field_message(&value, 1, &list);
    attr(w, key, &value);
}

void gd_attr_texts(struct gd_writer *w, const char *key, const char *texts)
{
    struct gd_bytes value = {NULL, 0, 0}, list = {NULL, 0, 0};
    while (*texts != '\0') {
        const size_t length = strcspn(texts, " ");
        gd_field_bytes(&list, 2, texts, length);
        texts += length + (texts[length] == ' ' ? 1 : 0);
    }
    gd_field_message(&value, 1, &list);
    attr(w, key, &value);
}

void gd_attr_function(struct gd_writer *w, const char *key, const char *name)
{
    struct gd_bytes value = {NULL, 0, 0}, function = {NULL, 0, 0};
    gd_field_bytes(&function, 1, name, strlen(name));
    gd_field_message(&value, 10, &function);
    attr(w, key, &value);
}

void gd_attr_placeholder(struct gd_writer *w, const char *key, const char *name)
{
    struct gd_bytes value = {NULL, 0, 0};
    gd_field_bytes(&value, 9, name, strlen(name));
    attr(w, key, &value);
}

static void put_shape(struct gd_bytes *to, unsigned field, const int64_t *dims, int rank)
{
    struct gd_bytes shape = {NULL, 0, 0};
    for (int d = 0; d < rank; d++) {
        struct gd_bytes dim = {NULL, 0, 0};
        gd_field_varint(&dim, 1, (uint64_t)dims[d]);
        gd_field_message(&shape, 2, &dim);
    }
    if (rank < 0)
        gd_field_varint(&shape, 3, 1);
    gd_field_message(to, field, &shape);
}

void gd_attr_shape(struct gd_writer *w, const char *key, const int64_t *dims, int rank)
{
    struct gd_bytes value = {NULL, 0, 0};
    put_shape(&value, 7, dims, rank);
    attr(w, key, &value);
}

void gd_attr_tensor(struct gd_writer *w, int type, const int64_t *dims, int rank, int list_field,
                    const void *content, size_t bytes)
{
    struct gd_bytes value = {NULL, 0, 0}, tensor = {NULL, 0, 0};
    gd_field_varint(&tensor, 1, (uint64_t)type);
    put_shape(&tensor, 2, dims, rank);
    if (bytes != 0)
        gd_field_bytes(&tensor, list_field != 0 ? (unsigned)list_field : 4, content, bytes);
    gd_field_message(&value, 8, &tensor);
    gd_attr_type(w, "dtype", type);
    attr(w, "value", &value);
}

void gd_input(struct gd_writer *w, const char *name, const int64_t *dims, int rank)
{
    gd_node(w, name, "Placeholder", "");
    gd_attr_type(w, "dtype", GD_FLOAT);
    gd_attr_shape(w, "shape", dims, rank);
}

static size_t product(const int64_t *dims, int rank)
{
    size_t n = 1;
    for (int d = 0; d < rank; d++)
        n *= (size_t)dims[d];
    return n;
}

void gd_floats(struct gd_writer *w, const char *name, const float *v, const int64_t *dims, int rank)
{
    gd_node(w, name, "Const", "");
    gd_attr_tensor(w, GD_FLOAT, dims, rank, 0, v, product(dims, rank) * sizeof *v);
}

void gd_ints(struct gd_writer *w, const char *name, const int32_t *v, const int64_t *dims, int rank)
{
    gd_node(w, name, "Const", "");
    gd_attr_tensor(w, GD_INT32, dims, rank, 0, v, product(dims, rank) * sizeof *v);
}

void gd_int_list(struct gd_writer *w, const char *name, const int32_t *v, size_t n)
{
    const int64_t dims[1] = {(int64_t)n};
    gd_ints(w, name, v, dims, 1);
}

void gd_int(struct gd_writer *w, const char *name, int32_t v)
{
    gd_ints(w, name, &v, NULL, 0);
}

/* Adds an argument's description to a signature. */
static void put_argument(struct gd_bytes *signature, unsigned field, const char *name,
                         size_t length)
{
    struct gd_bytes argument = {NULL, 0, 0};
    gd_field_bytes(&argument, 1, name, length);
    gd_field_varint(&argument, 3, GD_FLOAT);
    gd_field_message(signature, field, &argument);
}

void gd_function(struct gd_writer *w, const char *name, const char *arguments)
{
    close_node(w);
    struct gd_bytes signature = {NULL, 0, 0};
    gd_field_bytes(&signature, 1, name, strlen(name));
    while (*arguments != '\0') {
        const size_t length = strcspn(arguments, " ");
        put_argument(&signature, 2, arguments, length);
        arguments += length + (arguments[length] == ' ' ? 1 : 0);
    }
    gd_field_message(&w->function, 1, &signature);
    w->in_function = true;
}

/* The signature comes in two pieces, which readers join. */
void gd_function_end(struct gd_writer *w, const char *results)
{
    close_node(w);
    struct gd_bytes signature = {NULL, 0, 0};
    while (*results != '\0') {
        const size_t length = strcspn(results, " "), name = strcspn(results, "=");
        struct gd_bytes pair = {NULL, 0, 0};
        gd_field_bytes(&pair, 1, results, name);
        gd_field_bytes(&pair, 2, results + name + 1, length - name - 1);
        gd_field_message(&w->function, 4, &pair);
        put_argument(&signature, 3, results, name);
        results += length + (results[length] == ' ' ? 1 : 0);
    }
    gd_field_message(&w->function, 1, &signature);
    gd_field_message(&w->library, 1, &w->function);
    memset(&w->function, 0, sizeof w->function);
    w->in_function = false;
}

void gd_finish(struct gd_writer *w)
{
    close_node(w);
    if (w->library.size != 0)
        gd_field_bytes(&w->file, 2, w->library.data, w->library.size);
    w->library.size = 0;
}

void gd_wipe(struct gd_writer *w)
{
    free(w->file.data);
    free(w->node.data);
    free(w->function.data);
    free(w->library.data);
    memset(w, 0, sizeof *w);
}
