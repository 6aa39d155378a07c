/* SPDX-License-Identifier: Apache-2.0
 *
 * For the benchmarks: processor time of the calling thread, which other load disturbs less than the
 * time of day (with more threads it is the caller's share), the best of many runs, and the limits
 * of the machine, measured in the same run so that figures of a shared machine can be compared by
 * their ratio. */
#ifndef BENCH_BENCH_TOOLS_H
#define BENCH_BENCH_TOOLS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* best = seconds of the fastest of many runs of the statement. */
#define BENCH_BEST(best, runs, statement)                                                          \
    do {                                                                                           \
        (best) = 1e9;                                                                              \
        for (int run_ = 0; run_ < (runs); run_++) {                                                \
            double from_ = bench_now();                                                            \
            statement;                                                                             \
            from_ = bench_now() - from_;                                                           \
            (best) = from_ < (best) ? from_ : (best);                                              \
        }                                                                                          \
    } while (0)

static inline void *bench_alloc(size_t count, size_t size)
{
    void *p = aligned_alloc(64, (count * size + 63) / 64 * 64);
    if (p == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    memset(p, 0, count * size);
    return p;
}

#if defined(__x86_64__)
#define BENCH_PEAK_LOOPS 4000
#define BENCH_12(text)                                                                             \
    text(0) text(1) text(2) text(3) text(4) text(5) text(6) text(7) text(8) text(9) text(10)       \
        text(11)
#define BENCH_IFMA(i) "vpmadd52luq %%zmm30, %%zmm31, %%zmm" #i "\n"
#define BENCH_MADD(i)                                                                              \
    "vpmaddwd %%ymm14, %%ymm15, %%ymm12\nvpaddd %%ymm12, %%ymm" #i ", %%ymm" #i "\n"
#define BENCH_REGISTERS                                                                            \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12"

static inline void bench_ifma_loop(void)
{
    for (int i = 0; i < BENCH_PEAK_LOOPS; i++)
        __asm__ volatile(BENCH_12(BENCH_IFMA)::: BENCH_REGISTERS);
}

static inline void bench_madd_loop(void)
{
    for (int i = 0; i < BENCH_PEAK_LOOPS; i++)
        __asm__ volatile(BENCH_12(BENCH_MADD)::: BENCH_REGISTERS);
}

/* Multiply-adds of a 41-bit residue and a weight per second that the level's instructions allow:
 * AVX-512: 8 an IFMA; AVX2: 16 in three pairs of VPMADDWD and VPADDD. 0 where unknown. */
static inline double bench_multiply_adds(enum cpu_level level)
{
    double seconds;
    if (level == CPU_PORTABLE)
        return 0;
    if (level == CPU_AVX2) {
        BENCH_BEST(seconds, 50, bench_madd_loop());
        return 12.0 * 16 / 3 * BENCH_PEAK_LOOPS / seconds;
    }
    BENCH_BEST(seconds, 50, bench_ifma_loop());
    return 12.0 * 8 * BENCH_PEAK_LOOPS / seconds;
}

/* One addition a cycle. */
static inline double bench_hertz(void)
{
    double seconds;
    uint64_t v = 0;
    BENCH_BEST(
        seconds, 50, for (int i = 0; i < BENCH_PEAK_LOOPS; i++) {
            __asm__ volatile("add $1, %0\nadd $1, %0\nadd $1, %0\nadd $1, %0\n" : "+r"(v));
        });
    return 4.0 * BENCH_PEAK_LOOPS / seconds;
}
#else
static inline double bench_multiply_adds(enum cpu_level level)
{
    (void)level;
    return 0;
}

static inline double bench_hertz(void)
{
    return 0;
}
#endif

/* Bytes a second that a copy reads; 64 MiB, more than the caches. */
static inline double bench_copy_bytes(void)
{
    const size_t size = (size_t)64 << 20;
    char *a = bench_alloc(size, 1), *b = bench_alloc(size, 1);
    double seconds;
    BENCH_BEST(seconds, 5, {
        memcpy(a, b, size);
        __asm__ volatile("" ::"r"(a) : "memory");
    });
    free(a);
    free(b);
    return (double)size / seconds;
}

static inline double bench_limits(void)
{
    const enum cpu_level level = cpu_level();
    const double peak = bench_multiply_adds(level);
    printf("%s kernels; limits in this run: %.2f GHz, copy %.1f GB/s", cpu_level_name(level),
           bench_hertz() / 1e9, bench_copy_bytes() / 1e9);
    if (peak > 0)
        printf(", %.1f G multiply-adds/s", peak / 1e9);
    printf("\n");
    return peak;
}

#endif
