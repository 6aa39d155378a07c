/* SPDX-License-Identifier: Apache-2.0
 *
 * Products and squares against their clear twins: all shares of all legal values at small widths,
 * random and extreme ones above; traffic; what the peer sees and what is kept is uniform, with a
 * control that must fail. */
#include "base/cpu.h"
#include "mpc/product.h"
#include "mpc_pair.h"

/* AES without instructions is thirty times slower: fewer values then. */
static size_t scaled(size_t n)
{
    return cpu_has_aes() ? n : n / 20 + 1;
}

struct run {
    const struct shared *a, *b; /* b NULL: a square */
    size_t n;
    unsigned k_a, k_b, l;
    uint64_t *out[2];
};

static mp2ml_status product_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    if (r->b == NULL)
        return mpc_square(p->mpc[party], 3, r->out[party], r->a->share[party], r->n, r->k_a, r->l);
    return mpc_product(p->mpc[party], 3, r->out[party], r->a->share[party], r->b->share[party],
                       r->n, r->k_a, r->k_b, r->l);
}

static void check(struct pair *p, const struct shared *a, const struct shared *b, unsigned k_a,
                  unsigned k_b, unsigned l)
{
    struct run r = {a, b, a->n, k_a, k_b, l, {words_new(a->n), words_new(a->n)}};
    uint64_t *want = words_new(a->n);
    if (b == NULL)
        mpc_square_clear(want, a->x, a->n, k_a, l);
    else
        mpc_product_clear(want, a->x, b->x, a->n, k_a, k_b, l);
    pair_run(p, product_half, &r);
    assert_shares(r.out[0], r.out[1], want, a->n, l);
    free(r.out[0]);
    free(r.out[1]);
    free(want);
}

static void test_clear(void **state)
{
    (void)state;
    const uint64_t a[] = {3, 12, 12, 0, 15}; /* 3 -4 -4 0 -1 in Z_16 */
    const uint64_t b[] = {31, 24, 7, 5, 31}; /* -1 -8 7 5 -1 in Z_32 */
    const uint64_t want[] = {125, 32, 100, 0, 1};
    const uint64_t squares[] = {9, 16, 16, 0, 1};
    uint64_t out[5];
    mpc_product_clear(out, a, b, 5, 4, 5, 7);
    assert_memory_equal(out, want, sizeof want);
    mpc_square_clear(out, a, 5, 4, 6);
    assert_memory_equal(out, squares, sizeof squares);
}

/* All shares of all values with a guard bit; `step` > 1 takes every such second share only. */
static struct shared legal_pairs(unsigned k, size_t step)
{
    struct shared s = shared_all_pairs(k);
    const int64_t quarter = (int64_t)1 << (k - 2);
    size_t legal = 0;
    for (size_t i = 0; i < s.n; i++) {
        const int64_t x = as_signed(s.x[i], k);
        if (x < -quarter || x >= quarter || (i >> k) % step != 0)
            continue;
        s.x[legal] = s.x[i];
        s.share[0][legal] = s.share[0][i];
        s.share[1][legal++] = s.share[1][i];
    }
    s.n = legal;
    return s;
}

/* Every entry of s with each of `count` others: entry i of the result is s[i / each % s.n]. */
static struct shared repeat(const struct shared *s, size_t each, size_t n)
{
    struct shared r = shared_new(n);
    for (size_t i = 0; i < n; i++) {
        const size_t from = i / each % s->n;
        r.x[i] = s->x[from];
        r.share[0][i] = s->share[0][from];
        r.share[1][i] = s->share[1][from];
    }
    return r;
}

static void check_all(struct pair *p, unsigned k_a, unsigned k_b, size_t step, const unsigned *l,
                      unsigned rings)
{
    struct shared all_a = legal_pairs(k_a, 1);
    struct shared all_b = legal_pairs(k_b, step);
    const size_t n = all_a.n * all_b.n;
    struct shared a = repeat(&all_a, 1, n);
    struct shared b = repeat(&all_b, all_a.n, n);
    for (unsigned i = 0; i < rings; i++)
        check(p, &a, &b, k_a, k_b, l[i]);
    shared_free(&all_a);
    shared_free(&all_b);
    shared_free(&a);
    shared_free(&b);
}

static void test_exhaustive(void **state)
{
    struct pair *p = (struct pair *)*state;
    if (!cpu_has_aes()) {
        check_all(p, 4, 4, 5, (const unsigned[]){5, 9}, 2);
        return;
    }
    check_all(p, 4, 4, 1, (const unsigned[]){4, 5, 6, 8, 9, MPC_MAX_RING}, 6);
    check_all(p, 4, 5, 1, (const unsigned[]){5, 7}, 2);
    check_all(p, 5, 4, 1, (const unsigned[]){7, 15}, 2);
    check_all(p, 5, 5, 1, (const unsigned[]){8}, 1);
    check_all(p, 4, 6, 1, (const unsigned[]){8}, 1);
    check_all(p, 6, 6, 9, (const unsigned[]){10}, 1);
}

