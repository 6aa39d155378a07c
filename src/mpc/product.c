/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of shared values. With q = 2^(k-2), z_0 = x_0 + q mod 2^k, S(.) a share read as signed
 * and m_p the top bits of z_0 and x_1, a value with a guard bit is over the integers
 *
 *   x = S(z_0) + S(x_1) + 2^k * m_0 * m_1 - q:
 *
 * x + q < 2^(k-1) is not negative, so the signed sum misses 2^k where both top bits are set, and
 * never wraps otherwise.
 *
 * Product. Both cross terms multiply by the bits of a share of a. Whoever sends knows its own top
 * bit, so the transfer for the peer's top bit carries 2^(k-1) * (2 m - 1) * y and the wrap of a
 * costs nothing. The wrap of b, a bit, is shared beforehand in Z_{2^(l-k_b)} by one transfer, a
 * re-entry with the roles changed: 1 + l - k_b bits and one OT. (Without it, p_b * a would take a
 * transfer of that size in each direction.) It rides in the same frames, since the client, which
 * sends it, needs no answer before it goes on:
 *
 *   client                                     server
 *      |--- OT_CHOICE k_a ---><--- OT_CHOICE 1 + k_a ---|   bits of a_1; top bit of b's z_0, a's
 * z_0
 *      |------ OT_MESSAGE (l - k_b) + cross_bits ------>|   wrap of b; (S(z_0) + 2^k m_0 m_1) * b_1
 *      |<------------ OT_MESSAGE cross_bits ------------|   (S(a_1) + 2^k m_0 m_1) * b_0
 *
 * Square. One cross term, twice, and what the wrap adds to the client's share: with A_0 = S(z_0) -
 * q, A_1 = S(x_1),
 *
 *   x^2 = A_0^2 + A_1^2 + 2 * (A_0 * (A_1 + 2^k m_0 m_1) + 2^k * m_0 * m_1 * (A_1 + 2^(k-1))).
 *
 * The last product is one transfer of l-1-k bits, client sends: two simultaneous exchanges. */
#include "mpc/product.h"

#include <assert.h>

#include "crypto/mask.h"

static_assert((size_t)PRODUCT_BLOCK * (PRODUCT_VALUE_BYTES + 64) <= MPC_WORK_BYTES,
              "a block must fit the work memory, 64 bytes a value apart for the pieces' ends");
static_assert(MPC_MAX_FACTOR <= CROSS_MAX_BITS, "a factor's bits are those of a cross term");

struct factor {    /* this party's share of a factor with a guard bit */
    uint64_t *u;   /* z_0 or x_1 */
    uint64_t *top; /* its top bit, 0 or 1 */
    uint64_t quarter;
    unsigned k;
};

struct frames { /* [0] what goes out, [1] what comes in */
    struct cross_frame choices[2], messages[2];
};

static uint64_t as_signed(uint64_t x, unsigned k)
{
    const uint64_t sign = (uint64_t)1 << (k - 1);
    return (x ^ sign) - sign;
}

static mp2ml_status factor_take(struct mpc *m, struct factor *f, const uint64_t *x, unsigned k,
                                size_t n)
{
    f->k = k;
    f->quarter = (uint64_t)1 << (k - 2);
    f->u = arena_take(m->arena, n, sizeof *f->u);
    f->top = arena_take(m->arena, n, sizeof *f->top);
    if (f->u == NULL || f->top == NULL)
        return MP2ML_ERR_MEMORY;
    const uint64_t shift = m->party == PARTY_SERVER ? f->quarter : 0;
    for (size_t i = 0; i < n; i++) {
        f->u[i] = (x[i] + shift) & mpc_ring_mask(k);
        f->top[i] = f->u[i] >> (k - 1);
    }
    return MP2ML_OK;
}

