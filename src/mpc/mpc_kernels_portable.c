/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels in portable C: the specification. Selections go through crypto/mask.h. */
#include "mpc/mpc_kernels.h"

#include "crypto/mask.h"

static uint64_t low_bits(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

/* Bit i of a plane as a mask of all ones or zeros. */
static uint64_t plane_mask(const uint64_t *plane, size_t i)
{
    return mask_from_bit(plane[i / 64] >> (i % 64));
}

/* Swaps two keys where the mask is ones. */
static void swap_keys(struct block *a, struct block *b, uint64_t mask)
{
    const uint64_t lo = (a->lo ^ b->lo) & mask;
    const uint64_t hi = (a->hi ^ b->hi) & mask;
    a->lo ^= lo;
    b->lo ^= lo;
    a->hi ^= hi;
    b->hi ^= hi;
}

/* Transposes 32 x 32 bits in both halves of the words: bit j of word r <-> bit r of word j. */
static void transpose_halves(uint64_t w[32])
{
    uint64_t m = 0x0000ffff0000ffffu;
    for (unsigned j = 16; j != 0; j >>= 1, m ^= m << j)
        for (unsigned r = 0; r < 32; r = (r + j + 1) & ~j) {
            const uint64_t t = ((w[r] >> j) ^ w[r + j]) & m;
            w[r] ^= t << j;
            w[r + j] ^= t;
        }
}

/* CT: leaks n and k. Values r and r + 32 of a group of 64 share word r. */
static void portable_slice(uint64_t *planes, size_t stride, const uint64_t *x, size_t n, unsigned k)
{
    uint64_t w[32];
    for (size_t i = 0; i < n; i += 64) {
        for (size_t r = 0; r < 32; r++) {
            const uint64_t low = i + r < n ? x[i + r] & 0xffffffffu : 0;
            const uint64_t high = i + r + 32 < n ? x[i + r + 32] : 0;
            w[r] = low | high << 32;
        }
        transpose_halves(w);
        for (unsigned j = 0; j < k; j++)
            planes[j * stride + i / 64] = w[j];
    }
}

/* CT: leaks n and bit. */
static void portable_bit(uint64_t *plane, const uint64_t *x, size_t n, unsigned bit)
{
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word = 0;
        for (size_t r = 0; r < 64 && i + r < n; r++)
            word |= (x[i + r] >> bit & 1) << r;
        plane[i / 64] = word;
    }
}

/* CT: leaks words. */
static void portable_and_open(uint64_t *d, uint64_t *e, const uint64_t *x, const uint64_t *y,
                              const uint64_t *a, const uint64_t *b, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        d[i] = x[i] ^ a[i];
        e[i] = y[i] ^ b[i];
    }
}

/* CT: leaks words. x & y = (d ^ a) & (e ^ b), and c is a share of a & b. */
static void portable_and_close(uint64_t *z, const uint64_t *const d[2], const uint64_t *const e[2],
                               const uint64_t *const abc[3], uint64_t all, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        const uint64_t both_d = d[0][i] ^ d[1][i];
        const uint64_t both_e = e[0][i] ^ e[1][i];
        z[i] = (both_d & both_e & all) ^ (both_d & abc[1][i]) ^ (both_e & abc[0][i]) ^ abc[2][i];
    }
}

/* CT: leaks n, at, bits. The mask of choice 0 is itself what that choice gets, so the share follows
 * from it and only choice 1 needs a message. */
static void portable_mux_send(uint64_t *share, uint64_t *message, const struct block *const key[2],
                              const uint64_t *flip, const uint64_t *d, const uint64_t *y, size_t n,
                              unsigned at, unsigned bits)
{
    const uint64_t ring = low_bits(bits);
    for (size_t i = 0; i < n; i++) {
        const uint64_t d_mask = plane_mask(d, i);
        uint64_t mask0 = ot_slice(&key[0][i], at, bits);
        uint64_t mask1 = ot_slice(&key[1][i], at, bits);
        const uint64_t swap = (mask0 ^ mask1) & plane_mask(flip, i);
        mask0 ^= swap;
        mask1 ^= swap;
        const uint64_t own = (y[i] & d_mask) - mask0;
        message[i] = (((y[i] & ~d_mask) - own) & ring) ^ mask1;
        share[i] = own & ring;
    }
}

