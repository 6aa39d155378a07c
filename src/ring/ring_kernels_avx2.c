/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's loops with AVX2 and FMA, for primes of at most 42 bits; larger ones take the portable
 * loops. AVX2 has no wide integer product, but doubles and FMA multiply exactly: all values are
 * integers held in doubles, of either sign. For |x| < 2^50, 0 <= w < q, and v the double next to
 * w/q,
 *   c = round(x*v)            integer; |x*w/q - c| <= 1/2 + |x|*2^-52
 *   h = x*w rounded, l = x*w - h exactly (FMA),   |l| <= 2^(50+42-53) = 2^39
 *   d = h - c*q               exact: an integer below 2^39 + 2^43 in absolute value (FMA)
 *   r = d + l = x*w - c*q     exact for the same reason; |r| <= (1/2 + |x|*2^-52)*q
 * Nothing is ever rounded but h and c, and neither changes r mod q. No operand is denormal,
 * infinite or NaN, so the time of the instructions does not depend on the values.
 *
 * A vector holds 4 neighbours. Between the passes of a transform the array holds doubles. The last
 * pass forward (the first one back) does the stages of distance 16 to 1 on 32 residues. */
#include "base/cpu.h"
#include "ring/ring_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FMA __attribute__((target("avx2,fma")))
#define INLINE_FMA __attribute__((target("avx2,fma"), always_inline)) static inline

#define MAX_BITS 42
#define MIN_LOG_N 6 /* the last pass takes 5 stages; one more carries the factor 1/N back */
#define LAST 32
#define ROUND (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

/* Arrays of vectors become registers only where all loops over them are unrolled. */
#define UNROLL _Pragma("GCC unroll 8")

typedef __m256d vec;

INLINE_FMA vec load(const uint64_t *p)
{
    return _mm256_loadu_pd((const double *)(const void *)p);
}

INLINE_FMA void store(uint64_t *p, vec v)
{
    _mm256_storeu_pd((double *)(void *)p, v);
}

INLINE_FMA vec all(const uint64_t *p)
{
    return _mm256_broadcast_sd((const double *)(const void *)p);
}

/* Integers in [0, 2^52) to doubles and back: the low bits of 2^52 + v are v. */
INLINE_FMA vec load_integers(const uint64_t *p)
{
    const vec two_52 = _mm256_set1_pd(4503599627370496.0);
    return _mm256_sub_pd(_mm256_or_pd(load(p), two_52), two_52);
}

INLINE_FMA void store_integers(uint64_t *p, vec v)
{
    const vec two_52 = _mm256_set1_pd(4503599627370496.0);
    store(p, _mm256_xor_pd(_mm256_add_pd(v, two_52), two_52));
}

struct prime {
    vec q, reciprocal;
};

INLINE_FMA struct prime prime_of(const struct modulus *mod)
{
    return (struct prime){_mm256_set1_pd((double)mod->q), _mm256_set1_pd(1.0 / (double)mod->q)};
}

/* x*w mod q; v = w/q. */
INLINE_FMA vec times(const struct prime *f, vec x, vec w, vec v)
{
    const vec c = _mm256_round_pd(_mm256_mul_pd(x, v), ROUND);
    const vec h = _mm256_mul_pd(x, w);
    return _mm256_add_pd(_mm256_fnmadd_pd(c, f->q, h), _mm256_fmsub_pd(x, w, h));
}

/* x mod q, |result| <= q/2 + 2, for |x| < 2^52. */
INLINE_FMA vec reduce(const struct prime *f, vec x)
{
    const vec c = _mm256_round_pd(_mm256_mul_pd(x, f->reciprocal), ROUND);
    return _mm256_fnmadd_pd(c, f->q, x);
}

/* From (-q, q) to [0, q). */
INLINE_FMA vec make_positive(const struct prime *f, vec x)
{
    return _mm256_add_pd(x, _mm256_and_pd(f->q, _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ)));
}

static bool fits(const struct ring_prime *prime)
{
    return prime->mod.bits <= MAX_BITS && prime->log_n >= MIN_LOG_N;
}

/* Per direction: n roots w, n quotients w/q. Then N^-1 and N^-1 * inv_root[1] with theirs. */
static size_t table_words(const struct ring_prime *prime)
{
    return fits(prime) ? 4 * prime->n + 4 : 0;
}

static void fill_direction(const struct ring_prime *prime, uint64_t *table, const uint64_t *root,
                           size_t n)
{
    double *w = (double *)(void *)table;
    for (size_t i = 0; i < n; i++) {
        w[i] = (double)root[i];
        w[n + i] = (double)root[i] / (double)prime->mod.q;
    }
}

