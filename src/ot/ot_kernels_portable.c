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

/* Four columns share a cache line: gathered together, each line is read once. */
static void hash_portable(struct block (*acc)[2], const struct block *tiles,
                          const struct block *chi, size_t tile_count,
                          const struct crypto_kernels *crypto)
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

/* Both lanes of 64 pairs at once: lane bit t of pair j becomes lane bit j of pair t, by exchanges
 * of blocks of size 32, 16 ... 1 on the diagonal. */
static void transpose_lanes(pair m[64])
{
    uint64_t low = UINT64_C(0x00000000ffffffff); /* the lower half of each 2*size bits */
    for (unsigned size = 32; size > 0; size /= 2, low ^= low << size) {
        for (unsigned j = 0; j < 64; j += 2 * size)
            for (unsigned i = j; i < j + size; i++) {
                pair t = (m[i] >> size ^ m[i + size]) & low;
                m[i + size] ^= t;
                m[i] ^= t << size;
            }
    }
}

/* The tile is | A B | with 64 columns above (in.lo = A, in.hi = B), 64 below (C, D).
 *             | C D |  Row t < 64 gets A's and C's bit t, row 64 + t gets B's and D's. */
static void transpose_portable(struct block *tiles, size_t tile_count)
{
    pair upper[64], lower[64];
    for (size_t n = 0; n < tile_count; n++) {
        struct block *tile = tiles + n * OT_WIDTH;
        memcpy(upper, tile, sizeof upper);
        memcpy(lower, tile + 64, sizeof lower);
        transpose_lanes(upper);
        transpose_lanes(lower);
        for (unsigned t = 0; t < 64; t++) {
            tile[t].lo = upper[t][0];
            tile[t].hi = lower[t][0];
            tile[64 + t].lo = upper[t][1];
            tile[64 + t].hi = lower[t][1];
        }
    }
    secret_wipe(upper, sizeof upper);
    secret_wipe(lower, sizeof lower);
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
