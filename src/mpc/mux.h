/* SPDX-License-Identifier: Apache-2.0
 *
 * Multiplexers: a shared bit times a shared value, by transfers of short integers made out of
 * random OTs. Two exchanges: OT_CHOICE, the receivers' corrections (choice ^ random choice), then
 * OT_MESSAGE, the senders' masked messages. */
#ifndef MPC_MUX_H
#define MPC_MUX_H

#include "mpc/mpc_state.h"

struct mux_sender { /* n random OTs that this party sends */
    struct block *key[2];
    uint64_t *flip; /* plane, from the peer: key[1] stands for choice 0 where set */
};
struct mux_receiver { /* n random OTs that this party receives */
    struct block *key;
    uint64_t *correction; /* plane, for the peer */
};

/* One product d * y; d and the widths are common to all values. */
struct mux_field {
    uint64_t *out;     /* shares in Z_{2^bits} */
    const uint64_t *y; /* shares in Z_{2^bits}; may be out */
    unsigned bits;
};

/* out = d * y for n <= MPC_BLOCK values and `count` fields of at most 128 bits together. Needs n
 * reserved OTs in each direction. CT: leaks n and the widths. */
MUST_CHECK mp2ml_status mux_select(struct mpc *m, uint16_t step, const uint64_t *d,
                                   const struct mux_field *fields, unsigned count, size_t n);

/* The parts, for one-way transfers. Memory comes from the arena. */
MUST_CHECK mp2ml_status mux_sender_take(struct mpc *m, struct mux_sender *s, size_t n);
MUST_CHECK mp2ml_status mux_receiver_take(struct mpc *m, struct mux_receiver *r, const uint64_t *d,
                                          size_t n);
/* The exchange of OT_CHOICE for all of this party's receivers and senders; at most two each. */
MUST_CHECK mp2ml_status mux_choices(struct mpc *m, uint16_t step, const struct mux_receiver *r,
                                    unsigned receivers, const struct mux_sender *s,
                                    unsigned senders, size_t n);

#endif
