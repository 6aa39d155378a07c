/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product under encryption: cut into tiles (some rows of the matrix by some
 * coefficients) that are independent of each other. All row groups of one stretch of coefficients
 * follow each other, so that its inputs stay in the cache. */
#include "ckks/ckks_context.h"

#include <assert.h>

/* CT: time depends on the sizes alone; zero weights are multiplied like all others. */
void ckks_matrix_product(const struct ckks *ck, uint64_t *out, const uint64_t *in,
                         const uint32_t *index, const int16_t *weights, size_t rows, size_t cols,
                         size_t width)
{
    const struct ckks_kernels *kernels = ck->kernels;
    const size_t primes = ck->params->primes, stride = primes * width;
    const size_t group = kernels->tile_rows, groups = (rows + group - 1) / group;
    const size_t stretch_width = kernels->tile_width;
    const size_t stretches = (width + stretch_width - 1) / stretch_width;
    const size_t tiles = primes * stretches * groups;
    assert(cols >= 1 && width <= ck->params->n);
    CKKS_PARALLEL_FOR(rows * cols * stride)
    for (size_t tile = 0; tile < tiles; tile++) {
        const size_t row = tile % groups * group, stretch = tile / groups % stretches;
        const size_t p = tile / groups / stretches, from = stretch * stretch_width;
        const size_t tile_rows = rows - row < group ? rows - row : group;
        const size_t left = width - from;
        kernels->matrix_tile(&ck->ring->prime[p].mod, out + row * stride + p * width + from, stride,
                             in + p * width + from, stride, index, weights + row * cols, tile_rows,
                             cols, left < stretch_width ? left : stretch_width);
    }
}
