/* SPDX-License-Identifier: Apache-2.0
 *
 * One value of a file's tensor at a time. */
#include "model/element.h"

#include <string.h>

#include "base/bytes.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are moved as they are: a little-endian processor is assumed"
#endif

static const struct {
    const char *name;
    size_t width;
} types[] = {
    [ELEMENT_NONE] = {"unknown", 0},  [ELEMENT_F32] = {"float32", 4},
    [ELEMENT_F64] = {"float64", 8},   [ELEMENT_F16] = {"float16", 2},
    [ELEMENT_BF16] = {"bfloat16", 2}, [ELEMENT_I8] = {"int8", 1},
    [ELEMENT_I16] = {"int16", 2},     [ELEMENT_I32] = {"int32", 4},
    [ELEMENT_I64] = {"int64", 8},     [ELEMENT_U8] = {"uint8", 1},
    [ELEMENT_U16] = {"uint16", 2},    [ELEMENT_U32] = {"uint32", 4},
    [ELEMENT_U64] = {"uint64", 8},    [ELEMENT_BOOL] = {"bool", 1},
};

const char *element_name(enum element_type type)
{
    return types[type].name;
}

size_t element_width(enum element_type type)
{
    return types[type].width;
}

bool element_is_real(enum element_type type)
{
    return type >= ELEMENT_F32 && type <= ELEMENT_BF16;
}

bool element_is_integer(enum element_type type)
{
    return type >= ELEMENT_I8;
}

float element_half(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000U) << 16;
    uint32_t exponent = h >> 10 & 31U, mantissa = h & 1023U, bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000U | mantissa << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else { /* zero or subnormal: mantissa * 2^-24, exact in float */
        const float small = (float)mantissa * 0x1p-24f;
        memcpy(&bits, &small, sizeof bits);
        bits |= sign;
    }
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

float element_bfloat(uint16_t h)
{
    const uint32_t bits = (uint32_t)h << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

float element_real(const uint8_t *at, enum element_type type)
{
    float f;
    double d;
    switch (type) {
    case ELEMENT_F16:
        return element_half(load_u16(at));
    case ELEMENT_BF16:
        return element_bfloat(load_u16(at));
    case ELEMENT_F64:
        memcpy(&d, at, sizeof d);
        return (float)d;
    default:
        memcpy(&f, at, sizeof f);
        return f;
    }
}

int64_t element_integer(const uint8_t *at, enum element_type type)
{
    uint64_t u;
    switch (type) {
    case ELEMENT_I64:
        return (int64_t)load_u64(at);
    case ELEMENT_U64:
        u = load_u64(at);
        return u > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)u;
    case ELEMENT_I32:
        return (int32_t)load_u32(at);
    case ELEMENT_U32:
        return (int64_t)load_u32(at);
    case ELEMENT_I16:
        return (int16_t)load_u16(at);
    case ELEMENT_U16:
        return load_u16(at);
    case ELEMENT_I8:
        return (int8_t)*at;
    default:
        return *at;
    }
}
