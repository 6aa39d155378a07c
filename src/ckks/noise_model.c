/* SPDX-License-Identifier: Apache-2.0
 *
 * The error of a switched share, as a seeded model. With C0 + C1*s = q/2^k * X mod q, X the exact
 * result plus encryption noise, the share is
 *     round(2^k*C0/q) + round((round(2^(k+g)*C1/q) * s mod 2^(k+g)) / 2^g)
 *   = round(A) + floor(M / 2^g + 1/2),   A uniform mod 2^k,   M = 2^g*(X - A) + d*s,
 * d the roundings of c1', uniform in (-1/2, 1/2], and M an integer. d*s is a sum of about 2N/3 of
 * them: Gaussian, variance (2N/3)/12; over 2^g in units of the share. Together with the rounding of
 * A (1/12) and of M/2^g ((1 - 4^-g)/12, mean 2^-(g+1)):
 *   variance = (2 - 4^-g)/12 + (2N/3)/12/4^g,  bias = 2^-(g+1).
 * Encryption noise, in units of q: sum of w_i*e_i with variance norm2^2*eta/2, e*u + e1*s with
 * 2*(2N/3)*eta/2, and the roundings of E, (norm2^2 + 1)/12; all times 2^k/q.
 * The generator is a SplitMix64: a model needs speed and repeatability, no secrecy. */
#include "ckks/ckks_context.h"

#include <math.h>

void ckks_noise_model_init(struct ckks_noise_model *m, uint64_t seed)
{
    m->state = seed;
}

#define STRIDE 0x9e3779b97f4a7c15u /* SplitMix64 */

void ckks_noise_model_skip(struct ckks_noise_model *m, uint64_t n)
{
    m->state += n * STRIDE;
}

uint64_t ckks_noise_model_next(struct ckks_noise_model *m)
{
    uint64_t z = (m->state += STRIDE);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Nearly Gaussian, mean 0, variance 1: twelve uniform 16-bit numbers, less their mean, over the
 * deviation of a 16-bit number times sqrt(12). */
static double gaussian(struct ckks_noise_model *m)
{
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t z = ckks_noise_model_next(m);
        sum += (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    }
    return ((double)sum - 6.0 * 65535.0) / 65536.0;
}

void ckks_switch_clear(const struct ckks_params *params, struct ckks_noise_model *m, uint64_t *row,
                       size_t n, unsigned l, unsigned k, double norm2)
{
    const unsigned g = params->guard_bits;
    const double degree = (double)params->n, noise = (double)params->eta / 2;
    const double lsb = exp2((double)k - params->log2_q); /* of the share, in units of q */
    const double rounding = degree / 18 / (double)((uint64_t)1 << (2 * g));
    const double square = norm2 * norm2;
    const double fresh = (square + degree * 4 / 3) * noise + (square + 1) / 12;
    const double deviation = sqrt(rounding + fresh * lsb * lsb);
    /* Numbers mod 2^k as fractions of 64 bits: the ring's wrap is the machine's. */
    const double unit = (double)((uint64_t)1 << (63 - k)) * 2;
    for (size_t i = 0; i < n; i++) {
        const uint64_t a = ckks_noise_model_next(m);
        const uint64_t rounded = a + ((uint64_t)1 << (63 - k));
        const uint64_t whole = rounded >> (64 - k); /* round(A) */
        const int64_t error = (int64_t)(gaussian(m) * deviation * unit);
        const uint64_t rest =
            (row[i] << (64 - l)) - a + (uint64_t)error; /* M, not an integer yet */
        const uint64_t fine = (rest + ((uint64_t)1 << (63 - k - g))) >> (64 - k - g);
        const uint64_t share = whole + ((fine + ((uint64_t)1 << (g - 1))) >> g);
        row[i] = share & (((uint64_t)1 << k) - 1);
    }
}
