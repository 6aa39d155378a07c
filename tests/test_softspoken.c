/* SPDX-License-Identifier: Apache-2.0
 *
 * The extension over ideal base transfers: kernels against their definitions, trees, the relation
 * q = t ^ c*Delta, the wire, and a receiver that cheats. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cpu.h"
#include "net/frame.h"
#include "ot/softspoken.h"
#include "ot/softspoken_tree.h"
#include "vectors/ot_vectors.h"

static const unsigned all_k[] = {2, 4, 8};

static struct prg *rng; /* test inputs */

static int group_begin(void **state)
{
    uint8_t seed[32] = {42};
    (void)state;
    return secret_init() == MP2ML_OK && prg_new_seeded(&rng, seed) == MP2ML_OK ? 0 : -1;
}

static int group_end(void **state)
{
    (void)state;
    prg_free(rng);
    return 0;
}

/* AES without instructions is thirty times slower: fewer transfers and trials then. */
static size_t scaled(size_t n)
{
    return cpu_has_aes() ? n : n / 20 + 1;
}

static void fill(void *p, size_t n)
{
    assert_int_equal(prg_fill(rng, p, n), MP2ML_OK);
}

static unsigned bit_of(const struct block *b, size_t i)
{
    return (unsigned)((i < 64 ? b->lo >> i : b->hi >> (i - 64)) & 1);
}

static struct block add(struct block a, struct block b)
{
    struct block c = {a.lo ^ b.lo, a.hi ^ b.hi};
    return c;
}

static bool same(struct block a, struct block b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static bool is_zero(struct block a)
{
    return (a.lo | a.hi) == 0;
}

/* ---- kernels -------------------------------------------------------------------------------- */

static void check_fold_and_place(const struct ot_kernels *k)
{
    static struct block leaves[16 * OT_STRIP], planes[8 * OT_STRIP], before[4 * OT_STRIP];
    static struct block sum[OT_STRIP], tiles[OT_STRIP * OT_TILE_STRIDE], correction[OT_STRIP];
    const uint64_t mask[4] = {0, UINT64_MAX, UINT64_MAX, 0};
    for (unsigned bits = 1; bits <= 4; bits++)
        for (size_t blocks = 1; blocks <= OT_STRIP; blocks += 42) {
            fill(leaves, sizeof leaves);
            fill(planes, sizeof planes);
            fill(correction, sizeof correction);
            memcpy(before, planes, sizeof before);
            k->fold(planes, sum, leaves, blocks, bits);
            k->place(tiles + 8, planes, correction, mask, blocks, bits);
            for (size_t t = 0; t < blocks; t++) {
                struct block want = {0, 0};
                for (unsigned x = 0; x < 1U << bits; x++)
                    want = add(want, leaves[x * OT_STRIP + t]);
                assert_true(same(sum[t], want));
                for (unsigned b = 0; b < bits; b++) {
                    want = before[b * OT_STRIP + t];
                    for (unsigned x = 0; x < 1U << bits; x++)
                        if ((x >> b & 1) != 0)
                            want = add(want, leaves[x * OT_STRIP + t]);
                    assert_true(same(planes[b * OT_STRIP + t], want));
                    if (mask[b] != 0)
                        want = add(want, correction[t]);
                    assert_true(same(tiles[t * OT_TILE_STRIDE + 8 + b], want));
                }
            }
            k->place(tiles, planes, NULL, NULL, blocks, bits);
            assert_true(same(tiles[(blocks - 1) * OT_TILE_STRIDE], planes[blocks - 1]));
            k->place(tiles + 16, planes, NULL, NULL, blocks, 8);
            for (unsigned b = 0; b < 8; b++)
                assert_true(same(tiles[(blocks - 1) * OT_TILE_STRIDE + 16 + b],
                                 planes[b * OT_STRIP + blocks - 1]));
        }
}

static void check_transpose(const struct ot_kernels *k)
{
    static struct block in[3 * OT_WIDTH], out[3 * OT_WIDTH];
    fill(in, sizeof in);
    memcpy(out, in, sizeof in);
    k->transpose(out, 3); /* blocks are aligned to 16 bytes, no more */
    for (size_t n = 0; n < 3; n++)
        for (size_t j = 0; j < OT_WIDTH; j++)
            for (size_t t = 0; t < OT_WIDTH; t++)
                assert_int_equal(bit_of(&out[n * OT_WIDTH + t], j),
                                 bit_of(&in[n * OT_WIDTH + j], t));
}

static void check_hash(const struct ot_kernels *k)
{
    const struct crypto_kernels *crypto = crypto_kernels_pick();
    static struct block tiles[21 * OT_WIDTH], chi[21];
    static struct block acc[OT_WIDTH][2], before[OT_WIDTH][2], portable[OT_WIDTH][2];
    for (unsigned count = 1; count <= 21; count += count < 8 ? 7 : 5) {
        fill(tiles, sizeof tiles);
        fill(chi, sizeof chi);
        fill(acc, sizeof acc);
        memcpy(before, acc, sizeof acc);
        memcpy(portable, acc, sizeof acc);
        k->hash(acc, tiles, chi, count, crypto);
        ot_kernels_portable()->hash(portable, tiles, chi, count, crypto);
        assert_memory_equal(acc, portable, sizeof acc);
        for (unsigned j = 0; j < OT_WIDTH; j++) {
            struct block want = crypto_gf128_reduce(before[j]), product;
            for (unsigned t = 0; t < count; t++) {
                crypto_gf128_mul(crypto, &product, &tiles[t * OT_WIDTH + j], &chi[t]);
                want = add(want, product);
            }
            assert_true(same(crypto_gf128_reduce(acc[j]), want));
        }
    }
}

/* Every table that this machine has against the definitions. */
static void test_kernels(void **state)
{
    const struct ot_kernels *const all[] = {ot_kernels_portable(), ot_kernels_avx2(),
                                            ot_kernels_avx512()};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != NULL) {
            check_fold_and_place(all[i]);
            check_transpose(all[i]);
            check_hash(all[i]);
        }
}

