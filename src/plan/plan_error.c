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
 *   Sign       wrong where the operand is nearer to 0 than     4 * wrong_signs
 *              its error, which rows of tables never are
 *   carried    the operands' errors                            w^2 * variance
 *   product    each factor's error times the other factor      E[x^2] * variance, both errors'
 *                                                              product
 * A ReLU passes the error on in those samples in which it is not zero (and in some beside, where
 * the error itself decides), a clip where one of its ReLUs is active and the other is not; a maximum
 * never enlarges it. E[x^2] and the share of active ReLUs are measured on the samples.
 *
 * That is the error that is typical. What is stated must hold for every input, and where factors are
 * large, the error of a product is, far above what it mostly is: so networks with products are
 * modelled once more for single samples, with x^2 of each for E[x^2], and the worst of them counts
 * (plan->error_peak). To take the largest of every value for all at once would say too much: no
 * input has them all, and one product after the other would multiply what is too much.
 *
 * Wrong signs, of a Sign or blind ones, are rare and large, which a deviation says little about: so
 * the bound leaves room for one of them besides, with what it adds behind the weights and the factors
 * (plan_flip.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define ACTIVE_LEAST 0.05 /* of a ReLU that is nearly always zero */
#define PI 3.14159265358979323846
#define DEVIATIONS 6 /* the stated bound, in standard deviations of the worst value */
#define OBSERVED                                                                                   \
    2.0 /* errors of weights and of neighbours in a picture are not independent, which             \
           the model takes them for; what the twin showed on the samples counts double */

#define SAMPLES 48 /* that are modelled one by one */
#define SAMPLES_LEAST 4
#define SAMPLE_PRODUCTS ((uint64_t)1 << 28) /* for fewer in large networks */

struct error_model {
    const struct plan *plan;
    double **variance; /* [n_steps][count] */
    float **square; /* [n_steps][count] of values: their mean over the samples, or of one sample */
    float **active; /* [n_steps] NULL, or of a RELU [count]: likewise, the share that is not 0 */
    double *worst;  /* [n_steps] the largest variance of any value */
};

struct variance_rows {
    const struct linear *lin;
    const double *unit; /* [n_in]: S_i*2^shift/S of the weights of each value that is read */
    double norm;        /* weights times this have squares that floats hold */
};

/* Of each weight its square, for what was carried. */
static void squares_of_row(const void *context, float *out, const struct linear_group *group,
                           size_t row, size_t first, size_t cols)
{
    const struct variance_rows *rows = context;
    const struct linear *lin = rows->lin;
    for (size_t c = 0; c < cols; c++) {
        const double w = (double)lin->w[linear_weight(lin, group, row, first + c)] * rows->norm;
        out[c] = (float)(w * w);
    }
}

/* ... and the square of what its rounding lost. */
static void losses_of_row(const void *context, float *out, const struct linear_group *group,
                          size_t row, size_t first, size_t cols)
{
    const struct variance_rows *rows = context;
    const struct linear *lin = rows->lin;
    for (size_t c = 0; c < cols; c++) {
        const size_t at = linear_weight(lin, group, row, first + c);
        double lost =
            (double)lin->w[at] - lin->wi[at] * rows->unit[linear_in(lin, group, first + c)];
        lost *= rows->norm;
        out[c] = (float)(lost * lost);
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
        const double one = ldexp(plan->pub.steps[o].scale / scale, step->shift[i]);
        const double held = plan_held(plan, o);
        for (size_t v = 0; v < plan->pub.steps[o].count; v++, at++) {
            unit[at] = one;
            carried[at] = m->variance[o][v];
            square[at] = fmin((double)m->square[o][v], held * held);
        }
    }
    for (size_t g = 0; g < lin->n_groups; g++)
        for (size_t r = 0; r < lin->groups[g].rows; r++) {
            double noise = fresh * (double)lin->norm2[lin->groups[g].rows_at + r];
            out[linear_out(lin, &lin->groups[g], r)] =
                1 / (12 * scale * scale) +
                (params->sigma * params->sigma + noise * noise) / (out_scale * out_scale);
        }
    float most = 0;
    for (size_t i = 0; i < lin->n_weights; i++)
        most = fabsf(lin->w[i]) > most ? fabsf(lin->w[i]) : most;
    const struct variance_rows rows = {lin, unit, most > 0 ? 1 / (double)most : 1};
    const double square_unit = 1 / (rows.norm * rows.norm);
    const struct linear_sums errors = {squares_of_row, &rows, carried, square_unit};
    const struct linear_sums losses = {losses_of_row, &rows, square, square_unit};
    mp2ml_status status = linear_sums(lin, out, &errors);
    if (status == MP2ML_OK)
        status = linear_sums(lin, out, &losses);
    free(unit);
    return status;
}

/* a*b moves by a*db + b*da + da*db; x^2 by 2*x*dx + dx^2. */
static void product_variance(const struct error_model *m, const struct plan_step *step, double *out)
{
    const struct mpc_windows *w = &step->windows;
    unsigned a = step->operands[0], b = step->operands[step->n_operands - 1];
    for (size_t i = 0; i < step->count; i++) {
        size_t x = w->count != 0 ? w->member[2 * i] : i,
               y = w->count != 0 ? w->member[2 * i + 1] : i;
        double va = m->variance[a][x], vb = m->variance[b][y];
        double sa = (double)m->square[a][x], sb = (double)m->square[b][y];
        out[i] =
            step->kind == STEP_SQUARE ? 4 * sa * va + 3 * va * va : sa * vb + sb * va + va * vb;
    }
}

/* What a blind sign adds where the values have this mean square, 0 if it is not known. A value x
 * with |x| < half is lost, or kept below 0, with probability (1 - |x|/half)/2: x^2 times that is at
 * most 2/27 * half^2, and over x of density f it makes f * half^3/12, f = 1/(sqrt(2 pi) *
 * deviation) at the middle of a normal distribution. */
static double blind_variance(double half, double square)
{
    double most = 2.0 / 27 * half * half;
    return square > 0 ? fmin(most, half * half * half / (12 * sqrt(2 * PI * square))) : most;
}

/* What blind signs add to value i of a RELU. */
static double blind_relu(const struct error_model *m, unsigned s, size_t i)
{
    const float *square = m->plan->range[m->plan->pub.steps[s].operands[0]].mean_square;
    return blind_variance(plan_blind_half(m->plan, s), square != NULL ? (double)square[i] : 0);
}

/* Of relu(x + a) - relu(x + b): none where both are active or neither is, and never more than a - b. */
static void clip_variance(const struct error_model *m, unsigned s, double *out)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    const unsigned one = step->operands[0], other = step->operands[1];
    const double *in = m->variance[m->plan->pub.steps[one].operands[0]];
    const double *a = m->plan->linear[one].b, *b = m->plan->linear[other].b;
    for (size_t i = 0; i < step->count; i++) {
        const double height = (a != NULL ? a[i] : 0) - (b != NULL ? b[i] : 0);
        const double share =
            fabs((double)m->active[one][i] - (double)m->active[other][i]) + ACTIVE_LEAST;
        out[i] = fmin(in[i] * fmin(1, share), height * height) + blind_relu(m, one, i) +
                 blind_relu(m, other, i);
    }
}

