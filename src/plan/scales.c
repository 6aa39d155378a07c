/* SPDX-License-Identifier: Apache-2.0
 *
 * Scales and rings (docs/protocol.md, "Numbers"), step by step in order.
 *
 * The integers of a matrix and the scale S of its sum are chosen in scales_weights.c. The switch
 * divides by 2^t, S_out = S/2^t, with the smallest t for which range*S_out <= 2^(k-2) - 5.
 *
 * Operands need not fit Z_{2^l}: a sum mod 2^l of operands mod 2^l is right as soon as the result
 * fits, and a consumer with a smaller ring than its operand's reduces the shares. An operand that
 * is read times 2^shift needs l - shift bits only. */
#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"
#include "plan/scales.h"

static mp2ml_status make_room(struct linear *lin)
{
    if (lin->wi == NULL)
        lin->wi = calloc(lin->n_weights + 1, sizeof *lin->wi);
    if (lin->bi == NULL)
        lin->bi = calloc(lin->n_rows + 1, sizeof *lin->bi);
    if (lin->norm2 == NULL)
        lin->norm2 = calloc(lin->n_rows + 1, sizeof *lin->norm2);
    return lin->wi != NULL && lin->bi != NULL && lin->norm2 != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* ---- one linear step ------------------------------------------------------------------------- */

static unsigned dropped_bits(double largest_sum, unsigned k)
{
    unsigned t = 0;
    while (t < 1000 && ldexp(largest_sum, -(int)t) > scales_room(k))
        t++;
    return t;
}

static bool norms_fit(const struct linear *lin, const struct ckks_params *params, unsigned k)
{
    for (size_t r = 0; r < lin->n_rows; r++)
        if (!ckks_norm_fits(params, (double)lin->norm2[r], k))
            return false;
    return true;
}

/* The set for this step, or 0. What is opened, at once or behind non-linear steps, needs S2: its
 * error reaches the client and must not depend on the weights (docs/protocol.md, "Edges and
 * output"); a maximum or a sign hides it only in part. */
static unsigned choose_set(const struct linear *lin, bool opened, unsigned k, unsigned l)
{
    for (unsigned set = opened ? CKKS_S2 : CKKS_S1; set <= CKKS_S2; set++) {
        const struct ckks_params *params = ckks_params(set);
        if (params != NULL && k >= params->min_k && k <= params->max_k && l <= params->max_l &&
            norms_fit(lin, params, k))
            return set;
    }
    return 0;
}

/* What is missing from value i of step s because of that, in real units. */
static double lost_value(const struct plan *plan, unsigned s, size_t i)
{
    const struct plan_step *step = &plan->pub.steps[s];
    if (step->kind == STEP_RELU && plan->linear[s].lost != NULL)
        return plan->linear[s].lost[i];
    if (step->kind != STEP_SUM)
        return 0;
    double a = ldexp(lost_value(plan, step->operands[0], i), step->shift[0]);
    double b = ldexp(lost_value(plan, step->operands[1], i), step->shift[1]);
    return step->minus ? a - b : a + b;
}

/* What is missing from all values that a linear step reads; mostly nothing: *any. */
static double *lost_inputs(const struct plan *plan, const struct plan_step *step, bool *any)
{
    double *lost = calloc(plan_step_inputs(&plan->pub, step) + 1, sizeof *lost);
    size_t at = 0;
    *any = false;
    for (unsigned i = 0; lost != NULL && i < step->n_operands; i++)
        for (size_t v = 0; v < plan->pub.steps[step->operands[i]].count; v++, at++) {
            lost[at] = lost_value(plan, step->operands[i], v);
            *any = *any || fabs(lost[at]) > 0;
        }
    return lost;
}

double *scales_constants(struct plan *plan, unsigned s)
{
    struct linear *lin = &plan->linear[s];
    bool any;
    double *lost = lost_inputs(plan, &plan->pub.steps[s], &any);
    /* It is not the same at all positions. */
    const bool done = lost != NULL && (!any || linear_own_rows(lin) == MP2ML_OK);
    double *out = done ? malloc((lin->n_rows + 1) * sizeof *out) : NULL;
    for (size_t r = 0; out != NULL && r < lin->n_rows; r++)
        out[r] = lin->b[r];
    for (size_t g = 0; any && out != NULL && g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++)
            for (size_t c = 0; c < group->cols; c++)
                out[group->rows_at + r] += (double)lin->w[linear_weight(lin, group, r, c)] *
                                           lost[linear_in(lin, group, c)];
    }
    free(lost);
    return out;
}

