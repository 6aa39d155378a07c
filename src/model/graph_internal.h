/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: a graph under construction, the rules that hang on a row of
 * the table of operators, and the small helpers of those rules.
 *
 * A new operator: a row in graph.h, its rules in graph_ops.c, a line in an importer's table. One of
 * kind F that may stand on data has an expand rule, which says it with other operators.
 *
 * Model files are hostile. Every size that came from a file goes through graph_count; every
 * constant that is not moved out of the file is paid for from the build's budget. */
#ifndef MODEL_GRAPH_INTERNAL_H
#define MODEL_GRAPH_INTERNAL_H

#include "model/graph.h"

#define GRAPH_MAX_NODES (1 << 18)
#define GRAPH_MAX_INPUTS 4096              /* of one node */
#define GRAPH_MAX_COUNT ((size_t)1 << 31)  /* elements of a shape */
#define GRAPH_MAX_SAMPLE ((size_t)1 << 24) /* values of a sample anywhere in a network */

struct graph_build {
    struct graph *g;
    int capacity;     /* of g->nodes */
    size_t budget;    /* bytes that constants may still take beyond the file's own */
    mp2ml_error *err; /* may be NULL */
    struct graph_refusals
        *refusals; /* NULL: the first refusal ends the work; else err is not NULL */
    int file_node; /* the importer is at this node of the file; new nodes remember it */
};

/* Finds the node's rank and dims from those of its inputs, and checks its attributes. `batched` is
 * already set, the number of inputs already checked, and inputs have their shapes. */
typedef mp2ml_status (*graph_shape_rule)(struct graph_build *b, struct graph_node *n);

/* Values and full shape of one operand: the batch axis, if any, with the number of samples at hand.
 * Exactly one of f, i is used, by `integers`. */
struct eval_view {
    unsigned rank;
    size_t dims[GRAPH_MAX_RANK];
    size_t count;
    bool integers;
    const float *f;
    const int64_t *i;
};

/* out[m][width], rows ld_out apart = a[m][k], rows ld_a apart, times a panel; see eval_gemm.c. */
typedef void (*eval_gemm)(float *out, size_t ld_out, const float *a, size_t ld_a, size_t m,
                          size_t k, const float *panel, size_t width);

struct eval_call {
    const struct graph_node *node;
    const struct eval_view *in;
    unsigned n_in;
    struct eval_view shape; /* of the output; its f and i are not used */
    float *f;               /* the output, one of the two, not overlapping an input */
    int64_t *i;
    eval_gemm gemm; /* this run's kernel; NULL when folding, where nothing multiplies matrices */
};

/* Computes a node. ERR_MEMORY, or ERR_UNSUPPORTED for integer arithmetic on the batch axis; shapes
 * are right by the shape rule. */
typedef mp2ml_status (*graph_eval_rule)(const struct eval_call *c);

/* The graph while operators of kind F are rewritten: nodes move from the old graph to b->g, in
 * order, or several new ones take their place. */
struct graph_expand {
    struct graph_build *b;
    const struct graph_node *node; /* of the old graph, to be replaced; inputs are new numbers */
};
/* Appends what stands for x->node; *out is the node of the new graph that has its value. */
typedef mp2ml_status (*graph_expand_rule)(struct graph_expand *x, int *out);

struct graph_row {
    const char *name;
    char kind;
    graph_shape_rule shape;
    graph_eval_rule eval;     /* NULL: never evaluated (sources, and what always folds) */
    graph_expand_rule expand; /* NULL: stays as it is */
    unsigned min_inputs, max_inputs;
    bool folds; /* computed at once when all inputs are constants; time linear in the sizes */
};

struct graph_row graph_row(enum graph_op op);

/* graph_build.c ------------------------------------------------------------------------------- */

/* "node 'NAME' (Op): text", control characters removed. */
mp2ml_status graph_node_fail(const struct graph_build *b, const struct graph_node *n,
                             mp2ml_status status, const char *fmt, ...) MP2ML_PRINTF(4, 5);
/* Replaces what a terminal should not get; for texts with words from a file. */
void graph_clean_text(mp2ml_error *err);

/* "D1,D2,..." of one sample, to the shape with the batch before it; false when it is none. */
bool graph_parse_shape(unsigned *rank, int64_t *dims, const char *text);
/* An empty graph. */
MUST_CHECK mp2ml_status graph_new(struct graph **out);
/* Appends a node with room for n_inputs inputs; copies the name. *out is valid until the next one.
 */
