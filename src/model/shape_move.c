/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of the operators that move values, and of those that compute with shapes. */
#include <string.h>

#include "model/graph_internal.h"

mp2ml_status shape_cast(struct graph_build *b, struct graph_node *n)
{
    const bool integers = n->integers; /* set by the importer: the wanted type */
    TRY(shape_same(b, n));
    const bool from = n->integers;
    n->integers = integers;
    if (n->batched && integers && !from)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "rounds data to integers");
    return MP2ML_OK;
}

/* Replaces the one axis that a reshape leaves open; `count` elements in all. False if impossible.
 */
static bool fill_open_axis(int64_t *dims, unsigned rank, size_t count)
{
    unsigned open = rank;
    size_t known;
    for (unsigned d = 0; d < rank; d++)
        if (dims[d] == -1) {
            if (open != rank)
                return false;
            open = d;
        }
    if (open == rank)
        return graph_count(&known, dims, rank) && known == count;
    dims[open] = 1;
    if (!graph_count(&known, dims, rank) || known == 0 || count % known != 0)
        return false;
    dims[open] = (int64_t)(count / known);
    return true;
}

/* A batched reshape keeps each sample's values together: the first axis asked for is the batch (-1,
 * computed as such, or 1 in a graph made for one sample), the others hold one sample. */
static bool reshape_batched(struct graph_node *n, const struct graph_node *x)
{
    if (n->rank == 0 || (n->dims[0] != GRAPH_BATCH && n->dims[0] != 1))
        return false;
    n->dims[0] = GRAPH_BATCH;
    return fill_open_axis(n->dims + 1, n->rank - 1, graph_sample_count(x));
}

mp2ml_status shape_reshape(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (n->n_inputs != 2)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has no shape");
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *want = &graph_input(b, n, 1)->value;
    if (want->rank != 1 || want->count > GRAPH_MAX_RANK)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "the new shape is not a list of at most %d",
                               GRAPH_MAX_RANK);
    n->rank = (unsigned)want->count;
    for (unsigned d = 0; d < n->rank; d++)
        n->dims[d] = want->i[d];
    struct graph_node asked = *n;
    n->integers = x->integers;
    const bool fits =
        n->batched ? reshape_batched(n, x) : fill_open_axis(n->dims, n->rank, x->value.count);
    if (!fits)
        return graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                               "shape %s does not become %s%s", shape_print(x).text,
                               shape_print(&asked).text, n->batched ? " sample by sample" : "");
    return MP2ML_OK;
}

mp2ml_status shape_squeeze(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    bool drop[GRAPH_MAX_RANK] = {false};
    for (unsigned k = 0; k < n->n_list; k++) {
        if (!shape_axis(&n->list[k], x->rank) || x->dims[n->list[k]] != 1)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "axis %lld of %s cannot be removed",
                                   (long long)n->list[k], shape_print(x).text);
        drop[n->list[k]] = true;
    }
    n->integers = x->integers;
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++)
        if (n->n_list == 0 ? x->dims[d] != 1 : !drop[d])
            n->dims[n->rank++] = x->dims[d];
    return MP2ML_OK;
}

mp2ml_status shape_expand_dims(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (n->n_inputs == 2) {
        TRY(shape_want_integers(b, n, 1));
        const struct graph_tensor *axis = &graph_input(b, n, 1)->value;
        if (axis->count != 1)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "needs one axis");
        n->axis = axis->i[0];
        n->n_inputs = 1;
    }
    if (x->rank == GRAPH_MAX_RANK || !shape_axis(&n->axis, x->rank + 1))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "no axis %lld in %s", (long long)n->axis,
                               shape_print(x).text);
    if (n->batched && n->axis == 0)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "puts an axis before the batch");
    n->integers = x->integers;
    n->rank = x->rank + 1;
    for (unsigned d = 0; d < n->rank; d++)
        n->dims[d] = d < n->axis ? x->dims[d] : d == n->axis ? 1 : x->dims[d - 1];
    return MP2ML_OK;
}

mp2ml_status shape_transpose(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *order = &graph_input(b, n, 1)->value;
    bool seen[GRAPH_MAX_RANK] = {false};
    bool right = order->rank == 1 && order->count == x->rank;
    n->rank = x->rank;
    n->n_list = x->rank;
    for (unsigned d = 0; right && d < x->rank; d++) {
        n->list[d] = order->i[d];
        right = shape_axis(&n->list[d], x->rank) && !seen[n->list[d]];
        if (right) {
            seen[n->list[d]] = true;
            n->dims[d] = x->dims[n->list[d]];
        }
    }
    if (!right)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "'%.200s' is no order of the axes of %s",
                               graph_input(b, n, 1)->name, shape_print(x).text);
    if (n->batched && n->list[0] != 0)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "moves the batch axis");
    n->integers = x->integers;
    return MP2ML_OK;
}

