/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps on shares: both parties do the same, and mpc knows the protocols and their twins. */
#include "steps/steps.h"

static size_t values_of(const struct plan_step *step, size_t images)
{
    return (size_t)step->count * images;
}

mp2ml_status step_relu(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    return mpc_relu(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                    values_of(step, run->images), step->k, step->l);
}

mp2ml_status step_relu_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    mpc_relu_clear(run->values[s], run->values[step->operands[0]], values_of(step, run->images),
                   step->k, step->l);
    return MP2ML_OK;
}

mp2ml_status step_reentry(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    return mpc_reentry(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                       values_of(step, run->images), step->k, step->l);
}

mp2ml_status step_reentry_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    mpc_reentry_clear(run->values[s], run->values[step->operands[0]], values_of(step, run->images),
                      step->k, step->l);
    return MP2ML_OK;
}

size_t step_nonlinear_scratch(const struct plan_step *step, size_t images)
{
    size_t n = step->kind == STEP_ARGMAX ? mpc_argmax_scratch(&step->windows, images)
                                         : mpc_max_scratch(&step->windows, images);
    return arena_need(n, sizeof(uint64_t));
}

mp2ml_status step_max(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    uint64_t *scratch =
        arena_take(run->arena, mpc_max_scratch(&step->windows, run->images), sizeof(uint64_t));
    if (!scratch)
        return MP2ML_ERR_MEMORY;
    return mpc_max(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                   &step->windows, run->images, step->k, scratch);
}

mp2ml_status step_max_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    mpc_max_clear(run->values[s], run->values[step->operands[0]], &step->windows, run->images,
                  step->k);
    return MP2ML_OK;
}

mp2ml_status step_argmax(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    uint64_t *scratch =
        arena_take(run->arena, mpc_argmax_scratch(&step->windows, run->images), sizeof(uint64_t));
    if (!scratch)
        return MP2ML_ERR_MEMORY;
    return mpc_argmax(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                      &step->windows, run->images, step->k, scratch);
}

mp2ml_status step_argmax_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    mpc_argmax_clear(run->values[s], run->values[step->operands[0]], &step->windows, run->images,
                     step->k);
    return MP2ML_OK;
}
