/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's loops with AVX-512 IFMA, for primes of at most 42 bits; larger ones take the portable
 * loops. IFMA multiplies the low 52 bits of two words and adds the low or high half of the product.
 *
 * All values inside a transform stand for their residue mod 2^52: the true value is in [0, 2^52),
 * bits from 52 on are rubbish that multiplications ignore and additions carry along. Masks are
 * needed at the end only. x*w mod q by Shoup's method with c = floor(w*2^52 / q):
 *   h = floor(x*c / 2^52),   x*w - h*q in [0, 2q)   for any x < 2^52,
 * as  low(x*w) + low(h*(2^52 - q))  mod 2^52.
 *
 * A vector holds 8 neighbours. Butterflies of distance 8 and more join whole vectors, three stages
 * a pass. The last pass forward (the first one back) does the stages of distance 32 to 1 on 64
 * residues; for distances 4, 2, 1 it regroups two vectors a, b with permutations. */
#include "base/cpu.h"
#include "ring/ring_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SET "avx512f,avx512dq,avx512bw,avx512vl,avx512ifma,avx512vbmi"
#define IFMA __attribute__((target(SET)))
#define INLINE_IFMA __attribute__((target(SET), always_inline)) static inline

#define MAX_BITS 42
#define MIN_LOG_N 7 /* the last pass takes 6 stages; one more carries the factor 1/N back */
#define LAST 64

/* Arrays of vectors become registers only where all loops over them are unrolled. */
#define UNROLL _Pragma("GCC unroll 8")

typedef __m512i vec;

INLINE_IFMA vec load(const uint64_t *p)
{
    return _mm512_loadu_si512((const void *)p);
}

INLINE_IFMA void store(uint64_t *p, vec v)
{
    _mm512_storeu_si512((void *)p, v);
}

INLINE_IFMA vec all(uint64_t v)
{
    return _mm512_set1_epi64((long long)v);
}

INLINE_IFMA vec low_add(vec sum, vec a, vec b)
{
    return _mm512_madd52lo_epu64(sum, a, b);
}

INLINE_IFMA vec high(vec a, vec b)
{
    return _mm512_madd52hi_epu64(_mm512_setzero_si512(), a, b);
}

INLINE_IFMA vec low_52(vec v)
{
    return _mm512_and_si512(v, all(((uint64_t)1 << 52) - 1));
}

/* v mod q for v < 2q, without rubbish. */
INLINE_IFMA vec sub_once(vec v, vec q)
{
    return _mm512_min_epu64(v, _mm512_sub_epi64(v, q));
}

/* Words of one prime, 64-byte aligned. For each of the two directions: n companions of 52 bits in
 * the order of the roots, then for each pair a, b of vectors of the last pass, in the order of the
 * lanes below,
 *   8 roots of distance 1 | 8 companions | 4 of distance 2 | 4 | 2 of distance 4 | 2 | 4 unused */
#define PAIR_WORDS 32

static bool fits(const struct ring_prime *prime)
{
    return prime->mod.bits <= MAX_BITS && prime->log_n >= MIN_LOG_N;
}

static size_t table_words(const struct ring_prime *prime)
{
    return fits(prime) ? 2 * (prime->n + prime->n / 16 * PAIR_WORDS) : 0;
}

static void fill_direction(const struct ring_prime *prime, uint64_t *table, const uint64_t *root,
                           const uint64_t *shoup)
{
    const size_t n = prime->n;
    for (size_t i = 0; i < n; i++)
        table[i] = shoup[i] >> 12; /* floor(w*2^52 / q) of floor(w*2^64 / q) */
    for (size_t pair = 0; pair < n / 16; pair++) {
        uint64_t *to = table + n + pair * PAIR_WORDS;
        for (size_t d = 8; d >= 2; to += 2 * d, d /= 2) /* distance 8/d: d/2 roots each of a, b */
            for (size_t i = 0; i < d; i++) {
                const size_t at = n / 16 * d + pair * d + i % 2 * (d / 2) + i / 2;
                to[i] = root[at];
                to[d + i] = shoup[at] >> 12;
            }
        for (size_t i = 0; i < 4; i++)
            to[i] = 0;
    }
}

