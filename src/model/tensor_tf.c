/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorProto to a tensor. Values stand either in tensor_content, little-endian and dense, or in a
 * list of their type, where the last value repeats to the end; no value at all means zeros. */
#include <limits.h>
#include <string.h>

#include "model/element.h"
#include "model/import_tf_internal.h"

static enum element_type element_of(int32_t type)
{
    static const enum element_type of[] = {
        [TF_FLOAT] = ELEMENT_F32,     [TF_DOUBLE] = ELEMENT_F64, [TF_HALF] = ELEMENT_F16,
        [TF_BFLOAT16] = ELEMENT_BF16, [TF_INT8] = ELEMENT_I8,    [TF_INT16] = ELEMENT_I16,
        [TF_INT32] = ELEMENT_I32,     [TF_INT64] = ELEMENT_I64,  [TF_UINT8] = ELEMENT_U8,
        [TF_UINT16] = ELEMENT_U16,    [TF_UINT32] = ELEMENT_U32, [TF_UINT64] = ELEMENT_U64,
        [TF_BOOL] = ELEMENT_BOOL,
    };
    return type >= 0 && (size_t)type < sizeof of / sizeof of[0] ? of[type] : ELEMENT_NONE;
}

/* Numbers from 2^63 on, which only uint64 has, become the greatest int64. */
static int64_t unsigned_value(uint64_t v)
{
    return v > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)v;
}

static mp2ml_status tensor_alloc(struct tf_import *t, struct graph_tensor *out, bool integers,
                                 const tf_node *def)
{
    const mp2ml_status status = graph_tensor_alloc(&t->build, out, integers);
    return status == MP2ML_OK
               ? status
               : status_within(t->build.err, status, "node '%.200s' (%s)", def->name, def->op);
}

static mp2ml_status read_content(struct tf_import *t, struct graph_tensor *out,
                                 ModelTf__Tensor *from, const tf_node *def)
{
    const enum element_type type = element_of(from->dtype);
    const size_t width = element_width(type);
    ProtobufCBinaryData *content = &from->tensor_content;
    if (content->len != out->count * width) /* count <= 2^31 */
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL, "has %zu bytes for %zu values",
                       content->len, out->count);
    if (from->dtype == TF_FLOAT && t->may_move) {
        out->f = (float *)(void *)content->data; /* from malloc: aligned, and freed by free */
        content->data = NULL;
        content->len = 0;
        return MP2ML_OK;
    }
    const bool integers = tf_type_is_integer(from->dtype);
    TRY(tensor_alloc(t, out, integers, def));
    for (size_t k = 0; k < out->count; k++) {
        if (integers)
            out->i[k] = element_integer(content->data + k * width, type);
        else
            out->f[k] = element_real(content->data + k * width, type);
    }
    return MP2ML_OK;
}

static size_t list_length(const ModelTf__Tensor *from)
{
    switch (from->dtype) {
    case TF_FLOAT:
        return from->n_float_val;
    case TF_DOUBLE:
        return from->n_double_val;
    case TF_INT64:
        return from->n_int64_val;
    case TF_UINT64:
        return from->n_uint64_val;
    case TF_UINT32:
        return from->n_uint32_val;
    case TF_BOOL:
        return from->n_bool_val;
    case TF_HALF:
    case TF_BFLOAT16:
        return from->n_half_val;
    default:
        return from->n_int_val;
    }
}

static float list_real(const ModelTf__Tensor *from, size_t k)
{
    switch (from->dtype) {
    case TF_FLOAT:
        return from->float_val[k];
    case TF_DOUBLE:
        return (float)from->double_val[k];
    case TF_HALF:
        return element_half((uint16_t)from->half_val[k]);
    default:
        return element_bfloat((uint16_t)from->half_val[k]);
    }
}

static int64_t list_integer(const ModelTf__Tensor *from, size_t k)
{
    switch (from->dtype) {
    case TF_INT64:
        return from->int64_val[k];
    case TF_UINT64:
        return unsigned_value(from->uint64_val[k]);
    case TF_UINT32:
        return (int64_t)from->uint32_val[k];
    case TF_BOOL:
        return from->bool_val[k] != 0;
    default:
        return from->int_val[k];
    }
}

static mp2ml_status read_list(struct tf_import *t, struct graph_tensor *out,
                              const ModelTf__Tensor *from, const tf_node *def)
{
    const bool integers = tf_type_is_integer(from->dtype);
    const size_t given = list_length(from);
    if (given > out->count)
        return tf_fail(t->build.err, def, MP2ML_ERR_MODEL, "has %zu values in a shape of %zu",
                       given, out->count);
    TRY(tensor_alloc(t, out, integers, def));
    for (size_t k = 0; given != 0 && k < out->count; k++) {
        const size_t at = k < given ? k : given - 1;
        if (integers)
            out->i[k] = list_integer(from, at);
        else
            out->f[k] = list_real(from, at);
    }
    return MP2ML_OK;
}

mp2ml_status tf_tensor_read(struct tf_import *t, struct graph_tensor *out, ModelTf__Tensor *from,
                            const tf_node *def)
{
    mp2ml_error *err = t->build.err;
    if (!tf_type_is_real(from->dtype) && !tf_type_is_integer(from->dtype))
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED, "a constant %s (type %d)",
                       tf_type_name(from->dtype), (int)from->dtype);
    const ModelTf__TensorShape *shape = from->tensor_shape;
    const size_t rank = shape != NULL ? shape->n_dim : 0;
    if (rank > GRAPH_MAX_RANK || (shape != NULL && shape->unknown_rank != 0))
        return tf_fail(err, def, MP2ML_ERR_UNSUPPORTED, "a constant with more than %d axes",
                       GRAPH_MAX_RANK);
    out->rank = (unsigned)rank;
    for (size_t d = 0; d < rank; d++)
        out->dims[d] = shape->dim[d]->size;
    if (!graph_count(&out->count, out->dims, out->rank))
        return tf_fail(err, def, MP2ML_ERR_MODEL, "a constant with an impossible shape");
    if (from->tensor_content.len != 0)
        return read_content(t, out, from, def);
    return read_list(t, out, from, def);
}
