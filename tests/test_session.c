/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions through the public interface: requests one after the other, refusals, bad input, peers
 * that vanish, stall or send garbage, a server that goes on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/channel_internal.h"
#include "two_parties.h"

static mp2ml_model *logits_model, *label_model;

static int load_models(void **state)
{
    (void)state;
    mp2ml_options *o = make_options("reveal=logits", NULL);
    logits_model = bundled_model("cryptonets-relu-mnist.pb", o);
    label_model = bundled_model("cryptonets-relu-mnist.pb", NULL);
    mp2ml_options_free(o);
    return 0;
}

static int free_models(void **state)
{
    (void)state;
    mp2ml_model_free(logits_model);
    mp2ml_model_free(label_model);
    return 0;
}

static mp2ml_client *connect_pair(struct served *served, const mp2ml_model *model,
                                  const mp2ml_options *options)
{
    struct channel *end = NULL;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *defaults = mp2ml_options_new();
    served_start(served, model, &end);
    if (client_over_channel(&client, end, options ? options : defaults, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    mp2ml_options_free(defaults);
    return client;
}

/* Logits are within the plan's expected error of the float model, on images like the model's own.
 */
static void check_predict(mp2ml_client *client, const mp2ml_model *model, size_t n, uint64_t seed)
{
    size_t in = mp2ml_model_input(model, 0)->count, out = mp2ml_model_output(model, 0)->count;
    float *x = malloc(n * in * sizeof(float));
    float *y = malloc(n * out * sizeof(float)), *want = malloc(n * out * sizeof(float));
    fill_uniform(x, n * in, 0, 1, seed);
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    mp2ml_error err = {MP2ML_OK, ""};
    if (mp2ml_client_predict(client, n, inputs, outputs, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mp2ml_model_eval_float(model, n, inputs, exact, &err), MP2ML_OK);
    double bound = mp2ml_model_expected_error(model, 0), largest = 0;
    for (size_t i = 0; i < n * out; i++)
        largest = fmax(largest, fabs((double)y[i] - (double)want[i]));
    assert_true(bound > 0);
    assert_true(largest <= bound);
    assert_true(largest > 0); /* fixed point is never exact: the private way was taken */
    free(x);
    free(y);
    free(want);
}

static void requests_of_many_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 63, 200, 1};
    struct served served;
    mp2ml_client *client = connect_pair(&served, logits_model, NULL);
    size_t total = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_predict(client, logits_model, sizes[i], i);
        total += sizes[i];
    }
    mp2ml_stats stats = mp2ml_client_stats(client);
    assert_int_equal(stats.images, total);
    assert_true(stats.flights > stats.setup_flights);
    mp2ml_client_free(client);
    served_join(&served);
    assert_int_equal(served.status, MP2ML_OK);
    assert_int_equal(served.counts.images, total);
}

static void small_memory_makes_small_blocks(void **state)
{
    (void)state;
    struct served served;
    struct channel *end = NULL;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = mp2ml_options_new();
    size_t for_one = run_memory(&logits_model->plan->pub, PARTY_SERVER, 0, 1);
    served_start(&served, logits_model, &end);
    served.server_options.max_memory = for_one + (for_one >> 3);
    assert_int_equal(client_over_channel(&client, end, o, &err), MP2ML_OK);
    check_predict(client, logits_model, 300, 77);
    mp2ml_client_free(client);
    served_join(&served);
    mp2ml_options_free(o);
    assert_int_equal(served.status, MP2ML_OK);
}

static void labels_agree(void **state)
{
    (void)state;
    enum { N = 100 };
    struct served served;
    mp2ml_client *client = connect_pair(&served, label_model, NULL);
    float *x = malloc(N * 784 * sizeof(float)), y[N], want[N];
    fill_uniform(x, N * 784, 0, 1, 5);
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    assert_int_equal(mp2ml_client_predict(client, N, inputs, outputs, NULL), MP2ML_OK);
    assert_int_equal(mp2ml_model_eval_float(label_model, N, inputs, exact, NULL), MP2ML_OK);
    assert_true(mp2ml_client_output(client, 0)->integers);
    int agree = 0;
    for (int i = 0; i < N; i++)
        agree += y[i] == want[i];
    assert_true(agree >= N - 1);
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(client, &receipt, NULL), MP2ML_OK);
    assert_non_null(strstr(receipt, "\"policy\": \"argmax\""));
    assert_non_null(strstr(receipt, "server_could_learn"));
    mp2ml_free(receipt);
    mp2ml_client_free(client);
    served_join(&served);
    free(x);
}