static void table_fill(const struct ring_prime *prime, uint64_t *table)
{
    const size_t n = prime->n;
    if (!fits(prime))
        return;
    fill_direction(prime, table, prime->root, n);
    fill_direction(prime, table + 2 * n, prime->inv_root, n);
    fill_direction(prime, table + 4 * n, (const uint64_t[2]){prime->inv_n, prime->last_root}, 2);
}

/* ---- forward ----------------------------------------------------------------------------------
 *
 * (x, y) -> (x + w*y, x - w*y). A stage adds at most 0.6q, so after 15 of them |x| < 10q < 2^46. */

INLINE_FMA void forward_pair(const struct prime *f, vec *x, vec *y, vec w, vec v)
{
    const vec r = times(f, *y, w, v);
    *y = _mm256_sub_pd(*x, r);
    *x = _mm256_add_pd(*x, r);
}

/* All pairs t apart of 2t*blocks vectors; root `at` belongs to the first block; w[n + i] = w[i]/q.
 */
INLINE_FMA void forward_stage(const struct prime *f, vec *a, unsigned blocks, unsigned t,
                              const uint64_t *w, size_t n, size_t at)
{
    UNROLL
    for (unsigned i = 0; i < blocks * t; i++) {
        const unsigned b = i / t, x = i + b * t;
        forward_pair(f, &a[x], &a[x + t], all(w + at + b), all(w + n + at + b));
    }
}

/* `stages` stages on 2^stages vectors; the first one has root `at`. */
INLINE_FMA void forward_stages(const struct prime *f, vec *a, unsigned stages, const uint64_t *w,
                               size_t n, size_t at)
{
    UNROLL
    for (unsigned s = 0; s < stages; s++)
        forward_stage(f, a, 1U << s, 1U << (stages - 1 - s), w, n, at << s);
}

/* The stages from m blocks on, `stages` of them. The pass at m = 1 turns integers into doubles. */
INLINE_FMA void forward_pass(const struct ring_prime *prime, const struct prime *f, uint64_t *a,
                             size_t m, unsigned stages, bool integers)
{
    const size_t n = prime->n, block = n / m, step = block >> stages;
    const unsigned count = 1U << stages;
    for (size_t i = 0; i < m; i++, a += block)
        for (size_t j = 0; j < step; j += 4) {
            vec v[8];
            UNROLL
            for (unsigned r = 0; r < count; r++)
                v[r] = integers ? load_integers(a + j + r * step) : load(a + j + r * step);
            forward_stages(f, v, stages, prime->table, n, m + i);
            UNROLL
            for (unsigned r = 0; r < count; r++)
                store(a + j + r * step, v[r]);
        }
}

/* The root of vector a twice, then that of b twice. */
INLINE_FMA vec twos(const uint64_t *p)
{
    const __m128d pair = _mm_loadu_pd((const double *)(const void *)p);
    return _mm256_permute4x64_pd(_mm256_castpd128_pd256(pair), 0x50);
}

/* Two vectors a, b are regrouped so that partners stand in the same lane of x and y:
 *   distance 2:  x = a0 a1 b0 b1   y = a2 a3 b2 b3
 *   distance 1:  x = a0 a2 b0 b2   y = a1 a3 b1 b3 */
INLINE_FMA void swap_halves(vec *x, vec *y)
{
    const vec a = *x, b = *y;
    *x = _mm256_permute2f128_pd(a, b, 0x20);
    *y = _mm256_permute2f128_pd(a, b, 0x31);
}

INLINE_FMA void swap_lanes(vec *x, vec *y)
{
    const vec a = *x, b = *y;
    *x = _mm256_unpacklo_pd(a, b);
    *y = _mm256_unpackhi_pd(a, b);
}

INLINE_FMA void forward_last(const struct ring_prime *prime, const struct prime *f, uint64_t *a)
{
    const size_t n = prime->n, m = n / LAST;
    const uint64_t *w = prime->table;
    for (size_t i = 0; i < m; i++, a += LAST) {
        vec v[8];
        UNROLL
        for (unsigned r = 0; r < 8; r++)
            v[r] = load(a + 4 * r);
        forward_stages(f, v, 3, w, n, m + i);
        UNROLL
        for (unsigned r = 0; r < 8; r += 2) {
            const size_t two = n / 4 + 8 * i + r, one = 2 * two;
            vec *x = &v[r], *y = &v[r + 1];
            swap_halves(x, y);
            forward_pair(f, x, y, twos(w + two), twos(w + n + two));
            swap_lanes(x, y);
            forward_pair(f, x, y, load(w + one), load(w + n + one));
            swap_lanes(x, y);
            swap_halves(x, y);
            store_integers(a + 4 * r, make_positive(f, reduce(f, *x)));
            store_integers(a + 4 * r + 4, make_positive(f, reduce(f, *y)));
        }
    }
}

