/* SPDX-License-Identifier: Apache-2.0
 *
 * Links: frames over a channel. A link knows at every moment what may come; the first thing that
 * does not fit makes it fail for good. Header fields are checked in the order in which they let one
 * tell an honest ABORT from noise: flags and sequence first, then type, step and length. */
#include "net/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "net/channel_internal.h"

enum direction { DIRECTION_NONE, DIRECTION_SENT, DIRECTION_RECEIVED };

struct link {
    struct channel *channel; /* not owned */
    mp2ml_status failure;
    bool aborted;
    bool transcribing;
    struct digest *sent;
    struct digest *received;
    uint32_t sequence_out; /* of the next frame */
    uint32_t sequence_in;
    uint64_t left_out; /* bytes of the frame under way that are still missing */
    uint64_t left_in;
    enum direction last;
    struct link_stats stats;
#ifdef MP2ML_TEST_HOOKS
    link_tap tap;
    void *tap_context;
    enum frame_type type_out; /* of the frames under way, for the tap */
    enum frame_type type_in;
    uint16_t step_out;
    uint16_t step_in;
#endif
};

struct header {
    uint8_t type;
    uint16_t step;
    uint64_t length;
};

mp2ml_status link_new(struct link **out, struct channel *channel)
{
    struct link *l = calloc(1, sizeof *l);
    mp2ml_status status;

    if (l == NULL)
        return MP2ML_ERR_MEMORY;
    l->channel = channel;
    l->transcribing = true;
    TRY_OUT(digest_new(&l->sent, "setup"));
    TRY_OUT(digest_new(&l->received, "setup"));
    *out = l;
    return MP2ML_OK;
out:
    link_free(l);
    return status;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    digest_free(l->sent);
    digest_free(l->received);
    free(l);
}

struct channel *link_channel(struct link *l)
{
    return l->channel;
}

struct trace *link_trace(const struct link *l)
{
    return l->channel->trace;
}

struct link_stats link_stats(const struct link *l)
{
    return l->stats;
}

static mp2ml_status link_fail(struct link *l, mp2ml_status status)
{
    if (l->failure == MP2ML_OK)
        l->failure = status;
    return l->failure;
}

/* Passes OK on and makes the link fail with anything else. */
static mp2ml_status link_keep(struct link *l, mp2ml_status status)
{
    return status == MP2ML_OK ? MP2ML_OK : link_fail(l, status);
}

static void count_flight(struct link *l, enum direction direction)
{
    if (l->last != direction)
        l->stats.flights++;
    l->last = direction;
}

static void header_write(uint8_t to[FRAME_HEADER_BYTES], const struct header *h, uint32_t sequence)
{
    to[0] = h->type;
    to[1] = 0;
    store_u16(to + 2, h->step);
    store_u32(to + 4, sequence);
    store_u64(to + 8, h->length);
}

static mp2ml_status transcribe(struct link *l, struct digest *d, const void *data, size_t n)
{
    if (!l->transcribing || n == 0)
        return MP2ML_OK;
    return link_keep(l, digest_update(d, data, n));
}

mp2ml_status frame_send_begin(struct link *l, enum frame_type type, uint16_t step, size_t length)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct header h = {(uint8_t)type, step, length};

    if (l->failure != MP2ML_OK)
        return l->failure;
    assert(l->left_out == 0);
    if (l->sequence_out == UINT32_MAX) /* numbers would come twice */
        return link_fail(l, MP2ML_ERR_PROTOCOL);
    header_write(bytes, &h, l->sequence_out);
    TRY(transcribe(l, l->sent, bytes, sizeof bytes));
    /* The header waits for the first part of the body and leaves together with it. */
    TRY(link_keep(l, channel_enqueue(l->channel, bytes, sizeof bytes)));
    if (length == 0)
        TRY(link_keep(l, channel_send(l->channel, NULL, 0)));
    l->sequence_out++;
    l->left_out = length;
    l->stats.frames_sent++;
    l->stats.bytes_sent += sizeof bytes;
    count_flight(l, DIRECTION_SENT);
#ifdef MP2ML_TEST_HOOKS
    l->type_out = type;
    l->step_out = step;
#endif
    return MP2ML_OK;
}

static mp2ml_status send_part(struct link *l, const void *part, size_t length)
{
    TRY(transcribe(l, l->sent, part, length));
    TRY(link_keep(l, channel_send(l->channel, part, length)));
    l->left_out -= length;
    l->stats.bytes_sent += length;
    return MP2ML_OK;
}

mp2ml_status frame_send_part(struct link *l, const void *part, size_t length)
{
    if (l->failure != MP2ML_OK)
        return l->failure;
    assert(length <= l->left_out);
    if (length == 0)
        return MP2ML_OK;
#ifdef MP2ML_TEST_HOOKS
    if (l->tap != NULL) {
        uint8_t *copy = malloc(length);
        if (copy == NULL)
            return link_fail(l, MP2ML_ERR_MEMORY);
        memcpy(copy, part, length);
        l->tap(l->tap_context, true, l->type_out, l->step_out, copy, length);
        mp2ml_status status = send_part(l, copy, length);
        free(copy);
        return status;
    }
#endif
    return send_part(l, part, length);
}

