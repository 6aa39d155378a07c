/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling. Padding never takes part: a maximum ignores it, a mean divides by the values that are
 * really there, as TensorFlow does. */
#include <math.h>

#include "model/graph_internal.h"

/* The part of a window that lies inside the picture, on one axis: [from, to). The shape rule made
 * sure that it is not empty. */
static void inside(size_t *from, size_t *to, const struct graph_window *w, unsigned axis,
                   size_t out, size_t size)
{
    const int64_t start = (int64_t)out * w->stride[axis] - w->pad[2 * axis];
    const int64_t end = start + w->kernel[axis];
    *from = start < 0 ? 0 : (size_t)start;
    *to = end > (int64_t)size ? size : (size_t)end;
}

struct pool {
    size_t height, width, channels; /* of the input */
    size_t sy, sx, sc;
    size_t out_c; /* between channels of the output */
    bool mean;
};

/* One output pixel, all channels; `out` gathers the maxima or sums in place. */
static void pool_pixel(float *out, const float *image, const struct pool *p, const size_t *y,
                       const size_t *x)
{
    const float start = p->mean ? 0 : -INFINITY;
    for (size_t ch = 0; ch < p->channels; ch++)
        out[ch * p->out_c] = start;
    for (size_t row = y[0]; row < y[1]; row++)
        for (size_t column = x[0]; column < x[1]; column++) {
            const float *from = image + row * p->sy + column * p->sx;
            for (size_t ch = 0; ch < p->channels; ch++) {
                const float v = from[ch * p->sc], old = out[ch * p->out_c];
                out[ch * p->out_c] = p->mean ? old + v : v > old ? v : old;
            }
        }
    const float count = (float)((y[1] - y[0]) * (x[1] - x[0]));
    for (size_t ch = 0; p->mean && ch < p->channels; ch++)
        out[ch * p->out_c] /= count;
}

static mp2ml_status pool(const struct eval_call *c, bool mean)
{
    const struct graph_window *w = &c->node->window;
    const unsigned row = w->nchw ? 2 : 1;
    const struct eval_view *in = &c->in[0];
    const size_t oh = c->shape.dims[row], ow = c->shape.dims[row + 1];
    struct pool p = {.height = in->dims[row],
                     .width = in->dims[row + 1],
                     .channels = in->dims[w->nchw ? 1 : 3],
                     .out_c = w->nchw ? oh * ow : 1,
                     .mean = mean};
    p.sc = w->nchw ? p.height * p.width : 1;
    p.sx = w->nchw ? 1 : p.channels;
    p.sy = p.sx * p.width;
    const size_t out_x = w->nchw ? 1 : p.channels;
    for (size_t s = 0; s < c->shape.dims[0]; s++) {
        const float *image = in->f + s * p.height * p.width * p.channels;
        float *out = c->f + s * oh * ow * p.channels;
        for (size_t oy = 0; oy < oh; oy++)
            for (size_t ox = 0; ox < ow; ox++) {
                size_t y[2], x[2];
                inside(&y[0], &y[1], w, 0, oy, p.height);
                inside(&x[0], &x[1], w, 1, ox, p.width);
                pool_pixel(out + (oy * ow + ox) * out_x, image, &p, y, x);
            }
    }
    return MP2ML_OK;
}

mp2ml_status eval_avg_pool(const struct eval_call *c)
{
    return pool(c, true);
}

mp2ml_status eval_max_pool(const struct eval_call *c)
{
    return pool(c, false);
}
