/* SPDX-License-Identifier: Apache-2.0
 *
 * net: bytes between the two parties. A *channel* is a reliable stream of bytes in both directions
 * that counts what it carries; a *link* on top of it is the strict framing of the protocol. A
 * *flight* is a maximal run of frames in one direction, as this party sees it.
 *
 * Read in this order: channel.h, frame.h, listener.h, tls.h. */
#ifndef NET_NET_H
#define NET_NET_H

#include "net/channel.h"
#include "net/frame.h"
#include "net/listener.h"
#include "net/tls.h"

#endif
