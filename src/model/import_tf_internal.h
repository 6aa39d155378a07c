/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the TensorFlow importer share: the decoded file with its edges resolved, typed
 * access to attributes, and the table of operators. */
#ifndef MODEL_IMPORT_TF_INTERNAL_H
#define MODEL_IMPORT_TF_INTERNAL_H

#include "model/graph_internal.h"
#include "model/proto_alloc.h"
#include "tf_graph.pb-c.h"

typedef ModelTf__NodeDef tf_node;

enum tf_type { /* of the public numbering, those that can be read */
               TF_FLOAT = 1,
               TF_DOUBLE = 2,
               TF_INT32 = 3,
               TF_UINT8 = 4,
               TF_INT16 = 5,
               TF_INT8 = 6,
               TF_STRING = 7,
               TF_INT64 = 9,
               TF_BOOL = 10,
               TF_BFLOAT16 = 14,
               TF_UINT16 = 17,
               TF_HALF = 19,
               TF_UINT32 = 22,
               TF_UINT64 = 23
};
const char *tf_type_name(int32_t type);
bool tf_type_is_real(int32_t type);
bool tf_type_is_integer(int32_t type); /* booleans count */

struct tf_edge {
    int from;        /* node, or -1: there is none of that name */
    unsigned output; /* of that node: NAME:1 and so on */
};

struct tf_model {
    struct proto_alloc memory;
    size_t file_size;
    ModelTf__GraphDef *def;
    tf_node **nodes; /* those of the file, and what calls of functions became */
    int n_nodes;
    tf_node **owned; /* of them, those that are not the message's */
    size_t n_owned;
    int *sorted;           /* node numbers by name */
    size_t *first;         /* edges of node k: edges[first[k]] to edges[first[k + 1] - 1] */
    struct tf_edge *edges; /* data inputs, in order; control inputs are left out */
    bool has_placeholder;  /* a plain one; else those with defaults are the inputs */
};

/* Where a build starts and ends. */
struct tf_start {
    int node;
    bool has_shape;
    unsigned rank; /* batch included */
    int64_t dims[GRAPH_MAX_RANK];
};
struct tf_bounds {
    struct tf_start *starts; /* empty: placeholders only */
    size_t n_starts;
    struct tf_edge *ends;
    size_t n_ends;
};

struct tf_import {
    struct tf_model *model;
    struct graph_build build;
    bool may_move; /* constants may be moved out of the model */
};

/* Names a node in an error: "node 'NAME' (Op): text". */
mp2ml_status tf_fail(mp2ml_error *err, const tf_node *def, mp2ml_status status, const char *fmt,
                     ...) MP2ML_PRINTF(4, 5);

/* import_tf_walk.c: the nodes between bounds as a settled graph. */
MUST_CHECK mp2ml_status tf_build(struct graph **out, struct tf_model *m,
                                 const struct tf_bounds *bounds, bool may_move,
                                 struct graph_build *build);
/* import_tf.c: the node of exactly this name; -1 if there is none. */
int tf_find(const struct tf_model *m, const char *name, size_t length);
/* "NAME" or "NAME:K" as node and output. */
struct tf_edge tf_resolve(const struct tf_model *m, const char *text);

/* import_tf_inline.c: fills m->nodes from m->def. */
MUST_CHECK mp2ml_status tf_inline(struct tf_model *m, mp2ml_error *err);

/* import_tf_rows.c: rows of tables that data of an input choose are chosen by the input itself. */
void tf_skip_index_wraps(struct tf_model *m);

/* import_tf_cut.c: the user's names, or what the file says, as bounds. */
MUST_CHECK mp2ml_status tf_bounds_make(struct tf_bounds *bounds, struct tf_model *m,
                                       const struct graph_cut *cut, mp2ml_error *err);
void tf_bounds_wipe(struct tf_bounds *bounds);

/* import_tf_nodes.c: one row an operator. A row with `parts` makes one of our nodes for each output
 * of the file's node; `parts` says how many, from 1 to GRAPH_MAX_INPUTS. */
