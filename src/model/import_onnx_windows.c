/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX operators that slide windows over pictures. Data have shape (N, C, axes...) with one to
 * three axes to slide along; the graph's windows have two. One axis is a picture of height 1; with
 * three, a convolution sees the depths of its window as channels, and a pool goes along the depth
 * by itself. Where whole tensors are samples, N is part of the channels. */
#include <stdlib.h>
#include <string.h>

#include "model/import_onnx_internal.h"

#define MOST_AXES 3

struct slide { /* settings for each axis, the depth first */
    unsigned axes;
    int64_t in[MOST_AXES], kernel[MOST_AXES], stride[MOST_AXES], dilation[MOST_AXES];
    int64_t before[MOST_AXES], behind[MOST_AXES];
    int64_t channels, times; /* pictures that a sample has; 1 where N is the batch */
};

static mp2ml_status read_list(const struct onnx_call *c, const char *key, int64_t *to,
                              unsigned count, int64_t otherwise, int64_t least)
{
    const int64_t *list;
    size_t n;
    onnx_attr_ints(c, key, &list, &n);
    if (n != 0 && n != count)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "attribute '%s' has %zu values for %u axes", key, n,
                         count);
    for (unsigned d = 0; d < count; d++) {
        to[d] = n != 0 ? list[d] : otherwise;
        if (to[d] < least || to[d] > INT32_MAX)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "attribute '%s' has %lld", key, (long long)to[d]);
    }
    return MP2ML_OK;
}

/* Shape of the data, and what attributes say but for the kernel. */
static mp2ml_status read_slide(const struct onnx_call *c, int data, struct slide *s)
{
    const struct onnx_shape x = onnx_shape_of(c, data);
    if (x.rank < 3 || x.rank > 2 + MOST_AXES)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "data of shape %s; windows slide along 1 to %d axes behind (N, C)",
                         shape_print(onnx_at(c, data)).text, MOST_AXES);
    s->axes = x.rank - 2;
    s->channels = x.dims[1];
    s->times = c->t->whole ? x.dims[0] : 1;
    memcpy(s->in, x.dims + 2, s->axes * sizeof *s->in);
    int64_t pads[2 * MOST_AXES], sum = 0;
    TRY(read_list(c, "strides", s->stride, s->axes, 1, 1));
    TRY(read_list(c, "dilations", s->dilation, s->axes, 1, 1));
    TRY(read_list(c, "pads", pads, 2 * s->axes, 0, 0));
    for (unsigned k = 0; k < 2 * s->axes; k++)
        sum += pads[k];
    if (sum != 0 && !onnx_attr_is(c, "auto_pad", "NOTSET", true))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has pads beside auto_pad '%s'",
                         onnx_attr_text(c, "auto_pad").text);
    memcpy(s->before, pads, s->axes * sizeof *pads);
    memcpy(s->behind, pads + s->axes, s->axes * sizeof *pads);
    return MP2ML_OK;
}

static int64_t extent(const struct slide *s, unsigned d)
{
    return (s->kernel[d] - 1) * s->dilation[d] + 1;
}

