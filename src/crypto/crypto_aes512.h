/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-128 on 512-bit registers, for the AVX-512 files of this folder only. A *quad* is four blocks
 * in one register.
 *
 * SubWord(RotWord(w)) of a key schedule is AESENCLAST of a suitably permuted block, which also adds
 * the round constant. Schedules come in two forms:
 *
 *   by lanes   a quad of four keys, as AESENC wants them: 6 instructions a round for 4 keys
 *   by words   w[c] = column c of 16 keys, one in each 32 bits: 6 instructions a round for 16 keys,
 *              and 8 to bring them into lanes. Key 4*lane + j of w is lane `lane` of quad j. */
#ifndef CRYPTO_CRYPTO_AES512_H
#define CRYPTO_CRYPTO_AES512_H

#include <immintrin.h>

#define VAES_SET "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,vaes,vpclmulqdq,gfni,aes,pclmul"
#define VAES __attribute__((target(VAES_SET)))
#define INLINE_VAES __attribute__((target(VAES_SET), always_inline)) static inline

#define XOR3 0x96 /* the truth table of a ^ b ^ c */

/* The round constant of round r, counted from 0, in byte 0 of each column. */
INLINE_VAES __m512i aes512_constant(unsigned r)
{
    static const int constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    return _mm512_set1_epi32(constants[r]);
}

/* By lanes: the key of round r + 1 from that of round r. */
INLINE_VAES __m512i aes512_next_lanes(__m512i k, unsigned r)
{
    const __m512i rotate = _mm512_set1_epi32(0x0c0f0e0d); /* bytes 13, 14, 15, 12 of the key */
    const __m512i t = _mm512_aesenclast_epi128(_mm512_shuffle_epi8(k, rotate), aes512_constant(r));
    k = _mm512_xor_si512(k, _mm512_bslli_epi128(k, 4)); /* columns 0, 0+1, 1+2, 2+3 */
    return _mm512_ternarylogic_epi64(k, _mm512_bslli_epi128(k, 8), t, XOR3);
}

/* By words: the same. ShiftRows would move byte r of column d to column d - r, so the permutation
 * puts it r columns further on first, rotated by one row for RotWord. */
INLINE_VAES void aes512_next_words(__m512i w[4], unsigned r)
{
    const __m512i rotate =
        _mm512_broadcast_i32x4(_mm_set_epi8(0, 7, 10, 13, 12, 3, 6, 9, 8, 15, 2, 5, 4, 11, 14, 1));
    const __m512i t =
        _mm512_aesenclast_epi128(_mm512_shuffle_epi8(w[3], rotate), aes512_constant(r));
    const __m512i two = _mm512_xor_si512(w[0], w[1]); /* t, which is late, comes last */
    const __m512i three = _mm512_xor_si512(two, w[2]);
    w[0] = _mm512_xor_si512(w[0], t);
    w[1] = _mm512_xor_si512(two, t);
    w[2] = _mm512_xor_si512(three, t);
    w[3] = _mm512_ternarylogic_epi64(three, w[3], t, XOR3);
}

/* From words to lanes: a 4x4 transpose of 32-bit words in each 128 bits. */
INLINE_VAES void aes512_lanes(__m512i k[4], const __m512i w[4])
{
    const __m512i a = _mm512_unpacklo_epi32(w[0], w[1]);
    const __m512i b = _mm512_unpacklo_epi32(w[2], w[3]);
    const __m512i c = _mm512_unpackhi_epi32(w[0], w[1]);
    const __m512i d = _mm512_unpackhi_epi32(w[2], w[3]);
    k[0] = _mm512_unpacklo_epi64(a, b);
    k[1] = _mm512_unpackhi_epi64(a, b);
    k[2] = _mm512_unpacklo_epi64(c, d);
    k[3] = _mm512_unpackhi_epi64(c, d);
}

/* Word 0 (half = 0) or 2 (half = 1) of each lane of four quads, in the order of words. */
INLINE_VAES __m512i aes512_word(const __m512i k[4], unsigned half)
{
    const __m512i a =
        half == 0 ? _mm512_unpacklo_epi32(k[0], k[1]) : _mm512_unpackhi_epi32(k[0], k[1]);
    const __m512i b =
        half == 0 ? _mm512_unpacklo_epi32(k[2], k[3]) : _mm512_unpackhi_epi32(k[2], k[3]);
    return _mm512_unpacklo_epi64(a, b);
}

INLINE_VAES __m512i aes512_broadcast(const struct block *b)
{
    return _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)(const void *)b));
}

#endif
