/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan as a table for people and as JSON for programs. Both say the same. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan/choose.h"
#include "plan/plan_internal.h"
#include "plan/plan_print.h"
#include "plan/step_kinds.h"

static const char *ranges_text(enum plan_ranges r)
{
    return r == PLAN_RANGES_STRICT ? "strict" : r == PLAN_RANGES_CALIBRATED ? "calibrated" : "auto";
}

static const char *policy_text(enum plan_policy p)
{
    return p == PLAN_LOGITS ? "logits" : p == PLAN_TOP ? "top" : "argmax";
}

static const char *dtype_text(enum plan_dtype t)
{
    return t == PLAN_I64 ? "int64" : "float32";
}

static const char *post_text(enum plan_post p)
{
    static const char *const names[PLAN_POST_COUNT] = {
        [PLAN_POST_NONE] = "none",
        [PLAN_POST_SOFTMAX] = "softmax",
        [PLAN_POST_LOG_SOFTMAX] = "log-softmax",
        [PLAN_POST_SIGMOID] = "sigmoid",
        [PLAN_POST_TANH] = "tanh",
    };
    return names[p];
}

/* Bits between the largest value seen and the end of the ring's usable part. */
static double margin_bits(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    double top = plan->range[s].measured * step->scale;
    return top > 0 ? step->k - 2 - log2(top) : INFINITY;
}

static double smallest_margin(const struct plan *plan)
{
    double least = INFINITY;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_LINEAR)
            least = fmin(least, margin_bits(plan, s));
    return least;
}

/* Ciphertexts of a step each way, for a block of images. */
static size_t ciphertexts_in(const struct plan *plan, const struct plan_step *step, size_t images)
{
    if (step->layout == PLAN_IMAGE)
        return step->packing.in_cts * images;
    return step->kind == STEP_LINEAR ? plan_step_inputs(&plan->pub, step) : 0;
}
static size_t ciphertexts_out(const struct plan_step *step, size_t images)
{
    if (step->layout == PLAN_IMAGE)
        return step->packing.out_cts * images;
    return step->kind == STEP_LINEAR ? step->count : 0;
}

/* The private half of a step in layout image. */
static const struct packed *packed_of(const struct plan *plan, unsigned s)
{
    return plan->pub.steps[s].layout == PLAN_IMAGE && plan->packed != NULL ? plan->packed[s] : NULL;
}

static double opened_leak(const struct plan *plan, unsigned s)
{
    const struct plan_step *step = &plan->pub.steps[s];
    const struct packed *packed = packed_of(plan, s);
    double norm2 = packed != NULL ? packed->norm2 : plan->notes[s].norm2;
    return ckks_log2_leak(ckks_params(step->set), norm2, step->k);
}

static bool shows_geometry(const struct plan *plan)
{
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].layout == PLAN_IMAGE)
            return true;
    return false;
}

/* Who learns what (docs/protocol.md, "Who learns what"). */
static const struct {
    const char *item, *client, *server;
} leaks[] = {
    {"input, activations, signs", "own input", "nothing"},
    {"weights, biases, linear operators", "outputs; k, l, sign bits of each step; sizes", "own"},
    {"non-linear steps: kind, number, windows; batch size", "yes", "yes"},
};
/* Of steps in layout image. */
static const char geometry_item[] = "which coefficients are used (layout image)",
                  geometry_shows[] =
                      "sizes of maps, padding, kernel extent, channels per ciphertext";

