/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 [FIPS 180-4] by the processor's instructions, for digest.c only. One hash waits for the
 * latency of each round; two side by side take hardly longer than one. */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8]; /* in the order of the instructions: f e b a h g d c */
    uint64_t bytes;    /* so far */
    uint8_t held[64];  /* the last bytes % 64 of them */
};

/* Whether this machine has the instructions, and MP2ML_CPU permits them; else nothing below may be
 * called. */
bool sha256_available(void);
void sha256_init(struct sha256 *h);
/* b may be NULL, with no data then. CT: time depends on sizes only. */
void sha256_update_two(struct sha256 *a, const uint8_t *x, size_t x_bytes, struct sha256 *b,
                       const uint8_t *y, size_t y_bytes);
/* Of all so far; h may go on afterwards. */
void sha256_now(const struct sha256 *h, uint8_t out[32]);

#endif
