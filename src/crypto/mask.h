/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks: all ones or all zeros, made and used without a branch. Every value goes through a barrier
 * that hides it from the optimiser, which could else turn the arithmetic back into a branch. */
#ifndef CRYPTO_MASK_H
#define CRYPTO_MASK_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t mask_barrier(uint64_t x)
{
    __asm__("" : "+r"(x));
    return x;
}
/* All ones when bit (0 or 1) is 1. */
static inline uint64_t mask_from_bit(uint64_t bit)
{
    return (uint64_t)0 - mask_barrier(bit & 1);
}
/* All ones when x is not 0. */
static inline uint64_t mask_nonzero(uint64_t x)
{
    return mask_from_bit((x | ((uint64_t)0 - x)) >> 63);
}
static inline uint64_t mask_equal(uint64_t a, uint64_t b)
{
    return ~mask_nonzero(a ^ b);
}
/* All ones when a < b, unsigned. */
static inline uint64_t mask_less(uint64_t a, uint64_t b)
{
    return mask_from_bit((a ^ ((a ^ b) | ((a - b) ^ b))) >> 63);
}
/* a where the mask is ones, b where it is zeros. */
static inline uint64_t mask_select(uint64_t mask, uint64_t a, uint64_t b)
{
    return b ^ (mask_barrier(mask) & (a ^ b));
}
/* 1 when the n bytes are equal, else 0. CT: leaks n only. */
int mask_bytes_equal(const void *a, const void *b, size_t n);

#endif
