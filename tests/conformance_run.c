/* SPDX-License-Identifier: Apache-2.0
 *
 * One case every way: import, plan, floats, fixed-point twin, both parties with the layouts and
 * engines that the planner chooses and with those that it can be made to. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "onnx_writer.h"
#include "session/session.h"

#define SHARE 0.005      /* of the output's range, that a stated bound may be */
#define FLOAT_ERROR 2e-6 /* of floats, of the largest value: sums in another order */
#define HALF_ERROR 1e-3  /* the same where the expected values are of half precision */
#define MEMORY ((size_t)4 << 30)
#define TRAFFIC 2.5e8 /* bytes; more are not sent again for another choice */
#define TIMEOUT_MS 120000

/* ---- both parties -------------------------------------------------------------------------- */

struct parties {
    struct channel *channel[2];
    struct link *link[2];
    struct session *session[2];
    bool failed;
};

struct half {
    struct parties *parties;
    enum party party;
    const struct plan *plan;       /* server */
    const struct plan_public *pub; /* server: as chosen; client: as it came in bytes */
    size_t images;
    const float *const *inputs;
    float *const *outputs;
    mp2ml_status status;
};

/* A session is of no model in particular, if all sets of parameters are agreed on. */
static mp2ml_status shake_hands(struct half *half)
{
    struct session *s = half->parties->session[half->party];
    mp2ml_error err = {MP2ML_OK, ""};
    if (half->party == PARTY_CLIENT) {
        struct hello *hello = calloc(1, sizeof *hello);
        mp2ml_status status =
            hello != NULL ? handshake_client(s, NULL, 0, hello, &err) : MP2ML_ERR_MEMORY;
        free(hello);
        return status;
    }
    const struct plan_tensor x = {"x", 1, {1}, 1, PLAN_F32, 0, 1, 8, 255, PLAN_POST_NONE, 0, 0};
    struct plan *plan = calloc(1, sizeof *plan);
    struct mp2ml_model *model = calloc(1, sizeof *model);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (plan != NULL && model != NULL) {
        plan->pub.n_inputs = plan->pub.n_outputs = 1;
        plan->pub.inputs[0] = plan->pub.outputs[0] = x;
        plan->pub.policy = PLAN_LOGITS;
        plan->pub.k_ss = 4;
        model->plan = plan;
        model->sets = 1u << CKKS_S1 | 1u << CKKS_S2;
        status = handshake_server(s, model, NULL);
    }
    free(plan);
    free(model);
    return status;
}

static mp2ml_status compute(struct half *half)
{
    struct session *s = half->parties->session[half->party];
    struct run *run = NULL;
    mp2ml_status status = run_new(&run, half->party, half->parties->link[half->party], s->mpc,
                                  s->prg, &s->keys, half->pub, half->plan, 0, half->images);
    if (status == MP2ML_OK)
        status = run_block(run, half->images, half->inputs, half->outputs);
    run_free(run);
    return status;
}

static void *half_thread(void *argument)
{
    struct half *half = argument;
    half->status = half->plan != NULL || half->pub != NULL ? compute(half) : shake_hands(half);
    if (half->status != MP2ML_OK)
        channel_cancel(half->parties->channel[1 - half->party]);
    return NULL;
}

static mp2ml_status both(struct half halves[2])
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, half_thread, &halves[PARTY_SERVER]) != 0)
        return MP2ML_ERR_MEMORY;
    half_thread(&halves[PARTY_CLIENT]);
    (void)pthread_join(thread, NULL);
    for (int p = 0; p < 2; p++)
        if (halves[p].status != MP2ML_OK) {
            halves[p].parties->failed = true;
            return halves[p].status;
        }
    return MP2ML_OK;
}

struct parties *parties_new(void)
{
    struct parties *p = calloc(1, sizeof *p);
    struct half halves[2] = {{.parties = p, .party = PARTY_SERVER},
                             {.parties = p, .party = PARTY_SERVER}};
    halves[PARTY_CLIENT].party = PARTY_CLIENT;
    bool good = p != NULL && channel_pair(&p->channel[0], &p->channel[1]) == MP2ML_OK;
    for (int i = 0; good && i < 2; i++) {
        channel_set_timeout(p->channel[i], TIMEOUT_MS);
        good = link_new(&p->link[i], p->channel[i]) == MP2ML_OK &&
               session_new(&p->session[i], (enum party)i, p->link[i]) == MP2ML_OK;
    }
    if (!good || both(halves) != MP2ML_OK) {
        parties_free(p);
        return NULL;
    }
    return p;
}

void parties_free(struct parties *p)
{
    for (int i = 0; p != NULL && i < 2; i++) {
        session_free(p->session[i]);
        link_free(p->link[i]);
        channel_free(p->channel[i]);
    }
    free(p);
}

