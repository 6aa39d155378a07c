/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a network: what the client gets, by the policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

#define MOST_RANKED 4096u /* value and position together must fit 32 bits, mpc_top */

/* The node whose values an output shows: behind a final ArgMax. */
static int shown_node(const struct lower *lw, int output)
{
    const struct graph_node *node = &lw->graph->nodes[output];
    return node->op == GRAPH_ARGMAX ? node->inputs[0] : output;
}

static bool is_vector(const struct graph_node *node)
{
    return node->rank < 2 || graph_sample_count(node) == (size_t)node->dims[node->rank - 1];
}

static mp2ml_status choose_policy(struct lower *lw)
{
    const struct graph *g = lw->graph;
    const struct plan_options *o = &lw->plan->options;
    enum plan_policy policy = o->policy_given ? o->policy : PLAN_ARGMAX;
    for (int i = 0; i < g->n_outputs; i++) {
        const struct graph_node *node = &g->nodes[g->outputs[i]];
        if (node->op == GRAPH_ARGMAX && o->policy_given && policy != PLAN_ARGMAX)
            return status_fail(lw->err, MP2ML_ERR_ARGUMENT,
                               "the network ends in node '%s' (ArgMax), so it has one label and no "
                               "logits to reveal; leave out --reveal or cut with --output-node",
                               node->name);
        if (node->op != GRAPH_ARGMAX && !o->policy_given && !is_vector(node))
            return status_fail(lw->err, MP2ML_ERR_ARGUMENT,
                               "output '%s' is not a vector: say --reveal logits to show its "
                               "values, or --reveal argmax for the position of the maximum along "
                               "its last axis",
                               node->name);
    }
    lw->plan->pub.policy = policy;
    lw->plan->pub.top = policy == PLAN_TOP ? o->top : 0;
    return MP2ML_OK;
}

/* True when nothing but one output reads this step. */
static bool read_by_one_output(const struct lower *lw, unsigned step)
{
    const struct plan_public *pub = &lw->plan->pub;
    for (unsigned s = 0; s < pub->n_steps; s++)
        for (unsigned i = 0; i < pub->steps[s].n_operands; i++)
            if (pub->steps[s].operands[i] == step)
                return false;
    unsigned readers = 0;
    for (int o = 0; o < lw->graph->n_outputs; o++) {
        const struct rep *rep = &lw->reps[lw->graph->outputs[o]];
        for (unsigned i = 0; i < rep->n_bases; i++)
            readers += rep->bases[i] == step;
    }
    return readers == 1;
}

/* Makes the output's values one whole step in the ring that can be opened or compared. */
static mp2ml_status finish_output(struct lower *lw, int node, unsigned *step)
{
    const struct rep *rep = &lw->reps[node];
    if (rep_is_step(rep)) {
        enum step_kind kind = lw->plan->pub.steps[rep->bases[0]].kind;
        *step = rep->bases[0];
        if (kind == STEP_LINEAR || kind == STEP_MAX)
            return MP2ML_OK;
        /* A ReLU whose ring no linear step widens, of values that keep their guard bit. */
        if (kind == STEP_RELU && lw->plan->linear[*step].b == NULL && read_by_one_output(lw, *step))
            return MP2ML_OK;
    }
    TRY(lower_finish(lw, node));
    *step = lw->reps[node].bases[0];
    return MP2ML_OK;
}

/* What is compared: `length` values, `inner` apart, of the labels that a sample has. */
struct rows {
    size_t count, length, inner;
    bool from_end; /* of equal values the last one: rows lie the other way round */
};

static struct rows rows_of(const struct graph_node *node, const struct graph_node *shown)
{
    const bool argmax = node->op == GRAPH_ARGMAX;
    struct rows r = {.length = 1, .inner = 1, .from_end = argmax && node->mask[0] != 0};
    const unsigned axis = argmax ? (unsigned)node->axis : shown->rank - 1;
    if (shown->rank >= 2)
        r.length = (size_t)shown->dims[axis];
    for (unsigned d = axis + 1; d < shown->rank; d++)
        r.inner *= (size_t)shown->dims[d];
    r.count = graph_sample_count(shown) / r.length;
    r.from_end = r.from_end && r.length > 1;
    return r;
}

