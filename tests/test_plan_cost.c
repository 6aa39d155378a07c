/* SPDX-License-Identifier: Apache-2.0
 *
 * Costs: bytes and flights of known steps by hand, sums over blocks, and what text and JSON say. */
#include <jansson.h>

#include "plan/choose.h"
#include "plan_fixture.h"

/* input 6 -> linear 5 (S1) -> relu -> linear 3 (S2) -> output */
static struct plan *small_plan(struct net *net)
{
    net_init(net, 80);
    int y = net_relu(net, net_dense(net, net_input(net, DIMS(6)), 5));
    net_output(net, net_dense(net, y, 3));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, 12, 18);
    net_has_steps(plan, "input linear relu linear output");
    assert_int_equal(plan->pub.steps[1].set, CKKS_S1);
    return plan;
}

static void frames(void **state)
{
    (void)state;
    struct plan_step s1 = {.kind = STEP_LINEAR, .set = CKKS_S1};
    struct plan_step s2 = {.kind = STEP_LINEAR, .set = CKKS_S2};
    assert_int_equal(plan_ct_in_per_frame(&s1, 1), 65536);
    assert_int_equal(plan_ct_in_per_frame(&s1, 2048), 32);
    assert_int_equal(plan_ct_in_per_frame(&s1, 100000), 1);
    assert_int_equal(plan_ct_out_per_frame(&s1, 1), 32);
    assert_int_equal(plan_ct_out_per_frame(&s2, 2048), 16);
}

static void linear_steps(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    struct ot_ledger ledger = {.k_ss = 4};
    /* 6*41 bits = 31 bytes to the server; 5*(2048*17 + 12) bits = 21768 bytes back. */
    struct cost c = plan_step_cost(plan, 1, 1, 0, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 31);
    assert_int_equal(c.bytes_to_client, 16 + 21768);
    assert_int_equal(c.flights, 2);
    /* 5*83*10 bits = 519 bytes; 3*(4096*24 + 18*10) bits = 36932 bytes. */
    c = plan_step_cost(plan, 3, 10, 0, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 519);
    assert_int_equal(c.bytes_to_client, 16 + 36932);
    assert_int_equal(c.ots_from_server + c.ots_from_client, 0);
    /* In the clear: 6 floats, nothing encrypted. A hidden operand stays encrypted. */
    c = plan_step_cost(plan, 0, 10, 1, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 6 * 10 * 4);
    assert_int_equal(c.flights, 1);
    c = plan_step_cost(plan, 0, 10, 2, &ledger);
    assert_int_equal(c.bytes_to_server, 0);
    c = plan_step_cost(plan, 1, 10, 1, &ledger);
    assert_int_equal(c.bytes_to_server + c.bytes_to_client + c.flights, 0);
    c = plan_step_cost(plan, 3, 10, 1, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 519);
    /* Opened: 3*18*10 bits. */
    c = plan_step_cost(plan, 4, 10, 0, &ledger);
    assert_int_equal(c.bytes_to_client, 16 + 68);
    assert_int_equal(c.flights, 0); /* follows the last CT_OUT at once */
    net_done(&net, plan);
}

/* More ciphertexts than one frame holds. */
static void several_frames(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 81);
    net_output(&net, net_relu(&net, net_dense(&net, net_input(&net, DIMS(70)), 37)));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 12);
    struct ot_ledger ledger = {.k_ss = 4};
    struct cost c = plan_step_cost(plan, 1, 2048, 0, &ledger);
    /* In: 32 + 32 + 6 of 2048*83 bits. Out, S2: 16 + 16 + 5 of 4096*18 + 2048*12 bits. */
    assert_int_equal(c.bytes_to_server, 3 * 16 + 70 * 2048 * 83 / 8);
    assert_int_equal(c.bytes_to_client, 3 * 16 + 37 * (4096 * 18 + 2048 * 12) / 8);
    c = plan_step_cost(plan, 1, 2047, 0, &ledger); /* each frame is padded on its own */
    size_t in = (32 * 2047 * 83 + 7) / 8 * 2 + (6 * 2047 * 83 + 7) / 8;
    assert_int_equal(c.bytes_to_server, 3 * 16 + in);
    net_done(&net, plan);
}

