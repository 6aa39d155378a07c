/* SPDX-License-Identifier: Apache-2.0
 *
 * The TensorFlow Lite importer: operators against values computed here, quantised forms, the batch
 * in shapes, names and cuts. Damage: test_import_tflite_damage.c. */
#include "tflite_fixture.h"

enum { SAME = 0, VALID = 1 };

/* Values ----------------------------------------------------------------------------------------- */

/* One operator on x, a vector of 4 for one sample, with nothing but that input. */
static void unary_gives(int code, const float *want, double tolerance)
{
    struct tl_writer w = {0};
    const float x[4] = {-4, -0.5F, 0.75F, 7};
    const int in = tl_input(&w, "x", SHAPE(1, 4));
    tl_output(&w, tl_node(&w, "y", code, TL(in)));
    if (code == TL_SOFTMAX)
        tl_real(&w, 0, 1);
    if (code == TL_LEAKY_RELU)
        tl_real(&w, 0, 0.25F);
    tflite_gives(&w, 1, x, want, 4, tolerance);
}

static void test_values(void **state)
{
    (void)state;
    unary_gives(TL_RELU, (const float[]){0, 0, 0.75F, 7}, 0);
    unary_gives(TL_RELU6, (const float[]){0, 0, 0.75F, 6}, 0);
    unary_gives(TL_RELU_N1_TO_1, (const float[]){-1, -0.5F, 0.75F, 1}, 0);
    unary_gives(TL_RELU_0_TO_1, (const float[]){0, 0, 0.75F, 1}, 0);
    unary_gives(TL_LEAKY_RELU, (const float[]){-1, -0.125F, 0.75F, 7}, 0);
    unary_gives(TL_ABS, (const float[]){4, 0.5F, 0.75F, 7}, 0);
    unary_gives(TL_NEG, (const float[]){4, 0.5F, -0.75F, -7}, 0);
    unary_gives(TL_SQUARE, (const float[]){16, 0.25F, 0.5625F, 49}, 0);
    unary_gives(TL_HARD_SWISH, (const float[]){0, -0.5F * 2.5F / 6, 0.75F * 3.75F / 6, 7}, 1e-6);
    unary_gives(TL_LOGISTIC, (const float[]){0.01798621F, 0.37754067F, 0.6791787F, 0.99908895F},
                1e-6);
    unary_gives(TL_TANH, (const float[]){-0.9993293F, -0.46211716F, 0.635149F, 0.9999983F}, 1e-6);
    unary_gives(TL_SOFTMAX, (const float[]){1.6664e-5F, 5.5183e-4F, 1.92609e-3F, 0.99750542F},
                1e-6);
    unary_gives(TL_LOG_SOFTMAX,
                (const float[]){-11.0024977F, -7.5024977F, -6.2524977F, -2.4977e-3F}, 1e-5);
}

static void test_softmax_of_a_multiple(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", TL_SOFTMAX, TL(x)));
    tl_real(&w, 0, 2);
    tflite_gives(&w, 1, (const float[]){0, 0.5F}, (const float[]){0.26894142F, 0.73105858F}, 2,
                 1e-6);
    tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", TL_SOFTMAX, TL(0)));
    tflite_fails(&w, MP2ML_ERR_MODEL, "node 'y' (SOFTMAX): has beta 0");
}

/* Of x with a constant, or the other way round, ended by an activation. */
static void binary_gives(int code, int activation, bool swap, const float *want)
{
    struct tl_writer w = {0};
    const float x[3] = {-3, 0.5F, 5}, c[3] = {2, -1, 0.5F};
    const int in = tl_input(&w, "x", SHAPE(1, 3)), constant = tl_floats(&w, c, SHAPE(3));
    tl_output(&w, tl_node(&w, "y", code,
                          swap ? (int32_t[]){constant, in} : (int32_t[]){in, constant}, 2));
    tl_byte(&w, 0, activation);
    tflite_gives(&w, 1, x, want, 3, 1e-6);
}

