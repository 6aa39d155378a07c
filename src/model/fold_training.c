/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropout, which frozen graphs of older tools still contain: a value is scaled up and multiplied by
 * a random 0 or 1 whose mean undoes the scale. At inference that is an identity. The forms are
 *
 *   x / keep * floor(keep + u)       x * (1/keep) * cast(u >= rate)       select(u >= rate, ..., 0)
 *
 * with u uniform in [0, 1). Anything else that is random is left alone, and refused later. */
#include <math.h>

#include "model/graph_internal.h"

#define CLOSE 1e-5

static bool close_to(double x, double y)
{
    return fabs(x - y) <= CLOSE * (fabs(y) + CLOSE);
}

/* The value of a constant of one real number. */
static bool constant_number(const struct graph_node *n, double *value)
{
    if (n->op != GRAPH_CONST || n->integers || n->value.count != 1)
        return false;
    *value = (double)n->value.f[0];
    return true;
}

/* The constant of a node with a constant and another input; *other is that one. */
static bool constant_side(const struct graph_build *b, const struct graph_node *n, double *value,
                          const struct graph_node **other)
{
    for (unsigned k = 0; k < 2; k++)
        if (constant_number(graph_input(b, n, k), value)) {
            *other = graph_input(b, n, 1 - k);
            return true;
        }
    return false;
}

/* Uniform in [0, 1): the operator itself, and that times 1 plus 0. */
static bool is_uniform(const struct graph_build *b, const struct graph_node *n)
{
    double c;
    const struct graph_node *other;
    for (int depth = 0; depth < 4; depth++) {
        if (n->op == GRAPH_RANDOM)
            return true;
        if ((n->op != GRAPH_MUL && n->op != GRAPH_ADD) || !constant_side(b, n, &c, &other) ||
            !close_to(c, n->op == GRAPH_MUL ? 1 : 0))
            return false;
        n = other;
    }
    return false;
}

/* The probability that a random truth value, or number 0 or 1, is not 0. */
static bool mask_mean(const struct graph_build *b, const struct graph_node *n, double *mean)
{
    const struct graph_node *other;
    if (n->op == GRAPH_CAST || n->op == GRAPH_IDENTITY)
        n = graph_input(b, n, 0);
    if (n->op == GRAPH_FLOOR) {
        n = graph_input(b, n, 0);
        return n->op == GRAPH_ADD && constant_side(b, n, mean, &other) && is_uniform(b, other);
    }
    const bool above = n->op == GRAPH_GREATER_EQUAL || n->op == GRAPH_GREATER;
    if ((!above && n->op != GRAPH_LESS && n->op != GRAPH_LESS_EQUAL) ||
        !constant_number(graph_input(b, n, 1), mean) || !is_uniform(b, graph_input(b, n, 0)))
        return false;
    *mean = above ? 1 - *mean : *mean;
    return true;
}

/* The number of the node that was scaled by 1/mean, or -1. */
static int unscaled(const struct graph_build *b, int node, double mean)
{
    const struct graph_node *n = &b->g->nodes[node];
    double c;
    if (n->op == GRAPH_DIV && constant_number(graph_input(b, n, 1), &c) && close_to(c, mean))
        return n->inputs[0];
    for (unsigned k = 0; n->op == GRAPH_MUL && k < 2; k++)
        if (constant_number(graph_input(b, n, k), &c) && close_to(c * mean, 1))
            return n->inputs[1 - k];
    return close_to(mean, 1) ? node : -1;
}

bool fold_dropout(const struct graph_build *b, struct graph_node *n)
{
    double mean, zero;
    int data = -1;
    if (n->op == GRAPH_MUL) {
        for (unsigned k = 0; data < 0 && k < 2; k++)
            if (!graph_input(b, n, 1 - k)->random && mask_mean(b, graph_input(b, n, k), &mean))
                data = unscaled(b, n->inputs[1 - k], mean);
    } else if (n->op == GRAPH_SELECT && !graph_input(b, n, 1)->random &&
               constant_number(graph_input(b, n, 2), &zero) && close_to(zero, 0) &&
               mask_mean(b, graph_input(b, n, 0), &mean)) {
        data = unscaled(b, n->inputs[1], mean);
    }
    if (data < 0 || b->g->nodes[data].rank != n->rank)
        return false;
    n->op = GRAPH_IDENTITY;
    n->inputs[0] = data;
    n->n_inputs = 1;
    graph_copy_shape(n, &b->g->nodes[data]);
    return true;
}
