/* SPDX-License-Identifier: Apache-2.0
 *
 * Sign of shares: the twin by hand, every output ring, aliasing, block edges, exact traffic. The
 * suites of engines, costs, faults and privacy have the rest. */
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    uint64_t *out[2]; /* may be the input's shares */
    unsigned k, l, blind;
};

static mp2ml_status sign_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    mpc_set_engine(p->mpc[party], MPC_GMW);
    return mpc_sign(p->mpc[party], 7, r->out[party], r->in->share[party], NULL, r->in->n, r->k,
                    r->l, r->blind);
}

static void fill(struct shared *s, unsigned k, uint64_t seed)
{
    const uint64_t extreme[] = {0, 1, UINT64_MAX, (uint64_t)1 << (k - 1),
                                ((uint64_t)1 << (k - 1)) - 1};
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = (i % 3 == 0 ? extreme[i / 3 % 5] : test_random(&seed)) & mpc_ring_mask(k);
    shared_split(s, k, seed);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {0, 1, 7, 8, 15}, plus = 1, minus = 0x3ff, negative = 0x1b;
    const uint64_t want[] = {plus, plus, plus, minus, minus};
    const uint64_t below[] = {minus, minus, plus, plus, plus}; /* not of the third one */
    uint64_t out[5];
    mpc_sign_clear(out, in, NULL, NULL, 5, 4, 10, 0);
    assert_memory_equal(out, want, sizeof want);
    mpc_sign_clear(out, in, &negative, NULL, 5, 4, 10, 0);
    assert_memory_equal(out, below, sizeof below);
}

/* Wrong only within half of 2^blind of 0, in as many cases as said (mpc.h, plan_error.c). */
static void test_blind_bound(void **state)
{
    (void)state;
    enum { K = 12, BLIND = 5, HALF = 1 << (BLIND - 1) };
    uint64_t x[2 * HALF], low[2 * HALF], out[2 * HALF];
    for (int v = -100; v <= 100; v++) {
        int wrong = 0;
        for (uint64_t u = 0; u < 2 * HALF; u++) {
            x[u] = (uint64_t)v & mpc_ring_mask(K);
            low[u] = u;
        }
        mpc_sign_clear(out, x, NULL, low, 2 * HALF, K, 2, BLIND);
        for (unsigned u = 0; u < 2 * HALF; u++)
            wrong += (out[u] == 1) != (v >= 0);
        const int near = v < 0 ? HALF + v + 1 : HALF - v - 1;
        assert_int_equal(wrong, near > 0 && v >= -HALF ? near : 0);
    }
}

static void test_rings(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared in = shared_new(300);
    uint64_t *want = words_new(in.n);
    for (unsigned l = 2; l <= MPC_MAX_RING; l++) {
        const unsigned k = 4 + l % 20;
        struct run r = {&in, {in.share[0], in.share[1]}, k, l, 0};
        fill(&in, k, l);
        mpc_sign_clear(want, in.x, NULL, NULL, in.n, k, l, 0);
        pair_run(p, sign_half, &r);
        assert_shares(in.share[0], in.share[1], want, in.n, l);
    }
    free(want);
    shared_free(&in);
}

/* 4(k-1-blind) + 1 + l-1 bits a value, in 2(k-1-blind) + 2 frames, without what extends the OTs. */
static void check_traffic(struct pair *p, size_t n, unsigned k, unsigned l, unsigned blind)
{
    struct shared in = shared_new(n);
    fill(&in, k, n);
    uint64_t *want = words_new(n);
    mpc_sign_clear(want, in.x, NULL, in.share[1], n, k, l, blind);
    struct run r = {&in, {in.share[0], in.share[1]}, k, l, blind};
    const struct link_stats before = link_stats(p->link[1]);
    pair_run(p, sign_half, &r);
    const struct link_stats after = link_stats(p->link[1]);
    const size_t ands = (k - 1 - blind) * (FRAME_HEADER_BYTES + (2 * n + 7) / 8);
    assert_int_equal(after.bytes_sent - before.bytes_sent, ands + FRAME_HEADER_BYTES + (n + 7) / 8);
    assert_int_equal(after.bytes_received - before.bytes_received,
                     ands + FRAME_HEADER_BYTES + (n * (l - 1) + 7) / 8);
    assert_shares(in.share[0], in.share[1], want, n, l);
    free(want);
    shared_free(&in);
}

static mp2ml_status reserve_half(struct pair *p, enum party party, void *context)
{
    (void)context;
    return ot_reserve(p->ot[party], 6, 1500000, 1500000);
}

static void test_traffic(void **state)
{
    struct pair *p = (struct pair *)*state;
    pair_run(p, reserve_half, NULL); /* so that no extension comes between */
    check_traffic(p, 8000, 12, 22, 0);
    check_traffic(p, 63, 16, 26, 0);
    check_traffic(p, 64, 14, 2, 10);
    check_traffic(p, 1, 4, 48, 0);
    check_traffic(p, MPC_BLOCK, 16, 17, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_blind_bound),
        cmocka_unit_test(test_rings),
        cmocka_unit_test(test_traffic),
    };
    return cmocka_run_group_tests_name("sign", tests, pair_group_new, pair_group_free);
}
