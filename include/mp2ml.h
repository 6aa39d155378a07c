/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml: private neural-network inference between a server that owns a model and a client that owns
 * an input. This is the only public header. */
#ifndef MP2ML_H
#define MP2ML_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MP2ML_VERSION "0.1.0"

#if defined(__GNUC__)
#define MP2ML_API __attribute__((visibility("default")))
#define MP2ML_MUST_CHECK __attribute__((warn_unused_result))
#define MP2ML_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define MP2ML_API
#define MP2ML_MUST_CHECK
#define MP2ML_PRINTF(fmt, args)
#endif

/* Every status in one table: name, code, text. Codes never change their meaning. */
#define MP2ML_STATUS_MAP(X)                                                                        \
    X(OK, 0, "success")                                                                            \
    X(ERR_MEMORY, -1, "out of memory")                                                             \
    X(ERR_RANDOM, -2, "the system gave no randomness")                                             \
    X(ERR_IO, -3, "input or output failed")                                                        \
    X(ERR_TIMEOUT, -4, "the peer did not answer in time")                                          \
    X(ERR_CLOSED, -5, "the peer closed the connection")                                            \
    X(ERR_CONNECT, -6, "no connection")                                                            \
    X(ERR_TLS, -7, "TLS failed")                                                                   \
    X(ERR_PROTOCOL, -8, "the peer broke the protocol")                                             \
    X(ERR_ABORTED, -9, "the peer aborted the session")                                             \
    X(ERR_REFUSED, -10, "the peer refused the request")                                            \
    X(ERR_MODEL, -11, "the model file is not valid")                                               \
    X(ERR_UNSUPPORTED, -12, "the model uses something without a private form")                     \
    X(ERR_PLAN, -13, "no plan within the limits")                                                  \
    X(ERR_INPUT, -14, "the input data do not fit")                                                 \
    X(ERR_ARGUMENT, -15, "wrong argument or option")                                               \
    X(ERR_CANCELLED, -16, "cancelled")                                                             \
    X(ERR_FAILED, -17, "the session has failed before")                                            \
    X(ERR_CRYPTO, -18, "a cryptographic library failed")

typedef enum mp2ml_status {
#define MP2ML_STATUS_ENUM(name, code, text) MP2ML_##name = (code),
    MP2ML_STATUS_MAP(MP2ML_STATUS_ENUM)
#undef MP2ML_STATUS_ENUM
} mp2ml_status;

/* The table's text for a status; never NULL. */
MP2ML_API const char *mp2ml_status_text(mp2ml_status status);
/* The table's name, for example "ERR_MODEL"; never NULL. */
MP2ML_API const char *mp2ml_status_name(mp2ml_status status);

/* What went wrong, in words: the node, file or option that caused it. Filled by every call that
 * takes one and fails; left alone on success. May be NULL. */
typedef struct mp2ml_error {
    mp2ml_status status;
    char text[1016];
} mp2ml_error;

/* Called during long work: while a client works, at least every 100 ms while it waits, and while a
 * model is planned. The fraction of the current call is 0 to 1, or -1 while a client connects. Return
 * not 0 to cancel. */
typedef int (*mp2ml_progress_fn)(void *context, double fraction);

/* ---- options ------------------------------------------------------------------------------- */

/* Settings by name, the same names as the program's flags ("input-range", "reveal", ...). */
typedef struct mp2ml_options mp2ml_options;

/* NULL when memory is out. */
MP2ML_API mp2ml_options *mp2ml_options_new(void);
MP2ML_API void mp2ml_options_free(mp2ml_options *options);
/* Sets one option; the value is checked here. A repeatable option takes one more value a call; a
 * switch takes "1" or "0". ERR_ARGUMENT names what is allowed. */
MP2ML_API mp2ml_status mp2ml_options_set(mp2ml_options *options, const char *name,
                                         const char *value, mp2ml_error *error) MP2ML_MUST_CHECK;

