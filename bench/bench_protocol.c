/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocols: the main program, pairs of parties, and random transfers of one direction. */
#include "bench_protocol.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 65536

double bench_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_ot_aes(unsigned k_ss, bool sends)
{
    return ((double)(1U << k_ss) - sends) / k_ss + (sends ? 2 : 1);
}

/* ---- pairs --------------------------------------------------------------------------------- */

struct half {
    struct bench_party *party;
    unsigned k_ss;
    bench_body body;
};

static void *run_half(void *argument)
{
    static const uint8_t id[32] = {1};
    const struct half *h = argument;
    struct bench_party *p = h->party;
    bench_one_thread();
    MUST(link_new(&p->link, p->channel));
    MUST(prg_new(&p->prg));
    MUST(ot_new(&p->ot, p->link, p->party, p->prg, h->k_ss));
    MUST(ot_setup_begin(p->ot, id));
    MUST(ot_setup_end(p->ot));
    link_transcript_stop(p->link);
    MUST(ot_start(p->ot, id));
    h->body(p);
    MUST(channel_flush(p->channel));
    ot_free(p->ot);
    prg_free(p->prg);
    link_free(p->link);
    return NULL;
}

void bench_pair(struct bench *b, struct bench_party pair[2], unsigned k_ss, bench_body body,
                void *context)
{
    struct half half[2];
    pthread_t client;
    memset(pair, 0, 2 * sizeof *pair);
    MUST(channel_pair(&pair[0].channel, &pair[1].channel));
    for (int i = 0; i < 2; i++) {
        pair[i].bench = b;
        pair[i].party = i == 0 ? PARTY_SERVER : PARTY_CLIENT;
        pair[i].context = context;
        half[i] = (struct half){&pair[i], k_ss, body};
    }
    if (pthread_create(&client, NULL, run_half, &half[1]) != 0)
        bench_must(MP2ML_ERR_MEMORY, "a thread");
    run_half(&half[0]);
    pthread_join(client, NULL);
    channel_free(pair[0].channel);
    channel_free(pair[1].channel);
}

void bench_pair_row(struct bench *b, const struct bench_party *p, int which,
                    const struct bench_row *row)
{
    memcpy(b->sample, p->sample[which], sizeof b->sample);
    bench_row_print(b, row);
}

/* ---- transfers ----------------------------------------------------------------------------- */

enum { EXTEND, HASH, BOTH };

static void take_bits(struct bench_party *p, uint64_t *words, size_t n)
{
    for (size_t done = 0; done < n; done += PIECE) {
        const size_t m = n - done < PIECE ? n - done : PIECE;
        if (p->party == PARTY_SERVER)
            ot_take_send_bits(p->ot, words, words + PIECE / 64, m);
        else
            ot_take_recv_bits(p->ot, words, words + PIECE / 64, m);
    }
}

static void transfers(struct bench_party *p)
{
    const size_t n = *(const size_t *)p->context;
    const bool sends = p->party == PARTY_SERVER;
    uint64_t *words = bench_alloc(2 * PIECE / 64, sizeof *words);
    for (int s = -1; s < p->bench->samples; s++) { /* the first touches all memory */
        const double start = limits_now();
        MUST(ot_reserve(p->ot, 1, sends ? n : 0, sends ? 0 : n));
        const double middle = limits_now();
        take_bits(p, words, n);
        const double end = limits_now();
        if (s < 0)
            continue;
        p->sample[EXTEND][s] = middle - start;
        p->sample[HASH][s] = end - middle;
        p->sample[BOTH][s] = end - start;
    }
    free(words);
}

static void bench_transfers(struct bench *b, unsigned k_ss)
{
    static const char *const names[] = {"extend", "hash to bits", "random OT"};
    struct bench_party pair[2];
    size_t n = (size_t)1 << 20;
    bench_pair(b, pair, k_ss, transfers, &n);
    for (int i = 0; i < 2; i++) {
        const bool sends = i == PARTY_SERVER;
        const double hash = sends ? 2 : 1, all = bench_ot_aes(k_ss, sends);
        const double work[] = {all - hash, hash, all};
        for (int part = 0; part < 3; part++) {
            struct bench_row row = {.group = "ot",
                                    .name = names[part],
                                    .table = sends ? "sender" : "receiver",
                                    .level = b->best,
                                    .unit = "transfer",
                                    .elements = (double)n,
                                    .kind = BENCH_AES,
                                    .work = work[part] * (double)n};
            snprintf(row.size, sizeof row.size, "k_ss=%u", k_ss);
            bench_pair_row(b, &pair[i], part, &row);
        }
    }
}

int main(int argc, char **argv)
{
    struct bench b;
    bench_begin(&b, "protocol", argc, argv);
    if (!b.long_form)
        b.samples = 5;
    MUST(secret_init());
    for (unsigned k_ss = 2; k_ss <= 8; k_ss *= 2)
        bench_transfers(&b, k_ss);
    bench_relu(&b);
    bench_linear(&b);
    bench_image(&b);
    bench_end(&b);
    return 0;
}
