/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of a table, and the calls that go through one. */
#include "crypto/crypto_kernels.h"

#include <string.h>

#include "crypto/gf128.h"
#include "crypto/prg.h"

const struct crypto_kernels *crypto_kernels_pick(void)
{
    const struct crypto_kernels *k = crypto_kernels_avx512();
    if (k == NULL)
        k = crypto_kernels_avx2();
    return k != NULL ? k : crypto_kernels_portable();
}

void stream_expand(const struct crypto_kernels *k, uint8_t *out, size_t bytes,
                   const struct block *seed, uint64_t offset_blocks)
{
    k->stream(out, bytes, seed, offset_blocks);
}

void stream_fold(const struct crypto_kernels *k, struct block *planes, struct block *sum,
                 const struct block *seeds, uint64_t offset_blocks, size_t blocks, size_t stride,
                 unsigned bits)
{
    k->stream_fold(planes, sum, seeds, offset_blocks, blocks, stride, bits);
}

void crypto_gf128_accumulate(const struct crypto_kernels *k, struct block acc[2],
                             const struct block *a, const struct block *b, size_t n)
{
    k->gf128_accumulate(acc, a, b, n);
}

struct block crypto_gf128_reduce(const struct block acc[2])
{
    /* x^128 = x^7 + x^2 + x + 1 =: p. The upper half times p has 135 bits: fold it, then fold the
     * 7 bits that reach x^128 and above once more. */
    const struct block h = acc[1];
    uint64_t over = h.hi >> 63 ^ h.hi >> 62 ^ h.hi >> 57;
    struct block r = acc[0];
    r.lo ^= h.lo ^ h.lo << 1 ^ h.lo << 2 ^ h.lo << 7;
    r.hi ^= h.hi ^ h.hi << 1 ^ h.hi << 2 ^ h.hi << 7;
    r.hi ^= h.lo >> 63 ^ h.lo >> 62 ^ h.lo >> 57;
    r.lo ^= over ^ over << 1 ^ over << 2 ^ over << 7;
    return r;
}

void crypto_gf128_mul(const struct crypto_kernels *k, struct block *out, const struct block *a,
                      const struct block *b)
{
    struct block acc[2] = {{0, 0}, {0, 0}};
    k->gf128_accumulate(acc, a, b, 1);
    *out = crypto_gf128_reduce(acc);
}
