/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers in text, in one pass. Room for the values is made before, by counting what ends
 * a field, so that no copies of a client's data stay behind in outgrown memory. */
#include "base/csv.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX 64 /* characters of a number */
#define SHOWN 32      /* of a wrong field, in messages */

struct field {
    const char *at; /* without quotes and blanks around */
    size_t length;
    enum { FIELD_NUMBER, FIELD_INFINITE, FIELD_EMPTY, FIELD_WORD } kind;
    double value;
};

struct table {
    const char *at, *end; /* what is left */
    char separator;
    size_t line, column; /* counted from 1; of the field that was read last */
    size_t rows, width;  /* width 0: not known yet */
    float *values;
    size_t count;
    const char *name;
    mp2ml_error *err;
};

static bool is_blank(const struct table *t, char c)
{
    return c == ' ' || (c == '\t' && t->separator != '\t');
}

static mp2ml_status refuse(const struct table *t, const char *what)
{
    return status_fail(t->err, MP2ML_ERR_INPUT, "%s: line %zu, column %zu: %s", t->name, t->line,
                       t->column, what);
}

/* ---- fields -------------------------------------------------------------------------------- */

/* Decimal numbers only: strtod also takes hexadecimal ones and words, by the locale. */
static void classify(struct field *f)
{
    static const char *const infinite[] = {"nan", "inf", "infinity"};
    char text[NUMBER_MAX + 1], *end;
    f->kind = f->length == 0 ? FIELD_EMPTY : FIELD_WORD;
    if (f->length == 0 || f->length > NUMBER_MAX)
        return;
    memcpy(text, f->at, f->length);
    text[f->length] = '\0';
    const char *bare = text + (text[0] == '-' || text[0] == '+');
    for (size_t i = 0; i < sizeof infinite / sizeof infinite[0]; i++)
        if (strcasecmp(bare, infinite[i]) == 0)
            f->kind = FIELD_INFINITE;
    if (strspn(text, "0123456789+-.eE") == f->length) {
        f->value = strtod(text, &end);
        if (*end == '\0')
            f->kind = isfinite((float)f->value) ? FIELD_NUMBER : FIELD_INFINITE;
    }
    explicit_bzero(text, sizeof text);
}

static mp2ml_status skip_quoted(struct table *t, struct field *f)
{
    f->at = ++t->at;
    for (;; t->at++) {
        if (t->at == t->end || *t->at == '\n' || *t->at == '\r')
            return refuse(t, "a quote that is not closed on its line");
        if (*t->at != '"')
            continue;
        if (t->at + 1 == t->end || t->at[1] != '"')
            break;
        t->at++; /* a doubled quote stands for one */
    }
    f->length = (size_t)(t->at++ - f->at);
    return MP2ML_OK;
}

static bool ends_field(const struct table *t)
{
    return t->at == t->end || *t->at == t->separator || *t->at == '\n' || *t->at == '\r';
}

/* Reads a field; *t is then at what ends it. */
static mp2ml_status take_field(struct table *t, struct field *f)
{
    t->column++;
    while (t->at < t->end && is_blank(t, *t->at))
        t->at++;
    f->at = t->at;
    if (t->at < t->end && *t->at == '"') {
        TRY(skip_quoted(t, f));
        while (t->at < t->end && is_blank(t, *t->at))
            t->at++;
        if (!ends_field(t))
            return refuse(t, "text behind a closing quote");
    } else {
        for (; !ends_field(t); t->at++)
            if ((unsigned char)*t->at < ' ' && *t->at != '\t')
                return refuse(t, "a control character; expected a .npy file or CSV, text with "
                                 "numbers between commas, semicolons or tabs");
        f->length = (size_t)(t->at - f->at);
    }
    for (; f->length > 0 && is_blank(t, *f->at); f->length--)
        f->at++;
    while (f->length > 0 && is_blank(t, f->at[f->length - 1]))
        f->length--;
    classify(f);
    return MP2ML_OK;
}

