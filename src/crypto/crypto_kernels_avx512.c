/* SPDX-License-Identifier: Apache-2.0
 *
 * VAES and VPCLMULQDQ: four blocks a register, up to eight registers in flight, key schedules by
 * lanes (crypto_aes512.h). In tccr the lanes of the keys' quad belong to four tweaks that follow
 * one another. */
#include "base/cpu.h"
#include "crypto/crypto_kernels.h"

#if defined(__x86_64__)
#include <stdbool.h>
#include <string.h>

#include "crypto/crypto_aes256_avx512.h"
#include "crypto/crypto_aes512.h"
#include "crypto/crypto_tccr_avx512.h"
#include "crypto/sha256.h"

/* y = sigma(x): the upper half is xL ^ xR, the lower half xL. */
INLINE_VAES __m512i sigma(__m512i x)
{
    return _mm512_mask_xor_epi64(_mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4e), 0xaa,
                                 _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4e), x);
}

/* From memory's order (tweak by tweak) to one quad a j, and back; z[j] for j < per. */
INLINE_VAES void deal(__m512i *z, unsigned per)
{
    if (per == 2) {
        __m512i a = _mm512_shuffle_i64x2(z[0], z[1], 0x88); /* lanes 0, 2 of both */
        z[1] = _mm512_shuffle_i64x2(z[0], z[1], 0xdd);      /* lanes 1, 3 of both */
        z[0] = a;
    } else if (per == 4) { /* a 4x4 transpose, its own inverse */
        __m512i a = _mm512_shuffle_i64x2(z[0], z[1], 0x88);
        __m512i b = _mm512_shuffle_i64x2(z[0], z[1], 0xdd);
        __m512i c = _mm512_shuffle_i64x2(z[2], z[3], 0x88);
        __m512i d = _mm512_shuffle_i64x2(z[2], z[3], 0xdd);
        z[0] = _mm512_shuffle_i64x2(a, c, 0x88);
        z[1] = _mm512_shuffle_i64x2(b, d, 0x88);
        z[2] = _mm512_shuffle_i64x2(a, c, 0xdd);
        z[3] = _mm512_shuffle_i64x2(b, d, 0xdd);
    }
}

INLINE_VAES void gather(__m512i *z, unsigned per)
{
    if (per == 2) {
        __m512i a = _mm512_shuffle_i64x2(z[0], z[1], 0x44); /* a0 a1 b0 b1 */
        __m512i b = _mm512_shuffle_i64x2(z[0], z[1], 0xee); /* a2 a3 b2 b3 */
        z[0] = _mm512_shuffle_i64x2(a, a, 0xd8);
        z[1] = _mm512_shuffle_i64x2(b, b, 0xd8);
    } else {
        deal(z, per);
    }
}

/* 4 * `quads` tweaks with `per` blocks each; quads * per <= 8. Both are constants where this is
 * inlined. */
INLINE_VAES void tccr_batch(struct block *out, const struct block *in, __m512i key, uint64_t tweak,
                            unsigned quads, unsigned per)
{
    __m512i k[8], b[8];
    const __m512i lanes = _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0);
    for (unsigned i = 0; i < quads; i++) {
        __m512i t = _mm512_maskz_set1_epi64(0x55, (long long)(tweak + 4 * i));
        k[i] = _mm512_xor_si512(key, _mm512_add_epi64(t, lanes));
        for (unsigned j = 0; j < per; j++)
            b[i * per + j] = sigma(_mm512_loadu_si512(in + 4 * (i * per + j)));
        deal(b + i * per, per);
        for (unsigned j = 0; j < per; j++)
            b[i * per + j] = _mm512_xor_si512(b[i * per + j], k[i]);
    }
    for (unsigned r = 0; r < 9; r++) {
        for (unsigned i = 0; i < quads; i++) {
            k[i] = aes512_next_lanes(k[i], r);
            for (unsigned j = 0; j < per; j++)
                b[i * per + j] = _mm512_aesenc_epi128(b[i * per + j], k[i]);
        }
    }
    for (unsigned i = 0; i < quads; i++) {
        k[i] = aes512_next_lanes(k[i], 9);
        for (unsigned j = 0; j < per; j++)
            b[i * per + j] = _mm512_aesenclast_epi128(b[i * per + j], k[i]);
        gather(b + i * per, per);
        for (unsigned j = 0; j < per; j++) { /* y again, from the input */
            const unsigned at = 4 * (i * per + j);
            __m512i y = sigma(_mm512_loadu_si512(in + at));
            _mm512_storeu_si512(out + at, _mm512_xor_si512(b[i * per + j], y));
        }
    }
}

