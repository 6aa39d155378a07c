/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulated link under a channel. The channel gets one end of a pair of sockets ("near"); a thread
 * moves bytes between the other end and the real socket ("far"), each direction through a queue
 * that delays them (net_delay.h). A thread, since a real network goes on while a party computes.
 *
 * An end of the stream travels like a byte behind all others. A real socket that fails looks like a
 * peer that closed. The thread only shuts sockets down; their descriptors are closed by
 * channel_shaped_free, so that a forked child can do the same. */
#define _GNU_SOURCE /* ppoll */
#include "net/channel_shaped.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "net/channel_internal.h"
#include "net/net_delay.h"
#include "net/net_socket.h"

#define PAIR_BUFFER (4 << 20) /* the kernel may give less */
#define LINGER_NS 2000000000  /* after channel_close, for what is on its way */
/* A long sleep ends late, since the processor sleeps as well; so the last bit is a sleep apart. */
#define NEAR_NS 150000
#define NAP_NS 50000000 /* while connecting, between looks at channel_cancel */

struct way { /* one direction */
    struct net_delay queue;
    int from, to;
    bool ended;     /* nothing more comes from `from` */
    bool blocked;   /* `to` took less than had arrived */
    bool passed;    /* the end was passed on, or `to` is gone: nothing is left to do */
    int64_t end_at; /* when the end arrives */
};

struct shaped {
    struct network network;
    int near, far;
    struct way out, in; /* near to far, far to near */
    struct net_wake stop;
    int64_t stopped; /* when the thread saw it; 0: not yet */
    pthread_t thread;
};

