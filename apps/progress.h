/* SPDX-License-Identifier: Apache-2.0
 *
 * A progress bar on standard error, drawn only when that is a terminal. */
#ifndef APPS_PROGRESS_H
#define APPS_PROGRESS_H

#include "cli.h"
#include "stop.h"

struct progress {
    struct stop *stop; /* a caught signal cancels; may be NULL */
    bool visible, drawn;
    size_t images; /* 0: of a model that is planned */
    double started, last;
};

void progress_init(struct progress *p, struct stop *stop);
/* A new call of the library over so many images begins. */
void progress_begin(struct progress *p, size_t images);
/* Wipes the bar from the screen. */
void progress_end(struct progress *p);
/* mp2ml_model_load with a bar. */
mp2ml_status progress_load(mp2ml_model **model, const struct cli *cli, const char *path,
                           mp2ml_error *error);
/* For mp2ml_client_new; context = struct progress. */
int progress_call(void *context, double fraction);

#endif
