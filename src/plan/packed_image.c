/* SPDX-License-Identifier: Apache-2.0
 *
 * From integer weights to the polynomials that a server multiplies by in the layout image. They
 * belong to the packing and are made once, when the first run needs them: a model whose runs all
 * choose the layout batch does not pay for them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plan/packing_map.h"

/* Held while polynomials are made, so that nobody makes them twice. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

struct making {
    struct ckks_image *image;
    const struct ckks *ck;
    const int16_t *wi;
    int32_t *coefficients; /* [N] of the polynomial at hand, else zeros */
};

/* CT: the same work for all weights; where they go is geometry. */
static mp2ml_status add_terms(void *context, size_t poly, const struct packed_term *terms, size_t n)
{
    const struct making *m = context;
    (void)poly;
    for (const struct packed_term *t = terms; t < terms + n; t++)
        m->coefficients[t->coefficient] += t->minus ? -m->wi[t->weight] : m->wi[t->weight];
    return MP2ML_OK;
}

static mp2ml_status set_poly(void *context, size_t poly)
{
    const struct making *m = context;
    ckks_image_set(m->image, m->ck, poly, m->coefficients);
    memset(m->coefficients, 0, ckks_params_of(m->ck)->n * sizeof *m->coefficients);
    return MP2ML_OK;
}

static mp2ml_status set_product(void *context, size_t i, const struct packed_product *product)
{
    const struct making *m = context;
    m->image->products[i] = (struct ckks_product){product->in_ct, product->poly};
    m->image->first[product->out_ct + 1] = i + 1;
    return MP2ML_OK;
}

static mp2ml_status make_image(struct ckks_image **out, const struct plan *plan, unsigned s,
                               const struct ckks *ck)
{
    const struct packed *packed = plan->packed[s];
    struct making m = {.ck = ck, .wi = plan->linear[s].wi};
    const struct packing_visitor visitor = {&m, add_terms, set_poly, set_product};
    m.coefficients = calloc(ckks_params_of(ck)->n, sizeof *m.coefficients);
    mp2ml_status status = m.coefficients != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        status = ckks_image_new(&m.image, ck, packed->places.in_cts, packed->places.out_cts,
                                packed->n_polys, packed->n_products);
    if (status == MP2ML_OK)
        status = packed_walk(plan, s, &visitor);
    for (size_t ct = 1; status == MP2ML_OK && ct <= m.image->out_cts; ct++)
        if (m.image->first[ct] < m.image->first[ct - 1]) /* a ciphertext without products */
            m.image->first[ct] = m.image->first[ct - 1];
    free(m.coefficients);
    if (status == MP2ML_OK)
        *out = m.image;
    else
        ckks_image_free(m.image);
    return status;
}

mp2ml_status packed_image(const struct ckks_image **out, const struct plan *plan, unsigned s,
                          const struct ckks *ck)
{
    struct packed *packed = plan->packed[s];
    mp2ml_status status = MP2ML_OK;
    *out = atomic_load(&packed->image);
    if (*out != NULL)
        return MP2ML_OK;
    pthread_mutex_lock(&making);
    struct ckks_image *image = atomic_load(&packed->image);
    if (image == NULL) {
        status = make_image(&image, plan, s, ck);
        atomic_store(&packed->image, image);
    }
    pthread_mutex_unlock(&making);
    *out = image;
    return status;
}
