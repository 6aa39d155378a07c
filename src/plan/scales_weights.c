/* SPDX-License-Identifier: Apache-2.0
 *
 * The integers of one matrix. The sum of a linear step has the scale S; the weight of a value that
 * is read as integer of scale S_i*2^shift is round(w*S/(S_i*2^shift)), |.| <= limit.
 *
 * One operand: S is as large as the limit allows. Several (a residual sum, a concatenation): the
 * largest weight of all must not cost the others their bits, so S is what the most demanding
 * operand wants, and an operand whose weights would exceed the limit is read times 2^shift, which
 * both parties do to their shares for nothing. An operand whose weights are all of one size (a skip
 * connection) gets a whole number, so that nothing of it is lost.
 *
 * Where the operands add little to a result, beside a bias or another operand, weights of all bits would
 * be more than it can show: S is then what leaves of their rounding a small part of the switch's error,
 * down to weights of 0.
 *
 * Where weights have few magnitudes, S makes them as whole as possible.
 *
 * Where all weights have one magnitude (pooling, sums, copies) they are the largest integer for
 * which no bit need be dropped, at least 1: nothing is lost by rounding, and l stays small. */
#include <stdlib.h>

#include "plan/linear_build.h"
#include "plan/scales.h"

#define PARALLEL 16384   /* weights of a block from which on threads are worth it */
#define ROUNDING_LSB 0.2 /* rounding of an operand's weights may add this much to a result; */
#define SPARE_LIMIT 64.0 /* no more than limit/SPARE_LIMIT times less is of use */

double *plan_inverse_scales(const struct plan *plan, const struct plan_step *step)
{
    size_t n = plan_step_inputs(&plan->pub, step), at = 0;
    double *inverse = malloc((n + 1) * sizeof *inverse);
    for (unsigned i = 0; inverse != NULL && i < step->n_operands; i++) {
        const struct plan_step *operand = &plan->pub.steps[step->operands[i]];
        double f = ldexp(1.0 / operand->scale, -(int)step->shift[i]);
        for (size_t v = 0; v < operand->count; v++)
            inverse[at++] = f;
    }
    return inverse;
}

struct columns { /* of the values that a step reads */
    double *inverse;
    float *square; /* E[(x*S_i)^2] */
    uint8_t *operand;
};

static void columns_wipe(struct columns *c)
{
    free(c->inverse);
    free(c->square);
    free(c->operand);
}

static mp2ml_status columns_init(struct columns *c, const struct plan *plan,
                                 const struct plan_step *step)
{
    size_t n = plan_step_inputs(&plan->pub, step), at = 0;
    c->inverse = plan_inverse_scales(plan, step);
    c->square = malloc((n + 1) * sizeof *c->square);
    c->operand = malloc((n + 1) * sizeof *c->operand);
    if (c->inverse == NULL || c->square == NULL || c->operand == NULL) {
        columns_wipe(c);
        return MP2ML_ERR_MEMORY;
    }
    for (unsigned i = 0; i < step->n_operands; i++) {
        unsigned o = step->operands[i];
        for (size_t v = 0; v < plan->pub.steps[o].count; v++, at++) {
            double f = ldexp(c->inverse[at], step->shift[i]);
            c->inverse[at] = f; /* shifts not counted */
            c->operand[at] = (uint8_t)i;
            c->square[at] = (float)(plan_mean_square(plan, o, v) / (f * f));
        }
    }
    return MP2ML_OK;
}

static void note_size(struct operand_spread *s, double a)
{
    unsigned i = 0;
    while (i < s->n_sizes && fabs(s->size[i] - a) > 1e-6 * a)
        i++;
    if (i == s->n_sizes && s->n_sizes++ < SCALES_FEW)
        s->size[i] = a;
}

