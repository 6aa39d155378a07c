/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile network: it stands between both parties of a session, sees every frame, and passes on
 * what a test wants: the frame, a changed one, none, or others. */
#ifndef TESTS_RELAY_H
#define TESTS_RELAY_H

#include <pthread.h>

#include "net/net.h"
#include "ot/ot.h"

struct relay;

/* A frame, header first, or a piece of one: where both parties send parts in turn (OT_EXTEND) the
 * pieces come one by one, the header alone first. */
struct relay_piece {
    enum frame_type type;
    unsigned number; /* of the frame among all of its party: 0, 1, ... */
    uint8_t *bytes;  /* a block of its own that the callee may change */
    size_t size;
    size_t offset, whole; /* in the frame; bytes of the frame */
};

/* Called in a thread of the direction. Nothing is passed on but what the callee gives to
 * relay_pass. */
typedef void (*relay_fn)(void *context, struct relay *r, enum party from,
                         const struct relay_piece *piece);

struct relay_seen { /* of one party */
    unsigned frames;
    uint8_t last[FRAME_HEADER_BYTES]; /* header of its last frame */
    bool aborted;                     /* it sent an ABORT, and nothing after it */
    bool cut;                         /* it closed inside of a frame, where no ABORT fits */
    bool malformed;                   /* it sent what is no frame, or an ABORT with content */
};

struct relay {
    struct channel *end[2]; /* for the parties, who free them */
    struct relay_seen seen[2];
    relay_fn fn; /* NULL passes all on */
    void *context;
    int fd[2];
    struct relay_way {
        struct relay *relay;
        enum party from;
        pthread_t thread;
    } way[2];
};

void relay_start(struct relay *r, relay_fn fn, void *context);
/* To the other party than `from`. */
void relay_pass(struct relay *r, enum party from, const uint8_t *bytes, size_t size);
/* Waits until both parties have closed. */
void relay_join(struct relay *r);

#endif
