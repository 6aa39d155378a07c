/* SPDX-License-Identifier: Apache-2.0
 *
 * One linear step in the layout image (docs/protocol.md, "One linear step, image layout"): all values
 * of an image in the coefficients of few ciphertexts, at the places of step->packing. Images go in
 * groups of plan_image_group; the ciphertexts of a group are numbered image*cts + ciphertext. Frames
 * of each group:
 *
 *   C->S  CT_IN  ...   c0 of every input ciphertext, all N residues, plan_ct_in_per_frame to a frame
 *   S->C  CT_OUT ...   c1' of the frame's output ciphertexts, then their results' c0'
 *
 * As in the layout batch the server makes c1' and b*u of a group before it waits for c0; c1 is then
 * no longer needed, and c0 takes its memory. */
#include "steps/steps.h"

#include <stdlib.h>

/* ---- places -------------------------------------------------------------------------------- */

/* Sorts the places of boxes by position; every position occurs once. What is needed meanwhile goes
 * back to the arena. */
static mp2ml_status places_take(struct image_places *out, struct arena *arena,
                                const struct packing_box *boxes, uint32_t n_boxes, uint32_t cts,
                                size_t n)
{
    const size_t places = packing_places(boxes, n_boxes), positions = cts * n;
    out->first = arena_take(arena, (size_t)cts + 1, sizeof(*out->first));
    out->value = arena_take(arena, places, sizeof(*out->value));
    out->coefficient = arena_take(arena, places, sizeof(*out->coefficient));
    const size_t mark = arena_mark(arena);
    uint32_t *value = arena_take(arena, places, sizeof(*value));
    uint32_t *position = arena_take(arena, places, sizeof(*position));
    uint32_t *at = arena_take(arena, positions, sizeof(*at)); /* place + 1, or 0 */
    if (!out->first || !out->value || !out->coefficient || !value || !position || !at)
        return MP2ML_ERR_MEMORY;
    memset(at, 0, positions * sizeof(*at));
    packing_expand(value, position, boxes, n_boxes);
    for (size_t i = 0; i < places; i++)
        at[position[i]] = (uint32_t)i + 1;
    uint32_t filled = 0;
    for (uint32_t ct = 0; ct < cts; ct++) {
        const uint32_t *here = at + ct * n;
        out->first[ct] = filled;
        for (size_t c = 0; c < n; c++)
            if (here[c] != 0) {
                out->value[filled] = value[here[c] - 1];
                out->coefficient[filled++] = (uint16_t)c;
            }
    }
    out->first[cts] = filled;
    arena_rewind(arena, mark);
    return MP2ML_OK;
}

/* What places_take gives back. */
static size_t places_scratch(const struct packing_box *boxes, uint32_t n_boxes, uint32_t cts,
                             size_t n)
{
    return 2 * arena_need(packing_places(boxes, n_boxes), sizeof(uint32_t)) +
           arena_need(cts * n, sizeof(uint32_t));
}

size_t step_image_map_scratch(const struct plan_step *step)
{
    const struct packing *p = &step->packing;
    const size_t n = ckks_params(step->set)->n;
    const size_t in = places_scratch(p->in, p->n_in, p->in_cts, n);
    const size_t out = places_scratch(p->out, p->n_out, p->out_cts, n);
    return in > out ? in : out;
}

static size_t places_need(const struct packing_box *boxes, uint32_t n_boxes, uint32_t cts)
{
    const size_t places = packing_places(boxes, n_boxes);
    return arena_need((size_t)cts + 1, sizeof(uint32_t)) + arena_need(places, sizeof(uint32_t)) +
           arena_need(places, sizeof(uint16_t));
}

size_t step_image_map_need(const struct plan_step *step, enum party party)
{
    const struct packing *p = &step->packing;
    return places_need(p->in, p->n_in, p->in_cts) + places_need(p->out, p->n_out, p->out_cts) +
           (party == PARTY_SERVER ? arena_need(step->count, sizeof(uint64_t)) : 0);
}

