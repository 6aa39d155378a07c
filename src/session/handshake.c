/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake and the request, both halves of every message next to each other (docs/protocol.md,
 * "Session and wire"). Neither party chooses a or c1: both come from H0, a hash over both nonces.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

#define CLIENT_SETS (1u << CKKS_S1 | 1u << CKKS_S2)
#define NEAR_SECONDS 150e-6 /* a round trip on this machine takes less */
#define FAR_SECONDS 2e-3    /* one that is worth more than idle caches */
#define FAST_LINK 1e10      /* bits a second that only memory moves, or so it seems */

mp2ml_status session_new(struct session **out, enum party party, struct link *link)
{
    *out = NULL;
    TRY(secret_init());
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return MP2ML_ERR_MEMORY;
    s->party = party;
    s->link = link;
    mp2ml_status status = prg_new(&s->prg);
    if (status != MP2ML_OK) {
        session_free(s);
        return status;
    }
    *out = s;
    return MP2ML_OK;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    mpc_free(s->mpc);
    ot_free(s->ot);
    for (unsigned i = 0; i < STEPS_SETS; i++) {
        ckks_secret_free(s->keys.secret[i]);
        ckks_public_key_free(s->keys.pk[i]);
        xof_free(s->keys.c1_stream[i]);
        ckks_free(s->keys.ckks[i]);
    }
    prg_free(s->prg);
    secret_wipe(s, sizeof(*s));
    free(s);
}

/* ---- refusals ------------------------------------------------------------------------------ */

mp2ml_status send_refusal(struct link *link, enum refusal code)
{
    uint8_t body = (uint8_t)code;
    TRY(frame_send(link, FRAME_REFUSE, 0, &body, 1));
    return channel_flush(link_channel(link));
}

mp2ml_status read_refusal(const uint8_t *body, size_t length, mp2ml_error *err)
{
    static const char *const reasons[] = {
        [REFUSE_VERSION] = "the server speaks another version of the protocol",
        [REFUSE_MODEL] = "the server has no model of that name (--model-name)",
        [REFUSE_OFFER] = "server and client have no parameters in common",
        [REFUSE_BUSY] = "the server has as many clients as it allows; try again later",
        [REFUSE_REQUEST] = "the inputs' names or forms do not fit the model",
        [REFUSE_IMAGES] = "more images in one request than the server allows",
    };
    if (length != 1)
        return status_fail(err, MP2ML_ERR_PROTOCOL, "malformed refusal");
    bool known = body[0] > 0 && body[0] < sizeof(reasons) / sizeof(reasons[0]);
    return status_fail(err, MP2ML_ERR_REFUSED, "refused: %s",
                       known ? reasons[body[0]] : "for a reason that this version does not know");
}

/* ---- HELLO --------------------------------------------------------------------------------- */

static mp2ml_status send_written(struct link *link, enum frame_type type, struct writer *w)
{
    mp2ml_status status = writer_done(w);
    if (status == MP2ML_OK)
        status = frame_send(link, type, 0, w->data, w->size);
    writer_wipe(w);
    return status;
}

static mp2ml_status write_nonce(struct writer *w, struct prg *g)
{
    uint8_t nonce[SESSION_NONCE_BYTES];
    TRY(prg_fill(g, nonce, sizeof(nonce)));
    writer_bytes(w, nonce, sizeof(nonce));
    return MP2ML_OK;
}

unsigned handshake_k_ss(const struct network *network)
{
    return network->rtt_s < NEAR_SECONDS && network->bits_per_second > 2e9 ? 4 : 8;
}

/* Before the rate is known: whoever is on this machine has a fast link. */
static unsigned server_k_ss(const struct session *s, const struct mp2ml_model *model)
{
    if (!model->k_ss_by_link)
        return model->plan->pub.k_ss;
    if (model->network_given)
        return handshake_k_ss(&model->situation.network);
    const struct network link = {s->measured.network.rtt_s,
                                 channel_is_loopback(link_channel(s->link)) ? INFINITY : 0};
    return handshake_k_ss(&link);
}

