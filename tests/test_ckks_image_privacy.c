/* SPDX-License-Identifier: Apache-2.0
 *
 * What the bytes of a linear step in the layout image show. Each statistic comes with a control: the
 * same step with a protection taken away through the test hooks, where the statistic must fail.
 * Seeded throughout. */
#include "ckks_image_fixture.h"
#include "privacy_report.h"
#include "ring/ring.h"
#include "uniform_bytes.h"

enum { IN = 2, OUT = 3, IMAGES = 2 };
enum kind { ALL_ZERO, ONE_HOT, LARGEST, KINDS };

static void begin(struct image_run *s, struct fixture *f, enum kind weights, enum kind inputs)
{
    const size_t n = f->params->n;
    image_run_init(s, f, IMAGES, IN, OUT, 1, 2, 24, 12);
    const uint64_t top = ((uint64_t)1 << (s->l - 1)) - 1;
    for (size_t i = 0; i < (size_t)IN * OUT * n; i++)
        s->weights[i] = weights == LARGEST ? CKKS_MAX_WEIGHT : weights == ONE_HOT && i % n == 0;
    for (size_t i = 0; i < (size_t)IMAGES * IN * n; i++)
        s->client_x[i] = inputs == LARGEST ? top : inputs == ONE_HOT && i == 0;
    image_run_masks(s, f);
}

/* c0' alone, where a mask that is missing shows: the rest of the body is c1'. */
static double results_distance(const struct image_run *s, const struct fixture *f)
{
    const size_t results = s->images * s->used, rows = s->images * s->out_cts;
    const size_t bytes = bits_size(results, s->k);
    uint64_t *c1s = fixture_alloc(rows * f->params->n, sizeof *c1s);
    uint64_t *c0s = fixture_alloc(results, sizeof *c0s);
    uint8_t *packed = fixture_alloc(bytes, 1);
    size_t at = 0;
    assert_int_equal(ckks_image_out_read(f->params, c1s, c0s, s->ct_out, s->k, rows, results),
                     MP2ML_OK);
    bits_pack(packed, &at, c0s, results, s->k);
    const double d = distance(packed, bytes);
    free(c1s);
    free(c0s);
    free(packed);
    return d;
}

static double largest_distance; /* for the report */

static void test_uniform_bytes(void **state)
{
    (void)state;
    double most = 0;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 70);
        for (int weights = 0; weights < KINDS; weights++)
            for (int inputs = 0; inputs < KINDS; inputs++) {
                struct image_run s;
                begin(&s, &f, (enum kind)weights, (enum kind)inputs);
                image_run_step(&s, &f, NULL);
                most = fmax(most, distance(s.ct_in, s.ct_in_bytes));
                most = fmax(most, distance(s.ct_out, s.ct_out_bytes));
                most = fmax(most, results_distance(&s, &f));
                image_run_wipe(&s);
            }
        fixture_wipe(&f);
    }
    assert_true(most < UNIFORM);
    largest_distance = most;
}

/* Without fresh zeros, zero weights give zeros; without masks, c0' shows the result once u is gone;
 * without c1*s, CT_IN is the encoding and its noise. */
static void test_uniform_bytes_controls(void **state)
{
    (void)state;
    struct fixture f;
    struct image_run s;
    fixture_init(&f, CKKS_S1, 71);
    const struct ckks_test_hooks hooks = {.no_rerandomisation = true};
    ckks_set_test_hooks(f.ck, &hooks);
    begin(&s, &f, ALL_ZERO, LARGEST);
    image_run_step(&s, &f, NULL);
    double least = distance(s.ct_out, s.ct_out_bytes);
    assert_true(results_distance(&s, &f) < UNIFORM); /* r alone hides c0' */
    memset(s.r, 0, s.images * s.used * sizeof *s.r);
    image_run_step(&s, &f, NULL);
    least = fmin(least, results_distance(&s, &f));
    const size_t n = f.params->n;
    uint64_t *c0 = fixture_alloc(IN * n, 8);
    uint8_t *body = fixture_alloc(ckks_ct_in_bytes(f.params, IN, n), 1);
    for (size_t i = 0; i < IN * n; i++)
        c0[i] = fixture_draw(&f, 4);
    ckks_ct_in_write(f.params, body, c0, IN, n);
    least = fmin(least, distance(body, ckks_ct_in_bytes(f.params, IN, n)));
    assert_true(least > 10 * UNIFORM);
    privacy_report(1, "layout image: deviations of CT_IN and CT_OUT from uniform", largest_distance,
                   UNIFORM, least);
    free(c0);
    free(body);
    image_run_wipe(&s);
    fixture_wipe(&f);
}

#define ROWS ((size_t)IMAGES * OUT)

/* One query asked twice, all polynomials equal. How many of the differences of c1' look uniform: the
 * same row of both answers, and all pairs of rows of one answer, of one image or of two. */
static void count_uniform(struct fixture *f, size_t *repeats, size_t *pairs)
{
    const size_t n = f->params->n;
    struct image_run first, second;
    begin(&first, f, LARGEST, ALL_ZERO);
    begin(&second, f, LARGEST, ALL_ZERO);
    const unsigned bits = first.k + f->params->guard_bits;
    image_run_step(&first, f, NULL);
    f->counter -= IMAGES * IN; /* the same c1 again: as if the query were resent */
    image_run_step(&second, f, NULL);
    *repeats = *pairs = 0;
    for (size_t i = 0; i < ROWS; i++) {
        *repeats += difference_uniform(first.c1s + i * n, second.c1s + i * n, n, bits);
        for (size_t j = i + 1; j < ROWS; j++)
            *pairs += difference_uniform(first.c1s + i * n, first.c1s + j * n, n, bits);
    }
    image_run_wipe(&first);
    image_run_wipe(&second);
}