static void best_three_labels(void **state)
{
    (void)state;
    enum { N = 60 };
    mp2ml_options *o = make_options("reveal=top:3", NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    struct served served;
    mp2ml_client *client = connect_pair(&served, model, NULL);
    float *x = malloc(N * 784 * sizeof(float)), y[3 * N], want[3 * N];
    fill_uniform(x, N * 784, 0, 1, 6);
    const float *inputs[1] = {x};
    float *outputs[1] = {y}, *exact[1] = {want};
    assert_int_equal(mp2ml_client_output(client, 0)->count, 3);
    assert_int_equal(mp2ml_client_predict(client, N, inputs, outputs, NULL), MP2ML_OK);
    assert_int_equal(mp2ml_model_eval_float(model, N, inputs, exact, NULL), MP2ML_OK);
    int agree = 0;
    for (int i = 0; i < 3 * N; i++)
        agree += y[i] == want[i];
    print_message("%d of %d\n", agree, 3 * N);
    assert_true(agree >= 3 * N - 8); /* near ties may swap */
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(client, &receipt, NULL), MP2ML_OK);
    assert_non_null(strstr(receipt, "\"policy\": \"top\""));
    mp2ml_free(receipt);
    mp2ml_client_free(client);
    served_join(&served);
    mp2ml_model_free(model);
    mp2ml_options_free(o);
    free(x);
}

static void bad_input_sends_nothing(void **state)
{
    (void)state;
    struct served served;
    mp2ml_client *client = connect_pair(&served, logits_model, NULL);
    float *x = calloc(2 * 784, sizeof(float)), y[20];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    mp2ml_error err = {MP2ML_OK, ""};
    uint64_t before = mp2ml_client_stats(client).bytes_to_server;
    x[800] = NAN;
    assert_int_equal(mp2ml_client_predict(client, 2, inputs, outputs, &err), MP2ML_ERR_INPUT);
    assert_non_null(strstr(err.text, "sample 1"));
    x[800] = 1.5f;
    x[3] = -2;
    assert_int_equal(mp2ml_client_predict(client, 2, inputs, outputs, &err), MP2ML_ERR_INPUT);
    assert_non_null(strstr(err.text, "-2"));
    assert_non_null(strstr(err.text, "1.5"));
    assert_non_null(strstr(err.text, "--input-range"));
    x[800] = 0;
    x[3] = 0;
    assert_int_equal(mp2ml_client_predict(client, 0, inputs, outputs, &err), MP2ML_ERR_INPUT);
    assert_int_equal(mp2ml_client_stats(client).bytes_to_server, before);
    check_predict(client, logits_model, 1, 3);
    mp2ml_client_free(client);
    served_join(&served);
    assert_int_equal(served.status, MP2ML_OK);
    free(x);
}

static void too_many_images_are_refused(void **state)
{
    (void)state;
    struct served served;
    struct channel *end = NULL;
    mp2ml_client *client = NULL;
    mp2ml_options *o = mp2ml_options_new();
    mp2ml_error err = {MP2ML_OK, ""};
    served_start(&served, logits_model, &end);
    served.server_options.max_batch = 3;
    assert_int_equal(client_over_channel(&client, end, o, &err), MP2ML_OK);
    float *x = calloc(4 * 784, sizeof(float)), y[40];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    assert_int_equal(mp2ml_client_predict(client, 4, inputs, outputs, &err), MP2ML_ERR_REFUSED);
    assert_non_null(strstr(err.text, "images"));
    check_predict(client, logits_model, 3, 9); /* a refusal ends nothing */
    mp2ml_client_free(client);
    served_join(&served);
    mp2ml_options_free(o);
    free(x);
}

