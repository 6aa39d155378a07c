/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of whole sessions in the layout image. */
#ifndef TESTS_PACKED_MODEL_H
#define TESTS_PACKED_MODEL_H

#include "plan/choose.h"
#include "session/session.h"

/* The plan's own public part with every linear step in the layout image and GMW, for tests that run
 * it as it is. */
static inline void image_model(mp2ml_model *model)
{
    struct plan_situation situation;
    struct plan_public chosen;
    struct plan *plan = model->plan;
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    plan_situation_init(&situation);
    situation.layout = 1 + PLAN_IMAGE;
    situation.engine = 1 + MPC_GMW;
    assert_int_equal(plan_choose(&chosen, plan, &situation), MP2ML_OK);
    plan_public_wipe(&plan->pub);
    plan->pub = chosen;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->packed[s])
            model->sets |= 1u << plan->packed[s]->set;
    assert_string_equal(plan_layout_name(&chosen), "image");
}

#endif
