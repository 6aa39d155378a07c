/* SPDX-License-Identifier: Apache-2.0
 *
 * Garbled circuits between a real client and a real server, with the bodies of GARBLED or of
 * OT_CHOICE XORed with the input: without a difference the result is right; with one the reader takes
 * it, and its shares lie in their ring, or refuses it, and its output is wiped; padding, and only
 * padding, is refused. Input: u8 operation
 * and who is fed, u8 k, u8 more, u8 shape, u16 bytes to skip, then the difference. */
#include <pthread.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "mpc/yao.h"

enum kind { RELU, MAX, ARGMAX, TOP };

#define MOST 128 /* values */

/* ---- both parties: kept from input to input until one of them fails ---------------------------- */

struct both { /* by party */
    struct channel *channel[2];
    struct link *link[2];
    struct prg *prg[2];
    struct ot *ot[2];
    struct mpc *mpc[2];
};
typedef mp2ml_status (*half_fn)(struct both *b, enum party party, void *context);
struct half {
    struct both *both;
    enum party party;
    half_fn fn;
    void *context;
    mp2ml_status status;
};

/* As a session does: who fails tells the other and is gone. */
static void *half_main(void *argument)
{
    struct half *h = argument;
    h->status = h->fn(h->both, h->party, h->context);
    if (h->status == MP2ML_OK)
        h->status = channel_flush(h->both->channel[h->party]);
    if (h->status != MP2ML_OK) {
        link_abort(h->both->link[h->party]);
        channel_close(h->both->channel[h->party]);
    }
    return NULL;
}

static void both_run(struct both *b, half_fn fn, void *context, mp2ml_status status[2])
{
    struct half half[2] = {{b, PARTY_SERVER, fn, context, MP2ML_OK},
                           {b, PARTY_CLIENT, fn, context, MP2ML_OK}};
    pthread_t client;
    FUZZ_CHECK(pthread_create(&client, NULL, half_main, &half[PARTY_CLIENT]) == 0);
    half_main(&half[PARTY_SERVER]);
    FUZZ_CHECK(pthread_join(client, NULL) == 0);
    status[PARTY_SERVER] = half[PARTY_SERVER].status;
    status[PARTY_CLIENT] = half[PARTY_CLIENT].status;
}

static mp2ml_status set_up(struct both *b, enum party party, void *context)
{
    static const uint8_t sid[32] = {1}, transcript[32] = {2};
    (void)context;
    TRY(ot_setup_begin(b->ot[party], sid));
    TRY(ot_setup_end(b->ot[party]));
    return ot_start(b->ot[party], transcript);
}

static struct both *both_new(void)
{
    struct both *b = calloc(1, sizeof *b);
    mp2ml_status status[2];
    FUZZ_CHECK(b != NULL && secret_init() == MP2ML_OK);
    FUZZ_CHECK(channel_pair(&b->channel[0], &b->channel[1]) == MP2ML_OK);
    for (unsigned i = 0; i < 2; i++) {
        const enum party party = (enum party)i;
        channel_set_timeout(b->channel[i], 20000);
        b->prg[i] = fuzz_prg();
        FUZZ_CHECK(link_new(&b->link[i], b->channel[i]) == MP2ML_OK);
        FUZZ_CHECK(ot_new(&b->ot[i], b->link[i], party, b->prg[i], 4) == MP2ML_OK);
        FUZZ_CHECK(mpc_new(&b->mpc[i], party, b->link[i], b->ot[i], b->prg[i]) == MP2ML_OK);
        mpc_set_engine(b->mpc[i], MPC_YAO);
    }
    both_run(b, set_up, NULL, status);
    FUZZ_CHECK(status[0] == MP2ML_OK && status[1] == MP2ML_OK);
    return b;
}

static void both_free(struct both *b)
{
    for (unsigned i = 0; i < 2; i++) {
        mpc_free(b->mpc[i]);
        ot_free(b->ot[i]);
        prg_free(b->prg[i]);
        link_free(b->link[i]);
        channel_free(b->channel[i]);
    }
    free(b);
}

/* ---- one call ---------------------------------------------------------------------------------- */

struct call {
    enum kind kind;
    unsigned k, l, blind, top, out_bits;
    size_t n, batch, outputs;
    struct mpc_windows windows;
    uint64_t x[MOST], share[2][MOST], out[2][MOST], want[MOST];
    enum party fed; /* who reads what was changed */
    const uint8_t *data;
    size_t size, skip;
    bool changed, padded; /* padded: a bit behind the last row or choice of a ReLU is set */
};

/* Bits of the only frame of a type, where they are easily known: ReLUs. */
static size_t bits_of(const struct call *c, enum frame_type type)
{
    return type == FRAME_OT_CHOICE ? c->n * c->k : c->n * yao_relu_row_bits(c->k, c->l);
}

static void change(void *context, bool sent, enum frame_type type, uint16_t step, uint8_t *part,
                   size_t length)
{
    struct call *c = context;
    (void)step;
    if (!sent || (type != FRAME_GARBLED && type != FRAME_OT_CHOICE))
        return;
    const size_t skip = c->skip < length ? c->skip : length, left = length - skip;
    const size_t used = left < c->size ? left : c->size;
    c->changed |= fuzz_xor(part + skip, left, c->data, c->size);
    const size_t last_bits = c->kind == RELU ? bits_of(c, type) % 8 : 0;
    c->padded |= last_bits != 0 && part[length - 1] >> last_bits != 0;
    c->skip -= skip;
    c->data += used;
    c->size -= used;
}

