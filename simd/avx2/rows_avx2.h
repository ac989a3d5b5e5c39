/* The row kernels of the AVX2 set. What each computes is said in simd/kernels.h. */
#ifndef LT_SIMD_ROWS_AVX2_H
#define LT_SIMD_ROWS_AVX2_H

#include "simd/avx2/avx2.h"
#include "simd/kernels.h"

void lt_avx2_f32_to_bf16(const float *in, uint16_t *out, int64_t n);
void lt_avx2_bf16_to_f32(const uint16_t *in, float *out, int64_t n);
void lt_avx2_f32_to_f16(const float *in, uint16_t *out, int64_t n);
void lt_avx2_f16_to_f32(const uint16_t *in, float *out, int64_t n);

float lt_avx2_dot(const float *a, const float *b, int64_t n);
float lt_avx2_sum(const float *a, int64_t n);
float lt_avx2_max(const float *a, int64_t n);
float lt_avx2_sum_exp(const float *a, float shift, int64_t n);
double lt_avx2_sum_squares(const float *a, int64_t n);

void lt_avx2_scale(float *y, float alpha, int64_t n);
void lt_avx2_axpy(float *y, float alpha, const float *x, int64_t n);
void lt_avx2_multiply(float *y, const float *a, const float *b, int64_t n);
void lt_avx2_multiply_add(float *y, const float *a, const float *b, int64_t n);
void lt_avx2_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n);

void lt_avx2_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n);
void lt_avx2_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                          float *dup, int64_t n);

void lt_avx2_rope(float *x, const float *cos, const float *sin, float direction, int64_t half);

void lt_avx2_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n);
void lt_avx2_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n);

void lt_avx2_decode_f32(const struct lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out);
void lt_avx2_decode_bf16(const struct lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out);

void lt_avx2_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n);

/* The next 8 floats of a row of which `left` (> 0) remain; zeros for those that do not. */
LT_INLINE __m256 lt_load(const float *from, int64_t left)
{
    return left >= LT_LANES ? _mm256_loadu_ps(from) : lt_load_part(from, left);
}

LT_INLINE void lt_store(float *to, __m256 value, int64_t left)
{
    if (left >= LT_LANES)
        _mm256_storeu_ps(to, value);
    else
        lt_store_part(to, value, left);
}

#endif
