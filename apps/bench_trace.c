/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml bench --trace: each connection of either party writes a trace of its own; here they become
 * one file with a row for each party, and a table of where the time went. A line of a trace is one
 * event, as written by src/base/trace.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_parts.h"

#define MAX_LINE 512
#define MAX_NAMES 64
#define MAX_DEPTH 32
#define PARTIES 2

static const char *const parties[PARTIES] = {"server", "client"};

struct span {
    size_t party, name, row;
    double start, length; /* microseconds */
};

struct trace_table {
    char names[MAX_NAMES][32];
    size_t n_names;
    long process[PARTIES]; /* 0: not seen */
    struct span *spans;
    size_t n_spans, capacity;
    double own[MAX_NAMES][PARTIES]; /* inside of blocks, without what is nested */
    double all[PARTIES];            /* blocks */
};

/* ---- parts --------------------------------------------------------------------------------- */

void bench_trace_part(const struct bench *b, char *path, size_t size, size_t part)
{
    snprintf(path, size, "%s.part%zu", b->trace, part);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool number_of(const char *line, const char *key, double *out)
{
    char *end = NULL;
    const char *at = strstr(line, key);
    if (!at)
        return false;
    *out = strtod(at + strlen(key), &end);
    return end != at + strlen(key);
}

/* The number of the name that follows the key; MAX_NAMES when there is none or no room. */
static size_t name_of(struct trace_table *t, const char *line, const char *key)
{
    const char *at = strstr(line, key);
    if (!at)
        return MAX_NAMES;
    at += strlen(key);
    size_t n = strcspn(at, "\""), i = 0;
    if (n >= sizeof(t->names[0]))
        return MAX_NAMES;
    while (i < t->n_names && (strncmp(t->names[i], at, n) != 0 || t->names[i][n] != '\0'))
        i++;
    if (i == t->n_names && i < MAX_NAMES) {
        memcpy(t->names[i], at, n);
        t->names[i][n] = '\0';
        t->n_names++;
    }
    return i;
}

static bool add_span(struct trace_table *t, const char *line)
{
    double process, row;
    struct span s = {.name = name_of(t, line, "\"name\": \"")};
    if (s.name == MAX_NAMES || !number_of(line, "\"pid\": ", &process) ||
        !number_of(line, "\"tid\": ", &row) || !number_of(line, "\"ts\": ", &s.start) ||
        !number_of(line, "\"dur\": ", &s.length))
        return true;
    while (s.party < PARTIES && t->process[s.party] != (long)process)
        s.party++;
    if (s.party == PARTIES)
        return true;
    s.row = (size_t)row;
    if (t->n_spans == t->capacity) {
        size_t capacity = t->capacity * 2 + 4096;
        struct span *spans = realloc(t->spans, capacity * sizeof(*spans));
        if (!spans)
            return false;
        t->spans = spans;
        t->capacity = capacity;
    }
    t->spans[t->n_spans++] = s;
    return true;
}

static void add_party(struct trace_table *t, const char *line)
{
    double process = 0;
    number_of(line, "\"pid\": ", &process);
    for (size_t i = 0; i < PARTIES; i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"name\": \"%s\"}", parties[i]);
        if (strstr(line, text))
            t->process[i] = (long)process;
    }
}

/* Copies the events of one part, adds them to the table and removes the part. */
static bool take_part(struct trace_table *t, FILE *out, const char *path, bool *first)
{
    char line[MAX_LINE];
    bool good = true;
    FILE *in = fopen(path, "r");
    if (!in)
        return errno == ENOENT;
    while (good && fgets(line, sizeof(line), in)) {
        size_t n = strcspn(line, "\n");
        if (strncmp(line, "{\"name\"", 7) != 0)
            continue;
        n -= line[n - 1] == ',';
        fprintf(out, "%s%.*s", *first ? "\n" : ",\n", (int)n, line);
        *first = false;
        if (strstr(line, "\"process_name\""))
            add_party(t, line);
        else
            good = add_span(t, line);
    }
    fclose(in);
    unlink(path);
    return good;
}

/* ---- the table ----------------------------------------------------------------------------- */

static int in_order(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->party != y->party)
        return x->party < y->party ? -1 : 1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    if (x->start < y->start || x->start > y->start)
        return x->start < y->start ? -1 : 1;
    return (x->length < y->length) - (x->length > y->length);
}

/* Gives each span inside of a block its time to its name and takes it from the span around it. */
static void sum_up(struct trace_table *t)
{
    const struct span *around[MAX_DEPTH];
    size_t depth = 0, block = name_of(t, "\"block\"", "\"");
    qsort(t->spans, t->n_spans, sizeof(*t->spans), in_order);
    for (size_t i = 0; i < t->n_spans; i++) {
        const struct span *s = &t->spans[i];
        while (depth > 0 &&
               (around[depth - 1]->party != s->party || around[depth - 1]->row != s->row ||
                around[depth - 1]->start + around[depth - 1]->length <= s->start))
            depth--;
        if (depth == 0 && s->name != block)
            continue;
        if (depth == 0)
            t->all[s->party] += s->length;
        else
            t->own[around[depth - 1]->name][s->party] -= s->length;
        t->own[s->name][s->party] += s->length;
        if (depth < MAX_DEPTH)
            around[depth++] = s;
    }
}

static double larger_share(const struct trace_table *t, size_t name)
{
    double most = -1;
    for (size_t p = 0; p < PARTIES; p++)
        if (t->all[p] > 0 && t->own[name][p] / t->all[p] > most)
            most = t->own[name][p] / t->all[p];
    return most;
}

static void print_table(const struct bench *b, struct trace_table *t)
{
    bool shown[MAX_NAMES] = {false};
    printf("\nwhere the time of all runs went, by the trace %s (open it at ui.perfetto.dev)\n",
           b->trace);
    printf("%-16s %10s %8s %10s %8s\n", "stage", "server s", "share", "client s", "share");
    for (;;) {
        size_t best = MAX_NAMES;
        for (size_t i = 0; i < t->n_names; i++)
            if (!shown[i] && larger_share(t, i) > 0 &&
                (best == MAX_NAMES || larger_share(t, i) > larger_share(t, best)))
                best = i;
        if (best == MAX_NAMES)
            break;
        shown[best] = true;
        printf("%-16s", t->names[best]);
        for (size_t p = 0; p < PARTIES; p++)
            printf(" %10.3f %6.1f %%", 1e-6 * t->own[best][p],
                   t->all[p] > 0 ? 100 * t->own[best][p] / t->all[p] : 0);
        printf("\n");
    }
    printf("%-16s %10.3f %8s %10.3f\n", "all", 1e-6 * t->all[0], "", 1e-6 * t->all[1]);
}

int bench_trace_end(const struct bench *b)
{
    struct trace_table *t = calloc(1, sizeof(*t));
    FILE *out = fopen(b->trace, "w");
    bool first = true, good = t && out;
    char path[sizeof(b->model) + 16];
    if (good)
        fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", out);
    for (size_t part = 0; good && part <= b->n_batches; part++) {
        bench_trace_part(b, path, sizeof(path), part);
        good = take_part(t, out, path, &first);
    }
    if (out) {
        fputs("\n]}\n", out);
        good = good && !ferror(out);
        good = fclose(out) == 0 && good;
    }
    if (good && !b->json) {
        sum_up(t);
        print_table(b, t);
    }
    if (t)
        free(t->spans);
    free(t);
    return good ? APP_DONE : app_fail("--trace %s: cannot write: %s", b->trace, strerror(errno));
}
