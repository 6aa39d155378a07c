/* SPDX-License-Identifier: Apache-2.0
 *
 * The public plan as bytes, and back with every check. Little-endian.
 *
 *   head     u8 policy, u8 top, u8 k_ss, u8 inputs, u8 outputs, tensors, u16 steps
 *   tensor   string name, u8 rank, u32 dims.., u8 dtype, f64 low, f64 high, u8 bits, f64 scale,
 *            u8 post, a softmax: u32 row, u32 step
 *   step     u8 kind, u8 operands, per operand u16 step (LINEAR, SUM: and u8 shift), u32 count,
 *            u8 k, u8 l, u8 out_bits, u8 set, u8 tensor; SUM: u8 minus; RELU, SIGN, MAX: u8 blind;
 *            RELU, SIGN, MAX, ARGMAX: u8 engine; LINEAR: u8 layout and, in layout image, a packing; MAX and
 *            ARGMAX: u32 windows, per window u32 members, u32 member..; PRODUCT: u32 0, or u32 count
 *            and per value u32, u32 the values that it multiplies
 *
 * An output with a size of 0 has a step of no values and no operand.
 *
 * The scale of a step travels for none of them: those of inputs and outputs stand in the tensors,
 * the others are the server's. What a reader demands is written in check_step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "plan/linear_build.h"
#include "plan/plan_internal.h"

#define MAX_COUNT ((uint32_t)1 << 30)

void plan_limits_init(struct plan_limits *limits)
{
    *limits = (struct plan_limits){.max_values = (uint64_t)1 << 31,
                                   .max_memory = (uint64_t)1 << 33,
                                   .min_k = 10,
                                   .max_k = 20,
                                   .max_l = 48,
                                   .sets = 1u << CKKS_S1 | 1u << CKKS_S2,
                                   .policies = 0};
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool has_rows(enum plan_post post)
{
    return post == PLAN_POST_SOFTMAX || post == PLAN_POST_LOG_SOFTMAX;
}

void plan_tensors_write(struct writer *w, const struct plan_tensor *tensors, unsigned n)
{
    writer_u8(w, (uint8_t)n);
    for (unsigned i = 0; i < n; i++) {
        const struct plan_tensor *t = &tensors[i];
        writer_string(w, t->name);
        writer_u8(w, (uint8_t)t->rank);
        for (unsigned d = 0; d < t->rank; d++)
            writer_u32(w, t->dims[d]);
        writer_u8(w, (uint8_t)t->dtype);
        writer_f64(w, t->low);
        writer_f64(w, t->high);
        writer_u8(w, (uint8_t)t->bits);
        writer_f64(w, t->scale);
        writer_u8(w, (uint8_t)t->post);
        if (has_rows(t->post)) {
            writer_u32(w, t->row);
            writer_u32(w, t->step);
        }
    }
}

static bool has_shifts(enum step_kind kind)
{
    return kind == STEP_LINEAR || kind == STEP_SUM;
}

static bool has_signs(enum step_kind kind)
{
    return kind == STEP_RELU || kind == STEP_SIGN || kind == STEP_MAX;
}

static bool has_windows(enum step_kind kind)
{
    return kind == STEP_MAX || kind == STEP_ARGMAX || kind == STEP_PRODUCT;
}

static void write_step(struct writer *w, const struct plan_step *step)
{
    writer_u8(w, (uint8_t)step->kind);
    writer_u8(w, (uint8_t)step->n_operands);
    for (unsigned i = 0; i < step->n_operands; i++) {
        writer_u16(w, step->operands[i]);
        if (has_shifts(step->kind))
            writer_u8(w, step->shift[i]);
    }
    writer_u32(w, step->count);
    writer_u8(w, (uint8_t)step->k);
    writer_u8(w, (uint8_t)step->l);
    writer_u8(w, (uint8_t)step->out_bits);
    writer_u8(w, (uint8_t)step->set);
    writer_u8(w, (uint8_t)step->tensor);
    if (step->kind == STEP_SUM)
        writer_u8(w, step->minus);
    if (has_signs(step->kind))
        writer_u8(w, (uint8_t)step->blind);
    if (step_has_engine(step->kind))
        writer_u8(w, (uint8_t)step->engine);
    if (step->kind == STEP_LINEAR)
        writer_u8(w, (uint8_t)step->layout);
    if (step->kind == STEP_LINEAR && step->layout == PLAN_IMAGE)
        packing_write(w, &step->packing);
    if (!has_windows(step->kind))
        return;
    writer_u32(w, (uint32_t)step->windows.count);
    for (size_t i = 0; i < step->windows.count; i++) {
        uint32_t from = step->windows.first[i], to = step->windows.first[i + 1];
        if (step->kind != STEP_PRODUCT)
            writer_u32(w, to - from);
        for (uint32_t m = from; m < to; m++)
            writer_u32(w, step->windows.member[m]);
    }
}

mp2ml_status plan_public_write(struct writer *w, const struct plan_public *pub)
{
    writer_u8(w, (uint8_t)pub->policy);
    writer_u8(w, (uint8_t)pub->top);
    writer_u8(w, (uint8_t)pub->k_ss);
    plan_tensors_write(w, pub->inputs, pub->n_inputs);
    plan_tensors_write(w, pub->outputs, pub->n_outputs);
    writer_u16(w, (uint16_t)pub->n_steps);
    for (unsigned s = 0; s < pub->n_steps; s++)
        write_step(w, &pub->steps[s]);
    return writer_done(w);
}

/* ---- reading tensors ------------------------------------------------------------------------- */

