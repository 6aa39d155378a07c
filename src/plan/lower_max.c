/* SPDX-License-Identifier: Apache-2.0
 *
 * Max pools: a MAX of each step whose values stand in the operand, in front of its ReLU or Sign:
 * max(relu(x)) = relu(max(x)), max(sign(x)) = sign(max(x)). ReLUs that nobody else reads then go
 * (lower_output.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

/* A RELU or SIGN as such: with constants of the server's maxima of values with different ones would
 * mean nothing. */
static bool is_plain(const struct plan *plan, unsigned step)
{
    const enum step_kind kind = plan->pub.steps[step].kind;
    return (kind == STEP_RELU || kind == STEP_SIGN) && plan->linear[step].b == NULL;
}

/* A maximum of the values of that step can be taken: they are in Z_{2^k}, or those of its operand
 * are and nothing else is pending. */
static bool base_fits(const struct plan *plan, unsigned step, enum step_kind pending)
{
    const enum step_kind kind = plan->pub.steps[step].kind;
    if (kind == STEP_LINEAR || kind == STEP_MAX)
        return true;
    return is_plain(plan, step) && (pending == STEP_INPUT || pending == kind);
}

/* No value of that step is less, so that padding up to it does no harm. */
static double least_value(const struct plan *plan, unsigned step)
{
    const enum step_kind kind = plan->pub.steps[step].kind;
    return kind == STEP_RELU ? 0 : kind == STEP_SIGN ? -1 : -INFINITY;
}

/* Every element is a value of a step that fits, or a constant. */
static bool elements_fit(const struct lower *lw, const struct rep *in)
{
    if (in->lin != NULL || in->scaled || in->shifted)
        return false;
    for (unsigned b = 0; b < in->n_bases; b++)
        if (!base_fits(lw->plan, in->bases[b], in->pending))
            return false;
    for (size_t i = 0; i < in->count; i++) {
        const struct rep_value *v = &in->values[i];
        const bool bare = v->scale >= 1 && v->scale <= 1 && v->offset >= 0 && v->offset <= 0;
        if (v->src != REP_CONSTANT && !bare)
            return false;
    }
    return true;
}

struct pool {
    struct mpc_windows
        windows;              /* over elements of the operand, then over values of one base each */
    uint32_t *first, *member; /* the same, to write */
    uint8_t *base;            /* [windows.count] */
    size_t windows_of[PLAN_MAX_OPERANDS];
};

static void pool_wipe(struct pool *p)
{
    plan_windows_wipe(&p->windows);
    free(p->base);
}

static mp2ml_status pool_begin(struct lower *lw, struct pool *p)
{
    memset(p, 0, sizeof *p);
    TRY(lower_max_windows(lw, &p->windows));
    memcpy(&p->first, &p->windows.first, sizeof p->first); /* const for readers, but ours */
    memcpy(&p->member, &p->windows.member, sizeof p->member);
    p->base = calloc(p->windows.count + 1, sizeof *p->base);
    if (p->base != NULL)
        return MP2ML_OK;
    pool_wipe(p);
    return MP2ML_ERR_MEMORY;
}

/* Turns elements into values of the window's base and drops padding. False when a window has values
 * of several bases, none, or padding that counts. */
static bool windows_of_bases(const struct lower *lw, struct pool *p, const struct rep *in)
{
    size_t ends[PLAN_MAX_OPERANDS];
    uint32_t from = 0, n = 0;
    rep_base_ends(lw->plan, in, ends);
    for (size_t w = 0; w < p->windows.count; w++) {
        const uint32_t to = p->first[w + 1], before = n;
        double padding = -INFINITY;
        unsigned base = 0;
        for (; from < to; from++) {
            const struct rep_value *v = &in->values[p->member[from]];
            unsigned b = 0;
            if (v->src == REP_CONSTANT) {
                padding = fmax(padding, v->offset);
                continue;
            }
            while (v->src >= ends[b])
                b++;
            if (n > before && b != base)
                return false;
            base = b;
            p->member[n++] = v->src - (uint32_t)(b > 0 ? ends[b - 1] : 0);
        }
        p->first[w + 1] = n;
        p->base[w] = (uint8_t)base;
        p->windows_of[base]++;
        if (n == before || padding > least_value(lw->plan, in->bases[base]))
            return false;
    }
    return true;
}

