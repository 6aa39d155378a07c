/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLU with ring extension against its clear twin: all shares at small widths, random and extreme
 * values above, block edges, aliasing, exact traffic, uniform output shares. */
#include "mpc/relu.h"
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    uint64_t *out[2]; /* may be the input's shares */
    unsigned k, l, blind;
    const uint64_t *negative; /* plane or NULL */
};

static mp2ml_status relu_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    return mpc_relu(p->mpc[party], 7, r->out[party], r->in->share[party],
                    party == PARTY_SERVER ? r->negative : NULL, r->in->n, r->k, r->l, r->blind);
}

static void check_blind(struct pair *p, const struct shared *in, unsigned k, unsigned l,
                        unsigned blind)
{
    struct run r = {in, {words_new(in->n), words_new(in->n)}, k, l, blind, NULL};
    uint64_t *want = words_new(in->n), *negative = words_new(mpc_words(in->n)), seed = k + l;
    mpc_relu_clear(want, in->x, NULL, in->share[1], in->n, k, l, blind);
    pair_run(p, relu_half, &r);
    assert_shares(r.out[0], r.out[1], want, in->n, l);
    for (size_t i = 0; i < mpc_words(in->n); i++) /* min(0, x) in places */
        negative[i] = test_random(&seed);
    r.negative = negative;
    mpc_relu_clear(want, in->x, negative, in->share[1], in->n, k, l, blind);
    pair_run(p, relu_half, &r);
    assert_shares(r.out[0], r.out[1], want, in->n, l);
    free(negative);
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void check_relu(struct pair *p, const struct shared *in, unsigned k, unsigned l)
{
    check_blind(p, in, k, l, 0);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t in[] = {0, 1, 7, 8, 15};
    const uint64_t want[] = {0, 1, 7, 0, 0};
    uint64_t out[5];
    mpc_relu_clear(out, in, NULL, NULL, 5, 4, 12, 0);
    assert_memory_equal(out, want, sizeof want);
    const uint64_t negative = 0x1f, below[] = {0, 0, 0, 0xff8, 0xfff};
    mpc_relu_clear(out, in, &negative, NULL, 5, 4, 12, 0);
    assert_memory_equal(out, below, sizeof below);
}

static void test_exhaustive(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= 8; k++) {
        struct shared in = shared_all_pairs(k);
        const unsigned l[] = {k, k + 1, k + 2, k + 10, MPC_MAX_RING};
        for (unsigned i = 0; i < sizeof l / sizeof *l; i++)
            check_relu(p, &in, k, l[i]);
        shared_free(&in);
    }
}

/* All shares of all values that are not extreme, the protocol against its twin. */
static void test_exhaustive_blind(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 5; k <= 8; k++)
        for (unsigned blind = 1; blind <= k - MPC_MIN_BITS; blind++) {
            struct shared in = shared_all_pairs(k);
            const int64_t most = ((int64_t)1 << (k - 1)) - ((int64_t)1 << (blind - 1));
            size_t n = 0;
            for (size_t i = 0; i < in.n; i++)
                if (as_signed(in.x[i], k) < most && as_signed(in.x[i], k) > -most) {
                    in.x[n] = in.x[i];
                    in.share[0][n] = in.share[0][i];
                    in.share[1][n++] = in.share[1][i];
                }
            in.n = n;
            check_blind(p, &in, k, k, blind);
            check_blind(p, &in, k, k + 1, blind);
            check_blind(p, &in, k, k + 10, blind);
            shared_free(&in);
        }
}

/* The stated bound, on the twin: 0 or x, and max(0, x) outside of -half <= x < half; inside, wrong
 * in as many of the 2^blind cases as it is said to be. */
static void test_blind_bound(void **state)
{
    (void)state;
    enum { K = 12, L = 20, BLIND = 5, HALF = 1 << (BLIND - 1) };
    uint64_t x[2 * HALF], low[2 * HALF], out[2 * HALF];
    for (int v = -100; v <= 100; v++) {
        int wrong = 0;
        for (uint64_t u = 0; u < 2 * HALF; u++) {
            x[u] = (uint64_t)v & mpc_ring_mask(K);
            low[u] = u;
        }
        mpc_relu_clear(out, x, NULL, low, 2 * HALF, K, L, BLIND);
        for (unsigned u = 0; u < 2 * HALF; u++) {
            const int64_t got = as_signed(out[u], L);
            assert_true(got == v || got == 0);
            wrong += got != (v > 0 ? v : 0);
        }
        if (v == 0)
            continue; /* both answers are right */
        const int distance = v < 0 ? -v : v;
        assert_int_equal(wrong, v >= HALF || v < -HALF ? 0 : HALF - distance + (v < 0) - (v > 0));
    }
}

