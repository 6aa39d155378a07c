/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear algebra under encryption with AVX-512 IFMA, which multiplies the low 52 bits of two words
 * and adds the low or high half of the product to a third. */
#include "base/cpu.h"
#include "ckks/ckks_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SET "avx512f,avx512dq,avx512bw,avx512vl,avx512ifma,avx512vbmi"
#define IFMA __attribute__((target(SET)))
#define INLINE_IFMA __attribute__((target(SET), always_inline)) static inline
/* Arrays of vectors become registers only where all loops over them are unrolled. */
#define UNROLL _Pragma("GCC unroll 8")

typedef __m512i vec;

INLINE_IFMA vec all(uint64_t v)
{
    return _mm512_set1_epi64((long long)v);
}

INLINE_IFMA vec low_add(vec sum, vec a, vec b)
{
    return _mm512_madd52lo_epu64(sum, a, b);
}

INLINE_IFMA vec low(vec a, vec b)
{
    return low_add(_mm512_setzero_si512(), a, b);
}

INLINE_IFMA vec high(vec a, vec b)
{
    return _mm512_madd52hi_epu64(_mm512_setzero_si512(), a, b);
}

INLINE_IFMA vec low_52(vec v)
{
    return _mm512_and_si512(v, all(((uint64_t)1 << 52) - 1));
}

/* v mod q for v < 2q. */
INLINE_IFMA vec sub_once(vec v, vec q)
{
    return _mm512_min_epu64(v, _mm512_sub_epi64(v, q));
}

INLINE_IFMA __mmask8 lanes_of(size_t left)
{
    return (__mmask8)(left >= 8 ? 0xff : (1U << left) - 1);
}

/* ---- matrix product -----------------------------------------------------------------------
 *
 * The inputs of PANEL columns and 32 (or 8) coefficients are copied side by side, since rows of
 * whole ciphertexts fall on the same cache lines; then groups of GROUP rows run over the panel with
 * their sums in registers. Sums are modulo 2^64 and not reduced over BLOCK columns.
 *
 * q < 2^41, "narrow": weights are offset to w + 1024 in [1, 2047], so a product is below 2^52 and
 * one IFMA adds eight of them. 1024 times the sum of the inputs, the same for all rows, is taken
 * off at the end. Else, "wide": 64-bit products of signed weights, and additions.
 *   sum of products, offset or not: below 1024 * 2^52 = 2^62 in absolute value, plus carry < q
 *   |sum of w*x| <= 1024 * 1023 * (2^42 - 1) < 2^62 <= start < 2^62 + q,  start = 0 mod q
 *   0 < start + carry + sum of w*x < 2^63 + 2q. */
#define BLOCK 1024
#define PANEL 128
#define GROUP 6
#define TILE_ROWS 128
#define TILE_WIDTH 32
#define OFFSET 1024

struct tile {
    uint64_t sum[TILE_ROWS][TILE_WIDTH];
    uint64_t x[PANEL * TILE_WIDTH];
    uint64_t w[GROUP][PANEL];
};

/* x[c][8*vectors] = in of `cols` columns, filled up with zeros; adds them all to total. */
INLINE_IFMA void pack(uint64_t *x, vec *total, const uint64_t *in, size_t in_stride,
                      const uint32_t *index, size_t cols, size_t width, unsigned vectors)
{
    __mmask8 lanes[4];
    vec t[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++) {
        lanes[v] = width > 8 * v ? lanes_of(width - 8 * v) : 0;
        t[v] = total[v];
    }
    for (size_t c = 0; c < cols; c++, x += 8 * vectors) {
        const uint64_t *from = in + index[c] * in_stride;
        /* Rows are pages apart, so no processor sees the pattern: ask for the coefficients that the
         * next tile takes. At the end of the last row this names memory of others, harmlessly. */
        UNROLL
        for (unsigned v = 0; v < vectors; v++)
            _mm_prefetch((const char *)((uintptr_t)from + 64 * (v + vectors)), _MM_HINT_T1);
        UNROLL
        for (unsigned v = 0; v < vectors; v++) {
            const vec y = _mm512_maskz_loadu_epi64(lanes[v], from + 8 * v);
            t[v] = _mm512_add_epi64(t[v], y);
            _mm512_store_si512((void *)(x + 8 * v), y);
        }
    }
    UNROLL
    for (unsigned v = 0; v < vectors; v++)
        total[v] = t[v];
}

