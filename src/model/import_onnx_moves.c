/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX operators that move values. Their settings are computed here from the shapes, so that what
 * reaches the graph is a reshape, a transposition or a list of places. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_onnx_internal.h"

/* Shapes -------------------------------------------------------------------------------------- */

/* Replaces the one -1. Of a batch whose size is not known the first axis is the same before and
 * behind, or what is asked for is no function of one sample. */
static bool fill_open(struct onnx_shape *to, const struct onnx_shape *from)
{
    int64_t all = 1, known = 1;
    unsigned open = GRAPH_MAX_RANK;
    const unsigned first = from->rank != 0 && from->dims[0] < 0 ? 1 : 0;
    for (unsigned d = first; d < from->rank; d++)
        all *= from->dims[d]; /* below 2^31 */
    for (unsigned d = first; d < to->rank; d++) {
        if (to->dims[d] == -1 && open != GRAPH_MAX_RANK)
            return false;
        if (to->dims[d] == -1)
            open = d;
        else if (__builtin_mul_overflow(known, to->dims[d], &known))
            return false;
    }
    if (open == GRAPH_MAX_RANK)
        return true; /* what does not fit is found later */
    if (known <= 0 || all % known != 0 || (first != 0 && from->dims[0] != to->dims[0]))
        return false;
    to->dims[open] = all / known;
    return true;
}

mp2ml_status onnx_reshape_op(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape from = onnx_shape_of(c, c->in[0]);
    struct onnx_shape to = {0};
    const int64_t *list;
    size_t count;
    int64_t keep_zero = 0;
    (void)op;
    onnx_attr_int(c, "allowzero", &keep_zero);
    TRY(onnx_ints(c, 1, NULL, &list, &count));
    if (count > GRAPH_MAX_RANK)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "to %zu axes", count);
    to.rank = (unsigned)count;
    for (unsigned d = 0; d < to.rank; d++) {
        to.dims[d] = list[d] == 0 && keep_zero == 0 && d < from.rank ? from.dims[d] : list[d];
        if (to.dims[d] == 0 || (to.dims[d] < -1 && d != 0))
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "axis %u gets size %lld", d,
                             (long long)list[d]);
    }
    if (!fill_open(&to, &from))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "its open axis does not follow from shape %s",
                         shape_print(onnx_in(c, 0)).text);
    return onnx_reshape(c, &c->out[0], NULL, c->in[0], &to);
}

mp2ml_status onnx_flatten(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape from = onnx_shape_of(c, c->in[0]);
    struct onnx_shape to = {.rank = 2, .dims = {1, 1}};
    int64_t axis = 1;
    (void)op;
    onnx_attr_int(c, "axis", &axis);
    axis += axis < 0 ? (int64_t)from.rank : 0;
    if (axis < 0 || axis > (int64_t)from.rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %lld of shape %s", (long long)axis,
                         shape_print(onnx_in(c, 0)).text);
    for (unsigned d = 0; d < from.rank; d++)
        to.dims[d < axis ? 0 : 1] *= from.dims[d];
    if (to.dims[1] < 0) /* a batch whose size is not known, behind */
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "mixes samples");
    return onnx_reshape(c, &c->out[0], NULL, c->in[0], &to);
}

/* Marks `axes` of a tensor with `rank` axes. */
static mp2ml_status mark_axes(const struct onnx_call *c, bool *marked, const int64_t *axes,
                              size_t count, unsigned rank)
{
    for (size_t k = 0; k < count; k++) {
        int64_t axis = axes[k];
        if (!shape_axis(&axis, rank) || marked[axis])
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %lld of %u, or twice the same",
                             (long long)axes[k], rank);
        marked[axis] = true;
    }
    return MP2ML_OK;
}

