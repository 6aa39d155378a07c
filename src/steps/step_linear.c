/* SPDX-License-Identifier: Apache-2.0
 *
 * One linear step in the batch layout (docs/protocol.md, "One linear step"): a ciphertext per
 * value, coefficient b = image b. Frames on the wire:
 *
 *   C->S  CT_IN  ...   c0 of every input, plan_ct_in_per_frame to a frame
 *   S->C  CT_OUT ...   c1', c0' of every output, plan_ct_out_per_frame to a frame
 *
 * The layout image is in step_linear_image.c. c1 never travels: both parties take it from the
 * session's stream, and the server begins with it before anything has arrived. Where all operands are
 * inputs in the clear nothing is encrypted: the server computes, shares (x', 0). */
#include "steps/steps.h"

#include <stdlib.h>

/* ---- client -------------------------------------------------------------------------------- */

/* c0[count] of x from input `first` on: of encryptions of zero where they were made ahead. */
static mp2ml_status encrypt_inputs(struct run *run, unsigned s, const struct ckks *ck, uint64_t *c0,
                                   const uint64_t *x, size_t first, size_t count)
{
    const struct plan_step *step = &run->pub->steps[s];
    const size_t images = run->images, words = ckks_params_of(ck)->primes * images;
    struct run_keys *keys = run->keys;
    uint64_t *zeros = precompute_zeros(run, s);
    if (zeros) {
        memcpy(c0, zeros + first * words, count * words * sizeof(*c0));
        secret_wipe(zeros + first * words, count * words * sizeof(*c0));
        ckks_add_plain(ck, c0, x, step->l, count, images);
        return MP2ML_OK;
    }
    TRY(ckks_encrypt(ck, keys->secret[step->set], keys->c1_stream[step->set],
                     keys->c1_counter[step->set], run->prg, run->arena, c0, x, step->l, count,
                     images));
    keys->c1_counter[step->set] += count;
    return MP2ML_OK;
}

mp2ml_status step_linear_zeros(struct run *run, unsigned s, uint64_t *zeros)
{
    const struct plan_step *step = &run->pub->steps[s];
    if (step->layout == PLAN_IMAGE)
        return step_image_zeros(run, s, zeros);
    const struct ckks *ck = run->keys->ckks[step->set];
    const size_t inputs = plan_step_inputs(run->pub, step), mark = arena_mark(run->arena);
    const size_t per = plan_ct_in_per_frame(step, run->images);
    uint64_t *x = arena_take(run->arena, per * run->images, sizeof(*x)); /* zero */
    mp2ml_status status = x ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < inputs && status == MP2ML_OK; first += per)
        status =
            encrypt_inputs(run, s, ck, zeros + first * ckks_params_of(ck)->primes * run->images, x,
                           first, inputs - first < per ? inputs - first : per);
    arena_rewind(run->arena, mark);
    return status;
}

static mp2ml_status send_inputs(struct run *run, unsigned s, const struct ckks *ck)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct ckks_params *params = ckks_params_of(ck);
    const size_t images = run->images, inputs = plan_step_inputs(run->pub, step);
    const size_t per = plan_ct_in_per_frame(step, images);
    const size_t mark = arena_mark(run->arena);
    uint64_t *x = arena_take(run->arena, per * images, sizeof(*x));
    uint64_t *c0 = arena_take(run->arena, per * images, params->primes * sizeof(*c0));
    uint8_t *body = arena_take(run->arena, ckks_ct_in_bytes(params, per, images), 1);
    if (!x || !c0 || !body)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < inputs; first += per) {
        size_t count = inputs - first < per ? inputs - first : per;
        TRACE(run->trace, GATHER, count * images);
        gather_operands(x, run->pub, step, run->values, first, count, images, step->l);
        TRACE_NEXT(ENCRYPT, count);
        TRY(encrypt_inputs(run, s, ck, c0, x, first, count));
        TRACE_NEXT(PACK, ckks_ct_in_bytes(params, count, images));
        ckks_ct_in_write(params, body, c0, count, images);
        TRACE_PAUSE();
        TRY(frame_send(run->link, FRAME_CT_IN, (uint16_t)s, body,
                       ckks_ct_in_bytes(params, count, images)));
        step_report(run, s, 0.5 * (double)(first + count) / (double)inputs);
    }
    arena_rewind(run->arena, mark);
    return MP2ML_OK;
}

