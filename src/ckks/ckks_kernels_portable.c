/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of linear algebra under encryption in plain C. */
#include "ckks/ckks_kernels.h"

/* ---- matrix product -----------------------------------------------------------------------
 *
 * Sums are kept in 64 bits, unreduced, over BLOCK columns. Weights are signed and arithmetic is
 * modulo 2^64; each sum starts at a multiple of q that keeps it positive:
 *   |sum of products| <= 1024 * 1023 * (2^42 - 1) < 2^62 <= start < 2^62 + q,
 *   0 < start + carry + sum < 2^63 + 2q < 2^64,       carry < q from the block before. */
#define BLOCK 1024
#define TILE_ROWS 4
#define TILE_WIDTH 256 /* a row of sums fills 2 KiB */

/* The sums of `rows` rows over the columns [from, to). Two columns at a time: one load and one
 * store of a sum serve two products, one load of an input serves all rows. */
static inline __attribute__((always_inline)) void
accumulate(uint64_t sum[][TILE_WIDTH], const uint64_t *in, size_t in_stride, const uint32_t *index,
           const int16_t *weights, size_t cols, size_t from, size_t to, size_t rows, size_t width)
{
    size_t c = from;
    for (; c + 2 <= to; c += 2) {
        const uint64_t *x = in + index[c] * in_stride, *y = in + index[c + 1] * in_stride;
        uint64_t w[TILE_ROWS], v[TILE_ROWS];
        for (size_t r = 0; r < rows; r++) {
            w[r] = (uint64_t)(int64_t)weights[r * cols + c];
            v[r] = (uint64_t)(int64_t)weights[r * cols + c + 1];
        }
        for (size_t j = 0; j < width; j++)
            for (size_t r = 0; r < rows; r++)
                sum[r][j] += w[r] * x[j] + v[r] * y[j];
    }
    for (; c < to; c++) {
        const uint64_t *x = in + index[c] * in_stride;
        for (size_t r = 0; r < rows; r++) {
            const uint64_t w = (uint64_t)(int64_t)weights[r * cols + c];
            for (size_t j = 0; j < width; j++)
                sum[r][j] += w * x[j];
        }
    }
}

/* CT: every weight is multiplied, zeros too. */
static void portable_matrix_tile(const struct modulus *mod, uint64_t *out, size_t out_stride,
                                 const uint64_t *in, size_t in_stride, const uint32_t *index,
                                 const int16_t *weights, size_t rows, size_t cols, size_t width)
{
    const uint64_t start = (((uint64_t)1 << 62) / mod->q + 1) * mod->q;
    uint64_t sum[TILE_ROWS][TILE_WIDTH];
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            sum[r][j] = 0;
    for (size_t from = 0; from < cols; from += BLOCK) {
        size_t to = cols - from < BLOCK ? cols : from + BLOCK;
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < width; j++)
                sum[r][j] += start;
        /* A constant number of rows lets the compiler unroll the loop over them. */
        if (rows == 4)
            accumulate(sum, in, in_stride, index, weights, cols, from, to, 4, width);
        else if (rows == 3)
            accumulate(sum, in, in_stride, index, weights, cols, from, to, 3, width);
        else if (rows == 2)
            accumulate(sum, in, in_stride, index, weights, cols, from, to, 2, width);
        else
            accumulate(sum, in, in_stride, index, weights, cols, from, to, 1, width);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < width; j++)
                sum[r][j] = modulus_reduce(mod, sum[r][j]);
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            out[r * out_stride + j] = sum[r][j];
}

/* ---- products of polynomials ----------------------------------------------------------------
 *
 * Sums of products of n-bit numbers in 128 bits, unreduced over PRODUCTS of them: below
 * 2^13 * 2^2n + q, which modulus_reduce takes up to 2^(n+61), n <= 42. */
#define PRODUCTS 4095
#define LINE 8

/* CT: every product is made, those with zero too. */
static void portable_image_products(const struct modulus *mod, uint64_t *out, const uint64_t *start,
                                    const uint64_t *in, size_t in_stride, const uint64_t *polys,
                                    size_t poly_stride, const struct ckks_product *products,
                                    size_t count, size_t width)
{
    for (size_t j = 0; j < width; j += LINE) {
        ring_u128 sum[LINE];
        for (size_t b = 0; b < LINE; b++)
            sum[b] = start != NULL ? start[j + b] : 0;
        for (size_t from = 0; from < count; from += PRODUCTS) {
            const size_t to = count - from < PRODUCTS ? count : from + PRODUCTS;
            for (size_t i = from; i < to; i++) {
                const uint64_t *x = in + products[i].in * in_stride + j;
                const uint64_t *w = polys + products[i].poly * poly_stride + j;
                for (size_t b = 0; b < LINE; b++)
                    sum[b] += (ring_u128)x[b] * w[b];
            }
            for (size_t b = 0; b < LINE; b++)
                sum[b] = modulus_reduce(mod, sum[b]);
        }
        for (size_t b = 0; b < LINE; b++)
            out[j + b] = (uint64_t)sum[b];
    }
}