/* ---- trees ---------------------------------------------------------------------------------- */

#define LEAVES_MAX 4096

struct trees {
    struct block delta, keys[BASE_OT_COUNT][2], chosen[BASE_OT_COUNT];
    struct block dealt[LEAVES_MAX], taken[LEAVES_MAX];
    uint8_t message[SOFTSPOKEN_TREE_BYTES_MAX];
    uint8_t sid[32];
};

static void trees_deal(struct trees *t, unsigned k)
{
    struct softspoken_place at = {t->sid, 1, k};
    fill(&t->delta, sizeof t->delta);
    fill(t->keys, sizeof t->keys);
    fill(t->sid, sizeof t->sid);
    for (unsigned j = 0; j < BASE_OT_COUNT; j++)
        t->chosen[j] = t->keys[j][1 - bit_of(&t->delta, j)];
    assert_int_equal(softspoken_trees_deal(t->dealt, t->message, t->keys[0], &at, rng), MP2ML_OK);
}

static mp2ml_status trees_take(struct trees *t, unsigned k)
{
    struct softspoken_place at = {t->sid, 1, k};
    return softspoken_trees_take(t->taken, t->message, t->chosen, &t->delta, &at);
}

static size_t tree_offset(const struct trees *t, unsigned tree, unsigned k)
{
    size_t v = 0;
    for (unsigned b = 0; b < k; b++)
        v |= (size_t)bit_of(&t->delta, tree * k + b) << b;
    return v;
}

static void trees_compare(const struct trees *t, unsigned k)
{
    for (unsigned i = 0; i < OT_WIDTH / k; i++) {
        const struct block *d = t->dealt + ((size_t)i << k), *y = t->taken + ((size_t)i << k);
        const size_t v = tree_offset(t, i, k);
        assert_true(is_zero(y[0]));
        for (size_t n = 1; n < (size_t)1 << k; n++)
            assert_true(same(y[n], d[n ^ v]));
        for (size_t n = 0; n + 1 < (size_t)1 << k; n++)
            assert_false(same(d[n], d[n + 1]));
    }
}

static void test_trees(void **state)
{
    static struct trees t;
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        trees_deal(&t, all_k[n]);
        assert_int_equal(trees_take(&t, all_k[n]), MP2ML_OK);
        trees_compare(&t, all_k[n]);
        t.sid[0] ^= 1; /* another session */
        assert_int_equal(trees_take(&t, all_k[n]), MP2ML_ERR_PROTOCOL);
        assert_true(is_zero(t.taken[1]));
    }
}

