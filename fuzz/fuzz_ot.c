/* SPDX-License-Identifier: Apache-2.0
 *
 * Oblivious transfer: honest messages XORed with the input, so that an input of zeros is an honest
 * run, and frames of the input alone. What is changed may fail a check; what is not, must pass.
 * Input: u8 what, u8 k_ss, difference or wire bytes. */
#include "fuzz.h"
#include "ot/ot.h"
#include "ot/softspoken.h"
#include "ot/softspoken_tree.h"

#define TILES 3

static const uint8_t sid[32] = {5};

struct difference {
    const uint8_t *data;
    size_t size;
};

static void change(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                   size_t length)
{
    struct difference *d = context;
    (void)type;
    (void)step;
    if (!sent)
        return;
    fuzz_xor(part, length, d->data, d->size);
    const size_t used = length < d->size ? length : d->size;
    d->data += used;
    d->size -= used;
}

static bool all_zero(const uint8_t *data, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= data[i];
    return any == 0;
}

/* ---- base transfers ------------------------------------------------------------------------- */

static void keep(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                 size_t length)
{
    uint8_t **at = context;
    (void)type;
    (void)step;
    if (!sent)
        return;
    memcpy(*at, part, length);
    *at += length;
}

/* The points of an honest receiver. */
static const uint8_t *honest_points(void)
{
    static uint8_t points[BASE_OT_RECEIVER_BYTES];
    static bool made;
    if (made)
        return points;
    struct base_ot_receiver *receiver = NULL;
    const struct block choice = {0x0123456789abcdef, 0xf0f0f0f0f0f0f0f0};
    struct fuzz_link l;
    struct prg *g = fuzz_prg();
    fuzz_link_new(&l, NULL, 0);
    uint8_t *at = points;
    link_set_tap(l.link, keep, &at);
    FUZZ_CHECK(base_ot_recv_begin(&receiver, &choice, l.link, g, sid) == MP2ML_OK);
    FUZZ_CHECK(at == points + sizeof points);
    base_ot_receiver_free(receiver);
    fuzz_link_free(&l);
    prg_free(g);
    made = true;
    return points;
}

static void base_sender(const uint8_t *data, size_t size)
{
    static struct block keys[BASE_OT_COUNT][2];
    struct fuzz_link l;
    struct prg *g = fuzz_prg();
    uint8_t *frame = fuzz_frame(FRAME_BASE_OT, 0, 0, honest_points(), BASE_OT_RECEIVER_BYTES,
                                BASE_OT_RECEIVER_BYTES);
    const bool changed = fuzz_xor(frame + FRAME_HEADER_BYTES, BASE_OT_RECEIVER_BYTES, data, size);
    fuzz_link_new(&l, frame, FRAME_HEADER_BYTES + BASE_OT_RECEIVER_BYTES);
    mp2ml_status status = base_ot_send_begin(l.link);
    FUZZ_CHECK(status == MP2ML_OK);
    status = base_ot_send_end(keys, l.link, g, sid);
    FUZZ_CHECK(status == MP2ML_ERR_PROTOCOL || status == MP2ML_OK);
    FUZZ_CHECK(changed || status == MP2ML_OK);
    FUZZ_CHECK(status == MP2ML_OK || all_zero((const uint8_t *)keys, sizeof keys));
    fuzz_link_free(&l);
    prg_free(g);
    free(frame);
}

static void base_receiver(const uint8_t *data, size_t size)
{
    struct block keys[BASE_OT_COUNT];
    const struct block choice = {1, 2};
    struct fuzz_link l;
    struct prg *g = fuzz_prg();
    uint8_t *frame = fuzz_frame(FRAME_BASE_OT, 0, 0, honest_points(), 32, BASE_OT_SENDER_BYTES);
    const bool changed = fuzz_xor(frame + FRAME_HEADER_BYTES, BASE_OT_SENDER_BYTES, data, size);
    fuzz_link_new(&l, frame, FRAME_HEADER_BYTES + BASE_OT_SENDER_BYTES);
    struct base_ot_receiver *receiver = NULL;
    FUZZ_CHECK(base_ot_recv_begin(&receiver, &choice, l.link, g, sid) == MP2ML_OK);
    mp2ml_status status = base_ot_recv_end(keys, receiver, l.link);
    base_ot_receiver_free(receiver);
    FUZZ_CHECK(status == MP2ML_ERR_PROTOCOL || status == MP2ML_OK);
    FUZZ_CHECK(changed || status == MP2ML_OK);
    FUZZ_CHECK(status == MP2ML_OK || all_zero((const uint8_t *)keys, sizeof keys));
    fuzz_link_free(&l);
    prg_free(g);
    free(frame);
}

/* ---- trees and extension -------------------------------------------------------------------- */

static struct block delta_bits(const struct block *delta, unsigned i, unsigned k)
{
    const unsigned at = i * k;
    const uint64_t word = at < 64 ? delta->lo >> at : delta->hi >> (at - 64);
    const struct block bits = {word & ((1U << k) - 1), 0};
    return bits;
}

/* The sender's leaves of a dealer's: shifted by Delta, the one at 0 unknown. */
static void puncture(struct block *to, const struct block *from, const struct block *delta,
                     unsigned k)
{
    for (unsigned i = 0; i < OT_WIDTH / k; i++)
        for (unsigned y = 0; y < 1U << k; y++) {
            const struct block none = {0, 0};
            const unsigned x = y ^ (unsigned)delta_bits(delta, i, k).lo;
            to[i << k | y] = y == 0 ? none : from[i << k | x];
        }
}

