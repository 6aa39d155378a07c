/* SPDX-License-Identifier: Apache-2.0
 *
 * Base transfers: both keys against the choice, what the wire carries, and refused points. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ot/base_ot.h"

struct party {
    struct channel *channel;
    struct prg *prg;
    uint8_t sid[32];
    struct block choice;
    struct block keys[BASE_OT_COUNT][2]; /* the receiver's in keys[i][0] */
    bool sender;
    link_tap tap;
    void *tap_context;
    mp2ml_status status;
};

static void *party_run(void *context)
{
    struct party *p = context;
    struct link *link = NULL;
    struct block got[BASE_OT_COUNT];
    p->status = link_new(&link, p->channel);
    if (p->status != MP2ML_OK)
        return NULL;
    if (p->tap != NULL)
        link_set_tap(link, p->tap, p->tap_context);
    if (p->sender) {
        p->status = base_ot_send_begin(link);
        if (p->status == MP2ML_OK)
            p->status = base_ot_send_end(p->keys, link, p->prg, p->sid);
    } else {
        struct base_ot_receiver *receiver = NULL;
        p->status = base_ot_recv_begin(&receiver, &p->choice, link, p->prg, p->sid);
        if (p->status == MP2ML_OK)
            p->status = base_ot_recv_end(got, receiver, link);
        base_ot_receiver_free(receiver);
        for (unsigned i = 0; i < BASE_OT_COUNT; i++)
            p->keys[i][0] = got[i];
    }
    if (p->status != MP2ML_OK)
        link_abort(link);
    link_free(link);
    return NULL;
}

/* Both parties to the end; generators seeded with `seed`. */
static void run_pair(struct party *s, struct party *r, uint8_t seed)
{
    pthread_t thread;
    uint8_t bytes[32] = {seed, 's'};
    s->sender = true;
    r->sender = false;
    assert_int_equal(secret_init(), MP2ML_OK);
    assert_int_equal(channel_pair(&s->channel, &r->channel), MP2ML_OK);
    assert_int_equal(prg_new_seeded(&s->prg, bytes), MP2ML_OK);
    bytes[1] = 'r';
    assert_int_equal(prg_new_seeded(&r->prg, bytes), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, party_run, s), 0);
    party_run(r);
    assert_int_equal(pthread_join(thread, NULL), 0);
    channel_free(s->channel);
    channel_free(r->channel);
    prg_free(s->prg);
    prg_free(r->prg);
}

static unsigned choice_bit(const struct block *c, unsigned i)
{
    return (unsigned)((i < 64 ? c->lo >> i : c->hi >> (i - 64)) & 1);
}

static bool same(const struct block *a, const struct block *b)
{
    return a->lo == b->lo && a->hi == b->hi;
}

static void test_keys(void **state)
{
    static const struct block choices[] = {
        {0, 0}, {UINT64_MAX, UINT64_MAX}, {UINT64_C(0x123456789abcdef0), UINT64_C(0xf00d)}};
    (void)state;
    for (unsigned c = 0; c < 3; c++) {
        struct party s = {.sid = {7}}, r = {.sid = {7}};
        r.choice = choices[c];
        run_pair(&s, &r, (uint8_t)c);
        assert_int_equal(s.status, MP2ML_OK);
        assert_int_equal(r.status, MP2ML_OK);
        for (unsigned i = 0; i < BASE_OT_COUNT; i++) {
            const unsigned bit = choice_bit(&r.choice, i);
            assert_true(same(&s.keys[i][bit], &r.keys[i][0]));
            assert_false(same(&s.keys[i][1 - bit], &r.keys[i][0]));
            for (unsigned j = 0; j < i; j++) /* no key comes twice */
                assert_false(same(&s.keys[i][0], &s.keys[j][0]) ||
                             same(&s.keys[i][1], &s.keys[j][1]) ||
                             same(&s.keys[i][0], &s.keys[j][1]));
        }
    }
}

/* Another session id: the same randomness gives unrelated keys, and two ids do not meet. */
static void test_session(void **state)
{
    struct party s1 = {.sid = {1}}, r1 = {.sid = {1}}, s2 = {.sid = {2}}, r2 = {.sid = {2}};
    struct party s3 = {.sid = {1}}, r3 = {.sid = {2}};
    (void)state;
    run_pair(&s1, &r1, 5);
    run_pair(&s2, &r2, 5);
    run_pair(&s3, &r3, 5);
    assert_int_equal(s3.status, MP2ML_OK);
    for (unsigned i = 0; i < BASE_OT_COUNT; i++) {
        assert_false(same(&s1.keys[i][0], &s2.keys[i][0]));
        assert_false(same(&s3.keys[i][0], &r3.keys[i][0]));
    }
}

struct tamper {
    uint8_t value[32];
    size_t at;     /* in the body */
    size_t length; /* of the parts of the body to change */
    size_t seen;   /* bytes of it so far */
    bool flip;     /* XOR instead of replace */
    bool done;
};

#define STRIP_BYTES (BASE_OT_STRIP * 64)

/* Changes the body of a sent BASE_OT frame that leaves in parts of the given length. */
static void tamper_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                       size_t length)
{
    struct tamper *t = context;
    (void)step;
    if (!sent || type != FRAME_BASE_OT || length != t->length || t->done)
        return;
    const size_t first = t->seen;
    t->seen += length;
    if (t->at >= t->seen)
        return;
    for (unsigned n = 0; n < 32; n++)
        part[t->at - first + n] = t->flip ? part[t->at - first + n] ^ t->value[n] : t->value[n];
    t->done = true;
}

