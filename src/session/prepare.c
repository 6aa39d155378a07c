/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file to a plan whose bits are chosen (docs/protocol.md, "Numbers").
 *
 * The choice of k. The plan carries synthetic (or calibration) inputs and the float model's outputs
 * for them. For each k the fixed-point twin runs on the same inputs. With the margin m_i of input i
 * (best minus second value in floats) and the error e_j of input j (how much the twin moved the
 * second towards the best), a label is lost when an error exceeds a margin. The share of pairs (i,
 * j) with e_j > m_i estimates the share of lost labels far below 1/inputs; the smallest k for which
 * it is at most LOST_LABELS wins. A model without labels takes the largest k. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define K_FIRST 12
#define K_LAST 16
#define K_OUT_LOGITS 20
#define K_OUT_ARGMAX 16
#define LOST_LABELS 1e-4

static unsigned opened_bits(const struct plan *plan)
{
    return plan->pub.policy == PLAN_LOGITS ? K_OUT_LOGITS : K_OUT_ARGMAX;
}

/* ---- labels -------------------------------------------------------------------------------- */

static size_t first_largest(const float *v, size_t n)
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

static double lost_labels(const struct plan *plan, const float *fixed, size_t row)
{
    size_t rows = plan->n_samples, stride = 0;
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
    size_t row = pub->steps[trial.step].count;
    trial.values = calloc(plan->n_samples * row + 1, sizeof(float));
    float **inputs = split_tensors(pub->inputs, pub->n_inputs, plan->samples, plan->n_samples);
    float **outputs = split_tensors(pub->outputs, pub->n_outputs, NULL, plan->n_samples);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (trial.values && inputs && outputs)
        status = run_clear(plan, plan->n_samples, (const float *const *)inputs, outputs, true, 1,
                           keep_logits, &trial);
    if (status == MP2ML_OK)
        *lost = lost_labels(plan, trial.values, row);
    free_split(inputs, pub->n_inputs);
    free_split(outputs, pub->n_outputs);
    free(trial.values);
    return status;
}

static mp2ml_status choose_bits(struct plan *plan, unsigned bits, mp2ml_error *err)
{
    unsigned k_out = opened_bits(plan);
    if (bits > 0)
        return plan_scale(plan, bits, k_out, err);
    for (unsigned k = K_FIRST; k <= K_LAST; k++) {
        mp2ml_status status = plan_scale(plan, k, k_out, err);
        if (status != MP2ML_OK && k < K_LAST)
            continue;
        TRY(status);
        bool has_labels = plan->pub.steps[logits_step(plan)].count > 1;
        if (!has_labels || plan->pub.n_outputs != 1)
            return plan_scale(plan, K_LAST, k_out, err);
        double lost = 1;
        TRY(try_bits(plan, &lost));
        if (lost <= LOST_LABELS)
            return MP2ML_OK;
    }
    return MP2ML_OK; /* the largest k is in place; the plan prints its expected error */
}

/* ---- models -------------------------------------------------------------------------------- */

void tensor_describe(mp2ml_tensor *out, const struct plan_tensor *in)
{
    memset(out, 0, sizeof(*out));
    out->name = in->name;
    out->rank = in->rank;
    for (unsigned i = 0; i < in->rank; i++)
        out->dims[i] = in->dims[i];
    out->count = in->count;
    out->low = in->low;
    out->high = in->high;
    out->integers = in->dtype == PLAN_I64;
}

static mp2ml_status read_calibration(struct npy *npy, const struct graph *graph,
                                     struct plan_options *po, const char *path, mp2ml_error *err)
{
    size_t per_sample = 0;
    for (int i = 0; i < graph->n_inputs; i++)
        per_sample += graph_sample_count(&graph->nodes[graph->inputs[i]]);
    TRY(npy_read(npy, path, err));
    size_t samples = npy->rank > 0 ? npy->dims[0] : 0;
    if (samples == 0 || npy->count != samples * per_sample)
        return status_fail(err, MP2ML_ERR_INPUT,
                           "%s: %zu samples of %zu values, but the model takes %zu values a sample",
                           path, samples, samples ? npy->count / samples : 0, per_sample);
    po->calibration = npy->values;
    po->calibration_samples = samples;
    return MP2ML_OK;
}

