/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded readers and writers of little-endian bytes, and fields of bits packed LSB first without
 * gaps. A reader never passes its end: the first short read makes it fail for good, so a parser may
 * read all fields and ask once. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <string.h>

#include "base/status.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct writer { /* a growing buffer; data is freed by writer_wipe or taken by the caller */
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed;
};

static inline struct reader reader_init(const void *data, size_t size)
{
    const uint8_t *at = (const uint8_t *)data; /* NULL + 0 is undefined in C */
    struct reader r = {at, size != 0 ? at + size : at, false};
    return r;
}
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
double reader_f64(struct reader *r); /* IEEE 754 bits */
/* The next n bytes in place, or NULL (and failed). */
const uint8_t *reader_bytes(struct reader *r, size_t n);
/* A string of at most `max` bytes: u16 length, bytes; written to out[max+1], NUL-terminated. A
 * length above max or a NUL inside fails. */
void reader_string(struct reader *r, char *out, size_t max);
/* ERR_PROTOCOL unless nothing failed and nothing is left. */
MUST_CHECK mp2ml_status reader_done(const struct reader *r);

void writer_init(struct writer *w);
void writer_wipe(struct writer *w);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_f64(struct writer *w, double v);
void writer_bytes(struct writer *w, const void *data, size_t n);
void writer_string(struct writer *w, const char *s);
/* ERR_MEMORY if any write failed. */
MUST_CHECK mp2ml_status writer_done(const struct writer *w);

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)v);
    store_u16(p + 2, (uint16_t)(v >> 16));
}
static inline void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)v);
    store_u32(p + 4, (uint32_t)(v >> 32));
}
static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}
static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}
static inline uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

/* True when the text is valid UTF-8 without control characters (C0, DEL, C1). */
bool bytes_are_printable(const char *s);

/* Bytes of `count` fields of `bits` bits; SIZE_MAX on overflow. */
size_t bits_size(size_t count, unsigned bits);

/* Appends `count` values of `bits` <= 64 bits to a bit string that already holds *at bits in `out`,
 * and advances *at. Bits above `bits` in the values are ignored. The byte that holds bit *at must
 * have its unused bits zero; all bytes after it are overwritten. */
void bits_pack(uint8_t *out, size_t *at, const uint64_t *values, size_t count, unsigned bits);
/* Reads `count` fields from bit *at on, and advances *at; the caller knows that they are there. */
void bits_unpack(uint64_t *values, const uint8_t *in, size_t *at, size_t count, unsigned bits);
/* True when the bits of the last byte from bit `at` on are zero. `at` counts the used bits. */
bool bits_padding_is_zero(const uint8_t *in, size_t at);

#endif
