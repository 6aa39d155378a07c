/* SPDX-License-Identifier: Apache-2.0
 *
 * Representations of tensors during lowering; see lower.h. */
#include <stdlib.h>
#include <string.h>

#include "plan/lower.h"

static void rep_linear_release(struct rep_linear *lin)
{
    if (lin == NULL || --lin->refs > 0)
        return;
    linear_wipe(&lin->lin);
    free(lin->group_of);
    free(lin->row_of);
    free(lin);
}

void rep_wipe(struct rep *rep)
{
    free(rep->values);
    rep_linear_release(rep->lin);
    memset(rep, 0, sizeof *rep);
}

/* values[i] = inner value i. */
static mp2ml_status set_identity(struct rep *rep, size_t count)
{
    rep->values = malloc((count != 0 ? count : 1) * sizeof *rep->values);
    if (rep->values == NULL)
        return MP2ML_ERR_MEMORY;
    rep->count = count;
    for (size_t i = 0; i < count; i++)
        rep->values[i] = (struct rep_value){(uint32_t)i, 1.0f, 0.0};
    return MP2ML_OK;
}

mp2ml_status rep_of_step(struct rep *rep, unsigned step, size_t count)
{
    memset(rep, 0, sizeof *rep);
    rep->n_bases = 1;
    rep->bases[0] = (uint16_t)step;
    rep->n_base = count;
    return set_identity(rep, count);
}

mp2ml_status rep_of_linear(struct rep *rep, const struct rep *bases, struct linear *lin)
{
    struct rep_linear *shared = calloc(1, sizeof *shared);
    struct rep made = {.n_bases = bases->n_bases, .n_base = bases->n_base, .lin = shared};
    memcpy(made.bases, bases->bases, sizeof made.bases);
    if (shared == NULL) {
        linear_wipe(lin);
        return MP2ML_ERR_MEMORY;
    }
    shared->refs = 1;
    shared->lin = *lin;
    memset(lin, 0, sizeof *lin);
    size_t n = shared->lin.n_out != 0 ? shared->lin.n_out : 1;
    shared->group_of = calloc(n, sizeof *shared->group_of);
    shared->row_of = calloc(n, sizeof *shared->row_of);
    if (shared->group_of == NULL || shared->row_of == NULL ||
        set_identity(&made, shared->lin.n_out) != MP2ML_OK) {
        rep_wipe(&made);
        return MP2ML_ERR_MEMORY;
    }
    for (size_t g = 0; g < shared->lin.n_groups; g++) {
        const struct linear_group *group = &shared->lin.groups[g];
        for (uint32_t r = 0; r < group->rows; r++) {
            uint32_t o = linear_out(&shared->lin, group, r);
            shared->group_of[o] = (uint32_t)g;
            shared->row_of[o] = r;
        }
    }
    *rep = made;
    return MP2ML_OK;
}

mp2ml_status rep_gather(struct rep *out, const struct rep *in, const uint32_t *from, size_t count,
                        double fill)
{
    struct rep made = *in;
    made.values = malloc((count != 0 ? count : 1) * sizeof *made.values);
    if (made.values == NULL)
        return MP2ML_ERR_MEMORY;
    made.count = count;
    for (size_t i = 0; i < count; i++)
        made.values[i] = from[i] != REP_CONSTANT ? in->values[from[i]]
                                                 : (struct rep_value){REP_CONSTANT, 0.0f, fill};
    if (made.lin != NULL)
        made.lin->refs++;
    *out = made;
    return MP2ML_OK;
}

mp2ml_status rep_copy(struct rep *out, const struct rep *in)
{
    uint32_t *from = malloc((in->count + 1) * sizeof *from);
    if (from == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < in->count; i++)
        from[i] = (uint32_t)i;
    mp2ml_status status = rep_gather(out, in, from, in->count, 0.0);
    free(from);
    return status;
}

struct rep_row rep_row(const struct rep *rep, size_t element)
{
    static const float one = 1.0f;
    static const uint32_t zero = 0;
    const struct rep_value *v = &rep->values[element];
    if (v->src == REP_CONSTANT)
        return (struct rep_row){0, 0, NULL, NULL, NULL, 0.0f, v->offset};
    if (rep->lin == NULL)
        return (struct rep_row){1, v->src, &zero, &zero, &one, v->scale, v->offset};
    const struct linear *lin = &rep->lin->lin;
    const struct linear_group *g = &lin->groups[rep->lin->group_of[v->src]];
    const size_t row = rep->lin->row_of[v->src];
    return (struct rep_row){g->cols,
                            g->in_base,
                            lin->index + g->in_at,
                            lin->index + g->col_at,
                            lin->w + g->weights_at + row * g->stride,
                            v->scale,
                            (double)v->scale * lin->b[g->rows_at + row] + v->offset};
}

bool rep_is_pick(const struct rep *rep)
{
    if (rep->lin != NULL || rep->n_bases != 1 || rep->scaled || rep->shifted)
        return false;
    for (size_t i = 0; i < rep->count; i++) {
        const struct rep_value *v = &rep->values[i];
        if (v->src == REP_CONSTANT || v->scale < 1.0f || v->scale > 1.0f || v->offset < 0 ||
            v->offset > 0)
            return false;
    }
    return true;
}

bool rep_is_step(const struct rep *rep)
{
    if (rep->count != rep->n_base || !rep_is_pick(rep))
        return false;
    for (size_t i = 0; i < rep->count; i++)
        if (rep->values[i].src != i)
            return false;
    return true;
}

void rep_base_ends(const struct plan *plan, const struct rep *rep, size_t *ends)
{
    size_t sum = 0;
    for (unsigned i = 0; i < rep->n_bases; i++)
        ends[i] = sum += plan->pub.steps[rep->bases[i]].count;
}
