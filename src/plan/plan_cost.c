/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan costs: the steps' own costs added up over blocks, and how long that takes.
 *
 * Time of a step. Its work is a chain of stages (a party computes, bytes travel, the other party
 * computes ...). What comes in p pieces flows through the chain: the first piece passes all stages,
 * the others follow at the pace of the slowest, so sum/p + slowest*(1 - 1/p). */
#include "plan/choose.h"
#include "plan/plan_internal.h"
#include "plan/step_kinds.h"

struct cost plan_step_cost(const struct plan *plan, unsigned step, size_t images, uint64_t plain,
                           struct ot_ledger *ledger)
{
    const struct plan_step *s = &plan->pub.steps[step];
    return step_kind_row(s->kind).cost(plan, s, images, plain, ledger);
}

#define MANY ((uint64_t)1 << 62)

void plan_transfers(const struct plan_public *pub, size_t images, uint64_t *from_server,
                    uint64_t *from_client)
{
    const struct plan view = {.pub = *pub}; /* only linear steps look at more */
    struct ot_ledger ledger = {.from_server = MANY, .from_client = MANY, .k_ss = pub->k_ss};
    for (unsigned s = 0; s < pub->n_steps; s++)
        if (pub->steps[s].kind != STEP_LINEAR)
            (void)plan_step_cost(&view, s, images, 0, &ledger);
    *from_server = MANY - ledger.from_server;
    *from_client = MANY - ledger.from_client;
}

struct cost plan_cost(const struct plan *plan, size_t images, uint64_t plain)
{
    struct cost sum = {0};
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    for (size_t done = 0; done < images; done += PLAN_BLOCK_IMAGES) {
        size_t left = images - done;
        for (unsigned s = 0; s < plan->pub.n_steps; s++) {
            struct cost c = plan_step_cost(
                plan, s, left < PLAN_BLOCK_IMAGES ? left : PLAN_BLOCK_IMAGES, plain, &ledger);
            cost_add(&sum, &c);
        }
    }
    return sum;
}

/* ---- seconds --------------------------------------------------------------------------------- */

#define FLIGHT_SECONDS 25e-6 /* a party wakes up, on this machine */
#define FAR_SECONDS 80e-6    /* and for a frame that came over a network */
#define CROSS_SECONDS 33e-6  /* both wake up for each other, on this machine */
#define BYTE_SECONDS 0.15e-9 /* either party copies a byte in or out of a socket */
#define STEP_SECONDS 15e-6   /* system calls and what else every step costs */

static double most(double a, double b)
{
    return a > b ? a : b;
}

/* p pieces through three stages. */
static double flow(double a, double b, double c, double pieces)
{
    const double slowest = most(a, most(b, c));
    return (a + b + c) / pieces + slowest * (1 - 1 / pieces);
}

struct step_times { /* seconds of one step */
    double client, server, up, down;
};

/* The server's half of c1 is made while the client encrypts; then c0 and the answers flow. */
static double linear_seconds(const struct plan *plan, const struct plan_step *step, size_t images,
                             const struct step_times *t)
{
    const struct ckks_params *params = ckks_params(step->set);
    const size_t inputs = step->layout == PLAN_IMAGE ? step->packing.in_cts * images
                                                     : plan_step_inputs(&plan->pub, step);
    const size_t outputs =
        step->layout == PLAN_IMAGE ? step->packing.out_cts * images : step->count;
    const size_t in = plan_ct_in_per_frame(step, images), out = plan_ct_out_per_frame(step, images);
    const double in_frames = (double)((inputs + in - 1) / in),
                 out_frames = (double)((outputs + out - 1) / out);
    const double ahead =
        step->layout == PLAN_IMAGE ? 0.5 : (double)params->n / (double)(params->n + images);
    /* A group of images in the layout image is answered when all of it has come. */
    const double answers = step->layout == PLAN_IMAGE ? 1 : out_frames;
    return most(flow(t->client / 2, t->up, 0, in_frames), t->server * ahead) +
           flow(t->server * (1 - ahead), t->down, t->client / 2, answers);
}

#define OT_STRIP 43690.0 /* transfers that travel together, about */
#define YAO_FRAME 1024.0 /* values of a frame of GARBLED */

/* The client extends transfers, the server follows strip by strip; then it garbles and the client
 * follows frame by frame. */
static double yao_seconds(const struct plan_step *step, size_t images, const struct cost *cost,
                          const struct plan_situation *situation, const struct step_times *t)
{
    const double client_ot = cost->ot_seconds * situation->client_speed;
    const double server_ot = cost->ot_seconds * situation->server_speed;
    const double frames = ceil((double)step->count * (double)images / YAO_FRAME);
    return flow(client_ot, t->up, server_ot, ceil((double)cost->ots_from_server / OT_STRIP) + 1) +
           flow(t->server - server_ot, t->down, t->client - client_ot, frames);
}

double plan_step_seconds(const struct plan *plan, unsigned s, const struct cost *cost,
                         const struct plan_situation *situation)
{
    const struct plan_step *step = &plan->pub.steps[s];
    if (step->count == 0)
        return 0;
    const double byte = 8 / situation->network.bits_per_second;
    const size_t images =
        situation->images < situation->block ? situation->images : situation->block;
    const double copying = BYTE_SECONDS * (double)(cost->bytes_to_server + cost->bytes_to_client);
    const struct step_times t = {(cost->client_seconds + copying) * situation->client_speed,
                                 (cost->server_seconds + copying) * situation->server_speed,
                                 (double)cost->bytes_to_server * byte,
                                 (double)cost->bytes_to_client * byte};
    /* GMW's frames cross: two flights, one way's time. */
    const bool crossing = step_has_engine(step->kind) && step->engine == MPC_GMW;
    const double flights = crossing ? (double)((cost->flights + 1) / 2) : (double)cost->flights;
    const double each = situation->network.rtt_s > 0 ? FAR_SECONDS
                        : crossing                   ? CROSS_SECONDS
                                                     : FLIGHT_SECONDS;
    const double wait =
        flights * (situation->network.rtt_s / 2 + each) + (cost->flights > 0 ? STEP_SECONDS : 0);
    const double blocks = (double)(((size_t)step->count * images + MPC_BLOCK - 1) / MPC_BLOCK);
    if (step->kind == STEP_LINEAR && cost->flights > 0)
        return wait + linear_seconds(plan, step, images, &t);
    if (step_has_engine(step->kind) && step->engine == MPC_YAO)
        return wait + yao_seconds(step, images, cost, situation, &t);
    return wait + flow(most(t.client, t.server), most(t.up, t.down), 0, blocks);
}

/* Steps as chosen for one block; a shorter last block and what overlaps between blocks do not count.
 */
double plan_seconds(const struct plan *plan, const struct plan_situation *situation)
{
    struct ot_ledger ledger = {.k_ss = plan->pub.k_ss};
    const size_t images =
        situation->images < situation->block ? situation->images : situation->block;
    double sum = 0;
    for (unsigned s = 0; s < plan->pub.n_steps; s++) {
        const struct cost c = plan_step_cost(plan, s, images, situation->plain, &ledger);
        sum += plan_step_seconds(plan, s, &c, situation);
    }
    return sum * (double)situation->images / (double)images;
}
