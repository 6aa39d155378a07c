/* SPDX-License-Identifier: Apache-2.0
 *
 * Options: one table that flags, help and Python's keyword arguments all come from. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

struct option_row {
    mp2ml_option_info info;
    mp2ml_status (*set)(struct mp2ml_options *o, const char *value, mp2ml_error *err);
};

/* ---- setters ------------------------------------------------------------------------------- */

static mp2ml_status set_string(char **field, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return MP2ML_ERR_MEMORY;
    free(*field);
    *field = copy;
    return MP2ML_OK;
}

static mp2ml_status add_string(char **list, size_t *n, const char *value, const char *name,
                               mp2ml_error *err)
{
    if (*n == OPTIONS_MAX_LIST)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "--%s: at most %d", name, OPTIONS_MAX_LIST);
    list[*n] = NULL;
    TRY(set_string(&list[*n], value));
    ++*n;
    return MP2ML_OK;
}

static mp2ml_status parse_number(uint64_t *out, const char *value, uint64_t low, uint64_t high,
                                 const char *name, mp2ml_error *err)
{
    char *end = NULL;
    errno = 0;
    unsigned long long v = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
    if (!end || *end != '\0' || errno || v < low || v > high)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--%s takes a whole number from %llu to %llu, not '%s'", name,
                           (unsigned long long)low, (unsigned long long)high, value);
    *out = v;
    return MP2ML_OK;
}

static mp2ml_status set_unsigned(unsigned *out, const char *value, unsigned low, unsigned high,
                                 const char *name, mp2ml_error *err)
{
    uint64_t v = 0;
    TRY(parse_number(&v, value, low, high, name, err));
    *out = (unsigned)v;
    return MP2ML_OK;
}

static mp2ml_status set_switch(bool *out, const char *value, const char *name, mp2ml_error *err)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return status_fail(err, MP2ML_ERR_ARGUMENT, "--%s is a switch: 0 or 1, not '%s'", name,
                           value);
    *out = value[0] == '1';
    return MP2ML_OK;
}

static mp2ml_status set_input_node(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return add_string(o->input_node, &o->n_input_node, v, "input-node", err);
}

static mp2ml_status set_output_node(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return add_string(o->output_node, &o->n_output_node, v, "output-node", err);
}

static mp2ml_status set_input_range(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    char *end = NULL, *end2 = NULL;
    double low = strtod(v, &end), high = 0;
    if (end != v && *end == ':')
        high = strtod(end + 1, &end2);
    if (!end2 || end2 == end + 1 || *end2 != '\0' || !isfinite(low) || !isfinite(high) ||
        low >= high)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--input-range takes LOW:HIGH with LOW < HIGH, for example 0:1 or "
                           "0:255, not '%s'",
                           v);
    o->range_given = true;
    o->low = low;
    o->high = high;
    return MP2ML_OK;
}

static mp2ml_status set_preprocess(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    o->preprocess_given = true;
    return preprocess_parse(&o->preprocess, v, err);
}

static mp2ml_status set_ranges(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    if (strcmp(v, "auto") == 0 || strcmp(v, "strict") == 0) {
        o->ranges = v[0] == 'a' ? PLAN_RANGES_AUTO : PLAN_RANGES_STRICT;
        return MP2ML_OK;
    }
    if (strncmp(v, "calibrated:", 11) == 0 && v[11] != '\0') {
        o->ranges = PLAN_RANGES_CALIBRATED;
        return set_string(&o->calibration_path, v + 11);
    }
    return status_fail(err, MP2ML_ERR_ARGUMENT,
                       "--ranges takes auto, strict or calibrated:FILE, not '%s'", v);
}

static mp2ml_status set_reveal(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    o->top = 0;
    if (strcmp(v, "argmax") == 0)
        o->policy = PLAN_ARGMAX;
    else if (strcmp(v, "logits") == 0)
        o->policy = PLAN_LOGITS;
    else if (strncmp(v, "top:", 4) == 0)
        o->policy = PLAN_TOP;
    else
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--reveal takes argmax, top:J or logits, not '%s'", v);
    if (o->policy == PLAN_TOP)
        TRY(set_unsigned(&o->top, v + 4, 1, MPC_MAX_TOP, "reveal top", err));
    o->policy_given = true;
    return MP2ML_OK;
}

static mp2ml_status set_require_reveal(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    if (strcmp(v, "argmax") != 0 && strcmp(v, "top") != 0 && strcmp(v, "logits") != 0)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--require-reveal takes argmax, top or logits, not '%s'", v);
    return set_string(&o->require_reveal, v);
}

static mp2ml_status set_bits(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    if (strcmp(v, "auto") == 0) {
        o->bits = 0;
        return MP2ML_OK;
    }
    return set_unsigned(&o->bits, v, 10, 20, "bits", err);
}

