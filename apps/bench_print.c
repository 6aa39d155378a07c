/* SPDX-License-Identifier: Apache-2.0
 *
 * Results of mp2ml bench: a table for people, or one JSON object a line. */
#include <math.h>
#include <stdio.h>

#include "bench_parts.h"

static const char *network(const struct bench *b)
{
    const char *simulated = cli_last(b->cli, "simulate-network");
    return simulated ? simulated : "loopback";
}

void bench_print_head(const struct bench *b)
{
    if (b->json)
        return;
    printf("%s\n", b->model);
    printf("inputs: %s", b->input_path ? b->input_path : "uniform in the declared range");
    if (!b->input_path)
        printf(" (seed %d)", BENCH_SEED);
    printf("; median of %zu runs; %zu thread%s in each process; network %s\n", b->runs, b->threads,
           b->threads == 1 ? "" : "s", network(b));
    printf("%7s %10s %9s %9s %10s %10s %8s %10s %10s %10s %8s\n", "batch", "images/s", "seconds",
           "set-up s", "to server", "to client", "flights", "client mem", "server mem", "max error",
           "labels");
}

static void print_row(const struct bench_result *r)
{
    char up[32], down[32], client[32], server[32], error[32];
    if (r->shows_values)
        snprintf(error, sizeof(error), "%.3g", r->max_error);
    else
        snprintf(error, sizeof(error), "-");
    printf("%7zu %10.1f %9.3f %9.3f %10s %10s %8.0f %10s %10s %10s %6.2f %%\n", r->batch,
           (double)r->batch / r->seconds, r->seconds, r->setup_seconds,
           app_bytes(up, sizeof(up), r->bytes_to_server),
           app_bytes(down, sizeof(down), r->bytes_to_client), r->flights,
           app_bytes(client, sizeof(client), r->client_rss),
           app_bytes(server, sizeof(server), r->server_rss), error, 100 * r->agreement);
}

static void print_json(const struct bench *b, const struct bench_result *r)
{
    printf("{\"model\": ");
    app_json_string(b->model);
    printf(", \"batch\": %zu, \"layout\": \"batch\", \"engine\": \"gmw\", \"network\": ", r->batch);
    app_json_string(network(b));
    app_json_number("images_per_second", (double)r->batch / r->seconds);
    app_json_number("seconds", r->seconds);
    app_json_number("setup_seconds", r->setup_seconds);
    app_json_number("bytes_to_server", r->bytes_to_server);
    app_json_number("bytes_to_client", r->bytes_to_client);
    app_json_number("flights", r->flights);
    app_json_number("client_peak_rss_bytes", r->client_rss);
    app_json_number("server_peak_rss_bytes", r->server_rss);
    app_json_number("max_error", r->shows_values ? r->max_error : (double)NAN);
    app_json_number("label_agreement", r->agreement);
    app_json_number("setup_bytes_to_server", r->setup_bytes_to_server);
    app_json_number("setup_bytes_to_client", r->setup_bytes_to_client);
    app_json_number("setup_flights", r->setup_flights);
    app_json_number("seconds_fastest", r->fastest);
    app_json_number("seconds_slowest", r->slowest);
    printf(", \"runs\": %zu, \"threads\": %zu, \"input\": ", b->runs, b->threads);
    app_json_string(b->input_path ? b->input_path : "uniform");
    printf("}\n");
}

void bench_print_result(const struct bench *b, const struct bench_result *r)
{
    if (b->json)
        print_json(b, r);
    else
        print_row(r);
    fflush(stdout);
}