/* Room for frames of so many bits, each of choices and messages, out and in. */
static mp2ml_status frames_take(struct mpc *m, struct frames *f, const size_t choices[2],
                                const size_t messages[2])
{
    for (unsigned i = 0; i < 2; i++) {
        f->choices[i].at = f->messages[i].at = 0;
        f->choices[i].bytes = arena_take(m->arena, bits_size(choices[i], 1), 1);
        f->messages[i].bytes = arena_take(m->arena, bits_size(messages[i], 1), 1);
        if (f->choices[i].bytes == NULL || f->messages[i].bytes == NULL)
            return MP2ML_ERR_MEMORY;
    }
    return MP2ML_OK;
}

/* The bits that are written go out, then in_bits come in. */
static mp2ml_status frames_exchange(struct mpc *m, enum frame_type type, uint16_t step,
                                    const struct cross_frame *out, struct cross_frame *in,
                                    size_t in_bits)
{
    in->at = 0;
    return mpc_exchange(m, type, step, out == NULL ? NULL : out->bytes, out == NULL ? 0 : out->at,
                        in->bytes, in_bits);
}

/* ---- product -------------------------------------------------------------------------------- */

struct product { /* k_a <= k_b */
    const uint64_t *a, *b;
    size_t n;
    struct cross main, wrap;
    struct factor fa, fb;
    uint64_t *y;   /* this party's share of b in Z_{2^l} */
    uint64_t *sum; /* of a * b */
    struct frames frames;
};

static mp2ml_status product_take(struct mpc *m, struct product *p, unsigned k_a, unsigned k_b,
                                 unsigned l)
{
    p->main = product_shape(k_a, l);
    p->wrap = product_wrap(l - k_b);
    p->y = arena_take(m->arena, p->n, sizeof *p->y); /* zero, as the arena's memory is */
    p->sum = arena_take(m->arena, p->n, sizeof *p->sum);
    if (p->y == NULL || p->sum == NULL)
        return MP2ML_ERR_MEMORY;
    TRY(factor_take(m, &p->fa, p->a, k_a, p->n));
    TRY(factor_take(m, &p->fb, p->b, k_b, p->n));
    const bool server = m->party == PARTY_SERVER;
    const size_t choices[2] = {p->n * (k_a + (server ? p->wrap.bits : 0)),
                               p->n * (k_a + (server ? 0 : p->wrap.bits))};
    const size_t with_wrap = p->n * (cross_bits(p->main) + cross_bits(p->wrap));
    const size_t without = p->n * cross_bits(p->main);
    const size_t messages[2] = {server ? without : with_wrap, server ? with_wrap : without};
    return frames_take(m, &p->frames, choices, messages);
}

/* y holds the share of b's wrap and becomes the share of b; then the local part of the product,
 * where -q stands at both, since the peer's cross term multiplies by S alone. */
static void product_local(const struct mpc *m, struct product *p)
{
    const uint64_t shift = m->party == PARTY_SERVER ? p->fb.quarter : 0;
    for (size_t i = 0; i < p->n; i++) {
        p->y[i] = as_signed(p->fb.u[i], p->fb.k) - shift + (p->y[i] << p->fb.k);
        p->sum[i] = p->y[i] * (as_signed(p->fa.u[i], p->fa.k) - p->fa.quarter);
    }
}

/* CT: leaks n and the widths. */
static mp2ml_status product_server(struct mpc *m, uint16_t step, struct product *p)
{
    struct frames *f = &p->frames;
    struct cross_choice wrap, main;
    TRY(cross_choose(m, &wrap, p->fb.top, p->wrap, p->n, &f->choices[0]));
    TRY(cross_choose(m, &main, p->fa.u, p->main, p->n, &f->choices[0]));
    TRY(frames_exchange(m, FRAME_OT_CHOICE, step, &f->choices[0], &f->choices[1],
                        p->n * p->main.bits));
    TRY(frames_exchange(m, FRAME_OT_MESSAGE, step, NULL, &f->messages[1],
                        p->n * (cross_bits(p->wrap) + cross_bits(p->main))));
    TRY(cross_recv(m, p->y, &wrap, p->wrap, p->n, &f->messages[1]));
    product_local(m, p);
    TRY(cross_recv(m, p->sum, &main, p->main, p->n, &f->messages[1]));
    TRY(cross_send(m, p->sum, p->y, p->fa.top, p->main, p->n, &f->choices[1], &f->messages[0]));
    return frames_exchange(m, FRAME_OT_MESSAGE, step, &f->messages[0], &f->messages[1], 0);
}

