/* SPDX-License-Identifier: Apache-2.0
 *
 * Packings as bytes: what a reader must refuse, and plans whose steps are in layout image. */
#include "base/bytes.h"
#include "plan/choose.h"
#include "plan_fixture.h"

#define N_IN 10u
#define N_OUT 6u

/* Words of the boxes below: ciphertexts, then for inputs and results the number of boxes and one box
 * each (value, position, four times size and strides). */
enum word {
    IN_CTS,
    OUT_CTS,
    IN_BOXES,
    IN_VALUE,
    IN_POSITION,
    IN_SIZE_0,
    IN_SIZE = 14,
    IN_VALUE_STRIDE,
    IN_POSITION_STRIDE,
    OUT_BOXES,
    OUT_VALUE,
    OUT_POSITION,
    OUT_SIZE = 29,
    OUT_VALUE_STRIDE,
    OUT_POSITION_STRIDE,
    WORDS
};

/* Ten inputs side by side, six results at every tenth coefficient. */
static void honest(uint32_t words[WORDS])
{
    const struct packing_box in = {0, 0, {1, 1, 1, N_IN}, {0, 0, 0, 1}, {0, 0, 0, 1}};
    const struct packing_box out = {0, 9, {1, 1, 1, N_OUT}, {0, 0, 0, 1}, {0, 0, 0, 10}};
    words[IN_CTS] = words[OUT_CTS] = words[IN_BOXES] = words[OUT_BOXES] = 1;
    for (unsigned side = 0; side < 2; side++) {
        const struct packing_box *box = side == 0 ? &in : &out;
        uint32_t *to = words + (side == 0 ? IN_VALUE : OUT_VALUE);
        *to++ = box->value;
        *to++ = box->position;
        for (unsigned a = 0; a < PACKING_AXES; a++) {
            *to++ = box->size[a];
            *to++ = box->value_stride[a];
            *to++ = box->position_stride[a];
        }
    }
}

static mp2ml_status read_words(const uint32_t words[WORDS], size_t bytes)
{
    struct writer w;
    struct packing p;
    writer_init(&w);
    for (size_t i = 0; i < WORDS; i++)
        writer_u32(&w, words[i]);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    uint8_t *cut = malloc(bytes + 1); /* so that a sanitiser sees the end */
    assert_non_null(cut);
    memcpy(cut, w.data, bytes);
    struct reader r = reader_init(cut, bytes);
    mp2ml_status status = packing_read(&p, &r, CKKS_S1, N_IN, N_OUT);
    assert_true(status != MP2ML_OK || reader_done(&r) == MP2ML_OK);
    assert_true(status == MP2ML_OK || (p.in == NULL && p.out == NULL));
    packing_wipe(&p);
    free(cut);
    writer_wipe(&w);
    return status;
}

