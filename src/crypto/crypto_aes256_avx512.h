/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-256 for crypto_kernels_avx512.c. */
#ifndef CRYPTO_CRYPTO_AES256_AVX512_H
#define CRYPTO_CRYPTO_AES256_AVX512_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void crypto_aes256_expand_avx512(uint8_t keys[240], const uint8_t key[32]);
void crypto_aes256_blocks_avx512(uint8_t *out, size_t blocks, const uint8_t keys[240],
                                 uint64_t first, uint64_t index, bool swap);

#endif
