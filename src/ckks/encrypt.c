/* SPDX-License-Identifier: Apache-2.0
 *
 * The client's side of a linear step: encryption, of which only c0 travels, and decoding of the
 * switched answer; and the expansion of c1, which both parties do. */
#include "ckks/ckks_context.h"

#include <assert.h>
#include <string.h>

mp2ml_status ckks_c1_stream(struct xof **out, const struct ckks *ck, const uint8_t h0[32])
{
    return xof_new(out, h0, 32, "c1", ck->params->name);
}

/* c1[m][primes][n], m <= CKKS_CHUNK. The stream is read by one thread and cut by many; a polynomial
 * whose bytes ran out is read again, slowly. Public data: branches are fine. */
static mp2ml_status expand_chunk(const struct ckks *ck, struct xof *stream, uint64_t counter,
                                 uint8_t *bytes, uint64_t *c1, size_t m)
{
    const size_t size = ckks_uniform_bytes(ck->params), words = ckks_words(ck->params);
    bool done[CKKS_CHUNK];
    for (size_t i = 0; i < m; i++)
        TRY(xof_read(stream, bytes + i * size, size, counter + i, 0));
    CKKS_PARALLEL_FOR(m * words)
    for (size_t i = 0; i < m; i++)
        done[i] = ring_uniform_parse(ck->ring, c1 + i * words, bytes + i * size, size);
    for (size_t i = 0; i < m; i++)
        if (!done[i])
            TRY(ring_uniform_read(ck->ring, c1 + i * words, stream, counter + i));
    return MP2ML_OK;
}

mp2ml_status ckks_expand_c1(const struct ckks *ck, struct xof *c1_stream, uint64_t counter,
                            struct arena *arena, uint64_t *c1, size_t count)
{
    const size_t mark = arena_mark(arena);
    uint8_t *bytes =
        (uint8_t *)arena_take(arena, ckks_chunk(count), ckks_uniform_bytes(ck->params));
    mp2ml_status status = bytes != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < count; i += CKKS_CHUNK)
        status = expand_chunk(ck, c1_stream, counter + i, bytes, c1 + i * ckks_words(ck->params),
                              ckks_chunk(count - i));
    arena_rewind(arena, mark);
    return status;
}

/* ---- encryption ------------------------------------------------------------------------------ */

struct encryption {  /* of a chunk of m ciphertexts */
    uint8_t *stream; /* [m][uniform bytes] */
    uint64_t *c1;    /* [m][primes][n]; becomes c1*s */
    uint8_t *random; /* [m][noise bytes of `used`] */
    int8_t *e;       /* [m][used] */
};

static bool encryption_init(struct encryption *w, struct arena *arena,
                            const struct ckks_params *params, size_t m, size_t used)
{
    w->stream = (uint8_t *)arena_take(arena, m, ckks_uniform_bytes(params));
    w->c1 = (uint64_t *)arena_take(arena, m * ckks_words(params), sizeof(uint64_t));
    w->random = (uint8_t *)arena_take(arena, m, RING_NOISE_BYTES(used));
    w->e = (int8_t *)arena_take(arena, m, used);
    return w->stream != NULL && w->c1 != NULL && w->random != NULL && w->e != NULL;
}

static size_t encryption_need(const struct ckks_params *params, size_t m)
{
    const size_t n = params->n;
    return arena_need(m, ckks_uniform_bytes(params)) +
           arena_need(m * ckks_words(params), sizeof(uint64_t)) +
           arena_need(m, RING_NOISE_BYTES(n)) + arena_need(m, n);
}

/* c0[primes][used] = -(c1*s) + e + E(x). CT: fixed work. */
static void encrypt_one(const struct ckks *ck, const struct ckks_secret *s, uint64_t *c0,
                        uint64_t *c1, int8_t *e, const uint8_t *random, const uint64_t *x,
                        unsigned l, size_t used)
{
    const struct ring *ring = ck->ring;
    ring_sample_noise(ring, e, random, used);
    for (unsigned p = 0; p < ring->primes; p++) {
        uint64_t *t = c1 + p * ring->n, *out = c0 + p * used;
        ring_mul(ring, p, t, t, s->ntt + p * ring->n);
        ring_intt(ring, p, t);
        ring_from_small(ring, p, out, e, used);
        ring_sub(ring, p, out, out, t, used);
    }
    ck->kernels->encode_add(&ring->rns, c0, used, x, l, used);
}

