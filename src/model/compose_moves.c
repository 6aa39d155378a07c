/* SPDX-License-Identifier: Apache-2.0
 *
 * Composed operators that move values: each axis of the result has a list of where its elements lie
 * on the same axis of the operand, and one GATHER does all axes at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/compose.h"

/* The result's shape, and the lists. An axis without one is as it was. */
struct picks {
    unsigned rank;
    int64_t dims[GRAPH_MAX_RANK];
    bool listed[GRAPH_MAX_RANK];
    int64_t *from[GRAPH_MAX_RANK]; /* dims[d] places, -1 for a zero */
    int64_t *memory;
};

static struct picks picks_like(const struct graph_node *a)
{
    struct picks p = {.rank = a->rank};
    memcpy(p.dims, a->dims, sizeof p.dims);
    return p;
}

static void picks_resize(struct picks *p, unsigned axis, int64_t size)
{
    p->dims[axis] = size;
    p->listed[axis] = true;
}

/* Room for the lists, to be filled; picks_append frees it. */
static mp2ml_status picks_alloc(const struct graph_expand *x, struct picks *p, int a)
{
    const unsigned first = x->b->g->nodes[a].batched ? 1 : 0;
    size_t count, total = 0, used = 0;
    if (!graph_count(&count, p->dims + first, p->rank - first) || count == 0 ||
        count > GRAPH_MAX_SAMPLE)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_UNSUPPORTED,
                               "must give 1 to %zu values a sample", GRAPH_MAX_SAMPLE);
    for (unsigned d = first; d < p->rank; d++)
        total += p->listed[d] ? (size_t)p->dims[d] : 0; /* each at most `count` */
    p->memory = calloc(total + 1, sizeof *p->memory);
    if (p->memory == NULL)
        return status_fail(x->b->err, MP2ML_ERR_MEMORY, "out of memory");
    for (unsigned d = first; d < p->rank; d++)
        if (p->listed[d]) {
            p->from[d] = p->memory + used;
            used += (size_t)p->dims[d];
        }
    return MP2ML_OK;
}

/* Where element k of a sample of the result lies in the operand's sample. */
static int64_t place_of(size_t k, const struct picks *p, const struct graph_node *a)
{
    int64_t place = 0, stride = 1;
    for (unsigned d = p->rank; d-- > 1;) {
        const size_t j = k % (size_t)p->dims[d];
        const int64_t at = p->listed[d] ? p->from[d][j] : (int64_t)j;
        if (at < 0)
            return -1;
        place += at * stride;
        stride *= a->dims[d];
        k /= (size_t)p->dims[d];
    }
    return place;
}

static mp2ml_status gather_data(struct graph_expand *x, int *out, const char *suffix, int a,
                                const struct picks *p)
{
    int64_t *list;
    TRY(expand_gather(x, suffix, a, p->dims, p->rank, &list));
    const size_t count = x->b->g->nodes[x->b->g->n_nodes - 1].value.count;
    for (size_t k = 0; k < count; k++)
        list[k] = place_of(k, p, &x->b->g->nodes[a]);
    return expand_settle(x, out);
}

/* One axis after the other. */
static mp2ml_status take_constant(struct graph_expand *x, int *out, const char *suffix, int a,
                                  const struct picks *p)
{
    *out = a;
    for (unsigned d = 0; d < p->rank; d++) {
        int from, axis;
        int64_t *values;
        if (!p->listed[d])
            continue;
        TRY(expand_integers(x, &from, "from", &p->dims[d], 1, &values));
        memcpy(values, p->from[d], (size_t)p->dims[d] * sizeof *values);
        TRY(expand_integers(x, &axis, "axis", NULL, 0, &values));
        values[0] = d;
        struct graph_node *n;
        TRY(expand_node(x, GRAPH_TAKE, suffix, (const int[]){*out, from, axis}, 3, &n));
        TRY(expand_settle(x, out));
    }
    return MP2ML_OK;
}

static mp2ml_status picks_append(struct graph_expand *x, int *out, const char *suffix, int a,
                                 struct picks *p)
{
    const mp2ml_status status = x->b->g->nodes[a].batched ? gather_data(x, out, suffix, a, p)
                                                          : take_constant(x, out, suffix, a, p);
    free(p->memory);
    return status;
}

/* An axis that may be changed. */
static mp2ml_status want_axis(const struct graph_expand *x, int a, unsigned axis)
{
    const struct graph_node *n = &x->b->g->nodes[a];
    return axis < n->rank && (axis != 0 || !n->batched)
               ? MP2ML_OK
               : graph_node_fail(x->b, x->node, MP2ML_ERR_UNSUPPORTED,
                                 "works along axis %u of shape %s", axis, shape_print(n).text);
}