static void test_arithmetic_and_activations(void **state)
{
    (void)state;
    binary_gives(TL_ADD, 0, false, (const float[]){-1, -0.5F, 5.5F});
    binary_gives(TL_ADD, 1, false, (const float[]){0, 0, 5.5F});
    binary_gives(TL_SUB, 2, true, (const float[]){1, -1, -1});
    binary_gives(TL_MUL, 3, false, (const float[]){0, 0, 2.5F});
    binary_gives(TL_MUL, 3, true, (const float[]){0, 0, 2.5F});
    binary_gives(TL_DIV, 0, false, (const float[]){-1.5F, -0.5F, 10});
    binary_gives(TL_DIV, 3, false, (const float[]){0, 0, 6});
    binary_gives(TL_ADD, 4, false, (const float[]){-0.76159416F, -0.46211716F, 0.99996659F});
    binary_gives(TL_MAXIMUM, 0, false, (const float[]){2, 0.5F, 5});
    binary_gives(TL_MINIMUM, 0, true, (const float[]){-3, -1, 0.5F});
    binary_gives(TL_SQUARED_DIFFERENCE, 0, false, (const float[]){25, 2.25F, 20.25F});
    binary_gives(TL_PRELU, 0, false, (const float[]){-6, 0.5F, 5});
    struct tl_writer w = {0};
    tl_input(&w, "x", SHAPE(1, 3));
    tl_output(&w, tl_node(&w, "y", TL_ADD, TL(0, 0)));
    tl_byte(&w, 0, 5);
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED, "ends with an activation of number 5");
}

static void test_power_and_sum(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    const int three = tl_floats(&w, (const float[]){3}, NULL, 0);
    const int cube = tl_node(&w, "cube", TL_POW, TL(x, three));
    tl_output(&w, tl_node(&w, "y", TL_ADD_N, TL(cube, x, x)));
    tflite_gives(&w, 1, (const float[]){2, -3}, (const float[]){12, -33}, 2, 0);
}

/* Layers ----------------------------------------------------------------------------------------- */

struct layer {
    int code, padding, stride[2], dilation[2], kernel[2], multiplier, activation;
    bool bias;
};
enum { SIDE_H = 5, SIDE_W = 4, IN = 2, OUT = 3 };

static int64_t out_size(const struct layer *l, int axis)
{
    const int in = axis == 0 ? SIDE_H : SIDE_W, extent = (l->kernel[axis] - 1) * l->dilation[axis];
    return l->padding == SAME ? (in + l->stride[axis] - 1) / l->stride[axis]
                              : (in - extent - 1) / l->stride[axis] + 1;
}

static int first_row(const struct layer *l, int axis)
{
    const int in = axis == 0 ? SIDE_H : SIDE_W, extent = (l->kernel[axis] - 1) * l->dilation[axis];
    const int total = ((int)out_size(l, axis) - 1) * l->stride[axis] + extent + 1 - in;
    return l->padding == SAME && total > 0 ? -(total / 2) : 0;
}

/* Directly, from the file's layouts: out[y][x][o]. */
static double value_of(const struct layer *l, const float *x, const float *k, const float *bias,
                       int row, int column, int o)
{
    const bool deep = l->code == TL_DEPTHWISE_CONV_2D;
    const int channels = deep ? IN * l->multiplier : OUT;
    double sum = l->bias ? (double)bias[o] : 0;
    for (int a = 0; a < l->kernel[0]; a++)
        for (int b = 0; b < l->kernel[1]; b++)
            for (int c = 0; c < IN; c++) {
                const int y = first_row(l, 0) + row * l->stride[0] + a * l->dilation[0];
                const int z = first_row(l, 1) + column * l->stride[1] + b * l->dilation[1];
                if (y < 0 || y >= SIDE_H || z < 0 || z >= SIDE_W ||
                    (deep && c != o / l->multiplier))
                    continue;
                const int at = deep ? (a * l->kernel[1] + b) * channels + o
                                    : ((o * l->kernel[0] + a) * l->kernel[1] + b) * IN + c;
                sum += (double)x[(y * SIDE_W + z) * IN + c] * (double)k[at];
            }
    return l->activation == 1 && sum < 0 ? 0 : sum;
}

