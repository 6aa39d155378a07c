/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU with ring extension Z_{2^k} -> Z_{2^l} by a garbled circuit, and Sign. With x0 the server's share, b
 * the client's (bits b_i), X_0 = x0 read as signed, m_p the top bits and d = [x >= 0],
 *
 *   ReLU(x) = d * (X_0 + sum_{i<k-1} 2^i b_i + 2^(k-1) t b_{k-1}),   t = 2*m_0 - 1
 *
 * (relu.c), which takes no gates once d is a wire:
 *
 *   V  = Z  + d         l bits      projections of d: the client gets the left side, the server
 *   W  = M  + d * X_0   l bits      draws Z, M, Z2
 *   V2 = Z2 + d * t     l-k+1 bits
 *   d * 2^i * b_i = 2^i * b_i * V - 2^i * b_i * Z: the client computes the first term, knowing its
 *   bits; the second is a transfer on the labels of b_i, of l - i bits; likewise the last with V2
 *
 * min(0, x) = (1-d) * x: the server exchanges the labels of d and reads its share with all bits
 * above the low k set, t -> -t (relu.c). Row reduction: the pad of d's label of colour 0 is the
 * number itself, so that each projection is one row. docs/protocol.md has the proof sketch.
 *
 * Sign is 2*V - 2*Z - 1 with V of l-1 bits (sign.c); it takes the client's bits from `blind` on. */
#include "mpc/yao.h"

#include <assert.h>

struct relu { /* or sign */
    struct garble g;
    unsigned k, l, blind;
    unsigned first; /* the client's bits that count are first .. k-1 */
    size_t row_bits;
    void (*output)(struct relu *r, uint64_t *out, const uint64_t *in, const uint64_t *negative,
                   size_t n);
    struct block *x, *sign, *work; /* k, 1, 3 wires */
    struct garble_pads pads;
    uint64_t *plane;          /* k planes: server, of its share for the sum; client, of its share */
    uint64_t *value, *factor; /* a number a lane, both, as all below */
    uint64_t *z, *w, *z2;
};

