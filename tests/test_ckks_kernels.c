/* SPDX-License-Identifier: Apache-2.0
 *
 * Every table of ckks kernels that this processor has against the portable one, bit for bit, over
 * edge values, shapes around every block size, and all widths of numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "ckks/ckks.h"
#include "ckks/ckks_kernels.h"

#define Q1 UINT64_C(2199023190017)
#define Q2 UINT64_C(4398046486529)

static uint64_t state_ = 88172645463325252u;

static uint64_t draw(void)
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

static void *alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    assert_non_null(p);
    return p;
}

/* fill: 0 random, 1 greatest weights and residues, 2 least weights and greatest residues, 3 zero
 * weights, 4 greatest weights and residues 0 or q - 1. */
static void check_tile(const struct ckks_kernels *k, uint64_t q, size_t rows, size_t cols,
                       size_t width, int fill)
{
    const struct ckks_kernels *p = ckks_kernels_portable();
    const size_t in_stride = width + 1, out_stride = width + 3, inputs = 7;
    struct modulus mod;
    assert_true(modulus_init(&mod, q));
    uint64_t *in = alloc(inputs * in_stride, sizeof *in);
    uint64_t *want = alloc(rows * out_stride, sizeof *want);
    uint64_t *got = alloc(rows * out_stride, sizeof *got);
    uint32_t *index = alloc(cols, sizeof *index);
    int16_t *w = alloc(rows * cols, sizeof *w);
    for (size_t i = 0; i < inputs * in_stride; i++)
        in[i] = fill == 0 ? draw() % q : fill == 4 ? (draw() & 1) * (q - 1) : q - 1;
    for (size_t i = 0; i < cols; i++)
        index[i] = (uint32_t)(draw() % inputs);
    for (size_t i = 0; i < rows * cols; i++)
        w[i] = (int16_t)(fill == 0   ? (int)(draw() % 2047) - 1023
                         : fill == 2 ? -CKKS_MAX_WEIGHT
                         : fill == 3 ? 0
                                     : CKKS_MAX_WEIGHT);
    for (size_t r = 0; r < rows; r += p->tile_rows)
        p->matrix_tile(&mod, want + r * out_stride, out_stride, in, in_stride, index, w + r * cols,
                       rows - r < p->tile_rows ? rows - r : p->tile_rows, cols, width);
    k->matrix_tile(&mod, got, out_stride, in, in_stride, index, w, rows, cols, width);
    assert_memory_equal(got, want, rows * out_stride * sizeof *got); /* gaps between rows are 0 */
    free(in);
    free(want);
    free(got);
    free(index);
    free(w);
}

static void check_tiles(const struct ckks_kernels *k)
{
    const uint64_t q[] = {Q1, Q2, ((uint64_t)1 << 41) + 27, 2097143, 1048583};
    const size_t cols[] = {1, 2, 7, 8, 9, 127, 128, 129, 845, 1023, 1024, 1025, 2049, 3073};
    for (unsigned i = 0; i < sizeof q / sizeof *q; i++) {
        for (unsigned c = 0; c < sizeof cols / sizeof *cols; c++)
            for (int fill = 0; fill < 5; fill++)
                check_tile(k, q[i], 1 + (c + (unsigned)fill) % 8, cols[c], c % 2 ? 5 : 19, fill);
        for (size_t width = 1; width <= k->tile_width; width++)
            check_tile(k, q[i], 3, 11, width, 0);
        for (size_t rows = 1; rows <= 14; rows++)
            check_tile(k, q[i], rows, 25, rows % 2 ? k->tile_width : 8, 0);
        check_tile(k, q[i], k->tile_rows, 131, k->tile_width, 0);
        check_tile(k, q[i], k->tile_rows - 1, 3, k->tile_width - 1, 1);
    }
}

/* fill: 0 random, 1 greatest residues, 2 zero. Sums in place, onto another polynomial or onto zero. */
static void check_products(const struct ckks_kernels *k, uint64_t q, size_t count, size_t width,
                           int fill)
{
    enum { POLYS = 5 };
    const size_t in_stride = width + 8, poly_stride = width + 16;
    struct modulus mod;
    assert_true(modulus_init(&mod, q));
    uint64_t *in = alloc(POLYS * in_stride, sizeof *in);
    uint64_t *polys = alloc(POLYS * poly_stride, sizeof *polys);
    uint64_t *start = alloc(width, sizeof *start);
    uint64_t *want = alloc(width + 1, sizeof *want), *got = alloc(width + 1, sizeof *got);
    struct ckks_product *products = alloc(count + 1, sizeof *products);
    for (size_t i = 0; i < POLYS * in_stride; i++)
        in[i] = fill == 0 ? draw() % q : fill == 1 ? q - 1 : 0;
    for (size_t i = 0; i < POLYS * poly_stride; i++)
        polys[i] = fill == 0 ? draw() % q : q - 1;
    for (size_t i = 0; i < width; i++)
        start[i] = fill == 0 ? draw() % q : q - 1;
    for (size_t i = 0; i < count; i++)
        products[i] = (struct ckks_product){(uint32_t)(draw() % POLYS), (uint32_t)(draw() % POLYS)};
    const struct ckks_kernels *p = ckks_kernels_portable();
    p->image_products(&mod, want, NULL, in, in_stride, polys, poly_stride, products, count, width);
    k->image_products(&mod, got, NULL, in, in_stride, polys, poly_stride, products, count, width);
    assert_memory_equal(got, want, (width + 1) * sizeof *got);
    for (size_t j = 0; j < width; j++) { /* the definition */
        uint64_t sum = 0;
        for (size_t i = 0; i < count; i++)
            sum = modulus_add(&mod, sum,
                              modulus_mul(&mod, in[products[i].in * in_stride + j],
                                          polys[products[i].poly * poly_stride + j]));
        assert_int_equal(want[j], sum);
        want[j] = modulus_add(&mod, sum, start[j]);
    }
    k->image_products(&mod, got, start, in, in_stride, polys, poly_stride, products, count, width);
    assert_memory_equal(got, want, width * sizeof *got);
    k->image_products(&mod, start, start, in, in_stride, polys, poly_stride, products, count,
                      width);
    assert_memory_equal(start, want, width * sizeof *got);
    free(in);
    free(polys);
    free(start);
    free(want);
    free(got);
    free(products);
}