static const char *reveals(const struct plan *plan)
{
    switch (plan->pub.policy) {
    case PLAN_LOGITS:
        return "the values of the outputs";
    case PLAN_TOP:
        return "the best labels in their order";
    default:
        return "the label";
    }
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_shape(FILE *f, const struct plan_tensor *t)
{
    (void)fputs("[batch", f);
    for (unsigned d = 0; d < t->rank; d++)
        (void)fprintf(f, " x %u", t->dims[d]);
    (void)fputs("]", f);
}

/* Half a unit of a blind sign, in real numbers. */
static void print_tensors(FILE *f, const struct plan *plan)
{
    const struct plan_public *pub = &plan->pub;
    for (unsigned i = 0; i < pub->n_inputs; i++) {
        const struct plan_tensor *t = &pub->inputs[i];
        (void)fprintf(f, "input   %s ", t->name);
        print_shape(f, t);
        (void)fprintf(f, " %s in %g:%g, %u bits\n", dtype_text(t->dtype), t->low, t->high, t->bits);
    }
    for (unsigned i = 0; i < pub->n_outputs; i++) {
        const struct plan_tensor *t = &pub->outputs[i];
        (void)fprintf(f, "output  %s ", t->name);
        print_shape(f, t);
        (void)fprintf(f, " %s, policy %s", dtype_text(t->dtype), policy_text(pub->policy));
        if (pub->top > 0)
            (void)fprintf(f, ":%u", pub->top);
        if (t->post != PLAN_POST_NONE)
            (void)fprintf(f, ", %s by the client", post_text(t->post));
        (void)fprintf(f, ", expected error %.3g%s\n", plan_stated_error(plan, i),
                      pub->policy != PLAN_LOGITS ? " of the values compared" : "");
    }
    (void)fprintf(f, "layout  %s, engine %s, blocks of %d images, k_ss %u\n", plan_layout_name(pub),
                  plan_engine_name(pub), PLAN_BLOCK_IMAGES, pub->k_ss);
    (void)fprintf(f, "bits    k = %u, opened %u; ranges %s, smallest margin %.1f bits%s\n", plan->k,
                  plan->k_out, ranges_text(plan->options.ranges), smallest_margin(plan),
                  plan->options.ranges == PLAN_RANGES_STRICT
                      ? ""
                      : " (not proven: a value beyond it would wrap)");
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].blind > 0)
            (void)fprintf(
                f, "        signs of step %u look at %u bits: what lies within %.2g of 0 %s\n", s,
                pub->steps[s].k - pub->steps[s].blind, plan_blind_half(plan, s),
                pub->steps[s].kind == STEP_MAX    ? "may pass for equal"
                : pub->steps[s].kind == STEP_SIGN ? "may have either sign"
                                                  : "may be taken for 0, or kept below it");
}

static void print_step(FILE *f, const struct plan *plan, unsigned s, size_t images,
                       struct ot_ledger *ledger)
{
    const struct plan_step *step = &plan->pub.steps[s];
    struct cost c = plan_step_cost(plan, s, images, 0, ledger);
    (void)fprintf(f, "%4u %-8s %9u", s, step_kind_name(step->kind), step->count);
    if (step->kind == STEP_LINEAR)
        (void)fprintf(f, " %2u %2u S%u %6zu %6zu", step->k, step->l, step->set,
                      ciphertexts_in(plan, step, images), ciphertexts_out(step, images));
    else
        (void)fprintf(f, " %2u %2u  - %6s %6s", step->k, step->l, "-", "-");
    (void)fprintf(f, " %12llu %12llu %5llu %10llu %7.1f", (unsigned long long)c.bytes_to_server,
                  (unsigned long long)c.bytes_to_client, (unsigned long long)c.flights,
                  (unsigned long long)(c.ots_from_server + c.ots_from_client),
                  (double)c.memory / 1048576.0);
    if (step->kind == STEP_OUTPUT || step->kind == STEP_LINEAR)
        (void)fprintf(f, " %9.2g", plan->notes[s].error_sd);
    else
        (void)fprintf(f, " %9s", "-");
    (void)fprintf(f, "  %s\n", plan->notes[s].nodes);
}

static void print_leaks(FILE *f, const struct plan *plan)
{
    (void)fprintf(f, "\n%-52s %-48s %s\n", "who learns", "client", "server");
    for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++)
        (void)fprintf(f, "%-52s %-48s %s\n", leaks[i].item, leaks[i].client, leaks[i].server);
    if (shows_geometry(plan))
        (void)fprintf(f, "%-52s %-48s %s\n", geometry_item, geometry_shows, "own");
    (void)fprintf(f, "%-52s %-48s %s\n", "result", reveals(plan), "nothing");
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_LINEAR && plan->notes[s].opened)
            (void)fprintf(f,
                          "the noise of a value opened from step %u tells 2^%.0f about the "
                          "weights\n",
                          s, opened_leak(plan, s));
}

