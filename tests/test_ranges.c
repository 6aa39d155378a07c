/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges: what is measured, what is proven, which of them is used. */
#include "plan/plan_internal.h"
#include "plan_fixture.h"

static struct plan *ranges_plan(struct net *net, const struct plan_options *o)
{
    net_init(net, 50);
    const struct window conv = {3, 1, false, false, 1};
    int y =
        net_relu(net, net_bias(net, net_conv(net, net_input(net, DIMS(8, 8, 1)), 3, conv), false));
    net_output(net, net_dense(net, net_flat(net, y), 4));
    return net_plan(net, o);
}

static void measured_is_below_proven(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    struct net net;
    struct plan *plan = ranges_plan(&net, &o);
    assert_true(plan->n_samples >= 500 && plan->n_samples <= 1000);
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_range *r = &plan->range[s];
        assert_true(r->measured > 0);
        assert_true(r->measured <= r->proven * (1 + 1e-6));
        assert_true(r->used <= r->proven);
        assert_true(r->used <= 2 * r->measured && r->used >= r->measured * (1 - 1e-6));
    }
    net_done(&net, plan);
}

static void samples_lie_within_the_declared_range(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    o.low = -3;
    o.high = 5;
    struct net net;
    struct plan *plan = ranges_plan(&net, &o);
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < plan->n_samples * 64; i++) {
        low = fminf(low, plan->samples[i]);
        high = fmaxf(high, plan->samples[i]);
    }
    assert_true((double)low >= -3 && (double)high <= 5);
    assert_true((double)low < -2.999 && (double)high > 4.999);
    assert_true(fabs(plan->range[0].proven - 5) < 1e-6);
    /* Not two samples are the same, but for those of one value. */
    for (size_t i = 0; i < 60; i++)
        for (size_t j = i % 6 == 3 ? i : 0; j < i; j++)
            assert_int_not_equal(
                memcmp(plan->samples + i * 64, plan->samples + j * 64, 64 * sizeof(float)), 0);
    struct net again;
    struct plan *same = ranges_plan(&again, &o);
    assert_memory_equal(plan->samples, same->samples, plan->n_samples * 64 * sizeof(float));
    net_done(&again, same);
    net_done(&net, plan);
}

static void outputs_of_the_samples(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    for (unsigned argmax = 0; argmax < 2; argmax++) {
        o.policy = argmax ? PLAN_ARGMAX : PLAN_LOGITS;
        struct net net;
        struct plan *plan = ranges_plan(&net, &o);
        float *want = calloc(plan->n_samples * 4, sizeof *want);
        const float *in[] = {plan->samples};
        float *out[] = {want};
        assert_int_equal(graph_eval(net.g, plan->n_samples, in, out, NULL, NULL), MP2ML_OK);
        double top = 0;
        for (size_t i = 0; i < plan->n_samples * 4; i++) {
            assert_true(fabs((double)want[i] - (double)plan->sample_outputs[i]) < 1e-5);
            top = fmax(top, fabs((double)want[i]));
        }
        assert_true(fabs(plan->range[3].measured - top) < 1e-5); /* the last linear step */
        free(want);
        net_done(&net, plan);
    }
}

static void calibrated(void **state)
{
    (void)state;
    float samples[20 * 64];
    struct net random = {NULL, 9};
    for (size_t i = 0; i < 20 * 64; i++)
        samples[i] = (float)(0.1 + 0.1 * net_random(&random));
    struct plan_options o = net_logits();
    o.ranges = PLAN_RANGES_CALIBRATED;
    o.calibration = samples;
    o.calibration_samples = 20;
    struct net net;
    struct plan *plan = ranges_plan(&net, &o);
    assert_int_equal(plan->n_samples, 20);
    assert_memory_equal(plan->samples, samples, sizeof samples);
    assert_true(plan->range[0].measured <= 0.2);
    const struct plan_range *r = &plan->range[3];
    assert_true(fabs(r->used - fmin(1.5 * r->measured, r->proven)) < 1e-9);
    assert_null(plan->options.calibration);
    net_done(&net, plan);
    samples[70] = 1.5f; /* outside of 0:1, in sample 1 */
    net_init(&net, 50);
    net_output(&net, net_dense(&net, net_input(&net, DIMS(64)), 2));
    net_fails(&net, &o, MP2ML_ERR_INPUT, "sample 1 ");
    o.calibration = NULL;
    net_init(&net, 50);
    net_output(&net, net_dense(&net, net_input(&net, DIMS(64)), 2));
    net_fails(&net, &o, MP2ML_ERR_ARGUMENT, "samples");
}

