/* SPDX-License-Identifier: Apache-2.0
 *
 * ReLUs on shares, into a ring ten bits larger, transfers made on the way, by both engines:
 * processor time of either party, and the time of day of both together, which the slower one sets.
 */
#include <stdlib.h>

#include "bench_protocol.h"
#include "mpc/mpc.h"
#include "mpc/relu.h"
#include "mpc/yao.h"

enum { PROCESSOR, WALL };

struct relus {
    enum mpc_engine engine;
    size_t n;
    unsigned k, more, blind;         /* more: bits of the larger ring */
    struct link_stats before, after; /* of the last sample, at the client */
};

static void relus(struct bench_party *p)
{
    struct relus *r = p->context;
    struct mpc *m;
    uint64_t *in = bench_alloc(r->n, sizeof *in), *out = bench_alloc(r->n, sizeof *out);
    MUST(prg_fill(p->prg, in, r->n * sizeof *in));
    for (size_t i = 0; i < r->n; i++)
        in[i] &= (UINT64_C(1) << r->k) - 1;
    MUST(mpc_new(&m, p->party, p->link, p->ot, p->prg));
    mpc_set_engine(m, r->engine);
    for (int s = -1; s < p->bench->samples; s++) {
        const struct link_stats before = link_stats(p->link);
        const double wall = bench_wall(), processor = limits_now();
        MUST(mpc_relu(m, 1, out, in, NULL, r->n, r->k, r->k + r->more, r->blind));
        if (p->party == PARTY_CLIENT) {
            r->before = before;
            r->after = link_stats(p->link);
        }
        if (s < 0)
            continue;
        p->sample[PROCESSOR][s] = limits_now() - processor;
        p->sample[WALL][s] = bench_wall() - wall;
    }
    mpc_free(m);
    free(in);
    free(out);
}

/* AES blocks of a ReLU at one side. */
static double work_of(const struct relus *r, unsigned k_ss, enum party party)
{
    const bool server = party == PARTY_SERVER;
    if (r->engine == MPC_YAO) { /* transfers that are not hashed; labels that are */
        const double hashes = (double)yao_sign_blocks(r->k, r->blind) + r->k + 2;
        return r->k * (bench_ot_aes(k_ss, server) - (server ? 2 : 1)) + (server ? 2 : 1) * hashes;
    }
    const unsigned ands = r->k - 1 - r->blind;
    const unsigned from_server = ands + relu_muxes_from_server(r->k, r->k + r->more);
    const unsigned from_client = ands + 1;
    return (server ? from_server : from_client) * bench_ot_aes(k_ss, true) +
           (server ? from_client : from_server) * bench_ot_aes(k_ss, false);
}

static void print_rows(struct bench *b, const struct bench_party pair[2], const struct relus *r,
                       unsigned k_ss)
{
    const double n = (double)r->n;
    const double up = (double)(r->after.bytes_sent - r->before.bytes_sent) / n;
    const double down = (double)(r->after.bytes_received - r->before.bytes_received) / n;
    const double flights = (double)(r->after.flights - r->before.flights);
    char more[160];
    snprintf(more, sizeof more,
             ", \"k\": %u, \"k_ss\": %u, \"bytes_to_server\": %.6g, \"bytes_to_client\": %.6g, "
             "\"flights\": %.6g",
             r->k, k_ss, up, down, flights);
    struct bench_row row = {.group = "mpc",
                            .name = r->engine == MPC_YAO ? "relu, Yao" : "relu",
                            .level = b->best,
                            .unit = "ReLU",
                            .elements = n,
                            .kind = BENCH_AES,
                            .more = more};
    if (r->blind > 0)
        snprintf(row.size, sizeof row.size, "k=%u blind=%u", r->k, r->blind);
    else
        snprintf(row.size, sizeof row.size, "k=%u k_ss=%u", r->k, k_ss);
    for (int i = 0; i < 2; i++) {
        row.table = i == PARTY_SERVER ? "server" : "client";
        row.work = n * work_of(r, k_ss, pair[i].party);
        bench_pair_row(b, &pair[i], PROCESSOR, &row);
    }
    row.table = "both";
    bench_pair_row(b, &pair[PARTY_SERVER], WALL, &row);
    printf("%48s %.1f bytes a ReLU to the server, %.1f to the client; %.0f flights for %zu\n", "",
           up, down, flights, r->n);
}

static void one_shape(struct bench *b, struct relus *r, unsigned k_ss)
{
    struct bench_party pair[2];
    bench_pair(b, pair, k_ss, relus, r);
    print_rows(b, pair, r, k_ss);
}

void bench_relu(struct bench *b)
{
    struct relus r = {.engine = MPC_GMW, .n = 2 * MPC_BLOCK, .more = 10};
    for (r.k = 10; r.k <= 20; r.k++)
        one_shape(b, &r, 4);
    r.k = 12;
    one_shape(b, &r, 8);
    r.engine = MPC_YAO;
    r.k = 16;
    r.more = 16;
    one_shape(b, &r, 4);
    r.k = 18;
    r.more = 10;
    r.blind = 7;
    one_shape(b, &r, 4);
}
