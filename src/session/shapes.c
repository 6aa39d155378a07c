/* SPDX-License-Identifier: Apache-2.0
 *
 * What both parties remember of accepted requests, so that the same again needs no answer: see
 * session.h. */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

static void shape_wipe(struct shape *shape)
{
    run_free(shape->run);
    precompute_free(shape->ahead);
    if (shape->pub)
        plan_public_wipe(shape->pub);
    free(shape->pub);
    memset(shape, 0, sizeof(*shape));
}

struct shape *shapes_find(struct shapes *shapes, const struct request *request)
{
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        struct shape *shape = &shapes->at[i];
        if (shape->pub && shape->images == request->images && shape->plain == request->plain)
            return shape;
    }
    return NULL;
}

size_t shapes_items(const struct shape *shape)
{
    return precompute_left(shape->ahead);
}

uint32_t shapes_item(const struct shape *shape)
{
    return (uint32_t)(shape->used % UINT32_MAX) + 1;
}

void shapes_use(struct shapes *shapes, struct shape *shape)
{
    precompute_use(shape->ahead, shape->run);
    shape->used++;
    shapes->used++;
}

void shapes_used(struct shape *shape)
{
    shape->run->ahead = NULL;
    precompute_trim(&shape->ahead);
}

void shapes_drop_items(struct shapes *shapes, struct shape *shape)
{
    shapes->dropped += shapes_items(shape);
    precompute_free(shape->ahead);
    shape->ahead = NULL;
}

/* The place of a new shape: an empty one, or else that of the oldest shape without items, or else that
 * of the oldest. */
static struct shape *oldest(struct shapes *shapes)
{
    struct shape *found = &shapes->at[0];
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        struct shape *shape = &shapes->at[i];
        if (!shape->pub)
            return shape;
        const bool busy = shapes_items(shape) > 0, found_busy = shapes_items(found) > 0;
        if (busy != found_busy ? found_busy : shape->since < found->since)
            found = shape;
    }
    return found;
}

struct shape *shapes_add(struct shapes *shapes, const struct request *request,
                         struct plan_public *pub, size_t block)
{
    struct shape *shape = shapes_find(shapes, request);
    const uint64_t since = shape ? shape->since : ++shapes->accepted;
    if (!shape)
        shape = oldest(shapes);
    shapes_drop_items(shapes, shape);
    shape_wipe(shape);
    *shape = (struct shape){.images = request->images,
                            .plain = request->plain,
                            .pub = pub,
                            .block = block,
                            .since = since};
    return shape;
}

uint64_t shapes_all_items(const struct shapes *shapes)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SESSION_SHAPES; i++)
        sum += shapes_items(&shapes->at[i]);
    return sum;
}

uint64_t shapes_ahead(const struct shapes *shapes)
{
    uint64_t sum = precompute_bytes(shapes->idle);
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        const struct shape *shape = &shapes->at[i];
        if (shapes_items(shape) > 0) /* what prepare_limit found to fit */
            sum += prepare_transfer_bytes(shape, shapes_items(shape));
        sum += precompute_bytes(shape->ahead);
    }
    return sum;
}

uint64_t shapes_memory(const struct shapes *shapes, enum party party)
{
    uint64_t sum = shapes_ahead(shapes);
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        const struct shape *shape = &shapes->at[i];
        if (shape->run)
            sum += run_memory(shape->pub, party, shape->plain, shape->block);
    }
    return sum;
}

void shapes_make_room(struct shapes *shapes, enum party party, size_t more, uint64_t max_memory)
{
    uint64_t kept = more + shapes_ahead(shapes);
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        struct shape *shape = &shapes->at[i];
        if (!shape->run)
            continue;
        kept += run_memory(shape->pub, party, shape->plain, shape->block);
        if (kept <= max_memory)
            continue;
        run_free(shape->run);
        shape->run = NULL;
        shapes_make_room(shapes, party, more, max_memory);
        return;
    }
}

mp2ml_status shapes_run(struct shapes *shapes, struct shape *shape, struct session *s,
                        const struct plan *plan, uint64_t max_memory)
{
    if (shape->run)
        return MP2ML_OK;
    shapes_make_room(shapes, s->party, run_memory(shape->pub, s->party, shape->plain, shape->block),
                     max_memory);
    return run_new(&shape->run, s->party, s->link, s->mpc, s->prg, &s->keys, shape->pub, plan,
                   shape->plain, shape->block);
}

void shapes_drop_runs(struct shapes *shapes)
{
    prepare_idle_drop(shapes);
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        run_free(shapes->at[i].run);
        shapes->at[i].run = NULL;
        precompute_free(shapes->at[i].ahead);
        shapes->at[i].ahead = NULL;
    }
}

void shapes_wipe(struct shapes *shapes)
{
    prepare_idle_drop(shapes);
    for (unsigned i = 0; i < SESSION_SHAPES; i++)
        shape_wipe(&shapes->at[i]);
    shapes->accepted = 0;
}
