/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear re-entry: a share in Z_{2^k} becomes one in Z_{2^l}, l = k + h, without a comparison,
 * since |x| < 2^(k-2) tells when the shares wrap. With z_0 = x_0 + 2^(k-2) mod 2^k, shares read
 * unsigned and m_p the top bits of z_0 and x_1,
 *
 *   x = z_0 + x_1 - 2^k * (m_0 + (1 - m_0) * m_1) - 2^(k-2):
 *
 * z_0 + x_1 = x + 2^(k-2) < 2^(k-1) mod 2^k has no top bit, so any top bit in a summand has
 * wrapped. The product is one transfer of h bits, server sends, choice m_1: client -> server
 * OT_CHOICE n bits, server -> client OT_MESSAGE n * h bits. */
#include <assert.h>

#include "mpc/mux.h"

/* CT: leaks n, k, l. */
static mp2ml_status reentry_server(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   size_t n, unsigned k, unsigned l)
{
    struct mux_sender s;
    TRACE(m->trace, MUX, n);
    TRY(mux_sender_take(m, &s, n));
    TRY(mux_choices(m, step, NULL, 0, &s, 1, n));
    const unsigned h = l - k;
    uint64_t *zero = arena_take(m->arena, mpc_words(n), sizeof *zero);
    uint64_t *clear = arena_take(m->arena, n, sizeof *clear);
    uint64_t *share = arena_take(m->arena, n, sizeof *share);
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    uint8_t *sent = arena_take(m->arena, bits_size(n, h), 1);
    if (zero == NULL || clear == NULL || share == NULL || message == NULL || sent == NULL)
        return MP2ML_ERR_MEMORY;
    const uint64_t quarter = (uint64_t)1 << (k - 2);
    for (size_t i = 0; i < n; i++)
        clear[i] = ~((in[i] + quarter) >> (k - 1)) & 1; /* 1 - m_0 */
    const struct block *key[2] = {s.key[0], s.key[1]};
    m->kernels->mux_send(share, message, key, s.flip, zero, clear, n, 0, h);
    for (size_t i = 0; i < n; i++) {
        const uint64_t z = (in[i] + quarter) & mpc_ring_mask(k);
        const uint64_t wraps = (clear[i] ^ 1) + share[i];
        out[i] = (z - (wraps << k) - quarter) & mpc_ring_mask(l);
    }
    size_t at = 0;
    bits_pack(sent, &at, message, n, h);
    return mpc_exchange(m, FRAME_OT_MESSAGE, step, sent, n * h, NULL, 0);
}

/* CT: leaks n, k, l. */
static mp2ml_status reentry_client(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   size_t n, unsigned k, unsigned l)
{
    const unsigned h = l - k;
    struct mux_receiver r;
    TRACE(m->trace, MUX, n);
    uint64_t *top = arena_take(m->arena, mpc_words(n), sizeof *top);
    uint64_t *share = arena_take(m->arena, n, sizeof *share);
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    uint8_t *received = arena_take(m->arena, bits_size(n, h), 1);
    if (top == NULL || share == NULL || message == NULL || received == NULL)
        return MP2ML_ERR_MEMORY;
    m->kernels->bit(top, in, n, k - 1);
    TRY(mux_receiver_take(m, &r, top, n));
    TRY(mux_choices(m, step, &r, 1, NULL, 0, n));
    TRY(mpc_exchange(m, FRAME_OT_MESSAGE, step, NULL, 0, received, n * h));
    size_t at = 0;
    bits_unpack(message, received, &at, n, h);
    m->kernels->mux_recv(share, message, r.key, top, n, 0, h); /* share was zero */
    for (size_t i = 0; i < n; i++)
        out[i] = (in[i] - (share[i] << k)) & mpc_ring_mask(l);
    return MP2ML_OK;
}

static mp2ml_status reentry_block(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                  size_t n, unsigned k, unsigned l)
{
    const bool server = m->party == PARTY_SERVER;
    TRY(ot_reserve(m->ot, step, server ? n : 0, server ? 0 : n));
    const size_t mark = arena_mark(m->arena);
    if (server)
        TRY(reentry_server(m, step, out, in, n, k, l));
    else
        TRY(reentry_client(m, step, out, in, n, k, l));
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status mpc_reentry(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in, size_t n,
                         unsigned k, unsigned l)
{
    assert(k >= MPC_MIN_BITS && l >= k && l <= MPC_MAX_RING);
    mp2ml_status status = MP2ML_OK;
    if (l == k) {
        for (size_t i = 0; i < n; i++)
            out[i] = in[i];
        return MP2ML_OK;
    }
    for (size_t done = 0; done < n && status == MP2ML_OK; done += MPC_BLOCK)
        status = reentry_block(m, step, out + done, in + done, mpc_block(n, done), k, l);
    return mpc_end(m, status, out, n);
}

void mpc_reentry_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l)
{
    const uint64_t sign = (uint64_t)1 << (k - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = ((in[i] ^ sign) - sign) & mpc_ring_mask(l);
}
