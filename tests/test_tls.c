/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS channels, with keys and certificates made for each run. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/frame.h"
#include "net/tls.h"

#define MIB ((size_t)1 << 20)

/* What the group shares: a CA, a server certificate of it, another CA, a key with a passphrase. */
struct files {
    char folder[64];
    char ca[96];
    char other_ca[96];
    char cert[96];
    char key[96];
    char other_key[96];
    char locked_key[96];
    char pin[2 * TLS_PIN_BYTES + 1]; /* computed here, not by the library */
    struct tls_server *server;
};
static struct files files;

static void add_extension(X509 *to, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, to, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(to, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* A certificate for `key`; self-signed when issuer is NULL. */
static X509 *make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509_NAME *subject = X509_NAME_new();

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_subject_name(x, subject);
    X509_set_issuer_name(x, issuer == NULL ? subject : X509_get_subject_name(issuer));
    X509_set_pubkey(x, key);
    if (issuer == NULL)
        add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE");
    else
        add_extension(x, issuer, NID_subject_alt_name, "DNS:server.test,IP:127.0.0.1");
    assert_true(X509_sign(x, issuer == NULL ? key : issuer_key, EVP_sha256()) > 0);
    X509_NAME_free(subject);
    return x;
}

static void write_certificate(const char *path, X509 *x)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
}

static void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, passphrase ? EVP_aes_128_cbc() : NULL,
                                               passphrase, passphrase ? 4 : 0, NULL, NULL),
                     1);
    fclose(f);
}

static void name_file(char path[96], const char *name)
{
    snprintf(path, 96, "%.60s/%s", files.folder, name);
}

static int make_files(void **state)
{
    (void)state;
    strcpy(files.folder, "/tmp/mp2ml_tls_XXXXXX");
    assert_non_null(mkdtemp(files.folder));
    name_file(files.ca, "ca.pem");
    name_file(files.other_ca, "other_ca.pem");
    name_file(files.cert, "cert.pem");
    name_file(files.key, "key.pem");
    name_file(files.other_key, "other_key.pem");
    name_file(files.locked_key, "locked_key.pem");
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *other_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = make_certificate(ca_key, "test CA", NULL, NULL);
    X509 *other_ca = make_certificate(other_key, "other CA", NULL, NULL);
    X509 *cert = make_certificate(key, "server", ca, ca_key);
    write_certificate(files.ca, ca);
    write_certificate(files.other_ca, other_ca);
    write_certificate(files.cert, cert);
    write_key(files.key, key, NULL);
    write_key(files.other_key, other_key, NULL);
    write_key(files.locked_key, key, "1234");
    unsigned char *der = NULL;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int size = i2d_PUBKEY(key, &der);
    assert_true(size > 0);
    SHA256(der, (size_t)size, hash);
    OPENSSL_free(der);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(files.pin + 2 * i, 3, "%02x", hash[i]);
    X509_free(ca);
    X509_free(other_ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(key);
    assert_int_equal(tls_server_new(&files.server, files.cert, files.key, NULL), MP2ML_OK);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    tls_server_free(files.server);
    unlink(files.ca);
    unlink(files.other_ca);
    unlink(files.cert);
    unlink(files.key);
    unlink(files.other_key);
    unlink(files.locked_key);
    return rmdir(files.folder);
}

struct accepting {
    struct channel *c;
    mp2ml_status status;
    mp2ml_error err;
};

static void *run_accept(void *context)
{
    struct accepting *a = context;

    a->status = tls_accept(a->c, files.server, &a->err);
    OPENSSL_thread_stop();
    return NULL;
}

/* Shakes hands over a new pair: [0] is the client, behind `link` unless that is NULL. */
static void shake_hands_over(const struct network *link, struct channel *c[2], const char *pin,
                             const char *ca, const char *host, mp2ml_status status[2],
                             mp2ml_error err[2])
{
    pthread_t thread;
    struct accepting accepting;

    memset(err, 0, 2 * sizeof err[0]);
    memset(&accepting, 0, sizeof accepting);
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    if (link != NULL)
        assert_int_equal(channel_shape(c[0], link), MP2ML_OK);
    channel_set_timeout(c[0], 10000);
    channel_set_timeout(c[1], 10000);
    accepting.c = c[1];
    assert_int_equal(pthread_create(&thread, NULL, run_accept, &accepting), 0);
    status[0] = tls_connect(c[0], pin, ca, host, &err[0]);
    if (status[0] != MP2ML_OK) { /* so that the server does not wait for what never comes */
        uint8_t byte;
        assert_int_equal(channel_recv(c[0], &byte, 1), status[0]);
        channel_free(c[0]);
        c[0] = NULL;
    }
    pthread_join(thread, NULL);
    status[1] = accepting.status;
    err[1] = accepting.err;
}

static void shake_hands(struct channel *c[2], const char *pin, const char *ca, const char *host,
                        mp2ml_status status[2], mp2ml_error err[2])
{
    shake_hands_over(NULL, c, pin, ca, host, status, err);
}

static void expect_handshake(const char *pin, const char *ca, const char *host, mp2ml_status client)
{
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];

    shake_hands(c, pin, ca, host, status, err);
    assert_int_equal(status[0], client);
    if (client == MP2ML_OK) {
        uint8_t in[5];
        assert_int_equal(status[1], MP2ML_OK);
        assert_true(tls_active(c[0]));
        assert_true(tls_active(c[1]));
        assert_int_equal(channel_send(c[0], "hello", 5), MP2ML_OK);
        assert_int_equal(channel_recv(c[1], in, 5), MP2ML_OK);
        assert_memory_equal(in, "hello", 5);
    } else {
        assert_int_equal(err[0].status, client);
        assert_int_not_equal(err[0].text[0], '\0');
        assert_int_not_equal(status[1], MP2ML_OK);
        assert_int_equal(err[1].status, status[1]);
    }
    channel_free(c[0]);
    channel_free(c[1]);
}

