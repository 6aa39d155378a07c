/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of windows over pictures, and of SpaceToBatchND, with which older files say dilation.
 * That operator deals the pixels of a picture out to several smaller pictures, a convolution runs
 * over each, and BatchToSpaceND deals them back. Here the picture stays whole: its axes remember
 * into how many pieces the file has cut them, and the convolution's dilation is multiplied. */
#include <string.h>

#include "model/graph_internal.h"

static mp2ml_status want_picture(struct graph_build *b, const struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (x->rank != 4 || x->integers)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL,
                               "input '%.200s' has shape %s, must have 4 axes", x->name,
                               shape_print(x).text);
    return MP2ML_OK;
}

bool shape_in_pieces(const struct graph_node *n)
{
    for (unsigned d = 0; n->batched && d < n->rank; d++)
        if (n->block[d] > 1)
            return true;
    return false;
}

/* A stride or padding of the pieces would be none of the whole. */
static mp2ml_status between_blocks(struct graph_build *b, const struct graph_node *n,
                                   struct graph_window *w)
{
    const struct graph_node *x = graph_input(b, n, 0);
    if (!shape_in_pieces(x))
        return MP2ML_OK;
    const unsigned row = w->nchw ? 2 : 1;
    for (unsigned axis = 0; axis < 2; axis++) {
        const int64_t block = x->block[row + axis];
        const bool padded =
            w->padding == GRAPH_SAME ||
            (w->padding == GRAPH_EXPLICIT && (w->pad[2 * axis] != 0 || w->pad[2 * axis + 1] != 0));
        if (block <= 1 || (w->kernel[axis] == 1 && w->stride[axis] == 1))
            continue;
        if ((n->op != GRAPH_CONV2D && n->op != GRAPH_DEPTHWISE) || w->stride[axis] != 1 || padded ||
            __builtin_mul_overflow(w->dilation[axis], block, &w->dilation[axis]))
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "between SpaceToBatchND and BatchToSpaceND it must be a "
                                   "convolution with stride 1 and no padding");
    }
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
    TRY(between_blocks(b, n, w));
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
    TRY(want_picture(b, n));
    TRY(shape_want_weights(b, n, 1, 4));
    const struct graph_node *x = graph_input(b, n, 0), *w = graph_input(b, n, 1);
    const int64_t channels = x->dims[n->window.nchw ? 1 : 3];
    if (w->value.count == 0)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "has no weights");
    n->window.groups = channels / w->dims[2];
    if (channels % w->dims[2] != 0 || w->dims[3] % n->window.groups != 0)
        return graph_node_fail(
            b, n, MP2ML_ERR_MODEL, "input %s has %lld channels, the kernel '%.200s' takes %lld",
            shape_print(x).text, (long long)channels, w->name, (long long)w->dims[2]);
    n->window.kernel[0] = w->dims[0];
    n->window.kernel[1] = w->dims[1];
    return window_shape(b, n, w->dims[3]);
}

/* The kernel is [height][width][channels][times], output channel = channel * times + t. */
mp2ml_status shape_depthwise(struct graph_build *b, struct graph_node *n)
{
    TRY(want_picture(b, n));
    TRY(shape_want_weights(b, n, 1, 4));
    const struct graph_node *x = graph_input(b, n, 0), *w = graph_input(b, n, 1);
    if (w->value.count == 0 || w->dims[2] != x->dims[n->window.nchw ? 1 : 3])
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shapes %s and %s do not fit",
                               shape_print(x).text, shape_print(w).text);
    n->window.kernel[0] = w->dims[0];
    n->window.kernel[1] = w->dims[1];
    return window_shape(b, n, w->dims[2] * w->dims[3]); /* at most w's count */
}

/* A window that lies wholly in the padding has no maximum and no mean: that is one whose first place
 * from 0 on is not in the picture of `size`. */