mp2ml_status compose_take(struct graph_expand *x, int *out, int a, unsigned axis,
                          const int64_t *from, size_t count)
{
    TRY(want_axis(x, a, axis));
    const struct graph_node *n = &x->b->g->nodes[a];
    for (size_t k = 0; k < count; k++)
        if (from[k] < 0 || from[k] >= n->dims[axis])
            return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "index %lld is not in shape %s",
                                   (long long)from[k], shape_print(n).text);
    struct picks p = picks_like(n);
    picks_resize(&p, axis, count <= GRAPH_MAX_COUNT ? (int64_t)count : -1);
    TRY(picks_alloc(x, &p, a));
    memcpy(p.from[axis], from, count * sizeof *from);
    return picks_append(x, out, NULL, a, &p);
}

/* Padding with the picture itself ------------------------------------------------------------- */

static int64_t modulo(int64_t j, int64_t n)
{
    return (j % n + n) % n;
}

/* Where element j of an axis of n that is continued on both sides comes from. */
static int64_t mirrored(int64_t j, int64_t n, enum compose_mirror mode)
{
    switch (mode) {
    case COMPOSE_EDGE:
        return j < 0 ? 0 : j < n ? j : n - 1;
    case COMPOSE_WRAP:
        return modulo(j, n);
    case COMPOSE_SYMMETRIC:
        j = modulo(j, 2 * n);
        return j < n ? j : 2 * n - 1 - j;
    default: /* COMPOSE_REFLECT: the ends are not doubled */
        j = n == 1 ? 0 : modulo(j, 2 * n - 2);
        return j < n ? j : 2 * n - 2 - j;
    }
}

mp2ml_status compose_mirror_pad(struct graph_expand *x, int *out, int a, const int64_t *pads,
                                enum compose_mirror mode)
{
    const int64_t limit = (int64_t)GRAPH_MAX_COUNT;
    const struct graph_node *n = &x->b->g->nodes[a];
    struct picks p = picks_like(n);
    bool any = false;
    for (unsigned d = 0; d < n->rank; d++) {
        if (pads[2 * d] == 0 && pads[2 * d + 1] == 0)
            continue;
        TRY(want_axis(x, a, d));
        if (pads[2 * d] < -limit || pads[2 * d] > limit || pads[2 * d + 1] < -limit ||
            pads[2 * d + 1] > limit || n->dims[d] < 1)
            return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "a padding of %lld and %lld",
                                   (long long)pads[2 * d], (long long)pads[2 * d + 1]);
        picks_resize(&p, d, n->dims[d] + pads[2 * d] + pads[2 * d + 1]);
        any = true;
    }
    if (!any)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, a);
    TRY(picks_alloc(x, &p, a));
    for (unsigned d = 0; d < p.rank; d++)
        for (int64_t j = 0; p.listed[d] && j < p.dims[d]; j++)
            p.from[d][j] = mirrored(j - pads[2 * d], n->dims[d], mode);
    return picks_append(x, out, NULL, a, &p);
}

/* Nearest neighbours -------------------------------------------------------------------------- */

/* Where output j of `size` lies among the `in` inputs. A scale that a file gives is used as files'
 * own runtimes do, in float32. */
static double position(int64_t j, int64_t in, int64_t size, float scale, enum compose_place place)
{
    const double at = (double)j, ratio_in = (double)in, ratio_out = (double)size;
    switch (place) {
    case COMPOSE_ASYMMETRIC:
        return scale > 0 ? (double)((float)at / scale) : at * ratio_in / ratio_out;
    case COMPOSE_HALF_PIXEL:
        return scale > 0 ? (double)(((float)at + 0.5F) / scale - 0.5F)
                         : (at + 0.5) * ratio_in / ratio_out - 0.5;
    default: /* COMPOSE_ALIGN_CORNERS */
        return size == 1 ? 0 : at * (ratio_in - 1) / (ratio_out - 1);
    }
}

static int64_t nearest(double at, int64_t in, enum compose_round round)
{
    const double chosen = round == COMPOSE_FLOOR       ? floor(at)
                          : round == COMPOSE_CEIL      ? ceil(at)
                          : round == COMPOSE_HALF_DOWN ? ceil(at - 0.5)
                                                       : floor(at + 0.5);
    return chosen > 0 ? chosen < (double)in ? (int64_t)chosen : in - 1 : 0;
}

static mp2ml_status check_resize(const struct graph_expand *x, int a, unsigned axis, double scale)
{
    TRY(want_axis(x, a, axis));
    const struct graph_node *n = &x->b->g->nodes[a];
    if (n->dims[axis] < 1 || !isfinite((float)scale) || scale < 0)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "resizes shape %s by %g",
                               shape_print(n).text, scale);
    return MP2ML_OK;
}

