/* The reference kernels: plain C, the definition that every other set is tested against. What each computes is said in
 * simd/kernels.h. Sums are formed in double, so that a difference is the other set's. */
#ifndef LT_SIMD_REF_H
#define LT_SIMD_REF_H

#include "simd/kernels.h"
#include "simd/quant.h"

void lt_ref_f32_to_bf16(const float *in, uint16_t *out, int64_t n);
void lt_ref_bf16_to_f32(const uint16_t *in, float *out, int64_t n);
void lt_ref_f32_to_f16(const float *in, uint16_t *out, int64_t n);
void lt_ref_f16_to_f32(const uint16_t *in, float *out, int64_t n);

float lt_ref_dot(const float *a, const float *b, int64_t n);
float lt_ref_sum(const float *a, int64_t n);
float lt_ref_max(const float *a, int64_t n);
float lt_ref_sum_exp(const float *a, float shift, int64_t n);
double lt_ref_sum_squares(const float *a, int64_t n);

void lt_ref_scale(float *y, float alpha, int64_t n);
void lt_ref_axpy(float *y, float alpha, const float *x, int64_t n);
void lt_ref_multiply(float *y, const float *a, const float *b, int64_t n);
void lt_ref_multiply_add(float *y, const float *a, const float *b, int64_t n);
void lt_ref_exp_scaled(float *y, const float *a, float shift, float scale, int64_t n);

void lt_ref_act_forward(lt_activation act, const float *gate, const float *up, float *out, int64_t n);
void lt_ref_act_backward(lt_activation act, const float *gate, const float *up, const float *dout, float *dgate,
                         float *dup, int64_t n);

void lt_ref_rope(float *x, const float *cos, const float *sin, float direction, int64_t half);

void lt_ref_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n);
void lt_ref_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n);

void lt_ref_decode_f32(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out);
void lt_ref_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out);

void lt_ref_adamw(float *param, float *m, float *v, const float *gradient, const lt_adamw_step *step, int64_t n);

#endif
