/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of oblivious transfer on 512-bit registers, sixteen tweaks at a time, their key schedule
 * by words. In a batch, block 4*j + lane is lane `lane` of quad j, so its key is key 4*lane + j of
 * the words.
 *
 * Where one bit is wanted, the last round needs byte 0 of each state alone, and the round before
 * column 0 alone: both are done by words, with no round key brought into lanes. */
#include "crypto/crypto_tccr_avx512.h"

#if defined(__x86_64__)
#include <stdbool.h>
#include <string.h>

#include "crypto/crypto_aes512.h"

#define BATCH 16

/* y = sigma(x): the upper half is xL ^ xR, the lower half xL. */
INLINE_VAES __m512i sigma(__m512i x)
{
    const __m512i swapped = _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4e);
    return _mm512_mask_xor_epi64(swapped, 0xaa, swapped, x);
}

/* The keys of tweaks tweak .. tweak + 15, by lanes and by words. */
INLINE_VAES void batch_keys(__m512i k[4], __m512i w[4], const struct block *key, uint64_t tweak)
{
    const __m512i place = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i base = _mm512_set1_epi32((int)(uint32_t)tweak);
    const __m512i low = _mm512_add_epi32(base, place);
    const __mmask16 carry = _mm512_cmplt_epu32_mask(low, base);
    __m512i high = _mm512_set1_epi32((int)(uint32_t)(tweak >> 32));
    high = _mm512_mask_add_epi32(high, carry, high, _mm512_set1_epi32(1));
    w[0] = _mm512_xor_si512(low, _mm512_set1_epi32((int)(uint32_t)key->lo));
    w[1] = _mm512_xor_si512(high, _mm512_set1_epi32((int)(uint32_t)(key->lo >> 32)));
    w[2] = _mm512_set1_epi32((int)(uint32_t)key->hi);
    w[3] = _mm512_set1_epi32((int)(uint32_t)(key->hi >> 32));
    aes512_lanes(k, w);
}

/* Round r >= 1 of 1 or 2 blocks a tweak, both: b[j] and b[4 + j], in `sets` batches. */
INLINE_VAES void batch_round(__m512i b[][8], __m512i w[][4], unsigned sets, unsigned both,
                             unsigned r)
{
    __m512i k[4];
    for (unsigned s = 0; s < sets; s++) {
        aes512_next_words(w[s], r - 1);
        aes512_lanes(k, w[s]);
        for (unsigned i = 0; i < 4 * both; i++)
            b[s][i] = _mm512_aesenc_epi128(b[s][i], k[i % 4]);
    }
}

/* Written out: a loop keeps the states in memory. */
INLINE_VAES void batch_eight_rounds(__m512i b[][8], __m512i w[][4], unsigned sets, unsigned both)
{
    batch_round(b, w, sets, both, 1);
    batch_round(b, w, sets, both, 2);
    batch_round(b, w, sets, both, 3);
    batch_round(b, w, sets, both, 4);
    batch_round(b, w, sets, both, 5);
    batch_round(b, w, sets, both, 6);
    batch_round(b, w, sets, both, 7);
    batch_round(b, w, sets, both, 8);
}

/* out0 = the hashes of the sixteen blocks of in, and for both = 2 out1 = those of in ^ offset,
 * where shift = sigma(offset). */
INLINE_VAES void batch_blocks(struct block *out0, struct block *out1, const struct block *in,
                              __m512i shift, const struct block *key, uint64_t tweak, unsigned both)
{
    __m512i b[1][8], w[1][4], k[4];
    batch_keys(k, w[0], key, tweak);
    for (unsigned j = 0; j < 4; j++) {
        b[0][j] = _mm512_xor_si512(sigma(_mm512_loadu_si512(in + 4 * j)), k[j]);
        b[0][4 + j] = _mm512_xor_si512(b[0][j], shift);
    }
    batch_eight_rounds(b, w, 1, both);
    batch_round(b, w, 1, both, 9);
    aes512_next_words(w[0], 9);
    aes512_lanes(k, w[0]);
    for (unsigned j = 0; j < 4; j++) { /* y again, from the input; out0 may be in */
        const __m512i y = sigma(_mm512_loadu_si512(in + 4 * j));
        const __m512i e = _mm512_aesenclast_epi128(b[0][j], k[j]);
        _mm512_storeu_si512(out0 + 4 * j, _mm512_xor_si512(e, y));
        if (both == 2) {
            const __m512i f = _mm512_aesenclast_epi128(b[0][4 + j], k[j]);
            _mm512_storeu_si512(out1 + 4 * j, _mm512_ternarylogic_epi64(f, y, shift, XOR3));
        }
    }
}