/* Positions below each limit, counted place by place. */
static void check_places_below(const struct packing_box *boxes, uint32_t n_boxes, size_t positions)
{
    const size_t places = packing_places(boxes, n_boxes);
    uint32_t *value = calloc(places, sizeof *value), *position = calloc(places, sizeof *position);
    assert_true(value != NULL && position != NULL);
    packing_expand(value, position, boxes, n_boxes);
    for (size_t limit = 0; limit <= positions; limit++) {
        size_t below = 0;
        for (size_t i = 0; i < places; i++)
            below += position[i] < limit;
        assert_int_equal(packing_places_below(boxes, n_boxes, limit), below);
    }
    free(value);
    free(position);
}

static void places_below(void **state)
{
    (void)state;
    const struct packing_box boxes[] = {
        {0, 3, {2, 3, 4, 5}, {60, 20, 5, 1}, {300, 7, 40, 1}}, /* axes out of order */
        {120, 0, {1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}},
        {121, 299, {1, 1, 1, 3}, {0, 0, 0, 1}, {0, 0, 0, 300}}, /* one each in three ciphertexts */
    };
    check_places_below(boxes, 3, 1000);
    check_places_below(boxes + 1, 1, 3);
    assert_int_equal(packing_places_below(boxes, 3, UINT64_MAX), 124);
}

/* Places of a handmade packing in set S1: 2 ciphertexts in, 3 out with 2, 2 and 1 results. */
static void image_steps(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    struct plan_step *step = &plan->pub.steps[1];
    struct packed *packed = calloc(1, sizeof *packed);
    plan->packed = calloc(plan->pub.n_steps + 1, sizeof(struct packed *));
    assert_true(packed != NULL && plan->packed != NULL);
    plan->packed[1] = packed;
    packed->set = CKKS_S1;
    packed->n_products = 4;
    struct packing_box in = {0, 5, {1, 1, 2, 3}, {0, 0, 3, 1}, {0, 0, 2048, 9}};
    struct packing_box out[2] = {{0, 1, {1, 1, 2, 2}, {0, 0, 2, 1}, {0, 0, 2048, 100}},
                                 {4, 4096, {1, 1, 1, 1}, {0}, {0}}};
    const struct packing places = {2, 3, 1, 2, &in, out};
    assert_int_equal(packing_copy(&packed->places, &places), MP2ML_OK);
    assert_int_equal(packing_copy(&step->packing, &places), MP2ML_OK);
    step->layout = PLAN_IMAGE;
    assert_int_equal(plan_ct_in_per_frame(step, 1), 32);
    assert_int_equal(plan_ct_in_per_frame(step, 2000), 32);
    assert_int_equal(plan_image_group(step, 1), 1);
    /* (2 + 2*3) polynomials of 16 KiB an image, 32 MiB */
    assert_int_equal(plan_image_group(step, 2000), 256);
    struct ot_ledger ledger = {.k_ss = 4};
    /* 2*2048*41 bits in; 3*2048*17 + 5*12 bits out: 60 bits are 8 bytes. */
    struct cost c = plan_step_cost(plan, 1, 1, 0, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 20992);
    assert_int_equal(c.bytes_to_client, 16 + 13056 + 8);
    assert_int_equal(c.flights, 2);
    assert_true(c.memory > 8 * 8 * 2048 && c.server_seconds > 0 && c.client_seconds > 0);
    /* 11 images: 22 ciphertexts in one frame; 33 rows in two, the last row alone in its own, with the
     * last of the 55 results: 648 bits are 81 bytes, 12 bits are 2. */
    c = plan_step_cost(plan, 1, 11, 0, &ledger);
    assert_int_equal(c.bytes_to_server, 16 + 22 * 10496);
    assert_int_equal(c.bytes_to_client, 2 * 16 + 33 * 4352 + 81 + 2);
    assert_int_equal(c.flights, 2);
    /* Two groups. */
    c = plan_step_cost(plan, 1, 257, 0, &ledger);
    assert_int_equal(c.bytes_to_server, (16 + 1) * 16 + 514 * 10496);
    assert_int_equal(c.flights, 4);
    /* In the clear the layout does not matter. */
    c = plan_step_cost(plan, 1, 10, 1, &ledger);
    assert_int_equal(c.bytes_to_server + c.bytes_to_client + c.flights, 0);
    net_done(&net, plan);
}

