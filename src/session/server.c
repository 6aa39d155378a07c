/* SPDX-License-Identifier: Apache-2.0
 *
 * The server: one listening socket, one thread a client, nothing shared between them but the model,
 * which is only read. A client that vanishes, stalls or sends garbage ends its own thread alone. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "session/session.h"

struct worker { /* one client */
    pthread_t thread;
    struct mp2ml_server *server;
    struct channel *channel;
    char peer[64];
    uint64_t number;
    bool used;         /* the slot holds a thread that was not joined yet */
    atomic_bool ended; /* the thread touches nothing any more */
};

struct mp2ml_server {
    const struct mp2ml_model *model;
    struct mp2ml_options options; /* numbers only */
    char *model_name;
    struct listener *listener;
    struct tls_server *tls;
    char pin[2 * TLS_PIN_BYTES + 1];
    mp2ml_log_fn log_fn;
    void *log_context;
    pthread_mutex_t lock; /* log lines, worker slots */
    struct worker *workers;
    atomic_uint_fast64_t images;
    atomic_bool stopping;
    struct trace_file *trace_file; /* NULL unless asked for; under the lock */
};

static void server_log(void *context, const char *line)
{
    struct mp2ml_server *server = context;
    pthread_mutex_lock(&server->lock);
    if (server->log_fn)
        server->log_fn(server->log_context, line);
    pthread_mutex_unlock(&server->lock);
}

/* ---- one connection ------------------------------------------------------------------------ */

/* Blocks as large as the memory limit allows beside what was made ahead; one image in any case. */
static size_t choose_block(const struct plan_public *pub, const struct shapes *shapes,
                           const struct mp2ml_options *o, const struct request *request)
{
    const uint64_t ahead = shapes_ahead(shapes);
    const uint64_t room = o->max_memory > ahead ? o->max_memory - ahead : 0;
    size_t block =
        request->images < PLAN_BLOCK_IMAGES ? (size_t)request->images : (size_t)PLAN_BLOCK_IMAGES;
    while (block > 1 && run_memory(pub, PARTY_SERVER, request->plain, block) > room)
        block = (block + 1) / 2;
    return block;
}

static mp2ml_status send_plan(const struct session *s, const struct plan_public *pub, size_t block)
{
    struct writer w;
    writer_init(&w);
    writer_u32(&w, (uint32_t)block);
    mp2ml_status status = plan_public_write(&w, pub);
    if (status == MP2ML_OK)
        status = writer_done(&w);
    if (status == MP2ML_OK)
        status = frame_send(s->link, FRAME_ACCEPT, 0, w.data, w.size);
    writer_wipe(&w);
    return status;
}

/* Layout and engine of every step for this request. */
static mp2ml_status choose_plan(struct plan_public *chosen, const struct session *s,
                                const struct mp2ml_model *model, const struct request *request)
{
    struct plan_situation situation = model->situation;
    struct plan agreed = plan_view(model->plan, &model->plan->pub);
    agreed.pub.k_ss = s->k_ss;
    if (!model->network_given)
        situation.network = s->measured.network;
    situation.client_speed = s->measured.client_speed;
    situation.images = request->images;
    situation.block = request->images < PLAN_BLOCK_IMAGES ? request->images : PLAN_BLOCK_IMAGES;
    situation.plain = request->plain;
    return plan_choose(chosen, &agreed, &situation);
}

/* Chooses a plan for a request of a new shape and tells the client. *pub is taken or freed. */
static mp2ml_status accept_shape(struct shape **out, struct shapes *shapes, struct session *s,
                                 const struct mp2ml_model *model, const struct mp2ml_options *o,
                                 const struct request *request, struct plan_public *pub)
{
    size_t block = choose_block(pub, shapes, o, request);
    if (run_memory(pub, PARTY_SERVER, request->plain, block) > o->max_memory) {
        plan_public_wipe(pub);
        free(pub);
        return MP2ML_ERR_PLAN;
    }
    *out = shapes_add(shapes, request, pub, block);
    TRY(shapes_run(shapes, *out, s, model->plan, o->max_memory));
    return send_plan(s, pub, block);
}

static mp2ml_status new_shape(struct shape **out, struct shapes *shapes, struct session *s,
                              const struct mp2ml_model *model, const struct mp2ml_options *o,
                              const struct request *request)
{
    struct plan_public *pub = calloc(1, sizeof(*pub));
    if (!pub)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = choose_plan(pub, s, model, request);
    if (status == MP2ML_OK)
        return accept_shape(out, shapes, s, model, o, request, pub);
    free(pub);
    return status;
}