static void policy_is_as_demanded(void **state)
{
    (void)state;
    struct served served;
    struct channel *end = NULL;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = make_options("require-reveal=argmax", NULL);
    served_start(&served, logits_model, &end);
    assert_int_equal(client_over_channel(&client, end, o, &err), MP2ML_ERR_REFUSED);
    assert_non_null(strstr(err.text, "logits"));
    assert_null(client);
    served_join(&served);
    assert_int_not_equal(served.status, MP2ML_OK);
    mp2ml_options_free(o);
}

/* Keys and counters belong to one process: a forked child gets nowhere and does no harm. */
static void forked_child_is_refused(void **state)
{
    (void)state;
    struct served served;
    mp2ml_client *client = connect_pair(&served, logits_model, NULL);
    check_predict(client, logits_model, 1, 31);
    pid_t child = fork();
    if (child == 0) {
        float x[784] = {0}, y[10];
        const float *inputs[1] = {x};
        float *outputs[1] = {y};
        mp2ml_status status = mp2ml_client_predict(client, 1, inputs, outputs, NULL);
        mp2ml_client_free(client);
        _exit(status == MP2ML_ERR_FAILED ? 0 : 1);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    check_predict(client, logits_model, 1, 32); /* the connection is still the parent's */
    mp2ml_client_free(client);
    served_join(&served);
    assert_int_equal(served.status, MP2ML_OK);
}

/* What was once sent in the clear stays in the receipt and is told to the server's log. */
static void receipt_remembers_plain_inputs(void **state)
{
    (void)state;
    struct served served;
    mp2ml_client *client = connect_pair(&served, logits_model, NULL);
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(client, &receipt, NULL), MP2ML_OK);
    assert_null(strstr(receipt, "in the clear"));
    mp2ml_free(receipt);
    assert_int_equal(mp2ml_client_set_plain(client, 0, 1, NULL), MP2ML_OK);
    check_predict(client, logits_model, 1, 41);
    assert_int_equal(mp2ml_client_set_plain(client, 0, 0, NULL), MP2ML_OK);
    check_predict(client, logits_model, 1, 42);
    assert_int_equal(mp2ml_client_receipt(client, &receipt, NULL), MP2ML_OK);
    assert_non_null(strstr(receipt, "\"sent\": \"in the clear\""));
    assert_non_null(strstr(receipt, "sent in the clear at the client's wish"));
    mp2ml_free(receipt);
    mp2ml_client_free(client);
    served_join(&served);
    assert_int_equal(served.counts.plain_requests, 1);
}

static void answers_must_fit_the_memory_limit(void **state)
{
    (void)state;
    struct served served;
    mp2ml_options *o = make_options("max-memory=600M", NULL);
    mp2ml_client *client = connect_pair(&served, logits_model, o);
    const float *inputs[1] = {NULL};
    float *outputs[1] = {NULL};
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(mp2ml_client_predict(client, 20000000, inputs, outputs, &err), MP2ML_ERR_PLAN);
    assert_non_null(strstr(err.text, "--max-memory"));
    check_predict(client, logits_model, 1, 51);
    mp2ml_client_free(client);
    served_join(&served);
    mp2ml_options_free(o);
}

/* Unless it is told, the server picks k_ss by where the client is. */
static void k_ss_by_link(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        bool far;
        unsigned want;
    } cases[] = {{"k-ss=auto", false, 4}, {"k-ss=auto", true, 8}, {"k-ss=2", true, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mp2ml_options *o = make_options("reveal=logits", cases[i].option, NULL);
        mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
        struct channel *end[2];
        struct served served;
        mp2ml_client *client = NULL;
        mp2ml_error err = {MP2ML_OK, ""};
        assert_int_equal(channel_pair(&end[0], &end[1]), MP2ML_OK);
        end[0]->loopback = !cases[i].far;
        served_start_over(&served, model, end[0]);
        if (client_over_channel(&client, end[1], o, &err) != MP2ML_OK)
            fail_msg("%s", err.text);
        assert_int_equal(client->k_ss, cases[i].want);
        check_predict(client, model, 2, i);
        mp2ml_client_free(client);
        served_join(&served);
        assert_int_equal(served.status, MP2ML_OK);
        mp2ml_model_free(model);
        mp2ml_options_free(o);
    }
}

