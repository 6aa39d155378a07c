/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions of the largest values against the clear twin, and that against a sort: ties in all
 * arrangements, unequal windows, one place, some, all; the schedule's counts; uniform shares. */
#include "base/cpu.h"
#include "mpc/top.h"
#include "mpc_pair.h"

/* AES without instructions is thirty times slower: fewer values then. */
static size_t scaled(size_t n)
{
    return cpu_has_aes() ? n : n / 20 + 1;
}

struct run {
    const struct shared *in;
    const struct mpc_windows *windows;
    size_t batch;
    unsigned k, top;
    uint64_t *out[2];
};

static mp2ml_status top_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    uint64_t *scratch = words_new(mpc_top_scratch(r->windows, r->batch));
    mp2ml_status status = mpc_top(p->mpc[party], 5, r->out[party], r->in->share[party], r->windows,
                                  r->batch, r->k, r->top, scratch);
    for (size_t i = 0; i < mpc_top_scratch(r->windows, r->batch); i++)
        if (scratch[i] != 0)
            status = MP2ML_ERR_ARGUMENT; /* not wiped */
    free(scratch);
    return status;
}

static void check_top(struct pair *p, const struct shared *in, const struct mpc_windows *windows,
                      size_t batch, unsigned k, unsigned top)
{
    const size_t n = windows->count * top * batch;
    struct run r = {in, windows, batch, k, top, {words_new(n), words_new(n)}};
    uint64_t *want = words_new(n);
    mpc_top_clear(want, in->x, windows, batch, k, top);
    pair_run(p, top_half, &r);
    assert_shares(r.out[0], r.out[1], want, n, mpc_index_bits(windows));
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {1, 15, 1, 12, 3, 15, 0, 3}; /* 4 neurons of 2 */
    const uint32_t first[] = {0, 4, 7};
    const uint32_t member[] = {0, 1, 2, 3, 3, 2, 0};
    const struct mpc_windows windows = {2, first, member};
    /* 1 1 3 0 -> 2 0 1; -1 -4 -1 3 -> 3 0 2; 0 3 1 -> 1 2 0; 3 -1 -1 -> 0 1 2 */
    const uint64_t want[] = {2, 3, 0, 0, 1, 2, 1, 0, 2, 1, 0, 2};
    uint64_t out[12];
    mpc_top_clear(out, in, &windows, 2, 4, 3);
    assert_memory_equal(out, want, sizeof want);
}

/* The clear twin for one place is the clear argmax, windows of one member apart. */
static void test_clear_argmax(void **state)
{
    (void)state;
    const uint32_t first[] = {0, 9, 11};
    const uint32_t member[] = {8, 0, 1, 2, 7, 3, 4, 5, 6, 1, 0};
    const struct mpc_windows windows = {2, first, member};
    uint64_t in[900], best[200], top[200];
    uint64_t seed = 1;
    for (size_t i = 0; i < 900; i++)
        in[i] = (test_random(&seed) % 6 - 3) & 255;
    mpc_argmax_clear(best, in, &windows, 100, 8);
    mpc_top_clear(top, in, &windows, 100, 8, 1);
    assert_memory_equal(best, top, sizeof best);
}

/* Pools: no slot is lost but by the last pool, all end at one, in sum(length - 1 - p) pairs. */
static void test_schedule(void **state)
{
    (void)state;
    const uint32_t member = 0;
    for (uint32_t length = 1; length <= 70; length++)
        for (unsigned top = 1; top <= length && top <= MPC_MAX_TOP; top++) {
            const uint32_t first[] = {0, length};
            const struct mpc_windows windows = {1, first, &member};
            size_t count[MPC_MAX_TOP];
            size_t total = 0;
            unsigned round = 0;
            for (size_t pairs; (pairs = top_pools(count, length, top, round)) > 0; round++) {
                assert_true(2 * pairs <= length);
                assert_int_equal(pairs, top_pairs(&windows, top, round));
                total += pairs;
            }
            size_t want = 0;
            for (unsigned p = 0; p < top; p++) {
                assert_int_equal(count[p], 1);
                want += length - 1 - p;
            }
            assert_int_equal(total, want);
        }
    const uint32_t ten[] = {0, 10};
    const struct mpc_windows windows = {1, ten, &member};
    assert_int_equal(top_pairs(&windows, 1, 3), 1);
    assert_int_equal(top_pairs(&windows, 1, 4), 0);
    assert_int_equal(top_pairs(&windows, 3, 7), 1); /* not 4 + 4 + 3 rounds */
    assert_int_equal(top_pairs(&windows, 3, 8), 0);
}

