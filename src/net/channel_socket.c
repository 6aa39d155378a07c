/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels over a plain stream socket. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/channel_internal.h"
#include "net/net_socket.h"

static mp2ml_status socket_read_some(struct channel *c, uint8_t *data, size_t n, size_t *done)
{
    ssize_t got;

    *done = 0;
    do {
        got = recv(c->fd, data, n, 0);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return MP2ML_ERR_CLOSED;
    if (got > 0)
        *done = (size_t)got;
    else if (errno != EAGAIN)
        return net_socket_status(errno);
    return MP2ML_OK;
}

static mp2ml_status socket_write_some(struct channel *c, const struct iovec *parts, size_t *done)
{
    struct iovec copy[CHANNEL_PARTS]; /* the system takes them without const */
    struct msghdr message;
    ssize_t sent;

    *done = 0;
    memcpy(copy, parts, sizeof copy);
    memset(&message, 0, sizeof message);
    message.msg_iov = copy;
    message.msg_iovlen = CHANNEL_PARTS;
    do {
        sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent > 0)
        *done = (size_t)sent;
    else if (sent < 0 && errno != EAGAIN)
        return net_socket_status(errno);
    return MP2ML_OK;
}

/* To close a TCP socket that holds unread bytes resets the connection, and the peer may then lose
 * what we sent last (an ABORT). So our direction ends first and what has arrived is dropped. */
static void socket_close(struct channel *c)
{
    uint8_t junk[4096];
    int rounds = 256;

    shutdown(c->fd, SHUT_WR);
    while (rounds-- > 0 && recv(c->fd, junk, sizeof junk, 0) > 0)
        ;
}

const struct channel_ops channel_socket_ops = {socket_read_some, socket_write_some, socket_close};

mp2ml_status channel_from_socket(struct channel **out, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int one = 1;

    memset(&address, 0, sizeof address);
    void *plain = &address;
    if (getpeername(fd, plain, &size) != 0 || !net_socket_prepare(fd)) {
        close(fd);
        return MP2ML_ERR_IO;
    }
    /* No SO_SNDBUF and SO_RCVBUF for TCP: they would switch off the kernel's own growth of the
     * buffers, which goes further than an ordinary process may ask for. */
    if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    return channel_make(out, fd, net_socket_is_loopback(&address));
}
