/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files: how tensors are stored, weights in files beside the model, what a graph may look like,
 * and files that are damaged or mean harm. The operators are in test_import_onnx_ops.c
 * and test_import_onnx_moves.c. */
#include "onnx_fixture.h"

#include <unistd.h>

/* Stored tensors ------------------------------------------------------------------------------ */

/* y = x * w, where w is this tensor of one or two values. */
static void write_scaled(struct onnx_writer *w, int type, int field, const void *content,
                         size_t bytes)
{
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_tensor(w, "w", type, SHAPE(2), field, content, bytes);
    ow_node(w, "Cast", "w", "f");
    ow_attr_int(w, "to", ONNX_FLOAT);
    ow_node(w, "Mul", "x f", "y");
    ow_output(w, "y");
}

static void test_stored_types(void **state)
{
    (void)state;
    static const struct {
        int type, field;
        const char *content;
        size_t bytes;
        float want[2];
    } cases[] = {
        {ONNX_FLOAT, ONNX_RAW_DATA, "\0\0\x80\x3f\0\0\0\xc0", 8, {1, -2}},
        {ONNX_FLOAT, ONNX_FLOAT_DATA, "\0\0\x80\x3f\0\0\0\xc0", 8, {1, -2}},
        {ONNX_DOUBLE, ONNX_RAW_DATA, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16, {1, -2}},
        {ONNX_DOUBLE, ONNX_DOUBLE_DATA, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16, {1, -2}},
        {ONNX_FLOAT16, ONNX_RAW_DATA, "\0\x3c\0\xc0", 4, {1, -2}},
        {ONNX_FLOAT16, ONNX_INT32_DATA, "\x80\x78\x80\x80\x03", 5, {1, -2}}, /* varints of bits */
        {ONNX_BFLOAT16, ONNX_RAW_DATA, "\x80\x3f\0\xc0", 4, {1, -2}},
        {ONNX_BFLOAT16, ONNX_INT32_DATA, "\x80\x7f\x80\x80\x03", 5, {1, -2}},
        {ONNX_INT8, ONNX_RAW_DATA, "\x01\xfe", 2, {1, -2}},
        {ONNX_INT8, ONNX_INT32_DATA, "\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, {1, -2}},
        {ONNX_UINT8, ONNX_RAW_DATA, "\x01\xfe", 2, {1, 254}},
        {ONNX_INT16, ONNX_RAW_DATA, "\x01\0\xfe\xff", 4, {1, -2}},
        {ONNX_UINT16, ONNX_INT32_DATA, "\x01\xfe\x01", 3, {1, 254}},
        {ONNX_INT32, ONNX_RAW_DATA, "\x01\0\0\0\xfe\xff\xff\xff", 8, {1, -2}},
        {ONNX_UINT32, ONNX_UINT64_DATA, "\x01\xfe\x01", 3, {1, 254}},
        {ONNX_INT64, ONNX_INT64_DATA, "\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, {1, -2}},
        {ONNX_INT64,
         ONNX_RAW_DATA,
         "\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff",
         16,
         {1, -2}},
        {ONNX_UINT64, ONNX_UINT64_DATA, "\x01\xfe\x01", 3, {1, 254}},
        {ONNX_BOOL, ONNX_RAW_DATA, "\x01\0", 2, {1, 0}},
        {ONNX_BOOL, ONNX_INT32_DATA, "\x01\0", 2, {1, 0}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        write_scaled(&w, cases[k].type, cases[k].field, cases[k].content, cases[k].bytes);
        onnx_gives(&w, 13, FLOATS(1, 1), cases[k].want, 2);
    }
}

static void test_values_must_be_as_many_as_the_shape_says(void **state)
{
    (void)state;
    static const struct {
        int type, field;
        size_t bytes;
    } cases[] = {{ONNX_FLOAT, ONNX_RAW_DATA, 0},   {ONNX_FLOAT, ONNX_RAW_DATA, 4},
                 {ONNX_FLOAT, ONNX_RAW_DATA, 7},   {ONNX_FLOAT, ONNX_RAW_DATA, 12},
                 {ONNX_FLOAT, ONNX_FLOAT_DATA, 4}, {ONNX_FLOAT, ONNX_FLOAT_DATA, 12},
                 {ONNX_INT64, ONNX_RAW_DATA, 8},   {ONNX_FLOAT16, ONNX_RAW_DATA, 2}};
    static const char zeros[16] = {0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        write_scaled(&w, cases[k].type, cases[k].field, zeros, cases[k].bytes);
        onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'w'");
    }
}

static void test_types_that_are_no_numbers(void **state)
{
    (void)state;
    static const int types[] = {ONNX_STRING, 0, 14, 15, 99, -1};
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        struct onnx_writer w;
        struct graph *g;
        mp2ml_error err;
        write_scaled(&w, types[k], ONNX_RAW_DATA, "\0\0\0\0\0\0\0\0", 8);
        assert_int_not_equal(onnx_parse(&g, &w, 13, NULL, &err), MP2ML_OK);
        assert_non_null(strstr(err.text, "'w'"));
    }
}

/* Shapes that no memory could hold, claimed by a few bytes. */
static void test_absurd_shapes_of_tensors(void **state)
{
    (void)state;
    static const struct {
        int64_t dims[GRAPH_MAX_RANK + 2];
        int rank;
    } cases[] = {{{-1}, 1},           {{-5, -5}, 2},
                 {{INT64_MIN}, 1},    {{INT64_MAX}, 1},
                 {{1LL << 40}, 1},    {{1LL << 32, 1LL << 32}, 2},
                 {{1LL << 62, 4}, 2}, {{1 << 20, 1 << 20}, 2},
                 {{0, INT64_MAX}, 2}, {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, GRAPH_MAX_RANK + 2}};
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_tensor(&w, "w", k % 2 ? ONNX_FLOAT : ONNX_INT64, cases[k / 2].dims, cases[k / 2].rank,
                  ONNX_RAW_DATA, "\0\0\0\0\0\0\0\0", 8);
        ow_node(&w, "Mul", "x w", "y");
        ow_output(&w, "y");
        assert_int_not_equal(onnx_parse(&g, &w, 13, NULL, &err), MP2ML_OK);
        assert_int_not_equal(err.status, MP2ML_ERR_MEMORY);
    }
}

/* ConstantOfShape and Expand claim without any data at all. */
static void test_absurd_shapes_of_operators(void **state)
{
    (void)state;
    enum { OPS = 5 };
    static const int64_t shapes[][3] = {{1LL << 20, 1LL << 20, 1},
                                        {INT64_MAX, 2, 2},
                                        {-1, -1, -1},
                                        {INT64_MIN, 1, 1},
                                        {1LL << 31, 1, 1}};
    for (size_t k = 0; k < OPS * sizeof shapes / sizeof *shapes; k++) {
        static const char *const ops[OPS] = {"ConstantOfShape", "Expand", "Reshape", "Tile",
                                             "Resize"};
        static const char *const inputs[OPS] = {"s", "one s", "x s", "x s", "x - - s"};
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_int_list(&w, "s", shapes[k / OPS], 3);
        ow_float(&w, "one", 1);
        ow_node(&w, ops[k % OPS], inputs[k % OPS], "c");
        ow_node(&w, "Add", "x c", "y");
        ow_output(&w, "y");
        assert_int_not_equal(onnx_parse(&g, &w, 13, NULL, &err), MP2ML_OK);
        assert_non_null(strstr(err.text, ops[k % OPS]));
    }
}

/* Files beside the model ---------------------------------------------------------------------- */

struct folder {
    char path[64];
};

static void folder_file(const struct folder *f, const char *name, const void *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static struct folder folder_new(void)
{
    const float values[4] = {9, 1, -2, 9};
    struct folder f = {"/tmp/mp2ml-onnx-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    folder_file(&f, "weights.bin", values, sizeof values);
    return f;
}

static void folder_remove(const struct folder *f)
{
    static const char *const names[] = {"weights.bin", "model.onnx", "link"};
    char path[128];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(path, sizeof path, "%s/%s", f->path, names[k]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->path), 0);
}

/* y = x * w, with w of `n` values as that entry says. */
static mp2ml_status load_external(struct graph **g, const struct folder *f, int64_t n,
                                  const char *location, const char *offset, const char *length,
                                  mp2ml_error *err)
{
    struct onnx_writer w = {0};
    char path[128];
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, n));
    ow_external(&w, "w", ONNX_FLOAT, &n, 1, location, offset, length);
    ow_node(&w, "Mul", "x w", "y");
    ow_output(&w, "y");
    ow_finish(&w, 13);
    folder_file(f, "model.onnx", w.file.data, w.file.size);
    ow_wipe(&w);
    snprintf(path, sizeof path, "%s/model.onnx", f->path);
    memset(err, 0, sizeof *err);
    return graph_load(g, path, NULL, err);
}

