/* SPDX-License-Identifier: Apache-2.0
 *
 * The portable kernels: AES-128 [FIPS 197] on bit slices, four blocks at a time, with no table and
 * no branch on data. Slice q[b] holds bit b of 64 bytes; byte i of block j is bit 16*j + i, and
 * since AES counts bytes down columns, i = 4 * column + row: a column is four adjacent bits, and
 * the bits of row r are r, r + 4, r + 8, r + 12 of each 16. */
#include <string.h>

#include "base/bytes.h"
#include "crypto/crypto_kernels.h"
#include "crypto/mask.h"

#define LANES 4 /* blocks in one set of slices */

struct slices {
    uint64_t q[8];
};

/* Repeats a pattern of 16 bits in each block's lane. */
#define EACH(pattern) ((uint64_t)(pattern)*UINT64_C(0x0001000100010001))

/* Transposes an 8x8 bit matrix: bit 8*i + j <-> bit 8*j + i, by swaps of blocks of size 1, 2, 4. */
static uint64_t transpose(uint64_t x)
{
    uint64_t t = (x ^ x >> 7) & UINT64_C(0x00aa00aa00aa00aa);
    x ^= t ^ t << 7;
    t = (x ^ x >> 14) & UINT64_C(0x0000cccc0000cccc);
    x ^= t ^ t << 14;
    t = (x ^ x >> 28) & UINT64_C(0x00000000f0f0f0f0);
    return x ^ t ^ t << 28;
}

static struct slices slice(const struct block in[LANES])
{
    struct slices s = {{0}};
    for (unsigned half = 0; half < 2 * LANES; half++) {
        uint64_t bytes = half % 2 != 0 ? in[half / 2].hi : in[half / 2].lo;
        uint64_t t = transpose(bytes); /* byte b = bit b of the eight bytes */
        for (unsigned b = 0; b < 8; b++)
            s.q[b] |= (t >> (8 * b) & 0xff) << (8 * half);
    }
    return s;
}

static void unslice(struct block out[LANES], const struct slices *s)
{
    for (unsigned half = 0; half < 2 * LANES; half++) {
        uint64_t t = 0;
        for (unsigned b = 0; b < 8; b++)
            t |= (s->q[b] >> (8 * half) & 0xff) << (8 * b);
        t = transpose(t);
        if (half % 2 != 0)
            out[half / 2].hi = t;
        else
            out[half / 2].lo = t;
    }
}

/* Reduces a polynomial of degree 14 by x^8 = x^4 + x^3 + x + 1, AES's field. */
static struct slices field_reduce(uint64_t p[15])
{
    for (unsigned d = 14; d >= 8; d--) {
        p[d - 4] ^= p[d];
        p[d - 5] ^= p[d];
        p[d - 7] ^= p[d];
        p[d - 8] ^= p[d];
    }
    struct slices r;
    memcpy(r.q, p, sizeof r.q);
    return r;
}

static struct slices field_mul(const struct slices *a, const struct slices *b)
{
    uint64_t p[15] = {0};
    for (unsigned i = 0; i < 8; i++)
        for (unsigned j = 0; j < 8; j++)
            p[i + j] ^= a->q[i] & b->q[j];
    return field_reduce(p);
}

/* a^(2^times): squaring spreads the coefficients. */
static struct slices field_square(struct slices a, unsigned times)
{
    while (times-- > 0) {
        uint64_t p[15] = {0};
        for (unsigned i = 0; i < 8; i++)
            p[2 * i] = a.q[i];
        a = field_reduce(p);
    }
    return a;
}

/* SubBytes: x -> x^254 (the inverse, 0 -> 0) by 2, 3, 12, 15, 240, 252, 254; then the affine map
 * bit b = x_b + x_(b+4) + x_(b+5) + x_(b+6) + x_(b+7) + bit b of 0x63, indices mod 8. */
static struct slices sub_bytes(const struct slices *x)
{
    struct slices x2 = field_square(*x, 1);
    struct slices x3 = field_mul(&x2, x);
    struct slices x12 = field_square(x3, 2);
    struct slices x15 = field_mul(&x12, &x3);
    struct slices x240 = field_square(x15, 4);
    struct slices x252 = field_mul(&x240, &x12);
    struct slices v = field_mul(&x252, &x2);
    struct slices r;
    for (unsigned b = 0; b < 8; b++) {
        r.q[b] = v.q[b] ^ v.q[(b + 4) % 8] ^ v.q[(b + 5) % 8] ^ v.q[(b + 6) % 8] ^ v.q[(b + 7) % 8];
        r.q[b] ^= (uint64_t)0 - (0x63U >> b & 1);
    }
    return r;
}

