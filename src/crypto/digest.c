/* SPDX-License-Identifier: Apache-2.0
 *
 * H by OpenSSL's SHA-256; twins by our own where the processor has instructions for it. */
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"

static const char prefix[] = "mp2ml/1/";

struct digest {
    EVP_MD_CTX *state; /* NULL: a twin, in `twin` */
    struct sha256 twin;
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
    explicit_bzero(&d->twin, sizeof d->twin);
    free(d);
}

mp2ml_status digest_new_twin(struct digest **out, const char *label)
{
    if (!sha256_available())
        return digest_new(out, label);
    struct digest *d = calloc(1, sizeof *d);
    *out = d;
    if (d == NULL)
        return MP2ML_ERR_MEMORY;
    sha256_init(&d->twin);
    TRY(digest_update(d, prefix, sizeof prefix - 1)); /* a twin cannot fail */
    return digest_update(d, label, strlen(label) + 1);
}

mp2ml_status digest_update_two(struct digest *a, const void *x, size_t x_bytes, struct digest *b,
                               const void *y, size_t y_bytes)
{
    if (a->state == NULL && (b == NULL || b->state == NULL)) {
        sha256_update_two(&a->twin, x, x_bytes, b != NULL ? &b->twin : NULL, y, y_bytes);
        return MP2ML_OK;
    }
    TRY(digest_update(a, x, x_bytes));
    return b != NULL ? digest_update(b, y, y_bytes) : MP2ML_OK;
}

mp2ml_status digest_update(struct digest *d, const void *data, size_t n)
{
    if (n == 0)
        return MP2ML_OK;
    if (d->state == NULL) {
        sha256_update_two(&d->twin, data, n, NULL, NULL, 0);
        return MP2ML_OK;
    }
    return EVP_DigestUpdate(d->state, data, n) == 1 ? MP2ML_OK : MP2ML_ERR_CRYPTO;
}

mp2ml_status digest_now(const struct digest *d, uint8_t out[DIGEST_BYTES])
{
    if (d->state == NULL) {
        sha256_now(&d->twin, out);
        return MP2ML_OK;
    }
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
