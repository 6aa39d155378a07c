/* SPDX-License-Identifier: Apache-2.0
 *
 * How large the frames of maxima, positions and top places are: what yao_max.c and yao_top.c write
 * and yao_cost.c counts. Blocks and bits are of one lane. */
#ifndef MPC_YAO_PLAY_H
#define MPC_YAO_PLAY_H

#include "mpc/yao_windows.h"

#define YAO_TOP_ROOM ((size_t)64) /* elements of a chunk */

/* A tournament over windows. */
struct yao_game {
    unsigned k;
    unsigned skip;       /* low bits that comparisons do not look at */
    unsigned index_bits; /* of the ring of positions; 0: the maximum itself is wanted */
    unsigned top;        /* places; 0 but in yao_top.c */
};

static inline struct yao_game yao_max_game(unsigned k, unsigned blind)
{
    /* Who is cut to the same number differs by less than 2^(blind-1). */
    const struct yao_game game = {k, blind > 0 ? blind - 1 : 0, 0, 0};
    return game;
}

/* Rounds until one is left, which are the bits of a position. */
static inline unsigned yao_rounds(size_t count)
{
    unsigned rounds = 0;
    while (((size_t)1 << rounds) < count)
        rounds++;
    return rounds;
}

/* Frames of a block: one for each chunk of members; where there are several, one for the
 * tournament of their winners, which is not needed in yao_top.c. */
static inline size_t yao_frames(const struct yao_game *game, const struct yao_lanes *lanes)
{
    const size_t chunks = (lanes->length + lanes->chunk - 1) / lanes->chunk;
    return chunks > 1 && game->top == 0 ? chunks + 1 : chunks;
}

/* Tables and rows of frame `number` of a block, all lanes. */
struct yao_frame {
    size_t blocks, row_bits;
};
struct yao_frame yao_frame_of(const struct yao_game *game, const struct yao_lanes *lanes,
                              size_t number);

#endif
