/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation against values worked out by hand and against plain loops written from the
 * definitions; the same numbers whatever the chunking and the processor. */
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct conv_case {
    bool nchw;
    const char *padding;
    int64_t h, w, ci, kh, kw, co, sy, sx, dy, dx;
    int64_t top, left, oh, ow; /* what the padding amounts to */
};

/* Position of (sample, y, x, channel) in either layout. */
static size_t at(bool nchw, int64_t h, int64_t w, int64_t c, int64_t s, int64_t y, int64_t x,
                 int64_t ch)
{
    return (size_t)(nchw ? ((s * c + ch) * h + y) * w + x : ((s * h + y) * w + x) * c + ch);
}

static double conv_value(const struct conv_case *c, const float *x, const float *k, int64_t s,
                         int64_t oy, int64_t ox, int64_t o)
{
    double sum = 0;
    for (int64_t ky = 0; ky < c->kh; ky++)
        for (int64_t kx = 0; kx < c->kw; kx++)
            for (int64_t i = 0; i < c->ci; i++) {
                const int64_t y = oy * c->sy + ky * c->dy - c->top;
                const int64_t column = ox * c->sx + kx * c->dx - c->left;
                if (y >= 0 && y < c->h && column >= 0 && column < c->w)
                    sum += (double)x[at(c->nchw, c->h, c->w, c->ci, s, y, column, i)] *
                           (double)k[((ky * c->kw + kx) * c->ci + i) * c->co + o];
            }
    return sum;
}

static void check_conv(const struct conv_case *c)
{
    enum { BATCH = 3 };
    const size_t nx = (size_t)(BATCH * c->h * c->w * c->ci);
    const size_t nk = (size_t)(c->kh * c->kw * c->ci * c->co);
    const size_t ny = (size_t)(BATCH * c->oh * c->ow * c->co);
    float *x = calloc(nx, 4), *k = calloc(nk, 4), *y = calloc(ny, 4);
    assert_true(x != NULL && k != NULL && y != NULL);
    fixture_fill(x, nx, 1);
    fixture_fill(k, nk, 2);
    for (int64_t s = 0; s < BATCH; s++)
        for (int64_t oy = 0; oy < c->oh; oy++)
            for (int64_t ox = 0; ox < c->ow; ox++)
                for (int64_t o = 0; o < c->co; o++)
                    y[at(c->nchw, c->oh, c->ow, c->co, s, oy, ox, o)] =
                        (float)conv_value(c, x, k, s, oy, ox, o);
    struct gd_writer w = {0};
    if (c->nchw)
        gd_input(&w, "x", SHAPE(-1, c->ci, c->h, c->w));
    else
        gd_input(&w, "x", SHAPE(-1, c->h, c->w, c->ci));
    gd_floats(&w, "k", k, SHAPE(c->kh, c->kw, c->ci, c->co));
    gd_node(&w, "y", "Conv2D", "x k");
    gd_attr_text(&w, "padding", c->padding);
    const int64_t strides[2][4] = {{1, c->sy, c->sx, 1}, {1, 1, c->sy, c->sx}};
    const int64_t dilations[2][4] = {{1, c->dy, c->dx, 1}, {1, 1, c->dy, c->dx}};
    gd_attr_list(&w, "strides", strides[c->nchw], 4);
    gd_attr_list(&w, "dilations", dilations[c->nchw], 4);
    if (c->nchw)
        gd_attr_text(&w, "data_format", "NCHW");
    if (strcmp(c->padding, "EXPLICIT") == 0) {
        const int64_t pads[2][8] = {{0, 0, c->top, 2, c->left, 0, 0, 0},
                                    {0, 0, 0, 0, c->top, 2, c->left, 0}};
        gd_attr_list(&w, "explicit_paddings", pads[c->nchw], 8);
    }
    fixture_gives(fixture_graph(&w), BATCH, x, y, ny, 1e-4);
    free(x);
    free(k);
    free(y);
}

