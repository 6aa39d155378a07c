/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of the layout image: a packing of any linear step that does not ask what the step is.
 * Inputs in chunks of `chunk` values, one ciphertext each; N / chunk results to a ciphertext, result
 * r of it at coefficient
 *   r*chunk + chunk-1 - chunk/2,
 * where weight w_{r,i} stands at coefficient r*chunk + chunk-1 - chunk/2 - i, below zero as its
 * negative at N more. Products that do not belong to result r land on other coefficients. */
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

#include "plan_fixture.h"

static inline struct packing_box image_box(size_t value, size_t position, size_t blocks,
                                           size_t value_step, size_t position_step, size_t length,
                                           size_t stride)
{
    return (struct packing_box){
        .value = (uint32_t)value,
        .position = (uint32_t)position,
        .size = {(uint32_t)blocks, (uint32_t)length, 1, 1},
        .value_stride = {(uint32_t)value_step, 1, 0, 0},
        .position_stride = {(uint32_t)position_step, (uint32_t)stride, 0, 0},
    };
}

/* `values` in ciphertexts of `some` each, `stride` apart from `offset` on; returns the boxes. */
static inline uint32_t image_boxes(struct packing_box **out, size_t values, size_t some,
                                   size_t offset, size_t stride, size_t n)
{
    const size_t full = values / some, rest = values % some;
    uint32_t boxes = 0;
    *out = calloc(2, sizeof **out);
    assert_non_null(*out);
    if (full > 0)
        (*out)[boxes++] = image_box(0, offset, full, some, n, some, stride);
    if (rest > 0)
        (*out)[boxes++] = image_box(full * some, full * n + offset, 1, 0, 0, rest, stride);
    return boxes;
}

static inline void image_terms(struct packed *p, const struct linear *lin, size_t chunk, size_t n)
{
    const size_t results = n / chunk, cts = p->places.in_cts;
    size_t *at = calloc(p->n_polys + 1, sizeof *at);
    double *squares = calloc(p->places.out_cts, sizeof *squares);
    assert_true(at != NULL && squares != NULL);
    for (int pass = 0; pass < 2; pass++) { /* counts, then fills */
        for (size_t g = 0; g < lin->n_groups; g++) {
            const struct linear_group *group = &lin->groups[g];
            for (size_t i = 0; i < (size_t)group->rows * group->cols; i++) {
                const size_t o = lin->out_index[group->out_at + i / group->cols];
                const size_t in = lin->in_index[group->in_at + i % group->cols];
                const size_t poly = o / results * cts + in / chunk, weight = group->weights_at + i;
                const long place =
                    (long)(o % results * chunk + chunk - 1 - chunk / 2) - (long)(in % chunk);
                if (pass == 0) {
                    p->first[poly + 1]++;
                    squares[o / results] += (double)lin->wi[weight] * lin->wi[weight];
                    continue;
                }
                p->terms[p->first[poly] + at[poly]++] = (struct packed_term){
                    (uint32_t)weight, (uint16_t)(place < 0 ? place + (long)n : place), place < 0};
            }
        }
        for (size_t i = 0; pass == 0 && i < p->n_polys; i++)
            p->first[i + 1] += p->first[i];
        if (pass == 0)
            p->terms = calloc(p->first[p->n_polys] + 1, sizeof *p->terms);
        assert_non_null(p->terms);
    }
    p->norm2 = 0;
    for (size_t ct = 0; ct < p->places.out_cts; ct++)
        p->norm2 = fmax(p->norm2, sqrt(squares[ct]));
    free(at);
    free(squares);
}

/* `chunk` is cut to what fits. */
static inline struct packed *image_packed(const struct plan *plan, unsigned s, unsigned set,
                                          size_t chunk)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const size_t n = ckks_params(set)->n, inputs = plan_step_inputs(&plan->pub, step);
    struct packed *p = calloc(1, sizeof *p);
    assert_non_null(p);
    chunk = chunk < inputs ? chunk : inputs;
    chunk = chunk < n ? chunk : n;
    const size_t results = n / chunk;
    p->set = set;
    p->places.in_cts = (uint32_t)((inputs + chunk - 1) / chunk);
    p->places.out_cts = (uint32_t)((step->count + results - 1) / results);
    p->places.n_in = image_boxes(&p->places.in, inputs, chunk, 0, 1, n);
    p->places.n_out =
        image_boxes(&p->places.out, step->count, results, chunk - 1 - chunk / 2, chunk, n);
    p->n_products = p->n_polys = (size_t)p->places.in_cts * p->places.out_cts;
    p->products = calloc(p->n_products, sizeof *p->products);
    p->first = calloc(p->n_polys + 1, sizeof *p->first);
    assert_true(p->products != NULL && p->first != NULL);
    for (uint32_t i = 0; i < p->n_products; i++)
        p->products[i] = (struct packed_product){i / p->places.in_cts, i % p->places.in_cts, i};
    image_terms(p, &plan->linear[s], chunk, n);
    return p;
}

/* Every LINEAR step of the plan in the layout image, in set S1 where set and norm allow it unless
 * `large`; returns the sets in use, bit i = set i. */
static inline unsigned image_plan(struct plan *plan, size_t chunk, bool large)
{
    unsigned sets = 0;
    if (plan->packed == NULL)
        plan->packed = calloc(plan->pub.n_steps + 1, sizeof(struct packed *));
    assert_non_null(plan->packed);
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct plan_step *step = &plan->pub.steps[s];
        if (step->kind != STEP_LINEAR)
            continue;
        packed_free(plan->packed[s]);
        plan->packed[s] = image_packed(plan, s, large ? CKKS_S2 : step->set, chunk);
        if (!ckks_norm_fits(ckks_params(plan->packed[s]->set), plan->packed[s]->norm2, step->k)) {
            packed_free(plan->packed[s]);
            plan->packed[s] = image_packed(plan, s, CKKS_S2, chunk);
        }
        step->layout = PLAN_IMAGE;
        step->set = plan->packed[s]->set;
        packing_wipe(&step->packing);
        assert_int_equal(packing_copy(&step->packing, &plan->packed[s]->places), MP2ML_OK);
        sets |= 1u << step->set;
    }
    return sets;
}

#endif
