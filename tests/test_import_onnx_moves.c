/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX's operators that move values, make shapes and constants, as their versions define them.
 * Expected values are worked out by hand from the definitions. What computes:
 * test_import_onnx_ops.c. */
#include "onnx_fixture.h"

/* Moves --------------------------------------------------------------------------------------- */

static void test_pad(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 3));
    ow_node(&w, "Pad", "x", "y");
    ow_attr_ints(&w, "pads", INTS(0, 1, 0, 2));
    ow_attr_float(&w, "value", 7);
    onnx_gives(&w, 7, FLOATS(1, 2, 3), FLOATS(7, 1, 2, 3, 7, 7));
    onnx_begin(&w, SHAPE(-1, 3));
    ow_int_list(&w, "pads", INTS(0, 1, 0, 2));
    ow_float(&w, "value", -7);
    ow_node(&w, "Pad", "x pads value", "y");
    onnx_gives(&w, 11, FLOATS(1, 2, 3), FLOATS(-7, 1, 2, 3, -7, -7));
    onnx_begin(&w, SHAPE(-1, 3));
    ow_int_list(&w, "pads", INTS(1, 2));
    ow_int_list(&w, "axes", INTS(-1));
    ow_node(&w, "Pad", "x pads - axes", "y");
    onnx_gives(&w, 18, FLOATS(1, 2, 3), FLOATS(0, 1, 2, 3, 0, 0));
    onnx_begin(&w, SHAPE(-1, 3)); /* negative ones cut off */
    ow_int_list(&w, "pads", INTS(0, -1, 0, 1));
    ow_node(&w, "Pad", "x pads", "y");
    onnx_gives(&w, 13, FLOATS(1, 2, 3), FLOATS(2, 3, 0));
}

static void test_pad_modes(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        float want[7];
    } cases[] = {{"reflect", {3, 2, 1, 2, 3, 2, 1}},
                 {"edge", {1, 1, 1, 2, 3, 3, 3}},
                 {"wrap", {2, 3, 1, 2, 3, 1, 2}}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 3));
        ow_int_list(&w, "pads", INTS(0, 2, 0, 2));
        ow_node(&w, "Pad", "x pads", "y");
        ow_attr_text(&w, "mode", cases[k].mode);
        onnx_gives(&w, 19, FLOATS(1, 2, 3), cases[k].want, 7);
    }
}

static void test_slice(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 5));
    ow_node(&w, "Slice", "x", "y");
    ow_attr_ints(&w, "starts", INTS(1));
    ow_attr_ints(&w, "ends", INTS(-1));
    ow_attr_ints(&w, "axes", INTS(1));
    onnx_gives(&w, 9, FLOATS(1, 2, 3, 4, 5), FLOATS(2, 3, 4));
    onnx_begin(&w, SHAPE(-1, 5));
    ow_int_list(&w, "starts", INTS(-1));
    ow_int_list(&w, "ends", INTS(INT64_MIN + 1));
    ow_int_list(&w, "axes", INTS(-1));
    ow_int_list(&w, "steps", INTS(-2));
    ow_node(&w, "Slice", "x starts ends axes steps", "y");
    onnx_gives(&w, 10, FLOATS(1, 2, 3, 4, 5), FLOATS(5, 3, 1));
    onnx_begin(&w, SHAPE(-1, 5)); /* all of the batch, whatever it is */
    ow_int_list(&w, "starts", INTS(0, 2));
    ow_int_list(&w, "ends", INTS(INT64_MAX, 100));
    ow_node(&w, "Slice", "x starts ends", "y");
    onnx_gives(&w, 13, FLOATS(1, 2, 3, 4, 5), FLOATS(3, 4, 5));
}

