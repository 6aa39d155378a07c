/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators that move values, on data: what comes out is compared with loops over indices; and
 * convolutions in groups, with dilation in its older form, and on sequences. */
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LIST(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / 4

static struct graph *rewritten(struct gd_writer *w)
{
    struct graph *g = fixture_graph(w);
    for (int k = 0; k < g->n_nodes; k++)
        assert_true(graph_op_kind(g->nodes[k].op) != 'F');
    assert_string_equal(fixture_output(g)->name, "y");
    return g;
}

/* x is (?, 3, 4) with values 0, 1, ..., 11, and a second sample with 100 more. */
enum { H = 3, W = 4, SAMPLE = H * W };

static void start(struct gd_writer *w)
{
    gd_input(w, "x", SHAPE(-1, H, W));
}

/* Each sample of the output is want plus 100 for the second one. */
static void gives(struct gd_writer *w, const int64_t *dims, int rank, const float *want)
{
    float x[2 * SAMPLE], both[200];
    size_t count = 1;
    for (int d = 1; d < rank; d++)
        count *= (size_t)dims[d];
    assert_true(2 * count <= COUNT(both));
    for (int k = 0; k < 2 * SAMPLE; k++)
        x[k] = (float)(k % SAMPLE + k / SAMPLE * 100);
    for (size_t k = 0; k < 2 * count; k++)
        both[k] = want[k % count] + (float)(k / count * 100);
    struct graph *g = rewritten(w);
    fixture_shape(fixture_output(g), dims, rank);
    fixture_gives(g, 2, x, both, 2 * count, 0);
}

static void slice(struct gd_writer *w, const int32_t *begin, const int32_t *end,
                  const int32_t *step, size_t n, const int64_t *masks)
{
    static const char *const keys[5] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                        "shrink_axis_mask"};
    start(w);
    gd_int_list(w, "b", begin, n);
    gd_int_list(w, "e", end, n);
    gd_int_list(w, "s", step, n);
    gd_node(w, "y", "StridedSlice", "x b e s");
    for (size_t k = 0; k < 5; k++)
        if (masks[k] != 0)
            gd_attr_int(w, keys[k], masks[k]);
}

#define I32(...) ((const int32_t[]){__VA_ARGS__})
#define MASKS(...) ((const int64_t[5]){__VA_ARGS__})

static void test_strided_slices(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    /* x[:, 1:, ::-2] */
    slice(&w, I32(0, 1, 0), I32(0, 0, 0), I32(1, 1, -2), 3, MASKS(5, 7, 0, 0, 0));
    gives(&w, SHAPE(-1, 2, 2), (const float[]){7, 5, 11, 9});
    /* x[:, 1, 1:3] */
    slice(&w, I32(0, 1, 1), I32(0, 2, 3), I32(1, 1, 1), 3, MASKS(1, 1, 0, 0, 2));
    gives(&w, SHAPE(-1, 2), (const float[]){5, 6});
    /* x[..., 2] */
    slice(&w, I32(0, 2), I32(0, 3), I32(1, 1), 2, MASKS(0, 0, 1, 0, 2));
    gives(&w, SHAPE(-1, 3), (const float[]){2, 6, 10});
    /* x[:, None, ..., -1:] */
    slice(&w, I32(0, 0, 0, -1), I32(0, 0, 0, 0), I32(1, 1, 1, 1), 4, MASKS(1, 9, 4, 2, 0));
    gives(&w, SHAPE(-1, 1, 3, 1), (const float[]){3, 7, 11});
    /* x[:, 0:1], the others implied; the end of the batch as a number that is large enough */
    slice(&w, I32(0, 0), I32(INT32_MAX, 1), I32(1, 1), 2, MASKS(0, 0, 0, 0, 0));
    gives(&w, SHAPE(-1, 1, 4), (const float[]){0, 1, 2, 3});
}