static bool is_positive(double x)
{
    return isfinite(x) && x > 0;
}

static mp2ml_status read_tensor(struct plan_tensor *t, struct reader *r)
{
    memset(t, 0, sizeof *t);
    reader_string(r, t->name, PLAN_MAX_NAME);
    t->rank = reader_u8(r);
    if (r->failed || t->rank > GRAPH_MAX_RANK)
        return MP2ML_ERR_PROTOCOL;
    uint64_t count = 1;
    bool empty = false;
    for (unsigned d = 0; d < t->rank; d++) {
        t->dims[d] = reader_u32(r);
        empty = empty || t->dims[d] == 0;
        if (t->dims[d] != 0 && (count *= t->dims[d]) > MAX_COUNT)
            return MP2ML_ERR_PROTOCOL;
    }
    count = empty ? 0 : count;
    t->count = (uint32_t)count;
    unsigned dtype = reader_u8(r);
    t->low = reader_f64(r);
    t->high = reader_f64(r);
    t->bits = reader_u8(r);
    t->scale = reader_f64(r);
    unsigned post = reader_u8(r);
    if (r->failed || (dtype != PLAN_F32 && dtype != PLAN_I64) || !is_positive(t->scale) ||
        post >= PLAN_POST_COUNT)
        return MP2ML_ERR_PROTOCOL;
    t->dtype = (enum plan_dtype)dtype;
    t->post = (enum plan_post)post;
    if (!has_rows(t->post))
        return MP2ML_OK;
    t->row = reader_u32(r);
    t->step = reader_u32(r);
    const bool rows = !r->failed && t->row >= 1 && t->step >= 1;
    return rows && count % ((uint64_t)t->row * t->step) == 0 ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

mp2ml_status plan_tensors_read(struct plan_tensor *tensors, unsigned *n, struct reader *r)
{
    unsigned count = reader_u8(r);
    *n = 0;
    if (r->failed || count < 1 || count > PLAN_MAX_TENSORS)
        return MP2ML_ERR_PROTOCOL;
    for (unsigned i = 0; i < count; i++)
        TRY(read_tensor(&tensors[i], r));
    *n = count;
    return MP2ML_OK;
}

/* An input's scale follows from range and bits; that of another range could overflow. */
static bool input_is_legal(const struct plan_tensor *t)
{
    if (t->count == 0 || t->dtype != PLAN_F32 || t->post != PLAN_POST_NONE || t->bits < 2 ||
        t->bits > 16 || !isfinite(t->low) || !isfinite(t->high) || !(t->low < t->high))
        return false;
    double scale = plan_scale_of_input(t->low, t->high, t->bits);
    return isfinite(scale) && fabs(t->scale - scale) <= 1e-9 * scale;
}

static bool output_is_legal(const struct plan_tensor *t, const struct plan_public *pub)
{
    bool plain_range = !(t->low < 0 || t->low > 0) && !(t->high < 0 || t->high > 0) && t->bits == 0;
    if (pub->policy == PLAN_LOGITS)
        return plain_range && t->dtype == PLAN_F32;
    if (pub->policy == PLAN_TOP && (t->rank < 1 || t->dims[t->rank - 1] != pub->top))
        return false;
    return plain_range && t->count != 0 && t->dtype == PLAN_I64 && t->post == PLAN_POST_NONE &&
           t->scale >= 1 && t->scale <= 1;
}

/* ---- reading steps --------------------------------------------------------------------------- */

/* The members of one window, each below its operand's count; `first` has the window's start. */
static mp2ml_status read_members(uint32_t **member, size_t *room, size_t at, uint32_t length,
                                 struct reader *r, const uint32_t *below, size_t n_below)
{
    if (!linear_grow(member, room, at + length, sizeof **member))
        return MP2ML_ERR_MEMORY;
    for (uint32_t m = 0; m < length; m++) {
        (*member)[at + m] = reader_u32(r);
        if ((*member)[at + m] >= below[m % n_below])
            return MP2ML_ERR_PROTOCOL;
    }
    return r->failed ? MP2ML_ERR_PROTOCOL : MP2ML_OK;
}

/* below[n_below] = counts of the operands that members 0, 1, .. of a window belong to. */
static mp2ml_status read_windows(struct plan_step *step, struct reader *r, const uint32_t *below,
                                 size_t n_below)
{
    size_t room = 0, n = 0, windows = reader_u32(r);
    /* Each window is at least 8 bytes, so what the frame holds bounds what is allocated. */
    if (r->failed || windows > (size_t)(r->end - r->at) / 8)
        return MP2ML_ERR_PROTOCOL;
    if (windows == 0)
        return MP2ML_OK;
    uint32_t *first = calloc(windows + 1, sizeof *first), *member = NULL;
    mp2ml_status status = first != NULL ? MP2ML_OK : MP2ML_ERR_MEMORY;
    for (size_t i = 0; status == MP2ML_OK && i < windows; i++) {
        uint32_t length = step->kind == STEP_PRODUCT ? 2 : reader_u32(r);
        if (r->failed || length < 1 || length > (size_t)(r->end - r->at) / 4)
            status = MP2ML_ERR_PROTOCOL;
        if (status == MP2ML_OK)
            status = read_members(&member, &room, n, length, r, below, n_below);
        if (status == MP2ML_OK)
            first[i + 1] = (uint32_t)(n += length);
    }
    step->windows = (struct mpc_windows){windows, first, member};
    if (status != MP2ML_OK)
        plan_windows_wipe(&step->windows);
    return status;
}

/* Kinds whose result a step of this kind may read, as bits. */
static unsigned legal_operands(enum step_kind kind)
{
    const unsigned in_k = 1u << STEP_LINEAR | 1u << STEP_MAX;
    switch (kind) {
    case STEP_LINEAR:
        return 1u << STEP_INPUT | 1u << STEP_RELU | 1u << STEP_REENTRY | 1u << STEP_PRODUCT |
               1u << STEP_SQUARE | 1u << STEP_SUM | 1u << STEP_SIGN;
    case STEP_SUM:
        return 1u << STEP_RELU | 1u << STEP_REENTRY;
    case STEP_RELU:
    case STEP_SIGN:
    case STEP_REENTRY:
    case STEP_MAX:
        return in_k;
    case STEP_ARGMAX:
        return in_k | 1u << STEP_RELU | 1u << STEP_SIGN;
    case STEP_PRODUCT:
    case STEP_SQUARE:
        return in_k | 1u << STEP_RELU | 1u << STEP_SIGN | 1u << STEP_REENTRY | 1u << STEP_SUM;
    case STEP_OUTPUT:
        return in_k | 1u << STEP_RELU | 1u << STEP_SIGN | 1u << STEP_ARGMAX | 1u << STEP_INPUT;
    default:
        return 0;
    }
}

static bool operands_are_legal(const struct plan_public *pub, const struct plan_step *step,
                               unsigned s)
{
    unsigned legal = legal_operands(step->kind);
    unsigned most = step->kind == STEP_INPUT     ? 0
                    : step->kind == STEP_LINEAR  ? PLAN_MAX_OPERANDS
                    : step->kind == STEP_PRODUCT ? 2
                    : step->kind == STEP_SUM     ? 2
                    : step->count == 0           ? 0 /* an OUTPUT without values */
                                                 : 1;
    unsigned least = step->kind == STEP_LINEAR ? 1 : most;
    if (step->n_operands > most || step->n_operands < least)
        return false;
    for (unsigned i = 0; i < step->n_operands; i++)
        if (step->operands[i] >= s || (legal >> pub->steps[step->operands[i]].kind & 1) == 0)
            return false;
    return true;
}

/* Every operand, times its power of two, has l bits. */
static bool shifts_fit(const struct plan_public *pub, const struct plan_step *step, unsigned l)
{
    for (unsigned i = 0; i < step->n_operands; i++)
        if (step->shift[i] >= l || pub->steps[step->operands[i]].out_bits + step->shift[i] < l)
            return false;
    return true;
}

static bool rings_are_legal(const struct plan_public *pub, const struct plan_step *step,
                            const struct plan_limits *limits)
{
    unsigned k = step->k, l = step->l;
    unsigned in = step->n_operands != 0 ? pub->steps[step->operands[0]].out_bits : 0;
    unsigned max_l = limits->max_l < 48 ? limits->max_l : 48;
    bool k_fits = k >= limits->min_k && k <= limits->max_k && k >= 4 && k <= 20;
    const struct ckks_params *params = ckks_params(step->set);
    switch (step->kind) {
    case STEP_INPUT:
        return k == l && l == step->out_bits && l >= 1 && l <= max_l;
    case STEP_LINEAR:
        if (!k_fits || params == NULL || step->set > 31 || (limits->sets >> step->set & 1) == 0 ||
            k < params->min_k || k > params->max_k || l < k || l > params->max_l || l > max_l ||
            step->out_bits != k)
            return false;
        return shifts_fit(pub, step, l);
    case STEP_SUM:
        return k == l && l == step->out_bits && l >= 1 && l <= max_l && shifts_fit(pub, step, l);
    case STEP_RELU:
    case STEP_SIGN:
    case STEP_REENTRY:
        return k_fits && k == in && l >= k && l <= max_l && step->out_bits == l &&
               k >= step->blind + PLAN_MIN_SIGN_BITS;
    case STEP_MAX:
        return k_fits && k == in && l == k && step->out_bits == k &&
               k >= step->blind + PLAN_MIN_SIGN_BITS;
    case STEP_ARGMAX:
        return k_fits && k == in && l == step->out_bits &&
               step->out_bits == mpc_index_bits(&step->windows) && (step->top <= 1 || k + l <= 32);
    case STEP_PRODUCT:
    case STEP_SQUARE: {
        unsigned k_b = plan_factor_bits(pub, step, step->n_operands - 1);
        for (unsigned i = 0; i < step->n_operands; i++) /* a sum may have few bits */
            if (pub->steps[step->operands[i]].out_bits < plan_factor_bits(pub, step, i))
                return false;
        return k_fits && k == plan_factor_bits(pub, step, 0) && l > k && l > k_b && l <= max_l &&
               step->out_bits == l;
    }
    default: /* what is opened fits k bits, or is an index */
        if (plan_output_is_known(pub, step))
            return k == 1 && l == 1 && step->out_bits == 1;
        return k == in && l == k && step->out_bits == k && k <= 32 &&
               (k_fits || pub->steps[step->operands[0]].kind == STEP_ARGMAX);
    }
}

/* No window is shorter than the places that are asked for. */
static bool top_is_legal(const struct plan_step *step)
{
    const struct mpc_windows *w = &step->windows;
    if (w->count == 0 || step->count != w->count * (step->top != 0 ? step->top : 1))
        return false;
    for (size_t i = 0; i < w->count; i++)
        if (w->first[i + 1] - w->first[i] < (step->top != 0 ? step->top : 1))
            return false;
    return true;
}

static bool counts_are_legal(const struct plan_public *pub, const struct plan_step *step)
{
    uint32_t in = step->n_operands != 0 ? pub->steps[step->operands[0]].count : 0;
    switch (step->kind) {
    case STEP_INPUT:
        return step->tensor < pub->n_inputs && step->count == pub->inputs[step->tensor].count;
    case STEP_OUTPUT:
        return step->tensor < pub->n_outputs && step->count == in &&
               step->count == pub->outputs[step->tensor].count;
    case STEP_RELU:
    case STEP_SIGN:
    case STEP_REENTRY:
        return step->tensor == 0 && step->count == in;
    case STEP_SQUARE:
        return step->tensor == 0 && step->count == in;
    case STEP_SUM:
        return step->tensor == 0 && step->count == in &&
               step->count == pub->steps[step->operands[1]].count;
    case STEP_PRODUCT:
        return step->tensor == 0 && (step->windows.count == step->count ||
                                     (step->windows.count == 0 && step->count == in &&
                                      step->count == pub->steps[step->operands[1]].count));
    case STEP_ARGMAX:
        return step->tensor == 0 && top_is_legal(step);
    case STEP_MAX:
        return step->tensor == 0 && step->windows.count == step->count;
    default:
        return step->tensor == 0;
    }
}

/* Values and positions of the steps read so far, for one image, 8 bytes each; `cts` more. */
static bool memory_is_legal(const struct plan_public *pub, uint64_t cts, unsigned set,
                            const struct plan_limits *limits)
{
    uint64_t values = 0;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        values += step->count;
        if (step->layout == PLAN_IMAGE && step->packing.in_cts > 0)
            values += ((uint64_t)step->packing.in_cts + step->packing.out_cts) *
                      ckks_params(step->set)->n;
    }
    const struct ckks_params *params = ckks_params(set);
    values += params != NULL ? cts * params->n : 0;
    return values <= limits->max_memory / 8;
}

