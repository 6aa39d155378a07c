/* SPDX-License-Identifier: Apache-2.0
 *
 * What a whole session shows, on the wire and in each party's shares, for zero, one-hot and maximal
 * weights and inputs: uniform bytes (chi-square), shares that say nothing, and lengths that depend
 * on the public plan alone. Each statistic also meets a control that must fail. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packed_model.h"
#include "privacy_report.h"
#include "two_parties.h"

#define IMAGES 24
/* 255 degrees of freedom: mean 255, deviation 22.6; a uniform source passes 420 once in 10^9. */
#define CHI_LIMIT 420.0

struct histogram {
    uint64_t count[256], total;
};

struct observed {
    struct histogram frame[2][256]; /* [sent by the client][frame type] */
    uint64_t lengths;               /* hash over (direction, type, step, length) in order */
};

static double chi_square(const struct histogram *h)
{
    double expected = (double)h->total / 256, sum = 0;
    for (int i = 0; i < 256; i++) {
        double d = (double)h->count[i] - expected;
        sum += d * d / expected;
    }
    return sum;
}

static void count_bytes(struct histogram *h, const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->count[data[i]]++;
    h->total += n;
}

static void observe(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                    size_t length)
{
    struct observed *o = context;
    count_bytes(&o->frame[sent][type], part, length);
    uint64_t item = (uint64_t)length << 32 | (uint64_t)step << 16 | (uint64_t)type << 1 | sent;
    o->lengths = (o->lengths ^ item) * 0x9e3779b97f4a7c15u;
    o->lengths ^= o->lengths >> 29;
}

enum weights { WEIGHTS_TRAINED, WEIGHTS_ZERO, WEIGHTS_ONE_HOT, WEIGHTS_MAXIMAL };

static int16_t chosen_weight(enum weights kind, int16_t trained, size_t i)
{
    switch (kind) {
    case WEIGHTS_ZERO:
        return 0;
    case WEIGHTS_ONE_HOT:
        return i % 97 == 0 ? 511 : 0;
    case WEIGHTS_MAXIMAL:
        return 511;
    default:
        return trained;
    }
}

static void set_weights(mp2ml_model *model, enum weights kind)
{
    for (unsigned s = 0; s < model->plan->pub.n_steps; s++) {
        struct linear *lin = &model->plan->linear[s];
        for (size_t i = 0; lin->wi && i < lin->n_weights; i++)
            lin->wi[i] = chosen_weight(kind, lin->wi[i], i);
    }
}

static void fill_inputs(float *x, size_t n, int kind)
{
    fill_uniform(x, n, 0, 1, 99);
    for (size_t i = 0; i < n && kind != 2; i++)
        x[i] = (float)kind;
}

struct shown {
    struct both_runs both;
    struct observed *observed;
};

/* One block; weights and inputs (0: zeros, 1: ones, 2: random) as asked. */
static void show(struct shown *shown, mp2ml_model *model, int inputs_kind, bool no_masks,
                 uint64_t plain)
{
    size_t in = model->inputs[0].count, out = model->outputs[0].count;
    float *x = malloc(IMAGES * in * sizeof(float)), *y = malloc(IMAGES * out * sizeof(float));
    fill_inputs(x, IMAGES * in, inputs_kind);
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    memset(shown, 0, sizeof(*shown));
    shown->observed = calloc(1, sizeof(*shown->observed));
    shown->both.model = model;
    shown->both.no_masks = no_masks;
    shown->both.plain = plain;
    shown->both.tap = observe;
    shown->both.tap_context = shown->observed;
    both_runs_block(&shown->both, IMAGES, inputs, outputs);
    assert_int_equal(shown->both.status[0], MP2ML_OK);
    assert_int_equal(shown->both.status[1], MP2ML_OK);
    free(x);
    free(y);
}

static void hide(struct shown *shown)
{
    both_runs_wipe(&shown->both);
    free(shown->observed);
}

static const enum frame_type watched[] = {FRAME_CT_IN,     FRAME_CT_OUT,     FRAME_OT_EXTEND,
                                          FRAME_OT_CHOICE, FRAME_OT_MESSAGE, FRAME_AND_OPEN};

/* The largest chi-square over all watched frame types and directions with enough bytes; `seen` gets
 * a bit per watched type. */
static double worst_frame(const struct observed *o, unsigned *seen)
{
    double worst = 0;
    *seen = 0;
    for (size_t w = 0; w < sizeof(watched) / sizeof(watched[0]); w++)
        for (int d = 0; d < 2; d++) {
            const struct histogram *h = &o->frame[d][watched[w]];
            if (h->total < 2560)
                continue;
            *seen |= 1u << w;
            worst = fmax(worst, chi_square(h));
        }
    return worst;
}

