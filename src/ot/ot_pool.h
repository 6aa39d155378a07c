/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool: checked transfers of one direction that wait to be hashed.
 *
 *   rows  [ wiped | left: rows | left: columns | room ]     choice: one bit a row, receiver only
 *         0       at        turned            end    capacity
 *
 * Tiles are transposed when their rows are needed, which are in the cache then. turned and end are
 * always a multiple of 128, so extensions write
 * whole tiles and choice words at end. */
#ifndef OT_POOL_H
#define OT_POOL_H

#include "ot/ot_kernels.h"

struct ot_pool {
    struct block *rows;
    uint64_t *choice; /* NULL at the sender */
    size_t at, turned, end, capacity;
    uint64_t used; /* transfers taken so far: the tweak of the next one; never restarts */
};

static inline size_t ot_pool_left(const struct ot_pool *p)
{
    return p->end - p->at;
}
/* Makes room for `more` rows (a multiple of 128) from end on. What is left may move. */
MUST_CHECK mp2ml_status ot_pool_room(struct ot_pool *p, size_t more, bool with_choice);
void ot_pool_wipe(struct ot_pool *p);

/* n <= 64 choice bits from row at + i on, the rest zero. CT: leaks nothing. */
uint64_t ot_pool_choice(const struct ot_pool *p, size_t i, size_t n);
/* The next n transfers as rows. */
const struct block *ot_pool_rows(struct ot_pool *p, size_t n, const struct ot_kernels *kernels,
                                 int threads);
/* Wipes n rows and counts them as used. Their choice words are wiped with the last row of each. */
void ot_pool_drop(struct ot_pool *p, size_t n);

#endif
