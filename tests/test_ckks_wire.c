/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies on the wire: lengths, round trips, where each field lies, and what is refused. */
#include "ckks_fixture.h"

static void test_lengths(void **state)
{
    (void)state;
    const struct ckks_params *s1 = ckks_params(CKKS_S1), *s2 = ckks_params(CKKS_S2);
    assert_int_equal(ckks_public_key_bytes(s1), 2048 * 41 / 8);
    assert_int_equal(ckks_public_key_bytes(s2), 4096 * 83 / 8);
    assert_int_equal(ckks_ct_in_bytes(s1, 3, 5), (3 * 5 * 41 + 7) / 8);
    assert_int_equal(ckks_ct_in_bytes(s2, 3, 5), (3 * 5 * 83 + 7) / 8);
    assert_int_equal(ckks_ct_in_bytes(s2, 0, 5), 0);
    assert_int_equal(ckks_ct_out_bytes(s1, 12, 3, 5), (3 * (2048 * 17 + 5 * 12) + 7) / 8);
    assert_int_equal(ckks_ct_out_bytes(s2, 20, 1, 4096), 4096 * 46 / 8);
    assert_int_equal(ckks_ct_in_bytes(s1, SIZE_MAX / 8, 2048), SIZE_MAX);
    assert_int_equal(ckks_ct_out_bytes(s1, 12, SIZE_MAX / 8, 2048), SIZE_MAX);
}

static uint64_t bit_field(const uint8_t *body, size_t at, unsigned bits)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bits; i++)
        v |= (uint64_t)(body[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
    return v;
}

static void test_ct_in(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++)
        for (size_t used = 1; used <= 9; used += 4) {
            struct fixture f;
            fixture_init(&f, set, 3);
            const struct ckks_params *p = f.params;
            const size_t count = 3, words = count * p->primes * used;
            const size_t size = ckks_ct_in_bytes(p, count, used);
            uint64_t *c0 = fixture_alloc(words, 8), *back = fixture_alloc(words, 8);
            uint8_t *body = fixture_alloc(size, 1);
            for (size_t i = 0; i < words; i++)
                c0[i] = fixture_draw(&f, 60) % p->q[i / used % p->primes];
            c0[0] = p->q[0] - 1;
            c0[words - 1] = p->q[p->primes - 1] - 1;
            ckks_ct_in_write(p, body, c0, count, used);
            size_t at = 0;
            for (size_t i = 0; i < words; i++) {
                unsigned bits = p->q_bits[i / used % p->primes];
                assert_int_equal(bit_field(body, at, bits), c0[i]);
                at += bits;
            }
            assert_int_equal(ckks_ct_in_read(p, back, body, count, used), MP2ML_OK);
            assert_memory_equal(back, c0, words * 8);
            /* q itself in the first field, then in the last; then a bit of padding */
            c0[0]++;
            ckks_ct_in_write(p, body, c0, count, used);
            assert_int_equal(ckks_ct_in_read(p, back, body, count, used), MP2ML_ERR_PROTOCOL);
            for (size_t i = 0; i < words; i++)
                assert_int_equal(back[i], 0);
            c0[0] = 0;
            c0[words - 1]++;
            ckks_ct_in_write(p, body, c0, count, used);
            assert_int_equal(ckks_ct_in_read(p, back, body, count, used), MP2ML_ERR_PROTOCOL);
            c0[words - 1] = 0;
            ckks_ct_in_write(p, body, c0, count, used);
            assert_int_equal(ckks_ct_in_read(p, back, body, count, used), MP2ML_OK);
            assert_int_not_equal(at % 8, 0);
            body[size - 1] |= 0x80;
            assert_int_equal(ckks_ct_in_read(p, back, body, count, used), MP2ML_ERR_PROTOCOL);
            free(c0);
            free(back);
            free(body);
            fixture_wipe(&f);
        }
}

static void test_ct_out(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 4);
        const struct ckks_params *p = f.params;
        const size_t count = 3, used = 5;
        const unsigned k = 13, bits = k + p->guard_bits;
        const size_t size = ckks_ct_out_bytes(p, k, count, used);
        uint64_t *c1 = fixture_alloc(count * p->n, 8), *back1 = fixture_alloc(count * p->n, 8);
        uint64_t c0[15], back0[15];
        uint8_t *body = fixture_alloc(size, 1);
        for (size_t i = 0; i < count * p->n; i++)
            c1[i] = fixture_draw(&f, bits);
        for (size_t i = 0; i < count * used; i++)
            c0[i] = fixture_draw(&f, k);
        ckks_ct_out_write(p, body, c1, c0, k, count, used);
        const size_t each = p->n * bits + used * k; /* bits of one ciphertext */
        assert_int_equal(bit_field(body, each, bits), c1[p->n]);
        assert_int_equal(bit_field(body, 2 * each + p->n * bits + 4 * k, k), c0[14]);
        assert_int_equal(ckks_ct_out_read(p, back1, back0, body, k, count, used), MP2ML_OK);
        assert_memory_equal(back1, c1, count * p->n * 8);
        assert_memory_equal(back0, c0, sizeof c0);
        assert_int_not_equal(count * each % 8, 0);
        body[size - 1] |= 0x80;
        assert_int_equal(ckks_ct_out_read(p, back1, back0, body, k, count, used),
                         MP2ML_ERR_PROTOCOL);
        free(c1);
        free(back1);
        free(body);
        fixture_wipe(&f);
    }
}

/* A public key has no padding: its bits fill whole bytes in both sets. */
static void test_public_key(void **state)
{
    (void)state;
    for (unsigned set = 1; set <= 2; set++) {
        struct fixture f;
        fixture_init(&f, set, 5);
        const struct ckks_params *p = f.params;
        struct ckks_public_key *pk;
        const size_t size = ckks_public_key_bytes(p);
        uint8_t *wire = fixture_alloc(size, 1);
        size_t at = 0;
        for (unsigned i = 0; i < p->primes; at += p->n * p->q_bits[i], i++)
            for (size_t j = 0; j < p->n; j += p->n - 1) {
                memcpy(wire, f.pk_wire, size);
                for (unsigned b = 0; b < p->q_bits[i]; b++) { /* residue j of prime i = q */
                    size_t bit = at + j * p->q_bits[i] + b;
                    wire[bit / 8] = (uint8_t)((wire[bit / 8] & ~(1u << bit % 8)) |
                                              (p->q[i] >> b & 1) << bit % 8);
                }
                assert_int_equal(ckks_public_key_new(&pk, f.ck, f.h0, wire), MP2ML_ERR_PROTOCOL);
                assert_null(pk);
                size_t bit = at + j * p->q_bits[i]; /* q is odd: q - 1 is one bit away */
                wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
                assert_int_equal(ckks_public_key_new(&pk, f.ck, f.h0, wire), MP2ML_OK);
                ckks_public_key_free(pk);
            }
        free(wire);
        fixture_wipe(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_ct_in),
        cmocka_unit_test(test_ct_out),
        cmocka_unit_test(test_public_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
