/* SPDX-License-Identifier: Apache-2.0
 *
 * Links by name or by round trip and rate. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/network.h"

static struct network parsed(const char *text)
{
    struct network network = {-1, -1};
    assert_int_equal(network_parse(&network, text, "network", NULL), MP2ML_OK);
    return network;
}

static void presets(void **state)
{
    struct network network;
    char name[64];
    size_t i = 0;
    (void)state;
    for (const char *preset; (preset = network_preset(i, &network)); i++) {
        const struct network again = parsed(preset);
        assert_memory_equal(&again, &network, sizeof network);
        network_name(&network, name, sizeof name);
        assert_string_equal(name, preset);
    }
    assert_int_equal(i, 5);
}

static void quantities(void **state)
{
    (void)state;
    assert_true(fabs(parsed("250us:1gbit").rtt_s - 250e-6) < 1e-12);
    assert_true(fabs(parsed("1.5s:64kbit").rtt_s - 1.5) < 1e-12);
    assert_true(fabs(parsed("1.5s:64kbit").bits_per_second - 64e3) < 1e-6);
    assert_true(fabs(parsed("0ms:2.5mbit").bits_per_second - 2.5e6) < 1e-6);
}

static void texts(void **state)
{
    const struct {
        const char *link, *name, *text;
    } rows[] = {
        {"wan", "wan", "wan (40 ms, 400 Mbit/s)"},
        {"40ms:400mbit", "wan", "wan (40 ms, 400 Mbit/s)"},
        {"lan", "lan", "lan (0.3 ms, 3000 Mbit/s)"},
        {"7ms:100mbit", "7ms:100mbit", "7 ms, 100 Mbit/s"},
        {"loopback", "loopback", "loopback"},
    };
    char text[96];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct network network = parsed(rows[i].link);
        network_name(&network, text, sizeof text);
        assert_string_equal(text, rows[i].name);
        network_describe(&network, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

static void refused(void **state)
{
    const char *const wrong[] = {"",         "WAN",         "40ms",        "40ms:",
                                 "40:1gbit", "-1ms:1gbit",  "40ms:1gbit ", "61s:1gbit",
                                 "1ms:0bit", "1ms:0.1kbit", "nanms:1gbit", "1ms:infgbit"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct network network;
        mp2ml_error err = {MP2ML_OK, ""};
        assert_int_equal(network_parse(&network, wrong[i], "network", &err), MP2ML_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "--network"));
        assert_non_null(strstr(err.text, "40ms:100mbit"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(quantities),
        cmocka_unit_test(texts),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
