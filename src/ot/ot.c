/* SPDX-License-Identifier: Apache-2.0
 *
 * The ladder: set-up, pools, hashing. Both directions run side by side; in each, the sender of
 * transfers receives corrections.
 *
 *   server                               client
 *     BASE_OT: 128 x (r_0, r_1)   <--->   BASE_OT: B     the server's choices: NOT its Delta
 *                                 <----   OT_SETUP: trees, 128 transfers, 128 choice flips
 *     OT_SETUP: trees             ---->                  the client's choices: NOT its Delta
 *     ... T, keys: ot_start ...
 *     OT_EXTEND                   <--->   OT_EXTEND      as often as ot_reserve needs to
 */
#include "ot/ot.h"

#include <assert.h>
#include <string.h>

#include "ot/base_ot.h"
#include "ot/ot_piece.h"
#include "ot/ot_pool.h"
#include "ot/ot_threads.h"
#include "ot/softspoken.h"
#include "ot/softspoken_tree.h"

#define BATCH ((size_t)512) /* transfers taken together by a thread, */
#define ROUNDS 16           /* so often before threads meet */
#define SETUP_TILES 2

enum purpose { PURPOSE_BLOCK, PURPOSE_BITS, PURPOSE_GARBLING, PURPOSES };
enum state { STATE_NEW, STATE_BEGUN, STATE_SET_UP, STATE_STARTED };

struct ot {
    struct link *link; /* not owned */
    struct prg *prg;   /* not owned */
    enum party party;
    enum state state;
    bool far; /* see ot_set_far */
    unsigned k;
    uint8_t session[32]; /* sid, then bound to the trees during set-up, then T */
    struct softspoken sender, receiver;
    struct ot_pool send, recv;
    struct tccr send_hash[PURPOSES], recv_hash[PURPOSES];
    uint64_t garbling_tweak; /* the next one; never restarts */
    struct softspoken_work *work;
    struct base_ot_receiver *base; /* server, from ot_setup_begin to ot_setup_end */
    const struct ot_kernels *kernels;
    int threads;
    size_t batch; /* transfers taken together by all threads */
};

mp2ml_status ot_new(struct ot **out, struct link *link, enum party party, struct prg *g,
                    unsigned k_ss)
{
    mp2ml_status status;
    *out = NULL;
    if (k_ss != 2 && k_ss != 4 && k_ss != 8)
        return MP2ML_ERR_ARGUMENT;
    TRY(secret_init());
    struct ot *ot = secret_new(1, sizeof *ot);
    if (ot == NULL)
        return MP2ML_ERR_MEMORY;
    const uint8_t mine = (uint8_t)party, other = (uint8_t)(1 - party);
    ot->link = link;
    ot->prg = g;
    ot->party = party;
    ot->k = k_ss;
    ot->kernels = ot_kernels_pick();
    ot->threads = ot_threads();
    ot->batch = ot->threads > 1 ? (size_t)ot->threads * ROUNDS * BATCH : BATCH;
    TRY_OUT(softspoken_work_new(&ot->work));
    TRY_OUT(softspoken_init(&ot->sender, k_ss, mine, ot->session, ot->work));
    TRY_OUT(softspoken_init(&ot->receiver, k_ss, other, ot->session, ot->work));
    *out = ot;
    return MP2ML_OK;
out:
    ot_free(ot);
    return status;
}

void ot_free(struct ot *ot)
{
    if (ot == NULL)
        return;
    ot_pool_wipe(&ot->send);
    ot_pool_wipe(&ot->recv);
    softspoken_wipe(&ot->sender);
    softspoken_wipe(&ot->receiver);
    softspoken_work_free(ot->work);
    base_ot_receiver_free(ot->base);
    secret_free(ot);
}

/* ---- set-up --------------------------------------------------------------------------------- */

struct setup { /* what only the set-up needs; secret */
    struct block keys[BASE_OT_COUNT][2];
    struct block chosen[BASE_OT_COUNT];
    struct block rows[SETUP_TILES * OT_WIDTH];
    uint64_t choice[SETUP_TILES * 2];
    uint8_t trees[SOFTSPOKEN_TREE_BYTES_MAX];
};

static size_t setup_bytes(unsigned k)
{
    return SOFTSPOKEN_TREE_BYTES(k) + softspoken_body_bytes(k, SETUP_TILES) + sizeof(struct block);
}

