/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening to the client: one OPEN frame of n fields of k bits, the server's shares, sent and
 * received in pieces of one block, which are whole bytes except the last. */
#include <assert.h>

#include "mpc/mpc_state.h"

static_assert(MPC_BLOCK % 8 == 0, "a block of any bit width must be whole bytes");

static mp2ml_status open_server(struct mpc *m, uint16_t step, const uint64_t *in, size_t n,
                                unsigned k, uint8_t *piece)
{
    TRY(frame_send_begin(m->link, FRAME_OPEN, step, bits_size(n, k)));
    for (size_t done = 0; done < n; done += MPC_BLOCK) {
        size_t at = 0;
        bits_pack(piece, &at, in + done, mpc_block(n, done), k);
        TRY(frame_send_part(m->link, piece, bits_size(at, 1)));
    }
    return MP2ML_OK;
}

static mp2ml_status open_client(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                size_t n, unsigned k, uint8_t *piece, uint64_t *share)
{
    TRY(frame_recv_begin(m->link, FRAME_OPEN, step, bits_size(n, k)));
    for (size_t done = 0; done < n; done += MPC_BLOCK) {
        const size_t count = mpc_block(n, done);
        TRY(frame_recv_part(m->link, piece, bits_size(count, k)));
        if (!bits_padding_is_zero(piece, count * k))
            return MP2ML_ERR_PROTOCOL;
        size_t at = 0;
        bits_unpack(share, piece, &at, count, k);
        for (size_t i = 0; i < count; i++)
            out[done + i] = (in[done + i] + share[i]) & mpc_ring_mask(k);
    }
    return MP2ML_OK;
}

mp2ml_status mpc_open_to_client(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                size_t n, unsigned k)
{
    assert(k >= 1 && k <= MPC_MAX_RING);
    if (n == 0)
        return MP2ML_OK;
    const size_t block = mpc_block(n, 0);
    uint8_t *piece = arena_take(m->arena, bits_size(block, k), 1);
    uint64_t *share = arena_take(m->arena, block, sizeof *share);
    const bool server = m->party == PARTY_SERVER;
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (piece != NULL && share != NULL)
        status = server ? open_server(m, step, in, n, k, piece)
                        : open_client(m, step, out, in, n, k, piece, share);
    return mpc_end(m, status, out, server ? 0 : n);
}
