/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernels this run may use. MP2ML_CPU=portable|avx2|avx512 lowers the level; it never raises
 * it above what processor and operating system allow. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>

enum cpu_level {
    CPU_PORTABLE = 0,
    CPU_AVX2 = 1,  /* AVX2, AES-NI, PCLMULQDQ, BMI2 */
    CPU_AVX512 = 2 /* AVX-512 F, BW, DQ, VL, IFMA, VBMI, and VAES, VPCLMULQDQ, GFNI */
};

/* The level for this run: the best one that the machine has, or the lower one that MP2ML_CPU names.
 * An unknown name counts as portable. */
enum cpu_level cpu_level(void);
/* AES-NI and PCLMULQDQ, unless MP2ML_CPU=portable. */
bool cpu_has_aes(void);
const char *cpu_level_name(enum cpu_level level);

#endif
