/* SPDX-License-Identifier: Apache-2.0
 *
 * Masks over edge values and pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/crypto.h"

static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 UINT64_C(0x7fffffff),
                                 UINT64_C(0x80000000),
                                 UINT64_C(0xffffffff),
                                 UINT64_C(0x100000000),
                                 UINT64_C(0x7fffffffffffffff),
                                 UINT64_C(0x8000000000000000),
                                 UINT64_C(0x8000000000000001),
                                 UINT64_MAX - 1,
                                 UINT64_MAX};
#define EDGES (sizeof edges / sizeof *edges)

static void test_words(void **state)
{
    (void)state;
    assert_true(mask_from_bit(0) == 0);
    assert_true(mask_from_bit(1) == UINT64_MAX);
    assert_true(mask_from_bit(2) == 0); /* only the lowest bit counts */
    for (size_t i = 0; i < EDGES; i++) {
        uint64_t a = edges[i];
        assert_true(mask_barrier(a) == a);
        assert_true(mask_nonzero(a) == (a != 0 ? UINT64_MAX : 0));
        for (size_t j = 0; j < EDGES; j++) {
            uint64_t b = edges[j];
            assert_true(mask_equal(a, b) == (a == b ? UINT64_MAX : 0));
            assert_true(mask_less(a, b) == (a < b ? UINT64_MAX : 0));
            assert_true(mask_select(UINT64_MAX, a, b) == a);
            assert_true(mask_select(0, a, b) == b);
        }
    }
}

/* Each single bit of difference at each place is seen. */
static void test_bytes(void **state)
{
    (void)state;
    uint8_t a[33], b[33];
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = b[i] = (uint8_t)(i * 37);
    for (size_t n = 0; n <= sizeof a; n++) {
        assert_int_equal(mask_bytes_equal(a, b, n), 1);
        for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
            b[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(mask_bytes_equal(a, b, n), bit / 8 >= n);
            b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
