/* SPDX-License-Identifier: Apache-2.0
 *
 * Packings of all kinds of networks give the linear map and pollute nothing (packing_check.h), and the
 * rules that they follow. */
#include "packing_check.h"

/* ---- matrices -------------------------------------------------------------------------------- */

static void test_dense(void **state)
{
    static const int64_t shapes[][2] = {{1, 1},    {1, 7},    {7, 1},    {5, 4},    {845, 100},
                                        {100, 10}, {2048, 3}, {2049, 2}, {3, 2049}, {5000, 9},
                                        {64, 64},  {300, 70}, {4097, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct net net;
        net_init(&net, i);
        int in = net_input(&net, DIMS(shapes[i][0]));
        int hidden = net_relu(&net, net_dense(&net, in, shapes[i][1]));
        struct plan *plan = packed_plan(&net, net_dense(&net, hidden, 3), 12, 16);
        assert_int_equal(plan->packed[1]->set, CKKS_S1);
        assert_int_equal(plan->packed[3]->set, CKKS_S2);
        net_done(&net, plan);
    }
}

/* What docs/protocol.md says of a dense layer. */
static void test_dense_counts(void **state)
{
    struct net net;
    (void)state;
    net_init(&net, 5);
    int in = net_input(&net, DIMS(845));
    int hidden = net_relu(&net, net_dense(&net, in, 100));
    struct plan *plan = packed_plan(&net, net_dense(&net, hidden, 10), 12, 16);
    const struct packing *first = &plan->packed[1]->places, *last = &plan->packed[3]->places;
    double bits = 41.0 * 2048 * first->in_cts + 17.0 * 2048 * first->out_cts + 12 * 100;
    assert_true(bits / 8 <= 105e3);
    assert_int_equal(last->in_cts, 1);
    assert_int_equal(last->out_cts, 1);
    /* Again with other rings: the old packings are replaced. */
    net_scaled(plan, 14, 18);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    (void)check_step(plan, 1);
    (void)check_step(plan, 3);
    net_done(&net, plan);
}

/* ---- pictures -------------------------------------------------------------------------------- */

#define FIRST 1u /* the step reads the input itself, else what a ReLU of another step made */
#define DENSE 2u /* no convolution: border windows have other weights, or all is one place */

struct geometry {
    const char *name;
    int64_t h, w, c, co; /* co = 0: a pool */
    struct window window;
    int64_t groups;
    unsigned flags;
};

/* The node of one convolution or pool. */
static int begin_geometry(struct net *net, const struct geometry *g)
{
    net_init(net, 77);
    bool nchw = g->window.nchw;
    int in = nchw ? net_input(net, DIMS(g->c, g->h, g->w)) : net_input(net, DIMS(g->h, g->w, g->c));
    if ((g->flags & FIRST) == 0)
        in = net_relu(net, net_bias(net, in, nchw));
    return net_grouped(net, g->co > 0 ? GRAPH_CONV2D : GRAPH_AVG_POOL, in, g->co, g->window,
                       g->groups);
}

/* In the middle of a network and so of the small set, or at its end. */
static struct plan *end_geometry(struct net *net, const struct geometry *g, int node, bool last)
{
    if (!last) {
        node = net_relu(net, net_bias(net, node, g->window.nchw));
        node = net_dense(net, net_flat(net, node), 2);
    }
    return packed_plan(net, node, 12, 16);
}

#define CONV(k, s, same)                                                                           \
    {                                                                                              \
        k, s, same, false, 1                                                                       \
    }
#define NCHW(k, s, same)                                                                           \
    {                                                                                              \
        k, s, same, true, 1                                                                        \
    }

static const struct geometry geometries[] = {
    {"one", 1, 1, 1, 1, CONV(1, 1, false), 1, FIRST | DENSE},
    {"tiny", 2, 2, 1, 2, CONV(3, 1, true), 1, FIRST},
    {"tiny 2", 3, 2, 3, 4, CONV(2, 1, false), 1, FIRST},
    {"valid", 9, 9, 3, 5, CONV(3, 1, false), 1, FIRST},
    {"same", 9, 9, 3, 5, CONV(3, 1, true), 1, FIRST},
    {"same 5", 12, 12, 2, 3, CONV(5, 1, true), 1, 0},
    {"even kernel", 10, 10, 2, 3, CONV(4, 1, true), 1, FIRST},
    {"stride 2", 28, 28, 1, 5, CONV(5, 2, true), 1, FIRST},
    {"stride 2 valid", 15, 15, 3, 4, CONV(3, 2, false), 1, FIRST},
    {"stride 2 odd", 13, 11, 4, 6, CONV(3, 2, true), 1, 0},
    {"stride 3", 20, 20, 2, 4, CONV(4, 3, true), 1, FIRST},
    {"stride 3 valid", 19, 25, 2, 4, CONV(2, 3, false), 1, FIRST},
    {"stride 4 of 11", 40, 40, 3, 4, CONV(11, 4, true), 1, FIRST},
    {"1x1", 8, 8, 16, 24, CONV(1, 1, false), 1, 0},
    {"1x1 stride 2", 8, 8, 6, 7, CONV(1, 2, false), 1, 0},
    {"kernel over the map", 4, 4, 2, 3, CONV(7, 1, true), 1, FIRST},
    {"kernel over the map, stride 2", 4, 4, 2, 3, CONV(7, 2, true), 1, FIRST},
    {"non-square", 6, 31, 2, 3, CONV(3, 1, true), 1, FIRST},
    {"line", 1, 60, 3, 4, CONV(1, 1, false), 1, FIRST},
    {"dilated", 14, 14, 2, 3, {3, 1, true, false, 2}, 1, FIRST},
    {"dilated valid", 16, 16, 2, 3, {3, 1, false, false, 3}, 1, FIRST},
    {"dilated stride", 17, 17, 2, 3, {3, 2, true, false, 3}, 1, FIRST},
    {"depthwise", 12, 12, 8, 8, CONV(3, 1, true), 8, 0},
    {"depthwise stride 2", 12, 12, 6, 6, CONV(3, 2, true), 6, 0},
    {"depthwise twice", 7, 7, 4, 8, CONV(3, 1, true), 4, 0},
    {"grouped", 10, 10, 8, 12, CONV(3, 1, true), 4, 0},
    {"pool", 12, 12, 6, 0, CONV(2, 2, false), 1, 0},
    {"pool 3", 13, 13, 5, 0, CONV(3, 2, false), 1, 0},
    {"pool of the whole", 7, 7, 40, 0, CONV(7, 7, false), 1, 0},
    {"pool same", 6, 6, 3, 0, CONV(3, 2, true), 1, DENSE},
    {"large", 60, 60, 1, 2, CONV(3, 1, true), 1, FIRST},
    {"large valid", 51, 70, 2, 2, CONV(5, 1, false), 1, FIRST},
    {"large stride", 112, 112, 1, 2, CONV(3, 2, true), 1, FIRST},
    {"very wide", 3, 2500, 1, 2, CONV(3, 1, true), 1, FIRST},
    {"large pool", 96, 96, 2, 0, CONV(2, 2, false), 1, FIRST},
    {"many channels", 6, 6, 40, 30, CONV(3, 1, true), 1, 0},
    {"channels first", 9, 9, 3, 5, NCHW(3, 1, true), 1, FIRST},
    {"channels first stride", 14, 12, 3, 5, NCHW(3, 2, true), 1, 0},
    {"channels first depthwise", 9, 9, 4, 4, NCHW(3, 1, true), 4, 0},
    {"channels first pool", 8, 8, 5, 0, NCHW(2, 2, false), 1, 0},
};

static void test_geometries(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof geometries / sizeof *geometries); i++) {
        struct net net;
        if (getenv("PACKING_PRINT") != NULL)
            printf("%s%s\n", geometries[i / 2].name, i % 2 != 0 ? ", at the end" : "");
        const struct geometry *g = &geometries[i / 2];
        struct plan *plan = end_geometry(&net, g, begin_geometry(&net, g), i % 2 != 0);
        check_shared(plan, (g->flags & FIRST) != 0 ? 1 : 3, (g->flags & DENSE) == 0);
        net_done(&net, plan);
    }
}

