/* SPDX-License-Identifier: Apache-2.0
 *
 * From a map and a choice to boxes; and the packings of a plan. Terms of polynomials are as many as
 * weights and are not kept: packing_walk.c makes them when a server first multiplies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/packing_map.h"

/* ---- boxes ----------------------------------------------------------------------------------- */

struct boxes {
    struct packing_box *box;
    size_t n, cap;
    bool failed;
};

static bool same_shape(const struct packing_box *a, const struct packing_box *b, unsigned from)
{
    for (unsigned x = from; x < PACKING_AXES; x++)
        if (a->size[x] != b->size[x] || a->value_stride[x] != b->value_stride[x] ||
            a->position_stride[x] != b->position_stride[x])
            return false;
    return true;
}

/* Takes `b` into `a` as the next along the axis, when all but that axis agree. */
static bool join(struct packing_box *a, const struct packing_box *b, unsigned axis)
{
    if (!same_shape(a, b, axis + 1) || b->value < a->value || b->position <= a->position)
        return false;
    uint32_t n = a->size[axis];
    if (n == 1) {
        a->value_stride[axis] = b->value - a->value;
        a->position_stride[axis] = b->position - a->position;
    } else if (b->value != a->value + (uint64_t)n * a->value_stride[axis] ||
               b->position != a->position + (uint64_t)n * a->position_stride[axis]) {
        return false;
    }
    a->size[axis] = n + 1;
    return true;
}

struct part { /* the places of a tile that lie in a plane */
    uint32_t y, x, h, w;
};

/* Values of one plane, rows in axis 2 and columns in axis 3; planes of one ciphertext that follow
 * one another in axis 1. */
static void add_box(struct boxes *list, const struct packing_plane *plane, const struct part *part,
                    uint32_t position, uint32_t row, bool first_of_ct)
{
    struct packing_box b = {.value =
                                plane->value + part->y * plane->step_y + part->x * plane->step_x,
                            .position = position,
                            .size = {1, 1, part->h, part->w}};
    if (part->h > 1) {
        b.value_stride[2] = plane->step_y;
        b.position_stride[2] = row;
    }
    if (part->w > 1) {
        b.value_stride[3] = plane->step_x;
        b.position_stride[3] = 1;
    }
    if (!first_of_ct && list->n > 0 && join(&list->box[list->n - 1], &b, 1))
        return;
    if (!linear_grow(&list->box, &list->cap, list->n + 1, sizeof *list->box))
        list->failed = true;
    else
        list->box[list->n++] = b;
}

/* Ciphertexts that repeat one another, in axis 0. */
static void fold_boxes(struct boxes *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++)
        if (kept == 0 || !same_shape(&list->box[kept - 1], &list->box[i], 1) ||
            !join(&list->box[kept - 1], &list->box[i], 0))
            list->box[kept++] = list->box[i];
    list->n = kept;
}

struct make {
    const struct packing_map *map;
    const struct packing_choice *c;
    uint32_t n; /* coefficients */
    struct boxes in, out;
};

/* The plane in a slot of input ciphertext i of a tile, or n_planes. */
static uint32_t plane_at(const struct make *k, uint32_t i, uint32_t slot)
{
    const struct packing_choice *c = k->c;
    if (!c->diagonal) {
        uint64_t p = (uint64_t)i * c->planes + slot;
        return p < k->map->n_planes ? (uint32_t)p : k->map->n_planes;
    }
    uint32_t chunks = c->in_cts / c->out_cts;
    uint64_t out = (uint64_t)(i / chunks) * c->outs + slot / c->planes;
    uint32_t phase = i % chunks * c->planes + slot % c->planes;
    bool there = out < k->map->n_outs && phase < k->map->phases;
    return there ? (uint32_t)out * k->map->phases + phase : k->map->n_planes;
}

/* [from, from + extent) of a tile cut to what a plane has; false when nothing is left. */
static bool clip(uint32_t *first, uint32_t *size, int64_t from, uint32_t extent, uint32_t has)
{
    int64_t begin = from > 0 ? from : 0;
    int64_t end = from + extent < (int64_t)has ? from + extent : (int64_t)has;
    *first = (uint32_t)begin;
    *size = end > begin ? (uint32_t)(end - begin) : 0;
    return end > begin;
}

static void place_inputs(struct make *k, uint32_t tile)
{
    const struct packing_choice *c = k->c;
    const int64_t y = (int64_t)(tile / c->tiles_x) * c->tile_h + c->from_y;
    const int64_t x = (int64_t)(tile % c->tiles_x) * c->tile_w + c->from_x;
    const uint32_t slots = c->diagonal ? c->planes * c->outs : c->planes;
    for (uint32_t i = 0; i < c->in_cts && !k->in.failed; i++) {
        bool first = true;
        for (uint32_t slot = 0; slot < slots; slot++) {
            uint32_t p = plane_at(k, i, slot);
            if (p == k->map->n_planes)
                continue;
            const struct packing_plane *plane = &k->map->planes[p];
            struct part part;
            if (!clip(&part.y, &part.h, y, c->h, plane->h) ||
                !clip(&part.x, &part.w, x, c->w, plane->w))
                continue;
            uint32_t at = (tile * c->in_cts + i) * k->n + slot * c->plane;
            at += (uint32_t)(part.y - y) * c->row + (uint32_t)(part.x - x);
            add_box(&k->in, plane, &part, at, c->row, first);
            first = false;
        }
    }
}