/* auto_pad, and the windows that ceil_mode adds at the end. */
static mp2ml_status settle_pads(const struct onnx_call *c, struct slide *s, bool ceil)
{
    const bool upper = onnx_attr_is(c, "auto_pad", "SAME_UPPER", false);
    const bool lower = onnx_attr_is(c, "auto_pad", "SAME_LOWER", false);
    if (!upper && !lower && !onnx_attr_is(c, "auto_pad", "NOTSET", true) &&
        !onnx_attr_is(c, "auto_pad", "VALID", false))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "auto_pad '%s'", onnx_attr_text(c, "auto_pad").text);
    for (unsigned d = 0; d < s->axes; d++) {
        if (upper || lower) {
            const int64_t out = (s->in[d] + s->stride[d] - 1) / s->stride[d];
            int64_t pad = (out - 1) * s->stride[d] + extent(s, d) - s->in[d];
            pad = pad < 0 ? 0 : pad;
            s->before[d] = lower ? (pad + 1) / 2 : pad / 2;
            s->behind[d] = pad - s->before[d];
        } else if (onnx_attr_is(c, "auto_pad", "VALID", false))
            s->before[d] = s->behind[d] = 0;
        const int64_t room = s->in[d] + s->before[d] + s->behind[d] - extent(s, d);
        if (room < 0)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "a window of %lld does not fit an axis of %lld",
                             (long long)s->kernel[d], (long long)s->in[d]);
        int64_t more = (s->stride[d] - room % s->stride[d]) % s->stride[d];
        /* the last window begins inside, not in the padding behind */
        if (ceil && more != 0 &&
            room - room % s->stride[d] + s->stride[d] < s->in[d] + s->before[d])
            s->behind[d] += more;
    }
    return MP2ML_OK;
}

static int64_t out_size(const struct slide *s, unsigned d)
{
    return (s->in[d] + s->before[d] + s->behind[d] - extent(s, d)) / s->stride[d] + 1;
}

/* The window of two axes from `first` on; one axis alone gets a height of 1. */
static struct graph_window window_of(const struct slide *s, unsigned first, unsigned axes)
{
    struct graph_window w = {.nchw = true,
                             .padding = GRAPH_EXPLICIT,
                             .kernel = {1, 1},
                             .stride = {1, 1},
                             .dilation = {1, 1}};
    for (unsigned k = 0; k < axes; k++) {
        const unsigned to = 2 - axes + k, from = first + k;
        w.kernel[to] = s->kernel[from];
        w.stride[to] = s->stride[from];
        w.dilation[to] = s->dilation[from];
        w.pad[2 * to] = s->before[from];
        w.pad[2 * to + 1] = s->behind[from];
    }
    return w;
}

/* Data as pictures (batch, channels, height, width), nothing done where they are. */
static mp2ml_status as_pictures(struct onnx_call *c, int *out, int a, int64_t channels,
                                int64_t height, int64_t width)
{
    const struct graph_node *n = onnx_at(c, a);
    const int64_t dims[4] = {GRAPH_BATCH, channels, height, width};
    if (n->rank == 4 && memcmp(n->dims, dims, sizeof dims) == 0) {
        *out = a;
        return MP2ML_OK;
    }
    return expand_reshape(&c->x, out, "pictures", a, dims, 4);
}

/* (N, channels, sizes...) from pictures. */
static mp2ml_status from_pictures(struct onnx_call *c, int *out, int a, const struct slide *s,
                                  int64_t channels, const int64_t *sizes)
{
    struct onnx_shape to = {.rank = 2 + s->axes,
                            .dims = {c->t->whole ? s->times : c->t->batch, channels}};
    memcpy(to.dims + 2, sizes, s->axes * sizeof *sizes);
    if (s->axes == 2 && !c->t->whole) {
        *out = a;
        return MP2ML_OK;
    }
    return onnx_reshape(c, out, NULL, a, &to);
}

/* Convolution --------------------------------------------------------------------------------- */

/* [h][w][I][O * times] of [O][I][d][h][w] for depth taps d as channels: [h][w][d * I][O * times].
 */
static void order_kernel(float *to, const float *from, const struct slide *s, int64_t o, int64_t i,
                         int64_t times)
{
    const unsigned k = s->axes;
    const int64_t depth = k == 3 ? s->kernel[0] : 1, height = k >= 2 ? s->kernel[k - 2] : 1;
    const int64_t width = s->kernel[k - 1], area = height * width;
    for (int64_t p = 0; p < area; p++)
        for (int64_t d = 0; d < depth; d++)
            for (int64_t ch = 0; ch < i; ch++)
                for (int64_t t = 0; t < times; t++)
                    for (int64_t f = 0; f < o; f++)
                        to[(((p * depth + d) * i + ch) * times + t) * o + f] =
                            from[((f * i + ch) * depth + d) * area + p];
}

