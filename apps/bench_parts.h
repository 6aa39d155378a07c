/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml bench, in the order of its files: cmd_bench.c (the flow), bench_spawn.c (the server as a
 * second process), bench_data.c (inputs), bench_print.c (table and JSON), bench_trace.c (one trace
 * of both parties).
 *
 * All runs come first and the comparison with the float model last, so that the client's peak of
 * memory holds no model. */
#ifndef APPS_BENCH_PARTS_H
#define APPS_BENCH_PARTS_H

#include <sys/types.h>

#include "cli.h"
#include "limits.h"
#include "progress.h"

#define BENCH_SEED 1
#define BENCH_MAX_BATCHES 64
#define BENCH_MAX_INPUTS 64
#define BENCH_WARM_BATCH                                                                           \
    2048 /* larger requests are many blocks, of which the first one matters little */

struct bench_result { /* of one batch size: one connection, perhaps a warm-up, `runs` requests */
    size_t batch, n_outputs;
    float **outputs; /* of the last run */
    double seconds;  /* the median run; without connecting and keys */
    double fastest, slowest;
    double setup_seconds, warmup_seconds; /* NaN: without a warm-up */
    char layout[8], engine[8];            /* as used */
    /* of the steps of the first request, warm-up or not: what the plan counts */
    double first_bytes_to_server, first_bytes_to_client;
    double bytes_to_server, bytes_to_client, flights; /* mean of a run */
    double setup_bytes_to_server, setup_bytes_to_client, setup_flights;
    size_t prepared; /* requests; work ahead is in none of the figures above */
    double prepare_seconds, prepare_bytes_to_server, prepare_bytes_to_client;
    double client_rss, server_rss; /* peak since the process began */
    double max_error, agreement;   /* against the float model */
    /* of the time, what these alone would take at their limits (bench_print.c); NaN: unknown */
    double aes_share, multiply_add_share, socket_share;
    bool shows_values; /* the outputs are values, so that max_error means something */
};

struct bench {
    const struct cli *cli;
    struct stop stop;
    struct progress progress;
    char model[4096];
    size_t threads, runs, n_batches, batches[BENCH_MAX_BATCHES];
    size_t prepare;   /* requests before the runs of a batch */
    const char *link; /* to simulate; NULL: none */
    char network[64], network_text[128];
    bool json;
    FILE *save;           /* NULL: none */
    struct limits limits; /* after the runs */
    double loopback;
    const char *input_path; /* NULL: random data */
    const char *trace;      /* NULL: none */
    mp2ml_array input;
    pid_t server;
    uint16_t port;
    size_t done; /* results that are there */
    struct bench_result results[BENCH_MAX_BATCHES];
};

/* Starts this program again as a server on a free loopback port and waits until it listens. */
int bench_spawn(struct bench *b);
void bench_stop_server(struct bench *b);
/* Peak resident bytes of a process (0: this one); NaN when unknown. */
double bench_peak_memory(pid_t process);

/* Samples first .. first + images - 1 of input number i. The same numbers in every call: uniform in
 * the declared range, or from the file of --input. */
void bench_fill(const struct bench *b, float *out, size_t i, const mp2ml_tensor *tensor,
                size_t first, size_t images);
/* Whether --input fits the model. */
int bench_check_input(const struct bench *b, const mp2ml_client *client);

/* The file for one connection's spans: part 0 is the server's, part i the client's with batch i
 * - 1.
 */
void bench_trace_part(const struct bench *b, char *path, size_t size, size_t part);
/* Joins the parts in the file of --trace, removes them, prints where the time went. */
int bench_trace_end(const struct bench *b);

/* Fills the shares of the limits. */
mp2ml_status bench_compare_limits(const struct bench *b, const mp2ml_model *model,
                                  struct bench_result *r, mp2ml_error *error);
void bench_print_head(const struct bench *b);
void bench_print_result(const struct bench *b, const struct bench_result *r);

#endif
