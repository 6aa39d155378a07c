/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's operators that become several: against values worked out by hand, against loops
 * written from the definitions, and fused ones against the same written apart. */
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void begin(struct gd_writer *w, const int64_t *dims, int rank)
{
    memset(w, 0, sizeof *w);
    gd_input(w, "x", dims, rank);
}

static int count_op(const struct graph *g, enum graph_op op)
{
    int n = 0;
    for (int k = 0; k < g->n_nodes; k++)
        n += g->nodes[k].op == op;
    return n;
}

/* Clips --------------------------------------------------------------------------------------- */

static void add_clip(struct gd_writer *w, float low, float high)
{
    gd_floats(w, "low", &low, NULL, 0);
    gd_floats(w, "high", &high, NULL, 0);
    gd_node(w, "y", "ClipByValue", "x low high");
}

static void test_clip(void **state)
{
    (void)state;
    static const float x[4] = {-2, 0.5F, 3, 9}, want[4] = {-1, 0.5F, 3, 3.5F};
    struct gd_writer w;
    begin(&w, SHAPE(-1, 4));
    add_clip(&w, -1, 3.5F);
    struct graph *g = fixture_graph(&w);
    assert_int_equal(count_op(g, GRAPH_RELU), 2);
    assert_string_equal(fixture_output(g)->name, "y");
    fixture_gives(g, 1, x, want, 4, 1e-6);
    /* Bounds for each value are operands. */
    begin(&w, SHAPE(-1, 4));
    gd_floats(&w, "low", (const float[]){-3, 1, 1, 1}, SHAPE(4));
    gd_floats(&w, "high", (const float[]){5, 5, 2, 10}, SHAPE(4));
    gd_node(&w, "y", "ClipByValue", "x low high");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){-2, 1, 2, 9}, 4, 1e-6);
    begin(&w, SHAPE(-1, 4));
    gd_node(&w, "y", "ClipByValue", "x x");
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'y' (ClipByValue): has 2 inputs");
}

/* Moves --------------------------------------------------------------------------------------- */

static void add_mirror(struct gd_writer *w, const char *mode, const int32_t *pads)
{
    begin(w, SHAPE(-1, 3));
    gd_ints(w, "pads", pads, SHAPE(2, 2));
    gd_node(w, "y", "MirrorPad", "x pads");
    gd_attr_text(w, "mode", mode);
}

static void test_mirror_pad(void **state)
{
    (void)state;
    static const float x[3] = {1, 2, 3};
    struct gd_writer w;
    add_mirror(&w, "REFLECT", (const int32_t[]){0, 0, 2, 1});
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){3, 2, 1, 2, 3, 2}, 6, 0);
    add_mirror(&w, "SYMMETRIC", (const int32_t[]){0, 0, 1, 3});
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){1, 1, 2, 3, 3, 2, 1}, 7, 0);
    add_mirror(&w, "REFLECT", (const int32_t[]){0, 0, 3, 0});
    fixture_fails(&w, MP2ML_ERR_MODEL, "node 'y' (MirrorPad): a padding of 3");
    add_mirror(&w, "SYMMETRIC", (const int32_t[]){0, 0, 0, 4});
    fixture_fails(&w, MP2ML_ERR_MODEL, "a padding of 4");
    add_mirror(&w, "SYMMETRIC", (const int32_t[]){0, 0, -1, 0});
    fixture_fails(&w, MP2ML_ERR_MODEL, "a padding of -1");
    add_mirror(&w, "SYMMETRIC", (const int32_t[]){1, 0, 0, 0});
    fixture_fails(&w, MP2ML_ERR_MODEL, "a padding of 1");
    add_mirror(&w, "WRAP", (const int32_t[]){0, 0, 0, 0});
    fixture_fails(&w, MP2ML_ERR_MODEL, "attribute 'mode' is 'WRAP'");
}

