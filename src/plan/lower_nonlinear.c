/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU, max pool, and what may stand at the end of a network only. A ReLU whose only reader is a
 * max pool waits for it: the maximum first, then fewer ReLUs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

static bool in_k(const struct lower *lw, const struct rep *rep)
{
    if (rep->lin != NULL || rep->n_bases != 1)
        return false;
    enum step_kind kind = lw->plan->pub.steps[rep->bases[0]].kind;
    return kind == STEP_LINEAR || kind == STEP_MAX;
}

static mp2ml_status relu_step(struct lower *lw, unsigned operand, unsigned *at)
{
    *at = lw->relu_of[operand];
    if (*at != 0)
        return MP2ML_OK;
    TRY(lower_step(lw, STEP_RELU, operand, lw->plan->pub.steps[operand].count,
                   lw->graph->nodes[lw->node].name, at));
    lw->relu_of[operand] = (uint16_t)*at;
    return MP2ML_OK;
}

/* Moves behind the max pool when that is the only reader and leaves fewer values. */
static bool relu_waits(const struct lower *lw)
{
    int consumer = lw->consumer[lw->node];
    if (lw->uses[lw->node] != 1 || consumer < 0)
        return false;
    const struct graph_node *next = &lw->graph->nodes[consumer];
    return next->op == GRAPH_MAX_POOL &&
           graph_sample_count(next) <= graph_sample_count(&lw->graph->nodes[lw->node]);
}

/* The operand as one LINEAR step. What linear steps can read as it is stays so for other readers:
 * then the step is of a copy, kept in the place of this node until it is lowered. */
static mp2ml_status finished_operand(struct lower *lw, struct rep **finished)
{
    int node = lw->graph->nodes[lw->node].inputs[0];
    if (lw->reps[node].lin == NULL) {
        TRY(lower_same(lw, &lw->reps[lw->node]));
        lw->reps[lw->node].relu_pending = false;
        node = lw->node;
    }
    *finished = &lw->reps[node];
    return lower_finish(lw, node);
}

struct beside { /* a base value that a ReLU reads: what is added, and whether min(0, .) is wanted */
    double offset;
    bool read, negative;
};

/* Whether a base value hardly moves s*x + c: then it is taken for c. */
static bool is_constant(const struct rep_value *v)
{
    return fabs((double)v->scale) * 1e9 <= fabs(v->offset);
}

/* What stands beside base values. False when max(0, T) is not made of maxima and minima of base
 * values and constants, whatever the constants of the model:
 *   max(0, s*x + c) = s*max(0, x + c/s) for s > 0, s*min(0, x + c/s) for s < 0;
 *   s*r + c >= 0 for r >= 0, s >= 0, c >= 0. */
static bool relu_of_bases(const struct lower *lw, const struct rep *in, struct beside *beside)
{
    size_t ends[PLAN_MAX_OPERANDS];
    if (in->lin != NULL)
        return false;
    rep_base_ends(lw->plan, in, ends);
    for (size_t i = 0; i < in->count; i++) {
        const struct rep_value *v = &in->values[i];
        if (v->src == REP_CONSTANT)
            continue;
        unsigned b = 0;
        while (v->src >= ends[b])
            b++;
        enum step_kind kind = lw->plan->pub.steps[in->bases[b]].kind;
        struct beside now = {0, true, false}, *before = &beside[v->src];
        if (kind == STEP_RELU) {
            if (in->scaled || in->shifted || !(v->scale >= 0 && v->offset >= 0))
                return false;
        } else if (kind != STEP_LINEAR && kind != STEP_MAX) {
            return false;
        } else if (!is_constant(v)) {
            now.offset = v->offset / (double)v->scale;
            now.negative = v->scale < 0;
        }
        bool differs = now.offset < before->offset || now.offset > before->offset ||
                       now.negative != before->negative;
        if (before->read && (in->scaled || in->shifted || differs))
            return false;
        *before = now;
    }
    return true;
}

