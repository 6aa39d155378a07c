/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear maps: blocks are found again, evaluation is the definition, wiping is safe. */
#include "plan/linear_build.h"
#include "plan_fixture.h"

static void blocks_are_found_again(void **state)
{
    (void)state;
    struct linear_builder b;
    linear_builder_init(&b, 4, 4);
    const float content[2][3] = {{1, 2, 3}, {1, 2, 4}};
    size_t first, second, at;
    assert_false(linear_builder_block(&b, "a", 1, content[0], 3, &first));
    assert_false(linear_builder_block(&b, "a", 1, content[1], 3, &second));
    assert_int_not_equal(first, second);
    assert_true(linear_builder_block(&b, "a", 1, content[0], 3, &at));
    assert_int_equal(at, first);
    assert_false(linear_builder_block(&b, "b", 1, content[0], 3, &at)); /* another key */
    assert_int_not_equal(at, first);
    assert_false(linear_builder_block(&b, "a", 1, NULL, 3, &at)); /* by key alone */
    assert_true(linear_builder_block(&b, "a", 1, NULL, 3, &first));
    assert_int_equal(at, first);
    assert_int_equal(b.lin.n_weights, 12);
    linear_builder_wipe(&b);
}

static void many_blocks(void **state)
{
    (void)state;
    struct linear_builder b;
    linear_builder_init(&b, 1, 1);
    size_t at;
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 5000; i++) {
            float w = (float)i;
            bool found = linear_builder_block(&b, &i, sizeof i, NULL, 1, &at);
            assert_true(found == (round == 1));
            assert_int_equal(at, i);
            if (!found)
                b.lin.w[at] = w;
        }
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(b.lin.w[i] >= (float)i && b.lin.w[i] <= (float)i);
    linear_builder_wipe(&b);
}

/* Two groups of other shapes, gathered and scattered; sizes around the tiles. */
static void evaluates_as_defined(void **state)
{
    (void)state;
    struct net net = {NULL, 5};
    struct linear_builder b;
    linear_builder_init(&b, 11, 9);
    size_t at;
    float w[40];
    for (size_t i = 0; i < 40; i++)
        w[i] = (float)net_random(&net);
    (void)linear_builder_block(&b, NULL, 0, w, 40, &at);
    linear_builder_begin(&b);
    for (uint32_t c = 0; c < 5; c++)
        linear_builder_in(&b, (c * 7 + 3) % 11);
    for (uint32_t r = 0; r < 8; r++)
        linear_builder_out(&b, (r * 5 + 1) % 9);
    linear_builder_end(&b, at, 0);
    linear_builder_begin(&b); /* a constant: no columns */
    linear_builder_out(&b, (8 * 5 + 1) % 9);
    linear_builder_end(&b, 0, 0);
    for (size_t o = 0; o < 9; o++)
        b.constants[o] = (double)o;
    struct linear lin;
    assert_int_equal(linear_builder_take(&b, &lin), MP2ML_OK);
    assert_int_equal(linear_products(&lin), 41);
    assert_int_equal(lin.groups[1].cols, 1);
    for (size_t images = 1; images < 100; images += 31) {
        float x[11 * 100], y[9 * 100];
        for (size_t i = 0; i < 11 * images; i++)
            x[i] = (float)net_random(&net);
        assert_int_equal(linear_eval_float(&lin, y, x, images), MP2ML_OK);
        for (size_t i = 0; i < images; i++) {
            for (uint32_t r = 0; r < 8; r++) {
                uint32_t o = (r * 5 + 1) % 9;
                double sum = (double)o;
                for (uint32_t c = 0; c < 5; c++)
                    sum += (double)w[r * 5 + c] * (double)x[(c * 7 + 3) % 11 * images + i];
                assert_true(fabs(sum - (double)y[o * images + i]) < 1e-5);
            }
            assert_true(fabs((double)y[5 * images + i] - 5.0) < 1e-9);
        }
    }
    linear_wipe(&lin);
    linear_wipe(&lin);
    assert_null(lin.w);
}

