/* SPDX-License-Identifier: Apache-2.0
 *
 * H(label, data) = SHA-256("mp2ml/1/" label, 0, data): docs/protocol.md, "Hashes". The label
 * cannot run into the data, since it ends with a zero byte and holds none. */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "base/status.h"
#include "crypto/block.h"

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

/* SHA-256, without a label, of each of the equal parts into which n bytes are cut, n a multiple of
 * DIGEST_LEAVES: the lower level of a hash of much data, which takes a fraction of the time of one
 * long hash. A caller that hashes the result together with n hashes the data: two different strings
 * with one result collide in a part. CT: time depends on n only. */
#define DIGEST_LEAVES 16
MUST_CHECK mp2ml_status digest_leaves(const struct crypto_kernels *k,
                                      uint8_t out[DIGEST_LEAVES * DIGEST_BYTES], const void *data,
                                      size_t n);

#endif
