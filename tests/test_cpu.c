/* SPDX-License-Identifier: Apache-2.0
 *
 * Levels of the processor, and how MP2ML_CPU lowers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(cpu_level_name(CPU_PORTABLE), "portable");
    assert_string_equal(cpu_level_name(CPU_AVX2), "avx2");
    assert_string_equal(cpu_level_name(CPU_AVX512), "avx512");
}

static void test_levels(void **state)
{
    (void)state;
    unsetenv("MP2ML_CPU");
    const enum cpu_level machine = cpu_level();
    const bool aes = cpu_has_aes();
    for (int level = CPU_PORTABLE; level <= CPU_AVX512; level++) {
        setenv("MP2ML_CPU", cpu_level_name((enum cpu_level)level), 1);
        enum cpu_level got = cpu_level();
        assert_int_equal(got, (int)machine < level ? machine : (enum cpu_level)level);
        assert_int_equal(cpu_has_aes(), level != CPU_PORTABLE && aes);
        assert_true(got < CPU_AVX2 || cpu_has_aes());
    }
    static const char *const unknown[] = {"AVX2", "avx", "avx5122", "native", " avx2"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        setenv("MP2ML_CPU", unknown[i], 1);
        assert_int_equal(cpu_level(), CPU_PORTABLE);
        assert_false(cpu_has_aes());
    }
    setenv("MP2ML_CPU", "", 1); /* empty is as good as unset */
    assert_int_equal(cpu_level(), machine);
    unsetenv("MP2ML_CPU");
    assert_int_equal(cpu_level(), machine);
}

#if defined(__x86_64__)
/* A level claims only what each single query confirms. */
static void test_claims(void **state)
{
    (void)state;
    unsetenv("MP2ML_CPU");
    if (cpu_level() >= CPU_AVX2)
        assert_true(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"));
    if (cpu_level() >= CPU_AVX512)
        assert_true(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vbmi"));
    if (cpu_has_aes())
        assert_true(__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"));
    if (!__builtin_cpu_supports("avx2"))
        assert_int_equal(cpu_level(), CPU_PORTABLE);
}
#else
static void test_claims(void **state)
{
    (void)state;
    assert_int_equal(cpu_level(), CPU_PORTABLE);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
