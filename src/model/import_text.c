/* SPDX-License-Identifier: Apache-2.0
 *
 * GraphDefs in text form (.pbtxt): "name: value" and "name { ... }", as the generated descriptions
 * of the messages name the fields. The text is written as the binary form, which then goes the way
 * of all files; names that are not known are skipped. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/import_tf_internal.h"

#define MAX_DEPTH 32
#define MAX_WORD 63

struct text {
    const char *at, *end;
    size_t line;
    int depth;
    uint8_t *out; /* at most OUT_FACTOR times the text */
    size_t size, capacity;
    const char *wrong; /* what is, NULL: nothing yet */
};

/* The longest: in a list "1," makes a tag and eight bytes, "-1," one and ten, "{}" one and
 * LENGTH_BYTES. */
#define OUT_FACTOR 5
#define LENGTH_BYTES 5 /* of a message: room is left for it, so that it needs not be moved */

static bool fail(struct text *t, const char *wrong)
{
    if (t->wrong == NULL)
        t->wrong = wrong;
    return false;
}

static void skip_space(struct text *t)
{
    bool comment = false;
    for (; t->at < t->end; t->at++) {
        const char c = *t->at;
        comment = c != '\n' && (comment || c == '#');
        if (c == '\n')
            t->line++;
        else if (!comment && c != ' ' && c != '\t' && c != '\r')
            return;
    }
}

static bool next_is(struct text *t, char c)
{
    skip_space(t);
    return t->at < t->end && *t->at == c;
}

static bool accept(struct text *t, char c)
{
    const bool there = next_is(t, c);
    t->at += there;
    return there;
}

/* Letters, digits and what numbers consist of. */
static bool word(struct text *t, char *to)
{
    size_t n = 0;
    skip_space(t);
    while (t->at < t->end && (isalnum((unsigned char)*t->at) || strchr("_.+-", *t->at) != NULL)) {
        if (*t->at == '\0' || n == MAX_WORD)
            return fail(t, "a word that is too long");
        to[n++] = *t->at++;
    }
    to[n] = '\0';
    return n != 0 ? true : fail(t, "a name or value is missing");
}

/* Output: the capacity was made once, OUT_FACTOR times the text. ------------------------------- */

static bool put(struct text *t, uint8_t byte)
{
    if (t->size == t->capacity)
        return fail(t, "the text says more than it has room for");
    t->out[t->size++] = byte;
    return true;
}

static bool put_varint(struct text *t, uint64_t v)
{
    for (; v > 127; v >>= 7)
        if (!put(t, (uint8_t)(v | 128)))
            return false;
    return put(t, (uint8_t)v);
}

static bool put_fixed(struct text *t, uint64_t bits, int bytes)
{
    for (int k = 0; k < bytes; k++)
        if (!put(t, (uint8_t)(bits >> (8 * k))))
            return false;
    return true;
}

static bool begin_length(struct text *t, size_t *mark)
{
    *mark = t->size;
    return put_fixed(t, 0, LENGTH_BYTES);
}

/* A varint of fixed size is still one. */
static void end_length(struct text *t, size_t mark)
{
    size_t n = t->size - mark - LENGTH_BYTES;
    for (int k = 0; k < LENGTH_BYTES; k++, n >>= 7)
        t->out[mark + (size_t)k] = (uint8_t)((n & 127) | (k + 1 < LENGTH_BYTES ? 128 : 0));
}

