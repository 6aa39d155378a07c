/* SPDX-License-Identifier: Apache-2.0
 *
 * Offsets of a flatbuffer, checked one by one. Place 0 holds the root's offset, so that no table,
 * string or vector lies there: 0 means none. */
#include "model/flatbuffer.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

/* Whether `size` bytes lie at a place. */
static bool holds(const struct flat *file, size_t at, size_t size)
{
    return at <= file->size && size <= file->size - at;
}

static size_t fail(struct flat *file)
{
    file->failed = true;
    return 0;
}

/* Where the offset at a place leads, with at least 4 bytes there; 0 when that is nowhere. */
static size_t follow(struct flat *file, size_t at)
{
    if (!holds(file, at, 4))
        return fail(file);
    const size_t offset = load_u32(file->data + at);
    if (offset == 0 || offset > file->size - at || !holds(file, at + offset, 4))
        return fail(file);
    return at + offset;
}

/* at != 0 has 4 bytes: the way back to the vtable, whose first two numbers are its own size and the
 * table's. */
static bool read_table(struct flat_table *t, size_t at)
{
    const struct flat *file = t->file;
    const int64_t place = (int64_t)at - (int32_t)load_u32(file->data + at);
    if (place < 0 || !holds(file, (size_t)place, 4))
        return false;
    const size_t vtable = (size_t)place;
    const size_t bytes = load_u16(file->data + vtable);
    t->size = load_u16(file->data + vtable + 2);
    if (bytes < 4 || t->size < 4 || !holds(file, vtable, bytes) || !holds(file, at, t->size))
        return false;
    t->at = at;
    t->fields = vtable + 4;
    t->n_fields = (unsigned)(bytes - 4) / 2;
    return true;
}

static struct flat_table table_behind(struct flat *file, size_t offset_at)
{
    struct flat_table t = {.file = file};
    const size_t at = follow(file, offset_at);
    if (at != 0 && !read_table(&t, at)) {
        (void)fail(file);
        t.n_fields = 0;
    }
    return t;
}

struct flat_table flat_root(struct flat *file)
{
    return table_behind(file, 0);
}

/* The place of a field of `width` bytes; 0 when it is absent. */
static size_t field_at(const struct flat_table *t, unsigned field, size_t width)
{
    if (field >= t->n_fields || t->file->failed)
        return 0;
    const size_t offset = load_u16(t->file->data + t->fields + 2 * (size_t)field);
    if (offset == 0)
        return 0;
    return offset >= 4 && offset + width <= t->size ? t->at + offset : fail(t->file);
}

bool flat_has(const struct flat_table *t, unsigned field)
{
    return field_at(t, field, 1) != 0;
}

uint8_t flat_u8(const struct flat_table *t, unsigned field, uint8_t absent)
{
    const size_t at = field_at(t, field, 1);
    return at != 0 ? t->file->data[at] : absent;
}

int32_t flat_i32(const struct flat_table *t, unsigned field, int32_t absent)
{
    const size_t at = field_at(t, field, 4);
    return at != 0 ? (int32_t)load_u32(t->file->data + at) : absent;
}

uint64_t flat_u64(const struct flat_table *t, unsigned field, uint64_t absent)
{
    const size_t at = field_at(t, field, 8);
    return at != 0 ? load_u64(t->file->data + at) : absent;
}

float flat_f32(const struct flat_table *t, unsigned field, float absent)
{
    const size_t at = field_at(t, field, 4);
    float value = absent;
    if (at != 0)
        memcpy(&value, t->file->data + at, sizeof value);
    return value;
}

struct flat_table flat_child(const struct flat_table *t, unsigned field)
{
    const size_t at = field_at(t, field, 4);
    return at != 0 ? table_behind(t->file, at) : (struct flat_table){.file = t->file};
}

struct flat_vector flat_list(const struct flat_table *t, unsigned field, size_t width)
{
    struct flat_vector v = {.file = t->file};
    const size_t offset_at = field_at(t, field, 4);
    const size_t at = offset_at != 0 ? follow(t->file, offset_at) : 0;
    if (at == 0)
        return v;
    const size_t count = load_u32(t->file->data + at);
    if (count > (t->file->size - at - 4) / width) {
        (void)fail(t->file);
        return v;
    }
    v.at = at + 4;
    v.count = count;
    return v;
}

const char *flat_string(const struct flat_table *t, unsigned field)
{
    const struct flat_vector v = flat_list(t, field, 1);
    if (v.at == 0)
        return "";
    if (!holds(v.file, v.at, v.count + 1) || v.file->data[v.at + v.count] != 0) {
        (void)fail(v.file);
        return "";
    }
    return (const char *)(v.file->data + v.at);
}

int32_t flat_i32_at(const struct flat_vector *v, size_t k)
{
    assert(k < v->count);
    return (int32_t)load_u32(v->file->data + v->at + 4 * k);
}

int64_t flat_i64_at(const struct flat_vector *v, size_t k)
{
    assert(k < v->count);
    return (int64_t)load_u64(v->file->data + v->at + 8 * k);
}

float flat_f32_at(const struct flat_vector *v, size_t k)
{
    assert(k < v->count);
    float value;
    memcpy(&value, v->file->data + v->at + 4 * k, sizeof value);
    return value;
}

struct flat_table flat_table_at(const struct flat_vector *v, size_t k)
{
    assert(k < v->count);
    return table_behind(v->file, v->at + 4 * k);
}

const uint8_t *flat_bytes(const struct flat_vector *v)
{
    return v->file->data + v->at;
}
