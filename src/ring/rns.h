/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers modulo q = q_1*q_2 as pairs of residues, and the way back as a fraction: for C in [0, q)
 *   C/q = v_1/q_1 + v_2/q_2  (mod 1),   v_1 = C * q_2^-1 mod q_1,   v_2 = C * q_1^-1 mod q_2,
 * since v_1*q_2 + v_2*q_1 = C modulo q_1 and modulo q_2. With one prime v_1 = C. */
#ifndef RING_RNS_H
#define RING_RNS_H

#include "ring/modulus.h"

struct rns {
    unsigned primes;
    struct modulus mod[2];
    ring_u128 q;          /* the product */
    uint64_t cofactor[2]; /* inverse of the other prime, or 1 */
    uint64_t cofactor_shoup[2];
};

/* False when the primes are equal or a modulus is out of range. */
bool rns_init(struct rns *rns, const uint64_t *q, unsigned primes);

/* v_p of a residue r in [0, q_p), in [0, q_p). */
static inline uint64_t rns_numerator(const struct rns *rns, unsigned p, uint64_t r)
{
    uint64_t q = rns->mod[p].q;
    return modulus_sub_once(modulus_mul_shoup_lazy(q, r, rns->cofactor[p], rns->cofactor_shoup[p]),
                            q);
}

/* The number in [0, q) with these residues. CT: nothing leaks. */
ring_u128 rns_lift(const struct rns *rns, const uint64_t *residues);

#endif