/* Engine and layout. A packing is checked place by place, so that the memory that it stands for is
 * looked at before. */
static mp2ml_status read_choice(const struct plan_public *pub, struct plan_step *step,
                                struct reader *r, const struct plan_limits *limits)
{
    unsigned engine = step_has_engine(step->kind) ? reader_u8(r) : 0;
    unsigned layout = step->kind == STEP_LINEAR ? reader_u8(r) : 0;
    if (r->failed || engine >= MPC_ENGINE_COUNT || layout >= PLAN_LAYOUT_COUNT)
        return MP2ML_ERR_PROTOCOL;
    step->engine = (enum mpc_engine)engine;
    step->layout = (enum plan_layout)layout;
    if (step->layout != PLAN_IMAGE)
        return MP2ML_OK;
    struct reader ahead = *r;
    uint64_t cts = reader_u32(&ahead);
    cts += reader_u32(&ahead);
    if (!memory_is_legal(pub, cts, step->set, limits))
        return MP2ML_ERR_PROTOCOL;
    return packing_read(&step->packing, r, step->set, plan_step_inputs(pub, step), step->count);
}

static mp2ml_status read_step(struct plan_public *pub, unsigned s, struct reader *r,
                              const struct plan_limits *limits)
{
    struct plan_step *step = &pub->steps[s];
    unsigned kind = reader_u8(r);
    step->n_operands = reader_u8(r);
    if (r->failed || kind >= STEP_KIND_COUNT || step->n_operands > PLAN_MAX_OPERANDS)
        return MP2ML_ERR_PROTOCOL;
    step->kind = (enum step_kind)kind;
    for (unsigned i = 0; i < step->n_operands; i++) {
        step->operands[i] = reader_u16(r);
        if (has_shifts(step->kind))
            step->shift[i] = reader_u8(r);
    }
    step->count = reader_u32(r);
    step->k = reader_u8(r);
    step->l = reader_u8(r);
    step->out_bits = reader_u8(r);
    step->set = reader_u8(r);
    step->tensor = reader_u8(r);
    if (r->failed || (step->count == 0 && step->kind != STEP_OUTPUT) || step->count > MAX_COUNT ||
        step->count > limits->max_values || !operands_are_legal(pub, step, s) ||
        (step->kind != STEP_LINEAR && step->set != 0))
        return MP2ML_ERR_PROTOCOL;
    if (step->kind == STEP_ARGMAX)
        step->top = pub->top;
    if (step->kind == STEP_SUM) {
        unsigned minus = reader_u8(r);
        if (r->failed || minus > 1)
            return MP2ML_ERR_PROTOCOL;
        step->minus = minus != 0;
    }
    if (has_signs(step->kind))
        step->blind = reader_u8(r);
    TRY(read_choice(pub, step, r, limits));
    if (has_windows(step->kind)) {
        const uint32_t below[2] = {pub->steps[step->operands[0]].count,
                                   pub->steps[step->operands[step->n_operands - 1]].count};
        TRY(read_windows(step, r, below, 2));
    }
    if (!counts_are_legal(pub, step) || !rings_are_legal(pub, step, limits))
        return MP2ML_ERR_PROTOCOL;
    if (step->kind == STEP_INPUT)
        step->scale = pub->inputs[step->tensor].scale;
    if (step->kind == STEP_OUTPUT)
        step->scale = pub->outputs[step->tensor].scale;
    return MP2ML_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Every tensor has one step, inputs in their order at the front; what is opened, and not known to the
 * client, comes from a linear step of set S2 through non-linear steps at most, and shows what the policy says. */
static bool ends_are_legal(const struct plan_public *pub)
{
    unsigned outputs = 0;
    for (unsigned s = 0; s < pub->n_steps; s++) {
        const struct plan_step *step = &pub->steps[s];
        if ((step->kind == STEP_INPUT) != (s < pub->n_inputs) ||
            (step->kind == STEP_INPUT && step->tensor != s))
            return false;
        if (step->kind != STEP_OUTPUT)
            continue;
        const struct plan_step *from = &pub->steps[step->operands[0]];
        if (step->tensor != outputs++)
            return false;
        if (plan_output_is_known(pub, step) && pub->policy == PLAN_LOGITS)
            continue;
        if (from->kind == STEP_INPUT || (from->kind == STEP_ARGMAX) != (pub->policy != PLAN_LOGITS))
            return false;
        while (from->kind != STEP_LINEAR) /* ends: only LINEAR has none of a kind like these */
            from = &pub->steps[from->operands[0]];
        if (from->set != CKKS_S2)
            return false;
    }
    return outputs == pub->n_outputs;
}

static mp2ml_status read_plan(struct plan_public *pub, struct reader *r,
                              const struct plan_limits *limits)
{
    unsigned policy = reader_u8(r);
    pub->top = reader_u8(r);
    pub->k_ss = reader_u8(r);
    if (r->failed || policy < PLAN_ARGMAX || policy > PLAN_TOP || pub->top > MPC_MAX_TOP ||
        (pub->top != 0) != (policy == PLAN_TOP) ||
        (limits->policies != 0 && (limits->policies >> policy & 1) == 0) ||
        (pub->k_ss != 2 && pub->k_ss != 4 && pub->k_ss != 8))
        return MP2ML_ERR_PROTOCOL;
    pub->policy = (enum plan_policy)policy;
    TRY(plan_tensors_read(pub->inputs, &pub->n_inputs, r));
    TRY(plan_tensors_read(pub->outputs, &pub->n_outputs, r));
    for (unsigned i = 0; i < pub->n_inputs; i++)
        if (!input_is_legal(&pub->inputs[i]))
            return MP2ML_ERR_PROTOCOL;
    for (unsigned i = 0; i < pub->n_outputs; i++)
        if (!output_is_legal(&pub->outputs[i], pub))
            return MP2ML_ERR_PROTOCOL;
    unsigned n = reader_u16(r);
    if (r->failed || n < 2 || n > PLAN_MAX_STEPS)
        return MP2ML_ERR_PROTOCOL;
    pub->steps = calloc(n, sizeof *pub->steps);
    if (pub->steps == NULL)
        return MP2ML_ERR_MEMORY;
    pub->n_steps = n; /* steps not yet read are zero */
    for (unsigned s = 0; s < n; s++)
        TRY(read_step(pub, s, r, limits));
    return ends_are_legal(pub) && memory_is_legal(pub, 0, 0, limits) ? MP2ML_OK
                                                                     : MP2ML_ERR_PROTOCOL;
}

mp2ml_status plan_public_read(struct plan_public *out, struct reader *r,
                              const struct plan_limits *limits, mp2ml_error *err)
{
    struct plan_public *pub = calloc(1, sizeof *pub);
    mp2ml_status status = pub != NULL ? read_plan(pub, r, limits) : MP2ML_ERR_MEMORY;
    if (status == MP2ML_OK)
        *out = *pub;
    else if (pub != NULL)
        plan_public_wipe(pub);
    free(pub);
    return status == MP2ML_OK
               ? status
               : status_fail(err, status,
                             "the server's plan is not one that this client accepts (within its "
                             "limits of rings, sets, policy and memory)");
}
