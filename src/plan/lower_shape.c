/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move elements (reshape, transpose, pad) or scale and shift them by constants. */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

mp2ml_status lower_same(struct lower *lw, struct rep *out)
{
    return rep_copy(out, lower_operand(lw, 0));
}

bool lower_row_axis(const struct graph_node *node, const struct rep_end *end, unsigned *axis)
{
    uint64_t behind = 1;
    for (unsigned d = node->rank; d-- > 1; behind *= (uint64_t)node->dims[d]) {
        *axis = d;
        if (behind == end->step && node->dims[d] == (int64_t)end->row)
            return true;
    }
    return false;
}

/* Rows of a softmax in a tensor that is transposed: along the axis that they had. */
static mp2ml_status transpose_rows(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    const int64_t *perm = lower_input(lw, 1)->value.i;
    unsigned axis;
    if (!lower_row_axis(in, &out->end, &axis))
        return lower_fail(lw, "moves the values of a softmax that was reshaped");
    uint64_t step = 1;
    for (unsigned d = node->rank; d-- > 1;) {
        if ((perm[d] < 0 ? perm[d] + (int64_t)in->rank : perm[d]) == (int64_t)axis)
            break;
        step *= (uint64_t)node->dims[d];
    }
    out->end.step = (uint32_t)step;
    return MP2ML_OK;
}

