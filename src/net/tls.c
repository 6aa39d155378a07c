/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.3: certificates, pins and the handshake's two sides. A pin replaces every other check of
 * the certificate: whoever proves to hold that key is the server. */
#include "net/tls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/channel_tls.h"

#define READ_AHEAD ((size_t)128 << 10)

struct tls_server {
    SSL_CTX *context;
    uint8_t pin[TLS_PIN_BYTES];
};

/* OpenSSL's own words for its last error in this thread. */
static const char *last_reason(char text[128])
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    snprintf(text, 128, "%s", reason != NULL ? reason : "no reason given");
    return text;
}

/* A library never asks at the terminal: a key with a passphrase is an error. */
static int no_passphrase(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *x = SSL_CTX_new(method);

    if (x == NULL)
        return NULL;
    SSL_CTX_set_options(x, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(x, no_passphrase);
    SSL_CTX_set_read_ahead(x, 1);
    SSL_CTX_set_default_read_buffer_len(x, READ_AHEAD);
    if (SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(x, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_num_tickets(x, 0) == 1 && SSL_CTX_set_max_early_data(x, 0) == 1)
        return x;
    SSL_CTX_free(x);
    return NULL;
}

/* SHA-256 of the certificate's SubjectPublicKeyInfo. */
static bool certificate_pin(const X509 *certificate, uint8_t pin[TLS_PIN_BYTES])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);

    if (size <= 0)
        return false;
    unsigned char *good = SHA256(der, (size_t)size, pin);
    OPENSSL_free(der);
    return good != NULL;
}

mp2ml_status tls_server_new(struct tls_server **out, const char *cert_path, const char *key_path,
                            mp2ml_error *err)
{
    char reason[128];
    struct tls_server *s = calloc(1, sizeof *s);
    mp2ml_status status = MP2ML_OK;

    ERR_clear_error();
    if (s != NULL)
        s->context = new_context(TLS_server_method());
    if (s == NULL || s->context == NULL)
        status = status_fail(err, MP2ML_ERR_MEMORY, "cannot set up TLS");
    else if (SSL_CTX_use_certificate_chain_file(s->context, cert_path) != 1)
        status = status_fail(err, MP2ML_ERR_TLS, "cannot use the certificate %s: %s", cert_path,
                             last_reason(reason));
    else if (SSL_CTX_use_PrivateKey_file(s->context, key_path, SSL_FILETYPE_PEM) != 1)
        status = status_fail(err, MP2ML_ERR_TLS, "cannot use the private key %s: %s", key_path,
                             last_reason(reason));
    else if (SSL_CTX_check_private_key(s->context) != 1)
        status = status_fail(err, MP2ML_ERR_TLS, "the key %s does not belong to the certificate %s",
                             key_path, cert_path);
    else if (!certificate_pin(SSL_CTX_get0_certificate(s->context), s->pin))
        status = status_fail(err, MP2ML_ERR_TLS, "cannot read the key of %s", cert_path);
    ERR_clear_error();
    if (status != MP2ML_OK) {
        tls_server_free(s);
        return status;
    }
    *out = s;
    return MP2ML_OK;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    SSL_CTX_free(s->context);
    free(s);
}