/* ---- several operators in one step ------------------------------------------------------------ */

typedef int (*network)(struct net *net);

static const struct window same3 = {3, 1, true, false, 1}, half3 = {3, 2, true, false, 1},
                           one1 = {1, 1, false, false, 1}, half1 = {1, 2, false, false, 1},
                           pool2 = {2, 2, false, false, 1};

/* A value set that ends in a ReLU. */
static int made(struct net *net, int64_t h, int64_t w, int64_t c)
{
    return net_relu(net, net_conv(net, net_input(net, DIMS(h, w, c)), c, one1));
}

static int residual(struct net *net)
{
    int x = made(net, 8, 8, 6);
    return net_same(net, GRAPH_ADD, x,
                    net_conv(net, net_relu(net, net_bias(net, x, false)), 6, same3));
}

/* Two operands with different strides. */
static int residual_half(struct net *net)
{
    int x = made(net, 8, 8, 6), y = net_relu(net, net_conv(net, x, 8, half3));
    return net_same(net, GRAPH_ADD, net_conv(net, x, 8, half1), net_conv(net, y, 8, same3));
}

static int depthwise_residual(struct net *net)
{
    int x = made(net, 9, 9, 5);
    int y = net_relu(net, net_bias(net, x, false));
    return net_same(net, GRAPH_ADD, x, net_grouped(net, GRAPH_CONV2D, y, 5, same3, 5));
}