static void pins(void **state)
{
    char hex[2 * TLS_PIN_BYTES + 1];
    char changed[2 * TLS_PIN_BYTES + 1];

    (void)state;
    tls_server_pin(files.server, hex);
    assert_string_equal(hex, files.pin);
    expect_handshake(hex, NULL, NULL, MP2ML_OK);
    expect_handshake(hex, NULL, "whatever.test", MP2ML_OK);
    strcpy(changed, hex);
    for (char *at = changed; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'f')
            *at = (char)(*at - 'a' + 'A');
    expect_handshake(changed, NULL, "127.0.0.1", MP2ML_OK);
    for (size_t i = 0; i < 2 * TLS_PIN_BYTES; i += 63) {
        strcpy(changed, hex);
        changed[i] = changed[i] == '0' ? '1' : '0';
        expect_handshake(changed, NULL, "server.test", MP2ML_ERR_TLS);
    }
}

static void malformed_pins(void **state)
{
    char pin[2 * TLS_PIN_BYTES + 2];

    (void)state;
    expect_handshake("", NULL, NULL, MP2ML_ERR_ARGUMENT);
    snprintf(pin, sizeof pin, "%s", files.pin);
    pin[63] = '\0';
    expect_handshake(pin, NULL, NULL, MP2ML_ERR_ARGUMENT);
    snprintf(pin, sizeof pin, "%s0", files.pin);
    expect_handshake(pin, NULL, NULL, MP2ML_ERR_ARGUMENT);
    snprintf(pin, sizeof pin, "%s", files.pin);
    pin[7] = 'g';
    expect_handshake(pin, NULL, NULL, MP2ML_ERR_ARGUMENT);
    expect_handshake(NULL, NULL, "server.test", MP2ML_ERR_ARGUMENT);
    expect_handshake(files.pin, files.ca, "server.test", MP2ML_ERR_ARGUMENT);
}

static void authorities(void **state)
{
    (void)state;
    expect_handshake(NULL, files.ca, "server.test", MP2ML_OK);
    expect_handshake(NULL, files.ca, "127.0.0.1", MP2ML_OK);
    expect_handshake(NULL, files.ca, "other.test", MP2ML_ERR_TLS);
    expect_handshake(NULL, files.ca, "127.0.0.2", MP2ML_ERR_TLS);
    expect_handshake(NULL, files.ca, "", MP2ML_ERR_ARGUMENT);
    expect_handshake(NULL, files.ca, NULL, MP2ML_ERR_ARGUMENT);
    expect_handshake(NULL, files.other_ca, "server.test", MP2ML_ERR_TLS);
    expect_handshake(NULL, "/nowhere/ca.pem", "server.test", MP2ML_ERR_TLS);
}

static void error_texts(void **state)
{
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    char zero[2 * TLS_PIN_BYTES + 1];

    (void)state;
    memset(zero, '0', sizeof zero - 1);
    zero[sizeof zero - 1] = '\0';
    shake_hands(c, zero, NULL, NULL, status, err);
    assert_int_equal(status[0], MP2ML_ERR_TLS);
    assert_non_null(strstr(err[0].text, "pinned"));
    assert_int_equal(status[1], MP2ML_ERR_TLS); /* by the client's alert */
    channel_free(c[1]);
    shake_hands(c, NULL, files.other_ca, "server.test", status, err);
    assert_non_null(strstr(err[0].text, "certificate"));
    channel_free(c[1]);
}

