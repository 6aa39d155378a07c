/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that are rewritten: what they give is compared with values worked out from their
 * definitions, and nothing but the operators with a private form may be left. */
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIST(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / 4

static int count_op(const struct graph *g, enum graph_op op)
{
    int n = 0;
    for (int k = 0; k < g->n_nodes; k++)
        n += g->nodes[k].op == op;
    return n;
}

/* Closes the writer; the graph has no operator that only files have, and ends in node "y". */
static struct graph *rewritten(struct gd_writer *w)
{
    struct graph *g = fixture_graph(w);
    for (int k = 0; k < g->n_nodes; k++) {
        assert_true(graph_op_kind(g->nodes[k].op) != 'F');
        assert_false(g->nodes[k].random || g->nodes[k].dead);
    }
    assert_string_equal(fixture_output(g)->name, "y");
    return g;
}

/* One operator on (?, 4). */
static void unary_gives(const char *op, const float *x, const float *want)
{
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", op, "x");
    fixture_gives(rewritten(&w), 1, x, want, 4, 1e-6);
}

static void test_functions_of_one_value(void **state)
{
    (void)state;
    const float x[4] = {-2, 0, 1.5F, 8};
    unary_gives("Neg", x, (const float[]){2, 0, -1.5F, -8});
    unary_gives("Abs", x, (const float[]){2, 0, 1.5F, 8});
    unary_gives("Square", x, (const float[]){4, 0, 2.25F, 64});
    unary_gives("Relu6", x, (const float[]){0, 0, 1.5F, 6});
    unary_gives("LeakyRelu", x, (const float[]){-.4F, 0, 1.5F, 8});
    unary_gives("Sigmoid", x, (const float[]){.11920292F, .5F, .81757448F, .99966465F});
    unary_gives("Tanh", x, (const float[]){-.96402758F, 0, .90514825F, .99999977F});
}

static void test_log_softmax(void **state)
{
    (void)state;
    const float x[4] = {1000, 1000, -500, 1000}, third = -1.0986123F;
    unary_gives("LogSoftmax", x, (const float[]){third, third, -1500 + third, third});
}

static void test_slope_is_read(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "LeakyRelu", "x");
    gd_attr_float(&w, "alpha", 0.5F);
    struct graph *g = rewritten(&w);
    assert_int_equal(count_op(g, GRAPH_RELU), 1);
    fixture_gives(g, 1, (const float[]){-4, 4}, (const float[]){-2, 4}, 2, 0);
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "LeakyRelu", "x");
    gd_attr_float(&w, "alpha", INFINITY);
    fixture_fails(&w, MP2ML_ERR_MODEL, "'alpha' is not a finite");
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "LeakyRelu", "x");
    gd_attr_int(&w, "alpha", 1);
    fixture_fails(&w, MP2ML_ERR_MODEL, "wrong type");
}

static void binary_gives(const char *op, const char *inputs, const float *c, const float *want)
{
    const float x[4] = {-2, 0, 1.5F, 8};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_floats(&w, "c", c, SHAPE(4));
    gd_node(&w, "y", op, inputs);
    fixture_gives(rewritten(&w), 1, x, want, 4, 1e-6);
}

static void test_functions_of_two_values(void **state)
{
    (void)state;
    const float c[4] = {-3, 1, 1, 1};
    binary_gives("Maximum", "x c", c, (const float[]){-2, 1, 1.5F, 8});
    binary_gives("Maximum", "c x", c, (const float[]){-2, 1, 1.5F, 8});
    binary_gives("Minimum", "x c", c, (const float[]){-3, 0, 1, 1});
    binary_gives("Minimum", "c x", c, (const float[]){-3, 0, 1, 1});
    binary_gives("SquaredDifference", "x c", c, (const float[]){1, 1, .25F, 49});
    binary_gives("Maximum", "x x", c, (const float[]){-2, 0, 1.5F, 8});
}

