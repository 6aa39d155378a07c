/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files to the letter: what the format forbids or says twice is no reason to guess, and what
 * types and zero points mean. */
#include "onnx_fixture.h"

enum { MODEL_OPSET_IMPORT = 8, MODEL_FUNCTIONS = 25, FUNCTION_NAME = 1, FUNCTION_DOMAIN = 10 };
enum { OPSET_DOMAIN = 1, OPSET_NUMBER = 2 };
enum {
    TENSOR_DIMENSIONS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_SEGMENT = 3,
    GRAPH_TENSORS = 5,
    TENSOR_NAMED = 8
};
enum { NODE_ATTRIBUTES = 5, ATTRIBUTE_NAME = 1, ATTRIBUTE_INT = 3, ATTRIBUTE_INTS = 8 };
enum { ATTRIBUTE_REFERENCE = 21 };

/* y = op(x), x: (N, 4, 4, 4), with one attribute of one kind. */
struct single {
    const char *op, *key;
    int opset;
    char kind; /* i, f, s, I; 0: none */
    const char *text;
    int64_t ints[2];
    const char *word; /* NULL: is taken */
};

static void write_single(struct onnx_writer *w, const struct single *s)
{
    memset(w, 0, sizeof *w);
    ow_input(w, "x", ONNX_FLOAT, SHAPE(-1, 4, 4, 4));
    ow_node(w, s->op, "x", "y");
    if (strstr(s->op, "Pool") != NULL)
        ow_attr_ints(w, "kernel_shape", INTS(2, 2));
    if (s->kind == 'i')
        ow_attr_int(w, s->key, s->ints[0]);
    else if (s->kind == 'f')
        ow_attr_float(w, s->key, 1);
    else if (s->kind == 's')
        ow_attr_text(w, s->key, s->text);
    else if (s->kind == 'I')
        ow_attr_ints(w, s->key, s->ints, 2);
    ow_output(w, "y");
}

