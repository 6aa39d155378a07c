/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout image (docs/protocol.md, "One linear step, image layout"): weights as polynomials,
 * products summed in the NTT domain, where a*u and b*u are added too, so that a row costs one inverse
 * transform for each half. */
#include "ckks/ckks_context.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- weights --------------------------------------------------------------------------------- */

mp2ml_status ckks_image_new(struct ckks_image **out, const struct ckks *ck, size_t in_cts,
                            size_t out_cts, size_t n_polys, size_t n_products)
{
    const size_t bytes = ckks_words(ck->params) * sizeof(uint64_t);
    struct ckks_image *image = (struct ckks_image *)calloc(1, sizeof(*image));
    *out = NULL;
    if (image == NULL)
        return MP2ML_ERR_MEMORY;
    image->in_cts = in_cts;
    image->out_cts = out_cts;
    image->n_polys = n_polys;
    image->polys = (uint64_t *)calloc(n_polys + 1, bytes);
    image->products = (struct ckks_product *)calloc(n_products + 1, sizeof(*image->products));
    image->first = (size_t *)calloc(out_cts + 1, sizeof(*image->first));
    if (image->polys == NULL || image->products == NULL || image->first == NULL) {
        ckks_image_free(image);
        return MP2ML_ERR_MEMORY;
    }
    *out = image;
    return MP2ML_OK;
}

void ckks_image_free(struct ckks_image *image)
{
    if (image == NULL)
        return;
    free(image->polys);
    free(image->products);
    free(image->first);
    free(image);
}

/* CT: fixed work; the sign masks q. */
void ckks_image_set(struct ckks_image *image, const struct ckks *ck, size_t poly,
                    const int32_t *coefficients)
{
    const size_t n = ck->params->n;
    assert(poly < image->n_polys);
    for (unsigned p = 0; p < ck->params->primes; p++) {
        uint64_t *to = image->polys + poly * ckks_words(ck->params) + p * n;
        for (size_t j = 0; j < n; j++) {
            const uint64_t wide = (uint64_t)(int64_t)coefficients[j];
            to[j] = wide + (ck->params->q[p] & (0 - (wide >> 63)));
        }
        ring_ntt(ck->ring, p, to);
    }
}

void ckks_image_ntt(const struct ckks *ck, uint64_t *x, size_t count)
{
    const size_t n = ck->params->n, rows = count * ck->params->primes;
    CKKS_PARALLEL_FOR(rows * n)
    for (size_t i = 0; i < rows; i++)
        ring_ntt(ck->ring, (unsigned)(i % ck->params->primes), x + i * n);
}

/* out[n] = start + the products of a row for prime p. out may be start. */
static void row_products(const struct ckks *ck, const struct ckks_image *image, unsigned p,
                         uint64_t *out, const uint64_t *start, const uint64_t *in, size_t row)
{
    const size_t n = ck->params->n, words = ckks_words(ck->params), ct = row % image->out_cts;
    ck->kernels->image_products(&ck->ring->prime[p].mod, out, start,
                                in + row / image->out_cts * image->in_cts * words + p * n, words,
                                image->polys + p * n, words, image->products + image->first[ct],
                                image->first[ct + 1] - image->first[ct], n);
}

/* ---- the server's answer --------------------------------------------------------------------- */

/* CT: fixed work. C1[primes][n] is scratch. */
static void answer_row_c1(const struct ckks *ck, const struct ckks_public_key *pk,
                          const struct ckks_image *image, uint64_t *c1s, uint64_t *bu, uint64_t *C1,
                          const uint64_t *in, const int8_t *u, const int8_t *e1, unsigned k,
                          size_t row)
{
    const struct ring *ring = ck->ring;
    const size_t n = ring->n;
    for (unsigned p = 0; p < ring->primes; p++) {
        uint64_t *t = bu + p * n, *c1 = C1 + p * n;
        ring_from_small(ring, p, t, u, n);
        ring_ntt(ring, p, t);
        ring_mul(ring, p, c1, t, pk->a + p * n);
        ring_mul(ring, p, t, t, pk->b + p * n);
        row_products(ck, image, p, c1, c1, in, row);
        ring_intt(ring, p, c1);
        ring_add_small(ring, p, c1, e1, n);
    }
    ck->kernels->switch_bits(&ring->rns, c1s, C1, n, k + ck->params->guard_bits, n);
}

