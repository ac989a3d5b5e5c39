/* The row kernels that AVX-512 does clearly faster than AVX2: those that compute more than they load. What each
 * computes is said in simd/kernels.h. */
#ifndef LT_SIMD_ROWS_AVX512_H
#define LT_SIMD_ROWS_AVX512_H

#include <immintrin.h>

#include "simd/kernels.h"
#include "simd/unroll.h"

void lt_avx512_f32_to_bf16(const float *in, uint16_t *out, int64_t n);
float lt_avx512_sum_exp(const float *a, float shift, int64_t n);
void lt_avx512_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n);
void lt_avx512_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n);
void lt_avx512_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                            float *dup, int64_t n);
void lt_avx512_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n);
void lt_avx512_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n);
void lt_avx512_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n);

enum { LT_WIDTH = 16 }; /* floats of a vector */

/* The lanes of the next vector of a row of which `left` (> 0) elements remain. */
LT_INLINE __mmask16 lt_lanes(int64_t left)
{
    return left >= LT_WIDTH ? (__mmask16)0xFFFF : (__mmask16)((1u << left) - 1);
}

#endif
