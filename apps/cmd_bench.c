/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml bench: both parties on this machine as two processes, over the loopback interface. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_parts.h"
#include "commands.h"
#include "compare.h"

#define DEFAULT_BATCH 64
#define DEFAULT_RUNS 3
#define MAX_RUNS 1000
#define COMPARE_IMAGES 256 /* at once */
#define DEFAULT_MODEL "cryptonets-relu-mnist.pb"

/* ---- what is asked ------------------------------------------------------------------------- */

static size_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    return CPU_COUNT(&set) > 0 ? (size_t)CPU_COUNT(&set) : 1;
}

/* The bundled model: of the project (from its build folder or the current one), or installed. */
static int find_model(struct bench *b)
{
    static const char *const folders[] = {"../../examples/mnist/models/", "../share/mp2ml/models/"};
    char folder[2048];
    if (b->cli->n_arguments > 0) {
        if (strlen(b->cli->arguments[0]) >= sizeof(b->model))
            return app_usage("bench", "the model's path is too long");
        snprintf(b->model, sizeof(b->model), "%s", b->cli->arguments[0]);
        return APP_DONE;
    }
    for (size_t i = 0; i < 2 && app_own_folder(folder, sizeof(folder)); i++) {
        snprintf(b->model, sizeof(b->model), "%s%s%s", folder, folders[i], DEFAULT_MODEL);
        if (access(b->model, R_OK) == 0)
            return APP_DONE;
    }
    snprintf(b->model, sizeof(b->model), "examples/mnist/models/%s", DEFAULT_MODEL);
    if (access(b->model, R_OK) == 0)
        return APP_DONE;
    return app_fail("bench: the bundled model %s is not found; name a model", DEFAULT_MODEL);
}

static int parse_batches(struct bench *b, const char *text)
{
    char copy[1024], *rest = copy;
    if (strlen(text) >= sizeof(copy))
        return app_usage("bench", "--batch: too long");
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word; (word = strtok_r(rest, ",", &rest)); b->n_batches++) {
        if (b->n_batches == BENCH_MAX_BATCHES)
            return app_usage("bench", "--batch takes at most %d sizes", BENCH_MAX_BATCHES);
        if (!app_number(word, 1, 100000000, &b->batches[b->n_batches]))
            return app_usage("bench", "--batch takes whole numbers from 1 on, not '%s'", word);
    }
    return b->n_batches > 0 ? APP_DONE : app_usage("bench", "--batch takes N or N,N,...");
}

/* Reads --input; without --batch, no more images than it has. */
static int read_input(struct bench *b)
{
    mp2ml_error error = {MP2ML_OK, ""};
    b->input_path = cli_last(b->cli, "input");
    if (!b->input_path)
        return APP_DONE;
    if (mp2ml_array_read(&b->input, b->input_path, &error) != MP2ML_OK)
        return app_fail("--input %s", error.text);
    size_t have = b->input.rank > 0 ? b->input.dims[0] : 0;
    if (have == 0)
        return app_fail("%s: it holds no samples", b->input_path);
    if (!cli_last(b->cli, "batch") && b->batches[0] > have)
        b->batches[0] = have;
    for (size_t i = 0; i < b->n_batches; i++)
        if (b->batches[i] > have)
            return app_fail("%s: it holds %zu samples, fewer than --batch %zu", b->input_path, have,
                            b->batches[i]);
    return APP_DONE;
}

/* The server is told to plan as it would for a client over such a link: what it sees of the client's
 * address is the loopback interface. */
static int read_link(struct bench *b)
{
    int result = APP_DONE;
    b->link = cli_last(b->cli, "simulate-network");
    if (b->link && !cli_last(b->cli, "network"))
        result = cli_set(b->cli, "network", b->link);
    return result;
}

static int read_flags(struct bench *b)
{
    const char *batch = cli_last(b->cli, "batch"), *runs = cli_last(b->cli, "runs");
    const char *threads = cli_last(b->cli, "threads");
    char number[32];
    int result = APP_DONE;
    b->json = cli_last(b->cli, "json") != NULL;
    b->trace = cli_last(b->cli, "trace");
    if (b->trace && strlen(b->trace) >= sizeof(b->model))
        return app_usage("bench", "--trace: the path is too long");
    b->runs = DEFAULT_RUNS;
    const char *ahead = cli_last(b->cli, "prepare");
    if (ahead && !app_number(ahead, 0, 1000000, &b->prepare))
        return app_usage("bench", "--prepare takes a whole number, not '%s'", ahead);
    b->batches[0] = DEFAULT_BATCH;
    if (!batch)
        b->n_batches = 1;
    else if ((result = parse_batches(b, batch)) != APP_DONE)
        return result;
    if (runs && !app_number(runs, 1, MAX_RUNS, &b->runs))
        return app_usage("bench", "--runs takes a whole number from 1 to %d, not '%s'", MAX_RUNS,
                         runs);
    if (!ahead && cli_last(b->cli, "precompute"))
        b->prepare = b->runs;
    if (!threads || !app_number(threads, 1, 1024, &b->threads))
        b->threads = processors() > 1 ? processors() / 2 : 1;
    snprintf(number, sizeof(number), "%zu", b->threads);
    result = cli_set(b->cli, "threads", number);
    if (result == APP_DONE)
        result = read_link(b);
    if (result == APP_DONE && !cli_last(b->cli, "reveal"))
        result = cli_set(b->cli, "reveal", "logits");
    return result != APP_DONE ? result : find_model(b);
}

