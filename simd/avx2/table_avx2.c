/* The AVX2 set brings every row kernel. */
#include "simd/avx2/rows_avx2.h"
#include "simd/sets.h"

void lt_avx2_overlay(lt_kernels *table)
{
    *table = (lt_kernels){
        .f32_to_bf16 = lt_avx2_f32_to_bf16,
        .bf16_to_f32 = lt_avx2_bf16_to_f32,
        .f32_to_f16 = lt_avx2_f32_to_f16,
        .f16_to_f32 = lt_avx2_f16_to_f32,
        .dot = lt_avx2_dot,
        .sum = lt_avx2_sum,
        .max = lt_avx2_max,
        .sum_exp = lt_avx2_sum_exp,
        .sum_squares = lt_avx2_sum_squares,
        .scale = lt_avx2_scale,
        .axpy = lt_avx2_axpy,
        .multiply = lt_avx2_multiply,
        .multiply_add = lt_avx2_multiply_add,
        .exp_scaled = lt_avx2_exp_scaled,
        .act_forward = lt_avx2_act_forward,
        .act_backward = lt_avx2_act_backward,
        .rope = lt_avx2_rope,
        .quantize_q8 = lt_avx2_quantize_q8,
        .dequantize_q8 = lt_avx2_dequantize_q8,
        .decode_f32 = lt_avx2_decode_f32,
        .decode_bf16 = lt_avx2_decode_bf16,
        .adamw = lt_avx2_adamw,
    };
}