MUST_CHECK mp2ml_status graph_add_node(struct graph_build *b, const char *name, enum graph_op op,
                                       size_t n_inputs, struct graph_node **out);
/* Shape and folding of one node, whose inputs are settled. What depends on a refused node is
 * refused, and has no shape. */
MUST_CHECK mp2ml_status graph_settle_node(struct graph_build *b, struct graph_node *n);
/* Makes n read through identities, so that weights behind them are seen as the constants they are and
 * never copied. Identities before n are already resolved: one step is enough. */
void graph_skip_identities(struct graph_build *b, struct graph_node *n);
/* Keeps what an output depends on and all inputs; renumbers in place. */
MUST_CHECK mp2ml_status graph_drop_dead(struct graph_build *b);
/* expand.c: rewrites all batched nodes that have an expand rule. */
MUST_CHECK mp2ml_status graph_expand_all(struct graph_build *b);
/* simplify.c: a settled graph to the form that graph_load promises. */
MUST_CHECK mp2ml_status graph_simplify(struct graph_build *b);

/* refuse.c. An importer does this with each node NAME (OP) of the file, after setting b->file_node:
 *
 *     first = b->g->n_nodes;
 *     if (graph_any_refused(b, inputs, n_inputs))
 *         TRY(graph_add_refused(b, NAME, inputs, n_inputs));
 *     else if ((status = translate and settle it) != MP2ML_OK)
 *         TRY(graph_refuse(b, first, NAME, OP, inputs, n_inputs, status));
 *
 * where the translation of an operator that is not in its table is graph_unknown_op. A refused node
 * stands for all outputs, and has the inputs, so that what comes before it is looked at as well.
 * Unknown operators are worth telling whatever their inputs are. */

/* "node 'NAME' (OP): this operator has no private form: WHY"; ERR_UNSUPPORTED. */
mp2ml_status graph_unknown_op(const struct graph_build *b, const char *node, const char *op);
bool graph_any_refused(const struct graph_build *b, const int *inputs, size_t n_inputs);
/* Appends a node that stands for one that is refused already. */
MUST_CHECK mp2ml_status graph_add_refused(struct graph_build *b, const char *name,
                                          const int *inputs, size_t n_inputs);
/* graph_note, and a refused node in the place of all from `first` on. */
MUST_CHECK mp2ml_status graph_refuse(struct graph_build *b, int first, const char *name,
                                     const char *op, const int *inputs, size_t n_inputs,
                                     mp2ml_status status);
/* With a list: moves an ERR_UNSUPPORTED and its text from *b->err into it, and all is well. Without,
 * the text gets the rewrite, and the status is given back, as all others are. */
MUST_CHECK mp2ml_status graph_note(struct graph_build *b, const char *node, const char *op,
                                   mp2ml_status status);
/* ERR_UNSUPPORTED and the first refusal if there is any. */
MUST_CHECK mp2ml_status graph_check_refusals(const struct graph_build *b);

void graph_node_wipe(struct graph_node *n);
void graph_tensor_wipe(struct graph_tensor *t);
/* Elements of a shape without a batch axis. False when a dim is negative or the product exceeds
 * GRAPH_MAX_COUNT. */
bool graph_count(size_t *count, const int64_t *dims, unsigned rank);
/* Zeroed memory of a tensor with `rank` and `dims` set, paid from the budget. */
MUST_CHECK mp2ml_status graph_tensor_alloc(struct graph_build *b, struct graph_tensor *t,
                                           bool integers);

static inline struct graph_node *graph_input(const struct graph_build *b,
                                             const struct graph_node *n, unsigned k)
{
    return &b->g->nodes[n->inputs[k]];
}
/* Data of a shape with a 0 in it; what is dead has no shape. */
static inline bool graph_is_empty(const struct graph_node *n)
{
    return n->batched && !n->dead && graph_sample_count(n) == 0;
}

static inline void graph_copy_shape(struct graph_node *to, const struct graph_node *from)
{
    to->rank = from->rank;
    for (unsigned d = 0; d < GRAPH_MAX_RANK; d++)
        to->dims[d] = from->dims[d];
}

/* shape.c, shape_move.c ----------------------------------------------------------------------- */

/* "(?, 28, 28, 1)" */
struct shape_text {
    char text[160];
};
struct shape_text shape_print(const struct graph_node *n);
/* -rank <= *axis < rank becomes 0 <= *axis < rank; false outside. */
bool shape_axis(int64_t *axis, unsigned rank);
/* ERR_UNSUPPORTED unless input k is a constant of integers. */
MUST_CHECK mp2ml_status shape_want_integers(struct graph_build *b, const struct graph_node *n,
                                            unsigned k);

