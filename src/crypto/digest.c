/* SPDX-License-Identifier: Apache-2.0
 *
 * H by OpenSSL's SHA-256; leaves by a kernel where the table has one. */
#include "crypto/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto_kernels.h"

static const char prefix[] = "mp2ml/1/";

struct digest {
    EVP_MD_CTX *state;
};

mp2ml_status digest_new(struct digest **out, const char *label)
{
    *out = NULL;
    struct digest *d = calloc(1, sizeof *d);
    if (d == NULL)
        return MP2ML_ERR_MEMORY;
    d->state = EVP_MD_CTX_new();
    if (d->state == NULL) {
        free(d);
        return MP2ML_ERR_MEMORY;
    }
    /* The label's own zero byte ends it. */
    if (EVP_DigestInit_ex(d->state, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(d->state, prefix, sizeof prefix - 1) != 1 ||
        EVP_DigestUpdate(d->state, label, strlen(label) + 1) != 1) {
        digest_free(d);
        return MP2ML_ERR_CRYPTO;
    }
    *out = d;
    return MP2ML_OK;
}

void digest_free(struct digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->state); /* wipes */
    free(d);
}

mp2ml_status digest_update(struct digest *d, const void *data, size_t n)
{
    if (n == 0)
        return MP2ML_OK;
    return EVP_DigestUpdate(d->state, data, n) == 1 ? MP2ML_OK : MP2ML_ERR_CRYPTO;
}

mp2ml_status digest_now(const struct digest *d, uint8_t out[DIGEST_BYTES])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    if (copy == NULL)
        return MP2ML_ERR_MEMORY;
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    bool good = EVP_MD_CTX_copy_ex(copy, d->state) == 1 &&
                EVP_DigestFinal_ex(copy, hash, &size) == 1 && size == DIGEST_BYTES;
    EVP_MD_CTX_free(copy);
    if (!good)
        return MP2ML_ERR_CRYPTO;
    memcpy(out, hash, DIGEST_BYTES);
    explicit_bzero(hash, sizeof hash); /* may be a key */
    return MP2ML_OK;
}

mp2ml_status digest_parts(uint8_t out[DIGEST_BYTES], const char *label,
                          const struct digest_part *parts, size_t count)
{
    struct digest *d;
    TRY(digest_new(&d, label));
    mp2ml_status status = MP2ML_OK;
    for (size_t i = 0; i < count; i++)
        TRY_OUT(digest_update(d, parts[i].data, parts[i].size));
    status = digest_now(d, out);
out:
    digest_free(d);
    return status;
}

mp2ml_status digest_leaves(const struct crypto_kernels *k,
                           uint8_t out[DIGEST_LEAVES * DIGEST_BYTES], const void *data, size_t n)
{
    const size_t size = n / DIGEST_LEAVES;
    assert(n % DIGEST_LEAVES == 0);
    if (k->sha256_parts != NULL) {
        k->sha256_parts(out, data, size);
        return MP2ML_OK;
    }
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    bool good = state != NULL;
    for (size_t i = 0; i < DIGEST_LEAVES && good; i++)
        good = EVP_DigestInit_ex(state, i == 0 ? EVP_sha256() : NULL, NULL) == 1 &&
               EVP_DigestUpdate(state, (const uint8_t *)data + i * size, size) == 1 &&
               EVP_DigestFinal_ex(state, out + i * DIGEST_BYTES, NULL) == 1;
    EVP_MD_CTX_free(state);
    return good ? MP2ML_OK : MP2ML_ERR_CRYPTO;
}
