/* SPDX-License-Identifier: Apache-2.0
 *
 * The GMW engine against circuits in the clear: signs of all shares, and a circuit whose layers
 * hold several ANDs. */
#include "mpc/gmw.h"
#include "mpc_pair.h"

struct sign_run {
    const struct shared *in;
    unsigned k;
    uint64_t *d[2];
};

static mp2ml_status sign_half(struct pair *p, enum party party, void *context)
{
    struct sign_run *r = (struct sign_run *)context;
    const size_t n = r->in->n;
    TRY(ot_reserve(p->ot[party], 1, (r->k - 1) * n, (r->k - 1) * n));
    TRY(gmw_sign(p->mpc[party], 1, r->d[party], r->in->share[party], n, r->k));
    return mpc_end(p->mpc[party], MP2ML_OK, NULL, 0);
}

static void check_sign(struct pair *p, const struct shared *in, unsigned k)
{
    struct sign_run r = {in, k, {words_new(mpc_words(in->n)), words_new(mpc_words(in->n))}};
    pair_run(p, sign_half, &r);
    for (size_t i = 0; i < in->n; i++)
        assert_int_equal((r.d[0][i / 64] ^ r.d[1][i / 64]) >> (i % 64) & 1,
                         as_signed(in->x[i], k) >= 0);
    free(r.d[0]);
    free(r.d[1]);
}

static void test_sign_exhaustive(void **state)
{
    struct pair *p = (struct pair *)*state;
    for (unsigned k = 4; k <= 8; k++) {
        struct shared in = shared_all_pairs(k);
        check_sign(p, &in, k);
        shared_free(&in);
    }
}

static void test_sign_wide(void **state)
{
    struct pair *p = (struct pair *)*state;
    const unsigned k[] = {12, 16, 20};
    const size_t n[] = {1, 63, 65, 30001};
    for (unsigned i = 0; i < 12; i++) {
        struct shared in = shared_new(n[i / 3]);
        uint64_t seed = i;
        for (size_t j = 0; j < in.n; j++)
            in.x[j] =
                (j % 2 ? test_random(&seed) : (uint64_t)(j / 2 % 5) - 2) & mpc_ring_mask(k[i % 3]);
        shared_split(&in, k[i % 3], seed);
        check_sign(p, &in, k[i % 3]);
        shared_free(&in);
    }
}

/* Two inputs of two bits; three ANDs in the first layer, one in the second, and NOTs. */
static const struct circuit wide = {.bits = 2,
                                    .gates = 8,
                                    .ands = 5,
                                    .result = 11,
                                    .gate = {{CIRCUIT_AND, 0, 2},
                                             {CIRCUIT_AND, 1, 3},
                                             {CIRCUIT_AND, 0, 3},
                                             {CIRCUIT_NOT, 4, 0},
                                             {CIRCUIT_XOR, 5, 7},
                                             {CIRCUIT_AND, 7, 6},
                                             {CIRCUIT_AND, 8, 7},
                                             {CIRCUIT_XOR, 9, 10}}};

struct wide_run {
    size_t n;
    uint64_t *wires[2];
};

static mp2ml_status wide_half(struct pair *p, enum party party, void *context)
{
    struct wide_run *r = (struct wide_run *)context;
    TRY(ot_reserve(p->ot[party], 1, wide.ands * r->n, wide.ands * r->n));
    struct gmw_job job = {.n = r->n, .wires = r->wires[party]};
    TRY(triples_take(p->mpc[party], &job.triples, r->n, wide.ands));
    TRY(gmw_run(p->mpc[party], 1, &wide, &job, 1));
    return mpc_end(p->mpc[party], MP2ML_OK, NULL, 0);
}

static void test_wide_layers(void **state)
{
    struct pair *p = (struct pair *)*state;
    const size_t n = 1000;
    const size_t words = mpc_words(n);
    struct wide_run r = {n, {words_new(12 * words), words_new(12 * words)}};
    uint64_t seed = 9;
    for (size_t i = 0; i < 4 * words; i++) { /* shares of random inputs */
        r.wires[0][i] = test_random(&seed);
        r.wires[1][i] = test_random(&seed);
    }
    const uint64_t frames = link_stats(p->link[0]).frames_sent;
    pair_run(p, wide_half, &r);
    assert_in_range(link_stats(p->link[0]).frames_sent - frames, 2, 3); /* with an extension 3 */
    for (size_t w = 0; w < words; w++) {
        const uint64_t used = w + 1 < words ? UINT64_MAX : ((uint64_t)1 << n % 64) - 1;
        uint64_t wires[12];
        for (size_t j = 0; j < 4; j++)
            wires[j] = r.wires[0][j * words + w] ^ r.wires[1][j * words + w];
        circuit_clear(&wide, wires);
        for (size_t j = 4; j < 12; j++)
            assert_int_equal(
                (r.wires[0][j * words + w] ^ r.wires[1][j * words + w] ^ wires[j]) & used, 0);
    }
    free(r.wires[0]);
    free(r.wires[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_exhaustive),
        cmocka_unit_test(test_sign_wide),
        cmocka_unit_test(test_wide_layers),
    };
    return cmocka_run_group_tests_name("gmw", tests, pair_group_new, pair_group_free);
}
