/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow Lite's flatbuffers. */
#include <string.h>

#include "model/graph_internal.h"

bool import_tflite_is(const void *data, size_t size)
{
    return size >= 8 && memcmp((const uint8_t *)data + 4, "TFL3", 4) == 0;
}

const char *import_tflite_op_name(size_t index)
{
    (void)index;
    return NULL;
}

mp2ml_status import_tflite(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                           mp2ml_error *err)
{
    (void)file;
    (void)cut;
    *out = NULL;
    return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                       "this is a TensorFlow Lite file, which is not supported");
}
