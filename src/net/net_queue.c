/* SPDX-License-Identifier: Apache-2.0
 *
 * The byte queue. Bytes move to the front only when at least as many were dropped before, so each
 * byte is moved O(1) times on average. */
#include "net/net_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_BYTES ((size_t)16 << 20) /* larger buffers are freed when they run empty */
#define FIRST_BYTES ((size_t)64 << 10)

uint8_t *net_queue_reserve(struct net_queue *q, size_t n)
{
    size_t size = net_queue_size(q);
    size_t need;

    assert(n > 0);
    if (q->capacity - q->tail >= n)
        return q->data + q->tail;
    if (!size_add(&need, size, n))
        return NULL;
    if (q->head > 0 && q->head >= size && need <= q->capacity) {
        memmove(q->data, q->data + q->head, size);
    } else {
        size_t capacity = q->capacity < FIRST_BYTES ? FIRST_BYTES : q->capacity;
        /* Half as much again as is needed, so that the next move is far away. */
        if (!size_add(&need, need, size / 2))
            return NULL;
        while (capacity < need)
            if (!size_mul(&capacity, capacity, 2))
                return NULL;
        uint8_t *data = malloc(capacity);
        if (data == NULL)
            return NULL;
        if (size > 0)
            memcpy(data, q->data + q->head, size);
        free(q->data);
        q->data = data;
        q->capacity = capacity;
    }
    q->head = 0;
    q->tail = size;
    return q->data + q->tail;
}

void net_queue_filled(struct net_queue *q, size_t n)
{
    assert(n <= q->capacity - q->tail);
    q->tail += n;
}

mp2ml_status net_queue_append(struct net_queue *q, const void *data, size_t n)
{
    if (n == 0)
        return MP2ML_OK;
    uint8_t *to = net_queue_reserve(q, n);
    if (to == NULL)
        return MP2ML_ERR_MEMORY;
    memcpy(to, data, n);
    net_queue_filled(q, n);
    return MP2ML_OK;
}

void net_queue_drop(struct net_queue *q, size_t n)
{
    assert(n <= net_queue_size(q));
    q->head += n;
    if (q->head < q->tail)
        return;
    q->head = q->tail = 0;
    if (q->capacity > KEEP_BYTES)
        net_queue_wipe(q);
}

void net_queue_wipe(struct net_queue *q)
{
    free(q->data);
    *q = (struct net_queue){NULL, 0, 0, 0};
}
