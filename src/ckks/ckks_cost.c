/* SPDX-License-Identifier: Apache-2.0
 *
 * What a linear step costs. Bytes are exact; seconds are rough, from the counts of transforms and
 * multiply-adds. */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "ckks/ckks_context.h"

/* Seconds on one core, measured: of a step of an algorithm, then by coefficient and prime, or by
 * coefficient alone. The names are those of what is done to a coefficient. */
static const struct {
    double butterfly;    /* a transform has N/2*log2(N) */
    double multiply_add; /* of the matrix product */
    double product;      /* of two words below q, summed unreduced */
    double fold;         /* such a sum reduced */
    double expand;       /* c1 from its stream */
    double encrypt;      /* noise, encoding, bits; of those in use */
    double receive;      /* bits, encoding; of those in use */
    double answer;       /* fresh zeros added */
    double finish;       /* c0', bits; of those in use */
    double draw;         /* u, e1 and c1' to bits; once for all primes */
    double decode;       /* bits of c1', product with s; once for all primes */
    double result;       /* bits of c0', rounding; of those in use, once for all primes */
} seconds[] = {
    [CPU_PORTABLE] = {1.15e-9, 3.8e-10, 5.8e-10, 1.4e-9, 2.2e-9, 4.9e-9, 2.6e-9, 3.0e-9, 3.6e-9,
                      5.0e-9, 1.7e-9, 1.0e-9},
    [CPU_AVX2] = {3.0e-10, 8.0e-11, 2.4e-10, 2.7e-9, 2.2e-9, 3.8e-9, 2.8e-9, 4.9e-9, 3.8e-9, 3e-10,
                  8.5e-10, 1.0e-9},
    [CPU_AVX512] = {1.2e-10, 3.0e-11, 1.4e-10, 1.0e-10, 3.9e-10, 1.5e-9, 1.06e-9, 1.0e-9, 1.3e-9,
                    7.5e-10, 7.5e-10, 1.0e-9},
};

/* Seconds of both parties for so many ciphertexts with `used` values in use each, apart from
 * products and from transforms of c0. */
static void add_seconds(struct cost *cost, const struct ckks_params *params, double in, double out,
                        double used_in, double used_out)
{
    const enum cpu_level level = cpu_level();
    const double n = (double)params->n, primes = params->primes;
    const double transform = n / 2 * params->log_n * seconds[level].butterfly;
    cost->client_seconds +=
        in * primes * (transform + n * seconds[level].expand + used_in * seconds[level].encrypt) +
        out * (2 * transform + n * seconds[level].decode + used_out * seconds[level].result);
    cost->server_seconds +=
        in * primes * (n * seconds[level].expand + used_in * seconds[level].receive) +
        out * primes *
            (2 * transform + n * seconds[level].answer + used_out * seconds[level].finish) +
        out * n * seconds[level].draw;
}

struct cost ckks_cost_linear(const struct ckks_params *params, size_t inputs, size_t outputs,
                             uint64_t products, unsigned k, size_t used)
{
    struct cost cost = {0};
    const enum cpu_level level = cpu_level();
    const double n = (double)params->n, primes = params->primes;
    const double transform = n / 2 * params->log_n * seconds[level].butterfly;
    const uint64_t words = params->primes * (params->n + used);
    cost.bytes_to_server = ckks_ct_in_bytes(params, inputs, used);
    cost.bytes_to_client = ckks_ct_out_bytes(params, k, outputs, used);
    cost.flights = 2;
    cost.memory = ckks_scratch_bytes(params) +
                  8 * ((uint64_t)inputs * words + (uint64_t)outputs * (words + params->n + used));
    add_seconds(&cost, params, (double)inputs, (double)outputs, (double)used, (double)used);
    cost.server_seconds +=
        (double)outputs * primes * transform + /* b*u */
        (double)products * primes * (n + (double)used) * seconds[level].multiply_add;
    return cost;
}

struct cost ckks_cost_image(const struct ckks_params *params, size_t in_cts, size_t out_cts,
                            size_t used_out, size_t products, unsigned k, size_t images)
{
    struct cost cost = {0};
    const enum cpu_level level = cpu_level();
    const double width = (double)params->n * params->primes, some = (double)images;
    const double transform = width / 2 * params->log_n * seconds[level].butterfly;
    const double in = (double)in_cts * some, out = (double)out_cts * some;
    cost.bytes_to_server = ckks_ct_in_bytes(params, in_cts * images, params->n);
    cost.bytes_to_client = ckks_image_out_bytes(params, k, out_cts * images, used_out * images);
    cost.flights = 2;
    cost.memory =
        ckks_scratch_for(params, images * (in_cts > out_cts ? in_cts : out_cts)) +
        8 * (uint64_t)params->n * images *
            (params->primes * (uint64_t)in_cts + (params->primes + 1u) * (uint64_t)out_cts);
    add_seconds(&cost, params, in, out, (double)params->n, (double)used_out / (double)out_cts);
    cost.server_seconds +=
        (in + out) * transform + /* c0, C0 */
        2 * width * (out * seconds[level].fold + (double)products * some * seconds[level].product);
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