/* ---- encoding -------------------------------------------------------------------------------
 *
 * E(x) = floor((q*x + 2^(l-1)) / 2^l). With q = high*2^l + low:
 *   E(x) = high*x + floor((low*x + 2^(l-1)) / 2^l),
 * exactly, since high*x is an integer. low*x < 2^(2l) <= 2^96 and E(x) <= q fit 128 bits. E(x) < q,
 * because q / 2^l > 1/2 for every set and l, so one prime needs no reduction. */

/* CT: leaks nothing but l and the sizes. */
static void portable_encode_add(const struct rns *rns, uint64_t *c, size_t stride,
                                const uint64_t *x, unsigned l, size_t count)
{
    const uint64_t mask = ((uint64_t)1 << l) - 1;
    const uint64_t low = (uint64_t)rns->q & mask, half = (uint64_t)1 << (l - 1);
    const ring_u128 high = rns->q >> l;
    for (size_t j = 0; j < count; j++) {
        const uint64_t v = x[j] & mask;
        const ring_u128 e = high * v + (((ring_u128)low * v + half) >> l);
        if (rns->primes == 1) {
            c[j] = modulus_add(&rns->mod[0], c[j], (uint64_t)e);
            continue;
        }
        for (unsigned p = 0; p < 2; p++) {
            uint64_t *at = c + p * stride + j;
            *at = modulus_add(&rns->mod[p], *at, modulus_reduce(&rns->mod[p], e));
        }
    }
}

/* ---- modulus switch -------------------------------------------------------------------------
 *
 * One prime. q is odd, so for the integer z = 2^bits * C
 *   floor(z/q + 1/2) = floor((2z + q) / 2q) = floor((z + (q-1)/2 + 1/2) / q)
 *                    = floor((z + (q-1)/2) / q),
 * and modulus_div is exact: z < 2^(41+26) is far below its bound 2^(41+61). */
static void switch_one(const struct modulus *mod, uint64_t *out, const uint64_t *c, unsigned bits,
                       size_t count)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1, half = mod->q >> 1;
    for (size_t j = 0; j < count; j++) {
        uint64_t rem;
        out[j] = modulus_div(mod, ((ring_u128)c[j] << bits) + half, &rem) & mask;
    }
}

/* Two primes. C/q = v1/q1 + v2/q2 minus an integer (rns.h), which vanishes mod 2^bits. With
 * 2^bits * v_p = h_p*q_p + rem_p, 0 <= rem_p < q_p:
 *   floor(2^bits*C/q + 1/2) = h1 + h2 + floor(rem1/q1 + rem2/q2 + 1/2)   (mod 2^bits)
 *                           = h1 + h2 + floor(y / 2q),   y = 2*(rem1*q2 + rem2*q1) + q.
 * q <= y < 5q < 2^86, so the last term is 0, 1 or 2: two comparisons, by the sign bits of y - 2q
 * and y - 4q. Nothing was rounded on the way. */
static void switch_two(const struct rns *rns, uint64_t *out, const uint64_t *c, size_t stride,
                       unsigned bits, size_t count)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    const struct modulus *m1 = &rns->mod[0], *m2 = &rns->mod[1];
    const ring_u128 two_q = rns->q << 1, four_q = rns->q << 2;
    for (size_t j = 0; j < count; j++) {
        uint64_t rem1, rem2;
        uint64_t v1 = rns_numerator(rns, 0, c[j]), v2 = rns_numerator(rns, 1, c[stride + j]);
        uint64_t h = modulus_div(m1, (ring_u128)v1 << bits, &rem1);
        h += modulus_div(m2, (ring_u128)v2 << bits, &rem2);
        ring_u128 y = (((ring_u128)rem1 * m2->q + (ring_u128)rem2 * m1->q) << 1) + rns->q;
        h += 2 - (uint64_t)((y - two_q) >> 127) - (uint64_t)((y - four_q) >> 127);
        out[j] = h & mask;
    }
}

/* CT: leaks nothing but the sizes. */
static void portable_switch_bits(const struct rns *rns, uint64_t *out, const uint64_t *c,
                                 size_t stride, unsigned bits, size_t count)
{
    if (rns->primes == 1)
        switch_one(&rns->mod[0], out, c, bits, count);
    else
        switch_two(rns, out, c, stride, bits, count);
}

const struct ckks_kernels *ckks_kernels_portable(void)
{
    static const struct ckks_kernels kernels = {
        .name = "portable",
        .tile_rows = TILE_ROWS,
        .tile_width = TILE_WIDTH,
        .matrix_tile = portable_matrix_tile,
        .image_products = portable_image_products,
        .encode_add = portable_encode_add,
        .switch_bits = portable_switch_bits,
    };
    return &kernels;
}
