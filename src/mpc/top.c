/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions of the `top` largest. A value x of k bits at position i of a window plays as
 *
 *   z = x * 2^m + (length - 1 - i)   in Z_{2^(k+m)},  m bits for a position,
 *
 * which is local: 2^m times a share mod 2^k is a share mod 2^(k+m). All z of a window differ, the
 * first of equal values is the largest, the guard bit stays, and the low m bits of the winner's
 * share are a share of its position. A comparison is max = right + ReLU(left - right), and what is
 * left over, left - ReLU(left - right), is the loser, which plays on for the next place: len-1 +
 * len-2 + ... comparisons, in rounds as early as the pools of top.h allow. */
#include "mpc/top.h"

#include <assert.h>
#include <string.h>

#include "mpc/mpc_state.h"
#include "mpc/tournament.h"
#include "mpc/yao.h"

static_assert(MPC_MAX_BITS <= 64, "a composite is one word");

size_t top_pools(size_t count[MPC_MAX_TOP], size_t length, unsigned top, unsigned round)
{
    assert(top >= 1 && top <= MPC_MAX_TOP && top <= length);
    for (unsigned p = 0; p < top; p++)
        count[p] = p == 0 ? length : 0;
    for (unsigned r = 0; r < round; r++)
        for (unsigned p = top; p-- > 0;) { /* downwards: the next pool has played already */
            const size_t losers = count[p] / 2;
            count[p] -= losers;
            if (p + 1 < top)
                count[p + 1] += losers;
        }
    size_t pairs = 0;
    for (unsigned p = 0; p < top; p++)
        pairs += count[p] / 2;
    return pairs;
}

size_t top_pairs(const struct mpc_windows *windows, unsigned top, unsigned round)
{
    size_t count[MPC_MAX_TOP];
    size_t pairs = 0;
    for (size_t w = 0; w < windows->count; w++)
        pairs += top_pools(count, tournament_length(windows, w), top, round);
    return pairs;
}

struct top_work {           /* the parts of the scratch, `batch` values a slot */
    uint64_t *slots, *next; /* every window's slots, pool after pool */
    uint64_t *diff;         /* pairs */
};

static struct top_work split(uint64_t *scratch, const struct mpc_windows *windows, size_t batch)
{
    const size_t slots = tournament_total(windows, 1) * batch;
    const struct top_work w = {scratch, scratch + slots, scratch + 2 * slots};
    return w;
}

/* The pairs of any round are disjoint, so no more than half the slots. */
size_t mpc_top_scratch(const struct mpc_windows *windows, size_t batch)
{
    const size_t slots = tournament_total(windows, 1);
    return (2 * slots + slots / 2) * batch;
}

/* Positions are public at the start: the server's share has them. */
static void fill_slots(const struct mpc *m, uint64_t *slots, const uint64_t *in,
                       const struct mpc_windows *windows, size_t batch, unsigned k)
{
    const unsigned index_bits = mpc_index_bits(windows);
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        for (size_t i = 0; i < length; i++, slots += batch) {
            const uint64_t *x = in + windows->member[windows->first[w] + i] * batch;
            const uint64_t position = m->party == PARTY_SERVER ? length - 1 - i : 0;
            for (size_t b = 0; b < batch; b++)
                slots[b] = ((x[b] << index_bits) + position) & mpc_ring_mask(k + index_bits);
        }
    }
}

/* diff = left - right mod 2^bits for all pairs of the round. */
static void top_differences(uint64_t *diff, const uint64_t *slots,
                            const struct mpc_windows *windows, size_t batch, unsigned top,
                            unsigned round, unsigned bits)
{
    size_t count[MPC_MAX_TOP];
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        const uint64_t *pool = slots;
        top_pools(count, length, top, round);
        for (unsigned p = 0; p < top; pool += count[p++] * batch)
            for (size_t j = 0; j < count[p] / 2 * batch; j++) {
                const uint64_t *left = pool + j / batch * 2 * batch + j % batch;
                *diff++ = (left[0] - left[batch]) & mpc_ring_mask(bits);
            }
        slots += length * batch;
    }
}

/* One pool of one window: winners, and a last slot without a neighbour, to `stay`, losers to `go`
 * unless NULL. won = what the differences became. */
