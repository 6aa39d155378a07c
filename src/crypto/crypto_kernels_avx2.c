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

#include "crypto/crypto_tccr_aesni.h"

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

INLINE_AES void add_to(struct block *to, __m128i x)
{
    __m128i *p = (__m128i *)(void *)to;
    _mm_storeu_si128(p, _mm_xor_si128(_mm_loadu_si128(p), x));
}

/* Halving: the leaves with bit b set are the odd ones after b rounds of adding neighbours. */
INLINE_AES void fold_leaves(struct block *planes, struct block *sum, __m128i leaf[16][FLIGHT],
                            size_t stride, unsigned bits)
{
    for (unsigned i = 0; i < FLIGHT; i++) {
        __m128i x[16];
        for (unsigned j = 0; j < 1U << bits; j++)
            x[j] = leaf[j][i];
        for (unsigned b = 0; b < bits; b++) {
            __m128i odd = x[1];
            x[0] = _mm_xor_si128(x[0], x[1]);
            for (unsigned j = 1; j < 1U << (bits - 1 - b); j++) {
                odd = _mm_xor_si128(odd, x[2 * j + 1]);
                x[j] = _mm_xor_si128(x[2 * j], x[2 * j + 1]);
            }
            add_to(&planes[b * stride + i], odd);
        }
        _mm_storeu_si128((__m128i *)(void *)(sum + i), x[0]);
    }
}

_Static_assert(STREAM_FOLD_GROUP % FLIGHT == 0, "what is written behind stays in a group");

AES static void stream_fold_avx2(struct block *planes, struct block *sum, const struct block *keys,
                                 uint64_t offset, size_t blocks, size_t stride, unsigned bits)
{
    __m128i rounds[16][11];
    __m128i leaf[16][FLIGHT];
    for (unsigned x = 0; x < 1U << bits; x++)
        schedule(rounds[x], keys + x);
    for (size_t t = 0; t < blocks; t += FLIGHT) {
        for (unsigned x = 0; x < 1U << bits; x++)
            stream_flight(leaf[x], rounds[x], offset + t, 0);
        if (bits == 2)
            fold_leaves(planes + t, sum + t, leaf, stride, 2);
        else
            fold_leaves(planes + t, sum + t, leaf, stride, 4);
    }
    explicit_bzero(rounds, sizeof rounds);
    explicit_bzero(leaf, sizeof leaf);
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
        .tccr = crypto_tccr_aesni,
        .tccr_pair = crypto_tccr_pair_aesni,
        .tccr_bits = crypto_tccr_bits_aesni,
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
