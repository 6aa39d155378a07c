/* SPDX-License-Identifier: Apache-2.0
 *
 * How much is prepared: what is kept and added, limits of number and memory, work that is thrown away,
 * and calls that fail. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ahead_pair.h"

static uint64_t left(const struct pair *p)
{
    return mp2ml_client_stats(p->client).prepared_left;
}

/* Preparing anew keeps what is left and adds what lacks; a set of plain inputs is another shape. */
static void prepare_again(void **state)
{
    (void)state;
    struct pair p;
    mp2ml_error err;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 3, 1), 3);
    ask(&p, 1, -1, 1);
    assert_int_equal(prepare(&p, 2, 1), 2); /* they are there */
    assert_int_equal(left(&p), 2);
    assert_int_equal(prepare(&p, 4, 1), 4);
    assert_int_equal(mp2ml_client_stats(p.client).prepared, 5);
    for (unsigned i = 0; i < 3; i++)
        ask(&p, 1, -1, 2 + i); /* of both batches */
    assert_int_equal(left(&p), 1);
    assert_int_equal(mp2ml_client_set_plain(p.client, 0, 1, &err), MP2ML_OK);
    assert_int_equal(prepare(&p, 2, 1), 2);
    ask(&p, 1, -1, 3);
    assert_int_equal(mp2ml_client_set_plain(p.client, 0, 0, &err), MP2ML_OK);
    assert_int_equal(left(&p), 2);
    assert_int_equal(prepare(&p, 0, 1), 0);
    ask(&p, 1, -1, 4);
    ask(&p, 1, -1, 5);
    const mp2ml_stats stats = mp2ml_client_stats(p.client);
    assert_int_equal(stats.prepared, 7);
    assert_int_equal(stats.prepared_used, 6);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.prepared, 7);
}

/* A client that asks for the same again and again, past its own library, gets nothing more. */
static void repeated_prepares(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, false, 4, 0);
    assert_int_equal(prepare(&p, 4, 1), 4);
    struct request r = {.images = 1, .prepare = true, .again = true, .requests = 1000000};
    for (unsigned i = 0; i < 20; i++) {
        size_t more = 7;
        assert_int_equal(request_send(p.client->link, &r, p.client->hello.inputs, 1), MP2ML_OK);
        assert_int_equal(prepare_answer_recv(p.client->link, &r, &p.client->shapes.at[0], &more),
                         MP2ML_OK);
        assert_int_equal(more, 0);
    }
    ask(&p, 1, -1, 1);
    pair_end(&p, MP2ML_OK);
    assert_int_equal(p.served.counts.prepared, 4);
}

/* Work that is thrown away, by change of kind or by more shapes than places, has an end. */
static void thrown_away(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, false, 2, 0);
    size_t made[8];
    for (unsigned i = 0; i < 8; i++) {
        p.client->options.precompute = i % 2 == 0;
        const uint64_t before = mp2ml_client_stats(p.client).prepared;
        (void)prepare(&p, 2, 1);
        made[i] = (size_t)(mp2ml_client_stats(p.client).prepared - before);
    }
    assert_int_equal(made[0] + made[1] + made[2] + made[3], 8); /* 6 of them dropped: 2 * 2 + 2 */
    for (unsigned i = 4; i < 8; i++)
        assert_int_equal(made[i], 0);
    ask(&p, 1, -1, 1);
    ask(&p, 1, -1, 2);
    assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
    p.client->options.precompute = true;
    assert_int_equal(prepare(&p, 2, 1), 2); /* used ones count for the client */
    pair_end(&p, MP2ML_OK);
    uint64_t total = 0;
    pair_start(&p, true, 1, 0);
    for (unsigned i = 0; i < 30; i++) {
        total += prepare(&p, 1, 1);
        shapes_wipe(&p.client->shapes); /* forgotten here: the next comes for a new shape */
    }
    assert_int_equal(total, 3);
    pair_end(&p, MP2ML_OK);
}