static mp2ml_status refuse_field(const struct table *t, const struct field *f)
{
    char shown[SHOWN + 1], what[256];
    size_t n = f->length < SHOWN ? f->length : SHOWN;
    for (size_t i = 0; i < n; i++)
        shown[i] = f->at[i] >= ' ' && f->at[i] <= '~' ? f->at[i] : '?';
    shown[n] = '\0';
    if (f->kind == FIELD_EMPTY)
        return refuse(t, "an empty field, expected a number");
    if (f->kind == FIELD_INFINITE)
        snprintf(what, sizeof what, "'%s' is no finite float32", shown);
    else
        snprintf(what, sizeof what, "'%s%s' is no number; expected decimal numbers like -1.5e3%s",
                 shown, n < f->length ? "..." : "",
                 t->line == 1 ? ", or a header without any number" : "");
    return refuse(t, what);
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Steps over LF, CRLF or the end of the file. */
static mp2ml_status end_line(struct table *t)
{
    if (t->at < t->end && *t->at == '\r' && ++t->at < t->end && *t->at != '\n')
        return refuse(t, "a carriage return within the line");
    if (t->at < t->end)
        t->at++;
    t->line++;
    t->column = 0;
    return MP2ML_OK;
}

/* Skips lines without a field; false at the end of the file. */
static bool next_line(struct table *t)
{
    const char *start = t->at;
    for (const char *c = start; c < t->end; c++) {
        if (*c == '\n') {
            start = c + 1;
            t->line++;
        } else if (!is_blank(t, *c) && !(*c == '\r' && c + 1 < t->end && c[1] == '\n')) {
            t->at = start;
            return true;
        }
    }
    t->at = t->end;
    return false;
}

/* The first line's separator, outside of quotes. */
static char find_separator(const struct table *t)
{
    bool quoted = false, semicolon = false;
    for (const char *c = t->at; c < t->end && *c != '\n'; c++) {
        quoted = quoted != (*c == '"');
        if (!quoted && *c == '\t')
            return '\t';
        semicolon = semicolon || (!quoted && *c == ';');
    }
    return semicolon ? ';' : ',';
}

/* Whether the line at hand has no number but a word; *t stays where it is. */
#define COUNTED_LEAST 4 /* 0, 1, 2, 3 .. are numbers of columns, as pandas writes them */

static mp2ml_status find_header(const struct table *t, bool *header)
{
    struct table look = *t;
    bool numbers = false, words = false, counted = true;
    size_t fields = 0;
    for (;;) {
        struct field f;
        TRY(take_field(&look, &f));
        numbers = numbers || f.kind == FIELD_NUMBER || f.kind == FIELD_INFINITE;
        words = words || f.kind == FIELD_WORD;
        counted = counted && f.kind == FIELD_NUMBER && fabs(f.value - (double)fields) <= 0;
        fields++;
        if (look.at == look.end || *look.at != look.separator)
            break;
        look.at++;
    }
    *header = (words && !numbers) || (counted && fields >= COUNTED_LEAST);
    return MP2ML_OK;
}

/* Reads a line; its values are kept unless it is a header. */
static mp2ml_status take_line(struct table *t, bool header)
{
    for (;;) {
        struct field f;
        TRY(take_field(t, &f));
        if (!header && f.kind != FIELD_NUMBER)
            return refuse_field(t, &f);
        if (!header)
            t->values[t->count++] = (float)f.value;
        if (t->at == t->end || *t->at != t->separator)
            break;
        t->at++;
    }
    size_t fields = t->column;
    if (t->width != 0 && fields != t->width)
        return status_fail(t->err, MP2ML_ERR_INPUT,
                           "%s: line %zu has %zu fields, but those before have %zu", t->name,
                           t->line, fields, t->width);
    t->width = fields;
    t->rows += !header;
    return end_line(t);
}

static mp2ml_status take_table(struct table *t)
{
    bool header = false;
    if (t->end - t->at >= 3 && memcmp(t->at, "\xef\xbb\xbf", 3) == 0)
        t->at += 3;
    if (next_line(t)) {
        t->separator = find_separator(t);
        TRY(find_header(t, &header));
    }
    for (; next_line(t); header = false)
        TRY(take_line(t, header));
    if (t->rows == 0)
        return status_fail(t->err, MP2ML_ERR_INPUT, "%s: no line of numbers%s", t->name,
                           t->width > 0 ? " below the header" : "");
    return MP2ML_OK;
}

/* At least the number of fields: each ends with one of these characters or the file. */
static size_t fields_at_most(const char *text, size_t size)
{
    size_t n = 1;
    for (size_t i = 0; i < size; i++)
        n += text[i] == ',' || text[i] == ';' || text[i] == '\t' || text[i] == '\n';
    return n;
}

mp2ml_status csv_parse(mp2ml_array *out, const void *data, size_t size, const char *name,
                       mp2ml_error *err)
{
    memset(out, 0, sizeof *out);
    if (size == 0)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the file is empty", name);
    const char *text = data;
    struct table t = {.at = text, .end = text + size, .separator = ',', .line = 1};
    size_t room = fields_at_most(text, size);
    t.name = name;
    t.err = err;
    t.values = calloc(room, sizeof *t.values);
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0); /* a point in numbers */
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (t.values == NULL || plain == (locale_t)0) {
        status = status_fail(err, status, "%s: no memory for %zu values", name, room);
    } else {
        locale_t before = uselocale(plain);
        status = take_table(&t);
        uselocale(before);
    }
    if (plain != (locale_t)0)
        freelocale(plain);
    if (status != MP2ML_OK) {
        if (t.values != NULL)
            explicit_bzero(t.values, t.count * sizeof *t.values);
        free(t.values);
        return status;
    }
    *out =
        (mp2ml_array){.rank = 2, .dims = {t.rows, t.width}, .count = t.count, .values = t.values};
    return MP2ML_OK;
}