/* A flip in the masked sum of the side that the taker opens, in a tree's total or in the hash is
 * always noticed. The other side's sum is padded by a key that the taker lacks: it is never read,
 * and a flip there changes nothing. */
static void test_trees_tampered(void **state)
{
    static struct trees t;
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        const unsigned k = all_k[n];
        const size_t size = SOFTSPOKEN_TREE_BYTES(k);
        trees_deal(&t, k);
        for (size_t byte = 0; byte < size; byte += cpu_has_aes() && k < 8 ? 131 : 1021) {
            const uint8_t flip = (uint8_t)(1U << byte % 8);
            t.message[byte] ^= flip;
            const bool sum = byte < (size_t)BASE_OT_COUNT * 32;
            const size_t j = byte / 32, side = byte / 16 % 2;
            const bool unread = sum && side == bit_of(&t.delta, j);
            assert_int_equal(trees_take(&t, k), unread ? MP2ML_OK : MP2ML_ERR_PROTOCOL);
            if (unread)
                trees_compare(&t, k);
            t.message[byte] ^= flip;
        }
        for (size_t byte = size - 32; byte < size; byte += 5) {
            t.message[byte] ^= 0x80;
            assert_int_equal(trees_take(&t, k), MP2ML_ERR_PROTOCOL);
            t.message[byte] ^= 0x80;
        }
        assert_int_equal(trees_take(&t, k), MP2ML_OK);
    }
}

/* ---- extension ------------------------------------------------------------------------------ */

struct half {
    struct softspoken s;
    struct softspoken_work *work;
    uint8_t session[32];
    struct channel *channel;
    link_tap tap;
    void *tap_context;
    bool sender;
    unsigned rounds; /* extensions one after the other, the last one kept */
    size_t tiles;
    struct block *rows;
    uint64_t *choice;
    mp2ml_status status;
};

struct both {
    struct trees trees;
    struct half sender, receiver;
};

static void half_begin(struct half *h, unsigned k, size_t tiles, bool sender)
{
    assert_int_equal(softspoken_work_new(&h->work), MP2ML_OK);
    assert_int_equal(softspoken_init(&h->s, k, 0, h->session, h->work), MP2ML_OK);
    h->sender = sender;
    h->rounds = 1;
    h->tiles = tiles;
    h->rows = calloc(tiles * OT_WIDTH, sizeof *h->rows);
    h->choice = calloc(tiles * 2, sizeof *h->choice);
    assert_true(h->rows != NULL && h->choice != NULL);
}

static void half_end(struct half *h)
{
    softspoken_wipe(&h->s);
    softspoken_work_free(h->work);
    free(h->rows);
    free(h->choice);
}

static void both_begin(struct both *b, unsigned k, size_t tiles)
{
    memset(b, 0, sizeof *b);
    trees_deal(&b->trees, k);
    assert_int_equal(trees_take(&b->trees, k), MP2ML_OK);
    half_begin(&b->sender, k, tiles, true);
    half_begin(&b->receiver, k, tiles, false);
    const size_t bytes = ((size_t)(OT_WIDTH / k) << k) * sizeof(struct block);
    memcpy(b->sender.s.leaf, b->trees.taken, bytes);
    memcpy(b->receiver.s.leaf, b->trees.dealt, bytes);
    softspoken_set_delta(&b->sender.s, &b->trees.delta);
}

static void both_end(struct both *b)
{
    half_end(&b->sender);
    half_end(&b->receiver);
}

static mp2ml_status half_extend(struct half *h, struct link *link)
{
    const size_t size = softspoken_body_bytes(h->s.k, h->tiles);
    if (h->sender) {
        TRY(frame_recv_begin(link, FRAME_OT_EXTEND, 3, size));
        return softspoken_extend_sender(&h->s, link, h->rows, h->tiles);
    }
    TRY(frame_send_begin(link, FRAME_OT_EXTEND, 3, size));
    return softspoken_extend_receiver(&h->s, link, h->rows, h->choice, h->tiles);
}

static void *half_run(void *context)
{
    struct half *h = context;
    struct link *link = NULL;
    h->status = link_new(&link, h->channel);
    if (h->status == MP2ML_OK && h->tap != NULL)
        link_set_tap(link, h->tap, h->tap_context);
    for (unsigned n = 0; n < h->rounds && h->status == MP2ML_OK; n++)
        h->status = half_extend(h, link);
    if (h->status == MP2ML_OK)
        h->status = channel_flush(h->channel);
    link_free(link);
    return NULL;
}

