/* SPDX-License-Identifier: Apache-2.0
 *
 * One bit changed on the way, in every message class of real sessions with either engine: where
 * there is a check both sides end in the same way, told by one ABORT; elsewhere the session goes on,
 * whatever the secrets are. Then headers, lengths, ranges and points. What is done ahead:
 * test_attack_ahead.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attack_session.h"
#include "base/bytes.h"
#include "plan/choose.h"
#include "privacy_report.h"

static mp2ml_model *logits[ATTACK_FORMS], *label[ATTACK_FORMS];

static int load(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        logits[f] = attack_model((enum attack_form)f, "logits");
        label[f] = attack_model((enum attack_form)f, "argmax");
    }
    return 0;
}

static int unload(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        mp2ml_model_free(logits[f]);
        mp2ml_model_free(label[f]);
    }
    return 0;
}

/* A session with this edit. */
static struct attack edited(const mp2ml_model *model, struct edit *e, float fill)
{
    struct attack a = {.model = model, .fill = fill};
    attack_edited(&a, e);
    return a;
}

static void honest(void **state)
{
    (void)state;
    struct attack a[ATTACK_FORMS];
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        a[f] = (struct attack){.model = logits[f], .requests = 2, .fill = 0.5F};
        attack_run(&a[f]);
        attack_was_not_seen(&a[f], "no attack");
        assert_false(a[f].seen[0].aborted || a[f].seen[1].aborted || a[f].seen[0].malformed);
    }
    assert_false(attack_changed(&a[ATTACK_YAO], &a[ATTACK_GMW]));
}

/* ---- one bit -------------------------------------------------------------------------------- */

struct place {
    enum party from;
    enum frame_type type;
    unsigned number, trials;
    unsigned forms; /* bit f: sessions of form f have it */
};

static const struct place checked[] = {
    {PARTY_CLIENT, FRAME_HELLO_C, 0, 5, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_HELLO_S, 0, 5, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_PK, 0, 3, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_BASE_OT, 0, 3, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_BASE_OT, 0, 3, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_SETUP, 0, 4, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_OT_SETUP, 0, 4, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_REQUEST, 0, 5, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_EXTEND, 0, 4, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_OT_EXTEND, 0, 4, ATTACK_ONLY_GMW},
};

/* The Yao engine changes nothing before the plan is known: one trial there. */
static unsigned trials_of(const struct place *place, unsigned form)
{
    if ((place->forms >> form & 1) == 0)
        return 0;
    return form == ATTACK_YAO && place->type < FRAME_REQUEST ? 1 : place->trials;
}

/* A correction changed where it meets the sender's offset goes unnoticed with chance 2^-k_ss, and
 * then changes nothing. */
static bool may_go_unnoticed(const struct edit *e)
{
    return e->type == FRAME_OT_EXTEND;
}

static bool silent(const struct attack *a)
{
    return a->status[0] == MP2ML_OK && a->status[1] == MP2ML_OK;
}

static bool missed_bit(unsigned form, const struct place *place, unsigned trial)
{
    struct edit e = {.from = place->from,
                     .type = place->type,
                     .number = place->number,
                     .fn = edit_flip,
                     .at = trial * 1013 + (trial == 0 ? 0 : 5),
                     .mask = (uint8_t)(1U << (trial * 5 % 8))};
    struct attack a = edited(logits[form], &e, 0.5F);
    char text[96];
    if (silent(&a) && may_go_unnoticed(&e))
        return true;
    attack_was_caught(&a, edit_name(text, &e));
    return false;
}

static void checked_classes(void **state)
{
    (void)state;
    unsigned missed = 0;
    for (unsigned f = 0; f < ATTACK_FORMS; f++)
        for (size_t p = 0; p < sizeof checked / sizeof *checked; p++)
            for (unsigned t = 0; t < trials_of(&checked[p], f); t++)
                missed += missed_bit(f, &checked[p], t);
    assert_in_range(missed, 0, 7); /* 12 trials at 1/16: 1 in 10^7 */
}