static void add_resize_by(struct gd_writer *w, const char *op, int32_t height, int32_t width,
                          bool corners, bool half)
{
    begin(w, SHAPE(-1, 2, 3, 1));
    gd_int_list(w, "size", (const int32_t[]){height, width}, 2);
    gd_node(w, "y", op, "x size");
    gd_attr_bool(w, "align_corners", corners);
    gd_attr_bool(w, "half_pixel_centers", half);
}

static void add_resize(struct gd_writer *w, int32_t height, int32_t width, bool corners, bool half)
{
    add_resize_by(w, "ResizeNearestNeighbor", height, width, corners, half);
}

static void test_resize_bilinear(void **state)
{
    (void)state;
    static const float x[6] = {0, 1, 2, 10, 11, 12}, third = 20.0F / 3;
    struct gd_writer w;
    add_resize_by(&w, "ResizeBilinear", 3, 3, false, false); /* rows 0 2/3 4/3 */
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 3, 3, 1));
    fixture_gives(g, 1, x, (const float[]){0, 1, 2, third, third + 1, third + 2, 10, 11, 12}, 9,
                  1e-5);
    add_resize_by(&w, "ResizeBilinear", 3, 2, true, false); /* rows 0 .5 1; columns 0 2 */
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){0, 2, 5, 7, 10, 12}, 6, 1e-6);
    add_resize_by(&w, "ResizeBilinear", 4, 1, false, true); /* rows -1/4 1/4 3/4 5/4; column 1 */
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){1, 3.5F, 8.5F, 11}, 4, 1e-6);
}

/* Rows of a table by numbers that may count from the end, as Keras takes them. `from` is what is
 * compared with 0. */
static void add_lookup(struct gd_writer *w, const char *from)
{
    static const float table[8] = {1, 10, -2, 7, 5, -3, 0.5F, 4};
    char less[32];
    (void)snprintf(less, sizeof less, "%s zero", from);
    begin(w, SHAPE(-1, 3));
    gd_floats(w, "table", table, SHAPE(4, 2));
    gd_int(w, "zero", 0);
    gd_int(w, "rows", 4);
    gd_int(w, "axis", 0);
    gd_node(w, "cast", "Cast", "x");
    gd_attr_type(w, "DstT", 3);
    if (strcmp(from, "other") == 0)
        gd_node(w, "other", "Neg", "cast");
    gd_node(w, "less", "Less", less);
    gd_node(w, "sum", "AddV2", "cast rows");
    gd_node(w, "wrapped", "SelectV2", "less sum cast");
    gd_node(w, "y", "GatherV2", "table wrapped axis");
}

static void test_lookup(void **state)
{
    (void)state;
    struct gd_writer w;
    add_lookup(&w, "cast");
    struct graph *g = fixture_graph(&w);
    assert_int_equal(g->nodes[g->inputs[0]].lookup_rows, 4);
    fixture_shape(fixture_output(g), SHAPE(-1, 3, 2));
    fixture_gives(g, 1, (const float[]){3, 0, 2}, (const float[]){0.5F, 4, 1, 10, 5, -3}, 6, 0);
    add_lookup(&w, "other");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "(Cast)");
    begin(&w, SHAPE(-1, 3)); /* data of integers are real numbers here */
    gd_int(&w, "zero", 0);
    gd_node(&w, "y", "Less", "x zero");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "'y' (Less): is supported on shapes and constants");
}

static void test_resize_nearest(void **state)
{
    (void)state;
    static const float x[6] = {0, 1, 2, 10, 11, 12};
    struct gd_writer w;
    add_resize(&w, 3, 4, false, false); /* rows 0 .67 1.33; columns 0 .75 1.5 2.25 */
    struct graph *g = fixture_graph(&w);
    fixture_shape(fixture_output(g), SHAPE(-1, 3, 4, 1));
    fixture_gives(g, 1, x, (const float[]){0, 0, 1, 2, 0, 0, 1, 2, 10, 10, 11, 12}, 12, 0);
    add_resize(&w, 3, 2, true, false); /* rows 0 .5 1: halves go up; columns 0 2 */
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){0, 2, 10, 12, 10, 12}, 6, 0);
    add_resize(&w, 1, 2, false, true); /* row 1 of .5 * 2; columns .75 2.25 */
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){10, 12}, 2, 0);
    add_resize(&w, 1, 2, true, true);
    fixture_fails(&w, MP2ML_ERR_MODEL, "cannot resize");
    add_resize(&w, 0, 2, false, false);
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "must give 1 to");
}

