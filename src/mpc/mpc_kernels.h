/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot loops of 2PC: bit-slicing, AND gates, multiplexers. A *plane* is one bit of each of n
 * values: bit i at word i / 64, place i % 64; bits of the last word from n on are arbitrary unless
 * said otherwise. Words = ceil(n / 64).
 *
 * All loops are CT: time depends on counts and widths, never on values. The portable table is the
 * specification; every other gives the same bits. */
#ifndef MPC_MPC_KERNELS_H
#define MPC_MPC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "ot/ot.h"

/* Where the masks of the 1-of-4 transfer lie in the 128 bits of a key. Key A (choice d) holds the
 * low k bits at 0 and a slice of h bits at a_at[j] for each j; key B (choice m) a slice at b_at[i]
 * for each i. mask_ij = A_i slice j ^ B_j slice i: no slice is used for two pairs (i, j), so what a
 * receiver knows of one mask tells nothing of the three others. k + 2h <= 128. */
struct mpc_extension {
    unsigned k, h;
    unsigned a_at[2], b_at[2];
};

/* Sender of the 1-of-4 transfer: shares, and the messages low (choice 1 of 2), high 01, 10, 11. */
struct mpc_extend_send {
    uint64_t *share;      /* out, k + h bits */
    uint64_t *message[4]; /* out, k, h, h, h bits */
    const struct block *a0, *a1, *b0, *b1;
    const uint64_t *flip_a, *flip_b; /* planes: key 1 stands for choice 0 where set */
    const uint64_t *d, *x;           /* plane; values of k bits */
    const uint64_t *negative; /* plane: where d = 1 means that the sum of shares is below 0 */
    size_t n;
};

/* Receiver: adds what it gets to share. */
struct mpc_extend_recv {
    uint64_t *share; /* in and out, k + h bits */
    const uint64_t *message[4];
    const struct block *a, *b; /* the keys of the choices */
    const uint64_t *d, *m;     /* planes */
    size_t n;
};

struct mpc_kernels {
    const char *name;

    /* planes[j * stride + i / 64] gets bit j of x[i], j < k <= 32; bits from n on are zero. */
    void (*slice)(uint64_t *planes, size_t stride, const uint64_t *x, size_t n, unsigned k);
    /* plane = bit `bit` of x[i], one plane alone; bits from n on are zero. */
    void (*bit)(uint64_t *plane, const uint64_t *x, size_t n, unsigned bit);
    /* d = x ^ a, e = y ^ b; outputs overlap nothing. */
    void (*and_open)(uint64_t *d, uint64_t *e, const uint64_t *x, const uint64_t *y,
                     const uint64_t *a, const uint64_t *b, size_t words);
    /* z = (d & e & all) ^ (d & b) ^ (e & a) ^ c with d = d0 ^ d1, e = e0 ^ e1; all is ones at one
     * party and zeros at the other. */
    void (*and_close)(uint64_t *z, const uint64_t *const d[2], const uint64_t *const e[2],
                      const uint64_t *const abc[3], uint64_t all, size_t words);
    /* Correlated 1-of-2 of (d ^ choice) * y: share and message, `bits` <= 64 wide, masks from bit
     * `at` of the keys. share may be y. */
    void (*mux_send)(uint64_t *share, uint64_t *message, const struct block *const key[2],
                     const uint64_t *flip, const uint64_t *d, const uint64_t *y, size_t n,
                     unsigned at, unsigned bits);
    /* share += what the choice plane d gets, mod 2^bits. */
    void (*mux_recv)(uint64_t *share, const uint64_t *message, const struct block *key,
                     const uint64_t *d, size_t n, unsigned at, unsigned bits);
    void (*extend_send)(const struct mpc_extend_send *s, const struct mpc_extension *e);
    void (*extend_recv)(const struct mpc_extend_recv *r, const struct mpc_extension *e);
};

const struct mpc_kernels *mpc_kernels_portable(void);
/* AVX-512; NULL when cpu_level() is below CPU_AVX512. */
const struct mpc_kernels *mpc_kernels_avx512(void);
/* The best table for this machine, or the one that MP2ML_CPU permits; never NULL. */
const struct mpc_kernels *mpc_kernels_pick(void);

#endif
