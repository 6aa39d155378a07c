/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic modulo one odd prime q, 2^20 < q < 2^50, without branches: additions with a
 * conditional subtraction, products reduced by Barrett's method, products by a constant by Shoup's.
 * Everything here is constant time in its operands; q itself is public. */
#ifndef RING_MODULUS_H
#define RING_MODULUS_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 ring_u128;

#define MODULUS_MAX_BITS 50

struct modulus {
    uint64_t q;
    unsigned bits;    /* 2^(bits-1) < q < 2^bits */
    uint64_t barrett; /* floor(2^(bits+62) / q), below 2^63 */
};

/* False unless q is an odd number of 21 to 50 bits. Whether q is prime is not asked. */
bool modulus_init(struct modulus *m, uint64_t q);
/* base^exponent; the exponent is public. */
uint64_t modulus_pow(const struct modulus *m, uint64_t base, uint64_t exponent);
/* x^-1 for x != 0, q prime. CT: nothing leaks of x. */
uint64_t modulus_inverse(const struct modulus *m, uint64_t x);

static inline uint64_t modulus_mulhi(uint64_t a, uint64_t b)
{
    return (uint64_t)(((ring_u128)a * b) >> 64);
}

/* x mod b for x < 2b, b < 2^62: subtracts b and adds it back under the mask of the borrow. */
static inline uint64_t modulus_sub_once(uint64_t x, uint64_t b)
{
    uint64_t t = x - b;
    return t + (b & (0 - (t >> 63)));
}

/* a, b in [0, q). */
static inline uint64_t modulus_add(const struct modulus *m, uint64_t a, uint64_t b)
{
    return modulus_sub_once(a + b, m->q);
}

static inline uint64_t modulus_sub(const struct modulus *m, uint64_t a, uint64_t b)
{
    uint64_t t = a - b;
    return t + (m->q & (0 - (t >> 63)));
}

/* floor(z/q), and *rem = z mod q, exactly, for z < 2^(bits+61).
 * With n = bits, t = floor(z / 2^(n-2)) < 2^63 and the estimate e = floor(t*barrett / 2^64):
 *   z/q - e  <  2^(n-2)/q  +  t/2^64  +  1  <  1/2 + 1/2 + 1  =  2,      and e <= z/q,
 * so z - e*q lies in [0, 2q), fits 64 bits, and one correction is enough. */
static inline uint64_t modulus_div(const struct modulus *m, ring_u128 z, uint64_t *rem)
{
    uint64_t e = modulus_mulhi((uint64_t)(z >> (m->bits - 2)), m->barrett);
    uint64_t t = (uint64_t)z - e * m->q - m->q; /* remainder minus q: negative, or final */
    uint64_t borrow = t >> 63;
    *rem = t + (m->q & (0 - borrow));
    return e + 1 - borrow;
}

/* z mod q for z < 2^(bits+61). */
static inline uint64_t modulus_reduce(const struct modulus *m, ring_u128 z)
{
    uint64_t rem;
    (void)modulus_div(m, z, &rem);
    return rem;
}

/* a*b mod q for a, b < 2^bits. */
static inline uint64_t modulus_mul(const struct modulus *m, uint64_t a, uint64_t b)
{
    return modulus_reduce(m, (ring_u128)a * b);
}

/* Shoup's companion of a public constant w < q: floor(w*2^64 / q). */
static inline uint64_t modulus_shoup(const struct modulus *m, uint64_t w)
{
    return (uint64_t)(((ring_u128)w << 64) / m->q);
}

/* x*w mod q in [0, 2q), for any x < 2^64 and w < q with its companion. */
static inline uint64_t modulus_mul_shoup_lazy(uint64_t q, uint64_t x, uint64_t w, uint64_t shoup)
{
    return x * w - modulus_mulhi(x, shoup) * q;
}

#endif
