/* SPDX-License-Identifier: Apache-2.0
 *
 * Small things that all socket code needs. */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <sys/socket.h>

#include "base/status.h"

#define NET_ADDRESS_TEXT 64
#define NET_REASON_TEXT 128

/* Milliseconds of a clock that never goes back. */
int64_t net_socket_clock_ms(void);
/* Non-blocking, and closed on exec. False on failure. */
bool net_socket_prepare(int fd);
/* 127.0.0.0/8, ::1, the same mapped to IPv6, or a Unix socket. */
bool net_socket_is_loopback(const struct sockaddr_storage *address);
/* "1.2.3.4:5" or "[::1]:5". */
void net_socket_text(const struct sockaddr_storage *address, socklen_t size,
                     char text[NET_ADDRESS_TEXT]);
/* The words for an errno value. */
const char *net_socket_reason(int error, char text[NET_REASON_TEXT]);
/* The status for an errno value of a transfer. */
mp2ml_status net_socket_status(int error);

#endif
