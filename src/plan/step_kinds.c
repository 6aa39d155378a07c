/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of step kinds and what each costs: the frames that the halves in steps/ send. */
#include "plan/step_kinds.h"

size_t plan_ct_in_per_frame(const struct plan_step *step, size_t images)
{
    if (step->layout == PLAN_IMAGE)
        return plan_ct_out_per_frame(step, images);
    size_t n = images != 0 ? PLAN_FRAME_VALUES / images : PLAN_FRAME_VALUES;
    return n != 0 ? n : 1;
}

size_t plan_ct_out_per_frame(const struct plan_step *step, size_t images)
{
    (void)images;
    const struct ckks_params *params = ckks_params(step->set);
    size_t n = params != NULL ? PLAN_FRAME_VALUES / params->n : 1;
    return n != 0 ? n : 1;
}

#define AHEAD_BYTES ((size_t)32 << 20)
#define GROUP_BYTES                                                                                \
    ((uint64_t)32 << 20) /* of the server's ciphertexts, unless one image has more */

static size_t slot_bytes(const struct plan_step *step, size_t images)
{
    const struct ckks_params *params = ckks_params(step->set);
    return plan_ct_out_per_frame(step, images) * (params->n + params->primes * images) *
           sizeof(uint64_t);
}

size_t plan_ct_out_ahead(const struct plan_step *step, size_t images)
{
    const size_t per = plan_ct_out_per_frame(step, images), frames = (step->count + per - 1) / per;
    const size_t slots = AHEAD_BYTES / slot_bytes(step, images);
    return slots < 1 ? 1 : slots < frames ? slots : frames;
}

size_t plan_image_group(const struct plan_step *step, size_t images)
{
    const struct ckks_params *params = ckks_params(step->set);
    const struct packing *p = &step->packing;
    /* c1 or c0 of the inputs; c1' and b*u of the outputs */
    const uint64_t polys =
        (uint64_t)params->primes * p->in_cts + (params->primes + 1u) * p->out_cts;
    const uint64_t fit = GROUP_BYTES / (polys * params->n * sizeof(uint64_t));
    return fit < 1 ? 1 : fit < images ? (size_t)fit : images;
}

static struct cost cost_nothing(const struct plan *plan, const struct plan_step *step,
                                size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)step, (void)images, (void)plain, (void)ledger;
    return (struct cost){0};
}

static struct cost cost_input(const struct plan *plan, const struct plan_step *step, size_t images,
                              uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan;
    struct cost c = {.memory = 8 * (uint64_t)step->count * images};
    if ((plain >> step->tensor & 1) != 0)
        cost_frame(&c, &ledger->last, COST_TO_SERVER,
                   FRAME_HEADER_BYTES + 4 * (uint64_t)step->count * images);
    return c;
}

/* Every operand is an input in the clear: nothing travels, the server computes. */
static bool is_plain(const struct plan_public *pub, const struct plan_step *step, uint64_t plain)
{
    for (unsigned i = 0; i < step->n_operands; i++) {
        const struct plan_step *operand = &pub->steps[step->operands[i]];
        if (operand->kind != STEP_INPUT || (plain >> operand->tensor & 1) == 0)
            return false;
    }
    return true;
}

