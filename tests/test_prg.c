/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator and XOF: known answers, independence of how the bytes are asked for, statistics
 * coarse enough never to fail by chance, forks, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "crypto/crypto_kernels.h"
#include "vectors/crypto_vectors.h"

static struct prg *seeded(void)
{
    struct prg *g;
    assert_int_equal(prg_new_seeded(&g, (const uint8_t *)PRG_SEED), MP2ML_OK);
    return g;
}

/* The front of the seeded stream, asked for in pieces of up to `most` bytes. */
static void fill_in_pieces(uint8_t *out, size_t most)
{
    struct prg *g = seeded();
    size_t piece = 1;
    for (size_t done = 0; done < PRG_SIZE; done += piece) {
        piece = (piece * 7 + 3) % most + 1;
        if (piece > PRG_SIZE - done)
            piece = PRG_SIZE - done;
        assert_int_equal(prg_fill(g, out + done, piece), MP2ML_OK);
        assert_int_equal(prg_fill(g, NULL, 0), MP2ML_OK);
    }
    prg_free(g);
}

static void test_seeded_known(void **state)
{
    (void)state;
    static uint8_t whole[PRG_SIZE], pieces[PRG_SIZE];
    struct prg *g = seeded();
    assert_int_equal(prg_fill(g, whole, PRG_SIZE), MP2ML_OK);
    prg_free(g);
    assert_memory_equal(whole, PRG_FRONT, sizeof PRG_FRONT - 1);
    static const size_t most[] = {5, 100, 4096, 16384, 16385, 33000};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        fill_in_pieces(pieces, most[i]);
        assert_memory_equal(pieces, whole, PRG_SIZE);
    }
}

static void test_seeded_hash(void **state)
{
    (void)state;
    static uint8_t whole[PRG_SIZE];
    struct prg *g = seeded();
    assert_int_equal(prg_fill(g, whole, PRG_SIZE), MP2ML_OK);
    prg_free(g);
    uint8_t hash[DIGEST_BYTES];
    assert_int_equal(digest_once(hash, "prg", whole, PRG_SIZE), MP2ML_OK);
    assert_memory_equal(hash, PRG_H, sizeof hash);
}

static void test_fresh(void **state)
{
    (void)state;
    struct prg *a, *b;
    uint8_t x[2][64];
    assert_int_equal(prg_new(&a), MP2ML_OK);
    assert_int_equal(prg_new(&b), MP2ML_OK);
    assert_int_equal(prg_fill(a, x[0], 64), MP2ML_OK);
    assert_int_equal(prg_fill(b, x[1], 64), MP2ML_OK);
    assert_memory_not_equal(x[0], x[1], 64);
    assert_int_equal(prg_fill(a, x[1], 64), MP2ML_OK);
    assert_memory_not_equal(x[0], x[1], 64);
    prg_free(a);
    prg_free(b);
    prg_free(NULL);
}

/* Chi-square of the bytes over 2^20 fresh bytes: 255 degrees of freedom, deviation 22.6; twelve
 * deviations either way happen by chance less often than once in 2^64. Then serial correlation:
 * each bit against the same bit of the byte before. */
static void test_statistics(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static uint8_t data[N];
    static size_t counts[256];
    struct prg *g;
    assert_int_equal(prg_new(&g), MP2ML_OK);
    for (size_t done = 0, piece = 1; done < N; done += piece) {
        piece = piece * 5 % 20011 + 1;
        piece = piece > N - done ? N - done : piece;
        assert_int_equal(prg_fill(g, data + done, piece), MP2ML_OK);
    }
    prg_free(g);
    size_t equal[8] = {0};
    for (size_t i = 0; i < N; i++) {
        counts[data[i]]++;
        for (unsigned b = 0; i > 0 && b < 8; b++)
            equal[b] += ((data[i] ^ data[i - 1]) >> b & 1) == 0;
    }
    double chi = 0;
    for (unsigned v = 0; v < 256; v++) {
        double d = (double)counts[v] - N / 256.0;
        chi += d * d / (N / 256.0);
    }
    assert_true(chi > 255 - 12 * 22.6 + 80 && chi < 255 + 12 * 22.6);
    for (unsigned b = 0; b < 8; b++) /* deviation 512 */
        assert_true(equal[b] > N / 2 - 12 * 512 && equal[b] < N / 2 + 12 * 512);
}

/* Reads n bytes of a generator in a child, which hands them over through a pipe. */
static void fill_in_child(struct prg *g, uint8_t *out, size_t n, bool twice)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (twice) { /* a grandchild */
            child = fork();
            if (child != 0) {
                int result = 1;
                waitpid(child, &result, 0);
                _exit(child < 0 || result != 0);
            }
        }
        bool good = prg_fill(g, out, n) == MP2ML_OK && write(ends[1], out, n) == (ssize_t)n;
        _exit(good ? 0 : 1);
    }
    close(ends[1]);
    size_t got = 0;
    for (ssize_t r = 1; got < n && r > 0; got += r > 0 ? (size_t)r : 0)
        r = read(ends[0], out + got, n - got);
    close(ends[0]);
    int result = 1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_int_equal(got, n);
}

/* No 16 bytes of parent, children and grandchild are the same, small reads and large ones, with the
 * buffer full and empty. */
