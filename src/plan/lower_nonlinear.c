/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU, max pool, and what may stand at the end of a network only. A ReLU whose only reader is a
 * max pool waits for it: the maximum first, then fewer ReLUs. */
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

/* max(0, s*x + c) = s*max(0, x) + max(0, c) when s >= 0 and one of both is zero. */
static bool relu_commutes(const struct rep *rep)
{
    for (size_t i = 0; i < rep->count; i++) {
        const struct rep_value *v = &rep->values[i];
        if (v->src != REP_CONSTANT && (v->scale < 0 || v->offset < 0 || v->offset > 0))
            return false;
    }
    return true;
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

mp2ml_status lower_relu(struct lower *lw, struct rep *out)
{
    struct rep *in = lower_operand(lw, 0);
    if (relu_waits(lw)) {
        TRY(lower_same(lw, out));
        out->relu_pending = true;
        return MP2ML_OK;
    }
    bool done = in->lin == NULL && in->n_bases == 1 && relu_commutes(in) &&
                lw->plan->pub.steps[in->bases[0]].kind == STEP_RELU;
    unsigned at = in->bases[0];
    if (!done) {
        if (!in_k(lw, in) || !relu_commutes(in))
            TRY(finished_operand(lw, &in));
        TRY(relu_step(lw, in->bases[0], &at));
    }
    TRY(rep_copy(out, in));
    out->bases[0] = (uint16_t)at;
    for (size_t i = 0; i < out->count; i++)
        if (out->values[i].src == REP_CONSTANT && out->values[i].offset < 0)
            out->values[i].offset = 0;
    return MP2ML_OK;
}

/* Every element is one value of a step that a maximum can be taken of: in Z_{2^k}, or a ReLU, whose
 * operand will do as well, and then padding that is not positive does no harm. */
static bool max_can_read(const struct lower *lw, const struct rep *in)
{
    if (in_k(lw, in))
        return rep_is_pick(in);
    if (in->lin != NULL || in->n_bases != 1 || lw->plan->pub.steps[in->bases[0]].kind != STEP_RELU)
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

/* Softmax and ArgMax are done with the outputs; here they only may not stand elsewhere. */
mp2ml_status lower_final(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    bool argmax = node->op == GRAPH_ARGMAX;
    int64_t axis = node->axis < 0 ? node->axis + (int64_t)in->rank : node->axis;
    if (in->rank < 2 || axis != (int64_t)in->rank - 1)
        return lower_fail(lw, "has a private form along the last axis only");
    for (int i = lw->node + 1; i < lw->graph->n_nodes; i++) {
        const struct graph_node *next = &lw->graph->nodes[i];
        for (unsigned j = 0; j < next->n_inputs; j++)
            if (next->inputs[j] == lw->node && (argmax || next->op != GRAPH_ARGMAX))
                return lower_fail(lw, "has a private form at the end of a network only");
    }
    TRY(lower_same(lw, out));
    out->post = argmax ? PLAN_POST_NONE : PLAN_POST_SOFTMAX;
    return MP2ML_OK;
}
