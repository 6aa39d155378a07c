/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole ladder between two threads: set-up, pools, random transfers, cost, cheating. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "ot/ot.h"
#include "ot/ot_piece.h"
#include "ot/softspoken_tree.h"

static const unsigned all_k[] = {2, 4, 8};

struct run;

struct side {
    struct run *run;
    enum party party;
    struct channel *channel;
    struct link *link;
    struct prg *prg;
    struct ot *ot;
    link_tap tap;
    void *tap_context;
    /* Outputs of the direction from the server (0) and from the client (1). */
    struct block *k[2][2];
    uint64_t *choice[2];
    uint64_t setup_sent, setup_flights;
    struct link_stats stats;
    mp2ml_status status;
};

struct run {
    unsigned k_ss;
    uint8_t seed; /* of both generators */
    uint8_t sid[32], t[32];
    mp2ml_status (*body)(struct side *s); /* after ot_start */
    size_t n[2];                          /* transfers in each direction */
    size_t cut;                           /* taken in pieces of this size, 0 = all at once */
    bool bits;
    unsigned far; /* bit p: party p calls ot_set_far */
    struct side side[2];
};

static void *side_run(void *context)
{
    struct side *s = context;
    struct run *r = s->run;
    mp2ml_status status;
    uint8_t seed[32] = {r->seed, (uint8_t)s->party};
    TRY_OUT(link_new(&s->link, s->channel));
    if (s->tap != NULL)
        link_set_tap(s->link, s->tap, s->tap_context);
    TRY_OUT(prg_new_seeded(&s->prg, seed));
    TRY_OUT(ot_new(&s->ot, s->link, s->party, s->prg, r->k_ss));
    ot_set_far(s->ot, (r->far >> s->party & 1) != 0);
    TRY_OUT(ot_setup_begin(s->ot, r->sid));
    TRY_OUT(ot_setup_end(s->ot));
    link_transcript_stop(s->link);
    s->setup_sent = link_stats(s->link).bytes_sent;
    s->setup_flights = link_stats(s->link).flights;
    TRY_OUT(ot_start(s->ot, r->t));
    TRY_OUT(r->body(s));
    status = channel_flush(s->channel);
    s->stats = link_stats(s->link);
out:
    s->status = status;
    if (status != MP2ML_OK && s->link != NULL)
        link_abort(s->link);
    ot_free(s->ot);
    prg_free(s->prg);
    link_free(s->link);
    return NULL;
}

static void outputs_new(struct side *s)
{
    for (unsigned d = 0; d < 2; d++) {
        const size_t n = s->run->n[d];
        s->choice[d] = malloc((n / 64 + 1) * sizeof(uint64_t));
        assert_non_null(s->choice[d]);
        memset(s->choice[d], 0xa5, (n / 64 + 1) * sizeof(uint64_t));
        for (unsigned m = 0; m < 2; m++) {
            s->k[d][m] = calloc(n + 1, sizeof(struct block));
            assert_non_null(s->k[d][m]);
        }
    }
}

static void run_free(struct run *r)
{
    for (unsigned p = 0; p < 2; p++)
        for (unsigned d = 0; d < 2; d++) {
            free(r->side[p].choice[d]);
            free(r->side[p].k[d][0]);
            free(r->side[p].k[d][1]);
        }
}

