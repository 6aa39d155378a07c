/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the ONNX importer share: the decoded file with its names resolved, the way of
 * one operator, and typed access to attributes.
 *
 * The batch. An ONNX file knows no batch axis. Where each input's first axis may be taken for it,
 * and no operator mixes samples, axes are those of the file: the first one of data is the batch
 * (`whole` is false). Otherwise, if the file fixes all sizes, its whole tensors are one sample (`whole`
 * is true), and the graph's axis 0 is one that the file does not have. The helpers below speak of
 * the file's axes; onnx_axis turns one into the graph's. */
#ifndef MODEL_IMPORT_ONNX_INTERNAL_H
#define MODEL_IMPORT_ONNX_INTERNAL_H

#include "model/compose.h"
#include "model/element.h"
#include "model/graph_internal.h"
#include "model/proto_alloc.h"
#include "onnx.pb-c.h"

typedef Onnx__Node onnx_node;

#define ONNX_ABSENT (-1)   /* an optional input or output that is not there */
#define ONNX_UNKNOWN (-1)  /* the batch size in shapes of the file */
#define ONNX_MOST_OPSET 24 /* the newest whose operators were looked at */

struct onnx_value { /* a name of the file: an initialiser, an input, an output of a node */
    const char *name;
    int maker;       /* node; -1: none */
    unsigned output; /* of that node */
    int initializer; /* -1: none */
    int input;       /* of the graph; -1: none */
    unsigned uses;   /* node inputs and graph outputs that name it */
    bool cut;        /* an input by the user's wish */
    bool needed;     /* for the outputs */
    int at;          /* node of our graph; -1: not made yet */
    int real;        /* of quantised data: our node that has their real values; -1: none */
    bool integers;   /* data whose type is one of integers */
    bool is_output;
    enum element_type type; /* NONE: the file does not say it */
};

struct onnx_model {
    struct proto_alloc memory;
    Onnx__Model *def;
    size_t file_size;
    const char *path; /* NULL: there is no folder to look for other files in */
    int64_t opset;
    struct onnx_value *values; /* by name */
    size_t n_values;
    int n_nodes;
    size_t *first_in, *first_out; /* values of node k: in[first_in[k]] .. in[first_in[k+1] - 1] */
    int *in, *out;                /* values; ONNX_ABSENT */
};

struct onnx_import {
    struct onnx_model *model;
    struct graph_build build;
    bool whole;
    bool may_move; /* constants may be moved out of the model, or changed */
    int64_t batch; /* the first axis of inputs in the file; ONNX_UNKNOWN */
};

/* One operator on its way. Inputs and outputs are nodes of our graph. */
struct onnx_call {
    struct onnx_import *t;
    const onnx_node *def;
    int index; /* of the node in the file */
    struct graph_expand x;
    struct graph_node named; /* x.node: has the name of the output */
    unsigned n_in, n_out;
    int *in, *out; /* out: to be filled; ONNX_ABSENT where the file wants none */
};

struct onnx_row {
    const char *name;
    enum graph_op op; /* for `import` functions that serve several; what docs name it by */
    mp2ml_status (*import)(struct onnx_call *c, enum graph_op op);
    unsigned min_inputs, max_inputs;
    const char *domain; /* NULL: ONNX's own */
    int64_t least;      /* opset from which on it means what it means here */
};
const struct onnx_row *onnx_row_find(const char *domain, const char *op);

/* "node 'NAME' (Op): text" */
mp2ml_status onnx_fail(mp2ml_error *err, const onnx_node *def, mp2ml_status status, const char *fmt,
                       ...) MP2ML_PRINTF(4, 5);
#define ONNX_FAIL(c, status, ...) onnx_fail((c)->t->build.err, (c)->def, status, __VA_ARGS__)

/* import_onnx_call.c: operands -----------------------------------------------------------------*/

