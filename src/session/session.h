/* SPDX-License-Identifier: Apache-2.0
 *
 * session: from "connect" to "answered", and everything that include/mp2ml.h promises.
 *
 *   client                                          server
 *   handshake_client                                handshake_server
 *     HELLO_C  version, sets, k_ss, model, nonce -->
 *     <-- HELLO_S  sets, k_ss, policy, inputs, outputs, nonce      (or REFUSE)
 *     PK       b for every set                    -->
 *     BASE_OT, OT_SETUP                          <-->             ot_setup
 *   client_predict                                  serve_requests
 *     REQUEST  images, form of every input        -->
 *     <-- ACCEPT  images of a block, public plan                  (or REFUSE; none to "again")
 *     steps of every block                       <-->             run_block
 *   mp2ml_client_prepare, at any time between requests
 *     PREPARE  a shape, requests                  -->
 *     <-- ACCEPT if it is new, PREPARED  requests                 (or REFUSE)
 *     random transfers, linear steps             <-->             prepare_make
 *   mp2ml_client_free: closes                       the connection ends, the server goes on
 *
 * States of either side: NEW -> READY (after the handshake) -> READY after every request; any
 * failure
 * -> FAILED, in which every call answers ERR_FAILED and from which nothing returns: keys and pools
 * are wiped, one ABORT frame is tried, nothing is resent.
 *
 * Read in this order: this file, options.c, prepare.c, handshake.c, shapes.c, prepare_ahead.c,
 * client.c, server.c, receipt.c.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdio.h>
#include <sys/types.h>

#include "base/base.h"
#include "plan/plan.h"
#include "steps/steps.h"

#define SESSION_VERSION 5u
#define SESSION_MAX_HELLO 65536u
#define SESSION_MAX_ACCEPT 16777216u
#define SESSION_NONCE_BYTES 32

/* ---- options ------------------------------------------------------------------------------- */

#define OPTIONS_MAX_LIST 16

struct mp2ml_options {
    char *input_node[OPTIONS_MAX_LIST], *output_node[OPTIONS_MAX_LIST];
    size_t n_input_node, n_output_node;
    double low, high;
    enum plan_ranges ranges;
    char *calibration_path;
    char *classes;
    struct preprocess preprocess;
    bool preprocess_given, range_given;
    enum plan_policy policy;
    bool policy_given;
    unsigned top;             /* PLAN_TOP: how many */
    unsigned bits, sign_bits; /* k and bits of signs, 0 = auto */
    unsigned input_bits;      /* 0 = auto */
    unsigned k_ss;            /* 0 = auto */
    unsigned engine;          /* 0 = auto, 1 + enum mpc_engine */
    unsigned layout;          /* 0 = auto, 1 + enum plan_layout */
    bool hide_geometry;       /* never layout image */
    bool network_given;       /* the planner assumes `network`, else what it measures */
    struct network network;
    bool precompute;       /* client: prepare linear steps too */
    uint64_t max_prepared; /* server: requests of one PREPARE */
    bool simulate_network; /* client: its channel behaves like `simulated` */
    struct network simulated;
    unsigned threads; /* 0 = auto */
    uint64_t max_memory;
    uint16_t port;
    char *listen;
    char *tls_cert, *tls_key;
    bool tls, insecure;
    char *server_pin, *ca;
    unsigned timeout_s, connect_timeout_s;
    unsigned max_clients;
    uint64_t max_batch;
    char *model_name;
    char *require_reveal;       /* client: the only policy that it accepts, or NULL */
    char *trace;                /* file, or NULL */
    mp2ml_progress_fn progress; /* of loading a model; NULL: nobody */
    void *progress_context;
};
void options_init(struct mp2ml_options *o);
/* Where they cut a graph; borrows their texts. */
struct graph_cut options_cut(const struct mp2ml_options *o);
void options_wipe(struct mp2ml_options *o);
/* The numbers and switches of *o; all strings are NULL, so nothing is owned. */
struct mp2ml_options options_numbers(const struct mp2ml_options *o);
/* argmax, logits or top; "" for another number. */
const char *options_policy_name(unsigned policy);
/* Threads for kernels: what the option says, else all processors that this process may use, or half
 * of them where the peer needs the others. */
unsigned options_threads(const struct mp2ml_options *o, bool peer_is_here);

/* ---- classes ------------------------------------------------------------------------------- */

