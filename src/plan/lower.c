/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over the graph: every batched node gets a representation; steps are made where a
 * non-linear operator or an output needs finished values. */
#include "plan/lower.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one value that needs not be finished, sent back and re-entered saves, in products (weights
 * times ciphertexts): a re-randomisation, a ciphertext each way and an OT an image. */
#define REENTRY_PRODUCTS 256u

static bool is_listed(const struct graph_refusals *r, const struct graph_node *n)
{
    for (size_t k = 0; k < r->count; k++)
        if (r->list[k].at == n->file_node && strcmp(r->list[k].node, n->name) == 0)
            return true;
    return false;
}

mp2ml_status lower_refuse(struct lower *lw, int node, const char *text)
{
    const struct graph_node *n = &lw->graph->nodes[node];
    const char *op = graph_node_op(n), *rewrite = graph_hint(op).rewrite;
    if (lw->refusals != NULL && !is_listed(lw->refusals, n)) {
        const mp2ml_status status =
            graph_refusals_add(lw->refusals, n->name, op, text, rewrite, n->file_node);
        if (status == MP2ML_ERR_MEMORY)
            return status;
    }
    return status_fail(lw->err, MP2ML_ERR_UNSUPPORTED, "node '%s' (%s) %s%s%s", n->name, op, text,
                       rewrite != NULL ? "; " : "", rewrite != NULL ? rewrite : "");
}

mp2ml_status lower_fail(struct lower *lw, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return lower_refuse(lw, lw->node, text);
}

/* ---- steps ----------------------------------------------------------------------------------- */

mp2ml_status lower_step(struct lower *lw, enum step_kind kind, unsigned operand, size_t count,
                        const char *nodes, unsigned *at)
{
    uint16_t operands[1] = {(uint16_t)operand};
    return plan_add_step(lw->plan, kind, operands, 1, count, nodes, at, lw->err);
}

mp2ml_status lower_readable(struct lower *lw, unsigned step, uint16_t *out)
{
    const struct plan_step *s = &lw->plan->pub.steps[step];
    unsigned at = step;
    if (s->kind == STEP_LINEAR || s->kind == STEP_MAX) {
        at = lw->reentry_of[step];
        if (at == 0) {
            TRY(lower_step(lw, STEP_REENTRY, step, s->count, lw->plan->notes[step].nodes, &at));
            lw->reentry_of[step] = (uint16_t)at;
        }
    }
    *out = (uint16_t)at;
    return MP2ML_OK;
}

static bool is_finite(const struct linear *lin)
{
    for (size_t i = 0; i < lin->n_weights; i++)
        if (!isfinite(lin->w[i]))
            return false;
    for (size_t i = 0; i < lin->n_rows; i++)
        if (!isfinite(lin->b[i]))
            return false;
    return true;
}

/* Constants alone need some ciphertext: those of the step that has the fewest values, of inputs and
 * what linear steps read anyway. */
static void rest_on_smallest(struct lower *lw, struct rep *rep)
{
    const struct plan_public *pub = &lw->plan->pub;
    bool constant = rep->lin == NULL;
    for (size_t i = 0; constant && i < rep->count; i++)
        constant = rep->values[i].src == REP_CONSTANT;
    unsigned best = 0;
    for (unsigned s = 1; constant && s < pub->n_inputs; s++)
        best = pub->steps[s].count < pub->steps[best].count ? s : best;
    for (unsigned s = 0; constant && s < pub->n_steps; s++)
        for (unsigned i = 0; pub->steps[s].kind == STEP_LINEAR && i < pub->steps[s].n_operands; i++)
            if (pub->steps[pub->steps[s].operands[i]].count < pub->steps[best].count)
                best = pub->steps[s].operands[i];
    if (constant) {
        rep->n_bases = 1;
        rep->bases[0] = (uint16_t)best;
        rep->n_base = pub->steps[best].count;
    }
}

