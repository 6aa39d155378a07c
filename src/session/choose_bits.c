/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of bits (docs/protocol.md, "Numbers"): of k, the ring of hidden activations, and of
 * the sign bits, which the sign of each ReLU and maximum looks at.
 *
 * A larger k costs a few bits of traffic a value and makes every error smaller; a sign bit costs an
 * AND, most of what a ReLU costs, and matters near zero only. So k is the largest that fits
 * (choose_ring), and then each step's signs look at as few bits as keep the outputs nearly as good
 * as exact signs do, for faint inputs as for strong ones: first all steps alike, then step by step,
 * the costliest first. Trials (trial.c) run the twin on the samples; part of the error that they see
 * comes from the rounding of inputs and weights, which no bit can mend, therefore the comparison
 * with exact signs. Where values are opened, the error that is stated for them counts too: samples
 * may have nothing near 0, but inputs to come may. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define K_FIRST 12
#define K_LAST 18
#define K_OUT_ORDER 20 /* values, or the order of close ones */
#define K_OUT_ARGMAX 18
#define SIGN_BITS_FIRST 8
#define LOST_FACTOR 2.0
#define LOST_LEAST 1e-4                   /* fewer lost labels than this are as good as none */
#define LABEL_SAMPLES 128                 /* in a class, for labels alone to decide */
#define PROGRESS_FROM 0.3                 /* of all work is done before the search, */
#define PROGRESS_TO 0.9                   /* and so much after it */
#define TRIALS_ALL 5                      /* without those of single steps */
#define SEARCH_SAMPLES 16                 /* in all, for a search, */
#define SEARCH_VALUES 1024                /* or outputs of all samples together */
#define SQUARE_FACTOR 2.0                 /* of the mean square error of values that are opened */
#define BOUND_FACTOR 2.0                  /* of the error that is stated for them, */
#define BOUND_SHARE 1e-3                  /* or so much of their range if that is more */
#define STEP_TRIALS 24                    /* for single steps, */
#define STEP_PRODUCTS ((uint64_t)1 << 31) /* of no more multiply-adds than these together */
/* Steps that have so few of the signs together may look at so many bits more. */
#define SMALL_SHARE 0.15
#define SMALL_MORE 2

static unsigned opened_bits(const struct plan *plan)
{
    return plan->pub.policy == PLAN_ARGMAX ? K_OUT_ARGMAX : K_OUT_ORDER;
}

struct search {
    struct plan *plan;
    struct trial_result exact;      /* with signs of all bits */
    double bound[PLAN_MAX_TENSORS]; /* the error that may be stated for each output */
    uint8_t bits[PLAN_MAX_STEPS];
    unsigned trials, trial; /* expected, this one; for the progress */
};

/* What a client gets is labels or, all other outputs, values. A few samples say little about
 * labels, but enough about the values behind them. */
static bool by_labels(const struct search *search)
{
    const struct plan_public *pub = &search->plan->pub;
    return pub->n_outputs == 1 && pub->policy == PLAN_ARGMAX &&
           search->exact.samples >= (size_t)LABEL_SAMPLES * search->exact.classes;
}

static bool good_enough(const struct search *search, const struct trial_result *result)
{
    const struct plan_public *pub = &search->plan->pub;
    const bool labels = by_labels(search);
    const struct trial_result *exact = &search->exact;
    for (unsigned c = 0; c < result->classes; c++) {
        if (pub->n_outputs == 1 && result->lost[c] > fmax(LOST_FACTOR * exact->lost[c], LOST_LEAST))
            return false;
        for (unsigned t = 0; !labels && t < pub->n_outputs; t++)
            if (result->mean_square[c][t] > SQUARE_FACTOR * exact->mean_square[c][t])
                return false;
    }
    return true;
}

/* One more of so many trials, as one sees them before. */
static void next_phase(struct search *search)
{
    double share = (PROGRESS_TO - PROGRESS_FROM) / (double)search->trials;
    double from = PROGRESS_FROM + share * search->trial;
    plan_progress_phase(search->plan->options.progress, from, from + share,
                        search->plan->pub.n_steps);
    search->trial += search->trial + 1 < search->trials;
}

/* Of the errors that would be stated, when the twin shows these. */
static bool within_bounds(const struct search *search, const double *observed)
{
    struct plan *plan = search->plan;
    bool good = true;
    memcpy(plan->observed_error, observed, sizeof(plan->observed_error));
    for (unsigned t = 0; t < plan->pub.n_outputs; t++)
        good = good && plan_expected_error(plan, t) <= search->bound[t];
    return good || by_labels(search);
}

static mp2ml_status try_bits(struct search *search, bool *good)
{
    static const double nothing[PLAN_MAX_TENSORS] = {0};
    struct trial_result result;
    next_phase(search);
    plan_set_sign_bits(search->plan, search->bits);
    TRY(plan_error_model(search->plan));
    *good = within_bounds(search, nothing);
    if (!*good)
        return MP2ML_OK;
    TRY(trial_run(&result, search->plan, 1));
    *good = good_enough(search, &result) && within_bounds(search, result.largest);
    return MP2ML_OK;
}

/* Signs that a step decides for one image; 0 where they are exact. */
static uint64_t signs_of(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    if (!plan_may_be_blind(plan, s))
        return 0;
    return step->kind == STEP_MAX ? mpc_max_pairs(&step->windows) : step->count;
}

