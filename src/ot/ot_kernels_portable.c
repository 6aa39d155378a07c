/* SPDX-License-Identifier: Apache-2.0
 *
 * The portable kernels. `pair` is two 64-bit lanes, which compilers map to whatever registers the
 * target has. */
#include "ot/ot_kernels.h"

#include <string.h>

#include "crypto/gf128.h"

typedef uint64_t pair __attribute__((vector_size(16), may_alias));

_Static_assert(sizeof(pair) == sizeof(struct block), "a pair is a block");

static inline pair get(const struct block *b)
{
    pair p;
    memcpy(&p, b, sizeof p);
    return p;
}
static inline void put(struct block *b, pair p)
{
    memcpy(b, &p, sizeof p);
}

/* Level by level: the leaves with bit b set are the odd ones after b halvings, and each halving
 * leaves the sums over the bits below. 2 * 2^bits XORs instead of bits/2 * 2^bits. */
static inline void fold_bits(struct block *planes, struct block *sum, const struct block *leaves,
                             size_t blocks, unsigned bits)
{
    for (size_t t = 0; t < blocks; t++) {
        pair leaf[16];
        for (unsigned x = 0; x < 1U << bits; x++)
            leaf[x] = get(leaves + x * OT_STRIP + t);
        for (unsigned b = 0; b < bits; b++) {
            pair plane = get(planes + b * OT_STRIP + t);
            for (unsigned x = 0; x < 1U << (bits - 1 - b); x++) {
                plane ^= leaf[2 * x + 1];
                leaf[x] = leaf[2 * x] ^ leaf[2 * x + 1];
            }
            put(planes + b * OT_STRIP + t, plane);
        }
        put(sum + t, leaf[0]);
    }
}

/* One copy a size, so that the loops over leaves unroll. */
static void fold_portable(struct block *planes, struct block *sum, const struct block *leaves,
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

static void place_portable(struct block *tiles, const struct block *planes,
                           const struct block *correction, const uint64_t *mask, size_t blocks,
                           unsigned bits)
{
    for (size_t t = 0; t < blocks; t++)
        for (unsigned b = 0; b < bits; b++) {
            pair p = get(planes + b * OT_STRIP + t);
            if (correction != NULL)
                p ^= get(correction + t) & mask[b];
            put(tiles + t * OT_TILE_STRIDE + b, p);
        }
}

/* All columns at once: row i of the tile holds bit i of each, row n of the sum the coefficients of
 * x^n. chi is public, so its zeros may be skipped. */
static void hash_portable(struct block (*acc)[2], const struct block *tiles,
                          const struct block *chi, size_t tile_count,
                          const struct crypto_kernels *crypto)
{
    struct block row[OT_WIDTH], sum[2 * OT_WIDTH] = {{0, 0}};
    (void)crypto;
    for (size_t t = 0; t < tile_count; t++) {
        memcpy(row, tiles + t * OT_WIDTH, sizeof row);
        block_transpose(row);
        for (unsigned d = 0; d < OT_WIDTH; d++) {
            if (((d < 64 ? chi[t].lo >> d : chi[t].hi >> (d - 64)) & 1) == 0)
                continue;
            for (unsigned i = 0; i < OT_WIDTH; i++)
                put(&sum[d + i], get(&sum[d + i]) ^ get(&row[i]));
        }
    }
    for (unsigned half = 0; half < 2; half++) {
        block_transpose(sum + half * OT_WIDTH);
        for (unsigned j = 0; j < OT_WIDTH; j++)
            put(&acc[j][half], get(&acc[j][half]) ^ get(&sum[half * OT_WIDTH + j]));
    }
    secret_wipe(row, sizeof row);
    secret_wipe(sum, sizeof sum);
}

static void transpose_portable(struct block *tiles, size_t tile_count)
{
    for (size_t n = 0; n < tile_count; n++)
        block_transpose(tiles + n * OT_WIDTH);
}

static void copy_portable(struct block *to, const struct block *tiles, size_t tile_count)
{
    for (size_t t = 0; t < tile_count; t++)
        memcpy(to + t * OT_WIDTH, tiles + t * OT_TILE_STRIDE, OT_WIDTH * sizeof *to);
}

const struct ot_kernels *ot_kernels_portable(void)
{
    static const struct ot_kernels table = {"portable",    fold_portable,      place_portable,
                                            hash_portable, transpose_portable, copy_portable};
    return &table;
}