static void test_weights_in_a_file_beside_the_model(void **state)
{
    (void)state;
    const struct folder f = folder_new();
    struct graph *g;
    mp2ml_error err;
    assert_int_equal(load_external(&g, &f, 2, "weights.bin", "4", "8", &err), MP2ML_OK);
    graph_gives(g, FLOATS(1, 1), FLOATS(1, -2));
    assert_int_equal(load_external(&g, &f, 2, "weights.bin", "4", NULL, &err), MP2ML_OK);
    graph_gives(g, FLOATS(1, 1), FLOATS(1, -2));
    assert_int_equal(load_external(&g, &f, 4, "./weights.bin", NULL, NULL, &err), MP2ML_OK);
    graph_gives(g, FLOATS(1, 1, 1, 1), FLOATS(9, 1, -2, 9));
    folder_remove(&f);
}

static void test_files_that_are_refused(void **state)
{
    (void)state;
    const struct folder f = folder_new();
    char outside[128], absolute[128], link_path[128];
    snprintf(outside, sizeof outside, "../%s/weights.bin", strrchr(f.path, '/') + 1);
    snprintf(absolute, sizeof absolute, "%s/weights.bin", f.path);
    snprintf(link_path, sizeof link_path, "%s/link", f.path);
    assert_int_equal(symlink("/proc/self/environ", link_path), 0);
    const struct {
        const char *location, *offset, *length;
    } cases[] = {
        {outside, NULL, NULL},
        {absolute, NULL, NULL},
        {"../weights.bin", NULL, NULL},
        {"..", NULL, NULL},
        {"", NULL, NULL},
        {NULL, NULL, NULL},
        {"nothing.bin", NULL, NULL},
        {".", NULL, NULL},
        {"a/../../x", NULL, NULL},
        {"link", NULL, NULL},
        {"weights.bin", "12", NULL},
        {"weights.bin", "0", "4"},
        {"weights.bin", "0", "64"},
        {"weights.bin", "-4", NULL},
        {"weights.bin", "x", NULL},
        {"weights.bin", "18446744073709551612", "8"},
        {"weights.bin", "9223372036854775807", "8"},
        {"weights.bin", "0", "-8"},
        {"weights.bin", "0", "18446744073709551615"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct graph *g;
        mp2ml_error err;
        if (load_external(&g, &f, 2, cases[k].location, cases[k].offset, cases[k].length, &err) ==
            MP2ML_OK)
            fail_msg("case %zu was taken", k);
        assert_null(g);
        assert_non_null(strstr(err.text, "'w'"));
    }
    folder_remove(&f);
}

static void test_bytes_alone_have_no_files_beside_them(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_external(&w, "w", ONNX_FLOAT, SHAPE(2), "weights.bin", NULL, NULL);
    ow_node(&w, "Mul", "x w", "y");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'w'");
}

/* Graphs -------------------------------------------------------------------------------------- */

static void test_old_files_list_initialisers_as_inputs(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "w", ONNX_FLOAT, SHAPE(2));
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_floats(&w, "w", (const float[]){2, 3}, SHAPE(2));
    ow_node(&w, "Mul", "x w", "y");
    ow_output(&w, "y");
    onnx_gives(&w, 8, FLOATS(1, 1), FLOATS(2, 3));
}

