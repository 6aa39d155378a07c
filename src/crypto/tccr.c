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