mp2ml_status step_image_map_take(struct image_map *map, struct arena *arena,
                                 const struct plan_step *step, const struct linear *lin)
{
    const struct packing *p = &step->packing;
    const size_t n = ckks_params(step->set)->n;
    TRY(places_take(&map->in, arena, p->in, p->n_in, p->in_cts, n));
    TRY(places_take(&map->out, arena, p->out, p->n_out, p->out_cts, n));
    if (!lin)
        return MP2ML_OK;
    map->bias = arena_take(arena, step->count, sizeof(*map->bias));
    uint64_t *bi = calloc((size_t)step->count + 1, sizeof(*bi)); /* by output */
    if (map->bias && bi) {
        for (size_t g = 0; g < lin->n_groups; g++)
            for (size_t r = 0; r < lin->groups[g].rows; r++)
                bi[linear_out(lin, &lin->groups[g], r)] = lin->bi[lin->groups[g].rows_at + r];
        for (size_t i = 0; i < step->count; i++)
            map->bias[i] = bi[map->out.value[i]];
    }
    free(bi);
    return map->bias && bi ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static struct ckks_places results_of(const struct run *run, unsigned s)
{
    const struct image_places *out = &run->maps[s].out;
    return (struct ckks_places){run->pub->steps[s].packing.out_cts, out->first, out->coefficient};
}

/* ---- what both halves do ------------------------------------------------------------------- */

struct image_step {
    struct run *run;
    unsigned s;
    const struct plan_step *step;
    const struct ckks *ck;
    const struct ckks_params *params;
    struct ckks_places places;
    size_t per;          /* ciphertexts of a frame */
    size_t first, group; /* images of the group at hand */
    uint64_t *operands;  /* [value][image] of the block, mod 2^l */
    uint64_t *x;         /* [frame.in][N] */
    uint8_t *body;       /* [frame.bytes] */
};

struct frame_size { /* of the largest frames; a rewind wipes all that was taken */
    size_t in, out, results, bytes;
};

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct frame_size frame_size(const struct plan_step *step, size_t images)
{
    const struct ckks_params *p = ckks_params(step->set);
    const size_t per = plan_ct_out_per_frame(step, images), group = plan_image_group(step, images);
    struct frame_size f;
    f.in = at_most(per, group * step->packing.in_cts);
    f.out = at_most(per, group * step->packing.out_cts);
    f.results = at_most(f.out * p->n, group * step->count);
    const size_t in = ckks_ct_in_bytes(p, f.in, p->n);
    const size_t out = ckks_image_out_bytes(p, step->k, f.out, f.results);
    f.bytes = in > out ? in : out;
    return f;
}

static mp2ml_status begin(struct image_step *a, struct run *run, unsigned s,
                          const struct frame_size *frame)
{
    const struct plan_step *step = &run->pub->steps[s];
    const size_t inputs = plan_step_inputs(run->pub, step), images = run->images;
    a->run = run;
    a->s = s;
    a->step = step;
    a->ck = run->keys->ckks[step->set];
    a->params = ckks_params_of(a->ck);
    a->places = results_of(run, s);
    a->per = plan_ct_out_per_frame(step, images);
    a->operands = arena_take(run->arena, inputs * images, sizeof(uint64_t));
    a->x = arena_take(run->arena, frame->in * a->params->n, sizeof(uint64_t));
    a->body = arena_take(run->arena, frame->bytes, 1);
    if (!a->operands || !a->x || !a->body)
        return MP2ML_ERR_MEMORY;
    TRACE(run->trace, GATHER, inputs * images);
    gather_operands(a->operands, run->pub, step, run->values, 0, inputs, images, step->l);
    return MP2ML_OK;
}

/* x[count][N] of the group's input ciphertexts first, first + 1, ... */
static void fill_inputs(const struct image_step *a, size_t first, size_t count)
{
    const struct image_places *in = &a->run->maps[a->s].in;
    const size_t cts = a->step->packing.in_cts, images = a->run->images, n = a->params->n;
    memset(a->x, 0, count * n * sizeof(*a->x));
    for (size_t i = 0; i < count; i++) {
        const size_t ct = (first + i) % cts;
        const uint64_t *from = a->operands + a->first + (first + i) / cts;
        for (uint32_t v = in->first[ct]; v < in->first[ct + 1]; v++)
            a->x[i * n + in->coefficient[v]] = from[in->value[v] * images];
    }
}

/* Where result `i` of the group, in the order of the ciphertexts, lies in the value set. */
static uint64_t *result_at(const struct image_step *a, size_t i)
{
    const size_t count = a->step->count, value = a->run->maps[a->s].out.value[i % count];
    return a->run->values[a->s] + value * a->run->images + a->first + i / count;
}

static size_t frame_of(const struct image_step *a, size_t cts, size_t done)
{
    return at_most(cts - done, a->per);
}

/* ---- client -------------------------------------------------------------------------------- */

/* An encryption of zero made ahead, or NULL; done: ciphertexts of the group before it. */
static uint64_t *zeros_of(const struct image_step *a, size_t done)
{
    uint64_t *zeros = precompute_zeros(a->run, a->s);
    const size_t before = a->first * a->step->packing.in_cts + done;
    return zeros ? zeros + before * a->params->primes * a->params->n : NULL;
}

/* c0[count] of a->x: of encryptions of zero where they were made ahead. */
static mp2ml_status encrypt_inputs(struct image_step *a, uint64_t *c0, size_t done, size_t count)
{
    const unsigned set = a->step->set;
    const size_t n = a->params->n, words = count * a->params->primes * n;
    struct run_keys *keys = a->run->keys;
    uint64_t *zeros = zeros_of(a, done);
    if (zeros) {
        memcpy(c0, zeros, words * sizeof(*c0));
        secret_wipe(zeros, words * sizeof(*c0));
        ckks_add_plain(a->ck, c0, a->x, a->step->l, count, n);
        return MP2ML_OK;
    }
    TRY(ckks_encrypt(a->ck, keys->secret[set], keys->c1_stream[set], keys->c1_counter[set],
                     a->run->prg, a->run->arena, c0, a->x, a->step->l, count, n));
    keys->c1_counter[set] += count;
    return MP2ML_OK;
}

static mp2ml_status send_group(struct image_step *a, uint64_t *c0)
{
    struct run *run = a->run;
    const size_t n = a->params->n, cts = a->group * a->step->packing.in_cts;
    for (size_t done = 0, count; done < cts; done += count) {
        count = frame_of(a, cts, done);
        TRACE(run->trace, GATHER, count * n);
        fill_inputs(a, done, count);
        TRACE_NEXT(ENCRYPT, count);
        TRY(encrypt_inputs(a, c0, done, count));
        const size_t bytes = ckks_ct_in_bytes(a->params, count, n);
        TRACE_NEXT(PACK, bytes);
        ckks_ct_in_write(a->params, a->body, c0, count, n);
        TRACE_PAUSE();
        TRY(frame_send(run->link, FRAME_CT_IN, (uint16_t)a->s, a->body, bytes));
    }
    return MP2ML_OK;
}

mp2ml_status step_image_zeros(struct run *run, unsigned s, uint64_t *zeros)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct frame_size f = frame_size(step, run->images);
    struct run_keys *keys = run->keys;
    const struct ckks *ck = keys->ckks[step->set];
    const struct ckks_params *params = ckks_params_of(ck);
    const size_t cts = run->images * step->packing.in_cts, mark = arena_mark(run->arena);
    uint64_t *x = arena_take(run->arena, f.in * params->n, sizeof(*x)); /* zero */
    mp2ml_status status = x ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t done = 0, count; done < cts && status == MP2ML_OK; done += count) {
        count = at_most(cts - done, f.in);
        TRACE(run->trace, ENCRYPT, count);
        status =
            ckks_encrypt(ck, keys->secret[step->set], keys->c1_stream[step->set],
                         keys->c1_counter[step->set], run->prg, run->arena,
                         zeros + done * params->primes * params->n, x, step->l, count, params->n);
        keys->c1_counter[step->set] += count;
    }
    arena_rewind(run->arena, mark);
    return status;
}

