/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of step kinds and what each costs: exact bytes of its frames, and in which direction
 * the first and the last of them goes. */
#include "plan/step_kinds.h"

size_t plan_ct_in_per_frame(const struct plan_step *step, size_t images)
{
    (void)step;
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

static struct step_cost cost_nothing(const struct plan *plan, const struct plan_step *step,
                                     size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)step, (void)images, (void)plain, (void)ledger;
    return (struct step_cost){0};
}

static struct step_cost cost_input(const struct plan *plan, const struct plan_step *step,
                                   size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)ledger;
    struct step_cost c = {0};
    c.cost.memory = 8 * (uint64_t)step->count * images;
    if ((plain >> step->tensor & 1) == 0)
        return c;
    c.cost.bytes_to_server = FRAME_HEADER_BYTES + 4 * (uint64_t)step->count * images;
    c.cost.flights = 1;
    c.first = c.last = PLAN_TO_SERVER;
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

static uint64_t frames(size_t count, size_t per)
{
    return (count + per - 1) / per;
}

static struct step_cost cost_linear(const struct plan *plan, const struct plan_step *step,
                                    size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)ledger;
    const struct ckks_params *params = ckks_params(step->set);
    const struct linear *lin = &plan->linear[step - plan->pub.steps];
    size_t inputs = plan_step_inputs(&plan->pub, step), outputs = step->count;
    struct step_cost c = {0};
    if (params == NULL)
        return c;
    size_t in = plan_ct_in_per_frame(step, images), out = plan_ct_out_per_frame(step, images);
    c.cost = ckks_cost_linear(params, inputs, outputs, linear_products(lin), step->k, images);
    /* All inputs are held, outputs leave frame by frame. */
    c.cost.memory =
        ckks_cost_linear(params, inputs, outputs < out ? outputs : out, 0, step->k, images).memory +
        8 * (uint64_t)(inputs + outputs) * images;
    if (is_plain(&plan->pub, step, plain)) {
        c.cost.bytes_to_server = c.cost.bytes_to_client = c.cost.flights = 0;
        c.cost.client_seconds = 0;
        c.cost.memory = 8 * (uint64_t)(inputs + outputs) * images;
        return c;
    }
    /* Whole frames and the last one: fields are packed without gaps within a frame only. */
    c.cost.bytes_to_server = FRAME_HEADER_BYTES * frames(inputs, in) +
                             inputs / in * ckks_ct_in_bytes(params, in, images) +
                             ckks_ct_in_bytes(params, inputs % in, images);
    c.cost.bytes_to_client = FRAME_HEADER_BYTES * frames(outputs, out) +
                             outputs / out * ckks_ct_out_bytes(params, step->k, out, images) +
                             ckks_ct_out_bytes(params, step->k, outputs % out, images);
    c.cost.flights = 2;
    c.first = PLAN_TO_SERVER;
    c.last = PLAN_TO_CLIENT;
    return c;
}

/* Exchanges begin with the client's frame and end with the server's. */
static struct step_cost exchanges(struct cost cost, const struct plan_step *step, size_t images)
{
    struct step_cost c = {.cost = cost};
    c.cost.memory += 8 * (uint64_t)step->count * images;
    if (cost.flights != 0) {
        c.first = PLAN_TO_SERVER;
        c.last = PLAN_TO_CLIENT;
    }
    return c;
}

static struct step_cost cost_relu(const struct plan *plan, const struct plan_step *step,
                                  size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return exchanges(mpc_cost_relu(ledger, step->count * images, step->k, step->l, step->blind),
                     step, images);
}

static struct step_cost cost_reentry(const struct plan *plan, const struct plan_step *step,
                                     size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return exchanges(mpc_cost_reentry(ledger, step->count * images, step->k, step->l), step,
                     images);
}

static struct step_cost cost_max(const struct plan *plan, const struct plan_step *step,
                                 size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return exchanges(mpc_cost_max(ledger, &step->windows, images, step->k, step->blind), step,
                     images);
}

static struct step_cost cost_argmax(const struct plan *plan, const struct plan_step *step,
                                    size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return exchanges(step->top > 1
                         ? mpc_cost_top(ledger, &step->windows, images, step->k, step->top)
                         : mpc_cost_argmax(ledger, &step->windows, images, step->k),
                     step, images);
}

static struct step_cost cost_product(const struct plan *plan, const struct plan_step *step,
                                     size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plain;
    unsigned k_b = plan_factor_bits(&plan->pub, step, 1);
    return exchanges(mpc_cost_product(ledger, step->count * images, step->k, k_b, step->l), step,
                     images);
}

static struct step_cost cost_sum(const struct plan *plan, const struct plan_step *step,
                                 size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain, (void)ledger;
    return (struct step_cost){.cost = {.memory = 8 * (uint64_t)step->count * images}};
}

static struct step_cost cost_square(const struct plan *plan, const struct plan_step *step,
                                    size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain;
    return exchanges(mpc_cost_square(ledger, step->count * images, step->k, step->l), step, images);
}

static struct step_cost cost_output(const struct plan *plan, const struct plan_step *step,
                                    size_t images, uint64_t plain, struct ot_ledger *ledger)
{
    (void)plan, (void)plain, (void)ledger;
    struct step_cost c = {.cost = mpc_cost_open(step->count * images, step->k)};
    c.cost.memory += 8 * (uint64_t)step->count * images;
    c.first = c.last = PLAN_TO_CLIENT;
    return c;
}

static const step_cost_fn cost_of[STEP_KIND_COUNT] = {
    [STEP_INPUT] = cost_input,     [STEP_LINEAR] = cost_linear,   [STEP_RELU] = cost_relu,
    [STEP_REENTRY] = cost_reentry, [STEP_MAX] = cost_max,         [STEP_ARGMAX] = cost_argmax,
    [STEP_OUTPUT] = cost_output,   [STEP_PRODUCT] = cost_product, [STEP_SQUARE] = cost_square,
    [STEP_SUM] = cost_sum,
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
