/* SPDX-License-Identifier: Apache-2.0
 *
 * What attributes ONNX's operators have, by the published schemas up to ONNX_MOST_OPSET. A node with
 * another one, with two of a name, or with one of another type says something that is not read here:
 * it is refused, whatever the importer of its operator would have looked at. */
#include <string.h>

#include "model/import_onnx_internal.h"

#define MOST ONNX_MOST_OPSET
#define WINDOWS "Conv ConvInteger ConvTranspose QLinearConv"
#define POOLS "AveragePool MaxPool"
#define REDUCTIONS "ReduceL1 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare"
#define OLD_PAIRS "Add And Div Equal Greater Less Mul Or Pow Sub"
#define OLD_PLACES                                                                                 \
    "Abs Add BatchNormalization Ceil Clip Div Dropout Exp Floor HardSigmoid LeakyRelu Log Max "    \
    "Mean Min Mul Neg PRelu Reciprocal Relu Reshape Sigmoid Sqrt Sub Sum Tanh"

enum kind { INT, FLOAT, TEXT, INTS, FLOATS, TENSOR, OTHER };

struct schema {
    const char *ops, *name;
    enum kind kind;
    int from, to; /* opsets */
};

static const struct schema schemas[] = {
    {"Reshape", "allowzero", INT, 14, MOST},
    {"Gemm HardSigmoid LeakyRelu", "alpha", FLOAT, 1, MOST},
    {"Resize", "antialias", INT, 18, MOST},
    {WINDOWS " " POOLS, "auto_pad", TEXT, 1, MOST},
    {"Slice", "axes", INTS, 1, 9},
    {"ReduceSum Squeeze Unsqueeze", "axes", INTS, 1, 12},
    {REDUCTIONS, "axes", INTS, 1, 17},
    {"Resize", "axes", INTS, 18, MOST},
    {OLD_PAIRS, "axis", INT, 1, 6},
    {"ArgMax ArgMin Concat Flatten Gather LogSoftmax Softmax Split", "axis", INT, 1, MOST},
    {"DequantizeLinear QuantizeLinear", "axis", INT, 13, MOST},
    {"Gemm HardSigmoid", "beta", FLOAT, 1, MOST},
    {"DequantizeLinear QuantizeLinear", "block_size", INT, 21, MOST},
    {"DepthToSpace SpaceToDepth", "blocksize", INT, 1, MOST},
    {OLD_PAIRS " Gemm", "broadcast", INT, 1, 6},
    {POOLS, "ceil_mode", INT, 10, MOST},
    {OLD_PLACES, "consumed_inputs", INTS, 1, 5},
    {"Resize", "coordinate_transformation_mode", TEXT, 11, MOST},
    {"AveragePool", "count_include_pad", INT, 7, MOST},
    {"Resize", "cubic_coeff_a", FLOAT, 11, MOST},
    {WINDOWS, "dilations", INTS, 1, MOST},
    {"MaxPool", "dilations", INTS, 10, MOST},
    {"AveragePool", "dilations", INTS, 19, MOST},
    {"Shape", "end", INT, 15, MOST},
    {"Slice", "ends", INTS, 1, 9},
    {"BatchNormalization", "epsilon", FLOAT, 1, MOST},
    {"Resize", "exclude_outside", INT, 11, MOST},
    {"Resize", "extrapolation_value", FLOAT, 11, MOST},
    {WINDOWS, "group", INT, 1, MOST},
    {"BatchNormalization Dropout", "is_test", INT, 1, 6},
    {"Resize", "keep_aspect_ratio_policy", TEXT, 18, MOST},
    {REDUCTIONS " ArgMax ArgMin ReduceSum", "keepdims", INT, 1, MOST},
    {WINDOWS " " POOLS, "kernel_shape", INTS, 1, MOST},
    {"Clip", "max", FLOAT, 1, 10},
    {"Clip", "min", FLOAT, 1, 10},
    {"Pad Resize Upsample", "mode", TEXT, 1, MOST},
    {"DepthToSpace", "mode", TEXT, 11, MOST},
    {"BatchNormalization", "momentum", FLOAT, 1, MOST},
    {"Resize", "nearest_mode", TEXT, 11, MOST},
    {"ReduceSum", "noop_with_empty_axes", INT, 13, MOST},
    {REDUCTIONS, "noop_with_empty_axes", INT, 18, MOST},
    {"Split", "num_outputs", INT, 18, MOST},
    {"QuantizeLinear", "output_dtype", INT, 21, MOST},
    {"DequantizeLinear", "output_dtype", INT, 23, MOST},
    {"ConvTranspose", "output_padding", INTS, 1, MOST},
    {"ConvTranspose", "output_shape", INTS, 1, MOST},
    {"Pad", "paddings", INTS, 1, 1},
    {WINDOWS " " POOLS, "pads", INTS, 1, MOST},
    {"Pad", "pads", INTS, 2, 10},
    {"Transpose", "perm", INTS, 1, MOST},
    {"QuantizeLinear", "precision", INT, 23, MOST},
    {"Dropout", "ratio", FLOAT, 1, 11},
    {"Cast", "round_mode", TEXT, 24, MOST},
    {"Cast QuantizeLinear", "saturate", INT, 19, MOST},
    {"Upsample", "scales", FLOATS, 7, 8},
    {"Dropout", "seed", INT, 12, MOST},
    {"ArgMax ArgMin", "select_last_index", INT, 12, MOST},
    {"Constant", "sparse_value", OTHER, 11, MOST},
    {"BatchNormalization", "spatial", INT, 1, 8},
    {"Split", "split", INTS, 1, 12},
    {"Shape", "start", INT, 15, MOST},
    {"Slice", "starts", INTS, 1, 9},
    {"MaxPool", "storage_order", INT, 8, MOST},
    {WINDOWS " " POOLS, "strides", INTS, 1, MOST},
    {"Cast", "to", INT, 6, MOST},
    {"BatchNormalization", "training_mode", INT, 14, MOST},
    {"Gemm", "transA", INT, 1, MOST},
    {"Gemm", "transB", INT, 1, MOST},
    {"Pad", "value", FLOAT, 1, 10},
    {"Constant ConstantOfShape", "value", TENSOR, 1, MOST},
    {"Constant", "value_float", FLOAT, 12, MOST},
    {"Constant", "value_floats", FLOATS, 12, MOST},
    {"Constant", "value_int", INT, 12, MOST},
    {"Constant", "value_ints", INTS, 12, MOST},
    {"Constant", "value_string", TEXT, 12, MOST},
    {"Constant", "value_strings", OTHER, 12, MOST},
};

