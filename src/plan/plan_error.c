/* SPDX-License-Identifier: Apache-2.0
 *
 * The expected error of every value against the float model: variances of independent causes.
 *
 *   input      rounding to a multiple of 1/S_in                1/12 / S_in^2
 *   weights    each off by what its rounding lost              E[x^2] * lost^2
 *   bias       rounding                                        1/12 / S^2
 *   switch     the share's error: sigma of the set and         (sigma^2 + (3.24*norm2*2^k/q)^2)
 *              encryption noise through the weights            / S_out^2
 *   sign       a blind one, of values near 0                   blind_variance
 *   Sign       wrong where the operand is nearer to 0 than     4 * wrong_signs
 *              its error, which rows of tables never are
 *   carried    the operands' errors                            w^2 * variance
 * A ReLU passes the error on in those samples in which it is not zero (and in some beside, where
 * the error itself decides); a maximum never enlarges it. E[x^2] and the share of active ReLUs are
 * measured on the samples.
 *
 * Wrong signs, of a Sign or blind ones, are rare and large, which a deviation says little about: so
 * the bound leaves room for one of them besides, with what it adds behind the weights (`flip`). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define ACTIVE_LEAST 0.05 /* of a ReLU that is nearly always zero */
#define PI 3.14159265358979323846
#define DEVIATIONS 6 /* the stated bound, in standard deviations of the worst value */
#define OBSERVED                                                                                   \
    2.0 /* errors of weights and of neighbours in a picture are not independent, which             \
           the model takes them for; what the twin showed on the samples counts double */

struct error_model {
    const struct plan *plan;
    double **variance; /* [n_steps][count] */
};

struct variance_rows {
    const struct linear *lin;
    const double *unit; /* [n_in]: S_i*2^shift/S of the weights of each value that is read */
};

/* Of each weight its square, of what was carried, and the square of what its rounding lost. */
static void squares_of_row(const void *context, double *a, double *b,
                           const struct linear_group *group, size_t row)
{
    const struct variance_rows *rows = context;
    const struct linear *lin = rows->lin;
    for (size_t c = 0; c < group->cols; c++) {
        const size_t at = linear_weight(lin, group, row, c);
        double w = (double)lin->w[at];
        double lost = w - lin->wi[at] * rows->unit[linear_in(lin, group, c)];
        a[c] = w * w;
        b[c] = lost * lost;
    }
}

static mp2ml_status linear_variance(const struct error_model *m, unsigned s, double *out)
{
    const struct plan *plan = m->plan;
    const struct plan_step *step = &plan->pub.steps[s];
    const struct linear *lin = &plan->linear[s];
    const struct ckks_params *params = ckks_params(step->set);
    const size_t n = plan_step_inputs(&plan->pub, step);
    double *unit = calloc(3 * n + 1, sizeof *unit), *carried = unit + n, *square = carried + n;
    if (unit == NULL)
        return MP2ML_ERR_MEMORY;
    double scale = plan->notes[s].sum_scale, out_scale = step->scale;
    double fresh = sqrt(params->eta / 2.0) * exp2((double)step->k - params->log2_q);
    for (size_t i = 0, at = 0; i < step->n_operands; i++) {
        unsigned o = step->operands[i];
        for (size_t v = 0; v < plan->pub.steps[o].count; v++, at++) {
            unit[at] = ldexp(plan->pub.steps[o].scale / scale, step->shift[i]);
            carried[at] = m->variance[o][v];
            square[at] = plan_mean_square(plan, o, v);
        }
    }
    for (size_t o = 0; o < lin->n_out; o++) {
        double noise = fresh * (double)lin->norm2[o];
        out[o] = 1 / (12 * scale * scale) +
                 (params->sigma * params->sigma + noise * noise) / (out_scale * out_scale);
    }
    const struct variance_rows rows = {lin, unit};
    const struct linear_sums sums = {squares_of_row, &rows, carried, square};
    mp2ml_status status = linear_sums(lin, out, &sums);
    free(unit);
    return status;
}