mp2ml_status frame_send(struct link *l, enum frame_type type, uint16_t step, const void *body,
                        size_t length)
{
    TRY(frame_send_begin(l, type, step, length));
    return frame_send_part(l, body, length);
}

/* Receives a header and checks what does not depend on the frame that must come. An ABORT ends
 * here. */
static mp2ml_status header_recv(struct link *l, struct header *h)
{
    uint8_t bytes[FRAME_HEADER_BYTES];

    if (l->failure != MP2ML_OK)
        return l->failure;
    assert(l->left_in == 0);
    TRY(link_keep(l, channel_recv(l->channel, bytes, sizeof bytes)));
    h->type = bytes[0];
    h->step = load_u16(bytes + 2);
    h->length = load_u64(bytes + 8);
    if (bytes[1] != 0 || l->sequence_in == UINT32_MAX || load_u32(bytes + 4) != l->sequence_in)
        return link_fail(l, MP2ML_ERR_PROTOCOL);
    if (h->type == FRAME_ABORT)
        return link_fail(l,
                         h->step == 0 && h->length == 0 ? MP2ML_ERR_ABORTED : MP2ML_ERR_PROTOCOL);
    l->sequence_in++;
    return transcribe(l, l->received, bytes, sizeof bytes);
}

/* The header was right: its body is what comes next. */
static void header_accept(struct link *l, const struct header *h)
{
    l->left_in = h->length;
    l->stats.frames_received++;
    l->stats.bytes_received += FRAME_HEADER_BYTES;
    count_flight(l, DIRECTION_RECEIVED);
#ifdef MP2ML_TEST_HOOKS
    l->type_in = (enum frame_type)h->type;
    l->step_in = h->step;
#endif
}

mp2ml_status frame_recv_begin(struct link *l, enum frame_type type, uint16_t step, size_t length)
{
    struct header h;

    TRY(header_recv(l, &h));
    if (h.type != (uint8_t)type || h.step != step || h.length != length)
        return link_fail(l, MP2ML_ERR_PROTOCOL);
    header_accept(l, &h);
    return MP2ML_OK;
}

mp2ml_status frame_recv_part(struct link *l, void *part, size_t length)
{
    if (l->failure != MP2ML_OK)
        return l->failure;
    assert(length <= l->left_in);
    if (length == 0)
        return MP2ML_OK;
    TRY(link_keep(l, channel_recv(l->channel, part, length)));
#ifdef MP2ML_TEST_HOOKS
    if (l->tap != NULL)
        l->tap(l->tap_context, false, l->type_in, l->step_in, part, length);
#endif
    TRY(transcribe(l, l->received, part, length));
    l->left_in -= length;
    l->stats.bytes_received += length;
    return MP2ML_OK;
}

mp2ml_status frame_recv(struct link *l, enum frame_type type, uint16_t step, void *body,
                        size_t length)
{
    TRY(frame_recv_begin(l, type, step, length));
    return frame_recv_part(l, body, length);
}

mp2ml_status frame_recv_any(struct link *l, enum frame_type type, enum frame_type alt, size_t max,
                            enum frame_type *got, uint8_t **body, size_t *length)
{
    struct header h;

    TRY(header_recv(l, &h));
    bool known = h.type == (uint8_t)type || ((int)alt != 0 && h.type == (uint8_t)alt);
    if (!known || h.step != 0 || h.length > max)
        return link_fail(l, MP2ML_ERR_PROTOCOL);
    size_t size = (size_t)h.length;
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        return link_fail(l, MP2ML_ERR_MEMORY);
    header_accept(l, &h);
    mp2ml_status status = frame_recv_part(l, data, size);
    if (status != MP2ML_OK) {
        free(data);
        return status;
    }
    *got = (enum frame_type)h.type;
    *body = data;
    *length = size;
    return MP2ML_OK;
}

void link_abort(struct link *l)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct header h = {FRAME_ABORT, 0, 0};
    bool tell = !l->aborted && l->failure != MP2ML_ERR_ABORTED && l->left_out == 0;

    /* Inside a frame's body the peer could not tell an ABORT from the body; it will see the
     * connection end instead. To answer an ABORT would be useless. */
    if (tell) {
        header_write(bytes, &h, l->sequence_out);
        if (channel_enqueue(l->channel, bytes, sizeof bytes) == MP2ML_OK)
            channel_push(l->channel);
    }
    l->aborted = true;
    mp2ml_status status = link_fail(l, MP2ML_ERR_ABORTED);
    (void)status; /* kept for the next call */
}

mp2ml_status link_transcript_now(const struct link *l, uint8_t sent[DIGEST_BYTES],
                                 uint8_t received[DIGEST_BYTES])
{
    if (l->failure != MP2ML_OK)
        return l->failure;
    TRY(digest_now(l->sent, sent));
    return digest_now(l->received, received);
}

void link_transcript_stop(struct link *l)
{
    l->transcribing = false;
}

#ifdef MP2ML_TEST_HOOKS
void link_set_tap(struct link *l, link_tap tap, void *context)
{
    l->tap = tap;
    l->tap_context = context;
}
#endif
