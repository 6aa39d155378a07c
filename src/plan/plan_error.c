/* SPDX-License-Identifier: Apache-2.0
 *
 * The expected error of every value against the float model: variances of independent causes.
 *
 *   input      rounding to a multiple of 1/S_in                1/12 / S_in^2
 *   weights    each off by what its rounding lost              E[x^2] * lost^2
 *   bias       rounding                                        1/12 / S^2
 *   switch     the share's error: sigma of the set and         (sigma^2 + (3.24*norm2*2^k/q)^2)
 *              encryption noise through the weights            / S_out^2
 *   sign       a blind one, of values near 0                   blind_variance
 *   carried    the operands' errors                            w^2 * variance
 * A ReLU passes the error on in those samples in which it is not zero (and in some beside, where
 * the error itself decides); a maximum never enlarges it. E[x^2] and the share of active ReLUs are
 * measured on the samples. */
#include <math.h>
#include <stdlib.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define ACTIVE_LEAST 0.05 /* of a ReLU that is nearly always zero */
#define PI 3.14159265358979323846
#define DEVIATIONS 6 /* the stated bound, in standard deviations of the worst value */
#define OBSERVED                                                                                   \
    2.0 /* errors of weights and of neighbours in a picture are not independent, which             \
           the model takes them for; what the twin showed on the samples counts double */

struct error_model {
    const struct plan *plan;
    double **variance; /* [n_steps][count] */
};

struct variance_rows {
    const struct linear *lin;
    const double *unit; /* [n_in]: S_i*2^shift/S of the weights of each value that is read */
};

/* Of each weight its square, of what was carried, and the square of what its rounding lost. */
static void squares_of_row(const void *context, double *a, double *b,
                           const struct linear_group *group, size_t row)
{
    const struct variance_rows *rows = context;
    const struct linear *lin = rows->lin;
    for (size_t c = 0; c < group->cols; c++) {
        const size_t at = linear_weight(lin, group, row, c);
        double w = (double)lin->w[at];
        double lost = w - lin->wi[at] * rows->unit[linear_in(lin, group, c)];
        a[c] = w * w;
        b[c] = lost * lost;
    }
}

static mp2ml_status linear_variance(const struct error_model *m, unsigned s, double *out)
{
    const struct plan *plan = m->plan;
    const struct plan_step *step = &plan->pub.steps[s];
    const struct linear *lin = &plan->linear[s];
    const struct ckks_params *params = ckks_params(step->set);
    const size_t n = plan_step_inputs(&plan->pub, step);
    double *unit = calloc(3 * n + 1, sizeof *unit), *carried = unit + n, *square = carried + n;
    if (unit == NULL)
        return MP2ML_ERR_MEMORY;
    double scale = plan->notes[s].sum_scale, out_scale = step->scale;
    double fresh = sqrt(params->eta / 2.0) * exp2((double)step->k - params->log2_q);
    for (size_t i = 0, at = 0; i < step->n_operands; i++) {
        unsigned o = step->operands[i];
        for (size_t v = 0; v < plan->pub.steps[o].count; v++, at++) {
            unit[at] = ldexp(plan->pub.steps[o].scale / scale, step->shift[i]);
            carried[at] = m->variance[o][v];
            square[at] = plan_mean_square(plan, o, v);
        }
    }
    for (size_t o = 0; o < lin->n_out; o++) {
        double noise = fresh * (double)lin->norm2[o];
        out[o] = 1 / (12 * scale * scale) +
                 (params->sigma * params->sigma + noise * noise) / (out_scale * out_scale);
    }
    const struct variance_rows rows = {lin, unit};
    const struct linear_sums sums = {squares_of_row, &rows, carried, square};
    mp2ml_status status = linear_sums(lin, out, &sums);
    free(unit);
    return status;
}

/* a*b moves by a*db + b*da + da*db; x^2 by 2*x*dx. */
static void product_variance(const struct error_model *m, const struct plan_step *step, double *out)
{
    const struct mpc_windows *w = &step->windows;
    unsigned a = step->operands[0], b = step->operands[step->n_operands - 1];
    for (size_t i = 0; i < step->count; i++) {
        size_t x = w->count != 0 ? w->member[2 * i] : i,
               y = w->count != 0 ? w->member[2 * i + 1] : i;
        double va = m->variance[a][x], vb = m->variance[b][y];
        double sa = (double)m->plan->range[a].mean_square[x],
               sb = (double)m->plan->range[b].mean_square[y];
        out[i] =
            step->kind == STEP_SQUARE ? 4 * sa * va + 3 * va * va : sa * vb + sb * va + va * vb;
    }
}

