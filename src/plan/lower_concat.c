/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors joined along an axis. Values of steps stay what they are, over the bases of all; linear
 * maps become one map whose groups stand one after the other. */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

struct parts { /* what is joined, and where its elements and base values go */
    unsigned n;
    const struct rep **rep; /* [n] */
    uint32_t **moved;       /* [n] base value of rep -> base value of the result */
    struct rep joint;       /* bases of all */
};

static void parts_wipe(struct parts *p)
{
    for (unsigned i = 0; p->moved != NULL && i < p->n; i++)
        free(p->moved[i]);
    free(p->moved);
    free(p->rep);
}

/* Adds the bases of part i that are new. */
static mp2ml_status join_part(const struct plan *plan, struct parts *p, unsigned i)
{
    const struct rep *rep = p->rep[i];
    struct rep *joint = &p->joint;
    uint32_t *moved = p->moved[i] = malloc((rep->n_base + 1) * sizeof *moved);
    if (moved == NULL)
        return MP2ML_ERR_MEMORY;
    size_t from = 0;
    for (unsigned k = 0; k < rep->n_bases; k++) {
        size_t count = plan->pub.steps[rep->bases[k]].count, to = 0;
        unsigned j = 0;
        for (; j < joint->n_bases && joint->bases[j] != rep->bases[k]; j++)
            to += plan->pub.steps[joint->bases[j]].count;
        if (j == PLAN_MAX_OPERANDS)
            return MP2ML_ERR_PLAN;
        joint->scaled = joint->scaled || rep->scaled;
        joint->shifted = joint->shifted || rep->shifted;
        if (j == joint->n_bases) {
            joint->bases[joint->n_bases++] = rep->bases[k];
            joint->n_base += count;
        }
        for (size_t v = 0; v < count; v++)
            moved[from + v] = (uint32_t)(to + v);
        from += count;
    }
    return MP2ML_OK;
}

/* All maps over the joint base; outputs of part i from first[i] on. */
static mp2ml_status stack_maps(const struct parts *p, struct linear *out, size_t *first)
{
    struct linear_builder b;
    size_t n_out = 0;
    for (unsigned i = 0; i < p->n; i++) {
        first[i] = n_out;
        n_out += p->rep[i]->lin->lin.n_out;
    }
    linear_builder_init(&b, p->joint.n_base, n_out);
    for (unsigned i = 0; i < p->n && !b.failed; i++) {
        const struct linear *lin = &p->rep[i]->lin->lin;
        linear_get_constants(lin, b.constants + first[i]);
        for (size_t g = 0; g < lin->n_groups && !b.failed; g++) {
            const struct linear_group *group = &lin->groups[g];
            size_t n = (size_t)group->rows * group->stride, at;
            const uint64_t key[2] = {i, group->weights_at};
            if (!linear_builder_block(&b, key, sizeof key, NULL, n, &at))
                memcpy(b.lin.w + at, lin->w + group->weights_at, n * sizeof *lin->w);
            linear_builder_begin(&b);
            for (size_t c = 0; c < group->cols; c++)
                linear_builder_column(&b, p->moved[i][linear_in(lin, group, c)],
                                      lin->index[group->col_at + c]);
            for (size_t r = 0; r < group->rows; r++)
                linear_builder_out(&b, (uint32_t)(first[i] + linear_out(lin, group, r)));
            linear_builder_end(&b, at, group->stride);
        }
    }
    return linear_builder_take(&b, out);
}

/* Element e of the result is element at[e] of part[e]. */
static mp2ml_status join_values(const struct parts *p, const size_t *first, const uint32_t *part,
                                const uint32_t *at, size_t count, struct rep *out)
{
    struct rep_value *values = malloc((count + 1) * sizeof *values);
    if (values == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t e = 0; e < count; e++) {
        const struct rep *rep = p->rep[part[e]];
        values[e] = rep->values[at[e]];
        if (values[e].src == REP_CONSTANT)
            continue;
        values[e].src = rep->lin != NULL ? (uint32_t)(first[part[e]] + values[e].src)
                                         : p->moved[part[e]][values[e].src];
    }
    free(out->values);
    out->values = values;
    out->count = count;
    return MP2ML_OK;
}

