/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of crypto's hot loops. crypto_kernels_portable.c is the specification; every other
 * table gives the same bits. No pointer needs alignment beyond its type's. CT: the time of all
 * kernels depends on sizes only, never on keys, blocks or tweaks. */
#ifndef CRYPTO_KERNELS_H
#define CRYPTO_KERNELS_H

#include <stdbool.h>

#include "crypto/block.h"

struct crypto_kernels {
    const char *name;

    /* out[0..bytes) = the front of AES-128_key(offset) | AES-128_key(offset + 1) | ..., counters as
     * 128-bit little-endian integers. Any size; out does not overlap the key. */
    void (*stream)(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset);

    /* stream_fold of prg.h. */
    void (*stream_fold)(struct block *planes, struct block *sum, const struct block *keys,
                        uint64_t offset, size_t blocks, size_t stride, unsigned bits);

    /* MITCCRH as in tccr.h: out[i*per + j] = AES-128_K(y) ^ y with y = sigma(in[i*per + j]) and
     * K = *key ^ (tweak + i), for i < n, j < per; per = 1, 2 or 4. out = in or disjoint. */
    void (*tccr)(struct block *out, const struct block *in, const struct block *key, uint64_t tweak,
                 size_t n, unsigned per);

    /* out0[i] = H(in[i], tweak + i), out1[i] = H(in[i] ^ *offset, tweak + i), i < n, by the same
     * definition. Nothing overlaps. */
    void (*tccr_pair)(struct block *out0, struct block *out1, const struct block *in,
                      const struct block *offset, const struct block *key, uint64_t tweak,
                      size_t n);

    /* Bit 0 of each of these hashes alone, packed: bit i % 64 of out0[i / 64]; the rest of the last
     * word is zero. out1 may be NULL, and offset with it. Nothing overlaps. */
    void (*tccr_bits)(uint64_t *out0, uint64_t *out1, const struct block *in,
                      const struct block *offset, const struct block *key, uint64_t tweak,
                      size_t n);

    /* acc ^= sum of a[i] * b[i] as polynomials over GF(2), 256 bits, not reduced. acc overlaps
     * neither input. */
    void (*gf128_accumulate)(struct block acc[2], const struct block *a, const struct block *b,
                             size_t n);

    /* out[32*i ..] = SHA-256 of the i-th of sixteen strings of `bytes` bytes that follow one
     * another. NULL in tables that do it no faster than OpenSSL. */
    void (*sha256_parts)(uint8_t *out, const uint8_t *data, size_t bytes);

    /* The fifteen round keys of AES-256, and out[16*i ..] = AES-256 of the block first | index + i
     * for i < blocks, two u64: little-endian or, where `swap`, the second big-endian. Both NULL in
     * tables that do it no faster than OpenSSL. */
    void (*aes256_expand)(uint8_t keys[240], const uint8_t key[32]);
    void (*aes256_blocks)(uint8_t *out, size_t blocks, const uint8_t keys[240], uint64_t first,
                          uint64_t index, bool swap);
};

const struct crypto_kernels *crypto_kernels_portable(void);
/* AES-NI and PCLMULQDQ; NULL when cpu_has_aes() is false. */
const struct crypto_kernels *crypto_kernels_avx2(void);
/* VAES and VPCLMULQDQ on 512 bits; NULL when cpu_level() is below CPU_AVX512. */
const struct crypto_kernels *crypto_kernels_avx512(void);

#endif
