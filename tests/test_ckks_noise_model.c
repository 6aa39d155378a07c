/* SPDX-License-Identifier: Apache-2.0
 *
 * The noise model against the measured error of real steps: deviation, bias, tails and shares of
 * whole-number results, also where encryption noise counts. */
#include <math.h>

#include "ckks_fixture.h"

struct law {
    double count, sum, square, far; /* far: errors beyond 1 LSB */
};

static uint64_t switched(const struct ckks_params *params, struct ckks_noise_model *m, uint64_t sum,
                         unsigned l, unsigned k, double norm2)
{
    ckks_switch_clear(params, m, &sum, 1, l, k, norm2);
    return sum;
}

static void add(struct law *law, double e)
{
    law->count++;
    law->sum += e;
    law->square += e * e;
    law->far += fabs(e) > 1;
}

static double mean(const struct law *law)
{
    return law->sum / law->count;
}

static double sigma(const struct law *law)
{
    return sqrt(law->square / law->count - mean(law) * mean(law));
}

/* Errors of a real step with random weights below 2^(weight_bits-1); returns the largest norm. */
static double measure(struct law *law, struct fixture *f, size_t inputs, size_t outputs, unsigned l,
                      unsigned k, unsigned weight_bits)
{
    const int top = (1 << (weight_bits - 1)) - 1;
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    struct linear s;
    linear_init(&s, f, inputs, outputs, f->params->n, l, k);
    for (size_t i = 0; i < inputs * s.used; i++)
        s.client_x[i] = fixture_draw(f, l);
    for (size_t i = 0; i < inputs * outputs; i++)
        s.weights[i] = (int16_t)(fixture_draw(f, 1) ? top : -top);
    linear_masks(&s, f);
    linear_run(&s, f, NULL);
    uint64_t *sums = fixture_alloc(s.used, sizeof *sums);
    for (size_t row = 0; row < outputs; row++) {
        linear_sums(&s, sums, row);
        for (size_t j = 0; j < s.used; j++) {
            uint64_t share = (s.y[row * s.used + j] - s.r[row * s.used + j]) & mask;
            add(law, share_error(share, sums[j], l, k));
        }
    }
    free(sums);
    linear_wipe(&s);
    return top * sqrt((double)inputs);
}

static void model(struct law *law, struct fixture *f, double count, unsigned l, unsigned k,
                  double norm2)
{
    struct ckks_noise_model m;
    ckks_noise_model_init(&m, 12345);
    while (law->count < count) {
        uint64_t sum = fixture_draw(f, l);
        uint64_t share = switched(f->params, &m, sum, l, k, norm2);
        assert_true(share >> k == 0);
        double e = share_error(share, sum, l, k);
        assert_true(fabs(e) <= 4);
        add(law, e);
    }
}

static void test_against_measured(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        struct law real = {0}, modelled = {0};
        fixture_init(&f, set, 30);
        double norm2 = measure(&real, &f, 4, ((size_t)1 << 20) / f.params->n, 23, 13, 6);
        model(&modelled, &f, 4e6, 23, 13, norm2);
        assert_true(fabs(sigma(&modelled) / sigma(&real) - 1) < 0.01);
        assert_true(fabs(sigma(&modelled) / f.params->sigma - 1) < 0.01);
        const double bias = ldexp(1, -(int)f.params->guard_bits - 1);
        assert_true(fabs(mean(&modelled) - bias) < 4.5 * sigma(&modelled) / 2000);
        assert_true(fabs(mean(&modelled) - mean(&real)) < 4.5 * sigma(&real) * sqrt(1.25e-6));
        double far = modelled.far / modelled.count, real_far = real.far / real.count;
        assert_true(far > 0 && fabs(real_far / far - 1) < 0.05);
        fixture_wipe(&f);
    }
}

/* A norm six times above S1's rule at k = 20: encryption noise adds 1.8 % to the deviation, so a
 * model without it would fail. */
static void test_encryption_noise(void **state)
{
    (void)state;
    struct fixture f;
    struct law real = {0}, modelled = {0}, without = {0};
    fixture_init(&f, CKKS_S1, 31);
    double norm2 = measure(&real, &f, 4000, 64, 30, 20, 11);
    assert_false(ckks_norm_fits(f.params, norm2, 20));
    model(&modelled, &f, 1e6, 30, 20, norm2);
    model(&without, &f, 1e6, 30, 20, 0);
    assert_true(fabs(sigma(&modelled) / sigma(&real) - 1) < 0.008);
    assert_true(sigma(&real) / sigma(&without) > 1.01);
    fixture_wipe(&f);
}

static void test_repeatable(void **state)
{
    (void)state;
    const struct ckks_params *p = ckks_params(CKKS_S1);
    struct ckks_noise_model a, b, c;
    int differ = 0;
    ckks_noise_model_init(&a, 1);
    ckks_noise_model_init(&b, 1);
    ckks_noise_model_init(&c, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t x = switched(p, &a, i * 517, 20, 12, 100);
        assert_int_equal(x, switched(p, &b, i * 517, 20, 12, 100));
        differ += x != switched(p, &c, i * 517, 20, 12, 100);
    }
    assert_true(differ > 100);
    /* high bits of the sum are a wrap and do not count */
    ckks_noise_model_init(&b, 7);
    ckks_noise_model_init(&c, 7);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(switched(p, &b, i, 20, 12, 0),
                         switched(p, &c, i + ((uint64_t)i << 20), 20, 12, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_measured),
        cmocka_unit_test(test_encryption_noise),
        cmocka_unit_test(test_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