/* ---- outcomes ------------------------------------------------------------------------------ */

struct way { /* of running a case */
    struct outcome *outcome;
    const struct case_file *c;
    struct mp2ml_model *model;
    size_t images;
    const float *inputs[CASE_TENSORS];
    float *outputs[CASE_TENSORS];
    double bound[CASE_TENSORS];
    bool verbose;
};

/* The worst verdict stays, with its first text. */
static void judge(struct outcome *outcome, enum verdict verdict, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void judge(struct outcome *outcome, enum verdict verdict, const char *fmt, ...)
{
    va_list args;
    if (verdict <= outcome->verdict)
        return;
    va_start(args, fmt);
    outcome->verdict = verdict;
    (void)vsnprintf(outcome->text, sizeof outcome->text, fmt, args);
    va_end(args);
}

static double largest(const struct case_tensor *t)
{
    double most = 0;
    for (size_t i = 0; i < t->count; i++)
        most = fmax(most, fabs((double)t->values[i]));
    return most;
}

/* max - min, or the largest value where that says nothing; of a tensor of zeros 1. */
static double range_of(const struct case_tensor *t)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < t->count; i++) {
        low = fmin(low, (double)t->values[i]);
        high = fmax(high, (double)t->values[i]);
    }
    if (t->count > 1 && high > low)
        return high - low;
    return largest(t) > 0 ? largest(t) : 1;
}

/* A label is right if no value beside it is larger by more than both may be off. */
static void compare_labels(struct way *way, const char *how, double bound)
{
    const struct case_tensor *x = &way->c->inputs[0], *want = &way->c->outputs[0];
    size_t inner = 1, length = (size_t)x->dims[way->c->axis];
    for (size_t d = (size_t)way->c->axis + 1; d < x->rank; d++)
        inner *= (size_t)x->dims[d];
    for (size_t i = 0; i < want->count; i++) {
        const float *row = x->values + i / inner * inner * length + i % inner;
        const float got = way->outputs[0][i];
        if (!(got >= 0) || got >= (float)length || got != floorf(got)) {
            judge(way->outcome, VERDICT_WRONG, "%s: label %zu is %g", how, i, (double)got);
            return;
        }
        double short_by =
            (double)row[(size_t)want->values[i] * inner] - (double)row[(size_t)got * inner];
        if (got != want->values[i] && !(short_by <= 2 * bound))
            judge(way->outcome, VERDICT_WRONG, "%s: label %zu is %g, not %g", how, i, (double)got,
                  (double)want->values[i]);
    }
}

static void show(const struct way *way, const char *how, unsigned o, double bound, double off)
{
    const struct case_tensor *want = &way->c->outputs[o];
    printf("    %s, output %u: bound %g, off by %g, range %g\n", how, o, bound, off,
           range_of(want));
    for (size_t i = 0; i < want->count && i < 12; i++)
        printf("      %14g expected %14g\n", (double)way->outputs[o][i], (double)want->values[i]);
}

/* The outputs of one way; `bounds` may be NULL: none but that of floats. */
static void compare(struct way *way, const char *how, const double *bounds)
{
    for (unsigned o = 0; o < way->c->n_outputs; o++) {
        const struct case_tensor *want = &way->c->outputs[o];
        const double bound = bounds != NULL ? bounds[o] : 0;
        const double floats =
            largest(want) * (want->type == ONNX_FLOAT16 ? HALF_ERROR : FLOAT_ERROR) + 1e-7;
        double off = 0;
        if (way->c->labels) {
            compare_labels(way, how, bound);
            if (way->verbose)
                show(way, how, o, bound, 0);
            continue;
        }
        for (size_t i = 0; i < want->count * way->c->repeats; i++) {
            double d = fabs((double)way->outputs[o][i] - (double)want->values[i % want->count]);
            off = fmax(off, isnan(d) ? INFINITY : d);
        }
        off = fmax(0, off - way->c->quantum / 2 - floats);
        if (way->verbose)
            show(way, how, o, bound, off);
        if (!(off <= bound))
            judge(way->outcome, VERDICT_WRONG, "%s: output %u is off by %g, bound %g", how, o, off,
                  bound);
        if (bound > 0)
            way->outcome->used_share = fmax(way->outcome->used_share, off / bound);
    }
}

static void clear_outputs(struct way *way)
{
    for (unsigned o = 0; o < way->c->n_outputs; o++)
        for (size_t i = 0; i < way->c->outputs[o].count * way->c->repeats; i++)
            way->outputs[o][i] = NAN;
}

/* ---- the way of a case --------------------------------------------------------------------- */

