/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of ot's hot loops. ot_kernels_portable.c is the specification; every other table
 * gives the same bits. CT: the time of all kernels depends on sizes only,
 * and that of hash on chi.
 *
 * A *tile* is 128 blocks, a 128 x 128 bit matrix, for 128 transfers. Before the transposition block
 * j is column j: its bit t belongs to transfer t. After it, block t is row t: its bit j belongs to
 * column j. A *strip* is up to OT_STRIP tiles, which go through the loops together; arrays "of
 * strips" have a stride of OT_STRIP blocks. All pointers are aligned to 16 bytes and do not
 * overlap.
 */
#ifndef OT_KERNELS_H
#define OT_KERNELS_H

#include "crypto/crypto.h"

#define OT_WIDTH 128 /* columns: bits of an offset Delta, transfers of a tile */
#define OT_STRIP 128 /* tiles */
/* Blocks from tile to tile while a strip is made: a cache line more than a tile, or one column's
 * blocks of all tiles would share a few lines of the cache. */
#define OT_TILE_STRIDE (OT_WIDTH + 4)

/* Blocks travel as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

struct ot_kernels {
    const char *name;

    /* For t < blocks, 2^bits leaves, 1 <= bits <= 4:
     *   planes[b*OT_STRIP + t] ^= XOR of leaves[x*OT_STRIP + t] over all x with bit b set
     *   sum[t]                  = XOR of leaves[x*OT_STRIP + t] over all x */
    void (*fold)(struct block *planes, struct block *sum, const struct block *leaves, size_t blocks,
                 unsigned bits);

    /* tiles[t*OT_TILE_STRIDE + b] = planes[b*OT_STRIP + t] ^ (correction[t] & mask[b]), t < blocks,
     * b < bits; each mask is all ones or all zeros. correction may be NULL for zeros. */
    void (*place)(struct block *tiles, const struct block *planes, const struct block *correction,
                  const uint64_t *mask, size_t blocks, unsigned bits);

    /* acc[j] ^= sum over t < tile_count of tiles[t*128 + j] * chi[t], not reduced, for all 128
     * columns j; tile_count <= OT_STRIP. chi is public. */
    void (*hash)(struct block (*acc)[2], const struct block *tiles, const struct block *chi,
                 size_t tile_count, const struct crypto_kernels *crypto);

    /* Transposes each tile in place. */
    void (*transpose)(struct block *tiles, size_t tile_count);

    /* Copies tiles, OT_TILE_STRIDE apart, to where they lie side by side and will not be needed
     * soon; fastest where `to` is aligned to 64 bytes. */
    void (*copy)(struct block *to, const struct block *tiles, size_t tile_count);
};

const struct ot_kernels *ot_kernels_portable(void);
/* AVX2; NULL when cpu_level() is below CPU_AVX2. */
const struct ot_kernels *ot_kernels_avx2(void);
/* AVX-512 with GFNI, VBMI and VPCLMULQDQ; NULL when cpu_level() is below CPU_AVX512. */
const struct ot_kernels *ot_kernels_avx512(void);
/* The best table for this machine, or the one that MP2ML_CPU permits; never NULL. */
const struct ot_kernels *ot_kernels_pick(void);

#endif
