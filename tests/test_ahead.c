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

#include "privacy_report.h"
#include "two_parties.h"

#define PIXELS 784
#define LOGITS 10

static mp2ml_model *model;

static int load(void **state)
{
    (void)state;
    mp2ml_options *o = make_options("reveal=logits", "layout=batch", "nonlinear=gmw", NULL);
    model = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    mp2ml_model_free(model);
    return 0;
}

/* ---- a client and a server ------------------------------------------------------------------ */

struct pair {
    struct served served;
    mp2ml_client *client;
    unsigned parts[256];     /* of frames of each type, both directions */
    enum frame_type watched; /* MASKED, or CT_IN */
    uint64_t *masked;        /* values of these frames of the first linear step, or NULL */
    size_t n_masked, bits;
    uint64_t bytes[256]; /* of them: a histogram */
};

static void watch(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                  size_t length)
{
    struct pair *p = context;
    (void)sent;
    p->parts[type]++;
    if (type != p->watched || step != 1 || !p->masked)
        return;
    size_t at = 0;
    bits_unpack(p->masked + p->n_masked, part, &at, length * 8 / p->bits, (unsigned)p->bits);
    p->n_masked += length * 8 / p->bits;
    for (size_t i = 0; i + 1 < length; i++) /* the last byte has padding */
        p->bytes[part[i]]++;
}

static void pair_start(struct pair *p, bool precompute, uint64_t max_prepared, uint64_t memory)
{
    struct channel *end = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = make_options("threads=1", precompute ? "precompute=1" : NULL, NULL);
    memset(p, 0, sizeof(*p));
    served_start(&p->served, model, &end);
    p->served.server_options.max_prepared = max_prepared;
    if (memory > 0)
        p->served.server_options.max_memory = memory;
    if (client_over_channel(&p->client, end, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    link_set_tap(p->client->link, watch, p);
    mp2ml_options_free(o);
}

static void pair_end(struct pair *p, mp2ml_status status)
{
    mp2ml_client_free(p->client);
    served_join(&p->served);
    free(p->masked);
    assert_int_equal(p->served.status, status);
}

static size_t prepare(struct pair *p, size_t requests, size_t images)
{
    mp2ml_error err = {MP2ML_OK, ""};
    size_t prepared = 0;
    if (mp2ml_client_prepare(p->client, requests, images, &prepared, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    return prepared;
}

/* fill < 0: random images, whose logits are checked. */
static void ask(struct pair *p, size_t n, float fill, uint64_t seed)
{
    float *x = malloc(n * PIXELS * sizeof(float));
    float *y = malloc(n * LOGITS * sizeof(float)), *want = malloc(n * LOGITS * sizeof(float));
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    mp2ml_error err = {MP2ML_OK, ""};
    fill_uniform(x, n * PIXELS, 0, 1, seed);
    for (size_t i = 0; i < n * PIXELS && fill >= 0; i++)
        x[i] = fill;
    if (mp2ml_client_predict(p->client, n, inputs, outputs, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mp2ml_model_eval_float(model, n, inputs, exact, &err), MP2ML_OK);
    for (size_t i = 0; i < n * LOGITS && fill < 0; i++)
        assert_true(fabs((double)y[i] - (double)want[i]) <= mp2ml_model_expected_error(model, 0));
    free(x);
    free(y);
    free(want);
}

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

static uint64_t left(const struct pair *p)
{
    return mp2ml_client_stats(p->client).prepared_left;
}

/* Preparing anew keeps what is left and adds what lacks; a set of plain inputs is another shape. */
static void prepare_again(void **state)
{
    (void)state;
    struct pair p;
    mp2ml_error err;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 3, 1), 3);
    ask(&p, 1, -1, 1);
    assert_int_equal(prepare(&p, 2, 1), 2); /* they are there */
    assert_int_equal(left(&p), 2);
    assert_int_equal(prepare(&p, 4, 1), 4);
    assert_int_equal(mp2ml_client_stats(p.client).prepared, 5);
    for (unsigned i = 0; i < 3; i++)
        ask(&p, 1, -1, 2 + i); /* of both batches */
    assert_int_equal(left(&p), 1);
    assert_int_equal(mp2ml_client_set_plain(p.client, 0, 1, &err), MP2ML_OK);
    assert_int_equal(prepare(&p, 2, 1), 2);
    ask(&p, 1, -1, 3);
    assert_int_equal(mp2ml_client_set_plain(p.client, 0, 0, &err), MP2ML_OK);
    assert_int_equal(left(&p), 2);
    assert_int_equal(prepare(&p, 0, 1), 0);
    ask(&p, 1, -1, 4);
    ask(&p, 1, -1, 5);
    const mp2ml_stats stats = mp2ml_client_stats(p.client);
    assert_int_equal(stats.prepared, 7);
    assert_int_equal(stats.prepared_used, 6);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.prepared, 7);
}

/* A client that asks for the same again and again, past its own library, gets nothing more. */
static void repeated_prepares(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, false, 4, 0);
    assert_int_equal(prepare(&p, 4, 1), 4);
    struct request r = {.images = 1, .prepare = true, .again = true, .requests = 1000000};
    for (unsigned i = 0; i < 20; i++) {
        size_t more = 7;
        bool linear;
        assert_int_equal(request_send(p.client->link, &r, p.client->hello.inputs, 1), MP2ML_OK);
        assert_int_equal(
            prepare_answer_recv(p.client->link, &r, &p.client->shapes.at[0], &more, &linear),
            MP2ML_OK);
        assert_int_equal(more, 0);
    }
    ask(&p, 1, -1, 1);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.prepared, 4);
}

