/* Row kernels of the AVX-512 set; the rest is inherited from AVX2. */
#include "simd/avx512/decode_avx512.h"
#include "simd/avx512/rows_avx512.h"
#include "simd/sets.h"

void lt_avx512_overlay(lt_kernels *table)
{
    table->decode_f32 = lt_avx512_decode_f32;
    table->decode_bf16 = lt_avx512_decode_bf16;
    table->sum_exp = lt_avx512_sum_exp;
    table->exp_scaled = lt_avx512_exp_scaled;
    table->act_forward = lt_avx512_act_forward;
    table->act_backward = lt_avx512_act_backward;
}
