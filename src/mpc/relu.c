/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU with ring extension Z_{2^k} -> Z_{2^l}, l = k + h. With d = [x >= 0] = d0 ^ d1, X_p = share
 * p read as signed and m_p its top bit,
 *
 *   ReLU(x) = d * (X_0 + X_1 + 2^k * m_0 * m_1)      over the integers:
 *
 * where d = 1, x = X_0 + X_1 up to a multiple of 2^k, and only two negative shares can wrap.
 *   term 1  (d0 ^ d1) * (X_0 + 2^k m_0 m_1)   server sends, choices (d1, m_1); the low k bits do not
 *           depend on m_1: 1 of 2 for them, 1 of 4 for the high h bits
 *   term 2  (d1 ^ d0) * X_1                   client sends, choice d0
 *
 *   client                                  server
 *      |------ AND_OPEN ------><------ AND_OPEN ------|   k-1-blind times: signs_run
 *      |- OT_CHOICE 2n bits --><- OT_CHOICE n bits ---|   mux_choices
 *      |- OT_MESSAGE l ------><- OT_MESSAGE k + 3h ---|   extend_server, extend_client
 *
 * With h = 0 the 2^k vanishes and mux_select does both terms.
 *
 * min(0, x) = (1-d) * x, where the server alone knows which values want that: it flips its share of
 * d and, since two shares that are not negative wrap there, sends -2^k * (1-m_0) * (1-m_1) instead.
 */
#include "mpc/relu.h"

#include <assert.h>

#include "mpc/mux.h"
#include "mpc/signs.h"
#include "mpc/yao.h"

/* Frame parts of the four messages of term 1, in the order of the frame. */
static unsigned part_bits(const struct mpc_extension *e, unsigned part)
{
    return part == 0 ? e->k : e->h;
}

static struct mpc_extension extension(const struct mpc *m, unsigned k, unsigned l)
{
    struct mpc_extension e = relu_extension(k, l);
    (void)m;
#ifdef MP2ML_TEST_HOOKS
    if (m->control & MPC_CONTROL_PLAIN_XOR) {
        e.a_at[1] = e.a_at[0];
        e.b_at[1] = e.b_at[0];
    }
#endif
    return e;
}

struct extend_work {
    uint64_t *x1;         /* client: its share as a signed value mod 2^l */
    uint64_t *message[4]; /* term 1 */
    uint64_t *word;       /* term 2 */
    uint8_t *term1, *term2;
    size_t term1_bits, term2_bits;
};

static mp2ml_status extend_work_take(struct mpc *m, struct extend_work *w,
                                     const struct mpc_extension *e, size_t n)
{
    for (unsigned i = 0; i < 4; i++) {
        w->message[i] = arena_take(m->arena, n, sizeof *w->message[i]);
        if (w->message[i] == NULL)
            return MP2ML_ERR_MEMORY;
    }
    w->word = w->message[0]; /* the two terms are never worked on at the same time */
    w->x1 = w->message[1];
    w->term1_bits = n * (e->k + 3 * e->h);
    w->term2_bits = n * (e->k + e->h);
    w->term1 = arena_take(m->arena, bits_size(w->term1_bits, 1), 1);
    w->term2 = arena_take(m->arena, bits_size(w->term2_bits, 1), 1);
    return w->term1 != NULL && w->term2 != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* CT: leaks n, k, l. */
static mp2ml_status extend_server(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *x,
                                  const uint64_t *d, const uint64_t *negative,
                                  const struct mpc_extension *e, size_t n)
{
    struct mux_sender s[2];
    struct mux_receiver r;
    struct extend_work w;
    TRACE(m->trace, MUX, n);
    TRY(mux_sender_take(m, &s[0], n));
    TRY(mux_sender_take(m, &s[1], n));
    TRY(mux_receiver_take(m, &r, d, n));
    TRY(mux_choices(m, step, &r, 1, s, 2, n));
    TRY(extend_work_take(m, &w, e, n));
    const struct mpc_extend_send send = {
        out,         {w.message[0], w.message[1], w.message[2], w.message[3]},
        s[0].key[0], s[0].key[1],
        s[1].key[0], s[1].key[1],
        s[0].flip,   s[1].flip,
        d,           x,
        negative,    n};
    m->kernels->extend_send(&send, e);
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++)
        bits_pack(w.term1, &at, w.message[i], n, part_bits(e, i));
    TRY(mpc_exchange(m, FRAME_OT_MESSAGE, step, w.term1, w.term1_bits, w.term2, w.term2_bits));
    at = 0;
    bits_unpack(w.word, w.term2, &at, n, e->k + e->h);
    m->kernels->mux_recv(out, w.word, r.key, d, n, 0, e->k + e->h);
    return MP2ML_OK;
}

