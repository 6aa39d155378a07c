/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear steps ahead of their inputs (docs/protocol.md, "Ahead of time"). Long before a request, the
 * ordinary halves of each linear step run on uniform rho of the client's instead of its share and on
 * zero instead of the server's; bias, noise and masks are in what they leave, y and -r, with
 * y - r = 2^(k-l)*(W*rho + bias) + e. In the request
 *
 *   C->S  MASKED ...   x1 - rho mod 2^l of every input, masked_per_frame to a frame
 *
 * the server computes round(2^(k-l)*W*(x0 + x1 - rho)) in exact integers and adds it to -r; the
 * client's share is y. Both roundings together move the sum by less than one unit beyond e. A wrap of
 * x0 + x1 - rho by 2^l is one of W*2^k after the rounding: nothing.
 *
 * Many requests are made ready as one batch: item i owns images i*images ... of it. A list of batches
 * grows at its end and loses those whose items are used.
 *
 * Of the other linear steps, halves are made that need no message: the client's encryptions of zero,
 * to which E(x) is added later, and the server's c1' and b*u. Each takes blocks of the c1 stream of its
 * own. The server tells of each when it is made, in PREPARED frames, and the client waits for them: what
 * it calls prepared is there on both sides, and no party works long without a frame.
 *
 * A server that waits makes such halves without having been asked (precompute_idle), for the blocks
 * that a request would take next. Only a request that takes just these uses them. */
#include <assert.h>
#include <stdlib.h>

#include "plan/plan.h"
#include "steps/steps.h"

struct precomputed {
    enum party party;
    const struct plan_public *pub; /* kept */
    uint64_t plain;
    size_t images, items, total;      /* of an item; items; images * items */
    size_t next;                      /* items before this one are used */
    bool linear;                      /* whole steps where that may be */
    struct precomputed *after;        /* owned: items that are used behind these; or NULL */
    bool has[PLAN_MAX_STEPS];         /* the step is made ahead */
    bool half[PLAN_MAX_STEPS];        /* its halves are */
    uint64_t *halves[PLAN_MAX_STEPS]; /* [item]: zeros, or c1s and then bu, as steps.h states */
    size_t *rho_at, *y_at;            /* [n_steps]: the first value of a step */
    uint64_t *rho, *y;   /* [value][total]; rho is the client's alone; y: either's share */
    struct arena *arena; /* of all three */
    size_t bytes;        /* of the arena */
    bool idle;
    uint64_t from[STEPS_SETS], to[STEPS_SETS]; /* idle: c1 blocks before and behind the halves */
#ifdef MP2ML_TEST_HOOKS
    bool reuse;
#endif
};

/* Which steps are made ahead: linear ones, but neither those that read inputs in the clear alone nor
 * those whose values are opened, at once or behind non-linear steps. The rounding of the request
 * depends on weights and rho, where that of an ordinary step hides behind b*u: nothing of it may
 * reach the client. */
static void mark_ahead(bool ahead[PLAN_MAX_STEPS], const struct plan_public *pub, uint64_t plain,
                       bool linear_too)
{
    bool opened[PLAN_MAX_STEPS] = {false};
    for (unsigned s = pub->n_steps; s-- > 0;) {
        const struct plan_step *step = &pub->steps[s];
        const bool linear = step->kind == STEP_LINEAR;
        opened[s] = opened[s] || step->kind == STEP_OUTPUT;
        ahead[s] = linear_too && linear && !opened[s] && !step_is_plain(pub, step, plain);
        for (unsigned o = 0; o < step->n_operands && opened[s] && !linear; o++)
            opened[step->operands[o]] = true;
    }
}

/* Words of c1' of a step of an item: the server's halves begin with it. */
static size_t c1s_size(const struct plan_step *step, size_t images)
{
    const size_t n = ckks_params(step->set)->n;
    return step->layout == PLAN_IMAGE ? step->packing.out_cts * n * images : step->count * n;
}

/* Words of the halves of step s of an item. Numbers were checked with the plan. */
static size_t half_size(const struct plan_public *pub, unsigned s, enum party party, size_t images)
{
    const struct plan_step *step = &pub->steps[s];
    const struct ckks_params *params = ckks_params(step->set);
    const bool image = step->layout == PLAN_IMAGE;
    if (party == PARTY_CLIENT)
        return (image ? step->packing.in_cts * params->n : plan_step_inputs(pub, step)) *
               params->primes * images;
    return c1s_size(step, images) + step->count * params->primes * images;
}