mp2ml_status onnx_squeeze(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape from = onnx_shape_of(c, c->in[0]);
    struct onnx_shape to = {0};
    bool drop[GRAPH_MAX_RANK] = {false};
    const int64_t *axes;
    size_t count;
    (void)op;
    TRY(onnx_ints(c, 1, "axes", &axes, &count));
    TRY(mark_axes(c, drop, axes, count, from.rank));
    for (unsigned d = 0; d < from.rank; d++) {
        drop[d] = drop[d] || (count == 0 && from.dims[d] == 1);
        if (drop[d] && from.dims[d] != 1)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %u of %s cannot be removed", d,
                             shape_print(onnx_in(c, 0)).text);
        if (!drop[d])
            to.dims[to.rank++] = from.dims[d];
    }
    if (drop[0] && onnx_in(c, 0)->batched && !c->t->whole)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "removes the batch axis");
    return onnx_reshape(c, &c->out[0], NULL, c->in[0], &to);
}

mp2ml_status onnx_unsqueeze(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape from = onnx_shape_of(c, c->in[0]);
    struct onnx_shape to = {0};
    bool is_new[GRAPH_MAX_RANK] = {false};
    const int64_t *axes;
    size_t count;
    (void)op;
    TRY(onnx_ints(c, 1, "axes", &axes, &count));
    if (onnx_attr(c->def, "axes") == NULL && !onnx_has(c, 1))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no axes");
    if (count > GRAPH_MAX_RANK || from.rank + count > GRAPH_MAX_RANK)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "makes more than %d axes", GRAPH_MAX_RANK);
    to.rank = from.rank + (unsigned)count;
    TRY(mark_axes(c, is_new, axes, count, to.rank));
    if (is_new[0] && onnx_in(c, 0)->batched && !c->t->whole)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "puts an axis before the batch");
    for (unsigned d = 0, k = 0; d < to.rank; d++)
        to.dims[d] = is_new[d] ? 1 : from.dims[k++];
    return onnx_reshape(c, &c->out[0], NULL, c->in[0], &to);
}

mp2ml_status onnx_transpose_op(struct onnx_call *c, enum graph_op op)
{
    const unsigned rank = onnx_shape_of(c, c->in[0]).rank;
    int64_t order[GRAPH_MAX_RANK];
    const int64_t *list;
    size_t count;
    bool seen[GRAPH_MAX_RANK] = {false};
    (void)op;
    onnx_attr_ints(c, "perm", &list, &count);
    if (count != 0 && count != rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "orders %zu axes of shape %s", count,
                         shape_print(onnx_in(c, 0)).text);
    TRY(mark_axes(c, seen, list, count, rank));
    for (unsigned d = 0; d < rank; d++)
        order[d] = count != 0 ? list[d] : (int64_t)(rank - 1 - d);
    return onnx_transpose(c, &c->out[0], NULL, c->in[0], order);
}

mp2ml_status onnx_depth_to_space(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t block = 0;
    int a;
    (void)op;
    onnx_attr_int(c, "blocksize", &block);
    if (s.rank != 4 || block < 1 || block > 1 << 15 || s.dims[1] % (block * block) != 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "blocks of %lld do not fit shape %s", (long long)block,
                         shape_print(onnx_in(c, 0)).text);
    const int64_t depth = s.dims[1] / (block * block);
    const bool dcr = onnx_attr_is(c, "mode", "DCR", true);
    if (!dcr && !onnx_attr_is(c, "mode", "CRD", false))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "mode '%s'", onnx_attr_text(c, "mode").text);
    const struct onnx_shape cut = {
        6, {s.dims[0], dcr ? block : depth, block, dcr ? depth : block, s.dims[2], s.dims[3]}};
    static const int64_t order_dcr[] = {0, 3, 4, 1, 5, 2}, order_crd[] = {0, 1, 4, 2, 5, 3};
    const struct onnx_shape to = {4, {s.dims[0], depth, s.dims[2] * block, s.dims[3] * block}};
    TRY(onnx_reshape(c, &a, "blocks", c->in[0], &cut));
    TRY(onnx_transpose(c, &a, "apart", a, dcr ? order_dcr : order_crd));
    return onnx_reshape(c, &c->out[0], NULL, a, &to);
}

