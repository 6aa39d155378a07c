/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans as objects: options, steps, making and freeing. */
#include "plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_internal.h"

void plan_options_init(struct plan_options *o)
{
    *o = (struct plan_options){.low = 0.0,
                               .high = 1.0,
                               .ranges = PLAN_RANGES_AUTO,
                               .policy = PLAN_ARGMAX,
                               .b_in = 0,
                               .b_w = 0,
                               .k_ss = 0};
}

/* `count` items more, all zero; false (and untouched) when memory is short. */
static bool extend(void *array, size_t have, size_t room, size_t size)
{
    void *old;
    memcpy(&old, array, sizeof old);
    uint8_t *bigger = realloc(old, room * size);
    if (bigger == NULL)
        return false;
    memset(bigger + have * size, 0, (room - have) * size);
    memcpy(array, &bigger, sizeof bigger);
    return true;
}

static mp2ml_status add_step(struct plan *plan, const char *nodes)
{
    unsigned n = plan->pub.n_steps;
    /* The arrays have room for the next power of two of steps. */
    if ((n & (n - 1)) == 0) {
        size_t room = n == 0 ? 1 : 2 * (size_t)n;
        if (!extend(&plan->pub.steps, n, room, sizeof *plan->pub.steps) ||
            !extend(&plan->linear, n, room, sizeof *plan->linear) ||
            !extend(&plan->range, n, room, sizeof *plan->range) ||
            !extend(&plan->notes, n, room, sizeof *plan->notes))
            return MP2ML_ERR_MEMORY;
    }
    size_t size = strlen(nodes) + 1;
    plan->notes[n].nodes = malloc(size);
    if (plan->notes[n].nodes == NULL)
        return MP2ML_ERR_MEMORY;
    memcpy(plan->notes[n].nodes, nodes, size);
    plan->pub.n_steps++;
    return MP2ML_OK;
}

mp2ml_status plan_add_step(struct plan *plan, enum step_kind kind, const uint16_t *operands,
                           unsigned n_operands, size_t count, const char *nodes, unsigned *at,
                           mp2ml_error *err)
{
    if (plan->pub.n_steps >= PLAN_MAX_STEPS)
        return status_fail(err, MP2ML_ERR_PLAN, "node '%s': the plan has more than %d steps", nodes,
                           PLAN_MAX_STEPS);
    TRY(add_step(plan, nodes));
    *at = plan->pub.n_steps - 1;
    struct plan_step *step = &plan->pub.steps[*at];
    step->kind = kind;
    step->n_operands = n_operands;
    if (n_operands != 0)
        memcpy(step->operands, operands, n_operands * sizeof *operands);
    step->count = (uint32_t)count;
    uint32_t *dims = plan->notes[*at].dims;
    dims[0] = dims[1] = 1;
    dims[2] = step->count;
    if (n_operands != 0 && plan->pub.steps[operands[0]].count == step->count)
        memcpy(dims, plan->notes[operands[0]].dims, sizeof plan->notes[*at].dims);
    return MP2ML_OK;
}

static mp2ml_status check_options(const struct plan_options *o, mp2ml_error *err)
{
    if (!isfinite(o->low) || !isfinite(o->high) || !(o->low < o->high))
        return status_fail(err, MP2ML_ERR_ARGUMENT, "the input range %g:%g is not a range", o->low,
                           o->high);
    if (o->b_in == 1 || o->b_in > PLAN_MOST_INPUT_BITS || o->b_w < 8 || o->b_w > 11)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "inputs have 2 to 16 bits and weights 8 to 11, not %u and %u", o->b_in,
                           o->b_w);
    if (o->k_ss != 2 && o->k_ss != 4 && o->k_ss != 8)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "k_ss is 2, 4 or 8, not %u", o->k_ss);
    if (o->policy_given && o->policy != PLAN_ARGMAX && o->policy != PLAN_LOGITS &&
        o->policy != PLAN_TOP)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "no policy has the number %d", (int)o->policy);
    if (o->policy_given && o->policy == PLAN_TOP && (o->top < 1 || o->top > MPC_MAX_TOP))
        return status_fail(err, MP2ML_ERR_ARGUMENT, "the best 1 to %u can be told, not %u",
                           MPC_MAX_TOP, o->top);
    if (o->ranges == PLAN_RANGES_CALIBRATED &&
        (o->calibration == NULL || o->calibration_samples == 0))
        return status_fail(err, MP2ML_ERR_ARGUMENT, "calibrated ranges need samples");
    return MP2ML_OK;
}

