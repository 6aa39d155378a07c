/* SPDX-License-Identifier: Apache-2.0
 *
 * The planner's last word, once a request is known: for every step the layout or the engine that
 * takes the least time on the link and the processors at hand (docs/protocol.md, "Choosing"). */
#ifndef PLAN_CHOOSE_H
#define PLAN_CHOOSE_H

#include "base/network.h"
#include "plan/plan.h"

#define CHOOSE_AUTO 0 /* else 1 + the enum's value */

/* What a choice is made for. */
struct plan_situation {
    size_t images;  /* of the request, >= 1 */
    size_t block;   /* that go through the steps together, 1 to PLAN_BLOCK_IMAGES */
    uint64_t plain; /* bit i: input i travels in the clear */
    struct network network;
    double client_speed, server_speed; /* time here / time of the cost functions' machine, > 0 */
    unsigned engine, layout;           /* CHOOSE_AUTO, or forced where a step allows it */
    bool hide_geometry;                /* never the layout image */
};
/* One image on loopback, everything automatic. */
void plan_situation_init(struct plan_situation *situation);

/* A copy of plan->pub with layout, engine and set of every step chosen; the caller wipes it. */
MUST_CHECK mp2ml_status plan_choose(struct plan_public *out, const struct plan *plan,
                                    const struct plan_situation *situation);
/* Expected seconds of one request from REQUEST to the last value, for steps as in plan->pub: work of
 * both parties on one core each, bytes, flights; what overlaps counts once. */
double plan_seconds(const struct plan *plan, const struct plan_situation *situation);
/* The same of one step for a block; `cost` is that of plan_step_cost. */
double plan_step_seconds(const struct plan *plan, unsigned step, const struct cost *cost,
                         const struct plan_situation *situation);

MUST_CHECK mp2ml_status plan_public_copy(struct plan_public *out, const struct plan_public *in);
/* *plan with other public steps; borrows everything, never freed. Choices are made anew from the steps
 * as planned. */
static inline struct plan plan_view(const struct plan *plan, const struct plan_public *pub)
{
    struct plan view = *plan;
    view.planned = plan->planned != NULL ? plan->planned : &plan->pub;
    view.pub = *pub;
    return view;
}

/* batch, image or mixed; gmw, yao or mixed. "none" where no step has one. */
const char *plan_layout_name(const struct plan_public *pub);
const char *plan_engine_name(const struct plan_public *pub);
/* Kinds of step that have an engine. */
static inline bool step_has_engine(enum step_kind kind)
{
    return kind == STEP_RELU || kind == STEP_SIGN || kind == STEP_MAX || kind == STEP_ARGMAX;
}

/* Expected seconds of step s for a block, alone, in layout or engine i (the enum's value); NAN where it
 * has none. */
double plan_alternative_seconds(const struct plan *plan, unsigned s, unsigned i,
                                const struct plan_situation *situation);
/* The choice for the situation beside what each layout and engine would cost; malloced text. */
MUST_CHECK mp2ml_status plan_compare(char **out, const struct plan *plan,
                                     const struct plan_situation *situation);

#endif
