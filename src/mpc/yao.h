/* SPDX-License-Identifier: Apache-2.0
 *
 * The Yao engine: the functions of mpc.h by garbled circuits (garble.h), called from there. Two
 * flights for every GARBLE_GROUP_BITS bits of input:
 *
 *   client                                    server
 *      |-- OT_EXTEND, as needed, OT_CHOICE: bits of all inputs ->|   garble_choices_*
 *      |<------------------- GARBLED, one frame for each block --|   garble_frame_*
 *
 * Output shares: the client's is what the rows give, the server's what it drew. */
#ifndef MPC_YAO_H
#define MPC_YAO_H

#include "mpc/garble.h"

/* As mpc_relu and mpc_sign, after their checks. */
MUST_CHECK mp2ml_status yao_relu(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                 const uint64_t *negative, size_t n, unsigned k, unsigned l,
                                 unsigned blind);
MUST_CHECK mp2ml_status yao_sign(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                 const uint64_t *negative, size_t n, unsigned k, unsigned l,
                                 unsigned blind);
/* As mpc_max, mpc_argmax, mpc_top; they need no scratch. */
MUST_CHECK mp2ml_status yao_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                const struct mpc_windows *windows, size_t batch, unsigned k,
                                unsigned blind);
MUST_CHECK mp2ml_status yao_argmax(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                   const struct mpc_windows *windows, size_t batch, unsigned k);
MUST_CHECK mp2ml_status yao_top(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                                const struct mpc_windows *windows, size_t batch, unsigned k,
                                unsigned top);
/* False: a window is too long for the engine's memory; then the caller goes round by round, as with
 * GMW. Public. */
bool yao_takes(const struct mpc_windows *windows);

void yao_cost_relu(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned k, unsigned l,
                   unsigned blind);
void yao_cost_sign(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned k, unsigned l,
                   unsigned blind);
void yao_cost_max(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                  size_t batch, unsigned k, unsigned blind);
void yao_cost_argmax(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                     size_t batch, unsigned k);
void yao_cost_top(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                  size_t batch, unsigned k, unsigned top);

/* ---- what the files of the engine and its cost share ------------------------------------------ */

/* Of one value: of its sign. */
static inline size_t yao_sign_blocks(unsigned k, unsigned blind)
{
    return garble_sum_blocks(k - blind);
}
/* V, W and V2 of relu's output, then a transfer for each bit of the client's share. */
static inline size_t yao_relu_row_bits(unsigned k, unsigned l)
{
    size_t bits = 2 * (size_t)l + 2 * ((size_t)l - k + 1);
    for (unsigned i = 0; i + 1 < k; i++)
        bits += l - i;
    return bits;
}
/* The sign as a number without its top bit. */
static inline size_t yao_sign_row_bits(unsigned l)
{
    return l - 1;
}
/* Values of so many bits of input whose choices travel together. */
static inline size_t yao_values_group(unsigned wires)
{
    return GARBLE_GROUP_BITS / wires / GARBLE_LANES * GARBLE_LANES;
}

#endif