static void test_broadcast(void **state)
{
    (void)state;
    static const float x[2] = {3, 4}, c[2] = {10, 20};
    struct gd_writer w;
    begin(&w, SHAPE(-1, 1, 2));
    gd_int_list(&w, "s", (const int32_t[]){-1, 3, 2}, 3);
    gd_node(&w, "y", "BroadcastTo", "x s");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){3, 4, 3, 4, 3, 4}, 6, 0);
    begin(&w, SHAPE(-1, 2)); /* a constant gets axes */
    gd_floats(&w, "c", c, SHAPE(2, 1));
    gd_int_list(&w, "s", (const int32_t[]){1, 2, 3}, 3);
    gd_int_list(&w, "flat", (const int32_t[]){6}, 1);
    gd_int_list(&w, "at", (const int32_t[]){0, 5}, 2);
    gd_int(&w, "axis", 0);
    gd_node(&w, "b", "BroadcastTo", "c s");
    gd_node(&w, "f", "Reshape", "b flat");
    gd_node(&w, "g", "GatherV2", "f at axis");
    gd_node(&w, "y", "Add", "x g");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){13, 24}, 2, 0);
    begin(&w, SHAPE(-1, 2));
    gd_int_list(&w, "s", (const int32_t[]){-1, 3}, 2);
    gd_node(&w, "y", "BroadcastTo", "x s");
    fixture_fails(&w, MP2ML_ERR_MODEL, "axis 1 has 2 values, not 3");
    begin(&w, SHAPE(-1, 2));
    gd_int_list(&w, "s", (const int32_t[]){5, -1, 2}, 3);
    gd_node(&w, "y", "BroadcastTo", "x s");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "to 3 axes");
}

static void test_plain_additions(void **state)
{
    (void)state;
    static const float x[2] = {3, 4}, c[2] = {2, 4};
    struct gd_writer w;
    begin(&w, SHAPE(-1, 2));
    gd_floats(&w, "c", c, SHAPE(2));
    gd_int_list(&w, "at", (const int32_t[]){1, 0}, 2);
    gd_node(&w, "g", "Gather", "c at");
    gd_node(&w, "i", "Inv", "g");
    gd_node(&w, "e", "EnsureShape", "x");
    gd_attr_shape(&w, "shape", SHAPE(-1, 2));
    gd_node(&w, "y", "Mul", "e i");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){.75F, 2}, 2, 0);
}

/* Transposed convolution ---------------------------------------------------------------------- */

struct transpose_case {
    const char *padding;
    int64_t h, w, i, kh, kw, o, sy, sx, oh, ow; /* o: of all groups */
    int64_t groups, top, left;
    int64_t pads[8]; /* of EXPLICIT */
};

static size_t at(bool nchw, int64_t h, int64_t w, int64_t c, int64_t y, int64_t x, int64_t ch)
{
    return (size_t)(nchw ? (ch * h + y) * w + x : (y * w + x) * c + ch);
}