mp2ml_status onnx_space_to_depth(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t block = 0;
    int a;
    (void)op;
    onnx_attr_int(c, "blocksize", &block);
    if (s.rank != 4 || block < 1 || block > 1 << 15 || s.dims[2] % block != 0 ||
        s.dims[3] % block != 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "blocks of %lld do not fit shape %s", (long long)block,
                         shape_print(onnx_in(c, 0)).text);
    const int64_t rows = s.dims[2] / block, columns = s.dims[3] / block;
    const struct onnx_shape cut = {6, {s.dims[0], s.dims[1], rows, block, columns, block}};
    const struct onnx_shape to = {4, {s.dims[0], s.dims[1] * block * block, rows, columns}};
    static const int64_t order[] = {0, 3, 5, 1, 2, 4};
    TRY(onnx_reshape(c, &a, "blocks", c->in[0], &cut));
    TRY(onnx_transpose(c, &a, "apart", a, order));
    return onnx_reshape(c, &c->out[0], NULL, a, &to);
}

/* Places along one axis ----------------------------------------------------------------------- */

/* Data without values: size 0 along our axis `at`. */
static mp2ml_status take_nothing(struct onnx_call *c, int *a, unsigned at)
{
    const struct graph_node *n = onnx_at(c, *a);
    const int64_t none = 0;
    int64_t dims[GRAPH_MAX_RANK];
    memcpy(dims, n->dims, sizeof dims);
    dims[at] = 0;
    return onnx_gather(c, a, NULL, *a, dims, n->rank, &none);
}

/* Element k of the result is element first + k * step; nothing is done when that is all of it. */
static mp2ml_status take_range(struct onnx_call *c, int *a, int64_t axis, int64_t first,
                               int64_t step, int64_t count)
{
    const struct onnx_shape s = onnx_shape_of(c, *a);
    unsigned at;
    if (first == 0 && step == 1 && count == s.dims[axis])
        return MP2ML_OK;
    TRY(onnx_axis(c, *a, axis, &at));
    if (count == 0 && onnx_at(c, *a)->batched)
        return take_nothing(c, a, at);
    /* the list of places is paid as the constant is that it becomes */
    if (count < 0 || (uint64_t)count > c->t->build.budget / sizeof(int64_t))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "makes %lld values along an axis", (long long)count);
    int64_t *from = malloc(((size_t)count + 1) * sizeof *from);
    if (from == NULL)
        return status_fail(c->t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (int64_t k = 0; k < count; k++)
        from[k] = first + k * step;
    const mp2ml_status status = compose_take(&c->x, a, *a, at, from, (size_t)count);
    free(from);
    return status;
}

/* As numpy does: ends beyond the axis are cut to it. */
static mp2ml_status slice_axis(struct onnx_call *c, int *a, int64_t axis, int64_t start,
                               int64_t end, int64_t step)
{
    const struct onnx_shape s = onnx_shape_of(c, *a);
    if (!shape_axis(&axis, s.rank) || step == 0 || step < -INT32_MAX || step > INT64_MAX / 2)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %lld of shape %s, step %lld", (long long)axis,
                         shape_print(onnx_at(c, *a)).text, (long long)step);
    const int64_t size = s.dims[axis];
    if (size < 0) /* a batch of unknown size */
        return start == 0 && step == 1 && end >= INT32_MAX
                   ? MP2ML_OK
                   : ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "works along the batch axis");
    start += start < 0 ? size : 0;
    end += end < 0 ? size : 0;
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    start = start < 0 ? (step > 0 ? 0 : -1) : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    int64_t count = 0;
    if (step > 0 && end > start)
        count = (end - start - 1) / step + 1;
    else if (step < 0 && start > end)
        count = (start - end - 1) / -step + 1;
    return take_range(c, a, axis, start, step, count);
}

