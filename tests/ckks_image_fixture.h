/* SPDX-License-Identifier: Apache-2.0
 *
 * One linear step of the layout image through the wire formats, both parties in one place, and its
 * exact result by the schoolbook. Every pair of an output and an input ciphertext has a polynomial. */
#ifndef TESTS_CKKS_IMAGE_FIXTURE_H
#define TESTS_CKKS_IMAGE_FIXTURE_H

#include "ckks_fixture.h"

struct image_run {
    size_t images, in_cts, out_cts, used; /* used: results of an image */
    unsigned l, k;
    int32_t *weights;              /* [out_cts][in_cts][N] */
    uint64_t *client_x, *server_x; /* [images*in_cts][N], shares mod 2^l */
    uint64_t *bias;                /* [used] */
    uint64_t *r, *y;               /* [images*used] */
    uint32_t *first;               /* [out_cts + 1] */
    uint16_t *coefficient;         /* [used] */
    struct ckks_places places;
    uint8_t *ct_in, *ct_out;
    size_t ct_in_bytes, ct_out_bytes;
    uint64_t *c1s; /* [images*out_cts][N] */
};

/* Everything zero; results at coefficients offset, offset + stride, ... of every ciphertext. */
static inline void image_run_init(struct image_run *s, const struct fixture *f, size_t images,
                                  size_t in_cts, size_t out_cts, size_t offset, size_t stride,
                                  unsigned l, unsigned k)
{
    const size_t n = f->params->n, per = (n - offset + stride - 1) / stride;
    memset(s, 0, sizeof *s);
    s->images = images;
    s->in_cts = in_cts;
    s->out_cts = out_cts;
    s->used = out_cts * per;
    s->l = l;
    s->k = k;
    s->weights = fixture_alloc(out_cts * in_cts * n, sizeof(int32_t));
    s->client_x = fixture_alloc(images * in_cts * n, sizeof(uint64_t));
    s->server_x = fixture_alloc(images * in_cts * n, sizeof(uint64_t));
    s->bias = fixture_alloc(s->used, sizeof(uint64_t));
    s->r = fixture_alloc(images * s->used, sizeof(uint64_t));
    s->y = fixture_alloc(images * s->used, sizeof(uint64_t));
    s->first = fixture_alloc(out_cts + 1, sizeof(uint32_t));
    s->coefficient = fixture_alloc(s->used, sizeof(uint16_t));
    for (size_t i = 0; i < s->used; i++)
        s->coefficient[i] = (uint16_t)(offset + i % per * stride);
    for (size_t ct = 0; ct <= out_cts; ct++)
        s->first[ct] = (uint32_t)(ct * per);
    s->places = (struct ckks_places){out_cts, s->first, s->coefficient};
    s->ct_in_bytes = ckks_ct_in_bytes(f->params, images * in_cts, n);
    s->ct_out_bytes = ckks_image_out_bytes(f->params, k, images * out_cts, images * s->used);
    s->ct_in = fixture_alloc(s->ct_in_bytes, 1);
    s->ct_out = fixture_alloc(s->ct_out_bytes, 1);
    s->c1s = fixture_alloc(images * out_cts * n, sizeof(uint64_t));
}