/* a*b moves by a*db + b*da + da*db; x^2 by 2*x*dx. */
static void product_variance(const struct error_model *m, const struct plan_step *step, double *out)
{
    const struct mpc_windows *w = &step->windows;
    unsigned a = step->operands[0], b = step->operands[step->n_operands - 1];
    for (size_t i = 0; i < step->count; i++) {
        size_t x = w->count != 0 ? w->member[2 * i] : i,
               y = w->count != 0 ? w->member[2 * i + 1] : i;
        double va = m->variance[a][x], vb = m->variance[b][y];
        double sa = (double)m->plan->range[a].mean_square[x],
               sb = (double)m->plan->range[b].mean_square[y];
        out[i] =
            step->kind == STEP_SQUARE ? 4 * sa * va + 3 * va * va : sa * vb + sb * va + va * vb;
    }
}

/* Both have their errors from one value: at most the sum of the deviations. */
static void sum_variance(const struct error_model *m, const struct plan_step *step, double *out)
{
    const double *a = m->variance[step->operands[0]], *b = m->variance[step->operands[1]];
    for (size_t i = 0; i < step->count; i++) {
        double sd = ldexp(sqrt(a[i]), step->shift[0]) + ldexp(sqrt(b[i]), step->shift[1]);
        out[i] = sd * sd;
    }
}

/* What a blind sign adds where the values have this mean square, 0 if it is not known. A value x
 * with |x| < half is lost, or kept below 0, with probability (1 - |x|/half)/2: x^2 times that is at
 * most 2/27 * half^2, and over x of density f it makes f * half^3/12, f = 1/(sqrt(2 pi) *
 * deviation) at the middle of a normal distribution. */
static double blind_variance(double half, double square)
{
    double most = 2.0 / 27 * half * half;
    return square > 0 ? fmin(most, half * half * half / (12 * sqrt(2 * PI * square))) : most;
}

/* How likely a Sign is wrong whose operand has this mean square and error. Of density f at 0, the
 * middle of a normal distribution, they are f * E|error| and, blind, f * half/2. */
static double wrong_signs(double half, double square, double variance)
{
    return square > 0 ? fmin(0.5, (sqrt(2 / PI * variance) + half / 2) / sqrt(2 * PI * square))
                      : 0.5;
}

/* True where values keep away from 0 by more than their errors, of this deviation, and what a sign
 * does not see: rows of a table that are looked up. */
static bool is_sure(const struct plan *plan, unsigned s, double deviation)
{
    return plan->notes[s].margin > DEVIATIONS * deviation + plan_blind_half(plan, s);
}

/* A wrong sign is off by 2; where the float model has 0 exactly, either is off by 1. */
static void sign_variance(const struct error_model *m, unsigned s, const double *in, double *out)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    const float *active = m->plan->range[s].active;
    const float *square = m->plan->range[step->operands[0]].mean_square;
    for (size_t i = 0; i < step->count; i++)
        if (!is_sure(m->plan, s, sqrt(in[i])))
            out[i] = 4 * wrong_signs(plan_blind_half(m->plan, s),
                                     square != NULL ? (double)square[i] : 0, in[i]) +
                     fmax(0, 1 - (active != NULL ? (double)active[i] : 0));
}

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

/* What one wrong sign may add to a value of step s, and to all of them. */
static mp2ml_status flip_of(struct plan_flip *flip, const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const double half = plan_blind_half(plan, s);
    *flip = (struct plan_flip){0, 0, 0};
    if (step->kind == STEP_LINEAR)
        return linear_flip(flip, plan, s);
    if (step->kind == STEP_SIGN && !is_sure(plan, s, plan->notes[step->operands[0]].error_sd))
        widen(flip, 2, 0, 0); /* whatever its operand is */
    for (unsigned i = 0; step->kind != STEP_SIGN && i < step->n_operands; i++) {
        const unsigned o = step->operands[i], other = step->operands[step->n_operands - 1 - i];
        const struct plan_flip *in = &plan->notes[o].flip;
        const double factor = step->kind == STEP_SUM       ? ldexp(1, step->shift[i])
                              : step->kind == STEP_PRODUCT ? plan->range[other].used
                              : step->kind == STEP_SQUARE  ? 2 * plan->range[o].used
                                                           : 1;
        widen(flip, factor * in->fresh, factor * in->one, factor * in->all);
    }
    if (step->kind == STEP_RELU)
        widen(flip, half, 0, 0);
    if (step->kind == STEP_MAX &&
        step->blind > 0) /* each comparison may lose what it does not see */
        flip->fresh += rounds_of(&step->windows) * half;
    return MP2ML_OK;
}

