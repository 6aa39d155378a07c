/* SPDX-License-Identifier: Apache-2.0
 *
 * mp2ml predict --check MODEL: the same images through the model here, in floats and as the
 * fixed-point twin of the private run, and a verdict. Values must stay within the error that the
 * plan expects; labels must agree for all but 1 % (rounded up) of the images, places of
 * several labels for all but 5 %. */
#include <stdio.h>
#include <stdlib.h>

#include "compare.h"
#include "predict.h"

#define TWIN_SEED 1

struct check {
    const struct predict *p;
    mp2ml_model *model;
    float **exact, **twin; /* [output][image][count] */
};

/* The model with the server's policy, unless the user stated one. */
static int load(struct check *c, const char *path)
{
    const struct predict *p = c->p;
    mp2ml_error error = {MP2ML_OK, ""};
    const mp2ml_tensor *mine, *theirs = mp2ml_client_output(p->client, 0);
    if (!cli_last(p->cli, "reveal")) {
        int result = cli_set(p->cli, "reveal", theirs->integers ? "argmax" : "logits");
        if (result != APP_DONE)
            return result;
    }
    if (mp2ml_model_load(&c->model, path, p->cli->options, &error) != MP2ML_OK)
        return app_fail("--check: %s", error.text);
    for (size_t i = 0; i <= p->n_inputs; i++) {
        mine = mp2ml_model_input(c->model, i);
        theirs = mp2ml_client_input(p->client, i);
        if (!mine != !theirs || (mine && mine->count != theirs->count))
            return app_fail("--check %s: its inputs differ from the server's", path);
    }
    for (size_t o = 0; o <= p->n_outputs; o++) {
        mine = mp2ml_model_output(c->model, o);
        theirs = mp2ml_client_output(p->client, o);
        if (!mine != !theirs ||
            (mine && (mine->count != theirs->count || !mine->integers != !theirs->integers)))
            return app_fail("--check %s: its outputs differ from the server's", path);
    }
    return APP_DONE;
}

static int evaluate(struct check *c)
{
    const struct predict *p = c->p;
    mp2ml_error error = {MP2ML_OK, ""};
    c->exact = calloc(p->n_outputs + 1, sizeof(*c->exact));
    c->twin = calloc(p->n_outputs + 1, sizeof(*c->twin));
    if (!c->exact || !c->twin)
        return app_fail("--check: out of memory");
    for (size_t o = 0; o < p->n_outputs; o++) {
        size_t bytes = mp2ml_client_output(p->client, o)->count * sizeof(float);
        c->exact[o] = calloc(p->images, bytes);
        c->twin[o] = calloc(p->images, bytes);
        if (!c->exact[o] || !c->twin[o])
            return app_fail("--check: out of memory");
    }
    if (mp2ml_model_eval_float(c->model, p->images, p->inputs, c->exact, &error) != MP2ML_OK ||
        mp2ml_model_eval_fixed(c->model, p->images, p->inputs, c->twin, TWIN_SEED, &error) !=
            MP2ML_OK)
        return app_fail("--check: %s", error.text);
    return APP_DONE;
}

static void print_line(const char *what, const struct compare *c, bool values)
{
    printf("  against %s:", what);
    if (values)
        printf(" largest difference %.6g%s", c->max_error, c->has_labels ? "," : "");
    if (c->has_labels)
        printf(" %zu of %zu labels agree (%.2f %%)", c->agree, c->rows, 100 * compare_share(c));
    printf("\n");
}

/* Whether output o is as it should be. */
static bool judge(const struct check *c, size_t o)
{
    const struct predict *p = c->p;
    const mp2ml_tensor *t = mp2ml_client_output(p->client, o);
    struct compare exact = {0}, twin = {0};
    compare_add(&exact, t, p->images, p->outputs[o], c->exact[o]);
    compare_add(&twin, t, p->images, p->outputs[o], c->twin[o]);
    printf("check of output '%s'\n", t->name);
    print_line("the float model", &exact, !t->integers);
    print_line("its fixed-point twin", &twin, !t->integers);
    bool good;
    if (t->integers) {
        size_t percent = t->count > 1 ? 5 : 1; /* near ties swap places */
        good = exact.rows - exact.agree <= (percent * exact.rows + 99) / 100;
        printf("  verdict: %s, at most %zu %% of the labels may differ\n", good ? "good" : "BAD",
               percent);
    } else {
        double bound = mp2ml_model_expected_error(c->model, o);
        good = exact.max_error <= bound;
        printf("  verdict: %s, the plan expects a difference of at most %.6g\n",
               good ? "good" : "BAD", bound);
    }
    return good;
}

int predict_check(const struct predict *p)
{
    struct check c = {p, NULL, NULL, NULL};
    const char *path = cli_last(p->cli, "check");
    int result = load(&c, path);
    if (result == APP_DONE)
        result = evaluate(&c);
    size_t bad = 0;
    for (size_t o = 0; o < p->n_outputs && result == APP_DONE; o++)
        bad += !judge(&c, o);
    if (bad > 0)
        result = app_fail("--check %s: the private answers are farther from the model than they "
                          "should be",
                          path);
    for (size_t o = 0; o < p->n_outputs; o++) {
        if (c.exact)
            free(c.exact[o]);
        if (c.twin)
            free(c.twin[o]);
    }
    free(c.exact);
    free(c.twin);
    mp2ml_model_free(c.model);
    return result;
}
