/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of ring (one 41-bit prime) and ckks. Limits: three multiplications for each butterfly of
 * a transform, four for a pointwise product. */
#include <stdlib.h>

#include "bench_micro.h"
#include "ckks/ckks.h"
#include "ckks/ckks_kernels.h"
#include "ring/ring.h"
#include "ring/ring_kernels.h"

#define Q1 ((UINT64_C(1) << 41) - (UINT64_C(1) << 16) + 1)
#define COLUMNS 845

static struct bench_row row_of(const char *group, const char *table, enum limits_level level,
                               const char *name, size_t n, double work, double bytes)
{
    struct bench_row row = {.group = group,
                            .name = name,
                            .table = table,
                            .level = level,
                            .unit = "coefficient",
                            .elements = (double)n,
                            .kind = work > 0 ? BENCH_MULTIPLY_ADDS : BENCH_BYTES,
                            .work = work,
                            .bytes = bytes};
    snprintf(row.size, sizeof row.size, "N=%zu", n);
    return row;
}

struct polynomials {
    uint64_t *x, *y, *z;
    int8_t *small;
    uint8_t *random;
};

static void bench_products(struct bench *b, const struct ring_kernels *k, enum limits_level level,
                           const struct ring *ring, struct polynomials *m)
{
    const struct ring_prime *prime = &ring->prime[0];
    const size_t n = ring->n;
    const double words = (double)n, butterflies = words / 2 * ring->log_n;
    struct bench_row row = row_of("ring", k->name, level, "ntt", n, 3 * butterflies, 16 * words);
    BENCH(b, &row, k->ntt(prime, m->x));
    row.name = "intt";
    BENCH(b, &row, k->intt(prime, m->x));
    row = row_of("ring", k->name, level, "mul", n, 4 * words, 24 * words);
    BENCH(b, &row, k->mul(prime, m->z, m->x, m->y, n));
    row = row_of("ring", k->name, level, "mul_add", n, 4 * words, 32 * words);
    BENCH(b, &row, k->mul_add(prime, m->z, m->x, m->y, n));
}

static void bench_samplers(struct bench *b, const struct ring_kernels *k, enum limits_level level,
                           const struct ring *ring, struct polynomials *m)
{
    const struct ring_prime *prime = &ring->prime[0];
    const size_t n = ring->n, random_bytes = RING_NOISE_BYTES(n) + 1024;
    const double words = (double)n;
    struct bench_row row = row_of("ring", k->name, level, "from_small", n, 0, 9 * words);
    BENCH(b, &row, k->from_small(prime, m->z, m->small, n));
    row = row_of("ring", k->name, level, "add_small", n, 0, 17 * words);
    BENCH(b, &row, k->add_small(prime, m->z, m->small, n));
    row = row_of("ring", k->name, level, "sample_ternary", n, 0, 1.5 * words);
    BENCH(b, &row, k->sample_ternary(m->small, m->random, n));
    row = row_of("ring", k->name, level, "sample_noise", n, 0, 7 * words);
    BENCH(b, &row, k->sample_noise(m->small, m->random, n));
    row = row_of("ring", k->name, level, "take_below", n, 0, (8 + 41 / 8.0) * words);
    volatile size_t taken;
    BENCH(b, &row, taken = k->take_below(&prime->mod, m->z, m->random, random_bytes, 3, n));
    (void)taken;
}

static void bench_ring(struct bench *b, const struct ring_kernels *k, enum limits_level level,
                       unsigned log_n)
{
    const uint64_t q = Q1;
    struct ring *ring;
    MUST(ring_new_with(&ring, log_n, &q, 1, k));
    const size_t n = ring->n, random_bytes = RING_NOISE_BYTES(n) + 1024;
    struct polynomials m = {bench_alloc(n, 8), bench_alloc(n, 8), bench_alloc(n, 8),
                            bench_alloc(n, 1), bench_alloc(random_bytes, 1)};
    bench_fill(m.random, random_bytes);
    bench_fill(m.x, 8 * n);
    for (size_t i = 0; i < n; i++)
        m.x[i] = m.y[i] = m.x[i] % q;
    bench_products(b, k, level, ring, &m);
    bench_samplers(b, k, level, ring, &m);
    free(m.x);
    free(m.y);
    free(m.z);
    free(m.small);
    free(m.random);
    ring_free(ring);
}

