/* SPDX-License-Identifier: Apache-2.0
 *
 * From bytes to a decoded file with its names resolved, and where a network starts and ends. */
#ifndef MODEL_IMPORT_ONNX_NAMES_H
#define MODEL_IMPORT_ONNX_NAMES_H

#include "model/import_onnx_internal.h"

struct onnx_start {
    int value;
    int32_t type;            /* ONNX's number; 0: not known */
    struct onnx_shape shape; /* of the file; ONNX_UNKNOWN for sizes that are not known */
    bool known;              /* its rank is */
    bool sample;             /* given by the user, for one sample */
};
struct onnx_bounds {
    struct onnx_start *starts; /* in the order of the file or of the flags */
    size_t n_starts;
    int *ends; /* values */
    size_t n_ends;
};

struct onnx_try { /* one reading of a file */
    bool whole, may_move;
    int64_t batch;
    bool may_be_batch, may_be_whole;
    int imported;                    /* nodes of the file that had a private form */
    struct graph_refusals *refusals; /* NULL: the first one ends the reading */
};

MUST_CHECK mp2ml_status onnx_model_decode(struct onnx_model *m, const void *data, size_t size,
                                          mp2ml_error *err);
void onnx_model_wipe(struct onnx_model *m);

MUST_CHECK mp2ml_status onnx_bounds_make(struct onnx_bounds *bounds, struct onnx_model *m,
                                         const struct graph_cut *cut, mp2ml_error *err);
void onnx_bounds_wipe(struct onnx_bounds *bounds);
const struct onnx_start *onnx_start_find(const struct onnx_bounds *bounds,
                                         const struct onnx_model *m, const struct onnx_value *v);
/* Sets the batch and whether there may be one; true when whole tensors may be samples instead. */
bool onnx_bounds_batch(const struct onnx_bounds *bounds, const struct onnx_model *m,
                       struct onnx_try *how);

/* import_onnx.c */
MUST_CHECK mp2ml_status onnx_build(struct graph **out, struct onnx_model *m,
                                   const struct onnx_bounds *bounds, struct onnx_try *how,
                                   struct graph_build *build);

#endif