/* Of the polynomials of the steps in layout image. */
static uint64_t image_bytes(const struct plan *plan)
{
    uint64_t sum = 0;
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_LINEAR && plan->pub.steps[s].layout == PLAN_IMAGE &&
            plan->packed != NULL && plan->packed[s] != NULL)
            sum += packed_bytes(plan->packed[s]);
    return sum;
}

static void print_all(FILE *f, const struct plan *plan, const struct plan_situation *situation)
{
    print_tensors(f, plan);
    const size_t images = situation->images;
    const size_t block = images < PLAN_BLOCK_IMAGES ? images : PLAN_BLOCK_IMAGES;
    char network[64];
    network_name(&situation->network, network, sizeof network);
    (void)fprintf(f, "\n%4s %-8s %9s %2s %2s %2s %6s %6s %12s %12s %5s %10s %7s %9s  %s\n", "step",
                  "kind", "values", "k", "l", "set", "ct in", "ct out", "to server", "to client",
                  "turns", "OTs", "MiB", "error sd", "node");
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        print_step(f, plan, s, block, &ledger);
    struct cost c = plan_cost(plan, images, 0);
    double n = (double)images;
    (void)fprintf(
        f,
        "\nfor %zu images: %llu bytes to the server, %llu to the client (%.1f KB an "
        "image), %llu flights, %llu OTs, %.0f MiB, about %.3g + %.3g seconds of work by client "
        "and server, %.3g seconds in all over %s\n",
        images, (unsigned long long)c.bytes_to_server, (unsigned long long)c.bytes_to_client,
        (double)(c.bytes_to_server + c.bytes_to_client) / n / 1000, (unsigned long long)c.flights,
        (unsigned long long)(c.ots_from_server + c.ots_from_client), (double)c.memory / 1048576.0,
        c.client_seconds * situation->client_speed, c.server_seconds * situation->server_speed,
        plan_seconds(plan, situation), network);
    if (plan->pub.k_ss == 4) {
        struct plan far = *plan; /* borrows */
        far.pub.k_ss = 8;
        struct cost less = plan_cost(&far, images, 0);
        (void)fprintf(f, "over a network, with k_ss 8: %.1f KB an image\n",
                      (double)(less.bytes_to_server + less.bytes_to_client) / n / 1000);
    }
    const uint64_t polys = image_bytes(plan);
    if (polys > 0)
        (void)fprintf(f, "the server keeps %.1f MiB of weights for the layout image\n",
                      (double)polys / 1048576.0);
    print_leaks(f, plan);
}

