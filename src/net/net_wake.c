/* SPDX-License-Identifier: Apache-2.0
 *
 * The wake flag over an eventfd. The atomic is set before the eventfd, so whoever is woken sees
 * it. */
#include "net/net_wake.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

mp2ml_status net_wake_init(struct net_wake *w)
{
    atomic_init(&w->raised, 0);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->fd < 0 ? MP2ML_ERR_IO : MP2ML_OK;
}

void net_wake_close(struct net_wake *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void net_wake_raise(struct net_wake *w)
{
    int saved = errno;
    uint64_t one = 1;

    atomic_store(&w->raised, 1);
    /* It can only fail when the counter is full, which means that it is readable already. */
    ssize_t written = write(w->fd, &one, sizeof one);
    (void)written;
    errno = saved;
}
