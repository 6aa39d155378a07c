/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded readers, growing writers, and packed bits. Packing collects fields in a 64-bit register
 * and writes whole words; unpacking loads the word around each field, so that fields do not wait
 * for one another. */
#include "base/bytes.h"

#include <assert.h>
#include <stdlib.h>

const uint8_t *reader_bytes(struct reader *r, size_t n)
{
    if (r->failed || n > (size_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    if (n != 0) /* at may be NULL in an empty reader */
        r->at += n;
    return p;
}

uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 1);
    return p != NULL ? p[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 2);
    return p != NULL ? load_u16(p) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 4);
    return p != NULL ? load_u32(p) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 8);
    return p != NULL ? load_u64(p) : 0;
}

double reader_f64(struct reader *r)
{
    uint64_t bits = reader_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void reader_string(struct reader *r, char *out, size_t max)
{
    out[0] = '\0';
    size_t n = reader_u16(r);
    const uint8_t *p = n <= max ? reader_bytes(r, n) : NULL;
    if (p == NULL || (n != 0 && memchr(p, 0, n) != NULL)) {
        r->failed = true;
        return;
    }
    memcpy(out, p, n);
    out[n] = '\0';
}

mp2ml_status reader_done(const struct reader *r)
{
    return !r->failed && r->at == r->end ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

void writer_init(struct writer *w)
{
    memset(w, 0, sizeof *w);
}

void writer_wipe(struct writer *w)
{
    if (w->data != NULL)
        explicit_bzero(w->data, w->capacity);
    free(w->data);
    writer_init(w);
}

/* The place of the next n bytes, or NULL (and failed). Not realloc: the old copy must be wiped. */
static uint8_t *writer_room(struct writer *w, size_t n)
{
    size_t size;
    if (w->failed || !size_add(&size, w->size, n)) {
        w->failed = true;
        return NULL;
    }
    if (size > w->capacity || w->data == NULL) {
        size_t capacity = w->capacity < 64 ? 64 : w->capacity;
        while (capacity < size)
            capacity = capacity > SIZE_MAX / 2 ? size : 2 * capacity;
        uint8_t *data = malloc(capacity);
        if (data == NULL) {
            w->failed = true;
            return NULL;
        }
        if (w->size != 0)
            memcpy(data, w->data, w->size);
        if (w->data != NULL)
            explicit_bzero(w->data, w->capacity);
        free(w->data);
        w->data = data;
        w->capacity = capacity;
    }
    uint8_t *p = w->data + w->size;
    w->size = size;
    return p;
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_room(w, 1);
    if (p != NULL)
        p[0] = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_room(w, 2);
    if (p != NULL)
        store_u16(p, v);
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_room(w, 4);
    if (p != NULL)
        store_u32(p, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = writer_room(w, 8);
    if (p != NULL)
        store_u64(p, v);
}

void writer_f64(struct writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    writer_u64(w, bits);
}

void writer_bytes(struct writer *w, const void *data, size_t n)
{
    uint8_t *p = writer_room(w, n);
    if (p != NULL && n != 0)
        memcpy(p, data, n);
}

void writer_string(struct writer *w, const char *s)
{
    size_t n = strlen(s);
    if (n > UINT16_MAX) {
        w->failed = true;
        return;
    }
    writer_u16(w, (uint16_t)n);
    writer_bytes(w, s, n);
}

mp2ml_status writer_done(const struct writer *w)
{
    return w->failed ? MP2ML_ERR_MEMORY : MP2ML_OK;
}

size_t bits_size(size_t count, unsigned bits)
{
    /* count = 8q + r: q * bits bytes and r * bits <= 448 further bits. */
    size_t whole;
    size_t rest = (count % 8 * bits + 7) / 8;
    if (!size_mul(&whole, count / 8, bits) || !size_add(&whole, whole, rest))
        return SIZE_MAX;
    return whole;
}

static uint64_t low_mask(unsigned bits)
{
    return UINT64_MAX >> (64 - bits);
}

void bits_pack(uint8_t *out, size_t *at, const uint64_t *values, size_t count, unsigned bits)
{
    assert(bits >= 1 && bits <= 64);
    const uint64_t mask = low_mask(bits);
    uint8_t *p = out + *at / 8;
    unsigned held = (unsigned)(*at % 8);
    uint64_t word = held != 0 ? *p : 0; /* its low `held` bits are used, the others zero */
    *at += count * bits;
    for (size_t i = 0; i < count; i++) {
        uint64_t v = values[i] & mask;
        word |= v << held;
        held += bits;
        if (held >= 64) {
            store_u64(p, word);
            p += 8;
            held -= 64;
            word = held != 0 ? v >> (bits - held) : 0;
        }
    }
    for (unsigned done = 0; done < held; done += 8)
        *p++ = (uint8_t)(word >> done);
}

/* The field at bit `at`; reads nine bytes if the field crosses a 64-bit window, else eight. */
static inline uint64_t field_at(const uint8_t *in, size_t at, unsigned bits)
{
    const uint8_t *p = in + at / 8;
    unsigned shift = (unsigned)(at % 8);
    uint64_t v = load_u64(p) >> shift;
    if (shift + bits > 64) /* then shift > 0 */
        v |= (uint64_t)p[8] << (64 - shift);
    return v & low_mask(bits);
}

void bits_unpack(uint64_t *values, const uint8_t *in, size_t *at, size_t count, unsigned bits)
{
    assert(bits >= 1 && bits <= 64);
    const size_t start = *at;
    const size_t end = start + count * bits;
    const size_t bytes = (end + 7) / 8;
    *at = end;
    size_t i = 0;
    size_t bit = start;
    if (bits <= 57) /* one load always holds a field; the loop has no branch inside */
        for (; i < count && bit / 8 + 8 <= bytes; i++, bit += bits)
            values[i] = load_u64(in + bit / 8) >> (bit % 8) & low_mask(bits);
    else
        for (; i < count && bit / 8 + 9 <= bytes; i++, bit += bits)
            values[i] = field_at(in, bit, bits);
    if (i == count)
        return;
    /* The last fields lie in the last nine bytes: read them from a copy with room behind. */
    uint8_t tail[24] = {0};
    const size_t first = bit / 8;
    memcpy(tail, in + first, bytes - first);
    for (; i < count; i++, bit += bits)
        values[i] = field_at(tail, bit - 8 * first, bits);
    explicit_bzero(tail, sizeof tail);
}

bool bits_padding_is_zero(const uint8_t *in, size_t at)
{
    return at % 8 == 0 || in[at / 8] >> (at % 8) == 0;
}

/* The code point at *s and its length, or 0 where the bytes are not the shortest form of one. */
static unsigned utf8_length(const uint8_t *s, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned n = s[0] < 0x80         ? 1
                 : (s[0] >> 5) == 6  ? 2
                 : (s[0] >> 4) == 14 ? 3
                 : (s[0] >> 3) == 30 ? 4
                                     : 0;
    if (n == 0)
        return 0;
    *code = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) /* also the terminating zero */
            return 0;
        *code = *code << 6 | (s[i] & 0x3fu);
    }
    bool surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code >= least[n] && *code < 0x110000 && !surrogate ? n : 0;
}

bool bytes_are_printable(const char *s)
{
    const uint8_t *at = (const uint8_t *)s;
    while (*at != 0) {
        uint32_t code;
        unsigned n = utf8_length(at, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0))
            return false;
        at += n;
    }
    return true;
}