/*  offset size        HELLO_C
 *       0    2  version
 *       2    4  sets, bit i = set with id i
 *       6    2  k_ss accepted, bit i = k_ss of i
 *       8    4  round trip in microseconds, as connecting took
 *      12    4  time of this machine / time that the cost functions state, in thousandths
 *      16    .  model name, u16 length and bytes
 *       .   32  nonce */
static mp2ml_status hello_client_send(struct session *s, const char *model_name)
{
    struct writer w;
    writer_init(&w);
    writer_u16(&w, SESSION_VERSION);
    writer_u32(&w, CLIENT_SETS);
    writer_u16(&w, 1u << 2 | 1u << 4 | 1u << 8);
    writer_u32(&w, (uint32_t)fmin(1e6 * channel_connect_seconds(link_channel(s->link)), 1e9));
    writer_u32(&w, (uint32_t)(1e3 * probe_speed()));
    writer_string(&w, model_name ? model_name : "");
    mp2ml_status status = write_nonce(&w, s->prg);
    if (status != MP2ML_OK) {
        writer_wipe(&w);
        return status;
    }
    return send_written(s->link, FRAME_HELLO_C, &w);
}

static mp2ml_status hello_client_recv(struct session *s, const struct mp2ml_model *model,
                                      const char *model_name, enum refusal *refusal)
{
    uint8_t *body = NULL;
    size_t length = 0;
    enum frame_type got;
    char name[PLAN_MAX_NAME + 1];
    *refusal = 0;
    TRY(frame_recv_any(s->link, FRAME_HELLO_C, 0, SESSION_MAX_HELLO, &got, &body, &length));
    struct reader r = reader_init(body, length);
    uint16_t version = reader_u16(&r);
    uint32_t sets = reader_u32(&r);
    uint16_t k_ss = reader_u16(&r);
    const double round_trip = 1e-6 * reader_u32(&r), speed = 1e-3 * reader_u32(&r);
    reader_string(&r, name, PLAN_MAX_NAME);
    (void)reader_bytes(&r, SESSION_NONCE_BYTES);
    mp2ml_status status = reader_done(&r);
    free(body);
    if (length >= 2 && version != SESSION_VERSION) { /* the rest may look different */
        *refusal = REFUSE_VERSION;
        return MP2ML_OK;
    }
    TRY(status);
    /* What the client says of itself decides layouts, engines and how fast it is served. */
    s->measured.network.rtt_s = fmin(round_trip < NEAR_SECONDS ? 0 : round_trip, 60);
    s->measured.client_speed = fmin(fmax(speed, 0.05), 50);
    if (name[0] != '\0' && (!model_name || strcmp(name, model_name) != 0))
        *refusal = REFUSE_MODEL;
    else if ((model->sets & ~sets) != 0 || !(k_ss >> server_k_ss(s, model) & 1))
        *refusal = REFUSE_OFFER;
    return MP2ML_OK;
}

/*  offset size        HELLO_S
 *       0    2  version
 *       2    4  sets in use, bit i = set with id i
 *       6    1  k_ss
 *       7    1  policy
 *       8    .  inputs, outputs (plan_tensors_write)
 *       .    .  names of classes (class_names_write)
 *       .   32  nonce */
static mp2ml_status hello_server_send(struct session *s, const struct mp2ml_model *model)
{
    const struct plan_public *pub = &model->plan->pub;
    struct writer w;
    writer_init(&w);
    writer_u16(&w, SESSION_VERSION);
    writer_u32(&w, model->sets);
    s->k_ss = server_k_ss(s, model);
    writer_u8(&w, (uint8_t)s->k_ss);
    writer_u8(&w, (uint8_t)pub->policy);
    plan_tensors_write(&w, pub->inputs, pub->n_inputs);
    plan_tensors_write(&w, pub->outputs, pub->n_outputs);
    class_names_write(&w, &model->classes);
    mp2ml_status status = write_nonce(&w, s->prg);
    if (status != MP2ML_OK) {
        writer_wipe(&w);
        return status;
    }
    s->sets = model->sets;
    return send_written(s->link, FRAME_HELLO_S, &w);
}