mp2ml_status onnx_slice(struct onnx_call *c, enum graph_op op)
{
    const int64_t *start, *end, *axes, *steps;
    size_t n, n_end, n_axes, n_steps;
    int a = c->in[0];
    bool cut[GRAPH_MAX_RANK] = {false};
    (void)op;
    TRY(onnx_ints(c, 1, "starts", &start, &n));
    TRY(onnx_ints(c, 2, "ends", &end, &n_end));
    TRY(onnx_ints(c, 3, "axes", &axes, &n_axes));
    TRY(onnx_ints(c, 4, NULL, &steps, &n_steps));
    if (onnx_attr(c->def, "starts") == NULL && !onnx_has(c, 1))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no starts");
    if (n != n_end || (n_axes != 0 && n_axes != n) || (n_steps != 0 && n_steps != n))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "its lists are of different lengths");
    TRY(mark_axes(c, cut, axes, n_axes, onnx_shape_of(c, a).rank));
    for (size_t k = 0; k < n; k++)
        TRY(slice_axis(c, &a, n_axes != 0 ? axes[k] : (int64_t)k, start[k], end[k],
                       n_steps != 0 ? steps[k] : 1));
    c->out[0] = a;
    return MP2ML_OK;
}

mp2ml_status onnx_split(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    const int64_t *sizes;
    size_t count;
    int64_t axis = 0, parts = c->n_out, begin = 0;
    (void)op;
    onnx_attr_int(c, "axis", &axis);
    onnx_attr_int(c, "num_outputs", &parts);
    TRY(onnx_ints(c, 1, "split", &sizes, &count));
    if (!shape_axis(&axis, s.rank) || (count != 0 && count != c->n_out) || parts != c->n_out)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "%u parts of axis %lld of shape %s", c->n_out,
                         (long long)axis, shape_print(onnx_in(c, 0)).text);
    const bool said = onnx_attr(c->def, "num_outputs") != NULL;
    if (c->t->model->opset >= 18 ? said == (count != 0) : count == 0 && s.dims[axis] % parts != 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL,
                         "does not say how axis %lld of shape %s becomes %u parts", (long long)axis,
                         shape_print(onnx_in(c, 0)).text, c->n_out);
    const int64_t all = s.dims[axis], each = (all + parts - 1) / parts; /* the last may be less */
    for (unsigned k = 0; k < c->n_out; k++) {
        int64_t size = count != 0 ? sizes[k] : all - begin < each ? all - begin : each;
        if (size < 0 || size > all - begin || (k + 1 == c->n_out && begin + size != all))
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "axis %lld of shape %s is not %u such parts",
                             (long long)axis, shape_print(onnx_in(c, 0)).text, c->n_out);
        c->out[k] = c->in[0];
        TRY(take_range(c, &c->out[k], axis, begin, 1, size));
        begin += size;
    }
    return MP2ML_OK;
}

mp2ml_status onnx_concat(struct onnx_call *c, enum graph_op op)
{
    int64_t axis = 0;
    unsigned at = 0;
    bool data = false;
    struct graph_node *n;
    if (onnx_attr(c->def, "axis") == NULL)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no axis");
    onnx_attr_int(c, "axis", &axis);
    for (unsigned k = 0; k < c->n_in; k++) /* data say what the axis is here */
        if (onnx_has(c, k) && (onnx_in(c, k)->batched || !data)) {
            TRY(onnx_axis(c, c->in[k], axis, &at));
            data = data || onnx_in(c, k)->batched;
        }
    for (unsigned k = 0; k < c->n_in; k++) {
        if (!onnx_has(c, k))
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input %u is missing", k);
        if (data && !onnx_in(c, k)->batched && c->t->whole) { /* (3,) becomes (1, 3) */
            struct onnx_shape s = onnx_shape_of(c, c->in[k]);
            if (s.rank == GRAPH_MAX_RANK)
                return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has too many axes");
            memmove(s.dims + 1, s.dims, s.rank * sizeof *s.dims);
            s.dims[0] = 1;
            TRY(expand_reshape(&c->x, &c->in[k], "part", c->in[k], s.dims, s.rank + 1));
        }
        if (data && !onnx_in(c, k)->batched)
            TRY(onnx_want_reals(c, k));
    }
    TRY(expand_node(&c->x, op, NULL, c->in, c->n_in, &n));
    n->axis = at;
    n->parts = 1; /* the axis is known */
    return expand_settle(&c->x, &c->out[0]);
}

