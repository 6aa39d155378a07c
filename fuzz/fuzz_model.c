/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files up to a plan: a small network that is taken is planned or refused in words, what would
 * happen can be said, and both evaluations run. The first byte chooses policy, layout and engine. */
#include "fuzz.h"
#include "session/session.h"

#define MAX_WORK 5000

static size_t times(size_t a, size_t b)
{
    return a != 0 && b > MAX_WORK / a ? MAX_WORK + 1 : a * b;
}

/* Whether a plan takes no more than moments: values, and products of a linear node, of one sample. */
static bool is_small(const struct graph *g)
{
    size_t work = 0;
    for (int i = 0; i < g->n_nodes && work <= MAX_WORK; i++) {
        const struct graph_node *n = &g->nodes[i];
        size_t each = 1;
        if (n->op == GRAPH_CONV2D || n->op == GRAPH_MATMUL) {
            const struct graph_node *w = &g->nodes[n->inputs[1]];
            each = n->rank != 0 && w->value.count != 0 ? w->value.count : 1;
        }
        work += n->batched ? times(graph_sample_count(n), each) : n->value.count;
    }
    return work <= MAX_WORK;
}

static void set(struct mp2ml_options *o, const char *name, const char *value)
{
    FUZZ_CHECK(mp2ml_options_set(o, name, value, NULL) == MP2ML_OK);
}

static void evaluate(const struct mp2ml_model *m)
{
    float *in[PLAN_MAX_TENSORS] = {0}, *exact[PLAN_MAX_TENSORS] = {0},
          *twin[PLAN_MAX_TENSORS] = {0};
    const mp2ml_tensor *t;
    for (size_t i = 0; (t = mp2ml_model_input(m, i)) != NULL; i++)
        in[i] = calloc(2 * t->count + 1, sizeof(float));
    for (size_t i = 0; (t = mp2ml_model_output(m, i)) != NULL; i++) {
        exact[i] = calloc(2 * t->count + 1, sizeof(float));
        twin[i] = calloc(2 * t->count + 1, sizeof(float));
        FUZZ_CHECK(mp2ml_model_expected_error(m, i) >= 0);
    }
    FUZZ_CHECK(mp2ml_model_eval_float(m, 2, (const float *const *)in, exact, NULL) == MP2ML_OK);
    FUZZ_CHECK(mp2ml_model_eval_fixed(m, 2, (const float *const *)in, twin, 1, NULL) == MP2ML_OK);
    for (size_t i = 0; i < PLAN_MAX_TENSORS; i++) {
        free(in[i]);
        free(exact[i]);
        free(twin[i]);
    }
}

static void plan(const uint8_t *data, size_t size, uint8_t which)
{
    struct mp2ml_options *o = mp2ml_options_new();
    struct mp2ml_model *m = NULL;
    mp2ml_error err = {MP2ML_OK, ""};
    char *text = NULL;
    FUZZ_CHECK(o != NULL);
    if ((which & 3) != 0)
        set(o, "reveal", (which & 3) == 1 ? "argmax" : "logits");
    set(o, "layout", (which & 4) == 0 ? "batch" : (which & 8) != 0 ? "auto" : "image");
    if ((which & 16) != 0)
        set(o, "nonlinear", (which & 32) != 0 ? "gmw" : "yao");
    const mp2ml_status status = mp2ml_model_parse(&m, data, size, "fuzz", o, &err);
    FUZZ_CHECK((status == MP2ML_OK) == (m != NULL));
    FUZZ_CHECK(status == MP2ML_OK || (err.status == status && err.text[0] != '\0'));
    mp2ml_options_free(o);
    if (m == NULL)
        return;
    FUZZ_CHECK(mp2ml_model_plan(m, 3000, (which & 64) != 0, &text, &err) == MP2ML_OK);
    mp2ml_free(text);
    FUZZ_CHECK(mp2ml_model_compare(m, 1, &text, &err) == MP2ML_OK);
    mp2ml_free(text);
    evaluate(m);
    mp2ml_model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct graph_cut all = {NULL, 0, NULL, 0};
    const uint8_t which = fuzz_take(&data, &size);
    struct graph *g = NULL;
    const bool taken = graph_parse(&g, data, size, "fuzz", &all, NULL) == MP2ML_OK;
    const bool small = taken && is_small(g);
    graph_free(g);
    if (small)
        plan(data, size, which);
    return 0;
}