/* One bit changed; with `skip_check` both sides ignore the check of the extension. */
static bool unnoticed(unsigned form, struct edit *e, bool skip_check)
{
    struct attack a = {.model = logits[form], .skip_check = skip_check};
    attack_edited(&a, e);
    if (skip_check)
        attack_was_not_seen(&a, "without the check");
    return silent(&a);
}

/* Control: without the check of the extension, what the public key says is bound by nothing, and
 * sessions end as if all were well. */
static void without_the_check_nobody_notices(void **state)
{
    enum { TRIALS = 8 };
    (void)state;
    struct edit pk = {.from = PARTY_CLIENT, .type = FRAME_PK, .fn = edit_flip, .at = 9, .mask = 1};
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        const bool changed = unnoticed(f, &pk, false), control = unnoticed(f, &pk, true);
        privacy_report(8, "a changed public key is not noticed", changed, 1, control);
        assert_true(!changed && control);
    }
    unsigned passed = 0, ignored = 0;
    for (unsigned t = 0; t < TRIALS; t++) {
        struct edit e = {.from = t % 2 == 0 ? PARTY_SERVER : PARTY_CLIENT,
                         .type = FRAME_OT_EXTEND,
                         .fn = edit_flip,
                         .at = 21 + 1013 * t,
                         .mask = 1};
        const unsigned form = t < TRIALS / 2 || t % 2 == 0 ? ATTACK_GMW : ATTACK_YAO;
        passed += unnoticed(form, &e, false);
        ignored += unnoticed(form, &e, true);
    }
    privacy_report(8, "changed extensions of 8 that are not noticed, each with chance 1/16", passed,
                   7, ignored);
    assert_in_range(passed, 0, 6);
    assert_int_equal(ignored, TRIALS);
}

static const struct place unchecked[] = {
    {PARTY_CLIENT, FRAME_CT_IN, 0, 2, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_CT_OUT, 0, 3, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_CT_OUT, 1, 2, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_CHOICE, 0, 2, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_CHOICE, 1, 2, ATTACK_ONLY_YAO},
    {PARTY_SERVER, FRAME_OT_CHOICE, 0, 2, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_OT_MESSAGE, 0, 2, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_OT_MESSAGE, 0, 2, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_AND_OPEN, 0, 2, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_AND_OPEN, 3, 2, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_GARBLED, 0, 4, ATTACK_ONLY_YAO},
    {PARTY_SERVER, FRAME_GARBLED, 1, 4, ATTACK_ONLY_YAO},
    {PARTY_SERVER, FRAME_OPEN, 0, 1, ATTACK_BOTH},
};

/* Tables are at the beginning of a GARBLED, rows at its end. */
static struct edit unchecked_edit(const struct place *place, unsigned trial)
{
    const bool end = place->type == FRAME_GARBLED && trial % 2 == 1;
    struct edit e = {.from = place->from,
                     .type = place->type,
                     .number = place->number,
                     .fn = end ? edit_flip_end : edit_flip,
                     .at = place->type == FRAME_OPEN ? 1 : trial * 4,
                     .mask = (uint8_t)(trial == 0 ? 0x40 : 1)};
    return e;
}

/* One bit of each place: counts sessions that end, and those with other results. */
static void flip_all(unsigned form, float fill, unsigned *failed, unsigned *changed)
{
    struct attack clean = {.model = logits[form], .fill = fill};
    char text[96];
    attack_run(&clean);
    attack_was_not_seen(&clean, "no attack");
    for (size_t p = 0; p < sizeof unchecked / sizeof *unchecked; p++)
        for (unsigned t = 0; t < trials_of(&unchecked[p], form); t++) {
            struct edit e = unchecked_edit(&unchecked[p], t);
            struct attack a = edited(logits[form], &e, fill);
            *failed += !silent(&a);
            attack_was_not_seen(&a, edit_name(text, &e));
            *changed += attack_changed(&a, &clean);
            if (e.type == FRAME_OPEN) /* a high bit of the first output */
                assert_true(attack_changed(&a, &clean));
        }
}

