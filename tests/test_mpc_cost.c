/* SPDX-License-Identifier: Apache-2.0
 *
 * The cost functions against what link_stats counts at the client: bytes of each direction and
 * flights, step after step with one ledger, for every k_ss. */
#include "mpc_pair.h"

static const uint32_t first[] = {0, 1, 5, 12};
static const uint32_t member[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const struct mpc_windows windows = {3, first, member};
static const uint32_t longer_first[] = {0, 5, 12};

enum kind { RELU, SIGN, REENTRY, PRODUCT, SQUARE, MAX, ARGMAX, TOP, OPEN };
struct step {
    enum kind kind;
    enum mpc_engine engine;
    size_t n;      /* values, or the batch of windows */
    unsigned k, l; /* PRODUCT: k of one factor, 13 of the other; TOP: l places */
    unsigned blind;
};

/* Windows of at least l members. */
static const struct mpc_windows longer = {2, longer_first, member};

static mp2ml_status step_half(struct pair *p, enum party party, void *context)
{
    const struct step *s = (const struct step *)context;
    struct mpc *m = p->mpc[party];
    mpc_set_engine(m, s->engine);
    const bool windowed = s->kind == MAX || s->kind == ARGMAX || s->kind == TOP;
    const size_t values = windowed ? 12 * s->n : s->n;
    uint64_t *in = words_new(values);
    uint64_t *scratch = words_new(mpc_argmax_scratch(&windows, s->n));
    mp2ml_status status = MP2ML_ERR_ARGUMENT;
    switch (s->kind) {
    case RELU:
        status = mpc_relu(m, 1, in, in, NULL, s->n, s->k, s->l, s->blind);
        break;
    case SIGN:
        status = mpc_sign(m, 1, in, in, NULL, s->n, s->k, s->l, s->blind);
        break;
    case REENTRY:
        status = mpc_reentry(m, 1, in, in, s->n, s->k, s->l);
        break;
    case PRODUCT:
        status = mpc_product(m, 1, in, in, in, s->n, s->k, 13, s->l);
        break;
    case SQUARE:
        status = mpc_square(m, 1, in, in, s->n, s->k, s->l);
        break;
    case TOP: {
        uint64_t *out = words_new(2 * s->l * s->n);
        status = mpc_top(m, 1, out, in, &longer, s->n, s->k, s->l, scratch);
        free(out);
        break;
    }
    case MAX:
    case ARGMAX: {
        uint64_t *out = words_new(3 * s->n);
        status = s->kind == MAX ? mpc_max(m, 1, out, in, &windows, s->n, s->k, s->blind, scratch)
                                : mpc_argmax(m, 1, out, in, &windows, s->n, s->k, scratch);
        free(out);
        break;
    }
    case OPEN:
        status = mpc_open_to_client(m, 1, in, in, s->n, s->k);
        break;
    }
    free(in);
    free(scratch);
    return status;
}

static struct cost step_cost(struct ot_ledger *ledger, const struct step *s)
{
    switch (s->kind) {
    case RELU:
        return mpc_cost_relu(ledger, s->engine, s->n, s->k, s->l, s->blind);
    case SIGN:
        return mpc_cost_sign(ledger, s->engine, s->n, s->k, s->l, s->blind);
    case REENTRY:
        return mpc_cost_reentry(ledger, s->n, s->k, s->l);
    case PRODUCT:
        return mpc_cost_product(ledger, s->n, s->k, 13, s->l);
    case SQUARE:
        return mpc_cost_square(ledger, s->n, s->k, s->l);
    case TOP:
        return mpc_cost_top(ledger, s->engine, &longer, s->n, s->k, s->l);
    case MAX:
        return mpc_cost_max(ledger, s->engine, &windows, s->n, s->k, s->blind);
    case ARGMAX:
        return mpc_cost_argmax(ledger, s->engine, &windows, s->n, s->k);
    case OPEN:
        break;
    }
    return mpc_cost_open(ledger, s->n, s->k);
}

static const struct step steps[] = {
    {REENTRY, MPC_GMW, 10, 12, 22, 0},
    {RELU, MPC_GMW, 845, 12, 22, 0},
    {RELU, MPC_GMW, 100, 12, 22, 0},
    {RELU, MPC_GMW, 1, 4, 4, 0},
    {RELU, MPC_GMW, 0, 12, 22, 0},
    {REENTRY, MPC_GMW, 0, 12, 22, 0},
    {MAX, MPC_GMW, 33, 12, 12, 0},
    {ARGMAX, MPC_GMW, 17, 16, 0, 0},
    {REENTRY, MPC_GMW, 999, 16, 16, 0},
    {RELU, MPC_GMW, 65537, 12, 22, 0},
    {OPEN, MPC_GMW, 77, 16, 0, 0},
    {ARGMAX, MPC_GMW, 1, 20, 0, 0},
    {REENTRY, MPC_GMW, 70000, 12, 20, 0},
    {RELU, MPC_GMW, 140000, 16, 26, 0},
    {MAX, MPC_GMW, 20000, 8, 8, 0},
    {PRODUCT, MPC_GMW, 100, 12, 25, 0},
    {PRODUCT, MPC_GMW, 1, 24, 48, 0},
    {SQUARE, MPC_GMW, 100, 12, 22, 0},
    {SQUARE, MPC_GMW, 7, 9, 10, 0},
    {PRODUCT, MPC_GMW, 55, 13, 13, 0},
    {PRODUCT, MPC_GMW, 20000, 6, 15, 0},
    {SQUARE, MPC_GMW, 20000, 7, 14, 0},
    {PRODUCT, MPC_GMW, 0, 8, 13, 0},
    {SQUARE, MPC_GMW, 0, 8, 13, 0},
    {TOP, MPC_GMW, 33, 16, 3, 0},
    {TOP, MPC_GMW, 1, 20, 5, 0},
    {TOP, MPC_GMW, 7, 8, 1, 0},
    {TOP, MPC_GMW, 0, 8, 2, 0},
    {TOP, MPC_GMW, 14000, 4, 2, 0},
    {RELU, MPC_GMW, 100, 30, 40, 0},
    {RELU, MPC_GMW, 845, 16, 26, 5},
    {MAX, MPC_GMW, 33, 16, 16, 6},
    {RELU, MPC_GMW, 9, 8, 8, 4},
    {SIGN, MPC_GMW, 845, 16, 26, 0},
    {SIGN, MPC_GMW, 1, 4, 2, 0},
    {SIGN, MPC_GMW, 0, 12, 22, 0},
    {SIGN, MPC_GMW, 140000, 16, 48, 9},
    {SIGN, MPC_YAO, 845, 16, 26, 0},
    {SIGN, MPC_YAO, 1025, 18, 18, 7},
    {SIGN, MPC_YAO, 300000, 32, 2, 4},
    {SIGN, MPC_YAO, 0, 16, 26, 0},
    {REENTRY, MPC_GMW, 5, 12, 22, 0},
    /* Two groups of choices; around blocks; what the engines share goes on in between. */
    {RELU, MPC_YAO, 845, 16, 32, 0},
    {RELU, MPC_YAO, 1024, 18, 28, 7},
    {RELU, MPC_YAO, 1025, 4, 4, 0},
    {RELU, MPC_YAO, 0, 16, 26, 0},
    {REENTRY, MPC_YAO, 999, 16, 26, 0},
    {RELU, MPC_YAO, 270000, 32, 33, 27},
    {MAX, MPC_YAO, 33, 12, 12, 0},
    {MAX, MPC_YAO, 500, 16, 16, 6},
    {ARGMAX, MPC_YAO, 17, 16, 0, 0},
    {ARGMAX, MPC_YAO, 1100, 8, 0, 0},
    {TOP, MPC_YAO, 33, 16, 3, 0},
    {TOP, MPC_YAO, 1, 20, 5, 0},
    {TOP, MPC_YAO, 0, 8, 2, 0},
    {OPEN, MPC_YAO, 77, 16, 0, 0},
    {RELU, MPC_YAO, 1, 4, 48, 0},
    {RELU, MPC_GMW, 100, 12, 22, 0},
};

static void check_cost(unsigned k_ss)
{
    struct pair p;
    struct ot_ledger ledger = {.k_ss = k_ss};
    pair_new(&p, k_ss);
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct step s = steps[i];
        const struct link_stats before = link_stats(p.link[1]);
        pair_run(&p, step_half, &s);
        const struct link_stats after = link_stats(p.link[1]);
        const struct cost cost = step_cost(&ledger, &s);
        assert_int_equal(after.bytes_sent - before.bytes_sent, cost.bytes_to_server);
        assert_int_equal(after.bytes_received - before.bytes_received, cost.bytes_to_client);
        /* A run may have begun in the step before: at the set-up's end, or at an opening. */
        const uint64_t flights = after.flights - before.flights;
        if (i == 0 || s.kind == OPEN)
            assert_true(flights == cost.flights || flights + 1 == cost.flights);
        else
            assert_int_equal(flights, cost.flights);
    }
    pair_free(&p);
}

