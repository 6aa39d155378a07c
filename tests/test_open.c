/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening to the client: values, piece edges, what stays untouched, exact traffic. */
#include "mpc_pair.h"

struct run {
    const struct shared *in;
    uint64_t *out[2];
    unsigned k;
};

static mp2ml_status open_half(struct pair *p, enum party party, void *context)
{
    const struct run *r = (const struct run *)context;
    return mpc_open_to_client(p->mpc[party], 9, r->out[party], r->in->share[party], r->in->n, r->k);
}

static void check_open(struct pair *p, size_t n, unsigned k, bool in_place)
{
    struct shared in = shared_new(n);
    uint64_t seed = n + k;
    for (size_t i = 0; i < n; i++)
        in.x[i] = test_random(&seed) & mpc_ring_mask(k);
    shared_split(&in, k, seed);
    uint64_t *out = words_new(n);
    uint64_t *untouched = words_new(n);
    memset(untouched, 0x5a, n * sizeof *untouched);
    struct run r = {&in, {untouched, in_place ? in.share[1] : out}, k};
    const struct link_stats before = link_stats(p->link[1]);
    pair_run(p, open_half, &r);
    const struct link_stats after = link_stats(p->link[1]);
    assert_memory_equal(r.out[1], in.x, n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(untouched[i], 0x5a5a5a5a5a5a5a5au);
    assert_int_equal(after.bytes_sent, before.bytes_sent);
    assert_int_equal(after.bytes_received - before.bytes_received,
                     n > 0 ? FRAME_HEADER_BYTES + (n * k + 7) / 8 : 0);
    struct ot_ledger ledger = {.k_ss = 4};
    const struct cost cost = mpc_cost_open(&ledger, n, k);
    assert_int_equal(after.bytes_received - before.bytes_received, cost.bytes_to_client);
    assert_int_equal(cost.bytes_to_server, 0);
    assert_int_equal(cost.flights, n > 0);
    free(out);
    free(untouched);
    shared_free(&in);
}

static void test_open(void **state)
{
    struct pair *p = (struct pair *)*state;
    const size_t n[] = {0, 1, 3, 1000, 65535, 65536, 65537, 150001};
    const unsigned k[] = {1, 7, 12, 16, 20, 48, 17, 20};
    for (unsigned i = 0; i < 8; i++) {
        check_open(p, n[i], k[i], false);
        check_open(p, n[i], k[i], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests_name("open", tests, pair_group_new, pair_group_free);
}
