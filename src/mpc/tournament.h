/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of a tournament over windows of unequal lengths. Each window holds its slots one after
 * the other; in each round neighbours (0,1), (2,3) ... meet, the winner of pair j moves to slot j,
 * a last slot without a neighbour moves along. The left one of a pair always has the smaller index.
 */
#ifndef MPC_TOURNAMENT_H
#define MPC_TOURNAMENT_H

#include "mpc/mpc.h"

static inline size_t tournament_length(const struct mpc_windows *windows, size_t w)
{
    return windows->first[w + 1] - windows->first[w];
}

/* Slots of a window at the start: at least `least`. */
static inline size_t tournament_slots(const struct mpc_windows *windows, size_t w, size_t least)
{
    const size_t length = tournament_length(windows, w);
    return length < least ? least : length;
}

/* Slots left after `round` rounds. */
static inline size_t tournament_left(size_t slots, unsigned round)
{
    for (; round > 0; round--)
        slots = (slots + 1) / 2;
    return slots;
}

/* All windows' slots at the start, pairs that meet in a round, slots of the longest window. */
size_t tournament_total(const struct mpc_windows *windows, size_t least);
size_t tournament_pairs(const struct mpc_windows *windows, size_t least, unsigned round);
size_t tournament_longest(const struct mpc_windows *windows, size_t least);

/* diff = left - right mod 2^bits for all pairs of the round, `batch` values each, pair after pair.
 */
void tournament_differences(uint64_t *diff, const uint64_t *slots,
                            const struct mpc_windows *windows, size_t least, size_t batch,
                            unsigned round, unsigned bits);
/* slot = right + won, where won is what diff became; then the last slots move along. */
void tournament_advance(uint64_t *slots, const uint64_t *won, const struct mpc_windows *windows,
                        size_t least, size_t batch, unsigned round, unsigned bits);

#endif