static void test_same_query_twice(void **state)
{
    (void)state;
    const size_t all_pairs = ROWS * (ROWS - 1) / 2;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        size_t repeats, pairs;
        fixture_init(&f, set, 72);
        count_uniform(&f, &repeats, &pairs);
        assert_int_equal(repeats, ROWS);
        assert_int_equal(pairs, all_pairs);
        const size_t related = ROWS + all_pairs - repeats - pairs;
        /* control: one encryption of zero for all; rows of different images have other c1 */
        const size_t n = f.params->n;
        uint8_t *shared = fixture_alloc(RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n), 1);
        assert_int_equal(prg_fill(f.g, shared, RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n)),
                         MP2ML_OK);
        const struct ckks_test_hooks hooks = {.fixed_random = shared};
        ckks_set_test_hooks(f.ck, &hooks);
        count_uniform(&f, &repeats, &pairs);
        assert_int_equal(repeats, 0);
        assert_int_equal(pairs, OUT * OUT);
        privacy_report(2, "layout image: related pairs of answers to one query", (double)related, 1,
                       (double)(ROWS + all_pairs - repeats - pairs));
        free(shared);
        fixture_wipe(&f);
    }
}

/* ---- a client that would choose c1 = floor(q/2^12) for one ciphertext, 0 for the others ---------
 * Without re-randomisation coefficient j of c1' is then w_j * 2^(k+g-12): the whole polynomial. */

static uint64_t *structured_c1(const struct fixture *f)
{
    const struct ckks_params *p = f->params;
    uint64_t *c1 = fixture_alloc((size_t)IMAGES * IN * p->primes * p->n, sizeof *c1);
    ring_u128 q = 1;
    for (unsigned i = 0; i < p->primes; i++)
        q *= p->q[i];
    for (unsigned j = 0; j < p->primes; j++) /* a constant is itself in the NTT domain */
        for (size_t i = 0; i < p->n; i++)
            c1[j * p->n + i] = (uint64_t)((q >> 12) % p->q[j]);
    return c1;
}

/* How many of the weights of the first row's first polynomial the client reads correctly. */
static size_t weights_read(struct fixture *f)
{
    struct image_run s;
    uint64_t *c1 = structured_c1(f);
    const size_t n = f->params->n;
    size_t right = 0;
    begin(&s, f, ALL_ZERO, ALL_ZERO);
    for (size_t i = 0; i < (size_t)IN * OUT * n; i++)
        s.weights[i] = (int32_t)(fixture_draw(f, 30) % 2047) - 1023;
    image_run_step(&s, f, c1);
    const unsigned drop = s.k + f->params->guard_bits - 12;
    for (size_t i = 0; i < n; i++) {
        const uint64_t top = ((s.c1s[i] + ((uint64_t)1 << (drop - 1))) >> drop) & 4095;
        right += (top >= 2048 ? (int)top - 4096 : (int)top) == s.weights[i];
    }
    image_run_wipe(&s);
    free(c1);
    return right;
}

static void test_structured_c1(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 73);
        const size_t n = f.params->n, read = weights_read(&f);
        assert_in_range(read, 0, 8); /* by chance N/4096 */
        const struct ckks_test_hooks bare = {.no_rerandomisation = true}, none = {0};
        ckks_set_test_hooks(f.ck, &bare);
        const size_t bare_read = weights_read(&f);
        assert_int_equal(bare_read, n);
        privacy_report(3, "layout image: weights read with a structured c1", (double)read, 9,
                       (double)bare_read);
        ckks_set_test_hooks(f.ck, &none);
        /* control: a = 0, as if the client could choose it; u then hides nothing, e1 is small */
        uint64_t *zero = fixture_alloc(f.params->primes * n, sizeof *zero);
        ckks_public_key_free(f.pk);
        assert_int_equal(ckks_public_key_new_chosen(&f.pk, f.ck, zero, zero), MP2ML_OK);
        const size_t zero_read = weights_read(&f);
        assert_int_equal(zero_read, n);
        privacy_report(3, "layout image: weights read where nobody chooses a = 0", (double)read, 9,
                       (double)zero_read);
        free(zero);
        fixture_wipe(&f);
    }
}

/* The client's share alone is uniform for zero and for greatest results. */
static void test_shares_uniform(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, CKKS_S1, 74);
    for (int kind = 0; kind < KINDS; kind++) {
        struct image_run s;
        begin(&s, &f, (enum kind)kind, LARGEST);
        image_run_step(&s, &f, NULL);
        const size_t values = s.images * s.used, bytes = bits_size(values, s.k);
        uint8_t *packed = fixture_alloc(bytes, 1);
        size_t at = 0;
        bits_pack(packed, &at, s.y, values, s.k);
        const double apart = distance(packed, bytes);
        assert_true(apart < UNIFORM);
        for (size_t i = 0; i < values; i++) /* control: the sum of both shares is not */
            s.y[i] -= s.r[i];
        at = 0;
        memset(packed, 0, bytes);
        bits_pack(packed, &at, s.y, values, s.k);
        const double together = distance(packed, bytes);
        assert_true(together > UNIFORM);
        privacy_report(4, "layout image: deviations of the client's share from uniform", apart,
                       UNIFORM, together);
        free(packed);
        image_run_wipe(&s);
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