static void test_one_word(void **state)
{
    static const struct {
        enum word word;
        uint32_t value;
        bool legal;
    } cases[] = {
        {IN_CTS, 0, false},
        {IN_CTS, 2, true},
        {IN_CTS, 11, false}, /* more than places */
        {IN_CTS, 65537, false},
        {OUT_CTS, 0, false},
        {OUT_CTS, 7, false},
        {OUT_CTS, UINT32_MAX, false},
        {IN_BOXES, 0, false},
        {IN_BOXES, 2, false},
        {IN_BOXES, UINT32_MAX, false},
        {OUT_BOXES, 0, false},
        {OUT_BOXES, 2, false},
        {IN_VALUE, 1, false}, /* the last would be value 10 */
        {IN_VALUE, UINT32_MAX, false},
        {IN_POSITION, 2038, true},
        {IN_POSITION, 2039, false},
        {IN_SIZE_0, 0, false},
        {IN_SIZE_0, 2, false}, /* each position twice */
        {IN_SIZE_0, UINT32_MAX, false},
        {IN_SIZE, 9, true}, /* one that is not read */
        {IN_SIZE, 11, false},
        {IN_VALUE_STRIDE, 0, true}, /* one value in ten places */
        {IN_VALUE_STRIDE, 2, false},
        {IN_VALUE_STRIDE, 0x40000000, false}, /* 9 of them are more than 2^32 */
        {IN_POSITION_STRIDE, 0, false},
        {IN_POSITION_STRIDE, 226, true},
        {IN_POSITION_STRIDE, 228, false},
        {OUT_VALUE, 1, false},
        {OUT_SIZE, 5, false}, /* a result without a place */
        {OUT_SIZE, 7, false},
        {OUT_VALUE_STRIDE, 0, false}, /* one result in six places */
        {OUT_POSITION, 2047, false},
        {OUT_POSITION_STRIDE, 0, false},
        {OUT_POSITION_STRIDE, 0x33333334, false}, /* 5 of them are 4 mod 2^32 */
    };
    uint32_t words[WORDS];
    (void)state;
    honest(words);
    assert_int_equal(read_words(words, sizeof words), MP2ML_OK);
    for (size_t size = 0; size < sizeof words; size++)
        assert_int_equal(read_words(words, size), MP2ML_ERR_PROTOCOL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        honest(words);
        words[cases[i].word] = cases[i].value;
        if ((read_words(words, sizeof words) == MP2ML_OK) != cases[i].legal)
            fail_msg("word %d as %u", (int)cases[i].word, cases[i].value);
    }
}

/* Few bytes that stand for much work: one value in 2^27 places, refused before any is looked at. */
static void test_copies(void **state)
{
    uint32_t words[WORDS];
    (void)state;
    honest(words);
    words[IN_VALUE_STRIDE] = 0;
    words[IN_SIZE] = PACKING_MOST_COPIES * N_IN;
    assert_int_equal(read_words(words, sizeof words), MP2ML_OK);
    words[IN_SIZE]++;
    assert_int_equal(read_words(words, sizeof words), MP2ML_ERR_PROTOCOL);
    words[IN_CTS] = PACKING_MOST_POSITIONS / 2048;
    words[IN_SIZE] = PACKING_MOST_POSITIONS;
    assert_int_equal(read_words(words, sizeof words), MP2ML_ERR_PROTOCOL);
}

/* ---- whole plans ----------------------------------------------------------------------------- */

static struct plan *image_plan(struct net *net, struct plan_public *chosen)
{
    net_init(net, 91);
    const struct window conv = {3, 2, true, false, 1};
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(9, 8, 2)), 3, conv));
    x = net_relu(net, net_conv(net, x, 4, conv));
    net_output(net, net_dense(net, net_flat(net, x), 5));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 12, 16);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    struct plan_situation situation;
    plan_situation_init(&situation);
    situation.layout = 1 + PLAN_IMAGE;
    assert_int_equal(plan_choose(chosen, plan, &situation), MP2ML_OK);
    return plan;
}

static mp2ml_status read_plan(struct plan_public *out, const void *data, size_t size,
                              const struct plan_limits *limits)
{
    struct plan_limits usual;
    plan_limits_init(&usual);
    struct reader r = reader_init(data, size);
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status = plan_public_read(out, &r, limits != NULL ? limits : &usual, &err);
    if (status == MP2ML_OK && reader_done(&r) != MP2ML_OK) {
        plan_public_wipe(out);
        status = MP2ML_ERR_PROTOCOL;
    }
    return status;
}

