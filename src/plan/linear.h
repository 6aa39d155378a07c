/* SPDX-License-Identifier: Apache-2.0
 *
 * A linear map of many values, stored as dense blocks with gathered inputs. A *group* is a set of
 * output rows that read the same inputs: a dense layer is one group, a convolution one group per
 * position, a pooling one group per position and channel. Groups share *blocks* of weights. What is
 * a zero by geometry (padding, outside of a kernel) has no column: a group names the columns of its
 * block that it has, all but those at the border of a picture. A weight's value never decides
 * anything.
 *
 *   out[out_base + index[out_at + r]] = b[rows_at + r] + sum_c weight[weights_at + r*stride + index[col_at + c]]
 *                                                    * in[in_base + index[in_at + c]]
 *
 * `index` holds every list of numbers once: positions of a convolution differ in their bases alone.
 *
 * The float form (w, b) is what the model says; the integer form (wi, bi) is made from it by
 * scales.c for one choice of rings.
 *
 * A RELU or SIGN with constants of the server's keeps them in one without groups, a row each: b and bi are added
 * first, and where negative says so the smaller of 0 and the sum is taken, not the larger, or the
 * sign turned round. */
#ifndef PLAN_LINEAR_H
#define PLAN_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct linear_group {
    uint32_t rows, cols;
    uint32_t stride; /* columns of its block, >= cols */
    uint32_t in_base, out_base;
    size_t in_at, out_at,
        col_at; /* lists in `index`; the least of in and out is 0, columns ascend */
    size_t weights_at;
    size_t rows_at; /* of its rows in what is kept of a row: b, bi, norm2 */
};

struct linear {
    size_t n_in, n_out; /* values per image */
    size_t n_groups, n_index, n_weights;
    size_t n_rows; /* groups with one block and the same constants share theirs */
    struct linear_group *groups;
    uint32_t *index; /* [n_index] */
    float *w;        /* [n_weights] */
    double *b;       /* [n_rows] */
    int16_t *wi;     /* [n_weights], |wi| <= 2^(b_w-1) - 1; NULL before plan_scale */
    uint64_t *bi;    /* [n_rows], in Z_{2^l} */
    float *norm2;    /* [n_rows], 2-norm of the integer row */
    bool *negative;  /* RELU, SIGN: [n_out] */
    double
        *lost; /* RELU: [n_out], b less what bi holds of it, where the ring is too small for it and
                  the sum is never clipped; readers add it to their constants. NULL: nothing */
};

/* The value that column c reads, the one that row r makes, and the place of their weight. */
static inline uint32_t linear_in(const struct linear *lin, const struct linear_group *g, size_t c)
{
    return g->in_base + lin->index[g->in_at + c];
}
static inline uint32_t linear_out(const struct linear *lin, const struct linear_group *g, size_t r)
{
    return g->out_base + lin->index[g->out_at + r];
}
static inline size_t linear_weight(const struct linear *lin, const struct linear_group *g, size_t r,
                                   size_t c)
{
    return g->weights_at + r * g->stride + lin->index[g->col_at + c];
}

void linear_wipe(struct linear *lin);
/* Weights times ciphertexts of one evaluation: sum over groups of rows * cols. */
uint64_t linear_products(const struct linear *lin);

#endif