static void test_whole_powers(void **state)
{
    (void)state;
    const float want[3][2] = {{-3, 2}, {9, 4}, {-27, 8}}, x[2] = {-3, 2};
    struct gd_writer w = {0};
    for (int p = 1; p <= 4; p++) {
        const float power = (float)p;
        gd_input(&w, "x", SHAPE(-1, 2));
        gd_floats(&w, "p", &power, NULL, 0);
        gd_node(&w, "r", "Neg", "x");
        gd_node(&w, "n", "Neg", "r");
        gd_node(&w, "y", "Pow", "n p");
        if (p == 4)
            fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "powers 1, 2 and 3");
        else
            fixture_gives(rewritten(&w), 1, x, want[p - 1], 2, 0);
    }
}

static void test_sums_of_many(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "r", "Relu", "x");
    gd_node(&w, "y", "AddN", "x r x");
    struct graph *g = rewritten(&w);
    assert_int_equal(count_op(g, GRAPH_ADD), 2);
    fixture_gives(g, 1, (const float[]){-1, 2}, (const float[]){-2, 6}, 2, 0);
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_input(&w, "z", SHAPE(-1, 3));
    gd_node(&w, "y", "AddN", "x z");
    fixture_fails(&w, MP2ML_ERR_MODEL, "do not fit");
}

/* Batch normalisation ------------------------------------------------------------------------- */

static const float gamma_[2] = {3, -2}, beta[2] = {1, -1}, mean[2] = {.5F, -2},
                   variance[2] = {3, 8};

static void add_norm(struct gd_writer *w, const char *op, const char *input, bool nchw)
{
    char inputs[64];
    snprintf(inputs, sizeof inputs, "%s gamma beta mean variance", input);
    gd_floats(w, "gamma", gamma_, SHAPE(2));
    gd_floats(w, "beta", beta, SHAPE(2));
    gd_floats(w, "mean", mean, SHAPE(2));
    gd_floats(w, "variance", variance, SHAPE(2));
    gd_node(w, "y", op, inputs);
    gd_attr_float(w, "epsilon", 1);
    gd_attr_bool(w, "is_training", false);
    if (nchw)
        gd_attr_text(w, "data_format", "NCHW");
}

static float normalised(float x, int ch)
{
    return (x - mean[ch]) / sqrtf(variance[ch] + 1) * gamma_[ch] + beta[ch];
}

static void test_batch_norm(void **state)
{
    (void)state;
    static const char *const ops[] = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"};
    float x[8], want[8];
    fixture_fill(x, 8, 3);
    for (int k = 0; k < 6; k++) {
        const bool nchw = k % 2 != 0;
        struct gd_writer w = {0};
        for (int i = 0; i < 8; i++)
            want[i] = normalised(x[i], nchw ? i / 4 : i % 2);
        gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
        add_norm(&w, ops[k / 2], "x", nchw);
        fixture_gives(rewritten(&w), 1, x, want, 8, 1e-6);
    }
}

