/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks with Sign: binary activations between layers, behind scales and shifts of either sign,
 * before and behind pools, as factor, as output. */
#include "graph_runs.h"
#include "plan/plan_internal.h"

static const struct window same = {3, 1, true, false, 1};

static int sign(struct net *net, int in)
{
    return net_same(net, GRAPH_SIGN, in, -1);
}

/* Two hidden layers. */
static void binary_layers(struct net *net)
{
    int x = sign(net, net_bias(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 4, same), false));
    x = sign(net, net_conv(net, x, 5, same));
    net_output(net, net_dense(net, net_flat(net, x), 4));
}

static void layers(void **state)
{
    (void)state;
    graph_run_ahead(binary_layers, 1);
    graph_check(&(struct graph_case){binary_layers, "input linear sign linear sign linear output",
                                     -1, 1, false});
}

/* A batch norm that no layer before takes: each channel with a factor of its own, half of them
 * negative, and a shift, on the server's side alone. */
static void scaled_sign(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 4, same));
    int pool = net_window(net, GRAPH_MAX_POOL, net_conv(net, x, 4, same), 0,
                          (struct window){2, 2, false, false, 1});
    int scale = net_const(net, 1.5, DIMS(4));
    net_node(net, scale)->value.f[2] = 0; /* the shift alone decides */
    int y = net_same(net, GRAPH_MUL, pool, scale);
    y = sign(net, net_same(net, GRAPH_ADD, y, net_const(net, 0.4, DIMS(4))));
    net_output(net, net_dense(net, net_flat(net, y), 3));
    net_output(net, net_dense(net, net_flat(net, pool), 2)); /* has use for the pool itself */
}

static void shifts(void **state)
{
    (void)state;
    graph_check(&(struct graph_case){
        scaled_sign, "input linear relu linear max sign linear output re-entry linear output", -1,
        1, false});
}

/* max(sign(x)) = sign(max(x)): four times fewer signs, and no step between. */
static void sign_pool(struct net *net)
{
    int x = sign(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same));
    x = net_window(net, GRAPH_MAX_POOL, x, 0, (struct window){2, 2, false, false, 1});
    net_output(net, net_dense(net, net_flat(net, x), 4));
}

/* The same where another reads the signs themselves. */
static void sign_pool_shared(struct net *net)
{
    int x = sign(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same));
    int y = net_window(net, GRAPH_MAX_POOL, x, 0, (struct window){2, 2, false, false, 1});
    net_output(net, net_dense(net, net_flat(net, y), 4));
    net_output(net, net_dense(net, net_flat(net, x), 2));
}

/* ReLU, Sign and pool: the maximum may pass the sign only. */
static void relu_of_sign_pool(struct net *net)
{
    int x = sign(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same));
    int y = net_window(net, GRAPH_MAX_POOL, net_relu(net, x), 0,
                       (struct window){2, 2, false, false, 1});
    net_output(net, net_dense(net, net_flat(net, y), 4));
}

static void pools(void **state)
{
    (void)state;
    graph_check(
        &(struct graph_case){sign_pool, "input linear max sign linear output", -1, 1, false});
    graph_check(&(struct graph_case){
        sign_pool_shared, "input linear sign max sign linear output linear output", -1, 1, false});
    graph_check(&(struct graph_case){relu_of_sign_pool, NULL, -1, 1, false});
}

/* A shared operand, a sum of signs and values, a factor; labels of signs are few, but legal. */
static void sign_everywhere(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(5, 5, 2)), 3, same);
    int s = sign(net, x), t = sign(net, x);
    int y = net_same(net, GRAPH_MUL, s, net_same(net, GRAPH_MUL, x, net_const(net, 0.3, DIMS(3))));
    y = net_same(net, GRAPH_ADD, net_relu(net, x), y);
    y = net_same(net, GRAPH_ADD, y, t);
    net_output(net, net_dense(net, net_flat(net, y), 4));
}

static void factors(void **state)
{
    (void)state;
    graph_check(&(struct graph_case){sign_everywhere,
                                     "input linear sign product relu linear output", -1, 1, false});
}

/* The signs themselves are the answer, and an affine function of them. */
static void sign_output(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(12)), 9);
    net_output(net, sign(net, net_bias(net, x, false)));
}

static void sign_label(struct net *net)
{
    int x = sign(net, net_dense(net, net_input(net, DIMS(12)), 9));
    x = net_add(net, GRAPH_ARGMAX, x, -1, NULL, 0);
    net_node(net, x)->axis = 1;
    net_output(net, x);
}

static void step_output(struct net *net)
{
    int x = sign(net, net_dense(net, net_input(net, DIMS(12)), 9));
    x = net_same(net, GRAPH_ADD, x, net_const(net, 1, DIMS(1)));
    net_output(net, net_same(net, GRAPH_MUL, x, net_const(net, 1, DIMS(1))));
}

