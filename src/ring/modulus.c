/* SPDX-License-Identifier: Apache-2.0
 *
 * Set-up of a modulus, powers and inverses; the hot arithmetic is inline in modulus.h. */
#include "ring/modulus.h"

bool modulus_init(struct modulus *m, uint64_t q)
{
    unsigned bits = 0;
    while (bits < 64 && q >> bits != 0)
        bits++;
    if (bits < 21 || bits > MODULUS_MAX_BITS || (q & 1) == 0)
        return false;
    m->q = q;
    m->bits = bits;
    m->barrett = (uint64_t)(((ring_u128)1 << (bits + 62)) / q);
    return true;
}

uint64_t modulus_pow(const struct modulus *m, uint64_t base, uint64_t exponent)
{
    uint64_t result = 1;
    for (; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            result = modulus_mul(m, result, base);
        base = modulus_mul(m, base, base);
    }
    return result;
}

uint64_t modulus_inverse(const struct modulus *m, uint64_t x)
{
    return modulus_pow(m, x, m->q - 2);
}
