/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a struct linear group by group. Weights are kept as blocks (rows x cols, row major) that
 * several groups may share: a block is found again by a key that the caller makes of whatever
 * decides its content, or by the content itself.
 *
 * Failure of an allocation is remembered in `failed`; linear_builder_take reports it. */
#ifndef PLAN_LINEAR_BUILD_H
#define PLAN_LINEAR_BUILD_H

#include "base/status.h"
#include "plan/linear.h"

struct linear_block { /* a block of weights that was made */
    uint64_t hash;
    size_t key_at, key_bytes;
    size_t weights_at, n;
    bool by_content;
};

struct linear_list { /* of lin.index */
    uint64_t hash;
    size_t at, n;
};

struct linear_builder {
    struct linear lin;
    double *constants; /* [n_out], 0 at first */
    size_t cap_groups, cap_index, cap_w;
    uint32_t *in, *out, *col; /* lists of the group that is being made */
    size_t cap_in, cap_out, cap_col;
    struct linear_list *lists;
    size_t n_lists, cap_lists;
    uint32_t *list_slots; /* open addressing, list + 1; a power of two of them */
    size_t n_list_slots;
    struct linear_block *blocks;
    size_t n_blocks, cap_blocks;
    uint32_t *slots; /* open addressing, block + 1; a power of two of them */
    size_t n_slots;
    uint8_t *keys;
    size_t n_keys, cap_keys;
    bool failed;
};

void linear_builder_init(struct linear_builder *b, size_t n_in, size_t n_out);
void linear_builder_wipe(struct linear_builder *b);
/* Hands the map over and wipes the rest. */
MUST_CHECK mp2ml_status linear_builder_take(struct linear_builder *b, struct linear *out);

/* The block with this key (and, if content is not NULL, these n weights). True: it is there. False:
 * it was made; with content it is filled, without the caller fills lin.w[*weights_at .. + n). */
bool linear_builder_block(struct linear_builder *b, const void *key, size_t key_bytes,
                          const float *content, size_t n, size_t *weights_at);
/* Whether a block of n weights has this key; nothing is made. */
bool linear_builder_known(const struct linear_builder *b, const void *key, size_t key_bytes,
                          size_t n, size_t *weights_at);
/* The block of n weights at weights_at has this key, too. */
void linear_builder_also(struct linear_builder *b, const void *key, size_t key_bytes, size_t n,
                         size_t weights_at);
/* Begins a group; columns and rows follow by linear_builder_in (or _column, where it has not all of
 * its block's) and _out, then _end. */
void linear_builder_begin(struct linear_builder *b);
void linear_builder_in(struct linear_builder *b, uint32_t index);
void linear_builder_column(struct linear_builder *b, uint32_t index, uint32_t column);
void linear_builder_out(struct linear_builder *b, uint32_t index);
/* Ends it with the block of `stride` columns (0: as many as the group has) at weights_at. A group without columns (constant outputs) gets one with
 * weights of zero, since a ciphertext must come from somewhere. */
void linear_builder_end(struct linear_builder *b, size_t weights_at, size_t stride);

/* The constants of all outputs: groups with one block share those that are the same. */
MUST_CHECK mp2ml_status linear_set_constants(struct linear *lin, const double *constants);
/* constants[n_out] of them. */
void linear_get_constants(const struct linear *lin, double *constants);
/* Gives every group rows of its own, to have other constants than its like; bi and norm2 with b. */
MUST_CHECK mp2ml_status linear_own_rows(struct linear *lin);
/* Output o becomes number[o]. */
MUST_CHECK mp2ml_status linear_renumber(struct linear *lin, const uint32_t *number);

/* owner[g] = the first group that has g's weights: the block and the columns; malloced, NULL when memory is short. */
uint32_t *linear_owners(const struct linear *lin);

/* out[value][image] of in[value][image], in floats. */
MUST_CHECK mp2ml_status linear_eval_float(const struct linear *lin, float *out, const float *in,
                                          size_t images);

/* Of one row of a group, for columns first.. first+cols-1 what the sum multiplies x with; out[0] is
 * the first's. The same for all groups that share the block and its columns. */
typedef void (*linear_factors)(const void *context, float *out, const struct linear_group *group,
                               size_t row, size_t first, size_t cols);
struct linear_sums {
    linear_factors factors;
    const void *context;
    const double *x; /* [n_in], of any size */
    double unit;     /* of the factors, which floats hold */
};
/* out[o] += unit * sum over the columns c of o's row of factor[c] * x[c]; the sums are of floats. */
MUST_CHECK mp2ml_status linear_sums(const struct linear *lin, double *out,
                                    const struct linear_sums *sums);

/* Room for `need` items of `size` bytes; doubles. False (and untouched) on failure. */
bool linear_grow(void *array, size_t *capacity, size_t need, size_t size);

#endif
