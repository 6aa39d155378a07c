/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: the steps are those that the network needs, and give what the graph gives. */
#include "plan_fixture.h"

static void conv_relu_dense(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 16; variant++) {
        bool nchw = variant & 1, same = variant & 2;
        struct net net;
        net_init(&net, variant);
        int x = nchw ? net_input(&net, DIMS(3, 9, 8)) : net_input(&net, DIMS(9, 8, 3));
        struct window w = {3, variant & 4 ? 2 : 1, same, nchw, variant & 8 ? 2 : 1};
        int y = net_bias(&net, net_conv(&net, x, 4, w), nchw);
        y = net_dense(&net, net_flat(&net, net_relu(&net, y)), 5);
        net_done(&net, net_check(&net, y, "input linear relu linear output"));
    }
}

static void kernels_are_stored_once(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 1);
    int x = net_input(&net, DIMS(20, 20, 3));
    int y = net_relu(
        &net, net_bias(&net, net_conv(&net, x, 6, (struct window){5, 1, false, false, 1}), false));
    y = net_relu(&net, net_conv(&net, y, 4, (struct window){3, 1, true, false, 1}));
    struct plan *plan = net_check(&net, y, "input linear relu linear relu output");
    assert_int_equal(plan->linear[1].n_weights, 5 * 5 * 3 * 6);
    assert_int_equal(plan->linear[1].n_groups, 16 * 16);
    /* Also for the nine ways to lie over the border, whose groups have some of its columns. */
    const struct linear *same = &plan->linear[3];
    assert_int_equal(same->n_weights, 6 * 4 * 9);
    assert_int_equal(linear_products(same), 6 * 4 * (14 * 14 * 9 + 4 * 14 * 6 + 4 * 4));
    assert_int_equal(same->groups[0].cols, 6 * 4);
    assert_int_equal(same->groups[17].cols, 6 * 9);
    /* Positions read by one list, moved: nine for values, nine for columns, one for results. */
    assert_true(same->n_index <= 2 * 6 * (9 + 4 * 6 + 4 * 4) + 4);
    assert_true(plan->linear[1].n_index <= 2 * 5 * 5 * 3 + 6);
    net_done(&net, plan);
}

static void moving_and_scaling(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 3);
    int x = net_input(&net, DIMS(6, 5, 2));
    int y = net_same(&net, GRAPH_MUL, x, net_const(&net, 2.0, DIMS(2)));
    y = net_same(&net, GRAPH_SUB, y, net_const(&net, 1.0, DIMS(1, 5, 1)));
    int one = net_const(&net, 1.0, DIMS(1));
    y = net_add(&net, GRAPH_SUB, one, y, DIMS(6, 5, 2)); /* constant - tensor */
    y = net_same(&net, GRAPH_DIV, y, net_const(&net, 3.0, DIMS(1, 1, 1, 1)));
    y = net_pad(&net, y, 0, 1, 2, 0);
    y = net_conv(&net, y, 3, (struct window){3, 2, false, false, 1});
    y = net_transpose(&net, y, 3, 1, 2);
    y = net_bias(&net, y, true);
    y = net_same(&net, GRAPH_MUL, y, net_const(&net, 1.0, DIMS(3, 1, 1)));
    y = net_relu(&net, y);
    y = net_transpose(&net, y, 2, 3, 1);
    y = net_pad(&net, y, 1, 0, 0, 1);
    y = net_dense(&net, net_flat(&net, y), 4);
    net_done(&net, net_check(&net, y, "input linear relu linear output"));
}

static void more_than_vectors(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 4);
    int x = net_input(&net, DIMS(3, 4)); /* a matrix product at each of three places */
    int w = net_const(&net, 0.7, DIMS(5, 4));
    int y = net_add(&net, GRAPH_MATMUL, x, w, DIMS(3, 5));
    net_node(&net, y)->transpose_b = true;
    net_output(&net, y);
    struct plan_options o;
    plan_options_init(&o);
    mp2ml_error err = {MP2ML_OK, ""};
    struct plan *plan;
    assert_int_equal(plan_new(&plan, net.g, &o, &err), MP2ML_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "--reveal logits"));
    o = net_logits();
    plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear output");
    assert_int_equal(plan->linear[1].n_weights, 20);
    assert_int_equal(plan->pub.outputs[0].rank, 2);
    plan_free(plan);
    o.policy = PLAN_ARGMAX;
    plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear argmax output");
    assert_int_equal(plan->pub.outputs[0].count, 3);
    assert_int_equal(plan->pub.steps[2].windows.first[1], 5);
    net_done(&net, plan);
}