static void test_several_inputs_and_outputs(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "a", ONNX_FLOAT, SHAPE(-1, 2));
    ow_input(&w, "b", ONNX_FLOAT, SHAPE(-1, 2));
    ow_node(&w, "Relu", "a", "shared");
    ow_node(&w, "Add", "shared b", "sum");
    ow_node(&w, "Sub", "shared b", "difference");
    ow_node(&w, "Neg", "shared", "unused");
    ow_output(&w, "difference");
    ow_output(&w, "sum");
    struct graph *g = onnx_graph(&w, 13);
    assert_int_equal(g->n_inputs, 2);
    assert_int_equal(g->n_outputs, 2);
    assert_string_equal(g->nodes[g->inputs[0]].name, "a");
    assert_string_equal(g->nodes[g->inputs[1]].name, "b");
    assert_string_equal(g->nodes[g->outputs[0]].name, "difference");
    assert_string_equal(g->nodes[g->outputs[1]].name, "sum");
    unsigned relus = 0;
    for (int k = 0; k < g->n_nodes; k++)
        relus += g->nodes[k].op == GRAPH_RELU;
    assert_int_equal(relus, 1); /* one for both, none for what nobody reads */
    const float a[2] = {-1, 2}, b[2] = {3, 5};
    float difference[2], sum[2];
    assert_int_equal(graph_eval(g, 1, (const float *const[]){a, b},
                                (float *const[]){difference, sum}, NULL, NULL),
                     MP2ML_OK);
    assert_memory_equal(difference, ((const float[]){-3, -3}), sizeof difference);
    assert_memory_equal(sum, ((const float[]){3, 7}), sizeof sum);
    graph_free(g);
}