static void test_conv2d_is_the_definition(void **state)
{
    (void)state;
    static const struct conv_case cases[] = {
        {false, "VALID", 9, 8, 3, 5, 3, 4, 2, 1, 1, 1, 0, 0, 3, 6},
        {false, "SAME", 9, 8, 3, 5, 3, 20, 2, 1, 1, 1, 2, 1, 5, 8},
        {false, "SAME", 8, 8, 1, 5, 5, 5, 2, 2, 1, 1, 1, 1, 4, 4},
        {false, "SAME", 12, 11, 2, 1, 1, 33, 1, 1, 1, 1, 0, 0, 12, 11},
        {false, "EXPLICIT", 7, 7, 2, 3, 3, 3, 1, 1, 2, 2, 1, 3, 6, 6},
        {false, "SAME", 7, 7, 2, 3, 3, 3, 1, 1, 2, 3, 2, 3, 7, 7},
        {true, "VALID", 9, 8, 3, 5, 3, 4, 2, 1, 1, 1, 0, 0, 3, 6},
        {true, "SAME", 9, 8, 3, 5, 3, 17, 2, 1, 1, 1, 2, 1, 5, 8},
        {true, "EXPLICIT", 7, 7, 2, 3, 3, 3, 1, 1, 2, 2, 1, 3, 6, 6},
    };
    for (size_t k = 0; k < COUNT(cases); k++)
        check_conv(&cases[k]);
}

static void add_pool(struct gd_writer *w, const char *op, bool nchw, const char *padding,
                     int64_t kernel, int64_t stride)
{
    gd_node(w, "y", op, "x");
    gd_attr_text(w, "padding", padding);
    gd_attr_text(w, "data_format", nchw ? "NCHW" : "NHWC");
    const int64_t k[2][4] = {{1, kernel, kernel, 1}, {1, 1, kernel, kernel}};
    const int64_t s[2][4] = {{1, stride, stride, 1}, {1, 1, stride, stride}};
    gd_attr_list(w, "ksize", k[nchw], 4);
    gd_attr_list(w, "strides", s[nchw], 4);
}

static void test_pools(void **state)
{
    (void)state;
    /* -1 -2 -3 / -4 -5 -6 / -7 -8 -9: padding with zeros would show. */
    const float x[9] = {-1, -2, -3, -4, -5, -6, -7, -8, -9};
    const float same_max[4] = {-1, -3, -7, -9}, same_mean[4] = {-3, -4.5F, -7.5F, -9};
    const float valid_max[4] = {-1, -2, -4, -5}, valid_mean[4] = {-3, -4, -6, -7};
    for (int nchw = 0; nchw < 2; nchw++) {
        for (int mean = 0; mean < 2; mean++) {
            struct gd_writer w = {0};
            const char *op = mean ? "AvgPool" : "MaxPool";
            gd_input(&w, "x",
                     nchw ? (const int64_t[]){-1, 1, 3, 3} : (const int64_t[]){-1, 3, 3, 1}, 4);
            add_pool(&w, op, nchw != 0, "SAME", 2, 2);
            fixture_gives(fixture_graph(&w), 1, x, mean ? same_mean : same_max, 4, 1e-6);
            gd_input(&w, "x",
                     nchw ? (const int64_t[]){-1, 1, 3, 3} : (const int64_t[]){-1, 3, 3, 1}, 4);
            add_pool(&w, op, nchw != 0, "VALID", 2, 1);
            fixture_gives(fixture_graph(&w), 1, x, mean ? valid_mean : valid_max, 4, 1e-6);
        }
    }
}

static void test_pools_keep_channels_apart(void **state)
{
    (void)state;
    const float nhwc[8] = {1, 10, 2, 20, 3, 30, 4, 40}, max[2] = {4, 40}, mean[2] = {2.5F, 25};
    const float nchw[8] = {1, 2, 3, 4, 10, 20, 30, 40};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
    add_pool(&w, "MaxPool", false, "VALID", 2, 2);
    fixture_gives(fixture_graph(&w), 1, nhwc, max, 2, 0);
    gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
    add_pool(&w, "AvgPool", true, "VALID", 2, 2);
    fixture_gives(fixture_graph(&w), 1, nchw, mean, 2, 0);
}