/* Stages of the first pass: all but the last 5 and those of whole passes of 3. */
static unsigned first_stages(const struct ring_prime *prime)
{
    return (prime->log_n - 6) % 3 + 1;
}

FMA static void avx2_ntt(const struct ring_prime *prime, uint64_t *a)
{
    if (!fits(prime)) {
        ring_kernels_portable()->ntt(prime, a);
        return;
    }
    const struct prime f = prime_of(&prime->mod);
    const unsigned first = first_stages(prime);
    if (first == 1)
        forward_pass(prime, &f, a, 1, 1, true);
    else if (first == 2)
        forward_pass(prime, &f, a, 1, 2, true);
    else
        forward_pass(prime, &f, a, 1, 3, true);
    for (size_t m = (size_t)1 << first; m < prime->n / LAST; m *= 8)
        forward_pass(prime, &f, a, m, 3, false);
    forward_last(prime, &f, a);
}

/* ---- inverse ----------------------------------------------------------------------------------
 *
 * (x, y), |.| <= B -> (x + y, (x - y)*w), below 2B and below 0.8q. The five stages of the first
 * pass go from q to 32q, three more to 256q < 2^50, the range of `times`. Then only the first
 * vector of a group of eight, which never took the right side, exceeds 4q, and is reduced. */

INLINE_FMA void inverse_pair(const struct prime *f, vec *x, vec *y, vec w, vec v)
{
    const vec difference = _mm256_sub_pd(*x, *y);
    *x = _mm256_add_pd(*x, *y);
    *y = times(f, difference, w, v);
}

INLINE_FMA void inverse_stage(const struct prime *f, vec *a, unsigned blocks, unsigned t,
                              const uint64_t *w, size_t n, size_t at)
{
    UNROLL
    for (unsigned i = 0; i < blocks * t; i++) {
        const unsigned b = i / t, x = i + b * t;
        inverse_pair(f, &a[x], &a[x + t], all(w + at + b), all(w + n + at + b));
    }
}

/* The first `stages` stages on 2^log_count vectors; log_count of them would end at root `at`. */
INLINE_FMA void inverse_stages(const struct prime *f, vec *a, unsigned stages, unsigned log_count,
                               const uint64_t *w, size_t n, size_t at)
{
    UNROLL
    for (unsigned s = 0; s < stages; s++) {
        const unsigned log_blocks = log_count - 1 - s;
        inverse_stage(f, a, 1U << log_blocks, 1U << s, w, n, at << log_blocks);
    }
}

INLINE_FMA void inverse_first(const struct ring_prime *prime, const struct prime *f, uint64_t *a)
{
    const size_t n = prime->n, m = n / LAST;
    const uint64_t *w = prime->table + 2 * n;
    for (size_t i = 0; i < m; i++, a += LAST) {
        vec v[8];
        UNROLL
        for (unsigned r = 0; r < 8; r += 2) {
            const size_t two = n / 4 + 8 * i + r, one = 2 * two;
            vec *x = &v[r], *y = &v[r + 1];
            *x = load_integers(a + 4 * r);
            *y = load_integers(a + 4 * r + 4);
            swap_halves(x, y);
            swap_lanes(x, y);
            inverse_pair(f, x, y, load(w + one), load(w + n + one));
            swap_lanes(x, y);
            inverse_pair(f, x, y, twos(w + two), twos(w + n + two));
            swap_halves(x, y);
        }
        inverse_stages(f, v, 3, 3, w, n, m + i);
        UNROLL
        for (unsigned r = 0; r < 8; r++)
            store(a + 4 * r, v[r]);
    }
}

/* Three stages that leave m blocks. */
INLINE_FMA void inverse_pass(const struct ring_prime *prime, const struct prime *f, uint64_t *a,
                             size_t m)
{
    const size_t n = prime->n, block = n / m, step = block / 8;
    for (size_t i = 0; i < m; i++, a += block)
        for (size_t j = 0; j < step; j += 4) {
            vec v[8];
            UNROLL
            for (unsigned r = 0; r < 8; r++)
                v[r] = load(a + j + r * step);
            inverse_stages(f, v, 3, 3, prime->table + 2 * n, n, m + i);
            v[0] = reduce(f, v[0]);
            UNROLL
            for (unsigned r = 0; r < 8; r++)
                store(a + j + r * step, v[r]);
        }
}

