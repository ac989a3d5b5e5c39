/* The activation store's blocks of 8-bit codes: the same scales and codes as simd/ref/quantize_ref.c, bit for bit. A
 * block is two vectors. Scales of 16 blocks are found at once, because a division a block would cost as much as the
 * rest. */
#include "simd/avx512/rows_avx512.h"

#include <float.h>

enum { BF16_NAN = 0x7FC0, GROUP = 16 };

/* Largest |x| of a block, as its bits: among sign-less floats the order of the bits is the order of the numbers, with
 * infinity and then NaN above all. */
LT_INLINE int largest_bits(const float *in, __mmask16 first, __mmask16 second)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i a = _mm512_and_si512(_mm512_maskz_loadu_epi32(first, in), magnitude);
    __m512i b = _mm512_and_si512(_mm512_maskz_loadu_epi32(second, in + LT_WIDTH), magnitude);
    return _mm512_reduce_max_epi32(_mm512_max_epi32(a, b));
}

/* Scales as bf16 and their reciprocals (0: store zeros) of 16 blocks. */
LT_INLINE __m256i scales_of(__m512i largest, __m512 *inverse)
{
    __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(largest), _mm512_set1_ps(127));
    __mmask16 broken = _mm512_cmp_epi32_mask(largest, _mm512_set1_epi32(0x7F800000), _MM_CMPINT_NLT);
    __mmask16 stored = _mm512_cmp_ps_mask(scale, _mm512_set1_ps(FLT_MIN), _CMP_GE_OQ) & (__mmask16)~broken;
    __m512i up = _mm512_add_epi32(_mm512_castps_si512(scale), _mm512_set1_epi32(0xFFFF));
    up = _mm512_maskz_and_epi32(stored, up, _mm512_set1_epi32((int)0xFFFF0000));
    *inverse = _mm512_maskz_div_ps(stored, _mm512_set1_ps(1), _mm512_castsi512_ps(up));
    up = _mm512_mask_mov_epi32(up, broken, _mm512_set1_epi32(BF16_NAN << 16));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}

/* 16 codes: x / scale to the nearest, ties to even. With the reciprocal 0 the codes are 0 whatever x is. */
LT_INLINE void store_codes(const float *in, int8_t *codes, __m512 inverse, __mmask16 lanes)
{
    __m512 x = _mm512_maskz_loadu_ps(lanes, in);
    __mmask16 stored = _mm512_cmp_ps_mask(inverse, _mm512_setzero_ps(), _CMP_NEQ_OQ);
    __m512i code = _mm512_maskz_cvtps_epi32(stored, _mm512_mul_ps(x, inverse));
    _mm_mask_storeu_epi8(codes, lanes, _mm512_cvtepi32_epi8(code));
}

void lt_avx512_quantize_q8(const float *in, int8_t *codes, uint16_t *scales_bf16, int64_t n)
{
    for (int64_t start = 0; start < n; start += GROUP * LT_QUANT_BLOCK) {
        int64_t left = n - start, blocks = (left + LT_QUANT_BLOCK - 1) / LT_QUANT_BLOCK;
        if (blocks > GROUP)
            blocks = GROUP;
        _Alignas(64) int largest[GROUP] = {0};
        _Alignas(64) float inverses[GROUP];
        for (int64_t b = 0; b < blocks; b++) {
            int64_t here = left - b * LT_QUANT_BLOCK;
            largest[b] = largest_bits(in + start + b * LT_QUANT_BLOCK, lt_lanes(here),
                                      here > LT_WIDTH ? lt_lanes(here - LT_WIDTH) : 0);
        }
        __m512 inverse;
        __m256i scales = scales_of(_mm512_load_si512(largest), &inverse);
        _mm256_mask_storeu_epi16(scales_bf16 + start / LT_QUANT_BLOCK, lt_lanes(blocks), scales);
        _mm512_store_ps(inverses, inverse);
        for (int64_t i = 0; i < left && i < GROUP * LT_QUANT_BLOCK; i += LT_WIDTH)
            store_codes(in + start + i, codes + start + i, _mm512_set1_ps(inverses[i / LT_QUANT_BLOCK]),
                        lt_lanes(left - i));
    }
}

void lt_avx512_dequantize_q8(const int8_t *codes, const uint16_t *scales_bf16, float *out, int64_t n)
{
    for (int64_t i = 0; i < n; i += LT_WIDTH) {
        __mmask16 lanes = lt_lanes(n - i);
        __m512 scale = _mm512_set1_ps(lt_bf16_to_f32(scales_bf16[i / LT_QUANT_BLOCK]));
        __m512 code = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, codes + i)));
        _mm512_mask_storeu_ps(out + i, lanes, _mm512_mul_ps(code, scale));
    }
}
