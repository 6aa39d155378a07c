/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution, matrix product and pooling as maps from the elements of their operand. What lies
 * outside of the operand has no column. */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

#define MOST_TAPS (1 << 22)          /* a mean over a whole picture is a pool, too */
#define MOST_READS ((size_t)1 << 31) /* by all windows together; 4 bytes each */

struct plane { /* a tensor of one sample: height, width, channels, and where an element lies */
    int64_t h, w, c;
    bool nchw;
};

static struct plane plane_of(const struct graph_node *node, bool nchw)
{
    const int64_t *d = node->dims + 1;
    struct plane p = {nchw ? d[1] : d[0], nchw ? d[2] : d[1], nchw ? d[0] : d[2], nchw};
    return p;
}

static uint32_t plane_at(const struct plane *p, int64_t y, int64_t x, int64_t c)
{
    int64_t at = p->nchw ? (c * p->h + y) * p->w + x : (y * p->w + x) * p->c + c;
    return (uint32_t)at;
}

struct tap {   /* one place of a window that lies inside of the operand */
    int32_t k; /* its number in the kernel, row major */
    int32_t y, x;
};

/* The taps of the window at (oy, ox); their number. */
static size_t window_taps(struct tap *taps, const struct graph_window *w, const struct plane *in,
                          int64_t oy, int64_t ox)
{
    size_t n = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++) {
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = oy * w->stride[0] + ky * w->dilation[0] - w->pad[0];
            int64_t x = ox * w->stride[1] + kx * w->dilation[1] - w->pad[2];
            if (y >= 0 && y < in->h && x >= 0 && x < in->w)
                taps[n++] = (struct tap){(int32_t)(ky * w->kernel[1] + kx), (int32_t)y, (int32_t)x};
        }
    }
    return n;
}