/* Indices are constants; negative ones count from the end. */
mp2ml_status onnx_gather_op(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    int64_t axis = 0, *to;
    unsigned at;
    int indices;
    struct graph_node *n;
    onnx_attr_int(c, "axis", &axis);
    TRY(onnx_axis(c, c->in[0], axis, &at));
    axis += axis < 0 ? s.rank : 0;
    if (onnx_in(c, 1)->batched) { /* rows of a table: the shape rule looks at the rest */
        if (!onnx_in(c, 0)->batched)
            TRY(onnx_want_reals(c, 0));
        TRY(expand_node(&c->x, op, NULL, c->in, 2, &n));
        n->axis = at;
        onnx_value_out(c, 0)->integers = false;
        return expand_settle(&c->x, &c->out[0]);
    }
    TRY(onnx_want_constant(c, 1));
    const struct graph_node *given = onnx_in(c, 1);
    const struct graph_tensor list = given->value; /* stays where it is when nodes move */
    if (list.i == NULL)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "its indices are no integers");
    TRY(expand_integers(&c->x, &indices, "indices", list.dims, list.rank, &to));
    for (size_t k = 0; k < list.count; k++)
        to[k] = list.i[k] < 0 ? list.i[k] + s.dims[axis] : list.i[k];
    TRY(expand_node(&c->x, op, NULL, (const int[]){c->in[0], indices}, 2, &n));
    n->axis = at;
    return expand_settle(&c->x, &c->out[0]);
}

/* Repeats axes of 1 until the shape is `to`, which has at least as many axes as a. */
static mp2ml_status broadcast_to(struct onnx_call *c, int *a, const struct onnx_shape *to)
{
    struct onnx_shape s = onnx_shape_of(c, *a);
    if (s.rank < to->rank) {
        memmove(s.dims + (to->rank - s.rank), s.dims, s.rank * sizeof *s.dims);
        for (unsigned d = 0; d < to->rank - s.rank; d++)
            s.dims[d] = 1;
        s.rank = to->rank;
        TRY(onnx_reshape(c, a, "axes", *a, &s));
    }
    for (unsigned d = 0; d < s.rank; d++) {
        if (to->dims[d] == s.dims[d] || to->dims[d] == 1)
            continue;
        if (s.dims[d] != 1)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "shape %s does not broadcast to axis %u of %lld",
                             shape_print(onnx_at(c, *a)).text, d, (long long)to->dims[d]);
        TRY(take_range(c, a, d, 0, 0, to->dims[d]));
    }
    return MP2ML_OK;
}

mp2ml_status onnx_expand(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    struct onnx_shape to = {0};
    const int64_t *list;
    size_t count;
    (void)op;
    TRY(onnx_ints(c, 1, NULL, &list, &count));
    if (count > GRAPH_MAX_RANK)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "to %zu axes", count);
    to.rank = (unsigned)count > s.rank ? (unsigned)count : s.rank;
    for (unsigned d = 0; d < to.rank; d++) { /* from the last axis on */
        const int64_t p = d < s.rank ? s.dims[s.rank - 1 - d] : 1;
        const int64_t q = d < count ? list[count - 1 - d] : 1;
        if (q == 0 || q < -1)
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "to size %lld", (long long)q);
        to.dims[to.rank - 1 - d] = q == 1 ? p : q;
    }
    c->out[0] = c->in[0];
    return broadcast_to(c, &c->out[0], &to);
}

