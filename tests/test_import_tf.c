/* SPDX-License-Identifier: Apache-2.0
 *
 * The TensorFlow importer: constants of every type, names, cuts, errors that help, hostile files,
 * and real networks against the outputs of an independent engine (where the data are there). */
#include "model_fixture.h"

#include "base/base.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* x + c for a constant of the given type and values; c must come out as `want`. */
static void constant_gives(int type, const int64_t *dims, int rank, int field, const void *content,
                           size_t bytes, const float *want, size_t n)
{
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1));
    gd_node(&w, "c", "Const", "");
    gd_attr_tensor(&w, type, dims, rank, field, content, bytes);
    gd_node(&w, "f", "Cast", "c");
    gd_attr_type(&w, "DstT", GD_FLOAT);
    gd_node(&w, "y", "Add", "x f");
    fixture_gives(fixture_graph(&w), 1, (const float[]){0}, want, n, 0);
}

static void test_constants_of_all_types(void **state)
{
    (void)state;
    const float want[3] = {1.5F, -2, 0}, whole[3] = {1, -2, 5};
    constant_gives(GD_FLOAT, SHAPE(3), 0, want, 12, want, 3);
    constant_gives(GD_DOUBLE, SHAPE(3), 0, (const double[]){1.5, -2, 0}, 24, want, 3);
    constant_gives(GD_HALF, SHAPE(3), 0, (const uint16_t[]){0x3e00, 0xc000, 0}, 6, want, 3);
    constant_gives(GD_BFLOAT16, SHAPE(3), 0, (const uint16_t[]){0x3fc0, 0xc000, 0}, 6, want, 3);
    constant_gives(GD_INT32, SHAPE(3), 0, (const int32_t[]){1, -2, 5}, 12, whole, 3);
    constant_gives(GD_INT64, SHAPE(3), 0, (const int64_t[]){1, -2, 5}, 24, whole, 3);
    constant_gives(6, SHAPE(3), 0, (const int8_t[]){1, -2, 5}, 3, whole, 3);
    constant_gives(5, SHAPE(3), 0, (const int16_t[]){1, -2, 5}, 6, whole, 3);
    constant_gives(GD_BOOL, SHAPE(2), 0, (const uint8_t[]){1, 0}, 2, (const float[]){1, 0}, 2);
    constant_gives(4, SHAPE(2), 0, (const uint8_t[]){200, 0}, 2, (const float[]){200, 0}, 2);
    constant_gives(22, SHAPE(1), 0, (const uint32_t[]){3000000000U}, 4, (const float[]){3e9F}, 1);
    /* Half: subnormals, the largest number. */
    constant_gives(GD_HALF, SHAPE(3), 0, (const uint16_t[]){0x0001, 0x83ff, 0x7bff}, 6,
                   (const float[]){0x1p-24F, -1023 * 0x1p-24F, 65504}, 3);
}

static void test_value_lists_repeat_their_last(void **state)
{
    (void)state;
    const float v[4] = {1, 2, 2, 2}, zeros[4] = {0}, ones[4] = {1, 1, 1, 1};
    constant_gives(GD_FLOAT, SHAPE(4), 5, v, 8, v, 4);
    constant_gives(GD_FLOAT, SHAPE(4), 5, v, 0, zeros, 4);
    constant_gives(GD_DOUBLE, SHAPE(4), 6, (const double[]){1, 2}, 16, v, 4);
    constant_gives(GD_INT32, SHAPE(4), 7, "\x01\x02", 2, v, 4);
    constant_gives(GD_INT64, SHAPE(4), 10, "\x01\x02", 2, v, 4);
    constant_gives(GD_BOOL, SHAPE(4), 11, "\x01", 1, ones, 4);
    constant_gives(GD_HALF, SHAPE(4), 13, "\x80\x78\x80\x80\x01", 5, v, 4); /* 0x3c00, 0x4000 */
    constant_gives(GD_INT32, SHAPE(1), 7, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10,
                   (const float[]){-1}, 1);
}

