/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server makes of its own while it waits for a request: results stay right and both parties'
 * counters of c1 equal, whatever comes next and whenever, and nothing that it made serves twice. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "privacy_report.h"
#include "two_parties.h"

#define PIXELS 784
#define LOGITS 10
/* Enough for all halves of a request, or for many of them on a busy machine. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LONG_MS 1500
#else
#define LONG_MS 400
#endif

static const char *const layouts[] = {"layout=batch", "layout=image", "layout=auto"};
#define N_LAYOUTS (sizeof layouts / sizeof *layouts)

static mp2ml_model *load(const char *layout)
{
    mp2ml_options *o = make_options("reveal=logits", layout, "nonlinear=gmw", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    mp2ml_options_free(o);
    return model;
}

static void pause_us(long us)
{
    const struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* ---- a session whose server's counters can be seen ---------------------------------------------- */

struct pair {
    mp2ml_model *model;
    struct channel *end; /* the server's */
    pthread_t thread;
    uint64_t max_memory;
    struct serve_counts counts;
    mp2ml_status status;
    uint64_t server_counter[STEPS_SETS];
    mp2ml_client *client;
    uint8_t
        *answer[2]; /* CT_OUT of the first linear step, of the last request and the one before */
    size_t length[2];
    unsigned equal; /* words of one that are those of the one before */
};

static void *serve(void *argument)
{
    struct pair *p = argument;
    struct link *link = NULL;
    struct session *s = NULL;
    mp2ml_options *o = make_options("threads=1", NULL);
    if (p->max_memory > 0)
        o->max_memory = p->max_memory;
    mp2ml_status status = link_new(&link, p->end);
    if (status == MP2ML_OK)
        status = session_new(&s, PARTY_SERVER, link);
    if (status == MP2ML_OK)
        status = handshake_server(s, p->model, NULL);
    if (status == MP2ML_OK)
        status = serve_requests(s, p->model, o, &p->counts);
    if (s)
        memcpy(p->server_counter, s->keys.c1_counter, sizeof(p->server_counter));
    p->status = status;
    session_free(s);
    link_free(link);
    channel_free(p->end);
    mp2ml_options_free(o);
    return NULL;
}

/* An answer's words at equal places of two answers: none but for chance, one in 2^64. */
static unsigned equal_words(const uint8_t *a, const uint8_t *b, size_t n)
{
    unsigned equal = 0;
    for (size_t i = 0; i + 8 <= n; i += 8)
        equal += memcmp(a + i, b + i, 8) == 0;
    return equal;
}

static void compare_answers(struct pair *p)
{
    if (p->answer[1] && p->length[0] == p->length[1])
        p->equal += equal_words(p->answer[0], p->answer[1], p->length[0]);
    free(p->answer[1]);
    p->answer[1] = p->answer[0];
    p->length[1] = p->length[0];
    p->answer[0] = NULL;
    p->length[0] = 0;
}

static void watch(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                  size_t length)
{
    struct pair *p = context;
    if (sent || type != FRAME_CT_OUT || step != 1)
        return;
    p->answer[0] = realloc(p->answer[0], p->length[0] + length);
    memcpy(p->answer[0] + p->length[0], part, length);
    p->length[0] += length;
}

