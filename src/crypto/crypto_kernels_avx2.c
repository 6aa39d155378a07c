/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-NI and PCLMULQDQ, eight blocks or key schedules in flight to hide the latency of a round.
 * SubWord(RotWord(w)) of a key schedule is AESENCLAST of a block whose four columns are all
 * RotWord(w): ShiftRows then changes nothing, and the round constant is added by the same
 * instruction. This is faster than AESKEYGENASSIST, which is microcoded on many processors. */
#include "base/cpu.h"
#include "crypto/crypto_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AES __attribute__((target("aes,pclmul,ssse3,sse4.1")))
#define INLINE_AES __attribute__((target("aes,pclmul,ssse3,sse4.1"), always_inline)) static inline
#define FLIGHT 8

/* The key that follows `k`; rcon holds the round constant in byte 0 of each column. */
INLINE_AES __m128i next_key(__m128i k, __m128i rcon)
{
    const __m128i rotate = _mm_set1_epi32(0x0c0f0e0d); /* bytes 13, 14, 15, 12 of the key */
    __m128i t = _mm_aesenclast_si128(_mm_shuffle_epi8(k, rotate), rcon);
    k = _mm_xor_si128(k, _mm_slli_si128(k, 4)); /* columns 0, 0+1, 1+2, 2+3 */
    k = _mm_xor_si128(k, _mm_slli_si128(k, 8)); /* columns 0, 0..1, 0..2, 0..3 */
    return _mm_xor_si128(k, t);
}

/* In byte 0 of each column; r counts from 0. */
INLINE_AES __m128i round_constant(unsigned r)
{
    static const int constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    return _mm_set1_epi32(constants[r]);
}

INLINE_AES void schedule(__m128i keys[11], const struct block *key)
{
    keys[0] = _mm_loadu_si128((const __m128i *)(const void *)key);
    for (unsigned r = 0; r < 10; r++)
        keys[r + 1] = next_key(keys[r], round_constant(r));
}

/* The FLIGHT blocks from counter hi | lo on. */
INLINE_AES void stream_flight(__m128i b[FLIGHT], const __m128i keys[11], uint64_t lo, uint64_t hi)
{
    for (unsigned i = 0; i < FLIGHT; i++) {
        b[i] = _mm_xor_si128(_mm_set_epi64x((long long)hi, (long long)lo), keys[0]);
        lo++;
        hi += lo == 0;
    }
    for (unsigned r = 1; r < 10; r++)
        for (unsigned i = 0; i < FLIGHT; i++)
            b[i] = _mm_aesenc_si128(b[i], keys[r]);
    for (unsigned i = 0; i < FLIGHT; i++)
        b[i] = _mm_aesenclast_si128(b[i], keys[10]);
}

AES static void stream_avx2(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset)
{
    __m128i keys[11];
    schedule(keys, key);
    for (size_t done = 0; done < bytes; done += 16 * FLIGHT) {
        __m128i b[FLIGHT];
        const uint64_t lo = offset + done / 16;
        stream_flight(b, keys, lo, lo < offset);
        if (bytes - done >= sizeof b)
            for (unsigned i = 0; i < FLIGHT; i++)
                _mm_storeu_si128((__m128i *)(void *)(out + done + 16 * i), b[i]);
        else
            memcpy(out + done, b, bytes - done);
    }
    explicit_bzero(keys, sizeof keys);
}

INLINE_AES void add_to(struct block *to, const struct block *a)
{
    __m128i *p = (__m128i *)(void *)to;
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    _mm_storeu_si128(p, _mm_xor_si128(_mm_loadu_si128(p), x));
}

/* Halving: the leaves with bit b set are the odd ones after b rounds of adding neighbours. */
INLINE_AES void fold_leaves(struct block *planes, struct block *sum, struct block leaf[16][FLIGHT],
                            size_t stride, unsigned bits)
{
    for (unsigned b = 0; b < bits; b++)
        for (unsigned x = 0; x < 1U << (bits - 1 - b); x++)
            for (unsigned i = 0; i < FLIGHT; i++) {
                add_to(&planes[b * stride + i], &leaf[2 * x + 1][i]);
                add_to(&leaf[2 * x][i], &leaf[2 * x + 1][i]);
                leaf[x][i] = leaf[2 * x][i];
            }
    memcpy(sum, leaf[0], sizeof leaf[0]);
}

_Static_assert(STREAM_FOLD_GROUP % FLIGHT == 0, "what is written behind stays in a group");

AES static void stream_fold_avx2(struct block *planes, struct block *sum, const struct block *keys,
                                 uint64_t offset, size_t blocks, size_t stride, unsigned bits)
{
    __m128i rounds[16][11];
    struct block leaf[16][FLIGHT];
    for (unsigned x = 0; x < 1U << bits; x++)
        schedule(rounds[x], keys + x);
    for (size_t t = 0; t < blocks; t += FLIGHT) {
        for (unsigned x = 0; x < 1U << bits; x++) {
            __m128i b[FLIGHT];
            stream_flight(b, rounds[x], offset + t, 0);
            memcpy(leaf[x], b, sizeof b);
        }
        fold_leaves(planes + t, sum + t, leaf, stride, bits);
    }
    explicit_bzero(rounds, sizeof rounds);
    explicit_bzero(leaf, sizeof leaf);
}

