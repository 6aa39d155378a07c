/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of the ring and of sign bits: what it promises about labels and values, on inputs that
 * it did not see, and what it leaves alone. */
#include "plan_fixture.h"
#include "session/session.h"

static struct plan *chosen(struct net *net, enum plan_policy policy, unsigned bits,
                           unsigned sign_bits)
{
    struct plan_options o = net_logits();
    o.policy = policy;
    o.top = 2;
    struct plan *plan = net_plan(net, &o);
    mp2ml_error err = {MP2ML_OK, ""};
    if (choose_bits(plan, bits, sign_bits, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return plan;
}

/* A convolution, a maximum, two hidden layers; each with a sign of its own. */
static void make_net(struct net *net, uint64_t seed)
{
    net_init(net, seed);
    int x = net_conv(net, net_input(net, DIMS(8, 8, 2)), 6, (struct window){3, 1, true, false, 1});
    x = net_relu(net, net_window(net, GRAPH_MAX_POOL, x, 0, (struct window){2, 2, true, false, 1}));
    x = net_relu(net, net_bias(net, net_dense(net, net_flat(net, x), 24), false));
    x = net_relu(net, net_bias(net, net_dense(net, x, 16), false));
    net_output(net, net_dense(net, x, 6));
}

static unsigned sign_bits_of(const struct plan *plan, unsigned s)
{
    return plan->pub.steps[s].k - plan->pub.steps[s].blind;
}

static void few_bits_keep_labels(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct net net;
        struct trial_result exact, blind;
        make_net(&net, 500 + seed);
        struct plan *plan = chosen(&net, PLAN_ARGMAX, 0, 20);
        assert_int_equal(plan->k, 18);
        assert_true(plan_fits_small_set(plan));
        assert_int_equal(trial_run(&exact, plan, 77), MP2ML_OK);
        plan_free(plan);
        plan = chosen(&net, PLAN_ARGMAX, 0, 0);
        unsigned blind_steps = 0;
        for (unsigned s = 0; s < plan->pub.n_steps; s++) {
            bool sign = plan_may_be_blind(plan, s);
            assert_true(sign ? sign_bits_of(plan, s) >= PLAN_MIN_SIGN_BITS
                             : plan->pub.steps[s].blind == 0);
            blind_steps += plan->pub.steps[s].blind >= 3;
        }
        assert_int_equal(blind_steps, 4);
        /* Another seed of noise than the search had; its estimate varies a little. */
        assert_int_equal(trial_run(&blind, plan, 77), MP2ML_OK);
        for (unsigned c = 0; c < blind.classes; c++)
            assert_true(blind.lost[c] <= fmax(3 * exact.lost[c], 5e-4));
        assert_true(plan->observed_error[0] > 0);
        net_done(&net, plan);
    }
}

static void few_bits_keep_values(void **state)
{
    (void)state;
    struct net net;
    struct trial_result exact, blind;
    make_net(&net, 510);
    struct plan *plan = chosen(&net, PLAN_LOGITS, 0, 20);
    assert_int_equal(trial_run(&exact, plan, 77), MP2ML_OK);
    plan_free(plan);
    plan = chosen(&net, PLAN_LOGITS, 0, 0);
    assert_int_equal(trial_run(&blind, plan, 77), MP2ML_OK);
    assert_int_equal(blind.classes, TRIAL_CLASSES);
    for (unsigned c = 0; c < blind.classes; c++)
        assert_true(blind.mean_square[c][0] <= 2.5 * exact.mean_square[c][0]);
    /* A search that takes the fewest bits whatever they cost would be seen here. */
    plan_free(plan);
    plan = chosen(&net, PLAN_LOGITS, 0, 6);
    assert_int_equal(trial_run(&blind, plan, 77), MP2ML_OK);
    assert_true(blind.mean_square[0][0] > 10 * exact.mean_square[0][0]);
    net_done(&net, plan);
}

/* A few samples say too little about labels: then values decide, as if values were shown. */
static void few_samples_keep_values(void **state)
{
    (void)state;
    for (uint64_t seed = 503; seed < 505; seed++) {
        struct net net;
        struct trial_result result[2]; /* exact signs, chosen ones */
        make_net(&net, seed);
        struct plan *many = chosen(&net, PLAN_ARGMAX, 0, 20);
        struct plan_options o = net_logits();
        o.policy = PLAN_ARGMAX;
        o.ranges = PLAN_RANGES_CALIBRATED;
        o.calibration = many->samples;
        o.calibration_samples = 64;
        for (unsigned i = 0; i < 2; i++) {
            struct plan *few = net_plan(&net, &o);
            mp2ml_error err = {MP2ML_OK, ""};
            assert_int_equal(choose_bits(few, 0, i == 0 ? 20 : 0, &err), MP2ML_OK);
            assert_int_equal(trial_run(&result[i], few, 77), MP2ML_OK);
            plan_free(few);
        }
        assert_true(result[1].mean_square[0][0] <= 2.5 * result[0].mean_square[0][0]);
        net_done(&net, many);
    }
}

static void what_is_asked_for_is_done(void **state)
{
    (void)state;
    struct net net;
    make_net(&net, 520);
    struct plan *plan = chosen(&net, PLAN_TOP, 13, 9);
    assert_int_equal(plan->k, 13);
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan_may_be_blind(plan, s))
            assert_int_equal(sign_bits_of(plan, s), 9);
    net_done(&net, plan);
}

