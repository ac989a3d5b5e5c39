/* The reference set: every entry of the table. */
#include "simd/ref/ref.h"
#include "simd/sets.h"

void lt_ref_overlay(lt_kernels *table)
{
    *table = (lt_kernels){
        .f32_to_bf16 = lt_ref_f32_to_bf16,
        .bf16_to_f32 = lt_ref_bf16_to_f32,
        .f32_to_f16 = lt_ref_f32_to_f16,
        .f16_to_f32 = lt_ref_f16_to_f32,
        .dot = lt_ref_dot,
        .sum = lt_ref_sum,
        .max = lt_ref_max,
        .sum_exp = lt_ref_sum_exp,
        .sum_squares = lt_ref_sum_squares,
        .scale = lt_ref_scale,
        .axpy = lt_ref_axpy,
        .multiply = lt_ref_multiply,
        .multiply_add = lt_ref_multiply_add,
        .exp_scaled = lt_ref_exp_scaled,
        .act_forward = lt_ref_act_forward,
        .act_backward = lt_ref_act_backward,
        .rope = lt_ref_rope,
        .quantize_q8 = lt_ref_quantize_q8,
        .dequantize_q8 = lt_ref_dequantize_q8,
        .decode_f32 = lt_ref_decode_f32,
        .decode_bf16 = lt_ref_decode_bf16,
        .adamw = lt_ref_adamw,
    };
}
