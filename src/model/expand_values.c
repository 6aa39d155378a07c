/* SPDX-License-Identifier: Apache-2.0
 *
 * Expand rules of what computes values: only sums, products and ReLU are left. */
#include <math.h>
#include <string.h>

#include "model/compose.h"

static int input(const struct graph_expand *x, unsigned k)
{
    return x->node->inputs[k];
}

static mp2ml_status shape_of_weights(struct graph_expand *x, int *out, int weights,
                                     const int64_t *dims)
{
    int shape;
    int64_t *values;
    TRY(expand_integers(x, &shape, "shape", (const int64_t[]){4}, 1, &values));
    memcpy(values, dims, 4 * sizeof *dims);
    return expand_binary(x, out, GRAPH_RESHAPE, "weights", weights, shape);
}

/* [h][w][c][t] is in memory what [h][w][1][c * t] is. */
mp2ml_status expand_depthwise(struct graph_expand *x, int *out)
{
    const int64_t *d = x->b->g->nodes[input(x, 1)].dims;
    const int64_t dims[4] = {d[0], d[1], 1, d[2] * d[3]};
    int weights;
    TRY(shape_of_weights(x, &weights, input(x, 1), dims));
    struct graph_node *n;
    TRY(expand_node(x, GRAPH_CONV2D, NULL, (const int[]){input(x, 0), weights}, 2, &n));
    n->window = x->node->window;
    return expand_settle(x, out);
}

mp2ml_status expand_batch_norm(struct graph_expand *x, int *out)
{
    const struct graph_node *v[5];
    for (unsigned k = 1; k < 5; k++)
        v[k] = &x->b->g->nodes[input(x, k)];
    const int64_t channels = v[1]->dims[0];
    int64_t dims[GRAPH_MAX_RANK] = {channels, 1, 1, 1, 1, 1, 1, 1};
    const unsigned rank = x->node->nchw ? x->node->rank - 1 : 1;
    const float *in[5] = {NULL};
    for (unsigned k = 1; k < 5; k++)
        in[k] = v[k]->value.f; /* stays where it is when nodes move */
    int scale, offset, product;
    float *factor, *shift;
    TRY(expand_floats(x, &scale, "scale", dims, rank, &factor));
    TRY(expand_floats(x, &offset, "offset", dims, rank, &shift));
    for (int64_t ch = 0; ch < channels; ch++) {
        const double f = (double)in[1][ch] / sqrt((double)in[4][ch] + (double)x->node->real);
        factor[ch] = (float)f;
        shift[ch] = (float)((double)in[2][ch] - (double)in[3][ch] * f);
    }
    TRY(expand_binary(x, &product, GRAPH_MUL, "scaled", input(x, 0), scale));
    return expand_binary(x, out, GRAPH_ADD, NULL, product, offset);
}

mp2ml_status expand_add_n(struct graph_expand *x, int *out)
{
    const unsigned n = x->node->n_inputs;
    *out = input(x, 0);
    if (n == 1)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, *out);
    for (unsigned k = 1; k < n; k++)
        TRY(expand_binary(x, out, GRAPH_ADD, k + 1 == n ? NULL : "sum", *out, input(x, k)));
    return MP2ML_OK;
}

/* RELU(x-y) + y; the constant of the two as y. */
mp2ml_status expand_maximum(struct graph_expand *x, int *out)
{
    const bool swap = !x->b->g->nodes[input(x, 0)].batched;
    const int a = input(x, swap), b = input(x, !swap);
    int difference, rest;
    TRY(expand_binary(x, &difference, GRAPH_SUB, "(x-y)", a, b));
    TRY(expand_unary(x, &rest, GRAPH_RELU, "relu(x-y)", difference));
    return expand_binary(x, out, GRAPH_ADD, NULL, rest, b);
}

/* y - RELU(y-x) */
mp2ml_status expand_minimum(struct graph_expand *x, int *out)
{
    const bool swap = !x->b->g->nodes[input(x, 0)].batched;
    const int a = input(x, swap), b = input(x, !swap);
    int difference, rest;
    TRY(expand_binary(x, &difference, GRAPH_SUB, "(y-x)", b, a));
    TRY(expand_unary(x, &rest, GRAPH_RELU, "relu(y-x)", difference));
    return expand_binary(x, out, GRAPH_SUB, NULL, b, rest);
}

mp2ml_status expand_relu6(struct graph_expand *x, int *out)
{
    return compose_clip(x, out, input(x, 0), 0, 6);
}

mp2ml_status expand_leaky_relu(struct graph_expand *x, int *out)
{
    int slope;
    TRY(expand_scalar(x, &slope, "a", x->node->real));
    return compose_prelu(x, out, input(x, 0), slope);
}

mp2ml_status expand_abs(struct graph_expand *x, int *out)
{
    int two, relu, twice;
    TRY(expand_scalar(x, &two, "2", 2));
    TRY(expand_unary(x, &relu, GRAPH_RELU, "relu(x)", input(x, 0)));
    TRY(expand_binary(x, &twice, GRAPH_MUL, "2*relu(x)", relu, two));
    return expand_binary(x, out, GRAPH_SUB, NULL, twice, input(x, 0));
}

static mp2ml_status negate(struct graph_expand *x, int *out, const char *suffix, int a)
{
    int minus;
    TRY(expand_scalar(x, &minus, "-1", -1));
    return expand_binary(x, out, GRAPH_MUL, suffix, a, minus);
}

mp2ml_status expand_neg(struct graph_expand *x, int *out)
{
    return negate(x, out, NULL, input(x, 0));
}

