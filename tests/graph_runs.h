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
    bool labels;       /* the outputs are labels: plan_expected_error is of what is compared */
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
    struct trial_result trial;
    assert_int_equal(trial_run(&trial, plan, 2), MP2ML_OK);
    memcpy(plan->observed_error, trial.largest, sizeof plan->observed_error);
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