static void table_fill(const struct ring_prime *prime, uint64_t *table)
{
    if (!fits(prime))
        return;
    fill_direction(prime, table, prime->root, prime->root_shoup);
    fill_direction(prime, table + table_words(prime) / 2, prime->inv_root, prime->inv_root_shoup);
}

/* ---- forward ----------------------------------------------------------------------------------
 *
 * (x, y) -> (x + w*y, x - w*y + 2q): a stage adds at most 2q, so all values stay below
 * (1 + 2*15)*2^42 < 2^47 without any reduction on the way. */

struct forward {
    vec minus_q, two_q;
};

/* x + w*y grows on x; the other half is 2x + 2q minus it. */
INLINE_IFMA void forward_pair(const struct forward *f, vec *x, vec *y, vec w, vec c)
{
    const vec h = high(*y, c);
    const vec twice = _mm512_add_epi64(*x, _mm512_add_epi64(*x, f->two_q));
    const vec sum = low_add(low_add(*x, *y, w), h, f->minus_q);
    *x = sum;
    *y = _mm512_sub_epi64(twice, sum);
}

/* All pairs t apart of 2t*blocks vectors; root `at` belongs to the first block. */
INLINE_IFMA void forward_stage(const struct forward *f, vec *v, unsigned blocks, unsigned t,
                               const uint64_t *root, const uint64_t *shoup, size_t at)
{
    UNROLL
    for (unsigned i = 0; i < blocks * t; i++) {
        const unsigned b = i / t, x = i + b * t;
        forward_pair(f, &v[x], &v[x + t], all(root[at + b]), all(shoup[at + b]));
    }
}

/* `stages` stages on 2^stages vectors v; the first one has root `at`. */
INLINE_IFMA void forward_stages(const struct forward *f, vec *v, unsigned stages,
                                const uint64_t *root, const uint64_t *shoup, size_t at)
{
    UNROLL
    for (unsigned s = 0; s < stages; s++)
        forward_stage(f, v, 1U << s, 1U << (stages - 1 - s), root, shoup, at << s);
}

/* The stages from m blocks of 2t residues on, `stages` of them; t >= 2^(stages+2). */
INLINE_IFMA void forward_pass(const struct ring_prime *prime, const struct forward *f, uint64_t *a,
                              size_t m, unsigned stages)
{
    const size_t block = prime->n / m, step = block >> stages;
    const unsigned count = 1U << stages;
    for (size_t i = 0; i < m; i++, a += block)
        for (size_t j = 0; j < step; j += 8) {
            vec v[8];
            UNROLL
            for (unsigned r = 0; r < count; r++)
                v[r] = load(a + j + r * step);
            forward_stages(f, v, stages, prime->root, prime->table, m + i);
            UNROLL
            for (unsigned r = 0; r < count; r++)
                store(a + j + r * step, v[r]);
        }
}

/* Two vectors a = a0 ... a7, b = b0 ... b7 regrouped, so that partners stand in the same lane of x
 * and y and the roots of a distance repeat after 2, 4 or 8 lanes:
 *   distance 4:  x = a0 b0 a1 b1 a2 b2 a3 b3    y = a4 b4 a5 b5 a6 b6 a7 b7
 *   distance 2:  x = a0 b0 a4 b4 a1 b1 a5 b5    y = a2 b2 a6 b6 a3 b3 a7 b7
 *   distance 1:  x = a0 b0 a2 b2 a4 b4 a6 b6    y = a1 b1 a3 b3 a5 b5 a7 b7
 * Below, lanes are numbered 0 to 7 in the first operand and 8 to 15 in the second. */
#define LANES(a, b, c, d, e, f, g, h) _mm512_setr_epi64(a, b, c, d, e, f, g, h)

INLINE_IFMA void regroup(vec *x, vec *y, vec for_x, vec for_y)
{
    const vec a = *x, b = *y;
    *x = _mm512_permutex2var_epi64(a, for_x, b);
    *y = _mm512_permutex2var_epi64(a, for_y, b);
}

INLINE_IFMA vec twos(const uint64_t *p)
{
    return _mm512_broadcast_i64x2(_mm_load_si128((const __m128i *)(const void *)p));
}

INLINE_IFMA vec fours(const uint64_t *p)
{
    return _mm512_broadcast_i64x4(_mm256_load_si256((const __m256i *)(const void *)p));
}

