/* SPDX-License-Identifier: Apache-2.0
 *
 * Links by name and by numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/network.h"

static void presets(void **state)
{
    (void)state;
    struct network preset, parsed;
    char name[64];
    size_t i = 0;
    for (const char *text; (text = network_preset(i, &preset)) != NULL; i++) {
        assert_int_equal(network_parse(&parsed, text, "network", NULL), MP2ML_OK);
        assert_memory_equal(&parsed, &preset, sizeof parsed);
        network_name(&parsed, name, sizeof name);
        assert_string_equal(name, text);
    }
    assert_int_equal(i, 5);
    assert_int_equal(network_parse(&parsed, "wan", "network", NULL), MP2ML_OK);
    assert_float_equal(parsed.rtt_s, 0.04, 1e-12);
    assert_float_equal(parsed.bits_per_second, 4e8, 1);
}

static void numbers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        double rtt, rate;
        const char *name;
    } good[] = {
        {"40ms:100mbit", 0.04, 1e8, "40ms:100mbit"},
        {"250us:1gbit", 250e-6, 1e9, "0.25ms:1000mbit"},
        {"1.5s:64kbit", 1.5, 64e3, "1500ms:0.064mbit"},
        {"0ms:1mbit", 0, 1e6, "0ms:1mbit"},
        {"20ms:20mbit", 0.02, 2e7, "cable"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct network n;
        char name[64];
        assert_int_equal(network_parse(&n, good[i].text, "network", NULL), MP2ML_OK);
        assert_float_equal(n.rtt_s, good[i].rtt, 1e-12);
        assert_float_equal(n.bits_per_second, good[i].rate, 1e-3);
        network_name(&n, name, sizeof name);
        assert_string_equal(name, good[i].name);
    }
}

static void refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",           "wann",         "40ms",        ":100mbit",    "40:100mbit",
        "40ms:",      "40ms:100",     "40ms:100mb",  "-1ms:1mbit",  "40ms:-1mbit",
        "40ms:0mbit", "nanms:1mbit",  "infs:1mbit",  "40ms:1mbit ", "61s:1mbit",
        "ms:mbit",    "40ms:infgbit", "4 0ms:1mbit", "40ms::1mbit"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct network n;
        mp2ml_error err = {MP2ML_OK, ""};
        if (network_parse(&n, bad[i], "simulate-network", &err) != MP2ML_ERR_ARGUMENT)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(err.text, "--simulate-network"));
        assert_non_null(strstr(err.text, "40ms:100mbit"));
    }
}

static void descriptions(void **state)
{
    (void)state;
    const struct {
        const char *link, *text;
    } rows[] = {
        {"wan", "wan (40 ms, 400 Mbit/s)"},
        {"40ms:400mbit", "wan (40 ms, 400 Mbit/s)"},
        {"lan", "lan (0.3 ms, 3000 Mbit/s)"},
        {"7ms:100mbit", "7 ms, 100 Mbit/s"},
        {"loopback", "loopback"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct network n;
        char text[96];
        assert_int_equal(network_parse(&n, rows[i].link, "network", NULL), MP2ML_OK);
        network_describe(&n, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(numbers),
        cmocka_unit_test(refused),
        cmocka_unit_test(descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