mp2ml_status onnx_tile(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    const unsigned hidden = onnx_in(c, 0)->rank - s.rank;
    const int64_t *list;
    int64_t *to;
    size_t count;
    int times;
    TRY(onnx_ints(c, 1, NULL, &list, &count));
    if (count != s.rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "repeats %zu axes of %u", count, s.rank);
    TRY(expand_integers(&c->x, &times, "times", (const int64_t[]){s.rank + hidden}, 1, &to));
    to[0] = 1;
    for (unsigned d = 0; d < s.rank; d++)
        to[d + hidden] = list[d];
    return expand_binary(&c->x, &c->out[0], op, NULL, c->in[0], times);
}

/* Padding ------------------------------------------------------------------------------------- */

/* pads[2*d], pads[2*d + 1] for the file's axis d. */
static mp2ml_status read_pads(const struct onnx_call *c, unsigned rank, int64_t *pads)
{
    const int64_t *list, *axes;
    size_t count, n_axes;
    bool padded[GRAPH_MAX_RANK] = {false};
    TRY(onnx_ints(c, 1, c->t->model->opset >= 2 ? "pads" : "paddings", &list, &count));
    TRY(onnx_ints(c, 3, NULL, &axes, &n_axes));
    const size_t n = n_axes != 0 ? n_axes : rank;
    if (count != 2 * n || n > rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has %zu paddings for %zu axes", count, n);
    TRY(mark_axes(c, padded, axes, n_axes, rank));
    for (size_t k = 0; k < n; k++) {
        int64_t axis = n_axes != 0 ? axes[k] : (int64_t)k;
        if (!shape_axis(&axis, rank) || list[k] > (int64_t)GRAPH_MAX_COUNT ||
            list[n + k] > (int64_t)GRAPH_MAX_COUNT || list[k] < -(int64_t)GRAPH_MAX_COUNT ||
            list[n + k] < -(int64_t)GRAPH_MAX_COUNT)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "a padding of %lld and %lld", (long long)list[k],
                             (long long)list[n + k]);
        pads[2 * axis] = list[k];
        pads[2 * axis + 1] = list[n + k];
    }
    return MP2ML_OK;
}

/* Negative paddings cut; what is left is not negative. */
static mp2ml_status cut_pads(struct onnx_call *c, int *a, int64_t *pads)
{
    const unsigned rank = onnx_shape_of(c, *a).rank;
    for (unsigned d = 0; d < rank; d++) {
        const int64_t before = pads[2 * d] < 0 ? -pads[2 * d] : 0;
        const int64_t behind = pads[2 * d + 1] < 0 ? -pads[2 * d + 1] : 0;
        if (before + behind == 0)
            continue;
        TRY(take_range(c, a, d, before, 1, onnx_shape_of(c, *a).dims[d] - before - behind));
        pads[2 * d] += before;
        pads[2 * d + 1] += behind;
    }
    return MP2ML_OK;
}

static mp2ml_status pad_constant(struct onnx_call *c, int a, const int64_t *pads, unsigned hidden)
{
    const unsigned rank = onnx_at(c, a)->rank;
    int list, fill;
    int64_t *to;
    float value = 0;
    TRY(onnx_number(c, 2, "value", &value));
    TRY(expand_integers(&c->x, &list, "pads", (const int64_t[]){rank, 2}, 2, &to));
    memcpy(to + 2 * hidden, pads, 2 * (rank - hidden) * sizeof *to);
    struct graph_node *n;
    if (!(value < 0 || value > 0)) {
        TRY(expand_node(&c->x, GRAPH_PAD, NULL, (const int[]){a, list}, 2, &n));
        return expand_settle(&c->x, &c->out[0]);
    }
    TRY(onnx_scalar(c, &fill, value));
    TRY(expand_node(&c->x, GRAPH_PAD, NULL, (const int[]){a, list, fill}, 3, &n));
    return expand_settle(&c->x, &c->out[0]);
}