static void max_pools(void **state)
{
    (void)state;
    const struct window conv = {3, 1, true, false, 1}, pool = {2, 2, false, false, 1};
    struct net net;
    net_init(&net, 5); /* after ReLU: first the maximum, then fewer ReLUs */
    int x = net_input(&net, DIMS(8, 6, 2));
    int y = net_window(&net, GRAPH_MAX_POOL, net_relu(&net, net_conv(&net, x, 3, conv)), 0, pool);
    y = net_dense(&net, net_flat(&net, y), 4);
    struct plan *plan = net_check(&net, y, "input linear max relu linear output");
    assert_int_equal(plan->pub.steps[3].count, 4 * 3 * 3);
    net_done(&net, plan);

    net_init(&net, 6); /* before ReLU, NCHW, SAME windows that are cut */
    x = net_input(&net, DIMS(2, 7, 5));
    y = net_conv(&net, x, 3, (struct window){3, 1, true, true, 1});
    y = net_relu(&net,
                 net_window(&net, GRAPH_MAX_POOL, y, 0, (struct window){3, 2, true, true, 1}));
    y = net_dense(&net, net_flat(&net, y), 4);
    net_done(&net, net_check(&net, y, "input linear max relu linear output"));

    net_init(&net, 7); /* without ReLU: re-entry */
    x = net_input(&net, DIMS(8, 6, 2));
    y = net_window(&net, GRAPH_MAX_POOL, net_conv(&net, x, 3, conv), 0, pool);
    y = net_dense(&net, net_flat(&net, y), 4);
    net_done(&net, net_check(&net, y, "input linear max re-entry linear output"));

    net_init(&net, 8); /* the ReLU is read twice: its operand is maximised */
    x = net_input(&net, DIMS(4, 4, 2));
    int r = net_relu(&net, net_conv(&net, x, 3, conv));
    y = net_dense(&net, net_flat(&net, net_window(&net, GRAPH_MAX_POOL, r, 0, pool)), 4);
    int z = net_dense(&net, net_flat(&net, r), 4);
    y = net_same(&net, GRAPH_ADD, y, z);
    net_done(&net, net_check(&net, y, "input linear relu max relu linear output"));

    net_init(&net, 9); /* of the input itself, and at the end */
    x = net_input(&net, DIMS(4, 4, 2));
    y = net_window(&net, GRAPH_MAX_POOL, x, 0, pool);
    net_done(&net, net_check(&net, y, "input linear max output"));
}

static void relu_at_the_ends(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 10);
    int y = net_relu(&net, net_input(&net, DIMS(5)));
    net_done(&net, net_check(&net, y, "input linear relu output"));
    net_init(&net, 11); /* twice is once; a transpose does not hinder */
    y = net_relu(&net, net_conv(&net, net_input(&net, DIMS(4, 4, 2)), 3,
                                (struct window){2, 1, true, false, 1}));
    y = net_relu(&net, net_transpose(&net, y, 2, 1, 3));
    y = net_dense(&net, net_flat(&net, y), 3);
    net_done(&net, net_check(&net, y, "input linear relu linear output"));
}