static void test_batch_norm_goes_into_the_weights(void **state)
{
    (void)state;
    const float kernel[2] = {1, 10}, bias[2] = {5, 6}, x[4] = {1, 2, 3, -4};
    for (int k = 0; k < 8; k++) {
        const bool nchw = k & 1, biased = k & 2, shared = k & 4;
        float want[8];
        for (int p = 0; p < 4; p++)
            for (int ch = 0; ch < 2; ch++) {
                const float v = x[p] * kernel[ch] + (biased ? bias[ch] : 0);
                want[nchw ? ch * 4 + p : p * 2 + ch] = normalised(v, ch) + (shared ? v : 0);
            }
        struct gd_writer w = {0};
        gd_input(&w, "x", nchw ? (const int64_t[]){-1, 1, 2, 2} : (const int64_t[]){-1, 2, 2, 1},
                 4);
        gd_floats(&w, "k", kernel, SHAPE(1, 1, 1, 2));
        gd_floats(&w, "b", bias, SHAPE(2));
        gd_node(&w, "c", "Conv2D", "x k");
        gd_attr_text(&w, "padding", "SAME");
        gd_attr_text(&w, "data_format", nchw ? "NCHW" : "NHWC");
        gd_attr_list(&w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
        gd_node(&w, "d", biased ? "BiasAdd" : "Identity", biased ? "c b" : "c");
        if (biased)
            gd_attr_text(&w, "data_format", nchw ? "NCHW" : "NHWC");
        add_norm(&w, "FusedBatchNormV3", "d", nchw);
        if (shared)
            gd_node(&w, "z", "Add", "y d");
        struct graph *g = fixture_graph(&w);
        assert_int_equal(count_op(g, GRAPH_MUL), shared); /* not where another reads the product */
        fixture_gives(g, 1, x, want, 8, 1e-5);
    }
}

static void test_factors_behind_a_matrix(void **state)
{
    (void)state;
    const float b[4] = {1, 2, 3, 4}, f[2] = {10, -1}, half = .5F, x[2] = {1, 1};
    for (int divide = 0; divide < 2; divide++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 2));
        gd_floats(&w, "b", b, SHAPE(2, 2));
        gd_floats(&w, "f", f, SHAPE(1, 2));
        gd_floats(&w, "h", &half, NULL, 0);
        gd_node(&w, "m", "MatMul", "x b");
        gd_node(&w, "s", divide ? "RealDiv" : "Mul", divide ? "m f" : "f m");
        gd_node(&w, "y", "Mul", "s h");
        struct graph *g = rewritten(&w);
        assert_int_equal(count_op(g, GRAPH_MUL) + count_op(g, GRAPH_DIV), 0);
        const float times[2] = {20, -3}, over[2] = {.2F, -3};
        fixture_gives(g, 1, x, divide ? over : times, 2, 1e-6);
    }
    /* A layer that is an output itself keeps its weights. */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "b", b, SHAPE(2, 2));
    gd_floats(&w, "f", f, SHAPE(2));
    gd_node(&w, "m", "MatMul", "x b");
    gd_node(&w, "s", "Mul", "m f");
    const struct graph_cut both = {NULL, 0, (const char *const[]){"m", "s"}, 2};
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(fixture_parse(&g, &w, &both, &err), MP2ML_OK);
    float y[2], z[2];
    const float *in[] = {x};
    float *out[] = {y, z};
    assert_int_equal(graph_eval(g, 1, in, out, NULL, NULL), MP2ML_OK);
    assert_true(y[0] >= 4 && y[0] <= 4 && z[0] >= 40 && z[0] <= 40);
    graph_free(g);
}

static void test_batch_norm_errors(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
    add_norm(&w, "FusedBatchNormV3", "x", false);
    gd_node(&w, "z", "Relu", "y:1");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "first output of node 'y'");
    gd_input(&w, "x", SHAPE(-1, 2, 2, 3));
    add_norm(&w, "FusedBatchNormV3", "x", false);
    fixture_fails(&w, MP2ML_ERR_MODEL, "do not fit");
    gd_input(&w, "x", SHAPE(-1, 2, 2, 1));
    gd_floats(&w, "c", beta, SHAPE(1));
    gd_node(&w, "y", "FusedBatchNormV3", "x c c c c");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "is_training");
    gd_input(&w, "x", SHAPE(-1, 2, 2, 1));
    gd_floats(&w, "c", beta, SHAPE(1));
    gd_node(&w, "y", "FusedBatchNormV3", "x c c c");
    gd_attr_bool(&w, "is_training", false);
    fixture_fails(&w, MP2ML_ERR_MODEL, "has 4 inputs");
    gd_input(&w, "x", SHAPE(-1, 2, 2, 1));
    gd_floats(&w, "c", beta, SHAPE(1));
    gd_node(&w, "y", "FusedBatchNorm", "x c c c x");
    gd_attr_bool(&w, "is_training", false);
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "constant of real numbers");
}

/* Reductions ---------------------------------------------------------------------------------- */

enum { A = 2, B = 3, C = 4 };

