/* SPDX-License-Identifier: Apache-2.0
 *
 * How large values get: measured on synthetic inputs or on the user's samples, and bounded by
 * intervals. One range a step. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define SAMPLES 640
#define SAMPLES_LEAST 12                  /* of networks that would take minutes otherwise ... */
#define BUDGET ((uint64_t)1 << 35)        /* ... for so many products, or much memory */
#define MOST_PRODUCTS ((uint64_t)1 << 37) /* of one sample, that anybody would wait for */
#define BUDGET_VALUES ((uint64_t)1 << 28) /* of all steps, samples together */
#define CHUNK 64 /* samples that are evaluated together, or half as many, ... */
#define CHUNK_VALUES ((size_t)1 << 25) /* ... so that a value set holds no more than this */
#define FAINTEST 5                     /* 2^-5 of the range */
#define MARGIN_AUTO 2.0
#define MARGIN_FEW 2.5 /* of less than FEW samples */
#define FEW 500
#define MARGIN_CALIBRATED 1.5
#define PROGRESS_SHARE 0.3 /* of the work up to the choice of bits */

/* ---- synthetic inputs ------------------------------------------------------------------------ */

struct noise { /* SplitMix64; always the same numbers: a plan must not change from run to run */
    uint64_t state;
};

static uint64_t noise_next(struct noise *g)
{
    uint64_t z = (g->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double noise_unit(struct noise *g)
{
    return (double)(noise_next(g) >> 11) * 0x1p-53;
}

static size_t noise_below(struct noise *g, size_t n)
{
    return (size_t)(noise_unit(g) * (double)n);
}

struct picture { /* a tensor as height, width, channels; a vector has height 1, channels 1 */
    size_t h, w, c;
    bool nchw;
};

static struct picture picture_of(const struct plan_tensor *t)
{
    const uint32_t *d = t->dims;
    if (t->rank == 2)
        return (struct picture){d[0], d[1], 1, false};
    if (t->rank == 3) /* the channel axis is the shorter end */
        return d[0] < d[2] ? (struct picture){d[1], d[2], d[0], true}
                           : (struct picture){d[0], d[1], d[2], false};
    return (struct picture){1, t->count, 1, false};
}

static void put(float *out, const struct picture *p, size_t y, size_t x, size_t c, double v)
{
    out[p->nchw ? (c * p->h + y) * p->w + x : (y * p->w + x) * p->c + c] = (float)v;
}

/* Independent values; `contrast` of the way to black and white. */
static void fill_noise(float *out, size_t n, struct noise *g, double contrast)
{
    for (size_t i = 0; i < n; i++) {
        double v = noise_unit(g);
        out[i] = (float)(contrast * (v < 0.5 ? 0.0 : 1.0) + (1.0 - contrast) * v);
    }
}

/* Squares of one value each. */
static void fill_blocks(float *out, const struct picture *p, struct noise *g)
{
    size_t side = 1 + noise_below(g, (p->h > 1 ? p->h : p->w) / 2 + 1);
    size_t seed = noise_next(g);
    for (size_t y = 0; y < p->h; y++)
        for (size_t x = 0; x < p->w; x++)
            for (size_t c = 0; c < p->c; c++) {
                struct noise cell = {seed + (y / side * 4099 + x / side) * 31 + c};
                put(out, p, y, x, c, noise_unit(&cell));
            }
}

/* One value a channel; sometimes the borders of the range. */
static void fill_constant(float *out, const struct picture *p, struct noise *g)
{
    for (size_t c = 0; c < p->c; c++) {
        double v = noise_unit(g) * 1.5 - 0.25;
        v = v < 0 ? 0 : v > 1 ? 1 : v;
        for (size_t y = 0; y < p->h; y++)
            for (size_t x = 0; x < p->w; x++)
                put(out, p, y, x, c, v);
    }
}

/* Strokes of full value on nothing, or the other way round. */
static void fill_blobs(float *out, const struct picture *p, struct noise *g)
{
    size_t n = 1 + noise_below(g, 6);
    double invert = noise_unit(g) < 0.25 ? 1.0 : 0.0;
    double cy[6], cx[6], ry[6], rx[6];
    for (size_t i = 0; i < n; i++) {
        cy[i] = noise_unit(g) * (double)p->h;
        cx[i] = noise_unit(g) * (double)p->w;
        ry[i] = (0.05 + 0.3 * noise_unit(g)) * (double)p->h + 0.5;
        rx[i] = (0.05 + 0.3 * noise_unit(g)) * (double)p->w + 0.5;
    }
    for (size_t y = 0; y < p->h; y++)
        for (size_t x = 0; x < p->w; x++) {
            bool inside = false;
            for (size_t i = 0; i < n; i++) {
                double dy = ((double)y - cy[i]) / ry[i], dx = ((double)x - cx[i]) / rx[i];
                inside = inside || dy * dy + dx * dx < 1;
            }
            for (size_t c = 0; c < p->c; c++)
                put(out, p, y, x, c, inside ? 1.0 - invert : invert);
        }
}

/* A sum of slow waves, stretched to the whole range. */
static void fill_smooth(float *out, const struct picture *p, struct noise *g)
{
    const double turn = 6.283185307179586;
    for (size_t c = 0; c < p->c; c++) {
        double fy[3], fx[3], phase[3];
        for (unsigned i = 0; i < 3; i++) {
            fy[i] = turn * 2 * noise_unit(g) / (double)p->h;
            fx[i] = turn * 2 * noise_unit(g) / (double)p->w;
            phase[i] = turn * noise_unit(g);
        }
        for (size_t y = 0; y < p->h; y++)
            for (size_t x = 0; x < p->w; x++) {
                double v = 0.5;
                for (unsigned i = 0; i < 3; i++)
                    v += 0.25 * sin(fy[i] * (double)y + fx[i] * (double)x + phase[i]);
                put(out, p, y, x, c, v < 0 ? 0 : v > 1 ? 1 : v);
            }
    }
}

/* A range of both signs is declared as wide as the rarest feature wants: every other six samples
 * stay nearer to 0, so that the choice of bits sees small values, too. */
static void fill_sample(float *out, const struct plan_tensor *t, size_t sample)
{
    struct noise g = {0x6d70326d6cu * (sample + 1)};
    struct picture p = picture_of(t);
    switch (sample % 6) {
    case 0:
        fill_noise(out, t->count, &g, 0.0);
        break;
    case 1:
        fill_noise(out, t->count, &g, noise_unit(&g));
        break;
    case 2:
        fill_blocks(out, &p, &g);
        break;
    case 3:
        fill_constant(out, &p, &g);
        break;
    case 4:
        fill_blobs(out, &p, &g);
        break;
    default:
        fill_smooth(out, &p, &g);
        break;
    }
    double part =
        t->low < 0 && t->high > 0 && sample / 6 % 2 == 1 ? exp2(-FAINTEST * noise_unit(&g)) : 1.0;
    for (size_t i = 0; i < t->count; i++)
        out[i] = (float)(part * (t->low + (t->high - t->low) * (double)out[i]));
}

/* Numbers of rows of a table. */
static void make_whole(float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = rintf(out[i]);
}

static size_t inputs_per_sample(const struct plan_public *pub)
{
    size_t n = 0;
    for (unsigned t = 0; t < pub->n_inputs; t++)
        n += pub->inputs[t].count;
    return n;
}

/* Every value lies in the range of its input. */
static mp2ml_status check_calibration(const struct plan *plan, mp2ml_error *err)
{
    const struct plan_public *pub = &plan->pub;
    const float *at = plan->samples;
    for (size_t i = 0; i < plan->n_samples; i++)
        for (unsigned t = 0; t < pub->n_inputs; at += pub->inputs[t++].count) {
            const double low = pub->inputs[t].low, high = pub->inputs[t].high;
            const double slack = 1e-6 * fmax(fabs(low), fabs(high));
            for (size_t v = 0; v < pub->inputs[t].count; v++)
                if (!((double)at[v] >= low - slack && (double)at[v] <= high + slack))
                    return status_fail(err, MP2ML_ERR_INPUT,
                                       "calibration sample %zu has the value %g outside of the "
                                       "declared range %g:%g",
                                       i, (double)at[v], low, high);
        }
    return MP2ML_OK;
}

static mp2ml_status make_samples(struct plan *plan, mp2ml_error *err)
{
    const struct plan_public *pub = &plan->pub;
    const struct plan_options *o = &plan->options;
    size_t per = inputs_per_sample(pub), n;
    bool calibrated = o->ranges == PLAN_RANGES_CALIBRATED;
    uint64_t products = 1, values = 1;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        products += linear_products(&plan->linear[s]);
        values += pub->steps[s].count;
    }
    if (products > MOST_PRODUCTS)
        return status_fail(err, MP2ML_ERR_PLAN,
                           "takes %.3g multiplications for one sample; planned are up to 2^37",
                           (double)products);
    uint64_t most = BUDGET / products;
    most = most < BUDGET_VALUES / values ? most : BUDGET_VALUES / values;
    plan->n_samples = calibrated             ? o->calibration_samples
                      : most > SAMPLES       ? SAMPLES
                      : most > SAMPLES_LEAST ? (size_t)most
                                             : SAMPLES_LEAST;
    if (!size_mul(&n, plan->n_samples, per) || n > SIZE_MAX / sizeof *plan->samples ||
        (plan->samples = malloc(n * sizeof *plan->samples)) == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "no memory for %zu samples", plan->n_samples);
    if (calibrated) {
        memcpy(plan->samples, o->calibration, n * sizeof *plan->samples);
        return check_calibration(plan, err);
    }
    float *at = plan->samples;
    for (size_t i = 0; i < plan->n_samples; i++)
        for (unsigned t = 0; t < pub->n_inputs; t++) {
            fill_sample(at, &pub->inputs[t], i + 131 * t);
            if (plan->whole_input[t])
                make_whole(at, pub->inputs[t].count);
            at += pub->inputs[t].count;
        }
    return MP2ML_OK;
}

/* ---- measuring ------------------------------------------------------------------------------- */

struct measure {
    struct plan *plan;
    size_t first;      /* sample of the chunk */
    size_t stride;     /* values of a sample in sample_outputs */
    size_t *output_at; /* [n_steps]: where a step's values go there, or SIZE_MAX */
};

static int measure_step(void *context, unsigned s, const float *values, size_t images)
{
    struct measure *m = context;
    struct plan_range *range = &m->plan->range[s];
    size_t count = m->plan->pub.steps[s].count;
    double top = range->measured;
    bool numbers = true;
#pragma omp parallel for reduction(max : top) reduction(&& : numbers)
    for (size_t v = 0; v < count; v++) {
        const float *row = values + v * images;
        float most = 0, squares = 0, active = 0;
        for (size_t b = 0; b < images; b++) {
            most = fabsf(row[b]) > most ? fabsf(row[b]) : most;
            squares += row[b] * row[b];
            active += row[b] < 0 || row[b] > 0 ? 1.0f : 0.0f; /* some are minima */
        }
        numbers = numbers && isfinite(squares);
        top = (double)most > top ? (double)most : top;
        range->mean_square[v] += squares / (float)m->plan->n_samples;
        if (range->largest != NULL)
            range->largest[v] = fmaxf(range->largest[v], most);
        if (range->active != NULL)
            range->active[v] += active / (float)m->plan->n_samples;
    }
    range->measured = numbers ? top : INFINITY;
    if (m->output_at[s] != SIZE_MAX)
        for (size_t b = 0; b < images; b++)
            for (size_t v = 0; v < count; v++)
                m->plan->sample_outputs[(m->first + b) * m->stride + m->output_at[s] + v] =
                    values[v * images + b];
    return plan_progress_add(m->plan->options.progress, (double)images);
}

static mp2ml_status measure_chunk(struct measure *m, size_t images, float *buffer)
{
    const struct plan_public *pub = &m->plan->pub;
    const float *inputs[PLAN_MAX_TENSORS];
    size_t per = inputs_per_sample(pub), at = 0;
    for (unsigned t = 0; t < pub->n_inputs; t++) {
        size_t count = pub->inputs[t].count;
        float *to = buffer + at * images;
        for (size_t b = 0; b < images; b++)
            memcpy(to + b * count, m->plan->samples + (m->first + b) * per + at,
                   count * sizeof *to);
        inputs[t] = to;
        at += count;
    }
    return plan_eval_float(m->plan, images, inputs, NULL, measure_step, m);
}

/* Whether a product of two private values has values of step s. */
static bool is_factor(const struct plan_public *pub, unsigned s)
{
    for (unsigned t = s + 1; t < pub->n_steps; t++)
        for (unsigned i = 0; i < pub->steps[t].n_operands; i++)
            if ((pub->steps[t].kind == STEP_PRODUCT || pub->steps[t].kind == STEP_SQUARE) &&
                pub->steps[t].operands[i] == s)
                return true;
    return false;
}

static mp2ml_status measure_all(struct measure *m)
{
    struct plan *plan = m->plan;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_step *step = &plan->pub.steps[s];
        plan->range[s].mean_square = calloc((size_t)step->count + 1, sizeof(float));
        if (plan->range[s].mean_square == NULL)
            return MP2ML_ERR_MEMORY;
        if (is_factor(&plan->pub, s)) {
            plan->range[s].largest = calloc((size_t)step->count + 1, sizeof(float));
            if (plan->range[s].largest == NULL)
                return MP2ML_ERR_MEMORY;
        }
        if (step->kind == STEP_RELU || step->kind == STEP_SIGN) {
            plan->range[s].active = calloc((size_t)step->count + 1, sizeof(float));
            if (plan->range[s].active == NULL)
                return MP2ML_ERR_MEMORY;
        }
        m->output_at[s] = SIZE_MAX;
        if (step->kind != STEP_OUTPUT || step->n_operands == 0)
            continue;
        unsigned shown = step->operands[0]; /* before the policy */
        if (plan->pub.steps[shown].kind == STEP_ARGMAX)
            shown = plan->pub.steps[shown].operands[0];
        /* Two outputs that show one step: the second is left zero, whoever reads knows. */
        if (m->output_at[shown] == SIZE_MAX)
            m->output_at[shown] = m->stride;
        m->stride += plan->pub.steps[shown].count;
    }
    size_t chunk = CHUNK;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        while (chunk > 1 && plan->pub.steps[s].count * chunk > CHUNK_VALUES)
            chunk /= 2;
    plan->sample_outputs = calloc(plan->n_samples * m->stride + 1, sizeof(float));
    float *buffer = malloc((inputs_per_sample(&plan->pub) * chunk + 1) * sizeof *buffer);
    mp2ml_status status =
        plan->sample_outputs != NULL && buffer != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    plan_progress_phase(plan->options.progress, 0, PROGRESS_SHARE,
                        (double)plan->n_samples * plan->pub.n_steps);
    for (; status == MP2ML_OK && m->first < plan->n_samples; m->first += chunk) {
        size_t left = plan->n_samples - m->first;
        status = measure_chunk(m, left < chunk ? left : chunk, buffer);
    }
    free(buffer);
    return status;
}

