/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of sets against the protocol's text, the two rules, and the costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ckks/ckks.h"

static void test_table(void **state)
{
    (void)state;
    const struct ckks_params *s1 = ckks_params(CKKS_S1), *s2 = ckks_params(CKKS_S2);
    assert_non_null(s1);
    assert_non_null(s2);
    assert_null(ckks_params(0));
    assert_null(ckks_params(3));
    assert_string_equal(s1->name, "S1");
    assert_string_equal(s2->name, "S2");
    assert_int_equal(s1->q[0], UINT64_C(2199023190017));
    assert_int_equal(s2->q[0], s1->q[0]);
    assert_int_equal(s2->q[1], UINT64_C(4398046486529));
    for (unsigned set = 1; set <= 2; set++) {
        const struct ckks_params *p = ckks_params(set);
        assert_int_equal(p->set, set);
        assert_int_equal(p->n, (size_t)1 << p->log_n);
        assert_int_equal(p->primes, set);
        for (unsigned i = 0; i < p->primes; i++) {
            assert_int_equal(p->q[i] >> (p->q_bits[i] - 1), 1);
            assert_int_equal(p->q[i] % (2 * p->n), 1);
            uint64_t d = 3; /* prime, by trial division */
            while (d * d <= p->q[i] && p->q[i] % d != 0)
                d += 2;
            assert_true(d * d > p->q[i]);
        }
    }
    assert_int_equal(s1->n, 2048);
    assert_int_equal(s2->n, 4096);
    assert_int_equal(s1->max_l, 38);
    assert_int_equal(s2->max_l, 48);
    assert_int_equal(s1->guard_bits, 5);
    assert_int_equal(s2->guard_bits, 6);
}

static void test_norm_rule(void **state)
{
    (void)state;
    const struct ckks_params *s1 = ckks_params(CKKS_S1), *s2 = ckks_params(CKKS_S2);
    /* S1 at k = 12: (2^41 - 2^16 + 1) / 2^18 / 3.24 = 2589076.4 */
    assert_true(ckks_norm_fits(s1, 2589076.0, 12));
    assert_false(ckks_norm_fits(s1, 2589077.0, 12));
    assert_true(ckks_norm_fits(s1, 0, 16));
    assert_true(ckks_norm_fits(s1, 161817.0, 16));
    assert_false(ckks_norm_fits(s1, 161818.0, 16));
    assert_true(ckks_norm_fits(s1, 10113.0, 20));
    assert_false(ckks_norm_fits(s1, 10114.0, 20));
    /* the widest row of greatest weights fits S2 by far */
    assert_true(ckks_norm_fits(s2, 1023.0 * 1000, 20));
}

static void test_leak(void **state)
{
    (void)state;
    const struct ckks_params *s2 = ckks_params(CKKS_S2);
    /* log2(0.8*3.24) + 14 + 20 - 83 = -47.6 */
    double leak = ckks_log2_leak(s2, 16384, 20);
    assert_true(leak > -47.63 && leak < -47.62);
    assert_true(ckks_log2_leak(s2, 32768, 20) - leak > 0.999);
    assert_true(ckks_log2_leak(s2, 16384, 21) - leak > 0.999);
    assert_true(ckks_log2_leak(ckks_params(CKKS_S1), 1, 16) > -40);
}

static void test_cost(void **state)
{
    (void)state;
    const struct ckks_params *s1 = ckks_params(CKKS_S1), *s2 = ckks_params(CKKS_S2);
    struct cost a = ckks_cost_linear(s1, 3, 2, 6, 12, 2048);
    assert_int_equal(a.bytes_to_server, 3 * 2048 * 41 / 8);
    assert_int_equal(a.bytes_to_client, 2 * 2048 * (17 + 12) / 8);
    assert_int_equal(a.flights, 2);
    assert_true(a.client_seconds > 0 && a.server_seconds > 0 && a.memory > 0);
    struct cost b = ckks_cost_linear(s2, 1, 1, 1, 16, 1);
    assert_int_equal(b.bytes_to_server, (41 + 42 + 7) / 8);
    assert_int_equal(b.bytes_to_client, (4096 * 22 + 16 + 7) / 8);
    struct cost c = ckks_cost_linear(s1, 3, 2, 600, 12, 2048);
    assert_true(c.server_seconds > a.server_seconds);
    assert_int_equal(c.bytes_to_server, a.bytes_to_server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_norm_rule),
        cmocka_unit_test(test_leak),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
