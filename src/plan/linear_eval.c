/* SPDX-License-Identifier: Apache-2.0
 *
 * A linear map in floats: rows of a group times tiles of images, one body compiled for three
 * instruction sets. Sums run over the columns in order and are never fused, so that all three give
 * the same bits and a plan does not depend on the machine that made it. */
#include <string.h>

#include "base/cpu.h"
#include "plan/linear_build.h"

#define TILE 32       /* images that stay in registers */
#define PART_ROWS 64u /* rows of one piece of work */

typedef float lanes __attribute__((vector_size(TILE * sizeof(float))));

struct eval_job { /* some rows of a group for some images */
    const struct linear *lin;
    const struct linear_group *group;
    size_t row, rows;
    float *out;
    const float *in;
    size_t images, at, width; /* width <= TILE images from `at` on */
};

typedef void (*eval_kernel)(const struct eval_job *job);

/* `rows` and `full` are constants at every call: the sums stay in registers. */
static inline __attribute__((always_inline)) void tile_rows(const struct eval_job *j, size_t row,
                                                            size_t rows, bool full)
{
    lanes sum[8];
    const struct linear *lin = j->lin;
    const size_t cols = j->group->cols, stride = j->group->stride;
    const uint32_t *index = lin->index + j->group->in_at, *col = lin->index + j->group->col_at;
    const float *in = j->in + (size_t)j->group->in_base * j->images + j->at;
    const float *w = lin->w + j->group->weights_at + row * stride;
    for (size_t r = 0; r < rows; r++)
        sum[r] = (lanes){0};
    for (size_t c = 0; c < cols; c++) {
        lanes x = {0};
        memcpy(&x, in + (size_t)index[c] * j->images, (full ? TILE : j->width) * sizeof *in);
        for (size_t r = 0; r < rows; r++) {
            const lanes product = x * w[r * stride + col[c]];
            sum[r] += product;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        size_t o = linear_out(lin, j->group, row + r);
        const lanes result = sum[r] + (float)lin->b[o];
        memcpy(j->out + o * j->images + j->at, &result, (full ? TILE : j->width) * sizeof *j->out);
    }
}

static inline __attribute__((always_inline)) void tile(const struct eval_job *j, size_t step)
{
    const size_t end = j->row + j->rows;
    size_t row = j->row;
    if (j->width == TILE) {
        for (; row + step <= end; row += step)
            tile_rows(j, row, step, true);
        for (; row < end; row++)
            tile_rows(j, row, 1, true);
    }
    for (; row + step <= end; row += step)
        tile_rows(j, row, step, false);
    for (; row < end; row++)
        tile_rows(j, row, 1, false);
}

static void tile_portable(const struct eval_job *j)
{
    tile(j, 1);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void tile_avx2(const struct eval_job *j)
{
    tile(j, 2);
}

__attribute__((target("avx512f"))) static void tile_avx512(const struct eval_job *j)
{
    tile(j, 8);
}
#endif

static eval_kernel pick(void)
{
#if defined(__x86_64__)
    switch (cpu_level()) {
    case CPU_AVX512:
        return tile_avx512;
    case CPU_AVX2:
        return tile_avx2;
    case CPU_PORTABLE:
        break;
    }
#endif
    return tile_portable;
}

void linear_eval_float(const struct linear *lin, float *out, const float *in, size_t images)
{
    const eval_kernel kernel = pick();
    const size_t tiles = (images + TILE - 1) / TILE;
    size_t parts = 1;
    for (size_t g = 0; g < lin->n_groups; g++)
        if (lin->groups[g].rows > parts * PART_ROWS)
            parts = (lin->groups[g].rows + PART_ROWS - 1) / PART_ROWS;
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < lin->n_groups * tiles * parts; i++) {
        const struct linear_group *g = &lin->groups[i / parts / tiles];
        const size_t at = i / parts % tiles * TILE, row = i % parts * PART_ROWS;
        if (row >= g->rows)
            continue;
        const size_t rows = g->rows - row < PART_ROWS ? g->rows - row : PART_ROWS;
        const struct eval_job job = {
            lin, g, row, rows, out, in, images, at, images - at < TILE ? images - at : TILE};
        kernel(&job);
    }
}
