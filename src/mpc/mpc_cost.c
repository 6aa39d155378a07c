/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps cost: the same blocks, frames and OTs as the protocols, counted. */
#include "mpc/mpc_state.h"
#include "mpc/product.h"
#include "mpc/relu.h"
#include "mpc/top.h"
#include "mpc/tournament.h"
#include "mpc/yao.h"

/* Rough seconds of one party, apart from the OTs: a bit of an AND, a value of a multiplexer. */
#define AND_SECONDS 0.3e-9
#define MUX_SECONDS 15e-9
#define CROSS_SECONDS 10e-9 /* a bit of a cross term */

/* Both send, then both receive; a direction with no bits has no frame. */
static void add_exchange(struct cost *sum, struct ot_ledger *ledger, uint64_t bits_to_client,
                         uint64_t bits_to_server)
{
    if (bits_to_server > 0)
        cost_frame(sum, &ledger->last, COST_TO_SERVER,
                   FRAME_HEADER_BYTES + (bits_to_server + 7) / 8);
    if (bits_to_client > 0)
        cost_frame(sum, &ledger->last, COST_TO_CLIENT,
                   FRAME_HEADER_BYTES + (bits_to_client + 7) / 8);
}

static void add_seconds(struct cost *sum, double seconds)
{
    sum->client_seconds += seconds;
    sum->server_seconds += seconds;
}

/* The signs of n values in one group of blocks, looking at so many bits: in each layer all blocks
 * send, then all receive. */
static void add_signs(struct cost *sum, struct ot_ledger *ledger, uint64_t n, unsigned bits)
{
    for (unsigned i = 0; i < bits - 1; i++)
        for (unsigned way = COST_TO_SERVER; way <= COST_TO_CLIENT; way++)
            for (uint64_t done = 0; done < n; done += MPC_BLOCK)
                cost_frame(sum, &ledger->last, (enum cost_way)way,
                           FRAME_HEADER_BYTES + (2 * mpc_block(n, done) + 7) / 8);
    add_seconds(sum, AND_SECONDS * (double)n * (bits - 1));
}

static void add_ots(struct cost *sum, struct ot_ledger *ledger, uint64_t from_server,
                    uint64_t from_client)
{
    ot_cost_reserve(sum, ledger, from_server, from_client);
    ot_cost_take(ledger, from_server, from_client);
}

static struct cost cost_start(void)
{
    const struct cost none = {.memory = sizeof(struct mpc) + MPC_WORK_BYTES};
    return none;
}

/* What follows the signs of a group: OTs of a value, and what a block exchanges. */
struct use {
    unsigned from_server, from_client;
    uint64_t to_client[2], to_server[2]; /* bits a value: choices, messages */
};

static void add_sign_group(struct cost *sum, struct ot_ledger *ledger, uint64_t n, unsigned k,
                           unsigned blind, const struct use *use)
{
    const unsigned ands = k - 1 - blind;
    for (uint64_t done = 0; done < n; done += MPC_BLOCK) {
        const uint64_t block = mpc_block(n, done), now = block * ands;
        /* The multiplexers' transfers wait until all signs are there. */
        ot_cost_reserve(sum, ledger, now + (done + block) * use->from_server,
                        now + (done + block) * use->from_client);
        ot_cost_take(ledger, now, now);
    }
    add_signs(sum, ledger, n, k - blind);
    for (uint64_t done = 0; done < n; done += MPC_BLOCK) {
        const uint64_t block = mpc_block(n, done);
        ot_cost_take(ledger, block * use->from_server, block * use->from_client);
        for (unsigned i = 0; i < 2; i++)
            add_exchange(sum, ledger, block * use->to_client[i], block * use->to_server[i]);
        add_seconds(sum, MUX_SECONDS * (double)block);
    }
}

static void add_sign_groups(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned k,
                            unsigned blind, const struct use *use)
{
    for (size_t done = 0; done < n; done += MPC_GROUP)
        add_sign_group(sum, ledger, n - done < MPC_GROUP ? n - done : MPC_GROUP, k, blind, use);
}

struct cost mpc_cost_relu(struct ot_ledger *ledger, enum mpc_engine engine, size_t n, unsigned k,
                          unsigned l, unsigned blind)
{
    struct cost sum = cost_start();
    const unsigned from_server = relu_muxes_from_server(k, l);
    const struct use use = {from_server, 1, {1, k + 3 * (l - k)}, {from_server, l}};
    if (engine == MPC_YAO)
        yao_cost_relu(&sum, ledger, n, k, l, blind);
    else
        add_sign_groups(&sum, ledger, n, k, blind, &use);
    return sum;
}

struct cost mpc_cost_sign(struct ot_ledger *ledger, enum mpc_engine engine, size_t n, unsigned k,
                          unsigned l, unsigned blind)
{
    struct cost sum = cost_start();
    const struct use use = {1, 0, {0, l - 1}, {1, 0}};
    if (engine == MPC_YAO)
        yao_cost_sign(&sum, ledger, n, k, l, blind);
    else
        add_sign_groups(&sum, ledger, n, k, blind, &use);
    return sum;
}

