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
 *   S source, L linear or structural with constants, N non-linear, E at the end only,
 *   F in files only: computed away with the constants, or rewritten while simplifying, as below
 *   C in files only: said with others while a file is read (compose.h), never a node
 *
 * What is left of the operators of kind F when they stand on data (c: constants computed here):
 *   DEPTHWISE                CONV2D with one group for each input channel
 *   BATCH_NORM               MUL by c, ADD of c, one value a channel; into the weights if possible
 *   ADD_N                    a chain of ADD
 *   NEG, SQUARE, POW         MUL by -1; MUL of x with x (2), and that with x (3)
 *   ARGMIN                   ARGMAX of -x
 *   SQUARED_DIFFERENCE       SUB, MUL with itself
 *   MAXIMUM, MINIMUM         RELU(x-y) + y; y - RELU(y-x)
 *   RELU6, LEAKY_RELU, ABS   RELU(x) - RELU(x-6); (1-a)*RELU(x) + a*x; 2*RELU(x) - x
 *   REDUCE_SUM, REDUCE_MEAN  AVG_POOL over a RESHAPE (and TRANSPOSE where the axes are apart); MUL
 *   REDUCE_MAX, REDUCE_MIN   the same with MAX_POOL; -max(-x)
 *   SLICE, STRIDED_SLICE, SPLIT, UNPACK, TILE, REVERSE, DEPTH_TO_SPACE, ...  GATHER
 *   TAKE                     GATHER; rows of a constant by data: MATMUL of SIGN(a-1/2), SIGN(a-3/2), ..
 *   PACK                     CONCAT of RESHAPE
 *   SPACE_TO_BATCH           PAD; what follows works on the whole picture, CONV2D with dilation,
 *   BATCH_TO_SPACE           up to here: GATHER of what is not cropped
 *   RANDOM, SWITCH, MERGE    training only: dropout is an identity, of a condition one side lives
 *   SELECT                   training only: of a constant condition one side lives
 *   CLIP, HARD_SIGMOID       RELU(x-low) - RELU(x-high) + low; that of a*x + b between 0 and 1
 *   HARD_SWISH               MUL of x with RELU(x/6+1/2) - RELU(x/6-1/2)
 *   PRELU                    (1-a)*RELU(x) + a*x with slopes a of the model
 *   MIRROR_PAD, RESIZE       GATHER; between two values the sum of two of them, times constants
 *   CONV_TRANSPOSE           CONV2D over a GATHER that puts zeros between the values
 */