static mp2ml_status set_biases(struct plan *plan, unsigned s, double sum_scale, unsigned l)
{
    struct linear *lin = &plan->linear[s];
    double *constants = scales_constants(plan, s);
    mp2ml_status status = constants != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t r = 0; status == MP2ML_OK && r < lin->n_rows; r++) {
        double v = round_half_up(constants[r] * sum_scale);
        if (!(fabs(v) < 0x1p62))
            status = MP2ML_ERR_PLAN;
        else
            lin->bi[r] = (uint64_t)(int64_t)v & (((uint64_t)1 << l) - 1);
    }
    free(constants);
    return status;
}

/* One try with b_w bits of weight and the sum's scale `halve` times halved. *set = 0 when nothing
 * fits; *more false when halving has come to its end. */
static mp2ml_status try_weights(struct scaling *sc, unsigned s, const struct operand_spread *spread,
                                unsigned b_w, unsigned halve, unsigned *set, bool *more)
{
    struct plan *plan = sc->plan;
    struct plan_step *step = &plan->pub.steps[s];
    struct plan_notes *notes = &plan->notes[s];
    struct plan_range *range = &plan->range[s];
    struct linear *lin = &plan->linear[s];
    bool strict = plan->options.ranges == PLAN_RANGES_STRICT;
    double expected = strict ? range->proven : range->used, scale;
    *more =
        scales_choose(&scale, step->shift, spread, step->n_operands, expected, step->k, b_w, halve);
    if (!*more)
        return MP2ML_OK;
    double *inverse = plan_inverse_scales(plan, step), bound = expected * scale;
    if (inverse == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = scales_quantise(lin, inverse, scale, b_w);
    free(inverse);
    TRY(status);
    if (strict) {
        TRY(strict_sums(sc, s, scale, &bound));
        range->used = bound / scale;
    }
    unsigned t = dropped_bits(bound, step->k);
    step->l = step->k + t;
    notes->sum_scale = scale;
    notes->b_w = b_w;
    *set = choose_set(lin, notes->opened, step->k, step->l);
    if (*set == 0)
        return MP2ML_OK;
    step->set = *set;
    step->scale = ldexp(scale, -(int)t);
    if (strict)
        strict_switch(sc, s, t);
    return set_biases(plan, s, scale, step->l);
}

static mp2ml_status check_leak(struct scaling *sc, unsigned s)
{
    struct plan_notes *notes = &sc->plan->notes[s];
    const struct plan_step *step = &sc->plan->pub.steps[s];
    const struct linear *lin = &sc->plan->linear[s];
    notes->norm2 = 0;
    for (size_t r = 0; r < lin->n_rows; r++)
        notes->norm2 = fmax(notes->norm2, (double)lin->norm2[r]);
    double leak = ckks_log2_leak(ckks_params(step->set), notes->norm2, step->k);
    if (notes->opened && leak > -40)
        return status_fail(sc->err, MP2ML_ERR_PLAN,
                           "step %u ('%s'): an opened value would tell 2^%.1f about the weights, "
                           "more than 2^-40; lower the bits of the output",
                           s, notes->nodes, leak);
    return MP2ML_OK;
}

static mp2ml_status scale_linear(struct scaling *sc, unsigned s)
{
    struct plan *plan = sc->plan;
    struct plan_step *step = &plan->pub.steps[s];
    unsigned most = plan->notes[s].k_most, k = plan->notes[s].opened ? sc->k_out : sc->k;
    step->k = step->out_bits = most != 0 && k > most ? most : k;
    TRY(make_room(&plan->linear[s]));
    struct operand_spread spread[PLAN_MAX_OPERANDS];
    TRY(scales_spread(spread, plan, s));
    unsigned set = 0;
    mp2ml_status status = MP2ML_OK;
    for (unsigned b_w = plan->options.b_w; status == MP2ML_OK && set == 0 && b_w >= MIN_WEIGHT_BITS;
         b_w--) {
        bool more = true;
        for (unsigned halve = 0; status == MP2ML_OK && set == 0 && more; halve++)
            status = try_weights(sc, s, spread, b_w, halve, &set, &more);
    }
    if (status == MP2ML_OK && set == 0)
        status = status_fail(sc->err, MP2ML_ERR_PLAN,
                             "step %u ('%s'): values up to %g need a ring of %u bits, or the "
                             "weights are too large, at k = %u",
                             s, plan->notes[s].nodes, plan->range[s].used, step->l, step->k);
    return status == MP2ML_OK ? check_leak(sc, s) : status;
}

/* ---- other steps ----------------------------------------------------------------------------- */

/* The server's constants of a RELU or SIGN. One that is larger than any value leaves the sign alone:
 * what is cut off it is then missing from all values of a RELU that are not 0. */
static mp2ml_status beside_constants(struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    struct linear *lin = &plan->linear[s];
    if (lin->b == NULL)
        return MP2ML_OK;
    if (lin->bi == NULL)
        lin->bi = calloc(lin->n_out + 1, sizeof *lin->bi);
    if (lin->lost == NULL)
        lin->lost = calloc(lin->n_out + 1, sizeof *lin->lost);
    if (lin->bi == NULL || lin->lost == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < lin->n_out; i++) {
        double v = scales_beside(plan, s, i);
        lin->bi[i] = (uint64_t)(int64_t)v & (((uint64_t)1 << step->k) - 1);
        if (step->kind != STEP_RELU)
            continue;
        double all = round_half_up(lin->b[i] * step->scale);
        bool kept = lin->negative[i] ? all < v : all > v; /* else the value is 0 */
        lin->lost[i] = kept ? (all - v) / step->scale : 0;
    }
    return MP2ML_OK;
}

static void scale_other(struct scaling *sc, unsigned s)
{
    struct plan_public *pub = &sc->plan->pub;
    struct plan_step *step = &pub->steps[s];
    if (step->kind == STEP_INPUT) {
        step->scale = pub->inputs[step->tensor].scale;
        return; /* ring: the widest reader's, below */
    }
    if (step->kind == STEP_OUTPUT && plan_output_is_known(pub, step)) { /* any ring */
        step->k = step->l = step->out_bits = 1;
        step->scale = pub->outputs[step->tensor].scale;
        return;
    }
    const struct plan_step *operand = &pub->steps[step->operands[0]];
    step->scale = operand->scale;
    step->k = step->l = step->out_bits = operand->out_bits;
    if (step->kind == STEP_ARGMAX) {
        step->l = step->out_bits = mpc_index_bits(&step->windows);
        step->scale = 1.0;
    }
    if (step->kind == STEP_SIGN)
        step->scale = 1.0;
    if (step->kind == STEP_SUM) /* ring: the widest reader's */
        step->k = step->l = step->out_bits = 1;
    if (step->kind == STEP_PRODUCT || step->kind == STEP_SQUARE) {
        /* Of the values of its factors that fit; its own ring is the reader's. */
        unsigned last = step->n_operands - 1, k_b = plan_factor_bits(pub, step, last);
        step->k = plan_factor_bits(pub, step, 0);
        step->l = step->out_bits = (k_b > step->k ? k_b : step->k) + 1;
        step->scale *= pub->steps[step->operands[last]].scale;
    }
    if (step->kind == STEP_OUTPUT)
        pub->outputs[step->tensor].scale = step->scale;
}

/* Rings of what linear steps and sums read, and products of sums: the largest of the readers, so that none must extend.
 * Readers come later, so that backwards every reader's ring is settled. */
static void widen_operands(struct plan_public *pub)
{
    for (unsigned s = pub->n_steps; s-- > 0;) {
        const struct plan_step *step = &pub->steps[s];
        const bool reads = step->kind == STEP_LINEAR || step->kind == STEP_SUM;
        for (unsigned i = 0; i < step->n_operands; i++) {
            struct plan_step *operand = &pub->steps[step->operands[i]];
            unsigned need = step->l > step->shift[i] ? step->l - step->shift[i] : 1;
            if (!reads && operand->kind != STEP_SUM)
                continue; /* else a product */
            if (!reads)
                need = plan_factor_bits(pub, step, i);
            if (operand->l < need)
                operand->l = operand->out_bits = need;
            if (operand->kind == STEP_INPUT || operand->kind == STEP_SUM)
                operand->k = operand->l;
        }
    }
    for (unsigned s = 0; s < pub->n_inputs; s++) {
        struct plan_step *input = &pub->steps[s];
        if (input->l == 0) /* nobody reads it */
            input->k = input->l = input->out_bits = pub->inputs[input->tensor].bits + 1;
    }
}

/* ---- before products ------------------------------------------------------------------------- */

#define LEAST_FACTOR_BITS 11
#define LEAST_INPUT_BITS 8 /* of images; 16 bits hold all that 8 do */

/* The step of kind LINEAR whose ring a factor has. */
static unsigned ring_of_factor(const struct plan_public *pub, unsigned s)
{
    while (pub->steps[s].kind != STEP_LINEAR)
        s = pub->steps[s].operands[0];
    return s;
}

/* Takes `bits` off the rings of all factors of products that step s reads. Returns the first step
 * that must be scaled again, or n_steps when there is none or a ring would be too small. */
static unsigned narrow_factors(struct scaling *sc, unsigned s, unsigned bits)
{
    const struct plan_public *pub = &sc->plan->pub;
    unsigned first = pub->n_steps;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < pub->steps[s].n_operands; i++) {
            const struct plan_step *product = &pub->steps[pub->steps[s].operands[i]];
            if (product->kind != STEP_PRODUCT && product->kind != STEP_SQUARE)
                continue;
            for (unsigned j = 0; j < product->n_operands; j++) {
                unsigned f = ring_of_factor(pub, product->operands[j]);
                if (pass == 0 && pub->steps[f].k < LEAST_FACTOR_BITS + bits)
                    return pub->n_steps;
                if (pass == 1 && f < first)
                    first = f;
                if (pass == 1)
                    sc->plan->notes[f].k_most = pub->steps[f].k - bits;
            }
        }
    return first;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static void set_input_bits(struct plan_tensor *input, unsigned bits)
{
    input->bits = bits;
    input->scale = plan_scale_of_input(input->low, input->high, bits);
}

/* More bits of an input make a longer sum and cost nothing else, as long as that fits the set and
 * leaves the weights their bits. True when inputs that step s reads have been narrowed. */
static bool narrow_inputs(struct scaling *sc, unsigned s, mp2ml_status status)
{
    struct plan *plan = sc->plan;
    const struct plan_step *step = &plan->pub.steps[s];
    bool narrowed = false, fits = status == MP2ML_OK && plan->notes[s].b_w == plan->options.b_w &&
                                  (plan->notes[s].opened || step->set == CKKS_S1);
    for (unsigned i = 0; i < step->n_operands && !fits && plan->options.b_in == 0; i++) {
        const struct plan_step *operand = &plan->pub.steps[step->operands[i]];
        if (operand->kind != STEP_INPUT ||
            plan->pub.inputs[operand->tensor].bits == LEAST_INPUT_BITS)
            continue;
        set_input_bits(&plan->pub.inputs[operand->tensor], LEAST_INPUT_BITS);
        narrowed = true;
    }
    return narrowed;
}

/* Wide inputs stay where sums fit; a product has twice the bits of its factors, and its reader
 * must fit a set, the small one if possible. *next = the step to go on with. */
static mp2ml_status scale_reader(struct scaling *sc, unsigned s, unsigned *next)
{
    const struct plan_step *step = &sc->plan->pub.steps[s];
    unsigned most = ckks_params(CKKS_S1)->max_l, again = sc->plan->pub.n_steps;
    mp2ml_status status = scale_linear(sc, s);
    *next = s + 1;
    if ((status == MP2ML_OK || status == MP2ML_ERR_PLAN) && narrow_inputs(sc, s, status))
        again = 0;
    else if (status == MP2ML_ERR_PLAN)
        again = narrow_factors(sc, s, 1);
    else if (status == MP2ML_OK && !sc->plan->notes[s].opened && step->l > most)
        again = narrow_factors(sc, s, (step->l - most + 1) / 2);
    if (again == sc->plan->pub.n_steps)
        return status;
    *next = again;
    *sc->err = (mp2ml_error){MP2ML_OK, ""};
    return MP2ML_OK;
}

/* ---- signs ----------------------------------------------------------------------------------- */

bool plan_may_be_blind(const struct plan *plan, unsigned s)
{
    const enum step_kind kind = plan->pub.steps[s].kind;
    return (kind == STEP_RELU || kind == STEP_SIGN || kind == STEP_MAX) && !plan->notes[s].opened;
}

double plan_blind_half(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    return step->blind == 0
               ? 0
               : ldexp(1, (int)step->blind - 1) / plan->pub.steps[step->operands[0]].scale;
}

/* A difference of two values, or a value with the server's constant, and what a blind sign may add
 * stay below the ring's half. */
static bool blind_fits(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const double half = ldexp(1, (int)step->blind - 1);
    unsigned o = step->operands[0];
    while (plan->pub.steps[o].kind == STEP_MAX)
        o = plan->pub.steps[o].operands[0];
    const double most = plan->range[o].used * plan->pub.steps[o].scale + NOISE_LSB;
    double beside = step->kind == STEP_MAX ? most : 0;
    for (size_t i = 0; step->kind != STEP_MAX && i < step->count; i++)
        beside = fmax(beside, fabs(scales_beside(plan, s, i)));
    return most + beside + half < ldexp(1, (int)step->k - 1);
}

void plan_set_sign_bits(struct plan *plan, const uint8_t *sign_bits)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct plan_step *step = &plan->pub.steps[s];
        unsigned bits = sign_bits[s] > PLAN_MIN_SIGN_BITS ? sign_bits[s] : PLAN_MIN_SIGN_BITS;
        step->blind = plan_may_be_blind(plan, s) && step->k > bits ? step->k - bits : 0;
        const double margin = plan->notes[s].margin; /* half of it is for errors */
        while (step->blind > 0 &&
               (!blind_fits(plan, s) || (margin > 0 && plan_blind_half(plan, s) > margin / 2)))
            step->blind--;
    }
}

