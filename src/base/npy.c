/* SPDX-License-Identifier: Apache-2.0
 *
 * numpy's .npy files. The format is: "\x93NUMPY", version u8 u8, header length (u16 in version 1,
 * u32 in 2 and 3, little-endian), a Python dict literal with the keys descr, fortran_order and
 * shape, then the values. The header is read by a small bounded scanner, never evaluated. */
#include "base/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"

#define HEADER_MAX 65536 /* numpy itself refuses to parse more than 10,000 bytes by default */

struct header {
    char kind;      /* 'b', 'u', 'i' or 'f' */
    unsigned width; /* bytes of a value */
    bool big_endian;
    bool fortran;
    unsigned seen; /* bits: descr, fortran_order, shape */
};

/* A scanner over the dict literal; every function returns false when the text does not fit. */
struct scan {
    const char *at;
    const char *end;
};

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take_char(struct scan *s, char c)
{
    skip_space(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_word(struct scan *s, const char *word)
{
    skip_space(s);
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

/* A quoted string of at most max bytes, without escapes, to out[max + 1]. */
static bool take_string(struct scan *s, char *out, size_t max)
{
    skip_space(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"'))
        return false;
    char quote = *s->at++;
    size_t n = 0;
    while (s->at < s->end && *s->at != quote) {
        if (n == max || *s->at < ' ' || *s->at > '~' || *s->at == '\\')
            return false;
        out[n++] = *s->at++;
    }
    if (s->at == s->end)
        return false;
    s->at++;
    out[n] = '\0';
    return true;
}

static bool take_size(struct scan *s, size_t *out)
{
    skip_space(s);
    size_t v = 0;
    bool any = false;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (!size_mul(&v, v, 10) || !size_add(&v, v, (size_t)(*s->at - '0')))
            return false;
        any = true;
    }
    if (s->at < s->end && *s->at == 'L') /* Python 2 wrote 10L */
        s->at++;
    *out = v;
    return any;
}

static mp2ml_status parse_descr(struct header *h, struct scan *s, const char *name,
                                mp2ml_error *err)
{
    char text[16];
    const char *wanted = "expected a real type: b1, u1 to u8, i1 to i8, f2, f4 or f8";
    if (!take_string(s, text, sizeof text - 1))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the dtype is no plain type; %s", name,
                           wanted);
    const char *t = text;
    bool big_host = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    h->big_endian = *t == '>' || (*t != '<' && big_host);
    if (*t == '<' || *t == '>' || *t == '|' || *t == '=')
        t++;
    h->kind = t[0];
    bool fits = t[0] != '\0' && t[1] >= '1' && t[1] <= '8' && t[2] == '\0';
    if (fits) {
        unsigned w = h->width = (unsigned)(t[1] - '0');
        bool power = w == 1 || w == 2 || w == 4 || w == 8;
        fits = (h->kind == 'b' && w == 1) || ((h->kind == 'u' || h->kind == 'i') && power) ||
               (h->kind == 'f' && power && w != 1);
    }
    if (!fits)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the dtype is '%s'; %s", name, text, wanted);
    return MP2ML_OK;
}

static mp2ml_status parse_shape(mp2ml_array *out, struct scan *s, const char *name,
                                mp2ml_error *err)
{
    if (!take_char(s, '('))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the shape is no tuple", name);
    out->rank = 0;
    out->count = 1;
    while (!take_char(s, ')')) {
        size_t dim;
        if (!take_size(s, &dim))
            return status_fail(err, MP2ML_ERR_INPUT,
                               "%s: the shape's axis %u is no size from 0 to %zu", name, out->rank,
                               SIZE_MAX);
        if (out->rank == MP2ML_MAX_RANK)
            return status_fail(err, MP2ML_ERR_INPUT,
                               "%s: the shape has more than %d axes, the most that are read", name,
                               MP2ML_MAX_RANK);
        if (!size_mul(&out->count, out->count, dim))
            return status_fail(err, MP2ML_ERR_INPUT, "%s: the shape's product overflows", name);
        out->dims[out->rank++] = dim;
        bool comma = take_char(s, ',');
        skip_space(s);
        bool closed = s->at < s->end && *s->at == ')';
        if (!comma && (!closed || out->rank == 1)) /* (3) is a number in Python, no tuple */
            return status_fail(err, MP2ML_ERR_INPUT, "%s: the shape lacks a comma", name);
    }
    return MP2ML_OK;
}

static mp2ml_status parse_item(mp2ml_array *out, struct header *h, struct scan *s, const char *name,
                               mp2ml_error *err)
{
    char key[32];
    if (!take_string(s, key, sizeof key - 1) || !take_char(s, ':'))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the header is no dict of strings", name);
    unsigned bit;
    if (strcmp(key, "descr") == 0) {
        bit = 1;
        TRY(parse_descr(h, s, name, err));
    } else if (strcmp(key, "fortran_order") == 0) {
        bit = 2;
        h->fortran = take_word(s, "True");
        if (!h->fortran && !take_word(s, "False"))
            return status_fail(err, MP2ML_ERR_INPUT, "%s: fortran_order is not True or False",
                               name);
    } else if (strcmp(key, "shape") == 0) {
        bit = 4;
        TRY(parse_shape(out, s, name, err));
    } else {
        return status_fail(err, MP2ML_ERR_INPUT,
                           "%s: the header has the key '%s'; expected descr, fortran_order, shape",
                           name, key);
    }
    if ((h->seen & bit) != 0)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the header has the key '%s' twice", name,
                           key);
    h->seen |= bit;
    return MP2ML_OK;
}

static mp2ml_status parse_dict(mp2ml_array *out, struct header *h, struct scan *s, const char *name,
                               mp2ml_error *err)
{
    if (!take_char(s, '{'))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the header is no dict", name);
    while (!take_char(s, '}')) {
        TRY(parse_item(out, h, s, name, err));
        bool comma = take_char(s, ',');
        skip_space(s);
        if (!comma && (s->at == s->end || *s->at != '}'))
            return status_fail(err, MP2ML_ERR_INPUT, "%s: the header's dict lacks a comma or brace",
                               name);
    }
    skip_space(s);
    if (s->at != s->end)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the header goes on after its dict", name);
    if (h->seen != 7)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the header lacks %s", name,
                           (h->seen & 1) == 0   ? "descr"
                           : (h->seen & 2) == 0 ? "fortran_order"
                                                : "shape");
    return MP2ML_OK;
}