static mp2ml_status hello_server_check(const struct session *s, const struct hello *hello,
                                       unsigned policy, mp2ml_error *err)
{
    if ((s->sets & ~CLIENT_SETS) != 0 || (s->k_ss != 2 && s->k_ss != 4 && s->k_ss != 8))
        return status_fail(err, MP2ML_ERR_PROTOCOL, "the server chose what was not offered");
    if (options_policy_name(hello->policy)[0] == '\0')
        return status_fail(err, MP2ML_ERR_PROTOCOL, "unknown output policy");
    if (policy != 0 && policy != (unsigned)hello->policy)
        return status_fail(err, MP2ML_ERR_REFUSED, "the server reveals %s, but %s was demanded",
                           options_policy_name(hello->policy), options_policy_name(policy));
    for (unsigned i = 0; i < hello->n_inputs + hello->n_outputs; i++) {
        const char *name =
            i < hello->n_inputs ? hello->inputs[i].name : hello->outputs[i - hello->n_inputs].name;
        if (!bytes_are_printable(name))
            return status_fail(err, MP2ML_ERR_PROTOCOL, "a tensor's name is not printable UTF-8");
    }
    for (unsigned i = 0; i < hello->n_inputs; i++)
        if (hello->inputs[i].count == 0)
            return status_fail(err, MP2ML_ERR_PROTOCOL, "an input without values");
    if (hello->n_inputs == 0 || hello->n_outputs == 0)
        return status_fail(err, MP2ML_ERR_PROTOCOL, "a model without inputs or outputs");
    return MP2ML_OK;
}

