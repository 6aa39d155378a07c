/* SPDX-License-Identifier: Apache-2.0
 *
 * Every table of ring kernels that this processor has against the portable one, bit for bit: all
 * sizes, primes up to the widest, edge values, lengths that fill no vector, unaligned rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "ring/ring_kernels.h"

#define MOST ((size_t)1 << 13)

static uint64_t state_ = 88172645463325252u;

static uint64_t draw(void)
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

/* Rows one word off the alignment of vectors. */
static uint64_t memory[5][MOST + 1];
static uint64_t *const x = memory[0] + 1, *const y = memory[1] + 1, *const z = memory[2] + 1,
                       *const want = memory[3] + 1, *const got = memory[4] + 1;

enum fill { RANDOM, ZEROS, ONES, LARGEST, ENDS, ALTERNATING, FILLS };

static void fill_row(uint64_t *row, size_t n, uint64_t q, enum fill fill)
{
    for (size_t i = 0; i < n; i++)
        row[i] = fill == RANDOM    ? draw() % q
                 : fill == ZEROS   ? 0
                 : fill == ONES    ? 1
                 : fill == LARGEST ? q - 1
                 : fill == ENDS    ? (draw() & 1) * (q - 1)
                                   : i % 2 * (q - 1);
}

static uint64_t find_prime(unsigned bits, unsigned log_n, bool greatest)
{
    const uint64_t step = (uint64_t)2 << log_n;
    uint64_t q = greatest ? ((uint64_t)1 << bits) - step + 1 : ((uint64_t)1 << (bits - 1)) + 1;
    for (;; q = greatest ? q - step : q + step) {
        uint64_t d = 3;
        while (d * d <= q && q % d != 0)
            d += 2;
        if (d * d > q)
            return q;
    }
}

static void check_transforms(const struct ring *specified, const struct ring *ring)
{
    const size_t bytes = ring->n * sizeof(uint64_t);
    for (int fill = 0; fill < FILLS; fill++) {
        fill_row(want, ring->n, ring->prime[0].mod.q, (enum fill)fill);
        memcpy(got, want, bytes);
        ring_ntt(specified, 0, want);
        ring_ntt(ring, 0, got);
        assert_memory_equal(got, want, bytes);
        /* the same input for both ways back, so that an error forward cannot undo itself */
        fill_row(want, ring->n, ring->prime[0].mod.q, (enum fill)fill);
        memcpy(got, want, bytes);
        ring_intt(specified, 0, want);
        ring_intt(ring, 0, got);
        assert_memory_equal(got, want, bytes);
    }
}

static void check_products(const struct ring *specified, const struct ring *ring, size_t n)
{
    const struct ring_prime *prime = &ring->prime[0];
    const uint64_t q = prime->mod.q;
    for (int fill = 0; fill < FILLS; fill++) {
        fill_row(x, n + 1, q, (enum fill)fill);
        fill_row(y, n + 1, q, fill == RANDOM ? RANDOM : LARGEST);
        fill_row(z, n + 1, q, (enum fill)((fill + 3) % FILLS));
        memcpy(want, z, (n + 1) * sizeof(*z));
        memcpy(got, z, (n + 1) * sizeof(*z));
        specified->kernels->mul(&specified->prime[0], want, x, y, n);
        ring->kernels->mul(prime, got, x, y, n);
        assert_memory_equal(got, want, (n + 1) * sizeof(*z)); /* and the word behind is left */
        memcpy(got, x, (n + 1) * sizeof(*z));
        got[n] = want[n];
        ring->kernels->mul(prime, got, got, y, n);
        assert_memory_equal(got, want, (n + 1) * sizeof(*z));
        memcpy(want, z, (n + 1) * sizeof(*z));
        memcpy(got, z, (n + 1) * sizeof(*z));
        specified->kernels->mul_add(&specified->prime[0], want, x, y, n);
        ring->kernels->mul_add(prime, got, x, y, n);
        assert_memory_equal(got, want, (n + 1) * sizeof(*z));
    }
}

static void check_small(const struct ring *specified, const struct ring *ring, size_t n)
{
    const struct ring_kernels *k = ring->kernels, *p = specified->kernels;
    const struct ring_prime *prime = &ring->prime[0];
    int8_t small[300];
    for (size_t i = 0; i < n; i++)
        small[i] = i < 3 ? (int8_t)(127 * (int)i - 128) : (int8_t)(draw() >> 56);
    fill_row(want, n + 1, prime->mod.q, ENDS);
    memcpy(got, want, (n + 1) * sizeof(*got));
    p->add_small(prime, want, small, n);
    k->add_small(prime, got, small, n);
    assert_memory_equal(got, want, (n + 1) * sizeof(*got));
    p->from_small(prime, want, small, n);
    k->from_small(prime, got, small, n);
    assert_memory_equal(got, want, (n + 1) * sizeof(*got));
}

