/* SPDX-License-Identifier: Apache-2.0
 *
 * H against known answers, in pieces, and its labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"
#include "crypto/crypto_kernels.h"
#include "vectors/crypto_vectors.h"

static void raw_sha256(uint8_t out[32], const void *data, size_t n)
{
    unsigned size = 0;
    assert_int_equal(EVP_Digest(data, n, out, &size, EVP_sha256(), NULL), 1);
    assert_int_equal(size, 32);
}

static void test_raw(void **state)
{
    (void)state;
    /* FIPS 180's example, to know that the library underneath is SHA-256 */
    static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                    0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t raw[32], h[32];
    raw_sha256(raw, "abc", 3);
    assert_memory_equal(raw, abc, 32);
    static const char whole[] = "mp2ml/1/frame\0data"; /* label, zero byte, data */
    raw_sha256(raw, whole, sizeof whole - 1);
    assert_int_equal(digest_once(h, "frame", "data", 4), MP2ML_OK);
    assert_memory_equal(h, raw, 32);
}

static void test_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors_h / sizeof *vectors_h; i++) {
        const struct vector_h *v = &vectors_h[i];
        uint8_t h[DIGEST_BYTES];
        assert_int_equal(digest_once(h, v->label, v->data, v->size), MP2ML_OK);
        assert_memory_equal(h, v->hash, sizeof h);
        /* the same in three pieces, one of them empty */
        const size_t cut = v->size / 3;
        const struct digest_part parts[3] = {
            {v->data, cut}, {NULL, 0}, {v->data + cut, v->size - cut}};
        assert_int_equal(digest_parts(h, v->label, parts, 3), MP2ML_OK);
        assert_memory_equal(h, v->hash, sizeof h);
    }
}

/* digest_now at every point of a transcript, and going on afterwards. */
static void test_running(void **state)
{
    (void)state;
    const struct vector_h *v = &vectors_h[sizeof vectors_h / sizeof *vectors_h - 1];
    struct digest *d;
    assert_int_equal(digest_new(&d, v->label), MP2ML_OK);
    for (size_t n = 0; n < v->size; n++) {
        uint8_t running[DIGEST_BYTES], once[DIGEST_BYTES];
        assert_int_equal(digest_now(d, running), MP2ML_OK);
        assert_int_equal(digest_once(once, v->label, v->data, n), MP2ML_OK);
        assert_memory_equal(running, once, sizeof once);
        assert_int_equal(digest_now(d, running), MP2ML_OK); /* asking changes nothing */
        assert_memory_equal(running, once, sizeof once);
        assert_int_equal(digest_update(d, v->data + n, 1), MP2ML_OK);
    }
    uint8_t h[DIGEST_BYTES];
    assert_int_equal(digest_now(d, h), MP2ML_OK);
    assert_memory_equal(h, v->hash, sizeof h);
    digest_free(d);
    digest_free(NULL);
}

static void test_labels_apart(void **state)
{
    (void)state;
    uint8_t a[DIGEST_BYTES], b[DIGEST_BYTES];
    assert_int_equal(digest_once(a, "ab", "c", 1), MP2ML_OK);
    assert_int_equal(digest_once(b, "a", "bc", 2), MP2ML_OK);
    assert_memory_not_equal(a, b, sizeof a);
    assert_int_equal(digest_once(b, "abc", "", 0), MP2ML_OK);
    assert_memory_not_equal(a, b, sizeof a);
}

/* Leaves are plain SHA-256 of the parts, whose padding fits their last block or does not. */
static void test_leaves(void **state)
{
    (void)state;
    static uint8_t data[DIGEST_LEAVES * 300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * i / 7);
    const struct crypto_kernels *tables[] = {crypto_kernels_portable(), crypto_kernels_pick()};
    for (size_t n = 0; n <= 300; n++) {
        uint8_t leaves[2][DIGEST_LEAVES * DIGEST_BYTES], want[DIGEST_BYTES];
        for (unsigned t = 0; t < 2; t++)
            assert_int_equal(digest_leaves(tables[t], leaves[t], data, DIGEST_LEAVES * n),
                             MP2ML_OK);
        for (size_t i = 0; i < DIGEST_LEAVES; i++) {
            assert_int_equal(EVP_Digest(data + i * n, n, want, NULL, EVP_sha256(), NULL), 1);
            for (unsigned t = 0; t < 2; t++)
                assert_memory_equal(leaves[t] + i * DIGEST_BYTES, want, sizeof want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),       cmocka_unit_test(test_raw),
        cmocka_unit_test(test_known),        cmocka_unit_test(test_running),
        cmocka_unit_test(test_labels_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