/* By hand: y = 2a - 3b + 1 over [-1, 2]: from -7 to 8; relu: 0 to 8; z = -y: -8 to 0. */
static void proven_by_hand(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 51);
    int x = net_input(&net, DIMS(2));
    int y = net_bias(&net, net_dense(&net, x, 1), false);
    net_node(&net, 1)->value.f[0] = 2;
    net_node(&net, 1)->value.f[1] = -3;
    net_node(&net, 3)->value.f[0] = 1;
    assert_int_equal(net_node(&net, 3)->op, GRAPH_CONST);
    int z = net_dense(&net, net_relu(&net, y), 1);
    net_node(&net, z - 1)->value.f[0] = -1;
    net_output(&net, z);
    struct plan_options o = net_logits();
    o.low = -1;
    o.high = 2;
    struct plan *plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear relu linear output");
    const double want[5] = {2, 8, 8, 8, 8};
    for (unsigned s = 0; s < 5; s++)
        assert_true(fabs(plan->range[s].proven - want[s]) < 1e-9);
    assert_true(plan->range[1].used <= 8);
    net_done(&net, plan);
}

static void values_that_are_not_finite(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 52);
    int y = net_input(&net, DIMS(4));
    for (unsigned i = 0; i < 2; i++) {
        y = net_dense(&net, y, 4);
        for (unsigned j = 0; j < 16; j++)
            net_node(&net, y - 1)->value.f[j] = 3e38f;
        y = net_relu(&net, y);
    }
    net_output(&net, y);
    struct plan_options o = net_logits();
    net_fails(&net, &o, MP2ML_ERR_MODEL, "finite");
}

static int times(struct net *net, int x, float factor)
{
    int c = net_const(net, 0, DIMS(1));
    net_node(net, c)->value.f[0] = factor;
    return net_same(net, GRAPH_MUL, x, c);
}

/* Gates between 0 and 1 of which intervals do not prove that, so that each layer squares the bound: it is
 * beyond all numbers soon, and of its sums nothing is known. What was measured counts then. */
static void bounds_beyond_all_numbers(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 52);
    int x = net_input(&net, DIMS(8));
    for (unsigned i = 0; i < 10; i++) {
        x = times(&net, net_dense(&net, x, 8), 4);
        int one = net_const(&net, 0, DIMS(1));
        net_node(&net, one)->value.f[0] = 1;
        int above = net_relu(&net, net_same(&net, GRAPH_SUB, x, one));
        int gate = net_same(&net, GRAPH_SUB, times(&net, net_relu(&net, x), 0.5f),
                            times(&net, above, 0.5f));
        x = net_same(&net, GRAPH_MUL, x, gate);
    }
    net_output(&net, net_dense(&net, x, 2));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_range *r = &plan->range[s];
        assert_true(r->proven >= 0.999 * r->measured);
        assert_true(r->used >= 0.999 * r->measured);
    }
    const struct plan_range *last = &plan->range[plan->pub.n_steps - 1];
    assert_true(last->proven > 1e300 && last->measured > 1e-3);
    net_done(&net, plan);
}

/* relu(x) - relu(x - 0.3) is at most 0.3, whatever x is. */
static void clips_are_bounded(void **state)
{
    (void)state;
    for (unsigned strict = 0; strict < 2; strict++) {
        struct net net;
        net_init(&net, 53);
        int x = net_dense(&net, net_input(&net, DIMS(4)), 4), c = net_const(&net, 0, DIMS(1));
        net_node(&net, c)->value.f[0] = 0.3f;
        net_node(&net, c)->attribute = true;
        net_output(&net, net_same(&net, GRAPH_SUB, net_relu(&net, x),
                                  net_relu(&net, net_same(&net, GRAPH_SUB, x, c))));
        struct plan_options o = net_logits();
        o.low = -100;
        o.high = 100;
        o.ranges = strict ? PLAN_RANGES_STRICT : PLAN_RANGES_AUTO;
        struct plan *plan = net_plan(&net, &o);
        net_scaled(plan, 16, 20);
        const unsigned last = plan->pub.steps[plan->pub.n_steps - 1].operands[0];
        assert_true(plan->range[last].used >= 0.299 && plan->range[last].used <= 0.33);
        net_done(&net, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured_is_below_proven),
        cmocka_unit_test(samples_lie_within_the_declared_range),
        cmocka_unit_test(outputs_of_the_samples),
        cmocka_unit_test(calibrated),
        cmocka_unit_test(proven_by_hand),
        cmocka_unit_test(bounds_beyond_all_numbers),
        cmocka_unit_test(clips_are_bounded),
        cmocka_unit_test(values_that_are_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
