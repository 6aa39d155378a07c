/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed access to a node's attributes, and errors that name the node. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/import_tf_internal.h"

mp2ml_status tf_fail(mp2ml_error *err, const tf_node *def, mp2ml_status status, const char *fmt,
                     ...)
{
    char text[700];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    (void)status_fail(err, status, "node '%.200s' (%.60s): %s", def->name, def->op, text);
    graph_clean_text(err);
    return status;
}

static const struct {
    enum tf_type type;
    char kind; /* r, i, or - */
    const char *name;
} types[] = {
    {TF_FLOAT, 'r', "float32"},     {TF_DOUBLE, 'r', "float64"}, {TF_INT32, 'i', "int32"},
    {TF_UINT8, 'i', "uint8"},       {TF_INT16, 'i', "int16"},    {TF_INT8, 'i', "int8"},
    {TF_STRING, '-', "string"},     {TF_INT64, 'i', "int64"},    {TF_BOOL, 'i', "bool"},
    {TF_BFLOAT16, 'r', "bfloat16"}, {TF_UINT16, 'i', "uint16"},  {TF_HALF, 'r', "float16"},
    {TF_UINT32, 'i', "uint32"},     {TF_UINT64, 'i', "uint64"},
};

static size_t type_index(int32_t type)
{
    size_t k = 0;
    while (k < sizeof types / sizeof types[0] && (int32_t)types[k].type != type)
        k++;
    return k;
}

const char *tf_type_name(int32_t type)
{
    const size_t k = type_index(type);
    return k < sizeof types / sizeof types[0] ? types[k].name : "of an unknown type";
}

bool tf_type_is_real(int32_t type)
{
    const size_t k = type_index(type);
    return k < sizeof types / sizeof types[0] && types[k].kind == 'r';
}

bool tf_type_is_integer(int32_t type)
{
    const size_t k = type_index(type);
    return k < sizeof types / sizeof types[0] && types[k].kind == 'i';
}

const ModelTf__AttrValue *tf_attr(const tf_node *def, const char *key)
{
    for (size_t k = 0; k < def->n_attr; k++)
        if (strcmp(def->attr[k]->key, key) == 0)
            return def->attr[k]->value;
    return NULL;
}

static mp2ml_status wrong_type(const tf_node *def, const char *key, mp2ml_error *err)
{
    return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' has the wrong type", key);
}

mp2ml_status tf_attr_int(int64_t *out, const tf_node *def, const char *key, mp2ml_error *err)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL)
        return MP2ML_OK;
    if (a->value_case != MODEL_TF__ATTR_VALUE__VALUE_I)
        return wrong_type(def, key, err);
    *out = a->i;
    return MP2ML_OK;
}

mp2ml_status tf_attr_float(float *out, const tf_node *def, const char *key, mp2ml_error *err)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL)
        return MP2ML_OK;
    if (a->value_case != MODEL_TF__ATTR_VALUE__VALUE_F)
        return wrong_type(def, key, err);
    if (!isfinite(a->f))
        return tf_fail(err, def, MP2ML_ERR_MODEL, "attribute '%s' is not a finite number", key);
    *out = a->f;
    return MP2ML_OK;
}

mp2ml_status tf_attr_bool(bool *out, const tf_node *def, const char *key, mp2ml_error *err)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL)
        return MP2ML_OK;
    if (a->value_case != MODEL_TF__ATTR_VALUE__VALUE_B)
        return wrong_type(def, key, err);
    *out = a->b != 0;
    return MP2ML_OK;
}

mp2ml_status tf_attr_type(int32_t *out, const tf_node *def, const char *key, mp2ml_error *err)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL)
        return MP2ML_OK;
    if (a->value_case != MODEL_TF__ATTR_VALUE__VALUE_TYPE)
        return wrong_type(def, key, err);
    *out = a->type;
    return MP2ML_OK;
}

bool tf_attr_is(const tf_node *def, const char *key, const char *text)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    return a != NULL && a->value_case == MODEL_TF__ATTR_VALUE__VALUE_S &&
           a->s.len == strlen(text) && memcmp(a->s.data, text, a->s.len) == 0;
}

struct tf_text tf_attr_text(const tf_node *def, const char *key)
{
    struct tf_text t = {"missing"};
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL || a->value_case != MODEL_TF__ATTR_VALUE__VALUE_S)
        return t;
    const size_t n = a->s.len < sizeof t.text - 1 ? a->s.len : sizeof t.text - 1;
    if (n != 0)
        memcpy(t.text, a->s.data, n);
    t.text[n] = '\0';
    return t;
}

mp2ml_status tf_attr_ints(const int64_t **values, size_t *count, const tf_node *def,
                          const char *key, mp2ml_error *err)
{
    const ModelTf__AttrValue *a = tf_attr(def, key);
    if (a == NULL)
        return MP2ML_OK;
    if (a->value_case != MODEL_TF__ATTR_VALUE__VALUE_LIST)
        return wrong_type(def, key, err);
    *values = a->list->i;
    *count = a->list->n_i;
    return MP2ML_OK;
}

mp2ml_status tf_batched_shape(unsigned *rank, int64_t *dims, const ModelTf__TensorShape *shape,
                              const tf_node *def, mp2ml_error *err)
{
    static const char how[] = "give it, as --input-node NAME:D1,D2,... without the batch";
    if (shape == NULL || shape->unknown_rank != 0 || shape->n_dim == 0)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED, "the file does not say its shape: %s", how);
    if (shape->n_dim > GRAPH_MAX_RANK)
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED, "has %zu axes, at most %d are supported",
                       shape->n_dim, GRAPH_MAX_RANK);
    *rank = (unsigned)shape->n_dim;
    for (unsigned d = 0; d < *rank; d++) {
        const int64_t size = shape->dim[d]->size;
        if (d == 0 && size != -1 && size != 1)
            return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED,
                           "the batch is fixed to %lld; if that axis is not the batch, or is to be "
                           "any batch, give the shape of one sample: --input-node NAME:D1,D2,...",
                           (long long)size);
        if (d != 0 && size == -1)
            return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED, "axis %u of its shape is not known: %s",
                           d, how);
        if (d != 0 && (size < 1 || size > (int64_t)GRAPH_MAX_COUNT))
            return tf_fail(err, def, MP2ML_ERR_MODEL, "axis %u of its shape is %lld", d,
                           (long long)size);
        dims[d] = d == 0 ? GRAPH_BATCH : size;
    }
    return MP2ML_OK;
}
