/* SPDX-License-Identifier: Apache-2.0
 *
 * What training leaves behind in frozen graphs: dropout, conditions, inputs with defaults,
 * assertions. */
#include "model_fixture.h"

#define LIST(...) ((const int32_t[]){__VA_ARGS__}), sizeof((const int32_t[]){__VA_ARGS__}) / 4

static const float x4[4] = {-1, 2, -3, 4}, relu4[4] = {0, 2, 0, 4};

/* r -> dropout -> d; keep is the node that says how much is kept, or rate how much not. */
static void uniform(struct gd_writer *w)
{
    gd_node(w, "shape", "Shape", "r");
    gd_node(w, "u0", "RandomUniform", "shape");
    gd_floats(w, "low", (const float[]){0}, NULL, 0);
    gd_floats(w, "high", (const float[]){1}, NULL, 0);
    gd_node(w, "span", "Sub", "high low");
    gd_node(w, "u1", "Mul", "u0 span");
    gd_node(w, "u", "Add", "u1 low");
}

/* x / keep * floor(keep + u) */
static void dropout_by_floor(struct gd_writer *w, float keep, float divisor)
{
    gd_floats(w, "keep", &keep, NULL, 0);
    gd_floats(w, "divisor", &divisor, NULL, 0);
    uniform(w);
    gd_node(w, "sum", "Add", "keep u");
    gd_node(w, "mask", "Floor", "sum");
    gd_node(w, "scaled", "RealDiv", "r divisor");
    gd_node(w, "d", "Mul", "scaled mask");
}

/* x * (1 / keep) * cast(u >= rate), or select(u >= rate, x * (1 / keep), 0) */
static void dropout_by_comparison(struct gd_writer *w, float rate, bool select)
{
    gd_floats(w, "rate", &rate, NULL, 0);
    gd_floats(w, "factor", (const float[]){1 / (1 - rate)}, NULL, 0);
    gd_floats(w, "zero", (const float[]){0}, NULL, 0);
    uniform(w);
    gd_node(w, "scaled", "Mul", "r factor");
    gd_node(w, "keeps", "GreaterEqual", "u rate");
    if (!select) {
        gd_node(w, "mask", "Cast", "keeps");
        gd_attr_type(w, "DstT", GD_FLOAT);
    }
    gd_node(w, "d", select ? "SelectV2" : "Mul", select ? "keeps scaled zero" : "scaled mask");
}

static void begin(struct gd_writer *w)
{
    gd_input(w, "x", SHAPE(-1, 4));
    gd_node(w, "r", "Relu", "x");
}

static void test_dropout_is_an_identity(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    for (int form = 0; form < 4; form++) {
        begin(&w);
        if (form == 0)
            dropout_by_floor(&w, .75F, .75F);
        else if (form == 1)
            dropout_by_floor(&w, 1, 1);
        else
            dropout_by_comparison(&w, .3F, form == 3);
        gd_node(&w, "y", "Neg", "d");
        struct graph *g = fixture_graph(&w);
        const float want[4] = {0, -2, 0, -4};
        assert_int_equal(g->n_nodes, 4); /* x, r, -1, y */
        fixture_gives(g, 1, x4, want, 4, 0);
    }
}

static void test_other_random_numbers_are_refused(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    begin(&w);
    dropout_by_floor(&w, .75F, .5F); /* scales by more than it drops */
    gd_node(&w, "y", "Neg", "d");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "random numbers are there for training");
    begin(&w);
    uniform(&w);
    gd_node(&w, "y", "Add", "r u"); /* noise */
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "random numbers");
    begin(&w);
    uniform(&w);
    gd_node(&w, "y", "Mul", "u u");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "random numbers");
}

/* relu(x), or 2 x when training; by Switch and Merge. */
static void condition(struct gd_writer *w)
{
    gd_node(w, "pred", "Identity", "training");
    gd_node(w, "sx", "Switch", "x pred");
    gd_node(w, "yes", "Add", "sx:1 sx:1");
    gd_node(w, "no0", "Identity", "sx");
    gd_node(w, "no", "Relu", "no0");
    gd_node(w, "y", "Merge", "no yes");
}

static void test_one_side_of_a_condition_lives(void **state)
{
    (void)state;
    const float twice[4] = {-2, 4, -6, 8};
    for (unsigned char training = 0; training < 2; training++) {
        struct gd_writer w = {0};
        gd_input(&w, "x", SHAPE(-1, 4));
        gd_node(&w, "default", "Const", "");
        gd_attr_tensor(&w, GD_BOOL, NULL, 0, 0, &training, 1);
        gd_node(&w, "training", "PlaceholderWithDefault", "default");
        gd_attr_type(&w, "dtype", GD_BOOL);
        condition(&w);
        struct graph *g = fixture_graph(&w);
        assert_int_equal(g->n_nodes, 2);
        assert_string_equal(fixture_output(g)->name, "y");
        fixture_gives(g, 1, x4, training != 0 ? twice : relu4, 4, 0);
    }
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4)); /* a flag without a default is off */
    gd_node(&w, "training", "Placeholder", "");
    gd_attr_type(&w, "dtype", GD_BOOL);
    condition(&w);
    fixture_gives(fixture_graph(&w), 1, x4, relu4, 4, 0);
}

