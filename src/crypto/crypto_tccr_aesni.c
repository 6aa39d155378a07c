/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of oblivious transfer with AES-NI, four tweaks at a time: their keys are scheduled by
 * words, w[c] = column c of all four, which takes one AESENCLAST a round for SubWord of all. */
#include "crypto/crypto_tccr_aesni.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AES __attribute__((target("aes,ssse3,sse4.1")))
#define INLINE_AES __attribute__((target("aes,ssse3,sse4.1"), always_inline)) static inline

#define BATCH 4 /* tweaks */

INLINE_AES __m128i load(const struct block *b)
{
    return _mm_loadu_si128((const __m128i *)(const void *)b);
}
INLINE_AES void store(struct block *b, __m128i x)
{
    _mm_storeu_si128((__m128i *)(void *)b, x);
}

/* y = sigma(x): the upper half is xL ^ xR, the lower half xL. */
INLINE_AES __m128i sigma(__m128i x)
{
    const __m128i swapped = _mm_shuffle_epi32(x, 0x4e); /* upper xR, lower xL */
    return _mm_xor_si128(swapped, _mm_slli_si128(_mm_srli_si128(x, 8), 8));
}

/* A 4x4 transpose of words, its own inverse: from columns to keys. */
INLINE_AES void turn(__m128i k[BATCH], const __m128i w[4])
{
    const __m128i a = _mm_unpacklo_epi32(w[0], w[1]), b = _mm_unpacklo_epi32(w[2], w[3]);
    const __m128i c = _mm_unpackhi_epi32(w[0], w[1]), d = _mm_unpackhi_epi32(w[2], w[3]);
    k[0] = _mm_unpacklo_epi64(a, b);
    k[1] = _mm_unpackhi_epi64(a, b);
    k[2] = _mm_unpacklo_epi64(c, d);
    k[3] = _mm_unpackhi_epi64(c, d);
}

/* The schedule's round r, counted from 0. ShiftRows would move byte r of column d to column d - r,
 * so the permutation puts it r columns further on first, rotated by one row for RotWord. */
INLINE_AES void next_words(__m128i w[4], unsigned r)
{
    static const int constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    const __m128i rotate = _mm_set_epi8(0, 7, 10, 13, 12, 3, 6, 9, 8, 15, 2, 5, 4, 11, 14, 1);
    const __m128i t =
        _mm_aesenclast_si128(_mm_shuffle_epi8(w[3], rotate), _mm_set1_epi32(constants[r]));
    w[1] = _mm_xor_si128(w[1], w[0]); /* t, which is late, comes last */
    w[2] = _mm_xor_si128(w[2], w[1]);
    w[3] = _mm_xor_si128(w[3], w[2]);
    for (unsigned c = 0; c < 4; c++)
        w[c] = _mm_xor_si128(w[c], t);
}

/* b = E(b) for `per` blocks of each of 4 * sets tweaks from `tweak` on: b[4*sets*j + i] has key i.
 * Two sets hide the latency of the schedule. sets and per are constants where this is inlined. */
INLINE_AES void encrypt(__m128i *b, __m128i key, uint64_t tweak, unsigned sets, unsigned per)
{
    __m128i k[2 * BATCH], w[2][4];
    const unsigned keys = BATCH * sets;
    for (unsigned i = 0; i < keys; i++)
        k[i] = _mm_xor_si128(key, _mm_set_epi64x(0, (long long)(tweak + i)));
    for (unsigned i = 0; i < keys * per; i++)
        b[i] = _mm_xor_si128(b[i], k[i % keys]);
    for (unsigned s = 0; s < sets; s++)
        turn(w[s], k + BATCH * s);
    for (unsigned r = 0; r < 10; r++) {
        for (unsigned s = 0; s < sets; s++) {
            next_words(w[s], r);
            turn(k + BATCH * s, w[s]);
        }
        for (unsigned i = 0; i < keys * per; i++)
            b[i] = r < 9 ? _mm_aesenc_si128(b[i], k[i % keys])
                         : _mm_aesenclast_si128(b[i], k[i % keys]);
    }
}

INLINE_AES void hash_batch(struct block *out, const struct block *in, __m128i key, uint64_t tweak,
                           unsigned sets, unsigned per)
{
    __m128i b[16];
    const unsigned keys = BATCH * sets;
    for (unsigned i = 0; i < keys; i++)
        for (unsigned j = 0; j < per; j++)
            b[keys * j + i] = sigma(load(in + per * i + j));
    encrypt(b, key, tweak, sets, per);
    for (unsigned i = 0; i < keys; i++)
        for (unsigned j = 0; j < per; j++) /* y again, from the input */
            store(out + per * i + j, _mm_xor_si128(b[keys * j + i], sigma(load(in + per * i + j))));
}