/* Work that is thrown away, by change of kind or by more shapes than places, has an end. */
static void thrown_away(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, false, 2, 0);
    size_t made[8];
    for (unsigned i = 0; i < 8; i++) {
        p.client->options.precompute = i % 2 == 0;
        const uint64_t before = mp2ml_client_stats(p.client).prepared;
        (void)prepare(&p, 2, 1);
        made[i] = (size_t)(mp2ml_client_stats(p.client).prepared - before);
    }
    assert_int_equal(made[0] + made[1] + made[2] + made[3], 8); /* 6 of them dropped: 2 * 2 + 2 */
    for (unsigned i = 4; i < 8; i++)
        assert_int_equal(made[i], 0);
    ask(&p, 1, -1, 1);
    ask(&p, 1, -1, 2);
    assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
    p.client->options.precompute = true;
    assert_int_equal(prepare(&p, 2, 1), 2); /* used ones count for the client */
    pair_end(&p, MP2ML_OK);
    uint64_t total = 0;
    pair_start(&p, true, 1, 0);
    for (unsigned i = 0; i < 30; i++) {
        total += prepare(&p, 1, 1);
        shapes_wipe(&p.client->shapes); /* forgotten here: the next comes for a new shape */
    }
    assert_int_equal(total, 3);
    pair_end(&p, MP2ML_OK);
}

/* A prepared shape keeps its place while there are others to take. */
static void items_keep_their_shape(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    for (size_t n = 2; n < 8; n++)
        ask(&p, n, -1, n);
    assert_int_equal(left(&p), 2);
    ask(&p, 1, -1, 1);
    ask(&p, 1, -1, 1);
    assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
    for (size_t n = 8; n < 12; n++)
        ask(&p, n, -1, n);
    const struct request r = {.images = 1};
    assert_null(shapes_find(&p.client->shapes, &r)); /* control: without items the oldest goes */
    pair_end(&p, MP2ML_OK);
}

/* prepare() ends with the server's word that its halves are made; a server that says something else
 * in between is not believed. */
static void spoil_told(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                       size_t length)
{
    (void)context;
    if (!sent && type == FRAME_PREPARED && step > 0 && length == 5)
        part[0] ^= 1;
}

static void server_is_waited_for(void **state)
{
    (void)state;
    struct pair p;
    size_t made = 7;
    mp2ml_error err = {MP2ML_OK, ""};
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 4, 1), 4);
    assert_int_equal(p.parts[FRAME_PREPARED],
                     1 + 1 + 4 * 3 + 1); /* the shape; promise; halves; end */
    link_set_tap(p.client->link, spoil_told, &p);
    assert_int_equal(mp2ml_client_prepare(p.client, 5, 1, &made, &err), MP2ML_ERR_PROTOCOL);
    assert_int_equal(made, 0);
    pair_end(&p, MP2ML_ERR_CLOSED);
}

/* Items of all shapes, pools and the run that is needed fit the limit together. */
static void memory_of_all_shapes(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 100000, 0);
    for (size_t n = 1; n <= 4; n++)
        ask(&p, n, -1, n);
    const uint64_t run = run_memory(p.client->last_plan, PARTY_CLIENT, 0, 4);
    const uint64_t most = run + run / 2;
    p.client->options.max_memory = most;
    size_t made = 0;
    for (size_t n = 1; n <= 4; n++) {
        const struct request r = {.images = n};
        struct shape *shape = shapes_find(&p.client->shapes, &r);
        const struct shapes *all = &p.client->shapes;
        const size_t fits = prepare_limit(all, shape, PARTY_CLIENT, 64, true, most);
        assert_int_equal(fits, prepare_limit(all, shape, PARTY_CLIENT, 63, true, most));
        assert_int_equal(prepare(&p, 64, n), fits);
        made += fits;
        assert_true(shapes_memory(all, PARTY_CLIENT) <= most);
    }
    assert_true(made > 1 && made < 200);
    for (size_t n = 1; n <= 4; n++) {
        ask(&p, n, -1, n);
        assert_true(shapes_memory(&p.client->shapes, PARTY_CLIENT) <= most);
    }
    pair_end(&p, MP2ML_OK);
}

