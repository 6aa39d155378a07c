/* SPDX-License-Identifier: Apache-2.0
 *
 * Every step of whole models, both halves over a channel pair, against its clear twin fed with the
 * very operands that the shares stand for: non-linear steps are equal, but for maxima with blind
 * signs, which are within their bound, and linear steps within 4 LSB of
 * the exact value with the stated deviation (docs/protocol.md, "Numbers"). */
#include "steps_fixture.h"

static void run_model_ahead(const char *file, const char *reveal, size_t images, uint64_t plain,
                            size_t ahead, bool halves, size_t idle)
{
    mp2ml_options *o = make_options(reveal, "threads=1", NULL);
    mp2ml_model *model = bundled_model(file, o);
    struct both_runs both = {.model = model, .plain = plain, .ahead = ahead};
    both.halves = halves;
    both.idle = idle;
    size_t in = model->inputs[0].count, out = model->outputs[0].count;
    float *x = malloc(images * in * sizeof(float)), *y = malloc(images * out * sizeof(float));
    fill_uniform(x, images * in, 0, 1, images);
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    both_runs_block(&both, images, inputs, outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, inputs, &e);
    assert_true(e.n > 0);
    assert_true(e.largest <= (ahead > 0 && !halves ? 5.0 : 4.5)); /* one more rounding */
    if (plain == 0 && e.n > 10000) {
        double mean = e.sum / (double)e.n, sigma = sqrt(e.squares / (double)e.n - mean * mean);
        /* 0.471 to 0.527 for the switch, and 1/12 more for the rounding of the reference */
        assert_true(sigma > 0.40 && sigma < 0.75);
        assert_true(fabs(mean) < 0.05);
    }
    both_runs_wipe(&both);
    free(x);
    free(y);
    mp2ml_model_free(model);
    mp2ml_options_free(o);
}

static void run_model(const char *file, const char *reveal, size_t images, uint64_t plain)
{
    run_model_ahead(file, reveal, images, plain, 0, false, 0);
}

/* The same with linear steps that were made ahead: other steps and the sums of all are as always,
 * but for one more rounding. */
static void linear_steps_ahead(void **state)
{
    (void)state;
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0, 1, false, 0);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0, 2, true, 0);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1, 1, true, 0);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 100, 0, 2, true, 0);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 3, 0, 5, false, 0);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=argmax", 37, 0, 3, false, 0);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1, 2, false, 0);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 3, 0, 2, false, 0);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 200, 0, 1, false,
                    0); /* frames of MASKED */
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0, 0, false, SIZE_MAX);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1, 0, false, SIZE_MAX);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 20, 0, 0, false, 8 << 20);
}

