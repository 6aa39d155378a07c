/* SPDX-License-Identifier: Apache-2.0
 *
 * What one core of this machine does at most, measured, so that figures of shared and drifting
 * machines can be compared by their ratio to it. Also for bench/. */
#ifndef APPS_LIMITS_H
#define APPS_LIMITS_H

#include <time.h>

enum limits_level { LIMITS_PORTABLE, LIMITS_AVX2, LIMITS_AVX512 }; /* as MP2ML_CPU names them */

struct limits {           /* a second; 0: unknown */
    double hertz;         /* dependent additions */
    double aes_blocks;    /* AES-128, ten rounds, keys there, in registers */
    double multiply_adds; /* of a 41-bit residue and an 11-bit weight, in registers; AVX-512: eight
                             an IFMA; AVX2: 16 in three pairs of VPMADDWD and VPADDD */
    double copy_bytes;    /* memcpy of 64 MiB: bytes read and bytes written */
    double cached_bytes;  /* the same of 16 KiB */
};
/* With the instructions of a level that the machine has. About 0.2 s. */
void limits_measure(struct limits *l, enum limits_level level);
/* Bytes a second through a TCP connection of this machine with itself, one way, a thread at either
 * end; 0 when there is none. */
double limits_loopback(void);
/* The level of this run: that of the machine, or what MP2ML_CPU lowers it to. */
enum limits_level limits_level(void);
const char *limits_level_name(enum limits_level level);

/* Seconds of processor time of this thread, which other load disturbs less than the time of day. */
static inline double limits_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
