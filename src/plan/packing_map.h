/* SPDX-License-Identifier: Apache-2.0
 *
 * What the packing files share: a linear step as a map between planes.
 *
 *   plane   a picture of input values: one channel of an operand, or one phase of it where the map
 *           has a stride (the values at rows and columns of one remainder), or a single value
 *   out     a picture of results: one channel, or a single value
 *   tap     a weight of one plane for one out: out(y, x) += weight * plane(y + tap.y, x + tap.x)
 *           wherever that lies in the plane; the same weight at all places of the out
 *   tile    a block of the outs' places and the rows and columns of the planes that it reads. All
 *           tiles have the same geometry and the same polynomials of weights
 *
 * An input ciphertext holds `planes` planes one behind the other, each `plane` coefficients long
 * with rows of `row`, and an output ciphertext `outs` outs (Cheetah [eprint 2022/207, section 3]):
 *
 *   plane j  (y, x)   at   j*plane + y*row + x
 *   out   m  (y, x)   at   (m*planes + planes - 1)*plane + y*row + x
 *   weight of both    at   (m*planes + planes - 1 - j)*plane - tap.y*row - tap.x   (mod X^N + 1)
 *
 * with y, x and taps counted within the tile. A weight for out m' and plane j then meets, at a place
 * of out m, coefficient ((m - m')*planes + j)*plane + (y + tap.y)*row + x + tap.x: that of plane j
 * if m = m', else one outside of all planes; and nothing is polluted if what lies between rows,
 * between planes and behind the last is as long as the taps reach out of a plane. */
#ifndef PLAN_PACKING_MAP_H
#define PLAN_PACKING_MAP_H

#include "ckks/params.h"
#include "plan/plan_internal.h"

struct packing_plane { /* (y, x) is the step's input value + y*step_y + x*step_x */
    uint32_t value, h, w, step_y, step_x;
};
struct packing_tap {
    uint32_t plane, weight; /* row.weights + weight: index into linear.w and linear.wi */
    int16_t y, x;
};
struct packing_row {      /* of one out */
    uint32_t first, last; /* planes that it reads */
    uint32_t n_taps;      /* by plane; outs that read the same may share them */
    size_t taps_at;       /* the first in map.taps */
    uint32_t weights;     /* what is added to the taps' weights, mod 2^32 */
    double square;        /* sum of its squared integer weights */
};
struct packing_map {
    size_t n_in; /* values that the step has, read or not */
    uint32_t n_planes, n_outs;
    struct packing_plane *planes;
    uint32_t *out_value; /* [n_outs], result at (0, 0) */
    struct packing_row *rows;
    struct packing_tap *taps; /* NULL: not filled yet (packing_dense.c) */
    uint32_t out_h, out_w, out_step_y, out_step_x;
    uint32_t most_h, most_w;              /* of all planes */
    int32_t low_y, high_y, low_x, high_x; /* of all taps */
    /* Not 0: out m reads the planes m*phases .. + phases - 1 alone, and all outs have the same taps,
     * as a pooling has: one polynomial does for all outs of a ciphertext. */
    uint32_t phases;
    unsigned ways; /* bit of the way in which a convolution was found (packing_conv.c); dense: 0 */
};
void packing_map_wipe(struct packing_map *map);

struct packing_choice {
    unsigned set;
    unsigned ways; /* map.ways */
    bool diagonal; /* uses map.phases: `planes` phases of each of `outs` channels */
    uint32_t tiles_y, tiles_x, tile_h, tile_w;
    int32_t from_y, from_x;   /* row and column of a plane where tile (0, 0) begins */
    uint32_t h, w;            /* of a plane's part in a tile */
    uint32_t row, plane;      /* coefficients from row to row and from plane to plane */
    uint32_t planes, outs;    /* in one ciphertext */
    uint32_t in_cts, out_cts; /* of a tile */
    double seconds;
};

/* Every value that is read a plane, every result an out; the squares are those of the norms, which
 * are floats. Taps, one for each column of a group, and exact squares follow by packing_dense_fill.
 */
MUST_CHECK mp2ml_status packing_dense(struct packing_map *map, const struct linear *lin);
MUST_CHECK mp2ml_status packing_dense_fill(struct packing_map *map, const struct linear *lin);

/* The step as a convolution, *found = false when it is none; looked for in these ways. With the one
 * that was found before, weights are not compared again: what is found and when is geometry. */
#define PACKING_ALL_WAYS 255u
MUST_CHECK mp2ml_status packing_conv(struct packing_map *map, bool *found, const struct plan *plan,
                                     unsigned s, unsigned ways);

/* Largest 2-norm of the weights of one output ciphertext. */
double packing_norm2(const struct packing_map *map, const struct packing_choice *c);

/* Improves *best (best->seconds = INFINITY: nothing yet); true when it did. */
bool packing_choose(struct packing_choice *best, const struct packing_map *map,
                    const struct plan_step *step, bool opened);

#define PACKING_MOST_TERMS ((uint64_t)1 << 24)
#define PACKING_MOST_BYTES ((uint64_t)1 << 30) /* of weights as residues */
#define PACKING_MOST_BOXES 16384u
#define PACKING_MOST_LOG2_LEAK (-40.0) /* of an opened value */

/* Ciphertexts, boxes, numbers of polynomials; *out = NULL when there are too many boxes. */
MUST_CHECK mp2ml_status packing_make(struct packed **out, const struct packing_map *map,
                                     const struct packing_choice *choice);

/* Who is told of the polynomials of weights, one after the other. */
struct packing_visitor {
    void *context;
    /* Terms of polynomial `poly`, in as many calls as it takes. */
    mp2ml_status (*terms)(void *context, size_t poly, const struct packed_term *terms, size_t n);
    /* All terms of the polynomial were given. */
    mp2ml_status (*poly)(void *context, size_t poly);
    /* Product i; after all polynomials. */
    mp2ml_status (*product)(void *context, size_t i, const struct packed_product *product);
};
/* Numbers of polynomials and products. visitor = NULL: only counts. */
MUST_CHECK mp2ml_status packing_walk(size_t *n_polys, size_t *n_products,
                                     const struct packing_map *map,
                                     const struct packing_choice *choice,
                                     const struct packing_visitor *visitor);
/* The same for a step that was packed: the map is made again, from its geometry alone.
 * MP2ML_ERR_PLAN when the numbers are not those that it was packed with. */
MUST_CHECK mp2ml_status packed_walk(const struct plan *plan, unsigned s,
                                    const struct packing_visitor *visitor);

#endif
