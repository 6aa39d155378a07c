/* SPDX-License-Identifier: Apache-2.0
 *
 * For the benchmarks of two parties: clocks, limits of the machine measured in the same run, and a
 * thread for each party. Seconds of processor time unless said otherwise, so that other load on the
 * machine disturbs little. */
#ifndef BENCH_BENCH_COMMON_H
#define BENCH_BENCH_COMMON_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/crypto.h"
#include "net/net.h"
#include "ot/ot.h"

static inline double bench_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static inline double bench_cpu(void)
{
    return bench_clock(CLOCK_THREAD_CPUTIME_ID);
}
static inline double bench_wall(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

static inline void bench_ok(mp2ml_status status, const char *what)
{
    if (status != MP2ML_OK) {
        fprintf(stderr, "%s: %s\n", what, mp2ml_status_text(status));
        exit(1);
    }
}
#define OK(call) bench_ok((call), #call)

static inline void *bench_memory(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (p == NULL)
        exit(1);
    memset(p, 1, bytes);
    return p;
}

/* What one thread of this machine does at most, all per second. */
struct bench_limits {
    double aes;    /* AES-128 blocks of one key, in the first-level cache */
    double digest; /* bytes of SHA-256 */
    double copy;   /* bytes read and written by memcpy of 64 MiB */
};

static inline struct bench_limits bench_limits_measure(void)
{
    enum { SMALL = 8192, LARGE = 64 << 20 };
    const struct crypto_kernels *k = crypto_kernels_pick();
    const struct block key = {1, 2};
    struct bench_limits limits;
    uint8_t *a = bench_memory(LARGE), *b = bench_memory(LARGE), hash[DIGEST_BYTES];
    double start = bench_cpu();
    for (unsigned i = 0; i < 20000; i++)
        stream_expand(k, a, SMALL, &key, i);
    limits.aes = 20000 * SMALL / 16 / (bench_cpu() - start);
    start = bench_cpu();
    for (unsigned i = 0; i < 2000; i++)
        OK(digest_once(hash, "bench", a, SMALL * 8));
    limits.digest = 2000.0 * SMALL * 8 / (bench_cpu() - start);
    start = bench_cpu();
    for (unsigned i = 0; i < 8; i++) {
        memcpy(i % 2 == 0 ? b : a, i % 2 == 0 ? a : b, LARGE);
        __asm__ volatile("" ::: "memory"); /* else no copy is ever needed */
    }
    limits.copy = 16.0 * LARGE / (bench_cpu() - start);
    free(a);
    free(b);
    printf("limits of a thread: %.0f M AES blocks/s, SHA-256 %.2f GB/s, memcpy %.1f GB/s (read and "
           "written)\n",
           1e-6 * limits.aes, 1e-9 * limits.digest, 1e-9 * limits.copy);
    return limits;
}

struct bench_party {
    struct channel *channel;
    struct link *link;
    struct prg *prg;
    struct ot *ot;
    enum party party;
    void *(*body)(void *); /* gets the party */
    void *context;
};

/* Set-up of oblivious transfer, over the channel. */
static inline void bench_party_begin(struct bench_party *p, unsigned k_ss)
{
    static const uint8_t id[32] = {1};
    OK(secret_init());
    OK(link_new(&p->link, p->channel));
    OK(prg_new(&p->prg));
    OK(ot_new(&p->ot, p->link, p->party, p->prg, k_ss));
    OK(ot_setup(p->ot, id));
    link_transcript_stop(p->link);
    OK(ot_start(p->ot, id));
}
static inline void bench_party_end(struct bench_party *p)
{
    OK(channel_flush(p->channel));
    ot_free(p->ot);
    prg_free(p->prg);
    link_free(p->link);
}

/* Runs both parties, a thread each. */
static inline void bench_pair(void *(*body)(void *), void *context)
{
    struct bench_party p[2] = {
        {.party = PARTY_SERVER, .body = body, .context = context},
        {.party = PARTY_CLIENT, .body = body, .context = context},
    };
    pthread_t client;
    OK(channel_pair(&p[0].channel, &p[1].channel));
    if (pthread_create(&client, NULL, body, &p[1]) != 0)
        exit(1);
    body(&p[0]);
    pthread_join(client, NULL);
    channel_free(p[0].channel);
    channel_free(p[1].channel);
}

#endif