static mp2ml_status recv_outputs(struct run *run, unsigned s, const struct ckks *ck)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct ckks_params *params = ckks_params_of(ck);
    const size_t images = run->images, outputs = step->count;
    const size_t per = plan_ct_out_per_frame(step, images);
    uint64_t *c1s = arena_take(run->arena, per * params->n, sizeof(*c1s));
    uint8_t *body = arena_take(run->arena, ckks_ct_out_bytes(params, step->k, per, images), 1);
    if (!c1s || !body)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < outputs; first += per) {
        size_t count = outputs - first < per ? outputs - first : per;
        uint64_t *y = run->values[s] + first * images;
        TRY(frame_recv(run->link, FRAME_CT_OUT, (uint16_t)s, body,
                       ckks_ct_out_bytes(params, step->k, count, images)));
        TRACE(run->trace, UNPACK, ckks_ct_out_bytes(params, step->k, count, images));
        TRY(ckks_ct_out_read(params, c1s, y, body, step->k, count, images));
        TRACE_NEXT(DECODE, count);
        TRY(ckks_decode(ck, run->keys->secret[step->set], run->arena, y, c1s, y, step->k, count,
                        images));
        step_report(run, s, 0.5 + 0.5 * (double)(first + count) / (double)outputs);
    }
    return MP2ML_OK;
}

mp2ml_status step_linear_client(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    if (step_is_plain(run->pub, step, run->plain)) {
        memset(run->values[s], 0, (size_t)step->count * run->images * sizeof(uint64_t));
        return MP2ML_OK;
    }
    if (step->layout == PLAN_IMAGE)
        return step_image_client(run, s);
    const struct ckks *ck = run->keys->ckks[step->set];
    TRY(send_inputs(run, s, ck));
    return recv_outputs(run, s, ck);
}

/* ---- server -------------------------------------------------------------------------------- */

mp2ml_status row_map_new(struct row_map *map, const struct linear *lin)
{
    map->group = calloc(lin->n_out + 1, sizeof(*map->group));
    map->row = calloc(lin->n_out + 1, sizeof(*map->row));
    size_t cols = 0; /* most of a group that has not all of its block's */
    for (size_t g = 0; g < lin->n_groups; g++)
        if (lin->groups[g].cols < lin->groups[g].stride && lin->groups[g].cols > cols)
            cols = lin->groups[g].cols;
    map->some = calloc(ROW_MAP_ROWS * cols + 1, sizeof(*map->some));
    if (!map->group || !map->row || !map->some)
        return MP2ML_ERR_MEMORY;
    for (size_t g = 0; g < lin->n_groups; g++)
        for (uint32_t r = 0; r < lin->groups[g].rows; r++) {
            uint32_t out = linear_out(lin, &lin->groups[g], r);
            map->group[out] = (uint32_t)g;
            map->row[out] = r;
        }
    return MP2ML_OK;
}

static const uint64_t *constant_of(const struct linear *lin, const struct row_map *map, size_t out)
{
    return &lin->bi[lin->groups[map->group[out]].rows_at + map->row[out]];
}

void row_map_wipe(struct row_map *map)
{
    free(map->group);
    free(map->row);
    free(map->some);
    memset(map, 0, sizeof(*map));
}

/* c0 of all inputs, plus E(this party's share). */
static mp2ml_status recv_inputs(struct run *run, unsigned s, const struct ckks *ck, uint64_t *c0)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct ckks_params *params = ckks_params_of(ck);
    const size_t images = run->images, inputs = plan_step_inputs(run->pub, step);
    const size_t per = plan_ct_in_per_frame(step, images);
    const size_t mark = arena_mark(run->arena);
    uint64_t *x = arena_take(run->arena, per * images, sizeof(*x));
    uint8_t *body = arena_take(run->arena, ckks_ct_in_bytes(params, per, images), 1);
    if (!x || !body)
        return MP2ML_ERR_MEMORY;
    for (size_t first = 0; first < inputs; first += per) {
        size_t count = inputs - first < per ? inputs - first : per;
        uint64_t *at = c0 + first * params->primes * images;
        TRY(frame_recv(run->link, FRAME_CT_IN, (uint16_t)s, body,
                       ckks_ct_in_bytes(params, count, images)));
        TRACE(run->trace, UNPACK, ckks_ct_in_bytes(params, count, images));
        TRY(ckks_ct_in_read(params, at, body, count, images));
        TRACE_NEXT(GATHER, count * images);
        gather_operands(x, run->pub, step, run->values, first, count, images, step->l);
        ckks_add_plain(ck, at, x, step->l, count, images);
    }
    arena_rewind(run->arena, mark);
    return MP2ML_OK;
}

