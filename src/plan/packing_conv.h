/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution that was found in a matrix (packing_conv.c), and its way into a map between planes
 * (packing_planes.c). */
#ifndef PLAN_PACKING_CONV_H
#define PLAN_PACKING_CONV_H

#include "plan/packing_map.h"

struct conv_place { /* of a value in its picture; channels are counted over all operands */
    uint32_t channel;
    int32_t y, x;
};

struct conv_bounds {
    int32_t low, high;
};

struct conv_picture { /* (y, x, c) is value + y*step_y + x*step_x + c*step_c */
    uint32_t h, w, c, step_y, step_x, step_c;
    uint32_t value, channel;              /* the first ones */
    int32_t stride_y, stride_x;           /* operands: (y, x) = stride*result + tap */
    int32_t low_y, high_y, low_x, high_x; /* taps */
    size_t taps;                          /* places of that rectangle */
};

struct conv {
    const struct linear *lin;
    unsigned n_operands;
    uint32_t channels; /* of all operands */
    struct conv_picture from[PLAN_MAX_OPERANDS], result;
    struct conv_place *in, *out;             /* [n_in], [n_out] */
    uint8_t *operand;                        /* [channels] */
    struct conv_bounds *bounds_y, *bounds_x; /* [operand][row or column of the result] */
    uint32_t *first_q, *last_q;              /* [result.c]: channels that a channel reads */
    size_t *taps_before;                     /* [channels + 1]: sum of taps of earlier channels */
    /* The table: entry conv_entry(m, q) + tap, row major, holds a weight's index and how often
     * it was met, 0 for no tap. */
    size_t *offset; /* [result.c + 1] */
    uint32_t *weight, *seen;
    uint64_t work;
};

static inline size_t conv_entry(const struct conv *k, uint32_t m, uint32_t q)
{
    return k->offset[m] + k->taps_before[q] - k->taps_before[k->first_q[m]];
}

void packing_conv_wipe(struct conv *k);
MUST_CHECK mp2ml_status packing_conv_planes(struct packing_map *map, const struct conv *k);

#endif
