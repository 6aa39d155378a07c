/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees [eprint 2022/192, section 5.1 and its consistency check]. Nodes double by the hash of
 * tccr.h, one domain key a session and direction, one tweak for each (tree, level, side).
 *
 * The taker must not index by Delta, so it numbers nodes by y = x ^ Delta (prefixes likewise): the
 * path that it does not know is then y = 0 at every level, and the children of a known node are
 * stored swapped when the level's bit of Delta is 1.
 *
 * Why the check is needed. The dealer can send wrong sums for one side; whether the taker notices
 * would depend on its Delta. Each leaf node n has a check value t = H("ot-leaf", n). The dealer
 * sends the XOR of each tree's check values, from which the taker completes its own, and the hash
 * of all check values in order of x. Two offsets for which the hash agrees give equal check values
 * everywhere, hence (collisions apart) equal leaves wherever both know them: the leaves that pass
 * belong to one tree. A lying dealer passes only if Delta lies in the set that it bet on, and
 * learns no more than that: for a bet on b bits it is caught with probability 1 - 2^-b. This is the
 * same bet as in the check of the extension, and costs Delta no more entropy than the bet is worth.
 * The leaf's seed is another hash of n, so that the check values say nothing about it. */
#include "ot/softspoken_tree.h"

#include <string.h>

#define LEAVES_MAX 256
#define LEVEL_SEED 0xff /* in place of a level: the seed of a leaf */

struct tree {
    struct block node[LEAVES_MAX];
    uint8_t check[LEAVES_MAX][DIGEST_BYTES];
};

static mp2ml_status tree_hash_init(struct tccr *hash, const struct softspoken_place *at)
{
    uint8_t key[DIGEST_BYTES];
    const struct digest_part parts[] = {{at->sid, 32}, {&at->direction, 1}};
    TRY(digest_parts(key, "ot-tree", parts, 2));
    tccr_init(hash, key);
    return MP2ML_OK;
}

static struct block node_hash(const struct tccr *hash, const struct block *node, unsigned tree,
                              unsigned level, unsigned side)
{
    struct block out;
    uint64_t tweak = (uint64_t)tree << 16 | (uint64_t)level << 8 | side;
    tccr_hash(hash, &out, node, tweak, 1, 1);
    return out;
}

static void block_add(struct block *a, const struct block *b)
{
    a->lo ^= b->lo;
    a->hi ^= b->hi;
}

static void bytes_add(uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] ^= b[i];
}

static uint64_t offset_bit(const struct block *delta, unsigned i)
{
    return (i < 64 ? delta->lo >> i : delta->hi >> (i - 64)) & 1; /* i is public */
}

/* Check values and seeds of nodes first .. 2^k - 1, the seeds in place of the nodes. */
static mp2ml_status leaves_finish(struct tree *t, const struct tccr *hash, unsigned tree,
                                  unsigned first, const struct softspoken_place *at)
{
    uint8_t head[2] = {at->direction, (uint8_t)tree};
    for (unsigned x = first; x < 1U << at->k; x++) {
        const struct digest_part parts[] = {
            {at->sid, 32}, {head, sizeof head}, {&t->node[x], sizeof t->node[x]}};
        TRY(digest_parts(t->check[x], "ot-leaf", parts, 3));
        t->node[x] = node_hash(hash, &t->node[x], tree, LEVEL_SEED, 0);
    }
    return MP2ML_OK;
}

/* Grows the tree from node[0]; sum[b] = sums of the left and the right nodes of the level of bit b.
 */
static void tree_grow(struct tree *t, struct block (*sum)[2], const struct tccr *hash,
                      unsigned tree, unsigned k)
{
    for (unsigned level = 0; level < k; level++) {
        struct block *s = sum[k - 1 - level];
        memset(s, 0, 2 * sizeof *s);
        for (unsigned p = 1U << level; p-- > 0;) {
            const struct block parent = t->node[p];
            for (unsigned side = 0; side < 2; side++) {
                t->node[2 * p + side] = node_hash(hash, &parent, tree, level, side);
                block_add(&s[side], &t->node[2 * p + side]);
            }
        }
    }
}

static mp2ml_status tree_deal(struct tree *t, struct block *leaf, uint8_t *message,
                              const struct block *keys, const struct tccr *hash, struct digest *all,
                              unsigned tree, const struct softspoken_place *at)
{
    struct block sum[8][2];
    const size_t leaves = (size_t)1 << at->k;
    uint8_t *total = message + BASE_OT_COUNT * 32 + (size_t)tree * 32;
    tree_grow(t, sum, hash, tree, at->k);
    for (unsigned b = 0; b < at->k; b++) {
        const unsigned j = tree * at->k + b;
        block_add(&sum[b][0], &keys[2 * j]);
        block_add(&sum[b][1], &keys[2 * j + 1]);
        memcpy(message + (size_t)32 * j, sum[b], 32);
    }
    TRY(leaves_finish(t, hash, tree, 0, at));
    memset(total, 0, 32);
    for (size_t x = 0; x < leaves; x++)
        bytes_add(total, t->check[x], DIGEST_BYTES);
    memcpy(leaf + (tree * leaves), t->node, leaves * sizeof *leaf);
    return digest_update(all, t->check, leaves * DIGEST_BYTES);
}

static mp2ml_status digest_of_trees(struct digest **all, const struct softspoken_place *at)
{
    TRY(digest_new(all, "ot-trees"));
    mp2ml_status status = digest_update(*all, at->sid, 32);
    if (status == MP2ML_OK)
        status = digest_update(*all, &at->direction, 1);
    if (status != MP2ML_OK)
        digest_free(*all);
    return status;
}

