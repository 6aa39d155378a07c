/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors of TensorFlow Lite files, and constants: values go from the file's bytes to where the
 * graph keeps them in one step, dequantised, and with the axes in the order that the graph wants. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/import_tflite_internal.h"

/* By their number in the file. */
static const enum element_type types[] = {
    ELEMENT_F32,  /* FLOAT32 */
    ELEMENT_F16,  /* FLOAT16 */
    ELEMENT_I32,  /* INT32 */
    ELEMENT_U8,   /* UINT8 */
    ELEMENT_I64,  /* INT64 */
    ELEMENT_NONE, /* STRING */
    ELEMENT_BOOL, /* BOOL */
    ELEMENT_I16,  /* INT16 */
    ELEMENT_NONE, /* COMPLEX64 */
    ELEMENT_I8,   /* INT8 */
    ELEMENT_F64,  /* FLOAT64 */
    ELEMENT_NONE, /* COMPLEX128 */
    ELEMENT_U64,  /* UINT64 */
    ELEMENT_NONE, /* RESOURCE */
    ELEMENT_NONE, /* VARIANT */
    ELEMENT_U32,  /* UINT32 */
    ELEMENT_U16,  /* UINT16 */
    ELEMENT_NONE, /* INT4 */
    ELEMENT_BF16, /* BFLOAT16 */
};

enum { /* fields of the schema's tables */
       TENSOR_SHAPE = 0,
       TENSOR_TYPE = 1,
       TENSOR_BUFFER = 2,
       TENSOR_NAME = 3,
       TENSOR_QUANTIZATION = 4,
       TENSOR_IS_VARIABLE = 5,
       TENSOR_SPARSITY = 6,
       TENSOR_SHAPE_SIGNATURE = 7,
       QUANTIZATION_SCALE = 2,
       QUANTIZATION_ZERO_POINT = 3,
       QUANTIZATION_DETAILS_TYPE = 4,
       QUANTIZATION_DIMENSION = 6,
       BUFFER_DATA = 0,
       BUFFER_OFFSET = 1,
       BUFFER_SIZE = 2
};

/* What converters write for operators that they have joined is all their names, with semicolons
 * between: the first is enough. */
