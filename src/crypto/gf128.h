/* SPDX-License-Identifier: Apache-2.0
 *
 * GF(2^128) = GF(2)[x] / (x^128 + x^7 + x^2 + x + 1) for consistency checks. Bit i of a block, seen
 * as a 128-bit little-endian integer, is the coefficient of x^i (not GHASH's reflected order). */
#ifndef CRYPTO_GF128_H
#define CRYPTO_GF128_H

#include "crypto/block.h"

/* *out = *a * *b; out may be a or b. CT: time depends on nothing. */
void crypto_gf128_mul(const struct crypto_kernels *k, struct block *out, const struct block *a,
                      const struct block *b);
/* acc ^= a[0]*b[0] ^ ... ^ a[n-1]*b[n-1], not reduced: acc[0] holds x^0..x^127, acc[1] the rest.
 * CT: time depends on n only. */
void crypto_gf128_accumulate(const struct crypto_kernels *k, struct block acc[2],
                             const struct block *a, const struct block *b, size_t n);
/* The element that acc stands for. CT: time depends on nothing. */
struct block crypto_gf128_reduce(const struct block acc[2]);

#endif
