/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: each graph tensor is kept as a *representation* until a step must be made of it:
 *
 *   T[i] = values[i].scale * inner[values[i].src] + values[i].offset
 *
 * where inner is the *base* (the concatenation of the value sets of finished steps), then T is
 * called affine, or the outputs of a linear map over the base, then T is called linear. A source of
 * REP_CONSTANT means that only the offset counts. So moving, scaling and shifting costs nothing,
 * and a linear operator after a linear operator may be multiplied out (merge.c) or not.
 *
 * Bases hold the steps as they were made, also those of LINEAR and MAX whose shares are in Z_{2^k};
 * the re-entry is put in where a linear step comes to read them.
 *
 * Files: lower_rep.c (representations), lower_shape.c (moving, scaling), lower_sum.c, lower_map.c
 * (convolution, matrices, pooling as maps), merge.c (maps times representations, sums), lower.c
 * (the walk), lower_nonlinear.c, lower_max.c, lower_concat.c, lower_product.c, lower_output.c (what
 * the client gets). */
#ifndef PLAN_LOWER_H
#define PLAN_LOWER_H

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define REP_CONSTANT UINT32_MAX

struct rep_value {
    uint32_t src;
    float scale;
    double offset;
};

struct rep_linear { /* shared by the representations that move and scale it */
    struct linear lin;
    unsigned refs;
    uint32_t *group_of, *row_of; /* [n_out]: where each output is made */
};

/* What the client, or an ArgMax, does with values at the end of a network. */
struct rep_end {
    enum plan_post post;
    bool labels;        /* only the position in each row of the largest is wanted */
    uint32_t row, step; /* softmax, labels: rows of so many elements, so far apart; else 0 */
};

struct rep {
    unsigned n_bases;
    uint16_t bases[PLAN_MAX_OPERANDS];
    size_t n_base; /* values of all bases */
    size_t count;
    struct rep_value *values;
    struct rep_linear *lin; /* NULL: affine */
    /* Some constant of the model was multiplied or added. What such constants are decides nothing
     * about the steps, which the client sees; attributes of operators are no secret. */
    bool scaled, shifted;
    enum step_kind pending; /* RELU, SIGN: this is the operand of one that moved behind the max
                               pool; else INPUT */
    struct rep_end end;     /* of the operand of a final Softmax, ArgMax .. and what moves it */
};

/* One element as a combination of n base values: constant + sum over i of
 * scale * rep_row_weight(i) * value rep_row_base(i). */
struct rep_row {
    size_t n;
    uint32_t base;
    const uint32_t *index, *column;
    const float *weight;
    float scale;
    double constant;
};
static inline uint32_t rep_row_base(const struct rep_row *row, size_t i)
{
    return row->base + row->index[i];
}
static inline float rep_row_weight(const struct rep_row *row, size_t i)
{
    return row->weight[row->column[i]];
}

struct lower {
    const struct graph *graph;
    struct plan *plan;
    mp2ml_error *err;
    struct graph_refusals *refusals; /* NULL: the first refusal ends the walk */
    bool *refused;                   /* [n_nodes] it, or what it depends on, is in the list */
    struct rep *reps;                /* [n_nodes] */
    int *uses;                       /* [n_nodes] consumers (and outputs) */
    int *uses_left;                  /* times it is read by what is not lowered yet */
    int *consumer;                   /* [n_nodes] the last consumer, -1 */
    bool *wanted_finished; /* [n_nodes] a ReLU, Sign, maximum, product or output reads it, at once
                              or behind what passes values on */
    uint16_t *reentry_of;  /* [PLAN_MAX_STEPS] the RE-ENTRY of a step, 0 = none yet */
    uint16_t *relu_of;     /* [PLAN_MAX_STEPS] the RELU of a step, 0 = none yet */
    uint16_t *sign_of;     /* [PLAN_MAX_STEPS] the SIGN of a step, 0 = none yet */
    int node;              /* the one that is being lowered */
};

/* lower_rep.c */
void rep_wipe(struct rep *rep);
MUST_CHECK mp2ml_status rep_of_step(struct rep *rep, unsigned step, size_t count);
/* Takes *lin (also on failure). */
MUST_CHECK mp2ml_status rep_of_linear(struct rep *rep, const struct rep *bases, struct linear *lin);
/* out[i] = in[from[i]]; REP_CONSTANT gives `fill`. */
MUST_CHECK mp2ml_status rep_gather(struct rep *out, const struct rep *in, const uint32_t *from,
                                   size_t count, double fill);
MUST_CHECK mp2ml_status rep_copy(struct rep *out, const struct rep *in);
struct rep_row rep_row(const struct rep *rep, size_t element);
/* Affine over one base, every element one base value that nothing was done to. */
bool rep_is_pick(const struct rep *rep);
/* ... and all of them in their order. */
bool rep_is_step(const struct rep *rep);
/* Number of the operand that a base value belongs to. `ends` = running sums of counts. */
void rep_base_ends(const struct plan *plan, const struct rep *rep, size_t *ends);

