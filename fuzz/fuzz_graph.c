/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files: whatever the importer takes must also pass a run in floats, if it is small. The
 * first byte chooses where to cut. */
#include "fuzz.h"
#include "model/model.h"

#define MAX_VALUES 100000

/* Values of all nodes for one sample; more than MAX_VALUES ends the sum. */
static size_t values_of(const struct graph *g)
{
    size_t sum = 0;
    for (int i = 0; i < g->n_nodes && sum <= MAX_VALUES; i++) {
        const struct graph_node *n = &g->nodes[i];
        size_t count = graph_sample_count(n);
        size_t work =
            n->op == GRAPH_CONV2D ? (size_t)(n->window.kernel[0] * n->window.kernel[1]) : 1;
        if (count > MAX_VALUES || work > MAX_VALUES)
            return MAX_VALUES + 1;
        sum += count * work;
    }
    return sum;
}

static void evaluate(const struct graph *g)
{
    if (g->n_inputs > 8 || g->n_outputs > 8 || values_of(g) > MAX_VALUES)
        return;
    float *in[8] = {NULL}, *out[8] = {NULL};
    for (int i = 0; i < g->n_inputs; i++)
        in[i] = calloc(2 * graph_sample_count(&g->nodes[g->inputs[i]]) + 1, sizeof(float));
    for (int i = 0; i < g->n_outputs; i++)
        out[i] = malloc(2 * graph_sample_count(&g->nodes[g->outputs[i]]) * sizeof(float) + 1);
    mp2ml_status status = graph_eval(g, 2, (const float *const *)in, out, NULL, NULL);
    (void)status;
    for (int i = 0; i < 8; i++) {
        free(in[i]);
        free(out[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const nodes[] = {"a"}, *const shaped[] = {"b:2,2,1"};
    static const struct graph_cut cuts[] = {
        {NULL, 0, NULL, 0}, {NULL, 0, nodes, 1}, {shaped, 1, NULL, 0}, {nodes, 1, shaped, 1}};
    const uint8_t which = fuzz_take(&data, &size);
    struct graph *g = NULL;
    struct graph_refusals refusals = {0};
    mp2ml_error err = {MP2ML_OK, ""};
    mp2ml_status status =
        which & 4 ? graph_explain(&g, &refusals, data, size, "fuzz", &cuts[which & 3], &err)
                  : graph_parse(&g, data, size, "fuzz", &cuts[which & 3], &err);
    FUZZ_CHECK(refusals.count == 0 || status != MP2ML_OK);
    graph_refusals_wipe(&refusals);
    FUZZ_CHECK((status == MP2ML_OK) == (g != NULL));
    FUZZ_CHECK(status == MP2ML_OK || (err.status == status && err.text[0] != '\0'));
    if (g != NULL)
        evaluate(g);
    graph_free(g);
    return 0;
}
