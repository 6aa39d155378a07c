/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product under encryption with AVX2. Encoding and switch are the portable ones.
 *
 * A residue below 2^42 is cut into three digits of 14 bits. VPMADDWD multiplies 16-bit numbers and
 * adds the products of neighbours: one instruction adds a digit's products with the weights of two
 * columns for eight coefficients. Per digit
 *   |sum over PANEL = 128 columns| <= 128 * 1023 * (2^14 - 1) < 2^31,
 * then the digits are joined to sums of 64 bits. Rows and columns are blocked as follows: the
 * digits of PANEL columns and 8*STEPS coefficients are laid out once, pairs of columns side by
 * side, and groups of GROUP rows run over them with their sums in registers. */
#include "base/cpu.h"
#include "ckks/ckks_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))
#define INLINE_AVX2 __attribute__((target("avx2"), always_inline)) static inline
/* Arrays of vectors become registers only where all loops over them are unrolled. */
#define UNROLL _Pragma("GCC unroll 8")

#define BLOCK 1024 /* columns between reductions: the bounds of the portable kernel */
#define PANEL 128
#define GROUP 3
#define DIGITS 3
#define DIGIT_BITS 14
#define STEPS 4 /* vectors of 8 coefficients a tile */
#define TILE_ROWS 128
#define TILE_WIDTH (8 * STEPS)

typedef __m256i vec;

struct tile {
    uint64_t sum[TILE_ROWS][TILE_WIDTH];
    vec x[STEPS][PANEL / 2][DIGITS];
};

INLINE_AVX2 vec load(const uint64_t *p)
{
    return _mm256_loadu_si256((const vec *)(const void *)p);
}

/* Eight words, of which the low 32 bits are wanted, to 32 bits each, in order. */
INLINE_AVX2 vec narrow(vec a, vec b)
{
    const __m256 both =
        _mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(both), _MM_SHUFFLE(3, 1, 2, 0));
}

/* The digits of 8 coefficients of the columns a, b: 32-bit lane j has those of coefficient j. */
INLINE_AVX2 void cut(vec *digits, const uint64_t *a, const uint64_t *b)
{
    const vec mask = _mm256_set1_epi64x((1 << DIGIT_BITS) - 1);
    const vec a0 = load(a), a1 = load(a + 4), b0 = load(b), b1 = load(b + 4);
    UNROLL
    for (int d = 0; d < DIGITS; d++) {
        const int s = d * DIGIT_BITS;
        const vec lo = narrow(_mm256_and_si256(_mm256_srli_epi64(a0, s), mask),
                              _mm256_and_si256(_mm256_srli_epi64(a1, s), mask));
        const vec hi = narrow(_mm256_and_si256(_mm256_srli_epi64(b0, s), mask),
                              _mm256_and_si256(_mm256_srli_epi64(b1, s), mask));
        _mm256_store_si256(&digits[d], _mm256_or_si256(lo, _mm256_slli_epi32(hi, 16)));
    }
}

/* Eight coefficients from p on, as far as `left` goes, then zeros. */
INLINE_AVX2 const uint64_t *eight(const uint64_t *p, uint64_t *copy, size_t left)
{
    if (left >= 8)
        return p;
    memcpy(copy, p, left * sizeof(*p));
    memset(copy + left, 0, (8 - left) * sizeof(*p));
    return copy;
}

/* `cols` <= PANEL columns; an odd one is paired with zeros. */
INLINE_AVX2 void pack(struct tile *t, const uint64_t *in, size_t in_stride, const uint32_t *index,
                      size_t cols, size_t width)
{
    static const uint64_t zeros[8] = {0};
    for (size_t c = 0; c < cols; c += 2) {
        const uint64_t *a = in + index[c] * in_stride;
        const uint64_t *b = c + 1 < cols ? in + index[c + 1] * in_stride : NULL;
        for (size_t j = 0; j < width; j += 8) {
            uint64_t a_copy[8], b_copy[8];
            cut(t->x[j / 8][c / 2], eight(a + j, a_copy, width - j),
                b != NULL ? eight(b + j, b_copy, width - j) : zeros);
        }
    }
}

INLINE_AVX2 vec weights_of(const int16_t *w, bool pair)
{
    int both = (uint16_t)w[0];
    if (pair)
        memcpy(&both, w, sizeof(both)); /* little-endian: w[0] low */
    return _mm256_set1_epi32(both);
}