static void check_samplers(const struct ring_kernels *p, const struct ring_kernels *k, size_t n,
                           int fill)
{
    int8_t specified[2049], small[2049];
    uint8_t *random = malloc(6 * n + 1); /* the sanitizer sees a read beyond the end */
    assert_non_null(random);
    for (size_t i = 0; i < 6 * n; i++)
        random[i] = fill == 0 ? (uint8_t)(draw() >> 56) : fill == 1 ? 0 : 255;
    memset(specified, 77, sizeof specified);
    memset(small, 77, sizeof small);
    p->sample_noise(specified, random, n);
    k->sample_noise(small, random, n);
    assert_memory_equal(small, specified, sizeof small);
    if (n % 32 == 0) {
        p->sample_ternary(specified, random, n);
        k->sample_ternary(small, random, n);
        assert_memory_equal(small, specified, sizeof small);
    }
    free(random);
}

static void check_fields(const struct modulus *mod, const struct ring_kernels *p,
                         const struct ring_kernels *k, size_t n, size_t at)
{
    const size_t size = (at + n * mod->bits + 7) / 8;
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(draw() >> 56) | (i % 3 == 0 ? 0xfc : 0);
    got[n] = want[n] = 4711;
    const size_t kept = p->take_below(mod, want, bytes, size, at, n);
    assert_int_equal(k->take_below(mod, got, bytes, size, at, n), kept);
    assert_memory_equal(got, want, kept * sizeof(*got));
    assert_int_equal(got[n], 4711);
    free(bytes);
}

static void check_ring(const struct ring_kernels *kernels, unsigned log_n, uint64_t q)
{
    struct ring *specified, *ring;
    assert_int_equal(ring_new_with(&specified, log_n, &q, 1, ring_kernels_portable()), MP2ML_OK);
    assert_int_equal(ring_new_with(&ring, log_n, &q, 1, kernels), MP2ML_OK);
    check_transforms(specified, ring);
    for (size_t n = 0; n <= 17; n++) {
        check_products(specified, ring, n);
        check_small(specified, ring, n);
    }
    check_products(specified, ring, ring->n < 2048 ? ring->n : 2048);
    check_small(specified, ring, 299);
    for (size_t n = 1; n <= 33; n++)
        for (size_t at = 0; at < 17; at++)
            check_fields(&ring->prime[0].mod, specified->kernels, kernels, n, at);
    ring_free(specified);
    ring_free(ring);
}

static void check_table(const struct ring_kernels *kernels)
{
    if (kernels == NULL)
        skip();
    /* the sets' primes, then the least and greatest on both sides of the bounds on width */
    for (unsigned log_n = 5; log_n <= 12; log_n++) {
        check_ring(kernels, log_n, UINT64_C(2199023190017));
        check_ring(kernels, log_n, UINT64_C(4398046486529));
    }
    const unsigned bits[] = {21, 30, 42, 43};
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++)
        for (int greatest = 0; greatest < 2; greatest++) {
            const uint64_t q = find_prime(bits[i], 13, greatest);
            check_ring(kernels, 7, q);
            check_ring(kernels, 13, q);
        }
    check_ring(kernels, 11, UINT64_C(1125899906826241)); /* the greatest of 50 bits */
    for (size_t n = 0; n <= 32; n++)
        for (int fill = 0; fill < 3; fill++)
            check_samplers(ring_kernels_portable(), kernels, n, fill);
    for (size_t n = 64; n <= 2048; n += 32 + n / 4 / 32 * 32)
        for (int fill = 0; fill < 3; fill++)
            check_samplers(ring_kernels_portable(), kernels, n, fill);
    check_samplers(ring_kernels_portable(), kernels, 2048, 0);
}

static void test_avx2(void **state)
{
    (void)state;
    check_table(ring_kernels_avx2());
}

static void test_avx512(void **state)
{
    (void)state;
    check_table(ring_kernels_avx512());
}

/* MP2ML_CPU=portable leaves the portable table alone, for ring_new as well. */
static void test_choice(void **state)
{
    (void)state;
    const uint64_t q = UINT64_C(2199023190017);
    const enum cpu_level level = cpu_level();
    struct ring *ring;
    assert_true((ring_kernels_avx512() != NULL) == (level == CPU_AVX512));
    assert_true(level >= CPU_AVX2 || ring_kernels_avx2() == NULL);
    assert_int_equal(ring_new(&ring, 11, &q, 1), MP2ML_OK);
    if (level == CPU_PORTABLE)
        assert_string_equal(ring->kernels->name, "portable");
    if (level == CPU_AVX512)
        assert_string_equal(ring->kernels->name, "avx512");
    ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
