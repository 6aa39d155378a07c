/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/linear_panel.h"

#include <stdlib.h>
#include <string.h>

#include "plan/linear_build.h"

#define ROWS 128u    /* of a panel, at most: its sums stay in the first cache */
#define COLUMNS 128u /* that are gathered at a time */

struct run { /* groups that share a block: sorted[first .. first + n - 1] */
    size_t first, n;
    size_t items; /* panels before it */
};

struct walk { /* all panels of a map */
    const struct linear_product *product;
    const struct linear_group **sorted;
    struct run *runs;
    size_t n_runs;
};

/* How a run is cut: groups side by side, as many images of each, and rows. */
struct cut {
    size_t groups, images, rows;
    size_t across, along, down; /* panels over its groups, images and rows */
};

static struct cut cut_of(const struct walk *w, const struct run *run)
{
    const size_t images = w->product->images, rows = w->sorted[run->first]->rows;
    struct cut cut = {.images = images < PANEL_LANES ? images : PANEL_LANES, .rows = ROWS};
    cut.groups = PANEL_LANES / cut.images;
    cut.across = (run->n + cut.groups - 1) / cut.groups;
    cut.along = (images + cut.images - 1) / cut.images;
    cut.down = (rows + cut.rows - 1) / cut.rows;
    return cut;
}

static void walk_wipe(struct walk *w)
{
    free(w->sorted);
    free(w->runs);
}

/* Groups in the order of their blocks, and the runs of them. */
static mp2ml_status walk_init(struct walk *w, const struct linear_product *product)
{
    const struct linear *lin = product->lin;
    const size_t n = lin->n_groups;
    uint32_t *owner = linear_owners(lin);
    size_t *at = calloc(n + 1, sizeof *at); /* groups of each owner, then where the next goes */
    *w = (struct walk){product, malloc((n + 1) * sizeof *w->sorted), NULL, 0};
    for (size_t g = 0; owner != NULL && at != NULL && g < n; g++) {
        w->n_runs += owner[g] == g;
        at[owner[g]]++;
    }
    w->runs = calloc(w->n_runs + 1, sizeof *w->runs);
    const bool done = owner != NULL && at != NULL && w->sorted != NULL && w->runs != NULL;
    size_t first = 0;
    w->n_runs = 0;
    for (size_t g = 0; done && g < n; g++) {
        if (owner[g] == g) {
            w->runs[w->n_runs++] = (struct run){first, at[g], 0};
            first += at[g];
            at[g] = first - at[g];
        }
        w->sorted[at[owner[g]]++] = &lin->groups[g];
    }
    free(owner);
    free(at);
    return done ? MP2ML_OK : MP2ML_ERR_MEMORY;
}

/* Where panels of each run begin; returns how many there are. */
static size_t count_items(struct walk *w)
{
    size_t items = 0;
    for (size_t i = 0; i < w->n_runs; i++) {
        const struct cut cut = cut_of(w, &w->runs[i]);
        w->runs[i].items = items;
        items += cut.across * cut.along * cut.down;
    }
    return items;
}

static struct linear_panel panel_of(const struct walk *w, size_t item)
{
    size_t low = 0, high = w->n_runs - 1; /* the last run that begins at or before it */
    while (low < high) {
        const size_t middle = (low + high + 1) / 2;
        if (w->runs[middle].items <= item)
            low = middle;
        else
            high = middle - 1;
    }
    const struct run *run = &w->runs[low];
    const struct cut cut = cut_of(w, run);
    const size_t images = w->product->images, all = w->sorted[run->first]->rows;
    size_t i = item - run->items;
    struct linear_panel p = {.lin = w->product->lin};
    p.row = i % cut.down * cut.rows;
    i /= cut.down;
    p.at = i % cut.along * cut.images;
    i = i / cut.along * cut.groups;
    p.rows = all - p.row < cut.rows ? all - p.row : cut.rows;
    p.width = images - p.at < cut.images ? images - p.at : cut.images;
    p.groups = w->sorted + run->first + i;
    p.n_groups = run->n - i < cut.groups ? run->n - i : cut.groups;
    p.lanes = p.n_groups * p.width;
    return p;
}

struct scratch { /* of one thread */
    _Alignas(64) uint32_t x[COLUMNS * PANEL_LANES];
    uint32_t sum[ROWS * PANEL_LANES];
    float factors[ROWS * COLUMNS]; /* as the block of a map */
    uint32_t column[COLUMNS];      /* 0, 1, ... */
};

/* The kernel on factors instead of weights. */
static void multiply_factors(const struct linear_product *product, const struct linear_panel *p,
                             struct scratch *scratch, size_t first, size_t cols)
{
    const struct linear lin = {.w = scratch->factors, .index = scratch->column};
    const struct linear_group group = {.stride = COLUMNS}, *block = &group;
    struct linear_panel panel = *p;
    panel.lin = &lin;
    panel.groups = &block;
    panel.row = 0;
    for (size_t r = 0; r < p->rows; r++)
        product->factors(product->context, scratch->factors + r * COLUMNS, p, r, first, cols);
    for (size_t c = 0; c < cols; c++)
        scratch->column[c] = (uint32_t)c;
    product->kernel(scratch->sum, scratch->x, &panel, 0, cols);
}

static void multiply_panel(const struct linear_product *product, const struct linear_panel *p,
                           struct scratch *scratch)
{
    const size_t all = p->groups[0]->cols;
    memset(scratch->sum, 0, p->rows * PANEL_LANES * sizeof *scratch->sum);
    for (size_t first = 0; first < all; first += COLUMNS) {
        const size_t cols = all - first < COLUMNS ? all - first : COLUMNS;
        for (size_t c = 0; c < cols; c++) {
            uint32_t *to = scratch->x + c * PANEL_LANES;
            product->gather(product->context, to, p, first + c);
            memset(to + p->lanes, 0, (PANEL_LANES - p->lanes) * sizeof *to);
        }
        if (product->factors != NULL)
            multiply_factors(product, p, scratch, first, cols);
        else
            product->kernel(scratch->sum, scratch->x, p, first, cols);
    }
    product->finish(product->context, p, scratch->sum);
}

mp2ml_status linear_multiply(const struct linear_product *product)
{
    struct walk w;
    mp2ml_status status = product->images > 0 ? walk_init(&w, product) : MP2ML_OK;
    if (product->images == 0)
        return MP2ML_OK;
    const size_t items = status == MP2ML_OK ? count_items(&w) : 0;
    int short_of_memory = 0;
#pragma omp parallel if (items > 1)
    {
        struct scratch *scratch = aligned_alloc(64, sizeof *scratch);
        if (scratch == NULL) {
#pragma omp atomic write
            short_of_memory = 1;
        }
#pragma omp for schedule(dynamic, 4)
        for (size_t i = 0; i < items; i++) {
            const struct linear_panel panel = panel_of(&w, i);
            if (scratch != NULL)
                multiply_panel(product, &panel, scratch);
        }
        free(scratch);
    }
    walk_wipe(&w);
    return status == MP2ML_OK && short_of_memory ? MP2ML_ERR_MEMORY : status;
}