static void test_an_output_by_name(void **state)
{
    (void)state;
    static const char *const inner[] = {"h"}, *const none[] = {"nothing"};
    for (int k = 0; k < 2; k++) {
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        const struct graph_cut cut = {.outputs = k == 0 ? inner : none, .n_outputs = 1};
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_node(&w, "Relu", "x", "h");
        ow_node(&w, "Neg", "h", "y");
        ow_output(&w, "y");
        mp2ml_status status = onnx_parse(&g, &w, 13, &cut, &err);
        if (k == 0) {
            assert_int_equal(status, MP2ML_OK);
            graph_gives(g, FLOATS(-1, 2), FLOATS(0, 2));
        } else {
            assert_int_not_equal(status, MP2ML_OK);
            assert_non_null(strstr(err.text, "nothing"));
        }
    }
}

static void test_an_input_that_is_an_output(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_node(&w, "Identity", "x", "y");
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(1, -2), FLOATS(1, -2));
}

/* The first axis is the batch where nothing depends on how long it is, else the whole tensor is one
 * sample. */
static void test_the_first_axis_as_batch(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(3, 2));
    ow_node(&w, "Relu", "x", "y");
    ow_output(&w, "y");
    struct graph *g = onnx_graph(&w, 13);
    assert_int_equal(graph_sample_count(&g->nodes[g->inputs[0]]), 2);
    graph_gives(g, FLOATS(1, -2, 3, -4, 5, -6), FLOATS(1, 0, 3, 0, 5, 0));
    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(3, 2));
    ow_node(&w, "Transpose", "x", "y");
    ow_output(&w, "y");
    g = onnx_graph(&w, 13);
    assert_int_equal(graph_sample_count(&g->nodes[g->inputs[0]]), 6);
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(1, 3, 5, 2, 4, 6));
}

static void test_nodes_in_any_order(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    struct graph *g;
    mp2ml_error err;
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_node(&w, "Neg", "h", "y");
    ow_node(&w, "Relu", "x", "h");
    ow_output(&w, "y");
    if (onnx_parse(&g, &w, 13, NULL, &err) == MP2ML_OK) /* the standard wants them sorted */
        graph_gives(g, FLOATS(-1, 2), FLOATS(0, -2));
    else
        assert_non_null(strstr(err.text, "'y' (Neg)"));
}

struct broken {
    const char *op, *inputs, *outputs;
    const char *word;
};