mp2ml_status ckks_encrypt(const struct ckks *ck, const struct ckks_secret *s, struct xof *c1_stream,
                          uint64_t counter, struct prg *g, struct arena *arena, uint64_t *c0,
                          const uint64_t *x, unsigned l, size_t count, size_t used)
{
    const struct ckks_params *params = ck->params;
    const size_t words = ckks_words(params), mark = arena_mark(arena);
    struct encryption w;
    assert(l >= 1 && l <= params->max_l && used >= 1 && used <= params->n);
    mp2ml_status status = MP2ML_OK;
    if (!encryption_init(&w, arena, params, ckks_chunk(count), used))
        status = MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < count; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(count - i);
        TRY_OUT(expand_chunk(ck, c1_stream, counter + i, w.stream, w.c1, m));
        TRY_OUT(prg_fill(g, w.random, m * RING_NOISE_BYTES(used)));
        CKKS_PARALLEL_FOR(m * words)
        for (size_t j = 0; j < m; j++)
            encrypt_one(ck, s, c0 + (i + j) * params->primes * used, w.c1 + j * words,
                        w.e + j * used, w.random + j * RING_NOISE_BYTES(used), x + (i + j) * used,
                        l, used);
    }
out:
    arena_rewind(arena, mark);
    return status;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* c1'*s over the integers: |coefficient| <= N * (2^(k+g) - 1) < 2^(12+26) < q1/2, so the product
 * mod q1, centred, is exact. CT: fixed work. */
void ckks_phase(const struct ckks *ck, const struct ckks_secret *s, uint64_t *t,
                const uint64_t *c1s)
{
    memcpy(t, c1s, ck->params->n * sizeof(uint64_t));
    ring_ntt(ck->ring, 0, t);
    ring_mul(ck->ring, 0, t, t, s->ntt);
    ring_intt(ck->ring, 0, t);
}

static void decode_one(const struct ckks *ck, const struct ckks_secret *s, uint64_t *t, uint64_t *y,
                       const uint64_t *c1s, const uint64_t *c0s, unsigned k, size_t used)
{
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    ckks_phase(ck, s, t, c1s);
    for (size_t j = 0; j < used; j++)
        y[j] = (c0s[j] + ckks_round_phase(ck->params, t[j])) & mask;
}

mp2ml_status ckks_decode(const struct ckks *ck, const struct ckks_secret *s, struct arena *arena,
                         uint64_t *y, const uint64_t *c1s, const uint64_t *c0s, unsigned k,
                         size_t count, size_t used)
{
    const size_t n = ck->params->n, mark = arena_mark(arena);
    assert(k >= 1 && k <= ck->params->max_k && used <= n);
    uint64_t *t = (uint64_t *)arena_take(arena, ckks_chunk(count) * n, sizeof(uint64_t));
    for (size_t i = 0; t != NULL && i < count; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(count - i);
        CKKS_PARALLEL_FOR(m * n)
        for (size_t j = 0; j < m; j++)
            decode_one(ck, s, t + j * n, y + (i + j) * used, c1s + (i + j) * n,
                       c0s + (i + j) * used, k, used);
    }
    arena_rewind(arena, mark);
    return t != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* Room for the largest of: expansion and encryption, decoding, and a chunk of re-randomised rows
 * (modswitch.c, image.c: random bytes, u, e1, and a row of residues each). */
size_t ckks_scratch_for(const struct ckks_params *params, size_t count)
{
    const size_t n = params->n, m = ckks_chunk(count);
    const size_t switching = arena_need(m, RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n)) +
                             arena_need(m, 2 * n) +
                             arena_need(m * ckks_words(params), sizeof(uint64_t));
    const size_t encrypting = encryption_need(params, m);
    return switching > encrypting ? switching : encrypting;
}

size_t ckks_scratch_bytes(const struct ckks_params *params)
{
    return ckks_scratch_for(params, CKKS_CHUNK);
}
