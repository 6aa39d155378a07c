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
 * Many requests are made ready as one batch: item i owns images i*images ... of it.
 *
 * Of the other linear steps in the batch layout, halves are made that need no message: the client's
 * encryptions of zero, to which E(x) is added later, and the server's c1' and b*u. Each takes blocks
 * of the c1 stream of its own. */
#include <assert.h>
#include <stdlib.h>

#include "plan/plan.h"
#include "steps/steps.h"

struct precomputed {
    enum party party;
    const struct plan_public *pub; /* kept */
    uint64_t plain;
    size_t images, items, total;                /* of an item; items; images * items */
    size_t next;                                /* items before this one are used */
    bool has[PLAN_MAX_STEPS];                   /* the step is made ahead */
    bool half[PLAN_MAX_STEPS];                  /* its halves are */
    size_t half_at[PLAN_MAX_STEPS], half_words; /* of an item: where a step's begin; all */
    uint64_t *halves;      /* [item]: zeros [input][primes][images], or c1s [output][N] and
                                    bu [output][primes][images], step after step */
    size_t *rho_at, *y_at; /* [n_steps]: the first value of a step */
    uint64_t *rho, *y;     /* [value][total]; rho is the client's alone; y: either's share */
    struct arena *arena;   /* of both */
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

/* Words of the halves of step s of an item. Numbers were checked with the plan. */
static size_t half_size(const struct plan_public *pub, unsigned s, enum party party, size_t images)
{
    const struct plan_step *step = &pub->steps[s];
    const struct ckks_params *params = ckks_params(step->set);
    return party == PARTY_CLIENT ? plan_step_inputs(pub, step) * params->primes * images
                                 : step->count * (params->n + params->primes * images);
}

/* Marks the other linear steps and places their halves; returns the words of an item. */
static size_t mark_halves(bool half[PLAN_MAX_STEPS], size_t at[PLAN_MAX_STEPS],
                          const bool ahead[PLAN_MAX_STEPS], const struct plan_public *pub,
                          enum party party, uint64_t plain, size_t images)
{
    size_t words = 0;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        half[s] = step->kind == STEP_LINEAR && step->layout == PLAN_BATCH && !ahead[s] &&
                  !step_is_plain(pub, step, plain);
        at[s] = words;
        if (half[s] && !size_add(&words, words, half_size(pub, s, party, images)))
            return SIZE_MAX;
    }
    return words;
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

size_t precompute_memory(const struct plan_public *pub, enum party party, uint64_t plain,
                         size_t images, size_t items, bool linear)
{
    bool ahead[PLAN_MAX_STEPS], half[PLAN_MAX_STEPS];
    size_t at[PLAN_MAX_STEPS], total, need[3] = {0, 0, 0}, sum = 0;
    if (!size_mul(&total, images, items))
        return SIZE_MAX;
    mark_ahead(ahead, pub, plain, linear);
    need[0] = array_need(count_values(ahead, pub, false), total);
    if (party == PARTY_CLIENT)
        need[1] = array_need(count_values(ahead, pub, true), total);
    need[2] = array_need(mark_halves(half, at, ahead, pub, party, plain, images), items);
    for (unsigned i = 0; i < 3; i++)
        if (need[i] == SIZE_MAX || !size_add(&sum, sum, need[i]))
            return SIZE_MAX;
    return sum;
}

void precompute_free(struct precomputed *p)
{
    if (!p)
        return;
    arena_free(p->arena);
    free(p->rho_at);
    free(p->y_at);
    free(p);
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
    p->half_words = mark_halves(p->half, p->half_at, p->has, pub, p->party, p->plain, p->images);
    TRY(arena_new(&p->arena, need));
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
    p->halves = arena_take(p->arena, p->half_words * p->items, sizeof(*p->halves));
    bool all = p->y && p->halves && (p->rho || p->party == PARTY_SERVER);
    return all ? MP2ML_OK : MP2ML_ERR_MEMORY;
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
    return p->halves + item * p->half_words + p->half_at[s];
}

static mp2ml_status make_halves(struct precomputed *p, struct run *run)
{
    run->images = p->images;
    for (size_t i = 0; i < p->items; i++)
        for (unsigned s = 0; s < p->pub->n_steps; s++) {
            if (!p->half[s])
                continue;
            uint64_t *at = half_of(p, i, s);
            const size_t n = ckks_params(p->pub->steps[s].set)->n;
            TRY(p->party == PARTY_CLIENT
                    ? step_linear_zeros(run, s, at)
                    : step_linear_c1_halves(run, s, at, at + p->pub->steps[s].count * n));
        }
    return MP2ML_OK;
}

static mp2ml_status make_all(struct precomputed *p, struct run *run)
{
    run->images = p->total;
    for (unsigned s = 0; s < p->pub->n_steps; s++)
        if (p->has[s])
            TRY(make_step(p, run, s));
    return make_halves(p, run);
}

mp2ml_status precompute_new(struct precomputed **out, struct run *run, size_t images, size_t items,
                            bool linear)
{
    *out = NULL;
    assert(images >= 1 && items >= 1 && !run->ahead);
    assert((linear ? images * items : images) <= run->max_images);
    struct precomputed *p = calloc(1, sizeof(*p));
    if (!p)
        return MP2ML_ERR_MEMORY;
    p->party = run->party;
    p->pub = run->pub;
    p->plain = run->plain;
    p->images = images;
    p->items = items;
    p->total = images * items;
    run->trace = link_trace(run->link);
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

bool precompute_has(const struct precomputed *p, unsigned step)
{
    return p->has[step];
}

size_t precompute_left(const struct precomputed *p)
{
    return p ? p->items - p->next : 0;
}

size_t precompute_next(const struct precomputed *p)
{
    return p->next;
}

void precompute_use(struct precomputed *p, struct run *run)
{
    assert(p->next < p->items);
    run->ahead = p;
    run->item = p->next++;
#ifdef MP2ML_TEST_HOOKS
    if (p->reuse)
        run->item = 0;
#endif
}

#ifdef MP2ML_TEST_HOOKS
void precompute_reuse(struct precomputed *p)
{
    p->reuse = true;
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
    *bu = at + run->pub->steps[s].count * ckks_params(run->pub->steps[s].set)->n;
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
