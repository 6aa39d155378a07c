/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot loops of garbled circuits beside the hash: half-gates [eprint 2014/756], projection rows
 * [eprint 2016/969], transfers on labels. All work on *lanes*: the same gate of n circuits, array
 * elements 0 .. n-1. A label is a block, its *colour* bit 0 of lo. The garbler holds the label X of
 * the value 0; that of 1 is X ^ *offset, and bit 0 of the offset is set. The evaluator holds the
 * label of the wire's value, and where both call a kernel, its offset is a block of zeros.
 *
 * Outputs may be inputs of the same lane; else nothing overlaps. Planes are as in mpc_kernels.h.
 * CT: time depends on counts, places and widths only. The portable table is the specification. */
#ifndef MPC_GARBLE_KERNELS_H
#define MPC_GARBLE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/block.h"

/* Hashes of labels: of the value 0 and of 1 at the garbler, `one` NULL at the evaluator. */
struct garble_hash {
    const struct block *zero, *one;
};

/* Of a projection and of a transfer: word 0 (lo) or 1 (hi) of the hashes, its low bits are the pad;
 * 1 <= bits <= 64. */
struct garble_slice {
    unsigned word, bits;
};

struct garble_kernels {
    const char *name;

    /* out = a ^ b ^ *add. */
    void (*add)(struct block *out, const struct block *a, const struct block *b,
                const struct block *add, size_t n);
    /* label[i] ^= *offset where bit i of the plane is set. */
    void (*flip)(struct block *label, const uint64_t *plane, const struct block *offset, size_t n);

    /* sum ^= a & b: a table of two blocks a lane, the garbler's half and the evaluator's. */
    void (*garble_and)(struct block *sum, struct block *half_a, struct block *half_b,
                       const struct block *a, const struct block *b, const struct garble_hash *of_a,
                       const struct garble_hash *of_b, const struct block *offset, size_t n);
    void (*evaluate_and)(struct block *sum, const struct block *half_a, const struct block *half_b,
                         const struct block *a, const struct block *b,
                         const struct garble_hash *of_a, const struct garble_hash *of_b, size_t n);
    /* out = known & b, where the garbler knows a bit of each lane: one block a lane. */
    void (*garble_known)(struct block *out, struct block *table, const uint64_t *known,
                         const struct block *b, const struct garble_hash *of_b,
                         const struct block *offset, size_t n);
    void (*evaluate_known)(struct block *out, const struct block *table, const struct block *b,
                           const struct garble_hash *of_b, size_t n);

    /* Wire s to zero + s * factor mod 2^bits: zero and the row at the garbler, the value at the
     * evaluator. factor may be NULL: 1. */
    void (*project_send)(uint64_t *zero, uint64_t *row, const struct block *label,
                         const struct garble_hash *h, const uint64_t *factor, size_t n,
                         struct garble_slice slice);
    void (*project_recv)(uint64_t *value, const uint64_t *row, const struct block *label,
                         const struct garble_hash *h, size_t n, struct garble_slice slice);

    /* Of the product b * z, b a wire whose bit the evaluator knows (plane), z a number of the
     * garbler: share gets r * 2^place more at the garbler, (r + b*z) * 2^place less at the
     * evaluator, r the pad of 0, mod 2^bits before the shift; then mod 2^64. */
    void (*transfer_send)(uint64_t *share, uint64_t *message, const struct garble_hash *h,
                          const uint64_t *z, size_t n, unsigned place, struct garble_slice slice);
    void (*transfer_recv)(uint64_t *share, const uint64_t *message, const struct garble_hash *h,
                          const uint64_t *plane, size_t n, unsigned place,
                          struct garble_slice slice);
};

const struct garble_kernels *garble_kernels_portable(void);
/* AVX-512; NULL when cpu_level() is below CPU_AVX512. */
const struct garble_kernels *garble_kernels_avx512(void);
/* The best table for this machine, or the one that MP2ML_CPU permits; never NULL. */
const struct garble_kernels *garble_kernels_pick(void);

#endif
