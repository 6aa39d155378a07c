/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a network: what the client gets, by the policy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

#define MOST_RANKED 4096u /* value and position together must fit 32 bits, mpc_top */

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
        const bool labels = lw->reps[g->outputs[i]].end.labels;
        if (labels && o->policy_given && policy != PLAN_ARGMAX)
            return status_fail(lw->err, MP2ML_ERR_ARGUMENT,
                               "the network ends in node '%s' (ArgMax), so it has one label and no "
                               "logits to reveal; leave out --reveal or cut with --output-node",
                               node->name);
        if (!labels && !o->policy_given && !is_vector(node))
            return status_fail(lw->err, MP2ML_ERR_ARGUMENT,
                               "output '%s' is not a vector: say --reveal logits to show its "
                               "values, or --reveal argmax for the position of the maximum along "
                               "the axis of its softmax or else its last axis",
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
        if (kind == STEP_INPUT && lw->plan->pub.policy == PLAN_LOGITS) /* the client has them */
            return MP2ML_OK;
        /* A ReLU whose ring no linear step widens, of values that keep their guard bit. */
        if (kind == STEP_RELU && lw->plan->linear[*step].b == NULL && read_by_one_output(lw, *step))
            return MP2ML_OK;
        if (kind == STEP_SIGN && read_by_one_output(lw, *step))
            return MP2ML_OK;
    }
    TRY(lower_finish(lw, node));
    *step = lw->reps[node].bases[0];
    return MP2ML_OK;
}

/* Windows of the rows of `count` values. */
static mp2ml_status row_windows(struct mpc_windows *windows, size_t count, uint32_t row,
                                uint32_t step)
{
    const size_t rows = count / row;
    uint32_t *first = malloc((rows + 1) * sizeof *first);
    uint32_t *member = malloc((count + 1) * sizeof *member);
    *windows = (struct mpc_windows){rows, first, member};
    if (first == NULL || member == NULL) {
        plan_windows_wipe(windows);
        return MP2ML_ERR_MEMORY;
    }
    for (size_t i = 0; i <= rows; i++)
        first[i] = (uint32_t)(i * row);
    for (size_t i = 0; i < count; i++)
        member[i] = (uint32_t)((i / row / step * row + i % row) * step + i / row % step);
    return MP2ML_OK;
}

static mp2ml_status argmax_step(struct lower *lw, const struct rep_end *end, unsigned *step)
{
    const size_t values = lw->plan->pub.steps[*step].count, rows = values / end->row;
    const unsigned top = lw->plan->pub.top;
    if (top > 0 && (end->row < top || end->row < 2))
        return lower_fail(lw, "has rows of %u values, so that the best %u of them are no choice",
                          end->row, top);
    if (top > 1 && end->row > MOST_RANKED)
        return lower_fail(lw, "has rows of %u values; the best of at most %u can be found",
                          end->row, MOST_RANKED);
    struct mpc_windows windows;
    TRY(row_windows(&windows, values, end->row, end->step));
    mp2ml_status status = lower_step(lw, STEP_ARGMAX, *step, rows * (top > 0 ? top : 1),
                                     lw->graph->nodes[lw->node].name, step);
    if (status == MP2ML_OK) {
        lw->plan->pub.steps[*step].windows = windows;
        lw->plan->pub.steps[*step].top = top;
    } else {
        plan_windows_wipe(&windows);
    }
    return status;
}

/* Rows that a label is of: those of the softmax or ArgMax, else along the last axis. */
static struct rep_end rows_of(const struct graph_node *node, const struct rep_end *end)
{
    struct rep_end rows = *end;
    if (rows.row == 0) {
        rows.row = node->rank < 2 ? 1 : (uint32_t)node->dims[node->rank - 1];
        rows.step = 1;
    }
    return rows;
}

/* The shape of a sample's labels: as the model says, or its values' without the axis of the rows;
 * places of the best stand on the last axis. */
static void label_shape(struct plan_tensor *tensor, const struct graph_node *node,
                        const struct rep_end *rows, unsigned top)
{
    unsigned axis = 0; /* none is left out */
    tensor->rank = 0;
    if (!rows->labels && !lower_row_axis(node, rows, &axis) && node->rank > 1)
        tensor->dims[tensor->rank++] = (uint32_t)(graph_sample_count(node) / rows->row);
    else
        for (unsigned d = 1; d < node->rank; d++)
            if (d != axis)
                tensor->dims[tensor->rank++] = (uint32_t)node->dims[d];
    if (top > 0)
        tensor->dims[tensor->rank++] = top;
}