static void residual_networks(void **state)
{
    (void)state;
    const struct window same = {3, 1, true, false, 1};
    struct net net;
    net_init(&net, 12); /* relu(x + conv(relu(conv(x)))), with a strided short cut after it */
    int x = net_relu(&net, net_conv(&net, net_input(&net, DIMS(6, 6, 2)), 4, same));
    int y = net_relu(&net, net_bias(&net, net_conv(&net, x, 4, same), false));
    y = net_relu(&net, net_same(&net, GRAPH_ADD, net_conv(&net, y, 4, same), x));
    int cut = net_conv(&net, y, 6, (struct window){1, 2, true, false, 1});
    int z = net_conv(&net, y, 6, (struct window){3, 2, true, false, 1});
    z = net_relu(&net, net_same(&net, GRAPH_SUB, cut, z));
    z = net_dense(&net, net_flat(&net, z), 3);
    struct plan *plan =
        net_check(&net, z, "input linear relu linear relu linear relu linear relu linear output");
    assert_int_equal(plan->pub.steps[5].n_operands, 2);
    /* Both branches read the same values: one operand. */
    assert_int_equal(plan->pub.steps[7].n_operands, 1);
    net_done(&net, plan);

    net_init(&net, 13); /* pre-activation: the sum is needed by ReLU and by the next sum */
    x = net_conv(&net, net_input(&net, DIMS(4, 4, 2)), 3, same);
    y = net_conv(&net, net_relu(&net, x), 3, same);
    x = net_same(&net, GRAPH_ADD, x, y);
    y = net_conv(&net, net_relu(&net, x), 3, same);
    x = net_same(&net, GRAPH_ADD, x, y);
    net_done(&net, net_check(&net, net_dense(&net, net_flat(&net, net_relu(&net, x)), 3),
                             "input linear relu re-entry linear relu re-entry linear relu linear "
                             "output"));

    net_init(&net, 14); /* two inputs, one broadcast */
    x = net_input(&net, DIMS(3, 4));
    y = net_input(&net, DIMS(3, 1));
    y = net_same(&net, GRAPH_ADD, x, y);
    plan = net_check(&net, y, "input input linear output");
    assert_int_equal(linear_products(&plan->linear[2]), 24);
    net_done(&net, plan);
}

static void linear_chains_merge(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 15);
    const struct window pool = {2, 2, false, false, 1}, conv = {3, 1, true, false, 1};
    int x = net_input(&net, DIMS(16, 16, 1));
    int y = net_window(&net, GRAPH_AVG_POOL, x, 0, pool);
    y = net_bias(&net, net_conv(&net, y, 2, conv), false);
    y = net_window(&net, GRAPH_AVG_POOL, y, 0, pool);
    y = net_bias(&net, net_dense(&net, net_flat(&net, y), 5), false);
    struct plan *plan = net_check(&net, y, "input linear output");
    assert_int_equal(plan->linear[1].n_groups, 1);
    assert_int_equal(linear_products(&plan->linear[1]), 5 * 256);
    net_done(&net, plan);

    /* A matrix through a bottle neck is not multiplied out: 600 x 600 instead of 2 x 600. */
    net_init(&net, 16);
    y = net_dense(&net, net_dense(&net, net_input(&net, DIMS(600)), 1), 600);
    plan = net_check(&net, y, "input linear re-entry linear output");
    assert_int_equal(linear_products(&plan->linear[1]) + linear_products(&plan->linear[3]), 1200);
    net_done(&net, plan);

    /* Pools of a ReLU go into the convolution behind, positions sharing their weights. */
    net_init(&net, 17);
    x = net_relu(&net, net_conv(&net, net_input(&net, DIMS(12, 12, 1)), 2, conv));
    y = net_window(&net, GRAPH_AVG_POOL, x, 0, (struct window){3, 2, true, false, 1});
    y = net_conv(&net, y, 3, (struct window){2, 1, false, false, 1});
    plan = net_check(&net, y, "input linear relu linear output");
    assert_true(plan->linear[3].n_weights < linear_products(&plan->linear[3]) / 2);
    net_done(&net, plan);
}

