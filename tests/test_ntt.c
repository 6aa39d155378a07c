/* SPDX-License-Identifier: Apache-2.0
 *
 * The transform against its definition and the reference's values; products against the schoolbook;
 * and what ring_new refuses. */
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

static uint64_t state_ = 88172645463325252u;

static uint64_t draw(void)
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

static struct ring *make(unsigned log_n, uint64_t q)
{
    struct ring *ring;
    assert_int_equal(ring_new(&ring, log_n, &q, 1), MP2ML_OK);
    return ring;
}

static uint64_t *row(size_t n)
{
    uint64_t *x = calloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

/* Trial division: the greatest prime below 2^bits, or the least above 2^(bits-1), 1 mod 2N. */
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

static void test_psi(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors_psi / sizeof *vectors_psi; i++) {
        struct ring *ring = make(vectors_psi[i].log_n, vectors_psi[i].q);
        assert_int_equal(ring->prime[0].psi, vectors_psi[i].psi);
        ring_free(ring);
    }
}

static void test_reference_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors_ntt / sizeof *vectors_ntt; i++) {
        const struct vector_ntt *v = &vectors_ntt[i];
        struct ring *ring = make(v->log_n, v->q);
        uint64_t *x = row(ring->n);
        for (uint64_t j = 0; j < ring->n; j++)
            x[j] = (uint64_t)(((ring_u128)j * j * 12345678901u + j * 987654321u + 7) % v->q);
        ring_ntt(ring, 0, x);
        assert_int_equal(x[v->index], v->value);
        free(x);
        ring_free(ring);
    }
}

/* Every index of small transforms against evaluation at psi^(2*brv(i)+1). */
static void test_definition(void **state)
{
    (void)state;
    for (unsigned log_n = 5; log_n <= 8; log_n++) {
        struct ring *ring = make(log_n, log_n % 2 ? Q1 : Q2);
        const struct modulus *m = &ring->prime[0].mod;
        uint64_t *x = row(ring->n), *y = row(ring->n);
        for (size_t j = 0; j < ring->n; j++)
            x[j] = y[j] = draw() % m->q;
        ring_ntt(ring, 0, y);
        for (size_t i = 0; i < ring->n; i++) {
            size_t reversed = 0;
            for (unsigned b = 0; b < log_n; b++)
                reversed |= (i >> b & 1) << (log_n - 1 - b);
            uint64_t at = modulus_pow(m, ring->prime[0].psi, 2 * reversed + 1), value = 0;
            for (size_t j = ring->n; j-- > 0;)
                value = modulus_add(m, modulus_mul(m, value, at), x[j]);
            assert_int_equal(y[i], value);
        }
        free(x);
        free(y);
        ring_free(ring);
    }
}

static void schoolbook(const struct modulus *m, uint64_t *out, const uint64_t *a, const uint64_t *b,
                       size_t n)
{
    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            uint64_t v = (uint64_t)((ring_u128)a[i] * b[j] % m->q);
            size_t k = (i + j) % n;
            out[k] = i + j < n ? (out[k] + v) % m->q : (out[k] + m->q - v) % m->q;
        }
}

/* fill: 0 random, 1 all q - 1, 2 zeros and a single one at the top. */
static void check_laws(struct ring *ring, int fill)
{
    const size_t n = ring->n;
    const struct modulus *m = &ring->prime[0].mod;
    uint64_t *a = row(n), *b = row(n), *ta = row(n), *tb = row(n), *want = row(n), *sum = row(n);
    for (size_t j = 0; j < n; j++) {
        a[j] = fill == 0 ? draw() % m->q : fill == 1 ? m->q - 1 : j == n - 1;
        b[j] = fill == 1 ? m->q - 1 : draw() % m->q;
        sum[j] = draw() % m->q;
    }
    memcpy(ta, a, n * sizeof *a);
    memcpy(tb, b, n * sizeof *b);
    ring_ntt(ring, 0, ta);
    for (size_t j = 0; j < n; j++)
        assert_true(ta[j] < m->q);
    memcpy(want, ta, n * sizeof *a);
    ring_intt(ring, 0, want);
    assert_memory_equal(want, a, n * sizeof *a);
    ring_ntt(ring, 0, tb);
    for (size_t j = 0; j < n; j++)
        want[j] = (sum[j] + (uint64_t)((ring_u128)ta[j] * tb[j] % m->q)) % m->q;
    ring_mul_add(ring, 0, sum, ta, tb);
    assert_memory_equal(sum, want, n * sizeof *sum);
    ring_mul(ring, 0, ta, ta, tb);
    ring_intt(ring, 0, ta);
    schoolbook(m, want, a, b, n);
    assert_memory_equal(ta, want, n * sizeof *ta);
    free(a), free(b), free(ta), free(tb), free(want), free(sum);
}

static void test_laws(void **state)
{
    (void)state;
    for (unsigned log_n = 5; log_n <= 9; log_n++)
        for (unsigned bits = 21; bits <= 50; bits += 29)
            for (int greatest = 0; greatest < 2; greatest++) {
                struct ring *ring = make(log_n, find_prime(bits, log_n, greatest));
                for (int fill = 0; fill < 3; fill++)
                    check_laws(ring, fill);
                ring_free(ring);
            }
    struct ring *ring = make(11, Q1);
    check_laws(ring, 0);
    ring_free(ring);
    ring = make(12, Q2);
    check_laws(ring, 1);
    ring_free(ring);
}

static void test_small(void **state)
{
    (void)state;
    struct ring *ring = make(8, Q1);
    uint64_t x[256], y[256], z[256];
    int8_t small[256];
    for (int j = 0; j < 256; j++) {
        small[j] = (int8_t)(j - 128);
        y[j] = draw() % Q1;
        z[j] = y[j];
    }
    y[0] = z[0] = 0;
    y[255] = z[255] = Q1 - 1;
    ring_from_small(ring, 0, x, small, 256);
    ring_add_small(ring, 0, y, small, 256);
    for (uint64_t j = 0; j < 256; j++) {
        assert_int_equal(x[j], j < 128 ? Q1 - (128 - j) : j - 128);
        assert_int_equal(y[j], (z[j] + x[j]) % Q1);
    }
    ring_sub(ring, 0, y, z, x, 256);
    for (int j = 0; j < 256; j++)
        assert_int_equal(y[j], (z[j] + Q1 - x[j]) % Q1);
    ring_free(ring);
}

static void refused(unsigned log_n, uint64_t q1, uint64_t q2, unsigned primes)
{
    const uint64_t q[2] = {q1, q2};
    struct ring *ring = (struct ring *)(uintptr_t)1;
    assert_int_equal(ring_new(&ring, log_n, q, primes), MP2ML_ERR_ARGUMENT);
    assert_null(ring);
}

static void test_refused(void **state)
{
    (void)state;
    refused(11, Q1, Q1, 2);                     /* equal */
    refused(11, Q1 + 2, 0, 1);                  /* not 1 mod 2N */
    refused(11, ((uint64_t)1 << 60) + 1, 0, 1); /* too wide */
    refused(5, 65537, 0, 1);                    /* too narrow */
    refused(4, Q1, 0, 1);
    refused(16, Q1, 0, 1);
    refused(11, Q1, Q2, 0);
    refused(11, Q1, Q2, 3);
    ring_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_psi),        cmocka_unit_test(test_reference_values),
        cmocka_unit_test(test_definition), cmocka_unit_test(test_laws),
        cmocka_unit_test(test_small),      cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
