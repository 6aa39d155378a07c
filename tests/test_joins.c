/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks that part and join again: concatenations, splits, pools over several steps, products,
 * relatives of the ReLU; in floats, in both layouts and with both engines. */
#include "graph_runs.h"

static const struct window same3 = {3, 1, true, false, 1}, one1 = {1, 1, false, false, 1},
                           pool2 = {2, 2, false, false, 1};

static int add(struct net *net, int a, int b)
{
    return net_same(net, GRAPH_ADD, a, b);
}

static int constant(struct net *net, float value)
{
    int i = net_const(net, 0, DIMS(1));
    net_node(net, i)->value.f[0] = value;
    net_node(net, i)->attribute = true;
    return i;
}

static int dense_end(struct net *net, int x, int64_t m)
{
    return net_dense(net, net_flat(net, x), m);
}

static int up2(struct net *net, int in) /* nearest neighbour, NHWC */
{
    const struct graph_node *x = net_node(net, in);
    int64_t h = x->dims[1], w = x->dims[2], c = x->dims[3], from[1024];
    for (int64_t i = 0; i < 4 * h * w * c; i++)
        from[i] = ((i / c / (2 * w) / 2) * w + i / c % (2 * w) / 2) * c + i % c;
    return net_gather(net, in, from, DIMS(2 * h, 2 * w, c));
}
static int channels(struct net *net, int in, int64_t from, int64_t n)
{
    const struct graph_node *x = net_node(net, in);
    int64_t at[1024], c = x->dims[3];
    for (int64_t i = 0; i < x->dims[1] * x->dims[2] * n; i++)
        at[i] = i / n * c + from + i % n;
    return net_gather(net, in, at, DIMS(x->dims[1], x->dims[2], n));
}

