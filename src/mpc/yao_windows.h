/* SPDX-License-Identifier: Apache-2.0
 *
 * Garbled circuits over windows: which windows share a block, the sums of the shares of their
 * members as wires, and the comparison that tournaments are made of.
 *
 * A block has up to `most` lanes, pairs of a window and a column of the batch, of windows of one
 * length; windows go by length, the shortest first, and by number among these. Members are summed
 * `chunk` slots at a time, slot after slot, each with all its lanes: element slot*lanes + lane. A
 * member enters with the low bits of its shares: values keep a guard bit (mpc.h), so k-1 bits are
 * the whole value, but for a window of one member, whose sign takes all k. */
#ifndef MPC_YAO_WINDOWS_H
#define MPC_YAO_WINDOWS_H

#include "mpc/yao.h"

#define YAO_MAX_MEMBERS ((size_t)65536) /* of a window; of these a group's choices fit too */

struct yao_walk { /* through all windows; zero-initialised but for the first three */
    const struct mpc_windows *windows;
    size_t batch, room; /* room: elements of a chunk */
    size_t length, w, b;
};

struct yao_lanes {
    size_t n, length, chunk; /* chunk: slots summed together */
    const uint32_t **member; /* of each lane: its window's members, */
    size_t *column, *place;  /* its column, and window*batch + column */
};

/* Goes to the first window of at least `least` members. */
void yao_walk_begin(struct yao_walk *walk, size_t least);
/* The next block; false: none is left. The arrays of *lanes are filled unless NULL. */
bool yao_walk_next(struct yao_walk *walk, struct yao_lanes *lanes);

/* How many of the next blocks make a group, and the bits of their inputs; 0 at the end. */
size_t yao_group_blocks(const struct yao_walk *at, unsigned k, size_t *bits);

struct yao_windows {
    struct garble g;
    struct yao_walk walk;
    struct yao_lanes lanes;
    const uint64_t *in;
    unsigned k;
    struct block *x;    /* k wires of `room` elements: sums of a chunk */
    struct block *work; /* 3 wires */
    struct garble_pads pads;
    uint64_t *value, *plane; /* `room` numbers; k planes */
};

/* k and windows, batch, room of the walk are set; room <= GARBLE_LANES. */
MUST_CHECK mp2ml_status yao_windows_begin(struct yao_windows *y, struct mpc *m, uint16_t step,
                                          size_t frame_room);

/* Group after group: choices, then block(context) for each block, with y->lanes set. */
typedef mp2ml_status (*yao_block)(void *context);
MUST_CHECK mp2ml_status yao_windows_run(struct yao_windows *y, size_t least, yao_block block,
                                        void *context);

/* Bits of a member of such a window. */
static inline unsigned yao_member_bits(size_t length, unsigned k)
{
    return length == 1 ? k : k - 1;
}
/* y->x = the sums of members slot .. slot + count - 1, bit i at x + i * count * lanes. */
void yao_sums(struct yao_windows *y, size_t slot, size_t count);

/* d = [left >= right], signed, wires of n lanes, bit after bit; the `skip` lowest bits do not
 * count. 2 * (bits - skip) blocks a lane. */
void yao_not_less(struct yao_windows *y, struct block *d, const struct block *left,
                  const struct block *right, size_t n, unsigned bits, unsigned skip);
/* right = d ? left : right, left = d ? right : left where both is set; 2 * wires blocks a lane. */
void yao_choose(struct yao_windows *y, const struct block *d, struct block *left,
                struct block *right, size_t n, unsigned wires, bool both);
/* share += (wire as a number) * 2^place mod 2^ring, or where minus is set -=. A row of ring - place
 * bits. */
void yao_add_wire(struct yao_windows *y, uint64_t *share, const struct block *wire, size_t n,
                  unsigned place, unsigned ring, bool minus);

#endif