/* v mod q of v < 2^52: e = floor(v * floor(2^52/q) / 2^52) is floor(v/q) or one less, since
 * v/q - e < v/2^52 + 1 < 2. */
INLINE_IFMA vec reduce(vec v, vec inverse, vec minus_q)
{
    return low_add(v, high(v, inverse), minus_q); /* [0, 2q), with rubbish */
}

INLINE_IFMA void forward_last(const struct ring_prime *prime, const struct forward *f, uint64_t *a)
{
    const vec q = all(prime->mod.q), inverse = all(((uint64_t)1 << 52) / prime->mod.q);
    const vec x4 = LANES(0, 8, 1, 9, 2, 10, 3, 11), y4 = LANES(4, 12, 5, 13, 6, 14, 7, 15);
    const vec x21 = LANES(0, 1, 8, 9, 2, 3, 10, 11), y21 = LANES(4, 5, 12, 13, 6, 7, 14, 15);
    const vec xa = LANES(0, 8, 2, 10, 4, 12, 6, 14), yb = LANES(1, 9, 3, 11, 5, 13, 7, 15);
    const uint64_t *pairs = prime->table + prime->n;
    const size_t m = prime->n / LAST;
    for (size_t i = 0; i < m; i++, a += LAST) {
        vec v[8];
        UNROLL
        for (unsigned r = 0; r < 8; r++)
            v[r] = load(a + 8 * r);
        forward_stages(f, v, 3, prime->root, prime->table, m + i);
        UNROLL
        for (unsigned r = 0; r < 8; r += 2, pairs += PAIR_WORDS) {
            vec *x = &v[r], *y = &v[r + 1];
            regroup(x, y, x4, y4);
            forward_pair(f, x, y, twos(pairs + 24), twos(pairs + 26));
            regroup(x, y, x21, y21);
            forward_pair(f, x, y, fours(pairs + 16), fours(pairs + 20));
            regroup(x, y, x21, y21);
            forward_pair(f, x, y, load(pairs), load(pairs + 8));
            regroup(x, y, xa, yb);
            store(a + 8 * r, sub_once(low_52(reduce(*x, inverse, f->minus_q)), q));
            store(a + 8 * r + 8, sub_once(low_52(reduce(*y, inverse, f->minus_q)), q));
        }
    }
}

/* Stages of the passes before the last: all but 6, three a pass, the odd ones first. */
static unsigned first_stages(const struct ring_prime *prime)
{
    return (prime->log_n - 7) % 3 + 1;
}

IFMA static void avx512_ntt(const struct ring_prime *prime, uint64_t *a)
{
    if (!fits(prime)) {
        ring_kernels_portable()->ntt(prime, a);
        return;
    }
    const struct forward f = {all(((uint64_t)1 << 52) - prime->mod.q), all(2 * prime->mod.q)};
    const unsigned first = first_stages(prime);
    if (first == 1)
        forward_pass(prime, &f, a, 1, 1);
    else if (first == 2)
        forward_pass(prime, &f, a, 1, 2);
    else
        forward_pass(prime, &f, a, 1, 3);
    for (size_t m = (size_t)1 << first; m < prime->n / LAST; m *= 8)
        forward_pass(prime, &f, a, m, 3);
    forward_last(prime, &f, a);
}

/* ---- inverse ----------------------------------------------------------------------------------
 *
 * (x, y), both below B -> (x + y, (x - y + B)*w), below 2B and below 2q. B starts at q; the six
 * stages of the first pass bring it to 64q. After three more, only the first of the eight vectors
 * of a group, which never took the right side, can exceed 8q: it is below 512q < 2^51, and one
 * reduction brings it below 2q. The following passes go from 8q to 64q at most. */

struct inverse {
    vec minus_q, q, reciprocal; /* floor(2^52 / q) */
};

INLINE_IFMA vec times(const struct inverse *f, vec x, vec w, vec c)
{
    return low_add(low_add(_mm512_setzero_si512(), x, w), high(x, c), f->minus_q);
}

INLINE_IFMA void inverse_pair(const struct inverse *f, vec bound, vec *x, vec *y, vec w, vec c)
{
    const vec difference = _mm512_sub_epi64(_mm512_add_epi64(*x, bound), *y);
    *x = _mm512_add_epi64(*x, *y);
    *y = times(f, difference, w, c);
}

