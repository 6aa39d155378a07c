/* SPDX-License-Identifier: Apache-2.0
 *
 * Position of the maximum: a tournament that carries (value, index). With d = [left >= right] the
 * winner is right + d * (left - right), in both parts, and the left one has the smaller index, so
 * that the first wins ties. One sign and one multiplexer of k + m bits a round.
 *
 * A window of one member x plays (x, index 1) against (0, index 0): its index is then [x >= 0]. */
#include <assert.h>
#include <string.h>

#include "mpc/gmw.h"
#include "mpc/mux.h"
#include "mpc/tournament.h"
#include "mpc/yao.h"

struct argmax_work {                   /* the parts of the scratch */
    uint64_t *value, *index;           /* slots */
    uint64_t *value_diff, *index_diff; /* pairs */
};

static struct argmax_work split(uint64_t *scratch, const struct mpc_windows *windows, size_t batch)
{
    const size_t slots = tournament_total(windows, 2) * batch;
    const size_t pairs = tournament_pairs(windows, 2, 0) * batch;
    struct argmax_work w;
    w.value = scratch;
    w.index = w.value + slots;
    w.value_diff = w.index + slots;
    w.index_diff = w.value_diff + pairs;
    return w;
}

size_t mpc_argmax_scratch(const struct mpc_windows *windows, size_t batch)
{
    return 2 * (tournament_total(windows, 2) + tournament_pairs(windows, 2, 0)) * batch;
}

unsigned mpc_index_bits(const struct mpc_windows *windows)
{
    const size_t longest = tournament_longest(windows, 2);
    unsigned bits = 1;
    while ((longest - 1) >> bits != 0)
        bits++;
    return bits;
}

/* Indices are public at the start: the server's share is the index, the client's zero. */
static void fill_slots(const struct mpc *m, struct argmax_work *work, const uint64_t *in,
                       const struct mpc_windows *windows, size_t batch)
{
    uint64_t *value = work->value;
    uint64_t *index = work->index;
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        const size_t slots = tournament_slots(windows, w, 2);
        for (size_t s = 0; s < slots; s++, value += batch, index += batch) {
            const size_t number = length == 1 ? 1 - s : s;
            for (size_t b = 0; b < batch; b++) {
                value[b] = s < length ? in[windows->member[windows->first[w] + s] * batch + b] : 0;
                index[b] = m->party == PARTY_SERVER ? number : 0;
            }
        }
    }
}

/* n pairs: both differences become d * difference. In the last round nobody needs the value. */
static mp2ml_status argmax_block(struct mpc *m, uint16_t step, uint64_t *value, uint64_t *index,
                                 size_t n, unsigned k, unsigned index_bits, bool last)
{
    TRY(ot_reserve(m->ot, step, n * k, n * k));
    const size_t mark = arena_mark(m->arena);
    uint64_t *d = arena_take(m->arena, mpc_words(n), sizeof *d);
    if (d == NULL)
        return MP2ML_ERR_MEMORY;
    TRY(gmw_sign(m, step, d, value, n, k));
    const struct mux_field fields[2] = {{index, index, index_bits}, {value, value, k}};
    TRY(mux_select(m, step, d, fields, last ? 1 : 2, n));
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

/* CT: leaks the windows, batch and k. */
mp2ml_status mpc_argmax(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                        const struct mpc_windows *windows, size_t batch, unsigned k,
                        uint64_t *scratch)
{
    assert(k >= MPC_MIN_BITS && k <= MPC_MAX_BITS);
    mp2ml_status status = MP2ML_OK;
    if (m->engine == MPC_YAO && yao_takes(windows))
        return yao_argmax(m, step, out, in, windows, batch, k);
    struct argmax_work work = split(scratch, windows, batch);
    fill_slots(m, &work, in, windows, batch);
    const unsigned bits = mpc_index_bits(windows);
    const size_t longest = tournament_longest(windows, 2);
    for (unsigned round = 0; tournament_left(longest, round) > 1; round++) {
        const bool last = tournament_left(longest, round) == 2;
        const size_t n = tournament_pairs(windows, 2, round) * batch;
        tournament_differences(work.value_diff, work.value, windows, 2, batch, round, k);
        tournament_differences(work.index_diff, work.index, windows, 2, batch, round, bits);
        for (size_t done = 0; done < n; done += MPC_BLOCK)
            TRY_OUT(argmax_block(m, step, work.value_diff + done, work.index_diff + done,
                                 mpc_block(n, done), k, bits, last));
        tournament_advance(work.value, work.value_diff, windows, 2, batch, round, k);
        tournament_advance(work.index, work.index_diff, windows, 2, batch, round, bits);
    }
    for (size_t w = 0, at = 0; batch > 0 && w < windows->count; w++) {
        memcpy(out + w * batch, work.index + at * batch, batch * sizeof *out);
        at += tournament_slots(windows, w, 2);
    }
out:
    secret_wipe(scratch, mpc_argmax_scratch(windows, batch) * sizeof *scratch);
    return mpc_end(m, status, out, windows->count * batch);
}

void mpc_argmax_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                      size_t batch, unsigned k)
{
    const uint64_t sign = (uint64_t)1 << (k - 1); /* x ^ sign orders signed values */
    for (size_t w = 0; w < windows->count; w++)
        for (size_t b = 0; b < batch; b++) {
            const uint32_t *member = windows->member + windows->first[w];
            const size_t length = tournament_length(windows, w);
            size_t best = 0;
            for (size_t i = 1; i < length; i++)
                if ((in[member[i] * batch + b] ^ sign) > (in[member[best] * batch + b] ^ sign))
                    best = i;
            if (length == 1)
                best = in[member[0] * batch + b] >> (k - 1) ^ 1;
            out[w * batch + b] = best;
        }
}
