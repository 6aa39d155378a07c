/* SPDX-License-Identifier: Apache-2.0
 *
 * The shapes of the cross terms of products and squares: one rule for the protocol and its cost.
 * mpc_product and mpc_square themselves are in mpc.h. */
#ifndef MPC_PRODUCT_H
#define MPC_PRODUCT_H

#include "mpc/cross.h"

/* Values that go through the exchanges together; below MPC_BLOCK since a receiver holds a key for
 * each bit. A value takes less than PRODUCT_VALUE_BYTES of work memory: keys of 25 transfers
 * received and one sent, 13 words, 52 planes, and frames of 25 + 24 + 2 * 876 + 44 bits. */
#define PRODUCT_BLOCK 8192u
#define PRODUCT_VALUE_BYTES (27 * 16 + 13 * 8 + 7 + 231)

static inline size_t product_block(size_t n, size_t done)
{
    return n - done < PRODUCT_BLOCK ? n - done : PRODUCT_BLOCK;
}

/* a is the factor of fewer bits: both directions multiply by the bits of a share of it. */
static inline struct cross product_shape(unsigned k_a, unsigned l)
{
    const struct cross c = {k_a, l};
    return c;
}
static inline struct cross square_shape(unsigned k, unsigned l)
{
    const struct cross c = {k, l - 1};
    return c;
}
/* One bit of the server times a number of `width` bits of the client: the wrap that does not come
 * free with a cross term. */
static inline struct cross product_wrap(unsigned width)
{
    const struct cross c = {width > 0 ? 1 : 0, width};
    return c;
}

#endif
