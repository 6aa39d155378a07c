/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory for secrets: locked where the system allows it, kept out of core dumps, wiped when freed.
 * For keys and seeds; bulk shares live in an arena, which wipes too. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "base/status.h"

/* Makes libsodium ready; call before anything else here. Safe to call again and from any thread. */
MUST_CHECK mp2ml_status secret_init(void);
/* Zeroed memory of count * size bytes with guard pages, or NULL. */
void *secret_new(size_t count, size_t size);
/* Wipes and frees; NULL is accepted. */
void secret_free(void *p);
/* Wipes n bytes; the compiler cannot drop it. */
void secret_wipe(void *p, size_t n);

#endif
