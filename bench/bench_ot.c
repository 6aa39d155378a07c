/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_ot [transfers] [k_ss]: random OTs of one direction, by side: extension with its check, then
 * hashing to bits (as for triples) and to blocks. */
#include "bench_common.h"

struct ot_bench {
    size_t n;
    unsigned k_ss;
    struct bench_limits limits;
};

struct times {
    double extend, bits, blocks; /* seconds */
};

static struct times run_once(struct bench_party *p, const struct ot_bench *b, void *memory)
{
    const bool sends = p->party == PARTY_SERVER;
    uint64_t *words = memory;
    struct block *blocks = memory;
    struct times t;
    double start = bench_cpu();
    OK(ot_reserve(p->ot, 1, sends ? b->n : 0, sends ? 0 : b->n));
    t.extend = bench_cpu() - start;
    start = bench_cpu();
    const size_t half = b->n / 2 / 64 * 64, piece = 65536;
    for (size_t done = 0; done < half; done += piece) {
        const size_t n = half - done < piece ? half - done : piece;
        if (sends)
            ot_take_send_bits(p->ot, words, words + piece / 64, n);
        else
            ot_take_recv_bits(p->ot, words, words + piece / 64, n);
    }
    t.bits = (bench_cpu() - start) * (double)b->n / (double)half;
    start = bench_cpu();
    for (size_t done = half; done < b->n; done += piece) {
        const size_t n = b->n - done < piece ? b->n - done : piece;
        if (sends)
            ot_take_send(p->ot, blocks, blocks + piece, n);
        else
            ot_take_recv(p->ot, blocks, (uint64_t *)(void *)(blocks + piece), n);
    }
    t.blocks = (bench_cpu() - start) * (double)b->n / (double)(b->n - half);
    return t;
}

static void *body(void *context)
{
    struct bench_party *p = context;
    const struct ot_bench *b = p->context;
    void *memory = bench_memory(2 * 65536 * sizeof(struct block));
    bench_party_begin(p, b->k_ss);
    struct times best = run_once(p, b, memory); /* touches all memory */
    for (unsigned i = 0; i < 4; i++) {
        const struct times t = run_once(p, b, memory);
        best.extend = i == 0 || t.extend < best.extend ? t.extend : best.extend;
        best.bits = i == 0 || t.bits < best.bits ? t.bits : best.bits;
        best.blocks = i == 0 || t.blocks < best.blocks ? t.blocks : best.blocks;
    }
    const double n = (double)b->n, ns = 1e9 / n;
    /* 2^k leaves of each of 128/k trees give a bit; the sender lacks one leaf. */
    const double leaves = (double)((1U << b->k_ss) - (p->party == PARTY_SERVER)) / b->k_ss;
    const double sent = (128.0 / b->k_ss - 1) / 8;
    printf(
        "k_ss %u %-8s extension %5.2f ns, bits %5.2f ns, blocks %5.2f ns: %6.1f M bits/s; AES of "
        "leaves alone %5.2f ns, SHA-256 of corrections alone %5.2f ns\n",
        b->k_ss, p->party == PARTY_SERVER ? "sender" : "receiver", best.extend * ns, best.bits * ns,
        best.blocks * ns, 1e-6 * n / (best.extend + best.bits), 1e9 * leaves / b->limits.aes,
        1e9 * sent / b->limits.digest);
    bench_party_end(p);
    free(memory);
    return NULL;
}

int main(int argc, char **argv)
{
    struct ot_bench b = {.n = argc > 1 ? strtoul(argv[1], NULL, 0) : (size_t)1 << 20};
    const unsigned only = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0;
    if (b.n < 1024) {
        fprintf(stderr, "use: bench_ot [transfers >= 1024] [k_ss]\n");
        return 2;
    }
    b.limits = bench_limits_measure();
    for (b.k_ss = 2; b.k_ss <= 8; b.k_ss *= 2)
        if (only == 0 || only == b.k_ss)
            bench_pair(body, &b);
    return 0;
}
