/* SPDX-License-Identifier: Apache-2.0
 *
 * Composed operators, evaluated after simplification, against their definitions. */
#include "model/compose.h"
#include "model_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A graph of one input "x", under construction; composed nodes are called "y". */
struct bench {
    struct graph_build b;
    struct graph_node name;
    struct graph_expand x;
    mp2ml_error err;
};

static char y_name[] = "y";

static void begin(struct bench *t, const int64_t *dims, int rank)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(graph_new(&t->b.g), MP2ML_OK);
    t->b.budget = 1 << 24;
    t->b.err = &t->err;
    t->name.name = y_name;
    t->name.file_op = "FileOp";
    t->x = (struct graph_expand){&t->b, &t->name};
    struct graph_node *n;
    assert_int_equal(graph_add_node(&t->b, "x", GRAPH_INPUT, 0, &n), MP2ML_OK);
    n->rank = (unsigned)rank;
    memcpy(n->dims, dims, (size_t)rank * sizeof *dims);
    assert_int_equal(graph_settle_node(&t->b, n), MP2ML_OK);
    t->b.g->inputs = calloc(1, sizeof(int));
    t->b.g->outputs = calloc(1, sizeof(int));
    assert_true(t->b.g->inputs != NULL && t->b.g->outputs != NULL);
    t->b.g->n_inputs = 1;
}

static int constant(struct bench *t, const float *values, const int64_t *dims, int rank)
{
    int at;
    float *to;
    assert_int_equal(expand_floats(&t->x, &at, "constant", dims, (unsigned)rank, &to), MP2ML_OK);
    memcpy(to, values, t->b.g->nodes[at].value.count * sizeof *to);
    return at;
}

/* Checks that it went well and is simplified; the graph, with *out as its only output. */
static struct graph *end(struct bench *t, mp2ml_status status, const int *out)
{
    if (status != MP2ML_OK)
        fail_msg("%s", t->err.text);
    assert_string_equal(t->b.g->nodes[*out].name, "y");
    t->b.g->outputs[0] = *out;
    t->b.g->n_outputs = 1;
    if (graph_simplify(&t->b) != MP2ML_OK)
        fail_msg("%s", t->err.text);
    for (int k = 0; k < t->b.g->n_nodes; k++)
        assert_int_not_equal(graph_op_kind(t->b.g->nodes[k].op), 'F');
    return t->b.g;
}

static void refused(struct bench *t, mp2ml_status got, mp2ml_status want, const char *word)
{
    assert_int_equal(got, want);
    if (strstr(t->err.text, word) == NULL || strstr(t->err.text, "(FileOp)") == NULL ||
        strncmp(t->err.text, "node 'y", 7) != 0)
        fail_msg("'%s' is not in: %s", word, t->err.text);
    graph_free(t->b.g);
}

static int count_op(const struct graph *g, enum graph_op op)
{
    int n = 0;
    for (int k = 0; k < g->n_nodes; k++)
        n += g->nodes[k].op == op;
    return n;
}

/* Activations --------------------------------------------------------------------------------- */

static const float points[10] = {-9, -3, -1, -0.5F, -0.25F, 0, 0.5F, 2, 4, 9};

static void check_clip(float low, float high, int relus)
{
    struct bench t;
    float want[10];
    int out;
    begin(&t, SHAPE(-1, 5));
    for (int k = 0; k < 10; k++) {
        want[k] = points[k] > low ? points[k] : low;
        want[k] = want[k] < high ? want[k] : high;
    }
    struct graph *g = end(&t, compose_clip(&t.x, &out, 0, low, high), &out);
    assert_int_equal(count_op(g, GRAPH_RELU), relus);
    for (int k = 0; k < g->n_nodes; k++)
        assert_true(g->nodes[k].op != GRAPH_CONST || g->nodes[k].attribute);
    fixture_gives(g, 2, points, want, 10, 1e-6);
}

static void test_clip(void **state)
{
    (void)state;
    check_clip(0, 6, 2);
    check_clip(-1, 1, 2);
    check_clip(0.25F, 2.5F, 2);
    check_clip(-8, -2, 2);
    check_clip(3, -2, 2); /* the upper end wins */
    check_clip(0, INFINITY, 1);
    check_clip(-2, INFINITY, 1);
    check_clip(-2, 3.402823466e38F, 1);
    check_clip(-INFINITY, 0, 1);
    check_clip(-3.402823466e38F, 1.5F, 1);
}

