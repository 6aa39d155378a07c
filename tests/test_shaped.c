/* SPDX-License-Identifier: Apache-2.0
 *
 * Simulated links: delay and rate as told (and a check that others would be noticed), content, ends.
 * A link may be late on a busy machine, so medians and least times are compared; it is never early. */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/channel.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define ROUNDS 7
#define RTT_SLACK 300e-6 /* s */
#define TRIES 10         /* of what another program on the machine may have delayed */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) ||                               \
    __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FAST_SLACK                                                                                 \
    0.5 /* s: there, gigabits a second are more than the channels themselves manage */
#else
#define FAST_SLACK 5e-3
#endif

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_s(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
}

static uint8_t *bytes_of(size_t n, unsigned seed)
{
    uint8_t *data = malloc(n);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + (i >> 16) * 5 + seed);
    return data;
}

/* c[0] is behind the link. */
static void shaped_pair(struct channel *c[2], const char *link)
{
    struct network network;
    assert_int_equal(network_parse(&network, link, "link", NULL), MP2ML_OK);
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    assert_int_equal(channel_shape(c[0], &network), MP2ML_OK);
    for (int i = 0; i < 2; i++)
        channel_set_timeout(c[i], 20000);
}

static void free_pair(struct channel *c[2])
{
    channel_free(c[0]);
    channel_free(c[1]);
}

/* ---- what a thread at the other end does --------------------------------------------------- */

struct task {
    struct channel *c;
    const uint8_t *out;
    uint8_t *in;
    size_t send, recv, pieces; /* bytes; of each piece */
    mp2ml_status status;
    double done; /* when */
};