static void test_slices_leave_the_batch_alone(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    slice(&w, I32(0), I32(1), I32(1), 1, MASKS(0, 0, 0, 0, 1)); /* x[0] */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(1), I32(0), I32(1), 1, MASKS(0, 1, 0, 0, 0)); /* x[1:] */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0), I32(0), I32(-1), 1, MASKS(1, 1, 0, 0, 0)); /* x[::-1] */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0), I32(0), I32(1), 1, MASKS(0, 0, 0, 1, 0)); /* x[None] */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0, 0), I32(0, 0), I32(1, 1), 2, MASKS(3, 3, 3, 0, 0)); /* two ellipses */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0, 0, 0, 0), I32(0, 9, 9, 9), I32(1, 1, 1, 1), 4, MASKS(1, 1, 0, 0, 0));
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0, 3), I32(0, 4), I32(1, 1), 2, MASKS(1, 1, 0, 0, 2)); /* x[:, 3] */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    slice(&w, I32(0, 2), I32(0, 2), I32(1, 1), 2, MASKS(1, 1, 0, 0, 0)); /* nothing left */
    fixture_fails(&w, MP2ML_ERR_MODEL, "impossible shape");
    slice(&w, I32(0, 2), I32(0, 2), I32(1, 0), 2, MASKS(1, 1, 0, 0, 0)); /* step 0 */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
}

static void test_slice(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    start(&w);
    gd_int_list(&w, "b", LIST(0, 1, 2));
    gd_int_list(&w, "n", LIST(-1, 2, -1));
    gd_node(&w, "y", "Slice", "x b n");
    gives(&w, SHAPE(-1, 2, 2), (const float[]){6, 7, 10, 11});
    for (int32_t size = 3; size >= -2; size -= 5) { /* too many; not -1 */
        start(&w);
        gd_int_list(&w, "b", LIST(0, 1, 2));
        gd_int_list(&w, "n", LIST(-1, size, -1));
        gd_node(&w, "y", "Slice", "x b n");
        fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
    }
    start(&w);
    gd_int_list(&w, "b", LIST(1, 0, 0));
    gd_int_list(&w, "n", LIST(-1, 1, 1));
    gd_node(&w, "y", "Slice", "x b n");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "this slice");
}

/* The list of places is paid for, though nothing of the file is large. */
static void test_huge_inputs_cost_nothing(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1 << 12, 1 << 12));
    gd_int_list(&w, "b", LIST(0, 0, 0));
    gd_int_list(&w, "n", LIST(-1, 1, 1));
    gd_node(&w, "y", "Slice", "x b n");
    fixture_fails(&w, MP2ML_ERR_MODEL, "more memory than the file");
}

/* Split along the last axis into two, the parts joined the other way round. */
static void test_split(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    start(&w);
    gd_int(&w, "axis", -1);
    gd_node(&w, "s", "Split", "axis x");
    gd_attr_int(&w, "num_split", 2);
    gd_node(&w, "y", "ConcatV2", "s:1 s axis");
    gives(&w, SHAPE(-1, 3, 4), (const float[]){2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9});
    start(&w);
    gd_int(&w, "axis", 1);
    gd_int_list(&w, "sizes", LIST(1, -1));
    gd_node(&w, "s", "SplitV", "x sizes axis");
    gd_attr_int(&w, "num_split", 2);
    gd_node(&w, "y", "Identity", "s:1");
    gives(&w, SHAPE(-1, 2, 4), (const float[]){4, 5, 6, 7, 8, 9, 10, 11});
}

static void split_fails(int32_t axis, int64_t parts, const char *input, mp2ml_status status,
                        const char *word)
{
    struct gd_writer w = {0};
    start(&w);
    gd_int(&w, "axis", axis);
    gd_node(&w, "s", "Split", "axis x");
    gd_attr_int(&w, "num_split", parts);
    gd_node(&w, "y", "Relu", input);
    fixture_fails(&w, status, word);
}

