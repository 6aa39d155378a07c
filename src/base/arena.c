/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena. Under AddressSanitizer all free space is poisoned, and each piece is followed by a
 * poisoned red zone, so that a step that leaves its piece is caught as on the heap. */
#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifndef ARENA_ASAN
#define ARENA_ASAN 0
#endif

#define ALIGNMENT ((size_t)64)
#define MAPPED_BYTES ((size_t)1 << 20) /* from here on memory comes from the kernel */

#if ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define RED_ZONE ((size_t)64)
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define RED_ZONE ((size_t)0)
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

struct arena {
    unsigned char *memory; /* what mmap or calloc gave */
    size_t mapped;         /* bytes, 0: of calloc */
    unsigned char *base;   /* the first aligned byte of it */
    size_t size;
    size_t used; /* a multiple of ALIGNMENT; all bytes from here on are zero */
    size_t peak;
};

/* The kernel gives zero pages when they are touched; calloc would clear a large piece of used heap. */
static bool memory_new(struct arena *arena, size_t bytes)
{
    arena->mapped = bytes >= MAPPED_BYTES ? bytes : 0;
    if (arena->mapped == 0) {
        arena->memory = calloc(bytes, 1);
        return arena->memory != NULL;
    }
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arena->memory = memory == MAP_FAILED ? NULL : memory;
    return arena->memory != NULL;
}

mp2ml_status arena_new(struct arena **out, size_t bytes)
{
    *out = NULL;
    size_t with_slack;
    if (!size_add(&with_slack, bytes, ALIGNMENT))
        return MP2ML_ERR_MEMORY;
    struct arena *arena = malloc(sizeof *arena);
    if (arena == NULL)
        return MP2ML_ERR_MEMORY;
    if (!memory_new(arena, with_slack)) {
        free(arena);
        return MP2ML_ERR_MEMORY;
    }
    arena->base = arena->memory + (ALIGNMENT - (uintptr_t)arena->memory % ALIGNMENT) % ALIGNMENT;
    arena->size = bytes;
    arena->used = 0;
    arena->peak = 0;
    POISON(arena->base, bytes);
    *out = arena;
    return MP2ML_OK;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_rewind(arena, 0);
    UNPOISON(arena->base, arena->size);
    if (arena->mapped > 0)
        (void)munmap(arena->memory, arena->mapped);
    else
        free(arena->memory);
    free(arena);
}

size_t arena_need(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(&bytes, count, size) || !size_add(&bytes, bytes, ALIGNMENT - 1))
        return SIZE_MAX;
    bytes &= ~(ALIGNMENT - 1);
    if (!size_add(&bytes, bytes, RED_ZONE))
        return SIZE_MAX;
    return bytes;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    size_t need = arena_need(count, size);
    if (need > arena->size - arena->used)
        return NULL;
    unsigned char *piece = arena->base + arena->used;
    UNPOISON(piece, count * size);
    arena->used += need;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return piece;
}

size_t arena_mark(const struct arena *arena)
{
    return arena->used;
}

void arena_rewind(struct arena *arena, size_t mark)
{
    assert(mark <= arena->used && mark % ALIGNMENT == 0);
    unsigned char *from = arena->base + mark;
    size_t n = arena->used - mark;
    UNPOISON(from, n);
    explicit_bzero(from, n);
    POISON(from, n);
    arena->used = mark;
}

size_t arena_peak(const struct arena *arena)
{
    return arena->peak;
}
