/* The activation store's blocks of 8-bit codes: the same scales and codes as simd/ref/quantize_ref.c, bit for bit. A
 * block is four vectors; a last block that is short is quantised from a copy filled up with zeros. */
#include "simd/avx2/rows_avx2.h"

#include <float.h>

enum { VECTORS = LT_QUANT_BLOCK / LT_LANES, BF16_NAN = 0x7FC0 };

/* Largest |x| as its bits: among sign-less floats the order of the bits is the order of the numbers, with infinity and
 * then NaN above all. */
LT_INLINE uint32_t largest_bits(const __m256 x[VECTORS])
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256i max = _mm256_setzero_si256();
    LT_UNROLL
    for (int v = 0; v < VECTORS; v++)
        max = _mm256_max_epi32(max, _mm256_castps_si256(_mm256_andnot_ps(sign, x[v])));
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* The scale as bf16, and its reciprocal (0: store zeros). */
LT_INLINE uint16_t scale_of(uint32_t largest, float *inverse)
{
    *inverse = 0;
    if (largest >= 0x7F800000)
        return BF16_NAN;
    float max, scale;
    memcpy(&max, &largest, sizeof max);
    scale = max / 127;
    if (scale < FLT_MIN)
        return 0;
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    uint16_t up = (uint16_t)((bits + 0xFFFF) >> 16);
    *inverse = 1 / lt_bf16_to_f32(up);
    return up;
}

LT_INLINE void quantize_block(const float *in, int8_t *codes, uint16_t *scale_bf16)
{
    __m256 x[VECTORS];
    float inverse;
    LT_UNROLL
    for (int v = 0; v < VECTORS; v++)
        x[v] = _mm256_loadu_ps(in + v * LT_LANES);
    *scale_bf16 = scale_of(largest_bits(x), &inverse);
    if (inverse == 0) {
        memset(codes, 0, LT_QUANT_BLOCK);
        return;
    }
    __m256i code[VECTORS];
    LT_UNROLL
    for (int v = 0; v < VECTORS; v++)
        code[v] = _mm256_cvtps_epi32(_mm256_mul_ps(x[v], _mm256_set1_ps(inverse)));
    __m256i first = _mm256_packs_epi32(code[0], code[1]), second = _mm256_packs_epi32(code[2], code[3]);
    /* Packing works within 128-bit halves: put the groups of four codes back in order. */
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order);
    _mm256_storeu_si256((__m256i *)(void *)codes, bytes);
}

void lt_avx2_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n)
{
    int64_t blocks = n / LT_QUANT_BLOCK, rest = n % LT_QUANT_BLOCK;
    for (int64_t b = 0; b < blocks; b++)
        quantize_block(in + b * LT_QUANT_BLOCK, codes + b * LT_QUANT_BLOCK, scales_bf16 + b);
    if (rest) {
        float filled[LT_QUANT_BLOCK] = {0};
        int8_t filled_codes[LT_QUANT_BLOCK];
        memcpy(filled, in + blocks * LT_QUANT_BLOCK, (size_t)rest * sizeof(float));
        quantize_block(filled, filled_codes, scales_bf16 + blocks);
        memcpy(codes + blocks * LT_QUANT_BLOCK, filled_codes, (size_t)rest);
    }
}

LT_INLINE void dequantize_block(const int8_t *codes, uint16_t scale_bf16, float *out)
{
    const __m256 scale = _mm256_set1_ps(lt_bf16_to_f32(scale_bf16));
    LT_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(codes + v * LT_LANES));
        _mm256_storeu_ps(out + v * LT_LANES, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), scale));
    }
}

void lt_avx2_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n)
{
    int64_t blocks = n / LT_QUANT_BLOCK, rest = n % LT_QUANT_BLOCK;
    for (int64_t b = 0; b < blocks; b++)
        dequantize_block(codes + b * LT_QUANT_BLOCK, scales_bf16[b], out + b * LT_QUANT_BLOCK);
    for (int64_t i = n - rest; i < n; i++)
        out[i] = (float)codes[i] * lt_bf16_to_f32(scales_bf16[blocks]);
}