/* Full batches, then quads of tweaks, then a padded quad. */
INLINE_VAES void tccr_per(struct block *out, const struct block *in, __m512i key, uint64_t tweak,
                          size_t n, unsigned per)
{
    const unsigned quads = 8 / per;
    size_t i = 0;
    for (; n - i >= 4 * quads; i += 4 * quads)
        tccr_batch(out + i * per, in + i * per, key, tweak + i, quads, per);
    for (; n - i >= 4; i += 4)
        tccr_batch(out + i * per, in + i * per, key, tweak + i, 1, per);
    if (i < n) {
        struct block rest[16];
        const size_t bytes = (n - i) * per * sizeof *rest;
        memset(rest, 0, sizeof rest);
        memcpy(rest, in + i * per, bytes);
        tccr_batch(rest, rest, key, tweak + i, 1, per);
        memcpy(out + i * per, rest, bytes);
    }
}

VAES static void tccr_avx512(struct block *out, const struct block *in, const struct block *key,
                             uint64_t tweak, size_t n, unsigned per)
{
    const __m512i k = aes512_broadcast(key);
    if (per == 1)
        crypto_tccr_one_avx512(out, in, key, tweak, n);
    else if (per == 2)
        tccr_per(out, in, k, tweak, n, 2);
    else
        tccr_per(out, in, k, tweak, n, 4);
}

/* `quads` quads of the stream from *counter on, which moves on. `wraps`: the lower half may pass
 * 2^64. */
INLINE_VAES void stream_batch(__m512i *b, const __m512i keys[11], __m512i *counter, unsigned quads,
                              bool wraps)
{
    const __m512i step = _mm512_maskz_set1_epi64(0x55, 4);
    for (unsigned i = 0; i < quads; i++) {
        b[i] = _mm512_xor_si512(*counter, keys[0]);
        *counter = _mm512_add_epi64(*counter, step);
        if (wraps) { /* lower halves below 4 came from above 2^64 */
            const __mmask8 carry = _mm512_mask_cmplt_epu64_mask(0x55, *counter, step);
            *counter = _mm512_mask_add_epi64(*counter, (__mmask8)(carry << 1), *counter,
                                             _mm512_set1_epi64(1));
        }
    }
    for (unsigned r = 1; r < 10; r++)
        for (unsigned i = 0; i < quads; i++)
            b[i] = _mm512_aesenc_epi128(b[i], keys[r]);
    for (unsigned i = 0; i < quads; i++)
        b[i] = _mm512_aesenclast_epi128(b[i], keys[10]);
}

INLINE_VAES void stream_any(uint8_t *out, size_t bytes, const __m512i keys[11], __m512i counter,
                            bool wraps)
{
    __m512i b[8];
    for (; bytes >= sizeof b; bytes -= sizeof b, out += sizeof b) {
        stream_batch(b, keys, &counter, 8, wraps);
        for (unsigned i = 0; i < 8; i++)
            _mm512_storeu_si512(out + 64 * i, b[i]);
    }
    while (bytes > 0) {
        stream_batch(b, keys, &counter, 1, wraps);
        const size_t n = bytes < 64 ? bytes : 64;
        _mm512_mask_storeu_epi8(out, UINT64_MAX >> (64 - n), b[0]);
        bytes -= n;
        out += n;
    }
}

