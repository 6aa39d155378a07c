/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy files: every dtype, both byte orders, both axis orders, three versions, malformed headers,
 * every cut of a file, and files on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

/* A file of the given version, header text and values, parsed from an exact heap buffer. */
static mp2ml_status parse(mp2ml_array *out, unsigned version, const char *header,
                          const void *values, size_t n, mp2ml_error *err)
{
    struct writer w;
    writer_init(&w);
    writer_bytes(&w, "\x93NUMPY", 6);
    writer_u8(&w, (uint8_t)version);
    writer_u8(&w, 0);
    if (version == 1)
        writer_u16(&w, (uint16_t)strlen(header));
    else
        writer_u32(&w, (uint32_t)strlen(header));
    writer_bytes(&w, header, strlen(header));
    writer_bytes(&w, values, n);
    uint8_t *exact = malloc(w.size);
    assert_non_null(exact);
    memcpy(exact, w.data, w.size);
    mp2ml_status status = npy_parse(out, exact, w.size, "x.npy", err);
    free(exact);
    writer_wipe(&w);
    return status;
}

/* One value of the dtype from its bytes. */
static float one(const char *descr, const char *bytes, size_t n)
{
    char header[128];
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }\n",
             descr);
    mp2ml_array a;
    mp2ml_error err = {MP2ML_OK, ""};
    if (parse(&a, 1, header, bytes, n, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(a.rank, 1);
    assert_int_equal(a.count, 1);
    float v = a.values[0];
    array_wipe(&a);
    assert_null(a.values);
    return v;
}

static void test_types(void **state)
{
    (void)state;
    assert_true(one("|b1", "\x01", 1) == 1.0F);
    assert_true(one("|u1", "\xff", 1) == 255.0F);
    assert_true(one("|i1", "\xff", 1) == -1.0F);
    assert_true(one("|i1", "\x80", 1) == -128.0F);
    assert_true(one("<u2", "\x34\x12", 2) == 4660.0F);
    assert_true(one(">u2", "\x12\x34", 2) == 4660.0F);
    assert_true(one("<i2", "\x00\x80", 2) == -32768.0F);
    assert_true(one(">i4", "\xff\xff\xff\xfe", 4) == -2.0F);
    assert_true(one("<u4", "\x00\x00\x00\x80", 4) == 2147483648.0F);
    assert_true(one("<i8", "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == -1.0F);
    assert_true(one(">i8", "\x80\0\0\0\0\0\0\0", 8) == -9223372036854775808.0F);
    assert_true(one("<u8", "\0\0\0\0\0\0\0\x80", 8) == 9223372036854775808.0F);
    assert_true(one("<f4", "\0\0\xc0\xbf", 4) == -1.5F);
    assert_true(one(">f4", "\xbf\xc0\0\0", 4) == -1.5F);
    assert_true(one("<f8", "\0\0\0\0\0\0\xf8\x3f", 8) == 1.5F);
    assert_true(one(">f8", "\x3f\xf8\0\0\0\0\0\0", 8) == 1.5F);
    assert_true(one("f4", "\0\0\xc0\xbf", 4) == -1.5F);  /* native */
    assert_true(one("=f4", "\0\0\xc0\xbf", 4) == -1.5F); /* on a little-endian machine */
}

static void test_half(void **state)
{
    (void)state;
    assert_true(one("<f2", "\x00\x3c", 2) == 1.0F);
    assert_true(one(">f2", "\xc0\x00", 2) == -2.0F);
    assert_true(one("<f2", "\xff\x7b", 2) == 65504.0F);
    assert_true(one("<f2", "\x01\x00", 2) == 0x1p-24F);
    assert_true(one("<f2", "\xff\x03", 2) == 1023 * 0x1p-24F);
    assert_true(one("<f2", "\x00\x04", 2) == 0x1p-14F);
    assert_true(one("<f2", "\x55\x35", 2) == 1365.0F / 4096.0F);
    assert_true(one("<f2", "\x00\x7c", 2) > 1e38F);
    assert_true(one("<f2", "\x00\xfc", 2) < -1e38F);
    float nan = one("<f2", "\x01\x7c", 2);
    assert_true(nan != nan);
}

static void test_shapes(void **state)
{
    (void)state;
    static const uint8_t bytes[6] = {0, 1, 2, 3, 4, 5};
    mp2ml_array a;
    /* C order; keys in any order, other quotes, no last comma, Python 2's long integers */
    assert_int_equal(
        parse(&a, 2, "{\"shape\":(2L,3L),'fortran_order':False,'descr':'|u1'}", bytes, 6, NULL),
        MP2ML_OK);
    assert_int_equal(a.rank, 2);
    assert_int_equal(a.dims[0], 2);
    assert_int_equal(a.dims[1], 3);
    for (unsigned i = 0; i < 6; i++)
        assert_true(a.values[i] == (float)i);
    array_wipe(&a);
    /* Fortran order: value (r, c) is at r + 2c */
    assert_int_equal(parse(&a, 3, "{'descr':'|u1','fortran_order': True , 'shape':( 2, 3 ) , }  \n",
                           bytes, 6, NULL),
                     MP2ML_OK);
    for (unsigned r = 0; r < 2; r++)
        for (unsigned c = 0; c < 3; c++)
            assert_true(a.values[3 * r + c] == (float)(r + 2 * c));
    array_wipe(&a);
    assert_int_equal(
        parse(&a, 1, "{'descr':'|u1','fortran_order':True,'shape':(1,2,1,3)}", bytes, 6, NULL),
        MP2ML_OK);
    assert_true(a.values[1] == 2.0F && a.values[3] == 1.0F);
    array_wipe(&a);
    /* a scalar, and an array without values */
    assert_int_equal(
        parse(&a, 1, "{'descr':'|u1','fortran_order':False,'shape':()}", bytes, 1, NULL), MP2ML_OK);
    assert_int_equal(a.rank, 0);
    assert_int_equal(a.count, 1);
    array_wipe(&a);
    assert_int_equal(
        parse(&a, 1, "{'descr':'<f8','fortran_order':True,'shape':(3, 0)}", NULL, 0, NULL),
        MP2ML_OK);
    assert_int_equal(a.count, 0);
    assert_non_null(a.values);
    array_wipe(&a);
}

/* Each malformed header with a word that its message must hold. */
static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "dict"},
        {"{", "dict"},
        {"{}", "lacks descr"},
        {"{'descr':'|u1'}", "lacks fortran_order"},
        {"{'descr':'|u1','fortran_order':False}", "lacks shape"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4,)} x", "after its dict"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4,)", "comma or brace"},
        {"{'descr':'|u1' 'fortran_order':False,'shape':(4,)}", "comma or brace"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4)}", "comma"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4 1,)}", "comma"},
        {"{'descr':'|u1','fortran_order':False,'shape':4}", "tuple"},
        {"{'descr':'|u1','fortran_order':False,'shape':(-4,)}", "axis 0"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4,", "axis 1"},
        {"{'descr':'|u1','fortran_order':False,'shape':(,)}", "axis 0"},
        {"{'descr':'|u1','fortran_order':False,'shape':(18446744073709551616,)}", "axis 0"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4294967296,4294967296)}", "overflows"},
        {"{'descr':'<f8','fortran_order':False,'shape':(4611686018427387904,)}", "overflows"},
        {"{'descr':'|u1','fortran_order':False,'shape':(6148914691236517206,)}", "overflows"},
        {"{'descr':'|u1','fortran_order':False,'shape':(1,1,1,1,1,1,1,1,4)}", "8 axes"},
        {"{'descr':'|u1','fortran_order':False,'shape':(3,)}", "4 bytes of values; expected 3"},
        {"{'descr':'|u1','fortran_order':False,'shape':(5,)}", "4 bytes of values; expected 5"},
        {"{'descr':'<f8','fortran_order':False,'shape':(1,)}", "expected 8"},
        {"{'descr':'<c8','fortran_order':False,'shape':(4,)}", "<c8"},
        {"{'descr':'<f3','fortran_order':False,'shape':(4,)}", "<f3"},
        {"{'descr':'|f1','fortran_order':False,'shape':(4,)}", "|f1"},
        {"{'descr':'<f16','fortran_order':False,'shape':(4,)}", "<f16"},
        {"{'descr':'|O','fortran_order':False,'shape':(4,)}", "|O"},
        {"{'descr':'','fortran_order':False,'shape':(4,)}", "real type"},
        {"{'descr':[('a','<f4')],'fortran_order':False,'shape':(4,)}", "no plain type"},
        {"{'descr':'aaaaaaaaaaaaaaaaaaaaaaaaaaaa','fortran_order':False}", "no plain type"},
        {"{'descr':'|u1','fortran_order':0,'shape':(4,)}", "fortran_order"},
        {"{'descr':'|u1','descr':'|u1','fortran_order':False,'shape':(4,)}", "'descr' twice"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4,),'shape':(4,)}", "'shape' twice"},
        {"{'descr':'|u1','fortran_order':False,'shape':(4,),'more':1}", "'more'"},
        {"{descr:'|u1'}", "dict of strings"},
        {"{'de\\x73cr':'|u1'}", "dict of strings"},
        {"{'descr\n':'|u1'}", "dict of strings"},
        {"['descr']", "dict"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mp2ml_array a;
        mp2ml_error err = {MP2ML_OK, ""};
        memset(&a, 0xff, sizeof a);
        assert_int_equal(parse(&a, 1, bad[i][0], "abcd", 4, &err), MP2ML_ERR_INPUT);
        assert_int_equal(err.status, MP2ML_ERR_INPUT);
        if (strstr(err.text, bad[i][1]) == NULL || strncmp(err.text, "x.npy: ", 7) != 0)
            fail_msg("%s: the message is: %s", bad[i][0], err.text);
        assert_null(a.values);
        array_wipe(&a);
    }
}

