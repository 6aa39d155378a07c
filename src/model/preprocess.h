/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing that clients would else have to do: y = (x*scale - mean) / std, put before the only
 * input of a graph. The planner folds it into the first linear step, so a client sends raw pixels
 * and learns neither mean nor deviation. */
#ifndef MODEL_PREPROCESS_H
#define MODEL_PREPROCESS_H

#include "model/graph.h"

#define PREPROCESS_MAX_CHANNELS 64

struct preprocess {
    double scale;
    unsigned channels; /* values in mean and std that were given; 1: the same for all channels */
    double mean[PREPROCESS_MAX_CHANNELS];
    double std[PREPROCESS_MAX_CHANNELS];
};

/* Reads "scale=1/255,mean=0.485,0.456,0.406,std=0.229,0.224,0.225"; each part may be left out. */
MUST_CHECK mp2ml_status preprocess_parse(struct preprocess *out, const char *text,
                                         mp2ml_error *err);
/* Puts it behind the graph's only input. Channels are the last axis, or the second one of four
 * where the last is another size. */
MUST_CHECK mp2ml_status graph_prepend(struct graph *g, const struct preprocess *pre,
                                      mp2ml_error *err);

#endif
