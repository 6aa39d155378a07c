/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of TensorFlow's operators: each row names ours and reads the attributes. */
#include <string.h>

#include "model/import_tf_internal.h"

/* Nothing but inputs. */
static mp2ml_status import_plain(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    (void)t;
    (void)def;
    (void)n;
    return MP2ML_OK;
}

static mp2ml_status import_placeholder(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    int32_t type = TF_FLOAT;
    TRY(tf_attr_type(&type, def, "dtype", err));
    if (type == TF_BOOL || (!tf_type_is_real(type) && !tf_type_is_integer(type)))
        return tf_fail(
            err, def, MP2ML_ERR_UNSUPPORTED,
            "its values are %s: start the network behind it with --input-node NAME:SHAPE",
            tf_type_name(type));
    if (n->rank != 0) /* given by the user */
        return MP2ML_OK;
    const ModelTf__AttrValue *a = tf_attr(def, "shape");
    if (a != NULL && a->value_case != MODEL_TF__ATTR_VALUE__VALUE_SHAPE)
        return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute 'shape' has the wrong type");
    return tf_batched_shape(&n->rank, n->dims, a != NULL ? a->shape : NULL, def, err);
}

static mp2ml_status import_const(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    const ModelTf__AttrValue *a = tf_attr(def, "value");
    if (a == NULL || a->value_case != MODEL_TF__ATTR_VALUE__VALUE_TENSOR)
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL, "has no value");
    TRY(tf_tensor_read(t, &n->value, a->tensor, def));
    n->integers = tf_type_is_integer(a->tensor->dtype);
    return MP2ML_OK;
}

static mp2ml_status read_layout(bool *nchw, const tf_node *def, mp2ml_error *err)
{
    *nchw = tf_attr_is(def, "data_format", "NCHW");
    if (tf_attr(def, "data_format") != NULL && !*nchw && !tf_attr_is(def, "data_format", "NHWC"))
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute 'data_format' is '%s', supported are NHWC and NCHW",
                       tf_attr_text(def, "data_format").text);
    return MP2ML_OK;
}

/* A list of four, one for each axis; those of batch and channels must be 1. */
static mp2ml_status read_pair(int64_t *pair, const tf_node *def, const char *key, bool nchw,
                              bool required, mp2ml_error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, key, err));
    if (count == 0 && !required) {
        pair[0] = pair[1] = 1;
        return MP2ML_OK;
    }
    if (count != 4)
        return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' has %zu values, must have 4", key,
                       count);
    const unsigned row = nchw ? 2 : 1;
    if (list[0] != 1 || list[nchw ? 1 : 3] != 1)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute '%s' is not 1 for batch and channels", key);
    for (unsigned k = 0; k < 2; k++) {
        pair[k] = list[row + k];
        if (pair[k] < 1 || pair[k] > (int64_t)GRAPH_MAX_COUNT)
            return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' has the value %lld", key,
                           (long long)pair[k]);
    }
    return MP2ML_OK;
}

static mp2ml_status read_padding(struct graph_window *w, const tf_node *def, mp2ml_error *err)
{
    if (tf_attr_is(def, "padding", "SAME")) {
        w->padding = GRAPH_SAME;
        return MP2ML_OK;
    }
    if (tf_attr_is(def, "padding", "VALID")) {
        w->padding = GRAPH_VALID;
        return MP2ML_OK;
    }
    if (!tf_attr_is(def, "padding", "EXPLICIT"))
        return tf_fail(err, def, MP2ML_ERR_MODEL,
                       "attribute 'padding' is '%s', must be SAME, VALID or EXPLICIT",
                       tf_attr_text(def, "padding").text);
    w->padding = GRAPH_EXPLICIT;
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, "explicit_paddings", err));
    if (count != 8)
        return tf_fail(err, def, MP2ML_ERR_MODEL,
                       "attribute 'explicit_paddings' has %zu values, must have 8", count);
    const unsigned row = w->nchw ? 2 : 1, channel = w->nchw ? 1 : 3;
    if (list[0] != 0 || list[1] != 0 || list[2 * channel] != 0 || list[2 * channel + 1] != 0)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                       "attribute 'explicit_paddings' pads batch or channels");
    memcpy(w->pad, list + 2 * row, sizeof w->pad);
    return MP2ML_OK;
}

static mp2ml_status import_conv2d(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    struct graph_window *w = &n->window;
    TRY(read_layout(&w->nchw, def, err));
    TRY(read_pair(w->stride, def, "strides", w->nchw, true, err));
    TRY(read_pair(w->dilation, def, "dilations", w->nchw, false, err));
    return read_padding(w, def, err);
}

