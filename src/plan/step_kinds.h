/* SPDX-License-Identifier: Apache-2.0
 *
 * The step kinds as the planner sees them: what each costs. The names and meanings stand in
 * STEP_KIND_MAP (plan.h), the halves of each kind in steps/. */
#ifndef PLAN_STEP_KINDS_H
#define PLAN_STEP_KINDS_H

#include "plan/plan.h"

/* Direction of a frame, for counting flights over a sequence of steps. */
enum plan_direction { PLAN_NOWHERE, PLAN_TO_SERVER, PLAN_TO_CLIENT };

struct step_cost { /* one step for one block of images */
    struct cost cost;
    enum plan_direction first, last; /* of its frames, as the client sees them; NOWHERE: none */
};

typedef struct step_cost (*step_cost_fn)(const struct plan *plan, const struct plan_step *step,
                                         size_t images, uint64_t plain, struct ot_ledger *ledger);

struct step_kind_row {
    const char *name;
    const char *what;
    step_cost_fn cost;
};
struct step_kind_row step_kind_row(enum step_kind kind);

#endif