/* Half precision: sign 1, exponent 5 (bias 15), fraction 10 bits. */
static double half_value(uint64_t v)
{
    int exponent = (int)(v >> 10 & 31);
    int fraction = (int)(v & 1023);
    double magnitude;
    if (exponent == 31)
        magnitude = fraction != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        magnitude = ldexp(fraction, -24);
    else
        magnitude = ldexp(1024 + fraction, exponent - 25);
    return (v >> 15 & 1) != 0 ? -magnitude : magnitude;
}

static double value_at(const uint8_t *p, const struct header *h)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < h->width; i++)
        v = v << 8 | p[h->big_endian ? i : h->width - 1 - i];
    switch (h->kind) {
    case 'b':
        return v != 0 ? 1.0 : 0.0;
    case 'u':
        return (double)v;
    case 'i': {
        uint64_t sign = UINT64_C(1) << (8 * h->width - 1);
        return (v & sign) != 0 ? -(double)((sign << 1) - v) : (double)v; /* 2^64 wraps to 0 */
    }
    default:
        break;
    }
    if (h->width == 2)
        return half_value(v);
    if (h->width == 4) {
        uint32_t bits = (uint32_t)v;
        float f;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &v, sizeof d);
    return d;
}

/* Fortran order: the first axis runs fastest in the file. */
static void read_values(mp2ml_array *out, const struct header *h, const uint8_t *data)
{
    size_t place[MP2ML_MAX_RANK] = {0};
    size_t stride[MP2ML_MAX_RANK]; /* in the file, in values */
    size_t step = 1;
    for (unsigned a = 0; a < out->rank; a++) {
        stride[a] = step;
        step *= out->dims[a];
    }
    size_t from = 0;
    for (size_t i = 0; i < out->count; i++) {
        out->values[i] = (float)value_at(data + (h->fortran ? from : i) * h->width, h);
        for (unsigned a = out->rank; h->fortran && a-- > 0;) {
            from += stride[a];
            if (++place[a] < out->dims[a])
                break;
            from -= stride[a] * out->dims[a];
            place[a] = 0;
        }
    }
}