/* ---- running ------------------------------------------------------------------------------- */

static int fail(struct bench *b, const mp2ml_error *error)
{
    progress_end(&b->progress);
    if (stop_caught(&b->stop))
        return app_fail("interrupted");
    return app_fail_error(error);
}

/* Buffers for one batch: inputs filled, outputs kept in the result. */
static int prepare(struct bench *b, const mp2ml_client *client, struct bench_result *r,
                   float **inputs)
{
    const mp2ml_tensor *t;
    for (size_t i = 0; (t = mp2ml_client_input(client, i)); i++) {
        if (i == BENCH_MAX_INPUTS)
            return app_fail("bench: more than %d inputs", BENCH_MAX_INPUTS);
        inputs[i] = calloc(r->batch, t->count * sizeof(float));
        if (!inputs[i])
            return app_fail("no memory for %zu samples", r->batch);
        bench_fill(b, inputs[i], i, t, 0, r->batch);
    }
    while (mp2ml_client_output(client, r->n_outputs))
        r->n_outputs++;
    r->outputs = calloc(r->n_outputs + 1, sizeof(*r->outputs));
    for (size_t o = 0; r->outputs && (t = mp2ml_client_output(client, o)); o++)
        if (!(r->outputs[o] = calloc(r->batch, t->count * sizeof(float))))
            return app_fail("no memory for %zu outputs", r->batch);
    return r->outputs ? APP_DONE : app_fail("out of memory");
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* After the first request. */
static void account_first(struct bench *b, struct bench_result *r, const mp2ml_client *client)
{
    mp2ml_stats s = mp2ml_client_stats(client);
    const bool simulated = s.simulated_network[0] != '\0';
    r->first_bytes_to_server = (double)(s.bytes_to_server - s.setup_bytes_to_server -
                                        s.asking_bytes_to_server - s.prepare_bytes_to_server);
    r->first_bytes_to_client = (double)(s.bytes_to_client - s.setup_bytes_to_client -
                                        s.asking_bytes_to_client - s.prepare_bytes_to_client);
    snprintf(r->layout, sizeof(r->layout), "%s", s.layout);
    snprintf(r->engine, sizeof(r->engine), "%s", s.engine);
    snprintf(b->network, sizeof(b->network), "%s", simulated ? s.simulated_network : "loopback");
    snprintf(b->network_text, sizeof(b->network_text), "%s%s", simulated ? "simulated " : "",
             simulated ? s.simulated_text : "loopback");
}

/* `before`: when the runs began. */
static void account(const struct bench *b, struct bench_result *r, const mp2ml_client *client,
                    const mp2ml_stats *before, double *seconds)
{
    mp2ml_stats s = mp2ml_client_stats(client);
    double runs = (double)b->runs;
    qsort(seconds, b->runs, sizeof(*seconds), compare_doubles);
    r->seconds = (seconds[(b->runs - 1) / 2] + seconds[b->runs / 2]) / 2;
    r->fastest = seconds[0];
    r->slowest = seconds[b->runs - 1];
    r->setup_seconds = s.setup_seconds;
    r->setup_bytes_to_server = (double)s.setup_bytes_to_server;
    r->setup_bytes_to_client = (double)s.setup_bytes_to_client;
    r->setup_flights = (double)s.setup_flights;
    r->prepared = (size_t)s.prepared;
    r->prepare_seconds = s.prepare_seconds;
    r->prepare_bytes_to_server = (double)s.prepare_bytes_to_server;
    r->prepare_bytes_to_client = (double)s.prepare_bytes_to_client;
    r->bytes_to_server = (double)(s.bytes_to_server - before->bytes_to_server) / runs;
    r->bytes_to_client = (double)(s.bytes_to_client - before->bytes_to_client) / runs;
    r->flights = (double)(s.flights - before->flights) / runs;
    r->client_rss = bench_peak_memory(0);
    r->server_rss = bench_peak_memory(b->server);
}

static int ask(struct bench *b, mp2ml_client *client, struct bench_result *r, float *const *inputs,
               double *seconds)
{
    mp2ml_error error = {MP2ML_OK, ""};
    int result = APP_DONE;
    progress_begin(&b->progress, r->batch);
    const double started = app_seconds();
    if (mp2ml_client_predict(client, r->batch, (const float *const *)inputs, r->outputs, &error) !=
        MP2ML_OK)
        result = fail(b, &error);
    *seconds = app_seconds() - started;
    progress_end(&b->progress);
    return result;
}

static int work_ahead(struct bench *b, mp2ml_client *client, const struct bench_result *r)
{
    mp2ml_error error = {MP2ML_OK, ""};
    if (mp2ml_client_prepare(client, b->prepare, r->batch, NULL, &error) != MP2ML_OK)
        return fail(b, &error);
    return APP_DONE;
}

static int run_requests(struct bench *b, mp2ml_client *client, struct bench_result *r)
{
    float *inputs[BENCH_MAX_INPUTS] = {0};
    double seconds[MAX_RUNS];
    int result = bench_check_input(b, client);
    if (result == APP_DONE)
        result = prepare(b, client, r, inputs);
    r->warmup_seconds = (double)NAN;
    if (result == APP_DONE && r->batch <= BENCH_WARM_BATCH) {
        result = ask(b, client, r, inputs, &r->warmup_seconds);
        account_first(b, r, client);
    }
    if (result == APP_DONE && b->prepare > 0) /* behind the warm-up, which would use some of it */
        result = work_ahead(b, client, r);
    const mp2ml_stats before = mp2ml_client_stats(client);
    for (size_t i = 0; i < b->runs && result == APP_DONE; i++) {
        result = ask(b, client, r, inputs, &seconds[i]);
        if (i == 0 && r->batch > BENCH_WARM_BATCH)
            account_first(b, r, client);
    }
    if (result == APP_DONE)
        account(b, r, client, &before, seconds);
    for (size_t i = 0; i < BENCH_MAX_INPUTS; i++)
        free(inputs[i]);
    return result;
}

static int run_batch(struct bench *b, struct bench_result *r)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_client *client = NULL;
    char part[sizeof(b->model) + 16];
    int result = APP_DONE;
    if (b->trace) {
        bench_trace_part(b, part, sizeof(part), b->done + 1);
        result = cli_set(b->cli, "trace", part);
    }
    if (result != APP_DONE)
        return result;
    progress_begin(&b->progress, r->batch);
    if (mp2ml_client_new(&client, "127.0.0.1", b->port, b->cli->options, progress_call,
                         &b->progress, &error) != MP2ML_OK)
        return fail(b, &error);
    result = run_requests(b, client, r);
    mp2ml_client_free(client);
    return result;
}

