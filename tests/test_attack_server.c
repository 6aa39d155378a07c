/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile server: HELLO_S and plans that no client may accept. The client says what is wrong,
 * says ABORT, and has sent nothing that depends on its input. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attack_session.h"
#include "privacy_report.h"

static mp2ml_model *label, *logits;

static int load(void **state)
{
    (void)state;
    label = attack_model(ATTACK_GMW, "argmax");
    logits = attack_model(ATTACK_GMW, "logits");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    mp2ml_model_free(label);
    mp2ml_model_free(logits);
    return 0;
}

/* ---- the fake server ------------------------------------------------------------------------ */

struct fake {
    struct channel *channel;
    const mp2ml_model *model;
    const struct writer *hello; /* sent instead of a handshake; may be NULL */
    unsigned sets;              /* of the handshake; 0 = the model's */
    const struct writer *accept;
    bool silent;            /* sends nothing at all */
    mp2ml_status status;    /* of the frame that comes after what was sent */
    enum frame_type answer; /* its type, when there was one */
};

static mp2ml_status fake_handshake(struct fake *f, struct link *link, struct session *s)
{
    enum frame_type got;
    uint8_t *body = NULL;
    size_t length = 0;
    if (f->hello == NULL) {
        mp2ml_model doctored = *f->model;
        doctored.sets = f->sets != 0 ? f->sets : doctored.sets;
        return handshake_server(s, &doctored, NULL);
    }
    TRY(frame_recv_any(link, FRAME_HELLO_C, 0, SESSION_MAX_HELLO, &got, &body, &length));
    free(body);
    return frame_send(link, FRAME_HELLO_S, 0, f->hello->data, f->hello->size);
}

static mp2ml_status fake_request(struct fake *f, struct link *link)
{
    const struct plan_public *pub = &f->model->plan->pub;
    struct request request;
    enum refusal refusal;
    TRY(request_recv(link, &request, pub->inputs, pub->n_inputs, 100, &refusal));
    return frame_send(link, FRAME_ACCEPT, 0, f->accept->data, f->accept->size);
}

static void *fake_server(void *argument)
{
    struct fake *f = argument;
    struct link *link = NULL;
    struct session *s = NULL;
    uint8_t byte;
    assert_int_equal(link_new(&link, f->channel), MP2ML_OK);
    assert_int_equal(session_new(&s, PARTY_SERVER, link), MP2ML_OK);
    mp2ml_status status = f->silent ? MP2ML_OK : fake_handshake(f, link, s);
    if (status == MP2ML_OK && f->accept != NULL)
        status = fake_request(f, link);
    if (status == MP2ML_OK && !f->silent) { /* the next thing is CT_IN, or an ABORT */
        const size_t inputs = ATTACK_INPUTS;
        status = frame_recv_begin(link, FRAME_CT_IN, 1,
                                  ckks_ct_in_bytes(ckks_params(CKKS_S1), inputs, 1));
    } else if (status == MP2ML_OK) {
        while (channel_recv(f->channel, &byte, 1) == MP2ML_OK)
            continue;
    }
    f->status = status;
    session_free(s);
    link_free(link);
    channel_free(f->channel);
    return NULL;
}

/* What the client says at the end of HELLO and of one request. */
struct outcome {
    mp2ml_status hello, predict;
    char text[1016];
};

static struct outcome meet(struct fake *f, const char *max_memory, const char *timeout)
{
    struct outcome o = {MP2ML_OK, MP2ML_OK, ""};
    struct channel *end = NULL;
    mp2ml_client *client = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    float x[ATTACK_INPUTS] = {0.25F}, y[4] = {1, 1, 1, 1};
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    pthread_t thread;
    mp2ml_options *options = mp2ml_options_new();
    assert_int_equal(mp2ml_options_set(options, "max-memory", max_memory, &err), MP2ML_OK);
    assert_int_equal(mp2ml_options_set(options, "timeout", timeout, &err), MP2ML_OK);
    assert_int_equal(mp2ml_options_set(options, "threads", "1", &err), MP2ML_OK);
    assert_int_equal(channel_pair(&f->channel, &end), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, fake_server, f), 0);
    o.hello = client_over_channel(&client, end, options, &err);
    if (o.hello == MP2ML_OK) {
        o.predict = mp2ml_client_predict(client, 1, inputs, outputs, &err);
        if (o.predict != MP2ML_OK)
            assert_true(y[0] >= 0 && y[0] <= 0);
        mp2ml_client_free(client);
    } else {
        assert_null(client);
    }
    pthread_join(thread, NULL);
    memcpy(o.text, err.text, sizeof o.text);
    mp2ml_options_free(options);
    return o;
}

