/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear steps: each stage by ciphertext, then the matrix products of a small network (a
 * convolution of 169 windows with 5 outputs and up to 25 inputs each, then 845 x 100 and 100 x 10),
 * and what all of it comes to by image when the socket and everything between linear steps cost
 * nothing. */
#include <stdlib.h>

#include "bench_protocol.h"
#include "ckks/ckks.h"

enum { COUNT = 32, L = 24, K = 14 };
enum { INPUTS = 784, HIDDEN = 845, DENSE = 100, LABELS = 10 };
enum stage {
    ENCRYPT,
    IN_WRITE,
    IN_READ,
    ADD_PLAIN,
    EXPAND,
    ANSWER_C1,
    ANSWER_C0,
    OUT_WRITE,
    OUT_READ,
    DECODE
};

struct linear_bench {
    struct bench *bench;
    const struct ckks_params *params;
    struct ckks *ck;
    struct ckks_secret *s;
    struct ckks_public_key *pk;
    struct prg *g;
    struct xof *stream;
    struct arena *arena;
    double stage[DECODE + 1]; /* seconds a ciphertext */
    double products; /* seconds of all products on one half of the ciphertexts of a full batch */
};

static double median(const struct bench *b)
{
    return b->sample[b->samples / 2]; /* in order after bench_row_print */
}

static void begin(struct linear_bench *a, struct bench *b, unsigned set)
{
    uint8_t h0[32] = {1};
    a->bench = b;
    a->params = ckks_params(set);
    MUST(ckks_new(&a->ck, a->params));
    MUST(prg_new(&a->g));
    MUST(arena_new(&a->arena, ckks_scratch_bytes(a->params)));
    uint8_t *wire = bench_alloc(ckks_public_key_bytes(a->params), 1);
    MUST(ckks_secret_new(&a->s, a->ck, h0, a->g, wire));
    MUST(ckks_public_key_new(&a->pk, a->ck, h0, wire));
    MUST(ckks_c1_stream(&a->stream, a->ck, h0));
    free(wire);
}

static void end(struct linear_bench *a)
{
    xof_free(a->stream);
    ckks_public_key_free(a->pk);
    ckks_secret_free(a->s);
    arena_free(a->arena);
    prg_free(a->g);
    ckks_free(a->ck);
}

/* ---- stages -------------------------------------------------------------------------------- */

/* Of a ciphertext: bytes read and written, multiply-adds of its transforms and products. */
#define STAGE(a, row, what, text, moved, products, statement)                                      \
    do {                                                                                           \
        (row).name = (text);                                                                       \
        (row).bytes = COUNT * (moved);                                                             \
        (row).work = COUNT * (products);                                                           \
        BENCH((a)->bench, &(row), statement);                                                      \
        (a)->stage[what] = median((a)->bench) / COUNT;                                             \
    } while (0)

struct stage_data {
    size_t used;
    uint64_t *x, *c0, *c1, *c1s, *c0s, *r, *bu;
    uint8_t *in, *out;
    double full, part, wire_in, wire_out; /* bytes of a ciphertext */
    double transform, product;            /* multiply-adds of one of all primes */
};

static void stages_in(struct linear_bench *a, struct bench_row row, struct stage_data *d)
{
    const struct ckks_params *params = a->params;
    const size_t used = d->used;
    const double part = d->part;
    row.table = "client";
    STAGE(
        a, row, ENCRYPT, "encrypt", d->full + part, d->transform + d->product,
        MUST(ckks_encrypt(a->ck, a->s, a->stream, 0, a->g, a->arena, d->c0, d->x, L, COUNT, used)));
    STAGE(a, row, IN_WRITE, "ct_in_write", part + d->wire_in, 0,
          ckks_ct_in_write(params, d->in, d->c0, COUNT, used));
    row.table = "server";
    STAGE(a, row, IN_READ, "ct_in_read", part + d->wire_in, 0,
          MUST(ckks_ct_in_read(params, d->c0, d->in, COUNT, used)));
    STAGE(a, row, ADD_PLAIN, "add_plain", 2 * part, 0,
          ckks_add_plain(a->ck, d->c0, d->x, L, COUNT, used));
    STAGE(a, row, EXPAND, "expand_c1", d->full, 0,
          MUST(ckks_expand_c1(a->ck, a->stream, 0, a->arena, d->c1, COUNT)));
}

