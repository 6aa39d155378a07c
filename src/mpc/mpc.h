/* SPDX-License-Identifier: Apache-2.0
 *
 * mpc: computing on additive shares, x = x0 + x1 in Z_{2^k}, server 0, client 1; docs/protocol.md,
 * "Two-party computation".
 *
 * Words.
 *   value      |x| < 2^(k-2) where a comparison follows, two's complement; share = its k low bits
 *   sign       d = [x >= 0] as XOR shares, by a ripple-carry circuit with k-1 ANDs
 *   blind      bits at the low end of both shares that a sign does not look at, which saves as
 *              many ANDs: d may be wrong where -2^(blind-1) <= x < 2^(blind-1), more often the
 *              nearer to 0 [arXiv 2106.08475], and a ReLU is then off by |x|
 *   GMW        an engine: bit-sliced over a block of values, one exchange per AND, triples from
 *              random OTs
 *   Yao        an engine: garbled circuits, two flights a call, about four times the bytes
 *   extension  the output ring Z_{2^l} may be larger than the input ring, l = k + h
 *   block      at most MPC_BLOCK values go through an exchange together
 *   group      blocks whose signs are found side by side, so that the exchanges of one hide behind
 *              the work on the others
 * Shares are uint64_t, one value each, bits above the ring zero. Arrays of n values; out may be in
 * unless said otherwise.
 *
 * Both parties make the same calls in the same order. Each function has a twin in the clear, named
 * *_clear, that the tests and the clear run of a plan use.
 *
 * Read in this order: circuit.h, triples.c, gmw.c, signs.h, relu.c, mux.c, sign.c, max.c, top.c, cross.h, product.c;
 * then garble.h, garble.c, yao.c, yao_max.c, yao_top.c.
 */
#ifndef MPC_MPC_H
#define MPC_MPC_H

#include "base/cost.h"
#include "base/status.h"
#include "ot/ot.h"

#define MPC_BLOCK 65536u           /* values */
#define MPC_GROUP (4u * MPC_BLOCK) /* values */

/* Who computes signs, maxima and positions: bit-sliced AND gates over exchanges, or garbled
 * circuits in two flights. Both compute the same function of the same shares. */
enum mpc_engine { MPC_GMW, MPC_YAO, MPC_ENGINE_COUNT };

struct mpc;

/* Keeps link, ot and prg. Allocates the work memory of one block here, none later. */
MUST_CHECK mp2ml_status mpc_new(struct mpc **out, enum party party, struct link *link,
                                struct ot *ot, struct prg *g);
void mpc_free(struct mpc *m);
/* The engine of the calls that follow; GMW at first. Both parties set the same. */
void mpc_set_engine(struct mpc *m, enum mpc_engine engine);

/* out = max(0, x) in Z_{2^l}, k <= l <= 48, 4 <= k <= 32, for any x in Z_{2^k} read as signed;
 * min(0, x) where bit i % 64 of negative[i / 64] is set, which only the server knows (NULL:
 * nowhere, and at the client). With blind > 0, k - blind >= 4: for |x| < 2^(k-1) - 2^(blind-1), and
 * out is 0 or x where d may be wrong.
 */
MUST_CHECK mp2ml_status mpc_relu(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                 const uint64_t *negative, size_t n, unsigned k, unsigned l,
                                 unsigned blind);
/* out = 1 where x >= 0, else -1, in Z_{2^l}, for the same x, negative (there 1 where x < 0, else -1)
 * and blind; 2 <= l <= 48. */
MUST_CHECK mp2ml_status mpc_sign(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                 const uint64_t *negative, size_t n, unsigned k, unsigned l,
                                 unsigned blind);
/* out = x in Z_{2^l} for -2^(k-2) <= x < 2^(k-2) (linear re-entry). */
MUST_CHECK mp2ml_status mpc_reentry(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                    size_t n, unsigned k, unsigned l);

/* out = a * b in Z_{2^l} for -2^(k_a-2) <= a < 2^(k_a-2) in Z_{2^k_a} and b likewise in Z_{2^k_b};
 * 4 <= k_a, k_b <= 24, k_a, k_b <= l <= 48. Read as signed it is the product where l >= k_a + k_b -
 * 2, and keeps a guard bit where l >= k_a + k_b - 1; one bit less where a, b > -2^(k-2). With a or
 * b out of range the result is arbitrary. a may be b, which mpc_square does for about half. */
MUST_CHECK mp2ml_status mpc_product(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *a,
                                    const uint64_t *b, size_t n, unsigned k_a, unsigned k_b,
                                    unsigned l);
/* out = x^2 in Z_{2^l} for -2^(k-2) <= x < 2^(k-2); 4 <= k <= 24, k < l <= 48. */
MUST_CHECK mp2ml_status mpc_square(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   size_t n, unsigned k, unsigned l);

/* Windows over neurons: window w has the members member[first[w]] .. member[first[w+1]-1]. */
struct mpc_windows {
    size_t count;
    const uint32_t *first;  /* count + 1 offsets, each window has at least one member */
    const uint32_t *member; /* neuron numbers */
};
/* out[w*batch + b] = maximum over the window of in[neuron*batch + b], in Z_{2^k}, 4 <= k <= 32. A
 * tree; out is not in. Needs `scratch` of mpc_max_scratch(windows, batch) values. With blind > 0
 * each round may take the smaller one of two values that differ by at most 2^(blind-1). */
