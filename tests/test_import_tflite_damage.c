/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow Lite files that are damaged, hostile, or hold what is not supported. */
#include "tflite_fixture.h"

/* One of many kinds of table: a convolution with a quantised kernel, pools, rows, names. */
static void write_network(struct tl_writer *w)
{
    const int8_t kernel[8] = {1, -2, 3, 4, 5, 6, -7, 8};
    w->signature[0] = "picture";
    w->signature[1] = "kind";
    const int x = tl_input(w, "x", SHAPE(1, 3, 3, 1));
    const int k = tl_constant(w, "k", TL_INT8, SHAPE(2, 2, 2, 1), kernel, 8);
    tl_quantise(w, (const float[]){0.5F, 0.25F}, (const int64_t[]){0, 1}, 2, 0);
    int y = tl_node(w, "conv", TL_CONV_2D, TL(x, k, tl_floats(w, (float[]){1, 2}, SHAPE(2))));
    tl_number(w, 1, 1);
    tl_number(w, 2, 1);
    tl_byte(w, 3, 3);
    y = tl_node(w, "flat", TL_RESHAPE, TL(y, tl_ints(w, TL(1, 18))));
    const float dense[36] = {1, 2, 3};
    y = tl_node(w, "dense", TL_FULLY_CONNECTED, TL(y, tl_floats(w, dense, SHAPE(2, 18))));
    tl_output(w, tl_node(w, "soft", TL_SOFTMAX, TL(y)));
    tl_real(w, 0, 1);
}

/* In memory that ends where the file ends, so that a sanitizer sees a byte too many. */
static mp2ml_status parse_bytes(const unsigned char *data, size_t size, mp2ml_error *err)
{
    struct graph *g = NULL;
    unsigned char *copy = malloc(size + (size == 0));
    assert_non_null(copy);
    memcpy(copy, data, size);
    memset(err, 0, sizeof *err);
    const mp2ml_status status = graph_parse(&g, copy, size, "test", NULL, err);
    assert_int_equal(status == MP2ML_OK, g != NULL);
    assert_true(status == MP2ML_OK || (err->status == status && err->text[0] != '\0'));
    graph_free(g);
    free(copy);
    return status;
}

static void test_every_length(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    mp2ml_error err;
    write_network(&w);
    tl_finish(&w);
    assert_int_equal(parse_bytes(w.file.data, w.file.size, &err), MP2ML_OK);
    size_t last = w.file.size; /* behind it there are two buffers of no constant */
    while (last > 8 && parse_bytes(w.file.data, last - 1, &err) == MP2ML_OK)
        last--;
    assert_true(w.file.size - last < 32);
    for (size_t size = 0; size < last; size++)
        assert_int_not_equal(parse_bytes(w.file.data, size, &err), MP2ML_OK);
    tl_wipe(&w);
}

/* Every byte with some values: refused or read, never more. */
static void test_every_byte(void **state)
{
    (void)state;
    static const unsigned char values[] = {0, 1, 4, 0x7f, 0x80, 0xff};
    struct tl_writer w = {0};
    mp2ml_error err;
    size_t refused = 0;
    write_network(&w);
    tl_finish(&w);
    for (size_t at = 0; at < w.file.size; at++) {
        const unsigned char old = w.file.data[at];
        for (size_t k = 0; k < sizeof values; k++) {
            w.file.data[at] = values[k];
            refused += parse_bytes(w.file.data, w.file.size, &err) != MP2ML_OK;
        }
        w.file.data[at] = old;
    }
    assert_true(refused > w.file.size);
    tl_wipe(&w);
}

static void test_order_of_operators(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    const int late = tl_tensor(&w, "late", TL_FLOAT, NULL, 0);
    const int y = tl_node(&w, "y", TL_ADD, TL(x, late));
    tl_op(&w, TL_NEG, TL(x), TL(late));
    tl_output(&w, y);
    tflite_fails(&w, MP2ML_ERR_MODEL, "node 'y' (ADD): reads 'late' before it is computed");

    const int in = tl_input(&w, "x", SHAPE(1, 2));
    const int ring = tl_tensor(&w, "ring", TL_FLOAT, NULL, 0);
    const int end = tl_tensor(&w, "end", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_ADD, TL(in, end), TL(ring)); /* each needs the other */
    tl_op(&w, TL_NEG, TL(ring), TL(end));
    tl_output(&w, end);
    tflite_fails(&w, MP2ML_ERR_MODEL, "node 'ring' (ADD): reads 'end' before it is computed");

    const int self = tl_tensor(&w, "self", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_NEG, TL(self), TL(self));
    tl_output(&w, self);
    tflite_fails(&w, MP2ML_ERR_MODEL, "reads 'self' before it is computed");

    const int a = tl_input(&w, "x", SHAPE(1, 2)), twice = tl_node(&w, "twice", TL_NEG, TL(a));
    tl_op(&w, TL_ABS, TL(a), TL(twice));
    tl_output(&w, twice);
    tflite_fails(&w, MP2ML_ERR_MODEL, "has been computed before");
}

