/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded reader of flatbuffers. Such a file is a tree of tables: a table points at a list (its
 * vtable) that says where in it each field stands, or that it is absent; strings, vectors and other
 * tables are offsets from the place where they are named. Nothing here trusts any of it: every
 * access is checked against the file's size, nothing has to be aligned, and nothing is followed but
 * what the caller asks for, so that no chain of offsets can make it loop.
 *
 * As with struct reader, the first wrong offset makes the file fail for good: fields are absent from
 * then on, and a parser may read several before it asks. Tables and vectors point into the file's
 * bytes, which must outlive them. */
#ifndef MODEL_FLATBUFFER_H
#define MODEL_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flatbuffer {
    const uint8_t *data;
    size_t size;
    bool failed;
};

struct flatbuffer_table { /* absent: n_fields is 0 */
    struct flatbuffer *file;
    size_t at;         /* place of the table */
    size_t size;       /* bytes of it */
    size_t fields;     /* place of the vtable's entries, 2 bytes each */
    unsigned n_fields; /* how many there are */
};

struct flatbuffer_vector { /* absent: count is 0 */
    struct flatbuffer *file;
    size_t at; /* place of element 0 */
    size_t count;
};

/* The table that the whole file is. */
struct flatbuffer_table flatbuffer_root(struct flatbuffer *file);

/* Fields by their number in the schema; `absent` is what the schema says for an absent one. */
bool flatbuffer_has(const struct flatbuffer_table *t, unsigned field);
uint8_t flatbuffer_u8(const struct flatbuffer_table *t, unsigned field, uint8_t absent);
int32_t flatbuffer_i32(const struct flatbuffer_table *t, unsigned field, int32_t absent);
uint64_t flatbuffer_u64(const struct flatbuffer_table *t, unsigned field, uint64_t absent);
float flatbuffer_f32(const struct flatbuffer_table *t, unsigned field, float absent);
/* "" when absent. Up to the first NUL, of which there is one. */
const char *flatbuffer_string(const struct flatbuffer_table *t, unsigned field);
struct flatbuffer_table flatbuffer_child(const struct flatbuffer_table *t, unsigned field);
/* Elements of `width` bytes each: 1, 4 or 8; 4 for tables. */
struct flatbuffer_vector flatbuffer_list(const struct flatbuffer_table *t, unsigned field,
                                         size_t width);

/* Element k < v->count of a vector that was read with the fitting width. */
int32_t flatbuffer_i32_at(const struct flatbuffer_vector *v, size_t k);
int64_t flatbuffer_i64_at(const struct flatbuffer_vector *v, size_t k);
float flatbuffer_f32_at(const struct flatbuffer_vector *v, size_t k);
struct flatbuffer_table flatbuffer_table_at(const struct flatbuffer_vector *v, size_t k);
/* The bytes of a vector, in place. */
const uint8_t *flatbuffer_bytes(const struct flatbuffer_vector *v);

#endif
