/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot loops of a ring, and their contract. Every table gives bit-identical results. All arrays
 * hold residues in [0, q) of the prime given, before and after; rows are N long. Callers' rows need
 * only the alignment of uint64_t; the tables inside struct ring_prime are 64-byte aligned.
 * CT: no branch, index or division depends on a residue or a random byte, but in take_below. */
#ifndef RING_RING_KERNELS_H
#define RING_RING_KERNELS_H

#include "ring/ring.h"

struct ring_kernels {
    const char *name;
    /* Words of the kernels' own constants of a prime (prime->table, 64-byte aligned), which
     * table_fill computes once from the constants in front of it; 0 for none. */
    size_t (*table_words)(const struct ring_prime *prime);
    void (*table_fill)(const struct ring_prime *prime, uint64_t *table);
    /* In place, natural order -> index i at psi^(2*brv(i)+1), and back (scaled by 1/N). */
    void (*ntt)(const struct ring_prime *prime, uint64_t *x);
    void (*intt)(const struct ring_prime *prime, uint64_t *x);
    /* out[i] = a[i]*b[i], i < n; out may be a, b or both, else no overlap. Any n. */
    void (*mul)(const struct ring_prime *prime, uint64_t *out, const uint64_t *a, const uint64_t *b,
                size_t n);
    /* sum[i] += a[i]*b[i], i < n; sum overlaps neither. Any n. */
    void (*mul_add)(const struct ring_prime *prime, uint64_t *sum, const uint64_t *a,
                    const uint64_t *b, size_t n);
    /* ring_from_small, ring_add_small, ring_sample_ternary, ring_sample_noise of ring.h. */
    void (*from_small)(const struct ring_prime *prime, uint64_t *out, const int8_t *small,
                       size_t n);
    void (*add_small)(const struct ring_prime *prime, uint64_t *x, const int8_t *small, size_t n);
    void (*sample_ternary)(int8_t *small, const uint8_t *random, size_t n);
    void (*sample_noise)(int8_t *small, const uint8_t *random, size_t n);
    /* Reads n fields as wide as q from bit `at` of bytes[size] on, which holds them, writes those
     * below q to out[0], out[1] ... in order, and returns how many. out[n] is scratch. For public
     * bytes: branches on them. */
    size_t (*take_below)(const struct modulus *mod, uint64_t *out, const uint8_t *bytes,
                         size_t size, size_t at, size_t n);
};

/* The specification; always there. */
const struct ring_kernels *ring_kernels_portable(void);
/* NULL below CPU_AVX2, or without FMA; NULL below CPU_AVX512. */
const struct ring_kernels *ring_kernels_avx2(void);
const struct ring_kernels *ring_kernels_avx512(void);

/* ring_new takes the best of them; this one takes the caller's choice. */
MUST_CHECK mp2ml_status ring_new_with(struct ring **out, unsigned log_n, const uint64_t *q,
                                      unsigned primes, const struct ring_kernels *kernels);

#endif