static void test_split_errors(void **state)
{
    (void)state;
    split_fails(2, 3, "s", MP2ML_ERR_MODEL, "is not 3 such parts");
    split_fails(0, 2, "s", MP2ML_ERR_UNSUPPORTED, "splits axis 0");
    split_fails(3, 2, "s", MP2ML_ERR_UNSUPPORTED, "splits axis 3");
    split_fails(2, 2, "s:2", MP2ML_ERR_UNSUPPORTED, "another than the first");
    split_fails(2, 0, "s", MP2ML_ERR_MODEL, "'num_split' is 0");
    split_fails(2, 1 << 30, "s", MP2ML_ERR_MODEL, "'num_split' is");
    split_fails(2, 2, "s:4000", MP2ML_ERR_UNSUPPORTED, "another than the first");
    struct gd_writer many = {0};
    start(&many);
    gd_int(&many, "axis", 1);
    gd_node(&many, "s", "Split", "axis x x x");
    gd_attr_int(&many, "num_split", 3);
    gd_node(&many, "y", "Relu", "s");
    fixture_fails(&many, MP2ML_ERR_MODEL, "has 4 inputs");
    static const int32_t sizes[][2] = {{1, 1}, {3, 1}, {-1, -1}, {5, -1}, {-2, 5}};
    for (size_t k = 0; k < COUNT(sizes); k++) {
        struct gd_writer w = {0};
        start(&w);
        gd_int(&w, "axis", 1);
        gd_int_list(&w, "sizes", sizes[k], 2);
        gd_node(&w, "s", "SplitV", "x sizes axis");
        gd_attr_int(&w, "num_split", 2);
        gd_node(&w, "y", "Relu", "s");
        fixture_fails(&w, MP2ML_ERR_MODEL, "such parts");
    }
}

static void test_an_output_may_be_a_part(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    mp2ml_error err;
    struct graph *g;
    start(&w);
    gd_node(&w, "u", "Unpack", "x");
    gd_attr_int(&w, "axis", 1);
    gd_attr_int(&w, "num", 3);
    gd_finish(&w);
    const struct graph_cut cut = {NULL, 0, (const char *const[]){"u:2"}, 1};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &cut, &err), MP2ML_OK);
    assert_string_equal(fixture_output(g)->name, "u:2");
    float x[12];
    for (int k = 0; k < 12; k++)
        x[k] = (float)k;
    fixture_gives(g, 1, x, x + 8, 4, 0);
    const struct graph_cut far = {NULL, 0, (const char *const[]){"u:3"}, 1};
    assert_int_equal(graph_parse(&g, w.file.data, w.file.size, "t", &far, &err),
                     MP2ML_ERR_ARGUMENT);
    gd_wipe(&w);
}

