/* SPDX-License-Identifier: Apache-2.0
 *
 * The folders' kernels, each folder's rows in one function. */
#ifndef BENCH_BENCH_MICRO_H
#define BENCH_BENCH_MICRO_H

#include "bench.h"

void bench_micro_crypto(struct bench *b);
void bench_micro_ring(struct bench *b); /* and ckks */
void bench_micro_ot(struct bench *b);
void bench_micro_mpc(struct bench *b);

/* Random bytes. */
void bench_fill(void *out, size_t bytes);

#endif