static int run_all(struct bench *b)
{
    int result = bench_spawn(b);
    while (result == APP_DONE && b->done < b->n_batches) {
        b->results[b->done].batch = b->batches[b->done];
        result = run_batch(b, &b->results[b->done]);
        b->done += result == APP_DONE;
    }
    bench_stop_server(b);
    stop_target(&b->stop, NULL, NULL);
    return result;
}

/* ---- comparing ----------------------------------------------------------------------------- */

/* One piece of images first .. first + n - 1 against the float model. */
static mp2ml_status compare_piece(const struct bench *b, const mp2ml_model *model,
                                  struct bench_result *r, struct compare *sums, size_t first,
                                  size_t n, mp2ml_error *error)
{
    const mp2ml_tensor *t;
    float *inputs[BENCH_MAX_INPUTS] = {0}, *exact[BENCH_MAX_INPUTS] = {0};
    mp2ml_status status = MP2ML_OK;
    for (size_t i = 0; i < BENCH_MAX_INPUTS && (t = mp2ml_model_input(model, i)); i++) {
        if (!(inputs[i] = calloc(n, t->count * sizeof(float))))
            status = MP2ML_ERR_MEMORY;
        else
            bench_fill(b, inputs[i], i, t, first, n);
    }
    for (size_t o = 0; o < BENCH_MAX_INPUTS && (t = mp2ml_model_output(model, o)); o++)
        if (!(exact[o] = calloc(n, t->count * sizeof(float))))
            status = MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        status = mp2ml_model_eval_float(model, n, (const float *const *)inputs, exact, error);
    for (size_t o = 0; status == MP2ML_OK && (t = mp2ml_model_output(model, o)); o++) {
        compare_add(&sums[o], t, n, r->outputs[o] + first * t->count, exact[o]);
        r->shows_values = !t->integers;
    }
    for (size_t i = 0; i < BENCH_MAX_INPUTS; i++) {
        free(inputs[i]);
        free(exact[i]);
    }
    return status;
}

