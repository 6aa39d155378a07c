/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes on their way over a simulated link, in one direction. Bytes that enter at time t are on the
 * wire from max(t, end of what entered before) on, for bytes / rate, and arrive half a round trip
 * after they have left: serialisation, then propagation. Long pieces are cut into segments, which
 * arrive one by one. Times are nanoseconds of CLOCK_MONOTONIC; nothing here looks at a clock. */
#ifndef NET_DELAY_H
#define NET_DELAY_H

#include "base/network.h"

struct net_delay_segment {
    int64_t due; /* when its last byte arrives */
    size_t bytes;
};

struct net_delay {
    uint8_t *data; /* a ring; waiting bytes are `size` from `head` on */
    size_t capacity, head, size;
    struct net_delay_segment *segments; /* a ring too; their bytes sum to `size` */
    size_t most_segments, first, count;
    size_t segment_bytes; /* at most in one */
    double ns_per_byte;   /* 0: no limit */
    int64_t one_way;
    int64_t free_at; /* when the last byte that entered has left */
};

#define NET_DELAY_NEVER INT64_MAX

/* Room for what the link holds and 4 MiB more, at most 64 MiB. */
MUST_CHECK mp2ml_status net_delay_init(struct net_delay *d, const struct network *network);
/* A struct of zeros is accepted. What it held was on the wire: no secret. */
void net_delay_wipe(struct net_delay *d);

/* Where the next bytes may be put, *n of them; *n = 0: full. net_delay_enter says how many came. */
uint8_t *net_delay_room(const struct net_delay *d, size_t *n);
void net_delay_enter(struct net_delay *d, size_t n, int64_t now);
/* When something without size that enters now would arrive: behind all that entered before. */
int64_t net_delay_arrival(const struct net_delay *d, int64_t now);
/* When the first waiting segment arrives, or NET_DELAY_NEVER. */
int64_t net_delay_next(const struct net_delay *d);
/* The first *n bytes of those that have arrived; *n = 0: none. */
const uint8_t *net_delay_arrived(const struct net_delay *d, int64_t now, size_t *n);
/* Takes the first n bytes away, n at most what net_delay_arrived gave. */
void net_delay_drop(struct net_delay *d, size_t n);

#endif