/* CT: leaks n, k, l. */
static mp2ml_status extend_client(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *x,
                                  const uint64_t *d, const struct mpc_extension *e, size_t n)
{
    struct mux_receiver r[2];
    struct mux_sender s;
    struct extend_work w;
    TRACE(m->trace, MUX, n);
    uint64_t *top = arena_take(m->arena, mpc_words(n), sizeof *top);
    if (top == NULL)
        return MP2ML_ERR_MEMORY;
    m->kernels->bit(top, x, n, e->k - 1);
    TRY(mux_receiver_take(m, &r[0], d, n));
    TRY(mux_receiver_take(m, &r[1], top, n));
    TRY(mux_sender_take(m, &s, n));
    TRY(mux_choices(m, step, r, 2, &s, 1, n));
    TRY(extend_work_take(m, &w, e, n));
    const uint64_t sign = (uint64_t)1 << (e->k - 1);
    for (size_t i = 0; i < n; i++)
        w.x1[i] = ((x[i] ^ sign) - sign) & mpc_ring_mask(e->k + e->h);
    const struct block *key[2] = {s.key[0], s.key[1]};
    m->kernels->mux_send(out, w.word, key, s.flip, d, w.x1, n, 0, e->k + e->h);
    size_t at = 0;
    bits_pack(w.term2, &at, w.word, n, e->k + e->h);
    TRY(mpc_exchange(m, FRAME_OT_MESSAGE, step, w.term2, w.term2_bits, w.term1, w.term1_bits));
    at = 0;
    for (unsigned i = 0; i < 4; i++)
        bits_unpack(w.message[i], w.term1, &at, n, part_bits(e, i));
    const struct mpc_extend_recv recv = {
        out, {w.message[0], w.message[1], w.message[2], w.message[3]}, r[0].key, r[1].key, d, top,
        n};
    m->kernels->extend_recv(&recv, e);
    return MP2ML_OK;
}

struct relu_rings {
    unsigned k, l;
};

/* What is left to do once the signs are there. */
static mp2ml_status relu_block(struct mpc *m, uint16_t step, const struct signs_job *job,
                               const uint64_t *d, const void *context)
{
    const struct relu_rings *rings = (const struct relu_rings *)context;
    const struct mux_field same = {job->out, job->in, rings->k};
    const struct mpc_extension e = extension(m, rings->k, rings->l);
    if (rings->l == rings->k)
        return mux_select(m, step, d, &same, 1, job->n);
    if (m->party == PARTY_SERVER)
        return extend_server(m, step, job->out, job->in, d, job->flip, &e, job->n);
    return extend_client(m, step, job->out, job->in, d, &e, job->n);
}

mp2ml_status mpc_relu(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                      const uint64_t *negative, size_t n, unsigned k, unsigned l, unsigned blind)
{
    assert(negative == NULL || m->party == PARTY_SERVER);
    assert(k >= MPC_MIN_BITS + blind && k <= MPC_MAX_BITS && l >= k && l <= MPC_MAX_RING);
    if (m->engine == MPC_YAO)
        return yao_relu(m, step, out, in, negative, n, k, l, blind);
    const struct relu_rings rings = {k, l};
    const struct signs_use use = {relu_muxes_from_server(k, l), 1, relu_block, &rings};
    const struct signs_job whole = {out, in, negative, n};
    return signs_run(m, step, &whole, k, blind, &use);
}

void mpc_relu_clear(uint64_t *out, const uint64_t *in, const uint64_t *negative,
                    const uint64_t *low, size_t n, unsigned k, unsigned l, unsigned blind)
{
    for (size_t i = 0; i < n; i++) {
        const bool wanted = negative != NULL && (negative[i / 64] >> (i % 64) & 1);
        const bool not_less = signs_clear(in[i], low != NULL ? low[i] : 0, k, low ? blind : 0);
        const bool wide = in[i] >> (k - 1) & 1; /* a negative one that passes, read in Z_{2^l} */
        out[i] = not_less == wanted ? 0 : in[i] | (wide ? mpc_ring_mask(l) ^ mpc_ring_mask(k) : 0);
    }
}