/* lower_shape.c */
MUST_CHECK mp2ml_status lower_same(struct lower *lw, struct rep *out);
MUST_CHECK mp2ml_status lower_moving(struct lower *lw, struct rep *out);
MUST_CHECK mp2ml_status lower_gather(struct lower *lw, struct rep *out);
MUST_CHECK mp2ml_status lower_pad(struct lower *lw, struct rep *out);
MUST_CHECK mp2ml_status lower_elementwise(struct lower *lw, struct rep *out);
/* The axis of node along which rows lie; false: none. */
bool lower_row_axis(const struct graph_node *node, const struct rep_end *end, unsigned *axis);
/* Notes the sides and channels of the picture that `node` is, or was before it was reshaped, as
 * those of a step that has its values. */
void lower_dims(struct lower *lw, unsigned step, int node);
/* ADD or SUB of two batched operands (lower_sum.c); map has room for 2*count. */
MUST_CHECK mp2ml_status lower_two_tensors(struct lower *lw, struct rep *out, uint32_t *map,
                                          size_t count);
/* map[i] = element of operand `in` of the current node that its element i reads. */
MUST_CHECK mp2ml_status lower_operand_map(struct lower *lw, const struct graph_node *in,
                                          uint32_t *map);
/* map[i] = element of a tensor of dims in[rank] that element i of out[rank] reads. NULL map never;
 * false when the shapes do not broadcast. */
bool lower_broadcast(uint32_t *map, const int64_t *out, const int64_t *in, unsigned rank);

/* lower_map.c: the operator as a map from the elements of its operand. */
MUST_CHECK mp2ml_status lower_conv_map(struct lower *lw, struct linear *map);
MUST_CHECK mp2ml_status lower_matmul_map(struct lower *lw, struct linear *map);
MUST_CHECK mp2ml_status lower_pool_map(struct lower *lw, struct linear *map);
/* Windows of a MAX_POOL over elements of its operand. */
MUST_CHECK mp2ml_status lower_max_windows(struct lower *lw, struct mpc_windows *windows);

/* merge.c */
/* Products of map(in) when multiplied out; SIZE_MAX-like large when memory is short. */
uint64_t merge_products(const struct linear *map, const struct rep *in);
/* map(in); the weights of *map may move to *out. */
MUST_CHECK mp2ml_status merge_apply(const struct plan *plan, struct rep *out, struct linear *map,
                                    const struct rep *in);
/* out[i] = a[map_a[i]] + sign*b[map_b[i]]; the bases of both together must fit. */
MUST_CHECK mp2ml_status merge_add(const struct plan *plan, struct rep *out, const struct rep *a,
                                  const uint32_t *map_a, const struct rep *b, const uint32_t *map_b,
                                  double sign, size_t count);
/* The representation as one map over its base, outputs in order. May move in->lin's memory out when
 * nobody else holds it. */
MUST_CHECK mp2ml_status merge_finish(const struct plan *plan, struct linear *out, struct rep *in);

/* lower.c */
/* ERR_UNSUPPORTED: "node 'NAME' (OP) TEXT", and what to write instead; into the list if there is
 * one. lower_fail is that for the node that is being lowered. */
mp2ml_status lower_refuse(struct lower *lw, int node, const char *text);
mp2ml_status lower_fail(struct lower *lw, const char *fmt, ...) MP2ML_PRINTF(2, 3);
/* Makes a LINEAR step of node's representation, which becomes that step. */
MUST_CHECK mp2ml_status lower_finish(struct lower *lw, int node);
/* The step whose shares a linear step can read: a RE-ENTRY where `step` is still in Z_{2^k}. */
MUST_CHECK mp2ml_status lower_readable(struct lower *lw, unsigned step, uint16_t *out);
MUST_CHECK mp2ml_status lower_step(struct lower *lw, enum step_kind kind, unsigned operand,
                                   size_t count, const char *nodes, unsigned *at);
static inline const struct graph_node *lower_input(const struct lower *lw, unsigned i)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    return &lw->graph->nodes[node->inputs[i]];
}
static inline struct rep *lower_operand(const struct lower *lw, unsigned i)
{
    return &lw->reps[lw->graph->nodes[lw->node].inputs[i]];
}

/* lower_nonlinear.c */
/* RELU, SIGN. */
MUST_CHECK mp2ml_status lower_sign(struct lower *lw, enum step_kind kind, struct rep *out);
/* A RELU or SIGN without constants; all readers of an operand's share it. */
MUST_CHECK mp2ml_status lower_sign_step(struct lower *lw, enum step_kind kind, unsigned operand,
                                        unsigned *at);
/* The operand as one LINEAR step. What linear steps can read as it is stays so for other readers:
 * then the step is of a copy, kept in the place of this node until it is lowered. */
MUST_CHECK mp2ml_status lower_finished_operand(struct lower *lw, struct rep **finished);
MUST_CHECK mp2ml_status lower_final(struct lower *lw, struct rep *out);
/* Refuses a node that goes on computing with what the client does at the end. */
MUST_CHECK mp2ml_status lower_check_end(struct lower *lw);

/* lower_max.c */
MUST_CHECK mp2ml_status lower_max_pool(struct lower *lw, struct rep *out);

/* lower_concat.c */
MUST_CHECK mp2ml_status lower_concat(struct lower *lw, struct rep *out);

/* lower_product.c: MUL of two batched operands. */
MUST_CHECK mp2ml_status lower_product(struct lower *lw, struct rep *out);

/* lower_output.c */
MUST_CHECK mp2ml_status lower_outputs(struct lower *lw);

#endif
