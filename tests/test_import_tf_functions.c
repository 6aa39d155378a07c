/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions in TensorFlow's files: calls become what they call; damaged, recursive and exploding
 * libraries are refused. */
#include "model_fixture.h"

static void attr_bool_fed(struct gd_writer *w)
{
    gd_attr_bool(w, "is_training", false);
    gd_attr_float(w, "epsilon", 0);
}

static void test_calls(void **state)
{
    (void)state;
    static const char *const calls[] = {"PartitionedCall", "StatefulPartitionedCall", "affine"};
    static const float x[2] = {3, -4}, want[2] = {7, 0}; /* relu(2 x + 1) */
    for (int k = 0; k < 3; k++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 2));
        gd_node(&w, "call", calls[k], "x ^x");
        if (k < 2)
            gd_attr_function(&w, "f", "affine");
        gd_node(&w, "y", "Relu", "call");
        gd_function(&w, "affine", "value");
        gd_floats(&w, "one", (const float[]){1}, NULL, 0);
        gd_node(&w, "sum", "AddV2", "twice:z:0 one:output:0");
        gd_node(&w, "twice", "AddN", "value value"); /* bodies have no order */
        gd_node(&w, "unused", "NoOp", "^sum");
        gd_function_end(&w, "result=sum:z:0");
        struct graph *g = fixture_graph(&w);
        bool found = false;
        for (int n = 0; n < g->n_nodes; n++)
            found = found || strcmp(g->nodes[n].name, "call/one") == 0;
        assert_true(found);
        fixture_gives(g, 1, x, want, 2, 0);
    }
}

/* Results are other nodes' outputs or arguments; a call may give several. */
static void test_several_results(void **state)
{
    (void)state;
    static const float x[3] = {1, 10, 100}, want[3] = {100 - 1, 100 - 1, 100 - 1};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_node(&w, "call", "PartitionedCall", "x");
    gd_attr_function(&w, "f", "parts");
    gd_node(&w, "d", "Sub", "call:2 call"); /* last - first */
    gd_node(&w, "y", "Sub", "sum call:1");
    gd_node(&w, "sum", "AddV2", "d call:1");
    gd_function(&w, "parts", "a");
    gd_int(&w, "axis", 1);
    gd_node(&w, "s", "Split", "axis:output:0 a");
    gd_attr_int(&w, "num_split", 3);
    gd_function_end(&w, "first=s:output:0 whole=a third=s:output:2");
    fixture_gives(fixture_graph(&w), 1, x, want, 3, 0);
}

/* A function that calls two others, one of them by its name and with several results. */
static void test_calls_in_calls(void **state)
{
    (void)state;
    static const float x[2] = {3, -4}, want[2] = {3 + 2 * 4, 0 - 2 * 3};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "outer", "x");
    gd_function(&w, "outer", "a");
    gd_node(&w, "two", "pair", "a");
    gd_node(&w, "turned", "PartitionedCall", "two:below:0");
    gd_attr_function(&w, "f", "turn");
    gd_node(&w, "again", "AddN", "turned:output:0 turned:output:0 two:above:0");
    gd_function_end(&w, "r=again:sum:0");
    gd_function(&w, "pair", "a"); /* max(a, 0), max(-a, 0) */
    gd_node(&w, "p", "Relu", "a");
    gd_node(&w, "minus", "Neg", "a");
    gd_node(&w, "q", "Relu", "minus:y:0");
    gd_node(&w, "m", "Neg", "q:activations:0");
    gd_function_end(&w, "above=p:activations:0 below=m:y:0");
    gd_function(&w, "turn", "a"); /* the other value: {0, -4} to {4, 0}, plus the first's sign */
    gd_int_list(&w, "axis", (const int32_t[]){1}, 1);
    gd_node(&w, "r", "ReverseV2", "a axis:output:0");
    gd_node(&w, "n", "Neg", "r:output:0");
    gd_floats(&w, "c", (const float[]){0, 3}, SHAPE(2));
    gd_node(&w, "s", "Sub", "n:y:0 c:output:0");
    gd_function_end(&w, "r=s:z:0");
    struct graph *g = fixture_graph(&w);
    bool found = false;
    for (int n = 0; n < g->n_nodes; n++)
        found = found || strcmp(g->nodes[n].name, "y/turned/c") == 0;
    assert_true(found);
    fixture_gives(g, 1, x, want, 2, 0);
}

