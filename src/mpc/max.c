/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximum over windows: a tree of max(a, b) = b + ReLU(a - b) in Z_{2^k}, one mpc_relu a round over
 * the pairs of all windows. |a - b| < 2^(k-1) since values keep a guard bit. */
#include <assert.h>
#include <string.h>

#include "mpc/mpc_state.h"
#include "mpc/tournament.h"

mp2ml_status mpc_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                     const struct mpc_windows *windows, size_t batch, unsigned k, uint64_t *scratch)
{
    assert(k >= MPC_MIN_BITS && k <= MPC_MAX_BITS);
    mp2ml_status status = MP2ML_OK;
    const size_t scratch_bytes = mpc_max_scratch(windows, batch) * sizeof *scratch;
    uint64_t *slots = scratch;
    uint64_t *diff = scratch + tournament_total(windows, 1) * batch;
    const size_t row = batch * sizeof *slots;
    for (size_t i = 0, at = windows->first[0]; batch > 0 && at < windows->first[windows->count];
         i++, at++)
        memcpy(slots + i * batch, in + windows->member[at] * batch, row);
    const size_t longest = tournament_longest(windows, 1);
    for (unsigned round = 0; tournament_left(longest, round) > 1; round++) {
        const size_t values = tournament_pairs(windows, 1, round) * batch;
        tournament_differences(diff, slots, windows, 1, batch, round, k);
        TRY_OUT(mpc_relu(m, step, diff, diff, values, k, k));
        tournament_advance(slots, diff, windows, 1, batch, round, k);
    }
    for (size_t w = 0; batch > 0 && w < windows->count; w++) {
        memcpy(out + w * batch, slots, row);
        slots += tournament_length(windows, w) * batch;
    }
out:
    secret_wipe(scratch, scratch_bytes);
    return mpc_end(m, status, out, windows->count * batch);
}

size_t mpc_max_scratch(const struct mpc_windows *windows, size_t batch)
{
    return (tournament_total(windows, 1) + tournament_pairs(windows, 1, 0)) * batch;
}

void mpc_max_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                   size_t batch, unsigned k)
{
    const uint64_t sign = (uint64_t)1 << (k - 1); /* x ^ sign orders signed values */
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