static void policies(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o;
    plan_options_init(&o);
    net_init(&net, 20); /* Softmax is dropped or left to the client */
    int y = net_dense(&net, net_input(&net, DIMS(6)), 4);
    y = net_same(&net, GRAPH_SOFTMAX, y, -1);
    net_node(&net, y)->axis = 1;
    net_output(&net, y);
    struct plan *plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear argmax output");
    const struct plan_tensor *t = &plan->pub.outputs[0];
    assert_int_equal(t->rank, 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->dtype, PLAN_I64);
    assert_int_equal(t->post, PLAN_POST_NONE);
    plan_free(plan);
    o = net_logits();
    plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear output");
    assert_int_equal(plan->pub.outputs[0].post, PLAN_POST_SOFTMAX);
    assert_int_equal(plan->pub.outputs[0].count, 4);
    net_done(&net, plan);

    net_init(&net, 21); /* ArgMax of Softmax; its own policy */
    y = net_same(&net, GRAPH_SOFTMAX, net_dense(&net, net_input(&net, DIMS(6)), 4), -1);
    net_node(&net, y)->axis = 1;
    y = net_add(&net, GRAPH_ARGMAX, y, -1, NULL, 0);
    net_node(&net, y)->axis = 1;
    net_output(&net, y);
    plan_options_init(&o);
    plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear argmax output");
    net_agrees(&net, plan);
    plan_free(plan);
    o = net_logits();
    net_fails(&net, &o, MP2ML_ERR_ARGUMENT, "ArgMax");

    net_init(&net, 22); /* a single value gives its sign */
    y = net_dense(&net, net_input(&net, DIMS(6)), 1);
    net_output(&net, y);
    plan_options_init(&o);
    plan = net_plan(&net, &o);
    struct net_data d;
    net_data_init(&d, &net, plan);
    const float *const *in = (const float *const *)d.inputs;
    assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
    assert_int_equal(plan_eval_float(plan, NET_IMAGES, in, d.outputs, NULL, NULL), MP2ML_OK);
    for (unsigned i = 0; i < NET_IMAGES; i++)
        assert_int_equal((int)d.outputs[0][i], d.expected[0][i] >= 0);
    net_data_wipe(&d);
    net_done(&net, plan);
}

static void products(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 40); /* squares of pixels, scaled, and of a convolution behind a transpose */
    int x = net_input(&net, DIMS(5, 4, 2));
    int y = net_same(&net, GRAPH_MUL, x, x);
    y = net_conv(&net, y, 3, (struct window){2, 1, false, false, 1});
    y = net_transpose(&net, y, 3, 1, 2);
    y = net_same(&net, GRAPH_MUL, y, net_const(&net, 0.5, DIMS(1)));
    y = net_same(&net, GRAPH_MUL, y, y);
    struct plan *plan = net_check(&net, net_dense(&net, net_flat(&net, y), 3),
                                  "input linear square linear square linear output");
    net_scaled(plan, 13, 20);
    net_done(&net, plan);

    net_init(&net, 41); /* a gate that is broadcast, read where it stands; ReLU as a factor */
    x = net_input(&net, DIMS(4, 4, 3));
    y = net_relu(&net, net_conv(&net, x, 3, (struct window){3, 1, true, false, 1}));
    int gate = net_window(&net, GRAPH_AVG_POOL, y, 0, (struct window){4, 1, false, false, 1});
    gate = net_conv(&net, gate, 3, (struct window){1, 1, false, false, 1});
    y = net_same(&net, GRAPH_MUL, y, gate);
    plan = net_check(&net, net_dense(&net, net_flat(&net, y), 3),
                     "input linear relu linear product linear output");
    assert_int_equal(plan->pub.steps[4].windows.count, 48);
    assert_int_equal(plan->pub.steps[3].count, 3);
    net_scaled(plan, 14, 20);
    net_done(&net, plan);

    net_init(&net, 42); /* of two branches, value by value, with an offset that hinders */
    x = net_input(&net, DIMS(6));
    y = net_dense(&net, x, 5);
    int z = net_bias(&net, net_relu(&net, net_dense(&net, x, 5)), false);
    y = net_same(&net, GRAPH_MUL, y, z);
    y = net_same(&net, GRAPH_ADD, y, z);
    plan = net_check(&net, y, "input linear relu linear linear product linear output");
    assert_int_equal(plan->pub.steps[5].windows.count, 0);
    net_done(&net, plan);

    net_init(&net, 43); /* the cube */
    x = net_dense(&net, net_input(&net, DIMS(6)), 5);
    y = net_same(&net, GRAPH_MUL, net_same(&net, GRAPH_MUL, x, x), x);
    net_done(&net, net_check(&net, y, "input linear square linear product linear output"));
}

static void grouped_convolutions(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 4; variant++) {
        bool nchw = variant & 1;
        struct net net;
        net_init(&net, 100 + variant);
        int x = nchw ? net_input(&net, DIMS(6, 7, 5)) : net_input(&net, DIMS(7, 5, 6));
        /* depthwise with a multiplier of 2, or 2 groups; dilated in the other layout */
        struct window w = {3, 1, true, nchw, nchw ? 2 : 1};
        int y = net_grouped(&net, GRAPH_CONV2D, x, 12, w, variant & 2 ? 6 : 2);
        y = net_relu(&net, net_bias(&net, y, nchw));
        y = net_conv(&net, y, 4, (struct window){1, 1, false, nchw, 1});
        struct plan *plan = net_check(&net, net_dense(&net, net_flat(&net, net_relu(&net, y)), 3),
                                      "input linear relu linear relu linear output");
        uint64_t each = variant & 2 ? 1 : 3; /* input channels of a group */
        assert_true(linear_products(&plan->linear[1]) <= 35 * 9 * 12 * each);
        net_scaled(plan, 13, 20);
        net_done(&net, plan);
    }
}

