/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole plans with every linear step in the layout image: sums of shares against the clear twin,
 * bytes and flights against the cost, one image and several, groups of images, both sets, several
 * operands, shifts, inputs in the clear; the work memory is what run_memory says. */
#include "image_fixture.h"
#include "steps_fixture.h"

struct image_case {
    size_t images, chunk;
    uint64_t plain;
    bool large; /* set S2 everywhere */
    enum plan_policy policy;
};

static void check_case(void (*make)(struct net *), const struct image_case *c)
{
    struct net net;
    net_init(&net, 500 + c->images);
    make(&net);
    struct plan_options o = net_logits();
    o.policy = c->policy;
    o.top = 3;
    struct mp2ml_model *model = model_of(&net, &o, c->images % 2);
    model->sets = image_plan(model->plan, c->chunk, c->large);
    struct both_runs both = {.model = model, .plain = c->plain};
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    const float *const *in = (const float *const *)d.inputs;
    both_runs_block(&both, c->images, in, d.outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, in, &e);
    assert_true(e.n > 0 && e.largest <= 4.5);
    struct cost cost = plan_cost(model->plan, c->images, c->plain);
    assert_int_equal(both.stats.bytes_sent, cost.bytes_to_server);
    assert_int_equal(both.stats.bytes_received, cost.bytes_to_client);
    assert_int_equal(both.stats.flights, cost.flights);
    assert_int_equal(graph_eval(net.g, c->images, in, d.expected, NULL, NULL), MP2ML_OK);
    if (c->policy == PLAN_LOGITS)
        check_outputs(model->plan, &d, c->images);
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_and_gates),
        cmocka_unit_test(residuals_and_groups),
        cmocka_unit_test(joined_and_clipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
