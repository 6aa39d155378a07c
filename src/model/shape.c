/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of the operators that compute. Axis 0 of a batched operand is the batch, always: what
 * would move or mix it is refused. */
#include <stdio.h>
#include <string.h>

#include "model/graph_internal.h"

struct shape_text shape_print(const struct graph_node *n)
{
    struct shape_text s;
    size_t used = 0;
    s.text[used++] = '(';
    for (unsigned d = 0; d < n->rank && used + 24 < sizeof s.text; d++) {
        const char *comma = d == 0 ? "" : ", ";
        int length = n->dims[d] == GRAPH_BATCH
                         ? snprintf(s.text + used, sizeof s.text - used, "%s?", comma)
                         : snprintf(s.text + used, sizeof s.text - used, "%s%lld", comma,
                                    (long long)n->dims[d]);
        used += length > 0 ? (size_t)length : 0;
    }
    s.text[used++] = ')';
    s.text[used] = '\0';
    return s;
}

bool shape_axis(int64_t *axis, unsigned rank)
{
    if (*axis < -(int64_t)rank || *axis >= (int64_t)rank)
        return false;
    if (*axis < 0)
        *axis += rank;
    return true;
}

mp2ml_status shape_want_integers(struct graph_build *b, const struct graph_node *n, unsigned k)
{
    const struct graph_node *from = graph_input(b, n, k);
    if (from->op != GRAPH_CONST || !from->integers)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "input %u ('%.200s') must be a constant of integers", k, from->name);
    return MP2ML_OK;
}

/* The weights of a layer: constant floats of that rank. */
static mp2ml_status want_weights(struct graph_build *b, const struct graph_node *n, unsigned k,
                                 unsigned rank)
{
    const struct graph_node *from = graph_input(b, n, k);
    if (from->op != GRAPH_CONST || from->integers)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "input %u ('%.200s') must be a constant of real numbers", k,
                               from->name);
    if (from->rank != rank)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                               "input %u ('%.200s') has shape %s, must have %u axes", k, from->name,
                               shape_print(from).text, rank);
    return MP2ML_OK;
}

static mp2ml_status want_rank(struct graph_build *b, const struct graph_node *n, unsigned rank)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (x->rank != rank)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                               "input '%.200s' has shape %s, must have %u axes", x->name,
                               shape_print(x).text, rank);
    return MP2ML_OK;
}

mp2ml_status shape_source(struct graph_build *b, struct graph_node *n)
{
    if (n->op == GRAPH_CONST) {
        n->rank = n->value.rank;
        memcpy(n->dims, n->value.dims, sizeof n->dims);
        return MP2ML_OK;
    }
    if (n->rank == 0 || n->dims[0] != GRAPH_BATCH) /* the importer's work */
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has no batch axis");
    return MP2ML_OK;
}

mp2ml_status shape_same(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    graph_copy_shape(n, x);
    n->integers = x->integers;
    return MP2ML_OK;
}

mp2ml_status shape_softmax(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_same(b, n));
    if (!shape_axis(&n->axis, n->rank) || (n->batched && n->axis == 0))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "axis %lld of shape %s",
                               (long long)n->axis, shape_print(n).text);
    return MP2ML_OK;
}

mp2ml_status shape_argmax(struct graph_build *b, struct graph_node *n)
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
    if (!shape_axis(&n->axis, x->rank) || (n->batched && n->axis == 0))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "axis %lld of shape %s",
                               (long long)n->axis, shape_print(x).text);
    n->integers = true;
    n->rank = 0;
    for (unsigned d = 0; d < x->rank; d++)
        if (d != n->axis)
            n->dims[n->rank++] = x->dims[d];
    return MP2ML_OK;
}

/* One axis of a window: sets the real padding, gives the output's size. All values are at most
 * GRAPH_MAX_COUNT = 2^31 (checked here or by the caller), so that nothing overflows 64 bits. */
static bool window_axis(int64_t *out, struct graph_window *w, unsigned axis, int64_t in)
{
    const int64_t limit = (int64_t)GRAPH_MAX_COUNT;
    const int64_t kernel = w->kernel[axis], stride = w->stride[axis];
    const int64_t dilation = w->dilation[axis];
    int64_t *pad = &w->pad[2 * axis];
    if (kernel < 1 || stride < 1 || dilation < 1 || kernel > limit || stride > limit ||
        dilation > limit || in < 1)
        return false;
    const int64_t extent = (kernel - 1) * dilation + 1; /* <= 2^62 */
    if (w->padding == GRAPH_SAME) {
        *out = (in + stride - 1) / stride;
        int64_t total = (*out - 1) * stride + extent - in;
        total = total < 0 ? 0 : total;
        pad[0] = total / 2; /* the odd one goes behind */
        pad[1] = total - total / 2;
    } else if (w->padding == GRAPH_VALID) {
        pad[0] = pad[1] = 0;
    }
    if (pad[0] < 0 || pad[1] < 0 || pad[0] > limit || pad[1] > limit)
        return false;
    if (in + pad[0] + pad[1] < extent)
        return false;
    *out = (in + pad[0] + pad[1] - extent) / stride + 1;
    return true;
}

