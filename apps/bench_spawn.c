/* SPDX-License-Identifier: Apache-2.0
 *
 * The server of mp2ml bench: the same executable as a second process, which ends with this one. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "bench_parts.h"

#define STOP_SECONDS 5

/* ---- its command line ---------------------------------------------------------------------- */

static char *flag(const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 4;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "--%s=%s", name, value);
    return text;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* mp2ml serve --port=0 --listen=127.0.0.1 --threads=N (what the link and
 * work ahead ask for; the model's and server's flags) -- MODEL */
static char **server_words(const struct bench *b)
{
    char threads[32], prepared[32], part[sizeof(b->model) + 16];
    size_t n = 0, capacity = b->cli->n_values + 16;
    char **words = calloc(capacity, sizeof(*words));
    if (!words)
        return NULL;
    snprintf(threads, sizeof(threads), "%zu", b->threads);
    words[n++] = strdup("mp2ml");
    words[n++] = strdup("serve");
    words[n++] = flag("port", "0");
    words[n++] = flag("listen", "127.0.0.1");
    words[n++] = flag("reveal", "logits");
    if (b->link)
        words[n++] = flag("network", b->link);
    if (b->prepare > 0) { /* a limit that was given comes behind and holds */
        snprintf(prepared, sizeof(prepared), "%zu", b->prepare);
        words[n++] = flag("max-prepared", prepared);
    }
    for (size_t i = 0; i < b->cli->n_values; i++) {
        const struct cli_value *v = &b->cli->values[i];
        if (v->info && (v->info->users & (MP2ML_FOR_MODEL | MP2ML_FOR_SERVER)))
            words[n++] = flag(v->name, v->value);
    }
    words[n++] = flag("threads", threads);
    if (b->trace) {
        bench_trace_part(b, part, sizeof(part), 0);
        words[n++] = flag("trace", part);
    }
    words[n++] = strdup("--");
    words[n++] = strdup(b->model);
    for (size_t i = 0; i < n; i++)
        if (!words[i]) {
            for (size_t j = 0; j < n; j++)
                free(words[j]);
            free(words);
            return NULL;
        }
    return words;
}

/* ---- starting ------------------------------------------------------------------------------ */

static void become_server(char **words, int out)
{
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    stop_undo_in_child();
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
    execv("/proc/self/exe", words);
    _exit(127);
}

/* Reads what the server says until it listens. */
static int wait_for_port(struct bench *b, int from)
{
    static const char ready[] = "listening on 127.0.0.1:";
    char text[8192];
    size_t n = 0;
    for (;;) {
        ssize_t got = read(from, text + n, sizeof(text) - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
        text[n] = '\0';
        const char *line = strstr(text, ready);
        if (line && strchr(line, '\n')) {
            b->port = (uint16_t)strtoul(line + sizeof(ready) - 1, NULL, 10);
            return APP_DONE;
        }
        if (n > sizeof(text) / 2) { /* keep the end */
            memmove(text, text + n / 2, n - n / 2 + 1);
            n -= n / 2;
        }
    }
    text[n] = '\0';
    if (stop_caught(&b->stop))
        return app_fail("interrupted");
    const char *why = strstr(text, "mp2ml: ");
    if (!why)
        return app_fail("bench: the server ended before it listened");
    why += strlen("mp2ml: ");
    return app_fail("bench: the server: %.*s", (int)strcspn(why, "\n"), why);
}

static void end_server(void *server)
{
    kill(*(pid_t *)server, SIGTERM);
}

int bench_spawn(struct bench *b)
{
    int ends[2];
    char **words = server_words(b);
    if (!words)
        return app_fail("out of memory");
    if (pipe(ends) != 0) {
        free_words(words);
        return app_fail("bench: no pipe: %s", strerror(errno));
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    b->server = fork();
    if (b->server == 0)
        become_server(words, ends[1]);
    int result = APP_FAILED;
    if (b->server < 0)
        app_fail("bench: no second process: %s", strerror(errno));
    close(ends[1]);
    free_words(words);
    if (b->server > 0) {
        stop_target(&b->stop, end_server, &b->server);
        result = wait_for_port(b, ends[0]);
        stop_target(&b->stop, stop_later, NULL); /* progress_call looks at it */
    }
    close(ends[0]); /* the server ignores SIGPIPE; its log ends here */
    return result;
}

void bench_stop_server(struct bench *b)
{
    if (b->server <= 0)
        return;
    const struct timespec pause = {0, 10000000};
    double started = app_seconds();
    kill(b->server, SIGTERM);
    while (waitpid(b->server, NULL, WNOHANG) == 0) {
        if (app_seconds() - started > STOP_SECONDS) {
            kill(b->server, SIGKILL);
            waitpid(b->server, NULL, 0);
            break;
        }
        nanosleep(&pause, NULL);
    }
    b->server = 0;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Not getrusage: its peak begins with that of the process that started this one. */
double bench_peak_memory(pid_t process)
{
    char path[64], line[256];
    double kilobytes = (double)NAN;
    if (process > 0)
        snprintf(path, sizeof(path), "/proc/%ld/status", (long)process);
    else
        snprintf(path, sizeof(path), "/proc/self/status");
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kilobytes = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kilobytes * 1024;
}