static void sums(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    struct ot_ledger ledger = {.k_ss = 4};
    uint64_t to_server = 0, to_client = 0, flights = 0;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        struct cost c = plan_step_cost(plan, s, 3, 0, &ledger);
        to_server += c.bytes_to_server;
        to_client += c.bytes_to_client;
        flights += c.flights;
    }
    struct cost all = plan_cost(plan, 3, 0);
    assert_int_equal(all.bytes_to_server, to_server);
    assert_int_equal(all.bytes_to_client, to_client);
    assert_int_equal(all.flights, flights);
    assert_true(all.memory > 0 && all.client_seconds > 0 && all.server_seconds > 0);
    assert_true(all.ots_from_server > 0 && all.ots_from_client > 0);

    struct cost block = plan_cost(plan, PLAN_BLOCK_IMAGES, 0);
    struct cost more = plan_cost(plan, 2 * PLAN_BLOCK_IMAGES + 3, 0);
    assert_true(more.bytes_to_client > 2 * block.bytes_to_client);
    assert_true(more.flights >= 2 * block.flights + all.flights - 6 &&
                more.flights <= 2 * block.flights + all.flights);
    assert_int_equal(more.memory >= block.memory, 1);
    /* What is plain is not encrypted: PLAIN_IN opens a flight that the next OT frame continues. */
    struct cost plain = plan_cost(plan, 3, 1);
    assert_true(plain.bytes_to_client < all.bytes_to_client);
    net_done(&net, plan);
}

static mp2ml_status describe(mp2ml_status (*call)(char **, const struct plan *,
                                                  const struct plan_situation *),
                             char **out, const struct plan *plan, size_t images)
{
    struct plan_situation situation;
    plan_situation_init(&situation);
    situation.images = situation.block = images;
    return call(out, plan, &situation);
}

static void text(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    char *out = NULL;
    assert_int_equal(describe(plan_print, &out, plan, 10), MP2ML_OK);
    const char *const words[] = {"linear",     "relu",          "output",    "S1",
                                 "S2",         "for 10 images", "flights",   "auto",
                                 "who learns", "logits",        "would wrap"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(out, words[i]) == NULL)
            fail_msg("'%s' is not in:\n%s", words[i], out);
    free(out);
    assert_int_equal(describe(plan_print, &out, plan, 0), MP2ML_ERR_ARGUMENT);
    assert_null(out);
    net_done(&net, plan);
    net_init(&net, 82);
    net_output(&net, net_dense(&net, net_input(&net, DIMS(6)), 5));
    struct plan_options o = net_logits();
    plan = net_plan(&net, &o); /* without scales there is nothing to print */
    assert_int_equal(describe(plan_print, &out, plan, 1), MP2ML_ERR_ARGUMENT);
    assert_int_equal(describe(plan_json, &out, plan, 1), MP2ML_ERR_ARGUMENT);
    net_done(&net, plan);
}

static json_int_t count_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

