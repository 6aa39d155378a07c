/* SPDX-License-Identifier: Apache-2.0
 *
 * Benchmarks below the program, in two levels:
 *
 *   bench_micro      every kernel of every folder's tables, with each table that the machine has
 *   bench_protocol   both parties in one process: transfers, ReLUs, the stages of linear steps
 *
 *   bench_micro [--long] [--save FILE]
 *
 * Each prints a table and, with --save, appends a JSON object a line to FILE. A row is the median
 * of several samples, with the fastest and the slowest; beside it stands the limit of the machine,
 * measured in the same run: what the arithmetic alone takes at the peak of its instruction, or the
 * reading and writing alone at the speed of a copy in the first-level cache, whichever is more.
 * Times are processor time of a thread unless said otherwise. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "limits.h"

#define BENCH_MAX_SAMPLES 101

struct bench {
    int samples;
    double slice; /* seconds that a sample takes at least */
    bool long_form;
    FILE *save; /* NULL: nowhere */
    const char *level;
    enum limits_level best;           /* of this machine, or what MP2ML_CPU lowers it to */
    struct limits limits[3];          /* by level, up to the best */
    double sample[BENCH_MAX_SAMPLES]; /* seconds, of the row being measured */
};

enum bench_work { BENCH_BYTES, BENCH_MULTIPLY_ADDS, BENCH_AES };

struct bench_row {
    const char *group, *name; /* folder and kernel; or protocol and stage */
    char size[24];
    const char *table; /* kernels, or the party */
    enum limits_level level;
    const char *unit; /* what an element is */
    double elements;  /* of one call; the rest likewise */
    enum bench_work kind;
    double work;      /* multiply-adds or blocks of AES */
    double bytes;     /* read and written */
    const char *more; /* further JSON members, ", \"key\": value ...", or NULL */
};

/* Reads the command line, measures the limits and prints them with the head of the table. */
void bench_begin(struct bench *b, const char *level, int argc, char **argv);
void bench_end(struct bench *b);
/* Kernels use one thread, unless OMP_NUM_THREADS says more; for each thread that starts. */
void bench_one_thread(void);
/* Prints a row of the samples taken. */
void bench_row_print(struct bench *b, const struct bench_row *row);

/* Zeroed, aligned to 64 bytes; ends the program when memory is out. */
void *bench_alloc(size_t count, size_t size);
/* Ends the program unless the call succeeded. */
void bench_must(mp2ml_status status, const char *what);
#define MUST(call) bench_must((call), #call)

/* Takes the samples of a row, each of as many runs of the statement as fill the slice, and prints
 * it. */
#define BENCH(b, row, statement)                                                                   \
    do {                                                                                           \
        size_t runs_ = 1;                                                                          \
        for (int s_ = -1; s_ < (b)->samples;) {                                                    \
            double from_ = limits_now();                                                           \
            for (size_t run_ = 0; run_ < runs_; run_++) {                                          \
                statement;                                                                         \
            }                                                                                      \
            double seconds_ = limits_now() - from_;                                                \
            if (s_ < 0 && seconds_ < (b)->slice) {                                                 \
                runs_ = seconds_ * 8 < (b)->slice ? runs_ * 8 : runs_ * 2;                         \
                continue;                                                                          \
            }                                                                                      \
            if (s_ >= 0)                                                                           \
                (b)->sample[s_] = seconds_ / (double)runs_;                                        \
            s_++;                                                                                  \
        }                                                                                          \
        bench_row_print(b, row);                                                                   \
    } while (0)

#endif
