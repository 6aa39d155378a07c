/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of ckks: both parties of one session in one place, and one linear step through the
 * wire formats. Everything is seeded, so every statistic has one value. */
#ifndef TESTS_CKKS_FIXTURE_H
#define TESTS_CKKS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ckks/ckks.h"
#include "ckks/ckks_hooks.h"
#include "crypto/secret.h"

struct fixture {
    const struct ckks_params *params;
    struct ckks *ck;
    struct ckks_secret *s;
    struct ckks_public_key *pk;
    struct prg *g; /* of both parties, and of the test's own draws */
    struct xof *client_stream, *server_stream;
    struct arena *arena;
    uint64_t counter;
    uint8_t h0[32];
    uint8_t *pk_wire;
    uint64_t drawn[512]; /* the test's own random words, the last `left` still unused */
    size_t left;
};

/* One linear step: what goes in, and all that comes out on the way. */
struct linear {
    size_t inputs, outputs, used;
    unsigned l, k;
    uint64_t *client_x, *server_x; /* [inputs][used], shares mod 2^l */
    int16_t *weights;              /* [outputs][inputs] */
    uint64_t *bias;                /* [outputs] */
    uint64_t *r, *y;               /* [outputs][used] */
    uint8_t *ct_in, *ct_out;       /* bodies */
    size_t ct_in_bytes, ct_out_bytes;
    uint64_t *c1s; /* [outputs][n] */
};

static inline void *fixture_alloc(size_t count, size_t size)
{
    void *p = calloc(count != 0 ? count : 1, size);
    assert_non_null(p);
    return p;
}

static inline uint64_t fixture_draw(struct fixture *f, unsigned bits)
{
    if (f->left == 0) {
        assert_int_equal(prg_fill(f->g, f->drawn, sizeof f->drawn), MP2ML_OK);
        f->left = sizeof f->drawn / sizeof *f->drawn;
    }
    return f->drawn[--f->left] >> (64 - bits);
}

static inline void fixture_init(struct fixture *f, unsigned set, uint8_t seed)
{
    uint8_t key[32] = {seed};
    memset(f, 0, sizeof *f);
    memset(f->h0, seed ^ 0x5a, sizeof f->h0);
    assert_int_equal(secret_init(), MP2ML_OK);
    f->params = ckks_params(set);
    assert_non_null(f->params);
    assert_int_equal(ckks_new(&f->ck, f->params), MP2ML_OK);
    assert_int_equal(prg_new_seeded(&f->g, key), MP2ML_OK);
    assert_int_equal(arena_new(&f->arena, ckks_scratch_bytes(f->params)), MP2ML_OK);
    f->pk_wire = fixture_alloc(ckks_public_key_bytes(f->params), 1);
    assert_int_equal(ckks_secret_new(&f->s, f->ck, f->h0, f->g, f->pk_wire), MP2ML_OK);
    assert_int_equal(ckks_public_key_new(&f->pk, f->ck, f->h0, f->pk_wire), MP2ML_OK);
    assert_int_equal(ckks_c1_stream(&f->client_stream, f->ck, f->h0), MP2ML_OK);
    assert_int_equal(ckks_c1_stream(&f->server_stream, f->ck, f->h0), MP2ML_OK);
}

static inline void fixture_wipe(struct fixture *f)
{
    ckks_secret_free(f->s);
    ckks_public_key_free(f->pk);
    ckks_free(f->ck);
    prg_free(f->g);
    xof_free(f->client_stream);
    xof_free(f->server_stream);
    arena_free(f->arena);
    free(f->pk_wire);
    memset(f, 0, sizeof *f);
}

/* Everything zero. */
static inline void linear_init(struct linear *s, const struct fixture *f, size_t inputs,
                               size_t outputs, size_t used, unsigned l, unsigned k)
{
    const struct ckks_params *params = f->params;
    memset(s, 0, sizeof *s);
    s->inputs = inputs;
    s->outputs = outputs;
    s->used = used;
    s->l = l;
    s->k = k;
    s->client_x = fixture_alloc(inputs * used, sizeof(uint64_t));
    s->server_x = fixture_alloc(inputs * used, sizeof(uint64_t));
    s->weights = fixture_alloc(outputs * inputs, sizeof(int16_t));
    s->bias = fixture_alloc(outputs, sizeof(uint64_t));
    s->r = fixture_alloc(outputs * used, sizeof(uint64_t));
    s->y = fixture_alloc(outputs * used, sizeof(uint64_t));
    s->ct_in_bytes = ckks_ct_in_bytes(params, inputs, used);
    s->ct_out_bytes = ckks_ct_out_bytes(params, k, outputs, used);
    s->ct_in = fixture_alloc(s->ct_in_bytes, 1);
    s->ct_out = fixture_alloc(s->ct_out_bytes, 1);
    s->c1s = fixture_alloc(outputs * params->n, sizeof(uint64_t));
}

