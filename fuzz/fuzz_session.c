/* SPDX-License-Identifier: Apache-2.0
 *
 * HELLO_C, HELLO_S, REQUEST, ACCEPT and REFUSE at the real client and server, with the body that
 * the input gives; the peer then falls silent. Input: u8 which, body. From 250 on: a server that gets
 * one REQUEST after the other, a byte each, against a model of what it must remember. */
#include <unistd.h>

#include "fuzz.h"
#include "session/session.h"

#define MOST_BODY 65536U

/* A model with one input and one output, as far as a handshake looks at it. */
static const mp2ml_model *small_model(void)
{
    static struct mp2ml_model model;
    static struct plan plan;
    struct plan_public *pub = &plan.pub;
    pub->n_inputs = pub->n_outputs = 1;
    pub->policy = PLAN_LOGITS;
    pub->k_ss = 4;
    pub->inputs[0] =
        (struct plan_tensor){"x", 1, {2}, 2, PLAN_F32, 0, 1, 8, 255, PLAN_POST_NONE, 0, 0};
    pub->outputs[0] =
        (struct plan_tensor){"y", 1, {3}, 3, PLAN_F32, 0, 0, 0, 64, PLAN_POST_NONE, 0, 0};
    model.plan = &plan;
    model.sets = 1U << CKKS_S1 | 1U << CKKS_S2;
    return &model;
}

static void meet(enum party party, struct link *link)
{
    struct session *s = NULL;
    struct hello *hello = calloc(1, sizeof *hello);
    mp2ml_error err = {MP2ML_OK, ""};
    FUZZ_CHECK(hello != NULL && session_new(&s, party, link) == MP2ML_OK);
    mp2ml_status status = party == PARTY_SERVER ? handshake_server(s, small_model(), "name")
                                                : handshake_client(s, "name", 0, hello, &err);
    FUZZ_CHECK(status != MP2ML_OK); /* no answer comes to what follows */
    class_names_wipe(&hello->classes);
    session_free(s);
    free(hello);
}

static void request(struct link *link)
{
    const struct plan_public *pub = &small_model()->plan->pub;
    struct request got;
    enum refusal refusal = 0;
    if (request_recv(link, &got, pub->inputs, 1, 1000, &refusal) == MP2ML_OK && refusal == 0)
        FUZZ_CHECK(got.images >= 1 && got.images <= 1000 && got.plain <= 1);
}

/* A client after the handshake, without keys: every plan ends for want of them. */
static void accept_plan(struct fuzz_link *l)
{
    static const float x[2] = {0, 1};
    static float y[3];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    const struct plan_public *pub = &small_model()->plan->pub;
    mp2ml_error err = {MP2ML_OK, ""};
    struct mp2ml_client *c = calloc(1, sizeof *c);
    FUZZ_CHECK(c != NULL);
    c->channel = l->channel;
    c->link = l->link;
    c->owner = getpid();
    c->options.max_memory = (uint64_t)1 << 30;
    c->options.threads = 1;
    FUZZ_CHECK(session_new(&c->session, PARTY_CLIENT, l->link) == MP2ML_OK);
    c->session->k_ss = pub->k_ss;
    c->hello.policy = pub->policy;
    c->hello.n_inputs = c->hello.n_outputs = 1;
    c->hello.inputs[0] = pub->inputs[0];
    c->hello.outputs[0] = pub->outputs[0];
    y[0] = 1;
    mp2ml_status status = mp2ml_client_predict(c, 1, inputs, outputs, &err);
    FUZZ_CHECK(status != MP2ML_OK && err.text[0] != '\0');
    FUZZ_CHECK(status == MP2ML_ERR_REFUSED || (c->failed && !(y[0] > 0)));
    mp2ml_client_free(c); /* with the link and the channel */
}

/* ---- requests in any order ------------------------------------------------------------------ */

#define MOST_REQUESTS 64
#define MOST_IMAGES 5

/* Of a byte: again (bit 0), images (1 to 3: from 0, and more than the server takes), form (4), a
 * wrong name (6). A REQUEST with bit 5 claims item 0; bit 7 makes it a PREPARE, for two requests with
 * their linear steps where bit 5 is set, else for none. */
