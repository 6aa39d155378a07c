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

#include "ckks/ckks.h"
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

/* The polynomials of one output ciphertext, one for each input ciphertext; the sum of its squared
 * weights. */
static inline double image_polys(int32_t *coefficients, const struct linear *lin, size_t out_ct,
                                 size_t chunk, size_t n)
{
    const size_t results = n / chunk;
    double square = 0;
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t i = 0; i < (size_t)group->rows * group->cols; i++) {
            const size_t o = linear_out(lin, group, i / group->cols);
            const size_t in = linear_in(lin, group, i % group->cols);
            const int32_t w = lin->wi[linear_weight(lin, group, i / group->cols, i % group->cols)];
            const long place =
                (long)(o % results * chunk + chunk - 1 - chunk / 2) - (long)(in % chunk);
            if (o / results != out_ct)
                continue;
            int32_t *poly = coefficients + in / chunk * n;
            poly[place < 0 ? place + (long)n : place] += place < 0 ? -w : w;
            square += (double)w * w;
        }
    }
    return square;
}

/* What packed_image finds when it is asked. */
static inline void image_fill(struct packed *p, const struct linear *lin, size_t chunk)
{
    const size_t cts = p->places.in_cts, n = ckks_params(p->set)->n;
    struct ckks *ck = NULL;
    struct ckks_image *image = NULL;
    int32_t *coefficients = malloc(cts * n * sizeof *coefficients);
    assert_non_null(coefficients);
    assert_int_equal(ckks_new(&ck, ckks_params(p->set)), MP2ML_OK);
    assert_int_equal(ckks_image_new(&image, ck, cts, p->places.out_cts, p->n_polys, p->n_products),
                     MP2ML_OK);
    p->norm2 = 0;
    for (size_t o = 0; o < p->places.out_cts; o++) {
        memset(coefficients, 0, cts * n * sizeof *coefficients);
        p->norm2 = fmax(p->norm2, sqrt(image_polys(coefficients, lin, o, chunk, n)));
        for (size_t i = 0; i < cts; i++) {
            ckks_image_set(image, ck, o * cts + i, coefficients + i * n);
            image->products[o * cts + i] =
                (struct ckks_product){(uint32_t)i, (uint32_t)(o * cts + i)};
        }
        image->first[o + 1] = (o + 1) * cts;
    }
    atomic_store(&p->image, image);
    ckks_free(ck);
    free(coefficients);
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
    image_fill(p, &plan->linear[s], chunk);
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
