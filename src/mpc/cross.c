/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross terms, bit after bit. The receiver takes all its transfers before it sends its choices, the
 * sender takes them one plane at a time, in the same order, when the corrections have come. */
#include "mpc/cross.h"

#include <assert.h>

#include "crypto/mask.h"

mp2ml_status cross_choose(struct mpc *m, struct cross_choice *choice, const uint64_t *u,
                          struct cross shape, size_t n, struct cross_frame *choices)
{
    const size_t words = mpc_words(n);
    assert(shape.bits <= CROSS_MAX_BITS && shape.width >= shape.bits && shape.width <= 64);
    if (shape.bits == 0)
        return MP2ML_OK;
    choice->planes = arena_take(m->arena, shape.bits, words * sizeof *choice->planes);
    if (choice->planes == NULL)
        return MP2ML_ERR_MEMORY;
    m->kernels->slice(choice->planes, words, u, n, shape.bits);
    for (unsigned i = 0; i < shape.bits; i++) {
        TRY(mux_receiver_take(m, &choice->bit[i], choice->planes + i * words, n));
        mpc_plane_pack(choices->bytes, &choices->at, choice->bit[i].correction, n);
    }
    return MP2ML_OK;
}

/* share = the sender's share of c * y, c the peer's bit, `width` bits. */
static mp2ml_status bit_send(struct mpc *m, uint64_t *share, const uint64_t *y, unsigned width,
                             size_t n, struct cross_frame *choices, struct cross_frame *messages)
{
    const size_t mark = arena_mark(m->arena);
    struct mux_sender s;
    TRY(mux_sender_take(m, &s, n));
    uint64_t *zero = arena_take(m->arena, mpc_words(n), sizeof *zero); /* no d of our own */
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    if (zero == NULL || message == NULL)
        return MP2ML_ERR_MEMORY;
    mpc_plane_unpack(s.flip, choices->bytes, &choices->at, n);
    const struct block *key[2] = {s.key[0], s.key[1]};
    m->kernels->mux_send(share, message, key, s.flip, zero, y, n, 0, width);
    bits_pack(messages->bytes, &messages->at, message, n, width);
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status cross_send(struct mpc *m, uint64_t *sum, const uint64_t *y, const uint64_t *top,
                        struct cross shape, size_t n, struct cross_frame *choices,
                        struct cross_frame *messages)
{
    if (shape.bits == 0)
        return MP2ML_OK;
    uint64_t *share = arena_take(m->arena, n, sizeof *share);
    uint64_t *last = arena_take(m->arena, n, sizeof *last); /* what the top bit carries */
    if (share == NULL || last == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t j = 0; j < n; j++) {
        const uint64_t negative = top == NULL ? 0 : ~mask_from_bit(top[j]);
        last[j] = (y[j] ^ negative) - negative;
    }
    for (unsigned i = 0; i < shape.bits; i++) {
        TRY(bit_send(m, share, i == shape.bits - 1 ? last : y, shape.width - i, n, choices,
                     messages));
        for (size_t j = 0; j < n; j++)
            sum[j] += share[j] << i;
    }
    return MP2ML_OK;
}

mp2ml_status cross_recv(struct mpc *m, uint64_t *sum, const struct cross_choice *choice,
                        struct cross shape, size_t n, struct cross_frame *messages)
{
    if (shape.bits == 0)
        return MP2ML_OK;
    uint64_t *share = arena_take(m->arena, n, sizeof *share);
    uint64_t *message = arena_take(m->arena, n, sizeof *message);
    if (share == NULL || message == NULL)
        return MP2ML_ERR_MEMORY;
    for (unsigned i = 0; i < shape.bits; i++) {
        const unsigned width = shape.width - i;
        bits_unpack(message, messages->bytes, &messages->at, n, width);
        for (size_t j = 0; j < n; j++)
            share[j] = 0;
        m->kernels->mux_recv(share, message, choice->bit[i].key, choice->planes + i * mpc_words(n),
                             n, 0, width);
        for (size_t j = 0; j < n; j++)
            sum[j] += share[j] << i;
    }
    return MP2ML_OK;
}
