/* SPDX-License-Identifier: Apache-2.0
 *
 * Work ahead of requests: what is prepared is exactly what requests take, the results are the same
 * with and without, every item serves once, and what travels says nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ahead_pair.h"
#include "privacy_report.h"

/* ---- what it is good for ---------------------------------------------------------------------- */

/* Transfers for three requests are enough for three, and not for a fourth. */
static void transfers_are_enough(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 3, 1), 3);
    assert_true(p.parts[FRAME_OT_EXTEND] > 0);
    assert_int_equal(p.parts[FRAME_CT_IN], 0);
    p.parts[FRAME_OT_EXTEND] = 0;
    for (uint64_t i = 0; i < 3; i++)
        ask(&p, 1, -1, i);
    assert_int_equal(p.parts[FRAME_OT_EXTEND], 0);
    ask(&p, 1, -1, 4);
    assert_true(p.parts[FRAME_OT_EXTEND] > 0);
    const mp2ml_stats stats = mp2ml_client_stats(p.client);
    assert_int_equal(stats.prepared_used, 3); /* halves of linear steps */
    assert_int_equal(stats.precomputed + stats.prepared_left, 0);
    pair_end(&p, MP2ML_OK);
}

/* Requests take items while there are any, and go on without. Only the shape's own requests do. */
static void items_then_none(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    assert_int_equal(prepare(&p, 3, 4), 3);
    for (unsigned i = 0; i < 3; i++) {
        p.parts[FRAME_CT_IN] = p.parts[FRAME_MASKED] = p.parts[FRAME_OT_EXTEND] = 0;
        ask(&p, 4, -1, i);
        assert_int_equal(p.parts[FRAME_OT_EXTEND], 0);
        assert_int_equal(p.parts[FRAME_MASKED], 2); /* the third linear step's values are opened */
        assert_int_equal(p.parts[FRAME_CT_IN], 1);
    }
    p.parts[FRAME_CT_IN] = p.parts[FRAME_MASKED] = 0;
    ask(&p, 4, -1, 9);
    assert_int_equal(p.parts[FRAME_MASKED], 0);
    assert_int_equal(p.parts[FRAME_CT_IN], 3);
    ask(&p, 7, -1, 9);
    ask(&p, 1, -1, 10);
    mp2ml_stats stats = mp2ml_client_stats(p.client);
    assert_int_equal(stats.requests, 6);
    assert_int_equal(stats.prepared, 5);
    assert_int_equal(stats.precomputed, 5);
    assert_int_equal(stats.prepared_used, 4);
    assert_int_equal(stats.prepared_left, 1);
    assert_true(stats.prepare_seconds > 0 && stats.prepare_bytes_to_client > 1000000);
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(p.client, &receipt, NULL), MP2ML_OK);
    assert_non_null(strstr(receipt, "\"prepared_used\": 4"));
    mp2ml_free(receipt);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.prepared, 5);
}

/* The same in the layout and with the engine that the planner and the option choose for one image. */
static void other_layouts(void **state)
{
    (void)state;
    static const char *const layouts[] = {"layout=image", "layout=auto"};
    static const char *const engines[] = {"nonlinear=yao", "nonlinear=auto"};
    mp2ml_model *batch = model;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned linear = 0; linear < 2; linear++) {
            struct pair p;
            mp2ml_options *o = make_options("reveal=logits", layouts[i], engines[i], NULL);
            model = bundled_model("cryptonets-relu-mnist.pb", o);
            pair_start(&p, linear != 0, 64, 0);
            assert_int_equal(prepare(&p, 2, 1), 2);
            for (unsigned n = 0; n < 3; n++)
                ask(&p, 1, -1, n);
            assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
            pair_end(&p, MP2ML_OK);
            mp2ml_model_free(model);
            mp2ml_options_free(o);
        }
    model = batch;
}

/* ---- every item once -------------------------------------------------------------------------- */

