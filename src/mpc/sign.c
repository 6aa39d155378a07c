/* SPDX-License-Identifier: Apache-2.0
 *
 * Sign: +1 where x >= 0, else -1, in Z_{2^l}, whatever l. With d = [x >= 0] = d0 ^ d1,
 *
 *   sign(x) = 2*d - 1,   d = d0 ^ d1 in Z_{2^(l-1)}
 *
 * since twice a number needs it without its top bit only. One transfer tells d, server sends, choice
 * d1; no share of x takes part any more:
 *
 *   client                                  server
 *      |------ AND_OPEN ------><------ AND_OPEN ------|   k-1-blind times: gmw_signs
 *      |- OT_CHOICE n bits --->                       |   mux_choices
 *                             <- OT_MESSAGE n*(l-1) --|
 *
 * -sign(x), where the server alone knows which values want that: it flips its share of d. */
#include <assert.h>

#include "mpc/mux.h"
#include "mpc/signs.h"
#include "mpc/yao.h"

/* d as the product of the shared bit with 1, which is the server's alone. CT: leaks n, l. */
static mp2ml_status sign_server(struct mpc *m, uint16_t step, const struct signs_job *job,
                                const uint64_t *d, unsigned l)
{
    const size_t n = job->n;
    struct mux_sender s;
    TRY(mux_sender_take(m, &s, n));
    TRY(mux_choices(m, step, NULL, 0, &s, 1, n));
    uint64_t *one = arena_take(m->arena, n, sizeof *one);
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    uint8_t *sent = arena_take(m->arena, bits_size(n, l - 1), 1);
    if (one == NULL || message == NULL || sent == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        one[i] = 1;
    const struct block *key[2] = {s.key[0], s.key[1]};
    m->kernels->mux_send(job->out, message, key, s.flip, d, one, n, 0, l - 1);
    for (size_t i = 0; i < n; i++)
        job->out[i] = (2 * job->out[i] - 1) & mpc_ring_mask(l);
    size_t at = 0;
    bits_pack(sent, &at, message, n, l - 1);
    return mpc_exchange(m, FRAME_OT_MESSAGE, step, sent, n * (l - 1), NULL, 0);
}

/* CT: leaks n, l. */
static mp2ml_status sign_client(struct mpc *m, uint16_t step, const struct signs_job *job,
                                const uint64_t *d, unsigned l)
{
    const size_t n = job->n;
    struct mux_receiver r;
    TRY(mux_receiver_take(m, &r, d, n));
    TRY(mux_choices(m, step, &r, 1, NULL, 0, n));
    uint64_t *share = arena_take(m->arena, n, sizeof *share); /* zeros */
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    uint8_t *received = arena_take(m->arena, bits_size(n, l - 1), 1);
    if (share == NULL || message == NULL || received == NULL)
        return MP2ML_ERR_MEMORY;
    TRY(mpc_exchange(m, FRAME_OT_MESSAGE, step, NULL, 0, received, n * (l - 1)));
    size_t at = 0;
    bits_unpack(message, received, &at, n, l - 1);
    m->kernels->mux_recv(share, message, r.key, d, n, 0, l - 1);
    for (size_t i = 0; i < n; i++)
        job->out[i] = 2 * share[i] & mpc_ring_mask(l);
    return MP2ML_OK;
}

static mp2ml_status sign_block(struct mpc *m, uint16_t step, const struct signs_job *job,
                               const uint64_t *d, const void *context)
{
    const unsigned l = *(const unsigned *)context;
    TRACE(m->trace, MUX, job->n);
    return m->party == PARTY_SERVER ? sign_server(m, step, job, d, l)
                                    : sign_client(m, step, job, d, l);
}

mp2ml_status mpc_sign(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                      const uint64_t *negative, size_t n, unsigned k, unsigned l, unsigned blind)
{
    assert(negative == NULL || m->party == PARTY_SERVER);
    assert(k >= MPC_MIN_BITS + blind && k <= MPC_MAX_BITS && l >= 2 && l <= MPC_MAX_RING);
    if (m->engine == MPC_YAO)
        return yao_sign(m, step, out, in, negative, n, k, l, blind);
    const struct signs_use use = {1, 0, sign_block, &l};
    const struct signs_job whole = {out, in, negative, n};
    return signs_run(m, step, &whole, k, blind, &use);
}

void mpc_sign_clear(uint64_t *out, const uint64_t *in, const uint64_t *negative,
                    const uint64_t *low, size_t n, unsigned k, unsigned l, unsigned blind)
{
    for (size_t i = 0; i < n; i++) {
        const bool wanted = negative != NULL && (negative[i / 64] >> (i % 64) & 1);
        const bool not_less = signs_clear(in[i], low != NULL ? low[i] : 0, k, low ? blind : 0);
        out[i] = (not_less != wanted ? 1 : UINT64_MAX) & mpc_ring_mask(l);
    }
}