/* CT: leaks n and the widths. */
static mp2ml_status product_client(struct mpc *m, uint16_t step, struct product *p)
{
    struct frames *f = &p->frames;
    struct cross_choice main;
    TRY(cross_choose(m, &main, p->fa.u, p->main, p->n, &f->choices[0]));
    TRY(frames_exchange(m, FRAME_OT_CHOICE, step, &f->choices[0], &f->choices[1],
                        p->n * (p->wrap.bits + p->main.bits)));
    TRY(cross_send(m, p->y, p->fb.top, NULL, p->wrap, p->n, &f->choices[1], &f->messages[0]));
    product_local(m, p);
    TRY(cross_send(m, p->sum, p->y, p->fa.top, p->main, p->n, &f->choices[1], &f->messages[0]));
    TRY(frames_exchange(m, FRAME_OT_MESSAGE, step, &f->messages[0], &f->messages[1],
                        p->n * cross_bits(p->main)));
    return cross_recv(m, p->sum, &main, p->main, p->n, &f->messages[1]);
}

static mp2ml_status product_one(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *a,
                                const uint64_t *b, size_t n, unsigned k_a, unsigned k_b, unsigned l)
{
    const bool server = m->party == PARTY_SERVER;
    const size_t bits = product_shape(k_a, l).bits;
    const size_t from_server = n * bits;
    const size_t from_client = n * (bits + product_wrap(l - k_b).bits);
    struct product p = {.a = a, .b = b, .n = n};
    TRY(ot_reserve(m->ot, step, server ? from_server : from_client,
                   server ? from_client : from_server));
    const size_t mark = arena_mark(m->arena);
    TRY(product_take(m, &p, k_a, k_b, l));
    TRY(server ? product_server(m, step, &p) : product_client(m, step, &p));
    for (size_t i = 0; i < n; i++)
        out[i] = p.sum[i] & mpc_ring_mask(l);
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status mpc_product(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *a,
                         const uint64_t *b, size_t n, unsigned k_a, unsigned k_b, unsigned l)
{
    if (k_a > k_b)
        return mpc_product(m, step, out, b, a, n, k_b, k_a, l);
    assert(k_a >= MPC_MIN_BITS && k_b <= MPC_MAX_FACTOR && l >= k_b && l <= MPC_MAX_RING);
    mp2ml_status status = MP2ML_OK;
    for (size_t done = 0; done < n && status == MP2ML_OK; done += PRODUCT_BLOCK)
        status = product_one(m, step, out + done, a + done, b + done, product_block(n, done), k_a,
                             k_b, l);
    return mpc_end(m, status, out, n);
}

/* ---- square --------------------------------------------------------------------------------- */

struct square {
    const uint64_t *x;
    size_t n;
    struct cross main, wrap;
    struct factor f;
    uint64_t *y;    /* server: A_0; client: m_1 * (A_1 + 2^(k-1)), the low k-1 bits where m_1 */
    uint64_t *sum;  /* of what counts twice, without the wrap */
    uint64_t *more; /* the wrap */
    struct frames frames;
};

static mp2ml_status square_take(struct mpc *m, struct square *s, unsigned k, unsigned l)
{
    s->main = square_shape(k, l);
    s->wrap = product_wrap(l - 1 - k);
    s->y = arena_take(m->arena, s->n, sizeof *s->y);
    s->sum = arena_take(m->arena, s->n, sizeof *s->sum);
    s->more = arena_take(m->arena, s->n, sizeof *s->more);
    if (s->y == NULL || s->sum == NULL || s->more == NULL)
        return MP2ML_ERR_MEMORY;
    TRY(factor_take(m, &s->f, s->x, k, s->n));
    const bool server = m->party == PARTY_SERVER;
    for (size_t i = 0; i < s->n; i++)
        s->y[i] = server ? as_signed(s->f.u[i], k) - s->f.quarter
                         : s->f.u[i] & mpc_ring_mask(k - 1) & mask_from_bit(s->f.top[i]);
    const size_t main = s->n * cross_bits(s->main);
    const size_t wrap = s->n * cross_bits(s->wrap);
    const size_t choices[2] = {s->n * (server ? s->wrap.bits : s->main.bits),
                               s->n * (server ? s->main.bits : s->wrap.bits)};
    const size_t messages[2] = {server ? main : wrap, server ? wrap : main};
    return frames_take(m, &s->frames, choices, messages);
}

/* Both parties choose, then both send: the server the cross term, the client the wrap. CT: leaks n
 * and the widths. */
static mp2ml_status square_run(struct mpc *m, uint16_t step, struct square *s)
{
    const bool server = m->party == PARTY_SERVER;
    struct frames *f = &s->frames;
    struct cross_choice choice;
    const struct cross in = server ? s->wrap : s->main;
    const struct cross out = server ? s->main : s->wrap;
    uint64_t *got = server ? s->more : s->sum;
    uint64_t *own = server ? s->sum : s->more;
    TRY(cross_choose(m, &choice, server ? s->f.top : s->f.u, in, s->n, &f->choices[0]));
    TRY(frames_exchange(m, FRAME_OT_CHOICE, step, &f->choices[0], &f->choices[1], s->n * out.bits));
    TRY(cross_send(m, own, s->y, server ? s->f.top : NULL, out, s->n, &f->choices[1],
                   &f->messages[0]));
    TRY(frames_exchange(m, FRAME_OT_MESSAGE, step, &f->messages[0], &f->messages[1],
                        s->n * cross_bits(in)));
    return cross_recv(m, got, &choice, in, s->n, &f->messages[1]);
}

static mp2ml_status square_one(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *x,
                               size_t n, unsigned k, unsigned l)
{
    const bool server = m->party == PARTY_SERVER;
    const size_t from_server = n * square_shape(k, l).bits;
    const size_t from_client = n * product_wrap(l - 1 - k).bits;
    struct square s = {.x = x, .n = n};
    TRY(ot_reserve(m->ot, step, server ? from_server : from_client,
                   server ? from_client : from_server));
    const size_t mark = arena_mark(m->arena);
    TRY(square_take(m, &s, k, l));
    TRY(square_run(m, step, &s));
    for (size_t i = 0; i < n; i++) {
        const uint64_t own = as_signed(s.f.u[i], k) - (server ? s.f.quarter : 0);
        out[i] = (own * own + 2 * (s.sum[i] + (s.more[i] << k))) & mpc_ring_mask(l);
    }
    arena_rewind(m->arena, mark);
    return MP2ML_OK;
}

mp2ml_status mpc_square(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in, size_t n,
                        unsigned k, unsigned l)
{
    assert(k >= MPC_MIN_BITS && k <= MPC_MAX_FACTOR && l > k && l <= MPC_MAX_RING);
    mp2ml_status status = MP2ML_OK;
    for (size_t done = 0; done < n && status == MP2ML_OK; done += PRODUCT_BLOCK)
        status = square_one(m, step, out + done, in + done, product_block(n, done), k, l);
    return mpc_end(m, status, out, n);
}

/* ---- in the clear --------------------------------------------------------------------------- */

void mpc_product_clear(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t n, unsigned k_a,
                       unsigned k_b, unsigned l)
{
    for (size_t i = 0; i < n; i++)
        out[i] = as_signed(a[i], k_a) * as_signed(b[i], k_b) & mpc_ring_mask(l);
}

void mpc_square_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l)
{
    mpc_product_clear(out, in, in, n, k, k, l);
}
