/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and links: honest runs over a pair, and every kind of wrong frame written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "base/bytes.h"
#include "net/frame.h"

struct two {
    struct channel *channel[2];
    struct link *link[2];
};

static void two_new(struct two *t)
{
    assert_int_equal(channel_pair(&t->channel[0], &t->channel[1]), MP2ML_OK);
    for (int i = 0; i < 2; i++) {
        channel_set_timeout(t->channel[i], 5000);
        assert_int_equal(link_new(&t->link[i], t->channel[i]), MP2ML_OK);
    }
}

static void two_free(struct two *t)
{
    for (int i = 0; i < 2; i++) {
        link_free(t->link[i]);
        channel_free(t->channel[i]);
    }
}

/* A link whose peer is a bare socket. */
struct raw {
    struct channel *channel;
    struct link *link;
    int fd;
};

static void raw_new(struct raw *r)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(channel_from_socket(&r->channel, fds[0]), MP2ML_OK);
    channel_set_timeout(r->channel, 5000);
    assert_int_equal(link_new(&r->link, r->channel), MP2ML_OK);
    r->fd = fds[1];
}

static void raw_free(struct raw *r)
{
    link_free(r->link);
    channel_free(r->channel);
    close(r->fd);
}

struct fields {
    uint8_t type;
    uint8_t flags;
    uint16_t step;
    uint32_t sequence;
    uint64_t length;
};

static void header_bytes(uint8_t to[FRAME_HEADER_BYTES], struct fields f)
{
    to[0] = f.type;
    to[1] = f.flags;
    store_u16(to + 2, f.step);
    store_u32(to + 4, f.sequence);
    store_u64(to + 8, f.length);
}

static void raw_frame(struct raw *r, struct fields f, const void *body, size_t n)
{
    uint8_t bytes[FRAME_HEADER_BYTES];

    header_bytes(bytes, f);
    assert_int_equal(write(r->fd, bytes, sizeof bytes), FRAME_HEADER_BYTES);
    if (n > 0)
        assert_int_equal(write(r->fd, body, n), n);
}

