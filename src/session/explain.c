/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a model file has no private form, for people and as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

/* The file's refusals; those of the plan where the file has none. A refusal without a node is one of
 * the file as a whole. */
static mp2ml_status collect(struct graph_refusals *r, const char *path, const struct graph_cut *cut,
                            mp2ml_error *err)
{
    struct graph *g = NULL;
    mp2ml_error own = {MP2ML_OK, ""};
    mp2ml_status status = graph_explain(&g, r, NULL, 0, path, cut, &own);
    if (status == MP2ML_OK)
        status = plan_explain(r, g, &own);
    graph_free(g);
    if (status == MP2ML_ERR_UNSUPPORTED)
        status = r->count != 0 ? MP2ML_OK : graph_refusals_add(r, "", "", own.text, NULL, 0);
    return status == MP2ML_OK
               ? status
               : status_fail(err, status, "%s",
                             own.text[0] != '\0' ? own.text : mp2ml_status_text(status));
}

/* Files' names need not be UTF-8. */
static json_t *json_of(const char *text)
{
    json_t *s = json_string(text);
    char *ascii = s == NULL ? strdup(text) : NULL;
    for (char *c = ascii; c != NULL && *c != '\0'; c++)
        *c = (char)((unsigned char)*c < 0x80 ? *c : '?');
    s = ascii != NULL ? json_string(ascii) : s;
    free(ascii);
    return s;
}

static char *as_json(const struct graph_refusals *r)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t k = 0; k < r->count && ok; k++) {
        const struct graph_refusal *one = &r->list[k];
        json_t *o = json_pack("{s:o, s:o, s:o, s:s?}", "node", json_of(one->node), "operator",
                              json_of(one->op), "why", json_of(one->why), "instead", one->rewrite);
        ok = json_array_append_new(list, o) == 0; /* also when o is NULL */
    }
    json_t *all = ok ? json_pack("{s:O}", "refusals", list) : NULL;
    char *text = all != NULL ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    json_decref(list);
    return text;
}

static char *as_text(const struct graph_refusals *r)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (to == NULL)
        return NULL;
    for (size_t k = 0; k < r->count; k++) {
        const struct graph_refusal *one = &r->list[k];
        if (one->node[0] != '\0')
            fprintf(to, "node '%s' (%s)\n", one->node, one->op);
        fprintf(to, "    %s\n", one->why);
        if (one->rewrite != NULL)
            fprintf(to, "    instead: %s\n", one->rewrite);
        fputc('\n', to);
    }
    if (r->count == 0)
        fprintf(to, "every operator has a private form");
    else
        fprintf(to, "%zu%s without a private form; docs/models.md lists those that have one",
                r->count, r->count == GRAPH_MAX_REFUSALS ? " and more" : "");
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}

mp2ml_status mp2ml_model_explain(const char *path, const mp2ml_options *options, int json,
                                 size_t *count, char **out, mp2ml_error *error)
{
    struct graph_refusals refusals = {0};
    struct mp2ml_options defaults;
    *out = NULL;
    *count = 0;
    options_init(&defaults);
    const struct graph_cut cut = options_cut(options ? options : &defaults);
    mp2ml_status status = collect(&refusals, path, &cut, error);
    if (status == MP2ML_OK) {
        *count = refusals.count;
        *out = json ? as_json(&refusals) : as_text(&refusals);
        if (*out == NULL)
            status = status_fail(error, MP2ML_ERR_MEMORY, "out of memory");
    }
    graph_refusals_wipe(&refusals);
    options_wipe(&defaults);
    return status;
}