static void constant_fails(int type, const int64_t *dims, int rank, int field, const void *content,
                           size_t bytes, mp2ml_status status, const char *word)
{
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1));
    gd_node(&w, "c", "Const", "");
    gd_attr_tensor(&w, type, dims, rank, field, content, bytes);
    gd_node(&w, "y", "Add", "x c");
    fixture_fails(&w, status, word);
}

static void test_constants_that_do_not_fit(void **state)
{
    (void)state;
    const float v[4] = {1, 2, 3, 4};
    constant_fails(GD_FLOAT, SHAPE(3), 0, v, 16, MP2ML_ERR_MODEL, "node 'c' (Const): has 16 bytes");
    constant_fails(GD_FLOAT, SHAPE(5), 0, v, 16, MP2ML_ERR_MODEL, "16 bytes for 5 values");
    constant_fails(GD_FLOAT, SHAPE(3), 5, v, 16, MP2ML_ERR_MODEL, "4 values in a shape of 3");
    constant_fails(GD_FLOAT, SHAPE(-1), 5, v, 16, MP2ML_ERR_MODEL, "impossible shape");
    constant_fails(GD_FLOAT, SHAPE(1 << 30, 1 << 30, 16), 5, v, 4, MP2ML_ERR_MODEL, "impossible");
    constant_fails(GD_FLOAT, SHAPE(INT64_MAX, INT64_MAX), 5, v, 4, MP2ML_ERR_MODEL, "impossible");
    constant_fails(GD_FLOAT, SHAPE(1 << 30), 5, v, 4, MP2ML_ERR_MODEL, "more memory");
    constant_fails(GD_FLOAT, NULL, -1, 5, v, 4, MP2ML_ERR_UNSUPPORTED, "axes");
    constant_fails(GD_STRING, SHAPE(1), 8, v, 4, MP2ML_ERR_UNSUPPORTED, "string");
    constant_fails(99, SHAPE(1), 0, v, 4, MP2ML_ERR_UNSUPPORTED, "type 99");
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1));
    gd_node(&w, "c", "Const", "");
    gd_attr_int(&w, "value", 3);
    gd_node(&w, "y", "Add", "x c");
    fixture_fails(&w, MP2ML_ERR_MODEL, "has no value");
}

/* Each constant passes, together they would need far more than the file has bytes. */
static void test_budget_is_for_all_constants_together(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    const float one = 1;
    char name[16], inputs[40] = "x c0";
    gd_input(&w, "x", SHAPE(-1, 1 << 20));
    for (int k = 0; k < 40; k++) {
        snprintf(name, sizeof name, "c%d", k);
        gd_node(&w, name, "Const", "");
        gd_attr_tensor(&w, GD_FLOAT, SHAPE(1 << 20), 5, &one, 4);
        snprintf(name, sizeof name, "y%d", k);
        gd_node(&w, name, "Add", inputs);
        snprintf(inputs, sizeof inputs, "y%d c%d", k, k + 1);
    }
    mp2ml_error err;
    struct graph *g;
    const struct graph_cut cut = {NULL, 0, (const char *const[]){"y3"}, 1};
    gd_finish(&w);
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &cut, &err), MP2ML_OK);
    graph_free(g);
    const struct graph_cut more = {NULL, 0, (const char *const[]){"y39"}, 1};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &more, &err), MP2ML_ERR_MODEL);
    assert_non_null(strstr(err.text, "' (Const): the constants need far more memory"));
    gd_wipe(&w);
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int_list(&w, "shape", (const int32_t[]){1 << 20, 1 << 10}, 2);
    gd_floats(&w, "one", &one, NULL, 0);
    gd_node(&w, "many", "Fill", "shape one");
    gd_node(&w, "y", "Mul", "x many");
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'many' (Fill): the constants need far more memory");
}

