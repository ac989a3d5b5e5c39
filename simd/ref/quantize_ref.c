/* The activation store's blocks of 8-bit codes.
 *
 * The scale is rounded up to bf16, so |x| / scale ≤ 127 holds for every element. A block that holds a NaN or an
 * infinity gets the scale NaN and comes back as NaN everywhere: what went wrong stays visible. A block whose scale
 * would be subnormal is stored as zeros. The code is round(x · (1 / scale)): every set multiplies by the same
 * reciprocal, so every set gives the same codes. */
#include "simd/ref/ref.h"

#include <float.h>
#include <math.h>

enum { BF16_NAN = 0x7FC0 };

static uint16_t bf16_rounded_up(float f) /* f ≥ 0 and finite */
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)((bits + 0xFFFF) >> 16);
}

static uint16_t block_scale(const float *in, int64_t n)
{
    float max = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(in[i]))
            return BF16_NAN;
        max = fmaxf(max, fabsf(in[i]));
    }
    float scale = max / 127;
    return scale < FLT_MIN ? 0 : bf16_rounded_up(scale);
}

void lt_ref_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n)
{
    for (int64_t start = 0; start < n; start += LT_QUANT_BLOCK) {
        int64_t length = n - start < LT_QUANT_BLOCK ? n - start : LT_QUANT_BLOCK;
        uint16_t scale = block_scale(in + start, length);
        bool blank = scale == 0 || scale == BF16_NAN;
        float inverse = blank ? 0 : 1 / lt_bf16_to_f32(scale);
        for (int64_t i = 0; i < length; i++)
            codes[start + i] = blank ? 0 : (int8_t)rintf(in[start + i] * inverse);
        scales_bf16[start / LT_QUANT_BLOCK] = scale;
    }
}

void lt_ref_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)codes[i] * lt_bf16_to_f32(scales_bf16[i / LT_QUANT_BLOCK]);
}
