/* SPDX-License-Identifier: Apache-2.0
 *
 * Transforms and pointwise products of the parameter sets' rings, with every table of kernels that
 * this processor has. Beside each transform: its share of the limit by multiplications, three
 * multiplications for each butterfly of eight, where AVX-512 is there. */
#include "bench_tools.h"
#include "ring/ring_kernels.h"

#define RUNS 500
#define REPEAT 16 /* the clock takes a good part of a microsecond */

#define BEST(seconds, call)                                                                        \
    do {                                                                                           \
        BENCH_BEST(seconds, RUNS, for (int i_ = 0; i_ < REPEAT; i_++) call);                       \
        (seconds) /= REPEAT;                                                                       \
    } while (0)

static void report(const struct ring_kernels *kernels, const char *what, size_t n, double seconds,
                   double limit)
{
    printf("%-9s N = %zu %-8s %8.2f us", kernels->name, n, what, 1e6 * seconds);
    if (limit > 0)
        printf("   limit %.2f us, %2.0f %%", 1e6 * limit, 100 * limit / seconds);
    printf("\n");
}

static void bench_one(const struct ring_kernels *kernels, unsigned log_n, uint64_t q, double peak)
{
    struct ring *ring;
    if (ring_new_with(&ring, log_n, &q, 1, kernels) != MP2ML_OK)
        return;
    const size_t n = ring->n;
    uint64_t *x = bench_alloc(n, sizeof(*x)), *y = bench_alloc(n, sizeof(*y));
    for (size_t i = 0; i < n; i++)
        x[i] = y[i] = (i * 0x9e3779b97f4a7c15u) % q;
    double seconds;
    const double butterflies = peak > 0 ? 1.5 * (double)n * log_n / peak : 0;
    BEST(seconds, ring_ntt(ring, 0, x));
    report(kernels, "ntt", n, seconds, butterflies);
    BEST(seconds, ring_intt(ring, 0, x));
    report(kernels, "intt", n, seconds, butterflies);
    BEST(seconds, ring_mul(ring, 0, x, x, y));
    report(kernels, "mul", n, seconds, peak > 0 ? 4 * (double)n / peak : 0);
    BEST(seconds, ring_mul_add(ring, 0, x, y, y));
    report(kernels, "mul_add", n, seconds, peak > 0 ? 4 * (double)n / peak : 0);
    free(x);
    free(y);
    ring_free(ring);
}

int main(void)
{
    const uint64_t q1 = ((uint64_t)1 << 41) - ((uint64_t)1 << 16) + 1;
    const struct ring_kernels *tables[] = {ring_kernels_portable(), ring_kernels_avx2(),
                                           ring_kernels_avx512()};
    const double peak = bench_limits();
    for (unsigned log_n = 11; log_n <= 12; log_n++)
        for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
            if (tables[i] != NULL)
                bench_one(tables[i], log_n, q1, i == 2 ? peak : 0);
    return 0;
}