static int concatenated(struct net *net)
{
    int in[2] = {made(net, 7, 7, 3), made(net, 7, 7, 4)};
    return net_conv(net, net_concat(net, in, 2, 3), 5, same3);
}

static int conv_then_pool(struct net *net)
{
    return net_window(net, GRAPH_AVG_POOL, net_conv(net, made(net, 12, 12, 2), 4, same3), 0, pool2);
}

static int pool_then_conv(struct net *net)
{
    return net_conv(net, net_window(net, GRAPH_AVG_POOL, made(net, 12, 12, 2), 0, pool2), 4, same3);
}

static int two_convs(struct net *net)
{
    return net_conv(net, net_conv(net, made(net, 10, 10, 2), 3, same3), 2, same3);
}

static int padded(struct net *net)
{
    return net_conv(net, net_pad(net, made(net, 9, 7, 2), 1, 2, 2, 0), 4,
                    (struct window){3, 2, false, false, 1});
}

static int max_pooled(struct net *net)
{
    int x =
        net_window(net, GRAPH_MAX_POOL, net_conv(net, made(net, 12, 12, 2), 4, same3), 0, pool2);
    return net_conv(net, net_relu(net, x), 3, same3);
}

/* A dense layer that makes a picture, and a convolution of it. */
static int picture_of_dense(struct net *net)
{
    int x = net_relu(net, net_dense(net, net_input(net, DIMS(20)), 75));
    return net_conv(net, net_add(net, GRAPH_RESHAPE, x, -1, DIMS(5, 5, 3)), 4, same3);
}

static int other_order(struct net *net)
{
    int x = net_transpose(net, made(net, 8, 6, 3), 3, 1, 2);
    return net_conv(net, x, 4, (struct window){3, 1, true, true, 1});
}

/* Every fourth value, in an order of no picture. */
static int scattered(struct net *net)
{
    int64_t from[50];
    for (int i = 0; i < 50; i++)
        from[i] = (i * 52 + 3) % 200;
    return net_dense(net, net_gather(net, net_input(net, DIMS(200)), from, DIMS(50)), 7);
}

/* A weight that depends on the place. */
static int mask(struct net *net)
{
    int x = made(net, 6, 6, 2);
    return net_conv(net, net_same(net, GRAPH_MUL, x, net_const(net, 1, DIMS(6, 6, 2))), 3, same3);
}

/* Values that are left out at some places: no convolution, since those must not be read. */
static int holes(struct net *net)
{
    int64_t from[98];
    for (int i = 0; i < 98; i++)
        from[i] = i % 5 == 2 ? -1 : i;
    return net_conv(net, net_gather(net, net_input(net, DIMS(7, 7, 2)), from, DIMS(7, 7, 2)), 3,
                    same3);
}

static int products(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same3);
    return net_conv(net, net_same(net, GRAPH_MUL, x, x), 2, same3);
}

