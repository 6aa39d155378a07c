/* SPDX-License-Identifier: Apache-2.0
 *
 * A queue of bytes in one piece of memory. The waiting bytes are always contiguous: TLS must be
 * given a blocked record again as a whole. */
#ifndef NET_QUEUE_H
#define NET_QUEUE_H

#include "base/status.h"

struct net_queue {
    uint8_t *data;
    size_t head; /* first waiting byte; head <= tail <= capacity */
    size_t tail;
    size_t capacity;
};

static inline size_t net_queue_size(const struct net_queue *q)
{
    return q->tail - q->head;
}
static inline const uint8_t *net_queue_front(const struct net_queue *q)
{
    return q->data + q->head;
}

/* Makes room for n more bytes and gives their place; net_queue_filled says how many came. NULL when
 * there is no memory. n > 0. */
uint8_t *net_queue_reserve(struct net_queue *q, size_t n);
void net_queue_filled(struct net_queue *q, size_t n);
MUST_CHECK mp2ml_status net_queue_append(struct net_queue *q, const void *data, size_t n);
/* Drops the first n bytes. A large buffer is given back as soon as it is empty. */
void net_queue_drop(struct net_queue *q, size_t n);
void net_queue_wipe(struct net_queue *q);

#endif