mp2ml_status ckks_image_answer_c1(const struct ckks *ck, const struct ckks_public_key *pk,
                                  struct prg *g, struct arena *arena,
                                  const struct ckks_image *image, uint64_t *c1s, uint64_t *bu,
                                  const uint64_t *in, unsigned k, size_t first, size_t rows)
{
    const size_t n = ck->params->n, words = ckks_words(ck->params), mark = arena_mark(arena);
    const size_t row_random = RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n), chunk = ckks_chunk(rows);
    assert(k >= 1 && k <= ck->params->max_k);
    uint8_t *random = (uint8_t *)arena_take(arena, chunk, row_random);
    int8_t *small = (int8_t *)arena_take(arena, chunk, 2 * n);
    uint64_t *C1 = (uint64_t *)arena_take(arena, chunk * words, sizeof(uint64_t));
    mp2ml_status status = MP2ML_OK;
    if (random == NULL || small == NULL || C1 == NULL)
        status = MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < rows; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(rows - i);
        TRY_OUT(prg_fill(g, random, m * row_random));
        CKKS_PARALLEL_FOR(m * words)
        for (size_t j = 0; j < m; j++) {
            int8_t *u = small + 2 * j * n, *e1 = u + n;
            ckks_sample_zero(ck, u, e1, random + j * row_random);
            answer_row_c1(ck, pk, image, c1s + (i + j) * n, bu + (i + j) * words, C1 + j * words,
                          in, u, e1, k, first + i + j);
        }
    }
out:
    arena_rewind(arena, mark);
    return status;
}

/* bu[primes][n], NTT domain, to picked[primes][used]. CT: fixed work; at is public. */
static void pick_row(const struct ring *ring, uint64_t *picked, uint64_t *bu, const uint16_t *at,
                     size_t used)
{
    for (unsigned p = 0; p < ring->primes; p++) {
        uint64_t *t = bu + p * ring->n;
        ring_intt(ring, p, t);
        for (size_t i = 0; i < used; i++)
            picked[p * used + i] = t[at[i]];
    }
}

void ckks_image_pick(const struct ckks *ck, const struct ckks_places *places, uint64_t *picked,
                     uint64_t *bu, size_t first, size_t rows)
{
    const size_t words = ckks_words(ck->params), before = ckks_places_before(places, first);
    CKKS_PARALLEL_FOR(rows * words)
    for (size_t j = 0; j < rows; j++) {
        const size_t ct = (first + j) % places->cts;
        const uint32_t from = places->first[ct], used = places->first[ct + 1] - from;
        const size_t to = ckks_places_before(places, first + j) - before;
        pick_row(ck->ring, picked + ck->params->primes * to, bu + j * words,
                 places->coefficient + from, used);
    }
}

/* c0s[used] of the coefficients at[used], ascending, so that they can be moved down in C0[primes][n],
 * which is scratch. bu, or NULL; then picked. CT: fixed work; at is public. */
static void answer_row_c0(const struct ckks *ck, const struct ckks_image *image, uint64_t *c0s,
                          uint64_t *C0, const uint64_t *in, const uint64_t *bu,
                          const uint64_t *picked, const uint16_t *at, size_t used,
                          const uint64_t *bias, unsigned l, unsigned k, size_t row)
{
    const struct ring *ring = ck->ring;
    const size_t n = ring->n;
    for (unsigned p = 0; p < ring->primes; p++) {
        uint64_t *c0 = C0 + p * n;
        row_products(ck, image, p, c0, bu != NULL ? bu + p * n : NULL, in, row);
        ring_intt(ring, p, c0);
        for (size_t i = 0; i < used; i++)
            c0[i] = c0[at[i]];
        for (size_t i = 0; i < used && picked != NULL; i++)
            c0[i] = modulus_add(&ring->prime[p].mod, c0[i], picked[p * used + i]);
    }
    ck->kernels->encode_add(&ring->rns, C0, n, bias, l, used);
    ck->kernels->switch_bits(&ring->rns, c0s, C0, n, k, used);
}

