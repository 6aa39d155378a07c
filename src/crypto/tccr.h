/* SPDX-License-Identifier: Apache-2.0
 *
 * The tweakable circular correlation-robust hash of oblivious transfer and garbling: MITCCRH of
 * Guo, Katz, Wang, Weng and Yu [eprint 2019/1168, section 7.3]. H(x, t) = E_K(y) ^ y with
 * y = sigma(x), sigma(xL | xR) = (xL ^ xR | xL) where xL is the upper 64-bit half, and AES-128 key
 * K = domain key ^ t (t in the low half). Every tweak has its own key, so the kernel runs eight key
 * schedules at a time. A tweak is a 64-bit counter that a session never reuses with one domain key.
 */
#ifndef CRYPTO_TCCR_H
#define CRYPTO_TCCR_H

#include "base/status.h"
#include "crypto/block.h"

struct tccr {
    struct block key; /* of one (direction, purpose) of one session */
    const struct crypto_kernels *kernels;
};

/* Picks the kernels for this machine. The key is copied; wipe the struct when done. */
void tccr_init(struct tccr *t, const uint8_t key[16]);
/* out[i*per + j] = H(in[i*per + j], tweak + i) for i < n, j < per; per = 1, 2 or 4; out may be in.
 * CT: time depends on n and per only. */
void tccr_hash(const struct tccr *t, struct block *out, const struct block *in, uint64_t tweak,
               size_t n, unsigned per);
/* Both messages of transfers: out0[i] = H(in[i], tweak + i), out1[i] = H(in[i] ^ *offset,
 * tweak + i), i < n. Nothing overlaps. CT: as above. */
void tccr_hash_pair(const struct tccr *t, struct block *out0, struct block *out1,
                    const struct block *in, const struct block *offset, uint64_t tweak, size_t n);
/* Bit 0 of each of these, packed as bit i % 64 of word i / 64, the rest of the last word zero; out1
 * and offset may be NULL. CT: as above. */
void tccr_hash_bits(const struct tccr *t, uint64_t *out0, uint64_t *out1, const struct block *in,
                    const struct block *offset, uint64_t tweak, size_t n);

#endif
