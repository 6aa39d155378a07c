/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels: the two queues and the pump. A call first moves bytes without waiting, large ones
 * straight from or to the caller's memory; only when nothing moved does it wait in poll(). While a
 * send waits, what arrives goes to the in-queue, so the peer's sends can end too. */
#include "net/channel_internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/channel_shaped.h"
#include "net/net_socket.h"

#define OUT_LIMIT ((size_t)8 << 20)     /* send waits above this */
#define IN_LIMIT ((size_t)128 << 20)    /* no honest peer is that far ahead */
#define DIRECT_BYTES ((size_t)16 << 10) /* reads from this size on skip the in-queue */
#define READ_BYTES ((size_t)256 << 10)  /* read at once into the in-queue */
#define TICK_MS 100
#define DEFAULT_TIMEOUT_MS 120000

mp2ml_status channel_make(struct channel **out, int fd, bool loopback)
{
    struct channel *c = calloc(1, sizeof *c);

    if (c == NULL) {
        close(fd);
        return MP2ML_ERR_MEMORY;
    }
    c->fd = fd;
    c->owner = getpid();
    c->ops = &channel_socket_ops;
    c->read_want = POLLIN;
    c->write_want = POLLOUT;
    c->loopback = loopback;
    c->timeout_ms = DEFAULT_TIMEOUT_MS;
    mp2ml_status status = net_wake_init(&c->wake);
    if (status != MP2ML_OK) {
        close(fd);
        free(c);
        return status;
    }
    *out = c;
    return MP2ML_OK;
}

double channel_connect_seconds(const struct channel *c)
{
    return c->connect_seconds;
}

bool channel_is_loopback(const struct channel *c)
{
    return c->loopback;
}

void channel_set_timeout(struct channel *c, int timeout_ms)
{
    c->timeout_ms = timeout_ms;
}

void channel_set_deadline(struct channel *c, int total_ms)
{
    c->deadline = total_ms > 0 ? net_socket_clock_ms() + total_ms : 0;
}

void channel_set_tick(struct channel *c, channel_tick tick, void *context)
{
    c->tick = tick;
    c->tick_context = context;
}

void channel_set_trace(struct channel *c, struct trace *trace)
{
    c->trace = trace;
}

void channel_cancel(struct channel *c)
{
    net_wake_raise(&c->wake);
}

struct channel_stats channel_stats(const struct channel *c)
{
    return c->stats;
}

mp2ml_status channel_fail(struct channel *c, mp2ml_status status)
{
    if (c->failure == MP2ML_OK)
        c->failure = status;
    return c->failure;
}

/* Cancelling and the tick; called once a round of every loop. */
static mp2ml_status check_cancel(struct channel *c, int64_t now)
{
    if (net_wake_raised(&c->wake))
        return channel_fail(c, MP2ML_ERR_CANCELLED);
    if (c->deadline > 0 && now >= c->deadline)
        return channel_fail(c, MP2ML_ERR_TIMEOUT);
    if (c->tick == NULL || now - c->last_tick < TICK_MS)
        return MP2ML_OK;
    c->last_tick = now;
    if (c->tick(c->tick_context) != 0)
        return channel_fail(c, MP2ML_ERR_CANCELLED);
    return MP2ML_OK;
}

mp2ml_status channel_enter(struct channel *c)
{
    if (c->failure != MP2ML_OK)
        return c->failure;
    if (c->owner != getpid())
        return MP2ML_ERR_FAILED;
    c->last_move = net_socket_clock_ms();
    return check_cancel(c, c->last_move);
}

/* After bytes moved: the time limit starts anew. */
static mp2ml_status moved_on(struct channel *c)
{
    c->last_move = net_socket_clock_ms();
    return check_cancel(c, c->last_move);
}

