/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and encryption, seen with the secret in hand: s is ternary, b + a*s and the phase of a fresh
 * ciphertext minus its message are binomial noise, the same modulo every prime. */
#include "base/bytes.h"
#include "ckks_fixture.h"
#include "ring/ring.h"

static struct ring *ring_of(const struct fixture *f)
{
    struct ring *ring;
    assert_int_equal(ring_new(&ring, f->params->log_n, f->params->q, f->params->primes), MP2ML_OK);
    return ring;
}

static int64_t centred(uint64_t v, uint64_t q)
{
    return v > q / 2 ? (int64_t)v - (int64_t)q : (int64_t)v;
}

/* Coefficients of residues[primes][n], of which all primes must agree. */
static void small_of(const struct fixture *f, struct ring *ring, int64_t *out, uint64_t *residues)
{
    const size_t n = f->params->n;
    for (unsigned p = 0; p < f->params->primes; p++) {
        ring_intt(ring, p, residues + p * n);
        for (size_t j = 0; j < n; j++) {
            int64_t v = centred(residues[p * n + j], f->params->q[p]);
            if (p == 0)
                out[j] = v;
            assert_int_equal(out[j], v);
        }
    }
}

/* The variance of n values of magnitude at most `bound`, around 0. */
static double variance(const int64_t *v, size_t n, int64_t bound)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        assert_true(v[j] >= -bound && v[j] <= bound);
        sum += (double)(v[j] * v[j]);
    }
    return sum / (double)n;
}

static void test_secret_and_public_key(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 6);
        struct ring *ring = ring_of(&f);
        const size_t n = f.params->n, words = f.params->primes * n;
        const size_t size = ckks_public_key_bytes(f.params), stream = size / 16 * 16 + 1024;
        uint64_t *x = fixture_alloc(words, 8), *a = fixture_alloc(words, 8);
        uint64_t *b = fixture_alloc(words, 8);
        int64_t *v = fixture_alloc(n, 8);
        uint8_t *bytes = fixture_alloc(stream, 1);
        struct xof *xof;
        memcpy(x, ckks_secret_residues(f.s), words * 8);
        small_of(&f, ring, v, x);
        double var = variance(v, n, 1); /* 2/3, deviation of the mean below 0.0105 */
        assert_true(var > 0.62 && var < 0.71);

        assert_int_equal(xof_new(&xof, f.h0, 32, "pk-a", f.params->name), MP2ML_OK);
        assert_int_equal(xof_read(xof, bytes, stream, 0, 0), MP2ML_OK);
        assert_true(ring_uniform_parse(ring, a, bytes, stream));
        size_t at = 0;
        for (unsigned p = 0; p < f.params->primes; p++) {
            bits_unpack(b + p * n, f.pk_wire, &at, n, f.params->q_bits[p]);
            ring_mul_add(ring, p, b + p * n, a + p * n, ckks_secret_residues(f.s) + p * n);
        }
        small_of(&f, ring, v, b);
        var = variance(v, n, 21); /* 10.5, deviation below 0.33 */
        assert_true(var > 9.2 && var < 11.8);
        xof_free(xof);
        ring_free(ring);
        free(x);
        free(a);
        free(b);
        free(v);
        free(bytes);
        fixture_wipe(&f);
    }
}

static void test_fresh_ciphertexts(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 7);
        struct ring *ring = ring_of(&f);
        const struct ckks_params *p = f.params;
        const size_t n = p->n, words = p->primes * n, count = 19; /* more than one chunk */
        const unsigned l = 23;
        uint64_t *x = fixture_alloc(count * n, 8), *minus = fixture_alloc(count * n, 8);
        uint64_t *c0 = fixture_alloc(count * words, 8), *c1 = fixture_alloc(count * words, 8);
        uint64_t *again = fixture_alloc(words, 8);
        int64_t *v = fixture_alloc(n, 8);
        for (size_t i = 0; i < count * n; i++)
            x[i] = fixture_draw(&f, l);
        assert_int_equal(
            ckks_encrypt(f.ck, f.s, f.client_stream, 1000, f.g, f.arena, c0, x, l, count, n),
            MP2ML_OK);
        assert_int_equal(ckks_expand_c1(f.ck, f.server_stream, 1000, f.arena, c1, count), MP2ML_OK);
        /* ciphertext i uses block counter + i: the last one alone is the same */
        assert_int_equal(ckks_expand_c1(f.ck, f.server_stream, 1000 + count - 1, f.arena, again, 1),
                         MP2ML_OK);
        assert_memory_equal(again, c1 + (count - 1) * words, words * 8);
        /* the phase is E(x) + e; take E(x) away as the sum of both E of -x and a unit of rounding
         */
        for (size_t i = 0; i < count * n; i++)
            minus[i] = (0 - x[i]) & (((uint64_t)1 << l) - 1);
        ckks_add_plain(f.ck, c0, minus, l, count, n);
        for (size_t i = 0; i < count; i++) {
            for (unsigned q = 0; q < p->primes; q++) {
                ring_mul(ring, q, c1 + i * words + q * n, c1 + i * words + q * n,
                         ckks_secret_residues(f.s) + q * n);
                ring_ntt(ring, q, c0 + i * words + q * n);
                for (size_t j = 0; j < n; j++)
                    c0[i * words + q * n + j] = modulus_add(
                        &ring->prime[q].mod, c0[i * words + q * n + j], c1[i * words + q * n + j]);
            }
            small_of(&f, ring, v, c0 + i * words);
            double var = variance(v, n, 22);
            assert_true(var > 9.0 && var < 12.0);
        }
        ring_free(ring);
        free(x);
        free(minus);
        free(c0);
        free(c1);
        free(again);
        free(v);
        fixture_wipe(&f);
    }
}

/* Two keys from one generator differ; scratch too small is a status, not a crash. */
static void test_fresh_and_memory(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, CKKS_S1, 8);
    const size_t size = ckks_public_key_bytes(f.params);
    uint8_t *wire = fixture_alloc(size, 1);
    struct ckks_secret *s;
    assert_int_equal(ckks_secret_new(&s, f.ck, f.h0, f.g, wire), MP2ML_OK);
    assert_memory_not_equal(wire, f.pk_wire, size);
    assert_memory_not_equal(ckks_secret_residues(s), ckks_secret_residues(f.s), 2048 * 8);
    struct arena *tiny;
    uint64_t *x = fixture_alloc(2048, 8), *c0 = fixture_alloc(2048, 8);
    assert_int_equal(arena_new(&tiny, 4096), MP2ML_OK);
    assert_int_equal(ckks_encrypt(f.ck, f.s, f.client_stream, 0, f.g, tiny, c0, x, 20, 1, 2048),
                     MP2ML_ERR_MEMORY);
    assert_int_equal(ckks_expand_c1(f.ck, f.server_stream, 0, tiny, c0, 1), MP2ML_ERR_MEMORY);
    assert_int_equal(ckks_decode(f.ck, f.s, tiny, c0, x, c0, 12, 1, 1), MP2ML_ERR_MEMORY);
    assert_int_equal(ckks_answer_c1(f.ck, f.pk, f.g, tiny, x, c0, x, 12, 1, 1), MP2ML_ERR_MEMORY);
    assert_int_equal(arena_mark(tiny), 0);
    arena_free(tiny);
    ckks_secret_free(s);
    ckks_secret_free(NULL);
    ckks_public_key_free(NULL);
    ckks_free(NULL);
    free(wire);
    free(x);
    free(c0);
    fixture_wipe(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_and_public_key),
        cmocka_unit_test(test_fresh_ciphertexts),
        cmocka_unit_test(test_fresh_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
