/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames in the wrong order, twice, left out, or from another session, at the real server and the
 * real client. Numbers are made to fit first: only the state machine and the transcript are left to
 * notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attack_session.h"
#include "base/bytes.h"
#include "privacy_report.h"

#define MOST_FRAMES 256

static mp2ml_model *logits[ATTACK_FORMS];

static int load(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++)
        logits[f] = attack_model((enum attack_form)f, "logits");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++)
        mp2ml_model_free(logits[f]);
    return 0;
}

/* ---- recordings ----------------------------------------------------------------------------- */

struct recording { /* all frames of both parties, whole */
    uint8_t *frame[2][MOST_FRAMES];
    size_t size[2][MOST_FRAMES];
    unsigned n[2];
};

static void record(void *context, struct relay *r, enum party from, const struct relay_piece *piece)
{
    struct recording *rec = context;
    const unsigned i = piece->number;
    assert_true(i < MOST_FRAMES);
    if (piece->offset == 0) {
        rec->frame[from][i] = malloc(piece->whole);
        rec->size[from][i] = piece->whole;
        rec->n[from] = i + 1;
    }
    memcpy(rec->frame[from][i] + piece->offset, piece->bytes, piece->size);
    relay_pass(r, from, piece->bytes, piece->size);
}

static void recording_wipe(struct recording *rec)
{
    for (int p = 0; p < 2; p++)
        for (unsigned i = 0; i < rec->n[p]; i++)
            free(rec->frame[p][i]);
}

/* ---- order ---------------------------------------------------------------------------------- */

enum disorder { TWICE, TWICE_SAME_NUMBER, LEFT_OUT, SWAPPED };

struct disturb {
    enum party from;
    unsigned at; /* number of the frame */
    enum disorder what;
    int shift; /* of all later sequence numbers */
    uint8_t *kept;
    size_t kept_size;
};

static void pass_numbered(struct relay *r, enum party from, uint8_t *frame, size_t size, int shift)
{
    store_u32(frame + 4, (uint32_t)((int)load_u32(frame + 4) + shift));
    relay_pass(r, from, frame, size);
}

static void keep(struct disturb *d, const struct relay_piece *piece)
{
    if (piece->offset == 0) {
        d->kept = malloc(piece->whole);
        d->kept_size = piece->whole;
    }
    memcpy(d->kept + piece->offset, piece->bytes, piece->size);
}

static void disturb(void *context, struct relay *r, enum party from,
                    const struct relay_piece *piece)
{
    struct disturb *d = context;
    const bool last = piece->offset + piece->size == piece->whole;
    if (from != d->from) {
        relay_pass(r, from, piece->bytes, piece->size);
        return;
    }
    if (piece->number == d->at) {
        keep(d, piece);
        if (d->what == TWICE || d->what == TWICE_SAME_NUMBER)
            relay_pass(r, from, piece->bytes, piece->size);
        if (last && (d->what == TWICE || d->what == TWICE_SAME_NUMBER))
            pass_numbered(r, from, d->kept, d->kept_size, d->what == TWICE);
        if (last)
            d->shift = d->what == TWICE ? 1 : d->what == LEFT_OUT ? -1 : 0;
    } else if (piece->number == d->at + 1 && d->what == SWAPPED) {
        if (piece->offset == 0)
            pass_numbered(r, from, piece->bytes, piece->size, -1);
        else
            relay_pass(r, from, piece->bytes, piece->size);
        if (last)
            pass_numbered(r, from, d->kept, d->kept_size, 1);
    } else if (piece->offset == 0) {
        pass_numbered(r, from, piece->bytes, piece->size, d->shift);
    } else {
        relay_pass(r, from, piece->bytes, piece->size);
    }
}

static const char *name_of(char text[96], const struct disturb *d, uint8_t type)
{
    static const char *const names[] = {"twice", "twice with one number", "left out", "swapped"};
    (void)snprintf(text, 96, "frame %u of the %s (type %u) %s", d->at,
                   d->from == PARTY_CLIENT ? "client" : "server", type, names[d->what]);
    return text;
}

/* The session, with the frame out of order. */
static void disturbed(const struct attack *session, enum party from, unsigned at,
                      enum disorder what, uint8_t type)
{
    struct disturb d = {.from = from, .at = at, .what = what};
    struct attack a = *session;
    char text[96];
    a.fn = disturb;
    a.context = &d;
    a.requests = 2;
    attack_run(&a);
    assert_non_null(d.kept);
    free(d.kept);
    attack_was_caught(&a, name_of(text, &d, type));
}

