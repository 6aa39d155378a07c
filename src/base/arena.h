/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: one block of memory, given out front to back, released by going back to a mark.
 *
 *   [ used ........ | free ........................ ]
 *   base            base+used                       base+size
 *
 * Pieces are 64-byte aligned. Nothing is freed singly. Everything between a mark and the top is
 * wiped when the arena goes back to the mark, since any piece may hold secrets. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/status.h"

struct arena;

/* Makes an arena of `bytes` bytes, zeroed. *out is NULL on failure. */
MUST_CHECK mp2ml_status arena_new(struct arena **out, size_t bytes);
/* Wipes and frees; NULL is accepted. */
void arena_free(struct arena *arena);

/* The next `count` * `size` bytes, zeroed, or NULL when they do not fit or overflow. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* A position to go back to; arena_rewind wipes what lies above it. */
size_t arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, size_t mark);

/* The bytes that arena_take(count, size) uses up, for sizing; SIZE_MAX on overflow. */
size_t arena_need(size_t count, size_t size);
/* The most bytes that were ever in use. */
size_t arena_peak(const struct arena *arena);

#endif
