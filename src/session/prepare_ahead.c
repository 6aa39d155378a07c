/* SPDX-License-Identifier: Apache-2.0
 *
 * Work for requests to come, both halves of the exchange next to each other: random transfers and
 * halves of linear steps, or with precompute whole linear steps. What is made depends on counts
 * alone. */
#include <stdlib.h>
#include <string.h>

#include "session/session.h"

/* ---- what there is room for ------------------------------------------------------------------ */

#define TRANSFER_BYTES 17 /* in a pool: a row and, rounded up, its choice */

uint64_t prepare_transfer_bytes(const struct shape *shape, size_t requests)
{
    uint64_t from_server, from_client, bytes;
    plan_transfers(shape->pub, (size_t)shape->images, &from_server, &from_client);
    return __builtin_mul_overflow((from_server + from_client) * TRANSFER_BYTES, requests, &bytes)
               ? UINT64_MAX
               : bytes;
}

size_t prepare_kept(const struct shape *shape, bool precompute)
{
    const size_t left = shapes_items(shape);
    return left > 0 && precompute_linear(shape->ahead) == precompute ? left : 0;
}

/* a + b, or UINT64_MAX. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The run that makes the items, or the largest that a request of any shape may need beside them. */
static uint64_t largest_run(const struct shapes *shapes, const struct shape *of, enum party party,
                            size_t more, bool precompute)
{
    uint64_t most =
        run_memory(of->pub, party, of->plain, (size_t)of->images * (precompute ? more : 1));
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        const struct shape *shape = &shapes->at[i];
        const uint64_t run =
            shape->pub ? run_memory(shape->pub, party, shape->plain, shape->block) : 0;
        most = run > most ? run : most;
    }
    return most;
}

/* Bytes of the party with so many items more; UINT64_MAX on overflow. */
static uint64_t prepare_memory(const struct shapes *shapes, const struct shape *shape,
                               enum party party, size_t more, bool precompute)
{
    const size_t items =
        precompute_memory(shape->pub, party, shape->plain, (size_t)shape->images, more, precompute);
    uint64_t there = shapes_ahead(shapes);
    if (shapes_items(shape) > prepare_kept(shape, precompute)) /* they go before */
        there -=
            precompute_bytes(shape->ahead) + prepare_transfer_bytes(shape, shapes_items(shape));
    const uint64_t sum = plus(there, prepare_transfer_bytes(shape, more));
    return plus(plus(sum, largest_run(shapes, shape, party, more, precompute)),
                items == SIZE_MAX ? UINT64_MAX : items);
}

size_t prepare_limit(const struct shapes *shapes, const struct shape *shape, enum party party,
                     size_t more, bool precompute, uint64_t max_memory)
{
    if (shape->images > shape->block) /* requests of many blocks gain little */
        return 0;
    const size_t most = PLAN_BLOCK_IMAGES / (size_t)shape->images;
    if (precompute && more > most) /* they are made as one batch */
        more = most;
    size_t fits = 0; /* more grows the sum */
    while (more > fits) {
        const size_t try = more - (more - fits) / 2;
        if (prepare_memory(shapes, shape, party, try, precompute) <= max_memory)
            fits = try;
        else
            more = try - 1;
    }
    return fits;
}

size_t prepare_grant(const struct shapes *shapes, const struct shape *shape,
                     const struct request *request, const struct mp2ml_options *o)
{
    const size_t kept = prepare_kept(shape, request->precompute);
    const uint64_t others = shapes_all_items(shapes) - shapes_items(shape);
    const uint64_t all = o->max_prepared > others ? o->max_prepared - others : 0;
    const uint64_t wanted = request->requests < all ? request->requests : all;
    if (wanted <= kept || shapes->dropped > 2 * o->max_prepared + shapes->used)
        return 0;
    return prepare_limit(shapes, shape, PARTY_SERVER, (size_t)wanted - kept, request->precompute,
                         o->max_memory);
}

/* ---- making ------------------------------------------------------------------------------------ */

static mp2ml_status make_items(struct shapes *shapes, struct shape *shape, struct session *s,
                               const struct plan *plan, size_t more, bool precompute,
                               uint64_t max_memory)
{
    struct run *run = NULL;
    struct precomputed *made = NULL;
    const size_t images = (size_t)shape->images, room = precompute ? images * more : images;
    const size_t items =
        precompute_memory(shape->pub, s->party, shape->plain, images, more, precompute);
    shapes_make_room(shapes, s->party, run_memory(shape->pub, s->party, shape->plain, room) + items,
                     max_memory);
    TRY(run_new(&run, s->party, s->link, s->mpc, s->prg, &s->keys, shape->pub, plan, shape->plain,
                room));
    mp2ml_status status = precompute_new(&made, run, images, more, precompute);
    run_free(run);
    if (status == MP2ML_OK)
        precompute_append(&shape->ahead, made);
    return status;
}