mp2ml_status lower_finish(struct lower *lw, int node)
{
    struct rep *rep = &lw->reps[node];
    if (rep_is_step(rep) && lw->plan->pub.steps[rep->bases[0]].kind == STEP_LINEAR)
        return MP2ML_OK;
    rest_on_smallest(lw, rep);
    uint16_t operands[PLAN_MAX_OPERANDS];
    for (unsigned i = 0; i < rep->n_bases; i++)
        TRY(lower_readable(lw, rep->bases[i], &operands[i]));
    struct linear lin;
    TRY(merge_finish(lw->plan, &lin, rep));
    /* What waits for its pool holds its operand's values. */
    int named = rep->pending != STEP_INPUT ? lw->graph->nodes[node].inputs[0] : node;
    unsigned at;
    if (!is_finite(&lin)) {
        linear_wipe(&lin);
        return lower_fail(lw, "has weights that are not finite numbers");
    }
    mp2ml_status status = plan_add_step(lw->plan, STEP_LINEAR, operands, rep->n_bases, lin.n_out,
                                        lw->graph->nodes[named].name, &at, lw->err);
    if (status != MP2ML_OK) {
        linear_wipe(&lin);
        return status;
    }
    lw->plan->linear[at] = lin;
    lower_dims(lw, at, node);
    struct rep finished;
    TRY(rep_of_step(&finished, at, lin.n_out));
    finished.pending = rep->pending;
    finished.end = rep->end;
    rep_wipe(rep);
    *rep = finished;
    return MP2ML_OK;
}

/* ---- linear operators ------------------------------------------------------------------------ */

/* True when map(operand) should be multiplied out, false when the operand becomes a step first. */
static bool worth_merging(const struct lower *lw, int operand, const struct linear *map)
{
    const struct rep *rep = &lw->reps[operand];
    if (rep->lin == NULL)
        return true;
    bool finished_anyway = lw->wanted_finished[operand] && lw->uses[operand] > 1;
    uint64_t apart = linear_products(map) + (uint64_t)REENTRY_PRODUCTS * rep->count;
    if (!finished_anyway)
        apart += linear_products(&rep->lin->lin);
    return merge_products(map, rep) <= apart;
}

/* A step without sides whose values, in their order, are read as a picture is one. */
static void note_picture(struct lower *lw)
{
    const struct rep *rep = lower_operand(lw, 0);
    const uint32_t *dims = rep_is_step(rep) ? lw->plan->notes[rep->bases[0]].dims : NULL;
    if (dims != NULL && dims[0] == 1 && dims[1] == 1)
        lower_dims(lw, rep->bases[0], lw->graph->nodes[lw->node].inputs[0]);
}

