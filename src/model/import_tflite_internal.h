/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the TensorFlow Lite importer share.
 *
 * Such a file holds tensors, in numbered order, and operators that read and write them, in the order
 * in which they run. Shapes are those of a run with a certain batch, mostly 1: here the first axis
 * of every input is the batch, whatever its number, and that number in front of a shape that an
 * operator asks for means the batch, too.
 *
 * Quantised values are real numbers here: constants are scale * (value - zero point), and data are
 * what they stand for, so that QUANTIZE and DEQUANTIZE change nothing. */
#ifndef MODEL_IMPORT_TFLITE_INTERNAL_H
#define MODEL_IMPORT_TFLITE_INTERNAL_H

#include <string.h>

#include "model/compose.h"
#include "model/element.h"
#include "model/flatbuffer.h"
#include "model/graph_internal.h"

enum tflite_activation { /* of the public numbering: what an operator ends with */
                         TFLITE_NONE = 0,
                         TFLITE_RELU = 1,
                         TFLITE_RELU_N1_TO_1 = 2,
                         TFLITE_RELU6 = 3,
                         TFLITE_TANH = 4
};

enum { TFLITE_NO_NODE = -1, TFLITE_NO_TENSOR = -1 };

struct tflite_model {
    struct flatbuffer file;
    struct flatbuffer_vector codes, buffers;            /* tables */
    struct flatbuffer_vector tensors, operators;        /* tables */
    struct flatbuffer_vector inputs, outputs;           /* int32: numbers of tensors */
    struct flatbuffer_vector input_names, output_names; /* tables: other names, of the signature */
};

struct tflite_tensor { /* as the file says */
    const char *name;  /* may be empty */
    enum element_type type;
    unsigned type_code; /* of the public numbering */
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK]; /* -1: unknown */
    const uint8_t *data;          /* NULL: not a constant */
    size_t bytes;
    bool quantised;                 /* integers that stand for real numbers: */
    struct flatbuffer_vector scale; /* float32, one, or one for each index of axis `along` */
    struct flatbuffer_vector zero;  /* int64, as many, or none */
    unsigned along;
};

/* Where a tensor is in the graph. */
struct tflite_place {
    int node;       /* TFLITE_NO_NODE: not there (yet) */
    int turned;     /* the same constant with its axes in another order: */
    uint32_t order; /* axis d of it is axis (order >> 4 * d & 15) of the file's */
    int constant;   /* the tensor that it is a copy of, behind DEQUANTIZE; TFLITE_NO_TENSOR: none */
    bool start;     /* an input of the network */
    bool needed;    /* by an output */
    int maker;      /* the operator that computes it, or -1 */
};

/* Where the network starts: a tensor, and what its node is to look like. */
struct tflite_start {
    int tensor;
    unsigned rank; /* 0: as the file says */
    int64_t dims[GRAPH_MAX_RANK];
};
struct tflite_bounds {
    struct tflite_start *starts;
    size_t n_starts;
    bool named; /* by the user, not the file's own inputs */
    int *ends;  /* tensors */
    size_t n_ends;
};

struct tflite_import {
    struct tflite_model *model;
    struct tflite_place *places; /* one a tensor */
    bool *used;                  /* one an operator */
    int64_t batch;               /* the first axis of the inputs in the file's shapes */
    struct graph_expand expand;
    struct graph_build build;
};

#define TFLITE_NAME 256 /* bytes of names in the graph, with the NUL: longer ones are cut */

/* The operator at hand. t->expand.node is named like its output. */
struct tflite_op {
    const struct tflite_row *row;
    struct flatbuffer_table options; /* may be absent: all fields as the schema says */
    struct flatbuffer_vector inputs; /* numbers of tensors; -1: an optional one that is not there */
    struct flatbuffer_vector outputs; /* numbers of tensors */
    unsigned part;                    /* which of them is imported now */
};

/* Appends the nodes of an operator; *out is the one that has the value of output op->part. */
typedef mp2ml_status (*tflite_import_rule)(struct tflite_import *t, const struct tflite_op *op,
                                           int *out);
struct tflite_row {
    const char *name;
    enum graph_op op;
    tflite_import_rule import; /* NULL: this operator is not supported */
    bool parts;                /* it may have several outputs */
};

