/* SPDX-License-Identifier: Apache-2.0 */
#include "model/preprocess.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------- */

static bool parse_value(const char **at, double *out)
{
    char *end;
    *out = strtod(*at, &end);
    if (end == *at)
        return false;
    if (*end == '/') {
        const char *below = end + 1;
        double divisor = strtod(below, &end);
        if (end == below)
            return false;
        *out /= divisor;
    }
    *at = end;
    return isfinite(*out) && (*end == ',' || *end == '\0');
}

/* Values up to the next "name=" or the end. */
static bool parse_list(const char **at, double *list, unsigned *n)
{
    for (*n = 0; *n < PREPROCESS_MAX_CHANNELS;) {
        if (!parse_value(at, &list[(*n)++]))
            return false;
        if (**at == '\0')
            return true;
        ++*at;
        if (**at == '\0')
            return false;
        if (strchr("0123456789.+-", **at) == NULL)
            return true;
    }
    return false;
}

/* Spreads one value over all channels where the other list has several. */
static bool same_length(struct preprocess *p, unsigned means, unsigned stds)
{
    p->channels = means > stds ? means : stds;
    for (unsigned i = 1; i < p->channels; i++) {
        if (means == 1)
            p->mean[i] = p->mean[0];
        if (stds == 1)
            p->std[i] = p->std[0];
    }
    return (means == 1 || means == p->channels) && (stds == 1 || stds == p->channels);
}

mp2ml_status preprocess_parse(struct preprocess *out, const char *text, mp2ml_error *err)
{
    struct preprocess p = {.scale = 1, .channels = 1, .mean = {0}, .std = {1}};
    unsigned means = 1, stds = 1, one;
    double scale[PREPROCESS_MAX_CHANNELS];
    const char *at = text;
    bool good = *text != '\0';
    while (good && *at != '\0') {
        if (strncmp(at, "scale=", 6) == 0) {
            at += 6;
            good = parse_list(&at, scale, &one) && one == 1;
            p.scale = scale[0];
        } else if (strncmp(at, "mean=", 5) == 0) {
            at += 5;
            good = parse_list(&at, p.mean, &means);
        } else if (strncmp(at, "std=", 4) == 0) {
            at += 4;
            good = parse_list(&at, p.std, &stds);
        } else {
            good = false;
        }
    }
    good = good && same_length(&p, means, stds) && p.scale > 0;
    for (unsigned i = 0; good && i < p.channels; i++)
        good = p.std[i] > 0;
    if (!good)
        return status_fail(
            err, MP2ML_ERR_ARGUMENT,
            "--preprocess takes scale=1/255,mean=M[,M...],std=S[,S...] with positive "
            "scale and std, not '%s'",
            text);
    *out = p;
    return MP2ML_OK;
}

/* ---- graph --------------------------------------------------------------------------------- */

enum { ADDED = 4 }; /* factor, Mul, offset, Add */

static bool constant_node(struct graph_node *node, const char *input, const char *suffix,
                          unsigned channels, bool channels_first, const double *values)
{
    size_t length = strlen(input) + strlen(suffix) + 2;
    memset(node, 0, sizeof(*node));
    node->op = GRAPH_CONST;
    node->name = malloc(length);
    node->value.f = malloc(channels * sizeof(float));
    if (!node->name || !node->value.f)
        return false;
    snprintf(node->name, length, "%s/%s", input, suffix);
    node->rank = channels == 1 ? 0 : channels_first ? 3 : 1;
    for (unsigned i = 0; i < node->rank; i++)
        node->dims[i] = i == 0 ? channels : 1;
    node->value.rank = node->rank;
    memcpy(node->value.dims, node->dims, sizeof(node->dims));
    node->value.count = channels;
    for (unsigned i = 0; i < channels; i++)
        node->value.f[i] = (float)values[i];
    return true;
}

static bool binary_node(struct graph_node *node, const struct graph_node *input, const char *suffix,
                        enum graph_op op, int a, int b)
{
    size_t length = strlen(input->name) + strlen(suffix) + 2;
    memset(node, 0, sizeof(*node));
    node->op = op;
    node->batched = true;
    node->rank = input->rank;
    memcpy(node->dims, input->dims, sizeof(node->dims));
    node->n_inputs = 2;
    node->inputs = malloc(2 * sizeof(int));
    node->name = malloc(length);
    if (!node->inputs || !node->name)
        return false;
    snprintf(node->name, length, "%s/%s", input->name, suffix);
    node->inputs[0] = a;
    node->inputs[1] = b;
    return true;
}

/* Node numbers behind the input move by ADDED; who read the input reads the last added node. */
static int moved(int number, int input)
{
    return number < input ? number : number + ADDED;
}

static void renumber(struct graph *g, int input)
{
    for (int n = 0; n < g->n_nodes; n++) {
        if (n > input && n <= input + ADDED)
            continue;
        for (unsigned i = 0; i < g->nodes[n].n_inputs; i++)
            g->nodes[n].inputs[i] = moved(g->nodes[n].inputs[i], input);
    }
    for (int o = 0; o < g->n_outputs; o++)
        g->outputs[o] = moved(g->outputs[o], input);
}

static mp2ml_status insert_nodes(struct graph *g, int input, const struct preprocess *pre,
                                 bool channels_first)
{
    double factor[PREPROCESS_MAX_CHANNELS], offset[PREPROCESS_MAX_CHANNELS];
    for (unsigned c = 0; c < pre->channels; c++) {
        factor[c] = pre->scale / pre->std[c];
        offset[c] = -pre->mean[c] / pre->std[c];
    }
    struct graph_node *nodes = realloc(g->nodes, ((size_t)g->n_nodes + ADDED) * sizeof(*g->nodes));
    if (!nodes)
        return MP2ML_ERR_MEMORY;
    g->nodes = nodes;
    memmove(nodes + input + 1 + ADDED, nodes + input + 1,
            (size_t)(g->n_nodes - input - 1) * sizeof(*nodes));
    memset(nodes + input + 1, 0, ADDED * sizeof(*nodes));
    g->n_nodes += ADDED;
    renumber(g, input);
    struct graph_node *in = &nodes[input], *at = in + 1;
    in->lookup_rows = 0; /* those are behind the new nodes */
    bool made =
        constant_node(at, in->name, "preprocess/factor", pre->channels, channels_first, factor) &&
        binary_node(at + 1, in, "preprocess/Mul", GRAPH_MUL, input, input + 1) &&
        constant_node(at + 2, in->name, "preprocess/offset", pre->channels, channels_first,
                      offset) &&
        binary_node(at + 3, in, "preprocess/Add", GRAPH_ADD, input + 2, input + 3);
    return made ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

mp2ml_status graph_prepend(struct graph *g, const struct preprocess *pre, mp2ml_error *err)
{
    if (g->n_inputs != 1)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--preprocess is for models with one input; this one has %d",
                           g->n_inputs);
    const struct graph_node *in = &g->nodes[g->inputs[0]];
    int64_t last = in->rank > 1 ? in->dims[in->rank - 1] : 1;
    bool any = pre->channels == 1 || last == (int64_t)pre->channels;
    bool channels_first = !any && in->rank == 4 && in->dims[1] == (int64_t)pre->channels;
    if (!any && !channels_first)
        return status_fail(err, MP2ML_ERR_ARGUMENT,
                           "--preprocess has %u channels, but input '%s' has %lld", pre->channels,
                           in->name, (long long)last);
    mp2ml_status status = insert_nodes(g, g->inputs[0], pre, channels_first);
    return status == MP2ML_OK ? status : status_fail(err, status, "out of memory");
}
