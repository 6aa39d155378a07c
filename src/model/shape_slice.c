/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of the operators that pick values: slices, parts, repetitions. The first axis of data
 * is the batch and stays whole. */
#include <string.h>

#include "model/graph_internal.h"

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* One axis as Python slices; 0 <= size <= 2^31. */
static bool slice_axis(struct shape_slice *s, unsigned d, int64_t size, bool open_begin,
                       bool open_end, int64_t begin, int64_t end, int64_t step)
{
    if (step == 0)
        return false;
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    begin = clamp(begin + (begin < 0 ? size : 0), low, high);
    end = clamp(end + (end < 0 ? size : 0), low, high);
    if (open_begin)
        begin = step > 0 ? low : high;
    if (open_end)
        end = step > 0 ? high : low;
    step = clamp(step, -(int64_t)GRAPH_MAX_COUNT - 1, (int64_t)GRAPH_MAX_COUNT + 1);
    const int64_t span = step > 0 ? end - begin : begin - end;
    const int64_t width = step > 0 ? step : -step;
    s->start[d] = begin;
    s->step[d] = step;
    s->length[d] = span <= 0 ? 0 : (span + width - 1) / width;
    return true;
}

static bool shrink_axis(struct shape_slice *s, unsigned d, int64_t size, int64_t begin)
{
    begin += begin < 0 ? size : 0;
    s->start[d] = begin;
    s->step[d] = 1;
    s->length[d] = 1;
    return begin >= 0 && begin < size;
}

/* Whether one axis of the specification leaves the batch as it is: from 0 to the end, which may
 * have been computed from the shape. */
static bool keeps_batch(bool open_begin, bool open_end, bool shrinks, int64_t begin, int64_t end,
                        int64_t step)
{
    return !shrinks && step == 1 && (open_begin || begin == 0) &&
           (open_end || end == GRAPH_BATCH || end >= INT32_MAX);
}

bool shape_slice_make(struct shape_slice *s, const struct graph_node *n, const size_t *dims,
                      unsigned rank, const int64_t *begin, const int64_t *end,
                      const int64_t *strides, size_t specs)
{
    const int64_t *mask = n->mask;
    memset(s, 0, sizeof *s);
    s->rank = rank;
    unsigned d = 0, named = 0; /* input axes done; named by the specification */
    if (specs > 2 * GRAPH_MAX_RANK)
        return false;
    for (size_t k = 0; k < specs; k++)
        named += (mask[2] >> k & 1) == 0 && (mask[3] >> k & 1) == 0;
    if (named > rank)
        return false;
    bool ellipsis = (mask[2] & ((1 << specs) - 1)) == 0; /* there is one behind the last */
    const size_t all = specs + (ellipsis ? 1 : 0);
    for (size_t k = 0; k < all; k++) {
        if (k == specs || (mask[2] >> k & 1) != 0) {
            if (k != specs && ellipsis)
                return false; /* a second one */
            ellipsis = true;
            for (unsigned rest = rank - named; rest > 0; rest--, d++) {
                s->step[d] = 1;
                s->length[d] = (int64_t)dims[d];
                if (s->out_rank == GRAPH_MAX_RANK)
                    return false;
                s->out_dims[s->out_rank++] = s->length[d];
            }
            continue;
        }
        const bool added = (mask[3] >> k & 1) != 0, shrinks = (mask[4] >> k & 1) != 0;
        const bool open_begin = (mask[0] >> k & 1) != 0, open_end = (mask[1] >> k & 1) != 0;
        if (n->batched && d == 0 &&
            (added || !keeps_batch(open_begin, open_end, shrinks, begin[k], end[k], strides[k])))
            return false;
        if (s->out_rank == GRAPH_MAX_RANK && (added || !shrinks))
            return false;
        if (added) {
            s->out_dims[s->out_rank++] = 1;
            continue;
        }
        const bool batch = n->batched && d == 0;
        if (shrinks ? !shrink_axis(s, d, (int64_t)dims[d], begin[k])
                    : !slice_axis(s, d, (int64_t)dims[d], open_begin || batch, open_end || batch,
                                  begin[k], end[k], strides[k]))
            return false;
        if (!shrinks)
            s->out_dims[s->out_rank++] = s->length[d];
        d++;
    }
    return true;
}