static bool reaches_inside(const struct graph_window *w, unsigned axis, int64_t size, int64_t out)
{
    const int64_t pads = w->pad[2 * axis] + w->pad[2 * axis + 1], step = w->dilation[axis];
    if (step == 1)
        return w->pad[2 * axis] < w->kernel[axis] && w->pad[2 * axis + 1] < w->kernel[axis];
    for (int64_t k = 0; pads != 0 && k < out; k++) {
        const int64_t start = k * w->stride[axis] - w->pad[2 * axis];
        const int64_t skipped = start < 0 ? (-start + step - 1) / step : 0;
        if (skipped >= w->kernel[axis] || start + skipped * step >= size ||
            out > (int64_t)GRAPH_MAX_SAMPLE)
            return false;
    }
    return true;
}

mp2ml_status shape_pool(struct graph_build *b, struct graph_node *n)
{
    TRY(want_picture(b, n));
    TRY(window_shape(b, n, graph_input(b, n, 0)->dims[n->window.nchw ? 1 : 3]));
    const unsigned row = n->window.nchw ? 2 : 1;
    for (unsigned axis = 0; axis < 2; axis++)
        if (!reaches_inside(&n->window, axis, graph_input(b, n, 0)->dims[row + axis],
                            n->dims[row + axis]))
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "a window lies wholly in the padding");
    return MP2ML_OK;
}

/* Block sizes and [sizes][2] amounts of SpaceToBatchND and its inverse. */
static mp2ml_status read_blocks(struct graph_build *b, struct graph_node *n, unsigned *axes)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    TRY(shape_want_integers(b, n, 2));
    const struct graph_tensor *sizes = &graph_input(b, n, 1)->value;
    const struct graph_tensor *amounts = &graph_input(b, n, 2)->value;
    const bool fits = sizes->rank == 1 && sizes->count < x->rank && amounts->rank == 2 &&
                      amounts->dims[0] == sizes->dims[0] && amounts->dims[1] == 2;
    if (!fits || !n->batched)
        return graph_node_fail(b, n, fits ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                               "the blocks do not fit shape %s", shape_print(x).text);
    *axes = (unsigned)sizes->count;
    for (unsigned k = 0; k < *axes; k++)
        if (sizes->i[k] < 1 || sizes->i[k] > (1 << 20) || amounts->i[2 * k] < 0 ||
            amounts->i[2 * k] > (int64_t)GRAPH_MAX_COUNT || amounts->i[2 * k + 1] < 0 ||
            amounts->i[2 * k + 1] > (int64_t)GRAPH_MAX_COUNT)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "a block of %lld with %lld and %lld",
                                   (long long)sizes->i[k], (long long)amounts->i[2 * k],
                                   (long long)amounts->i[2 * k + 1]);
    return MP2ML_OK;
}

mp2ml_status shape_space_to_batch(struct graph_build *b, struct graph_node *n)
{
    unsigned axes;
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(read_blocks(b, n, &axes));
    TRY(shape_same(b, n));
    if (shape_in_pieces(x))
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "cuts what is already cut");
    for (unsigned k = 0; k < axes; k++) {
        const int64_t *pad = graph_input(b, n, 2)->value.i + 2 * k;
        n->dims[k + 1] += pad[0] + pad[1];
        n->block[k + 1] = graph_input(b, n, 1)->value.i[k];
        if (n->dims[k + 1] % n->block[k + 1] != 0)
            return graph_node_fail(b, n, MP2ML_ERR_MODEL, "%lld values are not %lld equal parts",
                                   (long long)n->dims[k + 1], (long long)n->block[k + 1]);
    }
    return MP2ML_OK;
}

/* list[d] = what is cut off in front of axis d. */
mp2ml_status shape_batch_to_space(struct graph_build *b, struct graph_node *n)
{
    unsigned axes;
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(read_blocks(b, n, &axes));
    TRY(shape_same(b, n));
    n->n_list = n->rank;
    for (unsigned d = 0; d < n->rank; d++) {
        const bool named = d >= 1 && d <= axes;
        const int64_t block = named ? graph_input(b, n, 1)->value.i[d - 1] : 1;
        const int64_t *crop = named ? graph_input(b, n, 2)->value.i + 2 * (d - 1) : NULL;
        if (block != (x->block[d] > 1 ? x->block[d] : 1))
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "is not the inverse of a SpaceToBatchND before it");
        n->list[d] = named ? crop[0] : 0;
        n->dims[d] -= named ? crop[0] + crop[1] : 0;
    }
    n->n_inputs = 1;
    return MP2ML_OK;
}

