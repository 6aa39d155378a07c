/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's loops in plain C. The transforms are the merged negacyclic ones: Cooley-Tukey forward,
 * Gentleman-Sande back, powers of psi in bit-reversed order, so no twisting pass is needed.
 * Butterflies are lazy in Harvey's manner; with q < 2^50 all lazy values stay below 2^52. */
#include "ring/ring_kernels.h"

#include "base/bytes.h"

static size_t no_table(const struct ring_prime *prime)
{
    (void)prime;
    return 0;
}

static void fill_nothing(const struct ring_prime *prime, uint64_t *table)
{
    (void)prime;
    (void)table;
}

/* One forward stage: pairs (x, y), t apart, x, y in [0, 4q) -> (x + w*y, x - w*y) in [0, 4q).
 * x drops below 2q first; w*y is in [0, 2q), so x + w*y < 4q and 0 < x - w*y + 2q < 4q. */
static void forward_stage(const struct ring_prime *prime, uint64_t *a, size_t m, size_t t)
{
    const uint64_t q = prime->mod.q, two_q = 2 * q;
    for (size_t i = 0; i < m; i++) {
        const uint64_t w = prime->root[m + i], shoup = prime->root_shoup[m + i];
        uint64_t *x = a + 2 * i * t, *y = x + t;
        for (size_t j = 0; j < t; j++) {
            uint64_t u = modulus_sub_once(x[j], two_q);
            uint64_t v = modulus_mul_shoup_lazy(q, y[j], w, shoup);
            x[j] = u + v;
            y[j] = u - v + two_q;
        }
    }
}

static void portable_ntt(const struct ring_prime *prime, uint64_t *a)
{
    const uint64_t q = prime->mod.q;
    for (size_t m = 1, t = prime->n / 2; t != 0; m *= 2, t /= 2)
        forward_stage(prime, a, m, t);
    for (size_t i = 0; i < prime->n; i++)
        a[i] = modulus_sub_once(modulus_sub_once(a[i], 2 * q), q);
}

/* One inverse stage: x, y in [0, 2q) -> (x + y, (x - y)*w) in [0, 2q). */
static void inverse_stage(const struct ring_prime *prime, uint64_t *a, size_t h, size_t t)
{
    const uint64_t q = prime->mod.q, two_q = 2 * q;
    for (size_t i = 0; i < h; i++) {
        const uint64_t w = prime->inv_root[h + i], shoup = prime->inv_root_shoup[h + i];
        uint64_t *x = a + 2 * i * t, *y = x + t;
        for (size_t j = 0; j < t; j++) {
            uint64_t u = x[j], v = y[j];
            x[j] = modulus_sub_once(u + v, two_q);
            y[j] = modulus_mul_shoup_lazy(q, u - v + two_q, w, shoup);
        }
    }
}

static void portable_intt(const struct ring_prime *prime, uint64_t *a)
{
    const uint64_t q = prime->mod.q, two_q = 2 * q;
    const size_t half = prime->n / 2;
    for (size_t h = half, t = 1; h > 1; h /= 2, t *= 2)
        inverse_stage(prime, a, h, t);
    /* The last stage carries the factor 1/N and reduces fully. */
    for (size_t j = 0; j < half; j++) {
        uint64_t u = a[j], v = a[j + half];
        a[j] =
            modulus_sub_once(modulus_mul_shoup_lazy(q, u + v, prime->inv_n, prime->inv_n_shoup), q);
        a[j + half] = modulus_sub_once(
            modulus_mul_shoup_lazy(q, u - v + two_q, prime->last_root, prime->last_root_shoup), q);
    }
}

static void portable_mul(const struct ring_prime *prime, uint64_t *out, const uint64_t *a,
                         const uint64_t *b, size_t n)
{
    const struct modulus mod = prime->mod;
    for (size_t i = 0; i < n; i++)
        out[i] = modulus_mul(&mod, a[i], b[i]);
}

static void portable_mul_add(const struct ring_prime *prime, uint64_t *sum, const uint64_t *a,
                             const uint64_t *b, size_t n)
{
    const struct modulus mod = prime->mod;
    for (size_t i = 0; i < n; i++) /* a*b + sum < q^2 < 2^(2*bits) */
        sum[i] = modulus_reduce(&mod, (ring_u128)a[i] * b[i] + sum[i]);
}

/* ---- small polynomials --------------------------------------------------------------------- */

/* v mod q for v in [-128, 127]: the sign extended to 64 bits masks q. */
static inline uint64_t small_residue(uint64_t q, int8_t v)
{
    uint64_t wide = (uint64_t)(int64_t)v;
    return wide + (q & (0 - (wide >> 63)));
}

static void portable_from_small(const struct ring_prime *prime, uint64_t *out, const int8_t *small,
                                size_t n)
{
    const uint64_t q = prime->mod.q;
    for (size_t i = 0; i < n; i++)
        out[i] = small_residue(q, small[i]);
}

static void portable_add_small(const struct ring_prime *prime, uint64_t *x, const int8_t *small,
                               size_t n)
{
    const uint64_t q = prime->mod.q;
    for (size_t i = 0; i < n; i++)
        x[i] = modulus_sub_once(x[i] + small_residue(q, small[i]), q);
}

#define DIGITS 32 /* base-3 digits a 128-bit fraction */

/* CT: fixed sequence of multiplications by 3. */
static void portable_sample_ternary(int8_t *small, const uint8_t *random, size_t n)
{
    for (size_t i = 0; i < n; i += DIGITS, random += 16) {
        uint64_t low = load_u64(random), high = load_u64(random + 8);
        for (size_t d = 0; d < DIGITS; d++) {
            /* 3*(high, low): the carry out of 128 bits is the next digit. */
            ring_u128 low3 = (ring_u128)low * 3;
            ring_u128 high3 = (ring_u128)high * 3 + (uint64_t)(low3 >> 64);
            low = (uint64_t)low3;
            high = (uint64_t)high3;
            small[i + d] = (int8_t)((int)(uint64_t)(high3 >> 64) - 1);
        }
    }
}

/* Ones in x, in parallel sums of 2, 4, 8 bits, then one multiplication adds the bytes. */
static inline unsigned count_ones(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((x * 0x0101010101010101u) >> 56);
}

/* CT: fixed sequence of shifts and adds; no table, no library popcount. */
static void portable_sample_noise(int8_t *small, const uint8_t *random, size_t n)
{
    for (size_t i = 0; i < n; i++, random += 6) {
        uint64_t bits = (uint64_t)load_u32(random) | (uint64_t)load_u16(random + 4) << 32;
        small[i] = (int8_t)((int)count_ones(bits & (((uint64_t)1 << 42) - 1)) - 21);
    }
}

static size_t portable_take_below(const struct modulus *mod, uint64_t *out, const uint8_t *bytes,
                                  size_t size, size_t at, size_t n)
{
    (void)size;
    bits_unpack(out, bytes, &at, n, mod->bits);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        out[kept] = out[i];
        kept += out[i] < mod->q;
    }
    return kept;
}

const struct ring_kernels *ring_kernels_portable(void)
{
    static const struct ring_kernels table = {
        .name = "portable",
        .table_words = no_table,
        .table_fill = fill_nothing,
        .ntt = portable_ntt,
        .intt = portable_intt,
        .mul = portable_mul,
        .mul_add = portable_mul_add,
        .from_small = portable_from_small,
        .add_small = portable_add_small,
        .sample_ternary = portable_sample_ternary,
        .sample_noise = portable_sample_noise,
        .take_below = portable_take_below,
    };
    return &table;
}