/* Averages over volumes of two channels, in the order channel, slice, row, column. */
static int volumes(struct net *net)
{
    const struct window two = {2, 1, false, true, 1};
    int x = net_input(net, DIMS(2, 9, 8, 8));
    x = net_add(net, GRAPH_RESHAPE, x, -1, DIMS(18, 8, 8));
    x = net_window(net, GRAPH_AVG_POOL, x, 0, two);
    x = net_add(net, GRAPH_RESHAPE, x, -1, DIMS(2, 9, 49));
    x = net_window(net, GRAPH_AVG_POOL, x, 0, two);
    net_node(net, x)->window.kernel[1] = 1; /* along the slices alone */
    net_node(net, x)->dims[3] = 49;
    return net_add(net, GRAPH_RESHAPE, x, -1, DIMS(2, 8, 7, 7));
}

/* Channels last, parted in groups behind the convolution. */
static int parted_channels(struct net *net)
{
    int x = net_conv(net, made(net, 6, 6, 2), 4, same3);
    x = net_relu(net, net_add(net, GRAPH_RESHAPE, x, -1, DIMS(6, 6, 2, 2)));
    return net_conv(net, net_add(net, GRAPH_RESHAPE, x, -1, DIMS(6, 6, 4)), 3, same3);
}

static const struct {
    const char *name;
    network make;
    bool shared; /* the last linear step is a convolution */
} networks[] = {
    {"residual", residual, true},
    {"residual, halved", residual_half, true},
    {"depthwise residual", depthwise_residual, true},
    {"concatenated", concatenated, true},
    {"convolution, then pool", conv_then_pool, true},
    {"pool, then convolution", pool_then_conv, true},
    {"two convolutions, whose border has weights of its own", two_convs, false},
    {"padded", padded, true},
    {"behind a maximum", max_pooled, true},
    {"picture of a dense layer", picture_of_dense, true},
    {"other order", other_order, true},
    {"scattered", scattered, false},
    {"mask", mask, false},
    {"holes", holes, false},
    {"products", products, true},
    {"volumes", volumes, true},
    {"parted channels", parted_channels, true},
};

static void test_networks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct net net;
        net_init(&net, 100 + i);
        if (getenv("PACKING_PRINT") != NULL)
            printf("%s\n", networks[i].name);
        struct plan *plan = packed_plan(&net, networks[i].make(&net), 12, 16);
        unsigned last = plan->pub.n_steps - 1;
        while (plan->pub.steps[last].kind != STEP_LINEAR)
            last--;
        check_shared(plan, last, networks[i].shared);
        net_done(&net, plan);
    }
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* Where values lie and what is multiplied does not depend on weights: random ones, zeros, ones. */
static void test_values_decide_nothing(void **state)
{
    static const struct geometry cases[] = {{"convolution", 9, 9, 3, 5, CONV(3, 1, true), 1, 0},
                                            {"depthwise", 9, 9, 4, 4, CONV(3, 1, true), 4, 0},
                                            {"strided", 13, 13, 3, 6, CONV(3, 2, true), 1, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net net[3];
        struct plan *plan[3];
        for (unsigned v = 0; v < 3; v++) {
            int conv = begin_geometry(&net[v], &cases[i]);
            struct graph_tensor *kernel =
                &net_node(&net[v], net_node(&net[v], conv)->inputs[1])->value;
            for (size_t k = 0; v > 0 && k < kernel->count; k++)
                kernel->f[k] = v == 1 ? 0.0f : 0.25f;
            plan[v] = end_geometry(&net[v], &cases[i], conv, false);
        }
        const struct packed *a = plan[0]->packed[3];
        struct terms of_a, of_b;
        terms_take(&of_a, plan[0], 3);
        for (unsigned v = 1; v < 3; v++) {
            const struct packed *b = plan[v]->packed[3];
            assert_int_equal(a->set, b->set);
            assert_int_equal(a->places.n_in, b->places.n_in);
            assert_int_equal(a->places.n_out, b->places.n_out);
            assert_memory_equal(a->places.in, b->places.in, a->places.n_in * sizeof *a->places.in);
            assert_memory_equal(a->places.out, b->places.out,
                                a->places.n_out * sizeof *a->places.out);
            assert_int_equal(a->n_products, b->n_products);
            assert_int_equal(a->n_polys, b->n_polys);
            terms_take(&of_b, plan[v], 3);
            assert_memory_equal(of_a.first, of_b.first, (a->n_polys + 1) * sizeof *of_a.first);
            assert_int_equal(of_a.n_terms, of_b.n_terms);
            for (size_t t = 0; t < of_a.n_terms; t++) {
                assert_int_equal(of_a.terms[t].weight, of_b.terms[t].weight);
                assert_int_equal(of_a.terms[t].coefficient, of_b.terms[t].coefficient);
                assert_int_equal(of_a.terms[t].minus, of_b.terms[t].minus);
            }
            terms_wipe(&of_b);
        }
        terms_wipe(&of_a);
        for (unsigned v = 0; v < 3; v++)
            net_done(&net[v], plan[v]);
    }
}

/* Rings of 20 bits leave little room for norms in the small set: fewer rows in a ciphertext, or the
 * large set. Where even one row is too much for what may be opened, there is no packing. */
static void test_norms(void **state)
{
    struct net net;
    (void)state;
    net_init(&net, 9);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(20)), 60));
    x = net_relu(&net, net_dense(&net, x, 60));
    struct plan *plan = packed_plan(&net, net_dense(&net, x, 5), 12, 16);
    uint32_t before = plan->packed[3]->places.out_cts;
    net_scaled(plan, 20, 20);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    const struct packed *p = check_step(plan, 3);
    assert_true(p->set == CKKS_S2 || p->places.out_cts > before);
    /* The same weights as one output ciphertext's would be refused by the rule. */
    double all = 0;
    for (size_t u = 0; u < plan->linear[3].n_out; u++)
        all += (double)plan->linear[3].norm2[u] * (double)plan->linear[3].norm2[u];
    assert_false(ckks_norm_fits(ckks_params(CKKS_S1), sqrt(all), 20));
    net_done(&net, plan);
}

