/* Products of bf16 pairs with VDPBF16PS: two multiplications a lane, sums in f32. The tile is explained in
 * simd/avx512/gemm_tile_avx512.h; a word of K is two elements.
 *
 * VDPBF16PS rounds to nearest even whatever the mode and takes subnormal inputs and results for zero (Intel SDM), as
 * the conversion VCVTNE2PS2BF16 does: products with values below 1.2e-38 differ from the other sets by that much. */
#include "simd/avx512/gemm_pack_avx512.h"
#include "simd/sets.h"

LT_INLINE __m512 multiply(__m512 acc, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)b, (__m512bh)a);
}

LT_MICRO_AVX512

LT_INLINE __m512i to_bf16(__m512 first, __m512 second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* Words of two neighbours: the 32 elements in their order. */
LT_INLINE __m512i line_bf16(const char *row, __mmask32 mask)
{
    return _mm512_maskz_loadu_epi16(mask, row);
}

LT_INLINE __m512i line_f32(const char *row, __mmask32 mask)
{
    return to_bf16(_mm512_maskz_loadu_ps((__mmask16)mask, row),
                   _mm512_maskz_loadu_ps((__mmask16)(mask >> LT_LANES), row + 4 * LT_LANES));
}

LT_INLINE __m512i line_f16(const char *row, __mmask32 mask)
{
    __m512i halves = line_bf16(row, mask);
    return to_bf16(_mm512_cvtph_ps(_mm512_castsi512_si256(halves)),
                   _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1)));
}

/* Elements 0 .. 15 of one row and the next, laid side by side: word i is element i of both. */
LT_INLINE __m512i zip(__m512i rows)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, rows);
}

LT_INLINE __m512i columns_bf16(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    __m512i first = _mm512_castsi256_si512(_mm256_maskz_loadu_epi16(mask, row));
    return zip(_mm512_inserti64x4(first, _mm256_maskz_loadu_epi16(next_mask, next_row), 1));
}

LT_INLINE __m512i columns_f32(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    return zip(to_bf16(_mm512_maskz_loadu_ps(mask, row), _mm512_maskz_loadu_ps(next_mask, next_row)));
}

LT_INLINE __m512i columns_f16(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    return zip(to_bf16(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row)),
                       _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(next_mask, next_row))));
}

LT_PACKERS_AVX512(f32, 2, line_f32, columns_f32)
LT_PACKERS_AVX512(f16, 2, line_f16, columns_f16)
LT_PACKERS_AVX512(bf16, 2, line_bf16, columns_bf16)

const lt_gemm_kernel lt_gemm_bf16_avx512bf16 = {
    .name = "bf16 avx512bf16, tile 8 x 48",
    LT_GEMM_SIZES_AVX512,
    .word_elements = 2,
    .micro = micro,
    .packers = {[LT_DTYPE_F32] = LT_PACKER_ROW_AVX512(f32),
                [LT_DTYPE_F16] = LT_PACKER_ROW_AVX512(f16),
                [LT_DTYPE_BF16] = LT_PACKER_ROW_AVX512(bf16)},
};
