/* SPDX-License-Identifier: Apache-2.0
 *
 * 128 base oblivious transfers of random keys: Masny-Rindal [eprint 2019/706] over ristretto255.
 * One BASE_OT frame each way:
 *
 *   receiver -> sender   128 times r_0 | r_1, 64 bytes each    recv_begin ... send_begin, send_end
 *   sender -> receiver   B, 32 bytes                            send_end ... recv_end
 *
 * Both are in two halves, so that other frames can go with either. */
#ifndef OT_BASE_OT_H
#define OT_BASE_OT_H

#include "crypto/crypto.h"
#include "net/frame.h"

#define BASE_OT_COUNT 128
#define BASE_OT_STRIP 16 /* transfers that leave together, so that both parties work at once */
#define BASE_OT_RECEIVER_BYTES (BASE_OT_COUNT * 64)
#define BASE_OT_SENDER_BYTES 32

/* keys[i][0], keys[i][1]: both keys of transfer i. sid sets sessions apart.
 * CT: leaks nothing but whether the peer's points are valid. */
MUST_CHECK mp2ml_status base_ot_send_begin(struct link *link);
MUST_CHECK mp2ml_status base_ot_send_end(struct block keys[BASE_OT_COUNT][2], struct link *link,
                                         struct prg *g, const uint8_t sid[32]);
/* keys[i] = the key of bit i of choice (bits 0..63 in lo). begin sends and keeps what end needs,
 * which may come much later; *out is NULL after a failure.
 * CT: leaks nothing but whether the peer's point is valid. */
struct base_ot_receiver; /* secret */
MUST_CHECK mp2ml_status base_ot_recv_begin(struct base_ot_receiver **out,
                                           const struct block *choice, struct link *link,
                                           struct prg *g, const uint8_t sid[32]);
MUST_CHECK mp2ml_status base_ot_recv_end(struct block keys[BASE_OT_COUNT],
                                         const struct base_ot_receiver *receiver,
                                         struct link *link);
void base_ot_receiver_free(struct base_ot_receiver *receiver);

#endif
