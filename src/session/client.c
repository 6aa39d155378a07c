/* SPDX-License-Identifier: Apache-2.0
 *
 * The client: connect, check what the server offers, ask, compute, account. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "session/session.h"

/* ---- progress ------------------------------------------------------------------------------ */

static int client_tick(void *context)
{
    struct mp2ml_client *c = context;
    return c->progress ? c->progress(c->progress_context, c->fraction) : 0;
}

static void client_progress(void *context, double fraction_of_block)
{
    struct mp2ml_client *c = context;
    c->fraction = c->fraction_base + c->fraction_scale * fraction_of_block;
    if (c->progress && c->progress(c->progress_context, c->fraction) != 0)
        channel_cancel(c->channel);
}

/* ---- connecting ---------------------------------------------------------------------------- */

static mp2ml_status check_transport(struct mp2ml_client *c, const char *host,
                                    const struct mp2ml_options *o, mp2ml_error *err)
{
    bool tls = o->tls || o->server_pin || o->ca;
    if (tls) {
        if ((o->server_pin != NULL) == (o->ca != NULL))
            return status_fail(err, MP2ML_ERR_ARGUMENT,
                               "TLS needs one of --server-pin HEX and --ca FILE");
        TRY(tls_connect(c->channel, o->server_pin, o->ca, host, err));
        c->tls = true;
        return MP2ML_OK;
    }
    if (!channel_is_loopback(c->channel) && !o->insecure)
        return status_fail(err, MP2ML_ERR_TLS,
                           "%s is not a loopback address: use --server-pin or --ca, or allow "
                           "--insecure-transport",
                           host);
    return MP2ML_OK;
}

static unsigned demanded_policy(const struct mp2ml_options *o)
{
    if (!o->require_reveal)
        return 0;
    unsigned policy = PLAN_ARGMAX;
    while (strcmp(o->require_reveal, options_policy_name(policy)) != 0)
        policy++; /* the option takes nothing else */
    return policy;
}

static void account_setup(struct mp2ml_client *c, double started)
{
    struct link_stats stats = link_stats(c->link);
    c->stats.setup_seconds = session_seconds() - started;
    c->stats.setup_bytes_to_server = stats.bytes_sent;
    c->stats.setup_bytes_to_client = stats.bytes_received;
    c->stats.setup_flights = stats.flights;
}

static void use_threads(const struct mp2ml_options *o, const struct channel *channel)
{
#ifdef _OPENMP
    omp_set_num_threads((int)options_threads(o, channel_is_loopback(channel)));
#else
    (void)o, (void)channel;
#endif
}

/* The answers of so many images must fit the memory limit: callers make room for them. */
static mp2ml_status check_outputs(const struct mp2ml_client *c, size_t images, mp2ml_error *err)
{
    size_t values = 0, bytes;
    for (unsigned i = 0; i < c->hello.n_outputs; i++)
        values += c->hello.outputs[i].count; /* at most 16 times 2^32 */
    if (!size_mul(&bytes, values, sizeof(float)) || !size_mul(&bytes, bytes, images) ||
        bytes > c->options.max_memory)
        return status_fail(err, MP2ML_ERR_PLAN,
                           "%zu answers of %zu values need more than --max-memory allows", images,
                           values);
    return MP2ML_OK;
}

/* A whole file after every call that did something. A forked child leaves it to its owner. */
static mp2ml_status write_trace(struct mp2ml_client *c, mp2ml_error *err)
{
    if (!c->trace || c->owner != getpid())
        return MP2ML_OK;
    return trace_file_add(c->trace_file, c->trace, 1, err);
}

static mp2ml_status start_trace(struct mp2ml_client *c, const char *path, mp2ml_error *err)
{
    if (!path)
        return MP2ML_OK;
    TRY(trace_file_new(&c->trace_file, path, "client", err));
    return trace_new(&c->trace);
}

