/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "relay.h"

#define RELAY_MOST ((size_t)1 << 26) /* bytes of a body */

void relay_pass(struct relay *r, enum party from, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(r->fd[1 - from], bytes, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* nobody is there any more */
        bytes += n;
        size -= (size_t)n;
    }
}

static bool read_all(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t got = recv(fd, to, n, 0);
        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

/* False when the header is none. */
static bool look_at_header(struct relay_seen *seen, const uint8_t header[FRAME_HEADER_BYTES])
{
    const uint64_t length = load_u64(header + 8);
    const bool abort = header[0] == FRAME_ABORT;
    seen->malformed |= seen->aborted || header[1] != 0 || length > RELAY_MOST ||
                       (abort && (length != 0 || load_u16(header + 2) != 0));
    seen->aborted = abort;
    memcpy(seen->last, header, FRAME_HEADER_BYTES);
    return length <= RELAY_MOST;
}

static void give(struct relay *r, enum party from, const struct relay_piece *piece)
{
    if (r->fn != NULL && piece->type != FRAME_ABORT)
        r->fn(r->context, r, from, piece);
    else
        relay_pass(r, from, piece->bytes, piece->size);
}

/* Header and body in one piece, or as they come. False at the end of the connection. */
static bool relay_frame(struct relay *r, enum party from)
{
    uint8_t header[FRAME_HEADER_BYTES];
    const int fd = r->fd[from];
    if (!read_all(fd, header, sizeof header) || !look_at_header(&r->seen[from], header))
        return false;
    struct relay_piece piece = {
        (enum frame_type)header[0], r->seen[from].frames++, NULL, sizeof header, 0, 0};
    piece.whole = sizeof header + (size_t)load_u64(header + 8);
    const bool whole = piece.type != FRAME_OT_EXTEND;
    piece.bytes = malloc(piece.whole);
    if (piece.bytes == NULL)
        return false;
    memcpy(piece.bytes, header, sizeof header);
    bool good = true;
    if (whole) {
        good = read_all(fd, piece.bytes + sizeof header, piece.whole - sizeof header);
        piece.size = piece.whole;
    }
    if (good)
        give(r, from, &piece);
    for (size_t at = piece.size; good && at < piece.whole; at += piece.size) {
        ssize_t got = recv(fd, piece.bytes, piece.whole - at, 0);
        good = got > 0;
        piece.size = good ? (size_t)got : 0;
        piece.offset = at;
        if (good)
            give(r, from, &piece);
    }
    free(piece.bytes);
    r->seen[from].cut = !good;
    return good;
}

static void *relay_thread(void *argument)
{
    struct relay_way *way = argument;
    struct relay *r = way->relay;
    while (relay_frame(r, way->from))
        continue;
    shutdown(r->fd[1 - way->from], SHUT_WR);
    return NULL;
}

void relay_start(struct relay *r, relay_fn fn, void *context)
{
    memset(r, 0, sizeof *r);
    r->fn = fn;
    r->context = context;
    for (int p = 0; p < 2; p++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        assert_int_equal(channel_from_socket(&r->end[p], fds[0]), MP2ML_OK);
        channel_set_timeout(r->end[p], 60000);
        r->fd[p] = fds[1];
    }
    for (int p = 0; p < 2; p++) {
        r->way[p].relay = r;
        r->way[p].from = (enum party)p;
        assert_int_equal(pthread_create(&r->way[p].thread, NULL, relay_thread, &r->way[p]), 0);
    }
}

void relay_join(struct relay *r)
{
    for (int p = 0; p < 2; p++)
        pthread_join(r->way[p].thread, NULL);
    for (int p = 0; p < 2; p++)
        close(r->fd[p]);
}