void tflite_tensor_name(char name[TFLITE_NAME], struct tflite_model *m, int tensor)
{
    const struct flatbuffer_table table = flatbuffer_table_at(&m->tensors, (size_t)tensor);
    const char *text = flatbuffer_string(&table, TENSOR_NAME);
    size_t length = tflite_name_length(text);
    if (length == 0) {
        (void)snprintf(name, TFLITE_NAME, "tensor %d", tensor);
        return;
    }
    if (length >= TFLITE_NAME) { /* cut before a character of UTF-8, not within it */
        length = TFLITE_NAME - 1;
        while (length > TFLITE_NAME - 5 && (text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(name, text, length);
    name[length] = '\0';
}

mp2ml_status tflite_tensor_fail(struct tflite_model *m, int tensor, mp2ml_status status,
                                const char *what, mp2ml_error *err)
{
    char name[TFLITE_NAME];
    tflite_tensor_name(name, m, tensor);
    return status_fail(err, status, "tensor '%.200s' %s", name, what);
}

/* Where the values of a constant are: in the buffer, or, in files beyond 2 GiB, behind all tables.
 */
static bool find_data(struct tflite_tensor *out, struct tflite_model *m,
                      const struct flatbuffer_table *table)
{
    const uint32_t index = (uint32_t)flatbuffer_i32(table, TENSOR_BUFFER, 0);
    if (index == 0) /* the one that is empty by convention */
        return true;
    if (index >= m->buffers.count)
        return false;
    const struct flatbuffer_table buffer = flatbuffer_table_at(&m->buffers, index);
    const struct flatbuffer_vector data = flatbuffer_list(&buffer, BUFFER_DATA, 1);
    const uint64_t offset = flatbuffer_u64(&buffer, BUFFER_OFFSET, 0);
    const uint64_t size = flatbuffer_u64(&buffer, BUFFER_SIZE, 0);
    if (data.count != 0) {
        out->data = flatbuffer_bytes(&data);
        out->bytes = data.count;
    } else if (offset > 1 && size != 0) {
        if (offset > m->file.size || size > m->file.size - offset)
            return false;
        out->data = m->file.data + offset;
        out->bytes = (size_t)size;
    }
    return true;
}

bool tflite_has_values(struct tflite_model *m, int tensor)
{
    const struct flatbuffer_table table = flatbuffer_table_at(&m->tensors, (size_t)tensor);
    struct tflite_tensor s = {0};
    return find_data(&s, m, &table) && s.data != NULL;
}

/* A size that the signature leaves open is unknown, but for the first, which is the batch. */
static bool read_shape(struct tflite_tensor *out, const struct flatbuffer_table *table)
{
    const struct flatbuffer_vector shape = flatbuffer_list(table, TENSOR_SHAPE, 4);
    const struct flatbuffer_vector signature = flatbuffer_list(table, TENSOR_SHAPE_SIGNATURE, 4);
    if (shape.count > GRAPH_MAX_RANK)
        return false;
    out->rank = (unsigned)shape.count;
    for (unsigned d = 0; d < out->rank; d++) {
        const bool open =
            d != 0 && signature.count == shape.count && flatbuffer_i32_at(&signature, d) < 0;
        out->dims[d] = open ? -1 : flatbuffer_i32_at(&shape, d);
        if (out->dims[d] < -1)
            return false;
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *read_quantisation(struct tflite_tensor *out,
                                     const struct flatbuffer_table *table)
{
    const struct flatbuffer_table q = flatbuffer_child(table, TENSOR_QUANTIZATION);
    out->scale = flatbuffer_list(&q, QUANTIZATION_SCALE, 4);
    out->zero = flatbuffer_list(&q, QUANTIZATION_ZERO_POINT, 8);
    if (out->scale.count == 0 || !element_is_integer(out->type))
        return NULL;
    out->quantised = true;
    if (flatbuffer_u8(&q, QUANTIZATION_DETAILS_TYPE, 0) != 0)
        return "is quantised in a way that is not supported (in blocks, or by rules of its own)";
    const int32_t along = flatbuffer_i32(&q, QUANTIZATION_DIMENSION, 0);
    if (out->scale.count == 1)
        return out->zero.count <= 1 ? NULL : "has one scale and several zero points";
    if (along < 0 || (unsigned)along >= out->rank ||
        out->dims[along] != (int64_t)out->scale.count ||
        (out->zero.count > 1 && out->zero.count != out->scale.count))
        return "has scales that do not fit its shape";
    out->along = (unsigned)along;
    return NULL;
}

mp2ml_status tflite_tensor_read(struct tflite_tensor *out, struct tflite_model *m, int tensor,
                                mp2ml_error *err)
{
    memset(out, 0, sizeof *out);
    const struct flatbuffer_table table = flatbuffer_table_at(&m->tensors, (size_t)tensor);
    out->name = flatbuffer_string(&table, TENSOR_NAME);
    out->type_code = flatbuffer_u8(&table, TENSOR_TYPE, 0);
    out->type =
        out->type_code < sizeof types / sizeof types[0] ? types[out->type_code] : ELEMENT_NONE;
    if (!read_shape(out, &table))
        return tflite_tensor_fail(m, tensor, MP2ML_ERR_MODEL, "has an impossible shape", err);
    if (!find_data(out, m, &table))
        return tflite_tensor_fail(m, tensor, MP2ML_ERR_MODEL, "has values that are not in the file",
                                  err);
    const char *wrong = read_quantisation(out, &table);
    if (wrong == NULL && flatbuffer_u8(&table, TENSOR_IS_VARIABLE, 0) != 0)
        wrong = "is a variable, which one run leaves to the next; that is not supported";
    if (wrong == NULL && flatbuffer_has(&table, TENSOR_SPARSITY))
        wrong = "is stored sparse, which is not supported: convert the model without that";
    if (m->file.failed)
        return status_fail(err, MP2ML_ERR_MODEL, "a damaged TensorFlow Lite file");
    return wrong == NULL ? MP2ML_OK
                         : tflite_tensor_fail(m, tensor, MP2ML_ERR_UNSUPPORTED, wrong, err);
}

/* Constants ----------------------------------------------------------------------------------- */

/* Element k, whose index on the quantised axis is `index`. */
static float real_at(const struct tflite_tensor *s, size_t k, size_t index)
{
    const uint8_t *at = s->data + k * element_width(s->type);
    if (!s->quantised)
        return element_real(at, s->type);
    const int64_t zero = s->zero.count == 0   ? 0
                         : s->zero.count == 1 ? flatbuffer_i64_at(&s->zero, 0)
                                              : flatbuffer_i64_at(&s->zero, index);
    const float scale = flatbuffer_f32_at(&s->scale, s->scale.count == 1 ? 0 : index);
    return (float)(((double)element_integer(at, s->type) - (double)zero) * (double)scale);
}

/* Goes through the file's order; stride[d]: how far apart in `out` neighbours on axis d are. */
static void fill_reals(float *out, const struct tflite_tensor *s, size_t count,
                       const size_t *stride)
{
    size_t index[GRAPH_MAX_RANK] = {0}, place = 0;
    for (size_t k = 0; k < count; k++) {
        out[place] = real_at(s, k, index[s->along]);
        for (unsigned d = s->rank; d-- > 0;) {
            place += stride[d];
            if (++index[d] < (size_t)s->dims[d])
                break;
            place -= stride[d] * index[d];
            index[d] = 0;
        }
    }
}

static void fill(struct graph_tensor *to, const struct tflite_tensor *s, const unsigned *order)
{
    size_t stride[GRAPH_MAX_RANK] = {0}, step = 1;
    for (unsigned d = to->rank; d-- > 0;) {
        stride[order[d]] = step;
        step *= (size_t)to->dims[d]; /* in all, to->count */
    }
    if (to->f != NULL)
        fill_reals(to->f, s, to->count, stride);
    for (size_t k = 0; to->i != NULL && k < to->count; k++)
        to->i[k] = element_integer(s->data + k * element_width(s->type), s->type);
}

static mp2ml_status check_constant(struct tflite_import *t, int tensor,
                                   const struct tflite_tensor *s)
{
    size_t count;
    char text[80];
    mp2ml_error *err = t->build.err;
    if (s->type == ELEMENT_NONE) {
        (void)snprintf(text, sizeof text, "has values of type %u, which cannot be read",
                       s->type_code);
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_UNSUPPORTED, text, err);
    }
    if (!graph_count(&count, s->dims, s->rank))
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_MODEL, "has an impossible shape",
                                  err);
    if (s->data == NULL && count != 0)
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_MODEL,
                                  "has no values: it is no constant, and nothing computes it", err);
    if (count * element_width(s->type) != s->bytes) { /* < 2^34 */
        (void)snprintf(text, sizeof text, "has %zu bytes for %zu values", s->bytes, count);
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_MODEL, text, err);
    }
    for (size_t k = 0; s->quantised && k < s->scale.count; k++)
        if (!isfinite(flatbuffer_f32_at(&s->scale, k)))
            return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_MODEL,
                                      "has a scale that is not a finite number", err);
    return MP2ML_OK;
}

