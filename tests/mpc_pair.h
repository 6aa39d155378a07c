/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of 2PC: both parties in one process, a thread each, over a pair of channels and the
 * real oblivious transfers; shares, reconstruction and a chi-square statistic. All seeds are fixed.
 */
#ifndef TESTS_MPC_PAIR_H
#define TESTS_MPC_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mpc/mpc.h"
#include "mpc/mpc_state.h"

#define OK(call) assert_int_equal((call), MP2ML_OK)

struct pair {
    struct channel *channel[2]; /* [0] server, [1] client, as all below */
    struct link *link[2];
    struct prg *prg[2];
    struct ot *ot[2];
    struct mpc *mpc[2];
};

/* What one party does; runs in its own thread. */
typedef mp2ml_status (*pair_half)(struct pair *p, enum party party, void *context);

struct pair_thread {
    struct pair *pair;
    enum party party;
    pair_half half;
    void *context;
    mp2ml_status status;
};

static inline void *pair_thread_main(void *argument)
{
    struct pair_thread *t = (struct pair_thread *)argument;
    t->status = t->half(t->pair, t->party, t->context);
    return NULL;
}

/* Runs both halves; statuses by party. */
static inline void pair_run_status(struct pair *p, pair_half half, void *context,
                                   mp2ml_status status[2])
{
    struct pair_thread t[2] = {{p, PARTY_SERVER, half, context, MP2ML_OK},
                               {p, PARTY_CLIENT, half, context, MP2ML_OK}};
    pthread_t client;
    assert_int_equal(pthread_create(&client, NULL, pair_thread_main, &t[1]), 0);
    pair_thread_main(&t[0]);
    assert_int_equal(pthread_join(client, NULL), 0);
    status[0] = t[0].status;
    status[1] = t[1].status;
}

static inline void pair_run(struct pair *p, pair_half half, void *context)
{
    mp2ml_status status[2];
    pair_run_status(p, half, context, status);
    OK(status[0]);
    OK(status[1]);
}

static inline mp2ml_status pair_setup_half(struct pair *p, enum party party, void *context)
{
    static const uint8_t sid[32] = {1};
    static const uint8_t transcript[32] = {2};
    (void)context;
    TRY(ot_setup_begin(p->ot[party], sid));
    TRY(ot_setup_end(p->ot[party]));
    return ot_start(p->ot[party], transcript);
}

static inline void pair_new(struct pair *p, unsigned k_ss)
{
    OK(secret_init());
    OK(channel_pair(&p->channel[0], &p->channel[1]));
    for (unsigned i = 0; i < 2; i++) {
        const enum party party = i == 0 ? PARTY_SERVER : PARTY_CLIENT;
        const uint8_t seed[32] = {3, (uint8_t)i};
        channel_set_timeout(p->channel[i], 60000);
        OK(link_new(&p->link[i], p->channel[i]));
        OK(prg_new_seeded(&p->prg[i], seed));
        OK(ot_new(&p->ot[i], p->link[i], party, p->prg[i], k_ss));
        OK(mpc_new(&p->mpc[i], party, p->link[i], p->ot[i], p->prg[i]));
    }
    pair_run(p, pair_setup_half, NULL);
}

static inline void pair_free(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        mpc_free(p->mpc[i]);
        ot_free(p->ot[i]);
        prg_free(p->prg[i]);
        link_free(p->link[i]);
        channel_free(p->channel[i]);
    }
}

/* A cmocka group's set-up and tear-down: state is a struct pair. */
static inline int pair_group_new(void **state)
{
    struct pair *p = (struct pair *)calloc(1, sizeof *p);
    assert_non_null(p);
    pair_new(p, 4);
    *state = p;
    return 0;
}
static inline int pair_group_free(void **state)
{
    pair_free((struct pair *)*state);
    free(*state);
    return 0;
}

/* n zeroed words. */
static inline uint64_t *words_new(size_t n)
{
    uint64_t *w = (uint64_t *)calloc(n + 1, sizeof *w);
    assert_non_null(w);
    return w;
}

/* A small generator for inputs and sharings (splitmix64): not for masks of the protocol. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct shared { /* n values and their shares */
    size_t n;
    uint64_t *x, *share[2];
};
static inline struct shared shared_new(size_t n)
{
    struct shared s = {n, words_new(n), {words_new(n), words_new(n)}};
    return s;
}
static inline void shared_free(struct shared *s)
{
    free(s->x);
    free(s->share[0]);
    free(s->share[1]);
}
/* Fresh random shares of s->x in Z_{2^k}. */
static inline void shared_split(struct shared *s, unsigned k, uint64_t seed)
{
    for (size_t i = 0; i < s->n; i++) {
        s->share[0][i] = test_random(&seed) & mpc_ring_mask(k);
        s->share[1][i] = (s->x[i] - s->share[0][i]) & mpc_ring_mask(k);
    }
}
/* All 2^2k pairs of shares. */
static inline struct shared shared_all_pairs(unsigned k)
{
    struct shared s = shared_new((size_t)1 << 2 * k);
    for (size_t i = 0; i < s.n; i++) {
        s.share[0][i] = i & mpc_ring_mask(k);
        s.share[1][i] = i >> k;
        s.x[i] = (s.share[0][i] + s.share[1][i]) & mpc_ring_mask(k);
    }
    return s;
}
static inline int64_t as_signed(uint64_t x, unsigned k)
{
    const uint64_t sign = (uint64_t)1 << (k - 1);
    return (int64_t)((x ^ sign) - sign);
}

/* Shares out of range, or a sum that is not `want`. */
static inline void assert_shares(const uint64_t *a, const uint64_t *b, const uint64_t *want,
                                 size_t n, unsigned bits)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] > mpc_ring_mask(bits) || b[i] > mpc_ring_mask(bits) ||
            ((a[i] + b[i]) & mpc_ring_mask(bits)) != want[i])
            fail_msg("value %zu of %zu: shares %llx + %llx, want %llx mod 2^%u", i, n,
                     (unsigned long long)a[i], (unsigned long long)b[i],
                     (unsigned long long)want[i], bits);
}

/* How far a histogram is from uniform, in standard deviations of chi-square: |z| < 6 for uniform
 * data but for one in 10^8. */
static inline double uniform_z(const uint64_t *count, size_t bins)
{
    double total = 0;
    for (size_t i = 0; i < bins; i++)
        total += (double)count[i];
    const double expected = total / (double)bins;
    double chi = 0;
    for (size_t i = 0; i < bins; i++)
        chi += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    const double freedom = (double)bins - 1;
    return (chi - freedom) / sqrt(2 * freedom);
}
#define UNIFORM_Z 6.0

#endif
