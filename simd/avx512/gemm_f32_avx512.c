/* Products of f32 words with AVX-512: f32 compute, and bf16 compute where the processor has no bf16 products (operands
 * rounded to bf16, products and sums in f32). The tile is explained in gemm_tile_avx512.h. */
#include "simd/avx512/gemm_pack_avx512.h"
#include "simd/sets.h"

LT_INLINE __m512 multiply(__m512 acc, __m512i a, __m512i b)
{
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), acc);
}

LT_MICRO_AVX512

/* Round to nearest even to bf16, kept as f32; NaN stays NaN. */
LT_INLINE __m512i rounded(__m512i bits)
{
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __m512 value = _mm512_castsi512_ps(bits);
    __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_and_si512(up, _mm512_set1_epi32((int)0xFFFF0000));
}

/* A line, and a row of columns, are both 16 elements here. */
LT_INLINE __m512i line_f32(const char *row, __mmask32 mask)
{
    return _mm512_maskz_loadu_epi32((__mmask16)mask, row);
}

LT_INLINE __m512i line_f16(const char *row, __mmask32 mask)
{
    return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16((__mmask16)mask, row)));
}

LT_INLINE __m512i line_bf16(const char *row, __mmask32 mask)
{
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16((__mmask16)mask, row)), 16);
}

LT_INLINE __m512i line_f32_rounded(const char *row, __mmask32 mask)
{
    return rounded(line_f32(row, mask));
}

LT_INLINE __m512i line_f16_rounded(const char *row, __mmask32 mask)
{
    return rounded(line_f16(row, mask));
}

#define LOADERS(type)                                                                                                  \
    LT_INLINE __m512i columns_##type(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)       \
    {                                                                                                                  \
        (void)next_row, (void)next_mask;                                                                               \
        return line_##type(row, mask);                                                                                 \
    }                                                                                                                  \
    LT_PACKERS_AVX512(type, 1, line_##type, columns_##type)

LOADERS(f32)
LOADERS(f16)
LOADERS(bf16)
LOADERS(f32_rounded)
LOADERS(f16_rounded)

const lt_gemm_kernel lt_gemm_f32_avx512 = {
    .name = "f32 avx512, tile 8 x 48",
    LT_GEMM_SIZES_AVX512,
    .word_elements = 1,
    .micro = micro,
    .packers = {[LT_DTYPE_F32] = LT_PACKER_ROW_AVX512(f32),
                [LT_DTYPE_F16] = LT_PACKER_ROW_AVX512(f16),
                [LT_DTYPE_BF16] = LT_PACKER_ROW_AVX512(bf16)},
};

const lt_gemm_kernel lt_gemm_bf16_avx512 = {
    .name = "bf16 as f32 avx512, tile 8 x 48",
    LT_GEMM_SIZES_AVX512,
    .word_elements = 1,
    .micro = micro,
    .packers = {[LT_DTYPE_F32] = LT_PACKER_ROW_AVX512(f32_rounded),
                [LT_DTYPE_F16] = LT_PACKER_ROW_AVX512(f16_rounded),
                [LT_DTYPE_BF16] = LT_PACKER_ROW_AVX512(bf16)},
};
