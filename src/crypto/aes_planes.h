/* SPDX-License-Identifier: Apache-2.0
 *
 * AES-128 [FIPS 197] on 128 blocks at once, for the portable table only: plane 8*i + b holds bit b
 * of byte i of all blocks, so every step is a Boolean circuit on planes, with no table and no
 * branch on data. Bytes count down columns: i = 4 * column + row. Each block may have a key of its
 * own. */
#ifndef CRYPTO_AES_PLANES_H
#define CRYPTO_AES_PLANES_H

#include <stdbool.h>

#include "crypto/block.h"

#define AES_PLANES 128

typedef uint64_t aes_plane __attribute__((vector_size(16), may_alias));

struct aes_planes {
    aes_plane p[AES_PLANES];
};

/* From 128 blocks, and back. */
void aes_planes_load(struct aes_planes *s, const struct block *in);
void aes_planes_store(struct block *out, const struct aes_planes *s);

void aes_planes_add(struct aes_planes *s, const struct aes_planes *key);
/* Round r, 1 to 10, with its key; the key of round 0 is added before. */
void aes_planes_round(struct aes_planes *s, const struct aes_planes *key, unsigned r);
/* The key of round r from that of round r - 1. */
void aes_planes_next_key(struct aes_planes *key, unsigned r);

#endif