/* Counts the slice's bits that another one has already, or that no key has. */
static unsigned overlap(bool taken[128], unsigned at, unsigned bits)
{
    unsigned bad = 0;
    for (unsigned i = at; i < at + bits; i++) {
        bad += i >= 128 || taken[i];
        if (i < 128)
            taken[i] = true;
    }
    return bad;
}

/* Every mask has bits of its own: what is known of one says nothing of another. */
static void test_slices(void **state)
{
    (void)state;
    for (unsigned k = MPC_MIN_BITS; k <= MPC_MAX_BITS; k++)
        for (unsigned l = k + 1; l <= MPC_MAX_RING; l++) {
            const struct mpc_extension e = relu_extension(k, l);
            bool a[128] = {false};
            bool b[128] = {false};
            assert_int_equal(e.k + e.h, l);
            assert_int_equal(
                overlap(a, 0, k) + overlap(a, e.a_at[0], e.h) + overlap(a, e.a_at[1], e.h), 0);
            assert_int_equal(overlap(b, e.b_at[0], e.h) + overlap(b, e.b_at[1], e.h), 0);
        }
}

/* Fills with random values, a third of them extreme. */
static void fill(struct shared *s, unsigned k, uint64_t seed)
{
    const uint64_t extreme[] = {0,
                                1,
                                UINT64_MAX,
                                (uint64_t)1 << (k - 1),
                                ((uint64_t)1 << (k - 1)) - 1,
                                (uint64_t)1 << (k - 2),
                                ((uint64_t)1 << (k - 1)) + 1,
                                ((uint64_t)3 << (k - 2)) - 1};
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = (i % 3 == 0 ? extreme[i / 3 % 8] : test_random(&seed)) & mpc_ring_mask(k);
    shared_split(s, k, seed);
    /* Shares that are extreme themselves: 0, -1 and the most negative one. */
    for (size_t i = 1; i < s->n; i += 7) {
        const unsigned side = (unsigned)(i / 7 % 2);
        s->share[side][i] = extreme[i / 14 % 4] & mpc_ring_mask(k);
        s->share[1 - side][i] = (s->x[i] - s->share[side][i]) & mpc_ring_mask(k);
    }
}

static void test_random_wide(void **state)
{
    struct pair *p = (struct pair *)*state;
    const unsigned k[] = {9, 12, 16, 20, 27, MPC_MAX_BITS};
    for (unsigned i = 0; i < 6; i++) {
        struct shared in = shared_new(i < 4 ? 20000 : 5000);
        fill(&in, k[i], i);
        check_relu(p, &in, k[i], k[i]);
        check_relu(p, &in, k[i], k[i] + 10);
        check_relu(p, &in, k[i], MPC_MAX_RING);
        for (size_t j = 0; j < in.n; j++)
            in.x[j] =
                ((in.x[j] & mpc_ring_mask(k[i] - 2)) - (j % 2 << (k[i] - 2))) & mpc_ring_mask(k[i]);
        shared_split(&in, k[i], i);
        check_blind(p, &in, k[i], k[i] + 10, k[i] - 5);
        check_blind(p, &in, k[i], k[i], 4);
        shared_free(&in);
    }
}

static void test_counts(void **state)
{
    struct pair *p = (struct pair *)*state;
    const size_t n[] = {1, 2, 7, 63, 64, 65, 127, 1000, 65535, 65536, 65537, 150000};
    for (unsigned i = 0; i < sizeof n / sizeof *n; i++) {
        struct shared in = shared_new(n[i]);
        fill(&in, 12, i);
        check_relu(p, &in, 12, 22);
        shared_free(&in);
    }
}

/* The widest widths fill the work memory of a block. */
static void test_largest(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared in = shared_new(MPC_BLOCK);
    fill(&in, 4, 5);
    check_relu(p, &in, 4, MPC_MAX_RING);
    fill(&in, 20, 6);
    check_relu(p, &in, 20, MPC_MAX_RING);
    shared_free(&in);
}

static void test_nothing(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared in = shared_new(0);
    const uint64_t before = link_stats(p->link[0]).bytes_sent;
    check_relu(p, &in, 12, 22);
    assert_int_equal(link_stats(p->link[0]).bytes_sent, before);
    shared_free(&in);
}

static void test_in_place(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned l = 12; l <= 22; l += 10) {
        struct shared in = shared_new(1000);
        fill(&in, 12, l);
        uint64_t *want = words_new(in.n);
        mpc_relu_clear(want, in.x, NULL, NULL, in.n, 12, l, 0);
        struct run r = {&in, {in.share[0], in.share[1]}, 12, l, 0, NULL};
        pair_run(p, relu_half, &r);
        assert_shares(in.share[0], in.share[1], want, in.n, l);
        free(want);
        shared_free(&in);
    }
}

