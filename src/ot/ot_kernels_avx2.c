/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels on 256-bit registers, two blocks each; PCLMULQDQ for the check. */
#include "base/cpu.h"
#include "ot/ot_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define WIDE __attribute__((target("avx2,pclmul")))
#define INLINE_WIDE __attribute__((target("avx2,pclmul"), always_inline)) static inline

INLINE_WIDE __m256i load(const struct block *b)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)b);
}
INLINE_WIDE void store(struct block *b, __m256i x)
{
    _mm256_storeu_si256((__m256i *)(void *)b, x);
}

INLINE_WIDE __m128i load_one(const struct block *b)
{
    return _mm_loadu_si128((const __m128i *)(const void *)b);
}

/* Two blocks at a time, halving as in the portable table. OT_STRIP is even, so the block behind an
 * odd number of blocks is there; it changes. */
INLINE_WIDE void fold_bits(struct block *planes, struct block *sum, const struct block *leaves,
                           size_t blocks, unsigned bits)
{
    for (size_t t = 0; t < blocks; t += 2) {
        __m256i leaf[16];
        for (unsigned x = 0; x < 1U << bits; x++)
            leaf[x] = load(leaves + x * OT_STRIP + t);
        for (unsigned b = 0; b < bits; b++) {
            __m256i plane = load(planes + b * OT_STRIP + t);
            for (unsigned x = 0; x < 1U << (bits - 1 - b); x++) {
                plane = _mm256_xor_si256(plane, leaf[2 * x + 1]);
                leaf[x] = _mm256_xor_si256(leaf[2 * x], leaf[2 * x + 1]);
            }
            store(planes + b * OT_STRIP + t, plane);
        }
        store(sum + t, leaf[0]);
    }
}

WIDE static void fold_avx2(struct block *planes, struct block *sum, const struct block *leaves,
                           size_t blocks, unsigned bits)
{
    switch (bits) {
    case 1:
        fold_bits(planes, sum, leaves, blocks, 1);
        break;
    case 2:
        fold_bits(planes, sum, leaves, blocks, 2);
        break;
    case 3:
        fold_bits(planes, sum, leaves, blocks, 3);
        break;
    default:
        fold_bits(planes, sum, leaves, blocks, 4);
        break;
    }
}

/* Pairs of planes; `bits` is even, as all numbers of planes of a tree are, except in tests. */
WIDE static void place_avx2(struct block *tiles, const struct block *planes,
                            const struct block *correction, const uint64_t *mask, size_t blocks,
                            unsigned bits)
{
    if (bits % 2 != 0) {
        ot_kernels_portable()->place(tiles, planes, correction, mask, blocks, bits);
        return;
    }
    for (unsigned b = 0; b < bits; b += 2) {
        const uint64_t m0 = correction != NULL ? mask[b] : 0;
        const uint64_t m1 = correction != NULL ? mask[b + 1] : 0;
        const __m256i m =
            _mm256_set_epi64x((long long)m1, (long long)m1, (long long)m0, (long long)m0);
        for (size_t t = 0; t < blocks; t++) {
            const __m128i *p = (const __m128i *)(const void *)(planes + b * OT_STRIP + t);
            const __m128i *q = (const __m128i *)(const void *)(planes + (b + 1) * OT_STRIP + t);
            __m256i two = _mm256_set_m128i(_mm_loadu_si128(q), _mm_loadu_si128(p));
            if (correction != NULL) {
                const __m256i d = _mm256_broadcastsi128_si256(
                    _mm_loadu_si128((const __m128i *)(const void *)(correction + t)));
                two = _mm256_xor_si256(two, _mm256_and_si256(d, m));
            }
            store(tiles + t * OT_TILE_STRIDE + b, two);
        }
    }
}

/* ---- the check ------------------------------------------------------------------------------ */

#define HASH_TILES 8 /* go through the columns together; 16 KiB */

/* Of each chi: itself, and the sum of its halves. */
struct factors {
    __m128i chi[HASH_TILES], folded[HASH_TILES];
};

/* Sums of products of a column by three multiplications each [Karatsuba]: of low halves, of high
 * halves, of the sums of both; the middle one, which straddles both, is the sum of all three. */
INLINE_WIDE void hash_column(struct block acc[2], const struct block *column,
                             const struct factors *f, unsigned count)
{
    __m128i low = _mm_setzero_si128(), high = low, middle = low;
    for (unsigned t = 0; t < count; t++) {
        const __m128i x = load_one(column + t * OT_WIDTH);
        const __m128i sum = _mm_xor_si128(x, _mm_shuffle_epi32(x, 0x4e));
        low = _mm_xor_si128(low, _mm_clmulepi64_si128(x, f->chi[t], 0x00));
        high = _mm_xor_si128(high, _mm_clmulepi64_si128(x, f->chi[t], 0x11));
        middle = _mm_xor_si128(middle, _mm_clmulepi64_si128(sum, f->folded[t], 0x00));
    }
    middle = _mm_xor_si128(middle, _mm_xor_si128(low, high));
    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    store(acc, _mm256_xor_si256(load(acc), _mm256_set_m128i(high, low)));
}