static mp2ml_status setup_hash(struct tccr *hash, const uint8_t sid[32])
{
    uint8_t key[DIGEST_BYTES];
    TRY(digest_once(key, "ot-setup", sid, 32));
    tccr_init(hash, key);
    secret_wipe(key, sizeof key);
    return MP2ML_OK;
}

static struct softspoken_place place_of(const struct ot *ot, enum party sender)
{
    struct softspoken_place at = {ot->session, (uint8_t)sender, ot->k};
    return at;
}

/* From now on the session is also bound to the trees: the challenge of the set-up extension must
 * not be known before its trees are fixed, or a dealer could search for trees that fit it. */
static mp2ml_status bind_trees(struct ot *ot, const uint8_t *trees, size_t size)
{
    uint8_t session[DIGEST_BYTES];
    const struct digest_part parts[] = {{ot->session, sizeof ot->session}, {trees, size}};
    TRY(digest_parts(session, "ot-trees", parts, 2));
    memcpy(ot->session, session, sizeof ot->session);
    return MP2ML_OK;
}

/* Ends the base transfers with NOT Delta, receives trees and 128 transfers; makes of these the keys for
 * the client's trees. CT: delta selects by masks. */
static mp2ml_status setup_server(struct ot *ot, struct setup *s)
{
    const struct block delta = ot->sender.delta;
    struct softspoken_place at = place_of(ot, PARTY_SERVER);
    const size_t tree_bytes = SOFTSPOKEN_TREE_BYTES(ot->k);
    struct block flips;
    struct tccr hash;

    TRY(base_ot_recv_end(s->chosen, ot->base, ot->link));
    TRY(frame_recv_begin(ot->link, FRAME_OT_SETUP, 0, setup_bytes(ot->k)));
    TRY(frame_recv_part(ot->link, s->trees, tree_bytes));
    TRY(softspoken_trees_take(ot->sender.leaf, s->trees, s->chosen, &delta, &at));
    TRY(bind_trees(ot, s->trees, tree_bytes));
    TRY(softspoken_extend_sender(&ot->sender, ot->link, s->rows, SETUP_TILES));
    TRY(frame_recv_part(ot->link, &flips, sizeof flips));

    TRY(setup_hash(&hash, ot->session));
    for (unsigned i = 0; i < BASE_OT_COUNT; i++) {
        /* A flip exchanges q and q ^ delta. */
        const uint64_t flip = mask_from_bit(i < 64 ? flips.lo >> i : flips.hi >> (i - 64));
        s->keys[i][0].lo = s->rows[i].lo ^ (delta.lo & flip);
        s->keys[i][0].hi = s->rows[i].hi ^ (delta.hi & flip);
        s->keys[i][1].lo = s->keys[i][0].lo ^ delta.lo;
        s->keys[i][1].hi = s->keys[i][0].hi ^ delta.hi;
    }
    tccr_hash(&hash, s->keys[0], s->keys[0], 0, BASE_OT_COUNT, 2);
    at = place_of(ot, PARTY_CLIENT);
    TRY(softspoken_trees_deal(ot->receiver.leaf, s->trees, s->keys[0], &at, ot->prg));
    return frame_send(ot->link, FRAME_OT_SETUP, 0, s->trees, tree_bytes);
}

static mp2ml_status setup_client(struct ot *ot, struct setup *s)
{
    const struct block delta = ot->sender.delta;
    struct softspoken_place at = place_of(ot, PARTY_SERVER);
    const size_t tree_bytes = SOFTSPOKEN_TREE_BYTES(ot->k);
    struct tccr hash;

    TRY(base_ot_send_end(s->keys, ot->link, ot->prg, ot->session));
    TRY(softspoken_trees_deal(ot->receiver.leaf, s->trees, s->keys[0], &at, ot->prg));
    TRY(bind_trees(ot, s->trees, tree_bytes));
    TRY(frame_send_begin(ot->link, FRAME_OT_SETUP, 0, setup_bytes(ot->k)));
    TRY(frame_send_part(ot->link, s->trees, tree_bytes));
    TRY(softspoken_extend_receiver(&ot->receiver, ot->link, s->rows, s->choice, SETUP_TILES));
    /* The choice wanted is NOT delta; the random one hides which are flipped. */
    const struct block flips = {s->choice[0] ^ ~delta.lo, s->choice[1] ^ ~delta.hi};
    TRY(frame_send_part(ot->link, &flips, sizeof flips));

    TRY(setup_hash(&hash, ot->session));
    tccr_hash(&hash, s->chosen, s->rows, 0, BASE_OT_COUNT, 1);
    TRY(frame_recv(ot->link, FRAME_OT_SETUP, 0, s->trees, tree_bytes));
    at = place_of(ot, PARTY_CLIENT);
    return softspoken_trees_take(ot->sender.leaf, s->trees, s->chosen, &delta, &at);
}

