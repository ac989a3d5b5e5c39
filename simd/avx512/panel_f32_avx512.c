/* Panel kernels on f32 words: f32 compute, and bf16 compute where the processor has no bf16 products. */
#include "simd/avx512/panel_softmax_avx512.h"

LT_INLINE __m512 multiply(__m512 acc, __m512i a, __m512i b)
{
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), acc);
}

static void product(const lt_panel_product *p)
{
    lt_panel_product_words(multiply, 1, p);
}

/* Round to nearest even to bf16, kept as f32; NaN stays NaN. */
LT_INLINE __m512 rounded(__m512 value)
{
    __m512i bits = _mm512_castps_si512(value);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_castsi512_ps(_mm512_and_si512(up, _mm512_set1_epi32((int)0xFFFF0000)));
}

LT_INLINE __m512i line_f32(const char *row, __mmask32 mask)
{
    return _mm512_maskz_loadu_epi32((__mmask16)mask, row);
}

LT_INLINE __m512i line_rounded(const char *row, __mmask32 mask)
{
    return _mm512_castps_si512(rounded(_mm512_maskz_loadu_ps((__mmask16)mask, row)));
}

LT_INLINE __m512i columns_f32(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    (void)next_row, (void)next_mask;
    return line_f32(row, mask);
}

LT_INLINE __m512i columns_rounded(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    (void)next_row, (void)next_mask;
    return line_rounded(row, mask);
}

LT_INLINE void row_f32(char *a, __m512 value)
{
    _mm512_storeu_ps(a, value);
}

LT_INLINE void row_rounded(char *a, __m512 value)
{
    _mm512_storeu_ps(a, rounded(value));
}

LT_INLINE void pair_f32(char *b, int64_t step, __m512 even, __m512 odd)
{
    _mm512_store_ps(b, even);
    _mm512_store_ps(b + step, odd);
}

LT_INLINE void pair_rounded(char *b, int64_t step, __m512 even, __m512 odd)
{
    pair_f32(b, step, rounded(even), rounded(odd));
}

static const lt_loaders load_f32 = {1, line_f32, columns_f32}, load_rounded = {1, line_rounded, columns_rounded};
static const lt_panel_emit emit_f32 = {1, row_f32, pair_f32}, emit_rounded = {1, row_rounded, pair_rounded};

LT_PANEL_KERNELS_AVX512(lt_panel_f32_avx512, f32, 4, load_f32, emit_f32);
LT_PANEL_KERNELS_AVX512(lt_panel_bf16_avx512, rounded, 4, load_rounded, emit_rounded);