static void add_transpose(struct gd_writer *w, const struct transpose_case *c, bool nchw,
                          const float *k)
{
    const int32_t h = (int32_t)c->oh, width = (int32_t)c->ow, o = (int32_t)c->o;
    const int32_t sizes[4] = {1, nchw ? o : h, nchw ? h : width, nchw ? width : o};
    if (nchw)
        begin(w, SHAPE(-1, c->i, c->h, c->w));
    else
        begin(w, SHAPE(-1, c->h, c->w, c->i));
    gd_int_list(w, "sizes", sizes, 4);
    gd_floats(w, "k", k, SHAPE(c->kh, c->kw, c->o / c->groups, c->i));
    gd_node(w, "y", "Conv2DBackpropInput", "sizes k x");
    gd_attr_text(w, "padding", c->padding);
    gd_attr_text(w, "data_format", nchw ? "NCHW" : "NHWC");
    gd_attr_list(
        w, "strides",
        nchw ? (const int64_t[]){1, 1, c->sy, c->sx} : (const int64_t[]){1, c->sy, c->sx, 1}, 4);
    if (strcmp(c->padding, "EXPLICIT") == 0)
        gd_attr_list(w, "explicit_paddings", c->pads, 8);
}

/* The gradient: what each output of the forward convolution gives back to its window. */
static void check_transpose(const struct transpose_case *c, bool nchw)
{
    float x[200], k[400], want[1000] = {0};
    fixture_fill(x, COUNT(x), 1);
    fixture_fill(k, COUNT(k), 2);
    const int64_t per = c->o / c->groups, part = c->i / c->groups;
    for (int64_t p = 0; p < c->h * c->w; p++)
        for (int64_t t = 0; t < c->kh * c->kw; t++)
            for (int64_t i = 0; i < c->i; i++)
                for (int64_t o = 0; o < per; o++) {
                    const int64_t y = p / c->w * c->sy + t / c->kw - c->top;
                    const int64_t col = p % c->w * c->sx + t % c->kw - c->left;
                    if (y >= 0 && y < c->oh && col >= 0 && col < c->ow)
                        want[at(nchw, c->oh, c->ow, c->o, y, col, i / part * per + o)] +=
                            x[at(nchw, c->h, c->w, c->i, p / c->w, p % c->w, i)] *
                            k[(t * per + o) * c->i + i];
                }
    struct gd_writer w;
    add_transpose(&w, c, nchw, k);
    fixture_gives(fixture_graph(&w), 1, x, want, (size_t)(c->oh * c->ow * c->o), 1e-5);
}

static void test_conv_transpose(void **state)
{
    (void)state;
    static const struct transpose_case cases[] = {
        /* padding  h  w  i  kh kw o  sy sx oh ow g  t  l */
        {"SAME", 3, 4, 2, 3, 3, 3, 2, 2, 6, 8, 1, 0, 0, {0}},
        {"SAME", 3, 4, 2, 3, 3, 3, 2, 2, 5, 7, 1, 1, 1, {0}},
        {"SAME", 3, 2, 2, 4, 4, 3, 2, 2, 6, 4, 1, 1, 1, {0}},
        {"SAME", 3, 4, 2, 2, 1, 3, 3, 2, 8, 7, 1, 0, 0, {0}},
        {"VALID", 3, 4, 2, 3, 2, 3, 2, 2, 7, 8, 1, 0, 0, {0}},
        {"VALID", 3, 4, 2, 3, 2, 3, 2, 3, 8, 12, 1, 0, 0, {0}}, /* what the stride skips is zero */
        {"VALID", 2, 3, 4, 3, 2, 6, 2, 2, 5, 6, 2, 0, 0, {0}},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        check_transpose(&cases[k], false);
        check_transpose(&cases[k], true);
    }
    const struct transpose_case explicit = {
        "EXPLICIT", 3, 4, 2, 3, 3, 3, 2, 2, 5, 8, 1, 1, 0, {0, 0, 1, 1, 0, 1, 0, 0}};
    check_transpose(&explicit, false);
}