#define CLASS_NAMES_MAX 2000

struct class_names { /* of the last axis of output 0 */
    unsigned count;
    char **name;
};
/* One name a line. */
MUST_CHECK mp2ml_status class_names_read(struct class_names *names, const char *path,
                                         mp2ml_error *err);
void class_names_write(struct writer *w, const struct class_names *names);
MUST_CHECK mp2ml_status class_names_parse(struct class_names *names, struct reader *r);
void class_names_wipe(struct class_names *names);

/* ---- models -------------------------------------------------------------------------------- */

struct mp2ml_model {
    struct graph *graph;
    struct plan *plan;
    mp2ml_tensor inputs[PLAN_MAX_TENSORS], outputs[PLAN_MAX_TENSORS];
    unsigned sets;                   /* bit i: the plan uses set i */
    bool k_ss_by_link;               /* else as the plan says */
    struct plan_situation situation; /* what the options say of the choice of layout and engine */
    bool network_given;              /* by the options; else as measured */
    struct class_names classes;
};
/* Scales the plan for hidden rings of `bits`, or of the most that fit when it is 0, and for signs
 * of `sign_bits`, or of as few as keep the outputs nearly as good as exact signs do when it is 0.
 */
MUST_CHECK mp2ml_status choose_bits(struct plan *plan, unsigned bits, unsigned sign_bits,
                                    mp2ml_error *err);
#define TRIAL_CLASSES 4
struct trial_result {       /* the twin against the float model, on the plan's samples */
    size_t samples, values; /* of all outputs and samples */
    unsigned classes; /* of samples, from faint inputs to strong ones; 1 where samples are few */
    double lost[TRIAL_CLASSES]; /* estimated share of lost labels of output 0; 0 with policy top */
    double mean_square[TRIAL_CLASSES][PLAN_MAX_TENSORS]; /* error of each output */
    double largest[PLAN_MAX_TENSORS];                    /* of all samples */
    double range[PLAN_MAX_TENSORS]; /* largest - smallest value of the float model */
};
/* Runs the twin of the plan as scaled now. */
MUST_CHECK mp2ml_status trial_run(struct trial_result *result, const struct plan *plan,
                                  uint64_t seed);
/* Multiply-adds of one trial. */
uint64_t trial_products(const struct plan *plan);
/* The position of the largest of n >= 1 values, the first one at ties. */
size_t first_largest(const float *v, size_t n);
void tensor_describe(mp2ml_tensor *out, const struct plan_tensor *in);

/* ---- handshake ----------------------------------------------------------------------------- */

enum refusal { /* codes of a REFUSE frame; table in docs/wire-format.md */
               REFUSE_VERSION = 1,
               REFUSE_MODEL = 2,   /* no model of that name */
               REFUSE_OFFER = 3,   /* no common set or k_ss */
               REFUSE_BUSY = 4,    /* as many clients as allowed */
               REFUSE_REQUEST = 5, /* names or forms of inputs do not fit */
               REFUSE_IMAGES = 6   /* 0 images or more than the server takes */
};

/* What both sides have after the handshake. */
struct session {
    enum party party;
    struct link *link;
    struct prg *prg;
    struct ot *ot;
    struct mpc *mpc;
    struct run_keys keys;
    unsigned sets, k_ss;
    struct { /* server: for the planner */
        struct network network;
        double client_speed; /* as struct plan_situation has it */
    } measured;
};
/* The k_ss for a link: past about 2 Gbit/s fewer bytes cost more than they save. */
unsigned handshake_k_ss(const struct network *network);
/* Keeps the link. */
MUST_CHECK mp2ml_status session_new(struct session **out, enum party party, struct link *link);
void session_free(struct session *s);

struct hello { /* what the server tells */
    enum plan_policy policy;
    unsigned n_inputs, n_outputs;
    struct plan_tensor inputs[PLAN_MAX_TENSORS], outputs[PLAN_MAX_TENSORS];
    struct class_names classes; /* freed by the caller, also after a failure */
};
/* The client demands `policy` unless it is 0. Errors say what the server offered. */
MUST_CHECK mp2ml_status handshake_client(struct session *s, const char *model_name, unsigned policy,
                                         struct hello *hello, mp2ml_error *err);
MUST_CHECK mp2ml_status handshake_server(struct session *s, const struct mp2ml_model *model,
                                         const char *model_name);
