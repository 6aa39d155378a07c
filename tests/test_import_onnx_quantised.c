/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantised ONNX files mean real numbers. Scales are powers of two, so that the values worked out by
 * hand are exact; tools/conformance.sh has the standard's own cases. */
#include "onnx_fixture.h"

/* An input x of float32 and its quantised form q, in units of s = 1/2 around z = 128. */
static void begin(struct onnx_writer *w, const int64_t *dims, int rank)
{
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, dims, rank);
    ow_float(w, "s", 0.5F);
    ow_tensor(w, "z", ONNX_UINT8, NULL, 0, ONNX_RAW_DATA, "\x80", 1);
    ow_tensor(w, "least", ONNX_UINT8, NULL, 0, ONNX_RAW_DATA, "\0", 1);
    ow_node(w, "QuantizeLinear", "x s z", "q");
}

/* `from`, in units of s around `zero`, as the output y in real numbers. */
static void end(struct onnx_writer *w, const char *from, const char *zero)
{
    char inputs[32];
    (void)snprintf(inputs, sizeof inputs, "%s s %s", from, zero);
    ow_node(w, "DequantizeLinear", inputs, "y");
    ow_output(w, "y");
}

static void contrib(struct onnx_writer *w, const char *op, const char *inputs, const char *outputs)
{
    ow_node(w, op, inputs, outputs);
    ow_domain(w, "com.microsoft");
}

static void test_layers_mean_floats(void **state)
{
    (void)state;
    struct onnx_writer w;
    begin(&w, SHAPE(-1, 2));
    ow_tensor(&w, "k", ONNX_UINT8, SHAPE(2, 1), ONNX_RAW_DATA, "\x82\x7f", 2);
    ow_node(&w, "DequantizeLinear", "q s z", "f");
    ow_node(&w, "DequantizeLinear", "k s z", "kf");
    ow_node(&w, "MatMul", "f kf", "y"); /* (130 - 128) / 2 and (127 - 128) / 2 */
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(3, 2, -1, 4), FLOATS(2, -3));
}

/* Columns with scales of their own: B is 1, -1/2 and 0, 3/4, transposed; the bias counts in units
 * of alpha * 1/2 * 1/2 and alpha * 1/2 * 1/4. */
static void gemm(struct onnx_writer *w)
{
    begin(w, SHAPE(-1, 2));
    ow_tensor(w, "b", ONNX_INT8, SHAPE(2, 2), ONNX_RAW_DATA, "\2\xff\0\3", 4);
    ow_floats(w, "t", (const float[]){0.5F, 0.25F}, SHAPE(2));
    ow_tensor(w, "none", ONNX_INT8, SHAPE(2), ONNX_RAW_DATA, "\0\0", 2);
    ow_tensor(w, "c", ONNX_INT32, SHAPE(2), ONNX_RAW_DATA, (const int32_t[]){4, -8}, 8);
}

static void test_gemm(void **state)
{
    (void)state;
    struct onnx_writer w;
    gemm(&w);
    contrib(&w, "QGemm", "q s z b t none c", "y"); /* reals: no scale of y */
    ow_attr_int(&w, "transB", 1);
    ow_attr_float(&w, "alpha", 2);
    ow_output(&w, "y");
    onnx_gives(&w, 13, FLOATS(3, 2), FLOATS(6, 1));
    gemm(&w);
    contrib(&w, "QGemm", "q s z b t none c s z", "p");
    ow_attr_int(&w, "transB", 1);
    end(&w, "p", "z");
    onnx_gives(&w, 13, FLOATS(3, 2, -1, 0), FLOATS(3, 0.5F, 0, -1));
    gemm(&w);
    contrib(&w, "QGemm", "q s z b t none - s least", "p"); /* which stands for a ReLU */
    end(&w, "p", "least");
    onnx_gives(&w, 13, FLOATS(3, 2, -1, 0), FLOATS(3, 0.75F, 0, 0.25F));
    gemm(&w);
    ow_floats(&w, "wrong", (const float[]){1, 1, 1}, SHAPE(3));
    contrib(&w, "QGemm", "q s z b wrong none c", "y");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "(QGemm): shapes");
}