static void extension(unsigned k, const uint8_t *data, size_t size)
{
    static struct block rows[2][TILES * OT_WIDTH];
    uint64_t choice[TILES * 2];
    const struct block delta = {0x1122334455667788, 0x99aabbccddeeff01};
    const bool honest = all_zero(data, size);
    struct difference d = {data, size};
    struct softspoken_work *work = NULL;
    struct softspoken s, r;
    struct channel *channel[2];
    struct link *link[2];
    struct prg *g = fuzz_prg();
    FUZZ_CHECK(softspoken_work_new(&work) == MP2ML_OK);
    FUZZ_CHECK(softspoken_init(&s, k, 0, sid, work) == MP2ML_OK);
    FUZZ_CHECK(softspoken_init(&r, k, 0, sid, work) == MP2ML_OK);
    FUZZ_CHECK(prg_fill(g, r.leaf, (OT_WIDTH / k << k) * sizeof *r.leaf) == MP2ML_OK);
    softspoken_set_delta(&s, &delta);
    puncture(s.leaf, r.leaf, &delta, k);
    FUZZ_CHECK(channel_pair(&channel[0], &channel[1]) == MP2ML_OK);
    for (unsigned i = 0; i < 2; i++)
        FUZZ_CHECK(link_new(&link[i], channel[i]) == MP2ML_OK);
    link_set_tap(link[1], change, &d);
    const size_t bytes = softspoken_body_bytes(k, TILES);
    FUZZ_CHECK(frame_send_begin(link[1], FRAME_OT_EXTEND, 1, bytes) == MP2ML_OK);
    FUZZ_CHECK(softspoken_extend_receiver(&r, link[1], rows[1], choice, TILES) == MP2ML_OK);
    FUZZ_CHECK(frame_recv_begin(link[0], FRAME_OT_EXTEND, 1, bytes) == MP2ML_OK);
    mp2ml_status status = softspoken_extend_sender(&s, link[0], rows[0], TILES);
    FUZZ_CHECK(status == MP2ML_OK || status == MP2ML_ERR_PROTOCOL);
    FUZZ_CHECK(!honest || status == MP2ML_OK);
    FUZZ_CHECK(status == MP2ML_OK || all_zero((const uint8_t *)rows[0], sizeof rows[0]));
    for (unsigned i = 0; i < 2; i++) {
        link_free(link[i]);
        channel_free(channel[i]);
    }
    softspoken_wipe(&s);
    softspoken_wipe(&r);
    softspoken_work_free(work);
    prg_free(g);
}

static void trees(unsigned k, const uint8_t *data, size_t size)
{
    static struct block keys[BASE_OT_COUNT][2], chosen[BASE_OT_COUNT];
    static uint8_t message[SOFTSPOKEN_TREE_BYTES_MAX];
    const struct block delta = {0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0};
    const struct softspoken_place at = {sid, 1, k};
    struct block *leaf[2];
    struct prg *g = fuzz_prg();
    for (unsigned i = 0; i < 2; i++) {
        leaf[i] = calloc(OT_WIDTH / k << k, sizeof *leaf[i]);
        FUZZ_CHECK(leaf[i] != NULL);
    }
    FUZZ_CHECK(prg_fill(g, keys, sizeof keys) == MP2ML_OK);
    for (unsigned j = 0; j < BASE_OT_COUNT; j++) {
        const uint64_t bit = (j < 64 ? delta.lo >> j : delta.hi >> (j - 64)) & 1;
        chosen[j] = keys[j][1 ^ bit];
    }
    FUZZ_CHECK(softspoken_trees_deal(leaf[0], message, keys[0], &at, g) == MP2ML_OK);
    const bool changed = fuzz_xor(message, SOFTSPOKEN_TREE_BYTES(k), data, size);
    mp2ml_status status = softspoken_trees_take(leaf[1], message, chosen, &delta, &at);
    FUZZ_CHECK(status == MP2ML_OK || status == MP2ML_ERR_PROTOCOL);
    FUZZ_CHECK(changed || status == MP2ML_OK);
    for (unsigned i = 0; i < 2; i++)
        free(leaf[i]);
    prg_free(g);
}

/* ---- whole set-up --------------------------------------------------------------------------- */

static void set_up(enum party party, unsigned k, const uint8_t *data, size_t size)
{
    struct fuzz_link l;
    struct ot *ot = NULL;
    struct prg *g = fuzz_prg();
    fuzz_link_new(&l, data, size);
    FUZZ_CHECK(ot_new(&ot, l.link, party, g, k) == MP2ML_OK);
    mp2ml_status status = ot_setup_begin(ot, sid);
    FUZZ_CHECK(status != MP2ML_OK || ot_setup_end(ot) != MP2ML_OK); /* nobody guesses all of it */
    ot_free(ot);
    fuzz_link_free(&l);
    prg_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned widths[4] = {4, 2, 8, 4};
    const uint8_t what = fuzz_take(&data, &size);
    const unsigned k = widths[fuzz_take(&data, &size) & 3];
    FUZZ_CHECK(secret_init() == MP2ML_OK);
    switch (what & 7) {
    case 0:
    case 1:
        trees(k, data, size);
        break;
    case 2:
    case 3:
        extension(k, data, size);
        break;
    case 4:
        base_sender(data, size);
        break;
    case 5:
        base_receiver(data, size);
        break;
    default:
        set_up((what & 1) != 0 ? PARTY_SERVER : PARTY_CLIENT, k, data, size);
        break;
    }
    return 0;
}
