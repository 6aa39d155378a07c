/* SPDX-License-Identifier: Apache-2.0
 *
 * Offsets of a flatbuffer, checked one by one. Place 0 holds the root's offset, so that no table,
 * string or vector lies there: 0 means none. */
#include "model/flatbuffer.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

/* Whether `size` bytes lie at a place. */
static bool holds(const struct flatbuffer *file, size_t at, size_t size)
{
    return at <= file->size && size <= file->size - at;
}

static size_t fail(struct flatbuffer *file)
{
    file->failed = true;
    return 0;
}

/* Where the offset at a place leads, with at least 4 bytes there; 0 when that is nowhere. */
static size_t follow(struct flatbuffer *file, size_t at)
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
static bool read_table(struct flatbuffer_table *t, size_t at)
{
    const struct flatbuffer *file = t->file;
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

static struct flatbuffer_table table_behind(struct flatbuffer *file, size_t offset_at)
{
    struct flatbuffer_table t = {.file = file};
    const size_t at = follow(file, offset_at);
    if (at != 0 && !read_table(&t, at)) {
        (void)fail(file);
        t.n_fields = 0;
    }
    return t;
}

struct flatbuffer_table flatbuffer_root(struct flatbuffer *file)
{
    return table_behind(file, 0);
}

/* The place of a field of `width` bytes; 0 when it is absent. */
static size_t field_at(const struct flatbuffer_table *t, unsigned field, size_t width)
{
    if (field >= t->n_fields || t->file->failed)
        return 0;
    const size_t offset = load_u16(t->file->data + t->fields + 2 * (size_t)field);
    if (offset == 0)
        return 0;
    return offset >= 4 && offset + width <= t->size ? t->at + offset : fail(t->file);
}

bool flatbuffer_has(const struct flatbuffer_table *t, unsigned field)
{
    return field_at(t, field, 1) != 0;
}

uint8_t flatbuffer_u8(const struct flatbuffer_table *t, unsigned field, uint8_t absent)
{
    const size_t at = field_at(t, field, 1);
    return at != 0 ? t->file->data[at] : absent;
}

int32_t flatbuffer_i32(const struct flatbuffer_table *t, unsigned field, int32_t absent)
{
    const size_t at = field_at(t, field, 4);
    return at != 0 ? (int32_t)load_u32(t->file->data + at) : absent;
}

uint64_t flatbuffer_u64(const struct flatbuffer_table *t, unsigned field, uint64_t absent)
{
    const size_t at = field_at(t, field, 8);
    return at != 0 ? load_u64(t->file->data + at) : absent;
}

float flatbuffer_f32(const struct flatbuffer_table *t, unsigned field, float absent)
{
    const size_t at = field_at(t, field, 4);
    float value = absent;
    if (at != 0)
        memcpy(&value, t->file->data + at, sizeof value);
    return value;
}

struct flatbuffer_table flatbuffer_child(const struct flatbuffer_table *t, unsigned field)
{
    const size_t at = field_at(t, field, 4);
    return at != 0 ? table_behind(t->file, at) : (struct flatbuffer_table){.file = t->file};
}

struct flatbuffer_vector flatbuffer_list(const struct flatbuffer_table *t, unsigned field,
                                         size_t width)
{
    struct flatbuffer_vector v = {.file = t->file};
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

const char *flatbuffer_string(const struct flatbuffer_table *t, unsigned field)
{
    const struct flatbuffer_vector v = flatbuffer_list(t, field, 1);
    if (v.at == 0)
        return "";
    if (!holds(v.file, v.at, v.count + 1) || v.file->data[v.at + v.count] != 0) {
        (void)fail(v.file);
        return "";
    }
    return (const char *)(v.file->data + v.at);
}

int32_t flatbuffer_i32_at(const struct flatbuffer_vector *v, size_t k)
{
    assert(k < v->count);
    return (int32_t)load_u32(v->file->data + v->at + 4 * k);
}

int64_t flatbuffer_i64_at(const struct flatbuffer_vector *v, size_t k)
{
    assert(k < v->count);
    return (int64_t)load_u64(v->file->data + v->at + 8 * k);
}

float flatbuffer_f32_at(const struct flatbuffer_vector *v, size_t k)
{
    assert(k < v->count);
    float value;
    memcpy(&value, v->file->data + v->at + 4 * k, sizeof value);
    return value;
}

struct flatbuffer_table flatbuffer_table_at(const struct flatbuffer_vector *v, size_t k)
{
    assert(k < v->count);
    return table_behind(v->file, v->at + 4 * k);
}

const uint8_t *flatbuffer_bytes(const struct flatbuffer_vector *v)
{
    return v->file->data + v->at;
}