static void json(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    char *out = NULL;
    assert_int_equal(describe(plan_json, &out, plan, 10), MP2ML_OK);
    json_t *o = json_loads(out, 0, NULL);
    assert_non_null(o);
    free(out);
    const json_t *in = json_array_get(json_object_get(o, "inputs"), 0);
    assert_string_equal(json_string_value(json_object_get(in, "name")), "n0");
    assert_string_equal(json_string_value(json_object_get(in, "dtype")), "float32");
    const json_t *shape = json_object_get(in, "shape");
    assert_int_equal(json_array_size(shape), 2);
    assert_int_equal(json_integer_value(json_array_get(shape, 0)), -1);
    assert_int_equal(json_integer_value(json_array_get(shape, 1)), 6);
    assert_int_equal(json_array_size(json_object_get(o, "outputs")), 1);
    assert_string_equal(json_string_value(json_object_get(o, "layout")), "batch");
    const json_t *steps = json_object_get(o, "steps"), *totals = json_object_get(o, "totals");
    assert_int_equal(json_array_size(steps), plan->pub.n_steps);
    json_int_t sum = 0;
    for (size_t s = 0; s < json_array_size(steps); s++)
        sum += count_of(json_array_get(steps, s), "bytes_to_server");
    struct cost c = plan_cost(plan, 10, 0);
    assert_int_equal(count_of(totals, "bytes_to_server"), c.bytes_to_server);
    assert_int_equal(sum, c.bytes_to_server);
    assert_int_equal(count_of(totals, "flights"), c.flights);
    assert_true(json_array_size(json_object_get(o, "leaks")) >= 4);
    json_decref(o);
    net_done(&net, plan);
}

/* A plan in layout image says so, with its ciphertexts and what they show. */
static void image_layout(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = small_plan(&net);
    struct plan_situation situation;
    struct plan_public chosen;
    char *out = NULL;
    assert_int_equal(describe(plan_print, &out, plan, 10), MP2ML_OK);
    assert_null(strstr(out, "channels per ciphertext"));
    free(out);
    plan_situation_init(&situation);
    situation.layout = 1 + PLAN_IMAGE;
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    assert_int_equal(plan_choose(&chosen, plan, &situation), MP2ML_OK);
    const struct plan view = plan_view(plan, &chosen);
    assert_int_equal(describe(plan_print, &out, &view, 10), MP2ML_OK);
    assert_non_null(strstr(out, "layout  image"));
    assert_non_null(strstr(out, "channels per ciphertext"));
    free(out);
    assert_int_equal(describe(plan_json, &out, &view, 10), MP2ML_OK);
    json_t *o = json_loads(out, 0, NULL);
    assert_non_null(o);
    free(out);
    for (unsigned s = 0; s < chosen.n_steps; s++) {
        const json_t *step = json_array_get(json_object_get(o, "steps"), s);
        if (chosen.steps[s].kind != STEP_LINEAR)
            continue;
        assert_int_equal(count_of(step, "ciphertexts_in"), 10 * plan->packed[s]->places.in_cts);
        assert_int_equal(count_of(step, "ciphertexts_out"), 10 * plan->packed[s]->places.out_cts);
        assert_string_equal(json_string_value(json_object_get(step, "set")),
                            plan->packed[s]->set == CKKS_S1 ? "S1" : "S2");
    }
    json_decref(o);
    plan_public_wipe(&chosen);
    net_done(&net, plan);
}

static void names_of_kinds(void **state)
{
    (void)state;
    assert_string_equal(step_kind_name(STEP_REENTRY), "re-entry");
    assert_string_equal(step_kind_name((enum step_kind)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames),         cmocka_unit_test(linear_steps),
        cmocka_unit_test(places_below),   cmocka_unit_test(image_steps),
        cmocka_unit_test(several_frames), cmocka_unit_test(sums),
        cmocka_unit_test(text),           cmocka_unit_test(json),
        cmocka_unit_test(names_of_kinds), cmocka_unit_test(image_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