struct tf_row {
    const char *name;
    enum graph_op op;
    mp2ml_status (*import)(struct tf_import *t, tf_node *def, struct graph_node *n);
    mp2ml_status (*parts)(int64_t *count, const tf_node *def, mp2ml_error *err);
};
const struct tf_row *tf_row_find(const char *op);

/* Operators of the file that are several of ours: one node on its way, in[] the nodes it reads. */
struct tf_call {
    struct tf_import *t;
    tf_node *def;
    enum graph_op op; /* that of the row */
    struct graph_expand x;
    struct graph_node named; /* x.node: the name and the inputs */
};
struct tf_composed {
    const char *name;
    enum graph_op op;
    mp2ml_status (*compose)(struct tf_call *c, int *out);
    unsigned min_inputs, max_inputs;
};
const struct tf_composed *tf_composed_find(const char *op);

/* import_tf_composed.c */
#define TF_COMPOSERS(X)                                                                            \
    X(broadcast)                                                                                   \
    X(clip)                                                                                        \
    X(conv_transpose) X(fused) X(fused_norm) X(mirror_pad) X(resize_linear) X(resize_nearest)
#define TF_COMPOSE_DECLARE(name)                                                                   \
    MUST_CHECK mp2ml_status tf_compose_##name(struct tf_call *c, int *out);
TF_COMPOSERS(TF_COMPOSE_DECLARE)
#undef TF_COMPOSE_DECLARE

/* True when the node is an input of the network unless the user cuts elsewhere. */
bool tf_is_input(const struct tf_model *m, int node);
bool tf_is_placeholder(const tf_node *def); /* with or without a default */
/* True when reading data is all it does (assertions, summaries): never an output. */
bool tf_is_side_effect(const tf_node *def);

/* import_tf_windows.c: readers of convolutions, pools and the like. */
#define TF_WINDOW_READERS(X) X(conv2d) X(pool) X(bias_add) X(batch_norm) X(depth_to_space)
#define TF_WINDOW_DECLARE(name)                                                                    \
    MUST_CHECK mp2ml_status tf_import_##name(struct tf_import *t, tf_node *def,                    \
                                             struct graph_node *n);
TF_WINDOW_READERS(TF_WINDOW_DECLARE)
#undef TF_WINDOW_DECLARE

/* tf_attr.c: attributes. A missing one leaves *out alone; another type than asked for is ERR_MODEL.
 */
const ModelTf__AttrValue *tf_attr(const tf_node *def, const char *key);
MUST_CHECK mp2ml_status tf_attr_int(int64_t *out, const tf_node *def, const char *key,
                                    mp2ml_error *err);
MUST_CHECK mp2ml_status tf_attr_float(float *out, const tf_node *def, const char *key,
                                      mp2ml_error *err);
MUST_CHECK mp2ml_status tf_attr_bool(bool *out, const tf_node *def, const char *key,
                                     mp2ml_error *err);
MUST_CHECK mp2ml_status tf_attr_type(int32_t *out, const tf_node *def, const char *key,
                                     mp2ml_error *err);
/* True when the string attribute is there and is `text`. */
bool tf_attr_is(const tf_node *def, const char *key, const char *text);
/* A list of integers; *values stays in the message. */
MUST_CHECK mp2ml_status tf_attr_ints(const int64_t **values, size_t *count, const tf_node *def,
                                     const char *key, mp2ml_error *err);
/* The text of a string attribute for messages, cut and cleaned by the caller's error. */
struct tf_text {
    char text[64];
};
struct tf_text tf_attr_text(const tf_node *def, const char *key);
/* A shape with the batch first: -1 or 1 becomes GRAPH_BATCH. ERR_UNSUPPORTED says what to do when
 * the rank or another axis is not known. */
MUST_CHECK mp2ml_status tf_batched_shape(unsigned *rank, int64_t *dims,
                                         const ModelTf__TensorShape *shape, const tf_node *def,
                                         mp2ml_error *err);

/* tensor_tf.c: a constant; float32 content is moved out of the message if allowed. */
MUST_CHECK mp2ml_status tf_tensor_read(struct tf_import *t, struct graph_tensor *out,
                                       ModelTf__Tensor *from, const tf_node *def);

#endif
