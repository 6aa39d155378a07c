/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels: streams, the correlation-robust hash and GF(2^128), each table against known answers
 * and against the portable one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "crypto/crypto.h"
#include "crypto/crypto_kernels.h"
#include "vectors/crypto_vectors.h"

#define TABLES_MAX 3

/* The tables that this machine can run; the first one is the portable one. */
static size_t tables(const struct crypto_kernels *out[TABLES_MAX])
{
    size_t n = 0;
    out[n++] = crypto_kernels_portable();
    if (crypto_kernels_avx2() != NULL)
        out[n++] = crypto_kernels_avx2();
    if (crypto_kernels_avx512() != NULL)
        out[n++] = crypto_kernels_avx512();
    return n;
}

static struct block block_of(const char *bytes)
{
    const uint8_t *p = (const uint8_t *)bytes;
    struct block b = {load_u64(p), load_u64(p + 8)};
    return b;
}

static struct prg *new_prg(uint8_t first)
{
    uint8_t seed[32] = {first};
    struct prg *g;
    assert_int_equal(prg_new_seeded(&g, seed), MP2ML_OK);
    return g;
}

/* The hash gives E_K(y) ^ y with y = sigma(x): invert sigma to reach the standard's plaintext. */
static void test_aes_fips_197(void **state)
{
    (void)state;
    static const uint8_t plain[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                      0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    static const uint8_t cipher[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                       0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};
    uint8_t key[16];
    for (unsigned i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    const uint64_t lo = load_u64(plain), hi = load_u64(plain + 8);
    const struct block x = {hi ^ lo, lo}; /* sigma(x) = (lo, hi) */
    const struct crypto_kernels *all[TABLES_MAX];
    size_t n = tables(all);
    for (size_t t = 0; t < n; t++) {
        struct tccr h;
        tccr_init(&h, key);
        h.kernels = all[t];
        struct block out;
        tccr_hash(&h, &out, &x, 0, 1, 1);
        assert_true((out.lo ^ lo) == load_u64(cipher));
        assert_true((out.hi ^ hi) == load_u64(cipher + 8));
    }
}

static void test_hash_known(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t n = tables(all);
    for (size_t t = 0; t < n; t++) {
        for (size_t v = 0; v < sizeof vectors_tccr / sizeof *vectors_tccr; v++) {
            struct tccr h;
            tccr_init(&h, (const uint8_t *)vectors_tccr[v].key);
            h.kernels = all[t];
            struct block x = block_of(vectors_tccr[v].in);
            struct block want = block_of(vectors_tccr[v].out);
            tccr_hash(&h, &x, &x, vectors_tccr[v].tweak, 1, 1); /* in place */
            assert_memory_equal(&x, &want, sizeof x);
        }
    }
}

/* Any n and per, in place or not, is the hash of each block on its own. */
static void test_hash_batches(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t count = tables(all);
    struct prg *g = new_prg(1);
    static struct block in[4 * 135], want[4 * 135], out[4 * 135 + 1];
    for (unsigned per = 1; per <= 4; per *= 2) {
        for (size_t n = 0; n <= 135; n += n < 20 ? 1 : 23) {
            struct block key;
            uint64_t tweak;
            assert_int_equal(prg_fill(g, in, sizeof in), MP2ML_OK);
            assert_int_equal(prg_fill(g, &key, sizeof key), MP2ML_OK);
            assert_int_equal(prg_fill(g, &tweak, sizeof tweak), MP2ML_OK);
            if (n == 3)
                tweak = UINT64_MAX - 1; /* wraps within the batch */
            for (size_t i = 0; i < n * per; i++)
                all[0]->tccr(&want[i], &in[i], &key, tweak + i / per, 1, 1);
            for (size_t t = 0; t < count; t++) {
                memset(out, 0x5a, sizeof out);
                all[t]->tccr(out, in, &key, tweak, n, per);
                assert_memory_equal(out, want, n * per * sizeof *out);
                assert_true(out[n * per].lo == UINT64_C(0x5a5a5a5a5a5a5a5a));
                memcpy(out, in, n * per * sizeof *out);
                all[t]->tccr(out, out, &key, tweak, n, per);
                assert_memory_equal(out, want, n * per * sizeof *out);
            }
        }
    }
    prg_free(g);
}

static void test_stream_known(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t n = tables(all);
    for (size_t t = 0; t < n; t++) {
        for (size_t v = 0; v < sizeof vectors_stream / sizeof *vectors_stream; v++) {
            uint8_t out[256];
            struct block seed = block_of(vectors_stream[v].seed);
            stream_expand(all[t], out, vectors_stream[v].size, &seed, vectors_stream[v].offset);
            assert_memory_equal(out, vectors_stream[v].out, vectors_stream[v].size);
        }
    }
}

/* Every size, byte by byte the same as the portable one, nothing written behind; and a stream may
 * be taken up in its middle. */
static void test_stream_sizes(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t count = tables(all);
    const struct block seed = {123, 456};
    static uint8_t want[2048], out[2049];
    all[0]->stream(want, sizeof want, &seed, 9);
    for (size_t t = 0; t < count; t++) {
        for (size_t size = 0; size <= sizeof want; size += size < 300 ? 1 : 101) {
            memset(out, 0xa5, sizeof out);
            stream_expand(all[t], out, size, &seed, 9);
            assert_memory_equal(out, want, size);
            assert_int_equal(out[size], 0xa5);
        }
        stream_expand(all[t], out, 500, &seed, 9 + 31);
        assert_memory_equal(out, want + 31 * 16, 500);
    }
}

/* Both messages, and single bits, of any number of transfers are what tccr gives. Unused entries
 * behind stay; unused bits of the last word are zero. */
static void test_pairs_and_bits(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    const size_t count = tables(all);
    static struct block in[200], both[200][2], out[2][201];
    struct prg *g = new_prg(3);
    for (size_t n = 0; n <= 200; n += n < 66 ? 1 : 67) {
        struct block key, offset;
        uint64_t tweak, bits[2][4], alone[4];
        assert_int_equal(prg_fill(g, in, sizeof in), MP2ML_OK);
        assert_int_equal(prg_fill(g, &key, sizeof key), MP2ML_OK);
        assert_int_equal(prg_fill(g, &offset, sizeof offset), MP2ML_OK);
        assert_int_equal(prg_fill(g, &tweak, sizeof tweak), MP2ML_OK);
        if (n % 3 == 0) /* the lower half of the tweak wraps, or the whole, within the batch */
            tweak = n % 2 == 0 ? UINT64_C(0x5ffffffff) - n / 2 : UINT64_MAX - n / 2;
        for (size_t i = 0; i < n; i++) {
            both[i][0] = in[i];
            both[i][1].lo = in[i].lo ^ offset.lo;
            both[i][1].hi = in[i].hi ^ offset.hi;
        }
        all[0]->tccr(both[0], both[0], &key, tweak, n, 2);
        for (size_t t = 0; t < count; t++) {
            struct tccr h = {key, all[t]};
            memset(out, 0x5a, sizeof out);
            memset(bits, 0xff, sizeof bits);
            memset(alone, 0xff, sizeof alone);
            tccr_hash_pair(&h, out[0], out[1], in, &offset, tweak, n);
            tccr_hash_bits(&h, bits[0], bits[1], in, &offset, tweak, n);
            tccr_hash_bits(&h, alone, NULL, in, NULL, tweak, n);
            assert_memory_equal(alone, bits[0], sizeof alone);
            for (unsigned m = 0; m < 2; m++) {
                for (size_t i = 0; i < n; i++) {
                    assert_memory_equal(&out[m][i], &both[i][m], sizeof(struct block));
                    assert_int_equal(bits[m][i / 64] >> (i % 64) & 1, both[i][m].lo & 1);
                }
                assert_true(out[m][n].lo == UINT64_C(0x5a5a5a5a5a5a5a5a));
                if (n % 64 != 0)
                    assert_true(bits[m][n / 64] >> (n % 64) == 0);
                if (n <= 192)
                    assert_true(bits[m][(n + 63) / 64] == UINT64_MAX);
            }
        }
    }
    prg_free(g);
}

/* Folded streams against the streams themselves. */
static void test_stream_fold(void **state)
{
    (void)state;
    enum { STRIDE = 48 };
    const struct crypto_kernels *all[TABLES_MAX];
    const size_t count = tables(all);
    static struct block stream[16][STRIDE], planes[4 * STRIDE], before[4 * STRIDE], sum[STRIDE];
    struct block keys[16];
    struct prg *g = new_prg(4);
    for (size_t n = 1; n <= STRIDE; n += n < 18 ? 1 : 5)
        for (unsigned bits = 2; bits <= 4; bits += 2)
            for (size_t t = 0; t < count; t++) {
                const uint64_t offset = n % 2 == 0 ? n : UINT64_C(0xfffffffc);
                assert_int_equal(prg_fill(g, keys, sizeof keys), MP2ML_OK);
                assert_int_equal(prg_fill(g, before, sizeof before), MP2ML_OK);
                memcpy(planes, before, sizeof planes);
                for (unsigned x = 0; x < 1U << bits; x++)
                    all[0]->stream((uint8_t *)stream[x], n * 16, &keys[x], offset);
                all[t]->stream_fold(planes, sum, keys, offset, n, STRIDE, bits);
                for (size_t i = 0; i < n; i++) {
                    for (unsigned x = 0; x < 1U << bits; x++) {
                        sum[i].lo ^= stream[x][i].lo;
                        sum[i].hi ^= stream[x][i].hi;
                        for (unsigned b = 0; b < bits; b++)
                            if ((x >> b & 1) != 0) {
                                before[b * STRIDE + i].lo ^= stream[x][i].lo;
                                before[b * STRIDE + i].hi ^= stream[x][i].hi;
                            }
                    }
                    assert_true((sum[i].lo | sum[i].hi) == 0);
                    for (unsigned b = 0; b < bits; b++)
                        assert_memory_equal(&planes[b * STRIDE + i], &before[b * STRIDE + i],
                                            sizeof *planes);
                }
            }
    prg_free(g);
}

static void test_gf128_known(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t n = tables(all);
    for (size_t t = 0; t < n; t++) {
        struct block sum[2] = {{0, 0}, {0, 0}};
        struct block want[2] = {{0, 0}, {0, 0}};
        for (size_t v = 0; v < sizeof vectors_gf128 / sizeof *vectors_gf128; v++) {
            const struct vector_gf128 *g = &vectors_gf128[v];
            struct block acc[2] = {{0, 0}, {0, 0}};
            struct block product = g->a;
            crypto_gf128_accumulate(all[t], acc, &g->a, &g->b, 1);
            assert_memory_equal(&acc[0], &g->low, sizeof g->low);
            assert_memory_equal(&acc[1], &g->high, sizeof g->high);
            crypto_gf128_mul(all[t], &product, &product, &g->b);
            assert_memory_equal(&product, &g->product, sizeof product);
            crypto_gf128_accumulate(all[t], sum, &g->a, &g->b, 1);
            want[0].lo ^= g->low.lo, want[0].hi ^= g->low.hi;
            want[1].lo ^= g->high.lo, want[1].hi ^= g->high.hi;
        }
        assert_memory_equal(sum, want, sizeof sum);
    }
}

static void test_gf128_laws(void **state)
{
    (void)state;
    const struct crypto_kernels *all[TABLES_MAX];
    size_t count = tables(all);
    struct prg *g = new_prg(2);
    struct block a[40], b[40];
    for (size_t n = 0; n <= 40; n += 5) {
        struct block start[2], want[2];
        assert_int_equal(prg_fill(g, a, sizeof a), MP2ML_OK);
        assert_int_equal(prg_fill(g, b, sizeof b), MP2ML_OK);
        assert_int_equal(prg_fill(g, start, sizeof start), MP2ML_OK);
        memcpy(want, start, sizeof want);
        all[0]->gf128_accumulate(want, a, b, n);
        for (size_t t = 0; t < count; t++) {
            struct block acc[2];
            memcpy(acc, start, sizeof acc);
            crypto_gf128_accumulate(all[t], acc, a, b, n);
            assert_memory_equal(acc, want, sizeof acc);
            /* (a0 b0) b1 = a0 (b0 b1) */
            struct block left, right;
            crypto_gf128_mul(all[t], &left, &a[0], &b[0]);
            crypto_gf128_mul(all[t], &left, &left, &b[1]);
            crypto_gf128_mul(all[t], &right, &b[0], &b[1]);
            crypto_gf128_mul(all[t], &right, &a[0], &right);
            assert_memory_equal(&left, &right, sizeof left);
        }
    }
    prg_free(g);
}

static void test_pick(void **state)
{
    (void)state;
    const char *old = getenv("MP2ML_CPU");
    char *keep = old != NULL ? strdup(old) : NULL;
    setenv("MP2ML_CPU", "portable", 1);
    assert_ptr_equal(crypto_kernels_pick(), crypto_kernels_portable());
    assert_null(crypto_kernels_avx2());
    assert_null(crypto_kernels_avx512());
    setenv("MP2ML_CPU", "avx512", 1);
    if (cpu_level() == CPU_AVX512)
        assert_ptr_equal(crypto_kernels_pick(), crypto_kernels_avx512());
    setenv("MP2ML_CPU", "avx2", 1);
    assert_null(crypto_kernels_avx512());
    if (cpu_has_aes())
        assert_ptr_equal(crypto_kernels_pick(), crypto_kernels_avx2());
    else
        assert_ptr_equal(crypto_kernels_pick(), crypto_kernels_portable());
    if (keep != NULL)
        setenv("MP2ML_CPU", keep, 1);
    else
        unsetenv("MP2ML_CPU");
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aes_fips_197), cmocka_unit_test(test_hash_known),
        cmocka_unit_test(test_hash_batches), cmocka_unit_test(test_stream_known),
        cmocka_unit_test(test_stream_sizes), cmocka_unit_test(test_pairs_and_bits),
        cmocka_unit_test(test_stream_fold),  cmocka_unit_test(test_gf128_known),
        cmocka_unit_test(test_gf128_laws),   cmocka_unit_test(test_pick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
