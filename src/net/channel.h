/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels. Sending never waits for the peer to read: bytes go to a queue, and every call moves
 * what can be moved in both directions. Two parties may therefore send large messages to each other
 * at once without a deadlock. One thread uses a channel; only channel_cancel may come from another
 * thread or a signal handler.
 *
 * A channel that failed stays failed: each later call returns the first failure. In a child that
 * was forked from its owner every call is ERR_FAILED, since both would use the same keys and
 * counters. */
#ifndef NET_CHANNEL_H
#define NET_CHANNEL_H

#include "base/network.h"
#include "base/status.h"
#include "base/trace.h"

struct channel;

struct channel_stats {
    uint64_t bytes_sent; /* payload given to channel_send (before TLS) */
    uint64_t bytes_received;
};

/* Called at least every 100 ms while a call waits. Not 0 cancels the channel. */
typedef int (*channel_tick)(void *context);

/* Two channels joined in this process; each may be used by its own thread. */
MUST_CHECK mp2ml_status channel_pair(struct channel **a, struct channel **b);

/* Connects to host:port, trying every address, again and again until timeout_ms has passed (a
 * server may still be starting). The error names host, port and the last reason. */
MUST_CHECK mp2ml_status channel_tcp_connect(struct channel **out, const char *host, uint16_t port,
                                            int timeout_ms, channel_tick tick, void *tick_context,
                                            mp2ml_error *err);
/* Takes a connected socket; it is closed on failure too. TCP_NODELAY is set where it applies. */
MUST_CHECK mp2ml_status channel_from_socket(struct channel **out, int fd);

/* From now on the channel behaves as if the link had this round trip and this rate each way: an
 * ideal one, without loss, slow start or headers. Takes one round trip itself, as connecting would.
 * Before TLS and before anything was sent. A network without delay and limit changes nothing. Bytes
 * that channel_close leaves on their way still arrive: channel_free waits for that, for at most two
 * seconds. */
MUST_CHECK mp2ml_status channel_shape(struct channel *c, const struct network *network);
/* What it simulates, or NULL. */
const struct network *channel_simulated(const struct channel *c);

/* True when the peer's address is a loopback address, a Unix socket or a pair. */
bool channel_is_loopback(const struct channel *c);

/* How long the handshake of TCP took where this party connected, a simulated link's included: one
 * round trip. 0 for pairs, on one machine but for what is simulated, and where the peer connected. */
double channel_connect_seconds(const struct channel *c);

/* From now on, calls fail with ERR_TIMEOUT when total_ms have passed, whatever moves; 0 = never. */
void channel_set_deadline(struct channel *c, int total_ms);
/* Calls fail with ERR_TIMEOUT when no byte moved for timeout_ms (default 120,000; 0 = for ever). */
void channel_set_timeout(struct channel *c, int timeout_ms);
void channel_set_tick(struct channel *c, channel_tick tick, void *context);
/* Where whoever works over this channel leaves its spans; kept, NULL (the default) for nowhere. */
void channel_set_trace(struct channel *c, struct trace *trace);

/* Queues n bytes and moves what can be moved. Above 8 MiB queued it waits, still receiving. */
MUST_CHECK mp2ml_status channel_send(struct channel *c, const void *data, size_t n);
/* Waits until all that is queued has left. */
MUST_CHECK mp2ml_status channel_flush(struct channel *c);
/* Exactly n bytes. ERR_CLOSED when the peer closed before. Sends what is queued meanwhile. */
MUST_CHECK mp2ml_status channel_recv(struct channel *c, void *data, size_t n);

/* False when there is something to receive or to send, or the channel has ended or was cancelled: for
 * whoever works until then. Never waits. */
bool channel_is_quiet(struct channel *c);

/* Makes the current or next call on the channel return ERR_CANCELLED. Async-signal-safe. */
void channel_cancel(struct channel *c);

struct channel_stats channel_stats(const struct channel *c);

/* Closes without waiting, queued bytes are tried once; every later call fails. In a forked child it
 * gives up the descriptor without a word to the peer. */
void channel_close(struct channel *c);
/* Closes and frees. NULL is accepted. */
void channel_free(struct channel *c);

#endif