static void test_attributes(void **state)
{
    (void)state;
    static const struct single cases[] = {
        {"Relu", "", 13, 0, "", {0}, NULL},
        {"Relu", "alpha", 13, 'f', "", {0}, "'y' (Relu): has no attribute 'alpha' in opset 13"},
        {"LeakyRelu", "alpha", 13, 'f', "", {0}, NULL},
        {"LeakyRelu", "alph", 13, 'f', "", {0}, "'alph'"},
        {"LeakyRelu", "", 13, 'f', "", {0}, "has no attribute ''"},
        {"LeakyRelu",
         "alpha",
         13,
         'i',
         "",
         {2},
         "'y' (LeakyRelu): attribute 'alpha' has the wrong"},
        {"MaxPool", "auto_pad", 13, 's', "SAME_UPPER", {0}, NULL},
        {"MaxPool", "auto_pad", 13, 'i', "", {1}, "'auto_pad' has the wrong type"},
        {"MaxPool", "auto_pad", 13, 's', "SAME", {0}, "auto_pad 'SAME'"},
        {"MaxPool", "dilations", 13, 'I', "", {1, 1}, NULL},
        {"MaxPool", "dilations", 8, 'I', "", {1, 1}, "has no attribute 'dilations' in opset 8"},
        {"AveragePool", "dilations", 13, 'I', "", {1, 1}, "'dilations'"},
        {"AveragePool", "dilations", 19, 'I', "", {1, 1}, NULL},
        {"DepthToSpace", "blocksize", 13, 'i', "", {2}, NULL},
        {"SpaceToDepth", "blocksize", 13, 'I', "", {2, 2}, "'blocksize' has the wrong type"},
        {"Softmax", "axis", 13, 'i', "", {1}, NULL},
        {"Softmax", "axis", 13, 'I', "", {1, 2}, "'axis' has the wrong type"},
        {"HardSwish", "", 13, 0, "", {0}, "'y' (HardSwish)"},
        {"HardSwish", "", 14, 0, "", {0}, NULL},
        {"Sign", "", 8, 0, "", {0}, "is not in opset 8"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w;
        struct graph *g = NULL;
        mp2ml_error err;
        write_single(&w, &cases[k]);
        const mp2ml_status status = onnx_parse(&g, &w, cases[k].opset, NULL, &err);
        graph_free(g);
        if (cases[k].word == NULL ? status != MP2ML_OK
                                  : status == MP2ML_OK || strstr(err.text, cases[k].word) == NULL)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

static void test_an_attribute_twice(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2, 3));
    ow_node(&w, "Softmax", "x", "y");
    ow_attr_int(&w, "axis", 1);
    ow_attr_int(&w, "axis", 2);
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (Softmax): has attribute 'axis' twice");
}

/* Old files leave the type out; the values must be in the place for it nevertheless. */
static void test_attributes_without_a_type(void **state)
{
    (void)state;
    static const struct {
        bool right, reference;
        const char *word;
    } cases[] = {{true, false, NULL},
                 {false, false, "'y' (Softmax): attribute 'axis' has the wrong type"},
                 {true, true, "attribute 'axis' refers to one of a function"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct gd_bytes a = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2, 3));
        ow_node(&w, "Softmax", "x", "y");
        gd_field_bytes(&a, ATTRIBUTE_NAME, "axis", 4);
        gd_field_varint(&a, cases[k].right ? ATTRIBUTE_INT : ATTRIBUTE_INTS, 1);
        if (cases[k].reference)
            gd_field_bytes(&a, ATTRIBUTE_REFERENCE, "a", 1);
        gd_field_message(&w.node, NODE_ATTRIBUTES, &a);
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if (cases[k].word == NULL ? status != MP2ML_OK
                                  : status == MP2ML_OK || strstr(err.text, cases[k].word) == NULL)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

static void test_a_setting_as_attribute_and_as_input(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
    ow_int_list(&w, "a", INTS(1));
    ow_node(&w, "ReduceSum", "x a", "y");
    ow_attr_ints(&w, "axes", INTS(1));
    ow_output(&w, "y");
    onnx_fails(&w, 11, MP2ML_ERR_MODEL,
               "'y' (ReduceSum): has input 1, which in opset 11 is attribute 'axes'");
}

/* Without them these operators would do nothing. */
static void test_settings_that_are_missing(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        int opset;
        const char *word;
    } cases[] = {{"Unsqueeze", 11, "has no axes"}, {"Unsqueeze", 13, "has no axes"},
                 {"Slice", 9, "has no starts"},    {"Slice", 13, "has no starts"},
                 {"Pad", 13, "paddings"},          {"Concat", 13, "has no axis"},
                 {"MaxPool", 13, "kernel_shape"},  {"Cast", 13, "to a type"},
                 {"Constant", 13, "has 0 values"}, {"Resize", 13, "has no size"}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4, 4, 4));
        ow_node(&w, cases[k].op, strcmp(cases[k].op, "Constant") == 0 ? "" : "x", "y");
        ow_output(&w, "y");
        if (onnx_parse(&g, &w, cases[k].opset, NULL, &err) == MP2ML_OK ||
            strstr(err.text, cases[k].word) == NULL || strstr(err.text, "'y'") == NULL)
            fail_msg("case %zu: %s", k, err.text);
    }
}

/* An initialiser, an input or an output of the file of no or another type, or without a name. */
static void test_what_the_graph_says(void **state)
{
    (void)state;
    static const struct {
        const char *input, *constant;
        int in, out;
        const char *word;
    } cases[] = {
        {"x", "c", ONNX_FLOAT, ONNX_FLOAT, NULL},
        {"x", "c", ONNX_FLOAT, ONNX_DOUBLE, "output 'y' is float32, but the file says double"},
        {"x", "c", 0, ONNX_FLOAT, "input 'x' is not made of numbers"},
        {"x", "", ONNX_FLOAT, ONNX_FLOAT, "has no name"},
        {"", "c", ONNX_FLOAT, ONNX_FLOAT, "has no name"},
        {"x", "x", ONNX_FLOAT, ONNX_FLOAT, NULL}}; /* an input with a value is a constant */
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "z", ONNX_FLOAT, SHAPE(-1, 2));
        ow_input(&w, cases[k].input, cases[k].in, SHAPE(-1, 2));
        ow_floats(&w, cases[k].constant, (const float[]){1, 2}, SHAPE(1, 2));
        ow_node(&w, "Sub", "z x", "y");
        ow_output_shaped(&w, "y", cases[k].out, SHAPE(-1, 2));
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if (cases[k].word == NULL ? status != MP2ML_OK
                                  : status == MP2ML_OK || strstr(err.text, cases[k].word) == NULL)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

