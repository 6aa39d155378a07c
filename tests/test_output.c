/* SPDX-License-Identifier: Apache-2.0
 *
 * What ends a network, along any axis of a sample: the twin of the plan against the float model. */
#include "plan_fixture.h"
#include "steps/steps.h"

/* Two samples of shape (3, 2); the second has equal largest values along both axes. */
static const float samples[12] = {0.5F, -1, 0, 0.75F, -0.25F, 0.125F, 1, -1, 1, -1, 0.5F, -1};

/* `op` along `axis` of the input itself. */
static struct plan *plan_of(struct net *net, enum graph_op op, int64_t axis, bool last)
{
    struct plan_options o = net_logits();
    int x = net_input(net, DIMS(3, 2)), y;
    o.low = -1;
    if (op == GRAPH_ARGMAX) {
        y = net_add(net, op, x, -1, axis == 1 ? (const int64_t[]){2} : (const int64_t[]){3}, 1);
        net_node(net, y)->mask[0] = last;
        o.policy = PLAN_ARGMAX;
    } else
        y = net_same(net, op, x, -1);
    net_node(net, y)->axis = axis;
    net_output(net, y);
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 16, 20);
    return plan;
}

static void check(enum graph_op op, int64_t axis, bool last, double tolerance)
{
    struct net net;
    net_init(&net, 1);
    struct plan *plan = plan_of(&net, op, axis, last);
    const float *const in[1] = {samples};
    float want[12], got[12];
    const size_t n = 2 * graph_sample_count(net_node(&net, net.g->outputs[0]));
    assert_int_equal(2 * plan->pub.outputs[0].count, n);
    assert_int_equal(graph_eval(net.g, 2, in, (float *const[]){want}, NULL, NULL), MP2ML_OK);
    assert_int_equal(run_clear(plan, 2, in, (float *const[]){got}, false, 1, NULL, NULL), MP2ML_OK);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s along %d: value %zu is %g, not %g", graph_op_name(op), (int)axis, i,
                     (double)got[i], (double)want[i]);
    net_done(&net, plan);
}

static void softmax_along_each_axis(void **state)
{
    (void)state;
    for (int64_t axis = 1; axis <= 2; axis++) {
        check(GRAPH_SOFTMAX, axis, false, 1e-3);
        check(GRAPH_LOG_SOFTMAX, axis, false, 1e-3);
    }
}

static void labels_along_each_axis(void **state)
{
    (void)state;
    for (int64_t axis = 1; axis <= 2; axis++)
        check(GRAPH_ARGMAX, axis, false, 0);
}

/* Of equal values the last one. */
static void labels_from_the_end(void **state)
{
    (void)state;
    for (int64_t axis = 1; axis <= 2; axis++)
        check(GRAPH_ARGMAX, axis, true, 0);
    struct net net;
    net_init(&net, 1);
    struct plan *plan = plan_of(&net, GRAPH_ARGMAX, 1, true);
    assert_int_equal(plan->pub.outputs[0].post, PLAN_POST_FROM_END);
    net_done(&net, plan);
}

/* A label is along the last axis, and that is not the one of the softmax. */
static void a_softmax_of_a_matrix_has_no_label(void **state)
{
    (void)state;
    struct plan_options o;
    struct net net;
    plan_options_init(&o);
    o.policy_given = true;
    net_init(&net, 1);
    int y = net_same(&net, GRAPH_SOFTMAX, net_input(&net, DIMS(3, 2)), -1);
    net_node(&net, y)->axis = 1;
    net_output(&net, y);
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "--reveal logits");
}

/* The client reads from the bytes what it is to do. */
static void what_the_client_does_travels(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        struct plan_public read;
        struct plan_limits limits;
        struct writer w;
        struct net net;
        mp2ml_error err;
        net_init(&net, 1);
        struct plan *plan = k < 2 ? plan_of(&net, GRAPH_SOFTMAX, 1 + k, false)
                                  : plan_of(&net, GRAPH_ARGMAX, 1, true);
        const struct plan_tensor *out = &plan->pub.outputs[0];
        assert_int_equal(out->post_behind, k == 0 ? 1 : 0);
        plan_limits_init(&limits);
        writer_init(&w);
        assert_int_equal(plan_public_write(&w, &plan->pub), MP2ML_OK);
        struct reader r = reader_init(w.data, w.size);
        assert_int_equal(plan_public_read(&read, &r, &limits, &err), MP2ML_OK);
        assert_int_equal(read.outputs[0].post, out->post);
        assert_int_equal(read.outputs[0].post_behind, out->post_behind);
        plan_public_wipe(&read);
        writer_wipe(&w);
        net_done(&net, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_along_each_axis),
        cmocka_unit_test(labels_along_each_axis),
        cmocka_unit_test(labels_from_the_end),
        cmocka_unit_test(a_softmax_of_a_matrix_has_no_label),
        cmocka_unit_test(what_the_client_does_travels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
