/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.3 over a connected channel; no older version, no resumption, no early data. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/channel.h"

#define TLS_PIN_BYTES 32      /* SHA-256 of the certificate's public key (SubjectPublicKeyInfo) */
#define TLS_EXPORTER_BYTES 32 /* label "EXPORTER-mp2ml-1", no context */

struct tls_server; /* certificate and key, shared by all connections */

/* Reads PEM files. */
MUST_CHECK mp2ml_status tls_server_new(struct tls_server **out, const char *cert_path,
                                       const char *key_path, mp2ml_error *err);
void tls_server_free(struct tls_server *s);
/* The pin that clients should be given, as 64 hex digits. */
void tls_server_pin(const struct tls_server *s, char hex[2 * TLS_PIN_BYTES + 1]);

/* Shake hands in place: *c carries TLS afterwards. On failure the channel has failed. */
MUST_CHECK mp2ml_status tls_accept(struct channel *c, const struct tls_server *s, mp2ml_error *err);
/* The client accepts the server by its pin (64 hex digits), or by a CA file and the host name.
 * Exactly one of the two is not NULL. */
MUST_CHECK mp2ml_status tls_connect(struct channel *c, const char *pin_hex, const char *ca_path,
                                    const char *host, mp2ml_error *err);
bool tls_active(const struct channel *c);
/* The exporter value; zeros without TLS. */
MUST_CHECK mp2ml_status tls_exporter(const struct channel *c, uint8_t out[TLS_EXPORTER_BYTES]);

#endif
