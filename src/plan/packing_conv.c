/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the convolution in a matrix. A linear step may be many operators in one, so that it is not
 * looked up but seen: when the weight of result (y', x', m) and value (y, x, q) depends on m, q,
 * y - s*y' and x - s*x' alone, for a stride s of each operand, the step is a map between pictures.
 * Columns that are missing at the border are taps that meet zeros; where the value is there, its
 * column must be.
 *
 * Groups that have the same block of weights and whose rows and columns are those of another group,
 * moved, need not be looked at weight by weight. A step one of whose groups has rows at several
 * places (a dense layer that makes a picture) is none, whatever its weights. */
#include "plan/packing_conv.h"

#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"

#define MOST_SIDE 16384u              /* taps are kept in 16 bits */
#define MOST_TABLE ((size_t)1 << 24)  /* weights by out, channel and tap */
#define MOST_WORK ((uint64_t)1 << 27) /* weights looked at one by one */
#define NOWHERE INT32_MAX
#define NO_WEIGHT UINT32_MAX

/* ---- pictures -------------------------------------------------------------------------------- */

/* False: no picture of `count` values, or too large a one. */
static bool set_picture(struct conv_picture *p, const uint32_t *dims, bool chw, uint32_t count)
{
    p->h = chw ? dims[1] : dims[0];
    p->w = chw ? dims[2] : dims[1];
    p->c = chw ? dims[0] : dims[2];
    p->step_y = chw ? p->w : p->w * p->c;
    p->step_x = chw ? 1 : p->c;
    p->step_c = chw ? p->h * p->w : 1;
    return p->h <= MOST_SIDE && p->w <= MOST_SIDE && (uint64_t)p->h * p->w * p->c == count;
}

static void set_places(struct conv_place *place, const struct conv_picture *p)
{
    for (uint32_t y = 0; y < p->h; y++)
        for (uint32_t x = 0; x < p->w; x++)
            for (uint32_t c = 0; c < p->c; c++)
                place[p->value + y * p->step_y + x * p->step_x + c * p->step_c] =
                    (struct conv_place){p->channel + c, (int32_t)y, (int32_t)x};
}

void packing_conv_wipe(struct conv *k)
{
    free(k->in);
    free(k->out);
    free(k->operand);
    free(k->bounds_y);
    free(k->bounds_x);
    free(k->first_q);
    free(k->last_q);
    free(k->taps_before);
    free(k->offset);
    free(k->weight);
    free(k->seen);
    memset(k, 0, sizeof *k);
}

static bool allocate(struct conv *k)
{
    const size_t n = k->n_operands;
    k->in = malloc((k->lin->n_in + 1) * sizeof *k->in);
    k->out = malloc((k->lin->n_out + 1) * sizeof *k->out);
    k->operand = calloc((size_t)k->channels + 1, 1);
    k->bounds_y = malloc(n * k->result.h * sizeof *k->bounds_y);
    k->bounds_x = malloc(n * k->result.w * sizeof *k->bounds_x);
    k->first_q = malloc(((size_t)k->result.c + 1) * sizeof *k->first_q);
    k->last_q = calloc((size_t)k->result.c + 1, sizeof *k->last_q);
    k->taps_before = calloc((size_t)k->channels + 1, sizeof *k->taps_before);
    k->offset = calloc((size_t)k->result.c + 1, sizeof *k->offset);
    return k->in != NULL && k->out != NULL && k->operand != NULL && k->bounds_y != NULL &&
           k->bounds_x != NULL && k->first_q != NULL && k->last_q != NULL &&
           k->taps_before != NULL && k->offset != NULL;
}

/* The step's operands and result as pictures; false when they are none. */
static bool set_pictures(struct conv *k, const struct plan *plan, unsigned s, bool in_chw,
                         bool out_chw)
{
    const struct plan_step *step = &plan->pub.steps[s];
    uint32_t value = 0;
    k->lin = &plan->linear[s];
    k->n_operands = step->n_operands;
    bool fits = set_picture(&k->result, plan->notes[s].dims, out_chw, step->count);
    for (unsigned i = 0; i < step->n_operands; i++) {
        struct conv_picture *p = &k->from[i];
        const unsigned o = step->operands[i];
        fits = set_picture(p, plan->notes[o].dims, in_chw, plan->pub.steps[o].count) && fits;
        p->value = value;
        p->channel = k->channels;
        value += plan->pub.steps[o].count;
        k->channels += p->c;
    }
    return fits;
}

/* ---- strides --------------------------------------------------------------------------------- */

