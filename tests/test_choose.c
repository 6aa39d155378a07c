/* SPDX-License-Identifier: Apache-2.0
 *
 * The choice of layout and engine by expected time, and the time itself. */
#include "plan/choose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"

#define BASE 90

/* dense 40 -> 30, relu, dense 30 -> 10; the label. */
static struct plan *two_layers(struct net *net)
{
    net_init(net, BASE);
    int x = net_relu(net, net_dense(net, net_input(net, DIMS(40)), 30));
    net_output(net, net_dense(net, x, 10));
    struct plan_options o = net_logits();
    o.policy = PLAN_ARGMAX;
    struct plan *plan = net_plan(net, &o);
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(plan_scale(plan, 14, 16, &err), MP2ML_OK);
    return plan;
}

static struct plan_situation situation_of(size_t images, const char *network)
{
    struct plan_situation s;
    plan_situation_init(&s);
    s.images = images;
    s.block = images < PLAN_BLOCK_IMAGES ? images : PLAN_BLOCK_IMAGES;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(network_parse(&s.network, network, "network", &err), MP2ML_OK);
    return s;
}

static double seconds_of(const struct plan *plan, const struct plan_situation *s, unsigned engine)
{
    struct plan_situation forced = *s;
    struct plan_public chosen;
    forced.engine = engine;
    assert_int_equal(plan_choose(&chosen, plan, &forced), MP2ML_OK);
    const struct plan view = plan_view(plan, &chosen);
    double seconds = plan_seconds(&view, &forced);
    plan_public_wipe(&chosen);
    return seconds;
}

/* Long round trips want the engine with few flights, large batches the one with few bytes. */
static void engines(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = two_layers(&net);
    const struct {
        size_t images;
        const char *network, *engine;
    } cases[] = {{1, "wan", "yao"},
                 {1, "cable", "yao"},
                 {2048, "loopback", "gmw"},
                 {2048, "1ms:20mbit", "gmw"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct plan_situation s = situation_of(cases[i].images, cases[i].network);
        struct plan_public chosen;
        assert_int_equal(plan_choose(&chosen, plan, &s), MP2ML_OK);
        if (strcmp(plan_engine_name(&chosen), cases[i].engine) != 0)
            fail_msg("%zu images over %s: %s", cases[i].images, cases[i].network,
                     plan_engine_name(&chosen));
        plan_public_wipe(&chosen);
    }
    net_done(&net, plan);
}

/* No forced engine is expected to be faster than the choice. */
static void best(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = two_layers(&net);
    const char *const links[] = {"loopback", "lan", "wan", "fibre", "cable", "1ms:1mbit"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        for (size_t images = 1; images <= 4096; images *= 8) {
            const struct plan_situation s = situation_of(images, links[i]);
            const double chosen = seconds_of(plan, &s, CHOOSE_AUTO);
            for (unsigned e = 0; e < MPC_ENGINE_COUNT; e++)
                assert_true(chosen <= 1.02 * seconds_of(plan, &s, 1 + e));
        }
    net_done(&net, plan);
}

/* What is forced is forced, what has no alternative stays, the rest of the plan is the same. */
static void forced(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = two_layers(&net);
    struct plan_situation s = situation_of(1, "loopback");
    struct plan_public chosen;
    s.engine = 1 + MPC_YAO;
    s.layout = 1 + PLAN_BATCH;
    assert_int_equal(plan_choose(&chosen, plan, &s), MP2ML_OK);
    assert_string_equal(plan_engine_name(&chosen), "yao");
    assert_string_equal(plan_layout_name(&chosen), "batch");
    assert_int_equal(chosen.n_steps, plan->pub.n_steps);
    for (unsigned i = 0; i < chosen.n_steps; i++) {
        assert_int_equal(chosen.steps[i].kind, plan->pub.steps[i].kind);
        assert_int_equal(chosen.steps[i].k, plan->pub.steps[i].k);
        assert_int_equal(chosen.steps[i].windows.count, plan->pub.steps[i].windows.count);
        if (chosen.steps[i].windows.count > 0)
            assert_ptr_not_equal(chosen.steps[i].windows.first, plan->pub.steps[i].windows.first);
    }
    plan_public_wipe(&chosen);
    net_done(&net, plan);
}

/* What was chosen once hides no alternative: a table made of a choice has the same rows. */
static void tables(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = two_layers(&net);
    const struct plan_situation s = situation_of(1, "loopback");
    struct plan_public chosen;
    char *first = NULL, *again = NULL;
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    assert_int_equal(plan_choose(&chosen, plan, &s), MP2ML_OK);
    assert_string_equal(plan_layout_name(&chosen), "image");
    const struct plan view = plan_view(plan, &chosen);
    assert_int_equal(plan_compare(&first, plan, &s), MP2ML_OK);
    assert_int_equal(plan_compare(&again, &view, &s), MP2ML_OK);
    assert_string_equal(first, again);
    const char *const words[] = {"chosen", "batch   gmw", "batch   yao", "image   gmw",
                                 "image   yao"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_non_null(strstr(first, words[i]));
    free(first);
    free(again);
    plan_public_wipe(&chosen);
    net_done(&net, plan);
}

/* Twice the delay or half the rate takes longer by what it costs; a slow party counts. */
static void grows(void **state)
{
    (void)state;
    struct net net;
    struct plan *plan = two_layers(&net);
    const struct cost cost = plan_cost(plan, 1, 0);
    struct plan_situation s = situation_of(1, "10ms:100mbit");
    const double base = plan_seconds(plan, &s);
    double ways = 0; /* GMW's frames cross */
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    for (unsigned i = 0; i < plan->pub.n_steps; i++) {
        const double flights = (double)plan_step_cost(plan, i, 1, 0, &ledger).flights;
        ways += step_has_engine(plan->pub.steps[i].kind) ? ceil(flights / 2) : flights;
    }
    s.network.rtt_s *= 2;
    assert_true(fabs(plan_seconds(plan, &s) - base - ways * 5e-3) < 1e-9);
    s.network.rtt_s /= 2;
    s.network.bits_per_second /= 2;
    const double bytes = (double)(cost.bytes_to_server + cost.bytes_to_client);
    assert_true(plan_seconds(plan, &s) - base > bytes / 2 * 8 / 100e6);
    assert_true(plan_seconds(plan, &s) - base < 1.01 * bytes * 8 / 100e6);
    s.network.bits_per_second *= 2;
    s.client_speed = 3;
    assert_true(plan_seconds(plan, &s) - base > cost.client_seconds);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines), cmocka_unit_test(best),   cmocka_unit_test(forced),
        cmocka_unit_test(grows),   cmocka_unit_test(tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