static void test_exhaustive_squares(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= (cpu_has_aes() ? 7 : 4); k++) {
        struct shared in = legal_pairs(k, 1);
        assert_int_equal(in.n, (size_t)1 << (2 * k - 1));
        const unsigned l[] = {k + 1, k + 2, 2 * k - 2, 2 * k, 2 * k + 1, MPC_MAX_RING};
        for (unsigned i = 0; i < 6; i++)
            check(p, &in, NULL, k, 0, l[i]);
        shared_free(&in);
    }
}

/* Random values, a third of them and some shares extreme. */
static struct shared filled(size_t n, unsigned k, uint64_t seed)
{
    struct shared s = shared_new(n);
    const uint64_t quarter = (uint64_t)1 << (k - 2);
    const uint64_t extreme[] = {0, 1, UINT64_MAX, quarter - 1, 0 - quarter, 1 - quarter};
    for (size_t i = 0; i < n; i++) {
        const uint64_t any = test_random(&seed) % (2 * quarter) - quarter;
        s.x[i] = (any % 3 == 0 ? extreme[test_random(&seed) % 6] : any) & mpc_ring_mask(k);
    }
    shared_split(&s, k, seed);
    for (size_t i = 0; i < n; i += 5) {
        const unsigned side = (unsigned)(test_random(&seed) % 2);
        s.share[side][i] = extreme[test_random(&seed) % 6] & mpc_ring_mask(k);
        s.share[1 - side][i] = (s.x[i] - s.share[side][i]) & mpc_ring_mask(k);
    }
    return s;
}

static void test_random_wide(void **state)
{
    struct pair *p = (struct pair *)*state;
    static const struct {
        size_t n;
        unsigned k_a, k_b, l;
    } cases[] = {{1, 12, 12, 22},     {63, 16, 16, 32},    {64, 12, 16, 25},
                 {65, 16, 12, 30},    {8192, 20, 20, 40},  {8193, 24, 24, MPC_MAX_RING},
                 {5000, 4, 24, 24},   {5000, 24, 24, 24},  {5000, 12, 24, MPC_MAX_RING},
                 {70000, 12, 12, 21}, {20000, 16, 16, 30}, {0, 16, 16, 32}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t n = cases[i].n < 66 ? cases[i].n : scaled(cases[i].n);
        struct shared a = filled(n, cases[i].k_a, i);
        struct shared b = filled(n, cases[i].k_b, 100 + i);
        check(p, &a, &b, cases[i].k_a, cases[i].k_b, cases[i].l);
        if (cases[i].l > cases[i].k_a)
            check(p, &a, NULL, cases[i].k_a, 0, cases[i].l);
        shared_free(&a);
        shared_free(&b);
    }
}

/* out is a, out is b, a is b: the last is the square. */
static void test_in_place(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared a = filled(scaled(9000), 12, 1);
    struct shared b = filled(scaled(9000), 13, 2);
    uint64_t *want = words_new(a.n);
    mpc_product_clear(want, a.x, b.x, a.n, 12, 13, 24);
    struct run r = {&a, &b, a.n, 12, 13, 24, {a.share[0], a.share[1]}};
    pair_run(p, product_half, &r);
    assert_shares(a.share[0], a.share[1], want, a.n, 24);
    shared_split(&a, 12, 3);
    struct run second = {&a, &b, a.n, 12, 13, 24, {b.share[0], b.share[1]}};
    pair_run(p, product_half, &second);
    assert_shares(b.share[0], b.share[1], want, a.n, 24);
    mpc_square_clear(want, a.x, a.n, 12, 22);
    struct run same = {&a, &a, a.n, 12, 12, 22, {b.share[0], b.share[1]}};
    pair_run(p, product_half, &same);
    assert_shares(b.share[0], b.share[1], want, a.n, 22);
    struct run square = {&a, NULL, a.n, 12, 0, 22, {a.share[0], a.share[1]}};
    pair_run(p, product_half, &square);
    assert_shares(a.share[0], a.share[1], want, a.n, 22);
    shared_free(&a);
    shared_free(&b);
    free(want);
}

static mp2ml_status reserve_half(struct pair *p, enum party party, void *context)
{
    (void)context;
    return ot_reserve(p->ot[party], 6, 40 * scaled(1001), 40 * scaled(1001));
}