mp2ml_status plan_print(char **out, const struct plan *plan, const struct plan_situation *situation)
{
    *out = NULL;
    if (plan->k == 0 || situation->images == 0)
        return MP2ML_ERR_ARGUMENT;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return MP2ML_ERR_MEMORY;
    print_all(f, plan, situation);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(text);
        return MP2ML_ERR_MEMORY;
    }
    *out = text;
    return MP2ML_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *json_count(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *json_number(double v) /* JSON has no infinity */
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *json_tensor(const struct plan_tensor *t, bool input)
{
    json_t *shape = json_array(), *o = json_object();
    (void)json_array_append_new(shape, json_integer(-1));
    for (unsigned d = 0; d < t->rank; d++)
        (void)json_array_append_new(shape, json_count(t->dims[d]));
    (void)json_object_set_new(o, "name", json_string(t->name));
    (void)json_object_set_new(o, "shape", shape);
    (void)json_object_set_new(o, "dtype", json_string(dtype_text(t->dtype)));
    (void)json_object_set_new(o, "scale", json_number(t->scale));
    if (input) {
        (void)json_object_set_new(o, "low", json_number(t->low));
        (void)json_object_set_new(o, "high", json_number(t->high));
        (void)json_object_set_new(o, "bits", json_count(t->bits));
    } else {
        (void)json_object_set_new(o, "post", json_string(post_text(t->post)));
    }
    return o;
}

static void json_cost(json_t *o, const struct cost *c)
{
    (void)json_object_set_new(o, "bytes_to_server", json_count(c->bytes_to_server));
    (void)json_object_set_new(o, "bytes_to_client", json_count(c->bytes_to_client));
    (void)json_object_set_new(o, "flights", json_count(c->flights));
    (void)json_object_set_new(o, "ots", json_count(c->ots_from_server + c->ots_from_client));
    (void)json_object_set_new(o, "memory", json_count(c->memory));
    (void)json_object_set_new(o, "client_seconds", json_number(c->client_seconds));
    (void)json_object_set_new(o, "server_seconds", json_number(c->server_seconds));
}

static json_t *json_step(const struct plan *plan, unsigned s, size_t images,
                         struct ot_ledger *ledger)
{
    const struct plan_step *step = &plan->pub.steps[s];
    struct cost c = plan_step_cost(plan, s, images, 0, ledger);
    json_t *o = json_object(), *operands = json_array();
    json_t *shifts = json_array();
    for (unsigned i = 0; i < step->n_operands; i++) {
        (void)json_array_append_new(operands, json_count(step->operands[i]));
        (void)json_array_append_new(shifts, json_count(step->shift[i]));
    }
    (void)json_object_set_new(o, "step", json_count(s));
    (void)json_object_set_new(o, "kind", json_string(step_kind_name(step->kind)));
    (void)json_object_set_new(o, "node", json_string(plan->notes[s].nodes));
    (void)json_object_set_new(o, "operands", operands);
    (void)json_object_set_new(o, "count", json_count(step->count));
    (void)json_object_set_new(o, "k", json_count(step->k));
    if (step->kind == STEP_RELU || step->kind == STEP_SIGN || step->kind == STEP_MAX)
        (void)json_object_set_new(o, "sign_bits", json_count(step->k - step->blind));
    if (step_has_engine(step->kind))
        (void)json_object_set_new(o, "engine",
                                  json_string(step->engine == MPC_YAO ? "yao" : "gmw"));
    if (step->kind == STEP_LINEAR)
        (void)json_object_set_new(o, "layout",
                                  json_string(step->layout == PLAN_IMAGE ? "image" : "batch"));
    (void)json_object_set_new(o, "l", json_count(step->l));
    (void)json_object_set_new(o, "scale", json_number(step->scale));
    (void)json_object_set_new(o, "expected_error_sd", json_number(plan->notes[s].error_sd));
    (void)json_object_set_new(o, "shifts", shifts);
    if (step->kind == STEP_LINEAR) {
        (void)json_object_set_new(o, "set", json_string(ckks_params(step->set)->name));
        (void)json_object_set_new(o, "ciphertexts_in",
                                  json_count(ciphertexts_in(plan, step, images)));
        (void)json_object_set_new(o, "ciphertexts_out", json_count(ciphertexts_out(step, images)));
        (void)json_object_set_new(o, "products", json_count(linear_products(&plan->linear[s])));
        (void)json_object_set_new(o, "weight_bits", json_count(plan->notes[s].b_w));
        (void)json_object_set_new(o, "margin_bits", json_number(margin_bits(plan, s)));
    }
    json_cost(o, &c);
    return o;
}

static json_t *json_leaks(const struct plan *plan)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof leaks / sizeof *leaks; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s}", "item", leaks[i].item, "client",
                                              leaks[i].client, "server", leaks[i].server));
    if (shows_geometry(plan))
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "item", geometry_item,
                                                    "client", geometry_shows, "server", "own"));
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "item", "result", "client",
                                                reveals(plan), "server", "nothing"));
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        if (plan->pub.steps[s].kind == STEP_LINEAR && plan->notes[s].opened)
            (void)json_array_append_new(list, json_pack("{s:s, s:i, s:f}", "item",
                                                        "noise of an opened value", "step", (int)s,
                                                        "log2", opened_leak(plan, s)));
    return list;
}