static mp2ml_status set_sign_bits(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    if (strcmp(v, "auto") == 0) {
        o->sign_bits = 0;
        return MP2ML_OK;
    }
    return set_unsigned(&o->sign_bits, v, PLAN_MIN_SIGN_BITS, 20, "sign-bits", err);
}

static mp2ml_status set_input_bits(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    if (strcmp(v, "auto") == 0) {
        o->input_bits = 0;
        return MP2ML_OK;
    }
    return set_unsigned(&o->input_bits, v, 2, PLAN_MOST_INPUT_BITS, "input-bits", err);
}

static mp2ml_status set_k_ss(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    static const char *const names[] = {"auto", "2", "4", "8"};
    static const unsigned values[] = {0, 2, 4, 8};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(v, names[i]) == 0) {
            o->k_ss = values[i];
            return MP2ML_OK;
        }
    return status_fail(err, MP2ML_ERR_ARGUMENT, "--k-ss takes auto, 2, 4 or 8, not '%s'", v);
}

/* One of the names; its place is the value. */
static mp2ml_status set_name(unsigned *out, const char *v, const char *const *names, size_t n,
                             const char *name, const char *takes, mp2ml_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v, names[i]) == 0) {
            *out = (unsigned)i;
            return MP2ML_OK;
        }
    return status_fail(err, MP2ML_ERR_ARGUMENT, "--%s takes %s, not '%s'", name, takes, v);
}

static mp2ml_status set_nonlinear(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    static const char *const names[] = {"auto", "gmw", "yao"};
    return set_name(&o->engine, v, names, 3, "nonlinear", "auto, gmw or yao", err);
}

static mp2ml_status set_layout(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    static const char *const names[] = {"auto", "batch", "image"};
    return set_name(&o->layout, v, names, 3, "layout", "auto, batch or image", err);
}

static mp2ml_status set_hide_geometry(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_switch(&o->hide_geometry, v, "hide-geometry", err);
}

static mp2ml_status set_network(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    TRY(network_parse(&o->network, v, "network", err));
    o->network_given = true;
    return MP2ML_OK;
}

static mp2ml_status set_simulate_network(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    TRY(network_parse(&o->simulated, v, "simulate-network", err));
    o->simulate_network = true;
    return MP2ML_OK;
}

static mp2ml_status set_precompute(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_switch(&o->precompute, v, "precompute", err);
}

static mp2ml_status set_max_prepared(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return parse_number(&o->max_prepared, v, 0, 1000000, "max-prepared", err);
}

static mp2ml_status set_threads(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_unsigned(&o->threads, v, 0, 1024, "threads", err);
}

static mp2ml_status set_max_memory(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    char *end = NULL;
    double size = strtod(v, &end);
    double unit = 1;
    if (end != v && *end != '\0') {
        const char *units = "KMGT", *u = strchr(units, toupper((unsigned char)*end));
        if (u) {
            unit = pow(1024, (double)(u - units + 1));
            end++;
        }
        if (*end == 'i')
            end++;
        if (*end == 'B')
            end++;
    }
    if (end == v || *end != '\0' || !(size * unit >= 1048576.0) || size * unit > 1e15)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--max-memory takes a size such as 512M or 4G, not '%s'", v);
    o->max_memory = (uint64_t)(size * unit);
    return MP2ML_OK;
}

static mp2ml_status set_port(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    unsigned port = 0;
    TRY(set_unsigned(&port, v, 0, 65535, "port", err));
    o->port = (uint16_t)port;
    return MP2ML_OK;
}

#define STRING_SETTER(field)                                                                       \
    static mp2ml_status set_##field(struct mp2ml_options *o, const char *v, mp2ml_error *err)      \
    {                                                                                              \
        (void)err;                                                                                 \
        return set_string(&o->field, v);                                                           \
    }
STRING_SETTER(listen)
STRING_SETTER(tls_cert)
STRING_SETTER(tls_key)
STRING_SETTER(ca)
STRING_SETTER(classes)
STRING_SETTER(model_name)
STRING_SETTER(trace)

static mp2ml_status set_server_pin(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    size_t n = strspn(v, "0123456789abcdefABCDEF");
    if (n != 2 * TLS_PIN_BYTES || v[n] != '\0')
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--server-pin takes the 64 hex digits that the server prints");
    return set_string(&o->server_pin, v);
}

static mp2ml_status set_tls(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_switch(&o->tls, v, "tls", err);
}

static mp2ml_status set_insecure(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_switch(&o->insecure, v, "insecure-transport", err);
}

static mp2ml_status set_timeout(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_unsigned(&o->timeout_s, v, 1, 86400, "timeout", err);
}