/* `pieces` times: receives, then sends. */
static void *answer(void *context)
{
    struct task *t = context;
    t->status = MP2ML_OK;
    for (size_t i = 0; i < t->pieces && t->status == MP2ML_OK; i++) {
        if (t->recv > 0)
            t->status = channel_recv(t->c, t->in + i * t->recv, t->recv);
        if (t->status == MP2ML_OK && t->send > 0)
            t->status = channel_send(t->c, t->out + i * t->send, t->send);
    }
    if (t->status == MP2ML_OK)
        t->status = channel_flush(t->c);
    t->done = now_s();
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- delay and rate ------------------------------------------------------------------------ */

/* Median seconds of a byte and its answer. */
static double median_round_trip(const char *link)
{
    struct channel *c[2];
    uint8_t in[ROUNDS], out[ROUNDS] = {0}, byte = 7;
    double times[ROUNDS];
    pthread_t thread;

    shaped_pair(c, link);
    struct task t = {.c = c[1], .in = in, .out = out, .recv = 1, .send = 1, .pieces = ROUNDS};
    assert_int_equal(pthread_create(&thread, NULL, answer, &t), 0);
    for (int i = 0; i < ROUNDS; i++) {
        const double start = now_s();
        assert_int_equal(channel_send(c[0], &byte, 1), MP2ML_OK);
        assert_int_equal(channel_recv(c[0], &byte, 1), MP2ML_OK);
        times[i] = now_s() - start;
    }
    pthread_join(thread, NULL);
    assert_int_equal(t.status, MP2ML_OK);
    free_pair(c);
    qsort(times, ROUNDS, sizeof times[0], compare);
    return times[ROUNDS / 2];
}

/* Seconds until n bytes are there, from one end (0 or 1) to the other. */
static double transfer(const char *link, size_t n, int from)
{
    struct channel *c[2];
    pthread_t thread;
    uint8_t *data = bytes_of(n, 3), *in = calloc(1, n);

    shaped_pair(c, link);
    struct task t = {.c = c[1 - from], .in = in, .recv = n, .pieces = 1};
    assert_int_equal(pthread_create(&thread, NULL, answer, &t), 0);
    const double start = now_s();
    assert_int_equal(channel_send(c[from], data, n), MP2ML_OK);
    assert_int_equal(channel_flush(c[from]), MP2ML_OK);
    pthread_join(thread, NULL);
    assert_int_equal(t.status, MP2ML_OK);
    assert_memory_equal(in, data, n);
    free_pair(c);
    free(data);
    free(in);
    return t.done - start;
}

/* Never early, and late by at most 5 % and `slack` seconds. */
static bool agrees(double measured, double expected, double slack)
{
    return measured >= expected * 0.9999 && measured <= expected * 1.05 + slack;
}

/* Whether one of some measurements agrees, and none is early. */
static bool round_trip_agrees(const char *link, double expected)
{
    double measured = INFINITY;
    for (int i = 0; i < TRIES && !(measured <= expected * 1.05 + RTT_SLACK); i++)
        measured = fmin(measured, median_round_trip(link));
    const bool good = agrees(measured, expected, RTT_SLACK);
    if (!good)
        print_message("%s: measured %.6f s, not %.6f s\n", link, measured, expected);
    return good;
}

static bool transfer_agrees(const char *link, size_t n, int from, double expected, double slack)
{
    double measured = INFINITY;
    for (int i = 0; i < TRIES && !(measured <= expected * 1.05 + slack); i++)
        measured = fmin(measured, transfer(link, n, from));
    const bool good = agrees(measured, expected, slack);
    if (!good)
        print_message("%s: measured %.6f s, not %.6f s\n", link, measured, expected);
    return good;
}

static void round_trips(void **state)
{
    (void)state;
    assert_true(round_trip_agrees("wan", 40e-3));
    assert_true(round_trip_agrees("fibre", 15e-3));
    assert_true(round_trip_agrees("2ms:1gbit", 2e-3));
    assert_true(round_trip_agrees("lan", 0.3e-3));
    assert_true(round_trip_agrees("20ms:8kbit", 22e-3)); /* a byte takes 1 ms each way */
}

static void rates(void **state)
{
    (void)state;
    for (int from = 0; from < 2; from++) {
        const double wan = 20e-3 + 8e6 * 2 / 400e6, cable = 10e-3 + 8 * 262144 / 20e6;
        assert_true(transfer_agrees("wan", 2000000, from, wan, 2e-3));
        assert_true(transfer_agrees("cable", 256 * KIB, from, cable, 2e-3));
        assert_true(transfer_agrees("lan", 16000000, from, 8 * 16e6 / 3e9, FAST_SLACK));
    }
}

/* Without this, the tests above might hold for any link. */
static void others_are_noticed(void **state)
{
    (void)state;
    assert_false(round_trip_agrees("20ms:400mbit", 40e-3));
    assert_false(round_trip_agrees("44ms:400mbit", 40e-3));
    assert_false(round_trip_agrees("1ms:1gbit", 2e-3));
    assert_false(transfer_agrees("40ms:800mbit", 2000000, 0, 20e-3 + 40e-3, 2e-3));
    assert_false(transfer_agrees("40ms:350mbit", 2000000, 1, 20e-3 + 40e-3, 2e-3));
}

static void nothing_to_simulate(void **state)
{
    struct channel *c[2];
    (void)state;
    const double start = now_s();
    shaped_pair(c, "loopback");
    assert_null(channel_simulated(c[0]));
    free_pair(c);
    assert_true(now_s() - start < 0.1);
}

static void connecting(void **state)
{
    struct channel *c[2];
    (void)state;
    const double start = now_s();
    shaped_pair(c, "60ms:100mbit");
    assert_true(now_s() - start >= 60e-3);
    assert_true(channel_is_loopback(c[0]));
    assert_non_null(channel_simulated(c[0]));
    assert_null(channel_simulated(c[1]));
    assert_true(fabs(channel_simulated(c[0])->rtt_s - 60e-3) < 1e-12);
    free_pair(c);
}

/* A party that computes for a while finds what has arrived meanwhile. */
static void link_goes_on(void **state)
{
    const size_t n = 1500 * KIB; /* 31 ms on the wire, 20 ms on its way */
    struct channel *c[2];
    pthread_t thread;
    uint8_t *data = bytes_of(n, 1), *in = malloc(n);
    double best = INFINITY;

    (void)state;
    for (int i = 0; i < TRIES && best > 10e-3; i++) {
        shaped_pair(c, "wan");
        struct task t = {.c = c[1], .out = data, .send = n, .pieces = 1};
        assert_int_equal(pthread_create(&thread, NULL, answer, &t), 0);
        sleep_s(80e-3);
        const double start = now_s();
        assert_int_equal(channel_recv(c[0], in, n), MP2ML_OK);
        best = fmin(best, now_s() - start);
        pthread_join(thread, NULL);
        assert_memory_equal(in, data, n);
        free_pair(c);
    }
    assert_true(best < 10e-3);
    free(data);
    free(in);
}

/* Idle, and with a full link, the simulation leaves the processor to the parties. */
static void processor_time(void **state)
{
    struct channel *c[2];
    (void)state;
    shaped_pair(c, "wan");
    double cpu = cpu_s();
    sleep_s(0.3);
    assert_true(cpu_s() - cpu < 10e-3);
    free_pair(c);
    cpu = cpu_s();
    const double start = now_s();
    transfer("wan", 4000000, 0);
    assert_true(cpu_s() - cpu < 0.5 * (now_s() - start));
}

/* ---- content ------------------------------------------------------------------------------- */

/* Both send all before they receive. */
static void *both_ways(void *context)
{
    struct task *t = context;
    t->status = channel_send(t->c, t->out, t->send);
    if (t->status == MP2ML_OK)
        t->status = channel_recv(t->c, t->in, t->recv);
    if (t->status == MP2ML_OK)
        t->status = channel_flush(t->c);
    t->done = now_s();
    return NULL;
}

static void full_duplex(const char *link, size_t n, double expected, double slack)
{
    struct channel *c[2];
    pthread_t thread;
    uint8_t *data[2] = {bytes_of(n, 1), bytes_of(n, 2)}, *in[2] = {malloc(n), malloc(n)};
    struct task t[2];
    double best = INFINITY;

    for (int i = 0; i < TRIES && !(best <= expected * 1.05 + slack); i++) {
        shaped_pair(c, link);
        for (int p = 0; p < 2; p++)
            t[p] = (struct task){.c = c[p], .out = data[p], .in = in[p], .send = n, .recv = n};
        const double start = now_s();
        assert_int_equal(pthread_create(&thread, NULL, both_ways, &t[1]), 0);
        both_ways(&t[0]);
        pthread_join(thread, NULL);
        for (int p = 0; p < 2; p++) {
            assert_int_equal(t[p].status, MP2ML_OK);
            assert_memory_equal(in[p], data[1 - p], n);
            memset(in[p], 0, n);
        }
        best = fmin(best, fmax(t[0].done, t[1].done) - start);
        free_pair(c);
    }
    assert_true(agrees(best, expected, slack));
    for (int p = 0; p < 2; p++) {
        free(data[p]);
        free(in[p]);
    }
}

static void both_directions(void **state)
{
    (void)state;
    full_duplex("wan", 3000000, 20e-3 + 60e-3, 3e-3);
    /* More than all queues hold: 12 MiB. */
    full_duplex("1ms:1gbit", 12 * MIB, 0.5e-3 + 8.0 * 12 * 1048576 / 1e9, FAST_SLACK);
}

static void tiny_messages(void **state)
{
    enum { COUNT = 20000 };
    struct channel *c[2];
    pthread_t thread;
    uint8_t *data = bytes_of(COUNT, 9), *in = malloc(COUNT);

    (void)state;
    shaped_pair(c, "5ms:100mbit");
    struct task t = {.c = c[1], .in = in, .recv = 1, .pieces = COUNT};
    assert_int_equal(pthread_create(&thread, NULL, answer, &t), 0);
    for (size_t at = 0, n; at < COUNT; at += n) {
        n = at % 3 + 1 < COUNT - at ? at % 3 + 1 : COUNT - at;
        assert_int_equal(channel_send(c[0], data + at, n), MP2ML_OK);
    }
    assert_int_equal(channel_flush(c[0]), MP2ML_OK);
    pthread_join(thread, NULL);
    assert_int_equal(t.status, MP2ML_OK);
    assert_memory_equal(in, data, COUNT);
    free_pair(c);
    free(data);
    free(in);
}

static void large_message(void **state)
{
    (void)state;
    const size_t n = 40 * MIB; /* longer than the ring of 4 MiB and 0.6 MB */
    assert_true(transfer("1ms:10gbit", n, 0) >= 8.0 * (double)n / 10e9);
    assert_true(transfer("1ms:10gbit", n, 1) >= 8.0 * (double)n / 10e9);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static size_t threads(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    for (const struct dirent *e; (e = readdir(folder));)
        n += e->d_name[0] != '.';
    closedir(folder);
    return n;
}

static size_t descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static void nothing_stays(void **state)
{
    struct channel *c[2];
    (void)state;
    const size_t threads_before = threads(), files_before = descriptors();
    for (int i = 0; i < 20; i++) {
        shaped_pair(c, "1ms:1gbit");
        assert_int_equal(threads(), threads_before + 1);
        free_pair(c);
    }
    assert_int_equal(threads(), threads_before);
    assert_int_equal(descriptors(), files_before);
}

/* What was sent before closing arrives, no sooner than it should; then the end. */
static void close_in_flight(int from)
{
    const size_t n = 150 * KIB;
    struct channel *c[2];
    uint8_t *data = bytes_of(n, 4), *in = malloc(n), byte;

    shaped_pair(c, "400ms:10mbit");
    const double start = now_s();
    assert_int_equal(channel_send(c[from], data, n), MP2ML_OK);
    assert_int_equal(channel_flush(c[from]), MP2ML_OK);
    channel_close(c[from]);
    assert_true(now_s() - start < 100e-3); /* does not wait */
    assert_int_equal(channel_recv(c[1 - from], in, n), MP2ML_OK);
    assert_true(now_s() - start >= 200e-3 + 8 * (double)n / 10e6);
    assert_memory_equal(in, data, n);
    assert_int_equal(channel_recv(c[1 - from], &byte, 1), MP2ML_ERR_CLOSED);
    free_pair(c);
    free(data);
    free(in);
}

static void closing(void **state)
{
    struct channel *c[2];
    uint8_t byte;
    (void)state;
    close_in_flight(0);
    close_in_flight(1);
    /* The news of an end travels, too. */
    for (int from = 0; from < 2; from++) {
        shaped_pair(c, "60ms:1gbit");
        const double start = now_s();
        channel_close(c[from]);
        assert_int_equal(channel_recv(c[1 - from], &byte, 1), MP2ML_ERR_CLOSED);
        assert_true(now_s() - start >= 30e-3);
        free_pair(c);
    }
}

/* A sender learns that nobody is there, with a full queue as well. */
static void peer_vanishes(void **state)
{
    uint8_t *data = bytes_of(MIB, 5);
    (void)state;
    for (int from = 0; from < 2; from++) {
        struct channel *c[2];
        mp2ml_status status = MP2ML_OK;
        shaped_pair(c, "5ms:10gbit");
        channel_free(c[1 - from]);
        c[1 - from] = NULL;
        for (int i = 0; i < 100 && status == MP2ML_OK; i++)
            status = channel_send(c[from], data, MIB);
        assert_int_equal(status, MP2ML_ERR_CLOSED);
        free_pair(c);
    }
    free(data);
}

/* The peer's last words are heard even when our own can no longer leave. */
static void last_words(void **state)
{
    struct channel *c[2];
    char in[3];
    (void)state;
    shaped_pair(c, "20ms:1gbit");
    assert_int_equal(channel_send(c[1], "bye", 3), MP2ML_OK);
    channel_free(c[1]);
    c[1] = NULL;
    assert_int_equal(channel_send(c[0], "x", 1), MP2ML_OK);
    assert_int_equal(channel_recv(c[0], in, 3), MP2ML_OK);
    assert_memory_equal(in, "bye", 3);
    assert_int_equal(channel_recv(c[0], in, 1), MP2ML_ERR_CLOSED);
    free_pair(c);
}

/* A slow link holds nobody up for longer than two seconds. */
static void lingering(void **state)
{
    const size_t n = 100 * KIB; /* 8 s */
    struct channel *c[2];
    uint8_t *data = bytes_of(n, 6), *in = malloc(n);
    (void)state;
    shaped_pair(c, "1ms:100kbit");
    assert_int_equal(channel_send(c[0], data, n), MP2ML_OK);
    assert_int_equal(channel_flush(c[0]), MP2ML_OK);
    const double start = now_s();
    channel_free(c[0]);
    c[0] = NULL;
    const double took = now_s() - start;
    assert_true(took > 1.9 && took < 3);
    assert_int_equal(channel_recv(c[1], in, n), MP2ML_OK);
    assert_memory_equal(in, data, n);
    free_pair(c);
    free(data);
    free(in);
}

static int stop_soon(void *context)
{
    int *left = context;
    return --*left <= 0;
}

static void cancelling(void **state)
{
    struct network slow = {2, 1e9};
    struct channel *c[2];
    uint8_t byte;
    int left = 3;
    (void)state;
    shaped_pair(c, "5ms:1gbit");
    channel_set_tick(c[0], stop_soon, &left);
    const double start = now_s();
    assert_int_equal(channel_recv(c[0], &byte, 1), MP2ML_ERR_CANCELLED);
    free_pair(c);
    assert_true(now_s() - start < 2);

    shaped_pair(c, "5ms:1gbit");
    channel_set_timeout(c[0], 50);
    assert_int_equal(channel_recv(c[0], &byte, 1), MP2ML_ERR_TIMEOUT);
    free_pair(c);

    left = 3; /* while connecting */
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    channel_set_tick(c[0], stop_soon, &left);
    const double connect = now_s();
    assert_int_equal(channel_shape(c[0], &slow), MP2ML_ERR_CANCELLED);
    assert_true(now_s() - connect < 1.5);
    assert_int_equal(channel_send(c[0], "x", 1), MP2ML_ERR_CANCELLED);
    free_pair(c);
}

/* A forked child may free its copy; the owner's connection goes on. */
static void forked_child(void **state)
{
    struct channel *c[2];
    uint8_t byte = 0;
    int result = 0;
    (void)state;
    shaped_pair(c, "5ms:1gbit");
    const pid_t child = fork();
    if (child == 0) {
        alarm(5);
        bool good = channel_send(c[0], "x", 1) == MP2ML_ERR_FAILED;
        channel_free(c[0]);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_int_equal(channel_send(c[0], "a", 1), MP2ML_OK);
    assert_int_equal(channel_recv(c[1], &byte, 1), MP2ML_OK);
    assert_int_equal(byte, 'a');
    free_pair(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),        cmocka_unit_test(rates),
        cmocka_unit_test(others_are_noticed), cmocka_unit_test(nothing_to_simulate),
        cmocka_unit_test(connecting),         cmocka_unit_test(link_goes_on),
        cmocka_unit_test(processor_time),     cmocka_unit_test(both_directions),
        cmocka_unit_test(tiny_messages),      cmocka_unit_test(large_message),
        cmocka_unit_test(nothing_stays),      cmocka_unit_test(closing),
        cmocka_unit_test(peer_vanishes),      cmocka_unit_test(last_words),
        cmocka_unit_test(lingering),          cmocka_unit_test(cancelling),
        cmocka_unit_test(forked_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
