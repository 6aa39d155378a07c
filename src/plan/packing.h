/* SPDX-License-Identifier: Apache-2.0
 *
 * Packings: where the values of one image lie in the coefficients of few ciphertexts (layout
 * image), so that a linear step becomes products of polynomials (docs/protocol.md, "One linear
 * step, image layout"; the idea is Cheetah's [eprint 2022/207, section 3]).
 *
 *   value      number of a value among the concatenated operands of the step, or of its result
 *   position   ciphertext * N + coefficient, ciphertexts counted for one image
 *   box        a regular block of values at regular positions, in up to four axes
 *
 * The public part says only where values lie; the private part holds, for each pair of an output
 * and an input ciphertext, the polynomial of weights that multiplies it. */
#ifndef PLAN_PACKING_H
#define PLAN_PACKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define PACKING_AXES 4
#define PACKING_MOST_POSITIONS ((uint32_t)1 << 27) /* of the ciphertexts of one image each way */
#define PACKING_MOST_COPIES 16u                    /* places of inputs, for each input value */

struct
    packing_box { /* value + sum i_a*value_stride[a]  at  position + sum i_a*position_stride[a] */
    uint32_t value, position;
    uint32_t size[PACKING_AXES]; /* i_a < size[a]; unused axes have size 1 */
    uint32_t value_stride[PACKING_AXES], position_stride[PACKING_AXES];
};

struct packing {              /* public */
    uint32_t in_cts, out_cts; /* ciphertexts of one image */
    uint32_t n_in, n_out;     /* boxes */
    struct packing_box *in; /* a value may lie in several places or, when the step does not read it,
                               in none; a place holds one value; others 0 */
    struct packing_box *out; /* every value of the result once */
};

struct ckks_image;
struct packing_choice;

/* The polynomials are sums of terms, made when they are needed (packing_map.h, packing_visitor). */
struct packed_term { /* coefficient += weight, or -= where minus */
    uint32_t weight; /* index into linear.w and linear.wi */
    uint16_t coefficient;
    bool minus;
};
struct packed_product { /* by out_ct, then in_ct */
    uint32_t out_ct, in_ct, poly;
};
struct packed { /* private: a packing and how to make what multiplies */
    struct packing places;
    unsigned set; /* CKKS_S1 or CKKS_S2 */
    double norm2; /* largest 2-norm of all integer weights of one output ciphertext */
    size_t n_products, n_polys;
    struct packing_choice *choice; /* owned */
    /* What the server multiplies by: NULL until packed_image was called, owned. */
    _Atomic(struct ckks_image *) image;
};

struct plan;
struct ckks;

/* The best packing of linear step s as scaled now, or NULL where there is none (norms, sizes). */
MUST_CHECK mp2ml_status packed_new(struct packed **out, const struct plan *plan, unsigned s);
/* plan->packed[s] of every linear step, as scaled now; may be called again. */
MUST_CHECK mp2ml_status plan_pack(struct plan *plan);
/* Bytes of the polynomials that a server keeps once it has multiplied by them. */
uint64_t packed_bytes(const struct packed *packed);
/* Gives up packings, the largest first, until the polynomials of the others fit; their steps stay in
 * the layout batch. */
void plan_pack_within(struct plan *plan, uint64_t most_bytes);
void packed_free(struct packed *packed);
/* The polynomials of step s with its weights as they are, transformed for ck, which is of
 * packed->set; made by the first call, then shared by all threads until packed_free. */
MUST_CHECK mp2ml_status packed_image(const struct ckks_image **out, const struct plan *plan,
                                     unsigned s, const struct ckks *ck);

/* position[i] of value[i] for all places in the order of the boxes; n = packing_places. */
size_t packing_places(const struct packing_box *boxes, uint32_t n_boxes);
void packing_expand(uint32_t *value, uint32_t *position, const struct packing_box *boxes,
                    uint32_t n_boxes);
/* Places at positions below `position`. */
size_t packing_places_below(const struct packing_box *boxes, uint32_t n_boxes, uint64_t position);

void packing_wipe(struct packing *p);
MUST_CHECK mp2ml_status packing_copy(struct packing *out, const struct packing *in);
void packing_write(struct writer *w, const struct packing *p);
/* Checks everything: values below n_in_values, each of n_out_values results once, positions inside
 * the ciphertexts of set's N and used once, no more boxes than the frame has bytes for, no more
 * places than PACKING_MOST_COPIES for each value. Work and memory are bounded by the positions, so
 * that who knows a limit checks the numbers of ciphertexts, the first two u32, before. */
MUST_CHECK mp2ml_status packing_read(struct packing *out, struct reader *r, unsigned set,
                                     size_t n_in_values, size_t n_out_values);

#endif
