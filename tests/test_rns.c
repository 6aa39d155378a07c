/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of residues and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/rns.h"

#define Q1 UINT64_C(2199023190017)
#define Q2 UINT64_C(4398046486529)

static uint64_t state_ = 362436069;

static uint64_t draw(void)
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

static void check(const struct rns *rns, ring_u128 c)
{
    const uint64_t q1 = rns->mod[0].q, q2 = rns->mod[1].q;
    const uint64_t r[2] = {(uint64_t)(c % q1), (uint64_t)(c % q2)};
    assert_true(rns_lift(rns, r) == c);
    /* v1*q2 + v2*q1 = c mod q, the identity that the modulus switch rests on */
    const uint64_t v1 = rns_numerator(rns, 0, r[0]), v2 = rns_numerator(rns, 1, r[1]);
    assert_true(v1 < q1 && v2 < q2);
    assert_true(((ring_u128)v1 * q2 + (ring_u128)v2 * q1) % rns->q == c);
}

static void test_pairs(void **state)
{
    (void)state;
    const uint64_t moduli[3][2] = {{Q1, Q2}, {Q2, Q1}, {1048583, UINT64_C(1125899906842597)}};
    for (int i = 0; i < 3; i++) {
        struct rns rns;
        assert_true(rns_init(&rns, moduli[i], 2));
        assert_true(rns.q == (ring_u128)moduli[i][0] * moduli[i][1]);
        check(&rns, 0);
        check(&rns, 1);
        check(&rns, rns.q - 1);
        check(&rns, rns.q / 2);
        for (unsigned p = 0; p < 2; p++) {
            check(&rns, moduli[i][p]);
            check(&rns, rns.q - moduli[i][p]);
        }
        for (int j = 0; j < 2000; j++)
            check(&rns, ((ring_u128)draw() << 64 | draw()) % rns.q);
    }
}

static void test_one_prime(void **state)
{
    (void)state;
    struct rns rns;
    const uint64_t q = Q1;
    assert_true(rns_init(&rns, &q, 1));
    for (int j = 0; j < 100; j++) {
        uint64_t c = draw() % Q1;
        assert_true(rns_lift(&rns, &c) == c);
        assert_int_equal(rns_numerator(&rns, 0, c), c);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct rns rns;
    const uint64_t equal[2] = {Q1, Q1}, even[2] = {Q1, Q2 + 1};
    assert_false(rns_init(&rns, equal, 2));
    assert_false(rns_init(&rns, even, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_one_prime),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
