/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file to a planned model, and the model run without privacy. */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define WEIGHT_BITS 11 /* as wide as the matrix product takes without more work */

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

static mp2ml_status read_calibration(mp2ml_array *a, const struct graph *graph,
                                     struct plan_options *po, const char *path, mp2ml_error *err)
{
    size_t per_sample = 0;
    for (int i = 0; i < graph->n_inputs; i++)
        per_sample += graph_sample_count(&graph->nodes[graph->inputs[i]]);
    TRY(array_read(a, path, err));
    size_t samples = a->rank > 0 ? a->dims[0] : 0;
    if (samples == 0 || a->count != samples * per_sample)
        return status_fail(err, MP2ML_ERR_INPUT,
                           "%s: %zu samples of %zu values, but the model takes %zu values a sample",
                           path, samples, samples ? a->count / samples : 0, per_sample);
    po->calibration = a->values;
    po->calibration_samples = samples;
    return MP2ML_OK;
}

/* The polynomials of all packings stay with the model, for all sessions. */
static mp2ml_status pack(struct plan *plan, uint64_t most_bytes)
{
    TRY(plan_pack(plan));
    plan_pack_within(plan, most_bytes);
    return MP2ML_OK;
}

static mp2ml_status plan_model(struct mp2ml_model *m, const struct mp2ml_options *o,
                               mp2ml_error *err)
{
    struct plan_options po;
    mp2ml_array samples = {0};
    plan_options_init(&po);
    po.low = o->low;
    po.high = o->high;
    if (o->preprocess_given && !o->range_given)
        po.high = 1 / o->preprocess.scale;
    po.ranges = o->ranges;
    po.policy = o->policy;
    po.policy_given = o->policy_given;
    po.top = o->top;
    po.k_ss = o->k_ss;
    m->k_ss_by_link = o->k_ss == 0;
    struct plan_progress progress = {.call = o->progress, .context = o->progress_context};
    po.progress = o->progress ? &progress : NULL;
    po.b_in = o->input_bits;
    po.b_w = WEIGHT_BITS;
    mp2ml_status status = MP2ML_OK;
    if (o->ranges == PLAN_RANGES_CALIBRATED)
        status = read_calibration(&samples, m->graph, &po, o->calibration_path, err);
    if (status == MP2ML_OK)
        status = plan_new(&m->plan, m->graph, &po, err);
    if (status == MP2ML_OK)
        status = choose_bits(m->plan, o->bits, o->sign_bits, err);
    if (status == MP2ML_OK && !o->hide_geometry && o->layout != 1 + PLAN_BATCH)
        status = pack(m->plan, o->max_memory);
    if (m->plan)
        m->plan->options.progress = NULL;
    array_wipe(&samples);
    return status;
}

/* The step that makes output o's labels. */
static const struct plan_step *label_step(const struct plan_public *pub, int o)
{
    const struct plan_step *step = pub->steps;
    while (!(step->kind == STEP_OUTPUT && step->tensor == (unsigned)o))
        step++;
    return &pub->steps[step->operands[0]];
}

/* The names must be as many as the rows of the first output are long. */
static mp2ml_status read_classes(struct mp2ml_model *m, const char *path, mp2ml_error *err)
{
    const struct plan_public *pub = &m->plan->pub;
    const struct plan_tensor *out = &pub->outputs[0];
    const size_t last = out->rank > 0 ? out->dims[out->rank - 1] : 1;
    const size_t want = pub->policy != PLAN_LOGITS ? label_step(pub, 0)->windows.first[1]
                        : out->row > 0             ? out->row
                                                   : last;
    TRY(class_names_read(&m->classes, path, err));
    if (m->classes.count != want)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--classes: %s has %u names, but output '%s' has %zu classes", path,
                           m->classes.count, out->name, want);
    return MP2ML_OK;
}

static mp2ml_status situation_of(struct plan_situation *situation, const struct mp2ml_options *o,
                                 mp2ml_error *err)
{
    if (o->hide_geometry && o->layout == 1 + PLAN_IMAGE)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--layout image shows clients the geometry that --hide-geometry hides");
    plan_situation_init(situation);
    situation->engine = o->engine;
    situation->layout = o->layout;
    situation->hide_geometry = o->hide_geometry;
    if (o->network_given)
        situation->network = o->network;
    situation->client_speed = situation->server_speed = probe_speed();
    return MP2ML_OK;
}

static mp2ml_status finish_model(struct mp2ml_model *m, const struct mp2ml_options *o,
                                 mp2ml_error *err)
{
    TRY(plan_model(m, o, err));
    if (o->classes)
        TRY(read_classes(m, o->classes, err));
    TRY(situation_of(&m->situation, o, err));
    m->network_given = o->network_given;
    const struct plan_public *pub = &m->plan->pub;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        if (pub->steps[s].kind != STEP_LINEAR)
            continue;
        m->sets |= 1u << pub->steps[s].set;
        if (m->plan->packed && m->plan->packed[s] && !m->situation.hide_geometry)
            m->sets |= 1u << m->plan->packed[s]->set;
    }
    for (unsigned i = 0; i < pub->n_inputs; i++)
        tensor_describe(&m->inputs[i], &pub->inputs[i]);
    for (unsigned i = 0; i < pub->n_outputs; i++)
        tensor_describe(&m->outputs[i], &pub->outputs[i]);
    return MP2ML_OK;
}

