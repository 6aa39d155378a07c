/* SPDX-License-Identifier: Apache-2.0
 *
 * mpc: computing on additive shares, x = x0 + x1 in Z_{2^k}, server 0, client 1; docs/protocol.md,
 * "Two-party computation".
 *
 * Words.
 *   value      |x| < 2^(k-2) where a comparison follows, two's complement; share = its k low bits
 *   sign       d = [x >= 0] as XOR shares, by a ripple-carry circuit with k-1 ANDs
 *   GMW        the engine: bit-sliced over a block of values, one exchange per AND, triples from
 *              random OTs
 *   extension  the output ring Z_{2^l} may be larger than the input ring, l = k + h
 *   block      at most MPC_BLOCK values go through the exchanges together
 * Shares are uint64_t, one value each, bits above the ring zero. Arrays of n values; out may be in
 * unless said otherwise.
 *
 * Both parties make the same calls in the same order. Each function has a twin in the clear, named
 * *_clear, that the tests and the clear run of a plan use.
 *
 * Read in this order: circuit.h, triples.c, gmw.c, relu.c, mux.c, max.c. */
#ifndef MPC_MPC_H
#define MPC_MPC_H

#include "base/cost.h"
#include "base/status.h"
#include "ot/ot.h"

#define MPC_BLOCK 65536u /* values */

struct mpc;

/* Keeps link, ot and prg. Allocates the work memory of one block here, none later. */
MUST_CHECK mp2ml_status mpc_new(struct mpc **out, enum party party, struct link *link,
                                struct ot *ot, struct prg *g);
void mpc_free(struct mpc *m);

/* out = max(0, x) in Z_{2^l}, k <= l <= 48, 4 <= k <= 20, for any x in Z_{2^k} read as signed. */
MUST_CHECK mp2ml_status mpc_relu(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                 size_t n, unsigned k, unsigned l);
/* out = x in Z_{2^l} for -2^(k-2) <= x < 2^(k-2) (linear re-entry). */
MUST_CHECK mp2ml_status mpc_reentry(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                    size_t n, unsigned k, unsigned l);

/* Windows over neurons: window w has the members member[first[w]] .. member[first[w+1]-1]. */
struct mpc_windows {
    size_t count;
    const uint32_t *first;  /* count + 1 offsets, each window has at least one member */
    const uint32_t *member; /* neuron numbers */
};
/* out[w*batch + b] = maximum over the window of in[neuron*batch + b], in Z_{2^k}. A tree; out is
 * not in. Needs `scratch` of mpc_max_scratch(windows, batch) values. */
MUST_CHECK mp2ml_status mpc_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                const struct mpc_windows *windows, size_t batch, unsigned k,
                                uint64_t *scratch);
size_t mpc_max_scratch(const struct mpc_windows *windows, size_t batch);

/* For each window: the position inside the window (0, 1, ...) of the maximum, the first one at
 * ties, as shares in Z_{2^m}, m = mpc_index_bits(longest window). A window of one member gives its
 * sign, [x >= 0], as 0 or 1. Scratch of mpc_argmax_scratch values. */
MUST_CHECK mp2ml_status mpc_argmax(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   const struct mpc_windows *windows, size_t batch, unsigned k,
                                   uint64_t *scratch);
size_t mpc_argmax_scratch(const struct mpc_windows *windows, size_t batch);
unsigned mpc_index_bits(const struct mpc_windows *windows); /* at least 1 */

/* The server's shares go to the client, bit-packed in one OPEN frame; out = the values mod 2^k at
 * the client, untouched at the server. */
MUST_CHECK mp2ml_status mpc_open_to_client(struct mpc *m, uint16_t step, uint64_t *out,
                                           const uint64_t *in, size_t n, unsigned k);

/* ---- the same in the clear ----------------------------------------------------------------- */

void mpc_relu_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l);
void mpc_reentry_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l);
void mpc_max_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                   size_t batch, unsigned k);
void mpc_argmax_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                      size_t batch, unsigned k);

/* ---- cost ---------------------------------------------------------------------------------- */

/* Exact bytes and flights, OT extension included; the ledger follows the pools. */
struct cost mpc_cost_relu(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l);
struct cost mpc_cost_reentry(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l);
struct cost mpc_cost_max(struct ot_ledger *ledger, const struct mpc_windows *windows, size_t batch,
                         unsigned k);
struct cost mpc_cost_argmax(struct ot_ledger *ledger, const struct mpc_windows *windows,
                            size_t batch, unsigned k);
struct cost mpc_cost_open(size_t n, unsigned k);

#endif