WIDE static void hash_avx2(struct block (*acc)[2], const struct block *tiles,
                           const struct block *chi, size_t tile_count,
                           const struct crypto_kernels *crypto)
{
    struct factors f;
    (void)crypto;
    for (size_t t = 0; t < tile_count; t += HASH_TILES) {
        const unsigned count =
            tile_count - t < HASH_TILES ? (unsigned)(tile_count - t) : HASH_TILES;
        for (unsigned i = 0; i < count; i++) {
            f.chi[i] = load_one(chi + t + i);
            f.folded[i] = _mm_xor_si128(f.chi[i], _mm_shuffle_epi32(f.chi[i], 0x4e));
        }
        for (unsigned j = 0; j < OT_WIDTH; j++)
            if (count == HASH_TILES)
                hash_column(acc[j], tiles + t * OT_WIDTH + j, &f, HASH_TILES);
            else
                hash_column(acc[j], tiles + t * OT_WIDTH + j, &f, count);
    }
}

/* ---- transposition -------------------------------------------------------------------------- */

/* Of 32 columns from `from` on: the bytes of each group of rows together, so that the top bits of a
 * register's 32 bytes are a row's bits of 32 columns. group[g] = byte g of the 32 columns. */
INLINE_WIDE void columns_turn(__m256i group[16], const struct block *from)
{
    __m256i a[16], b[16];
    for (unsigned i = 0; i < 16; i++) { /* lanes: columns i and i + 16 */
        const __m128i *low = (const __m128i *)(const void *)(from + i);
        const __m128i *high = (const __m128i *)(const void *)(from + 16 + i);
        a[i] = _mm256_set_m128i(_mm_loadu_si128(high), _mm_loadu_si128(low));
    }
    /* Four rounds of interleaving i with i + 8 turn 16 x 16 bytes in each lane. */
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 8; i++) {
            b[2 * i] = _mm256_unpacklo_epi8(a[i], a[i + 8]);
            b[2 * i + 1] = _mm256_unpackhi_epi8(a[i], a[i + 8]);
        }
        for (unsigned i = 0; i < 16; i++)
            a[i] = b[i];
    }
    for (unsigned i = 0; i < 16; i++)
        group[i] = a[i];
}

#define AHEAD 4 /* tiles whose memory is asked for early */

WIDE static void transpose_avx2(struct block *tiles, size_t tile_count)
{
    uint32_t rows[OT_WIDTH][4];
    for (; tile_count > 0; tile_count--, tiles += OT_WIDTH) {
        for (unsigned i = 0; i < OT_WIDTH; i += 4)
            _mm_prefetch((const char *)(tiles + AHEAD * OT_WIDTH + i), _MM_HINT_T0);
        for (unsigned part = 0; part < 4; part++) {
            __m256i group[16];
            columns_turn(group, tiles + 32 * part);
            for (unsigned g = 0; g < 16; g++)
                for (unsigned bit = 8; bit-- > 0;) {
                    rows[8 * g + bit][part] = (uint32_t)_mm256_movemask_epi8(group[g]);
                    group[g] = _mm256_add_epi8(group[g], group[g]);
                }
        }
        memcpy(tiles, rows, sizeof rows);
    }
    secret_wipe(rows, sizeof rows);
}

/* Past the caches, which spares reading the lines first. */
WIDE static void copy_avx2(struct block *to, const struct block *tiles, size_t tile_count)
{
    if ((uintptr_t)to % 32 != 0) { /* a caller's small piece */
        ot_kernels_portable()->copy(to, tiles, tile_count);
        return;
    }
    for (size_t t = 0; t < tile_count; t++, tiles += OT_TILE_STRIDE, to += OT_WIDTH)
        for (size_t i = 0; i < OT_WIDTH; i += 2)
            _mm256_stream_si256((__m256i *)(void *)(to + i), load(tiles + i));
    _mm_sfence();
}

const struct ot_kernels *ot_kernels_avx2(void)
{
    static const struct ot_kernels table = {"avx2",    fold_avx2,      place_avx2,
                                            hash_avx2, transpose_avx2, copy_avx2};
    return cpu_level() >= CPU_AVX2 ? &table : NULL;
}
#else
const struct ot_kernels *ot_kernels_avx2(void)
{
    return NULL;
}
#endif
