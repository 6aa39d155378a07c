/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps on shares: both parties do the same, and mpc knows the protocols and their twins. */
#include "steps/steps.h"

#include <stdlib.h>

#define CLEAR_VALUES ((size_t)1 << 18) /* that the twin treats together; a multiple of 64 */

static size_t values_of(const struct plan_step *step, size_t images)
{
    return (size_t)step->count * images;
}

/* The server's constants are added to its shares, where the plan has any (a clipped ReLU, a batch
 * norm behind a pool). */
static const uint64_t *with_constants(uint64_t *out, const uint64_t *in, const struct linear *lin,
                                      const struct plan_step *step, size_t images)
{
    if (!lin || !lin->bi)
        return in;
    const uint64_t mask = ((uint64_t)1 << step->k) - 1;
    for (size_t v = 0; v < step->count; v++)
        for (size_t b = v * images; b < (v + 1) * images; b++)
            out[b] = (in[b] + lin->bi[v]) & mask;
    return out;
}

/* The plane of values of which the server wants min(0, x), or -sign(x); plane[] is zero before. */
static const uint64_t *negative_plane(uint64_t *plane, const struct linear *lin,
                                      const struct plan_step *step, size_t images)
{
    if (!lin || !lin->negative)
        return NULL;
    for (size_t v = 0; v < step->count; v++)
        for (size_t i = v * images; i < (v + 1) * images; i++)
            plane[i / 64] |= (uint64_t)lin->negative[v] << (i % 64);
    return plane;
}

static size_t plane_words(const struct plan_step *step, size_t images)
{
    return (values_of(step, images) + 63) / 64;
}

typedef mp2ml_status (*sign_protocol)(struct mpc *m, uint16_t step, uint64_t *out,
                                      const uint64_t *in, const uint64_t *negative, size_t n,
                                      unsigned k, unsigned l, unsigned blind);

static mp2ml_status run_signs(struct run *run, unsigned s, sign_protocol protocol)
{
    const struct plan_step *step = &run->pub->steps[s];
    mpc_set_engine(run->mpc, step->engine);
    const struct linear *lin = run->party == PARTY_SERVER ? &run->linear[s] : NULL;
    uint64_t *plane = arena_take(run->arena, plane_words(step, run->images), sizeof(*plane));
    if (!plane)
        return MP2ML_ERR_MEMORY;
    const uint64_t *in =
        with_constants(run->values[s], run->values[step->operands[0]], lin, step, run->images);
    return protocol(run->mpc, (uint16_t)s, run->values[s], in,
                    negative_plane(plane, lin, step, run->images), values_of(step, run->images),
                    step->k, step->l, step->blind);
}

mp2ml_status step_relu(struct run *run, unsigned s)
{
    return run_signs(run, s, mpc_relu);
}

mp2ml_status step_sign(struct run *run, unsigned s)
{
    return run_signs(run, s, mpc_sign);
}

/* Uniform words for the low bits of the client's share of n values whose signs are blind; NULL
 * where signs are exact. The caller frees them. */
static mp2ml_status client_low_bits(uint64_t **low, struct clear_run *run,
                                    const struct plan_step *step, size_t n)
{
    *low = NULL;
    if (step->blind == 0 || !run->with_noise)
        return MP2ML_OK;
    *low = malloc(n * sizeof **low + 1);
    if (*low == NULL)
        return MP2ML_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        (*low)[i] = ckks_noise_model_next(&run->noise);
    return MP2ML_OK;
}

typedef void (*sign_twin)(uint64_t *out, const uint64_t *in, const uint64_t *negative,
                          const uint64_t *low, size_t n, unsigned k, unsigned l, unsigned blind);

static mp2ml_status clear_signs(struct clear_run *run, unsigned s, sign_twin twin)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    const uint64_t *in = with_constants(run->values[s], run->values[step->operands[0]],
                                        &run->plan->linear[s], step, run->images);
    const size_t n = values_of(step, run->images);
    uint64_t *plane = calloc(plane_words(step, run->images) + 1, sizeof(*plane));
    mp2ml_status status = plane ? MP2ML_OK : MP2ML_ERR_MEMORY;
    const uint64_t *negative =
        plane ? negative_plane(plane, &run->plan->linear[s], step, run->images) : NULL;
    for (size_t at = 0; status == MP2ML_OK && at < n; at += CLEAR_VALUES) {
        const size_t count = n - at < CLEAR_VALUES ? n - at : CLEAR_VALUES;
        uint64_t *low;
        status = client_low_bits(&low, run, step, count);
        if (status == MP2ML_OK)
            twin(run->values[s] + at, in + at, negative ? negative + at / 64 : NULL, low, count,
                 step->k, step->l, step->blind);
        free(low);
    }
    free(plane);
    return status;
}

