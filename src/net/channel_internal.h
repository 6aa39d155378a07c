/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside a channel; for the files of this folder only. A transport (socket, TLS) is two
 * functions that move what can be moved without waiting; queues, waiting, time limits and
 * cancelling are the same for all and live in channel.c. */
#ifndef NET_CHANNEL_INTERNAL_H
#define NET_CHANNEL_INTERNAL_H

#include <sys/types.h>
#include <sys/uio.h>

#include "net/channel.h"
#include "net/net_queue.h"
#include "net/net_wake.h"

#define CHANNEL_PARTS 2 /* of one write, which leave together: empty ones at the end */

/* Both set *done and never wait. OK with *done == 0: nothing can be moved now; then read_want or
 * write_want of the channel holds the poll() event after which it is worth trying again. A peer
 * that closed is ERR_CLOSED. n > 0. */
struct channel_ops {
    mp2ml_status (*read_some)(struct channel *c, uint8_t *data, size_t n, size_t *done);
    mp2ml_status (*write_some)(struct channel *c, const struct iovec *parts, size_t *done);
    void (*close)(struct channel *c); /* says goodbye without waiting and frees the transport */
};

struct channel {
    int fd;      /* owned; -1 after channel_close */
    pid_t owner; /* a forked child may only free: keys and counters are the parent's */
    const struct channel_ops *ops;
    void *transport; /* of the ops; struct tls_session under TLS, else NULL */
    short read_want;
    short write_want;
    bool loopback;
    double connect_seconds; /* see channel_connect_seconds */
    struct shaped *shaped;  /* owned; the simulated link below fd, or NULL */

    mp2ml_status failure; /* not OK: what every call returns */
    /* One direction may end before the other: what the peer sent before it closed is still
     * delivered when our own bytes can no longer leave, and the other way round. */
    mp2ml_status read_failure;
    mp2ml_status write_failure;

    struct net_queue out;
    struct net_queue in;
    struct channel_stats stats;
    struct trace *trace; /* not owned */

    struct net_wake wake;
    channel_tick tick;
    void *tick_context;
    int timeout_ms;
    int64_t last_move; /* when a byte moved or the call began */
    int64_t last_tick;
    int64_t deadline; /* 0: none */
};

extern const struct channel_ops channel_socket_ops;

/* A channel over a connected socket that is non-blocking already. Takes fd, on failure too. */
MUST_CHECK mp2ml_status channel_make(struct channel **out, int fd, bool loopback);
/* Makes the channel fail for good; returns the first failure. */
mp2ml_status channel_fail(struct channel *c, mp2ml_status status);
/* To begin a call: the failure if there is one, else the time limit starts anew. */
MUST_CHECK mp2ml_status channel_enter(struct channel *c);
/* Waits for the events on the socket, at most until the next tick. ERR_CANCELLED, ERR_TIMEOUT. */
MUST_CHECK mp2ml_status channel_wait(struct channel *c, short events);
/* Queues without moving anything and whatever the limit; the bytes leave with the next call. */
MUST_CHECK mp2ml_status channel_enqueue(struct channel *c, const void *data, size_t n);
/* Tries once to send what is queued. Does not wait, never makes the channel fail. */
void channel_push(struct channel *c);

#endif