/* CT: leaks n, at, bits. */
static void portable_mux_recv(uint64_t *share, const uint64_t *message, const struct block *key,
                              const uint64_t *d, size_t n, unsigned at, unsigned bits)
{
    const uint64_t ring = low_bits(bits);
    for (size_t i = 0; i < n; i++) {
        const uint64_t got = ot_slice(&key[i], at, bits) ^ (message[i] & plane_mask(d, i));
        share[i] = (share[i] + got) & ring;
    }
}

/* CT: leaks n, k, h. With X = x read as signed and m = its top bit, choice (i, j) is to get
 *   M_ij = -share + (d ^ i) * (X + 2^k * m * j) mod 2^(k+h),
 * and where the sum is negative X = x - 2^k and 1 - m for m: -2^k * (1-m) * (1-j) mends the wrap of
 * two shares that are not. j changes the high h bits only. M_00 is the mask of (0, 0), which
 * defines the share. */
static void portable_extend_send(const struct mpc_extend_send *s, const struct mpc_extension *e)
{
    const unsigned k = e->k;
    const unsigned h = e->h;
    const uint64_t low = low_bits(k);
    const uint64_t high = low_bits(h);
    const uint64_t top = (uint64_t)1 << (k - 1);
    for (size_t n = 0; n < s->n; n++) {
        struct block a0 = s->a0[n];
        struct block a1 = s->a1[n];
        struct block b0 = s->b0[n];
        struct block b1 = s->b1[n];
        swap_keys(&a0, &a1, plane_mask(s->flip_a, n));
        swap_keys(&b0, &b1, plane_mask(s->flip_b, n));
        const uint64_t d = plane_mask(s->d, n);
        const uint64_t negative = plane_mask(s->negative, n);
        const uint64_t x = ((s->x[n] ^ top) - top) | (negative & ~low); /* signed */
        const uint64_t m = (s->x[n] >> (k - 1) & 1) ^ (negative & 1);
        const uint64_t got00 = ot_slice(&a0, 0, k) |
                               (ot_slice(&a0, e->a_at[0], h) ^ ot_slice(&b0, e->b_at[0], h)) << k;
        const uint64_t share = (x & d) - got00;
        const uint64_t got01 = (got00 >> k) + (m & d); /* from bit k on, as got11 */
        const uint64_t got10 = (x & ~d) - share;
        const uint64_t got11 = (got10 >> k) + (m & ~d);
        s->share[n] = share & (low | high << k);
        s->message[0][n] = (got10 & low) ^ ot_slice(&a1, 0, k);
        s->message[1][n] =
            (got01 & high) ^ ot_slice(&a0, e->a_at[1], h) ^ ot_slice(&b1, e->b_at[0], h);
        s->message[2][n] =
            (got10 >> k & high) ^ ot_slice(&a1, e->a_at[0], h) ^ ot_slice(&b0, e->b_at[1], h);
        s->message[3][n] =
            (got11 & high) ^ ot_slice(&a1, e->a_at[1], h) ^ ot_slice(&b1, e->b_at[1], h);
    }
}

/* CT: leaks n, k, h; the slices of both indices are read and one is selected. */
static void portable_extend_recv(const struct mpc_extend_recv *r, const struct mpc_extension *e)
{
    const unsigned k = e->k;
    const unsigned h = e->h;
    const uint64_t ring = low_bits(k + h);
    for (size_t n = 0; n < r->n; n++) {
        const uint64_t d = plane_mask(r->d, n);
        const uint64_t m = plane_mask(r->m, n);
        const struct block *a = &r->a[n];
        const struct block *b = &r->b[n];
        const uint64_t low = ot_slice(a, 0, k) ^ (r->message[0][n] & d);
        const uint64_t mask =
            mask_select(m, ot_slice(a, e->a_at[1], h), ot_slice(a, e->a_at[0], h)) ^
            mask_select(d, ot_slice(b, e->b_at[1], h), ot_slice(b, e->b_at[0], h));
        const uint64_t message =
            (r->message[1][n] & ~d & m) | (r->message[2][n] & d & ~m) | (r->message[3][n] & d & m);
        r->share[n] = (r->share[n] + (low | (mask ^ message) << k)) & ring;
    }
}

const struct mpc_kernels *mpc_kernels_portable(void)
{
    static const struct mpc_kernels table = {
        .name = "portable",
        .slice = portable_slice,
        .bit = portable_bit,
        .and_open = portable_and_open,
        .and_close = portable_and_close,
        .mux_send = portable_mux_send,
        .mux_recv = portable_mux_recv,
        .extend_send = portable_extend_send,
        .extend_recv = portable_extend_recv,
    };
    return &table;
}