/* What has no values is known: an output of it, and a part that is joined to others. */
static void test_nothing_is_left(void **state)
{
    (void)state;
    const float none = 0;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 4, 2));
    ow_int_list(&w, "far", INTS(100));
    ow_int_list(&w, "axis", INTS(1));
    ow_node(&w, "Relu", "x", "r");
    ow_node(&w, "Slice", "r far far axis", "y");
    struct graph *g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 0, 2));
    assert_int_equal(g->n_nodes, 2); /* and what it is cut from is not needed */
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6, 7, 8), &none, 0);
    onnx_begin(&w, SHAPE(-1, 3));
    ow_int_list(&w, "parts", INTS(0, 3, 0));
    ow_node(&w, "Split", "x parts", "a b c");
    ow_attr_int(&w, "axis", 1);
    ow_node(&w, "Concat", "a b c b", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_gives(&w, 13, FLOATS(1, 2, 3), FLOATS(1, 2, 3, 1, 2, 3));
    onnx_begin(&w, SHAPE(-1, 3)); /* the whole of nothing is nothing again */
    ow_int_list(&w, "parts", INTS(0, 3));
    ow_int_list(&w, "zero", INTS(0));
    ow_int_list(&w, "one", INTS(1));
    ow_node(&w, "Split", "x parts", "a b");
    ow_attr_int(&w, "axis", 1);
    ow_node(&w, "Slice", "a zero one one", "y");
    g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 0));
    graph_free(g);
    static const char *const readers[] = {"Relu", "ReduceMean", "Softmax", "Flatten"};
    for (size_t k = 0; k < sizeof readers / sizeof *readers; k++) {
        onnx_begin(&w, SHAPE(-1, 3));
        ow_int_list(&w, "parts", INTS(0, 3));
        ow_node(&w, "Split", "x parts", "a b");
        ow_attr_int(&w, "axis", 1);
        ow_node(&w, readers[k], "a", "y");
        onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "has no values");
    }
    onnx_begin(&w, SHAPE(1, 3)); /* constants alone are no network */
    ow_int_list(&w, "parts", INTS(0, 3));
    ow_floats(&w, "k", (const float[]){1}, SHAPE(1, 1));
    ow_node(&w, "Split", "x parts", "a b");
    ow_attr_int(&w, "axis", 1);
    ow_node(&w, "Concat", "a k", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "without values");
}

static void test_squeeze_and_unsqueeze(void **state)
{
    (void)state;
    for (int opset = 11; opset <= 13; opset += 2) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 1, 3, 1));
        if (opset == 11) {
            ow_node(&w, "Squeeze", "x", "s");
            ow_attr_ints(&w, "axes", INTS(1, 3));
            ow_node(&w, "Unsqueeze", "s", "y");
            ow_attr_ints(&w, "axes", INTS(2));
        } else {
            ow_int_list(&w, "one", INTS(1, -1));
            ow_int_list(&w, "two", INTS(-1));
            ow_node(&w, "Squeeze", "x one", "s");
            ow_node(&w, "Unsqueeze", "s two", "y");
        }
        struct graph *g = onnx_graph(&w, opset);
        fixture_shape(fixture_output(g), SHAPE(-1, 3, 1));
        graph_gives(g, FLOATS(1, 2, 3), FLOATS(1, 2, 3));
    }
}

static void test_reshape(void **state)
{
    (void)state;
    static const struct {
        int64_t shape[3];
        int64_t want[3];
        int rank, want_rank;
    } cases[] = {{{-1, 6}, {-1, 6}, 2, 2},
                 {{0, -1}, {-1, 6}, 2, 2},
                 {{0, 3, 2}, {-1, 3, 2}, 3, 3},
                 {{-1, 0, 2}, {-1, 3, 2}, 3, 3}, /* 0: as the input's axis 1, which is 3 long */
                 {{0, 0, -1}, {-1, 3, 2}, 3, 3}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 3, 2));
        ow_int_list(&w, "s", cases[k].shape, (size_t)cases[k].rank);
        ow_node(&w, "Reshape", "x s", "y");
        struct graph *g = onnx_graph(&w, 13);
        fixture_shape(fixture_output(g), cases[k].want, cases[k].want_rank);
        graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(1, 2, 3, 4, 5, 6));
    }
    for (int64_t first = -1; first < 2; first += 2) { /* would mix samples */
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 6));
        ow_int_list(&w, "s", INTS(first, first < 0 ? 4 : -1));
        ow_node(&w, "Reshape", "x s", "y");
        onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Reshape)");
    }
}

static void test_flatten_and_transpose(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 3));
    ow_node(&w, "Transpose", "x", "t");
    ow_attr_ints(&w, "perm", INTS(0, 2, 1));
    ow_node(&w, "Flatten", "t", "y");
    struct graph *g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 6));
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(1, 4, 2, 5, 3, 6));
}

static void test_gather(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 3, 2));
    ow_int_list(&w, "i", INTS(2, 0, -1));
    ow_node(&w, "Gather", "x i", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_gives(&w, 13, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(5, 6, 1, 2, 5, 6));
    onnx_begin(&w, SHAPE(-1, 3, 2)); /* a scalar takes its axis away */
    ow_int(&w, "i", 1);
    ow_node(&w, "Gather", "x i", "y");
    ow_attr_int(&w, "axis", -2);
    struct graph *g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 2));
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(3, 4));
    onnx_begin(&w, SHAPE(-1, 3, 2));
    ow_int_list(&w, "i", INTS(3));
    ow_node(&w, "Gather", "x i", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (Gather)");
}