static void test_clip_without_ends(void **state)
{
    (void)state;
    struct bench t;
    int out, relu;
    begin(&t, SHAPE(-1, 5));
    assert_int_equal(expand_unary(&t.x, &relu, GRAPH_RELU, "relu", 0), MP2ML_OK);
    struct graph *g = end(&t, compose_clip(&t.x, &out, relu, -INFINITY, INFINITY), &out);
    assert_int_equal(g->n_nodes, 2);
    graph_free(g);
    begin(&t, SHAPE(-1, 5));
    refused(&t, compose_clip(&t.x, &out, 0, NAN, 1), MP2ML_ERR_MODEL, "clips to");
    begin(&t, SHAPE(-1, 5));
    refused(&t, compose_clip(&t.x, &out, 0, INFINITY, INFINITY), MP2ML_ERR_MODEL, "clips to");
}

/* Both ReLUs of a clip read the same data, none the other. */
static void test_clip_is_one_round(void **state)
{
    (void)state;
    struct bench t;
    int out;
    begin(&t, SHAPE(-1, 5));
    struct graph *g = end(&t, compose_clip(&t.x, &out, 0, -1, 1), &out);
    for (int k = 0; k < g->n_nodes; k++)
        if (g->nodes[k].op == GRAPH_RELU) {
            const struct graph_node *sum = &g->nodes[g->nodes[k].inputs[0]];
            assert_int_equal(sum->op, GRAPH_ADD);
            assert_int_equal(sum->inputs[0], g->inputs[0]);
        }
    graph_free(g);
}

