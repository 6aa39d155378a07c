/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: from a graph to a flat list of steps in fixed point.
 *
 * Words.
 *   step       one row of work for both parties; its result is a *value set*: `count` values per
 *              image, in memory [value][image], shares or (in the clear) the values themselves
 *   public     what both parties know: kinds, operands, counts, rings, sets, windows. Travels to the
 *              client as bytes (plan_bytes.c) and is checked there against the client's limits
 *   private    the server's alone: the integer matrix of every linear step
 *   scale S    integer = round-half-up(real * S)
 *   k, l, t    a linear step reads values in Z_{2^l} and writes shares in Z_{2^k}; t = l - k
 *
 * The way: plan_new lowers the graph (lower.c: linear chains merged into one float matrix a step,
 * merge.c) and measures ranges (ranges.c); plan_scale picks scales and quantises (scales.c) and may
 * be called again with another k; plan_cost, plan_print and plan_json say what would happen.
 *
 * Read in this order: this file, step_kinds.h, linear.h, lower.h, lower.c, merge.c, plan_eval.c,
 * ranges.c, scales.h, scales.c, scales_weights.c, scales_strict.c, plan_error.c, plan_flip.c, packing.h,
 * packing_map.h, packing_dense.c, packing_conv.c, packing_planes.c, packing_choose.c, packing_make.c,
 * plan_cost.c, choose.h, choose.c, plan_bytes.c, plan_print.c, plan_compare.c. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "base/bytes.h"
#include "base/cost.h"
#include "base/log.h"
#include "base/status.h"
#include "ckks/ckks.h"
#include "model/model.h"
#include "mpc/mpc.h"
#include "plan/linear.h"
#include "plan/linear_panel.h"
#include "plan/packing.h"

/* kind, its name, what it computes. A step's operands are earlier steps. */
#define STEP_KIND_MAP(X)                                                                           \
    X(INPUT, "input", "one input tensor, quantised by the client")                                 \
    X(LINEAR, "linear",                                                                            \
      "integer matrix times the concatenated operands, each times 2^shift, plus bias, to k bits")  \
    X(RELU, "relu", "max(0, x + the server's constant) into Z_{2^l}")                              \
    X(REENTRY, "re-entry", "x into Z_{2^l}")                                                       \
    X(MAX, "max", "maximum over windows, in Z_{2^k}")                                              \
    X(ARGMAX, "argmax",                                                                            \
      "position of the maximum or of the largest, or the sign of a single value")                  \
    X(OUTPUT, "output", "opened to the client, or what it knows")                                  \
    X(PRODUCT, "product", "two operands value by value, into Z_{2^l}")                             \
    X(SQUARE, "square", "x^2 into Z_{2^l}")                                                        \
    X(SUM, "sum", "2^shift times two operands, added or subtracted by each party for itself")      \
    X(SIGN, "sign", "1 where x + the server's constant is at least 0, else -1, into Z_{2^l}")

enum step_kind {
#define STEP_KIND_ENUM(name, text, what) STEP_##name,
    STEP_KIND_MAP(STEP_KIND_ENUM)
#undef STEP_KIND_ENUM
        STEP_KIND_COUNT
};
const char *step_kind_name(enum step_kind kind);

#define PLAN_MAX_OPERANDS 64
#define PLAN_MAX_STEPS 1024
#define PLAN_MAX_TENSORS 16
#define PLAN_MAX_NAME 255
#define PLAN_BLOCK_IMAGES 2048 /* images that go through the steps together */
#define PLAN_FRAME_VALUES 65536u
#define PLAN_MIN_SIGN_BITS 4u /* that the sign of a ReLU or maximum looks at */

/* How a linear step's values lie in ciphertexts: one value of every image in each, or one image
 * packed into few (packing.h). */
enum plan_layout { PLAN_BATCH, PLAN_IMAGE, PLAN_LAYOUT_COUNT };