/* Encodings that are no points other than the identity. */
static const struct {
    const char *name;
    uint8_t bytes[32];
} bad_points[] = {
    {"identity", {0}},
    {"p, not canonical", {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
    {"all ones", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    {"negative", {1}},
    {"generator with the top bit",
     {0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9,
      0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82,
      0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0xf6}},
};

static void test_bad_points_to_sender(void **state)
{
    static const size_t at[] = {0, 32, 64 * 127, 64 * 127 + 32};
    (void)state;
    for (unsigned b = 0; b < sizeof bad_points / sizeof bad_points[0]; b++)
        for (unsigned n = 0; n < 4; n++) {
            struct tamper t = {.at = at[n], .length = STRIP_BYTES};
            struct party s = {.sid = {1}}, r = {.tap = tamper_tap, .tap_context = &t, .sid = {1}};
            memcpy(t.value, bad_points[b].bytes, 32);
            run_pair(&s, &r, 9);
            assert_true(t.done);
            assert_int_equal(s.status, MP2ML_ERR_PROTOCOL);
            for (unsigned i = 0; i < BASE_OT_COUNT; i++) /* nothing is left of the keys */
                assert_true((s.keys[i][0].lo | s.keys[i][0].hi | s.keys[i][1].lo) == 0);
        }
}

static void test_bad_points_to_receiver(void **state)
{
    (void)state;
    for (unsigned b = 0; b < sizeof bad_points / sizeof bad_points[0]; b++) {
        struct tamper t = {.at = 0, .length = BASE_OT_SENDER_BYTES};
        struct party s = {.tap = tamper_tap, .tap_context = &t, .sid = {1}}, r = {.sid = {1}};
        memcpy(t.value, bad_points[b].bytes, 32);
        run_pair(&s, &r, 9);
        assert_true(t.done);
        assert_int_equal(r.status, MP2ML_ERR_PROTOCOL);
        assert_true((r.keys[5][0].lo | r.keys[5][0].hi) == 0);
    }
}

/* A flipped bit gives a point or none: refused, or keys that do not fit; never a crash. Bit 0 of
 * byte 0 makes the encoding negative and is always refused. */
static void test_flipped_bits(void **state)
{
    unsigned refused = 0, accepted = 0;
    (void)state;
    for (unsigned n = 0; n < 24; n++) {
        struct tamper t = {.at = 64 * 3, .length = STRIP_BYTES, .flip = true};
        struct party s = {.sid = {1}}, r = {.tap = tamper_tap, .tap_context = &t, .sid = {1}};
        t.value[n] = (uint8_t)(1U << (n % 8));
        run_pair(&s, &r, 3);
        if (s.status == MP2ML_OK) {
            accepted++;
            assert_false(same(&s.keys[3][0], &r.keys[3][0]));
            assert_true(same(&s.keys[4][0], &r.keys[4][0]));
        } else {
            refused++;
            assert_int_equal(s.status, MP2ML_ERR_PROTOCOL);
        }
        if (n == 0)
            assert_int_equal(refused, 1);
    }
    assert_true(refused > 0 && accepted > 0);
}

struct record {
    uint8_t body[BASE_OT_RECEIVER_BYTES];
    size_t size;
};

static void record_tap(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                       size_t length)
{
    struct record *rec = context;
    (void)step;
    if (!sent || type != FRAME_BASE_OT)
        return;
    assert_true(length <= sizeof rec->body - rec->size);
    memcpy(rec->body + rec->size, part, length);
    rec->size += length;
}

/* With the same randomness, the receiver's two points differ by the choice, and no point repeats.
 */
static void test_receiver_points(void **state)
{
    static struct record rec[2];
    (void)state;
    for (unsigned c = 0; c < 2; c++) {
        struct party s = {.sid = {1}}, r = {.tap = record_tap, .tap_context = &rec[c], .sid = {1}};
        r.choice.lo = r.choice.hi = c != 0 ? UINT64_MAX : 0;
        run_pair(&s, &r, 11);
        assert_int_equal(rec[c].size, sizeof rec[c].body);
    }
    for (unsigned i = 0; i < BASE_OT_COUNT; i++) {
        /* The random point is the one not chosen: at 32 for choice 0, at 0 for choice 1. */
        assert_memory_equal(rec[0].body + 64 * i + 32, rec[1].body + 64 * i, 32);
        assert_memory_not_equal(rec[0].body + 64 * i, rec[1].body + 64 * i + 32, 32);
        for (unsigned j = 0; j < i; j++)
            assert_memory_not_equal(rec[0].body + 64 * i, rec[0].body + 64 * j, 32);
    }
}

static void *send_short(void *context)
{
    struct party *p = context;
    struct link *link = NULL;
    static const uint8_t body[BASE_OT_RECEIVER_BYTES];
    if (link_new(&link, p->channel) == MP2ML_OK)
        p->status = frame_send(link, FRAME_BASE_OT, 0, body, sizeof body - 32);
    link_free(link);
    return NULL;
}

static void test_wrong_length(void **state)
{
    struct party s = {.sender = true}, r = {.sender = false};
    uint8_t seed[32] = {0};
    pthread_t thread;
    (void)state;
    assert_int_equal(secret_init(), MP2ML_OK);
    assert_int_equal(channel_pair(&s.channel, &r.channel), MP2ML_OK);
    assert_int_equal(prg_new_seeded(&s.prg, seed), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, send_short, &r), 0);
    party_run(&s);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r.status, MP2ML_OK);
    assert_int_equal(s.status, MP2ML_ERR_PROTOCOL);
    channel_free(s.channel);
    channel_free(r.channel);
    prg_free(s.prg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_bad_points_to_sender),
        cmocka_unit_test(test_bad_points_to_receiver),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_receiver_points),
        cmocka_unit_test(test_wrong_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
