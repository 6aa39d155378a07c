/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan costs: the steps' own costs added up over blocks. A step whose first frame goes the
 * way of the last frame before it continues that flight. */
#include "plan/plan_internal.h"
#include "plan/step_kinds.h"

struct cost plan_step_cost(const struct plan *plan, unsigned step, size_t images, uint64_t plain,
                           struct ot_ledger *ledger)
{
    const struct plan_step *s = &plan->pub.steps[step];
    return step_kind_row(s->kind).cost(plan, s, images, plain, ledger).cost;
}

static void add_block(struct cost *sum, enum plan_direction *last, const struct plan *plan,
                      size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_step *step = &plan->pub.steps[s];
        struct step_cost c = step_kind_row(step->kind).cost(plan, step, images, plain, ledger);
        if (c.first != PLAN_NOWHERE) {
            c.cost.flights -= c.first == *last;
            *last = c.last;
        }
        cost_add(sum, &c.cost);
    }
}

struct cost plan_cost(const struct plan *plan, size_t images, uint64_t plain)
{
    struct cost sum = {0};
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    enum plan_direction last = PLAN_NOWHERE;
    for (size_t done = 0; done < images; done += PLAN_BLOCK_IMAGES) {
        size_t left = images - done;
        add_block(&sum, &last, plan, left < PLAN_BLOCK_IMAGES ? left : PLAN_BLOCK_IMAGES, plain,
                  &ledger);
    }
    return sum;
}
