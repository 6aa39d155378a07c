/* SPDX-License-Identifier: Apache-2.0
 *
 * What may end a network: softmax and ArgMax along any axis but the samples', and what reshapes or
 * transposes their results; shapes of outputs and answers in the order of the model. */
#include "graph_runs.h"

static const struct window same3 = {3, 1, true, false, 1}, first3 = {3, 1, true, true, 1};

static int along(struct net *net, enum graph_op op, int in, int64_t axis)
{
    const struct graph_node *x = net_node(net, in);
    int64_t dims[GRAPH_MAX_RANK];
    unsigned rank = 0;
    for (unsigned d = 1; d < x->rank; d++)
        if (op != GRAPH_ARGMAX || d != (unsigned)axis)
            dims[rank++] = x->dims[d];
    int i = net_add(net, op, in, -1, dims, rank);
    net_node(net, i)->axis = axis;
    return i;
}

static int picture(struct net *net)
{
    return net_conv(net, net_input(net, DIMS(3, 4, 2)), 5, same3);
}

/* Channels first, as segmentation networks end. */
static void softmax_of_channels(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(2, 3, 4)), 5, first3);
    net_output(net, along(net, GRAPH_SOFTMAX, x, 1));
    net_output(net, along(net, GRAPH_LOG_SOFTMAX, x, 2));
}

/* ... and are turned round by converters. */
static void softmax_turned(struct net *net)
{
    int x = along(net, GRAPH_SOFTMAX, net_conv(net, net_input(net, DIMS(2, 3, 4)), 5, first3), 1);
    net_output(net, net_transpose(net, x, 2, 3, 1));
    net_output(net, net_transpose(net, x, 3, 1, 2));
}

/* As older ONNX files have it: rows of all that is behind an axis. */
static void softmax_reshaped(struct net *net)
{
    int x = net_add(net, GRAPH_RESHAPE, picture(net), -1, DIMS(3, 20));
    x = along(net, GRAPH_SOFTMAX, x, 2);
    net_output(net, net_add(net, GRAPH_RESHAPE, x, -1, DIMS(3, 4, 5)));
}

/* The logarithms stay of rows when the others' shape is forgotten. */
static void sigmoid_turned(struct net *net)
{
    int x = net_same(net, GRAPH_SIGMOID, picture(net), -1);
    net_output(net, net_transpose(net, x, 3, 1, 2));
}

static void softmaxes(void **state)
{
    (void)state;
    static const graph_maker makers[] = {softmax_of_channels, softmax_turned, softmax_reshaped,
                                         sigmoid_turned};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        graph_check(&(struct graph_case){makers[i], NULL, -1, 1, false});
}

static void post_of(double v[3], enum plan_post post)
{
    const double sum = exp(v[0]) + exp(v[1]) + exp(v[2]);
    for (unsigned i = 0; i < 3; i++)
        v[i] = post == PLAN_POST_SOFTMAX       ? exp(v[i]) / sum
               : post == PLAN_POST_LOG_SOFTMAX ? v[i] - log(sum)
               : post == PLAN_POST_SIGMOID     ? 1 / (1 + exp(-v[i]))
               : post == PLAN_POST_TANH        ? tanh(v[i])
                                               : v[i];
}

/* The largest difference behind `post` of values that are off by e each; two small ones of three tell a
 * softmax little. */
static double worst_error(enum plan_post post, double e)
{
    double worst = 0;
    for (double x = -8; x <= 8; x += 0.125)
        for (unsigned low = 0; low < 2; low++) {
            const double rest = low ? -40 : 0, sign = low ? -1 : 1;
            double a[3] = {x, 0, rest}, b[3] = {x + sign * e, -sign * e, rest - sign * e};
            post_of(a, post);
            post_of(b, post);
            for (unsigned i = 0; i < 3; i++)
                worst = fmax(worst, fabs(a[i] - b[i]));
        }
    return worst;
}

