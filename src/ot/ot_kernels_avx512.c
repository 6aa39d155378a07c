/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels on 512-bit registers, four blocks each: GFNI and byte permutations for the
 * transposition, VPCLMULQDQ for the check. */
#include "base/cpu.h"
#include "ot/ot_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define SET "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,vpclmulqdq,gfni,pclmul"
#define WIDE __attribute__((target(SET)))
#define INLINE_WIDE __attribute__((target(SET), always_inline)) static inline

#define XOR3 0x96 /* the truth table of a ^ b ^ c */

/* ---- planes to tiles ------------------------------------------------------------------------ */

/* Four blocks of each of 2^bits.. leaves; halving as in the portable table. */
INLINE_WIDE void fold_bits(struct block *planes, struct block *sum, const struct block *leaves,
                           size_t t, __mmask8 there, unsigned bits)
{
    __m512i leaf[16];
    for (unsigned x = 0; x < 1U << bits; x++)
        leaf[x] = _mm512_maskz_loadu_epi64(there, leaves + x * OT_STRIP + t);
    for (unsigned b = 0; b < bits; b++) {
        __m512i plane = _mm512_maskz_loadu_epi64(there, planes + b * OT_STRIP + t);
        for (unsigned x = 0; x < 1U << (bits - 1 - b); x++) {
            plane = _mm512_xor_si512(plane, leaf[2 * x + 1]);
            leaf[x] = _mm512_xor_si512(leaf[2 * x], leaf[2 * x + 1]);
        }
        _mm512_mask_storeu_epi64(planes + b * OT_STRIP + t, there, plane);
    }
    _mm512_mask_storeu_epi64(sum + t, there, leaf[0]);
}

/* The words of the four blocks from t on that are there. */
INLINE_WIDE __mmask8 words_there(size_t blocks, size_t t)
{
    return (__mmask8)(blocks - t >= 4 ? 0xffU : 0xffU >> (8 - 2 * (blocks - t)));
}

WIDE static void fold_avx512(struct block *planes, struct block *sum, const struct block *leaves,
                             size_t blocks, unsigned bits)
{
    for (size_t t = 0; t < blocks; t += 4) {
        const __mmask8 there = words_there(blocks, t);
        switch (bits) {
        case 1:
            fold_bits(planes, sum, leaves, t, there, 1);
            break;
        case 2:
            fold_bits(planes, sum, leaves, t, there, 2);
            break;
        case 3:
            fold_bits(planes, sum, leaves, t, there, 3);
            break;
        default:
            fold_bits(planes, sum, leaves, t, there, 4);
            break;
        }
    }
}

/* Four planes of four tiles, with their corrections, turned so that each tile gets its four. */
INLINE_WIDE void place_four(struct block *tiles, const struct block *planes, __m512i d,
                            const uint64_t *mask, size_t tile_count, __mmask8 there, unsigned bits)
{
    __m512i p[4];
    for (unsigned b = 0; b < 4; b++) {
        p[b] = b < bits ? _mm512_maskz_loadu_epi64(there, planes + b * OT_STRIP)
                        : _mm512_setzero_si512();
        if (mask != NULL && b < bits) /* p ^ (d & mask) */
            p[b] = _mm512_ternarylogic_epi64(p[b], d, _mm512_set1_epi64((long long)mask[b]), 0x78);
    }
    const __m512i a = _mm512_shuffle_i64x2(p[0], p[1], 0x88); /* tiles 0, 2 of both */
    const __m512i b = _mm512_shuffle_i64x2(p[0], p[1], 0xdd); /* tiles 1, 3 of both */
    const __m512i e = _mm512_shuffle_i64x2(p[2], p[3], 0x88);
    const __m512i f = _mm512_shuffle_i64x2(p[2], p[3], 0xdd);
    const __m512i rows[4] = {_mm512_shuffle_i64x2(a, e, 0x88), _mm512_shuffle_i64x2(b, f, 0x88),
                             _mm512_shuffle_i64x2(a, e, 0xdd), _mm512_shuffle_i64x2(b, f, 0xdd)};
    const __mmask8 wanted = (__mmask8)(0xffU >> (8 - 2 * bits));
    for (size_t t = 0; t < 4 && t < tile_count; t++)
        _mm512_mask_storeu_epi64(tiles + t * OT_TILE_STRIDE, wanted, rows[t]);
}

