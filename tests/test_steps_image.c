/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole plans with every linear step in the layout image: sums of shares against the clear twin,
 * bytes and flights against the cost, one image and several, groups of images, both sets, several
 * operands, shifts, inputs in the clear; the work memory is what run_memory says. */
#include "image_fixture.h"
#include "packed_model.h"
#include "steps_fixture.h"

struct image_case {
    size_t images, chunk;
    uint64_t plain;
    bool large; /* set S2 everywhere */
    enum plan_policy policy;
};

/* The bytes stated are enough, or the run had failed, and, where all is done in it, not far too many. */
static void check_memory(const struct both_runs *both)
{
    const bool all = both->ahead == 0 && both->idle == 0;
    for (int p = 0; p < 2; p++)
        assert_true(both->peak[p] <= both->memory[p] &&
                    (!all || both->peak[p] >= both->memory[p] / 2));
}

/* What was sent is what the plan counts. */
static void check_traffic(const struct both_runs *both, size_t images, uint64_t plain)
{
    struct cost cost = plan_cost(both->model->plan, images, plain);
    assert_int_equal(both->stats.bytes_sent, cost.bytes_to_server);
    assert_int_equal(both->stats.bytes_received, cost.bytes_to_client);
    assert_int_equal(both->stats.flights, cost.flights);
}

/* ahead: items of halves, of which the last serves; idle: bytes of the server's own halves. */
static void check_case_ahead(void (*make)(struct net *), const struct image_case *c, size_t ahead,
                             size_t idle)
{
    struct net net;
    net_init(&net, 500 + c->images);
    make(&net);
    struct plan_options o = net_logits();
    o.policy = c->policy;
    o.top = 3;
    struct mp2ml_model *model = model_of(&net, &o, c->images % 2);
    model->sets = image_plan(model->plan, c->chunk, c->large);
    struct both_runs both = {.model = model, .plain = c->plain, .halves = true};
    both.ahead = ahead;
    both.idle = idle;
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    const float *const *in = (const float *const *)d.inputs;
    both_runs_block(&both, c->images, in, d.outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, in, &e);
    assert_true(e.n > 0 && e.largest <= 4.5);
    check_traffic(&both, c->images, c->plain);
    check_memory(&both);
    assert_int_equal(graph_eval(net.g, c->images, in, d.expected, NULL, NULL), MP2ML_OK);
    if (c->policy == PLAN_LOGITS)
        check_outputs(model->plan, &d, c->images);
    assert_true(both.idle_bytes <= idle);
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
}

/* As always, with halves made ahead by both, and with the server's of all steps, of some and of none. */
static void check_case(void (*make)(struct net *), const struct image_case *c)
{
    check_case_ahead(make, c, 0, 0);
    check_case_ahead(make, c, 2, 0);
    check_case_ahead(make, c, 0, SIZE_MAX);
    check_case_ahead(make, c, 0, (size_t)200 << 10);
    check_case_ahead(make, c, 0, 1);
}

static void products_and_gates(void **state)
{
    (void)state;
    check_case(product_network, &(struct image_case){1, 32, 0, false, PLAN_LOGITS});
    check_case(product_network, &(struct image_case){5, 7, 0, false, PLAN_TOP});
}

static void residuals_and_groups(void **state)
{
    (void)state;
    check_case(residual_network, &(struct image_case){1, 100, 0, false, PLAN_LOGITS});
    check_case(residual_network, &(struct image_case){3, 33, 0, true, PLAN_LOGITS});
    check_case(residual_network, &(struct image_case){2, 100, 1, false, PLAN_ARGMAX});
}

static void joined_and_clipped(void **state)
{
    (void)state;
    check_case(joined_network, &(struct image_case){1, 4096, 0, false, PLAN_LOGITS});
    check_case(joined_network, &(struct image_case){7, 9, 2, true, PLAN_TOP});
    check_case(joined_network, &(struct image_case){5, 20, 3, false, PLAN_ARGMAX});
}

/* Steps of so many ciphertexts that images go in groups, each in many frames. */
static void groups_of_images(void **state)
{
    (void)state;
    const struct image_case c = {7, 2, 0, true, PLAN_LOGITS};
    struct net net;
    net_init(&net, 500 + c.images);
    residual_network(&net);
    const struct plan_options o = net_logits();
    struct mp2ml_model *model = model_of(&net, &o, false);
    image_plan(model->plan, c.chunk, c.large);
    unsigned grouped = 0;
    for (unsigned s = 0; s < model->plan->pub.n_steps; s++) {
        const struct plan_step *step = &model->plan->pub.steps[s];
        grouped += step->kind == STEP_LINEAR && plan_image_group(step, c.images) < c.images &&
                   plan_image_group(step, c.images) > 1;
    }
    assert_true(grouped > 0);
    mp2ml_model_free(model);
    check_case(residual_network, &c);
}

/* The planner's own packings of a bundled network. */
static void run_bundled(size_t images, uint64_t plain, bool halves, size_t idle)
{
    mp2ml_options *o = make_options("reveal=logits", "threads=1", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    image_model(model);
    struct both_runs both = {.model = model, .plain = plain, .halves = halves, .ahead = halves};
    both.idle = idle;
    float *x = malloc(images * model->inputs[0].count * sizeof(float));
    float *y = malloc(images * model->outputs[0].count * sizeof(float));
    fill_uniform(x, images * model->inputs[0].count, 0, 1, images);
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    both_runs_block(&both, images, inputs, outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, inputs, &e);
    assert_true(e.n > 0 && e.largest <= 4.5);
    if (plain == 0 && e.n > 10000) {
        double mean = e.sum / (double)e.n, sigma = sqrt(e.squares / (double)e.n - mean * mean);
        /* 0.471 to 0.527 for the switch, and 1/12 more for the rounding of the reference */
        assert_true(sigma > 0.40 && sigma < 0.75);
        assert_true(fabs(mean) < 0.05);
    }
    check_traffic(&both, images, plain);
    both_runs_wipe(&both);
    free(x);
    free(y);
    mp2ml_model_free(model);
    mp2ml_options_free(o);
}

static void bundled_network(void **state)
{
    (void)state;
    run_bundled(1, 0, false, 0);
    run_bundled(17, 0, false, 0);
    run_bundled(3, 1, false, 0);
    run_bundled(17, 0, true, 0);
    run_bundled(3, 1, true, 0);
    run_bundled(17, 0, false, SIZE_MAX);
    run_bundled(3, 1, false, SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_and_gates), cmocka_unit_test(residuals_and_groups),
        cmocka_unit_test(joined_and_clipped), cmocka_unit_test(groups_of_images),
        cmocka_unit_test(bundled_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