/* 4(k-1-blind) + 2 + 1 + k + 3h + l bits a value, in 2(k-1-blind) + 4 frames, without what extends
 * the OTs. */
static void check_traffic(struct pair *p, size_t n, unsigned k, unsigned l, unsigned blind)
{
    const unsigned h = l - k;
    struct shared in = shared_new(n);
    fill(&in, k, n);
    struct run r = {&in, {in.share[0], in.share[1]}, k, l, blind, NULL};
    const struct link_stats before[2] = {link_stats(p->link[0]), link_stats(p->link[1])};
    pair_run(p, relu_half, &r);
    const struct link_stats after[2] = {link_stats(p->link[0]), link_stats(p->link[1])};
    const size_t ands = k - 1 - blind;
    const size_t and_bytes = ands * (FRAME_HEADER_BYTES + (2 * n + 7) / 8);
    const size_t from_server = and_bytes + FRAME_HEADER_BYTES + (n + 7) / 8 + FRAME_HEADER_BYTES +
                               (n * (k + 3 * h) + 7) / 8;
    const size_t from_client = and_bytes + FRAME_HEADER_BYTES + (n * (h > 0 ? 2 : 1) + 7) / 8 +
                               FRAME_HEADER_BYTES + (n * l + 7) / 8;
    assert_int_equal(after[0].bytes_sent - before[0].bytes_sent, from_server);
    assert_int_equal(after[1].bytes_sent - before[1].bytes_sent, from_client);
    assert_int_equal(after[1].bytes_received - before[1].bytes_received, from_server);
    assert_int_equal(after[0].frames_sent - before[0].frames_sent, ands + 2);
    assert_int_equal(after[1].frames_sent - before[1].frames_sent, ands + 2);
    shared_free(&in);
}

static mp2ml_status reserve_half(struct pair *p, enum party party, void *context)
{
    (void)context;
    return ot_reserve(p->ot[party], 6, 600000, 600000);
}

static void test_traffic(void **state)
{
    struct pair *p = (struct pair *)*state;
    pair_run(p, reserve_half, NULL); /* so that no extension comes between */
    check_traffic(p, 8000, 12, 22, 0);
    check_traffic(p, 845, 16, 22, 5);
    check_traffic(p, 63, 16, 26, 0);
    check_traffic(p, 101, 14, 14, 10);
    check_traffic(p, 1, 4, 48, 0);
    /* The table of docs/protocol.md: 111, 123, 135, 159 bits a value at h = 10. */
    for (unsigned k = 12; k <= 20; k += 2)
        assert_int_equal(4 * (k - 1) + 2 + 1 + k + 3 * 10 + (k + 10), 111 + (k - 12) * 6);
}

/* Output shares of one fixed pair of input shares, often repeated: uniform at each party. With all
 * keys zero (the control) they are not. */
static double share_z(struct pair *p, enum party party, uint64_t x0, uint64_t x1, unsigned l)
{
    struct shared in = shared_new(40000);
    for (size_t i = 0; i < in.n; i++) {
        in.share[0][i] = x0;
        in.share[1][i] = x1;
    }
    struct run r = {&in, {in.share[0], in.share[1]}, 5, l, 0, NULL};
    pair_run(p, relu_half, &r);
    uint64_t count[256] = {0};
    for (size_t i = 0; i < in.n; i++)
        count[in.share[party][i]]++;
    shared_free(&in);
    return uniform_z(count, (size_t)1 << l);
}

static void test_uniform_shares(void **state)
{
    struct pair *p = (struct pair *)*state;
    const uint64_t x0[] = {0, 31, 16, 5, 20, 15};
    const uint64_t x1[] = {0, 31, 16, 3, 9, 16};
    for (unsigned i = 0; i < 6; i++)
        for (unsigned party = 0; party < 2; party++)
            for (unsigned l = 5; l <= 8; l += 3)
                assert_true(fabs(share_z(p, party, x0[i], x1[i], l)) < UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], MPC_CONTROL_KEYS);
    for (unsigned party = 0; party < 2; party++)
        for (unsigned l = 5; l <= 8; l += 3)
            assert_true(share_z(p, party, 5, 3, l) > 100 * UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_exhaustive_blind),
        cmocka_unit_test(test_blind_bound),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_random_wide),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_uniform_shares),
    };
    return cmocka_run_group_tests_name("relu", tests, pair_group_new, pair_group_free);
}
