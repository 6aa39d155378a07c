/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that waits for signals. */
#include "stop.h"

#include <string.h>
#include <unistd.h>

static void end_process(void)
{
    static const char line[] = "mp2ml: interrupted\n";
    ssize_t ignored = write(STDERR_FILENO, line, sizeof(line) - 1);
    (void)ignored;
    _exit(APP_FAILED);
}

static void *wait_for_signals(void *context)
{
    struct stop *s = context;
    double first = 0;
    for (;;) {
        int number = 0;
        if (sigwait(&s->signals, &number) != 0)
            continue;
        pthread_mutex_lock(&s->lock);
        if (s->ending) {
            pthread_mutex_unlock(&s->lock);
            return NULL;
        }
        bool again = atomic_exchange(&s->caught, true);
        if (!again)
            first = app_seconds();
        if (!s->fn || (again && app_seconds() - first > 1.0))
            end_process();
        s->fn(s->context);
        pthread_mutex_unlock(&s->lock);
    }
}

int stop_begin(struct stop *s)
{
    struct sigaction old;
    memset(s, 0, sizeof(*s));
    sigemptyset(&s->signals);
    sigaddset(&s->signals, SIGINT);
    sigaddset(&s->signals, SIGTERM);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaddset(&s->signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&s->lock, NULL);
    if (pthread_sigmask(SIG_BLOCK, &s->signals, NULL) != 0 ||
        pthread_create(&s->thread, NULL, wait_for_signals, s) != 0)
        return app_fail("cannot start a thread");
    return APP_DONE;
}

void stop_target(struct stop *s, stop_fn fn, void *context)
{
    pthread_mutex_lock(&s->lock);
    s->fn = fn;
    s->context = context;
    pthread_mutex_unlock(&s->lock);
}

void stop_later(void *context)
{
    (void)context;
}

bool stop_caught(struct stop *s)
{
    return atomic_load(&s->caught);
}

void stop_end(struct stop *s)
{
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    pthread_mutex_unlock(&s->lock);
    pthread_kill(s->thread, SIGTERM);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
}

void stop_undo_in_child(void)
{
    sigset_t all;
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&all);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGHUP);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}