static void layer_gives(struct layer l)
{
    struct tl_writer w = {0};
    const bool deep = l.code == TL_DEPTHWISE_CONV_2D;
    const int channels = deep ? IN * l.multiplier : OUT;
    float x[SIDE_H * SIDE_W * IN], k[128], bias[8], want[256];
    fixture_fill(x, sizeof x / 4, 1);
    fixture_fill(k, 128, 2);
    fixture_fill(bias, 8, 3);
    const int in = tl_input(&w, "x", SHAPE(1, SIDE_H, SIDE_W, IN));
    const int weights = deep ? tl_floats(&w, k, SHAPE(1, l.kernel[0], l.kernel[1], channels))
                             : tl_floats(&w, k, SHAPE(OUT, l.kernel[0], l.kernel[1], IN));
    const int added = tl_floats(&w, bias, SHAPE(channels));
    tl_output(&w, tl_node(&w, "y", l.code, TL(in, weights, l.bias ? added : -1)));
    tl_byte(&w, 0, l.padding);
    tl_number(&w, 1, l.stride[1]);
    tl_number(&w, 2, l.stride[0]);
    tl_byte(&w, deep ? 4 : 3, l.activation);
    tl_number(&w, deep ? 5 : 4, l.dilation[1]);
    tl_number(&w, deep ? 6 : 5, l.dilation[0]);
    size_t count = 0;
    for (int row = 0; row < out_size(&l, 0); row++)
        for (int column = 0; column < out_size(&l, 1); column++)
            for (int o = 0; o < channels; o++)
                want[count++] = (float)value_of(&l, x, k, bias, row, column, o);
    tflite_gives(&w, 1, x, want, count, 1e-5);
}

static void test_convolutions(void **state)
{
    (void)state;
    for (int padding = SAME; padding <= VALID; padding++)
        for (int code = TL_CONV_2D; code <= TL_DEPTHWISE_CONV_2D; code++) {
            layer_gives((struct layer){code, padding, {1, 1}, {1, 1}, {3, 2}, 1, 0, false});
            layer_gives((struct layer){code, padding, {2, 1}, {1, 1}, {3, 3}, 2, 1, true});
            layer_gives((struct layer){code, padding, {1, 1}, {2, 3}, {3, 2}, 3, 0, true});
            layer_gives((struct layer){code, padding, {2, 2}, {1, 1}, {1, 1}, 1, 1, false});
        }
}

static void test_transposed_convolution(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    float x[4], k[9], want[16] = {0};
    fixture_fill(x, 4, 1);
    fixture_fill(k, 9, 2);
    const int in = tl_input(&w, "x", SHAPE(1, 2, 2, 1));
    const int weights = tl_floats(&w, k, SHAPE(1, 3, 3, 1));
    const int size = tl_ints(&w, TL(1, 4, 4, 1));
    const int half = tl_floats(&w, (const float[]){0.5F}, SHAPE(1));
    tl_output(&w, tl_node(&w, "y", TL_TRANSPOSE_CONV, TL(size, weights, in, half)));
    tl_byte(&w, 0, SAME);
    tl_number(&w, 1, 2);
    tl_number(&w, 2, 2);
    for (int v = 0; v < 16; v++)
        want[v] = 0.5F;
    for (int y = 0; y < 2; y++)
        for (int z = 0; z < 2; z++)
            for (int a = 0; a < 9; a++) { /* one is cut off behind: none before */
                const int row = 2 * y + a / 3, column = 2 * z + a % 3;
                if (row < 4 && column < 4)
                    want[4 * row + column] += x[2 * y + z] * k[a];
            }
    tflite_gives(&w, 1, x, want, 16, 1e-6);
}

static void test_transposed_convolution_that_does_not_fit(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(1, 2, 2, 1));
    const int weights = tl_floats(&w, (const float[9]){1}, SHAPE(1, 3, 3, 1));
    const int size = tl_ints(&w, TL(1, 7, 4, 1));
    tl_output(&w, tl_node(&w, "y", TL_TRANSPOSE_CONV, TL(size, weights, in)));
    tl_number(&w, 1, 2);
    tl_number(&w, 2, 2);
    tflite_fails(&w, MP2ML_ERR_MODEL, "a result of 7 x 4 does not follow from shape (?, 2, 2, 1)");
}

static void dense_gives(const int64_t *dims, int rank, bool keep, const int64_t *out_dims,
                        int out_rank)
{
    struct tl_writer w = {0};
    float x[6], k[6], want[4];
    fixture_fill(x, 6, 1);
    fixture_fill(k, 6, 2);
    const int in = tl_input(&w, "x", dims, rank);
    const int weights = tl_floats(&w, k, SHAPE(2, 3));
    const int bias = tl_floats(&w, (const float[]){0.5F, -0.5F}, SHAPE(2));
    int y = tl_node(&w, "y", TL_FULLY_CONNECTED, TL(in, weights, bias));
    tl_byte(&w, 0, 1);
    tl_byte(&w, 2, keep);
    if (out_rank != 0) { /* rows of a sample, back in one */
        int32_t shape[4];
        for (int d = 0; d < out_rank; d++)
            shape[d] = (int32_t)out_dims[d];
        y = tl_node(&w, "z", TL_RESHAPE, TL(y, tl_ints(&w, shape, out_rank)));
    }
    tl_output(&w, y);
    for (int r = 0; r < 2; r++)
        for (int o = 0; o < 2; o++) {
            double sum = o == 0 ? 0.5 : -0.5;
            for (int i = 0; i < 3; i++)
                sum += (double)x[3 * r + i] * (double)k[3 * o + i];
            want[2 * r + o] = sum > 0 ? (float)sum : 0;
        }
    tflite_gives(&w, dims[0] == 2 ? 2 : 1, x, want, 4, 1e-6);
}

