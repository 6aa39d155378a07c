/* SPDX-License-Identifier: Apache-2.0
 *
 * model: from a file to a graph that a plan can be made of, and the graph run in plain floats.
 *
 * Read in this order: graph.h (the table of operators), import_tf.c, import_onnx.c, import_tflite.c,
 * shape.c, fold.c, expand.c, compose.h, simplify.c, refuse.c, eval_float.c, preprocess.h. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "model/graph.h"
#include "model/preprocess.h"

#endif