static void test_conv_transpose_errors(void **state)
{
    (void)state;
    struct gd_writer w;
    const float k[400] = {0};
    struct transpose_case c = {"SAME", 3, 4, 2, 3, 3, 3, 2, 2, 7, 8, 1, 0, 0, {0}};
    add_transpose(&w, &c, false, k);
    fixture_fails(&w, MP2ML_ERR_MODEL, "input (?, 3, 4, 2) cannot become 7 x 8");
    c.padding = "VALID";
    c.oh = 9;
    add_transpose(&w, &c, false, k);
    fixture_fails(&w, MP2ML_ERR_MODEL, "cannot become 9 x 8");
    begin(&w, SHAPE(-1, 3, 4, 2));
    gd_int_list(&w, "sizes", (const int32_t[]){1, 6, 8, 4}, 4);
    gd_floats(&w, "k", k, SHAPE(3, 3, 3, 2));
    gd_node(&w, "y", "Conv2DBackpropInput", "sizes k x");
    gd_attr_text(&w, "padding", "SAME");
    gd_attr_list(&w, "strides", (const int64_t[]){1, 2, 2, 1}, 4);
    fixture_fails(&w, MP2ML_ERR_MODEL, "does not fit its input");
    begin(&w, SHAPE(-1, 3, 4, 2));
    gd_int_list(&w, "sizes", (const int32_t[]){6, 8}, 2);
    gd_floats(&w, "k", k, SHAPE(3, 3, 3, 2));
    gd_node(&w, "y", "Conv2DBackpropInput", "sizes k x");
    gd_attr_text(&w, "padding", "SAME");
    gd_attr_list(&w, "strides", (const int64_t[]){1, 2, 2, 1}, 4);
    fixture_fails(&w, MP2ML_ERR_MODEL, "has 2 values, must have 4");
}

/* Fused operators ----------------------------------------------------------------------------- */

enum { C = 3 };
static const float bias[C] = {0.5F, -0.25F, 0}, scale[C] = {1, 2, 0.5F}, mean[C] = {0.1F, 0, -0.2F};
static const float variance[C] = {1, 0.5F, 2};

static void add_picture(struct gd_writer *w, bool depthwise, bool nchw)
{
    float k[3 * 3 * C * C];
    fixture_fill(k, COUNT(k), 7);
    if (nchw)
        begin(w, SHAPE(-1, C, 4, 5));
    else
        begin(w, SHAPE(-1, 4, 5, C));
    gd_floats(w, "k", k, SHAPE(3, 3, C, depthwise ? 1 : C));
    gd_floats(w, "b", bias, SHAPE(C));
    gd_floats(w, "s", scale, SHAPE(C));
    gd_floats(w, "m", mean, SHAPE(C));
    gd_floats(w, "v", variance, SHAPE(C));
}

static void conv_attributes(struct gd_writer *w, bool nchw)
{
    gd_attr_text(w, "padding", "SAME");
    gd_attr_text(w, "data_format", nchw ? "NCHW" : "NHWC");
    gd_attr_list(w, "strides", nchw ? (const int64_t[]){1, 1, 2, 2} : (const int64_t[]){1, 2, 2, 1},
                 4);
}

/* Both graphs give the same; frees them. */
static void same(struct graph *g, struct graph *h, size_t inputs)
{
    float x[64], want[64];
    fixture_fill(x, COUNT(x), 9);
    assert_true(inputs <= COUNT(x) && graph_sample_count(fixture_output(h)) <= COUNT(want));
    const float *in[] = {x};
    float *out[] = {want};
    const size_t count = graph_sample_count(fixture_output(h));
    assert_int_equal(graph_eval(h, 1, in, out, NULL, NULL), MP2ML_OK);
    graph_free(h);
    assert_string_equal(fixture_output(g)->name, "y");
    fixture_gives(g, 1, x, want, count, 1e-6);
}

struct fused_case {
    const char *stages, *inputs;
    const char *apart; /* "OP IN ..." one after the other, "_" = the one before */
};

