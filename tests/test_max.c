/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximum over windows against its clear twin: all pairs of values with several sharings, windows
 * of unequal lengths, overlaps and ties. */
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    const struct mpc_windows *windows;
    size_t batch;
    unsigned k, blind;
    uint64_t *out[2];
};

static mp2ml_status max_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    uint64_t *scratch = words_new(mpc_max_scratch(r->windows, r->batch));
    mp2ml_status status = mpc_max(p->mpc[party], 5, r->out[party], r->in->share[party], r->windows,
                                  r->batch, r->k, r->blind, scratch);
    free(scratch);
    return status;
}

static void check_max(struct pair *p, const struct shared *in, const struct mpc_windows *windows,
                      size_t batch, unsigned k)
{
    const size_t n = windows->count * batch;
    struct run r = {in, windows, batch, k, 0, {words_new(n), words_new(n)}};
    uint64_t *want = words_new(n);
    mpc_max_clear(want, in->x, NULL, windows, batch, k, 0, NULL);
    pair_run(p, max_half, &r);
    assert_shares(r.out[0], r.out[1], want, n, k);
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {1, 15, 3, 12, 14, 0}; /* 3 neurons of 2: (1,-1) (3,-4) (-2,0) */
    const uint32_t first[] = {0, 2, 5, 6};
    const uint32_t member[] = {0, 1, 2, 1, 0, 2};
    const struct mpc_windows windows = {3, first, member};
    const uint64_t want[] = {3, 15, 3, 0, 14, 0};
    uint64_t out[6];
    mpc_max_clear(out, in, NULL, &windows, 2, 4, 0, NULL);
    assert_memory_equal(out, want, sizeof want);
}

/* All pairs of values with a guard bit and all shares of the first; the second's shares run too. */
static void test_exhaustive_pairs(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 2};
    const uint32_t member[] = {0, 1};
    const struct mpc_windows windows = {1, first, member};
    for (unsigned k = 4; k <= 6; k++) {
        const size_t size = (size_t)1 << k;
        const size_t batch = size / 2 * (size / 2) * size;
        struct shared in = shared_new(2 * batch);
        for (size_t i = 0; i < batch; i++) {
            in.x[i] = (i % (size / 2) - size / 4) & (size - 1);
            in.x[batch + i] = (i / (size / 2) % (size / 2) - size / 4) & (size - 1);
        }
        shared_split(&in, k, k);
        for (size_t i = 0; i < batch; i++) {
            in.share[0][i] = i / (size / 2) / (size / 2);
            in.share[1][i] = (in.x[i] - in.share[0][i]) & (size - 1);
        }
        check_max(p, &in, &windows, batch, k);
        shared_free(&in);
    }
}

/* Small values, so that ties are frequent, and the extremes of the guarded range. */
static void fill(struct shared *s, unsigned k, uint64_t seed)
{
    const uint64_t quarter = (uint64_t)1 << (k - 2);
    for (size_t i = 0; i < s->n; i++) {
        const uint64_t pick = test_random(&seed);
        const uint64_t values[4] = {pick >> 8 & 1 ? quarter - 1 : 0 - quarter, (pick >> 8) % 3 - 1,
                                    (pick >> 8) % (2 * quarter) - quarter,
                                    (pick >> 8) % (2 * quarter) - quarter};
        s->x[i] = values[pick % 4] & mpc_ring_mask(k);
    }
    shared_split(s, k, seed);
}

