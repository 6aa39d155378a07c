/* SPDX-License-Identifier: Apache-2.0
 *
 * The portable kernels, the specification of the others: AES on 128 blocks at once. */
#include <string.h>

#include "crypto/aes_planes.h"
#include "crypto/crypto_kernels.h"
#include "crypto/mask.h"

#define LANES AES_PLANES /* blocks that are made together */

struct schedule { /* keys of rounds 0 to 10 */
    struct aes_planes round[11];
};

static void schedule_make(struct schedule *k, const struct block *keys)
{
    aes_planes_load(&k->round[0], keys);
    for (unsigned r = 1; r <= 10; r++) {
        k->round[r] = k->round[r - 1];
        aes_planes_next_key(&k->round[r], r);
    }
}

static void encrypt(struct block *blocks, const struct schedule *k)
{
    struct aes_planes s;
    aes_planes_load(&s, blocks);
    aes_planes_add(&s, &k->round[0]);
    for (unsigned r = 1; r <= 10; r++)
        aes_planes_round(&s, &k->round[r], r);
    aes_planes_store(blocks, &s);
}

static struct block counter_add(uint64_t offset, uint64_t n)
{
    struct block c = {offset + n, 0};
    c.hi = c.lo < n; /* counters are public */
    return c;
}

static void stream_portable(uint8_t *out, size_t bytes, const struct block *key, uint64_t offset)
{
    struct schedule k;
    struct block b[LANES];
    for (unsigned i = 0; i < LANES; i++)
        b[i] = *key;
    schedule_make(&k, b);
    for (size_t done = 0; done < bytes; done += sizeof b) {
        for (unsigned i = 0; i < LANES; i++)
            b[i] = counter_add(offset, done / sizeof *b + i);
        encrypt(b, &k);
        memcpy(out + done, b, bytes - done < sizeof b ? bytes - done : sizeof b);
    }
    explicit_bzero(&k, sizeof k);
    explicit_bzero(b, sizeof b);
}

/* All keys at once, with as many counters each as there is room for: block x*each + i is counter i
 * of key x. */
static void stream_fold_portable(struct block *planes, struct block *sum, const struct block *keys,
                                 uint64_t offset, size_t blocks, size_t stride, unsigned bits)
{
    const size_t each = LANES >> bits;
    struct schedule k;
    struct block b[LANES];
    for (size_t j = 0; j < LANES; j++)
        b[j] = keys[j / each];
    schedule_make(&k, b);
    memset(sum, 0, blocks * sizeof *sum);
    for (size_t t = 0; t < blocks; t += each) {
        const size_t some = blocks - t < each ? blocks - t : each;
        for (size_t j = 0; j < LANES; j++)
            b[j] = counter_add(offset, t + j % each);
        encrypt(b, &k);
        for (size_t j = 0; j < LANES; j++) {
            const size_t x = j / each, i = j % each;
            if (i >= some)
                continue;
            sum[t + i].lo ^= b[j].lo;
            sum[t + i].hi ^= b[j].hi;
            for (unsigned p = 0; p < bits; p++) {
                const uint64_t set = 0 - (uint64_t)(x >> p & 1);
                planes[p * stride + t + i].lo ^= b[j].lo & set;
                planes[p * stride + t + i].hi ^= b[j].hi & set;
            }
        }
    }
    explicit_bzero(&k, sizeof k);
    explicit_bzero(b, sizeof b);
}

/* ---- tccr ----------------------------------------------------------------------------------- */

/* y[j] = sigma of block j of each of up to 128 tweaks. */
static void tccr_inputs(struct aes_planes *y, const struct block *in, size_t n, unsigned per)
{
    struct block b[LANES] = {{0, 0}};
    for (unsigned j = 0; j < per; j++) {
        for (size_t i = 0; i < n; i++) {
            const struct block x = in[i * per + j];
            b[i].lo = x.hi;
            b[i].hi = x.hi ^ x.lo;
        }
        aes_planes_load(&y[j], b);
    }
    explicit_bzero(b, sizeof b);
}