/* ---- proving --------------------------------------------------------------------------------- */

struct interval {
    double low, high;
};

/* Of each weight what is above 0. */
static void above_zero(const void *context, float *out, const struct linear_group *group,
                       size_t row, size_t first, size_t cols)
{
    const struct linear *lin = context;
    for (size_t c = 0; c < cols; c++) {
        const float w = lin->w[linear_weight(lin, group, row, first + c)];
        out[c] = w > 0 ? w : 0;
    }
}

/* ... and what is below. */
static void below_zero(const void *context, float *out, const struct linear_group *group,
                       size_t row, size_t first, size_t cols)
{
    const struct linear *lin = context;
    for (size_t c = 0; c < cols; c++) {
        const float w = lin->w[linear_weight(lin, group, row, first + c)];
        out[c] = w < 0 ? w : 0;
    }
}

static mp2ml_status prove_linear(const struct linear *lin, const struct interval *in,
                                 struct interval *out)
{
    double *ends = calloc(2 * (lin->n_in + lin->n_out) + 1, sizeof *ends);
    if (ends == NULL)
        return MP2ML_ERR_MEMORY;
    double *high = ends + lin->n_in, *low_sum = high + lin->n_in, *high_sum = low_sum + lin->n_out;
    for (size_t i = 0; i < lin->n_in; i++) {
        ends[i] = in[i].low;
        high[i] = in[i].high;
    }
    linear_get_constants(lin, low_sum);
    linear_get_constants(lin, high_sum);
    mp2ml_status status = MP2ML_OK;
    for (unsigned end = 0; status == MP2ML_OK && end < 2; end++) {
        const struct linear_sums above = {above_zero, lin, end == 0 ? ends : high, 1};
        const struct linear_sums below = {below_zero, lin, end == 0 ? high : ends, 1};
        status = linear_sums(lin, end == 0 ? low_sum : high_sum, &above);
        if (status == MP2ML_OK)
            status = linear_sums(lin, end == 0 ? low_sum : high_sum, &below);
    }
    for (size_t o = 0; status == MP2ML_OK && o < lin->n_out; o++)
        out[o] = (struct interval){low_sum[o], high_sum[o]};
    free(ends);
    return status;
}

