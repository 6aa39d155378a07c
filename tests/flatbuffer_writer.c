/* SPDX-License-Identifier: Apache-2.0
 *
 * Flatbuffers from front to back: each table is followed by what it points at. */
#include "flatbuffer_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

/* Notes ------------------------------------------------------------------------------------------ */

int tl_tensor(struct tl_writer *w, const char *name, int type, const int64_t *dims, int rank)
{
    check(w->n_tensors < TL_MAX && rank <= 9);
    struct tl_tensor *t = &w->tensors[w->n_tensors];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->type = type;
    t->rank = rank;
    for (int d = 0; d < rank; d++)
        t->dims[d] = (int32_t)dims[d];
    t->shares = w->n_tensors;
    return w->n_tensors++;
}

int tl_input(struct tl_writer *w, const char *name, const int64_t *dims, int rank)
{
    check(w->n_inputs < 8);
    w->inputs[w->n_inputs++] = tl_tensor(w, name, TL_FLOAT, dims, rank);
    return w->n_tensors - 1;
}

int tl_constant(struct tl_writer *w, const char *name, int type, const int64_t *dims, int rank,
                const void *values, size_t bytes)
{
    const int tensor = tl_tensor(w, name, type, dims, rank);
    struct tl_tensor *t = &w->tensors[tensor];
    t->values = malloc(bytes + 1);
    check(t->values != NULL);
    memcpy(t->values, values, bytes);
    t->bytes = bytes;
    return tensor;
}

int tl_floats(struct tl_writer *w, const float *values, const int64_t *dims, int rank)
{
    size_t count = 1;
    char name[16];
    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    snprintf(name, sizeof name, "c%d", w->n_tensors);
    return tl_constant(w, name, TL_FLOAT, dims, rank, values, 4 * count);
}

int tl_ints(struct tl_writer *w, const int32_t *values, int count)
{
    const int64_t dims[1] = {count};
    char name[16];
    snprintf(name, sizeof name, "i%d", w->n_tensors);
    return tl_constant(w, name, TL_INT32, dims, 1, values, 4 * (size_t)count);
}

int tl_int(struct tl_writer *w, int32_t value)
{
    return tl_constant(w, "number", TL_INT32, NULL, 0, &value, 4);
}

void tl_quantise(struct tl_writer *w, const float *scale, const int64_t *zero, int count, int along)
{
    struct tl_tensor *t = &w->tensors[w->n_tensors - 1];
    check(count <= 8);
    memcpy(t->scale, scale, (size_t)count * sizeof *scale);
    if (zero != NULL)
        memcpy(t->zero, zero, (size_t)count * sizeof *zero);
    t->n_scales = count;
    t->n_zeros = zero != NULL ? count : 0;
    t->along = along;
}

void tl_op(struct tl_writer *w, int code, const int32_t *inputs, int n_inputs,
           const int32_t *outputs, int n_outputs)
{
    check(w->n_ops < TL_MAX && n_inputs <= 16 && n_outputs <= 16);
    struct tl_op *op = &w->ops[w->n_ops++];
    op->code = code;
    op->n_inputs = n_inputs;
    op->n_outputs = n_outputs;
    memcpy(op->inputs, inputs, (size_t)n_inputs * sizeof *inputs);
    memcpy(op->outputs, outputs, (size_t)n_outputs * sizeof *outputs);
}

int tl_node(struct tl_writer *w, const char *name, int code, const int32_t *inputs, int n)
{
    const int32_t output = tl_tensor(w, name, TL_FLOAT, NULL, 0);
    tl_op(w, code, inputs, n, &output, 1);
    return output;
}

static void option(struct tl_writer *w, unsigned field, unsigned char width, uint32_t value)
{
    check(field < TL_FIELDS);
    w->ops[w->n_ops - 1].width[field] = width;
    w->ops[w->n_ops - 1].value[field] = value;
}

void tl_byte(struct tl_writer *w, unsigned field, int value)
{
    option(w, field, 1, (uint32_t)value);
}

void tl_number(struct tl_writer *w, unsigned field, int32_t value)
{
    option(w, field, 4, (uint32_t)value);
}

void tl_real(struct tl_writer *w, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    option(w, field, 4, bits);
}

void tl_list(struct tl_writer *w, unsigned field, const int32_t *values, int count)
{
    struct tl_op *op = &w->ops[w->n_ops - 1];
    check(count <= 8);
    option(w, field, 'v', 0);
    op->n_list = count;
    memcpy(op->list, values, (size_t)count * sizeof *values);
}

void tl_output(struct tl_writer *w, int tensor)
{
    check(w->n_outputs < 8);
    w->outputs[w->n_outputs++] = tensor;
}

void tl_wipe(struct tl_writer *w)
{
    for (int k = 0; k < w->n_tensors; k++)
        free(w->tensors[k].values);
    free(w->file.data);
    memset(w, 0, sizeof *w);
}