/* The largest chi-square over both parties' shares of all hidden value sets, high and low bytes. */
static double worst_share(const struct both_runs *both)
{
    const struct plan_public *pub = &both->model->plan->pub;
    double worst = 0;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        size_t n = (size_t)step->count * both->images;
        if (step->kind == STEP_INPUT || step->kind == STEP_OUTPUT || n < 2000)
            continue;
        for (int p = 0; p < 2; p++) {
            struct histogram low = {{0}, 0}, high = {{0}, 0};
            for (size_t i = 0; i < n; i++) {
                uint8_t l = (uint8_t)both->shares[p][s][i];
                uint8_t h = (uint8_t)(both->shares[p][s][i] >> (step->out_bits - 8));
                count_bytes(&low, &l, 1);
                count_bytes(&high, &h, 1);
            }
            worst = fmax(worst, fmax(chi_square(&low), chi_square(&high)));
        }
    }
    return worst;
}

static mp2ml_model *small_model(enum plan_layout layout)
{
    mp2ml_options *o = make_options("reveal=logits", "bits=13", "ranges=auto", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    if (layout == PLAN_IMAGE)
        image_model(model);
    return model;
}

/* Of the next test, for the report; by layout. */
static double largest_frame[PLAN_LAYOUT_COUNT], largest_share[PLAN_LAYOUT_COUNT];

static void uniform_in(enum plan_layout layout)
{
    for (int weights = WEIGHTS_ZERO; weights <= WEIGHTS_MAXIMAL; weights++) {
        mp2ml_model *model = small_model(layout);
        set_weights(model, (enum weights)weights);
        for (int kind = 0; kind < 3; kind++) {
            struct shown shown;
            unsigned seen = 0;
            show(&shown, model, kind, false, 0);
            double frames = worst_frame(shown.observed, &seen);
            double shares = worst_share(&shown.both);
            largest_frame[layout] = fmax(largest_frame[layout], frames);
            largest_share[layout] = fmax(largest_share[layout], shares);
            if (frames >= CHI_LIMIT || shares >= CHI_LIMIT)
                fail_msg("weights %d, inputs %d: frames %.0f, shares %.0f", weights, kind, frames,
                         shares);
            assert_int_equal(seen, (1u << (sizeof(watched) / sizeof(watched[0]))) - 1);
            hide(&shown);
        }
        mp2ml_model_free(model);
    }
}

static void wire_and_shares_are_uniform(void **state)
{
    (void)state;
    uniform_in(PLAN_BATCH);
    uniform_in(PLAN_IMAGE);
}

/* Controls: without the server's masks the client's share is the activation itself; an input that
 * travels in the clear is a frame that is not uniform. */
static void fail_in(enum plan_layout layout)
{
    static const char *const rows[PLAN_LAYOUT_COUNT][2] = {
        {"chi-square of every class of frames of whole sessions",
         "chi-square of both parties' shares after every step of whole sessions"},
        {"layout image: chi-square of every class of frames of whole sessions",
         "layout image: chi-square of both parties' shares after every step of whole sessions"}};
    mp2ml_model *model = small_model(layout);
    struct shown shown;
    set_weights(model, WEIGHTS_ONE_HOT);
    show(&shown, model, 2, true, 0);
    const double share = worst_share(&shown.both);
    assert_true(share > CHI_LIMIT);
    hide(&shown);
    show(&shown, model, 2, false, 1);
    const double plain = chi_square(&shown.observed->frame[true][FRAME_PLAIN_IN]);
    assert_true(plain > CHI_LIMIT);
    hide(&shown);
    mp2ml_model_free(model);
    privacy_report(1, rows[layout][0], largest_frame[layout], CHI_LIMIT, plain);
    privacy_report(4, rows[layout][1], largest_share[layout], CHI_LIMIT, share);
}

static void without_masks_the_statistics_fail(void **state)
{
    (void)state;
    fail_in(PLAN_BATCH);
    fail_in(PLAN_IMAGE);
}

static void lengths_in(enum plan_layout layout, const char *property)
{
    uint64_t lengths = 0;
    unsigned differ = 0;
    for (int weights = WEIGHTS_TRAINED; weights <= WEIGHTS_MAXIMAL; weights++) {
        mp2ml_model *model = small_model(layout);
        struct shown shown;
        set_weights(model, (enum weights)weights);
        show(&shown, model, weights % 3, false, 0);
        if (weights == WEIGHTS_TRAINED)
            lengths = shown.observed->lengths;
        differ += shown.observed->lengths != lengths;
        hide(&shown);
        mp2ml_model_free(model);
    }
    assert_int_equal(differ, 0);
    /* control: another plan (one bit more) shows other lengths */
    mp2ml_options *o = make_options("reveal=logits", "bits=14", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    if (layout == PLAN_IMAGE)
        image_model(model);
    struct shown shown;
    show(&shown, model, 0, false, 0);
    const bool other = shown.observed->lengths != lengths;
    assert_true(other);
    privacy_report(7, property, differ, 1, other);
    hide(&shown);
    mp2ml_model_free(model);
    mp2ml_options_free(o);
}

static void lengths_depend_on_the_public_plan_alone(void **state)
{
    (void)state;
    lengths_in(PLAN_BATCH,
               "kinds of weights, of 4, that change lengths, order or counts of frames");
    lengths_in(
        PLAN_IMAGE,
        "layout image: kinds of weights, of 4, that change lengths, order or counts of frames");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_and_shares_are_uniform),
        cmocka_unit_test(without_masks_the_statistics_fail),
        cmocka_unit_test(lengths_depend_on_the_public_plan_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
