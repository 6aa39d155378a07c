/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU, Sign, and what may stand at the end of a network only. A ReLU or Sign whose only reader is a
 * max pool waits for it (lower_max.c). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

#define FAR 1e30 /* beyond any value */

mp2ml_status lower_sign_step(struct lower *lw, enum step_kind kind, unsigned operand, unsigned *at)
{
    uint16_t *known = kind == STEP_SIGN ? &lw->sign_of[operand] : &lw->relu_of[operand];
    *at = *known;
    if (*at != 0)
        return MP2ML_OK;
    TRY(lower_step(lw, kind, operand, lw->plan->pub.steps[operand].count,
                   lw->graph->nodes[lw->node].name, at));
    *known = (uint16_t)*at;
    return MP2ML_OK;
}

/* Moves behind the max pool when that is the only reader and leaves fewer values. */
static bool waits(const struct lower *lw)
{
    int consumer = lw->consumer[lw->node];
    if (lw->uses[lw->node] != 1 || consumer < 0)
        return false;
    const struct graph_node *next = &lw->graph->nodes[consumer];
    return next->op == GRAPH_MAX_POOL &&
           graph_sample_count(next) <= graph_sample_count(&lw->graph->nodes[lw->node]);
}

mp2ml_status lower_finished_operand(struct lower *lw, struct rep **finished)
{
    int node = lw->graph->nodes[lw->node].inputs[0];
    if (lw->reps[node].lin == NULL) {
        TRY(lower_same(lw, &lw->reps[lw->node]));
        lw->reps[lw->node].pending = STEP_INPUT;
        node = lw->node;
    }
    *finished = &lw->reps[node];
    return lower_finish(lw, node);
}

struct beside { /* a base value that a ReLU or Sign reads: what is added, and whether min(0, .) or
                   -sign(.) is wanted */
    double offset;
    bool read, negative;
};

/* Whether a base value hardly moves s*x + c: then it is taken for c. */
static bool is_constant(const struct rep_value *v)
{
    return fabs((double)v->scale) * 1e9 <= fabs(v->offset);
}

/* What stands beside the base value of s*x + c. A Sign is never of a constant, so that it is always
 * one of two numbers: 0*x + c has the sign of x + c*infinity. */
static struct beside beside_of(enum step_kind kind, const struct rep_value *v)
{
    const bool constant = kind == STEP_SIGN ? !(v->scale < 0 || v->scale > 0) : is_constant(v);
    struct beside b = {0, true, false};
    if (!constant)
        b = (struct beside){v->offset / (double)v->scale, true, v->scale < 0};
    else if (kind == STEP_SIGN && (v->offset < 0 || v->offset > 0))
        b.offset = copysign(FAR, v->offset);
    return b;
}

/* What stands beside base values. False when f(T), max(0, T) or sign(T), is not made of those of base
 * values and constants, whatever the constants of the model:
 *   max(0, s*x + c) = s*max(0, x + c/s) for s > 0, s*min(0, x + c/s) for s < 0;
 *   s*r + c >= 0 for r >= 0, s >= 0, c >= 0;
 *   sign(s*x + c) = sign(x + c/s) for s > 0, -sign(x + c/s) for s < 0. */
static bool sign_of_bases(const struct lower *lw, enum step_kind kind, const struct rep *in,
                          struct beside *beside)
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
        enum step_kind base = lw->plan->pub.steps[in->bases[b]].kind;
        struct beside now = {0, true, false}, *before = &beside[v->src];
        if (base == STEP_RELU && kind == STEP_RELU) {
            if (in->scaled || in->shifted || !(v->scale >= 0 && v->offset >= 0))
                return false;
        } else if (base != STEP_LINEAR && base != STEP_MAX) {
            return false;
        } else {
            now = beside_of(kind, v);
        }
        bool differs = now.offset < before->offset || now.offset > before->offset ||
                       now.negative != before->negative;
        if (before->read && (in->scaled || in->shifted || differs))
            return false;
        *before = now;
    }
    return true;
}

/* The RELU or SIGN of a base; with constants the server adds them to its shares. `constants`: some
 * are weights, so that there may be some. */
