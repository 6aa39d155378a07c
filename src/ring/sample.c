/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers: ternary and centred binomial from secret random bytes, branch-free; uniform residues
 * from a public stream, by rejection. The maps from bytes to values are in ring.h. */
#include "ring/ring.h"

#include <assert.h>

#include "base/bytes.h"

#define DIGITS 32       /* base-3 digits a 128-bit fraction */
#define SPARE_FIELDS 32 /* a field of q1 or q2 is rejected with probability below 2^-24 */

/* CT: fixed sequence of multiplications by 3. */
void ring_sample_ternary(int8_t *small, const uint8_t *random, size_t n)
{
    assert(n % DIGITS == 0);
    for (size_t i = 0; i < n; i += DIGITS, random += 16) {
        uint64_t low = load_u64(random), high = load_u64(random + 8);
        for (size_t d = 0; d < DIGITS; d++) {
            /* 3*(high, low): the carry out of 128 bits is the next digit. */
            ring_u128 low3 = (ring_u128)low * 3;
            ring_u128 high3 = (ring_u128)high * 3 + (uint64_t)(low3 >> 64);
            low = (uint64_t)low3;
            high = (uint64_t)high3;
            small[i + d] = (int8_t)((int)(uint64_t)(high3 >> 64) - 1);
        }
    }
}

/* Ones in x, in parallel sums of 2, 4, 8 bits, then one multiplication adds the bytes. */
static inline unsigned count_ones(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((x * 0x0101010101010101u) >> 56);
}

/* CT: fixed sequence of shifts and adds; no table, no library popcount. */
void ring_sample_noise(int8_t *small, const uint8_t *random, size_t n)
{
    for (size_t i = 0; i < n; i++, random += 6) {
        uint64_t bits = (uint64_t)load_u32(random) | (uint64_t)load_u16(random + 4) << 32;
        small[i] = (int8_t)((int)count_ones(bits & (((uint64_t)1 << 42) - 1)) - 21);
    }
}

size_t ring_uniform_bytes(size_t n, const unsigned *q_bits, unsigned primes)
{
    size_t bits = 0;
    for (unsigned p = 0; p < primes; p++)
        bits += (n + SPARE_FIELDS) * q_bits[p];
    return (bits + 127) / 128 * 16;
}

/* Moves the values below q to the front; returns how many there are. */
static size_t keep_below(uint64_t *values, size_t n, uint64_t q)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        values[kept] = values[i];
        kept += values[i] < q;
    }
    return kept;
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
            bits_unpack(out + have, bytes, &at, n - have, mod->bits);
            have += keep_below(out + have, n - have, mod->q);
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