INLINE_AES void hash_all(struct block *out, const struct block *in, __m128i key, uint64_t tweak,
                         size_t n, unsigned sets, unsigned per)
{
    const unsigned keys = BATCH * sets;
    for (; n >= keys; n -= keys, tweak += keys, in += keys * per, out += keys * per)
        hash_batch(out, in, key, tweak, sets, per);
    if (n > 0) {
        struct block rest[16];
        memset(rest, 0, sizeof rest);
        memcpy(rest, in, n * per * sizeof *in);
        hash_batch(rest, rest, key, tweak, sets, per);
        memcpy(out, rest, n * per * sizeof *out);
        explicit_bzero(rest, sizeof rest);
    }
}

AES void crypto_tccr_aesni(struct block *out, const struct block *in, const struct block *key,
                           uint64_t tweak, size_t n, unsigned per)
{
    if (per == 1)
        hash_all(out, in, load(key), tweak, n, 2, 1);
    else if (per == 2)
        hash_all(out, in, load(key), tweak, n, 1, 2);
    else
        hash_all(out, in, load(key), tweak, n, 1, 4);
}

/* b = eight hashes: of eight blocks, or for both = 2 of four, then of these ^ offset, where shift =
 * sigma(offset). */
INLINE_AES void hash_eight(__m128i b[8], const struct block *in, __m128i shift, __m128i key,
                           uint64_t tweak, unsigned both)
{
    const unsigned n = 8 / both;
    for (unsigned i = 0; i < 8; i++)
        b[i] = i < n ? sigma(load(in + i)) : _mm_xor_si128(b[i - n], shift);
    encrypt(b, key, tweak, 2 / both, both);
    for (unsigned i = 0; i < 8; i++) {
        const __m128i y = sigma(load(in + i % n));
        b[i] = _mm_xor_si128(b[i], i < n ? y : _mm_xor_si128(y, shift));
    }
}

/* The next `batch` blocks or, padded with zeros in rest, the fewer that are left. */
INLINE_AES const struct block *padded(struct block rest[8], const struct block *in, size_t n,
                                      size_t batch)
{
    if (n >= batch)
        return in;
    memset(rest, 0, 8 * sizeof *rest);
    memcpy(rest, in, n * sizeof *in);
    return rest;
}

AES void crypto_tccr_pair_aesni(struct block *out0, struct block *out1, const struct block *in,
                                const struct block *offset, const struct block *key, uint64_t tweak,
                                size_t n)
{
    const __m128i shift = sigma(load(offset)), k = load(key);
    struct block rest[8], last[8];
    for (size_t i = 0; i < n; i += BATCH) {
        const size_t some = n - i < BATCH ? n - i : BATCH;
        struct block *to0 = some == BATCH ? out0 + i : last;
        struct block *to1 = some == BATCH ? out1 + i : last + BATCH;
        __m128i b[8];
        hash_eight(b, padded(rest, in + i, some, BATCH), shift, k, tweak + i, 2);
        for (unsigned j = 0; j < BATCH; j++) {
            store(to0 + j, b[j]);
            store(to1 + j, b[BATCH + j]);
        }
    }
    if (n % BATCH != 0) {
        memcpy(out0 + n / BATCH * BATCH, last, n % BATCH * sizeof *out0);
        memcpy(out1 + n / BATCH * BATCH, last + BATCH, n % BATCH * sizeof *out1);
    }
    explicit_bzero(rest, sizeof rest);
    explicit_bzero(last, sizeof last);
}

/* Bit 0 of each of four. */
INLINE_AES uint64_t low_bits(const __m128i b[BATCH])
{
    const __m128i words =
        _mm_unpacklo_epi64(_mm_unpacklo_epi32(b[0], b[1]), _mm_unpacklo_epi32(b[2], b[3]));
    return (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_slli_epi32(words, 31)));
}

INLINE_AES void bits_all(uint64_t *out0, uint64_t *out1, const struct block *in, __m128i shift,
                         __m128i key, uint64_t tweak, size_t n, unsigned both)
{
    const unsigned batch = 8 / both;
    struct block rest[8];
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word[2] = {0, 0};
        for (unsigned j = 0; j < 64 && i + j < n; j += batch) {
            __m128i b[8];
            const size_t left = n - i - j;
            const uint64_t there = left < batch ? (1U << left) - 1 : (1U << batch) - 1;
            hash_eight(b, padded(rest, in + i + j, left, batch), shift, key, tweak + i + j, both);
            const uint64_t low = low_bits(b), high = low_bits(b + BATCH);
            word[0] |= ((both == 1 ? low | high << BATCH : low) & there) << j;
            word[1] |= (high & there) << j;
        }
        out0[i / 64] = word[0];
        if (both == 2)
            out1[i / 64] = word[1];
    }
    explicit_bzero(rest, sizeof rest);
}

AES void crypto_tccr_bits_aesni(uint64_t *out0, uint64_t *out1, const struct block *in,
                                const struct block *offset, const struct block *key, uint64_t tweak,
                                size_t n)
{
    if (out1 != NULL)
        bits_all(out0, out1, in, sigma(load(offset)), load(key), tweak, n, 2);
    else
        bits_all(out0, NULL, in, _mm_setzero_si128(), load(key), tweak, n, 1);
}
#endif
