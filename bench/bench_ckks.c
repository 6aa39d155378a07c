/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages of linear steps, on one thread unless OMP_NUM_THREADS says otherwise: microseconds a
 * ciphertext, and the matrix products of a small network (a convolution of 169 windows with 5
 * outputs and up to 25 inputs each, then 845 x 100 and 100 x 10) on c1, or on c0 with as many
 * values, against the machine's multiply-adds. */
#ifdef _OPENMP
#include <omp.h>
#endif

#include "bench_tools.h"
#include "ckks/ckks.h"
#include "crypto/secret.h"

#define COUNT 32
#define RUNS 40

struct party {
    const struct ckks_params *params;
    struct ckks *ck;
    struct ckks_secret *s;
    struct ckks_public_key *pk;
    struct prg *g;
    struct xof *stream;
    struct arena *arena;
};

static void must(mp2ml_status status)
{
    if (status != MP2ML_OK) {
        fprintf(stderr, "%s\n", mp2ml_status_text(status));
        exit(1);
    }
}

static void party_init(struct party *a, unsigned set)
{
    uint8_t h0[32] = {1};
    a->params = ckks_params(set);
    must(secret_init());
    must(ckks_new(&a->ck, a->params));
    must(prg_new(&a->g));
    must(arena_new(&a->arena, ckks_scratch_bytes(a->params)));
    uint8_t *wire = bench_alloc(ckks_public_key_bytes(a->params), 1);
    must(ckks_secret_new(&a->s, a->ck, h0, a->g, wire));
    must(ckks_public_key_new(&a->pk, a->ck, h0, wire));
    must(ckks_c1_stream(&a->stream, a->ck, h0));
    free(wire);
}

static void party_wipe(struct party *a)
{
    xof_free(a->stream);
    ckks_public_key_free(a->pk);
    ckks_secret_free(a->s);
    arena_free(a->arena);
    prg_free(a->g);
    ckks_free(a->ck);
}

static void stage(const char *name, double seconds)
{
    printf("  %-20s %8.2f us a ciphertext\n", name, 1e6 * seconds / COUNT);
}

static void bench_stages(struct party *a, unsigned l, unsigned k, size_t used)
{
    const struct ckks_params *params = a->params;
    const size_t words = params->primes * params->n;
    uint64_t *x = bench_alloc(COUNT * used, 8), *c0 = bench_alloc(COUNT * used, 16);
    uint64_t *c1 = bench_alloc(COUNT * words, 8), *c1s = bench_alloc(COUNT * params->n, 8);
    uint64_t *c0s = bench_alloc(COUNT * used, 8), *r = bench_alloc(COUNT * used, 8);
    uint64_t *bu = bench_alloc(COUNT * used, 16);
    uint64_t bias[COUNT] = {0};
    uint8_t *in = bench_alloc(ckks_ct_in_bytes(params, COUNT, used), 1);
    uint8_t *out = bench_alloc(ckks_ct_out_bytes(params, k, COUNT, used), 1);
    double best;
    printf("%s, N = %zu, %zu used, l = %u, k = %u\n", params->name, params->n, used, l, k);
    must(prg_fill(a->g, x, COUNT * used * 8));
    BENCH_BEST(
        best, RUNS,
        must(ckks_encrypt(a->ck, a->s, a->stream, 0, a->g, a->arena, c0, x, l, COUNT, used)));
    stage("encrypt", best);
    BENCH_BEST(best, RUNS, ckks_ct_in_write(params, in, c0, COUNT, used));
    stage("ct_in_write", best);
    BENCH_BEST(best, RUNS, must(ckks_ct_in_read(params, c0, in, COUNT, used)));
    stage("ct_in_read", best);
    BENCH_BEST(best, RUNS, ckks_add_plain(a->ck, c0, x, l, COUNT, used));
    stage("add_plain", best);
    BENCH_BEST(best, RUNS, must(ckks_expand_c1(a->ck, a->stream, 0, a->arena, c1, COUNT)));
    stage("expand_c1", best);
    BENCH_BEST(best, RUNS,
               must(ckks_answer_c1(a->ck, a->pk, a->g, a->arena, c1s, bu, c1, k, COUNT, used)));
    stage("answer_c1", best);
    BENCH_BEST(best, RUNS, ckks_answer_c0(a->ck, c0s, c0, bu, bias, r, l, k, COUNT, used));
    stage("answer_c0", best);
    BENCH_BEST(best, RUNS, ckks_ct_out_write(params, out, c1s, c0s, k, COUNT, used));
    stage("ct_out_write", best);
    BENCH_BEST(best, RUNS, must(ckks_ct_out_read(params, c1s, c0s, out, k, COUNT, used)));
    stage("ct_out_read", best);
    BENCH_BEST(best, RUNS, must(ckks_decode(a->ck, a->s, a->arena, c0s, c1s, c0s, k, COUNT, used)));
    stage("decode", best);
    uint64_t *all[] = {x, c0, c1, c1s, c0s, r, bu};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
    free(in);
    free(out);
}

