/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that only move values: the same code for real numbers and integers. */
#include <string.h>

#include "model/graph_internal.h"

static const void *source(const struct eval_view *v)
{
    return v->integers ? (const void *)v->i : (const void *)v->f;
}

static unsigned char *target(const struct eval_call *c)
{
    return c->shape.integers ? (unsigned char *)c->i : (unsigned char *)c->f;
}

static size_t width_of(const struct eval_view *v)
{
    return v->integers ? sizeof *v->i : sizeof *v->f;
}

void eval_copy_nd(void *dst, const ptrdiff_t *dst_strides, const void *src,
                  const ptrdiff_t *src_strides, const size_t *dims, unsigned rank, size_t width)
{
    unsigned char *to = dst;
    const unsigned char *from = src;
    const ptrdiff_t unit = (ptrdiff_t)width;
    size_t at[GRAPH_MAX_RANK] = {0};
    for (unsigned d = 0; d < rank; d++)
        if (dims[d] == 0)
            return;
    ptrdiff_t t = 0, f = 0; /* offsets in elements */
    for (;;) {
        memcpy(to + t * unit, from + f * unit, width);
        unsigned d = rank;
        while (d-- > 0) {
            t += dst_strides[d];
            f += src_strides[d];
            if (++at[d] < dims[d])
                break;
            t -= (ptrdiff_t)at[d] * dst_strides[d];
            f -= (ptrdiff_t)at[d] * src_strides[d];
            at[d] = 0;
        }
        if (d == UINT32_MAX)
            return;
    }
}

static void strides_of(ptrdiff_t *strides, const size_t *dims, unsigned rank)
{
    ptrdiff_t stride = 1;
    for (unsigned d = rank; d-- > 0;) {
        strides[d] = stride;
        stride *= (ptrdiff_t)dims[d];
    }
}

mp2ml_status eval_copy(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    if (x->count != 0)
        memcpy(target(c), source(x), x->count * width_of(x));
    return MP2ML_OK;
}

mp2ml_status eval_transpose(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    ptrdiff_t own[GRAPH_MAX_RANK], from[GRAPH_MAX_RANK], to[GRAPH_MAX_RANK];
    strides_of(own, x->dims, x->rank);
    strides_of(to, c->shape.dims, c->shape.rank);
    for (unsigned d = 0; d < x->rank; d++)
        from[d] = own[c->node->list[d]];
    eval_copy_nd(target(c), to, source(x), from, c->shape.dims, c->shape.rank, width_of(x));
    return MP2ML_OK;
}

mp2ml_status eval_pad(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const int64_t *pads = c->in[1].i; /* [rank][2] */
    ptrdiff_t from[GRAPH_MAX_RANK], to[GRAPH_MAX_RANK], offset = 0;
    strides_of(from, x->dims, x->rank);
    strides_of(to, c->shape.dims, c->shape.rank);
    for (unsigned d = 0; d < x->rank; d++)
        offset += (ptrdiff_t)pads[2 * d] * to[d];
    const size_t width = width_of(x);
    memset(target(c), 0, c->shape.count * width);
    for (size_t k = 0; c->n_in == 3 && k < c->shape.count; k++) {
        if (c->shape.integers)
            c->i[k] = c->in[2].i[0];
        else
            c->f[k] = c->in[2].f[0];
    }
    if (x->count != 0)
        eval_copy_nd(target(c) + offset * (ptrdiff_t)width, to, source(x), from, x->dims, x->rank,
                     width);
    return MP2ML_OK;
}

mp2ml_status eval_strided_slice(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    struct shape_slice s;
    if (!shape_slice_make(&s, c->node, x->dims, x->rank, c->in[1].i, c->in[2].i, c->in[3].i,
                          c->in[1].count))
        return MP2ML_ERR_UNSUPPORTED;
    ptrdiff_t own[GRAPH_MAX_RANK], from[GRAPH_MAX_RANK], to[GRAPH_MAX_RANK], offset = 0;
    size_t dims[GRAPH_MAX_RANK];
    strides_of(own, x->dims, x->rank);
    for (unsigned d = 0; d < x->rank; d++) {
        dims[d] = (size_t)s.length[d];
        from[d] = own[d] * (ptrdiff_t)s.step[d];
        offset += own[d] * (ptrdiff_t)s.start[d];
    }
    strides_of(to, dims, x->rank);
    if (c->shape.count == 0)
        return MP2ML_OK;
    const size_t width = width_of(x);
    eval_copy_nd(target(c), to, (const unsigned char *)source(x) + offset * (ptrdiff_t)width, from,
                 dims, x->rank, width);
    return MP2ML_OK;
}

/* From list[d] on, as many as the output has; Unpack leaves out its axis. */
mp2ml_status eval_slice(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const bool drops = c->node->op == GRAPH_UNPACK;
    ptrdiff_t from[GRAPH_MAX_RANK], to[GRAPH_MAX_RANK], offset = 0;
    size_t dims[GRAPH_MAX_RANK];
    strides_of(from, x->dims, x->rank);
    for (unsigned d = 0, o = 0; d < x->rank; d++) {
        dims[d] = drops && d == c->node->axis ? 1 : c->shape.dims[o++];
        offset += from[d] * (ptrdiff_t)c->node->list[d];
    }
    strides_of(to, dims, x->rank);
    if (c->shape.count == 0)
        return MP2ML_OK;
    const size_t width = width_of(x);
    eval_copy_nd(target(c), to, (const unsigned char *)source(x) + offset * (ptrdiff_t)width, from,
                 dims, x->rank, width);
    return MP2ML_OK;
}

