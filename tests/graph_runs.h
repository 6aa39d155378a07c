/* SPDX-License-Identifier: Apache-2.0
 *
 * A small network in floats, as a plan in floats, and privately by both parties, in both layouts and
 * with both engines: steps against their twins, traffic against the cost, outputs against the float
 * network, and a public plan that a client accepts. */
#ifndef TESTS_GRAPH_RUNS_H
#define TESTS_GRAPH_RUNS_H

#include "image_fixture.h"
#include "steps_fixture.h"

typedef void (*graph_maker)(struct net *net);

struct graph_case {
    graph_maker make;
    const char *kinds; /* of the steps, policy logits; NULL: not looked at */
    double low, high;  /* of all inputs; 0, 0: 0 to 1 */
    bool labels;       /* the network ends in labels: plan_expected_error is of what is compared */
};

static inline struct plan_options graph_options(const struct graph_case *c)
{
    struct plan_options o = net_logits();
    o.policy = c->labels ? PLAN_ARGMAX : PLAN_LOGITS;
    if (c->low < c->high) {
        o.low = c->low;
        o.high = c->high;
    }
    return o;
}

/* A client takes the plan. */
static inline void graph_travels(const struct plan *plan)
{
    struct plan_limits limits;
    struct plan_public got;
    struct writer w;
    mp2ml_error err = {MP2ML_OK, ""};
    plan_limits_init(&limits);
    writer_init(&w);
    assert_int_equal(plan_public_write(&w, &plan->pub), MP2ML_OK);
    struct reader r = reader_init(w.data, w.size);
    assert_int_equal(plan_public_read(&got, &r, &limits, &err), MP2ML_OK);
    plan_public_wipe(&got);
    writer_wipe(&w);
}

struct graph_values { /* of a node */
    int node;
    float *values;
};

static inline int graph_keep(void *context, int node, const float *values, size_t count)
{
    struct graph_values *keep = context;
    if (node == keep->node) {
        keep->values = malloc(count * sizeof(float) + 1);
        assert_non_null(keep->values);
        memcpy(keep->values, values, count * sizeof(float));
    }
    return 0;
}

/* Labels of output t, whose network ends in an ArgMax and what reshapes it: the position that it has,
 * or one of a value that is nearer to the maximum than both errors. */
static inline void check_labels(const struct plan *plan, const struct net *net, unsigned t,
                                const float *const *in, const float *got, size_t images)
{
    const struct graph *g = net->g;
    const double error = plan_expected_error(plan, t);
    int end = g->outputs[t];
    while (g->nodes[end].op != GRAPH_ARGMAX)
        end = g->nodes[end].inputs[0];
    const struct graph_node *of = &g->nodes[g->nodes[end].inputs[0]];
    struct graph_values keep = {g->nodes[end].inputs[0], NULL};
    size_t row = (size_t)of->dims[g->nodes[end].axis], step = 1;
    for (unsigned d = (unsigned)g->nodes[end].axis + 1; d < of->rank; d++)
        step *= (size_t)of->dims[d];
    float **outputs = calloc((size_t)g->n_outputs, sizeof *outputs);
    assert_non_null(outputs);
    assert_int_equal(graph_eval(g, images, in, outputs, graph_keep, &keep), MP2ML_OK);
    free(outputs);
    const size_t rows = graph_sample_count(of) / row * images;
    assert_int_equal(rows, plan->pub.outputs[t].count * images);
    for (size_t i = 0; i < rows; i++) {
        const float *v = keep.values + i / step * row * step + i % step;
        float most = v[0];
        for (size_t k = 1; k < row; k++)
            most = fmaxf(most, v[k * step]);
        assert_true(got[i] >= 0 && got[i] < (float)row);
        if (!((double)most - (double)v[(size_t)got[i] * step] <= 2 * error))
            fail_msg("output %u, row %zu: %g is not the position of the largest", t, i,
                     (double)got[i]);
    }
    free(keep.values);
}

/* One way to run it; `images` odd: blind signs. */
static inline void graph_run(const struct graph_case *c, size_t images, enum plan_layout layout,
                             enum mpc_engine engine)
{
    struct net net;
    net_init(&net, 700 + images);
    c->make(&net);
    const struct plan_options o = graph_options(c);
    struct mp2ml_model *model = model_of(&net, &o, images % 2);
    struct plan *plan = model->plan;
    if (images % 2) { /* rare, large errors; those of exact signs must be as the model says */
        struct trial_result trial;
        assert_int_equal(trial_run(&trial, plan, 2), MP2ML_OK);
        memcpy(plan->observed_error, trial.largest, sizeof plan->observed_error);
    }
    if (layout == PLAN_IMAGE)
        model->sets = image_plan(plan, 50, false);
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (step_has_engine(plan->pub.steps[s].kind))
            plan->pub.steps[s].engine = engine;
    if (layout == PLAN_BATCH) /* the fixture's packings are as good as any, but large */
        graph_travels(plan);
    struct both_runs both = {.model = model};
    struct net_data d;
    net_data_init(&d, &net, plan);
    const float *const *in = (const float *const *)d.inputs;
    both_runs_block(&both, images, in, d.outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, in, &e);
    assert_true(e.n > 0 && e.largest <= 4.5);
    const struct cost cost = plan_cost(plan, images, 0);
    assert_int_equal(both.stats.bytes_sent, cost.bytes_to_server);
    assert_int_equal(both.stats.bytes_received, cost.bytes_to_client);
    assert_int_equal(both.stats.flights, cost.flights);
    assert_int_equal(graph_eval(net.g, images, in, d.expected, NULL, NULL), MP2ML_OK);
    if (!c->labels)
        check_outputs(plan, &d, images);
    for (unsigned t = 0; c->labels && t < plan->pub.n_outputs; t++)
        check_labels(plan, &net, t, in, d.outputs[t], images);
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
}

/* With linear steps made before the request. */
static inline void graph_run_ahead(graph_maker make, size_t images)
{
    struct net net;
    net_init(&net, 700 + images);
    make(&net);
    const struct plan_options o = net_logits();
    struct mp2ml_model *model = model_of(&net, &o, false);
    struct both_runs both = {.model = model, .ahead = 1};
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    const float *const *in = (const float *const *)d.inputs;
    both_runs_block(&both, images, in, d.outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, in, &e);
    assert_true(e.n > 0 && e.largest <= 5.5); /* one more rounding */
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
}

static inline void graph_check(const struct graph_case *c)
{
    struct net net;
    net_init(&net, 700);
    c->make(&net);
    const struct plan_options o = graph_options(c);
    struct plan *plan = net_plan(&net, &o);
    if (c->kinds != NULL)
        net_has_steps(plan, c->kinds);
    bool as_it_is = !c->labels; /* no softmax at the client */
    for (unsigned t = 0; t < plan->pub.n_outputs; t++)
        as_it_is = as_it_is && plan->pub.outputs[t].post == PLAN_POST_NONE;
    if (as_it_is)
        net_agrees(&net, plan);
    net_done(&net, plan);
    for (unsigned layout = 0; layout < PLAN_LAYOUT_COUNT; layout++)
        for (unsigned engine = 0; engine < MPC_ENGINE_COUNT; engine++)
            graph_run(c, 2 + layout, (enum plan_layout)layout, (enum mpc_engine)engine);
}

#endif
