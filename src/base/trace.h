/* SPDX-License-Identifier: Apache-2.0
 *
 * What a party does when: spans of time in a ring of a fixed size, written as Chrome's trace events
 * (JSON, read by Perfetto). A span is a scope with a line in it:
 *
 *   {
 *       TRACE(run->trace, ENCRYPT, count);    begins a span that ends with the scope
 *       ...
 *       TRACE_NEXT(PACK, bytes);              ends it here and begins the next one
 *       ...
 *       TRACE_PAUSE();                        ends that one
 *   }
 *
 * The trace may be NULL: then a span is a test of a pointer and no clock is read. A function has
 * one span at a time. Spans hold names, numbers of steps, counts and times, and nothing that
 * depends on a secret.
 *
 * One thread uses a trace. When the ring is full the oldest spans go. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdint.h>

#include "base/status.h"

/* stage, name in the file, what it is and what its size counts */
#define TRACE_STAGE_MAP(X)                                                                         \
    X(SETUP, "set-up", "keys and base transfers")                                                  \
    X(AHEAD, "ahead", "work for requests to come; requests")                                       \
    X(BLOCK, "block", "all steps of a block of images")                                            \
    X(GATHER, "gather", "collecting and shifting the shares that enter a linear step; values")     \
    X(ENCRYPT, "encrypt", "client: encrypting shares; ciphertexts")                                \
    X(EXPAND_C1, "expand c1", "server: c1 from the stream; ciphertexts")                           \
    X(PRODUCT, "matrix product", "server: weights times ciphertexts; outputs")                     \
    X(SWITCH, "switch", "server: masks, re-randomising, modulus switch; ciphertexts")              \
    X(DECODE, "decode", "client: from switched ciphertexts to shares; ciphertexts")                \
    X(PACK, "pack", "integers to the bits of a frame; bytes")                                      \
    X(UNPACK, "unpack", "and back; bytes")                                                         \
    X(OT_EXTENSION, "OT extension", "random transfers; tiles of 128")                              \
    X(OT_DIGEST, "OT digest", "hashing corrections for the challenge; bytes")                      \
    X(OT_CHECK, "OT check", "the check of an extension; tiles")                                    \
    X(HASH, "hash", "transfers to keys and triples; transfers")                                    \
    X(AND, "AND", "a layer of AND gates; bits")                                                    \
    X(GARBLE, "garble", "garbling or evaluating, rows included; lanes")                            \
    X(EXCHANGE, "exchange", "both parties send, then both receive; bits")                          \
    X(MUX, "multiplex", "choices and messages behind a comparison; values")                        \
    X(SEND, "send", "queueing and writing; bytes")                                                 \
    X(RECEIVE, "receive", "reading what is there; bytes")                                          \
    X(WAIT, "wait", "for the peer or the network")

enum trace_stage {
#define TRACE_STAGE_ENUM(stage, name, text) TRACE_##stage,
    TRACE_STAGE_MAP(TRACE_STAGE_ENUM)
#undef TRACE_STAGE_ENUM
};
extern const char *const trace_stage_name[];

struct trace;
MUST_CHECK mp2ml_status trace_new(struct trace **out);
void trace_free(struct trace *t);

struct trace_span {
    struct trace *trace;
    const char *name; /* NULL: no span; else for ever */
    uint64_t start;
    size_t size;
    int step; /* -1: none */
};
uint64_t trace_clock(void); /* nanoseconds, the same for all processes of a machine */
void trace_record(const struct trace_span *span);

static inline struct trace_span trace_open(struct trace *t, const char *name, int step, size_t size)
{
    struct trace_span span = {t, name, 0, size, step};
    if (t != NULL)
        span.start = trace_clock();
    return span;
}
static inline void trace_close(struct trace_span *span)
{
    if (span->trace != NULL && span->name != NULL)
        trace_record(span);
}
static inline void trace_next(struct trace_span *span, const char *name, size_t size)
{
    trace_close(span);
    *span = trace_open(span->trace, name, -1, size);
}

#define TRACE_NAMED(trace, name, step, size)                                                       \
    __attribute__((cleanup(trace_close), unused)) struct trace_span trace_span_ =                  \
        trace_open(trace, name, step, size)
#define TRACE(trace, stage, size) TRACE_NAMED(trace, trace_stage_name[TRACE_##stage], -1, size)
#define TRACE_NEXT(stage, size) trace_next(&trace_span_, trace_stage_name[TRACE_##stage], size)
#define TRACE_PAUSE() trace_next(&trace_span_, NULL, 0)

/* A file that is whole, valid JSON after every call. One thread at a time. */
struct trace_file;
/* `party` names this process's row in the picture. */
MUST_CHECK mp2ml_status trace_file_new(struct trace_file **out, const char *path, const char *party,
                                       mp2ml_error *err);
/* Moves the spans of a trace to the file, as those of the given connection. */
MUST_CHECK mp2ml_status trace_file_add(struct trace_file *f, struct trace *t, uint64_t connection,
                                       mp2ml_error *err);
void trace_file_free(struct trace_file *f);

#endif