static void stages_out(struct linear_bench *a, struct bench_row row, struct stage_data *d)
{
    const struct ckks_params *params = a->params;
    const size_t used = d->used;
    const double share = 8 * (double)used, first = 1 / (double)params->primes;
    const double read = d->full * first + share, moved = read + d->wire_out;
    uint64_t bias[COUNT] = {0};
    row.table = "server";
    STAGE(a, row, ANSWER_C1, "answer_c1", 2 * d->full + d->part, 3 * d->transform + 2 * d->product,
          MUST(ckks_answer_c1(a->ck, a->pk, a->g, a->arena, d->c1s, d->bu, d->c1, K, COUNT, used)));
    STAGE(a, row, ANSWER_C0, "answer_c0", 2 * d->part + 2 * share, 0,
          ckks_answer_c0(a->ck, d->c0s, d->c0, d->bu, bias, d->r, L, K, COUNT, used));
    STAGE(a, row, OUT_WRITE, "ct_out_write", moved, 0,
          ckks_ct_out_write(params, d->out, d->c1s, d->c0s, K, COUNT, used));
    row.table = "client";
    STAGE(a, row, OUT_READ, "ct_out_read", moved, 0,
          MUST(ckks_ct_out_read(params, d->c1s, d->c0s, d->out, K, COUNT, used)));
    STAGE(a, row, DECODE, "decode", read, first * (2 * d->transform + d->product),
          MUST(ckks_decode(a->ck, a->s, a->arena, d->c0s, d->c1s, d->c0s, K, COUNT, used)));
}

