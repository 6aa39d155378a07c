/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX's operators that compute, as their versions define them: attributes that became inputs,
 * defaults that changed, and operators that the published node tests leave out. Expected values are
 * worked out by hand from the definitions. What moves values: test_import_onnx_moves.c. */
#include "onnx_fixture.h"

/* Elementwise --------------------------------------------------------------------------------- */

static void test_clip(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 4));
    ow_node(&w, "Clip", "x", "y");
    ow_attr_float(&w, "min", -1);
    ow_attr_float(&w, "max", 2);
    onnx_gives(&w, 7, FLOATS(-3, -0.5F, 1, 5), FLOATS(-1, -0.5F, 1, 2));
    onnx_begin(&w, SHAPE(-1, 4));
    ow_float(&w, "low", 0);
    ow_float(&w, "high", 6);
    ow_node(&w, "Clip", "x low high", "y");
    onnx_gives(&w, 11, FLOATS(-3, -0.5F, 1, 7), FLOATS(0, 0, 1, 6));
    onnx_begin(&w, SHAPE(-1, 4));
    ow_float(&w, "high", 1);
    ow_node(&w, "Clip", "x - high", "y");
    onnx_gives(&w, 13, FLOATS(-3, -0.5F, 1, 7), FLOATS(-3, -0.5F, 1, 1));
    onnx_begin(&w, SHAPE(-1, 4));
    ow_node(&w, "Clip", "x", "y");
    onnx_gives(&w, 13, FLOATS(-3, -0.5F, 1, 7), FLOATS(-3, -0.5F, 1, 7));
}

static void test_slopes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2));
    ow_node(&w, "LeakyRelu", "x", "y");
    onnx_gives(&w, 7, FLOATS(-3, 2), FLOATS(-0.03F, 2)); /* 0.01 unless it is said */
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_floats(&w, "s", (const float[]){0.5F, -1}, SHAPE(2, 1));
    ow_node(&w, "PRelu", "x s", "y");
    onnx_gives(&w, 9, FLOATS(-1, 2, -3, -4), FLOATS(-0.5F, 2, 3, 4));
    onnx_begin(&w, SHAPE(-1, 3));
    ow_node(&w, "HardSigmoid", "x", "y");
    onnx_gives(&w, 7, FLOATS(-9, 1, 9), FLOATS(0, 0.7F, 1)); /* 0.2 x + 0.5 */
    onnx_begin(&w, SHAPE(-1, 4));
    ow_node(&w, "HardSwish", "x", "y");
    onnx_gives(&w, 14, FLOATS(-4, -1, 1, 4), FLOATS(0, -1.0F / 3, 2.0F / 3, 4));
}

static void test_signs(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        float want[3];
    } cases[] = {{"Abs", {2, 0, 3}}, {"Neg", {2, 0, -3}}, {"Relu", {0, 0, 3}}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 3));
        ow_node(&w, cases[k].op, "x", "y");
        onnx_gives(&w, 13, FLOATS(-2, 0, 3), cases[k].want, 3);
    }
}

static void test_arithmetic_with_constants(void **state)
{
    (void)state;
    static const struct {
        const char *op, *inputs;
        float want[4];
    } cases[] = {
        {"Add", "x c", {11, 22, 13, 24}},     {"Sub", "x c", {-9, -18, -7, -16}},
        {"Sub", "c x", {9, 18, 7, 16}},       {"Mul", "c x", {10, 40, 30, 80}},
        {"Div", "x c", {.1F, .1F, .3F, .2F}}, {"Min", "x c x", {1, 2, 3, 4}},
        {"Max", "x c", {10, 20, 10, 20}},     {"Sum", "x c x", {12, 24, 16, 28}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 2));
        ow_floats(&w, "c", (const float[]){10, 20}, SHAPE(2));
        ow_node(&w, cases[k].op, cases[k].inputs, "y");
        onnx_gives(&w, 8, FLOATS(1, 2, 3, 4), cases[k].want, 4);
    }
}

/* Broadcasting aligns the last axes: here the constant has more of them than a sample. */
static void test_broadcasting_that_adds_axes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(1, 2));
    ow_floats(&w, "c", (const float[]){10, 20, 30}, SHAPE(3, 1, 1));
    ow_node(&w, "Add", "x c", "y");
    onnx_gives(&w, 13, FLOATS(1, 2), FLOATS(11, 12, 21, 22, 31, 32));
}

static void test_cast(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2));
    ow_node(&w, "Cast", "x", "d");
    ow_attr_int(&w, "to", ONNX_DOUBLE);
    ow_node(&w, "Cast", "d", "y");
    ow_attr_int(&w, "to", ONNX_FLOAT);
    onnx_gives(&w, 13, FLOATS(1.5F, -2), FLOATS(1.5F, -2));
    onnx_begin(&w, SHAPE(-1, 2)); /* rounds values that nobody may see */
    ow_node(&w, "Cast", "x", "y");
    ow_attr_int(&w, "to", ONNX_INT64);
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Cast)");
}

