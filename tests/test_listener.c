/* SPDX-License-Identifier: Apache-2.0
 *
 * Listening sockets. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "net/listener.h"

static void serve_two(void **state)
{
    struct listener *l;
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(listener_new(&l, "127.0.0.1", 0, &err), MP2ML_OK);
    assert_int_not_equal(listener_port(l), 0);
    assert_true(listener_is_loopback(l));
    for (int i = 0; i < 2; i++) {
        struct channel *client;
        struct channel *server;
        char peer[64] = "";
        char in[6] = "";
        assert_int_equal(
            channel_tcp_connect(&client, "localhost", listener_port(l), 2000, NULL, NULL, &err),
            MP2ML_OK);
        assert_int_equal(listener_accept(l, &server, peer), MP2ML_OK);
        assert_memory_equal(peer, "127.0.0.1:", 10);
        assert_true(channel_is_loopback(server));
        assert_true(channel_connect_seconds(client) <= 0); /* the scheduler's time is no link's */
        assert_int_equal(channel_send(client, "hello", 5), MP2ML_OK);
        assert_int_equal(channel_recv(server, in, 5), MP2ML_OK);
        assert_string_equal(in, "hello");
        channel_free(client);
        channel_free(server);
    }
    listener_free(l);
}

static void in_use(void **state)
{
    struct listener *l;
    struct listener *second = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    char number[8];

    (void)state;
    assert_int_equal(listener_new(&l, "127.0.0.1", 0, NULL), MP2ML_OK);
    assert_int_equal(listener_new(&second, "127.0.0.1", listener_port(l), &err), MP2ML_ERR_IO);
    assert_null(second);
    snprintf(number, sizeof number, "%u", listener_port(l));
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_non_null(strstr(err.text, number));
    assert_non_null(strstr(err.text, "in use"));
    /* Free again at once, although a connection of it was closed by this side first. */
    struct channel *client;
    struct channel *server;
    char peer[64];
    uint16_t port = listener_port(l);
    assert_int_equal(channel_tcp_connect(&client, "127.0.0.1", port, 2000, NULL, NULL, &err),
                     MP2ML_OK);
    assert_int_equal(listener_accept(l, &server, peer), MP2ML_OK);
    channel_free(server);
    channel_free(client);
    listener_free(l);
    assert_int_equal(listener_new(&second, "127.0.0.1", port, &err), MP2ML_OK);
    listener_free(second);
}

static void bad_address(void **state)
{
    struct listener *l = NULL;
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(listener_new(&l, "not an address", 0, &err), MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "not an address"));
    assert_int_equal(listener_new(&l, "192.0.2.1", 0, &err), MP2ML_ERR_IO); /* not ours */
    assert_non_null(strstr(err.text, "192.0.2.1"));
    assert_null(l);
    listener_free(NULL);
}

static void any_address(void **state)
{
    struct listener *l;

    (void)state;
    assert_int_equal(listener_new(&l, "0.0.0.0", 0, NULL), MP2ML_OK);
    assert_false(listener_is_loopback(l));
    listener_free(l);
}

static void *stop_later(void *context)
{
    struct timespec t = {0, 50000000};

    nanosleep(&t, NULL);
    listener_stop(context);
    return NULL;
}

static void stop(void **state)
{
    struct listener *l;
    struct channel *c = NULL;
    char peer[64];
    pthread_t thread;

    (void)state;
    assert_int_equal(listener_new(&l, "127.0.0.1", 0, NULL), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, stop_later, l), 0);
    assert_int_equal(listener_accept(l, &c, peer), MP2ML_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_int_equal(listener_accept(l, &c, peer), MP2ML_ERR_CANCELLED);
    assert_null(c);
    listener_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serve_two),   cmocka_unit_test(in_use), cmocka_unit_test(bad_address),
        cmocka_unit_test(any_address), cmocka_unit_test(stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
