/* SPDX-License-Identifier: Apache-2.0
 *
 * The schedule of a search for the `top` best of a window, all public. A window's slots stand in
 * pools: pool 0 holds the candidates for the first place, pool p those that lost p times. In a
 * round neighbours of each pool meet; winners stay in the pool, losers go to the next one, those
 * of the last pool away. When every pool holds one slot, pool p holds place p. */
#ifndef MPC_TOP_H
#define MPC_TOP_H

#include "mpc/mpc.h"

/* count[p] = the slots of each pool of a window of `length` members at the start of the round, p <
 * top <= MPC_MAX_TOP; returns how many pairs meet in the round, 0 when the places are settled. */
size_t top_pools(size_t count[MPC_MAX_TOP], size_t length, unsigned top, unsigned round);

/* Pairs of all windows. */
size_t top_pairs(const struct mpc_windows *windows, unsigned top, unsigned round);

/* Bits of value and position together. */
static inline unsigned top_bits(const struct mpc_windows *windows, unsigned k)
{
    return k + mpc_index_bits(windows);
}

#endif