/* The windows of base b alone. */
static mp2ml_status windows_of_base(struct mpc_windows *out, const struct pool *p, unsigned b)
{
    const size_t all = p->first[p->windows.count];
    uint32_t *first = calloc(p->windows_of[b] + 1, sizeof *first);
    uint32_t *member = malloc((all + 1) * sizeof *member);
    size_t count = 0;
    for (size_t w = 0; first != NULL && member != NULL && w < p->windows.count; w++) {
        const uint32_t length = p->first[w + 1] - p->first[w];
        if (p->base[w] != b)
            continue;
        memcpy(member + first[count], p->member + p->first[w], length * sizeof *member);
        first[count + 1] = first[count] + length;
        count++;
    }
    *out = (struct mpc_windows){p->windows_of[b], first, member};
    if (first != NULL && member != NULL)
        return MP2ML_OK;
    plan_windows_wipe(out);
    return MP2ML_ERR_MEMORY;
}

/* *at = the maxima of a base's windows, with the ReLU or Sign that belongs behind them. */
static mp2ml_status max_step(struct lower *lw, const struct rep *in, const struct pool *p,
                             unsigned b, unsigned *at)
{
    const struct plan_step *base = &lw->plan->pub.steps[in->bases[b]];
    const bool behind = base->kind == STEP_RELU || base->kind == STEP_SIGN;
    const enum step_kind last = behind ? base->kind : in->pending;
    const unsigned operand = behind ? base->operands[0] : in->bases[b];
    struct mpc_windows windows;
    TRY(windows_of_base(&windows, p, b));
    mp2ml_status status =
        lower_step(lw, STEP_MAX, operand, windows.count, lw->graph->nodes[lw->node].name, at);
    if (status != MP2ML_OK) {
        plan_windows_wipe(&windows);
        return status;
    }
    lw->plan->pub.steps[*at].windows = windows;
    lower_dims(lw, *at, lw->node);
    return last != STEP_INPUT ? lower_sign_step(lw, last, *at, at) : MP2ML_OK;
}

/* The maxima of all windows, in their order, over the steps of all bases that have any. */
static mp2ml_status max_steps(struct lower *lw, const struct rep *in, const struct pool *p,
                              struct rep *out)
{
    struct rep made = {.count = p->windows.count, .n_base = p->windows.count};
    uint32_t next[PLAN_MAX_OPERANDS];
    size_t sum = 0;
    for (unsigned b = 0; b < in->n_bases; b++) {
        unsigned at;
        next[b] = (uint32_t)sum;
        sum += p->windows_of[b];
        if (p->windows_of[b] == 0)
            continue;
        TRY(max_step(lw, in, p, b, &at));
        made.bases[made.n_bases++] = (uint16_t)at;
    }
    made.values = malloc((made.count + 1) * sizeof *made.values);
    if (made.values == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t w = 0; w < made.count; w++)
        made.values[w] = (struct rep_value){next[p->base[w]]++, 1.0f, 0.0};
    *out = made;
    return MP2ML_OK;
}

mp2ml_status lower_max_pool(struct lower *lw, struct rep *out)
{
    struct rep *in = lower_operand(lw, 0), *finished;
    const enum step_kind pending = in->pending;
    struct pool p;
    TRY(pool_begin(lw, &p));
    mp2ml_status status = MP2ML_OK;
    if (!elements_fit(lw, in) || !windows_of_bases(lw, &p, in)) {
        pool_wipe(&p);
        TRY(lower_finished_operand(lw, &finished));
        finished->pending = pending;
        in = finished;
        TRY(pool_begin(lw, &p));
        if (!windows_of_bases(lw, &p, in)) /* never: all are values of one step */
            status = lower_fail(lw, "has a window without values");
    }
    if (status == MP2ML_OK)
        status = max_steps(lw, in, &p, out);
    pool_wipe(&p);
    return status;
}
