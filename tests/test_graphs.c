/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of graphs: what is shared, joined, dropped, moved, narrowed and widened costs no step more
 * than it must; in floats, in both layouts and with both engines. */
#include "graph_runs.h"

static const struct window same3 = {3, 1, true, false, 1}, one1 = {1, 1, false, false, 1},
                           pool2 = {2, 2, false, false, 1};

static int add(struct net *net, int a, int b)
{
    return net_same(net, GRAPH_ADD, a, b);
}

static int constant(struct net *net, float value, bool attribute)
{
    int i = net_const(net, 0, DIMS(1));
    net_node(net, i)->value.f[0] = value;
    net_node(net, i)->attribute = attribute;
    return i;
}

static int dense_end(struct net *net, int x, int64_t m)
{
    return net_dense(net, net_flat(net, x), m);
}

/* ---- shared values ---------------------------------------------------------------------------- */

static void diamond(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(5, 5, 2)), 3, same3);
    int a = net_relu(net, net_conv(net, x, 3, same3)), b = net_conv(net, x, 3, one1);
    net_output(net, dense_end(net, add(net, a, b), 3));
}

static void relu_diamond(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(5, 5, 2)), 3, same3));
    int a = net_relu(net, net_conv(net, x, 3, same3)), b = net_relu(net, net_conv(net, x, 3, one1));
    net_output(net, dense_end(net, add(net, a, b), 3));
}

/* A skip with a projection and strides. */
static void projection(struct net *net)
{
    const struct window stride3 = {3, 2, true, false, 1}, stride1 = {1, 2, true, false, 1};
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same3));
    int a = net_relu(net, net_conv(net, x, 4, stride3));
    a = net_conv(net, a, 4, same3);
    net_output(net, dense_end(net, net_relu(net, add(net, a, net_conv(net, x, 4, stride1))), 3));
}

/* ReLUs and linear parts joined, in a chain. */
static void dense_net(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    int y = net_concat(
        net, (const int[]){net_relu(net, x), net_conv(net, net_relu(net, x), 2, same3)}, 2, 3);
    int z = net_concat(net, (const int[]){y, net_relu(net, net_conv(net, y, 2, same3))}, 2, 3);
    net_output(net, dense_end(net, net_relu(net, net_conv(net, z, 2, one1)), 3));
}

static void two_inputs(struct net *net)
{
    int a = net_input(net, DIMS(4, 4, 1)), b = net_input(net, DIMS(6));
    int x = net_relu(net, dense_end(net, a, 5)), y = net_relu(net, net_dense(net, b, 4));
    net_output(net, net_dense(net, net_concat(net, (const int[]){x, y}, 2, 1), 3));
}

static void two_inputs_at_once(struct net *net)
{
    int a = net_input(net, DIMS(6)), b = net_input(net, DIMS(6));
    net_output(net, net_dense(net, net_relu(net, net_dense(net, add(net, a, b), 5)), 3));
}

static void inner_output(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    net_output(net, x);
    net_output(net, dense_end(net, x, 3));
}

static void linear_inner_output(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    net_output(net, x);
    net_output(net, dense_end(net, net_relu(net, x), 3));
}

static void output_of_input(struct net *net)
{
    int x = net_input(net, DIMS(5));
    net_output(net, x);
    net_output(net, net_dense(net, x, 3));
}

static void same_output_twice(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(5)), 4);
    net_output(net, x);
    net_output(net, x);
}

static void shared_relu(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same3));
    int a = net_conv(net, x, 2, same3), b = net_conv(net, x, 2, one1);
    int c = net_window(net, GRAPH_MAX_POOL, x, 0, pool2);
    net_output(net, dense_end(net, net_relu(net, a), 3));
    net_output(net, dense_end(net, net_relu(net, b), 2));
    net_output(net, dense_end(net, c, 2));
}

static void shared_constant(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(6)), 5), c = net_const(net, 1, DIMS(5));
    int a = net_relu(net, net_same(net, GRAPH_ADD, x, c));
    int b = net_relu(net, net_same(net, GRAPH_MUL, x, c));
    net_output(net, net_dense(net, add(net, a, b), 3));
}

