/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales and rings (docs/protocol.md, "Numbers"), step by step in order.
 *
 * A linear step's sum has the scale S: the weight of an operand with scale S_i is round(w*S/S_i),
 * so that operands of different scales add up. S is as large as b_w bits of weight allow; the
 * switch divides by 2^t, S_out = S/2^t, with the smallest t for which range*S_out <= 2^(k-2) - 5.
 *
 * Where all weights have one magnitude (pooling, sums, copies) they are the largest integer for
 * which t stays 0, at least 1: nothing is lost by rounding, and l stays small.
 *
 * Operands need not fit Z_{2^l}: a sum mod 2^l of operands mod 2^l is right as soon as the result
 * fits, and a consumer with a smaller ring than its operand's reduces the shares. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_internal.h"

#define NOISE_LSB 5 /* what a share's error may add, "Encryption" */
#define MIN_WEIGHT_BITS 8

struct interval { /* integer values of a neuron, strict mode */
    double low, high;
};

struct scaling {
    struct plan *plan;
    unsigned k, k_out;
    struct interval **values; /* [n_steps], strict mode only */
    mp2ml_error *err;
};

static double round_half_up(double x)
{
    return floor(x + 0.5);
}

/* The largest value that a result may have in k bits. */
static double room(unsigned k)
{
    return ldexp(1.0, (int)k - 2) - NOISE_LSB;
}

/* ---- one linear step's integers -------------------------------------------------------------- */

/* 1/scale of the operand of every input value. */
static double *inverse_scales(const struct plan *plan, const struct plan_step *step)
{
    size_t n = plan_step_inputs(&plan->pub, step), at = 0;
    double *inverse = malloc((n + 1) * sizeof *inverse);
    for (unsigned i = 0; inverse != NULL && i < step->n_operands; i++) {
        const struct plan_step *operand = &plan->pub.steps[step->operands[i]];
        for (size_t v = 0; v < operand->count; v++)
            inverse[at++] = 1.0 / operand->scale;
    }
    return inverse;
}

struct spread { /* of |weight|/S_i, zeros apart */
    double most, least;
};

static struct spread weight_spread(const struct linear *lin, const double *inverse)
{
    struct spread s = {0.0, INFINITY};
    size_t seen = SIZE_MAX; /* neighbours share their block mostly */
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        if (group->weights_at == seen)
            continue;
        seen = group->weights_at;
        for (size_t c = 0; c < group->cols; c++) {
            double f = inverse[lin->in_index[group->in_at + c]];
            for (size_t r = 0; r < group->rows; r++) {
                double a = fabs((double)lin->w[group->weights_at + r * group->cols + c]) * f;
                s.most = a > s.most ? a : s.most;
                s.least = a > 0 && a < s.least ? a : s.least;
            }
        }
    }
    return s;
}

/* The scale of the sum. */
static double choose_sum_scale(const struct spread *s, double range, unsigned k, unsigned b_w)
{
    double limit = ldexp(1.0, (int)b_w - 1) - 1;
    if (!(s->most > 0)) /* only biases */
        return range > 0 ? room(k) / range : 1.0;
    if (s->most <= s->least * (1 + 1e-6)) {
        double m = range > 0 ? floor(room(k) * s->most / range) : limit;
        return (m < 1 ? 1 : m > limit ? limit : m) / s->most;
    }
    return limit / s->most;
}

/* Integer weights and the norms of their rows. */
static void quantise(struct linear *lin, const double *inverse, double sum_scale, unsigned b_w)
{
    double limit = ldexp(1.0, (int)b_w - 1) - 1;
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            size_t at = group->weights_at + r * group->cols;
            double squares = 0;
            for (size_t c = 0; c < group->cols; c++) {
                double f = inverse[lin->in_index[group->in_at + c]];
                double v = round_half_up((double)lin->w[at + c] * sum_scale * f);
                v = v > limit ? limit : v < -limit ? -limit : v;
                lin->wi[at + c] = (int16_t)v;
                squares += v * v;
            }
            lin->norm2[lin->out_index[group->out_at + r]] = (float)sqrt(squares);
        }
    }
}

