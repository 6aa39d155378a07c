/* SPDX-License-Identifier: Apache-2.0
 *
 * The GMW engine: Boolean circuits on XOR shares, bit-sliced over a block of values. XOR and NOT
 * are local; a layer of ANDs is one simultaneous exchange of AND_OPEN frames of two bits an AND. */
#ifndef MPC_GMW_H
#define MPC_GMW_H

#include "mpc/circuit.h"
#include "mpc/mpc_state.h"
#include "mpc/triples.h"

struct gmw_layer {              /* what is opened in one layer; of the run */
    uint64_t *own[2], *peer[2]; /* d and e, one plane for each AND */
    uint8_t *sent, *received;
    size_t bits;
};

struct gmw_job { /* one block of values; memory of the arena */
    size_t n;
    uint64_t
        *wires; /* one plane of mpc_words(n) words a wire, this party's shares; inputs filled */
    struct triples triples;
    size_t used; /* planes of triples */
    struct gmw_layer layer;
};

/* Runs the circuit on all jobs side by side. CT: leaks the circuit and n. */
MUST_CHECK mp2ml_status gmw_run(struct mpc *m, uint16_t step, const struct circuit *c,
                                struct gmw_job *jobs, unsigned count);

/* Signs of up to MPC_GROUP_BLOCKS blocks, each first begun: shares of [x >= 0], decided without the
 * `blind` lowest bits of the shares (mpc.h). Begin needs (k-1-blind)*n reserved OTs in each
 * direction and takes them. d[j] = the plane of job j. CT: leaks n, k and blind. */
MUST_CHECK mp2ml_status gmw_sign_begin(struct mpc *m, struct gmw_job *job, const uint64_t *x,
                                       size_t n, unsigned k, unsigned blind);
MUST_CHECK mp2ml_status gmw_signs(struct mpc *m, uint16_t step, uint64_t *const *d,
                                  struct gmw_job *jobs, unsigned count, unsigned k, unsigned blind);
/* One block alone, exact. */
MUST_CHECK mp2ml_status gmw_sign(struct mpc *m, uint16_t step, uint64_t *d, const uint64_t *x,
                                 size_t n, unsigned k);

#endif