/* c1s and c0s are those of one frame. */
static mp2ml_status recv_group(struct image_step *a, uint64_t *c1s, uint64_t *c0s)
{
    struct run *run = a->run;
    const size_t cts = a->group * a->places.cts;
    for (size_t done = 0, rows; done < cts; done += rows) {
        rows = frame_of(a, cts, done);
        const size_t before = ckks_places_before(&a->places, done);
        const size_t used = ckks_places_before(&a->places, done + rows) - before;
        const size_t bytes = ckks_image_out_bytes(a->params, a->step->k, rows, used);
        TRY(frame_recv(run->link, FRAME_CT_OUT, (uint16_t)a->s, a->body, bytes));
        TRACE(run->trace, UNPACK, bytes);
        TRY(ckks_image_out_read(a->params, c1s, c0s, a->body, a->step->k, rows, used));
        TRACE_NEXT(DECODE, rows);
        TRY(ckks_image_decode(a->ck, run->keys->secret[a->step->set], run->arena, &a->places, c0s,
                              c1s, c0s, a->step->k, done, rows));
        for (size_t i = 0; i < used; i++)
            *result_at(a, before + i) = c0s[i];
    }
    return MP2ML_OK;
}

mp2ml_status step_image_client(struct run *run, unsigned s)
{
    struct image_step a = {0};
    const struct frame_size f = frame_size(&run->pub->steps[s], run->images);
    TRY(begin(&a, run, s, &f));
    const size_t n = a.params->n, most = plan_image_group(a.step, run->images);
    uint64_t *c0 = arena_take(run->arena, f.in * n, a.params->primes * sizeof(uint64_t));
    uint64_t *c1s = arena_take(run->arena, f.out * n, sizeof(uint64_t));
    uint64_t *c0s = arena_take(run->arena, f.results, sizeof(uint64_t));
    if (!c0 || !c1s || !c0s)
        return MP2ML_ERR_MEMORY;
    for (; a.first < run->images; a.first += a.group) {
        a.group = at_most(run->images - a.first, most);
        TRY(send_group(&a, c0));
        TRY(recv_group(&a, c1s, c0s));
        step_report(run, s, (double)(a.first + a.group) / (double)run->images);
    }
    return MP2ML_OK;
}

