/* SPDX-License-Identifier: Apache-2.0
 *
 * Bit triples: (a0 ^ a1) & (b0 ^ b1) = c0 ^ c1 with a, b random, party p holding a_p, b_p, c_p. */
#ifndef MPC_TRIPLES_H
#define MPC_TRIPLES_H

#include "mpc/mpc_state.h"

struct triples { /* `count` planes each, one after the other, mpc_words(n) words a plane */
    uint64_t *a, *b, *c;
};

/* Makes n triples for each of `count` planes out of reserved OTs, n in each direction a plane; no
 * traffic. The planes come from the arena. Bits from n on are zero. CT: leaks n and count. */
MUST_CHECK mp2ml_status triples_take(struct mpc *m, struct triples *t, size_t n, unsigned count);

#endif
