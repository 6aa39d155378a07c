/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs of mp2ml bench. Random values are a function of seed, input, sample and place alone
 * (splitmix64's mixer over a counter), so that no batch needs to be kept for the comparison. */
#include <math.h>
#include <string.h>

#include "bench_parts.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Uniform in [low, high]: the rounding to float may leave the range by one step. */
static float uniform(uint64_t bits, double low, double high)
{
    float v = (float)(low + (high - low) * ((double)(bits >> 40) / 16777215.0));
    if ((double)v < low)
        v = nextafterf(v, (float)INFINITY);
    if ((double)v > high)
        v = nextafterf(v, -(float)INFINITY);
    return v;
}

void bench_fill(const struct bench *b, float *out, size_t i, const mp2ml_tensor *tensor,
                size_t first, size_t images)
{
    size_t begin = first * tensor->count, count = images * tensor->count;
    if (b->input.values) {
        memcpy(out, b->input.values + begin, count * sizeof(float));
        return;
    }
    uint64_t stream = mix((uint64_t)BENCH_SEED << 32 | i);
    for (size_t k = 0; k < count; k++)
        out[k] = uniform(mix(stream + UINT64_C(0x9e3779b97f4a7c15) * (begin + k + 1)), tensor->low,
                         tensor->high);
}

int bench_check_input(const struct bench *b, const mp2ml_client *client)
{
    const mp2ml_tensor *t = mp2ml_client_input(client, 0);
    char came[256], wanted[256];
    const mp2ml_array *a = &b->input;
    if (!a->values)
        return APP_DONE;
    if (mp2ml_client_input(client, 1))
        return app_fail("--input %s: bench takes a file only for models with one input",
                        b->input_path);
    size_t rest = 1;
    for (unsigned d = 1; d < a->rank; d++)
        rest *= a->dims[d];
    if (a->rank == 0 || rest != t->count)
        return app_fail("%s: shape %s, but input '%s' takes %s: %zu values per sample",
                        b->input_path, app_shape(came, sizeof(came), NULL, a->dims, a->rank),
                        t->name, app_shape(wanted, sizeof(wanted), "n", t->dims, t->rank),
                        t->count);
    return APP_DONE;
}