mp2ml_status shape_strided_slice(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    const struct graph_tensor *spec[3];
    n->integers = x->integers;
    for (unsigned k = 0; k < 3; k++) {
        TRY(shape_want_integers(b, n, k + 1));
        spec[k] = &graph_input(b, n, k + 1)->value;
    }
    struct shape_slice s;
    const struct eval_view view = eval_view_of(x, 1);
    if (spec[0]->rank != 1 || spec[1]->count != spec[0]->count ||
        spec[2]->count != spec[0]->count ||
        !shape_slice_make(&s, n, view.dims, view.rank, spec[0]->i, spec[1]->i, spec[2]->i,
                          spec[0]->count))
        return graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                               "this slice of shape %s", shape_print(x).text);
    n->rank = s.out_rank;
    memcpy(n->dims, s.out_dims, sizeof n->dims);
    if (n->batched)
        n->dims[0] = GRAPH_BATCH;
    return MP2ML_OK;
}

/* Slice: list[d] = where axis d begins. */
mp2ml_status shape_slice(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    TRY(shape_want_integers(b, n, 2));
    const struct graph_tensor *begin = &graph_input(b, n, 1)->value;
    const struct graph_tensor *size = &graph_input(b, n, 2)->value;
    bool fits =
        begin->rank == 1 && begin->count == x->rank && size->rank == 1 && size->count == x->rank;
    n->integers = x->integers;
    n->rank = n->n_list = x->rank;
    for (unsigned d = 0; fits && d < x->rank; d++) {
        const bool batch = n->batched && d == 0;
        const int64_t all = batch ? 0 : x->dims[d];
        n->list[d] = begin->i[d];
        n->dims[d] = batch ? GRAPH_BATCH : size->i[d] == -1 ? all - begin->i[d] : size->i[d];
        fits = batch ? begin->i[d] == 0 && size->i[d] == GRAPH_BATCH
                     : begin->i[d] >= 0 && begin->i[d] <= all && n->dims[d] >= 0 &&
                           n->dims[d] <= all - begin->i[d];
    }
    if (!fits)
        return graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                               "this slice of shape %s", shape_print(x).text);
    n->n_inputs = 1;
    return MP2ML_OK;
}

/* The sizes of SplitV: one may be -1. Sets where this part begins and its size. */
static bool part_of_sizes(int64_t *start, int64_t *size, const struct graph_tensor *sizes,
                          int64_t all, unsigned part)
{
    int64_t sum = 0;
    size_t open = sizes->count;
    for (size_t k = 0; k < sizes->count; k++) {
        if (sizes->i[k] == -1 && open == sizes->count)
            open = k;
        else if (sizes->i[k] < 0 || sizes->i[k] > all)
            return false;
        else
            sum += sizes->i[k]; /* at most 2^12 times 2^31 */
    }
    if (part >= sizes->count || sum > all || (open == sizes->count && sum != all))
        return false;
    *start = 0;
    for (size_t k = 0; k <= part; k++) {
        *size = k == open ? all - sum : sizes->i[k];
        *start += k < part ? *size : 0;
    }
    return true;
}

/* Inputs: value, [sizes,] axis. list[axis] = where this part begins. */
mp2ml_status shape_split(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_same(b, n));
    TRY(shape_want_number(b, n, n->n_inputs - 1, &n->axis));
    if (!shape_axis(&n->axis, x->rank) || (n->batched && n->axis == 0))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "splits axis %lld of shape %s",
                               (long long)n->axis, shape_print(x).text);
    const int64_t all = x->dims[n->axis];
    int64_t start = 0, size = 0;
    bool fits = n->parts != 0;
    if (n->n_inputs == 3) {
        TRY(shape_want_integers(b, n, 1));
        const struct graph_tensor *sizes = &graph_input(b, n, 1)->value;
        fits =
            fits && sizes->count == n->parts && part_of_sizes(&start, &size, sizes, all, n->part);
    } else {
        fits = fits && all % n->parts == 0;
        size = fits ? all / n->parts : 0;
        start = size * n->part;
    }
    if (!fits)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "axis %lld of shape %s is not %u such parts",
                               (long long)n->axis, shape_print(x).text, n->parts);
    n->n_list = n->rank;
    memset(n->list, 0, sizeof n->list);
    n->list[n->axis] = start;
    n->dims[n->axis] = size;
    n->n_inputs = 1;
    return MP2ML_OK;
}