/* True when input k is given. */
static inline bool onnx_has(const struct onnx_call *c, unsigned k)
{
    return k < c->n_in && c->in[k] != ONNX_ABSENT;
}
static inline struct graph_node *onnx_at(const struct onnx_call *c, int node)
{
    return &c->t->build.g->nodes[node];
}
static inline struct graph_node *onnx_in(const struct onnx_call *c, unsigned k)
{
    return onnx_at(c, c->in[k]);
}
/* The value in the file of input or output k, which is not absent. */
struct onnx_value *onnx_value_in(const struct onnx_call *c, unsigned k);
struct onnx_value *onnx_value_out(const struct onnx_call *c, unsigned k);

/* True when output k has a name, and somebody reads it. */
bool onnx_wanted(const struct onnx_call *c, unsigned k);

/* The shape of one of our nodes as the file knows it; the batch is dims[0] where it is one of the
 * file's axes, ONNX_UNKNOWN if its size is. */
struct onnx_shape {
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK];
};
struct onnx_shape onnx_shape_of(const struct onnx_call *c, int node);
/* Our axis for the file's axis, negative ones counted from the end. ERR_MODEL when there is none,
 * ERR_UNSUPPORTED for the batch axis of data. */
MUST_CHECK mp2ml_status onnx_axis(const struct onnx_call *c, int node, int64_t axis, unsigned *out);

/* A list of integers: input k, a constant, or, without it, attribute `key` (may be NULL). *count =
 * 0 and *list = NULL when there is neither. */
MUST_CHECK mp2ml_status onnx_ints(const struct onnx_call *c, unsigned k, const char *key,
                                  const int64_t **list, size_t *count);
/* One number: input k, a constant, or attribute `key`; *out stays when there is neither. */
MUST_CHECK mp2ml_status onnx_number(const struct onnx_call *c, unsigned k, const char *key,
                                    float *out);
/* Input k must be a constant; of reals: one of integers is converted. */
MUST_CHECK mp2ml_status onnx_want_constant(const struct onnx_call *c, unsigned k);
MUST_CHECK mp2ml_status onnx_want_reals(struct onnx_call *c, unsigned k);

/* True when input k is an initialiser that nothing else reads: what is made of it may take its
 * place, and onnx_release frees its values. */
bool onnx_only_reader(const struct onnx_call *c, unsigned k);
void onnx_release(struct onnx_call *c, int node);

/* To a shape of the file. ERR_UNSUPPORTED when samples would be mixed. */
MUST_CHECK mp2ml_status onnx_reshape(struct onnx_call *c, int *out, const char *suffix, int a,
                                     const struct onnx_shape *shape);
/* The file's axis d of the result is axis order[d]. */
MUST_CHECK mp2ml_status onnx_transpose(struct onnx_call *c, int *out, const char *suffix, int a,
                                       const int64_t *order);
/* A GATHER of a data node to a shape of ours; list[] as in graph.h. */
MUST_CHECK mp2ml_status onnx_gather(struct onnx_call *c, int *out, const char *suffix, int a,
                                    const int64_t *dims, unsigned rank, const int64_t *list);
/* Shapes of two operands that broadcast: data get axes of 1 behind the batch where they need them.
 */
MUST_CHECK mp2ml_status onnx_align(struct onnx_call *c, int *a, int *b);
/* op(a, b), aligned */
MUST_CHECK mp2ml_status onnx_binary(struct onnx_call *c, int *out, enum graph_op op,
                                    const char *suffix, int a, int b);
/* A scalar that follows from attributes alone. */
MUST_CHECK mp2ml_status onnx_scalar(struct onnx_call *c, int *out, float value);

/* tensor_onnx.c: a constant; float32 values are moved out of the message if allowed. */
MUST_CHECK mp2ml_status onnx_tensor_read(struct onnx_import *t, struct graph_tensor *out,
                                         bool *integers, Onnx__Tensor *from);
enum element_type onnx_element(int32_t data_type);
const char *onnx_type_name(int32_t data_type);

