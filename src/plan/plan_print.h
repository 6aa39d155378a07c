/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that describe plans share. */
#ifndef PLAN_PLAN_PRINT_H
#define PLAN_PLAN_PRINT_H

#include <jansson.h>

#include "plan/choose.h"

/* plan_compare as a list of objects. */
MUST_CHECK mp2ml_status plan_compare_json(json_t **out, const struct plan *plan,
                                          const struct plan_situation *situation);

#endif