/* Weights of one block that `group` has. */
static void block_spread(struct operand_spread *spread, const struct linear *lin,
                         const struct linear_group *group, const struct columns *columns)
{
    for (size_t r = 0; r < group->rows; r++) {
        for (size_t c = 0; c < group->cols; c++) {
            const size_t i = linear_in(lin, group, c);
            struct operand_spread *s = &spread[columns->operand[i]];
            double a = fabs((double)lin->w[linear_weight(lin, group, r, c)]) * columns->inverse[i];
            s->most = a > s->most ? a : s->most;
            s->least = a > 0 && a < s->least ? a : s->least;
            if (a > 0 && s->n_sizes <= SCALES_FEW)
                note_size(s, a);
        }
    }
}

mp2ml_status scales_spread(struct operand_spread *spread, const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const struct linear *lin = &plan->linear[s];
    struct columns columns;
    TRY(columns_init(&columns, plan, step));
    for (unsigned i = 0; i < step->n_operands; i++)
        spread[i] = (struct operand_spread){.least = INFINITY};
    uint32_t *owner = linear_owners(lin);
    for (size_t g = 0; owner != NULL && g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        double square[PLAN_MAX_OPERANDS] = {0};
        for (size_t c = 0; c < group->cols; c++) {
            uint32_t i = linear_in(lin, group, c);
            square[columns.operand[i]] += (double)columns.square[i];
        }
        for (unsigned i = 0; i < step->n_operands; i++)
            spread[i].square = fmax(spread[i].square, square[i]);
        if (owner[g] == g)
            block_spread(spread, lin, group, &columns);
    }
    mp2ml_status status = owner != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    free(owner);
    columns_wipe(&columns);
    return status;
}

/* ---- the scale of the sum -------------------------------------------------------------------- */

static bool is_flat(const struct operand_spread *s)
{
    return s->most > 0 && s->most <= s->least * (1 + 1e-6);
}

/* The largest weight as an integer, of the upper half of what the limit allows, with which rounding
 * loses least of the others: means of 9, 6 and 4 values, beside each other at a border, are whole
 * with multiples of 36. */
static double best_whole(const struct operand_spread *s, double limit)
{
    double best = limit, least = INFINITY;
    for (double m = limit; m > limit / 2; m--) {
        double lost = 0;
        for (unsigned i = 0; i < s->n_sizes; i++) {
            const double v = m * s->size[i] / s->most;
            lost = fmax(lost, fabs(v - round_half_up(v)) / m);
        }
        if (lost < least * (1 - 1e-9) && lost < least - 1e-12) {
            least = lost;
            best = m;
        }
    }
    return best;
}

/* What one operand wants: rounding of its weights loses little beside the error of the switch. 0 of
 * values that have been 0 in all samples. */
static double scale_wanted(const struct operand_spread *s, double range, unsigned k)
{
    return range > 0 ? sqrt(s->square / 12) * scales_room(k) / range / ROUNDING_LSB : 0;
}

/* More is of no use: operands behind a bias, or beside another, that is far larger than they are want
 * little. */
static double scale_spare(double wanted, double limit)
{
    return wanted > 0 ? wanted * limit / SPARE_LIMIT : INFINITY;
}

static double one_operand(const struct operand_spread *s, double range, unsigned k, double limit)
{
    double scale = (s->n_sizes <= SCALES_FEW ? best_whole(s, limit) : limit) / s->most;
    if (is_flat(s)) {
        double m = range > 0 ? floor(scales_room(k) * s->most / range) : limit;
        scale = (m < 1 ? 1 : m > limit ? limit : m) / s->most;
    }
    return fmin(scale, scale_spare(scale_wanted(s, range, k), limit));
}

/* Doublings that bring `weight` (in units of the sum) below the limit. */
static unsigned doublings(double weight, double limit)
{
    unsigned m = 0;
    while (m < 47 && ldexp(weight, -(int)m) > limit * (1 + 1e-9))
        m++;
    return m;
}

/* Of what the operands want, and their weights' limit allows, the most. */
static double most_demanding(const struct operand_spread *spread, unsigned n, double range,
                             unsigned k, double limit)
{
    double want = 0;
    for (unsigned i = 0; i < n; i++)
        if (spread[i].most > 0)
            want = fmax(want, fmin(scale_wanted(&spread[i], range, k), limit / spread[i].most));
    return want;
}