/* A tile of a dense layer with 845 inputs, of the width that the table asks for. */
static void bench_tile(struct bench *b, const struct ckks_kernels *k, enum limits_level level,
                       const struct ring *ring)
{
    const size_t rows = k->tile_rows, n = ring->n;
    const size_t width = k->tile_width < n ? k->tile_width : n;
    const double products = (double)(rows * COLUMNS * width);
    uint64_t *in = bench_alloc(COLUMNS * n, 8), *out = bench_alloc(rows * n, 8);
    int16_t *weights = bench_alloc(rows * COLUMNS, sizeof *weights);
    uint32_t *index = bench_alloc(COLUMNS, sizeof *index);
    for (size_t i = 0; i < COLUMNS * n; i++)
        in[i] = i * UINT64_C(0x9e3779b97f4a7c15) % Q1;
    for (size_t i = 0; i < rows * COLUMNS; i++)
        weights[i] = (int16_t)((int)(i * 2654435761U >> 22 & 2047) - 1023);
    for (uint32_t i = 0; i < COLUMNS; i++)
        index[i] = i;
    struct bench_row row = row_of("ckks", k->name, level, "matrix_tile", 0, products,
                                  8 * (double)((COLUMNS + rows) * width));
    row.elements = products;
    row.unit = "multiply-add";
    snprintf(row.size, sizeof row.size, "%zux%dx%zu", rows, COLUMNS, width);
    BENCH(b, &row,
          k->matrix_tile(&ring->prime[0].mod, out, n, in, n, index, weights, rows, COLUMNS, width));
    free(in);
    free(out);
    free(weights);
    free(index);
}

static void bench_ckks(struct bench *b, const struct ckks_kernels *k, enum limits_level level)
{
    static const struct {
        const char *name;
        unsigned log_n, primes;
    } shapes[] = {{"1 prime", 11, 1}, {"2 primes", 12, 2}};
    for (int i = 0; i < 2; i++) {
        const struct ckks_params *params = ckks_params(shapes[i].primes);
        struct ring *ring;
        MUST(ring_new(&ring, shapes[i].log_n, params->q, params->primes));
        const size_t n = ring->n, primes = params->primes;
        uint64_t *c = bench_alloc(primes * n, 8), *x = bench_alloc(n, 8);
        if (i == 0)
            bench_tile(b, k, level, ring);
        const double words = (double)(primes * n);
        struct bench_row row =
            row_of("ckks", k->name, level, "encode_add", n, 0, 8 * ((double)n + 2 * words));
        snprintf(row.size, sizeof row.size, "N=%zu, %zu p", n, primes);
        BENCH(b, &row, k->encode_add(&ring->rns, c, n, x, 24, n));
        row.name = "switch_bits";
        row.bytes = 8 * ((double)n + words);
        BENCH(b, &row, k->switch_bits(&ring->rns, x, c, n, 26, n));
        free(c);
        free(x);
        ring_free(ring);
    }
}

void bench_micro_ring(struct bench *b)
{
    const struct ring_kernels *ring[] = {ring_kernels_portable(), ring_kernels_avx2(),
                                         ring_kernels_avx512()};
    const struct ckks_kernels *ckks[] = {ckks_kernels_portable(), ckks_kernels_avx2(),
                                         ckks_kernels_avx512()};
    for (unsigned log_n = 11; log_n <= 12; log_n++)
        for (int i = 0; i < 3; i++)
            if (ring[i] != NULL)
                bench_ring(b, ring[i], (enum limits_level)i, log_n);
    for (int i = 0; i < 3; i++)
        if (ckks[i] != NULL)
            bench_ckks(b, ckks[i], (enum limits_level)i);
}