/* Marks the other linear steps. */
static void mark_halves(bool half[PLAN_MAX_STEPS], const bool ahead[PLAN_MAX_STEPS],
                        const struct plan_public *pub, uint64_t plain)
{
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        half[s] = step->kind == STEP_LINEAR && !ahead[s] && !step_is_plain(pub, step, plain);
    }
}

/* Values per image of all steps made ahead; SIZE_MAX on overflow. */
static size_t count_values(const bool ahead[PLAN_MAX_STEPS], const struct plan_public *pub,
                           bool of_inputs)
{
    size_t n = 0;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        if (ahead[s] && !size_add(&n, n, of_inputs ? plan_step_inputs(pub, step) : step->count))
            return SIZE_MAX;
    }
    return n;
}

static size_t array_need(size_t values, size_t times)
{
    size_t n;
    return values != SIZE_MAX && size_mul(&n, values, times) ? arena_need(n, sizeof(uint64_t))
                                                             : SIZE_MAX;
}

/* *sum += an array; false on overflow. */
static bool add_need(size_t *sum, size_t values, size_t times)
{
    const size_t need = array_need(values, times);
    return need != SIZE_MAX && size_add(sum, *sum, need);
}

size_t precompute_memory(const struct plan_public *pub, enum party party, uint64_t plain,
                         size_t images, size_t items, bool linear)
{
    bool ahead[PLAN_MAX_STEPS], half[PLAN_MAX_STEPS];
    size_t total, sum = 0;
    if (!size_mul(&total, images, items))
        return SIZE_MAX;
    mark_ahead(ahead, pub, plain, linear);
    mark_halves(half, ahead, pub, plain);
    bool fits = add_need(&sum, count_values(ahead, pub, false), total);
    if (party == PARTY_CLIENT)
        fits = fits && add_need(&sum, count_values(ahead, pub, true), total);
    for (unsigned s = 0; s < pub->n_steps && fits; s++)
        if (half[s])
            fits = add_need(&sum, half_size(pub, s, party, images), items);
    return fits ? sum : SIZE_MAX;
}

static void free_batch(struct precomputed *p)
{
    arena_free(p->arena);
    free(p->rho_at);
    free(p->y_at);
    free(p);
}

void precompute_free(struct precomputed *p)
{
    while (p) {
        struct precomputed *after = p->after;
        free_batch(p);
        p = after;
    }
}

void precompute_append(struct precomputed **list, struct precomputed *more)
{
    while (*list)
        list = &(*list)->after;
    *list = more;
}

void precompute_trim(struct precomputed **list)
{
    while (*list && (*list)->next == (*list)->items) {
        struct precomputed *used = *list;
#ifdef MP2ML_TEST_HOOKS
        if (used->reuse)
            return;
#endif
        *list = used->after;
        free_batch(used);
    }
}

size_t precompute_bytes(const struct precomputed *p)
{
    size_t sum = 0; /* of memory that is there: no overflow */
    for (; p; p = p->after)
        sum += p->bytes;
    return sum;
}

bool precompute_linear(const struct precomputed *p)
{
    return p->linear;
}

