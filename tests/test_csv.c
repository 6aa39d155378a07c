/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables in text: separators, headers, quotes, line ends; every refusal with its place; every cut
 * of a file; and which format a file is taken for. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

/* From an exact heap buffer, so that a sanitizer sees a read behind its end. */
static mp2ml_status parse(mp2ml_array *out, const char *text, size_t size, mp2ml_error *err)
{
    char *exact = malloc(size != 0 ? size : 1);
    assert_non_null(exact);
    memcpy(exact, text, size);
    mp2ml_status status = csv_parse(out, exact, size, "x.csv", err);
    free(exact);
    return status;
}

/* Two lines of the values 1, -2.5, 30 and 4, 5, 6. */
static void expect_table(const char *text)
{
    static const float expected[6] = {1, -2.5F, 30, 4, 5, 6};
    mp2ml_array a;
    mp2ml_error err = {MP2ML_OK, ""};
    if (parse(&a, text, strlen(text), &err) != MP2ML_OK)
        fail_msg("%s\n%s", text, err.text);
    assert_int_equal(a.rank, 2);
    assert_int_equal(a.dims[0], 2);
    assert_int_equal(a.dims[1], 3);
    assert_int_equal(a.count, 6);
    assert_memory_equal(a.values, expected, sizeof expected);
    array_wipe(&a);
    assert_null(a.values);
}

static void forms_of_one_table(void **state)
{
    (void)state;
    expect_table("1,-2.5,30\n4,5,6\n");
    expect_table("1,-2.5,30\n4,5,6");          /* no line end */
    expect_table("1;-2.5;30\r\n4;5;6\r\n");    /* CRLF */
    expect_table("1\t-2.5\t30\n4\t5\t6\n");    /* tabs */
    expect_table("a,b,c\n1,-2.5,30\n4,5,6\n"); /* a header */
    expect_table("\"a, b\",\"c \"\"d\"\"\",e\n1,-2.5,30\n4,5,6\n");
    expect_table(",b,c\n1,-2.5,30\n4,5,6\n");         /* a nameless column */
    expect_table("\"a\tb\";c;d\n1;-2.5;30\n4;5;6\n"); /* a separator within quotes */
    expect_table("\xef\xbb\xbf"
                 "1,-2.5,30\n4,5,6\n");                          /* a byte order mark */
    expect_table("\n \n1,-2.5,30\n\n\r\n4,5,6\n\n  ");           /* empty lines */
    expect_table(" 1 ,  -2.5, 30 \n4,5,6\n");                    /* blanks */
    expect_table("\"1\",\"-2.5\" , \" 30 \"\n4,5,6\n");          /* numbers in quotes */
    expect_table("\xe4,\xf6,\xfc\n+1,-25e-1,3E+1\n4.,5.0,06\n"); /* a header in another code */
}

/* Lines and the first value of 0, 1, 2, 3 .. above one line of values. */
static void numbered_columns(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t lines;
    } cases[] = {{"0,1,2,3\n5,6,7,8\n", 1},
                 {"0,1,2\n5,6,7\n", 2}, /* too few to be sure */
                 {"0,1,2,4\n5,6,7,8\n", 2},
                 {"5,6,7,8\n0,1,2,3\n", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mp2ml_array a;
        mp2ml_error err = {MP2ML_OK, ""};
        assert_int_equal(parse(&a, cases[i].text, strlen(cases[i].text), &err), MP2ML_OK);
        assert_int_equal(a.dims[0], cases[i].lines);
        array_wipe(&a);
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        float value;
    } good[] = {{"0", 0},
                {"-0.0", -0.0F},
                {"+7", 7},
                {".5", 0.5F},
                {"5.", 5},
                {"1e3", 1000},
                {"1E-2", 0.01F},
                {"0.1", 0.1F},
                {"1e-60", 0},
                {"16777217", 16777216.0F},
                {"3.4028234e38", 3.4028234e38F},
                {"255", 255}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        mp2ml_array a;
        mp2ml_error err = {MP2ML_OK, ""};
        if (parse(&a, good[i].text, strlen(good[i].text), &err) != MP2ML_OK)
            fail_msg("%s: %s", good[i].text, err.text);
        assert_int_equal(a.count, 1);
        assert_memory_equal(&a.values[0], &good[i].value, sizeof(float));
        array_wipe(&a);
    }
}