/* The bytes of the header are the format's table, nothing else. */
static void known_bytes(void **state)
{
    static const uint8_t expected[] = {
        FRAME_OPEN, 0,        0x34, 0x12, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b',
        'c',        FRAME_PK, 0,    0,    0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    uint8_t got[sizeof expected];
    struct raw r;

    (void)state;
    raw_new(&r);
    assert_int_equal(frame_send(r.link, FRAME_OPEN, 0x1234, "abc", 3), MP2ML_OK);
    assert_int_equal(frame_send(r.link, FRAME_PK, 0, NULL, 0), MP2ML_OK);
    assert_int_equal(recv(r.fd, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, expected, sizeof got);
    raw_free(&r);
}

static void round_trip(void **state)
{
    struct two t;
    uint8_t in[16];
    uint8_t *body;
    size_t length;
    enum frame_type got;

    (void)state;
    two_new(&t);
    assert_int_equal(frame_send_begin(t.link[0], FRAME_CT_IN, 3, 8), MP2ML_OK);
    assert_int_equal(frame_send_part(t.link[0], "01", 2), MP2ML_OK);
    assert_int_equal(frame_send_part(t.link[0], "", 0), MP2ML_OK);
    assert_int_equal(frame_send_part(t.link[0], "234567", 6), MP2ML_OK);
    assert_int_equal(frame_send(t.link[0], FRAME_REQUEST, 0, "xyz", 3), MP2ML_OK);
    assert_int_equal(frame_send(t.link[0], FRAME_REFUSE, 0, NULL, 0), MP2ML_OK);
    assert_int_equal(frame_recv_begin(t.link[1], FRAME_CT_IN, 3, 8), MP2ML_OK);
    assert_int_equal(frame_recv_part(t.link[1], in, 5), MP2ML_OK);
    assert_int_equal(frame_recv_part(t.link[1], in + 5, 3), MP2ML_OK);
    assert_memory_equal(in, "01234567", 8);
    assert_int_equal(
        frame_recv_any(t.link[1], FRAME_REQUEST, FRAME_REFUSE, 3, &got, &body, &length), MP2ML_OK);
    assert_int_equal(got, FRAME_REQUEST);
    assert_int_equal(length, 3);
    assert_memory_equal(body, "xyz", 3);
    free(body);
    assert_int_equal(
        frame_recv_any(t.link[1], FRAME_REQUEST, FRAME_REFUSE, 3, &got, &body, &length), MP2ML_OK);
    assert_int_equal(got, FRAME_REFUSE);
    assert_int_equal(length, 0);
    free(body);
    struct link_stats sent = link_stats(t.link[0]);
    struct link_stats received = link_stats(t.link[1]);
    assert_int_equal(sent.bytes_sent, 3 * FRAME_HEADER_BYTES + 11);
    assert_int_equal(received.bytes_received, sent.bytes_sent);
    assert_int_equal(sent.frames_sent, 3);
    assert_int_equal(received.frames_received, 3);
    assert_int_equal(sent.bytes_received, 0);
    assert_int_equal(channel_stats(t.channel[0]).bytes_sent, sent.bytes_sent);
    assert_int_equal(channel_stats(t.channel[1]).bytes_received, sent.bytes_sent);
    assert_ptr_equal(link_channel(t.link[0]), t.channel[0]);
    two_free(&t);
}

/* What is expected is always {OT_CHOICE, step 7, sequence 0, length 4}. */
static void check_fixed(struct fields f, mp2ml_status expected)
{
    struct raw r;
    uint8_t in[4];

    raw_new(&r);
    raw_frame(&r, f, "wxyz", 4);
    assert_int_equal(frame_recv(r.link, FRAME_OT_CHOICE, 7, in, 4), expected);
    if (expected != MP2ML_OK) { /* and so it stays, for every call */
        struct link_stats stats = link_stats(r.link);
        uint8_t a[DIGEST_BYTES];
        uint8_t b[DIGEST_BYTES];
        assert_int_equal(frame_recv(r.link, FRAME_OT_CHOICE, 7, in, 4), expected);
        assert_int_equal(frame_send(r.link, FRAME_OT_CHOICE, 7, in, 4), expected);
        assert_int_equal(frame_send_part(r.link, in, 0), expected);
        assert_int_equal(frame_recv_part(r.link, in, 0), expected);
        assert_int_equal(link_transcript_now(r.link, a, b), expected);
        assert_int_equal(stats.frames_received, 0);
    }
    raw_free(&r);
}

static void wrong_fixed_frames(void **state)
{
    const struct fields good = {FRAME_OT_CHOICE, 0, 7, 0, 4};
    struct fields f;

    (void)state;
    check_fixed(good, MP2ML_OK);
    f = good, f.type = FRAME_OT_MESSAGE;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.type = 0;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    for (int bit = 0; bit < 8; bit++) {
        f = good, f.flags = (uint8_t)(1 << bit);
        check_fixed(f, MP2ML_ERR_PROTOCOL);
    }
    f = good, f.step = 8;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.step = 7 << 8;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.sequence = 1;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.sequence = UINT32_MAX;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.length = 3;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.length = 5;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.length = 4 + ((uint64_t)1 << 32);
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = good, f.length = UINT64_MAX;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
}

/* An ABORT in place of any frame; but only an exact one. */
static void abort_frames(void **state)
{
    const struct fields abort_frame = {FRAME_ABORT, 0, 0, 0, 0};
    struct fields f;

    (void)state;
    check_fixed(abort_frame, MP2ML_ERR_ABORTED);
    f = abort_frame, f.length = 1;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = abort_frame, f.sequence = 1;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = abort_frame, f.flags = 1;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
    f = abort_frame, f.step = 7;
    check_fixed(f, MP2ML_ERR_PROTOCOL);
}

/* What is expected is {ACCEPT or REFUSE (if alt), sequence 0, at most 4 bytes}. */
static void check_any(struct fields f, enum frame_type alt, mp2ml_status expected)
{
    struct raw r;
    enum frame_type got = FRAME_ABORT;
    uint8_t *body = NULL;
    size_t length = 77;

    raw_new(&r);
    raw_frame(&r, f, "wxyz", 4);
    assert_int_equal(frame_recv_any(r.link, FRAME_ACCEPT, alt, 4, &got, &body, &length), expected);
    if (expected == MP2ML_OK) {
        assert_int_equal(got, f.type);
        assert_int_equal(length, f.length);
        assert_memory_equal(body, "wxyz", length);
        free(body);
    } else { /* outputs untouched */
        assert_int_equal(got, FRAME_ABORT);
        assert_null(body);
        assert_int_equal(length, 77);
    }
    raw_free(&r);
}

static void wrong_any_frames(void **state)
{
    const enum frame_type none = (enum frame_type)0;
    const struct fields good = {FRAME_ACCEPT, 0, 0, 0, 4};
    struct fields f;

    (void)state;
    check_any(good, none, MP2ML_OK);
    f = good, f.length = 0;
    check_any(f, none, MP2ML_OK);
    f = good, f.type = FRAME_REFUSE;
    check_any(f, FRAME_REFUSE, MP2ML_OK);
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.type = 0;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.length = 5;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.length = UINT64_MAX;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.step = 1;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.flags = 128;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.sequence = 2;
    check_any(f, none, MP2ML_ERR_PROTOCOL);
    f = good, f.type = FRAME_ABORT, f.length = 0;
    check_any(f, none, MP2ML_ERR_ABORTED);
}

static void garbage(void **state)
{
    struct raw r;
    uint8_t noise[64];
    uint8_t in[4];

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 37 + 11);
    raw_new(&r);
    assert_int_equal(write(r.fd, noise, sizeof noise), sizeof noise);
    assert_int_equal(frame_recv(r.link, FRAME_HELLO_C, 0, in, 4), MP2ML_ERR_PROTOCOL);
    raw_free(&r);
}

/* The same frame once more, and one that comes in the wrong order. */
static void repeated_frame(void **state)
{
    const struct fields f = {FRAME_AND_OPEN, 0, 2, 0, 4};
    struct fields next = f;
    struct raw r;
    uint8_t in[4];

    (void)state;
    raw_new(&r);
    raw_frame(&r, f, "wxyz", 4);
    raw_frame(&r, f, "wxyz", 4);
    assert_int_equal(frame_recv(r.link, FRAME_AND_OPEN, 2, in, 4), MP2ML_OK);
    assert_int_equal(frame_recv(r.link, FRAME_AND_OPEN, 2, in, 4), MP2ML_ERR_PROTOCOL);
    raw_free(&r);
    next.sequence = 1;
    raw_new(&r);
    raw_frame(&r, f, "wxyz", 4);
    raw_frame(&r, next, "wxyz", 4);
    assert_int_equal(frame_recv(r.link, FRAME_AND_OPEN, 2, in, 4), MP2ML_OK);
    assert_int_equal(frame_recv(r.link, FRAME_AND_OPEN, 2, in, 4), MP2ML_OK);
    raw_free(&r);
}

/* The connection ends inside a header, and inside a body. */
static void truncated(void **state)
{
    const struct fields f = {FRAME_OPEN, 0, 1, 0, 4};
    uint8_t bytes[FRAME_HEADER_BYTES];
    uint8_t in[4];
    struct raw r;

    (void)state;
    header_bytes(bytes, f);
    raw_new(&r);
    assert_int_equal(write(r.fd, bytes, 15), 15);
    shutdown(r.fd, SHUT_WR);
    assert_int_equal(frame_recv(r.link, FRAME_OPEN, 1, in, 4), MP2ML_ERR_CLOSED);
    raw_free(&r);
    raw_new(&r);
    raw_frame(&r, f, "wxy", 3);
    shutdown(r.fd, SHUT_WR);
    assert_int_equal(frame_recv(r.link, FRAME_OPEN, 1, in, 4), MP2ML_ERR_CLOSED);
    assert_int_equal(frame_send(r.link, FRAME_OPEN, 1, in, 4), MP2ML_ERR_CLOSED);
    raw_free(&r);
}

static void aborting(void **state)
{
    struct two t;
    uint8_t in[4];

    (void)state;
    two_new(&t);
    assert_int_equal(frame_send(t.link[0], FRAME_OPEN, 1, "abcd", 4), MP2ML_OK);
    link_abort(t.link[0]);
    link_abort(t.link[0]); /* once only */
    assert_int_equal(frame_send(t.link[0], FRAME_OPEN, 1, "abcd", 4), MP2ML_ERR_ABORTED);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 1, in, 4), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 1, in, 4), MP2ML_ERR_ABORTED);
    assert_int_equal(channel_stats(t.channel[0]).bytes_sent, 2 * FRAME_HEADER_BYTES + 4);
    link_abort(t.link[1]); /* no answer to an ABORT */
    assert_int_equal(channel_stats(t.channel[1]).bytes_sent, 0);
    two_free(&t);

    /* The peer is told of a wrong frame; our own failure stays the first one. */
    two_new(&t);
    assert_int_equal(frame_send(t.link[0], FRAME_OPEN, 1, "abcd", 4), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 2, in, 4), MP2ML_ERR_PROTOCOL);
    link_abort(t.link[1]);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 2, in, 4), MP2ML_ERR_PROTOCOL);
    assert_int_equal(frame_recv(t.link[0], FRAME_OPEN, 2, in, 4), MP2ML_ERR_ABORTED);
    two_free(&t);

    /* Inside a body nothing is sent: it would be taken for the body. */
    two_new(&t);
    assert_int_equal(frame_send_begin(t.link[0], FRAME_OPEN, 1, 32), MP2ML_OK);
    link_abort(t.link[0]);
    assert_int_equal(channel_stats(t.channel[0]).bytes_sent, FRAME_HEADER_BYTES);
    link_free(t.link[0]);
    channel_free(t.channel[0]);
    uint8_t body[32];
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 1, body, 32), MP2ML_ERR_CLOSED);
    link_free(t.link[1]);
    channel_free(t.channel[1]);
}