static mp2ml_status start_session(struct mp2ml_client *c, const struct mp2ml_options *o,
                                  mp2ml_error *err)
{
    channel_set_timeout(c->channel, (int)o->timeout_s * 1000);
    channel_set_tick(c->channel, client_tick, c);
    channel_set_trace(c->channel, c->trace);
    use_threads(o, c->channel);
    TRY(link_new(&c->link, c->channel));
    TRY(session_new(&c->session, PARTY_CLIENT, c->link));
    mp2ml_status status =
        handshake_client(c->session, o->model_name, demanded_policy(o), &c->hello, err);
    if (status != MP2ML_OK) {
        link_abort(c->link);
        return status;
    }
    TRY(check_outputs(c, 1, err));
    c->sets = c->session->sets;
    c->k_ss = c->session->k_ss;
    for (unsigned i = 0; i < c->hello.n_inputs; i++)
        tensor_describe(&c->inputs[i], &c->hello.inputs[i]);
    for (unsigned i = 0; i < c->hello.n_outputs; i++)
        tensor_describe(&c->outputs[i], &c->hello.outputs[i]);
    return MP2ML_OK;
}

/* Fills what the failing call left empty. */
static mp2ml_status explain(mp2ml_error *error, const mp2ml_error *own, mp2ml_status status,
                            const char *doing, const char *peer)
{
    if (own->text[0] != '\0')
        return status_fail(error, status, "%s", own->text);
    return status_fail(error, status, "%s %s: %s", doing, peer, mp2ml_status_text(status));
}

mp2ml_status client_over_channel(mp2ml_client **out, struct channel *channel,
                                 const struct mp2ml_options *options, mp2ml_error *err)
{
    *out = NULL;
    struct mp2ml_client *c = calloc(1, sizeof(*c));
    if (!c) {
        channel_free(channel);
        return MP2ML_ERR_MEMORY;
    }
    c->channel = channel;
    c->owner = getpid();
    c->options = options_numbers(options);
    double started = session_seconds();
    mp2ml_status status = start_session(c, options, err);
    if (status != MP2ML_OK) {
        mp2ml_client_free(c);
        return status;
    }
    account_setup(c, started);
    *out = c;
    return MP2ML_OK;
}

static mp2ml_status simulate(struct mp2ml_client *c, const struct network *link)
{
    TRY(channel_shape(c->channel, link));
    if (!channel_simulated(c->channel))
        return MP2ML_OK;
    network_name(link, c->simulated_network, sizeof(c->simulated_network));
    network_describe(link, c->simulated_text, sizeof(c->simulated_text));
    return MP2ML_OK;
}

static mp2ml_status connect_client(struct mp2ml_client *c, const char *host, uint16_t port,
                                   const struct mp2ml_options *o, mp2ml_error *err)
{
    double started = session_seconds();
    c->options = options_numbers(o);
    c->owner = getpid();
    c->fraction = -1;
    TRY(secret_init());
    TRY(start_trace(c, o->trace, err));
    TRY(channel_tcp_connect(&c->channel, host, port, (int)o->connect_timeout_s * 1000, client_tick,
                            c, err));
    channel_set_tick(c->channel, client_tick, c);
    channel_set_timeout(c->channel, (int)o->timeout_s * 1000);
    if (o->simulate_network)
        TRY(simulate(c, &o->simulated));
    TRY(check_transport(c, host, o, err));
    TRY(start_session(c, o, err));
    account_setup(c, started);
    return write_trace(c, err);
}