static void test_unsupported_operator_is_named(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "deep/lrn", "LRN", "x");
    gd_node(&w, "y", "Relu", "deep/lrn");
    fixture_fails(
        &w, MP2ML_ERR_UNSUPPORTED,
        "node 'deep/lrn' (LRN): this operator has no private form: it divides by a root of sums "
        "over "
        "private values; train with BatchNormalization, which goes into the weights (`mp2ml plan "
        "--explain-unsupported MODEL` lists everything of that kind)");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "NoSuchThing", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "docs/models.md lists those that have one (`mp2ml");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "evil\x1b[2J\n", "LRN", "x");
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(fixture_parse(&g, &w, NULL, &err), MP2ML_ERR_UNSUPPORTED);
    assert_null(strchr(err.text, 0x1b));
    assert_null(strchr(err.text, '\n'));
}

static void test_candidates_are_listed(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "Identity", "Identity", "x ^init");
    gd_node(&w, "Identity_1", "Relu", "x");
    gd_floats(&w, "unread", (const float[]){1}, SHAPE(1));
    gd_node(&w, "unread_too", "Relu", "unread"); /* depends on no input */
    gd_node(&w, "init", "NoOp", "^Identity_1");
    mp2ml_error err;
    struct graph *g;
    gd_finish(&w);
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", NULL, &err),
                     MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "--output-node NAME: Identity, Identity_1"));
    assert_null(strstr(err.text, "unread"));
    const struct graph_cut cut = {NULL, 0, (const char *const[]){"import/Identity_1:0"}, 1};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &cut, &err), MP2ML_OK);
    assert_int_equal(fixture_output(g)->op, GRAPH_RELU);
    graph_free(g);
    const struct graph_cut both = {NULL, 0, (const char *const[]){"Identity_1", "Identity"}, 2};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &both, &err), MP2ML_OK);
    assert_int_equal(g->n_outputs, 2);
    assert_int_equal(g->nodes[g->outputs[0]].op, GRAPH_RELU);
    assert_int_equal(g->nodes[g->outputs[1]].op, GRAPH_INPUT);
    graph_free(g);
    const struct graph_cut wrong = {NULL, 0, (const char *const[]){"nowhere"}, 1};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &wrong, &err),
                     MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no node 'nowhere'"));
    gd_wipe(&w);
}

static void no_output_fails(void)
{
    struct gd_writer w = {0};
    gd_floats(&w, "c", (const float[]){1}, SHAPE(1));
    gd_node(&w, "y", "Relu", "c");
    fixture_fails(&w, MP2ML_ERR_MODEL, "no output");
}

/* Decode -> Relu (2, 3) -> Reshape (6) -> Add -> end; the first cannot be read. */
static mp2ml_status parse_cut(struct graph **g, const struct graph_cut *cut, mp2ml_error *err)
{
    struct gd_writer w = {0};
    gd_input(&w, "wav", SHAPE(-1, 9));
    gd_node(&w, "decode", "Mfcc", "wav");
    gd_node(&w, "relu", "Relu", "decode");
    gd_int_list(&w, "s", (const int32_t[]){-1, 6}, 2);
    gd_node(&w, "flat", "Reshape", "relu s");
    gd_floats(&w, "c", (const float[]){1}, NULL, 0);
    gd_node(&w, "sum", "Add", "flat c");
    gd_node(&w, "end", "Relu", "sum");
    return fixture_parse(g, &w, cut, err);
}

static void cut_gives(const char *input, int n_nodes, const int64_t *dims, int rank)
{
    mp2ml_error err;
    struct graph *g;
    const char *const inputs[] = {input};
    const struct graph_cut cut = {inputs, 1, NULL, 0};
    if (parse_cut(&g, &cut, &err) != MP2ML_OK)
        fail_msg("%s: %s", input, err.text);
    assert_int_equal(g->n_nodes, n_nodes);
    assert_int_equal(g->n_inputs, 1);
    assert_int_equal(g->nodes[g->inputs[0]].op, GRAPH_INPUT);
    fixture_shape(&g->nodes[g->inputs[0]], dims, rank);
    graph_free(g);
}