static void test_matmul(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, b[6] = {1, 2, 3, 4, 5, 6};
    const float want[4] = {22, 28, 49, 64}, transposed[4] = {14, 32, 32, 77};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_floats(&w, "b", b, SHAPE(3, 2));
    gd_node(&w, "y", "MatMul", "x b");
    fixture_gives(fixture_graph(&w), 2, x, want, 4, 0);
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_floats(&w, "b", b, SHAPE(2, 3));
    gd_node(&w, "y", "MatMul", "x b");
    gd_attr_bool(&w, "transpose_b", true);
    fixture_gives(fixture_graph(&w), 2, x, transposed, 4, 0);
    /* Two readers: the weights stay as they are, and both agree. */
    const float both[4] = {28, 64, 64, 154};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_floats(&w, "b", b, SHAPE(2, 3));
    gd_node(&w, "p", "MatMul", "x b");
    gd_attr_bool(&w, "transpose_b", true);
    gd_node(&w, "q", "MatMul", "x b");
    gd_attr_bool(&w, "transpose_b", true);
    gd_node(&w, "y", "AddV2", "p q");
    fixture_gives(fixture_graph(&w), 2, x, both, 4, 0);
}

static void test_bias_add(void **state)
{
    (void)state;
    const float x[8] = {0, 1, 2, 3, 4, 5, 6, 7}, b[2] = {10, 20};
    const float nhwc[8] = {10, 21, 12, 23, 14, 25, 16, 27};
    const float nchw[8] = {10, 11, 12, 13, 24, 25, 26, 27};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
    gd_floats(&w, "b", b, SHAPE(2));
    gd_node(&w, "y", "BiasAdd", "x b");
    fixture_gives(fixture_graph(&w), 1, x, nhwc, 8, 0);
    gd_input(&w, "x", SHAPE(-1, 2, 2, 2));
    gd_floats(&w, "b", b, SHAPE(2));
    gd_node(&w, "y", "BiasAdd", "x b");
    gd_attr_text(&w, "data_format", "NCHW");
    fixture_gives(fixture_graph(&w), 1, x, nchw, 8, 0);
}

static void binary_gives(const char *op, const char *inputs, const int64_t *dims, int rank,
                         const float *c, const float *want)
{
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}; /* two samples of (2, 2) */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 2));
    gd_floats(&w, "c", c, dims, rank);
    gd_node(&w, "y", op, inputs);
    fixture_gives(fixture_graph(&w), 2, x, want, 8, 1e-6);
}

static void test_arithmetic_broadcasts(void **state)
{
    (void)state;
    const float two[1] = {2}, pair[2] = {10, 20};
    binary_gives("Add", "x c", SHAPE(2), pair, (const float[]){11, 22, 13, 24, 15, 26, 17, 28});
    binary_gives("AddV2", "c x", SHAPE(2, 1), pair,
                 (const float[]){11, 12, 23, 24, 15, 16, 27, 28});
    binary_gives("Sub", "c x", NULL, 0, two, (const float[]){1, 0, -1, -2, -3, -4, -5, -6});
    binary_gives("Sub", "x c", SHAPE(1, 2, 1), pair,
                 (const float[]){-9, -8, -17, -16, -5, -4, -13, -12});
    binary_gives("Mul", "x c", SHAPE(1), two, (const float[]){2, 4, 6, 8, 10, 12, 14, 16});
    binary_gives("RealDiv", "x c", NULL, 0, two,
                 (const float[]){.5F, 1, 1.5F, 2, 2.5F, 3, 3.5F, 4});
    binary_gives("RealDiv", "c x", SHAPE(2), pair,
                 (const float[]){10, 10, 10 / 3.F, 5, 2, 20 / 6.F, 10 / 7.F, 2.5F});
}

static void test_data_with_data(void **state)
{
    (void)state;
    const float x[4] = {1, -2, 3, -4}, square[4] = {1, 4, 9, 16}, difference[4] = {0, -4, 0, -8};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "y", "Mul", "x x");
    fixture_gives(fixture_graph(&w), 2, x, square, 4, 0);
    gd_input(&w, "x", SHAPE(-1, 2));
    gd_node(&w, "r", "Relu", "x");
    gd_node(&w, "n", "Sub", "x r"); /* min(x, 0) */
    gd_node(&w, "y", "Add", "n n");
    fixture_gives(fixture_graph(&w), 2, x, difference, 4, 0);
}