/* What users of an accepted packing rely on. */
static void relied_on(const struct plan_public *pub)
{
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        if (step->layout != PLAN_IMAGE)
            continue;
        const struct packing *p = &step->packing;
        const size_t n = ckks_params(step->set)->n;
        for (unsigned side = 0; side < 2; side++) {
            size_t places =
                packing_places(side == 0 ? p->in : p->out, side == 0 ? p->n_in : p->n_out);
            size_t room = (side == 0 ? p->in_cts : p->out_cts) * n;
            size_t values = side == 0 ? plan_step_inputs(pub, step) : step->count;
            uint32_t *value = calloc(places + 1, sizeof *value);
            uint32_t *position = calloc(places + 1, sizeof *position);
            uint8_t *taken = calloc(room, 1), *result = calloc(values, 1);
            assert_true(value != NULL && position != NULL && taken != NULL && result != NULL);
            packing_expand(value, position, side == 0 ? p->in : p->out,
                           side == 0 ? p->n_in : p->n_out);
            for (size_t i = 0; i < places; i++) {
                assert_true(value[i] < values && position[i] < room);
                assert_true(taken[position[i]]++ == 0);
                assert_true(result[value[i]]++ == 0 || side == 0);
            }
            assert_true(side == 0 || places == values);
            free(value);
            free(position);
            free(taken);
            free(result);
        }
    }
}

static void test_plans(void **state)
{
    struct net net;
    struct plan_public chosen, back;
    struct writer w, again;
    (void)state;
    struct plan *plan = image_plan(&net, &chosen);
    uint64_t positions = 0;
    for (unsigned s = 0; s < chosen.n_steps; s++) {
        positions += chosen.steps[s].count;
        if (chosen.steps[s].kind != STEP_LINEAR)
            continue;
        assert_int_equal(chosen.steps[s].layout, PLAN_IMAGE);
        positions += (chosen.steps[s].packing.in_cts + chosen.steps[s].packing.out_cts) *
                     ckks_params(chosen.steps[s].set)->n;
    }
    writer_init(&w);
    assert_int_equal(plan_public_write(&w, &chosen), MP2ML_OK);
    assert_int_equal(read_plan(&back, w.data, w.size, NULL), MP2ML_OK);
    relied_on(&back);
    writer_init(&again);
    assert_int_equal(plan_public_write(&again, &back), MP2ML_OK);
    assert_int_equal(again.size, w.size);
    assert_memory_equal(again.data, w.data, w.size);
    plan_public_wipe(&back);
    writer_wipe(&again);
    /* Ciphertexts count against the client's memory. */
    struct plan_limits limits;
    plan_limits_init(&limits);
    limits.max_memory = 8 * positions;
    assert_int_equal(read_plan(&back, w.data, w.size, &limits), MP2ML_OK);
    plan_public_wipe(&back);
    limits.max_memory--;
    assert_int_equal(read_plan(&back, w.data, w.size, &limits), MP2ML_ERR_PROTOCOL);
    for (size_t size = 0; size < w.size; size++)
        assert_int_equal(read_plan(&back, w.data, size, NULL), MP2ML_ERR_PROTOCOL);
    writer_wipe(&w);
    plan_public_wipe(&chosen);
    net_done(&net, plan);
}

static void test_seeded_damage(void **state)
{
    struct net net;
    struct plan_public chosen, back;
    struct writer w;
    unsigned accepted = 0;
    (void)state;
    struct plan *plan = image_plan(&net, &chosen);
    writer_init(&w);
    assert_int_equal(plan_public_write(&w, &chosen), MP2ML_OK);
    uint8_t *bytes = malloc(w.size);
    assert_non_null(bytes);
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(bytes, w.data, w.size);
        for (unsigned n = 0; n < 1 + i % 3; n++) {
            size_t at = (size_t)((net_random(&net) + 1) / 2 * (double)w.size);
            bytes[at] = (uint8_t)(128 + 127 * net_random(&net));
        }
        if (read_plan(&back, bytes, w.size, NULL) != MP2ML_OK)
            continue;
        accepted++;
        relied_on(&back);
        plan_public_wipe(&back);
    }
    assert_true(accepted > 0);
    free(bytes);
    writer_wipe(&w);
    plan_public_wipe(&chosen);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_word),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_seeded_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
