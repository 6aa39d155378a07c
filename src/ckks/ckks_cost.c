/* SPDX-License-Identifier: Apache-2.0
 *
 * What a linear step costs. Bytes are exact; seconds are rough, from the counts of transforms and
 * multiply-adds. */
#include "ckks/ckks_context.h"

/* Seconds of the portable kernels on one core. */
#define SECONDS_BUTTERFLY 2.0e-9 /* one butterfly; a transform has N/2*log2(N) */
#define SECONDS_MULTIPLY_ADD 3.8e-10
#define SECONDS_WORD 1.5e-8 /* everything done once a coefficient: sampling, packing, switching */

struct cost ckks_cost_linear(const struct ckks_params *params, size_t inputs, size_t outputs,
                             uint64_t products, unsigned k, size_t used)
{
    struct cost cost = {0};
    const double n = (double)params->n, primes = params->primes;
    const double transform = n / 2 * params->log_n * SECONDS_BUTTERFLY;
    const double width = primes * (n + (double)used);
    const uint64_t words = params->primes * (params->n + used);
    cost.bytes_to_server = ckks_ct_in_bytes(params, inputs, used);
    cost.bytes_to_client = ckks_ct_out_bytes(params, k, outputs, used);
    cost.flights = 2;
    cost.memory = ckks_scratch_bytes(params) +
                  8 * ((uint64_t)inputs * words + (uint64_t)outputs * (words + params->n + used));
    cost.client_seconds = (double)inputs * primes * (transform + n * SECONDS_WORD) +
                          (double)outputs * (2 * transform + n * SECONDS_WORD / 2);
    cost.server_seconds = (double)inputs * primes * n * SECONDS_WORD / 2 +
                          (double)outputs * (3 * primes * transform + width * SECONDS_WORD) +
                          (double)products * width * SECONDS_MULTIPLY_ADD;
    return cost;
}