static void place_outputs(struct make *k, uint32_t tile)
{
    const struct packing_choice *c = k->c;
    const struct packing_map *map = k->map;
    const uint32_t y = tile / c->tiles_x * c->tile_h, x = tile % c->tiles_x * c->tile_w;
    struct part part;
    if (!clip(&part.y, &part.h, y, c->tile_h, map->out_h) ||
        !clip(&part.x, &part.w, x, c->tile_w, map->out_w))
        return;
    for (uint32_t m = 0; m < map->n_outs && !k->out.failed; m++) {
        struct packing_plane plane = {map->out_value[m], map->out_h, map->out_w, map->out_step_y,
                                      map->out_step_x};
        uint32_t slot = m % c->outs * c->planes + c->planes - 1;
        uint32_t at = (tile * c->out_cts + m / c->outs) * k->n + slot * c->plane;
        add_box(&k->out, &plane, &part, at, c->row, m % c->outs == 0);
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static mp2ml_status set_numbers(struct packed *packed, const struct packing_map *map,
                                const struct packing_choice *choice)
{
    packed->set = choice->set;
    packed->norm2 = packing_norm2(map, choice);
    packed->choice = malloc(sizeof *packed->choice);
    if (packed->choice == NULL)
        return MP2ML_ERR_MEMORY;
    *packed->choice = *choice;
    return packing_walk(&packed->n_polys, &packed->n_products, map, choice, NULL);
}

mp2ml_status packing_make(struct packed **out, const struct packing_map *map,
                          const struct packing_choice *choice)
{
    *out = NULL;
    struct make k = {.map = map, .c = choice};
    const uint32_t tiles = choice->tiles_y * choice->tiles_x;
    k.n = (uint32_t)ckks_params(choice->set)->n;
    struct packed *packed = calloc(1, sizeof *packed);
    if (packed == NULL)
        return MP2ML_ERR_MEMORY;
    for (uint32_t t = 0; t < tiles && !k.in.failed && !k.out.failed; t++) {
        place_inputs(&k, t);
        place_outputs(&k, t);
    }
    fold_boxes(&k.in);
    fold_boxes(&k.out);
    packed->places = (struct packing){tiles * choice->in_cts,
                                      tiles * choice->out_cts,
                                      (uint32_t)k.in.n,
                                      (uint32_t)k.out.n,
                                      k.in.box,
                                      k.out.box};
    const bool few = k.in.n + k.out.n <= PACKING_MOST_BOXES;
    mp2ml_status status = k.in.failed || k.out.failed ? MP2ML_ERR_MEMORY : MP2ML_OK;
    if (status == MP2ML_OK && few)
        status = set_numbers(packed, map, choice);
    if (status == MP2ML_OK && few)
        *out = packed;
    else
        packed_free(packed);
    return status;
}

/* ---- steps ----------------------------------------------------------------------------------- */

mp2ml_status packed_new(struct packed **out, const struct plan *plan, unsigned s)
{
    *out = NULL;
    const struct plan_step *step = &plan->pub.steps[s];
    const struct linear *lin = &plan->linear[s];
    if (step->kind != STEP_LINEAR || lin->wi == NULL || lin->n_weights >= UINT32_MAX)
        return MP2ML_OK;
    const bool opened = plan->notes[s].opened;
    struct packing_choice best = {.seconds = INFINITY};
    struct packing_map dense = {0}, conv = {0};
    bool found = false, use_dense = false;
    mp2ml_status status = packing_conv(&conv, &found, plan, s, PACKING_ALL_WAYS);
    if (status == MP2ML_OK && found)
        (void)packing_choose(&best, &conv, step, opened);
    if (status == MP2ML_OK && linear_products(lin) <= PACKING_MOST_TERMS) {
        status = packing_dense(&dense, lin);
        use_dense = status == MP2ML_OK && packing_choose(&best, &dense, step, opened);
        if (use_dense)
            status = packing_dense_fill(&dense, lin);
    }
    if (status == MP2ML_OK && best.seconds < INFINITY)
        status = packing_make(out, use_dense ? &dense : &conv, &best);
    packing_map_wipe(&dense);
    packing_map_wipe(&conv);
    return status;
}

mp2ml_status plan_pack(struct plan *plan)
{
    if (plan->packed == NULL)
        plan->packed = calloc((size_t)plan->pub.n_steps + 1, sizeof(struct packed *));
    if (plan->packed == NULL)
        return MP2ML_ERR_MEMORY;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        packed_free(plan->packed[s]);
        plan->packed[s] = NULL;
        TRY(packed_new(&plan->packed[s], plan, s));
    }
    return MP2ML_OK;
}

uint64_t packed_bytes(const struct packed *packed)
{
    const struct ckks_params *params = ckks_params(packed->set);
    return (uint64_t)packed->n_polys * params->primes * params->n * sizeof(uint64_t);
}

void plan_pack_within(struct plan *plan, uint64_t most_bytes)
{
    for (;;) {
        uint64_t sum = 0;
        unsigned largest = 0;
        uint64_t most = 0;
        for (unsigned s = 0; s < plan->pub.n_steps; s++) {
            const uint64_t bytes = plan->packed[s] != NULL ? packed_bytes(plan->packed[s]) : 0;
            sum += bytes;
            largest = bytes > most ? s : largest;
            most = bytes > most ? bytes : most;
        }
        if (sum <= most_bytes)
            return;
        packed_free(plan->packed[largest]);
        plan->packed[largest] = NULL;
    }
}