/* A batch of any size must not be mixed; one of a fixed size may, whole tensors are samples then. */
static void test_mixed_batch(void **state)
{
    (void)state;
    for (int64_t batch = -1; batch < 3; batch += 3) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(batch, 2));
        ow_node(&w, "Concat", "x x", "y");
        ow_attr_int(&w, "axis", 0);
        if (batch < 0)
            onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Concat)");
        else
            onnx_gives(&w, 13, FLOATS(1, 2, 3, 4), FLOATS(1, 2, 3, 4, 1, 2, 3, 4));
    }
}

static void test_resize_to_one(void **state)
{
    (void)state;
    static const char *const modes[] = {"half_pixel", "pytorch_half_pixel"};
    for (unsigned k = 0; k < 2; k++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(1, 1, 1, 5));
        ow_int_list(&w, "s", INTS(1, 1, 1, 1));
        ow_node(&w, "Resize", "x - - s", "y");
        ow_attr_text(&w, "coordinate_transformation_mode", modes[k]);
        ow_attr_text(&w, "nearest_mode", "floor");
        if (k == 0)
            onnx_gives(&w, 13, FLOATS(1, 2, 3, 4, 5), FLOATS(3));
        else
            onnx_gives(&w, 13, FLOATS(1, 2, 3, 4, 5), FLOATS(1));
    }
}

/* Runtimes do not agree about the size. */
static void test_small_kernel_with_auto_pad(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(1, 1, 2, 2));
    ow_floats(&w, "k", (const float[]){5}, SHAPE(1, 1, 1, 1));
    ow_node(&w, "ConvTranspose", "x k", "y");
    ow_attr_ints(&w, "strides", INTS(2, 2));
    ow_attr_text(&w, "auto_pad", "SAME_UPPER");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "auto_pad");
}

/* Rows of a table by the data: an embedding. */
static void test_lookup(void **state)
{
    (void)state;
    const float table[8] = {1, 10, -2, 7, 5, -3, 0.5F, 4};
    struct onnx_writer w;
    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_INT64, SHAPE(-1, 3));
    ow_output_shaped(&w, "y", ONNX_FLOAT, NULL, -1);
    ow_floats(&w, "t", table, SHAPE(4, 2));
    ow_node(&w, "Gather", "t x", "y");
    struct graph *g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 3, 2));
    graph_gives(g, FLOATS(3, 0, 2, 1, 1, 0), FLOATS(0.5F, 4, 1, 10, 5, -3, -2, 7, -2, 7, 1, 10));
    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_INT64, SHAPE(-1, 1));
    ow_output_shaped(&w, "y", ONNX_FLOAT, NULL, -1);
    ow_floats(&w, "t", table, SHAPE(2, 2, 2)); /* two rows: a line */
    ow_node(&w, "Gather", "t x", "y");
    g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 1, 2, 2));
    graph_gives(g, FLOATS(1, 0), FLOATS(5, -3, 0.5F, 4, 1, 10, -2, 7));
    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_INT64, SHAPE(-1, 1));
    ow_output_shaped(&w, "y", ONNX_FLOAT, NULL, -1);
    ow_floats(&w, "t", table, SHAPE(1, 8)); /* one row: nothing to look up */
    ow_node(&w, "Gather", "t x", "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Gather)");
}

static void test_concat_with_a_constant(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(1, 2));
    ow_floats(&w, "c", (const float[]){9, 8}, SHAPE(1, 2));
    ow_node(&w, "Concat", "c x", "y");
    ow_attr_int(&w, "axis", 1);
    onnx_gives(&w, 13, FLOATS(1, 2), FLOATS(9, 8, 1, 2));
}

/* The parts of x along axis 1 have these lengths; the second is the output. */
static void split_is(struct onnx_writer *w, int opset, const float *want, size_t n)
{
    struct graph *g = onnx_graph(w, opset);
    fixture_shape(fixture_output(g), SHAPE(-1, (int64_t)n));
    graph_gives(g, FLOATS(1, 2, 3, 4, 5), want, n);
}

