/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and differences of two tensors that both depend on the input: as one linear map, or, where
 * both stem from one step (a clipped ReLU, an absolute value), by each party for itself. */
#include <math.h>
#include <stdlib.h>

#include "plan/lower.h"

/* Bases of a and b together, counted once each. */
static unsigned joint_bases(const struct rep *a, const struct rep *b)
{
    unsigned n = a->n_bases;
    for (unsigned i = 0; i < b->n_bases; i++) {
        bool seen = false;
        for (unsigned j = 0; j < a->n_bases; j++)
            seen = seen || a->bases[j] == b->bases[i];
        n += !seen;
    }
    return n;
}

/* ---- on shares ------------------------------------------------------------------------------- */

struct local { /* common * (2^shift[0] * a + or - 2^shift[1] * b) */
    uint8_t shift[2];
    bool minus;
    float common;
};

/* The step whose values both operands of a local sum are made of, or n_steps. */
static unsigned root_of(const struct lower *lw, const struct rep *rep)
{
    const struct plan_public *pub = &lw->plan->pub;
    if (rep->lin != NULL || rep->n_bases != 1)
        return pub->n_steps;
    const struct plan_step *step = &pub->steps[rep->bases[0]];
    if (step->kind == STEP_RELU)
        return step->operands[0];
    return step->kind == STEP_LINEAR || step->kind == STEP_MAX ? rep->bases[0] : pub->n_steps;
}

/* The exponent of a power of two up to 2^8 either way; false for other numbers. */
static bool log2_of(double x, int *log)
{
    *log = (int)lround(log2(x));
    return x > 0 && abs(*log) <= 8 && fabs(ldexp(x, -*log) - 1) < 1e-6;
}

/* Equal scales by the common root; factors whose ratio is a power of two; value beside value. */
static bool is_local(const struct lower *lw, const struct rep *a, const uint32_t *map_a,
                     const struct rep *b, const uint32_t *map_b, double sign, size_t count,
                     struct local *local)
{
    unsigned root = root_of(lw, a);
    int log;
    if (root == lw->plan->pub.n_steps || root_of(lw, b) != root || a->bases[0] == b->bases[0] ||
        count == 0 || a->scaled || b->scaled || a->shifted || b->shifted)
        return false;
    double f = (double)a->values[map_a[0]].scale, g = sign * (double)b->values[map_b[0]].scale;
    if (!(f > 0) || !log2_of(fabs(g) / f, &log))
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct rep_value *x = &a->values[map_a[i]], *y = &b->values[map_b[i]];
        if (x->src == REP_CONSTANT || x->src != y->src || x->offset < 0 || x->offset > 0 ||
            y->offset < 0 || y->offset > 0 || fabs((double)x->scale - f) > 1e-6 * f ||
            fabs(sign * (double)y->scale - g) > 1e-6 * fabs(g))
            return false;
    }
    local->shift[0] = (uint8_t)(log < 0 ? -log : 0);
    local->shift[1] = (uint8_t)(log > 0 ? log : 0);
    local->minus = g < 0;
    local->common = (float)ldexp(f, log < 0 ? log : 0);
    return true;
}

static mp2ml_status local_sum(struct lower *lw, const struct local *local, const struct rep *a,
                              const uint32_t *map_a, const struct rep *b, size_t count,
                              struct rep *out)
{
    uint16_t operands[2];
    unsigned at;
    TRY(lower_readable(lw, a->bases[0], &operands[0]));
    TRY(lower_readable(lw, b->bases[0], &operands[1]));
    TRY(plan_add_step(lw->plan, STEP_SUM, operands, 2, a->n_base, lw->graph->nodes[lw->node].name,
                      &at, lw->err));
    struct plan_step *step = &lw->plan->pub.steps[at];
    step->shift[0] = local->shift[0];
    step->shift[1] = local->shift[1];
    step->minus = local->minus;
    TRY(rep_gather(out, a, map_a, count, 0.0));
    out->bases[0] = (uint16_t)at;
    for (size_t i = 0; i < count; i++)
        out->values[i].scale = local->common;
    return MP2ML_OK;
}

/* ---- both ways ------------------------------------------------------------------------------- */

mp2ml_status lower_two_tensors(struct lower *lw, struct rep *out, uint32_t *map, size_t count)
{
    const struct graph_node *node = &lw->graph->nodes[lw->node];
    for (unsigned i = 0; i < 2; i++) {
        int in = node->inputs[i];
        bool crowded = joint_bases(lower_operand(lw, 0), lower_operand(lw, 1)) > PLAN_MAX_OPERANDS;
        if ((lw->wanted_finished[in] && lw->uses[in] > 1 && lw->reps[in].lin != NULL) || crowded)
            TRY(lower_finish(lw, in));
    }
    TRY(lower_operand_map(lw, lower_input(lw, 0), map));
    TRY(lower_operand_map(lw, lower_input(lw, 1), map + count));
    const struct rep *a = lower_operand(lw, 0), *b = lower_operand(lw, 1);
    double sign = node->op == GRAPH_SUB ? -1.0 : 1.0;
    struct local local;
    if (is_local(lw, a, map, b, map + count, sign, count, &local))
        return local_sum(lw, &local, a, map, b, count, out);
    return merge_add(lw->plan, out, a, map, b, map + count, sign, count);
}
