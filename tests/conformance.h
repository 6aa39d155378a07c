/* SPDX-License-Identifier: Apache-2.0
 *
 * The node tests that ONNX publishes, as networks of ours.
 *
 * A test is a folder: model.onnx, a graph of mostly one node, and test_data_set_0 with the tensors
 * of its inputs and expected outputs. All are inputs of the graph there, weights and shapes too;
 * here what a network would hold as a constant becomes an initialiser (conformance_case.c). The
 * case then goes the way of every model: import, plan, run in floats, as the fixed-point twin, and
 * by both parties (conformance_run.c). conformance.c counts and prints. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CASE_TENSORS 8
#define CASE_RANK 8
#define CASE_TEXT 320

struct case_tensor {
    char name[64];
    unsigned rank;
    int64_t dims[CASE_RANK];
    size_t count;
    float *values;
    int type; /* as ONNX numbers them */
};

struct case_file {
    uint8_t *model; /* with constants in place */
    size_t size;
    struct case_tensor inputs[CASE_TENSORS], outputs[CASE_TENSORS]; /* data, expected */
    unsigned n_inputs, n_outputs;
    bool labels;       /* ArgMax: outputs are places along `axis` of input 0, ... */
    int64_t axis;      /* ... which is not negative */
    double quantum;    /* outputs are rounded to multiples of it; 0: they are not */
    size_t repeats;    /* the outputs come so many times, see conformance_case.c */
    unsigned operands; /* inputs that could all be data, for variants */
};

/* Which of several operands of Add, Concat, ... are data. */
enum case_variant { CASE_ALL, CASE_FIRST, CASE_OTHERS, CASE_VARIANTS };

/* Reads `folder`; false, with a text, when it cannot be read. */
bool case_read(struct case_file *c, const char *folder, enum case_variant variant,
               char error[CASE_TEXT]);
void case_wipe(struct case_file *c);

enum verdict {
    VERDICT_PASSED,
    VERDICT_REFUSED, /* with a reason */
    VERDICT_WIDE,    /* right, but the stated bound is more than SHARE of the output's range */
    VERDICT_WRONG,
    VERDICTS
};
struct outcome {
    enum verdict verdict;
    char text[CASE_TEXT]; /* the reason; empty when passed */
    double bound_share;   /* the largest bound / range of an output */
    double used_share;    /* the largest error / bound */
};

struct parties; /* both parties of one session, which lives for many cases */
struct parties *parties_new(void);
void parties_free(struct parties *p);

/* Runs a case every way. */
void case_run(struct outcome *outcome, struct parties *p, const struct case_file *c, bool verbose);

#endif