/* ---- HELLO_S -------------------------------------------------------------------------------- */

struct hello_case {
    const char *name;
    unsigned version, sets, k_ss, policy;
    void (*spoil)(struct plan_public *pub); /* may be NULL */
    int cut;                                /* bytes less (or more, where negative) */
    int count;                              /* of inputs, where not 0; 256 = 0 */
};

static void rank_9(struct plan_public *pub)
{
    pub->inputs[0].rank = 8;
    for (unsigned d = 0; d < 8; d++)
        pub->inputs[0].dims[d] = 1U << 12; /* 2^96 values */
}

static void no_dimension(struct plan_public *pub)
{
    pub->inputs[0].dims[0] = 0;
}

static void many_values(struct plan_public *pub)
{
    pub->inputs[0].rank = 2;
    pub->inputs[0].dims[0] = pub->inputs[0].dims[1] = 65535;
}

static void odd_type(struct plan_public *pub)
{
    pub->outputs[0].dtype = (enum plan_dtype)9;
}

static void no_scale(struct plan_public *pub)
{
    pub->inputs[0].scale = 0;
}

static void scale_nan(struct plan_public *pub)
{
    pub->outputs[0].scale = (double)NAN;
}

static void odd_post(struct plan_public *pub)
{
    pub->outputs[0].post = (enum plan_post)7;
}

static const struct hello_case hellos[] = {
    {"version", SESSION_VERSION + 1, 6, 4, 1, NULL, 0, 0},
    {"set 0", SESSION_VERSION, 1, 4, 1, NULL, 0, 0},
    {"set 3", SESSION_VERSION, 6 | 8, 4, 1, NULL, 0, 0},
    {"set 31", SESSION_VERSION, 6 | 1U << 31, 4, 1, NULL, 0, 0},
    {"k_ss 0", SESSION_VERSION, 6, 0, 1, NULL, 0, 0},
    {"k_ss 3", SESSION_VERSION, 6, 3, 1, NULL, 0, 0},
    {"k_ss 16", SESSION_VERSION, 6, 16, 1, NULL, 0, 0},
    {"policy 0", SESSION_VERSION, 6, 4, 0, NULL, 0, 0},
    {"policy 200", SESSION_VERSION, 6, 4, 200, NULL, 0, 0},
    {"2^96 values", SESSION_VERSION, 6, 4, 1, rank_9, 0, 0},
    {"a dimension of 0", SESSION_VERSION, 6, 4, 1, no_dimension, 0, 0},
    {"2^32 values", SESSION_VERSION, 6, 4, 1, many_values, 0, 0},
    {"type", SESSION_VERSION, 6, 4, 1, odd_type, 0, 0},
    {"scale 0", SESSION_VERSION, 6, 4, 1, no_scale, 0, 0},
    {"scale NaN", SESSION_VERSION, 6, 4, 1, scale_nan, 0, 0},
    {"post-operation", SESSION_VERSION, 6, 4, 1, odd_post, 0, 0},
    {"no inputs", SESSION_VERSION, 6, 4, 1, NULL, 0, 256},
    {"17 inputs", SESSION_VERSION, 6, 4, 1, NULL, 0, 17},
    {"short nonce", SESSION_VERSION, 6, 4, 1, NULL, 1, 0},
    {"a byte too many", SESSION_VERSION, 6, 4, 1, NULL, -1, 0},
    {"nothing", SESSION_VERSION, 6, 4, 1, NULL, 100000, 0},
};

static struct writer hello_bytes(const struct hello_case *c)
{
    static const uint8_t nonce[SESSION_NONCE_BYTES] = {1}, zero = 0;
    struct plan_public *pub = calloc(1, sizeof *pub);
    struct writer w;
    *pub = label->plan->pub;
    if (c->spoil != NULL)
        c->spoil(pub);
    writer_init(&w);
    writer_u16(&w, (uint16_t)c->version);
    writer_u32(&w, c->sets);
    writer_u8(&w, (uint8_t)c->k_ss);
    writer_u8(&w, (uint8_t)c->policy);
    const size_t at = w.size;
    plan_tensors_write(&w, pub->inputs, pub->n_inputs);
    if (c->count != 0)
        w.data[at] = (uint8_t)c->count;
    plan_tensors_write(&w, pub->outputs, pub->n_outputs);
    class_names_write(&w, &label->classes);
    writer_bytes(&w, nonce, sizeof nonce);
    if (c->cut < 0)
        writer_bytes(&w, &zero, 1);
    else
        w.size -= (size_t)c->cut < w.size ? (size_t)c->cut : w.size;
    assert_int_equal(writer_done(&w), MP2ML_OK);
    free(pub);
    return w;
}

