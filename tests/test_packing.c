/* SPDX-License-Identifier: Apache-2.0
 *
 * Packings: evaluated literally, as products of polynomials mod X^N + 1 over the integers, for random
 * inputs they give the linear map at every used coefficient of an output ciphertext. That shows
 * that nothing is polluted, whatever geometry was chosen. */
#include "plan_fixture.h"

struct check { /* one step's packing */
    const struct plan *plan;
    unsigned s;
    const struct packed *packed;
    size_t n;
    uint64_t seed;
};

static int64_t random_value(struct check *c)
{
    c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(c->seed >> 54) - 512;
}

/* The step's integers without the bias. */
static void expected(const struct linear *lin, int64_t *out, const int64_t *x)
{
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (size_t r = 0; r < group->rows; r++) {
            int64_t sum = 0;
            for (size_t i = 0; i < group->cols; i++)
                sum += (int64_t)lin->wi[group->weights_at + r * group->cols + i] *
                       x[lin->in_index[group->in_at + i]];
            out[lin->out_index[group->out_at + r]] = sum;
        }
    }
}

static void multiply(int64_t *sum, const int64_t *in, const struct check *c, uint32_t poly)
{
    const struct packed *p = c->packed;
    for (size_t t = p->first[poly]; t < p->first[poly + 1]; t++) {
        const struct packed_term *term = &p->terms[t];
        int64_t w = c->plan->linear[c->s].wi[term->weight];
        w = term->minus ? -w : w;
        assert_true(term->coefficient < c->n);
        for (size_t i = 0; i < c->n - term->coefficient; i++)
            sum[i + term->coefficient] += w * in[i];
        for (size_t i = c->n - term->coefficient; i < c->n; i++)
            sum[i + term->coefficient - c->n] -= w * in[i];
    }
}

/* Values and positions of boxes; freed by the caller. */
static size_t expand(uint32_t **value, uint32_t **position, const struct packing_box *boxes,
                     uint32_t n_boxes)
{
    size_t n = packing_places(boxes, n_boxes);
    *value = calloc(n + 1, sizeof **value);
    *position = calloc(n + 1, sizeof **position);
    assert_true(*value != NULL && *position != NULL);
    packing_expand(*value, *position, boxes, n_boxes);
    return n;
}

static void check_values(struct check *c)
{
    const struct linear *lin = &c->plan->linear[c->s];
    const struct packing *at = &c->packed->places;
    uint32_t *value, *position;
    int64_t *x = calloc(lin->n_in + 1, sizeof *x), *y = calloc(lin->n_out + 1, sizeof *y);
    int64_t *in = calloc(at->in_cts * c->n, sizeof *in),
            *out = calloc(at->out_cts * c->n, sizeof *out);
    assert_true(x != NULL && y != NULL && in != NULL && out != NULL);
    for (size_t v = 0; v < lin->n_in; v++)
        x[v] = random_value(c);
    expected(lin, y, x);
    size_t n = expand(&value, &position, at->in, at->n_in);
    for (size_t i = 0; i < n; i++)
        in[position[i]] = x[value[i]];
    free(value);
    free(position);
    for (size_t p = 0; p < c->packed->n_products; p++) {
        const struct packed_product *product = &c->packed->products[p];
        multiply(out + product->out_ct * c->n, in + product->in_ct * c->n, c, product->poly);
    }
    n = expand(&value, &position, at->out, at->n_out);
    for (size_t i = 0; i < n; i++)
        if (out[position[i]] != y[value[i]])
            fail_msg("step %u, value %u at %u: %lld, not %lld", c->s, value[i], position[i],
                     (long long)out[position[i]], (long long)y[value[i]]);
    free(value);
    free(position);
    free(x);
    free(y);
    free(in);
    free(out);
}

/* Order and numbers of the private part, and its norm. */
static void check_private(const struct check *c)
{
    const struct packed *p = c->packed;
    double *square = calloc(p->places.out_cts + 1, sizeof *square), most = 0;
    assert_non_null(square);
    for (size_t i = 0; i < p->n_products; i++) {
        const struct packed_product *a = &p->products[i], *before = a - (i != 0);
        assert_true(a->out_ct < p->places.out_cts && a->in_ct < p->places.in_cts);
        assert_true(a->poly < p->n_polys && p->first[a->poly] < p->first[a->poly + 1]);
        assert_true(i == 0 || before->out_ct < a->out_ct ||
                    (before->out_ct == a->out_ct && before->in_ct < a->in_ct));
        for (size_t t = p->first[a->poly]; t < p->first[a->poly + 1]; t++) {
            double w = c->plan->linear[c->s].wi[p->terms[t].weight];
            square[a->out_ct] += w * w;
        }
    }
    for (uint32_t o = 0; o < p->places.out_cts; o++)
        most = fmax(most, sqrt(square[o]));
    assert_true(fabs(most - p->norm2) <= 1e-9 * most);
    free(square);
}