static inline void linear_wipe(struct linear *s)
{
    free(s->client_x);
    free(s->server_x);
    free(s->weights);
    free(s->bias);
    free(s->r);
    free(s->y);
    free(s->ct_in);
    free(s->ct_out);
    free(s->c1s);
    memset(s, 0, sizeof *s);
}

/* Fresh masks r. */
static inline void linear_masks(struct linear *s, struct fixture *f)
{
    for (size_t i = 0; i < s->outputs * s->used; i++)
        s->r[i] = fixture_draw(f, s->k);
}

/* Client -> server -> client. `c1`, where not NULL, takes the place of the expanded stream:
 * [inputs][primes][n], NTT domain. */
static inline void linear_run(struct linear *s, struct fixture *f, const uint64_t *c1)
{
    const struct ckks_params *params = f->params;
    const size_t n = params->n, primes = params->primes, used = s->used;
    uint64_t *c0 = fixture_alloc(s->inputs * primes * used, sizeof(uint64_t));
    uint64_t *in1 = fixture_alloc(s->inputs * primes * n, sizeof(uint64_t));
    uint64_t *C0 = fixture_alloc(s->outputs * primes * used, sizeof(uint64_t));
    uint64_t *C1 = fixture_alloc(s->outputs * primes * n, sizeof(uint64_t));
    uint64_t *c0s = fixture_alloc(s->outputs * used, sizeof(uint64_t));
    uint64_t *bu = fixture_alloc(s->outputs * primes * used, sizeof(uint64_t));
    uint32_t *index = fixture_alloc(s->inputs, sizeof(uint32_t));
    for (size_t i = 0; i < s->inputs; i++)
        index[i] = (uint32_t)i;

    assert_int_equal(ckks_encrypt(f->ck, f->s, f->client_stream, f->counter, f->g, f->arena, c0,
                                  s->client_x, s->l, s->inputs, used),
                     MP2ML_OK);
    ckks_ct_in_write(params, s->ct_in, c0, s->inputs, used);

    memset(c0, 0, s->inputs * primes * used * sizeof *c0);
    assert_int_equal(ckks_ct_in_read(params, c0, s->ct_in, s->inputs, used), MP2ML_OK);
    ckks_add_plain(f->ck, c0, s->server_x, s->l, s->inputs, used);
    assert_int_equal(ckks_expand_c1(f->ck, f->server_stream, f->counter, f->arena, in1, s->inputs),
                     MP2ML_OK);
    if (c1 != NULL)
        memcpy(in1, c1, s->inputs * primes * n * sizeof *in1);
    ckks_matrix_product(f->ck, C1, in1, index, s->weights, s->outputs, s->inputs, n);
    ckks_matrix_product(f->ck, C0, c0, index, s->weights, s->outputs, s->inputs, used);
    assert_int_equal(
        ckks_answer_c1(f->ck, f->pk, f->g, f->arena, s->c1s, bu, C1, s->k, s->outputs, used),
        MP2ML_OK);
    ckks_answer_c0(f->ck, c0s, C0, bu, s->bias, s->r, s->l, s->k, s->outputs, used);
    ckks_ct_out_write(params, s->ct_out, s->c1s, c0s, s->k, s->outputs, used);

    memset(s->c1s, 0, s->outputs * n * sizeof *s->c1s);
    memset(c0s, 0, s->outputs * used * sizeof *c0s);
    assert_int_equal(ckks_ct_out_read(params, s->c1s, c0s, s->ct_out, s->k, s->outputs, used),
                     MP2ML_OK);
    assert_int_equal(ckks_decode(f->ck, f->s, f->arena, s->y, s->c1s, c0s, s->k, s->outputs, used),
                     MP2ML_OK);
    f->counter += s->inputs;
    free(c0);
    free(in1);
    free(C0);
    free(C1);
    free(c0s);
    free(bu);
    free(index);
}

/* sums[j] = sum_i w_i*x_i + bias mod 2^l of output `row`, exact. */
static inline void linear_sums(const struct linear *s, uint64_t *sums, size_t row)
{
    const size_t used = s->used;
    for (size_t j = 0; j < used; j++)
        sums[j] = s->bias[row];
    for (size_t i = 0; i < s->inputs; i++) {
        const uint64_t w = (uint64_t)(int64_t)s->weights[row * s->inputs + i];
        const uint64_t *x = s->client_x + i * used, *y = s->server_x + i * used;
        for (size_t j = 0; j < used; j++)
            sums[j] += w * (x[j] + y[j]);
    }
    for (size_t j = 0; j < used; j++)
        sums[j] &= ((uint64_t)1 << s->l) - 1;
}

/* The error of `share` against the rational 2^(k-l)*sum, in LSB, the representative of least
 * magnitude modulo 2^k. */
static inline double share_error(uint64_t share, uint64_t sum, unsigned l, unsigned k)
{
    /* fractions of a turn, 64 bits: exact for l, k <= 64 */
    int64_t turn = (int64_t)((share << (64 - k)) - (sum << (64 - l)));
    return (double)turn / (double)((uint64_t)1 << (64 - k));
}

#endif
