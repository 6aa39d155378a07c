/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximum over windows: a tree of max(a, b) = b + ReLU(a - b) in Z_{2^k}, one mpc_relu a round over
 * the pairs of all windows. |a - b| < 2^(k-1) since values keep a guard bit. */
#include <assert.h>
#include <string.h>

#include "mpc/mpc_state.h"
#include "mpc/tournament.h"
#include "mpc/yao.h"

static void fill_slots(uint64_t *slots, const uint64_t *in, const struct mpc_windows *windows,
                       size_t batch)
{
    for (size_t i = 0, at = windows->first[0]; batch > 0 && at < windows->first[windows->count];
         i++, at++)
        memcpy(slots + i * batch, in + windows->member[at] * batch, batch * sizeof *slots);
}

static void read_winners(uint64_t *out, const uint64_t *slots, const struct mpc_windows *windows,
                         size_t batch)
{
    for (size_t w = 0; batch > 0 && w < windows->count; w++) {
        memcpy(out + w * batch, slots, batch * sizeof *out);
        slots += tournament_length(windows, w) * batch;
    }
}

mp2ml_status mpc_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                     const struct mpc_windows *windows, size_t batch, unsigned k, unsigned blind,
                     uint64_t *scratch)
{
    assert(k >= MPC_MIN_BITS + blind && k <= MPC_MAX_BITS);
    mp2ml_status status = MP2ML_OK;
    if (m->engine == MPC_YAO && yao_takes(windows))
        return yao_max(m, step, out, in, windows, batch, k, blind);
    uint64_t *slots = scratch;
    uint64_t *diff = scratch + tournament_total(windows, 1) * batch;
    fill_slots(slots, in, windows, batch);
    const size_t longest = tournament_longest(windows, 1);
    for (unsigned round = 0; tournament_left(longest, round) > 1; round++) {
        const size_t values = tournament_pairs(windows, 1, round) * batch;
        tournament_differences(diff, slots, windows, 1, batch, round, k);
        TRY_OUT(mpc_relu(m, step, diff, diff, NULL, values, k, k, blind));
        tournament_advance(slots, diff, windows, 1, batch, round, k);
    }
    read_winners(out, slots, windows, batch);
out:
    secret_wipe(scratch, mpc_max_scratch(windows, batch) * sizeof *scratch);
    return mpc_end(m, status, out, windows->count * batch);
}

size_t mpc_max_scratch(const struct mpc_windows *windows, size_t batch)
{
    return (tournament_total(windows, 1) + tournament_pairs(windows, 1, 0)) * batch;
}

size_t mpc_max_pairs(const struct mpc_windows *windows)
{
    return tournament_total(windows, 1) - windows->count;
}

size_t mpc_max_round_pairs(const struct mpc_windows *windows, unsigned round)
{
    return tournament_left(tournament_longest(windows, 1), round) > 1
               ? tournament_pairs(windows, 1, round)
               : 0;
}

static void max_blind_clear(uint64_t *out, const uint64_t *in, const uint64_t *low,
                            const struct mpc_windows *windows, size_t batch, unsigned k,
                            unsigned blind, uint64_t *scratch)
{
    uint64_t *diff = scratch + tournament_total(windows, 1) * batch;
    const size_t longest = tournament_longest(windows, 1);
    fill_slots(scratch, in, windows, batch);
    for (unsigned round = 0; tournament_left(longest, round) > 1; round++) {
        const size_t values = tournament_pairs(windows, 1, round) * batch;
        tournament_differences(diff, scratch, windows, 1, batch, round, k);
        mpc_relu_clear(diff, diff, NULL, low, values, k, k, blind);
        low += values;
        tournament_advance(scratch, diff, windows, 1, batch, round, k);
    }
    read_winners(out, scratch, windows, batch);
}

void mpc_max_clear(uint64_t *out, const uint64_t *in, const uint64_t *low,
                   const struct mpc_windows *windows, size_t batch, unsigned k, unsigned blind,
                   uint64_t *scratch)
{
    const uint64_t sign = (uint64_t)1 << (k - 1); /* x ^ sign orders signed values */
    if (low != NULL && blind > 0) {
        max_blind_clear(out, in, low, windows, batch, k, blind, scratch);
        return;
    }
    for (size_t w = 0; w < windows->count; w++)
        for (size_t b = 0; b < batch; b++) {
            uint64_t best = 0;
            for (uint32_t at = windows->first[w]; at < windows->first[w + 1]; at++) {
                const uint64_t x = in[windows->member[at] * batch + b] ^ sign;
                best = x > best ? x : best;
            }
            out[w * batch + b] = best ^ sign;
        }
}
