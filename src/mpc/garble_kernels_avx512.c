/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of garbling on 512-bit registers: four labels or eight numbers at a time. Selections
 * by mask registers take the same time for all masks. */
#include "base/cpu.h"
#include "mpc/garble_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define INLINE_WIDE                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"), always_inline)) static inline

#define XOR3 0x96 /* the truth table of a ^ b ^ c */

/* Words of four of n labels from i on, words of eight of n numbers: which are there. */
INLINE_WIDE __mmask8 labels_there(size_t n, size_t i)
{
    return (__mmask8)(n - i >= 4 ? 0xffU : 0xffU >> (8 - 2 * (n - i)));
}
INLINE_WIDE __mmask8 numbers_there(size_t n, size_t i)
{
    return (__mmask8)(n - i >= 8 ? 0xffU : 0xffU >> (8 - (n - i)));
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
INLINE_WIDE __m512i xor3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi64(a, b, c, XOR3);
}

INLINE_WIDE __m512i load(const struct block *b, size_t i, __mmask8 there)
{
    return _mm512_maskz_loadu_epi64(there, b + i);
}
INLINE_WIDE void store(struct block *b, size_t i, __mmask8 there, __m512i x)
{
    _mm512_mask_storeu_epi64(b + i, there, x);
}
INLINE_WIDE __m512i four_times(const struct block *b)
{
    return _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i *)(const void *)b));
}

/* Both words of each of four labels whose colour is 1. */
INLINE_WIDE __mmask8 colours(__m512i labels)
{
    const unsigned low = _mm512_test_epi64_mask(labels, _mm512_set_epi64(0, 1, 0, 1, 0, 1, 0, 1));
    return (__mmask8)(low | low << 1);
}

/* Both words of each of the labels i .. i + 3 whose bit of the plane is set; 4 divides i. */
INLINE_WIDE __mmask8 plane_words(const uint64_t *plane, size_t i)
{
    const unsigned x = (unsigned)(plane[i / 64] >> (i % 64)) & 0xf;
    const unsigned even = (x & 1) | (x & 2) << 1 | (x & 4) << 2 | (x & 8) << 3;
    return (__mmask8)(even * 3);
}
INLINE_WIDE __mmask8 plane_byte(const uint64_t *plane, size_t i)
{
    return (__mmask8)(plane[i / 64] >> (i % 64));
}

/* One word of each of eight labels or hashes. */
INLINE_WIDE __m512i words(const struct block *b, size_t n, size_t i, unsigned word)
{
    const unsigned count = n - i >= 8 ? 16 : 2 * (unsigned)(n - i);
    const unsigned there = 0xffffU >> (16 - count);
    const __m512i x = _mm512_maskz_loadu_epi64((__mmask8)there, b + i);
    const __m512i y = _mm512_maskz_loadu_epi64((__mmask8)(there >> 8), b + i + 4);
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_epi64(x, _mm512_add_epi64(even, all(word)), y);
}

/* CT: leaks n. */
WIDE static void add_avx512(struct block *out, const struct block *a, const struct block *b,
                            const struct block *add, size_t n)
{
    const __m512i c = four_times(add);
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        store(out, i, m, xor3(load(a, i, m), load(b, i, m), c));
    }
}

/* CT: leaks n. */
WIDE static void flip_avx512(struct block *label, const uint64_t *plane, const struct block *offset,
                             size_t n)
{
    const __m512i c = four_times(offset);
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        const __m512i x = load(label, i, m);
        store(label, i, m, _mm512_mask_xor_epi64(x, plane_words(plane, i), x, c));
    }
}

/* ---- gates ---------------------------------------------------------------------------------- */

/* CT: leaks n. */
WIDE static void garble_and_avx512(struct block *sum, struct block *half_a, struct block *half_b,
                                   const struct block *a, const struct block *b,
                                   const struct garble_hash *of_a, const struct garble_hash *of_b,
                                   const struct block *offset, size_t n)
{
    const __m512i c = four_times(offset);
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        const __m512i label_a = load(a, i, m), a0 = load(of_a->zero, i, m);
        const __mmask8 p_a = colours(label_a), p_b = colours(load(b, i, m));
        const __m512i b0 = load(of_b->zero, i, m);
        const __m512i both_b = _mm512_xor_si512(b0, load(of_b->one, i, m));
        const __m512i first = xor3(a0, load(of_a->one, i, m), _mm512_maskz_mov_epi64(p_b, c));
        const __m512i left = _mm512_mask_xor_epi64(a0, p_a, a0, first);
        const __m512i right = _mm512_mask_xor_epi64(b0, p_b, b0, both_b);
        store(half_a, i, m, first);
        store(half_b, i, m, _mm512_xor_si512(both_b, label_a));
        store(sum, i, m, xor3(load(sum, i, m), left, right));
    }
}

/* CT: leaks n. */
WIDE static void evaluate_and_avx512(struct block *sum, const struct block *half_a,
                                     const struct block *half_b, const struct block *a,
                                     const struct block *b, const struct garble_hash *of_a,
                                     const struct garble_hash *of_b, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        const __m512i label_a = load(a, i, m);
        const __mmask8 p_a = colours(label_a), p_b = colours(load(b, i, m));
        const __m512i a0 = load(of_a->zero, i, m), b0 = load(of_b->zero, i, m);
        const __m512i second = _mm512_xor_si512(load(half_b, i, m), label_a);
        const __m512i left = _mm512_mask_xor_epi64(a0, p_a, a0, load(half_a, i, m));
        const __m512i right = _mm512_mask_xor_epi64(b0, p_b, b0, second);
        store(sum, i, m, xor3(load(sum, i, m), left, right));
    }
}

