/* Decoding quantised rows with AVX2: the formulas of simd/decode_blocks.h, vectorised by the compiler, and the lookup of NF4. */
#include "simd/avx2/avx2.h"
#include "simd/avx2/rows_avx2.h"
#include "simd/decode_blocks.h"

enum { PIECE = 256 };

LT_INLINE float half(uint16_t bits)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

/* Eight bytes become the codes of 16 elements; each half of the table is one permutation, the code's fourth bit chooses. */
LT_INLINE void lookup(const uint8_t *bytes, const float table[16], float *out)
{
    const __m256 low = _mm256_loadu_ps(table), high = _mm256_loadu_ps(table + 8);
    const __m256i shifts = _mm256_set_epi32(0, 4, 0, 4, 0, 4, 0, 4);
    for (int i = 0; i < 16; i += 4, out += 8) {
        int32_t four;
        memcpy(&four, bytes + i, sizeof four);
        __m256i codes = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
        codes = _mm256_srlv_epi32(_mm256_or_si256(codes, _mm256_slli_epi64(codes, 32)), shifts);
        __m256 fourth = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
        _mm256_storeu_ps(out, _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes),
                                               _mm256_permutevar8x32_ps(high, codes), fourth));
    }
}

void lt_avx2_decode_f32(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    lt_decode_with((lt_decode_ways){half, lookup}, m, row, col, n, out);
}

void lt_avx2_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out)
{
    float piece[PIECE];
    for (int64_t i = 0, step; i < n; i += step) {
        step = n - i < PIECE ? n - i : PIECE;
        lt_avx2_decode_f32(m, row, col + i, step, piece);
        lt_avx2_f32_to_bf16(piece, out + i, step);
    }
}
