/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bytes of a linear step show. Each statistic comes with a control: the same step with a
 * protection taken away through the test hooks, where the statistic must fail. Seeded throughout.
 */
#include "privacy_report.h"
#include "ring/ring.h"
#include "uniform_bytes.h"

enum kind { ALL_ZERO, ONE_HOT, LARGEST, KINDS };

static void set_weights(struct linear *s, enum kind kind)
{
    for (size_t i = 0; i < s->inputs * s->outputs; i++)
        s->weights[i] = (int16_t)(kind == LARGEST                         ? CKKS_MAX_WEIGHT
                                  : kind == ONE_HOT && i % s->inputs == 0 ? 1
                                                                          : 0);
}

static void set_inputs(struct linear *s, enum kind kind)
{
    const uint64_t top = ((uint64_t)1 << (s->l - 1)) - 1;
    for (size_t i = 0; i < s->inputs * s->used; i++) {
        s->client_x[i] = kind == LARGEST ? top : kind == ONE_HOT && i == 0 ? 1 : 0;
        s->server_x[i] = 0;
    }
}

static double largest_distance; /* of test_uniform_bytes, for the report */

static void test_uniform_bytes(void **state)
{
    (void)state;
    double most = 0;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 40);
        most = fmax(most, distance(f.pk_wire, ckks_public_key_bytes(f.params)));
        for (int weights = 0; weights < KINDS; weights++)
            for (int inputs = 0; inputs < KINDS; inputs++) {
                struct linear s;
                linear_init(&s, &f, 4, 8, f.params->n, 24, 12);
                set_weights(&s, (enum kind)weights);
                set_inputs(&s, (enum kind)inputs);
                linear_masks(&s, &f);
                linear_run(&s, &f, NULL);
                most = fmax(most, distance(s.ct_in, s.ct_in_bytes));
                most = fmax(most, distance(s.ct_out, s.ct_out_bytes));
                linear_wipe(&s);
            }
        fixture_wipe(&f);
    }
    assert_true(most < UNIFORM);
    largest_distance = most;
}

/* Without fresh zeros, zero weights give zeros; without masks, c0' of a known c1' is the result. */
static void test_uniform_bytes_controls(void **state)
{
    (void)state;
    struct fixture f;
    struct linear s;
    fixture_init(&f, CKKS_S1, 41);
    const struct ckks_test_hooks hooks = {.no_rerandomisation = true};
    ckks_set_test_hooks(f.ck, &hooks);
    linear_init(&s, &f, 4, 8, f.params->n, 24, 12);
    linear_masks(&s, &f);
    linear_run(&s, &f, NULL);
    double least = distance(s.ct_out, s.ct_out_bytes);
    /* CT_IN without c1*s: only the encoding and its noise are left */
    uint64_t *c0 = fixture_alloc(4 * f.params->n, 8);
    uint8_t *body = fixture_alloc(s.ct_in_bytes, 1);
    for (size_t i = 0; i < 4 * f.params->n; i++)
        c0[i] = fixture_draw(&f, 4);
    ckks_ct_in_write(f.params, body, c0, 4, f.params->n);
    least = fmin(least, distance(body, s.ct_in_bytes));
    assert_true(least > 100 * UNIFORM);
    privacy_report(1, "deviations of PK, CT_IN and CT_OUT from uniform", largest_distance, UNIFORM,
                   least);
    free(c0);
    free(body);
    linear_wipe(&s);
    fixture_wipe(&f);
}

/* One query asked twice, of rows with equal weights. How many of the differences of c1' look
 * uniform: the same row of both answers, and all pairs of rows of one answer. */
static void count_uniform(struct fixture *f, size_t *repeats, size_t *pairs)
{
    const size_t rows = 6, n = f->params->n;
    struct linear first, second;
    linear_init(&first, f, 4, rows, n, 24, 12);
    linear_init(&second, f, 4, rows, n, 24, 12);
    const unsigned bits = first.k + f->params->guard_bits;
    set_weights(&first, LARGEST);
    set_weights(&second, LARGEST);
    linear_masks(&first, f);
    linear_masks(&second, f);
    linear_run(&first, f, NULL);
    f->counter -= first.inputs; /* the same c1 again: as if the query were resent */
    linear_run(&second, f, NULL);
    *repeats = *pairs = 0;
    for (size_t i = 0; i < rows; i++) {
        *repeats += difference_uniform(first.c1s + i * n, second.c1s + i * n, n, bits);
        for (size_t j = i + 1; j < rows; j++)
            *pairs += difference_uniform(first.c1s + i * n, first.c1s + j * n, n, bits);
    }
    linear_wipe(&first);
    linear_wipe(&second);
}

static void test_same_query_twice(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        size_t repeats, pairs;
        fixture_init(&f, set, 42);
        count_uniform(&f, &repeats, &pairs);
        assert_int_equal(repeats, 6);
        assert_int_equal(pairs, 15);
        const size_t related = 21 - repeats - pairs;
        /* control: one encryption of zero for all */
        const size_t n = f.params->n;
        uint8_t *shared = fixture_alloc(RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n), 1);
        assert_int_equal(prg_fill(f.g, shared, RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n)),
                         MP2ML_OK);
        const struct ckks_test_hooks hooks = {.fixed_random = shared};
        ckks_set_test_hooks(f.ck, &hooks);
        count_uniform(&f, &repeats, &pairs);
        assert_int_equal(repeats, 0);
        assert_int_equal(pairs, 0);
        privacy_report(2, "related pairs of 21 answers to one query", (double)related, 1,
                       (double)(21 - repeats - pairs));
        free(shared);
        fixture_wipe(&f);
    }
}