/* The RELU of a base; with constants the server adds them to its shares. */
static mp2ml_status relu_of_base(struct lower *lw, unsigned base, bool constants,
                                 const struct beside *beside, uint16_t *out)
{
    size_t count = lw->plan->pub.steps[base].count;
    unsigned at = base;
    bool any = constants;
    for (size_t i = 0; i < count; i++)
        any = any || beside[i].offset < 0 || beside[i].offset > 0 || beside[i].negative;
    if (lw->plan->pub.steps[base].kind != STEP_RELU && !any)
        TRY(relu_step(lw, base, &at));
    if (lw->plan->pub.steps[base].kind != STEP_RELU && any) {
        TRY(lower_step(lw, STEP_RELU, base, count, lw->graph->nodes[lw->node].name, &at));
        struct linear *lin = &lw->plan->linear[at];
        lin->n_out = count;
        lin->b = malloc((count + 1) * sizeof *lin->b);
        lin->negative = malloc((count + 1) * sizeof *lin->negative);
        if (lin->b == NULL || lin->negative == NULL)
            return MP2ML_ERR_MEMORY;
        for (size_t i = 0; i < count; i++) {
            lin->b[i] = beside[i].offset;
            lin->negative[i] = beside[i].negative;
        }
    }
    *out = (uint16_t)at;
    return MP2ML_OK;
}

/* out = max(0, in), whose bases are ReLUs then. */
static mp2ml_status relu_values(struct lower *lw, const struct rep *in, const struct beside *beside,
                                struct rep *out)
{
    uint16_t bases[PLAN_MAX_OPERANDS];
    size_t at = 0;
    for (unsigned b = 0; b < in->n_bases; b++) {
        TRY(relu_of_base(lw, in->bases[b], in->scaled || in->shifted, beside + at, &bases[b]));
        at += lw->plan->pub.steps[in->bases[b]].count;
    }
    TRY(rep_copy(out, in));
    out->shifted = false; /* but where there is no value of a base, or one times 0 */
    for (size_t i = 0; i < out->count; i++) {
        struct rep_value *v = &out->values[i];
        unsigned b = 0;
        size_t end = lw->plan->pub.steps[bases[0]].count;
        while (v->src != REP_CONSTANT && v->src >= end)
            end += lw->plan->pub.steps[bases[++b]].count;
        if (v->src == REP_CONSTANT || (bases[b] != in->bases[b] && is_constant(v))) {
            v->offset = v->offset > 0 ? v->offset : 0;
            v->scale = 0;
        } else if (bases[b] != in->bases[b])
            v->offset = 0;
    }
    memcpy(out->bases, bases, in->n_bases * sizeof *bases);
    return MP2ML_OK;
}

mp2ml_status lower_relu(struct lower *lw, struct rep *out)
{
    struct rep *in = lower_operand(lw, 0);
    if (relu_waits(lw)) {
        TRY(lower_same(lw, out));
        out->relu_pending = true;
        return MP2ML_OK;
    }
    struct beside *beside = calloc(in->n_base + 1, sizeof *beside);
    mp2ml_status status = beside != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK && !relu_of_bases(lw, in, beside)) {
        status = finished_operand(lw, &in);
        free(beside);
        beside = status == MP2ML_OK ? calloc(in->n_base + 1, sizeof *beside) : NULL;
        if (status == MP2ML_OK && beside == NULL)
            status = MP2ML_ERR_MEMORY;
    }
    if (status == MP2ML_OK)
        status = relu_values(lw, in, beside, out);
    free(beside);
    return status;
}

/* A ReLU with constants of the server's: maxima of values with different ones mean nothing. */
static bool is_plain_relu(const struct plan *plan, unsigned step)
{
    return plan->pub.steps[step].kind == STEP_RELU && plan->linear[step].b == NULL;
}

/* Every element is one value of a step that a maximum can be taken of: in Z_{2^k}, or a ReLU, whose
 * operand will do as well, and then padding that is not positive does no harm. */
static bool max_can_read(const struct lower *lw, const struct rep *in)
{
    if (in_k(lw, in))
        return rep_is_pick(in);
    if (in->lin != NULL || in->n_bases != 1 || in->scaled || in->shifted ||
        !is_plain_relu(lw->plan, in->bases[0]))
        return false;
    for (size_t i = 0; i < in->count; i++) {
        const struct rep_value *v = &in->values[i];
        bool padding = v->src == REP_CONSTANT && v->offset <= 0;
        bool plain = v->src != REP_CONSTANT && v->scale >= 1 && v->scale <= 1 && v->offset >= 0 &&
                     v->offset <= 0;
        if (!padding && !plain)
            return false;
    }
    return true;
}

