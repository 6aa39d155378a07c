/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels on 512-bit registers, eight values at a time. A byte of a plane is the mask register
 * of eight values; selections by mask registers take the same time for all masks. */
#include "base/cpu.h"
#include "mpc/mpc_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define INLINE_WIDE                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"), always_inline)) static inline

#define XOR3 0x96 /* the truth table of a ^ b ^ c */

struct keys { /* eight blocks by halves */
    __m512i lo, hi;
};

/* Eight of n values from i on: which are there. */
INLINE_WIDE __mmask8 values_there(size_t n, size_t i)
{
    return (__mmask8)(n - i >= 8 ? 0xffU : 0xffU >> (8 - (n - i)));
}

INLINE_WIDE __mmask8 plane_byte(const uint64_t *plane, size_t i)
{
    return (__mmask8)(plane[i / 64] >> (i % 64));
}

INLINE_WIDE __m512i all(uint64_t x)
{
    return _mm512_set1_epi64((long long)x);
}

INLINE_WIDE __m512i low_bits(unsigned bits)
{
    return all(bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1);
}

INLINE_WIDE __m512i shift_left(__m512i x, unsigned by)
{
    return _mm512_sll_epi64(x, _mm_cvtsi32_si128((int)by));
}
INLINE_WIDE __m512i shift_right(__m512i x, unsigned by)
{
    return _mm512_srl_epi64(x, _mm_cvtsi32_si128((int)by));
}

INLINE_WIDE struct keys keys_load(const struct block *b, size_t n, size_t i)
{
    const unsigned words = n - i >= 8 ? 16 : 2 * (unsigned)(n - i);
    const __mmask16 there = (__mmask16)(0xffffU >> (16 - words));
    const __m512i x = _mm512_maskz_loadu_epi64((__mmask8)there, b + i);
    const __m512i y = _mm512_maskz_loadu_epi64((__mmask8)(there >> 8), b + i + 4);
    const struct keys k = {
        _mm512_permutex2var_epi64(x, _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), y),
        _mm512_permutex2var_epi64(x, _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1), y)};
    return k;
}

/* ot_slice; `at` and `bits` are public. */
INLINE_WIDE __m512i slice(const struct keys *k, unsigned at, unsigned bits)
{
    __m512i x;
    if (at >= 64)
        x = shift_right(k->hi, at - 64);
    else /* a shift by 64 gives zero */
        x = _mm512_or_si512(shift_right(k->lo, at), shift_left(k->hi, 64 - at));
    return _mm512_and_si512(x, low_bits(bits));
}

/* Swaps two sets of keys where the mask is set. */
INLINE_WIDE void swap_keys(struct keys *a, struct keys *b, __mmask8 mask)
{
    const struct keys old = *a;
    a->lo = _mm512_mask_mov_epi64(a->lo, mask, b->lo);
    a->hi = _mm512_mask_mov_epi64(a->hi, mask, b->hi);
    b->lo = _mm512_mask_mov_epi64(b->lo, mask, old.lo);
    b->hi = _mm512_mask_mov_epi64(b->hi, mask, old.hi);
}

/* ---- planes --------------------------------------------------------------------------------- */

/* CT: leaks n and k. Sixteen values of 32 bits a register. */
WIDE static void slice_avx512(uint64_t *planes, size_t stride, const uint64_t *x, size_t n,
                              unsigned k)
{
    for (size_t i = 0; i < n; i += 64) {
        __m512i v[4];
        for (unsigned g = 0; g < 4; g++) {
            const size_t from = i + 16 * g;
            const __mmask8 low = from < n ? values_there(n, from) : 0;
            const __mmask8 high = from + 8 < n ? values_there(n, from + 8) : 0;
            const __m256i a = _mm512_cvtepi64_epi32(_mm512_maskz_loadu_epi64(low, x + from));
            const __m256i b = _mm512_cvtepi64_epi32(_mm512_maskz_loadu_epi64(high, x + from + 8));
            v[g] = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
        }
        for (unsigned j = 0; j < k; j++) {
            const __m512i bit = _mm512_set1_epi32((int)(1U << j));
            uint64_t word = 0;
            for (unsigned g = 0; g < 4; g++)
                word |= (uint64_t)_mm512_test_epi32_mask(v[g], bit) << 16 * g;
            planes[j * stride + i / 64] = word;
        }
    }
}

