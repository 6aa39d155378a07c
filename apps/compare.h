/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing outputs: with a reference run and with labels. The labels of an output are its values
 * when it holds labels, else the place of the largest value of the last axis; an output whose last
 * axis has one value has none. */
#ifndef APPS_COMPARE_H
#define APPS_COMPARE_H

#include "app.h"

struct compare {
    double max_error; /* of values; infinite when one is no number */
    size_t rows, agree;
    bool has_labels;
};

/* Values of which one label is made: 1 for labels, else the length of the last axis. */
size_t compare_classes(const mp2ml_tensor *output);
/* The first largest of n values. */
size_t compare_largest(const float *values, size_t n);
/* Adds so many images ([image][count]) to *c, which begins as zeros. */
void compare_add(struct compare *c, const mp2ml_tensor *output, size_t images, const float *got,
                 const float *wanted);
/* The share of labels that agree; 1 without labels. */
double compare_share(const struct compare *c);

#endif
