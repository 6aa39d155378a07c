/* SPDX-License-Identifier: Apache-2.0
 *
 * Folding and simplification: shape chains, constants, identities, paddings, dead nodes. */
#include "model_fixture.h"

#define INTS(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / 4

static int count_op(const struct graph *g, enum graph_op op)
{
    int n = 0;
    for (int k = 0; k < g->n_nodes; k++)
        n += g->nodes[k].op == op;
    return n;
}

/* Shape -> StridedSlice -> Pack, with a literal beside the batch. */
static void keras_flatten(struct gd_writer *w)
{
    gd_node(w, "shape", "Shape", "x");
    gd_int_list(w, "b0", INTS(0));
    gd_int_list(w, "b1", INTS(1));
    gd_node(w, "batch", "StridedSlice", "shape b0 b1 b1");
    gd_attr_int(w, "shrink_axis_mask", 1);
    gd_int(w, "n", 24);
    gd_node(w, "to", "Pack", "batch n");
    gd_node(w, "y", "Reshape", "x to");
}

static void test_keras_flatten(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 3, 4));
    keras_flatten(&w);
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_nodes, 2);
    fixture_shape(fixture_output(g), SHAPE(-1, 24));
    assert_string_equal(fixture_output(g)->name, "y");
    graph_free(g);
}

/* A factor that the file holds stays a factor when it is 1, as 2 does: it may be a weight. A slope
 * of 0 is an operator's attribute, and what it multiplies by 1 goes. */
static void test_factor_of_ones(void **state)
{
    (void)state;
    for (int value = 1; value <= 2; value++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 4));
        gd_node(&w, "r", "Relu", "x");
        gd_floats(&w, "factor", (const float[]){(float)value}, NULL, 0);
        gd_node(&w, "scaled", "Mul", "r factor");
        gd_node(&w, "y", "Relu", "scaled");
        struct graph *g = fixture_graph(&w);
        assert_int_equal(count_op(g, GRAPH_MUL), 1);
        graph_free(g);
    }
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "LeakyRelu", "x");
    gd_attr_float(&w, "alpha", 0);
    struct graph *g = fixture_graph(&w);
    assert_int_equal(count_op(g, GRAPH_MUL), 1); /* 0 * x; not 1 * relu(x) */
    graph_free(g);
}

/* The older form: the product of shape[1:], by ConcatV2 or by Pack with -1. */
static void test_flatten_by_product(void **state)
{
    (void)state;
    for (int concat = 0; concat < 2; concat++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 2, 3, 4));
        gd_node(&w, "id", "Identity", "x");
        gd_node(&w, "shape", "Shape", "id:0");
        gd_int_list(&w, "one", INTS(1));
        gd_int_list(&w, "zero", INTS(0));
        gd_node(&w, "rest", "StridedSlice", "shape one zero one");
        gd_attr_int(&w, "end_mask", 1);
        gd_node(&w, "count", "Prod", "rest zero");
        gd_attr_bool(&w, "keep_dims", concat != 0);
        gd_int_list(&w, "open", INTS(-1));
        gd_int(&w, "m1", -1);
        gd_int(&w, "axis", 0);
        if (concat)
            gd_node(&w, "to", "ConcatV2", "open count axis");
        else
            gd_node(&w, "to", "Pack", "m1 count");
        gd_node(&w, "y", "Reshape", "id to");
        struct graph *g = fixture_graph(&w);
        assert_int_equal(g->n_nodes, 2);
        fixture_shape(fixture_output(g), SHAPE(-1, 24));
        graph_free(g);
    }
}

static void test_batch_is_no_number(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "shape", "Shape", "x");
    gd_int_list(&w, "zero", INTS(0));
    gd_node(&w, "all", "Prod", "shape zero"); /* batch * 4: samples are no longer apart */
    gd_attr_bool(&w, "keep_dims", true);
    gd_node(&w, "y", "Reshape", "x all");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "first axis is 4 times the batch");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "shape", "Shape", "x");
    gd_int_list(&w, "c", INTS(1, 1));
    gd_node(&w, "same", "Mul", "shape c"); /* by one it may be */
    gd_node(&w, "y", "Reshape", "x same");
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_nodes, 1); /* a reshape to its own shape is nothing */
    graph_free(g);
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "shape", "Shape", "x");
    gd_int_list(&w, "c", INTS(1, 1));
    gd_node(&w, "more", "Add", "shape c");
    gd_node(&w, "y", "Reshape", "x more");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "node 'more'");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Shape", "x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "depends on no input");
}