mp2ml_status ot_setup_begin(struct ot *ot, const uint8_t sid[32])
{
    struct block delta;
    assert(ot->state == STATE_NEW);
    memcpy(ot->session, sid, sizeof ot->session);
    mp2ml_status status = prg_fill(ot->prg, &delta, sizeof delta);
    if (ot->party == PARTY_SERVER)
        delta.lo |= 1; /* colour bits of garbled labels; the check's proof holds for any Delta */
    softspoken_set_delta(&ot->sender, &delta);
    struct block choice = {~delta.lo, ~delta.hi};
    if (status == MP2ML_OK)
        status = ot->party == PARTY_SERVER
                     ? base_ot_recv_begin(&ot->base, &choice, ot->link, ot->prg, ot->session)
                     : base_ot_send_begin(ot->link);
    if (status == MP2ML_OK)
        ot->state = STATE_BEGUN;
    secret_wipe(&delta, sizeof delta);
    secret_wipe(&choice, sizeof choice);
    return status;
}

mp2ml_status ot_setup_end(struct ot *ot)
{
    assert(ot->state == STATE_BEGUN);
    struct setup *s = secret_new(1, sizeof *s);
    if (s == NULL)
        return MP2ML_ERR_MEMORY;
    mp2ml_status status = ot->party == PARTY_SERVER ? setup_server(ot, s) : setup_client(ot, s);
    if (status == MP2ML_OK)
        ot->state = STATE_SET_UP;
    base_ot_receiver_free(ot->base);
    ot->base = NULL;
    secret_free(s);
    return status;
}

mp2ml_status ot_start(struct ot *ot, const uint8_t t[32])
{
    uint8_t key[DIGEST_BYTES];
    assert(ot->state == STATE_SET_UP);
    for (uint8_t direction = 0; direction < 2; direction++)
        for (uint8_t purpose = 0; purpose < PURPOSES; purpose++) {
            const struct digest_part parts[] = {{t, 32}, {&direction, 1}, {&purpose, 1}};
            mp2ml_status status = digest_parts(key, "ot-key", parts, 3);
            if (status != MP2ML_OK) {
                secret_wipe(key, sizeof key);
                return status;
            }
            const bool mine = direction == (uint8_t)ot->party;
            tccr_init(mine ? &ot->send_hash[purpose] : &ot->recv_hash[purpose], key);
        }
    memcpy(ot->session, t, sizeof ot->session);
    ot->state = STATE_STARTED;
    secret_wipe(key, sizeof key);
    return MP2ML_OK;
}

