/* The soft limit of Gemma 2: z = cap · tanh(scale · x / cap). Its derivative is scale · (1 - (z / cap)²). */
#ifndef LT_NN_SOFTCAP_H
#define LT_NN_SOFTCAP_H

#include "simd/kernels.h"

/* z (n) from x (n); z may be x. tanh u is 1 - 2 / (exp(2u) + 1): its error is one of f32's last bits of 1, so that of z
 * is as small as the rounding of a value near the cap. NaN stays NaN, infinities become ± cap. */
static inline void lt_softcap_row(const lt_kernels *kernels, const float *x, float *z, float scale, float cap,
                                  int64_t n)
{
    const float twice = 2 * scale / cap;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        z[i] = x[i] * twice;
    kernels->exp_scaled(z, z, 0, 1, n);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        z[i] = cap * (1 - 2 / (z[i] + 1));
}

#endif