struct plan_step { /* public */
    enum step_kind kind;
    enum plan_layout layout; /* LINEAR */
    enum mpc_engine engine;  /* RELU, SIGN, MAX, ARGMAX */
    unsigned n_operands;
    uint16_t operands[PLAN_MAX_OPERANDS];
    uint8_t shift[PLAN_MAX_OPERANDS]; /* LINEAR, SUM: reads operand * 2^shift mod 2^l; else 0 */
    bool minus;                       /* SUM: the second operand is subtracted */
    uint32_t count;                   /* values per image of the result */
    unsigned k;        /* LINEAR: output ring. Others: input ring; PRODUCT: of the first operand */
    unsigned l;        /* LINEAR: input ring. RELU, SIGN, REENTRY, PRODUCT, SQUARE: output ring.
                          else = out_bits */
    unsigned out_bits; /* ring of the result: LINEAR, MAX k; ARGMAX index bits; else l */
    unsigned blind;    /* RELU, SIGN, MAX: low bits that the signs do not look at (mpc.h), else 0 */
    unsigned set;      /* LINEAR: CKKS_S1 or CKKS_S2, else 0 */
    unsigned tensor;   /* INPUT, OUTPUT: which one */
    /* MAX (windows.count = count), ARGMAX (with top: count = windows.count * top). PRODUCT: none,
     * or per value of the result the values of either operand that it multiplies. Arrays owned by
     * the plan. */
    struct mpc_windows windows;
    struct packing packing; /* LINEAR, layout image. Arrays owned by the plan */
    unsigned top; /* ARGMAX: positions of so many of the largest; 0: of the maximum, or a sign */
    double scale; /* INPUT, OUTPUT: public. Else the server's own (0 at the client) */
};

enum plan_dtype { PLAN_F32 = 1, PLAN_I64 = 2 };
enum plan_post {
    PLAN_POST_NONE,
    PLAN_POST_SOFTMAX,
    PLAN_POST_LOG_SOFTMAX,
    PLAN_POST_SIGMOID,
    PLAN_POST_TANH,
    PLAN_POST_COUNT
};
enum plan_policy { PLAN_ARGMAX = 1, PLAN_LOGITS = 2, PLAN_TOP = 3 };

struct plan_tensor { /* an input or an output as the client sees it */
    char name[PLAN_MAX_NAME + 1];
    unsigned rank;
    uint32_t dims[GRAPH_MAX_RANK]; /* of one sample */
    uint32_t count;                /* product of dims */
    enum plan_dtype dtype;
    double low, high;    /* inputs: declared range */
    unsigned bits;       /* inputs: b_in */
    double scale;        /* S_in or S_out; 1 for indices */
    enum plan_post post; /* outputs, policy logits: done by the client; a softmax ... */
    uint32_t row, step;  /* ... on rows of so many values, so far apart; else 0 */
};

struct plan_public {
    unsigned n_inputs, n_outputs, n_steps;
    struct plan_tensor inputs[PLAN_MAX_TENSORS], outputs[PLAN_MAX_TENSORS];
    enum plan_policy policy;
    unsigned top; /* PLAN_TOP: how many positions, best first; else 0 */
    unsigned k_ss;
    struct plan_step *steps;
};

/* ---- options ------------------------------------------------------------------------------- */

#define PLAN_MOST_INPUT_BITS 16

enum plan_ranges { PLAN_RANGES_AUTO, PLAN_RANGES_STRICT, PLAN_RANGES_CALIBRATED };

/* Tells somebody how far a long call is: phases one after the other, each counted in its own units. */
struct plan_progress {
    int (*call)(void *context, double fraction); /* not 0: cancel */
    void *context;
    double from, to; /* fractions of the whole: the phase */
    double done, all;
};
/* All accept NULL. */
static inline void plan_progress_phase(struct plan_progress *p, double from, double to, double all)
{
    if (p != NULL)
        *p = (struct plan_progress){p->call, p->context, from, to, 0, all};
}
static inline int plan_progress_add(struct plan_progress *p, double done)
{
    if (p == NULL)
        return 0;
    p->done = p->done + done < p->all ? p->done + done : p->all;
    return p->call(p->context, p->from + (p->to - p->from) * p->done / p->all);
}

