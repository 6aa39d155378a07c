/* SPDX-License-Identifier: Apache-2.0
 *
 * 128/k punctured trees (GGM) out of 128 base oblivious transfers [eprint 2022/192, section 5.1].
 * The *dealer*, the receiver of the extension, holds all 2^k leaves of each tree. The *taker*, the
 * sender of the extension, holds all but the leaf at index Delta_i, the k bits of its offset that
 * belong to tree i. Bit b of Delta_i is bit i*k + b of Delta and belongs to base transfer i*k + b,
 * in which the taker chose NOT that bit.
 *
 *   message: 128 times (sum of left nodes ^ key 0 | sum of right nodes ^ key 1), then for each tree
 *            32 bytes, the XOR of its check values; then 32 bytes, the hash of all check values */
#ifndef OT_SOFTSPOKEN_TREE_H
#define OT_SOFTSPOKEN_TREE_H

#include "ot/base_ot.h"
#include "ot/ot_kernels.h"

#define SOFTSPOKEN_TREE_BYTES(k) ((size_t)BASE_OT_COUNT * 32 + OT_WIDTH / (k)*32 + 32)
#define SOFTSPOKEN_TREE_BYTES_MAX SOFTSPOKEN_TREE_BYTES(2)

/* Which trees: bound into every hash. */
struct softspoken_place {
    const uint8_t *sid; /* 32 bytes */
    uint8_t direction;  /* the party that sends the transfers */
    unsigned k;         /* 2, 4 or 8 */
};

/* leaf[i << k | x] for all 128/k trees; keys[2*j], keys[2*j + 1] are those of base transfer j.
 * CT: leaks nothing. */
MUST_CHECK mp2ml_status softspoken_trees_deal(struct block *leaf, uint8_t *message,
                                              const struct block *keys,
                                              const struct softspoken_place *at, struct prg *g);
/* leaf[i << k | y] = the dealer's leaf x = y ^ Delta_i of tree i, for y > 0; the unknown one, y =
 * 0, is zero. keys[j] = the dealer's keys[j][1 ^ bit j of delta]. ERR_PROTOCOL when the dealer's
 * trees are not one and the same for every offset. CT: leaks only whether the check passed. */
MUST_CHECK mp2ml_status softspoken_trees_take(struct block *leaf, const uint8_t *message,
                                              const struct block *keys, const struct block *delta,
                                              const struct softspoken_place *at);

#endif