/* `take`: nobody else needs the weights, and their memory may go at once. */
static mp2ml_status kernel_of(struct onnx_call *c, int *out, int weights, const struct slide *s,
                              int64_t times, bool take)
{
    const struct graph_node *w = onnx_at(c, weights);
    const unsigned k = s->axes;
    const int64_t o = w->dims[0], i = w->dims[1], depth = k == 3 ? s->kernel[0] : 1;
    const int64_t dims[4] = {k >= 2 ? s->kernel[k - 2] : 1, s->kernel[k - 1], depth * i, o * times};
    float *to;
    TRY(expand_floats(&c->x, out, "kernel", dims, 4, &to));
    struct graph_node *from = onnx_at(c, weights);
    order_kernel(to, from->value.f, s, o, i, times);
    if (take)
        onnx_release(c, weights);
    return MP2ML_OK;
}

/* Every window along the depth as channels: (batch, D' * groups * depth * I, H, W). */
static mp2ml_status unfold_depth(struct onnx_call *c, int *out, int a, const struct slide *s,
                                 int64_t groups)
{
    const int64_t count = out_size(s, 0), taps = s->kernel[0], area = s->in[1] * s->in[2];
    const int64_t each = s->channels / groups;
    const int64_t parts[6] = {s->times, count, taps, s->channels, s->in[1], s->in[2]};
    size_t values;
    if (!graph_count(&values, parts, 6) || values > GRAPH_MAX_SAMPLE)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has too many windows");
    const int64_t dims[4] = {GRAPH_BATCH, (int64_t)values / area, s->in[1], s->in[2]};
    int64_t *list = malloc(values * sizeof *list), *at = list;
    if (list == NULL)
        return status_fail(c->t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (int64_t n = 0; n < s->times; n++)
        for (int64_t d = 0; d < count; d++)
            for (int64_t g = 0; g < groups; g++)
                for (int64_t tap = 0; tap < taps; tap++)
                    for (int64_t ch = 0; ch < each; ch++) {
                        const int64_t z = d * s->stride[0] + tap * s->dilation[0] - s->before[0];
                        const int64_t channel = n * s->channels + g * each + ch;
                        for (int64_t p = 0; p < area; p++)
                            *at++ =
                                z < 0 || z >= s->in[0] ? -1 : (channel * s->in[0] + z) * area + p;
                    }
    const mp2ml_status status = onnx_gather(c, out, "depths", a, dims, 4, list);
    free(list);
    return status;
}

/* (N, O, D', H', W') from (batch, N * D' * O, H', W'). */
static mp2ml_status fold_depth(struct onnx_call *c, int *out, int a, const struct slide *s,
                               int64_t o)
{
    const int64_t count = out_size(s, 0), area = out_size(s, 1) * out_size(s, 2);
    static const int64_t swap[5] = {0, 1, 3, 2, 4};
    TRY(expand_reshape(&c->x, &a, "apart", a,
                       (const int64_t[]){GRAPH_BATCH, s->times, count, o, area}, 5));
    TRY(expand_transpose(&c->x, &a, "channels", a, swap, 5));
    const int64_t sizes[3] = {count, out_size(s, 1), out_size(s, 2)};
    return from_pictures(c, out, a, s, o, sizes);
}

static mp2ml_status convolve(struct onnx_call *c, int *out, int data, int weights,
                             const struct slide *s, int64_t groups, bool take)
{
    const unsigned k = s->axes;
    const int64_t o = onnx_at(c, weights)->dims[0];
    const int64_t times = s->times * (k == 3 ? out_size(s, 0) : 1);
    int picture, kernel;
    struct graph_node *n;
    TRY(kernel_of(c, &kernel, weights, s, times, take));
    if (k == 3)
        TRY(unfold_depth(c, &picture, data, s, groups));
    else
        TRY(as_pictures(c, &picture, data, s->times * s->channels, k == 2 ? s->in[0] : 1,
                        s->in[k - 1]));
    TRY(expand_node(&c->x, GRAPH_CONV2D, NULL, (const int[]){picture, kernel}, 2, &n));
    n->window = window_of(s, k == 3 ? 1 : 0, k == 1 ? 1 : 2);
    TRY(expand_settle(&c->x, out));
    if (k == 3)
        return fold_depth(c, out, *out, s, o);
    const int64_t sizes[3] = {out_size(s, 0), k == 2 ? out_size(s, 1) : 1, 1};
    return from_pictures(c, out, *out, s, o, sizes);
}

/* One value a channel, for data (N, C, axes...). */
static mp2ml_status add_bias(struct onnx_call *c, int *out, int a, int bias, int64_t channels)
{
    const unsigned rank = onnx_shape_of(c, a).rank;
    int64_t dims[GRAPH_MAX_RANK] = {channels, 1, 1, 1, 1, 1, 1, 1};
    if (onnx_at(c, bias)->value.count != (size_t)channels)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has a bias of shape %s for %lld channels",
                         shape_print(onnx_at(c, bias)).text, (long long)channels);
    TRY(expand_reshape(&c->x, &bias, "bias", bias, dims, rank - 1));
    return expand_binary(&c->x, out, GRAPH_ADD, NULL, a, bias);
}