mp2ml_status plan_new(struct plan **out, const struct graph *graph,
                      const struct plan_options *options, mp2ml_error *err)
{
    *out = NULL;
    struct plan_options o = *options;
    o.b_w = o.b_w != 0 ? o.b_w : 10;
    o.k_ss = o.k_ss != 0 ? o.k_ss : 4;
    TRY(check_options(&o, err));
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "no memory for a plan");
    plan->options = o;
    plan->pub.k_ss = o.k_ss;
    mp2ml_status status = plan_lower(plan, graph, NULL, err);
    if (status == MP2ML_OK)
        status = plan_measure(plan, err);
    plan->options.calibration = NULL; /* was borrowed */
    if (status == MP2ML_OK)
        *out = plan;
    else
        plan_free(plan);
    return status;
}

mp2ml_status plan_explain(struct graph_refusals *refusals, const struct graph *graph,
                          mp2ml_error *err)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "no memory for a plan");
    plan_options_init(&plan->options);
    mp2ml_error own = {MP2ML_OK, ""};
    const mp2ml_status status = plan_lower(plan, graph, refusals, &own);
    plan_free(plan);
    return status == MP2ML_OK || status == MP2ML_ERR_ARGUMENT
               ? MP2ML_OK
               : status_fail(err, status, "%s", own.text);
}

bool plan_is_clip(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s], *steps = plan->pub.steps;
    if (step->kind != STEP_SUM || !step->minus || step->shift[0] != 0 || step->shift[1] != 0)
        return false;
    const unsigned a = step->operands[0], b = step->operands[1];
    bool clip = steps[a].kind == STEP_RELU && steps[b].kind == STEP_RELU &&
                steps[a].operands[0] == steps[b].operands[0];
    const bool *p = plan->linear[a].negative, *q = plan->linear[b].negative;
    for (size_t i = 0; clip && i < step->count; i++)
        clip = !(p != NULL && p[i]) && !(q != NULL && q[i]);
    return clip;
}

void plan_windows_wipe(struct mpc_windows *windows)
{
    uint32_t *first, *member; /* const for readers, but ours */
    memcpy(&first, &windows->first, sizeof first);
    memcpy(&member, &windows->member, sizeof member);
    free(first);
    free(member);
    memset(windows, 0, sizeof *windows);
}

void plan_public_wipe(struct plan_public *pub)
{
    for (unsigned s = 0; pub->steps != NULL && s < pub->n_steps; s++) {
        plan_windows_wipe(&pub->steps[s].windows);
        packing_wipe(&pub->steps[s].packing);
    }
    free(pub->steps);
    memset(pub, 0, sizeof *pub);
}

void plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        linear_wipe(&plan->linear[s]);
        if (plan->packed != NULL)
            packed_free(plan->packed[s]);
        free(plan->range[s].mean_square);
        free(plan->range[s].largest);
        free(plan->range[s].active);
        free(plan->notes[s].nodes);
    }
    free(plan->packed);
    free(plan->linear);
    free(plan->range);
    free(plan->notes);
    plan_public_wipe(&plan->pub);
    free(plan->samples);
    free(plan->sample_outputs);
    free(plan);
}

bool plan_is_read_after(const struct plan_public *pub, unsigned o, unsigned s)
{
    for (unsigned t = s + 1; t < pub->n_steps; t++)
        for (unsigned i = 0; i < pub->steps[t].n_operands; i++)
            if (pub->steps[t].operands[i] == o)
                return true;
    return false;
}

size_t plan_step_inputs(const struct plan_public *pub, const struct plan_step *step)
{
    size_t sum = 0;
    for (unsigned i = 0; i < step->n_operands; i++)
        sum += pub->steps[step->operands[i]].count;
    return sum;
}

/* Behind a ReLU or a re-entry the value still fits the ring that it came in, and so do differences
 * of ReLUs. */
unsigned plan_factor_bits(const struct plan_public *pub, const struct plan_step *step, unsigned i)
{
    const struct plan_step *factor = &pub->steps[step->operands[i]];
    return factor->kind == STEP_SUM ? pub->steps[factor->operands[0]].k : factor->k;
}