static void test_dense(void **state)
{
    (void)state;
    dense_gives(SHAPE(2, 3), false, NULL, 0);
    dense_gives(SHAPE(2, 3, 1), false, NULL, 0);     /* flattened */
    dense_gives(SHAPE(1, 2, 3), true, NULL, 0);      /* a row is a row */
    dense_gives(SHAPE(1, 2, 3), false, SHAPE(1, 4)); /* rows of all samples */
    dense_gives(SHAPE(1, 6), false, SHAPE(1, 2, 2));
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(1, 4));
    const int weights = tl_floats(&w, (const float[6]){1}, SHAPE(2, 3));
    tl_output(&w, tl_node(&w, "y", TL_FULLY_CONNECTED, TL(in, weights)));
    tflite_fails(&w, MP2ML_ERR_MODEL, "shape (?, 4) is no rows of 3 values");
}

static void test_weights_shared_and_computed(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const float k[4] = {1, 2, 3, 4}, x[2] = {1, -1};
    const int in = tl_input(&w, "x", SHAPE(1, 2));
    const int weights = tl_floats(&w, k, SHAPE(2, 2));
    const int once = tl_node(&w, "once", TL_FULLY_CONNECTED, TL(in, weights));     /* -1 -1 */
    const int twice = tl_node(&w, "twice", TL_FULLY_CONNECTED, TL(once, weights)); /* -3 -7 */
    const int sum = tl_node(&w, "k+k", TL_ADD, TL(weights, weights));
    tl_output(&w, tl_node(&w, "y", TL_FULLY_CONNECTED, TL(twice, sum)));
    tflite_gives(&w, 1, x, (const float[]){-34, -74}, 2, 0);
}

static void pool_gives(int code, int activation, const float *want)
{
    struct tl_writer w = {0};
    const float x[9] = {1, -2, 3, 4, 5, -6, 7, 8, 9};
    const int in = tl_input(&w, "x", SHAPE(1, 3, 3, 1));
    tl_output(&w, tl_node(&w, "y", code, TL(in)));
    tl_byte(&w, 0, SAME);
    tl_number(&w, 1, 2); /* width */
    tl_number(&w, 2, 1);
    tl_number(&w, 3, 2);
    tl_number(&w, 4, 1);
    tl_byte(&w, 5, activation);
    tflite_gives(&w, 1, x, want, 6, 1e-6);
}

static void test_pools(void **state)
{
    (void)state;
    pool_gives(TL_MAX_POOL_2D, 0, (const float[]){1, 3, 5, -6, 8, 9});
    pool_gives(TL_MAX_POOL_2D, 3, (const float[]){1, 3, 5, 0, 6, 6});
    pool_gives(TL_AVERAGE_POOL_2D, 0, (const float[]){-0.5F, 3, 4.5F, -6, 7.5F, 9});
}

/* Moves ------------------------------------------------------------------------------------------ */

/* An operator on x = 1..12 of shape (1, 2, 3, 2) with one list of integers behind it. */
static void listed_gives(int code, const int32_t *list, int n, int rank, const float *want,
                         size_t count)
{
    struct tl_writer w = {0};
    float x[12];
    for (int k = 0; k < 12; k++)
        x[k] = (float)(k + 1);
    const int in = tl_input(&w, "x", SHAPE(1, 2, 3, 2));
    const int constant = tl_ints(&w, list, n);
    if (rank == 2) {
        w.tensors[constant].rank = 2;
        w.tensors[constant].dims[0] = n / 2;
        w.tensors[constant].dims[1] = 2;
    }
    tl_output(&w, tl_node(&w, "y", code, TL(in, constant)));
    tflite_gives(&w, 1, x, want, count, 1e-6);
}