/* import_onnx_schema.c: a node has only attributes that its operator has, each once, of their types. */
MUST_CHECK mp2ml_status onnx_attr_check(const struct onnx_call *c);
bool onnx_attr_exists(const struct onnx_call *c, const char *key); /* in this opset */
unsigned onnx_most_outputs(const struct onnx_call *c);

/* import_onnx_types.c: inputs that must have one type have it; types of outputs that the operator's
 * importer has not set. `words` are separated by spaces. */
MUST_CHECK mp2ml_status onnx_types_check(const struct onnx_call *c);
void onnx_types_settle(const struct onnx_call *c);
bool onnx_lists(const char *words, const char *word);

/* import_onnx_attr.c: attributes of a node that was checked. A missing one leaves *out alone; of a
 * missing list *out is NULL, *count 0. */
Onnx__Attribute *onnx_attr(const onnx_node *def, const char *key);
void onnx_attr_int(const struct onnx_call *c, const char *key, int64_t *out);
void onnx_attr_float(const struct onnx_call *c, const char *key, float *out);
void onnx_attr_ints(const struct onnx_call *c, const char *key, const int64_t **out, size_t *count);
/* True when the text attribute is `text`, or missing and `otherwise`. */
bool onnx_attr_is(const struct onnx_call *c, const char *key, const char *text, bool otherwise);
/* A cut and terminated copy, for messages. */
struct onnx_text {
    char text[64];
};
struct onnx_text onnx_attr_text(const struct onnx_call *c, const char *key);

/* The operators ------------------------------------------------------------------------------- */

/* import_onnx_nodes.c (those that wrappers call), import_onnx_moves.c, import_onnx_windows.c, import_onnx_matrix.c, import_onnx_quantised.c, import_onnx_ml.c */
#define ONNX_IMPORTS(X)                                                                            \
    X(leaky_relu)                                                                                  \
    X(softmax)                                                                                     \
    X(reshape_op)                                                                                  \
    X(flatten)                                                                                     \
    X(transpose_op)                                                                                \
    X(squeeze)                                                                                     \
    X(unsqueeze)                                                                                   \
    X(expand)                                                                                      \
    X(tile)                                                                                        \
    X(concat)                                                                                      \
    X(split)                                                                                       \
    X(slice)                                                                                       \
    X(gather_op)                                                                                   \
    X(pad)                                                                                         \
    X(resize)                                                                                      \
    X(depth_to_space)                                                                              \
    X(space_to_depth)                                                                              \
    X(conv)                                                                                        \
    X(conv_transpose)                                                                              \
    X(pool)                                                                                        \
    X(global_pool)                                                                                 \
    X(batch_norm)                                                                                  \
    X(matmul)                                                                                      \
    X(gemm)                                                                                        \
    X(quantize)                                                                                    \
    X(dequantize)                                                                                  \
    X(qlinear_conv)                                                                                \
    X(qlinear_matmul)                                                                              \
    X(qlinear_binary)                                                                              \
    X(qlinear_gemm)                                                                                \
    X(qlinear_unary)                                                                               \
    X(qlinear_concat)                                                                              \
    X(ml_scaler)                                                                                   \
    X(ml_regressor)                                                                                \
    X(ml_classifier)                                                                               \
    X(dynamic_quantize)                                                                            \
    X(integer_conv)                                                                                \
    X(integer_matmul)
#define ONNX_DECLARE(name)                                                                         \
    MUST_CHECK mp2ml_status onnx_##name(struct onnx_call *c, enum graph_op op);
ONNX_IMPORTS(ONNX_DECLARE)
#undef ONNX_DECLARE

/* The cores of some, for those that wrap them: inputs and result are our nodes; names as c's. */
MUST_CHECK mp2ml_status onnx_conv_of(struct onnx_call *c, int *out, int data, int weights, int bias,
                                     bool take);
MUST_CHECK mp2ml_status onnx_product_of(struct onnx_call *c, int *out, int a, int b);

#endif