static void test_unpack_and_pack(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    start(&w);
    gd_node(&w, "u", "Unpack", "x");
    gd_attr_int(&w, "axis", -2);
    gd_attr_int(&w, "num", 3);
    gd_node(&w, "y", "Pack", "u:2 u u:1");
    gd_attr_int(&w, "axis", 2);
    gives(&w, SHAPE(-1, 4, 3), (const float[]){8, 0, 4, 9, 1, 5, 10, 2, 6, 11, 3, 7});
    start(&w);
    gd_node(&w, "y", "Pack", "x");
    gd_attr_int(&w, "axis", 1);
    gives(&w, SHAPE(-1, 1, 3, 4), (const float[]){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
    start(&w);
    gd_node(&w, "u", "Unpack", "x");
    gd_attr_int(&w, "axis", 1);
    gd_attr_int(&w, "num", 2);
    gd_node(&w, "y", "Relu", "u");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "takes 2 parts");
    start(&w);
    gd_node(&w, "y", "Pack", "x x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "before the batch");
}

static void test_tile_reverse_take(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    start(&w);
    gd_int_list(&w, "b", LIST(0, 0, 0));
    gd_int_list(&w, "n", LIST(-1, 2, 2));
    gd_node(&w, "s", "Slice", "x b n"); /* 0 1 / 4 5 */
    gd_int_list(&w, "t", LIST(1, 2, 3));
    gd_node(&w, "y", "Tile", "s t");
    gives(&w, SHAPE(-1, 4, 6),
          (const float[]){0, 1, 0, 1, 0, 1, 4, 5, 4, 5, 4, 5, 0, 1, 0, 1, 0, 1, 4, 5, 4, 5, 4, 5});
    start(&w);
    gd_int_list(&w, "a", LIST(-1, 1));
    gd_node(&w, "y", "ReverseV2", "x a");
    gives(&w, SHAPE(-1, 3, 4), (const float[]){11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
    start(&w);
    gd_int_list(&w, "i", LIST(2, 0, 2));
    gd_int(&w, "a", 1);
    gd_node(&w, "y", "GatherV2", "x i a");
    gives(&w, SHAPE(-1, 3, 4), (const float[]){8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11});
    start(&w);
    gd_int_list(&w, "t", LIST(2, 1, 1));
    gd_node(&w, "y", "Tile", "x t");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "repetitions");
    start(&w);
    gd_int_list(&w, "a", LIST(0));
    gd_node(&w, "y", "ReverseV2", "x a");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "axes");
    start(&w);
    gd_int_list(&w, "i", LIST(3));
    gd_int(&w, "a", 1);
    gd_node(&w, "y", "GatherV2", "x i a");
    fixture_fails(&w, MP2ML_ERR_MODEL, "index 3");
    start(&w);
    gd_int_list(&w, "t", LIST(1, INT32_MAX, INT32_MAX));
    gd_node(&w, "y", "Tile", "x t");
    fixture_fails(&w, MP2ML_ERR_MODEL, "impossible shape");
}

static void test_concat(void **state)
{
    (void)state;
    const float c[4] = {-1, -2, -3, -4};
    const float want[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 50, 51, 52, 53};
    struct gd_writer w = {0};
    start(&w);
    gd_int(&w, "axis", 1);
    gd_floats(&w, "c", c, SHAPE(1, 1, 4));
    gd_node(&w, "y", "Concat", "axis c x");
    struct graph *g = rewritten(&w);
    float y[32], x[24] = {0};
    const float *in[] = {x};
    float *out[] = {y};
    assert_int_equal(graph_eval(g, 2, in, out, NULL, NULL), MP2ML_OK);
    assert_memory_equal(y, c, sizeof c);
    assert_memory_equal(y + 16, c, sizeof c); /* in each sample */
    graph_free(g);
    start(&w);
    gd_int(&w, "axis", 1);
    gd_int_list(&w, "b", LIST(0, 0, 0));
    gd_int_list(&w, "n", LIST(-1, 1, 4));
    gd_floats(&w, "fifty", (const float[]){50}, NULL, 0);
    gd_node(&w, "s", "Slice", "x b n");
    gd_node(&w, "t", "Add", "s fifty");
    gd_node(&w, "y", "ConcatV2", "x t axis");
    gives(&w, SHAPE(-1, 4, 4), want);
    start(&w);
    gd_int(&w, "axis", 0);
    gd_node(&w, "y", "ConcatV2", "x x axis");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "joins batches");
    start(&w);
    gd_int(&w, "axis", 1);
    gd_floats(&w, "c", c, SHAPE(2, 1, 2));
    gd_node(&w, "y", "ConcatV2", "x c axis");
    fixture_fails(&w, MP2ML_ERR_MODEL, "do not fit");
}

static void test_depth_and_space(void **state)
{
    (void)state;
    const float deep[8] = {0, 1, 2, 3, 4, 5, 6, 7}; /* (1, 2, 4) */
    const float wide[8] = {0, 1, 4, 5, 2, 3, 6, 7}; /* (2, 4, 1) */
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 1, 2, 4));
    gd_node(&w, "y", "DepthToSpace", "x");
    gd_attr_int(&w, "block_size", 2);
    fixture_gives(rewritten(&w), 1, deep, wide, 8, 0);
    gd_input(&w, "x", SHAPE(-1, 2, 4, 1));
    gd_node(&w, "y", "SpaceToDepth", "x");
    gd_attr_int(&w, "block_size", 2);
    fixture_gives(rewritten(&w), 1, wide, deep, 8, 0);
    for (int64_t block = 0; block < 4; block += 3) {
        gd_input(&w, "x", SHAPE(-1, 2, 4, 1));
        gd_node(&w, "y", "SpaceToDepth", "x");
        gd_attr_int(&w, "block_size", block);
        fixture_fails(&w, MP2ML_ERR_MODEL, "block");
    }
}

/* Convolutions -------------------------------------------------------------------------------- */

struct groups_case {
    const char *op;
    int64_t size, channels, ci, co, stride, dilation, pad; /* square; ci inputs of each group */
};