struct watched { /* how far a model is */
    double last, stop_at;
    unsigned calls;
};

static int watch(void *context, double fraction)
{
    struct watched *w = context;
    assert_true(fraction >= w->last && fraction <= 1);
    w->last = fraction;
    w->calls++;
    return fraction >= w->stop_at;
}

/* Planning tells how far it is, never backwards, to the end; and stops when told, at any phase. */
static void planning_is_told(void **state)
{
    (void)state;
    const char *path = PROJECT_ROOT "/examples/mnist/models/mlp-maxpool-mnist.pb";
    const double stop_at[] = {2, 0.1, 0.5, 0.95};
    for (size_t i = 0; i < sizeof(stop_at) / sizeof(stop_at[0]); i++) {
        mp2ml_options *o = make_options("reveal=logits", NULL);
        struct watched w = {0, stop_at[i], 0};
        mp2ml_model *model = NULL;
        mp2ml_error err = {MP2ML_OK, ""};
        mp2ml_options_progress(o, watch, &w);
        mp2ml_status status = mp2ml_model_load(&model, path, o, &err);
        assert_int_equal(status, i == 0 ? MP2ML_OK : MP2ML_ERR_CANCELLED);
        assert_true(w.calls > 5);
        assert_true(i > 0 || w.last > 0.999);
        mp2ml_model_free(model);
        mp2ml_options_free(o);
    }
}

static void class_names_travel(void **state)
{
    (void)state;
    char path[] = "/tmp/mp2ml-classes-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    for (int i = 0; i < 10; i++)
        fprintf(file, i == 3 ? "Gr\xc3\xbc\xc3\x9f \r\n" : "class %d\n", i);
    fclose(file);
    char option[100];
    snprintf(option, sizeof(option), "classes=%s", path);
    mp2ml_options *o = make_options(option, NULL);
    mp2ml_model *model = bundled_model("cryptonets-relu-mnist.pb", o);
    struct served served;
    mp2ml_client *client = connect_pair(&served, model, NULL);
    assert_string_equal(mp2ml_client_class(client, 9), "class 9");
    assert_string_equal(mp2ml_client_class(client, 3), "Gr\xc3\xbc\xc3\x9f");
    assert_null(mp2ml_client_class(client, 10));
    mp2ml_client_free(client);
    served_join(&served);
    mp2ml_model_free(model);
    /* one name too many */
    file = fopen(path, "a");
    fprintf(file, "another\n");
    fclose(file);
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(
        mp2ml_model_load(&model, PROJECT_ROOT "/examples/mnist/models/cryptonets-relu-mnist.pb", o,
                         &err),
        MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "11 names"));
    mp2ml_options_free(o);
    unlink(path);
}

/* ---- a real server ------------------------------------------------------------------------- */

struct running {
    mp2ml_server *server;
    pthread_t thread;
    mp2ml_status status;
};

static void *run_server(void *argument)
{
    struct running *r = argument;
    r->status = mp2ml_server_run(r->server, NULL);
    return NULL;
}

static void start(struct running *r, const mp2ml_model *model, mp2ml_options *o)
{
    mp2ml_error err = {MP2ML_OK, ""};
    if (mp2ml_server_new(&r->server, model, o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&r->thread, NULL, run_server, r), 0);
}

static void stop(struct running *r)
{
    mp2ml_server_stop(r->server);
    pthread_join(r->thread, NULL);
    assert_int_equal(r->status, MP2ML_OK);
    mp2ml_server_free(r->server);
}

static struct channel *raw_client(const struct running *r)
{
    struct channel *c = NULL;
    mp2ml_error err;
    assert_int_equal(
        channel_tcp_connect(&c, "127.0.0.1", mp2ml_server_port(r->server), 2000, NULL, NULL, &err),
        MP2ML_OK);
    return c;
}