struct graph_cut options_cut(const struct mp2ml_options *o)
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
    struct graph_cut cut = options_cut(o);
    struct mp2ml_model *m = calloc(1, sizeof(*m));
    if (!m)
        return status_fail(error, MP2ML_ERR_MEMORY, "out of memory");
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = data ? graph_parse(&m->graph, data, size, name, &cut, &own)
                               : graph_load(&m->graph, name, &cut, &own);
    if (status == MP2ML_OK && o->preprocess_given)
        status = graph_prepend(m->graph, &o->preprocess, &own);
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
    class_names_wipe(&model->classes);
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

/* The plan for one request as this model's options choose it, by `describe`. */
static mp2ml_status describe_choice(const mp2ml_model *model, size_t images, char **out,
                                    mp2ml_status (*describe)(char **, const struct plan *,
                                                             const struct plan_situation *),
                                    mp2ml_error *error)
{
    if (images == 0)
        return status_fail(error, MP2ML_ERR_ARGUMENT, "a plan needs at least one image");
    struct plan_situation situation = model->situation;
    situation.images = images;
    situation.block = images < PLAN_BLOCK_IMAGES ? images : PLAN_BLOCK_IMAGES;
    struct plan_public chosen;
    struct plan agreed = plan_view(model->plan, &model->plan->pub);
    if (model->k_ss_by_link)
        agreed.pub.k_ss = handshake_k_ss(&situation.network);
    mp2ml_status status = plan_choose(&chosen, &agreed, &situation);
    if (status == MP2ML_OK) {
        const struct plan view = plan_view(&agreed, &chosen);
        status = describe(out, &view, &situation);
        plan_public_wipe(&chosen);
    }
    return status == MP2ML_OK ? status
                              : status_fail(error, status, "%s", mp2ml_status_text(status));
}

mp2ml_status mp2ml_model_plan(const mp2ml_model *model, size_t images, int json, char **out,
                              mp2ml_error *error)
{
    return describe_choice(model, images, out, json ? plan_json : plan_print, error);
}

mp2ml_status mp2ml_model_compare(const mp2ml_model *model, size_t images, char **out,
                                 mp2ml_error *error)
{
    return describe_choice(model, images, out, plan_compare, error);
}

double mp2ml_model_expected_error(const mp2ml_model *model, size_t output)
{
    return plan_stated_error(model->plan, (unsigned)output);
}

/* ---- without privacy ------------------------------------------------------------------------ */

/* The positions of the `top` largest of a row, best first, the first one at ties. */
static void top_labels(float *labels, const float *row, size_t n, size_t top)
{
    for (size_t t = 0; t < top; t++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < n; i++) {
            bool taken = false;
            for (size_t p = 0; p < t; p++)
                taken = taken || labels[p] == (float)i;
            if (!taken && (best == SIZE_MAX || row[i] > row[best]))
                best = i;
        }
        labels[t] = (float)best;
    }
}

/* Labels of one sample, of the rows that the plan compares; a single value gives its sign, which
 * behind a sigmoid is that of value - 1/2. `row`: room for the longest. */
static void to_labels(float *labels, const float *logits, const struct mpc_windows *rows,
                      size_t top, bool sigmoid, float *row)
{
    for (size_t w = 0; w < rows->count; w++) {
        const size_t first = rows->first[w], n = rows->first[w + 1] - first;
        for (size_t i = 0; i < n; i++)
            row[i] = logits[rows->member[first + i]];
        if (n == 1)
            labels[w] = (float)(row[0] >= (sigmoid ? 0.5f : 0));
        else
            top_labels(labels + w * top, row, n, top);
    }
}

/* The node that gives an output's values, which may be moved behind it. */
static const struct graph_node *end_of(const struct graph *g, int o)
{
    const struct graph_node *node = &g->nodes[g->outputs[o]];
    while (node->op == GRAPH_RESHAPE || node->op == GRAPH_TRANSPOSE)
        node = &g->nodes[node->inputs[0]];
    return node;
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
        buffers[o] = calloc((images + 1) * count + 1, sizeof(float)); /* and one row */
        if (!buffers[o])
            status = MP2ML_ERR_MEMORY;
    }
    if (status == MP2ML_OK)
        status = graph_eval(g, images, inputs, buffers, NULL, NULL);
    for (int o = 0; o < g->n_outputs && status == MP2ML_OK; o++) {
        const struct graph_node *end = end_of(g, o);
        const size_t top = m->plan->pub.policy == PLAN_TOP ? m->plan->pub.top : 1;
        const size_t want = m->plan->pub.outputs[o].count;
        const size_t count = graph_sample_count(&g->nodes[g->outputs[o]]);
        if (end->op == GRAPH_ARGMAX)
            memcpy(outputs[o], buffers[o], images * want * sizeof(float));
        for (size_t i = 0; end->op != GRAPH_ARGMAX && i < images; i++)
            to_labels(outputs[o] + i * want, buffers[o] + i * count,
                      &label_step(&m->plan->pub, o)->windows, top, end->op == GRAPH_SIGMOID,
                      buffers[o] + images * count);
    }
    for (int o = 0; o < g->n_outputs; o++)
        free(buffers[o]);
    return status;
}

mp2ml_status mp2ml_model_eval_float(const mp2ml_model *model, size_t images,
                                    const float *const *inputs, float *const *outputs,
                                    mp2ml_error *error)
{
    mp2ml_status status = model->plan->pub.policy == PLAN_LOGITS
                              ? graph_eval(model->graph, images, inputs, outputs, NULL, NULL)
                              : eval_labels(model, images, inputs, outputs);
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
