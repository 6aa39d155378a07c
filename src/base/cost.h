/* SPDX-License-Identifier: Apache-2.0
 *
 * What a piece of a protocol costs. Each protocol exports its own *_cost function beside its code;
 * the planner only adds them up. */
#ifndef BASE_COST_H
#define BASE_COST_H

#include <stdint.h>

struct cost {
    uint64_t bytes_to_server; /* frame headers included; exact */
    uint64_t bytes_to_client;
    uint64_t flights; /* runs of frames in one direction as the client sees them, both together */
    uint64_t ots_from_server; /* random OTs with the server as sender */
    uint64_t ots_from_client; /* random OTs with the client as sender */
    uint64_t memory;          /* bytes of working memory at the larger party, while it runs */
    double client_seconds;    /* rough, one core, this machine's kernels */
    double server_seconds;
    double ot_seconds; /* of either's, what extending transfers takes */
};

enum cost_way { COST_NOWHERE, COST_TO_SERVER, COST_TO_CLIENT };

/* One more frame of so many bytes; *last is the way of the frame before it and becomes this one's.
 */
static inline void cost_frame(struct cost *sum, enum cost_way *last, enum cost_way way,
                              uint64_t bytes)
{
    sum->bytes_to_server += way == COST_TO_SERVER ? bytes : 0;
    sum->bytes_to_client += way == COST_TO_CLIENT ? bytes : 0;
    sum->flights += *last != way;
    *last = way;
}

static inline void cost_add(struct cost *sum, const struct cost *c)
{
    sum->bytes_to_server += c->bytes_to_server;
    sum->bytes_to_client += c->bytes_to_client;
    sum->flights += c->flights;
    sum->ots_from_server += c->ots_from_server;
    sum->ots_from_client += c->ots_from_client;
    sum->memory = sum->memory > c->memory ? sum->memory : c->memory;
    sum->client_seconds += c->client_seconds;
    sum->server_seconds += c->server_seconds;
    sum->ot_seconds += c->ot_seconds;
}

#endif
