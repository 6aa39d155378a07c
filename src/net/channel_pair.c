/* SPDX-License-Identifier: Apache-2.0
 *
 * Two channels in one process, joined by a pair of Unix sockets. */
#include <sys/socket.h>
#include <unistd.h>

#include "net/channel_internal.h"
#include "net/net_socket.h"

#define PAIR_BUFFER (4 << 20) /* the kernel may give less */

mp2ml_status channel_pair(struct channel **a, struct channel **b)
{
    int fds[2];
    int bytes = PAIR_BUFFER;
    struct channel *first;
    struct channel *second;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return MP2ML_ERR_IO;
    for (int i = 0; i < 2; i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    if (!net_socket_prepare(fds[0]) || !net_socket_prepare(fds[1])) {
        close(fds[0]);
        close(fds[1]);
        return MP2ML_ERR_IO;
    }
    mp2ml_status status = channel_make(&first, fds[0], true);
    if (status != MP2ML_OK) {
        close(fds[1]);
        return status;
    }
    status = channel_make(&second, fds[1], true);
    if (status != MP2ML_OK) {
        channel_free(first);
        return status;
    }
    *a = first;
    *b = second;
    return MP2ML_OK;
}