static mp2ml_status lower_linear(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    if (!lower_input(lw, 0)->batched)
        return lower_fail(lw, "has its constant operand on the left");
    struct linear map = {0};
    note_picture(lw);
    if (node->op == GRAPH_CONV2D)
        TRY(lower_conv_map(lw, &map));
    else if (node->op == GRAPH_MATMUL)
        TRY(lower_matmul_map(lw, &map));
    else
        TRY(lower_pool_map(lw, &map));
    mp2ml_status status = MP2ML_OK;
    if (!worth_merging(lw, node->inputs[0], &map))
        status = lower_finish(lw, node->inputs[0]);
    if (status == MP2ML_OK)
        status = merge_apply(lw->plan, out, &map, lower_operand(lw, 0));
    linear_wipe(&map);
    return status;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static mp2ml_status lower_source(struct lower *lw, struct rep *out)
{
    struct plan_public *pub = &lw->plan->pub;
    for (unsigned t = 0; t < pub->n_inputs; t++)
        if (lw->graph->inputs[t] == lw->node)
            return rep_of_step(out, t, pub->steps[t].count);
    return lower_fail(lw, "is an input that is not in the list of inputs");
}

static mp2ml_status lower_node(struct lower *lw, struct rep *out)
{
    switch (lw->graph->nodes[lw->node].op) {
    case GRAPH_INPUT:
        return lower_source(lw, out);
    case GRAPH_IDENTITY:
        return lower_same(lw, out);
    case GRAPH_CONV2D:
    case GRAPH_MATMUL:
    case GRAPH_AVG_POOL:
        return lower_linear(lw, out);
    case GRAPH_BIAS_ADD:
    case GRAPH_ADD:
    case GRAPH_SUB:
    case GRAPH_MUL:
    case GRAPH_DIV:
        return lower_elementwise(lw, out);
    case GRAPH_PAD:
        return lower_pad(lw, out);
    case GRAPH_GATHER:
        return lower_gather(lw, out);
    case GRAPH_CONCAT:
        return lower_concat(lw, out);
    case GRAPH_RESHAPE:
    case GRAPH_SQUEEZE:
    case GRAPH_EXPAND_DIMS:
    case GRAPH_TRANSPOSE:
        return lower_moving(lw, out);
    case GRAPH_RELU:
        return lower_sign(lw, STEP_RELU, out);
    case GRAPH_SIGN:
        return lower_sign(lw, STEP_SIGN, out);
    case GRAPH_MAX_POOL:
        return lower_max_pool(lw, out);
    case GRAPH_SOFTMAX:
    case GRAPH_LOG_SOFTMAX:
    case GRAPH_SIGMOID:
    case GRAPH_TANH:
    case GRAPH_ARGMAX:
        return lower_final(lw, out);
    default:
        return lower_fail(lw, "has no private form");
    }
}

/* Reads finished values: all that is not linear. */
static bool wants_finished(const struct graph *g, const struct graph_node *node)
{
    if (node->op == GRAPH_MUL)
        return g->nodes[node->inputs[0]].batched && g->nodes[node->inputs[1]].batched;
    return node->op == GRAPH_RELU || node->op == GRAPH_SIGN || node->op == GRAPH_MAX_POOL;
}

/* Gives each value of its operands on as it is, or scaled and shifted. */
static bool passes_on(const struct graph *g, const struct graph_node *node)
{
    switch (node->op) {
    case GRAPH_IDENTITY:
    case GRAPH_BIAS_ADD:
    case GRAPH_PAD:
    case GRAPH_RESHAPE:
    case GRAPH_SQUEEZE:
    case GRAPH_EXPAND_DIMS:
    case GRAPH_TRANSPOSE:
    case GRAPH_GATHER:
    case GRAPH_CONCAT:
    case GRAPH_SOFTMAX:
    case GRAPH_LOG_SOFTMAX:
    case GRAPH_SIGMOID:
    case GRAPH_TANH:
    case GRAPH_ARGMAX:
        return true;
    case GRAPH_ADD:
    case GRAPH_SUB:
    case GRAPH_MUL:
    case GRAPH_DIV:
        return !g->nodes[node->inputs[0]].batched || !g->nodes[node->inputs[1]].batched;
    default:
        return false;
    }
}

/* Who needs finished values, directly or behind what only passes them on; outputs do. */
static void survey_wishes(struct lower *lw)
{
    const struct graph *g = lw->graph;
    for (int i = g->n_nodes; i-- > 0;) {
        const struct graph_node *node = &g->nodes[i];
        bool wanted = node->batched && lw->uses[i] != 0 &&
                      (wants_finished(g, node) || (passes_on(g, node) && lw->wanted_finished[i]));
        for (unsigned j = 0; wanted && j < node->n_inputs; j++)
            lw->wanted_finished[node->inputs[j]] = true;
    }
}

/* A map that is needed as values anyway and read by others too is made a step now, so that it is
 * made once: the others shift and scale the step. */
static mp2ml_status finish_shared(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    for (unsigned j = 0; j < node->n_inputs && passes_on(lw->graph, node); j++) {
        int in = node->inputs[j];
        if (lw->reps[in].lin != NULL && lw->wanted_finished[in] && lw->uses[in] > 1 &&
            lw->graph->nodes[in].batched)
            TRY(lower_finish(lw, in));
    }
    return MP2ML_OK;
}

/* Counts and checks that hold for every node. */
static mp2ml_status survey(struct lower *lw)
{
    const struct graph *g = lw->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *node = &g->nodes[i];
        lw->node = i;
        lw->consumer[i] = -1;
        for (unsigned j = 0; node->batched && j < node->n_inputs; j++) {
            bool again = false;
            for (unsigned e = 0; e < j; e++)
                again = again || node->inputs[e] == node->inputs[j];
            lw->uses[node->inputs[j]] += !again;
            lw->uses_left[node->inputs[j]]++;
            lw->consumer[node->inputs[j]] = i;
        }
        if (!node->batched)
            continue;
        size_t count = 1;
        for (unsigned d = 1; d < node->rank; d++)
            if (node->dims[d] < 0 || !size_mul(&count, count, (size_t)node->dims[d]) ||
                count >= (size_t)1 << 31)
                return lower_fail(lw, "has a shape that is not known or too large");
    }
    for (int i = 0; i < g->n_outputs; i++) {
        lw->uses[g->outputs[i]]++;
        lw->uses_left[g->outputs[i]]++;
        lw->wanted_finished[g->outputs[i]] = true;
    }
    survey_wishes(lw);
    return MP2ML_OK;
}