/* What is not checked never ends a session, for no input: an error would tell a bit of a secret. */
static void unchecked_classes(void **state)
{
    (void)state;
    unsigned failed = 0;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        unsigned changed = 0;
        flip_all(f, 0, &failed, &changed);
        flip_all(f, 1, &failed, &changed);
        assert_true(changed > 2); /* the bits matter, nobody looks at them; 2: of OPEN */
    }
    /* control: a class with a check does end the session */
    struct edit e = {.from = PARTY_SERVER, .type = FRAME_OT_SETUP, .fn = edit_flip, .mask = 1};
    e.at = SIZE_MAX / 2;
    struct attack a = edited(logits[ATTACK_GMW], &e, 0);
    privacy_report(8, "sessions that a bit in an unchecked message ends", failed, 1,
                   attack_caught(&a) ? 1 : 0);
}

/* The plan is not authenticated without TLS: a change ends the session or does not, but the same
 * for every input. */
static void plans_of(const mp2ml_model *model)
{
    unsigned differ = 0, caught = 0;
    char text[96];
    for (unsigned t = 0; t < 14; t++) {
        struct edit e = {.from = PARTY_SERVER,
                         .type = FRAME_ACCEPT,
                         .fn = edit_flip,
                         .at = t * 19,
                         .mask = (uint8_t)(1U << (t % 8))};
        struct attack zero = edited(model, &e, 0), one = edited(model, &e, 1);
        if (!silent(&zero)) {
            attack_was_caught(&zero, edit_name(text, &e));
            caught++;
        }
        /* who is first to notice depends on the network */
        differ += (zero.status[0] == MP2ML_OK) != (one.status[0] == MP2ML_OK) ||
                  (zero.status[1] == MP2ML_OK) != (one.status[1] == MP2ML_OK);
    }
    assert_int_equal(differ, 0);
    assert_true(caught > 7);
}

static void plans(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++)
        plans_of(label[f]);
}

/* Where ACCEPT says the engine of the first step of this kind: u32 block, then the plan. */
static size_t engine_offset(const mp2ml_model *model, enum step_kind kind)
{
    struct plan_situation situation = model->situation;
    struct plan_public pub;
    struct writer w[2];
    size_t at = 0;
    assert_int_equal(plan_choose(&pub, model->plan, &situation), MP2ML_OK);
    for (unsigned i = 0; i < 2; i++) {
        writer_init(&w[i]);
        assert_int_equal(plan_public_write(&w[i], &pub), MP2ML_OK);
        for (unsigned s = 0; i == 0 && s < pub.n_steps; s++)
            if (pub.steps[s].kind == kind)
                pub.steps[s].engine ^= 1;
    }
    while (at < w[0].size && w[0].data[at] == w[1].data[at])
        at++;
    assert_true(at < w[0].size && w[0].size == w[1].size);
    writer_wipe(&w[0]);
    writer_wipe(&w[1]);
    plan_public_wipe(&pub);
    return 4 + at;
}

/* The server chose one engine, the client hears of the other: types and lengths end that, or both
 * wait for each other until the time-out, as when a frame is held back. */
static void other_engine(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        struct edit e = {.from = PARTY_SERVER, .type = FRAME_ACCEPT, .fn = edit_flip, .mask = 1};
        struct attack a = {.model = logits[f], .timeout_s = 1};
        e.at = engine_offset(logits[f], f == ATTACK_GMW ? STEP_RELU : STEP_MAX);
        attack_edited(&a, &e);
        assert_true(a.status[0] != MP2ML_OK && a.status[1] != MP2ML_OK);
        assert_false(a.seen[0].malformed || a.seen[1].malformed);
    }
}

/* ---- headers and lengths -------------------------------------------------------------------- */

enum header_edit { OTHER_TYPE, FLAGS, OTHER_STEP, SEQUENCE, SHORT, HUGE_LENGTH, SHORTER, LONGER };