static mp2ml_status plan_model(struct mp2ml_model *m, const struct mp2ml_options *o,
                               mp2ml_error *err)
{
    struct plan_options po;
    struct npy npy = {0};
    plan_options_init(&po);
    po.low = o->low;
    po.high = o->high;
    po.ranges = o->ranges;
    po.policy = o->policy;
    po.policy_given = o->policy_given;
    po.k_ss = o->k_ss;
    mp2ml_status status = MP2ML_OK;
    if (o->ranges == PLAN_RANGES_CALIBRATED)
        status = read_calibration(&npy, m->graph, &po, o->calibration_path, err);
    if (status == MP2ML_OK)
        status = plan_new(&m->plan, m->graph, &po, err);
    if (status == MP2ML_OK)
        status = choose_bits(m->plan, o->bits, err);
    npy_wipe(&npy);
    return status;
}

static mp2ml_status finish_model(struct mp2ml_model *m, const struct mp2ml_options *o,
                                 mp2ml_error *err)
{
    TRY(plan_model(m, o, err));
    const struct plan_public *pub = &m->plan->pub;
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind == STEP_LINEAR)
            m->sets |= 1u << pub->steps[s].set;
    for (unsigned i = 0; i < pub->n_inputs; i++)
        tensor_describe(&m->inputs[i], &pub->inputs[i]);
    for (unsigned i = 0; i < pub->n_outputs; i++)
        tensor_describe(&m->outputs[i], &pub->outputs[i]);
    return MP2ML_OK;
}

static struct graph_cut cut_of(const struct mp2ml_options *o)
{
    struct graph_cut cut = {0};
    if (o->n_input_node > 0)
        cut.inputs = (const char *const *)o->input_node;
    cut.n_inputs = o->n_input_node;
    if (o->n_output_node > 0)
        cut.outputs = (const char *const *)o->output_node;
    cut.n_outputs = o->n_output_node;
    return cut;
}

/* data NULL: `name` is the path of a file. */
static mp2ml_status make_model(mp2ml_model **out, const void *data, size_t size, const char *name,
                               const mp2ml_options *options, mp2ml_error *error)
{
    *out = NULL;
    struct mp2ml_options defaults;
    options_init(&defaults);
    const struct mp2ml_options *o = options ? options : &defaults;
    struct graph_cut cut = cut_of(o);
    struct mp2ml_model *m = calloc(1, sizeof(*m));
    if (!m)
        return status_fail(error, MP2ML_ERR_MEMORY, "out of memory");
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = data ? graph_parse(&m->graph, data, size, name, &cut, &own)
                               : graph_load(&m->graph, name, &cut, &own);
    if (status == MP2ML_OK)
        status = finish_model(m, o, &own);
    options_wipe(&defaults);
    if (status != MP2ML_OK) {
        mp2ml_model_free(m);
        return status_fail(error, status, "%s", own.text[0] ? own.text : mp2ml_status_text(status));
    }
    *out = m;
    return MP2ML_OK;
}

mp2ml_status mp2ml_model_load(mp2ml_model **out, const char *path, const mp2ml_options *options,
                              mp2ml_error *error)
{
    return make_model(out, NULL, 0, path, options, error);
}

mp2ml_status mp2ml_model_parse(mp2ml_model **out, const void *data, size_t size, const char *name,
                               const mp2ml_options *options, mp2ml_error *error)
{
    return make_model(out, data, size, name, options, error);
}

void mp2ml_model_free(mp2ml_model *model)
{
    if (!model)
        return;
    plan_free(model->plan);
    graph_free(model->graph);
    free(model);
}

const mp2ml_tensor *mp2ml_model_input(const mp2ml_model *model, size_t i)
{
    return i < model->plan->pub.n_inputs ? &model->inputs[i] : NULL;
}

const mp2ml_tensor *mp2ml_model_output(const mp2ml_model *model, size_t i)
{
    return i < model->plan->pub.n_outputs ? &model->outputs[i] : NULL;
}

