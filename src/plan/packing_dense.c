/* SPDX-License-Identifier: Apache-2.0
 *
 * Any matrix as a map between single values: a plane for every value that is read, an out for every
 * result. The packing is then that of a matrix-vector product: inputs in chunks, one a ciphertext,
 * rows one behind the other. */
#include <stdlib.h>
#include <string.h>

#include "plan/packing_map.h"

#define NOT_READ UINT32_MAX

void packing_map_wipe(struct packing_map *map)
{
    free(map->planes);
    free(map->out_value);
    free(map->rows);
    free(map->taps);
    memset(map, 0, sizeof *map);
}

/* plane[v] of every value, NOT_READ where there is none; freed by the caller. */
static uint32_t *number_planes(const struct linear *lin, uint32_t *n_planes)
{
    uint32_t *plane = malloc((lin->n_in + 1) * sizeof *plane);
    if (plane == NULL)
        return NULL;
    memset(plane, 0xff, (lin->n_in + 1) * sizeof *plane);
    for (const struct linear_group *g = lin->groups; g < lin->groups + lin->n_groups; g++)
        for (size_t c = 0; c < g->cols; c++)
            plane[linear_in(lin, g, c)] = 0;
    *n_planes = 0;
    for (size_t v = 0; v < lin->n_in; v++)
        if (plane[v] != NOT_READ)
            plane[v] = (*n_planes)++;
    return plane;
}

mp2ml_status packing_dense(struct packing_map *map, const struct linear *lin)
{
    memset(map, 0, sizeof *map);
    uint32_t *plane = number_planes(lin, &map->n_planes);
    map->n_in = lin->n_in;
    map->n_outs = (uint32_t)lin->n_out;
    map->planes = calloc((size_t)map->n_planes + 1, sizeof *map->planes);
    map->out_value = calloc(lin->n_out + 1, sizeof *map->out_value);
    map->rows = calloc(lin->n_out + 1, sizeof *map->rows);
    if (plane == NULL || map->planes == NULL || map->out_value == NULL || map->rows == NULL) {
        free(plane);
        packing_map_wipe(map);
        return MP2ML_ERR_MEMORY;
    }
    map->out_h = map->out_w = map->most_h = map->most_w = 1;
    for (size_t v = 0; v < lin->n_in; v++)
        if (plane[v] != NOT_READ)
            map->planes[plane[v]] = (struct packing_plane){(uint32_t)v, 1, 1, 0, 0};
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        struct packing_row range = {.first = UINT32_MAX, .n_taps = group->cols};
        for (size_t c = 0; c < group->cols; c++) {
            uint32_t p = plane[linear_in(lin, group, c)];
            range.first = p < range.first ? p : range.first;
            range.last = p > range.last ? p : range.last;
        }
        for (size_t r = 0; r < group->rows; r++) {
            uint32_t u = linear_out(lin, group, r);
            map->out_value[u] = u;
            map->rows[u] = range;
            const double norm = (double)lin->norm2[group->rows_at + r];
            map->rows[u].square = norm * norm;
        }
    }
    free(plane);
    return MP2ML_OK;
}

static int by_plane(const void *a, const void *b)
{
    const struct packing_tap *x = a, *y = b;
    if (x->plane != y->plane)
        return x->plane < y->plane ? -1 : 1;
    return x->weight < y->weight ? -1 : x->weight > y->weight;
}

/* The columns of a group as taps from taps_at on, and its rows. */
static void fill_group(struct packing_map *map, const struct linear *lin,
                       const struct linear_group *group, const uint32_t *plane, size_t taps_at)
{
    struct packing_tap *taps = map->taps + taps_at;
    bool sorted = true;
    for (uint32_t c = 0; c < group->cols; c++) {
        taps[c] = (struct packing_tap){plane[linear_in(lin, group, c)],
                                       lin->index[group->col_at + c], 0, 0};
        sorted = sorted && (c == 0 || taps[c - 1].plane <= taps[c].plane);
    }
    if (!sorted)
        qsort(taps, group->cols, sizeof *taps, by_plane);
    for (size_t r = 0; r < group->rows; r++) {
        struct packing_row *row = &map->rows[linear_out(lin, group, r)];
        int64_t square = 0;
        for (uint32_t c = 0; c < group->cols; c++) {
            const int32_t w = lin->wi[linear_weight(lin, group, r, c)];
            square += w * w;
        }
        row->n_taps = group->cols;
        row->taps_at = taps_at;
        row->weights = (uint32_t)(group->weights_at + r * group->stride);
        row->square = (double)square;
    }
}

mp2ml_status packing_dense_fill(struct packing_map *map, const struct linear *lin)
{
    uint32_t *plane = number_planes(lin, &map->n_planes);
    size_t cols = 0, at = 0;
    for (size_t g = 0; g < lin->n_groups; g++)
        cols += lin->groups[g].cols;
    map->taps = malloc((cols + 1) * sizeof *map->taps);
    bool ok = plane != NULL && map->taps != NULL;
    for (size_t g = 0; ok && g < lin->n_groups; at += lin->groups[g++].cols)
        fill_group(map, lin, &lin->groups[g], plane, at);
    free(plane);
    return ok ? MP2ML_OK : MP2ML_ERR_MEMORY;
}