/* The three layers (windows at two edges have 20 inputs, in the corner 16) on `width` coefficients
 * of 845 inputs (the convolution's 784 among them). */
struct product {
    const struct ckks *ck;
    uint64_t *in, *out;
    int16_t *weights;
    uint32_t index[845];
    size_t width;
};

static void convolution(struct product *p)
{
    for (uint32_t y = 0; y < 13; y++)
        for (uint32_t x = 0; x < 13; x++) {
            uint32_t index[25], n = 0;
            for (uint32_t i = 0; i < 25; i++)
                if (2 * y + i / 5 < 28 && 2 * x + i % 5 < 28)
                    index[n++] = (2 * y + i / 5) * 28 + 2 * x + i % 5;
            ckks_matrix_product(p->ck, p->out, p->in, index, p->weights, 5, n, p->width);
        }
}

static void dense(struct product *p, size_t rows, size_t cols)
{
    ckks_matrix_product(p->ck, p->out, p->in, p->index, p->weights, rows, cols, p->width);
}

static void bench_product(struct party *a, size_t width, double peak)
{
    const size_t words = a->params->primes * width;
    struct product p = {.ck = a->ck, .width = width};
    p.in = bench_alloc(845 * words, 8);
    p.out = bench_alloc(100 * words, 8);
    p.weights = bench_alloc(84500, sizeof(int16_t));
    for (size_t i = 0; i < 845 * words; i++)
        p.in[i] = (i * 0x9e3779b97f4a7c15u) % a->params->q[0];
    for (uint32_t i = 0; i < 84500; i++)
        p.weights[i] = (int16_t)((int)(i * 2654435761u >> 22) % 1023);
    for (uint32_t i = 0; i < 845; i++)
        p.index[i] = i;
    const struct {
        const char *name;
        double products;
        size_t rows, cols;
    } layers[] = {{"convolution 169 x 5 x 25", 20480, 0, 0},
                  {"845 x 100", 84500, 100, 845},
                  {"100 x 10", 1000, 10, 100}};
    double sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        double best;
        if (layers[i].rows == 0)
            BENCH_BEST(best, 8, convolution(&p));
        else
            BENCH_BEST(best, 8, dense(&p, layers[i].rows, layers[i].cols));
        const double rate = layers[i].products * (double)words / best;
        printf("  %-26s %8.3f ms  %5.2f G multiply-adds/s", layers[i].name, 1e3 * best, rate / 1e9);
        if (peak > 0)
            printf(" = %2.0f %% of the limit", 100 * rate / peak);
        printf("\n");
        sum += best;
    }
    printf("  %-26s %8.3f ms\n", "all three", 1e3 * sum);
    free(p.in);
    free(p.out);
    free(p.weights);
}

int main(void)
{
#ifdef _OPENMP
    if (getenv("OMP_NUM_THREADS") == NULL)
        omp_set_num_threads(1);
#endif
    const double peak = bench_limits();
    for (unsigned set = 1; set <= 2; set++) {
        struct party a;
        party_init(&a, set);
        bench_stages(&a, 24, 14, a.params->n / set);
        bench_stages(&a, 24, 14, 1);
        if (set == 1)
            for (size_t width = a.params->n; width != 0; width = width > 1 ? 1 : 0) {
                printf("matrix products, %s, width %zu\n", a.params->name, width);
                bench_product(&a, width, peak);
            }
        party_wipe(&a);
    }
    return 0;
}
