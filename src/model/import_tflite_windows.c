/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of TensorFlow Lite files: they have weights in an order of their own, a bias, and an
 * activation in the same operator. Pictures are [batch][height][width][channels]. */
#include <string.h>

#include "model/import_tflite_internal.h"

enum { PADDING_SAME = 0, PADDING_VALID = 1 };

mp2ml_status tflite_activate(struct tflite_import *t, const struct tflite_op *op, int *out, int a,
                             uint8_t activation)
{
    struct graph_expand *x = &t->expand;
    *out = a;
    switch (activation) {
    case TFLITE_NONE:
        return MP2ML_OK;
    case TFLITE_RELU:
        return expand_unary(x, out, GRAPH_RELU, NULL, a);
    case TFLITE_RELU6:
        return expand_unary(x, out, GRAPH_RELU6, NULL, a);
    case TFLITE_RELU_N1_TO_1:
        return compose_clip(x, out, a, -1, 1);
    case TFLITE_TANH:
        return expand_unary(x, out, GRAPH_TANH, NULL, a);
    default:
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED, "ends with an activation of number %u",
                           (unsigned)activation);
    }
}

/* Bias (input k, if there) and activation of layer a, which was appended with layer_hint. */
static mp2ml_status finish_layer(struct tflite_import *t, const struct tflite_op *op, int *out,
                                 int a, size_t k, uint8_t activation)
{
    int bias;
    if (tflite_has_input(op, k)) {
        TRY(tflite_input(t, op, k, &bias));
        TRY(expand_binary(&t->expand, &a, GRAPH_BIAS_ADD, tflite_hint(activation), a, bias));
    }
    return tflite_activate(t, op, out, a, activation);
}

static const char *layer_hint(const struct tflite_op *op, size_t bias, uint8_t activation)
{
    return tflite_has_input(op, bias) ? "product" : tflite_hint(activation);
}

/* Padding and strides are the first fields of all windows' options: 0, 1 (width), 2 (height). */
static mp2ml_status read_window(struct tflite_import *t, const struct tflite_op *op,
                                struct graph_window *w)
{
    const uint8_t padding = flatbuffer_u8(&op->options, 0, PADDING_SAME);
    *w = (struct graph_window){.dilation = {1, 1}, .groups = 1};
    if (padding != PADDING_SAME && padding != PADDING_VALID)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "has padding of number %u", (unsigned)padding);
    w->padding = padding == PADDING_SAME ? GRAPH_SAME : GRAPH_VALID;
    w->stride[0] = flatbuffer_i32(&op->options, 2, 0);
    w->stride[1] = flatbuffer_i32(&op->options, 1, 0);
    return MP2ML_OK;
}

/* `fields`: activation, then the dilation's width and height. */
static mp2ml_status convolve(struct tflite_import *t, const struct tflite_op *op, int *out,
                             int weights, const unsigned fields[3])
{
    int data, node;
    struct graph_window w;
    struct graph_node *n;
    const uint8_t activation = flatbuffer_u8(&op->options, fields[0], TFLITE_NONE);
    TRY(read_window(t, op, &w));
    w.dilation[0] = flatbuffer_i32(&op->options, fields[2], 1);
    w.dilation[1] = flatbuffer_i32(&op->options, fields[1], 1);
    TRY(tflite_input(t, op, 0, &data));
    TRY(expand_node(&t->expand, GRAPH_CONV2D, layer_hint(op, 2, activation),
                    (const int[]){data, weights}, 2, &n));
    n->window = w;
    TRY(expand_settle(&t->expand, &node));
    return finish_layer(t, op, out, node, 2, activation);
}

/* The file's weights are [out][height][width][in]. */
mp2ml_status tflite_import_conv2d(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    static const unsigned order[4] = {1, 2, 3, 0}, fields[3] = {3, 4, 5};
    int weights;
    TRY(tflite_weights(t, op, 1, order, 4, &weights));
    return convolve(t, op, out, weights, fields);
}

/* The file's weights are [1][height][width][out], those of one input channel side by side: one group
 * a channel. */
mp2ml_status tflite_import_depthwise(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    static const unsigned order[4] = {1, 2, 0, 3}, fields[3] = {4, 5, 6};
    int weights;
    TRY(tflite_weights(t, op, 1, order, 4, &weights));
    if (tflite_node(t, weights)->dims[2] != 1)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "weights whose first axis is not 1");
    return convolve(t, op, out, weights, fields);
}

/* Unless the dimensions are kept, the data are taken as rows of `in` values, whatever their shape:
 * one row a sample, or several. */
static mp2ml_status as_rows(struct tflite_import *t, const struct tflite_op *op, int *data,
                            int64_t in)
{
    const struct graph_node *x = tflite_node(t, *data);
    const int64_t count = (int64_t)graph_sample_count(x);
    if (x->rank == (x->rows ? 3 : 2) && x->dims[x->rank - 1] == in)
        return MP2ML_OK;
    if (!x->batched || in < 1 || count % in != 0)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "shape %s is no rows of %lld values",
                           shape_print(x).text, (long long)in);
    return expand_reshape(&t->expand, data, "rows", *data, (const int64_t[]){-(count / in), in}, 2);
}

/* The file's weights are [out][in]. */
mp2ml_status tflite_import_fully_connected(struct tflite_import *t, const struct tflite_op *op,
                                           int *out)
{
    static const unsigned order[2] = {1, 0};
    int weights, data;
    const uint8_t activation = flatbuffer_u8(&op->options, 0, TFLITE_NONE);
    if (flatbuffer_u8(&op->options, 1, 0) != 0)
        return tflite_fail(t, op, MP2ML_ERR_UNSUPPORTED,
                           "has weights shuffled for one kind of processor");
    TRY(tflite_weights(t, op, 1, order, 2, &weights));
    TRY(tflite_input(t, op, 0, &data));
    if (flatbuffer_u8(&op->options, 2, 0) == 0)
        TRY(as_rows(t, op, &data, tflite_node(t, weights)->dims[0]));
    TRY(expand_binary(&t->expand, &data, GRAPH_MATMUL, layer_hint(op, 2, activation), data,
                      weights));
    return finish_layer(t, op, out, data, 2, activation);
}

