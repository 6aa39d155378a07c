/* SPDX-License-Identifier: Apache-2.0
 *
 * The step kinds as the planner sees them: what each costs. The names and meanings stand in
 * STEP_KIND_MAP (plan.h), the halves of each kind in steps/. */
#ifndef PLAN_STEP_KINDS_H
#define PLAN_STEP_KINDS_H

#include "plan/plan.h"

/* One step for one block of images; the ledger follows transfers and flights from step to step. */
typedef struct cost (*step_cost_fn)(const struct plan *plan, const struct plan_step *step,
                                    size_t images, uint64_t plain, struct ot_ledger *ledger);

struct step_kind_row {
    const char *name;
    const char *what;
    step_cost_fn cost;
};
struct step_kind_row step_kind_row(enum step_kind kind);

#endif