static mp2ml_status import_pool(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    mp2ml_error *err = t->build.err;
    struct graph_window *w = &n->window;
    TRY(read_layout(&w->nchw, def, err));
    TRY(read_pair(w->kernel, def, "ksize", w->nchw, true, err));
    TRY(read_pair(w->stride, def, "strides", w->nchw, true, err));
    w->dilation[0] = w->dilation[1] = 1;
    return read_padding(w, def, err);
}

static mp2ml_status import_matmul(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    TRY(tf_attr_bool(&n->transpose_a, def, "transpose_a", t->build.err));
    return tf_attr_bool(&n->transpose_b, def, "transpose_b", t->build.err);
}

static mp2ml_status import_bias_add(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    return read_layout(&n->nchw, def, t->build.err);
}

/* Both names of the attribute are in use. */
static mp2ml_status import_squeeze(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    const int64_t *list = NULL;
    size_t count = 0;
    TRY(tf_attr_ints(&list, &count, def, "axis", t->build.err));
    if (count == 0)
        TRY(tf_attr_ints(&list, &count, def, "squeeze_dims", t->build.err));
    if (count > GRAPH_MAX_RANK)
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL,
                       "attribute 'squeeze_dims' has %zu values", count);
    n->n_list = (unsigned)count;
    for (size_t k = 0; k < count; k++)
        n->list[k] = list[k];
    return MP2ML_OK;
}

static mp2ml_status import_softmax(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    (void)t;
    (void)def;
    n->axis = -1;
    return MP2ML_OK;
}

static mp2ml_status import_pack(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    return tf_attr_int(&n->axis, def, "axis", t->build.err);
}

static mp2ml_status import_strided_slice(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    static const char *const keys[5] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                        "shrink_axis_mask"};
    for (size_t k = 0; k < 5; k++)
        TRY(tf_attr_int(&n->mask[k], def, keys[k], t->build.err));
    return MP2ML_OK;
}

static mp2ml_status import_prod(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    bool keep = false;
    TRY(tf_attr_bool(&keep, def, "keep_dims", t->build.err));
    n->mask[0] = keep;
    return MP2ML_OK;
}

static mp2ml_status import_cast(struct tf_import *t, tf_node *def, struct graph_node *n)
{
    int32_t type = TF_FLOAT;
    TRY(tf_attr_type(&type, def, "DstT", t->build.err));
    if (!tf_type_is_real(type) && !tf_type_is_integer(type))
        return tf_fail(t->build.err, def, MP2ML_ERR_UNSUPPORTED, "attribute 'DstT' is %s",
                       tf_type_name(type));
    n->integers = tf_type_is_integer(type);
    return MP2ML_OK;
}

static const struct tf_row table[] = {
    {"Add", GRAPH_ADD, import_plain},
    {"AddV2", GRAPH_ADD, import_plain},
    {"ArgMax", GRAPH_ARGMAX, import_plain},
    {"AvgPool", GRAPH_AVG_POOL, import_pool},
    {"BiasAdd", GRAPH_BIAS_ADD, import_bias_add},
    {"Cast", GRAPH_CAST, import_cast},
    {"ConcatV2", GRAPH_CONCAT, import_plain},
    {"Const", GRAPH_CONST, import_const},
    {"Conv2D", GRAPH_CONV2D, import_conv2d},
    {"ExpandDims", GRAPH_EXPAND_DIMS, import_plain},
    {"Identity", GRAPH_IDENTITY, import_plain},
    {"MatMul", GRAPH_MATMUL, import_matmul},
    {"MaxPool", GRAPH_MAX_POOL, import_pool},
    {"Mul", GRAPH_MUL, import_plain},
    {"Pack", GRAPH_PACK, import_pack},
    {"Pad", GRAPH_PAD, import_plain},
    {"PadV2", GRAPH_PAD, import_plain},
    {"Placeholder", GRAPH_INPUT, import_placeholder},
    {"Prod", GRAPH_PROD, import_prod},
    {"RealDiv", GRAPH_DIV, import_plain},
    {"Relu", GRAPH_RELU, import_plain},
    {"Reshape", GRAPH_RESHAPE, import_plain},
    {"Shape", GRAPH_SHAPE, import_plain},
    {"Softmax", GRAPH_SOFTMAX, import_softmax},
    {"Squeeze", GRAPH_SQUEEZE, import_squeeze},
    {"StopGradient", GRAPH_IDENTITY, import_plain},
    {"StridedSlice", GRAPH_STRIDED_SLICE, import_strided_slice},
    {"Sub", GRAPH_SUB, import_plain},
    {"Transpose", GRAPH_TRANSPOSE, import_plain},
};

const struct tf_row *tf_row_find(const char *op)
{
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++)
        if (strcmp(table[k].name, op) == 0)
            return &table[k];
    return NULL;
}

const char *import_tf_op_name(size_t index)
{
    return index < sizeof table / sizeof table[0] ? table[index].name : NULL;
}

bool tf_is_placeholder(const tf_node *def)
{
    return strcmp(def->op, "Placeholder") == 0;
}