static void test_moves(void **state)
{
    (void)state;
    listed_gives(TL_TRANSPOSE, TL(0, 3, 1, 2), 1,
                 (const float[]){1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12}, 12);
    listed_gives(TL_REVERSE_V2, TL(2), 1, (const float[]){5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8},
                 12);
    listed_gives(TL_TILE, TL(1, 1, 1, 2), 1,
                 (const float[]){1, 2, 1, 2, 3, 4,  3, 4,  5,  6,  5,  6,
                                 7, 8, 7, 8, 9, 10, 9, 10, 11, 12, 11, 12},
                 24);
    listed_gives(TL_PAD, TL(0, 0, 0, 0, 0, 0, 1, 0), 2,
                 (const float[]){0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 0, 9, 10, 0, 11, 12}, 18);
    listed_gives(TL_MIRROR_PAD, TL(0, 0, 0, 0, 1, 0, 0, 0), 2,
                 (const float[]){3, 4, 1, 2, 3, 4, 5, 6, 9, 10, 7, 8, 9, 10, 11, 12}, 16);
}

static void test_reductions(void **state)
{
    (void)state;
    listed_gives(TL_MEAN, TL(1, 2), 1, (const float[]){6, 7}, 2);
    listed_gives(TL_SUM, TL(-1), 1, (const float[]){3, 7, 11, 15, 19, 23}, 6);
    listed_gives(TL_REDUCE_MAX, TL(1), 1, (const float[]){7, 8, 9, 10, 11, 12}, 6);
    listed_gives(TL_REDUCE_MIN, TL(2, 1), 1, (const float[]){1, 2}, 2);
}

/* With options of the operator: a byte or number in each field given. */
static void picked_gives(int code, const int32_t *constants, int n, int per, const int32_t *options,
                         int n_options, const float *want, size_t count)
{
    struct tl_writer w = {0};
    float x[12];
    int32_t inputs[4];
    for (int k = 0; k < 12; k++)
        x[k] = (float)(k + 1);
    inputs[0] = tl_input(&w, "x", SHAPE(1, 2, 3, 2));
    for (int k = 0; k < n; k++)
        inputs[k + 1] = tl_ints(&w, constants + k * per, per);
    tl_output(&w, tl_node(&w, "y", code, inputs, n + 1));
    for (int k = 0; k < n_options; k++)
        tl_number(&w, (unsigned)k, options[k]);
    tflite_gives(&w, 1, x, want, count, 1e-6);
}

