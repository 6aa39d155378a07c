/* SPDX-License-Identifier: Apache-2.0
 *
 * How model files are changed while searching: as messages, by the descriptions of their fields, so
 * that what comes out is still a message; flatbuffers by their words. Bytes alone hardly get past
 * the readers of messages. Input: a byte that the target takes for itself, then the file. */
#include <stdio.h>

#include "fuzz.h"
#include "onnx.pb-c.h"
#include "tf_graph.pb-c.h"

#define MAX_SLOTS 20000
#define MAX_DEPTH 24

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

struct slot { /* a field of a message in the tree */
    ProtobufCMessage *message;
    const ProtobufCFieldDescriptor *field;
};

struct tree {
    struct slot slots[MAX_SLOTS];
    size_t count;
    uint64_t random;
};

static uint64_t next(struct tree *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

static size_t below(struct tree *t, size_t n)
{
    return n == 0 ? 0 : (size_t)(next(t) >> 11) % n;
}

static void *at(const struct slot *s)
{
    return (char *)s->message + s->field->offset;
}

static size_t *quantifier(const struct slot *s)
{
    return (size_t *)(void *)((char *)s->message + s->field->quantifier_offset);
}

static bool repeated(const struct slot *s)
{
    return s->field->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool present(const struct slot *s)
{
    if ((s->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        return true;
    return *(uint32_t *)(void *)quantifier(s) == s->field->id;
}

static size_t width(const struct slot *s)
{
    switch (s->field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static void collect(struct tree *t, ProtobufCMessage *m, int depth)
{
    for (unsigned f = 0; f < m->descriptor->n_fields && depth < MAX_DEPTH; f++) {
        const struct slot s = {m, &m->descriptor->fields[f]};
        if (t->count == MAX_SLOTS)
            return;
        t->slots[t->count++] = s;
        if (s.field->type != PROTOBUF_C_TYPE_MESSAGE || !present(&s))
            continue;
        ProtobufCMessage **list = repeated(&s) ? *(ProtobufCMessage ***)at(&s) : at(&s);
        const size_t n = repeated(&s) ? *quantifier(&s) : 1;
        for (size_t k = 0; k < n; k++)
            if (list[k] != NULL)
                collect(t, list[k], depth + 1);
    }
}

/* A field of the same type and kind of message that holds something, or NULL. */
static const struct slot *donor(struct tree *t, const struct slot *like)
{
    for (int tries = 0; tries < 64; tries++) {
        const struct slot *s = &t->slots[below(t, t->count)];
        if (s->field->type == like->field->type &&
            s->field->descriptor == like->field->descriptor && present(s) &&
            (!repeated(s) || *quantifier(s) != 0))
            return s;
    }
    return NULL;
}

static void *element(struct tree *t, const struct slot *s)
{
    return repeated(s) ? *(char **)at(s) + below(t, *quantifier(s)) * width(s) : at(s);
}

static ProtobufCMessage *copy(const ProtobufCMessage *m)
{
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(m) + 1);
    FUZZ_CHECK(bytes != NULL);
    const size_t size = protobuf_c_message_pack(m, bytes);
    ProtobufCMessage *out = protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
    free(bytes);
    return out;
}

static uint64_t number(struct tree *t)
{
    static const int64_t odd[] = {0,       1,         -1,        2,         3,         4,
                                  7,       8,         13,        255,       256,       -2,
                                  9999,    65536,     INT32_MAX, INT32_MIN, 1LL << 31, 1LL << 32,
                                  1 << 30, INT64_MAX, INT64_MIN, 1LL << 62, 1 << 24,   1000};
    return (uint64_t)odd[below(t, sizeof odd / sizeof odd[0])];
}

static void put_float(struct tree *t, void *to)
{
    static const float odd[] = {0, -0.F, 1, -1, 0.5F, 2, 3e38F, -3e38F, 1e-40F, 6, 255};
    const float v = odd[below(t, sizeof odd / sizeof odd[0])];
    const uint32_t special = below(t, 2) != 0 ? 0x7f800000U : 0x7fc00000U;
    memcpy(to, &v, sizeof v);
    if (below(t, 8) == 0)
        memcpy(to, &special, sizeof special);
}

static void put_bytes(struct tree *t, ProtobufCBinaryData *b)
{
    const size_t kinds[] = {b->len / 2, b->len + 1, b->len + 4, b->len, b->len, b->len, 0};
    const size_t size = kinds[below(t, sizeof kinds / sizeof kinds[0])];
    uint8_t *data = calloc(size + 1, 1);
    FUZZ_CHECK(data != NULL);
    if (b->len != 0)
        memcpy(data, b->data, b->len < size ? b->len : size);
    for (size_t k = below(t, 5); k > 0 && size != 0; k--)
        data[below(t, size)] = (uint8_t)next(t);
    free(b->data);
    *b = (ProtobufCBinaryData){size, data};
}

static void drop(const ProtobufCFieldDescriptor *field, void *value)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage **)value != NULL)
        protobuf_c_message_free_unpacked(*(ProtobufCMessage **)value, NULL);
    else if (field->type == PROTOBUF_C_TYPE_BYTES)
        free(((ProtobufCBinaryData *)value)->data);
    else if (field->type == PROTOBUF_C_TYPE_STRING && *(char **)value != field->default_value &&
             *(char **)value != protobuf_c_empty_string)
        free(*(char **)value);
}

static void put_string(struct tree *t, const struct slot *s, char **text)
{
    const struct slot *from = donor(t, s);
    const char *word = from != NULL && below(t, 8) != 0 ? *(char **)element(t, from) : "";
    char *now = strdup(word != NULL ? word : "");
    FUZZ_CHECK(now != NULL);
    drop(s->field, text);
    *text = now;
}

/* One value anew. What is there is of the field's type, or zeros. */
static void change(struct tree *t, const struct slot *s, void *value)
{
    const struct slot *from;
    const uint64_t bits = number(t);
    const double real = (double)(int64_t)bits;
    ProtobufCMessage *now = NULL;
    switch (s->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        put_string(t, s, value);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(t, value);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        put_float(t, value);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(value, &real, sizeof real);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        from = donor(t, s);
        if (from != NULL && *(ProtobufCMessage **)element(t, from) != NULL && below(t, 8) != 0)
            now = copy(*(ProtobufCMessage **)element(t, from));
        if (now == NULL && repeated(s))
            now = protobuf_c_message_unpack(s->field->descriptor, NULL, 0, (const uint8_t *)"");
        drop(s->field, value);
        *(ProtobufCMessage **)value = now;
        return;
    default:
        if (below(t, 4) == 0 && width(s) == 8)
            *(uint64_t *)value += below(t, 5) - 2;
        else if (s->field->type == PROTOBUF_C_TYPE_BOOL)
            *(protobuf_c_boolean *)value = (protobuf_c_boolean)(bits & 1);
        else
            memcpy(value, &bits, width(s));
    }
}

static void swap_bytes(char *a, char *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const char c = a[k];
        a[k] = b[k];
        b[k] = c;
    }
}

/* Of a list: an element more, one less, two exchanged, or one changed. */
static void change_list(struct tree *t, const struct slot *s)
{
    size_t *n = quantifier(s);
    char **list = at(s);
    const size_t w = width(s), way = below(t, 6);
    if (way == 0 && *n != 0) {
        const size_t gone = below(t, *n);
        drop(s->field, *list + gone * w);
        memmove(*list + gone * w, *list + (gone + 1) * w, (--*n - gone) * w);
    } else if (way == 1 && *n > 1)
        swap_bytes(*list + below(t, *n) * w, *list + below(t, *n) * w, w);
    else if (way <= 3 || *n == 0) {
        char *more = realloc(*list, (*n + 1) * w);
        FUZZ_CHECK(more != NULL);
        memset(more + *n * w, 0, w);
        *list = more;
        change(t, s, more + *n * w);
        (*n)++;
        swap_bytes(more + below(t, *n) * w, more + (*n - 1) * w, w);
    } else
        change(t, s, element(t, s));
}

static void change_one(struct tree *t, const struct slot *s)
{
    if (repeated(s)) {
        change_list(t, s);
        return;
    }
    if (present(s)) {
        change(t, s, at(s));
        return;
    }
    uint64_t fresh[2] = {0}; /* another member of the union; what goes may still be copied */
    uint32_t *id = (void *)quantifier(s);
    change(t, s, fresh);
    if (*id != 0)
        drop(protobuf_c_message_descriptor_get_field(s->message->descriptor, *id), at(s));
    memcpy(at(s), fresh, width(s));
    *id = s->field->id;
}

/* The changed message, or 0 when it is none or becomes too long. */
static size_t change_message(const ProtobufCMessageDescriptor *type, uint8_t *data, size_t size,
                             size_t max_size, unsigned seed)
{
    static struct tree t;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, size, data);
    size_t packed = 0;
    if (m == NULL)
        return 0;
    t.random = seed * 0x9e3779b97f4a7c15U + 1;
    for (size_t k = 1 + below(&t, 3); k > 0; k--) {
        t.count = 0;
        collect(&t, m, 0);
        const struct slot *s = &t.slots[below(&t, t.count)];
        if (repeated(s) && *quantifier(s) == 0 && below(&t, 4) != 0)
            s = &t.slots[below(&t, t.count)]; /* most fields are empty */
        change_one(&t, s);
    }
    if (protobuf_c_message_get_packed_size(m) <= max_size)
        packed = protobuf_c_message_pack(m, data);
    protobuf_c_message_free_unpacked(m, NULL);
    return packed;
}

