/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of real runs, in both layouts, fed with bodies of CT_IN, CT_OUT, MASKED and OPEN: those of an
 * honest block XORed with the input. The honest body is taken; another is taken, and all shares lie
 * in their ring, or refused: CT_IN for residues that are none, all others for padding only. Input: u8 layout, kind and which linear step, u16 bytes to skip, then
 * the difference. */
#include <pthread.h>

#include "fuzz.h"
#include "graphdef_writer.h"
#include "plan/choose.h"
#include "session/session.h"

#define INPUTS 16
#define OUTPUTS 3
#define MOST_STEPS 16

enum kind { CT_IN, CT_OUT, MASKED, OPEN, KINDS };
static const enum frame_type types[KINDS] = {FRAME_CT_IN, FRAME_CT_OUT, FRAME_MASKED, FRAME_OPEN};
static const enum party readers[KINDS] = {PARTY_SERVER, PARTY_CLIENT, PARTY_SERVER, PARTY_CLIENT};

struct body {
    uint8_t *data;
    size_t size;
};
struct sides { /* by party; made once a layout */
    mp2ml_model *model;
    struct plan_public pub;
    struct channel *channel[2];
    struct link *link[2];
    struct session *session[2];
    struct run *run[2];
    struct precomputed *ahead[2];
    struct body honest[KINDS][MOST_STEPS]; /* one frame each */
};

/* ---- an honest block ------------------------------------------------------------------------- */

static mp2ml_model *small_model(const char *layout)
{
    static const int64_t one[4] = {1, 1, 1, 1};
    static const int32_t flat[2] = {-1, 32};
    struct gd_writer w = {0};
    mp2ml_model *model = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_options *o = mp2ml_options_new();
    float v[96];
    for (int i = 0; i < 96; i++)
        v[i] = (float)(i * 37 % 19 - 9) / 8;
    gd_input(&w, "x", (const int64_t[]){-1, 4, 4, 1}, 4);
    gd_floats(&w, "kernel", v, (const int64_t[]){3, 3, 1, 2}, 4);
    gd_node(&w, "conv", "Conv2D", "x kernel");
    gd_attr_list(&w, "strides", one, 4);
    gd_attr_text(&w, "padding", "SAME");
    gd_node(&w, "relu", "Relu", "conv");
    gd_int_list(&w, "shape", flat, 2);
    gd_node(&w, "flat", "Reshape", "relu shape");
    gd_floats(&w, "weights", v, (const int64_t[]){32, 3}, 2);
    gd_node(&w, "y", "MatMul", "flat weights");
    gd_finish(&w);
    FUZZ_CHECK(mp2ml_options_set(o, "reveal", "logits", &err) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_options_set(o, "bits", "13", &err) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_options_set(o, "layout", layout, &err) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_options_set(o, "nonlinear", "yao", &err) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_model_parse(&model, w.file.data, w.file.size, "small", o, &err) == MP2ML_OK);
    mp2ml_options_free(o);
    gd_wipe(&w);
    return model;
}

struct half {
    struct sides *s;
    enum party party;
};

static void record(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                   size_t length)
{
    const struct half *h = context;
    for (unsigned k = 0; k < KINDS; k++) {
        struct body *body = &h->s->honest[k][step % MOST_STEPS];
        if (sent || type != types[k] || readers[k] != h->party || body->data != NULL)
            continue;
        body->data = malloc(length);
        body->size = length;
        FUZZ_CHECK(body->data != NULL);
        memcpy(body->data, part, length);
    }
}

static mp2ml_status run_honestly(struct half *h)
{
    static const float x[INPUTS] = {0.5F, 1, 0, 0.25F};
    static float y[OUTPUTS];
    static const float *const inputs[1] = {x};
    static float *const outputs[1] = {y};
    struct sides *s = h->s;
    const bool client = h->party == PARTY_CLIENT;
    struct session *session = s->session[h->party];
    struct hello *hello = calloc(1, sizeof *hello);
    mp2ml_error err = {MP2ML_OK, ""};
    FUZZ_CHECK(hello != NULL);
    TRY(client ? handshake_client(session, NULL, 0, hello, &err)
               : handshake_server(session, s->model, NULL));
    class_names_wipe(&hello->classes);
    free(hello);
    TRY(run_new(&s->run[h->party], h->party, s->link[h->party], session->mpc, session->prg,
                &session->keys, &s->pub, client ? NULL : s->model->plan, 0, 1));
    struct run *run = s->run[h->party];
    TRY(precompute_new(&s->ahead[h->party], run, 1, 1, true));
    precompute_reuse(s->ahead[h->party]); /* what is made serves every input */
    link_set_tap(s->link[h->party], record, h);
    TRY(run_block(run, 1, client ? inputs : NULL, client ? outputs : NULL));
    precompute_use(s->ahead[h->party], run);
    mp2ml_status status = run_block(run, 1, client ? inputs : NULL, client ? outputs : NULL);
    link_set_tap(s->link[h->party], NULL, NULL);
    run->outputs = outputs;
    return status;
}

static void *honest_thread(void *argument)
{
    FUZZ_CHECK(run_honestly(argument) == MP2ML_OK);
    return NULL;
}