static mp2ml_status join(struct parts *p, const uint32_t *part, const uint32_t *at, size_t count,
                         struct rep *out)
{
    bool maps = p->rep[0]->lin != NULL;
    size_t *first = calloc(p->n + 1, sizeof *first);
    mp2ml_status status = first != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    struct rep made = p->joint;
    if (status == MP2ML_OK && maps) {
        struct linear lin;
        status = stack_maps(p, &lin, first);
        if (status == MP2ML_OK)
            status = rep_of_linear(&made, &p->joint, &lin);
    }
    if (status == MP2ML_OK)
        status = join_values(p, first, part, at, count, &made);
    free(first);
    if (status == MP2ML_OK)
        *out = made;
    else
        rep_wipe(&made);
    return status;
}

/* Which operand an element of the result comes from, and which element of that. */
static void locate(const struct lower *lw, uint32_t *part, uint32_t *at)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    size_t inner = 1, outer = 1, e = 0;
    for (unsigned d = 1; d < node->rank; d++) {
        outer *= (int64_t)d < node->axis ? (size_t)node->dims[d] : 1;
        inner *= (int64_t)d > node->axis ? (size_t)node->dims[d] : 1;
    }
    for (size_t o = 0; o < outer; o++)
        for (unsigned i = 0; i < node->n_inputs; i++) {
            size_t run = (size_t)lower_input(lw, i)->dims[node->axis] * inner;
            for (size_t k = 0; k < run; k++, e++) {
                part[e] = i;
                at[e] = (uint32_t)(o * run + k);
            }
        }
}

static mp2ml_status check_operands(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    size_t sum = 0;
    if (node->axis < 1 || node->axis >= (int64_t)node->rank)
        return lower_fail(lw, "joins samples of the batch");
    for (unsigned i = 0; i < node->n_inputs; i++) {
        const struct graph_node *in = lower_input(lw, i);
        if (!in->batched || in->rank != node->rank)
            return lower_fail(lw, "joins a constant or operands of different rank");
        sum += graph_sample_count(in);
    }
    return sum == graph_sample_count(node) && node->n_inputs > 0
               ? MP2ML_OK
               : lower_fail(lw, "has operands whose shapes do not fit");
}

/* Maps alone or steps alone: a map beside steps becomes a step, so that no value of a step goes
 * through a matrix only to stand beside others. */
static mp2ml_status make_alike(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    bool all = true;
    for (unsigned i = 0; i < node->n_inputs; i++) {
        int in = node->inputs[i];
        all = all && lw->reps[in].lin != NULL && !(lw->wanted_finished[in] && lw->uses[in] > 1);
    }
    for (unsigned i = 0; i < node->n_inputs && !all; i++)
        if (lw->reps[node->inputs[i]].lin != NULL)
            TRY(lower_finish(lw, node->inputs[i]));
    return MP2ML_OK;
}

/* Too many steps: the operand that has most of them is copied into one. */
static mp2ml_status thin_out(struct lower *lw)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    unsigned most = 0;
    for (unsigned i = 1; i < node->n_inputs; i++)
        if (lower_operand(lw, i)->n_bases > lower_operand(lw, most)->n_bases)
            most = i;
    if (lower_operand(lw, most)->n_bases < 2)
        return lower_fail(lw, "joins more than %d tensors", PLAN_MAX_OPERANDS);
    TRY(lower_finish(lw, node->inputs[most]));
    return make_alike(lw);
}

static mp2ml_status gather_parts(struct lower *lw, struct parts *p)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    *p = (struct parts){.n = node->n_inputs};
    p->rep = calloc(p->n, sizeof(*p->rep));
    p->moved = calloc(p->n, sizeof *p->moved);
    if (p->rep == NULL || p->moved == NULL)
        return MP2ML_ERR_MEMORY;
    for (unsigned i = 0; i < p->n; i++) {
        p->rep[i] = lower_operand(lw, i);
        TRY(join_part(lw->plan, p, i));
    }
    return MP2ML_OK;
}

mp2ml_status lower_concat(struct lower *lw, struct rep *out)
{
    size_t count = graph_sample_count(&lw->graph->nodes[lw->node]);
    TRY(check_operands(lw));
    TRY(make_alike(lw));
    struct parts p;
    mp2ml_status status = gather_parts(lw, &p);
    while (status == MP2ML_ERR_PLAN) {
        parts_wipe(&p);
        TRY(thin_out(lw));
        status = gather_parts(lw, &p);
    }
    uint32_t *part = malloc((2 * count + 1) * sizeof *part);
    if (status == MP2ML_OK && part == NULL)
        status = MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK) {
        locate(lw, part, part + count);
        status = join(&p, part, part + count, count, out);
    }
    free(part);
    parts_wipe(&p);
    return status;
}
