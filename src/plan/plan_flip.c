/* SPDX-License-Identifier: Apache-2.0
 *
 * What one wrong sign, of a SIGN or a blind one, may add to the values of the steps behind it. Wrong
 * signs are rare and large, which a deviation (plan_error.c) says little about. */
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

/* Of the weights of operand values from..to-1: the largest, and the largest 2-norms of what one
 * output reads and of what reads one value. */
struct sizes {
    double weight, row, column;
};

/* Of one block, which is the same for all groups that share it; column[c] = the square of a norm. */
static void block_sizes(struct sizes *sizes, double *column, const struct linear *lin,
                        const struct linear_group *group, size_t from, size_t to)
{
    memset(column, 0, group->cols * sizeof *column);
    for (size_t r = 0; r < group->rows; r++) {
        double row = 0;
        for (size_t c = 0; c < group->cols; c++) {
            const size_t i = linear_in(lin, group, c);
            if (i < from || i >= to)
                continue;
            const double w = (double)lin->w[linear_weight(lin, group, r, c)], square = w * w;
            row += square;
            column[c] += square;
            sizes->weight = square > sizes->weight ? square : sizes->weight;
        }
        sizes->row = fmax(sizes->row, row);
    }
}

/* next[g] = another group with g's block, SIZE_MAX at the end; owners begin. */
static size_t *sharing_groups(const struct linear *lin, const uint32_t *owner)
{
    size_t *next = malloc((lin->n_groups + 1) * sizeof *next);
    for (size_t g = 0; next != NULL && g < lin->n_groups; g++) {
        next[g] = SIZE_MAX;
        if (owner[g] != g) {
            next[g] = next[owner[g]];
            next[owner[g]] = g;
        }
    }
    return next;
}