static void test_constants_fold(void **state)
{
    (void)state;
    /* c = relu(transpose([[1,-2],[3,4]]) * 2 - [10, 0]) / 4, then cut, joined and cast. */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 2));
    gd_floats(&w, "m", (const float[]){1, -2, 3, 4}, SHAPE(2, 2));
    gd_int_list(&w, "p", INTS(1, 0));
    gd_node(&w, "t", "Transpose", "m p");
    gd_int(&w, "two", 2);
    gd_node(&w, "twof", "Cast", "two");
    gd_attr_type(&w, "DstT", GD_FLOAT);
    gd_node(&w, "s", "Mul", "twof t"); /* 2 6 -4 8 */
    gd_floats(&w, "d", (const float[]){1, -8}, SHAPE(2));
    gd_node(&w, "e", "Sub", "s d"); /* 1 14 -5 16 */
    gd_node(&w, "r", "Relu", "e");  /* 1 14 0 16 */
    gd_node(&w, "q", "RealDiv", "r twof");
    gd_node(&w, "y", "Add", "x q");
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_nodes, 3);
    const float x[4] = {0, 0, 0, 100}, want[4] = {.5F, 7, 0, 108};
    fixture_gives(g, 1, x, want, 4, 0);
}

static void slice_gives(const int32_t *begin, const int32_t *end, const int32_t *step,
                        const int64_t *masks, const float *want, size_t n)
{
    struct gd_writer w = {0};
    float v[12];
    for (int k = 0; k < 12; k++)
        v[k] = (float)k;
    gd_input(&w, "x", SHAPE(-1, 1));
    gd_floats(&w, "v", v, SHAPE(3, 4));
    gd_int_list(&w, "b", begin, 2);
    gd_int_list(&w, "e", end, 2);
    gd_int_list(&w, "s", step, 2);
    gd_node(&w, "c", "StridedSlice", "v b e s");
    gd_attr_int(&w, "begin_mask", masks[0]);
    gd_attr_int(&w, "end_mask", masks[1]);
    gd_attr_int(&w, "shrink_axis_mask", masks[2]);
    gd_int_list(&w, "flat", INTS(-1));
    gd_node(&w, "f", "Reshape", "c flat");
    gd_node(&w, "y", "Mul", "x f");
    fixture_gives(fixture_graph(&w), 1, (const float[]){1}, want, n, 0);
}

static void test_slices_are_python_slices(void **state)
{
    (void)state;
    const int64_t none[3] = {0, 0, 0}, open[3] = {3, 3, 0}, shrink[3] = {0, 0, 2};
    slice_gives((const int32_t[]){1, 1}, (const int32_t[]){3, 3}, (const int32_t[]){1, 1}, none,
                (const float[]){5, 6, 9, 10}, 4);
    slice_gives((const int32_t[]){-1, -1}, (const int32_t[]){-3, 0}, (const int32_t[]){-1, -2},
                none, (const float[]){11, 9, 7, 5}, 4);
    slice_gives((const int32_t[]){1, 1}, (const int32_t[]){1, 1}, (const int32_t[]){-2, 3}, open,
                (const float[]){8, 11, 0, 3}, 4);
    slice_gives((const int32_t[]){0, -1}, (const int32_t[]){99, 0}, (const int32_t[]){2, 1}, shrink,
                (const float[]){3, 11}, 2);
}

static void test_pack_and_concat_inside(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 4));
    gd_floats(&w, "a", (const float[]){1, 2}, SHAPE(2));
    gd_floats(&w, "b", (const float[]){3, 4}, SHAPE(2));
    gd_node(&w, "p", "Pack", "a b");
    gd_attr_int(&w, "axis", -1); /* 1 3 / 2 4 */
    gd_int(&w, "one", 1);
    gd_node(&w, "c", "ConcatV2", "p p one"); /* 1 3 1 3 / 2 4 2 4 */
    gd_node(&w, "y", "Add", "x c");
    const float zeros[8] = {0}, want[8] = {1, 3, 1, 3, 2, 4, 2, 4};
    fixture_gives(fixture_graph(&w), 1, zeros, want, 8, 0);
}