struct plan_options {
    double low, high;         /* declared range of all inputs; default 0, 1 */
    enum plan_ranges ranges;  /* default auto */
    const float *calibration; /* CALIBRATED: [samples][all inputs of a sample], borrowed */
    size_t calibration_samples;
    enum plan_policy policy;
    unsigned top;                   /* PLAN_TOP: 1 to MPC_MAX_TOP */
    bool policy_given;              /* false: argmax for vectors, else an error that asks */
    unsigned b_in, b_w;             /* 0: 16, or 8 where so many do not fit, and 10 */
    unsigned k_ss;                  /* 0: 4 */
    struct plan_progress *progress; /* borrowed while the plan is made; NULL: nobody */
};
void plan_options_init(struct plan_options *o);

/* ---- building ------------------------------------------------------------------------------ */

struct plan {
    struct plan_public pub;
    const struct plan_public
        *planned;             /* of a view (plan_view): pub of the plan it is of; else NULL */
    struct linear *linear;    /* [n_steps], empty but for LINEAR; RELU, SIGN: b and bi, or
                              empty */
    struct plan_range *range; /* [n_steps], of LINEAR and INPUT steps; ranges.c */
    struct plan_options options;
    unsigned k, k_out;                  /* as last scaled; 0 before plan_scale */
    bool whole_input[PLAN_MAX_TENSORS]; /* per input: whole numbers, each the row of a table */
    size_t n_samples;         /* synthetic or calibration inputs, and the float outputs for them */
    float *samples;           /* [sample][all inputs of a sample, in order] */
    float *sample_outputs;    /* [sample][all outputs of a sample], before the policy */
    struct packed **packed;   /* [n_steps]: LINEAR in the image layout; NULL: there is none */
    struct plan_notes *notes; /* per step: node names, error bound ...; for printing */
    double error_peak[PLAN_MAX_TENSORS];     /* per output: how far the error of one input goes
                                                beyond what is expected of all; 0 = not known */
    double observed_error[PLAN_MAX_TENSORS]; /* per output: the twin's largest on the samples, set
                                                by who ran it; 0 = not run */
};

/* Lowers the graph and measures ranges. *graph is borrowed for the call. The errors name the node.
 */
MUST_CHECK mp2ml_status plan_new(struct plan **out, const struct graph *graph,
                                 const struct plan_options *options, mp2ml_error *err);
/* All nodes that have no private form where they stand, in *refusals; then ERR_UNSUPPORTED. What is
 * to be revealed is no matter here. */
MUST_CHECK mp2ml_status plan_explain(struct graph_refusals *refusals, const struct graph *graph,
                                     mp2ml_error *err);
void plan_free(struct plan *plan);

/* Chooses scales for hidden rings of k bits and an opened (or argmax) ring of k_out bits, sets
 * every l, set, out_bits and scale, and quantises the matrices. Signs look at all bits. May be
 * called again. */
MUST_CHECK mp2ml_status plan_scale(struct plan *plan, unsigned k, unsigned k_out, mp2ml_error *err);
/* After plan_scale: whether all linear steps but those whose values are opened are of set S1. */
bool plan_fits_small_set(const struct plan *plan);
/* Whether the signs of step s may be blind: RELU, SIGN and MAX, unless what comes out is opened. */
bool plan_may_be_blind(const struct plan *plan, unsigned s);
/* 2^(blind-1) in real units: so near to 0 signs of step s may be wrong. */
double plan_blind_half(const struct plan *plan, unsigned s);
/* After plan_scale: lets the signs of each step s that may be blind look at the sign_bits[s]
 * highest bits only, or at all if there are fewer. */
void plan_set_sign_bits(struct plan *plan, const uint8_t *sign_bits);
/* After those two, before anything reads the expected error: the error of every step. */
MUST_CHECK mp2ml_status plan_error_model(struct plan *plan);
/* What the model says of output o: six deviations of its worst value, of the worst input where values
 * are multiplied, and what one wrong sign may add beside them. Real units. */
double plan_modelled_error(const struct plan *plan, unsigned o);
double plan_flip_error(const struct plan *plan, unsigned o);

/* The lowered network in floats: for tests and ranges. values[s] = [value][image] of step s. */
typedef int (*plan_visit)(void *context, unsigned step, const float *values, size_t images);
MUST_CHECK mp2ml_status plan_eval_float(const struct plan *plan, size_t images,
                                        const float *const *inputs, float *const *outputs,
                                        plan_visit visit, void *context);

/* ---- bytes --------------------------------------------------------------------------------- */

