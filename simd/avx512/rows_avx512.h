/* The row kernels that AVX-512 does clearly faster than AVX2, measured on Zen 4: those made of exponentials, by 1.5
 * to 2. Rounding to bf16, quantising and AdamW came out even or slower. What each computes is said in simd/kernels.h.
 */
#ifndef LT_SIMD_ROWS_AVX512_H
#define LT_SIMD_ROWS_AVX512_H

#include <immintrin.h>

#include "simd/kernels.h"
#include "simd/unroll.h"

float lt_avx512_sum_exp(const float *a, float shift, int64_t n);
void lt_avx512_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n);
void lt_avx512_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n);
void lt_avx512_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                            float *dup, int64_t n);

enum { LT_WIDTH = 16 }; /* floats of a vector */

/* The lanes of the next vector of a row of which `left` (> 0) elements remain. */
LT_INLINE __mmask16 lt_lanes(int64_t left)
{
    return left >= LT_WIDTH ? (__mmask16)0xFFFF : (__mmask16)((1u << left) - 1);
}

#endif