/* A new node. Integers that stand for themselves keep the file's order. */
static mp2ml_status load(struct tflite_import *t, int tensor, const struct tflite_tensor *s,
                         const unsigned *order, int *node)
{
    char name[TFLITE_NAME];
    struct graph_node *n;
    const bool integers = !s->quantised && element_is_integer(s->type);
    TRY(check_constant(t, tensor, s));
    tflite_tensor_name(name, t->model, tensor);
    TRY(graph_add_node(&t->build, name, GRAPH_CONST, 0, &n));
    n->integers = integers;
    n->value.rank = s->rank;
    for (unsigned d = 0; d < s->rank; d++)
        n->value.dims[d] = s->dims[order[d]];
    TRY(graph_tensor_alloc(&t->build, &n->value, integers));
    fill(&n->value, s, order);
    *node = t->build.g->n_nodes - 1;
    return graph_settle_node(&t->build, n);
}

mp2ml_status tflite_constant(struct tflite_import *t, int tensor, int *node)
{
    static const unsigned same[GRAPH_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct tflite_place *place = &t->places[tensor];
    struct tflite_tensor s;
    if (place->node == TFLITE_NO_NODE) {
        TRY(tflite_tensor_read(&s, t->model, tensor, t->build.err));
        TRY(load(t, tensor, &s, same, &place->node));
    }
    *node = place->node;
    return MP2ML_OK;
}

mp2ml_status tflite_constant_turned(struct tflite_import *t, int tensor, const unsigned *order,
                                    unsigned rank, int *node)
{
    struct tflite_place *place = &t->places[tensor];
    struct tflite_tensor s;
    uint32_t packed = 0;
    for (unsigned d = 0; d < rank; d++)
        packed |= order[d] << 4 * d;
    if (place->turned != TFLITE_NO_NODE && place->order == packed) {
        *node = place->turned;
        return MP2ML_OK;
    }
    TRY(tflite_tensor_read(&s, t->model, tensor, t->build.err));
    if (s.rank != rank || (!s.quantised && !element_is_real(s.type)))
        return tflite_tensor_fail(t->model, tensor, MP2ML_ERR_MODEL,
                                  "has a shape or type that weights here do not have",
                                  t->build.err);
    TRY(load(t, tensor, &s, order, node));
    place->turned = *node;
    place->order = packed;
    return MP2ML_OK;
}
