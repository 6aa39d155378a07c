/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "fuzz.h"

void fuzz_link_new(struct fuzz_link *l, const uint8_t *wire, size_t size)
{
    int fds[2], room = 1 << 20;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    ssize_t sent = size != 0 ? send(fds[1], wire, size, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    (void)sent; /* what does not fit the socket is cut off */
    shutdown(fds[1], SHUT_WR);
    FUZZ_CHECK(secret_init() == MP2ML_OK);
    FUZZ_CHECK(channel_from_socket(&l->channel, fds[0]) == MP2ML_OK);
    channel_set_timeout(l->channel, 2000);
    FUZZ_CHECK(link_new(&l->link, l->channel) == MP2ML_OK);
    l->peer = fds[1];
}

void fuzz_link_free(struct fuzz_link *l)
{
    link_free(l->link);
    channel_free(l->channel);
    close(l->peer);
}

uint8_t *fuzz_frame(enum frame_type type, uint16_t step, uint32_t sequence, const uint8_t *data,
                    size_t size, size_t length)
{
    uint8_t *frame = calloc(FRAME_HEADER_BYTES + length, 1);
    FUZZ_CHECK(frame != NULL);
    frame[0] = (uint8_t)type;
    store_u16(frame + 2, step);
    store_u32(frame + 4, sequence);
    store_u64(frame + 8, length);
    if (length != 0 && size != 0)
        memcpy(frame + FRAME_HEADER_BYTES, data, size < length ? size : length);
    return frame;
}

bool fuzz_xor(uint8_t *to, size_t length, const uint8_t *data, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < length && i < size; i++) {
        to[i] ^= data[i];
        any |= data[i];
    }
    return any != 0;
}

struct prg *fuzz_prg(void)
{
    static const uint8_t seed[32] = {7};
    struct prg *g = NULL;
    FUZZ_CHECK(prg_new_seeded(&g, seed) == MP2ML_OK);
    return g;
}

uint8_t fuzz_take(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    --*size;
    return *(*data)++;
}