/* The sign of a value that is opened behind it stays exact: its error may not depend on weights. */
static void opened_signs_are_exact(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 530);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(12)), 8));
    net_output(&net, net_relu(&net, net_dense(&net, x, 5)));
    struct plan *plan = chosen(&net, PLAN_LOGITS, 0, 5);
    net_has_steps(plan, "input linear relu linear relu output");
    assert_int_equal(sign_bits_of(plan, 2), 5);
    assert_int_equal(plan->pub.steps[4].blind, 0);
    net_done(&net, plan);
}

/* One value and several outputs: nothing to take a label of. */
static void other_outputs(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 540);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(20)), 30));
    net_output(&net, net_dense(&net, x, 1));
    struct plan *plan = chosen(&net, PLAN_ARGMAX, 0, 0); /* its sign */
    assert_true(plan->pub.steps[2].blind > 0);
    plan_free(plan);
    net_output(&net, net_dense(&net, x, 3));
    plan = chosen(&net, PLAN_LOGITS, 0, 0);
    assert_true(plan->pub.steps[2].blind > 0);
    assert_true(plan->observed_error[0] > 0 && plan->observed_error[1] > 0);
    net_done(&net, plan);
}

/* Two outputs that show one step have samples once. */
static void outputs_of_one_step(void **state)
{
    (void)state;
    struct net net;
    struct trial_result exact, blind;
    make_net(&net, 550);
    net_output(&net, net.g->outputs[0]);
    struct plan *plan = chosen(&net, PLAN_LOGITS, 0, 20);
    assert_int_equal(trial_run(&exact, plan, 77), MP2ML_OK);
    plan_free(plan);
    plan = chosen(&net, PLAN_LOGITS, 0, 0);
    assert_int_equal(trial_run(&blind, plan, 77), MP2ML_OK);
    for (unsigned t = 0; t < 2; t++) {
        assert_true(exact.mean_square[0][t] < 1e-4);
        assert_true(blind.mean_square[0][t] <= 2.5 * exact.mean_square[0][t]);
    }
    net_done(&net, plan);
}

static void set(struct net *net, int node, const float *values, size_t n)
{
    struct graph_tensor *t = &net_node(net, node)->value;
    assert_int_equal(t->count, n);
    memcpy(t->f, values, n * sizeof *values);
}

/* relu(factor * x + constant), which one step makes of the x that relu(x) uses */
static int scaled_relu(struct net *net, int x, const float *factor, const float *constant, size_t n)
{
    int s = net_const(net, 1, DIMS((int64_t)n)), c = net_const(net, 1, DIMS((int64_t)n));
    set(net, s, factor, n);
    set(net, c, constant, n);
    return net_relu(net, net_same(net, GRAPH_ADD, net_same(net, GRAPH_MUL, x, s), c));
}

/* The largest difference between the fixed-point clear run, with noise, and the float one. */
static double worst(const struct plan *plan, const float *in, size_t images)
{
    float got[64], want[64];
    const float *inputs[1] = {in};
    float *got_all[1] = {got}, *want_all[1] = {want};
    double w = 0;
    assert_true(images * plan->pub.outputs[0].count <= 64);
    assert_int_equal(run_clear(plan, images, inputs, got_all, true, 1, NULL, NULL), MP2ML_OK);
    assert_int_equal(plan_eval_float(plan, images, inputs, want_all, NULL, NULL), MP2ML_OK);
    for (size_t i = 0; i < images * plan->pub.outputs[0].count; i++)
        w = fmax(w, fabs((double)got[i] - (double)want[i]));
    return w;
}