/* The last 1 to 3 stages; the very last multiplies by 1/N and reduces fully. */
INLINE_FMA void inverse_last(const struct ring_prime *prime, const struct prime *f, uint64_t *a,
                             unsigned stages)
{
    const unsigned count = 1U << stages, half = count / 2;
    const size_t n = prime->n, step = n >> stages;
    const uint64_t *scale = prime->table + 4 * n; /* N^-1, last root, and both over q */
    const vec w = all(scale), last_w = all(scale + 1), v = all(scale + 2), last_v = all(scale + 3);
    for (size_t j = 0; j < step; j += 4) {
        vec x[8];
        UNROLL
        for (unsigned r = 0; r < count; r++)
            x[r] = load(a + j + r * step);
        inverse_stages(f, x, stages - 1, stages, prime->table + 2 * n, n, 1);
        UNROLL
        for (unsigned r = 0; r < half; r++) {
            const vec sum = _mm256_add_pd(x[r], x[r + half]);
            const vec difference = _mm256_sub_pd(x[r], x[r + half]);
            store_integers(a + j + r * step, make_positive(f, times(f, sum, w, v)));
            store_integers(a + j + (r + half) * step,
                           make_positive(f, times(f, difference, last_w, last_v)));
        }
    }
}

FMA static void avx2_intt(const struct ring_prime *prime, uint64_t *a)
{
    if (!fits(prime)) {
        ring_kernels_portable()->intt(prime, a);
        return;
    }
    const struct prime f = prime_of(&prime->mod);
    const unsigned last = first_stages(prime);
    inverse_first(prime, &f, a);
    for (size_t m = prime->n / LAST / 8; m >= (size_t)1 << last; m /= 8)
        inverse_pass(prime, &f, a, m);
    if (last == 1)
        inverse_last(prime, &f, a, 1);
    else if (last == 2)
        inverse_last(prime, &f, a, 2);
    else
        inverse_last(prime, &f, a, 3);
}

/* ---- pointwise --------------------------------------------------------------------------------
 *
 * As `times`, with c = round(h/q) where h/q < 2^42 is known to 2^-9: |a*b - c*q| <= 0.51q. */
INLINE_FMA vec multiply(const struct prime *f, vec a, vec b)
{
    const vec h = _mm256_mul_pd(a, b);
    const vec c = _mm256_round_pd(_mm256_mul_pd(h, f->reciprocal), ROUND);
    return _mm256_add_pd(_mm256_fnmadd_pd(c, f->q, h), _mm256_fmsub_pd(a, b, h));
}

FMA static void avx2_mul(const struct ring_prime *prime, uint64_t *out, const uint64_t *a,
                         const uint64_t *b, size_t n)
{
    const struct prime f = prime_of(&prime->mod);
    const size_t whole = prime->mod.bits <= MAX_BITS ? n / 4 * 4 : 0;
    for (size_t i = 0; i < whole; i += 4)
        store_integers(out + i,
                       make_positive(&f, multiply(&f, load_integers(a + i), load_integers(b + i))));
    ring_kernels_portable()->mul(prime, out + whole, a + whole, b + whole, n - whole);
}

FMA static void avx2_mul_add(const struct ring_prime *prime, uint64_t *sum, const uint64_t *a,
                             const uint64_t *b, size_t n)
{
    const struct prime f = prime_of(&prime->mod);
    const size_t whole = prime->mod.bits <= MAX_BITS ? n / 4 * 4 : 0;
    for (size_t i = 0; i < whole; i += 4) {
        const vec ab = multiply(&f, load_integers(a + i), load_integers(b + i));
        store_integers(sum + i,
                       make_positive(&f, reduce(&f, _mm256_add_pd(ab, load_integers(sum + i)))));
    }
    ring_kernels_portable()->mul_add(prime, sum + whole, a + whole, b + whole, n - whole);
}

/* ---- small polynomials --------------------------------------------------------------------- */

typedef __m256i words;

INLINE_FMA words load_words(const uint64_t *p)
{
    return _mm256_loadu_si256((const words *)(const void *)p);
}

/* Residues of four small coefficients: q is added where the sign is. */
INLINE_FMA words small_residues(const int8_t *small, words q)
{
    const words v = _mm256_cvtepi8_epi64(_mm_loadu_si32(small));
    return _mm256_add_epi64(v, _mm256_and_si256(q, _mm256_cmpgt_epi64(_mm256_setzero_si256(), v)));
}

