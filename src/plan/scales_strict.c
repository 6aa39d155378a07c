/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges that are proven: intervals of the integers themselves, neuron by neuron, positive and
 * negative parts of the weights apart, with the error of every switch added. */
#include <stdlib.h>
#include <string.h>

#include "plan/scales.h"

/* Interval of every output's sum; positive and negative parts of the weights apart. */
static void sum_intervals(const struct linear *lin, const double *constants, double sum_scale,
                          const struct interval *in, struct interval *out)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            size_t o = linear_out(lin, group, r);
            double bias = round_half_up(constants[o] * sum_scale);
            struct interval sum = {bias, bias};
            for (size_t c = 0; c < group->cols; c++) {
                const struct interval *x = &in[linear_in(lin, group, c)];
                const int16_t w = lin->wi[linear_weight(lin, group, r, c)];
                sum.low += w * (w > 0 ? x->low : x->high);
                sum.high += w * (w > 0 ? x->high : x->low);
            }
            out[o] = sum;
        }
    }
}

static double largest(const struct interval *v, size_t n)
{
    double top = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, fmax(-v[i].low, v[i].high));
    return top;
}

mp2ml_status strict_sums(struct scaling *sc, unsigned s, double sum_scale, double *bound)
{
    const struct plan *plan = sc->plan;
    const struct plan_step *step = &plan->pub.steps[s];
    struct interval *in = calloc(plan_step_inputs(&plan->pub, step) + 1, sizeof *in);
    double *constants = scales_constants(plan, s);
    if (in == NULL || constants == NULL) {
        free(in);
        free(constants);
        return MP2ML_ERR_MEMORY;
    }
    size_t at = 0;
    for (unsigned i = 0; i < step->n_operands; i++) {
        size_t n = plan->pub.steps[step->operands[i]].count;
        const struct interval *from = sc->values[step->operands[i]];
        for (size_t v = 0; v < n; v++, at++)
            in[at] = (struct interval){ldexp(from[v].low, step->shift[i]),
                                       ldexp(from[v].high, step->shift[i])};
    }
    sum_intervals(&plan->linear[s], constants, sum_scale, in, sc->values[s]);
    free(in);
    free(constants);
    *bound = largest(sc->values[s], step->count);
    return MP2ML_OK;
}

void strict_switch(struct scaling *sc, unsigned s, unsigned t)
{
    for (size_t i = 0; i < sc->plan->pub.steps[s].count; i++) {
        struct interval *v = &sc->values[s][i];
        v->low = floor(ldexp(v->low, -(int)t)) - NOISE_LSB;
        v->high = ceil(ldexp(v->high, -(int)t)) + NOISE_LSB;
    }
}

static void strict_product(const struct plan_step *step, const struct interval *a,
                           const struct interval *b, struct interval *out)
{
    const struct mpc_windows *w = &step->windows;
    for (size_t i = 0; i < step->count; i++) {
        const struct interval *x = &a[w->count != 0 ? w->member[2 * i] : i];
        const struct interval *y = &b[w->count != 0 ? w->member[2 * i + 1] : i];
        double p = x->low * y->low, q = x->low * y->high, r = x->high * y->low,
               t = x->high * y->high;
        out[i] = (struct interval){fmin(fmin(p, q), fmin(r, t)), fmax(fmax(p, q), fmax(r, t))};
    }
}

static void strict_sum(const struct plan *plan, unsigned s, const struct interval *a,
                       const struct interval *b, struct interval *out)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const bool clip = plan_is_clip(plan, s);
    double f = ldexp(1, step->shift[0]), g = ldexp(step->minus ? -1 : 1, step->shift[1]);
    for (size_t i = 0; i < step->count; i++) {
        double p = g * b[i].low, q = g * b[i].high;
        out[i] = (struct interval){f * a[i].low + fmin(p, q), f * a[i].high + fmax(p, q)};
        if (!clip)
            continue;
        const double top =
            scales_beside(plan, step->operands[0], i) - scales_beside(plan, step->operands[1], i);
        out[i] = (struct interval){fmax(out[i].low, fmin(0, top)), fmin(out[i].high, fmax(0, top))};
    }
}

void strict_other(struct scaling *sc, unsigned s)
{
    const struct plan_step *step = &sc->plan->pub.steps[s];
    struct interval *out = sc->values[s];
    if (step->kind == STEP_INPUT) {
        const struct plan_tensor *t = &sc->plan->pub.inputs[step->tensor];
        for (size_t i = 0; i < step->count; i++)
            out[i] = (struct interval){round_half_up(t->low * t->scale),
                                       round_half_up(t->high * t->scale)};
        return;
    }
    const struct interval *in = sc->values[step->operands[0]];
    if (step->kind == STEP_MAX) {
        const struct mpc_windows *w = &step->windows;
        for (size_t i = 0; i < w->count; i++) {
            out[i] = in[w->member[w->first[i]]];
            for (uint32_t m = w->first[i] + 1; m < w->first[i + 1]; m++) {
                out[i].low = fmax(out[i].low, in[w->member[m]].low);
                out[i].high = fmax(out[i].high, in[w->member[m]].high);
            }
        }
    } else if (step->kind == STEP_RELU) {
        const struct linear *lin = &sc->plan->linear[s];
        for (size_t i = 0; i < step->count; i++) {
            double beside = scales_beside(sc->plan, s, i);
            double low = in[i].low + beside, high = in[i].high + beside;
            out[i] = lin->negative != NULL && lin->negative[i]
                         ? (struct interval){fmin(low, 0), fmin(high, 0)}
                         : (struct interval){fmax(low, 0), fmax(high, 0)};
        }
    } else if (step->kind == STEP_SIGN) {
        for (size_t i = 0; i < step->count; i++)
            out[i] = (struct interval){-1, 1};
    } else if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
        strict_product(step, in, sc->values[step->operands[step->n_operands - 1]], out);
    } else if (step->kind == STEP_SUM) {
        strict_sum(sc->plan, s, in, sc->values[step->operands[1]], out);
    } else if (step->kind == STEP_REENTRY) {
        memcpy(out, in, step->count * sizeof *out);
    }
}