/* Reads magic, version and dict; *r is then at the values. */
static mp2ml_status parse_header(mp2ml_array *out, struct header *h, struct reader *r,
                                 const char *name, mp2ml_error *err)
{
    const uint8_t *magic = reader_bytes(r, 6);
    if (magic == NULL || memcmp(magic, "\x93NUMPY", 6) != 0)
        return status_fail(err, MP2ML_ERR_INPUT,
                           "%s: no .npy file: it does not begin with \\x93NUMPY", name);
    unsigned major = reader_u8(r);
    unsigned minor = reader_u8(r);
    if (!r->failed && (major < 1 || major > 3 || minor != 0))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: .npy version %u.%u; expected 1.0, 2.0 or 3.0",
                           name, major, minor);
    size_t length = major == 1 ? reader_u16(r) : reader_u32(r);
    if (r->failed)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the file ends within its header", name);
    if (length > HEADER_MAX)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: a header of %zu bytes; expected at most %d",
                           name, length, HEADER_MAX);
    const char *text = (const char *)reader_bytes(r, length);
    if (text == NULL)
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the file ends within its header of %zu bytes",
                           name, length);
    struct scan s = {text, text + length};
    return parse_dict(out, h, &s, name, err);
}

mp2ml_status npy_parse(mp2ml_array *out, const void *data, size_t size, const char *name,
                       mp2ml_error *err)
{
    memset(out, 0, sizeof *out);
    mp2ml_array npy = {0};
    struct header h = {0};
    struct reader r = reader_init(data, size);
    TRY(parse_header(&npy, &h, &r, name, err));
    size_t have = (size_t)(r.end - r.at);
    size_t want, bytes;
    if (!size_mul(&want, npy.count, h.width) || !size_mul(&bytes, npy.count, sizeof(float)))
        return status_fail(err, MP2ML_ERR_INPUT, "%s: the shape's size overflows", name);
    if (have != want)
        return status_fail(err, MP2ML_ERR_INPUT,
                           "%s: %zu bytes of values; expected %zu for %zu values of %u bytes", name,
                           have, want, npy.count, h.width);
    npy.values = malloc(bytes != 0 ? bytes : 1);
    if (npy.values == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "%s: no memory for %zu values", name, npy.count);
    read_values(&npy, &h, r.at);
    *out = npy;
    return MP2ML_OK;
}

/* Writes the header with its padding: values begin at a multiple of 64 bytes. */
static bool write_header(FILE *f, const size_t *dims, unsigned rank)
{
    char dict[64 + 24 * MP2ML_MAX_RANK];
    size_t n =
        (size_t)snprintf(dict, sizeof dict, "{'descr': '%cf4', 'fortran_order': False, 'shape': (",
                         __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? '>' : '<');
    for (unsigned a = 0; a < rank; a++)
        n += (size_t)snprintf(dict + n, sizeof dict - n, a + 1 < rank ? "%zu, " : "%zu", dims[a]);
    n += (size_t)snprintf(dict + n, sizeof dict - n, "%s), }", rank == 1 ? "," : "");
    size_t length = (10 + n + 1 + 63) / 64 * 64 - 10;
    uint8_t start[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    store_u16(start + 8, (uint16_t)length);
    return fwrite(start, 1, 10, f) == 10 &&
           fprintf(f, "%s%*s\n", dict, (int)(length - n - 1), "") == (int)length;
}

mp2ml_status npy_write(const char *path, const float *values, const size_t *dims, unsigned rank,
                       mp2ml_error *err)
{
    size_t count = 1;
    size_t path_bytes = strlen(path) + 32;
    if (rank > MP2ML_MAX_RANK)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "%s: %u axes; expected at most %d", path, rank,
                           MP2ML_MAX_RANK);
    for (unsigned a = 0; a < rank; a++)
        if (!size_mul(&count, count, dims[a]))
            return status_fail(err, MP2ML_ERR_ARGUMENT, "%s: the shape's product overflows", path);
    char *temporary = malloc(path_bytes);
    if (temporary == NULL)
        return status_fail(err, MP2ML_ERR_MEMORY, "%s: no memory for its name", path);
    snprintf(temporary, path_bytes, "%s.%ld.part", path, (long)getpid());
    FILE *f = NULL;
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0 && (f = fdopen(fd, "wb")) == NULL)
        close(fd);
    bool good = f != NULL && write_header(f, dims, rank) &&
                fwrite(values, sizeof *values, count, f) == count && fflush(f) == 0;
    if (f != NULL && fclose(f) != 0)
        good = false;
    good = good && rename(temporary, path) == 0;
    mp2ml_status status = MP2ML_OK;
    if (!good) {
        status = status_fail(err, MP2ML_ERR_IO, "%s: cannot write: %s", path, strerror(errno));
        if (fd >= 0)
            unlink(temporary);
    }
    free(temporary);
    return status;
}
