/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions over the axes in the node's list. */
#include <math.h>
#include <string.h>

#include "model/graph_internal.h"

struct reduction {
    size_t strides[GRAPH_MAX_RANK]; /* of the output in the input's axes; 0 on reduced ones */
    size_t parts;                   /* values that become one */
};

static struct reduction reduction_of(const struct eval_call *c)
{
    const struct eval_view *x = &c->in[0];
    struct reduction r = {.parts = 1};
    bool reduced[GRAPH_MAX_RANK] = {false};
    for (unsigned k = 0; k < c->node->n_list; k++)
        reduced[c->node->list[k]] = true;
    size_t stride = 1;
    for (unsigned d = x->rank; d-- > 0;) {
        if (reduced[d]) {
            r.parts *= x->dims[d];
            continue;
        }
        r.strides[d] = stride;
        stride *= x->dims[d];
    }
    return r;
}

static size_t place(const struct reduction *r, const struct eval_view *x, size_t k)
{
    size_t to = 0;
    for (unsigned d = x->rank; d-- > 0; k /= x->dims[d])
        to += k % x->dims[d] * r->strides[d];
    return to;
}

enum reducing { SUM, PRODUCT, MOST, LEAST };

static mp2ml_status reduce_floats(const struct eval_call *c, enum reducing how, float start)
{
    const struct eval_view *x = &c->in[0];
    const struct reduction r = reduction_of(c);
    for (size_t k = 0; k < c->shape.count; k++)
        c->f[k] = start;
    for (size_t k = 0; k < x->count; k++) {
        float *to = &c->f[place(&r, x, k)];
        const float v = x->f[k];
        switch (how) {
        case SUM:
            *to += v;
            break;
        case PRODUCT:
            *to *= v;
            break;
        case MOST:
            *to = v > *to ? v : *to;
            break;
        case LEAST:
            *to = v < *to ? v : *to;
            break;
        }
    }
    return MP2ML_OK;
}

/* Sizes times the batch are -sizes; sums and comparisons with it are refused. */
static mp2ml_status reduce_integers(const struct eval_call *c, enum reducing how, int64_t start)
{
    const struct eval_view *x = &c->in[0];
    const struct reduction r = reduction_of(c);
    for (size_t k = 0; k < c->shape.count; k++)
        c->i[k] = start;
    for (size_t k = 0; k < x->count; k++) {
        int64_t *to = &c->i[place(&r, x, k)];
        const int64_t v = x->i[k];
        const bool batch = v == GRAPH_BATCH || (how == PRODUCT && *to == GRAPH_BATCH);
        bool right = !batch || r.parts == 1 || (how == PRODUCT && (v > 0 || *to > 0));
        if (how == SUM)
            right = right && !__builtin_add_overflow(*to, v, to);
        else if (how == PRODUCT)
            right = right && !__builtin_mul_overflow(*to, v, to);
        else if (how == MOST ? v > *to : v < *to)
            *to = v;
        if (!right)
            return MP2ML_ERR_UNSUPPORTED;
    }
    return MP2ML_OK;
}

mp2ml_status eval_prod(const struct eval_call *c)
{
    return c->shape.integers ? reduce_integers(c, PRODUCT, 1) : reduce_floats(c, PRODUCT, 1);
}

mp2ml_status eval_reduce_sum(const struct eval_call *c)
{
    return c->shape.integers ? reduce_integers(c, SUM, 0) : reduce_floats(c, SUM, 0);
}

mp2ml_status eval_reduce_max(const struct eval_call *c)
{
    return c->shape.integers ? reduce_integers(c, MOST, INT64_MIN)
                             : reduce_floats(c, MOST, -INFINITY);
}

mp2ml_status eval_reduce_min(const struct eval_call *c)
{
    return c->shape.integers ? reduce_integers(c, LEAST, INT64_MAX)
                             : reduce_floats(c, LEAST, INFINITY);
}

mp2ml_status eval_reduce_mean(const struct eval_call *c)
{
    if (c->shape.integers)
        return MP2ML_ERR_UNSUPPORTED;
    const size_t parts = reduction_of(c).parts;
    const mp2ml_status status = reduce_floats(c, SUM, 0);
    for (size_t k = 0; k < c->shape.count; k++)
        c->f[k] /= (float)parts;
    return status;
}
