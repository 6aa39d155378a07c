/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of mp2ml bench: a table for people, or one JSON object a line. The last columns say how
 * much of the time would be left if all else cost nothing: a party's AES of oblivious transfers
 * (leaves and hashes), the server's multiply-adds, and all bytes through the loopback interface,
 * each at its limit, measured after the runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_parts.h"

/* ---- limits -------------------------------------------------------------------------------- */

/* The number behind a key of the plan's JSON, at or behind `from`; NaN where there is none. */
static double number_of(const char *text, const char *from, const char *key)
{
    const char *at = strstr(text, from);
    at = at ? strstr(at, key) : NULL;
    return at ? strtod(at + strlen(key), NULL) : (double)NAN;
}

/* Shares of the median run. One party takes part in all transfers, half of them as the sender. */
mp2ml_status bench_compare_limits(const struct bench *b, const mp2ml_model *model,
                                  struct bench_result *r, mp2ml_error *error)
{
    char *plan = NULL;
    mp2ml_status status = mp2ml_model_plan(model, r->batch, 1, &plan, error);
    if (status != MP2ML_OK)
        return status;
    const double k_ss = number_of(plan, "", "\"k_ss\":");
    const double leaves = (exp2(k_ss) - 0.5) / k_ss, hashes = 1.5;
    const double time = r->seconds * (double)b->threads;
    const double blocks = number_of(plan, "\"totals\"", "\"ots\":") * (leaves + hashes);
    r->aes_share = blocks / b->limits.aes_blocks / time;
    r->multiply_add_share =
        number_of(plan, "\"totals\"", "\"multiply_adds\":") / b->limits.multiply_adds / time;
    r->socket_share = (r->bytes_to_server + r->bytes_to_client) / b->loopback / r->seconds;
    mp2ml_free(plan);
    return MP2ML_OK;
}

static void print_limits(const struct bench *b)
{
    const struct limits *l = &b->limits;
    printf("limits of a core in this run (%s): %.2f GHz, %.2f G AES blocks/s, %.1f G "
           "multiply-adds/s, copy %.1f GB/s; loopback %.2f GB/s\n",
           limits_level_name(limits_level()), 1e-9 * l->hertz, 1e-9 * l->aes_blocks,
           1e-9 * l->multiply_adds, 1e-9 * l->copy_bytes, 1e-9 * b->loopback);
}

/* ---- table --------------------------------------------------------------------------------- */

void bench_print_head(const struct bench *b)
{
    if (b->json)
        return;
    printf("%s\n", b->model);
    printf("inputs: %s", b->input_path ? b->input_path : "uniform in the declared range");
    if (!b->input_path)
        printf(" (seed %d)", BENCH_SEED);
    printf("; median of %zu runs; %zu thread%s in each process; network %s\n", b->runs, b->threads,
           b->threads == 1 ? "" : "s", b->network_text);
    print_limits(b);
    printf("%7s %-6s %-6s %10s %19s %9s %9s %10s %10s %8s %10s %10s %10s %9s %6s %7s %6s\n",
           "batch", "layout", "engine", "images/s", "slowest to fastest", "seconds", "set-up s",
           "to server", "to client", "flights", "client mem", "server mem", "max error", "labels",
           "AES", "mul-add", "socket");
}

static void print_share(int width, double share)
{
    if (isfinite(share))
        printf(" %*.1f%%", width, 100 * share);
    else
        printf(" %*s", width + 1, "-");
}

static void print_row(const struct bench_result *r)
{
    char up[32], down[32], client[32], server[32], error[32];
    const double n = (double)r->batch;
    if (r->shows_values)
        snprintf(error, sizeof(error), "%.3g", r->max_error);
    else
        snprintf(error, sizeof(error), "-");
    printf("%7zu %-6s %-6s %10.1f %9.1f %9.1f %9.4f %9.3f %10s %10s %8.0f %10s %10s %10s %7.2f %%",
           r->batch, r->layout, r->engine, n / r->seconds, n / r->slowest, n / r->fastest,
           r->seconds, r->setup_seconds, app_bytes(up, sizeof(up), r->bytes_to_server),
           app_bytes(down, sizeof(down), r->bytes_to_client), r->flights,
           app_bytes(client, sizeof(client), r->client_rss),
           app_bytes(server, sizeof(server), r->server_rss), error, 100 * r->agreement);
    print_share(5, r->aes_share);
    print_share(6, r->multiply_add_share);
    print_share(5, r->socket_share);
    printf("\n");
    if (r->prepared > 0)
        printf("        ahead, for %zu requests: %.3f s; to server %s, to client %s\n", r->prepared,
               r->prepare_seconds, app_bytes(up, sizeof(up), r->prepare_bytes_to_server),
               app_bytes(down, sizeof(down), r->prepare_bytes_to_client));
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void print_json(FILE *f, const struct bench *b, const struct bench_result *r)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"images_per_second", (double)r->batch / r->seconds},
        {"seconds", r->seconds},
        {"setup_seconds", r->setup_seconds},
        {"warmup_seconds", r->warmup_seconds},
        {"bytes_to_server", r->bytes_to_server},
        {"bytes_to_client", r->bytes_to_client},
        {"flights", r->flights},
        {"client_peak_rss_bytes", r->client_rss},
        {"server_peak_rss_bytes", r->server_rss},
        {"max_error", r->shows_values ? r->max_error : (double)NAN},
        {"label_agreement", r->agreement},
        {"setup_bytes_to_server", r->setup_bytes_to_server},
        {"setup_bytes_to_client", r->setup_bytes_to_client},
        {"setup_flights", r->setup_flights},
        {"prepared_requests", (double)r->prepared},
        {"prepare_seconds", r->prepare_seconds},
        {"prepare_bytes_to_server", r->prepare_bytes_to_server},
        {"prepare_bytes_to_client", r->prepare_bytes_to_client},
        {"first_bytes_to_server", r->first_bytes_to_server},
        {"first_bytes_to_client", r->first_bytes_to_client},
        {"seconds_fastest", r->fastest},
        {"seconds_slowest", r->slowest},
        {"aes_share", r->aes_share},
        {"multiply_add_share", r->multiply_add_share},
        {"socket_share", r->socket_share},
        {"limit_hertz", b->limits.hertz},
        {"limit_aes_blocks_per_second", b->limits.aes_blocks},
        {"limit_multiply_adds_per_second", b->limits.multiply_adds},
        {"limit_copy_bytes_per_second", b->limits.copy_bytes},
        {"limit_loopback_bytes_per_second", b->loopback},
    };
    fprintf(f, "{\"level\": \"end to end\", \"model\": ");
    app_json_string(f, b->model);
    fprintf(f, ", \"batch\": %zu, \"layout\": \"%s\", \"engine\": \"%s\", \"network\": ", r->batch,
            r->layout, r->engine);
    app_json_string(f, b->network);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        app_json_number(f, numbers[i].key, numbers[i].value);
    fprintf(f, ", \"cpu\": \"%s\", \"runs\": %zu, \"threads\": %zu, \"input\": ",
            limits_level_name(limits_level()), b->runs, b->threads);
    app_json_string(f, b->input_path ? b->input_path : "uniform");
    fprintf(f, "}\n");
}

void bench_print_result(const struct bench *b, const struct bench_result *r)
{
    if (b->json)
        print_json(stdout, b, r);
    else
        print_row(r);
    if (b->save)
        print_json(b->save, b, r);
    fflush(stdout);
}
