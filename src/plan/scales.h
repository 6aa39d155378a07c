/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that choose scales share: scales.c (the walk, rings, sets), scales_weights.c (the
 * integers of one matrix), scales_strict.c (intervals of integers). */
#ifndef PLAN_SCALES_H
#define PLAN_SCALES_H

#include <math.h>

#include "plan/plan_internal.h"

#define NOISE_LSB 5 /* what a share's error may add, "Encryption" */
#define MIN_WEIGHT_BITS 8

struct interval { /* integer values of a neuron, strict mode */
    double low, high;
};

struct scaling {
    struct plan *plan;
    unsigned k, k_out;
    struct interval **values; /* [n_steps], strict mode only */
    mp2ml_error *err;
};

static inline double round_half_up(double x)
{
    return floor(x + 0.5);
}

/* The largest value that a result may have in k bits. */
static inline double scales_room(unsigned k)
{
    return ldexp(1.0, (int)k - 2) - NOISE_LSB;
}

/* The constant beside value i of a RELU or SIGN, 0 without any, as an integer, small enough for the
 * sum with a value to stay in k bits. */
static inline double scales_beside(const struct plan *plan, unsigned s, size_t i)
{
    const struct plan_step *step = &plan->pub.steps[s];
    double most = ldexp(1.0, (int)step->k - 2) - 1;
    double b = plan->linear[s].b != NULL ? plan->linear[s].b[i] : 0;
    double v = round_half_up(b * plan->pub.steps[step->operands[0]].scale);
    return fmax(-most, fmin(most, v));
}

/* The constants of a linear step's rows (linear.h, n_rows), with what is missing from its operands
 * (linear.h, lost); freed by the caller, NULL when memory is short. */
double *scales_constants(struct plan *plan, unsigned s);

/* ---- scales_weights.c ------------------------------------------------------------------------ */

/* What the weights of one operand of a linear step ask for. */
#define SCALES_FEW 12 /* magnitudes that are looked at one by one */

struct operand_spread {
    double most, least;      /* of |weight|/S_i, zeros apart; 0 and INFINITY without any */
    double square;           /* largest sum over the columns of a row of E[(x*S_i)^2] */
    double size[SCALES_FEW]; /* the magnitudes ... */
    unsigned n_sizes;        /* ... if there are no more than SCALES_FEW */
};

/* spread[n_operands], shifts not counted. */
MUST_CHECK mp2ml_status scales_spread(struct operand_spread *spread, const struct plan *plan,
                                      unsigned s);
/* The scale of the sum for b_w bits of weight, at most 2^-halve of what is best, and the operands'
 * shifts. False when that would be less than what needs no shift (halve > 0 only). */
bool scales_choose(double *sum_scale, uint8_t *shift, const struct operand_spread *spread,
                   unsigned n, double range, unsigned k, unsigned b_w, unsigned halve);
/* Integer weights and the norms of their rows. */
MUST_CHECK mp2ml_status scales_quantise(struct linear *lin, const double *inverse, double sum_scale,
                                        unsigned b_w);

/* ---- scales_strict.c ------------------------------------------------------------------------- */

/* The integer sums' proven bound, and their intervals in values[s]. */
MUST_CHECK mp2ml_status strict_sums(struct scaling *sc, unsigned s, double sum_scale,
                                    double *bound);
/* Intervals behind the switch that drops t bits. */
void strict_switch(struct scaling *sc, unsigned s, unsigned t);
/* Intervals of all steps but LINEAR. */
void strict_other(struct scaling *sc, unsigned s);

#endif