/* What is stated is of what the client sees: no softmax is off by more than 1. */
static void stated_errors(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o = net_logits();
    net_init(&net, 11);
    net_output(&net, along(&net, GRAPH_SOFTMAX, net_dense(&net, net_input(&net, DIMS(4)), 3), 1));
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    const double most[] = {0.01, 0.5, 3, 20};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++)
        for (enum plan_post post = PLAN_POST_NONE; post < PLAN_POST_COUNT; post++) {
            plan->observed_error[0] = most[i];
            const double e = plan_expected_error(plan, 0);
            assert_true(e >= most[i]);
            plan->pub.outputs[0].post = post;
            const double stated = plan_stated_error(plan, 0), worst = worst_error(post, e);
            if (!(worst <= stated * (1 + 1e-9) && worst > 0.95 * stated))
                fail_msg("post %u: values off by %g move by %g, %g is stated", post, e, worst,
                         stated);
        }
    net_done(&net, plan);
}

static void argmax_of_channels(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(2, 3, 4)), 5, first3);
    net_output(net, along(net, GRAPH_ARGMAX, x, 1));
    net_output(net, along(net, GRAPH_ARGMAX, x, 2));
    net_output(net, along(net, GRAPH_ARGMAX, x, 3));
}

/* With the axis kept as one of length 1, and flat. */
static void argmax_reshaped(struct net *net)
{
    int x = along(net, GRAPH_ARGMAX, picture(net), 2);
    int y = net_add(net, GRAPH_RESHAPE, x, -1, DIMS(3, 1, 5));
    net_output(net, y);
    net_output(net, net_add(net, GRAPH_RESHAPE, y, -1, DIMS(15)));
}

/* The position of the least is that of the largest of -x. */
static void argmin(struct net *net)
{
    int x = picture(net), minus = net_const(net, 0, DIMS(1));
    net_node(net, minus)->value.f[0] = -1;
    net_node(net, minus)->attribute = true;
    net_output(net, along(net, GRAPH_ARGMAX, net_same(net, GRAPH_MUL, x, minus), 3));
    net_output(net, along(net, GRAPH_ARGMAX, x, 3));
}

static void argmax_of_softmax(struct net *net)
{
    int x = along(net, GRAPH_SOFTMAX, picture(net), 2);
    net_output(net, along(net, GRAPH_ARGMAX, x, 2));
    x = net_same(net, GRAPH_TANH, picture(net), -1);
    net_output(net, along(net, GRAPH_ARGMAX, x, 1));
}

static int nothing_of(struct net *net, int in)
{
    const int64_t nothing = 0;
    return net_gather(net, in, &nothing, DIMS(0, 4));
}

/* Outputs without values before and behind one with some, and alone. */
static void with_nothing(struct net *net)
{
    const int x = net_input(net, DIMS(12));
    net_output(net, nothing_of(net, x));
    net_output(net, net_dense(net, x, 5));
    net_output(net, nothing_of(net, x));
}

static void only_nothing(struct net *net)
{
    net_output(net, nothing_of(net, net_input(net, DIMS(12))));
}

static void no_values(void **state)
{
    (void)state;
    graph_check(
        &(struct graph_case){with_nothing, "input output linear output output", -1, 1, false});
    struct net net;
    struct plan_options o = net_logits();
    net_init(&net, 1);
    only_nothing(&net);
    struct mp2ml_model *model = model_of(&net, &o, false);
    graph_travels(model->plan);
    assert_int_equal(model->plan->pub.outputs[0].count, 0);
    struct both_runs both = {.model = model};
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    both_runs_block(&both, 3, (const float *const *)d.inputs, d.outputs);
    assert_true(both.status[0] == MP2ML_OK && both.status[1] == MP2ML_OK);
    assert_true(both.stats.bytes_sent == 0 && both.stats.bytes_received == 0);
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
    net_init(&net, 2);
    with_nothing(&net);
    o.policy = PLAN_ARGMAX;
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "has no values");
}