/* The server ends the session of a client that names an item out of turn. */
static void items_in_turn(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {1, 3, 4, UINT32_MAX}; /* used; not yet; none */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair p;
        pair_start(&p, true, 64, 0);
        assert_int_equal(prepare(&p, 3, 1), 3);
        ask(&p, 1, -1, 1);
        const struct request r = {.images = 1, .again = true, .item = wrong[i]};
        assert_int_equal(request_send(p.client->link, &r, p.client->hello.inputs, 1), MP2ML_OK);
        uint8_t byte;
        assert_int_equal(frame_recv(p.client->link, FRAME_CT_OUT, 1, &byte, 1), MP2ML_ERR_ABORTED);
        pair_end(&p, MP2ML_ERR_PROTOCOL);
    }
    struct pair p; /* control: the next one */
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 3, 1), 3);
    ask(&p, 1, -1, 1);
    const struct request r = {.images = 1, .again = true, .item = 2};
    assert_int_equal(request_send(p.client->link, &r, p.client->hello.inputs, 1), MP2ML_OK);
    assert_int_equal(channel_flush(p.client->channel), MP2ML_OK);
    pair_end(&p, MP2ML_ERR_CLOSED);
}

/* A body of MASKED with a bit in its padding. */
static void spoil_padding(void *context, bool sent, enum frame_type type, uint16_t step,
                          uint8_t *part, size_t length)
{
    (void)context;
    if (sent && type == FRAME_MASKED && step > 0)
        part[length - 1] |= 0x80;
}