INLINE_IFMA void inverse_stage(const struct inverse *f, vec bound, vec *v, unsigned blocks,
                               unsigned t, const uint64_t *root, const uint64_t *shoup, size_t at)
{
    UNROLL
    for (unsigned i = 0; i < blocks * t; i++) {
        const unsigned b = i / t, x = i + b * t;
        inverse_pair(f, bound, &v[x], &v[x + t], all(root[at + b]), all(shoup[at + b]));
    }
}

/* The first `stages` stages on 2^log_count vectors; log_count of them would end at root `at`. */
INLINE_IFMA void inverse_stages(const struct inverse *f, vec bound, vec *v, unsigned stages,
                                unsigned log_count, const uint64_t *root, const uint64_t *shoup,
                                size_t at)
{
    UNROLL
    for (unsigned s = 0; s < stages; s++) {
        const unsigned log_blocks = log_count - 1 - s;
        inverse_stage(f, bound, v, 1U << log_blocks, 1U << s, root, shoup, at << log_blocks);
        bound = _mm512_add_epi64(bound, bound);
    }
}

INLINE_IFMA void inverse_first(const struct ring_prime *prime, const struct inverse *f,
                               const uint64_t *shoup, uint64_t *a)
{
    const vec q2 = _mm512_slli_epi64(f->q, 1), q4 = _mm512_slli_epi64(f->q, 2);
    const vec q8 = _mm512_slli_epi64(f->q, 3);
    const vec x1 = LANES(0, 8, 2, 10, 4, 12, 6, 14), y1 = LANES(1, 9, 3, 11, 5, 13, 7, 15);
    const vec x24 = LANES(0, 1, 4, 5, 8, 9, 12, 13), y24 = LANES(2, 3, 6, 7, 10, 11, 14, 15);
    const vec xa = LANES(0, 2, 4, 6, 8, 10, 12, 14), yb = LANES(1, 3, 5, 7, 9, 11, 13, 15);
    const uint64_t *pairs = shoup + prime->n;
    const size_t m = prime->n / LAST;
    for (size_t i = 0; i < m; i++, a += LAST) {
        vec v[8];
        UNROLL
        for (unsigned r = 0; r < 8; r += 2, pairs += PAIR_WORDS) {
            vec *x = &v[r], *y = &v[r + 1];
            *x = load(a + 8 * r);
            *y = load(a + 8 * r + 8);
            regroup(x, y, x1, y1);
            inverse_pair(f, f->q, x, y, load(pairs), load(pairs + 8));
            regroup(x, y, x24, y24);
            inverse_pair(f, q2, x, y, fours(pairs + 16), fours(pairs + 20));
            regroup(x, y, x24, y24);
            inverse_pair(f, q4, x, y, twos(pairs + 24), twos(pairs + 26));
            regroup(x, y, xa, yb);
        }
        inverse_stages(f, q8, v, 3, 3, prime->inv_root, shoup, m + i);
        UNROLL
        for (unsigned r = 0; r < 8; r++)
            store(a + 8 * r, v[r]);
    }
}

/* Three stages that leave m blocks; values below `bound` before. */
INLINE_IFMA void inverse_pass(const struct ring_prime *prime, const struct inverse *f, vec bound,
                              const uint64_t *shoup, uint64_t *a, size_t m)
{
    const size_t block = prime->n / m, step = block / 8;
    for (size_t i = 0; i < m; i++, a += block)
        for (size_t j = 0; j < step; j += 8) {
            vec v[8];
            UNROLL
            for (unsigned r = 0; r < 8; r++)
                v[r] = load(a + j + r * step);
            inverse_stages(f, bound, v, 3, 3, prime->inv_root, shoup, m + i);
            v[0] = reduce(v[0], f->reciprocal, f->minus_q);
            UNROLL
            for (unsigned r = 0; r < 8; r++)
                store(a + j + r * step, v[r]);
        }
}

