/* SPDX-License-Identifier: Apache-2.0
 *
 * XOF. Its counter blocks are little-endian, where OpenSSL's CTR counts big-endian: so the counter
 * blocks are written into the output and encrypted there by AES-256-ECB, a batch at a time; where the
 * kernels have AES-256, by them. */
#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/crypto_kernels.h"
#include "crypto/prg.h"
#include "crypto/secret.h"

#define BATCH_BYTES 4096 /* stays in the first-level cache */

struct xof {
    EVP_CIPHER_CTX *state;
    const struct crypto_kernels *kernels;
    uint8_t keys[240]; /* of the kernels */
};

static mp2ml_status derive_key(uint8_t key[DIGEST_BYTES], const uint8_t *seed, size_t seed_bytes,
                               const char *label, const char *set)
{
    size_t label_bytes = strlen(label);
    size_t set_bytes = strlen(set);
    char *joined = malloc(label_bytes + set_bytes + 1);
    if (joined == NULL)
        return MP2ML_ERR_MEMORY;
    memcpy(joined, label, label_bytes);
    memcpy(joined + label_bytes, set, set_bytes + 1);
    mp2ml_status status = digest_once(key, joined, seed, seed_bytes);
    free(joined);
    return status;
}

mp2ml_status xof_new(struct xof **out, const uint8_t *seed, size_t seed_bytes, const char *label,
                     const char *set)
{
    *out = NULL;
    uint8_t key[DIGEST_BYTES];
    mp2ml_status status = MP2ML_ERR_MEMORY;
    struct xof *x = malloc(sizeof *x);
    if (x == NULL)
        return status;
    x->state = EVP_CIPHER_CTX_new();
    if (x->state == NULL)
        goto out;
    TRY_OUT(derive_key(key, seed, seed_bytes, label, set));
    status = MP2ML_ERR_CRYPTO;
    if (EVP_EncryptInit_ex(x->state, EVP_aes_256_ecb(), NULL, key, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(x->state, 0) != 1)
        goto out;
    x->kernels = crypto_kernels_pick();
    if (x->kernels->aes256_expand != NULL)
        x->kernels->aes256_expand(x->keys, key);
    *out = x;
    x = NULL;
    status = MP2ML_OK;
out:
    secret_wipe(key, sizeof key);
    xof_free(x);
    return status;
}

void xof_free(struct xof *x)
{
    if (x == NULL)
        return;
    EVP_CIPHER_CTX_free(x->state); /* wipes */
    secret_wipe(x->keys, sizeof x->keys);
    free(x);
}

/* n > 0 bytes, a multiple of 16 and at most BATCH_BYTES, from block `index` on. */
static bool make_blocks(struct xof *x, uint8_t *out, size_t n, uint64_t ctr, uint64_t index)
{
    if (x->kernels->aes256_blocks != NULL) {
        x->kernels->aes256_blocks(out, n / 16, x->keys, ctr, index, false);
        return true;
    }
    for (size_t i = 0; i < n; i += 16) {
        store_u64(out + i, ctr);
        store_u64(out + i + 8, index + i / 16);
    }
    int made = 0;
    return EVP_EncryptUpdate(x->state, out, &made, out, (int)n) == 1 && (size_t)made == n;
}

mp2ml_status xof_read(struct xof *x, void *out, size_t n, uint64_t ctr, uint64_t offset)
{
    assert(offset % 16 == 0);
    uint8_t *p = out;
    const size_t whole = n - n % 16;
    const uint64_t first = offset / 16;
    bool good = true;
    for (size_t done = 0; good && done < whole; done += BATCH_BYTES) {
        size_t size = whole - done < BATCH_BYTES ? whole - done : BATCH_BYTES;
        good = make_blocks(x, p + done, size, ctr, first + done / 16);
    }
    if (good && whole < n) {
        uint8_t last[16];
        good = make_blocks(x, last, sizeof last, ctr, first + whole / 16);
        memcpy(p + whole, last, n - whole);
        secret_wipe(last, sizeof last);
    }
    if (good)
        return MP2ML_OK;
    secret_wipe(out, n);
    return MP2ML_ERR_CRYPTO;
}