MUST_CHECK mp2ml_status send_refusal(struct link *link, enum refusal code);
/* Reads a REFUSE body; returns ERR_REFUSED with the reason in words. */
mp2ml_status read_refusal(const uint8_t *body, size_t length, mp2ml_error *err);

/* REQUEST: what it says, on both sides. */
struct request {
    uint64_t images;
    uint64_t plain;    /* bit i: input i travels in the clear */
    bool again;        /* as an accepted one of this session: no ACCEPT comes */
    uint32_t item;     /* shapes_item of the prepared item that it uses, 0: none */
    bool prepare;      /* PREPARE, not REQUEST: */
    uint32_t requests; /* for so many of this shape */
    bool precompute;   /* their linear steps too */
};
MUST_CHECK mp2ml_status request_send(struct link *link, const struct request *request,
                                     const struct plan_tensor *inputs, unsigned n_inputs);
/* REQUEST or PREPARE. ERR_CLOSED when the client left instead. *refusal is not 0 when the answer must be a refusal. */
MUST_CHECK mp2ml_status request_recv(struct link *link, struct request *request,
                                     const struct plan_tensor *inputs, unsigned n_inputs,
                                     uint64_t max_images, enum refusal *refusal);

/* ---- shapes -------------------------------------------------------------------------------- */

/* Shapes of request that were accepted in a session, with their plans. Both parties add them in the
 * same order and drop the oldest without items, or else the oldest, so that they always agree on what
 * is there: a request of such a shape says "again", and the client goes on to the steps at once. Runs
 * are each party's own affair: they are kept while they fit the memory limit, without values. */
#define SESSION_SHAPES 4

struct shape {
    uint64_t images, plain;
    struct plan_public *pub;   /* owned; NULL: empty */
    size_t block;              /* images that go through the steps together */
    struct run *run;           /* owned; NULL: made when it is needed */
    struct precomputed *ahead; /* owned; NULL: nothing */
    uint64_t used;             /* items so far */
    uint64_t since;            /* the larger the younger */
};
struct shapes {
    struct shape at[SESSION_SHAPES];
    uint64_t accepted;      /* ever */
    uint64_t used, dropped; /* items used, and items that went without having been used */
    struct shape *last; /* server: of the last request that was served; NULL: another frame came */
    struct precomputed *idle; /* server: made for it while nothing arrived; owned, or NULL */
};
/* NULL when there is none. */
struct shape *shapes_find(struct shapes *shapes, const struct request *request);
/* Takes pub. A shape that is there already gets the new plan in its place; its items go. */
struct shape *shapes_add(struct shapes *shapes, const struct request *request,
                         struct plan_public *pub, size_t block);
/* Makes shape->run unless it is there. `plan` as run_new takes it. */
MUST_CHECK mp2ml_status shapes_run(struct shapes *shapes, struct shape *shape, struct session *s,
                                   const struct plan *plan, uint64_t max_memory);
/* The shape's items that are left, and the number by which a request names the next one, never 0. */
size_t shapes_items(const struct shape *shape);
uint32_t shapes_item(const struct shape *shape);
/* The run's next block takes that item. shapes_used, behind it: frees what no item needs. */
void shapes_use(struct shapes *shapes, struct shape *shape);
void shapes_used(struct shape *shape);
/* Items of the shape go unused. */
void shapes_drop_items(struct shapes *shapes, struct shape *shape);
/* Items of all shapes. */
uint64_t shapes_all_items(const struct shapes *shapes);
/* Bytes of all that was made ahead, with transfers in the pools; the same with kept runs. */
uint64_t shapes_ahead(const struct shapes *shapes);
uint64_t shapes_memory(const struct shapes *shapes, enum party party);
/* Kept runs go where `more` bytes would not fit beside them and what was made ahead. */
void shapes_make_room(struct shapes *shapes, enum party party, size_t more, uint64_t max_memory);
/* After a failure: plans stay for the receipt, memory of values goes. */
void shapes_drop_runs(struct shapes *shapes);
void shapes_wipe(struct shapes *shapes);

/* ---- ahead of time ------------------------------------------------------------------------- */