/* Of ai.onnx.ml and com.microsoft, in all of their opsets. */
static const struct schema others[] = {
    {"QGemm QLinearLeakyRelu", "alpha", FLOAT, 1, MOST},
    {"QLinearAveragePool", "auto_pad", TEXT, 1, MOST},
    {"QLinearConcat QLinearSoftmax", "axis", INT, 1, MOST},
    {"QLinearAveragePool", "ceil_mode", INT, 1, MOST},
    {"QLinearAveragePool QLinearGlobalAveragePool", "channels_last", INT, 1, MOST},
    {"LinearClassifier", "classlabels_ints", INTS, 1, MOST},
    {"LinearClassifier", "classlabels_strings", OTHER, 1, MOST},
    {"LinearClassifier LinearRegressor", "coefficients", FLOATS, 1, MOST},
    {"QLinearAveragePool", "count_include_pad", INT, 1, MOST},
    {"LinearClassifier LinearRegressor", "intercepts", FLOATS, 1, MOST},
    {"QLinearAveragePool", "kernel_shape", INTS, 1, MOST},
    {"LinearClassifier", "multi_class", INT, 1, MOST},
    {"Scaler", "offset", FLOATS, 1, MOST},
    {"QLinearSoftmax", "opset", INT, 1, MOST},
    {"QLinearAveragePool", "pads", INTS, 1, MOST},
    {"LinearClassifier LinearRegressor", "post_transform", TEXT, 1, MOST},
    {"Scaler", "scale", FLOATS, 1, MOST},
    {"QLinearAveragePool", "strides", INTS, 1, MOST},
    {"LinearRegressor", "targets", INT, 1, MOST},
    {"QGemm", "transA", INT, 1, MOST},
    {"QGemm", "transB", INT, 1, MOST},
};