/* Integers of `rows` rows of a group, of all its columns and no others, one row behind the other. */
static const int16_t *rows_of(const struct linear *lin, const struct row_map *map,
                              const struct linear_group *g, size_t row, size_t rows)
{
    const int16_t *w = lin->wi + g->weights_at + row * g->stride;
    if (g->cols == g->stride)
        return w;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < g->cols; c++)
            map->some[r * g->cols + c] = w[r * g->stride + lin->index[g->col_at + c]];
    return map->some;
}

/* Rows [first, first + count) of the matrix times `in` of the given width. Outputs that stand next
 * to each other and belong to consecutive rows of one group go through the kernel together. */
static void multiply_rows(const struct ckks *ck, const struct linear *lin,
                          const struct row_map *map, uint64_t *out, const uint64_t *in,
                          size_t first, size_t count, size_t width)
{
    const size_t stride = ckks_params_of(ck)->primes * width;
    for (size_t o = first; o < first + count;) {
        const struct linear_group *g = &lin->groups[map->group[o]];
        const size_t most = g->cols == g->stride ? count : ROW_MAP_ROWS;
        size_t rows = 1;
        while (rows < most && o + rows < first + count && map->group[o + rows] == map->group[o] &&
               map->row[o + rows] == map->row[o] + rows)
            rows++;
        ckks_matrix_product(ck, out + (o - first) * stride, in + g->in_base * stride,
                            lin->index + g->in_at, rows_of(lin, map, g, map->row[o], rows), rows,
                            g->cols, width);
        o += rows;
    }
}

mp2ml_status step_draw_masks(struct run *run, uint64_t *r, uint64_t *share, size_t n, unsigned k)
{
    const uint64_t mask = ((uint64_t)1 << k) - 1;
    TRY(prg_fill(run->prg, r, n * sizeof(*r)));
#ifdef MP2ML_TEST_HOOKS
    if (run->no_masks)
        memset(r, 0, n * sizeof(*r));
#endif
    for (size_t i = 0; i < n; i++) {
        r[i] &= mask;
        share[i] = (0 - r[i]) & mask;
    }
    return MP2ML_OK;
}

/* What the server makes of outputs, a frame of CT_OUT after the other. The half of c1 needs nothing
 * from the client, so the first frames' is ready, in slots, before the client's ciphertexts are. */
struct answers {
    const struct ckks *ck;
    const uint64_t *c0;     /* of all inputs, as c1 */
    size_t per, slots;      /* outputs of a frame; frames made ahead, at least one */
    uint64_t *c1, *C1;      /* C1: of one frame. No c1, C1 and slots where halves are there */
    uint64_t *c1s, *bu;     /* [slot][per]: c1', b*u */
    uint64_t *C0, *c0s, *r; /* of one frame */
    uint64_t *bi;           /* [per] */
    uint8_t *body;
};

static void answers_init(struct answers *a, const struct run *run, const struct plan_step *step)
{
    memset(a, 0, sizeof(*a));
    a->ck = run->keys->ckks[step->set];
    a->per = plan_ct_out_per_frame(step, run->images);
}

