/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows in blocks of lanes; sums, comparisons and selections on wires. */
#include "mpc/yao_windows.h"

#include <assert.h>
#include <string.h>

#include "mpc/tournament.h"

bool yao_takes(const struct mpc_windows *windows)
{
    return tournament_longest(windows, 1) <= YAO_MAX_MEMBERS;
}

/* ---- the walk ------------------------------------------------------------------------------- */

/* The least length >= least of any window; 0: none. */
static size_t next_length(const struct mpc_windows *windows, size_t least)
{
    size_t found = 0;
    for (size_t w = 0; w < windows->count; w++) {
        const size_t length = tournament_length(windows, w);
        if (length >= least && (found == 0 || length < found))
            found = length;
    }
    return found;
}

void yao_walk_begin(struct yao_walk *walk, size_t least)
{
    walk->length = walk->batch > 0 ? next_length(walk->windows, least) : 0;
    walk->w = 0;
    walk->b = 0;
}

static void fill_lanes(struct yao_lanes *lanes, const struct yao_walk *walk, size_t n)
{
    const struct mpc_windows *windows = walk->windows;
    for (size_t i = 0; lanes->member != NULL && i < n; i++) {
        lanes->member[lanes->n + i] = windows->member + windows->first[walk->w];
        lanes->column[lanes->n + i] = walk->b + i;
        lanes->place[lanes->n + i] = walk->w * walk->batch + walk->b + i;
    }
}

bool yao_walk_next(struct yao_walk *walk, struct yao_lanes *lanes)
{
    lanes->n = 0;
    while (walk->length > 0) {
        const size_t most = walk->length < walk->room ? walk->room / walk->length : 1;
        lanes->length = walk->length;
        lanes->chunk = walk->length < walk->room ? walk->length : walk->room;
        for (; walk->w < walk->windows->count; walk->w++) {
            if (tournament_length(walk->windows, walk->w) != walk->length)
                continue;
            const size_t left = walk->batch - walk->b, room = most - lanes->n;
            const size_t n = left < room ? left : room;
            fill_lanes(lanes, walk, n);
            lanes->n += n;
            walk->b += n;
            if (walk->b < walk->batch) /* the block is full */
                return true;
            walk->b = 0;
        }
        walk->length = next_length(walk->windows, walk->length + 1);
        walk->w = 0;
        if (lanes->n > 0)
            return true;
    }
    return false;
}

/* ---- blocks --------------------------------------------------------------------------------- */

mp2ml_status yao_windows_begin(struct yao_windows *y, struct mpc *m, uint16_t step,
                               size_t frame_room)
{
    struct arena *a = m->arena;
    const size_t room = y->walk.room;
    assert(room <= GARBLE_LANES);
    TRY(garble_begin(&y->g, m, step, frame_room));
    y->lanes.member = arena_take(a, room, sizeof *y->lanes.member);
    y->lanes.column = arena_take(a, room, sizeof *y->lanes.column);
    y->lanes.place = arena_take(a, room, sizeof *y->lanes.place);
    y->x = arena_take(a, room * y->k, sizeof *y->x);
    y->work = arena_take(a, room * 3, sizeof *y->work);
    y->pads.memory = arena_take(a, 2 * GARBLE_LANES, sizeof *y->pads.memory);
    y->value = arena_take(a, room, sizeof *y->value);
    y->plane = arena_take(a, mpc_words(room) * y->k, sizeof *y->plane);
    const bool all = y->lanes.member != NULL && y->lanes.column != NULL && y->lanes.place != NULL &&
                     y->x != NULL && y->work != NULL && y->pads.memory != NULL &&
                     y->value != NULL && y->plane != NULL;
    return all ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static size_t slots_of(const struct yao_lanes *lanes, size_t slot)
{
    const size_t left = lanes->length - slot;
    return left < lanes->chunk ? left : lanes->chunk;
}

/* y->plane = planes of this party's shares of a chunk. */
static void chunk_planes(struct yao_windows *y, size_t slot, size_t count)
{
    const struct yao_lanes *lanes = &y->lanes;
    const size_t n = count * lanes->n;
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < lanes->n; i++)
            y->value[s * lanes->n + i] =
                y->in[lanes->member[i][slot + s] * y->walk.batch + lanes->column[i]];
    y->g.m->kernels->slice(y->plane, mpc_words(n), y->value, n,
                           yao_member_bits(lanes->length, y->k));
}