static void dead_branch(struct net *net)
{
    int x = net_relu(net, net_dense(net, net_input(net, DIMS(6)), 5));
    (void)net_relu(net, net_dense(net, x, 7));
    net_output(net, net_dense(net, x, 3));
}

/* ---- linear parts ----------------------------------------------------------------------------- */

static void bottleneck(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(8, 8, 2)), 16, same3));
    x = net_conv(net, net_conv(net, net_conv(net, x, 2, one1), 2, same3), 16, one1);
    net_output(net, dense_end(net, net_relu(net, x), 3));
}

static void folded_join(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int a = net_same(net, GRAPH_MUL, net_conv(net, x, 3, same3), net_const(net, 1, DIMS(3)));
    int b = net_same(net, GRAPH_MUL, x, net_const(net, 1, DIMS(3)));
    int y = net_same(net, GRAPH_MUL, add(net, a, b), net_const(net, 1, DIMS(3)));
    y = net_bias(net, y, false);
    net_output(net, dense_end(net, net_relu(net, y), 3));
}

static void folded_concat(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int y =
        net_concat(net, (const int[]){net_conv(net, x, 2, same3), net_conv(net, x, 3, one1)}, 2, 3);
    y = net_bias(net, net_same(net, GRAPH_MUL, y, net_const(net, 1, DIMS(5))), false);
    net_output(net, dense_end(net, net_relu(net, y), 3));
}

static void average_then_add(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 3, same3));
    int a = net_window(net, GRAPH_AVG_POOL, x, 0, pool2);
    int b = net_conv(net, x, 3, (struct window){3, 2, true, false, 1});
    net_output(net, dense_end(net, net_relu(net, add(net, a, b)), 3));
}

static void separable(struct net *net, bool nchw)
{
    const struct window deep = {3, 1, true, nchw, 1}, point = {1, 1, false, nchw, 1};
    int x = nchw ? net_input(net, DIMS(3, 6, 6)) : net_input(net, DIMS(6, 6, 3));
    x = net_relu(net, net_bias(net, net_conv(net, x, 4, deep), nchw));
    x = net_relu(net, net_bias(net, net_grouped(net, GRAPH_CONV2D, x, 4, deep, 4), nchw));
    x = net_relu(net, net_bias(net, net_conv(net, x, 5, point), nchw));
    x = net_window(net, GRAPH_AVG_POOL, x, 0, (struct window){6, 1, false, nchw, 1});
    net_output(net, dense_end(net, x, 3));
}
static void separable_nhwc(struct net *net)
{
    separable(net, false);
}
static void separable_nchw(struct net *net)
{
    separable(net, true);
}

/* ---- two of data ------------------------------------------------------------------------------ */

/* max(a, b) = relu(a-b) + b */
static void maximum_of_branches(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_dense(net, x, 5), b = net_dense(net, x, 5);
    int m = add(net, net_relu(net, net_same(net, GRAPH_SUB, a, b)), b);
    net_output(net, net_dense(net, m, 3));
}

static void product_of_branches(struct net *net)
{
    int x = net_relu(net, net_dense(net, net_input(net, DIMS(6)), 5));
    int p = net_same(net, GRAPH_MUL, net_dense(net, x, 5), net_relu(net, net_dense(net, x, 5)));
    net_output(net, net_dense(net, p, 3));
}

static void squeeze_excite(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 4, same3));
    int s = net_window(net, GRAPH_AVG_POOL, x, 0, (struct window){4, 1, false, false, 1});
    s = net_relu(net, net_conv(net, s, 2, one1));
    s = net_bias(net, net_conv(net, s, 4, one1), false);
    /* hard sigmoid: relu(s) - relu(s - 1) */
    s = net_same(net, GRAPH_SUB, net_relu(net, s),
                 net_relu(net, net_same(net, GRAPH_SUB, s, constant(net, 0.3f, true))));
    int y = net_same(net, GRAPH_MUL, x, s);
    net_output(net, dense_end(net, y, 3));
}

/* (1, c) * (h, 1): both are spread. */
static void outer_product(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_add(net, GRAPH_RESHAPE, net_dense(net, x, 3), -1, DIMS(3, 1));
    int b = net_add(net, GRAPH_RESHAPE, net_dense(net, x, 4), -1, DIMS(1, 4));
    net_output(net, dense_end(net, net_add(net, GRAPH_MUL, a, b, DIMS(3, 4)), 3));
}

