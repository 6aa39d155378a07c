/* SPDX-License-Identifier: Apache-2.0
 *
 * 128 base oblivious transfers of random keys: Masny-Rindal [eprint 2019/706] over ristretto255.
 * One BASE_OT frame each way, the receiver's first:
 *
 *   receiver -> sender   128 times r_0 | r_1, 64 bytes each
 *   sender -> receiver   B, 32 bytes */
#ifndef OT_BASE_OT_H
#define OT_BASE_OT_H

#include "crypto/crypto.h"
#include "net/frame.h"

#define BASE_OT_COUNT 128
#define BASE_OT_RECEIVER_BYTES (BASE_OT_COUNT * 64)
#define BASE_OT_SENDER_BYTES 32

/* keys[i][0], keys[i][1]: both keys of transfer i. sid sets sessions apart.
 * CT: leaks nothing but whether the peer's points are valid. */
MUST_CHECK mp2ml_status base_ot_send(struct block keys[BASE_OT_COUNT][2], struct link *link,
                                     struct prg *g, const uint8_t sid[32]);
/* keys[i] = the key of bit i of choice (bits 0..63 in lo).
 * CT: leaks nothing but whether the peer's point is valid. */
MUST_CHECK mp2ml_status base_ot_recv(struct block keys[BASE_OT_COUNT], const struct block *choice,
                                     struct link *link, struct prg *g, const uint8_t sid[32]);

#endif