/* Writes the stages as nodes of their own, the last one called y. */
static void add_apart(struct gd_writer *w, const char *apart, bool nchw)
{
    char name[8] = "c", before[8], text[64], inputs[64];
    for (int k = 0; *apart != '\0'; k++) {
        const size_t length = strcspn(apart, ";");
        memcpy(text, apart, length);
        text[length] = '\0';
        apart += length + (apart[length] == ';' ? 1 : 0);
        memcpy(before, name, sizeof name);
        (void)snprintf(name, sizeof name, *apart == '\0' ? "y" : "n%d", k);
        char *rest = strchr(text, ' ');
        (void)snprintf(inputs, sizeof inputs, "%s%s", before, rest != NULL ? rest : "");
        if (rest != NULL)
            *rest = '\0';
        gd_node(w, name, text, inputs);
        if (strcmp(text, "BiasAdd") == 0 || strncmp(text, "Fused", 5) == 0)
            gd_attr_text(w, "data_format", nchw ? "NCHW" : "NHWC");
        if (strncmp(text, "Fused", 5) == 0) {
            gd_attr_bool(w, "is_training", false);
            gd_attr_float(w, "epsilon", 0.01F);
        }
        if (strcmp(text, "LeakyRelu") == 0)
            gd_attr_float(w, "alpha", 0.3F);
    }
}

static void check_fused(const struct fused_case *c, bool depthwise, bool nchw)
{
    struct gd_writer w;
    add_picture(&w, depthwise, nchw);
    gd_node(&w, "y", depthwise ? "_FusedDepthwiseConv2dNative" : "_FusedConv2D", c->inputs);
    conv_attributes(&w, nchw);
    gd_attr_texts(&w, "fused_ops", c->stages);
    gd_attr_float(&w, "epsilon", 0.01F);
    gd_attr_float(&w, "leakyrelu_alpha", 0.3F);
    struct graph *g = fixture_graph(&w);
    add_picture(&w, depthwise, nchw);
    gd_node(&w, "c", depthwise ? "DepthwiseConv2dNative" : "Conv2D", "x k");
    conv_attributes(&w, nchw);
    add_apart(&w, c->apart, nchw);
    same(g, fixture_graph(&w), 4 * 5 * C);
}

static void test_fused_convolutions(void **state)
{
    (void)state;
    static const struct fused_case cases[] = {
        {"", "x k", "Identity"},
        {"BiasAdd", "x k b", "BiasAdd b"},
        {"BiasAdd Relu", "x k b", "BiasAdd b;Relu"},
        {"BiasAdd Relu6", "x k b", "BiasAdd b;Relu6"},
        {"BiasAdd LeakyRelu", "x k b", "BiasAdd b;LeakyRelu"},
        {"BiasAdd Sigmoid", "x k b", "BiasAdd b;Sigmoid"},
        {"BiasAdd Tanh", "x k b", "BiasAdd b;Tanh"},
        {"FusedBatchNorm", "x k s b m v", "FusedBatchNorm s b m v"},
        {"FusedBatchNorm Relu", "x k s b m v", "FusedBatchNorm s b m v;Relu"},
    };
    for (size_t k = 0; k < COUNT(cases); k++)
        for (int how = 0; how < 4; how++)
            check_fused(&cases[k], how & 1, how & 2);
    const struct fused_case sum = {"BiasAdd Add Relu", "x k b m", "BiasAdd b;Add m;Relu"};
    check_fused(&sum, false, false);
}

static void test_fused_products(void **state)
{
    (void)state;
    struct gd_writer w;
    struct graph *g[2];
    float k[4 * C];
    fixture_fill(k, COUNT(k), 3);
    for (int apart = 0; apart < 2; apart++) {
        begin(&w, SHAPE(-1, 4));
        gd_floats(&w, "k", k, SHAPE(C, 4));
        gd_floats(&w, "b", bias, SHAPE(C));
        gd_node(&w, apart ? "c" : "y", apart ? "MatMul" : "_FusedMatMul", apart ? "x k" : "x k b");
        gd_attr_bool(&w, "transpose_b", true);
        if (apart)
            add_apart(&w, "BiasAdd b;Relu", false);
        else
            gd_attr_texts(&w, "fused_ops", "BiasAdd Relu");
        g[apart] = fixture_graph(&w);
    }
    same(g[0], g[1], 4);
}