/* All value vectors of four members over {-2, ..., 1} (k = 4: all legal values times 2 or 4), so
 * all ties in all arrangements, for every number of places. */
static void test_all_ties(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 4, 8, 13};
    const uint32_t member[] = {0, 1, 2, 3, 3, 1, 0, 2, 2, 3, 2, 1, 0};
    const struct mpc_windows windows = {3, first, member};
    const uint64_t scale[] = {1, 2}; /* and with the extremes -4 and 2 */
    for (unsigned top = cpu_has_aes() ? 1 : 3; top <= 4; top++)
        for (unsigned s = 0; s < 2; s++)
            for (unsigned sharing = 0; sharing < scaled(4); sharing++) {
                struct shared in = shared_new((size_t)4 * 256);
                for (size_t i = 0; i < 256; i++)
                    for (size_t j = 0; j < 4; j++)
                        in.x[j * 256 + i] = ((i >> 2 * j) % 4 - 2) * scale[s] & 15;
                shared_split(&in, 4, sharing);
                check_top(p, &in, &windows, 256, 4, top);
                shared_free(&in);
            }
}

/* All pairs of legal values and all shares of the first. */
static void test_exhaustive_pairs(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 2};
    const uint32_t member[] = {0, 1};
    const struct mpc_windows windows = {1, first, member};
    for (unsigned k = 4; k <= (cpu_has_aes() ? 6 : 4); k++) {
        const size_t half = (size_t)1 << (k - 1);
        const size_t batch = half * half * 2 * half;
        struct shared in = shared_new(2 * batch);
        for (size_t i = 0; i < batch; i++) {
            in.x[i] = (i % half - half / 2) & mpc_ring_mask(k);
            in.x[batch + i] = (i / half % half - half / 2) & mpc_ring_mask(k);
        }
        shared_split(&in, k, k);
        for (size_t i = 0; i < batch; i++) {
            in.share[0][i] = i / half / half;
            in.share[1][i] = (in.x[i] - in.share[0][i]) & mpc_ring_mask(k);
        }
        check_top(p, &in, &windows, batch, k, 1 + k % 2);
        shared_free(&in);
    }
}

enum { NEURONS = 30, WINDOWS = 9 };

/* Windows of unequal lengths >= `least` that name neurons at random, some twice. */
static void random_windows(uint32_t *first, uint32_t *member, uint32_t least, uint64_t seed)
{
    const uint32_t more[WINDOWS] = {10, 0, 1, 2, 5, 7, 16, 17, 21};
    first[0] = 0;
    for (unsigned w = 0; w < WINDOWS; w++) {
        first[w + 1] = first[w] + least + more[w];
        for (uint32_t i = first[w]; i < first[w + 1]; i++)
            member[i] = (uint32_t)(test_random(&seed) % NEURONS);
    }
}

