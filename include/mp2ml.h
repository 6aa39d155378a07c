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

#ifdef __cplusplus
}
#endif
#endif