static void prove_windows(const struct plan_step *step, const struct interval *in,
                          struct interval *out)
{
    const struct mpc_windows *w = &step->windows;
    for (size_t i = 0; i < w->count; i++) {
        struct interval top = in[w->member[w->first[i]]];
        for (uint32_t m = w->first[i] + 1; m < w->first[i + 1]; m++) {
            top.low = fmax(top.low, in[w->member[m]].low);
            top.high = fmax(top.high, in[w->member[m]].high);
        }
        out[i] = top;
    }
}

static struct interval product(const struct interval *a, const struct interval *b)
{
    double p = a->low * b->low, q = a->low * b->high, r = a->high * b->low, s = a->high * b->high;
    if (isnan(p) || isnan(q) || isnan(r) || isnan(s)) /* 0 times infinity */
        return (struct interval){-INFINITY, INFINITY};
    return (struct interval){fmin(fmin(p, q), fmin(r, s)), fmax(fmax(p, q), fmax(r, s))};
}

static void prove_product(const struct plan_step *step, const struct interval *a,
                          const struct interval *b, struct interval *out)
{
    const struct mpc_windows *w = &step->windows;
    for (size_t i = 0; i < step->count; i++) {
        out[i] = product(&a[w->count != 0 ? w->member[2 * i] : i],
                         &b[w->count != 0 ? w->member[2 * i + 1] : i]);
        if (step->kind == STEP_SQUARE)
            out[i].low = fmax(out[i].low, 0);
    }
}