/* y[j] = E(y[j]) ^ y[j], each block with the key of its tweak. */
static void tccr_planes(struct aes_planes *y, const struct block *key, uint64_t tweak, unsigned per)
{
    struct aes_planes k, s[4];
    struct block b[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        b[i].lo = key->lo ^ (tweak + i);
        b[i].hi = key->hi;
    }
    aes_planes_load(&k, b);
    for (unsigned j = 0; j < per; j++) {
        s[j] = y[j];
        aes_planes_add(&s[j], &k);
    }
    for (unsigned r = 1; r <= 10; r++) {
        aes_planes_next_key(&k, r);
        for (unsigned j = 0; j < per; j++)
            aes_planes_round(&s[j], &k, r);
    }
    for (unsigned j = 0; j < per; j++)
        aes_planes_add(&y[j], &s[j]);
    explicit_bzero(b, sizeof b);
    explicit_bzero(&k, sizeof k);
    explicit_bzero(s, sizeof s);
}

static void tccr_portable(struct block *out, const struct block *in, const struct block *key,
                          uint64_t tweak, size_t n, unsigned per)
{
    struct aes_planes y[4];
    struct block b[LANES];
    for (size_t at = 0; at < n; at += LANES) {
        const size_t some = n - at < LANES ? n - at : LANES;
        tccr_inputs(y, in + at * per, some, per);
        tccr_planes(y, key, tweak + at, per);
        for (unsigned j = 0; j < per; j++) {
            aes_planes_store(b, &y[j]);
            for (size_t i = 0; i < some; i++)
                out[(at + i) * per + j] = b[i];
        }
    }
    explicit_bzero(y, sizeof y);
    explicit_bzero(b, sizeof b);
}

/* y = sigma of n blocks in y[0], and of the blocks ^ offset, if there is one, in y[1]. */
static void tccr_both(struct aes_planes y[2], const struct block *in, const struct block *offset,
                      size_t n)
{
    struct block b[LANES];
    tccr_inputs(y, in, n, 1);
    if (offset == NULL)
        return;
    for (unsigned i = 0; i < LANES; i++)
        b[i] = *offset;
    tccr_inputs(y + 1, b, LANES, 1); /* sigma is linear */
    aes_planes_add(y + 1, y);
    explicit_bzero(b, sizeof b);
}

static void tccr_pair_portable(struct block *out0, struct block *out1, const struct block *in,
                               const struct block *offset, const struct block *key, uint64_t tweak,
                               size_t n)
{
    struct aes_planes y[2];
    struct block b[LANES];
    for (size_t at = 0; at < n; at += LANES) {
        const size_t some = n - at < LANES ? n - at : LANES;
        tccr_both(y, in + at, offset, some);
        tccr_planes(y, key, tweak + at, 2);
        aes_planes_store(b, &y[0]);
        memcpy(out0 + at, b, some * sizeof *b);
        aes_planes_store(b, &y[1]);
        memcpy(out1 + at, b, some * sizeof *b);
    }
    explicit_bzero(y, sizeof y);
    explicit_bzero(b, sizeof b);
}

/* Plane 0 is what is asked for. */
static void tccr_bits_portable(uint64_t *out0, uint64_t *out1, const struct block *in,
                               const struct block *offset, const struct block *key, uint64_t tweak,
                               size_t n)
{
    struct aes_planes y[2];
    for (size_t at = 0; at < n; at += LANES) {
        const size_t some = n - at < LANES ? n - at : LANES;
        tccr_both(y, in + at, out1 != NULL ? offset : NULL, some);
        tccr_planes(y, key, tweak + at, out1 != NULL ? 2 : 1);
        for (size_t i = 0; i < some; i += 64) {
            const uint64_t there = UINT64_MAX >> (some - i < 64 ? 64 - (some - i) : 0);
            out0[(at + i) / 64] = y[0].p[0][i / 64] & there;
            if (out1 != NULL)
                out1[(at + i) / 64] = y[1].p[0][i / 64] & there;
        }
    }
    explicit_bzero(y, sizeof y);
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
