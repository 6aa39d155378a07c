/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a table that are looked up by data, as Keras writes them: numbers that may count from the
 * end, select(x < 0, x + n, x), and that may be cast to integers before. What is looked up are whole
 * numbers from 0 on (compose.h), so that the lookup reads x itself. */
#include <string.h>

#include "model/import_tf_internal.h"

static bool is_op(const struct tf_model *m, struct tf_edge e, const char *op)
{
    return strcmp(m->nodes[e.from]->op, op) == 0;
}

/* Edge k of the node that `e` comes from. False when it has less. */
static bool behind(const struct tf_model *m, struct tf_edge e, size_t k, struct tf_edge *out)
{
    const size_t at = m->first[e.from] + k;
    if (at >= m->first[e.from + 1])
        return false;
    *out = m->edges[at];
    return true;
}

static bool same(struct tf_edge a, struct tf_edge b)
{
    return a.from == b.from && a.output == b.output;
}

/* True for an input of the network that was only moved. */
static bool is_input(const struct tf_model *m, struct tf_edge e)
{
    static const char *const moving[] = {"Identity",   "Reshape", "Transpose",
                                         "ExpandDims", "Squeeze", "StridedSlice"};
    for (int depth = 0; depth < 64; depth++) {
        bool moves = false;
        if (tf_is_input(m, e.from))
            return true;
        for (size_t k = 0; k < sizeof moving / sizeof *moving; k++)
            moves = moves || is_op(m, e, moving[k]);
        if (!moves || !behind(m, e, 0, &e))
            return false;
    }
    return false;
}

/* *e, when it is select(x < 0, x + n, x), becomes x. */
static void skip_wrap(const struct tf_model *m, struct tf_edge *e)
{
    struct tf_edge less, sum, x, compared, added;
    if ((is_op(m, *e, "SelectV2") || is_op(m, *e, "Select")) && behind(m, *e, 0, &less) &&
        behind(m, *e, 1, &sum) && behind(m, *e, 2, &x) && is_op(m, less, "Less") &&
        (is_op(m, sum, "AddV2") || is_op(m, sum, "Add")) && behind(m, less, 0, &compared) &&
        behind(m, sum, 0, &added) && same(compared, x) && same(added, x))
        *e = x;
}

void tf_skip_index_wraps(struct tf_model *m)
{
    for (int n = 0; n < m->n_nodes; n++) {
        const size_t places = m->first[n] + 1; /* of the rows; the table is before them */
        const char *op = m->nodes[n]->op;
        if ((strcmp(op, "GatherV2") != 0 && strcmp(op, "Gather") != 0) || places >= m->first[n + 1])
            continue;
        struct tf_edge e = m->edges[places];
        skip_wrap(m, &e);
        if (is_op(m, e, "Cast"))
            (void)behind(m, e, 0, &e);
        if (is_input(m, e))
            m->edges[places] = e;
    }
}