static void run_both(struct run *r)
{
    pthread_t thread;
    for (unsigned p = 0; p < 2; p++) {
        r->side[p].run = r;
        r->side[p].party = (enum party)p;
        r->side[p].ot = NULL;
        r->side[p].prg = NULL;
        r->side[p].link = NULL;
        outputs_new(&r->side[p]);
    }
    assert_int_equal(channel_pair(&r->side[0].channel, &r->side[1].channel), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, side_run, &r->side[1]), 0);
    side_run(&r->side[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    channel_free(r->side[0].channel);
    channel_free(r->side[1].channel);
}

static mp2ml_status body_reserve(struct side *s, uint16_t step)
{
    return ot_reserve(s->ot, step, s->run->n[s->party], s->run->n[1 - s->party]);
}

/* Takes n[] transfers in each direction. Bits of messages go to the front of the block arrays. */
static void body_take(struct side *s)
{
    for (unsigned d = 0; d < 2; d++) {
        const size_t n = s->run->n[d], cut = s->run->cut != 0 ? s->run->cut : n;
        struct block *k0 = s->k[d][0], *k1 = s->k[d][1];
        uint64_t *choice = s->choice[d];
        for (size_t at = 0, m; at < n; at += m) {
            m = n - at < cut ? n - at : cut;
            uint64_t *b0 = (uint64_t *)k0 + at / 64, *b1 = (uint64_t *)k1 + at / 64;
            if (s->run->bits && d == (unsigned)s->party)
                ot_take_send_bits(s->ot, b0, b1, m);
            else if (s->run->bits)
                ot_take_recv_bits(s->ot, b0, choice + at / 64, m);
            else if (d == (unsigned)s->party)
                ot_take_send(s->ot, k0 + at, k1 + at, m);
            else
                ot_take_recv(s->ot, k0 + at, choice + at / 64, m);
        }
    }
}

static mp2ml_status body_plain(struct side *s)
{
    TRY(body_reserve(s, 7));
    body_take(s);
    return MP2ML_OK;
}

static bool same(const struct block *a, const struct block *b)
{
    return a->lo == b->lo && a->hi == b->hi;
}

static unsigned bit_at(const uint64_t *w, size_t i)
{
    return (unsigned)(w[i / 64] >> i % 64 & 1);
}

/* Blocks: the chosen one agrees, the other does not, choices are balanced. */
static void check_outputs(const struct run *r)
{
    for (unsigned d = 0; d < 2; d++) {
        const struct side *s = &r->side[d], *v = &r->side[1 - d];
        const size_t n = r->n[d];
        size_t ones = 0, wrong = 0;
        for (size_t i = 0; i < n; i++) {
            const unsigned c = bit_at(v->choice[d], i);
            ones += c;
            wrong += !same(&s->k[d][c][i], &v->k[d][0][i]);
            wrong += same(&s->k[d][1 - c][i], &v->k[d][0][i]);
        }
        assert_int_equal(wrong, 0);
        /* |ones - n/2| < 6 sigma = 3 * sqrt(n) */
        const double off = (double)ones - (double)n / 2;
        assert_true(off * off <= 9.0 * (double)n);
        if (n % 64 != 0)
            assert_int_equal(v->choice[d][n / 64] >> n % 64, 0);
    }
}

static void test_random_transfers(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        struct run r = {.k_ss = all_k[n], .seed = 1, .sid = {1}, .t = {2}, .body = body_plain};
        r.n[0] = cpu_has_aes() ? 110000 : 2000; /* AES without instructions is slow */
        r.n[1] = cpu_has_aes() ? 100001 : 1001;
        run_both(&r);
        assert_int_equal(r.side[0].status, MP2ML_OK);
        assert_int_equal(r.side[1].status, MP2ML_OK);
        check_outputs(&r);
        run_free(&r);
    }
}

static void test_sizes(void **state)
{
    static const size_t sizes[][2] = {{1, 0},     {0, 1},     {127, 128},
                                      {128, 129}, {129, 127}, {(1 << 20) + 5, 1000}};
    (void)state;
    const size_t count = sizeof sizes / sizeof sizes[0];
    for (unsigned i = 0; i < (cpu_has_aes() ? count : count - 1); i++) {
        struct run r = {.k_ss = 4, .seed = 1, .sid = {1}, .t = {2}, .body = body_plain};
        r.n[0] = sizes[i][0];
        r.n[1] = sizes[i][1];
        run_both(&r);
        assert_int_equal(r.side[0].status, MP2ML_OK);
        assert_int_equal(r.side[1].status, MP2ML_OK);
        check_outputs(&r);
        struct ot_ledger ledger = {.k_ss = 4};
        struct cost c = ot_cost_setup(4);
        assert_int_equal(c.flights, r.side[0].setup_flights);
        assert_int_equal(c.flights, r.side[1].setup_flights);
        assert_int_equal(c.bytes_to_client, r.side[0].setup_sent);
        assert_int_equal(c.bytes_to_server, r.side[1].setup_sent);
        ot_cost_reserve(&c, &ledger, r.n[0], r.n[1]);
        assert_int_equal(c.bytes_to_client, r.side[0].stats.bytes_sent);
        assert_int_equal(c.bytes_to_server, r.side[1].stats.bytes_sent);
        run_free(&r);
    }
}

/* ---- bits ----------------------------------------------------------------------------------- */

