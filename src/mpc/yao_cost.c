/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Yao engine costs: the same groups, blocks and frames, counted. */
#include "base/cpu.h"
#include "mpc/yao_play.h"

/* Measured, rough: seconds of a block of a table, of a bit of input (its label and its pads, less the
 * hash that ot_cost_reserve counts) and of a bit of a row; server, client. */
struct speed {
    double block[2], input[2], row_bit[2];
};

static const struct speed *speed(void)
{
    static const struct speed speeds[] = {
        [CPU_PORTABLE] = {{71e-9, 41e-9}, {20e-9, 20e-9}, {0.05e-9, 0.05e-9}},
        [CPU_AVX2] = {{9.8e-9, 6.5e-9}, {6e-9, 4e-9}, {0.05e-9, 0.05e-9}},
        [CPU_AVX512] = {{2.1e-9, 1.9e-9}, {3.5e-9, 3.5e-9}, {0.05e-9, 0.05e-9}},
    };
    return &speeds[cpu_level()];
}

/* The client's flight of a group. */
static void add_choices(struct cost *sum, struct ot_ledger *ledger, uint64_t bits)
{
    ot_cost_reserve(sum, ledger, bits, 0);
    ot_cost_take(ledger, bits, 0);
    cost_frame(sum, &ledger->last, COST_TO_SERVER, FRAME_HEADER_BYTES + bits_size(bits, 1));
    sum->server_seconds += speed()->input[0] * (double)bits;
    sum->client_seconds += speed()->input[1] * (double)bits;
}

/* A frame of the server's. */
static void add_frame(struct cost *sum, struct ot_ledger *ledger, size_t blocks, size_t row_bits)
{
    cost_frame(sum, &ledger->last, COST_TO_CLIENT,
               FRAME_HEADER_BYTES + garble_frame_bytes(blocks, row_bits));
    sum->server_seconds +=
        speed()->block[0] * (double)blocks + speed()->row_bit[0] * (double)row_bits;
    sum->client_seconds +=
        speed()->block[1] * (double)blocks + speed()->row_bit[1] * (double)row_bits;
}

/* n values of so many bits of input, each with its blocks and row. */
static void add_values(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned wires,
                       size_t blocks, size_t row_bits)
{
    const size_t group = yao_values_group(wires);
    for (size_t done = 0; done < n; done += group) {
        const size_t values = n - done < group ? n - done : group;
        add_choices(sum, ledger, values * wires);
        for (size_t at = 0; at < values; at += GARBLE_LANES) {
            const size_t lanes = values - at < GARBLE_LANES ? values - at : GARBLE_LANES;
            add_frame(sum, ledger, lanes * blocks, lanes * row_bits);
        }
    }
}

void yao_cost_relu(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned k, unsigned l,
                   unsigned blind)
{
    add_values(sum, ledger, n, k, yao_sign_blocks(k, blind), yao_relu_row_bits(k, l));
}

void yao_cost_sign(struct cost *sum, struct ot_ledger *ledger, size_t n, unsigned k, unsigned l,
                   unsigned blind)
{
    add_values(sum, ledger, n, k - blind, yao_sign_blocks(k, blind), yao_sign_row_bits(l));
}

static void add_windows(struct cost *sum, struct ot_ledger *ledger, const struct yao_game *game,
                        struct yao_walk walk, size_t least)
{
    struct yao_lanes lanes = {0};
    size_t bits;
    yao_walk_begin(&walk, least);
    for (size_t blocks; (blocks = yao_group_blocks(&walk, game->k, &bits)) > 0;) {
        add_choices(sum, ledger, bits);
        for (; blocks > 0; blocks--) {
            (void)yao_walk_next(&walk, &lanes);
            for (size_t number = 0; number < yao_frames(game, &lanes); number++) {
                const struct yao_frame f = yao_frame_of(game, &lanes, number);
                add_frame(sum, ledger, f.blocks, f.row_bits);
            }
        }
    }
}

void yao_cost_max(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                  size_t batch, unsigned k, unsigned blind)
{
    const struct yao_game game = yao_max_game(k, blind);
    const struct yao_walk walk = {.windows = windows, .batch = batch, .room = GARBLE_LANES};
    add_windows(sum, ledger, &game, walk, 2);
}

void yao_cost_argmax(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                     size_t batch, unsigned k)
{
    const struct yao_game game = {k, 0, mpc_index_bits(windows), 0};
    const struct yao_walk walk = {.windows = windows, .batch = batch, .room = GARBLE_LANES};
    add_windows(sum, ledger, &game, walk, 1);
}

void yao_cost_top(struct cost *sum, struct ot_ledger *ledger, const struct mpc_windows *windows,
                  size_t batch, unsigned k, unsigned top)
{
    const struct yao_game game = {k, 0, mpc_index_bits(windows), top};
    const struct yao_walk walk = {.windows = windows, .batch = batch, .room = YAO_TOP_ROOM};
    add_windows(sum, ledger, &game, walk, 1);
}