/* Bytes in the pools of the transfers of so many requests; UINT64_MAX on overflow. */
uint64_t prepare_transfer_bytes(const struct shape *shape, size_t requests);
/* Of the shape's items, those that stay when others are made: of the same kind. */
size_t prepare_kept(const struct shape *shape, bool precompute);
/* How many items more, at most `more`, this party has the memory to make beside those of all shapes,
 * the pools and the largest run. */
size_t prepare_limit(const struct shapes *shapes, const struct shape *shape, enum party party,
                     size_t more, bool precompute, uint64_t max_memory);
/* The same for a server that was asked for so many in all: by its limits. A client which has work
 * thrown away gets no more of it. */
size_t prepare_grant(const struct shapes *shapes, const struct shape *shape,
                     const struct request *request, const struct mp2ml_options *o);
/* Both parties: so many items more, behind those that stay, and random transfers for the items of all
 * shapes. 0: nothing changes. Returns when both parties are done. */
MUST_CHECK mp2ml_status prepare_make(struct shapes *shapes, struct shape *shape, struct session *s,
                                     const struct plan *plan, size_t more, bool precompute,
                                     uint64_t max_memory);
/* Server, before it waits for a frame: halves of one more request of shapes->last, without a message,
 * within the memory limit, until something arrives. Nothing where the client is quick or the shape has
 * items. */
MUST_CHECK mp2ml_status prepare_idle(struct shapes *shapes, struct session *s, uint64_t max_memory);
/* The request that came: its run takes them where they are for just this, else they are wiped. True
 * when it does. */
bool prepare_idle_use(struct shapes *shapes, struct shape *shape);
/* After the request, and before whatever is not this request. */
void prepare_idle_drop(struct shapes *shapes);
/* PREPARED: items that follow. */
MUST_CHECK mp2ml_status prepare_answer_send(struct link *link, size_t more, bool precompute);
/* ERR_PROTOCOL for more than was asked for, with those that stay. */
MUST_CHECK mp2ml_status prepare_answer_recv(struct link *link, const struct request *asked,
                                            const struct shape *shape, size_t *more);

/* ---- sides --------------------------------------------------------------------------------- */

struct serve_counts {
    uint64_t images;
    uint64_t plain_requests; /* with an input in the clear */
    uint64_t prepared;       /* items made */
    uint64_t idle;           /* requests that found halves made while nothing arrived */
};
/* All requests of one connection, until the client leaves (OK) or something fails. */
mp2ml_status serve_connection(struct channel *channel, const struct mp2ml_model *model,
                              const struct mp2ml_options *options, struct serve_counts *counts);
/* The same after the handshake. */
mp2ml_status serve_requests(struct session *s, const struct mp2ml_model *model,
                            const struct mp2ml_options *options, struct serve_counts *counts);

/* A client over a channel that is connected already (and then owned), for tests and in-process use.
 */
MUST_CHECK mp2ml_status client_over_channel(mp2ml_client **out, struct channel *channel,
                                            const struct mp2ml_options *options, mp2ml_error *err);

struct mp2ml_client {
    struct mp2ml_options options; /* numbers only */
    char peer[300];
    struct channel *channel;
    pid_t owner; /* a forked child must not go on: both would use the same keys and counters */
    struct link *link;
    struct session *session;
    bool failed;
    struct hello hello;
    mp2ml_tensor inputs[PLAN_MAX_TENSORS], outputs[PLAN_MAX_TENSORS];
    uint64_t plain, plain_sent; /* inputs to send in the clear; inputs that ever were */
    mp2ml_progress_fn progress;
    void *progress_context;
    double fraction_base, fraction_scale, fraction; /* of the current call */
    mp2ml_stats stats;
    struct trace_file *trace_file; /* NULL unless asked for; then trace too */
    struct trace *trace;
    bool tls;
    unsigned sets, k_ss; /* as agreed, for the receipt */
    bool saw_geometry;   /* some plan had steps in the layout image */
    struct shapes shapes;
    const struct plan_public *last_plan; /* the last one in use, for the receipt; of a shape */
    char simulated_network[48], simulated_text[96]; /* for mp2ml_stats */
};

/* Time that this machine takes / time that the cost functions state, by a short measurement; a value
 * from 0.05 to 50. */
double probe_speed(void);
/* Seconds of a clock that never goes back. */
double session_seconds(void);
/* Description of what was agreed and could be learned; malloced JSON. */
MUST_CHECK mp2ml_status receipt_json(char **out, const struct mp2ml_client *client);

#endif