static struct sides *sides_of(unsigned layout)
{
    static struct sides *made[PLAN_LAYOUT_COUNT];
    if (made[layout] != NULL)
        return made[layout];
    struct sides *s = calloc(1, sizeof *s);
    FUZZ_CHECK(s != NULL && secret_init() == MP2ML_OK);
    s->model = small_model(layout == PLAN_IMAGE ? "image" : "batch");
    FUZZ_CHECK(plan_choose(&s->pub, s->model->plan, &s->model->situation) == MP2ML_OK);
    FUZZ_CHECK(s->pub.n_steps <= MOST_STEPS);
    FUZZ_CHECK(channel_pair(&s->channel[0], &s->channel[1]) == MP2ML_OK);
    for (unsigned p = 0; p < 2; p++) {
        FUZZ_CHECK(link_new(&s->link[p], s->channel[p]) == MP2ML_OK);
        FUZZ_CHECK(session_new(&s->session[p], (enum party)p, s->link[p]) == MP2ML_OK);
    }
    struct half server = {s, PARTY_SERVER}, client = {s, PARTY_CLIENT};
    pthread_t thread;
    FUZZ_CHECK(pthread_create(&thread, NULL, honest_thread, &server) == 0);
    honest_thread(&client);
    FUZZ_CHECK(pthread_join(thread, NULL) == 0);
    made[layout] = s;
    return s;
}

/* ---- a step ------------------------------------------------------------------------------------ */

/* The number-th step that reads such a frame, or the last. */
static unsigned step_of(const struct sides *s, enum kind kind, unsigned number)
{
    unsigned found = MOST_STEPS;
    for (unsigned i = 0; i < s->pub.n_steps; i++)
        if (s->honest[kind][i].data != NULL && (found == MOST_STEPS || number-- > 0))
            found = i;
    FUZZ_CHECK(found < MOST_STEPS);
    return found;
}

/* What the step sent before or behind: one frame, as long as the honest one. */
static void drain(struct sides *s, enum kind kind, unsigned step)
{
    const enum party reader = readers[kind];
    const size_t size = s->honest[kind][step].size;
    uint8_t *sent = malloc(size);
    FUZZ_CHECK(sent != NULL && channel_flush(s->channel[1 - reader]) == MP2ML_OK);
    FUZZ_CHECK(frame_recv(s->link[reader], types[kind], (uint16_t)step, sent, size) == MP2ML_OK);
    free(sent);
}

/* Bits in use of the last byte, 0: all. */
static unsigned last_bits(const struct sides *s, enum kind kind, unsigned step)
{
    const struct plan_step *p = &s->pub.steps[step];
    if (kind == CT_OUT || kind == OPEN) /* whole bytes, and then a field of k bits each */
        return p->count * p->k % 8;
    return kind == MASKED ? (unsigned)plan_step_inputs(&s->pub, p) * p->l % 8 : 0;
}

static void feed(struct sides *s, enum kind kind, unsigned step, const uint8_t *body, bool changed)
{
    const enum party reader = readers[kind];
    const struct plan_step *plan_step = &s->pub.steps[step];
    struct run *run = s->run[reader];
    run->ahead = kind == MASKED ? s->ahead[reader] : NULL;
    FUZZ_CHECK(frame_send(s->link[1 - reader], types[kind], (uint16_t)step, body,
                          s->honest[kind][step].size) == MP2ML_OK);
    FUZZ_CHECK(channel_flush(s->channel[1 - reader]) == MP2ML_OK);
    mp2ml_status status = run_step(run, step);
    FUZZ_CHECK(status == MP2ML_OK || (changed && status == MP2ML_ERR_PROTOCOL));
    const unsigned used = last_bits(s, kind, step);
    const bool padded = used != 0 && body[s->honest[kind][step].size - 1] >> used != 0;
    FUZZ_CHECK(kind == CT_IN || (status == MP2ML_ERR_PROTOCOL) == padded);
    for (size_t i = 0; kind != OPEN && status == MP2ML_OK && i < plan_step->count; i++)
        FUZZ_CHECK(run->values[step][i] >> plan_step->out_bits == 0);
    if (kind == CT_OUT || (kind == CT_IN && status == MP2ML_OK))
        drain(s, kind == CT_OUT ? CT_IN : CT_OUT, step);
}

/* Keys hold pointers in locked memory, where LeakSanitizer does not look. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:sides_of\nleak:run_honestly\nleak:CRYPTO_zalloc\nleak:CRYPTO_strndup\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t what = fuzz_take(&data, &size);
    size_t skip = fuzz_take(&data, &size);
    skip |= (size_t)fuzz_take(&data, &size) << 8;
    struct sides *s = sides_of((what & 1) != 0 ? PLAN_IMAGE : PLAN_BATCH);
    const enum kind kind = (enum kind)(what >> 1 & 3);
    const unsigned step = step_of(s, kind, what >> 3 & 1);
    const struct body *honest = &s->honest[kind][step];
    uint8_t *body = malloc(honest->size);
    FUZZ_CHECK(body != NULL);
    memcpy(body, honest->data, honest->size);
    skip %= honest->size;
    const bool changed = fuzz_xor(body + skip, honest->size - skip, data, size);
    feed(s, kind, step, body, changed);
    free(body);
    return 0;
}