/* CT: leaks n and bit. */
WIDE static void bit_avx512(uint64_t *plane, const uint64_t *x, size_t n, unsigned bit)
{
    const __m512i wanted = all((uint64_t)1 << bit);
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word = 0;
        for (size_t r = 0; r < 64 && i + r < n; r += 8) {
            const __m512i v = _mm512_maskz_loadu_epi64(values_there(n, i + r), x + i + r);
            word |= (uint64_t)_mm512_test_epi64_mask(v, wanted) << r;
        }
        plane[i / 64] = word;
    }
}

/* CT: leaks words. */
WIDE static void and_open_avx512(uint64_t *d, uint64_t *e, const uint64_t *x, const uint64_t *y,
                                 const uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i += 8) {
        const __mmask8 m = values_there(words, i);
        const __m512i p = _mm512_maskz_loadu_epi64(m, x + i),
                      q = _mm512_maskz_loadu_epi64(m, a + i);
        const __m512i r = _mm512_maskz_loadu_epi64(m, y + i),
                      s = _mm512_maskz_loadu_epi64(m, b + i);
        _mm512_mask_storeu_epi64(d + i, m, _mm512_xor_si512(p, q));
        _mm512_mask_storeu_epi64(e + i, m, _mm512_xor_si512(r, s));
    }
}

/* CT: leaks words. */
WIDE static void and_close_avx512(uint64_t *z, const uint64_t *const d[2],
                                  const uint64_t *const e[2], const uint64_t *const abc[3],
                                  uint64_t every, size_t words)
{
    for (size_t i = 0; i < words; i += 8) {
        const __mmask8 m = values_there(words, i);
        const __m512i both_d = _mm512_xor_si512(_mm512_maskz_loadu_epi64(m, d[0] + i),
                                                _mm512_maskz_loadu_epi64(m, d[1] + i));
        const __m512i both_e = _mm512_xor_si512(_mm512_maskz_loadu_epi64(m, e[0] + i),
                                                _mm512_maskz_loadu_epi64(m, e[1] + i));
        const __m512i a = _mm512_maskz_loadu_epi64(m, abc[0] + i);
        const __m512i b = _mm512_maskz_loadu_epi64(m, abc[1] + i);
        const __m512i c = _mm512_maskz_loadu_epi64(m, abc[2] + i);
        /* d & ((e & all) ^ b) ^ (e & a) ^ c */
        const __m512i with_d =
            _mm512_and_si512(both_d, _mm512_xor_si512(_mm512_and_si512(both_e, all(every)), b));
        const __m512i with_e = _mm512_and_si512(both_e, a);
        _mm512_mask_storeu_epi64(z + i, m, _mm512_ternarylogic_epi64(with_d, with_e, c, XOR3));
    }
}

/* ---- multiplexers --------------------------------------------------------------------------- */

