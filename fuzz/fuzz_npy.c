/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of numpy. */
#include "base/base.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mp2ml_array npy = {0};
    mp2ml_error err = {MP2ML_OK, ""};
    if (npy_parse(&npy, data, size, "fuzz", &err) != MP2ML_OK) {
        FUZZ_CHECK(err.text[0] != '\0' && npy.values == NULL);
        return 0;
    }
    size_t count = 1;
    FUZZ_CHECK(npy.rank <= MP2ML_MAX_RANK);
    for (unsigned d = 0; d < npy.rank; d++)
        count *= npy.dims[d];
    FUZZ_CHECK(count == npy.count && count <= size);
    float *copy = malloc(count * sizeof *copy + 1);
    FUZZ_CHECK(copy != NULL);
    if (count != 0)
        memcpy(copy, npy.values, count * sizeof *copy);
    free(copy);
    array_wipe(&npy);
    return 0;
}