/* A tensor has its values from one place. */
static void test_values_from_two_places(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const float two[2] = {1, 2};
    int x = tl_input(&w, "x", SHAPE(1, 2));
    const int c = tl_constant(&w, "c", TL_FLOAT, SHAPE(1, 2), two, sizeof two);
    tl_op(&w, TL_NEG, TL(x), TL(c));
    tl_output(&w, c);
    tflite_fails(&w, MP2ML_ERR_MODEL, "node 'c' (NEG): output 0 is a constant");

    x = tl_input(&w, "x", SHAPE(1, 2));
    const int y = tl_input(&w, "y", SHAPE(1, 2));
    tl_op(&w, TL_NEG, TL(x), TL(y));
    tl_output(&w, tl_node(&w, "z", TL_NEG, TL(y)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "tensor 'y' is an input, but also computed");
}

static void number_fails(int32_t input, int32_t output, int32_t end, const char *words)
{
    struct tl_writer w = {0};
    tl_input(&w, "x", SHAPE(1, 2));
    tl_tensor(&w, "y", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_NEG, TL(input), TL(output));
    tl_output(&w, end);
    tflite_fails(&w, MP2ML_ERR_MODEL, words);
}

static void test_numbers_of_tensors(void **state)
{
    (void)state;
    number_fails(2, 1, 1, "damaged");
    number_fails(-2, 1, 1, "damaged");
    number_fails(INT32_MAX, 1, 1, "damaged");
    number_fails(0, -1, 1, "damaged");
    number_fails(0, 2, 1, "damaged");
    number_fails(0, 1, 2, "output 0 of the network is no tensor");
    number_fails(0, 1, INT32_MIN, "output 0 of the network is no tensor");
    number_fails(-1, 1, 1, "has no input 0");
}

/* x + c where c has that shape and so many bytes. */
static void constant_fails(int type, const int64_t *dims, int rank, size_t bytes,
                           mp2ml_status status, const char *words)
{
    struct tl_writer w = {0};
    static const unsigned char zeros[64] = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    tl_output(
        &w, tl_node(&w, "y", TL_ADD, TL(x, tl_constant(&w, "c", type, dims, rank, zeros, bytes))));
    tflite_fails(&w, status, words);
}

static void test_constants_that_do_not_fit(void **state)
{
    (void)state;
    constant_fails(TL_FLOAT, SHAPE(2), 7, MP2ML_ERR_MODEL, "tensor 'c' has 7 bytes for 2 values");
    constant_fails(TL_FLOAT, SHAPE(2), 0, MP2ML_ERR_MODEL, "tensor 'c' has no values");
    constant_fails(TL_FLOAT, SHAPE(INT32_MAX, INT32_MAX), 8, MP2ML_ERR_MODEL, "impossible shape");
    constant_fails(TL_FLOAT, SHAPE(-1), 8, MP2ML_ERR_MODEL, "impossible shape");
    constant_fails(TL_FLOAT, SHAPE(-7), 8, MP2ML_ERR_MODEL, "impossible shape");
    constant_fails(TL_FLOAT, SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 2), 8, MP2ML_ERR_MODEL, "impossible");
    constant_fails(TL_STRING, SHAPE(2), 8, MP2ML_ERR_UNSUPPORTED, "type 5, which cannot be read");
    constant_fails(17, SHAPE(2), 1, MP2ML_ERR_UNSUPPORTED, "type 17, which cannot be read");
}

static void scales_fail(const float *scale, const int64_t *zero, int count, int along, int details,
                        const char *words)
{
    struct tl_writer w = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    const int c = tl_constant(&w, "c", TL_INT8, SHAPE(1, 2), "\1\2", 2);
    tl_quantise(&w, scale, zero, count, along);
    w.tensors[c].details = details;
    w.tensors[c].n_zeros = zero != NULL && count == 1 ? 2 : w.tensors[c].n_zeros;
    tl_output(&w, tl_node(&w, "y", TL_ADD, TL(x, c)));
    mp2ml_error err;
    struct graph *g;
    assert_int_not_equal(tflite_parse(&g, &w, NULL, &err), MP2ML_OK);
    if (strstr(err.text, words) == NULL)
        fail_msg("'%s' is not in: %s", words, err.text);
}

