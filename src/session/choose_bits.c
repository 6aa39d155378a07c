/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of k, the ring of hidden activations (docs/protocol.md, "Numbers").
 *
 * The plan carries synthetic (or calibration) inputs and the float model's outputs for them. For
 * each k the fixed-point twin runs on the same inputs. With the margin m_i of input i (best minus
 * second value in floats) and the error e_j of input j (how much the twin moved the second towards
 * the best), a label is lost when an error exceeds a margin. The share of pairs (i, j) with e_j >
 * m_i estimates the share of lost labels far below 1/inputs. Part of it comes from the rounding of
 * inputs and weights, which no k can mend: the smallest k wins that loses at most LOST_FACTOR times
 * what the largest k loses. A model without labels takes the largest k. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define K_FIRST 12
#define K_LAST 16
#define K_OUT_ORDER 20 /* values, or the order of close ones */
#define K_OUT_ARGMAX 16
#define TRIAL_PRODUCTS ((uint64_t)1 << 30)
#define TRIAL_LEAST 16
#define LOST_FACTOR 2.0
#define LOST_LEAST 1e-4 /* fewer lost labels than this are as good as none */

static unsigned opened_bits(const struct plan *plan)
{
    return plan->pub.policy == PLAN_ARGMAX ? K_OUT_ARGMAX : K_OUT_ORDER;
}

/* ---- labels -------------------------------------------------------------------------------- */

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

/* How many samples a run of the twin takes: all, but for large networks no more than keep it within
 * TRIAL_PRODUCTS multiply-adds, and never fewer than TRIAL_LEAST. */
static size_t trial_samples(const struct plan *plan)
{
    uint64_t products = 1;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        products += linear_products(&plan->linear[s]);
    uint64_t most = TRIAL_PRODUCTS / products;
    most = most < TRIAL_LEAST ? TRIAL_LEAST : most;
    return plan->n_samples < most ? plan->n_samples : (size_t)most;
}

struct trial { /* the twin's raw values of the last linear step, as floats */
    const struct plan *plan;
    unsigned step;
    float *values; /* [image][count] */
};

/* Keeps the values that the argmax, or the output, reads. */
static int keep_logits(void *context, unsigned step, const uint64_t *values, size_t images)
{
    struct trial *trial = context;
    if (step != trial->step)
        return 0;
    const struct plan_step *s = &trial->plan->pub.steps[step];
    uint64_t sign = (uint64_t)1 << (s->out_bits - 1);
    for (size_t v = 0; v < s->count; v++)
        for (size_t b = 0; b < images; b++) {
            int64_t x = (int64_t)(values[v * images + b] ^ sign) - (int64_t)sign;
            trial->values[b * s->count + v] = (float)((double)x / s->scale);
        }
    return 0;
}

/* Inputs and outputs of all samples, split by tensor: [tensor] -> [image][count]. */
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

/* The step whose values become the labels of output 0: before an argmax, else what is opened. */
static unsigned logits_step(const struct plan *plan)
{
    const struct plan_public *pub = &plan->pub;
    unsigned s = 0;
    while (s < pub->n_steps && !(pub->steps[s].kind == STEP_OUTPUT && pub->steps[s].tensor == 0))
        s++;
    s = pub->steps[s].operands[0];
    return pub->steps[s].kind == STEP_ARGMAX ? pub->steps[s].operands[0] : s;
}

static double lost_labels(const struct plan *plan, const float *fixed, size_t rows, size_t row)
{
    size_t stride = 0;
    for (unsigned o = 0; o < plan->pub.n_outputs; o++)
        stride += plan->pub.outputs[o].count;
    if (plan->pub.policy == PLAN_ARGMAX)
        stride = row;
    float *margin = calloc(rows + 1, sizeof(float)), *error = calloc(rows + 1, sizeof(float));
    double lost = 1;
    if (margin && error) {
        for (size_t i = 0; i < rows; i++) {
            const float *exact = plan->sample_outputs + i * stride, *got = fixed + i * row;
            size_t best = first_largest(exact, row), second = second_largest(exact, row, best);
            margin[i] = exact[best] - exact[second];
            error[i] = (exact[best] - got[best]) - (exact[second] - got[second]);
        }
        lost = share_above(margin, error, rows);
    }
    free(margin);
    free(error);
    return lost;
}

/* Runs the twin of the plan as scaled now on its own samples; *lost = estimated share of lost
 * labels. */