static void bench_stages(struct linear_bench *a, size_t used)
{
    const struct ckks_params *params = a->params;
    const size_t words = params->primes * params->n;
    struct stage_data d = {
        .used = used,
        .x = bench_alloc(COUNT * used, 8),
        .c0 = bench_alloc(COUNT * used, 16),
        .c1 = bench_alloc(COUNT * words, 8),
        .c1s = bench_alloc(COUNT * params->n, 8),
        .c0s = bench_alloc(COUNT * used, 8),
        .r = bench_alloc(COUNT * used, 8),
        .bu = bench_alloc(COUNT * used, 16),
        .in = bench_alloc(ckks_ct_in_bytes(params, COUNT, used), 1),
        .out = bench_alloc(ckks_ct_out_bytes(params, K, COUNT, used), 1),
        .full = 8 * (double)words,
        .part = 8 * (double)(used * params->primes),
        .wire_in = (double)ckks_ct_in_bytes(params, 1, used),
        .wire_out = (double)ckks_ct_out_bytes(params, K, 1, used),
        .transform = 1.5 * (double)words * params->log_n,
        .product = 4 * (double)words,
    };
    struct bench_row row = {.group = "linear",
                            .level = a->bench->best,
                            .unit = "ciphertext",
                            .elements = COUNT,
                            .kind = BENCH_MULTIPLY_ADDS};
    snprintf(row.size, sizeof row.size, "%s, %zu", params->name, used);
    MUST(prg_fill(a->g, d.x, COUNT * used * 8));
    stages_in(a, row, &d);
    stages_out(a, row, &d);
    void *all[] = {d.x, d.c0, d.c1, d.c1s, d.c0s, d.r, d.bu, d.in, d.out};
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

/* ---- products ------------------------------------------------------------------------------ */

struct product {
    const struct ckks *ck;
    uint64_t *in, *out;
    int16_t *weights;
    uint32_t index[HIDDEN];
    size_t width;
};

/* Windows at two edges have 20 inputs, in the corner 16: 20,480 weights in all. */
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

/* Returns the seconds of all three. */
static double bench_products(struct linear_bench *a, size_t width, const char *size)
{
    static const struct {
        const char *name;
        double weights;
        size_t rows, cols;
    } layers[] = {{"conv 169x5x25", 20480, 0, 0},
                  {"dense 845x100", HIDDEN * DENSE, DENSE, HIDDEN},
                  {"dense 100x10", DENSE * LABELS, LABELS, DENSE}};
    const size_t words = a->params->primes * width;
    struct product p = {.ck = a->ck, .width = width};
    p.in = bench_alloc(HIDDEN * words, 8);
    p.out = bench_alloc(DENSE * words, 8);
    p.weights = bench_alloc(HIDDEN * DENSE, sizeof *p.weights);
    for (size_t i = 0; i < HIDDEN * words; i++)
        p.in[i] = i * UINT64_C(0x9e3779b97f4a7c15) % a->params->q[0];
    for (uint32_t i = 0; i < HIDDEN * DENSE; i++)
        p.weights[i] = (int16_t)((int)(i * 2654435761U >> 21) - 1023);
    for (uint32_t i = 0; i < HIDDEN; i++)
        p.index[i] = i;
    double sum = 0;
    for (unsigned i = 0; i < 3; i++) {
        const double work = layers[i].weights * (double)words;
        struct bench_row row = {.group = "linear",
                                .name = layers[i].name,
                                .table = "server",
                                .level = a->bench->best,
                                .unit = "multiply-add",
                                .elements = work,
                                .kind = BENCH_MULTIPLY_ADDS,
                                .work = work};
        snprintf(row.size, sizeof row.size, "%s", size);
        if (layers[i].rows == 0)
            BENCH(a->bench, &row, convolution(&p));
        else
            BENCH(a->bench, &row,
                  ckks_matrix_product(p.ck, p.out, p.in, p.index, p.weights, layers[i].rows,
                                      layers[i].cols, p.width));
        sum += median(a->bench);
    }
    free(p.in);
    free(p.out);
    free(p.weights);
    return sum;
}

/* ---- the network --------------------------------------------------------------------------- */

static void print_images(struct linear_bench *a)
{
    const double *s = a->stage;
    const double in = INPUTS + HIDDEN + DENSE, out = HIDDEN + DENSE + LABELS;
    const double images = (double)a->params->n;
    const double client = in * (s[ENCRYPT] + s[IN_WRITE]) + out * (s[OUT_READ] + s[DECODE]);
    const double server = in * (s[IN_READ] + s[ADD_PLAIN] + s[EXPAND]) + 2 * a->products +
                          out * (s[ANSWER_C1] + s[ANSWER_C0] + s[OUT_WRITE]);
    const double peak = a->bench->limits[a->bench->best].multiply_adds;
    const double weights = 20480 + HIDDEN * DENSE + DENSE * LABELS;
    const double least = peak > 0 ? 2 * weights * images * (double)a->params->primes / peak : 0;
    printf(
        "linear steps of the network alone, batch %.0f: client %.0f images/s, server %.0f "
        "images/s of a core; the multiply-adds at their limit are %.0f %% of the server's time\n",
        images, images / client, images / server, 100 * least / server);
    if (a->bench->save)
        fprintf(
            a->bench->save,
            "{\"level\": \"protocol\", \"group\": \"linear\", \"name\": \"network\", \"images\": "
            "%.0f, \"client_images_per_second\": %.6g, \"server_images_per_second\": %.6g, "
            "\"multiply_add_share\": %.6g}\n",
            images, images / client, images / server, least / server);
}

void bench_linear(struct bench *b)
{
    for (unsigned set = 1; set <= 2; set++) {
        struct linear_bench a;
        begin(&a, b, set);
        bench_stages(&a, 1);
        bench_stages(&a, a.params->n);
        if (set == 1) {
            bench_products(&a, 1, "1 image");
            a.products = bench_products(&a, a.params->n, "2048 images");
            print_images(&a);
        }
        end(&a);
    }
}
