/* SPDX-License-Identifier: Apache-2.0
 *
 * How many transfers an extension makes: one rule for the protocol and for its cost. A request is
 * rounded up to whole tiles of 128, which is 0.4 % of a small request and leaves nothing unused
 * for long, and cut into pieces of at most 2^20, each with its own check. */
#ifndef OT_PIECE_H
#define OT_PIECE_H

#include <stddef.h>

#include "ot/ot_kernels.h"

#define OT_PIECE_MAX ((size_t)1 << 20)
#define OT_RESERVE_MAX ((size_t)1 << 40)

/* What must be made so that `left` becomes at least `need`. */
static inline size_t ot_missing(size_t need, size_t left)
{
    if (need <= left)
        return 0;
    const size_t missing = need - left;
    return missing / OT_WIDTH * OT_WIDTH + (missing % OT_WIDTH != 0 ? OT_WIDTH : 0);
}
static inline size_t ot_piece(size_t missing)
{
    return missing < OT_PIECE_MAX ? missing : OT_PIECE_MAX;
}

#endif
