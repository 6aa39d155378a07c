/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of step_linear.c. Sums of a row are exact: in doubles, tile by tile, as long as no sum
 * can reach 2^53, else in integers mod 2^64. Both give the same bits. */
#include <math.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "steps/steps.h"

#define TILE 16 /* images that stay in registers */

typedef double lanes __attribute__((vector_size(TILE * sizeof(double))));

struct clear_job { /* rows of a group for some images */
    const struct linear *lin;
    const struct linear_group *group;
    uint64_t *out;    /* [value][image]: the sums without bias, mod 2^64 */
    const double *in; /* [value][image] */
    size_t images, at, width;
};

typedef void (*clear_kernel)(const struct clear_job *job);

/* `rows` and `full` are constants at every call: the sums stay in registers. */
static inline __attribute__((always_inline)) void tile_rows(const struct clear_job *j, size_t row,
                                                            size_t rows, bool full)
{
    lanes sum[8];
    const size_t cols = j->group->cols, width = full ? TILE : j->width;
    const uint32_t *index = j->lin->in_index + j->group->in_at;
    const int16_t *w = j->lin->wi + j->group->weights_at + row * cols;
    for (size_t r = 0; r < rows; r++)
        sum[r] = (lanes){0};
    for (size_t c = 0; c < cols; c++) {
        lanes x = {0};
        memcpy(&x, j->in + (size_t)index[c] * j->images + j->at, width * sizeof(double));
        for (size_t r = 0; r < rows; r++)
            sum[r] += x * (double)w[r * cols + c];
    }
    for (size_t r = 0; r < rows; r++) {
        size_t o = j->lin->out_index[j->group->out_at + row + r];
        for (size_t b = 0; b < width; b++)
            j->out[o * j->images + j->at + b] = (uint64_t)(int64_t)sum[r][b];
    }
}

static inline __attribute__((always_inline)) void tile(const struct clear_job *j, size_t step)
{
    const size_t end = j->group->rows;
    size_t row = 0;
    for (; j->width == TILE && row + step <= end; row += step)
        tile_rows(j, row, step, true);
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

static void sums_in_doubles(const struct linear *lin, uint64_t *out, const double *in,
                            size_t images)
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

static void sums_in_integers(const struct linear *lin, uint64_t *out, const uint64_t *in,
                             size_t images)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            uint64_t *row = out + (size_t)lin->out_index[group->out_at + r] * images;
            memset(row, 0, images * sizeof(*row));
            for (size_t c = 0; c < group->cols; c++) {
                const uint64_t *x = in + (size_t)lin->in_index[group->in_at + c] * images;
                uint64_t w = (uint64_t)(int64_t)lin->wi[group->weights_at + r * group->cols + c];
                for (size_t b = 0; b < images; b++)
                    row[b] += w * x[b];
            }
        }
    }
}

/* Integers of Z_{2^l} read as signed, in place, as doubles. False (and untouched) when a sum of
 * them could reach 2^53. */
static bool as_doubles(const struct linear *lin, uint64_t *x, size_t n, unsigned l)
{
    const uint64_t sign = (uint64_t)1 << (l - 1);
    uint64_t most = 0;
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t v = (int64_t)(x[i] ^ sign) - (int64_t)sign;
        uint64_t a = (uint64_t)(v < 0 ? -v : v);
        most = a > most ? a : most;
    }
    /* |sum w x| <= norm2(w) * norm2(x), the columns at most as many as the inputs */
    for (size_t o = 0; o < lin->n_out; o++)
        norm = fmax(norm, (double)lin->norm2[o]);
    size_t cols = 1;
    for (size_t g = 0; g < lin->n_groups; g++)
        cols = lin->groups[g].cols > cols ? lin->groups[g].cols : cols;
    if (!((norm + 1) * (double)most * sqrt((double)cols) < 0x1p52))
        return false;
    for (size_t i = 0; i < n; i++) {
        double v = (double)((int64_t)(x[i] ^ sign) - (int64_t)sign);
        memcpy(&x[i], &v, sizeof(v));
    }
    return true;
}

/* Bias, switch to k bits and, in the model, the error of the share. */
static void finish_row(struct clear_run *run, unsigned s, size_t o)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    const struct linear *lin = &run->plan->linear[s];
    const struct ckks_params *params = ckks_params(step->set);
    const unsigned t = step->l - step->k;
    const uint64_t half = t > 0 ? (uint64_t)1 << (t - 1) : 0;
    const uint64_t mask_l = ((uint64_t)1 << step->l) - 1, mask_k = ((uint64_t)1 << step->k) - 1;
    uint64_t *row = run->values[s] + o * run->images;
    struct ckks_noise_model noise;
    ckks_noise_model_init(&noise, run->noise.state ^ ((uint64_t)s << 40 | o));
    for (size_t b = 0; b < run->images; b++) {
        uint64_t sum = row[b] + lin->bi[o];
        row[b] = run->with_noise ? ckks_switch_clear(params, &noise, sum & mask_l, step->l, step->k,
                                                     (double)lin->norm2[o])
                                 : (sum + half) >> t & mask_k;
    }
}

mp2ml_status step_linear_clear(struct clear_run *run, unsigned s)
{
    const struct plan_public *pub = &run->plan->pub;
    const struct plan_step *step = &pub->steps[s];
    const struct linear *lin = &run->plan->linear[s];
    const size_t inputs = plan_step_inputs(pub, step);
    uint64_t *x = calloc(inputs * run->images + 1, sizeof(*x));
    if (!x)
        return MP2ML_ERR_MEMORY;
    gather_operands(x, pub, step, run->values, 0, inputs, run->images, step->l);
    if (as_doubles(lin, x, inputs * run->images, step->l))
        sums_in_doubles(lin, run->values[s], (const double *)(const void *)x, run->images);
    else
        sums_in_integers(lin, run->values[s], x, run->images);
    free(x);
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < step->count; o++)
        finish_row(run, s, o);
    return MP2ML_OK;
}