/* Works on one value, or along channels, alone. */
static bool keeps_pieces(const struct graph_build *b, const struct graph_node *n)
{
    switch (n->op) {
    case GRAPH_ADD:
    case GRAPH_SUB:
    case GRAPH_MUL:
    case GRAPH_DIV:
    case GRAPH_MAXIMUM:
    case GRAPH_MINIMUM: /* one constant a channel: it is the same in all pieces */
        for (unsigned k = 0; k < 2; k++) {
            const struct graph_node *y = graph_input(b, n, k);
            for (unsigned d = 0; !y->batched && d + 1 < y->rank; d++)
                if (y->dims[d] != 1)
                    return false;
            if (y->batched && memcmp(y->block, n->block, sizeof n->block) != 0)
                return false;
        }
        return true;
    case GRAPH_IDENTITY:
    case GRAPH_CAST:
    case GRAPH_CONV2D:
    case GRAPH_DEPTHWISE:
    case GRAPH_BIAS_ADD:
    case GRAPH_BATCH_NORM:
    case GRAPH_RELU:
    case GRAPH_SIGN:
    case GRAPH_RELU6:
    case GRAPH_LEAKY_RELU:
    case GRAPH_ABS:
    case GRAPH_NEG:
    case GRAPH_SQUARE:
        return true;
    default:
        return false;
    }
}

static bool squeezed(const struct graph_node *n, const struct graph_node *x, unsigned axis)
{
    for (unsigned k = 0; k < n->n_list; k++)
        if (n->list[k] == axis)
            return true;
    return n->n_list == 0 && x->dims[axis] == 1;
}

mp2ml_status shape_blocks(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = NULL; /* the input in pieces */
    for (unsigned k = 0; x == NULL && k < n->n_inputs; k++)
        if (shape_in_pieces(graph_input(b, n, k)))
            x = graph_input(b, n, k);
    if (x == NULL || n->op == GRAPH_BATCH_TO_SPACE)
        return MP2ML_OK;
    unsigned to = 0;
    for (unsigned d = 0; d < x->rank; d++) { /* ExpandDims and Squeeze move the axes */
        to += n->op == GRAPH_EXPAND_DIMS && d == n->axis ? 1 : 0;
        if ((n->op != GRAPH_SQUEEZE || !squeezed(n, x, d)) && to < GRAPH_MAX_RANK)
            n->block[to++] = x->block[d];
    }
    if (n->op == GRAPH_EXPAND_DIMS || n->op == GRAPH_SQUEEZE || keeps_pieces(b, n))
        return MP2ML_OK;
    return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                           "is not supported between SpaceToBatchND and BatchToSpaceND");
}

static mp2ml_status blocks_of_depth(struct graph_build *b, struct graph_node *n, int64_t *block)
{
    TRY(want_picture(b, n));
    TRY(shape_same(b, n));
    *block = n->axis;
    if (*block < 1 || *block > (1 << 15))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "attribute 'block_size' is %lld",
                               (long long)*block);
    return MP2ML_OK;
}

mp2ml_status shape_depth_to_space(struct graph_build *b, struct graph_node *n)
{
    int64_t block;
    TRY(blocks_of_depth(b, n, &block));
    const unsigned row = n->nchw ? 2 : 1, channel = n->nchw ? 1 : 3;
    if (n->dims[channel] % (block * block) != 0)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shape %s in blocks of %lld",
                               shape_print(n).text, (long long)block);
    n->dims[channel] /= block * block;
    n->dims[row] *= block;
    n->dims[row + 1] *= block;
    return MP2ML_OK;
}

mp2ml_status shape_space_to_depth(struct graph_build *b, struct graph_node *n)
{
    int64_t block;
    TRY(blocks_of_depth(b, n, &block));
    const unsigned row = n->nchw ? 2 : 1, channel = n->nchw ? 1 : 3;
    if (n->dims[row] % block != 0 || n->dims[row + 1] % block != 0)
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "shape %s in blocks of %lld",
                               shape_print(n).text, (long long)block);
    n->dims[channel] *= block * block;
    n->dims[row] /= block;
    n->dims[row + 1] /= block;
    return MP2ML_OK;
}