static void test_bits(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        struct run r = {.k_ss = 4, .seed = 1, .sid = {1}, .t = {2}, .body = body_plain};
        size_t ones[2] = {0, 0}, differ = 0;
        r.n[0] = 20000 + 37;
        r.n[1] = 63;
        r.bits = true;
        r.cut = n * 640; /* whole words */
        run_both(&r);
        assert_int_equal(r.side[0].status, MP2ML_OK);
        for (unsigned d = 0; d < 2; d++) {
            const uint64_t *m0 = (uint64_t *)r.side[d].k[d][0], *m1 = (uint64_t *)r.side[d].k[d][1];
            const uint64_t *mc = (uint64_t *)r.side[1 - d].k[d][0], *c = r.side[1 - d].choice[d];
            for (size_t i = 0; i < r.n[d]; i++) {
                assert_int_equal(bit_at(mc, i), bit_at(bit_at(c, i) ? m1 : m0, i));
                ones[0] += bit_at(m0, i);
                ones[1] += bit_at(m1, i);
                differ += bit_at(m0, i) ^ bit_at(m1, i);
            }
            const size_t last = r.n[d] / 64;
            const unsigned used = r.n[d] % 64;
            assert_int_equal((m0[last] | m1[last] | mc[last] | c[last]) >> used, 0);
        }
        /* 20,100 bits: sigma 71; six of them. */
        assert_in_range(ones[0], 10050 - 426, 10050 + 426);
        assert_in_range(ones[1], 10050 - 426, 10050 + 426);
        assert_in_range(differ, 10050 - 426, 10050 + 426);
        run_free(&r);
    }
}

/* ---- counters, sessions --------------------------------------------------------------------- */

/* Tweaks count on: taking in pieces gives the same as taking at once, pieces of 64 included. */
static void test_taking_in_pieces(void **state)
{
    static const size_t cuts[] = {64, 192, 704};
    (void)state;
    struct run whole = {.k_ss = 4, .seed = 1, .sid = {1}, .t = {2}, .body = body_plain};
    whole.n[0] = whole.n[1] = 3000;
    run_both(&whole);
    for (unsigned i = 0; i < 3; i++) {
        struct run r = {.k_ss = 4, .seed = 1, .sid = {1}, .t = {2}, .body = body_plain};
        r.n[0] = r.n[1] = 3000;
        r.cut = cuts[i];
        run_both(&r);
        check_outputs(&r);
        for (unsigned p = 0; p < 2; p++)
            for (unsigned d = 0; d < 2; d++)
                assert_memory_equal(r.side[p].k[d][0], whole.side[p].k[d][0],
                                    3000 * sizeof(struct block));
        assert_memory_equal(r.side[0].choice[1], whole.side[0].choice[1], 3000 / 8);
        run_free(&r);
    }
    run_free(&whole);
}

#define ROUNDS 6
static const size_t round_sizes[ROUNDS][2] = {{1, 5},    {200, 0}, {77, 300},
                                              {0, 1000}, {64, 1},  {500, 129}};

/* Many small extensions with leftovers between them, at odd positions of the pool. */
static mp2ml_status body_rounds(struct side *s)
{
    size_t at[2] = {0, 0};
    for (uint16_t i = 0; i < ROUNDS; i++) {
        const size_t *n = round_sizes[i];
        TRY(ot_reserve(s->ot, i, n[s->party], n[1 - s->party]));
        for (unsigned d = 0; d < 2; d++) {
            uint64_t choice[20];
            if (d == (unsigned)s->party)
                ot_take_send(s->ot, s->k[d][0] + at[d], s->k[d][1] + at[d], n[d]);
            else
                ot_take_recv(s->ot, s->k[d][0] + at[d], choice, n[d]);
            for (size_t j = 0; d != (unsigned)s->party && j < n[d]; j++) {
                const size_t to = at[d] + j;
                uint64_t *word = &s->choice[d][to / 64];
                *word = (*word & ~(UINT64_C(1) << to % 64)) | (uint64_t)bit_at(choice, j)
                                                                  << to % 64;
            }
            at[d] += n[d];
        }
    }
    return MP2ML_OK;
}