mp2ml_status shape_shape(struct graph_build *b, struct graph_node *n)
{
    n->rank = 1;
    n->dims[0] = graph_input(b, n, 0)->rank;
    n->integers = true;
    return MP2ML_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* One axis as Python slices; 0 <= size <= 2^31. */
static bool slice_axis(struct shape_slice *s, unsigned d, int64_t size, bool open_begin,
                       bool open_end, int64_t begin, int64_t end, int64_t step)
{
    if (s->shrink[d]) {
        begin += begin < 0 ? size : 0;
        if (begin < 0 || begin >= size)
            return false;
        s->start[d] = begin;
        s->step[d] = 1;
        s->length[d] = 1;
        return true;
    }
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

bool shape_slice_make(struct shape_slice *s, const int64_t *mask, const size_t *dims, unsigned rank,
                      const int64_t *begin, const int64_t *end, const int64_t *strides,
                      size_t specs)
{
    memset(s, 0, sizeof *s);
    s->rank = rank;
    if (specs > rank || mask[2] != 0 || mask[3] != 0)
        return false;
    for (unsigned d = 0; d < rank; d++) {
        const bool given = d < specs;
        s->shrink[d] = given && (mask[4] >> d & 1) != 0;
        if (!slice_axis(s, d, (int64_t)dims[d], !given || (mask[0] >> d & 1) != 0,
                        !given || (mask[1] >> d & 1) != 0, given ? begin[d] : 0, given ? end[d] : 0,
                        given ? strides[d] : 1))
            return false;
    }
    return true;
}

mp2ml_status shape_strided_slice(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    const struct graph_tensor *spec[3];
    n->integers = x->integers;
    if (n->batched) { /* settle refuses it, with this shape in the text */
        graph_copy_shape(n, x);
        return MP2ML_OK;
    }
    for (unsigned k = 0; k < 3; k++) {
        TRY(shape_want_integers(b, n, k + 1));
        spec[k] = &graph_input(b, n, k + 1)->value;
    }
    struct shape_slice s;
    const struct eval_view view = eval_view_of(x, 1);
    if (spec[0]->rank != 1 || spec[1]->count != spec[0]->count ||
        spec[2]->count != spec[0]->count ||
        !shape_slice_make(&s, n->mask, view.dims, view.rank, spec[0]->i, spec[1]->i, spec[2]->i,
                          spec[0]->count))
        return graph_node_fail(
            b, n, n->mask[2] != 0 || n->mask[3] != 0 ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
            "this slice of shape %s", shape_print(x).text);
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++)
        if (!s.shrink[d])
            n->dims[n->rank++] = s.length[d];
    return MP2ML_OK;
}

mp2ml_status shape_pack(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    n->integers = x->integers;
    if (x->rank == GRAPH_MAX_RANK || !shape_axis(&n->axis, x->rank + 1))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "no axis %lld", (long long)n->axis);
    for (unsigned k = 1; k < n->n_inputs; k++) {
        const struct graph_node *y = graph_input(b, n, k);
        if (y->integers != x->integers || y->rank != x->rank ||
            memcmp(y->dims, x->dims, x->rank * sizeof *x->dims) != 0)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
    }
    n->rank = x->rank + 1;
    for (unsigned d = 0; d < n->rank; d++)
        n->dims[d] = d < n->axis ? x->dims[d] : d == n->axis ? n->n_inputs : x->dims[d - 1];
    return MP2ML_OK;
}

mp2ml_status shape_concat(struct graph_build *b, struct graph_node *n)
{
    const unsigned last = n->n_inputs - 1;
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, last));
    const struct graph_tensor *axis = &graph_input(b, n, last)->value;
    n->axis = axis->count == 1 ? axis->i[0] : GRAPH_MAX_RANK;
    if (!shape_axis(&n->axis, x->rank))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "no such axis in shape %s",
                               shape_print(x).text);
    n->n_inputs = last;
    n->integers = x->integers;
    graph_copy_shape(n, x);
    for (unsigned k = 1; k < last; k++) {
        const struct graph_node *y = graph_input(b, n, k);
        bool fits = y->integers == x->integers && y->rank == x->rank;
        for (unsigned d = 0; fits && d < x->rank; d++)
            fits = d == n->axis || y->dims[d] == x->dims[d];
        if (!fits || n->dims[n->axis] > (int64_t)GRAPH_MAX_COUNT)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
        n->dims[n->axis] += y->dims[n->axis];
    }
    return MP2ML_OK;
}

/* Reduction: input 1 lists the axes; mask[0] is keep_dims. `list` becomes the axes, sorted. */
mp2ml_status shape_prod(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *axes = &graph_input(b, n, 1)->value;
    bool reduce[GRAPH_MAX_RANK] = {false};
    for (size_t k = 0; k < axes->count; k++) {
        int64_t axis = axes->i[k];
        if (!shape_axis(&axis, x->rank) || reduce[axis])
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "the axes do not fit shape %s",
                                   shape_print(x).text);
        reduce[axis] = true;
    }
    n->integers = x->integers;
    n->rank = 0;
    n->n_list = 0;
    for (unsigned d = 0; d < x->rank; d++) {
        if (reduce[d])
            n->list[n->n_list++] = d;
        if (!reduce[d] || n->mask[0] != 0)
            n->dims[n->rank++] = reduce[d] ? 1 : x->dims[d];
    }
    n->n_inputs = 1;
    return MP2ML_OK;
}