/* Transfers of what is left of all shapes and of so many items more of one. */
static mp2ml_status reserve(const struct shapes *shapes, const struct shape *of, struct session *s,
                            size_t more)
{
    const bool client = s->party == PARTY_CLIENT;
    uint64_t all_server = 0, all_client = 0; /* within what prepare_memory found to fit */
    for (unsigned i = 0; i < SESSION_SHAPES; i++) {
        const struct shape *shape = &shapes->at[i];
        const size_t items = shapes_items(shape) + (shape == of ? more : 0);
        uint64_t from_server, from_client;
        if (items == 0)
            continue;
        plan_transfers(shape->pub, (size_t)shape->images, &from_server, &from_client);
        all_server += from_server * items;
        all_client += from_client * items;
    }
    if (all_server + all_client == 0)
        return MP2ML_OK;
    return ot_reserve(s->ot, 0, (size_t)(client ? all_client : all_server),
                      (size_t)(client ? all_server : all_client));
}

/* The last PREPARED: the server has made all. */
static mp2ml_status tell_all(struct link *link, enum party party, size_t more, bool precompute)
{
    uint8_t body[PREPARED_BYTES], got[PREPARED_BYTES];
    if (party == PARTY_SERVER)
        return prepare_answer_send(link, more, precompute);
    precompute_told_write(body, more, precompute);
    TRY(channel_flush(link_channel(link)));
    TRY(frame_recv(link, FRAME_PREPARED, 0, got, sizeof(got)));
    return memcmp(body, got, sizeof(got)) == 0 ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}

mp2ml_status prepare_make(struct shapes *shapes, struct shape *shape, struct session *s,
                          const struct plan *plan, size_t more, bool precompute,
                          uint64_t max_memory)
{
    TRACE(link_trace(s->link), AHEAD, more);
    if (more == 0)
        return MP2ML_OK;
    if (shapes_items(shape) > prepare_kept(shape, precompute))
        shapes_drop_items(shapes, shape);
    TRY(reserve(shapes, shape, s, more));
    TRY(make_items(shapes, shape, s, plan, more, precompute, max_memory));
    return tell_all(s->link, s->party, more, precompute);
}

/* ---- while the server waits ------------------------------------------------------------------ */

#define IDLE_BYTES ((uint64_t)64 << 20) /* quickly wiped */

mp2ml_status prepare_idle(struct shapes *shapes, struct session *s, uint64_t max_memory)
{
    const struct shape *shape = shapes->last;
    if (shapes->idle || !shape || !shape->run || shape->images > shape->block ||
        shapes_items(shape) > 0 || !channel_is_quiet(link_channel(s->link)))
        return MP2ML_OK;
    const uint64_t kept = shapes_memory(shapes, s->party);
    if (kept >= max_memory)
        return MP2ML_OK;
    const uint64_t room = max_memory - kept;
    TRACE(link_trace(s->link), AHEAD, 1);
    shape->run->ahead = NULL;
    mp2ml_status status = precompute_idle(&shapes->idle, shape->run, (size_t)shape->images,
                                          (size_t)(room < IDLE_BYTES ? room : IDLE_BYTES));
    return status == MP2ML_ERR_MEMORY ? MP2ML_OK : status; /* then without */
}

bool prepare_idle_use(struct shapes *shapes, struct shape *shape)
{
    const bool fits =
        shapes->idle && shapes->last == shape && precompute_idle_fits(shapes->idle, shape->run);
    if (fits)
        precompute_use(shapes->idle, shape->run);
    else
        prepare_idle_drop(shapes);
    return fits;
}

void prepare_idle_drop(struct shapes *shapes)
{
    precompute_free(shapes->idle);
    shapes->idle = NULL;
    shapes->last = NULL;
}

/* ---- PREPARED -------------------------------------------------------------------------------- */

mp2ml_status prepare_answer_send(struct link *link, size_t more, bool precompute)
{
    uint8_t body[PREPARED_BYTES];
    precompute_told_write(body, more, precompute);
    TRY(frame_send(link, FRAME_PREPARED, 0, body, sizeof(body)));
    return channel_flush(link_channel(link));
}

mp2ml_status prepare_answer_recv(struct link *link, const struct request *asked,
                                 const struct shape *shape, size_t *more)
{
    uint8_t body[PREPARED_BYTES];
    TRY(frame_recv(link, FRAME_PREPARED, 0, body, sizeof(body)));
    *more = load_u32(body);
    if (body[4] != asked->precompute)
        return MP2ML_ERR_PROTOCOL;
    const size_t kept = prepare_kept(shape, asked->precompute);
    const size_t most = asked->requests > kept ? asked->requests - kept : 0;
    return *more <= most ? MP2ML_OK : MP2ML_ERR_PROTOCOL;
}