static void tensor_shape(struct plan_tensor *tensor, const struct graph_node *node)
{
    tensor->rank = node->rank - 1;
    for (unsigned d = 0; d < tensor->rank; d++)
        tensor->dims[d] = (uint32_t)node->dims[d + 1];
}

/* An output without values is known: its step reads nothing. */
static mp2ml_status empty_output(struct lower *lw, int o)
{
    struct plan_public *pub = &lw->plan->pub;
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    unsigned step;
    if (pub->policy != PLAN_LOGITS)
        return lower_fail(lw, "has no values, and so no label: say --reveal logits");
    tensor_shape(&pub->outputs[o], node);
    TRY(plan_add_step(lw->plan, STEP_OUTPUT, NULL, 0, 0, node->name, &step, lw->err));
    pub->steps[step].tensor = (unsigned)o;
    pub->n_outputs++;
    return MP2ML_OK;
}

static mp2ml_status lower_output(struct lower *lw, int o)
{
    struct plan_public *pub = &lw->plan->pub;
    lw->node = lw->graph->outputs[o];
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    struct plan_tensor *tensor = &pub->outputs[o];
    if (!node->batched)
        return lower_fail(lw, "is an output that does not depend on an input");
    if (strlen(node->name) > PLAN_MAX_NAME)
        return lower_fail(lw, "has a name of more than %d bytes", PLAN_MAX_NAME);
    const struct rep_end end = lw->reps[lw->node].end, rows = rows_of(node, &end);
    const bool argmax = pub->policy != PLAN_LOGITS;
    (void)snprintf(tensor->name, sizeof tensor->name, "%s", node->name);
    tensor->dtype = argmax ? PLAN_I64 : PLAN_F32;
    tensor->scale = 1.0;
    if (graph_sample_count(node) == 0)
        return empty_output(lw, o);
    unsigned step;
    TRY(finish_output(lw, lw->node, &step));
    if (argmax) {
        label_shape(tensor, node, &rows, pub->top);
        TRY(argmax_step(lw, &rows, &step));
    } else {
        tensor_shape(tensor, node);
        tensor->post = end.post;
        tensor->row = end.row;
        tensor->step = end.step;
    }
    tensor->count = pub->steps[step].count;
    TRY(lower_step(lw, STEP_OUTPUT, step, tensor->count, node->name, &step));
    pub->steps[step].tensor = (unsigned)o;
    pub->n_outputs++;
    return MP2ML_OK;
}

/* Steps that nobody reads, as ReLUs that have moved behind a maximum for all their readers, go. */
static void drop_unread(struct plan *plan)
{
    bool read[PLAN_MAX_STEPS] = {false};
    uint16_t now[PLAN_MAX_STEPS];
    unsigned n = 0;
    for (unsigned s = plan->pub.n_steps; s-- > 0;) {
        const struct plan_step *step = &plan->pub.steps[s];
        read[s] = read[s] || step->kind == STEP_INPUT || step->kind == STEP_OUTPUT;
        for (unsigned i = 0; read[s] && i < step->n_operands; i++)
            read[step->operands[i]] = true;
    }
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct plan_step *step = &plan->pub.steps[s];
        if (!read[s]) {
            plan_windows_wipe(&step->windows);
            linear_wipe(&plan->linear[s]);
            free(plan->notes[s].nodes);
            plan->notes[s].nodes = NULL;
            continue;
        }
        for (unsigned i = 0; i < step->n_operands; i++)
            step->operands[i] = now[step->operands[i]];
        now[s] = (uint16_t)n;
        if (n != s) {
            plan->pub.steps[n] = *step;
            plan->linear[n] = plan->linear[s];
            plan->notes[n] = plan->notes[s];
            memset(step, 0, sizeof *step);
            memset(&plan->linear[s], 0, sizeof plan->linear[s]);
            memset(&plan->notes[s], 0, sizeof plan->notes[s]);
        }
        n++;
    }
    plan->pub.n_steps = n;
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
    drop_unread(lw->plan);
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