mp2ml_status compose_resize_nearest(struct graph_expand *x, int *out, int a, unsigned axis,
                                    int64_t size, double scale, enum compose_place place,
                                    enum compose_round round)
{
    TRY(check_resize(x, a, axis, scale));
    const struct graph_node *n = &x->b->g->nodes[a];
    const int64_t in = n->dims[axis];
    struct picks p = picks_like(n);
    picks_resize(&p, axis, size);
    TRY(picks_alloc(x, &p, a));
    for (int64_t j = 0; j < size; j++)
        p.from[axis][j] = nearest(position(j, in, size, (float)scale, place), in, round);
    return picks_append(x, out, NULL, a, &p);
}

struct axis_resize {
    unsigned axis;
    int64_t in, size;
    float scale;
    enum compose_place place;
};

/* The neighbour before (side 0) or behind (1) each output value, times its weight. */
static mp2ml_status neighbours(struct graph_expand *x, int *out, int a, const struct axis_resize *r,
                               unsigned side)
{
    const struct graph_node *n = &x->b->g->nodes[a];
    int64_t dims[GRAPH_MAX_RANK] = {r->size, 1, 1, 1, 1, 1, 1, 1};
    const unsigned behind = n->rank - r->axis - 1;
    struct picks p = picks_like(n);
    int picked, weights;
    float *to;
    picks_resize(&p, r->axis, r->size);
    TRY(picks_alloc(x, &p, a));
    for (int64_t j = 0; j < r->size; j++) {
        const int64_t at =
            nearest(position(j, r->in, r->size, r->scale, r->place), r->in, COMPOSE_FLOOR) + side;
        p.from[r->axis][j] = at < r->in ? at : r->in - 1;
    }
    TRY(picks_append(x, &picked, side == 0 ? "before" : "behind", a, &p));
    TRY(expand_floats(x, &weights, "weights", dims, 1 + behind, &to));
    for (int64_t j = 0; j < r->size; j++) {
        const double at =
            fmin(fmax(position(j, r->in, r->size, r->scale, r->place), 0), (double)(r->in - 1));
        const double w = at - floor(at);
        to[j] = (float)(side == 0 ? 1 - w : w);
    }
    x->b->g->nodes[weights].attribute = true;
    return expand_binary(x, out, GRAPH_MUL, side == 0 ? "first" : "second", picked, weights);
}

mp2ml_status compose_resize_linear(struct graph_expand *x, int *out, int a, unsigned axis,
                                   int64_t size, double scale, enum compose_place place)
{
    int part[2];
    TRY(check_resize(x, a, axis, scale));
    const struct axis_resize r = {axis, x->b->g->nodes[a].dims[axis], size, (float)scale, place};
    for (unsigned side = 0; side < 2; side++)
        TRY(neighbours(x, &part[side], a, &r, side));
    return expand_binary(x, out, GRAPH_ADD, NULL, part[0], part[1]);
}

/* Transposed convolution ---------------------------------------------------------------------- */

/* An axis of the stretched input z: z[stride * i] = input i, zeros between. Output y of a kernel of
 * K taps is the sum over k of z[start + y + dilation * k] times tap K-1-k of the file's kernel. */
struct stretch {
    int64_t first, length; /* the part of z that is made; what is left of zeros is padding */
    int64_t pad[2];
};

static bool within(int64_t value, int64_t low)
{
    return value >= low && value <= (int64_t)GRAPH_MAX_COUNT;
}

/* The convolution pads less than its window is wide, so that a window that meets z takes something
 * from what is made of it. All values are below 2^31, (kernel - 1) * dilation too. */
static bool stretch_axis(struct stretch *s, const struct graph_window *w, unsigned axis, int64_t in,
                         int64_t size)
{
    const int64_t stride = w->stride[axis], dilation = w->dilation[axis], cut = w->pad[2 * axis];
    if (!within(stride, 1) || !within(dilation, 1) || !within(size, 1) || !within(in, 1) ||
        !within(cut, -(int64_t)GRAPH_MAX_COUNT) || !within(w->kernel[axis], 1))
        return false;
    const int64_t reach = (w->kernel[axis] - 1) * dilation; /* <= 2^62 */
    const int64_t whole = (in - 1) * stride + 1;            /* <= 2^62 */
    if (!within(reach, 0) || !within(whole, 1))
        return false;
    const int64_t start = cut - reach, end = start + size + reach;
    const int64_t before = start < 0 ? -start : 0, behind = end > whole ? end - whole : 0;
    s->pad[0] = before < reach ? before : reach;
    s->pad[1] = behind < reach ? behind : reach;
    s->first = start + s->pad[0];
    s->length = end - s->pad[1] - s->first; /* >= 1 */
    return true;
}