static mp2ml_status set_connect_timeout(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_unsigned(&o->connect_timeout_s, v, 0, 86400, "connect-timeout", err);
}

static mp2ml_status set_max_clients(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return set_unsigned(&o->max_clients, v, 1, 1024, "max-clients", err);
}

static mp2ml_status set_max_batch(struct mp2ml_options *o, const char *v, mp2ml_error *err)
{
    return parse_number(&o->max_batch, v, 1, 1000000000, "max-batch", err);
}

/* ---- the table ----------------------------------------------------------------------------- */

#define M MP2ML_FOR_MODEL
#define S MP2ML_FOR_SERVER
#define C MP2ML_FOR_CLIENT

static const struct option_row option_table[] = {
    {{"port", "PORT", "34000", "port to listen on; 0 takes any free one", S, 0}, set_port},
    {{"listen", "ADDR", "127.0.0.1", "address to listen on", S, 0}, set_listen},
    {{"reveal", "POLICY", "argmax for vectors",
      "what the client learns: argmax (the label), top:J (the J best labels, in order) or logits "
      "(the output values)",
      M, 0},
     set_reveal},
    {{"input-node", "NAME[:SHAPE]", NULL,
      "take this node as input, for example conv1/Relu:14,14,32", M, 1},
     set_input_node},
    {{"output-node", "NAME", NULL, "take this node as output", M, 1}, set_output_node},
    {{"input-range", "LOW:HIGH", "0:1",
      "range of the values that clients send; rows of a table that are looked up have theirs", M,
      0},
     set_input_range},
    {{"preprocess", "SPEC", NULL,
      "do (x*scale - mean)/std here, so that clients send raw values: "
      "scale=1/255,mean=M[,M...],std=S[,S...]; the range becomes 0:1/scale unless it is given",
      M, 0},
     set_preprocess},
    {{"ranges", "MODE", "auto",
      "how large activations may get: auto (synthetic inputs, times 2), strict (proven) or "
      "calibrated:FILE (own inputs, .npy or CSV, times 1.5)",
      M, 0},
     set_ranges},
    {{"classes", "FILE", NULL, "text file with one class name a line, which clients print", M, 0},
     set_classes},
    {{"input-bits", "B", "auto",
      "bits of an input without sign, 2 to 16; auto takes 16, or 8 where so many do not fit", M, 0},
     set_input_bits},
    {{"bits", "K", "auto",
      "ring of hidden activations, 10 to 20 bits; auto takes 18, or the most that fit", M, 0},
     set_bits},
    {{"sign-bits", "B", "auto",
      "highest bits that the sign of a ReLU, Sign or maximum looks at, 4 to 20; auto takes, step "
      "by "
      "step, "
      "the fewest that keep labels and values nearly as good as exact signs do; 20: exact signs",
      M, 0},
     set_sign_bits},
    {{"k-ss", "K", "auto",
      "oblivious transfer: 2, 4 or 8; more means fewer bytes and more work; auto: 4 for clients on "
      "this machine, 8 over a network",
      M, 0},
     set_k_ss},
    {{"nonlinear", "ENGINE", "auto",
      "engine of the non-linear steps: gmw (few bytes, many flights), yao (two flights) or auto, "
      "whichever is faster",
      M, 0},
     set_nonlinear},
    {{"layout", "LAYOUT", "auto",
      "layout of ciphertexts: batch (a value of every image), image (the values of an image) or "
      "auto, whichever is faster",
      M, 0},
     set_layout},
    {{"hide-geometry", NULL, NULL,
      "never use the layout image, which shows clients the geometry of kernels", M, 0},
     set_hide_geometry},
    {{"network", "LINK", "as measured",
      "the link to plan for: loopback, lan, wan, fibre, cable or RTT:RATE such as 40ms:100mbit", M,
      0},
     set_network},
    {{"simulate-network", "LINK", NULL,
      "behave as over this link: loopback, lan, wan, fibre, cable or RTT:RATE", C, 0},
     set_simulate_network},
    {{"precompute", NULL, NULL,
      "where work is done ahead, do the linear steps of the requests ahead too", C, 0},
     set_precompute},
    {{"max-prepared", "N", "64",
      "requests for which a client may have work done ahead at a time, of all sizes together", S,
      0},
     set_max_prepared},
    {{"threads", "N", "all processors",
      "threads of the kernels; half the processors if the peer is on this machine", S | C, 0},
     set_threads},
    {{"max-memory", "SIZE", "4G",
      "limit for the work memory of one session, and for the weights of a model in the layout "
      "image",
      S | C, 0},
     set_max_memory},
    {{"max-batch", "N", "1000000", "largest number of images in one request", S, 0}, set_max_batch},
    {{"max-clients", "N", "16", "clients served at the same time", S, 0}, set_max_clients},
    {{"model-name", "NAME", NULL, "name of the model, where the client must ask for it", S | C, 0},
     set_model_name},
    {{"tls-cert", "FILE", NULL, "PEM certificate of the server; with --tls-key", S, 0},
     set_tls_cert},
    {{"tls-key", "FILE", NULL, "PEM key of the server; with --tls-cert", S, 0}, set_tls_key},
    {{"tls", NULL, NULL, "connect by TLS 1.3 (implied by --server-pin and --ca)", C, 0}, set_tls},
    {{"server-pin", "HEX", NULL, "accept only the server with this public key", C, 0},
     set_server_pin},
    {{"ca", "FILE", NULL, "accept servers with a certificate of this authority (PEM)", C, 0},
     set_ca},
    {{"insecure-transport", NULL, NULL,
      "allow addresses that are not loopback without TLS; log and receipt say so", S | C, 0},
     set_insecure},
    {{"require-reveal", "POLICY", NULL, "refuse servers with another policy: argmax, top or logits",
      C, 0},
     set_require_reveal},
    {{"timeout", "SECONDS", "120",
      "give up when nothing moved for so long; a server also between the requests of a client, "
      "with all that was prepared for them",
      S | C, 0},
     set_timeout},
    {{"trace", "FILE", NULL,
      "write what this party does when, for Perfetto (Chrome's JSON); docs/performance.md reads "
      "one",
      S | C, 0},
     set_trace},
    {{"connect-timeout", "SECONDS", "5", "keep trying to connect for so long", C, 0},
     set_connect_timeout},
};