/* Of the flat operands the one that adds most, or -1. */
static int largest_flat(const struct operand_spread *spread, unsigned n)
{
    int best = -1;
    double most = -1;
    for (unsigned i = 0; i < n; i++) {
        double size = spread[i].square * spread[i].most * spread[i].most;
        if (is_flat(&spread[i]) && size > most) {
            most = size;
            best = (int)i;
        }
    }
    return best;
}

bool scales_choose(double *sum_scale, uint8_t *shift, const struct operand_spread *spread,
                   unsigned n, double range, unsigned k, unsigned b_w, unsigned halve)
{
    double limit = ldexp(1.0, (int)b_w - 1) - 1, most = 0;
    unsigned read = 0, last = 0;
    for (unsigned i = 0; i < n; i++) {
        shift[i] = 0;
        most = fmax(most, spread[i].most);
        if (spread[i].most > 0) {
            read++;
            last = i;
        }
    }
    if (read == 0) { /* only biases */
        *sum_scale = range > 0 ? scales_room(k) / range : 1.0;
        return halve == 0;
    }
    if (read == 1) {
        *sum_scale = one_operand(&spread[last], range, k, limit);
        return halve == 0;
    }
    double wanted = 0, scale = most_demanding(spread, n, range, k, limit);
    for (unsigned i = 0; i < n; i++)
        wanted = fmax(wanted, spread[i].most > 0 ? scale_wanted(&spread[i], range, k) : 0);
    double least = fmin(limit / most, scale_spare(wanted, limit));
    scale = ldexp(fmax(scale, least), -(int)halve);
    if (halve > 0 && scale < least / 2)
        return false;
    scale = fmax(scale, least);
    int flat = largest_flat(spread, n);
    if (flat >= 0) {
        double a = spread[flat].most;
        unsigned m = doublings(scale * a, limit);
        double whole = round_half_up(ldexp(scale * a, -(int)m));
        scale = ldexp(fmax(whole, 1) / a, (int)m);
    }
    for (unsigned i = 0; i < n; i++)
        shift[i] = (uint8_t)doublings(scale * spread[i].most, limit);
    *sum_scale = scale;
    return true;
}

/* Weights that several groups have become the same integers with each. */
static void quantise_block(struct linear *lin, const struct linear_group *group,
                           const double *inverse, double sum_scale, double limit)
{
    const uint32_t *col = lin->index + group->col_at;
#pragma omp parallel for schedule(static) if ((uint64_t)group->rows * group->cols > PARALLEL)
    for (size_t r = 0; r < group->rows; r++) {
        const float *w = lin->w + group->weights_at + r * group->stride;
        int16_t *wi = lin->wi + group->weights_at + r * group->stride;
        double squares = 0;
        for (size_t c = 0; c < group->cols; c++) {
            double v = (double)w[col[c]] * sum_scale * inverse[linear_in(lin, group, c)];
            v = round_half_up(v);
            v = v > limit ? limit : v < -limit ? -limit : v;
            wi[col[c]] = (int16_t)v;
            squares += v * v;
        }
        lin->norm2[group->rows_at + r] = (float)sqrt(squares);
    }
}

/* Groups that share a block read values of the same scales, column by column (merge.c). */
mp2ml_status scales_quantise(struct linear *lin, const double *inverse, double sum_scale,
                             unsigned b_w)
{
    double limit = ldexp(1.0, (int)b_w - 1) - 1;
    uint32_t *owner = linear_owners(lin);
    if (owner == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t g = 0; g < lin->n_groups; g++)
        if (owner[g] == g)
            quantise_block(lin, &lin->groups[g], inverse, sum_scale, limit);
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *to = &lin->groups[g], *from = &lin->groups[owner[g]];
        for (size_t r = 0; to->rows_at != from->rows_at && r < to->rows; r++)
            lin->norm2[to->rows_at + r] = lin->norm2[from->rows_at + r];
    }
    free(owner);
    return MP2ML_OK;
}