static void squares(const void *context, float *out, const struct linear_group *group, size_t row,
                    size_t first, size_t cols)
{
    const struct linear *lin = context;
    for (size_t c = 0; c < cols; c++) {
        const float w = lin->w[linear_weight(lin, group, row, first + c)];
        out[c] = w * w;
    }
}

/* 125 groups with one block, more than a panel of them, and 25 with another between them; rows and
 * columns beside a multiple of those that are taken at a time. The same bits as one row after the
 * other. */
static void sums_of_shared_blocks(void **state)
{
    (void)state;
    enum { GROUPS = 150, ROWS = 67, COLS = 131, IN = 197, OUT = GROUPS * ROWS };
    struct net net = {NULL, 6};
    struct linear_builder b;
    linear_builder_init(&b, IN, OUT);
    for (uint32_t g = 0; g < GROUPS; g++) {
        uint32_t key = g % 6 == 3;
        size_t at;
        if (!linear_builder_block(&b, &key, sizeof key, NULL, ROWS * COLS, &at))
            for (size_t i = 0; i < ROWS * COLS; i++)
                b.lin.w[at + i] = (float)net_random(&net);
        linear_builder_begin(&b);
        for (uint32_t c = 0; c < COLS; c++)
            linear_builder_in(&b, (g * 3 + c * 7) % IN);
        for (uint32_t r = 0; r < ROWS; r++)
            linear_builder_out(&b, (g * ROWS + r) * 7 % OUT); /* without common factors */
        linear_builder_end(&b, at, 0);
    }
    struct linear lin;
    assert_int_equal(linear_builder_take(&b, &lin), MP2ML_OK);
    assert_int_equal(lin.n_weights, 2 * ROWS * COLS);
    static double x[IN], out[OUT];
    for (size_t i = 0; i < IN; i++)
        x[i] = ldexp(net_random(&net), -200); /* beyond floats */
    for (size_t o = 0; o < OUT; o++)
        out[o] = 0;
    const struct linear_sums sums = {squares, &lin, x, 0.5};
    assert_int_equal(linear_sums(&lin, out, &sums), MP2ML_OK);
    for (size_t g = 0; g < GROUPS; g++)
        for (size_t r = 0; r < ROWS; r++) {
            size_t o = linear_out(&lin, &lin.groups[g], r);
            float sum = 0;
            for (size_t c = 0; c < COLS; c++) {
                const float w = lin.w[linear_weight(&lin, &lin.groups[g], r, c)];
                const float product =
                    (float)ldexp(x[linear_in(&lin, &lin.groups[g], c)], 200) * (w * w);
                sum += product;
            }
            const double expected = ldexp((double)sum, -201);
            assert_memory_equal(&expected, &out[o], sizeof expected);
        }
    linear_wipe(&lin);
}

static void growing(void **state)
{
    (void)state;
    uint32_t *v = NULL;
    size_t cap = 0;
    assert_true(linear_grow(&v, &cap, 1, sizeof *v));
    v[0] = 7;
    assert_true(linear_grow(&v, &cap, 1000, sizeof *v));
    assert_true(cap >= 1000 && v[0] == 7);
    uint32_t *before = v;
    assert_false(linear_grow(&v, &cap, SIZE_MAX / 2, sizeof *v));
    assert_ptr_equal(v, before);
    free(v);
}

/* Plans y; a column of a block belongs to one operand, whatever group has it. */
static void check_operands_of_blocks(struct net *net, int y)
{
    net_output(net, y);
    struct plan_options o = net_logits();
    struct plan *plan = net_plan(net, &o);
    net_agrees(net, plan);
    bool seen = false;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct linear *lin = &plan->linear[s];
        if (plan->pub.steps[s].kind != STEP_LINEAR || plan->pub.steps[s].n_operands < 2)
            continue;
        seen = true;
        size_t border = plan->pub.steps[plan->pub.steps[s].operands[0]].count;
        for (size_t g = 0; g < lin->n_groups; g++)
            for (size_t h = 0; h < g; h++) {
                const struct linear_group *p = &lin->groups[g], *q = &lin->groups[h];
                if (p->weights_at != q->weights_at)
                    continue;
                assert_int_equal(p->rows, q->rows);
                assert_int_equal(p->stride, q->stride);
                for (size_t c = 0; c < p->cols; c++)
                    for (size_t d = 0; d < q->cols; d++)
                        if (linear_weight(lin, p, 0, c) == linear_weight(lin, q, 0, d))
                            assert_true((linear_in(lin, p, c) < border) ==
                                        (linear_in(lin, q, d) < border));
            }
    }
    assert_true(seen);
    net_done(net, plan);
}