static mp2ml_status take_half(struct precomputed *p, unsigned s)
{
    const size_t words = half_size(p->pub, s, p->party, p->images);
    p->halves[s] = arena_take(p->arena, words * p->items, sizeof(uint64_t));
    return p->halves[s] ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static mp2ml_status take_arrays(struct precomputed *p, bool linear)
{
    const struct plan_public *pub = p->pub;
    const size_t need = precompute_memory(pub, p->party, p->plain, p->images, p->items, linear);
    size_t rho = 0, y = 0;
    p->rho_at = calloc(pub->n_steps + 1, sizeof(*p->rho_at));
    p->y_at = calloc(pub->n_steps + 1, sizeof(*p->y_at));
    if (!p->rho_at || !p->y_at || need == SIZE_MAX)
        return MP2ML_ERR_MEMORY;
    mark_ahead(p->has, pub, p->plain, linear);
    mark_halves(p->half, p->has, pub, p->plain);
    TRY(arena_new(&p->arena, need));
    p->bytes = need;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        p->rho_at[s] = rho;
        p->y_at[s] = y;
        if (!p->has[s])
            continue;
        rho += plan_step_inputs(pub, &pub->steps[s]);
        y += pub->steps[s].count;
    }
    p->y = arena_take(p->arena, y * p->total, sizeof(*p->y));
    if (p->party == PARTY_CLIENT)
        p->rho = arena_take(p->arena, rho * p->total, sizeof(*p->rho));
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (p->half[s])
            TRY(take_half(p, s));
    return p->y && (p->rho || p->party == PARTY_SERVER) ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* ---- ahead ----------------------------------------------------------------------------------- */

/* Uniform shares of the client, none of the server, in place of the operands. CT: leaks nothing. */
static mp2ml_status draw_operands(struct run *run, const struct plan_step *step)
{
    for (unsigned o = 0; o < step->n_operands; o++) {
        const size_t n = (size_t)run->pub->steps[step->operands[o]].count * run->images;
        uint64_t *x = run->values[step->operands[o]];
        if (run->party == PARTY_SERVER)
            memset(x, 0, n * sizeof(*x));
        else
            TRY(prg_fill(run->prg, x, n * sizeof(*x)));
        for (size_t i = 0; i < n; i++)
            x[i] &= ((uint64_t)1 << step->l) - 1;
    }
    return MP2ML_OK;
}

static mp2ml_status make_step(struct precomputed *p, struct run *run, unsigned s)
{
    const struct plan_step *step = &p->pub->steps[s];
    TRY(draw_operands(run, step));
    if (p->party == PARTY_CLIENT)
        gather_operands(p->rho + p->rho_at[s] * p->total, p->pub, step, run->values, 0,
                        plan_step_inputs(p->pub, step), p->total, step->l);
    TRY(run_step(run, s));
    memcpy(p->y + p->y_at[s] * p->total, run->values[s],
           (size_t)step->count * p->total * sizeof(uint64_t));
    return MP2ML_OK;
}

/* Where the halves of a step of an item begin. */
static uint64_t *half_of(const struct precomputed *p, size_t item, unsigned s)
{
    return p->halves[s] + item * half_size(p->pub, s, p->party, p->images);
}

static mp2ml_status make_half(struct precomputed *p, struct run *run, size_t item, unsigned s)
{
    uint64_t *at = half_of(p, item, s);
    return p->party == PARTY_CLIENT
               ? step_linear_zeros(run, s, at)
               : step_linear_c1_halves(run, s, at, at + c1s_size(&p->pub->steps[s], p->images));
}

/* PREPARED of one half: what both parties know. At once: the client waits for it, and a cancelled
 * channel ends the work here. */
static mp2ml_status tell_half(const struct precomputed *p, struct link *link, size_t item,
                              unsigned s)
{
    uint8_t body[PREPARED_BYTES], got[PREPARED_BYTES];
    precompute_told_write(body, item, p->linear);
    if (p->party == PARTY_SERVER) {
        TRY(frame_send(link, FRAME_PREPARED, (uint16_t)s, body, sizeof(body)));
        return channel_flush(link_channel(link));
    }
    TRY(frame_recv(link, FRAME_PREPARED, (uint16_t)s, got, sizeof(got)));
    return memcmp(body, got, sizeof(got)) == 0 ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

static mp2ml_status make_halves(struct precomputed *p, struct run *run)
{
    run->images = p->images;
    for (size_t i = 0; i < p->items; i++)
        for (unsigned s = 0; s < p->pub->n_steps; s++)
            if (p->half[s]) {
                TRY(make_half(p, run, i, s));
                TRY(tell_half(p, run->link, i, s));
            }
    return MP2ML_OK;
}

void precompute_told_write(uint8_t body[PREPARED_BYTES], size_t items, bool linear)
{
    store_u32(body, (uint32_t)items);
    body[4] = linear;
}

static mp2ml_status make_all(struct precomputed *p, struct run *run)
{
    run->images = p->total;
    for (unsigned s = 0; s < p->pub->n_steps; s++)
        if (p->has[s])
            TRY(make_step(p, run, s));
    return make_halves(p, run);
}

static struct precomputed *new_for(struct run *run, size_t images, size_t items)
{
    struct precomputed *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->party = run->party;
    p->pub = run->pub;
    p->plain = run->plain;
    p->images = images;
    p->items = items;
    p->total = images * items;
    run->trace = link_trace(run->link);
    return p;
}

mp2ml_status precompute_new(struct precomputed **out, struct run *run, size_t images, size_t items,
                            bool linear)
{
    *out = NULL;
    assert(images >= 1 && items >= 1 && !run->ahead);
    assert((linear ? images * items : images) <= run->max_images);
    struct precomputed *p = new_for(run, images, items);
    if (!p)
        return MP2ML_ERR_MEMORY;
    p->linear = linear;
    mp2ml_status status = take_arrays(p, linear);
    if (status == MP2ML_OK)
        status = make_all(p, run);
    run_forget(run);
    if (status != MP2ML_OK) {
        precompute_free(p);
        return status;
    }
    *out = p;
    return MP2ML_OK;
}

/* ---- while a server waits -------------------------------------------------------------------- */

/* Marks the steps from the first on whose halves fit the budget; returns their bytes. */
static size_t mark_idle(struct precomputed *p, size_t budget)
{
    const bool none[PLAN_MAX_STEPS] = {false};
    size_t sum = 0, with = 0;
    bool fits = true;
    mark_halves(p->half, none, p->pub, p->plain);
    for (unsigned s = 0; s < p->pub->n_steps; s++) {
        if (!p->half[s])
            continue;
        fits =
            fits && add_need(&with, half_size(p->pub, s, p->party, p->images), 1) && with <= budget;
        p->half[s] = fits;
        sum = fits ? with : sum;
    }
    return sum;
}

/* In the order in which a request takes blocks of c1; what was not completed is unmarked. Memory is
 * taken step by step: to free it, which must not take long either, wipes what was taken. */
static mp2ml_status make_idle(struct precomputed *p, struct run *run)
{
    mp2ml_status status = MP2ML_OK;
    run->images = p->images;
    for (unsigned s = 0; s < p->pub->n_steps; s++) {
        if (!p->half[s])
            continue;
        if (status == MP2ML_OK && !step_interrupted(run))
            status = take_half(p, s);
        if (status == MP2ML_OK && !run->interrupted)
            status = make_half(p, run, 0, s);
        p->half[s] = status == MP2ML_OK && !run->interrupted;
        if (p->half[s])
            memcpy(p->to, run->keys->c1_counter, sizeof(p->to));
    }
    return status;
}

mp2ml_status precompute_idle(struct precomputed **out, struct run *run, size_t images,
                             size_t budget)
{
    struct run_keys *keys = run->keys, own = *keys; /* the session's counters stay */
    *out = NULL;
    assert(run->party == PARTY_SERVER && images >= 1 && images <= run->max_images && !run->ahead);
    struct precomputed *p = new_for(run, images, 1);
    if (!p)
        return MP2ML_ERR_MEMORY;
    p->idle = true;
    p->bytes = mark_idle(p, budget);
    memcpy(p->from, own.c1_counter, sizeof(p->from));
    memcpy(p->to, own.c1_counter, sizeof(p->to));
    mp2ml_status status = p->bytes > 0 ? arena_new(&p->arena, p->bytes) : MP2ML_OK;
    run->keys = &own;
    run->idle = true;
    run->interrupted = false;
    if (status == MP2ML_OK)
        status = make_idle(p, run);
    run->keys = keys;
    run->idle = run->interrupted = false;
    if (status != MP2ML_OK || memcmp(p->from, p->to, sizeof(p->from)) == 0) {
        precompute_free(p);
        return status;
    }
    *out = p;
    return MP2ML_OK;
}

bool precompute_idle_fits(const struct precomputed *p, const struct run *run)
{
    return memcmp(p->from, run->keys->c1_counter, sizeof(p->from)) == 0;
}

/* ---- use ------------------------------------------------------------------------------------- */

bool precompute_has(const struct precomputed *p, unsigned step)
{
    return p->has[step];
}

size_t precompute_left(const struct precomputed *p)
{
    size_t left = 0;
    for (; p; p = p->after)
        left += p->items - p->next;
    return left;
}

void precompute_use(struct precomputed *p, struct run *run)
{
    while (p->next == p->items)
        p = p->after; /* there is an item: the caller knows that */
    run->ahead = p;
    run->item = p->next++;
    if (p->idle) /* here the request takes their blocks, of its first steps */
        memcpy(run->keys->c1_counter, p->to, sizeof(p->to));
#ifdef MP2ML_TEST_HOOKS
    if (p->reuse)
        run->item = 0;
#endif
}

#ifdef MP2ML_TEST_HOOKS
void precompute_reuse(struct precomputed *p)
{
    p->reuse = true;
    p->next = 0;
}
#endif

/* ---- in the request ---------------------------------------------------------------------------- */

/* The item's images of value v; the same places for all values that follow, total apart. */
static uint64_t *item_of(const struct run *run, uint64_t *array, size_t v)
{
    return array + v * run->ahead->total + run->item * run->ahead->images;
}

/* Every word serves once. */
static void forget(const struct run *run, uint64_t *words)
{
#ifdef MP2ML_TEST_HOOKS
    if (run->ahead->reuse)
        return;
#endif
    secret_wipe(words, run->images * sizeof(*words));
}

uint64_t *precompute_zeros(const struct run *run, unsigned s)
{
    return run->ahead && run->ahead->half[s] ? half_of(run->ahead, run->item, s) : NULL;
}

bool precompute_c1(const struct run *run, unsigned s, uint64_t **c1s, uint64_t **bu)
{
    uint64_t *at = precompute_zeros(run, s); /* the same place at the server */
    if (!at)
        return false;
    *c1s = at;
    *bu = at + c1s_size(&run->pub->steps[s], run->images);
    return true;
}

/* Values of a frame: those of CT_IN, but never more than there are. */
static size_t masked_per_frame(size_t inputs, size_t images)
{
    const size_t n = PLAN_FRAME_VALUES / images;
    return n == 0 ? 1 : n < inputs ? n : inputs;
}

/* x -= rho mod 2^bits for `count` values from `first` on. CT: leaks nothing. */
static void mask_values(struct run *run, uint64_t *x, unsigned s, size_t first, size_t count,
                        unsigned bits)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (size_t v = 0; v < count; v++) {
        uint64_t *rho = item_of(run, run->ahead->rho, run->ahead->rho_at[s] + first + v);
        for (size_t b = 0; b < run->images; b++)
            x[v * run->images + b] = (x[v * run->images + b] - rho[b]) & mask;
        forget(run, rho);
    }
}

mp2ml_status step_masked_client(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    const size_t images = run->images, inputs = plan_step_inputs(run->pub, step);
    const size_t per = masked_per_frame(inputs, images);
    uint64_t *x = arena_take(run->arena, per * images, sizeof(*x));
    uint8_t *body = arena_take(run->arena, bits_size(per * images, step->l), 1);
    if (!x || !body)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < inputs; first += per) {
        const size_t count = inputs - first < per ? inputs - first : per;
        size_t at = 0;
        gather_operands(x, run->pub, step, run->values, first, count, images, step->l);
        mask_values(run, x, s, first, count, step->l);
        bits_pack(body, &at, x, count * images, step->l);
        TRY(frame_send(run->link, FRAME_MASKED, (uint16_t)s, body, (at + 7) / 8));
    }
    for (size_t v = 0; v < step->count; v++) {
        uint64_t *y = item_of(run, run->ahead->y, run->ahead->y_at[s] + v);
        memcpy(run->values[s] + v * images, y, images * sizeof(*y));
        forget(run, y);
    }
    return MP2ML_OK;
}

