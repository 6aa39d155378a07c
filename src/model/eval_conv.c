/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution and matrix product. A convolution gathers the windows of up to TILE output pixels as
 * rows of a matrix and multiplies them with the kernel, [height * width * channels][outputs]. */
#include <stdlib.h>
#include <string.h>

#include "model/graph_internal.h"

#define TILE 64

mp2ml_status eval_matmul(const struct eval_call *c)
{
    const struct eval_view *a = &c->in[0], *b = &c->in[1];
    const bool transposed = c->node->transpose_b;
    const size_t n = c->shape.dims[c->shape.rank - 1], k = a->dims[a->rank - 1];
    const size_t m = k != 0 ? a->count / k : 0;
    float *panel = malloc((k + 1) * EVAL_PANEL * sizeof *panel);
    if (panel == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < n; first += EVAL_PANEL) {
        const size_t width = n - first < EVAL_PANEL ? n - first : EVAL_PANEL;
        eval_pack_panel(panel, b->f, transposed ? 1 : n, transposed ? k : 1, k, first, width);
        c->gemm(c->f + first, n, a->f, k, m, k, panel, width);
    }
    free(panel);
    return MP2ML_OK;
}

/* A picture of either layout: strides in elements. */
struct plane {
    size_t height, width, channels;
    size_t sy, sx, sc;
};

static struct plane plane_of(const struct eval_view *v, bool nchw)
{
    struct plane p;
    p.height = v->dims[nchw ? 2 : 1];
    p.width = v->dims[nchw ? 3 : 2];
    p.channels = v->dims[nchw ? 1 : 3];
    p.sc = nchw ? p.height * p.width : 1;
    p.sx = nchw ? 1 : p.channels;
    p.sy = p.sx * p.width;
    return p;
}

static void gather_pixel(float *to, const float *image, const struct plane *p, size_t y, size_t x)
{
    const float *from = image + y * p->sy + x * p->sx;
    if (p->sc == 1) {
        memcpy(to, from, p->channels * sizeof *to);
        return;
    }
    for (size_t ch = 0; ch < p->channels; ch++)
        to[ch] = from[ch * p->sc];
}

/* One row of a window whose pixels are neighbours: what lies inside is one copy. x is the first. */
static void gather_row(float *to, const float *row, const struct plane *p, int64_t x, int64_t n)
{
    const int64_t size = (int64_t)p->width;
    const int64_t from = x < 0 ? (x + n > 0 ? -x : n) : x < size ? 0 : n;
    const int64_t end = x + n <= size ? n : x < size ? size - x : from;
    const size_t before = (size_t)from * p->channels, upto = (size_t)end * p->channels;
    const size_t all = (size_t)n * p->channels;
    if (upto <= before) {
        memset(to, 0, all * sizeof *to);
        return;
    }
    memset(to, 0, before * sizeof *to);
    memcpy(to + before, row + (size_t)(x + from) * p->sx, (upto - before) * sizeof *to);
    memset(to + upto, 0, (all - upto) * sizeof *to);
}

/* The window of output pixel (oy, ox): [height][width][channels], zero in the padding. */
static void gather_window(float *to, const float *image, const struct plane *p,
                          const struct graph_window *w, size_t oy, size_t ox)
{
    for (int64_t ky = 0; ky < w->kernel[0]; ky++) {
        const int64_t y = (int64_t)oy * w->stride[0] - w->pad[0] + ky * w->dilation[0];
        if (y >= 0 && y < (int64_t)p->height && p->sc == 1 && w->dilation[1] == 1) {
            gather_row(to, image + (size_t)y * p->sy, p, (int64_t)ox * w->stride[1] - w->pad[2],
                       w->kernel[1]);
            to += (size_t)w->kernel[1] * p->channels;
            continue;
        }
        for (int64_t kx = 0; kx < w->kernel[1]; kx++, to += p->channels) {
            const int64_t x = (int64_t)ox * w->stride[1] - w->pad[2] + kx * w->dilation[1];
            if (y < 0 || y >= (int64_t)p->height || x < 0 || x >= (int64_t)p->width)
                memset(to, 0, p->channels * sizeof *to);
            else
                gather_pixel(to, image, p, (size_t)y, (size_t)x);
        }
    }
}

struct conv {
    const struct graph_window *w;
    eval_gemm gemm;
    struct plane in, out;
    size_t k;      /* elements of a window */
    float *panels; /* the whole kernel, packed */
    float *rows;   /* [TILE][k] */
    float *tile;   /* [TILE][out.channels] */
};