mp2ml_status shape_unpack(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (!shape_axis(&n->axis, x->rank) || (n->batched && n->axis == 0) ||
        x->dims[n->axis] != n->parts || n->part >= n->parts)
        return graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                               "takes %u parts of axis %lld of shape %s", n->parts,
                               (long long)n->axis, shape_print(x).text);
    n->integers = x->integers;
    n->n_list = x->rank;
    memset(n->list, 0, sizeof n->list);
    n->list[n->axis] = n->part;
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++)
        if (d != n->axis)
            n->dims[n->rank++] = x->dims[d];
    return MP2ML_OK;
}

mp2ml_status shape_tile(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_same(b, n));
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *times = &graph_input(b, n, 1)->value;
    bool fits = times->rank == 1 && times->count == n->rank;
    for (unsigned d = 0; fits && d < n->rank; d++) {
        fits = times->i[d] >= 0 && times->i[d] <= (int64_t)GRAPH_MAX_COUNT &&
               (!n->batched || d != 0 || times->i[d] == 1);
        n->dims[d] *= fits ? times->i[d] : 1; /* at most 2^62 */
    }
    return fits ? MP2ML_OK
                : graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                                  "the repetitions do not fit shape %s",
                                  shape_print(graph_input(b, n, 0)).text);
}

/* list becomes the axes. */
mp2ml_status shape_reverse(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_same(b, n));
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *axes = &graph_input(b, n, 1)->value;
    bool fits = axes->count <= n->rank;
    for (size_t k = 0; fits && k < axes->count; k++) {
        n->list[k] = axes->i[k];
        fits = shape_axis(&n->list[k], n->rank) && !(n->batched && n->list[k] == 0);
    }
    n->n_list = fits ? (unsigned)axes->count : 0;
    return fits ? MP2ML_OK
                : graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "the axes do not fit shape %s",
                                  shape_print(n).text);
}

/* By places that are data: rows of a constant table. */
static mp2ml_status shape_lookup(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0), *at = graph_input(b, n, 1);
    if (x->batched || x->integers || x->rank == 0 || n->axis != 0 ||
        at->rank + x->rank - 1 > GRAPH_MAX_RANK)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "looks up by the data in axis %lld of shape %s; rows of a constant "
                               "table have a private form",
                               (long long)n->axis, shape_print(x).text);
    n->integers = false;
    graph_copy_shape(n, at);
    for (unsigned d = 1; d < x->rank; d++)
        n->dims[n->rank++] = x->dims[d];
    n->n_inputs = 2;
    return MP2ML_OK;
}

/* GatherV2: inputs value, indices, [axis]. */
mp2ml_status shape_take(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0), *at = graph_input(b, n, 1);
    if (n->n_inputs == 3)
        TRY(shape_want_number(b, n, 2, &n->axis));
    if (at->batched)
        return shape_lookup(b, n);
    TRY(shape_want_integers(b, n, 1));
    if (!shape_axis(&n->axis, x->rank) || (n->batched && n->axis == 0) ||
        x->rank - 1 + at->rank > GRAPH_MAX_RANK)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "takes from axis %lld of shape %s",
                               (long long)n->axis, shape_print(x).text);
    for (size_t k = 0; k < at->value.count; k++)
        if (at->value.i[k] < 0 || at->value.i[k] >= x->dims[n->axis])
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "index %lld is not in shape %s",
                                   (long long)at->value.i[k], shape_print(x).text);
    n->integers = x->integers;
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++) {
        for (unsigned i = 0; d == n->axis && i < at->rank; i++)
            n->dims[n->rank++] = at->dims[i];
        if (d != n->axis)
            n->dims[n->rank++] = x->dims[d];
    }
    n->n_inputs = 2;
    return MP2ML_OK;
}