static void both_run(struct both *b)
{
    pthread_t thread;
    assert_int_equal(channel_pair(&b->sender.channel, &b->receiver.channel), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, half_run, &b->receiver), 0);
    half_run(&b->sender);
    assert_int_equal(pthread_join(thread, NULL), 0);
    channel_free(b->sender.channel);
    channel_free(b->receiver.channel);
}

/* How many rows break q = t ^ c*Delta. */
static size_t broken_rows(const struct both *b)
{
    const size_t n = (b->sender.tiles - 1) * OT_WIDTH;
    size_t broken = 0;
    for (size_t i = 0; i < n; i++) {
        struct block want = b->receiver.rows[i];
        if ((b->receiver.choice[i / 64] >> i % 64 & 1) != 0)
            want = add(want, b->trees.delta);
        broken += !same(b->sender.rows[i], want);
    }
    return broken;
}

static void test_relation(void **state)
{
    const size_t tiles[] = {2, 3, scaled(OT_STRIP), OT_STRIP + 1, scaled(1000)};
    static struct both b;
    (void)state;
    for (unsigned n = 0; n < 3; n++)
        for (unsigned i = 0; i < sizeof tiles / sizeof tiles[0]; i++) {
            both_begin(&b, all_k[n], tiles[i]);
            both_run(&b);
            assert_int_equal(b.sender.status, MP2ML_OK);
            assert_int_equal(b.receiver.status, MP2ML_OK);
            assert_int_equal(broken_rows(&b), 0);
            for (size_t r = 0; r < OT_WIDTH; r++) { /* the sacrificed tile is wiped */
                assert_true(is_zero(b.sender.rows[(tiles[i] - 1) * OT_WIDTH + r]));
                assert_true(is_zero(b.receiver.rows[(tiles[i] - 1) * OT_WIDTH + r]));
            }
            assert_int_equal(b.receiver.choice[2 * tiles[i] - 1], 0);
            assert_int_equal(b.sender.s.offset, tiles[i]);
            assert_int_equal(b.receiver.s.offset, tiles[i]);
            both_end(&b);
        }
}

/* Streams go on where they were: the second extension shares nothing with the first. */
static void test_streams_continue(void **state)
{
    static struct both b;
    static struct block first[2 * OT_WIDTH];
    (void)state;
    both_begin(&b, 4, 3);
    both_run(&b);
    memcpy(first, b.sender.rows, sizeof first);
    both_run(&b);
    assert_int_equal(b.sender.status, MP2ML_OK);
    assert_int_equal(broken_rows(&b), 0);
    for (unsigned i = 0; i < 2 * OT_WIDTH; i++)
        assert_false(same(first[i], b.sender.rows[i]));
    assert_int_equal(b.sender.s.offset, 6);
    /* A sender that is out of step notices. */
    b.sender.s.offset++;
    both_run(&b);
    assert_int_equal(b.sender.status, MP2ML_ERR_PROTOCOL);
    both_end(&b);
}

static void test_choices_balanced(void **state)
{
    static struct both b;
    size_t ones = 0, n;
    (void)state;
    const size_t tiles = scaled(1000);
    both_begin(&b, 4, tiles + 1);
    both_run(&b);
    n = tiles * OT_WIDTH;
    for (size_t i = 0; i < n / 64; i++)
        ones += (size_t)__builtin_popcountll(b.receiver.choice[i]);
    /* |ones - n/2| < 6 sigma = 3 * sqrt(n) */
    const double off = (double)ones - (double)n / 2;
    assert_true(off * off < 9.0 * (double)n);
    both_end(&b);
}

struct wire {
    uint64_t count[256];
    size_t bytes;
};

static void count_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                      size_t length)
{
    struct wire *w = context;
    (void)type;
    (void)step;
    for (size_t i = 0; sent && i < length; i++)
        w->count[part[i]]++;
    w->bytes += sent ? length : 0;
}

static double chi_square(const struct wire *w)
{
    const double want = (double)w->bytes / 256;
    double sum = 0;
    for (unsigned v = 0; v < 256; v++)
        sum += ((double)w->count[v] - want) * ((double)w->count[v] - want) / want;
    return sum;
}

