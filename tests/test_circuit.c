/* SPDX-License-Identifier: Apache-2.0
 *
 * The sign circuit in the clear: exhaustive for small widths, random above; its size and layers. */
#include "mpc/circuit.h"
#include "mpc_pair.h"

/* One pair of shares through the circuit, in instance 0 of 64. */
static uint64_t sign_of(const struct circuit *c, uint64_t a, uint64_t b)
{
    uint64_t wires[CIRCUIT_MAX_WIRES];
    for (unsigned j = 0; j < c->bits; j++) {
        wires[j] = a >> j & 1;
        wires[c->bits + j] = b >> j & 1;
    }
    circuit_clear(c, wires);
    return wires[c->result] & 1;
}

static void test_exhaustive(void **state)
{
    (void)state;
    for (unsigned k = 4; k <= 8; k++) {
        struct circuit c;
        circuit_sign(&c, k);
        for (uint64_t a = 0; a >> k == 0; a++)
            for (uint64_t b = 0; b >> k == 0; b++)
                assert_int_equal(sign_of(&c, a, b), as_signed((a + b) & mpc_ring_mask(k), k) >= 0);
    }
}

static void test_random_wide(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned k = 9; k <= CIRCUIT_MAX_BITS; k++) {
        struct circuit c;
        circuit_sign(&c, k);
        for (unsigned i = 0; i < 2000; i++) {
            const uint64_t a = test_random(&seed) & mpc_ring_mask(k);
            /* Half of the sums lie within 4 of the places where the sign changes. */
            const uint64_t near = (test_random(&seed) % 9 - 4 + (i % 4 == 1 ? 1u << (k - 1) : 0));
            const uint64_t b = (i % 2 ? near - a : test_random(&seed)) & mpc_ring_mask(k);
            assert_int_equal(sign_of(&c, a, b), as_signed((a + b) & mpc_ring_mask(k), k) >= 0);
        }
    }
}

static void test_shape(void **state)
{
    (void)state;
    for (unsigned k = CIRCUIT_MIN_BITS; k <= CIRCUIT_MAX_BITS; k++) {
        struct circuit c;
        circuit_sign(&c, k);
        unsigned layers = 0;
        unsigned ands = 0;
        for (unsigned i = 0; i < c.gates; i++) {
            assert_true(c.gate[i].left < 2 * k + i && c.gate[i].right < 2 * k + i);
            layers += circuit_layer(&c, i) > 0;
            ands += c.gate[i].op == CIRCUIT_AND;
        }
        assert_int_equal(c.ands, k - 1);
        assert_int_equal(ands, k - 1);
        assert_int_equal(layers, k - 1);
        assert_int_equal(c.result, 2 * k + c.gates - 1);
    }
}

/* A layer ends before the first gate that reads from inside it. */
static void test_layers(void **state)
{
    (void)state;
    const struct circuit c = {.bits = 2,
                              .gates = 5,
                              .gate = {{CIRCUIT_AND, 0, 1},
                                       {CIRCUIT_AND, 2, 3},
                                       {CIRCUIT_AND, 4, 0},
                                       {CIRCUIT_XOR, 4, 5},
                                       {CIRCUIT_AND, 7, 6}}};
    assert_int_equal(circuit_layer(&c, 0), 2);
    assert_int_equal(circuit_layer(&c, 2), 1);
    assert_int_equal(circuit_layer(&c, 3), 0);
    assert_int_equal(circuit_layer(&c, 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_random_wide),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests_name("circuit", tests, NULL, NULL);
}
