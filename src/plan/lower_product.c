/* SPDX-License-Identifier: Apache-2.0
 *
 * The product of two tensors that both depend on the input, on shares. Scales of the factors are
 * taken out of it: (s*x)*(t*y) = s*t*(x*y). */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

/* relu(x) - relu(x - c), c >= 0, as a clipped ReLU is: between 0 and relu(x). Where c is a weight it
 * decides nothing. */
static bool is_clipped(const struct plan *plan, const struct plan_step *sum)
{
    const unsigned a = sum->operands[0], b = sum->operands[1];
    bool clipped = sum->minus && sum->shift[0] == 0 && sum->shift[1] == 0 &&
                   plan->pub.steps[a].kind == STEP_RELU && plan->linear[a].b == NULL &&
                   plan->pub.steps[b].kind == STEP_RELU && plan->notes[b].attributes;
    for (size_t i = 0; clipped && i < sum->count; i++)
        clipped = plan->linear[b].b[i] <= 0 && !plan->linear[b].negative[i];
    return clipped;
}

/* Every element is a value, times a constant, of one step whose shares can be a factor. */
static bool can_be_factor(const struct lower *lw, const struct rep *rep)
{
    if (rep->lin != NULL || rep->n_bases != 1 || rep->shifted)
        return false;
    enum step_kind kind = lw->plan->pub.steps[rep->bases[0]].kind;
    const bool clipped =
        kind == STEP_SUM && is_clipped(lw->plan, &lw->plan->pub.steps[rep->bases[0]]);
    if (!clipped && kind != STEP_LINEAR && kind != STEP_MAX && kind != STEP_RELU &&
        kind != STEP_SIGN && kind != STEP_REENTRY)
        return false;
    if (lw->plan->linear[rep->bases[0]].b != NULL && kind == STEP_RELU)
        return false; /* its constants may lead out of the range of a factor */
    for (size_t i = 0; i < rep->count; i++) {
        const struct rep_value *v = &rep->values[i];
        if (v->src == REP_CONSTANT || v->offset < 0 || v->offset > 0)
            return false;
    }
    return true;
}

/* Operand i as something that can be a factor; *own is wiped by the caller. */
static mp2ml_status factor(struct lower *lw, unsigned i, struct rep *own)
{
    int node = lw->graph->nodes[lw->node].inputs[i];
    if (!can_be_factor(lw, &lw->reps[node]) && lw->reps[node].lin == NULL) {
        /* What linear steps read as it is stays so for other readers. */
        TRY(rep_copy(&lw->reps[lw->node], &lw->reps[node]));
        TRY(lower_finish(lw, lw->node));
        *own = lw->reps[lw->node];
        memset(&lw->reps[lw->node], 0, sizeof lw->reps[lw->node]);
        return MP2ML_OK;
    }
    if (!can_be_factor(lw, &lw->reps[node]))
        TRY(lower_finish(lw, node));
    return rep_copy(own, &lw->reps[node]);
}

static mp2ml_status square(struct lower *lw, const struct rep *in, struct rep *out)
{
    unsigned at;
    TRY(lower_step(lw, STEP_SQUARE, in->bases[0], in->n_base, lw->graph->nodes[lw->node].name,
                   &at));
    TRY(rep_copy(out, in));
    out->bases[0] = (uint16_t)at;
    for (size_t i = 0; i < out->count; i++)
        out->values[i].scale *= out->values[i].scale;
    return MP2ML_OK;
}

struct pairs { /* what each element of the result multiplies */
    uint32_t *a, *b;
    size_t count;
};

/* Nothing to say where element i is value i times value i of two steps of `count` values. */
static mp2ml_status product_windows(struct mpc_windows *windows, const struct pairs *pairs,
                                    const struct rep *a, const struct rep *b)
{
    bool same = a->n_base == pairs->count && b->n_base == pairs->count;
    uint32_t *first = malloc((pairs->count + 1) * sizeof *first);
    uint32_t *member = malloc((2 * pairs->count + 1) * sizeof *member);
    *windows = (struct mpc_windows){pairs->count, first, member};
    if (first == NULL || member == NULL) {
        plan_windows_wipe(windows);
        return MP2ML_ERR_MEMORY;
    }
    first[0] = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        first[i + 1] = (uint32_t)(2 * i + 2);
        member[2 * i] = a->values[pairs->a[i]].src;
        member[2 * i + 1] = b->values[pairs->b[i]].src;
        same = same && member[2 * i] == i && member[2 * i + 1] == i;
    }
    if (same)
        plan_windows_wipe(windows);
    return MP2ML_OK;
}

static mp2ml_status product(struct lower *lw, const struct rep *a, const struct rep *b,
                            const struct pairs *pairs, struct rep *out)
{
    struct mpc_windows windows;
    uint16_t operands[2] = {a->bases[0], b->bases[0]};
    unsigned at;
    TRY(product_windows(&windows, pairs, a, b));
    mp2ml_status status = plan_add_step(lw->plan, STEP_PRODUCT, operands, 2, pairs->count,
                                        lw->graph->nodes[lw->node].name, &at, lw->err);
    if (status != MP2ML_OK) {
        plan_windows_wipe(&windows);
        return status;
    }
    lw->plan->pub.steps[at].windows = windows;
    TRY(rep_of_step(out, at, pairs->count));
    out->scaled = a->scaled || b->scaled;
    for (size_t i = 0; i < pairs->count; i++)
        out->values[i].scale = a->values[pairs->a[i]].scale * b->values[pairs->b[i]].scale;
    return MP2ML_OK;
}

mp2ml_status lower_product(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    size_t count = graph_sample_count(node);
    struct rep a = {0}, b = {0};
    struct pairs pairs = {NULL, NULL, count};
    mp2ml_status status = factor(lw, 0, &a);
    if (status == MP2ML_OK && node->inputs[0] == node->inputs[1]) {
        status = square(lw, &a, out);
        goto out;
    }
    if (status == MP2ML_OK)
        status = factor(lw, 1, &b);
    pairs.a = malloc((count + 1) * sizeof *pairs.a);
    pairs.b = malloc((count + 1) * sizeof *pairs.b);
    if (status == MP2ML_OK && (pairs.a == NULL || pairs.b == NULL))
        status = MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        status = lower_operand_map(lw, lower_input(lw, 0), pairs.a);
    if (status == MP2ML_OK)
        status = lower_operand_map(lw, lower_input(lw, 1), pairs.b);
    if (status == MP2ML_OK)
        status = product(lw, &a, &b, &pairs, out);
out:
    free(pairs.a);
    free(pairs.b);
    rep_wipe(&a);
    rep_wipe(&b);
    return status;
}
