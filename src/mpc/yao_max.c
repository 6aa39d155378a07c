/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximum and its position over windows by garbled circuits: the shares of all members are added,
 * then neighbours meet in rounds (tournament.h) and a multiplexer passes the winner on, the left
 * one at a tie.
 *
 * After round r slot j stands for members j * 2^(r+1) onwards, so the position of its winner is j
 * in the upper bits, known to all, and r+1 wires below: in a round the lower r of them go through
 * the multiplexer and the next is NOT d. A slot without a neighbour has position bit 0.
 *
 * A window that does not fit a chunk has its chunks, of a power of two members, play first. */
#include <assert.h>
#include <string.h>

#include "mpc/yao_play.h"

static_assert((GARBLE_LANES & (GARBLE_LANES - 1)) == 0, "chunks have a power of two members");

#define CHUNKS (YAO_MAX_MEMBERS / GARBLE_LANES)

struct board { /* wires of slots: bit i of slot s, lane q at i*stride + s*lanes + q */
    struct block *value, *index;
    size_t value_stride, index_stride;
};

struct max {
    struct yao_windows y;
    struct yao_game game;
    uint64_t *out, *share;          /* share: a number a lane */
    struct board chunk, winners;    /* chunk.value is y.x */
    struct block *left, *right, *d; /* of all pairs of a round */
};