VAES static void stream_avx512(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset)
{
    __m512i keys[11];
    keys[0] = aes512_broadcast(key);
    for (unsigned r = 0; r < 10; r++)
        keys[r + 1] = aes512_next_lanes(keys[r], r);
    const __m512i first = _mm512_maskz_set1_epi64(0x55, (long long)offset);
    const __m512i lanes = _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0);
    __m512i counter = _mm512_add_epi64(first, lanes);
    const __mmask8 carry = _mm512_mask_cmplt_epu64_mask(0x55, counter, first);
    counter = _mm512_mask_add_epi64(counter, (__mmask8)(carry << 1), counter, _mm512_set1_epi64(1));
    if (offset < UINT64_MAX / 2)
        stream_any(out, bytes, keys, counter, false);
    else
        stream_any(out, bytes, keys, counter, true);
    explicit_bzero(keys, sizeof keys);
}

/* Round keys of `count` = 4 or 16 keys: rounds[r][x]. */
INLINE_VAES void fold_keys(struct block rounds[11][16], const struct block *keys, unsigned count)
{
    for (unsigned x = 0; x < count; x += 4) {
        __m512i k = _mm512_loadu_si512(keys + x);
        _mm512_store_si512(&rounds[0][x], k);
        for (unsigned r = 0; r < 10; r++) {
            k = aes512_next_lanes(k, r);
            _mm512_store_si512(&rounds[r + 1][x], k);
        }
    }
}

/* Four quads of the streams of keys x and x + 1: eight registers in flight, each round key loaded
 * once. */
INLINE_VAES void fold_streams(__m512i a[4], __m512i b[4], struct block rounds[11][16], unsigned x,
                              const __m512i counter[4])
{
    __m512i k = aes512_broadcast(&rounds[0][x]), l = aes512_broadcast(&rounds[0][x + 1]);
    for (unsigned q = 0; q < 4; q++) {
        a[q] = _mm512_xor_si512(counter[q], k);
        b[q] = _mm512_xor_si512(counter[q], l);
    }
    for (unsigned r = 1; r < 10; r++) {
        k = aes512_broadcast(&rounds[r][x]);
        l = aes512_broadcast(&rounds[r][x + 1]);
        for (unsigned q = 0; q < 4; q++)
            a[q] = _mm512_aesenc_epi128(a[q], k);
        for (unsigned q = 0; q < 4; q++)
            b[q] = _mm512_aesenc_epi128(b[q], l);
    }
    k = aes512_broadcast(&rounds[10][x]);
    l = aes512_broadcast(&rounds[10][x + 1]);
    for (unsigned q = 0; q < 4; q++) {
        a[q] = _mm512_aesenclast_epi128(a[q], k);
        b[q] = _mm512_aesenclast_epi128(b[q], l);
    }
}

/* Sixteen blocks at a time; the streams never leave the registers. p[b] collects plane b, p[4] the
 * sum. */
INLINE_VAES void fold_any(struct block *planes, struct block *sum, struct block rounds[11][16],
                          uint64_t offset, size_t blocks, size_t stride, unsigned bits)
{
    const __m512i lanes = _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0);
    for (size_t t = 0; t < blocks; t += STREAM_FOLD_GROUP) {
        __m512i counter[4], p[5][4], a[4], b[4];
        for (unsigned q = 0; q < 4; q++) {
            const __m512i at = _mm512_maskz_set1_epi64(0x55, (long long)(offset + t + 4 * q));
            counter[q] = _mm512_add_epi64(lanes, at);
            for (unsigned i = 0; i < 5; i++)
                p[i][q] = _mm512_setzero_si512();
        }
        for (unsigned x = 0; x < 1U << bits; x += 2) {
            fold_streams(a, b, rounds, x, counter);
            for (unsigned q = 0; q < 4; q++) {
                p[0][q] = _mm512_xor_si512(p[0][q], b[q]);
                p[4][q] = _mm512_ternarylogic_epi64(p[4][q], a[q], b[q], XOR3);
                for (unsigned i = 1; i < bits; i++)
                    if ((x >> i & 1) != 0)
                        p[i][q] = _mm512_ternarylogic_epi64(p[i][q], a[q], b[q], XOR3);
            }
        }
        for (unsigned q = 0; q < 4; q++) {
            for (unsigned i = 0; i < bits; i++) {
                struct block *plane = planes + i * stride + t + 4 * q;
                _mm512_storeu_si512(plane, _mm512_xor_si512(_mm512_loadu_si512(plane), p[i][q]));
            }
            _mm512_storeu_si512(sum + t + 4 * q, p[4][q]);
        }
    }
}