static inline void image_run_wipe(struct image_run *s)
{
    void *all[] = {s->weights, s->client_x, s->server_x,    s->bias, s->r,     s->y,
                   s->first,   s->ct_in,    s->coefficient, s->c1s,  s->ct_out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(s, 0, sizeof *s);
}

static inline void image_run_masks(struct image_run *s, struct fixture *f)
{
    for (size_t i = 0; i < s->images * s->used; i++)
        s->r[i] = fixture_draw(f, s->k);
}

static inline struct ckks_image *image_run_weights(const struct image_run *s,
                                                   const struct fixture *f)
{
    const size_t products = s->in_cts * s->out_cts, n = f->params->n;
    struct ckks_image *image;
    assert_int_equal(ckks_image_new(&image, f->ck, s->in_cts, s->out_cts, products, products),
                     MP2ML_OK);
    for (uint32_t i = 0; i < products; i++) {
        image->products[i] = (struct ckks_product){i % (uint32_t)s->in_cts, i};
        ckks_image_set(image, f->ck, i, s->weights + i * n);
    }
    for (size_t ct = 0; ct <= s->out_cts; ct++)
        image->first[ct] = ct * s->in_cts;
    return image;
}

/* The answers c0s of rows first, first + 1, ... again, from b*u at the places in use: the same. */
static inline void image_run_picked(const struct image_run *s, struct fixture *f,
                                    const struct ckks_image *image, const uint64_t *c0s,
                                    const uint64_t *in, uint64_t *bu, size_t first, size_t rows)
{
    const size_t before = ckks_places_before(&s->places, first);
    const size_t used = ckks_places_before(&s->places, first + rows) - before;
    uint64_t *picked = fixture_alloc(used * f->params->primes, sizeof(uint64_t));
    uint64_t *same = fixture_alloc(used, sizeof(uint64_t));
    ckks_image_pick(f->ck, &s->places, picked, bu, first, rows);
    assert_int_equal(ckks_image_answer_picked(f->ck, f->arena, image, &s->places, same, in, picked,
                                              s->bias, s->r + before, s->l, s->k, first, rows),
                     MP2ML_OK);
    assert_memory_equal(same, c0s, used * sizeof *same);
    free(picked);
    free(same);
}

/* The server's half: bodies in, bodies out, in two frames where there are rows for it. */
static inline void image_run_server(struct image_run *s, struct fixture *f, const uint64_t *c1)
{
    const struct ckks_params *params = f->params;
    const size_t n = params->n, words = n * params->primes;
    const size_t in = s->images * s->in_cts, out = s->images * s->out_cts;
    uint64_t *x = fixture_alloc(in * words, sizeof(uint64_t));
    uint64_t *bu = fixture_alloc(out * words, sizeof(uint64_t));
    uint64_t *c0s = fixture_alloc(s->images * s->used, sizeof(uint64_t));
    struct ckks_image *image = image_run_weights(s, f);
    assert_int_equal(ckks_expand_c1(f->ck, f->server_stream, f->counter, f->arena, x, in),
                     MP2ML_OK);
    if (c1 != NULL)
        memcpy(x, c1, in * words * sizeof *x);
    assert_int_equal(
        ckks_image_answer_c1(f->ck, f->pk, f->g, f->arena, image, s->c1s, bu, x, s->k, 0, out),
        MP2ML_OK);
    assert_int_equal(ckks_ct_in_read(params, x, s->ct_in, in, n), MP2ML_OK);
    ckks_add_plain(f->ck, x, s->server_x, s->l, in, n);
    ckks_image_ntt(f->ck, x, in);
    const size_t half = out / 2, before = ckks_places_before(&s->places, half);
    for (size_t part = 0; part < 2; part++) {
        const size_t first = part * half, rows = part != 0 ? out - half : half;
        const size_t from = part * before;
        assert_int_equal(ckks_image_answer_c0(f->ck, f->arena, image, &s->places, c0s + from, x,
                                              bu + first * words, s->bias, s->r + from, s->l, s->k,
                                              first, rows),
                         MP2ML_OK);
        image_run_picked(s, f, image, c0s + from, x, bu + first * words, first, rows);
    }
    ckks_image_out_write(params, s->ct_out, s->c1s, c0s, s->k, out, s->images * s->used);
    ckks_image_free(image);
    free(x);
    free(bu);
    free(c0s);
}

/* Client -> server -> client. `c1`, where not NULL, takes the place of the expanded stream:
 * [images*in_cts][primes][N], NTT domain. */
static inline void image_run_step(struct image_run *s, struct fixture *f, const uint64_t *c1)
{
    const struct ckks_params *params = f->params;
    const size_t n = params->n, in = s->images * s->in_cts, out = s->images * s->out_cts;
    const size_t results = s->images * s->used, half = out / 2;
    uint64_t *c0 = fixture_alloc(in * n * params->primes, sizeof(uint64_t));
    assert_int_equal(ckks_encrypt(f->ck, f->s, f->client_stream, f->counter, f->g, f->arena, c0,
                                  s->client_x, s->l, in, n),
                     MP2ML_OK);
    ckks_ct_in_write(params, s->ct_in, c0, in, n);
    image_run_server(s, f, c1);
    memset(s->c1s, 0, out * n * sizeof *s->c1s);
    assert_int_equal(ckks_image_out_read(params, s->c1s, s->y, s->ct_out, s->k, out, results),
                     MP2ML_OK);
    const size_t before = ckks_places_before(&s->places, half);
    for (size_t part = 0; part < 2; part++) {
        const size_t first = part * half, rows = part != 0 ? out - half : half;
        uint64_t *y = s->y + part * before;
        assert_int_equal(ckks_image_decode(f->ck, f->s, f->arena, &s->places, y, s->c1s + first * n,
                                           y, s->k, first, rows),
                         MP2ML_OK);
    }
    f->counter += in;
    free(c0);
}

/* sums[N] = sum over inputs of w*x mod (X^N + 1, 2^64) of a row, without bias. */
static inline void image_run_sums(const struct image_run *s, const struct fixture *f,
                                  uint64_t *sums, size_t row)
{
    const size_t n = f->params->n, image = row / s->out_cts, ct = row % s->out_cts;
    memset(sums, 0, n * sizeof *sums);
    for (size_t i = 0; i < s->in_cts; i++) {
        const uint64_t *x = s->client_x + (image * s->in_cts + i) * n;
        const uint64_t *z = s->server_x + (image * s->in_cts + i) * n;
        for (size_t j = 0; j < n; j++) {
            const uint64_t w = (uint64_t)(int64_t)s->weights[(ct * s->in_cts + i) * n + j];
            if (w == 0)
                continue;
            for (size_t b = 0; b < n - j; b++)
                sums[j + b] += w * (x[b] + z[b]);
            for (size_t b = n - j; b < n; b++)
                sums[j + b - n] -= w * (x[b] + z[b]);
        }
    }
}

#endif