mp2ml_status expand_argmin(struct graph_expand *x, int *out)
{
    int minus;
    struct graph_node *n;
    const int64_t axis = x->node->axis, last = x->node->mask[0];
    TRY(negate(x, &minus, "-x", input(x, 0)));
    TRY(expand_node(x, GRAPH_ARGMAX, NULL, &minus, 1, &n));
    n->axis = axis;
    n->mask[0] = last;
    return expand_settle(x, out);
}

mp2ml_status expand_square(struct graph_expand *x, int *out)
{
    return expand_binary(x, out, GRAPH_MUL, NULL, input(x, 0), input(x, 0));
}

mp2ml_status expand_squared_difference(struct graph_expand *x, int *out)
{
    int difference;
    TRY(expand_binary(x, &difference, GRAPH_SUB, "(x-y)", input(x, 0), input(x, 1)));
    return expand_binary(x, out, GRAPH_MUL, NULL, difference, difference);
}

/* Whole powers up to 3 of data. */
mp2ml_status expand_pow(struct graph_expand *x, int *out)
{
    const struct graph_node *power = &x->b->g->nodes[input(x, 1)];
    const float p = !power->batched && power->value.count == 1 && power->value.f != NULL
                        ? power->value.f[0]
                        : 0;
    if (!(p >= 1 && p <= 3 && floorf(p) >= p))
        return graph_node_fail(x->b, x->node, MP2ML_ERR_UNSUPPORTED,
                               "data are raised to the powers 1, 2 and 3 only");
    int square;
    if (p < 2)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, input(x, 0));
    if (p < 3)
        return expand_binary(x, out, GRAPH_MUL, NULL, input(x, 0), input(x, 0));
    TRY(expand_binary(x, &square, GRAPH_MUL, "x*x", input(x, 0), input(x, 0)));
    return expand_binary(x, out, GRAPH_MUL, NULL, square, input(x, 0));
}

/* Reductions ---------------------------------------------------------------------------------- */

/* Data as a picture whose pooling is the reduction. */
struct pooled {
    int node;
    bool nchw;
    int64_t kernel[2];
};

/* (?, before, reduced, behind), where the reduced axes are neighbours or are brought together. */
static mp2ml_status as_picture(struct graph_expand *x, struct pooled *p, int a)
{
    const struct graph_node *from = &x->b->g->nodes[a];
    const struct graph_node *n = x->node;
    const unsigned rank = from->rank;
    int64_t order[GRAPH_MAX_RANK] = {0}, sizes[4] = {GRAPH_BATCH, 1, 1, 1};
    const unsigned first = (unsigned)n->list[0];
    const bool together = n->list[n->n_list - 1] - n->list[0] + 1 == (int64_t)n->n_list;
    unsigned kept = 1, moved = rank - n->n_list;
    for (unsigned d = 1, k = 0; d < rank; d++) {
        const bool reduced = k < n->n_list && n->list[k] == d;
        k += reduced;
        sizes[reduced ? 2 : together && d > first ? 3 : 1] *= from->dims[d]; /* <= 2^31 in all */
        order[reduced ? moved++ : kept++] = d;
    }
    p->node = a;
    p->nchw = false;
    p->kernel[0] = 1;
    p->kernel[1] = sizes[2];
    if (!together)
        TRY(expand_transpose(x, &p->node, "transposed", a, order, rank));
    return expand_reshape(x, &p->node, "flat", p->node, sizes, 4);
}

static mp2ml_status pool_form(struct graph_expand *x, struct pooled *p, int a)
{
    const struct graph_node *from = &x->b->g->nodes[a];
    const int64_t *list = x->node->list;
    if (from->rank != 4 || x->node->n_list != 2 || list[1] != list[0] + 1)
        return as_picture(x, p, a);
    p->node = a;
    p->nchw = list[0] == 2; /* pictures as they are */
    p->kernel[0] = from->dims[list[0]];
    p->kernel[1] = from->dims[list[1]];
    return MP2ML_OK;
}

static mp2ml_status pool(struct graph_expand *x, int *out, int a, bool mean)
{
    struct pooled p;
    struct graph_node *n;
    TRY(pool_form(x, &p, a));
    TRY(expand_node(x, mean ? GRAPH_AVG_POOL : GRAPH_MAX_POOL, "pool", &p.node, 1, &n));
    n->window = (struct graph_window){
        .nchw = p.nchw,
        .padding = GRAPH_VALID,
        .kernel = {p.kernel[0], p.kernel[1]},
        .stride = {1, 1},
        .dilation = {1, 1},
    };
    return expand_settle(x, out);
}

mp2ml_status expand_reduce(struct graph_expand *x, int *out)
{
    const struct graph_node *n = x->node;
    const bool sum = n->op == GRAPH_REDUCE_SUM, least = n->op == GRAPH_REDUCE_MIN;
    int a = input(x, 0), factor;
    int64_t parts = 1;
    if (n->n_list == 0)
        return expand_unary(x, out, GRAPH_IDENTITY, NULL, a);
    for (unsigned k = 0; k < n->n_list; k++)
        parts *= x->b->g->nodes[a].dims[n->list[k]];
    if (least)
        TRY(negate(x, &a, "(-x)", a));
    TRY(pool(x, &a, a, sum || n->op == GRAPH_REDUCE_MEAN));
    if (!sum && !least)
        return expand_reshape(x, out, NULL, a, n->dims, n->rank);
    TRY(expand_reshape(x, &a, "pooled", a, n->dims, n->rank));
    if (least)
        return negate(x, out, NULL, a);
    TRY(expand_scalar(x, &factor, "count", (float)parts));
    return expand_binary(x, out, GRAPH_MUL, NULL, a, factor);
}
