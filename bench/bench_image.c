/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear steps in the layout image: the three of a small network (a convolution of 784 values to
 * 845, then 845 x 100 and 100 x 10) for one image and for several, each stage at its party, and what
 * they come to by image when the socket and everything between linear steps cost nothing. */
#include <stdlib.h>
#include <string.h>

#include "bench_protocol.h"
#include "ckks/ckks.h"

enum { L = 24, K = 14, MOST_IMAGES = 16 };

static const struct shape {
    const char *name;
    unsigned set;
    size_t in, out, products, results; /* of an image; every product has its polynomial */
} shapes[] = {
    {"conv 1:3", CKKS_S1, 1, 3, 3, 845},
    {"dense 5:9", CKKS_S1, 5, 9, 45, 100},
    {"dense 1:1", CKKS_S2, 1, 1, 1, 10},
};

struct image_bench {
    struct bench *bench;
    const struct shape *shape;
    const struct ckks_params *params;
    size_t images, in, out, results; /* of all images */
    struct ckks *ck;
    struct ckks_secret *s;
    struct ckks_public_key *pk;
    struct prg *g;
    struct xof *stream;
    struct arena *arena;
    struct ckks_image *image;
    struct ckks_places places;
    uint32_t first[16];
    uint16_t coefficient[1024];
    uint64_t *x, *c0, *c1, *c1s, *bu, *c0s, *r, *bias;
    uint8_t *body;
    double seconds[2]; /* client, server */
};

static void begin(struct image_bench *a, struct bench *b, const struct shape *shape, size_t images)
{
    uint8_t h0[32] = {1};
    memset(a, 0, sizeof *a);
    a->bench = b;
    a->shape = shape;
    a->params = ckks_params(shape->set);
    a->images = images;
    a->in = images * shape->in;
    a->out = images * shape->out;
    a->results = images * shape->results;
    const size_t n = a->params->n, words = n * a->params->primes;
    MUST(ckks_new(&a->ck, a->params));
    MUST(prg_new(&a->g));
    MUST(arena_new(&a->arena, ckks_scratch_bytes(a->params)));
    a->body = bench_alloc(a->in * words + a->out * n, 8);
    MUST(ckks_secret_new(&a->s, a->ck, h0, a->g, a->body));
    MUST(ckks_public_key_new(&a->pk, a->ck, h0, a->body));
    MUST(ckks_c1_stream(&a->stream, a->ck, h0));
    MUST(ckks_image_new(&a->image, a->ck, shape->in, shape->out, shape->products, shape->products));
    for (uint32_t i = 0; i < shape->products; i++)
        a->image->products[i] = (struct ckks_product){i % (uint32_t)shape->in, i};
    for (uint32_t ct = 0; ct <= shape->out; ct++) {
        a->image->first[ct] = ct * shape->in;
        a->first[ct] = (uint32_t)(ct * shape->results / shape->out);
    }
    for (uint32_t ct = 0; ct < shape->out; ct++)
        for (uint32_t i = a->first[ct]; i < a->first[ct + 1]; i++)
            a->coefficient[i] = (uint16_t)(7 * (i - a->first[ct]));
    a->places = (struct ckks_places){shape->out, a->first, a->coefficient};
    a->x = bench_alloc(a->in * n, 8);
    a->c0 = bench_alloc(a->in * words, 8);
    a->c1 = bench_alloc(a->in * words, 8);
    a->c1s = bench_alloc(a->out * n, 8);
    a->bu = bench_alloc(a->out * words, 8);
    a->c0s = bench_alloc(a->results, 8);
    a->r = bench_alloc(a->results, 8);
    a->bias = bench_alloc(shape->results, 8);
}

static void end(struct image_bench *a)
{
    void *all[] = {a->x, a->c0, a->c1, a->c1s, a->bu, a->c0s, a->r, a->bias, a->body};
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    ckks_image_free(a->image);
    xof_free(a->stream);
    ckks_public_key_free(a->pk);
    ckks_secret_free(a->s);
    arena_free(a->arena);
    prg_free(a->g);
    ckks_free(a->ck);
}