/* A prepared shape keeps its place while there are others to take. */
static void items_keep_their_shape(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    for (size_t n = 2; n < 8; n++)
        ask(&p, n, -1, n);
    assert_int_equal(left(&p), 2);
    ask(&p, 1, -1, 1);
    ask(&p, 1, -1, 1);
    assert_int_equal(mp2ml_client_stats(p.client).prepared_used, 2);
    for (size_t n = 8; n < 12; n++)
        ask(&p, n, -1, n);
    const struct request r = {.images = 1};
    assert_null(shapes_find(&p.client->shapes, &r)); /* control: without items the oldest goes */
    pair_end(&p, MP2ML_OK);
}

/* prepare() ends with the server's word that its halves are made; a server that says something else
 * in between is not believed. */
static void spoil_told(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                       size_t length)
{
    (void)context;
    if (!sent && type == FRAME_PREPARED && step > 0 && length == 5)
        part[0] ^= 1;
}

static void server_is_waited_for(void **state)
{
    (void)state;
    struct pair p;
    size_t made = 7;
    mp2ml_error err = {MP2ML_OK, ""};
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 4, 1), 4);
    assert_int_equal(p.parts[FRAME_PREPARED],
                     1 + 1 + 4 * 3 + 1); /* the shape; promise; halves; end */
    link_set_tap(p.client->link, spoil_told, &p);
    assert_int_equal(mp2ml_client_prepare(p.client, 5, 1, &made, &err), MP2ML_ERR_PROTOCOL);
    assert_int_equal(made, 0);
    pair_end(&p, MP2ML_ERR_CLOSED);
}

/* The most that fits, however many are wanted. */
static size_t check_limit(const struct pair *p, const struct shape *shape, uint64_t most)
{
    const struct shapes *all = &p->client->shapes;
    const size_t fits = prepare_limit(all, shape, PARTY_CLIENT, 64, true, most);
    for (size_t n = fits; n < 64; n++)
        assert_int_equal(prepare_limit(all, shape, PARTY_CLIENT, n, true, most), fits);
    return fits;
}

/* Items of all shapes, pools and the run that is needed fit the limit together. */
static void memory_of_all_shapes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 70};
    struct pair p;
    pair_start(&p, true, 100000, 0);
    for (unsigned i = 0; i < 4; i++)
        ask(&p, sizes[i], -1, i);
    const struct shapes *all = &p.client->shapes;
    const uint64_t run = run_memory(p.client->last_plan, PARTY_CLIENT, 0, 70);
    const uint64_t most = run + run / 4;
    p.client->options.max_memory = most;
    size_t made = 0;
    for (unsigned i = 0; i < 4; i++) {
        const struct request r = {.images = sizes[i]};
        const size_t fits = check_limit(&p, shapes_find(&p.client->shapes, &r), most);
        assert_int_equal(prepare(&p, 64, sizes[i]), fits);
        made += fits;
        assert_true(shapes_memory(all, PARTY_CLIENT) <= most);
    }
    assert_true(made > 1 && made < 200);
    for (unsigned i = 0; i < 8; i++) {
        ask(&p, sizes[i % 4], -1, i);
        assert_true(shapes_memory(all, PARTY_CLIENT) <= most);
    }
    assert_true(left(&p) > 0);
    const uint64_t there = shapes_memory(all, PARTY_CLIENT);
    shapes_make_room(&p.client->shapes, PARTY_CLIENT, 0, there);
    assert_true(shapes_memory(all, PARTY_CLIENT) == there);
    shapes_make_room(&p.client->shapes, PARTY_CLIENT, 0, there - 1); /* a run goes */
    assert_true(shapes_memory(all, PARTY_CLIENT) < there);
    pair_end(&p, MP2ML_OK);
}

/* --max-prepared counts the items of all shapes. */
static void number_of_all_shapes(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 2, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    assert_int_equal(prepare(&p, 2, 3), 0);
    ask(&p, 1, -1, 1);
    assert_int_equal(prepare(&p, 2, 3), 1);
    pair_end(&p, MP2ML_OK);
}

