/* SPDX-License-Identifier: Apache-2.0
 *
 * Both parties of a session in one process, each in its own thread, over a channel pair. */
#ifndef TESTS_TWO_PARTIES_H
#define TESTS_TWO_PARTIES_H

#include "session/session.h"

/* The bundled model with this file name, under examples/mnist/models. Fails the test if it does not
 * load. `options` may be NULL. */
mp2ml_model *bundled_model(const char *file, const mp2ml_options *options);
/* Options from "name=value" strings; the list ends with NULL. */
mp2ml_options *make_options(const char *first, ...);

/* Seeded pseudo-random floats in [low, high]. */
void fill_uniform(float *out, size_t n, double low, double high, uint64_t seed);
uint64_t next_random(uint64_t *state);

/* One block of a model through both parties, with the shares of both kept after every step. */
struct both_runs {
    const struct mp2ml_model *model;
    size_t images;
    uint64_t plain;
    uint64_t **shares[2]; /* [party][step] -> [value][image] */
    link_tap tap;         /* sees the client's frames; may be NULL */
    void *tap_context;
    bool no_masks; /* control: see struct run */
    size_t ahead;  /* items that are precomputed first; the block uses the last. 0: none */
    bool halves;   /* of them halves of linear steps only */
    size_t idle;   /* bytes of what the server makes alone while the client waits; 0: nothing */
    long hurry_us; /* idle: the client does not wait for the end of it, but so long; 0: it does */
    size_t idle_bytes;    /* of them in use */
    uint64_t idle_blocks; /* of c1, for whose steps there are halves */
    unsigned
        more;   /* idle: blocks behind the first, of the same inputs, whose shares are not kept */
    bool reuse; /* control: they use the first's idle halves */
    mp2ml_status status[2];
    struct link_stats stats;   /* of the block alone, at the client */
    size_t memory[2], peak[2]; /* what run_memory says, and what was used of it */
};
/* inputs, outputs as run_block takes them. The statuses are left to the caller to check. */
void both_runs_block(struct both_runs *both, size_t images, const float *const *inputs,
                     float *const *outputs);
/* The sum of both shares of one value set, mod its ring; freed by the caller. */
uint64_t *both_runs_sum(const struct both_runs *both, unsigned step);
void both_runs_wipe(struct both_runs *both);

/* A server for one connection in a thread of its own, and a client connected to it. */
struct served {
    const struct mp2ml_model *model;
    struct mp2ml_options server_options;
    struct channel *channel; /* the server's end */
    void *thread;
    struct serve_counts counts;
    mp2ml_status status; /* after served_join */
};
/* Starts the server; *client_end is for the caller (client_over_channel takes it). */
void served_start(struct served *served, const struct mp2ml_model *model,
                  struct channel **client_end);
/* The same over a channel of the caller's, which it takes. */
void served_start_over(struct served *served, const struct mp2ml_model *model,
                       struct channel *channel);
/* Waits for the server to end. */
void served_join(struct served *served);

#endif