/* True where the frame behind i leaves before anything has to come back, so that nobody waits. */
static bool sent_at_once(const struct recording *rec, enum party from, unsigned i)
{
    if (i + 1 >= rec->n[from])
        return false;
    const uint8_t a = rec->frame[from][i][0], b = rec->frame[from][i + 1][0];
    return from == PARTY_CLIENT &&
           ((a == FRAME_PK && b == FRAME_BASE_OT) || (a == FRAME_BASE_OT && b == FRAME_OT_SETUP) ||
            (a == FRAME_OT_EXTEND && b == FRAME_OT_CHOICE) ||
            (a == FRAME_REQUEST && b == FRAME_MASKED));
}

static bool same_type_and_length(const struct recording *rec, enum party from, unsigned i)
{
    return rec->frame[from][i][0] == rec->frame[from][i + 1][0] &&
           rec->size[from][i] == rec->size[from][i + 1];
}

/* Every frame of the session from the type `first` on, except that of the rounds of an operation,
 * which look alike, only the first and the last take their turn. A frame that nobody has to wait for
 * is left out only where the other party still expects something. Returns how many frames. */
static unsigned wrong_order_of(const struct attack *session, uint8_t first)
{
    struct recording rec = {0};
    struct attack a = *session;
    unsigned sessions = 0;
    a.fn = record;
    a.context = &rec;
    attack_run(&a);
    attack_was_not_seen(&a, "no attack");
    for (int p = 0; p < 2; p++)
        for (unsigned i = 0; i + 1 < rec.n[p]; i++) {
            const enum party from = (enum party)p;
            const uint8_t type = rec.frame[p][i][0];
            const bool inner = i > 0 && same_type_and_length(&rec, from, i - 1) &&
                               same_type_and_length(&rec, from, i);
            if (inner || type < first)
                continue;
            disturbed(session, from, i, TWICE, type);
            if (sessions % 3 == 0)
                disturbed(session, from, i, TWICE_SAME_NUMBER, type);
            if (sent_at_once(&rec, from, i)) {
                disturbed(session, from, i, LEFT_OUT, type);
                disturbed(session, from, i, SWAPPED, type);
            }
            sessions++;
        }
    recording_wipe(&rec);
    return sessions;
}

/* Set-up and a request; with Yao a request; with work ahead what is made for it and a request. */
static void wrong_order(void **state)
{
    (void)state;
    struct attack gmw = {.model = logits[ATTACK_GMW], .fill = 0.5F};
    struct attack yao = {.model = logits[ATTACK_YAO], .fill = 0.5F}, ahead = yao;
    ahead.ahead = 2;
    assert_true(wrong_order_of(&gmw, FRAME_HELLO_C) > 20);
    assert_true(wrong_order_of(&yao, FRAME_REQUEST) >= 9);
    assert_true(wrong_order_of(&ahead, FRAME_REQUEST) >= 12);
}

/* Two GARBLED of one step look alike where their blocks are full: swapped, or the second in the
 * place of the first, they spoil the result and nothing else, for every input. */
static void blocks_of_a_step(void **state)
{
    (void)state;
    struct recording rec = {0};
    struct attack clean = {.model = logits[ATTACK_YAO], .fn = record, .context = &rec};
    clean.images = ATTACK_IMAGES;
    clean.fill = 1;
    attack_run(&clean);
    attack_was_not_seen(&clean, "no attack");
    unsigned pairs = 0;
    for (unsigned i = 0; i + 1 < rec.n[PARTY_SERVER]; i++) {
        if (rec.frame[PARTY_SERVER][i][0] != FRAME_GARBLED ||
            !same_type_and_length(&rec, PARTY_SERVER, i))
            continue;
        struct disturb d = {.from = PARTY_SERVER, .at = i, .what = SWAPPED};
        struct attack a = {.model = logits[ATTACK_YAO], .fn = disturb, .context = &d, .fill = 1};
        a.images = ATTACK_IMAGES;
        attack_run(&a);
        free(d.kept);
        attack_was_not_seen(&a, "blocks of a step");
        assert_true(attack_changed(&a, &clean));
        pairs++;
    }
    assert_int_equal(pairs, 1); /* 8 windows of 4, 64 images: 2 blocks of 256 lanes */
    recording_wipe(&rec);
}

/* ---- replay --------------------------------------------------------------------------------- */