/* The constant beside value i of a RELU. */
static double beside(const struct plan *plan, unsigned s, size_t i)
{
    return plan->linear[s].b != NULL ? plan->linear[s].b[i] : 0;
}

static void prove_sum(const struct plan *plan, unsigned s, const struct interval *a,
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
        const double top = beside(plan, step->operands[0], i) - beside(plan, step->operands[1], i);
        out[i] = (struct interval){fmax(out[i].low, fmin(0, top)), fmin(out[i].high, fmax(0, top))};
    }
}

/* Bounds deep in a network may be beyond all numbers: what comes of two such is not known. */
static void unknown_is_infinite(struct interval *v)
{
    v->low = isnan(v->low) ? -INFINITY : v->low;
    v->high = isnan(v->high) ? INFINITY : v->high;
}

static mp2ml_status prove_step(struct plan *plan, unsigned s, struct interval **values)
{
    const struct plan_public *pub = &plan->pub;
    const struct plan_step *step = &pub->steps[s];
    struct interval *out = calloc((size_t)step->count + 1, sizeof *out);
    values[s] = out;
    if (out == NULL)
        return MP2ML_ERR_MEMORY;
    const struct interval *in = step->n_operands != 0 ? values[step->operands[0]] : NULL;
    if (step->kind == STEP_INPUT) {
        for (size_t i = 0; i < step->count; i++)
            out[i] =
                (struct interval){pub->inputs[step->tensor].low, pub->inputs[step->tensor].high};
    } else if (step->kind == STEP_LINEAR) {
        struct interval *joined = calloc(plan_step_inputs(pub, step) + 1, sizeof *joined);
        if (joined == NULL)
            return MP2ML_ERR_MEMORY;
        size_t at = 0;
        for (unsigned i = 0; i < step->n_operands; i++) {
            size_t n = pub->steps[step->operands[i]].count;
            memcpy(joined + at, values[step->operands[i]], n * sizeof *joined);
            at += n;
        }
        mp2ml_status status = prove_linear(&plan->linear[s], joined, out);
        free(joined);
        TRY(status);
    } else if (step->kind == STEP_MAX) {
        prove_windows(step, in, out);
    } else if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
        prove_product(step, in, values[step->operands[step->n_operands - 1]], out);
    } else if (step->kind == STEP_SUM) {
        prove_sum(plan, s, in, values[step->operands[1]], out);
    } else if (step->kind == STEP_SIGN) {
        for (size_t i = 0; i < step->count; i++)
            out[i] = (struct interval){-1, 1};
    } else if (step->kind != STEP_ARGMAX) {
        for (size_t i = 0; i < step->count; i++) {
            const struct linear *lin = &plan->linear[s]; /* of a RELU */
            bool negative = lin->negative != NULL && lin->negative[i];
            double low = in[i].low + beside(plan, s, i), high = in[i].high + beside(plan, s, i);
            out[i] = step->kind != STEP_RELU ? in[i]
                     : negative              ? (struct interval){fmin(low, 0), fmin(high, 0)}
                                             : (struct interval){fmax(low, 0), fmax(high, 0)};
        }
    }
    for (size_t i = 0; i < step->count; i++) {
        unknown_is_infinite(&out[i]);
        plan->range[s].proven =
            fmax(plan->range[s].proven, fmax(fabs(out[i].low), fabs(out[i].high)));
    }
    return MP2ML_OK;
}

