/* SPDX-License-Identifier: Apache-2.0
 *
 * Connecting over TCP: every address of the host in turn, again and again until the time is up. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/channel_internal.h"
#include "net/net_socket.h"

#define TICK_MS 100
#define FIRST_PAUSE_MS 50 /* between rounds; doubles up to LAST_PAUSE_MS */
#define LAST_PAUSE_MS 400
#define LEAST_TRY_MS 250 /* an address that does not answer gets no less while there is time */

struct attempt {
    int64_t deadline;
    channel_tick tick;
    void *tick_context;
    char reason[NET_REASON_TEXT]; /* why the last try failed */
    double seconds;               /* that the connection which came about took */
};

static void set_reason(struct attempt *a, const char *text)
{
    snprintf(a->reason, sizeof a->reason, "%s", text);
}

/* Waits for fd (or just waits when fd < 0) until `until`, ticking. *ready: the event came. */
static mp2ml_status wait_ticking(struct attempt *a, int fd, short events, int64_t until,
                                 bool *ready)
{
    *ready = false;
    for (;;) {
        struct pollfd one = {fd, events, 0};
        if (a->tick != NULL && a->tick(a->tick_context) != 0)
            return MP2ML_ERR_CANCELLED;
        int64_t wait = until - net_socket_clock_ms();
        if (wait < 0)
            wait = 0; /* still looks once */
        if (a->tick != NULL && wait > TICK_MS)
            wait = TICK_MS;
        int got = poll(&one, 1, (int)wait);
        if (got < 0 && errno != EINTR)
            return MP2ML_ERR_IO;
        if (got > 0) {
            *ready = true;
            return MP2ML_OK;
        }
        if (wait == 0)
            return MP2ML_OK;
    }
}

/* While nobody listens on a port of the range for outgoing connections, the kernel may pick that
 * very port as ours and join the socket with itself. */
static bool joined_with_itself(int fd)
{
    struct sockaddr_storage here;
    struct sockaddr_storage there;
    socklen_t here_size = sizeof here;
    socklen_t there_size = sizeof there;

    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    void *here_plain = &here;
    void *there_plain = &there;
    return getsockname(fd, here_plain, &here_size) == 0 &&
           getpeername(fd, there_plain, &there_size) == 0 && here_size == there_size &&
           memcmp(&here, &there, here_size) == 0;
}

/* After the connection was begun: *error gets its outcome as an errno value. */
static mp2ml_status finish_connect(struct attempt *a, int fd, int64_t until, int *error)
{
    socklen_t size = sizeof *error;
    bool ready;

    TRY(wait_ticking(a, fd, POLLOUT, until, &ready));
    if (!ready)
        *error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &size) != 0)
        *error = errno;
    return MP2ML_OK;
}

static double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One address, until `until`. *fd stays -1 when it does not answer. */
static mp2ml_status try_address(struct attempt *a, const struct addrinfo *at, int64_t until,
                                int *fd)
{
    int s = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
    int error = 0;
    mp2ml_status status = MP2ML_OK;
    const double begun = clock_seconds();

    if (s < 0 || !net_socket_prepare(s))
        error = errno;
    else if (connect(s, at->ai_addr, at->ai_addrlen) != 0)
        error = errno;
    /* An interrupted connect goes on in the background like one that would wait. */
    if (error == EINPROGRESS || error == EINTR)
        status = finish_connect(a, s, until, &error);
    if (status == MP2ML_OK && error == 0 && joined_with_itself(s))
        error = ECONNREFUSED;
    if (status == MP2ML_OK && error == 0) {
        *fd = s;
        a->seconds = clock_seconds() - begun;
        return MP2ML_OK;
    }
    if (s >= 0)
        close(s);
    net_socket_reason(error, a->reason);
    return status;
}

/* Every address once; an address that does not answer leaves time for the others. */
static mp2ml_status try_all(struct attempt *a, const struct addrinfo *list, int *fd)
{
    int left = 0;

    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        left++;
    for (const struct addrinfo *at = list; at != NULL && *fd < 0; at = at->ai_next, left--) {
        int64_t now = net_socket_clock_ms();
        int64_t share = (a->deadline - now) / left;
        int64_t until = now + (share < LEAST_TRY_MS ? LEAST_TRY_MS : share);
        TRY(try_address(a, at, until < a->deadline ? until : a->deadline, fd));
    }
    return MP2ML_OK;
}

/* Looks the name up and tries its addresses. *final: to try again would be useless. */
static mp2ml_status one_round(struct attempt *a, const char *host, const char *port, int *fd,
                              bool *final)
{
    struct addrinfo hints;
    struct addrinfo *list = NULL;

    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    int code = getaddrinfo(host, port, &hints, &list);
    if (code != 0) {
        set_reason(a, gai_strerror(code));
        *final = code != EAI_AGAIN && code != EAI_SYSTEM && code != EAI_MEMORY;
        return MP2ML_OK;
    }
    mp2ml_status status = try_all(a, list, fd);
    freeaddrinfo(list);
    return status;
}

static mp2ml_status connect_until(struct attempt *a, const char *host, const char *port, int *fd)
{
    int64_t pause = FIRST_PAUSE_MS;
    bool final = false;
    bool ready;

    for (;;) {
        TRY(one_round(a, host, port, fd, &final));
        if (*fd >= 0)
            return MP2ML_OK;
        int64_t now = net_socket_clock_ms();
        if (final || now >= a->deadline)
            return MP2ML_ERR_CONNECT;
        int64_t until = now + pause < a->deadline ? now + pause : a->deadline;
        TRY(wait_ticking(a, -1, 0, until, &ready));
        if (until == a->deadline)
            return MP2ML_ERR_CONNECT;
        pause = pause * 2 < LAST_PAUSE_MS ? pause * 2 : LAST_PAUSE_MS;
    }
}

mp2ml_status channel_tcp_connect(struct channel **out, const char *host, uint16_t port,
                                 int timeout_ms, channel_tick tick, void *tick_context,
                                 mp2ml_error *err)
{
    struct attempt a = {net_socket_clock_ms() + timeout_ms, tick, tick_context, "no answer", 0};
    char service[8];
    int fd = -1;

    snprintf(service, sizeof service, "%u", port);
    mp2ml_status status = connect_until(&a, host, service, &fd);
    if (status == MP2ML_OK)
        status = channel_from_socket(out, fd);
    if (status == MP2ML_ERR_CANCELLED)
        return status_fail(err, status, "connecting to %s port %s was cancelled", host, service);
    if (status != MP2ML_OK)
        return status_fail(err, status, "no connection to %s port %s within %d ms: %s", host,
                           service, timeout_ms, a.reason);
    channel_set_tick(*out, tick, tick_context);
    /* On one machine it is the scheduler's time, no link's. */
    (*out)->connect_seconds = channel_is_loopback(*out) ? 0 : a.seconds;
    return MP2ML_OK;
}