/* Every file cut short, and every file with one byte changed, is refused or read, never worse. */
static void test_damaged(void **state)
{
    (void)state;
    char whole[] = "\x93NUMPY\x01\0?\0{'descr': '<f4', 'fortran_order': False, "
                   "'shape': (2, 1), }         \nabcdefgh";
    const size_t size = sizeof whole - 1;
    whole[8] = (char)(size - 10 - 8); /* the header's length, low byte */
    mp2ml_array a;
    mp2ml_error err;
    assert_int_equal(npy_parse(&a, whole, size, "w", &err), MP2ML_OK);
    array_wipe(&a);
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n != 0 ? n : 1);
        assert_non_null(cut);
        memcpy(cut, whole, n);
        assert_int_equal(npy_parse(&a, cut, n, "w", &err), MP2ML_ERR_INPUT);
        free(cut);
    }
    uint8_t *changed = malloc(size);
    assert_non_null(changed);
    unsigned refused = 0;
    for (size_t at = 0; at < size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(changed, whole, size);
            changed[at] ^= (uint8_t)(1U << bit);
            mp2ml_status status = npy_parse(&a, changed, size, "w", &err);
            assert_true(status == MP2ML_OK || status == MP2ML_ERR_INPUT);
            refused += status != MP2ML_OK;
            assert_true(status == MP2ML_OK || at < size - 8); /* values are never refused */
            array_wipe(&a);
        }
    }
    assert_true(refused > 300);
    free(changed);
    /* a version that is not known, and a header length beyond all reason */
    assert_int_equal(npy_parse(&a, "\x93NUMPY\x04\0\0\0\0\0", 12, "w", &err), MP2ML_ERR_INPUT);
    assert_non_null(strstr(err.text, "version 4.0"));
    assert_int_equal(npy_parse(&a, "\x93NUMPY\x02\0\xff\xff\xff\xff", 12, "w", &err),
                     MP2ML_ERR_INPUT);
    assert_non_null(strstr(err.text, "4294967295"));
}

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_npy_XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[64];
    snprintf(path, sizeof path, "%s/a.npy", folder);
    float values[24];
    for (unsigned i = 0; i < 24; i++)
        values[i] = (float)i / 3.0F;
    static const size_t dims[MP2ML_MAX_RANK + 1] = {2, 3, 4, 1, 1, 1, 1, 1, 1};
    static const unsigned ranks[] = {3, 4, 8};
    mp2ml_array a;
    mp2ml_error err = {MP2ML_OK, ""};
    for (size_t i = 0; i < 3; i++) { /* each time over the file before */
        assert_int_equal(npy_write(path, values, dims, ranks[i], &err), MP2ML_OK);
        assert_int_equal(array_read(&a, path, &err), MP2ML_OK);
        assert_int_equal(a.rank, ranks[i]);
        assert_memory_equal(a.dims, dims, ranks[i] * sizeof *dims);
        assert_int_equal(a.count, 24);
        assert_memory_equal(a.values, values, sizeof values);
        array_wipe(&a);
    }
    static const size_t just[1] = {5};
    assert_int_equal(npy_write(path, values, just, 1, &err), MP2ML_OK);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char front[129] = "";
    assert_int_equal(fread(front, 1, 128, f), 128);
    fseek(f, 0, SEEK_END);
    assert_int_equal(ftell(f), 128 + 20);
    fclose(f);
    assert_memory_equal(front,
                        "\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, "
                        "'shape': (5,), }  ",
                        10 + 59);
    assert_int_equal(front[127], '\n');
    assert_int_equal(npy_write(path, values, NULL, 0, &err), MP2ML_OK);
    assert_int_equal(array_read(&a, path, &err), MP2ML_OK);
    assert_int_equal(a.rank, 0);
    array_wipe(&a);
    /* what cannot be done, and leaves no file behind */
    assert_int_equal(npy_write(path, values, dims, 9, &err), MP2ML_ERR_ARGUMENT);
    assert_int_equal(array_read(&a, folder, &err), MP2ML_ERR_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(array_read(&a, path, &err), MP2ML_ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(rmdir(folder), 0); /* empty: no temporary file is left */
    assert_int_equal(npy_write(path, values, dims, 3, &err), MP2ML_ERR_IO);
    assert_non_null(strstr(err.text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),   cmocka_unit_test(test_half),
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
