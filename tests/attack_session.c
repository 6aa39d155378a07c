/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "attack_session.h"
#include "graphdef_writer.h"

/* ---- the model ------------------------------------------------------------------------------ */

static void write_model(struct gd_writer *w)
{
    static const int64_t one[4] = {1, 1, 1, 1}, two[4] = {1, 2, 2, 1};
    static const int32_t flat[2] = {-1, 8};
    float v[64];
    for (int i = 0; i < 64; i++)
        v[i] = (float)(i * 37 % 19 - 9) / 8;
    gd_input(w, "x", (const int64_t[]){-1, 4, 4, 1}, 4);
    gd_floats(w, "kernel", v, (const int64_t[]){3, 3, 1, 2}, 4);
    gd_node(w, "conv", "Conv2D", "x kernel");
    gd_attr_list(w, "strides", one, 4);
    gd_attr_text(w, "padding", "SAME");
    gd_node(w, "relu", "Relu", "conv");
    gd_node(w, "pool", "MaxPool", "relu");
    gd_attr_list(w, "ksize", two, 4);
    gd_attr_list(w, "strides", two, 4);
    gd_attr_text(w, "padding", "VALID");
    gd_int_list(w, "shape", flat, 2);
    gd_node(w, "flat", "Reshape", "pool shape");
    gd_floats(w, "weights", v + 7, (const int64_t[]){8, 3}, 2);
    gd_node(w, "y", "MatMul", "flat weights");
    gd_finish(w);
}

mp2ml_model *attack_model(const char *reveal)
{
    return attack_model_in("batch", reveal);
}

