/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring context: finds psi, fills the tables of the transforms, and forwards to the kernels. */
#include "ring/ring_kernels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t bit_reverse(size_t x, unsigned bits)
{
    size_t r = 0;
    for (unsigned i = 0; i < bits; i++)
        r |= ((x >> i) & 1) << (bits - 1 - i);
    return r;
}

/* The least primitive 2N-th root of unity, or 0 when none of the first bases gives one. Half of all
 * bases do when q is prime; the primitive roots are the odd powers of any one of them. */
static uint64_t least_root(const struct modulus *mod, unsigned log_n)
{
    const uint64_t two_n = (uint64_t)2 << log_n;
    for (uint64_t base = 2; base < 200; base++) {
        uint64_t x = modulus_pow(mod, base, (mod->q - 1) / two_n);
        if (modulus_pow(mod, x, two_n / 2) != mod->q - 1)
            continue;
        uint64_t square = modulus_mul(mod, x, x), least = x;
        for (uint64_t i = 1; i < two_n / 2; i++) {
            x = modulus_mul(mod, x, square);
            least = x < least ? x : least;
        }
        return least;
    }
    return 0;
}

static mp2ml_status table_new(uint64_t **out, size_t n)
{
    *out = (uint64_t *)aligned_alloc(64, n * sizeof(uint64_t)); /* n >= 32: a multiple of 64 */
    return *out != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static void fill_tables(struct ring_prime *prime)
{
    const struct modulus *mod = &prime->mod;
    const uint64_t inverse = modulus_inverse(mod, prime->psi);
    uint64_t power = 1, inv_power = 1;
    for (size_t i = 0; i < prime->n; i++) {
        size_t at = bit_reverse(i, prime->log_n);
        prime->root[at] = power;
        prime->root_shoup[at] = modulus_shoup(mod, power);
        prime->inv_root[at] = inv_power;
        prime->inv_root_shoup[at] = modulus_shoup(mod, inv_power);
        power = modulus_mul(mod, power, prime->psi);
        inv_power = modulus_mul(mod, inv_power, inverse);
    }
    prime->inv_n = modulus_inverse(mod, prime->n);
    prime->inv_n_shoup = modulus_shoup(mod, prime->inv_n);
    prime->last_root = modulus_mul(mod, prime->inv_n, prime->inv_root[1]);
    prime->last_root_shoup = modulus_shoup(mod, prime->last_root);
}

static mp2ml_status prime_init(struct ring_prime *prime, unsigned log_n, uint64_t q,
                               const struct ring_kernels *kernels)
{
    prime->log_n = log_n;
    prime->n = (size_t)1 << log_n;
    if (!modulus_init(&prime->mod, q) || (q - 1) % (2 * (uint64_t)prime->n) != 0)
        return MP2ML_ERR_ARGUMENT;
    prime->psi = least_root(&prime->mod, log_n);
    if (prime->psi == 0)
        return MP2ML_ERR_ARGUMENT;
    TRY(table_new(&prime->root, prime->n));
    TRY(table_new(&prime->root_shoup, prime->n));
    TRY(table_new(&prime->inv_root, prime->n));
    TRY(table_new(&prime->inv_root_shoup, prime->n));
    fill_tables(prime);
    const size_t words = kernels->table_words(prime);
    if (words != 0)
        TRY(table_new(&prime->table, (words + 7) / 8 * 8));
    kernels->table_fill(prime, prime->table);
    return MP2ML_OK;
}

static const struct ring_kernels *kernels_pick(void)
{
    const struct ring_kernels *kernels = ring_kernels_avx512();
    if (kernels == NULL)
        kernels = ring_kernels_avx2();
    return kernels != NULL ? kernels : ring_kernels_portable();
}

mp2ml_status ring_new(struct ring **out, unsigned log_n, const uint64_t *q, unsigned primes)
{
    return ring_new_with(out, log_n, q, primes, kernels_pick());
}

mp2ml_status ring_new_with(struct ring **out, unsigned log_n, const uint64_t *q, unsigned primes,
                           const struct ring_kernels *kernels)
{
    mp2ml_status status = MP2ML_OK;
    *out = NULL;
    if (log_n < RING_MIN_LOG_N || log_n > RING_MAX_LOG_N || primes < 1 || primes > RING_MAX_PRIMES)
        return MP2ML_ERR_ARGUMENT;
    struct ring *ring = (struct ring *)calloc(1, sizeof(*ring));
    if (ring == NULL)
        return MP2ML_ERR_MEMORY;
    ring->log_n = log_n;
    ring->n = (size_t)1 << log_n;
    ring->primes = primes;
    ring->kernels = kernels;
    for (unsigned p = 0; p < primes; p++)
        TRY_OUT(prime_init(&ring->prime[p], log_n, q[p], kernels));
    if (!rns_init(&ring->rns, q, primes)) {
        status = MP2ML_ERR_ARGUMENT;
        goto out;
    }
    *out = ring;
    return MP2ML_OK;
out:
    ring_free(ring);
    return status;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    for (unsigned p = 0; p < RING_MAX_PRIMES; p++) {
        free(ring->prime[p].root);
        free(ring->prime[p].root_shoup);
        free(ring->prime[p].inv_root);
        free(ring->prime[p].inv_root_shoup);
        free(ring->prime[p].table);
    }
    free(ring);
}

void ring_ntt(const struct ring *ring, unsigned p, uint64_t *x)
{
    ring->kernels->ntt(&ring->prime[p], x);
}

void ring_intt(const struct ring *ring, unsigned p, uint64_t *x)
{
    ring->kernels->intt(&ring->prime[p], x);
}

void ring_mul(const struct ring *ring, unsigned p, uint64_t *out, const uint64_t *a,
              const uint64_t *b)
{
    ring->kernels->mul(&ring->prime[p], out, a, b, ring->n);
}

void ring_mul_add(const struct ring *ring, unsigned p, uint64_t *sum, const uint64_t *a,
                  const uint64_t *b)
{
    ring->kernels->mul_add(&ring->prime[p], sum, a, b, ring->n);
}

void ring_sub(const struct ring *ring, unsigned p, uint64_t *out, const uint64_t *a,
              const uint64_t *b, size_t count)
{
    const struct modulus mod = ring->prime[p].mod;
    for (size_t i = 0; i < count; i++)
        out[i] = modulus_sub(&mod, a[i], b[i]);
}

void ring_from_small(const struct ring *ring, unsigned p, uint64_t *out, const int8_t *small,
                     size_t count)
{
    ring->kernels->from_small(&ring->prime[p], out, small, count);
}

void ring_add_small(const struct ring *ring, unsigned p, uint64_t *x, const int8_t *small,
                    size_t count)
{
    ring->kernels->add_small(&ring->prime[p], x, small, count);
}
