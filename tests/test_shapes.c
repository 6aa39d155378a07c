/* SPDX-License-Identifier: Apache-2.0
 *
 * Repeated requests: no answer and no flight of their own where both parties hold the plan, the same
 * results, and an end to the session for a client that claims what it does not have. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "two_parties.h"

#define PIXELS 784
#define LOGITS 10

static mp2ml_model *model;

static int load(void **state)
{
    (void)state;
    mp2ml_options *o = make_options("reveal=logits", "nonlinear=yao", "layout=image", NULL);
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

struct pair {
    struct served served;
    mp2ml_client *client;
    unsigned accepts, requests; /* frames seen by the client */
    unsigned last;              /* type of the last frame part sent or received */
};

static void count_frames(void *context, bool sent, enum frame_type type, uint16_t step,
                         uint8_t *part, size_t length)
{
    struct pair *p = context;
    (void)step, (void)part, (void)length;
    p->accepts += !sent && type == FRAME_ACCEPT && p->last != FRAME_ACCEPT;
    p->requests += sent && type == FRAME_REQUEST && p->last != FRAME_REQUEST;
    p->last = type;
}

static void pair_start(struct pair *p, uint64_t server_memory)
{
    struct channel *end = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = make_options("threads=1", NULL);
    memset(p, 0, sizeof(*p));
    served_start(&p->served, model, &end);
    if (server_memory > 0)
        p->served.server_options.max_memory = server_memory;
    if (client_over_channel(&p->client, end, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    link_set_tap(p->client->link, count_frames, p);
    mp2ml_options_free(o);
}

static void pair_end(struct pair *p, mp2ml_status status)
{
    mp2ml_client_free(p->client);
    served_join(&p->served);
    assert_int_equal(p->served.status, status);
}

/* Returns the flights of the request. */
static uint64_t ask(struct pair *p, size_t n, bool plain, uint64_t seed)
{
    float *x = malloc(n * PIXELS * sizeof(float));
    float *y = malloc(n * LOGITS * sizeof(float)), *want = malloc(n * LOGITS * sizeof(float));
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    mp2ml_error err = {MP2ML_OK, ""};
    const uint64_t before = mp2ml_client_stats(p->client).flights;
    fill_uniform(x, n * PIXELS, 0, 1, seed);
    assert_int_equal(mp2ml_client_set_plain(p->client, 0, plain, &err), MP2ML_OK);
    if (mp2ml_client_predict(p->client, n, inputs, outputs, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mp2ml_model_eval_float(model, n, inputs, exact, &err), MP2ML_OK);
    for (size_t i = 0; i < n * LOGITS; i++)
        assert_true(fabs((double)y[i] - (double)want[i]) <= mp2ml_model_expected_error(model, 0));
    free(x);
    free(y);
    free(want);
    return mp2ml_client_stats(p->client).flights - before;
}

/* The first request is REQUEST, ACCEPT and the steps; the second the steps alone: REQUEST goes with
 * the first CT_IN. What OT extension needs differs from request to request, so both are compared
 * with the plan's exact figure. */
static void again_costs_no_flight(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, 0);
    const uint64_t first = ask(&p, 1, false, 1);
    struct plan_public chosen;
    assert_int_equal(plan_choose(&chosen, model->plan, &model->situation), MP2ML_OK);
    const struct plan view = plan_view(model->plan, &chosen);
    const uint64_t steps = plan_cost(&view, 1, 0).flights;
    plan_public_wipe(&chosen);
    assert_int_equal(first, steps + 2);
    for (uint64_t i = 0; i < 4; i++)
        assert_true(ask(&p, 1, false, 2 + i) <= steps);
    assert_int_equal(p.requests, 5);
    assert_int_equal(p.accepts, 1);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.images, 5);
}

/* The last four shapes are remembered, by images and forms; the fifth takes the oldest place. */
static void four_shapes(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, 0);
    for (unsigned round = 0; round < 2; round++) {
        ask(&p, 1, false, 1);
        ask(&p, 1, true, 2);
        ask(&p, 2, false, 3);
        ask(&p, 70, false, 4);
        assert_int_equal(p.accepts, 4);
    }
    ask(&p, 3, false, 5); /* instead of the first */
    assert_int_equal(p.accepts, 5);
    ask(&p, 1, true, 6);
    assert_int_equal(p.accepts, 5);
    ask(&p, 1, false, 7); /* instead of the second */
    assert_int_equal(p.accepts, 6);
    ask(&p, 70, false, 8);
    ask(&p, 3, false, 9);
    assert_int_equal(p.accepts, 6);
    ask(&p, 1, true, 10);
    assert_int_equal(p.accepts, 7);
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(p.client, &receipt, NULL), MP2ML_OK);
    assert_non_null(strstr(receipt, "\"kind\": \"linear\""));
    mp2ml_free(receipt);
    pair_end(&p, MP2ML_OK);
}

static unsigned runs_kept(const struct pair *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SESSION_SHAPES; i++)
        n += p->client->shapes.at[i].run != NULL;
    return n;
}