static void good_client(const struct running *r)
{
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status = MP2ML_ERR_REFUSED;
    for (int i = 0; i < 100 && status == MP2ML_ERR_REFUSED; i++) { /* a place may just get free */
        usleep(i > 0 ? 50000 : 0);
        status = mp2ml_client_new(&client, "127.0.0.1", mp2ml_server_port(r->server), NULL, NULL,
                                  NULL, &err);
    }
    if (status != MP2ML_OK)
        fail_msg("%s", err.text);
    check_predict(client, logits_model, 2, 21);
    mp2ml_client_free(client);
}

static void server_survives_bad_clients(void **state)
{
    (void)state;
    struct running r;
    mp2ml_options *o = make_options("port=0", "timeout=20", "threads=1", NULL);
    start(&r, logits_model, o);
    good_client(&r);
    /* garbage */
    struct channel *c = raw_client(&r);
    uint8_t junk[4096];
    for (size_t i = 0; i < sizeof(junk); i++)
        junk[i] = (uint8_t)(i * 37);
    assert_int_equal(channel_send(c, junk, sizeof(junk)), MP2ML_OK);
    (void)!channel_flush(c);
    good_client(&r);
    channel_free(c);
    /* a header that promises what never comes, then silence */
    c = raw_client(&r);
    const uint8_t header[16] = {FRAME_HELLO_C, 0, 0, 0, 0, 0, 0, 0, 100};
    assert_int_equal(channel_send(c, header, sizeof(header)), MP2ML_OK);
    (void)!channel_flush(c);
    good_client(&r);
    channel_free(c);
    /* gone at once */
    for (int i = 0; i < 8; i++)
        channel_free(raw_client(&r));
    good_client(&r);
    stop(&r);
    mp2ml_options_free(o);
}

static void one_client_too_many(void **state)
{
    (void)state;
    struct running r;
    mp2ml_options *o = make_options("port=0", "max-clients=1", "threads=1", NULL);
    start(&r, logits_model, o);
    mp2ml_client *first = NULL, *second = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    uint16_t port = mp2ml_server_port(r.server);
    assert_int_equal(mp2ml_client_new(&first, "127.0.0.1", port, NULL, NULL, NULL, &err), MP2ML_OK);
    assert_int_equal(mp2ml_client_new(&second, "127.0.0.1", port, NULL, NULL, NULL, &err),
                     MP2ML_ERR_REFUSED);
    assert_non_null(strstr(err.text, "later"));
    check_predict(first, logits_model, 1, 2);
    mp2ml_client_free(first);
    stop(&r);
    mp2ml_options_free(o);
}

/* A client that is turned away and keeps dripping bytes holds up nobody. */
static void turned_away_client_cannot_stall(void **state)
{
    (void)state;
    struct running r;
    mp2ml_options *o = make_options("port=0", "max-clients=1", "threads=1", NULL);
    start(&r, logits_model, o);
    mp2ml_client *first = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    uint16_t port = mp2ml_server_port(r.server);
    assert_int_equal(mp2ml_client_new(&first, "127.0.0.1", port, NULL, NULL, NULL, &err), MP2ML_OK);
    struct channel *dripping = raw_client(&r);
    double started = session_seconds();
    for (int i = 0; i < 10; i++) {
        (void)!channel_send(dripping, "x", 1);
        usleep(50000);
    }
    mp2ml_client_free(first);
    good_client(&r);
    stop(&r);
    assert_true(session_seconds() - started < 20);
    channel_free(dripping);
    mp2ml_options_free(o);
}

static void stopping_ends_sessions(void **state)
{
    (void)state;
    struct running r;
    mp2ml_options *o = make_options("port=0", "threads=1", NULL);
    start(&r, logits_model, o);
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(
        mp2ml_client_new(&client, "127.0.0.1", mp2ml_server_port(r.server), NULL, NULL, NULL, &err),
        MP2ML_OK);
    stop(&r);
    float x[784] = {0}, y[10];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    assert_int_not_equal(mp2ml_client_predict(client, 1, inputs, outputs, &err), MP2ML_OK);
    assert_int_equal(mp2ml_client_predict(client, 1, inputs, outputs, &err), MP2ML_ERR_FAILED);
    mp2ml_client_free(client);
    mp2ml_options_free(o);
}