/* The server's limits, and the client's. */
static void less_than_asked(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 2, 0);
    assert_int_equal(prepare(&p, 100, 1), 2);
    assert_int_equal(prepare(&p, 1, 3000), 0); /* of two blocks */
    ask(&p, 1, -1, 1);
    p.client->options.max_memory = run_memory(p.client->last_plan, PARTY_CLIENT, 0, 1) / 2;
    assert_int_equal(prepare(&p, 2, 1), 1); /* what is left */
    p.client->options.max_memory *= 2;
    ask(&p, 1, -1, 2);
    p.client->options.max_memory /= 2;
    assert_int_equal(prepare(&p, 2, 1), 0);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, false, 64, 0);
    assert_int_equal(prepare(&p, 1, 3000), 0); /* halves of two blocks: neither */
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 0, 0);
    assert_int_equal(prepare(&p, 100, 1), 0);
    ask(&p, 1, -1, 1);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 1000000, 0);
    assert_int_equal(prepare(&p, 1000, 512), 4); /* 2,048 images */
    pair_end(&p, MP2ML_OK);
    const size_t one = run_memory(&model->plan->pub, PARTY_SERVER, 0, 1);
    pair_start(&p, true, 64, one + one / 2);
    const size_t some = prepare(&p, 64, 1);
    assert_true(some > 0 && some < 64);
    for (uint64_t i = 0; i < 2; i++)
        ask(&p, 1, -1, i);
    pair_end(&p, MP2ML_OK);
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 64, 1), 64); /* control */
    pair_end(&p, MP2ML_OK);
}