mp2ml_status eval_reverse(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    ptrdiff_t from[GRAPH_MAX_RANK], to[GRAPH_MAX_RANK], offset = 0;
    strides_of(to, x->dims, x->rank);
    memcpy(from, to, sizeof from);
    for (unsigned k = 0; k < c->node->n_list; k++) {
        const int64_t d = c->node->list[k];
        if (from[d] > 0 && x->dims[d] != 0) { /* an axis named twice counts once */
            offset += from[d] * ((ptrdiff_t)x->dims[d] - 1);
            from[d] = -from[d];
        }
    }
    const size_t width = width_of(x);
    if (x->count != 0)
        eval_copy_nd(target(c), to, (const unsigned char *)source(x) + offset * (ptrdiff_t)width,
                     from, x->dims, x->rank, width);
    return MP2ML_OK;
}

mp2ml_status eval_tile(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const size_t width = width_of(x);
    unsigned char *to = target(c);
    for (size_t k = 0; k < c->shape.count; k++, to += width) {
        size_t at = 0, stride = 1, rest = k;
        for (unsigned d = x->rank; d-- > 0; rest /= c->shape.dims[d]) {
            at += rest % c->shape.dims[d] % x->dims[d] * stride;
            stride *= x->dims[d];
        }
        memcpy(to, (const unsigned char *)source(x) + at * width, width);
    }
    return MP2ML_OK;
}

mp2ml_status eval_take(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0], *at = &c->in[1];
    const size_t axis = (size_t)c->node->axis, size = x->dims[axis];
    size_t outer = 1, bytes = width_of(x);
    for (size_t d = 0; d < x->rank; d++) {
        outer *= d < axis ? x->dims[d] : 1;
        bytes *= d > axis ? x->dims[d] : 1;
    }
    unsigned char *to = target(c);
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < at->count && bytes != 0; k++, to += bytes)
            memcpy(to, (const unsigned char *)source(x) + (o * size + (size_t)at->i[k]) * bytes,
                   bytes);
    return MP2ML_OK;
}

/* Pixel (y, x) of the wide picture, channel ch, is pixel (y/b, x/b) of the deep one, channel
 * (y%b*b + x%b) * channels + ch. */
static mp2ml_status depth(const struct eval_call *c, bool deepen)
{
    const struct eval_view *in = &c->in[0], *wide = deepen ? in : &c->shape;
    const struct eval_view *deep = deepen ? &c->shape : in;
    const bool nchw = c->node->nchw;
    const unsigned row = nchw ? 2 : 1, channel = nchw ? 1 : 3;
    const size_t block = (size_t)c->node->axis, channels = wide->dims[channel];
    const size_t width = width_of(in);
    ptrdiff_t ws[GRAPH_MAX_RANK], ds[GRAPH_MAX_RANK];
    strides_of(ws, wide->dims, 4);
    strides_of(ds, deep->dims, 4);
    for (size_t k = 0; k < in->count; k++) {
        const size_t s = k / (size_t)ws[0], y = k / (size_t)ws[row] % wide->dims[row];
        const size_t x = k / (size_t)ws[row + 1] % wide->dims[row + 1];
        const size_t ch = k / (size_t)ws[channel] % channels;
        const size_t at = s * (size_t)ds[0] + y / block * (size_t)ds[row] +
                          x / block * (size_t)ds[row + 1] +
                          ((y % block * block + x % block) * channels + ch) * (size_t)ds[channel];
        memcpy(target(c) + (deepen ? at : k) * width,
               (const unsigned char *)source(in) + (deepen ? k : at) * width, width);
    }
    return MP2ML_OK;
}

mp2ml_status eval_depth_to_space(const struct eval_call *c)
{
    return depth(c, false);
}

mp2ml_status eval_space_to_depth(const struct eval_call *c)
{
    return depth(c, true);
}

mp2ml_status eval_gather(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    const size_t samples = c->shape.dims[0], count = c->node->value.count;
    const size_t in = samples != 0 ? x->count / samples : 0;
    const int64_t *from = c->node->value.i;
    for (size_t s = 0; s < samples; s++)
        for (size_t k = 0; k < count; k++)
            c->f[s * count + k] = from[k] < 0 ? 0 : x->f[s * in + (size_t)from[k]];
    return MP2ML_OK;
}

/* Joins the inputs along an axis: for each index of the axes before it, one piece of every input.
 */
static void join(const struct eval_call *c, size_t axis)
{
    const size_t width = width_of(&c->in[0]);
    size_t outer = 1;
    for (size_t d = 0; d < axis; d++)
        outer *= c->shape.dims[d];
    unsigned char *to = target(c);
    for (size_t o = 0; o < outer && c->shape.count != 0; o++)
        for (unsigned k = 0; k < c->n_in; k++) {
            const size_t bytes = c->in[k].count / outer * width;
            memcpy(to, (const unsigned char *)source(&c->in[k]) + o * bytes, bytes);
            to += bytes;
        }
}

mp2ml_status eval_pack(const struct eval_call *c)
{
    join(c, (size_t)c->node->axis);
    return MP2ML_OK;
}

mp2ml_status eval_concat(const struct eval_call *c)
{
    join(c, (size_t)c->node->axis);
    return MP2ML_OK;
}