/* w[row][c] = weight + offset, 64 bits. */
INLINE_IFMA void widen(uint64_t w[][PANEL], const int16_t *weights, size_t stride, size_t rows,
                       size_t cols, uint64_t offset)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c += 8) {
            const __m128i small =
                _mm_maskz_loadu_epi16(lanes_of(cols - c), weights + r * stride + c);
            _mm512_store_si512((void *)&w[r][c],
                               _mm512_add_epi64(_mm512_cvtepi16_epi64(small), all(offset)));
        }
}

/* The sums of `rows` rows grow by the products of a panel. */
INLINE_IFMA void accumulate(uint64_t sum[][TILE_WIDTH], const uint64_t *x,
                            const uint64_t w[][PANEL], size_t cols, unsigned rows, unsigned vectors,
                            bool narrow)
{
    vec s[GROUP][4];
    UNROLL
    for (unsigned r = 0; r < rows; r++)
        UNROLL
    for (unsigned v = 0; v < vectors; v++)
        s[r][v] = _mm512_load_si512((const void *)&sum[r][8 * v]);
    for (size_t c = 0; c < cols; c++, x += 8 * vectors) {
        vec y[4];
        UNROLL
        for (unsigned v = 0; v < vectors; v++)
            y[v] = _mm512_load_si512((const void *)(x + 8 * v));
        UNROLL
        for (unsigned r = 0; r < rows; r++) {
            const vec weight = all(w[r][c]);
            UNROLL
            for (unsigned v = 0; v < vectors; v++)
                s[r][v] = narrow ? low_add(s[r][v], y[v], weight)
                                 : _mm512_add_epi64(s[r][v], _mm512_mullo_epi64(y[v], weight));
        }
    }
    UNROLL
    for (unsigned r = 0; r < rows; r++)
        UNROLL
    for (unsigned v = 0; v < vectors; v++)
        _mm512_store_si512((void *)&sum[r][8 * v], s[r][v]);
}

/* A constant number of rows keeps the sums in registers. */
INLINE_IFMA void accumulate_group(uint64_t sum[][TILE_WIDTH], const uint64_t *x,
                                  const uint64_t w[][PANEL], size_t cols, size_t rows,
                                  unsigned vectors, bool narrow)
{
    switch (rows) {
    case 6:
        accumulate(sum, x, w, cols, 6, vectors, narrow);
        break;
    case 5:
        accumulate(sum, x, w, cols, 5, vectors, narrow);
        break;
    case 4:
        accumulate(sum, x, w, cols, 4, vectors, narrow);
        break;
    case 3:
        accumulate(sum, x, w, cols, 3, vectors, narrow);
        break;
    case 2:
        accumulate(sum, x, w, cols, 2, vectors, narrow);
        break;
    default:
        accumulate(sum, x, w, cols, 1, vectors, narrow);
    }
}

/* The sums of a block, less OFFSET times the inputs' total where that was added, modulo q; as in
 * modulus_div, z < 2^64: t = floor(z / 2^(n-2)), e = floor(t*floor(2^(n+50)/q) / 2^52),
 *   z/q - e  <  2^(n-2)/q + t/2^52 + 1  <  1/2 + 2^-7 + 1  <  2   for n = bits of q >= 21. */
INLINE_IFMA void reduce(uint64_t sum[][TILE_WIDTH], const vec *total, const struct modulus *mod,
                        size_t rows, unsigned vectors, bool narrow)
{
    const vec q = all(mod->q), minus_q = all(((uint64_t)1 << 52) - mod->q);
    const vec start = all((((uint64_t)1 << 62) / mod->q + 1) * mod->q);
    const vec barrett = all(mod->barrett >> 12);
    const __m128i shift = _mm_cvtsi32_si128((int)mod->bits - 2);
    vec add[4];
    UNROLL
    for (unsigned v = 0; v < vectors; v++)
        add[v] = narrow ? _mm512_sub_epi64(start, _mm512_slli_epi64(total[v], 10)) : start;
    for (size_t r = 0; r < rows; r++)
        UNROLL
    for (unsigned v = 0; v < vectors; v++) {
        uint64_t *at = &sum[r][8 * v];
        const vec z = _mm512_add_epi64(_mm512_load_si512((const void *)at), add[v]);
        const vec e = high(_mm512_srl_epi64(z, shift), barrett);
        _mm512_store_si512((void *)at, sub_once(low_52(low_add(z, e, minus_q)), q));
    }
}