/* The shape of the request, old or new, and its run. */
static mp2ml_status find_shape(struct shape **out, struct shapes *shapes, struct session *s,
                               const struct mp2ml_model *model, const struct mp2ml_options *o,
                               const struct request *request)
{
    if (!request->again)
        return new_shape(out, shapes, s, model, o, request);
    *out = shapes_find(shapes, request);
    if (!*out) /* the client has sent more already, for a plan that it does not have */
        return MP2ML_ERR_PROTOCOL;
    return shapes_run(shapes, *out, s, model->plan, o->max_memory);
}

/* The client names the next item, of which both parties know the number, or none. */
static mp2ml_status use_item(struct shapes *shapes, struct shape *shape,
                             const struct request *request, uint64_t *idle)
{
    shape->run->ahead = NULL;
    if (request->item == 0) {
        *idle += prepare_idle_use(shapes, shape);
        return MP2ML_OK;
    }
    if (!request->again || shapes_items(shape) == 0 || shapes_item(shape) != request->item)
        return MP2ML_ERR_PROTOCOL;
    shapes_use(shapes, shape);
    return MP2ML_OK;
}

static mp2ml_status serve_request(struct session *s, struct shapes *shapes,
                                  const struct mp2ml_model *model, const struct mp2ml_options *o,
                                  const struct request *request, uint64_t *idle)
{
    struct shape *shape = NULL;
    if (!request->again || request->item > 0 || shapes_find(shapes, request) != shapes->last)
        prepare_idle_drop(shapes); /* before this request needs memory, or the shape's place */
    TRY(find_shape(&shape, shapes, s, model, o, request));
    TRY(use_item(shapes, shape, request, idle));
    for (uint64_t done = 0; done < request->images; done += shape->block) {
        uint64_t left = request->images - done;
        TRY(run_block(shape->run, left < shape->block ? (size_t)left : shape->block, NULL, NULL));
    }
    run_forget(shape->run);
    shapes_used(shape);
    prepare_idle_drop(shapes);
    shapes->last = shape;
    return MP2ML_OK;
}

static mp2ml_status serve_prepare(struct session *s, struct shapes *shapes,
                                  const struct mp2ml_model *model, const struct mp2ml_options *o,
                                  const struct request *request, uint64_t *prepared)
{
    struct shape *shape = NULL;
    prepare_idle_drop(shapes);
    TRY(find_shape(&shape, shapes, s, model, o, request));
    const size_t more = prepare_grant(shapes, shape, request, o);
    TRY(prepare_answer_send(s->link, more, request->precompute));
    TRY(prepare_make(shapes, shape, s, model->plan, more, request->precompute, o->max_memory));
    *prepared += more;
    return MP2ML_OK;
}

/* One REQUEST or PREPARE and all that follows; *gone when the client left instead. */
static mp2ml_status serve_next(bool *gone, struct session *s, struct shapes *shapes,
                               const struct mp2ml_model *model, const struct mp2ml_options *o,
                               struct serve_counts *counts)
{
    const struct plan_public *pub = &model->plan->pub;
    struct request request;
    enum refusal refusal;
    TRY(prepare_idle(shapes, s, o->max_memory));
    mp2ml_status status =
        request_recv(s->link, &request, pub->inputs, pub->n_inputs, o->max_batch, &refusal);
    *gone = status == MP2ML_ERR_CLOSED;
    TRY(status);
    if (refusal && request.again) /* nothing like it was ever accepted */
        return MP2ML_ERR_PROTOCOL;
    if (refusal)
        return send_refusal(s->link, refusal);
    if (request.prepare)
        return serve_prepare(s, shapes, model, o, &request, &counts->prepared);
    TRY(serve_request(s, shapes, model, o, &request, &counts->idle));
    counts->images += request.images;
    counts->plain_requests += request.plain != 0;
    return MP2ML_OK;
}

mp2ml_status serve_requests(struct session *s, const struct mp2ml_model *model,
                            const struct mp2ml_options *o, struct serve_counts *counts)
{
    struct shapes shapes = {0};
    mp2ml_status status;
    bool gone;
    do
        status = serve_next(&gone, s, &shapes, model, o, counts);
    while (status == MP2ML_OK);
    shapes_wipe(&shapes);
    return gone ? MP2ML_OK : status;
}

mp2ml_status serve_connection(struct channel *channel, const struct mp2ml_model *model,
                              const struct mp2ml_options *options, struct serve_counts *counts)
{
    struct link *link = NULL;
    struct session *s = NULL;
    TRY(link_new(&link, channel));
    mp2ml_status status = session_new(&s, PARTY_SERVER, link);
    channel_set_deadline(channel, (int)options->timeout_s * 1000);
    if (status == MP2ML_OK)
        status = handshake_server(s, model, options->model_name);
    channel_set_deadline(channel, 0);
    if (status == MP2ML_OK)
        status = serve_requests(s, model, options, counts);
    if (status != MP2ML_OK)
        link_abort(link);
    session_free(s);
    link_free(link);
    return status;
}