static void one_request(struct writer *w, uint8_t byte, uint32_t sequence)
{
    struct writer body;
    const bool prepare = byte >> 7, item = byte >> 5 & 1;
    writer_init(&body);
    writer_u8(&body, byte & 1);
    writer_u64(&body, byte >> 1 & 7);
    writer_u8(&body, 1);
    writer_string(&body, byte & 64 ? "z" : "x");
    writer_u8(&body, byte >> 4 & 1);
    writer_u32(&body, prepare ? 2 * item : item);
    if (prepare)
        writer_u8(&body, item);
    FUZZ_CHECK(writer_done(&body) == MP2ML_OK);
    uint8_t *frame = fuzz_frame(prepare ? FRAME_PREPARE : FRAME_REQUEST, 0, sequence, body.data,
                                body.size, body.size);
    writer_bytes(w, frame, FRAME_HEADER_BYTES + body.size);
    free(frame);
    writer_wipe(&body);
}

/* The same server, simpler: the shapes that it accepted, newest first, each with its items. */
struct told {
    uint8_t key;
    unsigned left, used;
};
struct told_server {
    struct told at[SESSION_SHAPES];
    unsigned n;
    uint64_t images;
};

/* Room for the newest: the oldest without items goes, or else the oldest. */
static struct told *newest(struct told_server *m)
{
    unsigned at = m->n;
    if (m->n < SESSION_SHAPES)
        m->n++;
    else {
        for (at = SESSION_SHAPES; at > 0 && m->at[at - 1].left > 0;)
            at--;
        at = at > 0 ? at - 1 : SESSION_SHAPES - 1;
    }
    memmove(m->at + 1, m->at, at * sizeof *m->at);
    return m->at;
}

/* False when the request must end the session. */
static bool model_request(struct told_server *m, uint8_t byte)
{
    const unsigned count = byte >> 1 & 7;
    const uint8_t key = byte & 0x1e;
    const bool again = byte & 1, item = byte >> 5 & 1, prepare = byte >> 7;
    struct told *shape = NULL;
    if (count == 0 || count > MOST_IMAGES || (byte & 64) != 0)
        return !again;
    for (unsigned i = 0; i < m->n; i++)
        shape = m->at[i].key == key ? &m->at[i] : shape;
    if (again && shape == NULL)
        return false;
    if (shape == NULL)
        shape = newest(m);
    if (!again)
        *shape = (struct told){key, 0, 0};
    if (prepare) {
        shape->left = item ? 2 : shape->left; /* what is there counts; nothing drops it */
        return true;
    }
    if (item && (shape->left == 0 || shape->used != 0))
        return false;
    shape->left -= item;
    shape->used += item;
    m->images += count;
    return true;
}

static void requests(const uint8_t *data, size_t size)
{
    struct writer wire;
    struct fuzz_link l;
    struct session *s = NULL;
    struct mp2ml_options options;
    struct serve_counts counts = {0};
    struct told_server model = {0};
    bool good = true;
    size = size < MOST_REQUESTS ? size : MOST_REQUESTS;
    writer_init(&wire);
    for (size_t i = 0; i < size; i++) {
        one_request(&wire, data[i], (uint32_t)i);
        good = good && model_request(&model, data[i]);
    }
    FUZZ_CHECK(writer_done(&wire) == MP2ML_OK);
    fuzz_link_new(&l, wire.data, wire.size);
    writer_wipe(&wire);
    options_init(&options);
    options.max_batch = MOST_IMAGES;
    FUZZ_CHECK(session_new(&s, PARTY_SERVER, l.link) == MP2ML_OK);
    mp2ml_status status = serve_requests(s, small_model(), &options, &counts);
    FUZZ_CHECK(status == (good ? MP2ML_OK : MP2ML_ERR_PROTOCOL));
    FUZZ_CHECK(counts.images == model.images);
    session_free(s);
    fuzz_link_free(&l);
    options_wipe(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum frame_type types[] = {FRAME_HELLO_C, FRAME_HELLO_S, FRAME_REQUEST,
                                            FRAME_ACCEPT,  FRAME_REFUSE,  FRAME_REFUSE};
    const uint8_t first = fuzz_take(&data, &size);
    const unsigned which = first % 6;
    struct fuzz_link l;
    if (first >= 250) {
        requests(data, size);
        return 0;
    }
    if (size > MOST_BODY)
        size = MOST_BODY;
    uint8_t *frame = fuzz_frame(types[which], 0, 0, data, size, size);
    fuzz_link_new(&l, frame, FRAME_HEADER_BYTES + size);
    free(frame);
    if (which == 3 || which == 5) {
        accept_plan(&l);
        l.link = NULL;
        l.channel = NULL;
    } else if (which == 2) {
        request(l.link);
    } else {
        meet(which == 0 ? PARTY_SERVER : PARTY_CLIENT, l.link);
    }
    fuzz_link_free(&l);
    return 0;
}