static void pair_start(struct pair *p, mp2ml_model *model, uint64_t max_memory)
{
    struct channel *end = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = make_options("threads=1", NULL);
    *p = (struct pair){.model = model, .max_memory = max_memory};
    assert_int_equal(channel_pair(&p->end, &end), MP2ML_OK);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
    if (client_over_channel(&p->client, end, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    link_set_tap(p->client->link, watch, p);
    mp2ml_options_free(o);
}

/* The counters of both parties are the same; returns how many requests used the server's work. */
static uint64_t pair_end(struct pair *p)
{
    uint64_t client_counter[STEPS_SETS];
    memcpy(client_counter, p->client->session->keys.c1_counter, sizeof(client_counter));
    mp2ml_client_free(p->client);
    pthread_join(p->thread, NULL);
    assert_int_equal(p->status, MP2ML_OK);
    assert_memory_equal(client_counter, p->server_counter, sizeof(client_counter));
    free(p->answer[0]);
    free(p->answer[1]);
    return p->counts.idle;
}

static void ask(struct pair *p, size_t n, uint64_t seed)
{
    float *x = malloc(n * PIXELS * sizeof(float));
    float *y = malloc(n * LOGITS * sizeof(float)), *want = malloc(n * LOGITS * sizeof(float));
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    mp2ml_error err = {MP2ML_OK, ""};
    fill_uniform(x, n * PIXELS, 0, 1, seed);
    if (mp2ml_client_predict(p->client, n, inputs, outputs, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    compare_answers(p);
    assert_int_equal(mp2ml_model_eval_float(p->model, n, inputs, exact, &err), MP2ML_OK);
    for (size_t i = 0; i < n * LOGITS; i++)
        assert_true(fabs((double)y[i] - (double)want[i]) <=
                    mp2ml_model_expected_error(p->model, 0));
    free(x);
    free(y);
    free(want);
}

static void wait_and_ask(struct pair *p, size_t n, uint64_t seed)
{
    pause_us(LONG_MS * 1000);
    ask(p, n, seed);
}

static void prepare(struct pair *p, size_t requests, size_t images)
{
    mp2ml_error err = {MP2ML_OK, ""};
    size_t prepared = 0;
    if (mp2ml_client_prepare(p->client, requests, images, &prepared, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(prepared, requests);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* A request after a pause finds work; one at once, and the first, do not. */
static void work_is_used(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_LAYOUTS; i++) {
        mp2ml_model *model = load(layouts[i]);
        struct pair p;
        pair_start(&p, model, 0);
        pause_us(LONG_MS * 1000); /* nothing was served yet */
        for (unsigned n = 0; n < 3; n++)
            wait_and_ask(&p, 1, n);
        wait_and_ask(&p, 3, 3); /* of another shape, and new */
        wait_and_ask(&p, 3, 4);
        assert_int_equal(pair_end(&p), 3);
        mp2ml_model_free(model);
    }
}

/* Whatever comes after the pause: another shape, new or known, a prepared item, PREPARE, an input in
 * the clear, a refused request. */
static void something_else_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_LAYOUTS; i++) {
        mp2ml_model *model = load(layouts[i]);
        struct pair p;
        mp2ml_error err;
        pair_start(&p, model, 0);
        ask(&p, 1, 1);
        wait_and_ask(&p, 2, 2);
        wait_and_ask(&p, 1, 3);
        pause_us(LONG_MS * 1000);
        prepare(&p, 2, 1);
        wait_and_ask(&p, 1, 4);
        wait_and_ask(&p, 2, 5);
        wait_and_ask(&p, 1, 6); /* the last item */
        assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
        wait_and_ask(&p, 1, 7); /* the only one that the server's work is for */
        pause_us(LONG_MS * 1000);
        assert_int_equal(mp2ml_client_set_plain(p.client, 0, 1, &err), MP2ML_OK);
        ask(&p, 1, 8);
        assert_int_equal(mp2ml_client_set_plain(p.client, 0, 0, &err), MP2ML_OK);
        wait_and_ask(&p, 1, 9);
        for (size_t n = 4; n < 9; n++) /* shapes that take the places of all others */
            ask(&p, n, n);
        wait_and_ask(&p, 1, 10);
        assert_int_equal(pair_end(&p), 1);
        mp2ml_model_free(model);
    }
}

/* Requests that arrive in the midst of the work, sooner and later. */
static void interrupted_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mp2ml_model *model = load(layouts[i]);
        struct pair p;
        pair_start(&p, model, 0);
        for (unsigned n = 0; n < 60; n++) {
            ask(&p, 1, n);
            pause_us(1500 + (i == 0 ? 1500 : 40) * (long)n);
        }
        (void)pair_end(&p);
        mp2ml_model_free(model);
    }
}

/* Blocks of c1 of the steps that were complete; the client sends its first frame after so long, or
 * when all are. */
static uint64_t blocks_done(mp2ml_model *model, long hurry_us)
{
    struct both_runs both = {.model = model, .idle = SIZE_MAX, .hurry_us = hurry_us};
    float x[PIXELS] = {0}, y[LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    both_runs_block(&both, 1, inputs, outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    both_runs_wipe(&both);
    return both.idle_blocks;
}

/* What arrives ends the work before it is done. */
static void arrival_is_noticed(void **state)
{
    (void)state;
    mp2ml_model *model = load("layout=batch");
    const uint64_t all = blocks_done(model, 0);
    const struct plan_public *pub = &model->plan->pub;
    uint64_t of_request = 0;
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind == STEP_LINEAR)
            of_request += plan_step_inputs(pub, &pub->steps[s]);
    assert_int_equal(all, of_request);
    unsigned early = 0;
    for (long i = 0; i < 20; i++)
        early += blocks_done(model, 1 + 200 * i) < all;
    assert_true(early > 0); /* all of them, unless the machine is busy */
    mp2ml_model_free(model);
}

/* Without room beside what is kept the server waits idly. */
static void within_the_limit(void **state)
{
    (void)state;
    mp2ml_model *model = load("layout=batch");
    const size_t run = run_memory(&model->plan->pub, PARTY_SERVER, 0, 1);
    for (unsigned with = 0; with < 2; with++) {
        struct pair p;
        pair_start(&p, model, run + (with ? (size_t)64 << 20 : 1000));
        for (unsigned n = 0; n < 3; n++)
            wait_and_ask(&p, 1, n);
        assert_int_equal(pair_end(&p), with ? 2 : 0);
    }
    mp2ml_model_free(model);
}

/* ---- what travels ------------------------------------------------------------------------------ */

/* Words that the first linear step's answers to three blocks of one input share, where idle halves
 * are the next ones, or, as a control, serve again. */
static unsigned shared_words(mp2ml_model *model, bool reuse)
{
    struct pair p = {0};
    struct both_runs both = {.model = model, .idle = SIZE_MAX, .more = 2, .reuse = reuse};
    float x[PIXELS] = {0}, y[LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    both.tap = watch;
    both.tap_context = &p;
    both_runs_block(&both, 1, inputs, outputs);
    assert_int_equal(both.status[0], MP2ML_OK);
    assert_int_equal(both.status[1], MP2ML_OK);
    const size_t one = p.length[0] / 3;
    assert_true(one > 1000 && one * 3 == p.length[0]);
    const unsigned equal = equal_words(p.answer[0], p.answer[0] + one, one) +
                           equal_words(p.answer[0] + one, p.answer[0] + 2 * one, one);
    free(p.answer[0]);
    both_runs_wipe(&both);
    return equal;
}

static void halves_serve_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mp2ml_model *model = load(layouts[i]);
        struct pair p;
        pair_start(&p, model, 0);
        for (unsigned n = 0; n < 4; n++)
            wait_and_ask(&p, 1, 1);
        const unsigned equal = p.equal + shared_words(model, false);
        assert_true(p.length[1] > 1000);
        assert_int_equal(pair_end(&p), 3);
        const unsigned control = shared_words(model, true);
        assert_int_equal(equal, 0);
        assert_true(control > 100);
        privacy_report(2, "words that repeat in answers made while waiting", equal, 1, control);
        mp2ml_model_free(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_used),         cmocka_unit_test(something_else_comes),
        cmocka_unit_test(interrupted_anywhere), cmocka_unit_test(arrival_is_noticed),
        cmocka_unit_test(within_the_limit),     cmocka_unit_test(halves_serve_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