/* ---- server -------------------------------------------------------------------------------- */

struct image_answers {
    uint64_t *in;       /* [group*in_cts][primes][N], NTT domain: c1, then c0 */
    uint64_t *c1s, *bu; /* [group*out_cts][N], [group*out_cts][primes][N] */
    uint64_t *picked;   /* made ahead, in place of bu; else NULL. c1s is not the arena's then */
    uint64_t *c0s, *r, *share; /* [frame.results] */
};

static mp2ml_status answers_take(struct image_answers *w, const struct image_step *a,
                                 const struct frame_size *frame)
{
    const struct packing *p = &a->step->packing;
    const size_t n = a->params->n, words = n * a->params->primes, word = sizeof(uint64_t);
    const size_t group = plan_image_group(a->step, a->run->images);
    struct arena *arena = a->run->arena;
    w->picked = NULL;
    w->in = arena_take(arena, group * p->in_cts, words * word);
    w->c1s = arena_take(arena, group * p->out_cts, n * word);
    w->bu = arena_take(arena, group * p->out_cts, words * word);
    w->c0s = arena_take(arena, frame->results, word);
    w->r = arena_take(arena, frame->results, word);
    w->share = arena_take(arena, frame->results, word);
    bool all = w->in && w->c1s && w->bu && w->c0s && w->r && w->share;
    return all ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* c1' and b*u of the whole group. */
static mp2ml_status answer_c1(const struct image_step *a, struct image_answers *w)
{
    struct run *run = a->run;
    const unsigned set = a->step->set;
    const size_t in = a->group * a->step->packing.in_cts, out = a->group * a->places.cts;
    if (precompute_c1(run, a->s, &w->c1s, &w->picked)) {
        w->c1s += a->first * a->places.cts * a->params->n;
        w->picked += a->first * a->step->count * a->params->primes;
        return MP2ML_OK;
    }
    TRY(step_expand_c1(run, set, w->in, in));
    TRACE(run->trace, SWITCH, out);
    return ckks_image_answer_c1(a->ck, run->keys->pk[set], run->prg, run->arena, run->polys[a->s],
                                w->c1s, w->bu, w->in, a->step->k, 0, out);
}

/* The same for a group of images of run->images, to be kept. in and bu are scratch: bu of a piece. */
static mp2ml_status group_halves(struct run *run, unsigned s, const struct ckks_places *places,
                                 uint64_t *c1s, uint64_t *picked, uint64_t *in, uint64_t *bu,
                                 size_t images)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct ckks *ck = run->keys->ckks[step->set];
    const struct ckks_params *params = ckks_params_of(ck);
    const size_t cts = images * places->cts;
    TRY(step_expand_c1(run, step->set, in, images * step->packing.in_cts));
    for (size_t done = 0, rows; done < cts && !step_interrupted(run); done += rows) {
        rows = step_piece(run, cts - done);
        TRACE(run->trace, SWITCH, rows);
        TRY(ckks_image_answer_c1(ck, run->keys->pk[step->set], run->prg, run->arena, run->polys[s],
                                 c1s + done * params->n, bu, in, step->k, done, rows));
        ckks_image_pick(ck, places, picked + ckks_places_before(places, done) * params->primes, bu,
                        done, rows);
    }
    return MP2ML_OK;
}

