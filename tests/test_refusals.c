/* SPDX-License-Identifier: Apache-2.0
 *
 * All refusals of a file at once: each once, in the order of the file, and never one that is only a
 * consequence of another. */
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Closes the writer's file and lists its refusals, to be wiped by the caller. */
static mp2ml_status explain(struct graph_refusals *r, struct gd_writer *w, mp2ml_error *err)
{
    struct graph *g;
    memset(r, 0, sizeof *r);
    memset(err, 0, sizeof *err);
    gd_finish(w);
    const mp2ml_status status = graph_explain(&g, r, w->file.data, w->file.size, "t", NULL, err);
    gd_wipe(w);
    assert_true((status == MP2ML_OK) == (g != NULL));
    graph_free(g);
    return status;
}

static void check_entry(const struct graph_refusal *r, const char *node, const char *op,
                        const char *why)
{
    assert_string_equal(r->node, node);
    assert_string_equal(r->op, op);
    if (strstr(r->why, why) == NULL)
        fail_msg("'%s' is not in: %s", why, r->why);
    assert_null(strstr(r->why, "node '")); /* said already */
}

static void test_nothing_to_refuse(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Relu", "x");
    assert_int_equal(explain(&r, &w, &err), MP2ML_OK);
    assert_int_equal(r.count, 0);
    graph_refusals_wipe(&r);
}

/* Unknown operators, one that only constants may have, one refused while it is rewritten; what reads
 * them is not told, unless it is unknown itself. */
static void test_all_are_listed(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    const float power = 2.5F;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_floats(&w, "p", &power, NULL, 0);
    gd_int_list(&w, "axes", (const int32_t[]){7}, 1);
    gd_node(&w, "raised", "Pow", "x p");
    gd_node(&w, "first", "Elu", "raised");
    gd_node(&w, "after", "Relu", "first");
    gd_node(&w, "sums", "Mean", "after axes"); /* would not fit, but depends on a refused one */
    gd_node(&w, "curve", "Exp", "x");
    gd_node(&w, "second", "NoSuchThing", "sums");
    gd_node(&w, "third", "Selu", "first");
    gd_node(&w, "joined", "AddN", "third second curve raised");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, 5);
    check_entry(&r.list[0], "raised", "Pow", "data are raised to the powers");
    check_entry(&r.list[1], "first", "Elu", "exponentials");
    check_entry(&r.list[2], "curve", "Exp", "on shapes and constants only");
    check_entry(&r.list[3], "second", "NoSuchThing", "docs/models.md");
    check_entry(&r.list[4], "third", "Selu", "exponentials");
    assert_non_null(strstr(r.list[1].rewrite, "HardSwish"));
    assert_non_null(strstr(r.list[2].rewrite, "Relu or Clip"));
    assert_null(r.list[3].rewrite);
    assert_non_null(strstr(err.text, "t: node 'raised' (Pow): "));
    graph_refusals_wipe(&r);
}

/* The same file without a list ends with one of them. */
static void test_one_without_a_list(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "curve", "Exp", "x");
    gd_node(&w, "second", "Elu", "curve");
    fixture_fails(
        &w, MP2ML_ERR_UNSUPPORTED,
        "node 'second' (Elu): this operator has no private form: it needs exponentials of "
        "private values; train with Relu, LeakyRelu or HardSwish in its place (`mp2ml plan "
        "--explain-unsupported MODEL` lists everything of that kind)");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "curve", "Exp", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED,
                  "; replace it by Square, Abs, Relu or Clip, or compute");
}

static void test_several_outputs_of_a_refused_node(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int(&w, "k", 2);
    gd_node(&w, "best", "TopKV2", "x k");
    gd_node(&w, "y", "Sub", "best best:1");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, 1);
    check_entry(&r.list[0], "best", "TopKV2", "order or size");
    graph_refusals_wipe(&r);
}

