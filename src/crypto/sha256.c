/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 on 512-bit registers: word i of a register belongs to string i. */
#include "crypto/sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define WIDE __attribute__((target("avx512f,avx512bw")))
#define INLINE_WIDE __attribute__((target("avx512f,avx512bw"), always_inline)) static inline

#define XOR3 0x96     /* truth tables: a ^ b ^ c, */
#define CHOOSE 0xca   /* a ? b : c, */
#define MAJORITY 0xe8 /* and that of the three */

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The same of the square roots of the first eight. */
static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Padding: a bit 1, zeros, the number of bits in the last eight bytes, big-endian. */
static size_t tail_of(uint8_t tail[128], const uint8_t *part, size_t bytes)
{
    const size_t held = bytes % 64, size = held < 56 ? 64 : 128;
    memset(tail, 0, 128);
    memcpy(tail, part + bytes - held, held);
    tail[held] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        tail[size - 1 - i] = (uint8_t)(8 * (uint64_t)bytes >> 8 * i);
    return size / 64;
}

/* Compilers may change the order of sums, which makes the chain from round to round longer. */
#define KEEP(x) __asm__("" : "+v"(x))

INLINE_WIDE __m512i add(__m512i a, __m512i b)
{
    return _mm512_add_epi32(a, b);
}
INLINE_WIDE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, XOR3);
}

/* Sixteen words of each string, the strings `stride` bytes apart: w[i] = word i of all. */
INLINE_WIDE void load_words(__m512i w[16], const uint8_t *data, size_t stride)
{
    const __m512i big_endian =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    __m512i a[16];
    for (unsigned i = 0; i < 16; i++)
        a[i] = _mm512_loadu_si512(data + i * stride);
    for (unsigned i = 0; i < 16; i += 2) { /* pairs of words, then of pairs */
        w[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        w[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    for (unsigned i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
    }
    for (unsigned j = 0; j < 4; j++) { /* a[4*i + j]: in lane l word 4*l + j of strings 4*i .. */
        const __m512i p = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
        const __m512i q = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        const __m512i r = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
        const __m512i s = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        w[j] = _mm512_shuffle_i32x4(p, r, 0x88);
        w[4 + j] = _mm512_shuffle_i32x4(q, s, 0x88);
        w[8 + j] = _mm512_shuffle_i32x4(p, r, 0xdd);
        w[12 + j] = _mm512_shuffle_i32x4(q, s, 0xdd);
    }
    for (unsigned i = 0; i < 16; i++)
        w[i] = _mm512_shuffle_epi8(w[i], big_endian);
}

/* Word t + 16 of the schedule takes the place of word t. */
INLINE_WIDE void next_word(__m512i w[16], unsigned t)
{
    const __m512i x = w[(t + 1) % 16], y = w[(t + 14) % 16];
    const __m512i s0 =
        xor3(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
    const __m512i s1 =
        xor3(_mm512_ror_epi32(y, 17), _mm512_ror_epi32(y, 19), _mm512_srli_epi32(y, 10));
    w[t] = add(add(w[t], s0), add(w[(t + 9) % 16], s1));
}

/* Round t; the roles of the state's words move on by one each round. */
INLINE_WIDE void one_round(__m512i s[8], __m512i word, const uint32_t *constant, unsigned t)
{
    const __m512i a = s[(8 - t) % 8], b = s[(9 - t) % 8], c = s[(10 - t) % 8];
    const __m512i e = s[(12 - t) % 8], f = s[(13 - t) % 8], g = s[(14 - t) % 8];
    __m512i *d = &s[(11 - t) % 8], *h = &s[(15 - t) % 8];
    const __m512i s1 =
        xor3(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));
    const __m512i s0 =
        xor3(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));
    const __m512i choice = _mm512_ternarylogic_epi32(e, f, g, CHOOSE);
    __m512i early = add(*h, add(word, _mm512_set1_epi32((int)*constant)));
    KEEP(early); /* s1 comes last: add it last */
    early = add(early, choice);
    KEEP(early);
    const __m512i t1 = add(early, s1);
    *d = add(*d, t1);
    *h = add(add(t1, _mm512_ternarylogic_epi32(a, b, c, MAJORITY)), s0);
}

INLINE_WIDE void step(__m512i s[8], __m512i w[16], unsigned t, const uint32_t *constant, bool last)
{
    one_round(s, w[t], constant + t, t % 8);
    if (!last)
        next_word(w, t);
}

/* Written out: a loop keeps state and words in memory. */
INLINE_WIDE void sixteen_rounds(__m512i s[8], __m512i w[16], const uint32_t *constant, bool last)
{
    step(s, w, 0, constant, last);
    step(s, w, 1, constant, last);
    step(s, w, 2, constant, last);
    step(s, w, 3, constant, last);
    step(s, w, 4, constant, last);
    step(s, w, 5, constant, last);
    step(s, w, 6, constant, last);
    step(s, w, 7, constant, last);
    step(s, w, 8, constant, last);
    step(s, w, 9, constant, last);
    step(s, w, 10, constant, last);
    step(s, w, 11, constant, last);
    step(s, w, 12, constant, last);
    step(s, w, 13, constant, last);
    step(s, w, 14, constant, last);
    step(s, w, 15, constant, last);
}

INLINE_WIDE void block(__m512i s[8], const uint8_t *data, size_t stride)
{
    __m512i w[16], before[8];
    load_words(w, data, stride);
    for (unsigned i = 0; i < 8; i++)
        before[i] = s[i];
    for (unsigned from = 0; from < 48; from += 16)
        sixteen_rounds(s, w, constants + from, false);
    sixteen_rounds(s, w, constants + 48, true);
    for (unsigned i = 0; i < 8; i++)
        s[i] = add(s[i], before[i]);
}

WIDE void sha256_parts_avx512(uint8_t *out, const uint8_t *data, size_t bytes)
{
    uint8_t tail[SHA256_PARTS][128];
    uint32_t end[8][SHA256_PARTS];
    __m512i s[8];
    size_t blocks = 0;
    for (unsigned i = 0; i < 8; i++)
        s[i] = _mm512_set1_epi32((int)start[i]);
    for (size_t at = 0; at + 64 <= bytes; at += 64)
        block(s, data + at, bytes);
    for (unsigned i = 0; i < SHA256_PARTS; i++)
        blocks = tail_of(tail[i], data + i * bytes, bytes);
    for (size_t i = 0; i < blocks; i++)
        block(s, tail[0] + 64 * i, sizeof tail[0]);
    for (unsigned i = 0; i < 8; i++)
        _mm512_storeu_si512(end[i], s[i]);
    for (unsigned i = 0; i < 32 * SHA256_PARTS; i++)
        out[i] = (uint8_t)(end[i / 4 % 8][i / 32] >> (24 - 8 * (i % 4)));
}
#endif