static void gathers(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 110);
    int x = net_input(&net, DIMS(6));
    const int64_t from[8] = {5, -1, 3, 3, 0, -1, 1, 2};
    int y = net_relu(&net, net_dense(&net, net_gather(&net, x, from, DIMS(8)), 6));
    y = net_dense(&net, net_gather(&net, y, from, DIMS(2, 4)), 3);
    net_node(&net, y)->rank = 3; /* a product at each of two places */
    net_node(&net, y)->dims[1] = 2;
    net_node(&net, y)->dims[2] = 3;
    net_done(&net, net_check(&net, y, "input linear relu linear output"));

    net_init(&net, 111); /* at the end, and of places that are not there */
    x = net_input(&net, DIMS(6));
    net_done(&net, net_check(&net, net_gather(&net, x, from, DIMS(8)), "input linear output"));
    net_init(&net, 112);
    x = net_input(&net, DIMS(5));
    net_output(&net, net_gather(&net, x, from, DIMS(8)));
    struct plan_options o = net_logits();
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "'n1' (Gather)");
}

static void concatenations(void **state)
{
    (void)state;
    const struct window one = {1, 1, false, false, 1}, three = {3, 1, true, false, 1};
    struct net net;
    net_init(&net, 120); /* branches of one input: one step, one ReLU */
    int x = net_input(&net, DIMS(5, 4, 2));
    int a = net_conv(&net, x, 3, one), b = net_bias(&net, net_conv(&net, x, 2, three), false);
    int y = net_concat(&net, (const int[]){a, b, a}, 3, 3);
    y = net_conv(&net, net_relu(&net, net_bias(&net, y, false)), 3, three);
    struct plan *plan =
        net_check(&net, net_dense(&net, net_flat(&net, y), 3), "input linear relu linear output");
    assert_int_equal(plan->pub.steps[1].count, 5 * 4 * 8);
    net_done(&net, plan);

    net_init(&net, 121); /* ReLUs and an input beside each other are read where they are */
    x = net_input(&net, DIMS(5, 4, 2));
    a = net_relu(&net, net_conv(&net, x, 3, one));
    b = net_relu(&net, net_conv(&net, a, 2, three));
    y = net_concat(&net, (const int[]){x, b, a}, 3, 1 + 2);
    y = net_concat(&net, (const int[]){y, y}, 2, 1);
    y = net_same(&net, GRAPH_MUL, y, net_const(&net, 1.0, DIMS(7)));
    plan =
        net_check(&net, net_conv(&net, y, 2, three), "input linear relu linear relu linear output");
    assert_int_equal(plan->pub.steps[5].n_operands, 3);
    net_scaled(plan, 14, 20);
    net_done(&net, plan);

    net_init(&net, 122); /* a dense block: batch norms of the joined maps are constants of ReLUs */
    x = net_conv(&net, net_input(&net, DIMS(5, 4, 2)), 3, three);
    for (unsigned block = 0; block < 2; block++) {
        y = net_node(&net, x)->op == GRAPH_CONCAT ? x : net_concat(&net, &x, 1, 3);
        int64_t c = net_node(&net, y)->dims[3];
        int scale = net_const(&net, 1.0, DIMS(c));
        for (int64_t i = 0; i < c; i++)
            net_node(&net, scale)->value.f[i] = fabsf(net_node(&net, scale)->value.f[i]) + 0.1f;
        int z = net_bias(&net, net_same(&net, GRAPH_MUL, y, scale), false);
        z = net_conv(&net, net_relu(&net, z), 2, three);
        x = net_concat(&net, (const int[]){x, z}, 2, 3);
    }
    plan = net_check(&net, net_relu(&net, net_bias(&net, x, false)),
                     "input linear relu linear relu relu linear relu relu relu linear output");
    net_scaled(plan, 14, 20);
    net_done(&net, plan);

    net_init(&net, 123);
    x = net_input(&net, DIMS(4));
    net_output(&net, net_concat(&net, (const int[]){x, x}, 2, 0));
    struct plan_options o = net_logits();
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "'n1' (ConcatV2)");
}

