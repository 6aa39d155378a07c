/* SPDX-License-Identifier: Apache-2.0
 *
 * steps: the kinds of step, each in one file with its client half, its server half and the same
 * step in the clear (its twin).
 *
 *   step_input.c    quantise; a plain input travels here
 *   step_linear.c   encrypt, multiply, switch, decode; its twin in step_linear_clear.c; the same
 *                   in the layout image in step_linear_image.c
 *   precompute.c    linear steps or their halves made ahead of a request, and what is left of them in
 *                   it
 *   step_nonlinear.c ReLU, sign, re-entry, max, argmax, products on shares
 *   step_output.c   open to the client, turn into floats, softmax and what else may end a network
 *
 * A *run* is one party's state while a session computes. run_block takes one block of at most
 * PLAN_BLOCK_IMAGES images through all steps. Value sets are [value][image]; at the client and at
 * the server they hold shares, in the clear run the values. No step allocates: run_new makes one
 * arena, in which every value set has its place from the step that makes it to the last that reads
 * it (value_memory.c).
 *
 * The clear run (run_clear) is the fixed-point result of the same plan without cryptography, with
 * the protocol's noise from a seeded model: the expected value in nearly all tests. */
#ifndef STEPS_STEPS_H
#define STEPS_STEPS_H

#include "ckks/ckks.h"
#include "crypto/crypto.h"
#include "mpc/mpc.h"
#include "net/net.h"
#include "ot/ot.h"
#include "plan/plan.h"

#define STEPS_SETS 3 /* index = set id; 0 unused */

/* What a session has made before any block; borrowed by the run. */
struct run_keys {
    struct ckks *ckks[STEPS_SETS];
    struct ckks_secret *secret[STEPS_SETS]; /* client */
    struct ckks_public_key *pk[STEPS_SETS]; /* server */
    struct xof *c1_stream[STEPS_SETS];
    uint64_t c1_counter[STEPS_SETS]; /* next block of the stream; never goes back in a session */
};

struct precomputed; /* linear steps of requests to come */

typedef void (*run_progress)(void *context, double fraction_of_block);

struct run {
    enum party party;
    struct link *link;
    struct trace *trace; /* of the link */
    struct mpc *mpc;
    struct prg *prg;
    struct run_keys *keys;
    const struct plan_public *pub;
    const struct linear *linear;     /* [n_steps]; NULL at the client */
    struct row_map *rows;            /* [n_steps]; server: which group holds an output */
    struct image_map *maps;          /* [n_steps], LINEAR in the layout image: where values lie */
    const struct ckks_image **polys; /* [n_steps], server: what they are multiplied by */
    uint64_t plain;                  /* bit i: input i travels in the clear */
    size_t max_images;
    struct arena *arena;
    uint8_t *region; /* of all value sets */
    size_t region_bytes;
    uint64_t **values;          /* [n_steps], valid while the step is alive */
    size_t images;              /* of the current block */
    struct precomputed *ahead;  /* its linear steps are there already; else NULL. Not owned */
    size_t item;                /* which of them */
    bool idle;                  /* works only until something arrives: step_interrupted */
    bool interrupted;           /* something did; what was being made is not complete */
    const float *const *inputs; /* client: [tensor] -> [image][count] of this block */
    float *const *outputs;      /* client: [tensor] -> [image][count] */
    run_progress progress;
    void *progress_context;
#ifdef MP2ML_TEST_HOOKS
    /* Sees this party's shares after every step. */
    void (*tap)(void *context, const struct run *run, unsigned step);
    void *tap_context;
    bool no_masks; /* control: the server's masks r are zero */
    unsigned late; /* pieces of idle work begun after something was seen to arrive */
#endif
};

/* Work memory for blocks of up to max_images images; the first run of a model in the layout image
 * also makes its polynomials. All pointers are kept, none owned. `plan`, the server's own, is NULL at
 * the client; its public part may differ from pub in layouts and engines. */
MUST_CHECK mp2ml_status run_new(struct run **out, enum party party, struct link *link,
                                struct mpc *mpc, struct prg *g, struct run_keys *keys,
                                const struct plan_public *pub, const struct plan *plan,
                                uint64_t plain, size_t max_images);
void run_free(struct run *run);
/* One block through all steps. inputs and outputs: client only, NULL at the server. */
MUST_CHECK mp2ml_status run_block(struct run *run, size_t images, const float *const *inputs,
                                  float *const *outputs);
/* Wipes the values of the last block, which a run that waits for more work need not keep. */
void run_forget(struct run *run);
/* Bytes that run_new allocates, for plans and limits; SIZE_MAX on overflow. */
size_t run_memory(const struct plan_public *pub, enum party party, uint64_t plain, size_t images);

/* ---- ahead of time ------------------------------------------------------------------------- */

/* Makes ahead what `items` requests of `images` images need of linear steps, through `run`, which is
 * only used for the call. Both parties make the same call. linear: whole steps, in one batch, for
 * which run has room for images*items; but for those that read inputs in the clear alone, and those
 * whose values are opened. Of the others, or of all: halves that need no message; the server sends a
 * PREPARED behind each, the client waits for it. Bytes of precompute_memory. Keeps run->pub. */