static void dense_network_one_image(void **state)
{
    (void)state;
    run_model("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0);
}

static void dense_network_batch_argmax(void **state)
{
    (void)state;
    run_model("cryptonets-relu-mnist.pb", "reveal=argmax", 37, 0);
}

static void dense_network_plain_input(void **state)
{
    (void)state;
    run_model("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1);
}

static void pooling_network(void **state)
{
    (void)state;
    run_model("mlp-maxpool-mnist.pb", "reveal=logits", 3, 0);
}

/* The plan's figures are what the wire shows. */
static void predicted_traffic_is_exact(void **state)
{
    (void)state;
    static const size_t batches[] = {1, 5, 64};
    mp2ml_options *o = make_options("reveal=logits", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        struct both_runs both = {.model = model};
        size_t n = batches[i];
        float *x = calloc(n * model->inputs[0].count, sizeof(float));
        float *y = calloc(n * model->outputs[0].count, sizeof(float));
        const float *inputs[1] = {x};
        float *outputs[1] = {y};
        both_runs_block(&both, n, inputs, outputs);
        struct cost cost = plan_cost(model->plan, n, 0);
        assert_int_equal(both.stats.bytes_sent, cost.bytes_to_server);
        assert_int_equal(both.stats.bytes_received, cost.bytes_to_client);
        assert_int_equal(both.stats.flights, cost.flights);
        both_runs_wipe(&both);
        free(x);
        free(y);
    }
    mp2ml_model_free(model);
    mp2ml_options_free(o);
}

/* ---- every kind of step in small networks -------------------------------------------------- */

static void run_network(void (*make)(struct net *), enum plan_policy policy, size_t images,
                        uint64_t plain)
{
    struct net net;
    net_init(&net, 300 + images);
    make(&net);
    struct plan_options o = net_logits();
    o.policy = policy;
    o.top = 3;
    struct mp2ml_model *model = model_of(&net, &o, images % 2);
    struct both_runs both = {.model = model, .plain = plain};
    struct net_data d;
    net_data_init(&d, &net, model->plan);
    const float *const *in = (const float *const *)d.inputs;
    both_runs_block(&both, images, in, d.outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    struct error_sum e = {0};
    check_steps(&both, in, &e);
    assert_true(e.n > 0 && e.largest <= 4.5);
    struct cost cost = plan_cost(model->plan, images, plain);
    assert_int_equal(both.stats.bytes_sent, cost.bytes_to_server);
    assert_int_equal(both.stats.bytes_received, cost.bytes_to_client);
    assert_int_equal(both.stats.flights, cost.flights);
    assert_int_equal(graph_eval(net.g, images, in, d.expected, NULL, NULL), MP2ML_OK);
    if (policy == PLAN_LOGITS)
        check_outputs(model->plan, &d, images);
    both_runs_wipe(&both);
    net_data_wipe(&d);
    mp2ml_model_free(model);
}

static void products_and_gates(void **state)
{
    (void)state;
    run_network(product_network, PLAN_LOGITS, 5, 0);
    run_network(product_network, PLAN_TOP, 2, 0);
}

static void residuals_and_groups(void **state)
{
    (void)state;
    run_network(residual_network, PLAN_LOGITS, 3, 0);
    run_network(residual_network, PLAN_ARGMAX, 2, 1);
}

static void joined_and_clipped(void **state)
{
    (void)state;
    run_network(joined_network, PLAN_LOGITS, 4, 0);
    run_network(joined_network, PLAN_TOP, 7, 2);
    run_network(joined_network, PLAN_ARGMAX, 5, 0);
}

/* Twenty layers deep: the twin keeps the labels of the float network, and the outputs stay within
 * what the plan expects. */
static void twenty_residual_layers(void **state)
{
    (void)state;
    const struct window same = {3, 1, true, false, 1};
    struct net net;
    net_init(&net, 310);
    int x = net_relu(&net, net_conv(&net, net_input(&net, DIMS(8, 8, 3)), 8, same));
    for (unsigned block = 0; block < 9; block++) {
        int y = net_relu(&net, net_bias(&net, net_conv(&net, x, 8, same), false));
        y = net_bias(&net, net_conv(&net, y, 8, same), false);
        x = net_relu(&net, net_same(&net, GRAPH_ADD, y, x));
    }
    net_output(&net, net_dense(&net, net_flat(&net, x), 10));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 14, 20);
    const size_t n = plan->n_samples;
    float *got = calloc(n * 10, sizeof(float));
    const float *inputs[1] = {plan->samples};
    assert_non_null(got);
    assert_int_equal(run_clear(plan, n, inputs, &got, true, 1, NULL, NULL), MP2ML_OK);
    const double bound = plan_expected_error(plan, 0);
    size_t same_label = 0;
    for (size_t i = 0; i < n; i++) {
        const float *want = plan->sample_outputs + i * 10;
        same_label += first_largest(got + i * 10, 10) == first_largest(want, 10);
        for (size_t v = 0; v < 10; v++)
            assert_true(fabs((double)got[i * 10 + v] - (double)want[v]) <= bound);
    }
    assert_true(same_label * 100 >= n * 99);
    free(got);
    net_done(&net, plan);
}

/* A maximum so large that the twin takes it in pieces, windows of two sizes, is the maximum with the
 * noise drawn for all of it. */
static void maximum_in_pieces(void **state)
{
    (void)state;
    enum { WINDOWS = 700, IMAGES = 1024, K = 12, VALUES = 64 };
    uint32_t first[WINDOWS + 1] = {0}, member[3 * WINDOWS + WINDOWS / 2];
    for (uint32_t w = 0; w < WINDOWS; w++) {
        first[w + 1] = first[w] + 3 + w % 2;
        for (uint32_t i = first[w]; i < first[w + 1]; i++)
            member[i] = (5 * w + 7 * i) % VALUES;
    }
    const struct mpc_windows windows = {WINDOWS, first, member};
    struct plan_step steps[2] = {{.kind = STEP_INPUT, .count = VALUES, .out_bits = K},
                                 {.kind = STEP_MAX, .count = WINDOWS, .k = K, .blind = 4}};
    steps[1].n_operands = 1;
    steps[1].windows = windows;
    struct plan plan = {.pub = {.n_steps = 2, .steps = steps}};
    const size_t pairs = mpc_max_pairs(&windows) * IMAGES;
    uint64_t *in = calloc(VALUES * IMAGES, 8), *out = calloc(WINDOWS * IMAGES, 8);
    uint64_t *want = calloc(WINDOWS * IMAGES, 8), *low = calloc(pairs, 8);
    uint64_t *scratch = calloc(mpc_max_scratch(&windows, IMAGES), 8);
    assert_true(in && out && want && low && scratch && pairs > (size_t)3 << 19);
    struct ckks_noise_model noise;
    ckks_noise_model_init(&noise, 5);
    for (size_t i = 0; i < (size_t)VALUES * IMAGES; i++)
        in[i] = ckks_noise_model_next(&noise) % 64;
    struct clear_run run = {.plan = &plan, .images = IMAGES, .noise = noise, .with_noise = true};
    run.values = (uint64_t *[]){in, out};
    for (size_t i = 0; i < pairs; i++)
        low[i] = ckks_noise_model_next(&noise);
    mpc_max_clear(want, in, low, &windows, IMAGES, K, 4, scratch);
    assert_int_equal(step_max_clear(&run, 1), MP2ML_OK);
    assert_memory_equal(out, want, WINDOWS * IMAGES * sizeof *out);
    assert_int_equal(run.noise.state, noise.state);
    free(in);
    free(out);
    free(want);
    free(low);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maximum_in_pieces),          cmocka_unit_test(dense_network_one_image),
        cmocka_unit_test(linear_steps_ahead),         cmocka_unit_test(dense_network_batch_argmax),
        cmocka_unit_test(dense_network_plain_input),  cmocka_unit_test(pooling_network),
        cmocka_unit_test(predicted_traffic_is_exact), cmocka_unit_test(products_and_gates),
        cmocka_unit_test(residuals_and_groups),       cmocka_unit_test(joined_and_clipped),
        cmocka_unit_test(twenty_residual_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