/* Down, up, joined with what was before. */
static void unet(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int y = net_window(net, GRAPH_MAX_POOL, x, 0, pool2);
    y = net_relu(net, net_conv(net, y, 4, same3));
    y = net_concat(net, (const int[]){up2(net, y), x}, 2, 3);
    y = net_relu(net, net_conv(net, y, 3, same3));
    net_output(net, net_conv(net, y, 2, one1));
}
/* Half of the channels goes on as it is. */
static void shuffle(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 4, same3));
    for (unsigned i = 0; i < 2; i++) {
        int y = net_relu(net, net_conv(net, channels(net, x, 2, 2), 2, one1));
        y = net_grouped(net, GRAPH_CONV2D, y, 2, same3, 2);
        y = net_relu(net, net_conv(net, y, 2, one1));
        x = net_concat(net, (const int[]){channels(net, x, 0, 2), y}, 2, 3);
        const int64_t order[4] = {0, 2, 1, 3};
        int64_t from[64];
        for (int64_t k = 0; k < 64; k++)
            from[k] = k / 4 * 4 + order[k % 4];
        x = net_gather(net, x, from, DIMS(4, 4, 4));
    }
    net_output(net, dense_end(net, x, 3));
}
static void inception(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int a = net_relu(net, net_conv(net, x, 2, one1));
    int b = net_relu(net, net_conv(net, net_relu(net, net_conv(net, x, 2, one1)), 3, same3));
    int c = net_window(net, GRAPH_MAX_POOL, x, 0, same3);
    c = net_relu(net, net_conv(net, c, 2, one1));
    int y = net_concat(net, (const int[]){a, b, c}, 3, 3);
    y = net_window(net, GRAPH_MAX_POOL, y, 0, pool2);
    net_output(net, dense_end(net, y, 3));
}
static void pool_of_mixed(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    int y = net_concat(net, (const int[]){net_relu(net, x), x}, 2, 3);
    y = net_window(net, GRAPH_MAX_POOL, y, 0, pool2);
    net_output(net, dense_end(net, y, 3));
}
static void pool_of_input(struct net *net)
{
    int x = net_window(net, GRAPH_MAX_POOL, net_input(net, DIMS(4, 4, 2)), 0, pool2);
    net_output(net, dense_end(net, net_relu(net, net_conv(net, x, 2, same3)), 3));
}
static void product_chain(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_dense(net, x, 5), b = net_dense(net, x, 5), c = net_dense(net, x, 5);
    net_output(net, net_same(net, GRAPH_MUL, net_same(net, GRAPH_MUL, a, b), c));
}
static void product_of_sums(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_dense(net, x, 5), b = net_dense(net, x, 5), c = net_relu(net, net_dense(net, x, 5));
    net_output(
        net, net_dense(
                 net, net_same(net, GRAPH_MUL, add(net, a, b), net_same(net, GRAPH_SUB, c, a)), 3));
}
static void relu_of_product(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int p = net_same(net, GRAPH_MUL, net_dense(net, x, 5), net_dense(net, x, 5));
    net_output(net, net_dense(net, net_relu(net, p), 3));
}
static void input_times_gate(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int p = net_same(net, GRAPH_MUL, x, net_relu(net, net_dense(net, x, 6)));
    net_output(net, net_dense(net, add(net, p, net_same(net, GRAPH_MUL, x, x)), 3));
}
/* As an untrained HardSwish with a gate behind it: values vanish, the gates are 0.5 and hardly more. */
static int gate_of(struct net *net, int x)
{
    int y = net_same(net, GRAPH_MUL, x, constant(net, 1.0f / 6));
    y = add(net, y, constant(net, 0.5f));
    return net_same(net, GRAPH_SUB, net_relu(net, y),
                    net_relu(net, net_same(net, GRAPH_SUB, y, constant(net, 1))));
}
static void vanishing_gates(struct net *net)
{
    int x = net_input(net, DIMS(4, 4, 2));
    for (int i = 0; i < 2; i++) {
        x = net_same(net, GRAPH_MUL, net_conv(net, x, 3, same3), constant(net, 1e-4f));
        x = net_same(net, GRAPH_MUL, x, gate_of(net, x));
        int mean = net_window(net, GRAPH_AVG_POOL, x, 0, (struct window){4, 1, false, false, 1});
        mean = net_conv(net, net_relu(net, net_conv(net, mean, 2, one1)), 3, one1);
        x = net_same(net, GRAPH_MUL, x, gate_of(net, mean));
    }
    net_output(net, dense_end(net, x, 3));
}
static void concat_of_products(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_dense(net, x, 4), r = net_relu(net, a);
    int y = net_concat(
        net, (const int[]){net_same(net, GRAPH_MUL, a, a), r, net_same(net, GRAPH_MUL, a, r)}, 3,
        1);
    net_output(net, net_dense(net, y, 3));
}
static void relu6_twice(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    for (int i = 0; i < 2; i++) {
        int r = net_relu(net, x), six = constant(net, 0.3f);
        x = net_conv(net,
                     net_same(net, GRAPH_SUB, r, net_relu(net, net_same(net, GRAPH_SUB, x, six))),
                     3, same3);
    }
    net_output(net, dense_end(net, x, 3));
}
static void residual_relu6(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    for (int i = 0; i < 2; i++) {
        int y = net_conv(net, x, 6, one1);
        int r = net_relu(net, y), six = constant(net, 0.3f);
        y = net_same(net, GRAPH_SUB, r, net_relu(net, net_same(net, GRAPH_SUB, y, six)));
        y = net_conv(net, y, 3, one1);
        x = add(net, x, y);
    }
    net_output(net, dense_end(net, x, 3));
}
static void transposes(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    x = net_transpose(net, x, 3, 1, 2);
    x = net_relu(net, net_bias(net, x, true));
    x = net_conv(net, x, 2, (struct window){3, 1, true, true, 1});
    x = net_transpose(net, x, 2, 3, 1);
    x = net_relu(net, x);
    net_output(net, x);
    net_output(net, dense_end(net, net_transpose(net, x, 2, 1, 3), 3));
}
static void abs_and_leaky(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(6)), 5);
    int a =
        net_same(net, GRAPH_SUB, net_same(net, GRAPH_MUL, net_relu(net, x), constant(net, 2)), x);
    int b = add(net, net_same(net, GRAPH_MUL, net_relu(net, a), constant(net, 0.9f)),
                net_same(net, GRAPH_MUL, a, constant(net, 0.1f)));
    net_output(net, net_dense(net, b, 3));
    net_output(net, a);
}
/* Two pools and nobody else read a ReLU. */
static void two_pools(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int a = net_window(net, GRAPH_MAX_POOL, x, 0, pool2);
    int b = net_window(net, GRAPH_MAX_POOL, x, 0, (struct window){4, 1, false, false, 1});
    net_output(net, dense_end(net, a, 3));
    net_output(net, dense_end(net, b, 3));
}
static void padded_pool(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int y = net_concat(net, (const int[]){x, net_relu(net, net_conv(net, x, 2, one1))}, 2, 3);
    y = net_pad(net, y, 1, 0, 0, 1);
    net_output(
        net,
        dense_end(
            net, net_window(net, GRAPH_MAX_POOL, y, 0, (struct window){3, 2, false, false, 1}), 3));
}
/* The zeros of a pad count where values may be below them. */
static void padded_linear_pool(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3), r = net_relu(net, x);
    x = net_window(net, GRAPH_MAX_POOL, net_pad(net, x, 1, 0, 0, 1), 0,
                   (struct window){2, 2, false, false, 1});
    net_output(net, dense_end(net, r, 2));
    net_output(net, dense_end(net, x, 3));
}
/* Along rows: windows have values of two steps. */
static void pool_across(struct net *net)
{
    int x = net_input(net, DIMS(2, 4, 2));
    int a = net_relu(net, net_conv(net, x, 2, one1)), b = net_relu(net, net_conv(net, x, 2, same3));
    int y = net_concat(net, (const int[]){a, b}, 2, 1);
    net_output(
        net,
        dense_end(net, net_window(net, GRAPH_MAX_POOL, y, 0, (struct window){3, 1, true, false, 1}),
                  3));
}