struct cost mpc_cost_reentry(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l)
{
    struct cost sum = cost_start();
    for (size_t done = 0; l > k && done < n; done += MPC_BLOCK) {
        const uint64_t block = mpc_block(n, done);
        add_ots(&sum, ledger, block, 0);
        add_exchange(&sum, ledger, 0, block);
        add_exchange(&sum, ledger, block * (l - k), 0);
        add_seconds(&sum, MUX_SECONDS * (double)block);
    }
    return sum;
}

struct cost mpc_cost_max(struct ot_ledger *ledger, enum mpc_engine engine,
                         const struct mpc_windows *windows, size_t batch, unsigned k,
                         unsigned blind)
{
    struct cost sum = cost_start();
    const size_t longest = tournament_longest(windows, 1);
    const bool yao = engine == MPC_YAO && yao_takes(windows);
    if (yao)
        yao_cost_max(&sum, ledger, windows, batch, k, blind);
    for (unsigned round = 0; !yao && tournament_left(longest, round) > 1; round++) {
        const size_t n = tournament_pairs(windows, 1, round) * batch;
        const struct cost relu = mpc_cost_relu(ledger, engine, n, k, k, blind);
        cost_add(&sum, &relu);
    }
    sum.memory += mpc_max_scratch(windows, batch) * sizeof(uint64_t);
    return sum;
}

struct cost mpc_cost_argmax(struct ot_ledger *ledger, enum mpc_engine engine,
                            const struct mpc_windows *windows, size_t batch, unsigned k)
{
    struct cost sum = cost_start();
    const unsigned bits = mpc_index_bits(windows);
    const size_t longest = tournament_longest(windows, 2);
    const bool yao = engine == MPC_YAO && yao_takes(windows);
    if (yao)
        yao_cost_argmax(&sum, ledger, windows, batch, k);
    for (unsigned round = 0; !yao && tournament_left(longest, round) > 1; round++) {
        const unsigned width = bits + (tournament_left(longest, round) == 2 ? 0 : k);
        const size_t n = tournament_pairs(windows, 2, round) * batch;
        for (size_t done = 0; done < n; done += MPC_BLOCK) {
            const uint64_t block = mpc_block(n, done);
            add_ots(&sum, ledger, block * k, block * k);
            add_signs(&sum, ledger, block, k);
            add_exchange(&sum, ledger, block, block);
            add_exchange(&sum, ledger, block * width, block * width);
            add_seconds(&sum, MUX_SECONDS * (double)block);
        }
    }
    sum.memory += mpc_argmax_scratch(windows, batch) * sizeof(uint64_t);
    return sum;
}

struct cost mpc_cost_top(struct ot_ledger *ledger, enum mpc_engine engine,
                         const struct mpc_windows *windows, size_t batch, unsigned k, unsigned top)
{
    struct cost sum = cost_start();
    const unsigned bits = top_bits(windows, k);
    const bool yao = engine == MPC_YAO && yao_takes(windows);
    if (yao)
        yao_cost_top(&sum, ledger, windows, batch, k, top);
    for (unsigned round = 0; !yao && batch > 0; round++) {
        const size_t n = top_pairs(windows, top, round) * batch;
        if (n == 0)
            break;
        const struct cost relu = mpc_cost_relu(ledger, engine, n, bits, bits, 0);
        cost_add(&sum, &relu);
    }
    sum.memory += mpc_top_scratch(windows, batch) * sizeof(uint64_t);
    return sum;
}

struct cost mpc_cost_product(struct ot_ledger *ledger, size_t n, unsigned k_a, unsigned k_b,
                             unsigned l)
{
    struct cost sum = cost_start();
    const struct cross main = product_shape(k_a < k_b ? k_a : k_b, l);
    const struct cross wrap = product_wrap(l - (k_a < k_b ? k_b : k_a));
    for (size_t done = 0; done < n; done += PRODUCT_BLOCK) {
        const uint64_t block = product_block(n, done);
        add_ots(&sum, ledger, block * main.bits, block * (main.bits + wrap.bits));
        add_exchange(&sum, ledger, block * (main.bits + wrap.bits), block * main.bits);
        add_exchange(&sum, ledger, block * cross_bits(main),
                     block * (cross_bits(main) + cross_bits(wrap)));
        add_seconds(&sum, CROSS_SECONDS * (double)block * (2 * main.bits + 1));
    }
    return sum;
}

struct cost mpc_cost_square(struct ot_ledger *ledger, size_t n, unsigned k, unsigned l)
{
    struct cost sum = cost_start();
    const struct cross main = square_shape(k, l);
    const struct cross wrap = product_wrap(l - 1 - k);
    for (size_t done = 0; done < n; done += PRODUCT_BLOCK) {
        const uint64_t block = product_block(n, done);
        add_ots(&sum, ledger, block * main.bits, block * wrap.bits);
        add_exchange(&sum, ledger, block * wrap.bits, block * main.bits);
        add_exchange(&sum, ledger, block * cross_bits(main), block * cross_bits(wrap));
        add_seconds(&sum, CROSS_SECONDS * (double)block * (main.bits + 1));
    }
    return sum;
}

struct cost mpc_cost_open(struct ot_ledger *ledger, size_t n, unsigned k)
{
    struct cost sum = cost_start();
    add_exchange(&sum, ledger, (uint64_t)n * k, 0);
    return sum;
}