/* What the half of c1 needs. */
static mp2ml_status answers_take_c1(struct answers *a, struct run *run,
                                    const struct plan_step *step)
{
    const struct ckks_params *params = ckks_params_of(a->ck);
    const size_t words = params->n * params->primes * sizeof(uint64_t);
    a->c1 = arena_take(run->arena, plan_step_inputs(run->pub, step), words);
    a->C1 = arena_take(run->arena, a->per, words);
    return a->c1 && a->C1 ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static mp2ml_status answers_take_slots(struct answers *a, struct run *run,
                                       const struct plan_step *step)
{
    const struct ckks_params *params = ckks_params_of(a->ck);
    const size_t word = sizeof(uint64_t);
    a->slots = plan_ct_out_ahead(step, run->images);
    a->c1s = arena_take(run->arena, a->slots * a->per * params->n, word);
    a->bu = arena_take(run->arena, a->slots * a->per * run->images, params->primes * word);
    return a->c1s && a->bu ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* What the half of c0 needs, but for c0. */
static mp2ml_status answers_take_c0(struct answers *a, struct run *run,
                                    const struct plan_step *step)
{
    const struct ckks_params *params = ckks_params_of(a->ck);
    const size_t images = run->images, word = sizeof(uint64_t);
    a->C0 = arena_take(run->arena, a->per * images, params->primes * word);
    a->c0s = arena_take(run->arena, a->per * images, word);
    a->r = arena_take(run->arena, a->per * images, word);
    a->bi = arena_take(run->arena, a->per, word);
    a->body = arena_take(run->arena, ckks_ct_out_bytes(params, step->k, a->per, images), 1);
    return a->C0 && a->c0s && a->r && a->bi && a->body ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

static size_t frame_outputs(const struct answers *a, const struct plan_step *step, size_t frame)
{
    const size_t left = step->count - frame * a->per;
    return left < a->per ? left : a->per;
}

/* c1s and bu of count <= per outputs. */
static mp2ml_status answer_c1_of(struct run *run, unsigned s, const struct answers *a,
                                 uint64_t *c1s, uint64_t *bu, size_t first, size_t count)
{
    const struct plan_step *step = &run->pub->steps[s];
    TRACE(run->trace, PRODUCT, count);
    multiply_rows(a->ck, &run->linear[s], &run->rows[s], a->C1, a->c1, first, count,
                  ckks_params_of(a->ck)->n);
    TRACE_NEXT(SWITCH, count);
    return ckks_answer_c1(a->ck, run->keys->pk[step->set], run->prg, run->arena, c1s, bu, a->C1,
                          step->k, count, run->images);
}

/* c1' and b*u of a frame's outputs into its slot, or into the first where it was not ahead. */
static mp2ml_status answer_c1(struct run *run, unsigned s, const struct answers *a, size_t frame)
{
    const struct ckks_params *params = ckks_params_of(a->ck);
    const size_t slot = frame < a->slots ? frame : 0;
    return answer_c1_of(run, s, a, a->c1s + slot * a->per * params->n,
                        a->bu + slot * a->per * params->primes * run->images, frame * a->per,
                        frame_outputs(a, &run->pub->steps[s], frame));
}

static mp2ml_status answer_c0(struct run *run, unsigned s, const struct answers *a, size_t frame)
{
    const struct plan_step *step = &run->pub->steps[s];
    const struct linear *lin = &run->linear[s];
    const struct ckks_params *params = ckks_params_of(a->ck);
    const size_t slot = frame < a->slots ? frame : 0, count = frame_outputs(a, step, frame);
    const size_t first = frame * a->per, images = run->images;
    const size_t bytes = ckks_ct_out_bytes(params, step->k, count, images);
    TRACE(run->trace, PRODUCT, count);
    multiply_rows(a->ck, lin, &run->rows[s], a->C0, a->c0, first, count, images);
    TRACE_NEXT(SWITCH, count);
    TRY(step_draw_masks(run, a->r, run->values[s] + first * images, count * images, step->k));
    for (size_t i = 0; i < count; i++)
        a->bi[i] = *constant_of(lin, &run->rows[s], first + i);
    ckks_answer_c0(a->ck, a->c0s, a->C0, a->bu + slot * a->per * params->primes * images, a->bi,
                   a->r, step->l, step->k, count, images);
    TRACE_NEXT(PACK, bytes);
    ckks_ct_out_write(params, a->body, a->c1s + slot * a->per * params->n, a->c0s, step->k, count,
                      images);
    TRACE_PAUSE();
    return frame_send(run->link, FRAME_CT_OUT, (uint16_t)s, a->body, bytes);
}

void step_linear_multiply(uint64_t *out, const struct linear *lin, const struct plan_step *step,
                          const uint64_t *x, size_t images, bool with_bias)
{
    const unsigned t = step->l - step->k;
    const uint64_t half = t > 0 ? (uint64_t)1 << (t - 1) : 0;
    const uint64_t mask = ((uint64_t)1 << step->k) - 1;
    for (size_t g = 0; g < lin->n_groups; g++) {
        const struct linear_group *group = &lin->groups[g];
        for (uint32_t r = 0; r < group->rows; r++) {
            uint32_t o = linear_out(lin, group, r);
            uint64_t *row = out + (size_t)o * images;
            for (size_t b = 0; b < images; b++)
                row[b] = (with_bias ? lin->bi[group->rows_at + r] : 0) + half;
            for (uint32_t c = 0; c < group->cols; c++) {
                const uint64_t *in = x + (size_t)linear_in(lin, group, c) * images;
                uint64_t w = (uint64_t)(int64_t)lin->wi[linear_weight(lin, group, r, c)];
                for (size_t b = 0; b < images; b++)
                    row[b] += w * in[b];
            }
            for (size_t b = 0; b < images; b++)
                row[b] = row[b] >> t & mask;
        }
    }
}

static mp2ml_status linear_in_the_clear(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    size_t inputs = plan_step_inputs(run->pub, step);
    uint64_t *x = arena_take(run->arena, inputs * run->images, sizeof(*x));
    if (!x)
        return MP2ML_ERR_MEMORY;
    gather_operands(x, run->pub, step, run->values, 0, inputs, run->images, step->l);
    step_linear_multiply(run->values[s], &run->linear[s], step, x, run->images, true);
    return MP2ML_OK;
}

bool step_interrupted(struct run *run)
{
    if (run->idle && !run->interrupted)
        run->interrupted = !channel_is_quiet(link_channel(run->link));
    return run->interrupted;
}

size_t step_piece(struct run *run, size_t left)
{
#ifdef MP2ML_TEST_HOOKS
    run->late += run->interrupted;
#endif
    const size_t most = run->idle ? IDLE_PIECE : left;
    return left < most ? left : most;
}

mp2ml_status step_expand_c1(struct run *run, unsigned set, uint64_t *c1, size_t count)
{
    struct run_keys *keys = run->keys;
    const struct ckks_params *params = ckks_params_of(keys->ckks[set]);
    TRACE(run->trace, EXPAND_C1, count);
    for (size_t done = 0, n; done < count && !step_interrupted(run); done += n) {
        n = step_piece(run, count - done);
        TRY(ckks_expand_c1(keys->ckks[set], keys->c1_stream[set], keys->c1_counter[set], run->arena,
                           c1 + done * params->n * params->primes, n));
        keys->c1_counter[set] += n;
    }
    return MP2ML_OK;
}

static size_t count_frames(const struct answers *a, const struct plan_step *step)
{
    return (step->count + a->per - 1) / a->per;
}

mp2ml_status step_linear_c1_halves(struct run *run, unsigned s, uint64_t *c1s, uint64_t *bu)
{
    const struct plan_step *step = &run->pub->steps[s];
    if (step->layout == PLAN_IMAGE)
        return step_image_c1_halves(run, s, c1s, bu);
    const struct ckks *ck = run->keys->ckks[step->set];
    const size_t mark = arena_mark(run->arena);
    struct answers a;
    answers_init(&a, run, step);
    mp2ml_status status = answers_take_c1(&a, run, step);
    if (status == MP2ML_OK)
        status = step_expand_c1(run, step->set, a.c1, plan_step_inputs(run->pub, step));
    for (size_t done = 0, count; status == MP2ML_OK && done < step->count && !step_interrupted(run);
         done += count) {
        const size_t left = step->count - done;
        count = step_piece(run, left < a.per ? left : a.per);
        status = answer_c1_of(run, s, &a, c1s + done * ckks_params_of(ck)->n,
                              bu + done * ckks_params_of(ck)->primes * run->images, done, count);
    }
    arena_rewind(run->arena, mark);
    return status;
}

/* The half of c1 of the first frames. */
static mp2ml_status make_slots(struct run *run, unsigned s, struct answers *a)
{
    const struct plan_step *step = &run->pub->steps[s];
    TRY(answers_take_c1(a, run, step));
    TRY(answers_take_slots(a, run, step));
    TRY(step_expand_c1(run, step->set, a->c1, plan_step_inputs(run->pub, step)));
    for (size_t f = 0; f < a->slots; f++)
        TRY(answer_c1(run, s, a, f));
    return MP2ML_OK;
}

mp2ml_status step_linear_server(struct run *run, unsigned s)
{
    const struct plan_step *step = &run->pub->steps[s];
    if (step_is_plain(run->pub, step, run->plain))
        return linear_in_the_clear(run, s);
    if (step->layout == PLAN_IMAGE)
        return step_image_server(run, s);
    const struct ckks *ck = run->keys->ckks[step->set];
    const struct ckks_params *params = ckks_params_of(ck);
    uint64_t *c0 = arena_take(run->arena, plan_step_inputs(run->pub, step) * run->images,
                              params->primes * sizeof(*c0));
    struct answers a;
    answers_init(&a, run, step);
    a.c0 = c0;
    if (!c0)
        return MP2ML_ERR_MEMORY;
    TRY(answers_take_c0(&a, run, step));
    const size_t frames = count_frames(&a, step);
    const bool ahead = precompute_c1(run, s, &a.c1s, &a.bu);
    if (ahead)
        a.slots = frames;
    else
        TRY(make_slots(run, s, &a));
    TRY(recv_inputs(run, s, ck, c0));
    for (size_t f = 0; f < frames; f++) {
        if (f >= a.slots)
            TRY(answer_c1(run, s, &a, f));
        TRY(answer_c0(run, s, &a, f));
        step_report(run, s, (double)(f + 1) / (double)frames);
    }
    if (ahead)
        secret_wipe(a.c1s,
                    step->count * (params->n + params->primes * run->images) * sizeof(*a.c1s));
    return MP2ML_OK;
}

/* ---- memory -------------------------------------------------------------------------------- */

/* Sums in size_t are safe: counts and images were checked against the client's limits. */
static size_t server_scratch(const struct ckks_params *p, const struct plan_step *step,
                             size_t inputs, size_t images)
{
    const size_t word = sizeof(uint64_t);
    size_t in = plan_ct_in_per_frame(step, images), out = plan_ct_out_per_frame(step, images);
    size_t all =
        arena_need(inputs * p->n, p->primes * word) + arena_need(inputs * images, p->primes * word);
    size_t receiving =
        arena_need(in * images, word) + arena_need(ckks_ct_in_bytes(p, in, images), 1);
    size_t slots = plan_ct_out_ahead(step, images);
    size_t sending =
        arena_need(slots * out * p->n, word) + arena_need(slots * out * images, p->primes * word) +
        arena_need(out * p->n, p->primes * word) + arena_need(out * images, p->primes * word) +
        2 * arena_need(out * images, word) + arena_need(out, word) +
        arena_need(ckks_ct_out_bytes(p, step->k, out, images), 1);
    return all + receiving + sending + ckks_scratch_bytes(p);
}

static size_t client_scratch(const struct ckks_params *p, const struct plan_step *step,
                             size_t images)
{
    const size_t word = sizeof(uint64_t);
    size_t in = plan_ct_in_per_frame(step, images), out = plan_ct_out_per_frame(step, images);
    size_t sending = arena_need(in * images, word) + arena_need(in * images, p->primes * word) +
                     arena_need(ckks_ct_in_bytes(p, in, images), 1);
    size_t receiving =
        arena_need(out * p->n, word) + arena_need(ckks_ct_out_bytes(p, step->k, out, images), 1);
    return (receiving > sending ? receiving : sending) + ckks_scratch_bytes(p);
}

size_t step_linear_scratch(const struct plan_public *pub, const struct plan_step *step,
                           enum party party, uint64_t plain, size_t images)
{
    const struct ckks_params *params = ckks_params(step->set);
    const size_t inputs = plan_step_inputs(pub, step);
    if (step_is_plain(pub, step, plain))
        return arena_need(inputs * images, sizeof(uint64_t));
    if (step->layout == PLAN_IMAGE)
        return step_image_scratch(pub, step, party, images);
    return party == PARTY_SERVER ? server_scratch(params, step, inputs, images)
                                 : client_scratch(params, step, images);
}