/* The last 1 to 3 stages; the very last multiplies by 1/N and reduces fully. */
INLINE_IFMA void inverse_last(const struct ring_prime *prime, const struct inverse *f, vec bound,
                              const uint64_t *shoup, uint64_t *a, unsigned stages)
{
    const unsigned count = 1U << stages, half = count / 2;
    const size_t step = prime->n >> stages;
    const vec w = all(prime->inv_n), c = all(prime->inv_n_shoup >> 12);
    const vec last_w = all(prime->last_root), last_c = all(prime->last_root_shoup >> 12);
    const vec last_bound = _mm512_slli_epi64(bound, stages - 1);
    for (size_t j = 0; j < step; j += 8) {
        vec v[8];
        UNROLL
        for (unsigned r = 0; r < count; r++)
            v[r] = load(a + j + r * step);
        inverse_stages(f, bound, v, stages - 1, stages, prime->inv_root, shoup, 1);
        UNROLL
        for (unsigned r = 0; r < half; r++) {
            const vec x = v[r], y = v[r + half];
            const vec sum = times(f, _mm512_add_epi64(x, y), w, c);
            const vec difference = _mm512_sub_epi64(_mm512_add_epi64(x, last_bound), y);
            store(a + j + r * step, sub_once(low_52(sum), f->q));
            store(a + j + (r + half) * step,
                  sub_once(low_52(times(f, difference, last_w, last_c)), f->q));
        }
    }
}

IFMA static void avx512_intt(const struct ring_prime *prime, uint64_t *a)
{
    if (!fits(prime)) {
        ring_kernels_portable()->intt(prime, a);
        return;
    }
    const uint64_t q = prime->mod.q;
    const struct inverse f = {all(((uint64_t)1 << 52) - q), all(q), all(((uint64_t)1 << 52) / q)};
    const uint64_t *shoup = prime->table + table_words(prime) / 2;
    const unsigned last = first_stages(prime);
    vec bound = all(64 * q);
    inverse_first(prime, &f, shoup, a);
    for (size_t m = prime->n / LAST / 8; m >= (size_t)1 << last; m /= 8) {
        inverse_pass(prime, &f, bound, shoup, a, m);
        bound = all(8 * q);
    }
    if (last == 1)
        inverse_last(prime, &f, bound, shoup, a, 1);
    else if (last == 2)
        inverse_last(prime, &f, bound, shoup, a, 2);
    else
        inverse_last(prime, &f, bound, shoup, a, 3);
}

/* ---- pointwise --------------------------------------------------------------------------------
 *
 * z = a*b = hi*2^52 + lo, n = bits of q <= 42, t = floor(z / 2^(n-2)) < 2^(n+2) <= 2^44,
 * e = floor(t*floor(2^(n+50)/q) / 2^52), as in modulus_div:
 *   z/q - e  <  2^(n-2)/q + t/2^52 + 1  <  1/2 + 2^-8 + 1  <  2. */

struct product {
    vec q, minus_q, barrett;
    __m128i up, down; /* shifts */
};

INLINE_IFMA struct product product_of(const struct modulus *mod)
{
    return (struct product){all(mod->q), all(((uint64_t)1 << 52) - mod->q), all(mod->barrett >> 12),
                            _mm_cvtsi32_si128(54 - (int)mod->bits),
                            _mm_cvtsi32_si128((int)mod->bits - 2)};
}

INLINE_IFMA vec multiply(const struct product *f, vec a, vec b)
{
    const vec lo = low_add(_mm512_setzero_si512(), a, b);
    const vec t =
        _mm512_or_si512(_mm512_sll_epi64(high(a, b), f->up), _mm512_srl_epi64(lo, f->down));
    return sub_once(low_52(low_add(lo, high(t, f->barrett), f->minus_q)), f->q);
}

INLINE_IFMA __mmask8 lanes_of(size_t left)
{
    return (__mmask8)(left >= 8 ? 0xff : (1U << left) - 1);
}

IFMA static void avx512_mul(const struct ring_prime *prime, uint64_t *out, const uint64_t *a,
                            const uint64_t *b, size_t n)
{
    if (prime->mod.bits > MAX_BITS) {
        ring_kernels_portable()->mul(prime, out, a, b, n);
        return;
    }
    const struct product f = product_of(&prime->mod);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 k = lanes_of(n - i);
        _mm512_mask_storeu_epi64(
            out + i, k,
            multiply(&f, _mm512_maskz_loadu_epi64(k, a + i), _mm512_maskz_loadu_epi64(k, b + i)));
    }
}

