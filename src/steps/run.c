/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs: one block through the table of steps, at one party or in the clear. */
#include "steps/steps.h"

#include <assert.h>
#include <stdlib.h>

#include "steps/value_memory.h"

static const struct {
    step_half half[2]; /* by party */
    step_clear clear;
} step_table[STEP_KIND_COUNT] = {
    [STEP_INPUT] = {{step_input_server, step_input_client}, step_input_clear},
    [STEP_LINEAR] = {{step_linear_server, step_linear_client}, step_linear_clear},
    [STEP_RELU] = {{step_relu, step_relu}, step_relu_clear},
    [STEP_REENTRY] = {{step_reentry, step_reentry}, step_reentry_clear},
    [STEP_MAX] = {{step_max, step_max}, step_max_clear},
    [STEP_ARGMAX] = {{step_argmax, step_argmax}, step_argmax_clear},
    [STEP_OUTPUT] = {{step_output_server, step_output_client}, step_output_clear},
    [STEP_PRODUCT] = {{step_product, step_product}, step_product_clear},
    [STEP_SQUARE] = {{step_product, step_product}, step_product_clear},
    [STEP_SUM] = {{step_sum, step_sum}, step_sum_clear},
    [STEP_SIGN] = {{step_sign, step_sign}, step_sign_clear},
};

bool step_is_plain(const struct plan_public *pub, const struct plan_step *step, uint64_t plain)
{
    for (unsigned o = 0; o < step->n_operands; o++) {
        const struct plan_step *operand = &pub->steps[step->operands[o]];
        if (operand->kind != STEP_INPUT || !(plain >> operand->tensor & 1))
            return false;
    }
    return true;
}

void gather_operands(uint64_t *out, const struct plan_public *pub, const struct plan_step *step,
                     uint64_t *const *values, size_t first, size_t count, size_t images,
                     unsigned bits)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (unsigned o = 0; o < step->n_operands && count > 0; o++) {
        size_t have = pub->steps[step->operands[o]].count;
        if (first >= have) {
            first -= have;
            continue;
        }
        size_t take = have - first < count ? have - first : count;
        const uint64_t *from = values[step->operands[o]] + first * images;
        for (size_t i = 0; i < take * images; i++)
            out[i] = from[i] << step->shift[o] & mask;
        out += take * images;
        count -= take;
        first = 0;
    }
    assert(count == 0);
}

static size_t step_scratch(const struct plan_public *pub, unsigned s, enum party party,
                           uint64_t plain, size_t images)
{
    const struct plan_step *step = &pub->steps[s];
    switch (step->kind) {
    case STEP_LINEAR: {
        size_t ordinary = step_linear_scratch(pub, step, party, plain, images);
        size_t masked = step_masked_scratch(pub, step, images);
        return ordinary > masked ? ordinary : masked;
    }
    case STEP_RELU:
    case STEP_SIGN:
    case STEP_MAX:
    case STEP_ARGMAX:
    case STEP_PRODUCT:
    case STEP_SQUARE:
        return step_nonlinear_scratch(step, images);
    case STEP_INPUT:
    case STEP_OUTPUT:
        return arena_need((size_t)step->count * images, sizeof(uint64_t));
    default:
        return 0;
    }
}

/* Whether a step's values lie in the layout image in this run. */
static bool is_packed(const struct plan_public *pub, const struct plan_step *step, uint64_t plain)
{
    return step->kind == STEP_LINEAR && step->layout == PLAN_IMAGE &&
           !step_is_plain(pub, step, plain);
}

/* Region of the value sets, maps of the layout image, then the largest scratch of a step. */
static size_t memory_need(size_t *region, size_t *offset, uint32_t *last_use,
                          const struct plan_public *pub, enum party party, uint64_t plain,
                          size_t images)
{
    *region = value_memory_layout(offset, last_use, pub, images);
    if (*region == SIZE_MAX)
        return SIZE_MAX;
    size_t most = 0, total = arena_need(*region, 1);
    for (unsigned s = 0; s < pub->n_steps; s++) {
        size_t scratch = step_scratch(pub, s, party, plain, images);
        most = scratch > most ? scratch : most;
        if (!is_packed(pub, &pub->steps[s], plain))
            continue;
        scratch = step_image_map_scratch(&pub->steps[s]);
        most = scratch > most ? scratch : most;
        if (!size_add(&total, total, step_image_map_need(&pub->steps[s], party)))
            return SIZE_MAX;
    }
    if (most == SIZE_MAX || total == SIZE_MAX || !size_add(&total, total, most))
        return SIZE_MAX;
    return total;
}

