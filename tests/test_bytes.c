/* SPDX-License-Identifier: Apache-2.0
 *
 * Readers, writers and packed bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

static void test_round_trip(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w);
    writer_u8(&w, 0x12);
    writer_u16(&w, 0x3456);
    writer_u32(&w, 0x789abcde);
    writer_u64(&w, UINT64_C(0xf0123456789abcde));
    writer_f64(&w, -0.15625);
    writer_string(&w, "weights");
    writer_string(&w, "");
    writer_bytes(&w, "xyz", 3);
    writer_bytes(&w, NULL, 0);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    static const uint8_t front[] = {0x12, 0x56, 0x34, 0xde, 0xbc, 0x9a, 0x78, 0xde,
                                    0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0xf0};
    assert_memory_equal(w.data, front, sizeof front);
    static const uint8_t number[] = {0, 0, 0, 0, 0, 0, 0xc4, 0xbf}; /* -1.25 * 2^-3 */
    assert_memory_equal(w.data + 15, number, 8);
    struct reader r = reader_init(w.data, w.size);
    char text[8];
    assert_int_equal(reader_u8(&r), 0x12);
    assert_int_equal(reader_u16(&r), 0x3456);
    assert_int_equal(reader_u32(&r), 0x789abcde);
    assert_true(reader_u64(&r) == UINT64_C(0xf0123456789abcde));
    assert_true(reader_f64(&r) == -0.15625);
    reader_string(&r, text, 7);
    assert_string_equal(text, "weights");
    reader_string(&r, text, 7);
    assert_string_equal(text, "");
    assert_int_equal(reader_done(&r), MP2ML_ERR_PROTOCOL); /* three bytes are left */
    assert_memory_equal(reader_bytes(&r, 3), "xyz", 3);
    assert_int_equal(reader_done(&r), MP2ML_OK);
    writer_wipe(&w);
    assert_null(w.data);
    writer_wipe(&w);
}

static void test_short_reads(void **state)
{
    (void)state;
    static const uint8_t data[7] = {1, 2, 3, 4, 5, 6, 7};
    struct reader r = reader_init(data, 7);
    assert_true(reader_u64(&r) == 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0); /* failed for good */
    assert_int_equal(reader_done(&r), MP2ML_ERR_PROTOCOL);
    r = reader_init(data, 7);
    assert_int_equal(reader_u32(&r), 0x04030201);
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    r = reader_init(data, 7);
    assert_null(reader_bytes(&r, SIZE_MAX));
    assert_true(r.failed);
    r = reader_init(NULL, 0);
    assert_int_equal(reader_done(&r), MP2ML_OK);
    assert_int_equal(reader_u16(&r), 0);
    assert_int_equal(reader_done(&r), MP2ML_ERR_PROTOCOL);
}

static void test_bad_strings(void **state)
{
    (void)state;
    static const uint8_t inner_zero[] = {3, 0, 'a', 0, 'b'};
    static const uint8_t cut[] = {3, 0, 'a', 'b'};
    static const uint8_t four[] = {4, 0, 'a', 'b', 'c', 'd'};
    char text[5] = "????";
    struct reader r = reader_init(inner_zero, sizeof inner_zero);
    reader_string(&r, text, 4);
    assert_true(r.failed);
    assert_string_equal(text, "");
    r = reader_init(cut, sizeof cut);
    reader_string(&r, text, 4);
    assert_true(r.failed);
    r = reader_init(four, sizeof four);
    reader_string(&r, text, 3);
    assert_true(r.failed);
    r = reader_init(four, sizeof four);
    reader_string(&r, text, 4);
    assert_false(r.failed);
    assert_string_equal(text, "abcd");
}

static void test_writer_limits(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w);
    char *text = malloc(70001);
    assert_non_null(text);
    memset(text, 'a', 70000);
    text[65535] = '\0';
    writer_string(&w, text);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    assert_int_equal(w.size, 65537);
    text[65535] = 'a';
    text[65536] = '\0';
    writer_string(&w, text);
    assert_int_equal(writer_done(&w), MP2ML_ERR_MEMORY);
    writer_u8(&w, 1); /* failed for good */
    assert_int_equal(w.size, 65537);
    writer_wipe(&w);
    writer_u8(&w, 1);
    writer_bytes(&w, text, SIZE_MAX); /* the size overflows before a byte is read */
    assert_int_equal(writer_done(&w), MP2ML_ERR_MEMORY);
    writer_wipe(&w);
    free(text);
}