static void server_files(void **state)
{
    struct tls_server *s = NULL;
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(tls_server_new(&s, "/nowhere/c.pem", files.key, &err), MP2ML_ERR_TLS);
    assert_non_null(strstr(err.text, "/nowhere/c.pem"));
    assert_int_equal(tls_server_new(&s, files.cert, "/nowhere/k.pem", &err), MP2ML_ERR_TLS);
    assert_non_null(strstr(err.text, "/nowhere/k.pem"));
    assert_int_equal(tls_server_new(&s, files.cert, files.other_key, &err), MP2ML_ERR_TLS);
    assert_int_equal(tls_server_new(&s, files.cert, files.locked_key, &err), MP2ML_ERR_TLS);
    assert_int_equal(tls_server_new(&s, files.key, files.cert, &err), MP2ML_ERR_TLS);
    assert_null(s);
    tls_server_free(NULL);
}

static void exporters(void **state)
{
    static const uint8_t zeros[TLS_EXPORTER_BYTES] = {0};
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    uint8_t value[2][TLS_EXPORTER_BYTES];
    uint8_t first[TLS_EXPORTER_BYTES];

    (void)state;
    for (int round = 0; round < 2; round++) {
        shake_hands(c, files.pin, NULL, NULL, status, err);
        assert_int_equal(status[0], MP2ML_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(tls_exporter(c[i], value[i]), MP2ML_OK);
        assert_memory_equal(value[0], value[1], TLS_EXPORTER_BYTES);
        assert_memory_not_equal(value[0], zeros, TLS_EXPORTER_BYTES);
        if (round == 0)
            memcpy(first, value[0], sizeof first);
        else
            assert_memory_not_equal(first, value[0], TLS_EXPORTER_BYTES);
        channel_free(c[0]);
        channel_free(c[1]);
    }
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    assert_false(tls_active(c[0]));
    memset(first, 1, sizeof first);
    assert_int_equal(tls_exporter(c[0], first), MP2ML_OK);
    assert_memory_equal(first, zeros, TLS_EXPORTER_BYTES);
    channel_free(c[0]);
    channel_free(c[1]);
}

struct duplex {
    struct channel *c;
    size_t total;
    size_t piece;
    uint8_t seed;
    bool good;
};

static void *run_duplex(void *context)
{
    struct duplex *d = context;
    uint8_t *out = malloc(d->total);
    uint8_t *in = malloc(d->total);
    mp2ml_status status = MP2ML_OK;

    for (size_t i = 0; i < d->total; i++)
        out[i] = (uint8_t)(i * 31 + (i >> 8) * 17 + (i >> 16) * 5 + d->seed);
    for (size_t at = 0; at < d->total && status == MP2ML_OK; at += d->piece)
        status = channel_send(d->c, out + at, d->total - at < d->piece ? d->total - at : d->piece);
    if (status == MP2ML_OK)
        status = channel_recv(d->c, in, d->total);
    if (status == MP2ML_OK)
        status = channel_flush(d->c);
    /* The peer's bytes differ from ours by the difference of the seeds: 1 and 2. */
    d->good = status == MP2ML_OK;
    for (size_t i = 0; i < d->total && d->good; i++)
        d->good = (uint8_t)(in[i] - out[i]) == (uint8_t)(d->seed == 1 ? 1 : 255);
    free(out);
    free(in);
    OPENSSL_thread_stop();
    return NULL;
}

static void big_duplex(void **state)
{
    static const size_t pieces[][2] = {{32 * MIB, 32 * MIB}, {40000, 3 * MIB}, {999, 16385}};
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    pthread_t thread;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t total = i == 0 ? 32 * MIB : 10 * MIB + 1;
        shake_hands(c, files.pin, NULL, NULL, status, err);
        struct duplex a = {c[0], total, pieces[i][0], 1, false};
        struct duplex b = {c[1], total, pieces[i][1], 2, false};
        assert_int_equal(pthread_create(&thread, NULL, run_duplex, &a), 0);
        run_duplex(&b);
        pthread_join(thread, NULL);
        assert_true(a.good);
        assert_true(b.good);
        assert_int_equal(channel_stats(c[0]).bytes_sent, total); /* without TLS's own */
        assert_int_equal(channel_stats(c[1]).bytes_received, total);
        channel_free(c[0]);
        channel_free(c[1]);
    }
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Over a simulated link: two round trips for TCP's connecting and for TLS 1.3, then its rate. */
static void simulated_link(void **state)
{
    const struct network link = {30e-3, 200e6};
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    pthread_t thread;
    double start = now_s();

    (void)state;
    shake_hands_over(&link, c, files.pin, NULL, NULL, status, err);
    assert_int_equal(status[0], MP2ML_OK);
    assert_int_equal(status[1], MP2ML_OK);
    assert_true(now_s() - start >= 2 * link.rtt_s);
    struct duplex a = {c[0], 3 * MIB, 40000, 1, false};
    struct duplex b = {c[1], 3 * MIB, 40000, 2, false};
    start = now_s();
    assert_int_equal(pthread_create(&thread, NULL, run_duplex, &a), 0);
    run_duplex(&b);
    pthread_join(thread, NULL);
    assert_true(a.good);
    assert_true(b.good);
    assert_true(now_s() - start >= link.rtt_s / 2 + 8.0 * 3 * 1048576 / link.bits_per_second);
    channel_free(c[0]);
    assert_int_equal(channel_recv(c[1], &a.seed, 1), MP2ML_ERR_CLOSED);
    channel_free(c[1]);
}

/* The peer vanishes: a status, not a signal. */
static void peer_vanishes(void **state)
{
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    uint8_t *data = calloc(1, 16 * MIB);

    (void)state;
    shake_hands(c, files.pin, NULL, NULL, status, err);
    assert_int_equal(channel_send(c[0], "bye", 3), MP2ML_OK);
    channel_free(c[0]);
    assert_int_equal(channel_recv(c[1], data, 3), MP2ML_OK);
    assert_memory_equal(data, "bye", 3);
    assert_int_equal(channel_recv(c[1], data, 1), MP2ML_ERR_CLOSED);
    channel_free(c[1]);
    shake_hands(c, files.pin, NULL, NULL, status, err);
    channel_free(c[0]);
    assert_int_equal(channel_send(c[1], data, 16 * MIB), MP2ML_ERR_CLOSED);
    channel_free(c[1]);
    free(data);
}

/* A send that nobody reads sleeps until its time is up. */
static void blocked_send(void **state)
{
    struct channel *c[2];
    mp2ml_status status[2];
    mp2ml_error err[2];
    struct timespec before;
    struct timespec after;
    uint8_t *data = calloc(1, 64 * MIB);

    (void)state;
    shake_hands(c, files.pin, NULL, NULL, status, err);
    assert_int_equal(channel_send(c[1], data, 1000), MP2ML_OK);
    channel_set_timeout(c[0], 2000);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
    assert_int_equal(channel_send(c[0], data, 64 * MIB), MP2ML_ERR_TIMEOUT);
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
    int64_t ms =
        (int64_t)(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    assert_in_range(ms, 0, 1000);
    channel_free(c[0]);
    channel_free(c[1]);
    free(data);
}

static void tls_timeout_and_cancel(void **state)
{
    struct channel *a;
    struct channel *b;
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(channel_pair(&a, &b), MP2ML_OK);
    channel_set_timeout(a, 80);
    assert_int_equal(tls_connect(a, files.pin, NULL, NULL, &err), MP2ML_ERR_TIMEOUT);
    assert_int_equal(err.status, MP2ML_ERR_TIMEOUT);
    channel_cancel(b);
    assert_int_equal(tls_accept(b, files.server, &err), MP2ML_ERR_CANCELLED);
    channel_free(a);
    channel_free(b);
}

/* A plain client sends a frame to a TLS server; and reads what the server answers as a frame. */
static void plain_client(void **state)
{
    struct channel *c[2];
    struct link *l;
    uint8_t in[4];
    mp2ml_error err = {MP2ML_OK, ""};

    (void)state;
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    assert_int_equal(link_new(&l, c[0]), MP2ML_OK);
    assert_int_equal(frame_send(l, FRAME_HELLO_C, 0, "hello", 5), MP2ML_OK);
    assert_int_equal(tls_accept(c[1], files.server, &err), MP2ML_ERR_TLS);
    assert_int_equal(err.status, MP2ML_ERR_TLS);
    channel_free(c[1]);
    mp2ml_status status = frame_recv(l, FRAME_HELLO_S, 0, in, 4);
    assert_true(status == MP2ML_ERR_PROTOCOL || status == MP2ML_ERR_CLOSED);
    link_free(l);
    channel_free(c[0]);
}

static void *run_plain_server(void *context)
{
    struct channel *c = context;
    struct link *l;
    uint8_t in[4];
    bool refused =
        link_new(&l, c) == MP2ML_OK && frame_recv(l, FRAME_HELLO_C, 0, in, 4) == MP2ML_ERR_PROTOCOL;

    link_abort(l);
    link_free(l);
    channel_free(c);
    return refused ? context : NULL;
}

static void plain_server(void **state)
{
    struct channel *c[2];
    pthread_t thread;
    void *refused;

    (void)state;
    assert_int_equal(channel_pair(&c[0], &c[1]), MP2ML_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_plain_server, c[1]), 0);
    assert_int_equal(tls_connect(c[0], files.pin, NULL, NULL, NULL), MP2ML_ERR_TLS);
    pthread_join(thread, &refused);
    assert_non_null(refused);
    channel_free(c[0]);
}

/* Bytes changed on the way fail the channel as TLS, not as an end of the connection. */
static void damaged_record(void **state)
{
    struct channel *c[2];
    uint8_t in[4];
    static const uint8_t record[] = {23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
                                     9,  0, 1, 2, 3,  4, 5, 6, 7, 8, 9, 0};
    int fds[2];
    pthread_t thread;
    struct accepting accepting;

    (void)state;
    memset(&accepting, 0, sizeof accepting);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    int spare = dup(fds[0]); /* writes past the client's TLS */
    assert_int_equal(channel_from_socket(&c[0], fds[0]), MP2ML_OK);
    assert_int_equal(channel_from_socket(&c[1], fds[1]), MP2ML_OK);
    accepting.c = c[1];
    assert_int_equal(pthread_create(&thread, NULL, run_accept, &accepting), 0);
    assert_int_equal(tls_connect(c[0], files.pin, NULL, NULL, NULL), MP2ML_OK);
    pthread_join(thread, NULL);
    assert_int_equal(write(spare, record, sizeof record), sizeof record);
    assert_int_equal(channel_recv(c[1], in, 4), MP2ML_ERR_TLS);
    assert_int_equal(channel_recv(c[1], in, 4), MP2ML_ERR_TLS);
    close(spare);
    channel_free(c[0]);
    channel_free(c[1]);
}

static void *run_old_client(void *context)
{
    int fd = *(int *)context;
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(x, TLS1_2_VERSION);
    SSL *ssl = SSL_new(x);
    SSL_set_fd(ssl, fd);
    int result = SSL_connect(ssl);
    SSL_free(ssl);
    SSL_CTX_free(x);
    OPENSSL_thread_stop();
    return result == 1 ? context : NULL;
}

static void *run_old_server(void *context)
{
    int fd = *(int *)context;
    SSL_CTX *x = SSL_CTX_new(TLS_server_method());

    SSL_CTX_set_max_proto_version(x, TLS1_2_VERSION);
    SSL_CTX_use_certificate_file(x, files.cert, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(x, files.key, SSL_FILETYPE_PEM);
    SSL *ssl = SSL_new(x);
    SSL_set_fd(ssl, fd);
    int result = SSL_accept(ssl);
    SSL_free(ssl);
    SSL_CTX_free(x);
    OPENSSL_thread_stop();
    return result == 1 ? context : NULL;
}

static void old_peers(void **state)
{
    (void)state;
    for (int serving = 0; serving < 2; serving++) {
        struct channel *c;
        int fds[2];
        pthread_t thread;
        void *joined;
        mp2ml_error err = {MP2ML_OK, ""};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        assert_int_equal(channel_from_socket(&c, fds[0]), MP2ML_OK);
        assert_int_equal(
            pthread_create(&thread, NULL, serving ? run_old_client : run_old_server, &fds[1]), 0);
        if (serving)
            assert_int_equal(tls_accept(c, files.server, &err), MP2ML_ERR_TLS);
        else
            assert_int_equal(tls_connect(c, files.pin, NULL, NULL, &err), MP2ML_ERR_TLS);
        assert_non_null(strstr(err.text, serving ? "client" : "server"));
        channel_free(c);
        pthread_join(thread, &joined);
        assert_null(joined);
        close(fds[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins),           cmocka_unit_test(malformed_pins),
        cmocka_unit_test(authorities),    cmocka_unit_test(error_texts),
        cmocka_unit_test(server_files),   cmocka_unit_test(exporters),
        cmocka_unit_test(big_duplex),     cmocka_unit_test(peer_vanishes),
        cmocka_unit_test(plain_client),   cmocka_unit_test(plain_server),
        cmocka_unit_test(damaged_record), cmocka_unit_test(tls_timeout_and_cancel),
        cmocka_unit_test(old_peers),      cmocka_unit_test(blocked_send),
        cmocka_unit_test(simulated_link),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