static void outputs(void **state)
{
    (void)state;
    graph_check(&(struct graph_case){sign_output, "input linear sign output", -1, 1, false});
    graph_check(&(struct graph_case){sign_label, "input linear sign argmax output", -1, 1, true});
    graph_check(&(struct graph_case){step_output, "input linear sign linear output", -1, 1, false});
}

/* Float has 0 for exactly 0, the plan one of both signs: within the stated error. */
static void zero_is_covered(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 5);
    int x = net_dense(&net, net_input(&net, DIMS(4)), 6);
    for (size_t i = 0; i < 4 * 6; i++)
        net_node(&net, net_node(&net, x)->inputs[1])->value.f[i] = i % 6 == 2 ? 0 : 1;
    int s = sign(&net, x);
    net_output(&net, s);
    net_output(&net, net_dense(&net, s, 3));
    const struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 13, 20);
    struct net_data d;
    net_data_init(&d, &net, plan);
    const float *const *in = (const float *const *)d.inputs;
    assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
    assert_int_equal(run_clear(plan, NET_IMAGES, in, d.outputs, true, 3, NULL, NULL), MP2ML_OK);
    assert_true(fabs((double)d.expected[0][2]) <= 0 && fabs((double)d.outputs[0][2]) >= 1);
    check_outputs(plan, &d, NET_IMAGES);
    net_data_wipe(&d);
    net_done(&net, plan);
}

/* Sums of six numbers 1 or -1 are 0 three times in ten, which no measure of their spread tells: what
 * forty such signs do to a sum of theirs is expected. */
static void sums_of_signs(void **state)
{
    (void)state;
    enum { SIGNS = 40 };
    struct net net;
    net_init(&net, 7);
    int x = sign(&net, net_dense(&net, net_input(&net, DIMS(12)), 6));
    int y = net_dense(&net, x, SIGNS), z = net_dense(&net, sign(&net, y), 1);
    float *w = net_node(&net, net_node(&net, y)->inputs[1])->value.f;
    for (size_t i = 0; i < (size_t)6 * SIGNS; i++)
        w[i] = w[i] > 0 ? 1 : -1;
    for (size_t i = 0; i < SIGNS; i++)
        net_node(&net, net_node(&net, z)->inputs[1])->value.f[i] = 1;
    net_output(&net, z);
    struct plan_options o = net_logits();
    o.low = -1;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    float *got = calloc(plan->n_samples, sizeof *got);
    const float *inputs[1] = {plan->samples};
    assert_non_null(got);
    assert_int_equal(run_clear(plan, plan->n_samples, inputs, &got, true, 1, NULL, NULL), MP2ML_OK);
    double most = 0;
    for (size_t i = 0; i < plan->n_samples; i++)
        most = fmax(most, fabs((double)(got[i] - plan->sample_outputs[i])));
    assert_true(most > 8 && most <= plan_expected_error(plan, 0));
    free(got);
    net_done(&net, plan);
}

/* Where signs are hardly ever wrong, the stated error is still that of a wrong one, behind a layer as
 * before it. */
static void one_wrong_sign_is_covered(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 6);
    int s = sign(&net, net_dense(&net, net_input(&net, DIMS(4)), 6)), y = net_dense(&net, s, 3);
    net_output(&net, s);
    net_output(&net, y);
    struct plan_options o = net_logits();
    o.low = -1;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 18, 20);
    float most = 0;
    for (size_t i = 0; i < 18; i++)
        most = fmaxf(most, fabsf(net_node(&net, net_node(&net, y)->inputs[1])->value.f[i]));
    const double error[2] = {plan_expected_error(plan, 0), plan_expected_error(plan, 1)};
    assert_true(error[0] >= 2 && error[0] < 2.5);
    assert_true(error[1] >= 2 * (double)most && error[1] < 2.5 * (double)most);
    net_done(&net, plan);
}

/* Five numbers of rows of a table of `rows`, as a lookup compares them with all knots. */
static int row_steps(struct net *net, int rows, float margin)
{
    int x = net_input(net, DIMS(5, 1)), knots = net_const(net, 0, DIMS(rows - 1));
    for (int k = 0; k < rows - 1; k++)
        net_node(net, knots)->value.f[k] = (float)k + 0.5F;
    net_node(net, x)->lookup_rows = rows;
    const int s = sign(net, net_add(net, GRAPH_SUB, x, knots, DIMS(5, rows - 1)));
    net_node(net, s)->real = margin;
    return s;
}

/* Numbers of rows keep away from the knots: no sign of them is wrong, however few bits are asked for,
 * and none is in the stated error. Without the margin one is. */
