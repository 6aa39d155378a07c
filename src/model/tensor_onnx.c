/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorProto of ONNX to a tensor: dense little-endian bytes in the message or in a file beside
 * the model, or a list of a wider type. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_onnx_internal.h"

enum { EXTERNAL = 1 };

static const struct {
    const char *name;
    enum element_type element;
} types[] = {
    [1] = {"float", ELEMENT_F32},        [2] = {"uint8", ELEMENT_U8},
    [3] = {"int8", ELEMENT_I8},          [4] = {"uint16", ELEMENT_U16},
    [5] = {"int16", ELEMENT_I16},        [6] = {"int32", ELEMENT_I32},
    [7] = {"int64", ELEMENT_I64},        [8] = {"string", ELEMENT_NONE},
    [9] = {"bool", ELEMENT_BOOL},        [10] = {"float16", ELEMENT_F16},
    [11] = {"double", ELEMENT_F64},      [12] = {"uint32", ELEMENT_U32},
    [13] = {"uint64", ELEMENT_U64},      [14] = {"complex64", ELEMENT_NONE},
    [15] = {"complex128", ELEMENT_NONE}, [16] = {"bfloat16", ELEMENT_BF16},
};
#define N_TYPES ((int32_t)(sizeof types / sizeof types[0]))

enum element_type onnx_element(int32_t data_type)
{
    return data_type > 0 && data_type < N_TYPES ? types[data_type].element : ELEMENT_NONE;
}

const char *onnx_type_name(int32_t data_type)
{
    return data_type > 0 && data_type < N_TYPES ? types[data_type].name : "of an unknown type";
}

static mp2ml_status tensor_fail(const struct onnx_import *t, const Onnx__Tensor *from,
                                mp2ml_status status, const char *text)
{
    return status_fail(t->build.err, status, "tensor '%.200s' %s", from->name, text);
}

/* Bytes to values; float32 that came from malloc may be kept: *bytes is NULL then. */
static mp2ml_status from_bytes(struct onnx_import *t, struct graph_tensor *out, uint8_t **bytes,
                               enum element_type type, bool may_keep)
{
    const size_t width = element_width(type);
    const bool integers = element_is_integer(type);
    if (type == ELEMENT_F32 && may_keep && *bytes != NULL) {
        out->f = (float *)(void *)*bytes; /* from malloc: aligned, and freed by free */
        *bytes = NULL;
        return MP2ML_OK;
    }
    TRY(graph_tensor_alloc(&t->build, out, integers));
    for (size_t k = 0; k < out->count; k++) {
        if (integers)
            out->i[k] = element_integer(*bytes + k * width, type);
        else
            out->f[k] = element_real(*bytes + k * width, type);
    }
    return MP2ML_OK;
}

/* In a list, narrow types stand in a wider one. */
static size_t list_length(const Onnx__Tensor *from, enum element_type type)
{
    switch (type) {
    case ELEMENT_F32:
        return from->n_float_data;
    case ELEMENT_F64:
        return from->n_double_data;
    case ELEMENT_I64:
        return from->n_int64_data;
    case ELEMENT_U32:
    case ELEMENT_U64:
        return from->n_uint64_data;
    default:
        return from->n_int32_data;
    }
}

static float list_real(const Onnx__Tensor *from, enum element_type type, size_t k)
{
    switch (type) {
    case ELEMENT_F32:
        return from->float_data[k];
    case ELEMENT_F64:
        return (float)from->double_data[k];
    case ELEMENT_F16:
        return element_half((uint16_t)from->int32_data[k]);
    default:
        return element_bfloat((uint16_t)from->int32_data[k]);
    }
}

static int64_t list_integer(const Onnx__Tensor *from, enum element_type type, size_t k)
{
    if (type == ELEMENT_I64)
        return from->int64_data[k];
    if (type != ELEMENT_U32 && type != ELEMENT_U64)
        return from->int32_data[k];
    const uint64_t v = from->uint64_data[k];
    return v > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* Whether a narrow type holds what a list of a wider one has in its place. */
static bool list_fits(const Onnx__Tensor *from, enum element_type type, size_t k)
{
    const bool bits = type == ELEMENT_F16 || type == ELEMENT_BF16;
    const size_t width = 8 * element_width(type);
    if (type == ELEMENT_U32)
        return from->uint64_data[k] <= UINT32_MAX;
    if (type == ELEMENT_BOOL)
        return from->int32_data[k] == 0 || from->int32_data[k] == 1;
    if (width > 16)
        return true;
    const int64_t v = from->int32_data[k], half = (int64_t)1 << (width - 1);
    const bool natural = bits || type == ELEMENT_U8 || type == ELEMENT_U16;
    return natural ? v >= 0 && v < 2 * half : v >= -half && v < half;
}

static mp2ml_status from_list(struct onnx_import *t, struct graph_tensor *out,
                              const Onnx__Tensor *from, enum element_type type)
{
    if (list_length(from, type) != out->count)
        return tensor_fail(t, from, MP2ML_ERR_MODEL, "has another number of values than its shape");
    TRY(graph_tensor_alloc(&t->build, out, element_is_integer(type)));
    for (size_t k = 0; k < out->count; k++) {
        if (!list_fits(from, type, k))
            return tensor_fail(t, from, MP2ML_ERR_MODEL, "has a value that its type does not hold");
        if (element_is_integer(type))
            out->i[k] = list_integer(from, type, k);
        else
            out->f[k] = list_real(from, type, k);
    }
    return MP2ML_OK;
}

/* Files beside the model ---------------------------------------------------------------------- */

static const char *entry(const Onnx__Tensor *from, const char *key)
{
    for (size_t k = 0; k < from->n_external_data; k++)
        if (strcmp(from->external_data[k]->key, key) == 0)
            return from->external_data[k]->value;
    return NULL;
}

static bool number(const char *text, uint64_t *out)
{
    char *end;
    if (text == NULL)
        return true;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && errno == 0 && *end == '\0' && *out <= INT64_MAX;
}

/* A model must not name files outside of its folder. */
static bool stays_inside(const char *location)
{
    if (location[0] == '\0' || location[0] == '/' || strchr(location, '\\') != NULL)
        return false;
    for (const char *part = location; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcmp(part, "..") == 0 || strncmp(part, "../", 3) == 0)
            return false;
    }
    return true;
}