const mp2ml_option_info *mp2ml_option(size_t i)
{
    return i < sizeof(option_table) / sizeof(option_table[0]) ? &option_table[i].info : NULL;
}

mp2ml_status mp2ml_options_set(mp2ml_options *options, const char *name, const char *value,
                               mp2ml_error *error)
{
    for (size_t i = 0; i < sizeof(option_table) / sizeof(option_table[0]); i++)
        if (strcmp(option_table[i].info.name, name) == 0)
            return option_table[i].set(options, value, error);
    return status_fail(error, MP2ML_ERR_ARGUMENT, "there is no option '%s'", name);
}

const char *options_policy_name(unsigned policy)
{
    return policy == PLAN_ARGMAX   ? "argmax"
           : policy == PLAN_LOGITS ? "logits"
           : policy == PLAN_TOP    ? "top"
                                   : "";
}

void options_init(struct mp2ml_options *o)
{
    memset(o, 0, sizeof(*o));
    o->high = 1;
    o->k_ss = 0;
    o->policy = PLAN_ARGMAX;
    o->max_memory = (uint64_t)4 << 30;
    o->port = 34000;
    o->timeout_s = 120;
    o->connect_timeout_s = 5;
    o->max_clients = 16;
    o->max_batch = 1000000;
    o->max_prepared = 64;
}

void options_wipe(struct mp2ml_options *o)
{
    for (size_t i = 0; i < o->n_input_node; i++)
        free(o->input_node[i]);
    for (size_t i = 0; i < o->n_output_node; i++)
        free(o->output_node[i]);
    free(o->calibration_path);
    free(o->classes);
    free(o->listen);
    free(o->tls_cert);
    free(o->tls_key);
    free(o->server_pin);
    free(o->ca);
    free(o->model_name);
    free(o->require_reveal);
    free(o->trace);
    memset(o, 0, sizeof(*o));
}

struct mp2ml_options options_numbers(const struct mp2ml_options *o)
{
    struct mp2ml_options n = *o;
    n.n_input_node = n.n_output_node = 0;
    n.calibration_path = n.classes = n.listen = n.tls_cert = n.tls_key = NULL;
    n.server_pin = n.ca = n.model_name = n.require_reveal = n.trace = NULL;
    return n;
}

void mp2ml_options_progress(mp2ml_options *options, mp2ml_progress_fn progress, void *context)
{
    options->progress = progress;
    options->progress_context = context;
}

unsigned options_threads(const struct mp2ml_options *o, bool peer_is_here)
{
    cpu_set_t set;
    if (o->threads > 0)
        return o->threads;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 1;
    int n = CPU_COUNT(&set) / (peer_is_here ? 2 : 1);
    return n > 0 ? (unsigned)n : 1;
}

mp2ml_options *mp2ml_options_new(void)
{
    mp2ml_options *o = malloc(sizeof(*o));
    if (o)
        options_init(o);
    return o;
}

void mp2ml_options_free(mp2ml_options *options)
{
    if (options)
        options_wipe(options);
    free(options);
}
