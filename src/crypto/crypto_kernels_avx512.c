/* SPDX-License-Identifier: Apache-2.0
 *
 * VAES and VPCLMULQDQ: four blocks a register, up to eight registers in flight. The key schedule is
 * that of crypto_kernels_avx2.c in each 128-bit lane. Below, a *quad* is four blocks in one
 * register, and the lanes of the keys' quad belong to four tweaks that follow one another. */
#include "base/cpu.h"
#include "crypto/crypto_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define SET "avx512f,avx512bw,avx512dq,avx512vl,vaes,vpclmulqdq,aes,pclmul"
#define VAES __attribute__((target(SET)))
#define INLINE_VAES __attribute__((target(SET), always_inline)) static inline

#define XOR3 0x96 /* the truth table of a ^ b ^ c */

static const int round_constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};

/* The key that follows in each lane; rcon holds the round constant in byte 0 of each column. */
INLINE_VAES __m512i next_key(__m512i k, __m512i rcon)
{
    const __m512i rotate = _mm512_set1_epi32(0x0c0f0e0d); /* bytes 13, 14, 15, 12 of the key */
    __m512i t = _mm512_aesenclast_epi128(_mm512_shuffle_epi8(k, rotate), rcon);
    k = _mm512_xor_si512(k, _mm512_bslli_epi128(k, 4));
    return _mm512_ternarylogic_epi64(k, _mm512_bslli_epi128(k, 8), t, XOR3);
}

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
        const __m512i rcon = _mm512_set1_epi32(round_constants[r]);
        for (unsigned i = 0; i < quads; i++) {
            k[i] = next_key(k[i], rcon);
            for (unsigned j = 0; j < per; j++)
                b[i * per + j] = _mm512_aesenc_epi128(b[i * per + j], k[i]);
        }
    }
    for (unsigned i = 0; i < quads; i++) {
        k[i] = next_key(k[i], _mm512_set1_epi32(round_constants[9]));
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
    const __m512i k = _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)(const void *)key));
    if (per == 1)
        tccr_per(out, in, k, tweak, n, 1);
    else if (per == 2)
        tccr_per(out, in, k, tweak, n, 2);
    else
        tccr_per(out, in, k, tweak, n, 4);
}

/* counter + step in each lane, with the carry into the upper half; step's upper halves are 0. */
INLINE_VAES __m512i counter_add(__m512i counter, __m512i step)
{
    __m512i sum = _mm512_add_epi64(counter, step);
    __mmask8 carry = (__mmask8)(_mm512_mask_cmplt_epu64_mask(0x55, sum, counter) << 1);
    return _mm512_mask_add_epi64(sum, carry, sum, _mm512_set1_epi64(1));
}

/* `quads` quads of the stream from *counter on, which moves on. */
INLINE_VAES void stream_batch(__m512i *b, const __m512i keys[11], __m512i *counter, unsigned quads)
{
    for (unsigned i = 0; i < quads; i++) {
        b[i] = _mm512_xor_si512(*counter, keys[0]);
        *counter = counter_add(*counter, _mm512_maskz_set1_epi64(0x55, 4));
    }
    for (unsigned r = 1; r < 10; r++)
        for (unsigned i = 0; i < quads; i++)
            b[i] = _mm512_aesenc_epi128(b[i], keys[r]);
    for (unsigned i = 0; i < quads; i++)
        b[i] = _mm512_aesenclast_epi128(b[i], keys[10]);
}

VAES static void stream_avx512(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset)
{
    __m512i keys[11], b[8];
    keys[0] = _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)(const void *)key));
    for (unsigned r = 0; r < 10; r++)
        keys[r + 1] = next_key(keys[r], _mm512_set1_epi32(round_constants[r]));
    __m512i counter = counter_add(_mm512_maskz_set1_epi64(0x55, (long long)offset),
                                  _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    for (; bytes >= sizeof b; bytes -= sizeof b, out += sizeof b) {
        stream_batch(b, keys, &counter, 8);
        for (unsigned i = 0; i < 8; i++)
            _mm512_storeu_si512(out + 64 * i, b[i]);
    }
    while (bytes > 0) {
        stream_batch(b, keys, &counter, 1);
        const size_t n = bytes < 64 ? bytes : 64;
        _mm512_mask_storeu_epi8(out, UINT64_MAX >> (64 - n), b[0]);
        bytes -= n;
        out += n;
    }
    explicit_bzero(keys, sizeof keys);
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
    static const struct crypto_kernels table = {"avx512", stream_avx512, tccr_avx512,
                                                gf128_accumulate_avx512};
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct crypto_kernels *crypto_kernels_avx512(void)
{
    return NULL;
}
#endif