mp2ml_status mp2ml_model_plan(const mp2ml_model *model, size_t images, int json, char **out,
                              mp2ml_error *error)
{
    if (images == 0)
        return status_fail(error, MP2ML_ERR_ARGUMENT, "a plan needs at least one image");
    mp2ml_status status =
        json ? plan_json(out, model->plan, images) : plan_print(out, model->plan, images);
    return status == MP2ML_OK ? status
                              : status_fail(error, status, "%s", mp2ml_status_text(status));
}

double mp2ml_model_expected_error(const mp2ml_model *model, size_t output)
{
    return plan_expected_error(model->plan, (unsigned)output);
}

/* ---- without privacy ------------------------------------------------------------------------ */

/* Labels of the last axis; a single value gives its sign. */
static void to_labels(float *labels, const float *logits, size_t labels_count, size_t row)
{
    for (size_t i = 0; i < labels_count; i++)
        labels[i] =
            row == 1 ? (float)(logits[i] >= 0) : (float)first_largest(logits + i * row, row);
}

/* Output o in floats; where the policy hides the values, through a buffer of the graph's output. */
static mp2ml_status eval_labels(const struct mp2ml_model *m, size_t images,
                                const float *const *inputs, float *const *outputs)
{
    const struct graph *g = m->graph;
    float *buffers[PLAN_MAX_TENSORS] = {0};
    mp2ml_status status = MP2ML_OK;
    for (int o = 0; o < g->n_outputs; o++) {
        size_t count = graph_sample_count(&g->nodes[g->outputs[o]]);
        buffers[o] = calloc(images * count + 1, sizeof(float));
        if (!buffers[o])
            status = MP2ML_ERR_MEMORY;
    }
    if (status == MP2ML_OK)
        status = graph_eval(g, images, inputs, buffers, NULL, NULL);
    for (int o = 0; o < g->n_outputs && status == MP2ML_OK; o++) {
        size_t have = graph_sample_count(&g->nodes[g->outputs[o]]);
        size_t want = m->plan->pub.outputs[o].count;
        if (g->nodes[g->outputs[o]].op == GRAPH_ARGMAX)
            memcpy(outputs[o], buffers[o], images * want * sizeof(float));
        else
            to_labels(outputs[o], buffers[o], images * want, have / want);
    }
    for (int o = 0; o < g->n_outputs; o++)
        free(buffers[o]);
    return status;
}

mp2ml_status mp2ml_model_eval_float(const mp2ml_model *model, size_t images,
                                    const float *const *inputs, float *const *outputs,
                                    mp2ml_error *error)
{
    mp2ml_status status = model->plan->pub.policy == PLAN_ARGMAX
                              ? eval_labels(model, images, inputs, outputs)
                              : graph_eval(model->graph, images, inputs, outputs, NULL, NULL);
    return status == MP2ML_OK ? status
                              : status_fail(error, status, "%s", mp2ml_status_text(status));
}

mp2ml_status mp2ml_model_eval_fixed(const mp2ml_model *model, size_t images,
                                    const float *const *inputs, float *const *outputs,
                                    uint64_t seed, mp2ml_error *error)
{
    const struct plan_public *pub = &model->plan->pub;
    for (unsigned t = 0; t < pub->n_inputs; t++)
        TRY(input_check(&pub->inputs[t], inputs[t], images, error));
    for (size_t done = 0; done < images;) {
        size_t n = images - done < PLAN_BLOCK_IMAGES ? images - done : PLAN_BLOCK_IMAGES;
        const float *in[PLAN_MAX_TENSORS];
        float *to[PLAN_MAX_TENSORS];
        for (unsigned t = 0; t < pub->n_inputs; t++)
            in[t] = inputs[t] + done * pub->inputs[t].count;
        for (unsigned t = 0; t < pub->n_outputs; t++)
            to[t] = outputs[t] + done * pub->outputs[t].count;
        mp2ml_status status = run_clear(model->plan, n, in, to, true, seed + done, NULL, NULL);
        if (status != MP2ML_OK)
            return status_fail(error, status, "%s", mp2ml_status_text(status));
        done += n;
    }
    return MP2ML_OK;
}
