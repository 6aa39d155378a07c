/* SPDX-License-Identifier: Apache-2.0
 *
 * ring: arithmetic in R_q = Z_q[X]/(X^N + 1), q a product of at most two primes.
 *
 * Words.
 *   prime     an odd prime q_p < 2^50 with q_p = 1 mod 2N; a polynomial has one row of N residues
 *             a prime, each in [0, q_p), uint64_t: [prime][coefficient]
 *   psi       the least primitive 2N-th root of unity modulo q_p
 *   NTT       the negacyclic transform: index i of the result holds the polynomial's value at
 *             psi^(2*brv(i) + 1), brv = reversal of log2(N) bits. Products are then pointwise.
 *   small     a polynomial with coefficients in [-128, 127], int8_t: keys and noise
 *   lazy      a value correct mod q but not fully reduced (range in the comment)
 *   kernels   the table of hot loops that a ring was made with; ring_kernels.h is their contract
 *
 * A struct ring is read-only after ring_new and may be shared by threads. Nothing here allocates
 * afterwards. All arithmetic takes the same time for all values of the coefficients; the one
 * exception, reading uniform residues from a public stream, is marked.
 *
 * Uniform residues. A stream is a string of bits: bit j of it is bit j mod 8 of byte j / 8. It is
 * cut into consecutive fields, LSB first; fields >= q_p are dropped, and the others are the
 * residues at index 0, 1, ... N-1. The fields are as wide as q_p (41 bits for q1 of the parameter
 * sets). With two primes the N residues mod q_1 come first; the first field for q_2 starts at the
 * bit after the last field that was read for q_1. Nothing is aligned in between.
 *
 * Read in this order: modulus.h, this file, ntt.c, ring_kernels.h, ring_kernels_portable.c,
 * sample.c, rns.c. */
#ifndef RING_RING_H
#define RING_RING_H

#include <stddef.h>

#include "base/status.h"
#include "crypto/prg.h"
#include "ring/modulus.h"
#include "ring/rns.h"

#define RING_MAX_PRIMES 2
#define RING_MIN_LOG_N 5
#define RING_MAX_LOG_N 15

struct ring_kernels;

/* One prime with the constants of its transform, N of each table, 64-byte aligned. */
struct ring_prime {
    struct modulus mod;
    unsigned log_n;
    size_t n;
    uint64_t psi;
    uint64_t *root;                      /* root[i] = psi^brv(i) */
    uint64_t *root_shoup;                /* Shoup companions */
    uint64_t *inv_root;                  /* inv_root[i] = psi^-brv(i) */
    uint64_t *inv_root_shoup;            /* Shoup companions */
    uint64_t inv_n, inv_n_shoup;         /* N^-1 */
    uint64_t last_root, last_root_shoup; /* N^-1 * inv_root[1], for the last inverse stage */
    uint64_t *table;                     /* the kernels' own, or NULL */
};

struct ring {
    unsigned log_n;
    size_t n;
    unsigned primes;
    struct ring_prime prime[RING_MAX_PRIMES];
    struct rns rns;
    const struct ring_kernels *kernels;
};

/* ERR_ARGUMENT unless every q is 1 mod 2N, prime enough to have a primitive 2N-th root, of 21 to 50
 * bits, and they differ. */
MUST_CHECK mp2ml_status ring_new(struct ring **out, unsigned log_n, const uint64_t *q,
                                 unsigned primes);
void ring_free(struct ring *ring);

/* ---- transforms and pointwise arithmetic, one prime's row of N residues --------------------- */

/* In place; input and output in [0, q). */
void ring_ntt(const struct ring *ring, unsigned p, uint64_t *x);
void ring_intt(const struct ring *ring, unsigned p, uint64_t *x);
/* out = a*b; out may be a or b. */
void ring_mul(const struct ring *ring, unsigned p, uint64_t *out, const uint64_t *a,
              const uint64_t *b);
/* sum += a*b; sum is neither a nor b. */
void ring_mul_add(const struct ring *ring, unsigned p, uint64_t *sum, const uint64_t *a,
                  const uint64_t *b);
/* out = a - b on the first `count` entries; out may be a or b. */
void ring_sub(const struct ring *ring, unsigned p, uint64_t *out, const uint64_t *a,
              const uint64_t *b, size_t count);
/* out = residues of a small polynomial's first `count` coefficients. */
void ring_from_small(const struct ring *ring, unsigned p, uint64_t *out, const int8_t *small,
                     size_t count);
/* x += a small polynomial, on the first `count` entries. */
void ring_add_small(const struct ring *ring, unsigned p, uint64_t *x, const int8_t *small,
                    size_t count);

/* ---- samplers: fresh random bytes in, small polynomials out --------------------------------- */

/* Uniform in {-1, 0, 1}: n/2 bytes make n coefficients (n a multiple of 32). Each 16 bytes, read as
 * a little-endian fraction f in [0, 1) of 128 bits, give 32 coefficients: the digits of f in base
 * 3, most significant first, minus 1. Every one of the 3^32 digit strings has 2^128/3^32 fractions,
 * up to one: statistical distance from uniform below 3^32 / 2^129 < 2^-78 a group, 2^-71 for 4,096
 * coefficients. CT: nothing leaks; the same work for all bytes. */
#define RING_TERNARY_BYTES(n) ((size_t)(n) / 2)
void ring_sample_ternary(const struct ring *ring, int8_t *small, const uint8_t *random, size_t n);

/* Centred binomial with eta = 21, variance 21/2: 6 bytes a coefficient, the number of ones among
 * the low 42 of 48 bits minus 21. (21 bits minus 21 bits has that law: a bit b that is subtracted
 * counts as the complement 1 - b, less 1.) CT: nothing leaks; popcount by shifts and adds. */
#define RING_NOISE_BYTES(n) ((size_t)(n)*6)
void ring_sample_noise(const struct ring *ring, int8_t *small, const uint8_t *random, size_t n);

/* ---- uniform residues from a public stream ("Uniform residues" above); branches on them -------
 */

/* Bytes, a multiple of 16, that hold the fields of a polynomial and 32 fields to spare a prime. */
size_t ring_uniform_bytes(size_t n, const unsigned *q_bits, unsigned primes);
/* out[primes][n] from the first `size` bytes of a stream, size a multiple of 16; false (out is then
 * undefined) when they run out. */
bool ring_uniform_parse(const struct ring *ring, uint64_t *out, const uint8_t *bytes, size_t size);
/* The same straight from XOF counter `ctr`, however many fields it takes; slower. */
MUST_CHECK mp2ml_status ring_uniform_read(const struct ring *ring, uint64_t *out, struct xof *x,
                                          uint64_t ctr);

#endif
