/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that several formats have, said with those of the table: importers whose graphs settle
 * as they go, and expand rules, append them with these. `x->node` names what is appended (the last
 * node gets its name, the others that and a hint); `a` and constants are numbers of nodes of
 * x->b->g; axes count from the batch axis, 0, on. *out is the node that has the result. */
#ifndef MODEL_COMPOSE_H
#define MODEL_COMPOSE_H

#include "model/graph_internal.h"

/* min(max(a, low), high); infinities and the largest floats leave an end open. */
MUST_CHECK mp2ml_status compose_clip(struct graph_expand *x, int *out, int a, float low,
                                     float high);
/* min(max(alpha * a + beta, 0), 1) */
MUST_CHECK mp2ml_status compose_hard_sigmoid(struct graph_expand *x, int *out, int a, float alpha,
                                             float beta);
/* a * hard_sigmoid(a, 1/6, 1/2) */
MUST_CHECK mp2ml_status compose_hard_swish(struct graph_expand *x, int *out, int a);
/* max(a, 0) + slope * min(a, 0); `slope` is a constant that broadcasts to a's shape. */
MUST_CHECK mp2ml_status compose_prelu(struct graph_expand *x, int *out, int a, int slope);
/* Along `axis`, element j of the result is element from[j] of a. */
MUST_CHECK mp2ml_status compose_take(struct graph_expand *x, int *out, int a, unsigned axis,
                                     const int64_t *from, size_t count);

#define COMPOSE_MAX_ROWS 1024 /* as many signs a value, less one */

/* Row a of a constant table [n][rest...] for each value a, a whole number from 0 to n-1: the middle of
 * the first and the last row, and half the difference of rows j and j - 1 times sign(a - j + 1/2),
 * for all j. The result has a's axes and the rest's. An input that a is gets lookup_rows. */
MUST_CHECK mp2ml_status compose_lookup(struct graph_expand *x, int *out, int a, int table);

enum compose_mirror { COMPOSE_REFLECT, COMPOSE_SYMMETRIC, COMPOSE_EDGE, COMPOSE_WRAP };
/* pads[2*d], pads[2*d+1]: values before and behind on axis d, of a's rank; negative ones cut off;
 * those of the batch axis are 0. */
MUST_CHECK mp2ml_status compose_mirror_pad(struct graph_expand *x, int *out, int a,
                                           const int64_t *pads, enum compose_mirror mode);

enum compose_place { /* where output j lies in the input, before rounding; s = out / in size */
                     COMPOSE_ASYMMETRIC,   /* j / s */
                     COMPOSE_HALF_PIXEL,   /* (j + 1/2) / s - 1/2 */
                     COMPOSE_ALIGN_CORNERS /* j * (in - 1) / (out - 1) */
};
enum compose_round { COMPOSE_FLOOR, COMPOSE_CEIL, COMPOSE_HALF_DOWN, COMPOSE_HALF_UP };
/* Nearest neighbour along one axis to `size` values. scale = 0: size / that of the input; other
 * scales are used in float32. */
MUST_CHECK mp2ml_status compose_resize_nearest(struct graph_expand *x, int *out, int a,
                                               unsigned axis, int64_t size, double scale,
                                               enum compose_place place, enum compose_round round);
/* The same between neighbours: (1 - w) * the one before + w * the one behind, the ends beyond. */
MUST_CHECK mp2ml_status compose_resize_linear(struct graph_expand *x, int *out, int a,
                                              unsigned axis, int64_t size, double scale,
                                              enum compose_place place);

/* The gradient of a convolution, as networks use it to enlarge pictures: each input value puts its
 * multiple of the kernel into the output at stride distances. `weights` is a constant
 * [height][width][O / groups][I]; group q reads input channels q*I/groups.. and makes output
 * channels q*O/groups... `window` has nchw, stride, dilation, groups, and in pad[0] and pad[2] how
 * many rows and columns of the whole result are cut off at the top and left (negative: zeros are put
 * there); size[2]: height and width of what is left, which may reach beyond the whole result: zeros
 * there, too. */
MUST_CHECK mp2ml_status compose_conv_transpose(struct graph_expand *x, int *out, int a, int weights,
                                               const struct graph_window *window,
                                               const int64_t size[2]);

#endif
