/* SPDX-License-Identifier: Apache-2.0
 *
 * GraphDefs in text form: every kind of value, escapes, what is skipped, and texts that are broken
 * at any place. */
#include "model_fixture.h"

/* y = x * [1.5, -2] + i, with some of everything that the form allows. */
static const char network[] =
    "# a comment with { braces \"and quotes\n"
    "node {\n"
    "  name: \"x\"\n"
    "  op: \"Placeholder\"\n"
    "  device: '/device:CPU:0'\n"
    "  attr { key: \"dtype\" value { type: DT_FLOAT } }\n"
    "  attr { key: \"shape\" value { shape { dim { size: -1 } dim { size: 2 name: \"w\" } } } }\n"
    "  attr { key: \"_odd\" value { func { name: \"f\" attr { key: \"a\" value { i: 1 } } } } }\n"
    "}\n"
    "node { name: 'c' op: 'Con' \"st\"; attr <\n"
    "  key: \"value\" value: { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } }\n"
    "    tensor_content: \"\\000\\000\\300?\\x00\\x00\\000\\300\" } }\n"
    "> }\n"
    "node { name: \"i\" op: \"Const\" attr { key: \"value\" value { tensor {\n"
    "    dtype: DT_INT32 tensor_shape { dim: [{ size: 1 }, { size: 2 }] } int_val: [0x10, -7]\n"
    "    string_val: \"\\\"\\n\\t\\\\\" } } } }\n"
    "node { name: \"f\" op: \"Cast\" input: [\"i\"] attr { key: \"DstT\" value { type: DT_FLOAT } "
    "}\n"
    "  attr { key: \"SrcT\" value { type: DT_COMPLEX64 } } attr { key: \"Truncate\" value { b: "
    "false "
    "} } }\n"
    "node { name: \"d\" op: \"Const\" attr { key: \"value\" value { tensor {\n"
    "    dtype: DT_DOUBLE tensor_shape { } double_val: 2.5e-1 } } } }\n"
    "node { name: \"m\" op: \"Mul\" input: \"x\" input: \"c\" }\n"
    "node { name: \"s\" op: \"Add\" input: \"m\", input: \"f\" }\n"
    "node { name: \"y\" op: \"LeakyRelu\" input: \"t\" attr { key: \"alpha\" value { f: .5f } } }\n"
    "node { name: \"t\" op: \"Sub\" input: \"s\" input: \"d\" input: \"^i\" }\n"
    "versions { producer: 1882 bad_consumers: [1, 2] }\n"
    "library { }\n";

static mp2ml_status parse(struct graph **g, const char *text, size_t size, mp2ml_error *err)
{
    char *copy = malloc(size + 1); /* exact size: reads behind the end are seen */
    assert_non_null(copy);
    memcpy(copy, text, size);
    copy = realloc(copy, size != 0 ? size : 1);
    memset(err, 0, sizeof *err);
    const mp2ml_status status = graph_parse(g, copy, size, "text", NULL, err);
    free(copy);
    return status;
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    mp2ml_error err;
    struct graph *g;
    if (parse(&g, network, sizeof network - 1, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    fixture_shape(&g->nodes[g->inputs[0]], SHAPE(-1, 2));
    const float x[2] = {2, 3}, want[2] = {2 * 1.5F + 16 - .25F, .5F * (-6 - 7 - .25F)};
    fixture_gives(g, 1, x, want, 2, 1e-6);
}

static void text_fails(const char *text, const char *word)
{
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(parse(&g, text, strlen(text), &err), MP2ML_ERR_MODEL);
    assert_null(g);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

static void test_errors_name_the_line(void **state)
{
    (void)state;
    text_fails("node {", "a brace does not end");
    text_fails("node {\n  name: \"x", "line 2");
    text_fails("node {\n  name: \"x\n\"}", "a string does not end");
    text_fails("node {\n\n  name: x }", "line 3 of a GraphDef in text form: a string is missing");
    text_fails("node { name \"x\" }", "a colon is missing");
    text_fails("node: \"x\"", "a brace is missing");
    text_fails("node { attr { value { i: 1.5 } } }", "no whole number");
    text_fails("node { attr { value { i: 99999999999999999999999 } } }", "no whole number");
    text_fails("node { attr { value { f: abc } } }", "no number");
    text_fails("node { } }", "name or value is missing");
    text_fails("node { name: \"a\\", "a string does not end");
    text_fails("node { odd: [1, 2", "missing");
    text_fails("versions { producer: 1 }", "has no nodes");
    text_fails("node { name: \"a\" op: \"b\" } node { name: \"a\" op: \"b\" }", "two nodes");
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    static const char *const opens[] = {"a { ", "a:<"};
    char text[40000];
    for (size_t k = 0; k < 2; k++) {
        int n = snprintf(text, sizeof text, "node { ");
        for (int depth = 0; depth < 5000; depth++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s", opens[k]);
        text_fails(text, "too many braces");
    }
}

static void try_text(const char *text, size_t size)
{
    mp2ml_error err;
    struct graph *g = NULL;
    const mp2ml_status status = parse(&g, text, size, &err);
    assert_true(status == MP2ML_OK || status == MP2ML_ERR_MODEL ||
                status == MP2ML_ERR_UNSUPPORTED || status == MP2ML_ERR_ARGUMENT);
    assert_true((status == MP2ML_OK) == (g != NULL));
    graph_free(g);
}

static void test_broken_texts(void **state)
{
    (void)state;
    char copy[sizeof network];
    uint64_t seed = 7;
    for (size_t size = 0; size < sizeof network; size++)
        try_text(network, size);
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, network, sizeof network);
        for (int edits = 1 + round % 3; edits > 0; edits--) {
            static const char bytes[] = "{}[]<>\"'\\:,;#\n -0x9e\0\377node";
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            copy[(size_t)(seed >> 33) % (sizeof network - 1)] =
                bytes[(size_t)(seed >> 20) % (sizeof bytes - 1)];
        }
        try_text(copy, sizeof network - 1);
    }
}

/* Lists are the densest: each value needs more bytes than it has characters. */
static void test_long_lists(void **state)
{
    (void)state;
    enum { VALUES = 20000 };
    static char text[VALUES * 4 + 1000];
    static const char *const fields[] = {"DT_DOUBLE", "double_val", "1",
                                         "DT_INT64",  "int64_val",  "-1"};
    for (size_t k = 0; k < 6; k += 3) {
        int n = snprintf(text, sizeof text,
                         "node{name:\"x\"op:\"Placeholder\"attr{key:\"shape\"value{shape{dim{size:"
                         "-1}dim{size:%d}}}}}node{name:\"c\"op:\"Const\"attr{key:\"value\"value{"
                         "tensor{dtype:%s tensor_shape{dim{size:%d}}%s:[",
                         VALUES, fields[k], VALUES, fields[k + 1]);
        for (int v = 0; v < VALUES; v++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s,", fields[k + 2]);
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "]}}}}node{name:\"f\"op:\"Cast\"input:\"c\"attr{key:\"DstT\"value{type:1}}}"
                      "node{name:\"y\"op:\"Add\"input:\"x\"input:\"f\"}");
        mp2ml_error err;
        struct graph *g;
        if (parse(&g, text, (size_t)n, &err) != MP2ML_OK)
            fail_msg("%s", err.text);
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value), cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_depth_is_bounded),    cmocka_unit_test(test_broken_texts),
        cmocka_unit_test(test_long_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
