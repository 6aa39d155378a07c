/* SPDX-License-Identifier: Apache-2.0
 *
 * Position of the maximum against its clear twin: all pairs and triples of small values, ties,
 * single members, windows of unequal lengths. */
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    const struct mpc_windows *windows;
    size_t batch;
    unsigned k;
    uint64_t *out[2];
};

static mp2ml_status argmax_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    uint64_t *scratch = words_new(mpc_argmax_scratch(r->windows, r->batch));
    mp2ml_status status = mpc_argmax(p->mpc[party], 5, r->out[party], r->in->share[party],
                                     r->windows, r->batch, r->k, scratch);
    free(scratch);
    return status;
}

static void check_argmax(struct pair *p, const struct shared *in, const struct mpc_windows *windows,
                         size_t batch, unsigned k)
{
    const size_t n = windows->count * batch;
    struct run r = {in, windows, batch, k, {words_new(n), words_new(n)}};
    uint64_t *want = words_new(n);
    mpc_argmax_clear(want, in->x, windows, batch, k);
    pair_run(p, argmax_half, &r);
    assert_shares(r.out[0], r.out[1], want, n, mpc_index_bits(windows));
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {1, 15, 1, 12, 0, 15}; /* neurons of 2: (1,-1) (1,-4) (0,-1) */
    const uint32_t first[] = {0, 3, 5, 6, 7};
    const uint32_t member[] = {0, 1, 2, 2, 0, 0, 2};
    const struct mpc_windows windows = {4, first, member};
    const uint64_t want[] = {0, 0, 1, 0, 1, 0, 1, 0};
    uint64_t out[8];
    mpc_argmax_clear(out, in, &windows, 2, 4);
    assert_memory_equal(out, want, sizeof want);
}

static void test_index_bits(void **state)
{
    (void)state;
    const unsigned length[] = {1, 2, 3, 4, 5, 8, 9, 256, 257, 1000};
    const unsigned bits[] = {1, 1, 2, 2, 3, 3, 4, 8, 9, 10};
    for (unsigned i = 0; i < 10; i++) {
        const uint32_t first[] = {0, 1, 1 + length[i]};
        const struct mpc_windows windows = {2, first, NULL};
        assert_int_equal(mpc_index_bits(&windows), bits[i]);
    }
}

static void test_exhaustive(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 3, 5, 7, 8};
    const uint32_t member[] = {0, 1, 2, 1, 0, 2, 0, 1};
    const struct mpc_windows windows = {4, first, member};
    for (unsigned k = 4; k <= 5; k++) {
        const size_t half = (size_t)1 << (k - 1);
        const size_t batch = half * half * half;
        for (unsigned sharing = 0; sharing < 4; sharing++) {
            struct shared in = shared_new(3 * batch);
            for (size_t i = 0; i < batch; i++) {
                in.x[i] = (i % half - half / 2) & mpc_ring_mask(k);
                in.x[batch + i] = (i / half % half - half / 2) & mpc_ring_mask(k);
                in.x[2 * batch + i] = (i / half / half - half / 2) & mpc_ring_mask(k);
            }
            shared_split(&in, k, sharing);
            check_argmax(p, &in, &windows, batch, k);
            shared_free(&in);
        }
    }
}

/* A single member: its sign, for all values and shares. */
static void test_single(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 1};
    const uint32_t member[] = {0};
    const struct mpc_windows windows = {1, first, member};
    for (unsigned k = 4; k <= 8; k++) {
        struct shared in = shared_all_pairs(k);
        check_argmax(p, &in, &windows, in.n, k);
        shared_free(&in);
    }
}

static void test_windows(void **state)
{
    struct pair *p = (struct pair *)*state;
    enum { NEURONS = 30, WINDOWS = 9 };
    const uint32_t length[WINDOWS] = {10, 1, 2, 3, 5, 7, 16, 17, 29};
    uint32_t first[WINDOWS + 1] = {0};
    uint32_t member[90];
    uint64_t seed = 3;
    for (unsigned w = 0; w < WINDOWS; w++) {
        first[w + 1] = first[w] + length[w];
        for (uint32_t i = first[w]; i < first[w + 1]; i++)
            member[i] = (uint32_t)(test_random(&seed) % NEURONS);
    }
    assert_int_equal(first[WINDOWS], 90);
    const struct mpc_windows windows = {WINDOWS, first, member};
    const size_t batch[] = {1, 64, 65, 200, 2};
    const unsigned k[] = {12, 5, 16, 20, MPC_MAX_BITS};
    for (unsigned i = 0; i < 5; i++) {
        struct shared in = shared_new(NEURONS * batch[i]);
        for (size_t j = 0; j < in.n; j++) /* k = 5 and every other value: many ties */
            in.x[j] = (test_random(&seed) % (j % 2 ? 3 : (uint64_t)1 << (k[i] - 1)) -
                       (j % 2 ? 1 : (uint64_t)1 << (k[i] - 2))) &
                      mpc_ring_mask(k[i]);
        shared_split(&in, k[i], i);
        check_argmax(p, &in, &windows, batch[i], k[i]);
        for (size_t j = 0; j < in.n; j++) /* all equal */
            in.x[j] = 5;
        shared_split(&in, k[i], i);
        check_argmax(p, &in, &windows, batch[i], k[i]);
        check_argmax(p, &in, &windows, 0, k[i]);
        shared_free(&in);
    }
}

static void test_blocks(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint32_t first[] = {0, 3, 6};
    const uint32_t member[] = {0, 1, 2, 2, 1, 0};
    const struct mpc_windows windows = {2, first, member};
    struct shared in = shared_new((size_t)3 * 40000);
    uint64_t seed = 4;
    for (size_t j = 0; j < in.n; j++)
        in.x[j] = (test_random(&seed) % 512 - 256) & 0xfff;
    shared_split(&in, 12, 1);
    check_argmax(p, &in, &windows, 40000, 12);
    shared_free(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),      cmocka_unit_test(test_index_bits),
        cmocka_unit_test(test_exhaustive), cmocka_unit_test(test_single),
        cmocka_unit_test(test_windows),    cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests_name("argmax", tests, pair_group_new, pair_group_free);
}