/* Turns elements into base values and drops constants. False when a window has nothing left. */
static bool windows_of_base(struct mpc_windows *windows, const struct rep *in)
{
    uint32_t *first, *member, from = 0, n = 0; /* const for readers, but ours */
    memcpy(&first, &windows->first, sizeof first);
    memcpy(&member, &windows->member, sizeof member);
    for (size_t w = 0; w < windows->count; w++) {
        uint32_t to = first[w + 1], before = n;
        for (; from < to; from++) {
            uint32_t src = in->values[member[from]].src;
            if (src != REP_CONSTANT)
                member[n++] = src;
        }
        first[w + 1] = n;
        if (n == before)
            return false;
    }
    return true;
}

static mp2ml_status max_step(struct lower *lw, struct rep *in, bool relu, struct rep *out)
{
    struct mpc_windows windows;
    TRY(lower_max_windows(lw, &windows));
    const struct plan_step *base = &lw->plan->pub.steps[in->bases[0]];
    bool behind = base->kind == STEP_RELU; /* max(relu(x)) = relu(max(x)) */
    unsigned at = behind ? base->operands[0] : in->bases[0];
    mp2ml_status status = MP2ML_OK;
    if (!windows_of_base(&windows, in))
        status = lower_fail(lw, "has a window of padding alone");
    if (status == MP2ML_OK)
        status = lower_step(lw, STEP_MAX, at, windows.count, lw->graph->nodes[lw->node].name, &at);
    if (status != MP2ML_OK) {
        plan_windows_wipe(&windows);
        return status;
    }
    lw->plan->pub.steps[at].windows = windows;
    lower_dims(lw, at, lw->node);
    if (relu || behind)
        TRY(relu_step(lw, at, &at));
    return rep_of_step(out, at, windows.count);
}

mp2ml_status lower_max_pool(struct lower *lw, struct rep *out)
{
    bool relu = lower_operand(lw, 0)->relu_pending;
    if (max_can_read(lw, lower_operand(lw, 0)))
        return max_step(lw, lower_operand(lw, 0), relu, out);
    struct rep *finished;
    TRY(finished_operand(lw, &finished));
    return max_step(lw, finished, relu, out);
}

static enum plan_post post_of(enum graph_op op)
{
    switch (op) {
    case GRAPH_SOFTMAX:
        return PLAN_POST_SOFTMAX;
    case GRAPH_LOG_SOFTMAX:
        return PLAN_POST_LOG_SOFTMAX;
    case GRAPH_SIGMOID:
        return PLAN_POST_SIGMOID;
    case GRAPH_TANH:
        return PLAN_POST_TANH;
    default:
        return PLAN_POST_NONE;
    }
}

/* Softmax, ArgMax and the like are done with the outputs. */
mp2ml_status lower_final(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    bool by_row = node->op != GRAPH_SIGMOID && node->op != GRAPH_TANH;
    int64_t axis = node->axis < 0 ? node->axis + (int64_t)in->rank : node->axis;
    if (by_row && (in->rank < 2 || axis < 1))
        return lower_fail(lw, "runs along the batch axis");
    TRY(lower_same(lw, out));
    out->post = post_of(node->op);
    out->post_behind = by_row ? (unsigned)((int64_t)in->rank - 1 - axis) : 0;
    return MP2ML_OK;
}

mp2ml_status lower_check_end(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    for (unsigned i = 0; i < node->n_inputs; i++) {
        const struct graph_node *in = lower_input(lw, i);
        enum plan_post post = in->batched ? lower_operand(lw, i)->post : PLAN_POST_NONE;
        bool by_value = post == PLAN_POST_SIGMOID || post == PLAN_POST_TANH;
        bool moves = node->op == GRAPH_RESHAPE || node->op == GRAPH_TRANSPOSE;
        if (in->op != GRAPH_ARGMAX &&
            (post == PLAN_POST_NONE || node->op == GRAPH_ARGMAX || (by_value && moves)))
            continue;
        return status_fail(lw->err, MP2ML_ERR_UNSUPPORTED,
                           "node '%s' (%s) has a private form at the end of a network only, but "
                           "node '%s' (%s) reads it",
                           in->name, graph_op_name(in->op), node->name, graph_op_name(node->op));
    }
    return MP2ML_OK;
}