/* Output channel o belongs to group o / (co / groups). */
static double grouped_value(const struct groups_case *c, const float *x, const float *k, int64_t oy,
                            int64_t ox, int64_t o)
{
    const int64_t groups = c->channels / c->ci, group = o / (c->co / groups);
    double sum = 0;
    for (int64_t t = 0; t < 9; t++)
        for (int64_t i = 0; i < c->ci; i++) {
            const int64_t y = oy * c->stride + t / 3 * c->dilation - c->pad;
            const int64_t column = ox * c->stride + t % 3 * c->dilation - c->pad;
            if (y >= 0 && y < c->size && column >= 0 && column < c->size)
                sum += (double)x[(y * c->size + column) * c->channels + group * c->ci + i] *
                       (double)k[(t * c->ci + i) * c->co + o];
        }
    return sum;
}

static void check_groups(const struct groups_case *c)
{
    float x[600], k[600], want[600];
    const int64_t extent = 2 * c->dilation + 1;
    const int64_t out = (c->size + 2 * c->pad - extent) / c->stride + 1;
    fixture_fill(x, COUNT(x), 1);
    fixture_fill(k, COUNT(k), 2);
    const size_t count = (size_t)(out * out * c->co);
    assert_true(count <= COUNT(want) && c->size * c->size * c->channels <= 600);
    for (int64_t p = 0; p < (int64_t)count; p++)
        want[p] = (float)grouped_value(c, x, k, p / c->co / out, p / c->co % out, p % c->co);
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, c->size, c->size, c->channels));
    if (strcmp(c->op, "Conv2D") == 0)
        gd_floats(&w, "k", k, SHAPE(3, 3, c->ci, c->co));
    else
        gd_floats(&w, "k", k, SHAPE(3, 3, c->channels, c->co / c->channels));
    gd_node(&w, "y", c->op, "x k");
    gd_attr_text(&w, "padding", c->pad != 0 ? "SAME" : "VALID");
    gd_attr_list(&w, "strides", (const int64_t[]){1, c->stride, c->stride, 1}, 4);
    gd_attr_list(&w, "dilations", (const int64_t[]){1, c->dilation, c->dilation, 1}, 4);
    struct graph *g = rewritten(&w);
    assert_int_equal(fixture_output(g)->op, GRAPH_CONV2D);
    assert_int_equal(fixture_output(g)->window.groups, c->channels / c->ci);
    fixture_gives(g, 1, x, want, count, 1e-5);
}

static void test_convolution_in_groups(void **state)
{
    (void)state;
    static const struct groups_case cases[] = {
        {"Conv2D", 5, 4, 2, 6, 1, 1, 1},
        {"Conv2D", 7, 6, 3, 4, 2, 1, 0},
        {"DepthwiseConv2dNative", 5, 4, 1, 4, 1, 1, 1},
        {"DepthwiseConv2dNative", 7, 3, 1, 9, 2, 1, 0},
        {"DepthwiseConv2dNative", 7, 3, 1, 6, 1, 2, 2},
    };
    for (size_t k = 0; k < COUNT(cases); k++)
        check_groups(&cases[k]);
    float zeros[64] = {0};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 5, 5, 4));
    gd_floats(&w, "k", zeros, SHAPE(3, 3, 3, 1));
    gd_node(&w, "y", "DepthwiseConv2dNative", "x k");
    gd_attr_text(&w, "padding", "VALID");
    gd_attr_list(&w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
    fixture_fails(&w, MP2ML_ERR_MODEL, "do not fit");
}

/* x (?, 6, 6, 1) -> SpaceToBatchND, pads 2 -> op -> Relu -> BatchToSpaceND, crops 0 and 1. */
struct spread {
    const char *op, *padding, *between;
    int64_t stride;
    int32_t block, unblock, pad;
};

static void write_spread(struct gd_writer *w, const struct spread *s, const float *k)
{
    const int32_t pads[4] = {s->pad, s->pad, s->pad, s->pad}, crops[4] = {0, 1, 0, 1};
    const int32_t block[2] = {s->block, s->block}, unblock[2] = {s->unblock, s->unblock};
    gd_input(w, "x", SHAPE(-1, 6, 6, 1));
    gd_int_list(w, "block", block, 2);
    gd_int_list(w, "unblock", unblock, 2);
    gd_ints(w, "pads", pads, SHAPE(2, 2));
    gd_ints(w, "crops", crops, SHAPE(2, 2));
    gd_floats(w, "k", k, SHAPE(3, 3, 1, 1));
    gd_node(w, "s", "SpaceToBatchND", "x block pads");
    gd_node(w, "c", s->op, "s k");
    gd_attr_text(w, "padding", s->padding);
    gd_attr_list(w, "strides", (const int64_t[]){1, s->stride, s->stride, 1}, 4);
    gd_node(w, "r", s->between, "c");
    gd_node(w, "y", "BatchToSpaceND", "r unblock crops");
}