/* Values -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int type;
} type_names[] = {
    {"DT_FLOAT", TF_FLOAT},
    {"DT_DOUBLE", TF_DOUBLE},
    {"DT_INT32", TF_INT32},
    {"DT_UINT8", TF_UINT8},
    {"DT_INT16", TF_INT16},
    {"DT_INT8", TF_INT8},
    {"DT_STRING", TF_STRING},
    {"DT_INT64", TF_INT64},
    {"DT_BOOL", TF_BOOL},
    {"DT_UINT16", TF_UINT16},
    {"DT_BFLOAT16", TF_BFLOAT16},
    {"DT_HALF", TF_HALF},
    {"DT_UINT32", TF_UINT32},
    {"DT_UINT64", TF_UINT64},
    {"true", 1},
    {"false", 0},
};

/* A number, a truth value or a type; other types get one that nobody reads. */
static bool integer(struct text *t, uint64_t *value)
{
    char text[MAX_WORD + 1], *end;
    if (!word(t, text))
        return false;
    for (size_t k = 0; k < sizeof type_names / sizeof type_names[0]; k++)
        if (strcmp(text, type_names[k].name) == 0) {
            *value = (uint64_t)type_names[k].type;
            return true;
        }
    if (strncmp(text, "DT_", 3) == 0) {
        *value = 9999;
        return true;
    }
    errno = 0;
    *value = text[0] == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
    return errno == 0 && *end == '\0' ? true : fail(t, "a value is no whole number");
}

/* strtod knows inf and nan, too; the suffix f is allowed. */
static bool real(struct text *t, double *value)
{
    char text[MAX_WORD + 1], *end;
    if (!word(t, text))
        return false;
    *value = strtod(text, &end);
    return end != text && (*end == '\0' || strcmp(end, "f") == 0) ? true
                                                                  : fail(t, "a value is no number");
}

static int digit(char c, int base)
{
    const int d = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : 99;
    return d < base ? d : -1;
}

/* What stands behind a backslash. */
static bool escape(struct text *t, uint8_t *byte)
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    if (t->at == t->end)
        return fail(t, "a string does not end");
    const char c = *t->at++;
    const char *known = c != '\0' ? strchr(names, c) : NULL;
    const int base = c == 'x' || c == 'X' ? 16 : 8, most = base == 16 ? 2 : 3;
    if (known != NULL || (base == 8 && digit(c, 8) < 0)) {
        *byte = (uint8_t)(known != NULL ? values[known - names] : c);
        return true;
    }
    unsigned v = base == 8 ? (unsigned)digit(c, 8) : 0;
    for (int n = base == 8 ? 1 : 0; n < most && t->at < t->end && digit(*t->at, base) >= 0; n++)
        v = v * (unsigned)base + (unsigned)digit(*t->at++, base);
    *byte = (uint8_t)v;
    return true;
}

/* One or more strings in quotes, joined. Without `write` they are only read. */
static bool quoted(struct text *t, bool write)
{
    if (!next_is(t, '"') && !next_is(t, '\''))
        return fail(t, "a string is missing");
    while (next_is(t, '"') || next_is(t, '\'')) {
        const char mark = *t->at++;
        for (;;) {
            if (t->at == t->end || *t->at == '\n')
                return fail(t, "a string does not end");
            uint8_t byte = (uint8_t)*t->at++;
            if ((char)byte == mark)
                break;
            if (byte == '\\' && !escape(t, &byte))
                return false;
            if (write && !put(t, byte))
                return false;
        }
    }
    return true;
}

/* Fields -------------------------------------------------------------------------------------- */

static bool skip_value(struct text *t);

static bool skip_message(struct text *t, char close)
{
    char name[MAX_WORD + 1];
    if (++t->depth > MAX_DEPTH)
        return fail(t, "too many braces inside each other");
    while (!accept(t, close)) {
        if (accept(t, '[')) { /* an extension, or the type of an Any */
            while (t->at < t->end && *t->at != ']')
                t->at++;
            if (!accept(t, ']'))
                return fail(t, "a bracket does not end");
        } else if (!word(t, name)) {
            return false;
        }
        if (!skip_value(t))
            return false;
        if (!accept(t, ','))
            (void)accept(t, ';');
    }
    t->depth--;
    return true;
}

static bool skip_one(struct text *t)
{
    char name[MAX_WORD + 1];
    if (accept(t, '{'))
        return skip_message(t, '}');
    if (accept(t, '<'))
        return skip_message(t, '>');
    return next_is(t, '"') || next_is(t, '\'') ? quoted(t, false) : word(t, name);
}

/* The rest of a field after its name. */
static bool skip_value(struct text *t)
{
    (void)accept(t, ':');
    if (!accept(t, '['))
        return skip_one(t);
    while (!accept(t, ']')) {
        if (!skip_one(t))
            return false;
        (void)accept(t, ',');
    }
    return true;
}

