/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over a linear map's weights in doubles, of one vector. Groups that share a block of weights
 * (positions of a convolution) go through it side by side: rows of the block times tiles of groups,
 * one body compiled for three instruction sets, the same bits from each. */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "plan/linear_build.h"

#define LANES 4 /* of a vector: wider ones than the machine's are slow */
#define VECTORS 2
#define TILE (VECTORS * LANES) /* groups side by side */
#define ROWS 4                 /* of the block at a time */

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

struct sums_job { /* `width` <= TILE groups with the weights of the first */
    const struct linear *lin;
    const struct linear_group *const *groups;
    size_t width;
    const struct linear_sums *sums;
    double *out;
    lanes *x, *y;  /* [cols][VECTORS]: what the groups read */
    double *a, *b; /* [ROWS][cols]: the block's factors */
};

typedef void (*sums_kernel)(const struct sums_job *job);

static inline __attribute__((always_inline)) void gather(const struct sums_job *j)
{
    const size_t cols = j->groups[0]->cols;
    for (size_t t = 0; t < TILE; t++) {
        const struct linear_group *group = j->groups[t < j->width ? t : 0];
        for (size_t c = 0; c < cols; c++) {
            const size_t i = linear_in(j->lin, group, c);
            j->x[c * VECTORS + t / LANES][t % LANES] = j->sums->x[i];
            j->y[c * VECTORS + t / LANES][t % LANES] = j->sums->y[i];
        }
    }
}

/* `rows` is a constant at every call: the sums stay in registers. */
static inline __attribute__((always_inline)) void tile_rows(const struct sums_job *j, size_t row,
                                                            size_t rows)
{
    lanes sum[ROWS][VECTORS];
    const size_t cols = j->groups[0]->cols;
    for (size_t r = 0; r < rows; r++) {
        j->sums->factors(j->sums->context, j->a + r * cols, j->b + r * cols, j->groups[0], row + r);
        for (size_t t = 0; t < TILE; t++)
            sum[r][t / LANES][t % LANES] =
                t < j->width ? j->out[linear_out(j->lin, j->groups[t], row + r)] : 0;
    }
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++)
            for (size_t v = 0; v < VECTORS; v++)
                sum[r][v] += j->x[c * VECTORS + v] * j->a[r * cols + c] +
                             j->y[c * VECTORS + v] * j->b[r * cols + c];
    for (size_t r = 0; r < rows; r++)
        for (size_t t = 0; t < j->width; t++)
            j->out[linear_out(j->lin, j->groups[t], row + r)] = sum[r][t / LANES][t % LANES];
}

static inline __attribute__((always_inline)) void tile(const struct sums_job *j)
{
    size_t row = 0;
    gather(j);
    for (; row + ROWS <= j->groups[0]->rows; row += ROWS)
        tile_rows(j, row, ROWS);
    for (; row < j->groups[0]->rows; row++)
        tile_rows(j, row, 1);
}

static void tile_portable(const struct sums_job *j)
{
    tile(j);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void tile_avx2(const struct sums_job *j)
{
    tile(j);
}

__attribute__((target("avx512f"))) static void tile_avx512(const struct sums_job *j)
{
    tile(j);
}
#endif

static sums_kernel pick(void)
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

/* Groups in the order of their blocks, and where each tile of them begins; *n_tiles of those. */
static mp2ml_status make_tiles(const struct linear *lin, const struct linear_group ***sorted,
                               size_t **first, size_t *n_tiles)
{
    const size_t n = lin->n_groups;
    uint32_t *owner = linear_owners(lin);
    size_t *at = calloc(n + 1, sizeof *at); /* groups of each owner, then where they begin */
    *sorted = malloc((n + 1) * sizeof **sorted);
    *first = malloc((n + 1) * sizeof **first);
    *n_tiles = 0;
    const bool done = owner != NULL && at != NULL && *sorted != NULL && *first != NULL;
    for (size_t g = 0; done && g < n; g++)
        at[owner[g]]++;
    for (size_t g = 0, sum = 0; done && g < n; g++) {
        const size_t count = at[g];
        for (size_t t = 0; t < count; t += TILE)
            (*first)[(*n_tiles)++] = sum + t;
        at[g] = sum;
        sum += count;
    }
    for (size_t g = 0; done && g < n; g++)
        (*sorted)[at[owner[g]]++] = &lin->groups[g];
    if (done)
        (*first)[*n_tiles] = n;
    free(owner);
    free(at);
    return done ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

mp2ml_status linear_sums(const struct linear *lin, double *out, const struct linear_sums *sums)
{
    const sums_kernel kernel = pick();
    const struct linear_group **sorted;
    size_t *first, n_tiles, cols = 1;
    mp2ml_status status = make_tiles(lin, &sorted, &first, &n_tiles);
    for (size_t g = 0; g < lin->n_groups; g++)
        cols = lin->groups[g].cols > cols ? lin->groups[g].cols : cols;
    int short_of_memory = 0;
#pragma omp parallel if (status == MP2ML_OK)
    {
        lanes *x = aligned_alloc(sizeof *x, 2 * cols * VECTORS * sizeof *x);
        double *a = malloc(2 * ROWS * cols * sizeof *a);
        if (x == NULL || a == NULL) {
#pragma omp atomic write
            short_of_memory = 1;
        }
#pragma omp for schedule(dynamic, 4)
        for (size_t i = 0; i < n_tiles; i++) {
            const struct sums_job job = {
                lin, sorted + first[i], first[i + 1] - first[i], sums, out, x, x + cols * VECTORS,
                a,   a + ROWS * cols};
            if (x != NULL && a != NULL)
                kernel(&job);
        }
        free(x);
        free(a);
    }
    free(sorted);
    free(first);
    return status == MP2ML_OK && short_of_memory ? MP2ML_ERR_MEMORY : status;
}