static FILE *open_beside(const char *model, const char *location)
{
    const char *slash = strrchr(model, '/');
    const size_t folder = slash != NULL ? (size_t)(slash - model) + 1 : 0;
    const size_t size = folder + strlen(location) + 1;
    char *path = malloc(size);
    if (path == NULL)
        return NULL;
    memcpy(path, model, folder);
    memcpy(path + folder, location, size - folder);
    FILE *file = fopen(path, "rb");
    free(path);
    return file;
}

/* `size` bytes from `offset` on; *out is to be freed. */
static bool read_part(uint8_t **out, FILE *file, uint64_t offset, size_t size)
{
    *out = NULL;
    long end = -1;
    if (fseek(file, 0, SEEK_END) == 0)
        end = ftell(file);
    if (end < 0 || offset > (uint64_t)end || size > (uint64_t)end - offset ||
        fseek(file, (long)offset, SEEK_SET) != 0)
        return false;
    *out = malloc(size + 1);
    return *out != NULL && fread(*out, 1, size, file) == size;
}

static mp2ml_status from_file(struct onnx_import *t, struct graph_tensor *out,
                              const Onnx__Tensor *from, enum element_type type)
{
    const char *location = entry(from, "location");
    const size_t size = out->count * element_width(type); /* < 2^34 */
    uint64_t offset = 0, length = size;
    if (location == NULL || !number(entry(from, "offset"), &offset) ||
        !number(entry(from, "length"), &length) || length != size)
        return tensor_fail(t, from, MP2ML_ERR_MODEL,
                           "is in another file, but not with this many bytes");
    if (!stays_inside(location))
        return tensor_fail(t, from, MP2ML_ERR_MODEL, "is in a file outside of the model's folder");
    if (t->model->path == NULL)
        return tensor_fail(t, from, MP2ML_ERR_UNSUPPORTED,
                           "is in another file: load the model by its path");
    FILE *file = open_beside(t->model->path, location);
    uint8_t *bytes = NULL;
    mp2ml_status status = MP2ML_OK;
    if (file == NULL || !read_part(&bytes, file, offset, size))
        status = status_fail(t->build.err, MP2ML_ERR_IO,
                             "tensor '%.200s' cannot be read from '%.200s' beside the model",
                             from->name, location);
    else
        status = from_bytes(t, out, &bytes, type, true);
    free(bytes);
    if (file != NULL && fclose(file) != 0 && status == MP2ML_OK)
        status = status_fail(t->build.err, MP2ML_ERR_IO, "'%.200s' cannot be read", location);
    return status;
}

static mp2ml_status read_values(struct onnx_import *t, struct graph_tensor *out, Onnx__Tensor *from,
                                enum element_type type)
{
    const int fields = (from->raw_data.len != 0) + (from->n_float_data != 0) +
                       (from->n_int32_data != 0) + (from->n_int64_data != 0) +
                       (from->n_double_data != 0) + (from->n_uint64_data != 0) +
                       (from->data_location == EXTERNAL);
    if (from->segment != NULL)
        return tensor_fail(t, from, MP2ML_ERR_UNSUPPORTED, "is a part of a larger one");
    if (fields > 1)
        return tensor_fail(t, from, MP2ML_ERR_MODEL, "has its values in more than one place");
    if (from->data_location == EXTERNAL)
        return from_file(t, out, from, type);
    if (from->raw_data.len == 0)
        return from_list(t, out, from, type);
    if (from->raw_data.len != out->count * element_width(type)) /* count <= 2^31 */
        return tensor_fail(t, from, MP2ML_ERR_MODEL, "has another number of bytes than its shape");
    TRY(from_bytes(t, out, &from->raw_data.data, type, t->may_move));
    if (from->raw_data.data == NULL)
        from->raw_data.len = 0;
    return MP2ML_OK;
}

mp2ml_status onnx_tensor_read(struct onnx_import *t, struct graph_tensor *out, bool *integers,
                              Onnx__Tensor *from)
{
    const enum element_type type = onnx_element(from->data_type);
    if (type == ELEMENT_NONE)
        return status_fail(t->build.err, MP2ML_ERR_UNSUPPORTED, "tensor '%.200s' is %s (type %d)",
                           from->name, onnx_type_name(from->data_type), (int)from->data_type);
    if (from->n_dims > GRAPH_MAX_RANK)
        return tensor_fail(t, from, MP2ML_ERR_UNSUPPORTED, "has too many axes");
    out->rank = (unsigned)from->n_dims;
    for (size_t d = 0; d < from->n_dims; d++)
        out->dims[d] = from->dims[d];
    if (!graph_count(&out->count, out->dims, out->rank))
        return tensor_fail(t, from, MP2ML_ERR_MODEL, "has an impossible shape");
    *integers = element_is_integer(type);
    const mp2ml_status status = read_values(t, out, from, type);
    if (status != MP2ML_OK)
        graph_tensor_wipe(out);
    return status;
}
