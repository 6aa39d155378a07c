/* SPDX-License-Identifier: Apache-2.0
 *
 * Channels: pairs, sockets, connecting. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/channel.h"

#define MIB ((size_t)1 << 20)

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A byte stream that shows swapped, lost and doubled bytes. */
static void fill(uint8_t *data, size_t n, size_t offset, uint8_t seed)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = offset + i;
        data[i] = (uint8_t)(at * 31 + (at >> 8) * 17 + (at >> 16) * 5 + seed);
    }
}

struct duplex {
    struct channel *c;
    size_t total;
    size_t send_piece;
    size_t recv_piece;
    uint8_t out_seed;
    uint8_t in_seed;
    mp2ml_status status;
    bool equal;
};

/* Sends everything first, then receives everything: deadlocks where sends wait for the peer. */
static void *run_duplex(void *context)
{
    struct duplex *d = context;
    uint8_t *out = malloc(d->total);
    uint8_t *in = malloc(d->total);
    uint8_t *expected = malloc(d->total);

    fill(out, d->total, 0, d->out_seed);
    fill(expected, d->total, 0, d->in_seed);
    d->status = MP2ML_OK;
    for (size_t at = 0; at < d->total && d->status == MP2ML_OK; at += d->send_piece) {
        size_t n = d->total - at < d->send_piece ? d->total - at : d->send_piece;
        d->status = channel_send(d->c, out + at, n);
    }
    for (size_t at = 0; at < d->total && d->status == MP2ML_OK; at += d->recv_piece) {
        size_t n = d->total - at < d->recv_piece ? d->total - at : d->recv_piece;
        d->status = channel_recv(d->c, in + at, n);
    }
    if (d->status == MP2ML_OK)
        d->status = channel_flush(d->c);
    d->equal = memcmp(in, expected, d->total) == 0;
    free(out);
    free(in);
    free(expected);
    return NULL;
}

static void check_duplex(struct channel *a, struct channel *b, size_t total, size_t send_piece,
                         size_t recv_piece)
{
    struct duplex first = {a, total, send_piece, recv_piece, 1, 2, MP2ML_OK, false};
    struct duplex second = {b, total, recv_piece, send_piece, 2, 1, MP2ML_OK, false};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run_duplex, &first), 0);
    run_duplex(&second);
    pthread_join(thread, NULL);
    assert_int_equal(first.status, MP2ML_OK);
    assert_int_equal(second.status, MP2ML_OK);
    assert_true(first.equal);
    assert_true(second.equal);
    assert_int_equal(channel_stats(a).bytes_sent, total);
    assert_int_equal(channel_stats(a).bytes_received, total);
    assert_int_equal(channel_stats(b).bytes_sent, total);
    assert_int_equal(channel_stats(b).bytes_received, total);
}

static void new_pair(struct channel **a, struct channel **b)
{
    assert_int_equal(channel_pair(a, b), MP2ML_OK);
    channel_set_timeout(*a, 20000);
    channel_set_timeout(*b, 20000);
}

static void both_send_64_mib(void **state)
{
    struct channel *a;
    struct channel *b;

    (void)state;
    new_pair(&a, &b);
    assert_true(channel_is_loopback(a));
    check_duplex(a, b, 64 * MIB, 64 * MIB, 64 * MIB);
    channel_free(a);
    channel_free(b);
}

static void odd_pieces(void **state)
{
    static const size_t pieces[][2] = {{1, 7}, {4099, 300}, {100000, 16383}, {16384, 16385}};
    struct channel *a;
    struct channel *b;

    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        new_pair(&a, &b);
        check_duplex(a, b, i == 0 ? 100003 : 3 * MIB + 11, pieces[i][0], pieces[i][1]);
        channel_free(a);
        channel_free(b);
    }
}

