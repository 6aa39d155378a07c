/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan costs: the steps' own costs added up over blocks. */
#include "plan/plan_internal.h"
#include "plan/step_kinds.h"

struct cost plan_step_cost(const struct plan *plan, unsigned step, size_t images, uint64_t plain,
                           struct ot_ledger *ledger)
{
    const struct plan_step *s = &plan->pub.steps[step];
    return step_kind_row(s->kind).cost(plan, s, images, plain, ledger);
}

struct cost plan_cost(const struct plan *plan, size_t images, uint64_t plain)
{
    struct cost sum = {0};
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    for (size_t done = 0; done < images; done += PLAN_BLOCK_IMAGES) {
        size_t left = images - done;
        for (unsigned s = 0; s < plan->pub.n_steps; s++) {
            struct cost c = plan_step_cost(
                plan, s, left < PLAN_BLOCK_IMAGES ? left : PLAN_BLOCK_IMAGES, plain, &ledger);
            cost_add(&sum, &c);
        }
    }
    return sum;
}