static mp2ml_status add_inputs(struct lower *lw)
{
    struct plan_public *pub = &lw->plan->pub;
    const struct plan_options *o = &lw->plan->options;
    if (lw->graph->n_inputs < 1 || lw->graph->n_inputs > PLAN_MAX_TENSORS)
        return status_fail(lw->err, MP2ML_ERR_UNSUPPORTED,
                           "the network has %d inputs; 1 to %d are possible", lw->graph->n_inputs,
                           PLAN_MAX_TENSORS);
    for (int t = 0; t < lw->graph->n_inputs; t++) {
        lw->node = lw->graph->inputs[t];
        const struct graph_node *node = &lw->graph->nodes[lw->node];
        struct plan_tensor *tensor = &pub->inputs[t];
        if (node->integers)
            return lower_fail(lw, "is an input of integers; only real inputs have a private form");
        if (strlen(node->name) > PLAN_MAX_NAME)
            return lower_fail(lw, "has a name of more than %d bytes", PLAN_MAX_NAME);
        (void)snprintf(tensor->name, sizeof tensor->name, "%s", node->name);
        tensor->rank = node->rank - 1;
        for (unsigned d = 0; d < tensor->rank; d++)
            tensor->dims[d] = (uint32_t)node->dims[d + 1];
        tensor->count = (uint32_t)graph_sample_count(node);
        tensor->dtype = PLAN_F32;
        const bool whole = node->lookup_rows > 1;
        lw->plan->whole_input[t] = whole;
        tensor->low = whole ? 0 : o->low;
        tensor->high = whole ? (double)(node->lookup_rows - 1) : o->high;
        tensor->bits = o->b_in != 0 ? o->b_in : PLAN_MOST_INPUT_BITS;
        tensor->scale = plan_scale_of_input(tensor->low, tensor->high, tensor->bits);
        unsigned at;
        TRY(plan_add_step(lw->plan, STEP_INPUT, NULL, 0, tensor->count, node->name, &at, lw->err));
        lower_dims(lw, at, lw->node);
        pub->steps[at].tensor = (unsigned)t;
        pub->steps[at].scale = tensor->scale;
        pub->n_inputs++;
    }
    return MP2ML_OK;
}

static mp2ml_status walk_node(struct lower *lw, struct rep *rep)
{
    TRY(lower_check_end(lw));
    TRY(finish_shared(lw));
    return lower_node(lw, rep);
}