/* The smallest number of bits for all steps alike, by halving the interval. */
static mp2ml_status search_all(struct search *search)
{
    unsigned low = SIGN_BITS_FIRST, high = search->plan->k;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        bool good = false;
        memset(search->bits, (int)middle, sizeof(search->bits));
        TRY(try_bits(search, &good));
        if (good)
            high = middle;
        else
            low = middle + 1;
    }
    memset(search->bits, (int)high, sizeof(search->bits));
    return MP2ML_OK;
}

/* The step with the most signs among those not done, n_steps if there is none. */
static unsigned costliest(const struct plan *plan, const bool *done)
{
    unsigned best = plan->pub.n_steps;
    uint64_t most = 0;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (!done[s] && signs_of(plan, s) > most) {
            most = signs_of(plan, s);
            best = s;
        }
    return best;
}

static unsigned step_trials(const struct plan *plan)
{
    uint64_t trials = STEP_PRODUCTS / trial_products(plan);
    return trials < STEP_TRIALS ? (unsigned)trials : STEP_TRIALS;
}

/* More bits for the steps that cost little, then fewer for the others, one after the other. */
static mp2ml_status search_each(struct search *search)
{
    const struct plan *plan = search->plan;
    bool done[PLAN_MAX_STEPS] = {false};
    uint64_t all = 0, left = 0;
    unsigned trials = step_trials(plan);
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        all += signs_of(plan, s);
    left = all;
    for (unsigned s; (s = costliest(plan, done)) < plan->pub.n_steps; done[s] = true) {
        if ((double)left <= SMALL_SHARE * (double)all && search->bits[s] < plan->k)
            search->bits[s] = (uint8_t)(search->bits[s] + SMALL_MORE);
        left -= signs_of(plan, s);
    }
    memset(done, 0, sizeof(done));
    for (unsigned s; (s = costliest(plan, done)) < plan->pub.n_steps; done[s] = true) {
        bool good = true;
        while (good && search->bits[s] > PLAN_MIN_SIGN_BITS) {
            if (trials-- == 0)
                return MP2ML_OK;
            search->bits[s]--;
            TRY(try_bits(search, &good));
            search->bits[s] = (uint8_t)(search->bits[s] + !good);
        }
    }
    return MP2ML_OK;
}

/* By what exact signs would state. */
static mp2ml_status set_bounds(struct search *search)
{
    struct plan *plan = search->plan;
    TRY(plan_error_model(plan));
    memcpy(plan->observed_error, search->exact.largest, sizeof(plan->observed_error));
    for (unsigned t = 0; t < plan->pub.n_outputs; t++)
        search->bound[t] =
            fmax(BOUND_FACTOR * plan_expected_error(plan, t), BOUND_SHARE * search->exact.range[t]);
    return MP2ML_OK;
}

static mp2ml_status search_sign_bits(struct plan *plan)
{
    struct search *search = calloc(1, sizeof(*search));
    if (!search)
        return MP2ML_ERR_MEMORY;
    search->plan = plan;
    search->trials = TRIALS_ALL + step_trials(plan);
    next_phase(search);
    mp2ml_status status = trial_run(&search->exact, plan, 1);
    if (status == MP2ML_OK)
        status = set_bounds(search);
    bool enough = status == MP2ML_OK && (search->exact.samples >= SEARCH_SAMPLES ||
                                         search->exact.values >= SEARCH_VALUES);
    memset(search->bits, (int)plan->k, sizeof(search->bits));
    if (enough)
        status = search_all(search);
    if (enough && status == MP2ML_OK)
        status = search_each(search);
    if (status == MP2ML_OK)
        plan_set_sign_bits(plan, search->bits);
    free(search);
    return status;
}

/* The largest k with which all hidden steps fit the small set, or else just the largest. */
static mp2ml_status choose_ring(struct plan *plan, unsigned bits, mp2ml_error *err)
{
    unsigned best = bits;
    for (unsigned k = K_LAST; bits == 0 && k >= K_FIRST; k--) {
        if (plan_scale(plan, k, opened_bits(plan), NULL) != MP2ML_OK)
            continue;
        if (plan_fits_small_set(plan))
            return MP2ML_OK;
        best = best == 0 ? k : best;
    }
    return plan_scale(plan, best == 0 ? K_FIRST : best, opened_bits(plan), err);
}

mp2ml_status choose_bits(struct plan *plan, unsigned bits, unsigned sign_bits, mp2ml_error *err)
{
    struct trial_result result;
    uint64_t signs = 0;
    TRY(choose_ring(plan, bits, err));
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        signs += signs_of(plan, s);
    if (signs > 0 && sign_bits == 0)
        TRY(search_sign_bits(plan));
    if (signs > 0 && sign_bits > 0) {
        uint8_t all[PLAN_MAX_STEPS];
        memset(all, (int)sign_bits, sizeof(all));
        plan_set_sign_bits(plan, all);
    }
    TRY(plan_error_model(plan));
    plan_progress_phase(plan->options.progress, PROGRESS_TO, 1, plan->pub.n_steps);
    TRY(trial_run(&result, plan, 2));
    memcpy(plan->observed_error, result.largest, sizeof(plan->observed_error));
    return MP2ML_OK;
}
