/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files. */
#include <string.h>

#include "model/graph_internal.h"

bool import_onnx_is(const void *data, size_t size)
{
    return size >= 2 && ((const uint8_t *)data)[0] == 0x08;
}

const char *import_onnx_op_name(size_t index)
{
    (void)index;
    return NULL;
}

mp2ml_status import_onnx(struct graph **out, struct model_file *file, const struct graph_cut *cut,
                         mp2ml_error *err)
{
    (void)file;
    (void)cut;
    *out = NULL;
    return status_fail(err, MP2ML_ERR_UNSUPPORTED,
                       "not a GraphDef but an ONNX file or a SavedModel (not supported here; a "
                       "SavedModel is converted with `mp2ml convert`)");
}