static void cut_fails(const char *input, mp2ml_status status, const char *word)
{
    mp2ml_error err;
    struct graph *g;
    const char *const inputs[] = {input};
    const struct graph_cut cut = {inputs, 1, NULL, 0};
    assert_int_equal(parse_cut(&g, &cut, &err), status);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

static void test_cutting_at_nodes(void **state)
{
    (void)state;
    cut_gives("flat", 4, SHAPE(-1, 6)); /* the shape stands in the file */
    cut_gives("flat:6", 4, SHAPE(-1, 6));
    cut_gives("import/flat:0", 4, SHAPE(-1, 6));
    cut_gives("relu:2,3", 5, SHAPE(-1, 2, 3));
    cut_gives("relu:0:2,3", 5, SHAPE(-1, 2, 3));
    cut_gives("decode:3,2", 6, SHAPE(-1, 3, 2));
    cut_gives("flat:4", 4, SHAPE(-1, 4)); /* the user's word counts */
    cut_fails("relu", MP2ML_ERR_UNSUPPORTED, "--input-node relu:D1,D2");
    cut_fails("sum:2,x", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("sum:", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("sum:0,3", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("sum:-1,3", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("sum:99999999999999999999", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("sum:1,1,1,1,1,1,1,1", MP2ML_ERR_ARGUMENT, "NAME:28,28,1");
    cut_fails("relu:5", MP2ML_ERR_UNSUPPORTED, "node 'flat' (Reshape)");
    cut_fails("nothing:5", MP2ML_ERR_ARGUMENT, "no node 'nothing'");
    no_output_fails();
}

static void test_cut_infers_from_what_stands_before(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "a", SHAPE(-1, 4));
    gd_input(&w, "b", SHAPE(-1, 4));
    gd_node(&w, "ra", "Relu", "a");
    gd_node(&w, "sum", "Add", "ra b");
    gd_finish(&w);
    mp2ml_error err;
    struct graph *g;
    const struct graph_cut both = {(const char *const[]){"b", "ra"}, 2, NULL, 0};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &both, &err), MP2ML_OK);
    assert_int_equal(g->n_inputs, 2);
    assert_string_equal(g->nodes[g->inputs[0]].name, "b");
    assert_string_equal(g->nodes[g->inputs[1]].name, "ra");
    fixture_shape(&g->nodes[g->inputs[1]], SHAPE(-1, 4));
    graph_free(g);
    const struct graph_cut one = {(const char *const[]){"ra"}, 1, NULL, 0};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &one, &err),
                     MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "node 'b' (Placeholder)"));
    const struct graph_cut twice = {(const char *const[]){"ra", "ra:4"}, 2, NULL, 0};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &twice, &err),
                     MP2ML_ERR_ARGUMENT);
    const struct graph_cut dead = {(const char *const[]){"sum", "a", "b"}, 3, NULL, 0};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &dead, &err),
                     MP2ML_ERR_ARGUMENT);
    gd_wipe(&w);
}

static void test_broken_graphs(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "a", "Add", "x b");
    gd_node(&w, "b", "Relu", "a");
    gd_node(&w, "y", "Relu", "b");
    fixture_fails(&w, MP2ML_ERR_MODEL, "cycle");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Add", "x x y");
    mp2ml_error err;
    struct graph *g;
    const struct graph_cut cut = {NULL, 0, (const char *const[]){"y"}, 1};
    assert_int_equal(fixture_parse(&g, &w, &cut, &err), MP2ML_ERR_MODEL);
    assert_non_null(strstr(err.text, "cycle"));
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Add", "x gone");
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'y' (Add): input 1 is a node that does not exist");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Relu", "x:1");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "first output of node 'x'");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "x", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "two nodes have the name 'x'");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "no name");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Relu", "x x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "has 2 inputs");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Conv2D", "");
    const struct graph_cut y = {NULL, 0, (const char *const[]){"y"}, 1};
    assert_int_equal(fixture_parse(&g, &w, &y, &err), MP2ML_ERR_MODEL);
    gd_node(&w, "x", "Placeholder", "");
    gd_attr_type(&w, "dtype", GD_STRING);
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "string");
}