/* CT: every weight is multiplied, zeros too. */
INLINE_IFMA void tile_sums(struct tile *t, const struct modulus *mod, const uint64_t *in,
                           size_t in_stride, const uint32_t *index, const int16_t *weights,
                           size_t rows, size_t cols, size_t width, unsigned vectors, bool narrow)
{
    for (size_t r = 0; r < rows; r++)
        UNROLL
    for (unsigned v = 0; v < vectors; v++)
        _mm512_store_si512((void *)&t->sum[r][8 * v], _mm512_setzero_si512());
    for (size_t from = 0; from < cols; from += BLOCK) {
        const size_t to = cols - from < BLOCK ? cols : from + BLOCK;
        vec total[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                        _mm512_setzero_si512()};
        for (size_t c = from; c < to; c += PANEL) {
            const size_t some = to - c < PANEL ? to - c : PANEL;
            pack(t->x, total, in, in_stride, index + c, some, width, vectors);
            for (size_t r = 0; r < rows; r += GROUP) {
                const size_t group = rows - r < GROUP ? rows - r : GROUP;
                widen(t->w, weights + r * cols + c, cols, group, some, narrow ? OFFSET : 0);
                accumulate_group(t->sum + r, t->x, (const uint64_t(*)[PANEL])t->w, some, group,
                                 vectors, narrow);
            }
        }
        reduce(t->sum, total, mod, rows, vectors, narrow);
    }
}

IFMA static void avx512_matrix_tile(const struct modulus *mod, uint64_t *out, size_t out_stride,
                                    const uint64_t *in, size_t in_stride, const uint32_t *index,
                                    const int16_t *weights, size_t rows, size_t cols, size_t width)
{
    struct tile t __attribute__((aligned(64)));
    const bool narrow = mod->bits <= 41;
    if (width > 8 && narrow)
        tile_sums(&t, mod, in, in_stride, index, weights, rows, cols, width, 4, true);
    else if (width > 8)
        tile_sums(&t, mod, in, in_stride, index, weights, rows, cols, width, 4, false);
    else if (narrow)
        tile_sums(&t, mod, in, in_stride, index, weights, rows, cols, width, 1, true);
    else
        tile_sums(&t, mod, in, in_stride, index, weights, rows, cols, width, 1, false);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j += 8)
            _mm512_mask_storeu_epi64(out + r * out_stride + j, lanes_of(width - j),
                                     _mm512_load_si512((const void *)&t.sum[r][j]));
}

/* ---- products of polynomials ----------------------------------------------------------------
 *
 * Both halves of the products of numbers below 2^42 are added up unreduced, PRODUCTS of them:
 *   lo < 4095 * 2^52 + q < 2^64,    hi < 4095 * 2^32 < 2^44,    hi + lo/2^52 < 2^45.
 * Then, with R = 2^52 mod q, (hi + floor(lo/2^52))*R by Shoup's method and lo mod 2^52 by Barrett's
 * are below 2q each. */
#define PRODUCTS 4095
#define POLY_VECTORS 4 /* of 8 coefficients, side by side */

struct folding {
    vec q, minus_q, r, shoup, inverse;
};

INLINE_IFMA vec fold(const struct folding *f, vec lo, vec hi)
{
    const vec top = _mm512_add_epi64(hi, _mm512_srli_epi64(lo, 52)), rest = low_52(lo);
    const vec x = low_52(low_add(low(top, f->r), high(top, f->shoup), f->minus_q));
    const vec y = low_52(low_add(rest, high(rest, f->inverse), f->minus_q));
    return sub_once(sub_once(_mm512_add_epi64(x, y), _mm512_add_epi64(f->q, f->q)), f->q);
}