static void test_leftovers(void **state)
{
    (void)state;
    struct run r = {.k_ss = 8, .seed = 3, .sid = {1}, .t = {2}, .body = body_rounds};
    struct ot_ledger ledger = {.k_ss = 8};
    struct cost c = ot_cost_setup(8);
    for (unsigned i = 0; i < ROUNDS; i++)
        for (unsigned d = 0; d < 2; d++)
            r.n[d] += round_sizes[i][d];
    run_both(&r);
    assert_int_equal(r.side[0].status, MP2ML_OK);
    assert_int_equal(r.side[1].status, MP2ML_OK);
    for (unsigned d = 0; d < 2; d++) /* unused bits were never written here */
        r.side[1 - d].choice[d][r.n[d] / 64] &= (UINT64_C(1) << r.n[d] % 64) - 1;
    check_outputs(&r);
    for (size_t i = 0; i < r.n[0]; i++) /* no output comes twice */
        for (size_t j = 0; j < i; j++)
            assert_false(same(&r.side[0].k[0][0][i], &r.side[0].k[0][0][j]));
    for (unsigned i = 0; i < ROUNDS; i++) {
        ot_cost_reserve(&c, &ledger, round_sizes[i][0], round_sizes[i][1]);
        ot_cost_take(&ledger, round_sizes[i][0], round_sizes[i][1]);
    }
    assert_int_equal(c.bytes_to_client, r.side[0].stats.bytes_sent);
    assert_int_equal(c.bytes_to_server, r.side[1].stats.bytes_sent);
    run_free(&r);
}

static mp2ml_status body_no_traffic(struct side *s)
{
    TRY(body_reserve(s, 1));
    const struct link_stats before = link_stats(s->link);
    TRY(ot_reserve(s->ot, 2, 1, 100));
    TRY(ot_reserve(s->ot, 3, 0, 0));
    TRY(body_reserve(s, 4));
    const struct link_stats after = link_stats(s->link);
    return after.frames_sent == before.frames_sent &&
                   after.frames_received == before.frames_received
               ? MP2ML_OK
               : MP2ML_ERR_FAILED;
}

static void test_full_pools_are_silent(void **state)
{
    (void)state;
    struct run r = {.k_ss = 4, .seed = 3, .body = body_no_traffic, .n = {1000, 2000}};
    run_both(&r);
    assert_int_equal(r.side[0].status, MP2ML_OK);
    assert_int_equal(r.side[1].status, MP2ML_OK);
    run_free(&r);
}

/* Each of randomness, sid and T alone makes all outputs different. */
static void test_sessions_differ(void **state)
{
    struct run r[4];
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (struct run){.k_ss = 4, .seed = 3, .body = body_plain, .n = {500, 500}};
        r[i].seed = (uint8_t)(i == 1);
        r[i].sid[31] = i == 2;
        r[i].t[31] = i == 3;
        run_both(&r[i]);
        check_outputs(&r[i]);
        for (unsigned j = 0; j < i; j++)
            for (unsigned d = 0; d < 2; d++)
                for (size_t n = 0; n < 500; n++)
                    assert_false(same(&r[i].side[d].k[d][0][n], &r[j].side[d].k[d][0][n]));
    }
    for (unsigned i = 0; i < 4; i++)
        run_free(&r[i]);
}

/* ---- cheating ------------------------------------------------------------------------------- */

static mp2ml_status body_cheat(struct side *s)
{
    const struct block error = {0, 1};
    /* A bet that 8 bits of Delta are zero, which they are not with these seeds. */
    if (s->party == PARTY_CLIENT)
        ot_test_cheat(s->ot, 3, 2, error);
    return body_plain(s);
}

static mp2ml_status body_cheat_unchecked(struct side *s)
{
    if (s->party == PARTY_SERVER)
        ot_test_skip_check(s->ot);
    return body_cheat(s);
}

/* Bit 64 of tile 2: transfer 320 of the direction from the server. */
static void test_cheating_client(void **state)
{
    (void)state;
    struct run r = {.k_ss = 8, .seed = 1, .body = body_cheat, .n = {1000, 1000}};
    run_both(&r);
    assert_int_equal(r.side[0].status, MP2ML_ERR_PROTOCOL);
    run_free(&r);
    struct run control = {.k_ss = 8, .seed = 1, .body = body_cheat_unchecked, .n = {1000, 1000}};
    run_both(&control);
    assert_int_equal(control.side[0].status, MP2ML_OK);
    size_t wrong = 0;
    for (size_t i = 0; i < 1000; i++) {
        const unsigned c = bit_at(control.side[1].choice[0], i);
        if (!same(&control.side[0].k[0][c][i], &control.side[1].k[0][0][i])) {
            wrong++;
            assert_int_equal(i, 2 * 128 + 64);
        }
    }
    assert_int_equal(wrong, 1);
    run_free(&control);
}

struct flip {
    enum frame_type type;
    size_t byte, seen;
    uint8_t bits;
};