static mp2ml_status read_kernel(const struct onnx_call *c, int weights, struct slide *s)
{
    const struct graph_node *w = onnx_at(c, weights);
    if (w->op != GRAPH_CONST || w->integers)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         "its weights ('%.200s') must be a constant of real numbers", w->name);
    if (w->rank != 2 + s->axes || w->value.count == 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has weights of shape %s", shape_print(w).text);
    TRY(read_list(c, "kernel_shape", s->kernel, s->axes, 0, 0));
    for (unsigned d = 0; d < s->axes; d++) {
        if (s->kernel[d] != 0 && s->kernel[d] != w->dims[2 + d])
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has weights of shape %s, another kernel_shape",
                             shape_print(w).text);
        s->kernel[d] = w->dims[2 + d];
    }
    return MP2ML_OK;
}

mp2ml_status onnx_conv_of(struct onnx_call *c, int *out, int data, int weights, int bias, bool take)
{
    struct slide s;
    int64_t groups = 1;
    TRY(read_slide(c, data, &s));
    TRY(read_kernel(c, weights, &s));
    TRY(settle_pads(c, &s, false));
    onnx_attr_int(c, "group", &groups);
    const struct graph_node *w = onnx_at(c, weights);
    const int64_t o = w->dims[0];
    if (groups < 1 || groups > s.channels || w->dims[1] * groups != s.channels || o % groups != 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL,
                         "data of %lld channels, weights of shape %s and %lld groups do not fit",
                         (long long)s.channels, shape_print(w).text, (long long)groups);
    TRY(convolve(c, out, data, weights, &s, groups, take));
    return bias != ONNX_ABSENT ? add_bias(c, out, *out, bias, o) : MP2ML_OK;
}

mp2ml_status onnx_conv(struct onnx_call *c, enum graph_op op)
{
    (void)op;
    if (!onnx_in(c, 0)->batched)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "does not depend on an input");
    const bool take = onnx_only_reader(c, 1);
    TRY(onnx_want_reals(c, 1));
    if (onnx_has(c, 2))
        TRY(onnx_want_reals(c, 2));
    return onnx_conv_of(c, &c->out[0], c->in[0], c->in[1], onnx_has(c, 2) ? c->in[2] : ONNX_ABSENT,
                        take);
}

