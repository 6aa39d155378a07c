/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the insides of the handles, and the chunk in which rows are
 * worked on. Random bytes of a chunk are drawn by one thread, in the order of the rows; the rows
 * themselves may then run in parallel, with the same result for any number of threads. */
#ifndef CKKS_CKKS_CONTEXT_H
#define CKKS_CKKS_CONTEXT_H

#include "ckks/ckks.h"
#include "ckks/ckks_hooks.h"
#include "ckks/ckks_kernels.h"
#include "ring/ring.h"

/* Most ciphertexts that share one drawing of randomness and one run of threads. */
#define CKKS_CHUNK 32

static inline size_t ckks_chunk(size_t count)
{
    return count < CKKS_CHUNK ? count : CKKS_CHUNK;
}

/* Runs a loop's iterations in parallel where the compiler has OpenMP and the loop has at least
 * CKKS_PARALLEL_WORDS words of work, below which waking threads costs more. */
#define CKKS_PARALLEL_WORDS 65536
#ifdef _OPENMP
#define CKKS_PRAGMA(text) _Pragma(#text)
#define CKKS_PARALLEL_FOR(words)                                                                   \
    CKKS_PRAGMA(omp parallel for schedule(dynamic) if ((words) >= CKKS_PARALLEL_WORDS))
#else
#define CKKS_PARALLEL_FOR(words)
#endif

struct ckks {
    const struct ckks_params *params;
    struct ring *ring;
    const struct ckks_kernels *kernels;
#ifdef MP2ML_TEST_HOOKS
    struct ckks_test_hooks hooks;
#endif
};

struct ckks_secret {
    uint64_t *ntt; /* [primes][n], NTT domain, secret_* memory */
};

struct ckks_public_key {
    uint64_t *a, *b; /* [primes][n], NTT domain */
};

/* Words of a ciphertext half: primes * n. */
static inline size_t ckks_words(const struct ckks_params *params)
{
    return params->primes * params->n;
}

/* Stream bytes that a uniform polynomial is read from. */
static inline size_t ckks_uniform_bytes(const struct ckks_params *params)
{
    return ring_uniform_bytes(params->n, params->q_bits, params->primes);
}

/* u and e1, n each, from RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n) random bytes. */
void ckks_sample_zero(const struct ckks *ck, int8_t *u, int8_t *e1, const uint8_t *random);
/* t[n] = c1s*s mod q1. */
void ckks_phase(const struct ckks *ck, const struct ckks_secret *s, uint64_t *t,
                const uint64_t *c1s);
/* round((t mod 2^(k+g)) / 2^g) mod 2^k of t in [0, q1), read as a number around 0: minus q1 above
 * q1/2, by the sign of q1/2 - t. Shifting right drops the wrong top bits of a negative number; only
 * k + g <= 26 low bits are kept. */
static inline uint64_t ckks_round_phase(const struct ckks_params *params, uint64_t t)
{
    const uint64_t q = params->q[0];
    const uint64_t v = t - (q & (0 - ((q / 2 - t) >> 63)));
    return (v + ((uint64_t)1 << (params->guard_bits - 1))) >> params->guard_bits;
}

#endif