static void padding_is_checked(void **state)
{
    (void)state;
    struct pair p;
    float x[3 * PIXELS] = {0}, y[3 * LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    pair_start(&p, true, 64, 0);
    unsigned spare = 0;
    for (unsigned s = 0; s < model->plan->pub.n_steps; s++) {
        const struct plan_step *step = &model->plan->pub.steps[s];
        if (step->kind == STEP_LINEAR)
            spare |= plan_step_inputs(&model->plan->pub, step) * 3 * step->l % 8;
    }
    assert_true(spare != 0); /* some frame has padding */
    assert_int_equal(prepare(&p, 1, 3), 1);
    link_set_tap(p.client->link, spoil_padding, NULL);
    assert_int_not_equal(mp2ml_client_predict(p.client, 3, inputs, outputs, NULL), MP2ML_OK);
    pair_end(&p, MP2ML_ERR_PROTOCOL);
}

/* A server that claims to have prepared more than was asked for, or something else. */
static void hostile_prepared(void **state)
{
    (void)state;
    static const uint8_t bodies[][5] = {
        {3, 0, 0, 0, 1}, {0, 0, 0, 1, 1}, {1, 0, 0, 0, 2}, {2, 0, 0, 0, 0}, {2, 0, 0, 0, 1}};
    const struct request asked = {.requests = 2, .precompute = true};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (unsigned precompute = 0; precompute < 2; precompute++) {
            struct channel *a, *b;
            struct link *from, *to;
            size_t n;
            struct request r = asked;
            r.precompute = precompute != 0;
            assert_int_equal(channel_pair(&a, &b), MP2ML_OK);
            assert_int_equal(link_new(&from, a), MP2ML_OK);
            assert_int_equal(link_new(&to, b), MP2ML_OK);
            assert_int_equal(frame_send(from, FRAME_PREPARED, 0, bodies[i], 5), MP2ML_OK);
            const bool good = i == (r.precompute ? 4 : 3);
            assert_int_equal(prepare_answer_recv(to, &r, &(struct shape){0}, &n),
                             good ? MP2ML_OK : MP2ML_ERR_PROTOCOL);
            link_free(from);
            link_free(to);
            channel_free(a);
            channel_free(b);
        }
}

/* ---- what travels ------------------------------------------------------------------------------ */

#define ITEMS 48

/* ITEMS requests of one image filled with zeros, then ones, in turns. reuse: of one item's masks. */
static void masked_requests(struct pair *p, bool reuse)
{
    pair_start(p, true, 64, 0);
    assert_int_equal(prepare(p, ITEMS, 1), ITEMS);
    p->watched = FRAME_MASKED;
    p->bits = model->plan->pub.steps[1].l;
    p->masked = calloc(ITEMS * PIXELS + 64, sizeof(uint64_t));
    if (reuse)
        precompute_reuse(p->client->shapes.at[0].ahead);
    for (unsigned i = 0; i < ITEMS; i++)
        ask(p, 1, (float)(i % 2), 0);
    assert_int_equal(p->n_masked, ITEMS * PIXELS);
}

/* How many values of a request's frame differ from those of the one before by exactly the
 * difference of the inputs. */
static unsigned shown_differences(const struct pair *p)
{
    const struct plan_tensor *t = &model->plan->pub.inputs[0];
    const uint64_t mask = ((uint64_t)1 << p->bits) - 1, one = (uint64_t)floor(t->scale + 0.5);
    unsigned shown = 0;
    for (size_t i = PIXELS; i < p->n_masked; i++) {
        const uint64_t d = (p->masked[i] - p->masked[i - PIXELS]) & mask;
        shown += d == (i / PIXELS % 2 == 1 ? one : (0 - one) & mask);
    }
    return shown;
}

/* 255 degrees of freedom, as in test_privacy.c. */
static double chi_square(const struct pair *p)
{
    double total = 0, sum = 0;
    for (unsigned i = 0; i < 256; i++)
        total += (double)p->bytes[i];
    for (unsigned i = 0; i < 256; i++)
        sum += ((double)p->bytes[i] - total / 256) * ((double)p->bytes[i] - total / 256);
    return sum / (total / 256);
}

static void masked_values_say_nothing(void **state)
{
    (void)state;
    struct pair fresh, reused;
    masked_requests(&fresh, false);
    masked_requests(&reused, true);
    const unsigned shown = shown_differences(&fresh), control = shown_differences(&reused);
    const double uniform = chi_square(&fresh), repeated = chi_square(&reused);
    assert_int_equal(shown, 0);
    assert_int_equal(control, (ITEMS - 1) * PIXELS);
    assert_true(uniform < 420);
    assert_true(repeated >= 420);
    privacy_report(1, "chi-square of masked values of requests made ahead", uniform, 420, repeated);
    privacy_report(2, "input differences that masked values show", shown, 1, control);
    pair_end(&fresh, MP2ML_OK);
    pair_end(&reused, MP2ML_OK);
}

/* ---- halves ------------------------------------------------------------------------------------ */

/* Residues of the client's ciphertexts of the first linear step, of one image. */
static size_t first_residues(const struct pair *p)
{
    const struct plan_step *step = &p->client->last_plan->steps[1];
    assert_int_equal(step->kind, STEP_LINEAR);
    assert_int_equal(step->set, CKKS_S1);
    return step->layout == PLAN_IMAGE ? step->packing.in_cts * ckks_params(step->set)->n : PIXELS;
}

/* Ciphertexts of requests whose halves were made ahead, all of one input. */
static void encrypted_requests(struct pair *p, bool reuse)
{
    pair_start(p, false, 64, 0);
    assert_int_equal(prepare(p, 4, 1), 4);
    const size_t n = first_residues(p);
    if (reuse)
        precompute_reuse(p->client->shapes.at[0].ahead);
    p->watched = FRAME_CT_IN;
    p->bits = 41;
    p->masked = calloc(4 * n + 64, sizeof(uint64_t));
    for (unsigned i = 0; i < 4; i++)
        ask(p, 1, 1, 0);
    assert_int_equal(p->n_masked, 4 * n);
    assert_int_equal(mp2ml_client_stats(p->client).prepared_used, 4);
}

static unsigned equal_residues(const struct pair *p)
{
    const size_t n = p->n_masked / 4;
    unsigned equal = 0;
    for (size_t i = n; i < p->n_masked; i++)
        equal += p->masked[i] == p->masked[i - n];
    return equal;
}

static void check_zeros(void)
{
    struct pair fresh, reused;
    encrypted_requests(&fresh, false);
    encrypted_requests(&reused, true);
    const unsigned equal = equal_residues(&fresh), control = equal_residues(&reused);
    assert_int_equal(equal, 0);
    assert_true(control >= 2 * first_residues(&fresh));
    assert_true(chi_square(&fresh) < 420);
    privacy_report(2, "residues that repeat where zeros were encrypted ahead", equal, 1, control);
    pair_end(&fresh, MP2ML_OK);
    pair_end(&reused, MP2ML_OK);
}

static void zeros_serve_once(void **state)
{
    (void)state;
    mp2ml_model *batch = model;
    check_zeros();
    model = in_images();
    check_zeros();
    mp2ml_model_free(model);
    model = batch;
}

/* Blocks that a request of so many images takes. */
static void count_blocks(uint64_t blocks[STEPS_SETS], const mp2ml_client *client, size_t images)
{
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        const struct plan_public *pub = client->shapes.at[i].pub;
        for (unsigned s = 0; pub && client->shapes.at[i].images == images && s < pub->n_steps;
             s++) {
            const struct plan_step *step = &pub->steps[s];
            if (step->kind == STEP_LINEAR)
                blocks[step->set] += step->layout == PLAN_IMAGE ? step->packing.in_cts * images
                                                                : plan_step_inputs(pub, step);
        }
    }
}