static mp2ml_status window_shape(struct graph_build *b, struct graph_node *n, int64_t channels)
{
    const struct graph_node *x = graph_input(b, n, 0);
    struct graph_window *w = &n->window;
    const unsigned row = w->nchw ? 2 : 1;
    n->rank = 4;
    n->dims[0] = x->dims[0];
    n->dims[w->nchw ? 1 : 3] = channels;
    for (unsigned axis = 0; axis < 2; axis++)
        if (!window_axis(&n->dims[row + axis], w, axis, x->dims[row + axis]))
            return graph_node_fail(
                b, n, MP2ML_ERR_MODEL, "a window of %lld x %lld does not fit its input %s",
                (long long)w->kernel[0], (long long)w->kernel[1], shape_print(x).text);
    return MP2ML_OK;
}

mp2ml_status shape_conv2d(struct graph_build *b, struct graph_node *n)
{
    TRY(want_rank(b, n, 4));
    TRY(want_weights(b, n, 1, 4));
    const struct graph_node *x = graph_input(b, n, 0), *w = graph_input(b, n, 1);
    const int64_t channels = x->dims[n->window.nchw ? 1 : 3];
    if (w->value.count == 0)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has no weights");
    if (w->dims[2] != channels)
        return graph_node_fail(
            b, n, channels % w->dims[2] == 0 ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
            "input %s has %lld channels, the kernel '%.200s' takes %lld%s", shape_print(x).text,
            (long long)channels, w->name, (long long)w->dims[2],
            channels % w->dims[2] == 0 ? " (groups are not supported)" : "");
    n->window.kernel[0] = w->dims[0];
    n->window.kernel[1] = w->dims[1];
    return window_shape(b, n, w->dims[3]);
}

mp2ml_status shape_pool(struct graph_build *b, struct graph_node *n)
{
    TRY(want_rank(b, n, 4));
    TRY(window_shape(b, n, graph_input(b, n, 0)->dims[n->window.nchw ? 1 : 3]));
    /* A window that lies wholly in the padding has no maximum and no mean. */
    for (unsigned axis = 0; axis < 2; axis++)
        if (n->window.pad[2 * axis] >= n->window.kernel[axis] ||
            n->window.pad[2 * axis + 1] >= n->window.kernel[axis])
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "the padding is wider than the window");
    return MP2ML_OK;
}

mp2ml_status shape_matmul(struct graph_build *b, struct graph_node *n)
{
    TRY(want_rank(b, n, 2));
    TRY(want_weights(b, n, 1, 2));
    const struct graph_node *x = graph_input(b, n, 0), *w = graph_input(b, n, 1);
    if (n->transpose_a)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "transpose_a would put the batch on the second axis");
    const int64_t rows = w->dims[n->transpose_b ? 1 : 0];
    if (x->dims[1] != rows)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                               shape_print(x).text, shape_print(w).text);
    n->rank = 2;
    n->dims[0] = x->dims[0];
    n->dims[1] = w->dims[n->transpose_b ? 0 : 1];
    return MP2ML_OK;
}

mp2ml_status shape_bias_add(struct graph_build *b, struct graph_node *n)
{
    TRY(want_weights(b, n, 1, 1));
    const struct graph_node *x = graph_input(b, n, 0), *bias = graph_input(b, n, 1);
    if (x->rank < 2 || (n->nchw && x->rank < 3))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "input has shape %s, with no channels",
                               shape_print(x).text);
    if (x->integers || x->dims[n->nchw ? 1 : x->rank - 1] != bias->dims[0])
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                               shape_print(x).text, shape_print(bias).text);
    graph_copy_shape(n, x);
    return MP2ML_OK;
}

/* The batch axis must stay alone on axis 0: two batched operands have the same rank; a constant has
 * fewer axes, or 1 in that place. */
static bool batch_fits(const struct graph_node *x, const struct graph_node *y)
{
    if (x->batched && y->batched)
        return x->rank == y->rank;
    const struct graph_node *data = x->batched ? x : y, *constant = x->batched ? y : x;
    if (!data->batched)
        return true;
    return constant->rank < data->rank || (constant->rank == data->rank && constant->dims[0] == 1);
}

mp2ml_status shape_binary(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0), *y = graph_input(b, n, 1);
    if (x->integers != y->integers)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "joins integers and real numbers");
    if (!batch_fits(x, y))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "shapes %s and %s would not keep the batch on the first axis",
                               shape_print(x).text, shape_print(y).text);
    n->integers = x->integers;
    n->rank = x->rank > y->rank ? x->rank : y->rank;
    for (unsigned d = 0; d < n->rank; d++) { /* from the last axis on */
        const int64_t p = d < x->rank ? x->dims[x->rank - 1 - d] : 1;
        const int64_t q = d < y->rank ? y->dims[y->rank - 1 - d] : 1;
        if (p != q && p != 1 && q != 1)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                                   shape_print(x).text, shape_print(y).text);
        n->dims[n->rank - 1 - d] = p == 1 ? q : p;
    }
    return MP2ML_OK;
}

mp2ml_status shape_pad(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *pads = &graph_input(b, n, 1)->value;
    if (n->n_inputs == 3) {
        const struct graph_node *fill = graph_input(b, n, 2);
        if (fill->op != GRAPH_CONST || fill->value.count != 1 ||
            (fill->integers ? fill->value.i[0] != 0 : fill->value.f[0] != 0))
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "only padding with 0 is supported");
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
