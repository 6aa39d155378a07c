/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries of the AVX-512 table that stand in crypto_tccr_avx512.c; contracts in crypto_kernels.h.
 */
#ifndef CRYPTO_CRYPTO_TCCR_AVX512_H
#define CRYPTO_CRYPTO_TCCR_AVX512_H

#include "crypto/crypto_kernels.h"

#if defined(__x86_64__)
/* tccr with per = 1. */
void crypto_tccr_one_avx512(struct block *out, const struct block *in, const struct block *key,
                            uint64_t tweak, size_t n);
void crypto_tccr_pair_avx512(struct block *out0, struct block *out1, const struct block *in,
                             const struct block *offset, const struct block *key, uint64_t tweak,
                             size_t n);
void crypto_tccr_bits_avx512(uint64_t *out0, uint64_t *out1, const struct block *in,
                             const struct block *offset, const struct block *key, uint64_t tweak,
                             size_t n);
#endif

#endif
