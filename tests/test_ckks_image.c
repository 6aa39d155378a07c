/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout image: sums of products of polynomials against the schoolbook, modulo q exactly and
 * through a whole step within 4 LSB for all shapes, rings and extremes; the deviation and bias of the
 * error; threads; bodies that are refused. */
#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "ckks/ckks_kernels.h"
#include "ckks_image_fixture.h"
#include "privacy_report.h"
#include "ring/ring.h"

/* ---- modulo q -------------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;

/* sum_i x_i * w_i mod (X^n + 1, q), by the definition. */
static void schoolbook(uint64_t *out, const uint64_t *x, const int32_t *w, size_t inputs, size_t n,
                       size_t x_stride, uint64_t q)
{
    wide *sum = fixture_alloc(n, sizeof *sum);
    for (size_t i = 0; i < inputs; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t b = 0; b < n; b++) {
                const wide product = (wide)x[i * x_stride + b] * w[i * n + j];
                sum[(j + b) % n] += j + b < n ? product : -product;
            }
    for (size_t j = 0; j < n; j++) {
        const wide rest = sum[j] % (wide)q;
        out[j] = (uint64_t)(rest < 0 ? rest + (wide)q : rest);
    }
    free(sum);
}

static void test_products_modulo_q(void **state)
{
    (void)state;
    enum { INPUTS = 3 };
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 60);
        const size_t n = f.params->n, words = n * f.params->primes;
        struct ckks_image *image;
        struct ring *ring;
        assert_int_equal(ring_new(&ring, f.params->log_n, f.params->q, f.params->primes), MP2ML_OK);
        assert_int_equal(ckks_image_new(&image, f.ck, INPUTS, 1, INPUTS, INPUTS), MP2ML_OK);
        int32_t *w = fixture_alloc(INPUTS * n, sizeof *w);
        uint64_t *x = fixture_alloc(INPUTS * words, sizeof *x);
        uint64_t *want = fixture_alloc(n, sizeof *want), *got = fixture_alloc(n, sizeof *got);
        for (size_t i = 0; i < INPUTS * n; i++)
            w[i] = (int32_t)(fixture_draw(&f, 40) % 2097151) - 1048575;
        for (size_t i = 0; i < INPUTS * words; i++)
            x[i] = fixture_draw(&f, 41) % f.params->q[0];
        for (uint32_t i = 0; i < INPUTS; i++) {
            image->products[i] = (struct ckks_product){i, i};
            ckks_image_set(image, f.ck, i, w + i * n);
        }
        for (unsigned p = 0; p < f.params->primes; p++) {
            schoolbook(want, x + p * n, w, INPUTS, n, words, f.params->q[p]);
            for (size_t i = 0; i < INPUTS; i++)
                ring_ntt(ring, p, x + i * words + p * n);
            ckks_kernels_portable()->image_products(&ring->prime[p].mod, got, NULL, x + p * n,
                                                    words, image->polys + p * n, words,
                                                    image->products, INPUTS, n);
            ring_intt(ring, p, got);
            assert_memory_equal(got, want, n * sizeof *got);
        }
        ckks_image_free(image);
        ring_free(ring);
        free(w);
        free(x);
        free(want);
        free(got);
        fixture_wipe(&f);
    }
}

/* ---- whole steps ----------------------------------------------------------------------------- */

enum fill { RANDOM, ZERO, LARGEST, SMALLEST, ONE_HOT, FILLS };

/* `taps` weights of every polynomial are not zero. */
static void fill_step(struct image_run *s, struct fixture *f, enum fill fill, size_t taps)
{
    const size_t n = f->params->n;
    const uint64_t mask = ((uint64_t)1 << s->l) - 1, sign = (uint64_t)1 << (s->l - 1);
    for (size_t i = 0; i < s->images * s->in_cts * n; i++) {
        const uint64_t x = fill == RANDOM    ? fixture_draw(f, s->l)
                           : fill == ZERO    ? 0
                           : fill == LARGEST ? sign - 1
                                             : sign;
        s->client_x[i] = fixture_draw(f, s->l);
        s->server_x[i] = (x - s->client_x[i]) & mask;
    }
    for (size_t p = 0; p < s->in_cts * s->out_cts; p++)
        for (size_t t = 0; t < taps; t++)
            s->weights[p * n + (t * 37 + p + (t > 3 ? n / 2 : 0)) % n] =
                fill == RANDOM     ? (int)(fixture_draw(f, 30) % 2047) - 1023
                : fill == LARGEST  ? CKKS_MAX_WEIGHT
                : fill == SMALLEST ? -CKKS_MAX_WEIGHT
                : fill == ONE_HOT  ? t == taps / 2
                                   : 0;
    for (size_t i = 0; i < s->used; i++)
        s->bias[i] = fill == RANDOM ? fixture_draw(f, s->l) : fill == LARGEST ? mask : 0;
    image_run_masks(s, f);
}