static void test_split(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 5));
    ow_node(&w, "Split", "x", "a y");
    ow_attr_int(&w, "axis", 1);
    ow_attr_ints(&w, "split", INTS(2, 3));
    split_is(&w, 11, FLOATS(3, 4, 5));
    onnx_begin(&w, SHAPE(-1, 5));
    ow_int_list(&w, "parts", INTS(1, 2, 2));
    ow_node(&w, "Split", "x parts", "a y c");
    ow_attr_int(&w, "axis", -1);
    split_is(&w, 13, FLOATS(2, 3));
    onnx_begin(&w, SHAPE(-1, 5)); /* the last one is what is left */
    ow_node(&w, "Split", "x", "a y");
    ow_attr_int(&w, "axis", 1);
    ow_attr_int(&w, "num_outputs", 2);
    split_is(&w, 18, FLOATS(4, 5));
}

static void test_expand(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 1));
    ow_int_list(&w, "s", INTS(1, 1, 3)); /* 1: as it is */
    ow_node(&w, "Expand", "x s", "y");
    struct graph *g = onnx_graph(&w, 8);
    fixture_shape(fixture_output(g), SHAPE(-1, 2, 3));
    graph_gives(g, FLOATS(1, 2, 3, 4), FLOATS(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4));
}

/* Resize -------------------------------------------------------------------------------------- */

static void test_upsample(void **state)
{
    (void)state;
    const float scales[4] = {1, 1, 1, 2};
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_node(&w, "Upsample", "x", "y");
    ow_attr_floats(&w, "scales", scales, 4);
    onnx_gives(&w, 7, FLOATS(1, 2), FLOATS(1, 1, 2, 2));
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_floats(&w, "scales", scales, SHAPE(4));
    ow_node(&w, "Upsample", "x scales", "y");
    ow_attr_text(&w, "mode", "nearest");
    onnx_gives(&w, 9, FLOATS(1, 2), FLOATS(1, 1, 2, 2));
}

static void test_resize_by_scales(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 2}, SHAPE(4));
    ow_node(&w, "Resize", "x scales", "y");
    onnx_gives(&w, 10, FLOATS(1, 2), FLOATS(1, 1, 2, 2));
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_floats(&w, "roi", NULL, SHAPE(0));
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 2}, SHAPE(4));
    ow_node(&w, "Resize", "x roi scales", "y");
    ow_attr_text(&w, "coordinate_transformation_mode", "asymmetric");
    ow_attr_text(&w, "nearest_mode", "floor");
    onnx_gives(&w, 11, FLOATS(1, 2), FLOATS(1, 1, 2, 2));
    onnx_begin(&w,
               SHAPE(-1, 1, 1, 4)); /* smaller: 0.5 and 2.5, which round_prefer_floor takes down */
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 0.5F}, SHAPE(4));
    ow_node(&w, "Resize", "x - scales", "y");
    onnx_gives(&w, 13, FLOATS(1, 2, 3, 4), FLOATS(1, 3));
}

static void test_resize_by_sizes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(1, 1, 1, 2));
    ow_int_list(&w, "sizes", INTS(1, 1, 2, 4));
    ow_node(&w, "Resize", "x - - sizes", "y");
    onnx_gives(&w, 13, FLOATS(1, 2), FLOATS(1, 1, 2, 2, 1, 1, 2, 2));
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_int_list(&w, "sizes", INTS(4));
    ow_node(&w, "Resize", "x - - sizes", "y");
    ow_attr_ints(&w, "axes", INTS(3));
    onnx_gives(&w, 18, FLOATS(1, 2), FLOATS(1, 1, 2, 2));
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 2}, SHAPE(4));
    ow_node(&w, "Resize", "x - scales", "y");
    ow_attr_text(&w, "mode", "cubic");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (Resize)");
}

/* Constants and shapes ------------------------------------------------------------------------ */

static void test_constants(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct onnx_writer w;
        onnx_begin(&w, SHAPE(-1, 2));
        ow_node(&w, "Constant", "", "c");
        if (kind == 0)
            ow_attr_float(&w, "value_float", 2);
        else if (kind == 1)
            ow_attr_floats(&w, "value_floats", FLOATS(2, 2));
        else if (kind == 2)
            ow_attr_int(&w, "value_int", 2);
        else
            ow_attr_tensor(&w, "value", ONNX_FLOAT, NULL, 0, ONNX_FLOAT_DATA, (const float[]){2},
                           4);
        ow_node(&w, "Cast", "c", "f");
        ow_attr_int(&w, "to", ONNX_FLOAT);
        ow_node(&w, "Mul", "x f", "y");
        onnx_gives(&w, 13, FLOATS(1, 2), FLOATS(2, 4));
    }
}

