/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 [FIPS 180-4] of sixteen strings side by side, for the tables of crypto_kernels.h only:
 * one hash alone waits for the latency of each round. */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_PARTS 16

/* sha256_parts of crypto_kernels.h, where CPU_AVX512 is there. */
void sha256_parts_avx512(uint8_t *out, const uint8_t *data, size_t bytes);

#endif
