/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries of the AES-NI table (crypto_kernels.h) that stand in a file of their own. */
#ifndef CRYPTO_CRYPTO_TCCR_AESNI_H
#define CRYPTO_CRYPTO_TCCR_AESNI_H

#include "crypto/block.h"

void crypto_tccr_aesni(struct block *out, const struct block *in, const struct block *key,
                       uint64_t tweak, size_t n, unsigned per);
void crypto_tccr_pair_aesni(struct block *out0, struct block *out1, const struct block *in,
                            const struct block *offset, const struct block *key, uint64_t tweak,
                            size_t n);
void crypto_tccr_bits_aesni(uint64_t *out0, uint64_t *out1, const struct block *in,
                            const struct block *offset, const struct block *key, uint64_t tweak,
                            size_t n);

#endif
