/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of the operators that move whole tensors. */
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

/* The first axis asked for is `times` the batch: here these are two axes. */
static bool rows_of(struct graph_node *n, int64_t times)
{
    if (n->rank == GRAPH_MAX_RANK)
        return false;
    memmove(n->dims + 2, n->dims + 1, (n->rank - 1) * sizeof *n->dims);
    n->dims[1] = times;
    n->rank++;
    n->rows = true;
    return true;
}

/* A batched reshape keeps each sample's values together: the first axis asked for is the batch (-1,
 * computed as such, or 1 in a graph made for one sample), the others hold one sample. Or the first
 * one holds several rows of each sample, as for a matrix product of all of them. */
static bool reshape_batched(struct graph_node *n, const struct graph_node *x)
{
    const size_t count = graph_sample_count(x);
    size_t behind;
    if (n->rank == 0 || n->dims[0] == 0 || n->dims[0] > 1)
        return false;
    const int64_t first = n->dims[0];
    n->dims[0] = GRAPH_BATCH;
    if (first < GRAPH_BATCH)
        return rows_of(n, -first) && fill_open_axis(n->dims + 1, n->rank - 1, count);
    if (first == GRAPH_BATCH && graph_count(&behind, n->dims + 1, n->rank - 1) && behind != 0 &&
        behind != count && count % behind == 0)
        return rows_of(n, (int64_t)(count / behind));
    return fill_open_axis(n->dims + 1, n->rank - 1, count);
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
        TRY(shape_want_number(b, n, 1, &n->axis));
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

/* The shape is the maker's to set. */
mp2ml_status shape_gather(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    const int64_t size = (int64_t)graph_sample_count(x);
    bool right = n->batched && n->value.i != NULL && n->value.count == graph_sample_count(n);
    for (size_t k = 0; right && k < n->value.count; k++)
        right = n->value.i[k] >= -1 && n->value.i[k] < size;
    n->integers = x->integers;
    return right ? MP2ML_OK : graph_node_fail(b, n, MP2ML_ERR_MODEL, "has wrong indices");
}

mp2ml_status shape_pad(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *pads = &graph_input(b, n, 1)->value;
    if (n->n_inputs == 3) {
        const struct graph_node *fill = graph_input(b, n, 2);
        if (fill->op != GRAPH_CONST || fill->value.count != 1 || fill->integers != x->integers)
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "must pad with one constant number");
        if (fill->integers ? fill->value.i[0] == 0 : fill->value.f[0] == 0)
            n->n_inputs = 2;
    }
    if (pads->rank != 2 || pads->dims[0] != x->rank || pads->dims[1] != 2)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "the paddings are not of shape (%u, 2)",
                               x->rank);
    graph_copy_shape(n, x);
    n->integers = x->integers;
    for (unsigned d = 0; d < x->rank; d++) {
        const int64_t before = pads->i[2 * d], after = pads->i[2 * d + 1];
        if (before < 0 || after < 0 || before > (int64_t)GRAPH_MAX_COUNT ||
            after > (int64_t)GRAPH_MAX_COUNT)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "a padding of %lld and %lld",
                                   (long long)before, (long long)after);
        if (n->batched && d == 0) {
            if (before != 0 || after != 0)
                return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "pads the batch axis");
            continue;
        }
        n->dims[d] += before + after;
    }
    return MP2ML_OK;
}

mp2ml_status shape_pack(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    n->integers = x->integers;
    if (x->rank == GRAPH_MAX_RANK || !shape_axis(&n->axis, x->rank + 1))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "no axis %lld", (long long)n->axis);
    if (n->batched && n->axis == 0)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "puts an axis before the batch");
    for (unsigned k = 1; k < n->n_inputs; k++) {
        const struct graph_node *y = graph_input(b, n, k);
        if (y->integers != x->integers || y->rank != x->rank || y->batched != x->batched ||
            memcmp(y->dims, x->dims, x->rank * sizeof *x->dims) != 0)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
    }
    n->rank = x->rank + 1;
    for (unsigned d = 0; d < n->rank; d++)
        n->dims[d] = d < n->axis ? x->dims[d] : d == n->axis ? n->n_inputs : x->dims[d - 1];
    return MP2ML_OK;
}

/* Same shape but for the axis that is joined; a constant's first axis of 1 goes with any batch. */
static bool fits_concat(const struct graph_node *n, const struct graph_node *y)
{
    bool fits = y->integers == n->integers && y->rank == n->rank;
    for (unsigned d = 0; fits && d < n->rank; d++)
        fits = d == n->axis || y->dims[d] == n->dims[d] ||
               (d == 0 && n->batched && !y->batched && y->dims[0] == 1);
    return fits;
}

/* Parts of size 0; data must be left. */
static mp2ml_status drop_empty_parts(struct graph_build *b, struct graph_node *n)
{
    bool data = !n->batched;
    unsigned kept = 0;
    for (unsigned k = 0; k < n->n_inputs; k++) {
        if (graph_input(b, n, k)->dims[n->axis] == 0)
            continue;
        data = data || graph_input(b, n, k)->batched;
        n->inputs[kept++] = n->inputs[k];
    }
    n->n_inputs = kept;
    return data ? MP2ML_OK
                : graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                  "joins constants and data without values alone");
}

/* The last input is the axis, unless it is known already. */
mp2ml_status shape_concat(struct graph_build *b, struct graph_node *n)
{
    if (n->parts == 0) {
        n->n_inputs--;
        if (n->n_inputs == 0)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has nothing to join");
        TRY(shape_want_number(b, n, n->n_inputs, &n->axis));
        n->parts = 1;
    }
    const struct graph_node *x = graph_input(b, n, 0);
    for (unsigned k = 1; n->batched && !x->batched && k < n->n_inputs; k++)
        x = graph_input(b, n, k); /* data say what the batch is */
    if (!shape_axis(&n->axis, x->rank))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "no such axis in shape %s",
                               shape_print(x).text);
    if (n->batched && n->axis == 0)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "joins batches");
    n->integers = x->integers;
    graph_copy_shape(n, x);
    int64_t sum = 0;
    for (unsigned k = 0; k < n->n_inputs; k++) {
        const struct graph_node *y = graph_input(b, n, k);
        if (!fits_concat(n, y) || sum > (int64_t)GRAPH_MAX_COUNT)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
        sum += y->dims[n->axis];
    }
    n->dims[n->axis] = sum;
    return sum != 0 ? drop_empty_parts(b, n) : MP2ML_OK;
}
