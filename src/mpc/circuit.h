/* SPDX-License-Identifier: Apache-2.0
 *
 * Boolean circuits as flat lists of gates over numbered wires, the one description that every 2PC
 * engine runs. The wires are: inputs a_0 .. a_{k-1} of the server, b_0 .. b_{k-1} of the client,
 * then one wire for each gate, in order, so that a gate reads only wires before its own.
 *
 * A *layer* is a run of neighbouring AND gates of which none reads another's output; an interactive
 * engine opens a layer in one exchange. */
#ifndef MPC_CIRCUIT_H
#define MPC_CIRCUIT_H

#include <stdint.h>

#define CIRCUIT_MIN_BITS 4u
#define CIRCUIT_MAX_BITS 32u
#define CIRCUIT_MAX_GATES (4 * CIRCUIT_MAX_BITS)
#define CIRCUIT_MAX_WIRES (2 * CIRCUIT_MAX_BITS + CIRCUIT_MAX_GATES)

enum circuit_op { CIRCUIT_XOR, CIRCUIT_AND, CIRCUIT_NOT };

struct circuit_gate {
    uint8_t op;          /* enum circuit_op */
    uint8_t left, right; /* wires; NOT has only left */
};

struct circuit {
    unsigned bits;  /* k; 2k input wires */
    unsigned gates; /* gate i writes wire 2k + i */
    unsigned ands;
    unsigned result; /* the output wire */
    struct circuit_gate gate[CIRCUIT_MAX_GATES];
};

/* [a + b >= 0] in Z_{2^k} read as signed: k-1 ANDs, one in each layer. */
void circuit_sign(struct circuit *c, unsigned k);

/* The gates from `first` on that make one layer; 0 when that gate is not an AND. */
unsigned circuit_layer(const struct circuit *c, unsigned first);

/* In the clear, 64 instances at once: wires holds the 2k inputs and gets all gates' outputs. */
void circuit_clear(const struct circuit *c, uint64_t *wires);

#endif
