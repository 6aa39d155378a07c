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

/* Bytes for so many requests; UINT64_MAX on overflow. */
static uint64_t prepare_memory(const struct shape *shape, enum party party, size_t requests,
                               bool precompute)
{
    uint64_t from_server, from_client, bytes;
    const size_t images = (size_t)shape->images;
    plan_transfers(shape->pub, images, &from_server, &from_client);
    if (__builtin_mul_overflow((from_server + from_client) * TRANSFER_BYTES, requests, &bytes))
        return UINT64_MAX;
    size_t run =
        run_memory(shape->pub, party, shape->plain, precompute ? images * requests : images);
    size_t items = precompute_memory(shape->pub, party, shape->plain, images, requests, precompute);
    return run > SIZE_MAX - items || bytes > UINT64_MAX - run - items ? UINT64_MAX
                                                                      : bytes + run + items;
}

size_t prepare_limit(const struct shape *shape, enum party party, size_t requests, bool precompute,
                     uint64_t max_memory)
{
    if (shape->images > shape->block) /* requests of many blocks gain little */
        return 0;
    const size_t most = PLAN_BLOCK_IMAGES / (size_t)shape->images;
    if (precompute && requests > most) /* they are made as one batch */
        requests = most;
    while (requests > 0 && prepare_memory(shape, party, requests, precompute) > max_memory)
        requests /= 2;
    return requests;
}

/* ---- making ------------------------------------------------------------------------------------ */

static mp2ml_status make_linear(struct shapes *shapes, struct shape *shape, struct session *s,
                                const struct plan *plan, size_t requests, bool precompute,
                                uint64_t max_memory)
{
    struct run *run = NULL;
    const size_t images = (size_t)shape->images, room = precompute ? images * requests : images;
    shapes_make_room(shapes, s->party, run_memory(shape->pub, s->party, shape->plain, room),
                     max_memory);
    TRY(run_new(&run, s->party, s->link, s->mpc, s->prg, &s->keys, shape->pub, plan, shape->plain,
                room));
    mp2ml_status status = precompute_new(&shape->ahead, run, images, requests, precompute);
    run_free(run);
    return status;
}

mp2ml_status prepare_make(struct shapes *shapes, struct shape *shape, struct session *s,
                          const struct plan *plan, size_t requests, bool precompute,
                          uint64_t max_memory)
{
    uint64_t from_server, from_client;
    const bool client = s->party == PARTY_CLIENT;
    TRACE(link_trace(s->link), AHEAD, requests);
    precompute_free(shape->ahead);
    shape->ahead = NULL;
    if (requests == 0)
        return MP2ML_OK;
    plan_transfers(shape->pub, (size_t)shape->images, &from_server, &from_client);
    from_server *= requests; /* both within what prepare_memory found to fit */
    from_client *= requests;
    if (from_server + from_client > 0)
        TRY(ot_reserve(s->ot, 0, (size_t)(client ? from_client : from_server),
                       (size_t)(client ? from_server : from_client)));
    TRY(make_linear(shapes, shape, s, plan, requests, precompute, max_memory));
    return channel_flush(link_channel(s->link));
}

/* ---- while the server waits ------------------------------------------------------------------ */

#define QUIET_MS 2                      /* a client that is quicker than that is not waited for */
#define IDLE_BYTES ((uint64_t)64 << 20) /* quickly wiped */

mp2ml_status prepare_idle(struct shapes *shapes, struct session *s, uint64_t max_memory)
{
    const struct shape *shape = shapes->last;
    if (shapes->idle || !shape || !shape->run || shape->images > shape->block ||
        precompute_left(shape->ahead) > 0 || !channel_is_quiet(link_channel(s->link), QUIET_MS))
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

#define PREPARED_BYTES 5

mp2ml_status prepare_answer_send(struct link *link, size_t requests, bool precompute)
{
    uint8_t body[PREPARED_BYTES];
    store_u32(body, (uint32_t)requests);
    body[4] = precompute;
    TRY(frame_send(link, FRAME_PREPARED, 0, body, sizeof(body)));
    return channel_flush(link_channel(link));
}

mp2ml_status prepare_answer_recv(struct link *link, const struct request *asked, size_t *requests,
                                 bool *precompute)
{
    uint8_t body[PREPARED_BYTES];
    TRY(frame_recv(link, FRAME_PREPARED, 0, body, sizeof(body)));
    *requests = load_u32(body);
    *precompute = body[4] == 1;
    if (*requests > asked->requests || body[4] > 1 || (body[4] == 1 && !asked->precompute))
        return MP2ML_ERR_PROTOCOL;
    return MP2ML_OK;
}