static void test_windows(void **state)
{
    struct pair *p = (struct pair *)*state;
    static const struct {
        size_t batch;
        unsigned k, top;
    } cases[] = {{64, 8, 1}, {1, 12, 2},  {65, 16, 3}, {20, 20, 1},
                 {33, 5, 5}, {10, 20, 3}, {3, 26, 8},  {0, 16, 3}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t first[WINDOWS + 1], member[600];
        const unsigned k = cases[i].k;
        const size_t batch = cases[i].batch == 0 ? 0 : scaled(cases[i].batch);
        random_windows(first, member, cases[i].top, i);
        const struct mpc_windows windows = {WINDOWS, first, member};
        assert_true(k + mpc_index_bits(&windows) <= MPC_MAX_BITS);
        const uint64_t quarter = (uint64_t)1 << (k - 2);
        struct shared in = shared_new(NEURONS * batch);
        uint64_t seed = i;
        for (size_t j = 0; j < in.n; j++) { /* any, few different ones, the extremes */
            const uint64_t any = test_random(&seed) % (2 * quarter);
            in.x[j] = (j % 3 == 0   ? any - quarter
                       : j % 3 == 1 ? any % 3 - 1
                                    : (any % 2 != 0 ? quarter - 1 : 0 - quarter)) &
                      mpc_ring_mask(k);
        }
        shared_split(&in, k, i);
        check_top(p, &in, &windows, batch, k, cases[i].top);
        for (size_t j = 0; j < in.n; j++) /* all equal: 0 1 2 ... */
            in.x[j] = 3 * quarter;        /* the least value */
        shared_split(&in, k, i + 1);
        check_top(p, &in, &windows, batch, k, cases[i].top);
        shared_free(&in);
    }
}

/* All places of windows of one length: a sort. */
static void test_sort(void **state)
{
    struct pair *p = (struct pair *)*state;
    const size_t batch = scaled(50);
    uint32_t member[MPC_MAX_TOP];
    for (uint32_t i = 0; i < MPC_MAX_TOP; i++)
        member[i] = i;
    for (uint32_t length = 1; length <= MPC_MAX_TOP; length += length < 6 ? 1 : 13) {
        const uint32_t first[] = {0, length};
        const struct mpc_windows windows = {1, first, member};
        struct shared in = shared_new(length * batch);
        uint64_t seed = length;
        for (size_t j = 0; j < in.n; j++)
            in.x[j] = (test_random(&seed) % 16 - 8) & 255;
        shared_split(&in, 8, length);
        check_top(p, &in, &windows, batch, 8, length);
        shared_free(&in);
    }
}

static void test_blocks(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 3, 6};
    const uint32_t member[] = {0, 1, 2, 2, 1, 0};
    const struct mpc_windows windows = {2, first, member};
    const size_t batch = scaled(40000);
    struct shared in = shared_new(3 * batch);
    uint64_t seed = 4;
    for (size_t j = 0; j < in.n; j++)
        in.x[j] = (test_random(&seed) % 512 - 256) & 0xfff;
    shared_split(&in, 12, 1);
    check_top(p, &in, &windows, batch, 12, 2);
    shared_free(&in);
}

/* Both places' shares at each party, for one pair of shares of each value; with the control's zero
 * keys they are constant. */
static double shares_z(struct pair *p, unsigned party, unsigned place)
{
    const size_t batch = scaled(4096);
    const uint32_t first[] = {0, 4};
    const uint32_t member[] = {0, 1, 2, 3};
    const struct mpc_windows windows = {1, first, member};
    struct shared in = shared_new((size_t)4 * batch);
    for (size_t i = 0; i < in.n; i++) {
        in.share[0][i] = 7 * (i / batch);
        in.share[1][i] = 250;
    }
    struct run r = {&in, &windows, batch, 8, 2, {words_new(2 * batch), words_new(2 * batch)}};
    pair_run(p, top_half, &r);
    uint64_t count[4] = {0};
    for (size_t i = 0; i < batch; i++)
        count[r.out[party][place * batch + i]]++;
    free(r.out[0]);
    free(r.out[1]);
    shared_free(&in);
    return uniform_z(count, 4);
}

static void test_uniform(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(fabs(shares_z(p, i % 2, i / 2)) < UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], MPC_CONTROL_KEYS | MPC_CONTROL_TRIPLES);
    for (unsigned i = 0; i < 4; i++)
        assert_true(shares_z(p, i % 2, i / 2) > 20 * UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),    cmocka_unit_test(test_clear_argmax),
        cmocka_unit_test(test_schedule), cmocka_unit_test(test_all_ties),
        cmocka_unit_test(test_windows),  cmocka_unit_test(test_exhaustive_pairs),
        cmocka_unit_test(test_sort),     cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_uniform),
    };
    return cmocka_run_group_tests_name("top", tests, pair_group_new, pair_group_free);
}