/* Both have their errors from one value: at most the sum of the deviations. */
static void sum_variance(const struct error_model *m, const struct plan_step *step, double *out)
{
    const double *a = m->variance[step->operands[0]], *b = m->variance[step->operands[1]];
    for (size_t i = 0; i < step->count; i++) {
        double sd = ldexp(sqrt(a[i]), step->shift[0]) + ldexp(sqrt(b[i]), step->shift[1]);
        out[i] = sd * sd;
    }
}

/* What a blind sign adds where the values have this mean square, 0 if it is not known. A value x
 * with |x| < half is lost, or kept below 0, with probability (1 - |x|/half)/2: x^2 times that is at
 * most 2/27 * half^2, and over x of density f it makes f * half^3/12, f = 1/(sqrt(2 pi) *
 * deviation) at the middle of a normal distribution. */
static double blind_variance(const struct plan_step *step, double square)
{
    if (step->blind == 0)
        return 0;
    double half = ldexp(1, (int)step->blind - 1) / step->scale;
    double most = 2.0 / 27 * half * half;
    return square > 0 ? fmin(most, half * half * half / (12 * sqrt(2 * PI * square))) : most;
}

static mp2ml_status step_variance(struct error_model *m, unsigned s)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    double *out = calloc((size_t)step->count + 1, sizeof *out);
    m->variance[s] = out;
    if (out == NULL)
        return MP2ML_ERR_MEMORY;
    const double *in = step->n_operands != 0 ? m->variance[step->operands[0]] : NULL;
    if (step->kind == STEP_INPUT) {
        for (size_t i = 0; i < step->count; i++)
            out[i] = 1 / (12 * step->scale * step->scale);
    } else if (step->kind == STEP_LINEAR) {
        return linear_variance(m, s, out);
    } else if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
        product_variance(m, step, out);
    } else if (step->kind == STEP_SUM) {
        sum_variance(m, step, out);
    } else if (step->kind == STEP_MAX || step->kind == STEP_ARGMAX) {
        const struct mpc_windows *w = &step->windows;
        size_t each = step->top > 1 ? step->top : 1;
        for (size_t i = 0; i < step->count; i++)
            for (uint32_t j = w->first[i / each]; j < w->first[i / each + 1]; j++)
                out[i] = fmax(out[i], in[w->member[j]]);
        for (size_t i = 0; step->blind > 0 && i < step->count; i++)
            for (uint32_t j = w->first[i + 1] - w->first[i]; j > 1; j = (j + 1) / 2)
                out[i] += blind_variance(step, 0);
    } else {
        const float *active = m->plan->range[s].active; /* of a RELU */
        const float *square = m->plan->range[step->operands[0]].mean_square;
        for (size_t i = 0; i < step->count; i++)
            out[i] = (active != NULL ? in[i] * fmin(1, (double)active[i] + ACTIVE_LEAST) : in[i]) +
                     blind_variance(step, square != NULL ? (double)square[i] : 0);
    }
    return MP2ML_OK;
}

mp2ml_status plan_error_model(struct plan *plan)
{
    unsigned n = plan->pub.n_steps;
    struct error_model m = {plan, calloc(n + 1, sizeof *m.variance)};
    mp2ml_status status = m.variance != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; status == MP2ML_OK && s < n; s++) {
        status = step_variance(&m, s);
        double top = 0;
        for (size_t i = 0; status == MP2ML_OK && i < plan->pub.steps[s].count; i++)
            top = fmax(top, m.variance[s][i]);
        plan->notes[s].error_sd = sqrt(top);
    }
    for (unsigned s = 0; m.variance != NULL && s < n; s++)
        free(m.variance[s]);
    free(m.variance);
    return status;
}

double plan_expected_error(const struct plan *plan, unsigned output)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_step *step = &plan->pub.steps[s];
        if (step->kind == STEP_OUTPUT && step->tensor == output)
            return fmax(DEVIATIONS * plan->notes[s].error_sd,
                        OBSERVED * plan->observed_error[output]);
    }
    return 0;
}
