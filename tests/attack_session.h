/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole sessions on small models through a hostile network: the server's real loop and the real
 * client, or, for controls, both halves with a protection taken away. */
#ifndef TESTS_ATTACK_SESSION_H
#define TESTS_ATTACK_SESSION_H

#include "relay.h"
#include "session/session.h"

#define ATTACK_INPUTS 16
#define ATTACK_OUTPUTS 3
#define ATTACK_IMAGES 64 /* of a request, at most */

/* 4x4 pixels, convolution, ReLU, maximum pool, dense layer. */
mp2ml_model *attack_model_in(const char *layout, const char *engine, const char *reveal);
/* What a server may choose, for tables of attacks: GMW and layout batch, or Yao and layout image. */
enum attack_form { ATTACK_GMW, ATTACK_YAO, ATTACK_FORMS };
#define ATTACK_ONLY_GMW (1U << ATTACK_GMW)
#define ATTACK_ONLY_YAO (1U << ATTACK_YAO)
#define ATTACK_BOTH (ATTACK_ONLY_GMW | ATTACK_ONLY_YAO)
mp2ml_model *attack_model(enum attack_form form, const char *reveal);

struct attack {
    const mp2ml_model *model;
    relay_fn fn; /* NULL: an honest network */
    void *context;
    size_t images;   /* of a request; 0 = 1 */
    size_t requests; /* 0 = 1 */
    size_t ahead;    /* requests that the client prepares first, linear steps too; 0 = none */
    int timeout_s;   /* of both sides; 0 = 60 */
    bool plain;      /* the input travels in the clear */
    float fill;      /* every input value */
    /* controls; then both sides are bare halves, and requests are blocks of one plan */
    bool skip_check;     /* both sides ignore the check of OT extension */
    const uint8_t *seed; /* the server's randomness, 32 bytes */
    bool reset_counters; /* both sides start every request at block 0 of the c1 stream */
    bool only_handshake; /* both sides end behind it */
    /* results */
    mp2ml_status status[2];                    /* by party */
    float out[ATTACK_IMAGES * ATTACK_OUTPUTS]; /* of the last request */
    struct relay_seen seen[2];
};
/* Runs the session to its end, whatever it is. */
void attack_run(struct attack *a);
/* Fails the test unless both sides failed, none by a time-out, the first to notice told the other
 * by an ABORT (or a REFUSE), and the other reports no more than that. */
void attack_was_caught(const struct attack *a, const char *what);
/* Fails the test unless both sides came to the end. */
void attack_was_not_seen(const struct attack *a, const char *what);
/* True when some output of the last request is not the same but for noise. */
bool attack_changed(const struct attack *a, const struct attack *clean);
/* True when both sides failed as attack_was_caught demands. */
bool attack_caught(const struct attack *a);

/* A change to one frame, for the relay. */
struct edit {
    enum party from;
    enum frame_type type;
    unsigned number; /* which of the party's frames of that type */
    /* called for each piece of the frame; passes on what it wants */
    void (*fn)(struct edit *e, struct relay *r, const struct relay_piece *piece);
    size_t at;    /* for fn */
    uint8_t mask; /* for fn */
    const uint8_t *other;
    size_t other_size;
    unsigned seen; /* frames of that type so far */
    bool inside;   /* of the frame */
    bool done;
};
/* A relay_fn with a struct edit as context. */
void attack_edit(void *context, struct relay *r, enum party from, const struct relay_piece *piece);
/* A struct edit's fn: byte `at` of the body (modulo its length) ^= mask. */
void edit_flip(struct edit *e, struct relay *r, const struct relay_piece *piece);
/* The same, `at` bytes before the last one. */
void edit_flip_end(struct edit *e, struct relay *r, const struct relay_piece *piece);
/* `other` over the body from byte `at` on; SIZE_MAX: over its end. */
void edit_write(struct edit *e, struct relay *r, const struct relay_piece *piece);
/* A body that is one byte shorter, or longer where mask is not 0, and a header that says so. */
void edit_length(struct edit *e, struct relay *r, const struct relay_piece *piece);
/* What the edit was, for messages. */
const char *edit_name(char text[96], const struct edit *e);
/* A session with this edit, which it must meet. The rest of *a is the caller's. */
void attack_edited(struct attack *a, struct edit *e);
/* byte `at` of the frame, if the piece has it, else NULL. */
uint8_t *piece_byte(const struct relay_piece *piece, size_t at);

#endif