static void test_picks(void **state)
{
    (void)state;
    picked_gives(TL_SLICE, (const int32_t[]){0, 1, 0, 1, 1, 1, 2, 1}, 2, 4, NULL, 0,
                 (const float[]){8, 10}, 2);
    picked_gives(TL_SLICE, (const int32_t[]){0, 1, 2, 0, -1, -1, 1, 2}, 2, 4, NULL, 0,
                 (const float[]){11, 12}, 2);
    picked_gives(TL_STRIDED_SLICE, (const int32_t[]){0, 0, 2, 1, 1, 2, 0, 2, 1, 1, -2, 1}, 3, 4,
                 TL(0, 0, 0, 0, 8), (const float[]){6, 12}, 2);
    picked_gives(TL_GATHER, (const int32_t[]){2, 0}, 1, 2, TL(2),
                 (const float[]){5, 6, 1, 2, 11, 12, 7, 8}, 8);
    picked_gives(TL_SPACE_TO_DEPTH, NULL, 0, 0, TL(1),
                 (const float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 12);
    picked_gives(TL_RESIZE_NEAREST_NEIGHBOR, (const int32_t[]){4, 3}, 1, 2, NULL, 0,
                 (const float[]){1, 2, 3, 4,  5,  6,  1, 2, 3, 4,  5,  6,
                                 7, 8, 9, 10, 11, 12, 7, 8, 9, 10, 11, 12},
                 24);
    picked_gives(TL_RESIZE_BILINEAR, (const int32_t[]){4, 3}, 1, 2, TL(0, 0, 0, 1),
                 (const float[]){1,    2,     3,    4,    5,    6,    2.5F, 3.5F,
                                 4.5F, 5.5F,  6.5F, 7.5F, 5.5F, 6.5F, 7.5F, 8.5F,
                                 9.5F, 10.5F, 7,    8,    9,    10,   11,   12},
                 24);
}

static void test_blocks(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const float x[4] = {1, 2, 3, 4};
    const int in = tl_input(&w, "x", SHAPE(1, 1, 1, 4));
    const int wide = tl_node(&w, "wide", TL_DEPTH_TO_SPACE, TL(in));
    tl_number(&w, 0, 2);
    tl_output(&w, tl_node(&w, "y", TL_TRANSPOSE, TL(wide, tl_ints(&w, TL(0, 2, 1, 3)))));
    tflite_gives(&w, 1, x, (const float[]){1, 3, 2, 4}, 4, 0);
}

static void test_parts(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int x = tl_input(&w, "x", SHAPE(1, 6)), axis = tl_int(&w, 1);
    const int a = tl_tensor(&w, "a", TL_FLOAT, NULL, 0), b = tl_tensor(&w, "b", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_SPLIT, TL(axis, x), TL(a, b));
    const int sizes = tl_ints(&w, TL(1, -1));
    const int c = tl_tensor(&w, "c", TL_FLOAT, NULL, 0), d = tl_tensor(&w, "d", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_SPLIT_V, TL(b, sizes, axis), TL(c, d));
    const int pack = tl_node(&w, "pack", TL_PACK, TL(d, d));
    tl_number(&w, 0, 2);
    tl_number(&w, 1, 2);
    const int e = tl_tensor(&w, "e", TL_FLOAT, NULL, 0), f = tl_tensor(&w, "f", TL_FLOAT, NULL, 0);
    tl_op(&w, TL_UNPACK, TL(pack), TL(e, f));
    tl_number(&w, 0, 2);
    tl_number(&w, 1, 1);
    tl_output(&w, tl_node(&w, "y", TL_CONCATENATION, TL(f, c, a)));
    tl_number(&w, 0, -1);
    tflite_gives(&w, 1, (const float[]){1, 2, 3, 4, 5, 6}, (const float[]){6, 6, 4, 1, 2, 3}, 6, 0);
}

/* Shapes and the batch --------------------------------------------------------------------------- */

/* x of (batch, 2, 2) in a shape of `to`, added to itself. */
static void reshape_gives(int64_t batch, const int32_t *to, int n, bool option, const float *want,
                          size_t count)
{
    struct tl_writer w = {0};
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int in = tl_input(&w, "x", SHAPE(batch, 2, 2));
    const int list = tl_ints(&w, to, n);
    const int y = tl_node(&w, "y", TL_RESHAPE, (const int32_t[]){in, list}, option ? 1 : 2);
    if (option)
        tl_list(&w, 0, to, n);
    tl_output(&w, tl_node(&w, "z", TL_ADD, TL(y, y)));
    tflite_gives(&w, 2, x, want, count, 0);
}

static void test_batch_in_shapes(void **state)
{
    (void)state;
    const float want[8] = {2, 4, 6, 8, 10, 12, 14, 16};
    reshape_gives(1, TL(1, 4), false, want, 8);
    reshape_gives(1, TL(1, -1), true, want, 8);
    reshape_gives(2, TL(2, 4), false, want, 8);
    reshape_gives(2, TL(-1, 4), false, want, 8);
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(4, 6));
    tl_output(&w, tl_node(&w, "y", TL_RESHAPE, TL(in, tl_ints(&w, TL(3, 8)))));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED,
                 "asks for 3 on the first axis, which must be the batch, 4, or a multiple of it");
    tl_output(&w, tl_node(&w, "y", TL_ADD,
                          TL(tl_input(&w, "a", SHAPE(1, 2)), tl_input(&w, "b", SHAPE(3, 2)))));
    tflite_fails(&w, MP2ML_ERR_UNSUPPORTED,
                 "first axis, which must be the batch; another input has 1 there");
}

/* reshape(x, pack(shape(x)[0], 4)) + fill(shape, 0.5) */
static void test_shapes_that_are_computed(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(1, 2, 2));
    const int shape = tl_node(&w, "shape", TL_SHAPE, TL(in));
    const int zero = tl_ints(&w, TL(0)), one = tl_ints(&w, TL(1));
    const int first = tl_node(&w, "first", TL_STRIDED_SLICE, TL(shape, zero, one, one));
    tl_number(&w, 4, 1);
    const int wanted = tl_node(&w, "wanted", TL_PACK, TL(first, tl_int(&w, 4)));
    const int flat = tl_node(&w, "flat", TL_RESHAPE, TL(in, wanted));
    const int half = tl_floats(&w, (const float[]){0.5F}, NULL, 0);
    const int filled = tl_node(&w, "filled", TL_FILL, TL(wanted, half));
    tl_output(&w, tl_node(&w, "y", TL_ADD, TL(flat, filled)));
    tflite_gives(&w, 2, (const float[]){1, 2, 3, 4, 5, 6, 7, 8},
                 (const float[]){1.5F, 2.5F, 3.5F, 4.5F, 5.5F, 6.5F, 7.5F, 8.5F}, 8, 0);
}

