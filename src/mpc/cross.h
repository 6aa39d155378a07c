/* SPDX-License-Identifier: Apache-2.0
 *
 * Cross terms [Gilboa]: a factor u that the receiver holds times a factor y that the sender holds,
 * as shares in Z_{2^width}, by one correlated transfer for each bit of u. Bit i carries 2^i * y,
 * of which width - i bits count, so that the messages get shorter.
 *
 *   receiver                         sender
 *     | OT_CHOICE, bits * n            |   cross_choose; corrections plane after plane
 *     |------------------------------->|
 *     |     OT_MESSAGE, cross_bits * n |   cross_send
 *     |<-------------------------------|   cross_recv
 *
 * Several cross terms share the frames, one after the other: a frame is a bit string that grows. */
#ifndef MPC_CROSS_H
#define MPC_CROSS_H

#include "mpc/mux.h"

#define CROSS_MAX_BITS 24u

struct cross {      /* the shape, known to both */
    unsigned bits;  /* of u, <= CROSS_MAX_BITS; 0 makes everything below do nothing */
    unsigned width; /* of the product, >= bits, <= 64 */
};

struct cross_frame {
    uint8_t *bytes;
    size_t at; /* bits written, or read */
};

struct cross_choice { /* the receiver's side between choices and messages */
    uint64_t *planes; /* the bits of u */
    struct mux_receiver bit[CROSS_MAX_BITS];
};

/* Bits of messages for one value. */
static inline unsigned cross_bits(struct cross c)
{
    return c.bits * c.width - (c.bits == 0 ? 0 : c.bits * (c.bits - 1) / 2);
}

/* Takes bits * n reserved OTs for the low bits of u and writes the corrections. Memory of all three
 * functions comes from the arena, and stays until the caller rewinds. CT: leaks shape and n. */
MUST_CHECK mp2ml_status cross_choose(struct mpc *m, struct cross_choice *choice, const uint64_t *u,
                                     struct cross shape, size_t n, struct cross_frame *choices);

/* sum += the sender's share of u * y for unsigned u. With `top` (0 or 1 for each value), of the top
 * bit's 2^(bits-1) it is +y where top is 1 and -y where it is 0: u is then read as signed, plus
 * 2^bits where both top bits are set. sum has arbitrary bits from width on. */
MUST_CHECK mp2ml_status cross_send(struct mpc *m, uint64_t *sum, const uint64_t *y,
                                   const uint64_t *top, struct cross shape, size_t n,
                                   struct cross_frame *choices, struct cross_frame *messages);

/* sum += the receiver's share. */
MUST_CHECK mp2ml_status cross_recv(struct mpc *m, uint64_t *sum, const struct cross_choice *choice,
                                   struct cross shape, size_t n, struct cross_frame *messages);

#endif
