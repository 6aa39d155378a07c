/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of PK, CT_IN and CT_OUT, in both layouts: what passes is reduced, written back the same, and
 * used once. Input: u8 body and set, u8 count, u8 used, u8 k, then the body, filled up with zeros
 * behind, or with bit 4 of the first byte before. */
#include "ckks/ckks.h"
#include "fuzz.h"

static const uint8_t h0[32] = {3};

struct side { /* made once a set */
    struct ckks *ck;
    struct ckks_secret *secret;
    struct arena *arena;
};

static struct side *side_of(unsigned set)
{
    static struct side sides[3];
    struct side *s = &sides[set];
    if (s->ck == NULL) {
        const struct ckks_params *p = ckks_params(set);
        struct prg *g = fuzz_prg();
        uint8_t *wire = malloc(ckks_public_key_bytes(p));
        FUZZ_CHECK(secret_init() == MP2ML_OK && ckks_new(&s->ck, p) == MP2ML_OK);
        FUZZ_CHECK(ckks_secret_new(&s->secret, s->ck, h0, g, wire) == MP2ML_OK);
        FUZZ_CHECK(arena_new(&s->arena, ckks_scratch_bytes(p)) == MP2ML_OK);
        prg_free(g);
        free(wire);
    }
    return s;
}

static uint64_t *words(size_t n)
{
    uint64_t *w = malloc(n * sizeof *w + 1);
    FUZZ_CHECK(w != NULL);
    return w;
}

static void public_key(const struct side *s, const uint8_t *body)
{
    struct ckks_public_key *pk = NULL;
    mp2ml_status status = ckks_public_key_new(&pk, s->ck, h0, body);
    FUZZ_CHECK((status == MP2ML_OK) == (pk != NULL));
    ckks_public_key_free(pk);
}

static void ct_in(const struct side *s, const uint8_t *body, size_t bytes, size_t count,
                  size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t n = count * p->primes * used;
    uint64_t *c0 = words(n), *x = words(count * used), all = 0;
    if (ckks_ct_in_read(p, c0, body, count, used) == MP2ML_OK) {
        uint8_t *again = malloc(bytes + 1);
        ckks_ct_in_write(p, again, c0, count, used);
        FUZZ_CHECK(memcmp(again, body, bytes) == 0);
        memset(x, 0x2a, count * used * sizeof *x);
        for (size_t i = 0; i < count * used; i++)
            x[i] &= 0xffffff;
        ckks_add_plain(s->ck, c0, x, 24, count, used);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(c0[i] < p->q[i / used % p->primes]);
        free(again);
    } else {
        for (size_t i = 0; i < n; i++)
            all |= c0[i];
        FUZZ_CHECK(all == 0); /* nothing of a refused body is left */
    }
    free(c0);
    free(x);
}

static void ct_out(const struct side *s, const uint8_t *body, size_t bytes, unsigned k,
                   size_t count, size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    uint64_t *c1s = words(count * p->n), *c0s = words(count * used);
    if (ckks_ct_out_read(p, c1s, c0s, body, k, count, used) == MP2ML_OK) {
        uint8_t *again = malloc(bytes + 1);
        ckks_ct_out_write(p, again, c1s, c0s, k, count, used);
        FUZZ_CHECK(memcmp(again, body, bytes) == 0);
        FUZZ_CHECK(ckks_decode(s->ck, s->secret, s->arena, c0s, c1s, c0s, k, count, used) ==
                   MP2ML_OK);
        for (size_t i = 0; i < count * used; i++)
            FUZZ_CHECK(c0s[i] >> k == 0);
        free(again);
    }
    free(c1s);
    free(c0s);
}

/* ---- layout image ---------------------------------------------------------------------------- */

#define IMAGE_CTS 2

/* Two output ciphertexts, each the sum of two products, of images with one input ciphertext each. */
static const struct ckks_image *image_of(const struct side *s, unsigned set)
{
    static struct ckks_image *images[3];
    if (images[set] == NULL) {
        const size_t n = ckks_params_of(s->ck)->n;
        int32_t *weights = calloc(n, sizeof *weights);
        FUZZ_CHECK(weights != NULL);
        FUZZ_CHECK(ckks_image_new(&images[set], s->ck, 1, IMAGE_CTS, 2, 2 * IMAGE_CTS) == MP2ML_OK);
        for (uint32_t i = 0; i < 2; i++) {
            weights[i * 7] = (1 << 20) - 1;
            weights[n - 1 - i] = -(1 << 19);
            ckks_image_set(images[set], s->ck, i, weights);
        }
        for (uint32_t i = 0; i < 2 * IMAGE_CTS; i++)
            images[set]->products[i] = (struct ckks_product){0, i % 2};
        for (size_t ct = 0; ct <= IMAGE_CTS; ct++)
            images[set]->first[ct] = 2 * ct;
        free(weights);
    }
    return images[set];
}

struct results { /* the coefficients in use */
    uint32_t first[IMAGE_CTS + 1];
    uint16_t coefficient[IMAGE_CTS * 256];
    struct ckks_places places;
};

