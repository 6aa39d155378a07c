/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's answer: a fresh encryption of zero is added to every row, then the row is switched
 * from q to k bits (c0) and k+g bits (c1) and c0 is masked. The half of c1 needs nothing that the
 * client sends. */
#include "ckks/ckks_context.h"

#include <assert.h>
#include <string.h>

struct answer {      /* of a chunk of m rows */
    uint8_t *random; /* [m][n/2 + 6n]: u, then e1 */
    int8_t *small;   /* [m][2][n]: u, e1 */
    uint64_t *t;     /* [m][n] */
};

static bool answer_init(struct answer *w, struct arena *arena, size_t m, size_t n)
{
    w->random = (uint8_t *)arena_take(arena, m, RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n));
    w->small = (int8_t *)arena_take(arena, m, 2 * n);
    w->t = (uint64_t *)arena_take(arena, m * n, sizeof(uint64_t));
    return w->random != NULL && w->small != NULL && w->t != NULL;
}

/* C1 += a*u + e1, back in the coefficient domain; bu = b*u. CT: fixed work. */
static void rerandomise(const struct ring *ring, const struct ckks_public_key *pk, uint64_t *C1,
                        uint64_t *bu, const int8_t *u, const int8_t *e1, uint64_t *t, size_t used)
{
    const size_t n = ring->n;
    for (unsigned p = 0; p < ring->primes; p++) {
        uint64_t *c1 = C1 + p * n;
        ring_from_small(ring, p, t, u, n);
        ring_ntt(ring, p, t);
        ring_mul_add(ring, p, c1, t, pk->a + p * n);
        ring_intt(ring, p, c1);
        ring_add_small(ring, p, c1, e1, n);
        ring_mul(ring, p, t, t, pk->b + p * n);
        ring_intt(ring, p, t);
        memcpy(bu + p * used, t, used * sizeof *bu);
    }
}

/* C0 += b*u + E(bias), the latter the same in every coefficient. */
static void add_zero_and_bias(const struct ckks *ck, uint64_t *C0, const uint64_t *bu,
                              uint64_t bias, unsigned l, size_t used)
{
    uint64_t e[CKKS_MAX_PRIMES] = {0};
    ck->kernels->encode_add(&ck->ring->rns, e, 1, &bias, l, 1);
    for (unsigned p = 0; p < ck->params->primes; p++) {
        const struct modulus mod = ck->ring->prime[p].mod;
        for (size_t j = p * used; j < (p + 1) * used; j++)
            C0[j] = modulus_add(&mod, modulus_add(&mod, C0[j], bu[j]), e[p]);
    }
}

void ckks_sample_zero(const struct ckks *ck, int8_t *u, int8_t *e1, const uint8_t *random)
{
    const size_t n = ck->params->n;
#ifdef MP2ML_TEST_HOOKS
    if (ck->hooks.no_rerandomisation) {
        memset(u, 0, n);
        memset(e1, 0, n);
        return;
    }
    if (ck->hooks.fixed_random != NULL)
        random = ck->hooks.fixed_random;
#endif
    ring_sample_ternary(ck->ring, u, random, n);
    ring_sample_noise(ck->ring, e1, random + RING_TERNARY_BYTES(n), n);
}

/* CT: leaks nothing but the sizes. */
mp2ml_status ckks_answer_c1(const struct ckks *ck, const struct ckks_public_key *pk, struct prg *g,
                            struct arena *arena, uint64_t *c1s, uint64_t *bu, uint64_t *C1,
                            unsigned k, size_t rows, size_t used)
{
    const struct ckks_params *params = ck->params;
    const size_t n = params->n, mark = arena_mark(arena);
    const size_t row_random = RING_TERNARY_BYTES(n) + RING_NOISE_BYTES(n);
    struct answer w;
    assert(k >= 1 && k <= params->max_k && used <= n);
    mp2ml_status status = MP2ML_OK;
    if (!answer_init(&w, arena, ckks_chunk(rows), n))
        status = MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < rows; i += CKKS_CHUNK) {
        const size_t m = ckks_chunk(rows - i);
        TRY_OUT(prg_fill(g, w.random, m * row_random));
        CKKS_PARALLEL_FOR(m * params->primes * n)
        for (size_t j = 0; j < m; j++) {
            const size_t row = i + j;
            int8_t *u = w.small + 2 * j * n, *e1 = u + n;
            uint64_t *c1 = C1 + row * params->primes * n;
            ckks_sample_zero(ck, u, e1, w.random + j * row_random);
            rerandomise(ck->ring, pk, c1, bu + row * params->primes * used, u, e1, w.t + j * n,
                        used);
            ck->kernels->switch_bits(&ck->ring->rns, c1s + row * n, c1, n, k + params->guard_bits,
                                     n);
        }
    }
out:
    arena_rewind(arena, mark);
    return status;
}

/* CT: leaks nothing but the sizes. */
void ckks_answer_c0(const struct ckks *ck, uint64_t *c0s, uint64_t *C0, const uint64_t *bu,
                    const uint64_t *bias, const uint64_t *r, unsigned l, unsigned k, size_t rows,
                    size_t used)
{
    const struct ckks_params *params = ck->params;
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    assert(l >= 1 && l <= params->max_l && k >= 1 && k <= params->max_k && used <= params->n);
    CKKS_PARALLEL_FOR(rows * params->primes * used)
    for (size_t row = 0; row < rows; row++) {
        const size_t at = row * params->primes * used;
        uint64_t *out = c0s + row * used;
        add_zero_and_bias(ck, C0 + at, bu + at, bias[row], l, used);
        ck->kernels->switch_bits(&ck->ring->rns, out, C0 + at, used, k, used);
        for (size_t b = 0; b < used; b++)
            out[b] = (out[b] + r[row * used + b]) & mask;
    }
}

#ifdef MP2ML_TEST_HOOKS
void ckks_switch_residues(const struct ckks *ck, uint64_t *out, const uint64_t *residues,
                          unsigned bits, size_t count)
{
    ck->kernels->switch_bits(&ck->ring->rns, out, residues, count, bits, count);
}
#endif