/* The bytes of the file heads' drawings, for 1001 values: two exchanges. */
static void test_traffic(void **state)
{
    struct pair *p = (struct pair *)*state;
    const size_t n = scaled(1001);
    const size_t main = 16 * 32 - 120; /* 32 + 31 + ... + 17 bits */
    const size_t half = 16 * 31 - 120;
    pair_run(p, reserve_half, NULL);
    for (unsigned square = 0; square < 2; square++) {
        struct shared a = filled(n, 16, 1);
        struct shared b = filled(n, 16, 2);
        struct run r = {&a, square ? NULL : &b, n, 16, 16, 32, {a.share[0], a.share[1]}};
        const struct link_stats before = link_stats(p->link[1]);
        pair_run(p, product_half, &r);
        const struct link_stats after = link_stats(p->link[1]);
        const size_t up[2] = {n * 16, square ? n * 15 : n * (16 + main)};
        const size_t down[2] = {square ? n : n * 17, square ? n * half : n * main};
        assert_int_equal(after.bytes_sent - before.bytes_sent,
                         2 * FRAME_HEADER_BYTES + bits_size(up[0], 1) + bits_size(up[1], 1));
        assert_int_equal(after.bytes_received - before.bytes_received,
                         2 * FRAME_HEADER_BYTES + bits_size(down[0], 1) + bits_size(down[1], 1));
        assert_int_equal(after.flights - before.flights, 4);
        shared_free(&a);
        shared_free(&b);
    }
}

/* The largest blocks' pieces fit the arena, and nothing stays in it. */
static void test_memory(void **state)
{
    struct pair *p = (struct pair *)*state;
    struct shared a = filled(scaled(PRODUCT_BLOCK), 24, 1);
    check(p, &a, &a, 24, 24, MPC_MAX_RING);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(arena_mark(p->mpc[i]->arena), 0);
        assert_true(arena_peak(p->mpc[i]->arena) <= MPC_WORK_BYTES);
    }
    shared_free(&a);
}

/* ---- privacy -------------------------------------------------------------------------------- */

struct watch { /* bytes that one party sent, by frame type */
    uint64_t count[256][256];
};

static void watch_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct watch *w = (struct watch *)context;
    (void)step;
    for (size_t i = 0; sent && i < length; i++)
        w->count[type][part[i]]++;
}

static double bytes_z(const struct watch *w, enum frame_type type)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < 256; i++)
        total += w->count[type][i];
    assert_true(total > 100);
    return fabs(uniform_z(w->count[type], 256));
}

/* Bits from `low` on of one party's results. */
static double shares_z(const uint64_t *share, size_t n, unsigned low)
{
    uint64_t count[256] = {0};
    for (size_t i = 0; i < n; i++)
        count[share[i] >> low & 255]++;
    return fabs(uniform_z(count, 256));
}

/* One pair of shares of each factor, many times over. */
static void check_uniform(struct pair *p, bool square, const uint64_t x[4], bool uniform)
{
    struct watch *watch[2] = {(struct watch *)calloc(1, sizeof(struct watch)),
                              (struct watch *)calloc(1, sizeof(struct watch))};
    const size_t n = scaled(20000);
    struct shared a = shared_new(n);
    struct shared b = shared_new(n);
    struct run r = {&a, square ? NULL : &b, n, 12, 13, 23, {words_new(n), words_new(n)}};
    for (size_t i = 0; i < n; i++) {
        a.share[0][i] = x[0];
        a.share[1][i] = x[1];
        b.share[0][i] = x[2];
        b.share[1][i] = x[3];
    }
    for (unsigned i = 0; i < 2; i++)
        link_set_tap(p->link[i], watch_tap, watch[i]);
    pair_run(p, product_half, &r);
    const enum frame_type types[] = {FRAME_OT_CHOICE, FRAME_OT_MESSAGE};
    for (unsigned i = 0; i < 2; i++) {
        link_set_tap(p->link[i], NULL, NULL);
        for (unsigned j = 0; j < 2; j++) {
            const double z = bytes_z(watch[i], types[j]);
            assert_true(uniform ? z < UNIFORM_Z : z > 100 * UNIFORM_Z);
        }
        for (unsigned low = 0; low <= 15; low += 5) {
            /* The lowest bit of a square is that of its two own squares: A_0^2 + A_1^2. */
            const double z = shares_z(r.out[i], n, square && low == 0 ? 1 : low);
            assert_true(uniform ? z < UNIFORM_Z : z > 100 * UNIFORM_Z);
        }
        free(watch[i]);
        free(r.out[i]);
    }
    shared_free(&a);
    shared_free(&b);
}

static void test_uniform(void **state)
{
    struct pair *p = (struct pair *)*state;
    static const uint64_t x[][4] = {
        {0, 0, 0, 0}, {4095, 4095, 8191, 8191}, {5, 3, 17, 8000}, {2048, 2047, 4096, 4097}};
    for (unsigned i = 0; i < 4; i++) {
        check_uniform(p, false, x[i], true);
        check_uniform(p, true, x[i], true);
    }
}

static void test_uniform_control(void **state)
{
    struct pair *p = (struct pair *)*state;
    static const uint64_t x[4] = {5, 3, 17, 8000};
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], MPC_CONTROL_KEYS);
    check_uniform(p, false, x, false);
    check_uniform(p, true, x, false);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_exhaustive_squares),
        cmocka_unit_test(test_random_wide),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_uniform_control),
    };
    return cmocka_run_group_tests_name("product", tests, pair_group_new, pair_group_free);
}
