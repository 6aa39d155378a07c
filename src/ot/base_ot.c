/* SPDX-License-Identifier: Apache-2.0
 *
 * Endemic oblivious transfer [eprint 2019/706]. For transfer i with choice c the receiver draws a
 * scalar a and a random point r_{1-c}, and sets r_c = a*G - P(i, c, r_{1-c}), where P hashes to the
 * group. The sender draws b, computes A_j = r_j + P(i, j, r_{1-j}) and takes
 * key_j = H("base-ot", sid, i, j, r_0, r_1, B, b*A_j), B = b*G. The receiver knows A_c = a*G, so
 * b*A_c = a*B.
 *
 * Against a malicious sender: (r_0, r_1) are two independent uniform points whatever c is, so the
 * choice is hidden unconditionally, whether B comes before or after. Against a malicious receiver,
 * which may see B first, in the random-oracle model: whichever of the two hashes P(i, 0, r_1), P(i, 1, r_0) is asked last
 * makes one A_j uniform after everything else is fixed; key_j is then known only to one who can
 * compute b*A_j from B and A_j, the (gap) Diffie-Hellman problem. The order of the questions tells
 * which key, so a simulator can extract c. One b serves all transfers: every key hashes its own i,
 * j, points and shared point. What a party may do is steer its own outputs ("endemic"); the trees
 * above use the keys as one-time pads only, for which that is enough. */
#include "ot/base_ot.h"

#include <sodium.h>
#include <string.h>

#define POINT crypto_core_ristretto255_BYTES
#define SCALAR crypto_core_ristretto255_SCALARBYTES
#define STRIP BASE_OT_STRIP

_Static_assert(POINT == 32 && SCALAR == 32, "sizes of the wire format");
_Static_assert(BASE_OT_COUNT % STRIP == 0, "whole strips");

/* A canonical encoding of a point other than the identity (which is 32 zero bytes). libsodium
 * before 1.0.19 ignores the top bit, which a canonical encoding never sets. */
static bool point_is_good(const uint8_t p[POINT])
{
    return crypto_core_ristretto255_is_valid_point(p) == 1 && (p[POINT - 1] & 0x80) == 0 &&
           sodium_is_zero(p, POINT) == 0;
}

static mp2ml_status scalar_random(uint8_t s[SCALAR], struct prg *g)
{
    uint8_t wide[crypto_core_ristretto255_NONREDUCEDSCALARBYTES];
    TRY(prg_fill(g, wide, sizeof wide));
    crypto_core_ristretto255_scalar_reduce(s, wide);
    secret_wipe(wide, sizeof wide);
    return MP2ML_OK;
}

static mp2ml_status point_random(uint8_t p[POINT], struct prg *g)
{
    uint8_t wide[crypto_core_ristretto255_HASHBYTES];
    TRY(prg_fill(g, wide, sizeof wide));
    bool good = crypto_core_ristretto255_from_hash(p, wide) == 0;
    return good ? MP2ML_OK : MP2ML_ERR_CRYPTO;
}

/* P(i, slot, r): 64 hashed bytes mapped to the group. CT: slot and r may be secret. */
static mp2ml_status point_hash(uint8_t p[POINT], const uint8_t sid[32], uint32_t i, uint8_t slot,
                               const uint8_t r[POINT])
{
    uint8_t wide[crypto_core_ristretto255_HASHBYTES];
    uint8_t head[6] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), (uint8_t)(i >> 24), slot};
    for (uint8_t half = 0; half < 2; half++) {
        head[5] = half;
        const struct digest_part parts[] = {{sid, 32}, {head, sizeof head}, {r, POINT}};
        TRY(digest_parts(wide + 32 * half, "base-ot-point", parts, 3));
    }
    return crypto_core_ristretto255_from_hash(p, wide) == 0 ? MP2ML_OK : MP2ML_ERR_CRYPTO;
}

/* CT: slot and shared may be secret. */
static mp2ml_status key_hash(struct block *key, const uint8_t sid[32], uint32_t i, uint8_t slot,
                             const uint8_t r[2 * POINT], const uint8_t b[POINT],
                             const uint8_t shared[POINT])
{
    uint8_t head[5] = {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), (uint8_t)(i >> 24), slot};
    uint8_t hash[DIGEST_BYTES];
    const struct digest_part parts[] = {
        {sid, 32}, {head, sizeof head}, {r, 2 * POINT}, {b, POINT}, {shared, POINT}};
    TRY(digest_parts(hash, "base-ot", parts, 5));
    memcpy(key, hash, sizeof *key);
    secret_wipe(hash, sizeof hash);
    return MP2ML_OK;
}

/* Both keys of transfer i from the receiver's points r. */
static mp2ml_status send_one(struct block key[2], uint32_t i, const uint8_t r[2 * POINT],
                             const uint8_t scalar[SCALAR], const uint8_t point[POINT],
                             const uint8_t sid[32])
{
    uint8_t a[POINT], shared[POINT];
    mp2ml_status status = MP2ML_ERR_PROTOCOL;
    if (!point_is_good(r) || !point_is_good(r + POINT))
        return status;
    for (uint8_t j = 0; j < 2; j++) {
        TRY_OUT(point_hash(a, sid, i, j, r + POINT * (1 - j)));
        status = MP2ML_ERR_PROTOCOL;
        if (crypto_core_ristretto255_add(a, a, r + POINT * j) != 0)
            goto out;
        /* Fails when the product is the identity: the peer made A_j = 0. */
        if (crypto_scalarmult_ristretto255(shared, scalar, a) != 0)
            goto out;
        TRY_OUT(key_hash(&key[j], sid, i, j, r, point, shared));
    }
out:
    secret_wipe(shared, sizeof shared);
    return status;
}