struct replay {
    const struct recording *from_session;
    enum party from;
    unsigned at;
    bool all; /* every frame of the party */
};

static void replay(void *context, struct relay *r, enum party from, const struct relay_piece *piece)
{
    const struct replay *p = context;
    if (from != p->from || (piece->number != p->at && !p->all)) {
        relay_pass(r, from, piece->bytes, piece->size);
        return;
    }
    if (piece->offset == 0 && piece->number < p->from_session->n[from])
        relay_pass(r, from, p->from_session->frame[from][piece->number],
                   p->from_session->size[from][piece->number]);
}

static bool bound_by_transcript(uint8_t type)
{
    return type <= FRAME_OT_SETUP || type == FRAME_OT_EXTEND;
}

/* Which of the others take their turn: rounds of GMW look alike. */
static bool replayed_freely(uint8_t type, unsigned form)
{
    return type == FRAME_CT_IN || type == FRAME_CT_OUT ||
           (form == ATTACK_YAO &&
            (type == FRAME_OT_CHOICE || type == FRAME_GARBLED || type == FRAME_OPEN));
}

/* Frames of another session with the same model and the same input: those of the set-up and of OT
 * extension end the session; of the others nothing is learned but noise. */
static void replay_single_frames_of(unsigned form)
{
    struct recording rec = {0};
    struct attack first = {.model = logits[form], .fn = record, .context = &rec, .fill = 0.5F};
    unsigned bound = 0, wrong = 0, free = 0;
    attack_run(&first);
    attack_was_not_seen(&first, "no attack");
    for (int p = 0; p < 2; p++)
        for (unsigned i = 0; i < rec.n[p]; i++) {
            struct replay one = {&rec, (enum party)p, i, false};
            struct attack a = {.model = logits[form], .fn = replay, .context = &one, .fill = 0.5F};
            const uint8_t type = rec.frame[p][i][0];
            char text[64];
            (void)snprintf(text, sizeof text, "frame %u (type %u) replayed", i, type);
            if (!bound_by_transcript(type) && !replayed_freely(type, form))
                continue;
            attack_run(&a);
            if (bound_by_transcript(type)) {
                attack_was_caught(&a, text);
                bound++;
                continue;
            }
            attack_was_not_seen(&a, text);
            wrong += attack_changed(&a, &first);
            free++;
        }
    assert_true(bound >= 9);
    assert_true(wrong > 0); /* the key it was made for is gone */
    assert_true(form == ATTACK_GMW || (free >= 9 && wrong >= 5));
    recording_wipe(&rec);
}

static void replay_single_frames(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++)
        replay_single_frames_of(f);
}

/* The first request's frame in the place of the second's. */
struct earlier {
    enum party from;
    enum frame_type type;
    uint16_t step;
    uint8_t *kept;
    size_t size;
    unsigned replayed;
};

static void replay_earlier(void *context, struct relay *r, enum party from,
                           const struct relay_piece *piece)
{
    struct earlier *e = context;
    if (from != e->from || piece->type != e->type || load_u16(piece->bytes + 2) != e->step) {
        relay_pass(r, from, piece->bytes, piece->size);
        return;
    }
    if (e->kept == NULL) {
        e->kept = malloc(piece->size);
        e->size = piece->size;
        memcpy(e->kept, piece->bytes, piece->size);
    } else if (e->size == piece->size) {
        memcpy(piece->bytes + FRAME_HEADER_BYTES, e->kept + FRAME_HEADER_BYTES,
               piece->size - FRAME_HEADER_BYTES);
        e->replayed++;
    }
    relay_pass(r, from, piece->bytes, piece->size);
}

/* Within a session everything serves once: what the first request was answered with fits the second
 * nowhere. A MASKED of the same input shows that the masks are others. */