/* Of wide values, as no ring could hold them so finely. */
static void inputs_as_they_are(struct net *net)
{
    const int x = net_input(net, DIMS(2, 4));
    net_output(net, x);
    net_output(net, net_add(net, GRAPH_RESHAPE, x, -1, DIMS(8)));
    net_output(net, along(net, GRAPH_LOG_SOFTMAX, x, 2));
    net_output(net, net_dense(net, net_flat(net, x), 3));
    net_output(net, along(net, GRAPH_SOFTMAX, x, 1));
}

/* The client knows its input: what shows it is exact, and nothing travels for it. */
static void inputs_are_known(void **state)
{
    (void)state;
    const char *kinds = "input output output output linear output output";
    graph_check(&(struct graph_case){inputs_as_they_are, kinds, -10000, 10000, false});
    struct net net;
    struct plan_options o = net_logits();
    o.low = -10000;
    o.high = 10000;
    net_init(&net, 4);
    inputs_as_they_are(&net);
    struct mp2ml_model *model = model_of(&net, &o, false);
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    const float *const *in = (const float *const *)d.inputs;
    struct both_runs both = {.model = model};
    both_runs_block(&both, NET_IMAGES, in, d.outputs);
    assert_true(both.status[0] == MP2ML_OK && both.status[1] == MP2ML_OK);
    assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
    for (unsigned t = 0; t < 5; t++) {
        assert_true((plan_stated_error(model->plan, t) > 0) == (t == 3));
        for (size_t i = 0; t != 3 && i < NET_IMAGES * (size_t)8; i++)
            assert_true(fabsf(d.outputs[t][i] - d.expected[t][i]) <=
                        1e-6F * fabsf(d.expected[t][i]));
    }
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
    net_init(&net, 5); /* a label of it is the protocol's */
    net_output(&net, net_input(&net, DIMS(4)));
    o.policy = PLAN_ARGMAX;
    struct plan *plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear argmax output");
    net_done(&net, plan);
}

