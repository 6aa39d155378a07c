/* SPDX-License-Identifier: Apache-2.0
 *
 * The context of 2PC and the exchanges that all its steps are made of. */
#include "mpc/mpc_state.h"

#include <stdlib.h>

mp2ml_status mpc_new(struct mpc **out, enum party party, struct link *link, struct ot *ot,
                     struct prg *g)
{
    *out = NULL;
    struct mpc *m = calloc(1, sizeof *m);
    if (m == NULL)
        return MP2ML_ERR_MEMORY;
    m->party = party;
    m->link = link;
    m->ot = ot;
    m->g = g;
    m->kernels = mpc_kernels_pick();
    m->trace = link_trace(link);
    mp2ml_status status = arena_new(&m->arena, MPC_WORK_BYTES);
    if (status != MP2ML_OK) {
        free(m);
        return status;
    }
    *out = m;
    return MP2ML_OK;
}

void mpc_free(struct mpc *m)
{
    if (m == NULL)
        return;
    arena_free(m->arena);
    free(m);
}

void mpc_set_engine(struct mpc *m, enum mpc_engine engine)
{
    m->engine = engine;
}

void mpc_plane_pack(uint8_t *frame, size_t *at, const uint64_t *plane, size_t n)
{
    bits_pack(frame, at, plane, n / 64, 64);
    if (n % 64 != 0)
        bits_pack(frame, at, plane + n / 64, 1, (unsigned)(n % 64));
}

void mpc_plane_unpack(uint64_t *plane, const uint8_t *frame, size_t *at, size_t n)
{
    bits_unpack(plane, frame, at, n / 64, 64);
    if (n % 64 != 0)
        bits_unpack(plane + n / 64, frame, at, 1, (unsigned)(n % 64));
}

mp2ml_status mpc_exchange_begin(struct mpc *m, enum frame_type type, uint16_t step,
                                const uint8_t *out, size_t bits)
{
    TRACE(m->trace, EXCHANGE, bits);
    return bits > 0 ? frame_send(m->link, type, step, out, bits_size(bits, 1)) : MP2ML_OK;
}

mp2ml_status mpc_exchange_end(struct mpc *m, enum frame_type type, uint16_t step, uint8_t *in,
                              size_t bits)
{
    TRACE(m->trace, EXCHANGE, bits);
    if (bits == 0)
        return MP2ML_OK;
    TRY(frame_recv(m->link, type, step, in, bits_size(bits, 1)));
    return bits_padding_is_zero(in, bits) ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

mp2ml_status mpc_exchange(struct mpc *m, enum frame_type type, uint16_t step, const uint8_t *out,
                          size_t out_bits, uint8_t *in, size_t in_bits)
{
    TRY(mpc_exchange_begin(m, type, step, out, out_bits));
    return mpc_exchange_end(m, type, step, in, in_bits);
}

mp2ml_status mpc_end(struct mpc *m, mp2ml_status status, uint64_t *out, size_t n)
{
    arena_rewind(m->arena, 0);
    if (status != MP2ML_OK && n > 0)
        secret_wipe(out, n * sizeof *out);
    return status;
}

#ifdef MP2ML_TEST_HOOKS
void mpc_set_control(struct mpc *m, unsigned control)
{
    m->control = control;
}
#endif