mp2ml_status step_image_c1_halves(struct run *run, unsigned s, uint64_t *c1s, uint64_t *picked)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct ckks_params *params = ckks_params(step->set);
    const struct ckks_places places = results_of(run, s);
    const size_t most = plan_image_group(step, run->images), mark = arena_mark(run->arena);
    const size_t words = params->n * params->primes * sizeof(uint64_t);
    uint64_t *in = arena_take(run->arena, most * step->packing.in_cts, words);
    uint64_t *bu = arena_take(run->arena, most * places.cts, words);
    mp2ml_status status = in && bu ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t first = 0, group; first < run->images && status == MP2ML_OK; first += group) {
        group = at_most(run->images - first, most);
        status = group_halves(run, s, &places, c1s + first * places.cts * params->n,
                              picked + first * step->count * params->primes, in, bu, group);
    }
    arena_rewind(run->arena, mark);
    return status;
}

/* c0 of the group, plus E(this party's share), in the NTT domain. */
static mp2ml_status recv_inputs(struct image_step *a, const struct image_answers *w)
{
    struct run *run = a->run;
    const size_t n = a->params->n, cts = a->group * a->step->packing.in_cts;
    for (size_t done = 0, count; done < cts; done += count) {
        count = frame_of(a, cts, done);
        uint64_t *c0 = w->in + done * a->params->primes * n;
        const size_t bytes = ckks_ct_in_bytes(a->params, count, n);
        TRY(frame_recv(run->link, FRAME_CT_IN, (uint16_t)a->s, a->body, bytes));
        TRACE(run->trace, UNPACK, bytes);
        TRY(ckks_ct_in_read(a->params, c0, a->body, count, n));
        TRACE_NEXT(GATHER, count * n);
        fill_inputs(a, done, count);
        ckks_add_plain(a->ck, c0, a->x, a->step->l, count, n);
        TRACE_NEXT(PRODUCT, count);
        ckks_image_ntt(a->ck, c0, count);
    }
    return MP2ML_OK;
}

/* Masks and this party's shares, in the order of the results. */
static mp2ml_status draw_frame(struct image_step *a, const struct image_answers *w, size_t before,
                               size_t used)
{
    TRY(step_draw_masks(a->run, w->r, w->share, used, a->step->k));
    for (size_t i = 0; i < used; i++)
        *result_at(a, before + i) = w->share[i];
    return MP2ML_OK;
}

