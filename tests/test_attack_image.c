/* SPDX-License-Identifier: Apache-2.0
 *
 * A hostile network in sessions whose linear steps are in the layout image: bodies of CT_IN and CT_OUT
 * that are out of range, too short, too long, padded with ones, or other ciphertexts altogether; and
 * packings changed in the plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attack_session.h"
#include "privacy_report.h"

static mp2ml_model *logits;

static int load(void **state)
{
    (void)state;
    logits = attack_model_in("image", "gmw", "logits");
    return 0;
}

static int unload(void **state)
{
    (void)state;
    mp2ml_model_free(logits);
    return 0;
}

static struct attack edited(struct edit *e, float fill)
{
    struct attack a = {.model = logits, .fill = fill};
    attack_edited(&a, e);
    return a;
}

/* The first CT_IN is of set S1, one ciphertext; all residues of it travel, whatever the images. */
static void honest(void **state)
{
    (void)state;
    struct attack one = {.model = logits, .fill = 0.5F}, two = {.model = logits, .images = 3};
    attack_run(&one);
    attack_was_not_seen(&one, "no attack");
    attack_run(&two);
    attack_was_not_seen(&two, "no attack, three images");
}

static struct attack written(enum party from, enum frame_type type, unsigned number, size_t at,
                             const void *bytes, size_t n)
{
    struct edit e = {.from = from, .type = type, .number = number, .fn = edit_write, .at = at};
    e.other = bytes;
    e.other_size = n;
    return edited(&e, 0.5F);
}

/* q1 = 2^41 - 2^16 + 1 in the first residue and 2^41 - 1 in the last are refused, q1 - 1 is not; nor
 * is 2^42 - 1 mod q2 at the end of the second step's ciphertext. */
static void out_of_range_residues(void **state)
{
    static const uint8_t q[6] = {0x01, 0x00, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t below[5] = {0x00, 0x00, 0xff, 0xff, 0xff};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct attack a = i == 0 ? written(PARTY_CLIENT, FRAME_CT_IN, 0, 0, q, sizeof q)
                                 : written(PARTY_CLIENT, FRAME_CT_IN, i - 1, SIZE_MAX, ones, 6);
        attack_was_caught(&a, "a residue out of range");
        assert_int_equal(a.status[PARTY_SERVER], MP2ML_ERR_PROTOCOL);
        assert_int_equal(a.status[PARTY_CLIENT], MP2ML_ERR_ABORTED);
    }
    struct attack a = written(PARTY_CLIENT, FRAME_CT_IN, 0, 0, below, sizeof below);
    attack_was_not_seen(&a, "a residue below q");
}

/* Ciphertexts of the attacker's making within the range never end a session, whatever the input;
 * CT_OUT neither. */
static void other_ciphertexts(void **state)
{
    static const uint8_t zeros[10496] = {0}; /* 2048 residues of 41 bits */
    (void)state;
    unsigned failed = 0, changed = 0;
    for (unsigned f = 0; f < 2; f++) {
        struct attack clean = {.model = logits, .fill = (float)f};
        attack_run(&clean);
        attack_was_not_seen(&clean, "no attack");
        for (unsigned t = 0; t < 6; t++) {
            struct edit e = {.from = t < 3 ? PARTY_CLIENT : PARTY_SERVER,
                             .type = t < 3 ? FRAME_CT_IN : FRAME_CT_OUT,
                             .number = t % 2,
                             .fn = t == 0 ? edit_write : edit_flip,
                             .at = t == 0 ? 0 : 9 + 4 * t,
                             .mask = (uint8_t)(1U << t),
                             .other = zeros,
                             .other_size = t == 0 ? sizeof zeros : 0};
            struct attack a = edited(&e, (float)f);
            failed += a.status[0] != MP2ML_OK || a.status[1] != MP2ML_OK;
            attack_was_not_seen(&a, "other ciphertexts");
            changed += attack_changed(&a, &clean);
        }
    }
    assert_true(changed > 0);
    const uint8_t ones[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}; /* control: what has a check */
    struct attack a = written(PARTY_CLIENT, FRAME_CT_IN, 0, 0, ones, sizeof ones);
    privacy_report(8, "layout image: sessions that other ciphertexts in range end", failed, 1,
                   attack_caught(&a) ? 1 : 0);
}

/* Padding bits of the second CT_OUT: 3 results of 20 bits behind whole bytes of c1'. */
static void padding(void **state)
{
    (void)state;
    struct edit e = {.from = PARTY_SERVER, .type = FRAME_CT_OUT, .number = 1, .fn = edit_flip};
    e.mask = 0x80;
    e.at = ckks_image_out_bytes(ckks_params(CKKS_S2), 20, 1, 3) - 1;
    struct attack a = edited(&e, 0.5F);
    attack_was_caught(&a, "padding");
    assert_int_equal(a.status[PARTY_CLIENT], MP2ML_ERR_PROTOCOL);
}

static void lengths(void **state)
{
    (void)state;
    for (unsigned t = 0; t < 8; t++) {
        struct edit e = {.from = t % 2 == 0 ? PARTY_CLIENT : PARTY_SERVER,
                         .type = t % 2 == 0 ? FRAME_CT_IN : FRAME_CT_OUT,
                         .number = t / 2 % 2,
                         .fn = edit_length,
                         .mask = (uint8_t)(t / 4)};
        struct attack a = edited(&e, 0.5F);
        attack_was_caught(&a, "another length");
    }
}

/* Bits of the plan, packings included: the session ends or does not, but the same for every input. */
static void plans(void **state)
{
    (void)state;
    unsigned differ = 0, caught = 0;
    for (unsigned t = 0; t < 24; t++) {
        struct edit e = {.from = PARTY_SERVER,
                         .type = FRAME_ACCEPT,
                         .fn = edit_flip,
                         .at = 100 + t * 17,
                         .mask = (uint8_t)(1U << (t % 8))};
        struct attack zero = edited(&e, 0), one = edited(&e, 1);
        if (zero.status[0] != MP2ML_OK || zero.status[1] != MP2ML_OK) {
            attack_was_caught(&zero, "another plan");
            caught++;
        }
        differ += (zero.status[0] == MP2ML_OK) != (one.status[0] == MP2ML_OK) ||
                  (zero.status[1] == MP2ML_OK) != (one.status[1] == MP2ML_OK);
    }
    assert_int_equal(differ, 0);
    assert_true(caught > 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest),
        cmocka_unit_test(out_of_range_residues),
        cmocka_unit_test(other_ciphertexts),
        cmocka_unit_test(padding),
        cmocka_unit_test(lengths),
        cmocka_unit_test(plans),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