/* The wire is uniform: 255 degrees of freedom, sigma 22.6; and has exactly the stated size. The
 * control: choice bits that leave as they are, here all equal, would be seen. */
static void test_wire(void **state)
{
    static struct both b;
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        struct wire w = {{0}, 0};
        const size_t tiles = scaled(500);
        both_begin(&b, all_k[n], tiles);
        b.receiver.tap = count_tap;
        b.receiver.tap_context = &w;
        both_run(&b);
        assert_int_equal(b.sender.status, MP2ML_OK);
        assert_int_equal(w.bytes, tiles * 16 * (128 / all_k[n] - 1) + 48);
        assert_true(chi_square(&w) < 255 + 6 * 22.6);
        w.count[0] += w.bytes / 10; /* chi-square grows by more than bytes / 10 * 256 / 10 / 1.1 */
        w.bytes += w.bytes / 10;
        assert_true(chi_square(&w) > 255 + 6 * 22.6);
        both_end(&b);
    }
}

/* ---- tampering ------------------------------------------------------------------------------ */

struct flip {
    size_t byte; /* of the whole body */
    uint8_t bits;
    size_t seen;
};

static void flip_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                     size_t length)
{
    struct flip *f = context;
    (void)type;
    (void)step;
    if (!sent)
        return;
    if (f->byte >= f->seen && f->byte - f->seen < length)
        part[f->byte - f->seen] ^= f->bits;
    f->seen += length;
}

/* A bit changed on the way changes the challenge on one side: noticed whatever Delta is. No bit of
 * the body is harmless. */
static void test_flips_on_the_way(void **state)
{
    static struct both b;
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        const size_t tiles = 5, size = softspoken_body_bytes(all_k[n], tiles);
        both_begin(&b, all_k[n], tiles);
        for (unsigned trial = 0; trial < scaled(300); trial++) {
            uint32_t r[2];
            fill(r, sizeof r);
            /* Every byte of the 48 at the end, and random ones before. */
            struct flip f = {trial < 48 ? size - 1 - trial : r[0] % size, (uint8_t)(1U << r[1] % 8),
                             0};
            b.receiver.tap = flip_tap;
            b.receiver.tap_context = &f;
            both_run(&b);
            assert_int_equal(f.seen, size);
            assert_int_equal(b.receiver.status, MP2ML_OK);
            assert_int_equal(b.sender.status, MP2ML_ERR_PROTOCOL);
            for (size_t i = 0; i < tiles * OT_WIDTH; i++)
                assert_true(is_zero(b.sender.rows[i]));
        }
        both_end(&b);
    }
}

/* A receiver that cheats in one correction, and hashes what it sent: noticed exactly when the
 * tree's k bits of Delta are not zero. Where they are zero the sender never adds the correction:
 * all rows stay right, and the receiver has won a bet on k bits. With the check skipped (the
 * control), the rows of the cheat are wrong. */
static void test_cheating_receiver(void **state)
{
    static struct both b;
    unsigned caught = 0, passed = 0;
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        const unsigned k = all_k[n];
        for (unsigned trial = 0; trial < scaled(120); trial++) {
            uint32_t r[3];
            fill(r, sizeof r);
            both_begin(&b, k, 4);
            b.receiver.s.cheat_tree = 1 + r[0] % (OT_WIDTH / k - 1);
            b.receiver.s.cheat_tile = r[1] % 4; /* the sacrificed tile too */
            const unsigned bit = r[2] % 128;
            b.receiver.s.cheat_error.lo = bit < 64 ? UINT64_C(1) << bit : 0;
            b.receiver.s.cheat_error.hi = bit >= 64 ? UINT64_C(1) << (bit - 64) : 0;
            b.sender.s.skip_check = trial % 4 == 3;
            both_run(&b);
            const bool won = tree_offset(&b.trees, b.receiver.s.cheat_tree, k) == 0;
            if (b.sender.s.skip_check) {
                assert_int_equal(b.sender.status, MP2ML_OK);
                assert_int_equal(broken_rows(&b), !won && b.receiver.s.cheat_tile < 3);
            } else if (won) {
                assert_int_equal(b.sender.status, MP2ML_OK);
                assert_int_equal(broken_rows(&b), 0);
                passed++;
            } else {
                assert_int_equal(b.sender.status, MP2ML_ERR_PROTOCOL);
                caught++;
            }
            both_end(&b);
        }
    }
    assert_true(caught > scaled(200) / 2 && (passed > 5 || !cpu_has_aes()));
}