/* Two calls of one function with weights: each has its own. */
static void test_weights_of_two_calls(void **state)
{
    (void)state;
    static const float x[2] = {1, 2}, k[4] = {1, 2, 3, 4};
    /* x K = {7, 10}, again: {37, 54} */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "one", "dense", "x");
    gd_node(&w, "y", "dense", "one");
    gd_function(&w, "dense", "a");
    gd_floats(&w, "k", k, SHAPE(2, 2));
    gd_node(&w, "m", "MatMul", "a k:output:0");
    gd_function_end(&w, "r=m:product:0");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){37, 54}, 2, 0);
}

static void add_leaky(struct gd_writer *w, bool given)
{
    gd_input(w, "x", SHAPE(-1, 2));
    gd_node(w, "y", "leaky", "x");
    if (given)
        gd_attr_float(w, "slope", 0.25F);
    gd_function(w, "leaky", "a");
    gd_node(w, "l", "leakier", "a");
    gd_attr_placeholder(w, "alpha", "slope");
    gd_function_end(w, "r=l:r:0");
    gd_function(w, "leakier", "a");
    gd_node(w, "l", "LeakyRelu", "a");
    gd_attr_placeholder(w, "alpha", "alpha");
    gd_function_end(w, "r=l:activations:0");
}

static void test_attributes_of_the_call(void **state)
{
    (void)state;
    static const float x[2] = {2, -4}, want[2] = {2, -1};
    struct gd_writer w = {0};
    add_leaky(&w, true);
    fixture_gives(fixture_graph(&w), 1, x, want, 2, 0);
    add_leaky(&w, false);
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'y' (leaky): does not give attribute 'slope'");
}

/* Results with names of their own, of operators with several: only the first is known here. */
static void test_later_results(void **state)
{
    (void)state;
    static const char *const results[] = {"n:y:0", "n:batch_mean:0"};
    for (int k = 0; k < 2; k++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 2, 2, 1));
        gd_node(&w, "call", "norm", "x");
        gd_node(&w, "y", "Relu", "call");
        gd_function(&w, "norm", "a");
        gd_floats(&w, "c", (const float[]){1}, SHAPE(1));
        gd_node(&w, "n", "FusedBatchNormV3", "a c:output:0 c:output:0 c:output:0 c:output:0");
        attr_bool_fed(&w);
        char end[32];
        (void)snprintf(end, sizeof end, "r=%s", results[k]);
        gd_function_end(&w, end);
        if (k == 0)
            fixture_gives(fixture_graph(&w), 1, (const float[]){2, -1, 0, 3},
                          (const float[]){2, 0, 0, 3}, 4, 1e-6);
        else
            fixture_fails(&w, MP2ML_ERR_UNSUPPORTED,
                          "another than the first output of node 'call/n'");
    }
}

/* A file that calls `f`, whose body is one node. */
static void fails(const char *inputs, const char *op, const char *body_inputs, const char *result,
                  mp2ml_status status, const char *word)
{
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "f", inputs);
    gd_function(&w, "f", "a");
    gd_node(&w, "n", op, body_inputs);
    gd_function_end(&w, result);
    fixture_fails(&w, status, word);
}

