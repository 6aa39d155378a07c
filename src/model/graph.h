/* SPDX-License-Identifier: Apache-2.0
 *
 * graph: a trained network as a list of nodes in topological order, whatever file it came from.
 *
 * A node has one output. Its shape has the batch axis first, as -1, where the node depends on an
 * input ("batched"); a constant has no batch axis. All real numbers are float32, all others int64.
 * Importers translate their format's operators into the table below; the table is the one place
 * that names an operator: its handling in shape, folding and evaluation hangs on the same row. */
#ifndef MODEL_GRAPH_H
#define MODEL_GRAPH_H

#include "base/status.h"

#define GRAPH_MAX_RANK 8
#define GRAPH_BATCH (-1) /* the batch axis in shapes and in folded shape arithmetic */

/* name, how errors and listings call it, kind:
 *   S source, L linear or structural with constants, N non-linear, E at the end only, F folds away
 */
#define GRAPH_OP_MAP(X)                                                                            \
    X(INPUT, "Placeholder", 'S')                                                                   \
    X(CONST, "Const", 'S')                                                                         \
    X(IDENTITY, "Identity", 'F')                                                                   \
    X(CONV2D, "Conv2D", 'L')                                                                       \
    X(MATMUL, "MatMul", 'L')                                                                       \
    X(BIAS_ADD, "BiasAdd", 'L')                                                                    \
    X(ADD, "Add", 'L')                                                                             \
    X(SUB, "Sub", 'L')                                                                             \
    X(MUL, "Mul", 'L')                                                                             \
    X(DIV, "RealDiv", 'L')                                                                         \
    X(AVG_POOL, "AvgPool", 'L')                                                                    \
    X(PAD, "Pad", 'L')                                                                             \
    X(RESHAPE, "Reshape", 'L')                                                                     \
    X(SQUEEZE, "Squeeze", 'L')                                                                     \
    X(EXPAND_DIMS, "ExpandDims", 'L')                                                              \
    X(TRANSPOSE, "Transpose", 'L')                                                                 \
    X(RELU, "Relu", 'N')                                                                           \
    X(MAX_POOL, "MaxPool", 'N')                                                                    \
    X(SOFTMAX, "Softmax", 'E')                                                                     \
    X(ARGMAX, "ArgMax", 'E')                                                                       \
    X(SHAPE, "Shape", 'F')                                                                         \
    X(STRIDED_SLICE, "StridedSlice", 'F')                                                          \
    X(PACK, "Pack", 'F')                                                                           \
    X(CONCAT, "ConcatV2", 'F')                                                                     \
    X(PROD, "Prod", 'F')                                                                           \
    X(CAST, "Cast", 'F')

enum graph_op {
#define GRAPH_OP_ENUM(name, text, kind) GRAPH_##name,
    GRAPH_OP_MAP(GRAPH_OP_ENUM)
#undef GRAPH_OP_ENUM
        GRAPH_OP_COUNT
};

struct graph_tensor { /* a constant; one of f, i is not NULL unless count is 0 */
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK];
    size_t count;
    float *f;
    int64_t *i;
};

enum graph_padding { GRAPH_VALID, GRAPH_SAME, GRAPH_EXPLICIT };

/* Convolution and pooling windows. After shape inference pad[] holds the real padding whatever
 * `padding` says. */
struct graph_window {
    bool nchw;
    enum graph_padding padding;
    int64_t kernel[2]; /* height, width */
    int64_t stride[2];
    int64_t dilation[2];
    int64_t pad[4]; /* top, bottom, left, right */
};

struct graph_node {
    char *name;
    enum graph_op op;
    unsigned n_inputs;
    int *inputs; /* node numbers, smaller than this node's */
    bool batched;
    bool integers; /* dtype int64 */
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK];
    struct graph_tensor value;     /* CONST */
    struct graph_window window;    /* CONV2D (weights HWIO in inputs[1]), AVG_POOL, MAX_POOL */
    bool transpose_a, transpose_b; /* MATMUL */
    bool nchw;                     /* BIAS_ADD */
    int64_t axis;                  /* SOFTMAX, ARGMAX, EXPAND_DIMS, PACK, CONCAT; not negative
                                      after shape inference */
    unsigned n_list; /* SQUEEZE axes; TRANSPOSE: output axis d is input axis list[d] */
    int64_t list[GRAPH_MAX_RANK];
    int64_t mask[5]; /* STRIDED_SLICE: begin, end, ellipsis, new axis, shrink */
};

struct graph {
    struct graph_node *nodes;
    int n_nodes;
    int *inputs; /* INPUT nodes, in the order of the file or of the flags */
    int n_inputs;
    int *outputs; /* nodes */
    int n_outputs;
};

/* Where to cut. Names match with or without "import/" and ":0". */
struct graph_cut {
    const char *const *inputs; /* "NAME" or "NAME:D1,D2,..." (sample shape, batch left out); NULL:
                                  all placeholders */
    size_t n_inputs;
    const char *const *outputs; /* NULL: the only node that nothing reads */
    size_t n_outputs;
};

const char *graph_op_name(enum graph_op op);
char graph_op_kind(enum graph_op op);

/* A file, recognised by its content. The graph is simplified: every node is batched or a constant,
 * kinds S, L, N, E only, shapes known but for the batch, identities and dead nodes gone. SQUEEZE
 * and EXPAND_DIMS have become RESHAPE, which has one input and its shape in dims; PAD has the
 * integers [rank][2] as inputs[1]; a PAD of zeros before a CONV2D is in the window's pad[]. Errors
 * name node and operator, and list what is supported or what the candidates are. */
MUST_CHECK mp2ml_status graph_load(struct graph **out, const char *path,
                                   const struct graph_cut *cut, mp2ml_error *err);
/* The same from the bytes of a file; `name` is for messages. */
MUST_CHECK mp2ml_status graph_parse(struct graph **out, const void *data, size_t size,
                                    const char *name, const struct graph_cut *cut,
                                    mp2ml_error *err);
void graph_free(struct graph *g);

/* Elements of one sample of a batched node, or of a constant. */
size_t graph_sample_count(const struct graph_node *node);
/* True when a name from outside (with or without "import/" and ":0") means this node. */
bool graph_name_matches(const char *node_name, const char *asked);

/* Called once a node, in order, with its values [batch][sample]; return not 0 to stop. */
typedef int (*graph_visit)(void *context, int node, const float *values, size_t count);

/* Evaluates in float32. inputs[i] = [batch][sample] of g->inputs[i]. outputs[o] (may be NULL) gets
 * [batch][sample] of g->outputs[o]. ARGMAX gives the index as a float. `visit` may be NULL. */
MUST_CHECK mp2ml_status graph_eval(const struct graph *g, size_t batch, const float *const *inputs,
                                   float *const *outputs, graph_visit visit, void *context);

/* The batched form of one file's listing of operators, for messages: "Conv2D, MatMul, ...". Returns
 * the length; cuts at size. */
size_t graph_supported_ops(char *out, size_t size);

#endif
