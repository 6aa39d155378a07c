/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of spans and the file. The file always ends with TAIL, over which the next events go. */
#include "base/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CAPACITY ((size_t)1 << 18)
#define TAIL "\n]}\n"

const char *const trace_stage_name[] = {
#define TRACE_STAGE_NAME(stage, name, text) name,
    TRACE_STAGE_MAP(TRACE_STAGE_NAME)
#undef TRACE_STAGE_NAME
};

struct event {
    const char *name;
    uint64_t start, end;
    size_t size;
    int step;
};

struct trace {
    uint64_t count; /* of all events ever; number i stands at i % CAPACITY */
    uint64_t written;
    struct event event[CAPACITY];
};

struct trace_file {
    FILE *file;
    char *path;
    bool empty;
};

/* ---- spans --------------------------------------------------------------------------------- */

mp2ml_status trace_new(struct trace **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

void trace_free(struct trace *t)
{
    free(t);
}

uint64_t trace_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void trace_record(const struct trace_span *span)
{
    struct trace *t = span->trace;
    struct event *e = &t->event[t->count++ % CAPACITY];
    *e = (struct event){span->name, span->start, trace_clock(), span->size, span->step};
}

/* ---- the file ------------------------------------------------------------------------------ */

static mp2ml_status file_failed(const struct trace_file *f, mp2ml_error *err)
{
    return status_fail(err, MP2ML_ERR_IO, "--trace %s: cannot write: %s", f->path, strerror(errno));
}

/* What stands before an event: the separator. */
static const char *next(struct trace_file *f)
{
    const char *text = f->empty ? "\n" : ",\n";
    f->empty = false;
    return text;
}

/* Gives a row its name: a process, or a thread of it. */
static void write_row_name(struct trace_file *f, const char *what, uint64_t thread,
                           const char *name)
{
    fprintf(f->file,
            "%s{\"name\": \"%s\", \"ph\": \"M\", \"pid\": %ld, \"tid\": %" PRIu64
            ", \"args\": {\"name\": \"%s\"}}",
            next(f), what, (long)getpid(), thread, name);
}

static void write_event(struct trace_file *f, const struct event *e, uint64_t connection)
{
    const uint64_t length = e->end - e->start;
    fprintf(f->file,
            "%s{\"name\": \"%s\", \"ph\": \"X\", \"pid\": %ld, \"tid\": %" PRIu64
            ", \"ts\": %" PRIu64 ".%03u, \"dur\": %" PRIu64 ".%03u, \"args\": {\"size\": %zu",
            next(f), e->name, (long)getpid(), connection, e->start / 1000,
            (unsigned)(e->start % 1000), length / 1000, (unsigned)(length % 1000), e->size);
    if (e->step >= 0)
        fprintf(f->file, ", \"step\": %d", e->step);
    fputs("}}", f->file);
}

static mp2ml_status finish(struct trace_file *f, mp2ml_error *err)
{
    fputs(TAIL, f->file);
    if (fflush(f->file) != 0 || ferror(f->file))
        return file_failed(f, err);
    return MP2ML_OK;
}

mp2ml_status trace_file_new(struct trace_file **out, const char *path, const char *party,
                            mp2ml_error *err)
{
    *out = NULL;
    struct trace_file *f = calloc(1, sizeof *f);
    if (f == NULL || (f->path = strdup(path)) == NULL) {
        free(f);
        return MP2ML_ERR_MEMORY;
    }
    f->empty = true;
    f->file = fopen(path, "we");
    mp2ml_status status = MP2ML_OK;
    if (f->file == NULL) {
        status = file_failed(f, err);
    } else {
        fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", f->file);
        write_row_name(f, "process_name", 0, party);
        status = finish(f, err);
    }
    if (status != MP2ML_OK) {
        trace_file_free(f);
        return status;
    }
    *out = f;
    return MP2ML_OK;
}

mp2ml_status trace_file_add(struct trace_file *f, struct trace *t, uint64_t connection,
                            mp2ml_error *err)
{
    char name[96];
    const uint64_t all = t->count - t->written, lost = all > CAPACITY ? all - CAPACITY : 0;
    if (all == 0)
        return MP2ML_OK;
    if (fseek(f->file, -(long)strlen(TAIL), SEEK_END) != 0)
        return file_failed(f, err);
    snprintf(name, sizeof name, "connection %" PRIu64, connection);
    if (lost > 0)
        snprintf(name, sizeof name, "connection %" PRIu64 " (the first %" PRIu64 " spans are lost)",
                 connection, lost);
    write_row_name(f, "thread_name", connection, name);
    for (uint64_t i = t->written + lost; i < t->count; i++)
        write_event(f, &t->event[i % CAPACITY], connection);
    t->written = t->count;
    return finish(f, err);
}

void trace_file_free(struct trace_file *f)
{
    if (f == NULL)
        return;
    if (f->file != NULL)
        (void)fclose(f->file); /* all was flushed */
    free(f->path);
    free(f);
}