static void test_windows(void **state)
{
    struct pair *p = (struct pair *)*state;
    enum { NEURONS = 40, WINDOWS = 12 };
    const uint32_t length[WINDOWS] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 1, 25};
    uint32_t first[WINDOWS + 1] = {0};
    uint32_t member[98];
    uint64_t seed = 3;
    for (unsigned w = 0; w < WINDOWS; w++) {
        first[w + 1] = first[w] + length[w];
        for (uint32_t i = first[w]; i < first[w + 1]; i++)
            member[i] = (uint32_t)(test_random(&seed) % NEURONS);
    }
    assert_int_equal(first[WINDOWS], 98);
    const struct mpc_windows windows = {WINDOWS, first, member};
    const size_t batch[] = {1, 3, 64, 65, 2};
    const unsigned k[] = {5, 12, 16, 20, MPC_MAX_BITS};
    for (unsigned i = 0; i < 5; i++) {
        struct shared in = shared_new(NEURONS * batch[i]);
        fill(&in, k[i], i);
        check_max(p, &in, &windows, batch[i], k[i]);
        shared_free(&in);
    }
    const struct mpc_windows none = {0, first, member};
    struct shared in = shared_new(NEURONS);
    check_max(p, &in, &none, 1, 12);
    check_max(p, &in, &windows, 0, 12);
    shared_free(&in);
}

/* More than one block a round. */
static void test_blocks(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 4, 7};
    const uint32_t member[] = {0, 1, 2, 3, 1, 2, 3};
    const struct mpc_windows windows = {2, first, member};
    struct shared in = shared_new(4 * 30000);
    fill(&in, 12, 8);
    check_max(p, &in, &windows, 30000, 12);
    shared_free(&in);
}

/* How far the values of windows of 7 fall short of their maximum, which 3 rounds may do by half a
 * unit of the sign each; every value is a member. */
static int64_t shortfall(const uint64_t *got, const struct shared *in, size_t batch, unsigned k)
{
    int64_t most = 0;
    for (size_t b = 0; b < batch; b++) {
        int64_t best = INT64_MIN;
        bool member = false;
        for (size_t i = 0; i < 7; i++) {
            const int64_t x = as_signed(in->x[i * batch + b], k);
            best = x > best ? x : best;
            member = member || in->x[i * batch + b] == got[b];
        }
        assert_true(member);
        most = best - as_signed(got[b], k) > most ? best - as_signed(got[b], k) : most;
    }
    return most;
}

static void test_blind(void **state)
{
    struct pair *p = (struct pair *)*state;
    enum { K = 14, BLIND = 6, BATCH = 3000, MOST = 3 << (BLIND - 1) };
    const uint32_t first[] = {0, 7};
    const uint32_t member[] = {0, 1, 2, 3, 4, 5, 6};
    const struct mpc_windows windows = {1, first, member};
    struct shared in = shared_new(7 * BATCH);
    uint64_t seed = 12, *low = words_new(6 * BATCH);
    uint64_t *scratch = words_new(mpc_max_scratch(&windows, BATCH));
    struct run r = {&in, &windows, BATCH, K, BLIND, {words_new(BATCH), words_new(BATCH)}};
    for (size_t i = 0; i < in.n; i++)
        in.x[i] = (test_random(&seed) % 1000 - 500) & mpc_ring_mask(K);
    shared_split(&in, K, 13);
    pair_run(p, max_half, &r);
    for (size_t i = 0; i < BATCH; i++)
        r.out[0][i] = (r.out[0][i] + r.out[1][i]) & mpc_ring_mask(K);
    const int64_t private_most = shortfall(r.out[0], &in, BATCH, K);
    assert_int_equal(mpc_max_pairs(&windows), 6);
    for (size_t i = 0; i < 6 * BATCH; i++)
        low[i] = test_random(&seed);
    mpc_max_clear(r.out[1], in.x, low, &windows, BATCH, K, BLIND, scratch);
    const int64_t twin_most = shortfall(r.out[1], &in, BATCH, K);
    assert_true(private_most > 0 && private_most <= MOST);
    assert_true(twin_most > 0 && twin_most <= MOST);
    mpc_max_clear(r.out[1], in.x, NULL, &windows, BATCH, K, BLIND, NULL);
    assert_int_equal(shortfall(r.out[1], &in, BATCH, K), 0);
    free(r.out[0]);
    free(r.out[1]);
    free(low);
    free(scratch);
    shared_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),   cmocka_unit_test(test_exhaustive_pairs),
        cmocka_unit_test(test_windows), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_blind),
    };
    return cmocka_run_group_tests_name("max", tests, pair_group_new, pair_group_free);
}
