/* SPDX-License-Identifier: Apache-2.0
 *
 * The product behind convolutions and dense layers: rows of A against one packed panel of 16
 * columns of B, one body compiled for three instruction sets. Sums run over k in order and are
 * never fused, so that all three give the same bits. */
#include <string.h>

#include "base/cpu.h"
#include "model/graph_internal.h"

typedef float lanes __attribute__((vector_size(EVAL_PANEL * sizeof(float))));

void eval_pack_panel(float *panel, const float *b, size_t b_row, size_t b_column, size_t k,
                     size_t first, size_t width)
{
    for (size_t row = 0; row < k; row++) {
        if (b_column == 1 && width == EVAL_PANEL) {
            memcpy(panel + row * EVAL_PANEL, b + row * b_row + first, EVAL_PANEL * sizeof *b);
            continue;
        }
        for (size_t j = 0; j < width; j++)
            panel[row * EVAL_PANEL + j] = b[row * b_row + (first + j) * b_column];
        for (size_t j = width; j < EVAL_PANEL; j++)
            panel[row * EVAL_PANEL + j] = 0;
    }
}

/* `rows` is a constant at every call: the accumulators stay in registers. */
static inline __attribute__((always_inline)) void tile(float *out, size_t ld_out, const float *a,
                                                       size_t ld_a, size_t rows, size_t k,
                                                       const float *panel, size_t width)
{
    lanes sum[8];
    for (size_t r = 0; r < rows; r++)
        sum[r] = (lanes){0};
    for (size_t t = 0; t < k; t++) {
        lanes b;
        memcpy(&b, panel + t * EVAL_PANEL, sizeof b);
        for (size_t r = 0; r < rows; r++) {
            const lanes product = b * a[r * ld_a + t];
            sum[r] += product;
        }
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(out + r * ld_out, &sum[r], width * sizeof *out);
}

static inline __attribute__((always_inline)) void tiles(float *out, size_t ld_out, const float *a,
                                                        size_t ld_a, size_t m, size_t k,
                                                        const float *panel, size_t width,
                                                        size_t step)
{
    size_t row = 0;
    for (; row + step <= m; row += step)
        tile(out + row * ld_out, ld_out, a + row * ld_a, ld_a, step, k, panel, width);
    for (; row < m; row++)
        tile(out + row * ld_out, ld_out, a + row * ld_a, ld_a, 1, k, panel, width);
}

static void gemm_portable(float *out, size_t ld_out, const float *a, size_t ld_a, size_t m,
                          size_t k, const float *panel, size_t width)
{
    tiles(out, ld_out, a, ld_a, m, k, panel, width, 2);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void gemm_avx2(float *out, size_t ld_out, const float *a,
                                                      size_t ld_a, size_t m, size_t k,
                                                      const float *panel, size_t width)
{
    tiles(out, ld_out, a, ld_a, m, k, panel, width, 4);
}

__attribute__((target("avx512f"))) static void gemm_avx512(float *out, size_t ld_out,
                                                           const float *a, size_t ld_a, size_t m,
                                                           size_t k, const float *panel,
                                                           size_t width)
{
    tiles(out, ld_out, a, ld_a, m, k, panel, width, 8);
}
#endif

eval_gemm eval_gemm_pick(void)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return gemm_avx512;
    case CPU_AVX2:
        return gemm_avx2;
    case CPU_PORTABLE:
        break;
    }
#endif
    return gemm_portable;
}