static void edit_header(struct edit *e, struct relay *r, const struct relay_piece *piece)
{
    const size_t length = piece->whole - FRAME_HEADER_BYTES;
    const bool last = piece->offset + piece->size == piece->whole;
    const enum header_edit what = (enum header_edit)e->at;
    uint8_t *frame = piece->bytes;
    if (piece->offset == 0) {
        const unsigned byte[] = {[OTHER_TYPE] = 0, [FLAGS] = 1, [OTHER_STEP] = 2, [SEQUENCE] = 4};
        if (what <= SEQUENCE)
            frame[byte[what]] ^= 1;
        else if (what == SHORT || what == SHORTER)
            store_u64(frame + 8, length - 1);
        else if (what == LONGER)
            store_u64(frame + 8, length + 1);
        else
            frame[14] ^= 0x20;
    }
    relay_pass(r, e->from, frame, piece->size - (what == SHORTER && last));
    if (what == LONGER && last)
        relay_pass(r, e->from, (const uint8_t[1]){0}, 1);
}

static const struct place all[] = {
    {PARTY_CLIENT, FRAME_HELLO_C, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_HELLO_S, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_PK, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_BASE_OT, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_BASE_OT, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_OT_SETUP, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_OT_SETUP, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_REQUEST, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_ACCEPT, 0, 0, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_CT_IN, 0, 0, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_CT_OUT, 0, 0, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_EXTEND, 0, 0, ATTACK_BOTH},
    {PARTY_SERVER, FRAME_OT_CHOICE, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_CLIENT, FRAME_OT_MESSAGE, 0, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_AND_OPEN, 1, 0, ATTACK_ONLY_GMW},
    {PARTY_SERVER, FRAME_OPEN, 0, 0, ATTACK_BOTH},
    {PARTY_CLIENT, FRAME_OT_CHOICE, 0, 0, ATTACK_ONLY_YAO},
    {PARTY_CLIENT, FRAME_OT_CHOICE, 1, 0, ATTACK_ONLY_YAO},
    {PARTY_SERVER, FRAME_GARBLED, 0, 0, ATTACK_ONLY_YAO},
    {PARTY_SERVER, FRAME_GARBLED, 1, 0, ATTACK_ONLY_YAO},
};

static void headers_and_lengths(void **state)
{
    (void)state;
    char text[96];
    for (size_t p = 0; p < sizeof all / sizeof *all; p++)
        for (unsigned f = 0; f < ATTACK_FORMS; f++)
            for (unsigned what = OTHER_TYPE; what <= LONGER; what++) {
                /* two kinds for each class in turn keep this short; all kinds meet many classes */
                if ((all[p].forms >> f & 1) == 0 || ((what + p) % 4 != 0 && p > 1))
                    continue;
                struct edit e = {
                    .from = all[p].from, .type = all[p].type, .number = all[p].number, .at = what};
                e.fn = edit_header;
                struct attack a = edited(logits[f], &e, 0.5F);
                attack_was_caught(&a, edit_name(text, &e));
            }
}

/* ---- ranges, points, padding ---------------------------------------------------------------- */

static struct attack written(enum party from, enum frame_type type, size_t at, const void *bytes,
                             size_t n)
{
    struct edit e = {.from = from, .type = type, .fn = edit_write, .at = at};
    e.other = bytes;
    e.other_size = n;
    return edited(logits[ATTACK_GMW], &e, 0.5F);
}

