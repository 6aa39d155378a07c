/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations made of ReLU, sums and products. Bounds and factors that an operator's attributes
 * give are attributes here, too; the slopes of a PRelu are weights, and what is computed from them
 * stays one. */
#include "model/compose.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct hint {
    char text[48];
};

/* "relu(x-6)", "relu(x)", "relu(x+1)" */
static struct hint hint_above(float low)
{
    struct hint h = {"relu(x)"};
    if (low != 0)
        (void)snprintf(h.text, sizeof h.text, "relu(x%+g)", -(double)low);
    return h;
}

/* a + c */
static mp2ml_status shifted(struct graph_expand *x, int *out, const char *suffix, int a, float c)
{
    int shift;
    TRY(expand_scalar(x, &shift, "shift", c));
    return expand_binary(x, out, GRAPH_ADD, suffix, a, shift);
}

/* max(a - low, 0) */
static mp2ml_status above(struct graph_expand *x, int *out, const char *suffix, int a, float low)
{
    if (low != 0)
        TRY(shifted(x, &a, "(x-low)", a, -low));
    return expand_unary(x, out, GRAPH_RELU, suffix, a);
}

/* min(a, high) = high - relu(high - a) */
static mp2ml_status at_most(struct graph_expand *x, int *out, const char *suffix, int a, float high)
{
    int bound, rest;
    TRY(expand_scalar(x, &bound, "high", high));
    TRY(expand_binary(x, &rest, GRAPH_SUB, "(high-x)", bound, a));
    TRY(expand_unary(x, &rest, GRAPH_RELU, "relu(high-x)", rest));
    return expand_binary(x, out, GRAPH_SUB, suffix, bound, rest);
}

/* With both ends: relu(a - low) - relu(a - high) + low. The two ReLUs stand side by side: they take
 * the rounds of one. */
static mp2ml_status clip(struct graph_expand *x, int *out, const char *suffix, int a, float low,
                         float high)
{
    const bool raised = low != 0;
    if (high >= FLT_MAX) {
        TRY(above(x, out, raised ? hint_above(low).text : suffix, a, low));
    } else {
        int first, second;
        TRY(above(x, &first, hint_above(low).text, a, low));
        TRY(above(x, &second, hint_above(high).text, a, high));
        TRY(expand_binary(x, out, GRAPH_SUB, raised ? "difference" : suffix, first, second));
    }
    return raised ? shifted(x, out, suffix, *out, low) : MP2ML_OK;
}

mp2ml_status compose_clip(struct graph_expand *x, int *out, int a, float low, float high)
{
    if (isnan(low) || isnan(high) || low >= FLT_MAX || high <= -FLT_MAX)
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "clips to %g .. %g", (double)low,
                               (double)high);
    if (low > -FLT_MAX)
        return clip(x, out, NULL, a, low < high ? low : high, high);
    if (high < FLT_MAX)
        return at_most(x, out, NULL, a, high);
    return expand_unary(x, out, GRAPH_IDENTITY, NULL, a);
}

static mp2ml_status hard_sigmoid(struct graph_expand *x, int *out, const char *suffix, int a,
                                 float alpha, float beta)
{
    int factor;
    if (!isfinite(alpha) || !isfinite(beta))
        return graph_node_fail(x->b, x->node, MP2ML_ERR_MODEL, "alpha is %g and beta is %g",
                               (double)alpha, (double)beta);
    TRY(expand_scalar(x, &factor, "alpha", alpha));
    TRY(expand_binary(x, &a, GRAPH_MUL, "alpha*x", a, factor));
    if (beta != 0)
        TRY(shifted(x, &a, "alpha*x+beta", a, beta));
    return clip(x, out, suffix, a, 0, 1);
}

mp2ml_status compose_hard_sigmoid(struct graph_expand *x, int *out, int a, float alpha, float beta)
{
    return hard_sigmoid(x, out, NULL, a, alpha, beta);
}

mp2ml_status compose_hard_swish(struct graph_expand *x, int *out, int a)
{
    int gate;
    TRY(hard_sigmoid(x, &gate, "hard_sigmoid", a, 1.0F / 6, 0.5F));
    return expand_binary(x, out, GRAPH_MUL, NULL, a, gate);
}

/* slope * a + (1 - slope) * relu(a): one ReLU, whatever the slopes are. */
mp2ml_status compose_prelu(struct graph_expand *x, int *out, int a, int slope)
{
    int one, rest, relu, first, second;
    const struct graph_build *b = x->b;
    if (b->g->nodes[slope].batched || b->g->nodes[slope].integers)
        return graph_node_fail(b, x->node, MP2ML_ERR_UNSUPPORTED,
                               "the slope must be a constant of real numbers");
    TRY(expand_scalar(x, &one, "1", 1));
    TRY(expand_binary(x, &rest, GRAPH_SUB, "1-a", one, slope));
    TRY(expand_unary(x, &relu, GRAPH_RELU, "relu(x)", a));
    TRY(expand_binary(x, &first, GRAPH_MUL, "(1-a)*relu(x)", relu, rest));
    TRY(expand_binary(x, &second, GRAPH_MUL, "a*x", a, slope));
    TRY(expand_binary(x, out, GRAPH_ADD, NULL, first, second));
    const struct graph_node *from = &b->g->nodes[a], *to = &b->g->nodes[*out];
    if (to->rank != from->rank || memcmp(to->dims, from->dims, to->rank * sizeof *to->dims) != 0)
        return graph_node_fail(b, x->node, MP2ML_ERR_MODEL,
                               "a slope of shape %s does not fit shape %s",
                               shape_print(&b->g->nodes[slope]).text, shape_print(from).text);
    return MP2ML_OK;
}