mp2ml_status mp2ml_client_new(mp2ml_client **out, const char *host, uint16_t port,
                              const mp2ml_options *options, mp2ml_progress_fn progress,
                              void *context, mp2ml_error *error)
{
    *out = NULL;
    struct mp2ml_options defaults;
    options_init(&defaults);
    struct mp2ml_client *c = calloc(1, sizeof(*c));
    if (!c)
        return status_fail(error, MP2ML_ERR_MEMORY, "out of memory");
    snprintf(c->peer, sizeof(c->peer), "%s:%u", host, port);
    c->progress = progress;
    c->progress_context = context;
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = connect_client(c, host, port, options ? options : &defaults, &own);
    if (status != MP2ML_OK) {
        explain(error, &own, status, "connecting to", c->peer);
        mp2ml_client_free(c);
        return status;
    }
    *out = c;
    return MP2ML_OK;
}

void mp2ml_client_free(mp2ml_client *client)
{
    if (!client)
        return;
    (void)!write_trace(client, NULL); /* what a failed call left */
    shapes_wipe(&client->shapes);
    class_names_wipe(&client->hello.classes);
    session_free(client->session);
    link_free(client->link);
    channel_free(client->channel);
    trace_free(client->trace);
    trace_file_free(client->trace_file);
    secret_wipe(client, sizeof(*client));
    free(client);
}

/* ---- what the server offers ---------------------------------------------------------------- */

const mp2ml_tensor *mp2ml_client_input(const mp2ml_client *client, size_t i)
{
    return i < client->hello.n_inputs ? &client->inputs[i] : NULL;
}

const mp2ml_tensor *mp2ml_client_output(const mp2ml_client *client, size_t i)
{
    return i < client->hello.n_outputs ? &client->outputs[i] : NULL;
}

const char *mp2ml_client_class(const mp2ml_client *client, size_t i)
{
    return i < client->hello.classes.count ? client->hello.classes.name[i] : NULL;
}

int mp2ml_client_find_input(const mp2ml_client *client, const char *name)
{
    for (unsigned i = 0; i < client->hello.n_inputs; i++)
        if (strcmp(client->hello.inputs[i].name, name) == 0)
            return (int)i;
    for (unsigned i = 0; i < client->hello.n_inputs; i++)
        if (graph_name_matches(client->hello.inputs[i].name, name))
            return (int)i;
    return -1;
}

mp2ml_status mp2ml_client_set_plain(mp2ml_client *client, size_t i, int plain, mp2ml_error *error)
{
    if (i >= client->hello.n_inputs)
        return status_fail(error, MP2ML_ERR_ARGUMENT, "the model has %u inputs",
                           client->hello.n_inputs);
    client->plain &= ~((uint64_t)1 << i);
    client->plain |= (uint64_t)(plain != 0) << i;
    return MP2ML_OK;
}

/* ---- predicting ---------------------------------------------------------------------------- */

/* The plan must describe the same inputs and outputs as HELLO_S did. */
static bool same_tensors(const struct plan_tensor *a, const struct plan_tensor *b, unsigned n)
{
    bool same = true;
    for (unsigned i = 0; i < n; i++)
        same = same && strcmp(a[i].name, b[i].name) == 0 && a[i].count == b[i].count &&
               a[i].rank == b[i].rank && memcmp(a[i].dims, b[i].dims, sizeof(a[i].dims)) == 0 &&
               a[i].low == b[i].low && a[i].high == b[i].high && a[i].scale == b[i].scale &&
               a[i].dtype == b[i].dtype && a[i].post == b[i].post && a[i].row == b[i].row &&
               a[i].step == b[i].step;
    return same;
}

static mp2ml_status check_plan(const struct mp2ml_client *c, const struct plan_public *pub,
                               size_t block, mp2ml_error *err)
{
    const struct hello *h = &c->hello;
    if (pub->n_inputs != h->n_inputs || pub->n_outputs != h->n_outputs ||
        pub->policy != h->policy || pub->k_ss != c->session->k_ss ||
        !same_tensors(pub->inputs, h->inputs, h->n_inputs) ||
        !same_tensors(pub->outputs, h->outputs, h->n_outputs))
        return status_fail(err, MP2ML_ERR_PROTOCOL, "the plan differs from the server's hello");
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind == STEP_LINEAR && !(c->session->sets >> pub->steps[s].set & 1))
            return status_fail(err, MP2ML_ERR_PROTOCOL, "the plan uses a set without keys");
    size_t memory = run_memory(pub, PARTY_CLIENT, c->plain, block);
    if (memory > c->options.max_memory)
        return status_fail(err, MP2ML_ERR_PLAN,
                           "the server's plan needs %zu MiB here, more than --max-memory allows",
                           memory >> 20);
    return MP2ML_OK;
}

