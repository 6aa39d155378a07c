/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces: what scopes record, what a full ring keeps, files that are whole after every call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/trace.h"

#define MANY (((size_t)1 << 18) + 5) /* more than the ring holds */

struct made { /* a trace and its file */
    struct trace *trace;
    struct trace_file *file;
    char path[64];
};

static void make(struct made *m)
{
    int fd;
    snprintf(m->path, sizeof m->path, "/tmp/test_trace_XXXXXX");
    assert_true((fd = mkstemp(m->path)) >= 0);
    close(fd);
    assert_int_equal(trace_new(&m->trace), MP2ML_OK);
    assert_int_equal(trace_file_new(&m->file, m->path, "somebody", NULL), MP2ML_OK);
}

static void unmake(struct made *m)
{
    trace_free(m->trace);
    trace_file_free(m->file);
    unlink(m->path);
}

static char *text_of(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    const size_t length = strlen(part);
    size_t n = 0;
    /* Not strstr, of which AddressSanitizer reads the whole text every time. */
    for (const char *at = text; *at != '\0'; at++)
        n += *at == *part && strncmp(at, part, length) == 0;
    return n;
}

/* Begins and ends as a whole file does; the Python tests parse files of real sessions. */
static void assert_whole(const char *text)
{
    assert_int_equal(strncmp(text, "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n{", 44), 0);
    assert_int_equal(strcmp(text + strlen(text) - 5, "}\n]}\n"), 0);
    assert_int_equal(count_of(text, "]"), 1);
    assert_int_equal(count_of(text, "\n{"), count_of(text, "},\n") + 1);
}

static int part(struct trace *t, size_t i, bool fail)
{
    TRACE(t, ENCRYPT, 100 + i);
    if (fail)
        return 1;
    TRACE_NEXT(PACK, 200 + i);
    TRACE_PAUSE();
    return 0;
}

static int work(struct trace *t, bool fail)
{
    TRACE_NAMED(t, "whole", 3, 8);
    int failed = 0;
    for (size_t i = 0; i < 2 && !failed; i++)
        failed = part(t, i, fail);
    return failed;
}

static void test_scopes(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    assert_int_equal(work(m.trace, false), 0);
    assert_int_equal(work(m.trace, true), 1); /* leaving a scope early ends its spans too */
    assert_int_equal(trace_file_add(m.file, m.trace, 7, NULL), MP2ML_OK);
    char *text = text_of(m.path);
    assert_whole(text);
    assert_int_equal(count_of(text, "\"name\": \"whole\""), 2);
    assert_int_equal(count_of(text, "\"size\": 8, \"step\": 3}"), 2);
    assert_int_equal(count_of(text, "\"name\": \"encrypt\""), 3);
    assert_int_equal(count_of(text, "\"size\": 100}"), 2);
    assert_int_equal(count_of(text, "\"size\": 101}"), 1);
    assert_int_equal(count_of(text, "\"name\": \"pack\""), 2);
    assert_int_equal(count_of(text, "\"ph\": \"X\""), 7);
    assert_int_equal(count_of(text, "\"tid\": 7"), 8);
    assert_int_equal(count_of(text, "\"name\": \"somebody\""), 1);
    free(text);
    unmake(&m);
}

static void test_nothing_without_a_trace(void **state)
{
    (void)state;
    assert_int_equal(work(NULL, false), 0);
    struct trace_span span = trace_open(NULL, "name", 0, 0);
    assert_true(span.start == 0); /* no clock was read */
    trace_next(&span, "next", 0);
    assert_true(span.start == 0);
    trace_close(&span);
}

static void test_times(void **state)
{
    (void)state;
    struct made m;
    double ts = 0, dur = 0;
    make(&m);
    const uint64_t before = trace_clock();
    {
        TRACE(m.trace, WAIT, 0);
        usleep(3000);
    }
    const uint64_t after = trace_clock();
    assert_int_equal(trace_file_add(m.file, m.trace, 1, NULL), MP2ML_OK);
    char *text = text_of(m.path);
    const char *at = strstr(text, "\"ts\": ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"ts\": %lf, \"dur\": %lf", &ts, &dur), 2);
    assert_true(ts >= (double)before / 1e3 - 0.01 && ts + dur <= (double)after / 1e3 + 0.01);
    assert_true(dur >= 3000);
    free(text);
    unmake(&m);
}

static void test_full_ring_keeps_the_newest(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    for (size_t i = 0; i < MANY; i++) {
        TRACE(m.trace, SEND, i);
    }
    assert_int_equal(trace_file_add(m.file, m.trace, 1, NULL), MP2ML_OK);
    char *text = text_of(m.path);
    assert_whole(text);
    assert_int_equal(count_of(text, "\"ph\": \"X\""), MANY - 5);
    assert_null(strstr(text, "\"size\": 4}"));
    assert_non_null(strstr(text, "\"size\": 5}"));
    assert_non_null(strstr(text, "the first 5 spans are lost"));
    free(text);
    unmake(&m);
}

static void test_file_grows(void **state)
{
    (void)state;
    struct made m;
    make(&m);
    char *text = text_of(m.path);
    assert_whole(text); /* with nothing in it too */
    free(text);
    for (size_t i = 1; i <= 3; i++) {
        assert_int_equal(work(m.trace, false), 0);
        assert_int_equal(trace_file_add(m.file, m.trace, i, NULL), MP2ML_OK);
        assert_int_equal(trace_file_add(m.file, m.trace, i, NULL), MP2ML_OK); /* nothing new */
        text = text_of(m.path);
        assert_whole(text);
        assert_int_equal(count_of(text, "\"name\": \"whole\""), i);
        free(text);
    }
    unmake(&m);
}

static void test_no_such_place(void **state)
{
    (void)state;
    struct trace_file *f = NULL;
    mp2ml_error error = {MP2ML_OK, ""};
    assert_int_equal(trace_file_new(&f, "/no/such/folder/t.json", "x", &error), MP2ML_ERR_IO);
    assert_null(f);
    assert_non_null(strstr(error.text, "--trace /no/such/folder/t.json"));
    assert_int_equal(trace_file_new(&f, "/dev/full", "x", &error), MP2ML_ERR_IO);
    assert_null(f);
    assert_non_null(strstr(error.text, "/dev/full"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),     cmocka_unit_test(test_nothing_without_a_trace),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_full_ring_keeps_the_newest),
        cmocka_unit_test(test_file_grows), cmocka_unit_test(test_no_such_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