MUST_CHECK mp2ml_status mpc_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                const struct mpc_windows *windows, size_t batch, unsigned k,
                                unsigned blind, uint64_t *scratch);
size_t mpc_max_scratch(const struct mpc_windows *windows, size_t batch);

/* For each window: the position inside the window (0, 1, ...) of the maximum, the first one at
 * ties, as shares in Z_{2^m}, m = mpc_index_bits(longest window). A window of one member gives its
 * sign, [x >= 0], as 0 or 1. Scratch of mpc_argmax_scratch values. */
MUST_CHECK mp2ml_status mpc_argmax(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   const struct mpc_windows *windows, size_t batch, unsigned k,
                                   uint64_t *scratch);
size_t mpc_argmax_scratch(const struct mpc_windows *windows, size_t batch);
unsigned mpc_index_bits(const struct mpc_windows *windows); /* at least 1 */

/* For each window: the positions inside it of the `top` largest values, best first, and the first
 * one first at ties: out[(w*top + place)*batch + b], shares in Z_{2^m}, m =
 * mpc_index_bits(windows). -2^(k-2) <= x < 2^(k-2); k >= 4, k + m <= 32; 1 <= top <= MPC_MAX_TOP,
 * and no window is shorter. out is not in. Scratch of mpc_top_scratch values. Where top = 1,
 * mpc_argmax does it for less; a window of one member has the place 0 here. */
#define MPC_MAX_TOP 32u
MUST_CHECK mp2ml_status mpc_top(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                const struct mpc_windows *windows, size_t batch, unsigned k,
                                unsigned top, uint64_t *scratch);
size_t mpc_top_scratch(const struct mpc_windows *windows, size_t batch);

/* The server's shares go to the client, bit-packed in one OPEN frame; out = the values mod 2^k at
 * the client, untouched at the server. */
MUST_CHECK mp2ml_status mpc_open_to_client(struct mpc *m, uint16_t step, uint64_t *out,
                                           const uint64_t *in, size_t n, unsigned k);

/* ---- the same in the clear ----------------------------------------------------------------- */

/* low[n] has the client's share of each x (its `blind` lowest bits count), which decides like the
 * protocol; NULL: max(0, x) itself, whatever blind. */
void mpc_relu_clear(uint64_t *out, const uint64_t *in, const uint64_t *negative,
                    const uint64_t *low, size_t n, unsigned k, unsigned l, unsigned blind);
void mpc_sign_clear(uint64_t *out, const uint64_t *in, const uint64_t *negative,
                    const uint64_t *low, size_t n, unsigned k, unsigned l, unsigned blind);
void mpc_reentry_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l);
/* low[mpc_max_pairs(windows) * batch] likewise has the client's share of each difference that is
 * compared, round after round, and then scratch is needed; NULL: the maximum itself. */
void mpc_max_clear(uint64_t *out, const uint64_t *in, const uint64_t *low,
                   const struct mpc_windows *windows, size_t batch, unsigned k, unsigned blind,
                   uint64_t *scratch);
size_t mpc_max_pairs(const struct mpc_windows *windows);
/* Those of one round; 0 after the last. */
size_t mpc_max_round_pairs(const struct mpc_windows *windows, unsigned round);
void mpc_argmax_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                      size_t batch, unsigned k);
void mpc_top_clear(uint64_t *out, const uint64_t *in, const struct mpc_windows *windows,
                   size_t batch, unsigned k, unsigned top);
void mpc_product_clear(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t n, unsigned k_a,
                       unsigned k_b, unsigned l);
void mpc_square_clear(uint64_t *out, const uint64_t *in, size_t n, unsigned k, unsigned l);

/* ---- cost ---------------------------------------------------------------------------------- */

/* Exact bytes and flights, OT extension included; the ledger follows the pools. */
struct cost mpc_cost_relu(struct ot_ledger *ledger, enum mpc_engine engine, size_t n, unsigned k,
                          unsigned l, unsigned blind);
struct cost mpc_cost_sign(struct ot_ledger *ledger, enum mpc_engine engine, size_t n, unsigned k,
                          unsigned l, unsigned blind);
struct cost mpc_cost_reentry(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l);
struct cost mpc_cost_max(struct ot_ledger *ledger, enum mpc_engine engine,
                         const struct mpc_windows *windows, size_t batch, unsigned k,
                         unsigned blind);
struct cost mpc_cost_argmax(struct ot_ledger *ledger, enum mpc_engine engine,
                            const struct mpc_windows *windows, size_t batch, unsigned k);
struct cost mpc_cost_top(struct ot_ledger *ledger, enum mpc_engine engine,
                         const struct mpc_windows *windows, size_t batch, unsigned k, unsigned top);
struct cost mpc_cost_product(struct ot_ledger *ledger, size_t n, unsigned k_a, unsigned k_b,
                             unsigned l);
struct cost mpc_cost_square(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l);
struct cost mpc_cost_open(struct ot_ledger *ledger, size_t n, unsigned k);

#endif