static void test_damaged_libraries(void **state)
{
    (void)state;
    const mp2ml_status model = MP2ML_ERR_MODEL;
    fails("x", "Relu", "b", "r=n:y:0", model, "refers to 'b', which it does not have");
    fails("x", "Relu", "m:y:0", "r=n:y:0", model, "refers to 'm:y:0'");
    fails("x", "Relu", "a", "r=n:y:one", model, "refers to 'n:y:one'");
    fails("x", "Relu", "a", "r=n:y:99999999999999999999", model, "refers to 'n:y:9999");
    fails("x", "Relu", "a", "r=m:y:0", model, "refers to 'm:y:0'");
    fails("x x", "Relu", "a", "r=n:y:0", model, "has 2 inputs, function 'f' takes 1");
    fails("x", "Relu", "a", "r=n:y:1", MP2ML_ERR_UNSUPPORTED, "another than the first output");
    fails("x", "f", "a", "r=n:r:0", model, "node 'y/n' (f): function 'f' calls itself");
    fails("x", "Relu", "n:y:0", "r=n:y:0", model, "no output found"); /* a cycle */
    fails("x", "NoSuchThing", "a", "r=n:y:0", MP2ML_ERR_UNSUPPORTED,
          "node 'y/n' (NoSuchThing): this operator has no private form");
    fails("gone", "Relu", "a", "r=n:y:0", model, "no output found");
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y/n", "Relu", "x"); /* the name that the function's node gets */
    gd_node(&w, "y", "f", "y/n");
    gd_function(&w, "f", "a");
    gd_node(&w, "n", "Relu", "a");
    gd_function_end(&w, "r=n:y:0");
    fixture_fails(&w, model, "two nodes have the name 'y/n'");
    for (int k = 0; k < 2; k++) {
        gd_input(&w, "x", SHAPE(-1, 2));
        gd_node(&w, "y", "PartitionedCall", "x");
        gd_attr_function(&w, "f", k ? "f" : "g");
        for (int n = 0; n < 1 + k; n++) {
            gd_function(&w, "f", "a");
            gd_node(&w, "n", "Relu", "a");
            gd_function_end(&w, "r=n:y:0");
        }
        fixture_fails(&w, k ? model : MP2ML_ERR_UNSUPPORTED,
                      k ? "two functions have the name 'f'" : "node 'y' (PartitionedCall)");
    }
}

/* f0 calls f1 twice, which calls f2 twice, ... */
static void add_doubling(struct gd_writer *w, int levels, int times)
{
    char name[16], next[16], before[24] = "a", result[32], node[16];
    gd_input(w, "x", SHAPE(-1, 2));
    gd_node(w, "y", "f0", "x");
    for (int k = 0; k < levels; k++) {
        (void)snprintf(name, sizeof name, "f%d", k);
        (void)snprintf(next, sizeof next, "f%d", k + 1);
        gd_function(w, name, "a");
        (void)snprintf(before, sizeof before, "a");
        for (int t = 0; t < times; t++) {
            (void)snprintf(node, sizeof node, "n%d", t);
            gd_node(w, node, k + 1 == levels ? "Relu" : next, before);
            (void)snprintf(before, sizeof before, "%s:r:0", node);
        }
        (void)snprintf(result, sizeof result, "r=%s", before);
        gd_function_end(w, result);
    }
}

static void test_small_files_do_not_become_large(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    mp2ml_error err;
    struct graph *g;
    add_doubling(&w, 3, 2);
    fixture_gives(fixture_graph(&w), 1, (const float[]){1, -1}, (const float[]){1, 0}, 2, 0);
    add_doubling(&w, 60, 2); /* 2^60 nodes */
    assert_int_equal(fixture_parse(&g, &w, NULL, &err), MP2ML_ERR_MODEL);
    assert_true(strstr(err.text, "more than") != NULL ||
                strstr(err.text, "far more memory") != NULL);
    add_doubling(&w, 70, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "more than 64 calls in one another");
    add_doubling(&w, 64, 1);
    fixture_gives(fixture_graph(&w), 1, (const float[]){1, -1}, (const float[]){1, 0}, 2, 0);
}

static void test_nodes_are_counted(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    char name[16];
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "Relu", "x");
    for (int k = 0; k <= 1 << 18; k++) {
        (void)snprintf(name, sizeof name, "n%d", k);
        gd_node(&w, name, "NoOp", "");
    }
    fixture_fails(&w, MP2ML_ERR_MODEL, "more than 262144 nodes");
}

/* Cut anywhere, the file is an error or a network, and nothing leaks. */
static void test_pieces_of_a_file(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    add_leaky(&w, true);
    gd_finish(&w);
    for (size_t size = 1; size < w.file.size; size++) {
        struct graph *g = NULL;
        mp2ml_error err = {MP2ML_OK, ""};
        const mp2ml_status status = graph_parse(&g, w.file.data, size, "piece", NULL, &err);
        assert_true((status == MP2ML_OK) == (g != NULL));
        graph_free(g);
    }
    gd_wipe(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_several_results),
        cmocka_unit_test(test_calls_in_calls),
        cmocka_unit_test(test_weights_of_two_calls),
        cmocka_unit_test(test_attributes_of_the_call),
        cmocka_unit_test(test_later_results),
        cmocka_unit_test(test_damaged_libraries),
        cmocka_unit_test(test_small_files_do_not_become_large),
        cmocka_unit_test(test_nodes_are_counted),
        cmocka_unit_test(test_pieces_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