static double reduced_cell(const char *op, const float *x, const bool *reduce, const int *at)
{
    double sum = 0, most = -1e9, least = 1e9;
    int n = 0;
    for (int i = 0; i < A * B * C; i++) {
        const int p[3] = {i / (B * C), i / C % B, i % C};
        bool here = true;
        for (int d = 0; d < 3; d++)
            here = here && (reduce[d] || p[d] == at[d]);
        if (!here)
            continue;
        const double v = (double)x[i];
        sum += v;
        most = v > most ? v : most;
        least = v < least ? v : least;
        n++;
    }
    return strcmp(op, "Sum") == 0    ? sum
           : strcmp(op, "Mean") == 0 ? sum / n
           : strcmp(op, "Max") == 0  ? most
                                     : least;
}

static void check_reduction(const char *op, unsigned axes, bool keep)
{
    float x[A * B * C], want[A * B * C];
    fixture_fill(x, COUNT(x), axes + 1);
    bool reduce[3];
    int32_t list[3];
    size_t n = 0, count = 0;
    for (int d = 0; d < 3; d++) {
        reduce[d] = axes >> d & 1;
        if (reduce[d])
            list[n++] = d % 2 != 0 ? d - 3 : d + 1; /* some from the end */
    }
    for (int i = 0; i < A * B * C; i++) {
        const int at[3] = {i / (B * C), i / C % B, i % C};
        if ((reduce[0] && at[0]) || (reduce[1] && at[1]) || (reduce[2] && at[2]))
            continue;
        want[count++] = (float)reduced_cell(op, x, reduce, at);
    }
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, A, B, C));
    gd_int_list(&w, "axes", list, n);
    gd_node(&w, "y", op, "x axes");
    gd_attr_bool(&w, "keep_dims", keep);
    struct graph *g = rewritten(&w);
    assert_int_equal(fixture_output(g)->rank, keep ? 4 : 4 - (int)n);
    fixture_gives(g, 1, x, want, count, 1e-5);
}

static void test_reductions_over_all_axes(void **state)
{
    (void)state;
    static const char *const ops[] = {"Sum", "Mean", "Max", "Min"};
    for (size_t k = 0; k < COUNT(ops); k++)
        for (unsigned axes = 1; axes < 8; axes++) {
            check_reduction(ops[k], axes, false);
            check_reduction(ops[k], axes, true);
        }
}

static void test_reduction_errors(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int_list(&w, "axes", LIST(0));
    gd_node(&w, "y", "Mean", "x axes");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "axes do not fit");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int_list(&w, "axes", LIST(1, -1));
    gd_node(&w, "y", "Sum", "x axes");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "axes do not fit");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int_list(&w, "axes", LIST(1));
    gd_node(&w, "y", "Prod", "x axes");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "is supported on shapes and constants");
}

/* y = x + (what folds), from constants a = {4, -9}, i = {7, 2} as numbers. */
static void folds_to(const char *op, const char *inputs, const float *want)
{
    struct gd_writer w = {0};
    const float zeros[2] = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_floats(&w, "a", (const float[]){4, -9}, SHAPE(2));
    gd_floats(&w, "b", (const float[]){2.5F, 3}, SHAPE(2));
    gd_int_list(&w, "i", LIST(7, 2));
    gd_int_list(&w, "j", LIST(2, 3));
    gd_int_list(&w, "two", LIST(2));
    gd_floats(&w, "f", (const float[]){1.5F}, NULL, 0);
    gd_int(&w, "n0", 3);
    gd_int(&w, "n1", 8);
    gd_int(&w, "n2", 4);
    gd_int_list(&w, "axis0", LIST(0));
    gd_node(&w, "o", op, inputs);
    gd_node(&w, "q", "Cast", "o");
    gd_attr_type(&w, "DstT", GD_FLOAT);
    gd_node(&w, "y", "Add", "x q");
    fixture_gives(rewritten(&w), 1, zeros, want, 2, 1e-5);
}