static void replay_within_a_session(void **state)
{
    static const struct {
        enum party from;
        enum frame_type type;
        uint16_t step;
        size_t ahead;
    } frames[] = {
        {PARTY_CLIENT, FRAME_CT_IN, 1, 0},     {PARTY_SERVER, FRAME_CT_OUT, 1, 0},
        {PARTY_SERVER, FRAME_GARBLED, 2, 0},   {PARTY_SERVER, FRAME_GARBLED, 3, 0},
        {PARTY_CLIENT, FRAME_OT_CHOICE, 2, 0}, {PARTY_SERVER, FRAME_CT_OUT, 4, 0},
        {PARTY_CLIENT, FRAME_MASKED, 1, 2},    {PARTY_SERVER, FRAME_GARBLED, 2, 2},
    };
    (void)state;
    struct attack clean = {.model = logits[ATTACK_YAO], .requests = 2, .fill = 0.5F};
    attack_run(&clean);
    attack_was_not_seen(&clean, "no attack");
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct earlier e = {.from = frames[i].from, .type = frames[i].type, .step = frames[i].step};
        struct attack a = {.model = logits[ATTACK_YAO], .fn = replay_earlier, .context = &e};
        a.requests = 2;
        a.ahead = frames[i].ahead;
        a.fill = 0.5F;
        attack_run(&a);
        free(e.kept);
        assert_int_equal(e.replayed, 1);
        attack_was_not_seen(&a, "a frame of the request before");
        assert_true(attack_changed(&a, &clean));
    }
}

/* The server's end of a handshake in which every frame of the client is one of the recording. */
static mp2ml_status replayed_client(const struct recording *rec, const uint8_t *seed)
{
    struct replay all = {rec, PARTY_CLIENT, 0, true};
    struct attack a = {.model = logits[ATTACK_GMW], .fn = replay, .context = &all};
    a.only_handshake = true;
    a.seed = seed;
    attack_run(&a);
    return a.status[PARTY_SERVER];
}

/* A whole client from a recording. Control: a server without fresh randomness takes it for real. */
static void replay_whole_client(void **state)
{
    static const uint8_t seed[32] = {77};
    (void)state;
    struct recording rec = {0};
    struct attack first = {.model = logits[ATTACK_GMW], .fn = record, .context = &rec};
    first.seed = seed;
    attack_run(&first);
    attack_was_not_seen(&first, "no attack");
    const mp2ml_status fresh = replayed_client(&rec, NULL), fixed = replayed_client(&rec, seed);
    assert_int_equal(fresh, MP2ML_ERR_PROTOCOL);
    assert_int_equal(fixed, MP2ML_OK);
    privacy_report(8, "a client replayed from another session is accepted", fresh == MP2ML_OK, 1,
                   fixed == MP2ML_OK);
    recording_wipe(&rec);
}

/* ---- counters ------------------------------------------------------------------------------- */

/* The first two CT_IN bodies of one input: how many of their residues are the same but for noise,
 * which they are where c1 is the same. */
static unsigned close_residues(const mp2ml_model *model, bool reset)
{
    enum { BITS = 41, NOISE = 2 * 42 };
    const uint64_t q = ckks_params(CKKS_S1)->q[0];
    struct recording rec = {0};
    struct attack a = {.model = model, .fn = record, .context = &rec, .requests = 2, .fill = 1};
    uint64_t c0[2][ATTACK_INPUTS];
    unsigned found = 0, near = 0;
    a.reset_counters = reset;
    attack_run(&a);
    attack_was_not_seen(&a, "no attack");
    for (unsigned i = 0; i < rec.n[PARTY_CLIENT] && found < 2; i++) {
        const uint8_t *frame = rec.frame[PARTY_CLIENT][i];
        size_t at = 0;
        if (frame[0] == FRAME_CT_IN && load_u16(frame + 2) == 1)
            bits_unpack(c0[found++], frame + FRAME_HEADER_BYTES, &at, ATTACK_INPUTS, BITS);
    }
    assert_int_equal(found, 2);
    for (unsigned i = 0; i < ATTACK_INPUTS; i++) {
        const uint64_t d = (c0[0][i] + q - c0[1][i]) % q;
        near += d <= NOISE || q - d <= NOISE;
    }
    recording_wipe(&rec);
    return near;
}

/* No block of the stream serves twice: else the difference of two queries would be open. */
static void counters_never_go_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ATTACK_FORMS; i++) {
        const unsigned near = close_residues(logits[i], false);
        const unsigned reset = close_residues(logits[i], true);
        assert_int_equal(near, 0);
        assert_int_equal(reset, ATTACK_INPUTS);
        privacy_report(2,
                       i == ATTACK_YAO
                           ? "layout image: values of 16 of a query that its repetition shows"
                           : "values of 16 of a query that its repetition shows",
                       near, 1, reset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_order),          cmocka_unit_test(blocks_of_a_step),
        cmocka_unit_test(replay_single_frames), cmocka_unit_test(replay_within_a_session),
        cmocka_unit_test(replay_whole_client),  cmocka_unit_test(counters_never_go_back),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