static bool make_model(struct way *way)
{
    const struct case_file *c = way->c;
    double low = INFINITY, high = -INFINITY;
    char range[64];
    mp2ml_error err = {MP2ML_OK, ""};
    for (unsigned t = 0; t < c->n_inputs; t++)
        for (size_t i = 0; i < c->inputs[t].count; i++) {
            low = fmin(low, (double)c->inputs[t].values[i]);
            high = fmax(high, (double)c->inputs[t].values[i]);
        }
    if (!(low < high)) {
        low = isfinite(low) ? low - 1 : 0;
        high = low + 2;
    }
    (void)snprintf(range, sizeof range, "%.9g:%.9g", low, high);
    mp2ml_options *o = mp2ml_options_new();
    mp2ml_status status = o != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        status = mp2ml_options_set(o, "input-range", range, &err);
    if (status == MP2ML_OK)
        status = mp2ml_options_set(o, "reveal", c->labels ? "argmax" : "logits", &err);
    if (status == MP2ML_OK)
        status = mp2ml_options_set(o, "k-ss", "4", &err);
    if (status == MP2ML_OK)
        status = mp2ml_model_parse(&way->model, c->model, c->size, "model.onnx", o, &err);
    mp2ml_options_free(o);
    if (status != MP2ML_OK)
        judge(way->outcome, status == MP2ML_ERR_MEMORY ? VERDICT_WRONG : VERDICT_REFUSED, "%s",
              err.text);
    return status == MP2ML_OK;
}

/* Samples of a tensor of which one has so many values; 0 when that is not whole. */
static size_t samples_of(const struct case_tensor *t, size_t times, size_t sample)
{
    return sample > 0 && t->count * times % sample == 0 ? t->count * times / sample : 0;
}

/* No values here nor there, and the same sizes. */
static bool same_empty_shape(const struct case_tensor *t, const struct graph_node *node)
{
    bool same = t->count == 0;
    for (unsigned d = 1; d < node->rank && d <= t->rank; d++)
        same = same && t->dims[t->rank - d] == node->dims[node->rank - d];
    return same;
}

/* The case's tensors in the order of the network, and how many samples they are. */
static bool match_tensors(struct way *way)
{
    const struct graph *g = way->model->graph;
    const struct case_file *c = way->c;
    for (int i = 0; i < g->n_inputs; i++) {
        const struct graph_node *node = &g->nodes[g->inputs[i]];
        for (unsigned t = 0; t < c->n_inputs; t++)
            if (graph_name_matches(node->name, c->inputs[t].name)) {
                const size_t n = samples_of(&c->inputs[t], 1, graph_sample_count(node));
                way->inputs[i] =
                    n > 0 && (way->images == 0 || n == way->images) ? c->inputs[t].values : NULL;
                way->images = n;
            }
        if (way->inputs[i] == NULL)
            return false;
    }
    if (g->n_outputs != (int)c->n_outputs || way->images == 0)
        return false;
    for (unsigned o = 0; o < c->n_outputs; o++) {
        const struct graph_node *node = &g->nodes[g->outputs[o]];
        size_t sample = graph_sample_count(node);
        if (node->op == GRAPH_ARGMAX) /* one label each */
            sample = way->model->plan->pub.outputs[o].count;
        if (sample == 0 ? !same_empty_shape(&c->outputs[o], node)
                        : samples_of(&c->outputs[o], c->repeats, sample) != way->images)
            return false;
    }
    return true;
}

/* The same layouts and engines. */
static bool same_choice(const struct plan_public *a, const struct plan_public *b)
{
    for (unsigned s = 0; s < a->n_steps; s++)
        if (a->steps[s].layout != b->steps[s].layout || a->steps[s].engine != b->steps[s].engine)
            return false;
    return true;
}

/* The client's plan: from bytes, as it gets it. */
static mp2ml_status send_plan(struct plan_public *out, const struct plan_public *pub,
                              mp2ml_error *err)
{
    struct writer w;
    struct plan_limits limits;
    writer_init(&w);
    plan_limits_init(&limits);
    mp2ml_status status = plan_public_write(&w, pub);
    if (status == MP2ML_OK)
        status = writer_done(&w);
    struct reader r = reader_init(w.data, w.size);
    if (status == MP2ML_OK)
        status = plan_public_read(out, &r, &limits, err);
    writer_wipe(&w);
    return status;
}

