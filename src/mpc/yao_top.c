/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions of the `top` largest by a garbled circuit: members enter a list one after the other,
 * each at its end, and rise by exchanges of neighbours [above >= below ? stay : exchange], so that
 * the first of equal values stays above; what falls out of the end is gone. A position is carried
 * along, public when its member enters. */
#include <string.h>

#include "mpc/yao_play.h"

struct top {
    struct yao_windows y;
    struct yao_game game;
    uint64_t *out, *share;
    struct block *list; /* top + 1 entries of wires * lanes: k-1 bits of a value, a position */
    struct block *d;
};

static mp2ml_status top_take(struct top *t, struct mpc *m, uint16_t step)
{
    struct arena *a = m->arena;
    const size_t lanes = YAO_TOP_ROOM, wires = t->game.k - 1 + t->game.index_bits;
    const size_t each = garble_sum_blocks(t->game.k) + t->game.top * 2 * (t->game.k + wires);
    TRY(yao_windows_begin(&t->y, m, step,
                          garble_frame_bytes(lanes * each, lanes * t->game.top * wires * wires)));
    t->share = arena_take(a, lanes, sizeof *t->share);
    t->list = arena_take(a, (t->game.top + 1) * wires * lanes, sizeof *t->list);
    t->d = arena_take(a, lanes, sizeof *t->d);
    return t->share != NULL && t->list != NULL && t->d != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static struct block *entry(const struct top *t, size_t place)
{
    return t->list + place * (t->game.k - 1 + t->game.index_bits) * t->y.lanes.n;
}

/* Member `number`, the sum in slot s of a chunk of `count`, becomes the entry of a place. */
static void enter(const struct top *t, size_t place, size_t number, size_t s, size_t count)
{
    const size_t lanes = t->y.lanes.n;
    struct block *to = entry(t, place);
    for (unsigned i = 0; i < t->game.k - 1; i++, to += lanes)
        memcpy(to, t->y.x + (i * count + s) * lanes, lanes * sizeof *to);
    for (unsigned i = 0; i < t->game.index_bits; i++, to += lanes)
        garble_constant(&t->y.g, to, number >> i & 1, lanes);
}

/* Puts the entry of a place and the one below it in order. */
static void exchange(struct top *t, size_t place)
{
    const unsigned bits = t->game.k - 1, wires = bits + t->game.index_bits;
    const size_t lanes = t->y.lanes.n;
    struct block *above = entry(t, place), *below = entry(t, place + 1);
    yao_not_less(&t->y, t->d, above, below, lanes, bits, 0);
    garble_not(&t->y.g, t->d, lanes); /* below wins: it takes the upper place */
    yao_choose(&t->y, t->d, below, above, lanes, wires, true);
}

static void top_output(struct top *t)
{
    const size_t lanes = t->y.lanes.n, batch = t->y.walk.batch;
    for (size_t place = 0; place < t->game.top; place++) {
        const struct block *index = entry(t, place) + (t->game.k - 1) * lanes;
        memset(t->share, 0, lanes * sizeof *t->share);
        for (unsigned i = 0; i < t->game.index_bits; i++)
            yao_add_wire(&t->y, t->share, index + i * lanes, lanes, i, t->game.index_bits, false);
        for (size_t i = 0; i < lanes; i++) {
            const size_t column = t->y.lanes.column[i], w = t->y.lanes.place[i] / batch;
            t->out[(w * t->game.top + place) * batch + column] = t->share[i];
        }
    }
}

static mp2ml_status top_block(void *context)
{
    struct top *t = context;
    const struct yao_lanes *lanes = &t->y.lanes;
    const size_t frames = yao_frames(&t->game, lanes), top = t->game.top;
    TRACE(t->y.g.m->trace, GARBLE, lanes->n);
    for (size_t number = 0; number < frames; number++) {
        const struct yao_frame f = yao_frame_of(&t->game, lanes, number);
        const size_t slot = number * lanes->chunk, left = lanes->length - slot;
        const size_t count = left < lanes->chunk ? left : lanes->chunk;
        TRY(garble_frame_begin(&t->y.g, f.blocks, f.row_bits));
        yao_sums(&t->y, slot, count);
        for (size_t s = 0; s < count; s++) {
            const size_t member = slot + s, last = member < top ? member : top;
            enter(t, last, member, s, count);
            for (size_t place = last; place > 0; place--)
                exchange(t, place - 1);
        }
        if (number + 1 == frames)
            top_output(t);
        TRY(garble_frame_end(&t->y.g));
    }
    return MP2ML_OK;
}

/* CT: leaks the windows, batch, k and top. */
mp2ml_status yao_top(struct mpc *m, uint16_t step, uint64_t *out, const uint64_t *in,
                     const struct mpc_windows *windows, size_t batch, unsigned k, unsigned top)
{
    struct top t = {
        .y = {.walk = {.windows = windows, .batch = batch, .room = YAO_TOP_ROOM}, .in = in, .k = k},
        .game = {k, 0, mpc_index_bits(windows), top},
        .out = out};
    mp2ml_status status = top_take(&t, m, step);
    if (status == MP2ML_OK)
        status = yao_windows_run(&t.y, 1, top_block, &t);
    garble_end(&t.y.g);
    return mpc_end(m, status, out, windows->count * top * batch);
}
