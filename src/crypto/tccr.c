/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of oblivious transfer: key and tweaks here, the loop in the kernels. */
#include "crypto/tccr.h"

#include <assert.h>

#include "base/bytes.h"
#include "crypto/crypto_kernels.h"

void tccr_init(struct tccr *t, const uint8_t key[16])
{
    t->key.lo = load_u64(key);
    t->key.hi = load_u64(key + 8);
    t->kernels = crypto_kernels_pick();
}

void tccr_hash(const struct tccr *t, struct block *out, const struct block *in, uint64_t tweak,
               size_t n, unsigned per)
{
    assert(per == 1 || per == 2 || per == 4);
    t->kernels->tccr(out, in, &t->key, tweak, n, per);
}

void tccr_hash_pair(const struct tccr *t, struct block *out0, struct block *out1,
                    const struct block *in, const struct block *offset, uint64_t tweak, size_t n)
{
    t->kernels->tccr_pair(out0, out1, in, offset, &t->key, tweak, n);
}

void tccr_hash_bits(const struct tccr *t, uint64_t *out0, uint64_t *out1, const struct block *in,
                    const struct block *offset, uint64_t tweak, size_t n)
{
    t->kernels->tccr_bits(out0, out1, in, offset, &t->key, tweak, n);
}