static void test_scales_that_do_not_fit(void **state)
{
    (void)state;
    const float three[3] = {1, 1, 1};
    scales_fail(three, NULL, 3, 1, 0, "scales that do not fit its shape");
    scales_fail(three, NULL, 2, 0, 0, "scales that do not fit its shape");
    scales_fail(three, NULL, 2, 2, 0, "scales that do not fit its shape");
    scales_fail(three, NULL, 2, -1, 0, "scales that do not fit its shape");
    scales_fail(three, (const int64_t[2]){0}, 1, 0, 0, "one scale and several zero points");
    scales_fail(three, NULL, 1, 0, 2, "quantised in a way that is not supported");
    scales_fail((const float[]){INFINITY}, NULL, 1, 0, 0, "a scale that is not a finite number");
}

static void test_what_is_not_supported(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", TL_GELU, TL(0)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "node 'y' (GELU)");
    for (int flex = 0; flex < 2; flex++) {
        tl_input(&w, "x", SHAPE(1, 2));
        tl_output(&w, tl_node(&w, "y", TL_CUSTOM, TL(0)));
        w.ops[0].custom = flex ? "FlexErf" : "Own";
        tflite_fails(&w, MP2ML_ERR_UNSUPPORTED,
                     flex ? "(CUSTOM): 'FlexErf' is an operator of TensorFlow"
                          : "the custom operator 'Own' is not supported");
    }
    tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", 4000, TL(0)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "operator 4000 is not known here");
    w.subgraphs = 2;
    tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, 0);
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "has 2 graphs");
    w.version = 4;
    tl_output(&w, tl_input(&w, "x", SHAPE(1, 2)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "version 4, known is 3");
}

/* All that has no private form is listed, and what does not depend on it is read on. */
static void test_list_of_refusals(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    struct graph_refusals list = {0};
    struct graph *g;
    mp2ml_error err;
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    const int k = tl_floats(&w, (const float[]){1, 2, 3, 4}, SHAPE(2, 2));
    const int a = tl_node(&w, "a", TL_GELU, TL(x));
    const int b = tl_node(&w, "b", TL_FULLY_CONNECTED, TL(a, k));
    const int c = tl_node(&w, "c", TL_FULLY_CONNECTED, TL(x, k)); /* with a constant that was */
    tl_byte(&w, 0, 5);                                            /* read for what is refused */
    const int d = tl_node(&w, "d", TL_FULLY_CONNECTED, TL(x, k));
    const int e = tl_node(&w, "e", TL_CUSTOM, TL(d));
    w.ops[w.n_ops - 1].custom = "Own";
    tl_output(&w, tl_node(&w, "y", TL_ADD_N, TL(b, c, e)));
    tl_finish(&w);
    assert_int_equal(graph_explain(&g, &list, w.file.data, w.file.size, "test", NULL, &err),
                     MP2ML_ERR_UNSUPPORTED);
    assert_null(g);
    static const char *const wanted[3] = {"a", "c", "e"};
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(list.list[i].node, wanted[i]);
    assert_string_equal(list.list[0].op, "GELU");
    assert_non_null(strstr(list.list[2].why, "'Own'"));
    graph_refusals_wipe(&list);
    tl_wipe(&w);
}

static void test_tensors_that_are_not_supported(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    for (int sparse = 0; sparse < 2; sparse++) {
        tl_input(&w, "x", SHAPE(1, 2));
        const int c = tl_floats(&w, (const float[]){1, 2}, SHAPE(2));
        w.tensors[c].sparse = sparse == 1;
        w.tensors[c].variable = sparse == 0;
        tl_output(&w, tl_node(&w, "y", TL_ADD, TL(0, c)));
        tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, sparse ? "is stored sparse" : "is a variable");
    }
    tl_input(&w, "x", SHAPE(1, 2, 3));
    w.tensors[0].has_signature = true;
    memcpy(w.tensors[0].signature, (const int32_t[]){-1, 2, -1}, 12);
    tl_output(&w, tl_node(&w, "y", TL_NEG, TL(0)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "whose shape is not all known: give it as");
    tl_input(&w, "x", NULL, 0);
    tl_output(&w, tl_node(&w, "y", TL_NEG, TL(0)));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "an input without a batch axis");
    tl_output(&w, tl_floats(&w, (const float[]){1, 2}, SHAPE(2)));
    tflite_fails(&w, MP2ML_ERR_MODEL, "is an output that depends on no input");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_order_of_operators),
        cmocka_unit_test(test_values_from_two_places),
        cmocka_unit_test(test_numbers_of_tensors),
        cmocka_unit_test(test_constants_that_do_not_fit),
        cmocka_unit_test(test_scales_that_do_not_fit),
        cmocka_unit_test(test_what_is_not_supported),
        cmocka_unit_test(test_list_of_refusals),
        cmocka_unit_test(test_tensors_that_are_not_supported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