/* x0 + x1 - rho of all inputs. */
static mp2ml_status recv_masked(struct run *run, unsigned s, uint64_t *d)
{
    const struct plan_step *step = &run->pub->steps[s];
    const uint64_t mask = ((uint64_t)1 << step->l) - 1;
    const size_t images = run->images, inputs = plan_step_inputs(run->pub, step);
    const size_t per = masked_per_frame(inputs, images);
    uint64_t *own = arena_take(run->arena, per * images, sizeof(*own));
    uint8_t *body = arena_take(run->arena, bits_size(per * images, step->l), 1);
    if (!own || !body)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < inputs; first += per, d += per * images) {
        const size_t count = inputs - first < per ? inputs - first : per, n = count * images;
        size_t at = 0;
        TRY(frame_recv(run->link, FRAME_MASKED, (uint16_t)s, body, bits_size(n, step->l)));
        bits_unpack(d, body, &at, n, step->l);
        if (!bits_padding_is_zero(body, at))
            return MP2ML_ERR_PROTOCOL;
        gather_operands(own, run->pub, step, run->values, first, count, images, step->l);
        for (size_t i = 0; i < n; i++)
            d[i] = (d[i] + own[i]) & mask;
    }
    return MP2ML_OK;
}

mp2ml_status step_masked_server(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    const uint64_t mask = ((uint64_t)1 << step->k) - 1;
    const size_t images = run->images;
    uint64_t *out = run->values[s];
    uint64_t *d = arena_take(run->arena, plan_step_inputs(run->pub, step) * images, sizeof(*d));
    if (!d)
        return MP2ML_ERR_MEMORY;
    TRY(recv_masked(run, s, d));
    TRACE(run->trace, PRODUCT, step->count);
    step_linear_multiply(out, &run->linear[s], step, d, images, false);
    for (size_t v = 0; v < step->count; v++) {
        uint64_t *share = item_of(run, run->ahead->y, run->ahead->y_at[s] + v);
        for (size_t b = 0; b < images; b++)
            out[v * images + b] = (out[v * images + b] + share[b]) & mask;
        forget(run, share);
    }
    return MP2ML_OK;
}

size_t step_masked_scratch(const struct plan_public *pub, const struct plan_step *step,
                           size_t images)
{
    const size_t inputs = plan_step_inputs(pub, step);
    const size_t chunk = masked_per_frame(inputs, images) * images, word = sizeof(uint64_t);
    return arena_need(inputs * images, word) + arena_need(chunk, word) +
           arena_need(bits_size(chunk, step->l), 1);
}