/* ---- workers ------------------------------------------------------------------------------- */

static mp2ml_status greet(struct worker *w, mp2ml_error *err)
{
    channel_set_timeout(w->channel, (int)w->server->options.timeout_s * 1000);
    if (w->server->tls)
        return tls_accept(w->channel, w->server->tls, err);
    if (!channel_is_loopback(w->channel) && !w->server->options.insecure)
        return status_fail(err, MP2ML_ERR_TLS, "refused a client without TLS");
    return MP2ML_OK;
}

/* A connection without memory for a trace goes without one. */
static struct trace *start_trace(struct worker *w)
{
    struct trace *trace = NULL;
    if (w->server->trace_file && trace_new(&trace) == MP2ML_OK)
        channel_set_trace(w->channel, trace);
    return trace;
}

static void end_trace(struct worker *w, struct trace *trace, const struct log *log)
{
    mp2ml_error err = {MP2ML_OK, ""};
    if (!trace)
        return;
    pthread_mutex_lock(&w->server->lock);
    mp2ml_status status = trace_file_add(w->server->trace_file, trace, w->number, &err);
    pthread_mutex_unlock(&w->server->lock);
    if (status != MP2ML_OK)
        log_line(log, "client %llu: %s", (unsigned long long)w->number, err.text);
    channel_set_trace(w->channel, NULL);
    trace_free(trace);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct mp2ml_server *server = w->server;
    const struct log log = {server_log, server};
    struct mp2ml_options options = server->options;
    options.model_name = server->model_name;
    mp2ml_error err = {MP2ML_OK, ""};
    struct serve_counts counts = {0};
    double started = session_seconds();
#ifdef _OPENMP
    omp_set_num_threads((int)options_threads(&options, channel_is_loopback(w->channel)));
#endif
    log_line(&log, "client %llu from %s: connected%s", (unsigned long long)w->number, w->peer,
             server->tls ? " by TLS" : " without TLS");
    struct trace *trace = start_trace(w);
    mp2ml_status status = greet(w, &err);
    if (status == MP2ML_OK)
        status = serve_connection(w->channel, server->model, &options, &counts);
    end_trace(w, trace, &log);
    struct channel_stats stats = channel_stats(w->channel);
    if (counts.plain_requests > 0)
        log_line(&log, "client %llu: sent inputs in the clear in %llu requests, as it asked",
                 (unsigned long long)w->number, (unsigned long long)counts.plain_requests);
    if (counts.prepared > 0)
        log_line(&log, "client %llu: %llu requests prepared", (unsigned long long)w->number,
                 (unsigned long long)counts.prepared);
    if (counts.idle > 0)
        log_line(&log, "client %llu: %llu requests met work done while waiting for them",
                 (unsigned long long)w->number, (unsigned long long)counts.idle);
    log_line(&log, "client %llu: %s; %llu images, %.2f s, %llu bytes in, %llu bytes out",
             (unsigned long long)w->number, status == MP2ML_OK ? "done" : mp2ml_status_text(status),
             (unsigned long long)counts.images, session_seconds() - started,
             (unsigned long long)stats.bytes_received, (unsigned long long)stats.bytes_sent);
    atomic_fetch_add(&server->images, counts.images);
    pthread_mutex_lock(&server->lock);
    channel_free(w->channel);
    w->channel = NULL;
    pthread_mutex_unlock(&server->lock);
    atomic_store(&w->ended, true);
    return NULL;
}

/* A free slot, or NULL when as many clients as allowed are served. Joins threads that ended. */
static struct worker *free_slot(struct mp2ml_server *server)
{
    struct worker *found = NULL;
    for (unsigned i = 0; i < server->options.max_clients; i++) {
        struct worker *w = &server->workers[i];
        if (w->used && atomic_load(&w->ended)) {
            pthread_join(w->thread, NULL);
            w->used = false;
        }
        if (!w->used)
            found = w;
    }
    return found;
}

/* Too many clients: say so and go on. The client waits for HELLO_S and sees REFUSE instead. */
static void turn_away(struct channel *channel)
{
    struct link *link = NULL;
    channel_set_deadline(channel, 1000);
    if (link_new(&link, channel) == MP2ML_OK)
        (void)!send_refusal(link, REFUSE_BUSY);
    link_free(link);
    channel_free(channel);
}

static void start_worker(struct mp2ml_server *server, struct channel *channel, const char *peer,
                         uint64_t number)
{
    const struct log log = {server_log, server};
    struct worker *w = free_slot(server);
    if (!w) {
        log_line(&log, "client %llu from %s: turned away, %u clients are served already",
                 (unsigned long long)number, peer, server->options.max_clients);
        if (server->tls)
            channel_free(channel);
        else
            turn_away(channel);
        return;
    }
    w->server = server;
    w->channel = channel;
    w->number = number;
    snprintf(w->peer, sizeof(w->peer), "%s", peer);
    atomic_store(&w->ended, false);
    if (pthread_create(&w->thread, NULL, work, w) != 0) {
        log_line(&log, "client %llu from %s: no thread for it", (unsigned long long)number, peer);
        channel_free(channel);
        w->channel = NULL;
        return;
    }
    w->used = true;
}