static void test_other_session(void **state)
{
    static struct both b;
    (void)state;
    both_begin(&b, 4, 2);
    b.sender.session[31] ^= 1;
    both_run(&b);
    assert_int_equal(b.sender.status, MP2ML_ERR_PROTOCOL);
    both_end(&b);
}

/* ---- known answers -------------------------------------------------------------------------- */

static void assert_digest(const void *data, size_t n, const char *want)
{
    uint8_t got[DIGEST_BYTES];
    assert_int_equal(digest_once(got, "ot vector", data, n), MP2ML_OK);
    assert_memory_equal(got, want, sizeof got);
}

struct sent {
    uint8_t *bytes;
    size_t size;
};

static void keep_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                     size_t length)
{
    struct sent *s = context;
    (void)type;
    (void)step;
    if (sent)
        memcpy(s->bytes + s->size, part, length);
    s->size += sent ? length : 0;
}

/* Trees and an extension, byte by byte, against vectors/ot_reference.py. */
static void test_known_answers(void **state)
{
    static struct both b;
    static uint8_t body[VECTOR_TILES * 63 * 16 + SOFTSPOKEN_CHECK_BYTES];
    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        const struct vector_ot *v = &vectors_ot[n];
        struct sent sent = {body, 0};
        struct prg *g = NULL;
        both_begin(&b, v->k, VECTOR_TILES);
        for (uint8_t i = 0; i < 32; i++)
            b.trees.sid[i] = b.sender.session[i] = b.receiver.session[i] = i;
        for (uint32_t j = 0; j < 2 * BASE_OT_COUNT; j++) {
            uint8_t key[DIGEST_BYTES], number[4] = {(uint8_t)j, (uint8_t)(j >> 8)};
            assert_int_equal(digest_once(key, "ot vector", number, 4), MP2ML_OK);
            memcpy(&b.trees.keys[j / 2][j % 2], key, sizeof(struct block));
        }
        const struct softspoken_place at = {b.trees.sid, 1, v->k};
        const size_t leaf_bytes = ((size_t)(OT_WIDTH / v->k) << v->k) * sizeof(struct block);
        assert_int_equal(prg_new_seeded(&g, b.trees.sid), MP2ML_OK);
        assert_int_equal(
            softspoken_trees_deal(b.receiver.s.leaf, b.trees.message, b.trees.keys[0], &at, g),
            MP2ML_OK);
        prg_free(g);
        assert_digest(b.trees.message, SOFTSPOKEN_TREE_BYTES(v->k), v->message);
        assert_digest(b.receiver.s.leaf, leaf_bytes, v->leaves);

        for (unsigned j = 0; j < BASE_OT_COUNT; j++)
            b.trees.chosen[j] = b.trees.keys[j][1 - bit_of(&b.trees.delta, j)];
        assert_int_equal(trees_take(&b.trees, v->k), MP2ML_OK);
        memcpy(b.sender.s.leaf, b.trees.taken, leaf_bytes);
        b.sender.s.direction = b.receiver.s.direction = 1;
        b.sender.s.offset = b.receiver.s.offset = VECTOR_OFFSET;
        b.receiver.tap = keep_tap;
        b.receiver.tap_context = &sent;
        both_run(&b);
        assert_int_equal(b.sender.status, MP2ML_OK);
        assert_int_equal(broken_rows(&b), 0);
        assert_digest(body, sent.size, v->body);
        const size_t rows = (VECTOR_TILES - 1) * OT_WIDTH;
        assert_digest(b.receiver.rows, rows * sizeof(struct block), v->rows);
        assert_digest(b.receiver.choice, rows / 8, v->choice);
        both_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_trees_tampered),
        cmocka_unit_test(test_relation),
        cmocka_unit_test(test_streams_continue),
        cmocka_unit_test(test_choices_balanced),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_flips_on_the_way),
        cmocka_unit_test(test_cheating_receiver),
        cmocka_unit_test(test_other_session),
        cmocka_unit_test(test_known_answers),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