/* min(relu(x), c) as the importer writes it: no linear step for it. */
static void clipped_relu(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 130);
    int x =
        net_conv(&net, net_input(&net, DIMS(6, 5, 2)), 3, (struct window){3, 1, true, false, 1});
    int six = net_const(&net, 0.0, DIMS(1));
    net_node(&net, six)->value.f[0] = 0.2f;
    int y = net_relu(&net, net_same(&net, GRAPH_SUB, x, six));
    y = net_same(&net, GRAPH_SUB, net_relu(&net, x), y);
    y = net_conv(&net, y, 4, (struct window){3, 2, true, false, 1});
    struct plan *plan = net_check(&net, net_dense(&net, net_flat(&net, y), 3),
                                  "input linear relu relu sum linear output");
    for (unsigned k = 11; k < 16; k++)
        net_scaled(plan, k, 20);
    net_done(&net, plan);
}

/* 2*relu(x) - x and the like on the shares; other factors through the matrix. */
static void local_sums(void **state)
{
    (void)state;
    const struct {
        float slope;
        bool attribute;
        const char *kinds;
    } cases[] = {{-1.0f, true, "input linear relu re-entry sum linear output"},
                 {0.2f, true, "input linear relu re-entry sum linear output"},
                 {0.1f, true, "input linear relu re-entry linear output"},
                 {0.2f, false, "input linear relu re-entry linear output"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net net;
        net_init(&net, 132);
        int x = net_dense(&net, net_input(&net, DIMS(8)), 6);
        int one = net_const(&net, 0.0, DIMS(1)), two = net_const(&net, 0.0, DIMS(1));
        net_node(&net, one)->value.f[0] = 1.0f - cases[i].slope;
        net_node(&net, two)->value.f[0] = cases[i].slope;
        net_node(&net, one)->attribute = net_node(&net, two)->attribute = cases[i].attribute;
        int y = net_same(&net, GRAPH_MUL, net_relu(&net, x), one);
        y = net_same(&net, GRAPH_ADD, y, net_same(&net, GRAPH_MUL, x, two));
        struct plan *plan = net_check(&net, net_dense(&net, y, 3), cases[i].kinds);
        net_scaled(plan, 13, 20);
        net_done(&net, plan);
    }
}

static void final_operators(void **state)
{
    (void)state;
    const struct {
        enum graph_op op;
        enum plan_post post;
    } ends[] = {{GRAPH_SOFTMAX, PLAN_POST_SOFTMAX},
                {GRAPH_LOG_SOFTMAX, PLAN_POST_LOG_SOFTMAX},
                {GRAPH_SIGMOID, PLAN_POST_SIGMOID},
                {GRAPH_TANH, PLAN_POST_TANH}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct net net;
        net_init(&net, 140 + i);
        int y = net_same(&net, ends[i].op, net_dense(&net, net_input(&net, DIMS(6)), 4), -1);
        net_node(&net, y)->axis = 1;
        net_output(&net, y);
        struct plan_options o = net_logits();
        struct plan *plan = net_plan(&net, &o);
        assert_int_equal(plan->pub.outputs[0].post, ends[i].post);
        plan_free(plan);
        plan_options_init(&o);
        plan = net_plan(&net, &o);
        net_has_steps(plan, "input linear argmax output");
        assert_int_equal(plan->pub.outputs[0].post, PLAN_POST_NONE);
        plan_free(plan);
        /* Not inside. */
        net.g->outputs[0] = net_dense(&net, y, 2);
        net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "at the end");
    }
    struct net net;
    net_init(&net, 145); /* moved afterwards */
    int y = net_same(&net, GRAPH_SIGMOID, net_dense(&net, net_input(&net, DIMS(6)), 4), -1);
    y = net_add(&net, GRAPH_RESHAPE, y, -1, DIMS(2, 2));
    net_output(&net, y);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    assert_int_equal(plan->pub.outputs[0].post, PLAN_POST_SIGMOID);
    assert_int_equal(plan->pub.outputs[0].rank, 2);
    net_done(&net, plan);
}

