/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines, rows and limits of the benchmarks. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static void usage(const char *program)
{
    fprintf(stderr, "use: %s [--long] [--save FILE]\n", program);
    exit(2);
}

static void print_limits(struct bench *b)
{
    for (int level = LIMITS_PORTABLE; level <= (int)b->best; level++) {
        struct limits *l = &b->limits[level];
        limits_measure(l, (enum limits_level)level);
        printf(
            "limits, %-8s %.2f GHz, AES %.2f G blocks/s, %.1f G multiply-adds/s, copy %.1f GB/s, "
            "in cache %.0f GB/s\n",
            limits_level_name((enum limits_level)level), 1e-9 * l->hertz, 1e-9 * l->aes_blocks,
            1e-9 * l->multiply_adds, 1e-9 * l->copy_bytes, 1e-9 * l->cached_bytes);
        if (b->save)
            fprintf(b->save,
                    "{\"level\": \"limits\", \"of\": \"%s\", \"table\": \"%s\", \"hertz\": %.9g, "
                    "\"aes_blocks\": %.9g, \"multiply_adds\": %.9g, \"copy_bytes\": %.9g, "
                    "\"cached_bytes\": %.9g}\n",
                    b->level, limits_level_name((enum limits_level)level), l->hertz, l->aes_blocks,
                    l->multiply_adds, l->copy_bytes, l->cached_bytes);
    }
}

void bench_begin(struct bench *b, const char *level, int argc, char **argv)
{
    memset(b, 0, sizeof *b);
    b->level = level;
    b->samples = 9;
    b->slice = 1e-3;
    b->best = limits_level();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--long") == 0) {
            b->long_form = true;
            b->samples = 51;
            b->slice = 4e-3;
        } else if (strcmp(argv[i], "--save") == 0 && i + 1 < argc) {
            b->save = fopen(argv[++i], "a");
            if (b->save == NULL) {
                perror(argv[i]);
                exit(1);
            }
        } else {
            usage(argv[0]);
        }
    }
    bench_one_thread();
    print_limits(b);
    printf("%-7s %-17s %-12s %-9s %10s %10s %10s %9s %9s  %-12s %9s %6s\n", "", "", "size", "table",
           "ns each", "fastest", "slowest", "cycles", "us a call", "each", "limit ns", "share");
}

void bench_one_thread(void)
{
#ifdef _OPENMP
    if (getenv("OMP_NUM_THREADS") == NULL)
        omp_set_num_threads(1);
#endif
}

void bench_end(struct bench *b)
{
    if (b->save != NULL && fclose(b->save) != 0) {
        perror("--save");
        exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a call at the limit; *by says which. 0 where none is known. */
static double limit_of(const struct bench *b, const struct bench_row *r, const char **by)
{
    const struct limits *l = &b->limits[r->level];
    double peak = r->kind == BENCH_AES ? l->aes_blocks : l->multiply_adds;
    double work = r->kind != BENCH_BYTES && peak > 0 ? r->work / peak : 0;
    double moving = l->cached_bytes > 0 ? r->bytes / l->cached_bytes : 0;
    *by = work >= moving ? (r->kind == BENCH_AES ? "AES" : "multiply-adds") : "cache";
    return work > moving ? work : moving;
}

void bench_row_print(struct bench *b, const struct bench_row *r)
{
    static const char *const kinds[] = {"bytes", "multiply_adds", "aes_blocks"};
    const char *by;
    const double ns = 1e9 / r->elements, limit = ns * limit_of(b, r, &by);
    qsort(b->sample, (size_t)b->samples, sizeof *b->sample, compare);
    const double median = ns * b->sample[b->samples / 2], low = ns * b->sample[0];
    const double high = ns * b->sample[b->samples - 1];
    const double cycles = 1e-9 * b->limits[b->best].hertz * median;
    printf("%-7s %-17s %-12s %-9s %10.3f %10.3f %10.3f %9.2f %9.2f  %-12s", r->group, r->name,
           r->size, r->table, median, low, high, cycles, 1e-3 * median * r->elements, r->unit);
    if (limit > 0)
        printf(" %9.3f %4.0f %% %s", limit, 100 * limit / median, by);
    printf("\n");
    fflush(stdout);
    if (b->save == NULL)
        return;
    fprintf(b->save,
            "{\"level\": \"%s\", \"group\": \"%s\", \"name\": \"%s\", \"size\": \"%s\", \"table\": "
            "\"%s\", \"unit\": \"%s\", \"elements\": %.9g, \"ns\": %.9g, \"ns_fastest\": %.9g, "
            "\"ns_slowest\": %.9g, \"cycles\": %.9g, \"samples\": %d, \"kind\": \"%s\", \"work\": "
            "%.9g, \"bytes\": %.9g, \"limit_ns\": %.9g, \"limit\": \"%s\"%s}\n",
            b->level, r->group, r->name, r->size, r->table, r->unit, r->elements, median, low, high,
            cycles, b->samples, kinds[r->kind], r->work, r->bytes, limit, limit > 0 ? by : "none",
            r->more != NULL ? r->more : "");
}

void *bench_alloc(size_t count, size_t size)
{
    void *p = aligned_alloc(64, (count * size + 64) / 64 * 64);
    if (p == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    memset(p, 0, count * size);
    return p;
}

void bench_must(mp2ml_status status, const char *what)
{
    if (status == MP2ML_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, mp2ml_status_text(status));
    exit(1);
}