VAES static void stream_fold_avx512(struct block *planes, struct block *sum,
                                    const struct block *keys, uint64_t offset, size_t blocks,
                                    size_t stride, unsigned bits)
{
    _Alignas(64) struct block rounds[11][16];
    fold_keys(rounds, keys, 1U << bits);
    if (bits == 2)
        fold_any(planes, sum, rounds, offset, blocks, stride, 2);
    else
        fold_any(planes, sum, rounds, offset, blocks, stride, 4);
    explicit_bzero(rounds, sizeof rounds);
}

INLINE_VAES __m128i add_lanes(__m512i x)
{
    return _mm_xor_si128(
        _mm_xor_si128(_mm512_extracti64x2_epi64(x, 0), _mm512_extracti64x2_epi64(x, 1)),
        _mm_xor_si128(_mm512_extracti64x2_epi64(x, 2), _mm512_extracti64x2_epi64(x, 3)));
}

VAES static void gf128_accumulate_avx512(struct block acc[2], const struct block *a,
                                         const struct block *b, size_t n)
{
    __m512i low = _mm512_setzero_si512(), high = low, middle = low;
    for (size_t i = 0; i < n; i += 4) {
        const unsigned words = n - i >= 4 ? 8 : 2 * (unsigned)(n - i);
        const __mmask8 there = (__mmask8)(0xffU >> (8 - words));
        __m512i x = _mm512_maskz_loadu_epi64(there, a + i);
        __m512i y = _mm512_maskz_loadu_epi64(there, b + i);
        low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(x, y, 0x00));
        high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(x, y, 0x11));
        middle = _mm512_ternarylogic_epi64(middle, _mm512_clmulepi64_epi128(x, y, 0x01),
                                           _mm512_clmulepi64_epi128(x, y, 0x10), XOR3);
    }
    __m128i *sums = (__m128i *)(void *)acc;
    const __m128i m = add_lanes(middle);
    const __m128i l = _mm_xor_si128(add_lanes(low), _mm_slli_si128(m, 8));
    const __m128i h = _mm_xor_si128(add_lanes(high), _mm_srli_si128(m, 8));
    _mm_storeu_si128(sums, _mm_xor_si128(_mm_loadu_si128(sums), l));
    _mm_storeu_si128(sums + 1, _mm_xor_si128(_mm_loadu_si128(sums + 1), h));
}

const struct crypto_kernels *crypto_kernels_avx512(void)
{
    static const struct crypto_kernels table = {
        .name = "avx512",
        .stream = stream_avx512,
        .stream_fold = stream_fold_avx512,
        .tccr = tccr_avx512,
        .tccr_pair = crypto_tccr_pair_avx512,
        .tccr_bits = crypto_tccr_bits_avx512,
        .gf128_accumulate = gf128_accumulate_avx512,
        .sha256_parts = sha256_parts_avx512,
        .aes256_expand = crypto_aes256_expand_avx512,
        .aes256_blocks = crypto_aes256_blocks_avx512,
    };
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct crypto_kernels *crypto_kernels_avx512(void)
{
    return NULL;
}
#endif