/* The receiver's points, strip by strip as they come. */
static mp2ml_status send_keys(struct block keys[BASE_OT_COUNT][2], struct link *link,
                              const uint8_t scalar[SCALAR], const uint8_t point[POINT],
                              const uint8_t sid[32])
{
    uint8_t r[STRIP * 2 * POINT];
    for (uint32_t i = 0; i < BASE_OT_COUNT; i++) {
        if (i % STRIP == 0)
            TRY(frame_recv_part(link, r, sizeof r));
        TRY(send_one(keys[i], i, r + 2 * POINT * (i % STRIP), scalar, point, sid));
    }
    return MP2ML_OK;
}

mp2ml_status base_ot_send_begin(struct link *link)
{
    return frame_recv_begin(link, FRAME_BASE_OT, 0, BASE_OT_RECEIVER_BYTES);
}

mp2ml_status base_ot_send_end(struct block keys[BASE_OT_COUNT][2], struct link *link, struct prg *g,
                              const uint8_t sid[32])
{
    uint8_t scalar[SCALAR], point[POINT];
    mp2ml_status status;
    TRY_OUT(scalar_random(scalar, g));
    status = MP2ML_ERR_RANDOM; /* scalar 0: 2^-252 */
    if (crypto_scalarmult_ristretto255_base(point, scalar) != 0)
        goto out;
    TRY_OUT(frame_send(link, FRAME_BASE_OT, 0, point, BASE_OT_SENDER_BYTES));
    TRY_OUT(send_keys(keys, link, scalar, point, sid));
out:
    secret_wipe(scalar, sizeof scalar);
    if (status != MP2ML_OK)
        secret_wipe(keys, BASE_OT_COUNT * sizeof keys[0]);
    return status;
}

/* Exchanges the two points when bit is 1. CT: leaks nothing. */
static void points_swap(uint8_t r[2 * POINT], uint64_t bit)
{
    const uint8_t mask = (uint8_t)mask_from_bit(bit);
    for (unsigned n = 0; n < POINT; n++) {
        uint8_t t = (uint8_t)((r[n] ^ r[POINT + n]) & mask);
        r[n] ^= t;
        r[POINT + n] ^= t;
    }
}

static uint64_t bit_of(const struct block *b, unsigned i)
{
    return (i < 64 ? b->lo >> i : b->hi >> (i - 64)) & 1; /* i is public */
}

/* r_0 | r_1 and the scalar a of transfer i. CT: choice is secret. */
static mp2ml_status recv_one(uint8_t r[2 * POINT], uint8_t scalar[SCALAR], uint32_t i,
                             uint64_t choice, struct prg *g, const uint8_t sid[32])
{
    uint8_t hashed[POINT];
    TRY(scalar_random(scalar, g));
    TRY(point_random(r + POINT, g));
    if (crypto_scalarmult_ristretto255_base(r, scalar) != 0)
        return MP2ML_ERR_RANDOM; /* scalar 0: 2^-252 */
    TRY(point_hash(hashed, sid, i, (uint8_t)choice, r + POINT));
    if (crypto_core_ristretto255_sub(r, r, hashed) != 0)
        return MP2ML_ERR_CRYPTO;
    points_swap(r, choice); /* from (chosen, other) to (0, 1) */
    return MP2ML_OK;
}

struct base_ot_receiver {
    struct block choice;
    uint8_t sid[32];
    uint8_t r[BASE_OT_RECEIVER_BYTES];
    uint8_t scalar[BASE_OT_COUNT][SCALAR];
};

mp2ml_status base_ot_recv_begin(struct base_ot_receiver **out, const struct block *choice,
                                struct link *link, struct prg *g, const uint8_t sid[32])
{
    mp2ml_status status;
    *out = NULL;
    struct base_ot_receiver *s = secret_new(1, sizeof *s);
    if (s == NULL)
        return MP2ML_ERR_MEMORY;
    s->choice = *choice;
    memcpy(s->sid, sid, sizeof s->sid);
    TRY_OUT(frame_send_begin(link, FRAME_BASE_OT, 0, BASE_OT_RECEIVER_BYTES));
    for (uint32_t i = 0; i < BASE_OT_COUNT; i++) {
        TRY_OUT(recv_one(s->r + 2 * POINT * i, s->scalar[i], i, bit_of(choice, i), g, sid));
        if (i % STRIP == STRIP - 1)
            TRY_OUT(frame_send_part(link, s->r + 2 * POINT * (i + 1 - STRIP), STRIP * 2 * POINT));
    }
    *out = s;
    return MP2ML_OK;
out:
    base_ot_receiver_free(s);
    return status;
}

mp2ml_status base_ot_recv_end(struct block keys[BASE_OT_COUNT], const struct base_ot_receiver *s,
                              struct link *link)
{
    uint8_t point[POINT], shared[POINT] = {0};
    mp2ml_status status;
    TRY_OUT(frame_recv(link, FRAME_BASE_OT, 0, point, BASE_OT_SENDER_BYTES));
    status = point_is_good(point) ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
    for (uint32_t i = 0; i < BASE_OT_COUNT && status == MP2ML_OK; i++) {
        /* a is not 0 and B not the identity, so the product is not either. */
        if (crypto_scalarmult_ristretto255(shared, s->scalar[i], point) != 0)
            status = MP2ML_ERR_PROTOCOL;
        else
            status = key_hash(&keys[i], s->sid, i, (uint8_t)bit_of(&s->choice, i),
                              s->r + 2 * POINT * i, point, shared);
    }
out:
    secret_wipe(shared, sizeof shared);
    if (status != MP2ML_OK)
        secret_wipe(keys, BASE_OT_COUNT * sizeof keys[0]);
    return status;
}

void base_ot_receiver_free(struct base_ot_receiver *s)
{
    secret_free(s);
}