static mp2ml_status max_take(struct max *x, struct mpc *m, uint16_t step)
{
    struct arena *a = m->arena;
    const size_t wires = x->game.k + x->game.index_bits, lanes = GARBLE_LANES;
    /* No frame has more: per element a sum, per pair a comparison and a multiplexer. */
    const size_t room = garble_frame_bytes(
        lanes * (garble_sum_blocks(x->game.k) + 2 * (x->game.k + wires)), lanes * wires * wires);
    TRY(yao_windows_begin(&x->y, m, step, room));
    x->share = arena_take(a, lanes, sizeof *x->share);
    x->chunk.value = x->y.x;
    x->chunk.index = arena_take(a, lanes * (x->game.index_bits + 1), sizeof *x->chunk.index);
    x->chunk.index_stride = lanes;
    x->winners.value = arena_take(a, CHUNKS * x->game.k, sizeof *x->winners.value);
    x->winners.index = arena_take(a, CHUNKS * (x->game.index_bits + 1), sizeof *x->winners.index);
    x->winners.value_stride = x->winners.index_stride = CHUNKS;
    x->left = arena_take(a, lanes / 2 * wires, sizeof *x->left);
    x->right = arena_take(a, lanes / 2 * wires, sizeof *x->right);
    x->d = arena_take(a, lanes, sizeof *x->d);
    const bool all = x->share != NULL && x->chunk.index != NULL && x->winners.value != NULL &&
                     x->winners.index != NULL && x->left != NULL && x->right != NULL &&
                     x->d != NULL;
    return all ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* ---- a round -------------------------------------------------------------------------------- */

/* Both members of each of the pairs, one wire: left and right get pairs * lanes labels. */
static void meet(struct block *left, struct block *right, const struct block *wire, size_t pairs,
                 size_t lanes)
{
    for (size_t j = 0; j < pairs; j++, wire += 2 * lanes) {
        memcpy(left + j * lanes, wire, lanes * sizeof *left);
        memcpy(right + j * lanes, wire + lanes, lanes * sizeof *right);
    }
}

/* The wire of the next round: winners, then a slot without a neighbour. */
static void advance(struct block *wire, const struct block *winner, size_t count, size_t lanes)
{
    const size_t pairs = count / 2;
    memcpy(wire, winner, pairs * lanes * sizeof *wire);
    if (count % 2 != 0)
        memmove(wire + pairs * lanes, wire + 2 * pairs * lanes, lanes * sizeof *wire);
}

/* The next bit of positions: NOT d, and 0 where there was no neighbour. */
static void next_index(struct max *x, struct block *wire, size_t count, size_t lanes)
{
    const size_t n = count / 2 * lanes;
    memcpy(wire, x->d, n * sizeof *wire);
    garble_not(&x->y.g, wire, n);
    if (count % 2 != 0)
        garble_constant(&x->y.g, wire + n, 0, lanes);
}

static void play_round(struct max *x, const struct board *b, size_t count, unsigned round,
                       bool values)
{
    const unsigned bits = x->game.k - 1, index = x->game.index_bits > 0 ? round : 0;
    const size_t lanes = x->y.lanes.n, pairs = count / 2, n = pairs * lanes;
    for (unsigned i = 0; i < bits; i++)
        meet(x->left + i * n, x->right + i * n, b->value + i * b->value_stride, pairs, lanes);
    for (unsigned i = 0; i < index; i++)
        meet(x->left + (bits + i) * n, x->right + (bits + i) * n, b->index + i * b->index_stride,
             pairs, lanes);
    yao_not_less(&x->y, x->d, x->left, x->right, n, bits, x->game.skip);
    const unsigned from = values ? 0 : bits;
    yao_choose(&x->y, x->d, x->left + from * n, x->right + from * n, n, bits + index - from, false);
    for (unsigned i = from; i < bits; i++)
        advance(b->value + i * b->value_stride, x->right + i * n, count, lanes);
    for (unsigned i = 0; i < index; i++)
        advance(b->index + i * b->index_stride, x->right + (bits + i) * n, count, lanes);
    if (x->game.index_bits > 0)
        next_index(x, b->index + round * b->index_stride, count, lanes);
}

/* All rounds from number `round` on; slot 0 gets the winner. Returns the round after the last. */
static unsigned play(struct max *x, const struct board *b, size_t count, unsigned round, bool final)
{
    for (; count > 1; round++, count -= count / 2)
        play_round(x, b, count, round, x->game.index_bits == 0 || !final || count > 2);
    return round;
}

/* ---- a block -------------------------------------------------------------------------------- */

static void max_output(struct max *x, const struct board *b)
{
    const size_t lanes = x->y.lanes.n, length = x->y.lanes.length;
    const unsigned k = x->game.k, m = x->game.index_bits;
    memset(x->share, 0, lanes * sizeof *x->share);
    if (m > 0 && length == 1) { /* one member: [x >= 0] */
        struct block *top = b->value + (k - 1) * b->value_stride;
        garble_not(&x->y.g, top, lanes);
        yao_add_wire(&x->y, x->share, top, lanes, 0, m, false);
    } else if (m > 0) {
        for (unsigned i = 0; i < yao_rounds(length); i++)
            yao_add_wire(&x->y, x->share, b->index + i * b->index_stride, lanes, i, m, false);
    } else { /* k-1 bits in two's complement */
        for (unsigned i = 0; i < k - 1; i++)
            yao_add_wire(&x->y, x->share, b->value + i * b->value_stride, lanes, i, k, i == k - 2);
    }
    for (size_t i = 0; i < lanes; i++)
        x->out[x->y.lanes.place[i]] = x->share[i];
}

/* The winner of a chunk becomes slot `number` of the winners; lanes = 1. Positions have all bits
 * of a whole chunk. */
static void keep_winner(struct max *x, size_t number, unsigned rounds)
{
    for (unsigned i = 0; i < x->game.k - 1; i++)
        x->winners.value[i * CHUNKS + number] = x->chunk.value[i * x->chunk.value_stride];
    for (unsigned i = 0; x->game.index_bits > 0 && i < yao_rounds(x->y.lanes.chunk); i++) {
        struct block *wire = &x->winners.index[i * CHUNKS + number];
        if (i < rounds)
            *wire = x->chunk.index[i * x->chunk.index_stride];
        else
            garble_constant(&x->y.g, wire, 0, 1);
    }
}

static mp2ml_status max_block(void *context)
{
    struct max *x = context;
    const struct yao_lanes *lanes = &x->y.lanes;
    const size_t frames = yao_frames(&x->game, lanes);
    TRACE(x->y.g.m->trace, GARBLE, lanes->n);
    for (size_t number = 0; number < frames; number++) {
        const struct yao_frame f = yao_frame_of(&x->game, lanes, number);
        const size_t slot = number * lanes->chunk;
        const bool final = number + 1 == frames;
        const struct board *board = slot < lanes->length ? &x->chunk : &x->winners;
        TRY(garble_frame_begin(&x->y.g, f.blocks, f.row_bits));
        if (slot < lanes->length) {
            const size_t left = lanes->length - slot;
            const size_t count = left < lanes->chunk ? left : lanes->chunk;
            yao_sums(&x->y, slot, count);
            x->chunk.value_stride = count * lanes->n;
            const unsigned rounds = play(x, board, count, 0, final);
            if (!final)
                keep_winner(x, number, rounds);
        } else
            (void)play(x, board, number, yao_rounds(lanes->chunk), true);
        if (final)
            max_output(x, board);
        TRY(garble_frame_end(&x->y.g));
    }
    return MP2ML_OK;
}

static mp2ml_status max_run(struct max *x, struct mpc *m, uint16_t step, size_t least)
{
    const size_t outputs = x->y.walk.windows->count * x->y.walk.batch;
    mp2ml_status status = max_take(x, m, step);
    if (status == MP2ML_OK)
        status = yao_windows_run(&x->y, least, max_block, x);
    garble_end(&x->y.g);
    return mpc_end(m, status, x->out, outputs);
}

static struct max max_of(struct yao_game game, uint64_t *out, const uint64_t *in,
                         const struct mpc_windows *windows, size_t batch)
{
    const struct max x = {.y = {.walk = {.windows = windows, .batch = batch, .room = GARBLE_LANES},
                                .in = in,
                                .k = game.k},
                          .game = game,
                          .out = out};
    return x;
}

/* CT: leaks the windows, batch, k and blind. */
mp2ml_status yao_max(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                     const struct mpc_windows *windows, size_t batch, unsigned k, unsigned blind)
{
    struct max x = max_of(yao_max_game(k, blind), out, in, windows, batch);
    for (size_t w = 0; w < windows->count; w++) /* one member: its share stays */
        if (batch > 0 && windows->first[w + 1] - windows->first[w] == 1)
            memcpy(out + w * batch, in + windows->member[windows->first[w]] * batch,
                   batch * sizeof *out);
    return max_run(&x, m, step, 2);
}

/* CT: leaks the windows, batch and k. */
mp2ml_status yao_argmax(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                        const struct mpc_windows *windows, size_t batch, unsigned k)
{
    const struct yao_game game = {k, 0, mpc_index_bits(windows), 0};
    struct max x = max_of(game, out, in, windows, batch);
    return max_run(&x, m, step, 1);
}