/* Who is told how far the loading of a model with these options is; kept, NULL for nobody. */
MP2ML_API void mp2ml_options_progress(mp2ml_options *options, mp2ml_progress_fn progress,
                                      void *context);

enum {                       /* who uses an option */
       MP2ML_FOR_MODEL = 1,  /* loading and planning */
       MP2ML_FOR_SERVER = 2, /* serving */
       MP2ML_FOR_CLIENT = 4  /* connecting and predicting */
};
typedef struct mp2ml_option_info {
    const char *name;          /* without dashes */
    const char *argument;      /* what the value is, for help; NULL: a switch */
    const char *default_value; /* NULL: none */
    const char *help;          /* one or more lines' worth of text */
    unsigned users;            /* MP2ML_FOR_* */
    int repeatable;
} mp2ml_option_info;
/* Row i of the table of options, NULL behind its end. */
MP2ML_API const mp2ml_option_info *mp2ml_option(size_t i);

/* ---- models -------------------------------------------------------------------------------- */

#define MP2ML_MAX_RANK 8

typedef struct mp2ml_tensor { /* an input or an output, for one sample */
    const char *name;
    unsigned rank;
    size_t dims[MP2ML_MAX_RANK];
    size_t count;     /* product of dims */
    double low, high; /* inputs: the declared range */
    int integers;     /* outputs: 1 for labels */
} mp2ml_tensor;

/* A trained network with its plan; read-only after loading, shared by threads. */
typedef struct mp2ml_model mp2ml_model;

/* Loads a file (recognised by content), plans it and chooses its bits. Errors: ERR_IO, ERR_MODEL,
 * ERR_UNSUPPORTED, ERR_PLAN, with node and operator in the text; ERR_CANCELLED. */
MP2ML_API mp2ml_status mp2ml_model_load(mp2ml_model **out, const char *path,
                                        const mp2ml_options *options,
                                        mp2ml_error *error) MP2ML_MUST_CHECK;
/* The same from the bytes of a file; `name` is for messages. */
MP2ML_API mp2ml_status mp2ml_model_parse(mp2ml_model **out, const void *data, size_t size,
                                         const char *name, const mp2ml_options *options,
                                         mp2ml_error *error) MP2ML_MUST_CHECK;
MP2ML_API void mp2ml_model_free(mp2ml_model *model);
/* All nodes of a file that have no private form, each with the reason and what to write instead, for
 * people or as one JSON object; free with mp2ml_free. *count says how many there are: none is no
 * promise that a plan within the limits exists. */
MP2ML_API mp2ml_status mp2ml_model_explain(const char *path, const mp2ml_options *options, int json,
                                           size_t *count, char **out,
                                           mp2ml_error *error) MP2ML_MUST_CHECK;

/* Input or output i as a client will see it, NULL behind the end. */
MP2ML_API const mp2ml_tensor *mp2ml_model_input(const mp2ml_model *model, size_t i);
MP2ML_API const mp2ml_tensor *mp2ml_model_output(const mp2ml_model *model, size_t i);

/* What would happen for `images` images, for people or as one JSON object; free with mp2ml_free. */
MP2ML_API mp2ml_status mp2ml_model_plan(const mp2ml_model *model, size_t images, int json,
                                        char **out, mp2ml_error *error) MP2ML_MUST_CHECK;

/* The planner's choice of layout and engine beside what each of them would cost: a table as text; free
 * with mp2ml_free. */
MP2ML_API mp2ml_status mp2ml_model_compare(const mp2ml_model *model, size_t images, char **out,
                                           mp2ml_error *error) MP2ML_MUST_CHECK;

/* Runs the network without privacy: in floats, and as the fixed-point twin that the private run
 * follows. inputs[i] = [image][count], outputs[o] likewise, caller's. With the policy argmax,
 * labels. `seed` is for the twin's model of the protocol's noise. */
MP2ML_API mp2ml_status mp2ml_model_eval_float(const mp2ml_model *model, size_t images,
                                              const float *const *inputs, float *const *outputs,
                                              mp2ml_error *error) MP2ML_MUST_CHECK;