/* [N, 2, 3] to [N, 6], as exporters write it: the batch goes through the arithmetic as a symbol. */
static void test_chain_of_shapes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 3));
    ow_int(&w, "zero", 0);
    ow_int_list(&w, "front", INTS(0));
    ow_int_list(&w, "rest", INTS(-1));
    ow_node(&w, "Shape", "x", "shape");
    ow_node(&w, "Gather", "shape zero", "batch");
    ow_node(&w, "Unsqueeze", "batch front", "one");
    ow_node(&w, "Concat", "one rest", "target");
    ow_attr_int(&w, "axis", 0);
    ow_node(&w, "Reshape", "x target", "y");
    struct graph *g = onnx_graph(&w, 13);
    fixture_shape(fixture_output(g), SHAPE(-1, 6));
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
                FLOATS(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

/* The product of all axes but the batch, and a part of the shape by its attributes. */
static void test_arithmetic_of_shapes(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 3));
    ow_int_list(&w, "front", INTS(-1));
    ow_node(&w, "Shape", "x", "tail");
    ow_attr_int(&w, "start", 1);
    ow_node(&w, "ReduceProd", "tail", "count");
    ow_attr_int(&w, "keepdims", 1);
    ow_node(&w, "Concat", "front count", "target");
    ow_attr_int(&w, "axis", 0);
    ow_node(&w, "Reshape", "x target", "y");
    struct graph *g = onnx_graph(&w, 15);
    fixture_shape(fixture_output(g), SHAPE(-1, 6));
    graph_gives(g, FLOATS(1, 2, 3, 4, 5, 6), FLOATS(1, 2, 3, 4, 5, 6));
}

static void test_constant_of_shape(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 2, 2));
    ow_node(&w, "Shape", "x", "tail");
    ow_attr_int(&w, "start", 1);
    ow_node(&w, "ConstantOfShape", "tail", "c");
    ow_attr_tensor(&w, "value", ONNX_FLOAT, SHAPE(1), ONNX_RAW_DATA, (const float[]){3}, 4);
    ow_node(&w, "Mul", "x c", "y");
    onnx_gives(&w, 15, FLOATS(1, 2, 3, 4), FLOATS(3, 6, 9, 12));
    onnx_begin(&w, SHAPE(-1, 2));
    ow_int_list(&w, "two", INTS(2));
    ow_node(&w, "ConstantOfShape", "two", "c"); /* zeros unless it is said */
    ow_node(&w, "Add", "x c", "y");
    onnx_gives(&w, 9, FLOATS(1, 2), FLOATS(1, 2));
}

static void test_resize_linearly(void **state)
{
    (void)state;
    struct onnx_writer w;
    onnx_begin(&w, SHAPE(-1, 1, 1, 2)); /* at -1/4, 1/4, 3/4, 5/4 */
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 2}, SHAPE(4));
    ow_node(&w, "Resize", "x - scales", "y");
    ow_attr_text(&w, "mode", "linear");
    onnx_gives(&w, 13, FLOATS(1, 2), FLOATS(1, 1.25F, 1.75F, 2));
    onnx_begin(&w, SHAPE(1, 1, 1, 2));
    ow_int_list(&w, "sizes", INTS(1, 1, 2, 4));
    ow_node(&w, "Resize", "x - - sizes", "y");
    ow_attr_text(&w, "mode", "linear");
    ow_attr_text(&w, "coordinate_transformation_mode", "align_corners");
    onnx_gives(&w, 13, FLOATS(1, 4), FLOATS(1, 2, 3, 4, 1, 2, 3, 4));
    onnx_begin(&w, SHAPE(-1, 1, 1, 2));
    ow_floats(&w, "scales", (const float[]){1, 1, 1, 0.5F}, SHAPE(4));
    ow_node(&w, "Resize", "x - scales", "y");
    ow_attr_text(&w, "mode", "linear");
    ow_attr_int(&w, "antialias", 1);
    onnx_fails(&w, 18, MP2ML_ERR_UNSUPPORTED, "antialias");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_pad_modes),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_squeeze_and_unsqueeze),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_flatten_and_transpose),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_mixed_batch),
        cmocka_unit_test(test_resize_to_one),
        cmocka_unit_test(test_small_kernel_with_auto_pad),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_concat_with_a_constant),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_resize_by_scales),
        cmocka_unit_test(test_resize_by_sizes),
        cmocka_unit_test(test_resize_linearly),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_chain_of_shapes),
        cmocka_unit_test(test_arithmetic_of_shapes),
        cmocka_unit_test(test_constant_of_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