WIDE static void place_avx512(struct block *tiles, const struct block *planes,
                              const struct block *correction, const uint64_t *mask, size_t blocks,
                              unsigned bits)
{
    for (size_t t = 0; t < blocks; t += 4) {
        const __mmask8 there = words_there(blocks, t);
        const __m512i d = correction != NULL ? _mm512_maskz_loadu_epi64(there, correction + t)
                                             : _mm512_setzero_si512();
        for (unsigned b = 0; b < bits; b += 4) {
            const unsigned some = bits - b < 4 ? bits - b : 4;
            const uint64_t *m = correction != NULL ? mask + b : NULL;
            struct block *to = tiles + t * OT_TILE_STRIDE + b;
            const struct block *from = planes + b * OT_STRIP + t;
            if (some == 4)
                place_four(to, from, d, m, blocks - t, there, 4);
            else
                place_four(to, from, d, m, blocks - t, there, some);
        }
    }
}

/* ---- the check ------------------------------------------------------------------------------ */

#define HASH_TILES 8 /* go through the columns together; 16 KiB */

/* Of each chi, repeated: itself, and the sum of its halves. */
struct factors {
    __m512i chi[HASH_TILES], folded[HASH_TILES];
};

/* Sums of products of four columns by three multiplications each [Karatsuba]: of low halves, of
 * high halves, of the sums of both; the middle one, which straddles both, is the sum of all three.
 */
INLINE_WIDE void hash_columns(struct block (*acc)[2], const struct block *tiles,
                              const struct factors *f, unsigned count)
{
    __m512i low = _mm512_setzero_si512(), middle = low, high = low;
    for (unsigned t = 0; t < count; t++) {
        const struct block *column = tiles + t * OT_WIDTH;
        const __m512i x = _mm512_loadu_si512(column);
        _mm_prefetch((const char *)(column + HASH_TILES * OT_WIDTH), _MM_HINT_T0);
        const __m512i sum = _mm512_xor_si512(x, _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4e));
        low = _mm512_xor_si512(low, _mm512_clmulepi64_epi128(x, f->chi[t], 0x00));
        high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128(x, f->chi[t], 0x11));
        middle = _mm512_xor_si512(middle, _mm512_clmulepi64_epi128(sum, f->folded[t], 0x00));
    }
    middle = _mm512_ternarylogic_epi64(middle, low, high, XOR3);
    low = _mm512_xor_si512(low, _mm512_bslli_epi128(middle, 8));
    high = _mm512_xor_si512(high, _mm512_bsrli_epi128(middle, 8));
    /* acc holds low and high by turns. */
    const __m512i first =
        _mm512_permutex2var_epi64(low, _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), high);
    const __m512i second =
        _mm512_permutex2var_epi64(low, _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4), high);
    _mm512_storeu_si512(acc, _mm512_xor_si512(_mm512_loadu_si512(acc), first));
    _mm512_storeu_si512(acc + 2, _mm512_xor_si512(_mm512_loadu_si512(acc + 2), second));
}

WIDE static void hash_avx512(struct block (*acc)[2], const struct block *tiles,
                             const struct block *chi, size_t tile_count,
                             const struct crypto_kernels *crypto)
{
    struct factors f;
    (void)crypto;
    for (size_t t = 0; t < tile_count; t += HASH_TILES) {
        const unsigned count =
            tile_count - t < HASH_TILES ? (unsigned)(tile_count - t) : HASH_TILES;
        for (unsigned i = 0; i < count; i++) {
            const __m512i x = _mm512_broadcast_i64x2(
                _mm_loadu_si128((const __m128i *)(const void *)(chi + t + i)));
            f.chi[i] = x;
            f.folded[i] = _mm512_xor_si512(x, _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)0x4e));
        }
        for (unsigned j = 0; j < OT_WIDTH; j += 4) {
            const struct block *from = tiles + t * OT_WIDTH + j;
            if (count == HASH_TILES)
                hash_columns(acc + j, from, &f, HASH_TILES);
            else
                hash_columns(acc + j, from, &f, count);
        }
    }
}

/* ---- transposition -------------------------------------------------------------------------- */

/* Byte 7 - r + 8*c of the result is byte 16*r + c of the 128 bytes of two registers: an 8 x 16
 * matrix of bytes turned, last row first. `half` says which eight columns c, the lower or the
 * upper. */