MP2ML_API mp2ml_status mp2ml_model_eval_fixed(const mp2ml_model *model, size_t images,
                                              const float *const *inputs, float *const *outputs,
                                              uint64_t seed, mp2ml_error *error) MP2ML_MUST_CHECK;
/* The largest difference to the float model that the plan expects in output o as the client sees it;
 * where it sees labels, in the values that are compared. */
MP2ML_API double mp2ml_model_expected_error(const mp2ml_model *model, size_t output);

/* ---- server -------------------------------------------------------------------------------- */

typedef struct mp2ml_server mp2ml_server;

typedef void (*mp2ml_log_fn)(void *context, const char *line);

/* Listens. The model is kept and must outlive the server. */
MP2ML_API mp2ml_status mp2ml_server_new(mp2ml_server **out, const mp2ml_model *model,
                                        const mp2ml_options *options,
                                        mp2ml_error *error) MP2ML_MUST_CHECK;
/* One line a call, from any of the server's threads; before mp2ml_server_run. */
MP2ML_API void mp2ml_server_set_log(mp2ml_server *server, mp2ml_log_fn log, void *context);
MP2ML_API uint16_t mp2ml_server_port(const mp2ml_server *server);
/* The pin for clients, 64 hex digits, or "" without TLS. */
MP2ML_API const char *mp2ml_server_pin(const mp2ml_server *server);
/* Serves, one thread a client, until mp2ml_server_stop; then waits for the threads. */
MP2ML_API mp2ml_status mp2ml_server_run(mp2ml_server *server, mp2ml_error *error) MP2ML_MUST_CHECK;
/* Ends mp2ml_server_run and all sessions. From any thread or a signal handler. */
MP2ML_API void mp2ml_server_stop(mp2ml_server *server);
MP2ML_API uint64_t mp2ml_server_images(const mp2ml_server *server); /* answered so far */
/* Stops first if needed; NULL is accepted. Not while mp2ml_server_run is running. */
MP2ML_API void mp2ml_server_free(mp2ml_server *server);

/* ---- client -------------------------------------------------------------------------------- */

/* One connection; one thread at a time. After a failure it only answers ERR_FAILED. */
typedef struct mp2ml_client mp2ml_client;

/* Connects (retrying until the option "connect-timeout"), shakes hands and learns what the server
 * offers. progress may be NULL and is kept for later calls. */
MP2ML_API mp2ml_status mp2ml_client_new(mp2ml_client **out, const char *host, uint16_t port,
                                        const mp2ml_options *options, mp2ml_progress_fn progress,
                                        void *context, mp2ml_error *error) MP2ML_MUST_CHECK;
MP2ML_API const mp2ml_tensor *mp2ml_client_input(const mp2ml_client *client, size_t i);
MP2ML_API const mp2ml_tensor *mp2ml_client_output(const mp2ml_client *client, size_t i);
/* The name of class i (position along the axis of output 0 that a softmax or ArgMax goes along, else
 * the last), NULL behind the end or where the server gave no names. */
MP2ML_API const char *mp2ml_client_class(const mp2ml_client *client, size_t i);
/* The number of the input with this name, exactly or else with or without "import/" and ":0"; -1 if
 * there is none. */
MP2ML_API int mp2ml_client_find_input(const mp2ml_client *client, const char *name);
/* From now on input i goes in the clear (plain = 1) or encrypted (0, the default). */
MP2ML_API mp2ml_status mp2ml_client_set_plain(mp2ml_client *client, size_t i, int plain,
                                              mp2ml_error *error) MP2ML_MUST_CHECK;
/* inputs[i] = [image][count] float32 of input i; outputs[o] likewise, caller's memory. The data are
 * checked (finite, in range) before anything is sent; such an ERR_INPUT leaves the client usable.
 */
MP2ML_API mp2ml_status mp2ml_client_predict(mp2ml_client *client, size_t images,
                                            const float *const *inputs, float *const *outputs,
                                            mp2ml_error *error) MP2ML_MUST_CHECK;

