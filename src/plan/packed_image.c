/* SPDX-License-Identifier: Apache-2.0
 *
 * From integer weights to the polynomials that a server multiplies by in the layout image. They
 * belong to the packing and are made once, when the first run needs them: a model whose runs all
 * choose the layout batch does not pay for them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

/* Held while polynomials are made, so that nobody makes them twice. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void fill_products(struct ckks_image *image, const struct packed *packed)
{
    for (size_t i = 0; i < packed->n_products; i++) {
        const struct packed_product *p = &packed->products[i];
        image->products[i] = (struct ckks_product){p->in_ct, p->poly};
        image->first[p->out_ct + 1] = i + 1;
    }
    for (size_t ct = 1; ct <= image->out_cts; ct++) /* ciphertexts without products */
        if (image->first[ct] < image->first[ct - 1])
            image->first[ct] = image->first[ct - 1];
}

/* CT: the same work for all weights; where they go is geometry. */
static void fill_polys(struct ckks_image *image, const struct packed *packed,
                       const struct linear *lin, const struct ckks *ck, int32_t *coefficients)
{
    const size_t n = ckks_params_of(ck)->n;
    for (size_t p = 0; p < packed->n_polys; p++) {
        memset(coefficients, 0, n * sizeof *coefficients);
        for (size_t i = packed->first[p]; i < packed->first[p + 1]; i++) {
            const struct packed_term *t = &packed->terms[i];
            coefficients[t->coefficient] += t->minus ? -lin->wi[t->weight] : lin->wi[t->weight];
        }
        ckks_image_set(image, ck, p, coefficients);
    }
}

static mp2ml_status make_image(struct ckks_image **out, const struct packed *packed,
                               const struct linear *lin, const struct ckks *ck)
{
    const struct packing *places = &packed->places;
    int32_t *coefficients = malloc(ckks_params_of(ck)->n * sizeof *coefficients);
    *out = NULL;
    if (coefficients == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = ckks_image_new(out, ck, places->in_cts, places->out_cts, packed->n_polys,
                                         packed->n_products);
    if (status == MP2ML_OK) {
        fill_products(*out, packed);
        fill_polys(*out, packed, lin, ck, coefficients);
    }
    free(coefficients);
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
        status = make_image(&image, packed, &plan->linear[s], ck);
        atomic_store(&packed->image, image);
    }
    pthread_mutex_unlock(&making);
    *out = image;
    return status;
}