/* An ABORT reaches the peer though it sends at the same time and the connection ends at once. */
static void abort_then_close(void **state)
{
    struct two t;
    uint8_t in[4];

    (void)state;
    two_new(&t);
    assert_int_equal(frame_send(t.link[1], FRAME_OPEN, 1, "abcd", 4), MP2ML_OK);
    link_abort(t.link[0]);
    link_free(t.link[0]);
    channel_free(t.channel[0]);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 1, in, 4), MP2ML_ERR_ABORTED);
    link_free(t.link[1]);
    channel_free(t.channel[1]);
}

static void send_many(struct link *from, struct link *to, int count)
{
    uint8_t in[2];

    for (int i = 0; i < count; i++)
        assert_int_equal(frame_send(from, FRAME_OPEN, (uint16_t)i, "xy", 2), MP2ML_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(frame_recv(to, FRAME_OPEN, (uint16_t)i, in, 2), MP2ML_OK);
}

static void flights(void **state)
{
    struct two t;
    uint8_t in[2];

    (void)state;
    two_new(&t);
    assert_int_equal(link_stats(t.link[0]).flights, 0);
    send_many(t.link[0], t.link[1], 3);
    assert_int_equal(link_stats(t.link[0]).flights, 1);
    send_many(t.link[0], t.link[1], 2);
    assert_int_equal(link_stats(t.link[1]).flights, 1);
    send_many(t.link[1], t.link[0], 4);
    send_many(t.link[0], t.link[1], 1);
    assert_int_equal(link_stats(t.link[0]).flights, 3);
    assert_int_equal(link_stats(t.link[1]).flights, 3);
    /* An exchange at the same time is two flights for either party. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(frame_send(t.link[i], FRAME_AND_OPEN, 5, "xy", 2), MP2ML_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(frame_recv(t.link[i], FRAME_AND_OPEN, 5, in, 2), MP2ML_OK);
    assert_int_equal(link_stats(t.link[0]).flights, 4); /* it was sending already */
    assert_int_equal(link_stats(t.link[1]).flights, 5);
    two_free(&t);
}

static void transcripts(void **state)
{
    struct two t;
    uint8_t sent[2][DIGEST_BYTES];
    uint8_t received[2][DIGEST_BYTES];
    uint8_t again[2][DIGEST_BYTES];
    uint8_t in[8];
    uint8_t whole[128];
    uint8_t hash[SHA256_DIGEST_LENGTH];
    size_t n = 0;

    (void)state;
    two_new(&t);
    assert_int_equal(frame_send(t.link[0], FRAME_HELLO_C, 0, "hello", 5), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[1], FRAME_HELLO_C, 0, in, 5), MP2ML_OK);
    assert_int_equal(frame_send_begin(t.link[0], FRAME_PK, 9, 6), MP2ML_OK);
    assert_int_equal(frame_send_part(t.link[0], "pub", 3), MP2ML_OK);
    assert_int_equal(frame_send_part(t.link[0], "key", 3), MP2ML_OK);
    assert_int_equal(frame_recv_begin(t.link[1], FRAME_PK, 9, 6), MP2ML_OK);
    assert_int_equal(frame_recv_part(t.link[1], in, 1), MP2ML_OK);
    assert_int_equal(frame_recv_part(t.link[1], in, 5), MP2ML_OK);
    assert_int_equal(frame_send(t.link[1], FRAME_HELLO_S, 0, "server", 6), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[0], FRAME_HELLO_S, 0, in, 6), MP2ML_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(link_transcript_now(t.link[i], sent[i], received[i]), MP2ML_OK);
    assert_memory_equal(sent[0], received[1], DIGEST_BYTES);
    assert_memory_equal(sent[1], received[0], DIGEST_BYTES);
    assert_memory_not_equal(sent[0], sent[1], DIGEST_BYTES);

    /* By hand: SHA-256("mp2ml/1/setup", 0, frames). */
    memcpy(whole, "mp2ml/1/setup", 14);
    n = 14;
    header_bytes(whole + n, (struct fields){FRAME_HELLO_C, 0, 0, 0, 5});
    memcpy(whole + n + 16, "hello", 5);
    n += 21;
    header_bytes(whole + n, (struct fields){FRAME_PK, 0, 9, 1, 6});
    memcpy(whole + n + 16, "pubkey", 6);
    n += 22;
    SHA256(whole, n, hash);
    assert_memory_equal(hash, sent[0], DIGEST_BYTES);

    /* It goes on until it is stopped. */
    send_many(t.link[0], t.link[1], 1);
    assert_int_equal(link_transcript_now(t.link[0], again[0], again[1]), MP2ML_OK);
    assert_memory_not_equal(again[0], sent[0], DIGEST_BYTES);
    assert_memory_equal(again[1], received[0], DIGEST_BYTES);
    link_transcript_stop(t.link[0]);
    send_many(t.link[0], t.link[1], 1);
    assert_int_equal(link_transcript_now(t.link[0], sent[0], received[0]), MP2ML_OK);
    assert_memory_equal(again[0], sent[0], DIGEST_BYTES);
    two_free(&t);
}