static void stop_workers(struct mp2ml_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < server->options.max_clients; i++)
        if (server->workers[i].used && server->workers[i].channel)
            channel_cancel(server->workers[i].channel);
    pthread_mutex_unlock(&server->lock);
    for (unsigned i = 0; i < server->options.max_clients; i++)
        if (server->workers[i].used) {
            pthread_join(server->workers[i].thread, NULL);
            server->workers[i].used = false;
        }
}

mp2ml_status mp2ml_server_run(mp2ml_server *server, mp2ml_error *error)
{
    mp2ml_status status = MP2ML_OK;
    for (uint64_t number = 1; !atomic_load(&server->stopping); number++) {
        struct channel *channel = NULL;
        char peer[64];
        status = listener_accept(server->listener, &channel, peer);
        if (status != MP2ML_OK)
            break;
        start_worker(server, channel, peer, number);
    }
    stop_workers(server);
    if (status == MP2ML_OK || status == MP2ML_ERR_CANCELLED)
        return MP2ML_OK;
    return status_fail(error, status, "listening: %s", mp2ml_status_text(status));
}

/* ---- life ---------------------------------------------------------------------------------- */

static mp2ml_status load_tls(struct mp2ml_server *server, const struct mp2ml_options *o,
                             mp2ml_error *err)
{
    if (!o->tls_cert && !o->tls_key)
        return MP2ML_OK;
    if (!o->tls_cert || !o->tls_key)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "TLS needs a certificate and a key");
    TRY(tls_server_new(&server->tls, o->tls_cert, o->tls_key, err));
    tls_server_pin(server->tls, server->pin);
    return MP2ML_OK;
}

static mp2ml_status open_server(struct mp2ml_server *server, const struct mp2ml_options *o,
                                mp2ml_error *err)
{
    const char *address = o->listen ? o->listen : "127.0.0.1";
    server->options = options_numbers(o);
    server->workers = calloc(o->max_clients, sizeof(*server->workers));
    if (o->model_name)
        server->model_name = strdup(o->model_name);
    if (!server->workers || (o->model_name && !server->model_name))
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    TRY(secret_init());
    if (o->trace)
        TRY(trace_file_new(&server->trace_file, o->trace, "server", err));
    TRY(load_tls(server, o, err));
    TRY(listener_new(&server->listener, address, o->port, err));
    if (!listener_is_loopback(server->listener) && !server->tls && !o->insecure)
        return status_fail(err, MP2ML_ERR_TLS,
                           "%s is not a loopback address: give --tls CERT KEY, or allow "
                           "--insecure-transport",
                           address);
    return MP2ML_OK;
}

mp2ml_status mp2ml_server_new(mp2ml_server **out, const mp2ml_model *model,
                              const mp2ml_options *options, mp2ml_error *error)
{
    *out = NULL;
    struct mp2ml_options defaults;
    options_init(&defaults);
    struct mp2ml_server *server = calloc(1, sizeof(*server));
    if (!server)
        return status_fail(error, MP2ML_ERR_MEMORY, "out of memory");
    pthread_mutex_init(&server->lock, NULL);
    server->model = model;
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = open_server(server, options ? options : &defaults, &own);
    if (status != MP2ML_OK) {
        mp2ml_server_free(server);
        return status_fail(error, status, "%s", own.text[0] ? own.text : mp2ml_status_text(status));
    }
    *out = server;
    return MP2ML_OK;
}

void mp2ml_server_set_log(mp2ml_server *server, mp2ml_log_fn log, void *context)
{
    server->log_fn = log;
    server->log_context = context;
}

uint16_t mp2ml_server_port(const mp2ml_server *server)
{
    return listener_port(server->listener);
}

const char *mp2ml_server_pin(const mp2ml_server *server)
{
    return server->pin;
}

void mp2ml_server_stop(mp2ml_server *server)
{
    atomic_store(&server->stopping, true);
    listener_stop(server->listener);
}

uint64_t mp2ml_server_images(const mp2ml_server *server)
{
    return atomic_load(&server->images);
}

void mp2ml_server_free(mp2ml_server *server)
{
    if (!server)
        return;
    if (server->workers)
        stop_workers(server);
    listener_free(server->listener);
    tls_server_free(server->tls);
    pthread_mutex_destroy(&server->lock);
    trace_file_free(server->trace_file);
    free(server->workers);
    free(server->model_name);
    free(server);
}