/* CT: leaks n, at, bits. */
WIDE static void mux_send_avx512(uint64_t *share, uint64_t *message,
                                 const struct block *const key[2], const uint64_t *flip,
                                 const uint64_t *d, const uint64_t *y, size_t n, unsigned at,
                                 unsigned bits)
{
    const __m512i ring = low_bits(bits);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = values_there(n, i), turn = plane_byte(flip, i), one = plane_byte(d, i);
        const struct keys k0 = keys_load(key[0], n, i), k1 = keys_load(key[1], n, i);
        const __m512i s0 = slice(&k0, at, bits), s1 = slice(&k1, at, bits);
        const __m512i mask0 = _mm512_mask_mov_epi64(s0, turn, s1);
        const __m512i mask1 = _mm512_mask_mov_epi64(s1, turn, s0);
        const __m512i v = _mm512_maskz_loadu_epi64(m, y + i);
        const __m512i own = _mm512_sub_epi64(_mm512_maskz_mov_epi64(one, v), mask0);
        const __m512i other = _mm512_sub_epi64(_mm512_maskz_mov_epi64((__mmask8)~one, v), own);
        _mm512_mask_storeu_epi64(message + i, m,
                                 _mm512_xor_si512(_mm512_and_si512(other, ring), mask1));
        _mm512_mask_storeu_epi64(share + i, m, _mm512_and_si512(own, ring));
    }
}

/* CT: leaks n, at, bits. */
WIDE static void mux_recv_avx512(uint64_t *share, const uint64_t *message, const struct block *key,
                                 const uint64_t *d, size_t n, unsigned at, unsigned bits)
{
    const __m512i ring = low_bits(bits);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = values_there(n, i);
        const struct keys k = keys_load(key, n, i);
        const __m512i sent = _mm512_maskz_loadu_epi64(m, message + i);
        const __m512i got =
            _mm512_xor_si512(slice(&k, at, bits), _mm512_maskz_mov_epi64(plane_byte(d, i), sent));
        const __m512i sum = _mm512_add_epi64(_mm512_maskz_loadu_epi64(m, share + i), got);
        _mm512_mask_storeu_epi64(share + i, m, _mm512_and_si512(sum, ring));
    }
}

/* CT: leaks n, k, h. The portable kernel says what is computed. */
WIDE static void extend_send_avx512(const struct mpc_extend_send *s, const struct mpc_extension *e)
{
    const unsigned k = e->k, h = e->h;
    const __m512i low = low_bits(k), high = low_bits(h), top = all((uint64_t)1 << (k - 1));
    const __m512i ring = _mm512_or_si512(low, shift_left(high, k)), one = all(1);
    const __m512i above = all(~(((uint64_t)1 << k) - 1));
    for (size_t i = 0; i < s->n; i += 8) {
        const __mmask8 m = values_there(s->n, i), d = plane_byte(s->d, i);
        const __mmask8 not_d = (__mmask8)~d;
        struct keys a0 = keys_load(s->a0, s->n, i), a1 = keys_load(s->a1, s->n, i);
        struct keys b0 = keys_load(s->b0, s->n, i), b1 = keys_load(s->b1, s->n, i);
        swap_keys(&a0, &a1, plane_byte(s->flip_a, i));
        swap_keys(&b0, &b1, plane_byte(s->flip_b, i));
        const __m512i raw = _mm512_maskz_loadu_epi64(m, s->x + i);
        const __mmask8 negative = plane_byte(s->negative, i);
        const __m512i as_signed = _mm512_sub_epi64(_mm512_xor_si512(raw, top), top);
        const __m512i x = _mm512_mask_or_epi64(as_signed, negative, as_signed, above);
        const __m512i is_below = _mm512_and_si512(shift_right(raw, k - 1), one);
        const __m512i sign = _mm512_mask_xor_epi64(is_below, negative, is_below, one);
        const __m512i a00 = slice(&a0, e->a_at[0], h), a01 = slice(&a0, e->a_at[1], h);
        const __m512i a10 = slice(&a1, e->a_at[0], h), a11 = slice(&a1, e->a_at[1], h);
        const __m512i b00 = slice(&b0, e->b_at[0], h), b01 = slice(&b0, e->b_at[1], h);
        const __m512i b10 = slice(&b1, e->b_at[0], h), b11 = slice(&b1, e->b_at[1], h);
        const __m512i got00 =
            _mm512_or_si512(slice(&a0, 0, k), shift_left(_mm512_xor_si512(a00, b00), k));
        const __m512i share = _mm512_sub_epi64(_mm512_maskz_mov_epi64(d, x), got00);
        const __m512i got10 = _mm512_sub_epi64(_mm512_maskz_mov_epi64(not_d, x), share);
        const __m512i up00 = shift_right(got00, k), up10 = shift_right(got10, k);
        const __m512i got01 = _mm512_mask_add_epi64(up00, d, up00, sign); /* from bit k on */
        const __m512i got11 = _mm512_mask_add_epi64(up10, not_d, up10, sign);
        _mm512_mask_storeu_epi64(s->share + i, m, _mm512_and_si512(share, ring));
        _mm512_mask_storeu_epi64(s->message[0] + i, m,
                                 _mm512_xor_si512(_mm512_and_si512(got10, low), slice(&a1, 0, k)));
        _mm512_mask_storeu_epi64(
            s->message[1] + i, m,
            _mm512_ternarylogic_epi64(_mm512_and_si512(got01, high), a01, b10, XOR3));
        _mm512_mask_storeu_epi64(
            s->message[2] + i, m,
            _mm512_ternarylogic_epi64(_mm512_and_si512(up10, high), a10, b01, XOR3));
        _mm512_mask_storeu_epi64(
            s->message[3] + i, m,
            _mm512_ternarylogic_epi64(_mm512_and_si512(got11, high), a11, b11, XOR3));
    }
}