/* ACCEPT: u32 images of a block, then the public plan. */
static mp2ml_status recv_plan(struct mp2ml_client *c, struct plan_public *pub, size_t *block,
                              mp2ml_error *err)
{
    uint8_t *body = NULL;
    size_t length = 0;
    enum frame_type got;
    struct plan_limits limits;
    plan_limits_init(&limits);
    limits.max_memory = c->options.max_memory;
    TRY(frame_recv_any(c->link, FRAME_ACCEPT, FRAME_REFUSE, SESSION_MAX_ACCEPT, &got, &body,
                       &length));
    mp2ml_status status;
    if (got == FRAME_REFUSE) {
        status = read_refusal(body, length, err);
    } else {
        struct reader r = reader_init(body, length);
        *block = reader_u32(&r);
        status = r.failed || *block < 1 || *block > PLAN_BLOCK_IMAGES
                     ? MP2ML_ERR_PROTOCOL
                     : plan_public_read(pub, &r, &limits, err);
        if (status == MP2ML_OK && reader_done(&r) != MP2ML_OK) {
            plan_public_wipe(pub);
            status = MP2ML_ERR_PROTOCOL;
        }
    }
    free(body);
    return status;
}

static mp2ml_status run_all(struct mp2ml_client *c, struct run *run, size_t images, size_t block,
                            const float *const *inputs, float *const *outputs)
{
    for (size_t done = 0; done < images; done += block) {
        size_t n = images - done < block ? images - done : block;
        const float *in[PLAN_MAX_TENSORS];
        float *out[PLAN_MAX_TENSORS];
        for (unsigned i = 0; i < c->hello.n_inputs; i++)
            in[i] = inputs[i] + done * c->hello.inputs[i].count;
        for (unsigned i = 0; i < c->hello.n_outputs; i++)
            out[i] = outputs[i] + done * c->hello.outputs[i].count;
        c->fraction_base = (double)done / (double)images;
        c->fraction_scale = (double)n / (double)images;
        TRY(run_block(run, n, in, out));
    }
    return MP2ML_OK;
}

/* The server's answer to a request of a new shape. */
static mp2ml_status accept_shape(struct shape **out, struct mp2ml_client *c,
                                 const struct request *request, mp2ml_error *err)
{
    struct plan_public *pub = calloc(1, sizeof(*pub));
    size_t block = 0;
    if (!pub)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = recv_plan(c, pub, &block, err);
    if (status != MP2ML_OK) {
        free(pub);
        return status;
    }
    if (block > request->images)
        block = (size_t)request->images;
    *out = shapes_add(&c->shapes, request, pub, block);
    c->last_plan = pub; /* the one before may be gone */
    for (unsigned s = 0; s < pub->n_steps; s++)
        c->saw_geometry |= pub->steps[s].kind == STEP_LINEAR && pub->steps[s].layout == PLAN_IMAGE;
    return check_plan(c, pub, block, err);
}

static mp2ml_status ask(struct shape **shape, struct mp2ml_client *c, const struct request *request,
                        mp2ml_error *err)
{
    const struct link_stats before = link_stats(c->link);
    mp2ml_status status = request_send(c->link, request, c->hello.inputs, c->hello.n_inputs);
    if (status == MP2ML_OK && !request->again)
        status = accept_shape(shape, c, request, err);
    c->stats.asking_bytes_to_server += link_stats(c->link).bytes_sent - before.bytes_sent;
    c->stats.asking_bytes_to_client += link_stats(c->link).bytes_received - before.bytes_received;
    return status;
}