/* The rules of docs/protocol.md for the set. */
static void check_set(const struct check *c)
{
    const struct plan_step *step = &c->plan->pub.steps[c->s];
    const struct ckks_params *params = ckks_params(c->packed->set);
    assert_non_null(params);
    assert_true(ckks_norm_fits(params, c->packed->norm2, step->k));
    assert_true(step->l <= params->max_l && step->k >= params->min_k && step->k <= params->max_k);
    if (step->set == CKKS_S2 && c->packed->set == CKKS_S1)
        fail_msg("step %u: an opened value of the small set", c->s);
}

/* The boxes travel and come back; the reader takes every rule for granted that it checks. */
static void check_bytes(const struct check *c)
{
    const struct packing *p = &c->packed->places;
    struct packing back;
    struct writer w;
    struct reader r;
    writer_init(&w);
    packing_write(&w, p);
    assert_int_equal(writer_done(&w), MP2ML_OK);
    r = reader_init(w.data, w.size);
    assert_int_equal(packing_read(&back, &r, c->packed->set, c->plan->linear[c->s].n_in,
                                  c->plan->linear[c->s].n_out),
                     MP2ML_OK);
    assert_int_equal(r.at - w.data, w.size);
    assert_int_equal(back.n_in, p->n_in);
    assert_int_equal(back.n_out, p->n_out);
    assert_memory_equal(back.in, p->in, p->n_in * sizeof *p->in);
    assert_memory_equal(back.out, p->out, p->n_out * sizeof *p->out);
    packing_wipe(&back);
    writer_wipe(&w);
}

static const struct packed *check_step(const struct plan *plan, unsigned s)
{
    struct check c = {plan, s, plan->packed[s], 0, s + 1};
    if (c.packed == NULL)
        fail_msg("step %u has no packing", s);
    c.n = ckks_params(c.packed->set)->n;
    check_set(&c);
    check_private(&c);
    check_values(&c);
    check_bytes(&c);
    if (getenv("PACKING_PRINT") != NULL)
        printf("step %u: S%u, %u in, %u out, %zu products, %zu polys, %u + %u boxes\n", s,
               c.packed->set, c.packed->places.in_cts, c.packed->places.out_cts,
               c.packed->n_products, c.packed->n_polys, c.packed->places.n_in,
               c.packed->places.n_out);
    return c.packed;
}

/* Plans the network up to `node`, packs and checks every linear step. */
static struct plan *packed_plan(struct net *net, int node, unsigned k, unsigned k_out)
{
    net_output(net, node);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_scaled(plan, k, k_out);
    assert_int_equal(plan_pack(plan), MP2ML_OK);
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        if (plan->pub.steps[s].kind == STEP_LINEAR)
            (void)check_step(plan, s);
        else
            assert_null(plan->packed[s]);
    }
    return plan;
}

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

struct geometry {
    const char *name;
    int64_t h, w, c, co; /* co = 0: a pool */
    struct window window;
    int64_t groups;
    bool first; /* the step reads the input itself, else what a ReLU of another step made */
};

