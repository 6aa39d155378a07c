/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: a script of up to 15 receptions, then the bytes that arrive. Every way of receiving; a
 * link that failed stays failed. Input: u8 receptions, one byte each, wire bytes. */
#include "fuzz.h"

static const struct {
    enum frame_type type, alt;
    uint16_t step;
    size_t length; /* of a frame whose length is known; else its most */
    bool any;
} script[8] = {
    {FRAME_HELLO_C, 0, 0, 65536, true},
    {FRAME_HELLO_S, FRAME_REFUSE, 0, 65536, true},
    {FRAME_ACCEPT, FRAME_REFUSE, 0, 64, true},
    {FRAME_OPEN, 0, 7, 5, false},
    {FRAME_AND_OPEN, 0, 2, 0, false},
    {FRAME_CT_IN, 0, 1, 64, false},
    {FRAME_REQUEST, 0, 0, 0, true},
    {FRAME_OT_MESSAGE, 0, 65535, 33, false},
};

static mp2ml_status receive_any(struct link *link, unsigned i)
{
    enum frame_type got = 0;
    uint8_t *body = NULL;
    size_t length = 0, sum = 0;
    mp2ml_status status =
        frame_recv_any(link, script[i].type, script[i].alt, script[i].length, &got, &body, &length);
    if (status != MP2ML_OK)
        return status;
    FUZZ_CHECK(got == script[i].type || got == script[i].alt);
    FUZZ_CHECK(length <= script[i].length);
    for (size_t b = 0; b < length; b++)
        sum += body[b];
    FUZZ_CHECK(sum <= 255 * length);
    free(body);
    return MP2ML_OK;
}

static mp2ml_status receive(struct link *link, uint8_t op)
{
    const unsigned i = op & 7;
    uint8_t body[64];
    if (script[i].any)
        return receive_any(link, i);
    if ((op & 8) == 0)
        return frame_recv(link, script[i].type, script[i].step, body, script[i].length);
    TRY(frame_recv_begin(link, script[i].type, script[i].step, script[i].length));
    size_t first = script[i].length / 2;
    TRY(frame_recv_part(link, body, first));
    return frame_recv_part(link, body + first, script[i].length - first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t ops[15];
    const unsigned n = fuzz_take(&data, &size) & 15;
    for (unsigned i = 0; i < n; i++)
        ops[i] = fuzz_take(&data, &size);
    struct fuzz_link l;
    fuzz_link_new(&l, data, size);
    mp2ml_status failure = MP2ML_OK;
    for (unsigned i = 0; i < n; i++) {
        mp2ml_status status = receive(l.link, ops[i]);
        FUZZ_CHECK(failure == MP2ML_OK || status == failure);
        failure = status;
    }
    uint8_t sent[DIGEST_BYTES], received[DIGEST_BYTES];
    FUZZ_CHECK(link_transcript_now(l.link, sent, received) == failure);
    if (failure != MP2ML_OK)
        FUZZ_CHECK(frame_send(l.link, FRAME_OPEN, 0, NULL, 0) == failure);
    struct link_stats stats = link_stats(l.link);
    FUZZ_CHECK(stats.bytes_received <= size && stats.frames_received <= n);
    fuzz_link_free(&l);
    return 0;
}