static void fill_stretch(int64_t *from, const struct stretch *s, int64_t stride, int64_t in)
{
    for (int64_t j = 0; j < s->length; j++) {
        const int64_t at = s->first + j;
        from[j] = at >= 0 && at % stride == 0 && at / stride < in ? at / stride : -1;
    }
}

static mp2ml_status stretched(struct graph_expand *x, int *out, int a,
                              const struct graph_window *window, const struct stretch s[2])
{
    const unsigned row = window->nchw ? 2 : 1;
    const struct graph_node *n = &x->b->g->nodes[a];
    struct picks p = picks_like(n);
    for (unsigned d = 0; d < 2; d++)
        picks_resize(&p, row + d, s[d].length);
    TRY(picks_alloc(x, &p, a));
    for (unsigned d = 0; d < 2; d++)
        fill_stretch(p.from[row + d], &s[d], window->stride[d], n->dims[row + d]);
    return picks_append(x, out, "stretched", a, &p);
}

/* [h][w][O / groups][I] turned round in h and w, as [h][w][I / groups][O]. */
static mp2ml_status turned_weights(struct graph_expand *x, int *out, int weights, int64_t groups)
{
    const int64_t *d = x->b->g->nodes[weights].dims;
    const size_t taps = (size_t)(d[0] * d[1]), per = (size_t)d[2], inputs = (size_t)d[3];
    const size_t part = inputs / (size_t)groups, outputs = per * (size_t)groups;
    const int64_t dims[4] = {d[0], d[1], (int64_t)part, (int64_t)outputs};
    const float *from = x->b->g->nodes[weights].value.f; /* stays where it is when nodes move */
    float *to;
    TRY(expand_floats(x, out, "weights", dims, 4, &to));
    for (size_t t = 0; t < taps; t++)
        for (size_t o = 0; o < per; o++)
            for (size_t i = 0; i < inputs; i++)
                to[((taps - 1 - t) * part + i % part) * outputs + i / part * per + o] =
                    from[(t * per + o) * inputs + i];
    return MP2ML_OK;
}

/* Ranks, channels, groups and sizes. */
static mp2ml_status check_transpose(const struct graph_expand *x, int a, int weights,
                                    const struct graph_window *w)
{
    const struct graph_node *in = &x->b->g->nodes[a], *k = &x->b->g->nodes[weights];
    if (in->rank != 4 || in->integers)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "shape %s must have 4 axes",
                               shape_print(in).text);
    if (k->batched || k->rank != 4 || k->value.f == NULL)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_UNSUPPORTED,
                               "the kernel must be a constant of real numbers with 4 axes");
    if (k->value.count == 0 || w->groups < 1 || k->dims[3] != in->dims[w->nchw ? 1 : 3] ||
        k->dims[3] % w->groups != 0 || !within(k->dims[2] * w->groups, 1))
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL,
                               "input %s and a kernel %s (height, width, out, in) do not fit in "
                               "%lld groups",
                               shape_print(in).text, shape_print(k).text, (long long)w->groups);
    return MP2ML_OK;
}

mp2ml_status compose_conv_transpose(struct graph_expand *x, int *out, int a, int weights,
                                    const struct graph_window *window, const int64_t size[2])
{
    struct graph_window w = *window;
    struct stretch s[2];
    TRY(check_transpose(x, a, weights, &w));
    const struct graph_node *in = &x->b->g->nodes[a], *kernel = &x->b->g->nodes[weights];
    for (unsigned d = 0; d < 2; d++) {
        w.kernel[d] = kernel->dims[d];
        if (!stretch_axis(&s[d], &w, d, in->dims[(w.nchw ? 2 : 1) + d], size[d]))
            return graph_node_fail(
                x->b, x->node, MP2ML_ERR_MODEL, "a window of %lld x %lld does not fit its input %s",
                (long long)kernel->dims[0], (long long)kernel->dims[1], shape_print(in).text);
    }
    TRY(stretched(x, &a, a, &w, s));
    TRY(turned_weights(x, &weights, weights, w.groups));
    struct graph_node *n;
    TRY(expand_node(x, GRAPH_CONV2D, NULL, (const int[]){a, weights}, 2, &n));
    n->window = (struct graph_window){
        .nchw = w.nchw,
        .padding = GRAPH_EXPLICIT,
        .stride = {1, 1},
        .dilation = {w.dilation[0], w.dilation[1]},
        .pad = {s[0].pad[0], s[0].pad[1], s[1].pad[0], s[1].pad[1]},
    };
    return expand_settle(x, out);
}