static void widen(struct conv_bounds *b, int32_t at)
{
    b->low = at < b->low ? at : b->low;
    b->high = b->high == NOWHERE || at > b->high ? at : b->high;
}

/* First and last row and column of each operand that each row and column of the result reads, and
 * the channels that each of its channels does. False: a group at several places, or one that reads
 * a value twice. */
static bool survey(struct conv *k, uint32_t *stamp)
{
    const struct linear *lin = k->lin;
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        const struct conv_place to = k->out[linear_out(lin, group, 0)];
        uint32_t first = UINT32_MAX, last = 0;
        for (size_t c = 0; c < group->cols; c++) {
            uint32_t v = linear_in(lin, group, c);
            const struct conv_place *from = &k->in[v];
            const size_t o = k->operand[from->channel];
            if (stamp[v] == (uint32_t)g + 1)
                return false;
            stamp[v] = (uint32_t)g + 1;
            widen(&k->bounds_y[o * k->result.h + (size_t)to.y], from->y);
            widen(&k->bounds_x[o * k->result.w + (size_t)to.x], from->x);
            first = from->channel < first ? from->channel : first;
            last = from->channel > last ? from->channel : last;
        }
        for (size_t r = 0; r < group->rows; r++) {
            const struct conv_place *row = &k->out[linear_out(lin, group, r)];
            if (row->y != to.y || row->x != to.x)
                return false;
            k->first_q[row->channel] =
                first < k->first_q[row->channel] ? first : k->first_q[row->channel];
            k->last_q[row->channel] =
                last > k->last_q[row->channel] ? last : k->last_q[row->channel];
        }
    }
    return true;
}

/* A window moves by the stride from one result to the next, unless the border cuts it on both
 * sides; then `otherwise`. */
static int32_t stride_of(const struct conv_bounds *b, uint32_t n, int32_t otherwise)
{
    int32_t most = 0;
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (b[i].high == NOWHERE || b[i + 1].high == NOWHERE)
            continue;
        int32_t low = b[i + 1].low - b[i].low, high = b[i + 1].high - b[i].high;
        most = low > most ? low : most;
        most = high > most ? high : most;
    }
    return n == 1 ? 1 : most > 0 ? most : otherwise;
}

/* Taps of an operand with this stride. */
static void tap_range(int32_t *low, int32_t *high, const struct conv_bounds *b, uint32_t n,
                      int32_t stride)
{
    *low = INT32_MAX;
    *high = INT32_MIN;
    for (uint32_t i = 0; i < n; i++) {
        if (b[i].high == NOWHERE)
            continue;
        int32_t from = b[i].low - stride * (int32_t)i, to = b[i].high - stride * (int32_t)i;
        *low = from < *low ? from : *low;
        *high = to > *high ? to : *high;
    }
    if (*low > *high) /* nothing is read */
        *low = *high = 0;
}

static int32_t ratio(uint32_t in, uint32_t out)
{
    return (int32_t)((in + out - 1) / out);
}

/* Strides, tap ranges and the table's layout; false when the table would be too large. Where the
 * strides cannot be seen, they are what brings one size to the other (`by_size`), or 1. */