/* Row r moves r columns to the left: its bits move down by 4r within 16. */
static void shift_rows(struct slices *s)
{
    for (unsigned b = 0; b < 8; b++) {
        uint64_t x = s->q[b];
        s->q[b] = (x & EACH(0x1111)) | (x >> 4 & EACH(0x0222)) | (x << 12 & EACH(0x2000)) |
                  (x >> 8 & EACH(0x0044)) | (x << 8 & EACH(0x4400)) | (x >> 12 & EACH(0x0008)) |
                  (x << 4 & EACH(0x8880));
    }
}

/* Each byte becomes the one `rows` below it in its column. */
static uint64_t rotate_column(uint64_t x, unsigned rows)
{
    uint64_t low = EACH(0x1111) * (0xfU >> rows);
    return (x >> rows & low) | (x << (4 - rows) & ~low);
}

/* New byte = 2 * (a0 + a1) + a1 + a2 + a3, where a_i is the byte i rows below. */
static void mix_columns(struct slices *s)
{
    uint64_t twice[8], rest[8];
    for (unsigned b = 0; b < 8; b++) {
        uint64_t x = s->q[b];
        uint64_t one = rotate_column(x, 1);
        twice[b] = x ^ one;
        rest[b] = one ^ rotate_column(twice[b], 2);
    }
    for (unsigned b = 0; b < 8; b++) {
        uint64_t carry = b == 0 || b == 1 || b == 3 || b == 4 ? twice[7] : 0;
        s->q[b] = rest[b] ^ (b > 0 ? twice[b - 1] : 0) ^ carry;
    }
}

static void add_key(struct slices *s, const struct slices *key)
{
    for (unsigned b = 0; b < 8; b++)
        s->q[b] ^= key->q[b];
}

/* The next round key: t = SubWord(RotWord(last column)) + rcon; column c = t + columns 0..c. */
static void next_key(struct slices *key, unsigned rcon)
{
    struct slices t = sub_bytes(key);
    for (unsigned b = 0; b < 8; b++) {
        uint64_t w = rotate_column(t.q[b], 1) >> 12 & EACH(0x000f);
        w ^= EACH(rcon >> b & 1);
        w |= w << 4;
        w |= w << 8;
        uint64_t k = key->q[b];
        k ^= k << 4 & EACH(0xfff0);
        k ^= k << 8 & EACH(0xff00);
        key->q[b] = k ^ w;
    }
}

static const uint8_t round_constants[10] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};

static void cipher_round(struct slices *s, const struct slices *key, bool last)
{
    *s = sub_bytes(s);
    shift_rows(s);
    if (!last)
        mix_columns(s);
    add_key(s, key);
}

static void stream_portable(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset)
{
    const struct block same[LANES] = {*key, *key, *key, *key};
    struct slices keys[11];
    keys[0] = slice(same);
    for (unsigned r = 0; r < 10; r++) {
        keys[r + 1] = keys[r];
        next_key(&keys[r + 1], round_constants[r]);
    }
    struct block counter = {offset, 0};
    for (size_t done = 0; done < bytes; done += 16 * LANES) {
        struct block b[LANES];
        for (unsigned j = 0; j < LANES; j++) {
            b[j] = counter;
            counter.lo++;
            counter.hi += counter.lo == 0; /* counters are public */
        }
        struct slices s = slice(b);
        add_key(&s, &keys[0]);
        for (unsigned r = 1; r <= 10; r++)
            cipher_round(&s, &keys[r], r == 10);
        unslice(b, &s);
        uint8_t piece[16 * LANES];
        for (unsigned j = 0; j < LANES; j++) {
            store_u64(piece + 16 * j, b[j].lo);
            store_u64(piece + 16 * j + 8, b[j].hi);
        }
        size_t rest = bytes - done;
        memcpy(out + done, piece, rest < sizeof piece ? rest : sizeof piece);
    }
    explicit_bzero(keys, sizeof keys);
}