/* [I][O / groups][h][w] to [h][w][O / groups][I * times]. */
static mp2ml_status transposed_kernel(struct onnx_call *c, int *out, int weights,
                                      const struct slide *s)
{
    const struct graph_node *w = onnx_at(c, weights);
    const unsigned k = s->axes;
    const int64_t i = w->dims[0], o = w->dims[1], height = k == 2 ? s->kernel[0] : 1;
    const int64_t width = s->kernel[k - 1], all = i * s->times;
    const float *from = w->value.f; /* stays where it is when nodes move */
    float *to;
    TRY(expand_floats(&c->x, out, "kernel", (const int64_t[]){height, width, o, all}, 4, &to));
    for (int64_t p = 0; p < height * width; p++)
        for (int64_t f = 0; f < o; f++)
            for (int64_t ch = 0; ch < all; ch++)
                to[(p * o + f) * all + ch] = from[((ch % i) * o + f) * height * width + p];
    return MP2ML_OK;
}

/* Padding by auto_pad and output_shape: *size is the output's, before[] and behind[] what is cut
 * off the whole result. */
static mp2ml_status transposed_sizes(const struct onnx_call *c, struct slide *s, int64_t *size)
{
    const int64_t *shape;
    int64_t more[MOST_AXES];
    size_t n;
    const bool upper = onnx_attr_is(c, "auto_pad", "SAME_UPPER", false);
    const bool lower = onnx_attr_is(c, "auto_pad", "SAME_LOWER", false);
    if (!upper && !lower && !onnx_attr_is(c, "auto_pad", "NOTSET", true) &&
        !onnx_attr_is(c, "auto_pad", "VALID", false))
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "auto_pad '%s'", onnx_attr_text(c, "auto_pad").text);
    TRY(read_list(c, "output_padding", more, s->axes, 0, 0));
    onnx_attr_ints(c, "output_shape", &shape, &n);
    if (n != 0 && n != s->axes && n != s->axes + 2)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has an output_shape of %zu values", n);
    for (unsigned d = 0; d < s->axes; d++) {
        const int64_t all = (s->in[d] - 1) * s->stride[d] + extent(s, d) + more[d];
        const bool plain = n == 0 && !upper && !lower;
        size[d] = plain    ? all - s->before[d] - s->behind[d]
                  : n != 0 ? shape[n - s->axes + d]
                           : s->in[d] * s->stride[d];
        if (size[d] < 1 || size[d] > (int64_t)GRAPH_MAX_COUNT)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "its output has size %lld", (long long)size[d]);
        if (plain)
            continue;
        const int64_t pad = all - size[d]; /* negative: zeros behind */
        if (pad < 0 && n == 0)
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "auto_pad with a kernel smaller than its stride, of which runtimes "
                             "make outputs of different sizes: give pads and output_padding");
        s->before[d] = pad <= 0 ? 0 : upper ? pad / 2 : pad - pad / 2;
    }
    return MP2ML_OK;
}

/* With three axes: zeros put between the values, and a convolution with the kernel turned round.
 * Place e of the enlarged axis is value (e - (kernel - 1) * dilation + before) / stride. */
static mp2ml_status enlarge(struct onnx_call *c, int *out, int a, struct slide *s,
                            const int64_t *size)
{
    const int64_t channels = s->times * s->channels;
    int64_t dims[5] = {GRAPH_BATCH, channels}, shift[3];
    size_t values;
    for (unsigned d = 0; d < 3; d++) {
        dims[2 + d] = size[d] + extent(s, d) - 1;
        shift[d] = s->before[d] - (extent(s, d) - 1);
    }
    if (!graph_count(&values, dims + 1, 4) || values > GRAPH_MAX_SAMPLE)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "has too many values");
    int64_t *list = malloc(values * sizeof *list), *at = list;
    if (list == NULL)
        return status_fail(c->t->build.err, MP2ML_ERR_MEMORY, "out of memory");
    for (int64_t k = 0; k < (int64_t)values; k++) {
        int64_t rest = k, place[3], from = 0;
        bool there = true;
        for (unsigned d = 3; d-- > 0; rest /= dims[2 + d])
            place[d] = rest % dims[2 + d] + shift[d];
        from = rest; /* the channel */
        for (unsigned d = 0; d < 3; d++) {
            there = there && place[d] >= 0 && place[d] % s->stride[d] == 0 &&
                    place[d] / s->stride[d] < s->in[d];
            from = from * s->in[d] + place[d] / s->stride[d];
        }
        *at++ = there ? from : -1;
    }
    const mp2ml_status status = onnx_gather(c, out, "enlarged", a, dims, 5, list);
    free(list);
    for (unsigned d = 0; d < 3; d++) {
        s->in[d] = dims[2 + d];
        s->stride[d] = 1;
        s->before[d] = s->behind[d] = 0;
    }
    return status;
}