/* One convolution or pool, in the middle of a network and so of the small set, or at its end. */
static struct plan *geometry_plan(struct net *net, const struct geometry *g, bool last)
{
    net_init(net, 77);
    bool nchw = g->window.nchw;
    int in = nchw ? net_input(net, DIMS(g->c, g->h, g->w)) : net_input(net, DIMS(g->h, g->w, g->c));
    if (!g->first)
        in = net_relu(net, net_bias(net, in, nchw));
    enum graph_op op = g->co > 0 ? GRAPH_CONV2D : GRAPH_AVG_POOL;
    int out = net_grouped(net, op, in, g->co, g->window, g->groups);
    if (!last) {
        out = net_relu(net, net_bias(net, out, nchw));
        out = net_dense(net, net_flat(net, out), 2);
    }
    return packed_plan(net, out, 12, 16);
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
    {"one", 1, 1, 1, 1, CONV(1, 1, false), 1, true},
    {"tiny", 2, 2, 1, 2, CONV(3, 1, true), 1, true},
    {"tiny 2", 3, 2, 3, 4, CONV(2, 1, false), 1, true},
    {"valid", 9, 9, 3, 5, CONV(3, 1, false), 1, true},
    {"same", 9, 9, 3, 5, CONV(3, 1, true), 1, true},
    {"same 5", 12, 12, 2, 3, CONV(5, 1, true), 1, false},
    {"even kernel", 10, 10, 2, 3, CONV(4, 1, true), 1, true},
    {"stride 2", 28, 28, 1, 5, CONV(5, 2, true), 1, true},
    {"stride 2 valid", 15, 15, 3, 4, CONV(3, 2, false), 1, true},
    {"stride 2 odd", 13, 11, 4, 6, CONV(3, 2, true), 1, false},
    {"stride 3", 20, 20, 2, 4, CONV(4, 3, true), 1, true},
    {"stride 3 valid", 19, 25, 2, 4, CONV(2, 3, false), 1, true},
    {"stride 4 of 11", 40, 40, 3, 4, CONV(11, 4, true), 1, true},
    {"1x1", 8, 8, 16, 24, CONV(1, 1, false), 1, false},
    {"1x1 stride 2", 8, 8, 6, 7, CONV(1, 2, false), 1, false},
    {"kernel over the map", 4, 4, 2, 3, CONV(7, 1, true), 1, true},
    {"kernel over the map, stride 2", 4, 4, 2, 3, CONV(7, 2, true), 1, true},
    {"non-square", 6, 31, 2, 3, CONV(3, 1, true), 1, true},
    {"line", 1, 60, 3, 4, CONV(1, 1, false), 1, true},
    {"dilated", 14, 14, 2, 3, {3, 1, true, false, 2}, 1, true},
    {"dilated valid", 16, 16, 2, 3, {3, 1, false, false, 3}, 1, true},
    {"dilated stride", 17, 17, 2, 3, {3, 2, true, false, 3}, 1, true},
    {"depthwise", 12, 12, 8, 8, CONV(3, 1, true), 8, false},
    {"depthwise stride 2", 12, 12, 6, 6, CONV(3, 2, true), 6, false},
    {"depthwise twice", 7, 7, 4, 8, CONV(3, 1, true), 4, false},
    {"grouped", 10, 10, 8, 12, CONV(3, 1, true), 4, false},
    {"pool", 12, 12, 6, 0, CONV(2, 2, false), 1, false},
    {"pool 3", 13, 13, 5, 0, CONV(3, 2, false), 1, false},
    {"pool of the whole", 7, 7, 40, 0, CONV(7, 7, false), 1, false},
    {"pool same", 6, 6, 3, 0, CONV(3, 2, true), 1, false},
    {"large", 60, 60, 1, 2, CONV(3, 1, true), 1, true},
    {"large valid", 51, 70, 2, 2, CONV(5, 1, false), 1, true},
    {"large stride", 112, 112, 1, 2, CONV(3, 2, true), 1, true},
    {"very wide", 3, 2500, 1, 2, CONV(3, 1, true), 1, true},
    {"large pool", 96, 96, 2, 0, CONV(2, 2, false), 1, true},
    {"many channels", 6, 6, 40, 30, CONV(3, 1, true), 1, false},
    {"channels first", 9, 9, 3, 5, NCHW(3, 1, true), 1, true},
    {"channels first stride", 14, 12, 3, 5, NCHW(3, 2, true), 1, false},
    {"channels first depthwise", 9, 9, 4, 4, NCHW(3, 1, true), 4, false},
    {"channels first pool", 8, 8, 5, 0, NCHW(2, 2, false), 1, false},
};

static void test_geometries(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof geometries / sizeof *geometries); i++) {
        struct net net;
        if (getenv("PACKING_PRINT") != NULL)
            printf("%s%s\n", geometries[i / 2].name, i % 2 != 0 ? ", at the end" : "");
        struct plan *plan = geometry_plan(&net, &geometries[i / 2], i % 2 != 0);
        net_done(&net, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_dense_counts),
        cmocka_unit_test(test_geometries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
