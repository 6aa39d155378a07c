/* SPDX-License-Identifier: Apache-2.0
 *
 * One linear step, client -> server -> client, against exact sums: the error of the shares is at
 * most 4 LSB for all shapes, rings and extremes, and has the deviation and bias of the table. */
#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "ckks_fixture.h"
#include "privacy_report.h"

enum fill { RANDOM, ZERO, LARGEST, SMALLEST, ONE_HOT, FILLS };

static void fill_step(struct linear *s, struct fixture *f, enum fill fill, unsigned weight_bits)
{
    const int top = (1 << (weight_bits - 1)) - 1;
    const uint64_t mask = ((uint64_t)1 << s->l) - 1, sign = (uint64_t)1 << (s->l - 1);
    for (size_t i = 0; i < s->inputs * s->used; i++) {
        uint64_t x = fill == RANDOM ? fixture_draw(f, s->l) : fill == LARGEST ? sign - 1 : sign;
        x = fill == ZERO ? 0 : x;
        s->client_x[i] = fixture_draw(f, s->l); /* shares are uniform, whatever the value */
        s->server_x[i] = (x - s->client_x[i]) & mask;
    }
    for (size_t i = 0; i < s->outputs * s->inputs; i++)
        s->weights[i] =
            (int16_t)(fill == RANDOM    ? (int)(fixture_draw(f, 30) % (2 * (unsigned)top + 1)) - top
                      : fill == LARGEST ? top
                      : fill == SMALLEST ? -top
                      : fill == ONE_HOT  ? (i % s->inputs == i / s->inputs % s->inputs)
                                         : 0);
    for (size_t i = 0; i < s->outputs; i++)
        s->bias[i] = fill == RANDOM ? fixture_draw(f, s->l) : fill == LARGEST ? mask : 0;
    linear_masks(s, f);
}

static double norm2(const struct linear *s, size_t row)
{
    double sum = 0;
    for (size_t i = 0; i < s->inputs; i++)
        sum += (double)s->weights[row * s->inputs + i] * s->weights[row * s->inputs + i];
    return sqrt(sum);
}

/* Moments of the errors of all values. */
struct moments {
    double count, sum, square, largest;
};

/* Against the exact sums of another row, `shift` further, where that is not 0: a control. */
static void add_errors_of(struct moments *m, const struct linear *s, size_t shift)
{
    const uint64_t mask = ((uint64_t)1 << s->k) - 1;
    uint64_t *sums = fixture_alloc(s->used, sizeof *sums);
    for (size_t row = 0; row < s->outputs; row++) {
        linear_sums(s, sums, (row + shift) % s->outputs);
        for (size_t j = 0; j < s->used; j++) {
            uint64_t y = s->y[row * s->used + j];
            assert_true(y <= mask);
            uint64_t share = (y - s->r[row * s->used + j]) & mask;
            double e = share_error(share, sums[j], s->l, s->k);
            m->count++;
            m->sum += e;
            m->square += e * e;
            m->largest = fmax(m->largest, fabs(e));
        }
    }
    free(sums);
}

static void add_errors(struct moments *m, const struct linear *s)
{
    add_errors_of(m, s, 0);
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        size_t inputs, outputs;
        unsigned l, k, weight_bits;
    } shapes[] = {
        {1, 1, 20, 10, 8},  {25, 5, 22, 12, 8},  {7, 3, 16, 16, 5}, {17, 18, 32, 16, 6},
        {30, 2, 24, 14, 7}, {100, 4, 38, 12, 8}, {3, 2, 20, 20, 3}, {2, 5, 21, 13, 11},
    };
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 20);
        const size_t used[3] = {1, 5, f.params->n};
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int fill = 0; fill < FILLS; fill++)
                for (int u = 0; u < (shapes[i].inputs <= 7 ? 3 : 2); u++) {
                    struct linear s;
                    struct moments m = {0};
                    linear_init(&s, &f, shapes[i].inputs, shapes[i].outputs, used[u], shapes[i].l,
                                shapes[i].k);
                    fill_step(&s, &f, (enum fill)fill, shapes[i].weight_bits);
                    for (size_t row = 0; row < s.outputs; row++)
                        assert_true(ckks_norm_fits(f.params, norm2(&s, row), s.k));
                    linear_run(&s, &f, NULL);
                    add_errors(&m, &s);
                    assert_true(m.largest <= 4);
                    linear_wipe(&s);
                }
        fixture_wipe(&f);
    }
}