mp2ml_status channel_wait(struct channel *c, short events)
{
    struct pollfd fds[2] = {{c->fd, events, 0}, {c->wake.fd, POLLIN, 0}};
    int64_t now = net_socket_clock_ms();
    int64_t wait = -1;

    TRY(check_cancel(c, now));
    if (c->timeout_ms > 0) {
        wait = c->last_move + c->timeout_ms - now;
        if (wait <= 0)
            return channel_fail(c, MP2ML_ERR_TIMEOUT);
    }
    if (c->deadline > 0 && (wait < 0 || wait > c->deadline - now))
        wait = c->deadline - now; /* > 0 after check_cancel */
    if (c->tick != NULL) {
        int64_t next = c->last_tick + TICK_MS - now; /* > 0 after check_cancel */
        if (wait < 0 || wait > next)
            wait = next;
    }
    TRACE(c->trace, WAIT, 0);
    if (poll(fds, 2, (int)wait) < 0 && errno != EINTR)
        return channel_fail(c, MP2ML_ERR_IO);
    if (net_wake_raised(&c->wake))
        return channel_fail(c, MP2ML_ERR_CANCELLED);
    return MP2ML_OK;
}

/* Waits until one of the directions that still have something to do may move. */
static mp2ml_status wait_both(struct channel *c, bool writing)
{
    int events = 0;

    if (c->read_failure == MP2ML_OK)
        events |= c->read_want;
    if (writing && c->write_failure == MP2ML_OK)
        events |= c->write_want;
    return channel_wait(c, (short)events);
}

/* Takes a direction's end: a closed one is remembered, all else makes the channel fail. */
static mp2ml_status end_direction(struct channel *c, mp2ml_status *direction, mp2ml_status status)
{
    if (status != MP2ML_ERR_CLOSED)
        return channel_fail(c, status);
    *direction = status;
    return MP2ML_OK;
}

/* For struct iovec, which knows no const. */
static void *unconst(const uint8_t *data)
{
    void *plain;
    memcpy(&plain, &data, sizeof plain);
    return plain;
}

/* Sends from the out-queue and then from *data, at once and without waiting; adds what left to
 * *moved. */
static mp2ml_status write_both(struct channel *c, const uint8_t **data, size_t *n, size_t *moved)
{
    while (net_queue_size(&c->out) + *n > 0 && c->write_failure == MP2ML_OK) {
        const size_t queued = net_queue_size(&c->out);
        struct iovec parts[CHANNEL_PARTS] = {{NULL, 0}, {NULL, 0}}, *part = parts;
        size_t done = 0;
        if (queued > 0)
            *part++ = (struct iovec){unconst(net_queue_front(&c->out)), queued};
        if (*n > 0)
            *part = (struct iovec){unconst(*data), *n};
        mp2ml_status status = c->ops->write_some(c, parts, &done);
        if (status != MP2ML_OK)
            return end_direction(c, &c->write_failure, status);
        if (done == 0)
            break;
        const size_t taken = done < queued ? done : queued;
        if (taken > 0)
            net_queue_drop(&c->out, taken);
        *data += done - taken;
        *n -= done - taken;
        *moved += done;
    }
    return MP2ML_OK;
}

static mp2ml_status write_queue(struct channel *c, size_t *moved)
{
    const uint8_t *nothing = NULL;
    size_t n = 0;
    return write_both(c, &nothing, &n, moved);
}

/* Reads into the in-queue without waiting. */
static mp2ml_status read_queue(struct channel *c, size_t *moved)
{
    size_t done = 0;

    if (c->read_failure != MP2ML_OK)
        return MP2ML_OK;
    if (net_queue_size(&c->in) >= IN_LIMIT)
        return channel_fail(c, MP2ML_ERR_PROTOCOL);
    uint8_t *to = net_queue_reserve(&c->in, READ_BYTES);
    if (to == NULL)
        return channel_fail(c, MP2ML_ERR_MEMORY);
    mp2ml_status status = c->ops->read_some(c, to, READ_BYTES, &done);
    if (status != MP2ML_OK)
        return end_direction(c, &c->read_failure, status);
    net_queue_filled(&c->in, done);
    *moved += done;
    return MP2ML_OK;
}

mp2ml_status channel_enqueue(struct channel *c, const void *data, size_t n)
{
    if (c->failure != MP2ML_OK)
        return c->failure;
    c->stats.bytes_sent += n;
    mp2ml_status status = net_queue_append(&c->out, data, n);
    return status == MP2ML_OK ? MP2ML_OK : channel_fail(c, status);
}

