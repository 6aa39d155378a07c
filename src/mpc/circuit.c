/* SPDX-License-Identifier: Apache-2.0
 *
 * The sign of a sum of two shares: top bit = a_{k-1} ^ b_{k-1} ^ carry. The carry ripples in
 * majority form, c' = c ^ ((a ^ c) & (b ^ c)), one AND a bit. */
#include "mpc/circuit.h"

#include <assert.h>
#include <stddef.h>

static unsigned gate(struct circuit *c, enum circuit_op op, unsigned left, unsigned right)
{
    assert(c->gates < CIRCUIT_MAX_GATES);
    const unsigned wire = 2 * c->bits + c->gates;
    c->gate[c->gates].op = (uint8_t)op;
    c->gate[c->gates].left = (uint8_t)left;
    c->gate[c->gates].right = (uint8_t)right;
    c->gates++;
    if (op == CIRCUIT_AND)
        c->ands++;
    return wire;
}

void circuit_sign(struct circuit *c, unsigned k)
{
    assert(k >= CIRCUIT_MIN_BITS && k <= CIRCUIT_MAX_BITS);
    c->bits = k;
    c->gates = 0;
    c->ands = 0;
    unsigned carry = gate(c, CIRCUIT_AND, 0, k); /* no carry comes into bit 0 */
    for (unsigned i = 1; i < k - 1; i++) {
        const unsigned left = gate(c, CIRCUIT_XOR, i, carry);
        const unsigned right = gate(c, CIRCUIT_XOR, k + i, carry);
        carry = gate(c, CIRCUIT_XOR, carry, gate(c, CIRCUIT_AND, left, right));
    }
    const unsigned top = gate(c, CIRCUIT_XOR, k - 1, 2 * k - 1);
    c->result = gate(c, CIRCUIT_NOT, gate(c, CIRCUIT_XOR, top, carry), 0);
}

unsigned circuit_layer(const struct circuit *c, unsigned first)
{
    const unsigned from = 2 * c->bits + first; /* the first wire that the layer writes */
    unsigned i = first;
    while (i < c->gates && c->gate[i].op == CIRCUIT_AND && c->gate[i].left < from &&
           c->gate[i].right < from)
        i++;
    return i - first;
}

void circuit_clear(const struct circuit *c, uint64_t *wires)
{
    for (unsigned i = 0; i < c->gates; i++) {
        const struct circuit_gate *g = &c->gate[i];
        uint64_t *out = &wires[2 * c->bits + i];
        switch ((enum circuit_op)g->op) {
        case CIRCUIT_XOR:
            *out = wires[g->left] ^ wires[g->right];
            break;
        case CIRCUIT_AND:
            *out = wires[g->left] & wires[g->right];
            break;
        case CIRCUIT_NOT:
            *out = ~wires[g->left];
            break;
        }
    }
}