void tls_server_pin(const struct tls_server *s, char hex[2 * TLS_PIN_BYTES + 1])
{
    for (size_t i = 0; i < TLS_PIN_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", s->pin[i]);
}

mp2ml_status tls_accept(struct channel *c, const struct tls_server *s, mp2ml_error *err)
{
    char reason[128];
    mp2ml_status status = channel_tls_start(c, s->context);

    if (status == MP2ML_OK) {
        SSL_set_accept_state(channel_tls_ssl(c));
        status = channel_tls_handshake(c);
    }
    if (status == MP2ML_OK)
        return MP2ML_OK;
    if (status == MP2ML_ERR_TLS)
        status_fail(err, status, "TLS with the client failed: %s", last_reason(reason));
    else
        status_fail(err, status, "TLS with the client failed: %s", mp2ml_status_text(status));
    ERR_clear_error();
    return channel_fail(c, status);
}

static bool parse_pin(const char *hex, uint8_t pin[TLS_PIN_BYTES])
{
    if (strlen(hex) != (size_t)2 * TLS_PIN_BYTES)
        return false;
    for (size_t i = 0; i < (size_t)2 * TLS_PIN_BYTES; i++) {
        static const char digits[] = "0123456789abcdef";
        char digit = hex[i] >= 'A' && hex[i] <= 'F' ? (char)(hex[i] - 'A' + 'a') : hex[i];
        const char *at = strchr(digits, digit);
        if (at == NULL || digit == '\0')
            return false;
        pin[i / 2] = (uint8_t)(pin[i / 2] << 4 | (at - digits));
    }
    return true;
}

/* Replaces OpenSSL's check of the chain while the handshake can still be refused. */
static int check_pin(X509_STORE_CTX *store, void *context)
{
    uint8_t pin[TLS_PIN_BYTES] = {0};
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);

    if (certificate != NULL && certificate_pin(certificate, pin) &&
        CRYPTO_memcmp(pin, context, TLS_PIN_BYTES) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

static bool is_ip_address(const char *host)
{
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);

    ASN1_OCTET_STRING_free(ip);
    ERR_clear_error();
    return ip != NULL;
}

/* The name that the client says it wants; an address has none. */
static bool set_server_name(SSL *ssl, const char *host)
{
    char name[256]; /* OpenSSL's macro takes no const */

    if (is_ip_address(host))
        return true;
    int size = snprintf(name, sizeof name, "%s", host);
    return size > 0 && (size_t)size < sizeof name && SSL_set_tlsext_host_name(ssl, name) == 1;
}

/* The client's half that comes before the handshake. Everything that can be wrong here is the
 * caller's. */
static mp2ml_status prepare_client(struct channel *c, SSL_CTX *context, uint8_t pin[TLS_PIN_BYTES],
                                   const char *pin_hex, const char *ca_path, const char *host,
                                   mp2ml_error *err)
{
    char reason[128];
    bool named = host != NULL && host[0] != '\0';

    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (pin_hex != NULL) {
        if (!parse_pin(pin_hex, pin))
            return status_fail(err, MP2ML_ERR_ARGUMENT, "a server pin is %d hex digits",
                               2 * TLS_PIN_BYTES);
        SSL_CTX_set_cert_verify_callback(context, check_pin, pin);
    } else {
        if (!named) /* OpenSSL would take it as: any name will do */
            return status_fail(err, MP2ML_ERR_ARGUMENT, "a CA file needs a host name to check");
        if (SSL_CTX_load_verify_file(context, ca_path) != 1)
            return status_fail(err, MP2ML_ERR_TLS, "cannot use the CA file %s: %s", ca_path,
                               last_reason(reason));
    }
    mp2ml_status status = channel_tls_start(c, context);
    if (status != MP2ML_OK)
        return status_fail(err, status, "cannot set up TLS");
    SSL *ssl = channel_tls_ssl(c);
    SSL_set_connect_state(ssl);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (pin_hex == NULL && SSL_set1_host(ssl, host) != 1)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "%s is no host name", host);
    if (named && !set_server_name(ssl, host))
        return status_fail(err, MP2ML_ERR_ARGUMENT, "%s is no host name", host);
    return MP2ML_OK;
}

/* Why the handshake failed, in words. */
static void explain_client(const SSL *ssl, const char *pin_hex, mp2ml_status status,
                           mp2ml_error *err)
{
    char reason[128];
    long verdict = SSL_get_verify_result(ssl);

    if (status != MP2ML_ERR_TLS)
        status_fail(err, status, "TLS with the server failed: %s", mp2ml_status_text(status));
    else if (verdict == X509_V_OK)
        status_fail(err, status, "TLS with the server failed: %s", last_reason(reason));
    else if (pin_hex != NULL)
        status_fail(err, status, "the server's key is not the pinned one");
    else
        status_fail(err, status, "the server's certificate is refused: %s",
                    X509_verify_cert_error_string(verdict));
}

mp2ml_status tls_connect(struct channel *c, const char *pin_hex, const char *ca_path,
                         const char *host, mp2ml_error *err)
{
    uint8_t pin[TLS_PIN_BYTES] = {0};
    SSL_CTX *context;
    mp2ml_status status;

    ERR_clear_error();
    if ((pin_hex == NULL) == (ca_path == NULL))
        return channel_fail(
            c, status_fail(err, MP2ML_ERR_ARGUMENT, "TLS needs either a server pin or a CA file"));
    context = new_context(TLS_client_method());
    if (context == NULL)
        return channel_fail(c, status_fail(err, MP2ML_ERR_MEMORY, "cannot set up TLS"));
    status = prepare_client(c, context, pin, pin_hex, ca_path, host, err);
    if (status == MP2ML_OK) {
        status = channel_tls_handshake(c);
        if (status != MP2ML_OK)
            explain_client(channel_tls_ssl(c), pin_hex, status, err);
    }
    ERR_clear_error();
    /* The pin lives no longer than this call, and after the handshake nobody asks for it. */
    SSL_CTX_set_cert_verify_callback(context, NULL, NULL);
    SSL_CTX_free(context);
    return status == MP2ML_OK ? MP2ML_OK : channel_fail(c, status);
}

bool tls_active(const struct channel *c)
{
    return channel_tls_ssl(c) != NULL && SSL_is_init_finished(channel_tls_ssl(c));
}

mp2ml_status tls_exporter(const struct channel *c, uint8_t out[TLS_EXPORTER_BYTES])
{
    static const char label[] = "EXPORTER-mp2ml-1";
    uint8_t value[TLS_EXPORTER_BYTES];

    memset(out, 0, TLS_EXPORTER_BYTES);
    if (channel_tls_ssl(c) == NULL)
        return MP2ML_OK;
    if (!tls_active(c) || SSL_export_keying_material(channel_tls_ssl(c), value, sizeof value, label,
                                                     sizeof label - 1, NULL, 0, 0) != 1) {
        ERR_clear_error();
        return MP2ML_ERR_TLS;
    }
    memcpy(out, value, sizeof value);
    return MP2ML_OK;
}
