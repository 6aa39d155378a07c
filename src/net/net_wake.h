/* SPDX-License-Identifier: Apache-2.0
 *
 * A flag that another thread or a signal handler raises and that poll() can wait for. Once raised
 * it stays so. */
#ifndef NET_WAKE_H
#define NET_WAKE_H

#include <stdatomic.h>

#include "base/status.h"

struct net_wake {
    int fd; /* readable when raised */
    atomic_int raised;
};

MUST_CHECK mp2ml_status net_wake_init(struct net_wake *w);
void net_wake_close(struct net_wake *w);
/* Async-signal-safe; keeps errno. */
void net_wake_raise(struct net_wake *w);
static inline bool net_wake_raised(struct net_wake *w)
{
    return atomic_load(&w->raised) != 0;
}

#endif