static size_t change_words(uint8_t *data, size_t size, unsigned seed)
{
    static struct tree t;
    t.random = seed * 0x9e3779b97f4a7c15U + 1;
    for (size_t k = 1 + below(&t, 3); k > 0; k--) {
        uint8_t *to = data + 4 * below(&t, size / 4), *from = data + 4 * below(&t, size / 4);
        uint32_t v = (uint32_t)number(&t), old;
        memcpy(&old, to, sizeof old);
        if (below(&t, 3) == 0)
            v = old + (uint32_t)below(&t, 17) - 8;
        if (below(&t, 3) == 0)
            memcpy(&v, from, sizeof v);
        memcpy(to, &v, below(&t, 3) == 0 ? 1 : sizeof v);
    }
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size_t changed = 0;
    if (size > 9 && seed % 8 != 0) {
        const uint8_t *file = data + 1;
        if (memcmp(file + 4, "TFL3", 4) == 0)
            changed = change_words(data + 1, size - 1, seed);
        else if (file[0] == 0x0a)
            changed = change_message(&model_tf__graph_def__descriptor, data + 1, size - 1,
                                     max_size - 1, seed);
        else
            changed =
                change_message(&onnx__model__descriptor, data + 1, size - 1, max_size - 1, seed);
    }
    return changed != 0 ? changed + 1 : LLVMFuzzerMutate(data, size, max_size);
}
