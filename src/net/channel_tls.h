/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS as a transport of a channel; for the files of this folder only. */
#ifndef NET_CHANNEL_TLS_H
#define NET_CHANNEL_TLS_H

#include <openssl/ssl.h>

#include "net/channel_internal.h"

/* Gives the channel a TLS transport made of the context, which is kept by OpenSSL's own count. No
 * byte moves yet. */
MUST_CHECK mp2ml_status channel_tls_start(struct channel *c, SSL_CTX *context);
/* The connection, or NULL when the channel carries no TLS. */
SSL *channel_tls_ssl(const struct channel *c);
/* Waits for the end of the handshake. Channel failures as such, all else ERR_TLS. */
MUST_CHECK mp2ml_status channel_tls_handshake(struct channel *c);

#endif
