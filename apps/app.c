/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages, numbers, addresses and files for all subcommands. */
#include "app.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- messages ------------------------------------------------------------------------------ */

/* One write, so that lines of several threads or processes do not mix. */
static void print_line(const char *head, const char *fmt, va_list args, const char *tail)
{
    char text[1400], line[2048];
    vsnprintf(text, sizeof(text), fmt, args);
    snprintf(line, sizeof(line), "%s%s%s", head, text, tail);
    for (char *c = line; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
    fflush(stdout);
    fprintf(stderr, "%s\n", line);
}

int app_fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_line("mp2ml: ", fmt, args, "");
    va_end(args);
    return APP_FAILED;
}

int app_fail_error(const mp2ml_error *error)
{
    return app_fail("%s", error->text[0] ? error->text : mp2ml_status_text(error->status));
}

int app_usage(const char *command, const char *fmt, ...)
{
    char head[64], tail[96];
    const char *space = command ? " " : "", *name = command ? command : "";
    snprintf(head, sizeof(head), "mp2ml%s%s: ", space, name);
    snprintf(tail, sizeof(tail), " (see mp2ml%s%s --help)", space, name);
    va_list args;
    va_start(args, fmt);
    print_line(head, fmt, args, tail);
    va_end(args);
    return APP_USAGE;
}

double app_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- text ---------------------------------------------------------------------------------- */

char *app_bytes(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t u = 0;
    while (bytes >= 1000 && u + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1000;
        u++;
    }
    snprintf(text, size, u == 0 ? "%.0f %s" : "%.2f %s", bytes, units[u]);
    return text;
}

char *app_shape(char *text, size_t size, const char *first, const size_t *dims, unsigned rank)
{
    size_t n = (size_t)snprintf(text, size, "(%s", first ? first : "");
    for (unsigned i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%zu", i > 0 || first ? ", " : "", dims[i]);
    if (n < size)
        snprintf(text + n, size - n, "%s)", rank + (first != NULL) == 1 ? "," : "");
    return text;
}

void app_json_string(FILE *f, const char *text)
{
    fputc('"', f);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            fprintf(f, "\\u%04x", (unsigned)(unsigned char)*c);
        else
            fputc(*c, f);
    }
    fputc('"', f);
}

void app_json_number(FILE *f, const char *key, double value)
{
    if (isfinite(value))
        fprintf(f, ", \"%s\": %.15g", key, value); /* gigabytes to the byte */
    else
        fprintf(f, ", \"%s\": null", key);
}

bool app_number(const char *text, size_t low, size_t high, size_t *out)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (!end || *end != '\0' || errno != 0 || v < low || v > high)
        return false;
    *out = (size_t)v;
    return true;
}

/* ---- addresses ----------------------------------------------------------------------------- */

bool app_address(const char *text, char *host, size_t host_size, uint16_t *port)
{
    const char *begin = text, *end = text + strlen(text), *after = end;
    const char *colon = strchr(text, ':');
    size_t number = APP_DEFAULT_PORT;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        begin = text + 1;
        after = end + 1;
    } else if (colon && !strchr(colon + 1, ':')) { /* two colons: a bare V6 address */
        end = after = colon;
    }
    if (*after == ':' && !app_number(after + 1, 1, 65535, &number))
        return false;
    size_t n = (size_t)(end - begin);
    if (n == 0 || n >= host_size)
        return false;
    memcpy(host, begin, n);
    host[n] = '\0';
    *port = (uint16_t)number;
    return true;
}

char *app_address_text(char *text, size_t size, const char *host, uint16_t port)
{
    snprintf(text, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    return text;
}

/* ---- files --------------------------------------------------------------------------------- */

int app_write_file(const char *path, const char *text)
{
    size_t size = strlen(path) + 32;
    char *temporary = malloc(size);
    if (!temporary)
        return app_fail("%s: out of memory", path);
    snprintf(temporary, size, "%s.%ld.part", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = f && fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fd) == 0;
    if (f && fclose(f) != 0)
        good = false;
    good = good && rename(temporary, path) == 0;
    int result = good ? APP_DONE : app_fail("%s: cannot write: %s", path, strerror(errno));
    if (!good && fd >= 0)
        unlink(temporary);
    free(temporary);
    return result;
}

bool app_own_folder(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    slash[1] = '\0';
    return true;
}