/* ERR_UNSUPPORTED or ERR_MODEL unless input k is a constant of real numbers with that rank. */
MUST_CHECK mp2ml_status shape_want_weights(struct graph_build *b, const struct graph_node *n,
                                           unsigned k, unsigned rank);
/* The one number of input k, a constant. */
MUST_CHECK mp2ml_status shape_want_number(struct graph_build *b, const struct graph_node *n,
                                          unsigned k, int64_t *value);
/* Length of start, start + delta, ... before limit; false when it does not end. */
bool shape_range_count(double start, double limit, double delta, int64_t *count);

/* A StridedSlice: along input axis d, element j of the output is element start + j * step. */
struct shape_slice {
    unsigned rank; /* of the input */
    int64_t start[GRAPH_MAX_RANK], step[GRAPH_MAX_RANK], length[GRAPH_MAX_RANK];
    unsigned out_rank; /* with new axes, without those that vanish */
    int64_t out_dims[GRAPH_MAX_RANK];
};
/* From the constants begin, end, strides of `specs` elements each and the node's masks. False when
 * they do not fit the input's shape, or where a batched node's first axis would not stay whole. */
bool shape_slice_make(struct shape_slice *s, const struct graph_node *n, const size_t *dims,
                      unsigned rank, const int64_t *begin, const int64_t *end,
                      const int64_t *strides, size_t specs);

#define SHAPE_RULES(X)                                                                             \
    X(source)                                                                                      \
    X(same)                                                                                        \
    X(softmax)                                                                                     \
    X(argmax)                                                                                      \
    X(conv2d)                                                                                      \
    X(depthwise)                                                                                   \
    X(pool)                                                                                        \
    X(matmul)                                                                                      \
    X(bias_add)                                                                                    \
    X(batch_norm)                                                                                  \
    X(binary)                                                                                      \
    X(compare)                                                                                     \
    X(select)                                                                                      \
    X(add_n)                                                                                       \
    X(pad)                                                                                         \
    X(reshape)                                                                                     \
    X(squeeze)                                                                                     \
    X(expand_dims)                                                                                 \
    X(transpose)                                                                                   \
    X(gather)                                                                                      \
    X(shape)                                                                                       \
    X(rank)                                                                                        \
    X(slice)                                                                                       \
    X(strided_slice)                                                                               \
    X(split)                                                                                       \
    X(unpack)                                                                                      \
    X(tile)                                                                                        \
    X(reverse)                                                                                     \
    X(take)                                                                                        \
    X(depth_to_space)                                                                              \
    X(space_to_depth)                                                                              \
    X(space_to_batch)                                                                              \
    X(batch_to_space)                                                                              \
    X(pack)                                                                                        \
    X(concat)                                                                                      \
    X(reduce)                                                                                      \
    X(cast)                                                                                        \
    X(fill)                                                                                        \
    X(range)                                                                                       \
    X(random)                                                                                      \
    X(switch)                                                                                      \
    X(merge)
#define SHAPE_DECLARE(name)                                                                        \
    MUST_CHECK mp2ml_status shape_##name(struct graph_build *b, struct graph_node *n);
SHAPE_RULES(SHAPE_DECLARE)
#undef SHAPE_DECLARE

/* The same for operators on rows. */
MUST_CHECK mp2ml_status shape_rows(struct graph_build *b, struct graph_node *n);
/* Whether an operator may stand between SPACE_TO_BATCH and BATCH_TO_SPACE, and what comes out. */
bool shape_in_pieces(const struct graph_node *n); /* it stands there */
MUST_CHECK mp2ml_status shape_blocks(struct graph_build *b, struct graph_node *n);

/* fold_training.c ----------------------------------------------------------------------------- */

/* True when MUL or SELECT is the end of a dropout: then the node is an identity now. */
bool fold_dropout(const struct graph_build *b, struct graph_node *n);

/* fold.c -------------------------------------------------------------------------------------- */

/* Turns a node whose inputs are constants, or a Shape, into a constant. */
MUST_CHECK mp2ml_status fold_node(struct graph_build *b, struct graph_node *n);

/* eval_*.c ------------------------------------------------------------------------------------ */

