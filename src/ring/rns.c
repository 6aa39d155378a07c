/* SPDX-License-Identifier: Apache-2.0
 *
 * The constants of a residue number system of one or two primes, and the exact lift. */
#include "ring/rns.h"

bool rns_init(struct rns *rns, const uint64_t *q, unsigned primes)
{
    rns->primes = primes;
    rns->q = 1;
    for (unsigned p = 0; p < primes; p++) {
        if (!modulus_init(&rns->mod[p], q[p]))
            return false;
        rns->q *= q[p]; /* at most 100 bits */
        rns->cofactor[p] = 1;
    }
    if (primes == 2) {
        if (q[0] == q[1])
            return false;
        for (unsigned p = 0; p < 2; p++)
            rns->cofactor[p] = modulus_inverse(&rns->mod[p], q[1 - p] % q[p]);
    }
    for (unsigned p = 0; p < primes; p++)
        rns->cofactor_shoup[p] = modulus_shoup(&rns->mod[p], rns->cofactor[p]);
    return true;
}

ring_u128 rns_lift(const struct rns *rns, const uint64_t *residues)
{
    if (rns->primes == 1)
        return residues[0];
    /* Both terms are below q < 2^100, so the sum is below 2q: one subtraction. */
    ring_u128 sum = (ring_u128)rns_numerator(rns, 0, residues[0]) * rns->mod[1].q +
                    (ring_u128)rns_numerator(rns, 1, residues[1]) * rns->mod[0].q;
    ring_u128 t = sum - rns->q;
    return t + (rns->q & (0 - (t >> 127)));
}