static void test_broadcast_between_data(void **state)
{
    (void)state;
    const float a[4] = {1, 2, 3, 4}, b[2] = {10, 20}, want[4] = {11, 12, 23, 24};
    struct gd_writer w = {0};
    gd_input(&w, "a", SHAPE(-1, 2));
    gd_input(&w, "b", SHAPE(-1, 1));
    gd_node(&w, "y", "Add", "a b");
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->n_inputs, 2);
    assert_string_equal(g->nodes[g->inputs[1]].name, "b");
    float y[4];
    const float *in[] = {a, b};
    float *out[] = {y};
    assert_int_equal(graph_eval(g, 2, in, out, NULL, NULL), MP2ML_OK);
    assert_memory_equal(y, want, sizeof y);
    graph_free(g);
}

static void test_moves(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, turned[6] = {1, 4, 2, 5, 3, 6};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 2, 3));
    gd_int_list(&w, "p", (const int32_t[]){0, 2, 1}, 3);
    gd_node(&w, "y", "Transpose", "x p");
    fixture_gives(fixture_graph(&w), 1, x, turned, 6, 0);
    const float padded[15] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0};
    for (int v2 = 0; v2 < 2; v2++) {
        gd_input(&w, "x", SHAPE(-1, 2, 3));
        gd_ints(&w, "p", (const int32_t[]){0, 0, 1, 0, 1, 1}, SHAPE(3, 2));
        gd_floats(&w, "z", (const float[]){0}, NULL, 0);
        gd_node(&w, "y", v2 ? "PadV2" : "Pad", v2 ? "x p z" : "x p");
        fixture_gives(fixture_graph(&w), 1, x, padded, 15, 0);
    }
    gd_input(&w, "x", SHAPE(-1, 2, 3));
    gd_ints(&w, "p", (const int32_t[]){0, 0, 1, 0, 1, 1}, SHAPE(3, 2));
    gd_floats(&w, "z", (const float[]){-1}, NULL, 0);
    gd_node(&w, "y", "PadV2", "x p z");
    const float minus[15] = {-1, -1, -1, -1, -1, -1, 1, 2, 3, -1, -1, 4, 5, 6, -1};
    fixture_gives(fixture_graph(&w), 1, x, minus, 15, 0);
}

static void test_softmax_and_argmax(void **state)
{
    (void)state;
    const float x[6] = {0, 0, 0, 1000, 1001, 999};
    const double e = exp(1.0), sum = 1 + e + 1 / e;
    const float soft[6] = {1 / 3.F,          1 / 3.F,          1 / 3.F,
                           (float)(1 / sum), (float)(e / sum), (float)(1 / e / sum)};
    const float top[2] = {0, 1}, least[2] = {0, 2}; /* the first of equals */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_node(&w, "y", "Softmax", "x");
    fixture_gives(fixture_graph(&w), 2, x, soft, 6, 1e-6);
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_int(&w, "a", -1);
    gd_node(&w, "y", "ArgMax", "x a");
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1));
    assert_int_equal(fixture_output(g)->axis, 1);
    fixture_gives(g, 2, x, top, 2, 0);
    gd_input(&w, "x", SHAPE(-1, 3));
    gd_int(&w, "a", 1);
    gd_node(&w, "y", "ArgMin", "x a");
    g = fixture_graph(&w);
    assert_int_equal(fixture_output(g)->op, GRAPH_ARGMAX); /* of -x */
    fixture_shape(fixture_output(g), SHAPE(-1));
    fixture_gives(g, 2, x, least, 2, 0);
}

