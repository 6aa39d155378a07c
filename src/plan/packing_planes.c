/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolution as a map between planes. With stride s each channel falls into s*s phases, the values
 * whose row and column have one remainder; between phases and results there is no stride:
 * row s*y' + s*t + p of the channel is row y' + t of phase p. */
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/packing_conv.h"

#define NO_PLANE UINT32_MAX

struct phase {              /* of a channel: the values of one remainder */
    uint32_t plane;         /* NO_PLANE: no tap reads it */
    int32_t y, x;           /* the remainders */
    int32_t from_y, from_x; /* the first taps, in rows and columns of the channel */
};

static int32_t remainder_of(int32_t a, int32_t s)
{
    return (a % s + s) % s;
}

static struct phase phase_of(const struct conv_picture *p, uint32_t i)
{
    struct phase f = {NO_PLANE, (int32_t)i / p->stride_x, (int32_t)i % p->stride_x, 0, 0};
    f.from_y = p->low_y + remainder_of(f.y - p->low_y, p->stride_y);
    f.from_x = p->low_x + remainder_of(f.x - p->low_x, p->stride_x);
    return f;
}

/* The taps of out m in phase f of channel q, to `taps` if that is not NULL; their number. */
static uint32_t phase_taps(struct packing_tap *taps, const struct conv *k, uint32_t m, uint32_t q,
                           const struct phase *f)
{
    const struct conv_picture *p = &k->from[k->operand[q]];
    const size_t at = conv_entry(k, m, q), width = (size_t)(p->high_x - p->low_x + 1);
    uint32_t n = 0;
    for (int32_t y = f->from_y; y <= p->high_y; y += p->stride_y)
        for (int32_t x = f->from_x; x <= p->high_x; x += p->stride_x) {
            size_t t = at + (size_t)(y - p->low_y) * width + (size_t)(x - p->low_x);
            if (k->seen[t] == 0)
                continue;
            if (taps != NULL)
                taps[n] = (struct packing_tap){f->plane, k->weight[t],
                                               (int16_t)((y - f->y) / p->stride_y),
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

/* Phases of channel q are phase[before[q]] .. phase[before[q + 1] - 1]. Gives those that are read
 * their planes, and every out its number of taps. */
static void count_taps(struct packing_map *map, const struct conv *k, const size_t *before,
                       struct phase *phase)
{
    for (uint32_t q = 0; q < k->channels; q++)
        for (uint32_t i = 0; i < phases_of(k, q); i++)
            phase[before[q] + i] = phase_of(&k->from[k->operand[q]], i);
    for (uint32_t m = 0; m < k->result.c; m++) {
        for (uint32_t q = k->first_q[m]; q <= k->last_q[m]; q++)
            for (size_t f = before[q]; f < before[q + 1]; f++) {
                uint32_t n = phase_taps(NULL, k, m, q, &phase[f]);
                map->rows[m].n_taps += n;
                if (n > 0)
                    phase[f].plane = 0;
            }
    }
    for (size_t f = 0; f < before[k->channels]; f++)
        if (phase[f].plane != NO_PLANE)
            phase[f].plane = map->n_planes++;
}

static void set_planes(struct packing_map *map, const struct conv *k, const size_t *before,
                       const struct phase *phase)
{
    for (uint32_t q = 0; q < k->channels; q++)
        for (const struct phase *f = phase + before[q]; f < phase + before[q + 1]; f++) {
            if (f->plane == NO_PLANE)
                continue;
            const struct conv_picture *p = &k->from[k->operand[q]];
            uint32_t y = (uint32_t)f->y, x = (uint32_t)f->x;
            uint32_t stride_y = (uint32_t)p->stride_y, stride_x = (uint32_t)p->stride_x;
            struct packing_plane *to = &map->planes[f->plane];
            to->value = p->value + (q - p->channel) * p->step_c + y * p->step_y + x * p->step_x;
            to->h = (p->h - y + stride_y - 1) / stride_y;
            to->w = (p->w - x + stride_x - 1) / stride_x;
            to->step_y = p->step_y * stride_y;
            to->step_x = p->step_x * stride_x;
            map->most_h = to->h > map->most_h ? to->h : map->most_h;
            map->most_w = to->w > map->most_w ? to->w : map->most_w;
        }
}

/* Lets the row use the taps of the row before, when they differ from `taps` by a number that all
 * weights have more: the rows of a group, which most of a convolution's channels are. */
static bool share_taps(struct packing_row *row, const struct packing_map *map,
                       const struct packing_tap *taps)
{
    const struct packing_row *before = row == map->rows ? NULL : row - 1;
    if (before == NULL || before->n_taps != row->n_taps)
        return false;
    const struct packing_tap *old = map->taps + before->taps_at;
    const uint32_t more = taps[0].weight - old[0].weight;
    for (uint32_t t = 0; t < row->n_taps; t++)
        if (taps[t].plane != old[t].plane || taps[t].y != old[t].y || taps[t].x != old[t].x ||
            taps[t].weight - old[t].weight != more)
            return false;
    row->taps_at = before->taps_at;
    row->weights = more;
    return true;
}

static void set_row(struct packing_row *row, struct packing_map *map, const int16_t *wi,
                    const struct packing_tap *taps)
{
    for (const struct packing_tap *tap = taps; tap < taps + row->n_taps; tap++) {
        double w = wi[tap->weight];
        row->square += w * w;
        map->low_y = tap->y < map->low_y ? tap->y : map->low_y;
        map->high_y = tap->y > map->high_y ? tap->y : map->high_y;
        map->low_x = tap->x < map->low_x ? tap->x : map->low_x;
        map->high_x = tap->x > map->high_x ? tap->x : map->high_x;
    }
    row->first = taps[0].plane;
    row->last = taps[row->n_taps - 1].plane;
}

/* False when memory is out. */
static bool set_taps(struct packing_map *map, const struct conv *k, const size_t *before,
                     const struct phase *phase)
{
    size_t cap = 0, used = 0;
    map->low_y = map->low_x = INT32_MAX;
    map->high_y = map->high_x = INT32_MIN;
    for (uint32_t m = 0; m < k->result.c; m++) {
        struct packing_row *row = &map->rows[m];
        if (!linear_grow(&map->taps, &cap, used + row->n_taps, sizeof *map->taps))
            return false;
        struct packing_tap *const taps = map->taps + used;
        uint32_t n = 0;
        for (uint32_t q = k->first_q[m]; q <= k->last_q[m]; q++)
            for (size_t f = before[q]; f < before[q + 1]; f++)
                n += phase_taps(taps + n, k, m, q, &phase[f]);
        set_row(row, map, k->lin->wi, taps);
        map->out_value[m] = m * k->result.step_c;
        row->taps_at = used;
        if (!share_taps(row, map, taps))
            used += n;
    }
    return true;
}

/* Whether each out reads planes of its own, the same number of them, with the same weights: the
 * same, not weights that happen to be equal. */
static uint32_t common_phases(const struct packing_map *map)
{
    const struct packing_row *one = &map->rows[0];
    const uint32_t phases = one->last + 1;
    if (map->n_outs < 2 || map->n_planes / map->n_outs != phases ||
        map->n_planes % map->n_outs != 0)
        return 0;
    for (uint32_t m = 1; m < map->n_outs; m++) {
        const struct packing_row *row = &map->rows[m];
        if (row->n_taps != one->n_taps)
            return 0;
        for (uint32_t t = 0; t < one->n_taps; t++) {
            const struct packing_tap *a = &map->taps[row->taps_at + t];
            const struct packing_tap *b = &map->taps[one->taps_at + t];
            if (a->plane != b->plane + m * phases || a->weight + row->weights != b->weight ||
                a->y != b->y || a->x != b->x)
                return 0;
        }
    }
    return phases;
}

mp2ml_status packing_conv_planes(struct packing_map *map, const struct conv *k)
{
    size_t *before = calloc((size_t)k->channels + 1, sizeof *before);
    for (uint32_t q = 0; before != NULL && q < k->channels; q++)
        before[q + 1] = before[q] + phases_of(k, q);
    struct phase *phase = before != NULL ? malloc((before[k->channels] + 1) * sizeof *phase) : NULL;
    map->n_in = k->lin->n_in;
    map->n_outs = k->result.c;
    map->out_h = k->result.h;
    map->out_w = k->result.w;
    map->out_step_y = k->result.step_y;
    map->out_step_x = k->result.step_x;
    map->out_value = calloc((size_t)map->n_outs + 1, sizeof *map->out_value);
    map->rows = calloc((size_t)map->n_outs + 1, sizeof *map->rows);
    bool ok = phase != NULL && map->out_value != NULL && map->rows != NULL;
    if (ok) {
        count_taps(map, k, before, phase);
        map->planes = calloc((size_t)map->n_planes + 1, sizeof *map->planes);
        ok = map->planes != NULL;
    }
    if (ok) {
        set_planes(map, k, before, phase);
        ok = set_taps(map, k, before, phase);
    }
    if (ok)
        map->phases = common_phases(map);
    free(before);
    free(phase);
    return ok ? MP2ML_OK : MP2ML_ERR_MEMORY;
}