MUST_CHECK mp2ml_status precompute_new(struct precomputed **out, struct run *run, size_t images,
                                       size_t items, bool linear);
/* Server, alone, while nothing arrives: halves of the steps of the next request of `images` images,
 * from the first step on, as many as fit budget bytes and get ready before something does. They belong
 * to the blocks of c1 that come next, which stay next: none is taken before precompute_use. *out is
 * NULL where no step got ready. Keeps run->pub. */
MUST_CHECK mp2ml_status precompute_idle(struct precomputed **out, struct run *run, size_t images,
                                        size_t budget);
/* Whether the blocks of c1 that they belong to are still the next ones. */
bool precompute_idle_fits(const struct precomputed *p, const struct run *run);
/* Frees a list, as those that follow take one, NULL for an empty one. */
void precompute_free(struct precomputed *p);
/* Takes `more`, whose items come last; *list may be NULL. */
void precompute_append(struct precomputed **list, struct precomputed *more);
/* Frees what is used from the start on. No run may use it any more. */
void precompute_trim(struct precomputed **list);
size_t precompute_bytes(const struct precomputed *p);
bool precompute_linear(const struct precomputed *p); /* as the first was made; not of NULL */
size_t precompute_memory(const struct plan_public *pub, enum party party, uint64_t plain,
                         size_t images, size_t items, bool linear); /* SIZE_MAX on overflow */
/* The whole step is there. */
bool precompute_has(const struct precomputed *p, unsigned step);
/* Items not used yet. */
size_t precompute_left(const struct precomputed *p);
/* A body of PREPARED (docs/wire-format.md). */
#define PREPARED_BYTES 5
void precompute_told_write(uint8_t body[PREPARED_BYTES], size_t items, bool linear);
/* There is an item left. Marks the next one as used and lets the run's next block, of its images, take it: run->ahead is
 * for the caller to reset. Its words are wiped as they serve. */
void precompute_use(struct precomputed *p, struct run *run);
#ifdef MP2ML_TEST_HOOKS
/* Control: every use from now on is of item 0, as often as there are items, and again after another call.
 * Both parties must do the same. */
void precompute_reuse(struct precomputed *p);
#endif

/* The whole plan in the clear: inputs[t] = [image][count], outputs[t] likewise. `noise` false gives
 * exact rounding instead of the model. `visit` (may be NULL) sees every step's values
 * [value][image]. */
typedef int (*run_visit)(void *context, unsigned step, const uint64_t *values, size_t images);
MUST_CHECK mp2ml_status run_clear(const struct plan *plan, size_t images,
                                  const float *const *inputs, float *const *outputs, bool noise,
                                  uint64_t seed, run_visit visit, void *context);

/* Client: checks a tensor against its description: ERR_INPUT for NaN, Inf or a value outside of the
 * declared range, naming sample, value and range, and the server's flag that changes it. */
MUST_CHECK mp2ml_status input_check(const struct plan_tensor *tensor, const float *values,
                                    size_t images, mp2ml_error *err);

/* ---- inside the folder --------------------------------------------------------------------- */

#define ROW_MAP_ROWS 64u
struct row_map { /* output -> group and row */
    uint32_t *group, *row;
    int16_t *some; /* room for so many rows of a group that has not all columns of its block */
};

/* The places of a packing by ciphertext: those of ciphertext c of an image are first[c] to
 * first[c + 1] - 1, by coefficient. */
struct image_places {
    uint32_t *first;       /* [cts + 1] */
    uint32_t *value;       /* [places] */
    uint16_t *coefficient; /* [places] */
};
struct image_map {
    struct image_places in, out;
    uint64_t *bias; /* server: [outputs], in the order of out */
};

struct clear_run {
    const struct plan *plan;
    size_t images;
    const float *const *inputs;
    float *const *outputs;
    uint64_t **values;
    struct ckks_noise_model noise;
    bool with_noise;
};

typedef mp2ml_status (*step_half)(struct run *run, unsigned step);
typedef mp2ml_status (*step_clear)(struct clear_run *run, unsigned step);

mp2ml_status step_input_client(struct run *run, unsigned step);
mp2ml_status step_input_server(struct run *run, unsigned step);
mp2ml_status step_input_clear(struct clear_run *run, unsigned step);

mp2ml_status step_linear_client(struct run *run, unsigned step);
mp2ml_status step_linear_server(struct run *run, unsigned step);
mp2ml_status step_linear_clear(struct clear_run *run, unsigned step);
/* Arena bytes of the linear step's halves beside the value sets. */
size_t step_linear_scratch(const struct plan_public *pub, const struct plan_step *step,
                           enum party party, uint64_t plain, size_t images);
/* out = round(2^(k-l) * (W x + bias)) mod 2^k in exact integers, x[inputs][images] mod 2^l.
 * CT: leaks nothing but the shape of W. */
