/* SPDX-License-Identifier: Apache-2.0
 *
 * Modular arithmetic against 128-bit division, over all sizes of q and at the ends of the ranges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/modulus.h"

static uint64_t state_ = 1;

static uint64_t draw(void)
{
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
}

/* Odd moduli of every size: the least, the greatest, and some between. */
static uint64_t modulus_of(unsigned bits, unsigned which)
{
    uint64_t low = ((uint64_t)1 << (bits - 1)) + 1, high = ((uint64_t)1 << bits) - 1;
    return which == 0 ? low : which == 1 ? high : (low + draw() % (high - low)) | 1;
}

static void test_init(void **state)
{
    (void)state;
    struct modulus m;
    assert_true(modulus_init(&m, ((uint64_t)1 << 50) - 1));
    assert_int_equal(m.bits, 50);
    assert_true(modulus_init(&m, ((uint64_t)1 << 20) + 1));
    assert_int_equal(m.bits, 21);
    assert_false(modulus_init(&m, ((uint64_t)1 << 50) + 1));
    assert_false(modulus_init(&m, ((uint64_t)1 << 20) - 1));
    assert_false(modulus_init(&m, ((uint64_t)1 << 30) + 2));
    assert_false(modulus_init(&m, 0));
    assert_false(modulus_init(&m, UINT64_MAX));
}

static void check_div(const struct modulus *m, ring_u128 z)
{
    uint64_t rem;
    uint64_t quotient = modulus_div(m, z, &rem);
    assert_int_equal(rem, (uint64_t)(z % m->q));
    assert_int_equal(quotient, (uint64_t)(z / m->q)); /* the low 64 bits */
}

static void test_div(void **state)
{
    (void)state;
    for (unsigned bits = 21; bits <= 50; bits++)
        for (unsigned which = 0; which < 4; which++) {
            struct modulus m;
            assert_true(modulus_init(&m, modulus_of(bits, which)));
            const ring_u128 bound = (ring_u128)1 << (bits + 61);
            check_div(&m, 0);
            check_div(&m, m.q - 1);
            check_div(&m, m.q);
            check_div(&m, bound - 1);
            check_div(&m, bound / m.q * m.q - 1);
            check_div(&m, (bound - 1) / m.q * m.q);
            check_div(&m, (ring_u128)(m.q - 1) * (m.q - 1));
            for (int i = 0; i < 500; i++) {
                ring_u128 z = ((ring_u128)draw() << 64 | draw()) >> (draw() % 64);
                z %= bound;
                check_div(&m, z);
                check_div(&m, z / m.q * m.q);
                if (z >= m.q)
                    check_div(&m, z / m.q * m.q - 1);
            }
        }
}

static void test_mul_add_sub(void **state)
{
    (void)state;
    for (unsigned bits = 21; bits <= 50; bits++)
        for (unsigned which = 0; which < 4; which++) {
            struct modulus m;
            assert_true(modulus_init(&m, modulus_of(bits, which)));
            for (int i = 0; i < 300; i++) {
                const uint64_t ends[4] = {0, 1, m.q - 1, m.q / 2};
                uint64_t a = i < 16 ? ends[i / 4] : draw() % m.q;
                uint64_t b = i < 16 ? ends[i % 4] : draw() % m.q;
                assert_int_equal(modulus_mul(&m, a, b), (uint64_t)((ring_u128)a * b % m.q));
                assert_int_equal(modulus_add(&m, a, b), (a + b) % m.q);
                assert_int_equal(modulus_sub(&m, a, b), (a + m.q - b) % m.q);
                uint64_t x = i % 3 == 0 ? UINT64_MAX - (draw() & 3) : draw();
                uint64_t lazy = modulus_mul_shoup_lazy(m.q, x, a, modulus_shoup(&m, a));
                assert_true(lazy < 2 * m.q);
                assert_int_equal(lazy % m.q, (uint64_t)((ring_u128)x * a % m.q));
            }
        }
}

static void test_inverse(void **state)
{
    (void)state;
    struct modulus m;
    assert_true(modulus_init(&m, ((uint64_t)1 << 41) - ((uint64_t)1 << 16) + 1));
    assert_int_equal(modulus_pow(&m, 5, 0), 1);
    assert_int_equal(modulus_pow(&m, 3, 5), 243);
    assert_int_equal(modulus_inverse(&m, 1), 1);
    assert_int_equal(modulus_inverse(&m, m.q - 1), m.q - 1);
    for (int i = 0; i < 200; i++) {
        uint64_t x = 1 + draw() % (m.q - 1);
        assert_int_equal(modulus_mul(&m, x, modulus_inverse(&m, x)), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_div),
        cmocka_unit_test(test_mul_add_sub),
        cmocka_unit_test(test_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