static void hostile_hellos(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hellos / sizeof *hellos; i++) {
        struct writer w = hello_bytes(&hellos[i]);
        struct fake f = {.model = label, .hello = &w};
        struct outcome o = meet(&f, "4G", "20");
        if (o.hello != MP2ML_ERR_PROTOCOL || f.status != MP2ML_ERR_ABORTED)
            fail_msg("%s: client %s, server %s", hellos[i].name, mp2ml_status_name(o.hello),
                     mp2ml_status_name(f.status));
        writer_wipe(&w);
    }
    /* control: after the same without a fault the client waits for the base transfers */
    const struct hello_case honest = {"honest", SESSION_VERSION, 6, 4, 1, NULL, 0, 0};
    struct writer w = hello_bytes(&honest);
    struct fake f = {.model = label, .hello = &w};
    struct outcome o = meet(&f, "4G", "1");
    assert_int_equal(o.hello, MP2ML_ERR_TIMEOUT);
    writer_wipe(&w);
}

/* ---- ACCEPT --------------------------------------------------------------------------------- */

static struct plan_step *step_of(struct plan_public *pub, enum step_kind kind, unsigned number)
{
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind == kind && number-- == 0)
            return &pub->steps[s];
    fail_msg("no step of kind %d", (int)kind);
    return NULL;
}

static void hidden_k_9(struct plan_public *pub)
{
    struct plan_step *s = step_of(pub, STEP_LINEAR, 0);
    s->k = s->out_bits = 9;
}

static void hidden_k_21(struct plan_public *pub)
{
    struct plan_step *s = step_of(pub, STEP_LINEAR, 0);
    s->k = s->out_bits = 21;
}

static void wide_l(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 1)->l = 49;
}

static void small_set_at_the_end(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 1)->set = CKKS_S1;
}

static void unknown_set(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->set = 3;
}

static void other_policy(struct plan_public *pub)
{
    pub->policy = pub->policy == PLAN_ARGMAX ? PLAN_LOGITS : PLAN_ARGMAX;
}

static void other_k_ss(struct plan_public *pub)
{
    pub->k_ss = 8;
}

static void other_range(struct plan_public *pub)
{
    pub->inputs[0].high = 2;
    pub->inputs[0].scale = 127.5;
}

static void other_name(struct plan_public *pub)
{
    pub->outputs[0].name[0] ^= 1;
}

static void other_shape(struct plan_public *pub)
{
    pub->inputs[0].dims[0] = 2;
    pub->inputs[0].dims[1] = 8;
}

static void softmax_of_logits(struct plan_public *pub)
{
    pub->outputs[0].post = PLAN_POST_SOFTMAX;
}

static void operand_ahead(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->operands[0] = 4;
}

static void input_opened(struct plan_public *pub)
{
    step_of(pub, STEP_OUTPUT, 0)->operands[0] = 0;
}

static void hidden_step_opened(struct plan_public *pub)
{
    step_of(pub, STEP_OUTPUT, 0)->operands[0] = 1;
    step_of(pub, STEP_OUTPUT, 0)->k = step_of(pub, STEP_LINEAR, 0)->k;
}

static void huge_count(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->count = 1U << 30;
}

static void no_count(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->count = 0;
}

static void unknown_kind(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->kind = (enum step_kind)200;
}

static void ring_between_steps(struct plan_public *pub)
{
    step_of(pub, STEP_MAX, 0)->k++;
}

static void unknown_engine(struct plan_public *pub)
{
    step_of(pub, STEP_MAX, 0)->engine = MPC_ENGINE_COUNT;
}

static void unknown_layout(struct plan_public *pub)
{
    step_of(pub, STEP_LINEAR, 0)->layout = PLAN_LAYOUT_COUNT;
}

