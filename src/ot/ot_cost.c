/* SPDX-License-Identifier: Apache-2.0
 *
 * What transfers cost. Bytes follow the frames of ot.c exactly; seconds are measured, rough. */
#include <assert.h>

#include "base/cpu.h"
#include "ot/base_ot.h"
#include "ot/ot.h"
#include "ot/ot_piece.h"
#include "ot/softspoken.h"
#include "ot/softspoken_tree.h"

/* One transfer at either party, made, checked and hashed. */
static double seconds_each(unsigned k)
{
    static const double few[] = {
        [CPU_PORTABLE] = 230e-9, [CPU_AVX2] = 20e-9, [CPU_AVX512] = 6.5e-9};
    static const double eight[] = {
        [CPU_PORTABLE] = 1500e-9, [CPU_AVX2] = 85e-9, [CPU_AVX512] = 18e-9};
    return k == 8 ? eight[cpu_level()] : few[cpu_level()];
}

static uint64_t extend_bytes(unsigned k, size_t transfers)
{
    return FRAME_HEADER_BYTES + softspoken_body_bytes(k, transfers / OT_WIDTH + 1);
}

void ot_cost_reserve(struct cost *sum, struct ot_ledger *ledger, uint64_t from_server,
                     uint64_t from_client)
{
    struct cost c = {0};
    size_t s = ot_missing(from_server, ledger->from_server);
    size_t r = ot_missing(from_client, ledger->from_client);
    c.ots_from_server = s;
    c.ots_from_client = r;
    ledger->from_server += s;
    ledger->from_client += r;
    /* Rows and choice bits of what is left and new, and one sacrificed tile. */
    c.memory =
        (ledger->from_server + ledger->from_client + 2 * OT_WIDTH) * 16 +
        (ledger->from_server > ledger->from_client ? ledger->from_server : ledger->from_client) / 8;
    c.ot_seconds = (double)(s + r) * seconds_each(ledger->k_ss);
    c.client_seconds = c.server_seconds = c.ot_seconds;
    while (s > 0 || r > 0) {
        const size_t send = ot_piece(s), recv = ot_piece(r);
        /* The receiver of transfers sends the corrections; both parties send first. */
        if (send > 0)
            cost_frame(&c, &ledger->last, COST_TO_SERVER, extend_bytes(ledger->k_ss, send));
        if (recv > 0)
            cost_frame(&c, &ledger->last, COST_TO_CLIENT, extend_bytes(ledger->k_ss, recv));
        s -= send;
        r -= recv;
    }
    cost_add(sum, &c);
}

void ot_cost_take(struct ot_ledger *ledger, uint64_t from_server, uint64_t from_client)
{
    assert(from_server <= ledger->from_server && from_client <= ledger->from_client);
    ledger->from_server -= from_server;
    ledger->from_client -= from_client;
}

struct cost ot_cost_setup(unsigned k_ss)
{
    struct cost c = {0};
    const uint64_t trees = SOFTSPOKEN_TREE_BYTES(k_ss);
    c.bytes_to_client = FRAME_HEADER_BYTES + BASE_OT_RECEIVER_BYTES + FRAME_HEADER_BYTES + trees;
    c.bytes_to_server = FRAME_HEADER_BYTES + BASE_OT_SENDER_BYTES + FRAME_HEADER_BYTES + trees +
                        softspoken_body_bytes(k_ss, 2) + sizeof(struct block);
    c.flights = 3; /* at either party */
    c.memory = (uint64_t)1 << 20;
    c.client_seconds = c.server_seconds = 0.02;
    return c;
}