size_t run_memory(const struct plan_public *pub, enum party party, uint64_t plain, size_t images)
{
    size_t region = 0;
    size_t *offset = calloc(pub->n_steps + 1, sizeof(*offset));
    uint32_t *last_use = calloc(pub->n_steps + 1, sizeof(*last_use));
    size_t need = SIZE_MAX;
    if (offset && last_use)
        need = memory_need(&region, offset, last_use, pub, party, plain, images);
    free(offset);
    free(last_use);
    return need;
}

static mp2ml_status make_memory(struct run *run)
{
    const struct plan_public *pub = run->pub;
    size_t region = 0;
    size_t *offset = calloc(pub->n_steps + 1, sizeof(*offset));
    uint32_t *last_use = calloc(pub->n_steps + 1, sizeof(*last_use));
    run->values = calloc(pub->n_steps + 1, sizeof(*run->values));
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (!offset || !last_use || !run->values)
        goto out;
    size_t need =
        memory_need(&region, offset, last_use, pub, run->party, run->plain, run->max_images);
    if (need == SIZE_MAX)
        goto out;
    TRY_OUT(arena_new(&run->arena, need));
    uint8_t *base = arena_take(run->arena, region, 1);
    if (!base) {
        status = MP2ML_ERR_MEMORY;
        goto out;
    }
    run->region = base;
    run->region_bytes = region;
    for (unsigned s = 0; s < pub->n_steps; s++)
        run->values[s] = (uint64_t *)(void *)(base + offset[s]);
out:
    free(offset);
    free(last_use);
    return status;
}

/* Before any step takes from the arena. */
static mp2ml_status make_image_maps(struct run *run, const struct plan *plan)
{
    const struct plan_public *pub = run->pub;
    run->maps = calloc(pub->n_steps + 1, sizeof(*run->maps));
    run->polys = calloc(pub->n_steps + 1, sizeof(*run->polys));
    if (!run->maps || !run->polys)
        return MP2ML_ERR_MEMORY;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        if (!is_packed(pub, step, run->plain))
            continue;
        TRY(step_image_map_take(&run->maps[s], run->arena, step, plan ? &plan->linear[s] : NULL));
        if (plan)
            TRY(packed_image(&run->polys[s], plan, s, run->keys->ckks[step->set]));
    }
    return MP2ML_OK;
}

static mp2ml_status make_row_maps(struct run *run)
{
    run->rows = calloc(run->pub->n_steps + 1, sizeof(*run->rows));
    if (!run->rows)
        return MP2ML_ERR_MEMORY;
    for (unsigned s = 0; s < run->pub->n_steps; s++)
        if (run->pub->steps[s].kind == STEP_LINEAR)
            TRY(row_map_new(&run->rows[s], &run->linear[s]));
    return MP2ML_OK;
}

mp2ml_status run_new(struct run **out, enum party party, struct link *link, struct mpc *mpc,
                     struct prg *g, struct run_keys *keys, const struct plan_public *pub,
                     const struct plan *plan, uint64_t plain, size_t max_images)
{
    *out = NULL;
    struct run *run = calloc(1, sizeof(*run));
    if (!run)
        return MP2ML_ERR_MEMORY;
    run->party = party;
    run->link = link;
    run->mpc = mpc;
    run->prg = g;
    run->keys = keys;
    run->pub = pub;
    run->linear = plan ? plan->linear : NULL;
    run->plain = plain;
    run->max_images = max_images;
    mp2ml_status status = make_memory(run);
    if (status == MP2ML_OK)
        status = make_image_maps(run, plan);
    if (status == MP2ML_OK && party == PARTY_SERVER)
        status = make_row_maps(run);
    if (status != MP2ML_OK) {
        run_free(run);
        return status;
    }
    *out = run;
    return MP2ML_OK;
}

void run_forget(struct run *run)
{
    secret_wipe(run->region, run->region_bytes);
}