/* The largest packings go first where polynomials do not fit; the others stay. */
static void test_within(void **state)
{
    struct net net;
    (void)state;
    net_init(&net, 32);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(20)), 400));
    x = net_relu(&net, net_dense(&net, x, 300));
    struct plan *plan = packed_plan(&net, net_dense(&net, x, 5), 14, 16);
    const uint64_t large = packed_bytes(plan->packed[3]);
    const uint64_t others = packed_bytes(plan->packed[1]) + packed_bytes(plan->packed[5]);
    assert_int_equal(large, plan->packed[3]->n_polys * 2048 * 8);
    plan_pack_within(plan, large + others);
    assert_non_null(plan->packed[3]);
    plan_pack_within(plan, large + others - 1);
    assert_null(plan->packed[3]);
    assert_true(plan->packed[1] != NULL && plan->packed[5] != NULL);
    plan_pack_within(plan, 0);
    assert_true(plan->packed[1] == NULL && plan->packed[5] == NULL);
    net_done(&net, plan);
}

/* Every weight drawn from -most .. most, and the norms that go with it. */
static void set_weights(struct linear *lin, struct net *net, int most)
{
    for (size_t i = 0; i < lin->n_weights; i++)
        lin->wi[i] = (int16_t)lrint(net_random(net) * most);
    for (size_t g = 0; g < lin->n_groups; g++)
        for (uint32_t r = 0; r < lin->groups[g].rows; r++) {
            const struct linear_group *group = &lin->groups[g];
            double square = 0;
            for (uint32_t c = 0; c < group->cols; c++) {
                const double w = lin->wi[linear_weight(lin, group, r, c)];
                square += w * w;
            }
            lin->norm2[group->rows_at + r] = (float)sqrt(square);
        }
}

/* Where the norm binds, a packing shows on which side of one size the weights are, and no more. */
static void test_sizes_of_weights(void **state)
{
    static const struct {
        int most;
        bool large; /* root mean square = most / sqrt(3) */
    } cases[] = {{1, false},   {40, false},  {250, false}, {440, false},
                 {1023, true}, {1000, true}, {700, true},  {600, true}};
    struct net net;
    (void)state;
    net_init(&net, 31);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(20)), 845));
    x = net_relu(&net, net_dense(&net, x, 200));
    struct plan *plan = packed_plan(&net, net_dense(&net, x, 5), 18, 18);
    struct packed *first[2] = {NULL, NULL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct packed *p = NULL;
        set_weights(&plan->linear[3], &net, cases[i].most);
        assert_int_equal(packed_new(&p, plan, 3), MP2ML_OK);
        assert_non_null(p);
        assert_true(ckks_norm_fits(ckks_params(p->set), p->norm2, 18));
        const struct packed *like = first[cases[i].large];
        if (like == NULL) {
            first[cases[i].large] = p;
            continue;
        }
        assert_int_equal(p->set, like->set);
        assert_int_equal(p->places.in_cts, like->places.in_cts);
        assert_int_equal(p->places.out_cts, like->places.out_cts);
        assert_int_equal(p->n_products, like->n_products);
        packed_free(p);
    }
    assert_true(first[0]->set != first[1]->set || /* the norm does bind */
                first[0]->places.out_cts != first[1]->places.out_cts);
    packed_free(first[0]);
    packed_free(first[1]);
    net_done(&net, plan);
}