static void test_a_constant_condition_selects(void **state)
{
    (void)state;
    for (unsigned char training = 0; training < 2; training++) {
        struct gd_writer w = {0};
        begin(&w);
        gd_node(&w, "training", "Const", "");
        gd_attr_tensor(&w, GD_BOOL, NULL, 0, 0, &training, 1);
        gd_node(&w, "y", "SelectV2", "training x r");
        fixture_gives(fixture_graph(&w), 1, x4, training != 0 ? x4 : relu4, 4, 0);
    }
}

/* A batch norm that takes its statistics from the batch on the side that is not taken. */
static void test_training_batch_norm_is_left_out(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    const float ones[1] = {1}, two[1] = {2}, want[4] = {0, 3, -2, 5};
    gd_input(&w, "x", SHAPE(-1, 2, 2, 1));
    gd_node(&w, "training", "Placeholder", "");
    gd_attr_type(&w, "dtype", GD_BOOL);
    gd_floats(&w, "one", ones, SHAPE(1));
    gd_floats(&w, "two", two, SHAPE(1));
    gd_floats(&w, "none", NULL, SHAPE(0));
    gd_node(&w, "s", "Switch", "x training");
    gd_node(&w, "yes", "FusedBatchNormV3", "s:1 one one none none");
    gd_attr_bool(&w, "is_training", true);
    gd_node(&w, "no", "FusedBatchNormV3", "s one two one one");
    gd_attr_bool(&w, "is_training", false);
    gd_attr_float(&w, "epsilon", 0);
    gd_node(&w, "y", "Merge", "no yes");
    fixture_gives(fixture_graph(&w), 1, x4, want, 4, 0);
}

static void test_conditions_that_stay_open(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "s", "Switch", "x x");
    gd_node(&w, "y", "Relu", "s");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "constant of integers");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_node(&w, "y", "Merge", "x x");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "a condition that is not constant");
    gd_input(&w, "x", SHAPE(-1, 4));
    gd_int(&w, "c", 0);
    gd_node(&w, "s", "Switch", "x c");
    gd_node(&w, "y", "Relu", "s:1");
    fixture_fails(&w, MP2ML_ERR_MODEL, "not taken");
}

/* keep_prob as an input with a default; without other inputs one with a default is the input. */
static void test_inputs_with_defaults(void **state)
{
    (void)state;
    const float three = 3, rows[8] = {9, 9, 9, 9, 9, 9, 9, 9}, tripled[4] = {-3, 6, -9, 12};
    const struct graph_cut named = {(const char *const[]){"x"}, 1, NULL, 0};
    for (int plain = 0; plain < 2; plain++)
        for (int cut = 0; cut < 2; cut++) {
            struct gd_writer w = {0};
            mp2ml_error err;
            struct graph *g;
            gd_floats(&w, "rows", rows, SHAPE(2, 4));
            if (plain) {
                gd_input(&w, "x", SHAPE(-1, 4));
            } else {
                gd_node(&w, "x", "PlaceholderWithDefault", "rows");
                gd_attr_type(&w, "dtype", GD_FLOAT);
                gd_attr_shape(&w, "shape", SHAPE(-1, 4));
            }
            gd_floats(&w, "three", &three, NULL, 0);
            gd_node(&w, "factor", "PlaceholderWithDefault", "three");
            gd_attr_type(&w, "dtype", GD_FLOAT);
            gd_attr_shape(&w, "shape", NULL, 0);
            gd_node(&w, "y", "Mul", "x factor");
            if (fixture_parse(&g, &w, cut ? &named : NULL, &err) != MP2ML_OK)
                fail_msg("%s", err.text);
            assert_int_equal(g->n_inputs, 1);
            assert_string_equal(g->nodes[g->inputs[0]].name, "x");
            fixture_gives(g, 1, x4, tripled, 4, 0);
        }
}

static void test_side_effects_are_no_outputs(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    begin(&w);
    gd_node(&w, "assert", "Assert", "r r");
    gd_node(&w, "log", "HistogramSummary", "r r");
    gd_node(&w, "group", "NoOp", "^assert");
    gd_node(&w, "y", "CheckNumerics", "r ^assert");
    fixture_gives(fixture_graph(&w), 1, x4, relu4, 4, 0);
}

static void test_identities_of_many(void **state)
{
    (void)state;
    struct gd_writer w = {0};
    begin(&w);
    gd_node(&w, "n", "Neg", "x");
    gd_node(&w, "both", "IdentityN", "n r ^n");
    gd_node(&w, "y", "Add", "both:1 both:1");
    const float want[4] = {0, 4, 0, 8};
    fixture_gives(fixture_graph(&w), 1, x4, want, 4, 0);
    begin(&w);
    gd_node(&w, "both", "IdentityN", "r r");
    gd_node(&w, "y", "Add", "both:1 both:2");
    fixture_fails(&w, MP2ML_ERR_UNSUPPORTED, "another than the first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropout_is_an_identity),
        cmocka_unit_test(test_other_random_numbers_are_refused),
        cmocka_unit_test(test_one_side_of_a_condition_lives),
        cmocka_unit_test(test_a_constant_condition_selects),
        cmocka_unit_test(test_training_batch_norm_is_left_out),
        cmocka_unit_test(test_conditions_that_stay_open),
        cmocka_unit_test(test_inputs_with_defaults),
        cmocka_unit_test(test_side_effects_are_no_outputs),
        cmocka_unit_test(test_identities_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
