/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of a linear map with many vectors: its blocks as matrices. Groups that share a block of
 * weights stand side by side with their images as the *lanes* of a panel; what they read is gathered
 * once, some columns at a time, and all rows of the block go over it. Words of 32 bits, whose type
 * only the kernel knows: floats of the model, or integers mod 2^32 of its twin. Sums run over the
 * columns in order. */
#ifndef PLAN_LINEAR_PANEL_H
#define PLAN_LINEAR_PANEL_H

#include "base/cpu.h"
#include "base/status.h"
#include "plan/linear.h"

#define PANEL_LANES 128u /* and as many words from one column, or row, to the next */

struct linear_panel { /* lane g*width + i is image `at` + i of groups[g] */
    const struct linear *lin;
    const struct linear_group *const *groups; /* with the weights of the first */
    size_t n_groups, at, width;
    size_t row, rows; /* of the block */
    size_t lanes;     /* n_groups * width <= PANEL_LANES */
};

/* sum[r*PANEL_LANES + lane] += the weights of row r, columns first.. first+cols-1, times
 * x[c*PANEL_LANES + lane]; both are 64-byte aligned and lanes beyond the panel's are 0. */
typedef void (*linear_kernel)(uint32_t *sum, const uint32_t *x, const struct linear_panel *panel,
                              size_t first, size_t cols);

struct linear_product {
    const struct linear *lin;
    size_t images;
    void *context;
    /* NULL, or what stands for the weights, as floats: out[c] for columns first.. of row `row` of the
     * panel. */
    void (*factors)(void *context, float *out, const struct linear_panel *panel, size_t row,
                    size_t first, size_t cols);
    /* out[lane] = what the panel's groups read as column c of their block, one image after the other. */
    void (*gather)(void *context, uint32_t *out, const struct linear_panel *panel, size_t c);
    linear_kernel kernel;
    /* The sums of a panel are complete; panels come from several threads, in any order. */
    void (*finish)(void *context, const struct linear_panel *panel, const uint32_t *sum);
};

MUST_CHECK mp2ml_status linear_multiply(const struct linear_product *product);

/* Defines the kernel NAME for an instruction set: ROWS rows of weights, an array of the map, and
 * VECTORS vectors of BYTES each stay in registers. No product is fused with its sum. */
#define PANEL_KERNEL(NAME, TARGET, WORD, WEIGHTS, BYTES, VECTORS, ROWS)                            \
    typedef WORD NAME##_lanes __attribute__((vector_size(BYTES), may_alias));                      \
    /* `rows` is a constant at every call. */                                                      \
    TARGET static inline __attribute__((always_inline)) void NAME##_tile(                          \
        uint32_t *to, const uint32_t *x, const struct linear_panel *p, size_t row, size_t rows,    \
        size_t first, size_t cols)                                                                 \
    {                                                                                              \
        NAME##_lanes sum[ROWS][VECTORS];                                                           \
        const struct linear_group *group = p->groups[0];                                           \
        const size_t stride = group->stride;                                                       \
        const uint32_t *col = p->lin->index + group->col_at + first;                               \
        const __typeof__(p->lin->WEIGHTS) w =                                                      \
            p->lin->WEIGHTS + group->weights_at + (p->row + row) * stride;                         \
        for (size_t r = 0; r < rows; r++)                                                          \
            for (size_t v = 0; v < VECTORS; v++)                                                   \
                sum[r][v] = ((const NAME##_lanes *)(to + (row + r) * PANEL_LANES))[v];             \
        for (size_t c = 0; c < cols; c++, x += PANEL_LANES)                                        \
            for (size_t r = 0; r < rows; r++)                                                      \
                for (size_t v = 0; v < VECTORS; v++) {                                             \
                    const NAME##_lanes product =                                                   \
                        ((const NAME##_lanes *)x)[v] * (WORD)w[r * stride + col[c]];               \
                    sum[r][v] += product;                                                          \
                }                                                                                  \
        for (size_t r = 0; r < rows; r++)                                                          \
            for (size_t v = 0; v < VECTORS; v++)                                                   \
                ((NAME##_lanes *)(to + (row + r) * PANEL_LANES))[v] = sum[r][v];                   \
    }                                                                                              \
    TARGET static void NAME(uint32_t *sum, const uint32_t *x, const struct linear_panel *p,        \
                            size_t first, size_t cols)                                             \
    {                                                                                              \
        const size_t step = (VECTORS) * (BYTES) / sizeof(WORD);                                    \
        size_t row = 0;                                                                            \
        for (; row + (ROWS) <= p->rows; row += (ROWS))                                             \
            for (size_t at = 0; at < p->lanes; at += step)                                         \
                NAME##_tile(sum + at, x + at, p, row, ROWS, first, cols);                          \
        for (; row < p->rows; row++)                                                               \
            for (size_t at = 0; at < p->lanes; at += step)                                         \
                NAME##_tile(sum + at, x + at, p, row, 1, first, cols);                             \
    }

/* Defines kernels for all instruction sets, and panel_kernel(), which picks this machine's. */
#if defined(__x86_64__)
#define PANEL_KERNELS(WORD, WEIGHTS)                                                               \
    PANEL_KERNEL(kernel_portable, , WORD, WEIGHTS, 16, 2, 4)                                       \
    PANEL_KERNEL(kernel_avx2, __attribute__((target("avx2"))), WORD, WEIGHTS, 32, 2, 4)            \
    PANEL_KERNEL(kernel_avx512, __attribute__((target("avx512f"))), WORD, WEIGHTS, 64, 2, 8)       \
    static linear_kernel panel_kernel(void)                                                        \
    {                                                                                              \
        return cpu_level() >= CPU_AVX512 ? kernel_avx512                                           \
               : cpu_level() >= CPU_AVX2 ? kernel_avx2                                             \
                                         : kernel_portable;                                        \
    }
#else
#define PANEL_KERNELS(WORD, WEIGHTS)                                                               \
    PANEL_KERNEL(kernel_portable, , WORD, WEIGHTS, 16, 2, 4)                                       \
    static linear_kernel panel_kernel(void)                                                        \
    {                                                                                              \
        return kernel_portable;                                                                    \
    }
#endif

#endif
