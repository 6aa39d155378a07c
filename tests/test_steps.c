/* SPDX-License-Identifier: Apache-2.0
 *
 * Every step of whole models, both halves over a channel pair, against its clear twin fed with the
 * very operands that the shares stand for: non-linear steps are equal, but for maxima with blind
 * signs, which are within their bound, and linear steps within 4 LSB of
 * the exact value with the stated deviation (docs/protocol.md, "Numbers"). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_fixture.h"
#include "two_parties.h"

static const step_clear clear_of[STEP_KIND_COUNT] = {
    [STEP_INPUT] = step_input_clear,     [STEP_LINEAR] = step_linear_clear,
    [STEP_RELU] = step_relu_clear,       [STEP_REENTRY] = step_reentry_clear,
    [STEP_MAX] = step_max_clear,         [STEP_ARGMAX] = step_argmax_clear,
    [STEP_PRODUCT] = step_product_clear, [STEP_SQUARE] = step_product_clear,
    [STEP_SUM] = step_sum_clear,
};

struct error_sum {
    double sum, squares, largest;
    size_t n;
};

static int64_t difference(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t sign = (uint64_t)1 << (bits - 1), mask = (sign << 1) - 1;
    return (int64_t)(((a - b) & mask) ^ sign) - (int64_t)sign;
}

/* The exact value before rounding, minus its rounded form, is at most half an LSB: added to the
 * largest allowed error. */
static void compare_linear(struct error_sum *e, const uint64_t *got, const uint64_t *want, size_t n,
                           unsigned bits)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)difference(got[i], want[i], bits);
        e->sum += d;
        e->squares += d * d;
        e->largest = fmax(e->largest, fabs(d));
    }
    e->n += n;
}

/* What a ReLU with blind signs makes of its operand: the twin with the client's very shares. */
static void blind_relu(uint64_t *want, const struct both_runs *both, const struct plan_step *step,
                       const struct linear *lin, const uint64_t *in)
{
    size_t n = (size_t)step->count * both->images;
    uint64_t *x = malloc(n * sizeof(*x) + 8), *negative = calloc(n / 64 + 1, sizeof(*negative));
    assert_true(x && negative);
    for (size_t i = 0; i < n; i++)
        x[i] = (in[i] + (lin->bi ? lin->bi[i / both->images] : 0)) & (((uint64_t)1 << step->k) - 1);
    for (size_t i = 0; lin->negative && i < n; i++)
        negative[i / 64] |= (uint64_t)lin->negative[i / both->images] << (i % 64);
    mpc_relu_clear(want, x, negative, both->shares[1][step->operands[0]], n, step->k, step->l,
                   step->blind);
    free(x);
    free(negative);
}

/* Each round of a maximum with blind signs may lose half a unit of theirs. */
static void compare_max(const uint64_t *got, const uint64_t *want, const struct plan_step *step,
                        size_t images)
{
    for (size_t w = 0; w < step->count; w++) {
        int64_t most = 0;
        for (size_t left = step->windows.first[w + 1] - step->windows.first[w]; left > 1;
             left = (left + 1) / 2)
            most += step->blind > 0 ? (int64_t)1 << (step->blind - 1) : 0;
        for (size_t i = w * images; i < (w + 1) * images; i++) {
            int64_t lost = difference(want[i], got[i], step->out_bits);
            assert_true(lost >= 0 && lost <= most);
        }
    }
}

static void check_steps(const struct both_runs *both, const float *const *inputs,
                        struct error_sum *errors)
{
    const struct plan *plan = both->model->plan;
    unsigned n_steps = plan->pub.n_steps;
    uint64_t **values = calloc(n_steps, sizeof(*values));
    struct clear_run clear = {
        .plan = plan, .images = both->images, .inputs = inputs, .values = values};
    for (unsigned s = 0; s < n_steps; s++) {
        const struct plan_step *step = &plan->pub.steps[s];
        size_t n = (size_t)step->count * both->images;
        values[s] = calloc(n + 1, sizeof(uint64_t));
        if (step->kind == STEP_OUTPUT)
            continue;
        assert_int_equal(clear_of[step->kind](&clear, s), MP2ML_OK);
        uint64_t *sum = both_runs_sum(both, s);
        if (step->kind == STEP_RELU && step->blind > 0)
            blind_relu(values[s], both, step, &plan->linear[s], values[step->operands[0]]);
        if (step->kind == STEP_MAX)
            compare_max(sum, values[s], step, both->images);
        else if (step->kind == STEP_LINEAR)
            compare_linear(errors, sum, values[s], n, step->out_bits);
        else
            assert_memory_equal(sum, values[s], n * sizeof(uint64_t));
        memcpy(values[s], sum, n * sizeof(uint64_t));
        free(sum);
    }
    for (unsigned s = 0; s < n_steps; s++)
        free(values[s]);
    free(values);
}

static void run_model_ahead(const char *file, const char *reveal, size_t images, uint64_t plain,
                            size_t ahead, bool halves)
{
    mp2ml_options *o = make_options(reveal, "threads=1", NULL);
    mp2ml_model *model = bundled_model(file, o);
    struct both_runs both = {.model = model, .plain = plain, .ahead = ahead};
    both.halves = halves;
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
    run_model_ahead(file, reveal, images, plain, 0, false);
}