static void test_identities_go_and_the_output_keeps_its_name(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "i1", "Identity", "x");
    gd_node(&w, "i2", "StopGradient", "i1");
    gd_floats(&w, "c/resource", (const float[]){1, 2, 3, 4}, SHAPE(4));
    gd_node(&w, "c", "Identity", "c/resource");
    gd_node(&w, "r", "Relu", "i2");
    gd_node(&w, "a", "Add", "r c");
    gd_node(&w, "i3", "Identity", "a");
    gd_node(&w, "Identity", "Identity", "i3");
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(count_op(g, GRAPH_IDENTITY), 0);
    assert_int_equal(fixture_output(g)->op, GRAPH_ADD);
    assert_string_equal(fixture_output(g)->name, "Identity");
    for (int k = 0; k < g->n_nodes; k++)
        for (unsigned i = 0; i < g->nodes[k].n_inputs; i++)
            assert_in_range(g->nodes[k].inputs[i], 0, k - 1);
    graph_free(g);
}

static void test_pad_goes_into_the_convolution(void **state)
{
    (void)state;
    static const float kernel[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (int channels = 0; channels < 2; channels++) {
        struct gd_writer w = {0};
        const int32_t pads[8] = {0, 0, 1, 0, 0, 1, channels, 0};
        gd_input(&w, "x", SHAPE(-1, 3, 3, 1));
        gd_ints(&w, "p", pads, SHAPE(4, 2));
        gd_node(&w, "z", "Pad", "x p");
        float both[18] = {0};
        for (int k = 0; k < 9; k++)
            both[2 * k + 1] = kernel[k];
        if (channels)
            gd_floats(&w, "k", both, SHAPE(3, 3, 2, 1));
        else
            gd_floats(&w, "k", kernel, SHAPE(3, 3, 1, 1));
        gd_node(&w, "y", "Conv2D", "z k");
        gd_attr_text(&w, "padding", "VALID");
        gd_attr_list(&w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
        struct graph *g = fixture_graph(&w);
        assert_int_equal(count_op(g, GRAPH_PAD), channels);
        const float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, want[4] = {21, 16, 45, 33};
        fixture_gives(g, 1, x, want, 4, 0);
    }
}

static void test_weights_are_straightened(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_floats(&w, "b", (const float[]){1, 2, 3, 4, 5, 6}, SHAPE(2, 3));
    gd_node(&w, "y", "MatMul", "x b");
    gd_attr_bool(&w, "transpose_b", true);
    struct graph *g = fixture_graph(&w);
    const struct graph_node *weights = &g->nodes[fixture_output(g)->inputs[1]];
    assert_false(fixture_output(g)->transpose_b);
    fixture_shape(weights, SHAPE(3, 2));
    assert_memory_equal(weights->value.f, ((const float[]){1, 4, 2, 5, 3, 6}), 24);
    graph_free(g);
}

static void test_data_stay_out_of_shape_operators(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Exp", "x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "node 'y' (Exp): is supported on shapes");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Cast", "x");
    gd_attr_type(&w, "DstT", GD_INT32);
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "rounds");
}

static void test_values_must_be_finite(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "c", (const float[]){1, NAN}, SHAPE(2));
    gd_node(&w, "y", "Add", "x c");
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'c' (Const): element 1");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "zero", (const float[]){0}, NULL, 0);
    gd_floats(&w, "one", (const float[]){1}, NULL, 0);
    gd_node(&w, "c", "RealDiv", "one zero");
    gd_node(&w, "y", "Add", "x c");
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'c'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keras_flatten),
        cmocka_unit_test(test_factor_of_ones),
        cmocka_unit_test(test_flatten_by_product),
        cmocka_unit_test(test_batch_is_no_number),
        cmocka_unit_test(test_constants_fold),
        cmocka_unit_test(test_slices_are_python_slices),
        cmocka_unit_test(test_pack_and_concat_inside),
        cmocka_unit_test(test_identities_go_and_the_output_keeps_its_name),
        cmocka_unit_test(test_pad_goes_into_the_convolution),
        cmocka_unit_test(test_weights_are_straightened),
        cmocka_unit_test(test_data_stay_out_of_shape_operators),
        cmocka_unit_test(test_values_must_be_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
