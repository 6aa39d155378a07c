/* SPDX-License-Identifier: Apache-2.0
 *
 * A listening TCP socket. */
#include "net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_socket.h"
#include "net/net_wake.h"

#define BACKLOG 128
#define PAUSE_MS 100 /* when the process has no descriptor or memory left for a connection */

struct listener {
    int fd;
    uint16_t port;
    bool loopback;
    struct net_wake wake;
};

/* One address: a listening socket, or -1 and errno. */
static int listen_at(const struct addrinfo *at)
{
    int one = 1;
    int fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);

    if (fd < 0)
        return -1;
    /* A port whose last connections are only fading away is free; one with a listener is not. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (net_socket_prepare(fd) && bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* The first address of the name that works. */
static mp2ml_status listen_on(const char *address, uint16_t port, int *fd, mp2ml_error *err)
{
    struct addrinfo hints;
    struct addrinfo *list = NULL;
    char service[8];
    char reason[NET_REASON_TEXT];
    int error = 0;

    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE;
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(address, service, &hints, &list);
    if (code != 0)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "cannot listen on %s: %s", address,
                           gai_strerror(code));
    *fd = -1;
    for (const struct addrinfo *at = list; at != NULL && *fd < 0; at = at->ai_next) {
        *fd = listen_at(at);
        if (*fd < 0 && error == 0)
            error = errno;
    }
    freeaddrinfo(list);
    if (*fd >= 0)
        return MP2ML_OK;
    if (error == EADDRINUSE)
        return status_fail(err, MP2ML_ERR_IO, "%s port %s is in use by another program", address,
                           service);
    return status_fail(err, MP2ML_ERR_IO, "cannot listen on %s port %s: %s", address, service,
                       net_socket_reason(error, reason));
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (address->ss_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return ntohs(v4.sin_port);
    }
    memcpy(&v6, address, sizeof v6);
    return ntohs(v6.sin6_port);
}

mp2ml_status listener_new(struct listener **out, const char *address, uint16_t port,
                          mp2ml_error *err)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    struct listener *l = calloc(1, sizeof *l);

    if (l == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "no memory for a listening socket");
    mp2ml_status status = listen_on(address, port, &l->fd, err);
    if (status != MP2ML_OK) {
        free(l);
        return status;
    }
    memset(&bound, 0, sizeof bound);
    void *plain = &bound;
    if (getsockname(l->fd, plain, &size) != 0 || net_wake_init(&l->wake) != MP2ML_OK) {
        close(l->fd);
        free(l);
        return status_fail(err, MP2ML_ERR_IO, "cannot listen on %s port %u", address, port);
    }
    l->port = port_of(&bound);
    l->loopback = net_socket_is_loopback(&bound);
    *out = l;
    return MP2ML_OK;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    net_wake_close(&l->wake);
    free(l);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

bool listener_is_loopback(const struct listener *l)
{
    return l->loopback;
}

void listener_stop(struct listener *l)
{
    net_wake_raise(&l->wake);
}

/* Waits for a connection, or just `ms` when connecting is false; ERR_CANCELLED when stopped. */
static mp2ml_status wait_stop(struct listener *l, bool connecting, int ms)
{
    struct pollfd fds[2] = {{l->wake.fd, POLLIN, 0}, {l->fd, POLLIN, 0}};

    if (net_wake_raised(&l->wake))
        return MP2ML_ERR_CANCELLED;
    if (poll(fds, connecting ? 2 : 1, ms) < 0 && errno != EINTR)
        return MP2ML_ERR_IO;
    return net_wake_raised(&l->wake) ? MP2ML_ERR_CANCELLED : MP2ML_OK;
}

mp2ml_status listener_accept(struct listener *l, struct channel **out, char peer[64])
{
    struct sockaddr_storage address;
    socklen_t size;
    void *plain = &address;

    for (;;) {
        TRY(wait_stop(l, true, -1));
        memset(&address, 0, sizeof address);
        size = sizeof address;
        int fd = accept(l->fd, plain, &size);
        if (fd >= 0) {
            net_socket_text(&address, size, peer);
            /* A peer that is gone already is no reason to stop listening. */
            mp2ml_status status = channel_from_socket(out, fd);
            if (status == MP2ML_OK || status == MP2ML_ERR_MEMORY)
                return status;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            TRY(wait_stop(l, false, PAUSE_MS));
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            return MP2ML_ERR_IO;
        }
    }
}