static void flip_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                     size_t length)
{
    struct flip *f = context;
    (void)step;
    if (!sent || type != f->type)
        return;
    if (f->byte >= f->seen && f->byte - f->seen < length)
        part[f->byte - f->seen] ^= f->bits;
    f->seen += length;
}

/* One bit of OT_SETUP or OT_EXTEND changed on the way. What is checked: the trees (but for the sums
 * of the side that nobody reads), the extension, the check itself. The 16 bytes of choice flips at
 * the end of the client's OT_SETUP are covered by the check of the server's trees, which then open
 * with the wrong key. Either all is refused, or nothing changes. */
static void flip_trial(unsigned k, enum party liar, enum frame_type type, size_t byte, bool certain)
{
    struct flip f = {type, byte, 0, (uint8_t)(1U << byte % 8)};
    struct run r = {.k_ss = k, .seed = 1, .body = body_plain, .n = {300, 300}};
    r.side[liar].tap = flip_tap;
    r.side[liar].tap_context = &f;
    run_both(&r);
    const mp2ml_status a = r.side[0].status, b = r.side[1].status;
    assert_true(f.seen > byte);
    if (a == MP2ML_OK && b == MP2ML_OK) {
        assert_false(certain);
        check_outputs(&r);
    } else {
        assert_true(a == MP2ML_ERR_PROTOCOL || b == MP2ML_ERR_PROTOCOL);
    }
    run_free(&r);
}

static void test_flips(void **state)
{
    const size_t sums = (size_t)BASE_OT_COUNT * 32, trees = SOFTSPOKEN_TREE_BYTES(4);
    const size_t extension = 2 * 31 * 16 + 48, body = 4 * 31 * 16 + 48;
    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        const enum party liar = (enum party)p;
        for (size_t byte = 5; byte < sums; byte += 1511)
            flip_trial(4, liar, FRAME_OT_SETUP, byte, false);
        for (size_t byte = sums; byte < trees; byte += 331)
            flip_trial(4, liar, FRAME_OT_SETUP, byte, true);
        flip_trial(4, liar, FRAME_OT_SETUP, trees - 1, true);
        for (size_t byte = 0; byte < body; byte += 499)
            flip_trial(4, liar, FRAME_OT_EXTEND, byte, true);
        flip_trial(4, liar, FRAME_OT_EXTEND, body - 1, true);
        flip_trial(4, liar, FRAME_OT_EXTEND, body - 40, true);
    }
    for (size_t byte = trees; byte < trees + extension + 16; byte += 173)
        flip_trial(4, PARTY_CLIENT, FRAME_OT_SETUP, byte, true);
    flip_trial(4, PARTY_CLIENT, FRAME_OT_SETUP, trees + extension + 15, true);
}

struct wire {
    uint64_t count[256];
    size_t bytes;
};

static void count_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct wire *w = context;
    (void)step;
    if (!sent || type != FRAME_OT_EXTEND)
        return;
    for (size_t i = 0; i < length; i++)
        w->count[part[i]]++;
    w->bytes += length;
}

/* OT_EXTEND in both directions: 255 degrees of freedom, sigma 22.6; six of them. */
static void test_wire_uniform(void **state)
{
    struct wire w[2] = {{{0}, 0}, {{0}, 0}};
    struct run r = {.k_ss = 4, .seed = 9, .body = body_plain, .n = {50000, 50000}};
    (void)state;
    if (!cpu_has_aes())
        r.n[0] = r.n[1] = 5000;
    for (unsigned p = 0; p < 2; p++) {
        r.side[p].tap = count_tap;
        r.side[p].tap_context = &w[p];
    }
    run_both(&r);
    for (unsigned p = 0; p < 2; p++) {
        const double want = (double)w[p].bytes / 256;
        double sum = 0;
        assert_true(w[p].bytes > r.n[0] * 31 / 8);
        for (unsigned v = 0; v < 256; v++)
            sum += ((double)w[p].count[v] - want) * ((double)w[p].count[v] - want) / want;
        assert_true(sum < 255 + 6 * 22.6);
    }
    run_free(&r);
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* ---- far links ------------------------------------------------------------------------------ */

struct order {               /* of the parts of OT_EXTEND at one party, behind the set-up */
    size_t sent_first, sent; /* bytes before anything came, and in all */
    bool came;
};

static void order_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct order *o = context;
    (void)step, (void)part;
    if (type != FRAME_OT_EXTEND)
        return;
    o->came |= !sent;
    o->sent += sent ? length : 0;
    o->sent_first += sent && !o->came ? length : 0;
}