/* Checks rank and window and allocates room for one window's taps. */
static mp2ml_status window_begin(struct lower *lw, struct tap **taps, struct plane *in,
                                 struct plane *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_window *w = &node->window;
    const struct graph_node *operand = lower_input(lw, 0);
    if (operand->rank != 4 || node->rank != 4)
        return lower_fail(lw, "has an operand that is not a batch of pictures");
    for (unsigned d = 0; d < 2; d++)
        if (w->kernel[d] < 1 || w->kernel[d] > MOST_TAPS || w->stride[d] < 1 || w->dilation[d] < 1)
            return lower_fail(lw, "has a window that makes no sense");
    if (w->kernel[0] * w->kernel[1] > MOST_TAPS)
        return lower_fail(lw, "has a window of more than %d places", MOST_TAPS);
    *in = plane_of(operand, w->nchw);
    *out = plane_of(node, w->nchw);
    size_t n = (size_t)(w->kernel[0] * w->kernel[1]), reads;
    if (!size_mul(&reads, n, (size_t)(out->h * out->w)) ||
        !size_mul(&reads, reads, (size_t)in->c) || reads > MOST_READS)
        return lower_fail(lw, "reads more than 2^31 values in all its windows");
    *taps = calloc(n + 1, sizeof **taps);
    return *taps != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* weights[o][tap][ci] of kernel HWIO for the given taps and outputs first_o .. first_o + n_o - 1.
 */
static void fill_conv(float *block, const float *kernel, const struct tap *taps, size_t n_taps,
                      size_t ci, size_t co, size_t first_o, size_t n_o)
{
    for (size_t t = 0; t < n_taps; t++)
        for (size_t i = 0; i < ci; i++) {
            const float *from = kernel + ((size_t)taps[t].k * ci + i) * co + first_o;
            for (size_t o = 0; o < n_o; o++)
                block[(o * n_taps + t) * ci + i] = from[o];
        }
}

struct conv { /* one convolution; channels of one of its groups */
    const struct graph_window *window;
    const float *kernel;
    struct plane in, out;
    size_t ci, co; /* of a group */
    size_t groups;
    const struct tap *used; /* [n_used]: taps that lie inside of the operand at some position */
    size_t n_used;
    const int32_t *column; /* [taps of the kernel]: which of them it is */
};

/* All groups of channels of the output at one position. A block has the columns of all taps, a
 * position at the border those that it reads. */
static void conv_position(struct linear_builder *b, const struct conv *c, struct tap *taps,
                          int64_t y, int64_t x)
{
    size_t n = window_taps(taps, c->window, &c->in, y, x), weights_at;
    for (size_t q = 0; q < c->groups; q++) {
        if (!linear_builder_block(b, &q, sizeof q, NULL, c->n_used * c->ci * c->co, &weights_at))
            fill_conv(b->lin.w + weights_at, c->kernel, c->used, c->n_used, c->ci,
                      c->co * c->groups, q * c->co, c->co);
        linear_builder_begin(b);
        for (size_t t = 0; t < n; t++)
            for (size_t i = 0; i < c->ci; i++)
                linear_builder_column(
                    b, plane_at(&c->in, taps[t].y, taps[t].x, (int64_t)(q * c->ci + i)),
                    (uint32_t)((size_t)c->column[taps[t].k] * c->ci + i));
        for (size_t o = 0; o < c->co; o++)
            linear_builder_out(b, plane_at(&c->out, y, x, (int64_t)(q * c->co + o)));
        linear_builder_end(b, weights_at, c->n_used * c->ci);
    }
}

/* Fills used, n_used and column from what every window reads; NULL when memory is short. */
static int32_t *conv_taps(struct conv *c, struct tap *taps)
{
    const size_t all = (size_t)(c->window->kernel[0] * c->window->kernel[1]);
    int32_t *column = calloc(all + 1, sizeof *column + sizeof(struct tap));
    if (column == NULL)
        return NULL;
    for (int64_t at = 0; at < c->out.h * c->out.w; at++)
        for (size_t n = window_taps(taps, c->window, &c->in, at / c->out.w, at % c->out.w); n > 0;)
            column[taps[--n].k] = 1;
    struct tap *used = (struct tap *)(column + all + 1);
    for (size_t k = 0; k < all; k++)
        if (column[k] != 0) {
            column[k] = (int32_t)c->n_used;
            used[c->n_used++] = (struct tap){(int32_t)k, 0, 0};
        }
    c->used = used;
    c->column = column;
    return column;
}

mp2ml_status lower_conv_map(struct lower *lw, struct linear *map)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *kernel = lower_input(lw, 1);
    if (kernel->batched || kernel->value.f == NULL || kernel->rank != 4)
        return lower_fail(lw, "has a kernel that is not constant");
    struct conv c = {.window = &node->window, .kernel = kernel->value.f};
    struct tap *taps;
    TRY(window_begin(lw, &taps, &c.in, &c.out));
    int64_t groups = node->window.groups > 0 ? node->window.groups : 1;
    if (kernel->dims[0] != node->window.kernel[0] || kernel->dims[1] != node->window.kernel[1] ||
        kernel->dims[2] * groups != c.in.c || kernel->dims[3] != c.out.c || c.out.c % groups != 0) {
        free(taps);
        return lower_fail(lw, "has a kernel that does not fit its operand");
    }
    c.groups = (size_t)groups;
    c.ci = (size_t)(c.in.c / groups);
    c.co = (size_t)(c.out.c / groups);
    int32_t *column = conv_taps(&c, taps);
    if (column == NULL) {
        free(taps);
        return MP2ML_ERR_MEMORY;
    }
    struct linear_builder b;
    linear_builder_init(&b, graph_sample_count(lower_input(lw, 0)), graph_sample_count(node));
    for (int64_t at = 0; at < c.out.h * c.out.w && !b.failed; at++)
        conv_position(&b, &c, taps, at / c.out.w, at % c.out.w);
    free(column);
    free(taps);
    return linear_builder_take(&b, map);
}