mp2ml_status lower_moving(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    const struct rep *rep = lower_operand(lw, 0);
    size_t count = graph_sample_count(node);
    if (rep->end.labels) /* rows in their order, whatever their labels' shape */
        return lower_same(lw, out);
    if (count != rep->count)
        return lower_fail(lw, "moves elements between the samples of a batch");
    uint32_t *from = malloc((count != 0 ? count : 1) * sizeof *from);
    if (from == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = MP2ML_OK;
    if (node->op != GRAPH_TRANSPOSE) {
        for (size_t i = 0; i < count; i++)
            from[i] = (uint32_t)i;
    } else {
        const struct graph_tensor *perm = &lower_input(lw, 1)->value;
        size_t stride[GRAPH_MAX_RANK], at[GRAPH_MAX_RANK] = {0};
        if (perm->i == NULL || perm->count != node->rank || perm->i[0] != 0)
            status = lower_fail(lw, "transposes the batch axis");
        for (unsigned d = 1; status == MP2ML_OK && d < node->rank; d++) {
            int64_t axis = perm->i[d] < 0 ? perm->i[d] + (int64_t)in->rank : perm->i[d];
            if (axis < 1 || axis >= (int64_t)in->rank) {
                status = lower_fail(lw, "has a permutation that is none");
                break;
            }
            stride[d] = 1;
            for (unsigned e = (unsigned)axis + 1; e < in->rank; e++)
                stride[d] *= (size_t)in->dims[e];
        }
        for (size_t i = 0; status == MP2ML_OK && i < count; i++) {
            size_t sum = 0;
            for (unsigned d = 1; d < node->rank; d++)
                sum += at[d] * stride[d];
            from[i] = (uint32_t)sum;
            for (unsigned d = node->rank; d-- > 1;) {
                if (++at[d] < (size_t)node->dims[d])
                    break;
                at[d] = 0;
            }
        }
    }
    if (status == MP2ML_OK)
        status = rep_gather(out, rep, from, count, 0.0);
    free(from);
    if (status == MP2ML_OK && node->op == GRAPH_TRANSPOSE && out->end.row > 0)
        status = transpose_rows(lw, out);
    return status;
}

mp2ml_status lower_gather(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct rep *in = lower_operand(lw, 0);
    size_t count = graph_sample_count(node);
    if (node->value.i == NULL || node->value.count != count)
        return lower_fail(lw, "has no list of what it takes");
    uint32_t *from = malloc((count != 0 ? count : 1) * sizeof *from);
    if (from == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = MP2ML_OK;
    for (size_t i = 0; status == MP2ML_OK && i < count; i++) {
        int64_t at = node->value.i[i];
        if (at < -1 || at >= (int64_t)in->count)
            status = lower_fail(lw, "takes a value that its operand has not");
        from[i] = at < 0 ? REP_CONSTANT : (uint32_t)at;
    }
    if (status == MP2ML_OK)
        status = rep_gather(out, in, from, count, 0.0);
    free(from);
    return status;
}

mp2ml_status lower_pad(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    const struct graph_node *in = lower_input(lw, 0);
    const struct graph_tensor *pads = &lower_input(lw, 1)->value;
    if (pads->i == NULL || pads->count != 2 * (size_t)node->rank || pads->i[0] != 0 ||
        pads->i[1] != 0)
        return lower_fail(lw, "pads the batch axis");
    double fill = 0.0;
    if (node->n_inputs > 2) {
        const struct graph_tensor *value = &lower_input(lw, 2)->value;
        if (value->f == NULL || value->count != 1)
            return lower_fail(lw, "has no constant value to pad with");
        fill = (double)value->f[0];
    }
    size_t count = graph_sample_count(node), at[GRAPH_MAX_RANK] = {0};
    uint32_t *from = malloc((count != 0 ? count : 1) * sizeof *from);
    if (from == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        size_t sum = 0;
        bool inside = true;
        for (unsigned d = 1; d < node->rank; d++) {
            int64_t x = (int64_t)at[d] - pads->i[2 * d];
            inside = inside && x >= 0 && x < in->dims[d];
            sum = sum * (size_t)in->dims[d] + (inside ? (size_t)x : 0);
        }
        from[i] = inside ? (uint32_t)sum : REP_CONSTANT;
        for (unsigned d = node->rank; d-- > 1;) {
            if (++at[d] < (size_t)node->dims[d])
                break;
            at[d] = 0;
        }
    }
    mp2ml_status status = rep_gather(out, lower_operand(lw, 0), from, count, fill);
    free(from);
    return status;
}

bool lower_broadcast(uint32_t *map, const int64_t *out, const int64_t *in, unsigned rank)
{
    size_t stride[GRAPH_MAX_RANK], at[GRAPH_MAX_RANK] = {0}, count = 1, run = 1;
    for (unsigned d = rank; d-- > 0;) {
        if (in[d] != out[d] && in[d] != 1)
            return false;
        stride[d] = in[d] == 1 ? 0 : run;
        run *= (size_t)in[d];
        count *= (size_t)out[d];
    }
    for (size_t i = 0; i < count; i++) {
        size_t sum = 0;
        for (unsigned d = 0; d < rank; d++)
            sum += at[d] * stride[d];
        map[i] = (uint32_t)sum;
        for (unsigned d = rank; d-- > 0;) {
            if (++at[d] < (size_t)out[d])
                break;
            at[d] = 0;
        }
    }
    return true;
}

mp2ml_status lower_operand_map(struct lower *lw, const struct graph_node *in, uint32_t *map)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    unsigned rank = node->rank - 1;
    int64_t dims[GRAPH_MAX_RANK];
    for (unsigned d = 0; d < rank; d++)
        dims[d] = 1;
    if (in->batched) {
        if (in->rank != node->rank)
            return lower_fail(lw, "broadcasts over the batch axis");
        memcpy(dims, in->dims + 1, rank * sizeof *dims);
    } else if (node->op == GRAPH_BIAS_ADD) {
        if (rank == 0 || in->rank != 1)
            return lower_fail(lw, "has a bias that is not a vector");
        dims[node->nchw ? 0 : rank - 1] = in->dims[0];
    } else {
        unsigned extra = in->rank > rank ? in->rank - rank : 0;
        for (unsigned d = 0; d < extra; d++)
            if (in->dims[d] != 1)
                return lower_fail(lw, "has a constant with a batch axis");
        for (unsigned d = extra; d < in->rank; d++)
            dims[rank - in->rank + d] = in->dims[d];
    }
    if (!lower_broadcast(map, node->dims + 1, dims, rank))
        return lower_fail(lw, "has operands whose shapes do not fit");
    return MP2ML_OK;
}

/* value = value <op> constant, or constant <op> value when `swapped`. */
static mp2ml_status apply_constant(struct lower *lw, struct rep_value *v, enum graph_op op,
                                   double c, bool swapped)
{
    double scale = (double)v->scale;
    switch (op) {
    case GRAPH_BIAS_ADD:
    case GRAPH_ADD:
        v->offset += c;
        return MP2ML_OK;
    case GRAPH_SUB:
        v->offset = swapped ? c - v->offset : v->offset - c;
        v->scale = swapped ? -v->scale : v->scale;
        return MP2ML_OK;
    case GRAPH_MUL:
        v->offset *= c;
        v->scale = (float)(scale * c);
        return MP2ML_OK;
    default: /* RealDiv */
        if (swapped)
            return lower_fail(lw, "divides by a value that depends on the input");
        v->offset /= c;
        v->scale = (float)(scale / c);
        return MP2ML_OK;
    }
}

static mp2ml_status with_constant(struct lower *lw, struct rep *out, uint32_t *map, size_t count)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    bool swapped = !lower_input(lw, 0)->batched;
    const struct graph_node *constant = lower_input(lw, swapped ? 0 : 1);
    if (constant->value.f == NULL)
        return lower_fail(lw, "has a constant that is not real");
    TRY(lower_operand_map(lw, lower_input(lw, swapped ? 1 : 0), map));
    struct rep made;
    TRY(rep_gather(&made, lower_operand(lw, swapped ? 1 : 0), map, count, 0.0));
    mp2ml_status status = lower_operand_map(lw, constant, map);
    for (size_t i = 0; status == MP2ML_OK && i < count; i++)
        status = apply_constant(lw, &made.values[i], node->op, (double)constant->value.f[map[i]],
                                swapped);
    bool factor = node->op == GRAPH_MUL || node->op == GRAPH_DIV;
    made.scaled = made.scaled || (factor && !constant->attribute);
    made.shifted = made.shifted || (!factor && !constant->attribute);
    if (status == MP2ML_OK)
        *out = made;
    else
        rep_wipe(&made);
    return status;
}

