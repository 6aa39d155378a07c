/* SPDX-License-Identifier: Apache-2.0
 *
 * The receipt: what was agreed, what went over the wire and what each side could learn, as JSON. It
 * holds no secret and no input. */
#include <jansson.h>
#include <stdlib.h>

#include "session/session.h"

/* A value that could not be made must not go missing in silence. */
static void append(json_t *list, json_t *value, bool *good)
{
    *good = *good && value && json_array_append_new(list, value) == 0;
}

static json_t *describe_sets(unsigned sets, bool *good)
{
    json_t *list = json_array();
    for (unsigned set = 1; set < STEPS_SETS; set++) {
        const struct ckks_params *p = ckks_params(set);
        if (sets >> set & 1)
            append(list,
                   json_pack("{s:s, s:i, s:f, s:i}", "name", p->name, "n", (int)p->n, "log2_q",
                             p->log2_q, "security_bits_post_quantum", 128),
                   good);
    }
    return list;
}

static json_t *describe_steps(const struct plan_public *pub, bool *good)
{
    json_t *list = json_array();
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        json_t *row =
            json_pack("{s:s, s:i}", "kind", step_kind_name(step->kind), "values", (int)step->count);
        if (step->kind != STEP_INPUT && step->kind != STEP_OUTPUT) {
            json_object_set_new(row, "k", json_integer(step->k));
            json_object_set_new(row, "l", json_integer(step->l));
        }
        if (step->kind == STEP_LINEAR)
            json_object_set_new(row, "set", json_string(ckks_params(step->set)->name));
        append(list, row, good);
    }
    return list;
}

static json_t *describe_inputs(const struct mp2ml_client *c, bool *good)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < c->hello.n_inputs; i++)
        append(list,
               json_pack("{s:s, s:s, s:i}", "name", c->hello.inputs[i].name, "sent",
                         c->plain_sent >> i & 1 ? "in the clear" : "encrypted", "values",
                         (int)c->hello.inputs[i].count),
               good);
    return list;
}

/* Statements, not measurements: docs/threat-model.md says what they rest on. */
static json_t *who_learns_what(const struct mp2ml_client *c, bool *good)
{
    json_t *client = json_array(), *server = json_array();
    append(client,
           json_string(c->hello.policy == PLAN_ARGMAX ? "the position of the largest output"
                       : c->hello.policy == PLAN_TOP
                           ? "the positions of the largest outputs, in order"
                           : "the output values"),
           good);
    append(client,
           json_string("number, kind, size and windows of the non-linear "
                       "steps"),
           good);
    append(client, json_string("the rings (k, l) and sign bits of every step"), good);
    if (c->saw_geometry)
        append(
            client,
            json_string("the geometry of the linear steps in the layout image: where values lie"),
            good);
    append(server, json_string("the number of images and when they came"), good);
    if (c->stats.prepare_bytes_to_server > 0)
        append(server, json_string("how many requests were prepared, of how many images, and when"),
               good);
    for (unsigned i = 0; i < c->hello.n_inputs; i++)
        if (c->plain_sent >> i & 1)
            append(server,
                   json_sprintf("input '%s', sent in the clear at the client's wish",
                                c->hello.inputs[i].name),
                   good);
    return json_pack("{s:o, s:o, s:[s,s]}", "client_could_learn", client, "server_could_learn",
                     server, "not_promised", "that the server computed what it should",
                     "that a client which breaks the protocol learns nothing of the model");
}

/* Which part of the work was done before requests came. */
static json_t *describe_ahead(const mp2ml_stats *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "requests_answered",
                     (json_int_t)s->requests, "requests_prepared", (json_int_t)s->prepared,
                     "precomputed", (json_int_t)s->precomputed, "prepared_used",
                     (json_int_t)s->prepared_used, "prepared_left", (json_int_t)s->prepared_left,
                     "bytes_to_server", (json_int_t)s->prepare_bytes_to_server, "bytes_to_client",
                     (json_int_t)s->prepare_bytes_to_client, "flights",
                     (json_int_t)s->prepare_flights, "seconds", s->prepare_seconds);
}

mp2ml_status receipt_json(char **out, const struct mp2ml_client *c)
{
    bool good = true;
    mp2ml_stats stats = mp2ml_client_stats(c);
    json_t *root =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:I}", "program", "mp2ml " MP2ML_VERSION,
                  "protocol_version", (int)SESSION_VERSION, "server", c->peer, "transport",
                  c->tls                            ? "TLS 1.3"
                  : channel_is_loopback(c->channel) ? "plain TCP on loopback"
                                                    : "plain TCP, INSECURE",
                  "policy", options_policy_name(c->hello.policy), "k_ss", (int)c->k_ss, "images",
                  (json_int_t)stats.images);
    if (c->simulated_text[0] != '\0') /* its times are none of a real link */
        good = json_object_set_new(root, "simulated_network", json_string(c->simulated_text)) == 0;
    if (stats.requests > 0) {
        json_object_set_new(root, "layout", json_string(stats.layout));
        json_object_set_new(root, "engine", json_string(stats.engine));
    }
    json_object_set_new(root, "inputs", describe_inputs(c, &good));
    json_object_set_new(root, "parameters", describe_sets(c->sets, &good));
    if (c->last_plan)
        json_object_set_new(root, "steps", describe_steps(c->last_plan, &good));
    json_object_set_new(root, "traffic",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "bytes_to_server",
                                  (json_int_t)stats.bytes_to_server, "bytes_to_client",
                                  (json_int_t)stats.bytes_to_client, "setup_bytes_to_server",
                                  (json_int_t)stats.setup_bytes_to_server, "setup_bytes_to_client",
                                  (json_int_t)stats.setup_bytes_to_client, "flights",
                                  (json_int_t)stats.flights, "setup_flights",
                                  (json_int_t)stats.setup_flights));
    json_object_set_new(root, "ahead", describe_ahead(&stats));
    json_object_set_new(root, "setup_seconds", json_real(stats.setup_seconds));
    json_object_set_new(root, "predict_seconds", json_real(stats.predict_seconds));
    json_object_set_new(root, "privacy", who_learns_what(c, &good));
    *out = root && good ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    return *out ? MP2ML_OK : MP2ML_ERR_MEMORY;
}