/* A chain of 100,000 nodes is neither too deep nor slow. */
static void test_long_chains(void **state)
{
    (void)state;
    enum { LENGTH = 100000 };
    struct gd_writer w = {0};
    char name[16], before[16] = "x";
    gd_input(&w, "x", SHAPE(-1, 4));
    for (int k = 0; k < LENGTH; k++) {
        snprintf(name, sizeof name, "n%d", k);
        gd_node(&w, name, k % 2 ? "Relu" : "Identity", before);
        memcpy(before, name, sizeof name);
    }
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_nodes, LENGTH / 2 + 1);
    graph_free(g);
}

/* Files that are small but would unfold: many empty messages, many merged ones. */
static void test_unfolding_files(void **state)
{
    (void)state;
    struct gd_bytes file = {NULL, 0, 0};
    for (int k = 0; k < 1 << 20; k++)
        gd_field_bytes(&file, 1, "", 0);
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(graph_parse(&g, file.data, file.size, "t", NULL, &err), MP2ML_ERR_MODEL);
    free(file.data);
    struct gd_bytes tensor = {NULL, 0, 0}, value = {NULL, 0, 0}, pair = {NULL, 0, 0};
    struct gd_bytes node = {NULL, 0, 0};
    file = (struct gd_bytes){NULL, 0, 0};
    gd_field_bytes(&tensor, 5, "\0\0\200\077", 4);
    for (int k = 0; k < 100000; k++) /* each is merged into the one before it */
        gd_field_bytes(&value, 8, tensor.data, tensor.size);
    gd_field_bytes(&pair, 1, "value", 5);
    gd_field_bytes(&pair, 2, value.data, value.size);
    gd_field_bytes(&node, 1, "c", 1);
    gd_field_bytes(&node, 2, "Const", 5);
    gd_field_bytes(&node, 5, pair.data, pair.size);
    gd_field_bytes(&file, 1, node.data, node.size);
    assert_int_equal(graph_parse(&g, file.data, file.size, "t", NULL, &err), MP2ML_ERR_MODEL);
    free(tensor.data);
    free(value.data);
    free(pair.data);
    free(node.data);
    free(file.data);
}

