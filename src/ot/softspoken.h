/* SPDX-License-Identifier: Apache-2.0
 *
 * The extension: correlated transfers q = t ^ c*Delta from the leaves of softspoken_tree.h. A
 * softspoken is one direction at one party, either its sender's half (offset Delta, punctured
 * leaves) or its receiver's (all leaves).
 *
 *   body, receiver -> sender, `tiles` * (128/k - 1) * 16 + 48 bytes:
 *     for each strip of up to OT_STRIP tiles, for each tree but the first: one correction block a
 *         tile
 *     16 bytes  hash of the choice bits
 *     32 bytes  H("ot-check", ...) of the hashes of the 128 columns of t
 * The last tile is sacrificed to the check. */
#ifndef OT_SOFTSPOKEN_H
#define OT_SOFTSPOKEN_H

#include "ot/ot_kernels.h"

#define SOFTSPOKEN_CHECK_BYTES 48

struct softspoken_work; /* buffers of one strip; one extension at a time */

struct softspoken {
    unsigned k;                   /* 2, 4 or 8 */
    uint8_t direction;            /* the party that sends the transfers */
    const uint8_t *session;       /* 32 bytes, bound into challenges; not owned */
    struct block *leaf;           /* 2^k for each of 128/k trees; secret memory */
    struct block delta;           /* sender */
    uint64_t mask[OT_WIDTH];      /* sender: bit j of delta as a mask */
    uint64_t offset;              /* blocks used so far of each leaf's stream; never restarts */
    struct softspoken_work *work; /* not owned */
    const struct ot_kernels *kernels;
    const struct crypto_kernels *crypto;
#ifdef MP2ML_TEST_HOOKS
    /* A cheating receiver: adds cheat_error to the correction of tree cheat_tree (> 0) at a tile.
     */
    unsigned cheat_tree; /* 0 = honest */
    size_t cheat_tile;
    struct block cheat_error;
    bool skip_check; /* a sender without the check, as a control */
#endif
};

/* Allocates leaves. The caller fills them (and delta by softspoken_set_delta). */
MUST_CHECK mp2ml_status softspoken_init(struct softspoken *s, unsigned k, uint8_t direction,
                                        const uint8_t *session, struct softspoken_work *work);
void softspoken_wipe(struct softspoken *s);
void softspoken_set_delta(struct softspoken *s, const struct block *delta);

MUST_CHECK mp2ml_status softspoken_work_new(struct softspoken_work **out);
void softspoken_work_free(struct softspoken_work *w);

static inline size_t softspoken_body_bytes(unsigned k, size_t tiles)
{
    return tiles * (OT_WIDTH / k - 1) * sizeof(struct block) + SOFTSPOKEN_CHECK_BYTES;
}

struct link;
/* Both inside a frame that the caller has begun. rows has room for tiles * 128 blocks, of which all
 * but the last 128 are transfers afterwards; tiles >= 2.
 * Sender: rows[i] = q_i. ERR_PROTOCOL when the check fails; rows are then wiped.
 * CT: leaks only whether the check passed. */
MUST_CHECK mp2ml_status softspoken_extend_sender(struct softspoken *s, struct link *link,
                                                 struct block *rows, size_t tiles);
/* Receiver: rows[i] = t_i, bit i % 64 of choice[i / 64] = c_i, room for tiles * 2 words.
 * CT: leaks nothing. */
MUST_CHECK mp2ml_status softspoken_extend_receiver(struct softspoken *s, struct link *link,
                                                   struct block *rows, uint64_t *choice,
                                                   size_t tiles);

/* The same in steps, so that both directions can take turns: begin, strips until done = tiles,
 * finish; then close, after a failure of any of them too. */
struct softspoken_position { /* what sets one extension apart from all others */
    uint8_t bytes[17];
};
struct softspoken_run {
    struct softspoken *s; /* this and the next three are not owned */
    struct link *link;
    struct block *rows;
    uint64_t *choice; /* NULL at the sender */
    size_t tiles, done;
    struct softspoken_position position;
    struct digest *digest; /* the challenge, so far */
};
MUST_CHECK mp2ml_status softspoken_run_begin(struct softspoken_run *r, struct softspoken *s,
                                             struct link *link, struct block *rows,
                                             uint64_t *choice, size_t tiles);
/* The next strip of up to OT_STRIP tiles: a part of the frame and its columns. */
MUST_CHECK mp2ml_status softspoken_run_strip(struct softspoken_run *r);
/* The check: the frame's last part. Tiles stay as columns: the caller transposes them. */
MUST_CHECK mp2ml_status softspoken_run_finish(struct softspoken_run *r);
/* Releases what begin took and wipes the sacrificed tile, or all when status is a failure; returns
 * status. */
MUST_CHECK mp2ml_status softspoken_run_close(struct softspoken_run *r, mp2ml_status status);

#endif
