/* SPDX-License-Identifier: Apache-2.0
 *
 * H(label, data) = SHA-256("mp2ml/1/" label, 0, data): docs/protocol.md, "Hashes". The label
 * cannot run into the data, since it ends with a zero byte and holds none. */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "base/status.h"

#define DIGEST_BYTES 32

struct digest; /* H over data that comes in pieces */

MUST_CHECK mp2ml_status digest_new(struct digest **out, const char *label);
void digest_free(struct digest *d);
MUST_CHECK mp2ml_status digest_update(struct digest *d, const void *data, size_t n);
/* The hash of all so far; the digest may go on afterwards. */
MUST_CHECK mp2ml_status digest_now(const struct digest *d, uint8_t out[DIGEST_BYTES]);

/* H over `count` pieces, one after the other. */
struct digest_part {
    const void *data;
    size_t size;
};
MUST_CHECK mp2ml_status digest_parts(uint8_t out[DIGEST_BYTES], const char *label,
                                     const struct digest_part *parts, size_t count);
static inline mp2ml_status digest_once(uint8_t out[DIGEST_BYTES], const char *label,
                                       const void *data, size_t n)
{
    struct digest_part part = {data, n};
    return digest_parts(out, label, &part, 1);
}

/* A digest for digest_update_two; gives the same hash. */
MUST_CHECK mp2ml_status digest_new_twin(struct digest **out, const char *label);
/* digest_update of two twins, which takes hardly longer than that of one. b may be NULL, with no
 * data then. */
MUST_CHECK mp2ml_status digest_update_two(struct digest *a, const void *x, size_t x_bytes,
                                          struct digest *b, const void *y, size_t y_bytes);

#endif
