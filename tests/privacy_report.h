/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the report that `make privacy` collects. With MP2ML_PRIVACY_REPORT=FILE in the
 * environment every call appends one line; tools/privacy.py reads them and judges. Without it the
 * tests only assert.
 *
 * A row holds when statistic < threshold, and shows something when the control, the same statistic
 * with a protection taken away, is not below the threshold. */
#ifndef TESTS_PRIVACY_REPORT_H
#define TESTS_PRIVACY_REPORT_H

#include <stdio.h>
#include <stdlib.h>

/* item: number in docs/protocol.md's list of properties. A row may be given in several calls: the
 * largest statistic and the least control count. */
static inline void privacy_report(int item, const char *property, double statistic,
                                  double threshold, double control)
{
    const char *path = getenv("MP2ML_PRIVACY_REPORT");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%d|%s|%.6g|%.6g|%.6g\n", item, property, statistic, threshold, control);
    fclose(file);
}

#endif
