/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers: ternary and centred binomial from secret random bytes, branch-free, by the kernels;
 * uniform residues from a public stream, by rejection. The maps from bytes to values are in ring.h.
 */
#include "ring/ring_kernels.h"

#include <assert.h>

#include "base/bytes.h"

#define SPARE_FIELDS 32 /* a field of q1 or q2 is rejected with probability below 2^-24 */

void ring_sample_ternary(const struct ring *ring, int8_t *small, const uint8_t *random, size_t n)
{
    assert(n % 32 == 0);
    ring->kernels->sample_ternary(small, random, n);
}

void ring_sample_noise(const struct ring *ring, int8_t *small, const uint8_t *random, size_t n)
{
    ring->kernels->sample_noise(small, random, n);
}

size_t ring_uniform_bytes(size_t n, const unsigned *q_bits, unsigned primes)
{
    size_t bits = 0;
    for (unsigned p = 0; p < primes; p++)
        bits += (n + SPARE_FIELDS) * q_bits[p];
    return (bits + 127) / 128 * 16;
}

bool ring_uniform_parse(const struct ring *ring, uint64_t *out, const uint8_t *bytes, size_t size)
{
    const size_t n = ring->n;
    size_t at = 0;
    for (unsigned p = 0; p < ring->primes; p++, out += n) {
        const struct modulus *mod = &ring->prime[p].mod;
        for (size_t have = 0; have < n;) {
            if (size * 8 - at < (n - have) * mod->bits)
                return false;
            const size_t fields = n - have;
            have += ring->kernels->take_below(mod, out + have, bytes, size, at, fields);
            at += fields * mod->bits;
        }
    }
    return true;
}

mp2ml_status ring_uniform_read(const struct ring *ring, uint64_t *out, struct xof *x, uint64_t ctr)
{
    uint64_t bit = 0; /* of the stream */
    for (unsigned p = 0; p < ring->primes; p++, out += ring->n) {
        const struct modulus *mod = &ring->prime[p].mod;
        for (size_t have = 0; have < ring->n; bit += mod->bits) {
            /* A field of at most 50 bits from bit 0..127 of a block ends within the next block. */
            uint8_t window[32];
            size_t at = (size_t)(bit % 128);
            TRY(xof_read(x, window, sizeof(window), ctr, bit / 128 * 16));
            bits_unpack(out + have, window, &at, 1, mod->bits);
            have += out[have] < mod->q;
        }
    }
    return MP2ML_OK;
}