/* What is meant when both say something, the format leaves open. */
static void test_settings_that_contradict(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 1, 4, 4));
    ow_node(&w, "MaxPool", "x", "y");
    ow_attr_ints(&w, "kernel_shape", INTS(2, 2));
    ow_attr_ints(&w, "pads", INTS(1, 1, 0, 0));
    ow_attr_text(&w, "auto_pad", "SAME_UPPER");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (MaxPool): has pads beside auto_pad 'SAME_UPPER'");

    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 1, 4, 5));
    ow_node(&w, "MaxPool", "x", "y");
    ow_attr_ints(&w, "kernel_shape", INTS(1, 2));
    ow_attr_ints(&w, "dilations", INTS(1, 2));
    ow_attr_text(&w, "auto_pad", "SAME_UPPER");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_UNSUPPORTED, "'y' (MaxPool): auto_pad with dilations");

    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 1, 2, 2));
    ow_floats(&w, "s", (const float[]){1, 1, 2, 2}, SHAPE(4));
    ow_int_list(&w, "n", INTS(-1, 1, 4, 4));
    ow_node(&w, "Resize", "x - s n", "y");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (Resize): has scales and sizes");

    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 8, 2, 2));
    ow_node(&w, "DepthToSpace", "x", "y");
    ow_attr_int(&w, "blocksize", 2);
    ow_attr_text(&w, "mode", "CDR");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (DepthToSpace): mode 'CDR'");
}

static void test_an_axis_twice(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
    ow_int_list(&w, "s", INTS(0, 1));
    ow_int_list(&w, "e", INTS(2, 3));
    ow_int_list(&w, "a", INTS(1, -1));
    ow_node(&w, "Slice", "x s e a", "y");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (Slice): axis -1 of 2, or twice");

    memset(&w, 0, sizeof w);
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
    ow_int_list(&w, "p", INTS(1, 0, 0, 0));
    ow_int_list(&w, "a", INTS(1, -1));
    ow_node(&w, "Pad", "x p - a", "y");
    ow_output(&w, "y");
    onnx_fails(&w, 18, MP2ML_ERR_MODEL, "'y' (Pad): axis -1 of 2, or twice");
}

static void test_splits(void **state)
{
    (void)state;
    static const struct {
        int opset;
        bool sizes, number, taken;
        int64_t width;
    } cases[] = {{11, false, false, true, 4},  {11, false, false, false, 5},
                 {13, false, false, false, 5}, {18, false, false, false, 4},
                 {18, false, true, true, 5},   {18, true, true, false, 4},
                 {18, true, false, true, 4},   {13, false, true, false, 4}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, cases[k].width));
        ow_int_list(&w, "s", INTS(2, 2));
        ow_node(&w, "Split", cases[k].sizes ? "x s" : "x", "y z");
        ow_attr_int(&w, "axis", 1);
        if (cases[k].number)
            ow_attr_int(&w, "num_outputs", 2);
        ow_output(&w, "y");
        ow_output(&w, "z");
        const mp2ml_status status = onnx_parse(&g, &w, cases[k].opset, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

static void test_constants_with_two_values(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
        ow_node(&w, "Constant", "", "c");
        ow_attr_float(&w, "value_float", 2);
        if (both != 0)
            ow_attr_int(&w, "value_int", 3);
        ow_node(&w, "Mul", "x c", "y");
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        assert_int_equal(status == MP2ML_OK, both == 0);
        assert_true(both == 0 || strstr(err.text, "'c' (Constant): has 2 values") != NULL);
    }
}

