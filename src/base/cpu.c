/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processor has and the operating system saves, lowered by MP2ML_CPU. The variable is read
 * at every call, so that a test can change it; callers keep what they picked. */
#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* __builtin_cpu_supports asks the OS as well (XGETBV). */
static enum cpu_level machine_level(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") ||
        !__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul"))
        return CPU_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512ifma") || !__builtin_cpu_supports("avx512vbmi"))
        return CPU_AVX2;
    /* Leaf 7, ECX: bits 8, 9, 10. clang 14 has no __builtin_cpu_supports name for all three; they
     * need no OS support beyond that of AVX-512. */
    unsigned a = 0, b = 0, c = 0, d = 0;
    const unsigned want = 1U << 8 | 1U << 9 | 1U << 10; /* GFNI, VAES, VPCLMULQDQ */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (c & want) != want)
        return CPU_AVX2;
    return CPU_AVX512;
}

static bool machine_has_aes(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("sse4.1");
}
#else
static enum cpu_level machine_level(void)
{
    return CPU_PORTABLE;
}

static bool machine_has_aes(void)
{
    return false;
}
#endif

/* The highest level that MP2ML_CPU permits. */
static enum cpu_level wanted_level(void)
{
    const char *name = getenv("MP2ML_CPU");
    if (name == NULL || name[0] == '\0')
        return CPU_AVX512;
    for (int level = CPU_AVX512; level > CPU_PORTABLE; level--)
        if (strcmp(name, cpu_level_name((enum cpu_level)level)) == 0)
            return (enum cpu_level)level;
    return CPU_PORTABLE;
}

enum cpu_level cpu_level(void)
{
    enum cpu_level machine = machine_level();
    enum cpu_level wanted = wanted_level();
    return wanted < machine ? wanted : machine;
}

bool cpu_has_aes(void)
{
    return wanted_level() != CPU_PORTABLE && machine_has_aes();
}

const char *cpu_level_name(enum cpu_level level)
{
    switch (level) {
    case CPU_PORTABLE:
        return "portable";
    case CPU_AVX2:
        return "avx2";
    case CPU_AVX512:
        return "avx512";
    }
    return "unknown";
}