#define GRAPH_OP_MAP(X)                                                                            \
    X(INPUT, "Placeholder", 'S')                                                                   \
    X(CONST, "Const", 'S')                                                                         \
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
    X(GATHER, "Gather", 'L')                                                                       \
    X(CONCAT, "ConcatV2", 'L')                                                                     \
    X(RELU, "Relu", 'N')                                                                           \
    X(SIGN, "Sign", 'N')                                                                           \
    X(MAX_POOL, "MaxPool", 'N')                                                                    \
    X(SOFTMAX, "Softmax", 'E')                                                                     \
    X(LOG_SOFTMAX, "LogSoftmax", 'E')                                                              \
    X(SIGMOID, "Sigmoid", 'E')                                                                     \
    X(TANH, "Tanh", 'E')                                                                           \
    X(ARGMAX, "ArgMax", 'E')                                                                       \
    X(ARGMIN, "ArgMin", 'F')                                                                       \
    X(IDENTITY, "Identity", 'F')                                                                   \
    X(CAST, "Cast", 'F')                                                                           \
    X(DEPTHWISE, "DepthwiseConv2dNative", 'F')                                                     \
    X(BATCH_NORM, "FusedBatchNorm", 'F')                                                           \
    X(ADD_N, "AddN", 'F')                                                                          \
    X(MAXIMUM, "Maximum", 'F')                                                                     \
    X(MINIMUM, "Minimum", 'F')                                                                     \
    X(RELU6, "Relu6", 'F')                                                                         \
    X(LEAKY_RELU, "LeakyRelu", 'F')                                                                \
    X(ABS, "Abs", 'F')                                                                             \
    X(NEG, "Neg", 'F')                                                                             \
    X(SQUARE, "Square", 'F')                                                                       \
    X(SQUARED_DIFFERENCE, "SquaredDifference", 'F')                                                \
    X(POW, "Pow", 'F')                                                                             \
    X(REDUCE_SUM, "Sum", 'F')                                                                      \
    X(REDUCE_MEAN, "Mean", 'F')                                                                    \
    X(REDUCE_MAX, "Max", 'F')                                                                      \
    X(REDUCE_MIN, "Min", 'F')                                                                      \
    X(PROD, "Prod", 'F')                                                                           \
    X(SLICE, "Slice", 'F')                                                                         \
    X(STRIDED_SLICE, "StridedSlice", 'F')                                                          \
    X(SPLIT, "Split", 'F')                                                                         \
    X(UNPACK, "Unpack", 'F')                                                                       \
    X(TILE, "Tile", 'F')                                                                           \
    X(REVERSE, "ReverseV2", 'F')                                                                   \
    X(TAKE, "GatherV2", 'F')                                                                       \
    X(DEPTH_TO_SPACE, "DepthToSpace", 'F')                                                         \
    X(SPACE_TO_DEPTH, "SpaceToDepth", 'F')                                                         \
    X(PACK, "Pack", 'F')                                                                           \
    X(SPACE_TO_BATCH, "SpaceToBatchND", 'F')                                                       \
    X(BATCH_TO_SPACE, "BatchToSpaceND", 'F')                                                       \
    X(RANDOM, "RandomUniform", 'F')                                                                \
    X(SWITCH, "Switch", 'F')                                                                       \
    X(MERGE, "Merge", 'F')                                                                         \
    X(SHAPE, "Shape", 'F')                                                                         \
    X(RANK, "Rank", 'F')                                                                           \
    X(FILL, "Fill", 'F')                                                                           \
    X(RANGE, "Range", 'F')                                                                         \
    X(ZEROS_LIKE, "ZerosLike", 'F')                                                                \
    X(ONES_LIKE, "OnesLike", 'F')                                                                  \
    X(SELECT, "Select", 'F')                                                                       \
    X(SQRT, "Sqrt", 'F')                                                                           \
    X(RSQRT, "Rsqrt", 'F')                                                                         \
    X(RECIPROCAL, "Reciprocal", 'F')                                                               \
    X(EXP, "Exp", 'F')                                                                             \
    X(LOG, "Log", 'F')                                                                             \
    X(FLOOR, "Floor", 'F')                                                                         \
    X(CEIL, "Ceil", 'F')                                                                           \
    X(ROUND, "Round", 'F')                                                                         \
    X(FLOOR_DIV, "FloorDiv", 'F')                                                                  \
    X(FLOOR_MOD, "FloorMod", 'F')                                                                  \
    X(EQUAL, "Equal", 'F')                                                                         \
    X(NOT_EQUAL, "NotEqual", 'F')                                                                  \
    X(LESS, "Less", 'F')                                                                           \
    X(LESS_EQUAL, "LessEqual", 'F')                                                                \
    X(GREATER, "Greater", 'F')                                                                     \
    X(GREATER_EQUAL, "GreaterEqual", 'F')                                                          \
    X(LOGICAL_AND, "LogicalAnd", 'F')                                                              \
    X(LOGICAL_OR, "LogicalOr", 'F')                                                                \
    X(LOGICAL_NOT, "LogicalNot", 'F')                                                              \
    X(CLIP, "Clip", 'C')                                                                           \
    X(HARD_SIGMOID, "HardSigmoid", 'C')                                                            \
    X(HARD_SWISH, "HardSwish", 'C')                                                                \
    X(PRELU, "PRelu", 'C')                                                                         \
    X(MIRROR_PAD, "MirrorPad", 'C')                                                                \
    X(RESIZE, "Resize", 'C')                                                                       \
    X(CONV_TRANSPOSE, "ConvTranspose", 'C')

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
    int64_t groups; /* CONV2D: input channels / kernel's input channels; 1: an ordinary one.
                       Group q reads input channels q*I..q*I+I-1 and makes output channels
                       q*O/groups..(q+1)*O/groups-1 of weights HWIO */
};