static void test_graphs_that_are_none(void **state)
{
    (void)state;
    static const struct broken cases[][2] = {
        {{"Add", "x b", "a", ""}, {"Relu", "a", "b", ""}},              /* a cycle */
        {{"Add", "x a", "a", ""}, {"Relu", "a", "b", ""}},              /* of one */
        {{"Relu", "x", "a", ""}, {"Relu", "nothing", "b", "nothing"}},  /* no such value */
        {{"Relu", "x", "b", ""}, {"Neg", "x", "b", "b"}},               /* made twice */
        {{"Relu", "x", "x", ""}, {"Neg", "x", "b", "x"}},               /* made of an input */
        {{"Relu", "x", "w", ""}, {"Neg", "w", "b", "w"}},               /* of an initialiser */
        {{"Relu", "x", "a", ""}, {"Add", "a", "b", "'b' (Add)"}},       /* too few inputs */
        {{"Relu", "x", "a", ""}, {"Relu", "a w", "b", "'b' (Relu)"}},   /* too many */
        {{"Relu", "x", "a", ""}, {"Add", "a -", "b", "'b' (Add)"}},     /* left out, but needed */
        {{"Relu", "x", "a", ""}, {"MadeUp", "a", "b", "'b' (MadeUp)"}}, /* no such operator */
        {{"Relu", "x", "a", ""}, {"Relu", "a", "c", "b"}},              /* output not made */
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_float(&w, "w", 2);
        for (size_t n = 0; n < 2; n++)
            ow_node(&w, cases[k][n].op, cases[k][n].inputs, cases[k][n].outputs);
        ow_output(&w, "b");
        if (onnx_parse(&g, &w, 13, NULL, &err) == MP2ML_OK)
            fail_msg("case %zu was taken", k);
        if (strstr(err.text, cases[k][1].word) == NULL)
            fail_msg("case %zu: '%s' is not in: %s", k, cases[k][1].word, err.text);
    }
}

static void test_domains_and_versions(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        int opset;
        bool taken;
    } cases[] = {{"", 7, true},
                 {"ai.onnx", 13, true},
                 {"", 21, true},
                 {"", 0, false},
                 {"", 999, false},
                 {"", -1, false},
                 {"com.microsoft", 13, false},
                 {"ai.onnx.ml", 13, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_node(&w, "Relu", "x", "y");
        ow_domain(&w, cases[k].domain);
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, cases[k].opset, NULL, &err);
        if ((status == MP2ML_OK) != cases[k].taken)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
        graph_free(g);
    }
}

static void test_shapes_of_inputs(void **state)
{
    (void)state;
    static const struct {
        int64_t dims[9];
        int rank;
        const char *word; /* NULL: taken */
    } cases[] = {{{-1, 2}, 2, NULL},          {{-2, 2}, 2, NULL},
                 {{-1, -1}, 2, "'x'"},        {{0}, -1, "'x'"},
                 {{-1, INT64_MAX}, 2, "'x'"}, {{-1, 1 << 16, 1 << 16}, 3, "'x'"},
                 {{INT64_MAX, 2}, 2, "'x'"},  {{1 << 20, 2}, 2, NULL},
                 {{-1, 0}, 2, "'x'"},         {{-1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, "'x'"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, cases[k].dims, cases[k].rank);
        ow_node(&w, "Relu", "x", "y");
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        if ((status == MP2ML_OK) != (cases[k].word == NULL))
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
        if (cases[k].word != NULL && strstr(err.text, cases[k].word) == NULL)
            fail_msg("case %zu: %s", k, err.text);
        graph_free(g);
    }
}

/* Damaged files ------------------------------------------------------------------------------- */

/* A small network with most of what a file can have. */
static void write_rich(struct onnx_writer *w)
{
    const float k[18] = {1, -1, 2, 0.5F, 0, 1, -2, 1, 1, 0, 1, 0, -1, 2, 1, 0, 0, 1};
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, SHAPE(-1, 1, 4, 4));
    ow_floats(w, "k", k, SHAPE(2, 1, 3, 3));
    ow_floats(w, "b", k, SHAPE(2));
    ow_tensor(w, "d", ONNX_DOUBLE, SHAPE(1), ONNX_DOUBLE_DATA, "\0\0\0\0\0\0\xf0\x3f", 8);
    ow_int_list(w, "s", INTS(0, -1));
    ow_node(w, "Conv", "x k b", "c");
    ow_attr_ints(w, "pads", INTS(1, 1, 1, 1));
    ow_attr_ints(w, "kernel_shape", INTS(3, 3));
    ow_node(w, "Relu", "c", "r");
    ow_node(w, "MaxPool", "r", "p");
    ow_attr_ints(w, "kernel_shape", INTS(2, 2));
    ow_attr_ints(w, "strides", INTS(2, 2));
    ow_node(w, "Cast", "d", "f");
    ow_attr_int(w, "to", ONNX_FLOAT);
    ow_node(w, "Mul", "p f", "m");
    ow_node(w, "Reshape", "m s", "q");
    ow_node(w, "Constant", "", "w");
    ow_attr_tensor(w, "value", ONNX_FLOAT, SHAPE(8, 2), ONNX_RAW_DATA, k, 64);
    ow_node(w, "Gemm", "q w b", "y");
    ow_attr_float(w, "alpha", 0.5F);
    ow_output_shaped(w, "y", ONNX_FLOAT, SHAPE(-1, 2));
    ow_finish(w, 13);
}