IFMA static void avx512_mul_add(const struct ring_prime *prime, uint64_t *sum, const uint64_t *a,
                                const uint64_t *b, size_t n)
{
    if (prime->mod.bits > MAX_BITS) {
        ring_kernels_portable()->mul_add(prime, sum, a, b, n);
        return;
    }
    const struct product f = product_of(&prime->mod);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 k = lanes_of(n - i);
        const vec ab =
            multiply(&f, _mm512_maskz_loadu_epi64(k, a + i), _mm512_maskz_loadu_epi64(k, b + i));
        const vec total = _mm512_add_epi64(ab, _mm512_maskz_loadu_epi64(k, sum + i));
        _mm512_mask_storeu_epi64(sum + i, k, sub_once(total, f.q));
    }
}

/* ---- small polynomials --------------------------------------------------------------------- */

INLINE_IFMA vec small_residues(const int8_t *small, __mmask8 k, vec q)
{
    const vec v = _mm512_cvtepi8_epi64(_mm_maskz_loadu_epi8(k, small));
    return _mm512_mask_add_epi64(v, _mm512_movepi64_mask(v), v, q);
}

IFMA static void avx512_from_small(const struct ring_prime *prime, uint64_t *out,
                                   const int8_t *small, size_t n)
{
    const vec q = all(prime->mod.q);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 k = lanes_of(n - i);
        _mm512_mask_storeu_epi64(out + i, k, small_residues(small + i, k, q));
    }
}

IFMA static void avx512_add_small(const struct ring_prime *prime, uint64_t *x, const int8_t *small,
                                  size_t n)
{
    const vec q = all(prime->mod.q);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 k = lanes_of(n - i);
        const vec sum =
            _mm512_add_epi64(_mm512_maskz_loadu_epi64(k, x + i), small_residues(small + i, k, q));
        _mm512_mask_storeu_epi64(x + i, k, sub_once(sum, q));
    }
}

/* Lane g of `lo` and `hi` is a fraction of 128 bits: tripled; returns the digits that leave. A sum
 * is below a summand exactly when it passed 2^64. */
INLINE_IFMA vec triple(vec *lo, vec *hi)
{
    const vec one = all(1), lo2 = _mm512_add_epi64(*lo, *lo), hi2 = _mm512_add_epi64(*hi, *hi);
    vec carry = _mm512_srli_epi64(*lo, 63), digit = _mm512_srli_epi64(*hi, 63);
    *lo = _mm512_add_epi64(*lo, lo2);
    carry = _mm512_mask_add_epi64(carry, _mm512_cmplt_epu64_mask(*lo, lo2), carry, one);
    *hi = _mm512_add_epi64(*hi, hi2);
    digit = _mm512_mask_add_epi64(digit, _mm512_cmplt_epu64_mask(*hi, hi2), digit, one);
    *hi = _mm512_add_epi64(*hi, carry);
    return _mm512_mask_add_epi64(digit, _mm512_cmplt_epu64_mask(*hi, carry), digit, one);
}

/* Eight fractions at a time, 32 digits each; eight digits fill a word of a lane. CT: fixed work. */
IFMA static void avx512_sample_ternary(int8_t *small, const uint8_t *random, size_t n)
{
    const vec even = LANES(0, 2, 4, 6, 8, 10, 12, 14), odd = LANES(1, 3, 5, 7, 9, 11, 13, 15);
    const vec rows = LANES(0, 32, 64, 96, 128, 160, 192, 224); /* lane g writes from 32*g on */
    size_t i = 0;
    for (; i + 256 <= n; i += 256, random += 128) {
        const vec a = _mm512_loadu_si512((const void *)random);
        const vec b = _mm512_loadu_si512((const void *)(random + 64));
        vec lo = _mm512_permutex2var_epi64(a, even, b), hi = _mm512_permutex2var_epi64(a, odd, b);
        for (size_t d = 0; d < 32; d += 8) {
            vec word = _mm512_setzero_si512();
            for (unsigned j = 0; j < 8; j++) /* the first digit ends up in the lowest byte */
                word = _mm512_or_si512(_mm512_srli_epi64(word, 8),
                                       _mm512_slli_epi64(triple(&lo, &hi), 56));
            _mm512_i64scatter_epi64((void *)(small + i + d), rows,
                                    _mm512_sub_epi8(word, _mm512_set1_epi8(1)), 1);
        }
    }
    ring_kernels_portable()->sample_ternary(small + i, random, n - i);
}