static void test_dilation_by_blocks(void **state)
{
    (void)state;
    static const char *const ops[] = {"Conv2D", "DepthwiseConv2dNative"};
    float x[36], k[9], want[25];
    fixture_fill(x, 36, 1);
    fixture_fill(k, 9, 2);
    for (int p = 0; p < 25; p++) {
        const struct groups_case c = {"", 6, 1, 1, 1, 1, 2, 2};
        const double v = grouped_value(&c, x, k, p / 5, p % 5, 0);
        want[p] = v > 0 ? (float)v : 0;
    }
    for (size_t i = 0; i < COUNT(ops); i++) {
        struct gd_writer w = {0};
        write_spread(&w, &(struct spread){ops[i], "VALID", "Relu", 1, 2, 2, 2}, k);
        struct graph *g = rewritten(&w);
        int n = 0;
        for (int node = 0; node < g->n_nodes; node++)
            if (g->nodes[node].op == GRAPH_CONV2D) {
                assert_int_equal(g->nodes[node].window.dilation[0], 2);
                assert_int_equal(g->nodes[node].window.pad[3], 2); /* the pad went into it */
                n++;
            }
        assert_int_equal(n, 1);
        fixture_gives(g, 1, x, want, 25, 1e-5);
    }
}

static void test_blocks_that_are_none(void **state)
{
    (void)state;
    static const struct {
        struct spread s;
        mp2ml_status status;
        const char *word;
    } cases[] = {
        {{"Conv2D", "SAME", "Relu", 1, 2, 2, 2}, MP2ML_ERR_UNSUPPORTED, "no padding"},
        {{"Conv2D", "VALID", "Relu", 2, 2, 2, 2}, MP2ML_ERR_UNSUPPORTED, "stride 1"},
        {{"Conv2D", "VALID", "Softmax", 1, 2, 2, 2}, MP2ML_ERR_UNSUPPORTED, "between SpaceToB"},
        {{"Conv2D", "VALID", "Shape", 1, 2, 2, 2}, MP2ML_ERR_UNSUPPORTED, "between SpaceToB"},
        {{"Conv2D", "VALID", "Relu", 1, 2, 1, 2}, MP2ML_ERR_UNSUPPORTED, "not the inverse"},
        {{"Conv2D", "VALID", "Relu", 1, 3, 3, 2}, MP2ML_ERR_MODEL, "not 3 equal parts"},
        {{"Conv2D", "VALID", "Relu", 1, 0, 0, 2}, MP2ML_ERR_MODEL, "a block of 0"},
        {{"Conv2D", "VALID", "Relu", 1, 2, 2, -2}, MP2ML_ERR_MODEL, "a block of 2 with -2"},
    };
    const float k[9] = {1};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gd_writer w = {0};
        write_spread(&w, &cases[i].s, k);
        fixture_fails(&w, cases[i].status, cases[i].word);
    }
    struct gd_writer w = {0};
    write_spread(&w, &cases[0].s, k);
    gd_node(&w, "z", "Relu", "s"); /* pieces are no output */
    const struct graph_cut cut = {NULL, 0, (const char *const[]){"z"}, 1};
    mp2ml_error err;
    struct graph *g;
    assert_int_equal(fixture_parse(&g, &w, &cut, &err), MP2ML_ERR_UNSUPPORTED);
}

