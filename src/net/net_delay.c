/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of bytes and the ring of segments behind net_delay.h. */
#include "net/net_delay.h"

#include <math.h>
#include <stdlib.h>

#define EXTRA_BYTES ((size_t)4 << 20) /* beyond what the link holds, like a socket's buffers */
#define MOST_BYTES ((size_t)64 << 20)
#define LEAST_SEGMENT ((size_t)1448) /* what a packet of Ethernet carries */
#define MOST_SEGMENT ((size_t)256 << 10)
#define SEGMENT_NS 200e3    /* longer segments for fast links: whoever reads is woken for each */
#define SMALL_SEGMENTS 4096 /* waiting segments that are shorter than they could be */

mp2ml_status net_delay_init(struct net_delay *d, const struct network *network)
{
    const double bytes_per_ns = network->bits_per_second / 8e9; /* may be INFINITY */
    const double held = fmin(bytes_per_ns * network->rtt_s / 2 * 1e9, (double)MOST_BYTES);
    const double segment = fmin(bytes_per_ns * SEGMENT_NS, (double)MOST_SEGMENT);

    *d = (struct net_delay){.ns_per_byte = 1 / bytes_per_ns};
    d->one_way = (int64_t)(network->rtt_s / 2 * 1e9);
    d->capacity = (isnan(held) ? 0 : (size_t)held) + EXTRA_BYTES;
    if (d->capacity > MOST_BYTES)
        d->capacity = MOST_BYTES;
    d->segment_bytes = segment > (double)LEAST_SEGMENT ? (size_t)segment : LEAST_SEGMENT;
    d->most_segments = d->capacity / d->segment_bytes + SMALL_SEGMENTS;
    d->data = malloc(d->capacity);
    d->segments = calloc(d->most_segments, sizeof(*d->segments));
    if (d->data != NULL && d->segments != NULL)
        return MP2ML_OK;
    net_delay_wipe(d);
    return MP2ML_ERR_MEMORY;
}

void net_delay_wipe(struct net_delay *d)
{
    free(d->data);
    free(d->segments);
    *d = (struct net_delay){0};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

uint8_t *net_delay_room(const struct net_delay *d, size_t *n)
{
    const size_t tail = (d->head + d->size) % d->capacity;
    const size_t whole = least(d->capacity - d->size, d->capacity - tail);

    *n = least(whole, (d->most_segments - d->count) * d->segment_bytes);
    return d->data + tail;
}

void net_delay_enter(struct net_delay *d, size_t n, int64_t now)
{
    if (d->free_at < now)
        d->free_at = now;
    d->size += n;
    while (n > 0) {
        const size_t bytes = least(n, d->segment_bytes);
        d->free_at += (int64_t)((double)bytes * d->ns_per_byte + 0.5);
        d->segments[(d->first + d->count++) % d->most_segments] =
            (struct net_delay_segment){d->free_at + d->one_way, bytes};
        n -= bytes;
    }
}

int64_t net_delay_arrival(const struct net_delay *d, int64_t now)
{
    return (d->free_at > now ? d->free_at : now) + d->one_way;
}

int64_t net_delay_next(const struct net_delay *d)
{
    return d->count > 0 ? d->segments[d->first].due : NET_DELAY_NEVER;
}

const uint8_t *net_delay_arrived(const struct net_delay *d, int64_t now, size_t *n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < d->count && bytes < MOST_SEGMENT; i++) {
        const struct net_delay_segment *s = &d->segments[(d->first + i) % d->most_segments];
        if (s->due > now)
            break;
        bytes += s->bytes;
    }
    *n = least(bytes, d->capacity - d->head);
    return d->data + d->head;
}

void net_delay_drop(struct net_delay *d, size_t n)
{
    d->size -= n;
    d->head = d->size > 0 ? (d->head + n) % d->capacity : 0; /* an idle link stays in the cache */
    while (n > 0) {
        struct net_delay_segment *s = &d->segments[d->first];
        const size_t bytes = least(n, s->bytes);
        s->bytes -= bytes;
        n -= bytes;
        if (s->bytes == 0) {
            d->first = (d->first + 1) % d->most_segments;
            d->count--;
        }
    }
}
