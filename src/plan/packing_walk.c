/* SPDX-License-Identifier: Apache-2.0
 *
 * From a map and a choice to the polynomials of weights, term by term, and to the products of
 * ciphertexts with them. Nobody but the visitor keeps a term. */
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/packing_map.h"

#define TERMS 512 /* given at a time */

struct walk {
    const struct packing_map *map;
    const struct packing_choice *c;
    const struct packing_visitor *visitor; /* or NULL */
    uint32_t n;                            /* coefficients */
    uint32_t *next;                        /* [n_outs]: of each out's taps, the next */
    struct packed_product *pair;           /* products of one tile */
    size_t n_polys, n_pairs, cap_pairs;
};

static mp2ml_status add_pair(struct walk *k, uint32_t out_ct, uint32_t in_ct, size_t poly)
{
    if (!linear_grow(&k->pair, &k->cap_pairs, k->n_pairs + 1, sizeof *k->pair))
        return MP2ML_ERR_MEMORY;
    k->pair[k->n_pairs++] = (struct packed_product){out_ct, in_ct, (uint32_t)poly};
    return MP2ML_OK;
}

/* Taps from, from + 1, ..., end - 1 of out m, which is in slot `slot` of its ciphertext. */
static mp2ml_status give_terms(struct walk *k, uint32_t m, uint32_t slot, uint32_t from,
                               uint32_t end)
{
    const struct packing_choice *c = k->c;
    const struct packing_row *row = &k->map->rows[m];
    const struct packing_tap *taps = k->map->taps + row->taps_at;
    struct packed_term terms[TERMS];
    for (size_t n = 0; from < end; n = 0) {
        for (; from < end && n < TERMS; from++) {
            const struct packing_tap *tap = &taps[from];
            int64_t f = ((int64_t)slot - tap->plane % c->planes) * c->plane -
                        (int64_t)(tap->y - c->from_y) * c->row - (tap->x - c->from_x);
            terms[n++] = (struct packed_term){row->weights + tap->weight,
                                              (uint16_t)(f < 0 ? f + k->n : f), f < 0};
        }
        TRY(k->visitor->terms(k->visitor->context, k->n_polys, terms, n));
    }
    return MP2ML_OK;
}

/* The polynomial of input ciphertext i, with planes of this map, and of outs begin, begin + 1, ...,
 * end - 1, which are in one ciphertext. *some = false when it has no terms. */
static mp2ml_status walk_poly(struct walk *k, bool *some, uint32_t i, uint32_t begin, uint32_t end)
{
    const uint64_t behind = ((uint64_t)i + 1) * k->c->planes; /* planes of this ciphertext */
    *some = false;
    for (uint32_t m = begin; m < end; m++) {
        const struct packing_row *row = &k->map->rows[m], *above = row - (m > begin);
        const uint32_t from = k->next[m];
        if (m > begin && row->taps_at == above->taps_at && row->n_taps == above->n_taps) {
            k->next[m] = k->next[m - 1]; /* the same columns as the out before */
        } else {
            const struct packing_tap *taps = k->map->taps + row->taps_at;
            while (k->next[m] < row->n_taps && taps[k->next[m]].plane < behind)
                k->next[m]++;
        }
        if (k->next[m] == from)
            continue;
        *some = true;
        if (k->visitor != NULL)
            TRY(give_terms(k, m, (m - begin) * k->c->planes + k->c->planes - 1, from, k->next[m]));
    }
    if (*some && k->visitor != NULL)
        TRY(k->visitor->poly(k->visitor->context, k->n_polys));
    k->n_polys += *some;
    return MP2ML_OK;
}

/* Polynomials of output ciphertext o. */
static mp2ml_status walk_output(struct walk *k, uint32_t o)
{
    const struct packing_choice *c = k->c;
    const struct packing_map *map = k->map;
    const uint32_t begin = o * c->outs;
    const uint32_t n = c->outs < map->n_outs - begin ? c->outs : map->n_outs - begin;
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t m = begin; m < begin + n; m++) {
        first = map->rows[m].first < first ? map->rows[m].first : first;
        last = map->rows[m].last > last ? map->rows[m].last : last;
    }
    for (uint32_t i = first / c->planes; i <= last / c->planes; i++) {
        bool some;
        TRY(walk_poly(k, &some, i, begin, begin + n));
        if (some)
            TRY(add_pair(k, o, i, k->n_polys - 1));
    }
    return MP2ML_OK;
}

/* The polynomials of the first out's phases, and every pair that they serve. */
static mp2ml_status walk_diagonal(struct walk *k)
{
    const uint32_t chunks = k->c->in_cts / k->c->out_cts;
    bool some;
    for (uint32_t i = 0; i < chunks; i++)
        TRY(walk_poly(k, &some, i, 0, 1));
    for (uint32_t o = 0; o < k->c->out_cts; o++)
        for (uint32_t i = 0; i < chunks; i++)
            TRY(add_pair(k, o, o * chunks + i, i));
    return MP2ML_OK;
}

/* The same pairs for every tile. */
static mp2ml_status walk_products(const struct walk *k, uint32_t tiles)
{
    for (uint32_t t = 0; k->visitor != NULL && t < tiles; t++)
        for (size_t i = 0; i < k->n_pairs; i++) {
            struct packed_product pair = k->pair[i];
            pair.out_ct += t * k->c->out_cts;
            pair.in_ct += t * k->c->in_cts;
            TRY(k->visitor->product(k->visitor->context, t * k->n_pairs + i, &pair));
        }
    return MP2ML_OK;
}

mp2ml_status packing_walk(size_t *n_polys, size_t *n_products, const struct packing_map *map,
                          const struct packing_choice *choice,
                          const struct packing_visitor *visitor)
{
    const uint32_t tiles = choice->tiles_y * choice->tiles_x;
    struct walk k = {.map = map, .c = choice, .visitor = visitor};
    k.n = (uint32_t)ckks_params(choice->set)->n;
    k.next = calloc((size_t)map->n_outs + 1, sizeof *k.next);
    mp2ml_status status = k.next != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK && choice->diagonal)
        status = walk_diagonal(&k);
    for (uint32_t o = 0; status == MP2ML_OK && !choice->diagonal && o < choice->out_cts; o++)
        status = walk_output(&k, o);
    if (status == MP2ML_OK)
        status = walk_products(&k, tiles);
    *n_polys = k.n_polys;
    *n_products = tiles * k.n_pairs;
    free(k.next);
    free(k.pair);
    return status;
}

mp2ml_status packed_walk(const struct plan *plan, unsigned s, const struct packing_visitor *visitor)
{
    const struct packed *packed = plan->packed[s];
    struct packing_map map = {0};
    bool found = true;
    size_t n_polys = 0, n_products = 0;
    mp2ml_status status;
    if (packed->choice->ways == 0) {
        status = packing_dense(&map, &plan->linear[s]);
        if (status == MP2ML_OK)
            status = packing_dense_fill(&map, &plan->linear[s]);
    } else {
        status = packing_conv(&map, &found, plan, s, packed->choice->ways);
    }
    /* Counted first, so that a visitor may rely on the numbers. */
    if (status == MP2ML_OK && found)
        status = packing_walk(&n_polys, &n_products, &map, packed->choice, NULL);
    if (status == MP2ML_OK && (n_polys != packed->n_polys || n_products != packed->n_products))
        status = MP2ML_ERR_PLAN;
    if (status == MP2ML_OK)
        status = packing_walk(&n_polys, &n_products, &map, packed->choice, visitor);
    packing_map_wipe(&map);
    return status;
}
