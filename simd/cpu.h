/* What this processor has and what the operating system lets a program use of it. */
#ifndef LT_SIMD_CPU_H
#define LT_SIMD_CPU_H

#include <stdbool.h>

typedef struct lt_cpu {
    bool avx2;       /* AVX2, FMA and F16C, and the system saves the upper halves */
    bool avx512;     /* F, BW, VL and DQ, and the system saves the wide state */
    bool avx512bf16; /* avx512 and VDPBF16PS */
} lt_cpu;

/* Asks the processor. On anything but x86-64 every field is false. */
lt_cpu lt_cpu_detect(void);

#endif