static void best_of_the_outputs(void **state)
{
    (void)state;
    struct net net;
    struct plan_options o = net_logits();
    o.policy = PLAN_TOP;
    o.top = 3;
    net_init(&net, 44);
    net_output(&net, net_dense(&net, net_input(&net, DIMS(6)), 7));
    struct plan *plan = net_plan(&net, &o);
    net_has_steps(plan, "input linear argmax output");
    assert_int_equal(plan->pub.top, 3);
    assert_int_equal(plan->pub.steps[2].top, 3);
    assert_int_equal(plan->pub.steps[2].count, 3);
    assert_int_equal(plan->pub.outputs[0].rank, 1);
    assert_int_equal(plan->pub.outputs[0].dims[0], 3);
    assert_int_equal(plan->pub.outputs[0].dtype, PLAN_I64);
    struct net_data d;
    net_data_init(&d, &net, plan);
    const float *const *in = (const float *const *)d.inputs;
    assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
    assert_int_equal(plan_eval_float(plan, NET_IMAGES, in, d.outputs, NULL, NULL), MP2ML_OK);
    for (unsigned i = 0; i < NET_IMAGES; i++)
        for (unsigned p = 0; p < 3; p++) {
            const float *logits = d.expected[0] + (size_t)i * 7;
            size_t at = (size_t)d.outputs[0][i * 3 + p];
            unsigned above = 0;
            for (unsigned v = 0; v < 7; v++)
                above += logits[v] > logits[at];
            assert_int_equal(above, p);
        }
    net_data_wipe(&d);
    net_scaled(plan, 12, 16);
    plan_free(plan);
    o.top = 8;
    mp2ml_error err = {MP2ML_OK, ""};
    assert_int_equal(plan_new(&plan, net.g, &o, &err), MP2ML_ERR_UNSUPPORTED);
    o.top = 0;
    assert_int_equal(plan_new(&plan, net.g, &o, &err), MP2ML_ERR_ARGUMENT);
    o.top = 33;
    net_fails(&net, &o, MP2ML_ERR_ARGUMENT, "1 to 32");
}

static void many_outputs(void **state)
{
    (void)state;
    struct net net;
    net_init(&net, 23);
    int x = net_input(&net, DIMS(6));
    int y = net_relu(&net, net_dense(&net, x, 5));
    net_output(&net, net_dense(&net, y, 3));
    net_output(&net, y); /* also inside of the network: re-made for opening */
    net_output(&net, net_dense(&net, x, 2));
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(&net, &o);
    net_agrees(&net, plan);
    assert_int_equal(plan->pub.n_outputs, 3);
    net_scaled(plan, 12, 16);
    net_done(&net, plan);
}

static void what_has_no_private_form(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    struct net net;
    net_init(&net, 30);
    int x = net_input(&net, DIMS(6));
    net_output(&net, net_same(&net, GRAPH_DIV, x, x));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "'n1' (RealDiv)");

    net_init(&net, 31); /* Softmax inside */
    x = net_same(&net, GRAPH_SOFTMAX, net_input(&net, DIMS(6)), -1);
    net_node(&net, x)->axis = 1;
    net_output(&net, net_dense(&net, x, 2));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "(Softmax)");

    net_init(&net, 32); /* over the samples */
    x = net_same(&net, GRAPH_SOFTMAX, net_input(&net, DIMS(6, 2)), -1);
    net_node(&net, x)->axis = 0;
    net_output(&net, x);
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "batch axis");

    net_init(&net, 33);
    x = net_input(&net, DIMS(6));
    net_output(&net, net_same(&net, GRAPH_CAST, x, -1));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "(Cast)");

    net_init(&net, 34);
    x = net_input(&net, DIMS(6));
    int w = net_const(&net, 1.0, DIMS(3, 6));
    net_output(&net, net_add(&net, GRAPH_MATMUL, w, x, DIMS(6)));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "(MatMul)");

    net_init(&net, 35); /* a division by zero makes no weight */
    x = net_input(&net, DIMS(6));
    w = net_const(&net, 0.0, DIMS(6));
    net_output(&net, net_same(&net, GRAPH_DIV, x, w));
    net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "finite");

    net_init(&net, 36);
    net_output(&net, net_dense(&net, net_input(&net, DIMS(6)), 2));
    o.low = 1.0;
    net_fails(&net, &o, MP2ML_ERR_ARGUMENT, "range");
}