/* q1 = 2^41 - 2^16 + 1 in the first residue is refused, q1 - 1 is not. */
static void out_of_range_residues(void **state)
{
    static const uint8_t q[6] = {0x01, 0x00, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t below[5] = {0x00, 0x00, 0xff, 0xff,
                                     0xff}; /* and the lowest bit of the next */
    (void)state;
    const enum frame_type types[] = {FRAME_PK, FRAME_CT_IN};
    for (unsigned i = 0; i < 2; i++) {
        struct attack a = written(PARTY_CLIENT, types[i], 0, q, sizeof q);
        attack_was_caught(&a, "a residue of q");
        assert_int_equal(a.status[PARTY_SERVER], MP2ML_ERR_PROTOCOL);
        assert_int_equal(a.status[PARTY_CLIENT], MP2ML_ERR_ABORTED);
        assert_true(a.seen[PARTY_SERVER].aborted);
    }
    struct attack a = written(PARTY_CLIENT, FRAME_CT_IN, 0, below, sizeof below);
    attack_was_not_seen(&a, "a residue below q");
}

static void bad_points(void **state)
{
    uint8_t points[4][32];
    (void)state;
    memset(points, 0, sizeof points); /* 0: the identity */
    points[1][0] = 1;                 /* odd: negative */
    memset(points[2], 0xff, 32);      /* above p */
    memset(points[3], 0xff, 32);      /* p + 2 = 2^255 - 17, the second name of 2 */
    points[3][0] = 0xef;
    points[3][31] = 0x7f;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned from = 0; from < 2; from++) {
            const enum party party = from == 0 ? PARTY_SERVER : PARTY_CLIENT;
            struct attack a = written(party, FRAME_BASE_OT, 0, points[i], 32);
            attack_was_caught(&a, "a point that is none");
            assert_int_equal(a.status[1 - party], MP2ML_ERR_PROTOCOL);
            assert_int_equal(a.status[party], MP2ML_ERR_ABORTED);
            assert_int_equal(a.seen[1 - party].last[0], FRAME_ABORT);
        }
}

/* A value of an input in the clear that is not a number, or out of the declared range. */
static void plain_values(void **state)
{
    static const uint8_t nan[4] = {0, 0, 0xc0, 0x7f}, two[4] = {0, 0, 0, 0x40};
    static const uint8_t half[4] = {0, 0, 0, 0x3f};
    const uint8_t *values[3] = {nan, two, half};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct edit e = {.from = PARTY_CLIENT, .type = FRAME_PLAIN_IN, .fn = edit_write, .at = 8};
        e.other = values[i];
        e.other_size = 4;
        struct attack a = {.model = logits[ATTACK_YAO], .plain = true};
        attack_edited(&a, &e);
        if (i < 2) {
            attack_was_caught(&a, "a value out of range");
            assert_int_equal(a.status[PARTY_SERVER], MP2ML_ERR_PROTOCOL);
        } else {
            attack_was_not_seen(&a, "another value within the range");
        }
    }
}

/* Padding bits that are not zero are refused in the frames that have any: of the label's step the
 * choices of 3 members and rows of 3 bits, and the label itself. */
static void padding(void **state)
{
    static const struct place padded[] = {
        {PARTY_SERVER, FRAME_OPEN, 0, 0, ATTACK_BOTH},
        {PARTY_CLIENT, FRAME_OT_CHOICE, 2, 0, ATTACK_ONLY_YAO},
        {PARTY_SERVER, FRAME_GARBLED, 2, 0, ATTACK_ONLY_YAO},
    };
    (void)state;
    for (size_t p = 0; p < sizeof padded / sizeof *padded; p++)
        for (unsigned f = 0; f < ATTACK_FORMS; f++)
            for (unsigned images = 1; images <= 2; images++) {
                struct edit e = {.from = padded[p].from,
                                 .type = padded[p].type,
                                 .number = padded[p].number,
                                 .fn = edit_flip_end,
                                 .mask = 0x80};
                struct attack a = {.model = label[f], .images = images};
                char text[96];
                if ((padded[p].forms >> f & 1) == 0)
                    continue;
                attack_edited(&a, &e);
                attack_was_caught(&a, edit_name(text, &e));
                assert_int_equal(a.status[1 - e.from], MP2ML_ERR_PROTOCOL);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),
        cmocka_unit_test(checked_classes),
        cmocka_unit_test(without_the_check_nobody_notices),
        cmocka_unit_test(unchecked_classes),
        cmocka_unit_test(plans),
        cmocka_unit_test(other_engine),
        cmocka_unit_test(headers_and_lengths),
        cmocka_unit_test(out_of_range_residues),
        cmocka_unit_test(bad_points),
        cmocka_unit_test(plain_values),
        cmocka_unit_test(padding),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