/* Conv1D with dilation 2 as tf.keras writes it: blocks, ExpandDims, Conv2D, Squeeze, blocks. */
static void test_convolution_of_a_sequence(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, k[2] = {1, 10}, want[6] = {10, 20, 31, 42, 53, 64};
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 6, 1));
    gd_int_list(&w, "block", LIST(2));
    gd_ints(&w, "pads", (const int32_t[]){2, 0}, SHAPE(1, 2));
    gd_ints(&w, "crops", (const int32_t[]){0, 0}, SHAPE(1, 2));
    gd_floats(&w, "k0", k, SHAPE(2, 1, 1));
    gd_int(&w, "zero", 0);
    gd_int(&w, "one", 1);
    gd_node(&w, "k", "ExpandDims", "k0 zero");
    gd_node(&w, "s", "SpaceToBatchND", "x block pads");
    gd_node(&w, "e", "ExpandDims", "s one");
    gd_node(&w, "c", "Conv2D", "e k");
    gd_attr_text(&w, "padding", "VALID");
    gd_attr_list(&w, "strides", (const int64_t[]){1, 1, 1, 1}, 4);
    gd_node(&w, "q", "Squeeze", "c");
    gd_attr_list(&w, "squeeze_dims", (const int64_t[]){1}, 1);
    gd_node(&w, "y", "BatchToSpaceND", "q block crops");
    fixture_gives(rewritten(&w), 1, x, want, 6, 0);
}

/* Shape -> parts -> Prod -> Reshape -> MatMul -> Reshape, as tf.tensordot writes it. */
static void test_dense_layer_on_rows(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, k[2] = {1, 10}, b[1] = {.5F};
    const float want[3] = {21.5F, 43.5F, 65.5F};
    for (int literal = 0; literal < 2; literal++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 3, 2));
        gd_floats(&w, "k", k, SHAPE(2, 1));
        gd_floats(&w, "b", b, SHAPE(1));
        gd_node(&w, "shape", "Shape", "x");
        gd_int_list(&w, "free", LIST(0, 1));
        gd_int_list(&w, "zero", LIST(0));
        gd_int(&w, "axis", 0);
        gd_node(&w, "sizes", "GatherV2", "shape free axis");
        if (!literal)
            gd_node(&w, "rows", "Prod", "sizes zero");
        gd_int(&w, "two", 2);
        gd_int_list(&w, "one", LIST(1));
        gd_int_list(&w, "inferred", LIST(-1, 2));
        if (!literal)
            gd_node(&w, "to", "Pack", "rows two");
        gd_node(&w, "flat", "Reshape", literal ? "x inferred" : "x to");
        gd_node(&w, "m", "MatMul", "flat k");
        gd_node(&w, "a", "BiasAdd", "m b");
        gd_node(&w, "r", "Relu", "a");
        gd_node(&w, "back", "ConcatV2", "sizes one axis");
        gd_node(&w, "y", "Reshape", "r back");
        struct graph *g = fixture_graph(&w);
        fixture_shape(fixture_output(g), SHAPE(-1, 3, 1));
        fixture_gives(g, 1, x, want, 3, 0);
    }
}

static void test_rows_are_no_samples(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 3, 2));
    gd_int_list(&w, "s", LIST(-1, 2));
    gd_int(&w, "axis", 1);
    gd_node(&w, "flat", "Reshape", "x s");
    gd_node(&w, "y", "ConcatV2", "flat flat axis");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "rows of several samples");
    gd_input(&w, "x", SHAPE(-1, 3, 2));
    gd_input(&w, "z", SHAPE(-1, 3, 2));
    gd_int_list(&w, "s", LIST(-1, 2));
    gd_node(&w, "flat", "Reshape", "x s");
    gd_node(&w, "y", "Add", "flat z");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "rows of several samples");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strided_slices),
        cmocka_unit_test(test_slices_leave_the_batch_alone),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_huge_inputs_cost_nothing),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_errors),
        cmocka_unit_test(test_an_output_may_be_a_part),
        cmocka_unit_test(test_unpack_and_pack),
        cmocka_unit_test(test_tile_reverse_take),
        cmocka_unit_test(test_concat),
        cmocka_unit_test(test_depth_and_space),
        cmocka_unit_test(test_convolution_in_groups),
        cmocka_unit_test(test_dilation_by_blocks),
        cmocka_unit_test(test_blocks_that_are_none),
        cmocka_unit_test(test_convolution_of_a_sequence),
        cmocka_unit_test(test_dense_layer_on_rows),
        cmocka_unit_test(test_rows_are_no_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
