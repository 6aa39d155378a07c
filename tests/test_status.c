/* SPDX-License-Identifier: Apache-2.0
 *
 * Statuses, error texts, checked sizes, and lines of a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

static void test_table(void **state)
{
    (void)state;
    assert_string_equal(mp2ml_status_name(MP2ML_OK), "OK");
    assert_string_equal(mp2ml_status_name(MP2ML_ERR_MODEL), "ERR_MODEL");
    assert_string_equal(mp2ml_status_text(MP2ML_ERR_TIMEOUT), "the peer did not answer in time");
    /* Codes go down without a gap, names and texts differ from each other. */
    const char *texts[64];
    int n = 0;
#define COLLECT(name, code, text)                                                                  \
    assert_int_equal(code, -n);                                                                    \
    texts[n++] = mp2ml_status_text(MP2ML_##name);
    MP2ML_STATUS_MAP(COLLECT)
#undef COLLECT
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(texts[i], texts[j]);
    assert_string_equal(mp2ml_status_text((mp2ml_status)-n), "unknown status");
    assert_string_equal(mp2ml_status_name((mp2ml_status)1), "UNKNOWN");
}

static void test_fail(void **state)
{
    (void)state;
    mp2ml_error err;
    memset(&err, 0x55, sizeof err);
    assert_int_equal(status_fail(&err, MP2ML_ERR_INPUT, "%d of %s", 3, "four"), MP2ML_ERR_INPUT);
    assert_int_equal(err.status, MP2ML_ERR_INPUT);
    assert_string_equal(err.text, "3 of four");
    assert_int_equal(status_fail(NULL, MP2ML_ERR_IO, "x"), MP2ML_ERR_IO);
    char longer[3000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(status_fail(&err, MP2ML_ERR_IO, "%s", longer), MP2ML_ERR_IO);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_within(void **state)
{
    (void)state;
    mp2ml_error err;
    (void)status_fail(&err, MP2ML_ERR_MODEL, "no shape");
    assert_int_equal(status_within(&err, MP2ML_ERR_MODEL, "node %d", 7), MP2ML_ERR_MODEL);
    assert_int_equal(status_within(&err, MP2ML_ERR_MODEL, "file"), MP2ML_ERR_MODEL);
    assert_string_equal(err.text, "file: node 7: no shape");
    /* The failed call filled no error: what stands there is not its text. */
    memset(&err, 0x41, sizeof err);
    assert_int_equal(status_within(&err, MP2ML_ERR_MEMORY, "load"), MP2ML_ERR_MEMORY);
    assert_string_equal(err.text, "load: out of memory");
    assert_int_equal(err.status, MP2ML_ERR_MEMORY);
    assert_int_equal(status_within(NULL, MP2ML_ERR_IO, "x"), MP2ML_ERR_IO);
}

/* At every length around the limit, the outer words win and the text ends within the array. */
static void test_within_long(void **state)
{
    (void)state;
    const size_t size = sizeof(((mp2ml_error *)0)->text);
    for (size_t n = size - 8; n < size + 8; n++) {
        mp2ml_error err;
        char outer[1100];
        memset(outer, 'o', n);
        outer[n] = '\0';
        (void)status_fail(&err, MP2ML_ERR_IO, "inner");
        assert_int_equal(status_within(&err, MP2ML_ERR_IO, "%s", outer), MP2ML_ERR_IO);
        assert_true(memchr(err.text, '\0', size) != NULL);
        assert_true(strlen(err.text) >= size - 3);
        assert_int_equal(err.text[size - 10], 'o');
        /* and once more, with an inner text that fills the array */
        assert_int_equal(status_within(&err, MP2ML_ERR_IO, "a"), MP2ML_ERR_IO);
        assert_memory_equal(err.text, "a: ooo", 6);
        assert_int_equal(strlen(err.text), size - 1);
    }
}

static mp2ml_status tried(mp2ml_status inner, int *reached)
{
    TRY(inner);
    *reached = 1;
    return MP2ML_OK;
}

static mp2ml_status tried_out(mp2ml_status inner, int *released)
{
    mp2ml_status status = MP2ML_OK;
    TRY_OUT(inner);
    TRY_OUT(MP2ML_ERR_IO);
out:
    *released = 1;
    return status;
}

static void test_try(void **state)
{
    (void)state;
    int reached = 0, released = 0;
    assert_int_equal(tried(MP2ML_ERR_TLS, &reached), MP2ML_ERR_TLS);
    assert_int_equal(reached, 0);
    assert_int_equal(tried(MP2ML_OK, &reached), MP2ML_OK);
    assert_int_equal(reached, 1);
    assert_int_equal(tried_out(MP2ML_ERR_TLS, &released), MP2ML_ERR_TLS);
    assert_int_equal(released, 1);
    assert_int_equal(tried_out(MP2ML_OK, &released), MP2ML_ERR_IO);
}

static void test_sizes(void **state)
{
    (void)state;
    size_t r;
    assert_true(size_mul(&r, SIZE_MAX / 3, 3));
    assert_false(size_mul(&r, SIZE_MAX / 3 + 1, 3));
    assert_true(size_add(&r, SIZE_MAX - 1, 1));
    assert_true(r == SIZE_MAX);
    assert_false(size_add(&r, SIZE_MAX, 1));
}

struct kept {
    int lines;
    char last[2000];
};

static void keep_line(void *context, const char *text)
{
    struct kept *kept = context;
    kept->lines++;
    assert_true(strlen(text) < sizeof kept->last);
    strcpy(kept->last, text);
}

static void test_log(void **state)
{
    (void)state;
    struct kept kept = {0, ""};
    struct log log = {keep_line, &kept};
    struct log silent = {NULL, NULL};
    log_line(NULL, "x");
    log_line(&silent, "x");
    log_line(&log, "a %s\n%d", "b\x1b[31m\xc3\xa9", 5);
    assert_int_equal(kept.lines, 1);
    assert_string_equal(kept.last, "a b [31m\xc3\xa9 5"); /* UTF-8 stays, control bytes do not */
    char longer[3000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    log_line(&log, "%s", longer);
    assert_int_equal(strlen(kept.last), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_fail),
        cmocka_unit_test(test_within), cmocka_unit_test(test_within_long),
        cmocka_unit_test(test_try),    cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