static void test_axes_of_one(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    int y = tl_input(&w, "x", SHAPE(1, 1, 2));
    y = tl_node(&w, "more", TL_EXPAND_DIMS, TL(y, tl_int(&w, -1)));
    y = tl_node(&w, "less", TL_SQUEEZE, TL(y));
    tl_list(&w, 0, TL(1));
    tl_output(&w, tl_node(&w, "y", TL_SQUEEZE, TL(y))); /* all of them but the batch */
    tflite_gives(&w, 2, (const float[]){1, 2, 3, 4}, (const float[]){1, 2, 3, 4}, 4, 0);
    y = tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", TL_SQUEEZE, TL(y)));
    tl_list(&w, 0, TL(0));
    tflite_fails(&w, MP2ML_ERR_MODEL, "axis 0 of (?, 2) cannot be removed");
}

/* Quantised forms -------------------------------------------------------------------------------- */

/* x * c with a constant of that type. */
static void constant_gives(int type, const void *values, size_t bytes, const float *scale,
                           const int64_t *zero, int scales, int along, const float *want)
{
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(1, 2, 2));
    const int c = tl_constant(&w, "c", type, SHAPE(2, 2), values, bytes);
    if (scales != 0)
        tl_quantise(&w, scale, zero, scales, along);
    const int real = tl_node(&w, "real", TL_DEQUANTIZE, TL(c));
    tl_output(&w, tl_node(&w, "y", TL_MUL, TL(in, type == TL_HALF ? real : c)));
    tflite_gives(&w, 1, (const float[]){1, 1, 1, 1}, want, 4, 1e-6);
}

static void test_quantised_constants(void **state)
{
    (void)state;
    const int8_t i8[4] = {-128, 0, 3, 127};
    const uint8_t u8[4] = {0, 128, 200, 255};
    const int16_t i16[4] = {-300, 0, 1, 1000};
    const int32_t i32[4] = {-70000, 0, 1, 2};
    const uint16_t half[4] = {0x3c00, 0xc000, 0x3800, 0};
    const float one[1] = {0.5F}, two[2] = {0.5F, 2};
    constant_gives(TL_INT8, i8, 4, one, (const int64_t[]){-2}, 1, 0,
                   (const float[]){-63, 1, 2.5F, 64.5F});
    constant_gives(TL_INT8, i8, 4, two, NULL, 2, 0, (const float[]){-64, 0, 6, 254});
    constant_gives(TL_INT8, i8, 4, two, (const int64_t[]){0, 1}, 2, 1,
                   (const float[]){-64, -2, 1.5F, 252});
    constant_gives(TL_UINT8, u8, 4, one, (const int64_t[]){128}, 1, 0,
                   (const float[]){-64, 0, 36, 63.5F});
    constant_gives(TL_INT16, i16, 8, one, NULL, 1, 0, (const float[]){-150, 0, 0.5F, 500});
    constant_gives(TL_INT32, i32, 16, one, NULL, 1, 0, (const float[]){-35000, 0, 0.5F, 1});
    constant_gives(TL_HALF, half, 8, NULL, NULL, 0, 0, (const float[]){1, -2, 0.5F, 0});
}

/* A whole layer of int8: the data are real numbers from end to end. */
static void test_quantised_layer(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const int in = tl_input(&w, "x", SHAPE(1, 2));
    w.tensors[in].type = TL_INT8;
    tl_quantise(&w, (const float[]){0.1F}, (const int64_t[]){5}, 1, 0);
    const int k = tl_constant(&w, "k", TL_INT8, SHAPE(2, 2), (const int8_t[]){1, 2, -3, 4}, 4);
    tl_quantise(&w, (const float[]){0.5F, 0.25F}, NULL, 2, 0); /* a row of weights each */
    const int b = tl_constant(&w, "b", TL_INT32, SHAPE(2), (const int32_t[]){10, -10}, 8);
    tl_quantise(&w, (const float[]){0.05F, 0.025F}, NULL, 2, 0);
    const int y = tl_node(&w, "y", TL_FULLY_CONNECTED, TL(in, k, b));
    tl_output(&w, tl_node(&w, "z", TL_DEQUANTIZE, TL(tl_node(&w, "q", TL_QUANTIZE, TL(y)))));
    tflite_gives(&w, 1, (const float[]){0.33F, 2}, (const float[]){2.665F, 1.5025F}, 2, 1e-6);
}

