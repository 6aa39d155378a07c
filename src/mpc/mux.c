/* SPDX-License-Identifier: Apache-2.0
 *
 * d * y with d = d0 ^ d1, y = y0 + y1: each party is the sender for its own summand, (d0 ^ d1) * y0
 * with the client's choice d1 and (d1 ^ d0) * y1 with the server's choice d0. */
#include "mpc/mux.h"

#include <assert.h>
#include <string.h>

mp2ml_status mux_sender_take(struct mpc *m, struct mux_sender *s, size_t n)
{
    s->key[0] = arena_take(m->arena, n, sizeof(struct block));
    s->key[1] = arena_take(m->arena, n, sizeof(struct block));
    s->flip = arena_take(m->arena, mpc_words(n), sizeof *s->flip);
    if (s->key[0] == NULL || s->key[1] == NULL || s->flip == NULL)
        return MP2ML_ERR_MEMORY;
    TRACE(m->trace, HASH, n);
    ot_take_send(m->ot, s->key[0], s->key[1], n);
#ifdef MP2ML_TEST_HOOKS
    if (m->control & MPC_CONTROL_KEYS) {
        memset(s->key[0], 0, n * sizeof(struct block));
        memset(s->key[1], 0, n * sizeof(struct block));
    }
#endif
    return MP2ML_OK;
}

mp2ml_status mux_receiver_take(struct mpc *m, struct mux_receiver *r, const uint64_t *d, size_t n)
{
    r->key = arena_take(m->arena, n, sizeof(struct block));
    r->correction = arena_take(m->arena, mpc_words(n), sizeof *r->correction);
    if (r->key == NULL || r->correction == NULL)
        return MP2ML_ERR_MEMORY;
    TRACE(m->trace, HASH, n);
    ot_take_recv(m->ot, r->key, r->correction, n);
#ifdef MP2ML_TEST_HOOKS
    if (m->control & MPC_CONTROL_KEYS) {
        memset(r->key, 0, n * sizeof(struct block));
        memset(r->correction, 0, mpc_words(n) * sizeof *r->correction);
    }
#endif
    for (size_t i = 0; i < mpc_words(n); i++)
        r->correction[i] ^= d[i];
    return MP2ML_OK;
}

mp2ml_status mux_choices(struct mpc *m, uint16_t step, const struct mux_receiver *r,
                         unsigned receivers, const struct mux_sender *s, unsigned senders, size_t n)
{
    const size_t mark = arena_mark(m->arena);
    uint8_t *sent = arena_take(m->arena, bits_size(receivers * n, 1), 1);
    uint8_t *received = arena_take(m->arena, bits_size(senders * n, 1), 1);
    if (sent == NULL || received == NULL)
        return MP2ML_ERR_MEMORY;
    size_t at = 0;
    for (unsigned i = 0; i < receivers; i++)
        mpc_plane_pack(sent, &at, r[i].correction, n);
    TRY(mpc_exchange(m, FRAME_OT_CHOICE, step, sent, receivers * n, received, senders * n));
    at = 0;
    for (unsigned i = 0; i < senders; i++)
        mpc_plane_unpack(s[i].flip, received, &at, n);
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

/* The server's transfers come before the client's, at both. */
static mp2ml_status take_both(struct mpc *m, struct mux_sender *s, struct mux_receiver *r,
                              const uint64_t *d, size_t n)
{
    if (m->party == PARTY_SERVER) {
        TRY(mux_sender_take(m, s, n));
        return mux_receiver_take(m, r, d, n);
    }
    TRY(mux_receiver_take(m, r, d, n));
    return mux_sender_take(m, s, n);
}

mp2ml_status mux_select(struct mpc *m, uint16_t step, const uint64_t *d,
                        const struct mux_field *fields, unsigned count, size_t n)
{
    const size_t mark = arena_mark(m->arena);
    struct mux_sender s;
    struct mux_receiver r;
    TRACE(m->trace, MUX, n);
    TRY(take_both(m, &s, &r, d, n));
    TRY(mux_choices(m, step, &r, 1, &s, 1, n));
    unsigned width = 0;
    for (unsigned i = 0; i < count; i++)
        width += fields[i].bits;
    assert(width <= 128);
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    uint8_t *sent = arena_take(m->arena, bits_size(n, width), 1);
    uint8_t *received = arena_take(m->arena, bits_size(n, width), 1);
    if (message == NULL || sent == NULL || received == NULL)
        return MP2ML_ERR_MEMORY;
    const struct block *key[2] = {s.key[0], s.key[1]};
    size_t at = 0;
    for (unsigned i = 0, slice = 0; i < count; slice += fields[i++].bits) {
        const struct mux_field *f = &fields[i];
        m->kernels->mux_send(f->out, message, key, s.flip, d, f->y, n, slice, f->bits);
        bits_pack(sent, &at, message, n, f->bits);
    }
    TRY(mpc_exchange(m, FRAME_OT_MESSAGE, step, sent, n * width, received, n * width));
    at = 0;
    for (unsigned i = 0, slice = 0; i < count; slice += fields[i++].bits) {
        const struct mux_field *f = &fields[i];
        bits_unpack(message, received, &at, n, f->bits);
        m->kernels->mux_recv(f->out, message, r.key, d, n, slice, f->bits);
    }
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}