static double norm2(const struct image_run *s, size_t n, size_t ct)
{
    double sum = 0;
    for (size_t i = 0; i < s->in_cts * n; i++) {
        const double w = s->weights[ct * s->in_cts * n + i];
        sum += w * w;
    }
    return sqrt(sum);
}

struct moments {
    double count, sum, square, largest;
};

/* Against the exact sums of the row `shift` further on, where that is not 0: a control. */
static void add_errors(struct moments *m, const struct image_run *s, const struct fixture *f,
                       size_t shift)
{
    const uint64_t mask_k = ((uint64_t)1 << s->k) - 1, mask_l = ((uint64_t)1 << s->l) - 1;
    const size_t rows = s->images * s->out_cts;
    uint64_t *sums = fixture_alloc(f->params->n, sizeof *sums);
    for (size_t row = 0; row < rows; row++) {
        const size_t from = ckks_places_before(&s->places, row);
        const uint32_t first = s->first[row % s->out_cts];
        const uint32_t last = s->first[row % s->out_cts + 1];
        image_run_sums(s, f, sums, (row + shift) % rows);
        for (size_t i = first; i < last; i++) {
            const uint64_t y = s->y[from + i - first];
            const uint64_t sum = (sums[s->coefficient[i]] + s->bias[i]) & mask_l;
            const uint64_t share = (y - s->r[from + i - first]) & mask_k;
            const double e = share_error(share, sum, s->l, s->k);
            assert_true(y <= mask_k);
            m->count++;
            m->sum += e;
            m->square += e * e;
            m->largest = fmax(m->largest, fabs(e));
        }
    }
    free(sums);
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        size_t images, in_cts, out_cts, offset, stride, taps;
        unsigned l, k;
    } shapes[] = {
        {1, 1, 1, 0, 1, 2048, 24, 12},  {1, 5, 3, 168, 169, 169, 26, 14},
        {3, 1, 2, 2047, 1, 25, 38, 16}, {2, 2, 5, 7, 100, 30, 20, 20},
        {4, 3, 1, 0, 2, 9, 16, 10},
    };
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 61);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int fill = 0; fill < FILLS; fill++) {
                struct image_run s;
                struct moments m = {0};
                image_run_init(&s, &f, shapes[i].images, shapes[i].in_cts, shapes[i].out_cts,
                               shapes[i].offset, shapes[i].stride, shapes[i].l, shapes[i].k);
                fill_step(&s, &f, (enum fill)fill, shapes[i].taps);
                for (size_t ct = 0; ct < s.out_cts; ct++)
                    assert_true(ckks_norm_fits(f.params, norm2(&s, f.params->n, ct), s.k));
                image_run_step(&s, &f, NULL);
                add_errors(&m, &s, &f, 0);
                assert_true(m.largest <= 4);
                assert_true(m.count == (double)(s.images * s.used));
                image_run_wipe(&s);
            }
        fixture_wipe(&f);
    }
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
        fixture_init(&f, set, 62);
        for (int round = 0; round < rounds; round++) {
            struct image_run s;
            image_run_init(&s, &f, ((size_t)1 << 16) / f.params->n, 2, 4, 0, 1, 24, 12);
            fill_step(&s, &f, RANDOM, 13);
            image_run_step(&s, &f, NULL);
            add_errors(&m, &s, &f, 0);
            if (round == 0)
                add_errors(&other, &s, &f, 1);
            image_run_wipe(&s);
        }
        const double mean = m.sum / m.count, sigma = sigma_of(&m);
        const double bias = ldexp(1, -(int)f.params->guard_bits - 1);
        assert_true(m.count >= 1e6);
        assert_true(m.largest <= 4);
        assert_true(fabs(sigma / f.params->sigma - 1) < 0.03);
        assert_true(fabs(mean - bias) < 4.5 * sigma / sqrt(m.count));
        privacy_report(5,
                       "layout image: largest error of a share, in LSB, over 10^7 values of a set",
                       m.largest, 4, other.largest);
        privacy_report(5, "layout image: relative error of the deviation of the shares' error",
                       fabs(sigma / f.params->sigma - 1), 0.03,
                       fabs(sigma_of(&other) / f.params->sigma - 1));
        fixture_wipe(&f);
    }
}

