/* SPDX-License-Identifier: Apache-2.0
 *
 * The linear operators of ai.onnx.ml, and what is said of the others. */
#include "onnx_fixture.h"

static void ml_node(struct onnx_writer *w, const char *op, const char *inputs, const char *outputs)
{
    ow_node(w, op, inputs, outputs);
    ow_domain(w, "ai.onnx.ml");
}

static void begin(struct onnx_writer *w, const char *op, const char *outputs)
{
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, SHAPE(-1, 2));
    ml_node(w, op, "x", outputs);
}

static void test_scaler(void **state)
{
    (void)state;
    struct onnx_writer w;
    begin(&w, "Scaler", "y");
    ow_attr_floats(&w, "offset", FLOATS(1, 2));
    ow_attr_floats(&w, "scale", FLOATS(2, 10));
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(3, 3, 0, 0), FLOATS(4, 10, -2, -20));
    begin(&w, "Scaler", "y");
    ow_attr_floats(&w, "scale", FLOATS(3)); /* one for all */
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(3, 4), FLOATS(9, 12));
    begin(&w, "Scaler", "y");
    ow_attr_floats(&w, "offset", FLOATS(1, 2, 3));
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (Scaler): has 3 numbers in 'offset'");
}

static void test_regressor(void **state)
{
    (void)state;
    struct onnx_writer w;
    begin(&w, "LinearRegressor", "y");
    ow_attr_int(&w, "targets", 2);
    ow_attr_floats(&w, "coefficients", FLOATS(1, 2, 3, 4));
    ow_attr_floats(&w, "intercepts", FLOATS(10, 20));
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(1, -1, 0, 2), FLOATS(9, 19, 14, 28));
    begin(&w, "LinearRegressor", "y");
    ow_attr_floats(&w, "coefficients", FLOATS(1, 2));
    ow_attr_text(&w, "post_transform", "PROBIT");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "ends in PROBIT");
    begin(&w, "LinearRegressor", "y");
    ow_attr_floats(&w, "coefficients", FLOATS(1, 2, 3));
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "3 numbers in 'coefficients', expected 2");
    begin(&w, "LinearRegressor", "y");
    ow_attr_int(&w, "targets", INT64_MAX);
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "targets");
}

static void classifier(struct onnx_writer *w, const char *end, int64_t second)
{
    begin(w, "LinearClassifier", "label p");
    ow_attr_floats(w, "coefficients", FLOATS(1, 0, 0, 1, 1, 1));
    ow_attr_floats(w, "intercepts", FLOATS(0, 0, -1));
    ow_attr_ints(w, "classlabels_ints", (const int64_t[]){0, second, 2}, 3);
    ow_attr_text(w, "post_transform", end);
}

static void test_classifier(void **state)
{
    (void)state;
    struct onnx_writer w;
    classifier(&w, "NONE", 1);
    ow_output(&w, "p");
    onnx_gives(&w, 13, FLOATS(1, 3, 4, -1), FLOATS(1, 3, 3, 4, -1, 2));
    classifier(&w, "NONE", 1);
    ow_output(&w, "label");
    onnx_gives(&w, 13, FLOATS(1, 3.5F, 4, -1, 2, 2), FLOATS(1, 0, 2));
    classifier(&w, "LOGISTIC", 1);
    ow_output(&w, "p");
    onnx_gives(&w, 13, FLOATS(0, 2), FLOATS(0.5F, 0.880797F, 0.731059F));
    classifier(&w, "SOFTMAX", 1);
    ow_output(&w, "p");
    onnx_gives(&w, 13, FLOATS(0, 2), FLOATS(0.090031F, 0.665241F, 0.244728F));
    classifier(&w, "SOFTMAX", 7); /* no position is called 7 */
    ow_output(&w, "p");
    onnx_gives(&w, 13, FLOATS(0, 2), FLOATS(0.090031F, 0.665241F, 0.244728F));
    classifier(&w, "SOFTMAX", 7);
    ow_output(&w, "label");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "--classes");
}

static void test_others_are_explained(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"TreeEnsembleClassifier", "no network"},
                                           {"ZipMap", "--output-node"},
                                           {"Unheard", "of domain 'ai.onnx.ml'"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        begin(&w, cases[k][0], "y");
        ow_output(&w, "y");
        onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, cases[k][1]);
    }
    struct onnx_writer w;
    memset(&w, 0, sizeof w); /* of samples with two axes there is none */
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2, 2));
    ml_node(&w, "LinearRegressor", "x", "y");
    ow_attr_floats(&w, "coefficients", FLOATS(1, 2));
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "samples of one axis");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scaler),
        cmocka_unit_test(test_regressor),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_others_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
