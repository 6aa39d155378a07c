/* SPDX-License-Identifier: Apache-2.0
 *
 * Where every value set of a block lives: first fit in one region, by the steps between which it is
 * alive. */
#ifndef STEPS_VALUE_MEMORY_H
#define STEPS_VALUE_MEMORY_H

#include "plan/plan.h"

/* offset[s] = byte offset of step s's value set for `images` images; returns the size of the
 * region, SIZE_MAX on overflow. offset has n_steps entries; last_use[s] = the last step that reads
 * s. */
size_t value_memory_layout(size_t *offset, uint32_t *last_use, const struct plan_public *pub,
                           size_t images);

#endif