static mp2ml_status make_room(struct linear *lin)
{
    if (lin->wi == NULL)
        lin->wi = calloc(lin->n_weights + 1, sizeof *lin->wi);
    if (lin->bi == NULL)
        lin->bi = calloc(lin->n_out + 1, sizeof *lin->bi);
    if (lin->norm2 == NULL)
        lin->norm2 = calloc(lin->n_out + 1, sizeof *lin->norm2);
    return lin->wi != NULL && lin->bi != NULL && lin->norm2 != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* ---- strict ranges --------------------------------------------------------------------------- */

/* Interval of every output's sum; positive and negative parts of the weights apart. */
static void sum_intervals(const struct linear *lin, double sum_scale, const struct interval *in,
                          struct interval *out)
{
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            size_t o = lin->out_index[group->out_at + r];
            const int16_t *w = lin->wi + group->weights_at + r * group->cols;
            double bias = round_half_up(lin->b[o] * sum_scale);
            struct interval sum = {bias, bias};
            for (size_t c = 0; c < group->cols; c++) {
                const struct interval *x = &in[lin->in_index[group->in_at + c]];
                sum.low += w[c] * (w[c] > 0 ? x->low : x->high);
                sum.high += w[c] * (w[c] > 0 ? x->high : x->low);
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

/* The integer sums' proven bound, and their intervals in values[s]. */
static mp2ml_status prove_sums(struct scaling *sc, unsigned s, double sum_scale, double *bound)
{
    const struct plan *plan = sc->plan;
    const struct plan_step *step = &plan->pub.steps[s];
    struct interval *in = calloc(plan_step_inputs(&plan->pub, step) + 1, sizeof *in);
    if (in == NULL)
        return MP2ML_ERR_MEMORY;
    size_t at = 0;
    for (unsigned i = 0; i < step->n_operands; i++) {
        size_t n = plan->pub.steps[step->operands[i]].count;
        memcpy(in + at, sc->values[step->operands[i]], n * sizeof *in);
        at += n;
    }
    sum_intervals(&plan->linear[s], sum_scale, in, sc->values[s]);
    free(in);
    *bound = largest(sc->values[s], step->count);
    return MP2ML_OK;
}

/* Intervals of all steps but LINEAR. */
static void prove_other(struct scaling *sc, unsigned s)
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
        for (size_t i = 0; i < step->count; i++)
            out[i] = (struct interval){fmax(in[i].low, 0), fmax(in[i].high, 0)};
    } else if (step->kind == STEP_REENTRY) {
        memcpy(out, in, step->count * sizeof *out);
    }
}

/* ---- one linear step ------------------------------------------------------------------------- */

static unsigned dropped_bits(double largest_sum, unsigned k)
{
    unsigned t = 0;
    while (t < 1000 && ldexp(largest_sum, -(int)t) > room(k))
        t++;
    return t;
}

static bool norms_fit(const struct linear *lin, const struct ckks_params *params, unsigned k)
{
    for (size_t o = 0; o < lin->n_out; o++)
        if (!ckks_norm_fits(params, (double)lin->norm2[o], k))
            return false;
    return true;
}

/* The set for this step, or 0. What is opened, at once or behind non-linear steps, needs S2: its
 * error reaches the client and must not depend on the weights (docs/protocol.md, "Edges and
 * output"); a maximum or a sign hides it only in part. */
static unsigned choose_set(const struct linear *lin, bool opened, unsigned k, unsigned l)
{
    for (unsigned set = opened ? CKKS_S2 : CKKS_S1; set <= CKKS_S2; set++) {
        const struct ckks_params *params = ckks_params(set);
        if (params != NULL && k >= params->min_k && k <= params->max_k && l <= params->max_l &&
            norms_fit(lin, params, k))
            return set;
    }
    return 0;
}

static mp2ml_status set_biases(struct linear *lin, double sum_scale, unsigned l)
{
    for (size_t o = 0; o < lin->n_out; o++) {
        double v = round_half_up(lin->b[o] * sum_scale);
        if (!(fabs(v) < 0x1p62))
            return MP2ML_ERR_PLAN;
        lin->bi[o] = (uint64_t)(int64_t)v & (((uint64_t)1 << l) - 1);
    }
    return MP2ML_OK;
}

/* One try with b_w bits of weight. *set = 0 when nothing fits. */
static mp2ml_status try_weights(struct scaling *sc, unsigned s, const double *inverse, unsigned b_w,
                                unsigned *set)
{
    struct plan *plan = sc->plan;
    struct plan_step *step = &plan->pub.steps[s];
    struct plan_notes *notes = &plan->notes[s];
    struct plan_range *range = &plan->range[s];
    struct linear *lin = &plan->linear[s];
    bool strict = plan->options.ranges == PLAN_RANGES_STRICT;
    struct spread spread = weight_spread(lin, inverse);
    double expected = strict ? range->proven : range->used;
    double scale = choose_sum_scale(&spread, expected, step->k, b_w), bound = expected * scale;
    quantise(lin, inverse, scale, b_w);
    if (strict) {
        TRY(prove_sums(sc, s, scale, &bound));
        range->used = bound / scale;
    }
    unsigned t = dropped_bits(bound, step->k);
    step->l = step->k + t;
    notes->sum_scale = scale;
    notes->b_w = b_w;
    *set = choose_set(lin, notes->opened, step->k, step->l);
    if (*set == 0)
        return MP2ML_OK;
    step->set = *set;
    step->scale = ldexp(scale, -(int)t);
    for (size_t i = 0; strict && i < step->count; i++) {
        struct interval *v = &sc->values[s][i];
        v->low = floor(ldexp(v->low, -(int)t)) - NOISE_LSB;
        v->high = ceil(ldexp(v->high, -(int)t)) + NOISE_LSB;
    }
    return set_biases(lin, scale, step->l);
}

static mp2ml_status check_leak(struct scaling *sc, unsigned s)
{
    struct plan_notes *notes = &sc->plan->notes[s];
    const struct plan_step *step = &sc->plan->pub.steps[s];
    const struct linear *lin = &sc->plan->linear[s];
    notes->norm2 = 0;
    for (size_t o = 0; o < lin->n_out; o++)
        notes->norm2 = fmax(notes->norm2, (double)lin->norm2[o]);
    double leak = ckks_log2_leak(ckks_params(step->set), notes->norm2, step->k);
    if (notes->opened && leak > -40)
        return status_fail(sc->err, MP2ML_ERR_PLAN,
                           "step %u ('%s'): an opened value would tell 2^%.1f about the weights, "
                           "more than 2^-40; lower the bits of the output",
                           s, notes->nodes, leak);
    return MP2ML_OK;
}

static mp2ml_status scale_linear(struct scaling *sc, unsigned s)
{
    struct plan *plan = sc->plan;
    struct plan_step *step = &plan->pub.steps[s];
    step->k = step->out_bits = plan->notes[s].opened ? sc->k_out : sc->k;
    TRY(make_room(&plan->linear[s]));
    double *inverse = inverse_scales(plan, step);
    if (inverse == NULL)
        return MP2ML_ERR_MEMORY;
    unsigned set = 0;
    mp2ml_status status = MP2ML_OK;
    for (unsigned b_w = plan->options.b_w; status == MP2ML_OK && set == 0 && b_w >= MIN_WEIGHT_BITS;
         b_w--)
        status = try_weights(sc, s, inverse, b_w, &set);
    free(inverse);
    if (status == MP2ML_OK && set == 0)
        status = status_fail(sc->err, MP2ML_ERR_PLAN,
                             "step %u ('%s'): values up to %g need a ring of %u bits, or the "
                             "weights are too large, at k = %u",
                             s, plan->notes[s].nodes, plan->range[s].used, step->l, step->k);
    return status == MP2ML_OK ? check_leak(sc, s) : status;
}

/* ---- the plan -------------------------------------------------------------------------------- */

static void scale_other(struct scaling *sc, unsigned s)
{
    struct plan_public *pub = &sc->plan->pub;
    struct plan_step *step = &pub->steps[s];
    if (step->kind == STEP_INPUT) {
        step->scale = pub->inputs[step->tensor].scale;
        return; /* ring: the widest reader's, below */
    }
    const struct plan_step *operand = &pub->steps[step->operands[0]];
    step->scale = operand->scale;
    step->k = step->l = step->out_bits = operand->out_bits;
    if (step->kind == STEP_ARGMAX) {
        step->l = step->out_bits = mpc_index_bits(&step->windows);
        step->scale = 1.0;
    }
    if (step->kind == STEP_OUTPUT)
        pub->outputs[step->tensor].scale = step->scale;
}

/* Rings of what linear steps read: the largest of its readers, so that none must extend. */
static void widen_operands(struct plan_public *pub)
{
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        for (unsigned i = 0; step->kind == STEP_LINEAR && i < step->n_operands; i++) {
            struct plan_step *operand = &pub->steps[step->operands[i]];
            if (operand->l < step->l)
                operand->l = operand->out_bits = step->l;
            if (operand->kind == STEP_INPUT)
                operand->k = operand->l;
        }
    }
    for (unsigned s = 0; s < pub->n_inputs; s++) {
        struct plan_step *input = &pub->steps[s];
        if (input->l == 0) /* nobody reads it */
            input->k = input->l = input->out_bits = pub->inputs[input->tensor].bits + 1;
    }
}