static void test_constants_are_computed(void **state)
{
    (void)state;
    folds_to("Square", "a", (const float[]){16, 81});
    folds_to("Neg", "a", (const float[]){-4, 9});
    folds_to("Abs", "a", (const float[]){4, 9});
    folds_to("Sign", "a", (const float[]){1, -1});
    folds_to("Relu6", "a", (const float[]){4, 0});
    folds_to("Sqrt", "b", (const float[]){1.5811388F, 1.7320508F});
    folds_to("Rsqrt", "b", (const float[]){.63245553F, .57735027F});
    folds_to("Reciprocal", "b", (const float[]){.4F, 1 / 3.F});
    folds_to("Exp", "b", (const float[]){12.182494F, 20.085537F});
    folds_to("Log", "b", (const float[]){.91629073F, 1.0986123F});
    folds_to("Floor", "b", (const float[]){2, 3});
    folds_to("Ceil", "b", (const float[]){3, 3});
    folds_to("Round", "b", (const float[]){2, 3}); /* to even */
    folds_to("Pow", "b b", (const float[]){9.8821177F, 27});
    folds_to("Maximum", "a b", (const float[]){4, 3});
    folds_to("Minimum", "a b", (const float[]){2.5F, -9});
    folds_to("SquaredDifference", "a b", (const float[]){2.25F, 144});
    folds_to("FloorMod", "a b", (const float[]){1.5F, 0});
    folds_to("AddN", "a b a", (const float[]){10.5F, -15});
    folds_to("Mean", "a axis0", (const float[]){-2.5F, -2.5F});
    folds_to("Sum", "b axis0", (const float[]){5.5F, 5.5F});
    folds_to("Max", "a axis0", (const float[]){4, 4});
    folds_to("Min", "a axis0", (const float[]){-9, -9});
    folds_to("Sum", "i axis0", (const float[]){9, 9});
    folds_to("Max", "i axis0", (const float[]){7, 7});
    folds_to("Prod", "i axis0", (const float[]){14, 14});
    folds_to("FloorDiv", "i j", (const float[]){3, 0});
    folds_to("FloorMod", "i j", (const float[]){1, 2});
    folds_to("Maximum", "i j", (const float[]){7, 3});
    folds_to("Minimum", "i j", (const float[]){2, 2});
    folds_to("Fill", "two f", (const float[]){1.5F, 1.5F});
    folds_to("ZerosLike", "a", (const float[]){0, 0});
    folds_to("OnesLike", "i", (const float[]){1, 1});
    folds_to("Range", "n0 n1 n2", (const float[]){3, 7});
    folds_to("Rank", "x", (const float[]){2, 2});
    folds_to("Less", "i j", (const float[]){0, 1});
    folds_to("LessEqual", "i i", (const float[]){1, 1});
    folds_to("Greater", "a b", (const float[]){1, 0});
    folds_to("GreaterEqual", "i j", (const float[]){1, 0});
    folds_to("Equal", "i i", (const float[]){1, 1});
    folds_to("NotEqual", "i j", (const float[]){1, 1});
    folds_to("LogicalNot", "i", (const float[]){0, 0});
    folds_to("LogicalAnd", "i j", (const float[]){1, 1});
    folds_to("LogicalOr", "i j", (const float[]){1, 1});
    folds_to("Select", "i a b", (const float[]){4, -9});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions_of_one_value),
        cmocka_unit_test(test_log_softmax),
        cmocka_unit_test(test_slope_is_read),
        cmocka_unit_test(test_functions_of_two_values),
        cmocka_unit_test(test_whole_powers),
        cmocka_unit_test(test_sums_of_many),
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_batch_norm_goes_into_the_weights),
        cmocka_unit_test(test_factors_behind_a_matrix),
        cmocka_unit_test(test_batch_norm_errors),
        cmocka_unit_test(test_reductions_over_all_axes),
        cmocka_unit_test(test_reduction_errors),
        cmocka_unit_test(test_constants_are_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