static mp2ml_status step_variance(struct error_model *m, unsigned s)
{
    const struct plan_step *step = &m->plan->pub.steps[s];
    double *out = calloc((size_t)step->count + 1, sizeof *out);
    m->variance[s] = out;
    if (out == NULL)
        return MP2ML_ERR_MEMORY;
    const double *in = step->n_operands != 0 ? m->variance[step->operands[0]] : NULL;
    if (step->kind == STEP_INPUT) {
        for (size_t i = 0; i < step->count; i++)
            out[i] = 1 / (12 * step->scale * step->scale);
    } else if (step->kind == STEP_LINEAR) {
        return linear_variance(m, s, out);
    } else if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
        product_variance(m, step, out);
    } else if (step->kind == STEP_SUM) {
        sum_variance(m, step, out);
    } else if (step->kind == STEP_SIGN) {
        sign_variance(m, s, in, out);
    } else if (step->kind == STEP_MAX || step->kind == STEP_ARGMAX) {
        const struct mpc_windows *w = &step->windows;
        size_t each = step->top > 1 ? step->top : 1;
        for (size_t i = 0; i < step->count; i++)
            for (uint32_t j = w->first[i / each]; j < w->first[i / each + 1]; j++)
                out[i] = fmax(out[i], in[w->member[j]]);
        for (size_t i = 0; step->blind > 0 && i < step->count; i++)
            for (uint32_t j = w->first[i + 1] - w->first[i]; j > 1; j = (j + 1) / 2)
                out[i] += blind_variance(plan_blind_half(m->plan, s), 0);
    } else {
        const float *active = m->plan->range[s].active; /* of a RELU */
        const float *square = m->plan->range[step->operands[0]].mean_square;
        for (size_t i = 0; i < step->count; i++)
            out[i] =
                (active != NULL ? in[i] * fmin(1, (double)active[i] + ACTIVE_LEAST) : in[i]) +
                blind_variance(plan_blind_half(m->plan, s), square != NULL ? (double)square[i] : 0);
    }
    return MP2ML_OK;
}

mp2ml_status plan_error_model(struct plan *plan)
{
    unsigned n = plan->pub.n_steps;
    struct error_model m = {plan, calloc(n + 1, sizeof *m.variance)};
    mp2ml_status status = m.variance != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; status == MP2ML_OK && s < n; s++) {
        status = step_variance(&m, s);
        double top = 0;
        for (size_t i = 0; status == MP2ML_OK && i < plan->pub.steps[s].count; i++)
            top = fmax(top, m.variance[s][i]);
        plan->notes[s].error_sd = sqrt(top);
        if (status == MP2ML_OK)
            status = flip_of(&plan->notes[s].flip, plan, s);
    }
    for (unsigned s = 0; m.variance != NULL && s < n; s++)
        free(m.variance[s]);
    free(m.variance);
    return status;
}

/* The step that shows output o. */
static const struct plan_notes *notes_of(const struct plan *plan, unsigned o)
{
    unsigned s = 0;
    while (plan->pub.steps[s].kind != STEP_OUTPUT || plan->pub.steps[s].tensor != o)
        s++;
    return &plan->notes[s];
}

double plan_modelled_error(const struct plan *plan, unsigned o)
{
    return DEVIATIONS * notes_of(plan, o)->error_sd;
}

double plan_flip_error(const struct plan *plan, unsigned o)
{
    return fmax(notes_of(plan, o)->flip.fresh, notes_of(plan, o)->flip.one);
}

double plan_stated_error(const struct plan *plan, unsigned output)
{
    const double e = plan_expected_error(plan, output);
    switch (plan->pub.outputs[output].post) {
    case PLAN_POST_SIGMOID:
        return tanh(e / 4); /* from -e/2 to e/2 */
    case PLAN_POST_TANH:
        return 2 * tanh(e / 2);
    case PLAN_POST_SOFTMAX: /* the sigmoid of what one value has more than all others */
        return tanh(e / 2);
    case PLAN_POST_LOG_SOFTMAX:
        return 2 * e;
    default:
        return e;
    }
}

double plan_expected_error(const struct plan *plan, unsigned output)
{
    return fmax(plan_modelled_error(plan, output) + plan_flip_error(plan, output),
                OBSERVED * plan->observed_error[output]);
}