/* What the client may be asked to do. */
struct plan_limits {
    uint64_t max_values; /* of a value set, for one image: the reader knows no batch */
    uint64_t max_memory; /* bytes of all value sets, for one image */
    unsigned min_k, max_k, max_l;
    unsigned sets;     /* bit i = set with id i allowed */
    unsigned policies; /* bit i = policy i allowed; 0 = any */
};
void plan_limits_init(struct plan_limits *limits);

MUST_CHECK mp2ml_status plan_public_write(struct writer *w, const struct plan_public *pub);
/* Reads and checks everything: legal kinds, operands earlier than the step, counts that agree,
 * windows in range, k, l, sets within the limits, at least one output, and every linear step whose
 * values are opened, at once or behind non-linear steps, of set S2. */
MUST_CHECK mp2ml_status plan_public_read(struct plan_public *out, struct reader *r,
                                         const struct plan_limits *limits, mp2ml_error *err);
void plan_public_wipe(struct plan_public *pub);
/* Tensor descriptions alone, as HELLO_S carries them. */
void plan_tensors_write(struct writer *w, const struct plan_tensor *tensors, unsigned n);
MUST_CHECK mp2ml_status plan_tensors_read(struct plan_tensor *tensors, unsigned *n,
                                          struct reader *r);

/* Ciphertexts of one CT_IN and one CT_OUT frame, when `images` images are in the block (layout image:
 * in the group). */
size_t plan_ct_in_per_frame(const struct plan_step *step, size_t images);
size_t plan_ct_out_per_frame(const struct plan_step *step, size_t images);
/* Layout image: images whose ciphertexts travel and are held together; >= 1. */
size_t plan_image_group(const struct plan_step *step, size_t images);
/* Layout batch: CT_OUT frames whose c1' and b*u a server makes before it has the client's ciphertexts; >= 1. */
size_t plan_ct_out_ahead(const struct plan_step *step, size_t images);
/* The ring in which a PRODUCT or SQUARE reads its operand i. */
unsigned plan_factor_bits(const struct plan_public *pub, const struct plan_step *step, unsigned i);
/* Whether the client knows what this OUTPUT shows, so that nothing travels: it has no values and no
 * operand, or it shows an input as it is. */
static inline bool plan_output_is_known(const struct plan_public *pub, const struct plan_step *step)
{
    return step->n_operands == 0 || pub->steps[step->operands[0]].kind == STEP_INPUT;
}
/* Values per image that a LINEAR step reads: the sum of its operands' counts. */
size_t plan_step_inputs(const struct plan_public *pub, const struct plan_step *step);

/* ---- what would happen --------------------------------------------------------------------- */

/* Exact bytes (frame headers included) and flights of one step for a block of images. `plain` has
 * bit i set when input i travels in the clear. */
struct cost plan_step_cost(const struct plan *plan, unsigned step, size_t images, uint64_t plain,
                           struct ot_ledger *ledger);
/* Random transfers that a block of images takes, by direction of sending; known to both parties. */
void plan_transfers(const struct plan_public *pub, size_t images, uint64_t *from_server,
                    uint64_t *from_client);
/* One request of `images` images: blocks of PLAN_BLOCK_IMAGES, all steps; session set-up apart. */
struct cost plan_cost(const struct plan *plan, size_t images, uint64_t plain);
/* Text for people and JSON for programs; malloced. Both state per step and in total kind, counts,
 * bits, ciphertexts, bytes each way, flights, OTs, memory, expected error, and the leak table. */
struct plan_situation; /* choose.h: images, network, speeds */
MUST_CHECK mp2ml_status plan_print(char **out, const struct plan *plan,
                                   const struct plan_situation *situation);
MUST_CHECK mp2ml_status plan_json(char **out, const struct plan *plan,
                                  const struct plan_situation *situation);
/* Largest error of output o against the float model that is expected (those two, or double what the
 * twin has shown on the samples), in units of the values that are opened or compared. */
double plan_expected_error(const struct plan *plan, unsigned output);
/* The same of what the client makes of them: behind a softmax, sigmoid .. of all values, each off by so
 * much, the largest difference that is possible. */
double plan_stated_error(const struct plan *plan, unsigned output);

#include "plan/choose.h" /* the choice for one request; needs all of the above */

#endif