static mp2ml_status hello_server_recv(struct session *s, struct hello *hello, unsigned policy,
                                      mp2ml_error *err)
{
    uint8_t *body = NULL;
    size_t length = 0;
    enum frame_type got;
    TRY(frame_recv_any(s->link, FRAME_HELLO_S, FRAME_REFUSE, SESSION_MAX_HELLO, &got, &body,
                       &length));
    mp2ml_status status;
    if (got == FRAME_REFUSE) {
        status = read_refusal(body, length, err);
        goto out;
    }
    struct reader r = reader_init(body, length);
    if (reader_u16(&r) != SESSION_VERSION) {
        status = status_fail(err, MP2ML_ERR_PROTOCOL, "the server speaks another version");
        goto out;
    }
    s->sets = reader_u32(&r);
    s->k_ss = reader_u8(&r);
    hello->policy = (enum plan_policy)reader_u8(&r);
    TRY_OUT(plan_tensors_read(hello->inputs, &hello->n_inputs, &r));
    TRY_OUT(plan_tensors_read(hello->outputs, &hello->n_outputs, &r));
    TRY_OUT(class_names_parse(&hello->classes, &r));
    (void)reader_bytes(&r, SESSION_NONCE_BYTES);
    TRY_OUT(reader_done(&r));
    status = hello_server_check(s, hello, policy, err);
out:
    free(body);
    return status;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* H(label, client's frames, server's frames, exporter): the same at both parties. */
static mp2ml_status transcript_hash(const struct session *s, const char *label, uint8_t out[32])
{
    uint8_t sent[DIGEST_BYTES], received[DIGEST_BYTES], exporter[TLS_EXPORTER_BYTES];
    TRY(link_transcript_now(s->link, sent, received));
    TRY(tls_exporter(link_channel(s->link), exporter));
    bool client = s->party == PARTY_CLIENT;
    struct digest_part parts[3] = {{client ? sent : received, DIGEST_BYTES},
                                   {client ? received : sent, DIGEST_BYTES},
                                   {exporter, TLS_EXPORTER_BYTES}};
    return digest_parts(out, label, parts, 3);
}

static mp2ml_status make_rings(struct session *s, const uint8_t h0[32])
{
    for (unsigned set = 1; set < STEPS_SETS; set++)
        if (s->sets >> set & 1) {
            TRY(ckks_new(&s->keys.ckks[set], ckks_params(set)));
            TRY(ckks_c1_stream(&s->keys.c1_stream[set], s->keys.ckks[set], h0));
        }
    return MP2ML_OK;
}

static size_t public_keys_bytes(unsigned sets)
{
    size_t n = 0;
    for (unsigned set = 1; set < STEPS_SETS; set++)
        if (sets >> set & 1)
            n += ckks_public_key_bytes(ckks_params(set));
    return n;
}

/* PK: b of every set in use, by rising id. */
static mp2ml_status public_keys_send(struct session *s, const uint8_t h0[32])
{
    size_t length = public_keys_bytes(s->sets), at = 0;
    uint8_t *body = malloc(length + 1);
    if (!body)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = MP2ML_OK;
    for (unsigned set = 1; set < STEPS_SETS && status == MP2ML_OK; set++)
        if (s->sets >> set & 1) {
            status =
                ckks_secret_new(&s->keys.secret[set], s->keys.ckks[set], h0, s->prg, body + at);
            at += ckks_public_key_bytes(ckks_params(set));
        }
    if (status == MP2ML_OK)
        status = frame_send(s->link, FRAME_PK, 0, body, length);
    free(body);
    return status;
}

/* The keys are the longest frame of the set-up and leave at once, so they show the link's rate. */
static double rate_of(size_t bytes, double seconds)
{
    const double rate = 8 * (double)bytes / fmax(seconds, 1e-9);
    return rate < FAST_LINK ? rate : INFINITY;
}

static mp2ml_status public_keys_recv(struct session *s, const uint8_t h0[32])
{
    size_t length = public_keys_bytes(s->sets), at = 0;
    uint8_t *body = malloc(length + 1);
    if (!body)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = frame_recv_begin(s->link, FRAME_PK, 0, length);
    const double begun = session_seconds();
    if (status == MP2ML_OK)
        status = frame_recv_part(s->link, body, length);
    s->measured.network.bits_per_second = rate_of(length, session_seconds() - begun);
    for (unsigned set = 1; set < STEPS_SETS && status == MP2ML_OK; set++)
        if (s->sets >> set & 1) {
            status = ckks_public_key_new(&s->keys.pk[set], s->keys.ckks[set], h0, body + at);
            at += ckks_public_key_bytes(ckks_params(set));
        }
    free(body);
    return status;
}

/* From HELLO on: keys, base OTs, the hash T over the whole set-up, engines. The server's points go
 * with HELLO_S, the client's keys with its own point: each party works while the other does. */
static mp2ml_status set_up(struct session *s)
{
    uint8_t h0[32], t[32];
    TRY(transcript_hash(s, "h0", h0));
    TRY(ot_new(&s->ot, s->link, s->party, s->prg, s->k_ss));
    ot_set_far(s->ot, (s->party == PARTY_CLIENT ? channel_connect_seconds(link_channel(s->link))
                                                : s->measured.network.rtt_s) > FAR_SECONDS);
    TRY(ot_setup_begin(s->ot, h0));
    TRY(make_rings(s, h0));
    TRY(s->party == PARTY_CLIENT ? public_keys_send(s, h0) : public_keys_recv(s, h0));
    TRY(ot_setup_end(s->ot));
    TRY(transcript_hash(s, "t", t));
    link_transcript_stop(s->link);
    TRY(ot_start(s->ot, t));
    TRY(mpc_new(&s->mpc, s->party, s->link, s->ot, s->prg));
    return channel_flush(link_channel(s->link));
}

mp2ml_status handshake_client(struct session *s, const char *model_name, unsigned policy,
                              struct hello *hello, mp2ml_error *err)
{
    TRACE(link_trace(s->link), SETUP, 0);
    TRY(hello_client_send(s, model_name));
    TRY(hello_server_recv(s, hello, policy, err));
    return set_up(s);
}

mp2ml_status handshake_server(struct session *s, const struct mp2ml_model *model,
                              const char *model_name)
{
    enum refusal refusal;
    TRACE(link_trace(s->link), SETUP, 0);
    TRY(hello_client_recv(s, model, model_name, &refusal));
    if (refusal) {
        TRY(send_refusal(s->link, refusal));
        return MP2ML_ERR_REFUSED;
    }
    TRY(hello_server_send(s, model));
    return set_up(s);
}

/* ---- REQUEST ------------------------------------------------------------------------------- */

/*  offset size        REQUEST and PREPARE
 *       0    1  0, or 1: again
 *       1    8  images
 *       9    1  number of inputs; then for each
 *       .    .  name, u16 length and bytes
 *       .    1  form: 0 private, 1 plain
 *       .    4  REQUEST: 1 + number of a prepared item, or 0. PREPARE: requests
 *       .    1  PREPARE: 1 = their linear steps too */
mp2ml_status request_send(struct link *link, const struct request *request,
                          const struct plan_tensor *inputs, unsigned n_inputs)
{
    struct writer w;
    writer_init(&w);
    writer_u8(&w, request->again);
    writer_u64(&w, request->images);
    writer_u8(&w, (uint8_t)n_inputs);
    for (unsigned i = 0; i < n_inputs; i++) {
        writer_string(&w, inputs[i].name);
        writer_u8(&w, request->plain >> i & 1);
    }
    writer_u32(&w, request->prepare ? request->requests : request->item);
    if (request->prepare)
        writer_u8(&w, request->precompute);
    return send_written(link, request->prepare ? FRAME_PREPARE : FRAME_REQUEST, &w);
}

static mp2ml_status request_read(struct reader *r, struct request *request,
                                 const struct plan_tensor *inputs, unsigned n_inputs,
                                 enum refusal *refusal)
{
    char name[PLAN_MAX_NAME + 1];
    const unsigned again = reader_u8(r);
    if (again > 1)
        return MP2ML_ERR_PROTOCOL;
    request->again = again == 1;
    request->images = reader_u64(r);
    unsigned n = reader_u8(r);
    for (unsigned i = 0; i < n && !r->failed; i++) {
        reader_string(r, name, PLAN_MAX_NAME);
        unsigned form = reader_u8(r);
        if (form > 1 || i >= n_inputs || strcmp(name, inputs[i].name) != 0)
            *refusal = REFUSE_REQUEST;
        else
            request->plain |= (uint64_t)form << i;
    }
    if (n != n_inputs)
        *refusal = REFUSE_REQUEST;
    const uint32_t last = reader_u32(r);
    if (!request->prepare) {
        request->item = last;
        return reader_done(r);
    }
    request->requests = last;
    const unsigned precompute = reader_u8(r);
    request->precompute = precompute == 1;
    return precompute > 1 ? MP2ML_ERR_PROTOCOL : reader_done(r);
}

mp2ml_status request_recv(struct link *link, struct request *request,
                          const struct plan_tensor *inputs, unsigned n_inputs, uint64_t max_images,
                          enum refusal *refusal)
{
    uint8_t *body = NULL;
    size_t length = 0;
    enum frame_type got;
    *refusal = 0;
    memset(request, 0, sizeof(*request));
    TRY(frame_recv_any(link, FRAME_REQUEST, FRAME_PREPARE, SESSION_MAX_HELLO, &got, &body,
                       &length));
    request->prepare = got == FRAME_PREPARE;
    struct reader r = reader_init(body, length);
    mp2ml_status status = request_read(&r, request, inputs, n_inputs, refusal);
    free(body);
    if (request->images == 0 || request->images > max_images)
        *refusal = REFUSE_IMAGES;
    return status;
}