static void test_pools(void **state)
{
    (void)state;
    struct onnx_writer w;
    begin(&w, SHAPE(-1, 1, 2, 2));
    contrib(&w, "QLinearAveragePool", "q s z s z", "p");
    ow_attr_ints(&w, "kernel_shape", INTS(1, 2));
    end(&w, "p", "z");
    onnx_gives(&w, 13, FLOATS(1, 3, -5, 2), FLOATS(2, -1.5F));
    begin(&w, SHAPE(-1, 2, 1, 2));
    contrib(&w, "QLinearGlobalAveragePool", "q s z s z", "p");
    end(&w, "p", "z");
    onnx_gives(&w, 13, FLOATS(1, 3, -5, 2), FLOATS(2, -1.5F));
    begin(&w, SHAPE(-1, 1, 2, 2));
    contrib(&w, "QLinearGlobalAveragePool", "q s z s z", "p");
    ow_attr_int(&w, "channels_last", 1);
    end(&w, "p", "z");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'p' (QLinearGlobalAveragePool)");
}

static void test_slope_and_concat(void **state)
{
    (void)state;
    struct onnx_writer w;
    begin(&w, SHAPE(-1, 2));
    contrib(&w, "QLinearLeakyRelu", "q s z s z", "p");
    ow_attr_float(&w, "alpha", 0.5F);
    end(&w, "p", "z");
    onnx_gives(&w, 13, FLOATS(3, -4), FLOATS(3, -2));
    begin(&w, SHAPE(-1, 2));
    ow_float(&w, "t", 2); /* constants, in their own units */
    ow_tensor(&w, "k", ONNX_UINT8, SHAPE(1, 1), ONNX_RAW_DATA, "\x83", 1);
    contrib(&w, "QLinearConcat", "s z q s z k t z q s z", "p");
    ow_attr_int(&w, "axis", 1);
    end(&w, "p", "z");
    onnx_gives(&w, 13, FLOATS(3, -4), FLOATS(3, -4, 6, 3, -4));
    begin(&w, SHAPE(-1, 2));
    contrib(&w, "QLinearConcat", "s z q s z q", "p");
    ow_attr_int(&w, "axis", 1);
    end(&w, "p", "z");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'p' (QLinearConcat)");
}

/* The client makes these at the end; that their least value is the type's means no ReLU. */
static void test_ends(void **state)
{
    (void)state;
    static const char *const ops[][2] = {{"QLinearSoftmax", "Softmax"},
                                         {"QLinearSigmoid", "Sigmoid"}};
    static const float wanted[2][2] = {{0.880797F, 0.119203F}, {0.880797F, 0.5F}};
    for (size_t k = 0; k < 2; k++) {
        struct onnx_writer w;
        begin(&w, SHAPE(-1, 2));
        contrib(&w, ops[k][0], "q s z s least", "p");
        end(&w, "p", "least");
        struct graph *g = onnx_graph(&w, 13);
        for (int n = 0; n < g->n_nodes; n++)
            assert_int_not_equal(g->nodes[n].op, GRAPH_RELU);
        graph_gives(g, FLOATS(2, 0), wanted[k], 2);
        begin(&w, SHAPE(-1, 2));
        ow_node(&w, ops[k][1], "x", "f");
        ow_node(&w, "QuantizeLinear", "f s least", "p");
        end(&w, "p", "least");
        g = onnx_graph(&w, 13);
        for (int n = 0; n < g->n_nodes; n++)
            assert_int_not_equal(g->nodes[n].op, GRAPH_RELU);
        graph_gives(g, FLOATS(2, 0), wanted[k], 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_mean_floats),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_slope_and_concat),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
