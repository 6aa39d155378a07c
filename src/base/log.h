/* SPDX-License-Identifier: Apache-2.0
 *
 * A log is a sink that its owner hands down; there is no process-wide one. Never pass a secret. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/status.h"

struct log {
    void (*line)(void *context, const char *text); /* NULL = silent; called with one line, no \n */
    void *context;
};

/* Formats one line (cut at 1,000 bytes) for the sink; a NULL log is silent. */
void log_line(const struct log *log, const char *fmt, ...) MP2ML_PRINTF(2, 3);

#endif