static void check_image_products(const struct ckks_kernels *k)
{
    const uint64_t q[] = {Q1, Q2, ((uint64_t)1 << 41) + 27, 2097143, 1048583};
    const size_t counts[] = {0, 1, 2, 5, 45, 4095, 4096, 9001};
    for (unsigned i = 0; i < sizeof q / sizeof *q; i++)
        for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++)
            for (int fill = 0; fill < 3; fill++)
                check_products(k, q[i], counts[c], 32 * (1 + c % 3), fill);
}

/* Values at the ends of the range, around the roundings, and random ones. */
static uint64_t edge(uint64_t q, size_t i)
{
    const uint64_t edges[] = {0, 1, 2, q / 2, q / 2 + 1, q / 4, q - 2, q - 1};
    return i < 8 ? edges[i] : draw() % q;
}

static void check_encode(const struct ckks_kernels *k, const struct rns *rns, unsigned max_l)
{
    enum { COUNT = 77, STRIDE = 80 };
    uint64_t x[COUNT], want[2 * STRIDE], got[2 * STRIDE];
    for (unsigned l = 1; l <= max_l; l++)
        for (size_t count = COUNT; count != 0; count = count > 60 ? count - 13 : count / 3) {
            for (size_t i = 0; i < count; i++) {
                x[i] = i < 12 ? edge((uint64_t)1 << l, i % 8) : draw();
                x[i] |= i >= 8 && i < 12 ? draw() << l : 0; /* bits that do not count */
            }
            for (size_t i = 0; i < (size_t)2 * STRIDE; i++)
                want[i] = edge(rns->mod[i / STRIDE % rns->primes].q, draw() % 16);
            memcpy(got, want, sizeof got);
            ckks_kernels_portable()->encode_add(rns, want, STRIDE, x, l, count);
            k->encode_add(rns, got, STRIDE, x, l, count);
            assert_memory_equal(got, want, sizeof got);
        }
}

/* With two primes, numbers C next to (2h+1)*q/2^(bits+1), where the rounding changes. */
static void check_switch(const struct ckks_kernels *k, const struct rns *rns)
{
    enum { COUNT = 203, STRIDE = 210 };
    uint64_t c[2 * STRIDE], want[COUNT + 1], got[COUNT + 1];
    for (unsigned bits = 1; bits <= 26; bits++) {
        for (size_t i = 0; i < COUNT; i++) {
            const uint64_t h = draw() & (((uint64_t)1 << bits) - 1);
            /* q < 2^84: in steps of 2^40, so that (2h+1)*q does not overflow; then to the edge */
            ring_u128 step = rns->q >> (bits + 1), rest = rns->q & (((ring_u128)2 << bits) - 1);
            ring_u128 at = (2 * h + 1) * step + (((2 * h + 1) * rest) >> (bits + 1));
            at = at + i % 5 - 2;
            for (unsigned p = 0; p < rns->primes; p++)
                c[p * STRIDE + i] =
                    i < 50 ? edge(rns->mod[p].q, i % 10) : (uint64_t)(at % rns->mod[p].q);
        }
        for (size_t count = COUNT; count != 0; count = count > 190 ? count - 3 : count / 2) {
            want[count] = got[count] = 4711;
            ckks_kernels_portable()->switch_bits(rns, want, c, STRIDE, bits, count);
            k->switch_bits(rns, got, c, STRIDE, bits, count);
            assert_memory_equal(got, want, (count + 1) * sizeof *got);
        }
        memcpy(got, c, sizeof got); /* in place */
        ckks_kernels_portable()->switch_bits(rns, want, c, STRIDE, bits, COUNT);
        k->switch_bits(rns, c, c, STRIDE, bits, COUNT);
        assert_memory_equal(c, want, COUNT * sizeof *c);
    }
}

static void check_table(const struct ckks_kernels *k)
{
    if (k == NULL)
        skip();
    const uint64_t q[] = {Q1, Q2}, reversed[] = {Q2, Q1}, wide[] = {UINT64_C(1125899906826241), Q1};
    struct rns one, two, other, large;
    assert_true(rns_init(&one, q, 1));
    assert_true(rns_init(&two, q, 2));
    assert_true(rns_init(&other, reversed, 2));
    assert_true(rns_init(&large, wide, 1));
    check_tiles(k);
    check_image_products(k);
    check_encode(k, &one, 41);
    check_encode(k, &two, 48);
    check_encode(k, &other, 48);
    check_encode(k, &large, 48);
    check_switch(k, &one);
    check_switch(k, &two);
    check_switch(k, &other);
    check_switch(k, &large);
}

static void test_portable(void **state)
{
    (void)state;
    check_image_products(ckks_kernels_portable()); /* against the definition */
}

static void test_avx2(void **state)
{
    (void)state;
    check_table(ckks_kernels_avx2());
}

static void test_avx512(void **state)
{
    (void)state;
    check_table(ckks_kernels_avx512());
}

static void test_choice(void **state)
{
    (void)state;
    assert_true((ckks_kernels_avx512() != NULL) == (cpu_level() == CPU_AVX512));
    assert_true((ckks_kernels_avx2() != NULL) == (cpu_level() >= CPU_AVX2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_portable),
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