struct seen {
    int sent;
    int received;
};

static void change(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                   size_t length)
{
    struct seen *seen = context;

    assert_int_equal(step, 4);
    assert_int_equal(type, sent ? FRAME_OPEN : FRAME_CT_OUT);
    if (sent)
        seen->sent++;
    else
        seen->received++;
    part[length - 1] ^= 1;
}

static void tap(void **state)
{
    struct two t;
    struct seen seen = {0, 0};
    uint8_t in[4];
    uint8_t a[2][DIGEST_BYTES];
    uint8_t b[2][DIGEST_BYTES];

    (void)state;
    two_new(&t);
    link_set_tap(t.link[0], change, &seen);
    assert_int_equal(frame_send(t.link[0], FRAME_OPEN, 4, "abcd", 4), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[1], FRAME_OPEN, 4, in, 4), MP2ML_OK);
    assert_memory_equal(in, "abce", 4);
    assert_int_equal(frame_send(t.link[1], FRAME_CT_OUT, 4, "abcd", 4), MP2ML_OK);
    assert_int_equal(frame_recv(t.link[0], FRAME_CT_OUT, 4, in, 4), MP2ML_OK);
    assert_memory_equal(in, "abce", 4);
    assert_int_equal(seen.sent, 1);
    assert_int_equal(seen.received, 1);
    /* The transcript holds what really was on the wire going out, and what was changed coming in.
     */
    assert_int_equal(link_transcript_now(t.link[0], a[0], b[0]), MP2ML_OK);
    assert_int_equal(link_transcript_now(t.link[1], a[1], b[1]), MP2ML_OK);
    assert_memory_equal(a[0], b[1], DIGEST_BYTES);
    assert_memory_not_equal(a[1], b[0], DIGEST_BYTES);
    two_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(wrong_fixed_frames),
        cmocka_unit_test(abort_frames),
        cmocka_unit_test(wrong_any_frames),
        cmocka_unit_test(garbage),
        cmocka_unit_test(repeated_frame),
        cmocka_unit_test(truncated),
        cmocka_unit_test(aborting),
        cmocka_unit_test(abort_then_close),
        cmocka_unit_test(flights),
        cmocka_unit_test(transcripts),
        cmocka_unit_test(tap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