static void test_bits_size(void **state)
{
    (void)state;
    assert_int_equal(bits_size(0, 41), 0);
    assert_int_equal(bits_size(1, 1), 1);
    assert_int_equal(bits_size(8, 41), 41);
    assert_int_equal(bits_size(9, 41), 47);
    assert_int_equal(bits_size(2048, 42), 10752);
    assert_true(bits_size(SIZE_MAX, 1) == SIZE_MAX / 8 + 1);
    assert_true(bits_size(SIZE_MAX, 8) == SIZE_MAX);
    assert_true(bits_size(SIZE_MAX - 8, 8) == SIZE_MAX - 8);
    assert_true(bits_size(SIZE_MAX, 64) == SIZE_MAX);
    assert_true(bits_size(SIZE_MAX / 8 + 1, 64) == SIZE_MAX);
}

static uint64_t next_value(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

/* The definition: bit j of field i is bit *at + i * bits + j of the string. */
static void pack_slowly(uint8_t *out, size_t at, const uint64_t *values, size_t n, unsigned bits)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned j = 0; j < bits; j++, at++)
            out[at / 8] = (uint8_t)((out[at / 8] & ~(1U << at % 8)) | (unsigned)(values[i] >> j & 1)
                                                                          << at % 8);
}

/* Every width at every offset, exact heap buffers so that ASan sees a byte too many. */
static void test_bits(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint64_t values[37], back[37];
    for (unsigned bits = 1; bits <= 64; bits++) {
        for (size_t start = 0; start < 17; start++) {
            size_t n = (size_t)(next_value(&seed) % 37) + (start == 3);
            size_t size = (start + n * bits + 7) / 8;
            uint8_t *want = calloc(size + 1, 1);
            uint8_t *got = malloc(size != 0 ? size : 1);
            assert_non_null(want);
            assert_non_null(got);
            for (size_t i = 0; i < n; i++)
                values[i] = next_value(&seed); /* with bits above the field */
            memset(got, 0xff, size);
            memset(want, 0xff, start / 8);
            if (start % 8 != 0)
                want[start / 8] = got[start / 8] = (uint8_t)(0x5a & ((1U << start % 8) - 1));
            pack_slowly(want, start, values, n, bits);
            size_t at = start;
            bits_pack(got, &at, values, n, bits);
            assert_int_equal(at, start + n * bits);
            if (n != 0)
                assert_memory_equal(got, want, size);
            assert_true(n == 0 || bits_padding_is_zero(got, at));
            at = start;
            bits_unpack(back, got, &at, n, bits);
            assert_int_equal(at, start + n * bits);
            for (size_t i = 0; i < n; i++)
                assert_true(back[i] == (values[i] & UINT64_MAX >> (64 - bits)));
            free(want);
            free(got);
        }
    }
}

static void test_bits_in_parts(void **state)
{
    (void)state;
    static const uint64_t values[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    uint8_t one[64] = {0}, two[64] = {0};
    size_t at = 0, part = 0;
    bits_pack(one, &at, values, 9, 41);
    for (size_t i = 0; i < 9; i++)
        bits_pack(two, &part, values + i, 1, 41);
    assert_int_equal(at, part);
    assert_memory_equal(one, two, sizeof one);
    uint64_t v;
    part = 4 * 41;
    bits_unpack(&v, one, &part, 1, 41);
    assert_int_equal(v, 5);
}

static void test_padding(void **state)
{
    (void)state;
    static const uint8_t in[2] = {0xff, 0x07};
    assert_true(bits_padding_is_zero(in, 16));
    assert_true(bits_padding_is_zero(in, 11));
    assert_false(bits_padding_is_zero(in, 10));
    assert_true(bits_padding_is_zero(in, 8));
    assert_false(bits_padding_is_zero(in, 7));
    assert_true(bits_padding_is_zero(in, 0));
}

static void printable_text(void **state)
{
    (void)state;
    static const char *const good[] = {"", "conv1/Relu:0", "Gr\xc3\xbc\xc3\x9f", "\xe6\x97\xa5",
                                       "\xf0\x9f\x98\x80"};
    static const char *const bad[] = {
        "\x1b[2J",  "a\nb",         "\x7f",         "\xc2\x9b",         "\xff", "\xc3",
        "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(bytes_are_printable(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(bytes_are_printable(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_short_reads),   cmocka_unit_test(test_bad_strings),
        cmocka_unit_test(test_writer_limits), cmocka_unit_test(test_bits_size),
        cmocka_unit_test(test_bits),          cmocka_unit_test(test_bits_in_parts),
        cmocka_unit_test(test_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