static void test_costs(void **state)
{
    (void)state;
    check_cost(2);
    check_cost(4);
    check_cost(8);
}

/* Random OTs of a value: docs/protocol.md's table. */
static void test_ots(void **state)
{
    (void)state;
    const unsigned total[] = {25, 29, 33, 41};
    const unsigned k[] = {12, 14, 16, 20};
    for (unsigned i = 0; i < 4; i++) {
        struct ot_ledger ledger = {.k_ss = 4};
        const struct cost cost = mpc_cost_relu(&ledger, MPC_GMW, 1000, k[i], k[i] + 10, 0);
        const uint64_t left = ledger.from_server + ledger.from_client;
        assert_int_equal(cost.ots_from_server + cost.ots_from_client - left, 1000 * total[i]);
        assert_true(cost.memory > 0 && cost.memory < (size_t)200 << 20);
    }
}

/* Bytes of a ReLU apart from its transfers, and these: docs/protocol.md. A long window, chunk by
 * chunk, costs what its frames say, and one that the engine does not take goes round by round. */
static void test_yao_bytes(void **state)
{
    static const struct {
        unsigned k, l, blind, most;
    } shapes[] = {{16, 32, 0, 680}, {16, 32, 0, 526}, {18, 28, 7, 376}};
    (void)state;
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const uint64_t n = 1024 * 100, plenty = n * 64;
        struct ot_ledger ledger = {.from_server = plenty, .from_client = 0, .k_ss = 4};
        const struct cost cost =
            mpc_cost_relu(&ledger, MPC_YAO, n, shapes[i].k, shapes[i].l, shapes[i].blind);
        assert_true(cost.bytes_to_client + cost.bytes_to_server <= n * shapes[i].most);
        assert_int_equal(plenty - ledger.from_server, n * shapes[i].k);
        assert_int_equal(cost.flights, 2);
        assert_true(cost.server_seconds > 0 && cost.client_seconds > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_ots),
        cmocka_unit_test(test_yao_bytes),
    };
    return cmocka_run_group_tests_name("mpc_cost", tests, NULL, NULL);
}