FMA static void avx2_from_small(const struct ring_prime *prime, uint64_t *out, const int8_t *small,
                                size_t n)
{
    const words q = _mm256_set1_epi64x((long long)prime->mod.q);
    const size_t whole = n / 4 * 4;
    for (size_t i = 0; i < whole; i += 4)
        _mm256_storeu_si256((words *)(void *)(out + i), small_residues(small + i, q));
    ring_kernels_portable()->from_small(prime, out + whole, small + whole, n - whole);
}

FMA static void avx2_add_small(const struct ring_prime *prime, uint64_t *x, const int8_t *small,
                               size_t n)
{
    const words q = _mm256_set1_epi64x((long long)prime->mod.q);
    const size_t whole = n / 4 * 4;
    for (size_t i = 0; i < whole; i += 4) {
        const words sum = _mm256_add_epi64(load_words(x + i), small_residues(small + i, q));
        const words less = _mm256_sub_epi64(sum, q);
        const words borrow = _mm256_cmpgt_epi64(_mm256_setzero_si256(), less);
        _mm256_storeu_si256((words *)(void *)(x + i),
                            _mm256_add_epi64(less, _mm256_and_si256(q, borrow)));
    }
    ring_kernels_portable()->add_small(prime, x + whole, small + whole, n - whole);
}

/* Ones among the low 42 bits of the four fields of 48 bits in the 24 bytes at `random`, of which
 * 4 bytes before and 4 behind are read as well. */
INLINE_FMA words count_fields(const uint8_t *random)
{
    const words spread = _mm256_setr_epi8(4, 5, 6, 7, 8, 9, -1, -1, 10, 11, 12, 13, 14, 15, -1, -1,
                                          0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, 9, 10, 11, -1, -1);
    const words ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2,
                                        1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const words nibble = _mm256_set1_epi8(15);
    words v = _mm256_loadu_si256((const words *)(const void *)(random - 4));
    v = _mm256_and_si256(_mm256_shuffle_epi8(v, spread),
                         _mm256_set1_epi64x((long long)(((uint64_t)1 << 42) - 1)));
    const words low = _mm256_shuffle_epi8(ones, _mm256_and_si256(v, nibble));
    const words high = _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}

/* CT: fixed work; the table of 16 counts is a register. */
FMA static void avx2_sample_noise(int8_t *small, const uint8_t *random, size_t n)
{
    /* The first and the last four are portable, since count_fields reads over both ends. */
    const size_t first = n < 4 ? n : 4, end = n < 12 ? first : (n - 4) / 4 * 4;
    ring_kernels_portable()->sample_noise(small, random, first);
    for (size_t i = first; i < end; i += 4) {
        const words v = _mm256_sub_epi64(count_fields(random + 6 * i), _mm256_set1_epi64x(21));
        small[i] = (int8_t)_mm256_extract_epi64(v, 0);
        small[i + 1] = (int8_t)_mm256_extract_epi64(v, 1);
        small[i + 2] = (int8_t)_mm256_extract_epi64(v, 2);
        small[i + 3] = (int8_t)_mm256_extract_epi64(v, 3);
    }
    ring_kernels_portable()->sample_noise(small + end, random + 6 * end, n - end);
}

static void avx2_sample_ternary(int8_t *small, const uint8_t *random, size_t n)
{
    ring_kernels_portable()->sample_ternary(small, random, n);
}

static size_t avx2_take_below(const struct modulus *mod, uint64_t *out, const uint8_t *bytes,
                              size_t size, size_t at, size_t n)
{
    return ring_kernels_portable()->take_below(mod, out, bytes, size, at, n);
}

const struct ring_kernels *ring_kernels_avx2(void)
{
    static const struct ring_kernels table = {
        .name = "avx2",
        .table_words = table_words,
        .table_fill = table_fill,
        .ntt = avx2_ntt,
        .intt = avx2_intt,
        .mul = avx2_mul,
        .mul_add = avx2_mul_add,
        .from_small = avx2_from_small,
        .add_small = avx2_add_small,
        .sample_ternary = avx2_sample_ternary,
        .sample_noise = avx2_sample_noise,
        .take_below = avx2_take_below,
    };
    return cpu_level() >= CPU_AVX2 && __builtin_cpu_supports("fma") ? &table : NULL;
}
#else
const struct ring_kernels *ring_kernels_avx2(void)
{
    return NULL;
}
#endif