static const struct {
    const char *name;
    void (*spoil)(struct plan_public *pub);
    unsigned block;
    int cut;
} accepts[] = {
    {"k = 9", hidden_k_9, 1, 0},
    {"k = 21", hidden_k_21, 1, 0},
    {"l = 49", wide_l, 1, 0},
    {"S1 opened", small_set_at_the_end, 1, 0},
    {"set 3", unknown_set, 1, 0},
    {"other policy", other_policy, 1, 0},
    {"other k_ss", other_k_ss, 1, 0},
    {"other range", other_range, 1, 0},
    {"other name", other_name, 1, 0},
    {"other shape", other_shape, 1, 0},
    {"other post-operation", softmax_of_logits, 1, 0},
    {"an operand ahead", operand_ahead, 1, 0},
    {"the input opened", input_opened, 1, 0},
    {"a hidden step opened", hidden_step_opened, 1, 0},
    {"2^30 values", huge_count, 1, 0},
    {"no values", no_count, 1, 0},
    {"kind 200", unknown_kind, 1, 0},
    {"rings that disagree", ring_between_steps, 1, 0},
    {"engine 2", unknown_engine, 1, 0},
    {"layout 2", unknown_layout, 1, 0},
    {"blocks of 0", NULL, 0, 0},
    {"blocks of 2049", NULL, 2049, 0},
    {"a byte too many", NULL, 1, -1},
    {"a byte too few", NULL, 1, 1},
    {"nothing", NULL, 1, 1 << 20},
};

static struct writer accept_bytes(const mp2ml_model *model, void (*spoil)(struct plan_public *),
                                  unsigned block, int cut)
{
    static const uint8_t zero = 0;
    struct plan_public *pub = calloc(1, sizeof *pub);
    struct writer w;
    *pub = model->plan->pub;
    pub->steps = malloc(pub->n_steps * sizeof *pub->steps);
    memcpy(pub->steps, model->plan->pub.steps, pub->n_steps * sizeof *pub->steps);
    if (spoil != NULL)
        spoil(pub);
    writer_init(&w);
    writer_u32(&w, block);
    assert_int_equal(plan_public_write(&w, pub), MP2ML_OK);
    if (cut < 0)
        writer_bytes(&w, &zero, 1);
    else
        w.size -= (size_t)cut < w.size ? (size_t)cut : w.size;
    free(pub->steps);
    free(pub);
    return w;
}

/* Nothing leaves the client after such a plan but an ABORT. */
static void assert_refused(const struct outcome *o, const struct fake *f, mp2ml_status want,
                           const char *name)
{
    if (o->hello != MP2ML_OK || o->predict != want || f->status != MP2ML_ERR_ABORTED ||
        o->text[0] == '\0')
        fail_msg("%s: client %s, %s ('%s'), server %s", name, mp2ml_status_name(o->hello),
                 mp2ml_status_name(o->predict), o->text, mp2ml_status_name(f->status));
}

static void hostile_plans(void **state)
{
    (void)state;
    unsigned accepted = 0;
    for (size_t i = 0; i < sizeof accepts / sizeof *accepts; i++) {
        struct writer w = accept_bytes(logits, accepts[i].spoil, accepts[i].block, accepts[i].cut);
        struct fake f = {.model = logits, .accept = &w};
        struct outcome o = meet(&f, "4G", "20");
        accepted += f.status == MP2ML_OK;
        assert_refused(&o, &f, MP2ML_ERR_PROTOCOL, accepts[i].name);
        writer_wipe(&w);
    }
    /* control: the honest plan is accepted: CT_IN comes */
    struct writer w = accept_bytes(logits, NULL, 1, 0);
    struct fake f = {.model = logits, .accept = &w};
    meet(&f, "4G", "20");
    assert_int_equal(f.status, MP2ML_OK);
    privacy_report(8, "hostile plans that a client accepts", accepted, 1, f.status == MP2ML_OK);
    writer_wipe(&w);
}

/* A plan within the format's limits, but beyond this client's memory, or of a set it has no key
 * for. */
static void own_limits(void **state)
{
    (void)state;
    struct writer w = accept_bytes(logits, NULL, 1, 0);
    struct fake f = {.model = logits, .accept = &w};
    struct outcome o = meet(&f, "1M", "20");
    assert_refused(&o, &f, MP2ML_ERR_PLAN, "memory");
    assert_non_null(strstr(o.text, "--max-memory"));
    struct fake other = {.model = logits, .accept = &w, .sets = 1U << CKKS_S2};
    o = meet(&other, "4G", "20");
    assert_refused(&o, &other, MP2ML_ERR_PROTOCOL, "a set without keys");
    assert_non_null(strstr(o.text, "without keys"));
    writer_wipe(&w);
}

static void silence(void **state)
{
    (void)state;
    struct fake f = {.model = label, .silent = true};
    struct outcome o = meet(&f, "4G", "1");
    assert_int_equal(o.hello, MP2ML_ERR_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_hellos),
        cmocka_unit_test(hostile_plans),
        cmocka_unit_test(own_limits),
        cmocka_unit_test(silence),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
