/* SPDX-License-Identifier: Apache-2.0
 *
 * crypto: the primitives that all protocols are made of. OpenSSL (digest, AES-CTR streams) and
 * libsodium (locked memory) stand behind these names and are seen nowhere else.
 *
 * Words. A *block* is 16 bytes. A *stream* is AES-CTR output. A *label* is an ASCII string that
 * keeps uses of one function apart. H and XOF are those of the protocol, docs/protocol.md.
 *
 * Read in this order: mask.h (selection without branches), secret.h (locked, wiped memory),
 * digest.h (H and transcripts), prg.h (the generator, XOF, streams), tccr.h (the hash of oblivious
 * transfer), gf128.h (the field of its checks). block.h names the block and the kernels. */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "crypto/block.h"
#include "crypto/digest.h"
#include "crypto/gf128.h"
#include "crypto/mask.h"
#include "crypto/prg.h"
#include "crypto/secret.h"
#include "crypto/tccr.h"

#endif
