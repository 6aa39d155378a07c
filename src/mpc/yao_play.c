/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of frames over windows: see yao_play.h. */
#include "mpc/yao_play.h"

/* Rounds `first`, ... over count slots; the last one of a position needs no values. */
static size_t tournament_blocks(const struct yao_game *game, size_t count, unsigned first,
                                bool final)
{
    const unsigned bits = game->k - 1;
    size_t blocks = 0;
    for (unsigned round = first; count > 1; round++) {
        const bool values = game->index_bits == 0 || !final || count > 2;
        const unsigned index = game->index_bits > 0 ? round : 0;
        blocks += count / 2 * 2 * (bits - game->skip + (values ? bits : 0) + index);
        count -= count / 2;
    }
    return blocks;
}

/* Exchanges of members slot .. slot + count - 1 with the places before them. */
static size_t top_blocks(const struct yao_game *game, size_t slot, size_t count)
{
    size_t exchanges = 0;
    for (size_t j = slot; j < slot + count; j++)
        exchanges += j < game->top ? j : game->top;
    return exchanges * 2 * (2 * (game->k - 1) + game->index_bits);
}

static size_t output_bits(const struct yao_game *game, size_t length)
{
    const unsigned ring = game->index_bits > 0 ? game->index_bits : game->k;
    unsigned wires = game->index_bits > 0 ? yao_rounds(length) : game->k - 1;
    size_t bits = 0;
    if (game->top > 0)
        wires = ring;
    else if (length == 1)
        wires = 1; /* the sign */
    for (unsigned i = 0; i < wires; i++)
        bits += ring - i;
    return bits * (game->top > 0 ? game->top : 1);
}

struct yao_frame yao_frame_of(const struct yao_game *game, const struct yao_lanes *lanes,
                              size_t number)
{
    const size_t slot = number * lanes->chunk, frames = yao_frames(game, lanes);
    const bool final = number + 1 == frames;
    struct yao_frame f = {0, final ? output_bits(game, lanes->length) : 0};
    if (slot < lanes->length) { /* members; else their winners, one of each chunk */
        const size_t left = lanes->length - slot, count = left < lanes->chunk ? left : lanes->chunk;
        f.blocks = count * garble_sum_blocks(yao_member_bits(lanes->length, game->k));
        f.blocks += game->top > 0 ? top_blocks(game, slot, count)
                                  : tournament_blocks(game, count, 0, final);
    } else
        f.blocks = tournament_blocks(game, number, yao_rounds(lanes->chunk), true);
    f.blocks *= lanes->n;
    f.row_bits *= lanes->n;
    return f;
}
