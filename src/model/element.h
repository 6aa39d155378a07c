/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as files store them: little-endian and dense, in one of these types. */
#ifndef MODEL_ELEMENT_H
#define MODEL_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum element_type {
    ELEMENT_NONE, /* a type that cannot be read: text, complex numbers, ... */
    ELEMENT_F32,
    ELEMENT_F64,
    ELEMENT_F16,
    ELEMENT_BF16,
    ELEMENT_I8,
    ELEMENT_I16,
    ELEMENT_I32,
    ELEMENT_I64,
    ELEMENT_U8,
    ELEMENT_U16,
    ELEMENT_U32,
    ELEMENT_U64,
    ELEMENT_BOOL
};

const char *element_name(enum element_type type); /* "float32"; "unknown" for NONE */
size_t element_width(enum element_type type);     /* bytes; 0 for NONE */
bool element_is_real(enum element_type type);     /* F32, F64, F16, BF16 */
bool element_is_integer(enum element_type type);  /* all others but NONE; booleans count */
float element_real(const uint8_t *at, enum element_type type);      /* of a real type */
int64_t element_integer(const uint8_t *at, enum element_type type); /* of an integer type; from
                                                                       2^63 on: the greatest */
float element_half(uint16_t bits);
float element_bfloat(uint16_t bits);

#endif
