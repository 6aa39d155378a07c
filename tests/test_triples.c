/* SPDX-License-Identifier: Apache-2.0
 *
 * Bit triples: the product holds, every bit is balanced, and no traffic. */
#include "mpc/triples.h"
#include "mpc_pair.h"

struct run {
    size_t n;
    unsigned count;
    uint64_t *a[2], *b[2], *c[2];
};

static mp2ml_status triples_half(struct pair *p, enum party party, void *context)
{
    struct run *r = (struct run *)context;
    struct mpc *m = p->mpc[party];
    struct triples t;
    TRY(ot_reserve(m->ot, 1, r->n * r->count, r->n * r->count));
    const uint64_t before = link_stats(p->link[party]).frames_sent;
    TRY(triples_take(m, &t, r->n, r->count));
    if (link_stats(p->link[party]).frames_sent != before)
        return MP2ML_ERR_PROTOCOL;
    const size_t bytes = r->count * mpc_words(r->n) * sizeof(uint64_t);
    memcpy(r->a[party], t.a, bytes);
    memcpy(r->b[party], t.b, bytes);
    memcpy(r->c[party], t.c, bytes);
    return mpc_end(m, MP2ML_OK, NULL, 0);
}

static uint64_t ones(const uint64_t *w, size_t words)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++)
        sum += (uint64_t)__builtin_popcountll(w[i]);
    return sum;
}

/* Standard deviations that `heads` of n fair coins lie from the middle. */
static double coin_z(uint64_t heads, size_t n)
{
    return ((double)heads - 0.5 * (double)n) / (0.5 * sqrt((double)n));
}

static void check(struct pair *p, size_t n, unsigned count, bool balanced)
{
    const size_t words = count * mpc_words(n);
    struct run r = {.n = n, .count = count};
    for (unsigned i = 0; i < 2; i++) {
        r.a[i] = words_new(words);
        r.b[i] = words_new(words);
        r.c[i] = words_new(words);
    }
    pair_run(p, triples_half, &r);
    uint64_t products = 0;
    for (size_t i = 0; i < words; i++) {
        const uint64_t product = (r.a[0][i] ^ r.a[1][i]) & (r.b[0][i] ^ r.b[1][i]);
        assert_true(product == (r.c[0][i] ^ r.c[1][i]));
        products += (uint64_t)__builtin_popcountll(product);
    }
    const uint64_t *all[] = {r.a[0], r.a[1], r.b[0], r.b[1], r.c[0], r.c[1]};
    for (unsigned i = 0; i < 6; i++) {
        const double z = fabs(coin_z(ones(all[i], words), n * count));
        assert_true(balanced ? z < UNIFORM_Z : z > UNIFORM_Z);
        if (n % 64 != 0) /* nothing beyond n */
            for (unsigned j = 1; j <= count; j++)
                assert_int_equal(all[i][j * mpc_words(n) - 1] >> (n % 64), 0);
    }
    /* A quarter of the products are one: a and b are independent. */
    const double mean = 0.25 * (double)(n * count);
    const double z = fabs((double)products - mean) / sqrt(0.75 * mean);
    assert_true(balanced ? z < UNIFORM_Z : z > UNIFORM_Z);
    for (unsigned i = 0; i < 2; i++) {
        free(r.a[i]);
        free(r.b[i]);
        free(r.c[i]);
    }
}

static void test_products(void **state)
{
    struct pair *p = (struct pair *)*state;
    check(p, 65536, 11, true);
    check(p, 1000, 19, true);
    check(p, 64, 64, true);
    check(p, 63, 1, true);
    check(p, 65, 3, true);
    check(p, 1, 64, true);
}

static void test_control(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], MPC_CONTROL_TRIPLES);
    check(p, 1000, 3, false);
    for (unsigned i = 0; i < 2; i++)
        mpc_set_control(p->mpc[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_control),
    };
    return cmocka_run_group_tests_name("triples", tests, pair_group_new, pair_group_free);
}
