/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot loops of linear algebra under encryption, and their contract. Every table gives
 * bit-identical results. Arrays need only the alignment of uint64_t. Residues are in [0, q_p).
 * CT: no branch, index or division depends on a weight, a residue or a value. */
#ifndef CKKS_CKKS_KERNELS_H
#define CKKS_CKKS_KERNELS_H

#include <stddef.h>

#include "ckks/ckks.h"
#include "ring/ring.h"

struct ckks_kernels {
    const char *name;
    size_t tile_rows, tile_width; /* most rows and coefficients of one matrix_tile call */
    /* out[r*out_stride + j] = sum_c weights[r*cols + c] * in[index[c]*in_stride + j]  mod q
     * for r < rows <= tile_rows, j < width <= tile_width, c < cols; |weight| <= CKKS_MAX_WEIGHT,
     * any cols >= 1, q of 21 to 42 bits. out does not overlap in. */
    void (*matrix_tile)(const struct modulus *mod, uint64_t *out, size_t out_stride,
                        const uint64_t *in, size_t in_stride, const uint32_t *index,
                        const int16_t *weights, size_t rows, size_t cols, size_t width);
    /* out[j] = start[j] + sum_i in[products[i].in*in_stride + j] * polys[products[i].poly*poly_stride
     * + j]  mod q for i < count, any number, and j < width, a multiple of 32; q of 21 to 42 bits. start may be NULL
     * (zero) or out; out overlaps nothing else. */
    void (*image_products)(const struct modulus *mod, uint64_t *out, const uint64_t *start,
                           const uint64_t *in, size_t in_stride, const uint64_t *polys,
                           size_t poly_stride, const struct ckks_product *products, size_t count,
                           size_t width);
    /* c[p*stride + j] += round(q*x[j] / 2^l) mod q_p, j < count; only the low l bits of x count;
     * 1 <= l <= 48, and l <= bits of q. c does not overlap x. */
    void (*encode_add)(const struct rns *rns, uint64_t *c, size_t stride, const uint64_t *x,
                       unsigned l, size_t count);
    /* out[j] = round(2^bits * C_j / q) mod 2^bits for the C_j in [0, q) whose residues are
     * c[p*stride + j]; exact; 1 <= bits <= 26. out may be c. */
    void (*switch_bits)(const struct rns *rns, uint64_t *out, const uint64_t *c, size_t stride,
                        unsigned bits, size_t count);
};

/* The specification; always there. */
const struct ckks_kernels *ckks_kernels_portable(void);
/* NULL below CPU_AVX2 and CPU_AVX512. */
const struct ckks_kernels *ckks_kernels_avx2(void);
const struct ckks_kernels *ckks_kernels_avx512(void);

#endif