/* A loop, as old files write it: all its operators are named, and the work ends. */
static void test_loops_end(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "enter", "Enter", "x");
    gd_node(&w, "merge", "Merge", "enter next");
    gd_node(&w, "body", "Relu", "merge");
    gd_node(&w, "next", "NextIteration", "body");
    gd_node(&w, "exit", "Exit", "merge");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, 4);
    check_entry(&r.list[0], "enter", "Enter", "loops");
    check_entry(&r.list[1], "body", "Relu", "depends on itself");
    check_entry(&r.list[2], "next", "NextIteration", "loops");
    check_entry(&r.list[3], "exit", "Exit", "loops");
    graph_refusals_wipe(&r);
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "a", "Add", "x b");
    gd_node(&w, "b", "Relu", "a");
    gd_node(&w, "y", "Relu", "b");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, 1);
    graph_refusals_wipe(&r);
}

static void test_random_numbers_are_one_refusal(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "shape", "Shape", "x");
    gd_node(&w, "noise", "RandomUniform", "shape");
    gd_node(&w, "noisy", "Add", "x noise");
    gd_node(&w, "y", "Relu", "noisy");
    gd_node(&w, "z", "Softplus", "y");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, 2);
    check_entry(&r.list[0], "noise", "RandomUniform", "there for training");
    check_entry(&r.list[1], "z", "Softplus", "exponentials");
    graph_refusals_wipe(&r);
}

/* What is wrong with the file is not a refusal, and ends the work. */
static void test_damage_is_no_refusal(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "e", "Elu", "x");
    gd_node(&w, "y", "Relu", "x missing");
    gd_node(&w, "z", "AddN", "e y");
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_MODEL);
    assert_non_null(strstr(err.text, "does not exist"));
    graph_refusals_wipe(&r);
}

static void test_texts_are_clean_and_long_lists_are_cut(void **state)
{
    (void)state;
    struct graph_refusals r = {0};
    assert_int_equal(graph_refusals_add(&r, "a\x1b[2J", "o\np", "w\x7f", NULL, 5), MP2ML_OK);
    assert_string_equal(r.list[0].node, "a?[2J");
    assert_string_equal(r.list[0].op, "o?p");
    assert_string_equal(r.list[0].why, "w?");
    assert_int_equal(graph_refusals_add(&r, "b", "", "", NULL, 3), MP2ML_OK);
    assert_int_equal(graph_refusals_add(&r, "c", "", "", NULL, 5), MP2ML_OK);
    assert_string_equal(r.list[0].node, "b");
    assert_string_equal(r.list[2].node, "c");
    while (r.count < GRAPH_MAX_REFUSALS)
        assert_int_equal(graph_refusals_add(&r, "d", "", "", NULL, 9), MP2ML_OK);
    assert_int_equal(graph_refusals_add(&r, "d", "", "", NULL, 9), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, GRAPH_MAX_REFUSALS);
    graph_refusals_wipe(&r);
    assert_int_equal(r.count, 0);
}

/* A file with more than the list takes. */
static void test_too_many_refusals(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    struct graph_refusals r;
    mp2ml_error err;
    char name[16] = "x", before[16];
    gd_input(&w, "x", SHAPE(-1, 4));
    for (int k = 0; k < GRAPH_MAX_REFUSALS + 5; k++) {
        memcpy(before, name, sizeof before);
        (void)snprintf(name, sizeof name, "n%d", k);
        gd_node(&w, name, "Elu", before);
    }
    assert_int_equal(explain(&r, &w, &err), MP2ML_ERR_UNSUPPORTED);
    assert_int_equal(r.count, GRAPH_MAX_REFUSALS);
    graph_refusals_wipe(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_refuse),
        cmocka_unit_test(test_all_are_listed),
        cmocka_unit_test(test_one_without_a_list),
        cmocka_unit_test(test_several_outputs_of_a_refused_node),
        cmocka_unit_test(test_loops_end),
        cmocka_unit_test(test_random_numbers_are_one_refusal),
        cmocka_unit_test(test_damage_is_no_refusal),
        cmocka_unit_test(test_texts_are_clean_and_long_lists_are_cut),
        cmocka_unit_test(test_too_many_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