/* sum[0..8) += the three digits' sums, each in eight signed lanes of 32 bits. */
INLINE_AVX2 void join(uint64_t *sum, const vec *digit)
{
    UNROLL
    for (int half = 0; half < 2; half++) {
        vec s = _mm256_loadu_si256((const vec *)(const void *)(sum + 4 * half));
        UNROLL
        for (int d = 0; d < DIGITS; d++) {
            const __m128i part = half != 0 ? _mm256_extracti128_si256(digit[d], 1)
                                           : _mm256_castsi256_si128(digit[d]);
            s = _mm256_add_epi64(s, _mm256_slli_epi64(_mm256_cvtepi32_epi64(part), d * DIGIT_BITS));
        }
        _mm256_storeu_si256((vec *)(void *)(sum + 4 * half), s);
    }
}

/* The sums of `rows` rows (TILE_WIDTH apart) and 8 coefficients grow by the products of a panel. */
INLINE_AVX2 void accumulate(uint64_t *sum, const vec x[][DIGITS], const int16_t *weights,
                            size_t stride, size_t cols, unsigned rows)
{
    vec s[GROUP][DIGITS];
    UNROLL
    for (unsigned r = 0; r < rows; r++)
        UNROLL
    for (unsigned d = 0; d < DIGITS; d++)
        s[r][d] = _mm256_setzero_si256();
    for (size_t c = 0; c + 2 <= cols; c += 2)
        UNROLL
    for (unsigned r = 0; r < rows; r++) {
        const vec w = weights_of(weights + r * stride + c, true);
        UNROLL
        for (unsigned d = 0; d < DIGITS; d++)
            s[r][d] = _mm256_add_epi32(s[r][d], _mm256_madd_epi16(x[c / 2][d], w));
    }
    if (cols % 2 != 0) {
        UNROLL
        for (unsigned r = 0; r < rows; r++) {
            const vec w = weights_of(weights + r * stride + cols - 1, false);
            UNROLL
            for (unsigned d = 0; d < DIGITS; d++)
                s[r][d] = _mm256_add_epi32(s[r][d], _mm256_madd_epi16(x[cols / 2][d], w));
        }
    }
    UNROLL
    for (unsigned r = 0; r < rows; r++)
        join(sum + r * TILE_WIDTH, s[r]);
}

/* A constant number of rows keeps the sums in registers. */
INLINE_AVX2 void accumulate_rows(uint64_t *sum, const vec x[][DIGITS], const int16_t *weights,
                                 size_t stride, size_t cols, size_t rows)
{
    for (; rows >= GROUP; rows -= GROUP, sum += GROUP * TILE_WIDTH, weights += GROUP * stride)
        accumulate(sum, x, weights, stride, cols, GROUP);
    if (rows == 2)
        accumulate(sum, x, weights, stride, cols, 2);
    else if (rows == 1)
        accumulate(sum, x, weights, stride, cols, 1);
}

/* CT: every weight is multiplied, zeros too. */
AVX2 static void avx2_matrix_tile(const struct modulus *mod, uint64_t *out, size_t out_stride,
                                  const uint64_t *in, size_t in_stride, const uint32_t *index,
                                  const int16_t *weights, size_t rows, size_t cols, size_t width)
{
    const uint64_t start = (((uint64_t)1 << 62) / mod->q + 1) * mod->q;
    struct tile t;
    for (size_t r = 0; r < rows; r++)
        memset(t.sum[r], 0, sizeof(t.sum[r]));
    for (size_t from = 0; from < cols; from += BLOCK) {
        const size_t to = cols - from < BLOCK ? cols : from + BLOCK;
        for (size_t c = from; c < to; c += PANEL) {
            const size_t some = to - c < PANEL ? to - c : PANEL;
            pack(&t, in, in_stride, index + c, some, width);
            for (size_t j = 0; j < width; j += 8)
                accumulate_rows(&t.sum[0][j], (const vec(*)[DIGITS])t.x[j / 8], weights + c, cols,
                                some, rows);
        }
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < width; j++)
                t.sum[r][j] = modulus_reduce(mod, t.sum[r][j] + start);
    }
    for (size_t r = 0; r < rows; r++)
        memcpy(out + r * out_stride, t.sum[r], width * sizeof(*out));
}

/* ---- products of polynomials ----------------------------------------------------------------
 *
 * Numbers below 2^42 in two digits of 21 bits: a0*b0, a0*b1 + a1*b0 and a1*b1 are below 2^43 and
 * added up unreduced, PRODUCTS of them, in 64 bits; the bounds of the portable kernel. */
