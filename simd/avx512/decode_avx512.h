/* Decoding quantised rows with AVX-512: the formulas of simd/decode_blocks.h, vectorised by the compiler, and the lookup of
 * NF4. */
#ifndef LT_SIMD_DECODE_AVX512_H
#define LT_SIMD_DECODE_AVX512_H

#include <immintrin.h>

#include "simd/decode_blocks.h"

enum { LT_DECODE_PIECE = 256 };

LT_INLINE float lt_half_avx512(uint16_t bits)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

/* Eight bytes become the codes of 16 elements (a permutation looks at four bits of an index only). */
LT_INLINE void lt_lookup_avx512(const uint8_t *bytes, const float table[16], float *out)
{
    const __m512 values = _mm512_loadu_ps(table);
    const __m512i shifts = _mm512_set1_epi64(4);
    LT_UNROLL
    for (int i = 0; i < 16; i += 8, out += 16) {
        __m512i codes = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)(bytes + i)));
        codes = _mm512_srlv_epi32(_mm512_or_si512(codes, _mm512_slli_epi64(codes, 32)), shifts);
        _mm512_storeu_ps(out, _mm512_permutexvar_ps(codes, values));
    }
}

static const lt_decode_ways lt_decode_avx512 = {lt_half_avx512, lt_lookup_avx512};

void lt_avx512_decode_f32(const lt_matrix *m, int64_t row, int64_t col, int64_t n, float *out);
void lt_avx512_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out);
void lt_avx512bf16_decode_bf16(const lt_matrix *m, int64_t row, int64_t col, int64_t n, uint16_t *out);

#endif