static mp2ml_status scale_all(struct scaling *sc)
{
    struct plan *plan = sc->plan;
    bool strict = plan->options.ranges == PLAN_RANGES_STRICT;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct plan_step *step = &plan->pub.steps[s];
        step->k = step->l = step->out_bits = step->set = 0;
        if (strict) {
            sc->values[s] = calloc((size_t)step->count + 1, sizeof **sc->values);
            if (sc->values[s] == NULL)
                return MP2ML_ERR_MEMORY;
        }
        if (step->kind == STEP_LINEAR)
            TRY(scale_linear(sc, s));
        else
            scale_other(sc, s);
        if (strict && step->kind != STEP_LINEAR)
            prove_other(sc, s);
    }
    widen_operands(&plan->pub);
    return plan_error_model(plan);
}

mp2ml_status plan_scale(struct plan *plan, unsigned k, unsigned k_out, mp2ml_error *err)
{
    const struct ckks_params *s2 = ckks_params(CKKS_S2);
    if (k < s2->min_k || k > s2->max_k || k_out < s2->min_k || k_out > s2->max_k)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "rings have %u to %u bits, not %u and %u",
                           s2->min_k, s2->max_k, k, k_out);
    struct scaling sc = {.plan = plan, .k = k, .k_out = k_out, .err = err};
    sc.values = calloc(plan->pub.n_steps + 1, sizeof *sc.values);
    plan->k = plan->k_out = 0;
    mp2ml_error first = {MP2ML_OK, ""};
    sc.err = &first;
    mp2ml_status status = sc.values != NULL ? scale_all(&sc) : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; sc.values != NULL && s < plan->pub.n_steps; s++)
        free(sc.values[s]);
    free(sc.values);
    if (status != MP2ML_OK)
        return status_fail(err, status, "%s",
                           first.status != MP2ML_OK ? first.text : mp2ml_status_text(status));
    plan->k = k;
    plan->k_out = k_out;
    return MP2ML_OK;
}