static void joins(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {unet, "input linear relu max relu linear relu linear relu linear output", -1, 1, false},
        {shuffle, "input linear relu linear relu linear relu linear relu linear relu linear output",
         -1, 1, false},
        {transposes, "input linear relu linear relu linear output linear output", -1, 1, false},
        {concat_of_products, "input linear relu square product linear output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void pools(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {inception,
         "input linear relu linear linear relu linear max relu linear max relu max relu max relu "
         "linear output",
         -1, 1, false},
        {pool_of_mixed, "input linear max relu max re-entry linear output", -1, 1, false},
        {pool_of_input, "input linear max re-entry linear relu linear output", -1, 1, false},
        {two_pools, "input linear max relu max relu linear output linear output", -1, 1, false},
        {padded_pool, "input linear relu linear max relu max relu linear output", -1, 1, false},
        {padded_linear_pool, NULL, -1, 1, false},
        {pool_across, "input linear relu linear relu linear max re-entry linear output", -1, 1,
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void products(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {product_chain, "input linear linear product linear linear product linear output", -1, 1,
         false},
        {product_of_sums, "input linear relu linear linear product linear output", -1, 1, false},
        {relu_of_product, "input linear linear product linear relu linear output", -1, 1, false},
        {input_times_gate, "input linear relu linear product linear square linear output", -1, 1,
         false},
        {vanishing_gates, NULL, -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void relatives_of_relu(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {relu6_twice, "input linear relu relu sum linear relu relu sum linear output", -1, 1,
         false},
        {residual_relu6, "input linear relu relu sum linear relu relu sum linear output", -1, 1,
         false},
        {abs_and_leaky, "input linear relu re-entry sum linear relu linear output linear output",
         -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins),
        cmocka_unit_test(pools),
        cmocka_unit_test(products),
        cmocka_unit_test(relatives_of_relu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
