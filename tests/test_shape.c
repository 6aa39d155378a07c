/* SPDX-License-Identifier: Apache-2.0
 *
 * Shape rules: windows and paddings, what may happen to the batch axis, what does not fit. */
#include "model_fixture.h"

static void conv_attrs(struct gd_writer *w, const char *padding, int64_t sy, int64_t sx)
{
    gd_attr_text(w, "padding", padding);
    gd_attr_list(w, "strides", (const int64_t[]){1, sy, sx, 1}, 4);
}

static void add_conv(struct gd_writer *w, int64_t h, int64_t width, int64_t kh, int64_t kw)
{
    static const float zeros[4096];
    gd_input(w, "x", SHAPE(-1, h, width, 2));
    gd_floats(w, "k", zeros, SHAPE(kh, kw, 2, 3));
    gd_node(w, "y", "Conv2D", "x k");
}

/* Sizes and paddings by TensorFlow's published formulas, worked out by hand. */
static void test_windows(void **state)
{
    (void)state;
    static const struct {
        const char *padding;
        int64_t size[2], kernel[2], stride[2], out[2], pad[4];
    } cases[] = {
        {"VALID", {28, 29}, {5, 5}, {2, 2}, {12, 13}, {0, 0, 0, 0}},
        {"SAME", {28, 28}, {5, 5}, {2, 2}, {14, 14}, {1, 2, 1, 2}},
        {"SAME", {28, 28}, {5, 5}, {1, 1}, {28, 28}, {2, 2, 2, 2}},
        {"SAME", {7, 8}, {3, 2}, {1, 1}, {7, 8}, {1, 1, 0, 1}},
        {"SAME", {4, 5}, {5, 5}, {2, 2}, {2, 3}, {1, 2, 2, 2}},
        {"SAME", {7, 7}, {1, 1}, {2, 3}, {4, 3}, {0, 0, 0, 0}},
        {"VALID", {5, 5}, {5, 1}, {1, 4}, {1, 2}, {0, 0, 0, 0}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct gd_writer w = {0};
        add_conv(&w, cases[k].size[0], cases[k].size[1], cases[k].kernel[0], cases[k].kernel[1]);
        conv_attrs(&w, cases[k].padding, cases[k].stride[0], cases[k].stride[1]);
        struct graph *g = fixture_graph(&w);
        fixture_shape(fixture_output(g), SHAPE(-1, cases[k].out[0], cases[k].out[1], 3));
        assert_memory_equal(fixture_output(g)->window.pad, cases[k].pad, sizeof cases[k].pad);
        graph_free(g);
    }
}

static void test_explicit_padding_and_dilation(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    add_conv(&w, 10, 10, 3, 3);
    conv_attrs(&w, "EXPLICIT", 1, 1);
    gd_attr_list(&w, "explicit_paddings", (const int64_t[]){0, 0, 1, 2, 3, 4, 0, 0}, 8);
    gd_attr_list(&w, "dilations", (const int64_t[]){1, 2, 3, 1}, 4);
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 9, 11, 3)); /* 13 - 5 + 1, 17 - 7 + 1 */
    assert_memory_equal(fixture_output(g)->window.pad, ((const int64_t[]){1, 2, 3, 4}), 32);
    graph_free(g);
}

static void test_window_errors(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    add_conv(&w, 4, 4, 5, 5);
    conv_attrs(&w, "VALID", 1, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'y' (Conv2D): a window of 5 x 5");
    add_conv(&w, 4, 4, 3, 3);
    conv_attrs(&w, "BOTH", 1, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "'padding' is 'BOTH'");
    add_conv(&w, 4, 4, 3, 3);
    conv_attrs(&w, "VALID", 0, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "'strides' has the value 0");
    add_conv(&w, 4, 4, 3, 3);
    conv_attrs(&w, "VALID", -1, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "'strides'");
    add_conv(&w, 4, 4, 3, 3);
    gd_attr_text(&w, "padding", "SAME");
    fixture_fails(&w, MP2ML_ERR_MODEL, "'strides' has 0 values");
    add_conv(&w, 4, 4, 3, 3);
    gd_attr_text(&w, "padding", "SAME");
    gd_attr_list(&w, "strides", (const int64_t[]){2, 1, 1, 1}, 4);
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "'strides'");
    add_conv(&w, 4, 4, 3, 3);
    conv_attrs(&w, "EXPLICIT", 1, 1);
    gd_attr_list(&w, "explicit_paddings", (const int64_t[]){0, 0, -1, 0, 0, 0, 0, 0}, 8);
    fixture_fails(&w, MP2ML_ERR_MODEL, "does not fit");
    add_conv(&w, 4, 4, 3, 3);
    conv_attrs(&w, "SAME", 1, 1);
    gd_attr_text(&w, "data_format", "NDHWC");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "'data_format' is 'NDHWC'");
}

static void test_channels_must_fit(void **state)
{
    (void)state;
    static const float zeros[100];
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4, 4, 4));
    gd_floats(&w, "k", zeros, SHAPE(1, 1, 2, 3)); /* two groups make no three channels */
    gd_node(&w, "y", "Conv2D", "x k");
    conv_attrs(&w, "SAME", 1, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "takes 2");
    gd_input(&w, "x", SHAPE(-1, 4, 4, 4));
    gd_floats(&w, "k", zeros, SHAPE(1, 1, 3, 4));
    gd_node(&w, "y", "Conv2D", "x k");
    conv_attrs(&w, "SAME", 1, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "takes 3");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_floats(&w, "k", zeros, SHAPE(5, 4));
    gd_node(&w, "y", "MatMul", "x k");
    fixture_fails(&w, MP2ML_ERR_MODEL, "shapes (?, 4) and (5, 4) do not fit");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_floats(&w, "b", zeros, SHAPE(3));
    gd_node(&w, "y", "BiasAdd", "x b");
    fixture_fails(&w, MP2ML_ERR_MODEL, "shapes (?, 4) and (3) do not fit");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_floats(&w, "b", zeros, SHAPE(3));
    gd_node(&w, "y", "Add", "x b");
    fixture_fails(&w, MP2ML_ERR_MODEL, "do not fit");
}

