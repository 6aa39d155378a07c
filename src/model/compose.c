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