/* [O][I / groups][taps turned round] of [I][O / groups][taps]. */
static mp2ml_status turned_kernel(struct onnx_call *c, int *out, int weights, const struct slide *s,
                                  int64_t groups)
{
    const struct graph_node *w = onnx_at(c, weights);
    const int64_t i = w->dims[0] / groups, o = w->dims[1];
    const int64_t taps = s->kernel[0] * s->kernel[1] * s->kernel[2];
    const float *from = w->value.f; /* stays where it is when nodes move */
    float *to;
    TRY(expand_floats(&c->x, out, "turned",
                      (const int64_t[]){groups * o, i, s->kernel[0], s->kernel[1], s->kernel[2]}, 5,
                      &to));
    for (int64_t g = 0; g < groups; g++)
        for (int64_t f = 0; f < o; f++)
            for (int64_t ch = 0; ch < i; ch++)
                for (int64_t t = 0; t < taps; t++)
                    to[((g * o + f) * i + ch) * taps + t] =
                        from[((g * i + ch) * o + f) * taps + taps - 1 - t];
    return MP2ML_OK;
}

static mp2ml_status transpose_volume(struct onnx_call *c, struct slide *s, int64_t groups,
                                     const int64_t *size)
{
    int volume, kernel;
    TRY(turned_kernel(c, &kernel, c->in[1], s, groups));
    TRY(enlarge(c, &volume, c->in[0], s, size));
    return convolve(c, &c->out[0], volume, kernel, s, groups, false);
}

static mp2ml_status transpose_picture(struct onnx_call *c, const struct slide *s, int64_t groups,
                                      const int64_t *size, int64_t channels)
{
    const int64_t two[2] = {s->axes == 2 ? size[0] : 1, size[s->axes - 1]};
    int picture, kernel;
    TRY(transposed_kernel(c, &kernel, c->in[1], s));
    TRY(as_pictures(c, &picture, c->in[0], s->times * s->channels, s->axes == 2 ? s->in[0] : 1,
                    s->in[s->axes - 1]));
    struct graph_window window = window_of(s, 0, s->axes);
    window.groups = groups * s->times;
    TRY(compose_conv_transpose(&c->x, &c->out[0], picture, kernel, &window, two));
    return from_pictures(c, &c->out[0], c->out[0], s, channels, size);
}

mp2ml_status onnx_conv_transpose(struct onnx_call *c, enum graph_op op)
{
    struct slide s;
    int64_t groups = 1, size[MOST_AXES];
    (void)op;
    if (!onnx_in(c, 0)->batched)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED, "does not depend on an input");
    TRY(onnx_want_reals(c, 1));
    TRY(read_slide(c, c->in[0], &s));
    TRY(read_kernel(c, c->in[1], &s));
    onnx_attr_int(c, "group", &groups);
    const struct graph_node *w = onnx_in(c, 1);
    if (groups < 1 || w->dims[0] != s.channels || s.channels % groups != 0)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL,
                         "data of %lld channels, weights of shape %s and %lld groups do not fit",
                         (long long)s.channels, shape_print(w).text, (long long)groups);
    const int64_t o = w->dims[1] * groups;
    TRY(transposed_sizes(c, &s, size));
    if (s.axes == 3)
        TRY(transpose_volume(c, &s, groups, size));
    else
        TRY(transpose_picture(c, &s, groups, size, o));
    if (!onnx_has(c, 2))
        return MP2ML_OK;
    TRY(onnx_want_reals(c, 2));
    return add_bias(c, &c->out[0], c->out[0], c->in[2], o);
}