/* Blocks of the c1 stream that items hold are never taken again, neither by requests without items
 * nor by those of another shape, whatever their order, and both parties agree: all results are right. */
static void check_blocks(void)
{
    struct pair p;
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    ask(&p, 2, -1, 1); /* no items: blocks behind those of the items */
    ask(&p, 1, -1, 2);
    assert_int_equal(prepare(&p, 1, 2), 1);
    ask(&p, 1, -1, 3);
    ask(&p, 2, -1, 4);
    ask(&p, 1, -1, 5);
    assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 3);
    const uint64_t *counter = p.client->session->keys.c1_counter;
    uint64_t blocks[STEPS_SETS] = {
        0}; /* of three items and two requests without, by their images */
    static const size_t images[] = {1, 1, 2, 2, 1};
    for (unsigned i = 0; i < 5; i++)
        count_blocks(blocks, p.client, images[i]);
    for (unsigned set = 1; set < STEPS_SETS; set++)
        assert_int_equal(counter[set], blocks[set]);
    pair_end(&p, MP2ML_OK);
}

static void items_own_their_blocks(void **state)
{
    (void)state;
    mp2ml_model *batch = model;
    check_blocks();
    model = in_images();
    check_blocks();
    mp2ml_model_free(model);
    model = batch;
}

/* Frames of preparing are as many and as long for other weights, and nothing of an input is there. */
static uint64_t prepare_bytes(size_t requests)
{
    struct pair p;
    pair_start(&p, true, 64, 0);
    (void)prepare(&p, requests, 1);
    const mp2ml_stats s = mp2ml_client_stats(p.client);
    pair_end(&p, MP2ML_OK);
    return s.prepare_bytes_to_server << 32 | s.prepare_bytes_to_client;
}

static void preparing_shows_counts(void **state)
{
    (void)state;
    const uint64_t trained = prepare_bytes(3), other = prepare_bytes(4);
    struct plan *plan = model->plan;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        for (size_t i = 0; plan->linear[s].wi && i < plan->linear[s].n_weights; i++)
            plan->linear[s].wi[i] = 0; /* the last test of this program */
    const uint64_t zero = prepare_bytes(3);
    assert_true(trained == zero);
    assert_true(trained != other);
    privacy_report(7, "bytes of preparing differ for zero weights", trained != zero, 1,
                   trained != other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_are_enough),
        cmocka_unit_test(items_then_none),
        cmocka_unit_test(other_layouts),
        cmocka_unit_test(items_in_turn),
        cmocka_unit_test(padding_is_checked),
        cmocka_unit_test(hostile_prepared),
        cmocka_unit_test(masked_values_say_nothing),
        cmocka_unit_test(zeros_serve_once),
        cmocka_unit_test(items_own_their_blocks),
        cmocka_unit_test(preparing_shows_counts),
    };
    return cmocka_run_group_tests(tests, pair_load, pair_unload);
}