static void sum_spread(struct net *net)
{
    int x = net_input(net, DIMS(6));
    int a = net_add(net, GRAPH_RESHAPE, net_relu(net, net_dense(net, x, 3)), -1, DIMS(3, 1));
    int b = net_add(net, GRAPH_RESHAPE, net_relu(net, net_dense(net, x, 4)), -1, DIMS(1, 4));
    net_output(net, dense_end(net, net_add(net, GRAPH_ADD, a, b, DIMS(3, 4)), 3));
}

/* ---- ends ------------------------------------------------------------------------------------- */

static void softmax_and_logits(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(6)), 5);
    int s = net_same(net, GRAPH_SOFTMAX, x, -1);
    net_node(net, s)->axis = 1;
    net_output(net, s);
    net_output(net, x);
}

static void scalars(struct net *net)
{
    int x = net_input(net, NULL, 0);
    int y = net_add(net, GRAPH_RESHAPE, x, -1, DIMS(1));
    y = net_relu(net, net_dense(net, y, 4));
    net_output(net, net_dense(net, y, 2));
    net_output(net, net_same(net, GRAPH_MUL, x, constant(net, 3, false)));
}

static void rank6(struct net *net)
{
    int x = net_input(net, DIMS(2, 1, 3, 2, 2));
    x = net_relu(net, net_same(net, GRAPH_MUL, x, net_const(net, 1, DIMS(3, 1, 2))));
    net_output(net, dense_end(net, x, 3));
    net_output(net, net_same(net, GRAPH_ADD, x, net_const(net, 1, DIMS(1, 2))));
}

/* The mean of everything, as reductions are said. */
static void mean_of_all(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3));
    int y = net_add(net, GRAPH_RESHAPE, x, -1, DIMS(1, 48, 1));
    y = net_add(net, GRAPH_AVG_POOL, y, -1, DIMS(1, 1, 1));
    net_node(net, y)->window =
        (struct graph_window){.kernel = {1, 48}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
    net_output(net, net_add(net, GRAPH_RESHAPE, y, -1, NULL, 0));
}

static void constant_output(struct net *net)
{
    const int64_t none[3] = {-1, -1, -1};
    int x = net_input(net, DIMS(300));
    net_output(net, net_dense(net, net_relu(net, net_dense(net, x, 4)), 2));
    net_output(net, net_same(net, GRAPH_ADD, net_gather(net, x, none, DIMS(3)),
                             net_const(net, 4, DIMS(3))));
}

/* With nothing but zeros in it, too. */
static void only_constant(struct net *net)
{
    const int64_t none[3] = {-1, -1, -1};
    int x = net_input(net, DIMS(5));
    net_output(net, net_gather(net, x, none, DIMS(3)));
    net_output(net, net_same(net, GRAPH_ADD, net_gather(net, x, none, DIMS(3)),
                             net_const(net, 4, DIMS(3))));
}

/* ---- the cases -------------------------------------------------------------------------------- */