/* Pools --------------------------------------------------------------------------------------- */

static mp2ml_status pool(struct onnx_call *c, int *out, enum graph_op op, int a,
                         const struct graph_window *window)
{
    struct graph_node *n;
    TRY(expand_node(&c->x, op, NULL, &a, 1, &n));
    n->window = *window;
    return expand_settle(&c->x, out);
}

/* Zeros around, which an average counts, and nothing left to pad. */
static mp2ml_status pad_zeros(struct onnx_call *c, int *a, struct slide *s, const int64_t *ceil)
{
    const unsigned rank = onnx_at(c, *a)->rank, first = rank - s->axes;
    int list;
    int64_t *to;
    TRY(expand_integers(&c->x, &list, "pads", (const int64_t[]){rank, 2}, 2, &to));
    for (unsigned d = 0; d < s->axes; d++) {
        to[2 * (first + d)] = s->before[d];
        to[2 * (first + d) + 1] = s->behind[d] - ceil[d];
        s->in[d] += s->before[d] + s->behind[d] - ceil[d];
        s->before[d] = 0;
        s->behind[d] = ceil[d];
    }
    return expand_binary(&c->x, a, GRAPH_PAD, "padded", *a, list);
}

mp2ml_status onnx_pool(struct onnx_call *c, enum graph_op op)
{
    struct slide s, plain;
    int64_t ceil = 0, count_pads = 0, column_major = 0, more[MOST_AXES];
    int a = c->in[0];
    onnx_attr_int(c, "ceil_mode", &ceil);
    onnx_attr_int(c, "count_include_pad", &count_pads);
    onnx_attr_int(c, "storage_order", &column_major);
    if (onnx_attr(c->def, "kernel_shape") == NULL)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no kernel_shape");
    if (onnx_wanted(c, 1))
        return ONNX_FAIL(
            c, MP2ML_ERR_UNSUPPORTED,
            "gives the places of its maxima too (Indices), which have no private form: "
            "leave that output out");
    TRY(read_slide(c, a, &s));
    TRY(read_list(c, "kernel_shape", s.kernel, s.axes, 1, 1));
    for (unsigned d = 0; d < s.axes; d++)
        if (s.dilation[d] != 1 && !onnx_attr_is(c, "auto_pad", "NOTSET", true) &&
            !onnx_attr_is(c, "auto_pad", "VALID", false))
            return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                             "auto_pad with dilations, of which runtimes make outputs of different "
                             "sizes: give pads");
    plain = s;
    TRY(settle_pads(c, &plain, false));
    TRY(settle_pads(c, &s, ceil != 0));
    for (unsigned d = 0; d < s.axes; d++)
        more[d] = s.behind[d] - plain.behind[d];
    if (op == GRAPH_AVG_POOL && count_pads != 0)
        TRY(pad_zeros(c, &a, &s, more));
    const int64_t channels = s.times * s.channels;
    int64_t sizes[MOST_AXES];
    for (unsigned d = 0; d < s.axes; d++)
        sizes[d] = out_size(&s, d);
    struct graph_window window = window_of(&s, s.axes == 3 ? 1 : 0, s.axes == 1 ? 1 : 2);
    TRY(as_pictures(c, &a, a, channels * (s.axes == 3 ? s.in[0] : 1),
                    s.axes == 1 ? 1 : s.in[s.axes - 2], s.in[s.axes - 1]));
    TRY(pool(c, &a, op, a, &window));
    if (s.axes == 3) { /* then along the depth: counts of a window's parts multiply */
        TRY(as_pictures(c, &a, a, channels, s.in[0], sizes[1] * sizes[2]));
        window = window_of(&s, 0, 2);
        window.kernel[1] = window.stride[1] = window.dilation[1] = 1;
        window.pad[2] = window.pad[3] = 0;
        TRY(pool(c, &a, op, a, &window));
    }
    return from_pictures(c, &c->out[0], a, &s, s.channels, sizes);
}