/* Both have their errors from one value: at most the sum of the deviations. */
static void sum_variance(const struct error_model *m, unsigned s, double *out)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    const double *a = m->variance[step->operands[0]], *b = m->variance[step->operands[1]];
    if (plan_is_clip(m->plan, s)) {
        clip_variance(m, s, out);
        return;
    }
    for (size_t i = 0; i < step->count; i++) {
        double sd = ldexp(sqrt(a[i]), step->shift[0]) + ldexp(sqrt(b[i]), step->shift[1]);
        out[i] = sd * sd;
    }
}

/* How likely a Sign is wrong whose operand has this mean square and error. Of density f at 0, the
 * middle of a normal distribution, they are f * E|error| and, blind, f * half/2. */
static double wrong_signs(double half, double square, double variance)
{
    return square > 0 ? fmin(0.5, (sqrt(2 / PI * variance) + half / 2) / sqrt(2 * PI * square))
                      : 0.5;
}

bool plan_sign_is_sure(const struct plan *plan, unsigned s, double deviation)
{
    return plan->notes[s].margin > DEVIATIONS * deviation + plan_blind_half(plan, s);
}

/* A wrong sign is off by 2; where the float model has 0 exactly, either is off by 1. */
static void sign_variance(const struct error_model *m, unsigned s, const double *in, double *out)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    const float *active = m->plan->range[s].active;
    const float *square = m->plan->range[step->operands[0]].mean_square;
    for (size_t i = 0; i < step->count; i++)
        if (!plan_sign_is_sure(m->plan, s, sqrt(in[i])))
            out[i] = 4 * wrong_signs(plan_blind_half(m->plan, s),
                                     square != NULL ? (double)square[i] : 0, in[i]) +
                     fmax(0, 1 - (active != NULL ? (double)active[i] : 0));
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
        sum_variance(m, s, out);
    } else if (step->kind == STEP_SIGN) {
        sign_variance(m, s, in, out);
    } else if (step->kind == STEP_MAX || step->kind == STEP_ARGMAX) {
        const struct mpc_windows *w = &step->windows;
        size_t each = step->top > 1 ? step->top : 1;
        for (size_t i = 0; i < step->count; i++)
            for (uint32_t j = w->first[i / each]; j < w->first[i / each + 1]; j++)
                out[i] = fmax(out[i], in[w->member[j]]);
        for (size_t i = 0; step->blind > 0 && i < step->count; i++)
            for (uint32_t j = w->first[i + 1] - w->first[i]; j > 1; j = (j + 1) / 2)
                out[i] += blind_variance(plan_blind_half(m->plan, s), 0);
    } else if (step->kind != STEP_OUTPUT || !plan_output_is_known(&m->plan->pub, step)) {
        const float *active = m->active[s]; /* of a RELU */
#pragma omp parallel for
        for (size_t i = 0; i < step->count; i++)
            out[i] = (active != NULL ? in[i] * fmin(1, (double)active[i] + ACTIVE_LEAST) : in[i]) +
                     blind_relu(m, s, i);
    }
    return MP2ML_OK;
}