static mp2ml_status sign_of_base(struct lower *lw, enum step_kind kind, unsigned base,
                                 bool constants, const struct beside *beside, uint16_t *out)
{
    size_t count = lw->plan->pub.steps[base].count;
    unsigned at = base;
    bool any = constants;
    for (size_t i = 0; i < count; i++)
        any = any || beside[i].offset < 0 || beside[i].offset > 0 || beside[i].negative;
    if (lw->plan->pub.steps[base].kind != STEP_RELU && !any)
        TRY(lower_sign_step(lw, kind, base, &at));
    if (lw->plan->pub.steps[base].kind != STEP_RELU && any) {
        TRY(lower_step(lw, kind, base, count, lw->graph->nodes[lw->node].name, &at));
        struct linear *lin = &lw->plan->linear[at];
        lw->plan->notes[at].attributes = !constants;
        lin->n_out = count;
        lin->b = malloc((count + 1) * sizeof *lin->b);
        lin->negative = malloc((count + 1) * sizeof *lin->negative);
        lin->n_rows = count;
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
        TRY(sign_of_base(lw, STEP_RELU, in->bases[b], in->scaled || in->shifted, beside + at,
                         &bases[b]));
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

/* How near to 0 values of the bases may be, where those of `in` are no nearer than `margin`. */
static double margin_of_bases(const struct rep *in, double margin)
{
    double most = 1;
    for (size_t i = 0; i < in->count; i++)
        if (in->values[i].src != REP_CONSTANT)
            most = fmax(most, fabs((double)in->values[i].scale));
    return margin / most;
}

/* out = sign(in): bare values of steps of that kind, whatever was done to the operand's. */
static mp2ml_status sign_values(struct lower *lw, const struct rep *in, const struct beside *beside,
                                struct rep *out)
{
    uint16_t bases[PLAN_MAX_OPERANDS];
    const double margin = margin_of_bases(in, (double)lw->graph->nodes[lw->node].real);
    size_t at = 0;
    for (unsigned b = 0; b < in->n_bases; b++) {
        const unsigned before = lw->plan->pub.n_steps;
        TRY(sign_of_base(lw, STEP_SIGN, in->bases[b], in->scaled || in->shifted, beside + at,
                         &bases[b]));
        at += lw->plan->pub.steps[in->bases[b]].count;
        double *known = &lw->plan->notes[bases[b]].margin; /* of a step that another node made */
        *known = bases[b] >= before ? margin : fmin(*known, margin);
    }
    TRY(rep_copy(out, in));
    out->scaled = out->shifted = false;
    for (size_t i = 0; i < out->count; i++) {
        struct rep_value *v = &out->values[i];
        const double sign = v->offset > 0 ? 1 : v->offset < 0 ? -1 : 0;
        *v = v->src == REP_CONSTANT ? (struct rep_value){REP_CONSTANT, 0, sign}
                                    : (struct rep_value){v->src, 1, 0};
    }
    memcpy(out->bases, bases, in->n_bases * sizeof *bases);
    return MP2ML_OK;
}

mp2ml_status lower_sign(struct lower *lw, enum step_kind kind, struct rep *out)
{
    struct rep *in = lower_operand(lw, 0);
    if (waits(lw)) {
        TRY(lower_same(lw, out));
        out->pending = kind;
        return MP2ML_OK;
    }
    struct beside *beside = calloc(in->n_base + 1, sizeof *beside);
    mp2ml_status status = beside != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK && !sign_of_bases(lw, kind, in, beside)) {
        status = lower_finished_operand(lw, &in);
        free(beside);
        beside = status == MP2ML_OK ? calloc(in->n_base + 1, sizeof *beside) : NULL;
        if (status == MP2ML_OK && beside == NULL)
            status = MP2ML_ERR_MEMORY;
    }
    if (status == MP2ML_OK)
        status =
            kind == STEP_RELU ? relu_values(lw, in, beside, out) : sign_values(lw, in, beside, out);
    free(beside);
    return status;
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

static bool by_row(const struct rep_end *end)
{
    return end->post == PLAN_POST_SOFTMAX || end->post == PLAN_POST_LOG_SOFTMAX;
}

/* Softmax, ArgMax and the like are done with the outputs. */
mp2ml_status lower_final(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    const struct rep_end before = lower_operand(lw, 0)->end;
    struct rep_end end = {.post = post_of(node->op), .labels = node->op == GRAPH_ARGMAX};
    if (end.labels || by_row(&end)) {
        int64_t axis = node->axis < 0 ? node->axis + (int64_t)in->rank : node->axis;
        if (axis < 1 || axis >= (int64_t)in->rank)
            return lower_fail(lw, "goes along the batch axis, which has no private form");
        end.row = (uint32_t)in->dims[axis];
        end.step = 1;
        for (unsigned d = (unsigned)axis + 1; d < in->rank; d++)
            end.step *= (uint32_t)in->dims[d];
    }
    if (by_row(&before) && (before.row != end.row || before.step != end.step))
        return lower_fail(lw, "goes along another axis than the softmax before it, which has no "
                              "private form");
    TRY(lower_same(lw, out));
    out->end = end;
    return MP2ML_OK;
}

/* Whether a node may read values with that end. */
static bool may_follow(const struct graph_node *node, const struct rep_end *end)
{
    if (end->labels)
        return node->op == GRAPH_RESHAPE;
    return end->post == PLAN_POST_NONE || node->op == GRAPH_ARGMAX || node->op == GRAPH_RESHAPE ||
           node->op == GRAPH_TRANSPOSE;
}

/* The operator that belongs at the end, before what moves its values. */
static int end_before(const struct graph *g, int node)
{
    while (graph_op_kind(g->nodes[node].op) != 'E' && g->nodes[node].n_inputs != 0)
        node = g->nodes[node].inputs[0];
    return node;
}

mp2ml_status lower_check_end(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    for (unsigned i = 0; i < node->n_inputs; i++) {
        const struct graph_node *in = lower_input(lw, i);
        if (!in->batched || may_follow(node, &lower_operand(lw, i)->end))
            continue;
        char text[512];
        (void)snprintf(text, sizeof text,
                       "has a private form at the end of a network only, but node '%.300s' (%.60s) "
                       "reads it",
                       node->name, graph_node_op(node));
        const mp2ml_status status = lower_refuse(lw, end_before(lw->graph, node->inputs[i]), text);
        if (lw->refusals == NULL || status != MP2ML_ERR_UNSUPPORTED ||
            lower_operand(lw, i)->end.labels)
            return status;
        lower_operand(lw, i)->end = (struct rep_end){0}; /* as if it were not there */
    }
    return MP2ML_OK;
}