#define EVAL_RULES(X)                                                                              \
    X(copy)                                                                                        \
    X(relu)                                                                                        \
    X(relu6)                                                                                       \
    X(leaky_relu)                                                                                  \
    X(abs)                                                                                         \
    X(neg)                                                                                         \
    X(square)                                                                                      \
    X(sqrt)                                                                                        \
    X(rsqrt)                                                                                       \
    X(reciprocal)                                                                                  \
    X(exp)                                                                                         \
    X(log)                                                                                         \
    X(floor)                                                                                       \
    X(ceil)                                                                                        \
    X(round)                                                                                       \
    X(sign)                                                                                        \
    X(sigmoid)                                                                                     \
    X(tanh)                                                                                        \
    X(logical_not)                                                                                 \
    X(zeros_like)                                                                                  \
    X(ones_like)                                                                                   \
    X(softmax)                                                                                     \
    X(log_softmax)                                                                                 \
    X(argmax)                                                                                      \
    X(argmin)                                                                                      \
    X(conv2d)                                                                                      \
    X(avg_pool)                                                                                    \
    X(max_pool)                                                                                    \
    X(matmul)                                                                                      \
    X(bias_add)                                                                                    \
    X(batch_norm)                                                                                  \
    X(add)                                                                                         \
    X(sub)                                                                                         \
    X(mul)                                                                                         \
    X(div)                                                                                         \
    X(add_n)                                                                                       \
    X(maximum)                                                                                     \
    X(minimum)                                                                                     \
    X(pow)                                                                                         \
    X(squared_difference)                                                                          \
    X(floor_div)                                                                                   \
    X(floor_mod)                                                                                   \
    X(equal)                                                                                       \
    X(not_equal)                                                                                   \
    X(less)                                                                                        \
    X(less_equal)                                                                                  \
    X(greater)                                                                                     \
    X(greater_equal)                                                                               \
    X(logical_and)                                                                                 \
    X(logical_or)                                                                                  \
    X(select)                                                                                      \
    X(pad)                                                                                         \
    X(transpose)                                                                                   \
    X(gather)                                                                                      \
    X(slice)                                                                                       \
    X(strided_slice)                                                                               \
    X(tile)                                                                                        \
    X(reverse)                                                                                     \
    X(take)                                                                                        \
    X(depth_to_space)                                                                              \
    X(space_to_depth)                                                                              \
    X(pack)                                                                                        \
    X(concat)                                                                                      \
    X(prod)                                                                                        \
    X(reduce_sum)                                                                                  \
    X(reduce_mean)                                                                                 \
    X(reduce_max)                                                                                  \
    X(reduce_min)                                                                                  \
    X(cast)                                                                                        \
    X(fill)                                                                                        \
    X(range)
#define EVAL_DECLARE(name) MUST_CHECK mp2ml_status eval_##name(const struct eval_call *c);
EVAL_RULES(EVAL_DECLARE)
#undef EVAL_DECLARE

/* The shape and values of a node for `batch` samples; constants bring their own values. */
struct eval_view eval_view_of(const struct graph_node *n, size_t batch);

/* Copies dims[0] x ... x dims[rank-1] elements of `width` bytes between two layouts; strides in
 * elements, may be negative. */
void eval_copy_nd(void *dst, const ptrdiff_t *dst_strides, const void *src,
                  const ptrdiff_t *src_strides, const size_t *dims, unsigned rank, size_t width);

/* Blocked products. A panel is EVAL_PANEL columns of B, packed [k][EVAL_PANEL], zero beyond n. The
 * sums run over k in order whatever the processor: results are bit-identical on all of them. */
#define EVAL_PANEL 16
/* `b_row`, `b_column`: strides of B in elements (a transposed B has b_row = 1). */
void eval_pack_panel(float *panel, const float *b, size_t b_row, size_t b_column, size_t k,
                     size_t first, size_t width);
/* The product for this processor; asking is slow, so once a run. */
eval_gemm eval_gemm_pick(void);

/* expand_*.c ---------------------------------------------------------------------------------- */

#define EXPAND_RULES(X)                                                                            \
    X(depthwise)                                                                                   \
    X(batch_norm)                                                                                  \
    X(add_n)                                                                                       \
    X(maximum)                                                                                     \
    X(minimum)                                                                                     \
    X(relu6)                                                                                       \
    X(leaky_relu)                                                                                  \
    X(abs)                                                                                         \
    X(neg)                                                                                         \
    X(argmin)                                                                                      \
    X(square)                                                                                      \
    X(squared_difference)                                                                          \
    X(pow)                                                                                         \
    X(reduce)                                                                                      \
    X(take)                                                                                        \
    X(moves)                                                                                       \
    X(pad)                                                                                         \
    X(pack)                                                                                        \
    X(concat)                                                                                      \
    X(space_to_batch)                                                                              \
    X(batch_to_space)