static void conv_tile(const struct conv *v, float *out, const float *image, size_t first,
                      size_t pixels)
{
    const size_t channels = v->out.channels;
    for (size_t t = 0; t < pixels; t++)
        gather_window(v->rows + t * v->k, image, &v->in, v->w, (first + t) / v->out.width,
                      (first + t) % v->out.width);
    const bool direct = v->out.sc == 1; /* channels last: the tile is where it belongs */
    float *to = direct ? out + first * channels : v->tile;
    for (size_t j = 0; j < channels; j += EVAL_PANEL)
        v->gemm(to + j, channels, v->rows, v->k, pixels, v->k, v->panels + j * v->k,
                channels - j < EVAL_PANEL ? channels - j : EVAL_PANEL);
    for (size_t t = 0; !direct && t < pixels; t++)
        for (size_t ch = 0; ch < channels; ch++)
            out[ch * v->out.sc + first + t] = v->tile[t * channels + ch];
}

/* One pixel of a convolution in groups; `out` has stride v->out.sc. */
static void grouped_pixel(const struct conv *v, float *out, const float *image,
                          const float *weights, size_t oy, size_t ox)
{
    const struct graph_window *w = v->w;
    const size_t groups = (size_t)w->groups, ci = v->in.channels / groups;
    const size_t co = v->out.channels / groups;
    for (size_t o = 0; o < v->out.channels; o++)
        out[o * v->out.sc] = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++, weights += ci * v->out.channels) {
            const int64_t y = (int64_t)oy * w->stride[0] - w->pad[0] + ky * w->dilation[0];
            const int64_t x = (int64_t)ox * w->stride[1] - w->pad[2] + kx * w->dilation[1];
            if (y < 0 || y >= (int64_t)v->in.height || x < 0 || x >= (int64_t)v->in.width)
                continue;
            const float *from = image + (size_t)y * v->in.sy + (size_t)x * v->in.sx;
            for (size_t g = 0; g < groups; g++)
                for (size_t i = 0; i < ci; i++) {
                    const float value = from[(g * ci + i) * v->in.sc];
                    const float *row = weights + i * v->out.channels + g * co;
                    for (size_t o = 0; o < co; o++)
                        out[(g * co + o) * v->out.sc] += value * row[o];
                }
        }
}

static void grouped(const struct eval_call *c, const struct conv *v)
{
    const size_t pixels = v->out.height * v->out.width;
    const size_t in_image = v->in.height * v->in.width * v->in.channels;
    for (size_t s = 0; s < c->shape.dims[0]; s++) {
        const float *image = c->in[0].f + s * in_image;
        float *out = c->f + s * pixels * v->out.channels;
        for (size_t p = 0; p < pixels; p++)
            grouped_pixel(v, out + p * v->out.sx, image, c->in[1].f, p / v->out.width,
                          p % v->out.width);
    }
}

mp2ml_status eval_conv2d(const struct eval_call *c)
{
    const struct graph_window *w = &c->node->window;
    struct conv v = {.w = w,
                     .gemm = c->gemm,
                     .in = plane_of(&c->in[0], w->nchw),
                     .out = plane_of(&c->shape, w->nchw)};
    if (w->groups > 1) {
        grouped(c, &v);
        return MP2ML_OK;
    }
    v.k = c->in[1].dims[0] * c->in[1].dims[1] * c->in[1].dims[2];
    const size_t channels = v.out.channels, pixels = v.out.height * v.out.width;
    const size_t in_image = v.in.height * v.in.width * v.in.channels;
    const size_t padded = (channels + EVAL_PANEL - 1) / EVAL_PANEL * EVAL_PANEL;
    size_t total;
    if (!size_mul(&total, v.k * sizeof(float), padded + TILE))
        return MP2ML_ERR_MEMORY;
    v.panels = malloc(total);
    v.tile = malloc(TILE * channels * sizeof *v.tile);
    if (v.panels == NULL || v.tile == NULL) {
        free(v.panels);
        free(v.tile);
        return MP2ML_ERR_MEMORY;
    }
    v.rows = v.panels + v.k * padded;
    for (size_t j = 0; j < channels; j += EVAL_PANEL)
        eval_pack_panel(v.panels + j * v.k, c->in[1].f, channels, 1, v.k, j,
                        channels - j < EVAL_PANEL ? channels - j : EVAL_PANEL);
    for (size_t s = 0; s < c->shape.dims[0]; s++)
        for (size_t first = 0; first < pixels; first += TILE)
            conv_tile(&v, c->f + s * pixels * channels, c->in[0].f + s * in_image, first,
                      pixels - first < TILE ? pixels - first : TILE);
    free(v.panels);
    free(v.tile);
    return MP2ML_OK;
}
