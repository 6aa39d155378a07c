/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of step_linear.c. A sum is needed mod 2^l: where l <= 32 it is made of 32-bit integers,
 * tile by tile, and else of 64-bit ones. Overflow is part of both, nothing is rounded. */
#include <stdlib.h>

#include "base/cpu.h"
#include "steps/steps.h"

#define TILE 16 /* images that stay in registers */

typedef uint32_t lanes __attribute__((vector_size(TILE * sizeof(uint32_t))));

struct clear_job { /* rows of a group for some images */
    const struct linear *lin;
    const struct linear_group *group;
    uint64_t *out;      /* [value][image]: the sums without bias, mod 2^32 */
    const uint32_t *in; /* [value][image] */
    size_t images, at, width;
};

typedef void (*clear_kernel)(const struct clear_job *job);

/* `rows` and `full` are constants at every call: the sums stay in registers. */
static inline __attribute__((always_inline)) void tile_rows(const struct clear_job *j, size_t row,
                                                            size_t rows, bool full)
{
    lanes sum[8];
    const size_t cols = j->group->cols, width = full ? TILE : j->width;
    const size_t stride = j->group->stride;
    const uint32_t *index = j->lin->index + j->group->in_at;
    const uint32_t *col = j->lin->index + j->group->col_at;
    const uint32_t *in = j->in + (size_t)j->group->in_base * j->images + j->at;
    const int16_t *w = j->lin->wi + j->group->weights_at + row * stride;
    for (size_t r = 0; r < rows; r++)
        sum[r] = (lanes){0};
    for (size_t c = 0; c < cols; c++) {
        lanes x = {0};
        memcpy(&x, in + (size_t)index[c] * j->images, width * sizeof(*in));
        for (size_t r = 0; r < rows; r++)
            sum[r] += x * (uint32_t)(int32_t)w[r * stride + col[c]];
    }
    for (size_t r = 0; r < rows; r++) {
        size_t o = linear_out(j->lin, j->group, row + r);
        for (size_t b = 0; b < width; b++)
            j->out[o * j->images + j->at + b] = sum[r][b];
    }
}

static inline __attribute__((always_inline)) void tile(const struct clear_job *j, size_t step)
{
    const size_t end = j->group->rows;
    size_t row = 0;
    for (; j->width == TILE && row + step <= end; row += step)
        tile_rows(j, row, step, true);
    for (; row + step <= end; row += step)
        tile_rows(j, row, step, false);
    for (; row < end; row++)
        tile_rows(j, row, 1, false);
}

static void tile_portable(const struct clear_job *j)
{
    tile(j, 1);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void tile_avx2(const struct clear_job *j)
{
    tile(j, 2);
}

__attribute__((target("avx512f"))) static void tile_avx512(const struct clear_job *j)
{
    tile(j, 8);
}
#endif

static clear_kernel pick(void)
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

static void sums_32(const struct linear *lin, uint64_t *out, const uint32_t *in, size_t images)
{
    const clear_kernel kernel = pick();
    const size_t tiles = (images + TILE - 1) / TILE;
#pragma omp parallel for schedule(dynamic, 4)
    for (size_t i = 0; i < lin->n_groups * tiles; i++) {
        size_t at = i % tiles * TILE;
        const struct clear_job job = {lin,
                                      &lin->groups[i / tiles],
                                      out,
                                      in,
                                      images,
                                      at,
                                      images - at < TILE ? images - at : TILE};
        kernel(&job);
    }
}

static void sums_64(const struct linear *lin, uint64_t *out, const uint64_t *in, size_t images)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            uint64_t *row = out + (size_t)linear_out(lin, group, r) * images;
            memset(row, 0, images * sizeof(*row));
            for (size_t c = 0; c < group->cols; c++) {
                const uint64_t *x = in + (size_t)linear_in(lin, group, c) * images;
                uint64_t w = (uint64_t)(int64_t)lin->wi[linear_weight(lin, group, r, c)];
                for (size_t b = 0; b < images; b++)
                    row[b] += w * x[b];
            }
        }
    }
}

#define PIECE 16384 /* words that are gathered together */

/* The operands' values mod 2^l, l <= 32, in half the memory; freed by the caller, NULL when memory is
 * short. */
static uint32_t *gather_32(const struct clear_run *run, const struct plan_step *step)
{
    const struct plan_public *pub = &run->plan->pub;
    const size_t inputs = plan_step_inputs(pub, step), images = run->images;
    const size_t per = images < PIECE ? PIECE / images : 1;
    uint32_t *x = malloc((inputs * images + 1) * sizeof(*x));
    uint64_t *piece = malloc(per * images * sizeof(*piece));
    for (size_t first = 0; x && piece && first < inputs; first += per) {
        const size_t count = inputs - first < per ? inputs - first : per;
        gather_operands(piece, pub, step, run->values, first, count, images, step->l);
        for (size_t i = 0; i < count * images; i++)
            x[first * images + i] = (uint32_t)piece[i];
    }
    if (!piece) {
        free(x);
        x = NULL;
    }
    free(piece);
    return x;
}

static mp2ml_status sums_of(const struct clear_run *run, unsigned s)
{
    const struct plan_public *pub = &run->plan->pub;
    const struct plan_step *step = &pub->steps[s];
    const struct linear *lin = &run->plan->linear[s];
    if (step->l <= 32) {
        uint32_t *x = gather_32(run, step);
        if (!x)
            return MP2ML_ERR_MEMORY;
        sums_32(lin, run->values[s], x, run->images);
        free(x);
        return MP2ML_OK;
    }
    const size_t inputs = plan_step_inputs(pub, step);
    uint64_t *x = malloc((inputs * run->images + 1) * sizeof(*x));
    if (!x)
        return MP2ML_ERR_MEMORY;
    gather_operands(x, pub, step, run->values, 0, inputs, run->images, step->l);
    sums_64(lin, run->values[s], x, run->images);
    free(x);
    return MP2ML_OK;
}

/* Bias, switch to k bits and, in the model, the error of the share. */
static void finish_row(struct clear_run *run, unsigned s, size_t o)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    const struct linear *lin = &run->plan->linear[s];
    const struct ckks_params *params = ckks_params(step->set);
    const unsigned t = step->l - step->k;
    const uint64_t half = t > 0 ? (uint64_t)1 << (t - 1) : 0;
    const uint64_t mask_k = ((uint64_t)1 << step->k) - 1;
    uint64_t *row = run->values[s] + o * run->images;
    struct ckks_noise_model noise;
    ckks_noise_model_init(&noise, run->noise.state ^ ((uint64_t)s << 40 | o));
    for (size_t b = 0; b < run->images; b++)
        row[b] += lin->bi[o];
    if (run->with_noise)
        ckks_switch_clear(params, &noise, row, run->images, step->l, step->k,
                          (double)lin->norm2[o]);
    for (size_t b = 0; !run->with_noise && b < run->images; b++)
        row[b] = (row[b] + half) >> t & mask_k;
}

mp2ml_status step_linear_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    TRY(sums_of(run, s));
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < step->count; o++)
        finish_row(run, s, o);
    return MP2ML_OK;
}
