/* SPDX-License-Identifier: Apache-2.0
 *
 * A listening TCP socket. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/channel.h"

struct listener;

/* Listens on address:port (port 0 = any free one). The error names both and says "in use" where it
 * is. */
MUST_CHECK mp2ml_status listener_new(struct listener **out, const char *address, uint16_t port,
                                     mp2ml_error *err);
void listener_free(struct listener *l);
uint16_t listener_port(const struct listener *l);
bool listener_is_loopback(const struct listener *l);
/* Waits for a connection; ERR_CANCELLED after listener_stop. `peer` gets "address:port". */
MUST_CHECK mp2ml_status listener_accept(struct listener *l, struct channel **out, char peer[64]);
/* Ends current and later waits. Async-signal-safe. */
void listener_stop(struct listener *l);

#endif
