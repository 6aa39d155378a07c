/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of packings: all terms of a step's polynomials, which the library never holds together. */
#ifndef TESTS_PACKED_TERMS_H
#define TESTS_PACKED_TERMS_H

#include "plan/packing_map.h"
#include "plan_fixture.h"

struct terms { /* the private part, all of it */
    size_t n_polys, n_products, n_terms;
    size_t *first; /* [n_polys + 1] */
    struct packed_term *terms;
    struct packed_product *products;
};

static inline mp2ml_status take_terms(void *context, size_t poly, const struct packed_term *terms,
                                      size_t n)
{
    struct terms *t = context;
    assert_int_equal(poly, t->n_polys);
    t->terms = realloc(t->terms, (t->n_terms + n) * sizeof *terms);
    assert_non_null(t->terms);
    memcpy(t->terms + t->n_terms, terms, n * sizeof *terms);
    t->n_terms += n;
    return MP2ML_OK;
}

static inline mp2ml_status take_poly(void *context, size_t poly)
{
    struct terms *t = context;
    assert_int_equal(poly, t->n_polys);
    t->first = realloc(t->first, (poly + 2) * sizeof *t->first);
    assert_non_null(t->first);
    t->first[0] = 0;
    t->first[++t->n_polys] = t->n_terms;
    return MP2ML_OK;
}

static inline mp2ml_status take_product(void *context, size_t i,
                                        const struct packed_product *product)
{
    struct terms *t = context;
    assert_int_equal(i, t->n_products);
    t->products = realloc(t->products, (i + 1) * sizeof *product);
    assert_non_null(t->products);
    t->products[t->n_products++] = *product;
    return MP2ML_OK;
}

static inline void terms_take(struct terms *t, const struct plan *plan, unsigned s)
{
    memset(t, 0, sizeof *t);
    const struct packing_visitor visitor = {t, take_terms, take_poly, take_product};
    assert_int_equal(packed_walk(plan, s, &visitor), MP2ML_OK);
    assert_int_equal(t->n_polys, plan->packed[s]->n_polys);
    assert_int_equal(t->n_products, plan->packed[s]->n_products);
}

static inline void terms_wipe(struct terms *t)
{
    free(t->first);
    free(t->terms);
    free(t->products);
}

#endif