static void labels(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {argmax_of_channels, "input linear argmax output argmax output argmax output", -1, 1, true},
        {argmax_reshaped, "input linear argmax output argmax output", -1, 1, true},
        {argmin, "input linear re-entry linear argmax output argmax output", -1, 1, true},
        {argmax_of_softmax, "input input linear argmax output linear argmax output", -1, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void has_shape(const struct plan_tensor *t, const uint32_t *dims, unsigned rank)
{
    uint32_t count = 1;
    assert_int_equal(t->rank, rank);
    for (unsigned d = 0; d < rank; d++) {
        assert_int_equal(t->dims[d], dims[d]);
        count *= dims[d];
    }
    assert_int_equal(t->count, count);
}
#define HAS_SHAPE(t, ...)                                                                          \
    has_shape(t, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

/* Labels that a policy asks for lie along the softmax's axis, else along the last. */
static void outputs_have_shapes(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o = net_logits();
    net_init(&net, 1);
    argmax_reshaped(&net);
    o.policy = PLAN_ARGMAX;
    struct plan *plan = net_plan(&net, &o);
    HAS_SHAPE(&plan->pub.outputs[0], 3, 1, 5);
    HAS_SHAPE(&plan->pub.outputs[1], 15);
    net_done(&net, plan);
    for (unsigned policy = PLAN_ARGMAX; policy <= PLAN_TOP; policy++) {
        net_init(&net, 2);
        softmax_of_channels(&net); /* along 1 and 2 of (5, 3, 4) */
        softmax_reshaped(&net);    /* 20 values of (3, 4, 5) */
        net_output(&net, picture(&net));
        o.policy = policy;
        o.top = policy == PLAN_TOP ? 2 : 0;
        plan = net_plan(&net, &o);
        const struct plan_tensor *t = plan->pub.outputs;
        if (policy == PLAN_ARGMAX) {
            HAS_SHAPE(&t[0], 3, 4);
            HAS_SHAPE(&t[1], 5, 4);
            HAS_SHAPE(&t[2], 3);
            HAS_SHAPE(&t[3], 3, 4);
        } else if (policy == PLAN_TOP) {
            HAS_SHAPE(&t[0], 3, 4, 2);
            HAS_SHAPE(&t[1], 5, 4, 2);
            HAS_SHAPE(&t[2], 3, 2);
            HAS_SHAPE(&t[3], 3, 4, 2);
        } else {
            HAS_SHAPE(&t[0], 5, 3, 4);
            assert_true(t[0].row == 5 && t[0].step == 12 && t[1].row == 3 && t[1].step == 4);
            assert_true(t[2].row == 20 && t[2].step == 1 && t[3].row == 0 && t[3].step == 0);
        }
        net_done(&net, plan);
    }
}

/* The float network under a policy that shows labels: those that an ArgMax along the same axis gives. */
static void labels_in_floats(void **state)
{
    (void)state;
    static const graph_maker makers[] = {softmax_of_channels, argmax_of_channels, argmax_reshaped};
    float *got[3][3] = {{NULL}};
    for (unsigned i = 0; i < 3; i++) {
        struct net net;
        struct plan_options o = net_logits();
        struct net_data d;
        net_init(&net, 8);
        makers[i](&net);
        o.policy = PLAN_ARGMAX;
        struct mp2ml_model *model = model_of(&net, &o, false);
        net.seed = 8;
        net_data_init(&d, &net, model->plan);
        const float *const *in = (const float *const *)d.inputs;
        assert_int_equal(mp2ml_model_eval_float(model, NET_IMAGES, in, d.outputs, NULL), MP2ML_OK);
        assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
        for (unsigned t = 0; t < model->plan->pub.n_outputs; t++) {
            const size_t n = (size_t)model->plan->pub.outputs[t].count * NET_IMAGES;
            got[i][t] = calloc(n, sizeof(float));
            assert_non_null(got[i][t]);
            memcpy(got[i][t], d.outputs[t], n * sizeof(float));
            if (i > 0)
                assert_memory_equal(got[i][t], d.expected[t], n * sizeof(float));
            if (i == 1 && t < 2)
                assert_memory_equal(got[0][t], got[1][t], n * sizeof(float));
        }
        net_data_wipe(&d);
        mp2ml_model_free(model);
    }
    for (unsigned i = 0; i < 9; i++)
        free(got[i / 3][i % 3]);
}

static void refused(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o = net_logits();
    net_init(&net, 3); /* the largest of a softmax along another axis */
    net_output(&net, along(&net, GRAPH_ARGMAX, along(&net, GRAPH_SOFTMAX, picture(&net), 1), 3));
    o.policy = PLAN_ARGMAX;
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "another axis");
    net_init(&net, 4); /* computing with labels */
    net_output(&net, net_relu(&net, along(&net, GRAPH_ARGMAX, picture(&net), 3)));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "at the end");
    net_init(&net, 5);
    net_output(&net, along(&net, GRAPH_ARGMAX, along(&net, GRAPH_ARGMAX, picture(&net), 3), 2));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "at the end");
    net_init(&net, 6); /* a transposition takes the rows apart */
    int x =
        along(&net, GRAPH_SOFTMAX, net_add(&net, GRAPH_RESHAPE, picture(&net), -1, DIMS(3, 20)), 2);
    x = net_add(&net, GRAPH_RESHAPE, x, -1, DIMS(3, 4, 5));
    net_output(&net, net_transpose(&net, x, 3, 1, 2));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "reshaped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmaxes),        cmocka_unit_test(stated_errors),
        cmocka_unit_test(no_values),        cmocka_unit_test(inputs_are_known),
        cmocka_unit_test(labels),           cmocka_unit_test(outputs_have_shapes),
        cmocka_unit_test(labels_in_floats), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