/* The bytes do not depend on the number of threads. */
static void test_threads(void **state)
{
    (void)state;
    uint8_t *bodies[2][2];
    size_t in = 0, out = 0;
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct image_run s;
        fixture_init(&f, CKKS_S1, 63);
        image_run_init(&s, &f, 6, 2, 7, 3, 5, 20, 12);
        fill_step(&s, &f, RANDOM, 20);
#ifdef _OPENMP
        omp_set_num_threads(i == 0 ? 5 : 1);
#endif
        image_run_step(&s, &f, NULL);
        in = s.ct_in_bytes;
        out = s.ct_out_bytes;
        bodies[i][0] = s.ct_in;
        bodies[i][1] = s.ct_out;
        s.ct_in = s.ct_out = NULL;
        image_run_wipe(&s);
        fixture_wipe(&f);
    }
    assert_memory_equal(bodies[0][0], bodies[1][0], in);
    assert_memory_equal(bodies[0][1], bodies[1][1], out);
    for (int i = 0; i < 4; i++)
        free(bodies[i / 2][i % 2]);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static void test_bodies(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        const struct ckks_params *p = ckks_params(set);
        const size_t n = p->n, rows = 3, used = 7;
        const unsigned k = 13;
        const size_t bits = rows * n * (k + p->guard_bits) + used * k;
        const size_t bytes = ckks_image_out_bytes(p, k, rows, used);
        assert_int_equal(bytes, (bits + 7) / 8);
        assert_true(bits % 8 != 0);
        uint8_t *body = fixture_alloc(bytes, 1);
        uint64_t *c1s = fixture_alloc(rows * n, 8), *c1r = fixture_alloc(rows * n, 8);
        uint64_t c0s[7], c0r[7];
        for (size_t i = 0; i < rows * n; i++)
            c1s[i] = (i * 2654435761u) & (((uint64_t)1 << (k + p->guard_bits)) - 1);
        for (size_t i = 0; i < used; i++)
            c0s[i] = i * 1117 + 1;
        ckks_image_out_write(p, body, c1s, c0s, k, rows, used);
        assert_int_equal(ckks_image_out_read(p, c1r, c0r, body, k, rows, used), MP2ML_OK);
        assert_memory_equal(c1r, c1s, rows * n * 8);
        assert_memory_equal(c0r, c0s, sizeof c0s);
        body[bytes - 1] |= 0x80; /* padding */
        assert_int_equal(ckks_image_out_read(p, c1r, c0r, body, k, rows, used), MP2ML_ERR_PROTOCOL);
        for (size_t i = 0; i < rows * n; i++)
            assert_int_equal(c1r[i], 0);
        assert_int_equal(ckks_image_out_bytes(p, k, SIZE_MAX / 2, used), SIZE_MAX);
        free(body);
        free(c1s);
        free(c1r);
    }
}

/* Output ciphertexts without products, and polynomials that several products share. */
static void test_shared_and_missing_products(void **state)
{
    (void)state;
    struct fixture f;
    struct image_run s;
    fixture_init(&f, CKKS_S1, 64);
    image_run_init(&s, &f, 1, 1, 2, 0, 3, 24, 12);
    fill_step(&s, &f, RANDOM, 50);
    memset(s.weights + f.params->n, 0, f.params->n * sizeof *s.weights); /* of ciphertext 1 */
    image_run_step(&s, &f, NULL);
    struct moments m = {0};
    add_errors(&m, &s, &f, 0);
    assert_true(m.largest <= 4);
    /* The same sums where ciphertext 1 has no product at all, and with half the weights twice. */
    const size_t n = f.params->n;
    struct ckks_image *image;
    assert_int_equal(ckks_image_new(&image, f.ck, 1, 2, 1, 2), MP2ML_OK);
    for (size_t j = 0; j < n; j++)
        s.weights[j] *= 2; /* what the two products make */
    int32_t *w = fixture_alloc(n, sizeof *w);
    for (size_t j = 0; j < n; j++)
        w[j] = s.weights[j] / 2;
    ckks_image_set(image, f.ck, 0, w);
    image->first[1] = image->first[2] = 2;
    uint64_t *x = fixture_alloc(n, 8), *bu = fixture_alloc(2 * n, 8);
    assert_int_equal(
        ckks_encrypt(f.ck, f.s, f.client_stream, f.counter, f.g, f.arena, x, s.client_x, s.l, 1, n),
        MP2ML_OK);
    uint64_t *c1 = fixture_alloc(n, 8);
    assert_int_equal(ckks_expand_c1(f.ck, f.server_stream, f.counter, f.arena, c1, 1), MP2ML_OK);
    assert_int_equal(
        ckks_image_answer_c1(f.ck, f.pk, f.g, f.arena, image, s.c1s, bu, c1, s.k, 0, 2), MP2ML_OK);
    ckks_add_plain(f.ck, x, s.server_x, s.l, 1, n);
    ckks_image_ntt(f.ck, x, 1);
    assert_int_equal(ckks_image_answer_c0(f.ck, f.arena, image, &s.places, s.y, x, bu, s.bias, s.r,
                                          s.l, s.k, 0, 2),
                     MP2ML_OK);
    assert_int_equal(ckks_image_decode(f.ck, f.s, f.arena, &s.places, s.y, s.c1s, s.y, s.k, 0, 2),
                     MP2ML_OK);
    m = (struct moments){0};
    add_errors(&m, &s, &f, 0);
    assert_true(m.largest <= 4);
    ckks_image_free(image);
    free(w);
    free(x);
    free(bu);
    free(c1);
    image_run_wipe(&s);
    fixture_wipe(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products_modulo_q),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_error_law),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_shared_and_missing_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
