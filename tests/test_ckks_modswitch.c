/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding and modulus switch against big integers, for both sets, on both sides of every kind of
 * rounding boundary; and the matrix product against 128-bit sums at the ends of its ranges. */
#include "ckks_fixture.h"
#include "vectors/ckks_vectors.h"

__extension__ typedef __int128 wide;

static void test_encode(void **state)
{
    (void)state;
    struct fixture f[2];
    fixture_init(&f[0], CKKS_S1, 1);
    fixture_init(&f[1], CKKS_S2, 1);
    for (size_t i = 0; i < sizeof vectors_encode / sizeof *vectors_encode; i++) {
        const struct vector_encode *v = &vectors_encode[i];
        uint64_t c[2] = {0, 0}, from[2];
        ckks_add_plain(f[v->set - 1].ck, c, &v->x, v->l, 1, 1);
        assert_int_equal(c[0], v->e[0]);
        assert_int_equal(c[1], v->e[1]);
        /* added to the greatest residues; high bits of x do not count */
        uint64_t x = v->x | (uint64_t)1 << v->l | (uint64_t)1 << 63;
        for (unsigned p = 0; p < v->set; p++)
            from[p] = f[v->set - 1].params->q[p] - 1;
        ckks_add_plain(f[v->set - 1].ck, from, &x, v->l, 1, 1);
        for (unsigned p = 0; p < v->set; p++) {
            uint64_t q = f[v->set - 1].params->q[p];
            assert_int_equal(from[p], (v->e[p] + q - 1) % q);
        }
    }
    fixture_wipe(&f[0]);
    fixture_wipe(&f[1]);
}

static void test_switch(void **state)
{
    (void)state;
    struct fixture f[2];
    fixture_init(&f[0], CKKS_S1, 1);
    fixture_init(&f[1], CKKS_S2, 1);
    for (size_t i = 0; i < sizeof vectors_switch / sizeof *vectors_switch; i++) {
        const struct vector_switch *v = &vectors_switch[i];
        uint64_t out = UINT64_MAX;
        ckks_switch_residues(f[v->set - 1].ck, &out, v->c, v->bits, 1);
        assert_int_equal(out, v->out);
    }
    /* one prime: every residue near each of the 2^10 boundaries, against the formula */
    const uint64_t q = f[0].params->q[0];
    for (uint64_t h = 0; h < 1024; h++)
        for (int d = -2; d <= 2; d++) {
            uint64_t c = (uint64_t)((int64_t)((wide)(2 * h + 1) * q / 2048) + d), out;
            wide want = (((wide)c << 11) + q) / (2 * (wide)q) % 1024;
            ckks_switch_residues(f[0].ck, &out, &c, 10, 1);
            assert_int_equal(out, (uint64_t)want);
        }
    fixture_wipe(&f[0]);
    fixture_wipe(&f[1]);
}

/* fill: 0 random, 1 greatest weights and residues, 2 least weights and greatest residues, 3 zeros.
 */
static void check_product(struct fixture *f, size_t rows, size_t cols, size_t width, int fill)
{
    const struct ckks_params *params = f->params;
    const size_t ciphertexts = cols < 64 ? cols + 3 : 64, stride = params->primes * width;
    uint64_t *in = fixture_alloc(ciphertexts * stride, sizeof *in);
    uint64_t *out = fixture_alloc(rows * stride + 1, sizeof *out);
    uint32_t *index = fixture_alloc(cols, sizeof *index);
    int16_t *w = fixture_alloc(rows * cols, sizeof *w);
    for (size_t i = 0; i < ciphertexts; i++)
        for (size_t p = 0; p < params->primes; p++)
            for (size_t j = 0; j < width; j++)
                in[i * stride + p * width + j] =
                    fill == 0 ? fixture_draw(f, 60) % params->q[p] : params->q[p] - 1 - j % 2;
    for (size_t i = 0; i < cols; i++)
        index[i] = (uint32_t)fixture_draw(f, 30) % (uint32_t)ciphertexts;
    for (size_t i = 0; i < rows * cols; i++)
        w[i] = (int16_t)(fill == 0   ? (int)(fixture_draw(f, 30) % 2047) - 1023
                         : fill == 1 ? CKKS_MAX_WEIGHT
                         : fill == 2 ? -CKKS_MAX_WEIGHT
                                     : 0);
    out[rows * stride] = 4711;
    ckks_matrix_product(f->ck, out, in, index, w, rows, cols, width);
    for (size_t r = 0; r < rows; r++)
        for (size_t p = 0; p < params->primes; p++)
            for (size_t j = 0; j < width; j++) {
                wide sum = 0;
                const wide q = (wide)params->q[p];
                for (size_t c = 0; c < cols; c++)
                    sum += (wide)w[r * cols + c] * in[index[c] * stride + p * width + j];
                sum = (sum % q + q) % q;
                assert_int_equal(out[r * stride + p * width + j], (uint64_t)sum);
            }
    assert_int_equal(out[rows * stride], 4711);
    free(in);
    free(out);
    free(index);
    free(w);
}

static void test_matrix_product(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 2);
        /* columns around the length of a block of sums, rows around a group, widths around a tile
         */
        const size_t cols[] = {1, 2, 3, 64, 1023, 1024, 1025, 2048, 2049, 4100};
        for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
            for (int fill = 0; fill < 4; fill++)
                check_product(&f, 1 + i % 3, cols[i], 5, fill);
        for (size_t rows = 1; rows <= 9; rows++)
            check_product(&f, rows, 7, 33, 0);
        const size_t widths[] = {1, 2, 255, 256, 257, 600};
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            check_product(&f, 5, 9, widths[i], 0);
        check_product(&f, 2, 3, f.params->n, 0);
        check_product(&f, 0, 3, 8, 0);
        fixture_wipe(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_matrix_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