/* Ones among the low 42 of 48 bits, by nibbles. CT: fixed work; the table of 16 counts is a
 * register. */
IFMA static void avx512_sample_noise(int8_t *small, const uint8_t *random, size_t n)
{
    const vec spread =
        LANES(0x0000050403020100, 0x00000b0a09080706, 0x000011100f0e0d0c, 0x0000171615141312,
              0x00001d1c1b1a1918, 0x0000232221201f1e, 0x0000292827262524, 0x00002f2e2d2c2b2a);
    const vec ones =
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const vec nibble = _mm512_set1_epi8(15), mask = all(((uint64_t)1 << 42) - 1);
    for (size_t i = 0; i < n; i += 8, random += 48) {
        const __mmask8 k = lanes_of(n - i);
        const size_t bytes = n - i >= 8 ? 48 : 6 * (n - i);
        vec v = _mm512_maskz_loadu_epi8(((uint64_t)1 << bytes) - 1, random);
        v = _mm512_and_si512(_mm512_permutexvar_epi8(spread, v), mask);
        const vec low = _mm512_shuffle_epi8(ones, _mm512_and_si512(v, nibble));
        const vec high =
            _mm512_shuffle_epi8(ones, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble));
        const vec sum = _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512());
        _mm_mask_storeu_epi8(small + i, k, _mm512_cvtepi64_epi8(_mm512_sub_epi64(sum, all(21))));
    }
}

/* Eight fields fill as many bytes as one has bits, so the place of a field within its bytes is the
 * same in each round: lane j takes 8 bytes from byte (at%8 + j*bits)/8 on and shifts by the rest of
 * that division; bits <= 50 and the shift are below 58. */
IFMA static size_t avx512_take_below(const struct modulus *mod, uint64_t *out, const uint8_t *bytes,
                                     size_t size, size_t at, size_t n)
{
    const unsigned bits = mod->bits;
    uint8_t place[64];
    uint64_t shift[8];
    for (unsigned j = 0; j < 8; j++) {
        const unsigned from = (unsigned)(at % 8) + j * bits;
        shift[j] = from % 8;
        for (unsigned b = 0; b < 8; b++)
            place[8 * j + b] = (uint8_t)(from / 8 + b); /* at most (7 + 7*50)/8 + 7 < 64 */
    }
    const vec places = _mm512_loadu_si512(place), shifts = _mm512_loadu_si512(shift);
    const vec mask = all(((uint64_t)1 << bits) - 1), q = all(mod->q);
    size_t kept = 0;
    for (size_t i = 0, byte = at / 8; i < n; i += 8, byte += bits) {
        const __mmask64 there = size - byte >= 64 ? UINT64_MAX : ((uint64_t)1 << (size - byte)) - 1;
        vec v = _mm512_maskz_loadu_epi8(there, bytes + byte);
        v = _mm512_srlv_epi64(_mm512_permutexvar_epi8(places, v), shifts);
        v = _mm512_and_si512(v, mask);
        const __mmask8 k = _mm512_mask_cmplt_epu64_mask(lanes_of(n - i), v, q);
        _mm512_mask_storeu_epi64(out + kept, lanes_of(n - kept), _mm512_maskz_compress_epi64(k, v));
        kept += (size_t)__builtin_popcount(k);
    }
    return kept;
}

const struct ring_kernels *ring_kernels_avx512(void)
{
    static const struct ring_kernels table = {
        .name = "avx512",
        .table_words = table_words,
        .table_fill = table_fill,
        .ntt = avx512_ntt,
        .intt = avx512_intt,
        .mul = avx512_mul,
        .mul_add = avx512_mul_add,
        .from_small = avx512_from_small,
        .add_small = avx512_add_small,
        .sample_ternary = avx512_sample_ternary,
        .sample_noise = avx512_sample_noise,
        .take_below = avx512_take_below,
    };
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct ring_kernels *ring_kernels_avx512(void)
{
    return NULL;
}
#endif