struct graph_node {
    char *name;
    const char *file_op; /* how the file calls the operator, for messages: a text that stays; NULL:
                            as graph_op_name */
    enum graph_op op;
    unsigned n_inputs;
    int *inputs; /* node numbers, smaller than this node's */
    bool batched;
    bool integers;  /* dtype int64 */
    bool attribute; /* CONST: follows from operators and their attributes, so everybody may know it
                     */
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK];
    struct graph_tensor value;     /* CONST; GATHER: i = for each value of an output sample its
                                      place in the input sample, -1 for a zero */
    struct graph_window window;    /* CONV2D (weights HWIO in inputs[1]), AVG_POOL, MAX_POOL */
    bool transpose_a, transpose_b; /* MATMUL */
    bool nchw;                     /* BIAS_ADD, BATCH_NORM, SPACE_TO_DEPTH */
    int64_t axis;                  /* SOFTMAX, ARGMAX, CONCAT ...; not negative after shape
                                      inference */
    float real; /* SIGN: no operand is nearer to 0 than this, 0: any may be; LEAKY_RELU: slope;
                         BATCH_NORM: epsilon */
    int64_t lookup_rows; /* INPUT: its values are whole numbers below this, rows of a table; 0: any
                            numbers */
    unsigned n_list;     /* SQUEEZE axes; TRANSPOSE: output axis d is input axis list[d] */
    int64_t list[GRAPH_MAX_RANK];

    /* The rest is for the way from a file to a simplified graph only. */
    int64_t mask[5]; /* STRIDED_SLICE: begin, end, ellipsis, new axis, shrink; reductions: keep;
                        BATCH_NORM: training; ARGMAX: of equal values the last */
    unsigned part;   /* SPLIT, UNPACK, SWITCH: which output of the file's node; with `parts` */
    unsigned parts;
    int file_node; /* its number in the file, or that of what it was made of */
    bool refused;  /* it, or what it depends on, is in the list of refusals */
    bool rows;   /* the file has axes 0 and 1 as one, batch * dims[1], until a Reshape parts them */
    bool random; /* depends on RANDOM */
    bool dead;   /* on the side of a condition that is not taken */
    int64_t block[GRAPH_MAX_RANK]; /* > 1: between SPACE_TO_BATCH and BATCH_TO_SPACE this axis is
                                      in that many pieces in the file, but whole here */
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
/* The operator as the file calls it. */
const char *graph_node_op(const struct graph_node *n);

/* A file, recognised by its content. The graph is simplified: every node is batched or a constant,
 * kinds S, L, N, E only, shapes known but for the batch, identities and dead nodes gone. SQUEEZE
 * and EXPAND_DIMS have become RESHAPE, which has one input and its shape in dims; PAD has the
 * integers [rank][2] as inputs[1]; a PAD of zeros before a CONV2D is in the window's pad[]. CONCAT
 * has batched inputs only, joined along `axis`. MUL may have two batched inputs. Errors
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

/* Refusals ------------------------------------------------------------------------------------ */

/* Why an operator has no private form, and the nearest rewrite; both NULL where nothing is known.
 * `op` as any of the formats spells it. */
struct graph_hint {
    const char *why, *rewrite;
};
struct graph_hint graph_hint(const char *op);
/* What the first refusal ends with. */
#define GRAPH_LISTING "(`mp2ml plan --explain-unsupported MODEL` lists everything of that kind)"

#define GRAPH_MAX_REFUSALS 1000 /* longer lists are cut */

struct graph_refusal {
    char *node, *op, *why; /* op as the file calls it */
    const char *rewrite;   /* a text that stays; NULL: none is known */
    int at;                /* the node's number in the file */
};
struct graph_refusals { /* in the order of the file; all zeros: empty */
    struct graph_refusal *list;
    size_t count;
};
/* Copies the texts. ERR_UNSUPPORTED when the list is full. */
MUST_CHECK mp2ml_status graph_refusals_add(struct graph_refusals *r, const char *node,
                                           const char *op, const char *why, const char *rewrite,
                                           int at);
void graph_refusals_wipe(struct graph_refusals *r);

/* graph_parse, or with data = NULL graph_load of `name`; and where the file has nodes without a
 * private form all of them in *refusals (empty before; the caller wipes it in any case): then the
 * status is ERR_UNSUPPORTED. */
MUST_CHECK mp2ml_status graph_explain(struct graph **out, struct graph_refusals *refusals,
                                      const void *data, size_t size, const char *name,
                                      const struct graph_cut *cut, mp2ml_error *err);

#endif
