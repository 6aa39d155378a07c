/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of layout and engine, step by step, by expected time. */
#include "plan/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_internal.h"

void plan_situation_init(struct plan_situation *situation)
{
    *situation = (struct plan_situation){
        .images = 1, .block = 1, .network = {0, INFINITY}, .client_speed = 1, .server_speed = 1};
}

/* ---- copies ---------------------------------------------------------------------------------- */

static mp2ml_status copy_windows(struct mpc_windows *out, const struct mpc_windows *in)
{
    *out = (struct mpc_windows){0};
    if (in->count == 0)
        return MP2ML_OK;
    const size_t members = in->first[in->count];
    uint32_t *first = malloc((in->count + 1) * sizeof *first);
    uint32_t *member = malloc((members + 1) * sizeof *member);
    if (first == NULL || member == NULL) {
        free(first);
        free(member);
        return MP2ML_ERR_MEMORY;
    }
    memcpy(first, in->first, (in->count + 1) * sizeof *first);
    memcpy(member, in->member, members * sizeof *member);
    *out = (struct mpc_windows){in->count, first, member};
    return MP2ML_OK;
}

mp2ml_status plan_public_copy(struct plan_public *out, const struct plan_public *in)
{
    *out = *in;
    out->steps = calloc(in->n_steps + 1, sizeof *out->steps);
    if (out->steps == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = MP2ML_OK;
    for (unsigned s = 0; s < in->n_steps && status == MP2ML_OK; s++) {
        const struct plan_step *from = &in->steps[s];
        struct plan_step *step = &out->steps[s];
        *step = *from;
        step->windows = (struct mpc_windows){0};
        step->packing = (struct packing){0};
        status = copy_windows(&step->windows, &from->windows);
        if (status == MP2ML_OK && step->layout == PLAN_IMAGE)
            status = packing_copy(&step->packing, &from->packing);
    }
    if (status != MP2ML_OK)
        plan_public_wipe(out);
    return status;
}

/* ---- alternatives ---------------------------------------------------------------------------- */

static size_t block_images(const struct plan_situation *situation)
{
    return situation->images < situation->block ? situation->images : situation->block;
}

static const struct plan_public *as_planned(const struct plan *plan)
{
    return plan->planned != NULL ? plan->planned : &plan->pub;
}

#define ALTERNATIVES 2 /* of a step, at most */

/* Alternative i of step s put into the public step; false when there is none. The packing is
 * borrowed. */
static bool alternative(struct plan_step *out, const struct plan *plan, unsigned s, unsigned i,
                        const struct plan_situation *situation)
{
    *out = as_planned(plan)->steps[s];
    if (step_has_engine(out->kind)) {
        out->engine = (enum mpc_engine)i;
        return situation->engine == CHOOSE_AUTO || situation->engine == 1 + i;
    }
    if (out->kind != STEP_LINEAR || i == PLAN_BATCH)
        return i == 0;
    const struct packed *packed = plan->packed != NULL ? plan->packed[s] : NULL;
    if (packed == NULL || situation->hide_geometry || situation->layout == 1 + PLAN_BATCH)
        return false;
    out->layout = PLAN_IMAGE;
    out->set = packed->set;
    out->packing = packed->places;
    return true;
}

double plan_alternative_seconds(const struct plan *plan, unsigned s, unsigned i,
                                const struct plan_situation *situation)
{
    struct plan_step step;
    const struct plan_step *kept = plan->pub.steps;
    struct plan view = plan_view(plan, &plan->pub);
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    if ((!step_has_engine(kept[s].kind) && kept[s].kind != STEP_LINEAR) ||
        !alternative(&step, plan, s, i, situation))
        return NAN;
    view.pub.steps = malloc(plan->pub.n_steps * sizeof *view.pub.steps);
    if (view.pub.steps == NULL)
        return NAN;
    memcpy(view.pub.steps, kept, plan->pub.n_steps * sizeof *kept);
    view.pub.steps[s] = step;
    const struct cost c =
        plan_step_cost(&view, s, block_images(situation), situation->plain, &ledger);
    const double seconds = plan_step_seconds(&view, s, &c, situation);
    free(view.pub.steps);
    return seconds;
}

/* The fastest alternative of step s in view->pub, whose other steps are chosen or as planned. */
static void choose_step(struct plan *view, const struct plan *plan, unsigned s,
                        struct ot_ledger *ledger, const struct plan_situation *situation)
{
    const size_t images = block_images(situation);
    struct plan_step best = as_planned(plan)->steps[s];
    struct ot_ledger best_ledger = *ledger;
    double least = INFINITY;
    for (unsigned i = 0; i < ALTERNATIVES; i++) {
        struct ot_ledger after = *ledger;
        if (!alternative(&view->pub.steps[s], plan, s, i, situation))
            continue;
        const struct cost c = plan_step_cost(view, s, images, situation->plain, &after);
        double seconds = plan_step_seconds(view, s, &c, situation);
        if (view->pub.steps[s].layout == PLAN_IMAGE && situation->layout == 1 + PLAN_IMAGE)
            seconds = -1; /* forced */
        if (seconds < least) {
            least = seconds;
            best = view->pub.steps[s];
            best_ledger = after;
        }
    }
    view->pub.steps[s] = best;
    *ledger = best_ledger;
}

mp2ml_status plan_choose(struct plan_public *out, const struct plan *plan,
                         const struct plan_situation *situation)
{
    struct plan_public borrowed = *as_planned(plan);
    borrowed.k_ss = plan->pub.k_ss;
    memset(out, 0, sizeof *out);
    borrowed.steps = calloc(plan->pub.n_steps + 1, sizeof *borrowed.steps);
    if (borrowed.steps == NULL)
        return MP2ML_ERR_MEMORY;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) /* of none steps may be NULL */
        borrowed.steps[s] = as_planned(plan)->steps[s];
    struct plan view = plan_view(plan, &borrowed);
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        choose_step(&view, plan, s, &ledger, situation);
    mp2ml_status status = plan_public_copy(out, &borrowed);
    free(borrowed.steps); /* what they point to belongs to the plan */
    return status;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *name_of(unsigned seen, const char *const names[2])
{
    return seen == 1 ? names[0] : seen == 2 ? names[1] : seen == 3 ? "mixed" : "none";
}

const char *plan_layout_name(const struct plan_public *pub)
{
    static const char *const names[] = {"batch", "image"};
    unsigned seen = 0;
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind == STEP_LINEAR)
            seen |= 1u << pub->steps[s].layout;
    return name_of(seen, names);
}

const char *plan_engine_name(const struct plan_public *pub)
{
    static const char *const names[] = {"gmw", "yao"};
    unsigned seen = 0;
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (step_has_engine(pub->steps[s].kind))
            seen |= 1u << pub->steps[s].engine;
    return name_of(seen, names);
}