static mp2ml_status try_bits(const struct plan *plan, double *lost)
{
    const struct plan_public *pub = &plan->pub;
    struct trial trial = {plan, logits_step(plan), NULL};
    size_t row = pub->steps[trial.step].count, images = trial_samples(plan);
    trial.values = calloc(images * row + 1, sizeof(float));
    float **inputs = split_tensors(pub->inputs, pub->n_inputs, plan->samples, images);
    float **outputs = split_tensors(pub->outputs, pub->n_outputs, NULL, images);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (trial.values && inputs && outputs)
        status = run_clear(plan, images, (const float *const *)inputs, outputs, true, 1,
                           keep_logits, &trial);
    if (status == MP2ML_OK)
        *lost = lost_labels(plan, trial.values, images, row);
    free_split(inputs, pub->n_inputs);
    free_split(outputs, pub->n_outputs);
    free(trial.values);
    return status;
}

struct observation { /* the twin against the float outputs of the samples */
    struct plan *plan;
    size_t stride; /* of a sample in plan->sample_outputs */
};

/* Where output `tensor` begins in a sample's outputs, and the step whose values they are. */
static unsigned compared_step(const struct plan_public *pub, unsigned tensor)
{
    unsigned s = 0;
    while (!(pub->steps[s].kind == STEP_OUTPUT && pub->steps[s].tensor == tensor))
        s++;
    s = pub->steps[s].operands[0];
    return pub->steps[s].kind == STEP_ARGMAX ? pub->steps[s].operands[0] : s;
}

static int observe_outputs(void *context, unsigned step, const uint64_t *values, size_t images)
{
    struct observation *o = context;
    const struct plan_public *pub = &o->plan->pub;
    size_t at = 0;
    for (unsigned t = 0; t < pub->n_outputs; t++) {
        unsigned compared = compared_step(pub, t);
        const struct plan_step *s = &pub->steps[compared];
        const uint64_t sign = (uint64_t)1 << (s->out_bits - 1);
        double *largest = &o->plan->observed_error[t];
        for (size_t v = 0; compared == step && v < s->count; v++)
            for (size_t b = 0; b < images; b++) {
                int64_t x = (int64_t)(values[v * images + b] ^ sign) - (int64_t)sign;
                double exact = (double)o->plan->sample_outputs[b * o->stride + at + v];
                *largest = fmax(*largest, fabs((double)x / s->scale - exact));
            }
        at += s->count;
    }
    return 0;
}

/* Runs the twin on the samples once more and notes its largest errors for plan_expected_error. */
static mp2ml_status observe_errors(struct plan *plan)
{
    const struct plan_public *pub = &plan->pub;
    struct observation o = {plan, 0};
    const size_t images = trial_samples(plan);
    for (unsigned t = 0; t < pub->n_outputs; t++) {
        o.stride += pub->steps[compared_step(pub, t)].count;
        plan->observed_error[t] = 0;
    }
    float **inputs = split_tensors(pub->inputs, pub->n_inputs, plan->samples, images);
    float **outputs = split_tensors(pub->outputs, pub->n_outputs, NULL, images);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (inputs && outputs)
        status = run_clear(plan, images, (const float *const *)inputs, outputs, true, 2,
                           observe_outputs, &o);
    free_split(inputs, pub->n_inputs);
    free_split(outputs, pub->n_outputs);
    return status;
}

/* The plan at k bits, and what it loses; a failure of plan_scale is returned. */
static mp2ml_status scale_and_try(struct plan *plan, unsigned k, double *lost, mp2ml_error *err)
{
    TRY(plan_scale(plan, k, opened_bits(plan), err));
    return try_bits(plan, lost);
}

static mp2ml_status smallest_bits(struct plan *plan, unsigned bits, mp2ml_error *err)
{
    unsigned last = K_LAST;
    double lost = 0, least = 0;
    if (bits > 0)
        return plan_scale(plan, bits, opened_bits(plan), err);
    while (last > K_FIRST && plan_scale(plan, last, opened_bits(plan), NULL) != MP2ML_OK)
        last--;
    TRY(plan_scale(plan, last, opened_bits(plan), err));
    if (plan->pub.n_outputs != 1 || plan->pub.policy == PLAN_TOP ||
        plan->pub.steps[logits_step(plan)].count < 2)
        return MP2ML_OK;
    TRY(try_bits(plan, &least));
    for (unsigned k = K_FIRST; k < last; k++)
        if (scale_and_try(plan, k, &lost, NULL) == MP2ML_OK &&
            lost <= fmax(LOST_FACTOR * least, LOST_LEAST))
            return MP2ML_OK;
    return plan_scale(plan, last, opened_bits(plan), err);
}

mp2ml_status choose_bits(struct plan *plan, unsigned bits, mp2ml_error *err)
{
    TRY(smallest_bits(plan, bits, err));
    return observe_errors(plan);
}
