/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 by instructions: a *quad* is four rounds and the four words of the message schedule that
 * are needed sixteen rounds later; the last four quads make words that nobody needs. */
#include "crypto/sha256.h"

#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#include "base/bytes.h"

#define SHA __attribute__((target("sha,ssse3,sse4.1")))
#define INLINE_SHA __attribute__((target("sha,ssse3,sse4.1"), always_inline)) static inline

bool sha256_available(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    return cpu_has_aes() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) != 0;
}

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

/* The same of the square roots of the first eight, in the order of struct sha256. */
void sha256_init(struct sha256 *h)
{
    static const uint32_t start[8] = {0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667,
                                      0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372};
    memset(h, 0, sizeof *h);
    memcpy(h->state, start, sizeof start);
}

struct lane {
    __m128i abef, cdgh;
    __m128i word[4]; /* sixteen words of the schedule */
    const uint8_t *from;
};

INLINE_SHA void quad(struct lane *l, unsigned lanes, unsigned q)
{
    const __m128i k = _mm_loadu_si128((const __m128i *)(const void *)(constants + 4 * q));
    for (unsigned j = 0; j < lanes; j++) {
        __m128i *w = l[j].word;
        const __m128i in = _mm_add_epi32(w[q % 4], k);
        l[j].cdgh = _mm_sha256rnds2_epu32(l[j].cdgh, l[j].abef, in);
        l[j].abef = _mm_sha256rnds2_epu32(l[j].abef, l[j].cdgh, _mm_shuffle_epi32(in, 0x0e));
        const __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(w[q % 4], w[(q + 1) % 4]),
                                        _mm_alignr_epi8(w[(q + 3) % 4], w[(q + 2) % 4], 4));
        w[q % 4] = _mm_sha256msg2_epu32(t, w[(q + 3) % 4]);
    }
}

INLINE_SHA void block(struct lane *l, unsigned lanes)
{
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef[2], cdgh[2];
    for (unsigned j = 0; j < lanes; j++) {
        const __m128i *m = (const __m128i *)(const void *)l[j].from;
        for (unsigned i = 0; i < 4; i++)
            l[j].word[i] = _mm_shuffle_epi8(_mm_loadu_si128(m + i), big_endian);
        abef[j] = l[j].abef;
        cdgh[j] = l[j].cdgh;
        l[j].from += 64;
    }
    for (unsigned q = 0; q < 16; q += 4) { /* four written out: words stay in registers */
        quad(l, lanes, q);
        quad(l, lanes, q + 1);
        quad(l, lanes, q + 2);
        quad(l, lanes, q + 3);
    }
    for (unsigned j = 0; j < lanes; j++) {
        l[j].abef = _mm_add_epi32(l[j].abef, abef[j]);
        l[j].cdgh = _mm_add_epi32(l[j].cdgh, cdgh[j]);
    }
}

INLINE_SHA void lane_load(struct lane *l, const struct sha256 *h, const uint8_t *from)
{
    const __m128i *s = (const __m128i *)(const void *)h->state;
    l->abef = _mm_loadu_si128(s);
    l->cdgh = _mm_loadu_si128(s + 1);
    l->from = from;
}
INLINE_SHA void lane_store(struct sha256 *h, const struct lane *l)
{
    __m128i *s = (__m128i *)(void *)h->state;
    _mm_storeu_si128(s, l->abef);
    _mm_storeu_si128(s + 1, l->cdgh);
}

SHA static void blocks_one(struct sha256 *h, const uint8_t *from, size_t blocks)
{
    struct lane l[1];
    lane_load(&l[0], h, from);
    for (; blocks > 0; blocks--)
        block(l, 1);
    lane_store(h, &l[0]);
}

SHA static void blocks_two(struct sha256 *a, const uint8_t *x, struct sha256 *b, const uint8_t *y,
                           size_t blocks)
{
    struct lane l[2];
    lane_load(&l[0], a, x);
    lane_load(&l[1], b, y);
    for (; blocks > 0; blocks--)
        block(l, 2);
    lane_store(a, &l[0]);
    lane_store(b, &l[1]);
}

/* Adds to the bytes held, up to a whole block, which is hashed; returns how many were taken. */
static size_t complete(struct sha256 *h, const uint8_t *x, size_t n)
{
    const size_t held = h->bytes % 64;
    const size_t take = held == 0 ? 0 : n < 64 - held ? n : 64 - held;
    if (take == 0)
        return 0;
    memcpy(h->held + held, x, take);
    h->bytes += take;
    if (held + take == 64)
        blocks_one(h, h->held, 1);
    return take;
}

/* Counts whole blocks that were hashed, and holds what is left of n bytes: less than a block. */
static void keep(struct sha256 *h, const uint8_t *x, size_t n)
{
    if (n % 64 > 0)
        memcpy(h->held, x + n / 64 * 64, n % 64);
    h->bytes += n;
}

void sha256_update_two(struct sha256 *a, const uint8_t *x, size_t x_bytes, struct sha256 *b,
                       const uint8_t *y, size_t y_bytes)
{
    const size_t from_x = x_bytes > 0 ? complete(a, x, x_bytes) : 0;
    const size_t from_y = y_bytes > 0 ? complete(b, y, y_bytes) : 0;
    const size_t left_x = x_bytes - from_x, left_y = y_bytes - from_y;
    const size_t blocks_x = left_x / 64, blocks_y = left_y / 64;
    const size_t both = blocks_x < blocks_y ? blocks_x : blocks_y;
    if (both > 0)
        blocks_two(a, x + from_x, b, y + from_y, both);
    if (blocks_x > both)
        blocks_one(a, x + from_x + 64 * both, blocks_x - both);
    if (blocks_y > both)
        blocks_one(b, y + from_y + 64 * both, blocks_y - both);
    if (left_x > 0)
        keep(a, x + from_x, left_x);
    if (left_y > 0)
        keep(b, y + from_y, left_y);
}

/* Padding: a bit 1, zeros, the number of bits in the last eight bytes, big-endian. */
void sha256_now(const struct sha256 *h, uint8_t out[32])
{
    static const uint8_t order[8] = {3, 2, 7, 6, 1, 0, 5, 4}; /* where a, b ... h are */
    struct sha256 end = *h;
    uint8_t last[128] = {0};
    const size_t held = h->bytes % 64, size = held < 56 ? 64 : 128;
    memcpy(last, h->held, held);
    last[held] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        last[size - 1 - i] = (uint8_t)(8 * h->bytes >> 8 * i);
    blocks_one(&end, last, size / 64);
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(end.state[order[i / 4]] >> (24 - 8 * (i % 4)));
    explicit_bzero(&end, sizeof end);
    explicit_bzero(last, sizeof last);
}
#else
bool sha256_available(void)
{
    return false;
}
void sha256_init(struct sha256 *h)
{
    (void)h;
}
void sha256_update_two(struct sha256 *a, const uint8_t *x, size_t x_bytes, struct sha256 *b,
                       const uint8_t *y, size_t y_bytes)
{
    (void)a, (void)x, (void)x_bytes, (void)b, (void)y, (void)y_bytes;
}
void sha256_now(const struct sha256 *h, uint8_t out[32])
{
    (void)h, (void)out;
}
#endif