static void test_fork(void **state)
{
    (void)state;
    static const size_t sizes[] = {48, 20000};
    for (size_t i = 0; i < 2; i++) {
        for (int before = 0; before < 2; before++) {
            const size_t n = sizes[i];
            static uint8_t out[5][20000];
            struct prg *g;
            assert_int_equal(prg_new(&g), MP2ML_OK);
            if (before != 0)
                assert_int_equal(prg_fill(g, out[0], 10), MP2ML_OK);
            fill_in_child(g, out[0], n, false);
            fill_in_child(g, out[1], n, false);
            fill_in_child(g, out[2], n, true);
            assert_int_equal(prg_fill(g, out[3], n), MP2ML_OK);
            fill_in_child(g, out[4], n, false);
            for (int a = 0; a < 5; a++)
                for (int b = 0; b < a; b++)
                    for (size_t at = 0; at + 16 <= n; at += n / 3)
                        assert_memory_not_equal(out[a] + at, out[b] + at, 16);
            prg_free(g);
        }
    }
}

static void test_failure(void **state)
{
    (void)state;
    struct prg *g;
    uint8_t out[100];
    static const uint8_t zero[100];
    assert_int_equal(prg_new(&g), MP2ML_OK);
    assert_int_equal(prg_fill(g, out, sizeof out), MP2ML_OK);
    prg_break(g);
    for (int i = 0; i < 2; i++) {
        memset(out, 0xff, sizeof out);
        assert_int_equal(prg_fill(g, out, sizeof out), MP2ML_ERR_CRYPTO);
        assert_memory_equal(out, zero, sizeof out);
    }
    prg_free(g);
}

static void test_xof_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors_xof / sizeof *vectors_xof; i++) {
        const struct vector_xof *v = &vectors_xof[i];
        struct xof *x;
        uint8_t out[200];
        assert_int_equal(xof_new(&x, (const uint8_t *)v->seed, v->seed_bytes, v->label, v->set),
                         MP2ML_OK);
        for (int again = 0; again < 2; again++) { /* reading leaves no trace */
            memset(out, 0x77, sizeof out);
            assert_int_equal(xof_read(x, out, v->size, v->ctr, v->offset), MP2ML_OK);
            assert_memory_equal(out, v->out, v->size);
            assert_int_equal(out[v->size], 0x77);
        }
        xof_free(x);
    }
    xof_free(NULL);
}

/* A long read across many batches is the same as short ones; labels, sets and counters differ. */
/* The kernels' AES-256 against OpenSSL's, for all sizes of a batch and both orders of the counter. */
static void test_aes256_kernels(void **state)
{
    (void)state;
    enum { BLOCKS = 75 };
    static const uint64_t indices[] = {0, 2, 250, UINT32_MAX - 3u, UINT64_MAX - 9};
    const struct crypto_kernels *k = crypto_kernels_avx512();
    if (k == NULL)
        skip();
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    for (unsigned t = 0; t < 2 * sizeof indices / sizeof *indices; t++) {
        const bool swap = t % 2;
        uint8_t key[32], keys[240], in[16 * BLOCKS], want[16 * BLOCKS], got[16 * BLOCKS + 16];
        int n = 0;
        for (unsigned i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)(i * 29 + t);
        for (uint64_t i = 0; i < BLOCKS; i++) {
            const uint64_t index = indices[t / 2] + i;
            store_u64(in + 16 * i, 77 * t);
            store_u64(in + 16 * i + 8, swap ? __builtin_bswap64(index) : index);
        }
        assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key, NULL), 1);
        assert_int_equal(EVP_CIPHER_CTX_set_padding(c, 0), 1);
        assert_int_equal(EVP_EncryptUpdate(c, want, &n, in, sizeof in), 1);
        k->aes256_expand(keys, key);
        for (size_t blocks = 0; blocks <= BLOCKS; blocks++) {
            memset(got, 0x5a, sizeof got);
            k->aes256_blocks(got, blocks, keys, 77 * t, indices[t / 2], swap);
            assert_memory_equal(got, want, 16 * blocks);
            assert_int_equal(got[16 * blocks], 0x5a);
        }
    }
    EVP_CIPHER_CTX_free(c);
}

static void test_xof_parts(void **state)
{
    (void)state;
    enum { N = 3 * 4096 + 123 };
    static uint8_t whole[N + 1], part[N];
    struct xof *x, *y;
    static const uint8_t seed[32] = {1, 2, 3};
    const uint64_t start = (UINT64_C(1) << 36) - 4096; /* the block index passes 2^32 */
    assert_int_equal(xof_new(&x, seed, 32, "c1", "S1"), MP2ML_OK);
    whole[N] = 0x77;
    assert_int_equal(xof_read(x, whole, N, 5, start), MP2ML_OK);
    assert_int_equal(whole[N], 0x77);
    for (size_t done = 0; done < N; done += 48)
        assert_int_equal(xof_read(x, part + done, N - done < 48 ? N - done : 48, 5, start + done),
                         MP2ML_OK);
    assert_memory_equal(part, whole, N);
    assert_int_equal(xof_read(x, part, 16, 6, start), MP2ML_OK);
    assert_memory_not_equal(part, whole, 16);
    static const char *const names[][2] = {{"c1", "S2"}, {"c2", "S1"}, {"c1S", "2"}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(xof_new(&y, seed, 32, names[i][0], names[i][1]), MP2ML_OK);
        assert_int_equal(xof_read(y, part, 16, 5, start), MP2ML_OK);
        assert_memory_not_equal(part, whole, 16);
        xof_free(y);
    }
    assert_int_equal(xof_read(x, part, 0, 5, 0), MP2ML_OK);
    xof_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeded_known),   cmocka_unit_test(test_seeded_hash),
        cmocka_unit_test(test_fresh),          cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_fork),           cmocka_unit_test(test_failure),
        cmocka_unit_test(test_aes256_kernels), cmocka_unit_test(test_xof_known),
        cmocka_unit_test(test_xof_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
