/* Conversions between stored float formats. */
#include "simd/ref/ref.h"

void lt_ref_f32_to_bf16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = lt_f32_to_bf16(in[i]);
}

void lt_ref_bf16_to_f32(const uint16_t *in, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = lt_bf16_to_f32(in[i]);
}

void lt_ref_f32_to_f16(const float *in, uint16_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = lt_f32_to_f16(in[i]);
}

void lt_ref_f16_to_f32(const uint16_t *in, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = lt_f16_to_f32(in[i]);
}