void step_linear_multiply(uint64_t *out, const struct linear *lin, const struct plan_step *step,
                          const uint64_t *x, size_t images, bool with_bias);
/* The halves of a linear step that was made ahead. */
mp2ml_status step_masked_client(struct run *run, unsigned step);
mp2ml_status step_masked_server(struct run *run, unsigned step);
size_t step_masked_scratch(const struct plan_public *pub, const struct plan_step *step,
                           size_t images);
/* The halves of a step, made now: encryptions of zero [input][primes][images]; c1' [output][N] and b*u
 * [output][primes][images]. Layout image: [image*in_cts + ct][primes][N]; [image*out_cts + ct][N] and b*u
 * as ckks_image_pick leaves it. The c1 halves may be interrupted. */
mp2ml_status step_linear_zeros(struct run *run, unsigned step, uint64_t *zeros);
mp2ml_status step_linear_c1_halves(struct run *run, unsigned step, uint64_t *c1s, uint64_t *bu);
/* The same of the item that this block uses, which the step wipes as it goes; NULL, false: none. */
uint64_t *precompute_zeros(const struct run *run, unsigned step);
bool precompute_c1(const struct run *run, unsigned step, uint64_t **c1s, uint64_t **bu);
/* c1 of the next `count` blocks. May be interrupted. */
MUST_CHECK mp2ml_status step_expand_c1(struct run *run, unsigned set, uint64_t *c1, size_t count);
/* Idle work asks step_interrupted before every piece of IDLE_PIECE ciphertexts (well below a
 * millisecond), other work never is and has one piece. */
#define IDLE_PIECE 2
bool step_interrupted(struct run *run);
size_t step_piece(struct run *run, size_t left);
/* step_linear_image.c: the halves of a linear step in that layout whose operands are encrypted. */
mp2ml_status step_image_client(struct run *run, unsigned step);
mp2ml_status step_image_server(struct run *run, unsigned step);
mp2ml_status step_image_zeros(struct run *run, unsigned step, uint64_t *zeros);
mp2ml_status step_image_c1_halves(struct run *run, unsigned step, uint64_t *c1s, uint64_t *picked);
size_t step_image_scratch(const struct plan_public *pub, const struct plan_step *step,
                          enum party party, size_t images);
/* The map's arrays come from the arena (step_image_map_need bytes) and stay for the run's life; bias of
 * `lin`, NULL at the client. */
size_t step_image_map_need(const struct plan_step *step, enum party party);
/* Arena bytes that taking a map needs beside it for a moment. */
size_t step_image_map_scratch(const struct plan_step *step);
MUST_CHECK mp2ml_status step_image_map_take(struct image_map *map, struct arena *arena,
                                            const struct plan_step *step, const struct linear *lin);
/* Uniform k-bit masks r, and this party's share -r. */
MUST_CHECK mp2ml_status step_draw_masks(struct run *run, uint64_t *r, uint64_t *share, size_t n,
                                        unsigned k);
MUST_CHECK mp2ml_status row_map_new(struct row_map *map, const struct linear *lin);
void row_map_wipe(struct row_map *map);

/* Both parties do the same on shares. */
mp2ml_status step_relu(struct run *run, unsigned step);
mp2ml_status step_relu_clear(struct clear_run *run, unsigned step);
mp2ml_status step_sign(struct run *run, unsigned step);
mp2ml_status step_sign_clear(struct clear_run *run, unsigned step);
mp2ml_status step_reentry(struct run *run, unsigned step);
mp2ml_status step_reentry_clear(struct clear_run *run, unsigned step);
mp2ml_status step_max(struct run *run, unsigned step);
mp2ml_status step_max_clear(struct clear_run *run, unsigned step);
mp2ml_status step_argmax(struct run *run, unsigned step);
mp2ml_status step_argmax_clear(struct clear_run *run, unsigned step);
mp2ml_status step_product(struct run *run, unsigned step); /* and SQUARE */
mp2ml_status step_product_clear(struct clear_run *run, unsigned step);
mp2ml_status step_sum(struct run *run, unsigned step);
mp2ml_status step_sum_clear(struct clear_run *run, unsigned step);
size_t step_nonlinear_scratch(const struct plan_step *step, size_t images);

mp2ml_status step_output_client(struct run *run, unsigned step);
mp2ml_status step_output_server(struct run *run, unsigned step);
mp2ml_status step_output_clear(struct clear_run *run, unsigned step);

/* Copies `count` values from `first` on of the concatenated operands of a step, each times its
 * 2^shift, reduced mod 2^bits. */
void gather_operands(uint64_t *out, const struct plan_public *pub, const struct plan_step *step,
                     uint64_t *const *values, size_t first, size_t count, size_t images,
                     unsigned bits);
/* True when every operand of the step is an input in the clear. */
bool step_is_plain(const struct plan_public *pub, const struct plan_step *step, uint64_t plain);
mp2ml_status run_step(struct run *run, unsigned step);
void step_report(struct run *run, unsigned step, double fraction_of_step);

#endif