static void shared_values(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {diamond, "input linear relu linear output", -1, 1, false},
        {relu_diamond, "input linear relu linear relu linear relu linear output", -1, 1, false},
        {projection, "input linear relu linear relu linear relu linear output", -1, 1, false},
        {dense_net, "input linear relu linear re-entry linear relu linear relu linear output", -1,
         1, false},
        {shared_relu,
         "input linear relu max relu linear relu linear relu linear output linear output linear "
         "output",
         -1, 1, false},
        {shared_constant, "input linear relu relu linear output", -1, 1, false},
        {dead_branch, "input linear relu linear output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void inputs_and_outputs(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {two_inputs, "input input linear relu linear relu linear output", -1, 1, false},
        {two_inputs_at_once, "input input linear relu linear output", -1, 1, false},
        {inner_output, "input linear relu linear output linear output", -1, 1, false},
        {linear_inner_output, "input linear relu output linear output", -1, 1, false},
        {output_of_input, "input output linear output", -1, 1, false},
        {same_output_twice, "input linear output output", -1, 1, false},
        {softmax_and_logits, "input linear output output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void linear_parts(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {bottleneck, "input linear relu linear re-entry linear relu linear output", -1, 1, false},
        {folded_join, "input linear relu linear relu linear output", -1, 1, false},
        {folded_concat, "input linear relu linear relu linear output", -1, 1, false},
        {average_then_add, "input linear relu linear relu linear output", -1, 1, false},
        {separable_nhwc, "input linear relu linear relu linear relu linear output", -1, 1, false},
        {separable_nchw, "input linear relu linear relu linear relu linear output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void two_of_data(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {maximum_of_branches, "input linear relu linear output", -1, 1, false},
        {product_of_branches, "input linear relu linear relu linear product linear output", -1, 1,
         false},
        {squeeze_excite, /* the gate is a factor as it is clipped */
         "input linear relu linear relu linear relu relu sum product linear output", -1, 1, false},
        {outer_product, "input linear linear product linear output", -1, 1, false},
        {sum_spread, "input linear relu linear relu linear output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

static void shapes(void **state)
{
    (void)state;
    static const struct graph_case cases[] = {
        {scalars, "input linear relu linear output linear output", -1, 1, false},
        {rank6, "input linear relu linear output linear output", -1, 1, false},
        {mean_of_all, "input linear relu linear output", -1, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        graph_check(&cases[i]);
}

/* Constants of an output take the ciphertexts of the step with the fewest values. */
static void constants(void **state)
{
    (void)state;
    graph_check(
        &(struct graph_case){only_constant, "input linear output linear output", -1, 1, false});
    graph_check(&(struct graph_case){
        constant_output, "input linear relu linear output linear output", -1, 1, false});
    struct net net;
    net_init(&net, 1);
    constant_output(&net);
    const struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    const struct plan_step *end = &plan->pub.steps[plan->pub.n_steps - 1];
    const struct plan_step *linear = &plan->pub.steps[end->operands[0]];
    assert_int_equal(linear->n_operands, 1);
    assert_int_equal(plan->pub.steps[linear->operands[0]].count, 4); /* not the input's 300 */
    net_done(&net, plan);
}

/* The same network with channels first: the same steps, bytes and packings. */
static void channels_first(void **state)
{
    (void)state;
    struct plan_public pub[2];
    struct cost cost[2];
    for (unsigned nchw = 0; nchw < 2; nchw++) {
        struct net net;
        net_init(&net, 40);
        separable(&net, nchw);
        const struct plan_options o = net_logits();
        struct plan *plan = net_plan(&net, &o);
        struct plan_situation situation;
        net_scaled(plan, 13, 20);
        assert_int_equal(plan_pack(plan), MP2ML_OK);
        plan_situation_init(&situation);
        situation.layout = 1 + PLAN_IMAGE;
        assert_int_equal(plan_choose(&pub[nchw], plan, &situation), MP2ML_OK);
        const struct plan view = plan_view(plan, &pub[nchw]);
        cost[nchw] = plan_cost(&view, 1, 0);
        net_done(&net, plan);
    }
    assert_int_equal(pub[0].n_steps, pub[1].n_steps);
    unsigned packed = 0;
    for (unsigned s = 0; s < pub[0].n_steps; s++) {
        const struct plan_step *a = &pub[0].steps[s], *b = &pub[1].steps[s];
        assert_true(a->kind == b->kind && a->count == b->count && a->layout == b->layout &&
                    a->l == b->l && a->packing.in_cts == b->packing.in_cts &&
                    a->packing.out_cts == b->packing.out_cts);
        packed += a->layout == PLAN_IMAGE && a->packing.in_cts == 1;
    }
    assert_int_equal(packed, 4); /* pictures, not values one by one */
    assert_int_equal(cost[0].bytes_to_server, cost[1].bytes_to_server);
    assert_int_equal(cost[0].bytes_to_client, cost[1].bytes_to_client);
    plan_public_wipe(&pub[0]);
    plan_public_wipe(&pub[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_values),  cmocka_unit_test(inputs_and_outputs),
        cmocka_unit_test(linear_parts),   cmocka_unit_test(two_of_data),
        cmocka_unit_test(shapes),         cmocka_unit_test(constants),
        cmocka_unit_test(channels_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