static mp2ml_status predict(struct mp2ml_client *c, size_t images, const float *const *inputs,
                            float *const *outputs, mp2ml_error *err)
{
    struct request request = {.images = images, .plain = c->plain};
    struct shape *shape = shapes_find(&c->shapes, &request);
    request.again = shape != NULL;
    if (shape && shapes_items(shape) > 0)
        request.item = shapes_item(shape);
    c->plain_sent |= request.plain;
    TRY(ask(&shape, c, &request, err));
    c->last_plan = shape->pub;
    c->stats.layout = plan_layout_name(shape->pub);
    c->stats.engine = plan_engine_name(shape->pub);
    TRY(shapes_run(&c->shapes, shape, c->session, NULL, c->options.max_memory));
    shape->run->progress = client_progress;
    shape->run->progress_context = c;
    shape->run->ahead = NULL;
    if (request.item > 0)
        shapes_use(&c->shapes, shape);
    c->stats.prepared_used += request.item > 0;
    TRY(run_all(c, shape->run, images, shape->block, inputs, outputs));
    run_forget(shape->run);
    shapes_used(shape);
    c->stats.requests++;
    return MP2ML_OK;
}

static void clear_outputs(const struct mp2ml_client *c, size_t images, float *const *outputs)
{
    for (unsigned i = 0; i < c->hello.n_outputs; i++)
        memset(outputs[i], 0, images * c->hello.outputs[i].count * sizeof(float));
}

/* What every call needs. */
static mp2ml_status ready(const struct mp2ml_client *c, size_t images, mp2ml_error *error)
{
    if (c->failed)
        return status_fail(error, MP2ML_ERR_FAILED, "this connection has failed before");
    if (c->owner != getpid())
        return status_fail(error, MP2ML_ERR_FAILED,
                           "this connection belongs to the process that made it; connect anew");
    if (images == 0)
        return status_fail(error, MP2ML_ERR_INPUT, "no images: the batch size must be at least 1");
    return MP2ML_OK;
}

static void begin_call(struct mp2ml_client *c)
{
    c->fraction = c->fraction_base = c->fraction_scale = 0;
    use_threads(&c->options, c->channel);
}

/* Nothing is left but the plans and what the receipt says. */
static void give_up(struct mp2ml_client *c)
{
    c->failed = true;
    link_abort(c->link);
    channel_close(c->channel);
    shapes_drop_runs(&c->shapes);
    session_free(c->session);
    c->session = NULL;
}

mp2ml_status mp2ml_client_predict(mp2ml_client *client, size_t images, const float *const *inputs,
                                  float *const *outputs, mp2ml_error *error)
{
    struct mp2ml_client *c = client;
    TRY(ready(c, images, error));
    TRY(check_outputs(c, images, error));
    for (unsigned i = 0; i < c->hello.n_inputs; i++)
        TRY(input_check(&c->hello.inputs[i], inputs[i], images, error));
    double started = session_seconds();
    begin_call(c);
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = predict(c, images, inputs, outputs, &own);
    c->stats.predict_seconds += session_seconds() - started;
    if (status == MP2ML_OK) {
        c->stats.images += images;
        return write_trace(c, error);
    }
    if (status ==
        MP2ML_ERR_REFUSED) /* nothing was computed; the server waits for another request */
        return explain(error, &own, status, "asking", c->peer);
    give_up(c);
    clear_outputs(c, images, outputs);
    return explain(error, &own, status, "predicting with", c->peer);
}

/* ---- ahead of time ------------------------------------------------------------------------- */

