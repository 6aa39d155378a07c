/* SPDX-License-Identifier: Apache-2.0
 *
 * The 16-byte block, and the kernels that work on blocks. */
#ifndef CRYPTO_BLOCK_H
#define CRYPTO_BLOCK_H

#include <stddef.h>
#include <stdint.h>

struct block { /* lo = bytes 0..7, hi = bytes 8..15, both little-endian */
    uint64_t lo, hi;
};

#define STREAM_FOLD_GROUP 16 /* blocks that stream_fold of prg.h makes together */

/* Transposes a matrix of 128 x 128 bits, in plain C: bit t of block j becomes bit j of block t.
 * CT: time depends on nothing. */
void block_transpose(struct block *tile);

/* The table of one instruction set; see crypto_kernels.h. */
struct crypto_kernels;

/* The best table for this machine, or the one that MP2ML_CPU permits; never NULL. */
const struct crypto_kernels *crypto_kernels_pick(void);

#endif
