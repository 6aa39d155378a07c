/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS as a transport of a channel. OpenSSL works on the non-blocking socket through a BIO of our
 * own: its socket BIO would write without MSG_NOSIGNAL, and a peer that vanished would end the
 * process by SIGPIPE. */
#include "net/channel_tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/net_socket.h"

#define RECORD_BYTES ((size_t)16 << 10) /* most that a record holds */

struct tls_session {
    SSL *ssl;
    BIO_METHOD *method;
    int fd;               /* the channel's */
    int socket_error;     /* errno of the transfer that failed, 0 otherwise */
    mp2ml_status failure; /* after a fatal error OpenSSL allows no more calls, not even a goodbye */
    uint8_t joined[RECORD_BYTES];
};

static int bio_write(BIO *bio, const char *data, int n)
{
    struct tls_session *s = BIO_get_data(bio);
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    do {
        sent = send(s->fd, data, (size_t)n, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return (int)sent;
    if (errno == EAGAIN)
        BIO_set_retry_write(bio);
    else
        s->socket_error = errno;
    return -1;
}

static int bio_read(BIO *bio, char *data, int n)
{
    struct tls_session *s = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    do {
        got = recv(s->fd, data, (size_t)n, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        return (int)got;
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    else
        s->socket_error = got == 0 ? ECONNRESET : errno;
    return got == 0 ? 0 : -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is buffered here */
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mp2ml socket");

    if (m == NULL)
        return NULL;
    if (BIO_meth_set_write(m, bio_write) == 1 && BIO_meth_set_read(m, bio_read) == 1 &&
        BIO_meth_set_ctrl(m, bio_ctrl) == 1 && BIO_meth_set_create(m, bio_create) == 1)
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* What OpenSSL says after a call that moved nothing. OK means: try again after *want. */
static mp2ml_status outcome(struct tls_session *s, int result, short *want)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *want = POLLIN;
        return MP2ML_OK;
    case SSL_ERROR_WANT_WRITE:
        *want = POLLOUT;
        return MP2ML_OK;
    case SSL_ERROR_ZERO_RETURN:
        return MP2ML_ERR_CLOSED;
    case SSL_ERROR_SYSCALL:
        s->failure = s->socket_error != 0 ? net_socket_status(s->socket_error) : MP2ML_ERR_CLOSED;
        return s->failure;
    default:
        s->failure = MP2ML_ERR_TLS;
        if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            s->failure = MP2ML_ERR_CLOSED;
        return s->failure;
    }
}

static mp2ml_status tls_read_some(struct channel *c, uint8_t *data, size_t n, size_t *done)
{
    struct tls_session *s = c->transport;

    *done = 0;
    if (s->failure != MP2ML_OK)
        return s->failure;
    /* Until nothing is left: what OpenSSL has read already would not wake poll(). */
    while (*done < n) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(s->ssl, data + *done, n - *done, &got);
        if (result != 1) {
            mp2ml_status status = outcome(s, result, &c->read_want);
            return *done > 0 ? MP2ML_OK : status; /* an end shows again on the next call */
        }
        *done += got;
    }
    return MP2ML_OK;
}

/* What the next record is made of: a part, or the end of one and the beginning of the next, so that
 * a header does not become a record of its own. A record that did not leave is made anew from the
 * same bytes. */
static size_t next_record(struct tls_session *s, const struct iovec *parts, size_t skip,
                          const uint8_t **data)
{
    size_t n = 0;
    for (size_t i = 0; i < CHANNEL_PARTS; i++) {
        const uint8_t *part = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        if (skip >= left) {
            skip -= left;
            continue;
        }
        left -= skip;
        if (n == 0 && (left >= RECORD_BYTES || i + 1 == CHANNEL_PARTS)) {
            *data = part + skip;
            return left;
        }
        left = left < RECORD_BYTES - n ? left : RECORD_BYTES - n;
        memcpy(s->joined + n, part + skip, left);
        n += left;
        skip = 0;
    }
    *data = s->joined;
    return n;
}

static mp2ml_status tls_write_some(struct channel *c, const struct iovec *parts, size_t *done)
{
    struct tls_session *s = c->transport;
    const uint8_t *data;
    size_t n;

    *done = 0;
    if (s->failure != MP2ML_OK)
        return s->failure;
    while ((n = next_record(s, parts, *done, &data)) > 0) {
        size_t sent = 0;
        ERR_clear_error();
        int result = SSL_write_ex(s->ssl, data, n, &sent);
        if (result != 1) {
            mp2ml_status status = outcome(s, result, &c->write_want);
            return *done > 0 ? MP2ML_OK : status;
        }
        *done += sent;
    }
    return MP2ML_OK;
}

static void tls_close(struct channel *c)
{
    struct tls_session *s = c->transport;

    if (s->failure == MP2ML_OK && SSL_is_init_finished(s->ssl)) {
        ERR_clear_error();
        SSL_shutdown(s->ssl); /* says goodbye once, without waiting for the answer */
    }
    ERR_clear_error();
    SSL_free(s->ssl); /* and the BIO, before its method */
    BIO_meth_free(s->method);
    free(s);
    c->transport = NULL;
    channel_socket_ops.close(c);
}

static const struct channel_ops tls_ops = {tls_read_some, tls_write_some, tls_close};

mp2ml_status channel_tls_start(struct channel *c, SSL_CTX *context)
{
    struct tls_session *s = calloc(1, sizeof *s);
    BIO *bio = NULL;

    assert(c->ops == &channel_socket_ops);
    assert(net_queue_size(&c->in) == 0 && net_queue_size(&c->out) == 0);
    if (s == NULL)
        return MP2ML_ERR_MEMORY;
    s->fd = c->fd;
    s->ssl = SSL_new(context);
    s->method = new_method();
    if (s->ssl != NULL && s->method != NULL)
        bio = BIO_new(s->method);
    if (bio == NULL) {
        SSL_free(s->ssl);
        BIO_meth_free(s->method);
        free(s);
        return MP2ML_ERR_MEMORY;
    }
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    /* A send takes what it can, and a blocked one may go on from the out-queue's memory. */
    SSL_set_mode(s->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    c->transport = s;
    c->ops = &tls_ops;
    return MP2ML_OK;
}

SSL *channel_tls_ssl(const struct channel *c)
{
    const struct tls_session *s = c->transport;

    return c->ops == &tls_ops ? s->ssl : NULL;
}

mp2ml_status channel_tls_handshake(struct channel *c)
{
    struct tls_session *s = c->transport;

    TRY(channel_enter(c));
    for (;;) {
        short want = POLLIN;
        ERR_clear_error();
        int result = SSL_do_handshake(s->ssl);
        if (result == 1)
            return MP2ML_OK;
        mp2ml_status status = outcome(s, result, &want);
        if (status != MP2ML_OK)
            return channel_fail(c, status);
        TRY(channel_wait(c, want));
    }
}