/* The server's limits, and the client's. */
static void less_than_asked(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 2, 0);
    assert_int_equal(prepare(&p, 100, 1), 2);
    assert_int_equal(prepare(&p, 1, 3000), 0); /* of two blocks */
    ask(&p, 1, -1, 1);
    p.client->options.max_memory = run_memory(p.client->last_plan, PARTY_CLIENT, 0, 1) / 2;
    assert_int_equal(prepare(&p, 2, 1), 1); /* what is left */
    p.client->options.max_memory *= 2;
    ask(&p, 1, -1, 2);
    p.client->options.max_memory /= 2;
    assert_int_equal(prepare(&p, 2, 1), 0);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 1, 3000), 0); /* halves of two blocks: neither */
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 0, 0);
    assert_int_equal(prepare(&p, 100, 1), 0);
    ask(&p, 1, -1, 1);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 1000000, 0);
    assert_int_equal(prepare(&p, 1000, 512), 4); /* 2,048 images */
    pair_end(&p, MP2ML_OK);
    const size_t one = run_memory(&model->plan->pub, PARTY_SERVER, 0, 1);
    pair_start(&p, true, 64, one + one / 2);
    const size_t some = prepare(&p, 64, 1);
    assert_true(some > 0 && some < 64);
    for (uint64_t i = 0; i < 2; i++)
        ask(&p, 1, -1, i);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 64, 1), 64); /* control */
    pair_end(&p, MP2ML_OK);
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
            bool linear;
            struct request r = asked;
            r.precompute = precompute != 0;
            assert_int_equal(channel_pair(&a, &b), MP2ML_OK);
            assert_int_equal(link_new(&from, a), MP2ML_OK);
            assert_int_equal(link_new(&to, b), MP2ML_OK);
            assert_int_equal(frame_send(from, FRAME_PREPARED, 0, bodies[i], 5), MP2ML_OK);
            const bool good = i == 3 || (i == 4 && r.precompute);
            assert_int_equal(prepare_answer_recv(to, &r, &(struct shape){0}, &n, &linear),
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

/* The model in the layout image, for a test that swaps it in. */
static mp2ml_model *in_images(void)
{
    mp2ml_options *o = make_options("reveal=logits", "layout=image", "nonlinear=gmw", NULL);
    mp2ml_model *m = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    return m;
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

/* What was prepared for one shape is enough for it whatever another shape takes. */
static void two_shapes(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    assert_int_equal(prepare(&p, 2, 4), 2);
    p.parts[FRAME_OT_EXTEND] = 0;
    for (unsigned i = 0; i < 2; i++)
        ask(&p, 4, -1, i);
    for (unsigned i = 0; i < 2; i++)
        ask(&p, 1, -1, i);
    assert_int_equal(p.parts[FRAME_OT_EXTEND], 0);
    pair_end(&p, MP2ML_OK);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static void cut(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                size_t length)
{
    (void)sent, (void)step, (void)part, (void)length;
    struct pair *p = context;
    if (type == p->watched)
        channel_cancel(p->client->channel);
}

/* The server's thread ends, however. */
static void pair_stop(struct pair *p)
{
    mp2ml_client_free(p->client);
    served_join(&p->served);
}

/* A request that failed was not answered, and a failed prepare prepared nothing. */
static void failures_count_nothing(void **state)
{
    (void)state;
    struct pair p;
    static float x[PIXELS], y[LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    mp2ml_error err = {MP2ML_OK, ""};
    size_t made = 7;
    pair_start(&p, true, 64, 0);
    p.watched = FRAME_CT_OUT;
    link_set_tap(p.client->link, cut, &p);
    assert_int_not_equal(mp2ml_client_prepare(p.client, 3, 1, &made, &err), MP2ML_OK);
    assert_int_equal(made, 0);
    assert_int_equal(mp2ml_client_stats(p.client).prepared, 0);
    assert_int_not_equal(mp2ml_client_prepare(p.client, 3, 1, NULL, &err), MP2ML_OK);
    assert_int_not_equal(mp2ml_client_predict(p.client, 1, inputs, outputs, &err), MP2ML_OK);
    pair_stop(&p);
    assert_int_equal(p.served.counts.prepared, 0);
    pair_start(&p, true, 64, 0);
    link_set_tap(p.client->link, cut, &p);
    p.watched = FRAME_CT_OUT;
    assert_int_not_equal(mp2ml_client_predict(p.client, 1, inputs, outputs, &err), MP2ML_OK);
    assert_int_equal(mp2ml_client_stats(p.client).requests, 0);
    pair_stop(&p);
}

/* Layout and engine are those of requests; what a receipt says of both parties follows what was. */
static bool receipt_has(const struct pair *p, const char *text)
{
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(p->client, &receipt, NULL), MP2ML_OK);
    const bool has = strstr(receipt, text) != NULL;
    mp2ml_free(receipt);
    return has;
}

static void receipt_follows(void **state)
{
    (void)state;
    struct pair p;
    mp2ml_model *batch = model;
    pair_start(&p, false, 64, 0);
    assert_false(receipt_has(&p, "were prepared"));
    assert_int_equal(prepare(&p, 1, 1), 1);
    assert_true(receipt_has(&p, "were prepared"));
    assert_string_equal(mp2ml_client_stats(p.client).layout, "");
    assert_string_equal(mp2ml_client_stats(p.client).engine, "");
    ask(&p, 1, -1, 1);
    assert_string_equal(mp2ml_client_stats(p.client).layout, "batch");
    assert_string_equal(mp2ml_client_stats(p.client).engine, "gmw");
    assert_false(receipt_has(&p, "geometry"));
    pair_end(&p, MP2ML_OK);
    model = in_images();
    pair_start(&p, false, 64, 0);
    assert_false(receipt_has(&p, "geometry"));
    ask(&p, 1, -1, 1);
    assert_true(receipt_has(&p, "geometry"));
    pair_end(&p, MP2ML_OK);
    mp2ml_model_free(model);
    model = batch;
}

/* Calls behind a cut, which the connection survives only where the frame never came. */
static void calls_after(struct pair *p)
{
    static float x[4 * PIXELS], y[4 * LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    mp2ml_error err = {MP2ML_OK, ""};
    for (unsigned n = 0; n < 3; n++) {
        size_t made;
        (void)!mp2ml_client_prepare(p->client, 3, 1 + n, &made, &err);
        (void)!mp2ml_client_predict(p->client, 1, inputs, outputs, &err);
        (void)!mp2ml_client_predict(p->client, 4, inputs, outputs, &err);
        assert_true(!receipt_has(p, "no such text"));
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    static const enum frame_type types[] = {
        FRAME_PREPARE, FRAME_ACCEPT, FRAME_PREPARED, FRAME_CT_IN,     FRAME_CT_OUT,
        FRAME_MASKED,  FRAME_OPEN,   FRAME_AND_OPEN, FRAME_OT_EXTEND, FRAME_REQUEST};
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
            for (unsigned when = 0; when < 3; when++) {
                struct pair p;
                pair_start(&p, kind != 0, 64, 0);
                if (when > 0)
                    (void)prepare(&p, 2, 1);
                if (when > 1)
                    ask(&p, 1, -1, 1);
                p.watched = types[i];
                link_set_tap(p.client->link, cut, &p);
                calls_after(&p);
                assert_true(p.client->failed || types[i] == FRAME_MASKED ||
                            types[i] == FRAME_CT_IN);
                pair_stop(&p);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_are_enough),   cmocka_unit_test(items_then_none),
        cmocka_unit_test(other_layouts),          cmocka_unit_test(prepare_again),
        cmocka_unit_test(repeated_prepares),      cmocka_unit_test(thrown_away),
        cmocka_unit_test(items_keep_their_shape), cmocka_unit_test(server_is_waited_for),
        cmocka_unit_test(memory_of_all_shapes),   cmocka_unit_test(less_than_asked),
        cmocka_unit_test(items_in_turn),          cmocka_unit_test(padding_is_checked),
        cmocka_unit_test(hostile_prepared),       cmocka_unit_test(masked_values_say_nothing),
        cmocka_unit_test(zeros_serve_once),       cmocka_unit_test(items_own_their_blocks),
        cmocka_unit_test(cut_anywhere),           cmocka_unit_test(two_shapes),
        cmocka_unit_test(failures_count_nothing), cmocka_unit_test(receipt_follows),
        cmocka_unit_test(preparing_shows_counts),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