/* `used` of each ciphertext, spread from the first coefficient to the last. */
static void spread(struct results *r, size_t n, size_t used)
{
    for (size_t i = 0; i < IMAGE_CTS * used; i++)
        r->coefficient[i] = (uint16_t)(used == 1 ? n - 1 : i % used * (n - 1) / (used - 1));
    for (size_t ct = 0; ct <= IMAGE_CTS; ct++)
        r->first[ct] = (uint32_t)(ct * used);
    r->places = (struct ckks_places){IMAGE_CTS, r->first, r->coefficient};
}

/* Input ciphertexts at a server, and its answer. */
static void image_in(const struct side *s, unsigned set, const uint8_t *body, unsigned k,
                     size_t count, size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t n = count * p->primes * p->n, results = count * IMAGE_CTS * used;
    const struct ckks_image *image = image_of(s, set);
    struct results r;
    uint64_t *c0 = words(n), *x = words(count * p->n), *bu = words(IMAGE_CTS * n);
    uint64_t *bias = words(IMAGE_CTS * used), *c0s = words(results), *mask = words(results);
    spread(&r, p->n, used);
    if (ckks_ct_in_read(p, c0, body, count, p->n) == MP2ML_OK) {
        memset(x, 0, count * p->n * sizeof *x);
        memset(bu, 0, IMAGE_CTS * n * sizeof *bu);
        memset(bias, 0, IMAGE_CTS * used * sizeof *bias);
        memset(mask, 0, results * sizeof *mask);
        ckks_add_plain(s->ck, c0, x, 24, count, p->n);
        ckks_image_ntt(s->ck, c0, count);
        FUZZ_CHECK(ckks_image_answer_c0(s->ck, s->arena, image, &r.places, c0s, c0, bu, bias, mask,
                                        24, k, 0, count * IMAGE_CTS) == MP2ML_OK);
        for (size_t i = 0; i < results; i++)
            FUZZ_CHECK(c0s[i] >> k == 0);
    }
    free(c0);
    free(x);
    free(bu);
    free(bias);
    free(c0s);
    free(mask);
}

/* An answer at the client. */
static void image_out(const struct side *s, const uint8_t *body, size_t bytes, unsigned k,
                      size_t count, size_t used)
{
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t rows = count * IMAGE_CTS;
    struct results r;
    uint64_t *c1s = words(rows * p->n), *c0s = words(rows * used), all = 0;
    spread(&r, p->n, used);
    if (ckks_image_out_read(p, c1s, c0s, body, k, rows, rows * used) == MP2ML_OK) {
        uint8_t *again = malloc(bytes + 1);
        ckks_image_out_write(p, again, c1s, c0s, k, rows, rows * used);
        FUZZ_CHECK(memcmp(again, body, bytes) == 0);
        FUZZ_CHECK(ckks_image_decode(s->ck, s->secret, s->arena, &r.places, c0s, c1s, c0s, k, 0,
                                     rows) == MP2ML_OK);
        for (size_t i = 0; i < rows * used; i++)
            FUZZ_CHECK(c0s[i] >> k == 0);
        free(again);
    } else {
        for (size_t i = 0; i < rows * used; i++)
            all |= c0s[i];
        FUZZ_CHECK(all == 0);
    }
    free(c1s);
    free(c0s);
}

static size_t body_bytes(const struct ckks_params *p, uint8_t what, unsigned k, size_t count,
                         size_t used)
{
    if ((what & 8) != 0)
        return (what & 2) != 0
                   ? ckks_ct_in_bytes(p, count, p->n)
                   : ckks_image_out_bytes(p, k, count * IMAGE_CTS, count * IMAGE_CTS * used);
    return (what & 6) == 0   ? ckks_public_key_bytes(p)
           : (what & 6) == 2 ? ckks_ct_in_bytes(p, count, used)
                             : ckks_ct_out_bytes(p, k, count, used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t what = fuzz_take(&data, &size);
    const unsigned set = (what & 1) != 0 ? CKKS_S2 : CKKS_S1;
    const struct side *s = side_of(set);
    const struct ckks_params *p = ckks_params_of(s->ck);
    const size_t count = fuzz_take(&data, &size) % 4U + 1, used = fuzz_take(&data, &size) + 1U;
    const unsigned k = p->min_k + fuzz_take(&data, &size) % (p->max_k - p->min_k + 1);
    const size_t bytes = body_bytes(p, what, k, count, used);
    uint8_t *body = calloc(bytes, 1);
    FUZZ_CHECK(body != NULL);
    size = size < bytes ? size : bytes;
    memcpy((what & 16) != 0 ? body + bytes - size : body, data, size);
    if ((what & 8) != 0 && (what & 2) != 0)
        image_in(s, set, body, k, count, used);
    else if ((what & 8) != 0)
        image_out(s, body, bytes, k, count, used);
    else if ((what & 6) == 0)
        public_key(s, body);
    else if ((what & 6) == 2)
        ct_in(s, body, bytes, count, used);
    else
        ct_out(s, body, bytes, k, count, used);
    free(body);
    return 0;
}