static void test_dropout(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2));
    ow_node(&w, "Dropout", "x", "y");
    ow_attr_float(&w, "ratio", 0.5F);
    onnx_gives(&w, 10, FLOATS(1, 2), FLOATS(1, 2));
    onnx_begin(&w, SHAPE(-1, 2));
    ow_float(&w, "ratio", 0.5F);
    ow_node(&w, "Dropout", "x ratio", "y mask");
    onnx_gives(&w, 12, FLOATS(1, 2), FLOATS(1, 2));
    onnx_begin(&w, SHAPE(-1, 2));
    ow_float(&w, "ratio", 0.5F);
    ow_tensor(&w, "training", ONNX_BOOL, NULL, 0, ONNX_RAW_DATA, "\x01", 1);
    ow_node(&w, "Dropout", "x ratio training", "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Dropout)");
}

/* Opset 6 and before: broadcasting from an axis on, slopes by channel, tests of inference. */
static void test_old_opsets(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_floats(&w, "c", (const float[]){10, 20}, SHAPE(2));
    ow_node(&w, "Add", "x c", "y");
    ow_attr_int(&w, "broadcast", 1);
    ow_attr_int(&w, "axis", 1);
    onnx_gives(&w, 6, FLOATS(1, 2, 3, 4), FLOATS(11, 12, 23, 24));
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_floats(&w, "s", (const float[]){0.5F, 2}, SHAPE(2));
    ow_node(&w, "PRelu", "x s", "y");
    onnx_gives(&w, 6, FLOATS(-1, -2, -3, 4), FLOATS(-0.5F, -1, -6, 4));
    for (int64_t test = 0; test < 2; test++) {
        onnx_begin(&w, SHAPE(-1, 1));
        for (size_t k = 0; k < 4; k++)
            ow_floats(&w, (const char *const[]){"s", "b", "m", "v"}[k], (const float[]){1},
                      SHAPE(1));
        ow_node(&w, "BatchNormalization", "x s b m v", "n");
        ow_attr_float(&w, "epsilon", 0);
        ow_attr_int(&w, "is_test", test);
        ow_node(&w, "Dropout", "n", "y");
        ow_attr_int(&w, "is_test", 1);
        if (test == 0)
            onnx_fails(&w, 6, MP2ML_ERR_UNSUPPORTED, "'n' (BatchNormalization)");
        else
            onnx_gives(&w, 6, FLOATS(1, 2), FLOATS(1, 2));
    }
    onnx_begin(&w, SHAPE(-1, 2));
    ow_node(&w, "Dropout", "x", "y");
    onnx_fails(&w, 6, MP2ML_ERR_UNSUPPORTED, "'y' (Dropout)");
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_floats(&w, "c", (const float[]){10, 20}, SHAPE(2));
    ow_node(&w, "Add", "x c", "y");
    ow_attr_int(&w, "axis", 2);
    onnx_gives(&w, 6, FLOATS(1, 2, 3, 4), FLOATS(11, 22, 13, 24));
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_floats(&w, "c", (const float[]){10, 20}, SHAPE(2));
    ow_node(&w, "Add", "x c", "y");
    ow_attr_int(&w, "axis", 3);
    onnx_fails(&w, 6, MP2ML_ERR_MODEL, "'y' (Add)");
}

/* Reductions ---------------------------------------------------------------------------------- */

static void test_reductions(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int opset, as_input;
        float want[2];
    } cases[] = {{"ReduceSum", 11, 0, {6, 15}}, {"ReduceSum", 13, 1, {6, 15}},
                 {"ReduceMean", 13, 0, {2, 5}}, {"ReduceMean", 18, 1, {2, 5}},
                 {"ReduceMax", 13, 0, {3, 6}},  {"ReduceMax", 18, 1, {3, 6}}};
    for (size_t k = 0; k < 2 * sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        const int64_t keep = k % 2;
        onnx_begin(&w, SHAPE(-1, 2, 3));
        if (cases[k / 2].as_input)
            ow_int_list(&w, "axes", INTS(-1));
        ow_node(&w, cases[k / 2].op, cases[k / 2].as_input ? "x axes" : "x", "y");
        if (!cases[k / 2].as_input)
            ow_attr_ints(&w, "axes", INTS(2));
        ow_attr_int(&w, "keepdims", keep);
        struct graph *g = onnx_graph(&w, cases[k / 2].opset);
        fixture_shape(fixture_output(g), (const int64_t[]){-1, 2, 1}, 2 + (int)keep);
        graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), cases[k / 2].want, 2);
    }
}