mp2ml_status onnx_pad(struct onnx_call *c, enum graph_op op)
{
    static const struct {
        const char *name;
        enum compose_mirror mode;
    } modes[] = {{"reflect", COMPOSE_REFLECT}, {"edge", COMPOSE_EDGE}, {"wrap", COMPOSE_WRAP}};
    const unsigned rank = onnx_shape_of(c, c->in[0]).rank;
    const unsigned hidden = onnx_in(c, 0)->rank - rank;
    int64_t pads[2 * GRAPH_MAX_RANK + 2] = {0};
    int a = c->in[0];
    (void)op;
    TRY(read_pads(c, rank, pads));
    TRY(cut_pads(c, &a, pads));
    if (onnx_attr_is(c, "mode", "constant", true))
        return pad_constant(c, a, pads, hidden);
    memmove(pads + 2 * hidden, pads, 2 * rank * sizeof *pads);
    memset(pads, 0, 2 * hidden * sizeof *pads);
    for (size_t k = 0; k < sizeof modes / sizeof modes[0]; k++)
        if (onnx_attr_is(c, "mode", modes[k].name, false))
            return compose_mirror_pad(&c->x, &c->out[0], a, pads, modes[k].mode);
    return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "mode '%s'", onnx_attr_text(c, "mode").text);
}

/* Resize -------------------------------------------------------------------------------------- */

static mp2ml_status resize_modes(const struct onnx_call *c, enum compose_place *place,
                                 enum compose_round *round)
{
    static const struct {
        const char *name;
        enum compose_place place;
    } places[] = {{"half_pixel", COMPOSE_HALF_PIXEL},
                  {"pytorch_half_pixel", COMPOSE_HALF_PIXEL}, /* of one value: the first */
                  {"asymmetric", COMPOSE_ASYMMETRIC},
                  {"align_corners", COMPOSE_ALIGN_CORNERS}};
    static const struct {
        const char *name;
        enum compose_round round;
    } rounds[] = {{"round_prefer_floor", COMPOSE_HALF_DOWN},
                  {"round_prefer_ceil", COMPOSE_HALF_UP},
                  {"floor", COMPOSE_FLOOR},
                  {"ceil", COMPOSE_CEIL}};
    const bool old = c->t->model->opset < 11;
    bool known = false, rounded = false;
    *place = old ? COMPOSE_ASYMMETRIC : COMPOSE_HALF_PIXEL;
    *round = old ? COMPOSE_FLOOR : COMPOSE_HALF_DOWN;
    for (size_t k = 0; k < 4 && !known; k++)
        if ((known = onnx_attr_is(c, "coordinate_transformation_mode", places[k].name, false)))
            *place = places[k].place;
    for (size_t k = 0; k < 4 && !rounded; k++)
        if ((rounded = onnx_attr_is(c, "nearest_mode", rounds[k].name, false)))
            *round = rounds[k].round;
    if (!known && onnx_attr(c->def, "coordinate_transformation_mode") != NULL)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "coordinate_transformation_mode '%s'",
                         onnx_attr_text(c, "coordinate_transformation_mode").text);
    if (!rounded && onnx_attr(c->def, "nearest_mode") != NULL)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "nearest_mode '%s'",
                         onnx_attr_text(c, "nearest_mode").text);
    return MP2ML_OK;
}

struct resize { /* of one axis: one of the two */
    double scale;
    int64_t size;
};