static bool set_strides(struct conv *k, bool by_size)
{
    size_t taps = 0;
    for (unsigned i = 0; i < k->n_operands; i++) {
        struct conv_picture *p = &k->from[i];
        const struct conv_bounds *y = k->bounds_y + (size_t)i * k->result.h;
        const struct conv_bounds *x = k->bounds_x + (size_t)i * k->result.w;
        p->stride_y = stride_of(y, k->result.h, by_size ? ratio(p->h, k->result.h) : 1);
        p->stride_x = stride_of(x, k->result.w, by_size ? ratio(p->w, k->result.w) : 1);
        tap_range(&p->low_y, &p->high_y, y, k->result.h, p->stride_y);
        tap_range(&p->low_x, &p->high_x, x, k->result.w, p->stride_x);
        p->taps = (size_t)(p->high_y - p->low_y + 1) * (size_t)(p->high_x - p->low_x + 1);
        for (uint32_t c = 0; c < p->c && taps <= MOST_TABLE; c++) {
            k->taps_before[p->channel + c] = taps;
            taps += p->taps;
        }
        if (taps > MOST_TABLE)
            return false;
    }
    k->taps_before[k->channels] = taps;
    k->offset[0] = 0;
    for (uint32_t m = 0; m < k->result.c; m++) {
        if (k->first_q[m] > k->last_q[m]) /* nobody makes it */
            return false;
        k->offset[m + 1] =
            k->offset[m] + k->taps_before[k->last_q[m] + 1] - k->taps_before[k->first_q[m]];
        if (k->offset[m + 1] > MOST_TABLE)
            return false;
    }
    return true;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Whether group g is group o moved: with the same weights, then nothing else need be compared. */
static bool is_moved(const struct conv *k, const struct linear_group *g,
                     const struct linear_group *o)
{
    const struct linear *lin = k->lin;
    const struct conv_place to = k->out[linear_out(lin, g, 0)];
    const struct conv_place to_o = k->out[linear_out(lin, o, 0)];
    for (size_t r = 0; r < g->rows; r++)
        if (k->out[linear_out(lin, g, r)].channel != k->out[linear_out(lin, o, r)].channel)
            return false;
    for (size_t c = 0; c < g->cols; c++) {
        const struct conv_place *a = &k->in[linear_in(lin, g, c)];
        const struct conv_place *b = &k->in[linear_in(lin, o, c)];
        const struct conv_picture *p = &k->from[k->operand[a->channel]];
        if (a->channel != b->channel || a->y - b->y != p->stride_y * (to.y - to_o.y) ||
            a->x - b->x != p->stride_x * (to.x - to_o.x))
            return false;
    }
    return true;
}

/* Enters the weights of `times` groups like this one; false when another was there. */
static bool enter(struct conv *k, const struct linear_group *group, uint32_t times)
{
    const struct linear *lin = k->lin;
    k->work += (uint64_t)group->rows * group->cols;
    for (size_t r = 0; r < group->rows && k->work <= MOST_WORK; r++) {
        const struct conv_place to = k->out[linear_out(lin, group, r)];
        for (size_t c = 0; c < group->cols; c++) {
            const struct conv_place *v = &k->in[linear_in(lin, group, c)];
            const struct conv_picture *p = &k->from[k->operand[v->channel]];
            int32_t y = v->y - p->stride_y * to.y - p->low_y;
            int32_t x = v->x - p->stride_x * to.x - p->low_x;
            size_t at = conv_entry(k, to.channel, v->channel) +
                        (size_t)y * (size_t)(p->high_x - p->low_x + 1) + (size_t)x;
            uint32_t w = (uint32_t)linear_weight(lin, group, r, c);
            if (k->weight[at] == NO_WEIGHT)
                k->weight[at] = w;
            else if (!k->known && lin->wi[k->weight[at]] != lin->wi[w])
                return false;
            k->seen[at] += times;
        }
    }
    return k->work <= MOST_WORK;
}

/* Places of the result whose tap lies in the operand, along one axis. */
static uint32_t places_of_tap(int32_t tap, int32_t stride, uint32_t out, uint32_t in)
{
    uint32_t n = 0;
    for (int32_t i = 0; i < (int32_t)out; i++)
        n += stride * i + tap >= 0 && stride * i + tap < (int32_t)in;
    return n;
}

/* How often a tap of an operand must have been met, if it is one; [taps]. */
static void whole_counts(uint32_t *count, const struct conv *k, const struct conv_picture *p)
{
    for (int32_t y = p->low_y; y <= p->high_y; y++) {
        uint32_t rows = places_of_tap(y, p->stride_y, k->result.h, p->h);
        for (int32_t x = p->low_x; x <= p->high_x; x++)
            *count++ = rows * places_of_tap(x, p->stride_x, k->result.w, p->w);
    }
}

/* Every tap that there is must be there wherever it can be. *whole is set. */
static mp2ml_status check_whole(bool *whole, const struct conv *k)
{
    *whole = true;
    for (const struct conv_picture *p = k->from; p < k->from + k->n_operands && *whole; p++) {
        uint32_t *count = malloc(p->taps * sizeof *count);
        if (count == NULL)
            return MP2ML_ERR_MEMORY;
        whole_counts(count, k, p);
        for (uint32_t m = 0; m < k->result.c && *whole; m++) {
            uint32_t first = k->first_q[m] > p->channel ? k->first_q[m] : p->channel;
            uint32_t end =
                k->last_q[m] + 1 < p->channel + p->c ? k->last_q[m] + 1 : p->channel + p->c;
            for (uint32_t q = first; q < end; q++) {
                const uint32_t *seen = k->seen + conv_entry(k, m, q);
                for (size_t t = 0; t < p->taps; t++)
                    *whole = *whole && (seen[t] == 0 || seen[t] == count[t]);
            }
        }
        free(count);
    }
    return MP2ML_OK;
}

static mp2ml_status enter_all(bool *found, struct conv *k, const uint32_t *owner, uint32_t *times)
{
    const struct linear *lin = k->lin;
    const struct linear_group *widest = &lin->groups[0];
    memset(k->weight, 0xff, (k->offset[k->result.c] + 1) * sizeof *k->weight);
    memset(k->seen, 0, (k->offset[k->result.c] + 1) * sizeof *k->seen);
    memset(times, 0, lin->n_groups * sizeof *times);
    k->work = 0;
    /* Windows that no border cuts give the weights, so that those of one row follow one another. */
    for (size_t g = 1; g < lin->n_groups; g++)
        widest = lin->groups[g].cols > widest->cols ? &lin->groups[g] : widest;
    if (lin->n_groups == 0 || !enter(k, widest, 0))
        return MP2ML_OK;
    for (size_t g = 0; g < lin->n_groups; g++) {
        if (is_moved(k, &lin->groups[g], &lin->groups[owner[g]]))
            times[owner[g]]++;
        else if (!enter(k, &lin->groups[g], 1))
            return MP2ML_OK;
    }
    for (size_t g = 0; g < lin->n_groups; g++)
        if (owner[g] == g && !enter(k, &lin->groups[g], times[g]))
            return MP2ML_OK;
    return check_whole(found, k);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Fills the table with strides that are seen, or guessed one way or the other (bits of `guesses`);
 * *found becomes the bit. */
static mp2ml_status try_strides(struct conv *k, unsigned *found, unsigned guesses)
{
    uint32_t *owner = linear_owners(k->lin);
    uint32_t *times = malloc((k->lin->n_groups + 1) * sizeof *times);
    mp2ml_status status = owner != NULL && times != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (unsigned guess = 0; status == MP2ML_OK && *found == 0 && guess < 2; guess++) {
        bool whole = false;
        if ((guesses >> guess & 1) == 0 || !set_strides(k, guess == 0))
            continue;
        free(k->weight);
        free(k->seen);
        k->weight = malloc((k->offset[k->result.c] + 1) * sizeof *k->weight);
        k->seen = malloc((k->offset[k->result.c] + 1) * sizeof *k->seen);
        if (k->weight == NULL || k->seen == NULL)
            status = MP2ML_ERR_MEMORY;
        else
            status = enter_all(&whole, k, owner, times);
        *found = whole ? 1u << guess : 0;
    }
    free(owner);
    free(times);
    return status;
}

/* With channels last or first. */
static mp2ml_status try_order(struct conv *k, unsigned *found, unsigned guesses,
                              const struct plan *plan, unsigned s, bool in_chw, bool out_chw)
{
    if (!set_pictures(k, plan, s, in_chw, out_chw))
        return MP2ML_OK;
    uint32_t *stamp = calloc(k->lin->n_in + 1, sizeof *stamp);
    mp2ml_status status = stamp != NULL && allocate(k) ? MP2ML_OK : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK) {
        for (unsigned i = 0; i < k->n_operands; i++) {
            set_places(k->in, &k->from[i]);
            memset(k->operand + k->from[i].channel, (int)i, k->from[i].c);
        }
        set_places(k->out, &k->result);
        for (size_t i = 0; i < (size_t)k->n_operands * k->result.h; i++)
            k->bounds_y[i] = (struct conv_bounds){INT32_MAX, NOWHERE};
        for (size_t i = 0; i < (size_t)k->n_operands * k->result.w; i++)
            k->bounds_x[i] = (struct conv_bounds){INT32_MAX, NOWHERE};
        memset(k->first_q, 0xff, ((size_t)k->result.c + 1) * sizeof *k->first_q);
        if (survey(k, stamp))
            status = try_strides(k, found, guesses);
    }
    free(stamp);
    return status;
}

mp2ml_status packing_conv(struct packing_map *map, bool *found, const struct plan *plan, unsigned s,
                          unsigned ways)
{
    mp2ml_status status = MP2ML_OK;
    memset(map, 0, sizeof *map);
    *found = false;
    /* A dense layer: with rows at several places none, with rows at one no better than as one. */
    if (plan->linear[s].n_groups == 1)
        return MP2ML_OK;
    for (unsigned order = 0; status == MP2ML_OK && !*found && order < 4; order++) {
        const unsigned guesses = ways >> 2 * order & 3;
        unsigned guess = 0;
        struct conv k = {.known = ways != PACKING_ALL_WAYS};
        if (guesses == 0)
            continue;
        /* Both last, both first, then one of them first. */
        status = try_order(&k, &guess, guesses, plan, s, order == 1 || order == 2,
                           order == 1 || order == 3);
        *found = status == MP2ML_OK && guess != 0;
        if (*found)
            status = packing_conv_planes(map, &k);
        map->ways = guess << 2 * order;
        packing_conv_wipe(&k);
    }
    return status;
}
