/* SPDX-License-Identifier: Apache-2.0
 *
 * The signs of many values, group after group, and what is made of each block of them: ReLU and
 * Sign of the GMW engine. */
#ifndef MPC_SIGNS_H
#define MPC_SIGNS_H

#include "mpc/mpc_state.h"

struct signs_job { /* of a call, or a block of it */
    uint64_t *out;
    const uint64_t *in;
    const uint64_t *flip; /* plane, xored into this party's shares of the signs; of a call: may be
                             NULL */
    size_t n;
};

/* d: this party's shares of the signs of a block, flipped. The arena is rewound behind it. */
typedef mp2ml_status (*signs_block)(struct mpc *m, uint16_t step, const struct signs_job *job,
                                    const uint64_t *d, const void *context);
struct signs_use {
    unsigned from_server, from_client; /* random OTs of a value that `block` takes */
    signs_block block;
    const void *context;
};

/* A whole call of mpc.h, with its end. k - blind >= MPC_MIN_BITS. CT: leaks n, k, blind. */
MUST_CHECK mp2ml_status signs_run(struct mpc *m, uint16_t step, const struct signs_job *whole,
                                  unsigned k, unsigned blind, const struct signs_use *use);

/* The twin's: [x >= 0] of a value in Z_{2^k} as decided with the client's share `low` of it; exact
 * where blind is 0. Rounding both shares down loses 1 where their low bits carry: (x + half) mod
 * 2^blind is then less than the client's low bits. */
static inline bool signs_clear(uint64_t x, uint64_t low, unsigned k, unsigned blind)
{
    const uint64_t unit = (uint64_t)1 << blind, moved = x + (unit >> 1);
    const uint64_t rest = moved & (unit - 1), carry = (low & (unit - 1)) > rest ? unit : 0;
    return (((moved - rest - carry) >> (k - 1)) & 1) == 0;
}

#endif
