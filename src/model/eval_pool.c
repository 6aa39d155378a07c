/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling. Padding never takes part: a maximum ignores it, a mean divides by the values that are
 * really there, as TensorFlow does. */
#include <math.h>

#include "model/graph_internal.h"

struct part { /* of a window, on one axis: the places from, from + step, ... before to */
    size_t from, to, step;
};

/* What lies inside the picture. The shape rule made sure that it is not empty. */
static struct part inside(const struct graph_window *w, unsigned axis, size_t out, size_t size)
{
    const int64_t start = (int64_t)out * w->stride[axis] - w->pad[2 * axis];
    const int64_t step = w->dilation[axis], end = start + (w->kernel[axis] - 1) * step + 1;
    const int64_t from = start < 0 ? start + (-start + step - 1) / step * step : start;
    return (struct part){(size_t)from, end > (int64_t)size ? size : (size_t)end, (size_t)step};
}

static size_t places(const struct part *p)
{
    return (p->to - p->from + p->step - 1) / p->step;
}

struct pool {
    size_t height, width, channels; /* of the input */
    size_t sy, sx, sc;
    size_t out_c; /* between channels of the output */
    bool mean;
};

/* One output pixel, all channels; `out` gathers the maxima or sums in place. */
static void pool_pixel(float *out, const float *image, const struct pool *p, struct part y,
                       struct part x)
{
    const float start = p->mean ? 0 : -INFINITY;
    for (size_t ch = 0; ch < p->channels; ch++)
        out[ch * p->out_c] = start;
    for (size_t row = y.from; row < y.to; row += y.step)
        for (size_t column = x.from; column < x.to; column += x.step) {
            const float *from = image + row * p->sy + column * p->sx;
            for (size_t ch = 0; ch < p->channels; ch++) {
                const float v = from[ch * p->sc], old = out[ch * p->out_c];
                out[ch * p->out_c] = p->mean ? old + v : v > old ? v : old;
            }
        }
    const float count = (float)(places(&y) * places(&x));
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
            for (size_t ox = 0; ox < ow; ox++)
                pool_pixel(out + (oy * ow + ox) * out_x, image, &p, inside(w, 0, oy, p.height),
                           inside(w, 1, ox, p.width));
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