#define EXPAND_DECLARE(name)                                                                       \
    MUST_CHECK mp2ml_status expand_##name(struct graph_expand *x, int *out);
EXPAND_RULES(EXPAND_DECLARE)
#undef EXPAND_DECLARE

/* Appends a node named like the replaced one, with "/suffix" unless that is NULL; the attributes
 * are the caller's to set before expand_settle. */
MUST_CHECK mp2ml_status expand_node(struct graph_expand *x, enum graph_op op, const char *suffix,
                                    const int *inputs, unsigned n_inputs, struct graph_node **out);
/* Shape and folding of the last node; *out is its number. */
MUST_CHECK mp2ml_status expand_settle(struct graph_expand *x, int *out);
/* Both in one, for operators without attributes. */
MUST_CHECK mp2ml_status expand_unary(struct graph_expand *x, int *out, enum graph_op op,
                                     const char *suffix, int a);
MUST_CHECK mp2ml_status expand_binary(struct graph_expand *x, int *out, enum graph_op op,
                                      const char *suffix, int a, int b);
/* Constants: zeroed, to be filled; *values is valid until the graph is freed. */
MUST_CHECK mp2ml_status expand_floats(struct graph_expand *x, int *out, const char *suffix,
                                      const int64_t *dims, unsigned rank, float **values);
MUST_CHECK mp2ml_status expand_integers(struct graph_expand *x, int *out, const char *suffix,
                                        const int64_t *dims, unsigned rank, int64_t **values);
MUST_CHECK mp2ml_status expand_scalar(struct graph_expand *x, int *out, const char *suffix,
                                      float value);
MUST_CHECK mp2ml_status expand_reshape(struct graph_expand *x, int *out, const char *suffix, int a,
                                       const int64_t *dims, unsigned rank);
/* Axis d of the result is axis order[d]. */
MUST_CHECK mp2ml_status expand_transpose(struct graph_expand *x, int *out, const char *suffix,
                                         int a, const int64_t *order, unsigned rank);
/* A constant of integers as one of real numbers. */
MUST_CHECK mp2ml_status expand_real(struct graph_expand *x, int *out, int a);
/* A GATHER of data with the given shape, its list zeroed, to be filled before expand_settle. */
MUST_CHECK mp2ml_status expand_gather(struct graph_expand *x, const char *suffix, int a,
                                      const int64_t *dims, unsigned rank, int64_t **list);
/* The node as it is. */
MUST_CHECK mp2ml_status expand_keep(struct graph_expand *x, int *out);

/* import_*.c ---------------------------------------------------------------------------------- */

/* The bytes of a file; an importer that holds its own copy of what it needs may drop them early. */
struct model_file {
    uint8_t *data;
    size_t size;
    const char *name; /* for messages */
    const char *path; /* NULL: the bytes were handed over, and no file beside it can be read */
    bool owned;       /* data is freed, and may be written to */
    struct graph_refusals *refusals; /* for the importer's struct graph_build */
};
void model_file_drop(struct model_file *file); /* nothing if they are the caller's */
MUST_CHECK mp2ml_status model_file_again(struct model_file *file, mp2ml_error *err);

/* A graph that is simplified, as graph_load promises. Errors do not name the file yet. */
MUST_CHECK mp2ml_status import_tf(struct graph **out, struct model_file *file,
                                  const struct graph_cut *cut, mp2ml_error *err);
MUST_CHECK mp2ml_status import_onnx(struct graph **out, struct model_file *file,
                                    const struct graph_cut *cut, mp2ml_error *err);
MUST_CHECK mp2ml_status import_tflite(struct graph **out, struct model_file *file,
                                      const struct graph_cut *cut, mp2ml_error *err);
/* Whether the bytes are of that format, damaged or not. */
bool import_onnx_is(const void *data, size_t size);
bool import_tflite_is(const void *data, size_t size);

/* import_text.c: true when the bytes look like a GraphDef in text form; its binary form, to be
 * freed. */
bool import_text_is(const void *data, size_t size);
MUST_CHECK mp2ml_status import_text_binary(uint8_t **out, size_t *out_size, const void *data,
                                           size_t size, mp2ml_error *err);
/* The operators' names in files of that format, one at a time; NULL at the end. */
const char *import_tf_op_name(size_t index);
const char *import_onnx_op_name(size_t index);
const char *import_tflite_op_name(size_t index);

#endif