static mp2ml_status prove_all(struct plan *plan)
{
    unsigned n = plan->pub.n_steps;
    struct interval **values = calloc(n + 1, sizeof *values);
    mp2ml_status status = values != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; status == MP2ML_OK && s < n; s++) {
        status = prove_step(plan, s, values);
        for (unsigned o = 0; o <= s; o++)
            if (!plan_is_read_after(&plan->pub, o, s)) {
                free(values[o]);
                values[o] = NULL;
            }
    }
    for (unsigned s = 0; values != NULL && s < n; s++)
        free(values[s]);
    free(values);
    return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

mp2ml_status plan_measure(struct plan *plan, mp2ml_error *err)
{
    TRY(make_samples(plan, err));
    struct measure m = {.plan = plan, .output_at = calloc(plan->pub.n_steps + 1, sizeof(size_t))};
    mp2ml_status status = m.output_at != NULL ? measure_all(&m) : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        status = prove_all(plan);
    free(m.output_at);
    if (status != MP2ML_OK)
        return status_fail(err, status, "the ranges could not be measured: %s",
                           mp2ml_status_text(status));
    double margin = plan->options.ranges == PLAN_RANGES_CALIBRATED ? MARGIN_CALIBRATED
                    : plan->n_samples < FEW                        ? MARGIN_FEW
                                                                   : MARGIN_AUTO;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct plan_range *range = &plan->range[s];
        /* Products deep in a network: what is proven of them may be beyond all numbers. */
        const bool needs_proof =
            plan->options.ranges == PLAN_RANGES_STRICT || !(range->measured > 0);
        if (!isfinite(range->measured) || (needs_proof && !isfinite(range->proven)))
            return status_fail(err, MP2ML_ERR_MODEL,
                               "node '%s': values are not finite for inputs within the range",
                               plan->notes[s].nodes);
        range->proven = isfinite(range->proven) ? range->proven : DBL_MAX;
        /* Nothing seen (a dead layer): only the bound is left. */
        range->used =
            range->measured > 0 ? fmin(range->measured * margin, range->proven) : range->proven;
    }
    return MP2ML_OK;
}
