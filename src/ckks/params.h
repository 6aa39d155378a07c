/* SPDX-License-Identifier: Apache-2.0
 *
 * The parameter sets. Compiled in, chosen by id: docs/protocol.md, "Encryption". */
#ifndef CKKS_PARAMS_H
#define CKKS_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#define CKKS_MAX_PRIMES 2

enum ckks_set { CKKS_S1 = 1, CKKS_S2 = 2 };

struct ckks_params {
    enum ckks_set set;
    const char *name; /* "S1" */
    unsigned log_n;
    size_t n;
    unsigned primes;
    uint64_t q[CKKS_MAX_PRIMES];
    unsigned q_bits[CKKS_MAX_PRIMES]; /* width of a residue on the wire */
    double log2_q;                    /* of the product */
    unsigned max_l;                   /* largest input ring, bits */
    unsigned min_k, max_k;            /* output ring, bits */
    unsigned guard_bits;              /* g: extra bits of c1' */
    unsigned eta;                     /* centred binomial noise: variance eta/2 */
    double sigma;                     /* of the error of a share, in LSB, encryption noise apart */
};

/* The set with this id, or NULL. */
const struct ckks_params *ckks_params(unsigned set);

/* True when a row of weights with this 2-norm may use the set at k bits: its encryption noise stays
 * far below the roundings (3.24*norm2 <= q / 2^(k+6)). */
int ckks_norm_fits(const struct ckks_params *params, double norm2, unsigned k);

/* log2 of the weight-dependent leak per opened value: 0.8*3.24*norm2*2^k / q. */
double ckks_log2_leak(const struct ckks_params *params, double norm2, unsigned k);

#endif