/* A party over a far link sends all of its frame before it waits for the peer's, any other does not;
 * the transfers are right whoever does what. */
static void test_far_links(void **state)
{
    (void)state;
    for (unsigned far = 0; far < 4; far++) {
        struct order order[2] = {{0}};
        struct run r = {
            .k_ss = 4, .seed = 77, .body = body_plain, .n = {300000, 300000}, .far = far};
        for (unsigned p = 0; p < 2; p++) {
            r.side[p].tap = order_tap;
            r.side[p].tap_context = &order[p];
        }
        run_both(&r);
        assert_int_equal(r.side[0].status, MP2ML_OK);
        assert_int_equal(r.side[1].status, MP2ML_OK);
        check_outputs(&r);
        for (unsigned p = 0; p < 2; p++)
            assert_int_equal(order[p].sent_first == order[p].sent, far >> p & 1);
        run_free(&r);
    }
}

static void test_arguments(void **state)
{
    struct ot *ot = NULL;
    (void)state;
    for (unsigned k = 0; k < 20; k++)
        if (k != 2 && k != 4 && k != 8)
            assert_int_equal(ot_new(&ot, NULL, PARTY_SERVER, NULL, k), MP2ML_ERR_ARGUMENT);
    assert_null(ot);
    ot_free(NULL);
}

/* Slices against single bits; 1-of-4 masks against their definition. */
static void test_slices(void **state)
{
    const struct block b = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};
    const struct block blocks[2][2] = {{{1, 2}, {3, 5}}, {b, {b.hi, b.lo ^ 99}}};
    (void)state;
    for (unsigned at = 0; at < 128; at++)
        for (unsigned bits = 1; bits <= 64 && at + bits <= 128; bits++) {
            const uint64_t got = ot_slice(&b, at, bits);
            for (unsigned n = 0; n < 64; n++) {
                const unsigned i = at + n;
                const uint64_t bit = n < bits ? (i < 64 ? b.lo >> i : b.hi >> (i - 64)) & 1 : 0;
                assert_int_equal(got >> n & 1, bit);
            }
        }
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < 2; j++)
            for (unsigned at = 0; at <= 108; at += 27)
                assert_int_equal(ot_mask4(&blocks[0][i], &blocks[1][j], i, j, at, 10),
                                 ot_slice(&blocks[0][i], at + 10 * j, 10) ^
                                     ot_slice(&blocks[1][j], at + 10 * i, 10));
    /* The XOR of all four masks does not cancel, as it does with plain XORs of the keys. */
    uint64_t all = 0;
    for (unsigned n = 0; n < 4; n++)
        all ^= ot_mask4(&blocks[0][n / 2], &blocks[1][n % 2], n / 2, n % 2, 0, 64);
    assert_int_not_equal(all, 0);
}

static void test_cost_rule(void **state)
{
    (void)state;
    assert_int_equal(ot_missing(0, 0), 0);
    assert_int_equal(ot_missing(5, 5), 0);
    assert_int_equal(ot_missing(6, 5), 128);
    assert_int_equal(ot_missing(133, 5), 128);
    assert_int_equal(ot_missing(134, 5), 256);
    assert_int_equal(ot_piece(ot_missing((1 << 20) + 1, 0)), 1 << 20);
    /* 31 bits a transfer, one tile, 48 bytes of check and a header. */
    struct ot_ledger ledger = {.k_ss = 4};
    struct cost c = {0};
    ot_cost_reserve(&c, &ledger, 31000, 0);
    assert_int_equal(ledger.from_server, 31104);
    assert_int_equal(c.bytes_to_server, 16 + (31104 + 128) * 31 / 8 + 48);
    assert_int_equal(c.bytes_to_client, 0);
    assert_int_equal(c.flights, 1);
    ot_cost_take(&ledger, 31000, 0);
    ot_cost_reserve(&c, &ledger, 104, 0);
    assert_int_equal(c.flights, 1);
    ot_cost_reserve(&c, &ledger, 105, 3 << 20);
    assert_int_equal(c.flights,
                     2); /* goes on with the flight before, and all pieces back are one */
    assert_int_equal(c.ots_from_client, 3 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_cost_rule),
        cmocka_unit_test(test_random_transfers),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_taking_in_pieces),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_full_pools_are_silent),
        cmocka_unit_test(test_sessions_differ),
        cmocka_unit_test(test_far_links),
        cmocka_unit_test(test_cheating_client),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_wire_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