static void test_fused_norms(void **state)
{
    (void)state;
    struct gd_writer w;
    for (int how = 0; how < 4; how++) {
        const bool relu = how & 1, sum = how & 2;
        add_picture(&w, false, false);
        gd_node(&w, "y", "_FusedBatchNormEx", sum ? "x s b m v x" : "x s b m v");
        gd_attr_bool(&w, "is_training", false);
        gd_attr_float(&w, "epsilon", 0.01F);
        gd_attr_text(&w, "activation_mode", relu ? "Relu" : "Identity");
        struct graph *g = fixture_graph(&w);
        add_picture(&w, false, false);
        gd_node(&w, "c", "Identity", "x");
        add_apart(&w,
                  relu  ? sum ? "FusedBatchNorm s b m v;Add x;Relu" : "FusedBatchNorm s b m v;Relu"
                  : sum ? "FusedBatchNorm s b m v;Add x"
                        : "FusedBatchNorm s b m v",
                  false);
        same(g, fixture_graph(&w), 4 * 5 * C);
    }
    add_picture(&w, false, false);
    gd_node(&w, "y", "_FusedBatchNormEx", "x s b m v");
    gd_attr_bool(&w, "is_training", false);
    gd_attr_text(&w, "activation_mode", "Elu");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "attribute 'activation_mode' is 'Elu'");
}

static void fused_fails(const char *stages, const char *inputs, mp2ml_status status,
                        const char *word)
{
    struct gd_writer w;
    add_picture(&w, false, false);
    gd_node(&w, "y", "_FusedConv2D", inputs);
    conv_attributes(&w, false);
    gd_attr_texts(&w, "fused_ops", stages);
    fixture_fails(&w, status, word);
}

static void test_fused_errors(void **state)
{
    (void)state;
    fused_fails("BiasAdd Elu", "x k b", MP2ML_ERR_UNSUPPORTED,
                "node 'y' (_FusedConv2D): Elu is fused into it, which has no private form; train "
                "with Relu");
    fused_fails("BiasAdd", "x k", MP2ML_ERR_MODEL, "has 2 inputs, too few for BiasAdd");
    fused_fails("Relu", "x k b", MP2ML_ERR_MODEL, "has 3 inputs, must have 2");
    fused_fails("FusedBatchNorm", "x k b b", MP2ML_ERR_MODEL, "too few for FusedBatchNorm");
    struct gd_writer w;
    add_picture(&w, false, false);
    gd_node(&w, "y", "_FusedConv2D", "x k");
    conv_attributes(&w, false);
    gd_attr_text(&w, "fused_ops", "Relu");
    fixture_fails(&w, MP2ML_ERR_MODEL, "attribute 'fused_ops' has the wrong type");
}

/* Behind a condition that is not taken. */
static void test_dead_inputs(void **state)
{
    (void)state;
    static const float x[2] = {-1, 3};
    struct gd_writer w;
    begin(&w, SHAPE(-1, 2));
    gd_node(&w, "no", "Const", "");
    gd_attr_tensor(&w, GD_BOOL, NULL, 0, 0, "\0", 1);
    gd_node(&w, "s", "Switch", "x no");
    gd_ints(&w, "pads", (const int32_t[]){0, 0, 0, 0}, SHAPE(2, 2));
    gd_node(&w, "pad", "MirrorPad", "s:1 pads");
    gd_attr_text(&w, "mode", "REFLECT");
    gd_node(&w, "relu", "Relu", "s");
    gd_node(&w, "y", "Merge", "relu pad");
    fixture_gives(fixture_graph(&w), 1, x, (const float[]){0, 3}, 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_mirror_pad),
        cmocka_unit_test(test_resize_nearest),
        cmocka_unit_test(test_resize_bilinear),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_plain_additions),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_conv_transpose_errors),
        cmocka_unit_test(test_fused_convolutions),
        cmocka_unit_test(test_fused_products),
        cmocka_unit_test(test_fused_norms),
        cmocka_unit_test(test_fused_errors),
        cmocka_unit_test(test_dead_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