static struct cost cost_in_the_clear(const struct plan *plan, const struct plan_step *step,
                                     size_t images, double server_seconds)
{
    const size_t values = plan_step_inputs(&plan->pub, step) + step->count;
    return (struct cost){.memory = 8 * (uint64_t)values * images, .server_seconds = server_seconds};
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Results in the first `rows` output ciphertexts of a group. */
static size_t results_before(const struct plan_step *step, size_t rows)
{
    const struct packing *p = &step->packing;
    const uint64_t n = ckks_params(step->set)->n;
    return rows / p->out_cts * step->count +
           packing_places_below(p->out, p->n_out, rows % p->out_cts * n);
}

/* Frames of one group of images, as step_linear_image.c sends them. */
static void group_frames(struct cost *c, const struct plan_step *step, size_t images,
                         enum cost_way *last)
{
    const struct ckks_params *params = ckks_params(step->set);
    const size_t per = plan_ct_out_per_frame(step, images);
    const size_t in = images * step->packing.in_cts, out = images * step->packing.out_cts;
    for (size_t i = 0; i < in; i += per)
        cost_frame(c, last, COST_TO_SERVER,
                   FRAME_HEADER_BYTES + ckks_ct_in_bytes(params, at_most(per, in - i), params->n));
    for (size_t i = 0; i < out; i += per) {
        const size_t rows = at_most(per, out - i);
        const size_t used = results_before(step, i + rows) - results_before(step, i);
        cost_frame(c, last, COST_TO_CLIENT,
                   FRAME_HEADER_BYTES + ckks_image_out_bytes(params, step->k, rows, used));
    }
}

/* The largest party is the server: places, polynomials of a group, operands, one frame. */
static uint64_t image_memory(const struct plan *plan, const struct plan_step *step, size_t images)
{
    const struct ckks_params *params = ckks_params(step->set);
    const struct packing *p = &step->packing;
    const size_t group = plan_image_group(step, images), per = plan_ct_out_per_frame(step, images);
    const uint64_t inputs = plan_step_inputs(&plan->pub, step);
    const uint64_t polys =
        (uint64_t)params->primes * p->in_cts + (params->primes + 1u) * (uint64_t)p->out_cts;
    return ckks_scratch_for(params,
                            group * (size_t)(p->in_cts > p->out_cts ? p->in_cts : p->out_cts)) +
           8 * polys * group * params->n + 16 * inputs * images + 24 * per * params->n +
           6 * (packing_places(p->in, p->n_in) + step->count) +
           8 * (uint64_t)step->count * (images + 1);
}

static struct cost cost_image(const struct plan *plan, const struct plan_step *step, size_t images,
                              struct ot_ledger *ledger)
{
    const struct packing *p = &step->packing;
    const struct packed *packed = plan->packed[step - plan->pub.steps];
    const size_t group = plan_image_group(step, images);
    struct cost c = ckks_cost_image(ckks_params(step->set), p->in_cts, p->out_cts, step->count,
                                    packed->n_products, step->k, images);
    c.bytes_to_server = c.bytes_to_client = c.flights = 0; /* without frame headers */
    c.memory = image_memory(plan, step, images);
    struct cost full = {0}, last = {0};
    group_frames(&full, step, group, &(enum cost_way){COST_NOWHERE});
    if (images % group != 0)
        group_frames(&last, step, images % group, &(enum cost_way){COST_NOWHERE});
    c.bytes_to_server = images / group * full.bytes_to_server + last.bytes_to_server;
    c.bytes_to_client = images / group * full.bytes_to_client + last.bytes_to_client;
    c.flights = images / group * full.flights + last.flights - (ledger->last == COST_TO_SERVER);
    ledger->last = COST_TO_CLIENT;
    return c;
}

static struct cost cost_batch(const struct plan *plan, const struct plan_step *step, size_t images,
                              struct ot_ledger *ledger)
{
    const struct ckks_params *params = ckks_params(step->set);
    const struct linear *lin = &plan->linear[step - plan->pub.steps];
    size_t inputs = plan_step_inputs(&plan->pub, step), outputs = step->count;
    size_t in = plan_ct_in_per_frame(step, images), out = plan_ct_out_per_frame(step, images);
    struct cost c =
        ckks_cost_linear(params, inputs, outputs, linear_products(lin), step->k, images);
    /* All inputs are held, outputs leave frame by frame. */
    c.memory =
        ckks_cost_linear(params, inputs, outputs < out ? outputs : out, 0, step->k, images).memory +
        8 * (uint64_t)(inputs + outputs) * images +
        plan_ct_out_ahead(step, images) * slot_bytes(step, images);
    c.bytes_to_server = c.bytes_to_client = c.flights = 0; /* without frame headers */
    for (size_t first = 0; first < inputs; first += in)
        cost_frame(&c, &ledger->last, COST_TO_SERVER,
                   FRAME_HEADER_BYTES +
                       ckks_ct_in_bytes(params, at_most(in, inputs - first), images));
    for (size_t first = 0; first < outputs; first += out)
        cost_frame(&c, &ledger->last, COST_TO_CLIENT,
                   FRAME_HEADER_BYTES +
                       ckks_ct_out_bytes(params, step->k, at_most(out, outputs - first), images));
    return c;
}

static struct cost cost_linear(const struct plan *plan, const struct plan_step *step, size_t images,
                               uint64_t plain, struct ot_ledger *ledger)
{
    if (ckks_params(step->set) == NULL)
        return (struct cost){0};
    if (is_plain(&plan->pub, step, plain)) {
        struct ot_ledger nothing = {.last = COST_NOWHERE};
        return cost_in_the_clear(plan, step, images,
                                 cost_batch(plan, step, images, &nothing).server_seconds);
    }
    return step->layout == PLAN_IMAGE ? cost_image(plan, step, images, ledger)
                                      : cost_batch(plan, step, images, ledger);
}

static struct cost on_shares(struct cost cost, const struct plan_step *step, size_t images)
{
    cost.memory += 8 * (uint64_t)step->count * images;
    return cost;
}

static struct cost cost_relu(const struct plan *plan, const struct plan_step *step, size_t images,
                             uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(
        mpc_cost_relu(ledger, step->engine, step->count * images, step->k, step->l, step->blind),
        step, images);
}

static struct cost cost_sign(const struct plan *plan, const struct plan_step *step, size_t images,
                             uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(
        mpc_cost_sign(ledger, step->engine, step->count * images, step->k, step->l, step->blind),
        step, images);
}

static struct cost cost_reentry(const struct plan *plan, const struct plan_step *step,
                                size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(mpc_cost_reentry(ledger, step->count * images, step->k, step->l), step,
                     images);
}

static struct cost cost_max(const struct plan *plan, const struct plan_step *step, size_t images,
                            uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(
        mpc_cost_max(ledger, step->engine, &step->windows, images, step->k, step->blind), step,
        images);
}

static struct cost cost_argmax(const struct plan *plan, const struct plan_step *step, size_t images,
                               uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(
        step->top > 1
            ? mpc_cost_top(ledger, step->engine, &step->windows, images, step->k, step->top)
            : mpc_cost_argmax(ledger, step->engine, &step->windows, images, step->k),
        step, images);
}

static struct cost cost_product(const struct plan *plan, const struct plan_step *step,
                                size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plain;
    unsigned k_b = plan_factor_bits(&plan->pub, step, 1);
    return on_shares(mpc_cost_product(ledger, step->count * images, step->k, k_b, step->l), step,
                     images);
}

static struct cost cost_sum(const struct plan *plan, const struct plan_step *step, size_t images,
                            uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain, (void)ledger;
    return (struct cost){.memory = 8 * (uint64_t)step->count * images};
}

static struct cost cost_square(const struct plan *plan, const struct plan_step *step, size_t images,
                               uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return on_shares(mpc_cost_square(ledger, step->count * images, step->k, step->l), step, images);
}

static struct cost cost_output(const struct plan *plan, const struct plan_step *step, size_t images,
                               uint64_t plain, struct ot_ledger *ledger)
{
    (void)plain;
    if (plan_output_is_known(&plan->pub, step))
        return (struct cost){.memory = 8 * (uint64_t)step->count * images};
    struct cost c = mpc_cost_open(ledger, step->count * images, step->k);
    c.memory += 8 * (uint64_t)step->count * images;
    return c;
}

static const step_cost_fn cost_of[STEP_KIND_COUNT] = {
    [STEP_INPUT] = cost_input,     [STEP_LINEAR] = cost_linear,   [STEP_RELU] = cost_relu,
    [STEP_REENTRY] = cost_reentry, [STEP_MAX] = cost_max,         [STEP_ARGMAX] = cost_argmax,
    [STEP_OUTPUT] = cost_output,   [STEP_PRODUCT] = cost_product, [STEP_SQUARE] = cost_square,
    [STEP_SUM] = cost_sum,         [STEP_SIGN] = cost_sign,
};

static const struct {
    const char *name, *what;
} words[STEP_KIND_COUNT] = {
#define STEP_KIND_WORDS(kind, text, meaning) [STEP_##kind] = {text, meaning},
    STEP_KIND_MAP(STEP_KIND_WORDS)
#undef STEP_KIND_WORDS
};

struct step_kind_row step_kind_row(enum step_kind kind)
{
    if ((unsigned)kind >= STEP_KIND_COUNT)
        return (struct step_kind_row){"unknown", "", cost_nothing};
    return (struct step_kind_row){words[kind].name, words[kind].what, cost_of[kind]};
}

const char *step_kind_name(enum step_kind kind)
{
    return step_kind_row(kind).name;
}