/* A sum over tensors of unlike scales, pictures side by side and one above the other keep every
 * block apart per operand. */
static void shared_blocks_read_the_same_operands(void **state)
{
    (void)state;
    const struct window one = {1, 1, false, false, 1}, three = {3, 1, true, false, 1};
    for (int64_t axis = 0; axis <= 3; axis++) {
        struct net net;
        net_init(&net, 40);
        int a = net_relu(&net, net_conv(&net, net_input(&net, DIMS(3, 3, 2)), 2, one));
        int b = net_relu(&net, net_conv(&net, net_input(&net, DIMS(3, 3, 2)), 2, one));
        int y = axis != 0 ? net_concat(&net, (const int[]){a, b}, 2, axis)
                          : net_same(&net, GRAPH_ADD,
                                     net_same(&net, GRAPH_SUB, a, net_const(&net, 1, DIMS(2))), b);
        check_operands_of_blocks(&net, net_conv(&net, y, 2, three));
    }
}

/* Three groups with one block, the last with other constants: two rows are kept twice, not thrice,
 * until each group has its own. */
static void rows_are_shared(void **state)
{
    (void)state;
    struct linear_builder b;
    linear_builder_init(&b, 3, 6);
    size_t at;
    (void)linear_builder_block(&b, NULL, 0, (const float[]){1, 2}, 2, &at);
    for (uint32_t g = 0; g < 3; g++) {
        linear_builder_begin(&b);
        linear_builder_in(&b, g);
        linear_builder_out(&b, g);
        linear_builder_out(&b, g + 3);
        linear_builder_end(&b, at, 0);
        b.constants[g] = g == 2 ? 5 : 3;
        b.constants[g + 3] = 4;
    }
    struct linear lin;
    assert_int_equal(linear_builder_take(&b, &lin), MP2ML_OK);
    assert_int_equal(lin.n_rows, 4);
    assert_int_equal(lin.groups[0].rows_at, lin.groups[1].rows_at);
    lin.bi = calloc(lin.n_rows, sizeof *lin.bi);
    lin.norm2 = calloc(lin.n_rows, sizeof *lin.norm2);
    assert_true(lin.bi != NULL && lin.norm2 != NULL);
    for (size_t r = 0; r < lin.n_rows; r++) {
        lin.bi[r] = 10 + r;
        lin.norm2[r] = (float)r;
    }
    for (unsigned own = 0; own < 2; own++) {
        double constants[6];
        linear_get_constants(&lin, constants);
        for (uint32_t o = 0; o < 6; o++)
            assert_int_equal(constants[o], o >= 3 ? 4 : o == 2 ? 5 : 3);
        assert_int_equal(lin.bi[lin.groups[1].rows_at + 1], 11);
        assert_int_equal(lin.bi[lin.groups[2].rows_at], 12);
        assert_int_equal((int)lin.norm2[lin.groups[2].rows_at + 1], 3);
        assert_int_equal(linear_own_rows(&lin), MP2ML_OK);
        assert_int_equal(lin.n_rows, 6);
    }
    linear_wipe(&lin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_again),
        cmocka_unit_test(many_blocks),
        cmocka_unit_test(evaluates_as_defined),
        cmocka_unit_test(sums_of_shared_blocks),
        cmocka_unit_test(rows_are_shared),
        cmocka_unit_test(growing),
        cmocka_unit_test(shared_blocks_read_the_same_operands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
