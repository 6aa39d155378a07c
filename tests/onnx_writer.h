/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes ONNX bytes for tests, by hand: no generated code, so that the reader is checked against
 * something else than itself.
 *
 *   struct onnx_writer w = {0};
 *   ow_input(&w, "x", ONNX_FLOAT, (const int64_t[]){-1, 3, 8, 8}, 4);
 *   ow_floats(&w, "k", values, dims, 4);
 *   ow_node(&w, "Conv", "x k", "y");
 *   ow_attr_ints(&w, "strides", (const int64_t[]){2, 2}, 2);   of the open node; the next closes it
 *   ow_output(&w, "y");
 *   ow_finish(&w, 13);                                         w.file has the model, opset 13
 *   ow_wipe(&w);
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
void ow_input(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank);
void ow_output(struct onnx_writer *w, const char *name);
/* With type float and no shape, as ow_output; this one says them. */
void ow_output_shaped(struct onnx_writer *w, const char *name, int type, const int64_t *dims,
                      int rank);

/* Opens a node. */
void ow_node(struct onnx_writer *w, const char *op, const char *inputs, const char *outputs);
void ow_domain(struct onnx_writer *w, const char *domain); /* of the open node */
void ow_attr_int(struct onnx_writer *w, const char *key, int64_t v);
void ow_attr_float(struct onnx_writer *w, const char *key, float v);
void ow_attr_text(struct onnx_writer *w, const char *key, const char *v);
void ow_attr_ints(struct onnx_writer *w, const char *key, const int64_t *v, size_t n);
void ow_attr_floats(struct onnx_writer *w, const char *key, const float *v, size_t n);
/* Dense values; as ow_tensor. */
void ow_attr_tensor(struct onnx_writer *w, const char *key, int type, const int64_t *dims, int rank,
                    int field, const void *content, size_t bytes);

/* An initialiser: `content` as that field has it on the wire, packed. */
void ow_tensor(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
               int field, const void *content, size_t bytes);
/* Raw float32 and int64. */
void ow_floats(struct onnx_writer *w, const char *name, const float *v, const int64_t *dims,
               int rank);
void ow_ints(struct onnx_writer *w, const char *name, const int64_t *v, const int64_t *dims,
             int rank);
void ow_float(struct onnx_writer *w, const char *name, float v); /* no axes */
void ow_int(struct onnx_writer *w, const char *name, int64_t v);
void ow_int_list(struct onnx_writer *w, const char *name, const int64_t *v, size_t n);
/* Values in a file beside the model; offset, length: as text, NULL leaves the entry out. */
void ow_external(struct onnx_writer *w, const char *name, int type, const int64_t *dims, int rank,
                 const char *location, const char *offset, const char *length);

/* Closes the last node and the model; w->file holds the file. */
void ow_finish(struct onnx_writer *w, int opset);
void ow_wipe(struct onnx_writer *w);

#endif
