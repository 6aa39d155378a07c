/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's loops in plain C. The transforms are the merged negacyclic ones: Cooley-Tukey forward,
 * Gentleman-Sande back, powers of psi in bit-reversed order, so no twisting pass is needed.
 * Butterflies are lazy in Harvey's manner; with q < 2^50 all lazy values stay below 2^52. */
#include "ring/ring_kernels.h"

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
    };
    return &table;
}