static void play_pool(uint64_t *stay, uint64_t *go, const uint64_t *pool, const uint64_t *won,
                      size_t count, size_t batch, uint64_t ring)
{
    for (size_t j = 0; j < count / 2; j++, pool += 2 * batch, won += batch)
        for (size_t b = 0; b < batch; b++) {
            stay[j * batch + b] = (pool[batch + b] + won[b]) & ring;
            if (go != NULL)
                go[j * batch + b] = (pool[b] - won[b]) & ring;
        }
    if (count % 2 != 0)
        memcpy(stay + count / 2 * batch, pool, batch * sizeof *stay);
}

/* next = the slots of the following round. */
static void top_advance(uint64_t *next, const uint64_t *slots, const uint64_t *won,
                        const struct mpc_windows *windows, size_t batch, unsigned top,
                        unsigned round, unsigned bits)
{
    size_t now[MPC_MAX_TOP], then[MPC_MAX_TOP];
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        const uint64_t *pool = slots;
        uint64_t *stay = next;
        top_pools(now, length, top, round);
        top_pools(then, length, top, round + 1);
        for (unsigned p = 0; p < top; p++) {
            const bool last = p + 1 == top;
            /* In the next pool its own come first, then those that lost here. */
            uint64_t *go = last ? NULL : stay + (then[p] + (now[p + 1] + 1) / 2) * batch;
            play_pool(stay, go, pool, won, now[p], batch, mpc_ring_mask(bits));
            pool += now[p] * batch;
            won += now[p] / 2 * batch;
            stay += then[p] * batch;
        }
        slots += length * batch;
        next += length * batch;
    }
}

/* position = length - 1 - low bits of z. */
static void read_positions(const struct mpc *m, uint64_t *out, const uint64_t *slots,
                           const struct mpc_windows *windows, size_t batch, unsigned top)
{
    const uint64_t ring = mpc_ring_mask(mpc_index_bits(windows));
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        const uint64_t last = m->party == PARTY_SERVER ? length - 1 : 0;
        for (size_t i = 0; i < top * batch; i++)
            out[i] = (last - slots[i]) & ring;
        slots += length * batch;
        out += top * batch;
    }
}

/* CT: leaks the windows, batch, k and top. */
mp2ml_status mpc_top(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                     const struct mpc_windows *windows, size_t batch, unsigned k, unsigned top,
                     uint64_t *scratch)
{
    const unsigned bits = top_bits(windows, k);
    assert(k >= MPC_MIN_BITS && bits <= MPC_MAX_BITS);
    mp2ml_status status = MP2ML_OK;
    if (m->engine == MPC_YAO && yao_takes(windows))
        return yao_top(m, step, out, in, windows, batch, k, top);
    struct top_work work = split(scratch, windows, batch);
    fill_slots(m, work.slots, in, windows, batch, k);
    for (unsigned round = 0; batch > 0; round++) {
        const size_t n = top_pairs(windows, top, round) * batch;
        if (n == 0)
            break;
        top_differences(work.diff, work.slots, windows, batch, top, round, bits);
        TRY_OUT(mpc_relu(m, step, work.diff, work.diff, NULL, n, bits, bits, 0));
        top_advance(work.next, work.slots, work.diff, windows, batch, top, round, bits);
        uint64_t *swap = work.slots;
        work.slots = work.next;
        work.next = swap;
    }
    read_positions(m, out, work.slots, windows, batch, top);
out:
    secret_wipe(scratch, mpc_top_scratch(windows, batch) * sizeof *scratch);
    return mpc_end(m, status, out, windows->count * top * batch);
}

/* Selection: how many members come before each other one. */
void mpc_top_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                   size_t batch, unsigned k, unsigned top)
{
    const uint64_t sign = (uint64_t)1 << (k - 1); /* x ^ sign orders signed values */
    for (size_t w = 0; w < windows->count; w++, out += top * batch) {
        const uint32_t *member = windows->member + windows->first[w];
        const size_t length = tournament_length(windows, w);
        for (size_t i = 0; i < length; i++)
            for (size_t b = 0; b < batch; b++) {
                const uint64_t x = in[member[i] * batch + b] ^ sign;
                size_t place = 0;
                for (size_t j = 0; j < length; j++) {
                    const uint64_t other = in[member[j] * batch + b] ^ sign;
                    place += other > x || (other == x && j < i);
                }
                if (place < top)
                    out[place * batch + b] = i;
            }
    }
}