/* ---- the plan -------------------------------------------------------------------------------- */

static mp2ml_status scale_step(struct scaling *sc, unsigned s, unsigned *next)
{
    struct plan_step *step = &sc->plan->pub.steps[s];
    bool strict = sc->plan->options.ranges == PLAN_RANGES_STRICT;
    step->k = step->l = step->out_bits = step->set = step->blind = 0;
    *next = s + 1;
    if (strict) {
        free(sc->values[s]);
        sc->values[s] = calloc((size_t)step->count + 1, sizeof **sc->values);
        if (sc->values[s] == NULL)
            return MP2ML_ERR_MEMORY;
    }
    if (step->kind == STEP_LINEAR)
        return scale_reader(sc, s, next);
    scale_other(sc, s);
    if (strict)
        strict_other(sc, s);
    return step->kind == STEP_RELU || step->kind == STEP_SIGN ? beside_constants(sc->plan, s)
                                                              : MP2ML_OK;
}

static mp2ml_status scale_all(struct scaling *sc)
{
    struct plan *plan = sc->plan;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        plan->notes[s].k_most = 0;
    for (unsigned t = 0; t < plan->pub.n_inputs; t++)
        set_input_bits(&plan->pub.inputs[t],
                       plan->options.b_in != 0 ? plan->options.b_in : PLAN_MOST_INPUT_BITS);
    for (unsigned s = 0; s < plan->pub.n_steps;)
        TRY(scale_step(sc, s, &s));
    widen_operands(&plan->pub);
    return MP2ML_OK;
}

