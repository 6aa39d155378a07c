/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of garbling in portable C: the specification, and the choice of a table. */
#include "mpc/garble_kernels.h"

#include "crypto/mask.h"

const struct garble_kernels *garble_kernels_pick(void)
{
    const struct garble_kernels *k = garble_kernels_avx512();
    return k != NULL ? k : garble_kernels_portable();
}

static uint64_t low_bits(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

/* Bit i of a plane as a mask of all ones or zeros. */
static uint64_t plane_mask(const uint64_t *plane, size_t i)
{
    return mask_from_bit(plane[i / 64] >> (i % 64));
}

static uint64_t colour(const struct block *label)
{
    return mask_from_bit(label->lo);
}

static struct block sum2(struct block a, struct block b)
{
    const struct block s = {a.lo ^ b.lo, a.hi ^ b.hi};
    return s;
}

static struct block where(uint64_t mask, struct block a)
{
    const struct block s = {a.lo & mask, a.hi & mask};
    return s;
}

static uint64_t pad(const struct block *hash, struct garble_slice slice)
{
    return slice.word == 0 ? hash->lo : hash->hi;
}

/* CT: leaks n. */
static void portable_add(struct block *out, const struct block *a, const struct block *b,
                         const struct block *add, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = sum2(sum2(a[i], b[i]), *add);
}

/* CT: leaks n. */
static void portable_flip(struct block *label, const uint64_t *plane, const struct block *offset,
                          size_t n)
{
    for (size_t i = 0; i < n; i++)
        label[i] = sum2(label[i], where(plane_mask(plane, i), *offset));
}

/* ---- gates ---------------------------------------------------------------------------------- */

/* CT: leaks n. With p the colours of a and b: a & b = (a & p_b) ^ (a & (b ^ p_b)), and the evaluator
 * sees the colour b ^ p_b. */
static void portable_garble_and(struct block *sum, struct block *half_a, struct block *half_b,
                                const struct block *a, const struct block *b,
                                const struct garble_hash *of_a, const struct garble_hash *of_b,
                                const struct block *offset, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct block both_a = sum2(of_a->zero[i], of_a->one[i]);
        const struct block both_b = sum2(of_b->zero[i], of_b->one[i]);
        half_a[i] = sum2(both_a, where(colour(&b[i]), *offset));
        half_b[i] = sum2(both_b, a[i]);
        const struct block left = sum2(of_a->zero[i], where(colour(&a[i]), half_a[i]));
        const struct block right = sum2(of_b->zero[i], where(colour(&b[i]), both_b));
        sum[i] = sum2(sum[i], sum2(left, right));
    }
}

/* CT: leaks n. */
static void portable_evaluate_and(struct block *sum, const struct block *half_a,
                                  const struct block *half_b, const struct block *a,
                                  const struct block *b, const struct garble_hash *of_a,
                                  const struct garble_hash *of_b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct block left = sum2(of_a->zero[i], where(colour(&a[i]), half_a[i]));
        const struct block right = sum2(of_b->zero[i], where(colour(&b[i]), sum2(half_b[i], a[i])));
        sum[i] = sum2(sum[i], sum2(left, right));
    }
}

/* CT: leaks n. */
static void portable_garble_known(struct block *out, struct block *table, const uint64_t *known,
                                  const struct block *b, const struct garble_hash *of_b,
                                  const struct block *offset, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t p = colour(&b[i]);
        const struct block both = sum2(of_b->zero[i], of_b->one[i]);
        table[i] = sum2(both, where(plane_mask(known, i), *offset));
        out[i] = sum2(of_b->zero[i], where(p, table[i]));
    }
}

/* CT: leaks n. */
static void portable_evaluate_known(struct block *out, const struct block *table,
                                    const struct block *b, const struct garble_hash *of_b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = sum2(of_b->zero[i], where(colour(&b[i]), table[i]));
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* CT: leaks n and the slice. The label of colour 0 has the value p, so its pad is zero + p*factor
 * and needs no row. */
static void portable_project_send(uint64_t *zero, uint64_t *row, const struct block *label,
                                  const struct garble_hash *h, const uint64_t *factor, size_t n,
                                  struct garble_slice slice)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t p = colour(&label[i]), f = factor != NULL ? factor[i] : 1;
        const uint64_t pad0 = pad(&h->zero[i], slice), pad1 = pad(&h->one[i], slice);
        const uint64_t first = mask_select(p, pad1, pad0), second = mask_select(p, pad0, pad1);
        const uint64_t z = first - (f & p);
        row[i] = (z + (f & ~p) - second) & low_bits(slice.bits);
        zero[i] = z & low_bits(slice.bits);
    }
}

/* CT: leaks n and the slice. */
static void portable_project_recv(uint64_t *value, const uint64_t *row, const struct block *label,
                                  const struct garble_hash *h, size_t n, struct garble_slice slice)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t sent = row[i] & colour(&label[i]);
        value[i] = (pad(&h->zero[i], slice) + sent) & low_bits(slice.bits);
    }
}

/* CT: leaks n, place and the slice. */
static void portable_transfer_send(uint64_t *share, uint64_t *message, const struct garble_hash *h,
                                   const uint64_t *z, size_t n, unsigned place,
                                   struct garble_slice slice)
{
    const uint64_t ring = low_bits(slice.bits);
    for (size_t i = 0; i < n; i++) {
        const uint64_t r = pad(&h->zero[i], slice) & ring;
        message[i] = (r + z[i] - pad(&h->one[i], slice)) & ring;
        share[i] += r << place;
    }
}

/* CT: leaks n, place and the slice. */
static void portable_transfer_recv(uint64_t *share, const uint64_t *message,
                                   const struct garble_hash *h, const uint64_t *plane, size_t n,
                                   unsigned place, struct garble_slice slice)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t sent = message[i] & plane_mask(plane, i);
        share[i] -= ((pad(&h->zero[i], slice) + sent) & low_bits(slice.bits)) << place;
    }
}

const struct garble_kernels *garble_kernels_portable(void)
{
    static const struct garble_kernels table = {
        .name = "portable",
        .add = portable_add,
        .flip = portable_flip,
        .garble_and = portable_garble_and,
        .evaluate_and = portable_evaluate_and,
        .garble_known = portable_garble_known,
        .evaluate_known = portable_evaluate_known,
        .project_send = portable_project_send,
        .project_recv = portable_project_recv,
        .transfer_send = portable_transfer_send,
        .transfer_recv = portable_transfer_recv,
    };
    return &table;
}