mp2ml_status step_relu_clear(struct clear_run *run, unsigned s)
{
    return clear_signs(run, s, mpc_relu_clear);
}

mp2ml_status step_sign_clear(struct clear_run *run, unsigned s)
{
    return clear_signs(run, s, mpc_sign_clear);
}

mp2ml_status step_reentry(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    return mpc_reentry(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                       values_of(step, run->images), step->k, step->l);
}

mp2ml_status step_reentry_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    mpc_reentry_clear(run->values[s], run->values[step->operands[0]], values_of(step, run->images),
                      step->k, step->l);
    return MP2ML_OK;
}

size_t step_nonlinear_scratch(const struct plan_step *step, size_t images)
{
    switch (step->kind) {
    case STEP_RELU:
    case STEP_SIGN:
        return arena_need(plane_words(step, images), sizeof(uint64_t));
    case STEP_MAX:
        return arena_need(mpc_max_scratch(&step->windows, images), sizeof(uint64_t));
    case STEP_ARGMAX:
        return arena_need(step->top > 1 ? mpc_top_scratch(&step->windows, images)
                                        : mpc_argmax_scratch(&step->windows, images),
                          sizeof(uint64_t));
    default: /* the factors */
        return step->n_operands * arena_need(values_of(step, images), sizeof(uint64_t));
    }
}

mp2ml_status step_max(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    mpc_set_engine(run->mpc, step->engine);
    uint64_t *scratch =
        arena_take(run->arena, mpc_max_scratch(&step->windows, run->images), sizeof(uint64_t));
    if (!scratch)
        return MP2ML_ERR_MEMORY;
    return mpc_max(run->mpc, (uint16_t)s, run->values[s], run->values[step->operands[0]],
                   &step->windows, run->images, step->k, step->blind, scratch);
}

/* The low bits of `some`, which are windows w.. of the step, as if they were drawn for all windows
 * together, round by round. Freed by the caller; NULL where signs are exact. */
static mp2ml_status piece_low_bits(uint64_t **low, const struct clear_run *run,
                                   const struct plan_step *step, const struct mpc_windows *some,
                                   size_t w)
{
    const struct mpc_windows before = {w, step->windows.first, step->windows.member};
    *low = NULL;
    if (step->blind == 0 || !run->with_noise)
        return MP2ML_OK;
    uint64_t *to = *low = malloc(mpc_max_pairs(some) * run->images * sizeof **low + 1);
    if (*low == NULL)
        return MP2ML_ERR_MEMORY;
    struct ckks_noise_model round_begin = run->noise;
    for (unsigned round = 0; mpc_max_round_pairs(&step->windows, round) > 0; round++) {
        struct ckks_noise_model noise = round_begin;
        ckks_noise_model_skip(&noise, mpc_max_round_pairs(&before, round) * run->images);
        for (size_t i = mpc_max_round_pairs(some, round) * run->images; i > 0; i--)
            *to++ = ckks_noise_model_next(&noise);
        ckks_noise_model_skip(&round_begin,
                              mpc_max_round_pairs(&step->windows, round) * run->images);
    }
    return MP2ML_OK;
}

mp2ml_status step_max_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    const size_t images = run->images;
    const size_t pieces = mpc_max_pairs(&step->windows) * images / CLEAR_VALUES + 1;
    const size_t most = (step->windows.count + pieces - 1) / pieces;
    mp2ml_status status = MP2ML_OK;
    for (size_t w = 0; status == MP2ML_OK && w < step->windows.count; w += most) {
        const size_t left = step->windows.count - w;
        const struct mpc_windows some = {left < most ? left : most, step->windows.first + w,
                                         step->windows.member};
        uint64_t *low = NULL,
                 *scratch = calloc((step->blind > 0 ? mpc_max_scratch(&some, images) : 0) + 1, 8);
        status = scratch != NULL ? piece_low_bits(&low, run, step, &some, w) : MP2ML_ERR_MEMORY;
        if (status == MP2ML_OK)
            mpc_max_clear(run->values[s] + w * images, run->values[step->operands[0]], low, &some,
                          images, step->k, step->blind, scratch);
        free(low);
        free(scratch);
    }
    if (step->blind > 0 && run->with_noise)
        ckks_noise_model_skip(&run->noise, mpc_max_pairs(&step->windows) * images);
    return status;
}

