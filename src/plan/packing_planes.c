/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution as a map between planes. With stride s each channel falls into s*s phases, the values
 * whose row and column have one remainder; between phases and results there is no stride:
 * row s*y' + s*t + p of the channel is row y' + t of phase p. */
#include <stdlib.h>
#include <string.h>

#include "plan/packing_conv.h"

#define NO_PLANE UINT32_MAX

struct phase {              /* taps of one remainder */
    int32_t y, x;           /* the remainders */
    int32_t from_y, from_x; /* the first taps, in rows and columns of the channel */
};

static int32_t remainder_of(int32_t a, int32_t s)
{
    return (a % s + s) % s;
}

static struct phase phase_of(const struct conv_picture *p, uint32_t i)
{
    struct phase f = {(int32_t)i / p->stride_x, (int32_t)i % p->stride_x, 0, 0};
    f.from_y = p->low_y + remainder_of(f.y - p->low_y, p->stride_y);
    f.from_x = p->low_x + remainder_of(f.x - p->low_x, p->stride_x);
    return f;
}

/* The taps of out m in phase f of channel q, to `taps` if that is not NULL; their number. */
static size_t phase_taps(struct packing_tap *taps, const struct conv *k, uint32_t m, uint32_t q,
                         const struct phase *f, uint32_t plane)
{
    const struct conv_picture *p = &k->from[k->operand[q]];
    size_t n = 0, at = conv_entry(k, m, q), width = (size_t)(p->high_x - p->low_x + 1);
    for (int32_t y = f->from_y; y <= p->high_y; y += p->stride_y)
        for (int32_t x = f->from_x; x <= p->high_x; x += p->stride_x) {
            size_t t = at + (size_t)(y - p->low_y) * width + (size_t)(x - p->low_x);
            if (k->seen[t] == 0)
                continue;
            if (taps != NULL)
                taps[n] =
                    (struct packing_tap){plane, k->weight[t], (int16_t)((y - f->y) / p->stride_y),
                                         (int16_t)((x - f->x) / p->stride_x)};
            n++;
        }
    return n;
}

static uint32_t phases_of(const struct conv *k, uint32_t q)
{
    const struct conv_picture *p = &k->from[k->operand[q]];
    return (uint32_t)(p->stride_y * p->stride_x);
}

/* plane[before[q] + i] of phase i of channel q: counted, or NO_PLANE. Sets first[] and n_taps. */
static void count_taps(struct packing_map *map, const struct conv *k, const size_t *before,
                       uint32_t *plane)
{
    memset(plane, 0xff, (before[k->channels] + 1) * sizeof *plane);
    for (uint32_t m = 0; m < k->result.c; m++) {
        for (uint32_t q = k->first_q[m]; q <= k->last_q[m]; q++)
            for (uint32_t i = 0; i < phases_of(k, q); i++) {
                struct phase f = phase_of(&k->from[k->operand[q]], i);
                size_t n = phase_taps(NULL, k, m, q, &f, 0);
                map->n_taps += n;
                if (n > 0)
                    plane[before[q] + i] = 0;
            }
        map->first[m + 1] = map->n_taps;
    }
    for (size_t i = 0; i < before[k->channels]; i++)
        if (plane[i] != NO_PLANE)
            plane[i] = map->n_planes++;
}

static void set_planes(struct packing_map *map, const struct conv *k, const size_t *before,
                       const uint32_t *plane)
{
    for (uint32_t q = 0; q < k->channels; q++)
        for (uint32_t i = 0; i < phases_of(k, q); i++) {
            if (plane[before[q] + i] == NO_PLANE)
                continue;
            const struct conv_picture *p = &k->from[k->operand[q]];
            struct phase f = phase_of(p, i);
            uint32_t y = (uint32_t)f.y, x = (uint32_t)f.x;
            uint32_t stride_y = (uint32_t)p->stride_y, stride_x = (uint32_t)p->stride_x;
            struct packing_plane *to = &map->planes[plane[before[q] + i]];
            to->value = p->value + (q - p->channel) * p->step_c + y * p->step_y + x * p->step_x;
            to->h = (p->h - y + stride_y - 1) / stride_y;
            to->w = (p->w - x + stride_x - 1) / stride_x;
            to->step_y = p->step_y * stride_y;
            to->step_x = p->step_x * stride_x;
            map->most_h = to->h > map->most_h ? to->h : map->most_h;
            map->most_w = to->w > map->most_w ? to->w : map->most_w;
        }
}

