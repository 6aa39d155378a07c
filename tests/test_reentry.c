/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear re-entry against its clear twin: all shares of all legal values at small widths, random
 * and extreme values above; exact traffic; uniform output shares. */
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    uint64_t *out[2];
    unsigned k, l;
};

static mp2ml_status reentry_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    return mpc_reentry(p->mpc[party], 3, r->out[party], r->in->share[party], r->in->n, r->k, r->l);
}

static void check_reentry(struct pair *p, const struct shared *in, unsigned k, unsigned l)
{
    struct run r = {in, {words_new(in->n), words_new(in->n)}, k, l};
    uint64_t *want = words_new(in->n);
    mpc_reentry_clear(want, in->x, in->n, k, l);
    pair_run(p, reentry_half, &r);
    assert_shares(r.out[0], r.out[1], want, in->n, l);
    for (unsigned i = 0; i < 2; i++) { /* and in place */
        memcpy(r.out[i], in->share[i], in->n * sizeof *in->x);
    }
    const struct shared same = {in->n, in->x, {r.out[0], r.out[1]}};
    struct run again = {&same, {r.out[0], r.out[1]}, k, l};
    pair_run(p, reentry_half, &again);
    assert_shares(r.out[0], r.out[1], want, in->n, l);
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {0, 3, 15, 12};
    const uint64_t want[] = {0, 3, 63, 60};
    uint64_t out[4];
    mpc_reentry_clear(out, in, 4, 4, 6);
    assert_memory_equal(out, want, sizeof want);
}

static void test_exhaustive(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= 8; k++) {
        struct shared in = shared_all_pairs(k);
        const int64_t quarter = (int64_t)1 << (k - 2);
        size_t legal = 0;
        for (size_t i = 0; i < in.n; i++) {
            const int64_t x = as_signed(in.x[i], k);
            in.x[legal] = in.x[i];
            in.share[0][legal] = in.share[0][i];
            in.share[1][legal] = in.share[1][i];
            legal += x >= -quarter && x < quarter;
        }
        assert_int_equal(legal, (size_t)1 << (2 * k - 1));
        in.n = legal;
        const unsigned l[] = {k, k + 1, k + 10, MPC_MAX_RING};
        for (unsigned i = 0; i < 4; i++)
            check_reentry(p, &in, k, l[i]);
        shared_free(&in);
    }
}

static void fill(struct shared *s, unsigned k, uint64_t seed)
{
    const uint64_t quarter = (uint64_t)1 << (k - 2);
    const uint64_t extreme[] = {0, 1, UINT64_MAX, quarter - 1, 0 - quarter, 1 - quarter};
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = (i % 3 == 0 ? extreme[i / 3 % 6] : test_random(&seed) % (2 * quarter) - quarter) &
                  mpc_ring_mask(k);
    shared_split(s, k, seed);
    for (size_t i = 1; i < s->n; i += 7) { /* extreme shares */
        s->share[i % 2][i] = extreme[i / 7 % 6] & mpc_ring_mask(k);
        s->share[1 - i % 2][i] = (s->x[i] - s->share[i % 2][i]) & mpc_ring_mask(k);
    }
}

static void test_random_wide(void **state)
{
    struct pair *p = (struct pair *)*state;
    const unsigned k[] = {12, 16, 20, 30};
    const size_t n[] = {1, 63, 64, 65, 65536, 65537, 150000};
    for (unsigned i = 0; i < 7; i++) {
        struct shared in = shared_new(n[i]);
        fill(&in, k[i % 4], i);
        check_reentry(p, &in, k[i % 4], k[i % 4] + 10);
        shared_free(&in);
    }
}

static mp2ml_status reserve_half(struct pair *p, enum party party, void *context)
{
    (void)context;
    return ot_reserve(p->ot[party], 6, 2000, 2000);
}

/* One bit up and h bits down a value, two flights. */
static void test_traffic(void **state)
{
    struct pair *p = (struct pair *)*state;
    pair_run(p, reserve_half, NULL);
    struct shared in = shared_new(1001);
    fill(&in, 12, 1);
    struct run r = {&in, {in.share[0], in.share[1]}, 12, 23};
    const struct link_stats before = link_stats(p->link[1]);
    pair_run(p, reentry_half, &r);
    const struct link_stats after = link_stats(p->link[1]);
    assert_int_equal(after.bytes_sent - before.bytes_sent, FRAME_HEADER_BYTES + 126);
    assert_int_equal(after.bytes_received - before.bytes_received,
                     FRAME_HEADER_BYTES + (1001 * 11 + 7) / 8);
    assert_int_equal(after.flights - before.flights, 2);
    shared_free(&in);
}

/* The high bits of the output shares, for one fixed pair of input shares, are uniform; with zero
 * keys (the control) they are constant. */
static double high_z(struct pair *p, unsigned party, uint64_t x0, uint64_t x1)
{
    struct shared in = shared_new(20000);
    for (size_t i = 0; i < in.n; i++) {
        in.share[0][i] = x0;
        in.share[1][i] = x1;
    }
    struct run r = {&in, {in.share[0], in.share[1]}, 5, 11};
    pair_run(p, reentry_half, &r);
    uint64_t count[64] = {0};
    for (size_t i = 0; i < in.n; i++)
        count[in.share[party][i] >> 5]++;
    shared_free(&in);
    return uniform_z(count, 64);
}

static void test_uniform_shares(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint64_t x0[] = {0, 31, 20, 3};
    const uint64_t x1[] = {0, 3, 15, 29};
    for (unsigned i = 0; i < 8; i++)
        assert_true(fabs(high_z(p, i % 2, x0[i / 2], x1[i / 2])) < UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], MPC_CONTROL_KEYS);
    for (unsigned i = 0; i < 8; i++)
        assert_true(high_z(p, i % 2, x0[i / 2], x1[i / 2]) > 100 * UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),          cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_random_wide),    cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_uniform_shares),
    };
    return cmocka_run_group_tests_name("reentry", tests, pair_group_new, pair_group_free);
}
