/* SPDX-License-Identifier: Apache-2.0
 *
 * What the client sees of a plan - kinds, operands, counts, windows of its steps - follows from
 * operators and shapes: the same for all values of weights, whatever their signs, zeros and ones.
 */
#include "plan_fixture.h"
#include "privacy_report.h"
#include "steps/steps.h"

enum filling { USUAL, NEGATIVE, MIXED, ZEROS, ONES, TINY, FILLINGS };

static void fill(struct net *net, enum filling how)
{
    for (int i = 0; i < net->g->n_nodes; i++) {
        struct graph_node *node = net_node(net, i);
        if (node->op != GRAPH_CONST || node->integers || node->attribute)
            continue;
        for (size_t v = 0; v < node->value.count; v++) {
            float *x = &node->value.f[v];
            const float usual = fabsf(*x) + 0.05f;
            const float of[FILLINGS] = {
                usual, -usual, v % 2 ? usual : -usual,
                0,     1,      v % 3 ? usual : (float[]){1e-3f, 1e-12f, 1e-21f}[v / 3 % 3]};
            *x = of[how];
        }
    }
}

/* A batch norm as it is after simplification: a factor and a constant for each channel. */
static int batch_norm(struct net *net, int in)
{
    const struct graph_node *x = net_node(net, in);
    int factor = net_const(net, 1.0, DIMS(x->dims[x->rank - 1]));
    return net_bias(net, net_same(net, GRAPH_MUL, in, factor), false);
}

static int scalar(struct net *net, float value, bool attribute)
{
    int i = net_const(net, 0.0, DIMS(1));
    net_node(net, i)->value.f[0] = value;
    net_node(net, i)->attribute = attribute;
    return i;
}

static const struct window same3 = {3, 1, true, false, 1}, pool2 = {2, 2, false, false, 1};

static int pooled_norm(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(6, 6, 2)), 4, same3);
    x = batch_norm(net, net_window(net, GRAPH_MAX_POOL, x, 0, pool2));
    return net_relu(net, x);
}

static int norm_before_pool(struct net *net)
{
    int x = net_relu(net, net_conv(net, net_input(net, DIMS(6, 6, 2)), 4, same3));
    return net_relu(net, net_window(net, GRAPH_MAX_POOL, batch_norm(net, x), 0, pool2));
}

static int dense_block(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 2)), 3, same3);
    for (unsigned block = 0; block < 2; block++) {
        int y = net_conv(net, net_relu(net, batch_norm(net, x)), 2, same3);
        x = net_concat(net, (const int[]){x, y}, 2, 3);
    }
    return net_relu(net, batch_norm(net, x));
}

static int residual(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(4, 4, 3)), 3, same3);
    int y = net_conv(net, net_relu(net, batch_norm(net, x)), 3, same3);
    return net_relu(net, batch_norm(net, net_same(net, GRAPH_ADD, x, y)));
}

/* max(x, c) with a vector c, and a learned slope below 0. */
static int constants(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(8)), 6);
    int c = net_const(net, 1.0, DIMS(6));
    x = net_same(net, GRAPH_ADD, net_relu(net, net_same(net, GRAPH_SUB, x, c)), c);
    int slope = net_const(net, 1.0, DIMS(6)), rest = net_const(net, 1.0, DIMS(6));
    int y = net_same(net, GRAPH_MUL, net_relu(net, x), rest);
    y = net_same(net, GRAPH_ADD, y, net_same(net, GRAPH_MUL, x, slope));
    return net_relu(net, y);
}

static int factors(struct net *net)
{
    int x = net_relu(net, net_dense(net, net_input(net, DIMS(8)), 6));
    int y = batch_norm(net, x), z = net_same(net, GRAPH_MUL, x, net_const(net, 1.0, DIMS(6)));
    return net_same(net, GRAPH_MUL, y, z);
}

/* Signs behind batch norms, before and behind a pool, as factor. */
static int signs(struct net *net)
{
    int x = net_conv(net, net_input(net, DIMS(6, 6, 2)), 4, same3);
    x = batch_norm(net, net_window(net, GRAPH_MAX_POOL, x, 0, pool2));
    x = net_conv(net, net_same(net, GRAPH_SIGN, x, -1), 4, same3);
    int y = net_same(net, GRAPH_MUL, net_same(net, GRAPH_SIGN, batch_norm(net, x), -1), x);
    y = net_same(net, GRAPH_SIGN, batch_norm(net, y), -1);
    return net_window(net, GRAPH_MAX_POOL, y, 0, (struct window){3, 1, false, false, 1});
}

/* Differences of ReLUs as factors: between them a constant that is a weight. */
static int differences(struct net *net)
{
    int x = net_dense(net, net_input(net, DIMS(8)), 6);
    int y = net_relu(net, net_bias(net, x, false));
    return net_same(net, GRAPH_MUL, x, net_same(net, GRAPH_SUB, net_relu(net, x), y));
}

