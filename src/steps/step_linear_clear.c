/* SPDX-License-Identifier: Apache-2.0
 *
 * The twin of step_linear.c. A sum is needed mod 2^l: where l <= 32 it is made of 32-bit integers,
 * tile by tile, and else of 64-bit ones. Overflow is part of both, nothing is rounded. */
#include <stdlib.h>

#include "steps/steps.h"

struct sums {
    const struct clear_run *run;
    const struct plan_step *step;
    uint64_t *out;
    size_t count[PLAN_MAX_OPERANDS];
};

PANEL_KERNELS(uint32_t, wi)

/* An operand's values times 2^shift, mod 2^32: what is beyond l bits is cut off at the end. */
static void gather(void *context, uint32_t *out, const struct linear_panel *p, size_t c)
{
    const struct sums *s = context;
    for (size_t g = 0; g < p->n_groups; g++, out += p->width) {
        size_t v = linear_in(p->lin, p->groups[g], c);
        unsigned o = 0;
        while (v >= s->count[o])
            v -= s->count[o++];
        const uint64_t *from = s->run->values[s->step->operands[o]] + v * s->run->images + p->at;
        for (size_t i = 0; i < p->width; i++)
            out[i] = (uint32_t)(from[i] << s->step->shift[o]);
    }
}

static void finish(void *context, const struct linear_panel *p, const uint32_t *sum)
{
    const struct sums *s = context;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t g = 0; g < p->n_groups; g++) {
            const size_t o = linear_out(p->lin, p->groups[g], p->row + r);
            for (size_t i = 0; i < p->width; i++)
                s->out[o * s->run->images + p->at + i] = sum[r * PANEL_LANES + g * p->width + i];
        }
}

/* Sums without bias, mod 2^32. */
static mp2ml_status sums_32(const struct clear_run *run, unsigned step)
{
    const struct plan_public *pub = &run->plan->pub;
    struct sums s = {.run = run, .step = &pub->steps[step], .out = run->values[step]};
    const struct linear_product product = {.lin = &run->plan->linear[step],
                                           .images = run->images,
                                           .context = &s,
                                           .gather = gather,
                                           .kernel = panel_kernel(),
                                           .finish = finish};
    for (unsigned o = 0; o < s.step->n_operands; o++)
        s.count[o] = pub->steps[s.step->operands[o]].count;
    return linear_multiply(&product);
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

static mp2ml_status sums_of(const struct clear_run *run, unsigned s)
{
    const struct plan_public *pub = &run->plan->pub;
    const struct plan_step *step = &pub->steps[s];
    const struct linear *lin = &run->plan->linear[s];
    if (step->l <= 32)
        return sums_32(run, s);
    const size_t inputs = plan_step_inputs(pub, step);
    uint64_t *x = malloc((inputs * run->images + 1) * sizeof(*x));
    if (!x)
        return MP2ML_ERR_MEMORY;
    gather_operands(x, pub, step, run->values, 0, inputs, run->images, step->l);
    sums_64(lin, run->values[s], x, run->images);
    free(x);
    return MP2ML_OK;
}

/* Bias, switch to k bits and, in the model, the error of the share, of output o that is row `at` of
 * those that are kept. */
static void finish_row(struct clear_run *run, unsigned s, size_t o, size_t at)
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
        row[b] += lin->bi[at];
    if (run->with_noise)
        ckks_switch_clear(params, &noise, row, run->images, step->l, step->k,
                          (double)lin->norm2[at]);
    for (size_t b = 0; !run->with_noise && b < run->images; b++)
        row[b] = (row[b] + half) >> t & mask_k;
}

mp2ml_status step_linear_clear(struct clear_run *run, unsigned s)
{
    const struct linear *lin = &run->plan->linear[s];
    TRY(sums_of(run, s));
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t g = 0; g < lin->n_groups; g++)
        for (size_t r = 0; r < lin->groups[g].rows; r++)
            finish_row(run, s, linear_out(lin, &lin->groups[g], r), lin->groups[g].rows_at + r);
    return MP2ML_OK;
}