/* CT: every product is made, those with zero too. */
IFMA static void avx512_image_products(const struct modulus *mod, uint64_t *out,
                                       const uint64_t *start, const uint64_t *in, size_t in_stride,
                                       const uint64_t *polys, size_t poly_stride,
                                       const struct ckks_product *products, size_t count,
                                       size_t width)
{
    const uint64_t r = ((uint64_t)1 << 52) % mod->q;
    const struct folding f = {all(mod->q), all(((uint64_t)1 << 52) - mod->q), all(r),
                              all(modulus_shoup(mod, r) >> 12), all(((uint64_t)1 << 52) / mod->q)};
    for (size_t j = 0; j < width; j += 8 * POLY_VECTORS) {
        vec lo[POLY_VECTORS], hi[POLY_VECTORS];
        UNROLL
        for (unsigned v = 0; v < POLY_VECTORS; v++)
            lo[v] = start != NULL ? _mm512_loadu_si512((const void *)(start + j + 8 * v))
                                  : _mm512_setzero_si512();
        for (size_t from = 0; from < count; from += PRODUCTS) {
            const size_t to = count - from < PRODUCTS ? count : from + PRODUCTS;
            UNROLL
            for (unsigned v = 0; v < POLY_VECTORS; v++)
                hi[v] = _mm512_setzero_si512();
            for (size_t i = from; i < to; i++) {
                const uint64_t *x = in + products[i].in * in_stride + j;
                const uint64_t *w = polys + products[i].poly * poly_stride + j;
                UNROLL
                for (unsigned v = 0; v < POLY_VECTORS; v++) {
                    const vec a = _mm512_loadu_si512((const void *)(x + 8 * v));
                    const vec b = _mm512_loadu_si512((const void *)(w + 8 * v));
                    lo[v] = low_add(lo[v], a, b);
                    hi[v] = _mm512_madd52hi_epu64(hi[v], a, b);
                }
            }
            UNROLL
            for (unsigned v = 0; v < POLY_VECTORS; v++)
                lo[v] = fold(&f, lo[v], hi[v]);
        }
        UNROLL
        for (unsigned v = 0; v < POLY_VECTORS; v++)
            _mm512_storeu_si512((void *)(out + j + 8 * v), lo[v]);
    }
}

/* ---- encoding -------------------------------------------------------------------------------
 *
 * f*v + 2^(l-1) = hi*2^52 + lo with lo < 2^53, for f, v < 2^52 and l <= 48, so that
 *   floor((f*v + 2^(l-1)) / 2^l) = hi*2^(52-l) + floor(lo / 2^l). */

#define MAX_BITS 42

struct fraction {
    vec mask, half; /* of l bits */
    __m128i up, down;
};

INLINE_IFMA vec round_product(const struct fraction *f, vec factor, vec v)
{
    return _mm512_add_epi64(_mm512_sll_epi64(high(factor, v), f->up),
                            _mm512_srl_epi64(low_add(f->half, factor, v), f->down));
}

/* E(x) = high*x + round(low*x / 2^l) with q = high*2^l + low, modulo one of two primes.
 * high*x - h*q_p < 2q_p by Shoup's method with c = floor(high*2^52 / q_p), h = floor(x*c / 2^52);
 * round(...) <= 2^48; so the sum y is below 2^49, and with e = floor(y*floor(2^52/q_p) / 2^52)
 *   y/q_p - e < y/2^52 + 1 < 2.
 * Words are right modulo 2^52 until the mask. */
INLINE_IFMA void encode_add_prime(const struct fraction *f, const struct rns *rns, unsigned p,
                                  uint64_t *c, const uint64_t *x, unsigned l, size_t count)
{
    const struct modulus *mod = &rns->mod[p];
    const uint64_t high_part = (uint64_t)((rns->q >> l) % mod->q);
    const vec low_part = _mm512_and_si512(all((uint64_t)rns->q), f->mask);
    const vec q = all(mod->q), minus_q = all(((uint64_t)1 << 52) - mod->q);
    const vec w = all(high_part), shoup = all(modulus_shoup(mod, high_part) >> 12);
    const vec inverse = all(((uint64_t)1 << 52) / mod->q);
    for (size_t j = 0; j < count; j += 8) {
        const __mmask8 k = lanes_of(count - j);
        const vec v = _mm512_and_si512(_mm512_maskz_loadu_epi64(k, x + j), f->mask);
        const vec whole = low_add(low(v, w), high(v, shoup), minus_q);
        const vec y = _mm512_add_epi64(whole, round_product(f, low_part, v));
        const vec e = sub_once(low_52(low_add(y, high(y, inverse), minus_q)), q);
        const vec sum = _mm512_add_epi64(_mm512_maskz_loadu_epi64(k, c + j), e);
        _mm512_mask_storeu_epi64(c + j, k, sub_once(sum, q));
    }
}