void run_free(struct run *run)
{
    if (!run)
        return;
    if (run->rows)
        for (unsigned s = 0; s < run->pub->n_steps; s++)
            row_map_wipe(&run->rows[s]);
    free(run->rows);
    free(run->maps);
    free(run->polys);
    free(run->values);
    arena_free(run->arena);
    free(run);
}

/* Steps weigh by the values that they touch; good enough for a bar. */
static double step_weight(const struct plan_public *pub, const struct plan_step *step)
{
    switch (step->kind) {
    case STEP_LINEAR:
        return (double)step->count + (double)plan_step_inputs(pub, step);
    case STEP_RELU:
    case STEP_SIGN:
    case STEP_MAX:
    case STEP_ARGMAX:
    case STEP_PRODUCT:
    case STEP_SQUARE:
        return 4.0 * (double)plan_step_inputs(pub, step);
    default:
        return 0.1;
    }
}

void step_report(struct run *run, unsigned step, double fraction_of_step)
{
    if (!run->progress)
        return;
    double done = 0, total = 0;
    for (unsigned s = 0; s < run->pub->n_steps; s++) {
        double weight = step_weight(run->pub, &run->pub->steps[s]);
        total += weight;
        done += s < step ? weight : s == step ? weight * fraction_of_step : 0;
    }
    run->progress(run->progress_context, total > 0 ? done / total : 1);
}

static step_half half_of(const struct run *run, unsigned s)
{
    if (run->ahead && precompute_has(run->ahead, s))
        return run->party == PARTY_CLIENT ? step_masked_client : step_masked_server;
    return step_table[run->pub->steps[s].kind].half[run->party];
}

mp2ml_status run_step(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    TRACE_NAMED(run->trace, step_kind_name(step->kind), (int)s, step->count * run->images);
    size_t mark = arena_mark(run->arena);
    mp2ml_status status = half_of(run, s)(run, s);
    arena_rewind(run->arena, mark);
    return status;
}

mp2ml_status run_block(struct run *run, size_t images, const float *const *inputs,
                       float *const *outputs)
{
    assert(images >= 1 && images <= run->max_images);
    run->trace = link_trace(run->link);
    TRACE(run->trace, BLOCK, images);
    run->images = images;
    run->inputs = inputs;
    run->outputs = outputs;
    mp2ml_status status = MP2ML_OK;
    for (unsigned s = 0; s < run->pub->n_steps && status == MP2ML_OK; s++) {
        status = run_step(run, s);
#ifdef MP2ML_TEST_HOOKS
        if (status == MP2ML_OK && run->tap)
            run->tap(run->tap_context, run, s);
#endif
        if (status == MP2ML_OK)
            step_report(run, s, 1);
    }
    if (status == MP2ML_OK)
        status = channel_flush(link_channel(run->link));
    run->inputs = NULL;
    run->outputs = NULL;
    return status;
}

mp2ml_status run_clear(const struct plan *plan, size_t images, const float *const *inputs,
                       float *const *outputs, bool noise, uint64_t seed, run_visit visit,
                       void *context)
{
    const struct plan_public *pub = &plan->pub;
    struct clear_run run = {
        .plan = plan, .images = images, .inputs = inputs, .outputs = outputs, .with_noise = noise};
    ckks_noise_model_init(&run.noise, seed);
    size_t *offset = calloc(pub->n_steps + 1, sizeof(*offset));
    uint32_t *last_use = calloc(pub->n_steps + 1, sizeof(*last_use));
    run.values = calloc(pub->n_steps + 1, sizeof(*run.values));
    uint8_t *region = NULL; /* of all value sets, as a party lays them out */
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (!offset || !last_use || !run.values)
        goto out;
    const size_t bytes = value_memory_layout(offset, last_use, pub, images);
    region = bytes != SIZE_MAX ? malloc(bytes + 1) : NULL;
    if (!region)
        goto out;
    status = MP2ML_OK;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        run.values[s] = (uint64_t *)(void *)(region + offset[s]);
        TRY_OUT(step_table[pub->steps[s].kind].clear(&run, s));
        if (visit && visit(context, s, run.values[s], images) != 0) {
            status = MP2ML_ERR_CANCELLED;
            goto out;
        }
    }
out:
    free(region);
    free(run.values);
    free(offset);
    free(last_use);
    return status;
}
