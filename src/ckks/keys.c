/* SPDX-License-Identifier: Apache-2.0
 *
 * The context of a set, the client's secret, and the public key b = -(a*s) + e. Keys stay in the
 * NTT domain from birth to wire to use. */
#include "ckks/ckks_context.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/secret.h"

static const struct ckks_kernels *kernels_pick(void)
{
    const struct ckks_kernels *kernels = ckks_kernels_avx512();
    if (kernels == NULL)
        kernels = ckks_kernels_avx2();
    return kernels != NULL ? kernels : ckks_kernels_portable();
}

mp2ml_status ckks_new(struct ckks **out, const struct ckks_params *params)
{
    mp2ml_status status = MP2ML_OK;
    *out = NULL;
    TRY(secret_init());
    struct ckks *ck = (struct ckks *)calloc(1, sizeof(*ck));
    if (ck == NULL)
        return MP2ML_ERR_MEMORY;
    ck->params = params;
    ck->kernels = kernels_pick();
    TRY_OUT(ring_new(&ck->ring, params->log_n, params->q, params->primes));
    *out = ck;
    return MP2ML_OK;
out:
    ckks_free(ck);
    return status;
}

void ckks_free(struct ckks *ck)
{
    if (ck == NULL)
        return;
    ring_free(ck->ring);
    free(ck);
}

const struct ckks_params *ckks_params_of(const struct ckks *ck)
{
    return ck->params;
}

size_t ckks_public_key_bytes(const struct ckks_params *params)
{
    size_t bits = 0;
    for (unsigned p = 0; p < params->primes; p++)
        bits += params->n * params->q_bits[p];
    return (bits + 7) / 8;
}

/* The public a[primes][n] of a session. */
static mp2ml_status expand_a(const struct ckks *ck, uint64_t *a, const uint8_t h0[32])
{
    const size_t size = ckks_uniform_bytes(ck->params);
    struct xof *x = NULL;
    uint8_t *bytes = (uint8_t *)malloc(size);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    if (bytes == NULL)
        goto out;
    TRY_OUT(xof_new(&x, h0, 32, "pk-a", ck->params->name));
    TRY_OUT(xof_read(x, bytes, size, 0, 0));
    if (!ring_uniform_parse(ck->ring, a, bytes, size))
        TRY_OUT(ring_uniform_read(ck->ring, a, x, 0));
out:
    xof_free(x);
    free(bytes);
    return status;
}

/* Scratch of key generation; one arena, wiped when it goes. */
struct keygen {
    uint8_t *random;
    int8_t *s, *e;
    uint64_t *a;     /* [primes][n] */
    uint64_t *noise; /* [n] */
};

static mp2ml_status keygen_init(struct keygen *k, struct arena **arena, const struct ckks *ck)
{
    const size_t n = ck->params->n, words = ckks_words(ck->params);
    const size_t random = RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n);
    TRY(arena_new(arena, arena_need(random, 1) + 2 * arena_need(n, 1) +
                             arena_need(words, sizeof(uint64_t)) +
                             arena_need(n, sizeof(uint64_t))));
    k->random = (uint8_t *)arena_take(*arena, random, 1);
    k->s = (int8_t *)arena_take(*arena, n, 1);
    k->e = (int8_t *)arena_take(*arena, n, 1);
    k->a = (uint64_t *)arena_take(*arena, words, sizeof(uint64_t));
    k->noise = (uint64_t *)arena_take(*arena, n, sizeof(uint64_t));
    bool whole = k->random != NULL && k->s != NULL && k->e != NULL && k->a != NULL;
    return whole && k->noise != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