/* The client's choices of the blocks of a group; the walk stands before it. */
static mp2ml_status group_choices(struct yao_windows *y, size_t blocks, size_t bits)
{
    struct yao_walk walk = y->walk;
    TRY(garble_choices_begin(&y->g, bits));
    for (size_t b = 0; !y->g.garbler && b < blocks; b++) {
        (void)yao_walk_next(&walk, &y->lanes);
        const unsigned wires = yao_member_bits(y->lanes.length, y->k);
        for (size_t slot = 0; slot < y->lanes.length; slot += y->lanes.chunk) {
            const size_t count = slots_of(&y->lanes, slot), n = count * y->lanes.n;
            chunk_planes(y, slot, count);
            for (unsigned i = 0; i < wires; i++)
                garble_choices_add(&y->g, y->plane + i * mpc_words(n), n);
        }
    }
    return garble_choices_end(&y->g);
}

size_t yao_group_blocks(const struct yao_walk *at, unsigned k, size_t *bits)
{
    struct yao_walk walk = *at;
    struct yao_lanes lanes = {0};
    size_t blocks = 0;
    for (*bits = 0; yao_walk_next(&walk, &lanes); blocks++) {
        const size_t more = lanes.n * lanes.length * yao_member_bits(lanes.length, k);
        if (*bits + more > GARBLE_GROUP_BITS)
            break;
        *bits += more;
    }
    return blocks;
}

mp2ml_status yao_windows_run(struct yao_windows *y, size_t least, yao_block block, void *context)
{
    size_t bits;
    yao_walk_begin(&y->walk, least);
    for (size_t blocks; (blocks = yao_group_blocks(&y->walk, y->k, &bits)) > 0;) {
        TRY(group_choices(y, blocks, bits));
        for (; blocks > 0; blocks--) {
            (void)yao_walk_next(&y->walk, &y->lanes);
            TRY(block(context));
        }
        TRY(garble_group_end(&y->g));
    }
    return MP2ML_OK;
}

/* ---- wires ---------------------------------------------------------------------------------- */

void yao_sums(struct yao_windows *y, size_t slot, size_t count)
{
    const size_t n = count * y->lanes.n;
    const unsigned bits = yao_member_bits(y->lanes.length, y->k);
    for (unsigned i = 0; i < bits; i++)
        garble_input(&y->g, y->x + i * n, n);
    if (y->g.garbler)
        chunk_planes(y, slot, count);
    garble_sum(&y->g, y->x, y->x, n, y->plane, mpc_words(n), n, bits, true, y->work);
}

/* The carry of left + NOT right + 1; the top bits count with the opposite sign. */
void yao_not_less(struct yao_windows *y, struct block *d, const struct block *left,
                  const struct block *right, size_t n, unsigned bits, unsigned skip)
{
    struct block *a = y->work, *b = y->work + n;
    garble_constant(&y->g, d, 1, n);
    for (unsigned i = skip; i < bits; i++) {
        const unsigned top = i + 1 == bits;
        garble_xor(&y->g, a, left + i * n, d, top, n);
        garble_xor(&y->g, b, right + i * n, d, 1 - top, n);
        garble_and(&y->g, d, a, b, n);
    }
}

void yao_choose(struct yao_windows *y, const struct block *d, struct block *left,
                struct block *right, size_t n, unsigned wires, bool both)
{
    struct block *differ = y->work;
    for (unsigned i = 0; i < wires; i++, left += n, right += n) {
        garble_xor(&y->g, differ, left, right, 0, n);
        garble_and(&y->g, right, d, differ, n);
        if (both)
            garble_xor(&y->g, left, right, differ, 0, n);
    }
}

void yao_add_wire(struct yao_windows *y, uint64_t *share, const struct block *wire, size_t n,
                  unsigned place, unsigned ring, bool minus)
{
    const uint64_t sign = y->g.garbler != minus ? UINT64_MAX : 1;
    garble_pads(&y->g, &y->pads, wire, n);
    garble_project(&y->g, y->value, &y->pads, wire, NULL, n,
                   (struct garble_slice){0, ring - place});
    for (size_t i = 0; i < n; i++)
        share[i] = (share[i] + sign * (y->value[i] << place)) & mpc_ring_mask(ring);
}
