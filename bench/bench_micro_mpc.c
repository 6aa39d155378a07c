/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of mpc: k = 14, l = 24, a block that fits the caches. */
#include <stdlib.h>
#include <string.h>

#include "bench_micro.h"
#include "crypto/tccr.h"
#include "mpc/garble_kernels.h"
#include "mpc/mpc_kernels.h"
#include "mpc/relu.h"

enum { N = 4096, WORDS = N / 64, K = 14, L = 24 };

struct values {
    struct block *key[4];
    uint64_t *x, *share, *message[4], *plane[10];
};

static void bench_planes(struct bench *b, const struct mpc_kernels *k, struct bench_row row,
                         struct values *m)
{
    row.name = "slice";
    row.bytes = N * (8 + K / 8.0);
    snprintf(row.size, sizeof row.size, "%d bits", K);
    BENCH(b, &row, k->slice(m->message[0], WORDS, m->x, N, K));
    row.name = "bit";
    row.bytes = N * (8 + 1 / 8.0);
    row.size[0] = '\0';
    BENCH(b, &row, k->bit(m->plane[0], m->x, N, K - 1));
    row.unit = "gate";
    row.name = "and_open";
    row.bytes = N / 8.0 * 6;
    BENCH(b, &row,
          k->and_open(m->plane[0], m->plane[1], m->plane[2], m->plane[3], m->plane[4], m->plane[5],
                      WORDS));
    const uint64_t *const d[2] = {m->plane[1], m->plane[2]}, *const e[2] = {m->plane[3],
                                                                            m->plane[4]};
    const uint64_t *const abc[3] = {m->plane[5], m->plane[6], m->plane[7]};
    row.name = "and_close";
    row.bytes = N / 8.0 * 8;
    BENCH(b, &row, k->and_close(m->plane[0], d, e, abc, UINT64_MAX, WORDS));
}

static void bench_multiplexers(struct bench *b, const struct mpc_kernels *k, struct bench_row row,
                               struct values *m)
{
    const struct mpc_extension e = relu_extension(K, L);
    const struct block *const pair[2] = {m->key[0], m->key[1]};
    const struct mpc_extend_send send = {
        m->share,    {m->message[0], m->message[1], m->message[2], m->message[3]},
        m->key[0],   m->key[1],
        m->key[2],   m->key[3],
        m->plane[0], m->plane[1],
        m->plane[2], m->x,
        m->plane[3], N};
    const struct mpc_extend_recv recv = {
        m->share,
        {m->message[0], m->message[1], m->message[2], m->message[3]},
        m->key[0],
        m->key[1],
        m->plane[0],
        m->plane[1],
        N};
    snprintf(row.size, sizeof row.size, "%d bits", L);
    row.name = "mux_send";
    row.bytes = N * (32 + 24 + 2 / 8.0);
    BENCH(b, &row,
          k->mux_send(m->share, m->message[0], pair, m->plane[0], m->plane[1], m->x, N, 0, L));
    row.name = "mux_recv";
    row.bytes = N * (16 + 24 + 1 / 8.0);
    BENCH(b, &row, k->mux_recv(m->share, m->message[0], m->key[0], m->plane[0], N, 0, L));
    snprintf(row.size, sizeof row.size, "%d->%d bits", K, L);
    row.name = "extend_send";
    row.bytes = N * (64 + 48 + 3 / 8.0);
    BENCH(b, &row, k->extend_send(&send, &e));
    row.name = "extend_recv";
    row.bytes = N * (32 + 48 + 2 / 8.0);
    BENCH(b, &row, k->extend_recv(&recv, &e));
}

/* An AND of 1024 circuits as garble.c does it: hashes and table, labels in the caches. */
enum { LANES = 1024, PART = 128 };

struct gates {
    struct block a[LANES], b[LANES], sum[LANES], table[2 * LANES], hash[4 * PART], offset;
};

static void garble_all(const struct garble_kernels *k, const struct tccr *h, struct gates *g)
{
    const struct garble_hash of_a = {g->hash, g->hash + PART};
    const struct garble_hash of_b = {g->hash + 2 * PART, g->hash + 3 * PART};
    for (unsigned i = 0; i < LANES; i += PART) {
        tccr_hash_pair(h, g->hash, g->hash + PART, g->a + i, &g->offset, i, PART);
        tccr_hash_pair(h, g->hash + 2 * PART, g->hash + 3 * PART, g->b + i, &g->offset, LANES + i,
                       PART);
        k->garble_and(g->sum + i, g->table + i, g->table + LANES + i, g->a + i, g->b + i, &of_a,
                      &of_b, &g->offset, PART);
    }
}

static void evaluate_all(const struct garble_kernels *k, const struct tccr *h, struct gates *g)
{
    const struct garble_hash of_a = {g->hash, NULL}, of_b = {g->hash + 2 * PART, NULL};
    for (unsigned i = 0; i < LANES; i += PART) {
        tccr_hash(h, g->hash, g->a + i, i, PART, 1);
        tccr_hash(h, g->hash + 2 * PART, g->b + i, LANES + i, PART, 1);
        k->evaluate_and(g->sum + i, g->table + i, g->table + LANES + i, g->a + i, g->b + i, &of_a,
                        &of_b, PART);
    }
}

/* With the best hash of this machine, or the one that MP2ML_CPU permits. */
static void bench_gates(struct bench *b)
{
    const struct garble_kernels *k = garble_kernels_pick();
    struct gates *g = bench_alloc(1, sizeof *g);
    struct bench_row row = {.group = "mpc",
                            .table = k->name,
                            .level = b->best,
                            .unit = "gate",
                            .elements = LANES,
                            .kind = BENCH_AES};
    static const uint8_t key[16] = {9};
    struct tccr h;
    tccr_init(&h, key);
    bench_fill(g, sizeof *g);
    row.name = "garble AND";
    row.work = 4.0 * LANES;
    BENCH(b, &row, garble_all(k, &h, g));
    row.name = "evaluate AND";
    row.work = 2.0 * LANES;
    BENCH(b, &row, evaluate_all(k, &h, g));
    free(g);
}

void bench_micro_mpc(struct bench *b)
{
    const struct mpc_kernels *tables[] = {mpc_kernels_portable(), NULL, mpc_kernels_avx512()};
    struct values m;
    for (int i = 0; i < 4; i++) {
        m.key[i] = bench_alloc(N, sizeof *m.key[i]);
        m.message[i] = bench_alloc(N, sizeof *m.message[i]);
        bench_fill(m.key[i], N * sizeof *m.key[i]);
    }
    for (int i = 0; i < 10; i++)
        bench_fill(m.plane[i] = bench_alloc(WORDS, 8), WORDS * 8);
    m.share = bench_alloc(N, 8);
    m.x = bench_alloc(N, 8);
    bench_fill(m.x, N * 8);
    for (size_t i = 0; i < N; i++)
        m.x[i] &= (UINT64_C(1) << K) - 1;
    for (int i = 0; i < 3; i++)
        if (tables[i] != NULL) {
            const struct bench_row row = {.group = "mpc",
                                          .table = tables[i]->name,
                                          .level = (enum limits_level)i,
                                          .unit = "value",
                                          .elements = N};
            bench_planes(b, tables[i], row, &m);
            bench_multiplexers(b, tables[i], row, &m);
        }
    bench_gates(b);
    for (int i = 0; i < 4; i++) {
        free(m.key[i]);
        free(m.message[i]);
    }
    for (int i = 0; i < 10; i++)
        free(m.plane[i]);
    free(m.share);
    free(m.x);
}