static mp2ml_status error_model_init(struct error_model *m, const struct plan *plan)
{
    const size_t n = plan->pub.n_steps;
    *m = (struct error_model){.plan = plan,
                              .variance = calloc(n + 1, sizeof *m->variance),
                              .square = calloc(n + 1, sizeof *m->square),
                              .active = calloc(n + 1, sizeof *m->active),
                              .worst = calloc(n + 1, sizeof *m->worst)};
    return m->variance != NULL && m->square != NULL && m->active != NULL && m->worst != NULL
               ? MP2ML_OK
               : MP2ML_ERR_MEMORY;
}

static void free_values(struct error_model *m)
{
    for (unsigned s = 0; m->variance != NULL && s < m->plan->pub.n_steps; s++) {
        free(m->variance[s]);
        m->variance[s] = NULL;
    }
}

static void error_model_wipe(struct error_model *m)
{
    free_values(m);
    free(m->variance);
    free(m->square);
    free(m->active);
    free(m->worst);
}

/* Whether a step behind s reads the errors of step o; a clip reads those before its ReLUs. */
static bool is_read_after(const struct plan *plan, unsigned o, unsigned s)
{
    const struct plan_public *pub = &plan->pub;
    bool read = plan_is_read_after(pub, o, s);
    for (unsigned t = s + 1; t < pub->n_steps && !read; t++)
        read = pub->steps[t].kind == STEP_SUM && plan_is_clip(plan, t) &&
               pub->steps[pub->steps[t].operands[0]].operands[0] == o;
    return read;
}

static mp2ml_status model_step(struct error_model *m, unsigned s)
{
    TRY(step_variance(m, s));
    double worst = m->worst[s];
#pragma omp parallel for reduction(max : worst)
    for (size_t i = 0; i < m->plan->pub.steps[s].count; i++) {
        double *v = &m->variance[s][i];
        *v = isnan(*v) ? INFINITY : *v; /* 0 times an error that is beyond all numbers */
        worst = *v > worst ? *v : worst;
    }
    m->worst[s] = worst;
    for (unsigned o = 0; o <= s; o++)
        if (m->variance[o] != NULL && !is_read_after(m->plan, o, s)) {
            free(m->variance[o]);
            m->variance[o] = NULL;
        }
    return MP2ML_OK;
}

/* ---- one sample ------------------------------------------------------------------------------ */

struct sample_model {
    struct error_model m;
    mp2ml_status status;
};

static int visit_step(void *context, unsigned s, const float *values, size_t images)
{
    struct sample_model *sample = context;
    struct error_model *m = &sample->m;
    const size_t n = m->plan->pub.steps[s].count;
    (void)images; /* one */
    m->square[s] = malloc((n + 1) * sizeof(float));
    m->active[s] = m->plan->pub.steps[s].kind == STEP_RELU ? malloc((n + 1) * sizeof(float)) : NULL;
    sample->status = m->square[s] != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t i = 0; sample->status == MP2ML_OK && i < n; i++) {
        m->square[s][i] = values[i] * values[i];
        if (m->active[s] != NULL)
            m->active[s][i] = values[i] < 0 || values[i] > 0 ? 1.0F : 0.0F;
    }
    if (sample->status == MP2ML_OK)
        sample->status = model_step(m, s);
    return sample->status != MP2ML_OK;
}