/* While a model is loaded, the map of a convolution has the taps of one channel, not of all; that of
 * a dense layer has those of one row. */
static void test_shared_taps(void **state)
{
    static const struct geometry cases[] = {{"convolution", 9, 9, 3, 5, CONV(3, 1, true), 1, 0},
                                            {"small", 2, 2, 30, 20, CONV(3, 1, true), 1, 0},
                                            {"strided", 13, 13, 3, 6, CONV(3, 2, true), 1, 0},
                                            {"one place", 1, 1, 50, 40, CONV(1, 1, true), 1, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net net;
        struct packing_map map;
        bool found;
        struct plan *plan = end_geometry(&net, &cases[i], begin_geometry(&net, &cases[i]), false);
        assert_int_equal(packing_conv(&map, &found, plan, 3, PACKING_ALL_WAYS), MP2ML_OK);
        assert_int_equal(found, cases[i].h > 1);
        if (!found) {
            assert_int_equal(packing_dense(&map, &plan->linear[3]), MP2ML_OK);
            assert_null(map.taps);
            assert_int_equal(packing_dense_fill(&map, &plan->linear[3]), MP2ML_OK);
        }
        assert_int_equal(map.n_outs, cases[i].co);
        for (uint32_t m = 0; m < map.n_outs; m++)
            assert_int_equal(map.rows[m].taps_at, 0);
        packing_map_wipe(&map);
        net_done(&net, plan);
    }
}

/* Polynomials that would not be as many as were announced are refused, not written. */
static void test_numbers(void **state)
{
    struct net net;
    (void)state;
    net_init(&net, 13);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(3000)), 20));
    net_output(&net, net_dense(&net, x, 5));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_scaled(plan, 12, 16);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    const struct ckks_image *image = NULL;
    struct ckks *ck = NULL;
    struct packed *packed = plan->packed[1];
    size_t *const numbers[2] = {&packed->n_polys, &packed->n_products};
    assert_int_equal(ckks_new(&ck, ckks_params(packed->set)), MP2ML_OK);
    for (unsigned i = 0; i < 4; i++) {
        size_t before = *numbers[i / 2];
        *numbers[i / 2] = i % 2 != 0 ? before + 1 : before - 1;
        assert_int_equal(packed_image(&image, plan, 1, ck), MP2ML_ERR_PLAN);
        assert_null(image);
        *numbers[i / 2] = before;
    }
    assert_int_equal(packed_image(&image, plan, 1, ck), MP2ML_OK);
    assert_non_null(image);
    ckks_free(ck);
    net_done(&net, plan);
}

static void test_too_large(void **state)
{
    static const float sample[1] = {0.5f};
    struct net net;
    (void)state;
    net_init(&net, 11);
    int x = net_relu(&net, net_dense(&net, net_input(&net, DIMS(1)), 4100));
    net_output(&net, net_dense(&net, net_relu(&net, net_dense(&net, x, 4100)), 1));
    struct plan_options o = net_logits();
    o.ranges = PLAN_RANGES_CALIBRATED;
    o.calibration = sample;
    o.calibration_samples = 1;
    struct plan *plan = net_plan(&net, &o);
    assert_int_equal(plan_pack(plan), MP2ML_OK); /* nothing is scaled yet */
    for (unsigned s = 0; s < plan->pub.n_steps; s++)
        assert_null(plan->packed[s]);
    net_scaled(plan, 12, 16);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    assert_non_null(plan->packed[1]);
    assert_null(plan->packed[3]); /* 4100 * 4100 > 2^24 */
    assert_non_null(plan->packed[5]);
    net_done(&net, plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_dense_counts),
        cmocka_unit_test(test_geometries),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_values_decide_nothing),
        cmocka_unit_test(test_norms),
        cmocka_unit_test(test_sizes_of_weights),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_shared_taps),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
