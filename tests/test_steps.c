/* SPDX-License-Identifier: Apache-2.0
 *
 * Every step of whole models, both halves over a channel pair, against its clear twin fed with the
 * very operands that the shares stand for: non-linear steps are equal, linear steps within 4 LSB of
 * the exact value with the stated deviation (docs/protocol.md, "Numbers"). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "two_parties.h"

static const step_clear clear_of[STEP_KIND_COUNT] = {
    [STEP_INPUT] = step_input_clear, [STEP_LINEAR] = step_linear_clear,
    [STEP_RELU] = step_relu_clear,   [STEP_REENTRY] = step_reentry_clear,
    [STEP_MAX] = step_max_clear,     [STEP_ARGMAX] = step_argmax_clear,
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
        if (step->kind == STEP_LINEAR)
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

static void run_model(const char *file, const char *reveal, size_t images, uint64_t plain)
{
    mp2ml_options *o = make_options(reveal, "threads=1", NULL);
    mp2ml_model *model = bundled_model(file, o);
    struct both_runs both = {.model = model, .plain = plain};
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
    assert_true(e.largest <= 4.5);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_network_one_image),    cmocka_unit_test(dense_network_batch_argmax),
        cmocka_unit_test(dense_network_plain_input),  cmocka_unit_test(pooling_network),
        cmocka_unit_test(predicted_traffic_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