/* ---- a client that would choose c1 = floor(q/2^12) * X^i for input i ---------------------------
 * Without re-randomisation coefficient i of c1' is then w_i * 2^(k+g-12): the row of weights. */

#define INPUTS 64

static uint64_t *structured_c1(const struct fixture *f)
{
    const struct ckks_params *p = f->params;
    uint64_t *c1 = fixture_alloc(INPUTS * p->primes * p->n, sizeof *c1);
    struct ring *ring;
    ring_u128 q = 1;
    assert_int_equal(ring_new(&ring, p->log_n, p->q, p->primes), MP2ML_OK);
    for (unsigned i = 0; i < p->primes; i++)
        q *= p->q[i];
    for (size_t i = 0; i < INPUTS; i++)
        for (unsigned j = 0; j < p->primes; j++) {
            uint64_t *row = c1 + (i * p->primes + j) * p->n;
            row[i] = (uint64_t)((q >> 12) % p->q[j]);
            ring_ntt(ring, j, row);
        }
    ring_free(ring);
    return c1;
}

/* How many of the weights of two rows the client reads correctly. */
static size_t weights_read(struct fixture *f)
{
    struct linear s;
    uint64_t *c1 = structured_c1(f);
    size_t right = 0;
    linear_init(&s, f, INPUTS, 2, 1, 24, 12);
    for (size_t i = 0; i < 2 * INPUTS; i++)
        s.weights[i] = (int16_t)((int)(fixture_draw(f, 30) % 2047) - 1023);
    linear_masks(&s, f);
    linear_run(&s, f, c1);
    const unsigned drop = s.k + f->params->guard_bits - 12;
    for (size_t i = 0; i < 2 * INPUTS; i++) {
        uint64_t v = s.c1s[i / INPUTS * f->params->n + i % INPUTS];
        uint64_t top = ((v + ((uint64_t)1 << (drop - 1))) >> drop) & 4095;
        int read = top >= 2048 ? (int)top - 4096 : (int)top;
        right += read == s.weights[i];
    }
    linear_wipe(&s);
    free(c1);
    return right;
}

static void test_structured_c1(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 43);
        const size_t read = weights_read(&f);
        assert_in_range(read, 0, 2); /* by chance 128/4096 */
        /* control: no re-randomisation */
        const struct ckks_test_hooks bare = {.no_rerandomisation = true}, none = {0};
        ckks_set_test_hooks(f.ck, &bare);
        const size_t bare_read = weights_read(&f);
        assert_int_equal(bare_read, 2 * INPUTS);
        privacy_report(3, "weights of 128 read with a structured c1", (double)read, 3,
                       (double)bare_read);
        ckks_set_test_hooks(f.ck, &none);
        /* control: a = 0, as if the client could choose it; u then hides nothing, e1 is small */
        const size_t words = f.params->primes * f.params->n;
        uint64_t *zero = fixture_alloc(words, sizeof *zero);
        ckks_public_key_free(f.pk);
        assert_int_equal(ckks_public_key_new_chosen(&f.pk, f.ck, zero, zero), MP2ML_OK);
        const size_t zero_read = weights_read(&f);
        assert_int_equal(zero_read, 2 * INPUTS);
        privacy_report(3, "weights of 128 read where nobody chooses a = 0", (double)read, 3,
                       (double)zero_read);
        free(zero);
        fixture_wipe(&f);
    }
}

/* The client's share alone is uniform for zero and for greatest results; so is the server's, -r. */
static void test_shares_uniform(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, CKKS_S1, 44);
    for (int kind = 0; kind < KINDS; kind++) {
        struct linear s;
        linear_init(&s, &f, 4, 8, f.params->n, 24, 16);
        set_weights(&s, (enum kind)kind);
        set_inputs(&s, LARGEST);
        linear_masks(&s, &f);
        linear_run(&s, &f, NULL);
        const size_t values = s.outputs * s.used, bytes = bits_size(values, s.k);
        uint8_t *packed = fixture_alloc(bytes, 1);
        size_t at = 0;
        bits_pack(packed, &at, s.y, values, s.k);
        const double apart = distance(packed, bytes);
        assert_true(apart < UNIFORM);
        /* control: the sum of both shares is not */
        for (size_t i = 0; i < values; i++)
            s.y[i] -= s.r[i];
        at = 0;
        memset(packed, 0, bytes);
        bits_pack(packed, &at, s.y, values, s.k);
        const double together = distance(packed, bytes);
        assert_true(together > UNIFORM);
        privacy_report(4, "deviations of the client's share of a linear step from uniform", apart,
                       UNIFORM, together);
        free(packed);
        linear_wipe(&s);
    }
    fixture_wipe(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uniform_bytes),    cmocka_unit_test(test_uniform_bytes_controls),
        cmocka_unit_test(test_same_query_twice), cmocka_unit_test(test_structured_c1),
        cmocka_unit_test(test_shares_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
