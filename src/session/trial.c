/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials: the fixed-point twin of a plan on the plan's own samples, against the float model.
 *
 * Lost labels. With the margin m_i of label i (best minus second value in floats) and the error e_j
 * of label j (how much the twin moved the second towards the best), a label is lost when an error
 * exceeds a margin. The share of pairs (i, j) with e_j > m_i estimates the share of lost labels far
 * below 1/samples. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define TRIAL_PRODUCTS ((uint64_t)1 << 30)
#define TRIAL_LEAST 16                 /* in spite of that, */
#define TRIAL_MOST ((uint64_t)1 << 34) /* unless they are more than these; */
#define TRIAL_FEWEST 4                 /* then so many: that large networks have many values */
#define CLASS_LEAST 32                 /* samples that say something about a class */

size_t first_largest(const float *v, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (v[i] > v[best])
            best = i;
    return best;
}

static size_t second_largest(const float *v, size_t n, size_t best)
{
    size_t second = best == 0 ? 1 : 0;
    for (size_t i = 0; i < n; i++)
        if (i != best && v[i] > v[second])
            second = i;
    return second;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The share of pairs with error[j] > margin[i]; sorts both. */
static double share_above(float *margin, float *error, size_t n)
{
    qsort(margin, n, sizeof(*margin), compare_floats);
    qsort(error, n, sizeof(*error), compare_floats);
    double pairs = 0;
    size_t i = 0;
    for (size_t j = 0; j < n; j++) {
        while (i < n && margin[i] < error[j])
            i++;
        pairs += (double)i;
    }
    return n > 0 ? pairs / ((double)n * (double)n) : 0;
}

static uint64_t image_products(const struct plan *plan)
{
    uint64_t products = 1;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        products += linear_products(&plan->linear[s]);
    return products;
}

/* How many samples a run of the twin takes: all, but for large networks no more than keep it within
 * TRIAL_PRODUCTS multiply-adds, or TRIAL_LEAST; for very large ones TRIAL_FEWEST. */
static size_t trial_samples(const struct plan *plan)
{
    const uint64_t products = image_products(plan);
    uint64_t most = TRIAL_PRODUCTS / products, least = TRIAL_MOST / products;
    least = least > TRIAL_LEAST ? TRIAL_LEAST : least < TRIAL_FEWEST ? TRIAL_FEWEST : least;
    most = most < least ? least : most;
    return plan->n_samples < most ? plan->n_samples : (size_t)most;
}

uint64_t trial_products(const struct plan *plan)
{
    return image_products(plan) * trial_samples(plan);
}

/* The step whose values output `tensor` shows, or compares; the output itself where it has none, and
 * an input where it shows that. */
static unsigned compared_step(const struct plan_public *pub, unsigned tensor)
{
    unsigned s = 0;
    while (!(pub->steps[s].kind == STEP_OUTPUT && pub->steps[s].tensor == tensor))
        s++;
    if (pub->steps[s].count == 0)
        return s;
    s = pub->steps[s].operands[0];
    return pub->steps[s].kind == STEP_ARGMAX ? pub->steps[s].operands[0] : s;
}

struct strength { /* of the inputs of a sample */
    float square;
    uint32_t image;
};

struct trial { /* the twin's values of all compared steps, as floats */
    const struct plan *plan;
    size_t stride;          /* values of a sample, output after output */
    float *values;          /* [image][stride], as plan->sample_outputs */
    struct strength *order; /* [image] */
};

static int compare_strengths(const void *a, const void *b)
{
    float x = ((const struct strength *)a)->square, y = ((const struct strength *)b)->square;
    return (x > y) - (x < y);
}

/* The samples from faint to strong. What is lost of faint ones hides behind the others. */
static void order_samples(struct trial *trial, size_t images)
{
    const struct plan_public *pub = &trial->plan->pub;
    size_t inputs = 0;
    for (unsigned t = 0; t < pub->n_inputs; t++)
        inputs += pub->inputs[t].count;
    for (size_t i = 0; i < images; i++) {
        const float *x = trial->plan->samples + i * inputs;
        trial->order[i] = (struct strength){0, (uint32_t)i};
        for (size_t v = 0; v < inputs; v++)
            trial->order[i].square += x[v] * x[v];
    }
    qsort(trial->order, images, sizeof(*trial->order), compare_strengths);
}

static int keep_values(void *context, unsigned step, const uint64_t *values, size_t images)
{
    struct trial *trial = context;
    const struct plan_public *pub = &trial->plan->pub;
    size_t at = 0;
    for (unsigned t = 0; t < pub->n_outputs; t++) {
        unsigned compared = compared_step(pub, t);
        const struct plan_step *s = &pub->steps[compared];
        const uint64_t sign = (uint64_t)1 << (s->out_bits - 1);
        for (size_t v = 0; compared == step && v < s->count; v++)
            for (size_t b = 0; b < images; b++) {
                int64_t x = (int64_t)(values[v * images + b] ^ sign) - (int64_t)sign;
                trial->values[b * trial->stride + at + v] = (float)((double)x / s->scale);
            }
        at += s->count;
    }
    return plan_progress_add(trial->plan->options.progress, 1);
}

/* Margin and error of one label: the largest of `width` values, or the sign of a single one. */
static void judge_label(float *margin, float *error, const float *exact, const float *got,
                        size_t width)
{
    if (width == 1) {
        *margin = fabsf(exact[0]);
        *error = exact[0] < 0 ? got[0] - exact[0] : exact[0] - got[0];
        return;
    }
    size_t best = first_largest(exact, width), second = second_largest(exact, width, best);
    *margin = exact[best] - exact[second];
    *error = (exact[best] - got[best]) - (exact[second] - got[second]);
}

/* Of the labels of output 0 in n samples, one for each row of its last axis. */
static mp2ml_status lost_labels(double *lost, const struct trial *trial,
                                const struct strength *samples, size_t n_samples)
{
    const struct plan_public *pub = &trial->plan->pub;
    const struct plan_step *step = &pub->steps[compared_step(pub, 0)];
    const struct plan_tensor *out = &pub->outputs[0];
    size_t rows = pub->policy == PLAN_ARGMAX ? out->count
                  : out->rank > 0            ? out->count / out->dims[out->rank - 1]
                                             : 1;
    size_t width = step->count / rows, n = 0;
    float *margin = calloc(n_samples * rows + 1, sizeof(float));
    float *error = calloc(n_samples * rows + 1, sizeof(float));
    if (margin && error)
        for (size_t i = 0; i < n_samples; i++)
            for (size_t r = 0; r < rows; r++, n++) {
                size_t at = samples[i].image * trial->stride + r * width;
                judge_label(&margin[n], &error[n], trial->plan->sample_outputs + at,
                            trial->values + at, width);
            }
    bool done = margin && error;
    if (done)
        *lost = share_above(margin, error, n);
    free(margin);
    free(error);
    return done ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* Output t alone, whose values begin at `at`. */
static void judge_output(struct trial_result *result, unsigned class, const struct trial *trial,
                         const struct strength *samples, size_t n, unsigned t, size_t at,
                         size_t count)
{
    if (count == 0)
        return;
    double square = 0, largest = result->largest[t];
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        size_t from = samples[i].image * trial->stride + at;
        for (size_t v = from; v < from + count; v++) {
            double e = (double)trial->values[v] - (double)trial->plan->sample_outputs[v];
            square += e * e;
            largest = fmax(largest, fabs(e));
            low = fminf(low, trial->plan->sample_outputs[v]);
            high = fmaxf(high, trial->plan->sample_outputs[v]);
        }
    }
    result->range[t] = fmax(result->range[t], (double)high - (double)low);
    result->mean_square[class][t] = square / (double)(n * count);
    result->largest[t] = largest;
}

static void judge_values(struct trial_result *result, unsigned class, const struct trial *trial,
                         const struct strength *samples, size_t n)
{
    const struct plan_public *pub = &trial->plan->pub;
    size_t at = 0;
    for (unsigned t = 0; t < pub->n_outputs; t++) {
        unsigned step = compared_step(pub, t), twin = 0;
        while (compared_step(pub, twin) != step) /* samples of a step that two outputs show stand */
            twin++;                              /* with the first */
        if (twin == t && pub->steps[step].kind != STEP_INPUT) /* which is shown as it is */
            judge_output(result, class, trial, samples, n, t, at, pub->steps[step].count);
        result->mean_square[class][t] = result->mean_square[class][twin];
        result->largest[t] = result->largest[twin];
        result->range[t] = result->range[twin];
        at += pub->steps[step].count;
    }
}

static mp2ml_status judge(struct trial_result *result, struct trial *trial, size_t images)
{
    order_samples(trial, images);
    result->samples = images;
    result->values = images * trial->stride;
    result->classes = images >= (size_t)TRIAL_CLASSES * CLASS_LEAST ? TRIAL_CLASSES : 1;
    for (unsigned c = 0; c < result->classes; c++) {
        size_t from = c * images / result->classes, to = (c + 1) * images / result->classes;
        judge_values(result, c, trial, trial->order + from, to - from);
        if (trial->plan->pub.policy != PLAN_TOP && trial->plan->pub.outputs[0].count != 0)
            TRY(lost_labels(&result->lost[c], trial, trial->order + from, to - from));
    }
    return MP2ML_OK;
}

/* Tensors side by side, [image][all], as one array each: [tensor] -> [image][count]. */
static float **split_tensors(const struct plan_tensor *tensors, unsigned n, const float *all,
                             size_t images)
{
    float **split = calloc(n + 1, sizeof(*split));
    size_t total = 0, at = 0;
    for (unsigned t = 0; t < n; t++)
        total += tensors[t].count;
    for (unsigned t = 0; split && t < n; t++) {
        size_t count = tensors[t].count;
        split[t] = calloc(images * count + 1, sizeof(float));
        for (size_t b = 0; split[t] && all && b < images; b++)
            memcpy(split[t] + b * count, all + b * total + at, count * sizeof(float));
        at += count;
    }
    return split;
}

static void free_split(float **split, unsigned n)
{
    for (unsigned t = 0; split && t < n; t++)
        free(split[t]);
    free(split);
}

mp2ml_status trial_run(struct trial_result *result, const struct plan *plan, uint64_t seed)
{
    const struct plan_public *pub = &plan->pub;
    struct trial trial = {.plan = plan};
    size_t images = trial_samples(plan);
    memset(result, 0, sizeof(*result));
    for (unsigned t = 0; t < pub->n_outputs; t++)
        trial.stride += pub->steps[compared_step(pub, t)].count;
    trial.values = calloc(images * trial.stride + 1, sizeof(float));
    trial.order = calloc(images + 1, sizeof(*trial.order));
    float **inputs = split_tensors(pub->inputs, pub->n_inputs, plan->samples, images);
    float **outputs = split_tensors(pub->outputs, pub->n_outputs, NULL, images);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (trial.values && trial.order && inputs && outputs)
        status = run_clear(plan, images, (const float *const *)inputs, outputs, true, seed,
                           keep_values, &trial);
    if (status == MP2ML_OK && images > 0)
        status = judge(result, &trial, images);
    free_split(inputs, pub->n_inputs);
    free_split(outputs, pub->n_outputs);
    free(trial.values);
    free(trial.order);
    return status;
}