/* Bytes read and written, multiply-adds of transforms and products, of all images. */
#define STAGE(a, party, text, moved, multiply_adds, statement)                                     \
    do {                                                                                           \
        struct bench_row row = {.group = "image",                                                  \
                                .name = (text),                                                    \
                                .table = (party) ? "server" : "client",                            \
                                .level = (a)->bench->best,                                         \
                                .unit = "image",                                                   \
                                .elements = (double)(a)->images,                                   \
                                .kind = BENCH_MULTIPLY_ADDS,                                       \
                                .work = (multiply_adds),                                           \
                                .bytes = (moved)};                                                 \
        snprintf(row.size, sizeof row.size, "%s, %zu", (a)->shape->name, (a)->images);             \
        BENCH((a)->bench, &row, statement);                                                        \
        (a)->seconds[party] += (a)->bench->sample[(a)->bench->samples / 2] / (double)(a)->images;  \
    } while (0)

static void stages(struct image_bench *a)
{
    const struct ckks_params *p = a->params;
    const size_t n = p->n;
    const double words = (double)(n * p->primes), in = (double)a->in, out = (double)a->out;
    const double full = 8 * words, transform = 1.5 * words * p->log_n;
    const double wire_in = (double)ckks_ct_in_bytes(p, a->in, n);
    const double wire_out = (double)ckks_image_out_bytes(p, K, a->out, a->results);
    const double products = 2 * words * (double)(a->shape->products * a->images);
    const double polys = full * (double)(a->shape->products + a->shape->in * a->images);
    const double one = 8 * (double)n;
    STAGE(a, 0, "encrypt", in * (full + one), in * (transform + 4 * words),
          MUST(ckks_encrypt(a->ck, a->s, a->stream, 0, a->g, a->arena, a->c0, a->x, L, a->in, n)));
    STAGE(a, 0, "ct_in_write", in * full + wire_in, 0,
          ckks_ct_in_write(p, a->body, a->c0, a->in, n));
    STAGE(a, 1, "expand_c1", in * full, 0,
          MUST(ckks_expand_c1(a->ck, a->stream, 0, a->arena, a->c1, a->in)));
    STAGE(a, 1, "answer_c1", polys + out * (full + one), 2 * transform * out + products,
          MUST(ckks_image_answer_c1(a->ck, a->pk, a->g, a->arena, a->image, a->c1s, a->bu, a->c1, K,
                                    0, a->out)));
    STAGE(a, 1, "ct_in_read", in * full + wire_in, 0,
          MUST(ckks_ct_in_read(p, a->c0, a->body, a->in, n)));
    STAGE(a, 1, "add_plain, ntt", in * (2 * full + one), in * transform, {
        ckks_add_plain(a->ck, a->c0, a->x, L, a->in, n);
        ckks_image_ntt(a->ck, a->c0, a->in);
    });
    STAGE(a, 1, "answer_c0", polys + out * full, transform * out + products,
          MUST(ckks_image_answer_c0(a->ck, a->arena, a->image, &a->places, a->c0s, a->c0, a->bu,
                                    a->bias, a->r, L, K, 0, a->out)));
    STAGE(a, 1, "ct_out_write", out * one + wire_out, 0,
          ckks_image_out_write(p, a->body, a->c1s, a->c0s, K, a->out, a->results));
    STAGE(a, 0, "ct_out_read", out * one + wire_out, 0,
          MUST(ckks_image_out_read(p, a->c1s, a->c0s, a->body, K, a->out, a->results)));
    STAGE(a, 0, "decode", out * one, out / p->primes * (2 * transform + 4 * words),
          MUST(ckks_image_decode(a->ck, a->s, a->arena, &a->places, a->c0s, a->c1s, a->c0s, K, 0,
                                 a->out)));
}

void bench_image(struct bench *b)
{
    for (size_t images = 1; images <= MOST_IMAGES; images *= MOST_IMAGES) {
        double client = 0, server = 0;
        for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            struct image_bench a;
            begin(&a, b, &shapes[i], images);
            stages(&a);
            client += a.seconds[0];
            server += a.seconds[1];
            end(&a);
        }
        printf("linear steps of the network alone, layout image, %zu at a time: client %.0f us, "
               "server %.0f us by image\n",
               images, 1e6 * client, 1e6 * server);
        if (b->save)
            fprintf(b->save,
                    "{\"level\": \"protocol\", \"group\": \"image\", \"name\": \"network\", "
                    "\"images\": %zu, \"client_us\": %.6g, \"server_us\": %.6g}\n",
                    images, 1e6 * client, 1e6 * server);
    }
}