void ot_set_far(struct ot *ot, bool far)
{
    ot->far = far;
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* One frame each way, strip by strip in turns: what arrives is used at once, and neither party
 * waits for a whole frame. The receiver's half is a strip ahead, so that the peer always has one;
 * over a far link, where a strip that waits for the peer's costs a round trip, it is done first.
 */
static mp2ml_status take_turns(struct ot *ot, uint16_t step, struct softspoken_run *recv,
                               struct softspoken_run *send)
{
    if (recv->tiles > 0) {
        TRY(frame_send_begin(ot->link, FRAME_OT_EXTEND, step,
                             softspoken_body_bytes(ot->k, recv->tiles)));
        TRY(softspoken_run_strip(recv));
    }
    while (ot->far && recv->done < recv->tiles)
        TRY(softspoken_run_strip(recv));
    if (ot->far && recv->tiles > 0)
        TRY(softspoken_run_finish(recv));
    if (send->tiles > 0)
        TRY(frame_recv_begin(ot->link, FRAME_OT_EXTEND, step,
                             softspoken_body_bytes(ot->k, send->tiles)));
    while (recv->done < recv->tiles || send->done < send->tiles) {
        if (recv->done < recv->tiles)
            TRY(softspoken_run_strip(recv));
        if (send->done < send->tiles)
            TRY(softspoken_run_strip(send));
    }
    if (!ot->far && recv->tiles > 0)
        TRY(softspoken_run_finish(recv));
    if (send->tiles > 0)
        TRY(softspoken_run_finish(send));
    return MP2ML_OK;
}

/* Makes to_send and to_recv transfers, multiples of 128, for which the pools have room. */
static mp2ml_status extend(struct ot *ot, uint16_t step, size_t to_send, size_t to_recv)
{
    struct softspoken_run send = {0}, recv = {0};
    TRACE(link_trace(ot->link), OT_EXTENSION, (to_send + to_recv) / OT_WIDTH);
    mp2ml_status status = MP2ML_OK;
    if (to_recv > 0)
        status = softspoken_run_begin(&recv, &ot->receiver, ot->link, ot->recv.rows + ot->recv.end,
                                      ot->recv.choice + ot->recv.end / 64, to_recv / OT_WIDTH + 1);
    if (status == MP2ML_OK && to_send > 0)
        status = softspoken_run_begin(&send, &ot->sender, ot->link, ot->send.rows + ot->send.end,
                                      NULL, to_send / OT_WIDTH + 1);
    if (status == MP2ML_OK)
        status = take_turns(ot, step, &recv, &send);
    if (recv.tiles > 0)
        status = softspoken_run_close(&recv, status);
    if (send.tiles > 0)
        status = softspoken_run_close(&send, status);
    if (status == MP2ML_OK) { /* only now: the check has passed */
        ot->recv.end += to_recv;
        ot->send.end += to_send;
    }
    return status;
}

mp2ml_status ot_reserve(struct ot *ot, uint16_t step, size_t as_sender, size_t as_receiver)
{
    size_t to_send = ot_missing(as_sender, ot_pool_left(&ot->send));
    size_t to_recv = ot_missing(as_receiver, ot_pool_left(&ot->recv));
    assert(ot->state == STATE_STARTED);
    if (to_send > OT_RESERVE_MAX || to_recv > OT_RESERVE_MAX)
        return MP2ML_ERR_MEMORY;
    /* One more tile: the one that each check sacrifices lies above the transfers. */
    if (to_send > 0)
        TRY(ot_pool_room(&ot->send, to_send + OT_WIDTH, false));
    if (to_recv > 0)
        TRY(ot_pool_room(&ot->recv, to_recv + OT_WIDTH, true));
    while (to_send > 0 || to_recv > 0) {
        const size_t send = ot_piece(to_send), recv = ot_piece(to_recv);
        TRY(extend(ot, step, send, recv));
        to_send -= send;
        to_recv -= recv;
    }
    return MP2ML_OK;
}

/* ---- taking --------------------------------------------------------------------------------- */

/* The choice bits of n transfers after the next `skip`, and nothing in the rest of the last word. */
static void take_choice(const struct ot *ot, size_t skip, uint64_t *choice, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        choice[i / 64] = ot_pool_choice(&ot->recv, skip + i, n - i < 64 ? n - i : 64);
}

/* What one call takes: rows of a pool, hashed to blocks or to bits. */
struct take {
    struct ot *ot;
    struct ot_pool *pool;
    struct block *block[2];   /* of the receiver the first alone */
    uint64_t *bits[2];        /* likewise */
    const struct block *rows; /* of the batch, */
    size_t done;              /* after so many transfers */
};

static void hash_send(void *context, int thread, size_t at, size_t n)
{
    const struct take *t = context;
    const size_t to = t->done + at;
    (void)thread;
    tccr_hash_pair(&t->ot->send_hash[PURPOSE_BLOCK], t->block[0] + to, t->block[1] + to,
                   t->rows + at, &t->ot->sender.delta, t->pool->used + at, n);
}

static void hash_recv(void *context, int thread, size_t at, size_t n)
{
    const struct take *t = context;
    (void)thread;
    tccr_hash(&t->ot->recv_hash[PURPOSE_BLOCK], t->block[0] + t->done + at, t->rows + at,
              t->pool->used + at, n, 1);
}

static void hash_send_bits(void *context, int thread, size_t at, size_t n)
{
    const struct take *t = context;
    const size_t word = (t->done + at) / 64;
    (void)thread;
    tccr_hash_bits(&t->ot->send_hash[PURPOSE_BITS], t->bits[0] + word, t->bits[1] + word,
                   t->rows + at, &t->ot->sender.delta, t->pool->used + at, n);
}

static void hash_recv_bits(void *context, int thread, size_t at, size_t n)
{
    const struct take *t = context;
    (void)thread;
    tccr_hash_bits(&t->ot->recv_hash[PURPOSE_BITS], t->bits[0] + (t->done + at) / 64, NULL,
                   t->rows + at, NULL, t->pool->used + at, n);
}

/* In batches, so that rows are wiped while they are in the cache. choice: receiver only. */
static void take_all(struct take *t, ot_part hash, uint64_t *choice, size_t n)
{
    const struct ot *ot = t->ot;
    assert(n <= ot_pool_left(t->pool));
    for (t->done = 0; t->done < n; t->done += ot->batch) { /* a multiple of 64 */
        const size_t batch = n - t->done < ot->batch ? n - t->done : ot->batch;
        t->rows = ot_pool_rows(t->pool, batch, ot->kernels, ot->threads);
        if (choice != NULL)
            take_choice(t->ot, 0, choice + t->done / 64, batch);
        ot_in_parts(ot->threads, batch, BATCH, hash, t);
        ot_pool_drop(t->pool, batch);
    }
}

void ot_take_send(struct ot *ot, struct block *k0, struct block *k1, size_t n)
{
    struct take t = {.ot = ot, .pool = &ot->send, .block = {k0, k1}};
    take_all(&t, hash_send, NULL, n);
}

void ot_take_recv(struct ot *ot, struct block *kc, uint64_t *choice, size_t n)
{
    struct take t = {.ot = ot, .pool = &ot->recv, .block = {kc, NULL}};
    take_all(&t, hash_recv, choice, n);
}

void ot_take_send_bits(struct ot *ot, uint64_t *m0, uint64_t *m1, size_t n)
{
    struct take t = {.ot = ot, .pool = &ot->send, .bits = {m0, m1}};
    take_all(&t, hash_send_bits, NULL, n);
}

void ot_take_recv_bits(struct ot *ot, uint64_t *mc, uint64_t *choice, size_t n)
{
    struct take t = {.ot = ot, .pool = &ot->recv, .bits = {mc, NULL}};
    take_all(&t, hash_recv_bits, choice, n);
}

/* ---- labels --------------------------------------------------------------------------------- */

static void take_rows(struct ot *ot, struct ot_pool *pool, struct block *rows, size_t n)
{
    assert(n <= ot_pool_left(pool));
    for (size_t done = 0; done < n; done += ot->batch) {
        const size_t batch = n - done < ot->batch ? n - done : ot->batch;
        memcpy(rows + done, ot_pool_rows(pool, batch, ot->kernels, ot->threads),
               batch * sizeof *rows);
        ot_pool_drop(pool, batch);
    }
}

void ot_take_send_rows(struct ot *ot, struct block *q, size_t n)
{
    take_rows(ot, &ot->send, q, n);
}

void ot_take_recv_rows(struct ot *ot, struct block *t, size_t n)
{
    take_rows(ot, &ot->recv, t, n);
}

void ot_next_choices(const struct ot *ot, size_t skip, uint64_t *choice, size_t n)
{
    assert(skip + n <= ot_pool_left(&ot->recv));
    take_choice(ot, skip, choice, n);
}

struct block ot_offset(const struct ot *ot)
{
    return ot->sender.delta;
}

const struct tccr *ot_garbling_hash(const struct ot *ot)
{
    assert(ot->state == STATE_STARTED);
    return ot->party == PARTY_SERVER ? &ot->send_hash[PURPOSE_GARBLING]
                                     : &ot->recv_hash[PURPOSE_GARBLING];
}

uint64_t ot_garbling_tweaks(struct ot *ot, uint64_t n)
{
    const uint64_t first = ot->garbling_tweak;
    ot->garbling_tweak += n;
    return first;
}

#ifdef MP2ML_TEST_HOOKS
void ot_test_cheat(struct ot *ot, unsigned tree, size_t tile, struct block error)
{
    ot->receiver.cheat_tree = tree;
    ot->receiver.cheat_tile = tile;
    ot->receiver.cheat_error = error;
}

void ot_test_skip_check(struct ot *ot)
{
    ot->sender.skip_check = true;
}
#endif