/* m.worst = the largest variance of each step in any of the first n samples. */
static mp2ml_status model_samples(struct sample_model *sample, size_t n)
{
    const struct plan *plan = sample->m.plan;
    const struct plan_public *pub = &plan->pub;
    const float *at = plan->samples, *inputs[PLAN_MAX_TENSORS];
    for (size_t i = 0; i < n && sample->status == MP2ML_OK; i++) {
        for (unsigned t = 0; t < pub->n_inputs; at += pub->inputs[t].count, t++)
            inputs[t] = at;
        TRY(plan_eval_float(plan, 1, inputs, NULL, visit_step, sample));
        free_values(&sample->m);
        for (unsigned s = 0; s < pub->n_steps; s++) {
            free(sample->m.square[s]);
            free(sample->m.active[s]);
            sample->m.square[s] = sample->m.active[s] = NULL;
        }
    }
    return sample->status;
}

/* So many of the first samples, which are of all kinds. */
static size_t modelled_samples(const struct plan *plan)
{
    uint64_t products = 1;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        products += linear_products(&plan->linear[s]);
    const uint64_t most = SAMPLE_PRODUCTS / products;
    const size_t n = most < SAMPLES_LEAST ? SAMPLES_LEAST : most > SAMPLES ? SAMPLES : (size_t)most;
    return n < plan->n_samples ? n : plan->n_samples;
}

static bool has_products(const struct plan *plan)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_PRODUCT || plan->pub.steps[s].kind == STEP_SQUARE)
            return true;
    return false;
}

/* ---- all ------------------------------------------------------------------------------------- */

static mp2ml_status model_means(struct plan *plan)
{
    struct error_model m;
    mp2ml_status status = error_model_init(&m, plan);
    for (unsigned s = 0; status == MP2ML_OK && s < plan->pub.n_steps; s++) {
        m.square[s] = plan->range[s].mean_square;
        m.active[s] = plan->range[s].active;
        status = model_step(&m, s);
        plan->notes[s].error_sd = sqrt(m.worst[s]);
    }
    error_model_wipe(&m);
    return status;
}

/* The step that shows output o. */
static unsigned step_of(const struct plan *plan, unsigned o)
{
    unsigned s = 0;
    while (plan->pub.steps[s].kind != STEP_OUTPUT || plan->pub.steps[s].tensor != o)
        s++;
    return s;
}

static mp2ml_status model_peaks(struct plan *plan)
{
    struct sample_model sample = {.status = MP2ML_OK};
    mp2ml_status status = error_model_init(&sample.m, plan);
    if (status == MP2ML_OK && has_products(plan))
        status = model_samples(&sample, modelled_samples(plan));
    for (unsigned o = 0; status == MP2ML_OK && o < plan->pub.n_outputs; o++) {
        const unsigned s = step_of(plan, o);
        plan->error_peak[o] = fmax(1, sqrt(sample.m.worst[s]) / plan->notes[s].error_sd);
    }
    error_model_wipe(&sample.m);
    return status;
}

mp2ml_status plan_error_model(struct plan *plan)
{
    TRY(model_means(plan));
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        TRY(plan_flip_of(&plan->notes[s].flip, plan, s));
    return plan->error_peak[0] > 0 ? MP2ML_OK : model_peaks(plan);
}

double plan_modelled_error(const struct plan *plan, unsigned o)
{
    return DEVIATIONS * plan->notes[step_of(plan, o)].error_sd * plan->error_peak[o];
}

double plan_flip_error(const struct plan *plan, unsigned o)
{
    const struct plan_flip *flip = &plan->notes[step_of(plan, o)].flip;
    return fmax(flip->fresh, flip->one);
}

double plan_stated_error(const struct plan *plan, unsigned output)
{
    const double e = plan_expected_error(plan, output);
    switch (plan->pub.outputs[output].post) {
    case PLAN_POST_SIGMOID:
        return tanh(e / 4); /* from -e/2 to e/2 */
    case PLAN_POST_TANH:
        return 2 * tanh(e / 2);
    case PLAN_POST_SOFTMAX: /* the sigmoid of what one value has more than all others */
        return tanh(e / 2);
    case PLAN_POST_LOG_SOFTMAX:
        return 2 * e;
    default:
        return e;
    }
}

double plan_expected_error(const struct plan *plan, unsigned output)
{
    return fmax(plan_modelled_error(plan, output) + plan_flip_error(plan, output),
                OBSERVED * plan->observed_error[output]);
}
