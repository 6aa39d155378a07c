/* SPDX-License-Identifier: Apache-2.0
 *
 * The coefficient encoding E(x) = round(q*x / 2^l), one value a coefficient. The arithmetic is in
 * the kernel encode_add. */
#include "ckks/ckks_context.h"

#include <assert.h>

/* CT: leaks nothing but l and the sizes. */
void ckks_add_plain(const struct ckks *ck, uint64_t *c0, const uint64_t *x, unsigned l,
                    size_t count, size_t used)
{
    const size_t words = ck->params->primes * used;
    assert(l >= 1 && l <= ck->params->max_l);
    CKKS_PARALLEL_FOR(count * words)
    for (size_t i = 0; i < count; i++)
        ck->kernels->encode_add(&ck->ring->rns, c0 + i * words, used, x + i * used, l, used);
}
