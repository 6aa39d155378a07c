/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels on 256-bit registers, two blocks each. The check's products come from crypto's
 * kernels, as in the portable table. */
#include "base/cpu.h"
#include "ot/ot_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define WIDE __attribute__((target("avx2")))
#define INLINE_WIDE __attribute__((target("avx2"), always_inline)) static inline

INLINE_WIDE __m256i load(const struct block *b)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)b);
}
INLINE_WIDE void store(struct block *b, __m256i x)
{
    _mm256_storeu_si256((__m256i *)(void *)b, x);
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

/* Four columns share a cache line: gathered together, each line is read once. */
static void hash_avx2(struct block (*acc)[2], const struct block *tiles, const struct block *chi,
                      size_t tile_count, const struct crypto_kernels *crypto)
{
    struct block column[4][OT_STRIP];
    for (unsigned j = 0; j < OT_WIDTH; j += 4) {
        for (size_t t = 0; t < tile_count; t++)
            for (unsigned i = 0; i < 4; i++)
                column[i][t] = tiles[t * OT_WIDTH + j + i];
        for (unsigned i = 0; i < 4; i++)
            crypto_gf128_accumulate(crypto, acc[j + i], column[i], chi, tile_count);
    }
    secret_wipe(column, sizeof column);
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

WIDE static void transpose_avx2(struct block *tiles, size_t tile_count)
{
    uint32_t rows[OT_WIDTH][4];
    for (; tile_count > 0; tile_count--, tiles += OT_WIDTH) {
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

static void copy_avx2(struct block *to, const struct block *tiles, size_t tile_count)
{
    for (size_t t = 0; t < tile_count; t++)
        memcpy(to + t * OT_WIDTH, tiles + t * OT_TILE_STRIDE, OT_WIDTH * sizeof *to);
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
