/* SPDX-License-Identifier: Apache-2.0
 *
 * A linear map in floats, and sums over what follows from its weights. Products are never fused with
 * their sums, so that all instruction sets give the same bits and a plan does not depend on the
 * machine that made it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/linear_panel.h"

struct eval {
    const struct linear *lin;
    float *out;
    const float *in;
    size_t images;
};

PANEL_KERNELS(float, w)

static void gather(void *context, uint32_t *out, const struct linear_panel *p, size_t c)
{
    const struct eval *e = context;
    for (size_t g = 0; g < p->n_groups; g++, out += p->width)
        memcpy(out, e->in + linear_in(p->lin, p->groups[g], c) * e->images + p->at,
               p->width * sizeof *out);
}

static void finish(void *context, const struct linear_panel *p, const uint32_t *sum)
{
    const struct eval *e = context;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t g = 0; g < p->n_groups; g++) {
            const size_t o = linear_out(p->lin, p->groups[g], p->row + r);
            float *out = e->out + o * e->images + p->at;
            memcpy(out, sum + r * PANEL_LANES + g * p->width, p->width * sizeof *out);
            const float constant = (float)p->lin->b[p->groups[g]->rows_at + p->row + r];
            for (size_t i = 0; i < p->width; i++)
                out[i] += constant;
        }
}

mp2ml_status linear_eval_float(const struct linear *lin, float *out, const float *in, size_t images)
{
    struct eval e = {lin, out, in, images};
    const struct linear_product product = {.lin = lin,
                                           .images = images,
                                           .context = &e,
                                           .gather = gather,
                                           .kernel = panel_kernel(),
                                           .finish = finish};
    return linear_multiply(&product);
}

/* ---- sums of factors ------------------------------------------------------------------------- */

struct sums {
    const struct linear_sums *sums;
    double *out;
    float *x;      /* [n_in] */
    double shrink; /* by which it is that of the sums; at most 1 */
};

static void gather_sums(void *context, uint32_t *out, const struct linear_panel *p, size_t c)
{
    const struct sums *s = context;
    for (size_t g = 0; g < p->n_groups; g++)
        memcpy(out + g, s->x + linear_in(p->lin, p->groups[g], c), sizeof *s->x);
}

static void factors_of(void *context, float *out, const struct linear_panel *p, size_t row,
                       size_t first, size_t cols)
{
    const struct sums *s = context;
    s->sums->factors(s->sums->context, out, p->groups[0], p->row + row, first, cols);
}

static void finish_sums(void *context, const struct linear_panel *p, const uint32_t *sum)
{
    const struct sums *s = context;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t g = 0; g < p->n_groups; g++) {
            float v;
            memcpy(&v, sum + r * PANEL_LANES + g, sizeof v);
            s->out[linear_out(p->lin, p->groups[g], p->row + r)] +=
                (double)v / s->shrink * s->sums->unit;
        }
}

mp2ml_status linear_sums(const struct linear *lin, double *out, const struct linear_sums *sums)
{
    double most = 0;
    bool zero = true;
    for (size_t i = 0; i < lin->n_in; i++) {
        most = isfinite(sums->x[i]) && fabs(sums->x[i]) > most ? fabs(sums->x[i]) : most;
        zero = zero && fabs(sums->x[i]) <= 0;
    }
    if (zero)
        return MP2ML_OK;
    int exponent;
    (void)frexp(most, &exponent);
    struct sums s = {sums, out, malloc((lin->n_in + 1) * sizeof *s.x),
                     most > 0 ? ldexp(1, -exponent) : 1};
    if (s.x == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < lin->n_in; i++)
        s.x[i] = (float)(sums->x[i] * s.shrink);
    const struct linear_product product = {.lin = lin,
                                           .images = 1,
                                           .context = &s,
                                           .factors = factors_of,
                                           .gather = gather_sums,
                                           .kernel = panel_kernel(),
                                           .finish = finish_sums};
    const mp2ml_status status = linear_multiply(&product);
    free(s.x);
    return status;
}
