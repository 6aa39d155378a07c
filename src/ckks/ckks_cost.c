/* SPDX-License-Identifier: Apache-2.0
 *
 * What a linear step costs. Bytes are exact; seconds are rough, from the counts of transforms and
 * multiply-adds. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "ckks/ckks_context.h"

/* Seconds of the kernels on one core, measured, rough. */
static const struct {
    double butterfly;    /* a transform has N/2*log2(N) */
    double multiply_add; /* of the matrix product */
    double product;      /* of two words below q, summed unreduced */
    double word;         /* everything done once a coefficient: sampling, packing, switching */
} seconds[] = {
    [CPU_PORTABLE] = {1.2e-9, 3.8e-10, 1.0e-9, 1.2e-8},
    [CPU_AVX2] = {3.0e-10, 8.0e-11, 6.0e-10, 5.0e-9},
    [CPU_AVX512] = {1.2e-10, 3.0e-11, 1.5e-10, 2.0e-9},
};

struct cost ckks_cost_linear(const struct ckks_params *params, size_t inputs, size_t outputs,
                             uint64_t products, unsigned k, size_t used)
{
    struct cost cost = {0};
    const double n = (double)params->n, primes = params->primes;
    const enum cpu_level level = cpu_level();
    const double word = seconds[level].word;
    const double transform = n / 2 * params->log_n * seconds[level].butterfly;
    const double width = primes * (n + (double)used);
    const uint64_t words = params->primes * (params->n + used);
    cost.bytes_to_server = ckks_ct_in_bytes(params, inputs, used);
    cost.bytes_to_client = ckks_ct_out_bytes(params, k, outputs, used);
    cost.flights = 2;
    cost.memory = ckks_scratch_bytes(params) +
                  8 * ((uint64_t)inputs * words + (uint64_t)outputs * (words + params->n + used));
    cost.client_seconds = (double)inputs * primes * (transform + n * word) +
                          (double)outputs * (2 * transform + n * word / 2);
    cost.server_seconds = (double)inputs * primes * n * word / 2 +
                          (double)outputs * (3 * primes * transform + width * word) +
                          (double)products * width * seconds[level].multiply_add;
    return cost;
}

struct cost ckks_cost_image(const struct ckks_params *params, size_t in_cts, size_t out_cts,
                            size_t used_out, size_t products, unsigned k, size_t images)
{
    struct cost cost = {0};
    const enum cpu_level level = cpu_level();
    const double width = (double)params->n * params->primes, word = width * seconds[level].word;
    const double transform = width / 2 * params->log_n * seconds[level].butterfly;
    const double first = 1 / (double)params->primes, some = (double)images;
    const double in = (double)in_cts * some, out = (double)out_cts * some;
    cost.bytes_to_server = ckks_ct_in_bytes(params, in_cts * images, params->n);
    cost.bytes_to_client = ckks_image_out_bytes(params, k, out_cts * images, used_out * images);
    cost.flights = 2;
    cost.memory =
        ckks_scratch_for(params, images * (in_cts > out_cts ? in_cts : out_cts)) +
        8 * (uint64_t)params->n * images *
            (params->primes * (uint64_t)in_cts + (params->primes + 1u) * (uint64_t)out_cts);
    cost.client_seconds = in * (transform + word) + out * first * (2 * transform + word / 2);
    cost.server_seconds = in * (transform + word / 2) + out * (3 * transform + word) +
                          2 * (double)products * some * width * seconds[level].product;
    return cost;
}

#define SPEED_ROUNDS 8
#define SPEED_TRANSFORMS 12

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The fastest of some rounds: what disturbs only slows down. */
double ckks_speed(const struct ckks *ck)
{
    const struct ckks_params *params = ck->params;
    const double transform = (double)params->n / 2 * params->log_n * seconds[cpu_level()].butterfly;
    uint64_t *x = calloc(params->n, sizeof *x);
    double least = INFINITY;
    for (int round = 0; x != NULL && round < SPEED_ROUNDS; round++) {
        const double started = now_seconds();
        for (int i = 0; i < SPEED_TRANSFORMS; i++)
            ring_ntt(ck->ring, 0, x);
        least = fmin(least, now_seconds() - started);
    }
    free(x);
    return isfinite(least) ? least / (SPEED_TRANSFORMS * transform) : 1;
}