mp2ml_status ckks_secret_new(struct ckks_secret **out, const struct ckks *ck, const uint8_t h0[32],
                             struct prg *g, uint8_t *wire)
{
    const struct ckks_params *params = ck->params;
    const size_t n = params->n, ternary = RING_TERNARY_BYTES(n);
    mp2ml_status status = MP2ML_ERR_MEMORY;
    struct arena *arena = NULL;
    struct keygen k;
    *out = NULL;
    struct ckks_secret *s = (struct ckks_secret *)calloc(1, sizeof(*s));
    if (s == NULL)
        return MP2ML_ERR_MEMORY;
    s->ntt = (uint64_t *)secret_new(ckks_words(params), sizeof(uint64_t));
    if (s->ntt == NULL)
        goto out;
    TRY_OUT(keygen_init(&k, &arena, ck));
    TRY_OUT(expand_a(ck, k.a, h0));
    TRY_OUT(prg_fill(g, k.random, ternary + RING_NOISE_BYTES(n)));
    ring_sample_ternary(ck->ring, k.s, k.random, n);
    ring_sample_noise(ck->ring, k.e, k.random + ternary, n);
    size_t at = 0;
    for (unsigned p = 0; p < params->primes; p++) {
        uint64_t *sp = s->ntt + p * n, *ap = k.a + p * n;
        ring_from_small(ck->ring, p, sp, k.s, n);
        ring_ntt(ck->ring, p, sp);
        ring_from_small(ck->ring, p, k.noise, k.e, n);
        ring_ntt(ck->ring, p, k.noise);
        ring_mul(ck->ring, p, ap, ap, sp);
        ring_sub(ck->ring, p, ap, k.noise, ap, n);
        bits_pack(wire, &at, ap, n, params->q_bits[p]);
    }
    *out = s;
    s = NULL;
out:
    arena_free(arena);
    ckks_secret_free(s);
    return status;
}

void ckks_secret_free(struct ckks_secret *s)
{
    if (s == NULL)
        return;
    secret_free(s->ntt);
    free(s);
}

static mp2ml_status public_key_alloc(struct ckks_public_key **out, const struct ckks *ck)
{
    const size_t words = ckks_words(ck->params);
    struct ckks_public_key *pk = (struct ckks_public_key *)calloc(1, sizeof(*pk));
    *out = pk;
    if (pk == NULL)
        return MP2ML_ERR_MEMORY;
    pk->a = (uint64_t *)calloc(words, sizeof(uint64_t));
    pk->b = (uint64_t *)calloc(words, sizeof(uint64_t));
    return pk->a != NULL && pk->b != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

mp2ml_status ckks_public_key_new(struct ckks_public_key **out, const struct ckks *ck,
                                 const uint8_t h0[32], const uint8_t *wire)
{
    const struct ckks_params *params = ck->params;
    mp2ml_status status;
    struct ckks_public_key *pk;
    *out = NULL;
    TRY_OUT(public_key_alloc(&pk, ck));
    size_t at = 0;
    uint64_t bad = 0;
    for (unsigned p = 0; p < params->primes; p++) {
        uint64_t *b = pk->b + p * params->n;
        bits_unpack(b, wire, &at, params->n, params->q_bits[p]);
        for (size_t j = 0; j < params->n; j++)
            bad |= b[j] >= params->q[p];
    }
    if (bad != 0 || !bits_padding_is_zero(wire, at)) {
        status = MP2ML_ERR_PROTOCOL;
        goto out;
    }
    TRY_OUT(expand_a(ck, pk->a, h0));
    *out = pk;
    pk = NULL;
out:
    ckks_public_key_free(pk);
    return status;
}

void ckks_public_key_free(struct ckks_public_key *pk)
{
    if (pk == NULL)
        return;
    free(pk->a);
    free(pk->b);
    free(pk);
}

#ifdef MP2ML_TEST_HOOKS
void ckks_set_test_hooks(struct ckks *ck, const struct ckks_test_hooks *hooks)
{
    ck->hooks = *hooks;
}

mp2ml_status ckks_public_key_new_chosen(struct ckks_public_key **out, const struct ckks *ck,
                                        const uint64_t *a, const uint64_t *b)
{
    const size_t bytes = ckks_words(ck->params) * sizeof(uint64_t);
    mp2ml_status status = public_key_alloc(out, ck);
    if (status != MP2ML_OK) {
        ckks_public_key_free(*out);
        *out = NULL;
        return status;
    }
    memcpy((*out)->a, a, bytes);
    memcpy((*out)->b, b, bytes);
    return MP2ML_OK;
}

const uint64_t *ckks_secret_residues(const struct ckks_secret *s)
{
    return s->ntt;
}
#endif
