/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of parameter sets and the two rules that choose between them. */
#include "ckks/params.h"

#include <math.h>

/* q1 = 2^41 - 2^16 + 1 and q2 = 2^42 - 3*2^13 + 1 are primes, both 1 mod 8192. */
#define Q1 (((uint64_t)1 << 41) - ((uint64_t)1 << 16) + 1)
#define Q2 (((uint64_t)1 << 42) - ((uint64_t)3 << 13) + 1)

/* 3.24 = sqrt(eta/2), the deviation of one coefficient of encryption noise. */
#define NOISE_SIGMA 3.24

static const struct ckks_params table[] = {
    {
        .set = CKKS_S1,
        .name = "S1",
        .log_n = 11,
        .n = 2048,
        .primes = 1,
        .q = {Q1, 0},
        .q_bits = {41, 0},
        .log2_q = 41.0,
        .max_l = 38,
        .min_k = 10,
        .max_k = 20,
        .guard_bits = 5,
        .eta = 21,
        .sigma = 0.527,
    },
    {
        .set = CKKS_S2,
        .name = "S2",
        .log_n = 12,
        .n = 4096,
        .primes = 2,
        .q = {Q1, Q2},
        .q_bits = {41, 42},
        .log2_q = 83.0,
        .max_l = 48,
        .min_k = 10,
        .max_k = 20,
        .guard_bits = 6,
        .eta = 21,
        .sigma = 0.471,
    },
};

const struct ckks_params *ckks_params(unsigned set)
{
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if ((unsigned)table[i].set == set)
            return &table[i];
    return NULL;
}

int ckks_norm_fits(const struct ckks_params *params, double norm2, unsigned k)
{
    double limit = 1.0;
    for (unsigned p = 0; p < params->primes; p++)
        limit *= (double)params->q[p];
    return NOISE_SIGMA * norm2 <= ldexp(limit, -(int)(k + 6));
}

double ckks_log2_leak(const struct ckks_params *params, double norm2, unsigned k)
{
    return log2(0.8 * NOISE_SIGMA * norm2) + (double)k - params->log2_q;
}