/* In one thread: what fits into the queue needs no reader. */
static void send_without_reader(void **state)
{
    struct channel *a;
    struct channel *b;
    uint8_t *out = malloc(8 * MIB);
    uint8_t *in = malloc(8 * MIB);

    (void)state;
    new_pair(&a, &b);
    fill(out, 8 * MIB, 0, 9);
    assert_int_equal(channel_send(a, out, 8 * MIB), MP2ML_OK);
    assert_int_equal(channel_recv(b, in, 1000), MP2ML_OK);
    assert_memory_equal(in, out, 1000);
    assert_int_equal(channel_send(b, out, 1000), MP2ML_OK);
    /* Nobody reads: as soon as kernel and queue are full, the time limit ends a send. */
    mp2ml_status status = MP2ML_OK;
    int64_t cpu = 0;
    channel_set_timeout(a, 300);
    for (int i = 0; i < 16 && status == MP2ML_OK; i++) {
        cpu = cpu_ms();
        status = channel_send(a, out, 8 * MIB);
    }
    assert_int_equal(status, MP2ML_ERR_TIMEOUT);
    assert_in_range(cpu_ms() - cpu, 0, 150); /* it slept, though the other direction was ready */
    channel_free(a);
    channel_free(b);
    free(out);
    free(in);
}

/* Bytes that trickle in one at a time. */
static void *trickle(void *context)
{
    int fd = *(int *)context;

    for (int i = 0; i < 40; i++) {
        uint8_t byte = (uint8_t)i;
        if (write(fd, &byte, 1) != 1)
            break;
        sleep_ms(1);
    }
    return NULL;
}

static void short_reads(void **state)
{
    int fds[2];
    struct channel *c;
    pthread_t thread;
    uint8_t in[40];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(channel_from_socket(&c, fds[0]), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, trickle, &fds[1]), 0);
    for (size_t at = 0; at < 40; at += 20)
        assert_int_equal(channel_recv(c, in + at, 20), MP2ML_OK);
    for (int i = 0; i < 40; i++)
        assert_int_equal(in[i], i);
    pthread_join(thread, NULL);
    channel_free(c);
    close(fds[1]);
}

static void peer_vanishes(void **state)
{
    struct channel *a;
    struct channel *b;
    uint8_t *data = calloc(1, 32 * MIB);

    (void)state;
    /* In the middle of what we receive. What came before is still there. */
    new_pair(&a, &b);
    assert_int_equal(channel_send(a, "0123456789", 10), MP2ML_OK);
    channel_free(a);
    assert_int_equal(channel_recv(b, data, 4), MP2ML_OK);
    assert_memory_equal(data, "0123", 4);
    assert_int_equal(channel_recv(b, data, 7), MP2ML_ERR_CLOSED);
    /* A failed channel stays failed. */
    assert_int_equal(channel_recv(b, data, 1), MP2ML_ERR_CLOSED);
    assert_int_equal(channel_send(b, data, 1), MP2ML_ERR_CLOSED);
    channel_cancel(b);
    assert_int_equal(channel_flush(b), MP2ML_ERR_CLOSED);
    channel_free(b);
    /* In the middle of what we send; no SIGPIPE. */
    new_pair(&a, &b);
    channel_free(a);
    assert_int_equal(channel_send(b, data, 32 * MIB), MP2ML_ERR_CLOSED);
    channel_free(b);
    free(data);
}

/* The peer's last words are delivered though our own bytes can no longer leave. */
static void last_words(void **state)
{
    struct channel *a;
    struct channel *b;
    int fds[2];
    uint8_t *data = calloc(1, 8 * MIB);

    (void)state;
    /* Not channel_pair, whose kernel buffers may be as large as the message. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(channel_from_socket(&a, fds[0]), MP2ML_OK);
    assert_int_equal(channel_from_socket(&b, fds[1]), MP2ML_OK);
    assert_int_equal(channel_send(b, data, 8 * MIB), MP2ML_OK); /* most of it stays queued */
    assert_int_equal(channel_send(a, "farewell", 8), MP2ML_OK);
    channel_free(a);
    assert_int_equal(channel_recv(b, data, 8), MP2ML_OK);
    assert_memory_equal(data, "farewell", 8);
    assert_int_equal(channel_flush(b), MP2ML_ERR_CLOSED);
    channel_free(b);
    free(data);
}