mp2ml_status plan_scale(struct plan *plan, unsigned k, unsigned k_out, mp2ml_error *err)
{
    const struct ckks_params *s2 = ckks_params(CKKS_S2);
    if (k < s2->min_k || k > s2->max_k || k_out < s2->min_k || k_out > s2->max_k)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "rings have %u to %u bits, not %u and %u",
                           s2->min_k, s2->max_k, k, k_out);
    struct scaling sc = {.plan = plan, .k = k, .k_out = k_out, .err = err};
    sc.values = calloc(plan->pub.n_steps + 1, sizeof *sc.values);
    plan->k = plan->k_out = 0;
    memset(plan->error_peak, 0, sizeof plan->error_peak);
    mp2ml_error first = {MP2ML_OK, ""};
    sc.err = &first;
    mp2ml_status status = sc.values != NULL ? scale_all(&sc) : MP2ML_ERR_MEMORY;
    for (unsigned s = 0; sc.values != NULL && s < plan->pub.n_steps; s++)
        free(sc.values[s]);
    free(sc.values);
    if (status != MP2ML_OK)
        return status_fail(err, status, "%s",
                           first.status != MP2ML_OK ? first.text : mp2ml_status_text(status));
    plan->k = k;
    plan->k_out = k_out;
    return MP2ML_OK;
}

bool plan_fits_small_set(const struct plan *plan)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_LINEAR && !plan->notes[s].opened &&
            plan->pub.steps[s].set != CKKS_S1)
            return false;
    return true;
}