/* S2 takes what S1 does not: the widest ring, full weights, many inputs. */
static void test_large_norms(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, CKKS_S2, 21);
    for (unsigned k = 10; k <= 20; k += 10)
        for (int fill = 0; fill < FILLS; fill++) {
            struct linear s;
            struct moments m = {0};
            linear_init(&s, &f, 300, 2, 3, 48, k);
            fill_step(&s, &f, (enum fill)fill, 11);
            linear_run(&s, &f, NULL);
            add_errors(&m, &s);
            assert_true(m.largest <= 4);
            linear_wipe(&s);
        }
    fixture_wipe(&f);
}

static double sigma_of(const struct moments *m)
{
    const double mean = m->sum / m->count;
    return sqrt(m->square / m->count - mean * mean);
}

/* Deviation and bias of the table, over more than a million values of a set; for the report over
 * more than 10^7. */
static void test_error_law(void **state)
{
    (void)state;
    const int rounds = getenv("MP2ML_PRIVACY_REPORT") != NULL ? 40 : 4;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        struct moments m = {0}, other = {0};
        fixture_init(&f, set, 22);
        for (int round = 0; round < rounds; round++) {
            struct linear s;
            linear_init(&s, &f, 5, ((size_t)1 << 18) / f.params->n, f.params->n, 24, 12);
            fill_step(&s, &f, RANDOM, 6);
            linear_run(&s, &f, NULL);
            add_errors(&m, &s);
            if (round == 0)
                add_errors_of(&other, &s, 1);
            linear_wipe(&s);
        }
        const double mean = m.sum / m.count, sigma = sigma_of(&m);
        const double bias = ldexp(1, -(int)f.params->guard_bits - 1);
        assert_true(m.count >= 1e6);
        assert_true(m.largest <= 4);
        assert_true(fabs(sigma / f.params->sigma - 1) < 0.03);
        assert_true(fabs(mean - bias) < 4.5 * sigma / sqrt(m.count)); /* a third of S1's bias */
        privacy_report(5, "largest error of a share, in LSB, over 10^7 values of a set", m.largest,
                       4, other.largest);
        privacy_report(5, "relative error of the deviation of the shares' error",
                       fabs(sigma / f.params->sigma - 1), 0.03,
                       fabs(sigma_of(&other) / f.params->sigma - 1));
        fixture_wipe(&f);
    }
}

/* The bytes do not depend on the number of threads. */
static void test_threads(void **state)
{
    (void)state;
    struct fixture f, one;
    fixture_init(&f, CKKS_S1, 23);
    fixture_init(&one, CKKS_S1, 23);
    struct linear s;
    linear_init(&s, &f, 2, 37, 4, 20, 12);
    fill_step(&s, &f, RANDOM, 6);
    struct linear again;
    linear_init(&again, &one, 2, 37, 4, 20, 12);
    fill_step(&again, &one, RANDOM, 6);
#ifdef _OPENMP
    omp_set_num_threads(5);
#endif
    linear_run(&s, &f, NULL);
#ifdef _OPENMP
    omp_set_num_threads(1);
#endif
    linear_run(&again, &one, NULL);
    assert_memory_equal(s.ct_in, again.ct_in, s.ct_in_bytes);
    assert_memory_equal(s.ct_out, again.ct_out, s.ct_out_bytes);
    linear_wipe(&s);
    linear_wipe(&again);
    fixture_wipe(&f);
    fixture_wipe(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_large_norms),
        cmocka_unit_test(test_error_law),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