/* The same with linear steps that were made ahead: other steps and the sums of all are as always,
 * but for one more rounding. */
static void linear_steps_ahead(void **state)
{
    (void)state;
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0, 1, false);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 1, 0, 2, true);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1, 1, true);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 100, 0, 2, true);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 3, 0, 5, false);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=argmax", 37, 0, 3, false);
    run_model_ahead("cryptonets-relu-mnist.pb", "reveal=logits", 9, 1, 2, false);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 3, 0, 2, false);
    run_model_ahead("mlp-maxpool-mnist.pb", "reveal=logits", 200, 0, 1,
                    false); /* frames of MASKED */
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

/* Squares, a gate that is broadcast, and a sigmoid that the client does. */
static void product_network(struct net *net)
{
    int x = net_input(net, DIMS(4, 4, 2));
    int y = net_conv(net, net_same(net, GRAPH_MUL, x, x), 3, (struct window){3, 1, true, false, 1});
    int gate = net_window(net, GRAPH_AVG_POOL, x, 0, (struct window){4, 1, false, false, 1});
    gate = net_conv(net, gate, 3, (struct window){1, 1, false, false, 1});
    y = net_same(net, GRAPH_MUL, net_relu(net, y), gate);
    y = net_dense(net, net_flat(net, y), 6);
    y = net_dense(net, net_same(net, GRAPH_MUL, y, y), 4);
    net_output(net, net_same(net, GRAPH_SIGMOID, y, -1));
}

/* A skip connection read times a power of two, groups of channels, a maximum, two outputs. */
static void residual_network(struct net *net)
{
    const struct window same = {3, 1, true, false, 1};
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 8, same));
    int y = net_grouped(net, GRAPH_CONV2D, x, 8, same, 8);
    y = net_relu(net, net_bias(net, y, false));
    y = net_same(net, GRAPH_ADD, net_conv(net, y, 8, same), x);
    y = net_relu(net, net_window(net, GRAPH_MAX_POOL, y, 0, (struct window){2, 2, true, false, 1}));
    net_output(net, net_same(net, GRAPH_TANH, net_dense(net, net_flat(net, y), 3), -1));
    int z = net_same(net, GRAPH_LOG_SOFTMAX, net_dense(net, net_flat(net, x), 5), -1);
    net_node(net, z)->axis = 1;
    net_output(net, z);
}

/* Clipped ReLUs, joined tensors, values taken from them; two inputs. */
static void joined_network(struct net *net)
{
    const struct window same = {3, 1, true, false, 1};
    const int64_t from[12] = {-1, 3, 77, 5, 8, 8, 90, -1, 0, 11, 2, 40};
    int x = net_conv(net, net_input(net, DIMS(5, 4, 2)), 3, same);
    int clip = net_const(net, 0.0, DIMS(1));
    net_node(net, clip)->value.f[0] = 0.3f;
    int above = net_relu(net, net_same(net, GRAPH_SUB, x, clip));
    int y = net_same(net, GRAPH_SUB, net_relu(net, x), above);
    y = net_concat(net, (const int[]){y, net_relu(net, net_conv(net, y, 2, same))}, 2, 3);
    y = net_gather(net, y, from, DIMS(12));
    int z = net_dense(net, net_input(net, DIMS(6)), 7);
    net_output(net, net_same(net, GRAPH_ADD, net_dense(net, y, 7), z));
}

/* With signs of 9 of 13 bits if they are to be blind. */
static struct mp2ml_model *model_of(struct net *net, const struct plan_options *o, bool blind)
{
    struct mp2ml_model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->graph = net->g;
    model->plan = net_plan(net, o);
    net_scaled(model->plan, 13, o->policy == PLAN_LOGITS ? 20 : 16);
    uint8_t sign_bits[PLAN_MAX_STEPS];
    memset(sign_bits, blind ? 9 : 13, sizeof(sign_bits));
    plan_set_sign_bits(model->plan, sign_bits);
    assert_int_equal(plan_error_model(model->plan), MP2ML_OK);
    for (unsigned s = 0; s < model->plan->pub.n_steps; s++)
        model->sets |= 1u << model->plan->pub.steps[s].set;
    model->sets &= ~1u;
    return model;
}

/* Outputs of the block against the float network, with what the client does at the end. */
static void check_outputs(const struct plan *plan, const struct net_data *d, size_t images)
{
    for (unsigned t = 0; t < plan->pub.n_outputs; t++) {
        double bound = plan_expected_error(plan, t);
        for (size_t i = 0; i < images * plan->pub.outputs[t].count; i++) {
            double off = fabs((double)d->outputs[t][i] - (double)d->expected[t][i]);
            if (!(off <= bound))
                fail_msg("output %u, value %zu: off by %g, more than %g", t, i, off, bound);
        }
    }
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_network_one_image),
        cmocka_unit_test(linear_steps_ahead),
        cmocka_unit_test(dense_network_batch_argmax),
        cmocka_unit_test(dense_network_plain_input),
        cmocka_unit_test(pooling_network),
        cmocka_unit_test(predicted_traffic_is_exact),
        cmocka_unit_test(products_and_gates),
        cmocka_unit_test(residuals_and_groups),
        cmocka_unit_test(joined_and_clipped),
        cmocka_unit_test(twenty_residual_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