static mp2ml_status answer_c0(const struct image_step *a, const struct image_answers *w,
                              size_t before, size_t done, size_t rows)
{
    const struct ckks_params *p = a->params;
    const uint64_t *bias = a->run->maps[a->s].bias;
    struct arena *arena = a->run->arena;
    if (w->picked)
        return ckks_image_answer_picked(a->ck, arena, a->run->polys[a->s], &a->places, w->c0s,
                                        w->in, w->picked + before * p->primes, bias, w->r,
                                        a->step->l, a->step->k, done, rows);
    return ckks_image_answer_c0(a->ck, arena, a->run->polys[a->s], &a->places, w->c0s, w->in,
                                w->bu + done * p->primes * p->n, bias, w->r, a->step->l, a->step->k,
                                done, rows);
}

/* What was made ahead serves once. */
static void wipe_halves(const struct image_step *a, const struct image_answers *w)
{
    if (!w->picked)
        return;
    secret_wipe(w->c1s, a->group * a->places.cts * a->params->n * sizeof(*w->c1s));
    secret_wipe(w->picked, a->group * a->step->count * a->params->primes * sizeof(*w->picked));
}

static mp2ml_status send_outputs(struct image_step *a, const struct image_answers *w)
{
    struct run *run = a->run;
    const size_t n = a->params->n, cts = a->group * a->places.cts;
    for (size_t done = 0, rows; done < cts; done += rows) {
        rows = frame_of(a, cts, done);
        const size_t before = ckks_places_before(&a->places, done);
        const size_t used = ckks_places_before(&a->places, done + rows) - before;
        const size_t bytes = ckks_image_out_bytes(a->params, a->step->k, rows, used);
        TRACE(run->trace, PRODUCT, rows);
        TRY(draw_frame(a, w, before, used));
        TRY(answer_c0(a, w, before, done, rows));
        TRACE_NEXT(PACK, bytes);
        ckks_image_out_write(a->params, a->body, w->c1s + done * n, w->c0s, a->step->k, rows, used);
        TRACE_PAUSE();
        TRY(frame_send(run->link, FRAME_CT_OUT, (uint16_t)a->s, a->body, bytes));
    }
    return MP2ML_OK;
}

mp2ml_status step_image_server(struct run *run, unsigned s)
{
    struct image_step a = {0};
    struct image_answers w;
    const struct frame_size f = frame_size(&run->pub->steps[s], run->images);
    TRY(begin(&a, run, s, &f));
    TRY(answers_take(&w, &a, &f));
    const size_t most = plan_image_group(a.step, run->images);
    for (; a.first < run->images; a.first += a.group) {
        a.group = at_most(run->images - a.first, most);
        TRY(answer_c1(&a, &w));
        TRY(recv_inputs(&a, &w));
        TRY(send_outputs(&a, &w));
        wipe_halves(&a, &w);
        step_report(run, s, (double)(a.first + a.group) / (double)run->images);
    }
    return MP2ML_OK;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Sums in size_t are safe: counts, images and packing were checked. */
size_t step_image_scratch(const struct plan_public *pub, const struct plan_step *step,
                          enum party party, size_t images)
{
    const struct ckks_params *p = ckks_params(step->set);
    const size_t word = sizeof(uint64_t), words = p->n * p->primes;
    const size_t group = plan_image_group(step, images);
    const size_t in = group * step->packing.in_cts, out = group * step->packing.out_cts;
    const struct frame_size f = frame_size(step, images);
    const size_t both = arena_need(plan_step_inputs(pub, step) * images, word) +
                        arena_need(f.in * p->n, word) + arena_need(f.bytes, 1) +
                        ckks_scratch_for(p, in > out ? in : out);
    if (party == PARTY_CLIENT)
        return both + arena_need(f.in, words * word) + arena_need(f.out * p->n, word) +
               arena_need(f.results, word);
    return both + arena_need(in, words * word) + arena_need(out, p->n * word) +
           arena_need(out, words * word) + 3 * arena_need(f.results, word);
}
