/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers in text. What is taken is written down again, plainly, and must come back. */
#include <math.h>
#include <stdio.h>

#include "base/base.h"
#include "fuzz.h"

#define WRITTEN_BYTES 20 /* of a value, its separator included */

static void read_again(const mp2ml_array *a)
{
    char *text = malloc(a->count * WRITTEN_BYTES + 1);
    FUZZ_CHECK(text != NULL);
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++)
        n += (size_t)snprintf(text + n, WRITTEN_BYTES + 1, "%.9g%c", (double)a->values[i],
                              (i + 1) % a->dims[1] == 0 ? '\n' : ';');
    mp2ml_array again;
    FUZZ_CHECK(csv_parse(&again, text, n, "again", NULL) == MP2ML_OK);
    FUZZ_CHECK(again.dims[0] == a->dims[0] && again.dims[1] == a->dims[1]);
    FUZZ_CHECK(memcmp(again.values, a->values, a->count * sizeof *a->values) == 0);
    array_wipe(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mp2ml_array a;
    mp2ml_error err = {MP2ML_OK, ""};
    if (csv_parse(&a, data, size, "fuzz", &err) != MP2ML_OK) {
        FUZZ_CHECK(err.text[0] != '\0' && a.values == NULL);
        return 0;
    }
    FUZZ_CHECK(a.rank == 2 && a.dims[0] > 0 && a.dims[1] > 0);
    FUZZ_CHECK(a.count == a.dims[0] * a.dims[1] && a.count <= size);
    for (size_t i = 0; i < a.count; i++)
        FUZZ_CHECK(isfinite(a.values[i]));
    read_again(&a);
    array_wipe(&a);
    return 0;
}