/* The file --------------------------------------------------------------------------------------- */

static size_t grow(struct tl_bytes *b, size_t size)
{
    const size_t at = b->size;
    if (b->size + size > b->capacity) {
        b->capacity = 2 * (b->size + size) + 256;
        b->data = realloc(b->data, b->capacity);
        check(b->data != NULL);
    }
    memset(b->data + at, 0, size);
    b->size += size;
    return at;
}

static void put(struct tl_bytes *b, size_t at, uint64_t value, size_t width)
{
    for (size_t k = 0; k < width; k++)
        b->data[at + k] = (unsigned char)(value >> 8 * k);
}

/* The offset at `at` leads to the end of what is written. */
static void point(struct tl_bytes *b, size_t at)
{
    put(b, at, b->size - at, 4);
}

/* A table with zeros in its fields of these widths, 0 for absent ones; sets where each is. It is
 * what the offset at `from` leads to. */
static void table(struct tl_bytes *b, size_t from, const unsigned char *widths, unsigned n,
                  size_t *fields)
{
    const size_t vtable = grow(b, 4 + 2 * n);
    size_t size = 4;
    for (unsigned k = 0; k < n; k++) {
        put(b, vtable + 4 + 2 * k, widths[k] != 0 ? size : 0, 2);
        fields[k] = size;
        size += widths[k];
    }
    point(b, from);
    const size_t at = grow(b, size);
    put(b, vtable, 4 + 2 * n, 2);
    put(b, vtable + 2, size, 2);
    put(b, at, at - vtable, 4);
    for (unsigned k = 0; k < n; k++)
        fields[k] += at;
}

/* A vector of `count` elements that the offset at `from` leads to; where the first one is. */
static size_t vector(struct tl_bytes *b, size_t from, size_t count, size_t width)
{
    point(b, from);
    put(b, grow(b, 4), count, 4);
    return grow(b, count * width);
}

static void numbers(struct tl_bytes *b, size_t from, const int32_t *values, int count)
{
    const size_t at = vector(b, from, (size_t)count, 4);
    for (int k = 0; k < count; k++)
        put(b, at + 4 * (size_t)k, (uint32_t)values[k], 4);
}

static void string(struct tl_bytes *b, size_t from, const char *text)
{
    const size_t at = vector(b, from, strlen(text), 1);
    memcpy(b->data + at, text, strlen(text));
    (void)grow(b, 1);
}

static void write_quantisation(struct tl_bytes *b, size_t from, const struct tl_tensor *t)
{
    size_t f[7];
    const unsigned char widths[7] = {0, 0, 4, 4, 1, 0, 4};
    table(b, from, widths, 7, f);
    const size_t scale = vector(b, f[2], (size_t)t->n_scales, 4);
    memcpy(b->data + scale, t->scale, 4 * (size_t)t->n_scales);
    const size_t zero = vector(b, f[3], (size_t)t->n_zeros, 8);
    memcpy(b->data + zero, t->zero, 8 * (size_t)t->n_zeros);
    put(b, f[4], (uint64_t)t->details, 1);
    put(b, f[6], (uint64_t)t->along, 4);
}

static void write_tensor(struct tl_bytes *b, size_t from, const struct tl_tensor *t)
{
    size_t f[8];
    const unsigned char widths[8] = {
        4, 1, 4, 4, t->n_scales != 0 ? 4 : 0, 1, t->sparse ? 4 : 0, t->has_signature ? 4 : 0};
    table(b, from, widths, 8, f);
    numbers(b, f[0], t->dims, t->rank);
    put(b, f[1], (uint64_t)t->type, 1);
    put(b, f[2], (uint64_t)t->shares + 1, 4);
    string(b, f[3], t->name);
    if (t->n_scales != 0)
        write_quantisation(b, f[4], t);
    put(b, f[5], t->variable, 1);
    if (t->sparse) {
        size_t none[1];
        table(b, f[6], (const unsigned char[]){0}, 1, none);
    }
    if (t->has_signature)
        numbers(b, f[7], t->signature, t->rank);
}

static void write_op(struct tl_bytes *b, size_t from, const struct tl_op *op, int number)
{
    size_t f[5], options[TL_FIELDS];
    unsigned char widths[TL_FIELDS];
    table(b, from, (const unsigned char[]){4, 4, 4, 1, 4}, 5, f);
    put(b, f[0], (uint64_t)number, 4);
    numbers(b, f[1], op->inputs, op->n_inputs);
    numbers(b, f[2], op->outputs, op->n_outputs);
    for (unsigned k = 0; k < TL_FIELDS; k++)
        widths[k] = op->width[k] == 'v' ? 4 : op->width[k];
    table(b, f[4], widths, TL_FIELDS, options);
    for (unsigned k = 0; k < TL_FIELDS; k++)
        if (op->width[k] == 'v')
            numbers(b, options[k], op->list, op->n_list);
        else
            put(b, options[k], op->value[k], widths[k]);
}

