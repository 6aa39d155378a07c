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
#define CKKS_PARALLEL_WORDS 16384
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

#endif
