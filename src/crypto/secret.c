/* SPDX-License-Identifier: Apache-2.0
 *
 * libsodium's guarded heap. Where locking is refused (RLIMIT_MEMLOCK) the memory is given unlocked,
 * still guarded, kept out of dumps and wiped. */
#include "crypto/secret.h"

#include <sodium.h>

mp2ml_status secret_init(void)
{
    return sodium_init() < 0 ? MP2ML_ERR_CRYPTO : MP2ML_OK;
}

void *secret_new(size_t count, size_t size)
{
    /* libsodium ends a piece at its guard page: whole multiples of 64 keep the start aligned. */
    size_t bytes;
    if (!size_mul(&bytes, count, size) || !size_add(&bytes, bytes, 63) || secret_init() != MP2ML_OK)
        return NULL;
    bytes &= ~(size_t)63;
    void *p = sodium_malloc(bytes);
    if (p != NULL)
        sodium_memzero(p, bytes);
    return p;
}

void secret_free(void *p)
{
    sodium_free(p); /* wipes, and accepts NULL */
}

void secret_wipe(void *p, size_t n)
{
    sodium_memzero(p, n);
}
