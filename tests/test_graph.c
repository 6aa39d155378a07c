/* SPDX-License-Identifier: Apache-2.0
 *
 * The outside of the model layer: names, the table of operators, file formats, sizes. */
#include "model_fixture.h"

#include <unistd.h>

static void test_names_match_with_and_without_ornaments(void **state)
{
    (void)state;
    assert_true(graph_name_matches("x", "x"));
    assert_true(graph_name_matches("x", "import/x:0"));
    assert_true(graph_name_matches("import/x", "x"));
    assert_true(graph_name_matches("import/a/b", "a/b:0"));
    assert_false(graph_name_matches("x", "x:1"));
    assert_false(graph_name_matches("x", "y"));
    assert_false(graph_name_matches("x", "xx"));
    assert_false(graph_name_matches("x", ""));
    assert_false(graph_name_matches("a/x", "x"));
}

static void test_every_operator_has_a_name_and_a_kind(void **state)
{
    (void)state;
    for (int op = 0; op < GRAPH_OP_COUNT; op++) {
        assert_true(strlen(graph_op_name((enum graph_op)op)) > 1);
        assert_non_null(strchr("SLNEFC", graph_op_kind((enum graph_op)op)));
        for (int other = 0; other < op; other++)
            assert_string_not_equal(graph_op_name((enum graph_op)op),
                                    graph_op_name((enum graph_op)other));
    }
    assert_string_equal(graph_op_name(GRAPH_CONV2D), "Conv2D");
    assert_int_equal(graph_op_kind(GRAPH_RELU), 'N');
}

static void hints_at(const char *op, const char *word)
{
    const struct graph_hint hint = graph_hint(op);
    assert_non_null(hint.why);
    assert_non_null(hint.rewrite);
    if (strstr(hint.rewrite, word) == NULL)
        fail_msg("'%s' is not in the hint for %s: %s", word, op, hint.rewrite);
}

/* By whatever name a format calls them. */
static void test_hints(void **state)
{
    (void)state;
    hints_at("Elu", "HardSwish");
    hints_at("ELU", "HardSwish");
    hints_at("Gelu", "HardSwish");
    hints_at("LOGISTIC", "HardSigmoid");
    hints_at("Sigmoid", "HardSigmoid");
    hints_at("LayerNormalization", "BatchNormalization");
    hints_at("LOCAL_RESPONSE_NORMALIZATION", "BatchNormalization");
    hints_at("UNIDIRECTIONAL_SEQUENCE_LSTM", "HardSigmoid");
    hints_at("StatelessWhile", "fixed number of steps");
    hints_at("ResizeBicubic", "linear");
    hints_at("ConcatFromSequence", "fixed number of steps");
    hints_at("TopKV2", "--reveal");
    hints_at("ParseExample", "--input-node");
    assert_null(graph_hint("Relu").why); /* has a private form */
    assert_null(graph_hint("").why);
    assert_null(graph_hint("elu selu").why);
    assert_null(graph_hint("el").why);
    char odd[200];
    memset(odd, 'x', sizeof odd);
    odd[sizeof odd - 1] = '\0';
    assert_null(graph_hint(odd).why);
}

static void format_fails(const void *data, size_t size, mp2ml_status status, const char *word)
{
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(graph_parse(&g, data, size, "file.x", NULL, &err), status);
    assert_null(g);
    assert_non_null(strstr(err.text, "file.x"));
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

static void test_other_formats_are_named(void **state)
{
    (void)state;
    format_fails("", 0, MP2ML_ERR_MODEL, "empty");
    format_fails("\x89HDF\r\n\x1a\n....", 12, MP2ML_ERR_UNSUPPORTED, "HDF5");
    format_fails("PK\x03\x04....", 8, MP2ML_ERR_UNSUPPORTED, "zip");
    format_fails("\x1c\0\0\0TFL3....", 12, MP2ML_ERR_MODEL, "damaged TensorFlow Lite");
    format_fails("\x08\x07\x12\x00", 4, MP2ML_ERR_UNSUPPORTED, "ONNX");
    format_fails("node {\n", 7, MP2ML_ERR_MODEL, "line 2 of a GraphDef in text form");
    format_fails("hello, world", 12, MP2ML_ERR_MODEL, "GraphDef");
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(graph_load(&g, "/nonexistent/model.pb", NULL, &err), MP2ML_ERR_IO);
    assert_null(g);
    assert_non_null(strstr(err.text, "/nonexistent/model.pb"));
    assert_int_equal(graph_load(&g, "/tmp", NULL, &err), MP2ML_ERR_IO);
    assert_int_equal(graph_load(&g, "/nonexistent/model.pb", NULL, NULL), MP2ML_ERR_IO);
}

static void test_load_gives_what_parse_gives(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_node(&w, "y", "Relu", "x");
    gd_finish(&w);
    char path[] = "/tmp/test_graph_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, w.file.data, w.file.size), w.file.size);
    close(fd);
    gd_wipe(&w);
    struct graph *g;
    mp2ml_error err;
    assert_int_equal(graph_load(&g, path, NULL, &err), MP2ML_OK);
    unlink(path);
    assert_int_equal(g->n_nodes, 2);
    assert_int_equal(graph_sample_count(&g->nodes[0]), 3);
    const float x[] = {-1, 0, 2, 3, -4, 5}, y[] = {0, 0, 2, 3, 0, 5};
    fixture_gives(g, 2, x, y, 6, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_match_with_and_without_ornaments),
        cmocka_unit_test(test_every_operator_has_a_name_and_a_kind),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_other_formats_are_named),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_load_gives_what_parse_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
