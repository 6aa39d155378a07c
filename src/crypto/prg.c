/* SPDX-License-Identifier: Apache-2.0
 *
 * The generator. Its output is a chain of chunks, each from its own key: AES-256-CTR under the
 * chunk's key, counter 0, gives first the next key, then the chunk's bytes. The old key is
 * overwritten before a byte leaves (fast key erasure), so a stolen state tells nothing about the
 * past. Whole chunks of a large request are made in place; the rest comes from a buffer that is
 * wiped as it is used. Where the bytes are made does not change them.
 *
 * Forks: a page that the kernel zeroes in a child, or the process id where it cannot, tells the
 * child to throw the buffer and key away and to ask the system for a fresh key. */
#include "crypto/prg.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "crypto/crypto_kernels.h"
#include "crypto/secret.h"

#define KEY_BYTES 32
#define CHUNK_BYTES 16384

struct prg {
    uint8_t key[KEY_BYTES]; /* of the next chunk */
    uint8_t buffer[CHUNK_BYTES];
    size_t left; /* the last `left` bytes of the buffer are still to be given out */
    const struct crypto_kernels *kernels;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *state; /* holds a key only within a chunk's making */
    uint8_t *fork_page;    /* [0] is 1 where it was written; NULL: compare `pid` */
    size_t page_bytes;
    pid_t pid;
    bool seeded; /* by a test; stays deterministic in a child */
    bool broken; /* by a test, or after a failure: never give bytes again */
};

/* CT: leaks nothing but failure. */
static mp2ml_status system_random(uint8_t *out, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(out, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return MP2ML_ERR_RANDOM;
        out += got;
        n -= (size_t)got;
    }
    return MP2ML_OK;
}

/* The same bytes by the kernels: the counter is big-endian, and its upper half stays zero. */
static void make_chunk_kernels(struct prg *g, uint8_t *out)
{
    uint8_t keys[240];
    g->kernels->aes256_expand(keys, g->key);
    g->kernels->aes256_blocks(g->key, KEY_BYTES / 16, keys, 0, 0, true);
    g->kernels->aes256_blocks(out, CHUNK_BYTES / 16, keys, 0, KEY_BYTES / 16, true);
    secret_wipe(keys, sizeof keys);
}

/* One chunk to out, which may be the buffer. CT: time depends on nothing. */
static mp2ml_status make_chunk(struct prg *g, uint8_t *out)
{
    if (g->kernels->aes256_blocks != NULL) {
        make_chunk_kernels(g, out);
        return MP2ML_OK;
    }
    static const uint8_t counter[16] = {0};
    int n = 0;
    memset(out, 0, CHUNK_BYTES);
    bool good = EVP_EncryptInit_ex(g->state, g->cipher, NULL, g->key, counter) == 1;
    memset(g->key, 0, KEY_BYTES); /* CTR adds the stream to the input: zeros give the stream */
    good = good && EVP_EncryptUpdate(g->state, g->key, &n, g->key, KEY_BYTES) == 1 &&
           EVP_EncryptUpdate(g->state, out, &n, out, CHUNK_BYTES) == 1 && n == CHUNK_BYTES;
    good = EVP_CIPHER_CTX_reset(g->state) == 1 && good; /* wipes the key schedule */
    if (!good) {
        g->broken = true;
        secret_wipe(out, CHUNK_BYTES);
        return MP2ML_ERR_CRYPTO;
    }
    return MP2ML_OK;
}

static mp2ml_status reseed(struct prg *g)
{
    g->left = 0;
    secret_wipe(g->buffer, CHUNK_BYTES);
    TRY(system_random(g->key, KEY_BYTES));
    g->pid = getpid();
    if (g->fork_page != NULL)
        g->fork_page[0] = 1;
    return MP2ML_OK;
}

static bool forked(const struct prg *g)
{
    if (g->seeded)
        return false;
    return g->fork_page != NULL ? g->fork_page[0] != 1 : g->pid != getpid();
}

static void watch_forks(struct prg *g)
{
    g->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page =
        mmap(NULL, g->page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, g->page_bytes, MADV_WIPEONFORK) == 0)
        g->fork_page = page;
    else
        munmap(page, g->page_bytes);
}

static mp2ml_status new_without_key(struct prg **out)
{
    *out = NULL;
    TRY(secret_init());
    struct prg *g = secret_new(1, sizeof *g);
    if (g == NULL)
        return MP2ML_ERR_MEMORY;
    g->kernels = crypto_kernels_pick();
    g->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
    g->state = EVP_CIPHER_CTX_new();
    if (g->cipher == NULL || g->state == NULL) {
        prg_free(g);
        return MP2ML_ERR_CRYPTO;
    }
    *out = g;
    return MP2ML_OK;
}

mp2ml_status prg_new(struct prg **out)
{
    TRY(new_without_key(out));
    watch_forks(*out);
    mp2ml_status status = reseed(*out);
    if (status != MP2ML_OK) {
        prg_free(*out);
        *out = NULL;
    }
    return status;
}

void prg_free(struct prg *g)
{
    if (g == NULL)
        return;
    EVP_CIPHER_CTX_free(g->state);
    EVP_CIPHER_free(g->cipher);
    if (g->fork_page != NULL)
        munmap(g->fork_page, g->page_bytes);
    secret_free(g);
}

/* Moves bytes out of the buffer and wipes them there; returns how many. */
static size_t take_buffered(struct prg *g, uint8_t *out, size_t n)
{
    size_t take = n < g->left ? n : g->left;
    uint8_t *from = g->buffer + CHUNK_BYTES - g->left;
    memcpy(out, from, take);
    secret_wipe(from, take);
    g->left -= take;
    return take;
}

static mp2ml_status fill(struct prg *g, uint8_t *out, size_t n)
{
    if (g->broken)
        return MP2ML_ERR_CRYPTO;
    if (forked(g))
        TRY(reseed(g));
    size_t done = take_buffered(g, out, n);
    for (; n - done >= CHUNK_BYTES; done += CHUNK_BYTES)
        TRY(make_chunk(g, out + done));
    if (done < n) {
        TRY(make_chunk(g, g->buffer));
        g->left = CHUNK_BYTES;
        take_buffered(g, out + done, n - done);
    }
    return MP2ML_OK;
}

/* CT: time depends on n, on failure, and on how much was asked for before. */
mp2ml_status prg_fill(struct prg *g, void *out, size_t n)
{
    if (n == 0)
        return MP2ML_OK;
    mp2ml_status status = fill(g, out, n);
    if (status != MP2ML_OK)
        secret_wipe(out, n);
    return status;
}

#ifdef MP2ML_TEST_HOOKS
mp2ml_status prg_new_seeded(struct prg **out, const uint8_t seed[32])
{
    TRY(new_without_key(out));
    (*out)->seeded = true;
    memcpy((*out)->key, seed, KEY_BYTES);
    return MP2ML_OK;
}

void prg_break(struct prg *g)
{
    g->broken = true;
}
#endif