static mp2ml_status row_windows(struct mpc_windows *windows, const struct rows *rows)
{
    const size_t count = rows->count, length = rows->length;
    uint32_t *first = malloc((count + 1) * sizeof *first);
    uint32_t *member = malloc((count * length + 1) * sizeof *member);
    for (size_t i = 0; first != NULL && i <= count; i++)
        first[i] = (uint32_t)(i * length);
    for (size_t i = 0; member != NULL && i < count; i++)
        for (size_t j = 0; j < length; j++) {
            const size_t at = rows->from_end ? length - 1 - j : j;
            member[i * length + j] =
                (uint32_t)((i / rows->inner * length + at) * rows->inner + i % rows->inner);
        }
    *windows = (struct mpc_windows){count, first, member};
    if (first != NULL && member != NULL)
        return MP2ML_OK;
    plan_windows_wipe(windows);
    return MP2ML_ERR_MEMORY;
}

static mp2ml_status argmax_step(struct lower *lw, const struct graph_node *shown,
                                const struct rows *rows, unsigned *step)
{
    const size_t length = rows->length, count = rows->count;
    unsigned top = lw->plan->pub.top;
    if (top > 0 && (length < top || length < 2))
        return lower_fail(lw, "has rows of %zu values, so that the best %u of them are no choice",
                          length, top);
    if (top > 1 && length > MOST_RANKED)
        return lower_fail(lw, "has rows of %zu values; the best of at most %u can be found", length,
                          MOST_RANKED);
    struct mpc_windows windows;
    TRY(row_windows(&windows, rows));
    mp2ml_status status =
        lower_step(lw, STEP_ARGMAX, *step, count * (top > 0 ? top : 1), shown->name, step);
    if (status == MP2ML_OK) {
        lw->plan->pub.steps[*step].windows = windows;
        lw->plan->pub.steps[*step].top = top;
    } else {
        plan_windows_wipe(&windows);
    }
    return status;
}

static mp2ml_status lower_output(struct lower *lw, int o)
{
    struct plan_public *pub = &lw->plan->pub;
    lw->node = lw->graph->outputs[o];
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *shown = &lw->graph->nodes[shown_node(lw, lw->node)];
    struct plan_tensor *tensor = &pub->outputs[o];
    if (!node->batched)
        return lower_fail(lw, "is an output that does not depend on an input");
    if (strlen(node->name) > PLAN_MAX_NAME)
        return lower_fail(lw, "has a name of more than %d bytes", PLAN_MAX_NAME);
    bool argmax = pub->policy != PLAN_LOGITS, ranked = pub->top > 0;
    (void)snprintf(tensor->name, sizeof tensor->name, "%s", node->name);
    const struct rows rows = rows_of(node, shown);
    const unsigned axis = node->op == GRAPH_ARGMAX ? (unsigned)node->axis : shown->rank - 1;
    tensor->rank = 0;
    for (unsigned d = 1; d < shown->rank; d++)
        if (!argmax || ranked || d != axis)
            tensor->dims[tensor->rank++] = (uint32_t)shown->dims[d];
    if (ranked && tensor->rank > 0)
        tensor->dims[tensor->rank - 1] = pub->top;
    tensor->dtype = argmax ? PLAN_I64 : PLAN_F32;
    tensor->scale = 1.0;
    unsigned step;
    TRY(finish_output(lw, lw->node, &step));
    const struct rep *rep = &lw->reps[lw->node];
    if (argmax && rep->post_behind != 0 && node->op != GRAPH_ARGMAX)
        return lower_fail(lw, "is no vector: --reveal logits shows its values");
    tensor->post = !argmax ? rep->post : rows.from_end ? PLAN_POST_FROM_END : PLAN_POST_NONE;
    tensor->post_behind = argmax ? 0 : rep->post_behind;
    if (argmax)
        TRY(argmax_step(lw, shown, &rows, &step));
    tensor->count = pub->steps[step].count;
    TRY(lower_step(lw, STEP_OUTPUT, step, tensor->count, node->name, &step));
    pub->steps[step].tensor = (unsigned)o;
    pub->n_outputs++;
    return MP2ML_OK;
}

mp2ml_status lower_outputs(struct lower *lw)
{
    int n = lw->graph->n_outputs;
    if (n < 1 || n > PLAN_MAX_TENSORS)
        return status_fail(lw->err, MP2ML_ERR_UNSUPPORTED,
                           "the network has %d outputs; 1 to %d are possible", n, PLAN_MAX_TENSORS);
    TRY(choose_policy(lw));
    for (int o = 0; o < n; o++)
        TRY(lower_output(lw, o));
    /* What is opened, directly or through non-linear steps; operands stand before their step. */
    struct plan *plan = lw->plan;
    for (unsigned s = plan->pub.n_steps; s-- > 0;) {
        const struct plan_step *step = &plan->pub.steps[s];
        plan->notes[s].opened |= step->kind == STEP_OUTPUT;
        if (plan->notes[s].opened && step->kind != STEP_LINEAR && step->n_operands != 0)
            plan->notes[step->operands[0]].opened = true;
    }
    return MP2ML_OK;
}