/* Of all matrix products, in both halves of the ciphertexts. */
static uint64_t multiply_adds(const struct plan *plan, size_t images)
{
    const uint64_t blocks = (images + PLAN_BLOCK_IMAGES - 1) / PLAN_BLOCK_IMAGES;
    uint64_t sum = 0;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct ckks_params *params = ckks_params(plan->pub.steps[s].set);
        const struct packed *packed = packed_of(plan, s);
        if (packed != NULL)
            sum += packed->n_products * params->primes * 2 * params->n * images;
        else if (plan->pub.steps[s].kind == STEP_LINEAR)
            sum +=
                linear_products(&plan->linear[s]) * params->primes * (blocks * params->n + images);
    }
    return sum;
}

static json_t *json_all(const struct plan *plan, const struct plan_situation *situation,
                        json_t *alternatives)
{
    const size_t images = situation->images;
    const struct plan_public *pub = &plan->pub;
    json_t *o = json_object(), *inputs = json_array(), *outputs = json_array(),
           *steps = json_array(), *totals = json_object();
    for (unsigned i = 0; i < pub->n_inputs; i++)
        (void)json_array_append_new(inputs, json_tensor(&pub->inputs[i], true));
    for (unsigned i = 0; i < pub->n_outputs; i++) {
        json_t *t = json_tensor(&pub->outputs[i], false);
        (void)json_object_set_new(t, "expected_error", json_number(plan_stated_error(plan, i)));
        (void)json_array_append_new(outputs, t);
    }
    size_t block = images < PLAN_BLOCK_IMAGES ? images : PLAN_BLOCK_IMAGES;
    struct ot_ledger ledger = {.k_ss = pub->k_ss};
    for (unsigned s = 0; s < pub->n_steps; s++)
        (void)json_array_append_new(steps, json_step(plan, s, block, &ledger));
    struct cost c = plan_cost(plan, images, 0);
    (void)json_object_set_new(totals, "images", json_count(images));
    json_cost(totals, &c);
    (void)json_object_set_new(totals, "seconds", json_number(plan_seconds(plan, situation)));
    (void)json_object_set_new(totals, "image_weight_bytes", json_count(image_bytes(plan)));
    (void)json_object_set_new(totals, "multiply_adds", json_count(multiply_adds(plan, images)));
    (void)json_object_set_new(o, "inputs", inputs);
    (void)json_object_set_new(o, "outputs", outputs);
    (void)json_object_set_new(o, "layout", json_string(plan_layout_name(pub)));
    (void)json_object_set_new(o, "engine", json_string(plan_engine_name(pub)));
    char network[64];
    network_name(&situation->network, network, sizeof network);
    (void)json_object_set_new(o, "network", json_string(network));
    (void)json_object_set_new(o, "alternatives", alternatives);
    (void)json_object_set_new(o, "policy", json_string(policy_text(pub->policy)));
    (void)json_object_set_new(o, "top", json_count(pub->top));
    (void)json_object_set_new(o, "ranges", json_string(ranges_text(plan->options.ranges)));
    (void)json_object_set_new(o, "margin_bits", json_number(smallest_margin(plan)));
    (void)json_object_set_new(o, "wrap_possible",
                              json_boolean(plan->options.ranges != PLAN_RANGES_STRICT));
    (void)json_object_set_new(o, "k", json_count(plan->k));
    (void)json_object_set_new(o, "k_out", json_count(plan->k_out));
    (void)json_object_set_new(o, "k_ss", json_count(pub->k_ss));
    (void)json_object_set_new(o, "block_images", json_count(PLAN_BLOCK_IMAGES));
    (void)json_object_set_new(o, "steps", steps);
    (void)json_object_set_new(o, "totals", totals);
    (void)json_object_set_new(o, "leaks", json_leaks(plan));
    return o;
}

mp2ml_status plan_json(char **out, const struct plan *plan, const struct plan_situation *situation)
{
    json_t *alternatives = NULL;
    *out = NULL;
    if (plan->k == 0 || situation->images == 0)
        return MP2ML_ERR_ARGUMENT;
    TRY(plan_compare_json(&alternatives, plan, situation));
    json_t *o = json_all(plan, situation, alternatives);
    if (o != NULL)
        *out = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return *out != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}
