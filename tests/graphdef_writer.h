/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes GraphDef bytes for tests, by hand: no generated code, so that the reader is checked
 * against something else than itself. Nodes are written one after the other:
 *
 *   gd_node(&w, "y", "Relu", "x"); ... gd_attr_*(&w, ...) ...; the next gd_node closes it. */
#ifndef GRAPHDEF_WRITER_H
#define GRAPHDEF_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gd_bytes {
    unsigned char *data;
    size_t size, capacity;
};
struct gd_writer {
    struct gd_bytes file;
    struct gd_bytes node; /* the open one */
    struct gd_bytes function, library;
    bool in_function; /* nodes go there */
};

enum { GD_FLOAT = 1, GD_DOUBLE = 2, GD_INT32 = 3, GD_STRING = 7, GD_INT64 = 9, GD_BOOL = 10 };
enum { GD_BFLOAT16 = 14, GD_HALF = 19 };

/* Opens a node; `inputs` is separated by spaces. */
void gd_node(struct gd_writer *w, const char *name, const char *op, const char *inputs);
void gd_attr_int(struct gd_writer *w, const char *key, int64_t v);
void gd_attr_float(struct gd_writer *w, const char *key, float v);
void gd_attr_bool(struct gd_writer *w, const char *key, bool v);
void gd_attr_type(struct gd_writer *w, const char *key, int type);
void gd_attr_text(struct gd_writer *w, const char *key, const char *v);
void gd_attr_list(struct gd_writer *w, const char *key, const int64_t *v, size_t n);
/* A list of texts, separated by spaces. */
void gd_attr_texts(struct gd_writer *w, const char *key, const char *texts);
/* A function's name; in a function, the value of one of its own attributes. */
void gd_attr_function(struct gd_writer *w, const char *key, const char *name);
void gd_attr_placeholder(struct gd_writer *w, const char *key, const char *name);
/* rank < 0: unknown rank. */
void gd_attr_shape(struct gd_writer *w, const char *key, const int64_t *dims, int rank);
/* A constant: `content` (dense) or, with list_field != 0, a packed list in that field. */
void gd_attr_tensor(struct gd_writer *w, int type, const int64_t *dims, int rank, int list_field,
                    const void *content, size_t bytes);

/* Whole nodes. */
void gd_input(struct gd_writer *w, const char *name, const int64_t *dims, int rank);
void gd_floats(struct gd_writer *w, const char *name, const float *v, const int64_t *dims,
               int rank);
void gd_ints(struct gd_writer *w, const char *name, const int32_t *v, const int64_t *dims,
             int rank);
void gd_int_list(struct gd_writer *w, const char *name, const int32_t *v, size_t n);
void gd_int(struct gd_writer *w, const char *name, int32_t v);

/* Opens a function with these arguments, separated by spaces; the nodes up to gd_function_end are its
 * body. `results`: "NAME=NODE:OUTPUT:INDEX ...". */
void gd_function(struct gd_writer *w, const char *name, const char *arguments);
void gd_function_end(struct gd_writer *w, const char *results);

/* Closes the last node; w->file holds the file. */
void gd_finish(struct gd_writer *w);
void gd_wipe(struct gd_writer *w);

/* Parts of any message, for odd files and other formats: fields of wire types 2, 0 and 5; a varint
 * alone, as packed lists have them. */
void gd_field_bytes(struct gd_bytes *b, unsigned field, const void *data, size_t size);
void gd_field_varint(struct gd_bytes *b, unsigned field, uint64_t v);
void gd_field_float(struct gd_bytes *b, unsigned field, float v);
void gd_varint(struct gd_bytes *b, uint64_t v);
/* A message as a field of another; wipes the inner one. */
void gd_field_message(struct gd_bytes *to, unsigned field, struct gd_bytes *message);

#endif