static void test_reductions_without_axes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(1, 2, 2));
    ow_node(&w, "ReduceSum", "x", "y");
    onnx_gives(&w, 13, FLOATS(1, 2, 3, 4), FLOATS(10));
    onnx_begin(&w, SHAPE(1, 2, 2));
    ow_node(&w, "ReduceSum", "x", "y");
    ow_attr_int(&w, "noop_with_empty_axes", 1);
    onnx_gives(&w, 13, FLOATS(1, 2, 3, 4), FLOATS(1, 2, 3, 4));
}

static void test_argmax(void **state)
{
    (void)state;
    for (int64_t keep = 0; keep < 2; keep++) {
        struct onnx_writer w;
        memset(&w, 0, sizeof w);
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 3, 2));
        ow_output_shaped(&w, "y", ONNX_INT64, NULL, -1);
        ow_node(&w, "ArgMax", "x", "y");
        ow_attr_int(&w, "axis", 1);
        ow_attr_int(&w, "keepdims", keep);
        struct graph *g = onnx_graph(&w, 13);
        graph_gives(g, FLOATS(1, 9, 3, 0, 2, 5), FLOATS(1, 0));
    }
}

/* Before version 13 the values from `axis` on are one row, and axis is 1 unless it is said. */
static void test_softmax_axis(void **state)
{
    (void)state;
    const float a = 1 / (1 + expf(1)), b = 1 - a;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_node(&w, "Softmax", "x", "y");
    onnx_gives(&w, 13, FLOATS(0, 1, 7, 8), FLOATS(a, b, a, b));
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_node(&w, "Softmax", "x", "y");
    onnx_gives(&w, 11, FLOATS(0, 1, 0, 1), FLOATS(a / 2, b / 2, a / 2, b / 2));
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_node(&w, "LogSoftmax", "x", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_gives(&w, 13, FLOATS(0, 7, 1, 8), FLOATS(logf(a), logf(a), logf(b), logf(b)));
}

/* The places of the maxima are asked for, or named and not read. */
static void test_indices_of_a_pool(void **state)
{
    (void)state;
    for (unsigned asked = 0; asked < 2; asked++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(1, 1, 1, 3));
        if (asked == 1)
            ow_output_shaped(&w, "places", ONNX_INT64, NULL, -1);
        ow_node(&w, "MaxPool", "x", "y places");
        ow_attr_ints(&w, "kernel_shape", INTS(1, 2));
        if (asked == 1)
            onnx_fails(&w, 12, MP2ML_ERR_UNSUPPORTED, "leave that output out");
        else
            onnx_gives(&w, 12, FLOATS(3, 1, 2), FLOATS(3, 2));
    }
}

/* Layers -------------------------------------------------------------------------------------- */

static void test_gemm(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2));
    ow_floats(&w, "b", (const float[]){1, 2, 3, 4, 5, 6}, SHAPE(3, 2));
    ow_float(&w, "c", 10);
    ow_node(&w, "Gemm", "x b c", "y");
    ow_attr_float(&w, "alpha", 2);
    ow_attr_float(&w, "beta", 0.5F);
    ow_attr_int(&w, "transB", 1);
    onnx_gives(&w, 7, FLOATS(1, 1), FLOATS(11, 19, 27));
    onnx_begin(&w, SHAPE(-1, 2));
    ow_floats(&w, "b", (const float[]){1, 2, 3, 4, 5, 6}, SHAPE(2, 3));
    ow_node(&w, "Gemm", "x b", "y");
    onnx_gives(&w, 11, FLOATS(1, 1), FLOATS(5, 7, 9));
}

static void test_batch_normalization(void **state)
{
    (void)state;
    static const int opsets[] = {7, 9, 14, 15};
    for (size_t k = 0; k < sizeof opsets / sizeof *opsets; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 2, 2));
        ow_floats(&w, "s", (const float[]){2, 1}, SHAPE(2));
        ow_floats(&w, "b", (const float[]){1, 0}, SHAPE(2));
        ow_floats(&w, "m", (const float[]){1, 0}, SHAPE(2));
        ow_floats(&w, "v", (const float[]){3, 0}, SHAPE(2));
        ow_node(&w, "BatchNormalization", "x s b m v", "y");
        ow_attr_float(&w, "epsilon", 1);
        onnx_gives(&w, opsets[k], FLOATS(1, 3, 1, 2), FLOATS(1, 3, 1, 2));
    }
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 1));
    for (size_t k = 0; k < 4; k++)
        ow_floats(&w, (const char *const[]){"s", "b", "m", "v"}[k], (const float[]){1}, SHAPE(1));
    ow_node(&w, "BatchNormalization", "x s b m v", "y");
    ow_attr_int(&w, "training_mode", 1);
    onnx_fails(&w, 14, MP2ML_ERR_UNSUPPORTED, "'y' (BatchNormalization)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_slopes),
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_arithmetic_with_constants),
        cmocka_unit_test(test_broadcasting_that_adds_axes),
        cmocka_unit_test(test_cast),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_old_opsets),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_reductions_without_axes),
        cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_softmax_axis),
        cmocka_unit_test(test_indices_of_a_pool),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_batch_normalization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
