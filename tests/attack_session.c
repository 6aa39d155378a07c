/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "attack_session.h"
#include "base/bytes.h"
#include "graphdef_writer.h"
#include "plan/choose.h"

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

mp2ml_model *attack_model(enum attack_form form, const char *reveal)
{
    return form == ATTACK_GMW ? attack_model_in("batch", "gmw", reveal)
                              : attack_model_in("image", "yao", reveal);
}

mp2ml_model *attack_model_in(const char *layout, const char *engine, const char *reveal)
{
    struct gd_writer w = {0};
    mp2ml_model *model = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = mp2ml_options_new();
    write_model(&w);
    if (mp2ml_options_set(o, "reveal", reveal, &err) != MP2ML_OK ||
        mp2ml_options_set(o, "bits", "13", &err) != MP2ML_OK ||
        mp2ml_options_set(o, "layout", layout, &err) != MP2ML_OK ||
        mp2ml_options_set(o, "nonlinear", engine, &err) != MP2ML_OK ||
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

/* As the server chooses for these images: the options leave nothing open, so both halves agree. */
static mp2ml_status bare_plan(struct plan_public *chosen, const struct attack *a)
{
    struct plan_situation situation = a->model->situation;
    situation.images = situation.block = a->images;
    return plan_choose(chosen, a->model->plan, &situation);
}

static mp2ml_status bare_half(struct job *job, enum party party)
{
    struct attack *a = job->attack;
    struct plan_public chosen = {0};
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
    TRY_OUT(bare_plan(&chosen, a));
    TRY_OUT(run_new(&run, party, link, s->mpc, s->prg, &s->keys, &chosen,
                    party == PARTY_CLIENT ? NULL : a->model->plan, a->plain, a->images));
    for (size_t i = 0; i < a->requests && status == MP2ML_OK; i++) {
        if (a->reset_counters)
            memset(s->keys.c1_counter, 0, sizeof s->keys.c1_counter);
        status = run_block(run, a->images, job->inputs, job->outputs);
    }
out:
    if (status != MP2ML_OK && link != NULL)
        link_abort(link);
    run_free(run);
    plan_public_wipe(&chosen);
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

/* Keys and pools are gone, and stay so. */
static void stays_failed(mp2ml_client *client, const struct job *job)
{
    mp2ml_error err = {MP2ML_OK, ""};
    assert_null(client->session);
    assert_int_equal(
        mp2ml_client_predict(client, job->attack->images, job->inputs, job->outputs, &err),
        MP2ML_ERR_FAILED);
}

static mp2ml_status prepare(mp2ml_client *client, const struct job *job)
{
    const struct attack *a = job->attack;
    mp2ml_error err = {MP2ML_OK, ""};
    size_t made;
    mp2ml_status status = mp2ml_client_prepare(client, a->ahead, a->images, &made, &err);
    if (status != MP2ML_OK && status != MP2ML_ERR_REFUSED)
        stays_failed(client, job);
    return status;
}

static mp2ml_status ask(struct job *job)
{
    struct attack *a = job->attack;
    struct mp2ml_options options;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    options_init(&options);
    options.threads = 1;
    options.precompute = true;
    options.timeout_s = (unsigned)a->timeout_s;
    mp2ml_status status = client_over_channel(&client, job->channel, &options, &err);
    options_wipe(&options);
    TRY(status);
    status = mp2ml_client_set_plain(client, 0, a->plain, &err);
    if (status == MP2ML_OK && a->ahead > 0)
        status = prepare(client, job);
    for (size_t i = 0; i < a->requests && status == MP2ML_OK; i++) {
        status = mp2ml_client_predict(client, a->images, job->inputs, job->outputs, &err);
        if (status != MP2ML_OK) {
            for (size_t o = 0; status != MP2ML_ERR_REFUSED && o < a->images; o++)
                assert_true(a->out[o] >= 0 && a->out[o] <= 0); /* nothing half done */
            assert_true(err.text[0] != '\0');
            if (status == MP2ML_ERR_REFUSED)
                continue;
            stays_failed(client, job);
        }
    }
    mp2ml_client_free(client);
    return status;
}

void attack_run(struct attack *a)
{
    struct relay relay;
    pthread_t server;
    float x[ATTACK_IMAGES * ATTACK_INPUTS];
    const float *inputs[1] = {x};
    float *outputs[1] = {a->out};
    a->images = a->images == 0 ? 1 : a->images;
    a->requests = a->requests == 0 ? 1 : a->requests;
    a->timeout_s = a->timeout_s == 0 ? 60 : a->timeout_s;
    assert_true(a->images <= ATTACK_IMAGES);
    for (size_t i = 0; i < ATTACK_IMAGES * (size_t)ATTACK_INPUTS; i++)
        x[i] = a->fill;
    one_thread();
    relay_start(&relay, a->fn, a->context);
    for (unsigned p = 0; p < 2; p++)
        channel_set_timeout(relay.end[p], a->timeout_s * 1000);
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

void edit_flip_end(struct edit *e, struct relay *r, const struct relay_piece *piece)
{
    uint8_t *byte = piece_byte(piece, piece->whole - 1 - e->at);
    assert_true(e->at + FRAME_HEADER_BYTES < piece->whole);
    if (byte != NULL)
        *byte ^= e->mask;
    relay_pass(r, e->from, piece->bytes, piece->size);
}

void edit_write(struct edit *e, struct relay *r, const struct relay_piece *piece)
{
    const size_t at = e->at == SIZE_MAX ? piece->whole - e->other_size : FRAME_HEADER_BYTES + e->at;
    for (size_t i = 0; i < e->other_size; i++) {
        uint8_t *byte = piece_byte(piece, at + i);
        if (byte != NULL)
            *byte = e->other[i];
    }
    relay_pass(r, e->from, piece->bytes, piece->size);
}

void edit_length(struct edit *e, struct relay *r, const struct relay_piece *piece)
{
    const size_t length = piece->whole - FRAME_HEADER_BYTES;
    const bool last = piece->offset + piece->size == piece->whole, longer = e->mask != 0;
    if (piece->offset == 0)
        store_u64(piece->bytes + 8, longer ? length + 1 : length - 1);
    relay_pass(r, e->from, piece->bytes, piece->size - (!longer && last));
    if (longer && last)
        relay_pass(r, e->from, (const uint8_t[1]){0}, 1);
}

const char *edit_name(char text[96], const struct edit *e)
{
    static const struct {
        int code;
        const char *name;
    } types[] = {
#define ROW(name, code, what) {(code), #name},
        FRAME_TYPE_MAP(ROW)
#undef ROW
    };
    const char *name = "?";
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == (int)e->type)
            name = types[i].name;
    (void)snprintf(text, 96, "%s %u of the %s, byte %zu, mask %02x", name, e->number,
                   e->from == PARTY_CLIENT ? "client" : "server", e->at, e->mask);
    return text;
}

void attack_edited(struct attack *a, struct edit *e)
{
    a->fn = attack_edit;
    a->context = e;
    e->seen = 0;
    e->inside = e->done = false;
    attack_run(a);
    if (!e->done) {
        char text[96];
        fail_msg("never met: %s", edit_name(text, e));
    }
}