/* An output of the file is a value by its very name. */
static void test_an_output_by_nearly_its_name(void **state)
{
    (void)state;
    struct onnx_writer w = {0};
    ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
    ow_node(&w, "Relu", "x", "y:0");
    ow_output(&w, "y");
    onnx_fails(&w, 13, MP2ML_ERR_MODEL, "output 'y' is made by no node");
}

/* A name of the user's that two fit. */
static void test_a_name_that_two_fit(void **state)
{
    (void)state;
    static const struct {
        const char *asked;
        bool taken;
    } cases[] = {{"y:0", true}, {"import/y", true}, {"y", false}, {"import/y:0", false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        const struct graph_cut cut = {NULL, 0, &cases[k].asked, 1};
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
        ow_node(&w, "Relu", "x", "y:0");
        ow_node(&w, "Neg", "x", "import/y");
        ow_output(&w, "y:0");
        const mp2ml_status status = onnx_parse(&g, &w, 13, &cut, &err);
        graph_free(g);
        if (cases[k].taken ? status != MP2ML_OK
                           : status != MP2ML_ERR_ARGUMENT || strstr(err.text, "fits both") == NULL)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

/* The model's version, then other opsets beside the one that the writer adds: 13. */
static void test_opsets(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        int version;
        bool taken;
    } cases[] = {{"", 13, true},
                 {"", 11, false},
                 {"ai.onnx", 13, true},
                 {"ai.onnx", 12, false},
                 {"com.microsoft", 1, true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct gd_bytes set = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
        ow_node(&w, "Relu", "x", "y");
        ow_output(&w, "y");
        gd_field_varint(&w.file, 1, 8);
        gd_field_bytes(&set, OPSET_DOMAIN, cases[k].domain, strlen(cases[k].domain));
        gd_field_varint(&set, OPSET_NUMBER, (uint64_t)cases[k].version);
        gd_field_message(&w.file, MODEL_OPSET_IMPORT, &set);
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

/* Whether a function of the file or the operator counts, the format leaves open. */
static void test_functions_named_like_operators(void **state)
{
    (void)state;
    static const struct {
        const char *name, *domain;
        bool taken;
    } cases[] = {{"Relu", "", false},
                 {"Conv", "ai.onnx", false},
                 {"QLinearAdd", "com.microsoft", false},
                 {"Relu", "mine", true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct gd_bytes f = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
        ow_node(&w, "Relu", "x", "y");
        ow_output(&w, "y");
        gd_field_varint(&w.file, 1, 8);
        gd_field_bytes(&f, FUNCTION_NAME, cases[k].name, strlen(cases[k].name));
        gd_field_bytes(&f, FUNCTION_DOMAIN, cases[k].domain, strlen(cases[k].domain));
        gd_field_message(&w.file, MODEL_FUNCTIONS, &f);
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken)
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
        assert_true(cases[k].taken || strstr(err.text, cases[k].name) != NULL);
    }
}

/* Values in a list of a wider type, and values in two places. */
static void test_tensors(void **state)
{
    (void)state;
    static const struct {
        int type;
        uint64_t value;
        bool raw, segment, taken;
    } cases[] = {
        {ONNX_UINT8, 255, false, false, true},       {ONNX_UINT8, 256, false, false, false},
        {ONNX_INT8, 127, false, false, true},        {ONNX_INT8, 128, false, false, false},
        {ONNX_INT8, UINT64_MAX, false, false, true}, {ONNX_INT16, 32768, false, false, false},
        {ONNX_UINT16, 65535, false, false, true},    {ONNX_UINT16, 65536, false, false, false},
        {ONNX_BOOL, 2, false, false, false},         {ONNX_FLOAT16, 65536, false, false, false},
        {ONNX_INT32, 65536, false, false, true},     {ONNX_INT32, 65536, true, false, false},
        {ONNX_INT32, 2, false, true, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct gd_bytes t = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 4));
        gd_field_varint(&t, TENSOR_DIMENSIONS, 1);
        gd_field_varint(&t, TENSOR_DATA_TYPE, (uint64_t)cases[k].type);
        gd_field_varint(&t, ONNX_INT32_DATA, cases[k].value);
        gd_field_bytes(&t, TENSOR_NAMED, "w", 1);
        if (cases[k].raw)
            gd_field_bytes(&t, ONNX_RAW_DATA, "\1\0\0\0", 4);
        if (cases[k].segment)
            gd_field_bytes(&t, TENSOR_SEGMENT, "\x10\1", 2); /* up to value 1 */
        gd_field_message(&w.graph, GRAPH_TENSORS, &t);
        ow_node(&w, "Cast", "w", "f");
        ow_attr_int(&w, "to", ONNX_FLOAT);
        ow_node(&w, "Mul", "x f", "y");
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken ||
            (status != MP2ML_OK && strstr(err.text, "'w'") == NULL))
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

/* Without a zero point the type is uint8, or what output_dtype says; blocks are refused. */
static void test_types_of_quantised_data(void **state)
{
    (void)state;
    static const struct {
        int64_t type, block;
        bool zero;
        const char *word;
        float least;
    } cases[] = {{0, 0, false, NULL, 0},
                 {ONNX_INT8, 0, false, NULL, -1.5F},
                 {ONNX_UINT8, 0, true, "unknown", 0}, /* the zero point is int8 */
                 {ONNX_INT8, 2, false, "blocks of 2", 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 1));
        ow_float(&w, "s", 0.5F);
        ow_tensor(&w, "z", ONNX_INT8, NULL, 0, ONNX_RAW_DATA, "\0", 1);
        ow_node(&w, "QuantizeLinear", cases[k].zero ? "x s z" : "x s", "q");
        if (cases[k].type != 0)
            ow_attr_int(&w, "output_dtype", cases[k].type);
        if (cases[k].block != 0)
            ow_attr_int(&w, "block_size", cases[k].block);
        ow_node(&w, "DequantizeLinear", "q s", "y");
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 21, NULL, &err);
        if (cases[k].word != NULL)
            assert_true(status != MP2ML_OK && strstr(err.text, cases[k].word) != NULL);
        else if (status == MP2ML_OK)
            graph_gives(g, FLOATS(-1.5F), &cases[k].least, 1);
        else
            fail_msg("case %zu: %s", k, err.text);
    }
}

/* Where the zero point is an end of its type, values on its other side become 0. */
static void test_zero_points_at_an_end(void **state)
{
    (void)state;
    static const struct {
        int type;
        const char *zero;
        float want[2]; /* of -1 and 1 */
    } cases[] = {{ONNX_UINT8, "\0", {0, 1}},
                 {ONNX_UINT8, "\xff", {-1, 0}},
                 {ONNX_INT8, "\x80", {0, 1}},
                 {ONNX_INT8, "\x7f", {-1, 0}},
                 {ONNX_INT8, "\0", {-1, 1}}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 2));
        ow_float(&w, "s", 0.125F);
        ow_tensor(&w, "z", cases[k].type, NULL, 0, ONNX_RAW_DATA, cases[k].zero, 1);
        ow_node(&w, "QuantizeLinear", "x s z", "q");
        ow_node(&w, "DequantizeLinear", "q s z", "y");
        ow_output(&w, "y");
        onnx_gives(&w, 13, FLOATS(-1, 1), cases[k].want, 2);
    }
}

static void test_sizes_that_overflow(void **state)
{
    (void)state;
    static const int64_t sizes[] = {INT64_MIN, INT64_MAX, -1, 0};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct onnx_writer w = {0};
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(-1, 1, 3, 3));
        ow_floats(&w, "k", (const float[]){1}, SHAPE(1, 1, 1, 1));
        ow_node(&w, "ConvTranspose", "x k", "y");
        ow_attr_ints(&w, "output_shape", (const int64_t[]){3, sizes[k]}, 2);
        ow_output(&w, "y");
        onnx_fails(&w, 13, MP2ML_ERR_MODEL, "'y' (ConvTranspose)");
    }
}