static void timeouts(void **state)
{
    struct channel *a;
    struct channel *b;
    uint8_t byte;

    (void)state;
    new_pair(&a, &b);
    channel_set_timeout(a, 120);
    int64_t start = now_ms();
    int64_t cpu = cpu_ms();
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_TIMEOUT);
    int64_t waited = now_ms() - start;
    assert_in_range(waited, 110, 5000);
    assert_in_range(cpu_ms() - cpu, 0, 60); /* it slept */
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_TIMEOUT);
    channel_free(a);
    channel_free(b);
}

/* Quiet is neither a byte that has arrived, nor an end, nor one that cancels. */
static void quiet(void **state)
{
    (void)state;
    struct channel *a, *b;
    uint8_t byte = 7, got = 0;
    new_pair(&a, &b);
    assert_true(channel_is_quiet(a));
    assert_int_equal(channel_send(b, &byte, 1), MP2ML_OK);
    assert_int_equal(channel_flush(b), MP2ML_OK);
    assert_false(channel_is_quiet(a));
    assert_false(channel_is_quiet(a)); /* it is still there */
    assert_true(channel_is_quiet(b));
    assert_int_equal(channel_recv(a, &got, 1), MP2ML_OK);
    assert_int_equal(got, byte);
    assert_true(channel_is_quiet(a));
    channel_cancel(b);
    assert_false(channel_is_quiet(b));
    assert_int_equal(channel_recv(b, &got, 1), MP2ML_ERR_CANCELLED);
    channel_free(b);
    assert_false(channel_is_quiet(a));
    assert_int_equal(channel_recv(a, &got, 1), MP2ML_ERR_CLOSED);
    assert_false(channel_is_quiet(a));
    channel_free(a);
}

static void *cancel_later(void *context)
{
    sleep_ms(50);
    channel_cancel(context);
    return NULL;
}

static void cancel(void **state)
{
    struct channel *a;
    struct channel *b;
    pthread_t thread;
    uint8_t byte;

    (void)state;
    new_pair(&a, &b);
    channel_set_timeout(a, 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, a), 0);
    int64_t start = now_ms();
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_CANCELLED);
    assert_in_range(now_ms() - start, 40, 5000);
    pthread_join(thread, NULL);
    /* Before a call: the next one sees it, even one that would not wait. */
    channel_cancel(b);
    assert_int_equal(channel_send(b, "x", 1), MP2ML_ERR_CANCELLED);
    channel_free(a);
    channel_free(b);
}

static int count_ticks(void *context)
{
    int *left = context;

    return --*left <= 0;
}

static void tick(void **state)
{
    struct channel *a;
    struct channel *b;
    uint8_t byte;
    int left = 4;

    (void)state;
    new_pair(&a, &b);
    channel_set_tick(a, count_ticks, &left);
    int64_t start = now_ms();
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_CANCELLED);
    assert_int_equal(left, 0);
    assert_in_range(now_ms() - start, 150, 5000);
    channel_free(a);
    channel_free(b);
}

static struct channel *signalled;
static void on_alarm(int number)
{
    (void)number;
    channel_cancel(signalled);
}

/* Signals interrupt poll() without effect, until one cancels. */
static void signals(void **state)
{
    struct channel *a;
    struct channel *b;
    struct sigaction action;
    struct sigaction before;
    timer_t timer;
    uint8_t byte;

    (void)state;
    new_pair(&a, &b);
    signalled = a;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, &before);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
    struct itimerspec when = {{0, 0}, {0, 30000000}};
    timer_settime(timer, 0, &when, NULL);
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_CANCELLED);
    timer_delete(timer);
    sigaction(SIGALRM, &before, NULL);
    channel_free(a);
    channel_free(b);
}