mp2ml_model *attack_model_in(const char *layout, const char *reveal)
{
    struct gd_writer w = {0};
    mp2ml_model *model = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = mp2ml_options_new();
    write_model(&w);
    if (mp2ml_options_set(o, "reveal", reveal, &err) != MP2ML_OK ||
        mp2ml_options_set(o, "bits", "13", &err) != MP2ML_OK ||
        mp2ml_options_set(o, "layout", layout, &err) != MP2ML_OK ||
        mp2ml_options_set(o, "nonlinear", "gmw", &err) != MP2ML_OK ||
        mp2ml_model_parse(&model, w.file.data, w.file.size, "attack", o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    mp2ml_options_free(o);
    gd_wipe(&w);
    return model;
}

/* ---- sides ---------------------------------------------------------------------------------- */

struct job {
    struct attack *attack;
    struct channel *channel;
    const float *const *inputs;
    float *const *outputs;
};

static void one_thread(void)
{
#ifdef _OPENMP
    omp_set_num_threads(1);
#endif
}

static mp2ml_status bare_half(struct job *job, enum party party)
{
    struct attack *a = job->attack;
    const struct plan *plan = a->model->plan;
    struct link *link = NULL;
    struct session *s = NULL;
    struct run *run = NULL;
    struct hello *hello = calloc(1, sizeof *hello);
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status = MP2ML_ERR_MEMORY;
    assert_non_null(hello);
    TRY_OUT(link_new(&link, job->channel));
    TRY_OUT(session_new(&s, party, link));
    if (party == PARTY_SERVER && a->seed != NULL) {
        prg_free(s->prg);
        s->prg = NULL;
        TRY_OUT(prg_new_seeded(&s->prg, a->seed));
    }
    TRY_OUT(party == PARTY_CLIENT ? handshake_client(s, NULL, 0, hello, &err)
                                  : handshake_server(s, a->model, NULL));
    if (a->only_handshake)
        goto out;
    if (a->skip_check)
        ot_test_skip_check(s->ot);
    TRY_OUT(run_new(&run, party, link, s->mpc, s->prg, &s->keys, &plan->pub,
                    party == PARTY_CLIENT ? NULL : plan, a->plain, a->images));
    for (size_t i = 0; i < a->requests && status == MP2ML_OK; i++) {
        if (a->reset_counters)
            memset(s->keys.c1_counter, 0, sizeof s->keys.c1_counter);
        status = run_block(run, a->images, job->inputs, job->outputs);
    }
out:
    if (status != MP2ML_OK && link != NULL)
        link_abort(link);
    run_free(run);
    session_free(s);
    link_free(link);
    class_names_wipe(&hello->classes);
    free(hello);
    return status;
}

static bool is_bare(const struct attack *a)
{
    return a->skip_check || a->only_handshake || a->reset_counters || a->seed != NULL;
}

static void *serve(void *argument)
{
    struct job *job = argument;
    struct attack *a = job->attack;
    struct mp2ml_options options;
    struct serve_counts counts = {0};
    options_init(&options);
    one_thread();
    a->status[PARTY_SERVER] = is_bare(a)
                                  ? bare_half(job, PARTY_SERVER)
                                  : serve_connection(job->channel, a->model, &options, &counts);
    channel_free(job->channel);
    options_wipe(&options);
    return NULL;
}

static mp2ml_status ask(struct job *job)
{
    struct attack *a = job->attack;
    struct mp2ml_options options;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    options_init(&options);
    options.threads = 1;
    mp2ml_status status = client_over_channel(&client, job->channel, &options, &err);
    options_wipe(&options);
    TRY(status);
    status = mp2ml_client_set_plain(client, 0, a->plain, &err);
    for (size_t i = 0; i < a->requests && status == MP2ML_OK; i++) {
        status = mp2ml_client_predict(client, a->images, job->inputs, job->outputs, &err);
        if (status != MP2ML_OK) {
            for (size_t o = 0; status != MP2ML_ERR_REFUSED && o < a->images; o++)
                assert_true(a->out[o] >= 0 && a->out[o] <= 0); /* nothing half done */
            assert_true(err.text[0] != '\0');
            if (status == MP2ML_ERR_REFUSED)
                continue;
            assert_null(client->session); /* keys and pools are gone, and stay so */
            assert_int_equal(
                mp2ml_client_predict(client, a->images, job->inputs, job->outputs, &err),
                MP2ML_ERR_FAILED);
        }
    }
    mp2ml_client_free(client);
    return status;
}

void attack_run(struct attack *a)
{
    struct relay relay;
    pthread_t server;
    float x[8 * ATTACK_INPUTS];
    const float *inputs[1] = {x};
    float *outputs[1] = {a->out};
    a->images = a->images == 0 ? 1 : a->images;
    a->requests = a->requests == 0 ? 1 : a->requests;
    assert_true(a->images <= 8);
    for (size_t i = 0; i < 8 * (size_t)ATTACK_INPUTS; i++)
        x[i] = a->fill;
    one_thread();
    relay_start(&relay, a->fn, a->context);
    struct job job[2] = {{a, relay.end[0], NULL, NULL}, {a, relay.end[1], inputs, outputs}};
    assert_int_equal(pthread_create(&server, NULL, serve, &job[0]), 0);
    if (is_bare(a)) {
        a->status[PARTY_CLIENT] = bare_half(&job[1], PARTY_CLIENT);
        channel_free(relay.end[1]);
    } else {
        a->status[PARTY_CLIENT] = ask(&job[1]);
    }
    pthread_join(server, NULL);
    relay_join(&relay);
    memcpy(a->seen, relay.seen, sizeof a->seen);
}

/* ---- verdicts ------------------------------------------------------------------------------- */

static bool is_refusal(const struct attack *a)
{
    return a->status[PARTY_CLIENT] == MP2ML_ERR_REFUSED;
}

/* What a party may report: that the peer broke the protocol, aborted, refused, or was gone in the
 * middle of a frame. */
static bool is_plain_failure(const struct attack *a, enum party party)
{
    const mp2ml_status status = a->status[party];
    return status == MP2ML_ERR_PROTOCOL || status == MP2ML_ERR_ABORTED ||
           status == MP2ML_ERR_REFUSED || (status == MP2ML_ERR_CLOSED && a->seen[1 - party].cut);
}

bool attack_caught(const struct attack *a)
{
    const bool malformed = a->seen[0].malformed || a->seen[1].malformed;
    if (is_refusal(a)) /* the server may go on afterwards: the client leaves */
        return !malformed &&
               (a->status[PARTY_SERVER] == MP2ML_OK || is_plain_failure(a, PARTY_SERVER));
    const bool noticed = a->status[0] == MP2ML_ERR_PROTOCOL || a->status[1] == MP2ML_ERR_PROTOCOL;
    const bool told = a->seen[0].aborted || a->seen[1].aborted || a->seen[0].cut || a->seen[1].cut;
    return is_plain_failure(a, PARTY_SERVER) && is_plain_failure(a, PARTY_CLIENT) && noticed &&
           told && !malformed;
}

bool attack_changed(const struct attack *a, const struct attack *clean)
{
    const double noise = 4 * mp2ml_model_expected_error(a->model, 0);
    for (size_t o = 0; o < a->images * ATTACK_OUTPUTS; o++)
        if (fabs((double)a->out[o] - (double)clean->out[o]) > noise)
            return true;
    return false;
}

static void report(const struct attack *a, const char *what)
{
    fail_msg("%s: server %s%s, client %s%s", what, mp2ml_status_name(a->status[0]),
             a->seen[0].aborted ? " (told)" : "", mp2ml_status_name(a->status[1]),
             a->seen[1].aborted ? " (told)" : "");
}

void attack_was_caught(const struct attack *a, const char *what)
{
    if (!attack_caught(a))
        report(a, what);
}

void attack_was_not_seen(const struct attack *a, const char *what)
{
    if (a->status[0] != MP2ML_OK || a->status[1] != MP2ML_OK)
        report(a, what);
}

/* ---- edits ---------------------------------------------------------------------------------- */

void attack_edit(void *context, struct relay *r, enum party from, const struct relay_piece *piece)
{
    struct edit *e = context;
    if (from != e->from || piece->type != e->type) {
        relay_pass(r, from, piece->bytes, piece->size);
        return;
    }
    if (piece->offset == 0)
        e->inside = e->seen++ == e->number;
    if (e->inside) {
        e->done = true;
        e->fn(e, r, piece);
    } else {
        relay_pass(r, from, piece->bytes, piece->size);
    }
}

uint8_t *piece_byte(const struct relay_piece *piece, size_t at)
{
    return at >= piece->offset && at - piece->offset < piece->size
               ? piece->bytes + (at - piece->offset)
               : NULL;
}

void edit_flip(struct edit *e, struct relay *r, const struct relay_piece *piece)
{
    const size_t length = piece->whole - FRAME_HEADER_BYTES;
    uint8_t *byte = length > 0 ? piece_byte(piece, FRAME_HEADER_BYTES + e->at % length) : NULL;
    if (byte != NULL)
        *byte ^= e->mask;
    relay_pass(r, e->from, piece->bytes, piece->size);
}