/* CT: leaks n, k, h. */
WIDE static void extend_recv_avx512(const struct mpc_extend_recv *r, const struct mpc_extension *e)
{
    const unsigned k = e->k, h = e->h;
    const __m512i ring = low_bits(k + h);
    for (size_t i = 0; i < r->n; i += 8) {
        const __mmask8 there = values_there(r->n, i);
        const __mmask8 d = plane_byte(r->d, i), m = plane_byte(r->m, i);
        const struct keys a = keys_load(r->a, r->n, i), b = keys_load(r->b, r->n, i);
        __m512i sent[4];
        for (unsigned j = 0; j < 4; j++)
            sent[j] = _mm512_maskz_loadu_epi64(there, r->message[j] + i);
        const __m512i low = _mm512_xor_si512(slice(&a, 0, k), _mm512_maskz_mov_epi64(d, sent[0]));
        const __m512i of_a =
            _mm512_mask_mov_epi64(slice(&a, e->a_at[0], h), m, slice(&a, e->a_at[1], h));
        const __m512i of_b =
            _mm512_mask_mov_epi64(slice(&b, e->b_at[0], h), d, slice(&b, e->b_at[1], h));
        __m512i got = _mm512_maskz_mov_epi64((__mmask8)~d & m, sent[1]);
        got = _mm512_mask_mov_epi64(got, d & (__mmask8)~m, sent[2]);
        got = _mm512_mask_mov_epi64(got, d & m, sent[3]);
        const __m512i up = shift_left(_mm512_ternarylogic_epi64(of_a, of_b, got, XOR3), k);
        const __m512i sum = _mm512_add_epi64(_mm512_maskz_loadu_epi64(there, r->share + i),
                                             _mm512_or_si512(low, up));
        _mm512_mask_storeu_epi64(r->share + i, there, _mm512_and_si512(sum, ring));
    }
}

const struct mpc_kernels *mpc_kernels_avx512(void)
{
    static const struct mpc_kernels table = {
        .name = "avx512",
        .slice = slice_avx512,
        .bit = bit_avx512,
        .and_open = and_open_avx512,
        .and_close = and_close_avx512,
        .mux_send = mux_send_avx512,
        .mux_recv = mux_recv_avx512,
        .extend_send = extend_send_avx512,
        .extend_recv = extend_recv_avx512,
    };
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct mpc_kernels *mpc_kernels_avx512(void)
{
    return NULL;
}
#endif
