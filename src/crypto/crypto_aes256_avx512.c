/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-256 of counters with VAES: eight quads of blocks in flight, the fifteen round keys in registers
 * beside them. The schedule is FIPS 197's, two round keys a turn: AESKEYGENASSIST gives SubWord of the
 * last column, rotated and with the round constant for the first of them. */
#include "crypto/crypto_aes256_avx512.h"

#if defined(__x86_64__)
#include "crypto/block.h"
#include "crypto/crypto_aes512.h"

#include <string.h>

#define ROUND_KEYS 15
#define QUADS 8

/* Columns 0, 0+1, 0+1+2, 0+1+2+3 of k, each plus t. */
INLINE_VAES __m128i next_key(__m128i k, __m128i t)
{
    k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
    k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
    return _mm_xor_si128(k, t);
}

#define EVEN(a, b, constant)                                                                       \
    next_key(a, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(b, constant), 0xff))
#define ODD(a, b) next_key(a, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(b, 0), 0xaa))

VAES void crypto_aes256_expand_avx512(uint8_t keys[240], const uint8_t key[32])
{
    __m128i k[ROUND_KEYS];
    k[0] = _mm_loadu_si128((const void *)key);
    k[1] = _mm_loadu_si128((const void *)(key + 16));
    k[2] = EVEN(k[0], k[1], 0x01);
    k[3] = ODD(k[1], k[2]);
    k[4] = EVEN(k[2], k[3], 0x02);
    k[5] = ODD(k[3], k[4]);
    k[6] = EVEN(k[4], k[5], 0x04);
    k[7] = ODD(k[5], k[6]);
    k[8] = EVEN(k[6], k[7], 0x08);
    k[9] = ODD(k[7], k[8]);
    k[10] = EVEN(k[8], k[9], 0x10);
    k[11] = ODD(k[9], k[10]);
    k[12] = EVEN(k[10], k[11], 0x20);
    k[13] = ODD(k[11], k[12]);
    k[14] = EVEN(k[12], k[13], 0x40);
    memcpy(keys, k, sizeof k);
    explicit_bzero(k, sizeof k);
}

/* `quads` registers of four counters, encrypted. */
INLINE_VAES void encrypt_quads(__m512i *b, const __m512i *k, unsigned quads)
{
    for (unsigned q = 0; q < quads; q++)
        b[q] = _mm512_xor_si512(b[q], k[0]);
    for (unsigned r = 1; r < ROUND_KEYS - 1; r++)
        for (unsigned q = 0; q < quads; q++)
            b[q] = _mm512_aesenc_epi128(b[q], k[r]);
    for (unsigned q = 0; q < quads; q++)
        b[q] = _mm512_aesenclast_epi128(b[q], k[ROUND_KEYS - 1]);
}

/* The blocks with these numbers in the odd lanes of 64 bits. */
INLINE_VAES __m512i counters(__m512i first, __m512i index, bool swap)
{
    const __m512i bytes = _mm512_set_epi64(0x08090a0b0c0d0e0f, 0, 0x08090a0b0c0d0e0f, 0,
                                           0x08090a0b0c0d0e0f, 0, 0x08090a0b0c0d0e0f, 0);
    if (swap)
        index = _mm512_shuffle_epi8(index, bytes);
    return _mm512_mask_mov_epi64(first, 0xaa, index);
}

VAES void crypto_aes256_blocks_avx512(uint8_t *out, size_t blocks, const uint8_t keys[240],
                                      uint64_t first, uint64_t index, bool swap)
{
    __m512i k[ROUND_KEYS], b[QUADS];
    for (unsigned r = 0; r < ROUND_KEYS; r++)
        k[r] = _mm512_broadcast_i64x2(_mm_loadu_si128((const void *)(keys + 16 * r)));
    const __m512i even = _mm512_set1_epi64((long long)first);
    const __m512i four = _mm512_set1_epi64(4);
    __m512i at = _mm512_add_epi64(_mm512_set1_epi64((long long)index),
                                  _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0));
    for (; blocks >= 4 * QUADS; blocks -= 4 * QUADS, out += 64 * QUADS) {
        for (unsigned q = 0; q < QUADS; q++) {
            b[q] = counters(even, at, swap);
            at = _mm512_add_epi64(at, four);
        }
        encrypt_quads(b, k, QUADS);
        for (unsigned q = 0; q < QUADS; q++)
            _mm512_storeu_si512(out + 64 * q, b[q]);
    }
    while (blocks > 0) {
        const size_t some = blocks < 4 ? blocks : 4;
        b[0] = counters(even, at, swap);
        at = _mm512_add_epi64(at, four);
        encrypt_quads(b, k, 1);
        _mm512_mask_storeu_epi64(out, (__mmask8)((1U << (2 * some)) - 1), b[0]);
        out += 16 * some;
        blocks -= some;
    }
    explicit_bzero(k, sizeof k);
}
#endif