/* y = sigma(x): the upper half is xL ^ xR, the lower half xL. */
INLINE_AES __m128i sigma(__m128i x)
{
    __m128i swapped = _mm_shuffle_epi32(x, 0x4e); /* upper xR, lower xL */
    return _mm_xor_si128(swapped, _mm_slli_si128(_mm_srli_si128(x, 8), 8));
}

/* `tweaks` keys with `per` blocks each. Both are constants where this is inlined. */
INLINE_AES void tccr_batch(struct block *out, const struct block *in, __m128i key, uint64_t tweak,
                           unsigned tweaks, unsigned per)
{
    __m128i k[FLIGHT], b[FLIGHT];
    for (unsigned i = 0; i < tweaks; i++) {
        k[i] = _mm_xor_si128(key, _mm_set_epi64x(0, (long long)(tweak + i)));
        for (unsigned j = 0; j < per; j++) {
            const void *p = in + i * per + j;
            b[i * per + j] = _mm_xor_si128(sigma(_mm_loadu_si128((const __m128i *)p)), k[i]);
        }
    }
    for (unsigned r = 0; r < 9; r++) {
        const __m128i rcon = round_constant(r);
        for (unsigned i = 0; i < tweaks; i++) {
            k[i] = next_key(k[i], rcon);
            for (unsigned j = 0; j < per; j++)
                b[i * per + j] = _mm_aesenc_si128(b[i * per + j], k[i]);
        }
    }
    for (unsigned i = 0; i < tweaks; i++) {
        k[i] = next_key(k[i], round_constant(9));
        for (unsigned j = 0; j < per; j++)
            b[i * per + j] = _mm_aesenclast_si128(b[i * per + j], k[i]);
    }
    /* y again from the input, which is cheaper than keeping it in registers. */
    for (unsigned i = 0; i < tweaks * per; i++) {
        __m128i y = sigma(_mm_loadu_si128((const __m128i *)(const void *)(in + i)));
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_xor_si128(b[i], y));
    }
}

AES static void tccr_avx2(struct block *out, const struct block *in, const struct block *key,
                          uint64_t tweak, size_t n, unsigned per)
{
    const __m128i k = _mm_loadu_si128((const __m128i *)(const void *)key);
    size_t i = 0;
    if (per == 1)
        for (; n - i >= 8; i += 8)
            tccr_batch(out + i, in + i, k, tweak + i, 8, 1);
    else if (per == 2)
        for (; n - i >= 4; i += 4)
            tccr_batch(out + 2 * i, in + 2 * i, k, tweak + i, 4, 2);
    else
        for (; n - i >= 2; i += 2)
            tccr_batch(out + 4 * i, in + 4 * i, k, tweak + i, 2, 4);
    for (; i < n; i++)
        tccr_batch(out + i * per, in + i * per, k, tweak + i, 1, per);
}

static void tccr_pair_avx2(struct block *out0, struct block *out1, const struct block *in,
                           const struct block *offset, const struct block *key, uint64_t tweak,
                           size_t n)
{
    crypto_tccr_pair_by(tccr_avx2, out0, out1, in, offset, key, tweak, n);
}

static void tccr_bits_avx2(uint64_t *out0, uint64_t *out1, const struct block *in,
                           const struct block *offset, const struct block *key, uint64_t tweak,
                           size_t n)
{
    crypto_tccr_bits_by(tccr_avx2, out0, out1, in, offset, key, tweak, n);
}

/* The three partial sums stay apart until the end: low, high, and the middle one that straddles. */
AES static void gf128_accumulate_avx2(struct block acc[2], const struct block *a,
                                      const struct block *b, size_t n)
{
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)&acc[0]);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)&acc[1]);
    __m128i middle = _mm_setzero_si128();
    for (size_t i = 0; i < n; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + i));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + i));
        low = _mm_xor_si128(low, _mm_clmulepi64_si128(x, y, 0x00));
        high = _mm_xor_si128(high, _mm_clmulepi64_si128(x, y, 0x11));
        middle = _mm_xor_si128(middle, _mm_clmulepi64_si128(x, y, 0x01));
        middle = _mm_xor_si128(middle, _mm_clmulepi64_si128(x, y, 0x10));
    }
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    _mm_storeu_si128((__m128i *)(void *)&acc[0], low);
    _mm_storeu_si128((__m128i *)(void *)&acc[1], high);
}

const struct crypto_kernels *crypto_kernels_avx2(void)
{
    static const struct crypto_kernels table = {
        .name = "avx2",
        .stream = stream_avx2,
        .stream_fold = stream_fold_avx2,
        .tccr = tccr_avx2,
        .tccr_pair = tccr_pair_avx2,
        .tccr_bits = tccr_bits_avx2,
        .gf128_accumulate = gf128_accumulate_avx2,
    };
    return cpu_has_aes() ? &table : NULL;
}
#else
const struct crypto_kernels *crypto_kernels_avx2(void)
{
    return NULL;
}
#endif