/* Sends n more bytes after the queue; leaves at most `limit` bytes queued. */
static mp2ml_status pump_out(struct channel *c, const uint8_t *data, size_t n, size_t limit)
{
    for (;;) {
        size_t moved = 0;
        TRY(write_both(c, &data, &n, &moved));
        if (c->write_failure != MP2ML_OK)
            return channel_fail(c, c->write_failure);
        if (n == 0 && net_queue_size(&c->out) == 0)
            return MP2ML_OK;
        if (moved == 0) {
            /* The peer may be waiting for us to read before it reads itself. */
            TRY(read_queue(c, &moved));
            if (n <= limit && net_queue_size(&c->out) <= limit - n) {
                mp2ml_status status = net_queue_append(&c->out, data, n);
                return status == MP2ML_OK ? MP2ML_OK : channel_fail(c, status);
            }
        }
        if (moved == 0)
            TRY(wait_both(c, true));
        else
            TRY(moved_on(c));
    }
}

mp2ml_status channel_send(struct channel *c, const void *data, size_t n)
{
    TRACE(c->trace, SEND, n);
    TRY(channel_enter(c));
    c->stats.bytes_sent += n;
    return pump_out(c, data, n, OUT_LIMIT);
}

mp2ml_status channel_flush(struct channel *c)
{
    TRACE(c->trace, SEND, 0);
    TRY(channel_enter(c));
    return pump_out(c, NULL, 0, 0);
}

/* Hands over what is in the in-queue. */
static void take_queued(struct channel *c, uint8_t **data, size_t *n)
{
    size_t take = net_queue_size(&c->in);

    if (take > *n)
        take = *n;
    if (take == 0)
        return;
    memcpy(*data, net_queue_front(&c->in), take);
    net_queue_drop(&c->in, take);
    *data += take;
    *n -= take;
}

/* Reads towards n > 0 bytes when the in-queue is empty: large ones straight to where they go. */
static mp2ml_status read_towards(struct channel *c, uint8_t **data, size_t *n, size_t *moved)
{
    size_t done = 0;

    if (*n < DIRECT_BYTES || c->read_failure != MP2ML_OK)
        return read_queue(c, moved);
    mp2ml_status status = c->ops->read_some(c, *data, *n, &done);
    if (status != MP2ML_OK)
        return end_direction(c, &c->read_failure, status);
    *data += done;
    *n -= done;
    *moved += done;
    return MP2ML_OK;
}

mp2ml_status channel_recv(struct channel *c, void *data, size_t n)
{
    uint8_t *at = data;
    size_t left = n;
    size_t moved = 0;

    TRACE(c->trace, RECEIVE, n);
    TRY(channel_enter(c));
    TRY(write_queue(c, &moved));
    for (;;) {
        take_queued(c, &at, &left);
        if (left == 0)
            break;
        moved = 0;
        TRY(read_towards(c, &at, &left, &moved));
        TRY(write_queue(c, &moved));
        if (moved == 0 && c->read_failure != MP2ML_OK)
            return channel_fail(c, c->read_failure);
        if (moved == 0)
            TRY(wait_both(c, net_queue_size(&c->out) > 0));
        else
            TRY(moved_on(c));
    }
    c->stats.bytes_received += n;
    return MP2ML_OK;
}

bool channel_is_quiet(struct channel *c)
{
    size_t moved = 0;
    if (channel_enter(c) != MP2ML_OK || net_queue_size(&c->out) > 0 || net_queue_size(&c->in) > 0)
        return false;
    if (read_queue(c, &moved) != MP2ML_OK) /* the next call says so */
        return false;
    return moved == 0 && c->read_failure == MP2ML_OK;
}

void channel_push(struct channel *c)
{
    size_t moved = 0;

    if (c->failure != MP2ML_OK || c->owner != getpid())
        return;
    mp2ml_status status = write_queue(c, &moved);
    (void)status; /* the next call will say so */
}

void channel_close(struct channel *c)
{
    if (c->fd < 0)
        return;
    channel_push(c);
    if (c->owner == getpid())
        c->ops->close(c);
    close(c->fd);
    c->fd = -1;
    if (c->shaped != NULL && c->owner == getpid())
        channel_shaped_close(c->shaped);
    channel_fail(c, MP2ML_ERR_CLOSED);
}

void channel_free(struct channel *c)
{
    if (c == NULL)
        return;
    channel_close(c);
    channel_shaped_free(c->shaped, c->owner == getpid());
    net_wake_close(&c->wake);
    net_queue_wipe(&c->out);
    net_queue_wipe(&c->in);
    free(c);
}
