/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the context, planes in frames, simultaneous exchanges. */
#ifndef MPC_MPC_STATE_H
#define MPC_MPC_STATE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "mpc/mpc.h"
#include "mpc/mpc_kernels.h"

#define MPC_MIN_BITS 4u
#define MPC_MAX_BITS 32u   /* of a value that is compared */
#define MPC_MAX_FACTOR 24u /* of a value that is multiplied */
#define MPC_MAX_RING 48u   /* of any output */

/* All pieces that one block ever takes: at most five keys and four message words a value, messages
 * of k + 3h <= 136 bits one way and l bits the other; and of each block of a group a word a value
 * and below 320 planes. */
#define MPC_GROUP_BLOCKS (MPC_GROUP / MPC_BLOCK)
#define MPC_WORK_BYTES                                                                             \
    ((size_t)MPC_BLOCK *                                                                           \
     (5 * 16 + 4 * 8 + (136 + 48) / 8 + 1 + (size_t)MPC_GROUP_BLOCKS * (8 + 320 / 8)))

struct mpc {
    enum party party;
    enum mpc_engine engine;
    struct link *link;   /* kept, not owned */
    struct ot *ot;       /* kept, not owned */
    struct prg *g;       /* kept, not owned; the GMW engine draws all masks from random OTs */
    struct arena *arena; /* empty between calls */
    const struct mpc_kernels *kernels;
    struct trace *trace; /* of the link */
#ifdef MP2ML_TEST_HOOKS
    unsigned control; /* enum mpc_control */
#endif
};

static inline size_t mpc_words(size_t n)
{
    return (n + 63) / 64;
}
static inline uint64_t mpc_ring_mask(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}
/* How many of the n values from `done` on make the next block. */
static inline size_t mpc_block(size_t n, size_t done)
{
    return n - done < MPC_BLOCK ? n - done : MPC_BLOCK;
}

/* n bits of a plane after the *at bits that are in a frame already, or out of it. */
void mpc_plane_pack(uint8_t *frame, size_t *at, const uint64_t *plane, size_t n);
void mpc_plane_unpack(uint64_t *plane, const uint8_t *frame, size_t *at, size_t n);

/* Both parties send a frame (begin), then receive one (end); a direction with no bits has none.
 * ERR_PROTOCOL when the padding of what came is not zero. */
MUST_CHECK mp2ml_status mpc_exchange_begin(struct mpc *m, enum frame_type type, uint16_t step,
                                           const uint8_t *out, size_t bits);
MUST_CHECK mp2ml_status mpc_exchange_end(struct mpc *m, enum frame_type type, uint16_t step,
                                         uint8_t *in, size_t bits);
MUST_CHECK mp2ml_status mpc_exchange(struct mpc *m, enum frame_type type, uint16_t step,
                                     const uint8_t *out, size_t out_bits, uint8_t *in,
                                     size_t in_bits);

/* Ends a public call: wipes the work memory, and on failure the n values of the output. */
MUST_CHECK mp2ml_status mpc_end(struct mpc *m, mp2ml_status status, uint64_t *out, size_t n);

#ifdef MP2ML_TEST_HOOKS
/* Control builds: results stay right, but a test of privacy must fail. Both parties set the same.
 */
enum mpc_control {
    MPC_CONTROL_TRIPLES = 1,   /* all triples are zero */
    MPC_CONTROL_KEYS = 2,      /* all keys, rows and choices of random OTs are zero */
    MPC_CONTROL_PLAIN_XOR = 4, /* 1-of-4 masks without the index */
    MPC_CONTROL_PADS = 8,      /* all hashes of labels are zero */
    MPC_CONTROL_TWEAKS = 16    /* all tweaks of labels are zero */
};
void mpc_set_control(struct mpc *m, unsigned control);
#endif

#endif
