/* SPDX-License-Identifier: Apache-2.0
 *
 * crypto: the primitives that all protocols are made of. OpenSSL (digest, AES-CTR streams) and
 * libsodium (locked memory) stand behind these names and are seen nowhere else.
 *
 * Words. A *block* is 16 bytes. A *stream* is AES-256-CTR output. A *label* is an ASCII string that
 * keeps uses of one function apart. H and XOF are those of the protocol, docs/protocol.md.
 *
 * Read in this order: mask.h (selection without branches), secret.h (locked, wiped memory),
 * digest.h (H and transcripts), prg.h (the generator, and XOF), tccr.h (the hash of oblivious
 * transfer). */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "crypto/digest.h"
#include "crypto/mask.h"
#include "crypto/prg.h"
#include "crypto/secret.h"
#include "crypto/tccr.h"

#endif