/* A TCP socket on 127.0.0.1 with a port of its own; listening if asked to. */
static int local_socket(uint16_t *port, bool listening)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (void *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (void *)&at, &size), 0);
    if (listening)
        assert_int_equal(listen(fd, 4), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void connect_refused(void **state)
{
    struct channel *c = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    uint16_t port;
    char number[8];
    int fd = local_socket(&port, false); /* bound, so that nobody else listens there */

    (void)state;
    int64_t start = now_ms();
    int64_t cpu = cpu_ms();
    mp2ml_status status = channel_tcp_connect(&c, "127.0.0.1", port, 400, NULL, NULL, &err);
    assert_int_equal(status, MP2ML_ERR_CONNECT);
    assert_int_equal(err.status, MP2ML_ERR_CONNECT);
    assert_in_range(now_ms() - start, 390, 5000);
    assert_in_range(cpu_ms() - cpu, 0, 200);
    snprintf(number, sizeof number, "%u", port);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_non_null(strstr(err.text, number));
    assert_non_null(strstr(err.text, "refused"));
    assert_null(c);
    close(fd);
}

static void connect_cancelled(void **state)
{
    struct channel *c = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    uint16_t port;
    int left = 3;
    int fd = local_socket(&port, false);

    (void)state;
    assert_int_equal(channel_tcp_connect(&c, "127.0.0.1", port, 10000, count_ticks, &left, &err),
                     MP2ML_ERR_CANCELLED);
    assert_int_equal(err.status, MP2ML_ERR_CANCELLED);
    assert_null(c);
    close(fd);
}

static void connect_bad_host(void **state)
{
    struct channel *c = NULL;
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(channel_tcp_connect(&c, "999.1.2.3.invalid", 1, 300, NULL, NULL, &err),
                     MP2ML_ERR_CONNECT);
    assert_non_null(strstr(err.text, "999.1.2.3.invalid"));
}

static void *listen_later(void *context)
{
    sleep_ms(250);
    listen(*(int *)context, 4);
    return NULL;
}

/* The server starts after the client; then the duplex test over TCP. */
static void connect_retries(void **state)
{
    struct channel *a = NULL;
    struct channel *b = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    uint16_t port;
    pthread_t thread;
    int fd = local_socket(&port, false);

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, listen_later, &fd), 0);
    assert_int_equal(channel_tcp_connect(&a, "127.0.0.1", port, 10000, NULL, NULL, &err), MP2ML_OK);
    pthread_join(thread, NULL);
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(channel_from_socket(&b, accepted), MP2ML_OK);
    assert_true(channel_is_loopback(a));
    assert_true(channel_is_loopback(b));
    check_duplex(a, b, 48 * MIB + 5, 48 * MIB, 5 * MIB);
    channel_free(a);
    channel_free(b);
    close(fd);
}

/* A reset is a closed connection, not an I/O error. */
static void reset_is_closed(void **state)
{
    struct channel *a = NULL;
    uint16_t port;
    uint8_t byte;
    struct linger hard = {1, 0};
    int fd = local_socket(&port, true);

    (void)state;
    assert_int_equal(channel_tcp_connect(&a, "127.0.0.1", port, 1000, NULL, NULL, NULL), MP2ML_OK);
    int accepted = accept(fd, NULL, NULL);
    setsockopt(accepted, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(accepted);
    assert_int_equal(channel_recv(a, &byte, 1), MP2ML_ERR_CLOSED);
    channel_free(a);
    close(fd);
}

static void bad_socket(void **state)
{
    struct channel *c = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(channel_from_socket(&c, fd), MP2ML_ERR_IO); /* not connected */
    assert_int_equal(close(fd), -1);                             /* taken all the same */
    assert_int_equal(errno, EBADF);
    channel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_send_64_mib),
        cmocka_unit_test(odd_pieces),
        cmocka_unit_test(send_without_reader),
        cmocka_unit_test(short_reads),
        cmocka_unit_test(peer_vanishes),
        cmocka_unit_test(last_words),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(cancel),
        cmocka_unit_test(quiet),
        cmocka_unit_test(tick),
        cmocka_unit_test(signals),
        cmocka_unit_test(connect_refused),
        cmocka_unit_test(connect_cancelled),
        cmocka_unit_test(connect_bad_host),
        cmocka_unit_test(connect_retries),
        cmocka_unit_test(reset_is_closed),
        cmocka_unit_test(bad_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
