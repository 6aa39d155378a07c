/* SPDX-License-Identifier: Apache-2.0
 *
 * Local arithmetic of tournaments; all indices are public. */
#include "mpc/tournament.h"

#include <string.h>

#include "mpc/mpc_state.h"

size_t tournament_total(const struct mpc_windows *windows, size_t least)
{
    size_t total = 0;
    for (size_t w = 0; w < windows->count; w++)
        total += tournament_slots(windows, w, least);
    return total;
}

size_t tournament_pairs(const struct mpc_windows *windows, size_t least, unsigned round)
{
    size_t pairs = 0;
    for (size_t w = 0; w < windows->count; w++)
        pairs += tournament_left(tournament_slots(windows, w, least), round) / 2;
    return pairs;
}

size_t tournament_longest(const struct mpc_windows *windows, size_t least)
{
    size_t longest = 0;
    for (size_t w = 0; w < windows->count; w++) {
        const size_t slots = tournament_slots(windows, w, least);
        longest = slots > longest ? slots : longest;
    }
    return longest;
}

void tournament_differences(uint64_t *diff, const uint64_t *slots,
                            const struct mpc_windows *windows, size_t least, size_t batch,
                            unsigned round, unsigned bits)
{
    const uint64_t ring = mpc_ring_mask(bits);
    for (size_t w = 0; w < windows->count; w++) {
        const size_t start = tournament_slots(windows, w, least);
        const size_t pairs = tournament_left(start, round) / 2;
        for (size_t p = 0; p < pairs; p++, diff += batch) {
            const uint64_t *left = slots + 2 * p * batch;
            const uint64_t *right = left + batch;
            for (size_t b = 0; b < batch; b++)
                diff[b] = (left[b] - right[b]) & ring;
        }
        slots += start * batch;
    }
}

void tournament_advance(uint64_t *slots, const uint64_t *won, const struct mpc_windows *windows,
                        size_t least, size_t batch, unsigned round, unsigned bits)
{
    const uint64_t ring = mpc_ring_mask(bits);
    for (size_t w = 0; w < windows->count; w++) {
        const size_t start = tournament_slots(windows, w, least);
        const size_t left = tournament_left(start, round);
        for (size_t p = 0; p < left / 2; p++, won += batch) {
            const uint64_t *right = slots + (2 * p + 1) * batch; /* not before slot p */
            for (size_t b = 0; b < batch; b++)
                slots[p * batch + b] = (right[b] + won[b]) & ring;
        }
        if (left % 2 != 0)
            memmove(slots + left / 2 * batch, slots + (left - 1) * batch, batch * sizeof *slots);
        slots += start * batch;
    }
}