/* A picture network with the operators of its time in one valid file. */
static void picture_file(struct gd_writer *w)
{
    static const float weights[60] = {1};
    gd_input(w, "x", SHAPE(-1, 6, 6, 1));
    gd_ints(w, "p", (const int32_t[]){0, 0, 1, 1, 0, 1, 0, 0}, SHAPE(4, 2));
    gd_node(w, "pad", "Pad", "x p");
    gd_floats(w, "k", weights, SHAPE(3, 3, 1, 2));
    gd_node(w, "conv", "Conv2D", "pad k");
    gd_attr_text(w, "padding", "SAME");
    gd_attr_list(w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
    gd_floats(w, "b", weights, SHAPE(1, 1, 2));
    gd_node(w, "b2", "Squeeze", "b");
    gd_node(w, "bias", "BiasAdd", "conv b2");
    gd_node(w, "relu", "Relu", "bias");
    gd_node(w, "pool", "MaxPool", "relu");
    gd_attr_text(w, "padding", "VALID");
    gd_attr_list(w, "ksize", (const int64_t[]){1, 2, 2, 1}, 4);
    gd_attr_list(w, "strides", (const int64_t[]){1, 3, 3, 1}, 4);
    gd_node(w, "shape", "Shape", "pool");
    gd_int_list(w, "b0", (const int32_t[]){0}, 1);
    gd_int_list(w, "b1", (const int32_t[]){1}, 1);
    gd_node(w, "batch", "StridedSlice", "shape b0 b1 b1");
    gd_attr_int(w, "shrink_axis_mask", 1);
    gd_int(w, "n", -1);
    gd_node(w, "to", "Pack", "batch n");
    gd_node(w, "flat", "Reshape", "pool to");
    gd_floats(w, "d", weights, SHAPE(5, 12));
    gd_node(w, "dense", "MatMul", "flat d");
    gd_attr_bool(w, "transpose_b", true);
    gd_node(w, "c", "Const", "");
    gd_attr_tensor(w, GD_FLOAT, SHAPE(5), 5, weights, 8);
    gd_node(w, "sub", "Sub", "c dense");
    gd_node(w, "mul", "Mul", "sub c");
    gd_node(w, "soft", "Softmax", "mul");
    gd_int(w, "axis", 1);
    gd_node(w, "y", "ArgMax", "soft axis ^relu");
    gd_finish(w);
}

/* Operators that are rewritten, with all their attributes and shape arithmetic. */
static void rewritten_file(struct gd_writer *w)
{
    static const float weights[72] = {1}, one[2] = {1, 1};
    gd_input(w, "x", SHAPE(-1, 6, 6, 2));
    gd_int_list(w, "block", (const int32_t[]){2, 2}, 2);
    gd_ints(w, "pads", (const int32_t[]){2, 2, 2, 2}, SHAPE(2, 2));
    gd_ints(w, "crops", (const int32_t[]){0, 0, 0, 2}, SHAPE(2, 2));
    gd_floats(w, "k", weights, SHAPE(3, 3, 2, 2));
    gd_node(w, "stb", "SpaceToBatchND", "x block pads");
    gd_node(w, "dw", "DepthwiseConv2dNative", "stb k");
    gd_attr_text(w, "padding", "VALID");
    gd_attr_list(w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
    gd_node(w, "bts", "BatchToSpaceND", "dw block crops");
    gd_int(w, "three", 3);
    gd_node(w, "split", "Split", "three bts");
    gd_attr_int(w, "num_split", 2);
    gd_floats(w, "one", one, SHAPE(2));
    gd_node(w, "bn", "FusedBatchNormV3", "split:1 one one one one");
    gd_attr_float(w, "epsilon", 0.001F);
    gd_attr_bool(w, "is_training", false);
    gd_int_list(w, "begin", (const int32_t[]){0, 1, 0}, 3);
    gd_int_list(w, "end", (const int32_t[]){0, 5, 0}, 3);
    gd_int_list(w, "step", (const int32_t[]){1, 2, -1}, 3);
    gd_node(w, "ss", "StridedSlice", "bn begin end step");
    gd_attr_int(w, "begin_mask", 5);
    gd_attr_int(w, "end_mask", 5);
    gd_node(w, "leaky", "LeakyRelu", "ss");
    gd_attr_float(w, "alpha", 0.5F);
    gd_node(w, "unpack", "Unpack", "leaky");
    gd_attr_int(w, "axis", 1);
    gd_attr_int(w, "num", 2);
    gd_node(w, "pack", "Pack", "unpack:1 unpack");
    gd_attr_int(w, "axis", 2);
    gd_int_list(w, "times", (const int32_t[]){1, 1, 2, 1}, 4);
    gd_node(w, "tile", "Tile", "pack times");
    gd_int_list(w, "axes", (const int32_t[]){1, 3}, 2);
    gd_node(w, "mean", "Mean", "tile axes");
    gd_attr_bool(w, "keep_dims", false);
    gd_node(w, "shape", "Shape", "mean");
    gd_node(w, "u", "RandomUniform", "shape");
    gd_floats(w, "keep", one, NULL, 0);
    gd_node(w, "sum", "Add", "u keep");
    gd_node(w, "mask", "Floor", "sum");
    gd_node(w, "scaled", "RealDiv", "mean keep");
    gd_node(w, "drop", "Mul", "scaled mask");
    gd_int(w, "axis1", 1);
    gd_node(w, "y", "Concat", "axis1 drop mean");
    gd_finish(w);
}

typedef void (*file_maker)(struct gd_writer *w);
static const file_maker rich_files[] = {picture_file, rewritten_file};

static void try_bytes(const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size + 1); /* exact size: reads behind the end are seen */
    assert_non_null(copy);
    memcpy(copy, data, size);
    copy = realloc(copy, size != 0 ? size : 1);
    mp2ml_error err = {0};
    struct graph *g = NULL;
    const mp2ml_status status = graph_parse(&g, copy, size, "broken", NULL, &err);
    if (status == MP2ML_OK) {
        assert_non_null(g);
        graph_free(g);
    } else {
        assert_null(g);
        assert_int_equal(err.status, status);
        assert_true(err.text[0] != '\0');
        assert_true(status == MP2ML_ERR_MODEL || status == MP2ML_ERR_UNSUPPORTED ||
                    status == MP2ML_ERR_ARGUMENT);
    }
    free(copy);
}

static void test_truncated_files(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(rich_files); k++) {
        struct gd_writer w = {0};
        rich_files[k](&w);
        mp2ml_error err;
        struct graph *g;
        if (graph_parse(&g, w.file.data, w.file.size, "rich", NULL, &err) != MP2ML_OK)
            fail_msg("%s", err.text);
        graph_free(g);
        for (size_t size = 0; size < w.file.size; size++)
            try_bytes(w.file.data, size);
        gd_wipe(&w);
    }
}