#define PRODUCTS 4095
#define HALF 21
#define POLY_VECTORS 2 /* of 4 coefficients, side by side */

struct digit_sums {
    vec low[POLY_VECTORS], middle[POLY_VECTORS], high[POLY_VECTORS];
};

INLINE_AVX2 void add_product(struct digit_sums *s, const uint64_t *x, const uint64_t *w)
{
    const vec mask = _mm256_set1_epi64x((1 << HALF) - 1);
    UNROLL
    for (unsigned v = 0; v < POLY_VECTORS; v++) {
        const vec a = load(x + 4 * v), b = load(w + 4 * v);
        const vec a0 = _mm256_and_si256(a, mask), a1 = _mm256_srli_epi64(a, HALF);
        const vec b0 = _mm256_and_si256(b, mask), b1 = _mm256_srli_epi64(b, HALF);
        s->low[v] = _mm256_add_epi64(s->low[v], _mm256_mul_epu32(a0, b0));
        s->high[v] = _mm256_add_epi64(s->high[v], _mm256_mul_epu32(a1, b1));
        s->middle[v] = _mm256_add_epi64(
            s->middle[v], _mm256_add_epi64(_mm256_mul_epu32(a0, b1), _mm256_mul_epu32(a1, b0)));
    }
}

INLINE_AVX2 void reduce_sums(uint64_t *out, const struct digit_sums *s, const struct modulus *mod)
{
    uint64_t low[4 * POLY_VECTORS], middle[4 * POLY_VECTORS], high[4 * POLY_VECTORS];
    memcpy(low, s->low, sizeof low);
    memcpy(middle, s->middle, sizeof middle);
    memcpy(high, s->high, sizeof high);
    for (unsigned b = 0; b < 4 * POLY_VECTORS; b++)
        out[b] = modulus_reduce(mod, (ring_u128)low[b] + ((ring_u128)middle[b] << HALF) +
                                         ((ring_u128)high[b] << (2 * HALF)));
}

/* CT: every product is made, those with zero too. */
AVX2 static void avx2_image_products(const struct modulus *mod, uint64_t *out,
                                     const uint64_t *start, const uint64_t *in, size_t in_stride,
                                     const uint64_t *polys, size_t poly_stride,
                                     const struct ckks_product *products, size_t count,
                                     size_t width)
{
    for (size_t j = 0; j < width; j += 4 * POLY_VECTORS) {
        uint64_t sum[4 * POLY_VECTORS] = {0};
        if (start != NULL)
            memcpy(sum, start + j, sizeof sum);
        for (size_t from = 0; from < count; from += PRODUCTS) {
            const size_t to = count - from < PRODUCTS ? count : from + PRODUCTS;
            struct digit_sums s;
            UNROLL
            for (unsigned v = 0; v < POLY_VECTORS; v++) {
                s.low[v] = load(sum + 4 * v);
                s.middle[v] = s.high[v] = _mm256_setzero_si256();
            }
            for (size_t i = from; i < to; i++)
                add_product(&s, in + products[i].in * in_stride + j,
                            polys + products[i].poly * poly_stride + j);
            reduce_sums(sum, &s, mod);
        }
        memcpy(out + j, sum, sizeof sum);
    }
}

static void avx2_encode_add(const struct rns *rns, uint64_t *c, size_t stride, const uint64_t *x,
                            unsigned l, size_t count)
{
    ckks_kernels_portable()->encode_add(rns, c, stride, x, l, count);
}

static void avx2_switch_bits(const struct rns *rns, uint64_t *out, const uint64_t *c, size_t stride,
                             unsigned bits, size_t count)
{
    ckks_kernels_portable()->switch_bits(rns, out, c, stride, bits, count);
}

const struct ckks_kernels *ckks_kernels_avx2(void)
{
    static const struct ckks_kernels kernels = {
        .name = "avx2",
        .tile_rows = TILE_ROWS,
        .tile_width = TILE_WIDTH,
        .matrix_tile = avx2_matrix_tile,
        .image_products = avx2_image_products,
        .encode_add = avx2_encode_add,
        .switch_bits = avx2_switch_bits,
    };
    return cpu_level() >= CPU_AVX2 ? &kernels : NULL;
}
#else
const struct ckks_kernels *ckks_kernels_avx2(void)
{
    return NULL;
}
#endif
