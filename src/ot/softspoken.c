/* SPDX-License-Identifier: Apache-2.0
 *
 * SoftSpokenOT [eprint 2022/192]. Tree i stretches leaf x to a bit string r_x. The receiver has
 * u_i = XOR of all r_x and, for b < k, v_b = XOR of the r_x with bit b of x set. The sender, which
 * lacks x = Delta_i, has the same sum over bit b of x ^ Delta_i: w_b = v_b ^ Delta_ib * u_i. The
 * choice bits are random, so they are defined as c = u_0 and tree 0 needs no correction; for the
 * others d_i = u_i ^ u_0 goes to the sender, which adds Delta_ib * d_i. Then w_b = v_b ^
 * Delta_ib*c.
 *
 * The check. h(x) = sum of chi_t * x_t in GF(2^128), linear over bits, t over tiles, chi_last = 1,
 * the rest from XOF(challenge). The receiver sends h(c) and the hash of all h(v_j); the sender
 * compares with h(w_j) ^ Delta_j * h(c). The last tile is random and used nowhere else: h(c) is
 * uniform, and the sender computes h(v_j) from it and what it has.
 *
 * What it proves. Let the receiver send d_i ^ e_i (e_0 = 0) and claim h(c) ^ z. The difference in
 * tree i is Delta_ib * (h(e_i) ^ z) for b < k, to be cancelled by a fixed change of h(v). In trees
 * with h(e_i) != z this succeeds for one value of Delta_i only. In all others h(e_i) = z; two of
 * them with e_i != e_j collide under h, probability 2^-128 a pair, at most 2^11 pairs. So except
 * with probability 2^-117 they share one e: honest trees for the choice c ^ e, while the receiver
 * has bet on the k bits of Delta_i of every other tree. A bet on b bits fails, and ends the
 * session, with probability 1 - 2^-b; where it succeeds 128 - b bits of Delta remain.
 *
 * The challenge is H over session, direction, position and all corrections (Fiat-Shamir), and the
 * session is a hash that covers the trees: it is fixed only after trees and corrections are, costs
 * no flight, and since 2^-117 is the chance of a single try, a receiver that searches offline for a
 * good challenge needs about 2^117 hashes. Corrections enter as the hashes of a strip's sixteen
 * parts, whose number and sizes follow from the position: other corrections with the same challenge
 * would be a collision of SHA-256, in a part or in H.
 *
 * The sender sends nothing, so there is nothing to check about it; trees are checked when made. */
#include "ot/softspoken.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "ot/ot_threads.h"

#define STRIP OT_STRIP
#define NIBBLE 16 /* leaves that are folded together */

struct tree_work {                      /* of a thread */
    struct block upper[NIBBLE * STRIP]; /* k = 8: sums of 16 leaves each */
    struct block planes[8 * STRIP];
    struct block sum[STRIP];
};

struct softspoken_work {
    struct block choice[STRIP];
    struct block
        tiles[OT_TILE_STRIDE * STRIP]; /* written here in any order, then to the rows in theirs */
    struct block corrections[63 * STRIP];
    struct block chi[STRIP];
    struct block acc[OT_WIDTH][2];
    struct block columns[OT_WIDTH];
    int threads;
    _Alignas(64) struct tree_work tree[]; /* [threads] */
};

static size_t work_bytes(int threads)
{
    const size_t bytes =
        sizeof(struct softspoken_work) + (size_t)threads * sizeof(struct tree_work);
    return (bytes + 63) / 64 * 64;
}

mp2ml_status softspoken_work_new(struct softspoken_work **out)
{
    const int threads = ot_threads();
    *out = aligned_alloc(64, work_bytes(threads));
    if (*out == NULL)
        return MP2ML_ERR_MEMORY;
    (*out)->threads = threads;
    return MP2ML_OK;
}

void softspoken_work_free(struct softspoken_work *w)
{
    if (w != NULL)
        secret_wipe(w, work_bytes(w->threads));
    free(w);
}

