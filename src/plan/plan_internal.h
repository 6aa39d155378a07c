/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share and nobody else sees. */
#ifndef PLAN_PLAN_INTERNAL_H
#define PLAN_PLAN_INTERNAL_H

#include <math.h>

#include "plan/plan.h"

/* What is known of a step's values, in real units. */
struct plan_range {
    double measured;    /* largest |x| over the samples */
    double proven;      /* interval bound in floats; strict mode: integer bound, set by scales.c */
    double used;        /* what the scale was chosen for */
    float *mean_square; /* [count], over the samples, for the error model */
    float *largest;     /* factors of products: [count], |.| over the samples; else NULL */
    float
        *active; /* RELU, SIGN: [count], share of the samples in which it is not zero; else NULL */
};

/* What one wrong sign before it, of a SIGN or a blind one, may add to a step's values, real units. */
struct plan_flip {
    double fresh; /* to a single value, of those whose signs this step, or a step before it that is
                     not linear, has decided */
    double one, all; /* of earlier ones: to any one value; 2-norm of what they add to all */
};

struct plan_notes {   /* one a step */
    char *nodes;      /* graph nodes that it does, for people */
    uint32_t dims[3]; /* of its values as a picture in memory order, of one image: two sides and
                         channels, or channels and two sides */
    bool opened;      /* its values reach the client, through non-linear steps at most */
    double sum_scale; /* LINEAR: S of the sum before the switch, S_out * 2^t */
    unsigned b_w;     /* LINEAR: bits of the weights as scaled */
    double norm2;     /* LINEAR: largest 2-norm of an integer row */
    unsigned k_most;  /* LINEAR before a product: the ring may have so many bits only; 0: any */
    bool attributes;  /* RELU, SIGN: the constants beside it follow from attributes of operators */
    double margin;    /* SIGN: no value is nearer to 0 than this, real units; 0: any may be */
    double error_sd;  /* expected standard deviation of the error, real units; largest value */
    struct plan_flip flip;
};

/* Adds a step with room in every parallel array; *at is its number. `nodes` is copied. */
MUST_CHECK mp2ml_status plan_add_step(struct plan *plan, enum step_kind kind,
                                      const uint16_t *operands, unsigned n_operands, size_t count,
                                      const char *nodes, unsigned *at, mp2ml_error *err);
/* Whether a step behind s reads the values of step o. */
bool plan_is_read_after(const struct plan_public *pub, unsigned o, unsigned s);
/* Whether step s is relu(x + a) - relu(x + b), as a clipped ReLU is, value by value; a, b may be 0. */
bool plan_is_clip(const struct plan *plan, unsigned s);
void plan_windows_wipe(struct mpc_windows *windows);

/* lower.c: fills pub (but for scales and rings) and linear (the float form). */
MUST_CHECK mp2ml_status plan_lower(struct plan *plan, const struct graph *graph,
                                   struct graph_refusals *refusals, mp2ml_error *err);
/* plan_error.c: true where values keep away from 0 by more than their errors, of this deviation, and
 * what a SIGN s does not see: rows of a table that are looked up. */
bool plan_sign_is_sure(const struct plan *plan, unsigned s, double deviation);
/* plan_flip.c: of step s, when those before it have theirs. */
MUST_CHECK mp2ml_status plan_flip_of(struct plan_flip *flip, const struct plan *plan, unsigned s);
/* ranges.c: samples, their outputs, and plan->range. */
MUST_CHECK mp2ml_status plan_measure(struct plan *plan, mp2ml_error *err);

/* The largest value of step s that the ring of ReLUs holds (linear.h, lost). */
static inline double plan_held(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    if (step->kind == STEP_RELU)
        return ldexp(1, (int)step->k - 1) / step->scale;
    return step->kind == STEP_SUM ? ldexp(plan_held(plan, step->operands[0]), step->shift[0]) +
                                        ldexp(plan_held(plan, step->operands[1]), step->shift[1])
                                  : INFINITY;
}

/* The square of a value of step s, as far as its ring holds it. */
static inline double plan_held_square(const struct plan *plan, unsigned s, double square)
{
    const double most = plan_held(plan, s);
    return fmin(square, most * most);
}

static inline double plan_mean_square(const struct plan *plan, unsigned s, size_t v)
{
    return plan_held_square(plan, s, (double)plan->range[s].mean_square[v]);
}

/* 1 / (scale of an operand's integer times 2^shift) of every value that a linear step reads; freed
 * by the caller, NULL when memory is short. */
double *plan_inverse_scales(const struct plan *plan, const struct plan_step *step);

static inline double plan_scale_of_input(double low, double high, unsigned bits)
{
    double a = low < 0 ? -low : low, b = high < 0 ? -high : high;
    return ((double)((uint64_t)1 << bits) - 1) / (a > b ? a : b);
}

#endif