static void flip_bytes(file_maker make, uint64_t seed)
{
    struct gd_writer w = {0};
    make(&w);
    unsigned char *copy = malloc(w.file.size);
    assert_non_null(copy);
    for (int round = 0; round < 4000; round++) {
        memcpy(copy, w.file.data, w.file.size);
        for (int flips = 1 + round % 4; flips > 0; flips--) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            copy[(size_t)(seed >> 32) % w.file.size] ^= (unsigned char)(1U << (seed >> 29 & 7));
            if (round % 3 == 0)
                copy[(size_t)(seed >> 36) % w.file.size] = (unsigned char)(seed >> 20);
        }
        try_bytes(copy, w.file.size);
    }
    free(copy);
    gd_wipe(&w);
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(rich_files); k++)
        flip_bytes(rich_files[k], 42 + k);
}

/* Real networks ------------------------------------------------------------------------------- */

static bool data_path(char *out, size_t size, const char *name)
{
    const char *root = getenv("MP2ML_DATA");
    const char *const roots[] = {root != NULL ? root : ".", PROJECT_ROOT "/../shared",
                                 PROJECT_ROOT "/../shared/data"};
    for (size_t k = 0; k < COUNT(roots); k++) {
        snprintf(out, size, "%s/%s", roots[k], name);
        FILE *file = fopen(out, "rb");
        if (file != NULL) {
            fclose(file);
            return true;
        }
    }
    return false;
}

/* n items of a gzip'ed IDX file, after its header. */
static unsigned char *read_idx(const char *name, size_t header, size_t bytes)
{
    char path[600], command[640];
    if (!data_path(path, sizeof path, name))
        return NULL;
    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    unsigned char *data = malloc(bytes + header);
    assert_non_null(data);
    const size_t got = fread(data, 1, bytes + header, pipe);
    pclose(pipe);
    assert_int_equal(got, bytes + header);
    memmove(data, data + header, bytes);
    return data;
}

enum { IMAGES = 10000, PIXELS = 784 };

static float *read_images(void)
{
    unsigned char *raw = read_idx("mnist/t10k-images-idx3-ubyte.gz", 16, IMAGES * PIXELS);
    if (raw == NULL)
        return NULL;
    float *x = malloc(IMAGES * PIXELS * sizeof *x);
    assert_non_null(x);
    for (size_t k = 0; k < IMAGES * PIXELS; k++)
        x[k] = (float)raw[k] / 255.0F;
    free(raw);
    return x;
}

static int count_right(const float *y, const unsigned char *labels)
{
    int right = 0;
    for (size_t s = 0; s < IMAGES; s++) {
        size_t best = 0;
        for (size_t k = 1; k < 10; k++)
            if (y[s * 10 + k] > y[s * 10 + best])
                best = k;
        right += best == labels[s];
    }
    return right;
}

