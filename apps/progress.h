/* SPDX-License-Identifier: Apache-2.0
 *
 * A progress bar on standard error, drawn only when that is a terminal. */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H

#include "stop.h"

struct progress {
    struct stop *stop; /* a caught signal cancels */
    bool visible, drawn;
    size_t images;
    double started, last;
};

void progress_init(struct progress *p, struct stop *stop);
/* A new call of the library over so many images begins. */
void progress_begin(struct progress *p, size_t images);
/* Wipes the bar from the screen. */
void progress_end(struct progress *p);
/* For mp2ml_client_new; context = struct progress. */
int progress_call(void *context, double fraction);

#endif