/* Inputs, outputs and operands that an operator does not have, wanted or not. */
static void test_numbers_of_inputs_and_outputs(void **state)
{
    (void)state;
    static const struct {
        const char *op, *inputs, *outputs;
        bool taken;
    } cases[] = {{"Relu", "x", "y", true},      {"Relu", "x", "y z", false},
                 {"Relu", "x -", "y", false},   {"Relu", "x", "y -", false},
                 {"Dropout", "x", "y z", true}, {"Dropout", "x", "y z u", false},
                 {"Clip", "x - -", "y", true},  {"Clip", "x - - -", "y", false},
                 {"Split", "x", "y z", true},   {"Add", "x x", "y", true},
                 {"Add", "x x x", "y", false},  {"Sum", "x x", "y", true},
                 {"Sum", "x -", "y", false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(4, 4));
        ow_node(&w, cases[k].op, cases[k].inputs, cases[k].outputs);
        ow_output(&w, "y");
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken ||
            (status != MP2ML_OK && strstr(err.text, "'y'") == NULL))
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

/* What the types of two operands are hangs on where they come from. */
static void test_operands_of_two_types(void **state)
{
    (void)state;
    static const struct {
        const char *op, *inputs;
        bool taken;
    } cases[] = {
        {"Add", "x real", true},   {"Add", "x whole", false}, {"Add", "x x", true},
        {"Add", "x cast", true},   {"Mul", "x size", false},  {"Sum", "x x whole", false},
        {"Concat", "x i", false},  {"Concat", "x y8", false}, {"Max", "real i", false},
        {"Add", "i whole", false}, {"Add", "i count", true},  {"Sub", "x kept", false},
        {"Mul", "kept i", true},   {"Add", "x back", true},   {"Clip", "x real whole", false},
        {"Clip", "x - real", true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct onnx_writer w = {0};
        struct graph *g = NULL;
        mp2ml_error err;
        ow_input(&w, "x", ONNX_FLOAT, SHAPE(2, 4));
        ow_input(&w, "i", ONNX_INT32, SHAPE(2, 4));
        ow_float(&w, "real", 2);
        ow_int(&w, "whole", 2);
        ow_tensor(&w, "count", ONNX_INT32, NULL, 0, ONNX_INT32_DATA, "\2", 1);
        ow_node(&w, "Cast", "whole", "cast");
        ow_attr_int(&w, "to", ONNX_FLOAT);
        ow_node(&w, "Size", "x", "size");
        ow_node(&w, "Identity", "i", "kept");
        ow_node(&w, "QuantizeLinear", "x real", "y8");
        ow_node(&w, "DequantizeLinear", "y8 real", "back");
        ow_node(&w, cases[k].op, cases[k].inputs, "y");
        if (strcmp(cases[k].op, "Concat") == 0)
            ow_attr_int(&w, "axis", 1);
        ow_output_shaped(&w, "y", 0, NULL, -1);
        const mp2ml_status status = onnx_parse(&g, &w, 13, NULL, &err);
        graph_free(g);
        if ((status == MP2ML_OK) != cases[k].taken ||
            (status != MP2ML_OK && strstr(err.text, "must have one type") == NULL))
            fail_msg("case %zu: %s", k, status == MP2ML_OK ? "was taken" : err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_an_attribute_twice),
        cmocka_unit_test(test_attributes_without_a_type),
        cmocka_unit_test(test_a_setting_as_attribute_and_as_input),
        cmocka_unit_test(test_settings_that_are_missing),
        cmocka_unit_test(test_what_the_graph_says),
        cmocka_unit_test(test_settings_that_contradict),
        cmocka_unit_test(test_an_axis_twice),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_constants_with_two_values),
        cmocka_unit_test(test_an_output_by_nearly_its_name),
        cmocka_unit_test(test_a_name_that_two_fit),
        cmocka_unit_test(test_opsets),
        cmocka_unit_test(test_functions_named_like_operators),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_types_of_quantised_data),
        cmocka_unit_test(test_zero_points_at_an_end),
        cmocka_unit_test(test_sizes_that_overflow),
        cmocka_unit_test(test_numbers_of_inputs_and_outputs),
        cmocka_unit_test(test_operands_of_two_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