/* CT: leaks n. */
WIDE static void garble_known_avx512(struct block *out, struct block *table, const uint64_t *known,
                                     const struct block *b, const struct garble_hash *of_b,
                                     const struct block *offset, size_t n)
{
    const __m512i c = four_times(offset);
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        const __m512i b0 = load(of_b->zero, i, m);
        const __mmask8 p = colours(load(b, i, m));
        const __m512i t =
            xor3(b0, load(of_b->one, i, m), _mm512_maskz_mov_epi64(plane_words(known, i), c));
        store(table, i, m, t);
        store(out, i, m, _mm512_mask_xor_epi64(b0, p, b0, t));
    }
}

/* CT: leaks n. */
WIDE static void evaluate_known_avx512(struct block *out, const struct block *table,
                                       const struct block *b, const struct garble_hash *of_b,
                                       size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        const __mmask8 m = labels_there(n, i);
        const __m512i b0 = load(of_b->zero, i, m);
        const __mmask8 p = colours(load(b, i, m));
        store(out, i, m, _mm512_mask_xor_epi64(b0, p, b0, load(table, i, m)));
    }
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* CT: leaks n and the slice. */
WIDE static void project_send_avx512(uint64_t *zero, uint64_t *row, const struct block *label,
                                     const struct garble_hash *h, const uint64_t *factor, size_t n,
                                     struct garble_slice slice)
{
    const __m512i ring = low_bits(slice.bits), one = all(1);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = numbers_there(n, i);
        const __mmask8 p = _mm512_test_epi64_mask(words(label, n, i, 0), one);
        const __m512i f = factor != NULL ? _mm512_maskz_loadu_epi64(m, factor + i) : one;
        const __m512i pad0 = words(h->zero, n, i, slice.word);
        const __m512i pad1 = words(h->one, n, i, slice.word);
        const __m512i first = _mm512_mask_mov_epi64(pad0, p, pad1);
        const __m512i second = _mm512_mask_mov_epi64(pad1, p, pad0);
        const __m512i z = _mm512_mask_sub_epi64(first, p, first, f);
        const __m512i other = _mm512_mask_add_epi64(z, (__mmask8)~p, z, f);
        _mm512_mask_storeu_epi64(row + i, m,
                                 _mm512_and_si512(_mm512_sub_epi64(other, second), ring));
        _mm512_mask_storeu_epi64(zero + i, m, _mm512_and_si512(z, ring));
    }
}

/* CT: leaks n and the slice. */
WIDE static void project_recv_avx512(uint64_t *value, const uint64_t *row,
                                     const struct block *label, const struct garble_hash *h,
                                     size_t n, struct garble_slice slice)
{
    const __m512i ring = low_bits(slice.bits), one = all(1);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = numbers_there(n, i);
        const __mmask8 c = _mm512_test_epi64_mask(words(label, n, i, 0), one);
        const __m512i sent = _mm512_maskz_loadu_epi64(m, row + i);
        const __m512i own = words(h->zero, n, i, slice.word);
        const __m512i sum = _mm512_mask_add_epi64(own, c, own, sent);
        _mm512_mask_storeu_epi64(value + i, m, _mm512_and_si512(sum, ring));
    }
}

/* CT: leaks n, place and the slice. */
WIDE static void transfer_send_avx512(uint64_t *share, uint64_t *message,
                                      const struct garble_hash *h, const uint64_t *z, size_t n,
                                      unsigned place, struct garble_slice slice)
{
    const __m512i ring = low_bits(slice.bits);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = numbers_there(n, i);
        const __m512i r = _mm512_and_si512(words(h->zero, n, i, slice.word), ring);
        const __m512i sum = _mm512_add_epi64(r, _mm512_maskz_loadu_epi64(m, z + i));
        const __m512i sent = _mm512_sub_epi64(sum, words(h->one, n, i, slice.word));
        const __m512i old = _mm512_maskz_loadu_epi64(m, share + i);
        _mm512_mask_storeu_epi64(message + i, m, _mm512_and_si512(sent, ring));
        _mm512_mask_storeu_epi64(share + i, m, _mm512_add_epi64(old, shift_left(r, place)));
    }
}

/* CT: leaks n, place and the slice. */
WIDE static void transfer_recv_avx512(uint64_t *share, const uint64_t *message,
                                      const struct garble_hash *h, const uint64_t *plane, size_t n,
                                      unsigned place, struct garble_slice slice)
{
    const __m512i ring = low_bits(slice.bits);
    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = numbers_there(n, i);
        const __m512i sent = _mm512_maskz_loadu_epi64(m, message + i);
        const __m512i own = words(h->zero, n, i, slice.word);
        const __m512i sum = _mm512_mask_add_epi64(own, plane_byte(plane, i), own, sent);
        const __m512i less = shift_left(_mm512_and_si512(sum, ring), place);
        const __m512i old = _mm512_maskz_loadu_epi64(m, share + i);
        _mm512_mask_storeu_epi64(share + i, m, _mm512_sub_epi64(old, less));
    }
}

const struct garble_kernels *garble_kernels_avx512(void)
{
    static const struct garble_kernels table = {
        .name = "avx512",
        .add = add_avx512,
        .flip = flip_avx512,
        .garble_and = garble_and_avx512,
        .evaluate_and = evaluate_and_avx512,
        .garble_known = garble_known_avx512,
        .evaluate_known = evaluate_known_avx512,
        .project_send = project_send_avx512,
        .project_recv = project_recv_avx512,
        .transfer_send = transfer_send_avx512,
        .transfer_recv = transfer_recv_avx512,
    };
    return cpu_level() >= CPU_AVX512 ? &table : NULL;
}
#else
const struct garble_kernels *garble_kernels_avx512(void)
{
    return NULL;
}
#endif
