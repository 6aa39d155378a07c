/* SPDX-License-Identifier: Apache-2.0
 *
 * The GMW engine: Boolean circuits on XOR shares, bit-sliced over a block of values. XOR and NOT
 * are local; a layer of ANDs is one simultaneous exchange of AND_OPEN frames of two bits an AND. */
#ifndef MPC_GMW_H
#define MPC_GMW_H

#include "mpc/circuit.h"
#include "mpc/mpc_state.h"

/* wires: one plane of mpc_words(n) words a wire, this party's shares; inputs come filled. Needs
 * ands * n reserved OTs in each direction. CT: leaks the circuit and n. */
MUST_CHECK mp2ml_status gmw_run(struct mpc *m, uint16_t step, const struct circuit *c,
                                uint64_t *wires, size_t n);

/* d = shares of [x >= 0] for n <= MPC_BLOCK values of k bits, decided without the `blind` lowest
 * bits of the shares (mpc.h). Needs (k-1-blind)*n reserved OTs in each direction. CT: leaks n, k
 * and blind. */
MUST_CHECK mp2ml_status gmw_sign(struct mpc *m, uint16_t step, uint64_t *d, const uint64_t *x,
                                 size_t n, unsigned k, unsigned blind);

#endif
