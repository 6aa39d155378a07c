/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules of reductions, of what makes constants, and of what is there for training only. */
#include <math.h>
#include <string.h>

#include "model/graph_internal.h"

/* Reduction: input 1 lists the axes; mask[0] is keep_dims. `list` becomes the axes, sorted. */
mp2ml_status shape_reduce(struct graph_build *b, struct graph_node *n)
{
    const struct graph_node *x = graph_input(b, n, 0);
    TRY(shape_want_integers(b, n, 1));
    const struct graph_tensor *axes = &graph_input(b, n, 1)->value;
    bool reduce[GRAPH_MAX_RANK] = {false};
    for (size_t k = 0; k < axes->count; k++) {
        int64_t axis = axes->i[k];
        if (!shape_axis(&axis, x->rank) || reduce[axis] || (n->batched && axis == 0))
            return graph_node_fail(b, n, n->batched ? MP2ML_ERR_UNSUPPORTED : MP2ML_ERR_MODEL,
                                   "the axes do not fit shape %s", shape_print(x).text);
        reduce[axis] = true;
    }
    n->integers = x->integers;
    n->rank = 0;
    n->n_list = 0;
    for (unsigned d = 0; d < x->rank; d++) {
        if (reduce[d])
            n->list[n->n_list++] = d;
        if (!reduce[d] || n->mask[0] != 0)
            n->dims[n->rank++] = reduce[d] ? 1 : x->dims[d];
    }
    n->n_inputs = 1;
    return MP2ML_OK;
}

mp2ml_status shape_shape(struct graph_build *b, struct graph_node *n)
{
    n->rank = 1;
    n->dims[0] = graph_input(b, n, 0)->rank - (graph_input(b, n, 0)->rows ? 1 : 0);
    n->integers = true;
    return MP2ML_OK;
}

mp2ml_status shape_rank(struct graph_build *b, struct graph_node *n)
{
    (void)b;
    n->rank = 0;
    n->integers = true;
    return MP2ML_OK;
}

mp2ml_status shape_fill(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_want_integers(b, n, 0));
    const struct graph_tensor *dims = &graph_input(b, n, 0)->value;
    const struct graph_node *value = graph_input(b, n, 1);
    if (dims->rank != 1 || dims->count > GRAPH_MAX_RANK || value->op != GRAPH_CONST ||
        value->value.count != 1)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                               "needs a constant shape and one constant number");
    n->rank = (unsigned)dims->count;
    for (unsigned d = 0; d < n->rank; d++)
        n->dims[d] = dims->i[d];
    n->integers = value->integers;
    return MP2ML_OK;
}

bool shape_range_count(double start, double limit, double delta, int64_t *count)
{
    const double n = ceil((limit - start) / delta);
    if (!(n <= (double)GRAPH_MAX_COUNT)) /* also when delta is 0 or something is not a number */
        return false;
    *count = n < 0 ? 0 : (int64_t)n;
    return true;
}

mp2ml_status shape_range(struct graph_build *b, struct graph_node *n)
{
    double v[3];
    for (unsigned k = 0; k < 3; k++) {
        const struct graph_node *from = graph_input(b, n, k);
        if (from->op != GRAPH_CONST || from->value.count != 1 ||
            from->integers != graph_input(b, n, 0)->integers)
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "needs three constant numbers");
        v[k] = from->integers ? (double)from->value.i[0] : (double)from->value.f[0];
    }
    n->rank = 1;
    n->integers = graph_input(b, n, 0)->integers;
    if (!shape_range_count(v[0], v[1], v[2], &n->dims[0]))
        return graph_node_fail(b, n, MP2ML_ERR_MODEL, "from %g to %g by %g", v[0], v[1], v[2]);
    return MP2ML_OK;
}

/* Its shape is one of data, the batch included; its values are nobody's. */
mp2ml_status shape_random(struct graph_build *b, struct graph_node *n)
{
    TRY(shape_want_integers(b, n, 0));
    const struct graph_tensor *want = &graph_input(b, n, 0)->value;
    if (want->rank != 1 || want->count == 0 || want->count > GRAPH_MAX_RANK)
        return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED, "makes random numbers");
    n->rank = (unsigned)want->count;
    for (unsigned d = 1; d < n->rank; d++)
        n->dims[d] = want->i[d];
    n->dims[0] = GRAPH_BATCH;
    n->integers = false;
    return MP2ML_OK;
}

/* Input 1 is the condition: part 1 lives when it is true, part 0 when not. */
mp2ml_status shape_switch(struct graph_build *b, struct graph_node *n)
{
    int64_t condition;
    TRY(shape_want_number(b, n, 1, &condition));
    n->dead = (condition != 0) != (n->part == 1);
    if (n->dead)
        return MP2ML_OK; /* and no identity: readers must not look through it */
    n->op = GRAPH_IDENTITY;
    n->n_inputs = 1;
    return shape_same(b, n);
}

mp2ml_status shape_merge(struct graph_build *b, struct graph_node *n)
{
    int living = -1;
    for (unsigned k = 0; k < n->n_inputs; k++) {
        if (graph_input(b, n, k)->dead)
            continue;
        if (living >= 0)
            return graph_node_fail(b, n, MP2ML_ERR_UNSUPPORTED,
                                   "joins branches of a condition that is not constant");
        living = (int)k;
    }
    if (living < 0) {
        n->dead = true;
        return MP2ML_OK;
    }
    n->inputs[0] = n->inputs[living];
    n->op = GRAPH_IDENTITY;
    n->n_inputs = 1;
    n->batched = graph_input(b, n, 0)->batched;
    return shape_same(b, n);
}