static void reshape_to(struct gd_writer *w, const int32_t *to, size_t n)
{
    gd_input(w, "x", SHAPE(-1, 4, 6));
    gd_int_list(w, "s", to, n);
    gd_node(w, "y", "Reshape", "x s");
}

#define TO(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / 4

static void test_reshape_keeps_samples_together(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    reshape_to(&w, TO(-1, 24));
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 24));
    assert_int_equal(fixture_output(g)->n_inputs, 1);
    graph_free(g);
    reshape_to(&w, TO(1, 24));
    g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 24));
    graph_free(g);
    reshape_to(&w, TO(-1, 3, 2, 4));
    g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 3, 2, 4));
    graph_free(g);
    reshape_to(&w, TO(-1, 12)); /* two rows a sample */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "first axis is 2 times the batch");
    reshape_to(&w, TO(-1));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "first axis is 24 times the batch");
    reshape_to(&w, TO(-1, 7));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "shape (?, 4, 6) does not become (?, 7) sample by");
    reshape_to(&w, TO(4, -1));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "sample by sample");
    reshape_to(&w, TO(-1, -1, 5));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "sample by sample");
    reshape_to(&w, TO(-1, -24));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "sample by sample");
    reshape_to(&w, TO(-1, 1, 1, 1, 1, 1, 1, 1, 24));
    fixture_fails(&w, MP2ML_ERR_MODEL, "at most 8");
}

static void test_batch_axis_stays_first(void **state)
{
    (void)state;
    static const float zeros[100];
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 3));
    gd_int_list(&w, "p", TO(1, 0, 2));
    gd_node(&w, "y", "Transpose", "x p");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "moves the batch axis");
    gd_input(&w, "x", SHAPE(-1, 2, 3));
    gd_int_list(&w, "p", TO(0, 1, 1));
    gd_node(&w, "y", "Transpose", "x p");
    fixture_fails(&w, MP2ML_ERR_MODEL, "no order");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_int(&w, "a", 0);
    gd_node(&w, "y", "ExpandDims", "x a");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "before the batch");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "c", zeros, SHAPE(3, 1, 2));
    gd_node(&w, "y", "Mul", "x c");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "batch");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "c", zeros, SHAPE(5, 2));
    gd_node(&w, "y", "Sub", "x c");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "batch");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_ints(&w, "p", (const int32_t[]){1, 0, 0, 0}, SHAPE(2, 2));
    gd_node(&w, "y", "Pad", "x p");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "pads the batch");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_int(&w, "a", 0);
    gd_node(&w, "y", "ArgMax", "x a");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "axis 0");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "c", zeros, SHAPE(2, 2));
    gd_node(&w, "y", "MatMul", "x c");
    gd_attr_bool(&w, "transpose_a", true);
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "transpose_a");
}

static void test_squeeze_and_expand(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1, 5, 1));
    gd_node(&w, "s", "Squeeze", "x");
    gd_attr_list(&w, "squeeze_dims", (const int64_t[]){-1}, 1);
    gd_int(&w, "a", -2);
    gd_node(&w, "y", "ExpandDims", "s a");
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 1, 1, 5));
    assert_int_equal(fixture_output(g)->op, GRAPH_RESHAPE);
    graph_free(g);
    gd_input(&w, "x", SHAPE(-1, 1, 5, 1));
    gd_node(&w, "y", "Squeeze", "x");
    g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 5));
    graph_free(g);
    gd_input(&w, "x", SHAPE(-1, 1, 5, 1));
    gd_node(&w, "y", "Squeeze", "x");
    gd_attr_list(&w, "axis", (const int64_t[]){2}, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "axis 2");
    gd_input(&w, "x", SHAPE(-1, 1, 5, 1));
    gd_node(&w, "y", "Squeeze", "x");
    gd_attr_list(&w, "axis", (const int64_t[]){0}, 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "axis 0");
}

static void test_input_shapes(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(1, 7));
    gd_node(&w, "y", "Relu", "x");
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 7));
    graph_free(g);
    gd_input(&w, "x", NULL, -1);
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "--input-node");
    gd_input(&w, "x", SHAPE(32, 7));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "--input-node");
    gd_input(&w, "x", SHAPE(-1, -1, 7));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "--input-node");
    gd_input(&w, "x", SHAPE(-1, 0));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "axis 1");
    gd_input(&w, "x", SHAPE(-1, INT64_MAX));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "axis 1");
    gd_input(&w, "x", SHAPE(-1, 1 << 20, 1 << 20, 1 << 20, 1 << 20));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "impossible shape");
    gd_input(&w, "x", SHAPE(-1, 1 << 13, 1 << 13));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED,
                  "node 'x' (Placeholder): a sample has 67108864 values");
    gd_input(&w, "x", SHAPE(-1, 1, 1, 1, 1, 1, 1, 1, 1));
    gd_node(&w, "y", "Relu", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "axes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_explicit_padding_and_dilation),
        cmocka_unit_test(test_window_errors),
        cmocka_unit_test(test_channels_must_fit),
        cmocka_unit_test(test_reshape_keeps_samples_together),
        cmocka_unit_test(test_batch_axis_stays_first),
        cmocka_unit_test(test_squeeze_and_expand),
        cmocka_unit_test(test_input_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