static mp2ml_status call_half(struct both *b, enum party party, void *context)
{
    struct call *c = context;
    struct mpc *m = b->mpc[party];
    uint64_t *out = c->out[party];
    const uint64_t *in = c->share[party];
    if (c->kind == RELU)
        return mpc_relu(m, 1, out, in, NULL, c->n, c->k, c->l, c->blind);
    if (c->kind == MAX)
        return mpc_max(m, 1, out, in, &c->windows, c->batch, c->k, c->blind, NULL);
    if (c->kind == ARGMAX)
        return mpc_argmax(m, 1, out, in, &c->windows, c->batch, c->k, NULL);
    return mpc_top(m, 1, out, in, &c->windows, c->batch, c->k, c->top, NULL);
}

static void clear(struct call *c)
{
    if (c->kind == RELU)
        mpc_relu_clear(c->want, c->x, NULL, c->share[PARTY_CLIENT], c->n, c->k, c->l, c->blind);
    else if (c->kind == MAX)
        mpc_max_clear(c->want, c->x, NULL, &c->windows, c->batch, c->k, 0, NULL);
    else if (c->kind == ARGMAX)
        mpc_argmax_clear(c->want, c->x, &c->windows, c->batch, c->k);
    else
        mpc_top_clear(c->want, c->x, &c->windows, c->batch, c->k, c->top);
}

/* Values of at most k - 2 bits and a sign, shared by a small generator. */
static void share_out(struct call *c)
{
    const uint64_t mask = ((uint64_t)1 << c->k) - 1;
    uint64_t state = c->k + c->n;
    for (size_t i = 0; i < c->n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const uint64_t small = (state >> 40) & (mask >> 2);
        c->x[i] = (state >> 63 != 0 ? small : 0 - small) & mask;
        c->share[0][i] = (state >> 8) & mask;
        c->share[1][i] = (c->x[i] - c->share[0][i]) & mask;
    }
}

/* Windows of different lengths, some of one member, over up to 13 values. */
static const uint32_t first[] = {0, 4, 5, 8, 13},
                      member[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint32_t even[] = {0, 4, 8, 12};

static void shape(struct call *c, unsigned what, unsigned k, unsigned more, unsigned size)
{
    c->kind = (enum kind)(what & 3);
    c->fed = (what & 4) != 0 ? PARTY_SERVER : PARTY_CLIENT;
    c->k = 4 + k % 21;
    c->l = c->k + more % 24;
    c->blind = c->k >= 8 && (what & 8) != 0 && c->kind == RELU ? 1 + more % (c->k - 7) : 0;
    c->top = 1 + more % 4;
    c->windows = c->kind == TOP ? (struct mpc_windows){3, even, member}
                                : (struct mpc_windows){1 + more % 4, first, member};
    c->batch = 1 + size % 8;
    c->n = c->kind == RELU ? 1 + size % MOST : c->batch * c->windows.first[c->windows.count];
    c->outputs = c->kind == RELU  ? c->n
                 : c->kind == TOP ? c->batch * c->windows.count * c->top
                                  : c->batch * c->windows.count;
    c->out_bits = c->kind == RELU ? c->l : c->kind == MAX ? c->k : mpc_index_bits(&c->windows);
    share_out(c);
    clear(c);
}

static void judge(const struct call *c, const mp2ml_status status[2])
{
    const uint64_t mask = ((uint64_t)1 << c->out_bits) - 1;
    FUZZ_CHECK(status[c->fed] == MP2ML_OK || (status[c->fed] == MP2ML_ERR_PROTOCOL && c->changed));
    for (unsigned p = 0; p < 2; p++)
        for (size_t i = 0; i < c->outputs; i++)
            FUZZ_CHECK(status[p] == MP2ML_OK ? c->out[p][i] <= mask : c->out[p][i] == 0);
    if (c->kind == RELU)
        FUZZ_CHECK((status[c->fed] == MP2ML_ERR_PROTOCOL) == c->padded);
    if (status[c->fed] == MP2ML_OK)
        FUZZ_CHECK(status[1 - c->fed] == MP2ML_OK);
    for (size_t i = 0; !c->changed && i < c->outputs; i++)
        FUZZ_CHECK(((c->out[0][i] + c->out[1][i]) & mask) == c->want[i]);
}

/* Keys hold pointers in locked memory, where LeakSanitizer does not look. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:both_new\nleak:set_up\nleak:ot_pool_room\nleak:CRYPTO_zalloc\nleak:CRYPTO_"
           "strndup\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct both *both;
    static struct call c; /* large */
    mp2ml_status status[2];
    const uint8_t what = fuzz_take(&data, &size), k = fuzz_take(&data, &size);
    const uint8_t more = fuzz_take(&data, &size), values = fuzz_take(&data, &size);
    memset(&c, 0, sizeof c);
    shape(&c, what, k, more, values);
    c.skip = fuzz_take(&data, &size);
    c.skip |= (size_t)fuzz_take(&data, &size) << 8;
    c.data = data;
    c.size = size;
    if (both == NULL)
        both = both_new();
    link_set_tap(both->link[1 - c.fed], change, &c);
    both_run(both, call_half, &c, status);
    link_set_tap(both->link[1 - c.fed], NULL, NULL);
    judge(&c, status);
    if (status[0] != MP2ML_OK || status[1] != MP2ML_OK) {
        both_free(both);
        both = NULL;
    }
    return 0;
}
