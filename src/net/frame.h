/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: the only unit on the wire.
 *
 *   offset size
 *        0    1  type      FRAME_TYPE_MAP
 *        1    1  flags     0
 *        2    2  step      step of the plan, 0 outside of one
 *        4    4  sequence  0, 1, 2 ... in each direction of a connection
 *        8    8  length    of the body
 *       16       body
 *
 * The receiver always knows which frame must come, and for all but HELLO_C, HELLO_S, REQUEST,
 * PREPARE, ACCEPT and REFUSE also its exact
 * length, before it reads the body: anything else is ERR_PROTOCOL. An ABORT frame, which has no
 * body, is ERR_ABORTED. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/status.h"
#include "crypto/digest.h"
#include "net/channel.h"

/* name, code, what its body holds */
#define FRAME_TYPE_MAP(X)                                                                          \
    X(HELLO_C, 1, "version, offers, model, nonce")                                                 \
    X(HELLO_S, 2, "set ids, policy, inputs, outputs, nonce")                                       \
    X(PK, 3, "public key of every set")                                                            \
    X(BASE_OT, 4, "points of the base oblivious transfers")                                        \
    X(OT_SETUP, 5, "set-up extension and its check")                                               \
    X(REQUEST, 6, "images, form of each input")                                                    \
    X(ACCEPT, 7, "public plan")                                                                    \
    X(REFUSE, 8, "a code")                                                                         \
    X(PREPARE, 9, "images, form of each input, requests to prepare")                               \
    X(PREPARED, 10, "items to make, or made")                                                      \
    X(CT_IN, 16, "used coefficients of c0")                                                        \
    X(CT_OUT, 17, "c1' then c0' of every ciphertext")                                              \
    X(PLAIN_IN, 18, "an input in the clear, float32")                                              \
    X(OT_EXTEND, 19, "corrections and check of an OT extension")                                   \
    X(OT_CHOICE, 20, "choice corrections")                                                         \
    X(OT_MESSAGE, 21, "masked messages")                                                           \
    X(AND_OPEN, 22, "openings of AND gates")                                                       \
    X(OPEN, 23, "the server's shares of the result")                                               \
    X(GARBLED, 24, "tables and rows of garbled circuits")                                          \
    X(MASKED, 25, "values minus masks, for a linear step made ahead")                              \
    X(ABORT, 255, "nothing")

enum frame_type {
#define FRAME_TYPE_ENUM(name, code, text) FRAME_##name = (code),
    FRAME_TYPE_MAP(FRAME_TYPE_ENUM)
#undef FRAME_TYPE_ENUM
};

#define FRAME_HEADER_BYTES 16

struct link; /* a channel with sequence numbers, transcripts and counters */

struct link_stats {
    uint64_t bytes_sent; /* headers and bodies */
    uint64_t bytes_received;
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t flights; /* runs of frames in one direction, both directions together */
};

/* Keeps the channel, does not own it. */
MUST_CHECK mp2ml_status link_new(struct link **out, struct channel *channel);
void link_free(struct link *l);
struct channel *link_channel(struct link *l);
struct trace *link_trace(const struct link *l); /* the channel's */
struct link_stats link_stats(const struct link *l);

/* One frame, whole. */
MUST_CHECK mp2ml_status frame_send(struct link *l, enum frame_type type, uint16_t step,
                                   const void *body, size_t length);
/* One frame in pieces: begin with the whole length, then parts that add up to it exactly. */
MUST_CHECK mp2ml_status frame_send_begin(struct link *l, enum frame_type type, uint16_t step,
                                         size_t length);
MUST_CHECK mp2ml_status frame_send_part(struct link *l, const void *part, size_t length);

/* Receives the frame that must come next, of exactly this length. */
MUST_CHECK mp2ml_status frame_recv(struct link *l, enum frame_type type, uint16_t step, void *body,
                                   size_t length);
MUST_CHECK mp2ml_status frame_recv_begin(struct link *l, enum frame_type type, uint16_t step,
                                         size_t length);
MUST_CHECK mp2ml_status frame_recv_part(struct link *l, void *part, size_t length);
/* Receives a frame whose length the receiver does not know, at most `max`; *body is malloced and
 * the caller frees it. For HELLO_C, HELLO_S, REQUEST, PREPARE, ACCEPT
 * and REFUSE only. When alt is not 0 a frame of
 * type alt is accepted too; *got says which came. */
MUST_CHECK mp2ml_status frame_recv_any(struct link *l, enum frame_type type, enum frame_type alt,
                                       size_t max, enum frame_type *got, uint8_t **body,
                                       size_t *length);

/* Tries to send an ABORT frame, once, without waiting; the link only fails from then on. */
void link_abort(struct link *l);

/* Transcript: from link_new until link_transcript_stop every frame (header and body) goes into one
 * digest H("setup", ...) per direction. Parts of the result: sent, received. */
MUST_CHECK mp2ml_status link_transcript_now(const struct link *l, uint8_t sent[DIGEST_BYTES],
                                            uint8_t received[DIGEST_BYTES]);
void link_transcript_stop(struct link *l);

#ifdef MP2ML_TEST_HOOKS
/* Sees (and may change) every frame body part on its way out or in. */
typedef void (*link_tap)(void *context, bool sent, enum frame_type type, uint16_t step,
                         uint8_t *part, size_t length);
void link_set_tap(struct link *l, link_tap tap, void *context);
#endif

#endif