/* CT: leaks nothing but l and the sizes. */
IFMA static void avx512_encode_add(const struct rns *rns, uint64_t *c, size_t stride,
                                   const uint64_t *x, unsigned l, size_t count)
{
    if (rns->mod[0].bits > MAX_BITS || (rns->primes == 2 && rns->mod[1].bits > MAX_BITS)) {
        ckks_kernels_portable()->encode_add(rns, c, stride, x, l, count);
        return;
    }
    const struct fraction f = {all(((uint64_t)1 << l) - 1), all((uint64_t)1 << (l - 1)),
                               _mm_cvtsi32_si128(52 - (int)l), _mm_cvtsi32_si128((int)l)};
    for (unsigned p = 0; rns->primes == 2 && p < 2; p++)
        encode_add_prime(&f, rns, p, c + p * stride, x, l, count);
    const vec q = all(rns->mod[0].q);
    for (size_t j = 0; rns->primes == 1 && j < count; j += 8) {
        const __mmask8 k = lanes_of(count - j);
        const vec v = _mm512_and_si512(_mm512_maskz_loadu_epi64(k, x + j), f.mask);
        const vec sum = _mm512_add_epi64(_mm512_maskz_loadu_epi64(k, c + j),
                                         round_product(&f, q, v)); /* E(x) < q */
        _mm512_mask_storeu_epi64(c + j, k, sub_once(sum, q));
    }
}

/* ---- modulus switch -------------------------------------------------------------------------
 *
 * v*2^bits + add = h*q + rem, add < q/2: with M = floor(2^(52+bits) / q) < 2^52 and
 * e = floor(v*M / 2^52),
 *   (v*2^bits + add)/q - e  <  v/2^52 + 1 + 1/2  <  2,
 * so the remainder of e is in [0, 2q), where 52 bits of it suffice. */

struct divisor {
    vec q, minus_q, m, add;
    __m128i bits;
};

INLINE_IFMA struct divisor divisor_of(const struct modulus *mod, unsigned bits, uint64_t add)
{
    /* barrett = floor(2^(n+62) / q) */
    return (struct divisor){all(mod->q), all(((uint64_t)1 << 52) - mod->q),
                            all(mod->barrett >> (mod->bits + 10 - bits)), all(add),
                            _mm_cvtsi32_si128((int)bits)};
}

INLINE_IFMA vec divide(const struct divisor *d, vec v, vec *rem)
{
    const vec e = high(v, d->m);
    const vec z = _mm512_add_epi64(_mm512_sll_epi64(v, d->bits), d->add);
    const vec r = low_52(low_add(z, e, d->minus_q));
    *rem = sub_once(r, d->q);
    return _mm512_mask_add_epi64(e, _mm512_cmpge_epu64_mask(r, d->q), e, all(1));
}

/* A number of 104 bits in two words of 52. */
struct two_words {
    vec lo, hi;
};

INLINE_IFMA struct two_words two_words_of(ring_u128 v)
{
    return (struct two_words){all((uint64_t)v & (((uint64_t)1 << 52) - 1)),
                              all((uint64_t)(v >> 52))};
}

/* count + 1 in the lanes where v >= limit. */
INLINE_IFMA vec count_at_least(vec count, struct two_words v, struct two_words limit)
{
    const __mmask8 same = _mm512_cmpeq_epi64_mask(v.hi, limit.hi);
    const __mmask8 above = _mm512_cmpgt_epu64_mask(v.hi, limit.hi);
    const __mmask8 rest = _mm512_mask_cmpge_epu64_mask(same, v.lo, limit.lo);
    return _mm512_mask_add_epi64(count, (__mmask8)(above | rest), count, all(1));
}