static mp2ml_status relu_take(struct relu *r, struct mpc *m, uint16_t step)
{
    struct arena *a = m->arena;
    const size_t lanes = GARBLE_LANES;
    TRY(garble_begin(
        &r->g, m, step,
        garble_frame_bytes(lanes * yao_sign_blocks(r->k, r->blind), lanes * r->row_bits)));
    r->x = arena_take(a, lanes * r->k, sizeof *r->x);
    r->sign = arena_take(a, lanes, sizeof *r->sign);
    r->work = arena_take(a, lanes * 3, sizeof *r->work);
    r->pads.memory = arena_take(a, lanes * 2, sizeof *r->pads.memory);
    r->plane = arena_take(a, mpc_words(lanes) * r->k, sizeof *r->plane);
    r->value = arena_take(a, lanes, sizeof *r->value);
    r->factor = arena_take(a, lanes, sizeof *r->factor);
    r->z = arena_take(a, lanes, sizeof *r->z);
    r->w = arena_take(a, lanes, sizeof *r->w);
    r->z2 = arena_take(a, lanes, sizeof *r->z2);
    const bool all = r->x != NULL && r->sign != NULL && r->work != NULL && r->pads.memory != NULL &&
                     r->plane != NULL && r->value != NULL && r->factor != NULL && r->z != NULL &&
                     r->w != NULL && r->z2 != NULL;
    return all ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* d as a wire: the top bit of the sum of both shares without the `blind` lowest bits, rounded at
 * the server (mpc.h), and its labels exchanged. CT: leaks n and the widths. */
static void relu_sign(struct relu *r, const uint64_t *in, const uint64_t *negative, size_t n)
{
    struct garble *g = &r->g;
    const unsigned bits = r->k - r->blind;
    if (g->garbler) {
        const uint64_t half = r->blind > 0 ? (uint64_t)1 << (r->blind - 1) : 0;
        for (size_t i = 0; i < n; i++)
            r->value[i] = ((in[i] + half) & mpc_ring_mask(r->k)) >> r->blind;
        g->m->kernels->slice(r->plane, mpc_words(n), r->value, n, bits);
    }
    garble_sum(g, r->sign, r->x + r->blind * n, n, r->plane, mpc_words(n), n, bits, false, r->work);
    garble_not(g, r->sign, n);
    if (negative != NULL)
        garble_xor_known(g, r->sign, negative, n);
}

/* value = the server's share as it is multiplied by d, factor = t. */
static void relu_factors(struct relu *r, const uint64_t *in, const uint64_t *negative, size_t n)
{
    const uint64_t top = (uint64_t)1 << (r->k - 1), above = ~mpc_ring_mask(r->k);
    for (size_t i = 0; i < n; i++) {
        const uint64_t wanted = negative != NULL ? negative[i / 64] >> (i % 64) & 1 : 0;
        r->value[i] = ((in[i] ^ top) - top) | (above & mask_from_bit(wanted));
        r->factor[i] = 2 * ((in[i] >> (r->k - 1) & 1) ^ wanted) - 1;
    }
}

/* out = share of d * x. CT: leaks n and the widths. */
static void relu_output(struct relu *r, uint64_t *out, const uint64_t *in, const uint64_t *negative,
                        size_t n)
{
    struct garble *g = &r->g;
    const unsigned k = r->k, l = r->l, high = l - k + 1;
    const uint64_t low = mpc_ring_mask(k - 1);
    if (g->garbler)
        relu_factors(r, in, negative, n);
    else
        g->m->kernels->slice(r->plane, mpc_words(n), in, n, k);
    garble_pads(g, &r->pads, r->sign, n);
    garble_project(g, r->z, &r->pads, r->sign, NULL, n, (struct garble_slice){0, l});
    garble_project(g, r->w, &r->pads, r->sign, r->value, n, (struct garble_slice){1, l});
    garble_pads(g, &r->pads, r->sign, n); /* under tweaks of its own */
    garble_project(g, r->z2, &r->pads, r->sign, r->factor, n, (struct garble_slice){0, high});
    for (size_t i = 0; i < n; i++) {
        const uint64_t bit = mask_from_bit(in[i] >> (k - 1));
        const uint64_t share = r->w[i] + (in[i] & low) * r->z[i] + ((r->z2[i] << (k - 1)) & bit);
        out[i] = g->garbler ? 0 - r->w[i] : share; /* who garbles is public */
    }
    for (unsigned i = 0; i < k; i++) {
        const bool top = i + 1 == k;
        garble_pads(g, &r->pads, r->x + i * n, n);
        garble_transfer(g, out, &r->pads, top ? r->z2 : r->z, r->plane + i * mpc_words(n), n, i,
                        (struct garble_slice){0, l - i});
    }
    for (size_t i = 0; i < n; i++)
        out[i] &= mpc_ring_mask(l);
}

/* out = share of 2*d - 1. CT: leaks n and the widths. */
static void sign_output(struct relu *r, uint64_t *out, const uint64_t *in, const uint64_t *negative,
                        size_t n)
{
    struct garble *g = &r->g;
    (void)in, (void)negative;
    garble_pads(g, &r->pads, r->sign, n);
    garble_project(g, r->z, &r->pads, r->sign, NULL, n, (struct garble_slice){0, r->l - 1});
    for (size_t i = 0; i < n; i++)
        out[i] = (g->garbler ? 0 - 2 * r->z[i] - 1 : 2 * r->z[i]) & mpc_ring_mask(r->l);
}

static mp2ml_status relu_block(struct relu *r, uint64_t *out, const uint64_t *in,
                               const uint64_t *negative, size_t n)
{
    TRACE(r->g.m->trace, GARBLE, n);
    TRY(garble_frame_begin(&r->g, n * yao_sign_blocks(r->k, r->blind), n * r->row_bits));
    for (unsigned i = r->first; i < r->k; i++)
        garble_input(&r->g, r->x + i * n, n);
    relu_sign(r, in, negative, n);
    r->output(r, out, in, negative, n);
    return garble_frame_end(&r->g);
}

static size_t block_of(size_t n, size_t done)
{
    return n - done < GARBLE_LANES ? n - done : GARBLE_LANES;
}

static mp2ml_status relu_group(struct relu *r, uint64_t *out, const uint64_t *in,
                               const uint64_t *negative, size_t n)
{
    TRY(garble_choices_begin(&r->g, n * (r->k - r->first)));
    for (size_t done = 0; !r->g.garbler && done < n; done += GARBLE_LANES) {
        const size_t block = block_of(n, done);
        r->g.m->kernels->slice(r->plane, mpc_words(block), in + done, block, r->k);
        for (unsigned i = r->first; i < r->k; i++)
            garble_choices_add(&r->g, r->plane + i * mpc_words(block), block);
    }
    TRY(garble_choices_end(&r->g));
    for (size_t done = 0; done < n; done += GARBLE_LANES)
        TRY(relu_block(r, out + done, in + done, negative != NULL ? negative + done / 64 : NULL,
                       block_of(n, done)));
    return garble_group_end(&r->g);
}

static mp2ml_status relu_all(struct relu *r, struct mpc *m, uint16_t step, uint64_t *out,
                             const uint64_t *in, const uint64_t *negative, size_t n)
{
    mp2ml_status status = MP2ML_OK;
    const size_t group = yao_values_group(r->k - r->first);
    TRY_OUT(relu_take(r, m, step));
    for (size_t done = 0; done < n; done += group)
        TRY_OUT(relu_group(r, out + done, in + done, negative != NULL ? negative + done / 64 : NULL,
                           n - done < group ? n - done : group));
out:
    garble_end(&r->g);
    return mpc_end(m, status, out, n);
}

mp2ml_status yao_relu(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                      const uint64_t *negative, size_t n, unsigned k, unsigned l, unsigned blind)
{
    struct relu r = {
        .k = k, .l = l, .blind = blind, .row_bits = yao_relu_row_bits(k, l), .output = relu_output};
    return relu_all(&r, m, step, out, in, negative, n);
}

mp2ml_status yao_sign(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                      const uint64_t *negative, size_t n, unsigned k, unsigned l, unsigned blind)
{
    struct relu r = {.k = k,
                     .l = l,
                     .blind = blind,
                     .first = blind,
                     .row_bits = yao_sign_row_bits(l),
                     .output = sign_output};
    return relu_all(&r, m, step, out, in, negative, n);
}