/* The worst of all outputs. */
static mp2ml_status compare_result(const struct bench *b, const mp2ml_model *model,
                                   struct bench_result *r, mp2ml_error *error)
{
    struct compare sums[BENCH_MAX_INPUTS];
    memset(sums, 0, sizeof(sums));
    for (size_t first = 0; first < r->batch; first += COMPARE_IMAGES) {
        size_t left = r->batch - first, n = left < COMPARE_IMAGES ? left : COMPARE_IMAGES;
        mp2ml_status status = compare_piece(b, model, r, sums, first, n, error);
        if (status != MP2ML_OK)
            return status;
    }
    r->max_error = 0;
    r->agreement = 1;
    for (size_t o = 0; o < r->n_outputs; o++) {
        r->max_error = fmax(r->max_error, sums[o].max_error);
        r->agreement = fmin(r->agreement, compare_share(&sums[o]));
    }
    return MP2ML_OK;
}

static int report(struct bench *b)
{
    mp2ml_error error = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    if (progress_load(&model, b->cli, b->model, &error) != MP2ML_OK)
        return app_fail_error(&error);
    limits_measure(&b->limits, limits_level());
    b->loopback = limits_loopback();
    bench_print_head(b);
    int result = APP_DONE;
    for (size_t i = 0; i < b->done && result == APP_DONE; i++) {
        if (compare_result(b, model, &b->results[i], &error) != MP2ML_OK ||
            bench_compare_limits(b, model, &b->results[i], &error) != MP2ML_OK)
            result = app_fail_error(&error);
        else
            bench_print_result(b, &b->results[i]);
    }
    mp2ml_model_free(model);
    return result;
}

static int bench(struct bench *b)
{
    int result = read_flags(b);
    if (result == APP_DONE)
        result = read_input(b);
    if (result != APP_DONE)
        return result;
    const char *save = cli_last(b->cli, "save");
    if (save && !(b->save = fopen(save, "a")))
        return app_fail("--save %s: cannot write: %s", save, strerror(errno));
    result = run_all(b);
    if (b->done > 0 && !stop_caught(&b->stop)) {
        int reported = report(b);
        result = result == APP_DONE ? reported : result;
    }
    if (b->save && fclose(b->save) != 0 && result == APP_DONE)
        result = app_fail("--save %s: cannot write", cli_last(b->cli, "save"));
    if (b->trace && b->port != 0) { /* else there was no server, and no trace */
        int traced = bench_trace_end(b);
        result = result == APP_DONE ? traced : result;
    }
    return result;
}

static int run(const struct cli *cli)
{
    struct bench *b = calloc(1, sizeof(*b));
    if (!b)
        return app_fail("out of memory");
    b->cli = cli;
    int result = stop_begin(&b->stop);
    if (result == APP_DONE) {
        progress_init(&b->progress, &b->stop);
        result = bench(b);
        stop_end(&b->stop);
    }
    for (size_t i = 0; i < BENCH_MAX_BATCHES; i++) {
        for (size_t o = 0; b->results[i].outputs && o < b->results[i].n_outputs; o++)
            free(b->results[i].outputs[o]);
        free(b->results[i].outputs);
    }
    if (b->input.values)
        mp2ml_array_wipe(&b->input);
    free(b);
    return result;
}

static const struct cli_flag flags[] = {
    {"batch", "N[,N...]", "images in one request (default: 64)", 1},
    {"runs", "R", "requests on each connection; their median time is shown (default: 3)", 1},
    {"prepare", "N",
     "do work for N requests ahead of the runs, outside of their time (with --precompute: as many "
     "as runs)",
     1},
    {"input", "FILE", "samples to use instead of random ones, .npy or CSV", 1},
    {"json", NULL, "print one JSON object a line", 0},
    {"save", "FILE", "append these lines to a file as well", 1},
    {NULL, NULL, NULL, 0},
};

static const char *const without[] = {
    "port",        "listen", "tls-cert",           "tls-key",        "tls",
    "server-pin",  "ca",     "insecure-transport", "require-reveal", "model-name",
    "max-clients", NULL,
};

const struct cli_command cmd_bench = {
    .name = "bench",
    .arguments = "[MODEL] [flags]",
    .summary = "run server and client here as two processes and measure",
    .text =
        "Without MODEL, the bundled MNIST network. The logits are revealed unless --reveal says\n"
        "otherwise, and each process takes half of the processors unless --threads does.",
    .flags = flags,
    .users = MP2ML_FOR_MODEL | MP2ML_FOR_SERVER | MP2ML_FOR_CLIENT,
    .without = without,
    .max_arguments = 1,
    .run = run,
};
