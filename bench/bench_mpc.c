/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_mpc [values] [k] [l] [k_ss]: ReLU with ring extension on shares, both parties on this
 * machine, one thread each, transfers made on the way. */
#include "bench_common.h"
#include "mpc/mpc.h"

struct mpc_bench {
    size_t n;
    unsigned k, l, k_ss;
    struct bench_limits limits;
};

static void *body(void *context)
{
    struct bench_party *p = context;
    const struct mpc_bench *b = p->context;
    const uint64_t ring = ((uint64_t)1 << b->k) - 1;
    struct mpc *m;
    uint64_t *in = bench_memory(b->n * sizeof *in), *out = bench_memory(b->n * sizeof *out);
    double wall = 0, cpu = 0, extend = 0;
    OK(prg_new(&p->prg));
    OK(prg_fill(p->prg, in, b->n * sizeof *in));
    prg_free(p->prg);
    for (size_t i = 0; i < b->n; i++)
        in[i] &= ring;
    bench_party_begin(p, b->k_ss);
    OK(mpc_new(&m, p->party, p->link, p->ot, p->prg));
    uint64_t sent = 0;
    for (unsigned i = 0; i < 4; i++) {
        sent = link_stats(p->link).bytes_sent;
        const double wall_start = bench_wall(), cpu_start = bench_cpu();
        OK(mpc_relu(m, 1, out, in, NULL, b->n, b->k, b->l, 0));
        const double wall_now = bench_wall() - wall_start, cpu_now = bench_cpu() - cpu_start;
        wall = i <= 1 || wall_now < wall ? wall_now : wall;
        cpu = i <= 1 || cpu_now < cpu ? cpu_now : cpu;
        sent = link_stats(p->link).bytes_sent - sent;
    }
    /* The part of the transfers alone. */
    const size_t mine = b->k - 1 + (b->l > b->k && p->party == PARTY_SERVER ? 2 : 1);
    const size_t theirs = b->k - 1 + (b->l > b->k && p->party == PARTY_CLIENT ? 2 : 1);
    const size_t block = b->n < MPC_BLOCK ? b->n : MPC_BLOCK;
    const double start = bench_cpu();
    OK(ot_reserve(p->ot, 1, block * mine, block * theirs));
    extend = bench_cpu() - start;
    const double n = (double)b->n, per_block = (double)block;
    const double leaves = (double)((1U << b->k_ss) * (mine + theirs)) / b->k_ss;
    printf(
        "k %u l %u k_ss %u %-6s %6.1f ns of processor, %6.1f ns of time a ReLU: %5.2f M/s (by "
        "processor %5.2f); extensions %5.1f ns, AES of leaves alone %5.1f ns; sends %.1f bytes\n",
        b->k, b->l, b->k_ss, p->party == PARTY_SERVER ? "server" : "client", 1e9 * cpu / n,
        1e9 * wall / n, 1e-6 * n / wall, 1e-6 * n / cpu, 1e9 * extend / per_block,
        1e9 * leaves / b->limits.aes, (double)sent / n);
    mpc_free(m);
    bench_party_end(p);
    free(in);
    free(out);
    return NULL;
}

int main(int argc, char **argv)
{
    struct mpc_bench b = {.n = argc > 1 ? strtoul(argv[1], NULL, 0) : (size_t)1 << 19,
                          .k = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0,
                          .l = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 0,
                          .k_ss = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 0) : 4};
    if (b.n == 0) {
        fprintf(stderr, "use: bench_mpc [values] [k] [l] [k_ss]\n");
        return 2;
    }
    b.limits = bench_limits_measure();
    if (b.k != 0) {
        b.l = b.l < b.k ? b.k : b.l;
        bench_pair(body, &b);
        return 0;
    }
    for (b.k = 12; b.k <= 16; b.k += 4) {
        b.l = b.k + 10;
        bench_pair(body, &b);
    }
    return 0;
}