static void test_constants_outside_the_tables(void **state)
{
    (void)state;
    struct tl_writer w = {.outside = true};
    const int in = tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "y", TL_ADD, TL(in, tl_floats(&w, (const float[]){3, 4}, SHAPE(2)))));
    tflite_gives(&w, 1, (const float[]){1, 1}, (const float[]){4, 5}, 2, 0);
}

/* Names and cuts --------------------------------------------------------------------------------- */

static void write_chain(struct tl_writer *w)
{
    int y = tl_input(w, "in:0", SHAPE(1, 2));
    y = tl_node(w, "a;joined;with", TL_NEG, TL(y));
    w->tensors[y].rank = 2; /* of a cut, the file must say it */
    w->tensors[y].dims[0] = 1;
    w->tensors[y].dims[1] = 2;
    y = tl_node(w, "b", TL_SQUARE, TL(y));
    tl_output(w, tl_node(w, "c", TL_NEG, TL(y)));
}

static void cut_gives(const char *input, const char *output, const char *name, float want)
{
    struct tl_writer w = {.signature = {"sig_in", "sig_out"}};
    const struct graph_cut cut = {&input, input != NULL, &output, output != NULL};
    mp2ml_error err;
    struct graph *g;
    write_chain(&w);
    if (tflite_parse(&g, &w, &cut, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    assert_string_equal(g->nodes[g->inputs[0]].name, name);
    fixture_gives(g, 1, (const float[]){3, 3}, (const float[]){want, want}, 2, 0);
}

static void cut_fails(const char *input, const char *output, const char *word)
{
    struct tl_writer w = {.signature = {"sig_in", "sig_out"}};
    const struct graph_cut cut = {&input, input != NULL, &output, output != NULL};
    mp2ml_error err;
    struct graph *g;
    write_chain(&w);
    assert_int_equal(tflite_parse(&g, &w, &cut, &err), MP2ML_ERR_ARGUMENT);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in: %s", word, err.text);
}

static void test_cuts(void **state)
{
    (void)state;
    cut_gives(NULL, NULL, "in:0", -9);
    cut_gives("in:0", "b", "in:0", 9);
    cut_gives("in", "a", "in:0", -3);
    cut_gives("sig_in", "sig_out", "in:0", -9);
    cut_gives("sig_in:2", "a;joined;with", "in:0", -3);
    cut_gives("a", "b:0", "a", 9);
    cut_gives("a:2", NULL, "a", -9);
    cut_fails("nothing", NULL, "--input-node nothing: the model has no such tensor");
    cut_fails(NULL, "nothing", "--output-node nothing: the model has no such tensor");
    cut_fails("a:2,x", NULL, "sizes of one sample");
    cut_fails("c", "b", "name it with --input-node");
}

static void test_names_that_are_not_unique(void **state)
{
    (void)state;
    struct tl_writer w = {0};
    const char *asked = "a";
    const struct graph_cut cut = {NULL, 0, &asked, 1};
    mp2ml_error err;
    struct graph *g;
    const int x = tl_input(&w, "x", SHAPE(1, 2));
    tl_output(&w, tl_node(&w, "a", TL_NEG, TL(tl_node(&w, "a", TL_NEG, TL(x)))));
    assert_int_equal(tflite_parse(&g, &w, &cut, &err), MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "several tensors of that name"));
    tl_input(&w, "x", SHAPE(1, 2)); /* without a cut they do no harm */
    tl_output(&w, tl_node(&w, "", TL_NEG, TL(tl_node(&w, "", TL_NEG, TL(0)))));
    tflite_gives(&w, 1, (const float[]){1, 2}, (const float[]){1, 2}, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_softmax_of_a_multiple),
        cmocka_unit_test(test_arithmetic_and_activations),
        cmocka_unit_test(test_power_and_sum),
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_transposed_convolution),
        cmocka_unit_test(test_transposed_convolution_that_does_not_fit),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_weights_shared_and_computed),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_picks),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_batch_in_shapes),
        cmocka_unit_test(test_shapes_that_are_computed),
        cmocka_unit_test(test_axes_of_one),
        cmocka_unit_test(test_quantised_constants),
        cmocka_unit_test(test_quantised_layer),
        cmocka_unit_test(test_constants_outside_the_tables),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_names_that_are_not_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
