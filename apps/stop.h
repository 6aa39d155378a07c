/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctrl-C and SIGTERM without handlers and without globals: the signals are blocked in all threads
 * and one thread waits for them. */
#ifndef APPS_STOP_H
#define APPS_STOP_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "app.h"

typedef void (*stop_fn)(void *context);

struct stop {
    pthread_t thread;
    pthread_mutex_t lock; /* fn, context, ending */
    sigset_t signals;
    stop_fn fn;
    void *context;
    bool ending;
    atomic_bool caught;
};

/* Before any other thread exists. Blocks SIGINT, SIGTERM, SIGHUP (unless ignored) and ignores
 * SIGPIPE. Until stop_target is called a signal ends the process at once. APP_DONE or APP_FAILED.
 */
int stop_begin(struct stop *s);
/* From now on a signal calls fn(context), in the waiting thread; NULL: it ends the process. A
 * second signal, more than a second later, ends the process in any case. */
void stop_target(struct stop *s, stop_fn fn, void *context);
/* A target that does nothing: for phases that look at stop_caught or must not be interrupted. */
void stop_later(void *context);
bool stop_caught(struct stop *s);
void stop_end(struct stop *s);
/* In a child between fork and exec: signals as they were at first. */
void stop_undo_in_child(void);

#endif
