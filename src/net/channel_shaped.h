/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulated link of a channel; for the files of this folder only. */
#ifndef NET_CHANNEL_SHAPED_H
#define NET_CHANNEL_SHAPED_H

#include "base/network.h"

struct shaped;

const struct network *channel_shaped_network(const struct shaped *s);
/* After the channel's descriptor was closed: what is on its way still arrives, by its times. */
void channel_shaped_close(struct shaped *s);
/* Waits for that, at most two seconds; in a forked child only gives up the descriptors. NULL is
 * accepted. */
void channel_shaped_free(struct shaped *s, bool owner);

#endif