/* Where the runs of two shapes do not fit together, they take turns, at either party. */
static void memory_for_one_run(void **state)
{
    (void)state;
    struct pair p;
    struct plan_situation situation = model->situation;
    struct plan_public chosen;
    situation.images = situation.block = 2;
    assert_int_equal(plan_choose(&chosen, model->plan, &situation), MP2ML_OK);
    const size_t here = run_memory(&chosen, PARTY_CLIENT, 0, 2);
    const size_t there = run_memory(&chosen, PARTY_SERVER, 0, 2);
    plan_public_wipe(&chosen);
    pair_start(&p, there + there / 8);
    p.client->options.max_memory = here + here / 8;
    for (uint64_t i = 0; i < 3; i++) {
        ask(&p, 1, false, 2 * i);
        assert_int_equal(runs_kept(&p), 1);
        ask(&p, 2, false, 2 * i + 1);
        assert_int_equal(runs_kept(&p), 1);
    }
    assert_int_equal(p.accepts, 2);
    p.client->options.max_memory *= 4; /* control */
    ask(&p, 1, false, 7);
    assert_int_equal(runs_kept(&p), 2);
    pair_end(&p, MP2ML_OK);
}

/* A run that waits holds no values: not its region, and nothing above in its arena. */
static void nothing_is_kept(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, 0);
    ask(&p, 2, false, 1);
    const struct run *run = p.client->shapes.at[0].run;
    assert_non_null(run);
    assert_true(run->region_bytes >= 2 * PIXELS * sizeof(uint64_t));
    for (size_t i = 0; i < run->region_bytes; i++)
        assert_int_equal(run->region[i], 0);
    pair_end(&p, MP2ML_OK);
}

/* ---- clients that claim too much ------------------------------------------------------------ */

#define NEW(n)                                                                                     \
    {                                                                                              \
        .images = (n)                                                                              \
    }
#define AGAIN(n, forms)                                                                            \
    {                                                                                              \
        .images = (n), .plain = (forms), .again = true                                             \
    }

/* A hand-made client that sends these requests; the server's answers are read where there must be
 * some. */
struct claim {
    struct request request;
    enum frame_type answer; /* 0: none */
};

static mp2ml_status claims(const struct claim *claim, size_t n)
{
    struct served served;
    struct channel *end = NULL;
    struct link *link = NULL;
    struct session *s = NULL;
    struct hello hello = {0};
    mp2ml_error err;
    served_start(&served, model, &end);
    assert_int_equal(link_new(&link, end), MP2ML_OK);
    assert_int_equal(session_new(&s, PARTY_CLIENT, link), MP2ML_OK);
    assert_int_equal(handshake_client(s, NULL, 0, &hello, &err), MP2ML_OK);
    for (size_t i = 0; i < n; i++) {
        uint8_t *body = NULL;
        size_t length = 0;
        enum frame_type got = 0;
        assert_int_equal(request_send(link, &claim[i].request, hello.inputs, hello.n_inputs),
                         MP2ML_OK);
        if (claim[i].answer == 0)
            continue;
        assert_int_equal(frame_recv_any(link, FRAME_ACCEPT, FRAME_REFUSE, SESSION_MAX_ACCEPT, &got,
                                        &body, &length),
                         MP2ML_OK);
        free(body);
        assert_int_equal(got, claim[i].answer);
    }
    assert_int_equal(channel_flush(end), MP2ML_OK);
    uint8_t byte;
    mp2ml_status last = frame_recv(link, FRAME_CT_OUT, 1, &byte, 1);
    assert_true(last == MP2ML_ERR_ABORTED || last == MP2ML_ERR_CLOSED);
    served_join(&served);
    class_names_wipe(&hello.classes);
    session_free(s);
    link_free(link);
    channel_free(end);
    return served.status;
}

static void again_without_a_first(void **state)
{
    (void)state;
    const struct claim first = {AGAIN(1, 0), 0};
    assert_int_equal(claims(&first, 1), MP2ML_ERR_PROTOCOL);
}

static void again_after_a_refusal(void **state)
{
    (void)state;
    const struct claim list[] = {{NEW(2000000), FRAME_REFUSE}, {AGAIN(2000000, 0), 0}};
    assert_int_equal(claims(list, 2), MP2ML_ERR_PROTOCOL);
    const struct claim other[] = {{NEW(2000000), FRAME_REFUSE}, {AGAIN(1, 0), 0}};
    assert_int_equal(claims(other, 2), MP2ML_ERR_PROTOCOL);
}

/* After one honest request, through the real client: other counts and other forms. */
static void again_with_other_numbers(void **state)
{
    (void)state;
    static const struct request wrong[] = {AGAIN(2, 0), AGAIN(1, 1), AGAIN(0, 0)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair p;
        pair_start(&p, 0);
        ask(&p, 1, false, 1);
        assert_int_equal(request_send(p.client->link, &wrong[i], p.client->hello.inputs, 1),
                         MP2ML_OK);
        uint8_t byte;
        assert_int_equal(frame_recv(p.client->link, FRAME_CT_OUT, 1, &byte, 1), MP2ML_ERR_ABORTED);
        pair_end(&p, MP2ML_ERR_PROTOCOL);
    }
    /* control: with the right ones the server waits for ciphertexts */
    struct pair p;
    const struct request right = AGAIN(1, 0);
    pair_start(&p, 0);
    ask(&p, 1, false, 1);
    assert_int_equal(request_send(p.client->link, &right, p.client->hello.inputs, 1), MP2ML_OK);
    assert_int_equal(channel_flush(p.client->channel), MP2ML_OK);
    pair_end(&p, MP2ML_ERR_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again_costs_no_flight),    cmocka_unit_test(four_shapes),
        cmocka_unit_test(memory_for_one_run),       cmocka_unit_test(nothing_is_kept),
        cmocka_unit_test(again_without_a_first),    cmocka_unit_test(again_after_a_refusal),
        cmocka_unit_test(again_with_other_numbers),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
