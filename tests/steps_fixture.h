/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of whole plans: every step of a run of both parties against its clear twin fed with the
 * operands that the shares stand for, and small networks that have every kind of step. */
#ifndef TESTS_STEPS_FIXTURE_H
#define TESTS_STEPS_FIXTURE_H

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
    [STEP_SIGN] = step_sign_clear,       [STEP_RELU] = step_relu_clear,
    [STEP_REENTRY] = step_reentry_clear, [STEP_MAX] = step_max_clear,
    [STEP_ARGMAX] = step_argmax_clear,   [STEP_PRODUCT] = step_product_clear,
    [STEP_SQUARE] = step_product_clear,  [STEP_SUM] = step_sum_clear,
};

struct error_sum {
    double sum, squares, largest;
    size_t n;
};

static inline int64_t difference(uint64_t a, uint64_t b, unsigned bits)
{
    uint64_t sign = (uint64_t)1 << (bits - 1), mask = (sign << 1) - 1;
    return (int64_t)(((a - b) & mask) ^ sign) - (int64_t)sign;
}

/* The exact value before rounding, minus its rounded form, is at most half an LSB: added to the
 * largest allowed error. */
static inline void compare_linear(struct error_sum *e, const uint64_t *got, const uint64_t *want,
                                  size_t n, unsigned bits)
{
    for (size_t i = 0; i < n; i++) {
        double d = (double)difference(got[i], want[i], bits);
        e->sum += d;
        e->squares += d * d;
        e->largest = fmax(e->largest, fabs(d));
    }
    e->n += n;
}

/* What a ReLU or Sign with blind signs makes of its operand: the twin with the client's very shares. */
static inline void blind_sign(uint64_t *want, const struct both_runs *both,
                              const struct plan_step *step, const struct linear *lin,
                              const uint64_t *in)
{
    size_t n = (size_t)step->count * both->images;
    uint64_t *x = malloc(n * sizeof(*x) + 8), *negative = calloc(n / 64 + 1, sizeof(*negative));
    assert_true(x && negative);
    for (size_t i = 0; i < n; i++)
        x[i] = (in[i] + (lin->bi ? lin->bi[i / both->images] : 0)) & (((uint64_t)1 << step->k) - 1);
    for (size_t i = 0; lin->negative && i < n; i++)
        negative[i / 64] |= (uint64_t)lin->negative[i / both->images] << (i % 64);
    (step->kind == STEP_SIGN ? mpc_sign_clear : mpc_relu_clear)(
        want, x, negative, both->shares[1][step->operands[0]], n, step->k, step->l, step->blind);
    free(x);
    free(negative);
}

/* Each round of a maximum with blind signs may lose half a unit of theirs. */
static inline void compare_max(const uint64_t *got, const uint64_t *want,
                               const struct plan_step *step, size_t images)
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

static inline void check_steps(const struct both_runs *both, const float *const *inputs,
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
        if ((step->kind == STEP_RELU || step->kind == STEP_SIGN) && step->blind > 0)
            blind_sign(values[s], both, step, &plan->linear[s], values[step->operands[0]]);
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

/* ---- every kind of step in small networks -------------------------------------------------- */

/* Squares, a gate that is broadcast, and a sigmoid that the client does. */
static inline void product_network(struct net *net)
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
static inline void residual_network(struct net *net)
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
static inline void joined_network(struct net *net)
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
static inline struct mp2ml_model *model_of(struct net *net, const struct plan_options *o,
                                           bool blind)
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
static inline void check_outputs(const struct plan *plan, const struct net_data *d, size_t images)
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

#endif