/* Up to four tweaks, each with its key in its own lane. */
static void tccr_four(struct block *out, const struct block *in, const struct block *key,
                      uint64_t tweak, size_t lanes, unsigned per)
{
    struct block keys[LANES];
    struct block y[4][LANES] = {{{0, 0}}};
    struct slices s[4];
    for (unsigned i = 0; i < LANES; i++) {
        keys[i].lo = key->lo ^ (tweak + i);
        keys[i].hi = key->hi;
        for (unsigned j = 0; i < lanes && j < per; j++) {
            const struct block x = in[i * per + j];
            y[j][i].lo = x.hi;
            y[j][i].hi = x.hi ^ x.lo;
        }
    }
    struct slices k = slice(keys);
    for (unsigned j = 0; j < per; j++) {
        s[j] = slice(y[j]);
        add_key(&s[j], &k);
    }
    for (unsigned r = 1; r <= 10; r++) {
        next_key(&k, round_constants[r - 1]);
        for (unsigned j = 0; j < per; j++)
            cipher_round(&s[j], &k, r == 10);
    }
    for (unsigned j = 0; j < per; j++) {
        struct block e[LANES];
        unslice(e, &s[j]);
        for (size_t i = 0; i < lanes; i++) {
            out[i * per + j].lo = e[i].lo ^ y[j][i].lo;
            out[i * per + j].hi = e[i].hi ^ y[j][i].hi;
        }
    }
    explicit_bzero(keys, sizeof keys);
    explicit_bzero(&k, sizeof k);
}

static void tccr_portable(struct block *out, const struct block *in, const struct block *key,
                          uint64_t tweak, size_t n, unsigned per)
{
    for (size_t i = 0; i < n; i += LANES)
        tccr_four(out + i * per, in + i * per, key, tweak + i, n - i < LANES ? n - i : LANES, per);
}

#define FOLD_PIECE 32 /* blocks */

static void stream_fold_portable(struct block *planes, struct block *sum, const struct block *keys,
                                 uint64_t offset, size_t blocks, size_t stride, unsigned bits)
{
    struct block leaf[FOLD_PIECE];
    memset(sum, 0, blocks * sizeof *sum);
    for (unsigned x = 0; x < 1U << bits; x++)
        for (size_t t = 0; t < blocks; t += FOLD_PIECE) {
            const size_t some = blocks - t < FOLD_PIECE ? blocks - t : FOLD_PIECE;
            stream_portable((uint8_t *)leaf, some * sizeof *leaf, &keys[x], offset + t);
            for (size_t i = 0; i < some; i++) {
                sum[t + i].lo ^= leaf[i].lo;
                sum[t + i].hi ^= leaf[i].hi;
                for (unsigned b = 0; b < bits; b++) {
                    const uint64_t set = 0 - (uint64_t)(x >> b & 1); /* x is public */
                    planes[b * stride + t + i].lo ^= leaf[i].lo & set;
                    planes[b * stride + t + i].hi ^= leaf[i].hi & set;
                }
            }
        }
    explicit_bzero(leaf, sizeof leaf);
}

static void tccr_pair_portable(struct block *out0, struct block *out1, const struct block *in,
                               const struct block *offset, const struct block *key, uint64_t tweak,
                               size_t n)
{
    crypto_tccr_pair_by(tccr_portable, out0, out1, in, offset, key, tweak, n);
}

static void tccr_bits_portable(uint64_t *out0, uint64_t *out1, const struct block *in,
                               const struct block *offset, const struct block *key, uint64_t tweak,
                               size_t n)
{
    crypto_tccr_bits_by(tccr_portable, out0, out1, in, offset, key, tweak, n);
}

/* acc[0..1] ^= a * b, carry-less, by shifting a and masking with each bit of b. */
static void clmul_add(uint64_t *lo, uint64_t *hi, uint64_t a, uint64_t b)
{
    uint64_t low = a & mask_from_bit(b);
    uint64_t high = 0;
    for (unsigned i = 1; i < 64; i++) {
        uint64_t m = mask_from_bit(b >> i);
        low ^= a << i & m;
        high ^= a >> (64 - i) & m;
    }
    *lo ^= low;
    *hi ^= high;
}

static void gf128_accumulate_portable(struct block acc[2], const struct block *a,
                                      const struct block *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        clmul_add(&acc[0].lo, &acc[0].hi, a[i].lo, b[i].lo);
        clmul_add(&acc[0].hi, &acc[1].lo, a[i].lo, b[i].hi);
        clmul_add(&acc[0].hi, &acc[1].lo, a[i].hi, b[i].lo);
        clmul_add(&acc[1].lo, &acc[1].hi, a[i].hi, b[i].hi);
    }
}

const struct crypto_kernels *crypto_kernels_portable(void)
{
    static const struct crypto_kernels table = {
        .name = "portable",
        .stream = stream_portable,
        .stream_fold = stream_fold_portable,
        .tccr = tccr_portable,
        .tccr_pair = tccr_pair_portable,
        .tccr_bits = tccr_bits_portable,
        .gf128_accumulate = gf128_accumulate_portable,
    };
    return &table;
}