/* What would take more memory, or longer, than anybody has. */
static void what_is_too_much(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    struct net net;
    static const enum graph_op ops[] = {GRAPH_CONV2D, GRAPH_AVG_POOL, GRAPH_MAX_POOL};
    for (size_t k = 0; k < 3; k++) {
        net_init(&net, 37);
        const int x = net_input(&net, DIMS(1000, 1000, 1));
        net_output(&net, net_window(&net, ops[k], x, k == 0 ? 1 : 0,
                                    (struct window){499, 1, true, false, 1}));
        net_fails(&net, &o, MP2ML_ERR_UNSUPPORTED, "more than 2^31 values in all its windows");
    }

    net_init(&net, 38); /* 2^37.2 multiplications */
    const int x = net_input(&net, DIMS(64, 64, 1024));
    net_output(&net, net_conv(&net, x, 4096, (struct window){3, 1, true, false, 1}));
    net_fails(&net, &o, MP2ML_ERR_PLAN, "multiplications for one sample");
}

/* Windows that all lie in the padding read nothing. */
static void windows_without_values(void **state)
{
    (void)state;
    struct plan_options o = net_logits();
    struct net net;
    struct plan *plan;
    mp2ml_error err = {MP2ML_OK, ""};
    net_init(&net, 39);
    const int y =
        net_conv(&net, net_input(&net, DIMS(1, 1, 1)), 1, (struct window){1, 1, true, false, 1});
    net_node(&net, y)->window.pad[0] = net_node(&net, y)->window.pad[1] = 1;
    net_node(&net, y)->window.stride[0] = 2; /* rows -1 and 1 */
    net_node(&net, y)->dims[1] = 2;
    net_output(&net, y);
    if (plan_new(&plan, net.g, &o, &err) != MP2ML_OK)
        fail_msg("%s", err.text);
    float *out = plan->sample_outputs;
    for (size_t i = 0; i < 2 * plan->n_samples; i++)
        assert_true(out[i] >= 0 && out[i] <= 0);
    plan_free(plan);
    graph_free(net.g);
}

/* The bundled networks, from their files. */
static void bundled_models(void **state)
{
    (void)state;
    const struct {
        const char *file, *kinds;
    } models[] = {
        {"cryptonets-relu-mnist.pb", "input linear relu linear relu linear output"},
        {"mlp-maxpool-mnist.pb", "input linear max relu linear relu linear output"},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, PROJECT_ROOT "/examples/mnist/models/%s", models[i].file);
        struct net net = {NULL, 3};
        mp2ml_error err = {MP2ML_OK, ""};
        if (graph_load(&net.g, path, NULL, &err) != MP2ML_OK)
            fail_msg("%s", err.text);
        struct plan_options o = net_logits();
        struct plan *plan = net_plan(&net, &o);
        net_has_steps(plan, models[i].kinds);
        net_agrees(&net, plan);
        net_scaled(plan, 14, 20);
        for (unsigned s = 0; s < plan->pub.n_steps; s++)
            if (plan->pub.steps[s].kind == STEP_LINEAR)
                assert_int_equal(plan->pub.steps[s].set,
                                 s + 2 == plan->pub.n_steps ? CKKS_S2 : CKKS_S1);
        net_done(&net, plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_relu_dense),
        cmocka_unit_test(kernels_are_stored_once),
        cmocka_unit_test(moving_and_scaling),
        cmocka_unit_test(more_than_vectors),
        cmocka_unit_test(max_pools),
        cmocka_unit_test(relu_at_the_ends),
        cmocka_unit_test(residual_networks),
        cmocka_unit_test(linear_chains_merge),
        cmocka_unit_test(policies),
        cmocka_unit_test(grouped_convolutions),
        cmocka_unit_test(gathers),
        cmocka_unit_test(concatenations),
        cmocka_unit_test(clipped_relu),
        cmocka_unit_test(local_sums),
        cmocka_unit_test(final_operators),
        cmocka_unit_test(products),
        cmocka_unit_test(best_of_the_outputs),
        cmocka_unit_test(many_outputs),
        cmocka_unit_test(what_has_no_private_form),
        cmocka_unit_test(what_is_too_much),
        cmocka_unit_test(windows_without_values),
        cmocka_unit_test(bundled_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