/* Lookup -------------------------------------------------------------------------------------- */

/* Rows of the matrix: half of what row j has more than row j - 1, for j = 1, ..., n-1. */
static mp2ml_status halves_of(struct graph_expand *x, int *out, const float *t, int64_t n,
                              int64_t width)
{
    float *to;
    TRY(expand_floats(x, out, "halves", (const int64_t[]){n - 1, width}, 2, &to));
    for (int64_t j = 0; j < (n - 1) * width; j++)
        to[j] = (t[width + j] - t[j]) / 2;
    return MP2ML_OK;
}

/* sign(a - 1/2), ..., sign(a - (n - 3/2)) on a new last axis: 1 for each row that a has reached. */
static mp2ml_status steps_of(struct graph_expand *x, int *out, int a, int64_t n)
{
    const struct graph_node *from = &x->b->g->nodes[a];
    int64_t dims[GRAPH_MAX_RANK];
    const unsigned rank = from->rank;
    int one, knots, beyond;
    float *at;
    struct graph_node *sign;
    memcpy(dims, from->dims, sizeof dims);
    dims[rank] = 1;
    TRY(expand_reshape(x, &one, "index", a, dims, rank + 1));
    TRY(expand_floats(x, &knots, "knots", (const int64_t[]){n - 1}, 1, &at));
    for (int64_t k = 0; k < n - 1; k++)
        at[k] = (float)k + 0.5F;
    x->b->g->nodes[knots].attribute = true;
    TRY(expand_binary(x, &beyond, GRAPH_SUB, "beyond", one, knots));
    TRY(expand_node(x, GRAPH_SIGN, "steps", &beyond, 1, &sign));
    sign->real = 0.5F; /* so far are whole numbers from the knots */
    return expand_settle(x, out);
}

/* Where a is an input that has only been moved, it holds numbers of rows. */
static void mark_input(const struct graph_expand *x, int a, int64_t n)
{
    static const enum graph_op moving[] = {GRAPH_RESHAPE,     GRAPH_IDENTITY,     GRAPH_CAST,
                                           GRAPH_TRANSPOSE,   GRAPH_SQUEEZE,      GRAPH_GATHER,
                                           GRAPH_EXPAND_DIMS, GRAPH_STRIDED_SLICE};
    struct graph_node *at = &x->b->g->nodes[a];
    for (size_t k = 0; k < sizeof moving / sizeof *moving;)
        if (at->op == moving[k]) {
            at = &x->b->g->nodes[at->inputs[0]];
            k = 0;
        } else {
            k++;
        }
    if (at->op == GRAPH_INPUT && (at->lookup_rows == 0 || n < at->lookup_rows))
        at->lookup_rows = n;
}

mp2ml_status compose_lookup(struct graph_expand *x, int *out, int a, int table)
{
    const struct graph_node *t = &x->b->g->nodes[table], *from = &x->b->g->nodes[a];
    const float *rows = t->value.f; /* stays where it is when nodes move */
    int64_t dims[GRAPH_MAX_RANK];
    unsigned rank = from->rank;
    const int64_t n = t->rank != 0 ? t->dims[0] : 0;
    if (rows == NULL || n < 2 || n > COMPOSE_MAX_ROWS || rank + t->rank > GRAPH_MAX_RANK)
        return graph_node_fail(
            x->b, x->node, MP2ML_ERR_UNSUPPORTED,
            "looks up in a table of shape %s by the data; tables of 2 to %d rows "
            "of real numbers have a private form",
            shape_print(t).text, COMPOSE_MAX_ROWS);
    const int64_t width = (int64_t)t->value.count / n;
    memcpy(dims, from->dims, sizeof dims);
    for (unsigned d = 1; d < t->rank; d++)
        dims[rank++] = t->dims[d];
    int steps, halves, middle, sum;
    float *offset;
    mark_input(x, a, n);
    TRY(steps_of(x, &steps, a, n));
    TRY(halves_of(x, &halves, rows, n, width));
    TRY(expand_floats(x, &middle, "middle", (const int64_t[]){width}, 1, &offset));
    for (int64_t c = 0; c < width; c++)
        offset[c] = (rows[c] + rows[(n - 1) * width + c]) / 2;
    TRY(expand_binary(x, &sum, GRAPH_MATMUL, "halves", steps, halves));
    TRY(expand_binary(x, &sum, GRAPH_ADD, "rows", sum, middle));
    return expand_reshape(x, out, NULL, sum, dims, rank);
}