mp2ml_status lower_elementwise(struct lower *lw, struct rep *out)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    bool both = lower_input(lw, 0)->batched && lower_input(lw, 1)->batched;
    if (both && node->op == GRAPH_MUL)
        return lower_product(lw, out);
    if (both && node->op != GRAPH_ADD && node->op != GRAPH_SUB)
        return lower_fail(lw, "has two operands that depend on the input; one must be constant");
    size_t count = graph_sample_count(node);
    uint32_t *map = malloc((count != 0 ? count : 1) * 2 * sizeof *map);
    if (map == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status =
        both ? lower_two_tensors(lw, out, map, count) : with_constant(lw, out, map, count);
    free(map);
    return status;
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* Has the values of its first operand in their order. */
static bool keeps_order(const struct graph *g, const struct graph_node *node)
{
    switch (node->op) {
    case GRAPH_IDENTITY:
    case GRAPH_RESHAPE:
    case GRAPH_SQUEEZE:
    case GRAPH_EXPAND_DIMS:
    case GRAPH_BIAS_ADD:
    case GRAPH_RELU:
    case GRAPH_SIGN:
    case GRAPH_ADD:
    case GRAPH_SUB:
    case GRAPH_MUL:
    case GRAPH_DIV:
        return g->nodes[node->inputs[0]].batched &&
               graph_sample_count(&g->nodes[node->inputs[0]]) == graph_sample_count(node);
    default:
        return false;
    }
}

static bool is_channels_first(const struct graph *g, const struct graph_node *node)
{
    while (keeps_order(g, node))
        node = &g->nodes[node->inputs[0]];
    return node->window.nchw;
}

/* A volume is a picture for each of its slices: what goes along the slices goes along channels. Other
 * shapes of many axes are those of pictures whose channels were parted. */
void lower_dims(struct lower *lw, unsigned step, int node)
{
    const struct graph *g = lw->graph;
    const struct graph_node *own = &g->nodes[node], *picture = own;
    uint32_t *dims = lw->plan->notes[step].dims;
    while (picture->rank != 4 && keeps_order(g, picture))
        picture = &g->nodes[picture->inputs[0]];
    if (picture->rank != 4 || (own->rank > 4 && is_channels_first(g, picture)))
        picture = own;
    dims[0] = dims[1] = 1;
    dims[2] = lw->plan->pub.steps[step].count;
    if (picture->rank < 3 ||
        graph_sample_count(picture) != dims[2]) /* an ArgMax holds what it reads */
        return;
    dims[2] = 1;
    for (unsigned d = 1; d < picture->rank; d++) { /* the last three, the first with all before */
        const unsigned behind = picture->rank - 1 - d;
        dims[behind < 2 ? 2 - behind : 0] *= (uint32_t)picture->dims[d];
    }
}
