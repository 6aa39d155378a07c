/* SPDX-License-Identifier: Apache-2.0
 *
 * A client that has work done ahead, and its server in a thread, over a channel pair: for tests of it. */
#ifndef MP2ML_TESTS_AHEAD_PAIR_H
#define MP2ML_TESTS_AHEAD_PAIR_H

#include "two_parties.h"

#define PIXELS 784
#define LOGITS 10

/* What servers serve: cryptonets-relu-mnist in the layout batch with GMW, or what a test puts there. */
extern mp2ml_model *model;
int pair_load(void **state);
int pair_unload(void **state);
/* The same network in the layout image; the caller's. */
mp2ml_model *in_images(void);

struct pair {
    struct served served;
    mp2ml_client *client;
    unsigned parts[256];     /* of frames of each type, both directions */
    enum frame_type watched; /* MASKED, or CT_IN */
    uint64_t *masked;        /* values of these frames of the first linear step, or NULL */
    size_t n_masked, bits;
    uint64_t bytes[256]; /* of them: a histogram */
};

/* memory 0: the default limit of the server. */
void pair_start(struct pair *p, bool precompute, uint64_t max_prepared, uint64_t memory);
/* Fails unless the server's thread ended so. */
void pair_end(struct pair *p, mp2ml_status status);
size_t prepare(struct pair *p, size_t requests, size_t images);
/* fill < 0: random images, whose logits are checked. */
void ask(struct pair *p, size_t n, float fill, uint64_t seed);

#endif