static void write_graph(struct tl_bytes *b, size_t from, const struct tl_writer *w)
{
    size_t f[4];
    table(b, from, (const unsigned char[]){4, 4, 4, 4}, 4, f);
    const size_t tensors = vector(b, f[0], (size_t)w->n_tensors, 4);
    for (int k = 0; k < w->n_tensors; k++)
        write_tensor(b, tensors + 4 * (size_t)k, &w->tensors[k]);
    numbers(b, f[1], w->inputs, w->n_inputs);
    numbers(b, f[2], w->outputs, w->n_outputs);
    const size_t ops = vector(b, f[3], (size_t)w->n_ops, 4);
    for (int k = 0; k < w->n_ops; k++)
        write_op(b, ops + 4 * (size_t)k, &w->ops[k], k);
}

/* One a operator. Old files have the code in field 0 only, new ones in both where it fits. */
static void write_codes(struct tl_bytes *b, size_t from, const struct tl_writer *w)
{
    const size_t codes = vector(b, from, (size_t)w->n_ops, 4);
    for (int k = 0; k < w->n_ops; k++) {
        size_t f[4];
        const struct tl_op *op = &w->ops[k];
        const bool old = k % 2 == 0 && op->code < 127;
        const unsigned char widths[4] = {1, op->custom != NULL ? 4 : 0, 0, old ? 0 : 4};
        table(b, codes + 4 * (size_t)k, widths, 4, f);
        put(b, f[0], op->code < 127 ? (uint64_t)op->code : 127, 1);
        if (op->custom != NULL)
            string(b, f[1], op->custom);
        if (!old)
            put(b, f[3], (uint64_t)op->code, 4);
    }
}

/* Buffer 0 is empty, buffer k + 1 is of tensor k. slots[k]: where offset and size of values that are
 * outside are to be written. */
static void write_buffers(struct tl_bytes *b, size_t from, const struct tl_writer *w, size_t *slots)
{
    const size_t buffers = vector(b, from, (size_t)w->n_tensors + 1, 4);
    for (int k = -1; k < w->n_tensors; k++) {
        size_t f[3];
        const struct tl_tensor *t = k >= 0 ? &w->tensors[k] : NULL;
        const bool full = t != NULL && t->values != NULL, in = full && !w->outside;
        const unsigned char far = full && w->outside ? 8 : 0;
        table(b, buffers + 4 * (size_t)(k + 1), (const unsigned char[]){in ? 4 : 0, far, far}, 3,
              f);
        if (in) {
            const size_t at = vector(b, f[0], t->bytes, 1);
            memcpy(b->data + at, t->values, t->bytes);
        }
        if (k >= 0)
            slots[k] = far != 0 ? f[1] : 0;
    }
}

static void write_name(struct tl_bytes *b, size_t from, const char *name, int32_t tensor)
{
    size_t f[2];
    table(b, vector(b, from, 1, 4), (const unsigned char[]){4, 4}, 2, f);
    string(b, f[0], name);
    put(b, f[1], (uint32_t)tensor, 4);
}

void tl_finish(struct tl_writer *w)
{
    struct tl_bytes *b = &w->file;
    size_t f[8], s[2], slots[TL_MAX] = {0};
    const unsigned char names = w->signature[0] != NULL ? 4 : 0;
    const size_t graphs = w->subgraphs != 0 ? (size_t)w->subgraphs : 1;
    (void)grow(b, 8);
    memcpy(b->data + 4, "TFL3", 4);
    table(b, 0, (const unsigned char[]){4, 4, 4, 0, 4, 0, 0, names}, 8, f);
    put(b, f[0], w->version != 0 ? (uint64_t)w->version : 3, 4);
    write_codes(b, f[1], w);
    const size_t graph = vector(b, f[2], graphs, 4);
    for (size_t k = 0; k < graphs; k++)
        write_graph(b, graph + 4 * k, w);
    if (names != 0) {
        table(b, vector(b, f[7], 1, 4), (const unsigned char[]){4, 4}, 2, s);
        write_name(b, s[0], w->signature[0], w->inputs[0]);
        write_name(b, s[1], w->signature[1], w->outputs[0]);
    }
    write_buffers(b, f[4], w, slots);
    for (int k = 0; k < w->n_tensors; k++) {
        if (slots[k] == 0)
            continue;
        const size_t at = grow(b, w->tensors[k].bytes);
        memcpy(b->data + at, w->tensors[k].values, w->tensors[k].bytes);
        put(b, slots[k], at, 8);
        put(b, slots[k] + 8, w->tensors[k].bytes, 8);
    }
}