/* The same, or what the choice saw on its samples, for the ring and sign bits that it took. */
static double worst_of_choice(struct net *net, enum plan_ranges ranges, unsigned sign_bits,
                              const float *in, size_t images)
{
    struct plan_options o = net_logits();
    o.ranges = ranges;
    struct plan *plan = net_plan(net, &o);
    mp2ml_error err = {MP2ML_OK, ""};
    if (choose_bits(plan, 0, sign_bits, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    double w = fmax(worst(plan, in, images), (double)plan->observed_error[0]);
    plan_free(plan);
    return w;
}

/* relu(x) + relu(factor * x + constant) of the same four x */
static void make_scaled(struct net *net, const float factor[4], const float constant[4])
{
    net_init(net, 7);
    int x = net_dense(net, net_input(net, DIMS(4)), 4);
    int y = net_same(net, GRAPH_ADD, net_relu(net, x), scaled_relu(net, x, factor, constant, 4));
    net_output(net, net_dense(net, y, 3));
}

static const float four_inputs[8] = {0.5f, 0.1f, 0.9f, 0.3f, 1, 1, 0, 0};

/* A constant far above its value, in units of x: strict ranges hold its sum too. */
static void strict_ranges_hold_constants(void **state)
{
    (void)state;
    struct net net;
    make_scaled(&net, (const float[]){0.05f, 1, 1, 1}, (const float[]){10, 0.1f, 0, 0});
    assert_true(worst_of_choice(&net, PLAN_RANGES_AUTO, 20, four_inputs, 2) < 0.05);
    assert_true(worst_of_choice(&net, PLAN_RANGES_STRICT, 20, four_inputs, 2) < 0.05);
    graph_free(net.g);
}

/* A factor so small that constant / factor has no place in a ring: the constant alone remains. */
static void a_tiny_factor_is_none(void **state)
{
    (void)state;
    const float factors[] = {1e-10f, 1e-18f, 1e-21f, 1e-41f};
    for (unsigned i = 0; i < 4; i++) {
        struct net net;
        make_scaled(&net, (const float[]){factors[i], 1, 1, 1}, (const float[]){1, 0.1f, 0, 0});
        assert_true(worst_of_choice(&net, PLAN_RANGES_AUTO, 20, four_inputs, 2) < 0.05);
        graph_free(net.g);
    }
}

/* A blind sign needs room above a value; a constant beside the ReLU takes of it. */
static void constants_leave_room(void **state)
{
    (void)state;
    for (unsigned sign_bits = 8; sign_bits <= 20; sign_bits += 12) {
        struct net net;
        net_init(&net, 7);
        int x = net_dense(&net, net_input(&net, DIMS(1)), 2);
        set(&net, x - 1, (const float[]){1, -0.97f}, 2);
        const int both[] = {net_relu(&net, x),
                            scaled_relu(&net, x, (const float[]){1, 1}, (const float[]){3, 3}, 2)};
        int last = net_dense(&net, net_concat(&net, both, 2, 1), 1);
        set(&net, last - 1, (const float[]){0, 0, 1, 0}, 4);
        net_output(&net, net_dense(&net, net_relu(&net, last), 1));
        const float in[4] = {1, 0.999f, 0.9f, 0.5f};
        assert_true(worst_of_choice(&net, PLAN_RANGES_STRICT, sign_bits, in, 4) < 0.1);
        graph_free(net.g);
    }
}

/* ReLUs of values that no sample has near 0: few bits of signs would do for the samples, but not for
 * the error that is stated. */
static void stated_errors_of_values_stay_small(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o = net_logits();
    mp2ml_error err = {MP2ML_OK, ""};
    double stated[2];
    net_init(&net, 71);
    int x = net_input(&net, DIMS(4)), far = net_const(&net, 0, DIMS(4));
    for (size_t i = 0; i < 4; i++)
        net_node(&net, far)->value.f[i] = 5;
    net_output(&net, net_dense(&net, net_relu(&net, net_same(&net, GRAPH_ADD, x, far)), 2));
    o.low = -1;
    struct plan *plan = net_plan(&net, &o);
    for (unsigned exact = 0; exact < 2; exact++) {
        assert_int_equal(choose_bits(plan, 0, exact ? 20 : 0, &err), MP2ML_OK);
        stated[exact] = plan_expected_error(plan, 0);
    }
    assert_true(stated[0] <= 4 * stated[1]);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stated_errors_of_values_stay_small),
        cmocka_unit_test(few_bits_keep_labels),
        cmocka_unit_test(few_bits_keep_values),
        cmocka_unit_test(few_samples_keep_values),
        cmocka_unit_test(what_is_asked_for_is_done),
        cmocka_unit_test(opened_signs_are_exact),
        cmocka_unit_test(other_outputs),
        cmocka_unit_test(outputs_of_one_step),
        cmocka_unit_test(strict_ranges_hold_constants),
        cmocka_unit_test(a_tiny_factor_is_none),
        cmocka_unit_test(constants_leave_room),
    };
    return cmocka_run_group_tests_name("choose_bits", tests, NULL, NULL);
}
