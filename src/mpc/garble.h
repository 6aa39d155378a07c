/* SPDX-License-Identifier: Apache-2.0
 *
 * Garbled circuits: half-gates [eprint 2014/756] with free XOR, and projections of wires to numbers
 * [eprint 2016/969]. The server garbles, the client evaluates; both run the same functions in the
 * same order, and what the server writes into a GARBLED frame the client reads from it.
 *
 * Words.
 *   lanes      equal circuits side by side: a wire is an array of one label a lane
 *   label      garbler: of the value 0; evaluator: of the wire's value; bit 0 is the colour
 *   offset     R, the server's Delta: the label of 1 is that of 0 ^ R
 *   known bit  of the garbler (its share): never on a wire of its own. XOR with one changes which
 *              label stands for 0, and nothing at the evaluator
 *   table      one or two blocks of an AND gate; row = what is sent for a projection
 *   frame      [ tables, blocks | rows, bits packed LSB first | zero padding ]
 *
 * A label of the evaluator's input is a row of a transfer (ot_take_*_rows): with q at the server, t
 * = q ^ c*R at the client and e = c ^ x sent by it, the label of 0 is q ^ e*R, and t is that of x.
 *
 * Every hash of labels takes a tweak for each lane, from the session's counter; no tweak comes
 * twice. Lanes are at most those of garble_begin. */
#ifndef MPC_GARBLE_H
#define MPC_GARBLE_H

#include "mpc/garble_kernels.h"
#include "mpc/mpc_state.h"

#define GARBLE_LANES ((size_t)1024)
/* Bits of input that a call's first flight covers: with them comes the memory of as many transfers
 * (16 bytes each) and of their choice bits. */
#define GARBLE_GROUP_BITS ((size_t)1 << 23)

struct garble {
    struct mpc *m;
    uint16_t step;
    bool garbler;
    struct block offset; /* R; zero at the evaluator */
    const struct tccr *hash;
    const struct garble_kernels *kernels;
    struct block *hashed;  /* scratch: of a part of the lanes */
    uint64_t *ones, *word; /* scratch: a plane of ones, GARBLE_LANES values */
    uint8_t *choice;       /* of the group, packed */
    size_t choice_at, choice_bits;
    uint8_t *frame;                                    /* of the block */
    size_t frame_room, blocks, block_at, row_at, bits; /* row_at and bits count from the start */
};

/* Takes memory for frames of up to frame_room bytes from the arena. */
MUST_CHECK mp2ml_status garble_begin(struct garble *g, struct mpc *m, uint16_t step,
                                     size_t frame_room);
void garble_end(struct garble *g); /* wipes the copy of R */

/* Once for each group: transfers for so many bits of input, then their choices, in the order in
 * which garble_input takes them. The client adds planes, then both call _choices_end. */
MUST_CHECK mp2ml_status garble_choices_begin(struct garble *g, size_t bits);
void garble_choices_add(struct garble *g, const uint64_t *plane, size_t n);
MUST_CHECK mp2ml_status garble_choices_end(struct garble *g);
/* Labels of the next n bits of the client's input. */
void garble_input(struct garble *g, struct block *label, size_t n);

/* Around all gates and rows of a frame of exactly so many. */
MUST_CHECK mp2ml_status garble_frame_begin(struct garble *g, size_t blocks, size_t row_bits);
MUST_CHECK mp2ml_status garble_frame_end(struct garble *g);
/* After the last frame of a group: whatever the server does next, the client shall not wait for it.
 */
MUST_CHECK mp2ml_status garble_group_end(struct garble *g);
size_t garble_frame_bytes(size_t blocks, size_t row_bits);

/* ---- gates; planes are the garbler's, and not looked at by the evaluator ---------------------- */

/* A wire with a value that both know. */
void garble_constant(const struct garble *g, struct block *label, unsigned value, size_t n);
/* out = a ^ b ^ value; value 0 or 1. */
void garble_xor(const struct garble *g, struct block *out, const struct block *a,
                const struct block *b, unsigned value, size_t n);
void garble_not(const struct garble *g, struct block *label, size_t n);
void garble_xor_known(const struct garble *g, struct block *label, const uint64_t *plane, size_t n);
/* sum ^= a & b; two blocks a lane. */
void garble_and(struct garble *g, struct block *sum, const struct block *a, const struct block *b,
                size_t n);
/* out = known & b; one block a lane. */
void garble_and_known(struct garble *g, struct block *out, const uint64_t *known,
                      const struct block *b, size_t n);

/* x + known in Z_{2^bits}, x's bit i at x + i*stride, known's plane i at known + i*words: to sum,
 * likewise, or where whole is false its top bit alone to sum. sum may be x. work holds 3 * n
 * labels. garble_sum_blocks a lane. */
void garble_sum(struct garble *g, struct block *sum, const struct block *x, size_t stride,
                const uint64_t *known, size_t words, size_t n, unsigned bits, bool whole,
                struct block *work);
static inline size_t garble_sum_blocks(unsigned bits)
{
    return 1 + 2 * ((size_t)bits - 2);
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Hashes of a wire for one or two projections or one transfer: at most n <= GARBLE_LANES. */
struct garble_pads {
    struct block *memory; /* 2 * GARBLE_LANES, the caller's */
    struct garble_hash hash;
};
void garble_pads(struct garble *g, struct garble_pads *p, const struct block *label, size_t n);

/* number = zero at the garbler; zero + s*factor at the evaluator, for the wire s = label. One row
 * of slice.bits. No slice of a hash serves twice. factor: the garbler's; NULL: 1. */
void garble_project(struct garble *g, uint64_t *number, const struct garble_pads *p,
                    const struct block *label, const uint64_t *factor, size_t n,
                    struct garble_slice slice);
/* Shares of -b*z*2^place are added, b the input bit of the pads' wire (plane: the client's), z the
 * garbler's. One row of slice.bits. */
void garble_transfer(struct garble *g, uint64_t *share, const struct garble_pads *p,
                     const uint64_t *z, const uint64_t *plane, size_t n, unsigned place,
                     struct garble_slice slice);

#endif