/* One PREPARE; *shape is what it is for, NULL where that is not known yet. */
static mp2ml_status prepare_once(struct mp2ml_client *c, struct shape **shape,
                                 struct request *request, mp2ml_error *err)
{
    size_t more;
    request->again = *shape != NULL;
    TRY(request_send(c->link, request, c->hello.inputs, c->hello.n_inputs));
    if (!request->again)
        TRY(accept_shape(shape, c, request, err));
    TRY(prepare_answer_recv(c->link, request, *shape, &more));
    TRY(prepare_make(&c->shapes, *shape, c->session, NULL, more, request->precompute,
                     c->options.max_memory));
    c->stats.prepared += more;
    c->stats.precomputed += request->precompute ? more : 0;
    return MP2ML_OK;
}

/* A new shape is asked for by a PREPARE of nothing: what fits here depends on its plan. */
static mp2ml_status prepare(struct mp2ml_client *c, size_t requests, size_t images,
                            size_t *prepared, mp2ml_error *err)
{
    struct request request = {.images = images, .plain = c->plain, .prepare = true};
    struct shape *shape = shapes_find(&c->shapes, &request);
    if (!shape)
        TRY(prepare_once(c, &shape, &request, err));
    c->last_plan = shape->pub;
    request.precompute = c->options.precompute;
    const size_t kept = prepare_kept(shape, request.precompute);
    const size_t asked = requests < UINT32_MAX ? requests : UINT32_MAX;
    if (asked > kept)
        request.requests =
            (uint32_t)(kept + prepare_limit(&c->shapes, shape, PARTY_CLIENT, asked - kept,
                                            request.precompute, c->options.max_memory));
    if (request.requests > kept)
        TRY(prepare_once(c, &shape, &request, err));
    *prepared = shapes_items(shape) < requests ? shapes_items(shape) : requests;
    return MP2ML_OK;
}

mp2ml_status mp2ml_client_prepare(mp2ml_client *client, size_t requests, size_t images,
                                  size_t *prepared, mp2ml_error *error)
{
    struct mp2ml_client *c = client;
    size_t made = 0;
    if (prepared)
        *prepared = 0;
    TRY(ready(c, images, error));
    const double started = session_seconds();
    const struct link_stats before = link_stats(c->link);
    begin_call(c);
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = prepare(c, requests, images, &made, &own);
    const struct link_stats after = link_stats(c->link);
    c->stats.prepare_seconds += session_seconds() - started;
    c->stats.prepare_bytes_to_server += after.bytes_sent - before.bytes_sent;
    c->stats.prepare_bytes_to_client += after.bytes_received - before.bytes_received;
    c->stats.prepare_flights += after.flights - before.flights;
    if (prepared && status == MP2ML_OK)
        *prepared = made;
    if (status == MP2ML_OK)
        return write_trace(c, error);
    if (status == MP2ML_ERR_REFUSED)
        return explain(error, &own, status, "asking", c->peer);
    give_up(c);
    return explain(error, &own, status, "preparing with", c->peer);
}

mp2ml_stats mp2ml_client_stats(const mp2ml_client *client)
{
    mp2ml_stats stats = client->stats;
    stats.layout = stats.layout ? stats.layout : "";
    stats.engine = stats.engine ? stats.engine : "";
    stats.simulated_network = client->simulated_network;
    stats.simulated_text = client->simulated_text;
    struct link_stats link = link_stats(client->link);
    stats.bytes_to_server = link.bytes_sent;
    stats.bytes_to_client = link.bytes_received;
    stats.flights = link.flights;
    for (unsigned i = 0; i < SESSION_SHAPES; i++)
        stats.prepared_left += shapes_items(&client->shapes.at[i]);
    return stats;
}

mp2ml_status mp2ml_client_receipt(const mp2ml_client *client, char **json, mp2ml_error *error)
{
    mp2ml_status status = receipt_json(json, client);
    return status == MP2ML_OK ? status
                              : status_fail(error, status, "%s", mp2ml_status_text(status));
}

void mp2ml_client_cancel(mp2ml_client *client)
{
    channel_cancel(client->channel);
}