/* What reads a refused node is refused, silently. */
static bool reads_refused(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    for (unsigned j = 0; j < node->n_inputs; j++)
        lw->refused[lw->node] |= lw->refused[node->inputs[j]];
    return lw->refused[lw->node];
}

/* Behind the reason why the walk ends. */
static mp2ml_status point_to_listing(struct lower *lw, mp2ml_status status)
{
    if (status == MP2ML_ERR_UNSUPPORTED && lw->err != NULL) {
        const size_t used = strlen(lw->err->text);
        (void)snprintf(lw->err->text + used, sizeof lw->err->text - used, " " GRAPH_LISTING);
    }
    return status;
}

static mp2ml_status walk(struct lower *lw)
{
    const struct graph *g = lw->graph;
    TRY(survey(lw));
    TRY(add_inputs(lw));
    for (lw->node = 0; lw->node < g->n_nodes; lw->node++) {
        const struct graph_node *node = &g->nodes[lw->node];
        if (!node->batched || lw->uses[lw->node] == 0)
            continue;
        struct rep rep = {0};
        if (!reads_refused(lw)) {
            const mp2ml_status status = walk_node(lw, &rep);
            if (status != MP2ML_OK)
                rep_wipe(&rep); /* what was made before it failed */
            if (status != MP2ML_OK && (status != MP2ML_ERR_UNSUPPORTED || lw->refusals == NULL))
                return point_to_listing(lw, status);
            lw->refused[lw->node] = status != MP2ML_OK;
        }
        rep_wipe(&lw->reps[lw->node]);
        lw->reps[lw->node] = rep;
        for (unsigned j = 0; j < node->n_inputs; j++)
            if (--lw->uses_left[node->inputs[j]] == 0)
                rep_wipe(&lw->reps[node->inputs[j]]);
    }
    if (lw->refusals != NULL && lw->refusals->count != 0)
        return MP2ML_ERR_UNSUPPORTED;
    return lower_outputs(lw);
}

mp2ml_status plan_lower(struct plan *plan, const struct graph *graph,
                        struct graph_refusals *refusals, mp2ml_error *err)
{
    struct lower lw = {.graph = graph, .plan = plan, .err = err, .refusals = refusals};
    size_t n = graph->n_nodes > 0 ? (size_t)graph->n_nodes : 1;
    lw.reps = calloc(n, sizeof *lw.reps);
    lw.refused = calloc(n, sizeof *lw.refused);
    lw.uses = calloc(n, sizeof *lw.uses);
    lw.uses_left = calloc(n, sizeof *lw.uses_left);
    lw.consumer = calloc(n, sizeof *lw.consumer);
    lw.wanted_finished = calloc(n, sizeof *lw.wanted_finished);
    lw.reentry_of = calloc(PLAN_MAX_STEPS, sizeof *lw.reentry_of);
    lw.relu_of = calloc(PLAN_MAX_STEPS, sizeof *lw.relu_of);
    lw.sign_of = calloc(PLAN_MAX_STEPS, sizeof *lw.sign_of);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (lw.reps != NULL && lw.refused != NULL && lw.uses != NULL && lw.uses_left != NULL &&
        lw.consumer != NULL && lw.wanted_finished != NULL && lw.reentry_of != NULL &&
        lw.relu_of != NULL && lw.sign_of != NULL)
        status = walk(&lw);
    if (status == MP2ML_ERR_MEMORY)
        status = status_fail(err, status, "no memory for the plan of this network");
    for (size_t i = 0; lw.reps != NULL && i < n; i++)
        rep_wipe(&lw.reps[i]);
    free(lw.reps);
    free(lw.refused);
    free(lw.uses);
    free(lw.uses_left);
    free(lw.consumer);
    free(lw.wanted_finished);
    free(lw.reentry_of);
    free(lw.relu_of);
    free(lw.sign_of);
    return status;
}