static mp2ml_status resize_sizes(const struct onnx_call *c, struct resize *to, unsigned rank)
{
    const bool old = c->t->model->opset < 11;
    const unsigned at_scales = old ? 1 : 2;
    const int64_t *axes, *sizes;
    size_t n_axes, n_sizes, n_scales = 0;
    const float *scales = NULL;
    bool sized[GRAPH_MAX_RANK] = {false};
    onnx_attr_ints(c, "axes", &axes, &n_axes);
    TRY(onnx_ints(c, old ? 99 : 3, NULL, &sizes, &n_sizes));
    if (onnx_has(c, at_scales)) {
        TRY(onnx_want_constant(c, at_scales));
        scales = onnx_in(c, at_scales)->value.f;
        n_scales = scales != NULL ? onnx_in(c, at_scales)->value.count : 0;
        if (n_sizes != 0 && n_scales != 0)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has scales and sizes");
    } else if (n_sizes == 0 && onnx_attr(c->def, "scales") != NULL) { /* Upsample 7 */
        scales = onnx_attr(c->def, "scales")->floats;
        n_scales = onnx_attr(c->def, "scales")->n_floats;
    }
    const size_t n = n_axes != 0 ? n_axes : rank;
    if ((n_sizes != 0 ? n_sizes : n_scales) != n || n > rank)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no size for each of %zu axes", n);
    TRY(mark_axes(c, sized, axes, n_axes, rank));
    for (size_t k = 0; k < n; k++) {
        int64_t axis = n_axes != 0 ? axes[k] : (int64_t)k;
        if (!shape_axis(&axis, rank) || (n_sizes == 0 && !(scales[k] > 0 && scales[k] < 1e6F)))
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has an impossible size");
        to[axis].scale = n_sizes == 0 ? (double)scales[k] : 0;
        to[axis].size = n_sizes != 0 ? sizes[k] : 0;
    }
    return MP2ML_OK;
}

mp2ml_status onnx_resize(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape s = onnx_shape_of(c, c->in[0]);
    struct resize to[GRAPH_MAX_RANK];
    enum compose_place place;
    enum compose_round round;
    const bool linear =
        onnx_attr_is(c, "mode", "linear", false) || onnx_attr_is(c, "mode", "bilinear", false);
    int64_t antialias = 0;
    (void)op;
    for (unsigned d = 0; d < GRAPH_MAX_RANK; d++)
        to[d] = (struct resize){1, 0};
    if (strcmp(c->def->op_type, "Upsample") == 0 && c->t->model->opset >= 10)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "is no more in opset %lld: use Resize",
                         (long long)c->t->model->opset);
    onnx_attr_int(c, "antialias", &antialias);
    if ((!linear && !onnx_attr_is(c, "mode", "nearest", true)) || antialias != 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "mode '%s'%s has no private form; 'nearest' and 'linear' have",
                         onnx_attr_text(c, "mode").text, antialias != 0 ? " with antialias" : "");
    if (!onnx_attr_is(c, "keep_aspect_ratio_policy", "stretch", true))
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "keep_aspect_ratio_policy '%s'",
                         onnx_attr_text(c, "keep_aspect_ratio_policy").text);
    TRY(resize_modes(c, &place, &round));
    TRY(resize_sizes(c, to, s.rank));
    int a = c->in[0];
    for (unsigned d = 0; d < s.rank; d++) {
        const double by = to[d].scale;
        int64_t size = to[d].size;
        if (size == 0)
            size = s.dims[d] < 0 ? s.dims[d] : (int64_t)floor((double)s.dims[d] * by);
        unsigned at;
        if (size == s.dims[d] && (by <= 0 || (by >= 1 && by <= 1)))
            continue;
        TRY(onnx_axis(c, a, d, &at));
        const bool first = size == 1 && onnx_attr_is(c, "coordinate_transformation_mode",
                                                     "pytorch_half_pixel", false);
        const enum compose_place at_place = first ? COMPOSE_ASYMMETRIC : place;
        TRY(linear ? compose_resize_linear(&c->x, &a, a, at, size, by, at_place)
                   : compose_resize_nearest(&c->x, &a, a, at, size, by, at_place, round));
    }
    c->out[0] = a;
    return MP2ML_OK;
}