static void rows_are_sure(void **state)
{
    (void)state;
    for (unsigned sure = 0; sure < 2; sure++) {
        struct net net;
        net_init(&net, 8);
        const int steps = row_steps(&net, 100, sure != 0 ? 0.5F : 0);
        net_output(&net, net_dense(&net, net_flat(&net, steps), 3));
        struct plan_options o = net_logits(); /* 0 to 1, for inputs of other kinds */
        struct plan *plan = net_plan(&net, &o);
        net_scaled(plan, 18, 20);
        assert_true(plan->pub.inputs[0].low >= 0 && plan->pub.inputs[0].low <= 0);
        assert_true(plan->pub.inputs[0].high >= 99 && plan->pub.inputs[0].high <= 99);
        for (size_t i = 0; i < plan->n_samples * 5; i++)
            assert_true(fabsf(plan->samples[i] - rintf(plan->samples[i])) <= 0);
        uint8_t few[PLAN_MAX_STEPS];
        memset(few, PLAN_MIN_SIGN_BITS, sizeof few);
        plan_set_sign_bits(plan, few);
        assert_int_equal(plan_error_model(plan), MP2ML_OK);
        for (unsigned s = 0; s < plan->pub.n_steps; s++)
            assert_true(sure == 0 || plan_blind_half(plan, s) <= 0.25);
        if (sure != 0)
            assert_true(plan_expected_error(plan, 0) < 0.05);
        else
            assert_true(plan_expected_error(plan, 0) > 0.05);
        struct trial_result trial;
        assert_int_equal(trial_run(&trial, plan, 3), MP2ML_OK);
        assert_true(sure == 0 || trial.largest[0] <= plan_expected_error(plan, 0));
        net_done(&net, plan);
    }
}

/* A convolution spreads one wrong sign over all places that read it. */
static void spread_by_convolution(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 17);
    int x = net_conv(&net, net_input(&net, DIMS(6, 6, 1)), 1, same);
    x = net_conv(&net, sign(&net, x), 1, same);
    const struct graph_node *w = net_node(&net, net_node(&net, x)->inputs[1]);
    double square = 0;
    for (size_t i = 0; i < w->value.count; i++)
        square += (double)w->value.f[i] * (double)w->value.f[i];
    net_output(&net, x);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    const double all = plan->notes[plan->pub.n_steps - 2].flip.all;
    assert_true(all > 1.999 * sqrt(square) && all < 2.001 * sqrt(square));
    net_done(&net, plan);
}

/* The twin on the samples of a deep binary network without training, whose values crowd around 0:
 * outputs within the stated error, most labels as in floats, and signs wrong no more often than the
 * error model thinks, nor much less. */
static void deep_binary_network(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 311);
    int x = net_conv(&net, net_input(&net, DIMS(8, 8, 3)), 8, same);
    for (unsigned layer = 0; layer < 4; layer++)
        x = net_bias(&net, net_conv(&net, sign(&net, net_bias(&net, x, false)), 8, same), false);
    net_output(&net, net_dense(&net, net_flat(&net, sign(&net, x)), 10));
    struct plan_options o = net_logits();
    o.low = -1;
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 16, 20);
    const size_t n = plan->n_samples;
    float *got = calloc(n * 10, sizeof(float));
    const float *inputs[1] = {plan->samples};
    assert_non_null(got);
    assert_int_equal(run_clear(plan, n, inputs, &got, true, 1, NULL, NULL), MP2ML_OK);
    const double bound = plan_expected_error(plan, 0);
    size_t labels = 0, beyond = 0;
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        const float *want = plan->sample_outputs + i * 10;
        labels += first_largest(got + i * 10, 10) == first_largest(want, 10);
        for (size_t v = 0; v < 10; v++) {
            const double off = fabs((double)got[i * 10 + v] - (double)want[v]);
            squares += off * off / (double)(n * 10);
            beyond += off > bound;
        }
    }
    const double sd = plan->notes[plan->pub.n_steps - 1].error_sd;
    assert_int_equal(beyond, 0);
    assert_true(labels * 4 >= n * 3);
    assert_true(sqrt(squares) < sd && sd < 5 * sqrt(squares));
    free(got);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers),
        cmocka_unit_test(shifts),
        cmocka_unit_test(pools),
        cmocka_unit_test(factors),
        cmocka_unit_test(outputs),
        cmocka_unit_test(zero_is_covered),
        cmocka_unit_test(sums_of_signs),
        cmocka_unit_test(one_wrong_sign_is_covered),
        cmocka_unit_test(rows_are_sure),
        cmocka_unit_test(spread_by_convolution),
        cmocka_unit_test(deep_binary_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