static void test_the_rich_file_is_taken(void **state)
{
    (void)state;
    struct onnx_writer w;
    struct graph *g;
    mp2ml_error err;
    write_rich(&w);
    if (graph_parse(&g, w.file.data, w.file.size, "test", NULL, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    ow_wipe(&w);
    graph_free(g);
}

/* In memory of exactly its size, so that the sanitizer sees what is read beyond. */
static mp2ml_status parse_copy(const uint8_t *data, size_t size)
{
    struct graph *g;
    mp2ml_error err = {MP2ML_OK, ""};
    uint8_t *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, data, size);
    const mp2ml_status status = graph_parse(&g, copy, size, "test", NULL, &err);
    assert_true((status == MP2ML_OK) == (g != NULL));
    assert_true(status == MP2ML_OK || err.text[0] != '\0');
    free(copy);
    graph_free(g);
    return status;
}

static void test_truncated_at_every_length(void **state)
{
    (void)state;
    struct onnx_writer w;
    write_rich(&w);
    for (size_t size = 0; size < w.file.size; size++)
        assert_int_not_equal(parse_copy(w.file.data, size), MP2ML_OK);
    assert_int_equal(parse_copy(w.file.data, w.file.size), MP2ML_OK);
    ow_wipe(&w);
}

static void test_changed_bytes(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct onnx_writer w;
    write_rich(&w);
    for (size_t at = 0; at < w.file.size; at++)
        for (size_t k = 0; k < sizeof values; k++) {
            const uint8_t was = w.file.data[at];
            w.file.data[at] = values[k];
            (void)parse_copy(w.file.data, w.file.size);
            w.file.data[at] = was;
        }
    ow_wipe(&w);
}

static void test_names_are_cleaned_for_messages(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    struct graph *g;
    mp2ml_error err;
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ow_node(&w, "Bad\x1b[31m\n", "x", "y\x07");
    ow_output(&w, "y\x07");
    assert_int_not_equal(onnx_parse(&g, &w, 13, NULL, &err), MP2ML_OK);
    for (const char *c = err.text; *c != '\0'; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_types),
        cmocka_unit_test(test_values_must_be_as_many_as_the_shape_says),
        cmocka_unit_test(test_types_that_are_no_numbers),
        cmocka_unit_test(test_absurd_shapes_of_tensors),
        cmocka_unit_test(test_absurd_shapes_of_operators),
        cmocka_unit_test(test_weights_in_a_file_beside_the_model),
        cmocka_unit_test(test_files_that_are_refused),
        cmocka_unit_test(test_bytes_alone_have_no_files_beside_them),
        cmocka_unit_test(test_old_files_list_initialisers_as_inputs),
        cmocka_unit_test(test_several_inputs_and_outputs),
        cmocka_unit_test(test_an_output_by_name),
        cmocka_unit_test(test_an_input_that_is_an_output),
        cmocka_unit_test(test_the_first_axis_as_batch),
        cmocka_unit_test(test_nodes_in_any_order),
        cmocka_unit_test(test_graphs_that_are_none),
        cmocka_unit_test(test_domains_and_versions),
        cmocka_unit_test(test_shapes_of_inputs),
        cmocka_unit_test(test_the_rich_file_is_taken),
        cmocka_unit_test(test_truncated_at_every_length),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_names_are_cleaned_for_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