static bool message(struct text *t, const ProtobufCMessageDescriptor *type, char close);

static bool put_tag(struct text *t, const ProtobufCFieldDescriptor *field, unsigned wire)
{
    return put_varint(t, (uint64_t)field->id << 3 | wire);
}

static bool put_real(struct text *t, const ProtobufCFieldDescriptor *field)
{
    double d;
    if (!real(t, &d))
        return false;
    if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
        uint64_t bits;
        memcpy(&bits, &d, sizeof bits);
        return put_tag(t, field, 1) && put_fixed(t, bits, 8);
    }
    const float f = (float)d;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return put_tag(t, field, 5) && put_fixed(t, bits, 4);
}

static bool put_message(struct text *t, const ProtobufCFieldDescriptor *field)
{
    size_t mark;
    const bool angle = next_is(t, '<');
    if (!accept(t, angle ? '<' : '{'))
        return fail(t, "a brace is missing");
    if (!put_tag(t, field, 2) || !begin_length(t, &mark) ||
        !message(t, field->descriptor, angle ? '>' : '}'))
        return false;
    end_length(t, mark);
    return true;
}

static bool one_value(struct text *t, const ProtobufCFieldDescriptor *field)
{
    uint64_t v;
    size_t mark;
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return put_message(t, field);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
        if (!put_tag(t, field, 2) || !begin_length(t, &mark) || !quoted(t, true))
            return false;
        end_length(t, mark);
        return true;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return put_real(t, field);
    default:
        return integer(t, &v) && put_tag(t, field, 0) && put_varint(t, v);
    }
}

static bool field_value(struct text *t, const ProtobufCFieldDescriptor *field)
{
    const bool colon = accept(t, ':');
    if (!colon && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return fail(t, "a colon is missing");
    if (!accept(t, '['))
        return one_value(t, field);
    while (!accept(t, ']')) {
        if (!one_value(t, field))
            return false;
        (void)accept(t, ',');
    }
    return true;
}

/* Fields up to the closing mark, or to the end of the text where that is 0. */
static bool message(struct text *t, const ProtobufCMessageDescriptor *type, char close)
{
    char name[MAX_WORD + 1];
    if (++t->depth > MAX_DEPTH)
        return fail(t, "too many braces inside each other");
    for (;;) {
        skip_space(t);
        if (close == '\0' ? t->at == t->end : accept(t, close))
            break;
        if (t->at == t->end)
            return fail(t, "a brace does not end");
        if (!word(t, name))
            return false;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(type, name);
        if (field != NULL ? !field_value(t, field) : !skip_value(t))
            return false;
        if (!accept(t, ','))
            (void)accept(t, ';');
    }
    t->depth--;
    return true;
}

bool import_text_is(const void *data, size_t size)
{
    static const char *const first[] = {"node", "versions", "library"};
    struct text t = {.at = data, .end = (const char *)data + size};
    char name[MAX_WORD + 1];
    skip_space(&t);
    if (!word(&t, name))
        return false;
    for (size_t k = 0; k < sizeof first / sizeof first[0]; k++)
        if (strcmp(name, first[k]) == 0)
            return next_is(&t, '{') || next_is(&t, ':') || next_is(&t, '<');
    return false;
}

mp2ml_status import_text_binary(uint8_t **out, size_t *out_size, const void *data, size_t size,
                                mp2ml_error *err)
{
    struct text t = {.at = data, .end = (const char *)data + size, .line = 1};
    *out = NULL;
    if (!size_mul(&t.capacity, size, OUT_FACTOR))
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    t.out = malloc(t.capacity + 1);
    if (t.out == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "out of memory");
    if (!message(&t, &model_tf__graph_def__descriptor, '\0') || t.size > UINT32_MAX) {
        free(t.out);
        return status_fail(err, MP2ML_ERR_MODEL, "line %zu of a GraphDef in text form: %s", t.line,
                           t.wrong != NULL ? t.wrong : "it is too large");
    }
    *out = t.out;
    *out_size = t.size;
    return MP2ML_OK;
}