INLINE_WIDE __m512i turn_indices(unsigned half)
{
    const __m512i row = _mm512_set1_epi64(0x0010203040506070);
    const __m512i column = _mm512_set_epi64(
        0x0707070707070707, 0x0606060606060606, 0x0505050505050505, 0x0404040404040404,
        0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    return _mm512_add_epi8(_mm512_add_epi8(row, column), _mm512_set1_epi8((char)(8 * half)));
}

/* The way back: byte 16*r + c of the result is byte r + 8*c; `half` says which four rows r. */
INLINE_WIDE __m512i return_indices(unsigned half)
{
    const __m512i column = _mm512_broadcast_i32x4(
        _mm_set_epi8(120, 112, 104, 96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16, 8, 0));
    const __m512i row =
        _mm512_set_epi64(0x0303030303030303, 0x0303030303030303, 0x0202020202020202,
                         0x0202020202020202, 0x0101010101010101, 0x0101010101010101, 0, 0);
    return _mm512_add_epi8(_mm512_add_epi8(column, row), _mm512_set1_epi8((char)(4 * half)));
}

/* Turns an 8x8 matrix of 64-bit words, word j of m[i] <-> word i of m[j]. */
INLINE_WIDE void turn_words(__m512i m[8])
{
    __m512i a[8], b[8];
    for (unsigned i = 0; i < 8; i += 2) {
        a[i] = _mm512_unpacklo_epi64(m[i], m[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi64(m[i], m[i + 1]);
    }
    for (unsigned i = 0; i < 8; i += 4)
        for (unsigned j = 0; j < 2; j++) { /* lanes 0, 2 and 1, 3 */
            b[i + j] = _mm512_shuffle_i64x2(a[i + j], a[i + j + 2], 0x88);
            b[i + j + 2] = _mm512_shuffle_i64x2(a[i + j], a[i + j + 2], 0xdd);
        }
    for (unsigned i = 0; i < 4; i++) {
        m[i] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0x88);
        m[i + 4] = _mm512_shuffle_i64x2(b[i], b[i + 4], 0xdd);
    }
}

/* Bit c of byte 7 - r becomes bit r of byte c in each 64 bits: the identity times x, where the
 * instruction takes the rows of the matrix x last byte first. */
INLINE_WIDE __m512i turn_bits(__m512i x)
{
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64((long long)0x8040201008040201), x, 0);
}

#define AHEAD 4 /* tiles whose memory is asked for early */

/* In 8x8 bit matrices, J (columns / 8) from 0 to 15 and T (rows / 8) from 0 to 15. First, for each
 * J, the 16 matrices are turned one by one; then matrix (J, T) goes to place (T, J). */
WIDE static void transpose_avx512(struct block *tiles, size_t tile_count)
{
    const __m512i turn[2] = {turn_indices(0), turn_indices(1)};
    const __m512i back[2] = {return_indices(0), return_indices(1)};
    _Alignas(64) __m512i middle[2][16]; /* [T / 8][J], eight matrices each */
    for (; tile_count > 0; tile_count--, tiles += OT_WIDTH) {
        for (unsigned j = 0; j < 16; j++) {
            _mm_prefetch((const char *)(tiles + AHEAD * OT_WIDTH + 8 * j), _MM_HINT_T0);
            _mm_prefetch((const char *)(tiles + AHEAD * OT_WIDTH + 8 * j + 4), _MM_HINT_T0);
            const __m512i low = _mm512_loadu_si512(tiles + 8 * j);
            const __m512i high = _mm512_loadu_si512(tiles + 8 * j + 4);
            for (unsigned h = 0; h < 2; h++)
                middle[h][j] = turn_bits(_mm512_permutex2var_epi8(low, turn[h], high));
        }
        for (unsigned h = 0; h < 2; h++) {
            turn_words(middle[h]);
            turn_words(middle[h] + 8);
            for (unsigned i = 0; i < 8; i++) {
                struct block *to = tiles + 64 * h + 8 * i;
                const __m512i a = middle[h][i], b = middle[h][8 + i];
                _mm512_storeu_si512(to, _mm512_permutex2var_epi8(a, back[0], b));
                _mm512_storeu_si512(to + 4, _mm512_permutex2var_epi8(a, back[1], b));
            }
        }
    }
    secret_wipe(middle, sizeof middle);
}

/* Past the caches, which spares reading the lines first; few tiles stay in them. */
WIDE static void copy_avx512(struct block *to, const struct block *tiles, size_t tile_count)
{
    if ((uintptr_t)to % 64 != 0) { /* a caller's small piece */
        ot_kernels_portable()->copy(to, tiles, tile_count);
        return;
    }
    for (size_t t = 0; t < tile_count; t++, tiles += OT_TILE_STRIDE, to += OT_WIDTH)
        for (size_t i = 0; i < OT_WIDTH; i += 4)
            _mm512_stream_si512((__m512i *)(void *)(to + i), _mm512_loadu_si512(tiles + i));
    _mm_sfence();
}

const struct ot_kernels *ot_kernels_avx512(void)
{
    static const struct ot_kernels table = {"avx512",    fold_avx512,      place_avx512,
                                            hash_avx512, transpose_avx512, copy_avx512};
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct ot_kernels *ot_kernels_avx512(void)
{
    return NULL;
}
#endif