mp2ml_status step_argmax(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    mpc_set_engine(run->mpc, step->engine);
    const uint64_t *in = run->values[step->operands[0]];
    bool ranked = step->top > 1;
    size_t need = ranked ? mpc_top_scratch(&step->windows, run->images)
                         : mpc_argmax_scratch(&step->windows, run->images);
    uint64_t *scratch = arena_take(run->arena, need, sizeof(uint64_t));
    if (!scratch)
        return MP2ML_ERR_MEMORY;
    if (ranked)
        return mpc_top(run->mpc, (uint16_t)s, run->values[s], in, &step->windows, run->images,
                       step->k, step->top, scratch);
    return mpc_argmax(run->mpc, (uint16_t)s, run->values[s], in, &step->windows, run->images,
                      step->k, scratch);
}

mp2ml_status step_argmax_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    const uint64_t *in = run->values[step->operands[0]];
    if (step->top > 1)
        mpc_top_clear(run->values[s], in, &step->windows, run->images, step->k, step->top);
    else
        mpc_argmax_clear(run->values[s], in, &step->windows, run->images, step->k);
    return MP2ML_OK;
}

/* Factor i value by value, in the ring that its values fit. */
static void gather_factor(uint64_t *out, const struct plan_public *pub,
                          const struct plan_step *step, const uint64_t *in, unsigned i,
                          size_t images)
{
    const uint64_t mask = ((uint64_t)1 << plan_factor_bits(pub, step, i)) - 1;
    const struct mpc_windows *w = &step->windows;
    for (size_t v = 0; v < step->count; v++) {
        const uint64_t *from = in + (w->count ? w->member[2 * v + i] : v) * images;
        for (size_t b = 0; b < images; b++)
            out[v * images + b] = from[b] & mask;
    }
}

mp2ml_status step_product(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    size_t n = values_of(step, run->images);
    uint64_t *factor[2] = {NULL, NULL};
    for (unsigned i = 0; i < step->n_operands; i++) {
        factor[i] = arena_take(run->arena, n, sizeof(uint64_t));
        if (!factor[i])
            return MP2ML_ERR_MEMORY;
        gather_factor(factor[i], run->pub, step, run->values[step->operands[i]], i, run->images);
    }
    if (step->kind == STEP_SQUARE)
        return mpc_square(run->mpc, (uint16_t)s, run->values[s], factor[0], n, step->k, step->l);
    return mpc_product(run->mpc, (uint16_t)s, run->values[s], factor[0], factor[1], n, step->k,
                       plan_factor_bits(run->pub, step, 1), step->l);
}

mp2ml_status step_product_clear(struct clear_run *run, unsigned s)
{
    const struct plan_public *pub = &run->plan->pub;
    const struct plan_step *step = &pub->steps[s];
    size_t n = values_of(step, run->images);
    uint64_t *factors = calloc(2 * n + 1, sizeof(*factors));
    if (!factors)
        return MP2ML_ERR_MEMORY;
    for (unsigned i = 0; i < step->n_operands; i++)
        gather_factor(factors + i * n, pub, step, run->values[step->operands[i]], i, run->images);
    if (step->kind == STEP_SQUARE)
        mpc_square_clear(run->values[s], factors, n, step->k, step->l);
    else
        mpc_product_clear(run->values[s], factors, factors + n, n, step->k,
                          plan_factor_bits(pub, step, 1), step->l);
    free(factors);
    return MP2ML_OK;
}

/* The same on a share as on a value. */
static void add_operands(uint64_t *out, const struct plan_step *step, uint64_t *const *values,
                         size_t n)
{
    const uint64_t mask = ((uint64_t)1 << step->out_bits) - 1;
    const uint64_t sign = step->minus ? ~(uint64_t)0 : 1; /* -1 or 1 */
    const uint64_t *a = values[step->operands[0]], *b = values[step->operands[1]];
    for (size_t i = 0; i < n; i++)
        out[i] = ((a[i] << step->shift[0]) + sign * (b[i] << step->shift[1])) & mask;
}

mp2ml_status step_sum(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    add_operands(run->values[s], step, run->values, values_of(step, run->images));
    return MP2ML_OK;
}

mp2ml_status step_sum_clear(struct clear_run *run, unsigned s)
{
    const struct plan_step *step = &run->plan->pub.steps[s];
    add_operands(run->values[s], step, run->values, values_of(step, run->images));
    return MP2ML_OK;
}