static int64_t clock_ns(void)
{
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- one direction ------------------------------------------------------------------------- */

static bool wants_input(const struct way *w)
{
    size_t room;

    if (w->ended || w->passed)
        return false;
    (void)net_delay_room(&w->queue, &room);
    return room > 0;
}

static void way_read(struct way *w, int64_t now)
{
    size_t room;
    uint8_t *to = net_delay_room(&w->queue, &room);
    const ssize_t got = recv(w->from, to, room, MSG_DONTWAIT);

    if (got > 0) {
        net_delay_enter(&w->queue, (size_t)got, now);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        w->ended = true;
        w->end_at = net_delay_arrival(&w->queue, now);
    }
}

/* `to` takes nothing any more: whoever sends there shall learn it. */
static void way_break(struct way *w)
{
    w->passed = true;
    w->blocked = false;
    shutdown(w->from, SHUT_RD);
}

static void way_write(struct way *w, int64_t now)
{
    size_t n;

    w->blocked = false;
    while (!w->passed) {
        const uint8_t *data = net_delay_arrived(&w->queue, now, &n);
        if (n == 0)
            break;
        const ssize_t sent = send(w->to, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            net_delay_drop(&w->queue, (size_t)sent);
        } else if (errno == EAGAIN) {
            w->blocked = true;
            return;
        } else if (errno != EINTR) {
            way_break(w);
        }
    }
    if (!w->passed && w->ended && w->queue.size == 0 && now >= w->end_at) {
        w->passed = true;
        shutdown(w->to, SHUT_WR);
    }
}

static int64_t way_next(const struct way *w)
{
    if (w->passed || w->blocked)
        return NET_DELAY_NEVER;
    if (w->queue.size == 0 && w->ended)
        return w->end_at;
    return net_delay_next(&w->queue);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void wait_for_events(struct shaped *s, struct pollfd fds[3], int64_t now)
{
    int64_t next = way_next(&s->out), in = way_next(&s->in);
    struct timespec wait;

    if (in < next)
        next = in;
    if (s->stopped != 0 && s->stopped + LINGER_NS < next)
        next = s->stopped + LINGER_NS;
    int64_t ns = next > now ? next - now : 0;
    if (ns > 2 * NEAR_NS)
        ns -= NEAR_NS;
    wait.tv_sec = (time_t)(ns / 1000000000);
    wait.tv_nsec = (long)(ns % 1000000000);
    const int near = (wants_input(&s->out) ? POLLIN : 0) | (s->in.blocked ? POLLOUT : 0);
    const int far = (wants_input(&s->in) ? POLLIN : 0) | (s->out.blocked ? POLLOUT : 0);
    /* A descriptor without a wish stays out: its POLLHUP would end every wait. */
    fds[0] = (struct pollfd){near != 0 ? s->near : -1, (short)near, 0};
    fds[1] = (struct pollfd){far != 0 ? s->far : -1, (short)far, 0};
    fds[2] = (struct pollfd){s->stopped == 0 ? s->stop.fd : -1, POLLIN, 0};
    if (ppoll(fds, 3, next == NET_DELAY_NEVER ? NULL : &wait, NULL) < 0)
        fds[0].revents = fds[1].revents = 0;
}

/* Nobody takes what comes from far any more; what goes there is worth a while. */
static bool over(struct shaped *s, int64_t now)
{
    if (s->stopped == 0 && net_wake_raised(&s->stop)) {
        s->stopped = now;
        s->in.passed = true;
        s->in.blocked = false;
    }
    if (s->stopped == 0)
        return false;
    if (now >= s->stopped + LINGER_NS)
        way_write(&s->out, NET_DELAY_NEVER - 1); /* what the socket takes at once */
    return s->out.passed || now >= s->stopped + LINGER_NS;
}

/* As socket_close does, for the same reason. */
static void hang_up(int fd)
{
    uint8_t junk[4096];
    int rounds = 256;

    shutdown(fd, SHUT_WR);
    while (rounds-- > 0 && recv(fd, junk, sizeof junk, MSG_DONTWAIT) > 0)
        ;
    shutdown(fd, SHUT_RD);
}

static void *run_link(void *context)
{
    struct shaped *s = context;
    struct pollfd fds[3];

#ifdef __linux__
    prctl(PR_SET_TIMERSLACK,
          1); /* ns, of this thread; the usual 50 us would be added to each way */
#endif
    for (int64_t now = clock_ns(); !over(s, now);) {
        wait_for_events(s, fds, now);
        now = clock_ns();
        if (fds[0].revents != 0 && wants_input(&s->out))
            way_read(&s->out, now);
        if (fds[1].revents != 0 && wants_input(&s->in))
            way_read(&s->in, now);
        way_write(&s->out, now);
        way_write(&s->in, now);
    }
    hang_up(s->far);
    return NULL;
}

/* Signals are for the threads of the program. */
static bool start_thread(struct shaped *s)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&s->thread, NULL, run_link, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

/* ---- from outside -------------------------------------------------------------------------- */

const struct network *channel_shaped_network(const struct shaped *s)
{
    return &s->network;
}

void channel_shaped_close(struct shaped *s)
{
    net_wake_raise(&s->stop);
}

static void discard(struct shaped *s)
{
    net_delay_wipe(&s->out.queue);
    net_delay_wipe(&s->in.queue);
    net_wake_close(&s->stop);
    if (s->near >= 0)
        close(s->near);
    free(s);
}

void channel_shaped_free(struct shaped *s, bool owner)
{
    if (s == NULL)
        return;
    if (owner)
        pthread_join(s->thread, NULL);
    close(s->far);
    discard(s);
}

/* TCP's SYN and its answer, before which nothing can be sent. */
static mp2ml_status wait_round_trip(struct channel *c, double seconds)
{
    const int64_t until = clock_ns() + (int64_t)(seconds * 1e9);

    for (;;) {
        TRY(channel_enter(c));
        const int64_t left = until - clock_ns();
        if (left <= 0)
            return MP2ML_OK;
        const struct timespec nap = {0, left < NAP_NS ? (long)left : NAP_NS};
        nanosleep(&nap, NULL);
    }
}

/* Everything but the thread. *near: the channel's new descriptor. */
static mp2ml_status new_link(struct shaped **out, const struct network *network, int *near)
{
    struct shaped *s = calloc(1, sizeof *s);
    int ends[2], bytes = PAIR_BUFFER;

    if (s == NULL)
        return MP2ML_ERR_MEMORY;
    s->network = *network;
    s->near = -1;
    s->stop.fd = -1;
    mp2ml_status status = net_delay_init(&s->out.queue, network);
    if (status == MP2ML_OK)
        status = net_delay_init(&s->in.queue, network);
    if (status == MP2ML_OK)
        status = net_wake_init(&s->stop);
    if (status == MP2ML_OK && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        status = MP2ML_ERR_IO;
    if (status != MP2ML_OK) {
        discard(s);
        return status;
    }
    s->near = ends[0];
    for (int i = 0; i < 2 && status == MP2ML_OK; i++) {
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        if (!net_socket_prepare(ends[i]))
            status = MP2ML_ERR_IO;
    }
    if (status != MP2ML_OK) {
        close(ends[1]);
        discard(s);
        return status;
    }
    *near = ends[1];
    *out = s;
    return MP2ML_OK;
}

mp2ml_status channel_shape(struct channel *c, const struct network *network)
{
    struct shaped *s = NULL;
    int near = -1;

    assert(c->ops == &channel_socket_ops && c->shaped == NULL);
    assert(net_queue_size(&c->in) == 0 && net_queue_size(&c->out) == 0);
    if (!(network->rtt_s > 0) && isinf(network->bits_per_second))
        return MP2ML_OK;
    TRY(wait_round_trip(c, network->rtt_s));
    c->connect_seconds += network->rtt_s;
    mp2ml_status status = new_link(&s, network, &near);
    if (status != MP2ML_OK)
        return channel_fail(c, status);
    s->far = c->fd;
    s->out.from = s->in.to = s->near;
    s->out.to = s->in.from = s->far;
    if (!start_thread(s)) {
        close(near);
        discard(s);
        return channel_fail(c, MP2ML_ERR_MEMORY);
    }
    c->fd = near;
    c->shaped = s;
    return MP2ML_OK;
}

const struct network *channel_simulated(const struct channel *c)
{
    return c->shaped != NULL ? channel_shaped_network(c->shaped) : NULL;
}
