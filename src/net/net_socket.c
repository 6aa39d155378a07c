/* SPDX-License-Identifier: Apache-2.0
 *
 * Small things that all socket code needs. */
#include "net/net_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t net_socket_clock_ms(void)
{
    struct timespec t = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool net_socket_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool net_socket_is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_UNIX)
        return true;
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            return v6.sin6_addr.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    return false;
}

void net_socket_text(const struct sockaddr_storage *address, socklen_t size,
                     char text[NET_ADDRESS_TEXT])
{
    char host[48];
    char port[8];
    struct sockaddr_storage copy = *address;
    void *plain = &copy;

    if (getnameinfo(plain, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, NET_ADDRESS_TEXT, "unknown");
    else if (address->ss_family == AF_INET6)
        snprintf(text, NET_ADDRESS_TEXT, "[%s]:%s", host, port);
    else
        snprintf(text, NET_ADDRESS_TEXT, "%s:%s", host, port);
}

const char *net_socket_reason(int error, char text[NET_REASON_TEXT])
{
    if (strerror_r(error, text, NET_REASON_TEXT) != 0)
        snprintf(text, NET_REASON_TEXT, "error %d", error);
    return text;
}

mp2ml_status net_socket_status(int error)
{
    switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
        return MP2ML_ERR_CLOSED;
    case ETIMEDOUT:
        return MP2ML_ERR_TIMEOUT;
    case ENOMEM:
        return MP2ML_ERR_MEMORY;
    default:
        return MP2ML_ERR_IO;
    }
}
