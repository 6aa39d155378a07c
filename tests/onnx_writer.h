/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes ONNX bytes for tests, by hand: no generated code, so that the reader is checked against
 * something else than itself.
 *
 *   struct onnx_writer w = {0};
 *   onnx_input(&w, "x", ONNX_FLOAT, (const int64_t[]){-1, 3, 8, 8}, 4);
 *   onnx_floats(&w, "k", values, dims, 4);
 *   onnx_node(&w, "Conv", "x k", "y");
 *   onnx_attr_ints(&w, "strides", (const int64_t[]){2, 2}, 2);   of the open node; the next closes it
 *   onnx_output(&w, "y");
 *   onnx_finish(&w, 13);                                         w.file has the model, opset 13
 *   onnx_wipe(&w);
 *
 * Lists of names are separated by spaces; "-" stands for the empty name of an input that is left
 * out. Nodes are named like their first output. */
#ifndef ONNX_WRITER_H
#define ONNX_WRITER_H

#include "graphdef_writer.h"

struct onnx_writer {
    struct gd_bytes file;
    struct gd_bytes graph;
    struct gd_bytes node; /* the open one */
};

enum { ONNX_FLOAT = 1, ONNX_UINT8, ONNX_INT8, ONNX_UINT16, ONNX_INT16, ONNX_INT32, ONNX_INT64 };
enum { ONNX_STRING = 8, ONNX_BOOL, ONNX_FLOAT16, ONNX_DOUBLE, ONNX_UINT32, ONNX_UINT64 };
enum { ONNX_BFLOAT16 = 16 };
/* Fields of a tensor that may hold its values. */
enum { ONNX_FLOAT_DATA = 4, ONNX_INT32_DATA, ONNX_INT64_DATA = 7, ONNX_RAW_DATA = 9 };
enum { ONNX_DOUBLE_DATA = 10, ONNX_UINT64_DATA };

/* A dim of -1 is the symbol "N", one of -2 is not said; rank < 0: no shape. */
void onnx_input(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank);
void onnx_output(struct onnx_writer *w, const char *name);
/* With type float and no shape, as onnx_output; this one says them. */
void onnx_output_shaped(struct onnx_writer *w, const char *name, int type, const int64_t *dims,
                        int rank);

/* Opens a node. */
void onnx_node(struct onnx_writer *w, const char *op, const char *inputs, const char *outputs);
void onnx_domain(struct onnx_writer *w, const char *domain); /* of the open node */
void onnx_attr_int(struct onnx_writer *w, const char *key, int64_t v);
void onnx_attr_float(struct onnx_writer *w, const char *key, float v);
void onnx_attr_text(struct onnx_writer *w, const char *key, const char *v);
void onnx_attr_ints(struct onnx_writer *w, const char *key, const int64_t *v, size_t n);
void onnx_attr_floats(struct onnx_writer *w, const char *key, const float *v, size_t n);
/* Dense values; as onnx_tensor. */
void onnx_attr_tensor(struct onnx_writer *w, const char *key, int type, const int64_t *dims,
                      int rank, int field, const void *content, size_t bytes);

/* An initialiser: `content` as that field has it on the wire, packed. */
void onnx_tensor(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
                 int field, const void *content, size_t bytes);
/* Raw float32 and int64. */
void onnx_floats(struct onnx_writer *w, const char *name, const float *v, const int64_t *dims,
                 int rank);
void onnx_ints(struct onnx_writer *w, const char *name, const int64_t *v, const int64_t *dims,
               int rank);
void onnx_float(struct onnx_writer *w, const char *name, float v); /* no axes */
void onnx_int(struct onnx_writer *w, const char *name, int64_t v);
void onnx_int_list(struct onnx_writer *w, const char *name, const int64_t *v, size_t n);
/* Values in a file beside the model; offset, length: as text, NULL leaves the entry out. */
void onnx_external(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
                   const char *location, const char *offset, const char *length);

/* Closes the last node and the model; w->file holds the file. */
void onnx_finish(struct onnx_writer *w, int opset);
void onnx_wipe(struct onnx_writer *w);

#endif