/* h1 + h2 + floor(rem1/q1 + rem2/q2 + 1/2) as in the portable kernel. With s = rem1*q2 + rem2*q1
 * the last term is 1 from 2s + q >= 2q on and 2 from 2s + q >= 4q on; q is odd, so these are
 * s >= (q+1)/2 and s >= (3q+1)/2. */
INLINE_IFMA void switch_two(const struct rns *rns, uint64_t *out, const uint64_t *c, size_t stride,
                            unsigned bits, size_t count)
{
    const struct divisor d1 = divisor_of(&rns->mod[0], bits, 0);
    const struct divisor d2 = divisor_of(&rns->mod[1], bits, 0);
    const vec w1 = all(rns->cofactor[0]), shoup1 = all(rns->cofactor_shoup[0] >> 12);
    const vec w2 = all(rns->cofactor[1]), shoup2 = all(rns->cofactor_shoup[1] >> 12);
    const struct two_words one = two_words_of((rns->q + 1) / 2);
    const struct two_words two = two_words_of((3 * rns->q + 1) / 2);
    const vec mask = all(((uint64_t)1 << bits) - 1);
    for (size_t j = 0; j < count; j += 8) {
        const __mmask8 k = lanes_of(count - j);
        const vec c1 = _mm512_maskz_loadu_epi64(k, c + j);
        const vec c2 = _mm512_maskz_loadu_epi64(k, c + stride + j);
        const vec v1 = low_52(low_add(low(c1, w1), high(c1, shoup1), d1.minus_q));
        const vec v2 = low_52(low_add(low(c2, w2), high(c2, shoup2), d2.minus_q));
        vec rem1, rem2;
        vec h = divide(&d1, sub_once(v1, d1.q), &rem1);
        h = _mm512_add_epi64(h, divide(&d2, sub_once(v2, d2.q), &rem2));
        struct two_words s;
        s.lo = _mm512_add_epi64(low(rem1, d2.q), low(rem2, d1.q));
        s.hi = _mm512_add_epi64(high(rem1, d2.q), high(rem2, d1.q));
        s.hi = _mm512_add_epi64(s.hi, _mm512_srli_epi64(s.lo, 52));
        s.lo = low_52(s.lo);
        h = count_at_least(count_at_least(h, s, one), s, two);
        _mm512_mask_storeu_epi64(out + j, k, _mm512_and_si512(h, mask));
    }
}

/* CT: leaks nothing but the sizes. */
IFMA static void avx512_switch_bits(const struct rns *rns, uint64_t *out, const uint64_t *c,
                                    size_t stride, unsigned bits, size_t count)
{
    for (unsigned p = 0; p < rns->primes; p++)
        if (rns->mod[p].bits > MAX_BITS || rns->mod[p].bits < bits + 2) {
            ckks_kernels_portable()->switch_bits(rns, out, c, stride, bits, count);
            return;
        }
    if (rns->primes == 2) {
        switch_two(rns, out, c, stride, bits, count);
        return;
    }
    const struct divisor d = divisor_of(&rns->mod[0], bits, rns->mod[0].q >> 1);
    const vec mask = all(((uint64_t)1 << bits) - 1);
    for (size_t j = 0; j < count; j += 8) {
        const __mmask8 k = lanes_of(count - j);
        vec rem;
        const vec h = divide(&d, _mm512_maskz_loadu_epi64(k, c + j), &rem);
        _mm512_mask_storeu_epi64(out + j, k, _mm512_and_si512(h, mask));
    }
}

const struct ckks_kernels *ckks_kernels_avx512(void)
{
    static const struct ckks_kernels kernels = {
        .name = "avx512",
        .tile_rows = TILE_ROWS,
        .tile_width = TILE_WIDTH,
        .matrix_tile = avx512_matrix_tile,
        .image_products = avx512_image_products,
        .encode_add = avx512_encode_add,
        .switch_bits = avx512_switch_bits,
    };
    return cpu_level() >= CPU_AVX512 ? &kernels : NULL;
}
#else
const struct ckks_kernels *ckks_kernels_avx512(void)
{
    return NULL;
}
#endif