mp2ml_status onnx_global_pool(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape x = onnx_shape_of(c, c->in[0]);
    int axes;
    int64_t *to;
    struct graph_node *n;
    if (x.rank < 3)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input has shape %s, with no axis behind (N, C)",
                         shape_print(onnx_in(c, 0)).text);
    TRY(expand_integers(&c->x, &axes, "axes", (const int64_t[]){x.rank - 2}, 1, &to));
    for (unsigned d = 2; d < x.rank; d++)
        to[d - 2] = d + (onnx_in(c, 0)->rank - x.rank);
    TRY(expand_node(&c->x, op, NULL, (const int[]){c->in[0], axes}, 2, &n));
    n->mask[0] = 1; /* keeps the axes */
    return expand_settle(&c->x, &c->out[0]);
}

/* Batch normalisation ------------------------------------------------------------------------- */

/* scale * (x - mean) / sqrt(variance + epsilon) + bias; factors and shifts for each channel. */
mp2ml_status onnx_batch_norm(struct onnx_call *c, enum graph_op op)
{
    const struct onnx_shape x = onnx_shape_of(c, c->in[0]);
    float epsilon = 1e-5F;
    int64_t training = 0, spatial = 1, test = c->t->model->opset >= 7;
    int flat, pictures;
    struct graph_node *n;
    onnx_attr_float(c, "epsilon", &epsilon);
    onnx_attr_int(c, "training_mode", &training);
    onnx_attr_int(c, "spatial", &spatial);
    onnx_attr_int(c, "is_test", &test);
    training |= test == 0;
    if (training != 0 || spatial == 0)
        return ONNX_FAIL(c, MP2ML_ERR_UNSUPPORTED,
                         training != 0 ? "normalises by the statistics of the batch: export the "
                                         "model for inference (model.eval())"
                                       : "normalises each value by itself (spatial = 0)");
    if (x.rank < 2)
        return ONNX_FAIL(c, MP2ML_ERR_MODEL, "input has shape %s, with no channels",
                         shape_print(onnx_in(c, 0)).text);
    for (unsigned k = 1; k < 5; k++)
        TRY(onnx_want_reals(c, k));
    flat = c->in[0];
    if (c->t->whole) { /* (N, C, rest) as (batch * N) rows is not possible: channels behind */
        const unsigned rank = x.rank;
        int64_t order[GRAPH_MAX_RANK];
        for (unsigned d = 0; d < rank; d++)
            order[d] = d == 0 ? 0 : d + 1 < rank ? d + 1 : 1;
        TRY(onnx_transpose(c, &flat, "channels", flat, order));
    }
    const int inputs[5] = {flat, c->in[1], c->in[2], c->in[3], c->in[4]};
    TRY(expand_node(&c->x, op, NULL, inputs, 5, &n));
    n->nchw = !c->t->whole;
    n->real = epsilon;
    TRY(expand_settle(&c->x, &pictures));
    c->out[0] = pictures;
    if (!c->t->whole)
        return MP2ML_OK;
    int64_t order[GRAPH_MAX_RANK];
    for (unsigned d = 0; d < x.rank; d++)
        order[d] = d == 0 ? 0 : d == 1 ? x.rank - 1 : d - 1;
    return onnx_transpose(c, &c->out[0], NULL, pictures, order);
}