static const struct schema *schema_of(const struct onnx_call *c, const char *name)
{
    const int64_t opset = c->t->model->opset;
    const bool own = c->def->domain[0] == '\0' || strcmp(c->def->domain, "ai.onnx") == 0;
    const struct schema *table = own ? schemas : others;
    const size_t n = own ? sizeof schemas / sizeof schemas[0] : sizeof others / sizeof others[0];
    for (size_t k = 0; k < n; k++)
        if (strcmp(table[k].name, name) == 0 && onnx_lists(table[k].ops, c->def->op_type) &&
            (!own || (opset >= table[k].from && opset <= table[k].to)))
            return &table[k];
    return NULL;
}

bool onnx_attr_exists(const struct onnx_call *c, const char *key)
{
    return schema_of(c, key) != NULL;
}

/* What stands in the fields is of this kind, and nothing else. Old files leave the type out. */
static bool is_of_kind(const Onnx__Attribute *a, enum kind kind)
{
    static const int32_t types[] = {
        [INT] = 2, [FLOAT] = 1, [TEXT] = 3, [INTS] = 7, [FLOATS] = 6, [TENSOR] = 4};
    const bool number = a->f < 0 || a->f > 0 || a->f != a->f;
    if (kind == OTHER)
        return true;
    return (a->type == 0 || a->type == types[kind]) && (kind == INT || a->i == 0) &&
           (kind == FLOAT || !number) && (kind == TEXT || a->s.len == 0) &&
           (kind == INTS || a->n_ints == 0) && (kind == FLOATS || a->n_floats == 0) &&
           (kind == TENSOR) == (a->t != NULL) && a->g == NULL && a->n_strings == 0;
}

mp2ml_status onnx_attr_check(const struct onnx_call *c)
{
    const onnx_node *def = c->def;
    for (size_t k = 0; k < def->n_attribute; k++) {
        const Onnx__Attribute *a = def->attribute[k];
        const struct schema *schema = schema_of(c, a->name);
        if (schema == NULL)
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has no attribute '%.100s' in opset %lld", a->name,
                             (long long)c->t->model->opset);
        for (size_t i = 0; i < k; i++) /* all before are known and different: few */
            if (strcmp(def->attribute[i]->name, a->name) == 0)
                return ONNX_FAIL(c, MP2ML_ERR_MODEL, "has attribute '%s' twice", a->name);
        if (a->ref_attr_name[0] != '\0')
            return ONNX_FAIL(c, MP2ML_ERR_MODEL,
                             "attribute '%s' refers to one of a function, and stands in none",
                             a->name);
        if (!is_of_kind(a, schema->kind))
            return ONNX_FAIL(c, MP2ML_ERR_MODEL, "attribute '%s' has the wrong type", a->name);
    }
    return MP2ML_OK;
}

/* Outputs that an operator has, those that are not wanted counted. */
unsigned onnx_most_outputs(const struct onnx_call *c)
{
    static const struct {
        const char *ops;
        unsigned most;
    } rows[] = {{"Split", GRAPH_MAX_INPUTS},
                {"BatchNormalization", 5},
                {"DynamicQuantizeLinear", 3},
                {"Dropout LinearClassifier MaxPool", 2}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
        if (onnx_lists(rows[k].ops, c->def->op_type))
            return rows[k].most;
    return 1;
}