static void set_taps(struct packing_map *map, const struct conv *k, const size_t *before,
                     const uint32_t *plane)
{
    map->low_y = map->low_x = INT32_MAX;
    map->high_y = map->high_x = INT32_MIN;
    for (uint32_t m = 0; m < k->result.c; m++) {
        size_t at = map->first[m];
        for (uint32_t q = k->first_q[m]; q <= k->last_q[m]; q++)
            for (uint32_t i = 0; i < phases_of(k, q); i++) {
                struct phase f = phase_of(&k->from[k->operand[q]], i);
                if (plane[before[q] + i] != NO_PLANE)
                    at += phase_taps(map->taps + at, k, m, q, &f, plane[before[q] + i]);
            }
        double square = 0;
        for (size_t t = map->first[m]; t < at; t++) {
            const struct packing_tap *tap = &map->taps[t];
            double w = k->lin->wi[tap->weight];
            square += w * w;
            map->low_y = tap->y < map->low_y ? tap->y : map->low_y;
            map->high_y = tap->y > map->high_y ? tap->y : map->high_y;
            map->low_x = tap->x < map->low_x ? tap->x : map->low_x;
            map->high_x = tap->x > map->high_x ? tap->x : map->high_x;
        }
        map->out_value[m] = m * k->result.step_c;
        map->rows[m] =
            (struct packing_row){map->taps[map->first[m]].plane, map->taps[at - 1].plane, square};
    }
}

/* Whether each out reads planes of its own, the same number of them, with the same weights: the
 * same, not weights that happen to be equal. */
static uint32_t common_phases(const struct packing_map *map)
{
    const size_t n = map->first[1];
    const uint32_t phases = map->rows[0].last + 1;
    if (map->n_outs < 2 || map->n_planes / map->n_outs != phases ||
        map->n_planes % map->n_outs != 0 || map->n_taps != n * map->n_outs)
        return 0;
    for (size_t t = n; t < map->n_taps; t++) {
        const struct packing_tap *a = &map->taps[t], *b = &map->taps[t % n];
        if (a->plane != b->plane + t / n * phases || a->weight != b->weight || a->y != b->y ||
            a->x != b->x)
            return 0;
    }
    return phases;
}

mp2ml_status packing_conv_planes(struct packing_map *map, const struct conv *k)
{
    size_t *before = calloc((size_t)k->channels + 1, sizeof *before);
    for (uint32_t q = 0; before != NULL && q < k->channels; q++)
        before[q + 1] = before[q] + phases_of(k, q);
    uint32_t *plane = before != NULL ? malloc((before[k->channels] + 1) * sizeof *plane) : NULL;
    map->n_in = k->lin->n_in;
    map->n_outs = k->result.c;
    map->out_h = k->result.h;
    map->out_w = k->result.w;
    map->out_step_y = k->result.step_y;
    map->out_step_x = k->result.step_x;
    map->first = calloc((size_t)map->n_outs + 1, sizeof *map->first);
    map->out_value = calloc((size_t)map->n_outs + 1, sizeof *map->out_value);
    map->rows = calloc((size_t)map->n_outs + 1, sizeof *map->rows);
    bool ok = plane != NULL && map->first != NULL && map->out_value != NULL && map->rows != NULL;
    if (ok) {
        count_taps(map, k, before, plane);
        map->planes = calloc((size_t)map->n_planes + 1, sizeof *map->planes);
        map->taps = malloc((map->n_taps + 1) * sizeof *map->taps);
        ok = map->planes != NULL && map->taps != NULL;
    }
    if (ok) {
        set_planes(map, k, before, plane);
        set_taps(map, k, before, plane);
        map->phases = common_phases(map);
    }
    free(before);
    free(plane);
    return ok ? MP2ML_OK : MP2ML_ERR_MEMORY;
}