/* What was prepared for one shape is enough for it whatever another shape takes. */
static void two_shapes(void **state)
{
    (void)state;
    struct pair p;
    pair_start(&p, true, 64, 0);
    assert_int_equal(prepare(&p, 2, 1), 2);
    assert_int_equal(prepare(&p, 2, 4), 2);
    p.parts[FRAME_OT_EXTEND] = 0;
    for (unsigned i = 0; i < 2; i++)
        ask(&p, 4, -1, i);
    for (unsigned i = 0; i < 2; i++)
        ask(&p, 1, -1, i);
    assert_int_equal(p.parts[FRAME_OT_EXTEND], 0);
    pair_end(&p, MP2ML_OK);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static void cut(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                size_t length)
{
    (void)sent, (void)step, (void)part, (void)length;
    struct pair *p = context;
    if (type == p->watched)
        channel_cancel(p->client->channel);
}

/* The server's thread ends, however. */
static void pair_stop(struct pair *p)
{
    mp2ml_client_free(p->client);
    served_join(&p->served);
}

/* A request that failed was not answered, and a failed prepare prepared nothing. */
static void failures_count_nothing(void **state)
{
    (void)state;
    struct pair p;
    static float x[PIXELS], y[LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    mp2ml_error err = {MP2ML_OK, ""};
    size_t made = 7;
    pair_start(&p, true, 64, 0);
    p.watched = FRAME_CT_OUT;
    link_set_tap(p.client->link, cut, &p);
    assert_int_not_equal(mp2ml_client_prepare(p.client, 3, 1, &made, &err), MP2ML_OK);
    assert_int_equal(made, 0);
    assert_int_equal(mp2ml_client_stats(p.client).prepared, 0);
    assert_int_not_equal(mp2ml_client_prepare(p.client, 3, 1, NULL, &err), MP2ML_OK);
    assert_int_not_equal(mp2ml_client_predict(p.client, 1, inputs, outputs, &err), MP2ML_OK);
    pair_stop(&p);
    assert_int_equal(p.served.counts.prepared, 0);
    pair_start(&p, true, 64, 0);
    link_set_tap(p.client->link, cut, &p);
    p.watched = FRAME_CT_OUT;
    assert_int_not_equal(mp2ml_client_predict(p.client, 1, inputs, outputs, &err), MP2ML_OK);
    assert_int_equal(mp2ml_client_stats(p.client).requests, 0);
    pair_stop(&p);
}

/* Layout and engine are those of requests; what a receipt says of both parties follows what was. */
static bool receipt_has(const struct pair *p, const char *text)
{
    char *receipt = NULL;
    assert_int_equal(mp2ml_client_receipt(p->client, &receipt, NULL), MP2ML_OK);
    const bool has = strstr(receipt, text) != NULL;
    mp2ml_free(receipt);
    return has;
}

static void receipt_follows(void **state)
{
    (void)state;
    struct pair p;
    mp2ml_model *batch = model;
    pair_start(&p, false, 64, 0);
    assert_false(receipt_has(&p, "were prepared"));
    assert_int_equal(prepare(&p, 1, 1), 1);
    assert_true(receipt_has(&p, "were prepared"));
    assert_string_equal(mp2ml_client_stats(p.client).layout, "");
    assert_string_equal(mp2ml_client_stats(p.client).engine, "");
    ask(&p, 1, -1, 1);
    assert_string_equal(mp2ml_client_stats(p.client).layout, "batch");
    assert_string_equal(mp2ml_client_stats(p.client).engine, "gmw");
    assert_false(receipt_has(&p, "geometry"));
    pair_end(&p, MP2ML_OK);
    model = in_images();
    pair_start(&p, false, 64, 0);
    assert_false(receipt_has(&p, "geometry"));
    ask(&p, 1, -1, 1);
    assert_true(receipt_has(&p, "geometry"));
    pair_end(&p, MP2ML_OK);
    mp2ml_model_free(model);
    model = batch;
}

/* Calls behind a cut, which the connection survives only where the frame never came. */
static void calls_after(struct pair *p)
{
    static float x[4 * PIXELS], y[4 * LOGITS];
    const float *inputs[1] = {x};
    float *outputs[1] = {y};
    mp2ml_error err = {MP2ML_OK, ""};
    for (unsigned n = 0; n < 3; n++) {
        size_t made;
        (void)!mp2ml_client_prepare(p->client, 3, 1 + n, &made, &err);
        (void)!mp2ml_client_predict(p->client, 1, inputs, outputs, &err);
        (void)!mp2ml_client_predict(p->client, 4, inputs, outputs, &err);
        assert_true(!receipt_has(p, "no such text"));
    }
}

static void cut_anywhere(void **state)
{
    (void)state;
    static const enum frame_type types[] = {
        FRAME_PREPARE, FRAME_ACCEPT, FRAME_PREPARED, FRAME_CT_IN,     FRAME_CT_OUT,
        FRAME_MASKED,  FRAME_OPEN,   FRAME_AND_OPEN, FRAME_OT_EXTEND, FRAME_REQUEST};
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
            for (unsigned when = 0; when < 3; when++) {
                struct pair p;
                pair_start(&p, kind != 0, 64, 0);
                if (when > 0)
                    (void)prepare(&p, 2, 1);
                if (when > 1)
                    ask(&p, 1, -1, 1);
                p.watched = types[i];
                link_set_tap(p.client->link, cut, &p);
                calls_after(&p);
                assert_true(p.client->failed || types[i] == FRAME_MASKED ||
                            types[i] == FRAME_CT_IN);
                pair_stop(&p);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prepare_again),        cmocka_unit_test(repeated_prepares),
        cmocka_unit_test(thrown_away),          cmocka_unit_test(items_keep_their_shape),
        cmocka_unit_test(server_is_waited_for), cmocka_unit_test(memory_of_all_shapes),
        cmocka_unit_test(number_of_all_shapes), cmocka_unit_test(less_than_asked),
        cmocka_unit_test(two_shapes),           cmocka_unit_test(failures_count_nothing),
        cmocka_unit_test(receipt_follows),      cmocka_unit_test(cut_anywhere),
    };
    return cmocka_run_group_tests(tests, pair_load, pair_unload);
}