static int cancel_late(void *context, double fraction)
{
    int *calls = context;
    return fraction > 0.2 ? ++*calls : 0;
}

static void progress_can_cancel(void **state)
{
    (void)state;
    struct running r;
    mp2ml_options *o = make_options("port=0", "threads=1", NULL);
    start(&r, logits_model, o);
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    int calls = 0;
    assert_int_equal(mp2ml_client_new(&client, "127.0.0.1", mp2ml_server_port(r.server), NULL,
                                      cancel_late, &calls, &err),
                     MP2ML_OK);
    float *x = calloc(50 * 784, sizeof(float)), *y = malloc(500 * sizeof(float));
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    for (int i = 0; i < 500; i++)
        y[i] = 1;
    assert_int_equal(mp2ml_client_predict(client, 50, inputs, outputs, &err), MP2ML_ERR_CANCELLED);
    assert_true(calls > 0);
    for (int i = 0; i < 500; i++)
        assert_true(y[i] == 0); /* an output of a failed call holds nothing */
    mp2ml_client_free(client);
    good_client(&r);
    stop(&r);
    mp2ml_options_free(o);
    free(x);
    free(y);
}

static void transport_rules(void **state)
{
    (void)state;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_server *server = NULL;
    mp2ml_options *o = make_options("port=0", "listen=0.0.0.0", NULL);
    assert_int_equal(mp2ml_server_new(&server, logits_model, o, &err), MP2ML_ERR_TLS);
    assert_non_null(strstr(err.text, "--insecure-transport"));
    assert_int_equal(mp2ml_options_set(o, "insecure-transport", "1", &err), MP2ML_OK);
    assert_int_equal(mp2ml_server_new(&server, logits_model, o, &err), MP2ML_OK);
    mp2ml_server_free(server);
    mp2ml_options_free(o);
    /* a port that is taken */
    struct running r;
    o = make_options("port=0", NULL);
    start(&r, logits_model, o);
    char port[16];
    snprintf(port, sizeof(port), "%u", mp2ml_server_port(r.server));
    assert_int_equal(mp2ml_options_set(o, "port", port, &err), MP2ML_OK);
    assert_int_equal(mp2ml_server_new(&server, logits_model, o, &err), MP2ML_ERR_IO);
    assert_non_null(strstr(err.text, port));
    stop(&r);
    mp2ml_options_free(o);
    /* nobody there */
    mp2ml_client *client = NULL;
    o = make_options("connect-timeout=0", NULL);
    assert_int_equal(
        mp2ml_client_new(&client, "127.0.0.1", (uint16_t)atoi(port), o, NULL, NULL, &err),
        MP2ML_ERR_CONNECT);
    assert_non_null(strstr(err.text, port));
    mp2ml_options_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_many_sizes),
        cmocka_unit_test(small_memory_makes_small_blocks),
        cmocka_unit_test(labels_agree),
        cmocka_unit_test(best_three_labels),
        cmocka_unit_test(bad_input_sends_nothing),
        cmocka_unit_test(too_many_images_are_refused),
        cmocka_unit_test(policy_is_as_demanded),
        cmocka_unit_test(forked_child_is_refused),
        cmocka_unit_test(receipt_remembers_plain_inputs),
        cmocka_unit_test(answers_must_fit_the_memory_limit),
        cmocka_unit_test(k_ss_by_link),
        cmocka_unit_test(planning_is_told),
        cmocka_unit_test(class_names_travel),
        cmocka_unit_test(server_survives_bad_clients),
        cmocka_unit_test(one_client_too_many),
        cmocka_unit_test(turned_away_client_cannot_stall),
        cmocka_unit_test(stopping_ends_sessions),
        cmocka_unit_test(progress_can_cancel),
        cmocka_unit_test(transport_rules),
    };
    return cmocka_run_group_tests(tests, load_models, free_models);
}