static void run_real(const char *path, const char *output, const char *golden, int right_low,
                     int right_high)
{
    float *x = read_images();
    unsigned char *labels = read_idx("mnist/t10k-labels-idx1-ubyte.gz", 8, IMAGES);
    mp2ml_error err;
    struct graph *g;
    if (x == NULL || labels == NULL) {
        print_message("skipped: no data\n");
        free(x);
        free(labels);
        return;
    }
    const struct graph_cut cut = {NULL, 0, &output, output != NULL ? 1 : 0};
    if (graph_load(&g, path, &cut, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    float *y = malloc(IMAGES * 10 * sizeof *y);
    assert_non_null(y);
    const float *in[] = {x};
    float *out[] = {y};
    assert_int_equal(graph_sample_count(fixture_output(g)), 10);
    assert_int_equal(graph_eval(g, IMAGES, in, out, NULL, NULL), MP2ML_OK);
    assert_in_range(count_right(y, labels), right_low, right_high);
    mp2ml_array want = {0};
    char golden_path[600];
    if (golden != NULL && data_path(golden_path, sizeof golden_path, golden)) {
        assert_int_equal(array_read(&want, golden_path, &err), MP2ML_OK);
        assert_int_equal(want.count, 1000);
        for (size_t k = 0; k < want.count; k++)
            assert_true(fabsf(y[k] - want.values[k]) < 1e-4F);
        array_wipe(&want);
    }
    graph_free(g);
    free(x);
    free(y);
    free(labels);
}

static void test_published_networks(void **state)
{
    (void)state;
    char path[600];
    if (!data_path(path, sizeof path, "models/tf/capc_mlp.pb")) {
        print_message("skipped: no data\n");
        return;
    }
    run_real(path, NULL, "models/golden/capc_mlp.pb.npy", 9803, 9803);
    assert_true(data_path(path, sizeof path, "models/tf/capc_cryptonets.pb"));
    run_real(path, NULL, "models/golden/capc_cryptonets.pb.npy", 9875, 9875);
    assert_true(data_path(path, sizeof path, "models/tf/utensor_deep_mlp.pb")); /* with dropout */
    run_real(path, "logits", NULL, 9555, 9555);
}

static void test_own_networks(void **state)
{
    (void)state;
    run_real(PROJECT_ROOT "/examples/mnist/models/cryptonets-relu-mnist.pb", NULL, NULL, 9700,
             IMAGES);
    run_real(PROJECT_ROOT "/examples/mnist/models/mlp-maxpool-mnist.pb", NULL, NULL, 9700, IMAGES);
}

static void run_keywords(const char *name, const char *input, int64_t features)
{
    char path[600];
    mp2ml_error err;
    struct graph *g;
    if (!data_path(path, sizeof path, name)) {
        print_message("skipped: no data\n");
        return;
    }
    const struct graph_cut cut = {&input, 1, NULL, 0};
    assert_int_equal(graph_load(&g, path, NULL, &err), MP2ML_ERR_UNSUPPORTED);
    if (graph_load(&g, path, &cut, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_int_equal(graph_sample_count(&g->nodes[g->inputs[0]]), features);
    fixture_shape(fixture_output(g), SHAPE(-1, 12));
    float x[490], y[12], sum = 0;
    fixture_fill(x, 490, 5);
    const float *in[] = {x};
    float *out[] = {y};
    assert_int_equal(graph_eval(g, 1, in, out, NULL, NULL), MP2ML_OK);
    for (int k = 0; k < 12; k++)
        sum += y[k];
    assert_true(fabsf(sum - 1) < 1e-5F);
    graph_free(g);
}

static void test_keyword_networks_from_their_features(void **state)
{
    (void)state;
    run_keywords("models/tf/DNN_S.pb", "Mfcc:25,10", 250);
    run_keywords("models/tf/CNN_S.pb", "Mfcc:49,10", 490);
    run_keywords("models/tf/DS_CNN_S.pb", "Mfcc:49,10", 490);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants_of_all_types),
        cmocka_unit_test(test_value_lists_repeat_their_last),
        cmocka_unit_test(test_constants_that_do_not_fit),
        cmocka_unit_test(test_budget_is_for_all_constants_together),
        cmocka_unit_test(test_unsupported_operator_is_named),
        cmocka_unit_test(test_candidates_are_listed),
        cmocka_unit_test(test_cutting_at_nodes),
        cmocka_unit_test(test_cut_infers_from_what_stands_before),
        cmocka_unit_test(test_broken_graphs),
        cmocka_unit_test(test_long_chains),
        cmocka_unit_test(test_unfolding_files),
        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_published_networks),
        cmocka_unit_test(test_own_networks),
        cmocka_unit_test(test_keyword_networks_from_their_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
