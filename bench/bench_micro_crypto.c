/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of crypto, and the generator and the digest, which are OpenSSL's or have one form.
 * The limit of a hash is its blocks of AES, without the key schedules. */
#include <stdlib.h>

#include "bench_micro.h"
#include "crypto/crypto.h"
#include "crypto/crypto_kernels.h"

enum { N = 1024, STRIDE = 128 };

struct buffers {
    struct block *in, *out0, *out1;
    uint64_t *bits0, *bits1;
    struct block key, offset;
};

static struct bench_row row_of(const struct crypto_kernels *k, enum limits_level level,
                               const char *name, double elements, double aes, double bytes)
{
    return (struct bench_row){.group = "crypto",
                              .name = name,
                              .table = k->name,
                              .level = level,
                              .unit = "block",
                              .elements = elements,
                              .kind = BENCH_AES,
                              .work = aes,
                              .bytes = bytes};
}

static void bench_streams(struct bench *b, const struct crypto_kernels *k, enum limits_level level,
                          struct buffers *m)
{
    struct bench_row row = row_of(k, level, "stream", N, N, 16 * N);
    BENCH(b, &row, k->stream((uint8_t *)m->out0, 16 * N, &m->key, 7));
    for (unsigned bits = 2; bits <= 4; bits += 2) {
        const double blocks = (double)(1U << bits) * STRIDE;
        row = row_of(k, level, "stream_fold", blocks, blocks, 16.0 * STRIDE * (2 * bits + 1));
        snprintf(row.size, sizeof row.size, "%u seeds", 1U << bits);
        BENCH(b, &row, k->stream_fold(m->out0, m->out1, m->in, 7, STRIDE, STRIDE, bits));
    }
}

static void bench_hashes(struct bench *b, const struct crypto_kernels *k, enum limits_level level,
                         struct buffers *m)
{
    for (unsigned per = 1; per <= 4; per *= 2) {
        struct bench_row row = row_of(k, level, "tccr", N, N, 32 * N);
        snprintf(row.size, sizeof row.size, "%u a key", per);
        BENCH(b, &row, k->tccr(m->out0, m->in, &m->key, 5, N / per, per));
    }
    struct bench_row row = row_of(k, level, "tccr_pair", 2 * N, 2 * N, 48 * N);
    BENCH(b, &row, k->tccr_pair(m->out0, m->out1, m->in, &m->offset, &m->key, 5, N));
    row = row_of(k, level, "tccr_bits", 2 * N, 2 * N, 16 * N);
    snprintf(row.size, sizeof row.size, "sender");
    BENCH(b, &row, k->tccr_bits(m->bits0, m->bits1, m->in, &m->offset, &m->key, 5, N));
    row = row_of(k, level, "tccr_bits", N, N, 16 * N);
    snprintf(row.size, sizeof row.size, "receiver");
    BENCH(b, &row, k->tccr_bits(m->bits0, NULL, m->in, NULL, &m->key, 5, N));
    row = row_of(k, level, "gf128_accumulate", N, 0, 32 * N);
    row.kind = BENCH_BYTES;
    struct block acc[2] = {{0, 0}, {0, 0}};
    BENCH(b, &row, k->gf128_accumulate(acc, m->in, m->out0, N));
    if (k->sha256_parts == NULL)
        return;
    row = row_of(k, level, "sha256_parts", N, 0, 16 * N);
    row.kind = BENCH_BYTES;
    BENCH(b, &row, k->sha256_parts((uint8_t *)m->out0, (uint8_t *)m->in, N));
}

static void bench_others(struct bench *b, struct buffers *m)
{
    struct prg *g;
    uint8_t hash[DIGEST_BYTES];
    struct bench_row row = {.group = "crypto",
                            .name = "prg_fill",
                            .table = "OpenSSL",
                            .unit = "byte",
                            .elements = 16 * N,
                            .bytes = 16 * N};
    MUST(prg_new(&g));
    BENCH(b, &row, MUST(prg_fill(g, m->out0, 16 * N)));
    prg_free(g);
    row.name = "digest_once";
    row.table = "-";
    BENCH(b, &row, MUST(digest_once(hash, "bench", m->in, 16 * N)));
}

void bench_micro_crypto(struct bench *b)
{
    const struct crypto_kernels *tables[] = {crypto_kernels_portable(), crypto_kernels_avx2(),
                                             crypto_kernels_avx512()};
    struct buffers m = {.in = bench_alloc(N, 16),
                        .out0 = bench_alloc(N, 16),
                        .out1 = bench_alloc(N, 16),
                        .bits0 = bench_alloc(N / 64, 8),
                        .bits1 = bench_alloc(N / 64, 8),
                        .key = {1, 2},
                        .offset = {3, 4}};
    bench_fill(m.in, N * sizeof *m.in);
    for (int i = 0; i < 3; i++)
        if (tables[i] != NULL) {
            bench_streams(b, tables[i], (enum limits_level)i, &m);
            bench_hashes(b, tables[i], (enum limits_level)i, &m);
        }
    bench_others(b, &m);
    free(m.in);
    free(m.out0);
    free(m.out1);
    free(m.bits0);
    free(m.bits1);
}