static void run_private(struct way *way, struct parties *p, const struct plan_public *chosen,
                        const char *how, bool forced)
{
    struct plan_public client = {0};
    mp2ml_error err = {MP2ML_OK, ""};
    if (run_memory(chosen, PARTY_SERVER, 0, way->images) > MEMORY) {
        if (!forced)
            judge(way->outcome, VERDICT_REFUSED, "%s: needs more than 4G of memory", how);
        return;
    }
    mp2ml_status status = send_plan(&client, chosen, &err);
    clear_outputs(way);
    if (status == MP2ML_OK) {
        struct half halves[2];
        halves[PARTY_SERVER] = (struct half){.parties = p,
                                             .party = PARTY_SERVER,
                                             .plan = way->model->plan,
                                             .pub = chosen,
                                             .images = way->images};
        halves[PARTY_CLIENT] = (struct half){.parties = p,
                                             .party = PARTY_CLIENT,
                                             .pub = &client,
                                             .images = way->images,
                                             .inputs = way->inputs,
                                             .outputs = way->outputs};
        status = both(halves);
    }
    plan_public_wipe(&client);
    if (status == MP2ML_OK)
        compare(way, how, way->bound);
    else
        judge(way->outcome, VERDICT_WRONG, "%s: %s", how,
              err.text[0] != '\0' ? err.text : mp2ml_status_text(status));
}

/* Chosen by the planner, then made to be of one kind; what was run before is not run again. */
static void run_choices(struct way *way, struct parties *p)
{
    static const struct {
        unsigned layout, engine;
        const char *name;
    } choices[] = {{CHOOSE_AUTO, CHOOSE_AUTO, "private"},
                   {1 + PLAN_BATCH, 1 + MPC_GMW, "private, batch and gmw"},
                   {1 + PLAN_IMAGE, 1 + MPC_YAO, "private, image and yao"}};
    enum { CHOICES = sizeof choices / sizeof *choices };
    struct plan_public chosen[CHOICES];
    unsigned made = 0;
    for (; made < CHOICES; made++) {
        struct plan_situation situation;
        bool before = false;
        plan_situation_init(&situation);
        situation.images = situation.block = way->images;
        situation.layout = choices[made].layout;
        situation.engine = choices[made].engine;
        if (plan_choose(&chosen[made], way->model->plan, &situation) != MP2ML_OK) {
            judge(way->outcome, VERDICT_WRONG, "%s: no choice", choices[made].name);
            break;
        }
        for (unsigned k = 0; k < made; k++)
            before = before || same_choice(&chosen[k], &chosen[made]);
        const struct plan view = plan_view(way->model->plan, &chosen[made]);
        const struct cost cost = plan_cost(&view, way->images, 0);
        if (made > 0 && (double)cost.bytes_to_server + (double)cost.bytes_to_client > TRAFFIC)
            continue;
        if (!before && !p->failed)
            run_private(way, p, &chosen[made], choices[made].name, made > 0);
    }
    for (unsigned k = 0; k < made; k++)
        plan_public_wipe(&chosen[k]);
}

static void check_bounds(struct way *way)
{
    for (unsigned o = 0; o < way->c->n_outputs; o++) {
        way->bound[o] = mp2ml_model_expected_error(way->model, o);
        const double share = way->bound[o] / range_of(&way->c->outputs[o]);
        if (way->c->labels)
            continue;
        way->outcome->bound_share = fmax(way->outcome->bound_share, share);
        if (!(share <= SHARE))
            judge(way->outcome, VERDICT_WIDE, "the bound %.3g is %.2f %% of the output's range",
                  way->bound[o], 100 * share);
    }
}

static void print_plan(const struct way *way)
{
    char *text = NULL;
    if (mp2ml_model_plan(way->model, way->images, 0, &text, NULL) == MP2ML_OK)
        printf("%s\n", text);
    free(text);
}

void case_run(struct outcome *outcome, struct parties *p, const struct case_file *c, bool verbose)
{
    struct way way = {.outcome = outcome, .c = c, .verbose = verbose};
    mp2ml_error err = {MP2ML_OK, ""};
    memset(outcome, 0, sizeof *outcome);
    if (!make_model(&way))
        return;
    if (!match_tensors(&way)) {
        judge(outcome, VERDICT_WRONG, "inputs or outputs do not fit the test's tensors");
        goto out;
    }
    if (verbose)
        print_plan(&way);
    for (unsigned o = 0; o < c->n_outputs; o++)
        way.outputs[o] = calloc(c->outputs[o].count * c->repeats + 1, sizeof(float));
    check_bounds(&way);
    clear_outputs(&way);
    if (mp2ml_model_eval_float(way.model, way.images, way.inputs, way.outputs, &err) != MP2ML_OK)
        judge(outcome, VERDICT_WRONG, "floats: %s", err.text);
    compare(&way, "floats", NULL);
    clear_outputs(&way);
    if (mp2ml_model_eval_fixed(way.model, way.images, way.inputs, way.outputs, 1, &err) != MP2ML_OK)
        judge(outcome, VERDICT_WRONG, "fixed point: %s", err.text);
    compare(&way, "fixed point", way.bound);
    run_choices(&way, p);
out:
    for (unsigned o = 0; o < c->n_outputs; o++)
        free(way.outputs[o]);
    mp2ml_model_free(way.model);
}