/* import_tflite_nodes.c ----------------------------------------------------------------------- */

/* By the number that the file has for it; NULL when it is none that was known in 2025. */
const struct tflite_row *tflite_row_at(int64_t code);

/* tflite_tensor.c ---------------------------------------------------------------------- */

MUST_CHECK mp2ml_status tflite_tensor_read(struct tflite_tensor *out, struct tflite_model *m,
                                           int tensor, mp2ml_error *err);
bool tflite_has_values(struct tflite_model *m, int tensor); /* in the file */
/* How much of a tensor's name in the file is its name in the graph. */
static inline size_t tflite_name_length(const char *text)
{
    return strcspn(text, ";");
}
/* That name, or "tensor K". */
void tflite_tensor_name(char name[TFLITE_NAME], struct tflite_model *m, int tensor);
/* "tensor 'NAME' what" */
mp2ml_status tflite_tensor_fail(struct tflite_model *m, int tensor, mp2ml_status status,
                                const char *what, mp2ml_error *err);
/* The node of a constant, appended unless it is there already. */
MUST_CHECK mp2ml_status tflite_constant(struct tflite_import *t, int tensor, int *node);
/* The same with its axes in another order: order[d] is the file's axis. It has `rank` axes, or the
 * call fails. */
MUST_CHECK mp2ml_status tflite_constant_turned(struct tflite_import *t, int tensor,
                                               const unsigned *order, unsigned rank, int *node);

/* tflite_cut.c ------------------------------------------------------------------------- */

/* What the user names, or the file's inputs and outputs. To be wiped, also after a failure. */
MUST_CHECK mp2ml_status tflite_bounds_make(struct tflite_bounds *bounds, struct tflite_model *m,
                                           const struct graph_cut *cut, mp2ml_error *err);
void tflite_bounds_wipe(struct tflite_bounds *bounds);

/* import_tflite.c: operands of the operator at hand ------------------------------------------- */

/* "node 'NAME' (OPERATOR): text" */
mp2ml_status tflite_fail(const struct tflite_import *t, const struct tflite_op *op,
                         mp2ml_status status, const char *fmt, ...) MP2ML_PRINTF(4, 5);
/* The node of input k. */
MUST_CHECK mp2ml_status tflite_input(struct tflite_import *t, const struct tflite_op *op, size_t k,
                                     int *node);
bool tflite_has_input(const struct tflite_op *op, size_t k);
/* Whether input k is there and a constant of the file; *tensor is its number. */
bool tflite_constant_input(const struct tflite_import *t, const struct tflite_op *op, size_t k,
                           int *tensor);
/* Input k as constant weights with their axes in that order. */
MUST_CHECK mp2ml_status tflite_weights(struct tflite_import *t, const struct tflite_op *op,
                                       size_t k, const unsigned *order, unsigned rank, int *node);
/* Input k as constant integers, borrowed: valid until the graph is freed. */
MUST_CHECK mp2ml_status tflite_integers(struct tflite_import *t, const struct tflite_op *op,
                                        size_t k, struct graph_tensor *out);
static inline const struct graph_node *tflite_node(const struct tflite_import *t, int node)
{
    return &t->build.g->nodes[node];
}

/* import_tflite_windows.c --------------------------------------------------------------------- */

/* What is appended to the name of the node before an activation: the activation has the name. */
static inline const char *tflite_hint(uint8_t activation)
{
    return activation == TFLITE_NONE ? NULL : "linear";
}
/* The activation that an operator ends with, of node a. */
MUST_CHECK mp2ml_status tflite_activate(struct tflite_import *t, const struct tflite_op *op,
                                        int *out, int a, uint8_t activation);

#define TFLITE_WINDOW_RULES(X)                                                                     \
    X(conv2d)                                                                                      \
    X(depthwise)                                                                                   \
    X(fully_connected)                                                                             \
    X(pool)                                                                                        \
    X(resize)                                                                                      \
    X(transpose_conv)
#define TFLITE_DECLARE(name)                                                                       \
    MUST_CHECK mp2ml_status tflite_import_##name(struct tflite_import *t,                          \
                                                 const struct tflite_op *op, int *out);
TFLITE_WINDOW_RULES(TFLITE_DECLARE)
#undef TFLITE_DECLARE

#endif