/* A network with every kind of layer, for comparisons with itself. */
static struct graph *small_network(void)
{
    float k[5 * 5 * 3], d[4 * 4 * 3 * 37];
    fixture_fill(k, COUNT(k), 3);
    fixture_fill(d, COUNT(d), 4);
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 16, 16, 1));
    gd_floats(&w, "k", k, SHAPE(5, 5, 1, 3));
    gd_floats(&w, "d", d, SHAPE(48, 37));
    gd_int_list(&w, "s", (const int32_t[]){-1, 48}, 2);
    gd_node(&w, "c", "Conv2D", "x k");
    gd_attr_text(&w, "padding", "SAME");
    gd_attr_list(&w, "strides", (const int64_t[]){1, 2, 2, 1}, 4);
    gd_node(&w, "r", "Relu", "c");
    gd_node(&w, "m", "MaxPool", "r");
    gd_attr_text(&w, "padding", "VALID");
    gd_attr_list(&w, "ksize", (const int64_t[]){1, 2, 2, 1}, 4);
    gd_attr_list(&w, "strides", (const int64_t[]){1, 2, 2, 1}, 4);
    gd_node(&w, "f", "Reshape", "m s");
    gd_node(&w, "y", "MatMul", "f d");
    return fixture_graph(&w);
}

struct seen {
    const struct graph *g;
    int calls, last;
    size_t batch;
    float *copy; /* of the output */
};

static int look(void *context, int node, const float *values, size_t count)
{
    struct seen *s = context;
    assert_true(node > s->last);
    assert_true(s->g->nodes[node].batched);
    assert_int_equal(count, s->batch * graph_sample_count(&s->g->nodes[node]));
    s->last = node;
    s->calls++;
    if (s->copy != NULL && node == s->g->outputs[0])
        memcpy(s->copy, values, count * sizeof *values);
    return s->copy == NULL;
}

static void test_chunks_visitors_and_processors_agree(void **state)
{
    (void)state;
    enum { BATCH = 300, IN = 256, OUT = 37 };
    struct graph *g = small_network();
    float *x = calloc(BATCH * IN, 4), *y = calloc(BATCH * OUT, 4), *z = calloc(BATCH * OUT, 4);
    assert_true(x != NULL && y != NULL && z != NULL);
    fixture_fill(x, BATCH * IN, 7);
    const float *in[] = {x};
    float *out[] = {y}, *again[] = {z};
    assert_int_equal(graph_eval(g, BATCH, in, out, NULL, NULL), MP2ML_OK);
    struct seen seen = {g, 0, -1, BATCH, z};
    assert_int_equal(graph_eval(g, BATCH, in, NULL, look, &seen), MP2ML_OK);
    assert_int_equal(seen.calls, 6);
    assert_memory_equal(y, z, BATCH * OUT * 4);
    static const char *const levels[] = {"portable", "avx2", "avx512"};
    for (size_t k = 0; k < COUNT(levels); k++) {
        assert_int_equal(setenv("MP2ML_CPU", levels[k], 1), 0);
        memset(z, 0, BATCH * OUT * 4);
        assert_int_equal(graph_eval(g, BATCH, in, again, NULL, NULL), MP2ML_OK);
        assert_memory_equal(y, z, BATCH * OUT * 4);
    }
    unsetenv("MP2ML_CPU");
    for (size_t s = 0; s < BATCH; s += 97) { /* one by one */
        const float *one[] = {x + s * IN};
        assert_int_equal(graph_eval(g, 1, one, again, NULL, NULL), MP2ML_OK);
        assert_memory_equal(y + s * OUT, z, OUT * 4);
    }
    assert_int_equal(graph_eval(g, 0, in, again, NULL, NULL), MP2ML_OK);
    struct seen stop = {g, 0, -1, BATCH, NULL};
    assert_int_equal(graph_eval(g, BATCH, in, NULL, look, &stop), MP2ML_ERR_CANCELLED);
    assert_int_equal(stop.calls, 1);
    graph_free(g);
    free(x);
    free(y);
    free(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv2d_is_the_definition),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_pools_keep_channels_apart),
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_bias_add),
        cmocka_unit_test(test_arithmetic_broadcasts),
        cmocka_unit_test(test_data_with_data),
        cmocka_unit_test(test_broadcast_between_data),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_softmax_and_argmax),
        cmocka_unit_test(test_chunks_visitors_and_processors_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