static mp2ml_status weight_sizes(struct sizes *sizes, const struct linear *lin, size_t from,
                                 size_t to)
{
    size_t widest = 0;
    for (size_t g = 0; g < lin->n_groups; g++)
        widest = lin->groups[g].cols > widest ? lin->groups[g].cols : widest;
    double *columns = calloc(to - from + 1, sizeof *columns);
    double *column = malloc((widest + 1) * sizeof *column);
    uint32_t *owner = linear_owners(lin);
    size_t *next = owner != NULL ? sharing_groups(lin, owner) : NULL;
    const bool ok = columns != NULL && column != NULL && next != NULL;
    *sizes = (struct sizes){0, 0, 0};
    for (size_t g = 0; ok && g < lin->n_groups; g++) {
        if (owner[g] == g)
            block_sizes(sizes, column, lin, &lin->groups[g], from, to);
        for (size_t h = owner[g] == g ? g : SIZE_MAX; h != SIZE_MAX; h = next[h])
            for (size_t c = 0; c < lin->groups[h].cols; c++) {
                const size_t i = linear_in(lin, &lin->groups[h], c);
                if (i >= from && i < to)
                    columns[i - from] += column[c];
            }
    }
    for (size_t i = 0; ok && i < to - from; i++)
        sizes->column = fmax(sizes->column, columns[i]);
    free(columns);
    free(column);
    free(owner);
    free(next);
    sizes->weight = sqrt(sizes->weight);
    sizes->row = sqrt(sizes->row);
    sizes->column = sqrt(sizes->column);
    return ok ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* The longest way of a value through a maximum, in comparisons. */
static double rounds_of(const struct mpc_windows *w)
{
    uint32_t longest = 1;
    for (size_t i = 0; i < w->count; i++)
        longest = w->first[i + 1] - w->first[i] > longest ? w->first[i + 1] - w->first[i] : longest;
    return ceil(log2(longest));
}

static void widen(struct plan_flip *to, double fresh, double one, double all)
{
    to->fresh = fmax(to->fresh, fresh);
    to->one = fmax(to->one, one);
    to->all = fmax(to->all, all);
}

/* What one wrong sign adds to the values of a linear step: one that a value was alone in is spread
 * by the value's column; of several values that it has moved, rows add up what they read. */
static mp2ml_status linear_flip(struct plan_flip *flip, const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    size_t at = 0;
    for (unsigned i = 0; i < step->n_operands; i++) {
        const unsigned o = step->operands[i];
        const struct plan_flip *in = &plan->notes[o].flip;
        const size_t from = at;
        struct sizes sizes;
        at += plan->pub.steps[o].count;
        if (in->fresh <= 0 && in->all <= 0)
            continue;
        TRY(weight_sizes(&sizes, &plan->linear[s], from, at));
        widen(flip, 0, fmax(in->fresh * sizes.weight, in->all * sizes.row),
              fmax(in->fresh * sizes.column, in->all * fmax(sizes.row, sizes.column)));
    }
    return MP2ML_OK;
}

/* What the values of one factor of a product are multiplied by. */
struct factors {
    double most;   /* the largest factor */
    double spread; /* most 2-norm of the factors of one value */
    bool once;     /* no value has several */
};

/* Of operand i: what the samples have shown of the other one, and `more`. */
static mp2ml_status other_factors(struct factors *f, const struct plan *plan,
                                  const struct plan_step *step, unsigned i, double more)
{
    const struct mpc_windows *w = &step->windows;
    const unsigned own = step->operands[i % step->n_operands],
                   other = step->operands[(1 - i) % step->n_operands];
    const size_t n = plan->pub.steps[own].count;
    double *squares = calloc(n + 1, sizeof *squares);
    if (squares == NULL)
        return MP2ML_ERR_MEMORY;
    *f = (struct factors){0, 0, true};
    for (size_t v = 0; v < step->count; v++) {
        const size_t x = w->count != 0 ? w->member[2 * v + i] : v,
                     y = w->count != 0 ? w->member[2 * v + 1 - i] : v;
        const double by = (double)plan->range[other].largest[y] + more;
        f->once = f->once && !(squares[x] > 0);
        squares[x] += by * by;
        f->most = fmax(f->most, by);
    }
    for (size_t v = 0; v < n; v++)
        f->spread = fmax(f->spread, sqrt(squares[v]));
    free(squares);
    return MP2ML_OK;
}

/* (a + da) * (b + db) is off by da * b + (a + da) * db; one sign may have moved both. */
static mp2ml_status product_flip(struct plan_flip *flip, const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    for (unsigned i = 0; i < 2; i++) {
        const struct plan_flip *in = &plan->notes[step->operands[i % step->n_operands]].flip,
                               *before = &plan->notes[step->operands[0]].flip;
        struct factors f;
        if (in->fresh <= 0 && in->all <= 0)
            continue;
        TRY(other_factors(&f, plan, step, i, i == 1 ? fmax(before->fresh, before->one) : 0));
        flip->fresh += f.once ? f.most * in->fresh : 0;
        flip->one += f.most * (f.once ? in->one : fmax(in->fresh, in->one));
        flip->all += f.spread * (f.once ? in->all : fmax(in->fresh, in->all));
    }
    return MP2ML_OK;
}

mp2ml_status plan_flip_of(struct plan_flip *flip, const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const double half = plan_blind_half(plan, s);
    *flip = (struct plan_flip){0, 0, 0};
    if (step->kind == STEP_LINEAR)
        return linear_flip(flip, plan, s);
    if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE)
        return product_flip(flip, plan, s);
    if (step->kind == STEP_SIGN &&
        !plan_sign_is_sure(plan, s, plan->notes[step->operands[0]].error_sd))
        widen(flip, 2, 0, 0); /* whatever its operand is */
    for (unsigned i = 0; step->kind != STEP_SIGN && i < step->n_operands; i++) {
        const struct plan_flip *in = &plan->notes[step->operands[i]].flip;
        const double factor = step->kind == STEP_SUM ? ldexp(1, step->shift[i]) : 1;
        widen(flip, factor * in->fresh, factor * in->one, factor * in->all);
    }
    if (step->kind == STEP_RELU)
        widen(flip, half, 0, 0);
    if (step->kind == STEP_MAX &&
        step->blind > 0) /* each comparison may lose what it does not see */
        flip->fresh += rounds_of(&step->windows) * half;
    return MP2ML_OK;
}