mp2ml_status lower_pool_map(struct lower *lw, struct linear *map)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    struct tap *taps;
    struct plane in, out;
    TRY(window_begin(lw, &taps, &in, &out));
    struct linear_builder b;
    linear_builder_init(&b, graph_sample_count(lower_input(lw, 0)), graph_sample_count(node));
    for (int64_t at = 0; at < out.h * out.w && !b.failed; at++) {
        size_t n = window_taps(taps, &node->window, &in, at / out.w, at % out.w), weights_at;
        if (!linear_builder_block(&b, &n, sizeof n, NULL, n, &weights_at))
            for (size_t t = 0; t < n; t++)
                b.lin.w[weights_at + t] = 1.0f / (float)n;
        for (int64_t c = 0; c < out.c; c++) {
            linear_builder_begin(&b);
            for (size_t t = 0; t < n; t++)
                linear_builder_in(&b, plane_at(&in, taps[t].y, taps[t].x, c));
            linear_builder_out(&b, plane_at(&out, at / out.w, at % out.w, c));
            linear_builder_end(&b, weights_at, 0);
        }
    }
    free(taps);
    return linear_builder_take(&b, map);
}

mp2ml_status lower_max_windows(struct lower *lw, struct mpc_windows *windows)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    struct tap *taps;
    struct plane in, out;
    TRY(window_begin(lw, &taps, &in, &out));
    size_t count = graph_sample_count(node), n_members = 0, cap = 0;
    uint32_t *member = NULL, *first = calloc(count + 1, sizeof *first);
    mp2ml_status status = first != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < count; i++) {
        /* i runs in the order of the output's elements. */
        int64_t rest = (int64_t)i, y, x, c;
        if (out.nchw) {
            x = rest % out.w, rest /= out.w;
            y = rest % out.h, c = rest / out.h;
        } else {
            c = rest % out.c, rest /= out.c;
            x = rest % out.w, y = rest / out.w;
        }
        size_t n = window_taps(taps, &node->window, &in, y, x);
        if (n == 0)
            status = lower_fail(lw, "has a window without any element");
        else if (!linear_grow(&member, &cap, n_members + n, sizeof *member))
            status = MP2ML_ERR_MEMORY;
        for (size_t t = 0; status == MP2ML_OK && t < n; t++)
            member[n_members++] = plane_at(&in, taps[t].y, taps[t].x, c);
        if (status == MP2ML_OK)
            first[i + 1] = (uint32_t)n_members;
    }
    free(taps);
    *windows = (struct mpc_windows){count, first, member};
    if (status != MP2ML_OK)
        plan_windows_wipe(windows);
    return status;
}

mp2ml_status lower_matmul_map(struct lower *lw, struct linear *map)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0), *matrix = lower_input(lw, 1);
    if (!in->batched || matrix->batched || matrix->value.f == NULL || matrix->rank != 2)
        return lower_fail(lw, "is not a product with a constant matrix on the right");
    if (node->transpose_a || in->rank < 2)
        return lower_fail(lw, "transposes the operand that depends on the input");
    size_t n = (size_t)matrix->dims[node->transpose_b ? 1 : 0];
    size_t m = (size_t)matrix->dims[node->transpose_b ? 0 : 1];
    size_t places = n != 0 ? graph_sample_count(in) / n : 0;
    if ((size_t)in->dims[in->rank - 1] != n || places * m != graph_sample_count(node))
        return lower_fail(lw, "has a matrix that does not fit its operand");
    struct linear_builder b;
    linear_builder_init(&b, places * n, places * m);
    size_t weights_at;
    if (!linear_builder_block(&b, NULL, 0, NULL, n * m, &weights_at))
        for (size_t r = 0; r < m; r++)
            for (size_t c = 0; c < n; c++)
                b.lin.w[weights_at + r * n + c] =
                    matrix->value.f[node->transpose_b ? r * n + c : c * m + r];
    for (size_t p = 0; p < places; p++) {
        linear_builder_begin(&b);
        for (size_t c = 0; c < n; c++)
            linear_builder_in(&b, (uint32_t)(p * n + c));
        for (size_t r = 0; r < m; r++)
            linear_builder_out(&b, (uint32_t)(p * m + r));
        linear_builder_end(&b, weights_at, 0);
    }
    return linear_builder_take(&b, map);
}
