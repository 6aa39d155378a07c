/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of elements. All numbers are real ones here, so that a sum of float and int64 could well be
 * computed; but ONNX forbids it, and what was meant its author has to say, with a Cast. A type that
 * the file does not say is not looked at. */
#include <string.h>

#include "model/import_onnx_internal.h"

static const struct group { /* inputs of one type */
    const char *ops;
    unsigned first, step, last;
    int from; /* opset */
} groups[] = {
    {"Add And Concat Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Or Sub Sum",
     0, 1, GRAPH_MAX_INPUTS, 1},
    {"Clip Conv ConvTranspose Gemm MatMul PRelu Range", 0, 1, 2, 1},
    {"Pad", 0, 2, 2, 11},
    {"Where", 1, 1, 2, 1},
};

static const struct made { /* outputs whose type is not that of input 0 */
    const char *ops;
    int like; /* input of that type; -1: none */
    enum element_type type;
} mades[] = {
    {"ArgMax ArgMin Shape Size", -1, ELEMENT_I64},
    {"LinearRegressor Scaler", -1, ELEMENT_F32},
    {"Equal Greater GreaterOrEqual Less LessOrEqual", -1, ELEMENT_BOOL},
    {"ConvInteger MatMulInteger", -1, ELEMENT_I32},
    {"DequantizeLinear Where", 1, ELEMENT_NONE},
    {"LinearClassifier QGemm QLinearAdd QLinearConv QLinearMatMul QLinearMul QuantizeLinear", -1,
     ELEMENT_NONE},
    {"Cast Constant ConstantOfShape DynamicQuantizeLinear", -1, ELEMENT_NONE}, /* set, if known */
};

bool onnx_lists(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words; length != 0 && (at = strstr(at, word)) != NULL; at++)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

mp2ml_status onnx_types_check(const struct onnx_call *c)
{
    const char *op = c->def->op_type;
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        enum element_type first = ELEMENT_NONE;
        if (!onnx_lists(groups[g].ops, op) || c->t->model->opset < groups[g].from)
            continue;
        for (unsigned k = groups[g].first; k < c->n_in && k <= groups[g].last;
             k += groups[g].step) {
            const enum element_type type =
                onnx_has(c, k) ? onnx_value_in(c, k)->type : ELEMENT_NONE;
            if (first != ELEMENT_NONE && type != ELEMENT_NONE && type != first)
                return ONNX_FAIL(
                    c, MP2ML_ERR_MODEL,
                    "input %u ('%.200s') is %s, another one %s: they must have one type; "
                    "say which with a Cast",
                    k, onnx_value_in(c, k)->name, element_name(type), element_name(first));
            first = type != ELEMENT_NONE ? type : first;
        }
    }
    return MP2ML_OK;
}

void onnx_types_settle(const struct onnx_call *c)
{
    const struct onnx_model *m = c->t->model;
    struct made made = {"", 0, ELEMENT_NONE};
    for (size_t k = 0; k < sizeof mades / sizeof mades[0]; k++)
        if (onnx_lists(mades[k].ops, c->def->op_type))
            made = mades[k];
    if (made.like >= 0 && onnx_has(c, (unsigned)made.like))
        made.type = onnx_value_in(c, (unsigned)made.like)->type;
    for (size_t k = m->first_out[c->index]; k < m->first_out[c->index + 1]; k++) {
        struct onnx_value *v = m->out[k] != ONNX_ABSENT ? &m->values[m->out[k]] : NULL;
        const bool first = k == m->first_out[c->index];
        if (v != NULL && (first || strcmp(c->def->op_type, "Split") == 0))
            v->type = v->type != ELEMENT_NONE ? v->type : made.type;
    }
}
