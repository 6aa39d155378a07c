/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers: known answers, the laws of the distributions, and reading uniform residues where about
 * half of all fields are dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/ring.h"
#include "vectors/ckks_vectors.h"

#define Q1 UINT64_C(2199023190017)
#define Q2 UINT64_C(4398046486529)
#define SAMPLES ((size_t)1 << 20)

static struct ring *ring; /* the samplers take only its kernels */

static int make_ring(void **state)
{
    const uint64_t q = Q1;
    (void)state;
    return ring_new(&ring, 5, &q, 1) == MP2ML_OK ? 0 : -1;
}

static int free_ring(void **state)
{
    (void)state;
    ring_free(ring);
    return 0;
}

static void test_known(void **state)
{
    (void)state;
    int8_t small[128];
    ring_sample_ternary(ring, small, vector_small_bytes, 128);
    assert_memory_equal(small, vector_ternary, 128);
    ring_sample_noise(ring, small, vector_small_bytes, 64);
    assert_memory_equal(small, vector_noise, 64);
    uint8_t bytes[48];
    memset(bytes, 0, sizeof bytes);
    ring_sample_ternary(ring, small, bytes, 96);
    for (int i = 0; i < 96; i++)
        assert_int_equal(small[i], -1);
    ring_sample_noise(ring, small, bytes, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(small[i], -21);
    memset(bytes, 255, sizeof bytes);
    ring_sample_ternary(ring, small, bytes, 96);
    for (int i = 0; i < 96; i++)
        assert_int_equal(small[i], 1);
    ring_sample_noise(ring, small, bytes, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(small[i], 21);
}

static uint8_t *random_bytes(size_t n)
{
    static const uint8_t seed[32] = {7};
    struct prg *g;
    uint8_t *bytes = malloc(n);
    assert_non_null(bytes);
    assert_int_equal(prg_new_seeded(&g, seed), MP2ML_OK);
    assert_int_equal(prg_fill(g, bytes, n), MP2ML_OK);
    prg_free(g);
    return bytes;
}

/* Pairs of neighbours among nine: chi-square of 8 degrees of freedom below 40 (beyond 10^-5). */
static void test_ternary_law(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(RING_TERNARY_BYTES(SAMPLES));
    int8_t *small = malloc(SAMPLES);
    assert_non_null(small);
    ring_sample_ternary(ring, small, bytes, SAMPLES);
    double count[9] = {0}, chi = 0;
    for (size_t i = 0; i < SAMPLES; i += 2) {
        assert_in_range(small[i] + 1, 0, 2);
        count[3 * (small[i] + 1) + small[i + 1] + 1]++;
    }
    for (int i = 0; i < 9; i++) {
        double want = (double)SAMPLES / 18;
        chi += (count[i] - want) * (count[i] - want) / want;
    }
    assert_true(chi < 40);
    free(small);
    free(bytes);
}

/* Counts from -10 to 10 and both tails against the binomial law: 22 degrees of freedom. */
static void test_noise_law(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(RING_NOISE_BYTES(SAMPLES));
    int8_t *small = malloc(SAMPLES);
    assert_non_null(small);
    ring_sample_noise(ring, small, bytes, SAMPLES);
    double law[43], count[23] = {0}, want[23] = {0}, chi = 0, square = 0;
    law[0] = 1.0 / (double)((uint64_t)1 << 42);
    for (int i = 1; i < 43; i++)
        law[i] = law[i - 1] * (43 - i) / i;
    for (int i = 0; i < 43; i++) {
        int bin = i < 11 ? 0 : i > 31 ? 22 : i - 10;
        want[bin] += law[i] * (double)SAMPLES;
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        int v = small[i] + 21;
        count[v < 11 ? 0 : v > 31 ? 22 : v - 10]++;
        square += small[i] * small[i];
    }
    for (int i = 0; i < 23; i++)
        chi += (count[i] - want[i]) * (count[i] - want[i]) / want[i];
    assert_true(chi < 65);
    assert_true(square / (double)SAMPLES > 10.4 && square / (double)SAMPLES < 10.6);
    free(small);
    free(bytes);
}

/* N = 32 with primes just above powers of two: many drops, and the second prime's fields begin in
 * the middle of a byte. */
static void test_uniform_with_drops(void **state)
{
    (void)state;
    struct ring *two;
    struct xof *x;
    uint64_t out[64];
    uint8_t bytes[1024];
    assert_int_equal(ring_new(&two, 5, vector_uniform_q, 2), MP2ML_OK);
    assert_int_equal(xof_new(&x, vector_uniform_seed, 32, "pk-a", "T"), MP2ML_OK);
    assert_int_equal(ring_uniform_read(two, out, x, 5), MP2ML_OK);
    assert_memory_equal(out, vector_uniform, sizeof out);
    assert_int_equal(xof_read(x, bytes, sizeof bytes, 5, 0), MP2ML_OK);
    memset(out, 0, sizeof out);
    assert_true(ring_uniform_parse(two, out, bytes, sizeof bytes));
    assert_memory_equal(out, vector_uniform, sizeof out);
    /* 64 residues need 172 bytes even without a drop; below what they do need parsing fails. */
    size_t least = sizeof bytes;
    while (least >= 16 && ring_uniform_parse(two, out, bytes, least - 16))
        least -= 16;
    assert_in_range(least, 240, 600);
    assert_false(ring_uniform_parse(two, out, bytes, 0));
    assert_true(ring_uniform_parse(two, out, bytes, least));
    assert_memory_equal(out, vector_uniform, sizeof out);
    xof_free(x);
    ring_free(two);
}

static void test_uniform_of_sets(void **state)
{
    (void)state;
    const uint64_t q[2] = {Q1, Q2};
    const unsigned bits[2] = {41, 42};
    for (size_t i = 0; i < sizeof vectors_a / sizeof *vectors_a; i++) {
        const struct vector_a *v = &vectors_a[i];
        const unsigned primes = v->set;
        const size_t n = primes == 1 ? 2048 : 4096, size = ring_uniform_bytes(n, bits, primes);
        struct ring *set;
        struct xof *x;
        uint8_t *bytes = malloc(size);
        uint64_t *a = calloc(2 * n, sizeof *a), sum = 0;
        assert_true(bytes != NULL && a != NULL);
        assert_int_equal(size % 16, 0);
        assert_int_equal(ring_new(&set, primes == 1 ? 11 : 12, q, primes), MP2ML_OK);
        assert_int_equal(xof_new(&x, vector_uniform_seed, 32, "pk-a", primes == 1 ? "S1" : "S2"),
                         MP2ML_OK);
        for (int slow = 0; slow < 2; slow++) {
            if (slow) {
                assert_int_equal(ring_uniform_read(set, a, x, 0), MP2ML_OK);
            } else {
                assert_int_equal(xof_read(x, bytes, size, 0, 0), MP2ML_OK);
                assert_true(ring_uniform_parse(set, a, bytes, size));
            }
            sum = 0;
            for (size_t j = 0; j < primes * n; j++)
                sum += a[j];
            assert_int_equal(a[0], v->first);
            assert_int_equal(a[1], v->second);
            assert_int_equal(a[n - 1], v->last_q1);
            assert_int_equal(a[(primes - 1) * n], v->first_last);
            assert_int_equal(a[primes * n - 1], v->last);
            assert_int_equal(sum, v->sum);
        }
        free(bytes);
        free(a);
        xof_free(x);
        ring_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),           cmocka_unit_test(test_ternary_law),
        cmocka_unit_test(test_noise_law),       cmocka_unit_test(test_uniform_with_drops),
        cmocka_unit_test(test_uniform_of_sets),
    };
    return cmocka_run_group_tests(tests, make_ring, free_ring);
}