static const struct {
    const char *text, *place, *words;
} bad[] = {
    {"", "", "is empty"},
    {"\n\n", "", "no line of numbers"},
    {"a,b\n", "", "below the header"},
    {"1,2\n3,x\n", "line 2, column 2: ", "'x' is no number"},
    {"1,x\n3,4\n", "line 1, column 2: ", "a header without any number"},
    {"a,b\n\n1,2\n3,4x\n", "line 4, column 2: ", "'4x'"},
    {"1,2\n3,\n", "line 2, column 2: ", "an empty field"},
    {"1,2\n,3\n", "line 2, column 1: ", "an empty field"},
    {"1\t2\n\t\n", "line 2, column 1: ", "an empty field"},
    {"1,2\n3\n", "line 2 ", "has 1 fields, but those before have 2"},
    {"a,b,c\n3,4\n", "line 2 ", "has 2 fields, but those before have 3"},
    {"1,2\n3,4,5\n", "line 2 ", "has 3 fields"},
    {"1,nan\n", "line 1, column 2: ", "'nan' is no finite"},
    {"nan,NaN\n1,2\n", "line 1, column 1: ", "no finite"},
    {"1,2\n-inf,2\n", "line 2, column 1: ", "no finite"},
    {"1,2\nInfinity,2\n", "line 2, column 1: ", "no finite"},
    {"1e39\n", "line 1, column 1: ", "'1e39' is no finite"},
    {"1\n1e999\n", "line 2, column 1: ", "no finite"},
    {"1\n0x10\n", "line 2, column 1: ", "'0x10' is no number"},
    {"1\n1e\n", "line 2, column 1: ", "'1e' is no number"},
    {"1\n--1\n", "line 2, column 1: ", "no number"},
    {"1\n1 2\n", "line 2, column 1: ", "'1 2' is no number"},
    {"1;2\n1,5;2\n", "line 2, column 1: ", "'1,5' is no number"},
    {"1\nNA\n", "line 2, column 1: ", "'NA'"},
    {"1\n\xc3\xa4\n", "line 2, column 1: ", "'?\?'"},
    {"1,2\n3,\"4\n", "line 2, column 2: ", "a quote that is not closed"},
    {"1,2\n3,\"4\"5\n", "line 2, column 2: ", "behind a closing quote"},
    {"1,2\n3,\"4\r\n\"\n", "line 2, column 2: ", "a quote that is not closed"},
    {"1,2\r3,4\n", "line 1, column 2: ", "carriage return"},
    {"1,2\n3,\x01\n", "line 2, column 2: ", "control character"},
    {"1\n11111111111111111111111111111111111111111111111111111111111111111111111\n",
     "line 2, column 1: ", "...' is no number"},
};

static void refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char begin[64];
        mp2ml_array a;
        mp2ml_error err = {MP2ML_OK, ""};
        memset(&a, 0xff, sizeof a);
        assert_int_equal(parse(&a, bad[i].text, strlen(bad[i].text), &err), MP2ML_ERR_INPUT);
        snprintf(begin, sizeof begin, "x.csv: %s", bad[i].place);
        if (strncmp(err.text, begin, strlen(begin)) != 0 || !strstr(err.text, bad[i].words))
            fail_msg("%s: the message is: %s", bad[i].text, err.text);
        assert_null(a.values);
    }
    mp2ml_array a;
    assert_int_equal(parse(&a, "1\n\0\n", 4, NULL), MP2ML_ERR_INPUT);
}

/* Every beginning of a file is a table or is refused; whole lines are always a table. */
static void every_cut(void **state)
{
    (void)state;
    static const char text[] = "\"a\";b\r\n1;\"2\"\r\n\r\n-3.5;4e0\r\n";
    size_t taken = 0;
    for (size_t n = 0; n < sizeof text; n++) {
        mp2ml_array a;
        mp2ml_status status = parse(&a, text, n, NULL);
        assert_true(status == MP2ML_OK || status == MP2ML_ERR_INPUT);
        taken += status == MP2ML_OK;
        assert_true((status == MP2ML_OK) == (a.values != NULL));
        array_wipe(&a);
    }
    assert_true(taken >= 6 && taken < sizeof text / 2);
}

/* A program whose locale has a decimal comma reads the same numbers. */
static void other_locale(void **state)
{
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
        skip(); /* the system has none of them */
    forms_of_one_table(state);
    setlocale(LC_ALL, "C");
}

static void which_format(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *words;
    } files[] = {
        {"t.csv", "1,2\n", NULL},
        {"t", "1,2\n", NULL},
        {"t.txt", "1;2\n", NULL},
        {"t.npy", "1,2\n", "NUMPY"},
        {"t.NPY", "1,2\n", "NUMPY"},
        {"t.csv", "\x93NUMPY", "header"}, /* the contents count */
        {"t.csv", "\x89PNG\r\n", "a PNG image"},
        {"t.npy", "\xff\xd8\xff\xe0", "a JPEG image"},
        {"t.npz", "PK\x03\x04", "an archive"},
        {"t.csv.gz", "\x1f\x8b\x08", "compressed"},
        {"t.h5", "\x89HDF\r\n", "HDF5"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        mp2ml_array a;
        mp2ml_error err = {MP2ML_OK, ""};
        mp2ml_status status =
            array_parse(&a, files[i].text, strlen(files[i].text), files[i].name, &err);
        assert_int_equal(status, files[i].words == NULL ? MP2ML_OK : MP2ML_ERR_INPUT);
        if (files[i].words != NULL && !strstr(err.text, files[i].words))
            fail_msg("%s: %s", files[i].name, err.text);
        array_wipe(&a);
    }
}

static void files_on_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/test_csv_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "1,2\n3,4\n", 8), 8);
    mp2ml_array a;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(array_read(&a, path, &err), MP2ML_OK);
    assert_int_equal(a.count, 4);
    array_wipe(&a);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(array_read(&a, path, &err), MP2ML_ERR_IO);
    assert_non_null(strstr(err.text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_one_table), cmocka_unit_test(numbers),
        cmocka_unit_test(numbered_columns),   cmocka_unit_test(refusals),
        cmocka_unit_test(every_cut),          cmocka_unit_test(other_locale),
        cmocka_unit_test(which_format),       cmocka_unit_test(files_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