/* Either bu or picked is NULL. */
static mp2ml_status answer_c0(const struct ckks *ck, struct arena *arena,
                              const struct ckks_image *image, const struct ckks_places *places,
                              uint64_t *c0s, const uint64_t *in, const uint64_t *bu,
                              const uint64_t *picked, const uint64_t *bias, const uint64_t *r,
                              unsigned l, unsigned k, size_t first, size_t rows)
{
    const size_t words = ckks_words(ck->params), mark = arena_mark(arena);
    const size_t before = ckks_places_before(places, first);
    const size_t used = ckks_places_before(places, first + rows) - before;
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    assert(l >= 1 && l <= ck->params->max_l && k >= 1 && k <= ck->params->max_k);
    uint64_t *C0 = (uint64_t *)arena_take(arena, ckks_chunk(rows) * words, sizeof(uint64_t));
    if (C0 == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < rows; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(rows - i);
        CKKS_PARALLEL_FOR(m * words)
        for (size_t j = 0; j < m; j++) {
            const size_t row = first + i + j, ct = row % places->cts;
            const uint32_t from = places->first[ct], n_used = places->first[ct + 1] - from;
            const size_t to = ckks_places_before(places, row) - before;
            answer_row_c0(ck, image, c0s + to, C0 + j * words, in,
                          bu != NULL ? bu + (i + j) * words : NULL,
                          picked != NULL ? picked + ck->params->primes * to : NULL,
                          places->coefficient + from, n_used, bias + from, l, k, row);
        }
    }
    for (size_t i = 0; i < used; i++)
        c0s[i] = (c0s[i] + r[i]) & mask;
    arena_rewind(arena, mark);
    return MP2ML_OK;
}

mp2ml_status ckks_image_answer_c0(const struct ckks *ck, struct arena *arena,
                                  const struct ckks_image *image, const struct ckks_places *places,
                                  uint64_t *c0s, const uint64_t *in, const uint64_t *bu,
                                  const uint64_t *bias, const uint64_t *r, unsigned l, unsigned k,
                                  size_t first, size_t rows)
{
    return answer_c0(ck, arena, image, places, c0s, in, bu, NULL, bias, r, l, k, first, rows);
}

mp2ml_status ckks_image_answer_picked(const struct ckks *ck, struct arena *arena,
                                      const struct ckks_image *image,
                                      const struct ckks_places *places, uint64_t *c0s,
                                      const uint64_t *in, const uint64_t *picked,
                                      const uint64_t *bias, const uint64_t *r, unsigned l,
                                      unsigned k, size_t first, size_t rows)
{
    return answer_c0(ck, arena, image, places, c0s, in, NULL, picked, bias, r, l, k, first, rows);
}

/* ---- the client ------------------------------------------------------------------------------ */

mp2ml_status ckks_image_decode(const struct ckks *ck, const struct ckks_secret *s,
                               struct arena *arena, const struct ckks_places *places, uint64_t *y,
                               const uint64_t *c1s, const uint64_t *c0s, unsigned k, size_t first,
                               size_t rows)
{
    const size_t n = ck->params->n, mark = arena_mark(arena);
    const size_t before = ckks_places_before(places, first);
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    assert(k >= 1 && k <= ck->params->max_k);
    uint64_t *scratch = (uint64_t *)arena_take(arena, ckks_chunk(rows) * n, sizeof(uint64_t));
    if (scratch == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < rows; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(rows - i);
        CKKS_PARALLEL_FOR(m * n)
        for (size_t j = 0; j < m; j++) {
            const size_t ct = (first + i + j) % places->cts;
            const uint32_t from = places->first[ct], used = places->first[ct + 1] - from;
            const size_t to = ckks_places_before(places, first + i + j) - before;
            uint64_t *t = scratch + j * n;
            ckks_phase(ck, s, t, c1s + (i + j) * n);
            for (size_t v = 0; v < used; v++)
                y[to + v] =
                    (c0s[to + v] + ckks_round_phase(ck->params, t[places->coefficient[from + v]])) &
                    mask;
        }
    }
    arena_rewind(arena, mark);
    return MP2ML_OK;
}