static float hard_sigmoid(float x, float alpha, float beta)
{
    const float v = alpha * x + beta;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static void test_hard_sigmoid_and_swish(void **state)
{
    (void)state;
    static const float alphas[] = {0.2F, 1 / 6.F, 1}, betas[] = {0.5F, 0.5F, 0};
    struct bench t;
    float want[10];
    int out;
    for (size_t c = 0; c < COUNT(alphas); c++) {
        for (int k = 0; k < 10; k++)
            want[k] = hard_sigmoid(points[k], alphas[c], betas[c]);
        begin(&t, SHAPE(-1, 2, 5));
        fixture_gives(end(&t, compose_hard_sigmoid(&t.x, &out, 0, alphas[c], betas[c]), &out), 1,
                      points, want, 10, 1e-6);
    }
    for (int k = 0; k < 10; k++)
        want[k] = points[k] * hard_sigmoid(points[k], 1 / 6.F, 0.5F);
    begin(&t, SHAPE(-1, 2, 5));
    fixture_gives(end(&t, compose_hard_swish(&t.x, &out, 0), &out), 1, points, want, 10, 1e-5);
    begin(&t, SHAPE(-1, 5));
    refused(&t, compose_hard_sigmoid(&t.x, &out, 0, NAN, 0), MP2ML_ERR_MODEL, "alpha");
}

/* The slopes are the model's: nothing that is computed from them may count as an attribute. */
static void test_prelu(void **state)
{
    (void)state;
    static const float slopes[5] = {0.25F, 0, -1, 1, 2}; /* one of them is 1 */
    struct bench t;
    float want[10];
    int out;
    for (int k = 0; k < 10; k++)
        want[k] = points[k] * (points[k] < 0 ? slopes[k % 5] : 1);
    begin(&t, SHAPE(-1, 2, 5));
    const int slope = constant(&t, slopes, SHAPE(1, 5));
    struct graph *g = end(&t, compose_prelu(&t.x, &out, 0, slope), &out);
    assert_int_equal(count_op(g, GRAPH_RELU), 1);
    assert_int_equal(count_op(g, GRAPH_MUL), 2);
    for (int k = 0; k < g->n_nodes; k++)
        assert_false(g->nodes[k].op == GRAPH_CONST && g->nodes[k].attribute);
    fixture_gives(g, 1, points, want, 10, 1e-6);
    begin(&t, SHAPE(-1, 5));
    refused(&t, compose_prelu(&t.x, &out, 0, 0), MP2ML_ERR_UNSUPPORTED, "constant");
    begin(&t, SHAPE(-1, 1));
    const int wide = constant(&t, slopes, SHAPE(5));
    refused(&t, compose_prelu(&t.x, &out, 0, wide), MP2ML_ERR_MODEL, "does not fit");
    begin(&t, SHAPE(-1, 4));
    const int other = constant(&t, slopes, SHAPE(5));
    refused(&t, compose_prelu(&t.x, &out, 0, other), MP2ML_ERR_MODEL, "do not fit");
}

/* A slope from an attribute makes attributes only. */
static void test_prelu_of_an_attribute(void **state)
{
    (void)state;
    struct bench t;
    int out, slope;
    begin(&t, SHAPE(-1, 5));
    assert_int_equal(expand_scalar(&t.x, &slope, "slope", 0.25F), MP2ML_OK);
    struct graph *g = end(&t, compose_prelu(&t.x, &out, 0, slope), &out);
    for (int k = 0; k < g->n_nodes; k++)
        assert_true(g->nodes[k].op != GRAPH_CONST || g->nodes[k].attribute);
    graph_free(g);
}

/* Moves --------------------------------------------------------------------------------------- */

enum { A = 3, B = 4, C = 5 };

static void test_take(void **state)
{
    (void)state;
    static const int64_t from[6] = {3, 0, 0, 1, 3, 2};
    struct bench t;
    float x[2 * A * B], want[2 * A * 6];
    int out;
    fixture_fill(x, COUNT(x), 1);
    for (size_t k = 0; k < COUNT(want); k++)
        want[k] = x[k / 6 * B + (size_t)from[k % 6]];
    begin(&t, SHAPE(-1, A, B));
    struct graph *g = end(&t, compose_take(&t.x, &out, 0, 2, from, 6), &out);
    fixture_shape(fixture_output(g), SHAPE(-1, A, 6));
    fixture_gives(g, 2, x, want, COUNT(want), 0);
    begin(&t, SHAPE(-1, A, 3));
    refused(&t, compose_take(&t.x, &out, 0, 2, from, 6), MP2ML_ERR_MODEL, "index 3");
    begin(&t, SHAPE(-1, A, B));
    refused(&t, compose_take(&t.x, &out, 0, 0, from, 6), MP2ML_ERR_UNSUPPORTED, "axis 0");
    begin(&t, SHAPE(-1, A, B));
    refused(&t, compose_take(&t.x, &out, 0, 3, from, 6), MP2ML_ERR_UNSUPPORTED, "axis 3");
    begin(&t, SHAPE(-1, A, B));
    refused(&t, compose_take(&t.x, &out, 0, 1, from, 0), MP2ML_ERR_UNSUPPORTED, "must give");
}

/* Constants are computed, also along their first axis. */
static void test_take_of_constants(void **state)
{
    (void)state;
    static const int64_t from[3] = {1, 1, 0}, pads[4] = {1, 0, 0, 2};
    static const float values[4] = {1, 2, 3, 4};
    const float zeros[12] = {0}, taken[6] = {3, 4, 3, 4, 1, 2};
    const float padded[12] = {1, 2, 2, 2, 1, 2, 2, 2, 3, 4, 4, 4};
    for (int pad = 0; pad < 2; pad++) {
        struct bench t;
        int out;
        if (pad)
            begin(&t, SHAPE(-1, 3, 4));
        else
            begin(&t, SHAPE(-1, 3, 2));
        const int c = constant(&t, values, SHAPE(2, 2));
        if (pad)
            assert_int_equal(compose_mirror_pad(&t.x, &out, c, pads, COMPOSE_EDGE), MP2ML_OK);
        else
            assert_int_equal(compose_take(&t.x, &out, c, 0, from, 3), MP2ML_OK);
        assert_int_equal(t.b.g->nodes[out].op, GRAPH_CONST);
        const mp2ml_status status = expand_binary(&t.x, &out, GRAPH_ADD, NULL, 0, out);
        fixture_gives(end(&t, status, &out), 1, zeros, pad ? padded : taken, pad ? 12 : 6, 0);
    }
}

/* Walks from the place, one step at a time, turning round at the ends. */
static int64_t walked(int64_t j, int64_t n, enum compose_mirror mode)
{
    int64_t at = 0, by = 1;
    const int64_t steps = j < 0 ? -j : j;
    if (n == 1)
        return 0;
    if (j < 0 && mode == COMPOSE_SYMMETRIC) { /* -1 is 0 again, then away from the end */
        for (int64_t k = 1; k < steps; k++) {
            if (at + by == n || at + by < 0)
                by = -by;
            else
                at += by;
        }
        return at;
    }
    for (int64_t k = 0; k < steps; k++) {
        if (mode == COMPOSE_WRAP)
            at = (at + (j < 0 ? n - 1 : 1)) % n;
        else if (mode == COMPOSE_EDGE)
            at = j < 0 || at == n - 1 ? at : at + 1;
        else if (at + by == n || at + by < 0) {
            by = -by;
            at += mode == COMPOSE_REFLECT ? by : 0;
        } else {
            at += by;
        }
    }
    return at;
}

static void check_mirror(enum compose_mirror mode, const int64_t *pads)
{
    struct bench t;
    float x[A * B * C], want[2000];
    int out;
    const int64_t oa = A + pads[2] + pads[3], oc = C + pads[6] + pads[7];
    size_t n = 0;
    fixture_fill(x, COUNT(x), 2);
    for (int64_t i = 0; i < oa; i++)
        for (int64_t j = 0; j < B; j++)
            for (int64_t k = 0; k < oc; k++)
                want[n++] =
                    x[(walked(i - pads[2], A, mode) * B + j) * C + walked(k - pads[6], C, mode)];
    begin(&t, SHAPE(-1, A, B, C));
    struct graph *g = end(&t, compose_mirror_pad(&t.x, &out, 0, pads, mode), &out);
    assert_int_equal(g->n_nodes, 2); /* all axes at once */
    fixture_shape(fixture_output(g), SHAPE(-1, oa, B, oc));
    fixture_gives(g, 1, x, want, n, 0);
}

static void test_mirror_pad(void **state)
{
    (void)state;
    for (int mode = COMPOSE_REFLECT; mode <= COMPOSE_WRAP; mode++) {
        check_mirror((enum compose_mirror)mode, (const int64_t[8]){0, 0, 1, 2, 0, 0, 2, 0});
        check_mirror((enum compose_mirror)mode, (const int64_t[8]){0, 0, 7, 8, 0, 0, 0, 11});
        check_mirror((enum compose_mirror)mode, (const int64_t[8]){0, 0, -1, 0, 0, 0, 3, -2});
    }
}

static void test_mirror_pad_errors(void **state)
{
    (void)state;
    struct bench t;
    int out, relu;
    begin(&t, SHAPE(-1, A));
    refused(&t, compose_mirror_pad(&t.x, &out, 0, (const int64_t[]){1, 0, 0, 0}, COMPOSE_EDGE),
            MP2ML_ERR_UNSUPPORTED, "axis 0");
    begin(&t, SHAPE(-1, A));
    refused(&t,
            compose_mirror_pad(&t.x, &out, 0, (const int64_t[]){0, 0, INT64_MAX, 0}, COMPOSE_EDGE),
            MP2ML_ERR_MODEL, "a padding of");
    begin(&t, SHAPE(-1, A));
    refused(&t,
            compose_mirror_pad(&t.x, &out, 0, (const int64_t[]){0, 0, 1 << 30, 0}, COMPOSE_EDGE),
            MP2ML_ERR_UNSUPPORTED, "must give");
    begin(&t, SHAPE(-1, A));
    refused(&t, compose_mirror_pad(&t.x, &out, 0, (const int64_t[]){0, 0, -2, -1}, COMPOSE_EDGE),
            MP2ML_ERR_UNSUPPORTED, "must give");
    begin(&t, SHAPE(-1, A));
    assert_int_equal(expand_unary(&t.x, &relu, GRAPH_RELU, "relu", 0), MP2ML_OK);
    struct graph *g =
        end(&t, compose_mirror_pad(&t.x, &out, relu, (const int64_t[4]){0}, COMPOSE_EDGE), &out);
    assert_int_equal(g->n_nodes, 2);
    graph_free(g);
}

static void check_nearest(int64_t in, int64_t size, double scale, enum compose_place place,
                          enum compose_round round, const int *want_from)
{
    struct bench t;
    float x[16], want[16];
    int out;
    fixture_fill(x, COUNT(x), 3);
    for (int64_t k = 0; k < 2 * size; k++) /* [2][size] */
        want[k] = x[k / size * in + want_from[k % size]];
    begin(&t, SHAPE(-1, 2, in));
    fixture_gives(
        end(&t, compose_resize_nearest(&t.x, &out, 0, 2, size, scale, place, round), &out), 1, x,
        want, (size_t)(2 * size), 0);
}

/* Worked out by hand from the formulas. */
static void test_resize_nearest(void **state)
{
    (void)state;
    /* 2 to 4: 0 .5 1 1.5 */
    check_nearest(2, 4, 0, COMPOSE_ASYMMETRIC, COMPOSE_FLOOR, (const int[]){0, 0, 1, 1});
    check_nearest(2, 4, 0, COMPOSE_ASYMMETRIC, COMPOSE_CEIL, (const int[]){0, 1, 1, 1});
    check_nearest(2, 4, 0, COMPOSE_ASYMMETRIC, COMPOSE_HALF_DOWN, (const int[]){0, 0, 1, 1});
    check_nearest(2, 4, 2, COMPOSE_ASYMMETRIC, COMPOSE_HALF_UP, (const int[]){0, 1, 1, 1});
    /* -.25 .25 .75 1.25 */
    check_nearest(2, 4, 0, COMPOSE_HALF_PIXEL, COMPOSE_HALF_DOWN, (const int[]){0, 0, 1, 1});
    check_nearest(2, 4, 2, COMPOSE_HALF_PIXEL, COMPOSE_CEIL, (const int[]){0, 1, 1, 1});
    /* 5 to 3, aligned: 0 2 4; 3 to 5: 0 .5 1 1.5 2 */
    check_nearest(5, 3, 0, COMPOSE_ALIGN_CORNERS, COMPOSE_FLOOR, (const int[]){0, 2, 4});
    check_nearest(3, 5, 0, COMPOSE_ALIGN_CORNERS, COMPOSE_HALF_UP, (const int[]){0, 1, 1, 2, 2});
    check_nearest(3, 5, 0, COMPOSE_ALIGN_CORNERS, COMPOSE_HALF_DOWN, (const int[]){0, 0, 1, 1, 2});
    check_nearest(3, 1, 0, COMPOSE_ALIGN_CORNERS, COMPOSE_CEIL, (const int[]){0});
    /* 4 to 2, half pixels: .5 2.5 */
    check_nearest(4, 2, 0, COMPOSE_HALF_PIXEL, COMPOSE_HALF_DOWN, (const int[]){0, 2});
    check_nearest(4, 2, 0, COMPOSE_HALF_PIXEL, COMPOSE_HALF_UP, (const int[]){1, 3});
    /* A scale that is not the ratio: 5 * .6 = 3 values at 0 1.67 3.33, of a scale .7 at 0 1.43 2.86 */
    check_nearest(5, 3, 0.6, COMPOSE_ASYMMETRIC, COMPOSE_HALF_UP, (const int[]){0, 2, 3});
    check_nearest(5, 3, 0.7, COMPOSE_ASYMMETRIC, COMPOSE_HALF_UP, (const int[]){0, 1, 3});
    /* 3 / .6 is 5 in float32, a little less with the float32 .6 in double precision. */
    check_nearest(7, 4, 0.6, COMPOSE_ASYMMETRIC, COMPOSE_FLOOR, (const int[]){0, 1, 3, 5});
    struct bench t;
    int out;
    begin(&t, SHAPE(-1, A));
    refused(&t, compose_resize_nearest(&t.x, &out, 0, 1, 4, -2, COMPOSE_ASYMMETRIC, COMPOSE_FLOOR),
            MP2ML_ERR_MODEL, "resizes");
    begin(&t, SHAPE(-1, A));
    refused(&t, compose_resize_nearest(&t.x, &out, 0, 0, 4, 0, COMPOSE_ASYMMETRIC, COMPOSE_FLOOR),
            MP2ML_ERR_UNSUPPORTED, "axis 0");
    begin(&t, SHAPE(-1, A));
    refused(&t, compose_resize_nearest(&t.x, &out, 0, 1, 0, 0, COMPOSE_ASYMMETRIC, COMPOSE_FLOOR),
            MP2ML_ERR_UNSUPPORTED, "must give");
}

/* Transposed convolution ---------------------------------------------------------------------- */

struct transpose_case {
    int64_t h, w, i, kh, kw, o; /* o: channels of the result, in all groups */
    int64_t sy, sx, dy, dx, groups, top, left, oh, ow;
};

static size_t at(bool nchw, int64_t h, int64_t w, int64_t c, int64_t y, int64_t x, int64_t ch)
{
    return (size_t)(nchw ? (ch * h + y) * w + x : (y * w + x) * c + ch);
}

/* Each input value adds its multiples of the kernel to the result. */
static void spread(float *want, const struct transpose_case *c, bool nchw, const float *x,
                   const float *k)
{
    const int64_t per = c->o / c->groups, part = c->i / c->groups;
    for (int64_t y = 0; y < c->h; y++)
        for (int64_t col = 0; col < c->w; col++)
            for (int64_t i = 0; i < c->i; i++)
                for (int64_t t = 0; t < c->kh * c->kw; t++)
                    for (int64_t o = 0; o < per; o++) {
                        const int64_t oy = y * c->sy + t / c->kw * c->dy - c->top;
                        const int64_t ox = col * c->sx + t % c->kw * c->dx - c->left;
                        if (oy >= 0 && oy < c->oh && ox >= 0 && ox < c->ow)
                            want[at(nchw, c->oh, c->ow, c->o, oy, ox, i / part * per + o)] +=
                                x[at(nchw, c->h, c->w, c->i, y, col, i)] *
                                k[(t * per + o) * c->i + i];
                    }
}

static struct graph *transposed(const struct transpose_case *c, bool nchw, const float *k)
{
    struct bench t;
    int out;
    begin(&t,
          nchw ? (const int64_t[]){-1, c->i, c->h, c->w} : (const int64_t[]){-1, c->h, c->w, c->i},
          4);
    const int weights = constant(&t, k, SHAPE(c->kh, c->kw, c->o / c->groups, c->i));
    const struct graph_window window = {.nchw = nchw,
                                        .stride = {c->sy, c->sx},
                                        .dilation = {c->dy, c->dx},
                                        .pad = {c->top, 0, c->left, 0},
                                        .groups = c->groups};
    const int64_t size[2] = {c->oh, c->ow};
    return end(&t, compose_conv_transpose(&t.x, &out, 0, weights, &window, size), &out);
}

static void check_transpose(const struct transpose_case *c, int gathers)
{
    float x[1000], k[1000];
    fixture_fill(x, COUNT(x), 4);
    fixture_fill(k, COUNT(k), 5);
    for (int nchw = 0; nchw < 2; nchw++) {
        const size_t count = (size_t)(c->oh * c->ow * c->o);
        float *want = calloc(count, sizeof *want);
        assert_non_null(want);
        spread(want, c, nchw, x, k);
        struct graph *g = transposed(c, nchw, k);
        assert_int_equal(count_op(g, GRAPH_GATHER), gathers);
        const struct graph_window *w = &fixture_output(g)->window;
        for (int side = 0; side < 4;
             side++) /* a window that meets the picture takes something of it */
            assert_true(w->pad[side] <= (w->kernel[side / 2] - 1) * w->dilation[side / 2]);
        fixture_gives(g, 1, x, want, count, 1e-4);
        free(want);
    }
}

static void test_conv_transpose(void **state)
{
    (void)state;
    static const struct transpose_case stretched[] = {
        /* h  w  i  kh kw o  sy sx dy dx g  t  l  oh ow */
        {3, 4, 2, 2, 2, 3, 2, 2, 1, 1, 1, 0, 0, 6, 8},    /* windows side by side */
        {3, 4, 2, 3, 3, 3, 2, 2, 1, 1, 1, 1, 1, 6, 8},    /* output padding 1 */
        {3, 4, 2, 3, 2, 3, 3, 2, 1, 1, 1, 0, 1, 9, 7},    /* sides apart */
        {3, 4, 2, 2, 2, 2, 4, 3, 1, 1, 1, 0, 0, 10, 11},  /* gaps between windows */
        {3, 4, 2, 3, 3, 3, 2, 2, 2, 3, 1, 1, 2, 8, 10},   /* dilation */
        {3, 4, 6, 3, 3, 4, 2, 2, 1, 1, 2, 1, 1, 5, 7},    /* groups */
        {3, 4, 4, 3, 3, 4, 2, 1, 1, 2, 4, 1, 1, 5, 7},    /* one channel a group */
        {3, 4, 2, 3, 3, 3, 2, 2, 1, 1, 1, 0, 0, 12, 15},  /* beyond the whole result */
        {3, 4, 2, 3, 3, 3, 2, 2, 1, 1, 1, -4, -3, 14, 9}, /* and before it */
        {3, 4, 2, 2, 2, 3, 1, 1, 1, 1, 1, 2, 3, 1, 1},    /* all cut but one */
        {2, 2, 1, 2, 2, 1, 2, 2, 1, 1, 1, 9, 9, 3, 3},    /* nothing left: zeros */
    };
    static const struct transpose_case plain[] = {
        {3, 4, 2, 3, 3, 3, 1, 1, 1, 1, 1, 0, 0, 5, 6}, /* stride 1: a convolution alone */
        {3, 4, 2, 3, 2, 3, 1, 1, 1, 2, 1, 1, 1, 3, 4},
        {1, 1, 5, 4, 4, 3, 1, 1, 1, 1, 1, 0, 0, 4, 4}, /* one value becomes a picture */
    };
    for (size_t c = 0; c < COUNT(stretched); c++)
        check_transpose(&stretched[c], 1);
    for (size_t c = 0; c < COUNT(plain); c++)
        check_transpose(&plain[c], 0);
}

static void refuses_transpose(const struct transpose_case *c, int64_t stride, mp2ml_status status,
                              const char *word)
{
    struct bench t;
    int out;
    const float k[1000] = {0};
    begin(&t, (const int64_t[]){-1, c->h, c->w, c->i}, 4);
    const int weights = constant(&t, k, SHAPE(c->kh, c->kw, c->o, 4));
    const struct graph_window window = {
        .stride = {stride, 1}, .dilation = {1, 1}, .groups = c->groups};
    const int64_t size[2] = {c->oh, c->ow};
    refused(&t, compose_conv_transpose(&t.x, &out, 0, weights, &window, size), status, word);
}

static void test_conv_transpose_errors(void **state)
{
    (void)state;
    struct transpose_case c = {3, 4, 4, 3, 3, 3, 1, 1, 1, 1, 1, 0, 0, 5, 6};
    refuses_transpose(&c, 0, MP2ML_ERR_MODEL, "a window of");
    refuses_transpose(&c, INT64_MAX, MP2ML_ERR_MODEL, "a window of");
    refuses_transpose(&c, 1 << 30, MP2ML_ERR_MODEL, "a window of");
    c.oh = 1 << 30;
    refuses_transpose(&c, 2, MP2ML_ERR_UNSUPPORTED, "must give");
    c.oh = -1;
    refuses_transpose(&c, 2, MP2ML_ERR_MODEL, "a window of");
    c.oh = 5;
    c.groups = 3;
    refuses_transpose(&c, 2, MP2ML_ERR_MODEL, "in 3 groups");
    c.groups = 0;
    refuses_transpose(&c, 2, MP2ML_ERR_MODEL, "in 0 groups");
    c.groups = 1;
    c.i = 5;
    refuses_transpose(&c, 2, MP2ML_ERR_MODEL, "do not fit");
    struct bench t;
    int out;
    const struct graph_window window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    begin(&t, SHAPE(-1, 3, 3, 3));
    refused(&t, compose_conv_transpose(&t.x, &out, 0, 0, &window, (const int64_t[]){1, 1}),
            MP2ML_ERR_UNSUPPORTED, "constant");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_clip_without_ends),
        cmocka_unit_test(test_clip_is_one_round),
        cmocka_unit_test(test_hard_sigmoid_and_swish),
        cmocka_unit_test(test_prelu),
        cmocka_unit_test(test_prelu_of_an_attribute),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_take_of_constants),
        cmocka_unit_test(test_mirror_pad),
        cmocka_unit_test(test_mirror_pad_errors),
        cmocka_unit_test(test_resize_nearest),
        cmocka_unit_test(test_conv_transpose),
        cmocka_unit_test(test_conv_transpose_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