/* Does ahead what `requests` coming requests of `images` images each, in today's forms of inputs,
 * need and what does not depend on their inputs: random oblivious transfers and halves of the linear
 * steps' encryption, or with the option "precompute" whole linear steps, of which a request then
 * costs one message each. What is there already for the same shape and unused counts: only what lacks
 * is made; but what was made without "precompute" where it is set now, or the other way round, is
 * dropped. *prepared (may be NULL; 0 after a failure) says how many of the requests it is enough for;
 * the server may do less, or nothing, and counts what it made for all shapes. Requests beyond that
 * work as if nothing had been prepared. When the call returns OK both parties are done. Everything
 * serves once and only on this connection, which the server ends when no call comes for longer than
 * its option "timeout", 120 s unless it was told otherwise: raise it there for longer pauses. */
MP2ML_API mp2ml_status mp2ml_client_prepare(mp2ml_client *client, size_t requests, size_t images,
                                            size_t *prepared, mp2ml_error *error) MP2ML_MUST_CHECK;

typedef struct mp2ml_stats { /* of a connection so far */
    uint64_t images;
    uint64_t bytes_to_server, bytes_to_client; /* frames, set-up included */
    uint64_t setup_bytes_to_server, setup_bytes_to_client;
    /* Of the former: request and plan, before the steps that a plan's bytes count. */
    uint64_t asking_bytes_to_server, asking_bytes_to_client;
    uint64_t flights, setup_flights;
    double setup_seconds;   /* connecting, keys, base OTs */
    double predict_seconds; /* all predictions */
    double prepare_seconds; /* all of mp2ml_client_prepare */
    uint64_t prepare_bytes_to_server, prepare_bytes_to_client, prepare_flights;
    uint64_t requests;                               /* answered, with a result */
    uint64_t prepared, prepared_used, prepared_left; /* requests that work was done for ahead */
    uint64_t precomputed;                            /* of prepared: with whole linear steps */
    /* Of the last request: "batch", "image", "mixed" or "none"; "gmw", "yao", "mixed" or "none"; ""
     * before one. Strings live as long as the client. */
    const char *layout, *engine;
    /* The link of the option "simulate-network" by name ("wan", "7ms:100mbit") and for people; ""
     * where the link is what it is. */
    const char *simulated_network, *simulated_text;
} mp2ml_stats;
MP2ML_API mp2ml_stats mp2ml_client_stats(const mp2ml_client *client);
/* What was agreed, sent and could be learned, as JSON; free with mp2ml_free. */
MP2ML_API mp2ml_status mp2ml_client_receipt(const mp2ml_client *client, char **json,
                                            mp2ml_error *error) MP2ML_MUST_CHECK;
/* Makes a running call return ERR_CANCELLED. From any thread or a signal handler. */
MP2ML_API void mp2ml_client_cancel(mp2ml_client *client);
MP2ML_API void mp2ml_client_free(mp2ml_client *client);

/* ---- arrays -------------------------------------------------------------------------------- */

typedef struct mp2ml_array { /* kept as float32, C order */
    unsigned rank;
    size_t dims[MP2ML_MAX_RANK];
    size_t count;
    float *values;
} mp2ml_array;
/* Reads .npy (any real dtype) or CSV (one sample a line; commas, semicolons or tabs, perhaps a
 * header), by the file's first bytes and its name. ERR_INPUT says what is wrong and where. */
MP2ML_API mp2ml_status mp2ml_array_read(mp2ml_array *out, const char *path,
                                        mp2ml_error *error) MP2ML_MUST_CHECK;
/* Writes .npy. */
MP2ML_API mp2ml_status mp2ml_array_write(const char *path, const float *values, const size_t *dims,
                                         unsigned rank, mp2ml_error *error) MP2ML_MUST_CHECK;
/* Zeroes and frees the values; an array of zeros is accepted. */
MP2ML_API void mp2ml_array_wipe(mp2ml_array *array);

/* Frees a string that this library made. */
MP2ML_API void mp2ml_free(void *p);

#ifdef __cplusplus
}
#endif
#endif