mp2ml_status tflite_import_pool(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int data, node;
    struct graph_window w;
    struct graph_node *n;
    const uint8_t activation = flatbuffer_u8(&op->options, 5, TFLITE_NONE);
    TRY(read_window(t, op, &w));
    w.kernel[0] = flatbuffer_i32(&op->options, 4, 0);
    w.kernel[1] = flatbuffer_i32(&op->options, 3, 0);
    TRY(tflite_input(t, op, 0, &data));
    TRY(expand_node(&t->expand, op->row->op, tflite_hint(activation), &data, 1, &n));
    n->window = w;
    TRY(expand_settle(&t->expand, &node));
    return tflite_activate(t, op, out, node, activation);
}

/* Height and width, each at least 1. */
static mp2ml_status read_size(struct tflite_import *t, const struct tflite_op *op, size_t k,
                              size_t at, int64_t size[2])
{
    struct graph_tensor values;
    TRY(tflite_integers(t, op, k, &values));
    for (size_t axis = 0; axis < 2; axis++) {
        size[axis] = at + axis < values.count ? values.i[at + axis] : 0;
        if (size[axis] < 1 || size[axis] > (int64_t)GRAPH_MAX_COUNT)
            return tflite_fail(t, op, MP2ML_ERR_MODEL, "input %zu is no size of a picture", k);
    }
    return MP2ML_OK;
}

static mp2ml_status picture(struct tflite_import *t, const struct tflite_op *op, size_t k,
                            int *data)
{
    TRY(tflite_input(t, op, k, data));
    const struct graph_node *x = tflite_node(t, *data);
    return x->batched && x->rank == 4
               ? MP2ML_OK
               : tflite_fail(t, op, MP2ML_ERR_MODEL, "shape %s, must be pictures with 4 axes",
                             shape_print(x).text);
}

mp2ml_status tflite_import_resize(struct tflite_import *t, const struct tflite_op *op, int *out)
{
    int data;
    int64_t size[2];
    const bool linear = strcmp(op->row->name, "RESIZE_BILINEAR") == 0;
    const unsigned first = linear ? 2 : 0; /* the sizes were options once */
    const bool corners = flatbuffer_u8(&op->options, first, 0) != 0,
               half = flatbuffer_u8(&op->options, first + 1, 0) != 0;
    TRY(picture(t, op, 0, &data));
    TRY(read_size(t, op, 1, 0, size));
    if (corners && half)
        return tflite_fail(t, op, MP2ML_ERR_MODEL, "has both align_corners and half_pixel_centers");
    for (unsigned axis = 0; axis < 2; axis++) {
        const bool aligned = corners && size[axis] > 1;
        const enum compose_place place = aligned ? COMPOSE_ALIGN_CORNERS
                                         : half  ? COMPOSE_HALF_PIXEL
                                                 : COMPOSE_ASYMMETRIC;
        TRY(linear ? compose_resize_linear(&t->expand, &data, data, 1 + axis, size[axis], 0, place)
                   : compose_resize_nearest(&t->expand, &data, data, 1 + axis, size[axis], 0, place,
                                            aligned || half ? COMPOSE_HALF_UP : COMPOSE_FLOOR));
    }
    *out = data;
    return MP2ML_OK;
}

/* What a convolution of the result with the same padding would have padded is cut off. */
static bool crop_axis(struct graph_window *w, unsigned axis, int64_t in, int64_t size)
{
    const int64_t kernel = w->kernel[axis], stride = w->stride[axis];
    const bool same = w->padding == GRAPH_SAME;
    if (stride < 1 || kernel < 1 || (!same && size < kernel))
        return false;
    const int64_t steps = same ? (size + stride - 1) / stride : (size - kernel) / stride + 1;
    const int64_t beyond = (steps - 1) * stride + kernel - size;
    w->pad[2 * axis] = same && beyond > 0 ? beyond / 2 : 0;
    w->pad[2 * axis + 1] = same && beyond > 0 ? beyond - beyond / 2 : 0;
    return steps == in;
}

/* The file's weights are [out][height][width][in]. */
mp2ml_status tflite_import_transpose_conv(struct tflite_import *t, const struct tflite_op *op,
                                          int *out)
{
    static const unsigned order[4] = {1, 2, 0, 3};
    int weights, data, node;
    int64_t size[2];
    struct graph_window w;
    const uint8_t activation = flatbuffer_u8(&op->options, 3, TFLITE_NONE);
    TRY(read_window(t, op, &w));
    TRY(read_size(t, op, 0, 1, size)); /* behind the batch */
    TRY(tflite_weights(t, op, 1, order, 4, &weights));
    TRY(picture(t, op, 2, &data));
    for (unsigned axis = 0; axis < 2; axis++) {
        w.kernel[axis] = tflite_node(t, weights)->dims[axis];
        if (!crop_axis(&w, axis, tflite_node(t, data)->dims[1 + axis], size[axis]))
            return tflite_fail(
                t, op, MP2ML_ERR_MODEL, "a result of %lld x %lld does not follow from shape %s",
                (long long)size[0], (long long)size[1], shape_print(tflite_node(t, data)).text);
    }
    TRY(compose_conv_transpose(&t->expand, &node, data, weights, &w, size));
    return finish_layer(t, op, out, node, 3, activation);
}
