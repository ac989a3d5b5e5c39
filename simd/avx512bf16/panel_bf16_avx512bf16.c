/* Panel kernels with VDPBF16PS: a word is a pair of bf16. */
#include "simd/avx512/panel_softmax_avx512.h"

LT_INLINE __m512 multiply(__m512 acc, __m512i a, __m512i b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)b, (__m512bh)a);
}

static void product(const lt_panel_product *p)
{
    lt_panel_product_words(multiply, 2, p);
}

LT_INLINE __m512i to_bf16(__m512 first, __m512 second)
{
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

LT_INLINE __m512i zip(__m512i rows)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, rows);
}

LT_INLINE __m512i line(const char *row, __mmask32 mask)
{
    return to_bf16(_mm512_maskz_loadu_ps((__mmask16)mask, row),
                   _mm512_maskz_loadu_ps((__mmask16)(mask >> LT_LANES), row + 4 * LT_LANES));
}

LT_INLINE __m512i columns(const char *row, const char *next_row, __mmask16 mask, __mmask16 next_mask)
{
    return zip(to_bf16(_mm512_maskz_loadu_ps(mask, row), _mm512_maskz_loadu_ps(next_mask, next_row)));
}

LT_INLINE void emit_row(char *a, __m512 value)
{
    _mm256_storeu_si256((__m256i *)a, (__m256i)_mm512_cvtneps_pbh(value));
}

LT_INLINE void emit_pair(char *b, int64_t step, __m512 even, __m512 odd)
{
    (void)step;
    _mm512_store_si512(b, zip(to_bf16(even, odd)));
}

static const lt_loaders load = {2, line, columns};
static const lt_panel_emit emit = {2, emit_row, emit_pair};

LT_PANEL_KERNELS_AVX512(lt_panel_bf16_avx512bf16, bf16, 2, load, emit);
