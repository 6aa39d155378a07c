/* SPDX-License-Identifier: Apache-2.0
 *
 * Two parties, a thread each, joined in this process. */
#ifndef BENCH_BENCH_PROTOCOL_H
#define BENCH_BENCH_PROTOCOL_H

#include "bench.h"
#include "crypto/crypto.h"
#include "net/net.h"
#include "ot/ot.h"

struct bench_party {
    struct bench *bench; /* for what it says; rows are printed when both parties have ended */
    enum party party;
    struct channel *channel;
    struct link *link;
    struct prg *prg;
    struct ot *ot;
    void *context;
    double sample[3][BENCH_MAX_SAMPLES]; /* seconds, as the body likes */
};
typedef void (*bench_body)(struct bench_party *p);

/* Runs the body at both parties after the set-up of oblivious transfer. */
void bench_pair(struct bench *b, struct bench_party pair[2], unsigned k_ss, bench_body body,
                void *context);
/* Prints a row of one of the parties' samples. */
void bench_pair_row(struct bench *b, const struct bench_party *p, int which,
                    const struct bench_row *row);

/* Seconds of the time of day, for two threads together. */
double bench_wall(void);

/* AES blocks for a random OT at one side: leaves of the trees, then the hash of the transfer. */
double bench_ot_aes(unsigned k_ss, bool sends);

void bench_relu(struct bench *b);
void bench_linear(struct bench *b);
void bench_image(struct bench *b);

#endif
