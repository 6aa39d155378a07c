/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: alignment, limits, wiping, and in ASan builds the poison around the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

static bool all_zero(const unsigned char *p, size_t n)
{
    unsigned char any = 0;
    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

static void test_take(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 63, 64, 65, 1000, 0, 128};
    struct arena *a;
    assert_int_equal(arena_new(&a, 100000), MP2ML_OK);
    size_t need = 0;
    unsigned char *before = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *p = arena_take(a, sizes[i], 3);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_true(all_zero(p, 3 * sizes[i]));
        memset(p, 0xff, 3 * sizes[i]);
        assert_true(before == NULL || p >= before);
        before = p + 3 * sizes[i];
        need += arena_need(sizes[i], 3);
        assert_int_equal(arena_mark(a), need);
        assert_int_equal(arena_peak(a), need);
    }
    arena_free(a);
    arena_free(NULL);
}

/* arena_need is exact: what it says fits, and one byte less does not. */
static void test_exact(void **state)
{
    (void)state;
    for (size_t n = 1; n < 300; n += 7) {
        struct arena *a;
        size_t need = arena_need(n, 5) + arena_need(3, n);
        assert_int_equal(arena_new(&a, need), MP2ML_OK);
        assert_non_null(arena_take(a, n, 5));
        assert_non_null(arena_take(a, 3, n));
        assert_null(arena_take(a, 1, 1));
        assert_int_equal(arena_mark(a), need);
        arena_free(a);
        assert_int_equal(arena_new(&a, need - 1), MP2ML_OK);
        assert_non_null(arena_take(a, n, 5));
        assert_null(arena_take(a, 3, n));
        arena_free(a);
    }
}

static void test_overflow(void **state)
{
    (void)state;
    struct arena *a;
    assert_int_equal(arena_new(&a, 4096), MP2ML_OK);
    assert_null(arena_take(a, SIZE_MAX, 1));
    assert_null(arena_take(a, SIZE_MAX / 2 + 1, 2)); /* the product wraps to 0 */
    assert_null(arena_take(a, SIZE_MAX - 62, 1));    /* the rounding would wrap */
    assert_true(arena_need(SIZE_MAX / 2 + 1, 2) == SIZE_MAX);
    assert_true(arena_need(SIZE_MAX - 62, 1) == SIZE_MAX);
    assert_int_equal(arena_mark(a), 0);
    assert_non_null(arena_take(a, 1, 1));
    arena_free(a);
    a = (struct arena *)&state;
    assert_int_equal(arena_new(&a, SIZE_MAX), MP2ML_ERR_MEMORY);
    assert_null(a);
#ifndef WITH_ASAN /* which by default ends the program instead of returning NULL */
    assert_int_equal(arena_new(&a, SIZE_MAX / 4), MP2ML_ERR_MEMORY);
    assert_null(a);
#endif
}

static void test_rewind(void **state)
{
    (void)state;
    struct arena *a;
    assert_int_equal(arena_new(&a, 10000), MP2ML_OK);
    unsigned char *keep = arena_take(a, 100, 1);
    memset(keep, 7, 100);
    size_t mark = arena_mark(a);
    unsigned char *p = arena_take(a, 1000, 1);
    memset(p, 0xee, 1000);
    assert_non_null(arena_take(a, 2000, 1));
    size_t peak = arena_peak(a);
    arena_rewind(a, mark);
    assert_int_equal(arena_mark(a), mark);
    assert_int_equal(arena_peak(a), peak);
    unsigned char *again = arena_take(a, 3000, 1); /* the same place, wiped */
    assert_ptr_equal(again, p);
    assert_true(all_zero(again, 3000));
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(keep[i], 7);
    arena_rewind(a, 0);
    arena_rewind(a, 0);
    assert_true(all_zero(arena_take(a, 100, 1), 100));
    arena_free(a);
}

static void test_poison(void **state)
{
    (void)state;
#ifdef WITH_ASAN
    struct arena *a;
    assert_int_equal(arena_new(&a, 10000), MP2ML_OK);
    size_t mark = arena_mark(a);
    unsigned char *p = arena_take(a, 100, 1);
    unsigned char *q = arena_take(a, 64, 1);
    assert_false(__asan_address_is_poisoned(p + 99));
    assert_true(__asan_address_is_poisoned(p + 100));
    assert_true(__asan_address_is_poisoned(q - 1));
    assert_true(__asan_address_is_poisoned(q + 64));
    arena_rewind(a, mark);
    assert_true(__asan_address_is_poisoned(p));
    assert_true(__asan_address_is_poisoned(q));
    arena_free(a);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),     cmocka_unit_test(test_exact),
        cmocka_unit_test(test_overflow), cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