/* The control: a slope that is an attribute is no secret, and may decide. */
static int slope(struct net *net, float a)
{
    int x = net_dense(net, net_input(net, DIMS(8)), 6);
    int y = net_same(net, GRAPH_MUL, net_relu(net, x), scalar(net, 1 - a, true));
    return net_same(net, GRAPH_ADD, y, net_same(net, GRAPH_MUL, x, scalar(net, a, true)));
}
static int slope_fifth(struct net *net)
{
    return slope(net, 0.2f);
}
static int slope_tenth(struct net *net)
{
    return slope(net, 0.1f);
}

static int (*const nets[])(struct net *) = {
    pooled_norm, norm_before_pool, dense_block, residual, constants, factors, signs, differences};

static struct plan *plan_of(struct net *net, int (*make)(struct net *), enum filling how,
                            enum plan_ranges ranges)
{
    net_init(net, 900);
    net_output(net, net_dense(net, net_flat(net, make(net)), 3));
    fill(net, how);
    struct plan_options o = net_logits();
    o.low = -1;
    o.ranges = ranges;
    return net_plan(net, &o);
}

static bool same_structure(const struct plan_public *a, const struct plan_public *b)
{
    bool same = a->n_steps == b->n_steps;
    for (unsigned s = 0; same && s < a->n_steps; s++) {
        const struct plan_step *x = &a->steps[s], *y = &b->steps[s];
        const struct mpc_windows *v = &x->windows, *w = &y->windows;
        same = x->kind == y->kind && x->n_operands == y->n_operands && x->count == y->count &&
               memcmp(x->operands, y->operands, sizeof x->operands) == 0 && v->count == w->count;
        if (same && v->count > 0)
            same = memcmp(v->first, w->first, (v->count + 1) * sizeof *v->first) == 0 &&
                   memcmp(v->member, w->member, v->first[v->count] * sizeof *v->member) == 0;
    }
    return same;
}

static void weights_decide_nothing(void **state)
{
    (void)state;
    unsigned changed = 0;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        struct net first, other;
        struct plan *usual = plan_of(&first, nets[i], USUAL, PLAN_RANGES_AUTO);
        for (enum filling how = NEGATIVE; how < FILLINGS; how++) {
            struct plan *plan = plan_of(&other, nets[i], how, PLAN_RANGES_AUTO);
            net_agrees(&other, plan);
            if (!same_structure(&usual->pub, &plan->pub)) {
                print_message("net %zu, filling %u\n", i, how);
                changed++;
            }
            net_done(&other, plan);
        }
        net_done(&first, usual);
    }
    struct net first, other;
    struct plan *fifth = plan_of(&first, slope_fifth, USUAL, PLAN_RANGES_AUTO);
    struct plan *tenth = plan_of(&other, slope_tenth, USUAL, PLAN_RANGES_AUTO);
    const bool told_apart = !same_structure(&fifth->pub, &tenth->pub);
    privacy_report(7, "kinds of weights that change the steps of the plan of a network", changed, 1,
                   told_apart);
    assert_int_equal(changed, 0);
    assert_true(told_apart);
    net_done(&first, fifth);
    net_done(&other, tenth);
}

/* The twin in fixed point, too, also where a constant beside a ReLU is far larger than any value.
 */
static void check_fixed_point(enum plan_ranges ranges)
{
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        for (enum filling how = USUAL; how < FILLINGS; how++) {
            struct net net;
            struct net_data d;
            if (how == ZEROS || nets[i] == signs)
                continue; /* no scale fits zeros alone; equal weights make operands of exactly 0 */
            struct plan *plan = plan_of(&net, nets[i], how, ranges);
            net_scaled(plan, 16, 20);
            net_data_init(&d, &net, plan);
            const float *const *in = (const float *const *)d.inputs;
            assert_int_equal(graph_eval(net.g, NET_IMAGES, in, d.expected, NULL, NULL), MP2ML_OK);
            assert_int_equal(run_clear(plan, NET_IMAGES, in, d.outputs, true, 1, NULL, NULL),
                             MP2ML_OK);
            double bound = plan_expected_error(plan, 0), largest = 0;
            for (size_t v = 0; v < (size_t)NET_IMAGES * 3; v++)
                largest = fmax(largest, fabs((double)d.expected[0][v]));
            assert_true(bound < 0.05 * largest + 0.01);
            /* Equal weights make equal errors, which add up further than the model says. */
            bound = fmax(bound, 0.002 * largest);
            for (size_t v = 0; v < (size_t)NET_IMAGES * 3; v++)
                if (!(fabs((double)(d.outputs[0][v] - d.expected[0][v])) <= bound))
                    fail_msg("net %zu, filling %u: %g, not %g, bound %g", i, how,
                             (double)d.outputs[0][v], (double)d.expected[0][v], bound);
            net_data_wipe(&d);
            net_done(&net, plan);
        }
}

static void fixed_point_agrees(void **state)
{
    (void)state;
    check_fixed_point(PLAN_RANGES_AUTO);
    check_fixed_point(PLAN_RANGES_STRICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_decide_nothing),
        cmocka_unit_test(fixed_point_agrees),
    };
    return cmocka_run_group_tests_name("structure", tests, NULL, NULL);
}