mp2ml_status softspoken_init(struct softspoken *s, unsigned k, uint8_t direction,
                             const uint8_t *session, struct softspoken_work *work)
{
    assert(k == 2 || k == 4 || k == 8);
    memset(s, 0, sizeof *s);
    s->k = k;
    s->direction = direction;
    s->session = session;
    s->work = work;
    s->kernels = ot_kernels_pick();
    s->crypto = crypto_kernels_pick();
    s->leaf = secret_new((size_t)(OT_WIDTH / k) << k, sizeof *s->leaf);
    return s->leaf != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

void softspoken_wipe(struct softspoken *s)
{
    secret_free(s->leaf);
    secret_wipe(s, sizeof *s);
}

void softspoken_set_delta(struct softspoken *s, const struct block *delta)
{
    s->delta = *delta;
    for (unsigned j = 0; j < OT_WIDTH; j++)
        s->mask[j] = mask_from_bit(j < 64 ? delta->lo >> j : delta->hi >> (j - 64));
}

/* ---- one strip ------------------------------------------------------------------------------ */

/* w->planes = the k planes of a tree, w->sum = its total (meaningless at the sender, which does not know
 * leaf 0: no plane contains that). */
static void expand_tree(const struct softspoken *s, struct tree_work *w, unsigned tree,
                        size_t blocks)
{
    const struct block *leaf = s->leaf + ((size_t)tree << s->k);
    memset(w->planes, 0, s->k * STRIP * sizeof *w->planes);
    if (s->k <= 4) {
        stream_fold(s->crypto, w->planes, w->sum, leaf, s->offset, blocks, STRIP, s->k);
        return;
    }
    for (unsigned h = 0; h < NIBBLE; h++)
        stream_fold(s->crypto, w->planes, w->upper + h * STRIP, leaf + (size_t)h * NIBBLE,
                    s->offset, blocks, STRIP, 4);
    s->kernels->fold(w->planes + 4 * STRIP, w->sum, w->upper, blocks, 4);
}

#ifdef MP2ML_TEST_HOOKS
static void cheat(const struct softspoken *s, struct block *d, unsigned tree, size_t first_tile,
                  size_t blocks)
{
    if (tree != s->cheat_tree || s->cheat_tile < first_tile || s->cheat_tile - first_tile >= blocks)
        return;
    d[s->cheat_tile - first_tile].lo ^= s->cheat_error.lo;
    d[s->cheat_tile - first_tile].hi ^= s->cheat_error.hi;
}
#else
#define cheat(s, d, tree, first_tile, blocks) ((void)(first_tile))
#endif

struct strip {
    struct softspoken *s;
    struct block *tiles;
    size_t first_tile, blocks;
};

/* Columns t of trees and their corrections, or the choice bits where it is the first tree. */
static void trees_receiver(void *context, int thread, size_t at, size_t n)
{
    const struct strip *strip = context;
    struct softspoken *s = strip->s;
    struct tree_work *w = &s->work->tree[thread];
    const struct block *choice = s->work->choice;
    const size_t blocks = strip->blocks;
    for (size_t i = at; i < at + n; i++) {
        expand_tree(s, w, (unsigned)i, blocks);
        s->kernels->place(strip->tiles + i * s->k, w->planes, NULL, NULL, blocks, s->k);
        if (i == 0) {
            memcpy(s->work->choice, w->sum, blocks * sizeof *w->sum);
            continue;
        }
        struct block *d = s->work->corrections + (i - 1) * blocks;
        for (size_t t = 0; t < blocks; t++) {
            d[t].lo = w->sum[t].lo ^ choice[t].lo;
            d[t].hi = w->sum[t].hi ^ choice[t].hi;
        }
        cheat(s, d, (unsigned)i, strip->first_tile, blocks);
    }
}

static void later_trees_receiver(void *context, int thread, size_t at, size_t n)
{
    trees_receiver(context, thread, at + 1, n);
}

/* Columns t of a strip, its choice bits in work->choice, corrections packed without gaps. */
static void strip_receiver(struct softspoken *s, struct block *tiles, size_t first_tile,
                           size_t blocks)
{
    struct strip strip = {s, tiles, first_tile, blocks};
    trees_receiver(&strip, 0, 0, 1);
    ot_in_parts(s->work->threads, OT_WIDTH / s->k - 1, 1, later_trees_receiver, &strip);
    s->offset += blocks;
}

static void trees_sender(void *context, int thread, size_t at, size_t n)
{
    const struct strip *strip = context;
    struct softspoken *s = strip->s;
    struct tree_work *w = &s->work->tree[thread];
    const size_t blocks = strip->blocks;
    for (size_t i = at; i < at + n; i++) {
        const struct block *d = i > 0 ? s->work->corrections + (i - 1) * blocks : NULL;
        expand_tree(s, w, (unsigned)i, blocks);
        s->kernels->place(strip->tiles + i * s->k, w->planes, d, s->mask + i * s->k, blocks, s->k);
    }
}

/* Columns q of a strip, from the corrections. */
static void strip_sender(struct softspoken *s, struct block *tiles, size_t blocks)
{
    struct strip strip = {s, tiles, 0, blocks};
    ot_in_parts(s->work->threads, OT_WIDTH / s->k, 1, trees_sender, &strip);
    s->offset += blocks;
}

/* ---- the check ------------------------------------------------------------------------------ */

static struct softspoken_position position_of(const struct softspoken *s, size_t tiles)
{
    struct softspoken_position p;
    const uint64_t words[2] = {s->offset, tiles};
    p.bytes[0] = s->direction;
    memcpy(p.bytes + 1, words, sizeof words);
    return p;
}

static mp2ml_status challenge_begin(struct digest **d, const struct softspoken *s,
                                    const struct softspoken_position *p)
{
    TRY(digest_new(d, "ot-challenge"));
    mp2ml_status status = digest_update(*d, s->session, 32);
    if (status == MP2ML_OK)
        status = digest_update(*d, p->bytes, sizeof p->bytes);
    if (status != MP2ML_OK) {
        digest_free(*d);
        *d = NULL;
    }
    return status;
}

static mp2ml_status challenge_add(struct digest *d, const struct softspoken *s, size_t bytes)
{
    uint8_t leaves[DIGEST_LEAVES * DIGEST_BYTES];
    TRY(digest_leaves(s->crypto, leaves, s->work->corrections, bytes));
    return digest_update(d, leaves, sizeof leaves);
}

static mp2ml_status challenge_end(struct xof **chi, const struct digest *d)
{
    uint8_t seed[DIGEST_BYTES];
    TRY(digest_now(d, seed));
    return xof_new(chi, seed, sizeof seed, "ot-chi", "");
}

/* Hashes all columns into work->columns. When choice is not NULL, the hash of the choice bits goes
 * to *choice_hash. */
static mp2ml_status hash_all(struct softspoken *s, const struct block *rows, const uint64_t *choice,
                             struct block *choice_hash, struct xof *xof, size_t tiles)
{
    struct softspoken_work *w = s->work;
    struct block acc[2] = {{0, 0}, {0, 0}};
    memset(w->acc, 0, sizeof w->acc);
    for (size_t first = 0; first < tiles; first += STRIP) {
        const size_t blocks = tiles - first < STRIP ? tiles - first : STRIP;
        TRY(xof_read(xof, w->chi, blocks * sizeof *w->chi, 0, first * sizeof *w->chi));
        if (first + blocks == tiles) {
            w->chi[blocks - 1].lo = 1;
            w->chi[blocks - 1].hi = 0;
        }
        s->kernels->hash(w->acc, rows + first * OT_WIDTH, w->chi, blocks, s->crypto);
        if (choice != NULL) {
            memcpy(w->choice, choice + 2 * first, blocks * sizeof *w->choice);
            crypto_gf128_accumulate(s->crypto, acc, w->choice, w->chi, blocks);
        }
    }
    for (unsigned j = 0; j < OT_WIDTH; j++)
        w->columns[j] = crypto_gf128_reduce(w->acc[j]);
    if (choice != NULL)
        *choice_hash = crypto_gf128_reduce(acc);
    return MP2ML_OK;
}

/* The hash of the 128 hashed columns of t. */
static mp2ml_status columns_digest(uint8_t out[DIGEST_BYTES], const struct softspoken *s,
                                   const struct softspoken_position *p)
{
    const struct digest_part parts[] = {
        {s->session, 32}, {p->bytes, sizeof p->bytes}, {s->work->columns, sizeof s->work->columns}};
    return digest_parts(out, "ot-check", parts, 3);
}

/* ---- sender --------------------------------------------------------------------------------- */

/* The receiver's claim against the columns of q. CT: leaks only the outcome. */
static mp2ml_status check_sender(struct softspoken *s, const struct softspoken_position *p,
                                 const uint8_t claim[SOFTSPOKEN_CHECK_BYTES])
{
    struct block choice_hash;
    uint8_t mine[DIGEST_BYTES];
    memcpy(&choice_hash, claim, sizeof choice_hash);
    for (unsigned j = 0; j < OT_WIDTH; j++) {
        s->work->columns[j].lo ^= choice_hash.lo & s->mask[j];
        s->work->columns[j].hi ^= choice_hash.hi & s->mask[j];
    }
    TRY(columns_digest(mine, s, p));
#ifdef MP2ML_TEST_HOOKS
    if (s->skip_check)
        return MP2ML_OK;
#endif
    return mask_bytes_equal(mine, claim + sizeof choice_hash, sizeof mine) ? MP2ML_OK
                                                                           : MP2ML_ERR_PROTOCOL;
}

/* ---- the run -------------------------------------------------------------------------------- */

mp2ml_status softspoken_run_begin(struct softspoken_run *r, struct softspoken *s, struct link *link,
                                  struct block *rows, uint64_t *choice, size_t tiles)
{
    assert(tiles >= 2);
    memset(r, 0, sizeof *r);
    r->s = s;
    r->link = link;
    r->rows = rows;
    r->choice = choice;
    r->tiles = tiles;
    r->position = position_of(s, tiles);
    return challenge_begin(&r->digest, s, &r->position);
}

mp2ml_status softspoken_run_strip(struct softspoken_run *r)
{
    struct softspoken *s = r->s;
    struct softspoken_work *w = s->work;
    const size_t left = r->tiles - r->done;
    const size_t blocks = left < STRIP ? left : STRIP;
    const size_t bytes = blocks * (OT_WIDTH / s->k - 1) * sizeof(struct block);
    struct block *strip = r->rows + r->done * OT_WIDTH;
    assert(left > 0);
    if (r->choice == NULL) {
        TRY(frame_recv_part(r->link, w->corrections, bytes));
        strip_sender(s, w->tiles, blocks);
    } else {
        strip_receiver(s, w->tiles, r->done, blocks);
        memcpy(r->choice + 2 * r->done, w->choice, blocks * sizeof *w->choice);
        TRY(frame_send_part(r->link, w->corrections, bytes));
    }
    TRACE(link_trace(r->link), OT_DIGEST, bytes);
    TRY(challenge_add(r->digest, s, bytes));
    TRACE_PAUSE();
    s->kernels->copy(strip, w->tiles, blocks);
    r->done += blocks;
    return MP2ML_OK;
}

static mp2ml_status finish_sender(struct softspoken_run *r, struct xof *xof)
{
    uint8_t claim[SOFTSPOKEN_CHECK_BYTES];
    TRY(hash_all(r->s, r->rows, NULL, NULL, xof, r->tiles));
    TRY(frame_recv_part(r->link, claim, sizeof claim));
    return check_sender(r->s, &r->position, claim);
}

static mp2ml_status finish_receiver(struct softspoken_run *r, struct xof *xof)
{
    uint8_t claim[SOFTSPOKEN_CHECK_BYTES];
    struct block choice_hash = {0, 0};
    TRY(hash_all(r->s, r->rows, r->choice, &choice_hash, xof, r->tiles));
    memcpy(claim, &choice_hash, sizeof choice_hash);
    TRY(columns_digest(claim + sizeof choice_hash, r->s, &r->position));
    return frame_send_part(r->link, claim, sizeof claim);
}

mp2ml_status softspoken_run_finish(struct softspoken_run *r)
{
    struct xof *xof;
    TRACE(link_trace(r->link), OT_CHECK, r->tiles);
    assert(r->done == r->tiles);
    TRY(challenge_end(&xof, r->digest));
    mp2ml_status status = r->choice == NULL ? finish_sender(r, xof) : finish_receiver(r, xof);
    xof_free(xof);
    return status;
}

mp2ml_status softspoken_run_close(struct softspoken_run *r, mp2ml_status status)
{
    const size_t kept = status == MP2ML_OK ? r->tiles - 1 : 0, gone = r->tiles - kept;
    digest_free(r->digest);
    r->digest = NULL;
    secret_wipe(r->rows + kept * OT_WIDTH, gone * OT_WIDTH * sizeof *r->rows);
    if (r->choice != NULL)
        secret_wipe(r->choice + 2 * kept, 2 * gone * sizeof *r->choice);
    return status;
}

static mp2ml_status run_whole(struct softspoken *s, struct link *link, struct block *rows,
                              uint64_t *choice, size_t tiles)
{
    struct softspoken_run r;
    mp2ml_status status = softspoken_run_begin(&r, s, link, rows, choice, tiles);
    while (status == MP2ML_OK && r.done < tiles)
        status = softspoken_run_strip(&r);
    if (status == MP2ML_OK)
        status = softspoken_run_finish(&r);
    if (status == MP2ML_OK)
        s->kernels->transpose(rows, tiles);
    return softspoken_run_close(&r, status);
}

mp2ml_status softspoken_extend_sender(struct softspoken *s, struct link *link, struct block *rows,
                                      size_t tiles)
{
    return run_whole(s, link, rows, NULL, tiles);
}

mp2ml_status softspoken_extend_receiver(struct softspoken *s, struct link *link, struct block *rows,
                                        uint64_t *choice, size_t tiles)
{
    return run_whole(s, link, rows, choice, tiles);
}
