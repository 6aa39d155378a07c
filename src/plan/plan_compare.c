/* SPDX-License-Identifier: Apache-2.0
 *
 * The planner's choice beside its alternatives, for people and for programs. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan/choose.h"
#include "plan/plan_internal.h"
#include "plan/plan_print.h"

/* Row 0 is what the situation asks for; the others force one layout and one engine. */
#define ROWS 5

static struct plan_situation row_of(const struct plan_situation *situation, unsigned row)
{
    struct plan_situation s = *situation;
    if (row > 0) {
        s.layout = 1 + (row - 1) / 2;
        s.engine = 1 + (row - 1) % 2;
    }
    return s;
}

struct row {
    const char *layout, *engine;
    double seconds;
    struct cost cost;
};

static mp2ml_status fill_row(struct row *row, const struct plan *plan,
                             const struct plan_situation *s)
{
    struct plan_public chosen;
    TRY(plan_choose(&chosen, plan, s));
    const struct plan view = plan_view(plan, &chosen);
    row->layout = plan_layout_name(&chosen);
    row->engine = plan_engine_name(&chosen);
    row->seconds = plan_seconds(&view, s);
    row->cost = plan_cost(&view, s->images, s->plain);
    plan_public_wipe(&chosen);
    return MP2ML_OK;
}

/* A row that repeats an earlier one (nothing to force there) is left out. */
static bool is_new(const struct row *rows, unsigned row)
{
    for (unsigned r = 1; r < row; r++)
        if (rows[r].layout == rows[row].layout && rows[r].engine == rows[row].engine)
            return false;
    return true;
}

static mp2ml_status fill_rows(struct row *rows, const struct plan *plan,
                              const struct plan_situation *situation)
{
    for (unsigned r = 0; r < ROWS; r++) {
        const struct plan_situation s = row_of(situation, r);
        TRY(fill_row(&rows[r], plan, &s));
    }
    return MP2ML_OK;
}

static void print_rows(FILE *f, const struct row *rows)
{
    (void)fprintf(f, "%-10s %-7s %-7s %10s %14s %14s %8s\n", "", "layout", "engine", "seconds",
                  "to server", "to client", "flights");
    for (unsigned r = 0; r < ROWS; r++)
        if (is_new(rows, r))
            (void)fprintf(f, "%-10s %-7s %-7s %10.4f %14llu %14llu %8llu\n", r == 0 ? "chosen" : "",
                          rows[r].layout, rows[r].engine, rows[r].seconds,
                          (unsigned long long)rows[r].cost.bytes_to_server,
                          (unsigned long long)rows[r].cost.bytes_to_client,
                          (unsigned long long)rows[r].cost.flights);
}

/* Step by step: what each layout or engine takes; the choice may differ from the least where the step
 * before has left transfers. */
static void print_steps(FILE *f, const struct plan *plan, const struct plan_situation *situation)
{
    static const char *const names[2][2] = {{"batch", "image"}, {"gmw", "yao"}};
    (void)fprintf(f, "\n%4s %-8s %9s  seconds of the step alone, for a block\n", "step", "kind",
                  "values");
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct plan_step *step = &plan->pub.steps[s];
        if (step->kind != STEP_LINEAR && !step_has_engine(step->kind))
            continue;
        (void)fprintf(f, "%4u %-8s %9u ", s, step_kind_name(step->kind), step->count);
        for (unsigned i = 0; i < 2; i++) {
            const double seconds = plan_alternative_seconds(plan, s, i, situation);
            if (isfinite(seconds))
                (void)fprintf(f, " %s %.4g", names[step->kind != STEP_LINEAR][i], seconds);
        }
        (void)fprintf(f, "  %s\n", plan->notes[s].nodes);
    }
}

mp2ml_status plan_compare(char **out, const struct plan *plan,
                          const struct plan_situation *situation)
{
    struct row rows[ROWS];
    char *text = NULL;
    size_t size = 0;
    *out = NULL;
    if (plan->k == 0 || situation->images == 0)
        return MP2ML_ERR_ARGUMENT;
    TRY(fill_rows(rows, plan, situation));
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return MP2ML_ERR_MEMORY;
    print_rows(f, rows);
    print_steps(f, plan, situation);
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed) {
        free(text);
        return MP2ML_ERR_MEMORY;
    }
    *out = text;
    return MP2ML_OK;
}

mp2ml_status plan_compare_json(json_t **out, const struct plan *plan,
                               const struct plan_situation *situation)
{
    struct row rows[ROWS];
    TRY(fill_rows(rows, plan, situation));
    *out = json_array();
    for (unsigned r = 0; r < ROWS; r++)
        if (is_new(rows, r))
            (void)json_array_append_new(
                *out,
                json_pack("{s:b, s:s, s:s, s:f, s:I, s:I, s:I}", "chosen", r == 0, "layout",
                          rows[r].layout, "engine", rows[r].engine, "seconds", rows[r].seconds,
                          "bytes_to_server", (json_int_t)rows[r].cost.bytes_to_server,
                          "bytes_to_client", (json_int_t)rows[r].cost.bytes_to_client, "flights",
                          (json_int_t)rows[r].cost.flights));
    return MP2ML_OK;
}