mp2ml_status softspoken_trees_deal(struct block *leaf, uint8_t *message, const struct block *keys,
                                   const struct softspoken_place *at, struct prg *g)
{
    mp2ml_status status;
    struct tccr hash;
    struct digest *all;
    TRY(tree_hash_init(&hash, at));
    TRY(digest_of_trees(&all, at));
    struct tree *t = secret_new(1, sizeof *t);
    if (t == NULL) {
        status = MP2ML_ERR_MEMORY;
        goto out;
    }
    for (unsigned i = 0; i < OT_WIDTH / at->k; i++) {
        TRY_OUT(prg_fill(g, &t->node[0], sizeof t->node[0]));
        TRY_OUT(tree_deal(t, leaf, message, keys, &hash, all, i, at));
    }
    status = digest_now(all, message + SOFTSPOKEN_TREE_BYTES(at->k) - 32);
out:
    secret_free(t);
    digest_free(all);
    return status;
}

/* Grows all nodes but the path y = 0 from the chosen masked sums. CT: delta decides what is swapped
 * and selected, by masks. */
static void tree_regrow(struct tree *t, const uint8_t *message, const struct block *keys,
                        const struct block *delta, const struct tccr *hash, unsigned tree,
                        unsigned k)
{
    for (unsigned level = 0; level < k; level++) {
        const unsigned j = tree * k + (k - 1 - level);
        const uint64_t m = mask_from_bit(offset_bit(delta, j));
        struct block sent[2], missing = keys[j];
        memcpy(sent, message + (size_t)32 * j, 32);
        missing.lo ^= mask_select(m, sent[0].lo, sent[1].lo); /* side 1 ^ bit of delta */
        missing.hi ^= mask_select(m, sent[0].hi, sent[1].hi);
        for (unsigned p = (1U << level) - 1; p > 0; p--) {
            const struct block parent = t->node[p];
            const struct block left = node_hash(hash, &parent, tree, level, 0);
            const struct block right = node_hash(hash, &parent, tree, level, 1);
            t->node[2 * p].lo = mask_select(m, right.lo, left.lo);
            t->node[2 * p].hi = mask_select(m, right.hi, left.hi);
            t->node[2 * p + 1].lo = mask_select(m, left.lo, right.lo);
            t->node[2 * p + 1].hi = mask_select(m, left.hi, right.hi);
            block_add(&missing, &t->node[2 * p + 1]);
        }
        t->node[1] = missing; /* the sibling of the unknown node */
    }
    memset(&t->node[0], 0, sizeof t->node[0]);
}

/* Brings check values from the order of y to that of x = y ^ Delta_i: for each bit of Delta_i that
 * is 1, exchanges all pairs that differ in it. CT: no index depends on delta. */
static void checks_reorder(struct tree *t, const struct block *delta, unsigned tree, unsigned k)
{
    for (unsigned b = 0; b < k; b++) {
        const uint8_t m = (uint8_t)mask_from_bit(offset_bit(delta, tree * k + b));
        for (unsigned y = 0; y < 1U << k; y++) {
            if ((y >> b & 1) != 0)
                continue;
            for (unsigned n = 0; n < DIGEST_BYTES; n++) {
                uint8_t *p = &t->check[y][n], *q = &t->check[y | 1U << b][n];
                uint8_t d = (uint8_t)((*p ^ *q) & m);
                *p ^= d;
                *q ^= d;
            }
        }
    }
}

static mp2ml_status tree_take(struct tree *t, struct block *leaf, const uint8_t *message,
                              const struct block *keys, const struct block *delta,
                              const struct tccr *hash, struct digest *all, unsigned tree,
                              const struct softspoken_place *at)
{
    const size_t leaves = (size_t)1 << at->k;
    tree_regrow(t, message, keys, delta, hash, tree, at->k);
    TRY(leaves_finish(t, hash, tree, 1, at));
    memcpy(t->check[0], message + BASE_OT_COUNT * 32 + (size_t)tree * 32, DIGEST_BYTES);
    for (size_t y = 1; y < leaves; y++)
        bytes_add(t->check[0], t->check[y], DIGEST_BYTES);
    checks_reorder(t, delta, tree, at->k);
    memcpy(leaf + (tree * leaves), t->node, leaves * sizeof *leaf);
    return digest_update(all, t->check, leaves * DIGEST_BYTES);
}

mp2ml_status softspoken_trees_take(struct block *leaf, const uint8_t *message,
                                   const struct block *keys, const struct block *delta,
                                   const struct softspoken_place *at)
{
    mp2ml_status status;
    struct tccr hash;
    struct digest *all;
    uint8_t mine[DIGEST_BYTES];
    TRY(tree_hash_init(&hash, at));
    TRY(digest_of_trees(&all, at));
    struct tree *t = secret_new(1, sizeof *t);
    if (t == NULL) {
        status = MP2ML_ERR_MEMORY;
        goto out;
    }
    for (unsigned i = 0; i < OT_WIDTH / at->k; i++)
        TRY_OUT(tree_take(t, leaf, message, keys, delta, &hash, all, i, at));
    TRY_OUT(digest_now(all, mine));
    if (!mask_bytes_equal(mine, message + SOFTSPOKEN_TREE_BYTES(at->k) - 32, DIGEST_BYTES))
        status = MP2ML_ERR_PROTOCOL;
out:
    secret_free(t);
    digest_free(all);
    if (status != MP2ML_OK)
        secret_wipe(leaf, (OT_WIDTH / at->k * sizeof *leaf) << at->k);
    return status;
}
