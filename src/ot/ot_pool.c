/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools: memory of transfers. Rows keep their position modulo 128 when they move. */
#include "ot/ot_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ot/ot_threads.h"

#define TURN_TILES ((size_t)4) /* transposed by a thread at a time */

/* Moves what is left to the front and wipes what it leaves behind; below `shift` all is wiped. */
static void pool_compact(struct ot_pool *p)
{
    const size_t shift = p->at / OT_WIDTH * OT_WIDTH;
    const size_t kept = p->end - shift;
    const size_t behind = kept > shift ? kept : shift;
    if (shift == 0)
        return;
    memmove(p->rows, p->rows + shift, kept * sizeof *p->rows);
    secret_wipe(p->rows + behind, (p->end - behind) * sizeof *p->rows);
    if (p->choice != NULL) {
        memmove(p->choice, p->choice + shift / 64, kept / 8);
        secret_wipe(p->choice + behind / 64, (p->end - behind) / 8);
    }
    p->at -= shift;
    p->turned -= shift; /* not below: turned >= at, and both shift by whole tiles */
    p->end = kept;
}

/* Large pools on large pages, where the system has some: rows are written with wide strides. bytes
 * is a multiple of 64, since capacities are multiples of 128. */
static struct block *rows_new(size_t bytes)
{
    const size_t page = (size_t)2 << 20;
    if (bytes < 2 * page || bytes > SIZE_MAX - page)
        return aligned_alloc(64, bytes);
    bytes = (bytes + page - 1) / page * page;
    struct block *rows = aligned_alloc(page, bytes);
    if (rows != NULL)
        (void)madvise(rows, bytes, MADV_HUGEPAGE); /* advice: nothing is lost without */
    return rows;
}

mp2ml_status ot_pool_room(struct ot_pool *p, size_t more, bool with_choice)
{
    size_t need, bytes;
    assert(more % OT_WIDTH == 0);
    pool_compact(p);
    if (!size_add(&need, p->end, more) || !size_mul(&bytes, need, sizeof *p->rows))
        return MP2ML_ERR_MEMORY;
    if (need <= p->capacity)
        return MP2ML_OK;
    struct block *rows = rows_new(bytes);
    uint64_t *choice = with_choice ? calloc(need / 64, sizeof *choice) : NULL;
    if (rows == NULL || (with_choice && choice == NULL)) {
        free(rows);
        free(choice);
        return MP2ML_ERR_MEMORY;
    }
    struct ot_pool old = *p;
    if (p->end > 0) {
        memcpy(rows, p->rows, p->end * sizeof *rows);
        if (with_choice)
            memcpy(choice, p->choice, p->end / 8);
    }
    p->rows = rows;
    p->choice = choice;
    p->capacity = need;
    ot_pool_wipe(&old);
    return MP2ML_OK;
}

void ot_pool_wipe(struct ot_pool *p)
{
    if (p->rows != NULL)
        secret_wipe(p->rows, p->end * sizeof *p->rows); /* above end all is wiped already */
    if (p->choice != NULL)
        secret_wipe(p->choice, p->end / 8);
    free(p->rows);
    free(p->choice);
    memset(p, 0, sizeof *p);
}

uint64_t ot_pool_choice(const struct ot_pool *p, size_t i, size_t n)
{
    const size_t bit = p->at + i;
    const unsigned shift = bit % 64;
    uint64_t word = p->choice[bit / 64] >> shift;
    assert(n > 0 && n <= 64 && bit + n <= p->end);
    if (shift + n > 64) /* sizes are public */
        word |= p->choice[bit / 64 + 1] << (64 - shift);
    return n < 64 ? word & ((UINT64_C(1) << n) - 1) : word;
}

struct turn { /* tiles that become rows */
    const struct ot_kernels *kernels;
    struct block *tiles;
};

static void turn_tiles(void *context, int thread, size_t at, size_t n)
{
    const struct turn *t = context;
    (void)thread;
    t->kernels->transpose(t->tiles + at * OT_WIDTH, n);
}

const struct block *ot_pool_rows(struct ot_pool *p, size_t n, const struct ot_kernels *kernels,
                                 int threads)
{
    assert(n <= ot_pool_left(p));
    if (p->at + n > p->turned) {
        const size_t tiles = (p->at + n - p->turned + OT_WIDTH - 1) / OT_WIDTH;
        struct turn turn = {kernels, p->rows + p->turned};
        ot_in_parts(threads, tiles, TURN_TILES, turn_tiles, &turn);
        p->turned += tiles * OT_WIDTH;
    }
    return p->rows + p->at;
}

void ot_pool_drop(struct ot_pool *p, size_t n)
{
    assert(n <= ot_pool_left(p));
    secret_wipe(p->rows + p->at, n * sizeof *p->rows);
    if (p->choice != NULL) {
        const size_t first = p->at / 64, last = (p->at + n) / 64;
        secret_wipe(p->choice + first, (last - first) * sizeof *p->choice);
    }
    p->at += n;
    p->used += n;
}
