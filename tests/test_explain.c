/* SPDX-License-Identifier: Apache-2.0
 *
 * What a planner cannot do is listed like what a reader cannot, each node once. */
#include "model_fixture.h"
#include "session/session.h"

#include <unistd.h>

/* Lists the refusals of the writer's file, which is freed. */
static size_t explain(struct gd_writer *w, int json, char **text)
{
    char path[] = "/tmp/mp2ml-explain-XXXXXX";
    mp2ml_error err = {MP2ML_OK, ""};
    size_t count = 77;
    const int file = mkstemp(path);
    gd_finish(w);
    assert_true(file >= 0);
    assert_int_equal(write(file, w->file.data, w->file.size), w->file.size);
    assert_int_equal(close(file), 0);
    gd_wipe(w);
    if (mp2ml_model_explain(path, NULL, json, &count, text, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(unlink(path), 0);
    return count;
}

static void has(const char *text, const char *word)
{
    if (strstr(text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, text);
}

/* Gates inside of a network, the first read twice, and once behind a Reshape; a quotient of two
 * values, and what depends on it. */
static void write_gates(struct gd_writer *w)
{
    memset(w, 0, sizeof *w);
    gd_input(w, "x", SHAPE(-1, 4));
    gd_node(w, "gate", "Sigmoid", "x");
    gd_int_list(w, "square", (const int32_t[]){-1, 2, 2}, 3);
    gd_int_list(w, "flat", (const int32_t[]){-1, 4}, 2);
    gd_node(w, "moved", "Reshape", "gate square");
    gd_node(w, "positive", "Relu", "moved");
    gd_node(w, "same", "Reshape", "positive flat");
    gd_node(w, "a", "Mul", "x gate");
    gd_node(w, "b", "Add", "same a");
    gd_node(w, "c", "Tanh", "b");
    gd_node(w, "d", "Relu", "c");
    gd_node(w, "ratio", "RealDiv", "d a");
    gd_node(w, "after", "RealDiv", "ratio d");
    gd_node(w, "y", "Relu", "after");
}

static void test_plans_refusals(void **state)
{
    (void)state;
    struct gd_writer w;
    char *text;
    write_gates(&w);
    assert_int_equal(explain(&w, 0, &text), 3);
    has(text,
        "node 'gate' (Sigmoid)\n    has a private form at the end of a network only, but node "
        "'positive' (Relu) reads it\n    instead: use HardSigmoid");
    has(text, "node 'c' (Tanh)\n");
    has(text, "node 'ratio' (RealDiv)\n");
    has(text, "instead: multiply by a constant");
    has(text, "3 without a private form");
    assert_null(strstr(text, "'after'"));
    mp2ml_free(text);
}

/* Whoever meets the first one learns how to see all. */
static void test_first_refusal(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_model *model = NULL;
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "gate", "Sigmoid", "x");
    gd_node(&w, "y", "Relu", "gate");
    gd_finish(&w);
    assert_int_equal(mp2ml_model_parse(&model, w.file.data, w.file.size, "t", NULL, &err),
                     MP2ML_ERR_UNSUPPORTED);
    has(err.text, "node 'gate' (Sigmoid) has a private form at the end of a network only");
    has(err.text, "(`mp2ml plan --explain-unsupported MODEL` lists everything of that kind)");
    assert_null(model);
    gd_wipe(&w);
}

static void test_json(void **state)
{
    (void)state;
    struct gd_writer w;
    char *text;
    write_gates(&w);
    assert_int_equal(explain(&w, 1, &text), 3);
    has(text, "{\"refusals\":[{\"node\":\"gate\",\"operator\":\"Sigmoid\",\"why\":\"has a private");
    mp2ml_free(text);
    memset(&w, 0, sizeof w); /* a name that is no text */
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "\xff\xfe", "NoSuchThing", "x");
    assert_int_equal(explain(&w, 1, &text), 1);
    has(text, "\"node\":\"??\",\"operator\":\"NoSuchThing\"");
    has(text, "\"instead\":null");
    mp2ml_free(text);
}

/* Pictures as a result need a policy to be planned, but have a private form. */
static void test_nothing_is_refused(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    char *text;
    gd_input(&w, "x", SHAPE(-1, 2, 2));
    gd_node(&w, "r", "Relu", "x");
    gd_node(&w, "y", "Sigmoid", "r");
    assert_int_equal(explain(&w, 0, &text), 0);
    assert_string_equal(text, "every operator has a private form");
    mp2ml_free(text);
    gd_input(&w, "x", SHAPE(-1, 2, 2));
    gd_node(&w, "y", "Relu", "x");
    assert_int_equal(explain(&w, 1, &text), 0);
    assert_string_equal(text, "{\"refusals\":[]}");
    mp2ml_free(text);
}

static void test_what_is_no_model(void **state)
{
    (void)state;
    mp2ml_error err = {MP2ML_OK, ""};
    char *text = NULL;
    size_t count;
    assert_int_equal(mp2ml_model_explain("/nonexistent.pb", NULL, 0, &count, &text, &err),
                     MP2ML_ERR_IO);
    assert_null(text);
    has(err.text, "/nonexistent.pb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_refusals),
        cmocka_unit_test(test_first_refusal),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_nothing_is_refused),
        cmocka_unit_test(test_what_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