VAES void crypto_tccr_pair_avx512(struct block *out0, struct block *out1, const struct block *in,
                                  const struct block *offset, const struct block *key,
                                  uint64_t tweak, size_t n)
{
    const __m512i shift = sigma(aes512_broadcast(offset));
    for (; n >= BATCH; n -= BATCH, tweak += BATCH, in += BATCH, out0 += BATCH, out1 += BATCH)
        batch_blocks(out0, out1, in, shift, key, tweak, 2);
    if (n > 0) {
        struct block rest[3][BATCH];
        memset(rest[0], 0, sizeof rest[0]);
        memcpy(rest[0], in, n * sizeof *in);
        batch_blocks(rest[1], rest[2], rest[0], shift, key, tweak, 2);
        memcpy(out0, rest[1], n * sizeof *out0);
        memcpy(out1, rest[2], n * sizeof *out1);
        explicit_bzero(rest, sizeof rest);
    }
}

VAES void crypto_tccr_one_avx512(struct block *out, const struct block *in, const struct block *key,
                                 uint64_t tweak, size_t n)
{
    const __m512i none = _mm512_setzero_si512();
    for (; n >= BATCH; n -= BATCH, tweak += BATCH, in += BATCH, out += BATCH)
        batch_blocks(out, NULL, in, none, key, tweak, 1);
    if (n > 0) {
        struct block rest[BATCH];
        memset(rest, 0, sizeof rest);
        memcpy(rest, in, n * sizeof *in);
        batch_blocks(rest, NULL, rest, none, key, tweak, 1);
        memcpy(out, rest, n * sizeof *out);
        explicit_bzero(rest, sizeof rest);
    }
}

#define SETS 2 /* batches in flight, to hide latencies */

/* Bit 0 of the hashes of SETS batches, sixteen bits each, in out[0], and for both = 2 those of in ^
 * offset in out[1]. */
INLINE_VAES void batch_bits(uint64_t out[2], const struct block *in, __m512i shift,
                            const struct block *key, uint64_t tweak, unsigned both)
{
    const __m512i in_order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i none = _mm512_setzero_si512(), bit = _mm512_set1_epi32(1);
    __m512i b[SETS][8], w[SETS][4], k[4];
    for (unsigned s = 0; s < SETS; s++) {
        batch_keys(k, w[s], key, tweak + BATCH * s);
        for (unsigned j = 0; j < 4; j++) {
            const __m512i y = sigma(_mm512_loadu_si512(in + BATCH * s + 4 * j));
            b[s][j] = _mm512_xor_si512(y, k[j]);
            b[s][4 + j] = _mm512_xor_si512(b[s][j], shift);
        }
    }
    batch_eight_rounds(b, w, SETS, both);
    for (unsigned s = 0; s < SETS; s++) {
        aes512_next_words(w[s], 8);
        const __m512i ninth = w[s][0];
        aes512_next_words(w[s], 9);
        for (unsigned j = 0; j < 4; j++)
            k[j] = _mm512_loadu_si512(in + BATCH * s + 4 * j);
        /* The lowest word of y = sigma(x) is word 2 of x. */
        const __m512i last = _mm512_xor_si512(w[s][0], aes512_word(k, 1));
        for (unsigned i = 0; i < both; i++) {
            for (unsigned j = 0; j < 4; j++)
                b[s][4 * i + j] = _mm512_aesenc_epi128(b[s][4 * i + j], none);
            __m512i e = _mm512_xor_si512(aes512_word(b[s] + 4 * i, 0), ninth);
            e = _mm512_aesenclast_epi128(e, last); /* row 0 stays where it is */
            e = _mm512_permutexvar_epi32(in_order, e);
            out[i] |= (uint64_t)_mm512_test_epi32_mask(e, bit) << BATCH * s;
        }
    }
}

INLINE_VAES void bits_any(uint64_t *out0, uint64_t *out1, const struct block *in,
                          const struct block *offset, const struct block *key, uint64_t tweak,
                          size_t n, unsigned both)
{
    const __m512i shift = both == 2 ? sigma(aes512_broadcast(offset)) : _mm512_setzero_si512();
    const uint64_t moved = both == 2 ? 0 - (offset->hi & 1) : 0; /* bit 0 of sigma(offset) */
    for (; n > 0; out0++, out1 += both - 1) {
        struct block rest[64];
        const size_t some = n < 64 ? n : 64;
        const struct block *from = in;
        uint64_t word[2] = {0, 0};
        if (some < 64) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, in, some * sizeof *in);
            from = rest;
        }
        for (unsigned j = 0; j < 64; j += SETS * BATCH) {
            uint64_t bits[2] = {0, 0};
            batch_bits(bits, from + j, shift, key, tweak + j, both);
            word[0] |= bits[0] << j;
            word[1] |= bits[1] << j;
        }
        const uint64_t there = UINT64_MAX >> (64 - some);
        *out0 = word[0] & there;
        if (both == 2)
            *out1 = (word[1] ^ moved) & there;
        if (some < 64)
            explicit_bzero(rest, sizeof rest);
        in += some;
        tweak += some;
        n -= some;
    }
}

VAES void crypto_tccr_bits_avx512(uint64_t *out0, uint64_t *out1, const struct block *in,
                                  const struct block *offset, const struct block *key,
                                  uint64_t tweak, size_t n)
{
    if (out1 != NULL)
        bits_any(out0, out1, in, offset, key, tweak, n, 2);
    else
        bits_any(out0, out0, in, offset, key, tweak, n, 1);
}
#endif
