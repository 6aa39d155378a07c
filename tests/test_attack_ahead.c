/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile network while work is done ahead and in the requests that use it, with either engine and
 * layout: bits, headers and lengths of PREPARE, PREPARED, MASKED and of the frames that prepare.
 * Their order: test_attack_order.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "attack_session.h"
#include "privacy_report.h"

#define REQUESTS 2

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

/* Requests are prepared, then made. */
static struct attack session(unsigned form, struct edit *e, float fill)
{
    struct attack a = {.model = logits[form], .requests = REQUESTS, .fill = fill};
    a.ahead = REQUESTS;
    if (e != NULL)
        attack_edited(&a, e);
    else
        attack_run(&a);
    return a;
}

/* What was made ahead changes no result. */
static void honest(void **state)
{
    (void)state;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        struct attack plain = {.model = logits[f], .fill = 0.5F}, a = session(f, NULL, 0.5F);
        attack_run(&plain);
        attack_was_not_seen(&plain, "no attack");
        attack_was_not_seen(&a, "no attack, work ahead");
        assert_false(attack_changed(&a, &plain));
    }
}

/* ---- what has a check ------------------------------------------------------------------------ */

struct place {
    enum party from;
    enum frame_type type;
    unsigned number;
    size_t at; /* before the last byte */
    uint8_t mask;
};

/* The last five bytes of PREPARE are u32 requests, u8 precompute, and PREPARED is no more; REQUEST
 * ends with the item. The first of each is for nothing: it asks for the plan. */
static const struct place checked[] = {
    {PARTY_CLIENT, FRAME_PREPARE, 0, 4, 1},      {PARTY_CLIENT, FRAME_PREPARE, 1, 4, 1},
    {PARTY_CLIENT, FRAME_PREPARE, 1, 0, 2},      {PARTY_CLIENT, FRAME_PREPARE, 0, 6, 1},
    {PARTY_SERVER, FRAME_PREPARED, 0, 4, 1},     {PARTY_SERVER, FRAME_PREPARED, 0, 0, 1},
    {PARTY_SERVER, FRAME_PREPARED, 1, 4, 1},     {PARTY_SERVER, FRAME_PREPARED, 1, 4, 2},
    {PARTY_SERVER, FRAME_PREPARED, 1, 1, 0x80},  {PARTY_SERVER, FRAME_PREPARED, 1, 0, 1},
    {PARTY_SERVER, FRAME_PREPARED, 1, 0, 2},     {PARTY_CLIENT, FRAME_REQUEST, 0, 3, 1},
    {PARTY_CLIENT, FRAME_REQUEST, 0, 3, 3},      {PARTY_CLIENT, FRAME_REQUEST, 1, 3, 3},
    {PARTY_CLIENT, FRAME_REQUEST, 1, 0, 0x80},   {PARTY_CLIENT, FRAME_OT_EXTEND, 0, 0, 1},
    {PARTY_CLIENT, FRAME_OT_EXTEND, 0, 40, 0x10}};

static void checked_classes(void **state)
{
    (void)state;
    char text[96];
    for (size_t p = 0; p < sizeof checked / sizeof *checked; p++)
        for (unsigned f = 0; f < ATTACK_FORMS; f++) {
            struct edit e = {.from = checked[p].from,
                             .type = checked[p].type,
                             .number = checked[p].number,
                             .fn = edit_flip_end,
                             .at = checked[p].at,
                             .mask = checked[p].mask};
            struct attack a = session(f, &e, 0.5F);
            attack_was_caught(&a, edit_name(text, &e));
        }
}

/* ---- what has none --------------------------------------------------------------------------- */

/* CT_IN and CT_OUT here are those of the preparation. */
static const struct place unchecked[] = {
    {PARTY_CLIENT, FRAME_CT_IN, 0, 100, 1},   {PARTY_SERVER, FRAME_CT_OUT, 0, 1, 0x40},
    {PARTY_SERVER, FRAME_CT_OUT, 0, 900, 1},  {PARTY_CLIENT, FRAME_MASKED, 0, 0, 0x80},
    {PARTY_CLIENT, FRAME_MASKED, 1, 0, 0x80}, {PARTY_CLIENT, FRAME_MASKED, 1, 7, 2},
    {PARTY_CLIENT, FRAME_MASKED, 1, 15, 0x10}};

/* Whatever the input, the session goes on: an error would tell something of it. */
static void unchecked_classes(void **state)
{
    (void)state;
    char text[96];
    unsigned failed = 0;
    for (unsigned f = 0; f < ATTACK_FORMS; f++) {
        unsigned changed = 0;
        for (unsigned fill = 0; fill < 2; fill++) {
            struct attack clean = session(f, NULL, (float)fill);
            attack_was_not_seen(&clean, "no attack");
            for (size_t p = 0; p < sizeof unchecked / sizeof *unchecked; p++) {
                struct edit e = {.from = unchecked[p].from,
                                 .type = unchecked[p].type,
                                 .number = unchecked[p].number,
                                 .fn = edit_flip_end,
                                 .at = unchecked[p].at,
                                 .mask = unchecked[p].mask};
                struct attack a = session(f, &e, (float)fill);
                failed += a.status[0] != MP2ML_OK || a.status[1] != MP2ML_OK;
                attack_was_not_seen(&a, edit_name(text, &e));
                changed += attack_changed(&a, &clean);
            }
        }
        assert_true(changed > 0); /* the bits matter */
    }
    /* control: a class with a check */
    struct edit e = {.from = PARTY_SERVER, .type = FRAME_PREPARED, .number = 1};
    e.fn = edit_flip_end;
    e.mask = 2;
    struct attack a = session(ATTACK_YAO, &e, 0);
    privacy_report(8, "work ahead: sessions that a bit in an unchecked message ends", failed, 1,
                   attack_caught(&a) ? 1 : 0);
}

/* ---- lengths --------------------------------------------------------------------------------- */

static void lengths(void **state)
{
    static const struct place frames[] = {{PARTY_CLIENT, FRAME_PREPARE, 0, 0, 0},
                                          {PARTY_SERVER, FRAME_PREPARED, 1, 0, 0},
                                          {PARTY_CLIENT, FRAME_MASKED, 0, 0, 0},
                                          {PARTY_CLIENT, FRAME_MASKED, 1, 0, 0}};
    (void)state;
    char text[96];
    for (size_t p = 0; p < sizeof frames / sizeof *frames; p++)
        for (unsigned longer = 0; longer < 2; longer++) {
            struct edit e = {.from = frames[p].from,
                             .type = frames[p].type,
                             .number = frames[p].number,
                             .fn = edit_length,
                             .mask = (uint8_t)longer};
            struct attack a = session(p % 2 == longer ? ATTACK_GMW : ATTACK_YAO, &e, 0.5F);
            attack_was_caught(&a, edit_name(text, &e));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),
        cmocka_unit_test(checked_classes),
        cmocka_unit_test(unchecked_classes),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
